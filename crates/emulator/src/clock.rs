//! The virtual clock: everything that the emulator dates or expires goes by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::books::Millis;

/// A handle on the emulator's time; copies share it. It follows real time with an offset, or stands still until moved.
#[derive(Debug, Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    is_frozen: AtomicBool,
    /// Milliseconds since 1970 when frozen, else milliseconds added to real time.
    value: AtomicI64,
}

impl Clock {
    /// A clock that follows real time.
    pub fn system() -> Self {
        Self::starting(false, 0)
    }

    /// A clock that stands at `at` (milliseconds since 1970 UTC) until it is moved.
    pub fn frozen(at: Millis) -> Self {
        Self::starting(true, at)
    }

    fn starting(is_frozen: bool, value: i64) -> Self {
        Self { inner: Arc::new(Inner { is_frozen: AtomicBool::new(is_frozen), value: AtomicI64::new(value) }) }
    }

    /// Milliseconds since 1970 UTC.
    pub fn now(&self) -> Millis {
        let value = self.inner.value.load(Ordering::SeqCst);
        if self.is_frozen() { value } else { real_time().saturating_add(value) }
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.inner.is_frozen.load(Ordering::SeqCst)
    }

    /// Moves the clock by so many milliseconds (backwards if negative) and returns the new time.
    pub fn advance(&self, by: Millis) -> Millis {
        self.inner.value.fetch_add(by, Ordering::SeqCst);
        self.now()
    }

    /// Stops the clock at the given time, or where it is.
    pub fn freeze(&self, at: Option<Millis>) {
        let at = at.unwrap_or_else(|| self.now());
        self.inner.value.store(at, Ordering::SeqCst);
        self.inner.is_frozen.store(true, Ordering::SeqCst);
    }

    /// Lets the clock run on from where it is.
    pub fn run(&self) {
        if self.is_frozen() {
            let behind = self.now() - real_time();
            self.inner.value.store(behind, Ordering::SeqCst);
            self.inner.is_frozen.store(false, Ordering::SeqCst);
        }
    }
}

fn real_time() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::frozen(1_000);
        let copy = clock.clone();
        assert_eq!(clock.advance(500), 1_500);
        assert_eq!(copy.now(), 1_500);
    }

    #[test]
    fn a_thawed_clock_goes_on_from_where_it_stood() {
        let clock = Clock::frozen(1_000);
        clock.run();
        assert!((1_000..60_000).contains(&clock.now()), "{}", clock.now());
    }
}
