//! `tieout records explain`: why a record is in sync, or is not; what happened to it, and what happens next.

use serde_json::{Value, json};
use sync::{Error, Explanation};

use super::conflicts::shown;
use super::desk::Desk;
use crate::args::{RecordId, Records};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::settings::Settings;

/// Lines of a record's history that are shown; programs get more.
const SHOWN: usize = 12;
const MOST: usize = 200;

pub(super) async fn run(args: &Records, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let Records::Explain(record) = args;
    let desk = Desk::open(&record.which, Hold::Shared, settings, output).await?;
    let mut found = None;
    for connection in &desk.connections {
        let local_id = match record.id {
            RecordId::Local(id) => Some(id),
            RecordId::Xero(id) => {
                let mut tx = desk.engine().store().read().await?;
                tx.links(connection.id, record.kind, &[id]).await?.get(&id).map(|link| link.local_id)
            }
        };
        let Some(local_id) = local_id else { continue };
        match desk.engine().explain(connection.id, record.kind, local_id, MOST).await {
            Ok(explained) => {
                found = Some((connection, explained));
                break;
            }
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some((connection, explained)) = found else {
        let is_unlinked = matches!(record.id, RecordId::Xero(_));
        let message = match is_unlinked {
            true => format!("no record of the App is linked with Xero's {}", record.shown()),
            false => format!("there is no {}", record.shown()),
        };
        let next = if is_unlinked { format!("tieout sync entity {}", record.shown()) } else { "tieout status".into() };
        return Err(Failure::from(Error::NotFound(message)).next(next));
    };
    output.object(&as_json(&explained, connection), &as_text(&explained));
    Ok(Exit::Done)
}

fn as_json(explained: &Explanation, connection: &store::Connection) -> Value {
    let instant = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    let reasons = explained.reasons.iter().map(|reason| {
        json!({
            "text": reason.text, "code": reason.code, "fix": reason.fix, "since": instant(reason.since),
            "conflict": reason.conflict, "failure": reason.failure,
        })
    });
    let fields = explained.fields.iter().map(|field| {
        json!({
            "field": field.field, "base": field.base, "app": field.app, "xero": field.xero, "conflict": field.conflict,
        })
    });
    let timeline = explained
        .timeline
        .iter()
        .map(|one| json!({"at": one.at.to_string(), "what": one.what, "by": one.by, "text": one.text, "run": one.run}));
    json!({
        "kind": explained.kind.as_str(), "localId": explained.local_id,
        "xeroId": explained.xero_id.map(|id| id.to_string()), "label": explained.label,
        "organisation": connection.tenant_name, "connection": connection.id.0, "state": explained.state.as_str(),
        "reasons": reasons.collect::<Vec<_>>(), "appChangedAt": instant(explained.app_changed_at),
        "xeroChangedAt": instant(explained.xero_changed_at), "fields": fields.collect::<Vec<_>>(),
        "agreed": explained.agreed, "timeline": timeline.collect::<Vec<_>>(),
    })
}

fn as_text(explained: &Explanation) -> String {
    let in_xero = explained.xero_id.map_or_else(|| "not linked with Xero".into(), |id| format!("in Xero {id}"));
    let mut lines = vec![format!(
        "{} {} {}: {}  ({in_xero})",
        explained.kind,
        explained.local_id,
        explained.label,
        explained.state.as_str().to_ascii_lowercase().replace('_', " ")
    )];
    for reason in &explained.reasons {
        let code = reason.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
        lines.push(format!("  {}{code}", reason.text));
        lines.extend(reason.fix.as_ref().map(|fix| format!("    {fix}")));
    }
    for field in &explained.fields {
        lines.push(format!("  {:<16} App {}   Xero {}", field.field, shown(&field.app), shown(&field.xero)));
    }
    if !explained.timeline.is_empty() {
        lines.push("what happened, newest first".into());
    }
    for one in explained.timeline.iter().take(SHOWN) {
        let by = one.by.as_ref().map(|by| format!("  ({by})")).unwrap_or_default();
        lines.push(format!("  {}  {}{by}", one.at.strftime("%Y-%m-%d %H:%M:%S"), one.text));
    }
    lines.extend(next(explained));
    lines.join("\n")
}

/// The command that takes a record further.
fn next(explained: &Explanation) -> Option<String> {
    let conflict = explained.reasons.iter().find_map(|reason| reason.conflict);
    let failure = explained.reasons.iter().find_map(|reason| reason.failure);
    let entity = || format!("tieout sync entity {} {}", explained.kind, explained.local_id);
    let command = match (explained.state, conflict, failure) {
        (sync::SyncState::InSync | sync::SyncState::OneSided, ..) => return None,
        (_, Some(conflict), _) => format!("tieout conflicts show {conflict}"),
        (_, _, Some(failure)) => format!("tieout failures show {failure}"),
        (sync::SyncState::NeedsYou, ..) => "tieout candidates".into(),
        _ => entity(),
    };
    Some(format!("next:  {command}"))
}
