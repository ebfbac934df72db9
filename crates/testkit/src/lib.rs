//! What tests share: a real PostgreSQL server, a database for each test, temporary directories.
//!
//! A store test is written once and runs on both databases:
//!
//! ```ignore
//! #[testkit::on_both_databases]
//! async fn a_customer_is_read_back(db_url: String) {
//!     let store = Store::open(&db_url).await.unwrap();
//!     …
//! }
//! ```
//!
//! gives the tests `sqlite_a_customer_is_read_back` and `postgres_a_customer_is_read_back`. There is no way to skip the
//! second: without PostgreSQL it fails and says how to install it.
//!
//! This crate knows nothing of the schema. Who wants a migrated database passes a [`Template`].

mod database;
mod server;
mod temp_dir;

pub use database::{Database, Template};
pub use server::Server;
pub use temp_dir::TempDir;
pub use testkit_macros::on_both_databases;

/// Runs a test on a SQLite file of its own. What [`macro@on_both_databases`] expands to.
pub fn on_sqlite<T, F: Future<Output = T>>(template: Option<Template>, test: impl FnOnce(String) -> F) -> T {
    let runtime = runtime();
    let database = runtime.block_on(Database::sqlite(template.as_ref()));
    let outcome = runtime.block_on(test(database.url()));
    // What the test left running goes first, so that nothing writes into a removed database.
    drop(runtime);
    drop(database);
    outcome
}

/// Runs a test on a PostgreSQL database of its own. What [`macro@on_both_databases`] expands to.
pub fn on_postgres<T, F: Future<Output = T>>(template: Option<Template>, test: impl FnOnce(String) -> F) -> T {
    let runtime = runtime();
    let database = runtime.block_on(Database::postgres(template.as_ref()));
    let outcome = runtime.block_on(test(database.url()));
    drop(runtime);
    drop(database);
    outcome
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("no tokio runtime for the test: {error}"))
}
