//! A scripted day: thousands of random edits on both sides, syncs at random moments, then calm. Both sides must be equal
//! field by field, but for what is listed with a reason, and no edit may be lost.
//!
//! `TIEOUT_DAY_SEED` plays one seed (a failure prints it), `TIEOUT_DAY_EDITS` sets how many edits there are.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that cannot go on says where, and says how the day went"
)]

mod hours;
mod sides;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::common::sql::App;
use crate::common::{World, plan, sync_now};
use emulator::Size;
use hours::{Day, Mark, token};
use model::ConnectionId;
use serde_json::Value;
use sides::Sides;
use store::Mode;
use sync::{Engine, Error, PolicySetting};
use uuid::Uuid;

/// Most rounds until nothing is left to do.
const ROUNDS: usize = 6;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One round of the engine; a brake is answered as a person would.
async fn round(engine: &Engine, id: ConnectionId, mode: Option<Mode>) -> model_counts::Did {
    for _ in 0..4 {
        let did = match mode {
            None => {
                engine.push(id, "day").await.map(|pushed| (pushed.braked.is_empty(), model_counts::of_push(&pushed)))
            }
            Some(mode) => {
                let outcome = engine.sync(id, mode, "day", &|_| {}).await;
                outcome.map(|outcome| (true, model_counts::of_sync(&outcome)))
            }
        };
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

mod model_counts {
    use sync::{PushOutcome, RunOutcome};

    /// Records written on either side.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Did {
        pub to_app: i64,
        pub to_xero: i64,
    }

    pub fn of_push(pushed: &PushOutcome) -> Did {
        let sent =
            pushed.kinds.iter().map(|(_, counts)| counts.sent_created + counts.sent_updated + counts.sent_removed);
        Did { to_app: 0, to_xero: sent.sum() }
    }

    pub fn of_sync(outcome: &RunOutcome) -> Did {
        let sum = outcome.total();
        Did { to_app: sum.created + sum.updated, to_xero: sum.sent_created + sum.sent_updated + sum.sent_removed }
    }
}

/// Every write to Xero, by the records that it saved, and the lines that it would have made twice.
#[derive(Default)]
struct Writes {
    saved: Vec<(String, Vec<Uuid>)>,
    /// Descriptions of the lines that Xero last showed of a document. In a day each is unique.
    lines: BTreeMap<Uuid, Vec<String>>,
    /// Lines sent without an id that Xero has under one: they would be deleted and made anew.
    remade: Vec<String>,
}

fn watch_writes(world: &World) -> Arc<Mutex<Writes>> {
    let writes = Arc::<Mutex<Writes>>::default();
    let seen = Arc::clone(&writes);
    world.wire.set_hook(move |request, response| {
        if !request.url.path().starts_with("/api.xro/") {
            return Ok(response);
        }
        let mut seen = seen.lock().unwrap();
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        if request.method != http::Method::GET {
            let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            for (id, description) in lines_of(&sent, |line| line["LineItemID"].is_null()) {
                if seen.lines.get(&id).is_some_and(|known| known.contains(&description)) {
                    seen.remade.push(format!("{id}: {description}"));
                }
            }
            let ids = elements(&answer).iter().filter_map(id_of).collect();
            seen.saved.push((format!("{} {}", request.method, request.url.path()), ids));
        }
        for element in elements(&answer) {
            if let (Some(id), Some(lines)) = (id_of(&element), element["LineItems"].as_array()) {
                let shown = lines.iter().filter_map(|line| Some(line["Description"].as_str()?.to_owned()));
                seen.lines.insert(id, shown.collect());
            }
        }
        Ok(response)
    });
    writes
}

/// The records of a body.
fn elements(body: &Value) -> Vec<Value> {
    let lists = body.as_object().into_iter().flat_map(|members| members.values());
    lists.filter_map(Value::as_array).next().cloned().unwrap_or_default()
}

/// Descriptions of some lines of a body's documents.
fn lines_of(body: &Value, which: impl Fn(&Value) -> bool) -> Vec<(Uuid, String)> {
    let mut found = Vec::new();
    for element in elements(body) {
        let Some(id) = ["InvoiceID", "BankTransactionID"].iter().find_map(|key| element[*key].as_str()) else {
            continue;
        };
        let Ok(id) = id.parse() else { continue };
        for line in element["LineItems"].as_array().into_iter().flatten().filter(|line| which(line)) {
            found.extend(line["Description"].as_str().map(|text| (id, text.to_owned())));
        }
    }
    found
}

fn id_of(row: &Value) -> Option<Uuid> {
    if row["HasValidationErrors"] == true || row["StatusAttributeString"] == "ERROR" {
        return None;
    }
    // A payment's answer holds its invoice too: its own id comes first.
    ["PaymentID", "BankTransactionID", "InvoiceID", "ContactID"].iter().find_map(|key| row[*key].as_str()?.parse().ok())
}

#[testkit::on_both_databases]
async fn a_scripted_day_ends_with_both_sides_equal(url: String) {
    let seed = number("TIEOUT_DAY_SEED", 1);
    let edits = usize::try_from(number("TIEOUT_DAY_EDITS", 2_000)).unwrap();
    let world = World::new(plan(Size { lines: None, ..Size::of_invoices(60) }), url.clone());
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    sync_now(&engine, id, Mode::Full).await;
    if seed.is_multiple_of(3) {
        for field in ["email", "reference", "phones"] {
            engine.set_policy(id, None, Some(field), Some(PolicySetting::Ask), "day").await.unwrap();
        }
    }
    let writes = watch_writes(&world);
    let person = world.emulator.person(world.emulator.tenants()[0]);
    let mut day = Day::new(App::open(&url).await, person, seed).await;
    println!("seed {seed}, {edits} edits: TIEOUT_DAY_SEED={seed} plays it again");

    let started = std::time::Instant::now();
    // Some days there is a sync every few edits, some days one in a hundred.
    let pace = if seed.is_multiple_of(2) { 240 } else { 60 };
    while day.edits < edits {
        day.edit().await;
        match day.dice.below(pace) {
            0..2 => {
                round(&engine, id, None).await;
            }
            2..4 => {
                round(&engine, id, Some(Mode::Incremental)).await;
                day.look_round().await;
            }
            4 if day.dice.one_in(4) => {
                round(&engine, id, Some(Mode::Full)).await;
                day.look_round().await;
            }
            _ => {}
        }
    }
    println!("edited in {:?}", started.elapsed());

    let revisions = sides::revisions(&day.app).await;
    writes.lock().unwrap().saved.clear();
    let mut rounds = 0;
    loop {
        // What waits for another record is looked at again after a minute.
        world.emulator.clock().advance(61_000);
        let did = round(&engine, id, Some(Mode::Incremental)).await;
        let is_asked = keep_apart(&engine, id).await;
        println!("calm {rounds}: {did:?}");
        if did == model_counts::Did::default() && !is_asked {
            break;
        }
        rounds += 1;
        assert!(rounds <= ROUNDS, "seed {seed}: it does not come to rest");
    }

    // One more cycle is all echo.
    let before = sides::revisions(&day.app).await;
    let written = std::mem::take(&mut writes.lock().unwrap().saved);
    world.emulator.clock().advance(61_000);
    round(&engine, id, Some(Mode::Full)).await;
    let echoes = std::mem::take(&mut writes.lock().unwrap().saved);
    assert!(echoes.is_empty(), "seed {seed}: echo writes {echoes:?}");
    let after = sides::revisions(&day.app).await;
    let echoed: Vec<_> = after.iter().filter(|(row, rev)| before.get(*row) != Some(*rev)).collect();
    assert!(echoed.is_empty(), "seed {seed}: rows written by an echo: {echoed:?}");

    // At most two writes of a record to each side after the last edit.
    let mut to_xero: BTreeMap<Uuid, usize> = BTreeMap::new();
    for id in written.iter().flat_map(|(_, ids)| ids) {
        *to_xero.entry(*id).or_default() += 1;
    }
    let often: Vec<_> = to_xero.iter().filter(|(_, count)| **count > 2).collect();
    assert!(often.is_empty(), "seed {seed}: written to xero more than twice: {often:?}");
    let mut often = Vec::new();
    for ((kind, local), revision) in &after {
        let before = revisions.get(&(*kind, *local));
        if *revision - before.unwrap_or(&0) <= 2 {
            continue;
        }
        often.push((*kind, *local));
        println!("rows written too often: {kind} {local}, from {before:?} to {revision}:");
        for event in sides::story(&day.app, kind, *local).await {
            println!("    {event}");
        }
    }

    let sides = Sides::read(&day).await;
    let mut problems = sides.compare();
    problems.extend(sides.duplicates());
    problems.extend(sides.false_conflicts());
    problems.extend(lost(&day, &sides));
    for problem in &problems {
        println!("PROBLEM {problem}");
    }
    println!("deeds: {:#?}", day.deeds);
    println!("listed: {:#?}", sides.listed_by_reason());
    println!("took {:?} in all", started.elapsed());
    let counters = world.emulator.counters(world.emulator.tenants()[0]).unwrap();
    assert_eq!(writes.lock().unwrap().remade, Vec::<String>::new(), "seed {seed}");
    assert_eq!(counters.contacts_by_documents, 0, "seed {seed}");
    assert_eq!(counters.keys_misused, 0, "seed {seed}");
    assert_eq!(counters.writes_without_key, 0, "seed {seed}");
    assert!(problems.is_empty(), "seed {seed}: {} problems", problems.len());
    assert!(often.is_empty(), "seed {seed}: {often:?}");
    // A list of excuses is no agreement.
    let (listed, all) = sides.extent();
    assert!(listed * 5 < all, "seed {seed}: {listed} of {all} records are listed");
    assert_eq!(sides.money_apart(), BTreeMap::new(), "seed {seed}: money of what is not listed");
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

/// Edits that are nowhere: neither on both sides, nor written over by somebody who saw them, nor in a conflict or failure.
fn lost(day: &Day, sides: &Sides) -> Vec<String> {
    let mut found = Vec::new();
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for mark in &day.marks {
        let fate = fate(mark, sides);
        *sums.entry(fate).or_default() += 1;
        if fate == "LOST" {
            let twin = sides.pair_of(mark.kind, mark.who);
            found.push(format!(
                "lost: {} by {:?} on {} {:?} {}: app {:?} xero {:?}",
                token(mark.number),
                mark.by,
                mark.kind,
                mark.who,
                mark.field,
                twin.local.and_then(|local| sides.local_text(mark.kind, local)),
                twin.xero.and_then(|xero| sides.xero_text(mark.kind, xero)),
            ));
        }
    }
    println!("edits: {sums:?}");
    found
}

fn fate(mark: &Mark, sides: &Sides) -> &'static str {
    let twin = sides.pair_of(mark.kind, mark.who);
    let text = token(mark.number);
    let app = twin.local.and_then(|local| sides.local_text(mark.kind, local));
    let xero = twin.xero.and_then(|xero| sides.xero_text(mark.kind, xero));
    let holds = |text_of: &Option<String>| text_of.as_ref().is_some_and(|of| of.contains(&text));
    if holds(&app) && holds(&xero) {
        return "on both sides";
    }
    if mark.is_superseded || mark.is_seen {
        return if mark.is_seen { "arrived and written over" } else { "written over" };
    }
    if sides.conflict_texts(mark.kind, twin.local).any(|conflict| conflict.contains(&text)) {
        return "in a conflict";
    }
    if sides.is_listed(mark.kind, twin.local, twin.xero) {
        return "listed";
    }
    if !sides.is_live(mark.kind, twin.local, twin.xero) {
        return "on a record that was removed";
    }
    "LOST"
}
