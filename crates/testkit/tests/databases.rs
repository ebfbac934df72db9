//! The harness itself: every test gets a database of its own, filled from its template, gone afterwards.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use testkit::{Database, TempDir, Template};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Works on both kinds without a SQLite driver: the template of a file is a file.
async fn fill(url: String) {
    match url.strip_prefix("sqlite://") {
        Some(path) => std::fs::write(path, "filled").unwrap(),
        None => connect(&url)
            .await
            .batch_execute("CREATE TABLE filled (n int); INSERT INTO filled VALUES (7)")
            .await
            .unwrap(),
    }
}

fn filled() -> Template {
    Template::new("harness test 1", fill)
}

#[testkit::on_both_databases]
async fn a_database_starts_empty(db_url: String) {
    match db_url.strip_prefix("sqlite://") {
        Some(path) => {
            let path = Path::new(path);
            assert!(path.is_absolute() && path.parent().unwrap().is_dir() && !path.exists());
        }
        None => {
            let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
            let count: i64 = connect(&db_url).await.query_one(tables, &[]).await.unwrap().get(0);
            assert_eq!(count, 0);
        }
    }
}

#[testkit::on_both_databases(template = filled())]
async fn a_template_is_copied(db_url: String) -> Result<(), tokio_postgres::Error> {
    match db_url.strip_prefix("sqlite://") {
        Some(path) => assert_eq!(std::fs::read_to_string(path).unwrap(), "filled"),
        None => {
            let row = connect(&db_url).await.query_one("UPDATE filled SET n = n + 1 RETURNING n", &[]).await?;
            assert_eq!(row.get::<_, i32>(0), 8);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_filled_once_and_changes_do_not_leak() {
    static FILLED: AtomicU32 = AtomicU32::new(0);
    // A key that no earlier run has filled.
    let directory = TempDir::new();
    let template = Template::new(directory.path().display().to_string(), |url| async {
        FILLED.fetch_add(1, Ordering::Relaxed);
        fill(url).await;
    });
    let first = Database::postgres(Some(&template)).await;
    connect(&first.url()).await.batch_execute("DELETE FROM filled").await.unwrap();
    let second = Database::postgres(Some(&template)).await;
    let count: i64 = connect(&second.url()).await.query_one("SELECT count(*) FROM filled", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
    assert_ne!(first.url(), second.url());
    assert_eq!(FILLED.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_gone_after_its_test() {
    let database = Database::postgres(None).await;
    let url = database.url();
    let client = connect(&url).await;
    client.batch_execute("SELECT 1").await.unwrap();
    drop(database);
    let error = tokio_postgres::connect(&url, NoTls).await.err().unwrap();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::INVALID_CATALOG_NAME));
}

#[test]
fn a_directory_is_gone_after_its_test() {
    let directory = TempDir::new();
    let path = directory.path().to_owned();
    std::fs::write(path.join("file"), "content").unwrap();
    drop(directory);
    assert!(!path.exists());
}
