//! The event log: what happened, in order; feeds streams and outgoing webhooks.

use jiff::Timestamp;
use model::{Kind, OrgId};

use crate::value::{Row, Value};
use crate::{Error, Tx};

/// An event to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, for example `record.updated`.
    pub what: &'static str,
    /// Kind of the record, where it is about one.
    pub kind: Option<Kind>,
    /// The record, where it is about one.
    pub local_id: Option<i64>,
    /// The run that it happened in.
    pub run: Option<i64>,
    /// More, as JSON; no personal data.
    pub details: Option<String>,
}

/// An event as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub id: i64,
    /// What happened.
    pub what: String,
    /// Kind of the record, where it is about one.
    pub kind: Option<Kind>,
    /// The record, where it is about one.
    pub local_id: Option<i64>,
    /// The run that it happened in.
    pub run: Option<i64>,
    /// More, as JSON.
    pub details: Option<String>,
    /// When.
    pub at: Timestamp,
}

fn event(row: &mut Row) -> Result<Event, Error> {
    Ok(Event {
        id: row.take()?,
        what: row.take()?,
        kind: row.take()?,
        local_id: row.take()?,
        run: row.take()?,
        details: row.take()?,
        at: row.take()?,
    })
}

impl Tx {
    /// Appends events, in order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_events(&mut self, org: OrgId, events: &[NewEvent], now: Timestamp) -> Result<(), Error> {
        let ids = self.allocate_ids("events", events.len()).await?;
        let mut cells = Vec::with_capacity(8 * events.len());
        for (event, id) in events.iter().zip(ids) {
            cells.extend([
                Value::Int(id),
                Value::Int(org.0),
                Value::Text(event.what),
                event.kind.map_or(Value::Null, |kind| Value::Text(kind.as_str())),
                event.local_id.map_or(Value::Null, Value::Int),
                event.run.map_or(Value::Null, Value::Int),
                event.details.as_deref().map_or(Value::Null, Value::Text),
                Value::Instant(now),
            ]);
        }
        let columns = ["id", "org_id", "what", "kind", "local_id", "run_id", "details", "at"];
        self.insert_rows("events", &columns, &cells).await
    }

    /// The last events of one record, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn events_of(&mut self, org: OrgId, kind: Kind, local_id: i64, limit: i64) -> Result<Vec<Event>, Error> {
        let sql = "SELECT id, what, kind, local_id, run_id, details, at FROM events \
                   WHERE org_id = $1 AND kind = $2 AND local_id = $3 ORDER BY id DESC LIMIT $4";
        let params = [Value::Int(org.0), Value::Text(kind.as_str()), Value::Int(local_id), Value::Int(limit)];
        self.query(sql, &params).await?.iter_mut().map(event).collect()
    }

    /// Events of an organisation after a place in the log.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn events_after(&mut self, org: OrgId, after: i64, limit: i64) -> Result<Vec<Event>, Error> {
        let sql = "SELECT id, what, kind, local_id, run_id, details, at FROM events \
                   WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self.query(sql, &[Value::Int(org.0), Value::Int(after), Value::Int(limit)]).await?;
        rows.into_iter().map(|mut row| event(&mut row)).collect()
    }
}
