//! Connecting and disconnecting: consent in a browser, the callback, and the end at Xero too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use model::ConnectionId;
use store::{Connection, ConnectionState, Consent, NewConnection};
use xero::oauth::{AuthorizeRequest, PkceVerifier, TokenSet};
use xero::{Claims, Secret, TokenSource};

use crate::keys::sha256;
use crate::tokens::{place, seal};
use crate::vault::Place;
use crate::{Engine, Error};

/// How long a sign-in may take (product.md K1).
const CONSENT: SignedDuration = SignedDuration::from_mins(10);

/// A consent that was begun.
#[derive(Debug, Clone)]
pub struct ConsentStart {
    /// Where to send the browser.
    pub url: String,
    /// A secret for the browser's session; the callback must bring it back beside the state.
    pub session: Secret,
}

impl Engine {
    /// Begins a consent: PKCE, a state that works once, for ten minutes, in the session that began it.
    ///
    /// `return_to` is the path of ours that the browser is shown afterwards.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_connect(&self, return_to: Option<String>) -> Result<ConsentStart, Error> {
        let parts = &self.parts;
        let (state, session) = (self.random(), self.random());
        let verifier = PkceVerifier::generate(parts.entropy.as_ref());
        let now = self.now();
        let consent = Consent {
            state_hash: sha256(&state),
            session_hash: sha256(&session),
            verifier: parts.vault.seal(verifier_place(&state), verifier.secret())?,
            return_to,
            expires_at: now.checked_add(CONSENT).map_err(|error| Error::Internal(error.to_string()))?,
        };
        let mut tx = parts.store.begin().await?;
        tx.begin_consent(&consent, now).await?;
        tx.commit().await?;
        let scopes: Vec<&str> = parts.settings.scopes.iter().map(String::as_str).collect();
        let request = AuthorizeRequest {
            client_id: parts.oauth.client_id(),
            redirect_uri: &parts.settings.redirect_uri,
            scopes: &scopes,
            state: &state,
            verifier: &verifier,
            nonce: None,
            single_organisation: false,
        };
        Ok(ConsentStart { url: request.url(parts.oauth.endpoints()).into(), session: Secret::new(session) })
    }

    /// Ends a consent that the person, or Xero, refused. Returns the path to go to.
    ///
    /// # Errors
    /// [`Error::StaleConsent`], or those of the database.
    pub async fn refuse_connect(&self, state: &str, session: &Secret) -> Result<Option<String>, Error> {
        let mut tx = self.parts.store.begin().await?;
        let used = tx.use_consent(&sha256(state), &sha256(session.expose()), self.now()).await?;
        tx.commit().await?;
        Ok(used.ok_or(Error::StaleConsent)?.return_to)
    }

    /// Finishes a consent with what the callback brought. Returns the connections and the path to go to.
    ///
    /// # Errors
    /// [`Error::StaleConsent`], [`Error::NoTenant`], or why Xero refused.
    pub async fn finish_connect(
        &self,
        state: &str,
        session: &Secret,
        code: &Secret,
    ) -> Result<(Vec<Connection>, Option<String>), Error> {
        let parts = &self.parts;
        let now = self.now();
        let mut tx = parts.store.begin_durable().await?;
        let used = tx.use_consent(&sha256(state), &sha256(session.expose()), now).await?;
        // The state is used up, whatever comes next.
        tx.commit().await?;
        let consent = used.ok_or(Error::StaleConsent)?;
        let verifier = PkceVerifier::from_secret(parts.vault.open(verifier_place(state), &consent.verifier)?);

        let tokens = parts.oauth.exchange_code(code, &parts.settings.redirect_uri, &verifier).await?;
        let claims = tokens.access_token.claims().map_err(|error| Error::Internal(error.to_string()))?;
        // Saved before anything is done with them: the chain before may be dead already.
        let grant = self.save_consent(&tokens, &claims, now).await?;
        let all = parts.client.connections(&tokens.access_token).await?;
        let organisations = || all.iter().filter(|found| found.tenant_type.as_deref() != Some("PRACTICE"));
        let mut chosen: Vec<&xero::Connection> = organisations()
            .filter(|found| found.auth_event_id.is_some() && found.auth_event_id == claims.authentication_event_id)
            .collect();
        // `/connections` lists every tenant ever connected; without the event's name the newest is this consent's.
        if chosen.is_empty() {
            chosen = organisations().max_by_key(|found| found.updated_date_utc).into_iter().collect();
        }
        if chosen.is_empty() {
            return Err(Error::NoTenant);
        }

        let mut tx = parts.store.begin_durable().await?;
        let mut connected = Vec::with_capacity(chosen.len());
        for found in chosen {
            let new = NewConnection {
                grant,
                tenant_id: found.tenant_id.0,
                xero_connection_id: found.id,
                tenant_name: found.tenant_name.clone().unwrap_or_else(|| "Unnamed organisation".into()),
            };
            connected.push(tx.connect_tenant(&new, now).await?);
        }
        // The other organisations of the same user live on the same tokens, which work again now.
        for other in tx.connections().await? {
            if other.grant == Some(grant) && other.state == ConnectionState::NeedsReconnect {
                tx.set_connection_state(other.id, ConnectionState::Connected, None, now).await?;
            }
        }
        tx.commit().await?;
        tracing::info!(connections = connected.len(), "connected");
        Ok((connected, consent.return_to))
    }

    /// Saves the tokens of a consent and returns its id. One chain of tokens per user: a second chain would end the
    /// first one's.
    async fn save_consent(&self, tokens: &TokenSet, claims: &Claims, now: Timestamp) -> Result<i64, Error> {
        let parts = &self.parts;
        let user = claims.xero_user_id.map(|id| id.to_string()).unwrap_or_default();
        let mut tx = parts.store.begin_durable().await?;
        // A token that names no user may be anybody's, so it never joins another's chain.
        let known = if user.is_empty() { None } else { tx.grant_of_user(&user).await? };
        let (grant, generation) = match known {
            Some(grant) => (grant.id, grant.generation + 1),
            None => (tx.next_grant_id().await?, 1),
        };
        let mut fresh = seal(&parts.vault, grant, generation, tokens, None, now)?;
        fresh.scopes.get_or_insert_with(|| claims.scopes.join(" "));
        tx.save_grant(grant, &user, &fresh, now).await?;
        tx.commit().await?;
        self.tokens(grant).await.forget().await;
        Ok(grant)
    }

    /// Disconnects: ends the connection at Xero, revokes the consent when nothing else hangs on it, and deletes its
    /// tokens. Books, links and history stay. Returns whether Xero could be told.
    ///
    /// # Errors
    /// [`Error::NotConnected`], or those of the database.
    pub async fn disconnect(&self, id: ConnectionId) -> Result<bool, Error> {
        let parts = &self.parts;
        let connection = self.connection(id).await?;
        let Some(grant) = connection.grant else { return Ok(true) };
        let tokens = self.tokens(grant).await;
        let told = match tokens.token().await {
            Ok(token) => parts.client.disconnect(&token, connection.xero_connection_id).await.map_err(Error::from),
            Err(error) => Err(Error::Xero(xero::Error::Token(error))),
        };
        let mut could_tell = told.is_ok();
        if let Err(error) = told {
            tracing::warn!(%error, "xero could not be told of the disconnection");
        }

        let now = self.now();
        let mut tx = parts.store.begin_durable().await?;
        let why = if could_tell { "disconnected by a person" } else { "disconnected here; remove the app in Xero too" };
        tx.set_connection_state(id, ConnectionState::Disconnected, Some(why), now).await?;
        tx.detach_grant(id).await?;
        // The tokens go in the same transaction: a crash afterwards leaves none behind, and a consent that is given
        // meanwhile is a new one. To revoke them at Xero they are held in memory a moment longer.
        let mut last_token = None;
        if tx.count_grant_connections(grant).await? == 0 {
            if let Some(row) = tx.grant(grant).await?
                && let Some(sealed) = &row.refresh_token
            {
                last_token = parts.vault.open(place(&row, "refresh_token"), sealed).ok();
                could_tell &= last_token.is_some();
            }
            tx.shred_grant(grant, now).await?;
        }
        tx.commit().await?;
        tokens.forget().await;

        if let Some(refresh_token) = last_token
            && let Err(error) = parts.oauth.revoke(&refresh_token).await
        {
            tracing::warn!(%error, "the consent could not be revoked at xero");
            could_tell = false;
        }
        Ok(could_tell)
    }

    pub(crate) fn random(&self) -> String {
        let mut bytes = [0; 32];
        self.parts.entropy.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// A consent has no row id: its ciphertext is bound to its state.
fn verifier_place(state: &str) -> Place<'_> {
    Place { table: "consents", row: 0, column: state, generation: 0 }
}
