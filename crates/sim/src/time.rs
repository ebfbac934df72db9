//! Virtual time: it stands still while anybody works, and jumps to the next who sleeps when nobody does.
//!
//! A whole simulation runs on one thread. The harness's own future is the driver ([`Time::run_until`]): it lets every
//! other task run, and when none has done anything for a few turns it moves the clock on. Nothing here looks at real
//! time, so the same seed gives the same order of everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;

/// Turns without any port call after which nobody is taken to be at work. A task that was woken runs within one turn; a
/// lock that is handed on takes one more.
const IDLE_TURNS: u32 = 3;

/// The same where some are tasks between a process and a server: what one was told takes some turns to get on.
const PATIENT_TURNS: u32 = 16;

/// The time of a simulation, shared by its processes, its emulator and its database.
#[derive(Clone)]
pub struct Time {
    inner: Arc<Inner>,
}

struct Inner {
    clock: emulator::Clock,
    sleepers: Mutex<Sleepers>,
    activity: AtomicU64,
    /// Calls of a real database that are under way: while there are any, somebody is at work.
    busy: AtomicU64,
    /// Told when the last of them has ended.
    at_rest: Notify,
    idle_turns: AtomicU32,
}

#[derive(Default)]
struct Sleepers {
    /// By time and then by order of arrival.
    waiting: BTreeMap<(i64, u64), Waker>,
    next: u64,
}

impl Time {
    /// Starts at `at_ms`, milliseconds since 1970 UTC.
    pub fn starting_at(at_ms: i64) -> Self {
        let inner = Inner {
            clock: emulator::Clock::frozen(at_ms),
            sleepers: Mutex::default(),
            activity: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            at_rest: Notify::new(),
            idle_turns: AtomicU32::new(IDLE_TURNS),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The emulator's view of it.
    pub fn clock(&self) -> emulator::Clock {
        self.inner.clock.clone()
    }

    /// Milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now()
    }

    /// Somebody did something: time stands still a little longer.
    pub fn stir(&self) {
        self.inner.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when it is `at_ms` or later.
    pub async fn sleep_until(&self, at_ms: i64) {
        self.stir();
        if at_ms <= self.now_ms() {
            return tokio::task::yield_now().await;
        }
        let number = {
            let mut sleepers = self.sleepers();
            sleepers.next += 1;
            sleepers.next
        };
        let key = (at_ms, number);
        let _gone = Gone { time: self, key };
        std::future::poll_fn(|context| {
            if self.now_ms() >= at_ms {
                self.stir();
                return std::task::Poll::Ready(());
            }
            self.sleepers().waiting.insert(key, context.waker().clone());
            std::task::Poll::Pending
        })
        .await;
    }

    /// Returns when `span` has passed.
    pub async fn sleep(&self, span: Duration) {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        self.sleep_until(self.now_ms().saturating_add(span)).await;
    }

    /// While it lives, a database that takes real time is at work.
    pub fn at_work(&self) -> AtWork {
        self.inner.busy.fetch_add(1, Ordering::Relaxed);
        AtWork { time: self.clone() }
    }

    /// Whether a database that takes real time is at work.
    pub fn is_busy(&self) -> bool {
        self.inner.busy.load(Ordering::Relaxed) > 0
    }

    /// Waits longer before nobody is taken to be at work.
    pub(crate) fn be_patient(&self) {
        self.inner.idle_turns.store(PATIENT_TURNS, Ordering::Relaxed);
    }

    /// Lets everybody work until it is `until_ms` and nobody has anything left to do before it.
    pub async fn run_until(&self, until_ms: i64) {
        loop {
            self.settle().await;
            let next = self.sleepers().waiting.first_key_value().map(|(key, _)| key.0);
            let now = self.now_ms();
            match next.filter(|next| *next <= until_ms) {
                Some(next) if next > now => self.jump(next),
                Some(_) => self.wake_due(),
                None if until_ms > now => {
                    self.jump(until_ms);
                    return;
                }
                None => return,
            }
        }
    }

    /// Drives time on until `work` is done.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let mut turn = std::pin::pin!(self.run_until(self.now_ms().saturating_add(1_000)));
            let done = std::future::poll_fn(|context| {
                if let std::task::Poll::Ready(done) = work.as_mut().poll(context) {
                    return std::task::Poll::Ready(Some(done));
                }
                turn.as_mut().poll(context).map(|()| None)
            });
            if let Some(done) = done.await {
                return done;
            }
        }
    }

    /// Waits until nobody has done anything for some turns.
    async fn settle(&self) {
        let mut idle = 0;
        let mut seen = self.inner.activity.load(Ordering::Relaxed);
        let turns = self.inner.idle_turns.load(Ordering::Relaxed);
        while idle < turns {
            tokio::task::yield_now().await;
            let activity = self.inner.activity.load(Ordering::Relaxed);
            if self.is_busy() {
                self.inner.at_rest.notified().await;
                idle = 0;
            } else if activity == seen {
                idle += 1;
            } else {
                idle = 0;
            }
            seen = activity;
        }
    }

    fn jump(&self, at_ms: i64) {
        self.inner.clock.freeze(Some(at_ms));
        self.wake_due();
    }

    fn wake_due(&self) {
        let now = self.now_ms();
        let due = {
            let mut sleepers = self.sleepers();
            let later = sleepers.waiting.split_off(&(now + 1, 0));
            std::mem::replace(&mut sleepers.waiting, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.inner.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Time::at_work`].
pub struct AtWork {
    time: Time,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.time.stir();
        if self.time.inner.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.time.inner.at_rest.notify_one();
        }
    }
}

/// A sleeper that went away does not hold time up.
struct Gone<'a> {
    time: &'a Time,
    key: (i64, u64),
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.time.sleepers().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

    use super::*;

    fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn sleepers_wake_in_their_order_and_take_no_real_time() {
        let told = on_one_thread(async {
            let time = Time::starting_at(0);
            let told = Arc::new(Mutex::new(Vec::new()));
            for seconds in [3_600, 5, 60] {
                let (time, told) = (time.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    time.sleep(Duration::from_secs(seconds)).await;
                    told.lock().unwrap().push((seconds, time.now_ms()));
                });
            }
            time.run_until(100_000).await;
            let early = told.lock().unwrap().clone();
            time.run_until(10_000_000).await;
            assert_eq!(time.now_ms(), 10_000_000);
            assert_eq!(early, [(5, 5_000), (60, 60_000)]);
            told.lock().unwrap().clone()
        });
        assert_eq!(told, [(5, 5_000), (60, 60_000), (3_600, 3_600_000)]);
    }

    #[test]
    fn a_sleeper_that_goes_away_is_forgotten() {
        on_one_thread(async {
            let time = Time::starting_at(0);
            let sleeper = time.clone();
            let task = tokio::spawn(async move { sleeper.sleep_until(1_000_000).await });
            time.run_until(10).await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert!(time.sleepers().waiting.is_empty());
        });
    }

    #[test]
    fn work_is_driven_to_its_end() {
        let ended = on_one_thread(async {
            let time = Time::starting_at(0);
            time.drive(time.sleep(Duration::from_secs(86_400))).await;
            time.now_ms()
        });
        assert!((86_400_000..86_401_001).contains(&ended), "{ended}");
    }
}
