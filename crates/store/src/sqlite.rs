//! The SQLite driver: one writer, some readers, statements run on the calling thread.
//!
//! Statements are short and the file is local, so they run where they are called; on a multi-threaded runtime the other
//! tasks of that thread move elsewhere meanwhile (`block_in_place`). A simulation on one thread stays deterministic.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::dialect::{self, SQLITE_BUSY_MS};
use crate::value::{Cell, Row, Value};
use crate::{Error, Now};

/// Readers that may be open at once; a request of the API holds one for milliseconds.
const READERS: usize = 8;

/// An open SQLite database.
#[derive(Clone)]
pub(crate) struct Sqlite {
    path: Arc<PathBuf>,
    now: Now,
    writer: Arc<Mutex<Writer>>,
    readers: Arc<StdMutex<Vec<Connection>>>,
    reading: Arc<Semaphore>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, now: Now) -> Result<Self, Error> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| unavailable(path, &error))?;
        }
        let writer = connect(path, &now).map_err(|error| unavailable(path, &error))?;
        Ok(Self {
            path: Arc::new(path.to_owned()),
            now,
            writer: Arc::new(Mutex::new(Writer { connection: writer, is_durable: None })),
            readers: Arc::default(),
            reading: Arc::new(Semaphore::new(READERS)),
        })
    }

    pub(crate) async fn begin(&self, durable: bool) -> Result<SqliteTx, Error> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        blocking(|| {
            // NORMAL may lose the last commits when the power fails, never when the process dies; tokens and outgoing
            // writes must not be lost even then.
            if writer.is_durable != Some(durable) {
                let level = if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
                writer.connection.execute_batch(level)?;
                writer.is_durable = Some(durable);
            }
            control(&writer.connection, "BEGIN IMMEDIATE")
        })?;
        Ok(SqliteTx { connection: Held::Writer(writer) })
    }

    pub(crate) async fn read(&self) -> Result<SqliteTx, Error> {
        let permit = Arc::clone(&self.reading).acquire_owned().await.expect("the semaphore is never closed");
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => blocking(|| connect(&self.path, &self.now)).map_err(|error| unavailable(&self.path, &error))?,
        };
        control(&connection, "BEGIN")?;
        Ok(SqliteTx {
            connection: Held::Reader { connection: Some(connection), home: Arc::clone(&self.readers), _permit: permit },
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Claims the file for this process's engine; given up when the handle is dropped or the process dies.
    pub(crate) fn claim(&self) -> Result<File, Error> {
        let path = PathBuf::from(format!("{}.lock", self.path.display()));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| unavailable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(self.path.as_ref().clone())),
            Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
        }
    }
}

fn unavailable(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::Unavailable { target: path.display().to_string(), cause: cause.to_string() }
}

fn connect(path: &Path, now: &Now) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(SQLITE_BUSY_MS))?;
    // Without it SQLite plans a cached statement anew whenever a bound value changes that statistics could know of.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A larger checkpoint interval (in pages of 4 kB) keeps bulk loads from writing every page twice.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; \
         PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY;",
    )?;
    // More than there are statements, lists and filters of the API left out.
    connection.set_prepared_statement_cache_capacity(512);
    rusqlite::vtab::array::load_module(&connection)?;
    let now = Arc::clone(now);
    connection.create_scalar_function("tieout_now", 1, FunctionFlags::SQLITE_UTF8, move |context| {
        let seconds: i64 = context.get(0)?;
        let then = now().checked_add(jiff::SignedDuration::from_secs(seconds));
        then.map(instant_text).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))
    })?;
    Ok(connection)
}

/// A transaction, or a reader's snapshot.
pub(crate) struct SqliteTx {
    connection: Held,
}

/// The one connection that writes.
struct Writer {
    connection: Connection,
    /// Whether its commits survive a power failure, as it was told last.
    is_durable: Option<bool>,
}

enum Held {
    Writer(OwnedMutexGuard<Writer>),
    Reader { connection: Option<Connection>, home: Arc<StdMutex<Vec<Connection>>>, _permit: OwnedSemaphorePermit },
}

impl SqliteTx {
    fn connection(&self) -> &Connection {
        match &self.connection {
            Held::Writer(writer) => &writer.connection,
            Held::Reader { connection, .. } => connection.as_ref().expect("taken only when dropped"),
        }
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error> {
        blocking(|| {
            let mut statement = self.connection().prepare_cached(&dialect::sqlite_query(sql))?;
            bind(&mut statement, params)?;
            Ok(statement.raw_execute()? as u64)
        })
    }

    pub(crate) fn query(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        blocking(|| {
            let mut statement = self.connection().prepare_cached(&dialect::sqlite_query(sql))?;
            bind(&mut statement, params)?;
            let width = statement.column_count();
            let mut rows = statement.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let cells = (0..width).map(|at| row.get_ref(at).map(cell)).collect::<rusqlite::Result<Vec<_>>>()?;
                found.push(Row::new(cells));
            }
            Ok(found)
        })
    }

    /// Runs one statement for many rows of parameters, prepared once.
    pub(crate) fn execute_many(&mut self, sql: &str, width: usize, cells: &[Value<'_>]) -> Result<(), Error> {
        blocking(|| {
            let mut statement = self.connection().prepare_cached(&dialect::sqlite_query(sql))?;
            for row in cells.chunks_exact(width) {
                bind(&mut statement, row)?;
                statement.raw_execute()?;
            }
            Ok(())
        })
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), Error> {
        blocking(|| Ok(self.connection().execute_batch(sql)?))
    }

    pub(crate) fn commit(self) -> Result<(), Error> {
        // On failure the drop below rolls back.
        blocking(|| Ok(control(self.connection(), "COMMIT")?))
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let connection = self.connection();
        if !connection.is_autocommit() && control(connection, "ROLLBACK").is_err() {
            tracing::warn!("a transaction could not be rolled back; its connection is closed");
        }
        if let Held::Reader { connection, home, .. } = &mut self.connection
            && let Some(connection) = connection.take()
            && connection.is_autocommit()
        {
            home.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(connection);
        }
    }
}

/// Begins or ends a transaction.
fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

/// Runs short blocking work where it is called, without holding up other tasks where the runtime can move them.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn bind(statement: &mut Statement<'_>, params: &[Value<'_>]) -> rusqlite::Result<()> {
    for (at, value) in params.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(value))?;
    }
    Ok(())
}

/// How SQLite keeps each type: see the head of `migrations/0001_books.sql`.
struct Bound<'a, 'v>(&'a Value<'v>);

impl rusqlite::ToSql for Bound<'_, '_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Bool(flag) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*flag))),
            Value::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Owned(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Amount(amount) => ToSqlOutput::Borrowed(ValueRef::Integer(amount.e4())),
            Value::Rate(rate) => ToSqlOutput::Owned(SqlValue::Text(rate.to_string())),
            Value::Date(date) => ToSqlOutput::Owned(SqlValue::Text(date.to_string())),
            Value::Instant(instant) => ToSqlOutput::Owned(SqlValue::Text(instant_text(*instant))),
            Value::Uuid(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Ints(list) => list_of(list.iter().map(|number| SqlValue::Integer(*number))),
            Value::Uuids(list) => list_of(list.iter().map(|id| SqlValue::Blob(id.as_bytes().to_vec()))),
            Value::Texts(list) => list_of(list.iter().map(|text| SqlValue::Text((*text).to_owned()))),
        })
    }
}

/// An instant with milliseconds and a fixed width, so that text order is time order.
fn instant_text(instant: Timestamp) -> String {
    jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&instant)
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        // No column of ours is REAL; STRICT tables see to it. What a query computes is shown as text.
        ValueRef::Real(number) => Cell::Text(number.to_string()),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

/// A list as SQLite's `rarray` table takes it.
fn list_of(values: impl Iterator<Item = SqlValue>) -> ToSqlOutput<'static> {
    ToSqlOutput::from_rc(Rc::new(values.collect::<Vec<_>>()), c"rarray")
}
