//! Failures: by cause, tried again, set aside, or linked with what Xero has already. `runs` lists them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use model::Kind;
use serde::{Deserialize, Serialize};
use store::{Connection, FailureFilter};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{CanRead, CanWrite, Reach};
use crate::connections::{ConnectionQuery, find, holder_of};
use crate::dto::runs::Failure;
use crate::input::{Id, OptionalBody, Params};
use crate::problem::Problem;
use crate::state::App;
use crate::writes::Raw;

/// The open failures of a connection, by cause.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailureGroups {
    connection_id: i64,
    /// The largest first.
    items: Vec<FailureGroup>,
}

/// Open failures of one cause.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailureGroup {
    #[schema(example = "TO-NAME-TAKEN")]
    code: String,
    #[schema(example = "customer")]
    kind: &'static str,
    /// `PULL`: from Xero into the books; `PUSH`: from the books to Xero.
    #[schema(example = "PUSH")]
    direction: &'static str,
    count: i64,
    /// What the newest of them says.
    newest_message: String,
    /// Who can help: `RETRY`, `FIX_DATA` or `ASK_PERSON`.
    #[schema(example = "ASK_PERSON")]
    advice: &'static str,
    /// What to do.
    fix: &'static str,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
}

/// Which failures to try again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RetryWanted {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    /// Only those of this cause.
    #[schema(example = "TO-NAME-TAKEN")]
    code: Option<String>,
    #[schema(value_type = Option<String>, example = "customer")]
    kind: Option<Kind>,
}

/// What came of trying again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retried {
    /// Failures that are tried again. Each leaves the list when it succeeds.
    retried: usize,
}

/// Why a failure is set aside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IgnoreWanted {
    /// For whoever asks later.
    reason: String,
}

/// What Xero has already.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LinkWanted {
    /// The record in Xero.
    xero_id: Uuid,
}

/// The open failures by cause, with what to do about each.
#[utoipa::path(get, path = "/api/v1/integrations/xero/failures/groups", tag = "failures", params(ConnectionQuery),
    responses((status = 200, description = "All of them", body = FailureGroups)))]
pub(crate) async fn list_failure_groups(
    caller: CanRead,
    State(app): State<App>,
    query: Params<ConnectionQuery>,
) -> Result<Json<FailureGroups>, Problem> {
    let connection = find(&app, caller.reach, query.0.connection_id).await?;
    let found = app.engine().failure_groups(connection.id).await?;
    let item = |cause: sync::FailureCause| FailureGroup {
        kind: cause.group.kind.as_str(),
        direction: cause.group.direction.as_str(),
        count: cause.group.count,
        newest_message: cause.group.newest_message,
        advice: cause.advice.as_str(),
        fix: cause.fix,
        first_seen_at: cause.group.first_seen,
        last_seen_at: cause.group.last_seen,
        code: cause.group.code,
    };
    Ok(Json(FailureGroups { connection_id: connection.id.0, items: found.into_iter().map(item).collect() }))
}

/// One failure, open or not.
#[utoipa::path(get, path = "/api/v1/integrations/xero/failures/{id}", tag = "failures",
    params(("id" = i64, Path, description = "The failure")),
    responses((status = 200, description = "The failure", body = Failure)))]
pub(crate) async fn get_failure(caller: CanRead, State(app): State<App>, Id(id): Id) -> Result<Json<Failure>, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    Ok(Json(app.engine().failure(connection.id, id).await?.failure.into()))
}

/// Tries a failure again: a record of Xero is read now, a change of the App goes out with the next push.
#[utoipa::path(post, path = "/api/v1/integrations/xero/failures/{id}/retry", tag = "failures",
    params(("id" = i64, Path, description = "The failure")),
    responses((status = 200, description = "It is tried again", body = Retried)))]
pub(crate) async fn retry_failure(
    caller: CanWrite,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<Retried>, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let tried = app.to_the_end(async move { engine.retry_failure(connection.id, id, &by).await }).await?;
    tried.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(Json(Retried { retried: 1 }))
}

/// Tries failures again: those of a cause, of a kind, or all that trying again can help.
#[utoipa::path(post, path = "/api/v1/integrations/xero/failures/retry", tag = "failures",
    request_body = Option<RetryWanted>,
    responses((status = 200, description = "How many are tried again", body = Retried)))]
pub(crate) async fn retry_failures(
    caller: CanWrite,
    State(app): State<App>,
    wanted: OptionalBody<RetryWanted>,
) -> Result<Json<Retried>, Problem> {
    let RetryWanted { connection_id, code, kind } = wanted.0;
    let connection = find(&app, caller.reach, connection_id).await?;
    let filter = FailureFilter { code, kind, ..FailureFilter::default() };
    let (engine, by) = (app.engine().clone(), caller.name());
    let tried = app.to_the_end(async move { engine.retry_failures(connection.id, &filter, &by).await }).await?;
    let retried = tried.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(Json(Retried { retried }))
}

/// Sets a failure aside, with the reason. It is listed again when its cause becomes another.
#[utoipa::path(post, path = "/api/v1/integrations/xero/failures/{id}/ignore", tag = "failures",
    params(("id" = i64, Path, description = "The failure")), request_body = IgnoreWanted,
    responses((status = 200, description = "The failure", body = Failure)))]
pub(crate) async fn ignore_failure(
    caller: CanWrite,
    State(app): State<App>,
    Id(id): Id,
    request: Raw,
) -> Result<Json<Failure>, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    let IgnoreWanted { reason } = request.json()?;
    if reason.chars().count() > 500 || reason.contains('\0') {
        return Err(Problem::invalid("reason: must be at most 500 characters, none of them U+0000"));
    }
    Ok(Json(app.engine().ignore_failure(connection.id, id, &reason, &caller.name()).await?.failure.into()))
}

/// Links the failure's record with one that Xero has already, so that it is not created there.
#[utoipa::path(post, path = "/api/v1/integrations/xero/failures/{id}/link", tag = "failures",
    params(("id" = i64, Path, description = "The failure")), request_body = LinkWanted,
    responses((status = 204, description = "Linked, and merged")))]
pub(crate) async fn link_failure(
    caller: CanWrite,
    State(app): State<App>,
    Id(id): Id,
    request: Raw,
) -> Result<StatusCode, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    let LinkWanted { xero_id } = request.json()?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let linked = app.to_the_end(async move { engine.link_failure(connection.id, id, xero_id, &by).await }).await?;
    linked.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn holder(app: &App, reach: Reach, id: i64) -> Result<Connection, Problem> {
    Ok(holder_of!(app, reach, "failure", tx, one => tx.failure(one, id).await?.is_some()))
}
