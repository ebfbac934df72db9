//! Mappings: who wins where both sides changed a field differently, for a field of a kind, a kind, or everything.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use model::Kind;
use serde::{Deserialize, Serialize};
use sync::{PolicyRule, PolicySetting};
use utoipa::{IntoParams, ToSchema};

use crate::access::{CanAdmin, CanRead};
use crate::connections::{ConnectionQuery, find};
use crate::input::{Body, Params};
use crate::problem::Problem;
use crate::state::App;

/// The rules of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mappings {
    connection_id: i64,
    /// What holds where no rule does.
    #[schema(example = "LAST_WRITE")]
    default: &'static str,
    /// The rules that somebody set, the closest first.
    items: Vec<Mapping>,
}

/// Who wins.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mapping {
    /// The kind; null for all.
    #[schema(example = "customer")]
    kind: Option<&'static str>,
    /// The field, or group of fields; null for all.
    #[schema(example = "email")]
    field: Option<String>,
    /// `LAST_WRITE`, `APP`, `XERO` or `ASK`.
    #[schema(example = "APP")]
    policy: &'static str,
    changed_by: String,
    changed_at: Timestamp,
}

/// A rule to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MappingWanted {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    /// Left out for all kinds.
    #[schema(value_type = Option<String>, example = "customer")]
    kind: Option<Kind>,
    /// Left out for all fields.
    #[schema(example = "email")]
    field: Option<String>,
    /// `LAST_WRITE`, `APP`, `XERO` or `ASK`.
    #[schema(example = "APP")]
    policy: String,
}

/// A rule to take away.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MappingQuery {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    /// Left out for the rule for all kinds.
    #[param(value_type = Option<String>, example = "customer")]
    kind: Option<Kind>,
    /// Left out for the rule for all fields.
    field: Option<String>,
}

impl From<PolicyRule> for Mapping {
    fn from(rule: PolicyRule) -> Self {
        Self {
            kind: rule.kind.map(Kind::as_str),
            field: rule.field,
            policy: rule.rule.as_str(),
            changed_by: rule.changed_by,
            changed_at: rule.changed_at,
        }
    }
}

/// The rules that somebody set; where there is none, the last write wins.
#[utoipa::path(get, path = "/api/v1/integrations/xero/mappings", tag = "conflicts", params(ConnectionQuery),
    responses((status = 200, description = "All of them", body = Mappings)))]
pub(crate) async fn list_mappings(
    caller: CanRead,
    State(app): State<App>,
    query: Params<ConnectionQuery>,
) -> Result<Json<Mappings>, Problem> {
    let connection = find(&app, caller.reach, query.0.connection_id).await?;
    let rules = app.engine().policies(connection.id).await?;
    Ok(Json(Mappings {
        connection_id: connection.id.0,
        default: PolicySetting::default().as_str(),
        items: rules.into_iter().map(Mapping::from).collect(),
    }))
}

/// Sets who wins. It holds for conflicts that are found from now on.
#[utoipa::path(put, path = "/api/v1/integrations/xero/mappings", tag = "conflicts", request_body = MappingWanted,
    responses((status = 204, description = "Set")))]
pub(crate) async fn set_mapping(
    caller: CanAdmin,
    State(app): State<App>,
    wanted: Body<MappingWanted>,
) -> Result<StatusCode, Problem> {
    let MappingWanted { connection_id, kind, field, policy } = wanted.0;
    let connection = find(&app, caller.reach, connection_id).await?;
    let rule =
        PolicySetting::parse(&policy).ok_or_else(|| Problem::invalid("policy must be LAST_WRITE, APP, XERO or ASK"))?;
    app.engine().set_policy(connection.id, kind, field.as_deref(), Some(rule), &caller.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a rule away, so that the more general one holds.
#[utoipa::path(delete, path = "/api/v1/integrations/xero/mappings", tag = "conflicts", params(MappingQuery),
    responses((status = 204, description = "There is no such rule any more")))]
pub(crate) async fn clear_mapping(
    caller: CanAdmin,
    State(app): State<App>,
    query: Params<MappingQuery>,
) -> Result<StatusCode, Problem> {
    let MappingQuery { connection_id, kind, field } = query.0;
    let connection = find(&app, caller.reach, connection_id).await?;
    app.engine().set_policy(connection.id, kind, field.as_deref(), None, &caller.name()).await?;
    Ok(StatusCode::NO_CONTENT)
}
