//! A folder, a database and an emulated Xero for one test, and the program run in them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use emulator::config::{AutoConsent, Limits, OrganisationPlan};
use emulator::{Config, Emulator, Size};
use serde_json::Value;
use testkit::TempDir;
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const PATIENCE: Duration = Duration::from_secs(120);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The data, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Fails the test unless the command ended so, with every word in what it said.
    #[track_caller]
    pub(crate) fn assert(self, exit: i32, words: &[&str]) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word:?} is not in {self:?}");
        }
        if exit != 0 && exit != 3 {
            assert!(self.err.contains("next:") || self.err.contains("\"next\":"), "no next command in {self:?}");
        }
        self
    }
}

impl Ended {
    /// As `assert`, for an answer that is no error though its exit code is not 0.
    #[track_caller]
    pub(crate) fn assert_exit(self, exit: i32, words: &[&str]) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        let missing = words.iter().find(|word| !self.out.contains(**word) && !self.err.contains(**word));
        assert_eq!(missing, None, "{self:?}");
        self
    }
}

/// A command under way.
pub(crate) struct Started {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Started {
    pub(crate) fn out(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// Waits until the command has said something, on either stream.
    pub(crate) async fn until(&mut self, said: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = format!("{}{}", self.out(), self.err());
            if said(&text) {
                return text;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "ended {ended:?} without saying it: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to stop, as a person (INT) or a supervisor (TERM) does.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("still running: {}{}", self.out(), self.err());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Ended { exit: status.code().unwrap_or(-1), out: self.out(), err: self.err() }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a test happens.
pub(crate) struct Sandbox {
    folder: TempDir,
    variables: Vec<(String, String)>,
    emulator: Option<Emulator>,
}

impl Sandbox {
    /// An empty folder, no settings.
    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new(), variables: Vec::new(), emulator: None }
    }

    /// With a key, a database and an emulated Xero whose consent page says yes by itself.
    pub(crate) async fn with_emulator(database_url: &str) -> Self {
        Self::with_slow_emulator(database_url, 0).await
    }

    pub(crate) async fn with_slow_emulator(database_url: &str, latency_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let size = Size { credit_notes: 0, prepayments: 0, overpayments: 0, ..Size::of_invoices(40) };
        let emulator = Emulator::new(Config {
            organisations: vec![OrganisationPlan { size, ..OrganisationPlan::default() }],
            base_url: base_url.clone(),
            auto_consent: Some(AutoConsent::AllowAll),
            limits: Limits { is_enforced: false, ..Limits::default() },
            latency_ms,
            ..Config::default()
        });
        let serving = emulator.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        let mut sandbox = Self { emulator: Some(emulator), ..Self::empty() };
        sandbox.set("TIEOUT_DATABASE_URL", database_url);
        sandbox.set("TIEOUT_ENCRYPTION_KEY", KEY);
        sandbox.set("TIEOUT_XERO_EMULATOR_URL", &base_url);
        sandbox
    }

    /// Connected, too.
    pub(crate) async fn connected(database_url: &str) -> Self {
        let mut sandbox = Self::with_emulator(database_url).await;
        sandbox.connect().await.assert(0, &["Demo Company (NZ)"]);
        sandbox
    }

    /// `tieout connect`, with the test as the browser.
    pub(crate) async fn connect(&mut self) -> Ended {
        let port = free_port().await;
        self.set("TIEOUT_XERO_REDIRECT_URI", &format!("http://localhost:{port}/callback"));
        let mut connecting = self.start(&["connect", "--no-browser"]);
        let said = connecting.until(|text| text.contains("code_challenge_method=S256\n")).await;
        let address = said.split_whitespace().find(|word| word.contains("code_challenge")).unwrap();
        // Somebody else's knock changes nothing.
        let knock = format!("http://localhost:{port}/callback?state=x&code=y");
        assert!(reqwest::get(knock).await.unwrap().status().is_success());
        let page = reqwest::get(address).await.unwrap();
        assert!(page.status().is_success(), "{}", page.status());
        assert_eq!(page.url().query(), None, "the page's address shows no code");
        connecting.ended().await
    }

    pub(crate) fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().unwrap()
    }

    pub(crate) fn tenant(&self) -> uuid::Uuid {
        self.emulator().tenants()[0]
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(own, _)| own != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Started {
        let number = std::fs::read_dir(self.path()).unwrap().count();
        let file = |end: &str| self.path().join(format!("{number}.{end}"));
        let (out, err) = (file("out"), file("err"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIEOUT_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Started { child: command.spawn().unwrap(), out, err }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).ended().await
    }
}

pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Runs one statement on either database.
pub(crate) async fn execute(url: &str, sql: &str) {
    match url.strip_prefix("sqlite://") {
        Some(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
        None => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap();
            drop(client);
            connection.await.unwrap().unwrap();
        }
    }
}

/// The first column of a query's first row, as text, on either database; empty for NULL and for no row.
pub(crate) async fn text(url: &str, sql: &str) -> String {
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let connection = rusqlite::Connection::open(path).unwrap();
            let mut statement = connection.prepare(sql).unwrap();
            let mut rows = statement.query([]).unwrap();
            match rows.next().unwrap().map(|row| row.get::<_, rusqlite::types::Value>(0).unwrap()) {
                None | Some(rusqlite::types::Value::Null) => String::new(),
                Some(rusqlite::types::Value::Integer(number)) => number.to_string(),
                Some(rusqlite::types::Value::Text(text)) => text,
                Some(other) => panic!("{sql} gives {other:?}"),
            }
        }
        None => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            let found = client.simple_query(sql).await.unwrap();
            let first = found.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                _ => None,
            });
            drop(client);
            connection.await.unwrap().unwrap();
            first.unwrap_or_default()
        }
    }
}
