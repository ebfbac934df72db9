//! `tieout sync`: brings Xero's books over, organisation by organisation.

use serde_json::{Value, json};
use store::{Mode, RunState};
use sync::{Agreement, RunOutcome};

use crate::args::{Sync, SyncWhat};
use crate::compose::{self, EMULATED, Hold, Running};
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::progress::SyncBar;
use crate::settings::Settings;
use crate::{shutdown, words};

/// What a program may want to know of a run, kind by kind, is in `tieout runs show`.
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
    Column::figure("calls", "CALLS"),
    Column::figure("bytes", "BYTES"),
    Column::figure("durationMs", "TIME"),
    Column::hidden("resumed"),
    Column::hidden("emulated"),
    Column::hidden("error"),
];

pub(super) async fn run(command: &Sync, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let (mode, what, again) = match command {
        Sync::Full(what) => (Mode::Full, what, "tieout sync full"),
        Sync::Incremental(what) => (Mode::Incremental, what, "tieout sync incremental"),
    };
    let parts = compose::parts(settings)?;
    let store = compose::open(settings).await?;
    // Whom to sync is known before the database is taken, so that a wrong name is told even beside a running server.
    compose::connections(&store, &what.which).await?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    if output.is_for_people() && running.engine.is_emulated() {
        output.note(EMULATED);
    }
    let first = shutdown::unless_asked(all(&running, mode, what, output), again).await;
    if !what.follow {
        return first;
    }
    let mut last = first;
    loop {
        match last {
            Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
            // What keeps one sync from its end (a limit, a network that is away) mostly passes: the next one tells.
            Err(failure) => output.failure(&failure),
            Ok(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(what.every.unsigned_abs()) => {}
            () = shutdown::asked() => return Ok(Exit::Done),
        }
        last = shutdown::unless_asked(all(&running, Mode::Incremental, what, output), again).await;
    }
}

/// Syncs all that are meant, one after the other; one that fails does not keep the others from their turn.
async fn all(running: &Running, mode: Mode, what: &SyncWhat, output: &Output) -> Result<Exit, Failure> {
    let engine = &running.engine;
    let mut rows = Rows::new(COLUMNS, "nothing to sync");
    let mut worst = Exit::Done;
    let mut failures = Vec::new();
    for connection in compose::connections(engine.store(), &what.which).await? {
        let bar = SyncBar::new(output);
        let ended = engine.sync(connection.id, mode, "cli", &|progress| bar.tell(progress)).await;
        bar.finish();
        let name = connection.tenant_name.as_str();
        match ended {
            Ok(outcome) => {
                if outcome.state == RunState::Partial && worst == Exit::Done {
                    worst = Exit::Partial;
                }
                rows.push(row(name, connection.id.0, &outcome, engine.is_emulated()));
            }
            Err(error) => {
                let failure = Failure::from(error);
                rows.push(failed_row(name, connection.id.0, mode, &failure, engine.is_emulated()));
                failures.push((name.to_owned(), failure));
            }
        }
    }
    output.rows(&rows);
    if let Some((name, failure)) = failures.pop() {
        for (name, failure) in &failures {
            output.note(&format!("error: {name}: {}", failure.message));
        }
        return Err(Failure { message: format!("{name}: {}", failure.message), ..failure });
    }
    if worst == Exit::Partial {
        output.note("some records could not be brought over\nnext:  tieout failures");
    }
    Ok(worst)
}

fn row(name: &str, connection: i64, outcome: &RunOutcome, is_emulated: bool) -> Vec<Cell> {
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
        count(outcome.calls),
        Cell::new(outcome.bytes, words::bytes(outcome.bytes)),
        Cell::new(duration_ms, words::seconds(duration_ms)),
        outcome.resumed.into(),
        is_emulated.into(),
        None::<&str>.into(),
    ]
}

fn failed_row(name: &str, connection: i64, mode: Mode, failure: &Failure, is_emulated: bool) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec![name.into(), connection.into(), None::<i64>.into(), mode.as_str().into()];
    row.push(RunState::Failed.as_str().into());
    row.extend((0..8).map(|_| Cell::from(None::<i64>)));
    let error = json!({"code": failure.code, "message": failure.message});
    row.extend([false.into(), is_emulated.into(), Cell::new(error, failure.message.clone())]);
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
