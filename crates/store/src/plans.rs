//! Plans: what a sync would do, as it was shown to a person.

use jiff::Timestamp;
use model::ConnectionId;

use crate::runs::{Mode, stored};
use crate::value::{Column, Value};
use crate::{Error, Tx};

stored! {
    /// How a plan stands.
    PlanState {
        /// It was shown.
        Open = "OPEN",
        /// It was carried out.
        Applied = "APPLIED",
    }
}

/// A plan as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlan {
    /// Its id.
    pub id: i64,
    /// How much it reads.
    pub mode: Mode,
    /// How it stands.
    pub state: PlanState,
    /// JSON: what would be done, in order.
    pub items: String,
    /// Calls to Xero that it would take.
    pub calls: i64,
    /// Who asked for it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// When it was carried out.
    pub applied_at: Option<Timestamp>,
}

impl Tx {
    /// Keeps a plan and returns its id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_plan(
        &mut self,
        connection: ConnectionId,
        mode: Mode,
        items: &str,
        calls: i64,
        by: &str,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let sql = "INSERT INTO plans (connection_id, mode, state, items, calls, made_by, made_at) \
                   VALUES ($1, $2, 'OPEN', $3, $4, $5, $6) RETURNING id";
        let params = [
            Value::Int(connection.0),
            mode.bind(),
            Value::Text(items),
            Value::Int(calls),
            Value::Text(by),
            Value::Instant(now),
        ];
        self.query_one(sql, &params).await?.take()
    }

    /// A plan by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plan(&mut self, connection: ConnectionId, id: i64) -> Result<Option<StoredPlan>, Error> {
        let sql = "SELECT id, mode, state, items, calls, made_by, made_at, applied_at FROM plans \
                   WHERE connection_id = $1 AND id = $2";
        let row = self.query_opt(sql, &[Value::Int(connection.0), Value::Int(id)]).await?;
        row.map(|mut row| {
            Ok(StoredPlan {
                id: row.take()?,
                mode: row.take()?,
                state: row.take()?,
                items: row.take()?,
                calls: row.take()?,
                made_by: row.take()?,
                made_at: row.take()?,
                applied_at: row.take()?,
            })
        })
        .transpose()
    }

    /// Notes that a plan was carried out; false if it was already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plan_applied(&mut self, id: i64, now: Timestamp) -> Result<bool, Error> {
        let sql = "UPDATE plans SET state = 'APPLIED', applied_at = $2 WHERE id = $1 AND state = 'OPEN'";
        Ok(self.execute(sql, &[Value::Int(id), Value::Instant(now)]).await? > 0)
    }
}
