//! Rows into tables: a prepared insert per row on SQLite, a binary COPY per table and page on PostgreSQL.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::pin::pin;

use bytes::{BufMut, BytesMut};
use futures::SinkExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use model::{Amount, Rate};
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use tokio_postgres::types::{IsNull, ToSql as PostgresToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;
use xero::{Clock as _, SystemClock, TenantId};

use super::{Incoming, Known};

/// A value that both databases take.
pub(super) trait Cell: rusqlite::ToSql + PostgresToSql + Sync {}
impl<T: rusqlite::ToSql + PostgresToSql + Sync> Cell for T {}

/// Takes one row.
pub(super) type Emit<'a> = dyn FnMut(&[&dyn Cell]) -> anyhow::Result<()> + 'a;

/// Gives the values of one row.
macro_rules! cells {
    ($emit:ident => $($cell:expr),+) => { $emit(&[$(&$cell),+]) };
}
pub(super) use cells;

/// A record on its way into its tables.
pub(super) struct Row<'a, R> {
    pub(super) kind: &'static str,
    pub(super) id: i64,
    pub(super) incoming: &'a Incoming<R>,
}

/// Gives a record's rows in one table.
pub(super) type EmitRows<R> = fn(&Row<'_, R>, &Known, &mut Emit<'_>) -> anyhow::Result<()>;

/// A table that a kind of record writes.
pub(super) struct Table<R> {
    pub(super) name: &'static str,
    pub(super) columns: &'static str,
    pub(super) emit: EmitRows<R>,
}

/// The link of a record, whatever its kind.
pub(super) fn links<R>() -> Table<R> {
    Table {
        name: "links",
        columns: "connection_id, kind, xero_id, local_id, remote_hash, remote_updated_at, base",
        emit: |row, _, emit| {
            let incoming = row.incoming;
            let hash: &[u8] = &incoming.hash.0;
            cells!(emit => 1_i64, row.kind, Id(incoming.xero_id), row.id, hash, incoming.updated.map(At), incoming.base)
        },
    }
}

/// An open database.
pub(super) enum Database {
    Sqlite(rusqlite::Connection),
    Postgres { client: Client, types: HashMap<&'static str, Vec<Type>> },
}

impl Database {
    /// Opens a database whose tables are there, with the settings that Tieout uses: the same durability for both.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let connection = rusqlite::Connection::open(path)?;
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
                 PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY;",
            )?;
            return Ok(Self::Sqlite(connection));
        }
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self::Postgres { client, types: HashMap::new() })
    }

    /// The organisation and its connection, which every link refers to.
    pub(super) async fn begin_books(&mut self, tenant: TenantId, name: &str) -> anyhow::Result<()> {
        let organisation = "INSERT INTO organisations (id, name, created_at) VALUES ($1, $2, $3)";
        let connection = "INSERT INTO connections (id, org_id, tenant_id, xero_connection_id, tenant_name, state, \
                          connected_at, updated_at) VALUES ($1, $1, $2, $2, $3, 'CONNECTED', $4, $4)";
        let (id, now) = (Id(tenant.0), At(SystemClock.now()));
        match self {
            Self::Sqlite(database) => {
                database.execute(organisation, rusqlite::params![1, name, now])?;
                database.execute(connection, rusqlite::params![1, id, name, now])?;
            }
            Self::Postgres { client, .. } => {
                client.execute(organisation, &[&1_i64, &name, &now]).await?;
                client.execute(connection, &[&1_i64, &id, &name, &now]).await?;
            }
        }
        Ok(())
    }

    /// Writes the rows of a page, all tables in one transaction.
    pub(super) async fn write<R>(
        &mut self,
        tables: &[Table<R>],
        rows: &[Row<'_, R>],
        known: &Known,
    ) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(database) => {
                database.execute_batch("BEGIN IMMEDIATE")?;
                for table in tables {
                    insert(database, table, rows, known)?;
                }
                database.execute_batch("COMMIT")?;
            }
            Self::Postgres { client, types } => {
                client.batch_execute("BEGIN").await?;
                for table in tables {
                    copy(client, types, table, rows, known).await?;
                }
                client.batch_execute("COMMIT").await?;
            }
        }
        Ok(())
    }
}

fn insert<R>(
    database: &rusqlite::Connection,
    table: &Table<R>,
    rows: &[Row<'_, R>],
    known: &Known,
) -> anyhow::Result<()> {
    let marks = vec!["?"; table.columns.split(", ").count()].join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.columns);
    let mut statement = database.prepare_cached(&sql)?;
    for row in rows {
        (table.emit)(row, known, &mut |cells| {
            for (at, cell) in cells.iter().enumerate() {
                let cell: &dyn rusqlite::ToSql = *cell;
                statement.raw_bind_parameter(at + 1, cell)?;
            }
            statement.raw_execute()?;
            Ok(())
        })?;
    }
    Ok(())
}

async fn copy<R>(
    client: &Client,
    types: &mut HashMap<&'static str, Vec<Type>>,
    table: &Table<R>,
    rows: &[Row<'_, R>],
    known: &Known,
) -> anyhow::Result<()> {
    let columns = table.columns;
    if !types.contains_key(table.name) {
        let shape = client.prepare(&format!("SELECT {columns} FROM {}", table.name)).await?;
        types.insert(table.name, shape.columns().iter().map(|column| column.type_().clone()).collect());
    }
    let types = &types[table.name];
    let mut out = BytesMut::with_capacity(1024 * rows.len());
    out.put_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    for row in rows {
        (table.emit)(row, known, &mut |cells| {
            out.put_i16(i16::try_from(cells.len())?);
            for (cell, ty) in cells.iter().zip(types) {
                let at = out.len();
                out.put_i32(-1);
                if let IsNull::No = cell.to_sql_checked(ty, &mut out).map_err(|error| anyhow::anyhow!(error))? {
                    let length = i32::try_from(out.len() - at - 4)?;
                    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
                }
            }
            Ok(())
        })?;
    }
    out.put_i16(-1);
    let sink = client.copy_in(&format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", table.name)).await?;
    let mut sink = pin!(sink);
    sink.send(out.freeze()).await?;
    sink.finish().await?;
    Ok(())
}

/// A type in both databases' words: what SQLite keeps, and what PostgreSQL is sent.
macro_rules! cell {
    ($name:ident($inner:ty): $value:ident => $sqlite:expr, $postgres:expr) => {
        #[derive(Debug)]
        pub(super) struct $name(pub(super) $inner);

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let $value = &self.0;
                Ok($sqlite)
            }
        }

        impl PostgresToSql for $name {
            fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
                let $value = &self.0;
                PostgresToSql::to_sql(&$postgres, ty, out)
            }

            fn accepts(_: &Type) -> bool {
                true
            }

            to_sql_checked!();
        }
    };
}

cell!(Money(Amount): amount => ToSqlOutput::Owned(SqlValue::Integer(amount.e4())), amount.decimal());
cell!(Ratio(Rate): rate => ToSqlOutput::Owned(SqlValue::Text(rate.to_string())), rate.decimal());
cell!(Day(Date): date => ToSqlOutput::Owned(SqlValue::Text(date.to_string())), date);
cell!(Id(Uuid): id => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())), id);
cell!(At(Timestamp): instant => ToSqlOutput::Owned(SqlValue::Text(milliseconds(*instant))), to_the_millisecond(*instant));

fn milliseconds(instant: Timestamp) -> String {
    jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&instant)
}

fn to_the_millisecond(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}
