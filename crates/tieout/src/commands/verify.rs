//! `tieout verify`: both sides compared record by record, Xero read afresh; each record and field that differs is named.

use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Connection, Store};
use sync::{KindTally, SideSum, Verification, VerifyState};

use crate::args::{Verify, VerifyCommand, VerifyLs};
use crate::compose::{self, EMULATED, Hold};
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{shutdown, words};

/// Lines of each sort that a person gets; programs get all that is kept.
const SHOWN: usize = 50;

const KINDS: &[Column] = &[
    Column::text("kind", "KIND"),
    Column::figure("app", "APP"),
    Column::figure("xero", "XERO"),
    Column::figure("same", "SAME"),
    Column::figure("different", "DIFFERENT"),
    Column::figure("explained", "EXPLAINED"),
];

/// One line a field, for spreadsheets.
const FIELDS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::text("kind", "KIND"),
    Column::figure("localId", "LOCAL"),
    Column::text("xeroId", "XERO ID"),
    Column::text("label", "RECORD"),
    Column::text("field", "FIELD"),
    Column::text("app", "APP"),
    Column::text("xero", "XERO"),
    Column::text("reason", "REASON"),
    Column::text("explained", "EXPLAINED"),
    Column::text("note", "WHY"),
];

const HISTORY: &[Column] = &[
    Column::figure("id", "VERIFICATION"),
    Column::figure("connection", "CONNECTION"),
    Column::text("scope", "SCOPE"),
    Column::text("kind", "KIND"),
    Column::text("state", "STATE"),
    Column::text("startedAt", "STARTED"),
    Column::figure("records", "RECORDS"),
    Column::figure("different", "DIFFERENT"),
    Column::figure("explained", "EXPLAINED"),
    Column::figure("difference", "DIFFERENCE"),
    Column::figure("calls", "CALLS"),
    Column::text("triggeredBy", "BY"),
    Column::text("error", "ERROR"),
];

pub(super) async fn run(args: &Verify, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    match &args.command {
        Some(VerifyCommand::Ls(ls)) => list(ls, &compose::open(settings).await?, output).await,
        Some(VerifyCommand::Show { id }) => show(*id, settings, output).await,
        None => compare(args, settings, output).await,
    }
}

async fn compare(args: &Verify, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let parts = compose::parts(settings)?;
    let store = compose::open(settings).await?;
    let connections = compose::connections(&store, &args.which).await?;
    // Nothing is written but the verification itself, so that it may run beside a server.
    let running = compose::start(parts, Hold::Either, store).await?;
    let engine = &running.engine;
    if output.is_for_people() && engine.is_emulated() {
        output.note(EMULATED);
    }
    let work = async {
        let mut all = Vec::new();
        for connection in connections {
            let found = match args.mend {
                true => engine.mend(connection.id, args.kind, "cli", &|_| {}).await?,
                false => engine.verify(connection.id, args.kind, "cli", &|_| {}).await?,
            };
            all.push((connection, found));
        }
        Ok(all)
    };
    let all = shutdown::unless_asked(work, "tieout verify").await?;
    say(&all, output);
    conclude(&all, args.mend)
}

/// What a verification found earlier.
async fn show(id: i64, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let store = compose::open(settings).await?;
    let running = compose::start(compose::parts(settings)?, Hold::Shared, store).await?;
    let mut tx = running.engine.store().read().await?;
    let connections = tx.connections().await?;
    tx.commit().await?;
    for connection in connections {
        match running.engine.verification(connection.id, id).await {
            Ok(found) => {
                say(&[(connection, found)], output);
                return Ok(Exit::Done);
            }
            Err(sync::Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(Exit::Failed, format!("there is no verification {id}")).next("tieout verify ls"))
}

async fn list(args: &VerifyLs, store: &Store, output: &Output) -> Result<Exit, Failure> {
    let now = compose::clock().now();
    let connections = compose::connections(store, &args.which).await?;
    let mut rows = Rows::new(HISTORY, "nothing was verified yet: tieout verify");
    let mut tx = store.read().await?;
    for connection in connections {
        for stored in tx.verifications(connection.id, None, None, args.limit).await? {
            rows.push(line(&Verification::from(stored), now));
        }
    }
    tx.commit().await?;
    output.rows(&rows);
    Ok(Exit::Done)
}

fn line(found: &Verification, now: Timestamp) -> Vec<Cell> {
    let count = |number: i64| Cell::new(number, words::count(number));
    vec![
        found.id.into(),
        found.connection.0.into(),
        found.scope.as_str().into(),
        found.kind.map(model::Kind::as_str).into(),
        found.state.as_str().into(),
        words::when(Some(found.started_at), now),
        count(found.records()),
        count(found.counts.different),
        count(found.counts.explained),
        found.counts.difference.to_string().into(),
        count(found.counts.calls),
        found.triggered_by.as_str().into(),
        found.error.as_ref().map(|(_, message)| message.as_str()).into(),
    ]
}

fn say(all: &[(Connection, Verification)], output: &Output) {
    if output.is_for_people() {
        for (connection, found) in all {
            output.rows(&kinds(found));
            output.line(&lines(connection, found).join("\n"));
        }
        return;
    }
    let values: Vec<Value> = all.iter().map(|(connection, found)| as_json(connection, found)).collect();
    let mut rows = Rows::new(FIELDS, "");
    for (connection, found) in all {
        for one in &found.differences {
            rows.push(vec![
                connection.tenant_name.as_str().into(),
                one.kind.as_str().into(),
                one.local_id.into(),
                one.xero_id.map(|id| id.to_string()).into(),
                one.label.as_str().into(),
                one.field.as_str().into(),
                Cell::new(one.app.clone(), ""),
                Cell::new(one.xero.clone(), ""),
                one.reason.as_str().into(),
                one.reason.is_explained().into(),
                one.note.as_str().into(),
            ]);
        }
    }
    output.report(&values, &rows);
}

fn kinds(found: &Verification) -> Rows {
    let mut rows = Rows::new(KINDS, "nothing was compared");
    for KindTally { kind, app, xero, same, different, explained, .. } in &found.kinds {
        let count = |number: &i64| Cell::new(*number, words::count(*number));
        rows.push(vec![
            Cell::new(kind.as_str(), kind.plural()),
            count(app),
            count(xero),
            count(same),
            count(different),
            count(explained),
        ]);
    }
    rows
}

/// What differs, what is explained, and the verdict.
fn lines(connection: &Connection, found: &Verification) -> Vec<String> {
    let mut said = vec![String::new()];
    for is_explained in [false, true] {
        let of: Vec<_> = found.differences.iter().filter(|one| one.reason.is_explained() == is_explained).collect();
        // The reason first: what is under way reads as that, not as a fault.
        said.extend(of.iter().take(SHOWN).map(|one| format!("  {}: {}", one.note, one.sentence())));
        let rest = i64::try_from(of.len().saturating_sub(SHOWN)).unwrap_or(i64::MAX);
        if rest > 0 {
            said.push(format!(
                "  … and {} more: tieout verify show {} -o csv",
                words::counted(rest, "field"),
                found.id
            ));
        }
    }
    if said.len() > 1 {
        said.push(String::new());
    }
    said.push(format!("{}: {}", connection.tenant_name, verdict(connection, found)));
    said
}

/// One sentence.
fn verdict(connection: &Connection, found: &Verification) -> String {
    let (counts, records) = (&found.counts, words::counted(found.records(), "record"));
    if found.state != VerifyState::Completed {
        let why = found.error.as_ref().map_or("it is under way", |(_, message)| message.as_str());
        return format!("not compared to the end: {why}");
    }
    let currency = connection.facts.base_currency.as_deref().unwrap_or_default();
    let difference = format!("difference {} {currency}", counts.difference);
    let waits = match counts.explained {
        0 => String::new(),
        1 => ", 1 more differs for a known reason".to_owned(),
        more => format!(", {} more differ for a known reason", words::count(more)),
    };
    match counts.different {
        0 if counts.explained == 0 => format!("both sides agree: {records}, {}", difference.trim_end()),
        0 => {
            let same = words::counted(counts.same, "record");
            format!("both sides agree: {same}{}, {}", waits.replace(" more", ""), difference.trim_end())
        }
        1 => format!("1 record differs of {}{waits}, {}", words::count(found.records()), difference.trim_end()),
        many => {
            let (many, all) = (words::count(many), words::count(found.records()));
            format!("{many} records differ of {all}{waits}, {}", difference.trim_end())
        }
    }
}

fn conclude(all: &[(Connection, Verification)], is_mended: bool) -> Result<Exit, Failure> {
    let different: i64 = all.iter().map(|(_, found)| found.counts.different).sum();
    if different == 0 {
        return Ok(Exit::Done);
    }
    let message = match different {
        1 => "1 record differs".to_owned(),
        many => format!("{} records differ", words::count(many)),
    };
    let first = all.iter().flat_map(|(_, found)| &found.differences).find(|one| !one.reason.is_explained());
    let failure = Failure::new(Exit::Difference, message);
    Err(match first.and_then(|one| Some((one.kind, one.local_id?))) {
        _ if !is_mended => failure.next("tieout verify --mend"),
        Some((kind, id)) if kind.is_two_way() => failure.next(format!("tieout records explain {} {id}", kind.as_str())),
        _ => failure,
    })
}

fn as_json(connection: &Connection, found: &Verification) -> Value {
    let side =
        |sum: &SideSum| json!({"count": sum.count, "total": sum.total.to_string(), "open": sum.open.to_string()});
    let kinds = found.kinds.iter().map(|of| {
        json!({
            "kind": of.kind.as_str(), "app": of.app, "xero": of.xero, "same": of.same, "different": of.different,
            "explained": of.explained, "appHash": of.app_hash, "xeroHash": of.xero_hash,
        })
    });
    let money = found.money.iter().map(|of| {
        json!({
            "kind": of.kind.as_str(), "type": of.r#type, "status": of.status, "currency": of.currency,
            "app": side(&of.app), "xero": side(&of.xero), "difference": of.difference.to_string(),
        })
    });
    let reasons = found.reasons.iter().map(
        |(reason, records)| json!({"reason": reason.as_str(), "explained": reason.is_explained(), "records": records}),
    );
    let differences = found.differences.iter().map(|one| {
        json!({
            "kind": one.kind.as_str(), "localId": one.local_id, "xeroId": one.xero_id.map(|id| id.to_string()),
            "label": one.label, "field": one.field, "app": one.app, "xero": one.xero, "reason": one.reason.as_str(),
            "explained": one.reason.is_explained(), "note": one.note, "text": one.sentence(),
        })
    });
    json!({
        "id": found.id,
        "connection": found.connection.0,
        "organisation": connection.tenant_name,
        "scope": found.scope.as_str(),
        "kind": found.kind.map(model::Kind::as_str),
        "state": found.state.as_str(),
        "agrees": found.agrees(),
        "records": found.records(),
        "same": found.counts.same,
        "different": found.counts.different,
        "explained": found.counts.explained,
        "difference": found.counts.difference.to_string(),
        "calls": found.counts.calls,
        "startedAt": found.started_at.to_string(),
        "endedAt": found.ended_at.map(|at| at.to_string()),
        "triggeredBy": found.triggered_by,
        "kinds": kinds.collect::<Vec<_>>(),
        "money": money.collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
        "differences": differences.collect::<Vec<_>>(),
        "unlisted": found.unlisted,
        "error": found.error.as_ref().map(|(code, message)| json!({"code": code, "message": message})),
    })
}
