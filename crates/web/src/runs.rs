//! Runs: history, live progress, figures, and the records that did not come over.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use model::Kind;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::{CanRead, Reach};
use crate::connections::{ConnectionQuery, connection_of, visible};
use crate::cursor;
use crate::dto::Page;
use crate::dto::runs::{Failure, KindFigures, Run, Statistics};
use crate::input::{Id, Params, page_size};
use crate::problem::Problem;
use crate::state::App;

/// Filters of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Runs per page, 1 to 500; 100 where it is left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `nextCursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// Only runs of this connection; may be left out.
    connection_id: Option<i64>,
}

/// The runs, newest first.
#[utoipa::path(get, path = "/api/v1/integrations/xero/sync/history", tag = "sync", params(HistoryQuery),
    responses((status = 200, description = "A page of runs", body = Page<Run>)))]
pub(crate) async fn list_runs(
    caller: CanRead,
    State(app): State<App>,
    query: Params<HistoryQuery>,
) -> Result<Json<Page<Run>>, Problem> {
    let HistoryQuery { limit, cursor, connection_id } = query.0;
    let limit = page_size(limit)?;
    let mut tx = app.read().await?;
    let connection = match (connection_id, caller.reach.bound_to()) {
        // Whoever reaches everything may look at everything at once.
        (None, None) => None,
        // An organisation that is not connected yet has no history; that is no error.
        (None, Some(_)) if visible(&mut tx, caller.reach).await?.is_empty() => {
            tx.commit().await?;
            return Ok(Json(Page { items: Vec::new(), next_cursor: None }));
        }
        (id, _) => Some(connection_of(&mut tx, caller.reach, id).await?.id),
    };
    let name = format!("runs|{connection:?}");
    let before = cursor.map(|text| cursor::read(&app, &name, &text)).transpose()?;
    let mut runs = tx.runs(connection, before, limit + 1).await?;
    let has_more = i64::try_from(runs.len()).unwrap_or(i64::MAX) > limit;
    if has_more {
        runs.pop();
    }
    let ids: Vec<i64> = runs.iter().map(|run| run.id).collect();
    let mut kinds = tx.kinds_of_runs(&ids).await?;
    tx.commit().await?;
    let now = app.engine().now();
    let next_cursor = ids.last().filter(|_| has_more).map(|last| cursor::write(&app, &name, *last));
    let items = runs.into_iter().map(|run| {
        let counts = kinds.remove(&run.id).unwrap_or_default();
        Run::new(run, &counts, now)
    });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

/// One run; while it is under way, with the counts of the moment.
#[utoipa::path(get, path = "/api/v1/integrations/xero/sync/history/{runId}", tag = "sync",
    params(("runId" = i64, Path, description = "The run")),
    responses((status = 200, description = "The run", body = Run)))]
pub(crate) async fn get_run(caller: CanRead, State(app): State<App>, Id(id): Id) -> Result<Json<Run>, Problem> {
    Ok(Json(show(&app, caller.reach, id).await?))
}

/// A run that the key reaches.
pub(crate) async fn show(app: &App, reach: Reach, id: i64) -> Result<Run, Problem> {
    let missing = || Problem::not_found("run");
    let mut tx = app.read().await?;
    let run = tx.run(id).await?.ok_or_else(missing)?;
    let connection = tx.connection(run.connection).await?;
    connection.filter(|connection| reach.sees(connection.org)).ok_or_else(missing)?;
    let kinds = tx.run_kinds(id).await?;
    tx.commit().await?;
    Ok(Run::new(run, &kinds, app.engine().now()))
}

/// Figures over the runs and the books of a connection.
#[utoipa::path(get, path = "/api/v1/integrations/xero/sync/stats", tag = "sync", params(ConnectionQuery),
    responses((status = 200, description = "Totals, rates, averages, and each kind", body = Statistics)))]
pub(crate) async fn get_statistics(
    caller: CanRead,
    State(app): State<App>,
    query: Params<ConnectionQuery>,
) -> Result<Json<Statistics>, Problem> {
    let mut tx = app.read().await?;
    let connection = connection_of(&mut tx, caller.reach, query.0.connection_id).await?;
    let id = connection.id;
    let figures = tx.run_statistics(id).await?;
    let links: BTreeMap<Kind, i64> = tx.count_links(id).await?.into_iter().collect();
    let failed: BTreeMap<Kind, i64> = tx.count_open_failures(id).await?.into_iter().collect();
    let mut kinds = Vec::with_capacity(Kind::ALL.len());
    for (kind, total) in tx.count_books(connection.org, id).await? {
        let synced = links.get(&kind).copied().unwrap_or_default().min(total);
        kinds.push(KindFigures {
            kind: kind.as_str(),
            total,
            synced,
            pending: total - synced,
            failed: failed.get(&kind).copied().unwrap_or_default(),
            read_until: tx.cursor(id, kind).await?.read_until,
        });
    }
    tx.commit().await?;
    Ok(Json(Statistics::new(id.0, &figures, kinds)))
}

/// Filters of the failures.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FailureQuery {
    /// Failures per page, 1 to 500; 100 where it is left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `nextCursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    #[param(value_type = Option<String>, example = "invoice")]
    kind: Option<Kind>,
}

/// The records that could not be brought over, newest first; each leaves the list when it succeeds.
#[utoipa::path(get, path = "/api/v1/integrations/xero/failures", tag = "sync", params(FailureQuery),
    responses((status = 200, description = "A page of failures", body = Page<Failure>)))]
pub(crate) async fn list_failures(
    caller: CanRead,
    State(app): State<App>,
    query: Params<FailureQuery>,
) -> Result<Json<Page<Failure>>, Problem> {
    let FailureQuery { limit, cursor, connection_id, kind } = query.0;
    let limit = page_size(limit)?;
    let mut tx = app.read().await?;
    let connection = connection_of(&mut tx, caller.reach, connection_id).await?;
    let name = format!("failures|{}|{kind:?}", connection.id);
    let before = cursor.map(|text| cursor::read(&app, &name, &text)).transpose()?;
    let mut found = tx.open_failures_before(connection.id, kind, before, limit + 1).await?;
    tx.commit().await?;
    let has_more = i64::try_from(found.len()).unwrap_or(i64::MAX) > limit;
    if has_more {
        found.pop();
    }
    let next_cursor = found.last().filter(|_| has_more).map(|last| cursor::write(&app, &name, last.id));
    Ok(Json(Page { items: found.into_iter().map(Failure::from).collect(), next_cursor }))
}
