//! What the token endpoint gives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::oauth::claims::{Claims, ClaimsError};
use crate::secret::Secret;

/// A bearer token for the API. Cheap to clone; prints nothing of itself.
#[derive(Clone)]
pub struct AccessToken(Arc<Secret>);

impl AccessToken {
    /// Wraps a token.
    pub fn new(token: impl Into<Secret>) -> AccessToken {
        AccessToken(Arc::new(token.into()))
    }

    /// The token itself.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Reads the token's claims without checking its signature: the token came over TLS from the token endpoint, and Xero, not
    /// this program, decides whether it is good. Never decide who somebody is by them.
    pub fn claims(&self) -> Result<Claims, ClaimsError> {
        Claims::read(self.0.expose())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

impl<'de> Deserialize<'de> for AccessToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<AccessToken, D::Error> {
        Secret::deserialize(deserializer).map(AccessToken::new)
    }
}

/// The token endpoint's answer.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct TokenSet {
    /// For the API; 30 minutes.
    pub access_token: AccessToken,
    /// For the next refresh; only with the scope `offline_access`, never for custom connections. Save it before using the
    /// access token.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// Seconds that the access token lives.
    pub expires_in: u64,
    /// Who signed in; only with the scope `openid`. To be validated before it is believed.
    #[serde(default)]
    pub id_token: Option<Secret>,
    /// The granted scopes, space separated, where the answer says.
    #[serde(default)]
    pub scope: Option<String>,
}

impl TokenSet {
    /// How long the access token lives from its issue.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_in)
    }

    /// The granted scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.as_deref().unwrap_or_default().split_ascii_whitespace()
    }
}
