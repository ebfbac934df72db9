//! A scripted day: thousands of random edits on both sides, syncs at random moments, then calm. Both sides must be equal
//! field by field, but for what is listed with a reason, and no edit may be lost.
//!
//! `TIEOUT_DAY_SEED` plays one seed (a failure prints it), `TIEOUT_DAY_EDITS` sets how many edits there are,
//! `TIEOUT_DAY_MIX` plays a mix of edits drawn from the seed instead of an ordinary day, and `TIEOUT_DAY_STORY` ("invoice
//! 12") tells what happened to a record.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on says where, and says how the day went"
)]

#[path = "day/world.rs"]
mod world;

use std::time::{Duration, Instant};

use model::ConnectionId;
use oracle::{Checks, Snapshot, Violation};
use sim::workload::{App, Dice, Options, Side, Step, Workload, glance, snapshot, story};
use store::Mode;
use sync::{Engine, Error, PolicySetting};
use world::World;

/// Most rounds until nothing is left to do.
const ROUNDS: usize = 8;

/// Rounds between two looks at the engine's lists in the middle of the day.
const ROUNDS_UNJUDGED: usize = 8;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Records written on either side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Did {
    to_app: i64,
    to_xero: i64,
}

/// One push, or one sync. False if a brake stopped it.
async fn run(engine: &Engine, id: ConnectionId, mode: Option<Mode>) -> Result<(bool, Did), Error> {
    match mode {
        None => {
            let pushed = engine.push(id, "day").await?;
            let sums = pushed.kinds.iter().map(|(_, sum)| sum.sent_created + sum.sent_updated + sum.sent_removed);
            Ok((pushed.braked.is_empty(), Did { to_app: 0, to_xero: sums.sum() }))
        }
        Some(mode) => {
            let sum = engine.sync(id, mode, "day", &|_| {}).await?.total();
            let to_xero = sum.sent_created + sum.sent_updated + sum.sent_removed;
            Ok((true, Did { to_app: sum.created + sum.updated, to_xero }))
        }
    }
}

/// One round of the engine; a brake is answered as a person would.
async fn round(engine: &Engine, id: ConnectionId, mode: Option<Mode>) -> Did {
    for _ in 0..4 {
        let did = run(engine, id, mode).await;
        let brakes = engine.brakes(id).await.unwrap();
        let open: Vec<i64> =
            brakes.iter().filter(|brake| brake.state == store::BrakeState::Open).map(|brake| brake.id).collect();
        for brake in &open {
            engine.decide_brake(id, *brake, true, "day").await.unwrap();
        }
        match did {
            Ok((true, did)) if open.is_empty() => return did,
            Ok(_) | Err(Error::Braked(_)) => {}
            Err(error) => panic!("a round failed: {error} ({error:?})"),
        }
    }
    panic!("a brake that was approved stopped the next run too");
}

/// A person says of records that look alike that they are two: every one of the day is. True if there was something to
/// say.
async fn keep_apart(engine: &Engine, id: ConnectionId) -> bool {
    let open = engine.candidates(id).await.unwrap();
    for pair in &open {
        engine.decide_candidate(id, pair.kind, pair.xero_id, pair.local_id, false, "day").await.unwrap();
    }
    !open.is_empty()
}

/// A day under way.
struct Day {
    seed: u64,
    /// Its edits are no ordinary day's.
    is_mixed: bool,
    world: World,
    engine: Engine,
    id: ConnectionId,
    work: Workload,
    dice: Dice,
    rounds: usize,
    /// Time spent on edits themselves: the App's and Xero's.
    at_work: [Duration; 2],
    last: Snapshot,
    calls: Vec<oracle::Call>,
    found: Vec<Violation>,
}

impl Day {
    async fn begin(seed: u64, url: &str) -> Self {
        let world = World::new(60, url);
        let engine = world.engine().await;
        let id = world.connect(&engine).await;
        engine.sync(id, Mode::Full, "day", &|_| {}).await.unwrap();
        let is_mixed = std::env::var_os("TIEOUT_DAY_MIX").is_some();
        let options = if is_mixed { Options::drawn(seed) } else { Options::of_day(seed) };
        for field in &options.asks {
            engine.set_policy(id, None, Some(field), Some(PolicySetting::Ask), "day").await.unwrap();
        }
        let person = world.emulator.person(world.emulator.tenants()[0]);
        let work = Workload::new(App::open(url).await.unwrap(), person, options).await;
        let last = glance(work.app()).await;
        let calls = world.wire.take();
        Self {
            seed,
            is_mixed,
            world,
            engine,
            id,
            work,
            dice: Dice::new(seed),
            rounds: 0,
            at_work: [Duration::ZERO; 2],
            last,
            calls,
            found: Vec::new(),
        }
    }

    /// One round, and whether what may only grow has grown.
    async fn round(&mut self, mode: Option<Mode>) -> Did {
        let did = round(&self.engine, self.id, mode).await;
        self.calls.extend(self.world.wire.take());
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS_UNJUDGED) {
            let now = glance(self.work.app()).await;
            self.found.extend(oracle::judge_passage(&self.last, &now, &Checks::all()));
            self.found.extend(oracle::judge_always(&now, self.work.marks(), &Checks::all()));
            self.last = now;
        }
        did
    }

    async fn edit_and_sync(&mut self, edits: usize) {
        // Some days there is a sync every few edits, some days one in a hundred.
        let pace = if self.seed.is_multiple_of(2) { 240 } else { 60 };
        let (mut done, mut number) = (0, 0);
        while done < edits {
            let side = if self.dice.one_in(2) { Side::App } else { Side::Xero };
            let step = Step { number, side, dice: self.dice.number() };
            number += 1;
            let started = Instant::now();
            let deed = self.work.step(&step).await;
            self.at_work[usize::from(side == Side::Xero)] += started.elapsed();
            if deed.is_none() {
                continue;
            }
            done += 1;
            let mode = match self.dice.below(pace) {
                0..2 => None,
                2..4 => Some(Mode::Incremental),
                4 if self.dice.one_in(4) => Some(Mode::Full),
                _ => continue,
            };
            self.round(mode).await;
            self.work.look_round().await;
        }
    }

    /// Rounds until nothing is left to do, and one that finds what moved no date.
    async fn come_to_rest(&mut self) {
        let mut rounds = 0;
        let mut mode = Mode::Incremental;
        loop {
            // What waits for another record is looked at again after a minute.
            self.world.emulator.clock().advance(61_000);
            let did = self.round(Some(mode)).await;
            let is_asked = keep_apart(&self.engine, self.id).await;
            println!("calm {rounds}: {mode:?} {did:?}");
            if did == Did::default() && !is_asked {
                if mode == Mode::Full {
                    return;
                }
                mode = Mode::Full;
            }
            rounds += 1;
            assert!(rounds <= ROUNDS, "seed {}: it does not come to rest", self.seed);
        }
    }

    async fn read(&self) -> Snapshot {
        snapshot(self.work.app(), self.work.person()).await
    }

    /// Nothing of the engine's own may depend on what the emulator alone counts.
    fn judge_counters(&self) {
        let counters = self.world.emulator.counters(self.world.emulator.tenants()[0]).unwrap();
        assert_eq!(counters.contacts_by_documents, 0, "seed {}", self.seed);
        assert_eq!(counters.keys_misused, 0, "seed {}", self.seed);
        assert_eq!(counters.writes_without_key, 0, "seed {}", self.seed);
    }
}

#[testkit::on_both_databases]
async fn a_scripted_day_ends_with_both_sides_equal(url: String) {
    let seed = number("TIEOUT_DAY_SEED", 1);
    let edits = usize::try_from(number("TIEOUT_DAY_EDITS", 2_000)).unwrap();
    println!("seed {seed}, {edits} edits: TIEOUT_DAY_SEED={seed} plays it again");
    let checks = Checks::all();
    let mut day = Day::begin(seed, &url).await;
    let started = Instant::now();
    day.edit_and_sync(edits).await;
    day.work.open_all();
    println!("edited in {:?}, {:?} of it for the edits themselves", started.elapsed(), day.at_work);

    let stopped = day.read().await;
    let before_calm = day.calls.len();
    day.come_to_rest().await;
    let rest = day.read().await;
    let mut found = oracle::judge_calm(&stopped, &rest, &day.calls[before_calm..], &checks);
    found.extend(oracle::judge_passage(&stopped, &rest, &checks));

    // One more cycle is all echo.
    let before_echo = day.calls.len();
    day.world.emulator.clock().advance(61_000);
    day.round(Some(Mode::Full)).await;
    let echoed = day.read().await;
    found.extend(oracle::judge_echo(&rest, &echoed, &day.calls[before_echo..], &checks));

    found.extend(oracle::judge_rest(&echoed, day.work.marks(), &checks));
    found.extend(oracle::judge_wire(&day.calls));
    found.extend(oracle::judge_audit(&day.calls, &echoed, &checks));
    found.append(&mut day.found);
    for one in &found {
        println!("PROBLEM {one}");
    }
    println!("deeds: {:#?}", day.work.deeds());
    println!("refused to people: {:#?}", day.work.refused());
    println!("edits: {:?}", oracle::edits_of(&echoed, day.work.marks()));
    println!("listed: {:#?}", oracle::listed_by_reason(&echoed));
    println!("took {:?} in all", started.elapsed());
    if let Ok(record) = std::env::var("TIEOUT_DAY_STORY") {
        let (kind, local) = record.split_once(' ').expect("a kind and an id");
        for line in story(day.work.app(), kind, local.parse().unwrap()).await {
            println!("    {line}");
        }
    }
    day.judge_counters();
    assert!(found.is_empty(), "seed {seed}: {} problems", found.len());
    // A list of excuses is no agreement. A drawn mix may be nothing but what has to be listed.
    let extent = oracle::extent(&echoed);
    assert!(
        day.is_mixed || extent.listed * 5 < extent.all,
        "seed {seed}: {} of {} records are listed",
        extent.listed,
        extent.all
    );
}
