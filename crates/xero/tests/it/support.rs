//! A transport that answers from a script, a clock that moves when it is slept on, and short ways to make both.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use xero::{
    AccessToken, Books, Client, ClientSettings, Clock, Endpoints, Governor, InProcessGovernor, Lane, LimitSettings,
    Request, Response, TenantId, TokenError, TokenSource, Transport, TransportError,
};

/// Moves forward by what is slept, at once.
pub(crate) struct FakeClock {
    now: Mutex<Timestamp>,
    pub(crate) slept: Mutex<Vec<Duration>>,
}

impl FakeClock {
    pub(crate) fn start() -> Arc<FakeClock> {
        let now = "2026-03-02T09:30:00Z".parse().unwrap();
        Arc::new(FakeClock { now: Mutex::new(now), slept: Mutex::default() })
    }

    pub(crate) fn advance(&self, seconds: u64) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(Duration::from_secs(seconds)).unwrap();
    }

    /// Seconds slept since the last look.
    pub(crate) fn take_slept(&self) -> Vec<u64> {
        self.slept.lock().unwrap().drain(..).map(|d| d.as_secs()).collect()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        {
            let mut now = self.now.lock().unwrap();
            *now = now.checked_add(duration).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) type Answer = Result<Response, TransportError>;

/// Gives the answers of its script in order and keeps the requests. A request beyond the script fails its test.
pub(crate) struct Script {
    answers: Mutex<VecDeque<Answer>>,
    pub(crate) requests: Mutex<Vec<Request>>,
}

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Script> {
        Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), requests: Mutex::default() })
    }

    pub(crate) fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(crate) fn left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }

    /// `METHOD path?query` of a request.
    pub(crate) fn line(&self, index: usize) -> String {
        let requests = self.requests.lock().unwrap();
        let Request { method, url, .. } = &requests[index];
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{method} {}{query}", url.path())
    }

    pub(crate) fn header(&self, index: usize, name: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap();
        requests[index].headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub(crate) fn body(&self, index: usize) -> String {
        String::from_utf8(self.requests.lock().unwrap()[index].body.to_vec()).unwrap()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Answer {
        self.requests.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front().expect("the script has an answer for each request")
    }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let body = body.into();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let wire_bytes = body.len() as u64;
    Ok(Response { status: StatusCode::from_u16(status).unwrap(), headers: map, body, wire_bytes })
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
    answer(status, &[JSON, ("date", "Mon, 02 Mar 2026 09:29:59 GMT")], body)
}

pub(crate) fn html(status: u16, body: &'static str) -> Answer {
    answer(status, &[("content-type", "text/html; charset=utf-8")], body)
}

pub(crate) fn limited(problem: &str, retry_after: Option<&str>) -> Answer {
    let mut headers = vec![("X-MinLimit-Remaining", "0"), ("X-Rate-Limit-Problem", problem)];
    headers.extend(retry_after.map(|seconds| ("Retry-After", seconds)));
    answer(429, &headers, "")
}

pub(crate) fn expired() -> Answer {
    json(
        401,
        r#"{"Type":null,"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at 03/02/2026 09:00:00","Instance":"x","Extensions":{}}"#,
    )
}

/// Gives `token-0`, then `token-1` once `token-0` was refused, and so on.
#[derive(Default)]
pub(crate) struct Rotating {
    pub(crate) refusals: Mutex<Vec<String>>,
}

#[async_trait]
impl TokenSource for Rotating {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Ok(AccessToken::new(format!("token-{}", self.refusals.lock().unwrap().len())))
    }

    async fn refused(&self, token: &AccessToken) -> Result<AccessToken, TokenError> {
        self.refusals.lock().unwrap().push(token.secret().expose().to_owned());
        self.token().await
    }
}

pub(crate) const TENANT: &str = "aaaaaaaa-0000-4000-8000-00000000000a";

pub(crate) fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

pub(crate) struct Bench {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) script: Arc<Script>,
    pub(crate) governor: Arc<InProcessGovernor>,
    pub(crate) tokens: Arc<Rotating>,
    pub(crate) client: Client,
    pub(crate) books: Books,
}

/// A client over a script, on a fake clock, with the default limits.
pub(crate) fn bench(answers: impl IntoIterator<Item = Answer>) -> Bench {
    let clock = FakeClock::start();
    let script = Script::new(answers);
    let governor = Arc::new(InProcessGovernor::new(LimitSettings::default(), clock.clone()));
    let tokens = Arc::new(Rotating::default());
    let client = client_over(script.clone(), clock.clone(), governor.clone());
    let books = client.tenant(tenant(), tokens.clone(), Lane::Background);
    Bench { clock, script, governor, tokens, client, books }
}

pub(crate) fn client_over(transport: Arc<dyn Transport>, clock: Arc<FakeClock>, governor: Arc<dyn Governor>) -> Client {
    Client::new(ClientSettings::new(Endpoints::xero()), transport, clock, governor)
}
