//! API keys: made, listed, revoked. A key that is bound to an organisation manages the keys of that one only.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use model::OrgId;
use serde::{Deserialize, Serialize};
use store::ApiKey;
use sync::KeyScope;
use utoipa::ToSchema;

use crate::access::CanAdmin;
use crate::input::{Body, Id};
use crate::problem::Problem;
use crate::state::App;

/// Longest name of a key, in characters.
const LONGEST_NAME: usize = 100;

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyWanted {
    /// For people, 1 to 100 characters.
    #[schema(example = "billing service")]
    name: String,
    /// `read`, `sync`, `write` or `admin`; each includes those before it.
    #[schema(example = "read")]
    scope: String,
    /// The organisation that it reaches; left out for all that the key which asks reaches.
    organisation_id: Option<i64>,
    /// When it ends; left out for never.
    expires_at: Option<Timestamp>,
}

/// A key as it is listed; the key itself is not kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    id: i64,
    name: String,
    /// Its first characters.
    prefix: String,
    scope: String,
    /// The organisation that it reaches; null for all.
    organisation_id: Option<i64>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyMade {
    id: i64,
    /// The key itself, shown this once.
    #[schema(example = "to_test_…")]
    key: String,
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Keys {
    items: Vec<Key>,
}

impl From<ApiKey> for Key {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scope: key.scopes,
            organisation_id: key.org.map(|org| org.0),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// Makes a key. The answer is the only time that it is shown.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = KeyWanted,
    responses((status = 201, description = "Made", body = KeyMade)))]
pub(crate) async fn make_key(
    caller: CanAdmin,
    State(app): State<App>,
    wanted: Body<KeyWanted>,
) -> Result<Response, Problem> {
    let KeyWanted { name, scope, organisation_id, expires_at } = wanted.0;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name must have 1 to 100 characters, none of them control characters"));
    }
    let scope = KeyScope::parse(&scope).ok_or_else(|| Problem::invalid("scope must be read, sync, write or admin"))?;
    let engine = app.engine();
    if expires_at.is_some_and(|at| at <= engine.now()) {
        return Err(Problem::invalid("expiresAt must be in the future"));
    }
    let org = organisation_id.map(OrgId).or(caller.reach.bound_to());
    if let Some(org) = org {
        let mut tx = app.read().await?;
        let exists = tx.organisations().await?.iter().any(|known| known.id == org);
        tx.commit().await?;
        if !exists || !caller.reach.sees(org) {
            return Err(Problem::not_found("organisation"));
        }
    }
    let made = engine.make_key(name, org, scope, expires_at).await?;
    tracing::info!(key = made.id, by = caller.key, scope = scope.as_str(), "an api key was made");
    Ok((StatusCode::CREATED, Json(KeyMade { id: made.id, key: made.key.expose().to_owned() })).into_response())
}

/// The keys that the key reaches, newest first, revoked ones included.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys",
    responses((status = 200, description = "All of them", body = Keys)))]
pub(crate) async fn list_keys(caller: CanAdmin, State(app): State<App>) -> Result<Json<Keys>, Problem> {
    let mut tx = app.read().await?;
    let all = tx.api_keys().await?;
    tx.commit().await?;
    let items = all.into_iter().filter(|key| manages(&caller, key)).map(Key::from).collect();
    Ok(Json(Keys { items }))
}

/// Revokes a key, from the next request on.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys",
    params(("id" = i64, Path, description = "The key")),
    responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke_key(caller: CanAdmin, State(app): State<App>, Id(id): Id) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("key in force");
    let mut tx = app.read().await?;
    let all = tx.api_keys().await?;
    tx.commit().await?;
    all.iter().find(|key| key.id == id && manages(&caller, key)).ok_or_else(missing)?;
    if !app.engine().revoke_key(id).await? {
        return Err(missing());
    }
    tracing::info!(key = id, by = caller.key, "an api key was revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// A key for all organisations is none of one organisation's business.
fn manages(caller: &CanAdmin, key: &ApiKey) -> bool {
    match key.org {
        Some(org) => caller.reach.sees(org),
        None => caller.reach.bound_to().is_none(),
    }
}
