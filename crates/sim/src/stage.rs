//! What all processes of a simulation share: time, the emulator, the wire between, and the record of what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use emulator::{Emulator, Outcome};
use store::Point;
use xero::{Request, Response};

use crate::coverage::{Coverage, Seen};
use crate::dice::die;
use crate::knobs::{Fault, Knobs};
use crate::postgres::DatabaseClock;
use crate::time::Time;
use crate::trace::Trace;

/// What is decided from outside, beyond the seed.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The one port call at which a process is killed, instead of those that the seed says.
    pub kill_at: Option<u64>,
    /// A second one.
    pub kill_again_at: Option<u64>,
    /// How long after its death a process is started again, in milliseconds, instead of what the seed says.
    pub back_after_ms: Option<i64>,
    /// What the first pull of a process reads, instead of what has changed.
    pub first_pull: Option<store::Mode>,
    /// Every event is kept in words.
    pub is_told: bool,
}

/// What somebody does while a request is on its way.
pub type Meddler = Box<dyn FnMut(&Meddling) -> bool + Send>;

/// Who is told of a commit, with whether it survives a power failure.
pub type OnCommit = Box<dyn Fn(bool) + Send>;

/// A request that is on its way.
pub struct Meddling<'a> {
    /// Dice for what is done.
    pub dice: u64,
    /// The request.
    pub request: &'a Request,
    /// True if Xero has it before it and not yet done it; false once it is done and the answer is on its way back.
    pub is_before: bool,
}

/// What everybody shares.
pub struct Stage {
    /// Everything follows from it.
    pub seed: u64,
    /// What the seed decides.
    pub knobs: Knobs,
    /// What is decided from outside.
    pub plan: Plan,
    /// The time.
    pub time: Time,
    /// Xero.
    pub emulator: Emulator,
    trace: Mutex<Trace>,
    coverage: Mutex<Coverage>,
    /// Each with the number that the emulator gave it.
    calls: Mutex<Vec<(u64, oracle::Call)>>,
    panics: Mutex<Vec<String>>,
    meddler: Mutex<Option<Meddler>>,
    is_storm: AtomicBool,
    points: AtomicU64,
    sent: AtomicU64,
    crashes_left: AtomicI64,
    /// While it is in the future, the disk is full.
    full_until_ms: AtomicI64,
    on_commit: Mutex<Option<OnCommit>>,
    /// A server's clock, where the database is one.
    database_clock: OnceLock<DatabaseClock>,
}

impl Stage {
    /// Before anything has happened.
    pub fn new(seed: u64, knobs: Knobs, plan: Plan, time: Time, emulator: Emulator) -> Arc<Self> {
        let crashes = i64::try_from(die(seed, "crashes", 0) % 20 + 1).unwrap_or(1);
        Arc::new(Self {
            trace: Mutex::new(Trace::new(plan.is_told)),
            seed,
            knobs,
            plan,
            time,
            emulator,
            coverage: Mutex::default(),
            calls: Mutex::default(),
            panics: Mutex::default(),
            meddler: Mutex::default(),
            is_storm: AtomicBool::new(false),
            points: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            crashes_left: AtomicI64::new(crashes),
            full_until_ms: AtomicI64::new(0),
            on_commit: Mutex::default(),
            database_clock: OnceLock::new(),
        })
    }

    /// Whether faults strike.
    pub fn is_storm(&self) -> bool {
        self.is_storm.load(Ordering::Relaxed)
    }

    /// Begins or ends the storm.
    pub fn set_storm(&self, is_storm: bool) {
        self.is_storm.store(is_storm, Ordering::Relaxed);
        if !is_storm {
            self.full_until_ms.store(0, Ordering::Relaxed);
        }
    }

    /// Who edits while requests are on their way.
    pub fn set_meddler(&self, meddler: Option<Meddler>) {
        *locked(&self.meddler) = meddler;
    }

    /// Who is told of every commit, with whether it survives a power failure.
    pub fn set_on_commit(&self, told: Option<OnCommit>) {
        *locked(&self.on_commit) = told;
    }

    /// The database is a server with a clock of its own, which is told the simulation's time.
    pub(crate) fn set_database_clock(&self, clock: DatabaseClock) {
        // Set once, before anybody works.
        let _ = self.database_clock.set(clock);
        self.time.be_patient();
    }

    /// Tells the database what time it is.
    pub(crate) async fn tell_database_time(&self) -> Result<(), store::Error> {
        match self.database_clock.get() {
            Some(clock) => clock.tell(&self.time).await,
            None => Ok(()),
        }
    }

    /// An event.
    pub fn note(&self, who: usize, what: impl FnOnce() -> String) {
        locked(&self.trace).note(self.time.now_ms(), who, what);
    }

    /// Something that must happen sometimes has.
    pub fn saw(&self, what: Seen) {
        locked(&self.coverage).saw(what);
    }

    /// What has been seen.
    pub fn coverage(&self) -> Coverage {
        locked(&self.coverage).clone()
    }

    /// What happened.
    pub fn trace(&self) -> MutexGuard<'_, Trace> {
        locked(&self.trace)
    }

    /// What went over the wire, and when Xero did it.
    pub fn calls(&self) -> Vec<oracle::Call> {
        let log = self.emulator.log();
        let late: BTreeMap<u64, i64> = log
            .iter()
            .filter(|call| call.fault.as_deref() == Some("delivered"))
            .map(|call| (call.number, call.at))
            .collect();
        let never: BTreeSet<u64> = log.iter().filter(|call| is_never_done(call)).map(|call| call.number).collect();
        let told = locked(&self.calls);
        let with_time = told.iter().map(|(number, call)| {
            let at_once = (!never.contains(number)).then_some(call.at_ms);
            oracle::Call { applied_at_ms: late.get(number).copied().or(at_once), ..call.clone() }
        });
        with_time.collect()
    }

    /// A part of the program failed where none may.
    pub(crate) fn panicked(&self, process: usize, what: &str) {
        locked(&self.panics).push(format!("process {process}: {what}"));
    }

    pub(crate) fn panics(&self) -> Vec<String> {
        locked(&self.panics).clone()
    }

    /// Port calls so far.
    pub fn points(&self) -> u64 {
        self.points.load(Ordering::Relaxed)
    }

    pub(crate) fn next_point(&self) -> u64 {
        self.points.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn next_call(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn may_crash(&self) -> bool {
        self.crashes_left.fetch_sub(1, Ordering::Relaxed) > 0
    }

    /// A commit has happened.
    pub(crate) fn committed(&self, is_durable: bool) {
        if let Some(told) = &*locked(&self.on_commit) {
            told(is_durable);
        }
    }

    /// Whether the database lets the process down at this point, and how.
    pub(crate) fn database_fails(&self, process: usize, point: Point) -> Result<(), store::Error> {
        if process == 0 || !self.is_storm() {
            return Ok(());
        }
        let number = self.points();
        let one_in = |name: &str, n: u64| die(self.seed, name, number).is_multiple_of(n);
        let away = |cause: &str| store::Error::Unavailable { target: "the database".into(), cause: cause.into() };
        match point {
            Point::Begin if self.knobs.has(Fault::F25) && one_in("busy", 150) => {
                self.saw(Seen::DatabaseBusy);
                Err(store::Error::Busy("database is locked".into()))
            }
            Point::Begin if self.knobs.has(Fault::F26) && one_in("away", 200) => Err(away("connection refused")),
            Point::Commit if self.knobs.has(Fault::F25) => {
                if one_in("full", 600) {
                    let span = i64::try_from(die(self.seed, "full for", number) % 120_000).unwrap_or(0);
                    self.full_until_ms.store(self.time.now_ms() + span, Ordering::Relaxed);
                }
                if self.time.now_ms() >= self.full_until_ms.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.saw(Seen::DiskFull);
                Err(store::Error::Full)
            }
            Point::Committed { .. } if self.knobs.has(Fault::F26) && one_in("commit unknown", 200) => {
                self.saw(Seen::CommitUnknown);
                Err(away("the connection broke while it waited for the commit"))
            }
            _ => Ok(()),
        }
    }

    /// The request in the emulator's words.
    pub(crate) fn asked(&self, request: &Request) -> emulator::http::Request {
        let target = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let mut asked = emulator::http::Request::new(request.method.as_str(), &target).with_body(request.body.clone());
        for (name, value) in &request.headers {
            asked = asked.with_header(name.as_str(), value.to_str().unwrap_or_default());
        }
        asked
    }

    /// Lets somebody edit while the request is on its way.
    pub(crate) fn meddle(&self, call: u64, request: &Request) {
        if !self.is_storm() || !(self.knobs.has(Fault::F20) || self.knobs.has(Fault::F15)) {
            return;
        }
        let is_write = request.method != http::Method::GET;
        let is_list = !is_write && request.url.query().is_some_and(|query| query.contains("page="));
        let one_in = if is_write {
            8
        } else if is_list {
            20
        } else {
            40
        };
        if !die(self.seed, "meddle", call).is_multiple_of(one_in) {
            return;
        }
        let meddling = Meddling { dice: die(self.seed, "meddling", call), request, is_before: true };
        if let Some(meddler) = &mut *locked(&self.meddler)
            && meddler(&meddling)
        {
            self.saw(if is_write {
                Seen::EditDuringWrite
            } else if is_list {
                Seen::PageDrift
            } else {
                Seen::EditBetweenLookAndWrite
            });
        }
    }

    /// Xero does what it is asked by a process in one of its lives. `None` if no answer ever comes; with how many milliseconds the answer takes.
    pub(crate) fn carry_out(
        &self,
        call: u64,
        who: (usize, u64),
        request: &Request,
        asked: &emulator::http::Request,
    ) -> (Option<Response>, u64) {
        let flight = self.emulator.begin(asked);
        let (outcome, slow_ms) = self.emulator.finish_timed(&flight, asked);
        let answer = match outcome {
            Outcome::Answered(answer) => Some(answer),
            Outcome::Lost => None,
        };
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        self.remember(call, who, request, answer.as_ref());
        let path = request.url.path();
        {
            let mut trace = self.trace();
            trace.note(self.time.now_ms(), who.0, || format!("call {call}: {} {path} -> {status}", request.method));
            let shown = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
            let since = request.headers.get("if-modified-since").and_then(|value| value.to_str().ok());
            trace.aside(|| {
                format!("asked: {} since {since:?} {}", request.url.query().unwrap_or_default(), shown(&request.body))
            });
            trace.aside(|| format!("answered: {}", answer.as_ref().map_or_else(String::new, |it| shown(&it.body))));
            trace.mix(&request.body);
            trace.mix(answer.as_ref().map_or(&[], |answer| &answer.body));
        }
        let response = answer.map(|answer| {
            let mut headers = http::HeaderMap::new();
            for (name, value) in &answer.headers {
                if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name.as_str()), value.parse()) {
                    headers.append(name, value);
                }
            }
            Response {
                status: http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::BAD_GATEWAY),
                headers,
                wire_bytes: answer.body.len() as u64,
                body: answer.body,
            }
        });
        (response, slow_ms)
    }

    fn remember(
        &self,
        number: u64,
        (process, life): (usize, u64),
        request: &Request,
        answer: Option<&emulator::http::Response>,
    ) {
        let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_api = request.url.path().starts_with("/api.xro/");
        let is_write = is_api && request.method != http::Method::GET;
        let json = |body: &[u8]| serde_json::from_slice(body).unwrap_or_default();
        // Whole lists are long, and before every write the engine looks at the record itself.
        let is_look = request.url.query().is_some_and(|query| query.contains("IDs="))
            || request.url.path().split('/').count() > 4;
        let is_kept = is_write || !is_api || is_look;
        let kept = answer.filter(|_| is_kept).map(|answer| json(&answer.body)).unwrap_or_default();
        let status = answer.map_or(0, |answer| answer.status);
        let body = match (is_write, is_api) {
            (true, _) => json(&request.body),
            (_, true) => serde_json::Value::Null,
            _ => serde_json::Value::String(String::from_utf8_lossy(&request.body).into_owned()),
        };
        let call = oracle::Call {
            number,
            at_ms: self.time.now_ms(),
            process,
            life,
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            key: text("idempotency-key"),
            body,
            tenant: text("xero-tenant-id").and_then(|id| id.parse().ok()),
            status,
            retry_after_s: answer
                .and_then(|answer| answer.header("retry-after"))
                .and_then(|seconds| seconds.parse().ok()),
            was_sent: true,
            applied_at_ms: None,
            answer: kept,
        };
        locked(&self.calls).push((self.emulator.call_count(), call));
    }
}

/// Whether Xero never did what it was asked, by the emulator's own log.
fn is_never_done(call: &emulator::Call) -> bool {
    let by_fault = call.fault.as_deref().is_some_and(|fault| {
        ["refuse=", "offline", "limit", "lose-before-commit", "late"].iter().any(|word| fault.starts_with(word))
    });
    by_fault || call.status >= 400 && !call.fault.as_deref().is_some_and(|fault| fault.starts_with("commit-then"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
