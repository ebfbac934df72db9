//! `tieout brakes` and `tieout candidates`: what a sync asks a person before it goes on.

use serde_json::json;
use store::BrakeWhat;

use super::desk::Desk;
use super::push::{PUSH_COLUMNS, push_cells};
use crate::args::{Brakes, BrakesCommand, Candidates, CandidatesCommand, Pair, Which};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{confirm, words};

const BRAKE_COLUMNS: &[Column] = &[
    Column::figure("id", "ID"),
    Column::text("organisation", "ORG"),
    Column::text("state", "STATE"),
    Column::text("direction", "WRITES"),
    Column::text("what", "WOULD"),
    Column::text("kind", "KIND"),
    Column::figure("would", "RECORDS"),
    Column::figure("ofAll", "OF"),
    Column::text("createdAt", "ASKED"),
    Column::text("decidedBy", "BY"),
    Column::hidden("decidedAt"),
];

pub(super) async fn run(
    args: &Brakes,
    (is_sure, is_live_meant): (bool, bool),
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let (id, is_approved, which) = match &args.command {
        None => return list(&args.which, settings, output).await,
        Some(BrakesCommand::Ls(which)) => return list(which, settings, output).await,
        Some(BrakesCommand::Approve { id, which }) => (*id, true, which),
        Some(BrakesCommand::Refuse { id, which }) => (*id, false, which),
    };
    let desk = Desk::open(which, Hold::Either, settings, output).await?;
    let engine = desk.engine();
    let has = async |tx: &mut store::Tx, connection: &store::Connection| {
        Ok(tx.brakes(connection.id).await?.iter().any(|brake| brake.id == id))
    };
    let owner = desk.owner_of(&format!("stopped sync {id}"), has).await;
    let connection = owner.map_err(|failure| failure.next("tieout brakes"))?;
    if is_approved {
        confirm::live([connection], engine.is_emulated(), is_live_meant)?;
        let found = engine.brakes(connection.id).await?;
        if let Some(brake) = found.iter().find(|brake| brake.id == id) {
            let doing = match brake.what {
                BrakeWhat::Remove => "removes",
                BrakeWhat::Change => "changes",
            };
            let question = format!(
                "The next sync {doing} {} of {} {}. Go on?",
                words::count(brake.would),
                words::count(brake.of_all),
                brake.kind.plural()
            );
            confirm::yes(output, is_sure, &question)?;
        }
    }
    let decided = engine.decide_brake(connection.id, id, is_approved, "cli").await;
    decided.map_err(|error| Failure::from(error).next("tieout brakes"))?;
    let said = if is_approved { "approved: the next sync does it, once" } else { "refused: nothing of it is written" };
    let value = json!({"id": id, "approved": is_approved, "connection": connection.id.0});
    output.object(&value, &format!("stopped sync {id} is {said}"));
    if is_approved {
        output.note("next:  tieout sync");
    }
    Ok(Exit::Done)
}

async fn list(which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let now = desk.engine().now();
    let mut rows = Rows::new(BRAKE_COLUMNS, "no sync was stopped");
    for connection in &desk.connections {
        for brake in desk.engine().brakes(connection.id).await? {
            let written = match brake.direction {
                store::Direction::Pull => "App",
                store::Direction::Push => "Xero",
            };
            let what = match brake.what {
                BrakeWhat::Remove => "remove",
                BrakeWhat::Change => "change",
            };
            rows.push(vec![
                brake.id.into(),
                connection.tenant_name.as_str().into(),
                brake.state.as_str().into(),
                Cell::new(brake.direction.as_str(), written),
                Cell::new(brake.what.as_str(), what),
                brake.kind.as_str().into(),
                Cell::new(brake.would, words::count(brake.would)),
                Cell::new(brake.of_all, words::count(brake.of_all)),
                words::when(Some(brake.created_at), now),
                brake.decided_by.into(),
                words::when(brake.decided_at, now),
            ]);
        }
    }
    output.rows(&rows);
    Ok(Exit::Done)
}

const CANDIDATE_COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::text("kind", "KIND"),
    Column::figure("localId", "IN THE APP"),
    Column::text("xeroId", "IN XERO"),
    Column::text("reason", "WHY"),
    Column::text("createdAt", "FOUND"),
];

pub(super) async fn candidates(
    args: &Candidates,
    is_live_meant: bool,
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    match &args.command {
        None => list_candidates(&args.which, settings, output).await,
        Some(CandidatesCommand::Ls(which)) => list_candidates(which, settings, output).await,
        Some(CandidatesCommand::Same(pair)) => decide(pair, true, is_live_meant, settings, output).await,
        Some(CandidatesCommand::Different(pair)) => decide(pair, false, is_live_meant, settings, output).await,
    }
}

async fn list_candidates(which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let now = desk.engine().now();
    let mut rows = Rows::new(CANDIDATE_COLUMNS, "no pair waits for a decision");
    for connection in &desk.connections {
        for pair in desk.engine().candidates(connection.id).await? {
            rows.push(vec![
                connection.tenant_name.as_str().into(),
                pair.kind.as_str().into(),
                pair.local_id.into(),
                pair.xero_id.to_string().into(),
                pair.reason.into(),
                words::when(Some(pair.created_at), now),
            ]);
        }
    }
    output.rows(&rows);
    Ok(Exit::Done)
}

async fn decide(
    pair: &Pair,
    is_same: bool,
    is_live_meant: bool,
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let desk = Desk::open(&pair.which, Hold::Either, settings, output).await?;
    let connection = desk.one()?;
    confirm::live([connection], desk.engine().is_emulated(), is_live_meant)?;
    let Pair { kind, record, xero_id, .. } = pair;
    let decided = desk.engine().decide_candidate(connection.id, *kind, *xero_id, *record, is_same, "cli").await;
    decided.map_err(|error| Failure::from(error).next("tieout candidates"))?;
    let said = if is_same { "one record, and linked" } else { "two records" };
    let value = json!({
        "kind": kind.as_str(), "localId": record, "xeroId": xero_id.to_string(), "same": is_same,
        "connection": connection.id.0,
    });
    output.object(&value, &format!("{kind} {record} and {xero_id} are {said}"));
    if let Some(pushed) = desk.send(connection, output).await?.filter(|_| output.is_for_people()) {
        let mut rows = Rows::new(PUSH_COLUMNS, "");
        rows.push(push_cells(connection, &pushed, desk.engine().is_emulated()));
        output.rows(&rows);
    }
    Ok(Exit::Done)
}
