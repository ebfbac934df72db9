//! The transport over HTTP: rustls, no redirects, bounded time and size.
//!
//! Content is decoded here and not by the HTTP library, because Xero bills the bytes that cross the wire and only the encoded
//! length tells them.

use std::io::Read;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};

use crate::transport::{Request, Response, Transport, TransportError};

/// Settings of [`HttpTransport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The longest time for one call, the body included. Xero cuts its own calls off at about 30 s.
    pub timeout: Duration,
    /// The longest time to connect.
    pub connect_timeout: Duration,
    /// The largest decoded body: ten times a full page of long invoices. Protects memory from an absurd answer.
    pub max_body_bytes: u64,
    /// Asks for compressed answers: a page shrinks about tenfold, and Xero bills bytes.
    pub gzip: bool,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_body_bytes: 64 * 1024 * 1024,
            gzip: true,
        }
    }
}

/// Sends requests over HTTP/1.1 or HTTP/2 with one shared connection pool.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    settings: HttpSettings,
}

impl HttpTransport {
    /// Builds the connection pool.
    pub fn new(settings: HttpSettings) -> Result<HttpTransport, TransportError> {
        let build = |builder: reqwest::ClientBuilder| Self::configure(builder, &settings).build();
        // Without any certificates on the machine, https must fail by name and plain http to this machine must still work.
        let client = build(reqwest::Client::builder())
            .or_else(|_| build(reqwest::Client::builder().tls_certs_only([])))
            .map_err(|error| TransportError::NotSent(reason(error)))?;
        Ok(HttpTransport { client, settings })
    }

    fn configure(builder: reqwest::ClientBuilder, settings: &HttpSettings) -> reqwest::ClientBuilder {
        builder
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .no_gzip()
            .referer(false)
            // A retry inside the library would be a second write that nobody decided on.
            .retry(reqwest::retry::never())
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Bytes, TransportError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| TransportError::Unanswered(reason(error)))? {
            if (body.len() + chunk.len()) as u64 > self.settings.max_body_bytes {
                return Err(self.too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn too_large(&self) -> TransportError {
        let limit = self.settings.max_body_bytes;
        TransportError::Unanswered(format!("the answer is larger than the limit of {limit} bytes"))
    }

    /// Decodes the body as its headers say, within the limit of size.
    fn decode(&self, headers: &mut HeaderMap, body: Bytes) -> Result<Bytes, TransportError> {
        let Some(encoding) = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) else {
            return Ok(body);
        };
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(body),
            "gzip" | "x-gzip" => {}
            _ => {
                return Err(TransportError::Unanswered(
                    "the answer has a content encoding that was not asked for".to_owned(),
                ));
            }
        }
        // An empty body (a 204, a 429) has nothing to decode, whatever its headers say.
        if body.is_empty() {
            return Ok(body);
        }
        let mut decoded = Vec::with_capacity(body.len().saturating_mul(4));
        let limit = self.settings.max_body_bytes;
        MultiGzDecoder::new(body.as_ref())
            .take(limit.saturating_add(1))
            .read_to_end(&mut decoded)
            .map_err(|error| TransportError::Unanswered(format!("the compressed answer is damaged: {error}")))?;
        if decoded.len() as u64 > limit {
            return Err(self.too_large());
        }
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Ok(decoded.into())
    }
}

/// What the library says, without the URL (which may hold personal data), with its innermost cause.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let Request { method, url, mut headers, body } = request;
        if self.settings.gzip {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let sending = self.client.request(method, url).headers(headers).body(body).send().await;
        let response = sending.map_err(|error| {
            // Only a connection that never stood, or a request that could not be built, is known not to have left.
            let not_sent = error.is_connect() || error.is_builder();
            if not_sent { TransportError::NotSent(reason(error)) } else { TransportError::Unanswered(reason(error)) }
        })?;
        let status = response.status();
        let mut headers = response.headers().clone();
        let wire = self.body(response).await?;
        let wire_bytes = wire.len() as u64;
        let body = self.decode(&mut headers, wire)?;
        Ok(Response { status, headers, body, wire_bytes })
    }
}
