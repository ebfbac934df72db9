//! The application's own connection to its tables: plain SQL, without the engine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::functions::FunctionFlags;

/// A connection as an application, `psql` or `sqlite3` would open it. One statement at a time.
pub enum App {
    /// A file.
    Sqlite(Mutex<rusqlite::Connection>),
    /// A server.
    Postgres(tokio_postgres::Client),
}

/// Why the database did not take a statement, in its own words.
pub type Refused = String;

impl App {
    /// Opens `sqlite://path` or a PostgreSQL URL. Waits up to ten seconds for a lock.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(url: &str) -> Result<Self, Refused> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let connection = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
            connection.busy_timeout(Duration::from_secs(10)).map_err(|error| error.to_string())?;
            return Self::sqlite(connection);
        }
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self::Postgres(client))
    }

    /// A connection that was opened already, with its own patience for locks.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sqlite(connection: rusqlite::Connection) -> Result<Self, Refused> {
        connection.execute_batch("PRAGMA foreign_keys = ON").map_err(|error| error.to_string())?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(Self::Sqlite(Mutex::new(connection)))
    }

    /// From now on the database's own clock, as the triggers on the books read it, is this one (milliseconds since 1970).
    /// Only SQLite's can be set.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_clock(&self, now_ms: Arc<dyn Fn() -> i64 + Send + Sync>) -> Result<(), Refused> {
        let Self::Sqlite(connection) = self else { return Ok(()) };
        let flags = FunctionFlags::SQLITE_UTF8;
        let clock = move |_: &rusqlite::functions::Context<'_>| {
            let now = jiff::Timestamp::from_millisecond(now_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            Ok(now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        };
        locked(connection).create_scalar_function("strftime", 2, flags, clock).map_err(|error| error.to_string())
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs a statement and returns the number of rows that it changed.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn run(&self, sql: &str) -> Result<u64, Refused> {
        match self {
            Self::Sqlite(connection) => {
                let connection = locked(connection);
                connection.execute(sql, []).map(|rows| rows as u64).map_err(|error| error.to_string())
            }
            Self::Postgres(client) => client.execute(sql, &[]).await.map_err(|error| format!("{error:?}")),
        }
    }

    /// The column `c` of a query's rows, as text; NULL is `None`.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn texts(&self, sql: &str) -> Result<Vec<Option<String>>, Refused> {
        match self {
            Self::Sqlite(connection) => {
                let connection = locked(connection);
                let sql = format!("SELECT CAST(c AS TEXT) FROM ({sql})");
                let mut statement = connection.prepare_cached(&sql).map_err(|error| error.to_string())?;
                let rows = statement.query_map([], |row| row.get(0)).map_err(|error| error.to_string())?;
                rows.map(|row| row.map_err(|error| error.to_string())).collect()
            }
            Self::Postgres(client) => {
                let sql = format!("SELECT CAST(c AS TEXT) FROM ({sql}) q");
                let rows = client.query(&sql, &[]).await.map_err(|error| format!("{error:?}"))?;
                Ok(rows.iter().map(|row| row.get(0)).collect())
            }
        }
    }

    /// Columns of some rows as text, prepared by [`App::as_text`]; NULL is `None`.
    pub(super) async fn rows(&self, columns: &[String], from: &str) -> Result<Vec<Vec<Option<String>>>, Refused> {
        let sql = format!("SELECT {} FROM {from}", columns.join(", "));
        match self {
            Self::Sqlite(connection) => {
                let connection = locked(connection);
                let mut statement = connection.prepare_cached(&sql).map_err(|error| error.to_string())?;
                let count = columns.len();
                let read = |row: &rusqlite::Row<'_>| (0..count).map(|at| row.get(at)).collect();
                let rows = statement.query_map([], read).map_err(|error| error.to_string())?;
                rows.map(|row| row.map_err(|error| error.to_string())).collect()
            }
            Self::Postgres(client) => {
                let rows = client.query(&sql, &[]).await.map_err(|error| format!("{error:?}"))?;
                Ok(rows.iter().map(|row| (0..columns.len()).map(|at| row.get(at)).collect()).collect())
            }
        }
    }

    /// One value of the column `c`, as text; nothing for NULL, for no row, and when the database refuses.
    pub async fn text(&self, sql: &str) -> Option<String> {
        self.texts(sql).await.ok()?.into_iter().next().flatten()
    }

    /// One whole number of the column `c`.
    pub async fn number(&self, sql: &str) -> Option<i64> {
        self.text(sql).await?.parse().ok()
    }

    /// Inserts one row and returns its id.
    pub(super) async fn insert(&self, sql: &str) -> Option<i64> {
        let sql = format!("{sql} RETURNING id");
        match self {
            Self::Sqlite(connection) => locked(connection).query_row(&sql, [], |row| row.get(0)).ok(),
            Self::Postgres(client) => client.query_one(&sql, &[]).await.ok().map(|row| row.get(0)),
        }
    }

    pub(super) async fn begin(&self) -> bool {
        let begin = if self.is_sqlite() { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.run(begin).await.is_ok()
    }

    pub(super) async fn commit(&self) -> bool {
        let is_done = self.run("COMMIT").await.is_ok();
        if !is_done {
            self.roll_back().await;
        }
        is_done
    }

    pub(super) async fn roll_back(&self) {
        // Of a transaction that the database has already given up nothing is left to take back.
        drop(self.run("ROLLBACK").await);
    }

    /// Amounts in the database's own form.
    pub(super) fn money(&self, ten_thousandths: i64) -> String {
        if self.is_sqlite() {
            return ten_thousandths.to_string();
        }
        let sign = if ten_thousandths < 0 { "-" } else { "" };
        let size = ten_thousandths.unsigned_abs();
        format!("{sign}{}.{:04}", size / 10_000, size % 10_000)
    }

    /// An amount in the database's own form as ten-thousandths.
    pub(super) fn ten_thousandths(&self, text: &str) -> Option<i64> {
        let digits = if self.is_sqlite() { text.to_owned() } else { text.replace('.', "") };
        digits.parse().ok()
    }

    /// A column with an id of Xero as hexadecimal text.
    pub(super) fn hex(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("lower(hex({column}))"),
            Self::Postgres(_) => format!("replace(CAST({column} AS TEXT), '-', '')"),
        }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A text as SQL writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
