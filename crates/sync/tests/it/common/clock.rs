//! Virtual time for PostgreSQL too: leases and sends go by the database's clock, so a test that moves time moves it there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use store::{Point, Probe, Store};

/// Sets the database's clock before every transaction, where it has moved.
struct DatabaseClock {
    clock: emulator::Clock,
    client: tokio_postgres::Client,
    set_to: AtomicI64,
}

/// The clock of every machine that uses the database, read from a row that a test moves.
const VIRTUAL: &str = "CREATE TABLE IF NOT EXISTS virtual_time (at TIMESTAMPTZ NOT NULL); \
    CREATE OR REPLACE FUNCTION tieout_now(seconds BIGINT) RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE AS \
    $$ SELECT at + seconds * INTERVAL '1 second' FROM virtual_time $$;";

#[async_trait]
impl Probe for DatabaseClock {
    async fn reached(&self, point: Point) -> Result<(), store::Error> {
        let now = self.clock.now();
        // A clock that runs is a little behind in the database, as another machine's is.
        if point == Point::Begin && (now - self.set_to.load(Ordering::SeqCst)).abs() >= 100 {
            self.set_to.store(now, Ordering::SeqCst);
            let set = format!("UPDATE virtual_time SET at = to_timestamp({now} / 1000.0)");
            self.client.batch_execute(&set).await.unwrap();
        }
        Ok(())
    }
}

/// The store, its database going by a virtual clock.
pub async fn with_clock(store: Store, url: &str, clock: emulator::Clock) -> Store {
    if url.starts_with("sqlite:") {
        return store;
    }
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(VIRTUAL).await.unwrap();
    let now = clock.now();
    let first = format!(
        "INSERT INTO virtual_time (at) SELECT to_timestamp({now} / 1000.0) WHERE NOT EXISTS (SELECT 1 FROM virtual_time)"
    );
    client.batch_execute(&first).await.unwrap();
    store.with_probe(Arc::new(DatabaseClock { clock, client, set_to: AtomicI64::new(0) }))
}
