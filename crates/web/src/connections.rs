//! Connections: which there are, how they stand, refreshing and ending them, and comparing both sides.

use axum::Json;
use axum::extract::State;
use model::ConnectionId;
use serde::{Deserialize, Serialize};
use store::{Connection, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::{CanAdmin, CanRead, CanSync, Reach};
use crate::dto::runs::Run;
use crate::dto::status as dto;
use crate::input::{Body, Id, OptionalBody, Params};
use crate::problem::{Problem, code};
use crate::state::App;

/// The connections that a key reaches.
pub(crate) async fn visible(tx: &mut Tx, reach: Reach) -> Result<Vec<Connection>, Problem> {
    let all = tx.connections().await?;
    Ok(all.into_iter().filter(|connection| reach.sees(connection.org)).collect())
}

/// The connection that a request means: the named one, or the only one that its key reaches.
pub(crate) async fn connection_of(tx: &mut Tx, reach: Reach, id: Option<i64>) -> Result<Connection, Problem> {
    if let Some(id) = id {
        let found = tx.connection(ConnectionId(id)).await?.filter(|connection| reach.sees(connection.org));
        return found.ok_or_else(|| Problem::not_found("connection"));
    }
    let mut all = visible(tx, reach).await?;
    match all.len() {
        0 => Err(Problem::new(code::NOT_CONNECTED, "connect an organisation first, with `tieout connect`")),
        1 => Ok(all.remove(0)),
        _ => Err(Problem::new(
            code::WHICH_CONNECTION,
            "say which one with connectionId; GET /api/v1/integrations/xero/connections lists them",
        )),
    }
}

/// The connection, among those that a key reaches, that has a thing: for ids in paths, which name no connection.
macro_rules! holder_of {
    ($app:expr, $reach:expr, $what:literal, $tx:ident, $id:ident => $has:expr) => {{
        let mut $tx = $app.read().await?;
        let mut found = None;
        for one in $crate::connections::visible(&mut $tx, $reach).await? {
            let $id = one.id;
            if $has {
                found = Some(one);
                break;
            }
        }
        $tx.commit().await?;
        found.ok_or_else(|| $crate::problem::Problem::not_found($what))?
    }};
}
pub(crate) use holder_of;

/// The same, in a transaction of its own.
pub(crate) async fn find(app: &App, reach: Reach, id: Option<i64>) -> Result<Connection, Problem> {
    let mut tx = app.read().await?;
    let connection = connection_of(&mut tx, reach, id).await?;
    tx.commit().await?;
    Ok(connection)
}

/// Names a connection in a body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectionChoice {
    /// May be left out while the key reaches only one connection.
    pub(crate) connection_id: Option<i64>,
}

/// Names a connection in a query.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConnectionQuery {
    /// May be left out while the key reaches only one connection.
    pub(crate) connection_id: Option<i64>,
}

/// All connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Connections {
    items: Vec<dto::Connection>,
}

/// The connections that the key reaches.
#[utoipa::path(get, path = "/api/v1/integrations/xero/connections", tag = "connections",
    responses((status = 200, description = "All of them", body = Connections)))]
pub(crate) async fn list_connections(caller: CanRead, State(app): State<App>) -> Result<Json<Connections>, Problem> {
    let mut tx = app.read().await?;
    let all = visible(&mut tx, caller.reach).await?;
    tx.commit().await?;
    Ok(Json(Connections { items: all.iter().map(dto::Connection::from).collect() }))
}

/// How everything stands that the key reaches.
#[utoipa::path(get, path = "/api/v1/integrations/xero/status", tag = "connections",
    responses((status = 200, description = "Every connection with its tokens, its newest run and its books",
        body = dto::Status)))]
pub(crate) async fn get_status(caller: CanRead, State(app): State<App>) -> Result<Json<dto::Status>, Problem> {
    let mut tx = app.read().await?;
    let all = visible(&mut tx, caller.reach).await?;
    tx.commit().await?;
    let mut connections = Vec::with_capacity(all.len());
    for connection in all {
        connections.push(status_of(&app, connection.id).await?);
    }
    let engine = app.engine();
    let database = engine.store().database();
    Ok(Json(dto::Status { is_emulated: engine.is_emulated(), database, connections }))
}

/// How one connection stands.
#[utoipa::path(get, path = "/api/v1/integrations/xero/connections/{id}/status", tag = "connections",
    params(("id" = i64, Path, description = "The connection")),
    responses((status = 200, description = "Its tokens, its newest run and its books", body = dto::ConnectionStatus)))]
pub(crate) async fn get_connection_status(
    caller: CanRead,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<dto::ConnectionStatus>, Problem> {
    let connection = find(&app, caller.reach, Some(id)).await?;
    Ok(Json(status_of(&app, connection.id).await?))
}

async fn status_of(app: &App, id: ConnectionId) -> Result<dto::ConnectionStatus, Problem> {
    let status = app.engine().connection_status(id).await?;
    let now = app.engine().now();
    let last_run = match status.last_run.clone() {
        Some(run) => {
            let mut tx = app.read().await?;
            let kinds = tx.run_kinds(run.id).await?;
            tx.commit().await?;
            Some(Run::new(run, &kinds, now))
        }
        None => None,
    };
    Ok(dto::ConnectionStatus::new(status, last_run, now))
}

/// Renews the tokens of a connection now.
#[utoipa::path(post, path = "/api/v1/integrations/xero/connections/{id}/refresh-token", tag = "connections",
    params(("id" = i64, Path, description = "The connection")),
    responses((status = 200, description = "How it stands now", body = dto::ConnectionStatus)))]
pub(crate) async fn refresh_connection_token(
    caller: CanAdmin,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<dto::ConnectionStatus>, Problem> {
    renew_tokens(&app, caller.reach, Some(id)).await
}

/// Renews the tokens of a connection now.
#[utoipa::path(post, path = "/api/v1/integrations/xero/refresh-token", tag = "connections",
    request_body = Option<ConnectionChoice>,
    responses((status = 200, description = "How it stands now", body = dto::ConnectionStatus)))]
pub(crate) async fn refresh_token(
    caller: CanAdmin,
    State(app): State<App>,
    choice: OptionalBody<ConnectionChoice>,
) -> Result<Json<dto::ConnectionStatus>, Problem> {
    renew_tokens(&app, caller.reach, choice.0.connection_id).await
}

async fn renew_tokens(app: &App, reach: Reach, id: Option<i64>) -> Result<Json<dto::ConnectionStatus>, Problem> {
    let connection = find(app, reach, id).await?;
    let engine = app.engine().clone();
    app.to_the_end(async move { engine.refresh_token(connection.id).await }).await??;
    Ok(Json(status_of(app, connection.id).await?))
}

/// What came of a disconnection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disconnected {
    connection: dto::Connection,
    /// False if Xero could not be told: remove the app in Xero, too (Settings, Connected apps).
    told_xero: bool,
}

/// Disconnects: here and at Xero. Tokens are deleted; books and history stay.
#[utoipa::path(post, path = "/api/v1/integrations/xero/connections/{id}/disconnect", tag = "connections",
    params(("id" = i64, Path, description = "The connection")),
    responses((status = 200, description = "Disconnected", body = Disconnected)))]
pub(crate) async fn disconnect_connection(
    caller: CanAdmin,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<Disconnected>, Problem> {
    end_connection(&app, caller.reach, id).await
}

/// Names a connection that is to be disconnected: never the only one by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectionNamed {
    connection_id: i64,
}

/// Disconnects: here and at Xero. Tokens are deleted; books and history stay.
#[utoipa::path(post, path = "/api/v1/integrations/xero/disconnect", tag = "connections",
    request_body = ConnectionNamed,
    responses((status = 200, description = "Disconnected", body = Disconnected)))]
pub(crate) async fn disconnect(
    caller: CanAdmin,
    State(app): State<App>,
    named: Body<ConnectionNamed>,
) -> Result<Json<Disconnected>, Problem> {
    end_connection(&app, caller.reach, named.0.connection_id).await
}

async fn end_connection(app: &App, reach: Reach, id: i64) -> Result<Json<Disconnected>, Problem> {
    let connection = find(app, reach, Some(id)).await?;
    let engine = app.engine().clone();
    let told_xero = app.to_the_end(async move { engine.disconnect(connection.id).await }).await??;
    let connection = find(app, reach, Some(id)).await?;
    Ok(Json(Disconnected { connection: dto::Connection::from(&connection), told_xero }))
}

/// Compares counts and money of both sides, read afresh. Costs one list of every kind of document in Xero.
#[utoipa::path(get, path = "/api/v1/integrations/xero/agreement", tag = "sync", params(ConnectionQuery),
    responses((status = 200, description = "The sum of all differences, and the groups that differ",
        body = dto::Agreement)))]
pub(crate) async fn get_agreement(
    caller: CanSync,
    State(app): State<App>,
    query: Params<ConnectionQuery>,
) -> Result<Json<dto::Agreement>, Problem> {
    let connection = find(&app, caller.reach, query.0.connection_id).await?;
    let engine = app.engine();
    let found = engine.agreement(connection.id).await;
    let agreement = found.map_err(|error| Problem::from(error).dated(engine.now()))?;
    Ok(Json(dto::Agreement::new(connection.id.0, agreement)))
}
