//! What lies around every route: a request's name, its log line, headers, compression, limits, and what happens when a
//! handler panics.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::Instrument;

use crate::problem::{Problem, code};
use crate::routes::WAITS_FOR_XERO;
use crate::state::App;

/// Headers of every answer: nothing is cached, framed, sniffed, run, or told to other pages.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The routes with everything around them.
pub(crate) fn around(routes: Router<App>, app: App) -> Router {
    let largest = app.settings().max_body_bytes;
    // The last one is the outermost.
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(app.clone(), in_time))
        .layer(DefaultBodyLimit::max(largest))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(app.clone(), named))
        .with_state(app)
}

async fn no_route() -> Problem {
    Problem::new(code::NOT_FOUND, "there is no such path; GET /api/v1/docs lists them")
}

async fn no_method() -> Problem {
    Problem::new(code::METHOD, "the path exists, but not with this method; GET /api/v1/docs lists them")
}

/// Whatever a panic says stays inside; the hook of the process has logged it.
fn after_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}

/// No request holds its connection for ever.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let waits = path.is_some_and(|path| WAITS_FOR_XERO.contains(&path));
    let longest = if waits { app.settings().long_timeout } else { app.settings().timeout };
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(code::TIMEOUT, "the request was given up; try again in a moment").into_response(),
    }
}

/// Gives a request its name, logs it without its query (which may hold a code or a ticket), and sets the headers.
async fn named(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = app.next_request_id();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let span = tracing::info_span!("request", %id, method = %request.method(), path);
    let begun = app.engine().now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let took_ms = app.engine().now().as_millisecond() - begun.as_millisecond();
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), took_ms, "answered"));

    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if app.engine().is_emulated() {
        headers.insert("x-tieout-xero", HeaderValue::from_static("emulator"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing() {
        async fn broken() -> &'static str {
            panic!("the password is 1234")
        }
        let router: Router = Router::new().route("/", get(broken)).layer(CatchPanicLayer::custom(after_panic));
        let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains("TO-INTERNAL") && !text.contains("1234"), "{text}");
    }
}
