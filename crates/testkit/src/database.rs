//! A database for one test: made empty or from a template, removed afterwards.

use std::{
    fmt::Display,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
};

use tokio_postgres::{Client, NoTls};

use crate::{
    server::Server,
    temp_dir::{TempDir, report, unique_suffix},
};

type Filling = Pin<Box<dyn Future<Output = ()>>>;

/// What fills a database before a test gets it, usually the migrations.
///
/// On PostgreSQL the work is done once per key and server and then copied, which takes a tenth of a second; on SQLite it
/// is simply done again.
pub struct Template {
    key: String,
    fill: Box<dyn Fn(String) -> Filling>,
}

impl Template {
    /// `key` names the content: whoever changes what `fill` does changes the key (for migrations, their checksum).
    /// `fill` gets the URL of an empty database, panics when it cannot fill it, and leaves no connection open.
    pub fn new<F, Fut>(key: impl Into<String>, fill: F) -> Self
    where
        F: Fn(String) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        Self { key: key.into(), fill: Box::new(move |url| Box::pin(fill(url))) }
    }

    fn database_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        format!("template_{:016x}", hasher.finish())
    }
}

/// A database that belongs to one test. It is removed on drop, unless the test is failing: then it stays and its URL is
/// printed.
pub struct Database {
    url: String,
    home: Home,
}

enum Home {
    File { _directory: TempDir },
    Server { server: Server, name: String },
}

impl Database {
    /// A SQLite file in a temporary directory; without a template the file does not exist yet.
    pub async fn sqlite(template: Option<&Template>) -> Self {
        let directory = TempDir::new();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        if let Some(template) = template {
            (template.fill)(url.clone()).await;
        }
        Self { url, home: Home::File { _directory: directory } }
    }

    /// A new database on the tests' PostgreSQL server, which is started when it is not running.
    /// Panics, naming the install command, when there is no PostgreSQL.
    pub async fn postgres(template: Option<&Template>) -> Self {
        let server = Server::running().unwrap_or_else(|message| panic!("{message}"));
        let name = format!("test_{}", unique_suffix());
        let admin = connect(&server.admin_url()).await;
        let create = match template {
            Some(template) => {
                let source = filled_template(&admin, &server, template).await;
                format!(r#"CREATE DATABASE "{name}" TEMPLATE "{source}""#)
            }
            None => format!(r#"CREATE DATABASE "{name}" TEMPLATE template0"#),
        };
        execute(&admin, &create).await;
        Self { url: server.database_url(&name), home: Home::Server { server, name } }
    }

    /// The URL to open: `sqlite:///path/test.db` or `postgres://user:password@host:port/database`.
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Home::Server { server, name } = &self.home else { return };
        if std::thread::panicking() {
            report(&format!("left for you to look at: {}", self.url));
            return;
        }
        let admin_url = server.admin_url();
        let statement = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
        // Best effort, and on a thread of its own because a drop may happen inside a runtime. What stays behind goes
        // with the server.
        let _ = blocking(move || async move {
            if let Ok(admin) = try_connect(&admin_url).await {
                let _ = admin.batch_execute(&statement).await;
            }
        });
    }
}

/// The name of the template's database, filled by whichever test process comes first.
async fn filled_template(admin: &Client, server: &Server, template: &Template) -> String {
    let name = template.database_name();
    if exists(admin, &name).await {
        return name;
    }
    // One process fills, the others wait here; the lock goes with the connection, also when filling panics.
    execute(admin, &format!("SELECT pg_advisory_lock(hashtext('{name}'))")).await;
    if !exists(admin, &name).await {
        // Filled under another name, so that a template is never seen half filled.
        let unfinished = format!("filling_{}", unique_suffix());
        execute(admin, &format!(r#"CREATE DATABASE "{unfinished}" TEMPLATE template0"#)).await;
        (template.fill)(server.database_url(&unfinished)).await;
        let disconnect = format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
             WHERE datname = '{unfinished}' AND pid <> pg_backend_pid()"
        );
        execute(admin, &disconnect).await;
        execute(admin, &format!(r#"ALTER DATABASE "{unfinished}" RENAME TO "{name}""#)).await;
    }
    execute(admin, &format!("SELECT pg_advisory_unlock(hashtext('{name}'))")).await;
    name
}

async fn exists(admin: &Client, name: &str) -> bool {
    let found = admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await;
    ok("look for a template database", found).is_some()
}

async fn execute(admin: &Client, statement: &str) {
    ok(statement, admin.batch_execute(statement).await);
}

async fn connect(url: &str) -> Client {
    ok("connect to the tests' PostgreSQL server", try_connect(url).await)
}

pub(crate) async fn try_connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Ends by itself when the client is dropped; an error of the connection is the client's error, too.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Runs async work from plain code, inside or outside of a runtime.
pub(crate) fn blocking<T, Fut>(work: impl FnOnce() -> Fut + Send + 'static) -> Option<T>
where
    T: Send + 'static,
    Fut: Future<Output = T>,
{
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        Some(runtime.block_on(work()))
    });
    thread.join().ok().flatten()
}

fn ok<T, E: Display + std::error::Error>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        panic!("cannot {what}: {error}{cause}")
    })
}
