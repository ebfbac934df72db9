//! Consents and their tokens. Everything secret arrives here as ciphertext; this crate never sees a token.

use jiff::Timestamp;

use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// How a consent stands.
    GrantState {
        /// Its tokens work, as far as is known.
        Active = "ACTIVE",
        /// Xero refused its refresh token; everything is kept until a person connects again.
        NeedsReconnect = "NEEDS_RECONNECT",
        /// Revoked by us; its tokens are gone.
        Revoked = "REVOKED",
    }
}

/// One consent of one Xero user: one chain of tokens. Tokens are ciphertexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Id of the row, which the ciphertexts are bound to.
    pub id: i64,
    /// Xero's user.
    pub xero_user_id: String,
    /// Granted scopes, separated by spaces.
    pub scopes: String,
    /// How it stands.
    pub state: GrantState,
    /// Why it stands so.
    pub reason: Option<String>,
    /// Counts the refreshes; the ciphertexts are bound to it.
    pub generation: i64,
    /// The access token.
    pub access_token: Option<String>,
    /// When it ends.
    pub access_expires_at: Option<Timestamp>,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// When Xero issued it.
    pub refresh_issued_at: Option<Timestamp>,
    /// The refresh token before, which Xero takes for 30 minutes more.
    pub previous_refresh_token: Option<String>,
    /// Until when we may try it.
    pub previous_until: Option<Timestamp>,
    /// When a refresh was begun whose end is not known.
    pub refresh_intent_at: Option<Timestamp>,
}

/// The new tokens of a consent, as ciphertexts bound to `generation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The generation that these tokens are.
    pub generation: i64,
    /// Granted scopes, where the answer names them.
    pub scopes: Option<String>,
    /// The access token.
    pub access_token: String,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// The refresh token before.
    pub previous_refresh_token: Option<String>,
    /// Until when that one may be tried.
    pub previous_until: Option<Timestamp>,
}

/// A consent that was begun in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// SHA-256 of the `state` that Xero brings back.
    pub state_hash: Vec<u8>,
    /// SHA-256 of the secret in the browser session that began it.
    pub session_hash: Vec<u8>,
    /// The PKCE verifier, as ciphertext.
    pub verifier: String,
    /// Where the browser goes afterwards: a path of ours.
    pub return_to: Option<String>,
    /// After this it is void.
    pub expires_at: Timestamp,
}

const COLUMNS: &str = "id, xero_user_id, scopes, state, reason, generation, access_token, access_expires_at, \
                       refresh_token, refresh_issued_at, previous_refresh_token, previous_until, refresh_intent_at";

fn grant(row: &mut Row) -> Result<Grant, Error> {
    Ok(Grant {
        id: row.take()?,
        xero_user_id: row.take()?,
        scopes: row.take()?,
        state: row.take()?,
        reason: row.take()?,
        generation: row.take()?,
        access_token: row.take()?,
        access_expires_at: row.take()?,
        refresh_token: row.take()?,
        refresh_issued_at: row.take()?,
        previous_refresh_token: row.take()?,
        previous_until: row.take()?,
        refresh_intent_at: row.take()?,
    })
}

impl Tx {
    /// An id for a consent that will be saved, known beforehand because its ciphertexts are bound to it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_grant_id(&mut self) -> Result<i64, Error> {
        self.allocate_ids("grants", 1).await?.pop().ok_or_else(|| Error::Driver("no id was allocated".into()))
    }

    /// The active or refused consent of a Xero user, newest first, if there is one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn grant_of_user(&mut self, xero_user_id: &str) -> Result<Option<Grant>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM grants WHERE xero_user_id = $1 AND state <> 'REVOKED' ORDER BY id DESC LIMIT 1 \
             FOR UPDATE"
        );
        self.query_opt(&sql, &[Value::Text(xero_user_id)]).await?.map(|mut row| grant(&mut row)).transpose()
    }

    /// A consent by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn grant(&mut self, id: i64) -> Result<Option<Grant>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM grants WHERE id = $1");
        self.query_opt(&sql, &[Value::Int(id)]).await?.map(|mut row| grant(&mut row)).transpose()
    }

    /// All consents that have tokens.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn grants(&mut self) -> Result<Vec<Grant>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM grants WHERE state <> 'REVOKED' ORDER BY id");
        self.query(&sql, &[]).await?.iter_mut().map(grant).collect()
    }

    /// Saves the first tokens of a consent, or new ones given by the user again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn save_grant(
        &mut self,
        id: i64,
        xero_user_id: &str,
        tokens: &Refreshed,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO grants (id, xero_user_id, scopes, state, generation, access_token, access_expires_at, \
                   refresh_token, refresh_issued_at, created_at, updated_at) \
                   VALUES ($1, $2, $3, 'ACTIVE', $4, $5, $6, $7, $8, $8, $8) ON CONFLICT (id) DO UPDATE SET \
                   scopes = $3, state = 'ACTIVE', reason = NULL, generation = $4, access_token = $5, \
                   access_expires_at = $6, refresh_token = $7, refresh_issued_at = $8, previous_refresh_token = NULL, \
                   previous_until = NULL, refresh_intent_generation = NULL, refresh_intent_at = NULL, updated_at = $8";
        let params = [
            Value::Int(id),
            Value::Text(xero_user_id),
            Value::Text(tokens.scopes.as_deref().unwrap_or_default()),
            Value::Int(tokens.generation),
            Value::Text(&tokens.access_token),
            Value::Instant(tokens.access_expires_at),
            tokens.refresh_token.bind(),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Notes, before the request leaves, that generation `generation` is being refreshed. False if that generation is
    /// no longer the newest.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_refresh(&mut self, id: i64, generation: i64, now: Timestamp) -> Result<bool, Error> {
        // An intent that is still open keeps its time: Xero's grace runs from the first attempt.
        let sql = "UPDATE grants SET refresh_intent_at = CASE WHEN refresh_intent_generation = $2 \
                   THEN refresh_intent_at ELSE $3 END, refresh_intent_generation = $2 \
                   WHERE id = $1 AND generation = $2 AND state = 'ACTIVE'";
        Ok(self.execute(sql, &[Value::Int(id), Value::Int(generation), Value::Instant(now)]).await? == 1)
    }

    /// Notes that a refresh that was begun certainly did not happen.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn abandon_refresh(&mut self, id: i64, generation: i64) -> Result<(), Error> {
        let sql = "UPDATE grants SET refresh_intent_generation = NULL, refresh_intent_at = NULL \
                   WHERE id = $1 AND generation = $2";
        self.execute(sql, &[Value::Int(id), Value::Int(generation)]).await.map(drop)
    }

    /// Saves refreshed tokens over generation `from`. False if somebody saved newer ones meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish_refresh(
        &mut self,
        id: i64,
        from: i64,
        tokens: &Refreshed,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "UPDATE grants SET generation = $3, scopes = COALESCE($4, scopes), access_token = $5, \
                   access_expires_at = $6, refresh_token = $7, refresh_issued_at = $8, previous_refresh_token = $9, \
                   previous_until = $10, refresh_intent_generation = NULL, refresh_intent_at = NULL, \
                   state = 'ACTIVE', reason = NULL, updated_at = $8 \
                   WHERE id = $1 AND generation = $2 AND state <> 'REVOKED'";
        let params = [
            Value::Int(id),
            Value::Int(from),
            Value::Int(tokens.generation),
            tokens.scopes.bind(),
            Value::Text(&tokens.access_token),
            Value::Instant(tokens.access_expires_at),
            tokens.refresh_token.bind(),
            Value::Instant(now),
            tokens.previous_refresh_token.bind(),
            tokens.previous_until.bind(),
        ];
        Ok(self.execute(sql, &params).await? == 1)
    }

    /// Marks a consent whose refresh token Xero refused, and its connections. Nothing is deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn mark_needs_reconnect(
        &mut self,
        id: i64,
        generation: i64,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let params = [Value::Int(id), Value::Text(reason), Value::Instant(now), Value::Int(generation)];
        let sql = "UPDATE grants SET state = 'NEEDS_RECONNECT', reason = $2, refresh_intent_generation = NULL, \
                   refresh_intent_at = NULL, updated_at = $3 \
                   WHERE id = $1 AND generation = $4 AND state <> 'REVOKED'";
        if self.execute(sql, &params).await? == 1 {
            let sql = "UPDATE connections SET state = 'NEEDS_RECONNECT', reason = $2, updated_at = $3 \
                       WHERE grant_id = $1 AND state = 'CONNECTED'";
            self.execute(sql, &params[..3]).await?;
        }
        Ok(())
    }

    /// Deletes a consent's tokens, once nothing hangs on it any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn shred_grant(&mut self, id: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE grants SET state = 'REVOKED', reason = 'disconnected', access_token = NULL, \
                   access_expires_at = NULL, refresh_token = NULL, previous_refresh_token = NULL, \
                   previous_until = NULL, refresh_intent_generation = NULL, refresh_intent_at = NULL, \
                   updated_at = $2 WHERE id = $1";
        self.execute(sql, &[Value::Int(id), Value::Instant(now)]).await.map(drop)
    }

    /// How many connections hang on a consent.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_grant_connections(&mut self, id: i64) -> Result<i64, Error> {
        let sql = "SELECT COUNT(*) FROM connections WHERE grant_id = $1 AND state <> 'DISCONNECTED'";
        self.query_one(sql, &[Value::Int(id)]).await?.take()
    }

    /// Remembers a consent that was begun, and forgets those that are void.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_consent(&mut self, consent: &Consent, now: Timestamp) -> Result<(), Error> {
        self.execute("DELETE FROM consents WHERE expires_at < $1", &[Value::Instant(now)]).await?;
        let sql = "INSERT INTO consents (state_hash, session_hash, verifier, return_to, expires_at) \
                   VALUES ($1, $2, $3, $4, $5)";
        let params = [
            Value::Bytes(&consent.state_hash),
            Value::Bytes(&consent.session_hash),
            Value::Text(&consent.verifier),
            consent.return_to.bind(),
            Value::Instant(consent.expires_at),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Uses up a consent that was begun: `None` if it is unknown, void, used, or of another session.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn use_consent(
        &mut self,
        state_hash: &[u8],
        session_hash: &[u8],
        now: Timestamp,
    ) -> Result<Option<Consent>, Error> {
        let sql = "UPDATE consents SET used_at = $3 WHERE state_hash = $1 AND session_hash = $2 AND used_at IS NULL \
                   AND expires_at > $3 RETURNING state_hash, session_hash, verifier, return_to, expires_at";
        let params = [Value::Bytes(state_hash), Value::Bytes(session_hash), Value::Instant(now)];
        self.query_opt(sql, &params)
            .await?
            .map(|mut row| {
                Ok(Consent {
                    state_hash: row.take()?,
                    session_hash: row.take()?,
                    verifier: row.take()?,
                    return_to: row.take()?,
                    expires_at: row.take()?,
                })
            })
            .transpose()
    }
}
