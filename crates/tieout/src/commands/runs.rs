//! `tieout runs`: what was synced when, and what came of it.

use jiff::Timestamp;
use model::Kind;
use serde_json::{Value, json};
use store::{KindCounts, Run, RunDirection, Store};

use crate::args::{Runs, RunsCommand, RunsLs};
use crate::compose;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::words;

const RUN_COLUMNS: &[Column] = &[
    Column::figure("id", "RUN"),
    Column::figure("connection", "CONNECTION"),
    Column::text("mode", "MODE"),
    Column::text("state", "STATE"),
    Column::text("startedAt", "STARTED"),
    Column::figure("durationMs", "TIME"),
    Column::figure("seen", "SEEN"),
    Column::figure("created", "NEW"),
    Column::figure("updated", "CHANGED"),
    Column::figure("failed", "FAILED"),
    Column::figure("calls", "CALLS"),
    Column::figure("bytes", "BYTES"),
    Column::text("triggeredBy", "BY"),
    Column::text("direction", "WRITES"),
    Column::figure("sent", "SENT"),
    Column::figure("refused", "REFUSED"),
    Column::figure("conflicts", "CONFLICTS"),
    Column::hidden("finishedAt"),
    Column::hidden("resumed"),
    Column::hidden("errorCode"),
    Column::text("error", "ERROR"),
];

pub(super) async fn run(args: &Runs, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let store = compose::open(settings).await?;
    match &args.command {
        None => list(&args.list, &store, output).await,
        Some(RunsCommand::Ls(ls)) => list(ls, &store, output).await,
        Some(RunsCommand::Show { id }) => show(*id, &store, output).await,
    }
}

async fn list(args: &RunsLs, store: &Store, output: &Output) -> Result<Exit, Failure> {
    let now = compose::clock().now();
    let only = match (&args.which.org, args.which.connection) {
        (None, None) => None,
        _ => Some(compose::connection(store, &args.which).await?.id),
    };
    let mut tx = store.read().await?;
    let mut rows = Rows::new(RUN_COLUMNS, "nothing was synced yet: tieout sync full");
    for run in tx.runs(only, None, args.limit).await? {
        let kinds = tx.run_kinds(run.id).await?;
        rows.push(row(&run, &kinds, now));
    }
    tx.commit().await?;
    output.rows(&rows);
    Ok(Exit::Done)
}

fn duration_ms(run: &Run) -> i64 {
    words::milliseconds(run.started_at, run.finished_at.unwrap_or(run.active_at))
}

/// Which side a run writes.
const fn written(direction: RunDirection) -> &'static str {
    match direction {
        RunDirection::Pull => "App",
        RunDirection::Push => "Xero",
        RunDirection::Both => "both",
    }
}

fn row(run: &Run, kinds: &[(Kind, KindCounts)], now: Timestamp) -> Vec<Cell> {
    let sum = |of: fn(&KindCounts) -> i64| {
        let sum: i64 = kinds.iter().map(|(_, counts)| of(counts)).sum();
        Cell::new(sum, words::count(sum))
    };
    vec![
        run.id.into(),
        run.connection.0.into(),
        run.mode.as_str().into(),
        run.state.as_str().into(),
        words::when(Some(run.started_at), now),
        Cell::new(duration_ms(run), words::seconds(duration_ms(run))),
        sum(|counts| counts.seen),
        sum(|counts| counts.created),
        sum(|counts| counts.updated),
        sum(|counts| counts.failed),
        run.calls.into(),
        Cell::new(run.bytes, words::bytes(run.bytes)),
        run.triggered_by.as_str().into(),
        Cell::new(run.direction.as_str(), written(run.direction)),
        sum(|counts| counts.sent_created + counts.sent_updated + counts.sent_removed),
        sum(|counts| counts.refused),
        sum(|counts| counts.conflicts),
        words::when(run.finished_at, now),
        run.resumed.into(),
        run.error_code.as_deref().into(),
        Cell::from(run.error.as_deref()),
    ]
}

async fn show(id: i64, store: &Store, output: &Output) -> Result<Exit, Failure> {
    let mut tx = store.read().await?;
    let run = tx.run(id).await?;
    let kinds = tx.run_kinds(id).await?;
    tx.commit().await?;
    let Some(run) = run else {
        return Err(Failure::new(Exit::Failed, format!("there is no run {id}")).next("tieout runs"));
    };
    let now = compose::clock().now();
    output.object(&run_json(&run, &kinds), &run_text(&run, &kinds, now));
    Ok(Exit::Done)
}

fn run_json(run: &Run, kinds: &[(Kind, KindCounts)]) -> Value {
    let kinds: Value = kinds
        .iter()
        .map(|(kind, counts)| {
            json!({
                "kind": kind.as_str(), "expected": counts.expected, "seen": counts.seen, "created": counts.created,
                "updated": counts.updated, "unchanged": counts.unchanged, "failed": counts.failed,
                "sentCreated": counts.sent_created, "sentUpdated": counts.sent_updated,
                "sentRemoved": counts.sent_removed, "refused": counts.refused, "conflicts": counts.conflicts,
            })
        })
        .collect();
    json!({
        "id": run.id, "connection": run.connection.0, "mode": run.mode.as_str(), "state": run.state.as_str(),
        "direction": run.direction.as_str(), "phase": run.phase, "triggeredBy": run.triggered_by, "startedAt": run.started_at.to_string(),
        "activeAt": run.active_at.to_string(), "finishedAt": run.finished_at.map(|at| at.to_string()),
        "durationMs": duration_ms(run), "resumed": run.resumed, "calls": run.calls, "bytes": run.bytes,
        "errorCode": run.error_code, "error": run.error, "kinds": kinds,
    })
}

fn run_text(run: &Run, kinds: &[(Kind, KindCounts)], now: Timestamp) -> String {
    let mut lines = vec![format!(
        "run {}  {} {}  started {} by {}, {}, {} calls, {}",
        run.id,
        run.mode.as_str(),
        run.state.as_str(),
        words::ago(run.started_at, now),
        run.triggered_by,
        words::seconds(duration_ms(run)),
        run.calls,
        words::bytes(run.bytes)
    )];
    if run.resumed > 0 {
        lines.push(format!("resumed {} times, nothing repeated but the page it was on", run.resumed));
    }
    for (kind, counts) in kinds {
        let KindCounts { expected, seen, created, updated, unchanged, failed, .. } = counts;
        let of = expected.filter(|all| all != seen).map(|all| format!(" of {all}")).unwrap_or_default();
        let name = kind.plural();
        if run.direction != RunDirection::Push {
            lines.push(format!(
                "  {name:<18} {seen}{of} seen, {created} new, {updated} changed, {unchanged} same, {failed} failed"
            ));
        }
        let KindCounts { sent_created, sent_updated, sent_removed, refused, conflicts, .. } = counts;
        if [sent_created, sent_updated, sent_removed, refused, conflicts].into_iter().any(|count| *count > 0) {
            lines.push(format!(
                "  {name:<18} sent: {sent_created} new, {sent_updated} changed, {sent_removed} removed, {refused} refused; {conflicts} conflicts"
            ));
        }
    }
    if let Some(error) = &run.error {
        lines.push(format!("error: {error} [{}]", run.error_code.as_deref().unwrap_or("-")));
    }
    lines.join("\n")
}
