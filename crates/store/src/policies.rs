//! Policies: who wins when both sides changed a field, by kind and field.

use jiff::Timestamp;
use model::ConnectionId;

use crate::value::Value;
use crate::{Error, Tx};

/// A policy that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its kind; empty for all kinds.
    pub kind: String,
    /// Its field; empty for all fields.
    pub field: String,
    /// `LAST_WRITE`, `APP`, `XERO` or `ASK`.
    pub policy: String,
    /// Who set it.
    pub changed_by: String,
    /// When.
    pub changed_at: Timestamp,
}

impl Tx {
    /// The policies of a connection, by kind and field.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn policies(&mut self, connection: ConnectionId) -> Result<Vec<PolicyRow>, Error> {
        let sql = "SELECT kind, field, policy, changed_by, changed_at FROM policies WHERE connection_id = $1 \
                   ORDER BY kind, field";
        let rows = self.query(sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(PolicyRow {
                    kind: row.take()?,
                    field: row.take()?,
                    policy: row.take()?,
                    changed_by: row.take()?,
                    changed_at: row.take()?,
                })
            })
            .collect()
    }

    /// Sets a policy; an empty kind means all, an empty field the kind's own rule.
    ///
    /// # Errors
    /// [`Error::Constraint`] for a policy that does not exist.
    pub async fn set_policy(
        &mut self,
        connection: ConnectionId,
        kind: &str,
        field: &str,
        policy: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO policies (connection_id, kind, field, policy, changed_by, changed_at) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (connection_id, kind, field) DO UPDATE SET \
                   policy = $4, changed_by = $5, changed_at = $6";
        let params = [
            Value::Int(connection.0),
            Value::Text(kind),
            Value::Text(field),
            Value::Text(policy),
            Value::Text(by),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Takes a policy back, so that the more general one applies; false if there was none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn clear_policy(&mut self, connection: ConnectionId, kind: &str, field: &str) -> Result<bool, Error> {
        let sql = "DELETE FROM policies WHERE connection_id = $1 AND kind = $2 AND field = $3";
        let params = [Value::Int(connection.0), Value::Text(kind), Value::Text(field)];
        Ok(self.execute(sql, &params).await? > 0)
    }
}
