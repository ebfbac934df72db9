//! `tieout sync`: brings both sides together, organisation by organisation.

use std::time::Duration;

use model::Kind;
use serde_json::{Value, json};
use store::{KindCounts, Mode, RunState};
use sync::{Agreement, Engine, RunOutcome};

use super::attention::{Attention, worse};
use super::plan;
use crate::args::{Sync, SyncCommand, SyncWhat};
use crate::compose::{self, EMULATED, Hold, Running};
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::progress::SyncBar;
use crate::settings::Settings;
use crate::{confirm, shutdown, words};

/// How often edits of the App are looked for between two syncs with --follow.
const LOOK: Duration = Duration::from_millis(250);

const COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::hidden("connection"),
    Column::figure("run", "RUN"),
    Column::text("mode", "MODE"),
    Column::text("state", "STATE"),
    Column::figure("seen", "SEEN"),
    Column::figure("created", "NEW"),
    Column::figure("updated", "CHANGED"),
    Column::figure("unchanged", "SAME"),
    Column::figure("failed", "FAILED"),
    Column::figure("sent", "SENT"),
    Column::hidden("sentCreated"),
    Column::hidden("sentUpdated"),
    Column::hidden("sentRemoved"),
    Column::figure("refused", "REFUSED"),
    Column::figure("conflicts", "CONFLICTS"),
    Column::figure("calls", "CALLS"),
    Column::figure("bytes", "BYTES"),
    Column::figure("durationMs", "TIME"),
    Column::hidden("resumed"),
    Column::hidden("emulated"),
    Column::hidden("error"),
    Column::hidden("kinds"),
    Column::hidden("waiting"),
];

/// Both directions, kind by kind.
const KIND_COLUMNS: &[Column] = &[
    Column::text("kind", "KIND"),
    Column::figure("created", "TO APP: NEW"),
    Column::figure("updated", "CHANGED"),
    Column::figure("unchanged", "SAME"),
    Column::figure("failed", "FAILED"),
    Column::figure("sentCreated", "TO XERO: NEW"),
    Column::figure("sentUpdated", "CHANGED"),
    Column::figure("sentRemoved", "REMOVED"),
    Column::figure("refused", "REFUSED"),
    Column::figure("conflicts", "CONFLICTS"),
];

pub(super) async fn run(
    command: &Sync,
    (is_sure, is_live_meant): (bool, bool),
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let (mode, what, again) = match &command.command {
        None if command.full => (Mode::Full, &command.what, "tieout sync full"),
        None => (Mode::Incremental, &command.what, "tieout sync"),
        Some(SyncCommand::Full(what)) => (Mode::Full, what, "tieout sync full"),
        Some(SyncCommand::Incremental(what)) => (Mode::Incremental, what, "tieout sync incremental"),
        Some(SyncCommand::Apply(apply)) => {
            return plan::apply(apply, (is_sure, is_live_meant), settings, output).await;
        }
        Some(SyncCommand::Entity(record)) => {
            return super::push::entity(record, is_live_meant, settings, output).await;
        }
    };
    if what.dry_run {
        return plan::show(mode, &what.which, settings, output).await;
    }
    let parts = compose::parts(settings)?;
    let store = compose::open(settings).await?;
    // Whom to sync is known before the database is taken, so that a wrong name is told even beside a running server.
    let connections = compose::connections(&store, &what.which).await?;
    confirm::live(&connections, !parts.endpoints.is_xero(), is_live_meant)?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    if output.is_for_people() && running.engine.is_emulated() {
        output.note(EMULATED);
    }
    let first = shutdown::unless_asked(all(&running, mode, what, output), again).await;
    if !what.follow {
        return first;
    }
    follow(first, &running, what, again, output).await
}

/// Syncs again and again until the process is asked to stop, and sends edits in between.
async fn follow(
    first: Result<Exit, Failure>,
    running: &Running,
    what: &SyncWhat,
    again: &str,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut last = first;
    loop {
        match last {
            Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
            // What keeps one sync from its end (a limit, a network that is away) mostly passes: the next one tells.
            Err(failure) => output.failure(&failure),
            Ok(_) => {}
        }
        tokio::select! {
            () = send_edits(&running.engine, what.every.unsigned_abs()) => {}
            () = shutdown::asked() => return Ok(Exit::Done),
        }
        last = shutdown::unless_asked(all(running, Mode::Incremental, what, output), again).await;
    }
}

/// Sends edits of the App as they are made, for so long.
async fn send_edits(engine: &Engine, span: Duration) {
    let until = tokio::time::Instant::now() + span;
    while tokio::time::Instant::now() < until {
        if let Err(error) = engine.push_due("capture").await {
            tracing::warn!(code = error.code(), %error, "edits could not be looked for");
        }
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        tokio::time::sleep(LOOK.min(left)).await;
    }
}

/// Syncs all that are meant, one after the other; one that fails does not keep the others from their turn.
async fn all(running: &Running, mode: Mode, what: &SyncWhat, output: &Output) -> Result<Exit, Failure> {
    let engine = &running.engine;
    let mut rows = Rows::new(COLUMNS, "nothing to sync");
    let mut details = Vec::new();
    let mut worst = Exit::Done;
    let mut failures = Vec::new();
    for connection in compose::connections(engine.store(), &what.which).await? {
        let bar = SyncBar::new(output);
        let ended = engine.sync(connection.id, mode, "cli", &|progress| bar.tell(progress)).await;
        bar.finish();
        let name = connection.tenant_name.as_str();
        let mut tx = engine.store().read().await?;
        let attention = Attention::of(&mut tx, &connection, engine.now()).await?;
        drop(tx);
        match ended {
            Ok(outcome) => {
                worst = worse(worst, attention.exit());
                if outcome.state == RunState::Partial && attention.brakes == 0 {
                    worst = worse(worst, Exit::Partial);
                }
                rows.push(row(name, connection.id.0, &outcome, &attention, engine.is_emulated()));
                details.push((name.to_owned(), outcome.kinds, attention));
            }
            Err(error) => {
                let failure = Failure::from(error);
                rows.push(failed_row(name, connection.id.0, mode, &failure, engine.is_emulated()));
                failures.push((name.to_owned(), failure));
            }
        }
    }
    output.rows(&rows);
    for (name, kinds, attention) in &details {
        say_kinds(name, kinds, details.len() > 1, output);
        attention.lines(name).iter().for_each(|line| output.note(line));
    }
    if let Some((name, failure)) = failures.pop() {
        for (name, failure) in &failures {
            output.note(&format!("error: {name}: {}", failure.message));
        }
        return Err(Failure { message: format!("{name}: {}", failure.message), ..failure });
    }
    say_end(worst, output);
    Ok(worst)
}

/// Why a sync did not end with 0, and what to do.
pub(super) fn say_end(exit: Exit, output: &Output) {
    match exit {
        Exit::Partial => output.note("some records could not be brought over\nnext:  tieout failures"),
        Exit::Conflicts => output.note("conflicts wait for a person\nnext:  tieout conflicts"),
        Exit::Brake => {
            output.note(
                "a part was not done, because it would have been too much without being asked\nnext:  tieout brakes",
            );
        }
        _ => {}
    }
}

/// What was done with each kind, both ways; kinds with which nothing was done are left out.
pub(super) fn say_kinds(name: &str, kinds: &[(Kind, KindCounts)], is_named: bool, output: &Output) {
    if !output.is_for_people() {
        return;
    }
    let mut rows = Rows::new(KIND_COLUMNS, "");
    let mut is_empty = true;
    for (kind, counts) in kinds {
        let done = [counts.created, counts.updated, counts.failed];
        let sent = [counts.sent_created, counts.sent_updated, counts.sent_removed, counts.refused, counts.conflicts];
        if done.iter().chain(&sent).all(|count| *count == 0) {
            continue;
        }
        is_empty = false;
        let figures = [counts.created, counts.updated, counts.unchanged, counts.failed].into_iter().chain(sent);
        let mut row: Vec<Cell> = vec![kind.plural().into()];
        row.extend(figures.map(|count| Cell::new(count, words::count(count))));
        rows.push(row);
    }
    if !is_empty {
        output.line(&if is_named { format!("\n{name}") } else { String::new() });
        output.rows(&rows);
    }
}

/// What a program may want to know of each kind.
pub(super) fn kinds_json(kinds: &[(Kind, KindCounts)]) -> Value {
    let one = |(kind, counts): &(Kind, KindCounts)| {
        json!({
            "kind": kind.as_str(), "seen": counts.seen, "created": counts.created, "updated": counts.updated,
            "unchanged": counts.unchanged, "failed": counts.failed, "sentCreated": counts.sent_created,
            "sentUpdated": counts.sent_updated, "sentRemoved": counts.sent_removed, "refused": counts.refused,
            "conflicts": counts.conflicts,
        })
    };
    kinds.iter().map(one).collect()
}

fn row(name: &str, connection: i64, outcome: &RunOutcome, attention: &Attention, is_emulated: bool) -> Vec<Cell> {
    let total = outcome.total();
    let count = |number: i64| Cell::new(number, words::count(number));
    let duration_ms = i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX);
    vec![
        name.into(),
        connection.into(),
        outcome.run.into(),
        outcome.mode.as_str().into(),
        outcome.state.as_str().into(),
        count(total.seen),
        count(total.created),
        count(total.updated),
        count(total.unchanged),
        count(total.failed),
        count(total.sent_created + total.sent_updated + total.sent_removed),
        count(total.sent_created),
        count(total.sent_updated),
        count(total.sent_removed),
        count(total.refused),
        count(total.conflicts),
        count(outcome.calls),
        Cell::new(outcome.bytes, words::bytes(outcome.bytes)),
        Cell::new(duration_ms, words::seconds(duration_ms)),
        outcome.resumed.into(),
        is_emulated.into(),
        None::<&str>.into(),
        Cell::new(kinds_json(&outcome.kinds), ""),
        Cell::new(attention.json(), ""),
    ]
}

fn failed_row(name: &str, connection: i64, mode: Mode, failure: &Failure, is_emulated: bool) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec![name.into(), connection.into(), None::<i64>.into(), mode.as_str().into()];
    row.push(RunState::Failed.as_str().into());
    row.extend((0..14).map(|_| Cell::from(None::<i64>)));
    let error = json!({"code": failure.code, "message": failure.message});
    row.extend([false.into(), is_emulated.into(), Cell::new(error, failure.message.clone())]);
    row.extend((0..2).map(|_| Cell::from(None::<i64>)));
    row
}

/// Each group of documents on which the two sides differ, as a line.
pub(super) fn differences(agreement: &Agreement) -> Vec<String> {
    let line = |difference: &sync::Difference| {
        let sync::Difference { group, counts, totals, open } = difference;
        format!(
            "  differs  {group}: App {} documents, total {}, open {}; Xero {}, {}, {}",
            counts.0, totals.0, open.0, counts.1, totals.1, open.1
        )
    };
    agreement.differences.iter().map(line).collect()
}

/// The same, for programs.
pub(super) fn differences_json(agreement: &Agreement) -> Value {
    let side = |count: i64, total: model::Amount, open: model::Amount| json!({"documents": count, "total": total.to_string(), "open": open.to_string()});
    let all = agreement.differences.iter().map(|one| {
        json!({
            "group": one.group,
            "app": side(one.counts.0, one.totals.0, one.open.0),
            "xero": side(one.counts.1, one.totals.1, one.open.1),
        })
    });
    all.collect()
}
