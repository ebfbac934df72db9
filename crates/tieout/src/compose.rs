//! Puts the parts together: settings, database, client, engine. Nothing else knows all of them.

use std::sync::Arc;

use model::OrgId;
use store::{Claim, Connection, ConnectionState, Store};
use sync::{Engine, EngineParts, EngineSettings, Vault};
use tracing_subscriber::EnvFilter;
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{
    Client, ClientSettings, Clock, Endpoints, Governor, HttpSettings, HttpTransport, InProcessGovernor, Secret,
    SystemClock, SystemEntropy,
};

use crate::args::{Global, Which};
use crate::failure::{Exit, Failure};
use crate::settings::{self, LogFormat, Settings, Sources};

/// What is said wherever Xero is emulated.
pub(crate) const EMULATED: &str = "emulated Xero: nothing leaves this computer";

/// Reads and checks the settings, and begins to log.
pub(crate) fn settings(global: &Global, flags: Vec<(&'static str, &'static str, String)>) -> Result<Settings, Failure> {
    let all = global.flags().into_iter().chain(flags).collect();
    let resolved = Sources::read(global.config.as_deref(), all)?.resolve().map_err(|all| settings::failure(&all))?;
    Settings::check(&resolved).map_err(|all| settings::failure(&all))
}

/// Begins to log, for commands that read no settings.
pub(crate) fn log_without_settings(level: Option<&str>) -> Result<(), Failure> {
    let level = level.map(settings::log_level).transpose();
    let level =
        level.map_err(|message| Failure::new(Exit::Config, format!("log.level (from --log-level): {message}")))?;
    log(level.flatten().as_deref(), "warn", LogFormat::Text);
    Ok(())
}

/// Begins to log, to standard error.
pub(crate) fn log(level: Option<&str>, auto: &str, format: LogFormat) {
    let filter = EnvFilter::new(level.unwrap_or(auto));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

/// The machine's clock, as everything takes it.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Opens a database, making it if it is not there.
pub(crate) async fn open_or_make(url: &str) -> Result<Store, Failure> {
    let clock = clock();
    Ok(Store::open(url, Arc::new(move || clock.now())).await?)
}

/// Opens a database that must be there: looking at one does not make one.
pub(crate) async fn open(settings: &Settings) -> Result<Store, Failure> {
    if let Some(file) = settings.sqlite_file().filter(|file| !file.exists()) {
        let message = format!("there is no database at {}", file.display());
        return Err(Failure::new(Exit::NoDatabase, message).next("tieout connect (makes it), or tieout demo"));
    }
    open_or_make(&settings.database_url).await
}

/// How the engine shares its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// For itself: it will sync or change connections.
    Exclusive,
    /// For itself if nobody else has it, beside the other process if somebody has: for a person's decisions, which are
    /// in the database at once and reach Xero by whoever pushes.
    Either,
    /// Beside another process.
    Shared,
}

/// An engine and what it holds.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    /// No other process works on the database.
    pub(crate) is_alone: bool,
    _claim: Option<Claim>,
}

/// What an engine is made of, apart from its database.
pub(crate) struct Parts {
    pub(crate) endpoints: Endpoints,
    pub(crate) credentials: ClientCredentials,
    pub(crate) governor: Arc<dyn Governor>,
    pub(crate) vault: Vault,
    pub(crate) engine: EngineSettings,
}

/// What the settings make an engine of. Checked before a database is opened, so that wrong settings make none.
pub(crate) fn parts(settings: &Settings) -> Result<Parts, Failure> {
    let Some(client_id) = settings.client_id.clone() else {
        let message = "no Xero app is configured: set xero.client_id (and xero.client_secret), \
                       or xero.emulator_url for an emulated Xero";
        return Err(Failure::new(Exit::Config, message).next("tieout config init, or tieout demo"));
    };
    let vault = settings::encryption_key(settings)?;
    Ok(Parts {
        endpoints: settings.endpoints.clone(),
        credentials: ClientCredentials { client_id, client_secret: settings.client_secret.clone() },
        governor: Arc::new(InProcessGovernor::new(settings.limits.clone(), clock())),
        vault,
        engine: EngineSettings {
            redirect_uri: settings.redirect_uri.to_string(),
            scopes: settings.scopes.clone(),
            page_size: settings.page_size,
            overlap_s: settings.overlap_s,
            first_window_h: settings.first_window_h,
            verify: settings.verify.clone(),
            ..EngineSettings::default()
        },
    })
}

/// Starts an engine with what it is made of.
pub(crate) async fn start(parts: Parts, hold: Hold, store: Store) -> Result<Running, Failure> {
    let claim = match hold {
        Hold::Exclusive => Some(store.claim().await?),
        Hold::Either => match store.claim().await {
            Ok(claim) => Some(claim),
            Err(store::Error::Locked(_)) => None,
            Err(error) => return Err(error.into()),
        },
        Hold::Shared => None,
    };
    let transport = HttpTransport::new(HttpSettings::default())
        .map_err(|error| Failure::new(Exit::Failed, format!("no HTTP client: {error}")))?;
    let transport = Arc::new(transport);
    let mut client = ClientSettings::new(parts.endpoints.clone());
    client.page_size = parts.engine.page_size;
    let engine = Engine::start(EngineParts {
        store,
        client: Client::new(client, transport.clone(), clock(), parts.governor),
        oauth: OAuthClient::new(parts.endpoints, parts.credentials, transport),
        vault: parts.vault,
        clock: clock(),
        entropy: Arc::new(SystemEntropy),
        settings: parts.engine,
    })
    .await?;
    Ok(Running { engine, is_alone: claim.is_some(), _claim: claim })
}

/// A vault whose key lives as long as the process.
pub(crate) fn vault_in_memory() -> Result<Vault, Failure> {
    let key: Secret = settings::write_new_key(&SystemEntropy, None)?;
    Vault::new(&key).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// The connections that are meant: all that are in use, or the one that is named.
pub(crate) async fn connections(store: &Store, which: &Which) -> Result<Vec<Connection>, Failure> {
    let mut tx = store.read().await?;
    let all = tx.connections().await?;
    let orgs = tx.organisations().await?;
    tx.commit().await?;
    let is_meant = |connection: &Connection| match (&which.org, which.connection) {
        (_, Some(id)) => connection.id.0 == id,
        (Some(name), _) => {
            let own = orgs.iter().find(|org| org.id == connection.org);
            let names = [Some(connection.tenant_name.as_str()), own.map(|org| org.name.as_str())];
            names.into_iter().flatten().any(|own| own.eq_ignore_ascii_case(name))
                || connection.org.0.to_string() == *name
        }
        // What was disconnected is left alone unless it is named.
        (None, None) => connection.state != ConnectionState::Disconnected,
    };
    let none = |message: String| Failure::new(Exit::NotConnected, message);
    if all.is_empty() {
        return Err(none("no organisation is connected".into()));
    }
    let known: Vec<String> = all.iter().map(|one| format!("{} (connection {})", one.tenant_name, one.id)).collect();
    let found: Vec<Connection> = all.into_iter().filter(is_meant).collect();
    if found.is_empty() {
        return Err(none(format!("no such connection; known: {}", known.join(", "))).next("tieout status"));
    }
    Ok(found)
}

/// The one connection that is meant.
pub(crate) async fn connection(store: &Store, which: &Which) -> Result<Connection, Failure> {
    let mut found = connections(store, which).await?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => {
            Err(Failure::new(Exit::Usage, "several organisations are connected: say which with --org or --connection")
                .next("tieout status"))
        }
    }
}

/// An organisation by name or id.
pub(crate) async fn organisation(store: &Store, name: &str) -> Result<OrgId, Failure> {
    let mut tx = store.read().await?;
    let all = tx.organisations().await?;
    tx.commit().await?;
    let found = all.iter().find(|org| org.name.eq_ignore_ascii_case(name) || org.id.0.to_string() == name);
    found
        .map(|org| org.id)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("there is no organisation {name:?}")).next("tieout status"))
}

/// Whether a database belongs to an emulated Xero.
pub(crate) async fn is_emulated(store: &Store) -> Result<bool, Failure> {
    let mut tx = store.read().await?;
    let fact = tx.fact("xero").await?;
    tx.commit().await?;
    Ok(fact.as_deref() == Some("emulator"))
}
