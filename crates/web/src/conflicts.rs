//! Conflicts: listed, shown, decided one by one and in bulk, and decisions taken back.

use axum::Json;
use axum::extract::State;
use model::Kind;
use serde::Deserialize;
use serde_json::Value;
use store::{ConflictState, Connection};
use sync::ConflictQuery as Wanted;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{CanRead, CanWrite, Reach};
use crate::connections::{find, holder_of};
use crate::cursor;
use crate::dto::Page;
use crate::dto::conflicts::{Conflict, Decided, DecidedMany};
use crate::input::{Body, Id, Params, page_size};
use crate::problem::Problem;
use crate::state::App;
use crate::writes::Raw;

/// Filters of the conflicts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictQuery {
    /// Conflicts per page, 1 to 500; 100 where it is left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `nextCursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    /// `PENDING`, `RESOLVED` or `IGNORED`; all where it is left out.
    #[param(value_type = Option<String>, example = "PENDING")]
    state: Option<Standing>,
    #[param(value_type = Option<String>, example = "customer")]
    kind: Option<Kind>,
    /// Only those of the record with this local id.
    local_id: Option<i64>,
}

/// How a conflict stands.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Standing {
    Pending,
    Resolved,
    Ignored,
}

impl Standing {
    const fn stored(self) -> ConflictState {
        match self {
            Self::Pending => ConflictState::Pending,
            Self::Resolved => ConflictState::Resolved,
            Self::Ignored => ConflictState::Ignored,
        }
    }
}

/// A decision about a conflict.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Decision {
    /// `KEEP_APP`, `KEEP_XERO`, `MANUAL_MERGE` (with `value`), `IGNORE`, or `LINK` (with `xeroId`, of a suspected duplicate).
    #[schema(value_type = String, example = "KEEP_APP")]
    resolution: Resolution,
    /// The value that both sides get, in the shape of the conflict's values.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Object)]
    value: Option<Value>,
    /// The record in Xero that is meant.
    xero_id: Option<Uuid>,
    /// The conflict's version as it was shown. One that has moved since is refused.
    version: Option<String>,
}

/// Null is a value here: it clears the field.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A decision about all pending conflicts that the filters let through.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BulkDecision {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    /// `KEEP_APP`, `KEEP_XERO` or `IGNORE`.
    #[schema(value_type = String, example = "KEEP_XERO")]
    resolution: Resolution,
    #[schema(value_type = Option<String>, example = "customer")]
    kind: Option<Kind>,
    /// Only those of the record with this local id.
    local_id: Option<i64>,
    /// At most so many; all where it is left out.
    limit: Option<i64>,
}

/// How a conflict is decided.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Resolution {
    KeepApp,
    KeepXero,
    ManualMerge,
    Ignore,
    Link,
}

impl Resolution {
    fn choice(self, value: Option<Value>, xero_id: Option<Uuid>) -> Result<sync::Choice, Problem> {
        Ok(match self {
            Self::KeepApp => sync::Choice::KeepApp,
            Self::KeepXero => sync::Choice::KeepXero,
            Self::Ignore => sync::Choice::Ignore,
            Self::ManualMerge => sync::Choice::Merge(
                value.ok_or_else(|| Problem::invalid("value: MANUAL_MERGE needs the value that both sides get"))?,
            ),
            Self::Link => sync::Choice::Link(
                xero_id.ok_or_else(|| Problem::invalid("xeroId: LINK needs the record in Xero that is meant"))?,
            ),
        })
    }
}

/// The conflicts, newest first.
#[utoipa::path(get, path = "/api/v1/integrations/xero/conflicts", tag = "conflicts", params(ConflictQuery),
    responses((status = 200, description = "A page of conflicts", body = Page<Conflict>)))]
pub(crate) async fn list_conflicts(
    caller: CanRead,
    State(app): State<App>,
    query: Params<ConflictQuery>,
) -> Result<Json<Page<Conflict>>, Problem> {
    let ConflictQuery { limit, cursor, connection_id, state, kind, local_id } = query.0;
    let limit = page_size(limit)?;
    let connection = find(&app, caller.reach, connection_id).await?;
    let name = format!("conflicts|{}|{state:?}|{kind:?}|{local_id:?}", connection.id);
    let before = cursor.map(|text| cursor::read(&app, &name, &text)).transpose()?;
    let wanted = Wanted { state: state.map(Standing::stored), kind, local_id, before, limit: limit + 1 };
    let mut found = app.engine().conflicts(connection.id, &wanted).await?;
    let has_more = i64::try_from(found.len()).unwrap_or(i64::MAX) > limit;
    if has_more {
        found.pop();
    }
    let next_cursor = found.last().filter(|_| has_more).map(|last| cursor::write(&app, &name, last.conflict.id));
    Ok(Json(Page { items: found.into_iter().map(Conflict::from).collect(), next_cursor }))
}

/// One conflict, with what each choice would write where.
#[utoipa::path(get, path = "/api/v1/integrations/xero/conflicts/{id}", tag = "conflicts",
    params(("id" = i64, Path, description = "The conflict")),
    responses((status = 200, description = "The conflict", body = Conflict)))]
pub(crate) async fn get_conflict(
    caller: CanRead,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<Conflict>, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    Ok(Json(app.engine().conflict(connection.id, id).await?.into()))
}

/// Decides a conflict. Xero is told by the push that follows, which reads the record there again first.
#[utoipa::path(post, path = "/api/v1/integrations/xero/conflicts/{id}/resolve", tag = "conflicts",
    params(("id" = i64, Path, description = "The conflict")), request_body = Decision,
    responses((status = 200, description = "The conflict as it stands now", body = Decided)))]
pub(crate) async fn resolve_conflict(
    caller: CanWrite,
    State(app): State<App>,
    Id(id): Id,
    request: Raw,
) -> Result<Json<Decided>, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    let Decision { resolution, value, xero_id, version } = request.json()?;
    let choice = resolution.choice(value, xero_id)?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let resolved =
        app.to_the_end(async move { engine.resolve(connection.id, id, version.as_deref(), choice, &by).await }).await?;
    Ok(Json(resolved.map_err(|error| Problem::from(error).dated(app.engine().now()))?.into()))
}

/// Decides many pending conflicts alike, record by record.
#[utoipa::path(post, path = "/api/v1/integrations/xero/conflicts/resolve", tag = "conflicts",
    request_body = BulkDecision,
    responses((status = 200, description = "How many were decided, and why others were not", body = DecidedMany)))]
pub(crate) async fn resolve_conflicts(
    caller: CanWrite,
    State(app): State<App>,
    decision: Body<BulkDecision>,
) -> Result<Json<DecidedMany>, Problem> {
    let BulkDecision { connection_id, resolution, kind, local_id, limit } = decision.0;
    if limit.is_some_and(|limit| limit < 1) {
        return Err(Problem::invalid("limit: must be 1 or more"));
    }
    let choice = match resolution {
        Resolution::KeepApp | Resolution::KeepXero | Resolution::Ignore => resolution.choice(None, None)?,
        Resolution::ManualMerge | Resolution::Link => {
            return Err(Problem::invalid("resolution: many conflicts can get KEEP_APP, KEEP_XERO or IGNORE"));
        }
    };
    let connection = find(&app, caller.reach, connection_id).await?;
    let wanted = Wanted { kind, local_id, limit: limit.unwrap_or_default(), ..Wanted::default() };
    let (engine, by) = (app.engine().clone(), caller.name());
    let outcome =
        app.to_the_end(async move { engine.resolve_many(connection.id, &wanted, &choice, &by).await }).await??;
    Ok(Json(outcome.into()))
}

/// Takes a decision back, while that is possible: the value that lost goes to Xero like any other edit of the App's.
#[utoipa::path(post, path = "/api/v1/integrations/xero/conflicts/{id}/undo", tag = "conflicts",
    params(("id" = i64, Path, description = "The conflict")),
    responses((status = 200, description = "The conflict as it stands now", body = Decided)))]
pub(crate) async fn undo_conflict(
    caller: CanWrite,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<Decided>, Problem> {
    let connection = holder(&app, caller.reach, id).await?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let undone = app.to_the_end(async move { engine.undo(connection.id, id, &by).await }).await??;
    Ok(Json(undone.into()))
}

async fn holder(app: &App, reach: Reach, id: i64) -> Result<Connection, Problem> {
    Ok(holder_of!(app, reach, "conflict", tx, one => tx.conflict(one, id).await?.is_some()))
}
