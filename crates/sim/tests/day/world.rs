//! The engine beside an emulator in one process, with a wire that remembers what went over it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Outcome, Size};
use jiff::Timestamp;
use model::ConnectionId;
use oracle::Call;
use serde_json::Value;
use store::Store;
use sync::{Engine, EngineParts, EngineSettings, Vault};
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{
    Client, ClientSettings, Clock, Endpoints, Request, Response, Secret, SystemEntropy, Transport, TransportError,
    Unlimited,
};

/// The wire: a function call that is written down.
pub struct Wire {
    emulator: Emulator,
    calls: Mutex<Vec<Call>>,
}

impl Wire {
    /// What went over it since the last time.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn remember(&self, request: &Request, answer: &emulator::http::Response) {
        let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let json = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap_or_default() };
        let now = self.emulator.clock().now();
        let mut calls = self.calls.lock().unwrap();
        calls.push(Call {
            number: self.emulator.call_count(),
            at_ms: now,
            process: 1,
            life: 1,
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            key: text("idempotency-key"),
            body: json(&request.body),
            tenant: text("xero-tenant-id").and_then(|id| id.parse().ok()),
            status: answer.status,
            retry_after_s: answer.header("retry-after").and_then(|seconds| seconds.parse().ok()),
            was_sent: true,
            applied_at_ms: Some(now),
            answer: json(&answer.body),
        });
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        // Somewhere else may run meanwhile, as with a real wire.
        tokio::task::yield_now().await;
        let target = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let mut asked = emulator::http::Request::new(request.method.as_str(), &target).with_body(request.body.clone());
        for (name, value) in &request.headers {
            asked = asked.with_header(name.as_str(), value.to_str().unwrap_or_default());
        }
        let Outcome::Answered(answer) = self.emulator.call(&asked) else {
            return Err(TransportError::Unanswered("reset by peer".into()));
        };
        self.remember(&request, &answer);
        let mut headers = http::HeaderMap::new();
        for (name, value) in &answer.headers {
            headers.append(http::HeaderName::try_from(name.as_str()).unwrap(), value.parse().unwrap());
        }
        Ok(Response {
            status: http::StatusCode::from_u16(answer.status).unwrap(),
            headers,
            wire_bytes: answer.body.len() as u64,
            body: answer.body.clone(),
        })
    }
}

/// The emulator's time for the engine too.
#[derive(Clone)]
struct SharedClock(emulator::Clock);

#[async_trait]
impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.now()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// What a day starts from.
pub struct World {
    /// Xero.
    pub emulator: Emulator,
    /// The way there.
    pub wire: Arc<Wire>,
    url: String,
}

impl World {
    /// An organisation with so many invoices.
    pub fn new(invoices: u32, url: &str) -> Self {
        let emulator = Emulator::new(Config {
            seed: 42,
            base_url: "http://emulator.test".into(),
            organisations: vec![OrganisationPlan {
                name: "Demo Company (NZ)".into(),
                size: Size { lines: None, ..Size::of_invoices(invoices) },
                tier: Tier::Core,
            }],
            auto_consent: Some(AutoConsent::AllowAll),
            limits: Limits { is_enforced: false, ..Limits::default() },
            ..Config::default()
        });
        let wire = Arc::new(Wire { emulator: emulator.clone(), calls: Mutex::default() });
        Self { emulator, wire, url: url.to_owned() }
    }

    /// A process.
    pub async fn engine(&self) -> Engine {
        let endpoints = Endpoints::at("http://emulator.test".parse().unwrap());
        let clock = SharedClock(self.emulator.clock().clone());
        let now = clock.clone();
        let app = &self.emulator.config().app;
        let credentials = ClientCredentials {
            client_id: app.client_id.clone(),
            client_secret: app.client_secret.clone().map(Secret::new),
        };
        let settings =
            EngineSettings { redirect_uri: "http://localhost:8787/callback".into(), ..EngineSettings::default() };
        let mut client = ClientSettings::new(endpoints.clone());
        client.page_size = settings.page_size;
        Engine::start(EngineParts {
            store: Store::open(&self.url, Arc::new(move || now.now())).await.unwrap(),
            client: Client::new(client, self.wire.clone(), Arc::new(clock.clone()), Arc::new(Unlimited)),
            oauth: OAuthClient::new(endpoints, credentials, self.wire.clone()),
            vault: Vault::new(&Secret::new("0a".repeat(32))).unwrap(),
            clock: Arc::new(clock),
            entropy: Arc::new(SystemEntropy),
            settings,
        })
        .await
        .unwrap()
    }

    /// Connects as a browser would: follows the authorize address and brings back what it answers.
    pub async fn connect(&self, engine: &Engine) -> ConnectionId {
        let start = engine.begin_connect(None).await.unwrap();
        let url: url::Url = start.url.parse().unwrap();
        let target = format!("{}?{}", url.path(), url.query().unwrap());
        let answer = self.emulator.handle(&emulator::http::Request::new("GET", &target));
        let location: url::Url = answer.header("location").expect("a redirect").parse().unwrap();
        let value = |name: &str| {
            location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let code = Secret::new(value("code"));
        let (connected, _) = engine.finish_connect(&value("state"), &start.session, &code).await.unwrap();
        connected[0].id
    }
}
