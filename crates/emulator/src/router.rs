//! The emulator over HTTP: a thin layer that moves bytes, waits for the set latency and compresses when asked.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Empty};
use tokio::net::TcpListener;

use crate::emulator::{Emulator, Outcome};
use crate::http::{Request, Response};

/// Bodies from this size on are compressed when the client accepts gzip.
const COMPRESS_FROM: usize = 1_024;

impl Emulator {
    /// The emulator as a service: identity, login, API and control on one origin.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Serves until the listener fails.
    ///
    /// # Errors
    /// What the listener reports.
    pub async fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.router()).await
    }
}

async fn answer(State(emulator): State<Emulator>, request: axum::extract::Request) -> axum::response::Response {
    let limit = emulator.config().settings.max_body_bytes;
    let (parts, body) = request.into_parts();
    let Some(body) = read_body(body, limit).await else {
        return plain(Response::html(413, "<html><body>Request Entity Too Large</body></html>"));
    };
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned())));
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body,
    };
    let flight = emulator.begin(&request);
    let latency = emulator.config().latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    // Rendering a page takes milliseconds of pure computing; it must not hold up the other connections.
    let accepts_gzip = request.header("Accept-Encoding").is_some_and(|value| value.contains("gzip"));
    let worked = tokio::task::spawn_blocking(move || {
        let outcome = emulator.finish(&flight, &request);
        match outcome {
            Outcome::Answered(response) if accepts_gzip => Some(compressed(response)),
            Outcome::Answered(response) => Some(response),
            Outcome::Lost => None,
        }
    });
    match worked.await {
        Ok(Some(response)) => plain(response),
        Ok(None) => broken(),
        Err(_) => plain(Response::html(500, "")),
    }
}

/// The whole body, or nothing when it is longer than the limit or breaks off.
async fn read_body(mut body: Body, limit: usize) -> Option<Bytes> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        // The API itself refuses what is just over the limit; here memory is protected.
        if whole.len() + data.len() > limit * 2 {
            return None;
        }
        whole.extend_from_slice(&data);
    }
    Some(whole.into())
}

fn compressed(mut response: Response) -> Response {
    if response.body.len() < COMPRESS_FROM {
        return response;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(response.body.len() / 8), Compression::fast());
    let done = encoder.write_all(&response.body).and_then(|()| encoder.finish());
    if let Ok(body) = done {
        response.body = body.into();
        response.headers.push(("Content-Encoding".into(), "gzip".into()));
        response.headers.push(("Vary".into(), "Accept-Encoding".into()));
    }
    response
}

fn plain(response: Response) -> axum::response::Response {
    let mut answer = axum::response::Response::new(Body::from(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// An answer whose body fails at once, so that the server closes the connection in the middle of it.
fn broken() -> axum::response::Response {
    let lost = async { Some(Err(std::io::Error::other("the answer was lost on purpose"))) };
    let body = Empty::<Bytes>::new().map_err(|never: Infallible| -> std::io::Error { match never {} });
    axum::response::Response::new(Body::new(body.with_trailers(lost)))
}
