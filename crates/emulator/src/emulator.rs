//! The emulator itself: one call in, one answer out, and the handle that embedding programs hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::books::{Books, Millis};
use crate::clock::Clock;
use crate::config::{Config, Tier};
use crate::faults::{Done, FaultAction, FaultRule, FaultState, Faults, Late, Twist};
use crate::http::{Request, Response};
use crate::ids;
use crate::ledger::{Counters, Ledger};
use crate::limits::{self, AppLimits, TenantLimits, Violations};
use crate::oauth::{Connection, Identity};
use crate::{api, control, generate, oauth};

/// How many calls the log keeps.
const LOG_LENGTH: usize = 10_000;

/// Who changes the books from outside the API, as the history names them.
pub(crate) const PERSON: &str = "Somebody in Xero";

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
    pub(crate) ledger: Mutex<Ledger>,
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
    late: Vec<Late>,
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
    /// Whether the answer was kept from an earlier call with the same key.
    pub is_replay: bool,
    /// SHA-256 of the body in hex; `None` without a body. Bodies themselves are not kept.
    pub body_hash: Option<String>,
    /// What a fault rule did to the call, as rules spell it; `delivered` for the late arrival of an earlier call.
    pub fault: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer, to be sent.
    Answered(Response),
    /// By a fault rule no answer ever arrives; the call may have been carried out, or will be later.
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
            organisations.push(Organisation { tenant, ledger: Mutex::new(Ledger::new(books)) });
        }
        let desk = Desk {
            identity: Identity::new(config.seed),
            limits: tenant_limits,
            app_limits: AppLimits::default(),
            log: VecDeque::new(),
            calls: 0,
            faults: Faults::new(config.seed),
            late: Vec::new(),
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
        self.finish_timed(flight, request).0
    }

    /// Like [`Emulator::finish`]; also tells for how many milliseconds the answer is to be held back by a fault rule.
    pub fn finish_timed(&self, flight: &Flight, request: &Request) -> (Outcome, u64) {
        if request.path.starts_with(control::PREFIX) {
            return (Outcome::Answered(control::handle(self, request)), 0);
        }
        self.deliver_late();
        let action = self.desk().faults.next(request);
        if let Some(action) = action {
            self.prepare(request, action);
        }
        let now = self.clock().now();
        let done = self.carry_out(request, now, flight.is_crowded, action);
        let mut desk = self.desk();
        desk.calls += 1;
        let number = desk.calls;
        if let Some(FaultAction::Late(ms)) = action {
            let due = now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
            desk.late.push(Late { number, asked_at: now, due, request: request.clone() });
        }
        let fault = action.map(|action| action.to_string());
        let correlation = ids::next(&mut desk.rng);
        desk.note(number, request, now, &done, fault);
        let outcome = match done.response {
            Some(response) => Outcome::Answered(response.with_header("Xero-Correlation-Id", correlation.to_string())),
            None => Outcome::Lost,
        };
        (outcome, done.delay_ms)
    }

    /// Carries out the calls whose late arrival is due, in the order of their arrival. It happens by itself before every
    /// call and every look at books or log; a server with a running clock also asks when the time has come.
    pub fn deliver_late(&self) {
        loop {
            let now = self.clock().now();
            let late = {
                let mut desk = self.desk();
                let due = desk.late.iter().enumerate().filter(|(_, late)| late.due <= now);
                let Some(at) = due.min_by_key(|(_, late)| (late.due, late.number)).map(|(at, _)| at) else { return };
                desk.late.remove(at)
            };
            let twist = Twist { asked_at: Some(late.asked_at), ..Twist::default() };
            let done = self.route(&late.request, late.due, false, &twist);
            self.desk().note(late.number, &late.request, late.due, &done, Some("delivered".into()));
        }
    }

    /// Milliseconds until the last of the late calls is due, with one to spare; `None` when none is waiting.
    pub(crate) fn next_delivery_in(&self) -> Option<u64> {
        let last = self.desk().late.iter().map(|late| late.due).max()?;
        u64::try_from(last.saturating_sub(self.clock().now()).max(0)).ok().map(|wait| wait + 1)
    }

    pub(crate) fn route(&self, request: &Request, now: Millis, is_crowded: bool, twist: &Twist) -> Done {
        let config = &self.inner.config;
        let response = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => oauth::discovery(&config.base_url),
            ("GET", "/.well-known/openid-configuration/jwks") => oauth::keys(),
            ("GET" | "POST", "/identity/connect/authorize") => {
                let choices = self.names();
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
                return api::handle(self, request, now, is_crowded, twist);
            }
            _ => Response::not_found(),
        };
        Done { response: Some(response), ..Done::default() }
    }

    /// The tenants with the names that their organisations have now.
    pub(crate) fn names(&self) -> Vec<(Uuid, String)> {
        let name = |row: &Organisation| locked(&row.ledger).books.organisation.name.to_string();
        self.inner.organisations.iter().map(|row| (row.tenant, name(row))).collect()
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
        self.deliver_late();
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
        self.deliver_late();
        let now = self.clock().now();
        let mut ledger = locked(&organisation.ledger);
        ledger.remember(now);
        let result = work(&mut ledger.books, now);
        ledger.note_history(now, Some(PERSON));
        Some(result)
    }

    /// What was counted of the writes to an organisation; `None` for an unknown tenant.
    pub fn counters(&self, tenant: Uuid) -> Option<Counters> {
        self.deliver_late();
        let organisation = &self.inner.organisations[self.inner.place(tenant)?];
        Some(locked(&organisation.ledger).counters.clone())
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

    /// Adds a rule for calls that go wrong, and tells the id by which it is removed.
    ///
    /// ```
    /// # use emulator::{Config, Emulator, FaultRule};
    /// # let emulator = Emulator::new(Config::default());
    /// let rule: FaultRule = "nth=3 PUT Invoices commit-then-lose".parse().unwrap();
    /// let id = emulator.add_fault(rule);
    /// assert_eq!(emulator.faults()[0].fired, 0);
    /// assert!(emulator.remove_fault(id));
    /// ```
    pub fn add_fault(&self, rule: impl Into<FaultRule>) -> u64 {
        let id = self.desk().faults.add(rule.into());
        self.set_snapshots();
        id
    }

    /// The fault rules in the order in which they were added, with how often each struck.
    pub fn faults(&self) -> Vec<FaultState> {
        self.desk().faults.list().to_vec()
    }

    /// Removes a fault rule; false when there is none of that id.
    pub fn remove_fault(&self, id: u64) -> bool {
        let removed = self.desk().faults.remove(id).is_some();
        self.set_snapshots();
        removed
    }

    /// Removes every fault rule, and says how many never struck.
    pub fn clear_faults(&self) -> usize {
        let not_fired = self.desk().faults.clear();
        self.set_snapshots();
        not_fired
    }

    /// Lists can only lag as far back as books are remembered.
    fn set_snapshots(&self) {
        let span = self.desk().faults.stale_span().map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        for organisation in &self.inner.organisations {
            locked(&organisation.ledger).snapshots.set_span(span);
        }
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

    fn note(&mut self, number: u64, request: &Request, now: Millis, done: &Done, fault: Option<String>) {
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        let mut target = request.path.clone();
        if !request.query.is_empty() {
            target.push('?');
            target.push_str(&request.query);
        }
        self.log.push_back(Call {
            number,
            at: now,
            tenant: done.tenant,
            method: request.method.clone(),
            target,
            status: done.response.as_ref().map_or(0, |response| response.status),
            idempotency_key: request.header("Idempotency-Key").map(str::to_owned),
            is_replay: done.is_replay,
            body_hash: (!request.body.is_empty()).then(|| ids::hash(&request.body)),
            fault,
        });
    }
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
