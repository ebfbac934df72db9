//! The programs under test: as many `tieout serve` as there are, and now and then a `tieout sync` beside them. They are
//! killed, frozen and started again; none outlives the test.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::TempDir;

/// `tieout` without the settings of whoever runs the tests.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIEOUT_") {
            command.env_remove(name);
        }
    }
    command
}

/// Sends a signal to one process, by its id.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "no signal {name} for {}", child.id());
}

/// Kills on drop, frozen or not.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

enum State {
    Up(Guard),
    Down { until: Instant },
}

/// One `tieout serve`, in its present life or between two.
struct Server {
    port: u16,
    life: usize,
    name: String,
    state: State,
    frozen_until: Option<Instant>,
    /// It has served requests in this life.
    was_ready: bool,
}

pub(crate) struct Fleet {
    folder: TempDir,
    database: String,
    emulator: String,
    servers: Vec<Server>,
    commands: Vec<(String, Guard)>,
    http: reqwest::Client,
    key: String,
    named: usize,
    started: Vec<String>,
    /// What was done to the programs, how often.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    /// Servers that ended by themselves after they had served: that is no way to meet trouble.
    pub(crate) ended: Vec<String>,
}

impl Fleet {
    /// `database` and `emulator` are what the programs are told: the proxies.
    pub(crate) fn new(folder: TempDir, database: String, emulator: String, servers: usize) -> Self {
        let now = Instant::now();
        let server = |_| Server {
            port: crate::free_port(),
            life: 0,
            name: String::new(),
            state: State::Down { until: now },
            frozen_until: None,
            was_ready: false,
        };
        Self {
            folder,
            database,
            emulator,
            servers: (0..servers).map(server).collect(),
            commands: Vec::new(),
            http: reqwest::Client::builder().timeout(Duration::from_secs(25)).build().unwrap(),
            key: String::new(),
            named: 0,
            started: Vec::new(),
            counts: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn use_key(&mut self, key: String) {
        self.key = key;
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The program with its settings; PostgreSQL is told its name, by which it is found among the server's backends.
    pub(crate) fn tieout(&self, name: &str, arguments: &[&str]) -> Command {
        let log = OpenOptions::new().create(true).append(true).open(self.log(name)).unwrap();
        let database = match self.database.starts_with("postgres") {
            true => format!("{}?application_name={name}", self.database),
            false => self.database.clone(),
        };
        let mut command = program();
        command
            .args(arguments)
            .env("TIEOUT_DATABASE_URL", database)
            .env("TIEOUT_ENCRYPTION_KEY", "0a".repeat(32))
            .env("TIEOUT_XERO_EMULATOR_URL", &self.emulator)
            .env("TIEOUT_LIMITS_PER_MINUTE", "100000")
            .env("TIEOUT_LIMITS_PER_DAY", "100000")
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.log"))
    }

    fn start(&mut self, at: usize) {
        let server = &mut self.servers[at];
        server.life += 1;
        server.name = format!("chaos-{at}-{}", server.life);
        server.was_ready = false;
        server.frozen_until = None;
        let (name, bind) = (server.name.clone(), format!("127.0.0.1:{}", server.port));
        let mut command = self.tieout(&name, &["serve"]);
        command.env("TIEOUT_BIND", bind).env("TIEOUT_LOG_LEVEL", "info,sync=debug");
        self.servers[at].state = State::Up(Guard(command.spawn().unwrap()));
        self.started.push(name);
        self.count("starts");
    }

    /// What a supervisor does: starts what is down, lets go on what was frozen for long enough, sees what has ended.
    pub(crate) async fn look_after(&mut self) {
        let now = Instant::now();
        for at in 0..self.servers.len() {
            let server = &mut self.servers[at];
            if server.frozen_until.is_some_and(|until| until <= now) {
                self.thaw(at);
            }
            let server = &mut self.servers[at];
            match &mut server.state {
                State::Down { until } if *until <= now => self.start(at),
                State::Down { .. } => {}
                State::Up(guard) => {
                    if let Some(status) = guard.0.try_wait().unwrap() {
                        let what = format!("{} ended by itself: {status}", server.name);
                        let was_ready = server.was_ready;
                        server.state = State::Down { until: now + Duration::from_millis(500) };
                        server.frozen_until = None;
                        self.count(if was_ready { "ended by themselves" } else { "did not come up" });
                        if was_ready {
                            self.ended.push(what);
                        }
                    } else if !server.was_ready && server.frozen_until.is_none() {
                        let ready = format!("http://127.0.0.1:{}/healthz", server.port);
                        let answer = self.http.get(ready).timeout(Duration::from_millis(300)).send().await;
                        self.servers[at].was_ready = answer.is_ok_and(|answer| answer.status().is_success());
                    }
                }
            }
        }
        self.commands.retain_mut(|(_, guard)| guard.0.try_wait().unwrap().is_none());
    }

    /// `kill -9`, and a new start after so long.
    pub(crate) fn kill(&mut self, at: usize, down_ms: u64) {
        let server = &mut self.servers[at];
        if let State::Up(guard) = &mut server.state {
            guard.0.kill().unwrap();
            guard.0.wait().unwrap();
            server.state = State::Down { until: Instant::now() + Duration::from_millis(down_ms) };
            server.frozen_until = None;
            self.count("kill -9");
        }
    }

    /// SIGSTOP, and SIGCONT after so long.
    pub(crate) fn freeze(&mut self, at: usize, for_ms: u64) {
        let server = &mut self.servers[at];
        if let (State::Up(guard), None) = (&server.state, server.frozen_until) {
            signal(&guard.0, "STOP");
            server.frozen_until = Some(Instant::now() + Duration::from_millis(for_ms));
            self.count("SIGSTOP");
        }
    }

    fn thaw(&mut self, at: usize) {
        let server = &mut self.servers[at];
        if let (State::Up(guard), Some(_)) = (&server.state, server.frozen_until.take()) {
            signal(&guard.0, "CONT");
        }
    }

    /// A command beside the servers, e.g. `tieout sync`.
    pub(crate) fn command(&mut self, arguments: &[&str]) {
        self.named += 1;
        let name = format!("chaos-cli-{}", self.named);
        let child = self.tieout(&name, arguments).spawn().unwrap();
        self.commands.push((name.clone(), Guard(child)));
        self.started.push(name);
        self.count("commands");
    }

    /// Kills a command under way, if there is one.
    pub(crate) fn kill_command(&mut self) {
        if !self.commands.is_empty() {
            drop(self.commands.remove(0));
            self.count("commands killed");
        }
    }

    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// A call of a server's API: the status, or 0 for no answer.
    pub(crate) fn call(&mut self, at: usize, path: &str) -> impl Future<Output = (u16, String)> + Send + use<> {
        let url = format!("http://127.0.0.1:{}/api/v1/integrations/xero/{path}", self.servers[at].port);
        let request = self.http.post(url).bearer_auth(&self.key);
        async move {
            match request.send().await {
                Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
                Err(error) => (0, error.without_url().to_string()),
            }
        }
    }

    /// Names of the programs that were started and have ended, by a kill or by themselves.
    pub(crate) fn dead(&self) -> Vec<String> {
        let is_up = |name: &String| {
            self.commands.iter().any(|(of, _)| of == name)
                || self.servers.iter().any(|server| server.name == *name && matches!(server.state, State::Up(_)))
        };
        self.started.iter().filter(|name| !is_up(name)).cloned().collect()
    }

    /// Nobody frozen, no commands under way, everybody up and ready.
    pub(crate) async fn bring_up(&mut self, within: Duration) {
        let begun = Instant::now();
        for at in 0..self.servers.len() {
            self.thaw(at);
            if let State::Down { until } = &mut self.servers[at].state {
                *until = begun;
            }
        }
        loop {
            self.look_after().await;
            let is_up = self.servers.iter().all(|server| server.was_ready && matches!(server.state, State::Up(_)));
            if is_up && self.commands.is_empty() {
                return;
            }
            assert!(begun.elapsed() < within, "not every program is up and ready: {}", self.tails());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// SIGTERM for all; the statuses they end with.
    pub(crate) async fn stop(&mut self) -> Vec<String> {
        let mut ends = Vec::new();
        for server in &self.servers {
            if let State::Up(guard) = &server.state {
                signal(&guard.0, "TERM");
            }
        }
        for server in &mut self.servers {
            let State::Up(guard) = &mut server.state else { continue };
            let begun = Instant::now();
            let end = loop {
                match guard.0.try_wait().unwrap() {
                    Some(status) => break status.to_string(),
                    None if begun.elapsed() > Duration::from_secs(20) => break "still there after 20 s".to_owned(),
                    None => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            };
            ends.push(end);
        }
        ends
    }

    /// The last lines of every living program, for whoever reads a failure.
    pub(crate) fn tails(&self) -> String {
        let tail = |server: &Server| {
            let text = std::fs::read_to_string(self.log(&server.name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!("\n--- {} ---\n{}", server.name, lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        self.servers.iter().map(tail).collect()
    }
}
