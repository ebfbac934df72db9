//! Is the program alive, and can it work?

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Public;
use crate::problem::Problem;
use crate::state::App;

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The program runs.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, description = "It runs", body = Health)))]
pub(crate) async fn get_health(_: Public) -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The program can work: its database answers.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, description = "It can work", body = Health)))]
pub(crate) async fn get_readiness(_: Public, State(app): State<App>) -> Result<Json<Health>, Problem> {
    let mut tx = app.read().await?;
    tx.fact("xero").await?;
    tx.commit().await?;
    Ok(Json(Health { status: "ok" }))
}
