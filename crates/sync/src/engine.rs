//! The engine and what it is made of.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::ConnectionId;
use store::{Connection, ConnectionState, Store};
use tokio::sync::Mutex;
use xero::oauth::OAuthClient;
use xero::{Books, Client, Clock, Entropy, Lane, TenantId};

use crate::push::Pauses;
use crate::tokens::GrantTokens;
use crate::{Error, Vault, VerifySettings};

/// How far two machines' readings of the database's clock may be apart, in seconds, generously.
const CLOCKS_APART_S: i64 = 10;

/// Settings of the engine. Defaults are product.md's.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where Xero sends the browser back to; must be registered with the app.
    pub redirect_uri: String,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// Records per page, 1 to 1,000. The most is the default: calls are what is scarce.
    pub page_size: u16,
    /// How far a reading overlaps the one before, in seconds: Xero's time stamps are to the second, its answers lag.
    pub overlap_s: i64,
    /// How far back a first incremental sync reads, in hours.
    pub first_window_h: i64,
    /// How long a lease holds, in seconds; renewed with every page.
    pub lease_s: i64,
    /// A pull that took longer than this, in seconds, is followed by a pass over what changed meanwhile.
    pub catch_up_after_s: i64,
    /// How writes are sent.
    pub push: PushSettings,
    /// What is verified without anybody asking.
    pub verify: VerifySettings,
}

/// How writes are sent. The times belong together (reliability.md A6.1): a copy sent within `resend_within_s` must land
/// within `lands_within_s`, and both together stay inside the six minutes for which Xero remembers a key.
#[derive(Debug, Clone)]
pub struct PushSettings {
    /// Elements of one request, at most 50 (Xero's advice).
    pub batch: i64,
    /// How long after the first time the same bytes may be sent again, in seconds: `W`.
    pub resend_within_s: i64,
    /// The longest time after which a request without answer may still be applied, in seconds: `D`.
    pub lands_within_s: i64,
    /// Between the two look-ups that must both find nothing, in seconds.
    pub look_gap_s: i64,
    /// How long after it was made durable a request may leave, in seconds; shorter than a lease.
    pub send_within_s: u64,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self { batch: 50, resend_within_s: 90, lands_within_s: 240, look_gap_s: 60, send_within_s: 20 }
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            redirect_uri: "http://localhost:8787/api/v1/integrations/xero/callback".into(),
            scopes: crate::MINIMUM_SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            page_size: 1000,
            overlap_s: 300,
            first_window_h: 24,
            lease_s: 60,
            catch_up_after_s: 60,
            push: PushSettings::default(),
            verify: VerifySettings::default(),
        }
    }
}

/// What an engine is made of.
pub struct EngineParts {
    /// The database.
    pub store: Store,
    /// The client for Xero's API; its governor keeps the limits.
    pub client: Client,
    /// The client for Xero's identity endpoints.
    pub oauth: OAuthClient,
    /// The key for what is stored secretly.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Settings.
    pub settings: EngineSettings,
}

/// The engine. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) parts: Arc<EngineParts>,
    /// Tells this process's leases from others'.
    pub(crate) holder: Arc<str>,
    grants: Arc<Mutex<HashMap<i64, GrantTokens>>>,
    pub(crate) pauses: Arc<Pauses>,
}

impl Engine {
    /// Puts an engine together, refuses a database of the other kind of Xero, and finishes token refreshes that a crash
    /// left open, before anything else is done with them.
    ///
    /// # Errors
    /// [`Error::WrongXero`], or those of the database.
    pub async fn start(parts: EngineParts) -> Result<Self, Error> {
        let engine = Self::new(parts);
        engine.check_xero_kind().await?;
        engine.finish_open_refreshes().await?;
        Ok(engine)
    }

    fn new(parts: EngineParts) -> Self {
        let mut id = [0; 8];
        parts.entropy.fill(&mut id);
        let holder = format!("{:016x}", u64::from_be_bytes(id)).into();
        Self { parts: Arc::new(parts), holder, grants: Arc::default(), pauses: Arc::default() }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Now, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// True if Xero is the emulator, which every surface must say.
    pub fn is_emulated(&self) -> bool {
        !self.parts.oauth.endpoints().is_xero()
    }

    /// A database belongs to Xero or to an emulator, for good: books must never be compared with the wrong one.
    async fn check_xero_kind(&self) -> Result<(), Error> {
        let wanted = if self.is_emulated() { "emulator" } else { "live" };
        let mut tx = self.parts.store.begin().await?;
        match tx.fact("xero").await? {
            Some(found) if found == wanted => Ok(()),
            Some(found) if !tx.connections().await?.is_empty() => Err(Error::WrongXero { found, wanted }),
            _ => {
                tx.set_fact("xero", wanted).await?;
                Ok(tx.commit().await?)
            }
        }
    }

    /// The tokens of a consent: one refresher for each in this process.
    pub(crate) async fn tokens(&self, grant: i64) -> GrantTokens {
        let mut grants = self.grants.lock().await;
        let made = || GrantTokens::new(Arc::clone(&self.parts), Arc::clone(&self.holder), grant);
        grants.entry(grant).or_insert_with(made).clone()
    }

    /// When a request that was made durable then cannot be applied any more: it may have waited for its turn first, and
    /// what two machines take for the database's time may differ by a little.
    pub(crate) fn landed_after(&self, last_sent: Timestamp) -> Result<Timestamp, Error> {
        let settings = &self.parts.settings.push;
        let waited_s = i64::try_from(settings.send_within_s).unwrap_or(i64::MAX);
        crate::capture::later(
            last_sent,
            settings.lands_within_s.saturating_add(waited_s).saturating_add(CLOCKS_APART_S),
        )
    }

    /// A connection by id.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if there is none.
    pub async fn connection(&self, id: ConnectionId) -> Result<Connection, Error> {
        self.parts.store.read().await?.connection(id).await?.ok_or(Error::NotConnected)
    }

    /// Xero's books of a connection that is in use.
    pub(crate) async fn books(&self, connection: &Connection, lane: Lane) -> Result<Books, Error> {
        let unusable = |state, hint| Err(Error::NotUsable { name: connection.tenant_name.clone(), state, hint });
        match connection.state {
            ConnectionState::Connected => {}
            ConnectionState::NeedsReconnect => {
                return Err(Error::NeedsReconnect { reason: connection.reason.clone().unwrap_or_default() });
            }
            ConnectionState::Disconnected => {
                return unusable("disconnected", "run `tieout connect` to connect it again; its data is kept");
            }
            ConnectionState::Paused => return unusable("paused", "resume it first"),
        }
        let grant = connection.grant.ok_or(Error::NotConnected)?;
        let tokens = self.tokens(grant).await;
        // Asked for here too, because what is wrong (a wrong key, a database that is away) comes through the client as
        // "no token" only.
        tokens.token_after(None).await?;
        Ok(self.parts.client.tenant(TenantId(connection.tenant_id), Arc::new(tokens), lane))
    }
}
