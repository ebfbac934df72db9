//! `tieout failures`: what could not be brought over and why, by cause, with what to do; retried, set aside, linked.

use serde_json::{Value, json};
use store::{Connection, Direction, FailureFilter};
use sync::{FailureQuery, FailureView, PushOutcome};

use super::desk::Desk;
use crate::args::{Failures, FailuresCommand, FailuresLs, RetryWhat, Which};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::words;

const COLUMNS: &[Column] = &[
    Column::figure("id", "ID"),
    Column::text("organisation", "ORG"),
    Column::text("direction", "TO"),
    Column::text("kind", "KIND"),
    Column::text("label", "RECORD"),
    Column::hidden("remoteKey"),
    Column::text("code", "CODE"),
    Column::figure("attempts", "TRIES"),
    Column::text("lastSeenAt", "LAST SEEN"),
    Column::text("nextTryAt", "NEXT TRY"),
    Column::text("message", "WHY"),
    Column::hidden("firstSeenAt"),
    Column::hidden("raw"),
    Column::hidden("localId"),
    Column::hidden("advice"),
    Column::hidden("fix"),
    Column::hidden("inDoubt"),
    Column::hidden("connection"),
];

pub(super) async fn run(args: &Failures, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    match &args.command {
        None => list(&args.list, settings, output).await,
        Some(FailuresCommand::Ls(ls)) => list(ls, settings, output).await,
        Some(FailuresCommand::Groups(which)) => groups(which, settings, output).await,
        Some(FailuresCommand::Show { id, which }) => show(*id, which, settings, output).await,
        Some(FailuresCommand::Retry(what)) => retry(what, settings, output).await,
        Some(FailuresCommand::Ignore { id, reason, which }) => {
            let desk = Desk::open(which, Hold::Either, settings, output).await?;
            let connection = owner(&desk, *id).await?;
            let ignored = desk.engine().ignore_failure(connection.id, *id, reason, "cli").await;
            let view = ignored.map_err(|error| Failure::from(error).next("tieout failures"))?;
            output.object(&view_json(&view, connection), &format!("failure {id} is set aside: {}", reason.trim()));
            Ok(Exit::Done)
        }
        Some(FailuresCommand::Link { id, xero_id, which }) => {
            let desk = Desk::open(which, Hold::Either, settings, output).await?;
            let connection = owner(&desk, *id).await?;
            let linked = desk.engine().link_failure(connection.id, *id, *xero_id, "cli").await;
            linked.map_err(|error| Failure::from(error).next(format!("tieout failures show {id}")))?;
            let sent = desk.send(connection, output).await?;
            let value = json!({"id": id, "xeroId": xero_id.to_string(), "sent": sent.is_some()});
            output.object(&value, &format!("failure {id}: linked with {xero_id}, and merged"));
            Ok(Exit::Done)
        }
    }
}

/// Which side a record was going to.
const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Pull => "App",
        Direction::Push => "Xero",
    }
}

async fn list(args: &FailuresLs, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(&args.which, Hold::Shared, settings, output).await?;
    let now = desk.engine().now();
    let filter = FailureFilter { kind: args.kind, code: args.code.clone(), ..FailureFilter::default() };
    let query = FailureQuery { filter, before: None, limit: args.limit };
    let mut rows = Rows::new(COLUMNS, "no failures: every record came over");
    for connection in &desk.connections {
        for view in desk.engine().failures(connection.id, &query).await? {
            let FailureView { failure, label, advice, fix, is_in_doubt } = view;
            let record = Some(label).filter(|label| !label.is_empty()).unwrap_or_else(|| failure.remote_key.clone());
            rows.push(vec![
                failure.id.into(),
                connection.tenant_name.as_str().into(),
                Cell::new(failure.direction.as_str(), side(failure.direction)),
                failure.kind.as_str().into(),
                record.into(),
                failure.remote_key.into(),
                failure.code.into(),
                failure.attempts.into(),
                words::when(Some(failure.last_seen_at), now),
                words::when(failure.next_try_at, now),
                failure.message.into(),
                words::when(Some(failure.first_seen_at), now),
                Cell::from(failure.raw.as_deref()),
                failure.local_id.into(),
                advice.as_str().into(),
                fix.into(),
                is_in_doubt.into(),
                connection.id.0.into(),
            ]);
        }
    }
    output.rows(&rows);
    Ok(Exit::Done)
}

const GROUP_COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::figure("count", "COUNT"),
    Column::text("code", "CODE"),
    Column::text("direction", "TO"),
    Column::text("kind", "KIND"),
    Column::text("lastSeenAt", "LAST SEEN"),
    Column::text("advice", "WHO CAN HELP"),
    Column::text("fix", "WHAT TO DO"),
    Column::hidden("newestMessage"),
    Column::hidden("firstSeenAt"),
    Column::hidden("connection"),
];

async fn groups(which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let now = desk.engine().now();
    let mut rows = Rows::new(GROUP_COLUMNS, "no failures: every record came over");
    for connection in &desk.connections {
        for cause in desk.engine().failure_groups(connection.id).await? {
            let group = cause.group;
            let helper = match cause.advice {
                model::accounting::Advice::Retry => "nobody: it is tried again",
                model::accounting::Advice::FixData => "whoever can change the record",
                model::accounting::Advice::AskPerson => "whoever decides",
            };
            rows.push(vec![
                connection.tenant_name.as_str().into(),
                Cell::new(group.count, words::count(group.count)),
                group.code.into(),
                Cell::new(group.direction.as_str(), side(group.direction)),
                group.kind.as_str().into(),
                words::when(Some(group.last_seen), now),
                Cell::new(cause.advice.as_str(), helper),
                cause.fix.into(),
                group.newest_message.into(),
                words::when(Some(group.first_seen), now),
                connection.id.0.into(),
            ]);
        }
    }
    output.rows(&rows);
    Ok(Exit::Done)
}

async fn owner(desk: &Desk, id: i64) -> Result<&Connection, Failure> {
    let has = async |tx: &mut store::Tx, connection: &Connection| Ok(tx.failure(connection.id, id).await?.is_some());
    desk.owner_of(&format!("failure {id}"), has).await.map_err(|failure| failure.next("tieout failures"))
}

fn view_json(view: &FailureView, connection: &Connection) -> Value {
    let failure = &view.failure;
    let instant = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": failure.id, "organisation": connection.tenant_name, "connection": connection.id.0,
        "kind": failure.kind.as_str(), "direction": failure.direction.as_str(), "remoteKey": failure.remote_key,
        "localId": failure.local_id, "label": view.label, "code": failure.code, "message": failure.message,
        "advice": view.advice.as_str(), "fix": view.fix, "inDoubt": view.is_in_doubt, "raw": failure.raw,
        "attempts": failure.attempts, "firstSeenAt": instant(Some(failure.first_seen_at)),
        "lastSeenAt": instant(Some(failure.last_seen_at)), "nextTryAt": instant(failure.next_try_at),
        "resolvedAt": instant(failure.resolved_at), "ignoredAt": instant(failure.ignored_at),
        "ignoredBy": failure.ignored_by, "ignoredReason": failure.ignored_reason, "run": failure.run,
    })
}

async fn show(id: i64, which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let connection = owner(&desk, id).await?;
    let view = desk.engine().failure(connection.id, id).await?;
    let failure = &view.failure;
    let mut lines = vec![
        format!(
            "failure {id}  {} {} on its way to {}  ({})",
            failure.kind,
            if view.label.is_empty() { &failure.remote_key } else { &view.label },
            side(failure.direction),
            connection.tenant_name
        ),
        format!("  why         {} [{}]", failure.message, failure.code),
        format!("  what to do  {}", view.fix),
        format!("  tried       {}, last {}", words::counted(failure.attempts, "time"), failure.last_seen_at),
    ];
    lines.extend(failure.next_try_at.map(|next| format!("  next try    {next}")));
    if view.is_in_doubt {
        lines.push("  sent, and no answer: it is looked for in Xero before anything is sent again".into());
    }
    lines.extend(failure.raw.as_ref().map(|raw| format!("  Xero said {raw}")));
    lines.extend(failure.resolved_at.map(|at| format!("  over since {at}")));
    if let (Some(by), Some(reason)) = (&failure.ignored_by, &failure.ignored_reason) {
        lines.push(format!("  set aside by {by}: {reason}"));
    }
    if let Some(local_id) = failure.local_id {
        lines.push(format!("next:  tieout records explain {} {local_id}, or tieout failures retry {id}", failure.kind));
    }
    output.object(&view_json(&view, connection), &lines.join("\n"));
    Ok(Exit::Done)
}

async fn retry_one(id: i64, desk: &Desk, output: &Output) -> Result<Exit, Failure> {
    let engine = desk.engine();
    let connection = owner(desk, id).await?;
    let tried = engine.retry_failure(connection.id, id, "cli").await;
    tried.map_err(|error| Failure::from(error).next(format!("tieout failures show {id}")))?;
    desk.send(connection, output).await?;
    let after = engine.failure(connection.id, id).await?;
    let is_over = after.failure.resolved_at.is_some();
    let said = if is_over { "it came over" } else { "tried again; it is still listed" };
    output.object(&view_json(&after, connection), &format!("failure {id}: {said}"));
    if is_over {
        return Ok(Exit::Done);
    }
    output.note(&format!("next:  tieout failures show {id}"));
    Ok(Exit::Partial)
}

async fn retry(args: &RetryWhat, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(&args.which, Hold::Either, settings, output).await?;
    let engine = desk.engine();
    if let Some(id) = args.id {
        return retry_one(id, &desk, output).await;
    }
    let (mut retried, mut refused) = (0, 0);
    let filter = FailureFilter { kind: args.kind, code: args.code.clone(), ..FailureFilter::default() };
    let mut left = 0;
    for connection in &desk.connections {
        let tried = engine.retry_failures(connection.id, &filter, "cli").await?;
        if tried > 0 {
            retried += tried;
            refused += refusals(desk.send(connection, output).await?);
        }
        let query = FailureQuery { filter: filter.clone(), before: None, limit: 10_000 };
        left += engine.failures(connection.id, &query).await?.len();
    }
    let value = json!({"retried": retried, "refused": refused, "left": left});
    let tried = words::counted(i64::try_from(retried).unwrap_or(i64::MAX), "failure");
    output.object(&value, &format!("{tried} tried again, {left} still listed"));
    if refused > 0 {
        output.note("next:  tieout failures groups");
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

fn refusals(pushed: Option<PushOutcome>) -> i64 {
    pushed.iter().flat_map(|pushed| &pushed.kinds).map(|(_, counts)| counts.refused).sum()
}
