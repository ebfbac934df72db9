//! The usual parts of an engine: Xero over HTTP, this machine's clock and randomness, one process's limits.

use std::sync::Arc;

use store::Store;
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{Client, ClientSettings, Endpoints, EndpointsError, HttpSettings, HttpTransport, InProcessGovernor};
use xero::{LimitSettings, Secret, SystemClock, SystemEntropy, TransportError};

use crate::{EngineParts, EngineSettings, Vault};

/// What differs from one installation to the next.
#[derive(Debug, Clone)]
pub struct OverHttp {
    /// Where an emulator serves everything; `None` is Xero itself.
    pub emulator: Option<String>,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret; absent for apps of Xero's PKCE type.
    pub client_secret: Option<Secret>,
}

/// Why the parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum OverHttpError {
    /// The emulator's address cannot be used.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl EngineParts {
    /// Parts for an installation; each may be replaced before the engine is started.
    ///
    /// # Errors
    /// [`OverHttpError`], before anything is sent.
    pub fn over_http(
        store: Store,
        vault: Vault,
        installation: OverHttp,
        settings: EngineSettings,
    ) -> Result<Self, OverHttpError> {
        let endpoints = match installation.emulator {
            None => Endpoints::xero(),
            Some(base) => Endpoints::at(base.parse().map_err(|_| EndpointsError::NotABase(base))?),
        };
        endpoints.validate()?;
        let transport = Arc::new(HttpTransport::new(HttpSettings::default())?);
        let clock = Arc::new(SystemClock);
        let governor = Arc::new(InProcessGovernor::new(LimitSettings::default(), clock.clone()));
        let credentials =
            ClientCredentials { client_id: installation.client_id, client_secret: installation.client_secret };
        Ok(Self {
            store,
            client: Client::new(ClientSettings::new(endpoints.clone()), transport.clone(), clock.clone(), governor),
            oauth: OAuthClient::new(endpoints, credentials, transport),
            vault,
            clock,
            entropy: Arc::new(SystemEntropy),
            settings,
        })
    }
}
