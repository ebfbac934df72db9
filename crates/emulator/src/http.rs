//! Requests and answers as plain values, so that the emulator can be called in process, without a socket or a runtime.

use bytes::Bytes;

use crate::books::{Books, Millis};
use crate::config::Settings;
use crate::write::ReplyCache;

/// A request as it would arrive on the wire.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `PUT`, `POST` or `DELETE`, upper case.
    pub method: String,
    /// The path as sent, still percent-encoded, without the query.
    pub path: String,
    /// The raw query without `?`; empty when there is none.
    pub query: String,
    /// Header names (any case) and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty when there is none.
    pub body: Bytes,
}

impl Request {
    /// A request for `target` (path and query) without headers or body.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method: method.into(), path: path.into(), query: query.into(), ..Self::default() }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The decoded segments of the path, empty ones left out.
    pub fn segments(&self) -> Vec<String> {
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        self.path.split('/').filter(|part| !part.is_empty()).map(decode).collect()
    }

    /// The decoded pairs of the query, in their order.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The first query parameter of that name, whatever its case, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.into_owned())
    }
}

/// An answer as it would leave on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Header names and values, in the order they are sent.
    pub headers: Vec<(String, String)>,
    /// The body, uncompressed.
    pub body: Bytes,
}

impl Response {
    /// An answer without a body and without a content type.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::typed(status, "application/json; charset=utf-8", body)
    }

    /// An HTML answer.
    pub fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self::typed(status, "text/html; charset=utf-8", body)
    }

    /// A plain text answer.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::typed(status, "text/plain; charset=utf-8", body)
    }

    /// An answer of the given content type.
    pub fn typed(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.into() }
    }

    /// Xero's answer to an unknown id or route: HTML, not JSON.
    pub fn not_found() -> Self {
        Self::html(
            404,
            "<html><head><title>404</title></head><body>The resource you're looking for cannot be found</body></html>",
        )
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; empty when it is not UTF-8.
    pub fn text_body(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
}

/// What a write works on: one organisation's books at one instant.
///
/// The caller has checked token, tenant, scope and limits. `write::handle(context, request, segments)` gets the path
/// segments after `/api.xro/2.0/`, e.g. `["Invoices", "INV-0001"]`, and returns the whole answer with its envelope.
#[derive(Debug)]
pub(crate) struct WriteContext<'a> {
    /// The organisation's books.
    pub(crate) books: &'a mut Books,
    /// Answers kept for their `Idempotency-Key`, of this organisation.
    pub(crate) replies: &'a mut ReplyCache,
    /// The virtual clock, in milliseconds since 1970 UTC.
    pub(crate) now: Millis,
    /// Switches for undocumented behaviour.
    pub(crate) settings: &'a Settings,
    /// The application's name, the envelope's `ProviderName`.
    pub(crate) provider: &'a str,
    /// Whether a person in Xero's own pages writes: archived contacts are open to them, and nothing is "created by my app".
    pub(crate) is_person: bool,
    /// Every so-many-th element of a batch is refused, by a fault rule.
    pub(crate) refuse_every: Option<u32>,
    /// What the write leaves to be counted.
    pub(crate) notes: &'a mut WriteNotes,
}

/// What is counted of one write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteNotes {
    /// The answer was kept from an earlier call with the same key.
    pub(crate) is_replay: bool,
    /// The key belongs to another request.
    pub(crate) is_key_misused: bool,
    /// Elements saved.
    pub(crate) saved: u64,
    /// Elements refused.
    pub(crate) refused: u64,
    /// Lines that an update threw away and made again under new ids.
    pub(crate) lines_recreated: u64,
    /// Contacts that were made or changed because a document named them with more than their id.
    pub(crate) contacts_by_documents: u64,
}
