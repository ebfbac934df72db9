//! What a fault does to a call: before it, while it is carried out, and to its answer.

use serde_json::Value;
use uuid::Uuid;

use super::{FaultAction, Garble, Offline};
use crate::books::Millis;
use crate::emulator::Emulator;
use crate::http::{Request, Response};

/// What is different while a call is carried out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Twist {
    /// When the call was made, if it is carried out later: tokens are judged by it.
    pub(crate) asked_at: Option<Millis>,
    /// No `UpdatedDateUTC` moves.
    pub(crate) is_quiet: bool,
    /// Lists show the books as they were so many milliseconds ago.
    pub(crate) stale_ms: Option<u64>,
    /// Every so-many-th element of a batch is refused.
    pub(crate) refuse_every: Option<u32>,
}

/// What came of a call, and what the log is to say of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// `None` when no answer ever arrives.
    pub(crate) response: Option<Response>,
    /// The organisation, when the call named a connected one.
    pub(crate) tenant: Option<Uuid>,
    /// The answer was kept from an earlier call with the same `Idempotency-Key`.
    pub(crate) is_replay: bool,
    /// How long the answer is held back.
    pub(crate) delay_ms: u64,
}

/// A call that is carried out after its client gave up.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    /// Number of the call in the log.
    pub(crate) number: u64,
    pub(crate) asked_at: Millis,
    pub(crate) due: Millis,
    pub(crate) request: Request,
}

impl Done {
    fn refused(response: Response) -> Self {
        Self { response: Some(response), ..Self::default() }
    }
}

impl Emulator {
    /// Carries a call out, with what `action` does to it.
    pub(crate) fn carry_out(
        &self,
        request: &Request,
        now: Millis,
        is_crowded: bool,
        action: Option<FaultAction>,
    ) -> Done {
        let plain = Twist::default();
        let run = |twist: &Twist| self.route(request, now, is_crowded, twist);
        let Some(action) = action else { return run(&plain) };
        match action {
            FaultAction::StatusBefore(status) => {
                let response = page(status);
                self.keep_error(request, now, &response);
                Done::refused(response)
            }
            FaultAction::Offline(kind) => Done::refused(Response::text(503, offline(kind))),
            FaultAction::TooMany(name, seconds) => {
                let mut response = Response::empty(429);
                if let Some(seconds) = seconds {
                    response = response.with_header("Retry-After", seconds.to_string());
                }
                Done::refused(response.with_header("X-Rate-Limit-Problem", name.as_str()))
            }
            FaultAction::LoseRequest | FaultAction::Late(_) => Done::default(),
            FaultAction::StatusAfter(status) => {
                let done = run(&plain);
                let response = Response::html(status, "");
                self.keep_error(request, now, &response);
                Done { response: Some(response), ..done }
            }
            FaultAction::LoseAnswer => Done { response: None, ..run(&plain) },
            FaultAction::Slow(delay_ms) => Done { delay_ms, ..run(&plain) },
            FaultAction::Garble(how) => {
                let done = run(&plain);
                Done { response: done.response.map(|response| garbled(response, how)), ..done }
            }
            FaultAction::EmptyList => {
                let done = run(&plain);
                Done { response: done.response.map(emptied), ..done }
            }
            FaultAction::StaleList(ms) => run(&Twist { stale_ms: Some(ms), ..plain }),
            FaultAction::QuietWrite => run(&Twist { is_quiet: true, ..plain }),
            FaultAction::RefuseElements(step) => run(&Twist { refuse_every: Some(step), ..plain }),
            FaultAction::ExpireTokens
            | FaultAction::RevokeTokens
            | FaultAction::Disconnect
            | FaultAction::SkewClock(_) => run(&plain),
        }
    }

    /// What a fault does just before its call.
    pub(crate) fn prepare(&self, request: &Request, action: FaultAction) {
        match action {
            FaultAction::ExpireTokens => self.expire_access_tokens(),
            FaultAction::RevokeTokens => {
                self.expire_access_tokens();
                self.revoke_refresh_tokens();
            }
            FaultAction::Disconnect => {
                if let Some(place) = self.inner.place_of(request) {
                    self.disconnect_tenant(self.inner.organisations[place].tenant);
                }
            }
            FaultAction::SkewClock(ms) => {
                self.clock().advance(ms);
            }
            _ => {}
        }
    }

    /// A 500 is an answer like any other to the cache of keys; gateways' 502, 503 and 504 never reach it.
    fn keep_error(&self, request: &Request, now: Millis, response: &Response) {
        let takes_key = matches!(request.method.as_str(), "PUT" | "POST");
        let key = request.header("Idempotency-Key").filter(|key| takes_key && !key.is_empty());
        if let (500, Some(key), Some(place)) = (response.status, key, self.inner.place_of(request)) {
            let mut ledger = crate::emulator::locked(&self.inner.organisations[place].ledger);
            ledger.replies.keep(key, request, now, response);
        }
    }
}

/// A refusal as Xero or a gateway before it would word it.
fn page(status: u16) -> Response {
    match status {
        503 => Response::text(503, offline(Offline::Unavailable)),
        502 | 504 => Response::html(status, "<html><body>Bad gateway</body></html>"),
        _ => Response::empty(status),
    }
}

fn offline(kind: Offline) -> &'static str {
    match kind {
        Offline::Maintenance => "The Xero API is currently offline for maintenance",
        Offline::Unavailable => "The Xero API is temporarily unavailable",
        Offline::Organisation => "The Organisation is offline",
    }
}

fn with_type(mut response: Response, content_type: &str) -> Response {
    response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
    response.with_header("Content-Type", content_type)
}

fn garbled(mut response: Response, how: Garble) -> Response {
    match how {
        Garble::Truncated => {
            response.body = response.body.slice(..response.body.len() / 2);
            response
        }
        Garble::BadJson => {
            response.body = "{\"Id\":,]".into();
            response
        }
        Garble::Html => {
            response.status = 200;
            response.body = "<html><body>Something went wrong. Please try again.</body></html>".into();
            with_type(response, "text/html; charset=utf-8")
        }
        Garble::WrongType => with_type(response, "text/plain; charset=utf-8"),
        Garble::Empty => {
            response.status = 200;
            response.body = bytes::Bytes::new();
            response
        }
        Garble::BadGzip => response.with_header("Content-Encoding", "gzip"),
    }
}

/// A list without its rows; anything else as it is.
fn emptied(mut response: Response) -> Response {
    let Ok(mut envelope) = serde_json::from_slice::<Value>(&response.body) else { return response };
    let Some(members) = envelope.as_object_mut().filter(|_| response.status == 200) else { return response };
    for (key, value) in members.iter_mut() {
        if let Value::Array(rows) = value {
            rows.clear();
        } else if key == "pagination" {
            value["itemCount"] = 0.into();
            value["pageCount"] = 1.into();
        }
    }
    response.body = envelope.to_string().into();
    response
}
