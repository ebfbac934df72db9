//! One seed from beginning to end: a storm of edits, faults and crashes, then calm, then judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oracle::{Checks, Violation};
use store::{BrakeState, Mode};
use sync::{Engine, Error, PolicySetting, VerifyReason};

use crate::coverage::{Coverage, Seen};
use crate::dice::{Dice, die};
use crate::knobs::{Fault, Knobs};
use crate::stage::{Meddling, Plan};
use crate::weather;
use crate::workload::{self, App, Options, Side, Step, Workload};
use crate::world::World;

/// In the calm, everything must have come to rest after so many rounds (reliability.md I-C5 says three poll periods; a
/// lost answer needs its look-ups first).
const ROUNDS: usize = 12;

/// What changes in Xero without dating the record anew: what a contact's first document makes of it, and when a document
/// is due that is paid in part (xero-facts §4).
const UNDATED: [&str; 3] = ["is_customer", "is_supplier", "due_date"];

/// Between two rounds of the calm, in milliseconds: longer than what waits for another record waits.
const ROUND_MS: i64 = 61_000;

/// Everything that a request may still do has been done after so long: D, and what a client waits.
const LANDED_MS: i64 = 600_000;

/// What is left out of a seed's run, and what is looked at.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Instead of those of the seed.
    pub knobs: Option<Knobs>,
    /// Steps of the workload that are not done.
    pub without_steps: BTreeSet<usize>,
    /// What is decided from outside.
    pub plan: Plan,
    /// What is judged.
    pub checks: Checks,
}

impl Default for Choice {
    /// All of a seed. An edit of the very field that is being written, made in Xero in the second between the look and the
    /// write, can be overwritten without a trace (docs/two-way.md): Xero has no conditional writes.
    fn default() -> Self {
        Self {
            knobs: None,
            without_steps: BTreeSet::new(),
            plan: Plan::default(),
            checks: Checks::all().without("I-L2w"),
        }
    }
}

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What it decided.
    pub knobs: Knobs,
    /// What was broken: nothing, if all is well.
    pub violations: Vec<Violation>,
    /// Of everything that happened.
    pub trace_hash: u64,
    /// The last of what happened, in words.
    pub told: Vec<String>,
    /// What was seen.
    pub coverage: Coverage,
    /// Port calls at which somebody could have died.
    pub points: u64,
    /// Calls to Xero.
    pub calls: usize,
    /// Simulated time, in milliseconds.
    pub simulated_ms: i64,
    /// Edits that were done, by what they were.
    pub deeds: Vec<(&'static str, usize)>,
}

/// Plays a seed.
pub fn run(seed: u64, choice: &Choice) -> Report {
    let knobs = choice.knobs.clone().unwrap_or_else(|| Knobs::drawn(seed));
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => return Report::broken(seed, knobs, &error.to_string()),
    };
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut game = Game::new(seed, knobs.clone(), choice).await?;
            let played = game.play().await;
            Ok::<_, anyhow::Error>(game.report(played.err()))
        })
    }));
    match played {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => Report::broken(seed, knobs, &format!("{error:#}")),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            Report::broken(seed, knobs, said)
        }
    }
}

impl Report {
    fn broken(seed: u64, knobs: Knobs, what: &str) -> Self {
        Self {
            seed,
            knobs,
            violations: vec![Violation { invariant: "I-R1", what: format!("it ended: {what}") }],
            trace_hash: 0,
            told: Vec::new(),
            coverage: Coverage::default(),
            points: 0,
            calls: 0,
            simulated_ms: 0,
            deeds: Vec::new(),
        }
    }

    /// True if nothing is broken.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// A seed under way.
struct Game {
    world: World,
    workload: Arc<Mutex<Workload>>,
    choice: Choice,
    started_ms: i64,
    violations: Vec<Violation>,
    deeds: BTreeMap<&'static str, usize>,
    /// When each edit was made, in milliseconds since 1970.
    marked_at: BTreeMap<usize, i64>,
    /// An earlier look at both sides: some things may only grow.
    before: Option<oracle::Snapshot>,
}

impl Game {
    async fn new(seed: u64, knobs: Knobs, choice: &Choice) -> anyhow::Result<Self> {
        let world = World::new(seed, knobs, choice.plan.clone()).await?;
        let person = world.stage.emulator.person(world.stage.emulator.tenants()[0]);
        let mut options = Options::drawn(die(seed, "workload", 0));
        weather::limit(&mut options, &world.stage.knobs);
        let app = open_app(&world).await?;
        let workload = Arc::new(Mutex::new(Workload::new(app, person, options).await));
        let started_ms = world.stage.time.now_ms();
        Ok(Self {
            world,
            workload,
            choice: choice.clone(),
            started_ms,
            violations: Vec::new(),
            deeds: BTreeMap::new(),
            marked_at: BTreeMap::new(),
            before: None,
        })
    }

    fn seed(&self) -> u64 {
        self.world.stage.seed
    }

    fn operator(&self) -> &Engine {
        &self.world.operator
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        self.storm().await?;
        self.calm().await
    }

    async fn storm(&mut self) -> anyhow::Result<()> {
        let mut dice = Dice::new(self.seed(), "schedule");
        let knobs = self.world.stage.knobs.clone();
        weather::begin(&self.world.stage);
        self.world.stage.set_storm(true);
        let meddler = Arc::clone(&self.workload);
        self.world.stage.set_meddler(Some(Box::new(move |meddling: &Meddling<'_>| meddle(&meddler, meddling))));
        self.world.start_processes();
        for number in 0..knobs.steps {
            // All are drawn, so that one left out moves no other.
            let gap = dice.span_ms((knobs.gap_ms / 8).unsigned_abs().max(1), (knobs.gap_ms * 4).unsigned_abs());
            let side = if dice.per_mille(500) { Side::App } else { Side::Xero };
            let step = Step { number, side, dice: dice.number() };
            let (errand, power) = (dice.below(100), dice.below(1_000));
            self.pass(gap).await;
            if !self.choice.without_steps.contains(&number) {
                self.take(&step).await;
            }
            if power < 8 && knobs.has(Fault::F2) {
                self.lose_power(step.dice).await?;
            }
            if errand < 12 {
                self.operate(die(step.dice, "operate", 0)).await?;
            }
            if errand % 10 == 0 {
                self.look().await?;
            }
        }
        self.world.stage.set_meddler(None);
        self.world.stage.set_storm(false);
        weather::end(&self.world.stage);
        Ok(())
    }

    /// Lets time pass while everybody works.
    async fn pass(&mut self, ms: i64) {
        let until = self.world.stage.time.now_ms() + ms;
        while self.world.stage.time.now_ms() < until {
            let next = (self.world.stage.time.now_ms() + 5_000).min(until);
            self.world.stage.time.run_until(next).await;
            self.world.revive();
        }
    }

    async fn take(&mut self, step: &Step) {
        let known = self.work().marks().len();
        let done = self.work().step(step).await;
        let Some(deed) = done else { return };
        let made: Vec<oracle::Mark> = self.work().marks()[known..].to_vec();
        for mark in made {
            self.world.stage.trace().aside(|| format!("{mark:?}"));
            self.marked_at.insert(mark.number, self.world.stage.time.now_ms());
        }
        self.world.stage.note(0, || format!("step {}: {deed}", step.number));
        if deed == "both: two fields" {
            self.world.stage.saw(Seen::ThreeWayMerge);
        }
        *self.deeds.entry(deed).or_default() += 1;
        self.world.note_synced();
    }

    fn work(&self) -> MutexGuard<'_, Workload> {
        self.workload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lose_power(&mut self, dice: u64) -> anyhow::Result<()> {
        self.world.lose_power(dice).await?;
        let app = open_app(&self.world).await?;
        self.work().reopen(app);
        Ok(())
    }

    /// What a person does now and then who looks at the admin pages.
    async fn operate(&mut self, dice: u64) -> anyhow::Result<()> {
        let id = self.world.id;
        let engine = self.operator().clone();
        let knobs = self.world.stage.knobs.clone();
        let mut dice = Dice::new(dice, "operator");
        let time = self.world.stage.time.clone();
        if self.is_disconnected().await?
            && let Err(error) = self.world.reconnect().await
        {
            // Xero's pages may be down, too.
            self.world.stage.note(0, || format!("the operator cannot connect: {error:#}"));
        }
        for brake in time.drive(engine.brakes(id)).await?.iter().filter(|brake| brake.state == BrakeState::Open) {
            self.world.stage.saw(Seen::Brake);
            time.drive(engine.decide_brake(id, brake.id, true, "operator")).await?;
        }
        for pair in time.drive(engine.candidates(id)).await? {
            self.world.stage.saw(Seen::Candidate);
            if dice.per_mille(500) {
                let decided =
                    time.drive(engine.decide_candidate(id, pair.kind, pair.xero_id, pair.local_id, false, "operator"));
                self.tolerate(decided.await)?;
            }
        }
        if knobs.has(Fault::F27) && dice.per_mille(400) {
            let field = dice.of(&["email", "reference", "phones", "due_date"]);
            let setting =
                dice.of(&[Some(PolicySetting::Ask), Some(PolicySetting::App), Some(PolicySetting::Xero), None]);
            self.tolerate(time.drive(engine.set_policy(id, None, Some(field), setting, "operator")).await)?;
            self.world.stage.saw(Seen::PolicyChanged);
        }
        Ok(())
    }

    /// Whether a person must connect again: only ever because Xero took the grant back (I-T1).
    async fn is_disconnected(&mut self) -> anyhow::Result<bool> {
        let is_disconnected = weather::is_disconnected(&self.world).await?;
        if is_disconnected && !self.world.stage.knobs.has(Fault::F13) {
            let what = "the connection was lost, and nobody took it away".to_owned();
            self.violations.push(Violation { invariant: "I-T1", what });
        }
        Ok(is_disconnected)
    }

    /// What another process, Xero or a limit stood in the way of, a person tries again some other time.
    fn tolerate<T>(&self, outcome: Result<T, Error>) -> anyhow::Result<()> {
        match outcome {
            Ok(_) => Ok(()),
            Err(error @ (Error::Internal(_) | Error::WrongKey)) => Err(error.into()),
            Err(error) => {
                self.world.stage.note(0, || format!("the operator is told: {error}"));
                Ok(())
            }
        }
    }

    /// What must hold at any moment.
    async fn look(&mut self) -> anyhow::Result<()> {
        let snapshot = self.snapshot().await;
        self.work().look_round().await;
        let marks = self.work().marks().to_vec();
        self.violations.extend(oracle::judge_always(&snapshot, &marks, &self.choice.checks));
        if let Some(before) = &self.before {
            self.violations.extend(oracle::judge_passage(before, &snapshot, &self.choice.checks));
        }
        self.before = Some(snapshot);
        Ok(())
    }

    async fn snapshot(&self) -> oracle::Snapshot {
        let work = self.work();
        workload::snapshot(work.app(), work.person()).await
    }

    async fn calm(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        let (stopped, sent) = (self.before.clone().unwrap_or_default(), self.world.stage.calls().len());
        // What still travels arrives, and every lease of the dead ends.
        self.pass(LANDED_MS).await;
        self.world.end_processes();
        self.pass(120_000).await;
        self.work().open_all();
        self.settle().await?;
        let (settled, calls) = (self.snapshot().await, self.world.stage.calls().split_off(sent));
        self.violations.extend(oracle::judge_calm(&stopped, &settled, &calls, &self.choice.checks));
        self.sweep().await?;
        self.settle().await?;
        self.look().await?;
        self.echo().await?;
        let checks = &self.choice.checks;
        let rest = self.before.take().unwrap_or_default();
        let calls = self.world.stage.calls();
        let marks = self.marks_with_late(&calls);
        self.violations.extend(oracle::judge_rest(&rest, &marks, checks));
        self.violations.extend(oracle::judge_wire_with(&calls, checks));
        self.violations.extend(oracle::judge_audit(&calls, &rest, checks));
        self.violations.extend(weather::judge_emulator(&self.world.stage, checks));
        weather::count(&self.world.stage, &rest);
        Ok(())
    }

    /// Every edit; one made in Xero while a request about its record was on its way counts as made in flight.
    fn marks_with_late(&self, calls: &[oracle::Call]) -> Vec<oracle::Mark> {
        let late: Vec<(&oracle::Call, String)> = calls
            .iter()
            .filter(|call| call.method != "GET" && call.applied_at_ms.is_some_and(|at| at > call.at_ms))
            .map(|call| (call, call.body.to_string()))
            .collect();
        let mut marks = self.work().marks().to_vec();
        for mark in &mut marks {
            let (Some(at), oracle::Who::Xero(id)) = (self.marked_at.get(&mark.number), mark.who) else { continue };
            let id = id.to_string();
            mark.is_in_flight |= late.iter().any(|(call, body)| {
                call.at_ms <= *at && call.applied_at_ms.is_some_and(|done| *at <= done) && body.contains(&id)
            });
        }
        marks
    }

    /// Syncs until there is nothing to do. What Xero's day limit has parked is waited for.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let parked = self.work().parked_until_ms().await.unwrap_or(0);
        self.pass((parked - self.world.stage.time.now_ms()).max(0)).await;
        for round in 1..=ROUNDS {
            self.pass(ROUND_MS).await;
            self.operate_all().await?;
            if self.round(Mode::Incremental).await? && round > 1 {
                return Ok(());
            }
        }
        let what = format!("after {ROUNDS} rounds of calm there is still something to do");
        self.violations.push(Violation { invariant: "I-C5", what });
        Ok(())
    }

    /// The daily sweep: it finds what moved no date, and nothing else; nothing that it finds is left over.
    async fn sweep(&mut self) -> anyhow::Result<()> {
        let (id, engine) = (self.world.id, self.operator().clone());
        let mut swept = self.world.stage.time.drive(engine.sweep(id)).await;
        if let Err(error) = &swept
            && self.wait_out(error).await
        {
            swept = self.world.stage.time.drive(engine.sweep(id)).await;
        }
        let swept = match swept {
            Ok(swept) => swept,
            Err(error) => {
                let what = format!("the sweep ends with: {error}");
                self.violations.push(Violation { invariant: "I-C6", what });
                return self.tolerate::<()>(Err(error));
            }
        };
        for difference in &swept.differences {
            let is_healed = difference.reason == VerifyReason::Healed;
            if is_healed {
                self.world.stage.saw(Seen::Healed);
            }
            let is_undated = UNDATED.contains(&difference.field.as_str()) || self.world.stage.knobs.has(Fault::F17);
            let invariant = match is_healed {
                true if !is_undated => "I-C2",
                false if !difference.reason.is_explained() => "I-C6",
                _ => continue,
            };
            let what = format!("only the sweep finds: {} ({})", difference.sentence(), difference.reason.as_str());
            self.violations.push(Violation { invariant, what });
        }
        Ok(())
    }

    /// Answers every question that stops somebody.
    async fn operate_all(&mut self) -> anyhow::Result<()> {
        let (id, engine, time) = (self.world.id, self.operator().clone(), self.world.stage.time.clone());
        if self.is_disconnected().await? {
            self.world.reconnect().await?;
        }
        for brake in time.drive(engine.brakes(id)).await?.iter().filter(|brake| brake.state == BrakeState::Open) {
            self.world.stage.saw(Seen::Brake);
            time.drive(engine.decide_brake(id, brake.id, true, "operator")).await?;
        }
        for pair in time.drive(engine.candidates(id)).await? {
            self.world.stage.saw(Seen::Candidate);
            let decided =
                time.drive(engine.decide_candidate(id, pair.kind, pair.xero_id, pair.local_id, false, "operator"));
            self.tolerate(decided.await)?;
        }
        Ok(())
    }

    /// Waits until Xero's limit has room again, if that is what stood in the way; of the day's a whole day, because it
    /// gives the calls back one by one.
    async fn wait_out(&mut self, error: &Error) -> bool {
        let Error::Xero(limit @ xero::Error::Limited(_)) = error else { return false };
        let wait = limit.retry_after(self.operator().now()).unwrap_or_default();
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(0) + 1_000;
        self.pass(if wait_ms > 300_000 { wait_ms.max(86_400_000) } else { wait_ms }).await;
        true
    }

    /// One round; true if it found nothing to do.
    async fn round(&mut self, mode: Mode) -> anyhow::Result<bool> {
        let (id, engine) = (self.world.id, self.operator().clone());
        let synced = self.world.stage.time.drive(engine.sync(id, mode, "calm", &|_| {})).await;
        match synced {
            Ok(outcome) => {
                let sum = outcome.total();
                let did = sum.created + sum.updated + sum.sent_created + sum.sent_updated + sum.sent_removed;
                self.world.stage.note(0, || format!("calm: {sum:?}"));
                let due = engine.store().read().await?.due_connections(engine.now()).await?;
                Ok(did == 0 && !due.contains(&id))
            }
            Err(error) => {
                self.world.stage.note(0, || format!("calm: {error}"));
                self.wait_out(&error).await;
                self.tolerate::<()>(Err(error))?;
                Ok(false)
            }
        }
    }

    /// One more cycle writes nothing on either side.
    async fn echo(&mut self) -> anyhow::Result<()> {
        let before = self.before.take().unwrap_or_default();
        let calls = self.world.stage.calls().len();
        self.pass(ROUND_MS).await;
        self.round(Mode::Full).await?;
        let after = self.snapshot().await;
        let calls = self.world.stage.calls().split_off(calls);
        self.violations.extend(oracle::judge_echo(&before, &after, &calls, &self.choice.checks));
        self.before = Some(after);
        Ok(())
    }

    fn report(mut self, error: Option<anyhow::Error>) -> Report {
        if let Some(error) = error {
            self.violations.push(Violation { invariant: "I-R1", what: format!("it ended: {error:#}") });
        }
        let stage = &self.world.stage;
        for panic in stage.panics() {
            self.violations.push(Violation { invariant: "I-R1", what: panic });
        }
        let checks = &self.choice.checks;
        self.violations.retain(|found| found.invariant == "I-R1" || checks.has(found.invariant));
        self.violations.sort();
        self.violations.dedup();
        let trace = stage.trace();
        Report {
            seed: stage.seed,
            knobs: stage.knobs.clone(),
            violations: std::mem::take(&mut self.violations),
            trace_hash: trace.hash(),
            told: trace.told(),
            coverage: stage.coverage(),
            points: stage.points(),
            calls: stage.calls().len(),
            simulated_ms: stage.time.now_ms() - self.started_ms,
            deeds: self.deeds.iter().map(|(deed, count)| (*deed, *count)).collect(),
        }
    }
}

/// The App's own connection, with the simulation's time.
async fn open_app(world: &World) -> anyhow::Result<App> {
    let app = App::open(&format!("sqlite://{}", world.path().display())).await.map_err(anyhow::Error::msg)?;
    let time = world.stage.time.clone();
    app.set_clock(Arc::new(move || time.now_ms())).map_err(anyhow::Error::msg)?;
    Ok(app)
}

/// Somebody edits while a request is on its way.
fn meddle(workload: &Mutex<Workload>, meddling: &Meddling<'_>) -> bool {
    // A step of the workload may be what is being done just now.
    let Ok(mut workload) = workload.try_lock() else { return false };
    workload.in_flight_edit(meddling.dice).is_some()
}
