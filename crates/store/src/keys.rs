//! API keys: only their hashes are kept.

use jiff::Timestamp;
use model::OrgId;

use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

/// A key to save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The organisation that it is for; `None` for all.
    pub org: Option<OrgId>,
    /// A name for people.
    pub name: String,
    /// Its first characters, for people to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub key_hash: Vec<u8>,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Id of the key.
    pub id: i64,
    /// The organisation that it is for; `None` for all.
    pub org: Option<OrgId>,
    /// A name for people.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, org_id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at";

fn key(row: &mut Row) -> Result<ApiKey, Error> {
    let id = row.take()?;
    let org: Option<i64> = row.take()?;
    Ok(ApiKey {
        id,
        org: org.map(OrgId),
        name: row.take()?,
        prefix: row.take()?,
        scopes: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        last_used_at: row.take()?,
        revoked_at: row.take()?,
    })
}

impl Tx {
    /// Saves a key and returns its id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_api_key(&mut self, new: &NewApiKey, now: Timestamp) -> Result<i64, Error> {
        let sql = "INSERT INTO api_keys (org_id, name, prefix, key_hash, scopes, expires_at, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
        let params = [
            new.org.map_or(Value::Null, |org| Value::Int(org.0)),
            Value::Text(&new.name),
            Value::Text(&new.prefix),
            Value::Bytes(&new.key_hash),
            Value::Text(&new.scopes),
            new.expires_at.bind(),
            Value::Instant(now),
        ];
        self.query_one(sql, &params).await?.take()
    }

    /// The key of that hash, if it is valid now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn api_key(&mut self, key_hash: &[u8], now: Timestamp) -> Result<Option<ApiKey>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2)"
        );
        self.query_opt(&sql, &[Value::Bytes(key_hash), Value::Instant(now)])
            .await?
            .map(|mut row| key(&mut row))
            .transpose()
    }

    /// All keys, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn api_keys(&mut self) -> Result<Vec<ApiKey>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys ORDER BY id DESC");
        self.query(&sql, &[]).await?.iter_mut().map(key).collect()
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn touch_api_key(&mut self, id: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1";
        self.execute(sql, &[Value::Int(id), Value::Instant(now)]).await.map(drop)
    }

    /// Revokes a key at once. False if there is no such key in force.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn revoke_api_key(&mut self, id: i64, now: Timestamp) -> Result<bool, Error> {
        let sql = "UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        Ok(self.execute(sql, &[Value::Int(id), Value::Instant(now)]).await? == 1)
    }
}
