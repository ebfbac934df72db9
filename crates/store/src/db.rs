//! A database and its transactions. The only file that asks which database this is.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use model::ContentHash;

use crate::postgres::{Postgres, PostgresTx};
use crate::sqlite::{Sqlite, SqliteTx};
use crate::value::{Row, Value};
use crate::{Error, dialect, migrate, postgres};

/// The clock of a SQLite database; PostgreSQL has its own.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A place in the life of a transaction where a process may die, stand still or lose its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before it begins; nothing is locked.
    Begin,
    /// Before the commit of one that writes: dying here is dying anywhere between its statements.
    Commit,
    /// After the commit of one that writes; with whether it survives a power failure.
    Committed {
        /// Begun by [`Store::begin_durable`].
        is_durable: bool,
    },
}

/// What stands between the engine and its database in a simulation.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Called at every [`Point`]; an error is what the caller of the transaction gets instead.
    async fn reached(&self, point: Point) -> Result<(), Error>;
}

/// So many rows are written one by one: a detour over another table would take longer.
const FEW_ROWS: usize = 8;

/// An open database, migrated to this program's schema. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    url: Arc<str>,
    probe: Option<Arc<dyn Probe>>,
}

#[derive(Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// The right of this process to run the engine on the database, until dropped.
#[derive(Debug)]
pub struct Claim {
    _file: Option<File>,
}

impl Store {
    /// Opens `sqlite:///path/to/file.db` or `postgres://user@host/database` and applies what migrations are missing.
    ///
    /// `now` is the clock by which SQLite measures leases.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Unavailable`], [`Error::Newer`] or [`Error::Altered`]; nothing was changed then.
    pub async fn open(url: &str, now: Now) -> Result<Self, Error> {
        let backend = if let Some(path) = sqlite_path(url) {
            Backend::Sqlite(Sqlite::open(&path, now)?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Backend::Postgres(Postgres::open(url)?)
        } else {
            return Err(Error::BadUrl(postgres::without_password(url)));
        };
        let store = Self { backend, url: postgres::without_password(url).into(), probe: None };
        migrate::run(&store).await?;
        Ok(store)
    }

    /// The same open database, seen through a probe: to the engine on top it is one process's own.
    pub fn with_probe(&self, probe: Arc<dyn Probe>) -> Self {
        Self { probe: Some(probe), ..self.clone() }
    }

    /// The URL as it may be shown: without password.
    pub fn shown_url(&self) -> &str {
        &self.url
    }

    /// `"sqlite"` or `"postgres"`, for people.
    pub const fn database(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite(_) => "sqlite",
            Backend::Postgres(_) => "postgres",
        }
    }

    /// Claims the database for this process's engine. SQLite allows one; on PostgreSQL, leases keep many apart.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it.
    pub async fn claim(&self) -> Result<Claim, Error> {
        match &self.backend {
            Backend::Sqlite(sqlite) => {
                let file = sqlite.claim()?;
                // Whoever held a lease on this file is gone.
                let mut tx = self.begin().await?;
                tx.execute("UPDATE leases SET lease_until = tieout_now(0)", &[]).await?;
                tx.commit().await?;
                Ok(Claim { _file: Some(file) })
            }
            Backend::Postgres(_) => Ok(Claim { _file: None }),
        }
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Unavailable`].
    pub async fn begin(&self) -> Result<Tx, Error> {
        self.begin_with(false).await
    }

    /// Begins a transaction whose commit survives even a power failure, for tokens and outgoing writes.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Unavailable`].
    pub async fn begin_durable(&self) -> Result<Tx, Error> {
        self.begin_with(true).await
    }

    async fn begin_with(&self, durable: bool) -> Result<Tx, Error> {
        reached(&self.probe, Point::Begin).await?;
        Ok(Tx {
            inner: match &self.backend {
                Backend::Sqlite(sqlite) => Inner::Sqlite(sqlite.begin(durable).await?),
                Backend::Postgres(postgres) => Inner::Postgres(postgres.begin(durable).await?),
            },
            writes: true,
            is_durable: durable,
            probe: self.probe.clone(),
        })
    }

    /// Begins reading one consistent state.
    ///
    /// # Errors
    /// [`Error::Busy`] or [`Error::Unavailable`].
    pub async fn read(&self) -> Result<Tx, Error> {
        reached(&self.probe, Point::Begin).await?;
        Ok(Tx {
            inner: match &self.backend {
                Backend::Sqlite(sqlite) => Inner::Sqlite(sqlite.read().await?),
                Backend::Postgres(postgres) => Inner::Postgres(postgres.read().await?),
            },
            writes: false,
            is_durable: false,
            probe: self.probe.clone(),
        })
    }
}

async fn reached(probe: &Option<Arc<dyn Probe>>, point: Point) -> Result<(), Error> {
    match probe {
        Some(probe) => probe.reached(point).await,
        None => Ok(()),
    }
}

fn sqlite_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// A transaction. Dropped without [`Tx::commit`], it has not happened.
pub struct Tx {
    inner: Inner,
    writes: bool,
    is_durable: bool,
    probe: Option<Arc<dyn Probe>>,
}

enum Inner {
    Sqlite(SqliteTx),
    Postgres(PostgresTx),
}

impl Tx {
    /// Makes everything that was written durable and visible.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Unavailable`] and others; unless the connection broke, nothing was kept then.
    pub async fn commit(self) -> Result<(), Error> {
        if !self.writes {
            return match self.inner {
                Inner::Sqlite(tx) => tx.commit(),
                Inner::Postgres(tx) => tx.finish_reading().await,
            };
        }
        reached(&self.probe, Point::Commit).await?;
        match self.inner {
            Inner::Sqlite(tx) => tx.commit()?,
            Inner::Postgres(tx) => tx.commit().await?,
        }
        reached(&self.probe, Point::Committed { is_durable: self.is_durable }).await
    }

    pub(crate) async fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, Error> {
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.execute(sql, params),
            Inner::Postgres(tx) => tx.execute(sql, params).await,
        }
    }

    pub(crate) async fn query(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.query(sql, params),
            Inner::Postgres(tx) => tx.query(sql, params).await,
        }
    }

    /// The only row of a result, if there is one.
    pub(crate) async fn query_opt(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    pub(crate) async fn query_one(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Row, Error> {
        self.query_opt(sql, params).await?.ok_or_else(|| Error::BadRow("a row that must exist does not".into()))
    }

    /// Runs statements that take no parameters.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Sqlite(tx) => tx.batch(sql),
            Inner::Postgres(tx) => tx.batch(sql).await,
        }
    }

    /// A migration's text in this database's words.
    pub(crate) fn migration(&self, sql: &str) -> String {
        match self.inner {
            Inner::Sqlite(_) => dialect::sqlite_migration(sql),
            Inner::Postgres(_) => dialect::postgres_migration(sql),
        }
    }

    /// A query for the rows of a table whose `key` (its name and type) is in the list `$list`, by an index that begins
    /// with what the condition fixes.
    pub(crate) fn look_up(
        &self,
        table: &str,
        columns: &str,
        condition: &str,
        key: (&str, &str),
        list: usize,
    ) -> String {
        match self.inner {
            Inner::Sqlite(_) => dialect::sqlite_look_up(table, columns, condition, key.0, list),
            Inner::Postgres(_) => dialect::postgres_look_up(table, columns, condition, key, list),
        }
    }

    /// The whole numbers of the list `$list` as a table `listed` with the column `value`.
    pub(crate) fn listed(&self, list: usize) -> String {
        match self.inner {
            Inner::Sqlite(_) => format!("rarray(${list}) AS listed"),
            Inner::Postgres(_) => format!("unnest(CAST(${list} AS BIGINT[])) AS listed (value)"),
        }
    }

    /// The type of an instant.
    pub(crate) fn instant_type(&self) -> &'static str {
        match self.inner {
            Inner::Sqlite(_) => "TEXT",
            Inner::Postgres(_) => "TIMESTAMPTZ",
        }
    }

    /// The triggers that capture changes of the books, in this database's words.
    pub(crate) async fn capture_triggers(&mut self) -> Result<String, Error> {
        if matches!(self.inner, Inner::Sqlite(_)) {
            return Ok(dialect::capture::sqlite_triggers());
        }
        let schema: String = self.query_one("SELECT quote_ident(current_schema())", &[]).await?.take()?;
        Ok(dialect::capture::postgres_triggers(&schema))
    }

    /// A query for the table and name of every trigger that is installed and switched on.
    pub(crate) fn installed_triggers(&self) -> &'static str {
        match self.inner {
            Inner::Sqlite(_) => "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
            Inner::Postgres(_) => {
                "SELECT CAST(c.relname AS TEXT), CAST(t.tgname AS TEXT) FROM pg_trigger t \
                 JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = current_schema() AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
            }
        }
    }

    /// What a database needs before its first migration.
    pub(crate) async fn prepare_schema(&mut self) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Sqlite(_) => Ok(()),
            // Two processes that start at once migrate one after the other.
            Inner::Postgres(tx) => {
                tx.batch("SELECT pg_advisory_xact_lock(8314057)").await?;
                tx.batch(dialect::POSTGRES_CLOCK).await
            }
        }
    }

    /// Inserts rows, given cell by cell.
    pub(crate) async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        cells: &[Value<'_>],
    ) -> Result<(), Error> {
        if cells.is_empty() {
            return Ok(());
        }
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                let list = columns.join(", ");
                let marks: Vec<String> = (1..=columns.len()).map(|at| format!("${at}")).collect();
                let sql = format!("INSERT INTO {table} ({list}) VALUES ({})", marks.join(", "));
                tx.execute_many(&sql, columns.len(), cells)
            }
            Inner::Postgres(tx) => tx.copy(table, columns, columns.len(), cells).await,
        }
    }

    /// Updates rows, given cell by cell; the first `keys` columns say which, the others are set.
    pub(crate) async fn update_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        keys: usize,
        cells: &[Value<'_>],
    ) -> Result<(), Error> {
        self.update_rows_and(table, columns, keys, cells, "").await
    }

    /// Updates rows like [`Tx::update_rows`], and sets in the same statement what `also` says, for example
    /// `", sync_rev = sync_rev + 1"`.
    pub(crate) async fn update_rows_and(
        &mut self,
        table: &str,
        columns: &[&str],
        keys: usize,
        cells: &[Value<'_>],
        also: &str,
    ) -> Result<(), Error> {
        let (key_columns, set_columns) = columns.split_at(keys);
        let each = |name: &&str, at: usize| format!("{name} = ${}", at + 1);
        let sets: Vec<_> = set_columns.iter().enumerate().map(|(at, name)| each(name, at + keys)).collect();
        let wheres: Vec<_> = key_columns.iter().enumerate().map(|(at, name)| each(name, at)).collect();
        let one = format!("UPDATE {table} SET {}{also} WHERE {}", sets.join(", "), wheres.join(" AND "));
        let sets: Vec<_> = set_columns.iter().map(|name| format!("{name} = c.{name}")).collect();
        let wheres: Vec<_> = key_columns.iter().map(|name| format!("t.{name} = c.{name}")).collect();
        let (sets, wheres) = (sets.join(", "), wheres.join(" AND "));
        self.write_rows(table, columns, cells, &one, |staging| {
            format!("UPDATE {table} t SET {sets}{also} FROM {staging} c WHERE {wheres}")
        })
        .await
    }

    /// Deletes rows, given by columns that say which, cell by cell.
    pub(crate) async fn delete_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        cells: &[Value<'_>],
    ) -> Result<(), Error> {
        let wheres: Vec<_> = columns.iter().enumerate().map(|(at, name)| format!("{name} = ${}", at + 1)).collect();
        let one = format!("DELETE FROM {table} WHERE {}", wheres.join(" AND "));
        let wheres: Vec<_> = columns.iter().map(|name| format!("t.{name} = c.{name}")).collect();
        self.write_rows(table, columns, cells, &one, |staging| {
            format!("DELETE FROM {table} t USING {staging} c WHERE {}", wheres.join(" AND "))
        })
        .await
    }

    /// Inserts rows, given cell by cell, of which some may exist: `conflict` says what then, for example
    /// `"ON CONFLICT (id) DO NOTHING"`. No two of the rows may be in conflict with each other unless nothing is done
    /// then.
    pub(crate) async fn upsert_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        cells: &[Value<'_>],
        conflict: &str,
    ) -> Result<(), Error> {
        let list = columns.join(", ");
        let marks: Vec<String> = (1..=columns.len()).map(|at| format!("${at}")).collect();
        let one = format!("INSERT INTO {table} ({list}) VALUES ({}) {conflict}", marks.join(", "));
        self.write_rows(table, columns, cells, &one, |staging| {
            format!("INSERT INTO {table} ({list}) SELECT {list} FROM {staging} {conflict}")
        })
        .await
    }

    /// Writes many rows: by a statement for one row, or on PostgreSQL, if they are not few, by one for all of them over
    /// a table that they are copied to first.
    async fn write_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        cells: &[Value<'_>],
        one: &str,
        all: impl FnOnce(&str) -> String,
    ) -> Result<(), Error> {
        let width = columns.len();
        match &mut self.inner {
            _ if cells.is_empty() => Ok(()),
            Inner::Sqlite(tx) => tx.execute_many(one, width, cells),
            Inner::Postgres(tx) if cells.len() <= FEW_ROWS * width => {
                for row in cells.chunks_exact(width) {
                    tx.execute(one, row).await?;
                }
                Ok(())
            }
            Inner::Postgres(tx) => {
                let list = columns.join(", ");
                // Kept for as long as the connection lives, so each shape of change has its own.
                let shape = format!("{:?}", ContentHash::of(list.as_bytes()));
                let staging = format!("changed_{table}_{}", &shape[..8]);
                tx.batch(&format!(
                    "CREATE TEMPORARY TABLE IF NOT EXISTS {staging} ON COMMIT DELETE ROWS AS SELECT {list} FROM {table} LIMIT 0"
                ))
                .await?;
                tx.batch(&format!("TRUNCATE {staging}")).await?;
                tx.copy(&staging, columns, width, cells).await?;
                tx.execute(&all(&staging), &[]).await.map(drop)
            }
        }
    }

    /// `count` ids of a table that nobody else will use, in ascending order.
    pub(crate) async fn allocate_ids(&mut self, table: &str, count: usize) -> Result<Vec<i64>, Error> {
        let wanted = i64::try_from(count).map_err(|_| Error::Driver("too many rows at once".into()))?;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        match &mut self.inner {
            Inner::Sqlite(_) => {
                // The transaction has the file to itself, and inserting explicit ids moves the sequence.
                let rows = self.query("SELECT seq FROM sqlite_sequence WHERE name = $1", &[Value::Text(table)]).await?;
                let last: i64 = rows.into_iter().next().map_or(Ok(0), |mut row| row.take())?;
                Ok((last + 1..=last + wanted).collect())
            }
            Inner::Postgres(_) => {
                let sql = format!(
                    // The sequence is looked for once, not for each id.
                    "SELECT nextval(own.sequence) FROM \
                     (SELECT pg_get_serial_sequence('{table}', 'id')::regclass AS sequence OFFSET 0) AS own, \
                     generate_series(1, $1::bigint)"
                );
                self.query(&sql, &[Value::Int(wanted)]).await?.into_iter().map(|mut row| row.take()).collect()
            }
        }
    }
}
