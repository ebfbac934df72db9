//! Cursors: how far each kind has been read, and the pull that is under way.

use jiff::Timestamp;
use model::{ConnectionId, Kind};

use crate::value::Value;
use crate::{Error, Tx};

/// How far one kind of one connection has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Everything that changed in Xero before this instant is in the books; `None` before the first full pull ended.
    pub read_until: Option<Timestamp>,
    /// The run that is pulling, if one is under way.
    pub run: Option<i64>,
    /// What `read_until` will be when that run is through.
    pub pull_from: Option<Timestamp>,
    /// The next page that the run reads, from 1. Pages are in the order of an id that never changes, to which rows only
    /// ever join, so a page number stays a safe place to go on from.
    pub next_page: i64,
    /// Rows of a page by which `next_page` was counted; 0 if nobody knows.
    pub page_size: i64,
    /// The pass that the run is in: 0 is its first, later ones catch up with what changed during a long one.
    pub pass: i64,
    /// True once that run has read this kind to its end.
    pub complete: bool,
    /// True once every record of this kind was read, in one reading of the whole list. What Xero has is known then, so
    /// that what is not among it may be created there.
    pub read_whole: bool,
}

impl Tx {
    /// The cursor of a kind; a fresh one if it was never read.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn cursor(&mut self, connection: ConnectionId, kind: Kind) -> Result<Cursor, Error> {
        let sql = "SELECT read_until, run_id, pull_from, next_page, page_size, pass, complete, read_whole FROM cursors \
                   WHERE connection_id = $1 AND kind = $2";
        let Some(mut row) = self.query_opt(sql, &[Value::Int(connection.0), Value::Text(kind.as_str())]).await? else {
            return Ok(Cursor { next_page: 1, ..Cursor::default() });
        };
        Ok(Cursor {
            read_until: row.take()?,
            run: row.take()?,
            pull_from: row.take()?,
            next_page: row.take()?,
            page_size: row.take()?,
            pass: row.take()?,
            complete: row.take()?,
            read_whole: row.take()?,
        })
    }

    /// Saves the cursor of a kind, in the transaction of what it vouches for.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn save_cursor(&mut self, connection: ConnectionId, kind: Kind, cursor: &Cursor) -> Result<(), Error> {
        let sql = "INSERT INTO cursors (connection_id, kind, read_until, run_id, pull_from, next_page, page_size, pass, \
                   complete, read_whole) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                   ON CONFLICT (connection_id, kind) DO UPDATE SET read_until = $3, run_id = $4, pull_from = $5, \
                   next_page = $6, page_size = $7, pass = $8, complete = $9, read_whole = $10";
        let instant = |at: Option<Timestamp>| at.map_or(Value::Null, Value::Instant);
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            instant(cursor.read_until),
            cursor.run.map_or(Value::Null, Value::Int),
            instant(cursor.pull_from),
            Value::Int(cursor.next_page),
            Value::Int(cursor.page_size),
            Value::Int(cursor.pass),
            Value::Bool(cursor.complete),
            Value::Bool(cursor.read_whole),
        ];
        self.execute(sql, &params).await.map(drop)
    }
}
