//! The emulator itself: one call in, one answer out, and the handle that embedding programs hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::books::{Books, Millis};
use crate::clock::Clock;
use crate::config::{Config, Tier};
use crate::faults::{Fault, FaultAction, Faults};
use crate::http::{Request, Response};
use crate::ids;
use crate::limits::{self, AppLimits, TenantLimits, Violations};
use crate::oauth::{Connection, Identity};
use crate::read::Selections;
use crate::write::ReplyCache;
use crate::{api, control, generate, oauth};

/// How many calls the log keeps.
const LOG_LENGTH: usize = 10_000;

/// A whole emulated Xero; copies share it. Calls may come from any thread.
#[derive(Debug, Clone)]
pub struct Emulator {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) organisations: Vec<Organisation>,
    pub(crate) desk: Mutex<Desk>,
}

/// One organisation: its books behind their own lock, so that two organisations never wait for each other.
#[derive(Debug)]
pub(crate) struct Organisation {
    pub(crate) tenant: Uuid,
    pub(crate) name: String,
    pub(crate) ledger: Mutex<Ledger>,
}

/// The books with what belongs to them.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) books: Books,
    pub(crate) replies: ReplyCache,
    pub(crate) selections: Selections,
}

/// What is shared over organisations.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) identity: Identity,
    pub(crate) limits: Vec<TenantLimits>,
    app_limits: AppLimits,
    log: VecDeque<Call>,
    calls: u64,
    pub(crate) faults: Faults,
    rng: ChaCha8Rng,
}

/// One call in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Number of the call, from 1.
    pub number: u64,
    /// When, by the emulator's clock.
    pub at: Millis,
    /// The organisation, when the call named a connected one.
    pub tenant: Option<Uuid>,
    /// HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Status of the answer; 0 when the answer was lost on purpose.
    pub status: u16,
    /// The `Idempotency-Key`, if there was one.
    pub idempotency_key: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer, to be sent.
    Answered(Response),
    /// The call was carried out, but by a fault rule its answer never arrives.
    Lost,
}

/// A call under way. It counts as in flight until it is dropped.
#[derive(Debug)]
pub struct Flight {
    emulator: Emulator,
    place: Option<usize>,
    is_crowded: bool,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.emulator.desk().limits[place].leave();
        }
    }
}

/// Waits for a lock; a panic elsewhere does not make the books unreadable.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Emulator {
    /// Builds the emulator and generates its organisations.
    pub fn new(config: Config) -> Self {
        let now = config.clock.now();
        let mut organisations = Vec::with_capacity(config.organisations.len());
        let mut tenant_limits = Vec::with_capacity(config.organisations.len());
        for (place, plan) in config.organisations.iter().enumerate() {
            let seed = ids::derive(config.seed, &format!("organisation {place}"));
            let books = generate::books(plan, seed, now, config.settings.rounding);
            let tenant = books.organisation.id;
            tenant_limits.push(TenantLimits::new(plan.tier, tenant));
            let ledger = Ledger { books, replies: ReplyCache::default(), selections: Selections::default() };
            organisations.push(Organisation { tenant, name: plan.name.clone(), ledger: Mutex::new(ledger) });
        }
        let desk = Desk {
            identity: Identity::new(config.seed),
            limits: tenant_limits,
            app_limits: AppLimits::default(),
            log: VecDeque::new(),
            calls: 0,
            faults: Faults::default(),
            rng: ids::stream(config.seed, "answers"),
        };
        let mut inner = Inner { config, organisations, desk: Mutex::new(desk) };
        if let Some(place) = inner.config.app.custom_connection {
            inner.connect_custom(place, now);
        }
        Self { inner: Arc::new(inner) }
    }

    /// Carries out one call, from start to end.
    pub fn call(&self, request: &Request) -> Outcome {
        let flight = self.begin(request);
        self.finish(&flight, request)
    }

    /// Carries out one call. A lost answer (only by a fault rule) is an empty one with status 0.
    pub fn handle(&self, request: &Request) -> Response {
        match self.call(request) {
            Outcome::Answered(response) => response,
            Outcome::Lost => Response::empty(0),
        }
    }

    /// Counts a call as in flight. Servers hold the flight while they wait, so that concurrency limits are real.
    pub fn begin(&self, request: &Request) -> Flight {
        let is_api = request.path.starts_with(api::PREFIX);
        let place = is_api.then(|| self.inner.place_of(request)).flatten();
        let mut is_crowded = false;
        if let Some(place) = place {
            is_crowded = !self.desk().limits[place].enter(&self.inner.config.limits);
        }
        Flight { emulator: self.clone(), place, is_crowded }
    }

    /// Carries out a call that [`Emulator::begin`] counted.
    pub fn finish(&self, flight: &Flight, request: &Request) -> Outcome {
        if request.path.starts_with(control::PREFIX) {
            return Outcome::Answered(control::handle(self, request));
        }
        let now = self.clock().now();
        let action = self.desk().faults.next(request);
        let (mut response, tenant) = match action {
            Some(FaultAction::StatusBefore(status)) => (Response::empty(status), None),
            _ => self.route(flight, request, now),
        };
        if let Some(FaultAction::StatusAfter(status)) = action {
            response = Response::html(status, "");
        }
        let is_lost = action == Some(FaultAction::LoseAnswer);
        let mut desk = self.desk();
        let correlation = ids::next(&mut desk.rng);
        response.headers.push(("Xero-Correlation-Id".into(), correlation.to_string()));
        desk.note(request, now, tenant, if is_lost { 0 } else { response.status });
        if is_lost { Outcome::Lost } else { Outcome::Answered(response) }
    }

    fn route(&self, flight: &Flight, request: &Request, now: Millis) -> (Response, Option<Uuid>) {
        let config = &self.inner.config;
        let response = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => oauth::discovery(&config.base_url),
            ("GET", "/.well-known/openid-configuration/jwks") => oauth::keys(),
            ("GET" | "POST", "/identity/connect/authorize") => {
                let choices: Vec<_> =
                    self.inner.organisations.iter().map(|row| (row.tenant, row.name.clone())).collect();
                self.desk().identity.authorize(request, &config.app, &choices, config.auto_consent, now)
            }
            ("POST", "/connect/token") => {
                self.desk().identity.token(request, &config.app, &config.base_url, &config.settings, now)
            }
            ("POST", "/connect/revocation") => self.desk().identity.revoke(request, &config.app),
            (_, path) if path.eq_ignore_ascii_case("/connections") || starts_with(path, "/connections/") => {
                api::connections(self, request, now)
            }
            (_, path) if path.starts_with(api::PREFIX) => {
                return api::handle(self, request, now, flight.is_crowded);
            }
            _ => Response::not_found(),
        };
        (response, None)
    }

    /// The clock that everything goes by.
    pub fn clock(&self) -> &Clock {
        &self.inner.config.clock
    }

    /// What the emulator was built from.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The tenant ids, in the order of the configuration.
    pub fn tenants(&self) -> Vec<Uuid> {
        self.inner.organisations.iter().map(|row| row.tenant).collect()
    }

    /// The last calls, oldest first (10,000 at most).
    pub fn log(&self) -> Vec<Call> {
        self.desk().log.iter().cloned().collect()
    }

    /// How many calls there were since the start, those to the control API not counted.
    pub fn call_count(&self) -> u64 {
        self.desk().calls
    }

    /// How often an organisation's limits refused a call, by reason; `None` for an unknown tenant.
    pub fn violations(&self, tenant: Uuid) -> Option<Violations> {
        let place = self.inner.place(tenant)?;
        Some(self.desk().limits[place].violations())
    }

    /// Every connection ever made.
    pub fn connections(&self) -> Vec<Connection> {
        self.desk().identity.connections().to_vec()
    }

    /// Reads or changes an organisation's books directly, as somebody in Xero's own pages would; `None` for an unknown
    /// tenant. The second argument of the closure is the time.
    pub fn with_books<R>(&self, tenant: Uuid, work: impl FnOnce(&mut Books, Millis) -> R) -> Option<R> {
        let organisation = &self.inner.organisations[self.inner.place(tenant)?];
        let now = self.clock().now();
        Some(work(&mut locked(&organisation.ledger).books, now))
    }

    /// Ends the connection to an organisation from Xero's side; false when it was not connected.
    pub fn disconnect_tenant(&self, tenant: Uuid) -> bool {
        self.desk().identity.disconnect_tenant(tenant)
    }

    /// Makes every access token issued so far an expired one.
    pub fn expire_access_tokens(&self) {
        self.desk().identity.expire_access_tokens();
    }

    /// Makes every refresh token invalid; the connections stay.
    pub fn revoke_refresh_tokens(&self) {
        self.desk().identity.kill_refresh_tokens();
    }

    /// Changes the daily allowance of an organisation; false for an unknown tenant.
    pub fn set_tier(&self, tenant: Uuid, tier: Tier) -> bool {
        let Some(place) = self.inner.place(tenant) else { return false };
        self.desk().limits[place].set_tier(tier);
        true
    }

    /// Adds a rule for calls that go wrong.
    pub fn add_fault(&self, fault: Fault) {
        self.desk().faults.add(fault);
    }

    /// Removes every fault rule, and says how many had not fired yet.
    pub fn clear_faults(&self) -> usize {
        self.desk().faults.clear()
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        locked(&self.inner.desk)
    }
}

impl Inner {
    /// The place of a tenant in the list.
    pub(crate) fn place(&self, tenant: Uuid) -> Option<usize> {
        self.organisations.iter().position(|row| row.tenant == tenant)
    }

    /// The place of the organisation that a call names, or of the custom connection when it names none.
    pub(crate) fn place_of(&self, request: &Request) -> Option<usize> {
        match request.header("xero-tenant-id").map(str::trim).filter(|id| !id.is_empty()) {
            Some(id) => self.place(Uuid::parse_str(id).ok()?),
            None => self.config.app.custom_connection.filter(|place| *place < self.organisations.len()),
        }
    }

    fn connect_custom(&mut self, place: usize, now: Millis) {
        let Some(organisation) = self.organisations.get(place) else { return };
        let identity = &mut self.desk.get_mut().unwrap_or_else(PoisonError::into_inner).identity;
        identity.connect(organisation.tenant, Uuid::nil(), now);
    }
}

impl Desk {
    /// The next id of an answer's envelope.
    pub(crate) fn answer_id(&mut self) -> Uuid {
        ids::next(&mut self.rng)
    }

    /// Counts a call against the limits.
    pub(crate) fn admit(
        &mut self,
        config: &Config,
        place: usize,
        now: Millis,
        is_crowded: bool,
    ) -> Result<limits::Remaining, Response> {
        limits::admit(&mut self.limits[place], &mut self.app_limits, &config.limits, &config.settings, now, is_crowded)
    }

    fn note(&mut self, request: &Request, now: Millis, tenant: Option<Uuid>, status: u16) {
        self.calls += 1;
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        let mut target = request.path.clone();
        if !request.query.is_empty() {
            target.push('?');
            target.push_str(&request.query);
        }
        self.log.push_back(Call {
            number: self.calls,
            at: now,
            tenant,
            method: request.method.clone(),
            target,
            status,
            idempotency_key: request.header("Idempotency-Key").map(str::to_owned),
        });
    }
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
