//! The App: its own connection to the books, plain SQL, without the engine, on either database.

use std::sync::Mutex;
use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

/// The App does not wait long for a row that a frozen process has locked: a person would try again later.
const PATIENCE_MS: u64 = 1_500;

pub(crate) enum App {
    Sqlite(Mutex<rusqlite::Connection>),
    Postgres(tokio_postgres::Client),
}

impl App {
    pub(crate) async fn open(url: &str) -> Self {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.busy_timeout(Duration::from_millis(PATIENCE_MS)).unwrap();
            connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
            return Self::Sqlite(Mutex::new(connection));
        }
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET lock_timeout = {PATIENCE_MS}; SET timezone = 'UTC'")).await.unwrap();
        Self::Postgres(client)
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Ends a query of a row that is about to be written over, so that nobody writes between the two.
    pub(crate) fn for_update(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE" } else { "" }
    }

    /// An amount in ten-thousandths as this database writes it.
    pub(crate) fn money(&self, ten_thousandths: u64) -> String {
        if self.is_postgres() {
            format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
        } else {
            ten_thousandths.to_string()
        }
    }

    /// Runs statements as one transaction. Each gives the first column of its first row as text, if it gives rows, and
    /// later ones may name what an earlier one gave: `{0}`, `{1}`. With an error nothing was done.
    pub(crate) async fn transact(&self, statements: &[String]) -> Result<Vec<String>, String> {
        let begin = if self.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" };
        let mut given: Vec<String> = Vec::new();
        self.rows(begin).await?;
        for statement in statements {
            let text = given
                .iter()
                .enumerate()
                .fold(statement.clone(), |text, (at, value)| text.replace(&format!("{{{at}}}"), value));
            match self.rows(&text).await {
                Ok(rows) => given.push(first(rows).unwrap_or_default()),
                Err(error) => {
                    self.rows("ROLLBACK").await.unwrap();
                    return Err(error);
                }
            }
        }
        self.rows("COMMIT").await?;
        Ok(given)
    }

    /// Every row of a query, as texts; NULL is `None`.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        match self {
            Self::Sqlite(connection) => {
                let connection = connection.lock().unwrap();
                sqlite_rows(&connection, sql).map_err(|error| error.to_string())
            }
            Self::Postgres(client) => {
                let messages = client.simple_query(sql).await.map_err(|error| {
                    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
                })?;
                let mut rows = Vec::new();
                for message in messages {
                    if let SimpleQueryMessage::Row(row) = message {
                        rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                    }
                }
                Ok(rows)
            }
        }
    }

    /// The first column of a query.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
    }

    pub(crate) async fn ids(&self, sql: &str) -> Vec<i64> {
        self.texts(sql).await.iter().map(|text| text.parse().unwrap()).collect()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.ids(sql).await[0]
    }
}

fn first(rows: Vec<Vec<Option<String>>>) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}

fn sqlite_rows(connection: &rusqlite::Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Option<String>>>> {
    use rusqlite::types::ValueRef;
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    if columns == 0 {
        statement.execute([])?;
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut texts = Vec::with_capacity(columns);
        for at in 0..columns {
            texts.push(match row.get_ref(at)? {
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(number.to_string()),
                ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                // The only blobs that are looked at are Xero's ids.
                ValueRef::Blob(bytes) => uuid::Uuid::from_slice(bytes).ok().map(|id| id.to_string()),
                ValueRef::Real(_) => panic!("a number with a floating point in {sql}"),
            });
        }
        found.push(texts);
    }
    Ok(found)
}
