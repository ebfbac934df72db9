//! Replies: answers that this API gave under a caller's Idempotency-Key, so that a repeated request gets the same one.

use jiff::Timestamp;

use crate::value::Value;
use crate::{Error, Tx};

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The caller's API key; 0 without one.
    pub api_key: i64,
    /// The caller's Idempotency-Key.
    pub key: String,
    /// Hash of the request that was answered.
    pub request_hash: Vec<u8>,
    /// HTTP status.
    pub status: i64,
    /// JSON: headers of the answer.
    pub headers: String,
    /// Body of the answer.
    pub body: Vec<u8>,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

impl Tx {
    /// The answer that was given under a key, if it is still kept.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reply(&mut self, api_key: i64, key: &str, now: Timestamp) -> Result<Option<Reply>, Error> {
        let sql = "SELECT request_hash, status, headers, body, expires_at FROM replies \
                   WHERE api_key_id = $1 AND idempotency_key = $2 AND expires_at > $3";
        let row = self.query_opt(sql, &[Value::Int(api_key), Value::Text(key), Value::Instant(now)]).await?;
        row.map(|mut row| {
            Ok(Reply {
                api_key,
                key: key.to_owned(),
                request_hash: row.take()?,
                status: row.take()?,
                headers: row.take()?,
                body: row.take()?,
                expires_at: row.take()?,
            })
        })
        .transpose()
    }

    /// Takes a caller's key for an answer that this transaction is about to make; false if it was taken before and is
    /// still kept. Whoever takes the same key at the same time waits here until this transaction ends.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_reply(
        &mut self,
        api_key: i64,
        key: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "INSERT INTO replies (api_key_id, idempotency_key, request_hash, status, headers, body, expires_at) \
                   VALUES ($1, $2, $3, 0, '', $3, $4) ON CONFLICT (api_key_id, idempotency_key) DO UPDATE SET \
                   status = 0, expires_at = $4 WHERE replies.expires_at <= $5";
        let params =
            [Value::Int(api_key), Value::Text(key), Value::Bytes(&[]), Value::Instant(expires_at), Value::Instant(now)];
        Ok(self.execute(sql, &params).await? > 0)
    }

    /// Keeps an answer, over an older one under the same key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn save_reply(&mut self, reply: &Reply) -> Result<(), Error> {
        let sql = "INSERT INTO replies (api_key_id, idempotency_key, request_hash, status, headers, body, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (api_key_id, idempotency_key) DO UPDATE SET \
                   request_hash = $3, status = $4, headers = $5, body = $6, expires_at = $7";
        let params = [
            Value::Int(reply.api_key),
            Value::Text(&reply.key),
            Value::Bytes(&reply.request_hash),
            Value::Int(reply.status),
            Value::Text(&reply.headers),
            Value::Bytes(&reply.body),
            Value::Instant(reply.expires_at),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Forgets answers that need not be kept any longer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn drop_old_replies(&mut self, now: Timestamp) -> Result<(), Error> {
        self.execute("DELETE FROM replies WHERE expires_at <= $1", &[Value::Instant(now)]).await.map(drop)
    }
}
