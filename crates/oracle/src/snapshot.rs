//! What the judge is given: both sides as they stand, what the engine lists, and what went over the wire. Plain data.
//!
//! Values of the App are texts: amounts as plain decimals, flags as `true` and `false`, ids of Xero with hyphens, dates as
//! `2026-06-30`, instants as milliseconds since 1970; NULL is left out.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

/// The kinds of record that travel both ways.
pub const KINDS: [&str; 4] = ["customer", "invoice", "payment", "bank_transaction"];

/// Both sides and the engine's own lists at one moment. A list that was not read is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The App's rows by kind and id.
    pub app: BTreeMap<(&'static str, i64), AppRow>,
    /// Xero's records by kind and id, as its own pages show them.
    pub xero: BTreeMap<(&'static str, Uuid), Value>,
    /// Pairs of records.
    pub links: Vec<Link>,
    /// Every conflict, decided ones too.
    pub conflicts: Vec<Conflict>,
    /// Open failures: neither over nor set aside.
    pub failures: Vec<Failure>,
    /// Pairs that wait for a person.
    pub candidates: Vec<Candidate>,
    /// Outgoing writes.
    pub intents: Vec<Intent>,
    /// Requests that carried them.
    pub sends: Vec<Sent>,
    /// Changes that nobody has looked at.
    pub captures: Vec<Capture>,
    /// Runs.
    pub runs: Vec<Run>,
    /// How far each kind was read.
    pub cursors: Vec<Cursor>,
    /// Brakes.
    pub brakes: Vec<Brake>,
    /// What happened.
    pub events: Vec<Event>,
}

/// A row of the App with its children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppRow {
    /// Columns.
    pub columns: BTreeMap<String, String>,
    /// Rows of child tables, by table, in the order of their positions.
    pub children: BTreeMap<String, Vec<BTreeMap<String, String>>>,
    /// `sync_rev`: grows with every write of the engine.
    pub revision: i64,
}

/// A pair of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The connection that it belongs to.
    pub connection: i64,
    /// Kind: of the two-way kinds or another.
    pub kind: String,
    /// The App's id.
    pub local: i64,
    /// Xero's id.
    pub xero: Uuid,
    /// `UpdatedDateUTC` of the state that was read last.
    pub updated_ms: Option<i64>,
}

/// A field that both sides changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conflict {
    /// Its id.
    pub id: i64,
    /// Kind of the record.
    pub kind: String,
    /// The App's id of the record.
    pub local: i64,
    /// `FIELD`, `PRESENCE`, `POSSIBLE_OVERWRITE` or `SUSPECTED_DUPLICATE`.
    pub what: String,
    /// The field's path.
    pub field: String,
    /// JSON: what both agreed on.
    pub base: Option<String>,
    /// JSON: what the App says.
    pub app: Option<String>,
    /// JSON: what Xero says.
    pub xero: Option<String>,
    /// The rule that decides.
    pub policy: String,
    /// `PENDING`, `RESOLVED` or `IGNORED`.
    pub state: String,
    /// Who won.
    pub resolution: Option<String>,
    /// JSON: what the field got.
    pub result: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// An open failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Kind of the record.
    pub kind: String,
    /// The App's id, if it has one.
    pub local: Option<i64>,
    /// Xero's id, or what is known of it.
    pub remote: String,
    /// `TO-…`.
    pub code: String,
    /// In words.
    pub message: String,
    /// What Xero said, word for word.
    pub raw: Option<String>,
    /// `PULL` or `PUSH`.
    pub direction: String,
}

/// A pair that may be one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Kind of both.
    pub kind: String,
    /// The App's id.
    pub local: i64,
    /// Xero's id.
    pub xero: Uuid,
}

/// An outgoing write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// Its id.
    pub id: i64,
    /// Kind of the record.
    pub kind: String,
    /// The App's id.
    pub local: i64,
    /// `CREATE`, `UPDATE` or `REMOVE`.
    pub op: String,
    /// `PLANNED`, `SENDING`, `UNKNOWN`, `DONE`, `REFUSED` or `DROPPED`.
    pub state: String,
    /// The run that made it.
    pub run: Option<i64>,
    /// The request that carried it last.
    pub send: Option<i64>,
    /// The code of a refusal.
    pub code: Option<String>,
    /// The message of a refusal.
    pub message: Option<String>,
}

/// A request that carried writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: i64,
    /// Its key.
    pub key: String,
    /// `SENDING`, `UNKNOWN` or `ENDED`.
    pub state: String,
    /// How it ended.
    pub outcome: Option<String>,
}

/// A change that nobody has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Kind of the record.
    pub kind: String,
    /// The App's id.
    pub local: i64,
    /// Whether it waits for something, and is looked at later.
    pub is_waiting: bool,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: i64,
    /// `FULL` or `INCREMENTAL`.
    pub mode: String,
    /// `PULL` or `PUSH`, or both.
    pub direction: String,
    /// `RUNNING`, `COMPLETED`, `PARTIAL`, `FAILED` or `CANCELLED`.
    pub state: String,
    /// The code of its end.
    pub code: Option<String>,
}

/// How far a kind was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The connection.
    pub connection: i64,
    /// The kind.
    pub kind: String,
    /// Everything up to here was read; milliseconds since 1970.
    pub read_until_ms: Option<i64>,
}

/// A run that stopped and asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brake {
    /// Its id.
    pub id: i64,
    /// Kind of the records.
    pub kind: String,
    /// `PUSH` or `PULL`.
    pub direction: String,
    /// `REMOVE` or `CHANGE`.
    pub what: String,
    /// How many records.
    pub would: i64,
    /// `OPEN`, `APPROVED`, `USED` or `REFUSED`.
    pub state: String,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place.
    pub id: i64,
    /// E.g. `record.sent`.
    pub what: String,
    /// Kind of the record.
    pub kind: Option<String>,
    /// The App's id.
    pub local: Option<i64>,
}

/// A request on the wire, as somebody between saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// From 1, in the order of sending.
    pub number: u64,
    /// When it left, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whose it is.
    pub process: usize,
    /// A number that changes whenever the process may have forgotten what it was told: it died, or its database failed.
    pub life: u64,
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query without the question mark.
    pub query: String,
    /// `Idempotency-Key`.
    pub key: Option<String>,
    /// Body: JSON, a string for a form, null without one.
    pub body: Value,
    /// `xero-tenant-id`.
    pub tenant: Option<Uuid>,
    /// What the process was answered; 0 for no answer.
    pub status: u16,
    /// `Retry-After` of the answer, in seconds.
    pub retry_after_s: Option<i64>,
    /// Whether any byte left.
    pub was_sent: bool,
    /// When Xero carried it out; `None` if never, or as far as is known at once.
    pub applied_at_ms: Option<i64>,
    /// The answer as Xero made it, also when it was lost.
    pub answer: Value,
}

impl Snapshot {
    /// Xero's id of a record of the App.
    pub fn xero_of(&self, kind: &str, local: i64) -> Option<Uuid> {
        self.links.iter().find(|link| link.kind == kind && link.local == local).map(|link| link.xero)
    }

    /// The App's id of a record of Xero.
    pub fn local_of(&self, kind: &str, xero: Uuid) -> Option<i64> {
        self.links.iter().find(|link| link.kind == kind && link.xero == xero).map(|link| link.local)
    }
}
