//! Both sides read whole, for the oracle: the App's rows by plain SQL, Xero's records as its own pages show them.

use std::collections::BTreeMap;

use oracle::{AppRow, Brake, Candidate, Capture, Conflict, Cursor, Event, Failure, Intent, Link, Run, Sent, Snapshot};
use uuid::Uuid;

use crate::app::App;
use crate::now_ms;
use crate::xero::Xero;

/// Columns that SQLite keeps in ten-thousandths.
const MONEY: [&str; 13] = [
    "sub_total",
    "total_tax",
    "total",
    "amount_due",
    "amount_paid",
    "amount_credited",
    "amount",
    "quantity",
    "unit_amount",
    "discount_rate",
    "discount_amount",
    "tax_amount",
    "line_amount",
];

/// Kind, table, endpoint, id in Xero, child tables with the column that names their parent.
type Place = (&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);
const PLACES: [Place; 4] = [
    (
        "customer",
        "customers",
        "Contacts",
        "ContactID",
        &[("customer_phones", "customer_id"), ("customer_addresses", "customer_id")],
    ),
    ("invoice", "invoices", "Invoices", "InvoiceID", &[("invoice_lines", "invoice_id")]),
    ("payment", "payments", "Payments", "PaymentID", &[]),
    (
        "bank_transaction",
        "bank_transactions",
        "BankTransactions",
        "BankTransactionID",
        &[("bank_transaction_lines", "bank_transaction_id")],
    ),
];

/// A row by the names of its columns; NULL is left out.
type Row = BTreeMap<String, String>;

/// Both sides and the engine's lists.
pub(crate) async fn snapshot(app: &App, xero: &Xero) -> Snapshot {
    let mut found = Snapshot { at_ms: now_ms(), ..Snapshot::default() };
    for (kind, table, endpoint, id, children) in PLACES {
        for columns in rows(app, table, "ORDER BY id").await {
            let row = AppRow { revision: number(&columns, "sync_rev"), columns, children: BTreeMap::new() };
            found.app.insert((kind, number(&row.columns, "id")), row);
        }
        for (child, parent) in children {
            for columns in rows(app, child, &format!("ORDER BY {parent}, position")).await {
                let of = (kind, number(&columns, parent));
                let row = found.app.get_mut(&of).expect("a child has its parent");
                row.children.entry((*child).to_owned()).or_default().push(columns);
            }
        }
        for record in xero.list(endpoint).await {
            let own: Uuid = record[id].as_str().unwrap().parse().unwrap();
            found.xero.insert((kind, own), record);
        }
    }
    lists(app, &mut found).await;
    found
}

async fn lists(app: &App, found: &mut Snapshot) {
    for row in rows(app, "links", "").await {
        found.links.push(Link {
            connection: number(&row, "connection_id"),
            kind: text(&row, "kind"),
            local: number(&row, "local_id"),
            xero: id(&row, "xero_id"),
            updated_ms: row.get("remote_updated_at").and_then(|text| text.parse().ok()),
        });
    }
    for row in rows(app, "conflicts", "ORDER BY id").await {
        found.conflicts.push(Conflict {
            id: number(&row, "id"),
            kind: text(&row, "kind"),
            local: number(&row, "local_id"),
            what: text(&row, "what"),
            field: text(&row, "field"),
            base: row.get("base").cloned(),
            app: row.get("app").cloned(),
            xero: row.get("xero").cloned(),
            policy: text(&row, "policy"),
            state: text(&row, "state"),
            resolution: row.get("resolution").cloned(),
            result: row.get("result").cloned(),
            decided_by: row.get("decided_by").cloned(),
        });
    }
    for row in rows(app, "failures", "WHERE resolved_at IS NULL AND ignored_at IS NULL ORDER BY id").await {
        found.failures.push(Failure {
            kind: text(&row, "kind"),
            local: row.get("local_id").and_then(|text| text.parse().ok()),
            remote: text(&row, "remote_key"),
            code: text(&row, "code"),
            message: text(&row, "message"),
            raw: row.get("raw").cloned(),
            direction: text(&row, "direction"),
        });
    }
    for row in rows(app, "candidates", "WHERE state = 'OPEN'").await {
        let (kind, local) = (text(&row, "kind"), number(&row, "local_id"));
        found.candidates.push(Candidate { kind, local, xero: id(&row, "xero_id") });
    }
    journal(app, found).await;
}

async fn journal(app: &App, found: &mut Snapshot) {
    for row in rows(app, "intents", "ORDER BY id").await {
        found.intents.push(Intent {
            id: number(&row, "id"),
            kind: text(&row, "kind"),
            local: number(&row, "local_id"),
            op: text(&row, "op"),
            state: text(&row, "state"),
            run: row.get("run_id").and_then(|text| text.parse().ok()),
            send: row.get("send_id").and_then(|text| text.parse().ok()),
            code: row.get("code").cloned(),
            message: row.get("message").cloned(),
        });
    }
    for row in rows(app, "sends", "ORDER BY id").await {
        let (key, state) = (text(&row, "idempotency_key"), text(&row, "state"));
        found.sends.push(Sent { id: number(&row, "id"), key, state, outcome: row.get("outcome").cloned() });
    }
    for row in rows(app, "captures", "").await {
        let (kind, local) = (text(&row, "kind"), number(&row, "local_id"));
        found.captures.push(Capture { kind, local, is_waiting: row.contains_key("not_before") });
    }
    for row in rows(app, "runs", "ORDER BY id").await {
        found.runs.push(Run {
            id: number(&row, "id"),
            mode: text(&row, "mode"),
            direction: text(&row, "direction"),
            state: text(&row, "state"),
            code: row.get("error_code").cloned(),
        });
    }
    for row in rows(app, "cursors", "").await {
        found.cursors.push(Cursor {
            connection: number(&row, "connection_id"),
            kind: text(&row, "kind"),
            read_until_ms: row.get("read_until").and_then(|text| text.parse().ok()),
        });
    }
    for row in rows(app, "brakes", "ORDER BY id").await {
        found.brakes.push(Brake {
            id: number(&row, "id"),
            kind: text(&row, "kind"),
            direction: text(&row, "direction"),
            what: text(&row, "what"),
            would: number(&row, "would"),
            state: text(&row, "state"),
        });
    }
    for row in rows(app, "events", "ORDER BY id").await {
        found.events.push(Event {
            id: number(&row, "id"),
            what: text(&row, "what"),
            kind: row.get("kind").cloned(),
            local: row.get("local_id").and_then(|text| text.parse().ok()),
        });
    }
}

async fn rows(app: &App, table: &str, rest: &str) -> Vec<Row> {
    let columns = match app.is_postgres() {
        true => format!(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = current_schema() ORDER BY ordinal_position"
        ),
        false => format!("SELECT name, type FROM pragma_table_info('{table}')"),
    };
    let columns = app.rows(&columns).await.unwrap();
    // Bytes are frozen bodies and hashes: nothing that is compared.
    let names: Vec<String> = columns
        .into_iter()
        .filter(|column| column[1].as_deref() != Some("bytea"))
        .filter_map(|mut column| column[0].take())
        .filter(|name| !matches!(name.as_str(), "body" | "acked"))
        .collect();
    let sql = format!("SELECT {} FROM {table} {rest}", names.join(", "));
    let found = app.rows(&sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let row = |values: Vec<Option<String>>| {
        let pairs = names.iter().zip(values);
        pairs.filter_map(|(name, value)| Some((name.clone(), plain(app, name, value?)))).collect()
    };
    found.into_iter().map(row).collect()
}

/// A value as the oracle reads it.
fn plain(app: &App, name: &str, value: String) -> String {
    if name.ends_with("_at") || matches!(name, "read_until" | "not_before") {
        let at: Result<jiff::Timestamp, _> = value.parse();
        return at.map_or(value, |at| at.as_millisecond().to_string());
    }
    if name.starts_with("is_") {
        return matches!(value.as_str(), "t" | "1" | "true").to_string();
    }
    if !app.is_postgres() && MONEY.contains(&name) {
        let number: i64 = value.parse().unwrap();
        let sign = if number < 0 { "-" } else { "" };
        return format!("{sign}{}.{:04}", number.unsigned_abs() / 10_000, number.unsigned_abs() % 10_000);
    }
    value
}

fn text(row: &Row, name: &str) -> String {
    row.get(name).cloned().unwrap_or_default()
}

fn number(row: &Row, name: &str) -> i64 {
    row[name].parse().unwrap()
}

fn id(row: &Row, name: &str) -> Uuid {
    row[name].parse().unwrap()
}
