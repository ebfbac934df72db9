//! Identity: login and consent, tokens and their rotation, connections.
//!
//! One login (one user) and one registered application. A consent makes or renews connections (one per organisation) and
//! starts a chain of refresh tokens; an access token reaches every organisation that is connected at the moment of the call.

mod authorize;
mod jwt;
mod scopes;
mod token;

pub(crate) use authorize::{discovery, keys};
pub(crate) use jwt::{Access, AccessError, message_time};
pub(crate) use scopes::allows;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::books::Millis;
use crate::ids;

const MINUTE_MS: Millis = 60_000;
/// A code works once, for five minutes.
pub(crate) const CODE_MS: Millis = 5 * MINUTE_MS;
/// Access tokens last 30 minutes.
pub(crate) const ACCESS_MS: Millis = 30 * MINUTE_MS;
/// The previous refresh token may be used again for 30 minutes.
pub(crate) const GRACE_MS: Millis = 30 * MINUTE_MS;
/// A refresh token that is not used for 60 days dies.
pub(crate) const IDLE_MS: Millis = 60 * 24 * 60 * MINUTE_MS;

/// The link between the login, the application and one organisation.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Id of the connection, which is not the tenant id.
    pub id: Uuid,
    /// The organisation.
    pub tenant: Uuid,
    /// The consent that made or renewed it.
    pub auth_event: Uuid,
    /// When it was first made.
    pub created: Millis,
    /// When it was last made.
    pub updated: Millis,
    /// False after a disconnect, on either side.
    pub is_live: bool,
}

/// An authorisation code that was handed out.
#[derive(Debug, Clone)]
struct Code {
    redirect_uri: String,
    challenge: Option<String>,
    nonce: Option<String>,
    scopes: Vec<String>,
    auth_event: Uuid,
    issued: Millis,
    is_used: bool,
}

/// A refresh token. Tokens of one chain know their predecessor.
#[derive(Debug, Clone)]
struct Refresh {
    auth_event: Uuid,
    scopes: Vec<String>,
    parent: Option<String>,
    /// Whether its chain began with the client's secret, without which it then cannot go on.
    needs_secret: bool,
    issued: Millis,
    /// When it was first exchanged for a successor.
    replaced: Option<Millis>,
    is_dead: bool,
}

/// Everything that the identity side remembers.
#[derive(Debug)]
pub(crate) struct Identity {
    rng: ChaCha8Rng,
    key: [u8; 32],
    user: Uuid,
    session: Uuid,
    connections: Vec<Connection>,
    codes: BTreeMap<String, Code>,
    refreshes: BTreeMap<String, Refresh>,
    /// Access tokens of an earlier round count as expired, whatever they say.
    round: u64,
}

impl Identity {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ids::stream(seed, "identity");
        let user = ids::next(&mut rng);
        let session = ids::next(&mut rng);
        let mut key = [0; 32];
        rand::RngCore::fill_bytes(&mut rng, &mut key);
        Self {
            rng,
            key,
            user,
            session,
            connections: Vec::new(),
            codes: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            round: 0,
        }
    }

    /// Every connection ever made, live or not, in the order in which they were made.
    pub(crate) fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// Whether the organisation is connected now.
    pub(crate) fn is_connected(&self, tenant: Uuid) -> bool {
        self.connections.iter().any(|connection| connection.is_live && connection.tenant == tenant)
    }

    /// Makes or renews the connection to an organisation.
    pub(crate) fn connect(&mut self, tenant: Uuid, auth_event: Uuid, now: Millis) {
        if let Some(known) = self.connections.iter_mut().find(|connection| connection.tenant == tenant) {
            if !known.is_live {
                // A disconnected organisation gets a new connection id but keeps its first date.
                known.id = ids::next(&mut self.rng);
            }
            known.auth_event = auth_event;
            known.updated = now;
            known.is_live = true;
            return;
        }
        let id = ids::next(&mut self.rng);
        self.connections.push(Connection { id, tenant, auth_event, created: now, updated: now, is_live: true });
    }

    /// Ends a connection by its own id; false when there is no such live connection.
    pub(crate) fn disconnect(&mut self, connection: Uuid) -> bool {
        let found = self.connections.iter_mut().find(|row| row.is_live && row.id == connection);
        found.map(|row| row.is_live = false).is_some()
    }

    /// Ends the connection of an organisation, as a person would at Xero.
    pub(crate) fn disconnect_tenant(&mut self, tenant: Uuid) -> bool {
        let found = self.connections.iter_mut().find(|row| row.is_live && row.tenant == tenant);
        found.map(|row| row.is_live = false).is_some()
    }

    /// Kills every refresh token and connection, as a revocation does.
    pub(crate) fn revoke_all(&mut self) {
        self.refreshes.values_mut().for_each(|token| token.is_dead = true);
        self.connections.iter_mut().for_each(|connection| connection.is_live = false);
    }

    /// Kills every refresh token but leaves the connections.
    pub(crate) fn kill_refresh_tokens(&mut self) {
        self.refreshes.values_mut().for_each(|token| token.is_dead = true);
    }

    /// Makes every access token issued so far an expired one.
    pub(crate) fn expire_access_tokens(&mut self) {
        self.round += 1;
    }

    fn word(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bytes = vec![0; length];
        rand::RngCore::fill_bytes(&mut self.rng, &mut bytes);
        bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)])).collect()
    }
}
