//! An engine beside an emulator in the same process: no sockets, and every call passes a place where a test can look at
//! it, change it or lose it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod clock;
pub mod crash;
pub mod sql;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Outcome, Size};
use jiff::Timestamp;
use model::ConnectionId;
use store::{Mode, Store};
use sync::{Engine, EngineParts, EngineSettings, Error, RunOutcome, Vault};
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{
    Client, ClientSettings, Clock, Endpoints, Governor, Request, Response, Secret, SystemEntropy, Transport,
    TransportError, Unlimited,
};

/// What a test does with an answer before the engine sees it.
pub type Hook = Box<dyn Fn(&Request, Response) -> Result<Response, TransportError> + Send + Sync>;

/// The wire: a function call.
pub struct Wire {
    pub emulator: Emulator,
    hook: Mutex<Option<Hook>>,
}

impl Wire {
    pub fn set_hook(
        &self,
        hook: impl Fn(&Request, Response) -> Result<Response, TransportError> + Send + Sync + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn clear_hook(&self) {
        *self.hook.lock().unwrap() = None;
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
        let mut headers = http::HeaderMap::new();
        for (name, value) in &answer.headers {
            headers.append(http::HeaderName::try_from(name.as_str()).unwrap(), value.parse().unwrap());
        }
        let response = Response {
            status: http::StatusCode::from_u16(answer.status).unwrap(),
            headers,
            wire_bytes: answer.body.len() as u64,
            body: answer.body.clone(),
        };
        match &*self.hook.lock().unwrap() {
            Some(hook) => hook(&request, response),
            None => Ok(response),
        }
    }
}

/// The emulator's time for the engine too. Frozen, it is moved on a thousand times faster than real time.
#[derive(Clone)]
pub struct SharedClock(pub emulator::Clock);

impl SharedClock {
    /// Keeps a frozen clock going: a second every millisecond.
    pub fn keep_going(&self) -> impl Drop + use<> {
        struct Stop(tokio::task::JoinHandle<()>);
        impl Drop for Stop {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let clock = self.0.clone();
        Stop(tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                clock.advance(1_000);
            }
        }))
    }
}

#[async_trait]
impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.now()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        if !self.0.is_frozen() {
            return tokio::time::sleep(duration).await;
        }
        let until = self.0.now() + i64::try_from(duration.as_millis()).unwrap();
        while self.0.now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// What a test starts from.
pub struct World {
    pub emulator: Emulator,
    pub wire: Arc<Wire>,
    pub clock: SharedClock,
    pub url: String,
}

/// Plans of organisations for a test.
pub fn plan(size: Size) -> Config {
    Config {
        seed: 42,
        base_url: "http://emulator.test".into(),
        organisations: vec![OrganisationPlan { name: "Demo Company (NZ)".into(), size, tier: Tier::Core }],
        auto_consent: Some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: false, ..Limits::default() },
        ..Config::default()
    }
}

impl World {
    pub fn new(config: Config, url: String) -> Self {
        let clock = SharedClock(config.clock.clone());
        let emulator = Emulator::new(config);
        let wire = Arc::new(Wire { emulator: emulator.clone(), hook: Mutex::new(None) });
        Self { emulator, wire, clock, url }
    }

    pub async fn engine(&self) -> Engine {
        self.engine_with(EngineSettings::default(), Arc::new(Unlimited), self.url.clone()).await.unwrap()
    }

    pub async fn engine_with(
        &self,
        settings: EngineSettings,
        governor: Arc<dyn Governor>,
        url: String,
    ) -> Result<Engine, Error> {
        let base: url::Url = "http://emulator.test".parse().unwrap();
        let endpoints = Endpoints::at(base);
        let clock = self.clock.clone();
        let now = self.clock.clone();
        let store = Store::open(&url, Arc::new(move || now.now())).await?;
        let app = &self.emulator.config().app;
        let credentials = ClientCredentials {
            client_id: app.client_id.clone(),
            client_secret: app.client_secret.clone().map(Secret::new),
        };
        let settings = EngineSettings { redirect_uri: "http://localhost:8787/callback".into(), ..settings };
        let mut client = ClientSettings::new(endpoints.clone());
        client.page_size = settings.page_size;
        Engine::start(EngineParts {
            store: clock::with_clock(store, &url, self.clock.0.clone()).await,
            client: Client::new(client, self.wire.clone(), Arc::new(clock.clone()), governor),
            oauth: OAuthClient::new(endpoints, credentials, self.wire.clone()),
            vault: Vault::new(&Secret::new("0a".repeat(32))).unwrap(),
            clock: Arc::new(clock),
            entropy: Arc::new(SystemEntropy),
            settings,
        })
        .await
    }

    /// Connects as a browser would: follows the authorize address and brings back what it answers.
    pub async fn connect(&self, engine: &Engine) -> ConnectionId {
        let start = engine.begin_connect(None).await.unwrap();
        let (state, code) = self.consent(&start.url);
        let (connected, _) = engine.finish_connect(&state, &start.session, &Secret::new(code)).await.unwrap();
        connected[0].id
    }

    /// The state and code that the consent page sends the browser back with.
    pub fn consent(&self, url: &str) -> (String, String) {
        let url: url::Url = url.parse().unwrap();
        let target = format!("{}?{}", url.path(), url.query().unwrap());
        let answer = self.emulator.handle(&emulator::http::Request::new("GET", &target));
        let location: url::Url = answer.header("location").expect("a redirect").parse().unwrap();
        let value = |name: &str| {
            location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        (value("state"), value("code"))
    }

    /// A call by somebody else: an application of another program with its own tokens.
    pub fn person(&self) -> Person {
        let app = &self.emulator.config().app;
        let (id, secret) = (&app.client_id, app.client_secret.as_deref().unwrap_or_default());
        let scopes = "offline_access accounting.contacts accounting.invoices accounting.payments \
                      accounting.banktransactions accounting.settings";
        let url = format!(
            "http://emulator.test/identity/connect/authorize?response_type=code&client_id={id}&state=s&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fp&scope={}",
            scopes.split_ascii_whitespace().collect::<Vec<_>>().join("%20")
        );
        let (_, code) = self.consent(&url);
        let body = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fp&client_id={id}&client_secret={secret}"
        );
        let request = emulator::http::Request::new("POST", "/connect/token")
            .with_header("content-type", "application/x-www-form-urlencoded")
            .with_body(body);
        let answer = self.emulator.handle(&request);
        let tokens: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        Person {
            emulator: self.emulator.clone(),
            token: tokens["access_token"].as_str().expect("a token").to_owned(),
            tenant: self.emulator.tenants()[0].to_string(),
        }
    }
}

/// Somebody who works in Xero.
pub struct Person {
    emulator: Emulator,
    token: String,
    tenant: String,
}

impl Person {
    pub fn call(&self, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let request = emulator::http::Request::new(method, &format!("/api.xro/2.0/{path}"))
            .with_header("authorization", &format!("Bearer {}", self.token))
            .with_header("xero-tenant-id", &self.tenant)
            .with_header("accept", "application/json")
            .with_header("content-type", "application/json")
            .with_body(if body.is_null() { String::new() } else { body.to_string() });
        let answer = self.emulator.handle(&request);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text_body());
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub fn get(&self, path: &str) -> serde_json::Value {
        self.call("GET", path, &serde_json::Value::Null)
    }

    pub fn post(&self, path: &str, body: serde_json::Value) -> serde_json::Value {
        self.call("POST", path, &body)
    }

    pub fn put(&self, path: &str, body: serde_json::Value) -> serde_json::Value {
        self.call("PUT", path, &body)
    }
}

pub async fn sync_now(engine: &Engine, id: ConnectionId, mode: Mode) -> RunOutcome {
    engine.sync(id, mode, "test", &|_| {}).await.unwrap()
}

pub async fn assert_agreement(engine: &Engine, id: ConnectionId) {
    let agreement = engine.agreement(id).await.unwrap();
    assert!(agreement.documents > 0);
    assert_eq!(agreement.differences, []);
    assert_eq!(agreement.difference, model::Amount::ZERO);
}

/// A page's body, to be read and changed as JSON.
pub fn change_body(response: Response, change: impl FnOnce(&mut serde_json::Value)) -> Response {
    let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    change(&mut body);
    Response { body: body.to_string().into(), ..response }
}
