//! Replies kept for their `Idempotency-Key`: six minutes from the first call, errors included.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::books::Millis;
use crate::http::{Request, Response};

/// How long a reply is kept.
const KEPT_MS: Millis = 6 * 60 * 1000;

/// Longest accepted key in characters.
pub(super) const MAX_KEY_CHARS: usize = 128;

/// Answers kept for six minutes under their `Idempotency-Key`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplyCache {
    kept: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    at: Millis,
    method: String,
    target: String,
    body: Bytes,
    response: Response,
}

/// What the cache knows of a key.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing: answer the request and keep the reply.
    New,
    /// The same request was answered: give this reply again.
    Same(Response),
    /// The key belongs to another request.
    Different,
}

impl ReplyCache {
    /// Looks a key up at `now`, and forgets what has expired.
    pub(super) fn look_up(&mut self, key: &str, request: &Request, now: Millis) -> Known {
        self.kept.retain(|_, kept| now < kept.at.saturating_add(KEPT_MS));
        match self.kept.get(key) {
            None => Known::New,
            Some(kept) if kept.is_of(request) => Known::Same(kept.response.clone()),
            Some(_) => Known::Different,
        }
    }

    /// Keeps a reply.
    pub(crate) fn keep(&mut self, key: &str, request: &Request, now: Millis, response: &Response) {
        let kept = Kept {
            at: now,
            method: request.method.clone(),
            target: target_of(request),
            body: request.body.clone(),
            response: response.clone(),
        };
        self.kept.insert(key.to_owned(), kept);
    }
}

impl Kept {
    fn is_of(&self, request: &Request) -> bool {
        self.method == request.method && self.target == target_of(request) && self.body == request.body
    }
}

fn target_of(request: &Request) -> String {
    format!("{}?{}", request.path, request.query)
}
