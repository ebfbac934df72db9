//! Time and randomness as seams, so that waiting, expiry and one-time values are repeatable in tests.

use std::time::Duration;
#[cfg(not(target_os = "linux"))]
use std::{sync::OnceLock, time::Instant};

use async_trait::async_trait;
use jiff::Timestamp;

/// The only source of time in this crate.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// Returns when `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration);

    /// The time since a fixed moment of the past, for [`Deadline`]s: it is never set, and goes on while the machine sleeps.
    /// A clock that only knows [`Clock::now`] counts from the Unix epoch.
    fn uptime(&self) -> Duration {
        until(Timestamp::UNIX_EPOCH, self.now())
    }
}

/// A moment on [`Clock::uptime`]. It means nothing to another process, nor after a restart of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Duration);

impl Deadline {
    /// `span` from now.
    pub fn after(clock: &dyn Clock, span: Duration) -> Deadline {
        Deadline(clock.uptime().saturating_add(span))
    }

    /// Whether the moment is over. The moment itself still counts as in time.
    pub fn has_passed(self, clock: &dyn Clock) -> bool {
        clock.uptime() > self.0
    }
}

/// The machine's clock and the runtime's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// `CLOCK_BOOTTIME`: a laptop that was closed for an hour wakes up an hour later, not where it was.
    #[cfg(target_os = "linux")]
    fn uptime(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// The monotonic clock; whether it goes on while the machine sleeps is the system's choice.
    #[cfg(not(target_os = "linux"))]
    fn uptime(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A cryptographically secure source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator, stretched by a cryptographic one per thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Aborting is right: a program that cannot get randomness must not go on making up "one-time" values.
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// `now + duration`, held at the end of representable time instead of failing.
pub(crate) fn after(now: Timestamp, duration: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(duration).ok().and_then(|d| now.checked_add(d).ok()).unwrap_or(Timestamp::MAX)
}

/// The time from `now` until `then`; zero when `then` has passed.
pub(crate) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_on_a_clock_that_only_goes_on() {
        let clock = SystemClock;
        let before = clock.uptime();
        let near = Deadline::after(&clock, Duration::ZERO);
        let far = Deadline::after(&clock, Duration::from_secs(3600));
        while clock.uptime() == before {
            std::hint::spin_loop();
        }
        assert!(clock.uptime() > before);
        assert!(near < far && !far.has_passed(&clock));
        std::thread::sleep(Duration::from_millis(2));
        assert!(near.has_passed(&clock));
        assert!(!Deadline::after(&clock, Duration::MAX).has_passed(&clock), "too far away is never");
    }
}
