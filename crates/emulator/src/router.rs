//! The emulator over HTTP: a thin layer that moves bytes, waits for the set latency and compresses when asked.

use std::io::Write;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, Limited};
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
    let worker = emulator.clone();
    let worked = tokio::task::spawn_blocking(move || {
        let (outcome, delay_ms) = worker.finish_timed(&flight, &request);
        let answer = match outcome {
            Outcome::Answered(response) if accepts_gzip => Some(compressed(response)),
            Outcome::Answered(response) => Some(response),
            Outcome::Lost => None,
        };
        // The call stays in flight until its answer leaves.
        (answer, delay_ms, flight)
    });
    let Ok((answer, delay_ms, flight)) = worked.await else { return plain(Response::html(500, "")) };
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    drop(flight);
    match answer {
        Some(response) => plain(response),
        None => {
            deliver_in_time(&emulator);
            broken()
        }
    }
}

/// A call that arrives late does so even when no other call follows; by a clock that stands still it waits for one.
fn deliver_in_time(emulator: &Emulator) {
    let Some(wait) = emulator.next_delivery_in().filter(|_| !emulator.clock().is_frozen()) else { return };
    let emulator = emulator.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        // It takes the locks of the books, like any other call.
        let delivered = tokio::task::spawn_blocking(move || emulator.deliver_late()).await;
        if let Err(error) = delivered {
            tracing::warn!(%error, "a late call could not be delivered");
        }
    });
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
    if response.body.len() < COMPRESS_FROM || response.header("Content-Encoding").is_some() {
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
    // A body longer than its own limit fails when its first byte is asked for.
    let lost = Limited::new(Full::new(Bytes::from_static(b"lost")), 1);
    axum::response::Response::new(Body::new(lost))
}
