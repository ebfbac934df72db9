//! What is in a database afterwards: both programs must end with the same rows, or they did not do the same work.

use anyhow::Context as _;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The tables that both programs write. The others hold what only the engine keeps: runs, cursors, leases, events, tokens.
pub const TABLES: [&str; 14] = [
    "organisations",
    "connections",
    "accounts",
    "tax_rates",
    "customers",
    "customer_phones",
    "customer_addresses",
    "invoices",
    "invoice_lines",
    "credits",
    "credit_lines",
    "payments",
    "bank_transactions",
    "links",
];

/// Columns whose content is the program's own: when it wrote a row, and what the consent gave it.
const OWN: [&str; 11] = [
    "created_at",
    "updated_at",
    "connected_at",
    "grant_id",
    "xero_connection_id",
    "state",
    "reason",
    "base_currency",
    "country_code",
    "timezone",
    "is_demo",
];

/// Rows of each of [`TABLES`].
///
/// # Errors
/// Where the database cannot be read.
pub async fn counts(url: &str) -> anyhow::Result<Vec<(&'static str, u64)>> {
    let mut found = Vec::with_capacity(TABLES.len());
    let mut database = Reader::open(url).await?;
    for table in TABLES {
        let rows = database.rows(&format!("SELECT COUNT(*) FROM {table}")).await?;
        let count = rows.first().with_context(|| format!("{table} has no count"))?.parse()?;
        found.push((table, count));
    }
    Ok(found)
}

/// Every row of every one of [`TABLES`] as text, without the columns that are each program's own; in order.
///
/// # Errors
/// Where the database cannot be read.
pub async fn contents(url: &str) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let mut found = Vec::with_capacity(TABLES.len());
    let mut database = Reader::open(url).await?;
    for table in TABLES {
        let columns = database.columns(table).await?;
        let shared: Vec<&str> = columns.iter().map(String::as_str).filter(|name| !OWN.contains(name)).collect();
        let mut rows = database.rows(&format!("SELECT {} FROM {table}", shared.join(", "))).await?;
        rows.sort_unstable();
        found.push((table, rows));
    }
    Ok(found)
}

enum Reader {
    Sqlite(Connection),
    Postgres(Client),
}

impl Reader {
    async fn open(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self::Sqlite(Connection::open(path)?));
        }
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self::Postgres(client))
    }

    async fn columns(&mut self, table: &str) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
                statement.column_names().map(str::to_owned).collect()
            }
            Self::Postgres(client) => {
                let statement = client.prepare(&format!("SELECT * FROM {table}")).await?;
                statement.columns().iter().map(|column| column.name().to_owned()).collect()
            }
        })
    }

    /// Rows as text, cells parted by bars.
    async fn rows(&mut self, sql: &str) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql)?;
                let width = statement.column_count();
                let mut rows = statement.query(())?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let cells = (0..width).map(|at| Ok(shown(row.get_ref(at)?))).collect::<anyhow::Result<Vec<_>>>()?;
                    found.push(cells.join("|"));
                }
                Ok(found)
            }
            Self::Postgres(client) => {
                let messages = client.simple_query(sql).await?;
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let text = |row: &tokio_postgres::SimpleQueryRow| {
                    let cells: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
                    cells.join("|")
                };
                Ok(rows.map(text).collect())
            }
        }
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
