//! Requests that may come twice: a caller's `Idempotency-Key`, and the answer that is given again under it.
//!
//! The answer is kept in the transaction that does the work, so that a request whose answer was lost on its way finds
//! either both or neither. Only what succeeded is kept: a refused request has done nothing and may be corrected.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use store::{Reply, Tx};

use crate::access::Caller;
use crate::problem::{Problem, code};
use crate::state::App;

/// The header that names a request.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key, in characters.
const LONGEST_KEY: usize = 255;
/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The keys of requests that this process is answering.
#[derive(Default)]
pub(crate) struct InProgress(Mutex<HashSet<(i64, String)>>);

/// An answer that can be kept.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request that carries a key and is being answered.
pub(crate) struct Repeatable {
    app: App,
    api_key: i64,
    key: String,
    request_hash: Vec<u8>,
    expires_at: Timestamp,
}

impl Repeatable {
    /// The key of a request, if it brings one; `what` is everything that makes it this request.
    pub(crate) fn of<S>(
        app: &App,
        caller: &Caller<S>,
        headers: &HeaderMap,
        what: &[&[u8]],
    ) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(&KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let text = value.to_str().unwrap_or_default();
        let is_plain = (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || values.next().is_some() {
            return Err(Problem::invalid(format!(
                "Idempotency-Key must be there once, with 1 to {LONGEST_KEY} visible ASCII characters"
            )));
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in what {
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let expires_at = app.engine().now().checked_add(KEPT).map_err(|_| Problem::internal())?;
        let entry = (caller.key, text.to_owned());
        let is_first = app.in_progress().0.lock().unwrap_or_else(PoisonError::into_inner).insert(entry);
        if !is_first {
            return Err(Problem::new(code::IN_PROGRESS, "wait for the first answer, then ask again with the same key"));
        }
        Ok(Some(Self {
            app: app.clone(),
            api_key: caller.key,
            key: text.to_owned(),
            request_hash: hash.finish().as_ref().to_vec(),
            expires_at,
        }))
    }

    /// Takes the key for this transaction, or gives the answer that was given under it.
    pub(crate) async fn claim(&self, tx: &mut Tx) -> Result<Option<Response>, Problem> {
        let now = self.app.engine().now();
        if tx.claim_reply(self.api_key, &self.key, now, self.expires_at).await? {
            return Ok(None);
        }
        let reply = tx.reply(self.api_key, &self.key, now).await?.ok_or_else(Problem::internal)?;
        if reply.request_hash != self.request_hash {
            return Err(Problem::new(
                code::KEY_REUSED,
                "the key belongs to another request; make a new key for each thing that is to be done",
            ));
        }
        let headers: Vec<(String, String)> = serde_json::from_str(&reply.headers).map_err(|_| Problem::internal())?;
        let headers = headers
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, value)))
            .chain([(REPLAYED, "true".to_owned())])
            .collect();
        let status = u16::try_from(reply.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.ok_or_else(Problem::internal)?;
        Ok(Some(Answer { status, headers, body: reply.body }.into_response()))
    }

    /// Keeps the answer, in the transaction that did the work.
    pub(crate) async fn keep(&self, tx: &mut Tx, answer: &Answer) -> Result<(), Problem> {
        let headers: Vec<(&str, &str)> =
            answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let reply = Reply {
            api_key: self.api_key,
            key: self.key.clone(),
            request_hash: self.request_hash.clone(),
            status: i64::from(answer.status.as_u16()),
            headers: serde_json::to_string(&headers).map_err(|_| Problem::internal())?,
            body: answer.body.clone(),
            expires_at: self.expires_at,
        };
        Ok(tx.save_reply(&reply).await?)
    }
}

impl Drop for Repeatable {
    fn drop(&mut self) {
        let entry = (self.api_key, std::mem::take(&mut self.key));
        self.app.in_progress().0.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry);
    }
}

impl Answer {
    pub(crate) fn into_response(self) -> Response {
        let is_empty = self.body.is_empty();
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !is_empty {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
