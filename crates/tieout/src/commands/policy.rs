//! `tieout conflicts policy`: who wins where both sides changed one field, without anybody being asked.

use serde_json::json;
use sync::PolicySetting;

use super::desk::Desk;
use crate::args::{PolicyCommand, PolicyList, RuleName, Which};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::words;

const COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::text("kind", "KIND"),
    Column::text("field", "FIELD"),
    Column::text("policy", "WINS"),
    Column::text("changedBy", "SET BY"),
    Column::text("changedAt", "WHEN"),
    Column::hidden("connection"),
];

pub(super) async fn run(args: &PolicyList, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    match &args.command {
        None => list(&args.which, settings, output).await,
        Some(PolicyCommand::Set { rule, kind, field, which }) => {
            let rule = match rule {
                RuleName::LastWrite => PolicySetting::LastWrite,
                RuleName::App => PolicySetting::App,
                RuleName::Xero => PolicySetting::Xero,
                RuleName::Ask => PolicySetting::Ask,
            };
            set(Some(rule), *kind, field.as_deref(), which, settings, output).await
        }
        Some(PolicyCommand::Clear { kind, field, which }) => {
            set(None, *kind, field.as_deref(), which, settings, output).await
        }
    }
}

/// A rule in words.
fn wins(rule: PolicySetting) -> &'static str {
    match rule {
        PolicySetting::LastWrite => "the later write",
        PolicySetting::App => "the App",
        PolicySetting::Xero => "Xero",
        PolicySetting::Ask => "nobody: ask",
    }
}

async fn list(which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let now = desk.engine().now();
    let mut rows = Rows::new(COLUMNS, "no rule is set: the later write wins everywhere");
    for connection in &desk.connections {
        for rule in desk.engine().policies(connection.id).await? {
            let kind = rule.kind.map(|kind| Cell::from(kind.as_str()));
            rows.push(vec![
                connection.tenant_name.as_str().into(),
                kind.unwrap_or_else(|| Cell::new(serde_json::Value::Null, "all")),
                rule.field.map_or_else(|| Cell::new(serde_json::Value::Null, "all"), Cell::from),
                Cell::new(rule.rule.as_str(), wins(rule.rule)),
                rule.changed_by.into(),
                words::when(Some(rule.changed_at), now),
                connection.id.0.into(),
            ]);
        }
    }
    output.rows(&rows);
    Ok(Exit::Done)
}

async fn set(
    rule: Option<PolicySetting>,
    kind: Option<model::Kind>,
    field: Option<&str>,
    which: &Which,
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Shared, settings, output).await?;
    let connection = desk.one()?;
    let set = desk.engine().set_policy(connection.id, kind, field, rule, "cli").await;
    set.map_err(|error| Failure::from(error).next("tieout conflicts policy"))?;
    let value = json!({
        "connection": connection.id.0, "kind": kind.map(|kind| kind.as_str()), "field": field,
        "policy": rule.map(PolicySetting::as_str),
    });
    let scope = match (kind, field) {
        (None, None) => "everything".to_owned(),
        (Some(kind), None) => kind.plural().to_owned(),
        (None, Some(field)) => format!("{field} of every kind"),
        (Some(kind), Some(field)) => format!("{field} of {}", kind.plural()),
    };
    let human = match rule {
        Some(rule) => format!("{scope}: {} wins from now on", wins(rule)),
        None => format!("{scope}: no rule of its own any more"),
    };
    let human = human.replace("nobody: ask wins", "nobody wins, a person is asked,");
    output.object(&value, &human);
    Ok(Exit::Done)
}
