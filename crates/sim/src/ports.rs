//! The ports of one process: everything that its engine can do to the world, each a numbered place where it may die,
//! stand still, or be lied to.
//!
//! A dead process never gets anything out of a port again: whatever of it still runs waits for ever, as if it were gone.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use store::{Point, Probe};
use tokio::task::AbortHandle;
use xero::{Clock, Entropy, Request, Response, Transport, TransportError};

use crate::coverage::Seen;
use crate::dice::{Dice, die};
use crate::knobs::Fault;
use crate::stage::Stage;

/// After so long without an answer a client gives up.
const GIVEN_UP_MS: i64 = 30_000;

/// Port calls after a start during which a process counts as recovering.
const RECOVERY_POINTS: u64 = 60;

/// One life of a process.
pub struct Ports {
    stage: Arc<Stage>,
    /// From 1; 0 is the operator's, which nothing befalls.
    pub(crate) process: usize,
    life: u64,
    state: Mutex<State>,
    /// Its clock against the true time.
    skew_ms: AtomicI64,
    /// Its own port calls.
    points: AtomicU64,
    /// How often its database would not keep something: what it knew by then need not be known any more.
    forgot: AtomicU64,
    entropy: Mutex<Dice>,
}

#[derive(Default)]
struct State {
    is_dead: bool,
    frozen_until_ms: i64,
    tasks: Vec<AbortHandle>,
}

/// What the name of a place ends with where a lost create is looked for.
const LOOKING: &str = ", looking";

/// A request as the name of a place.
fn named(request: &Request) -> String {
    let looking = if is_look_up(request.url.query().unwrap_or_default()) { LOOKING } else { "" };
    format!("{} {}{looking}", request.method, request.url.path())
}

/// Whether a list is asked for what bears a mark.
pub(crate) fn is_look_up(query: &str) -> bool {
    query.contains("where=") || query.contains("searchTerm=")
}

/// It died here.
struct Died;

impl Ports {
    /// Those of a new life.
    pub fn new(stage: &Arc<Stage>, process: usize, life: u64) -> Arc<Self> {
        let name = format!("entropy of {process}, life {life}");
        let mut dice = Dice::new(stage.seed, &format!("clock of {process}, life {life}"));
        let is_skewed = process > 0 && stage.knobs.has(Fault::F24);
        let skew_ms = if is_skewed { i64::try_from(dice.below(1_200_000)).unwrap_or(0) - 600_000 } else { 0 };
        Arc::new(Self {
            stage: Arc::clone(stage),
            process,
            life,
            state: Mutex::default(),
            skew_ms: AtomicI64::new(skew_ms),
            points: AtomicU64::new(0),
            forgot: AtomicU64::new(0),
            entropy: Mutex::new(Dice::new(stage.seed, &name)),
        })
    }

    /// A task that dies with the process.
    pub fn adopt(&self, task: AbortHandle) {
        let mut state = self.state();
        if state.is_dead { task.abort() } else { state.tasks.push(task) }
    }

    /// Ends the process, as `kill -9` does.
    pub fn kill(&self, why: &str) {
        let tasks = {
            let mut state = self.state();
            if std::mem::replace(&mut state.is_dead, true) {
                return;
            }
            std::mem::take(&mut state.tasks)
        };
        self.stage.note(self.process, || format!("DIES: {why}"));
        for task in tasks {
            task.abort();
        }
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// From now on its clock is right.
    pub fn set_clock_right(&self) {
        self.skew_ms.store(0, Ordering::Relaxed);
    }

    /// A life, and what of it the database kept: another number for every time that something may be forgotten.
    fn memory(&self) -> u64 {
        (self.life << 32) + self.forgot.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A numbered place.
    async fn point(&self, what: &str, may_freeze: bool) -> Result<(), Died> {
        if self.is_dead() {
            return std::future::pending().await;
        }
        self.stage.time.stir();
        if self.process == 0 {
            return Ok(());
        }
        let own = self.points.fetch_add(1, Ordering::Relaxed);
        let number = self.stage.next_point();
        self.stage.note(self.process, || format!("{number}: {what}"));
        if self.strikes(number, own) {
            if own < RECOVERY_POINTS && self.life > 1 {
                self.stage.saw(Seen::CrashInRecovery);
            }
            self.stage.saw(Seen::Crash);
            if what.ends_with(LOOKING) {
                self.stage.saw(Seen::CrashInLookUp);
            }
            if what == "answered POST /connect/token" {
                self.stage.saw(Seen::TokenRotatedThenCrash);
            }
            self.kill(what);
            return Err(Died);
        }
        if may_freeze {
            self.freeze(number).await;
        }
        Ok(())
    }

    /// Whether the process dies at this place.
    fn strikes(&self, number: u64, own: u64) -> bool {
        if let Some(at) = self.stage.plan.kill_at {
            return at == number || self.stage.plan.kill_again_at.is_some_and(|again| again == number);
        }
        if !self.stage.is_storm() || !self.stage.knobs.has(Fault::F1) {
            return false;
        }
        let is_recovering = self.life > 1 && own < RECOVERY_POINTS && self.stage.knobs.has(Fault::F4);
        // 60 places in a recovery at 1 in 300 each: about one recovery in five is cut off.
        let per_10k = if is_recovering { 33 } else { self.stage.knobs.crash_per_10k };
        die(self.stage.seed, "crash", number) % 10_000 < per_10k && self.stage.may_crash()
    }

    /// Stands still for a while, if the seed says so, and for as long as it was told to.
    async fn freeze(&self, number: u64) {
        let stage = &self.stage;
        if stage.is_storm() && stage.knobs.has(Fault::F3) && die(stage.seed, "freeze", number).is_multiple_of(3_000) {
            let span = Dice::new(stage.seed, &format!("freeze {number}")).span_ms(10_000, 1_200_000);
            let until = stage.time.now_ms() + span;
            self.state().frozen_until_ms = until;
            stage.saw(Seen::Freeze);
            stage.note(self.process, || format!("stands still for {} s", span / 1_000));
        }
        loop {
            let until = self.state().frozen_until_ms;
            if until <= stage.time.now_ms() {
                return;
            }
            stage.time.sleep_until(until).await;
            if self.is_dead() {
                return std::future::pending().await;
            }
        }
    }

    async fn carry(&self, request: Request) -> Result<Response, TransportError> {
        let stage = &self.stage;
        let call = stage.next_call();
        let network = |name: &str| die(stage.seed, name, call);
        let strikes = |name: &str, fault: Fault| {
            stage.is_storm() && stage.knobs.has(fault) && network(name) % 1_000 < stage.knobs.network_per_mille
        };
        if self.process > 0 && strikes("not sent", Fault::F5) {
            stage.saw(Seen::NotSent);
            return Err(TransportError::NotSent("connection refused".into()));
        }
        // On the way there: somebody may edit what was just looked at.
        stage.time.sleep(Duration::from_millis(20 + network("way") % 200)).await;
        if self.process > 0 {
            stage.meddle(call, &request);
        }
        let asked = stage.asked(&request);
        let (outcome, slow_ms) = stage.carry_out(call, (self.process, self.memory()), &request, &asked);
        if self.process > 0 && self.point(&format!("answered {}", named(&request)), true).await.is_err() {
            return std::future::pending().await;
        }
        let slow_ms = i64::try_from(slow_ms).unwrap_or(i64::MAX);
        match outcome {
            Some(response) if slow_ms <= GIVEN_UP_MS => {
                stage.time.sleep_until(stage.time.now_ms() + slow_ms + 20).await;
                Ok(response)
            }
            _ => {
                stage.saw(Seen::AnswerLost);
                stage.time.sleep_until(stage.time.now_ms() + GIVEN_UP_MS).await;
                Err(TransportError::Unanswered("no answer within 30 s".into()))
            }
        }
    }
}

#[async_trait]
impl Transport for Ports {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        // Between its last look at the clock and the socket nobody protects a process that stands still (docs/two-way.md):
        // here it dies, and does not freeze.
        if self.point(&format!("sends {}", named(&request)), false).await.is_err() {
            return std::future::pending().await;
        }
        let answer = self.carry(request).await;
        if self.is_dead() {
            return std::future::pending().await;
        }
        answer
    }
}

#[async_trait]
impl Clock for Ports {
    fn now(&self) -> Timestamp {
        let now = self.stage.time.now_ms() + self.skew_ms.load(Ordering::Relaxed);
        Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        self.stage.time.sleep(duration).await;
        // A frozen process does not wake, and a dead one never does.
        if self.point("wakes", true).await.is_err() || self.is_dead() {
            std::future::pending().await
        }
    }

    /// Not set by anybody: the skew is of the calendar alone.
    fn uptime(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.stage.time.now_ms()).unwrap_or(0))
    }
}

impl Entropy for Ports {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&dice.number().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[async_trait]
impl Probe for Ports {
    async fn reached(&self, point: Point) -> Result<(), store::Error> {
        let what = match point {
            Point::Begin => "begins a transaction",
            Point::Commit => "commits",
            Point::Committed { .. } => "has committed",
        };
        let is_begin = point == Point::Begin;
        if let Point::Committed { is_durable } = point {
            self.stage.committed(is_durable);
        }
        // Of a process that died at another place meanwhile.
        let is_left_open = point == Point::Commit && self.is_dead();
        if is_left_open || self.point(what, is_begin).await.is_err() {
            return match point {
                // The transaction is open: it must be let go of, or it would lock the others out for ever.
                Point::Commit => Err(store::Error::Unavailable { target: "simulation".into(), cause: "died".into() }),
                _ => std::future::pending().await,
            };
        }
        if is_begin {
            self.stage.tell_database_time().await?;
        }
        let failed = self.stage.database_fails(self.process, point);
        if failed.is_err() {
            self.forgot.fetch_add(1, Ordering::Relaxed);
        }
        failed
    }
}
