//! Conflicts: fields that both sides changed differently, and how each ended.

use std::collections::HashMap;

use jiff::Timestamp;
use model::{ConnectionId, Kind};
use uuid::Uuid;

use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// How a conflict stands.
    ConflictState {
        /// Somebody must decide.
        Pending = "PENDING",
        /// Decided, by a person or by the policy.
        Resolved = "RESOLVED",
        /// Set aside, or both sides agree again.
        Ignored = "IGNORED",
    }
}

stored! {
    /// How a conflict was resolved.
    Resolution {
        /// The App's value went to Xero.
        KeepApp = "KEEP_APP",
        /// Xero's value went to the App.
        KeepXero = "KEEP_XERO",
        /// Both got a third value.
        ManualMerge = "MANUAL_MERGE",
    }
}

/// A conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its id.
    pub id: i64,
    /// Kind of the record.
    pub kind: Kind,
    /// The local row.
    pub local_id: i64,
    /// The record in Xero.
    pub xero_id: Uuid,
    /// `FIELD`, `PRESENCE`, `POSSIBLE_OVERWRITE` or `SUSPECTED_DUPLICATE`.
    pub what: String,
    /// Path of the field.
    pub field: String,
    /// JSON: the value that both sides last agreed on.
    pub base: Option<String>,
    /// JSON: the App's value.
    pub app: Option<String>,
    /// JSON: Xero's value.
    pub xero: Option<String>,
    /// When the App's record changed.
    pub app_changed_at: Option<Timestamp>,
    /// When Xero's record changed.
    pub xero_changed_at: Option<Timestamp>,
    /// The policy that applied.
    pub policy: String,
    /// How it stands.
    pub state: ConflictState,
    /// How it was resolved.
    pub resolution: Option<Resolution>,
    /// JSON: the value that the field got.
    pub result: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Who took the decision back.
    pub undone_by: Option<String>,
    /// When.
    pub undone_at: Option<Timestamp>,
    /// The run that found it.
    pub run: Option<i64>,
    /// When it was found.
    pub created_at: Timestamp,
    /// When its values or state last changed.
    pub updated_at: Timestamp,
}

/// A conflict that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConflict {
    /// Kind of the record.
    pub kind: Kind,
    /// The local row.
    pub local_id: i64,
    /// The record in Xero.
    pub xero_id: Uuid,
    /// `FIELD`, `PRESENCE`, `POSSIBLE_OVERWRITE` or `SUSPECTED_DUPLICATE`.
    pub what: &'static str,
    /// Path of the field.
    pub field: String,
    /// JSON: the value that both sides last agreed on.
    pub base: Option<String>,
    /// JSON: the App's value.
    pub app: Option<String>,
    /// JSON: Xero's value.
    pub xero: Option<String>,
    /// When the App's record changed.
    pub app_changed_at: Option<Timestamp>,
    /// When Xero's record changed.
    pub xero_changed_at: Option<Timestamp>,
    /// The policy that applied.
    pub policy: &'static str,
    /// Pending, or decided by the policy at once.
    pub state: ConflictState,
    /// How the policy resolved it.
    pub resolution: Option<Resolution>,
    /// JSON: the value that the field got.
    pub result: Option<String>,
    /// Who decided, for one that is not pending.
    pub decided_by: Option<String>,
    /// The run that found it.
    pub run: Option<i64>,
}

/// Which conflicts to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConflictFilter {
    /// Only those that stand so.
    pub state: Option<ConflictState>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// Only those of this local row.
    pub local_id: Option<i64>,
}

const COLUMNS: &str = "id, kind, local_id, xero_id, what, field, base, app, xero, app_changed_at, xero_changed_at, \
                       policy, state, resolution, result, decided_by, decided_at, undone_by, undone_at, run_id, \
                       created_at, updated_at";

fn conflict(row: &mut Row) -> Result<Conflict, Error> {
    Ok(Conflict {
        id: row.take()?,
        kind: row.take()?,
        local_id: row.take()?,
        xero_id: row.take()?,
        what: row.take()?,
        field: row.take()?,
        base: row.take()?,
        app: row.take()?,
        xero: row.take()?,
        app_changed_at: row.take()?,
        xero_changed_at: row.take()?,
        policy: row.take()?,
        state: row.take()?,
        resolution: row.take()?,
        result: row.take()?,
        decided_by: row.take()?,
        decided_at: row.take()?,
        undone_by: row.take()?,
        undone_at: row.take()?,
        run: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

impl Tx {
    /// Records conflicts and returns their ids, in order. A pending one of the same record and field is brought up to
    /// date instead, and ends where the new one is decided.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_conflicts(
        &mut self,
        connection: ConnectionId,
        conflicts: &[NewConflict],
        now: Timestamp,
    ) -> Result<Vec<i64>, Error> {
        let update = "UPDATE conflicts SET xero_id = $5, what = $6, base = $7, app = $8, xero = $9, \
                      app_changed_at = $10, xero_changed_at = $11, policy = $12, state = $13, resolution = $14, \
                      result = $15, decided_by = $16, decided_at = $17, run_id = COALESCE($18, run_id), \
                      updated_at = $19 \
                      WHERE connection_id = $1 AND kind = $2 AND local_id = $3 AND field = $4 AND state = 'PENDING' \
                      RETURNING id";
        let insert = "INSERT INTO conflicts (connection_id, kind, local_id, field, xero_id, what, base, app, xero, \
                      app_changed_at, xero_changed_at, policy, state, resolution, result, decided_by, decided_at, \
                      run_id, created_at, updated_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
                      $19) RETURNING id";
        let mut ids = Vec::with_capacity(conflicts.len());
        for new in conflicts {
            let decided_at = (new.state != ConflictState::Pending).then_some(now);
            let params = [
                Value::Int(connection.0),
                Value::Text(new.kind.as_str()),
                Value::Int(new.local_id),
                Value::Text(&new.field),
                Value::Uuid(new.xero_id),
                Value::Text(new.what),
                new.base.bind(),
                new.app.bind(),
                new.xero.bind(),
                new.app_changed_at.bind(),
                new.xero_changed_at.bind(),
                Value::Text(new.policy),
                Value::Text(new.state.as_str()),
                new.resolution.bind(),
                new.result.bind(),
                new.decided_by.bind(),
                decided_at.bind(),
                new.run.bind(),
                Value::Instant(now),
            ];
            let id = match self.query_opt(update, &params).await? {
                Some(mut row) => row.take()?,
                None => self.query_one(insert, &params).await?.take()?,
            };
            ids.push(id);
        }
        Ok(ids)
    }

    /// The pending conflicts of these local rows, by field.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pending_conflicts(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<HashMap<i64, Vec<Conflict>>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM conflicts WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
             AND state = 'PENDING' ORDER BY local_id, field"
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        let mut found: HashMap<i64, Vec<Conflict>> = HashMap::new();
        for row in &mut self.query(&sql, &params).await? {
            let conflict = conflict(row)?;
            found.entry(conflict.local_id).or_default().push(conflict);
        }
        Ok(found)
    }

    /// What stands between both sides of these local rows, by field: pending conflicts, and those that a person set aside
    /// and that are the last of their field.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn standing_conflicts(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<HashMap<i64, Vec<Conflict>>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM conflicts c WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
             AND (state = 'PENDING' OR (state = 'IGNORED' AND decided_by <> 'engine' AND undone_at IS NULL \
             AND what IN ('FIELD', 'PRESENCE') \
             AND NOT EXISTS (SELECT 1 FROM conflicts n WHERE n.connection_id = $1 AND n.kind = $2 \
             AND n.local_id = c.local_id AND n.field = c.field AND n.id > c.id))) ORDER BY local_id, field"
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        let mut found: HashMap<i64, Vec<Conflict>> = HashMap::new();
        for row in &mut self.query(&sql, &params).await? {
            let conflict = conflict(row)?;
            found.entry(conflict.local_id).or_default().push(conflict);
        }
        Ok(found)
    }

    /// Sets aside pending conflicts of these fields, because both sides agree again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn withdraw_conflicts<F: AsRef<str> + Sync>(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_id: i64,
        fields: &[F],
        now: Timestamp,
    ) -> Result<(), Error> {
        if fields.is_empty() {
            return Ok(());
        }
        let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
        let sql = "UPDATE conflicts SET state = 'IGNORED', decided_by = 'engine', decided_at = $5, updated_at = $5 \
                   WHERE connection_id = $1 AND kind = $2 AND local_id = $3 AND field = ANY($4) AND state = 'PENDING'";
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            Value::Int(local_id),
            Value::Texts(&fields),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Decides a conflict; false if it is not pending any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn decide_conflict(
        &mut self,
        id: i64,
        state: ConflictState,
        resolution: Option<Resolution>,
        result: Option<&str>,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "UPDATE conflicts SET state = $2, resolution = $3, result = $4, decided_by = $5, decided_at = $6, \
                   updated_at = $6 WHERE id = $1 AND state = 'PENDING'";
        let params = [
            Value::Int(id),
            state.bind(),
            resolution.bind(),
            result.map_or(Value::Null, Value::Text),
            Value::Text(by),
            Value::Instant(now),
        ];
        Ok(self.execute(sql, &params).await? > 0)
    }

    /// Notes that a decision was taken back; false if there is none, or it was already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn undo_conflict(&mut self, id: i64, by: &str, now: Timestamp) -> Result<bool, Error> {
        let sql = "UPDATE conflicts SET undone_by = $2, undone_at = $3, updated_at = $3 \
                   WHERE id = $1 AND state <> 'PENDING' AND undone_at IS NULL";
        Ok(self.execute(sql, &[Value::Int(id), Value::Text(by), Value::Instant(now)]).await? > 0)
    }

    /// A conflict by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn conflict(&mut self, connection: ConnectionId, id: i64) -> Result<Option<Conflict>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM conflicts WHERE connection_id = $1 AND id = $2");
        let row = self.query_opt(&sql, &[Value::Int(connection.0), Value::Int(id)]).await?;
        row.map(|mut row| conflict(&mut row)).transpose()
    }

    /// Conflicts, newest first; before an id if one is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn conflicts(
        &mut self,
        connection: ConnectionId,
        filter: &ConflictFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Conflict>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM conflicts WHERE connection_id = $1 \
             AND (CAST($2 AS TEXT) IS NULL OR state = $2) AND (CAST($3 AS TEXT) IS NULL OR kind = $3) \
             AND (CAST($4 AS BIGINT) IS NULL OR local_id = $4) AND (CAST($5 AS BIGINT) IS NULL OR id < $5) \
             ORDER BY id DESC LIMIT $6"
        );
        let params = [
            Value::Int(connection.0),
            filter.state.bind(),
            filter.kind.bind(),
            filter.local_id.bind(),
            before.bind(),
            Value::Int(limit),
        ];
        self.query(&sql, &params).await?.iter_mut().map(conflict).collect()
    }

    /// How many conflicts are pending, by kind; kinds without any are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_pending_conflicts(&mut self, connection: ConnectionId) -> Result<Vec<(Kind, i64)>, Error> {
        let sql = "SELECT kind, COUNT(*) FROM conflicts WHERE connection_id = $1 AND state = 'PENDING' \
                   GROUP BY kind ORDER BY kind";
        let rows = self.query(sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }
}
