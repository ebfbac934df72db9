//! Starting syncs.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use store::Mode;
use utoipa::IntoParams;

use crate::access::CanSync;
use crate::background::{Started, stopping};
use crate::connections::{ConnectionChoice, find};
use crate::dto::runs::Run;
use crate::input::{OptionalBody, Params};
use crate::problem::Problem;
use crate::runs::show;
use crate::state::App;

/// How to start a sync.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SyncQuery {
    /// True to be answered when the sync has ended, not when it has begun. It goes on if the client goes away.
    #[serde(default)]
    wait: bool,
}

/// Starts a full sync: everything, in dependency order. One that was cut off is taken up where it stopped.
#[utoipa::path(post, path = "/api/v1/integrations/xero/sync/full", tag = "sync",
    params(SyncQuery), request_body = Option<ConnectionChoice>,
    responses(
        (status = 202, description = "Begun; Location is the run", body = Run),
        (status = 200, description = "Ended, with wait=true", body = Run),
    ))]
pub(crate) async fn sync_full(
    caller: CanSync,
    State(app): State<App>,
    query: Params<SyncQuery>,
    choice: OptionalBody<ConnectionChoice>,
) -> Result<Response, Problem> {
    start(&app, &caller, Mode::Full, query.0.wait, choice.0.connection_id).await
}

/// Starts an incremental sync: what changed since the last one.
#[utoipa::path(post, path = "/api/v1/integrations/xero/sync/incremental", tag = "sync",
    params(SyncQuery), request_body = Option<ConnectionChoice>,
    responses(
        (status = 202, description = "Begun; Location is the run", body = Run),
        (status = 200, description = "Ended, with wait=true", body = Run),
    ))]
pub(crate) async fn sync_incremental(
    caller: CanSync,
    State(app): State<App>,
    query: Params<SyncQuery>,
    choice: OptionalBody<ConnectionChoice>,
) -> Result<Response, Problem> {
    start(&app, &caller, Mode::Incremental, query.0.wait, choice.0.connection_id).await
}

async fn start(
    app: &App,
    caller: &CanSync,
    mode: Mode,
    wait: bool,
    connection: Option<i64>,
) -> Result<Response, Problem> {
    let connection = find(app, caller.reach, connection).await?;
    let engine = app.engine();
    let begun = app.syncs().start(engine.clone(), connection.id, mode, caller.name()).await;
    let Started { run, done } = begun.map_err(|problem| problem.dated(engine.now()))?;
    let status = if wait {
        let ended = done.await.map_err(|_| stopping().about_run(Some(run)))?;
        ended.map_err(|error| Problem::from(error).about_run(Some(run)).dated(engine.now()))?;
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let location = format!("/api/v1/integrations/xero/sync/history/{run}");
    Ok((status, [(LOCATION, location)], Json(show(app, caller.reach, run).await?)).into_response())
}
