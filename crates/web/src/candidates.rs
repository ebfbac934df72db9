//! Candidates: pairs of records that may be the same, for a person to say.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use model::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{CanRead, CanWrite};
use crate::connections::{ConnectionQuery, find};
use crate::input::{Body, Params};
use crate::problem::Problem;
use crate::state::App;

/// The pairs of a connection that wait for a person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidates {
    connection_id: i64,
    items: Vec<Candidate>,
}

/// A record in Xero and one of the App that may be the same.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    #[schema(example = "customer")]
    kind: &'static str,
    xero_id: Uuid,
    local_id: i64,
    /// Why they may be the same.
    reason: String,
    created_at: Timestamp,
}

/// What a person says of a pair.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CandidateDecision {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    #[schema(value_type = String, example = "customer")]
    kind: Kind,
    xero_id: Uuid,
    local_id: i64,
    /// True to link the two, false to keep them apart.
    is_same: bool,
}

/// Pairs of records that may be the same and wait for a person.
#[utoipa::path(get, path = "/api/v1/integrations/xero/candidates", tag = "conflicts", params(ConnectionQuery),
    responses((status = 200, description = "All of them", body = Candidates)))]
pub(crate) async fn list_candidates(
    caller: CanRead,
    State(app): State<App>,
    query: Params<ConnectionQuery>,
) -> Result<Json<Candidates>, Problem> {
    let connection = find(&app, caller.reach, query.0.connection_id).await?;
    let found = app.engine().candidates(connection.id).await?;
    let item = |pair: store::Candidate| Candidate {
        kind: pair.kind.as_str(),
        xero_id: pair.xero_id,
        local_id: pair.local_id,
        reason: pair.reason,
        created_at: pair.created_at,
    };
    Ok(Json(Candidates { connection_id: connection.id.0, items: found.into_iter().map(item).collect() }))
}

/// Says whether a pair is the same record.
#[utoipa::path(post, path = "/api/v1/integrations/xero/candidates/decide", tag = "conflicts",
    request_body = CandidateDecision,
    responses((status = 204, description = "Linked, or kept apart, by the sync that follows")))]
pub(crate) async fn decide_candidate(
    caller: CanWrite,
    State(app): State<App>,
    decision: Body<CandidateDecision>,
) -> Result<StatusCode, Problem> {
    let CandidateDecision { connection_id, kind, xero_id, local_id, is_same } = decision.0;
    let connection = find(&app, caller.reach, connection_id).await?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let decided = app
        .to_the_end(async move { engine.decide_candidate(connection.id, kind, xero_id, local_id, is_same, &by).await });
    decided.await?.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(StatusCode::NO_CONTENT)
}
