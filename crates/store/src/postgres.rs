//! The PostgreSQL driver: a pool, prepared statements, binary COPY for bulk writes.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures::SinkExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use model::Amount;
use rust_decimal::Decimal;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{FromSql, IsNull, Kind as TypeKind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Config, NoTls, Row as PgRow};
use uuid::Uuid;

use crate::Error;
use crate::value::{Cell, Row, Value};

/// Connections a process may hold at once; a server's default is 100 for everybody.
const CONNECTIONS: usize = 16;

/// How long a server may take to answer at all, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a COPY is put together before it is sent.
const COPY_BYTES: usize = 256 * 1024;
/// The signature, no flags, no extension (PostgreSQL's documentation of COPY, "Binary Format").
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COPY_END: i16 = -1;
const NUMERIC_POSITIVE: u16 = 0;
const NUMERIC_NEGATIVE: u16 = 0x4000;
/// Decimals that are shown.
const NUMERIC_DECIMALS: u16 = 4;

/// An open PostgreSQL database.
#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Pool,
    target: Arc<str>,
}

impl Postgres {
    pub(crate) fn open(url: &str) -> Result<Self, Error> {
        let mut config: Config = url.parse().map_err(|_| Error::BadUrl(without_password(url)))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = if is_local(&config) && config.get_ssl_mode() != SslMode::Require {
            Manager::from_config(config, NoTls, recycling)
        } else {
            // Anything that leaves this machine is encrypted, and the server's certificate and name are checked.
            let mut config = config;
            config.ssl_mode(SslMode::Require);
            let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls_config(url)?);
            Manager::from_config(config, tls, recycling)
        };
        let pool =
            Pool::builder(manager).max_size(CONNECTIONS).build().map_err(|error| Error::Driver(error.to_string()))?;
        Ok(Self { pool, target: without_password(url).into() })
    }

    async fn connection(&self) -> Result<Object, Error> {
        self.pool.get().await.map_err(|error| Error::Unavailable {
            target: self.target.to_string(),
            cause: match &error {
                deadpool_postgres::PoolError::Backend(cause) => {
                    let source = StdError::source(cause).map(|source| format!(": {source}")).unwrap_or_default();
                    format!("{cause}{source}")
                }
                other => other.to_string(),
            },
        })
    }

    pub(crate) fn begin<'a>(&'a self, durable: bool) -> Boxed<'a, PostgresTx> {
        Box::pin(async move {
            let tx = PostgresTx { connection: Some(self.connection().await?) };
            let level = if durable { "BEGIN; SET LOCAL synchronous_commit = on" } else { "BEGIN" };
            tx.connection().batch_execute(level).await?;
            Ok(tx)
        })
    }

    pub(crate) fn read<'a>(&'a self) -> Boxed<'a, PostgresTx> {
        Box::pin(async move {
            let tx = PostgresTx { connection: Some(self.connection().await?) };
            tx.connection().batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            Ok(tx)
        })
    }
}

/// A future whose code is made here: the code of an `async fn`, and of the driver below it, is made again by every crate
/// that waits for it.
type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// True if no byte to this server leaves the machine.
fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            Host::Unix(_) => true,
        })
}

fn tls_config(url: &str) -> Result<rustls::ClientConfig, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::Unavailable {
            target: without_password(url),
            cause: "this system has no root certificates: install its ca-certificates package".into(),
        });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Driver(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The URL as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    // The query may hold a password too.
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return "(unreadable url)".into() };
    let shown = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    format!("{scheme}://{shown}")
}

/// A transaction. Dropped before its end, it is rolled back before its connection is used again.
pub(crate) struct PostgresTx {
    connection: Option<Object>,
}

impl PostgresTx {
    fn connection(&self) -> &Object {
        self.connection.as_ref().expect("taken only at the end")
    }

    pub(crate) fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value<'a>]) -> Boxed<'a, u64> {
        Box::pin(async move {
            let statement = self.connection().prepare_cached(sql).await?;
            // Collected and not mapped on the way: a closure in here keeps whole syncs from moving between threads.
            let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|value| value as _).collect();
            Ok(self.connection().execute(&statement, &params).await?)
        })
    }

    pub(crate) fn query<'a>(&'a mut self, sql: &'a str, params: &'a [Value<'a>]) -> Boxed<'a, Vec<Row>> {
        Box::pin(async move {
            let statement = self.connection().prepare_cached(sql).await?;
            let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|value| value as _).collect();
            let rows = self.connection().query(&statement, &params).await?;
            rows.iter().map(row).collect()
        })
    }

    /// Copies rows into a table, given cell by cell.
    ///
    /// The rows are put together here, in PostgreSQL's binary format: the driver's own writer sends 4 kB at a time, and
    /// each piece goes through another task.
    pub(crate) fn copy<'a>(
        &'a mut self,
        table: &'a str,
        columns: &'a [&'a str],
        width: usize,
        cells: &'a [Value<'a>],
    ) -> Boxed<'a, ()> {
        Box::pin(async move {
            let list = columns.join(", ");
            let shape = self.connection().prepare_cached(&format!("SELECT {list} FROM {table}")).await?;
            let sink = self.connection().copy_in(&format!("COPY {table} ({list}) FROM STDIN (FORMAT binary)")).await?;
            let mut sink = pin!(sink);
            let mut out = BytesMut::with_capacity(COPY_BYTES + COPY_BYTES / 4);
            out.put_slice(COPY_HEADER);
            let wide = i16::try_from(width).map_err(|_| Error::Driver("too many columns".into()))?;
            for row in cells.chunks_exact(width) {
                out.put_i16(wide);
                for (value, column) in row.iter().zip(shape.columns()) {
                    put_field(&mut out, value, column.type_()).map_err(|error| Error::Driver(error.to_string()))?;
                }
                if out.len() >= COPY_BYTES {
                    sink.send(out.split().freeze()).await?;
                    out.reserve(COPY_BYTES + COPY_BYTES / 4);
                }
            }
            out.put_i16(COPY_END);
            sink.send(out.freeze()).await?;
            sink.finish().await?;
            Ok(())
        })
    }

    pub(crate) fn batch<'a>(&'a mut self, sql: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move { Ok(self.connection().batch_execute(sql).await?) })
    }

    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        self.connection().batch_execute("COMMIT").await?;
        // Only now may the connection go back to the pool.
        drop(self.connection.take());
        Ok(())
    }

    /// Ends a transaction that has written nothing.
    pub(crate) async fn finish_reading(mut self) -> Result<(), Error> {
        self.connection().batch_execute("ROLLBACK").await?;
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(connection));
            return;
        };
        // The roll-back waits in line behind whatever is still running; only then does the pool get the connection.
        runtime.spawn(async move {
            if let Err(error) = connection.batch_execute("ROLLBACK").await {
                tracing::debug!(%error, "a transaction could not be rolled back; its connection is closed");
                drop(Object::take(connection));
            }
        });
    }
}

/// A field of a binary COPY: its length, -1 for NULL, and its bytes.
fn put_field(out: &mut BytesMut, value: &Value<'_>, ty: &Type) -> Result<(), Box<dyn StdError + Sync + Send>> {
    let start = out.len();
    out.put_i32(-1);
    if let IsNull::No = value.to_sql(ty, out)? {
        let length = i32::try_from(out.len() - start - size_of::<i32>())?;
        out[start..start + size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// An amount as NUMERIC: digits to the base of 10,000, which is what an amount counts in.
fn put_numeric(out: &mut BytesMut, amount: Amount) {
    let mut digits = [0_u16; 5];
    let mut rest = amount.e4().unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit = u16::try_from(rest % 10_000).unwrap_or_default();
        rest /= 10_000;
    }
    let leading_zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[leading_zeros..];
    out.put_u16(u16::try_from(digits.len()).unwrap_or_default());
    // The power of the first digit; that of the last is -1.
    out.put_i16(i16::try_from(digits.len()).unwrap_or_default() - 2);
    out.put_u16(if amount.e4() < 0 { NUMERIC_NEGATIVE } else { NUMERIC_POSITIVE });
    out.put_u16(NUMERIC_DECIMALS);
    digits.iter().for_each(|digit| out.put_u16(*digit));
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Bool(flag) => flag.to_sql(ty, out),
            Self::Int(number) => match *ty {
                Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
                Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
                Type::NUMERIC => Decimal::from(*number).to_sql(ty, out),
                _ => number.to_sql(ty, out),
            },
            // PostgreSQL's text cannot hold U+0000; Xero's cannot either, so only a hostile answer brings one.
            Self::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Owned(text) => text.replace('\0', "\u{fffd}").to_sql(ty, out),
            Self::Amount(amount) => {
                put_numeric(out, *amount);
                Ok(IsNull::No)
            }
            Self::Rate(rate) => rate.decimal().to_sql(ty, out),
            Self::Date(date) => date.to_sql(ty, out),
            Self::Instant(instant) => millisecond(*instant).to_sql(ty, out),
            Self::Uuid(id) => id.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::Ints(list) => list.to_sql(ty, out),
            Self::Uuids(list) => list.to_sql(ty, out),
            Self::Texts(list) => list.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Both databases keep instants to the millisecond, as Xero does, so that they compare equal.
fn millisecond(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}

fn row(row: &PgRow) -> Result<Row, Error> {
    (0..row.len()).map(|at| row.try_get::<_, Cell>(at).map_err(Error::from)).collect::<Result<_, _>>().map(Row::new)
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(match *ty {
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => Self::Int(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::NUMERIC => Self::Decimal(Decimal::from_sql(ty, raw)?),
            Type::DATE => Self::Date(Date::from_sql(ty, raw)?),
            Type::TIMESTAMPTZ => Self::Instant(Timestamp::from_sql(ty, raw)?),
            Type::UUID => Self::Uuid(Uuid::from_sql(ty, raw)?),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ if matches!(ty.kind(), TypeKind::Simple) => Self::Text(String::from_utf8_lossy(raw).into_owned()),
            _ => return Err(format!("no cell for type {ty}").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_numerics() {
        for e4 in [0, 1, -1, 9_999, 10_000, 241_500, -50, 99_999_999, 100_000_000, i64::MAX, i64::MIN] {
            let mut out = BytesMut::new();
            put_numeric(&mut out, Amount::from_e4(e4));
            assert_eq!(Decimal::from_sql(&Type::NUMERIC, &out).unwrap(), Amount::from_e4(e4).decimal(), "{e4}");
        }
    }

    #[test]
    fn urls_are_shown_without_password() {
        assert_eq!(
            without_password("postgres://me:s3cret@db.example/books?sslmode=x"),
            "postgres://me@db.example/books"
        );
        assert_eq!(without_password("postgres://db.example/books?password=a@b"), "postgres://db.example/books");
        assert_eq!(without_password("nonsense"), "(unreadable url)");
    }
}
