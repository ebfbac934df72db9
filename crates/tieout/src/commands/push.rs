//! `tieout push` and `tieout sync entity`: the App's changes sent now; one record brought together now.

use serde_json::json;
use store::{Connection, KindCounts};
use sync::{EntityRef, PushOutcome};

use super::attention::{Attention, worse};
use super::desk::Desk;
use super::sync::{kinds_json, say_end, say_kinds};
use crate::args::{RecordId, RecordOf, Which};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{confirm, shutdown, words};

/// What was sent.
pub(super) const PUSH_COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::hidden("connection"),
    Column::figure("run", "RUN"),
    Column::figure("sentCreated", "NEW"),
    Column::figure("sentUpdated", "CHANGED"),
    Column::figure("sentRemoved", "REMOVED"),
    Column::figure("refused", "REFUSED"),
    Column::figure("conflicts", "CONFLICTS"),
    Column::figure("pending", "UNANSWERED"),
    Column::figure("waiting", "WAITING"),
    Column::figure("calls", "CALLS"),
    Column::hidden("kinds"),
    Column::hidden("braked"),
    Column::hidden("emulated"),
];

/// The row of those columns.
pub(super) fn push_cells(connection: &Connection, pushed: &PushOutcome, is_emulated: bool) -> Vec<Cell> {
    let sum = |of: fn(&KindCounts) -> i64| {
        let sum = pushed.kinds.iter().map(|(_, counts)| of(counts)).sum();
        Cell::new(sum, words::count(sum))
    };
    vec![
        connection.tenant_name.as_str().into(),
        connection.id.0.into(),
        pushed.run.into(),
        sum(|counts| counts.sent_created),
        sum(|counts| counts.sent_updated),
        sum(|counts| counts.sent_removed),
        sum(|counts| counts.refused),
        sum(|counts| counts.conflicts),
        pushed.pending.into(),
        pushed.waiting.into(),
        pushed.calls.into(),
        Cell::new(kinds_json(&pushed.kinds), ""),
        Cell::new(pushed.braked.clone(), pushed.braked.join("; ")),
        is_emulated.into(),
    ]
}

pub(super) async fn run(
    which: &Which,
    is_live_meant: bool,
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Exclusive, settings, output).await?;
    let engine = desk.engine();
    confirm::live(&desk.connections, engine.is_emulated(), is_live_meant)?;
    let work = async {
        let mut rows = Rows::new(PUSH_COLUMNS, "");
        let mut pushes = Vec::new();
        for connection in &desk.connections {
            let pushed = engine.push(connection.id, "cli").await?;
            rows.push(push_cells(connection, &pushed, engine.is_emulated()));
            pushes.push((connection, pushed));
        }
        Ok((rows, pushes))
    };
    let (rows, pushes) = shutdown::unless_asked(work, "tieout push").await?;
    output.rows(&rows);
    let mut exit = Exit::Done;
    for (connection, pushed) in &pushes {
        say_kinds(&connection.tenant_name, &pushed.kinds, pushes.len() > 1, output);
        exit = worse(exit, ended(&desk, connection, pushed, output).await?);
    }
    say_end(exit, output);
    Ok(exit)
}

/// What a push left, said; and what a command ends with after it.
async fn ended(desk: &Desk, connection: &Connection, pushed: &PushOutcome, output: &Output) -> Result<Exit, Failure> {
    let mut tx = desk.engine().store().read().await?;
    let attention = Attention::of(&mut tx, connection, desk.engine().now()).await?;
    drop(tx);
    attention.lines(&connection.tenant_name).iter().for_each(|line| output.note(line));
    let is_refused = pushed.kinds.iter().any(|(_, counts)| counts.refused > 0);
    Ok(if is_refused { worse(attention.exit(), Exit::Partial) } else { attention.exit() })
}

/// `tieout sync entity`.
pub(super) async fn entity(
    args: &RecordOf,
    is_live_meant: bool,
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let desk = Desk::open(&args.which, Hold::Exclusive, settings, output).await?;
    let engine = desk.engine();
    let connection = desk.one()?;
    confirm::live([connection], engine.is_emulated(), is_live_meant)?;
    let entity = match args.id {
        RecordId::Local(id) => EntityRef::Local(id),
        RecordId::Xero(id) => EntityRef::Xero(id),
    };
    let again = format!("tieout records explain {}", args.shown());
    let work = async { Ok(engine.sync_entity(connection.id, args.kind, entity, "cli").await?) };
    let synced = shutdown::unless_asked(work, &again).await?;
    let xero_id = synced.xero_id.map(|id| id.to_string());
    let value = json!({
        "kind": synced.kind.as_str(), "localId": synced.local_id, "xeroId": xero_id, "wasRead": synced.was_read,
        "connection": connection.id.0, "run": synced.push.run, "kinds": kinds_json(&synced.push.kinds),
        "calls": synced.push.calls, "pending": synced.push.pending, "waiting": synced.push.waiting,
        "braked": synced.push.braked, "emulated": engine.is_emulated(),
    });
    let human = format!(
        "{} {}: {}{}",
        synced.kind,
        synced.local_id,
        if synced.was_read { "read from Xero and merged" } else { "not in Xero before" },
        xero_id.map_or_else(|| "; it is not in Xero yet".into(), |id| format!("; in Xero it is {id}"))
    );
    output.object(&value, &human);
    say_kinds(&connection.tenant_name, &synced.push.kinds, false, output);
    let exit = ended(&desk, connection, &synced.push, output).await?;
    if exit != Exit::Done {
        output.note(&format!("next:  {again}"));
    }
    Ok(exit)
}
