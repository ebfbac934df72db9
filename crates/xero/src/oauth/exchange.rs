//! The token endpoint: one method per grant, one request each, no retry. Whether a refresh may be sent again is for the keeper
//! of the tokens to decide.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::endpoints::Endpoints;
use crate::oauth::{OAuthError, PkceVerifier, TokenSet};
use crate::secret::Secret;
use crate::transport::{Request, Response, Transport};

/// The app's credentials.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The client id; not a secret.
    pub client_id: String,
    /// The client secret; absent for apps of Xero's PKCE type.
    pub client_secret: Option<Secret>,
}

/// Talks to the token and revocation endpoints.
#[derive(Clone)]
pub struct OAuthClient {
    endpoints: Endpoints,
    credentials: ClientCredentials,
    transport: Arc<dyn Transport>,
    user_agent: String,
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("endpoints", &self.endpoints)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl OAuthClient {
    /// A client for one app.
    pub fn new(endpoints: Endpoints, credentials: ClientCredentials, transport: Arc<dyn Transport>) -> OAuthClient {
        let user_agent = concat!("tieout-xero/", env!("CARGO_PKG_VERSION")).to_owned();
        OAuthClient { endpoints, credentials, transport, user_agent }
    }

    /// The app's client id.
    pub fn client_id(&self) -> &str {
        &self.credentials.client_id
    }

    /// The endpoints.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Exchanges the code of a callback. A code lives 5 minutes and works once.
    pub async fn exchange_code(
        &self,
        code: &Secret,
        redirect_uri: &str,
        verifier: &PkceVerifier,
    ) -> Result<TokenSet, OAuthError> {
        let verifier = verifier.secret().expose();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.tokens(&fields).await
    }

    /// Exchanges a refresh token for the next pair. The old token can be replayed for 30 minutes, for lost answers only.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<TokenSet, OAuthError> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())]).await
    }

    /// A token for a custom connection: one organisation, no user, no refresh token.
    pub async fn client_credentials(&self, scopes: &[&str]) -> Result<TokenSet, OAuthError> {
        self.tokens(&[("grant_type", "client_credentials"), ("scope", &scopes.join(" "))]).await
    }

    /// Revokes a refresh token. **Drops every connection of its user** to the app; to end one organisation only, use
    /// [`crate::Client::disconnect`]. A token that is dead already is a success.
    pub async fn revoke(&self, refresh_token: &Secret) -> Result<(), OAuthError> {
        let response = self.post(self.endpoints.revocation(), &[("token", refresh_token.expose())]).await?;
        if response.status.is_success() {
            return Ok(());
        }
        match OAuthError::of(&response) {
            OAuthError::InvalidGrant => Ok(()),
            error => Err(error),
        }
    }

    async fn tokens(&self, fields: &[(&str, &str)]) -> Result<TokenSet, OAuthError> {
        let response = self.post(self.endpoints.token(), fields).await?;
        let status = response.status.as_u16();
        if !response.status.is_success() {
            return Err(OAuthError::of(&response));
        }
        // Neither the body nor the parser's quotation of it may show: both hold tokens.
        let set: TokenSet = serde_json::from_slice(&response.body).map_err(|error| OAuthError::Protocol {
            status,
            detail: format!("not a token answer, at line {} column {}", error.line(), error.column()),
        })?;
        let empty = |secret: Option<&Secret>| secret.is_some_and(|secret| secret.expose().is_empty());
        if empty(Some(set.access_token.secret())) || empty(set.refresh_token.as_ref()) {
            return Err(OAuthError::Protocol { status, detail: "a token in the answer is empty".to_owned() });
        }
        Ok(set)
    }

    async fn post(&self, url: Url, fields: &[(&str, &str)]) -> Result<Response, OAuthError> {
        let request = self.request(url, fields)?;
        let path = request.url.path().to_owned();
        let outcome = self.transport.send(request).await;
        let status = outcome.as_ref().map(|response| response.status.as_u16()).unwrap_or_default();
        tracing::debug!(path, status, "xero sign-in call");
        Ok(outcome?)
    }

    fn request(&self, url: Url, fields: &[(&str, &str)]) -> Result<Request, OAuthError> {
        let ClientCredentials { client_id, client_secret } = &self.credentials;
        let mut headers = HeaderMap::new();
        let mut form = Serializer::new(String::new());
        form.extend_pairs(fields);
        match client_secret {
            Some(secret) => {
                let pair = Zeroizing::new(format!("{client_id}:{}", secret.expose()));
                let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
                let mut basic = HeaderValue::from_str(&basic).map_err(|_| OAuthError::InvalidClient)?;
                basic.set_sensitive(true);
                headers.insert(AUTHORIZATION, basic);
            }
            None => {
                form.append_pair("client_id", client_id);
            }
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(USER_AGENT, HeaderValue::from_str(&self.user_agent).map_err(|_| OAuthError::InvalidClient)?);
        Ok(Request { method: Method::POST, url, headers, body: Bytes::from(form.finish()) })
    }
}
