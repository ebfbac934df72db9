//! Brakes: runs that would have removed or changed too much, stopped, and ask.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{CanAdmin, CanRead, Reach};
use crate::connections::{ConnectionQuery, find, holder_of};
use crate::input::{Id, Params};
use crate::problem::Problem;
use crate::state::App;

/// The brakes of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brakes {
    connection_id: i64,
    /// Newest first.
    items: Vec<Brake>,
}

/// A run that stopped before it did more than anybody would want without being asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brake {
    id: i64,
    #[schema(example = "invoice")]
    kind: &'static str,
    /// Which side would be written: `PUSH` writes Xero, `PULL` the App.
    #[schema(example = "PUSH")]
    direction: &'static str,
    /// `REMOVE` (void, delete or archive) or `CHANGE`.
    #[schema(example = "REMOVE")]
    what: &'static str,
    /// So many records.
    would: i64,
    /// Of so many.
    of_all: i64,
    /// `OPEN`, `APPROVED`, `USED` or `REFUSED`.
    #[schema(example = "OPEN")]
    state: &'static str,
    decided_by: Option<String>,
    decided_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// Runs that stopped and ask, and what was answered.
#[utoipa::path(get, path = "/api/v1/integrations/xero/brakes", tag = "conflicts", params(ConnectionQuery),
    responses((status = 200, description = "The newest hundred", body = Brakes)))]
pub(crate) async fn list_brakes(
    caller: CanRead,
    State(app): State<App>,
    query: Params<ConnectionQuery>,
) -> Result<Json<Brakes>, Problem> {
    let connection = find(&app, caller.reach, query.0.connection_id).await?;
    let found = app.engine().brakes(connection.id).await?;
    let item = |brake: store::Brake| Brake {
        id: brake.id,
        kind: brake.kind.as_str(),
        direction: brake.direction.as_str(),
        what: brake.what.as_str(),
        would: brake.would,
        of_all: brake.of_all,
        state: brake.state.as_str(),
        decided_by: brake.decided_by,
        decided_at: brake.decided_at,
        created_at: brake.created_at,
    };
    Ok(Json(Brakes { connection_id: connection.id.0, items: found.into_iter().map(item).collect() }))
}

/// Lets a stopped run go on: the next one does it, once.
#[utoipa::path(post, path = "/api/v1/integrations/xero/brakes/{id}/approve", tag = "conflicts",
    params(("id" = i64, Path, description = "The brake")),
    responses((status = 204, description = "Approved")))]
pub(crate) async fn approve_brake(caller: CanAdmin, State(app): State<App>, Id(id): Id) -> Result<StatusCode, Problem> {
    decide(&app, caller.reach, id, true, &caller.name()).await
}

/// Keeps a stopped run from doing it; it asks again if it still would.
#[utoipa::path(post, path = "/api/v1/integrations/xero/brakes/{id}/refuse", tag = "conflicts",
    params(("id" = i64, Path, description = "The brake")),
    responses((status = 204, description = "Refused")))]
pub(crate) async fn refuse_brake(caller: CanAdmin, State(app): State<App>, Id(id): Id) -> Result<StatusCode, Problem> {
    decide(&app, caller.reach, id, false, &caller.name()).await
}

async fn decide(app: &App, reach: Reach, id: i64, approve: bool, by: &str) -> Result<StatusCode, Problem> {
    let connection =
        holder_of!(app, reach, "brake", tx, one => tx.brakes(one).await?.iter().any(|brake| brake.id == id));
    app.engine().decide_brake(connection.id, id, approve, by).await?;
    Ok(StatusCode::NO_CONTENT)
}
