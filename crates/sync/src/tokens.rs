//! Keeping a consent's tokens alive: the refresh protocol of reliability.md A6.3.
//!
//! One refresh at a time per consent over all processes (a lease), noted durably before the request leaves, the new pair
//! saved before it is used, the previous refresh token kept for Xero's 30 minutes of grace. `invalid_grant` never deletes
//! anything. A ciphertext is bound to its row and generation ([`Place`]) and does not open in another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use store::{Grant, GrantState, Lease, Refreshed};
use tokio::sync::Mutex;
use xero::oauth::{OAuthError, TokenSet};
use xero::{AccessToken, Deadline, Secret, TokenError, TokenSource};

use crate::engine::{Engine, EngineParts};
use crate::vault::Place;
use crate::{Error, Vault};

/// A token is refreshed this long before it ends, so that it does not end under a request.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// Xero takes the previous refresh token for 30 minutes; kept longer, because the clocks differ.
const PREVIOUS_KEPT: SignedDuration = SignedDuration::from_mins(35);
/// Longer than the 30 seconds that a request may take (A6.3 T0).
const LEASE_S: i64 = 60;
/// How long a refresh may take from the proof of its lease to the wire: with the 30 seconds of the request, shorter than
/// the lease.
const SENT_WITHIN: Duration = Duration::from_secs(20);
/// Waits between tries of a refresh whose outcome is unknown; after these the caller is told to come again.
const RETRY_WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How often a process looks whether another one has finished the refresh.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often a serving process looks for refreshes that are still open.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// Looks before giving up: a little longer than a lease holds.
const LOOKS: usize = 280;

/// The tokens of one consent. Cheap to clone; clones are the same tokens.
#[derive(Clone)]
pub(crate) struct GrantTokens(Arc<Keeper>);

struct Keeper {
    parts: Arc<EngineParts>,
    holder: Arc<str>,
    grant: i64,
    /// The token in use, and the single flight within this process.
    current: Mutex<Option<Current>>,
}

#[derive(Clone)]
struct Current {
    token: AccessToken,
    generation: i64,
    expires_at: Timestamp,
}

/// What came of sending a refresh, tries and all.
struct Sent {
    outcome: Result<TokenSet, OAuthError>,
    /// True if any of the tries may have rotated the token at Xero.
    may_have_rotated: bool,
}

impl Keeper {
    fn is_fresh(&self, current: &Current) -> bool {
        current.expires_at.duration_since(self.parts.clock.now()) > EARLY
    }

    /// Reads the row; a fresh token of a generation after `refused` is the answer, otherwise the row needs a refresh.
    async fn look(&self, refused: Option<i64>) -> Result<Result<Current, Grant>, Error> {
        let grant = self.parts.store.read().await?.grant(self.grant).await?.ok_or(Error::NotConnected)?;
        if grant.state != GrantState::Active {
            let reason = grant.reason.unwrap_or_else(|| "the consent has ended".into());
            return Err(Error::NeedsReconnect { reason });
        }
        let found = match (&grant.access_token, grant.access_expires_at) {
            (Some(sealed), Some(expires_at)) if refused.is_none_or(|generation| grant.generation > generation) => {
                let token = self.parts.vault.open(place(&grant, "access_token"), sealed)?;
                Some(Current { token: AccessToken::new(token), generation: grant.generation, expires_at })
            }
            _ => None,
        };
        Ok(match found.filter(|current| self.is_fresh(current)) {
            Some(current) if grant.refresh_intent_at.is_none() => Ok(current),
            _ => Err(grant),
        })
    }

    /// A token newer than `refused`, refreshed if need be. Called with `current` locked: the single flight.
    async fn renew(&self, refused: Option<i64>) -> Result<Current, Error> {
        let lease_name = format!("refresh:{}", self.grant);
        for _ in 0..LOOKS {
            if let Ok(current) = self.look(refused).await? {
                return Ok(current);
            }
            if let Some(lease) = self.parts.store.acquire_lease(&lease_name, &self.holder, LEASE_S).await? {
                let outcome = self.refresh(&lease, refused).await;
                // Whatever came of it, nobody need wait for the lease's end.
                if let Err(error) = self.parts.store.release_lease(&lease).await {
                    tracing::warn!(%error, "the lease of a refresh could not be given back; it ends by itself");
                }
                return outcome;
            }
            // Another process is refreshing: its result is ours.
            self.parts.clock.sleep(LOOK_AGAIN).await;
        }
        Err(Error::OAuth(OAuthError::Unanswered("another process has not finished refreshing the token".into())))
    }

    async fn refresh(&self, lease: &Lease, refused: Option<i64>) -> Result<Current, Error> {
        // Under the lease the row is read again: the last holder may have just finished.
        let grant = match self.look(refused).await? {
            Ok(current) => return Ok(current),
            Err(grant) => grant,
        };
        let sealed = grant.refresh_token.as_deref().ok_or_else(|| Error::NeedsReconnect {
            reason: "there is no refresh token; the scope offline_access is missing".into(),
        })?;
        let refresh_token = self.parts.vault.open(place(&grant, "refresh_token"), sealed)?;

        // T1: durable before any byte leaves.
        let not_after = self.not_after();
        let mut tx = self.parts.store.begin_durable().await?;
        tx.hold_lease(lease).await?;
        if !tx.begin_refresh(grant.id, grant.generation, self.parts.clock.now()).await? {
            return Err(Error::OAuth(OAuthError::Unanswered("the tokens changed meanwhile".into())));
        }
        tx.commit().await?;

        // T2, and what its failures mean.
        let was_open = grant.refresh_intent_at.is_some();
        let Sent { outcome, may_have_rotated } = self.send(lease, &refresh_token, not_after).await?;
        match outcome {
            Ok(tokens) => self.save(&grant, &refresh_token, &tokens).await,
            Err(OAuthError::InvalidGrant) => self.refused(lease, &grant, refused).await,
            Err(error) => {
                // Only a refresh of which nothing ever reached Xero is forgotten; any other is tried again, first of all.
                if !was_open && !may_have_rotated {
                    let mut tx = self.parts.store.begin_durable().await?;
                    // Whoever took over may have asked with the same token: theirs is not ours to forget.
                    tx.hold_lease(lease).await?;
                    tx.abandon_refresh(grant.id, grant.generation).await?;
                    tx.commit().await?;
                }
                Err(Error::OAuth(error))
            }
        }
    }

    /// Sends the refresh, again while its outcome is unknown: Xero's grace makes the same token good for a replay.
    async fn send(&self, lease: &Lease, refresh_token: &Secret, mut not_after: Deadline) -> Result<Sent, Error> {
        let mut waits = RETRY_WAITS.into_iter();
        let mut may_have_rotated = false;
        loop {
            if not_after.has_passed(&*self.parts.clock) {
                // It stood still, and somebody else may have the lease and ask with the same token.
                let outcome = Err(OAuthError::Unanswered("it was not asked in time".into()));
                return Ok(Sent { outcome, may_have_rotated });
            }
            let outcome = self.parts.oauth.refresh(refresh_token).await;
            let Err(error) = &outcome else { return Ok(Sent { outcome, may_have_rotated }) };
            may_have_rotated |= error.may_have_rotated();
            let is_unknown = !error.is_permanent() || error.may_have_rotated();
            let Some(wait) = waits.next().filter(|_| is_unknown) else { return Ok(Sent { outcome, may_have_rotated }) };
            self.parts.clock.sleep(wait).await;
            not_after = self.not_after();
            self.renew_lease(lease).await?;
        }
    }

    /// Until when a refresh may leave that is made ready now: Xero's answer must be there within the lease.
    fn not_after(&self) -> Deadline {
        Deadline::after(&*self.parts.clock, SENT_WITHIN)
    }

    /// Before each try: two refreshers at once would end each other's tokens.
    async fn renew_lease(&self, lease: &Lease) -> Result<(), Error> {
        let mut tx = self.parts.store.begin().await?;
        tx.hold_lease(lease).await?;
        Ok(tx.commit().await?)
    }

    /// T3: the new pair is durable before anybody uses it.
    async fn save(&self, grant: &Grant, used: &Secret, tokens: &TokenSet) -> Result<Current, Error> {
        let now = self.parts.clock.now();
        let fresh = seal(&self.parts.vault, grant.id, grant.generation + 1, tokens, Some(used), now)?;
        let mut tx = self.parts.store.begin_durable().await?;
        // Even without the lease: as long as no newer generation is saved, these are the newest tokens there are, and a
        // rotated token must never be thrown away.
        if !tx.finish_refresh(grant.id, grant.generation, &fresh, now).await? {
            // Somebody connected again meanwhile; those tokens are newer.
            drop(tx);
            return self.look(None).await?.map_err(|_| Error::OAuth(OAuthError::InvalidGrant));
        }
        tx.commit().await?;
        tracing::info!(grant = grant.id, generation = fresh.generation, "token refreshed");
        let token = tokens.access_token.clone();
        Ok(Current { token, generation: fresh.generation, expires_at: fresh.access_expires_at })
    }

    /// `invalid_grant`: look whether somebody else has newer tokens, try the previous token once within the grace, then
    /// mark the consent. Nothing is deleted.
    async fn refused(&self, lease: &Lease, grant: &Grant, refused: Option<i64>) -> Result<Current, Error> {
        if let Ok(current) = self.look(refused.or(Some(grant.generation))).await? {
            return Ok(current);
        }
        let now = self.parts.clock.now();
        if let (Some(sealed), Some(until)) = (&grant.previous_refresh_token, grant.previous_until)
            && now < until
        {
            let previous = self.parts.vault.open(place(grant, "previous_refresh_token"), sealed)?;
            let not_after = self.not_after();
            self.renew_lease(lease).await?;
            match self.send(lease, &previous, not_after).await?.outcome {
                Ok(tokens) => return self.save(grant, &previous, &tokens).await,
                Err(OAuthError::InvalidGrant) => {}
                Err(error) => return Err(Error::OAuth(error)),
            }
        }
        let reason = "somebody removed the app in Xero, or the permission was not used for 60 days";
        let mut tx = self.parts.store.begin_durable().await?;
        tx.hold_lease(lease).await?;
        tx.mark_needs_reconnect(grant.id, grant.generation, reason, now).await?;
        tx.commit().await?;
        tracing::warn!(grant = grant.id, "xero refused the refresh token: needs reconnect");
        Err(Error::NeedsReconnect { reason: reason.into() })
    }

    async fn token_after(&self, refused: Option<&AccessToken>) -> Result<AccessToken, Error> {
        let mut current = self.current.lock().await;
        let refused_generation = match (&*current, refused) {
            // Somebody asked for a newer token first, and got it.
            (Some(current), Some(refused)) if current.token.secret().expose() != refused.secret().expose() => {
                return Ok(current.token.clone());
            }
            (Some(current), Some(_)) => Some(current.generation),
            (Some(current), None) if self.is_fresh(current) => return Ok(current.token.clone()),
            _ => None,
        };
        let renewed = self.renew(refused_generation).await?;
        let token = renewed.token.clone();
        *current = Some(renewed);
        Ok(token)
    }
}

impl GrantTokens {
    pub(crate) fn new(parts: Arc<EngineParts>, holder: Arc<str>, grant: i64) -> Self {
        Self(Arc::new(Keeper { parts, holder, grant, current: Mutex::new(None) }))
    }

    /// A token that is good for some minutes; newer than `refused`, if Xero refused one.
    ///
    /// The work runs on a task of its own: whoever asked may go away, but a refresh that was sent is finished and saved.
    pub(crate) async fn token_after(&self, refused: Option<&AccessToken>) -> Result<AccessToken, Error> {
        let (keeper, refused) = (Arc::clone(&self.0), refused.cloned());
        let work = tokio::spawn(async move { keeper.token_after(refused.as_ref()).await });
        work.await.map_err(|error| Error::Internal(format!("the refresh of a token stopped: {error}")))?
    }

    /// Lets go of the token in use, because the row holds a better one: the user has just connected again.
    pub(crate) async fn forget(&self) {
        *self.0.current.lock().await = None;
    }
}

#[async_trait]
impl TokenSource for GrantTokens {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        self.token_after(None).await.map_err(token_error)
    }

    async fn refused(&self, token: &AccessToken) -> Result<AccessToken, TokenError> {
        self.token_after(Some(token)).await.map_err(token_error)
    }
}

fn token_error(error: Error) -> TokenError {
    match error {
        Error::NeedsReconnect { reason } => TokenError::NeedsReconnect { reason },
        Error::WrongKey => TokenError::NeedsReconnect { reason: Error::WrongKey.to_string() },
        other => TokenError::Unavailable { reason: other.to_string(), retry_after: Duration::from_secs(5) },
    }
}

pub(crate) fn place<'a>(grant: &Grant, column: &'a str) -> Place<'a> {
    // The previous token was sealed anew when it became the previous one.
    Place { table: "grants", row: grant.id, column, generation: grant.generation }
}

/// Seals a token set for a row of `grants`.
pub(crate) fn seal(
    vault: &Vault,
    grant: i64,
    generation: i64,
    tokens: &TokenSet,
    previous: Option<&Secret>,
    now: Timestamp,
) -> Result<Refreshed, Error> {
    let at = |column| Place { table: "grants", row: grant, column, generation };
    let lifetime = SignedDuration::from_secs(i64::try_from(tokens.expires_in).unwrap_or(i64::MAX).min(86_400));
    let expires_at = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    // Where Xero gives no new refresh token, the old one stays in force.
    let refresh_token = tokens.refresh_token.as_ref().or(previous);
    Ok(Refreshed {
        generation,
        scopes: tokens.scope.clone(),
        access_token: vault.seal(at("access_token"), tokens.access_token.secret())?,
        access_expires_at: expires_at,
        refresh_token: refresh_token.map(|token| vault.seal(at("refresh_token"), token)).transpose()?,
        previous_refresh_token: previous.map(|token| vault.seal(at("previous_refresh_token"), token)).transpose()?,
        previous_until: previous.and(now.checked_add(PREVIOUS_KEPT).ok()),
    })
}

impl Engine {
    /// Refreshes that were begun and whose end is not known are finished first of all: Xero takes the old token for 30
    /// minutes only (A6.3, "reply lost"). All at once, so that a slow one holds up no other; one that fails now is tried
    /// again with its next use, and by [`Engine::keep_tokens`].
    pub(crate) async fn finish_open_refreshes(&self) -> Result<(), Error> {
        let mut tx = self.parts.store.read().await?;
        let open = tx.grants().await?;
        drop(tx);
        let open = open
            .into_iter()
            .filter(|grant| grant.state == GrantState::Active && grant.refresh_intent_at.is_some())
            .map(|grant| async move {
                match self.tokens(grant.id).await.token_after(None).await {
                    Ok(_) => tracing::info!(grant = grant.id, "finished a token refresh that was cut off"),
                    Err(error) => {
                        tracing::warn!(grant = grant.id, %error, "a token refresh that was cut off is still open");
                    }
                }
            });
        futures::future::join_all(open).await;
        Ok(())
    }

    /// Tries open refreshes again, every half minute, for as long as it is polled: a process that serves runs it beside
    /// its work, so that a rotated token is not lost because nobody happens to need it.
    pub async fn keep_tokens(&self) {
        loop {
            self.parts.clock.sleep(KEEP_EVERY).await;
            if let Err(error) = self.finish_open_refreshes().await {
                tracing::warn!(%error, "open token refreshes could not be looked for");
            }
        }
    }

    /// Refreshes the token of a connection now, on a person's demand.
    ///
    /// # Errors
    /// [`Error::NeedsReconnect`] if Xero refuses, or why it could not be asked.
    pub async fn refresh_token(&self, connection: model::ConnectionId) -> Result<(), Error> {
        let connection = self.connection(connection).await?;
        let grant = connection.grant.ok_or(Error::NotConnected)?;
        let tokens = self.tokens(grant).await;
        let token = tokens.token_after(None).await?;
        tokens.token_after(Some(&token)).await.map(drop)
    }
}
