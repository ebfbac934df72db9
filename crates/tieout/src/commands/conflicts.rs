//! `tieout conflicts`: fields that both sides changed differently, for a person to decide.

use model::Kind;
use serde_json::{Value, json};
use store::{Conflict, ConflictState, Connection};
use sync::{BulkOutcome, Choice, ConflictQuery, ConflictView, Effect, Error, FieldChoice, Resolved};

use super::desk::Desk;
use super::policy;
use crate::args::{Conflicts, ConflictsCommand, ConflictsLs, Resolve, Ruling, Which};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{confirm, words};

const COLUMNS: &[Column] = &[
    Column::figure("id", "ID"),
    Column::text("organisation", "ORG"),
    Column::text("kind", "KIND"),
    Column::figure("localId", "ROW"),
    Column::text("label", "RECORD"),
    Column::text("field", "FIELD"),
    Column::text("app", "APP"),
    Column::text("xero", "XERO"),
    Column::text("state", "STATE"),
    Column::text("resolution", "RESOLUTION"),
    Column::text("decidedBy", "BY"),
    Column::text("createdAt", "FOUND"),
    Column::hidden("base"),
    Column::hidden("result"),
    Column::hidden("what"),
    Column::hidden("xeroId"),
    Column::hidden("policy"),
    Column::hidden("appChangedAt"),
    Column::hidden("xeroChangedAt"),
    Column::hidden("decidedAt"),
    Column::hidden("undoneBy"),
    Column::hidden("version"),
    Column::hidden("connection"),
];

pub(super) async fn run(
    args: &Conflicts,
    (is_sure, is_live_meant): (bool, bool),
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    match &args.command {
        None => list(&args.list, settings, output).await,
        Some(ConflictsCommand::Ls(ls)) => list(ls, settings, output).await,
        Some(ConflictsCommand::Show { id, which }) => show(*id, which, settings, output).await,
        Some(ConflictsCommand::Resolve(what)) => resolve(what, (is_sure, is_live_meant), settings, output).await,
        Some(ConflictsCommand::Undo { id, which }) => undo(*id, which, settings, output).await,
        Some(ConflictsCommand::Policy(what)) => policy::run(what, settings, output).await,
    }
}

async fn list(args: &ConflictsLs, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(&args.which, Hold::Shared, settings, output).await?;
    let query = ConflictQuery {
        state: (!args.decided).then_some(ConflictState::Pending),
        kind: args.kind,
        local_id: args.record,
        before: None,
        limit: args.limit,
    };
    let mut rows = Rows::new(COLUMNS, "no conflicts: nothing waits for a decision");
    let mut first = None;
    for connection in &desk.connections {
        for view in desk.engine().conflicts(connection.id, &query).await? {
            first = first.or(Some(view.conflict.id));
            rows.push(row(&view, connection, &desk));
        }
    }
    output.rows(&rows);
    if let Some(id) = first.filter(|_| output.is_for_people()) {
        output.note(&format!("next:  tieout conflicts show {id}"));
    }
    Ok(Exit::Done)
}

/// The JSON that is stored with a conflict.
fn value(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// A value as people read it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As much of it as fits in a table.
fn shortened(value: &Value) -> String {
    const MOST: usize = 40;
    let text = shown(value);
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn row(view: &ConflictView, connection: &Connection, desk: &Desk) -> Vec<Cell> {
    let Conflict { id, kind, local_id, xero_id, what, field, policy, state, .. } = &view.conflict;
    let now = desk.engine().now();
    let cell = |text: &Option<String>| {
        let value = value(text.as_deref());
        let short = shortened(&value);
        Cell::new(value, short)
    };
    let conflict = &view.conflict;
    vec![
        (*id).into(),
        connection.tenant_name.as_str().into(),
        kind.as_str().into(),
        (*local_id).into(),
        view.label.as_str().into(),
        field.as_str().into(),
        cell(&conflict.app),
        cell(&conflict.xero),
        state.as_str().into(),
        conflict.resolution.map(|resolution| resolution.as_str()).into(),
        conflict.decided_by.as_deref().into(),
        words::when(Some(conflict.created_at), now),
        cell(&conflict.base),
        cell(&conflict.result),
        what.as_str().into(),
        xero_id.to_string().into(),
        policy.as_str().into(),
        words::when(conflict.app_changed_at, now),
        words::when(conflict.xero_changed_at, now),
        words::when(conflict.decided_at, now),
        conflict.undone_by.as_deref().into(),
        view.version.as_str().into(),
        connection.id.0.into(),
    ]
}

async fn owner(desk: &Desk, id: i64) -> Result<&Connection, Failure> {
    let has = async |tx: &mut store::Tx, connection: &Connection| Ok(tx.conflict(connection.id, id).await?.is_some());
    desk.owner_of(&format!("conflict {id}"), has).await.map_err(|failure| failure.next("tieout conflicts"))
}

async fn show(id: i64, which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let connection = owner(&desk, id).await?;
    let view = desk.engine().conflict(connection.id, id).await?;
    output.object(&view_json(&view, connection), &view_text(&view, connection));
    Ok(Exit::Done)
}

fn effect_json(effect: &Effect) -> Value {
    json!({
        "toApp": effect.to_app, "toXero": effect.to_xero, "writesApp": effect.to_app.is_some(),
        "writesXero": effect.to_xero.is_some(),
        "refusal": effect.refusal.as_ref().map(|refusal| json!({"code": refusal.code, "message": refusal.message})),
    })
}

fn view_json(view: &ConflictView, connection: &Connection) -> Value {
    let conflict = &view.conflict;
    let instant = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": conflict.id, "organisation": connection.tenant_name, "connection": connection.id.0,
        "kind": conflict.kind.as_str(), "localId": conflict.local_id, "xeroId": conflict.xero_id.to_string(),
        "label": view.label, "what": conflict.what, "field": conflict.field, "base": value(conflict.base.as_deref()),
        "app": value(conflict.app.as_deref()), "appNow": view.app_now, "xero": value(conflict.xero.as_deref()),
        "appChangedAt": instant(conflict.app_changed_at), "xeroChangedAt": instant(conflict.xero_changed_at),
        "policy": conflict.policy, "state": conflict.state.as_str(),
        "resolution": conflict.resolution.map(|resolution| resolution.as_str()),
        "result": value(conflict.result.as_deref()), "decidedBy": conflict.decided_by,
        "decidedAt": instant(conflict.decided_at), "undoneBy": conflict.undone_by,
        "undoneAt": instant(conflict.undone_at), "createdAt": instant(Some(conflict.created_at)),
        "version": view.version,
        "preview": view.preview.as_ref().map(|preview| json!({
            "keepApp": effect_json(&preview.keep_app), "keepXero": effect_json(&preview.keep_xero),
        })),
    })
}

/// What a choice writes, in words.
fn effect_text(effect: &Effect) -> String {
    if let Some(refusal) = &effect.refusal {
        return format!("not possible: {} [{}]", refusal.message, refusal.code);
    }
    let write = |side: &str, value: &Option<Value>| {
        value.as_ref().map(|value| match value {
            Value::Null => format!("clears it in {side}"),
            value => format!("writes {} to {side}", shown(value)),
        })
    };
    let parts: Vec<String> =
        [write("the App", &effect.to_app), write("Xero", &effect.to_xero)].into_iter().flatten().collect();
    if parts.is_empty() { "writes nothing".into() } else { parts.join(", ") }
}

fn view_text(view: &ConflictView, connection: &Connection) -> String {
    let conflict = &view.conflict;
    let Conflict { id, kind, local_id, xero_id, field, .. } = conflict;
    let changed = |at: Option<jiff::Timestamp>| at.map(|at| format!("   changed {at}")).unwrap_or_default();
    let mut lines = vec![
        format!("conflict {id}  {kind} {local_id} {}  ({}; in Xero {xero_id})", view.label, connection.tenant_name),
        format!("  {:<13} {field}   ({}, policy {})", "field", conflict.what, conflict.policy),
        format!("  {:<13} {}", "last agreed", shown(&value(conflict.base.as_deref()))),
        format!("  {:<13} {}{}", "App", shown(&value(conflict.app.as_deref())), changed(conflict.app_changed_at)),
        format!("  {:<13} {}{}", "Xero", shown(&value(conflict.xero.as_deref())), changed(conflict.xero_changed_at)),
    ];
    if let Some(now) = view.app_now.as_ref().filter(|now| **now != value(conflict.app.as_deref())) {
        lines.push(format!("  {:<13} {}", "App now", shown(now)));
    }
    if conflict.state != ConflictState::Pending {
        let how = conflict.resolution.map_or("set aside", |resolution| resolution.as_str());
        let by = conflict.decided_by.as_deref().unwrap_or("-");
        lines.push(format!("  {:<13} {how} by {by}: {}", "decided", shown(&value(conflict.result.as_deref()))));
    }
    if let Some(by) = &conflict.undone_by {
        lines.push(format!("  {:<13} by {by}", "taken back"));
    }
    if let Some(preview) = &view.preview {
        lines.push(format!("  {:<13} {}", "--app", effect_text(&preview.keep_app)));
        lines.push(format!("  {:<13} {}", "--xero", effect_text(&preview.keep_xero)));
        lines.push(format!("next:  tieout conflicts resolve {id} --app, or --xero, or --set {field}=VALUE"));
        lines.push(format!("       only if it is still so: --seen {}", view.version));
    }
    lines.join("\n")
}

/// A value from the command line: JSON if it is some, text otherwise.
fn given(text: &str) -> Value {
    match serde_json::from_str(text) {
        // `12` may well be a reference; whoever means a number or a list gets it by its own type below.
        Ok(value @ (Value::Object(_) | Value::Array(_) | Value::Null | Value::String(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// `field=value`, for a conflict about that field.
fn merged(set: &str, conflict: &Conflict) -> Result<Choice, Failure> {
    let wrong = |message: String| Failure::new(Exit::Usage, message);
    let again = format!("tieout conflicts resolve {} --set {}=VALUE", conflict.id, conflict.field);
    let Some((field, text)) = set.split_once('=') else {
        return Err(wrong(format!("--set {set:?} names no field: write field=value")).next(again));
    };
    if field != conflict.field {
        let message = format!("conflict {} is about {}, not {field}", conflict.id, conflict.field);
        return Err(wrong(message).next(again));
    }
    // In the shape of what is there: a number or a truth stays one.
    let is_text = |value: &Value| value.is_string() || value.is_null();
    let (app, xero) = (value(conflict.app.as_deref()), value(conflict.xero.as_deref()));
    let raw = (!is_text(&app) || !is_text(&xero)).then(|| serde_json::from_str(text).ok()).flatten();
    Ok(Choice::Merge(raw.unwrap_or_else(|| given(text))))
}

/// A choice that is the same for every conflict; none for `--set`.
fn plain(ruling: &Ruling) -> Option<Choice> {
    match ruling {
        Ruling { app: true, .. } => Some(Choice::KeepApp),
        Ruling { xero: true, .. } => Some(Choice::KeepXero),
        Ruling { ignore: true, .. } => Some(Choice::Ignore),
        Ruling { link: Some(id), .. } => Some(Choice::Link(*id)),
        _ => None,
    }
}

async fn resolve(
    args: &Resolve,
    (is_sure, is_live_meant): (bool, bool),
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let desk = Desk::open(&args.which, Hold::Either, settings, output).await?;
    match (args.id, args.kind, args.record) {
        (Some(id), ..) => {
            let connection = owner(&desk, id).await?;
            let view = desk.engine().conflict(connection.id, id).await?;
            let choice = match plain(&args.ruling) {
                Some(choice) => choice,
                None => match args.ruling.set.as_slice() {
                    [set] => merged(set, &view.conflict)?,
                    _ => return Err(Failure::new(Exit::Usage, "one conflict is about one field: give --set once")),
                },
            };
            let version = args.seen.as_deref().unwrap_or(&view.version);
            let decided = desk.engine().resolve(connection.id, id, Some(version), choice, "cli").await;
            let decided = decided.map_err(|error| stale(error, connection, output))?;
            say_resolved(&[decided], connection, &desk, output).await
        }
        (None, Some(kind), Some(record)) => resolve_record(args, kind, record, &desk, output).await,
        _ => resolve_all(args, (is_sure, is_live_meant), &desk, output).await,
    }
}

/// A conflict that has moved is shown as it stands now.
fn stale(error: Error, connection: &Connection, output: &Output) -> Failure {
    if let Error::ConflictMoved(view) = &error {
        output.object(&view_json(view, connection), &view_text(view, connection));
    }
    let is_about_it = matches!(error, Error::Refused(_) | Error::Invalid(_));
    let failure = Failure::from(error);
    if is_about_it { failure.next("tieout conflicts") } else { failure }
}

async fn resolve_record(
    args: &Resolve,
    kind: Kind,
    record: i64,
    desk: &Desk,
    output: &Output,
) -> Result<Exit, Failure> {
    let connection = desk.one()?;
    let query = ConflictQuery {
        state: Some(ConflictState::Pending),
        kind: Some(kind),
        local_id: Some(record),
        ..ConflictQuery::default()
    };
    let views = desk.engine().conflicts(connection.id, &query).await?;
    if views.is_empty() {
        return Err(Failure::from(Error::NotFound(format!(
            "{kind} {record} has no conflict that waits for a decision"
        )))
        .next(format!("tieout records explain {kind} {record}")));
    }
    let mut choices = Vec::new();
    for view in &views {
        let version = Some(view.version.clone());
        let choice = match plain(&args.ruling) {
            Some(choice) => Some(choice),
            None => {
                let is_about =
                    |set: &&String| set.split_once('=').is_some_and(|(field, _)| field == view.conflict.field);
                args.ruling.set.iter().find(is_about).map(|set| merged(set, &view.conflict)).transpose()?
            }
        };
        choices.extend(choice.map(|choice| FieldChoice { conflict: view.conflict.id, version, choice }));
    }
    if plain(&args.ruling).is_none() && choices.len() != args.ruling.set.len() {
        let fields: Vec<&str> = views.iter().map(|view| view.conflict.field.as_str()).collect();
        let message = format!("--set must name fields with a conflict, once each: {}", fields.join(", "));
        return Err(Failure::new(Exit::Usage, message).next("tieout conflicts"));
    }
    let decided = desk.engine().resolve_record(connection.id, kind, record, &choices, "cli").await;
    let decided = decided.map_err(|error| stale(error, connection, output))?;
    say_resolved(&decided, connection, desk, output).await
}

async fn resolve_all(
    args: &Resolve,
    (is_sure, is_live_meant): (bool, bool),
    desk: &Desk,
    output: &Output,
) -> Result<Exit, Failure> {
    let engine = desk.engine();
    confirm::live(&desk.connections, engine.is_emulated(), is_live_meant)?;
    let Some(choice) = plain(&args.ruling) else {
        return Err(Failure::new(Exit::Usage, "many conflicts cannot get one value: use --app, --xero or --ignore"));
    };
    let query = ConflictQuery {
        state: Some(ConflictState::Pending),
        kind: args.kind,
        limit: 10_000,
        ..ConflictQuery::default()
    };
    let mut found = 0;
    for connection in &desk.connections {
        found += engine.conflicts(connection.id, &query).await?.len();
    }
    let count = i64::try_from(found).unwrap_or(i64::MAX);
    if count > 0 {
        let how = match &choice {
            Choice::KeepApp => "The App's values go to Xero",
            Choice::KeepXero => "Xero's values go to the App",
            _ => "Both sides stay as they are",
        };
        confirm::yes(output, is_sure, &format!("{how}, for {}. Go on?", words::counted(count, "conflict")))?;
    }
    let mut total = BulkOutcome::default();
    for connection in &desk.connections {
        let bulk = engine.resolve_many(connection.id, &query, &choice, "cli").await?;
        total.done += bulk.done;
        total.stale += bulk.stale;
        total.refused.extend(bulk.refused);
        if bulk.done > 0 {
            desk.send(connection, output).await?;
        }
    }
    let refused: Vec<Value> = total
        .refused
        .iter()
        .map(|one| json!({"conflict": one.conflict, "code": one.code, "message": one.message}))
        .collect();
    let value = json!({"decided": total.done, "moved": total.stale, "refused": refused, "choice": choice.as_str()});
    let mut human = format!("{} of {found} conflicts decided: {}", total.done, choice.as_str());
    for one in &total.refused {
        human.push_str(&format!("\n  conflict {}: {} [{}]", one.conflict, one.message, one.code));
    }
    output.object(&value, &human);
    if total.stale > 0 {
        output.note(&format!("{} had changed meanwhile and wait\nnext:  tieout conflicts", total.stale));
        return Ok(Exit::Conflicts);
    }
    if !total.refused.is_empty() {
        output.note("some could not be decided so\nnext:  tieout conflicts");
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

async fn undo(id: i64, which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Either, settings, output).await?;
    let connection = owner(&desk, id).await?;
    let undone = desk.engine().undo(connection.id, id, "cli").await;
    let undone = undone.map_err(|error| Failure::from(error).next(format!("tieout conflicts show {id}")))?;
    say_resolved(&[undone], connection, &desk, output).await
}

/// What was decided and written; Xero is told at once if nobody else does it.
async fn say_resolved(
    decided: &[Resolved],
    connection: &Connection,
    desk: &Desk,
    output: &Output,
) -> Result<Exit, Failure> {
    let is_to_send = decided.iter().any(|one| one.to_send);
    let sent = if is_to_send { desk.send(connection, output).await? } else { None };
    let refused: i64 = sent.iter().flat_map(|sent| &sent.kinds).map(|(_, counts)| counts.refused).sum();
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for Resolved { view, wrote_app, to_send } in decided {
        let conflict = &view.conflict;
        let is_sent = *to_send && sent.is_some() && refused == 0;
        let mut value = view_json(view, connection);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("wroteApp".into(), (*wrote_app).into());
            fields.insert("toSend".into(), (*to_send).into());
            fields.insert("sent".into(), is_sent.into());
        }
        values.push(value);
        let how = match (&conflict.undone_by, conflict.resolution) {
            (Some(_), _) => "taken back",
            (None, Some(resolution)) => resolution.as_str(),
            (None, None) => "set aside",
        };
        let to_xero = match (*to_send, is_sent) {
            (true, true) => "sent to Xero",
            (true, false) => "to be sent to Xero",
            (false, _) => "nothing to send to Xero",
        };
        let to_app = if *wrote_app { "written to the App" } else { "the App stays as it is" };
        lines.push(format!(
            "conflict {} ({} of {} {}): {how}; {to_app}, {to_xero}",
            conflict.id, conflict.field, conflict.kind, conflict.local_id
        ));
    }
    match values.as_slice() {
        [one] => output.object(one, &lines.join("\n")),
        _ => output.object(&Value::Array(values), &lines.join("\n")),
    }
    if refused > 0 {
        output.note("Xero, or the accounting rules, refused a change\nnext:  tieout failures");
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_unless_they_are_plainly_json() {
        assert_eq!(given("a@b.test"), json!("a@b.test"));
        assert_eq!(given("007"), json!("007"));
        assert_eq!(given("12"), json!("12"));
        assert_eq!(given("null"), Value::Null);
        assert_eq!(given("{\"number\": \"021\"}"), json!({"number": "021"}));
    }

    #[test]
    fn long_values_are_shortened_between_letters() {
        assert_eq!(shortened(&json!("short")), "short");
        assert_eq!(shortened(&json!("ü".repeat(50))), format!("{}…", "ü".repeat(40)));
        assert_eq!(shortened(&Value::Null), "-");
    }
}
