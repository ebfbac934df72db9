//! One play of a scenario, plain or with deaths, from its preparation to its judgement.

use anyhow::ensure;
use oracle::{Checks, Sent, Snapshot, Violation};
use store::Mode;

use super::Scenario;
use super::scene::{End, Scene};
use crate::coverage::Seen;
use crate::knobs::Knobs;
use crate::postgres::Server;
use crate::stage::Plan;
use crate::world::{Setup, World};
use crate::{weather, workload};

/// Rounds in which everything must have come to rest.
const ROUNDS: usize = 8;

/// Between two of them, in milliseconds: longer than what waits for another record waits.
const ROUND_MS: i64 = 61_000;

/// Where the databases are.
#[derive(Clone, Copy)]
pub enum Base<'a> {
    /// A file of SQLite, in memory where the system has such a place.
    Sqlite,
    /// A server.
    Postgres(&'a Server),
}

/// When a process that died is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restart {
    /// Its leases still hold, and what was sent may be sent again.
    Soon,
    /// Its leases are over; what was sent may not be sent again without a look.
    Late,
}

impl Restart {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Soon, Self::Late];

    const fn after_ms(self) -> i64 {
        match self {
            Self::Soon => 5_000,
            // Longer than W (90 s), which is longer than a lease (60 s).
            Self::Late => 100_000,
        }
    }
}

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kill {
    /// The place, from 1.
    pub at: u64,
    /// A second death, later.
    pub again: Option<u64>,
    /// When it is started again.
    pub restart: Restart,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Places up to the end of the scenario's own work.
    pub points: u64,
    /// Places up to the end of the time that the process had to itself.
    pub points_in_all: u64,
    /// Deaths.
    pub deaths: u64,
    /// What was broken: nothing, if all is well.
    pub violations: Vec<Violation>,
    /// What happened, in words: the last of it unless all was asked for.
    pub told: Vec<String>,
    /// Of everything that happened.
    pub trace_hash: u64,
}

impl Outcome {
    /// Nothing could be said of it.
    pub(super) fn broken(what: String) -> Self {
        let violations = vec![Violation { invariant: "I-R1", what: format!("it ended: {what}") }];
        Self { points: 0, points_in_all: 0, deaths: 0, violations, told: Vec::new(), trace_hash: 0 }
    }
}

/// Plays a scenario. `is_told` keeps everything that happened in words.
pub fn play(scenario: &dyn Scenario, base: Base<'_>, kill: Option<Kill>, is_told: bool) -> Outcome {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    if matches!(base, Base::Postgres(_)) {
        runtime.enable_all();
    }
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::broken(error.to_string()),
    };
    let mut database = None;
    if let Base::Postgres(server) = base {
        match runtime.block_on(server.database()) {
            Ok(url) => database = Some(url),
            Err(error) => return Outcome::broken(format!("{error:#}")),
        }
    }
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(whole(scenario, database.clone(), kill, is_told))
    }));
    // What still hangs in a connection goes with the database.
    if let (Base::Postgres(server), Some(url)) = (base, &database)
        && let Err(error) = runtime.block_on(server.remove(url))
    {
        return Outcome::broken(format!("{error:#}"));
    }
    match played {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::broken(format!("{error:#}")),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            Outcome::broken(said.to_owned())
        }
    }
}

/// The usual settings: one process that pulls at its start and after eight minutes, and looks for something to push every
/// fifteen seconds.
fn usual() -> Knobs {
    Knobs {
        faults: std::collections::BTreeSet::new(),
        processes: 1,
        invoices: 5,
        steps: 0,
        gap_ms: 0,
        page_size: 1_000,
        batch: 50,
        pull_every_ms: 480_000,
        push_every_ms: 15_000,
        network_per_mille: 0,
        crash_per_10k: 0,
    }
}

async fn whole(
    scenario: &dyn Scenario,
    postgres: Option<String>,
    kill: Option<Kill>,
    is_told: bool,
) -> anyhow::Result<Outcome> {
    let (mut knobs, mut setup) = (usual(), Setup { postgres, ..Setup::default() });
    let mut plan = Plan {
        // Without one, none: a place that is never reached.
        kill_at: Some(kill.map_or(0, |kill| kill.at)),
        kill_again_at: kill.and_then(|kill| kill.again),
        back_after_ms: kill.map(|kill| kill.restart.after_ms()),
        is_told,
        ..Plan::default()
    };
    scenario.adjust(&mut knobs, &mut plan, &mut setup);
    let world = World::begin(u64::from(scenario.number()), knobs, plan, &setup).await?;
    let mut scene = Scene::new(world).await?;
    // The minute's limit of what was prepared goes by.
    scene.pass(61_000).await;
    scenario.prepare(&mut scene).await?;
    let before = workload::glance(&scene.app).await;
    ensure!(scene.world.stage.points() == 0, "something was counted before it began");

    let mut ended = scenario.act(&mut scene).await;
    let points = scene.world.stage.points();
    if ended.is_ok() {
        scene.work(scenario.after_ms()).await;
    }
    let points_in_all = scene.world.stage.points();
    scene.stop();
    scene.world.stage.emulator.clear_faults();
    let mut violations = Vec::new();
    if ended.is_ok() {
        ended = judged(scenario, &mut scene, &before, &mut violations).await;
    }
    if let Err(error) = ended {
        violations.push(Violation { invariant: "I-R1", what: format!("it ended: {error:#}") });
    }
    let stage = &scene.world.stage;
    violations.extend(stage.panics().into_iter().map(|what| Violation { invariant: "I-R1", what }));
    violations.sort();
    violations.dedup();
    let deaths = stage.coverage().count(Seen::Crash);
    let trace = stage.trace();
    let (told, trace_hash) = (trace.told(), trace.hash());
    Ok(Outcome { points, points_in_all, deaths, violations, told, trace_hash })
}

/// Brings everything to rest, and says what is broken.
async fn judged(
    scenario: &dyn Scenario,
    scene: &mut Scene,
    before: &Snapshot,
    found: &mut Vec<Violation>,
) -> anyhow::Result<()> {
    let checks = Checks::all();
    come_to_rest(scenario, scene, found).await?;
    let rest = scene.snapshot().await;
    let calls_before = scene.world.stage.calls().len();
    scene.pass(ROUND_MS).await;
    scene.sync(Mode::Full).await?;
    let after = scene.snapshot().await;
    let stage = &scene.world.stage;
    let calls = stage.calls();
    if scenario.has_one_organisation() {
        found.extend(oracle::judge_rest(&rest, &scene.marks, &checks));
        found.extend(oracle::judge_passage(before, &rest, &checks));
    }
    found.extend(oracle::judge_echo(&rest, &after, &calls[calls_before..], &checks));
    found.extend(oracle::judge_wire_with(&calls, &checks));
    found.extend(oracle::judge_audit(&calls, &without_refused(&after), &checks));
    found.extend(weather::judge_emulator(stage, &checks));
    for tenant in stage.emulator.tenants() {
        let counters = stage.emulator.counters(tenant);
        let recreated = counters.map_or(0, |counters| counters.lines_recreated_unintended);
        if recreated > 0 {
            found.push(Violation { invariant: "I-L8", what: format!("{recreated} lines were made anew") });
        }
    }
    let end = End { rest, calls };
    if let Err(error) = scenario.expect(scene, &end).await {
        found.push(Violation { invariant: "scenario", what: format!("{error:#}") });
    }
    Ok(())
}

/// Without the requests that a limit refused before Xero looked at them: they go again under their key, in a row of their
/// own.
fn without_refused(snapshot: &Snapshot) -> Snapshot {
    let goes_again = |sent: &Sent| snapshot.sends.iter().any(|other| other.id > sent.id && other.key == sent.key);
    let is_refused = |sent: &Sent| sent.outcome.as_deref() == Some("NOT_APPLIED") && goes_again(sent);
    let sends = snapshot.sends.iter().filter(|sent| !is_refused(sent)).cloned().collect();
    Snapshot { sends, ..snapshot.clone() }
}

/// Rounds of the operator's until nothing is left to do.
async fn come_to_rest(scenario: &dyn Scenario, scene: &mut Scene, found: &mut Vec<Violation>) -> anyhow::Result<()> {
    for round in 1..=ROUNDS {
        scene.pass(ROUND_MS).await;
        scenario.answer(scene).await?;
        // What moves no date in Xero, such as whom its first invoice makes a customer, only a full one finds.
        let mode = if round == 1 { Mode::Full } else { Mode::Incremental };
        let sum = match scene.sync(mode).await {
            Ok(outcome) => outcome.total(),
            Err(error) => {
                scene.world.stage.note(0, || format!("round {round}: {error:#}"));
                continue;
            }
        };
        let did = sum.created + sum.updated + sum.sent_created + sum.sent_updated + sum.sent_removed;
        let engine = &scene.world.operator;
        let due = engine.store().read().await?.due_connections(engine.now()).await?;
        if did == 0 && !due.contains(&scene.world.id) {
            return Ok(());
        }
    }
    let what = format!("after {ROUNDS} rounds there is still something to do");
    found.push(Violation { invariant: "I-C5", what });
    Ok(())
}
