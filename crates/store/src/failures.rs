//! Failures: records that could not be brought over, listed with their cause until a later attempt succeeds.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use model::{ConnectionId, Kind};

use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// Which way a record was going.
    Direction {
        /// From Xero to the books.
        Pull = "PULL",
        /// From the books to Xero.
        Push = "PUSH",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that declares stored enums marks no default")]
impl Default for Direction {
    fn default() -> Self {
        Self::Pull
    }
}

/// A record that could not be brought over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewFailure {
    /// Which way it was going.
    pub direction: Direction,
    /// The record in Xero, or what is known of it; `local:` and the local id of one that Xero does not have.
    pub remote_key: String,
    /// The local row, where it is known.
    pub local_id: Option<i64>,
    /// When it is tried again by itself, if it is.
    pub next_try_at: Option<Timestamp>,
    /// Stable code, for example `TO-BAD-RECORD`.
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What Xero sent, shortened.
    pub raw: Option<String>,
}

/// A failure as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Id of the failure.
    pub id: i64,
    /// Kind of the record.
    pub kind: Kind,
    /// Which way it was going.
    pub direction: Direction,
    /// The record in Xero, or what is known of it; `local:` and the local id of one that Xero does not have.
    pub remote_key: String,
    /// The local row, where it is known.
    pub local_id: Option<i64>,
    /// Stable code.
    pub code: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What Xero sent, shortened.
    pub raw: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// When it is tried again by itself, if it is.
    pub next_try_at: Option<Timestamp>,
    /// When a later attempt succeeded.
    pub resolved_at: Option<Timestamp>,
    /// The run that it was last seen in.
    pub run: Option<i64>,
    /// When a person set it aside.
    pub ignored_at: Option<Timestamp>,
    /// Who did.
    pub ignored_by: Option<String>,
    /// Why.
    pub ignored_reason: Option<String>,
}

/// Open failures of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureGroup {
    /// Stable code.
    pub code: String,
    /// Which way the records were going.
    pub direction: Direction,
    /// Their kind.
    pub kind: Kind,
    /// How many there are.
    pub count: i64,
    /// What the newest of them says.
    pub newest_message: String,
    /// When the first was first seen.
    pub first_seen: Timestamp,
    /// When the last was last seen.
    pub last_seen: Timestamp,
}

/// Which failures to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailureFilter {
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// Only those that went this way.
    pub direction: Option<Direction>,
    /// Only those of this cause.
    pub code: Option<String>,
    /// Only those of this local row.
    pub local_id: Option<i64>,
    /// Those that were set aside or are over too.
    pub with_closed: bool,
}

const COLUMNS: &str = "id, kind, direction, remote_key, local_id, code, message, raw, attempts, first_seen_at, \
                       last_seen_at, next_try_at, resolved_at, run_id, ignored_at, ignored_by, ignored_reason";

/// What makes a failure open.
const OPEN: &str = "resolved_at IS NULL AND ignored_at IS NULL";

fn failure(row: &mut Row) -> Result<Failure, Error> {
    Ok(Failure {
        id: row.take()?,
        kind: row.take()?,
        direction: row.take()?,
        remote_key: row.take()?,
        local_id: row.take()?,
        code: row.take()?,
        message: row.take()?,
        raw: row.take()?,
        attempts: row.take()?,
        first_seen_at: row.take()?,
        last_seen_at: row.take()?,
        next_try_at: row.take()?,
        resolved_at: row.take()?,
        run: row.take()?,
        ignored_at: row.take()?,
        ignored_by: row.take()?,
        ignored_reason: row.take()?,
    })
}

impl Tx {
    /// Lists a failure, or counts one more attempt of a listed one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_failure(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        run: i64,
        failure: &NewFailure,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.add_failures(connection, kind, Some(run), std::slice::from_ref(failure), now).await
    }

    /// Lists failures, or counts one more attempt of listed ones. One that was set aside stays so while its cause is
    /// the same.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_failures(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        run: Option<i64>,
        failures: &[NewFailure],
        now: Timestamp,
    ) -> Result<(), Error> {
        let columns = [
            "connection_id",
            "kind",
            "direction",
            "remote_key",
            "local_id",
            "code",
            "message",
            "raw",
            "run_id",
            "next_try_at",
            "first_seen_at",
            "last_seen_at",
        ];
        // Of two about the same record, the later one.
        let last: BTreeMap<_, _> =
            failures.iter().map(|failure| ((failure.direction.as_str(), &failure.remote_key), failure)).collect();
        let mut cells = Vec::with_capacity(columns.len() * last.len());
        for failure in last.into_values() {
            cells.extend([
                Value::Int(connection.0),
                Value::Text(kind.as_str()),
                Value::Text(failure.direction.as_str()),
                Value::Text(&failure.remote_key),
                failure.local_id.map_or(Value::Null, Value::Int),
                Value::Text(failure.code),
                Value::Text(&failure.message),
                failure.raw.as_deref().map_or(Value::Null, Value::Text),
                run.map_or(Value::Null, Value::Int),
                failure.next_try_at.map_or(Value::Null, Value::Instant),
                Value::Instant(now),
                Value::Instant(now),
            ]);
        }
        let still = |column: &str| {
            format!(
                "{column} = CASE WHEN failures.code = excluded.code AND failures.resolved_at IS NULL \
                 THEN failures.{column} END"
            )
        };
        let conflict = format!(
            "ON CONFLICT (connection_id, kind, remote_key, direction) DO UPDATE SET \
             local_id = COALESCE(excluded.local_id, failures.local_id), code = excluded.code, \
             message = excluded.message, raw = excluded.raw, run_id = excluded.run_id, \
             next_try_at = excluded.next_try_at, last_seen_at = excluded.last_seen_at, resolved_at = NULL, \
             attempts = failures.attempts + 1, {}, {}, {}",
            still("ignored_at"),
            still("ignored_by"),
            still("ignored_reason"),
        );
        self.upsert_rows("failures", &columns, &cells, &conflict).await
    }

    /// Keys of a kind's open failures from Xero: mostly none, so that closing them costs one look per page.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_failure_keys(&mut self, connection: ConnectionId, kind: Kind) -> Result<Vec<String>, Error> {
        let sql = format!(
            "SELECT remote_key FROM failures WHERE connection_id = $1 AND kind = $2 AND direction = 'PULL' AND {OPEN}"
        );
        let rows = self.query(&sql, &[Value::Int(connection.0), Value::Text(kind.as_str())]).await?;
        rows.into_iter().map(|mut row| row.take()).collect()
    }

    /// Closes a failure from Xero, because the record came over.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close_failure(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        remote_key: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE failures SET resolved_at = $4 \
                   WHERE connection_id = $1 AND kind = $2 AND remote_key = $3 AND direction = 'PULL' AND resolved_at IS NULL";
        let params =
            [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Text(remote_key), Value::Instant(now)];
        self.execute(sql, &params).await.map(drop)
    }

    /// Open failures of a connection, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_failures(&mut self, connection: ConnectionId, limit: i64) -> Result<Vec<Failure>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND {OPEN} \
             ORDER BY last_seen_at DESC, id DESC LIMIT $2"
        );
        self.query(&sql, &[Value::Int(connection.0), Value::Int(limit)]).await?.iter_mut().map(failure).collect()
    }

    /// Open failures of a connection in the order in which they were first listed, newest first; of one kind or all,
    /// before an id if one is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_failures_before(
        &mut self,
        connection: ConnectionId,
        kind: Option<Kind>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Failure>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND {OPEN} \
             AND (CAST($2 AS TEXT) IS NULL OR kind = $2) AND (CAST($3 AS BIGINT) IS NULL OR id < $3) \
             ORDER BY id DESC LIMIT $4"
        );
        let params = [
            Value::Int(connection.0),
            kind.map_or(Value::Null, |kind| Value::Text(kind.as_str())),
            before.map_or(Value::Null, Value::Int),
            Value::Int(limit),
        ];
        self.query(&sql, &params).await?.iter_mut().map(failure).collect()
    }

    /// Failures, newest first; before an id if one is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failures(
        &mut self,
        connection: ConnectionId,
        filter: &FailureFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Failure>, Error> {
        let which = if filter.with_closed { "TRUE" } else { OPEN };
        let sql = format!(
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND {which} \
             AND (CAST($2 AS TEXT) IS NULL OR kind = $2) AND (CAST($3 AS TEXT) IS NULL OR direction = $3) \
             AND (CAST($4 AS TEXT) IS NULL OR code = $4) AND (CAST($5 AS BIGINT) IS NULL OR local_id = $5) \
             AND (CAST($6 AS BIGINT) IS NULL OR id < $6) ORDER BY id DESC LIMIT $7"
        );
        let params = [
            Value::Int(connection.0),
            filter.kind.bind(),
            filter.direction.bind(),
            filter.code.bind(),
            filter.local_id.bind(),
            before.bind(),
            Value::Int(limit),
        ];
        self.query(&sql, &params).await?.iter_mut().map(failure).collect()
    }

    /// Lists a failure that was set aside again; false if it was not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn restore_failure(&mut self, connection: ConnectionId, id: i64) -> Result<bool, Error> {
        let sql = "UPDATE failures SET ignored_at = NULL, ignored_by = NULL, ignored_reason = NULL \
                   WHERE connection_id = $1 AND id = $2 AND resolved_at IS NULL AND ignored_at IS NOT NULL";
        Ok(self.execute(sql, &[Value::Int(connection.0), Value::Int(id)]).await? > 0)
    }

    /// How many failures are open, by kind.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_open_failures(&mut self, connection: ConnectionId) -> Result<Vec<(Kind, i64)>, Error> {
        let sql = format!(
            "SELECT kind, COUNT(*) FROM failures WHERE connection_id = $1 AND {OPEN} GROUP BY kind ORDER BY kind"
        );
        let rows = self.query(&sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Closes the failures of these local rows on their way to Xero, because they arrived or nothing is left to send.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close_push_failures(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE failures SET resolved_at = $4 WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
                   AND direction = 'PUSH' AND resolved_at IS NULL";
        let params =
            [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids), Value::Instant(now)];
        self.execute(sql, &params).await.map(drop)
    }

    /// The open failures of these local rows on their way to Xero, the newest of each.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_push_failures(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<HashMap<i64, Failure>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
             AND direction = 'PUSH' AND {OPEN} ORDER BY last_seen_at, id"
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        let mut found = HashMap::new();
        for row in &mut self.query(&sql, &params).await? {
            let failure = failure(row)?;
            found.extend(failure.local_id.map(|local| (local, failure)));
        }
        Ok(found)
    }

    /// A failure by id, open or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failure(&mut self, connection: ConnectionId, id: i64) -> Result<Option<Failure>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND id = $2");
        let row = self.query_opt(&sql, &[Value::Int(connection.0), Value::Int(id)]).await?;
        row.map(|mut row| failure(&mut row)).transpose()
    }

    /// Open failures by cause, the largest group first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failure_groups(&mut self, connection: ConnectionId) -> Result<Vec<FailureGroup>, Error> {
        let sql = format!(
            "SELECT f.code, f.direction, f.kind, COUNT(*), MIN(f.first_seen_at), MAX(f.last_seen_at), \
             (SELECT n.message FROM failures n WHERE n.connection_id = $1 AND n.code = f.code \
             AND n.direction = f.direction AND n.kind = f.kind AND n.resolved_at IS NULL AND n.ignored_at IS NULL \
             ORDER BY n.last_seen_at DESC, n.id DESC LIMIT 1) \
             FROM failures f WHERE f.connection_id = $1 AND {OPEN} \
             GROUP BY f.code, f.direction, f.kind ORDER BY COUNT(*) DESC, f.code, f.direction, f.kind"
        );
        let rows = self.query(&sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(FailureGroup {
                    code: row.take()?,
                    direction: row.take()?,
                    kind: row.take()?,
                    count: row.take()?,
                    first_seen: row.take()?,
                    last_seen: row.take()?,
                    newest_message: row.take()?,
                })
            })
            .collect()
    }

    /// Open failures of one cause, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failures_of_code(
        &mut self,
        connection: ConnectionId,
        code: &str,
        limit: i64,
    ) -> Result<Vec<Failure>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND code = $2 AND {OPEN} ORDER BY id LIMIT $3"
        );
        let params = [Value::Int(connection.0), Value::Text(code), Value::Int(limit)];
        self.query(&sql, &params).await?.iter_mut().map(failure).collect()
    }

    /// Sets a failure aside; false if it is not open.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ignore_failure(
        &mut self,
        connection: ConnectionId,
        id: i64,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = format!(
            "UPDATE failures SET ignored_at = $5, ignored_by = $3, ignored_reason = $4 \
             WHERE connection_id = $1 AND id = $2 AND {OPEN}"
        );
        let params =
            [Value::Int(connection.0), Value::Int(id), Value::Text(by), Value::Text(reason), Value::Instant(now)];
        Ok(self.execute(&sql, &params).await? > 0)
    }
}
