//! Outgoing writes: one intent per record and change, durable before anything leaves, and the requests that carry them.
//!
//! reliability.md: an intent is PLANNED until a request with its frozen bytes is recorded (SENDING); from then on it ends
//! by an answer, by the certainty that nothing was applied (PLANNED again), or waits as UNKNOWN until a look-up says.

use std::collections::HashMap;

use jiff::Timestamp;
use model::{ConnectionId, Kind};
use uuid::Uuid;

use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// What a write does to the record in Xero.
    Op {
        /// It makes one.
        Create = "CREATE",
        /// It changes it.
        Update = "UPDATE",
        /// It voids, deletes or archives it.
        Remove = "REMOVE",
    }
}

stored! {
    /// How an intent stands.
    IntentState {
        /// Nothing was sent.
        Planned = "PLANNED",
        /// A request may be on its way.
        Sending = "SENDING",
        /// Sent, no answer; a look-up decides.
        Unknown = "UNKNOWN",
        /// It arrived.
        Done = "DONE",
        /// Xero, or our own rules, refused it.
        Refused = "REFUSED",
        /// Nothing was left to do.
        Dropped = "DROPPED",
    }
}

stored! {
    /// How a request stands.
    SendState {
        /// It may be on its way.
        Sending = "SENDING",
        /// Sent, no answer; it must not be sent again.
        Unknown = "UNKNOWN",
        /// Answered, or known not applied.
        Ended = "ENDED",
    }
}

/// One record's outgoing write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its id.
    pub id: i64,
    /// Kind of the record.
    pub kind: Kind,
    /// The local row, which may be gone.
    pub local_id: i64,
    /// The record in Xero; none before a create is answered.
    pub xero_id: Option<Uuid>,
    /// What it does.
    pub op: Op,
    /// How it stands.
    pub state: IntentState,
    /// JSON: names of the fields that change.
    pub fields: String,
    /// The element, frozen.
    pub body: Option<Vec<u8>>,
    /// Canonical JSON of what both sides agree on once it has arrived.
    pub acked: Option<Vec<u8>>,
    /// JSON: what a look-up finds a created record by.
    pub marker: Option<String>,
    /// From 1; each has an idempotency key of its own.
    pub attempt: i64,
    /// The request that carries it.
    pub send: Option<i64>,
    /// Its place in that request, from 0.
    pub position: Option<i64>,
    /// When a look-up first found nothing, after the time in which the request could still land.
    pub absent_at: Option<Timestamp>,
    /// Nothing is done with it before.
    pub not_before: Option<Timestamp>,
    /// Who or what caused it.
    pub triggered_by: String,
    /// The run that planned it.
    pub run: Option<i64>,
    /// Stable code of why it waits or ended.
    pub code: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
}

/// An intent to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIntent {
    /// Kind of the record.
    pub kind: Kind,
    /// The local row, which may be gone.
    pub local_id: i64,
    /// The record in Xero, unless it is created.
    pub xero_id: Option<Uuid>,
    /// What it does.
    pub op: Op,
    /// JSON: names of the fields that change.
    pub fields: String,
    /// The element, if it is frozen already.
    pub body: Option<Vec<u8>>,
    /// Canonical JSON of what both sides agree on once it has arrived.
    pub acked: Option<Vec<u8>>,
    /// JSON: what a look-up finds a created record by.
    pub marker: Option<String>,
    /// Who or what caused it.
    pub triggered_by: String,
    /// The run that planned it.
    pub run: Option<i64>,
}

/// How an intent ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentEnd {
    /// The intent.
    pub id: i64,
    /// [`IntentState::Done`], [`IntentState::Refused`] or [`IntentState::Dropped`].
    pub state: IntentState,
    /// The record in Xero, where it is known only now; `None` keeps what is known.
    pub xero_id: Option<Uuid>,
    /// Stable code of why, for refused ones.
    pub code: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
}

/// One HTTP request that writes to Xero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Its id.
    pub id: i64,
    /// Kind of the records.
    pub kind: Kind,
    /// `PUT` or `POST`.
    pub method: String,
    /// The record that a request to a single record names in its path.
    pub target: Option<Uuid>,
    /// Xero answers a repeated one as it answered the first.
    pub idempotency_key: String,
    /// The bytes, frozen.
    pub body: Vec<u8>,
    /// How many records they hold.
    pub elements: i64,
    /// How it stands.
    pub state: SendState,
    /// How often it was sent.
    pub attempts: i64,
    /// When it was first sent.
    pub first_sent_at: Timestamp,
    /// When it was last sent.
    pub last_sent_at: Timestamp,
}

/// A request about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSend {
    /// Kind of the records.
    pub kind: Kind,
    /// `PUT` or `POST`.
    pub method: &'static str,
    /// The record that a request to a single record names in its path.
    pub target: Option<Uuid>,
    /// Xero answers a repeated one as it answered the first.
    pub idempotency_key: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// The lease's fence.
    pub fence: i64,
}

/// One record's part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendPart {
    /// Its intent.
    pub intent: i64,
    /// The element.
    pub body: Vec<u8>,
    /// Canonical JSON of what both sides agree on once it has arrived.
    pub acked: Vec<u8>,
    /// JSON: names of the fields that change.
    pub fields: String,
}

const COLUMNS: &str = "id, kind, local_id, xero_id, op, state, fields, body, acked, marker, attempt, send_id, position, \
                       absent_at, not_before, triggered_by, run_id, code, message, created_at, updated_at";
const SEND_COLUMNS: &str = "id, kind, method, target, idempotency_key, body, elements, state, attempts, \
                            first_sent_at, last_sent_at";
/// Word for word the condition of the partial index, or SQLite does not see that it serves.
const OPEN: &str = "state IN ('PLANNED', 'SENDING', 'UNKNOWN')";

fn intent(row: &mut Row) -> Result<Intent, Error> {
    Ok(Intent {
        id: row.take()?,
        kind: row.take()?,
        local_id: row.take()?,
        xero_id: row.take()?,
        op: row.take()?,
        state: row.take()?,
        fields: row.take()?,
        body: row.take()?,
        acked: row.take()?,
        marker: row.take()?,
        attempt: row.take()?,
        send: row.take()?,
        position: row.take()?,
        absent_at: row.take()?,
        not_before: row.take()?,
        triggered_by: row.take()?,
        run: row.take()?,
        code: row.take()?,
        message: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

fn send(row: &mut Row) -> Result<Send, Error> {
    Ok(Send {
        id: row.take()?,
        kind: row.take()?,
        method: row.take()?,
        target: row.take()?,
        idempotency_key: row.take()?,
        body: row.take()?,
        elements: row.take()?,
        state: row.take()?,
        attempts: row.take()?,
        first_sent_at: row.take()?,
        last_sent_at: row.take()?,
    })
}

impl Tx {
    /// Plans writes and returns their ids, in order.
    ///
    /// # Errors
    /// [`Error::Constraint`] if a record has an open one already.
    pub async fn plan_intents(
        &mut self,
        connection: ConnectionId,
        intents: &[NewIntent],
        now: Timestamp,
    ) -> Result<Vec<i64>, Error> {
        let ids = self.allocate_ids("intents", intents.len()).await?;
        let columns = [
            "id",
            "connection_id",
            "kind",
            "local_id",
            "xero_id",
            "op",
            "state",
            "fields",
            "body",
            "acked",
            "marker",
            "triggered_by",
            "run_id",
            "created_at",
            "updated_at",
        ];
        let mut cells = Vec::with_capacity(columns.len() * intents.len());
        for (intent, id) in intents.iter().zip(&ids) {
            cells.extend([
                Value::Int(*id),
                Value::Int(connection.0),
                Value::Text(intent.kind.as_str()),
                Value::Int(intent.local_id),
                intent.xero_id.bind(),
                Value::Text(intent.op.as_str()),
                Value::Text(IntentState::Planned.as_str()),
                Value::Text(&intent.fields),
                intent.body.bind(),
                intent.acked.bind(),
                intent.marker.bind(),
                Value::Text(&intent.triggered_by),
                intent.run.bind(),
                Value::Instant(now),
                Value::Instant(now),
            ]);
        }
        self.insert_rows("intents", &columns, &cells).await?;
        Ok(ids)
    }

    async fn intents(&mut self, rest: &str, params: &[Value<'_>]) -> Result<Vec<Intent>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM intents WHERE {rest}");
        self.query(&sql, params).await?.iter_mut().map(intent).collect()
    }

    /// The open intents of these local rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_intents_of(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<HashMap<i64, Intent>, Error> {
        let rest = format!("connection_id = $1 AND kind = $2 AND local_id = ANY($3) AND {OPEN}");
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        Ok(self.intents(&rest, &params).await?.into_iter().map(|intent| (intent.local_id, intent)).collect())
    }

    /// Open intents that create records of a kind, by id: a record that is new in Xero may be one of theirs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_creates(&mut self, connection: ConnectionId, kind: Kind) -> Result<Vec<Intent>, Error> {
        let rest = format!("connection_id = $1 AND kind = $2 AND op = 'CREATE' AND {OPEN} ORDER BY id");
        self.intents(&rest, &[Value::Int(connection.0), Value::Text(kind.as_str())]).await
    }

    /// Planned intents that are due, by id, after one of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn planned_intents(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        op: Op,
        now: Timestamp,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Intent>, Error> {
        let rest = "connection_id = $1 AND kind = $2 AND op = $3 AND state = 'PLANNED' \
                    AND (not_before IS NULL OR not_before <= $4) AND id > $5 ORDER BY id LIMIT $6";
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            op.bind(),
            Value::Instant(now),
            Value::Int(after),
            Value::Int(limit),
        ];
        self.intents(rest, &params).await
    }

    /// Records a request and what each of its records sends, before its first byte leaves; returns its id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_send(
        &mut self,
        connection: ConnectionId,
        send: &NewSend,
        parts: &[SendPart],
        now: Timestamp,
    ) -> Result<i64, Error> {
        let planned: Vec<i64> = parts.iter().map(|part| part.intent).collect();
        let lock = "SELECT id FROM intents WHERE id = ANY($1) AND state = 'PLANNED' ORDER BY id FOR UPDATE";
        if self.query(lock, &[Value::Ints(&planned)]).await?.len() != parts.len() {
            return Err(Error::Constraint("an intent is not planned any more: a pull has found its record".into()));
        }
        let sql = "INSERT INTO sends (connection_id, kind, method, target, idempotency_key, body, elements, state, \
                   fence, first_sent_at, last_sent_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'SENDING', $8, $9, $9) \
                   RETURNING id";
        let params = [
            Value::Int(connection.0),
            Value::Text(send.kind.as_str()),
            Value::Text(send.method),
            send.target.bind(),
            Value::Text(&send.idempotency_key),
            Value::Bytes(&send.body),
            Value::Int(i64::try_from(parts.len()).unwrap_or(i64::MAX)),
            Value::Int(send.fence),
            Value::Instant(now),
        ];
        let id: i64 = self.query_one(sql, &params).await?.take()?;
        let columns = [
            "id",
            "state",
            "send_id",
            "position",
            "body",
            "acked",
            "fields",
            "not_before",
            "code",
            "message",
            "updated_at",
        ];
        let mut cells = Vec::with_capacity(columns.len() * parts.len());
        for (position, part) in (0..).zip(parts) {
            cells.extend([
                Value::Int(part.intent),
                Value::Text(IntentState::Sending.as_str()),
                Value::Int(id),
                Value::Int(position),
                Value::Bytes(&part.body),
                Value::Bytes(&part.acked),
                Value::Text(&part.fields),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Instant(now),
            ]);
        }
        self.update_rows("intents", &columns, 1, &cells).await?;
        Ok(id)
    }

    /// Requests that may be on their way, by id. Those whose answer never came are found by their intents.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_sends(&mut self, connection: ConnectionId) -> Result<Vec<Send>, Error> {
        let sql =
            format!("SELECT {SEND_COLUMNS} FROM sends WHERE connection_id = $1 AND state = 'SENDING' ORDER BY id");
        self.query(&sql, &[Value::Int(connection.0)]).await?.iter_mut().map(send).collect()
    }

    /// A request by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn send(&mut self, id: i64) -> Result<Option<Send>, Error> {
        let sql = format!("SELECT {SEND_COLUMNS} FROM sends WHERE id = $1");
        self.query_opt(&sql, &[Value::Int(id)]).await?.map(|mut row| send(&mut row)).transpose()
    }

    /// Gives up on one record of an answer that could not be read: a look-up decides, not before this instant.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn intent_unknown(&mut self, intent: i64, not_before: Timestamp, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE intents SET state = 'UNKNOWN', not_before = $2, updated_at = $3 \
                   WHERE id = $1 AND state = 'SENDING'";
        self.execute(sql, &[Value::Int(intent), Value::Instant(not_before), Value::Instant(now)]).await.map(drop)
    }

    /// Requests by id, without the bytes that they sent.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_sent_at(&mut self, sends: &[i64]) -> Result<HashMap<i64, Timestamp>, Error> {
        let rows = self.query("SELECT id, last_sent_at FROM sends WHERE id = ANY($1)", &[Value::Ints(sends)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// The request that an intent was last sent with, unless that was known not to be applied.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_send_of(&mut self, intent: i64) -> Result<Option<Send>, Error> {
        let sql = format!("SELECT {SEND_COLUMNS} FROM sends WHERE id = (SELECT send_id FROM intents WHERE id = $1)");
        self.query_opt(&sql, &[Value::Int(intent)]).await?.map(|mut row| send(&mut row)).transpose()
    }

    /// The intents of a request, in the order of its elements.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn intents_of_send(&mut self, send: i64) -> Result<Vec<Intent>, Error> {
        self.intents("send_id = $1 ORDER BY position", &[Value::Int(send)]).await
    }

    /// Notes that a request is sent once more, byte for byte.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn send_again(&mut self, send: i64, fence: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE sends SET attempts = attempts + 1, last_sent_at = $3, fence = $2 WHERE id = $1";
        self.execute(sql, &[Value::Int(send), Value::Int(fence), Value::Instant(now)]).await.map(drop)
    }

    /// Ends a request that was answered.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_send(
        &mut self,
        send: i64,
        outcome: &str,
        correlation: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE sends SET state = 'ENDED', outcome = $2, correlation_id = $3, ended_at = $4 WHERE id = $1";
        let params =
            [Value::Int(send), Value::Text(outcome), correlation.map_or(Value::Null, Value::Text), Value::Instant(now)];
        self.execute(sql, &params).await.map(drop)
    }

    /// Gives up on a request's answer: a look-up decides what became of each of its records, not before this instant.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn send_unknown(&mut self, send: i64, not_before: Timestamp, now: Timestamp) -> Result<(), Error> {
        self.execute("UPDATE sends SET state = 'UNKNOWN' WHERE id = $1", &[Value::Int(send)]).await?;
        let sql = "UPDATE intents SET state = 'UNKNOWN', not_before = $2, updated_at = $3 \
                   WHERE send_id = $1 AND state = 'SENDING'";
        self.execute(sql, &[Value::Int(send), Value::Instant(not_before), Value::Instant(now)]).await.map(drop)
    }

    /// Ends a request that is known not to have been applied: its records are planned again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unsend(
        &mut self,
        send: i64,
        outcome: &str,
        not_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.end_send(send, outcome, None, now).await?;
        let sql = "UPDATE intents SET state = 'PLANNED', send_id = NULL, position = NULL, not_before = $2, \
                   updated_at = $3 WHERE send_id = $1 AND state = 'SENDING'";
        self.execute(sql, &[Value::Int(send), not_before.bind(), Value::Instant(now)]).await.map(drop)
    }

    /// Intents whose request was never answered and that are due for a look-up, by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_unknown(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Intent>, Error> {
        let rest = format!(
            "connection_id = $1 AND kind = $2 AND {OPEN} AND state = 'UNKNOWN' \
             AND (not_before IS NULL OR not_before <= $3) ORDER BY id LIMIT $4"
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Instant(now), Value::Int(limit)];
        self.intents(&rest, &params).await
    }

    /// Notes that a look-up found nothing (`absent_at`: the first time), and when the next one is due.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn looked(
        &mut self,
        intent: i64,
        absent_at: Option<Timestamp>,
        not_before: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE intents SET absent_at = $2, not_before = $3, updated_at = $4 WHERE id = $1";
        let params = [Value::Int(intent), absent_at.bind(), Value::Instant(not_before), Value::Instant(now)];
        self.execute(sql, &params).await.map(drop)
    }

    /// Plans an intent again, as a new attempt: what was sent is known not to have been applied.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replan(&mut self, intent: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE intents SET state = 'PLANNED', attempt = attempt + 1, send_id = NULL, position = NULL, \
                   absent_at = NULL, not_before = NULL, code = NULL, message = NULL, updated_at = $2 \
                   WHERE id = $1 AND state IN ('PLANNED', 'SENDING', 'UNKNOWN')";
        self.execute(sql, &[Value::Int(intent), Value::Instant(now)]).await.map(drop)
    }

    /// Lets an intent wait, and says why.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_off_intent(
        &mut self,
        intent: i64,
        not_before: Timestamp,
        code: &str,
        message: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE intents SET not_before = $2, code = $3, message = $4, updated_at = $5 WHERE id = $1";
        let params = [
            Value::Int(intent),
            Value::Instant(not_before),
            Value::Text(code),
            Value::Text(message),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Changes what both sides agree on once an intent that is on its way has arrived: a person decided meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_acked(&mut self, intent: i64, acked: &[u8]) -> Result<(), Error> {
        let sql = "UPDATE intents SET acked = $2 WHERE id = $1";
        self.execute(sql, &[Value::Int(intent), Value::Bytes(acked)]).await.map(drop)
    }

    /// Ends intents.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_intents(&mut self, ends: &[IntentEnd], now: Timestamp) -> Result<(), Error> {
        let (mut named, mut others) = (Vec::new(), Vec::new());
        for end in ends {
            let cells = if end.xero_id.is_some() { &mut named } else { &mut others };
            cells.extend([
                Value::Int(end.id),
                Value::Text(end.state.as_str()),
                end.code.bind(),
                end.message.bind(),
                Value::Instant(now),
            ]);
            if end.xero_id.is_some() {
                cells.push(end.xero_id.bind());
            }
        }
        let columns = ["id", "state", "code", "message", "updated_at", "xero_id"];
        self.update_rows("intents", &columns, 1, &named).await?;
        self.update_rows("intents", &columns[..5], 1, &others).await
    }

    /// The intents of a record, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn intents_of_record(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_id: i64,
        limit: i64,
    ) -> Result<Vec<Intent>, Error> {
        let rest = "connection_id = $1 AND kind = $2 AND local_id = $3 ORDER BY id DESC LIMIT $4";
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Int(local_id), Value::Int(limit)];
        self.intents(rest, &params).await
    }

    /// How many intents are open, by kind and state.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_open_intents(
        &mut self,
        connection: ConnectionId,
    ) -> Result<Vec<(Kind, IntentState, i64)>, Error> {
        let sql = format!(
            "SELECT kind, state, COUNT(*) FROM intents WHERE connection_id = $1 AND {OPEN} \
             GROUP BY kind, state ORDER BY kind, state"
        );
        let rows = self.query(&sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?, row.take()?))).collect()
    }
}
