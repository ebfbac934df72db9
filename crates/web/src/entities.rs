//! One record: synced now, and explained.

use axum::Json;
use axum::extract::State;
use model::Kind;
use serde::{Deserialize, Serialize};
use sync::EntityRef;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{CanRead, CanSync};
use crate::books::owner_of;
use crate::connections::find;
use crate::dto::conflicts::Explained;
use crate::input::{Body, Id};
use crate::problem::Problem;
use crate::pushes::Pushed;
use crate::state::App;

/// Lines of what happened that an explanation holds.
const HAPPENINGS: usize = 50;

/// A record to sync.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EntityWanted {
    /// May be left out while the key reaches only one connection.
    connection_id: Option<i64>,
    #[schema(value_type = String, example = "invoice")]
    kind: Kind,
    /// Its local id; either this or `xeroId`.
    id: Option<i64>,
    /// Its id in Xero.
    xero_id: Option<Uuid>,
}

/// What came of syncing one record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntitySynced {
    #[schema(example = "invoice")]
    kind: &'static str,
    id: i64,
    /// Null if it has not arrived in Xero.
    xero_id: Option<Uuid>,
    /// It was read from Xero.
    was_read: bool,
    /// What was sent, of this record and whatever else was due.
    pushed: Pushed,
}

/// Syncs one record now: read from Xero, merged, and what the App changed sent. Answered when it has ended.
#[utoipa::path(post, path = "/api/v1/integrations/xero/sync/entity", tag = "sync", request_body = EntityWanted,
    responses((status = 200, description = "How it ended", body = EntitySynced)))]
pub(crate) async fn sync_entity(
    caller: CanSync,
    State(app): State<App>,
    wanted: Body<EntityWanted>,
) -> Result<Json<EntitySynced>, Problem> {
    let EntityWanted { connection_id, kind, id, xero_id } = wanted.0;
    let entity = match (id, xero_id) {
        (Some(id), None) => EntityRef::Local(id),
        (None, Some(xero_id)) => EntityRef::Xero(xero_id),
        _ => return Err(Problem::invalid("name the record by id or by xeroId, one of them")),
    };
    let connection = find(&app, caller.reach, connection_id).await?;
    let (engine, by) = (app.engine().clone(), caller.name());
    let ended = app.to_the_end(async move { engine.sync_entity(connection.id, kind, entity, &by).await }).await?;
    let outcome = ended.map_err(|error| Problem::from(error).dated(app.engine().now()))?;
    Ok(Json(EntitySynced {
        kind: outcome.kind.as_str(),
        id: outcome.local_id,
        xero_id: outcome.xero_id,
        was_read: outcome.was_read,
        pushed: outcome.push.into(),
    }))
}

/// Declares the explanation of a kind.
macro_rules! explaining {
    ($explain:ident $record:ident $kind:ident $path:literal $noun:literal $summary:literal) => {
        #[doc = $summary]
        #[utoipa::path(get, path = $path, tag = "books", params(("id" = i64, Path, description = "Its local id")),
            responses((status = 200, description = "How it stands, why, what differs and what happened", body = Explained)))]
        pub(crate) async fn $explain(
            caller: CanRead,
            State(app): State<App>,
            Id(id): Id,
        ) -> Result<Json<Explained>, Problem> {
            let mut tx = app.read().await?;
            let connection = owner_of::<model::$record>(&mut tx, caller.reach, id, $noun).await?;
            tx.commit().await?;
            Ok(Json(app.engine().explain(connection.id, Kind::$kind, id, HAPPENINGS).await?.into()))
        }
    };
}

explaining!(explain_customer Customer Customer "/api/v1/customers/{id}/explain" "customer"
    "Why a customer is, or is not, in sync.");
explaining!(explain_invoice Invoice Invoice "/api/v1/invoices/{id}/explain" "invoice"
    "Why an invoice or a bill is, or is not, in sync.");
explaining!(explain_payment Payment Payment "/api/v1/payments/{id}/explain" "payment"
    "Why a payment is, or is not, in sync.");
explaining!(explain_bank_transaction BankTransaction BankTransaction "/api/v1/bank-transactions/{id}/explain"
    "bank transaction" "Why a bank transaction is, or is not, in sync.");
