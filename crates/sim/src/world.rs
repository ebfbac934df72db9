//! One organisation in Xero, one database of an App, and the processes between them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Size};
use jiff::Timestamp;
use model::ConnectionId;
use store::{Mode, Store};
use sync::{Engine, EngineParts, EngineSettings, PushSettings, Vault};
use uuid::Uuid;
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{Client, ClientSettings, Endpoints, InProcessGovernor, LimitSettings, Secret};

use crate::coverage::Seen;
use crate::dice::{Dice, die};
use crate::knobs::{Fault, Knobs};
use crate::ports::Ports;
use crate::postgres::{DatabaseClock, Relay};
use crate::stage::{Plan, Stage};
use crate::time::Time;

/// Where a simulation's time starts: the middle of a month in 2026, and not on a full second.
const START_MS: i64 = 1_790_000_000_123;

/// Between two looks at whether a verification is due.
const VERIFY_EVERY: Duration = Duration::from_secs(15 * 60);

/// Where the emulator says that it is.
const BASE: &str = "http://emulator.test";

/// Where a simulation keeps its file: in memory where the system has such a place.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// A file of its own, gone with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(scratch().join(format!("tieout-sim-{}-{count}.db", std::process::id())))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}{ending}", self.0.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm", ".lock"] {
            // What was never made cannot be removed.
            let _ = std::fs::remove_file(self.beside(ending));
        }
    }
}

/// An empty database with this program's schema, made once.
async fn template() -> anyhow::Result<&'static [u8]> {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(made) = TEMPLATE.get() {
        return Ok(made);
    }
    let file = Scratch::new();
    let at = Timestamp::from_millisecond(START_MS)?;
    // Closed at the end of the statement, which brings everything into the one file.
    drop(Store::open(&format!("sqlite://{}", file.0.display()), Arc::new(move || at)).await?);
    let made = std::fs::read(&file.0)?;
    Ok(TEMPLATE.get_or_init(|| made))
}

/// A process, over all its lives.
struct Member {
    ports: Arc<Ports>,
    life: u64,
    /// When it is started again.
    back_at_ms: Option<i64>,
}

/// What a world begins from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The URL of an empty database that [`crate::postgres::Server::database`] made; without one a file is made.
    pub postgres: Option<String>,
    /// Organisations that the login can connect; the first is.
    pub organisations: usize,
    /// Whether the books of Xero are brought over before anything else happens.
    pub is_synced: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { postgres: None, organisations: 1, is_synced: true }
    }
}

/// Everything of one simulation.
pub struct World {
    /// What all share.
    pub stage: Arc<Stage>,
    /// The operator's engine: nothing befalls it.
    pub operator: Engine,
    /// The connection that is synced.
    pub id: ConnectionId,
    store: Store,
    file: Scratch,
    /// Where the database is a server: its URL, and the way there.
    server: Option<(String, Relay)>,
    members: Vec<Member>,
    /// Length of the write-ahead log that has reached the disk for good.
    synced: Arc<Mutex<u64>>,
}

impl World {
    /// Connected, with the books of Xero brought over, all well.
    ///
    /// # Errors
    /// What no simulation is about: no room for its file.
    pub async fn new(seed: u64, knobs: Knobs, plan: Plan) -> anyhow::Result<Self> {
        Self::begin(seed, knobs, plan, &Setup::default()).await
    }

    /// Connected, as it is set up.
    ///
    /// # Errors
    /// What no simulation is about: no room for its file, no way to its server.
    pub async fn begin(seed: u64, knobs: Knobs, plan: Plan, setup: &Setup) -> anyhow::Result<Self> {
        let time = Time::starting_at(START_MS);
        let names = ["Demo Company (NZ)", "Harbour Trading Ltd"].into_iter().cycle().take(setup.organisations);
        let emulator = Emulator::new(Config {
            seed: die(seed, "books", 0),
            clock: time.clock(),
            base_url: BASE.into(),
            organisations: names
                .map(|name| OrganisationPlan { name: name.into(), size: size(&knobs), tier: Tier::Core })
                .collect(),
            auto_consent: Some(AutoConsent::AllowFirst),
            limits: Limits::default(),
            ..Config::default()
        });
        let file = Scratch::new();
        let mut server = None;
        let store = match &setup.postgres {
            None => {
                std::fs::write(&file.0, template().await?).context("no room for the database of a simulation")?;
                open(&file, &time).await?
            }
            Some(url) => {
                let relay = Relay::to(url, &time).await?;
                let store = open_at(&relay.url, &time).await?;
                server = Some((url.clone(), relay));
                store
            }
        };
        let stage = Stage::new(seed, knobs, plan, time, emulator);
        if let Some((url, _)) = &server {
            stage.set_database_clock(DatabaseClock::new(url).await?);
        }
        let ports = Ports::new(&stage, 0, 1);
        let operator = stage.time.drive(start(&stage, &store, &ports)).await?;
        let mut world = Self {
            stage,
            operator,
            id: ConnectionId(0),
            store,
            file,
            server,
            members: Vec::new(),
            synced: Arc::default(),
        };
        world.watch_commits();
        world.id = world.stage.time.drive(connect(&world.stage, &world.operator)).await?;
        if setup.is_synced {
            world.stage.time.drive(world.operator.sync(world.id, Mode::Full, "first", &|_| {})).await?;
        }
        Ok(world)
    }

    /// The database's URL, for the App's own code.
    pub fn url(&self) -> String {
        self.server.as_ref().map_or_else(|| format!("sqlite://{}", self.file.0.display()), |(url, _)| url.clone())
    }

    /// Whether any process is dead and waits to be started again.
    pub fn has_dead(&self) -> bool {
        self.members.iter().any(|member| member.ports.is_dead())
    }

    /// The database's file, for the App's own code.
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    /// What the App has committed is on the disk for good.
    pub fn note_synced(&self) {
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) = self.log_length();
    }

    fn log_length(&self) -> u64 {
        std::fs::metadata(self.file.beside("-wal")).map_or(0, |data| data.len())
    }

    /// A commit that survives a power failure brings everything before it to the disk, too.
    fn watch_commits(&self) {
        if !self.stage.knobs.has(Fault::F2) {
            return;
        }
        let (synced, log) = (Arc::clone(&self.synced), self.file.beside("-wal"));
        self.stage.set_on_commit(Some(Box::new(move |is_durable| {
            if is_durable {
                let length = std::fs::metadata(&log).map_or(0, |data| data.len());
                *synced.lock().unwrap_or_else(PoisonError::into_inner) = length;
            }
        })));
    }

    /// Starts the processes of the seed.
    pub fn start_processes(&mut self) {
        for process in 1..=self.stage.knobs.processes {
            let ports = self.begin_life(process, 1);
            self.members.push(Member { ports, life: 1, back_at_ms: None });
        }
    }

    fn begin_life(&self, process: usize, life: u64) -> Arc<Ports> {
        let ports = Ports::new(&self.stage, process, life);
        if self.stage.knobs.has(Fault::F24) {
            self.stage.saw(Seen::Skewed);
        }
        let serving = serve(Arc::clone(&self.stage), self.store.clone(), Arc::clone(&ports), self.id);
        ports.adopt(tokio::spawn(serving).abort_handle());
        ports
    }

    /// Starts again, some time after their deaths, those that died.
    pub fn revive(&mut self) {
        let now = self.stage.time.now_ms();
        for place in 0..self.members.len() {
            let member = &self.members[place];
            if !member.ports.is_dead() {
                continue;
            }
            let life = member.life + 1;
            match member.back_at_ms {
                None => {
                    let of_seed = || Dice::new(self.stage.seed, &format!("back {place} {life}")).span_ms(500, 180_000);
                    let wait = self.stage.plan.back_after_ms.unwrap_or_else(of_seed);
                    self.members[place].back_at_ms = Some(now + wait);
                }
                Some(at) if at <= now => {
                    let ports = self.begin_life(place + 1, life);
                    self.members[place] = Member { ports, life, back_at_ms: None };
                }
                Some(_) => {}
            }
        }
    }

    /// Ends every process.
    pub fn kill_all(&mut self, why: &str) {
        for member in &self.members {
            member.ports.kill(why);
        }
    }

    /// Ends every process for good.
    pub fn end_processes(&mut self) {
        self.kill_all("the storm is over");
        self.members.clear();
    }

    /// The power fails: every process is gone, and of what was committed since the disk last had everything, some.
    ///
    /// # Errors
    /// No room for another file.
    pub async fn lose_power(&mut self, dice: u64) -> anyhow::Result<()> {
        self.kill_all("the power fails");
        self.stage.saw(Seen::PowerLoss);
        let synced = *self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut log = std::fs::read(self.file.beside("-wal")).unwrap_or_default();
        let length = log.len() as u64;
        let kept = synced.min(length) + die(dice, "kept", 0) % (length.saturating_sub(synced) + 1);
        log.truncate(usize::try_from(kept)?);
        // The last page is torn: what a checksum is for.
        if kept > synced {
            let torn = usize::try_from((kept - synced).min(100))?;
            let from = log.len() - torn;
            log[from..].fill(0xa5);
        }
        let data = std::fs::read(&self.file.0)?;
        let after = Scratch::new();
        std::fs::write(&after.0, data)?;
        std::fs::write(after.beside("-wal"), &log)?;
        self.stage
            .note(0, || format!("power fails: {kept} of {length} bytes of the log are left, {synced} were synced"));
        self.store = open(&after, &self.stage.time).await?;
        self.file = after;
        self.synced = Arc::new(Mutex::new(kept));
        self.watch_commits();
        let ports = Ports::new(&self.stage, 0, 1);
        self.operator = self.stage.time.drive(start(&self.stage, &self.store, &ports)).await?;
        Ok(())
    }

    /// A person disconnects.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn disconnect(&self) -> anyhow::Result<()> {
        self.stage.time.drive(self.operator.disconnect(self.id)).await?;
        Ok(())
    }

    /// A person connects this organisation; from now on it is the one that is synced.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn connect_other(&mut self, tenant: Uuid) -> anyhow::Result<()> {
        let connecting = connect_to(&self.stage, &self.operator, Some(tenant));
        self.id = self.stage.time.drive(connecting).await?;
        Ok(())
    }

    /// What a person does who is asked to connect again.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn reconnect(&self) -> anyhow::Result<()> {
        let id = self.stage.time.drive(connect(&self.stage, &self.operator)).await?;
        anyhow::ensure!(id == self.id, "the same organisation came back as another connection");
        self.stage.saw(Seen::Reconnected);
        Ok(())
    }
}

/// A process: an engine that pulls and pushes by the clock for as long as it lives.
async fn serve(stage: Arc<Stage>, store: Store, ports: Arc<Ports>, id: ConnectionId) {
    let engine = loop {
        match start(&stage, &store, &ports).await {
            Ok(engine) => break engine,
            Err(error) => {
                stage.note(ports.process, || format!("cannot start: {error}"));
                stage.time.sleep(Duration::from_secs(5)).await;
            }
        }
    };
    let pause = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(1));
    let pull = {
        let (stage, engine, ports) = (Arc::clone(&stage), engine.clone(), Arc::clone(&ports));
        async move {
            let mut turn: u64 = 0;
            loop {
                turn += 1;
                let mode = match stage.plan.first_pull {
                    Some(mode) if turn == 1 => mode,
                    _ if turn.is_multiple_of(12) => Mode::Full,
                    _ => Mode::Incremental,
                };
                let pulled = engine.pull(id, mode, "clock", &|_| {}).await;
                tell(&stage, ports.process, "pull", &pulled);
                stage.time.sleep(pause(stage.knobs.pull_every_ms)).await;
            }
        }
    };
    let push = {
        let (stage, engine, ports) = (Arc::clone(&stage), engine.clone(), Arc::clone(&ports));
        async move {
            loop {
                let pushed = engine.push_due("clock").await;
                tell(&stage, ports.process, "push", &pushed);
                stage.time.sleep(pause(stage.knobs.push_every_ms)).await;
            }
        }
    };
    let verify = {
        let (stage, engine, ports) = (Arc::clone(&stage), engine.clone(), Arc::clone(&ports));
        async move {
            loop {
                stage.time.sleep(VERIFY_EVERY).await;
                tell(&stage, ports.process, "verify", &engine.verify_due().await);
            }
        }
    };
    let keep = async move { engine.keep_tokens().await };
    for task in [tokio::spawn(pull), tokio::spawn(push), tokio::spawn(verify), tokio::spawn(keep)] {
        ports.adopt(task.abort_handle());
        let (stage, process) = (Arc::clone(&stage), ports.process);
        tokio::spawn(async move {
            if let Err(error) = task.await
                && error.is_panic()
            {
                stage.panicked(process, &error.to_string());
            }
        });
    }
}

fn tell<T: std::fmt::Debug>(stage: &Stage, process: usize, what: &str, outcome: &Result<T, sync::Error>) {
    if let Err(error) = outcome {
        stage.note(process, || format!("{what}: {error}"));
        match error {
            sync::Error::Busy => stage.saw(Seen::LeaseTaken),
            sync::Error::Store(store::Error::LeaseLost(_)) => stage.saw(Seen::LeaseLost),
            sync::Error::NeedsReconnect { .. } => stage.saw(Seen::NeedsReconnect),
            _ => {}
        }
    }
}

async fn open(file: &Scratch, time: &Time) -> anyhow::Result<Store> {
    open_at(&format!("sqlite://{}", file.0.display()), time).await
}

async fn open_at(url: &str, time: &Time) -> anyhow::Result<Store> {
    let time = time.clone();
    let now = move || Timestamp::from_millisecond(time.now_ms()).unwrap_or(Timestamp::MAX);
    Ok(Store::open(url, Arc::new(now)).await?)
}

/// The same engine as in production, above its ports.
async fn start(stage: &Arc<Stage>, store: &Store, ports: &Arc<Ports>) -> anyhow::Result<Engine> {
    let endpoints = Endpoints::at(BASE.parse()?);
    let app = &stage.emulator.config().app;
    let credentials = ClientCredentials {
        client_id: app.client_id.clone(),
        client_secret: app.client_secret.clone().map(Secret::new),
    };
    let settings = EngineSettings {
        redirect_uri: "http://localhost:8787/callback".into(),
        page_size: stage.knobs.page_size,
        push: PushSettings { batch: stage.knobs.batch, ..PushSettings::default() },
        ..EngineSettings::default()
    };
    let mut client = ClientSettings::new(endpoints.clone());
    client.page_size = settings.page_size;
    let governor = InProcessGovernor::new(LimitSettings::default(), ports.clone());
    let engine = Engine::start(EngineParts {
        store: store.with_probe(ports.clone()),
        client: Client::new(client, ports.clone(), ports.clone(), Arc::new(governor)),
        oauth: OAuthClient::new(endpoints, credentials, ports.clone()),
        vault: Vault::new(&Secret::new("0a".repeat(32)))?,
        clock: ports.clone(),
        entropy: ports.clone(),
        settings,
    });
    Ok(engine.await?)
}

/// Connects as a browser would: follows the authorize address and brings back what it answers.
async fn connect(stage: &Stage, engine: &Engine) -> anyhow::Result<ConnectionId> {
    connect_to(stage, engine, None).await
}

/// The same, by a person who chooses the organisation.
async fn connect_to(stage: &Stage, engine: &Engine, tenant: Option<Uuid>) -> anyhow::Result<ConnectionId> {
    let start = engine.begin_connect(None).await?;
    let url: url::Url = start.url.parse()?;
    let query = url.query().unwrap_or_default();
    let asked = match tenant {
        None => emulator::http::Request::new("GET", &format!("{}?{query}", url.path())),
        Some(tenant) => emulator::http::Request::new("POST", url.path())
            .with_body(format!("{query}&decision=allow&tenant={tenant}")),
    };
    let answer = stage.emulator.handle(&asked);
    let location: url::Url = answer.header("location").ok_or_else(|| anyhow!("no redirect"))?.parse()?;
    let value = |name: &str| {
        location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (connected, _) = engine.finish_connect(&value("state"), &start.session, &Secret::new(value("code"))).await?;
    Ok(connected.first().ok_or_else(|| anyhow!("nothing was connected"))?.id)
}

fn size(knobs: &Knobs) -> Size {
    if knobs.invoices == 0 { Size::empty() } else { Size { lines: None, ..Size::of_invoices(knobs.invoices) } }
}
