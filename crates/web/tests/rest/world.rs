//! A database, an emulator, an engine and the router, and calls to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Size};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use model::OrgId;
use serde_json::Value;
use store::Store;
use sync::{Clock, Engine, EngineParts, EngineSettings, KeyScope, OverHttp, Secret, Vault};
use tower::ServiceExt;
use web::{Web, WebSettings};

/// The real time, moved by hand.
#[derive(Default)]
pub(crate) struct MovedClock(AtomicI64);

impl MovedClock {
    pub(crate) fn advance(&self, minutes: i64) {
        self.0.fetch_add(minutes, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_mins(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// How a world is made.
pub(crate) struct Plan {
    pub(crate) organisations: usize,
    pub(crate) invoices: u32,
    pub(crate) latency_ms: u64,
    pub(crate) consent: AutoConsent,
}

impl Default for Plan {
    fn default() -> Self {
        Self { organisations: 1, invoices: 30, latency_ms: 0, consent: AutoConsent::AllowAll }
    }
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) web: Web,
    /// A key that may do everything everywhere.
    pub(crate) admin: String,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem of that status and code, told as RFC 9457 says.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(self.header(CONTENT_TYPE), "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/docs/errors#{code}"));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        self.json()
    }
}

impl World {
    /// Nothing is connected yet.
    pub(crate) async fn empty(db_url: &str, plan: Plan) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let organisation = |place: usize| OrganisationPlan {
            name: format!("Organisation {}", place + 1),
            size: Size { contacts: 12, ..Size::of_invoices(plan.invoices) },
            tier: Tier::Core,
        };
        let emulator = Emulator::new(Config {
            organisations: (0..plan.organisations).map(organisation).collect(),
            base_url: base.clone(),
            auto_consent: Some(plan.consent),
            limits: Limits { is_enforced: false, ..Limits::default() },
            latency_ms: plan.latency_ms,
            ..Config::default()
        });
        let serving = emulator.clone();
        tokio::spawn(async move { serving.serve(listener).await });

        let clock = Arc::new(MovedClock::default());
        let ticking = Arc::clone(&clock);
        let store = Store::open(db_url, Arc::new(move || ticking.now())).await.unwrap();
        let app = &emulator.config().app;
        let installation = OverHttp {
            emulator: Some(base),
            client_id: app.client_id.clone(),
            client_secret: app.client_secret.clone().map(Secret::new),
        };
        let vault = Vault::new(&Secret::from("11".repeat(32).as_str())).unwrap();
        let mut parts = EngineParts::over_http(store, vault, installation, EngineSettings::default()).unwrap();
        parts.clock = clock.clone();
        let engine = Engine::start(parts).await.unwrap();
        let web = Web::new(engine.clone(), WebSettings::default());
        let made = engine.make_key("tests", None, KeyScope::Admin, None).await.unwrap();
        Self { emulator, engine, clock, web, admin: made.key.expose().to_owned() }
    }

    /// Connected through the API, not synced yet.
    pub(crate) async fn connected(db_url: &str, plan: Plan) -> Self {
        let world = Self::empty(db_url, plan).await;
        let (location, cookie) = world.begin().await;
        let back = world.back(&location, Some(&cookie)).await;
        assert_eq!((back.status, back.header(LOCATION)), (StatusCode::FOUND, "/connected"));
        world
    }

    /// Connected and synced in full.
    pub(crate) async fn synced(db_url: &str, plan: Plan) -> Self {
        let world = Self::connected(db_url, plan).await;
        for connection in world.connections().await {
            let id = model::ConnectionId(connection["id"].as_i64().unwrap());
            world.engine.sync(id, store::Mode::Full, "test", &|_| ()).await.unwrap();
        }
        world
    }

    pub(crate) fn router(&self) -> Router {
        self.web.router()
    }

    pub(crate) async fn key(&self, org: Option<i64>, scope: KeyScope) -> String {
        let made = self.engine.make_key("another", org.map(OrgId), scope, None).await.unwrap();
        made.key.expose().to_owned()
    }

    /// The same engine behind other settings.
    pub(crate) fn with(mut self, settings: WebSettings) -> Self {
        self.web = Web::new(self.engine.clone(), settings);
        self
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A call with a key, and a JSON body unless it is null.
    pub(crate) async fn call(&self, key: &str, method: &str, target: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(target);
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call(&self.admin, "GET", target, Value::Null).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.call(&self.admin, "POST", target, body).await
    }

    /// A call with headers of its own and the key for everything.
    pub(crate) async fn with_headers(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(target)
            .header("authorization", format!("Bearer {}", self.admin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    /// A change of a record, of whatever version it has now.
    pub(crate) async fn change(&self, method: &str, target: &str, body: Value) -> Answer {
        let tag = self.get(target).await.header("etag").to_owned();
        assert!(!tag.is_empty(), "{target} has no version");
        self.with_headers(method, target, &[("if-match", &tag)], &body).await
    }

    /// Tells Xero what the App changed, until nothing is left that could be told.
    pub(crate) async fn push(&self) {
        for connection in self.connections().await {
            let id = model::ConnectionId(connection["id"].as_i64().unwrap());
            for _ in 0..3 {
                self.engine.push(id, "test").await.unwrap();
            }
        }
    }

    /// Somebody who works in the first organisation's Xero.
    pub(crate) fn person(&self) -> emulator::Person {
        self.emulator.person(self.emulator.tenants()[0])
    }

    /// A record of an endpoint as Xero shows it.
    pub(crate) fn in_xero(&self, endpoint: &str, record: &Value) -> Value {
        let id = record["xeroId"].as_str().unwrap_or_else(|| panic!("it is not in Xero: {record}"));
        self.person().read(endpoint, id.parse().unwrap()).unwrap()
    }

    /// Calls to Xero that may change something, so far.
    pub(crate) fn writes_to_xero(&self) -> usize {
        let is_write = |call: &&emulator::Call| call.method != "GET" && !call.target.contains("/connect/token");
        self.emulator.log().iter().filter(is_write).count()
    }

    pub(crate) async fn connections(&self) -> Vec<Value> {
        let listed = self.get("/api/v1/integrations/xero/connections").await.ok();
        listed["items"].as_array().unwrap().clone()
    }

    /// Begins a sign-in and lets Xero decide: the address that the browser comes back to, and its cookie.
    pub(crate) async fn begin(&self) -> (String, String) {
        let begun = self.post("/api/v1/integrations/xero/connect", Value::Null).await;
        let url = begun.ok()["authorizeUrl"].as_str().unwrap().to_owned();
        let cookie = begun.header(SET_COOKIE).split(';').next().unwrap().to_owned();
        (self.consent(&url), cookie)
    }

    /// What a browser does with the address of Xero's consent page.
    pub(crate) fn consent(&self, url: &str) -> String {
        let path = url.strip_prefix(&self.emulator.config().base_url).unwrap();
        let answer = self.emulator.handle(&emulator::http::Request::new("GET", path));
        assert_eq!(answer.status, 302, "{}", answer.text_body());
        let location = answer.header("Location").unwrap();
        location.strip_prefix("http://localhost:8787").unwrap().to_owned()
    }

    pub(crate) async fn back(&self, target: &str, cookie: Option<&str>) -> Answer {
        let mut request = Request::builder().uri(target);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Every item of a list, page by page.
    pub(crate) async fn all(&self, target: &str, limit: usize) -> Vec<Value> {
        let separator = if target.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{target}{separator}limit={limit}{cursor}")).await.ok();
            let found = page["items"].as_array().unwrap();
            assert!(found.len() <= limit);
            items.extend(found.iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
            assert!(!found.is_empty(), "a page before the last one is empty");
        }
    }
}
