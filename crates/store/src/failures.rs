//! Failures: records that could not be brought over, listed with their cause until a later attempt succeeds.

use jiff::Timestamp;
use model::{ConnectionId, Kind};

use crate::value::{Row, Value};
use crate::{Error, Tx};

/// A record that could not be brought over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFailure {
    /// The record in Xero, or what is known of it.
    pub remote_key: String,
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
    /// The record in Xero, or what is known of it.
    pub remote_key: String,
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
}

const COLUMNS: &str = "id, kind, remote_key, code, message, raw, attempts, first_seen_at, last_seen_at";

fn failure(row: &mut Row) -> Result<Failure, Error> {
    Ok(Failure {
        id: row.take()?,
        kind: row.take()?,
        remote_key: row.take()?,
        code: row.take()?,
        message: row.take()?,
        raw: row.take()?,
        attempts: row.take()?,
        first_seen_at: row.take()?,
        last_seen_at: row.take()?,
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
        let sql = "INSERT INTO failures (connection_id, kind, remote_key, code, message, raw, run_id, first_seen_at, last_seen_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (connection_id, kind, remote_key) DO UPDATE SET \
                   code = $4, message = $5, raw = $6, run_id = $7, last_seen_at = $8, resolved_at = NULL, \
                   attempts = failures.attempts + 1";
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            Value::Text(&failure.remote_key),
            Value::Text(failure.code),
            Value::Text(&failure.message),
            failure.raw.as_deref().map_or(Value::Null, Value::Text),
            Value::Int(run),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Open failures' keys of a kind: mostly none, so that closing them costs one look per page.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_failure_keys(&mut self, connection: ConnectionId, kind: Kind) -> Result<Vec<String>, Error> {
        let sql = "SELECT remote_key FROM failures WHERE connection_id = $1 AND kind = $2 AND resolved_at IS NULL";
        let rows = self.query(sql, &[Value::Int(connection.0), Value::Text(kind.as_str())]).await?;
        rows.into_iter().map(|mut row| row.take()).collect()
    }

    /// Closes a failure, because the record came over.
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
                   WHERE connection_id = $1 AND kind = $2 AND remote_key = $3 AND resolved_at IS NULL";
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
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND resolved_at IS NULL \
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
            "SELECT {COLUMNS} FROM failures WHERE connection_id = $1 AND resolved_at IS NULL \
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

    /// How many failures are open, by kind.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_open_failures(&mut self, connection: ConnectionId) -> Result<Vec<(Kind, i64)>, Error> {
        let sql = "SELECT kind, COUNT(*) FROM failures WHERE connection_id = $1 AND resolved_at IS NULL \
                   GROUP BY kind ORDER BY kind";
        let rows = self.query(sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }
}
