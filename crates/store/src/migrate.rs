//! Migrations: embedded, applied on start, in order, each once, in one transaction.

use model::ContentHash;

use crate::db::Store;
use crate::value::Value;
use crate::{Error, Tx};

/// Each migration and its text; the version is its place, from 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_books", include_str!("../migrations/0001_books.sql")),
    ("0002_engine", include_str!("../migrations/0002_engine.sql")),
    ("0003_two_way", include_str!("../migrations/0003_two_way.sql")),
    ("0004_verify", include_str!("../migrations/0004_verify.sql")),
    ("0005_cut_off", include_str!("../migrations/0005_cut_off.sql")),
    ("0006_merged", include_str!("../migrations/0006_merged.sql")),
];

/// The fact that says which triggers are installed: a checksum of their text.
const TRIGGERS: &str = "capture_triggers";

/// The schema version that this program works with.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Applies what is missing.
pub(crate) async fn run(store: &Store) -> Result<(), Error> {
    // Mostly there is nothing to do: look before taking the lock that everybody wants.
    let mut look = store.read().await?;
    if let Ok(found) = applied(&mut look).await {
        check(&found)?;
        if found.len() == MIGRATIONS.len() && missing_triggers(&mut look).await?.is_none() {
            return Ok(());
        }
    }
    drop(look);

    let mut tx = store.begin_durable().await?;
    tx.prepare_schema().await?;
    tx.batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)",
    )
    .await?;
    let found = applied(&mut tx).await?;
    check(&found)?;
    for (at, (name, sql)) in MIGRATIONS.iter().enumerate().skip(found.len()) {
        let text = tx.migration(sql);
        tx.batch(&text).await?;
        tx.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            &[Value::Int(version(at)), Value::Text(name), Value::Owned(checksum(sql))],
        )
        .await?;
        tracing::info!(migration = name, "schema upgraded");
    }
    install_triggers(&mut tx).await?;
    tx.commit().await
}

/// The triggers' text and its checksum, unless the database has just these.
async fn missing_triggers(tx: &mut Tx) -> Result<Option<(String, String)>, Error> {
    let text = tx.capture_triggers().await?;
    let sum = checksum(&text);
    let installed = tx.fact(TRIGGERS).await?;
    Ok((installed.as_deref() != Some(sum.as_str())).then_some((text, sum)))
}

/// Brings the triggers that capture changes of the books to this program's text. They hold no data, so they are no
/// migration: each program installs its own.
async fn install_triggers(tx: &mut Tx) -> Result<(), Error> {
    let Some((text, sum)) = missing_triggers(tx).await? else { return Ok(()) };
    tx.batch(&text).await?;
    tx.set_fact(TRIGGERS, &sum).await
}

async fn applied(tx: &mut Tx) -> Result<Vec<(i64, String)>, Error> {
    tx.query("SELECT version, checksum FROM schema_migrations ORDER BY version", &[])
        .await?
        .into_iter()
        .map(|mut row| Ok((row.take()?, row.take()?)))
        .collect()
}

/// Refuses a database that a newer program made, or whose history is not this program's.
fn check(found: &[(i64, String)]) -> Result<(), Error> {
    if let Some((newest, _)) = found.last().filter(|(newest, _)| *newest > SCHEMA_VERSION) {
        return Err(Error::Newer { found: *newest, known: SCHEMA_VERSION });
    }
    for (at, (version, sum)) in found.iter().enumerate() {
        if MIGRATIONS.get(at).is_none_or(|(_, sql)| checksum(sql) != *sum) {
            return Err(Error::Altered { version: *version });
        }
    }
    Ok(())
}

fn version(at: usize) -> i64 {
    i64::try_from(at + 1).unwrap_or(i64::MAX)
}

fn checksum(sql: &str) -> String {
    format!("{:?}", ContentHash::of(sql.as_bytes()))
}
