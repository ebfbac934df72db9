//! Tieout, put together as its binary does it, but for the limits: the emulator has none.

use std::sync::Arc;

use anyhow::Context as _;
use model::ConnectionId;
use store::{Mode, RunState, Store};
use sync::{Engine, EngineParts, EngineSettings, OverHttp, Vault};
use xero::{Client, ClientSettings, Clock as _, Endpoints, HttpTransport, Secret, SystemClock, Unlimited};

use crate::emulated;
use crate::figures::{Figures, Stopwatch};

/// Connects, then measures a full sync, and an incremental one after it.
///
/// # Errors
/// Whatever goes wrong; also a sync that did not bring everything over.
pub async fn run(database: &str, base: &str) -> anyhow::Result<[Figures; 2]> {
    let store = Store::open(database, Arc::new(|| SystemClock.now())).await?;
    let _claim = store.claim().await?;
    let engine = start(store, base).await?;
    let transport = emulated::transport()?;
    let connection = connect(&engine, &transport).await?;
    let full = measure(&engine, connection, Mode::Full, &transport, base).await?;
    let incremental = measure(&engine, connection, Mode::Incremental, &transport, base).await?;
    Ok([full, incremental])
}

async fn start(store: Store, base: &str) -> anyhow::Result<Engine> {
    let credentials = emulated::credentials();
    let installation = OverHttp {
        emulator: Some(base.to_owned()),
        client_id: credentials.client_id,
        client_secret: credentials.client_secret,
    };
    let settings = EngineSettings { redirect_uri: emulated::REDIRECT_URI.into(), ..EngineSettings::default() };
    let vault = Vault::new(&Secret::new("0a".repeat(32)))?;
    let mut parts = EngineParts::over_http(store, vault, installation, settings)?;
    let client = ClientSettings::new(Endpoints::at(base.parse()?));
    parts.client = Client::new(client, Arc::new(emulated::transport()?), parts.clock.clone(), Arc::new(Unlimited));
    Ok(Engine::start(parts).await?)
}

async fn connect(engine: &Engine, transport: &HttpTransport) -> anyhow::Result<ConnectionId> {
    let start = engine.begin_connect(None).await?;
    let (state, code) = emulated::consent(transport, &start.url).await?;
    let (connections, _) = engine.finish_connect(&state, &start.session, &code).await?;
    Ok(connections.first().context("no organisation was connected")?.id)
}

async fn measure(
    engine: &Engine,
    connection: ConnectionId,
    mode: Mode,
    transport: &HttpTransport,
    base: &str,
) -> anyhow::Result<Figures> {
    let before = emulated::call_count(transport, base).await?;
    let watch = Stopwatch::start()?;
    let outcome = engine.sync(connection, mode, "benchmark", &|_| {}).await?;
    let figures = watch.stop(0)?;
    anyhow::ensure!(outcome.state == RunState::Completed, "the sync ended as {}", outcome.state.as_str());
    Ok(Figures { calls: emulated::list_calls_since(transport, base, before).await?, ..figures })
}
