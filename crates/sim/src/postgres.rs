//! A simulation on PostgreSQL: the server goes by the simulation's clock, and virtual time waits while it works.
//!
//! The engine reaches its server through a relay in the simulation's own thread. The relay reads the frames of PostgreSQL's
//! protocol (version 3) as they pass and knows by them whether the server still owes an answer; for as long as it does,
//! virtual time stands still. Every run gets a copy of a template whose functions read the time from a table.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};
use store::Store;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_postgres::{Client, NoTls};

use crate::time::{AtWork, Time};

/// The clock of every machine that uses the database, read from a row that the simulation moves; and the capture of
/// changes, by that clock.
const VIRTUAL: &str = "CREATE TABLE virtual_time (at TIMESTAMPTZ NOT NULL); \
    INSERT INTO virtual_time (at) VALUES (to_timestamp(0)); \
    CREATE OR REPLACE FUNCTION tieout_now(seconds BIGINT) RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE AS \
    $$ SELECT at + seconds * INTERVAL '1 second' FROM virtual_time $$; \
    DO $do$ DECLARE of RECORD; BEGIN \
    FOR of IN SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
        WHERE n.nspname = current_schema() AND p.proname IN ('tieout_stamp', 'tieout_capture', 'tieout_touch') \
    LOOP EXECUTE replace(pg_get_functiondef(of.oid), 'clock_timestamp()', 'tieout_now(0)'); END LOOP; END $do$;";

/// A server on which simulations get databases of their own.
pub struct Server {
    admin: String,
    template: String,
    made: AtomicU64,
}

impl Server {
    /// Prepares the server that a URL with the right to make databases leads to.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub async fn prepare(admin: &str) -> anyhow::Result<Self> {
        let template = format!("tieout_sim_{}", std::process::id());
        let server = Self { admin: admin.to_owned(), template, made: AtomicU64::new(0) };
        let client = connect(admin).await.context("the server of the simulations cannot be reached")?;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{}\"", server.template)).await?;
        client.batch_execute(&format!("CREATE DATABASE \"{}\" TEMPLATE template0", server.template)).await?;
        let url = server.url_of(&server.template)?;
        let epoch = jiff::Timestamp::UNIX_EPOCH;
        drop(Store::open(&url, Arc::new(move || epoch)).await?);
        let inside = connect(&url).await?;
        inside.batch_execute(VIRTUAL).await.context("the simulation's clock cannot be put into the database")?;
        drop(inside);
        let leave = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
        client.execute(leave, &[&server.template]).await?;
        Ok(server)
    }

    /// A fresh database, migrated and empty: its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(&self) -> anyhow::Result<String> {
        let name = format!("{}_{}", self.template, self.made.fetch_add(1, Ordering::Relaxed));
        let client = connect(&self.admin).await?;
        client.batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{}\"", self.template)).await?;
        self.url_of(&name)
    }

    /// Removes a database that [`Server::database`] made.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn remove(&self, url: &str) -> anyhow::Result<()> {
        let url: url::Url = url.parse()?;
        self.drop_database(url.path().trim_start_matches('/')).await
    }

    /// Removes what [`Server::prepare`] made.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn end(&self) -> anyhow::Result<()> {
        self.drop_database(&self.template).await
    }

    async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        let client = connect(&self.admin).await?;
        Ok(client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await?)
    }

    fn url_of(&self, name: &str) -> anyhow::Result<String> {
        let mut url: url::Url = self.admin.parse()?;
        url.set_path(name);
        Ok(url.into())
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Its errors are the client's, too.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Sets the database's clock.
pub(crate) struct DatabaseClock {
    client: Client,
    set_to: AtomicI64,
}

impl DatabaseClock {
    pub(crate) async fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { client: connect(url).await?, set_to: AtomicI64::new(0) })
    }

    /// Tells the database what time it is, if it does not know. Virtual time waits meanwhile.
    pub(crate) async fn tell(&self, time: &Time) -> Result<(), store::Error> {
        let now = time.now_ms();
        if self.set_to.swap(now, Ordering::Relaxed) == now {
            return Ok(());
        }
        let _working = time.at_work();
        let set =
            format!("UPDATE virtual_time SET at = to_timestamp({}) + {} * INTERVAL '1 ms'", now / 1_000, now % 1_000);
        let told = self.client.batch_execute(&set).await;
        told.map_err(|error| store::Error::Unavailable {
            target: "the database's clock".into(),
            cause: error.to_string(),
        })
    }
}

/// The way to the server, through which the simulation sees whether it is at work.
pub(crate) struct Relay {
    /// The database's URL by this way.
    pub(crate) url: String,
    listens: AbortHandle,
}

impl Relay {
    /// A way to the database of this URL.
    pub(crate) async fn to(url: &str, time: &Time) -> anyhow::Result<Self> {
        let mut by: url::Url = url.parse()?;
        let host = by.host_str().ok_or_else(|| anyhow!("{url} names no host"))?.to_owned();
        let server = (host, by.port().unwrap_or(5_432));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        by.set_host(Some("127.0.0.1"))?;
        by.set_port(Some(listener.local_addr()?.port())).map_err(|()| anyhow!("{url} takes no port"))?;
        let time = time.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, time) = (server.clone(), time.clone());
                tokio::spawn(async move {
                    // A connection that breaks off is the client's affair: it sees it end.
                    drop(relay(client, (server.0.as_str(), server.1), &time).await);
                });
            }
        });
        Ok(Self { url: by.into(), listens: listening.abort_handle() })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

async fn relay(client: TcpStream, server: (&str, u16), time: &Time) -> std::io::Result<()> {
    let owed = Owed { time, state: Mutex::default() };
    owed.asked(1);
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        ended = pass(client_in, server_out, Frames::with_start(), |kinds| owed.asked(asks(kinds)), |_| {}) => ended,
        ended = pass(server_in, client_out, Frames::default(), |_| {}, |kinds| owed.answered(answers(kinds))) => ended,
    }
}

/// Passes on what comes, and tells the kinds of its frames before and after.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frames: Frames,
    before: impl Fn(&[u8]),
    after: impl Fn(&[u8]),
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let kinds = frames.kinds(&bytes[..count]);
        before(&kinds);
        to.write_all(&bytes[..count]).await?;
        after(&kinds);
    }
}

/// Frames after which the server says that it is ready: `Query` and `Sync`. The `Sync` before the data of a COPY is one that
/// the server passes over, and `CopyDone` or `CopyFail` tells that it was.
fn asks(kinds: &[u8]) -> i64 {
    let of = |kind: &u8| match kind {
        b'Q' | b'S' => 1,
        b'c' | b'f' => -1,
        _ => 0,
    };
    kinds.iter().map(of).sum()
}

/// `ReadyForQuery`.
fn answers(kinds: &[u8]) -> i64 {
    i64::try_from(kinds.iter().filter(|kind| **kind == b'Z').count()).unwrap_or(0)
}

/// What the server still owes on one connection.
struct Owed<'a> {
    time: &'a Time,
    state: Mutex<(i64, Option<AtWork>)>,
}

impl Owed<'_> {
    fn state(&self) -> MutexGuard<'_, (i64, Option<AtWork>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self, count: i64) {
        let mut state = self.state();
        state.0 += count;
        state.1.get_or_insert_with(|| self.time.at_work());
    }

    fn answered(&self, count: i64) {
        let mut state = self.state();
        state.0 = (state.0 - count).max(0);
        if count > 0 && state.0 == 0 {
            state.1 = None;
        }
    }
}

/// Finds where frames begin in a stream: one byte of kind, but for the first of a client, and four of length.
#[derive(Default)]
struct Frames {
    /// Of the header under way.
    header: Vec<u8>,
    /// Of the frame's body, still to come.
    left: usize,
    is_start: bool,
}

impl Frames {
    /// A client's: the first frame has no kind.
    fn with_start() -> Self {
        Self { is_start: true, ..Self::default() }
    }

    /// The kinds of the frames that begin in these bytes.
    fn kinds(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let Some((byte, rest)) = bytes.split_first() else { break };
            self.header.push(*byte);
            bytes = rest;
            let of_kind = usize::from(!self.is_start);
            if let Some(Ok(length)) = self.header.get(of_kind..).map(<[u8; 4]>::try_from) {
                if !self.is_start {
                    found.push(self.header[0]);
                }
                // The length counts itself.
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(4).saturating_sub(4);
                self.header.clear();
                self.is_start = false;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut stream = vec![0, 0, 0, 9, 1, 2, 3, 4, 5];
        for (kind, length) in [(b'Q', 3_u32), (b'S', 0), (b'p', 300)] {
            stream.push(kind);
            stream.extend((length + 4).to_be_bytes());
            stream.extend(std::iter::repeat_n(b'S', usize::try_from(length).expect("small")));
        }
        for piece in [1, 2, 7, 1_000] {
            let mut frames = Frames::with_start();
            let kinds: Vec<u8> = stream.chunks(piece).flat_map(|bytes| frames.kinds(bytes)).collect();
            assert_eq!(kinds, b"QSp", "in pieces of {piece}");
        }
        assert_eq!((asks(b"PBES"), asks(b"QQ"), answers(b"1CZ")), (1, 2, 1));
        assert_eq!(asks(b"BESdddcS"), 1, "a COPY is answered once");
    }

    #[test]
    fn time_waits_for_as_long_as_an_answer_is_owed() {
        let time = Time::starting_at(0);
        let owed = Owed { time: &time, state: Mutex::default() };
        owed.asked(0);
        assert!(time.is_busy(), "the beginning of something");
        owed.asked(2);
        owed.answered(1);
        assert!(time.is_busy());
        owed.answered(1);
        assert!(!time.is_busy());
        owed.asked(1);
        drop(owed);
        assert!(!time.is_busy(), "a connection that broke owes nothing");
    }
}
