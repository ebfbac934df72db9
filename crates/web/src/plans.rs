//! Plans: what a sync would do, shown before it is done, and done as it was shown.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Mode;
use sync::PlanSide;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{CanRead, CanWrite};
use crate::connections::{find, holder_of};
use crate::input::{Id, OptionalBody};
use crate::problem::Problem;
use crate::pushes::Pushed;
use crate::state::App;

/// What to plan.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlanWanted {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    /// `INCREMENTAL`, which is the default, or `FULL`.
    #[schema(value_type = Option<String>, example = "INCREMENTAL")]
    mode: Option<PlanMode>,
}

/// How much a plan reads.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum PlanMode {
    Full,
    Incremental,
}

/// What a sync would do. Nothing of it is done yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    id: i64,
    connection_id: i64,
    /// `FULL` or `INCREMENTAL`.
    #[schema(example = "INCREMENTAL")]
    mode: &'static str,
    made_at: Timestamp,
    /// Calls to Xero that doing it would take, the reading included.
    calls: i64,
    /// What would stop it without a plan: more than anybody would want without being asked. Applying it is the answer.
    brakes: Vec<String>,
    /// What would be done, in order.
    items: Vec<PlanItem>,
}

/// One line of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanItem {
    #[schema(example = "invoice")]
    kind: &'static str,
    /// The App's record; null for one that is only in Xero.
    local_id: Option<i64>,
    /// Xero's record; null for one that is only in the App.
    xero_id: Option<Uuid>,
    /// Which side is written: `APP` or `XERO`.
    #[schema(example = "XERO")]
    side: &'static str,
    /// `CREATE`, `UPDATE`, `REMOVE`, `LINK`, `CONFLICT`, `REFUSED` or `WAITING`.
    #[schema(example = "UPDATE")]
    action: &'static str,
    /// Name or number of the record.
    label: String,
    /// Fields, or groups of fields, that change.
    fields: Vec<String>,
    /// Why it is refused, or waits.
    code: Option<String>,
    message: Option<String>,
    /// The App's state that this was decided on.
    app_version: Option<String>,
    /// Xero's state that this was decided on.
    xero_version: Option<String>,
}

/// What came of applying a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanApplied {
    plan_id: i64,
    /// Lines that were done.
    done: usize,
    /// Lines whose record has changed since; nothing was done with them.
    moved: Vec<PlanItem>,
    pushed: Pushed,
}

impl From<sync::PlanItem> for PlanItem {
    fn from(item: sync::PlanItem) -> Self {
        Self {
            kind: item.kind.as_str(),
            local_id: item.local_id,
            xero_id: item.xero_id,
            side: match item.side {
                PlanSide::App => "APP",
                PlanSide::Xero => "XERO",
            },
            action: item.action.as_str(),
            label: item.label,
            fields: item.fields,
            code: item.code,
            message: item.message,
            app_version: item.app_version,
            xero_version: item.xero_version,
        }
    }
}

impl Plan {
    fn new(connection_id: i64, plan: sync::Plan) -> Self {
        Self {
            id: plan.id,
            connection_id,
            mode: plan.mode.as_str(),
            made_at: plan.made_at,
            calls: plan.calls,
            brakes: plan.brakes,
            items: plan.items.into_iter().map(PlanItem::from).collect(),
        }
    }
}

/// Shows what a sync would do. Xero is only read, and nothing is written but the plan itself.
#[utoipa::path(post, path = "/api/v1/integrations/xero/sync/plan", tag = "sync", request_body = Option<PlanWanted>,
    responses((status = 201, description = "The plan; Location is where it is kept", body = Plan)))]
pub(crate) async fn make_plan(
    caller: CanWrite,
    State(app): State<App>,
    wanted: OptionalBody<PlanWanted>,
) -> Result<Response, Problem> {
    let PlanWanted { connection_id, mode } = wanted.0;
    let connection = find(&app, caller.reach, connection_id).await?;
    let mode = match mode {
        Some(PlanMode::Full) => Mode::Full,
        Some(PlanMode::Incremental) | None => Mode::Incremental,
    };
    let engine = app.engine();
    let plan = engine.plan(connection.id, mode, &caller.name()).await;
    let plan = plan.map_err(|error| Problem::from(error).dated(engine.now()))?;
    let location = format!("/api/v1/integrations/xero/sync/plan/{}", plan.id);
    let body = Json(Plan::new(connection.id.0, plan));
    Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
}

/// A plan as it was made.
#[utoipa::path(get, path = "/api/v1/integrations/xero/sync/plan/{id}", tag = "sync",
    params(("id" = i64, Path, description = "The plan")),
    responses((status = 200, description = "The plan", body = Plan)))]
pub(crate) async fn get_plan(caller: CanRead, State(app): State<App>, Id(id): Id) -> Result<Json<Plan>, Problem> {
    let connection = holder_of!(app, caller.reach, "plan", tx, one => tx.plan(one, id).await?.is_some());
    let plan = app.engine().stored_plan(connection.id, id).await?;
    Ok(Json(Plan::new(connection.id.0, plan)))
}

/// Does what a plan shows. What has moved since is left alone and told; no brake stops what a person has seen.
#[utoipa::path(post, path = "/api/v1/integrations/xero/sync/plan/{id}/apply", tag = "sync",
    params(("id" = i64, Path, description = "The plan")),
    responses((status = 200, description = "What was done, and what had moved", body = PlanApplied)))]
pub(crate) async fn apply_plan(
    caller: CanWrite,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<PlanApplied>, Problem> {
    let connection = holder_of!(app, caller.reach, "plan", tx, one => tx.plan(one, id).await?.is_some());
    let (engine, by) = (app.engine().clone(), caller.name());
    let applied = app.to_the_end(async move { engine.apply(connection.id, id, &by).await }).await?;
    let applied = applied.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(Json(PlanApplied {
        plan_id: id,
        done: applied.done,
        moved: applied.moved.into_iter().map(PlanItem::from).collect(),
        pushed: applied.outcome.into(),
    }))
}
