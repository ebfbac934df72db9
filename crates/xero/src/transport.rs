//! The wire seam: one request out, one whole answer back.
//!
//! Everything above this room is a pure function of the answers it is given, so a test scripts a [`Transport`] and sees every
//! byte. Bodies are whole (Xero's pages are bounded by `pageSize`), with a cap that the transport keeps.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// One HTTP request, complete with headers.
#[derive(Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The absolute URL, query included.
    pub url: Url,
    /// All headers; credentials among them are marked sensitive.
    pub headers: HeaderMap,
    /// The body; empty for reads.
    pub body: Bytes,
}

/// One whole HTTP answer.
#[derive(Clone)]
pub struct Response {
    /// The status line's code.
    pub status: StatusCode,
    /// The headers as received.
    pub headers: HeaderMap,
    /// The body after content decoding.
    pub body: Bytes,
    /// Bytes of body that crossed the wire, before content decoding: what Xero bills as egress.
    pub wire_bytes: u64,
}

/// Why there is no answer. The difference between the two decides whether a write may have been applied.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No byte of the request can have reached the server: it is safe to send again.
    #[error("request was not sent: {0}")]
    NotSent(String),
    /// Bytes may have left, and no complete answer came back: a write may have been applied.
    #[error("request was not answered: {0}")]
    Unanswered(String),
}

/// Sends one request and waits for the whole answer. Implementations do not retry, do not follow redirects and do not log
/// headers or bodies.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` once. An answer of any status is `Ok`.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// Prints no header, query or body: any of them may hold a credential or personal data.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} body bytes)", self.method, self.url.path(), self.body.len())
    }
}

/// Prints no header and no body.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} body bytes)", self.status, self.body.len())
    }
}

impl Response {
    /// The text of a header, if it is present and printable.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
