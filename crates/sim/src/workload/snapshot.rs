//! Both sides read whole, by code that shares nothing with the engine: the App's rows and the engine's lists by plain SQL,
//! Xero's records as its pages show them.

use std::collections::BTreeMap;

use emulator::Person;
use oracle::{
    AppRow, Brake, Candidate, Capture, Conflict, Cursor, Event, Failure, Intent, KINDS, Link, Run, Sent, Snapshot,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::app::App;
use super::{endpoint, table};

/// What kind of column it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Text,
    Money,
    Id,
    Bool,
    Instant,
}

/// Columns of one type.
type Columns = &'static [(Is, &'static [&'static str])];

const CUSTOMER: Columns = &[
    (
        Is::Text,
        &[
            "name",
            "first_name",
            "last_name",
            "email",
            "contact_number",
            "account_number",
            "tax_number",
            "company_number",
            "default_currency",
            "status",
        ],
    ),
    (Is::Bool, &["is_customer", "is_supplier"]),
    (Is::Id, &["merged_into"]),
];
const INVOICE: Columns = &[
    (
        Is::Text,
        &[
            "type",
            "number",
            "reference",
            "customer_id",
            "date",
            "due_date",
            "status",
            "xero_status",
            "currency",
            "currency_rate",
            "line_amount_types",
        ],
    ),
    (Is::Money, &["sub_total", "total_tax", "total", "amount_due", "amount_paid", "amount_credited"]),
];
const PAYMENT: Columns = &[
    (
        Is::Text,
        &[
            "invoice_id",
            "credit_note_id",
            "prepayment_id",
            "overpayment_id",
            "account_id",
            "date",
            "currency_rate",
            "reference",
            "payment_type",
            "status",
        ],
    ),
    (Is::Money, &["amount"]),
    (Is::Bool, &["is_reconciled"]),
];
const BANK_TRANSACTION: Columns = &[
    (
        Is::Text,
        &[
            "type",
            "customer_id",
            "account_id",
            "date",
            "reference",
            "status",
            "currency",
            "currency_rate",
            "line_amount_types",
        ],
    ),
    (Is::Money, &["sub_total", "total_tax", "total"]),
    (Is::Bool, &["is_reconciled"]),
];
const LINE: Columns = &[
    (Is::Id, &["xero_line_id"]),
    (Is::Text, &["description", "account_code", "tax_type", "item_code", "tracking"]),
    (Is::Money, &["quantity", "unit_amount", "discount_rate", "discount_amount", "tax_amount", "line_amount"]),
];
const PHONE: Columns = &[(Is::Text, &["type", "country_code", "area_code", "number"])];
const ADDRESS: Columns = &[(
    Is::Text,
    &["type", "attention_to", "line1", "line2", "line3", "line4", "city", "region", "postal_code", "country"],
)];

/// Child tables of a kind: table, parent's column, columns.
fn children(kind: &str) -> &'static [(&'static str, &'static str, Columns)] {
    match kind {
        "customer" => &[("customer_phones", "customer_id", PHONE), ("customer_addresses", "customer_id", ADDRESS)],
        "invoice" => &[("invoice_lines", "invoice_id", LINE)],
        "payment" => &[],
        _ => &[("bank_transaction_lines", "bank_transaction_id", LINE)],
    }
}

fn columns(kind: &str) -> Columns {
    match kind {
        "customer" => CUSTOMER,
        "invoice" => INVOICE,
        "payment" => PAYMENT,
        _ => BANK_TRANSACTION,
    }
}

/// Reads a table row by row.
struct Table<'a> {
    app: &'a App,
    names: Vec<&'static str>,
    types: Vec<Is>,
    columns: Vec<String>,
}

impl<'a> Table<'a> {
    fn new(app: &'a App) -> Self {
        Self { app, names: Vec::new(), types: Vec::new(), columns: Vec::new() }
    }

    fn with(mut self, is: Is, names: &[&'static str]) -> Self {
        for name in names {
            self.names.push(name);
            self.types.push(is);
            self.columns.push(match (self.app, is) {
                (_, Is::Id) => self.app.hex(name),
                (App::Postgres(_), Is::Instant) => {
                    format!("CAST(CAST(EXTRACT(EPOCH FROM {name}) * 1000 AS BIGINT) AS TEXT)")
                }
                _ => format!("CAST({name} AS TEXT)"),
            });
        }
        self
    }

    fn with_all(self, all: Columns) -> Self {
        all.iter().fold(self, |table, (is, names)| table.with(*is, names))
    }

    /// The rows; what is NULL is left out.
    async fn read(&self, from: &str) -> Vec<Values> {
        let rows = self.app.rows(&self.columns, from).await.unwrap_or_default();
        let one = |row: Vec<Option<String>>| {
            let cells = self.names.iter().zip(&self.types).zip(row);
            let known = cells.filter_map(|((name, is), text)| Some((*name, self.plain(*is, text?))));
            Values(known.filter(|(_, text)| !text.is_empty()).collect())
        };
        rows.into_iter().map(one).collect()
    }

    fn plain(&self, is: Is, text: String) -> String {
        match is {
            Is::Money if self.app.is_sqlite() => {
                text.parse().map_or(text, |ten_thousandths| Decimal::new(ten_thousandths, 4).normalize().to_string())
            }
            Is::Money => text.parse::<Decimal>().map_or(text, |amount| amount.normalize().to_string()),
            Is::Bool => matches!(text.as_str(), "1" | "true").to_string(),
            Is::Id => Uuid::parse_str(&text).map(|id| id.to_string()).unwrap_or_default(),
            Is::Instant if self.app.is_sqlite() => {
                text.parse::<jiff::Timestamp>().map_or(text, |at| at.as_millisecond().to_string())
            }
            Is::Text | Is::Instant => text,
        }
    }
}

/// A row.
struct Values(BTreeMap<&'static str, String>);

impl Values {
    fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn some(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.parse().ok()
    }

    fn id(&self, name: &str) -> Uuid {
        self.0.get(name).and_then(|text| Uuid::parse_str(text).ok()).unwrap_or_default()
    }

    fn columns(self) -> BTreeMap<String, String> {
        self.0.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
    }
}

/// Everything both sides hold and what the engine lists.
pub async fn snapshot(app: &App, person: &Person) -> Snapshot {
    let mut snapshot = glance(app).await;
    for kind in KINDS {
        read_rows(app, kind, &mut snapshot).await;
        let member = match kind {
            "customer" => "ContactID",
            "invoice" => "InvoiceID",
            "payment" => "PaymentID",
            _ => "BankTransactionID",
        };
        for record in person.list(endpoint(kind)).unwrap_or_default() {
            if let Some(id) = record[member].as_str().and_then(|id| Uuid::parse_str(id).ok()) {
                snapshot.xero.insert((kind, id), record);
            }
        }
    }
    snapshot
}

/// The engine's lists alone, without the records of both sides: quick enough to be taken often.
pub async fn glance(app: &App) -> Snapshot {
    let mut snapshot = Snapshot::default();
    read_links(app, &mut snapshot).await;
    read_lists(app, &mut snapshot).await;
    read_writes(app, &mut snapshot).await;
    read_runs(app, &mut snapshot).await;
    snapshot
}

async fn read_rows(app: &App, kind: &'static str, snapshot: &mut Snapshot) {
    let own = Table::new(app).with(Is::Text, &["id", "sync_rev"]).with_all(columns(kind));
    let mut found: BTreeMap<i64, AppRow> = BTreeMap::new();
    for row in own.read(table(kind)).await {
        let (Some(id), revision) = (row.number("id"), row.number("sync_rev").unwrap_or(0)) else { continue };
        let mut columns = row.columns();
        columns.remove("id");
        columns.remove("sync_rev");
        found.insert(id, AppRow { columns, children: BTreeMap::new(), revision });
    }
    for (child, parent, own) in children(kind) {
        let table = Table::new(app).with(Is::Text, &[parent]).with_all(own);
        for row in table.read(&format!("{child} ORDER BY {parent}, position")).await {
            let mut columns = row.columns();
            let parent = columns.remove(*parent).and_then(|id| id.parse().ok());
            if let Some(of) = parent.and_then(|id: i64| found.get_mut(&id)) {
                of.children.entry((*child).to_owned()).or_default().push(columns);
            }
        }
    }
    snapshot.app.extend(found.into_iter().map(|(id, row)| ((kind, id), row)));
}

async fn read_links(app: &App, snapshot: &mut Snapshot) {
    let table = Table::new(app)
        .with(Is::Text, &["connection_id", "kind", "local_id"])
        .with(Is::Id, &["xero_id"])
        .with(Is::Instant, &["remote_updated_at"]);
    for row in table.read("links ORDER BY connection_id, kind, local_id").await {
        snapshot.links.push(Link {
            connection: row.number("connection_id").unwrap_or(0),
            kind: row.text("kind"),
            local: row.number("local_id").unwrap_or(0),
            xero: row.id("xero_id"),
            updated_ms: row.number("remote_updated_at"),
        });
    }
    let table = Table::new(app).with(Is::Text, &["connection_id", "kind"]).with(Is::Instant, &["read_until"]);
    for row in table.read("cursors ORDER BY connection_id, kind").await {
        snapshot.cursors.push(Cursor {
            connection: row.number("connection_id").unwrap_or(0),
            kind: row.text("kind"),
            read_until_ms: row.number("read_until"),
        });
    }
}

async fn read_lists(app: &App, snapshot: &mut Snapshot) {
    const CONFLICT: &[&str] = &[
        "id",
        "kind",
        "local_id",
        "what",
        "field",
        "base",
        "app",
        "xero",
        "policy",
        "state",
        "resolution",
        "result",
        "decided_by",
    ];
    for row in Table::new(app).with(Is::Text, CONFLICT).read("conflicts ORDER BY id").await {
        snapshot.conflicts.push(Conflict {
            id: row.number("id").unwrap_or(0),
            kind: row.text("kind"),
            local: row.number("local_id").unwrap_or(0),
            what: row.text("what"),
            field: row.text("field"),
            base: row.some("base"),
            app: row.some("app"),
            xero: row.some("xero"),
            policy: row.text("policy"),
            state: row.text("state"),
            resolution: row.some("resolution"),
            result: row.some("result"),
            decided_by: row.some("decided_by"),
        });
    }
    let failure =
        Table::new(app).with(Is::Text, &["kind", "local_id", "remote_key", "code", "message", "raw", "direction"]);
    for row in failure.read("failures WHERE resolved_at IS NULL AND ignored_at IS NULL ORDER BY id").await {
        snapshot.failures.push(Failure {
            kind: row.text("kind"),
            local: row.number("local_id"),
            remote: row.text("remote_key"),
            code: row.text("code"),
            message: row.text("message"),
            raw: row.some("raw"),
            direction: row.text("direction"),
        });
    }
    let candidate = Table::new(app).with(Is::Text, &["kind", "local_id"]).with(Is::Id, &["xero_id"]);
    for row in candidate.read("candidates WHERE state = 'OPEN' ORDER BY kind, local_id").await {
        let (kind, local) = (row.text("kind"), row.number("local_id").unwrap_or(0));
        snapshot.candidates.push(Candidate { kind, local, xero: row.id("xero_id") });
    }
    let capture = Table::new(app).with(Is::Text, &["kind", "local_id"]).with(Is::Instant, &["not_before"]);
    for row in capture.read("captures ORDER BY kind, local_id").await {
        let (kind, local) = (row.text("kind"), row.number("local_id").unwrap_or(0));
        snapshot.captures.push(Capture { kind, local, is_waiting: row.some("not_before").is_some() });
    }
}

async fn read_writes(app: &App, snapshot: &mut Snapshot) {
    const INTENT: &[&str] = &["id", "kind", "local_id", "op", "state", "run_id", "send_id", "code", "message"];
    for row in Table::new(app).with(Is::Text, INTENT).read("intents ORDER BY id").await {
        snapshot.intents.push(Intent {
            id: row.number("id").unwrap_or(0),
            kind: row.text("kind"),
            local: row.number("local_id").unwrap_or(0),
            op: row.text("op"),
            state: row.text("state"),
            run: row.number("run_id"),
            send: row.number("send_id"),
            code: row.some("code"),
            message: row.some("message"),
        });
    }
    let sent = Table::new(app).with(Is::Text, &["id", "idempotency_key", "state", "outcome"]);
    for row in sent.read("sends ORDER BY id").await {
        snapshot.sends.push(Sent {
            id: row.number("id").unwrap_or(0),
            key: row.text("idempotency_key"),
            state: row.text("state"),
            outcome: row.some("outcome"),
        });
    }
    let event = Table::new(app).with(Is::Text, &["id", "what", "kind", "local_id"]);
    for row in event.read("events ORDER BY id").await {
        snapshot.events.push(Event {
            id: row.number("id").unwrap_or(0),
            what: row.text("what"),
            kind: row.some("kind"),
            local: row.number("local_id"),
        });
    }
}

async fn read_runs(app: &App, snapshot: &mut Snapshot) {
    let run = Table::new(app).with(Is::Text, &["id", "mode", "direction", "state", "error_code"]);
    for row in run.read("runs ORDER BY id").await {
        snapshot.runs.push(Run {
            id: row.number("id").unwrap_or(0),
            mode: row.text("mode"),
            direction: row.text("direction"),
            state: row.text("state"),
            code: row.some("error_code"),
        });
    }
    let brake = Table::new(app).with(Is::Text, &["id", "kind", "direction", "what", "would", "state"]);
    for row in brake.read("brakes ORDER BY id").await {
        snapshot.brakes.push(Brake {
            id: row.number("id").unwrap_or(0),
            kind: row.text("kind"),
            direction: row.text("direction"),
            what: row.text("what"),
            would: row.number("would").unwrap_or(0),
            state: row.text("state"),
        });
    }
}

/// What was done with a record, as the engine wrote it down: the newest last.
pub async fn story(app: &App, kind: &str, local: i64) -> Vec<String> {
    let told = |rows: Vec<Values>| rows.into_iter().map(|row| format!("{:?}", row.0)).collect::<Vec<_>>();
    let of_record = format!("WHERE kind = '{kind}' AND local_id = {local} ORDER BY id");
    let events = Table::new(app).with(Is::Text, &["id", "what", "run_id", "details"]);
    let mut story = told(events.read(&format!("events {of_record}")).await);
    let intents = Table::new(app).with(Is::Text, &["id", "op", "state", "fields", "run_id", "code", "message"]);
    story.extend(told(intents.read(&format!("intents {of_record}")).await));
    let conflicts = Table::new(app).with(Is::Text, &["id", "what", "field", "base", "app", "xero", "state", "result"]);
    story.extend(told(conflicts.read(&format!("conflicts {of_record}")).await));
    if kind == "invoice" {
        let payments = Table::new(app).with(Is::Text, &["id", "status", "amount", "sync_rev"]);
        story.extend(told(payments.read(&format!("payments WHERE invoice_id = {local} ORDER BY id")).await));
    }
    story
}
