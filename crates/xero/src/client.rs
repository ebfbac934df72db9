//! The client: the one path on which every call to Xero's API goes.
//!
//! Each attempt asks the governor, takes the access token, sends, and is judged by [`crate::error::classify`]. Reads are tried
//! again when that can help; writes are sent once, because whether a write may be sent again is for the owner of its intent to
//! decide. The one exception is a 401 `TokenExpired`: Xero applied nothing, so the same bytes go again with a fresh token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, USER_AGENT};
use jiff::Timestamp;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::books::Books;
use crate::clock::{Clock, Deadline};
use crate::endpoints::{Endpoints, TenantId};
use crate::entities::Connection;
use crate::error::{Error, classify, excerpt};
use crate::limits::{Governor, Lane, Permit, Seen, Window};
use crate::oauth::AccessToken;
use crate::scalars::{format_modified_since, parse_http_date};
use crate::transport::{Request, Response, Transport};

/// Settings of a client. Durations and sizes are defaults with reasons, all changeable.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientSettings {
    /// Where Xero is.
    pub endpoints: Endpoints,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Rows per page where a query does not say, 1 to 1,000. The most is the default: calls are what is scarce.
    pub page_size: u16,
    /// How reads are tried again.
    pub retry: RetrySettings,
}

impl ClientSettings {
    /// The defaults.
    pub fn new(endpoints: Endpoints) -> ClientSettings {
        let user_agent = concat!("tieout-xero/", env!("CARGO_PKG_VERSION")).to_owned();
        ClientSettings { endpoints, user_agent, page_size: 1000, retry: RetrySettings::default() }
    }
}

/// How often a call asks for a newer token: the first may be one that another process had got, and that ended meanwhile
/// too. A 401 says no more than that the token is not accepted; whether the consent is, only a refresh can tell.
const RENEWALS: u32 = 2;

/// How reads are tried again after an answer that may heal. Writes never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Tries in all, the first included.
    pub tries: u32,
    /// The wait before the second try; doubles each time.
    pub first_wait: Duration,
    /// The longest wait; a longer `Retry-After` ends the call with an error that carries it.
    pub longest_wait: Duration,
}

impl Default for RetrySettings {
    fn default() -> RetrySettings {
        RetrySettings { tries: 3, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }
}

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Only a new consent helps.
    #[error("the organisation needs to be connected again: {reason}")]
    NeedsReconnect {
        /// Why, without any secret.
        reason: String,
    },
    /// The token could not be refreshed or read just now.
    #[error("no access token just now: {reason}")]
    Unavailable {
        /// Why, without any secret.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
}

/// Gives access tokens. One refresher per token chain is behind it; this crate never refreshes on its own.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token that is expected to be valid.
    async fn token(&self) -> Result<AccessToken, TokenError>;

    /// Xero said that `token` is expired: give a newer one. Called at most once per call.
    async fn refused(&self, token: &AccessToken) -> Result<AccessToken, TokenError>;
}

/// One token without renewal, for short programs and tests.
#[derive(Debug, Clone)]
pub struct FixedToken(AccessToken);

impl FixedToken {
    /// Always gives `token`.
    pub fn new(token: AccessToken) -> FixedToken {
        FixedToken(token)
    }
}

#[async_trait]
impl TokenSource for FixedToken {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Ok(self.0.clone())
    }

    async fn refused(&self, _token: &AccessToken) -> Result<AccessToken, TokenError> {
        Err(TokenError::NeedsReconnect { reason: "the access token has expired and cannot be renewed".to_owned() })
    }
}

/// A client for Xero's Accounting API. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ClientSettings,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    governor: Arc<dyn Governor>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// A call before credentials are added.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) modified_since: Option<Timestamp>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) not_after: Option<Deadline>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn get(url: Url) -> Call {
        Call {
            method: Method::GET,
            url,
            modified_since: None,
            idempotency_key: None,
            not_after: None,
            body: Bytes::new(),
        }
    }

    fn is_read(&self) -> bool {
        self.method == Method::GET
    }
}

/// Who calls, and with what right.
pub(crate) struct Caller<'a> {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) lane: Lane,
    pub(crate) tokens: &'a dyn TokenSource,
}

/// What an exchange cost, whether it succeeded or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) calls: u32,
    pub(crate) wire_bytes: u64,
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) response: Response,
}

impl Answer {
    pub(crate) fn is_not_modified(&self) -> bool {
        self.response.status.as_u16() == 304
    }

    pub(crate) fn server_date(&self) -> Option<Timestamp> {
        self.response.header("date").and_then(parse_http_date)
    }

    pub(crate) fn correlation_id(&self) -> Option<String> {
        self.response.header("xero-correlation-id").map(|id| crate::scalars::bounded(id, 64).to_owned())
    }

    /// The error for a body that is not what was asked for.
    pub(crate) fn undecodable(&self, error: &serde_json::Error) -> Error {
        let kind = self.response.header("content-type").unwrap_or("no content type");
        let kind = crate::scalars::bounded(kind, 64);
        let detail = if self.response.body.is_empty() {
            format!("empty body ({kind})")
        } else if kind.contains("json") {
            // The parser's word is enough; an excerpt of good JSON is business data.
            format!("{error} ({kind}, {} bytes)", self.response.body.len())
        } else {
            format!("{kind}: {}", excerpt(&self.response.body))
        };
        Error::Protocol { status: self.response.status.as_u16(), detail }
    }
}

impl Client {
    /// A client over the given seams.
    pub fn new(
        settings: ClientSettings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        governor: Arc<dyn Governor>,
    ) -> Client {
        Client { inner: Arc::new(Inner { settings, transport, clock, governor }) }
    }

    /// One organisation's books.
    pub fn tenant(&self, tenant: TenantId, tokens: Arc<dyn TokenSource>, lane: Lane) -> Books {
        Books::new(self.clone(), tenant, tokens, lane)
    }

    /// The settings.
    pub fn settings(&self) -> &ClientSettings {
        &self.inner.settings
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// All connections that the token's user still has with this app, not only those of the last consent: match
    /// [`Connection::auth_event_id`] with the token's `authentication_event_id`.
    pub async fn connections(&self, token: &AccessToken) -> Result<Vec<Connection>, Error> {
        let call = Call::get(self.inner.settings.endpoints.connections(None));
        let answer = self.tenantless(&call, token).await?;
        serde_json::from_slice(&answer.response.body).map_err(|error| answer.undecodable(&error))
    }

    /// Ends one connection at Xero. `connection` is [`Connection::id`], not the tenant. One that is gone already is a success.
    pub async fn disconnect(&self, token: &AccessToken, connection: Uuid) -> Result<(), Error> {
        let url = self.inner.settings.endpoints.connections(Some(connection));
        let call = Call { method: Method::DELETE, ..Call::get(url) };
        match self.tenantless(&call, token).await {
            Ok(_) | Err(Error::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn tenantless(&self, call: &Call, token: &AccessToken) -> Result<Answer, Error> {
        let tokens = FixedToken::new(token.clone());
        let caller = Caller { tenant: None, lane: Lane::Interactive, tokens: &tokens };
        match self.exchange(call, &caller, |_| {}).await {
            // A fixed token has no renewal; the caller's own token source must hear that it expired.
            Err(Error::Token(TokenError::NeedsReconnect { .. })) => {
                Err(Error::Expired { detail: "TokenExpired".to_owned() })
            }
            other => other,
        }
    }

    /// Sends a call until it is answered, refused or not worth trying again. `spent` hears the cost of each attempt.
    pub(crate) async fn exchange(
        &self,
        call: &Call,
        caller: &Caller<'_>,
        mut spent: impl FnMut(Cost) + Send,
    ) -> Result<Answer, Error> {
        let retry = &self.inner.settings.retry;
        let mut token = caller.tokens.token().await?;
        let mut renewals = 0;
        let mut attempt = 1;
        loop {
            let request = self.request(call, caller, &token)?;
            // A wait that the governor would not bear ends the call: waiting more of it here would be no better.
            let permit = self.inner.governor.admit(caller.tenant.as_ref(), caller.lane).await?;
            let error = match self.attempt(request, permit, caller, &token, call.not_after, &mut spent).await {
                Ok(answer) => return Ok(answer),
                Err(Error::Expired { .. }) if renewals < RENEWALS => {
                    token = caller.tokens.refused(&token).await?;
                    renewals += 1;
                    continue;
                }
                Err(error) => error,
            };
            if !call.is_read() || attempt >= retry.tries {
                return Err(error);
            }
            match &error {
                // The governor has parked the tenant: asking it again waits, or says that the wait is too long.
                Error::Limited(limited) if limited.window != Window::Day => {}
                Error::Transient { .. } | Error::Unanswered { .. } | Error::NotSent { .. } => {
                    let doubled = retry.first_wait.saturating_mul(1 << (attempt - 1).min(16));
                    let wait = match &error {
                        Error::Transient { retry_after: Some(asked), .. } => *asked,
                        _ => doubled.min(retry.longest_wait),
                    };
                    if wait > retry.longest_wait {
                        return Err(error);
                    }
                    self.inner.clock.sleep(wait).await;
                }
                _ => return Err(error),
            }
            attempt += 1;
        }
    }

    /// One attempt: one request, one judgement. The permit covers the flight only, never a wait that follows it.
    async fn attempt(
        &self,
        request: Request,
        permit: Permit,
        caller: &Caller<'_>,
        token: &AccessToken,
        not_after: Option<Deadline>,
        spent: &mut (impl FnMut(Cost) + Send),
    ) -> Result<Answer, Error> {
        let Request { method, url, .. } = &request;
        let (method, path) = (method.clone(), url.path().to_owned());
        let started = self.inner.clock.now();
        // The last step before the wire: everything that can wait (the token, the governor) has waited.
        if not_after.is_some_and(|deadline| deadline.has_passed(self.inner.clock.as_ref())) {
            return Err(Error::TooLate);
        }
        let outcome = self.inner.transport.send(request).await;
        let now = self.inner.clock.now();
        let mut response = match outcome {
            Ok(response) => response,
            Err(error) => {
                drop(permit);
                spent(Cost { calls: 1, wire_bytes: 0 });
                tracing::debug!(%method, path, %error, "xero call without answer");
                return Err(error.into());
            }
        };
        let seen = Seen::of(&response);
        let limited = self.inner.governor.observe(caller.tenant.as_ref(), &seen);
        drop(permit);
        spent(Cost { calls: 1, wire_bytes: response.wire_bytes });
        tracing::debug!(
            %method,
            path,
            status = seen.status,
            wire_bytes = response.wire_bytes,
            duration_ms = now.duration_since(started).as_millis(),
            correlation_id = response.header("xero-correlation-id").unwrap_or_default(),
            "xero call"
        );
        if method == Method::GET && is_cut_off(&response) {
            let detail = format!("the answer was cut off after {} bytes", response.body.len());
            return Err(Error::Unanswered { detail });
        }
        if !response.status.is_success() {
            withhold_token(&mut response, token);
        }
        classify(&response, &seen, limited, now).map(|()| Answer { response })
    }

    /// The request with its credentials.
    fn request(&self, call: &Call, caller: &Caller<'_>, token: &AccessToken) -> Result<Request, Error> {
        let mut headers = HeaderMap::new();
        let value = |text: &str, what: &str| {
            HeaderValue::from_str(text).map_err(|_| Error::Invalid(format!("the {what} cannot stand in a header")))
        };
        let bearer = Zeroizing::new(format!("Bearer {}", token.secret().expose()));
        let mut bearer = value(&bearer, "access token")?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        // Without it Xero answers in XML.
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, value(&self.inner.settings.user_agent, "user agent")?);
        if let Some(tenant) = caller.tenant {
            headers.insert("xero-tenant-id", value(&tenant.to_string(), "tenant")?);
        }
        if let Some(instant) = call.modified_since {
            headers.insert(IF_MODIFIED_SINCE, value(&format_modified_since(instant), "time")?);
        }
        if let Some(key) = &call.idempotency_key {
            let length = key.chars().count();
            if length == 0 || length > crate::write::MAX_KEY_CHARS {
                return Err(Error::Invalid("an idempotency key has 1 to 128 characters".to_owned()));
            }
            headers.insert("idempotency-key", value(key, "idempotency key")?);
        }
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Request { method: call.method.clone(), url: call.url.clone(), headers, body: call.body.clone() })
    }
}

/// Whether a 200 holds no JSON, or JSON without its end. Asking again is right for both.
fn is_cut_off(response: &Response) -> bool {
    let is_json = response.header("content-type").is_none_or(|kind| kind.contains("json"));
    let last = response.body.iter().rev().find(|byte| !byte.is_ascii_whitespace());
    response.status.as_u16() == 200 && is_json && !matches!(last, Some(b'}' | b']'))
}

/// Errors quote bodies; one that repeats the request's credentials (as proxies' error pages may) must not be quoted.
fn withhold_token(response: &mut Response, token: &AccessToken) {
    let token = token.secret().expose().as_bytes();
    if !token.is_empty() && response.body.windows(token.len()).any(|part| part == token) {
        response.body = Bytes::from_static(b"body withheld, it repeats the access token");
    }
}
