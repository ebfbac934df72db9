//! Telling Xero now what the App changed.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sync::PushOutcome;
use utoipa::ToSchema;

use crate::access::CanSync;
use crate::connections::{ConnectionChoice, find};
use crate::dto::runs::RunKind;
use crate::input::OptionalBody;
use crate::problem::Problem;
use crate::state::App;

/// What came of telling Xero.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    /// Its run; null if there was nothing to send.
    run_id: Option<i64>,
    /// What was sent, by kind.
    kinds: Vec<RunKind>,
    /// Calls made to Xero.
    calls: i64,
    /// Writes that are not answered yet, or could not be sent.
    pending: i64,
    /// Records that wait for another record, or a person.
    waiting: i64,
    /// What stopped a part of it: more than anybody would want without being asked.
    brakes: Vec<String>,
}

impl From<PushOutcome> for Pushed {
    fn from(outcome: PushOutcome) -> Self {
        let PushOutcome { run, kinds, calls, pending, waiting, braked, .. } = outcome;
        Self {
            run_id: run,
            kinds: kinds.iter().map(|(kind, counts)| RunKind::new(*kind, counts)).collect(),
            calls,
            pending,
            waiting,
            brakes: braked,
        }
    }
}

/// Tells Xero now what the App changed. The server does so by itself; this one waits for the end.
#[utoipa::path(post, path = "/api/v1/integrations/xero/push", tag = "sync", request_body = Option<ConnectionChoice>,
    responses((status = 200, description = "What was sent, and what still waits", body = Pushed)))]
pub(crate) async fn push(
    caller: CanSync,
    State(app): State<App>,
    choice: OptionalBody<ConnectionChoice>,
) -> Result<Json<Pushed>, Problem> {
    let connection = find(&app, caller.reach, choice.0.connection_id).await?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let pushed = app.to_the_end(async move { engine.push(connection.id, &by).await }).await?;
    let outcome = pushed.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(Json(outcome.into()))
}
