//! `tieout sync --dry-run` and `tieout sync apply`: what a sync would do, shown before it is done, and then just that.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::{Connection, Mode};
use sync::{Applied, Plan, PlanAction, PlanItem, PlanSide};

use super::attention::{Attention, worse};
use super::desk::Desk;
use super::push::{PUSH_COLUMNS, push_cells};
use super::sync::{say_end, say_kinds};
use crate::args::{Apply, Which};
use crate::compose::Hold;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{confirm, shutdown, words};

/// Lines of a plan that a terminal shows; programs get all of them.
const MOST_SHOWN: usize = 200;

const COLUMNS: &[Column] = &[
    Column::hidden("plan"),
    Column::hidden("connection"),
    Column::text("side", "WRITES"),
    Column::text("action", "ACTION"),
    Column::text("kind", "KIND"),
    Column::text("label", "RECORD"),
    Column::hidden("localId"),
    Column::hidden("xeroId"),
    Column::text("fields", "FIELDS"),
    Column::hidden("code"),
    Column::text("message", "WHY"),
];

/// The side as people call it.
const fn side(of: PlanSide) -> &'static str {
    match of {
        PlanSide::App => "App",
        PlanSide::Xero => "Xero",
    }
}

pub(super) async fn show(mode: Mode, which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let desk = Desk::open(which, Hold::Exclusive, settings, output).await?;
    let work = async {
        let mut plans = Vec::new();
        for connection in &desk.connections {
            plans.push((connection, desk.engine().plan(connection.id, mode, "cli").await?));
        }
        Ok(plans)
    };
    let plans = shutdown::unless_asked(work, "tieout sync --dry-run").await?;
    let is_emulated = desk.engine().is_emulated();
    let values: Vec<Value> = plans.iter().map(|(connection, plan)| plan_json(plan, connection, is_emulated)).collect();
    if !output.is_for_people() {
        let mut rows = Rows::new(COLUMNS, "");
        for (connection, plan) in &plans {
            plan.items.iter().for_each(|item| rows.push(row(plan.id, connection, item)));
        }
        output.report(&values, &rows);
        return Ok(Exit::Done);
    }
    for (connection, plan) in &plans {
        say(connection, plan, output);
    }
    Ok(Exit::Done)
}

fn say(connection: &Connection, plan: &Plan, output: &Output) {
    let name = &connection.tenant_name;
    output.line(&format!("Plan {} for {name} (nothing written)   {}", plan.id, totals(&plan.items)));
    let mut rows = Rows::new(COLUMNS, "  both sides agree: nothing to do");
    plan.items.iter().take(MOST_SHOWN).for_each(|item| rows.push(row(plan.id, connection, item)));
    output.rows(&rows);
    if let Some(more) = plan.items.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        output.line(&format!("and {more} more: tieout sync --dry-run -o csv shows all"));
    }
    output.line(&format!("Calls to Xero: about {}", words::count(plan.calls)));
    for brake in &plan.brakes {
        output.line(&format!("A sync would stop and ask: {brake}"));
    }
    if plan.items.iter().any(is_done) {
        let only = format!("tieout sync apply {}", plan.id);
        output
            .line(&format!("Do just this: {only}   Or sync as it is then: tieout sync --connection {}", connection.id));
    }
}

/// Whether a line says that something is written, rather than left alone.
fn is_done(item: &PlanItem) -> bool {
    matches!(item.action, PlanAction::Create | PlanAction::Update | PlanAction::Remove | PlanAction::Link)
}

/// How many of each: `Xero: 2 create, 1 update; App: 3 update; 1 conflict`.
fn totals(items: &[PlanItem]) -> String {
    let mut counts: BTreeMap<(Option<PlanSide>, PlanAction), i64> = BTreeMap::new();
    for item in items {
        *counts.entry((is_done(item).then_some(item.side), item.action)).or_default() += 1;
    }
    let of = |wanted: Option<PlanSide>| {
        let own = counts.iter().filter(|((side, _), _)| *side == wanted);
        own.map(|((_, action), count)| format!("{} {}", words::count(*count), action.as_str().to_ascii_lowercase()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let parts = [
        ("to Xero: ", of(Some(PlanSide::Xero))),
        ("to the App: ", of(Some(PlanSide::App))),
        ("left alone: ", of(None)),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(_, said)| !said.is_empty()).map(|(head, said)| format!("{head}{said}")).collect();
    if parts.is_empty() { "nothing to do".into() } else { parts.join("; ") }
}

fn row(plan: i64, connection: &Connection, item: &PlanItem) -> Vec<Cell> {
    let fields = Cell::new(item.fields.clone(), item.fields.join(", "));
    vec![
        plan.into(),
        connection.id.0.into(),
        side(item.side).into(),
        item.action.as_str().to_ascii_lowercase().into(),
        item.kind.as_str().into(),
        item.label.as_str().into(),
        item.local_id.into(),
        item.xero_id.map(|id| id.to_string()).into(),
        fields,
        item.code.as_deref().into(),
        Cell::from(item.message.as_deref().map(|message| match &item.code {
            Some(code) => Cell::new(message, format!("{message} [{code}]")),
            None => message.into(),
        })),
    ]
}

fn plan_json(plan: &Plan, connection: &Connection, is_emulated: bool) -> Value {
    let mut totals: BTreeMap<String, i64> = BTreeMap::new();
    for item in &plan.items {
        let key = match is_done(item) {
            true => format!("{}:{}", side(item.side), item.action.as_str()),
            false => item.action.as_str().to_owned(),
        };
        *totals.entry(key).or_default() += 1;
    }
    json!({
        "plan": plan.id, "organisation": connection.tenant_name, "connection": connection.id.0,
        "mode": plan.mode.as_str(), "madeAt": plan.made_at.to_string(), "calls": plan.calls, "brakes": plan.brakes,
        "totals": totals, "items": items_json(&plan.items), "emulated": is_emulated,
    })
}

fn items_json<'a>(items: impl IntoIterator<Item = &'a PlanItem>) -> Value {
    items.into_iter().map(|item| serde_json::to_value(item).unwrap_or(Value::Null)).collect()
}

pub(super) async fn apply(
    args: &Apply,
    (is_sure, is_live_meant): (bool, bool),
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let desk = Desk::open(&args.which, Hold::Exclusive, settings, output).await?;
    let engine = desk.engine();
    let number = args.plan;
    let connection = desk
        .owner_of(&format!("plan {number}"), async |tx, connection| Ok(tx.plan(connection.id, number).await?.is_some()))
        .await
        .map_err(|failure| failure.next("tieout sync --dry-run"))?;
    confirm::live([connection], engine.is_emulated(), is_live_meant)?;
    let plan = engine.stored_plan(connection.id, number).await?;
    let is_removal = |item: &&PlanItem| item.action == PlanAction::Remove && item.side == PlanSide::Xero;
    let removals = i64::try_from(plan.items.iter().filter(is_removal).count()).unwrap_or(i64::MAX);
    if removals > 0 {
        let what = words::counted(removals, "record");
        confirm::yes(output, is_sure, &format!("This voids, deletes or archives {what} in Xero. Go on?"))?;
    }
    let work = async { Ok(engine.apply(connection.id, number, "cli").await?) };
    let again = "tieout sync --dry-run";
    let applied = shutdown::unless_asked(work, again).await.map_err(|failure| match failure.exit {
        Exit::Usage => failure.next(again),
        _ => failure,
    })?;
    let mut tx = engine.store().read().await?;
    let attention = Attention::of(&mut tx, connection, engine.now()).await?;
    drop(tx);
    say_applied(number, connection, &applied, engine.is_emulated(), output);
    attention.lines(&connection.tenant_name).iter().for_each(|line| output.note(line));
    let refused: i64 = applied.outcome.kinds.iter().map(|(_, counts)| counts.refused).sum();
    let mut exit = attention.exit();
    if refused > 0 {
        exit = worse(exit, Exit::Partial);
    }
    if applied.moved.is_empty() {
        say_end(exit, output);
        return Ok(exit);
    }
    output.note("some records have moved since the plan was made, and were left alone\nnext:  tieout sync --dry-run");
    Ok(worse(exit, Exit::Partial))
}

fn say_applied(plan: i64, connection: &Connection, applied: &Applied, is_emulated: bool, output: &Output) {
    let mut columns =
        vec![Column::figure("plan", "PLAN"), Column::figure("done", "DONE"), Column::figure("moved", "MOVED")];
    columns.push(Column::hidden("movedItems"));
    columns.extend_from_slice(PUSH_COLUMNS);
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut rows = Rows::new(&columns, "");
    let mut cells: Vec<Cell> = vec![plan.into(), count(applied.done).into(), count(applied.moved.len()).into()];
    cells.push(Cell::new(items_json(&applied.moved), ""));
    cells.extend(push_cells(connection, &applied.outcome, is_emulated));
    rows.push(cells);
    output.rows(&rows);
    say_kinds(&connection.tenant_name, &applied.outcome.kinds, false, output);
    if output.is_for_people() && !applied.moved.is_empty() {
        let mut rows = Rows::new(COLUMNS, "");
        applied.moved.iter().for_each(|item| rows.push(row(plan, connection, item)));
        output.line("\nMoved, and left alone:");
        output.rows(&rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(side: PlanSide, action: PlanAction) -> PlanItem {
        PlanItem {
            kind: model::Kind::Customer,
            local_id: Some(1),
            xero_id: None,
            side,
            action,
            label: "Acme".into(),
            fields: vec!["email".into()],
            code: None,
            message: None,
            app_version: None,
            xero_version: None,
        }
    }

    #[test]
    fn totals_say_what_each_side_gets_and_what_is_left_alone() {
        assert_eq!(totals(&[]), "nothing to do");
        let items = [
            item(PlanSide::Xero, PlanAction::Create),
            item(PlanSide::Xero, PlanAction::Create),
            item(PlanSide::App, PlanAction::Update),
            item(PlanSide::Xero, PlanAction::Refused),
        ];
        assert_eq!(totals(&items), "to Xero: 2 create; to the App: 1 update; left alone: 1 refused");
    }
}
