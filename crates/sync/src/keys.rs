//! API keys: made here, shown once, kept as a hash.

use jiff::Timestamp;
use model::OrgId;
use store::{ApiKey, NewApiKey};
use xero::Secret;

use crate::{Engine, Error};

/// What a key may do. Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyScope {
    /// Read books, runs and status.
    Read,
    /// Start syncs.
    Sync,
    /// Write the books, and decide on conflicts and failures.
    Write,
    /// Connect, disconnect, manage keys.
    Admin,
}

impl KeyScope {
    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Sync => "sync",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The scope of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Sync, Self::Write, Self::Admin].into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A key that was just made.
#[derive(Debug)]
pub struct MadeKey {
    /// The key itself; it is not kept and cannot be shown again.
    pub key: Secret,
    /// Its id.
    pub id: i64,
}

/// How many seconds may pass before a key's last use is written again: a write per request would be too much.
const TOUCH_S: i64 = 60;

impl Engine {
    /// Makes a key: `to_live_…` or, with an emulated Xero, `to_test_…`, with 256 random bits.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn make_key(
        &self,
        name: &str,
        org: Option<OrgId>,
        scope: KeyScope,
        expires_at: Option<Timestamp>,
    ) -> Result<MadeKey, Error> {
        let kind = if self.is_emulated() { "to_test_" } else { "to_live_" };
        let key = format!("{kind}{}", self.random());
        let new = NewApiKey {
            org,
            name: name.to_owned(),
            prefix: key.chars().take(12).collect(),
            key_hash: sha256(&key),
            scopes: scope.as_str().to_owned(),
            expires_at,
        };
        let mut tx = self.parts.store.begin_durable().await?;
        let id = tx.add_api_key(&new, self.now()).await?;
        tx.commit().await?;
        Ok(MadeKey { key: Secret::new(key), id })
    }

    /// The key as stored, if it is valid now. Only hashes are compared, by the database's index.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn check_key(&self, key: &str) -> Result<Option<ApiKey>, Error> {
        let now = self.now();
        let mut tx = self.parts.store.read().await?;
        let found = tx.api_key(&sha256(key), now).await?;
        tx.commit().await?;
        if let Some(found) = &found
            && found.last_used_at.is_none_or(|last| now.duration_since(last).as_secs() >= TOUCH_S)
        {
            let mut tx = self.parts.store.begin().await?;
            tx.touch_api_key(found.id, now).await?;
            tx.commit().await?;
        }
        Ok(found)
    }
}

impl Engine {
    /// Revokes a key at once. False if there is no such key in force.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn revoke_key(&self, id: i64) -> Result<bool, Error> {
        let mut tx = self.parts.store.begin_durable().await?;
        let revoked = tx.revoke_api_key(id, self.now()).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    /// A tag that only holders of this installation's key can make: what is given away with it can be recognised when
    /// it comes back. `purpose` keeps the tags of different uses apart.
    pub fn tag(&self, purpose: &str, text: &str) -> [u8; 32] {
        self.parts.vault.tag(purpose, text)
    }
}

pub(crate) fn sha256(key: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes()).as_ref().to_vec()
}
