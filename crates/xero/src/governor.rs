//! Xero's limits kept within one process, on the client's clock: deterministic and testable.
//!
//! Counting is over a sliding window, which no alignment of Xero's fixed windows can exceed. What Xero says wins over what was
//! counted: a 429 parks the tenant (or the app) until its `Retry-After`, and `X-DayLimit-Remaining` knows about calls that this
//! process did not make. Nothing is ever computed about when Xero's windows reset.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::{self, Clock};
use crate::endpoints::TenantId;
use crate::limits::{Governor, Lane, Limited, Permit, Seen, Window};

/// Settings of [`InProcessGovernor`]. The defaults keep a margin below Xero's own limits for calls in flight and other tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Calls in flight per tenant. Xero's limit is 5.
    pub in_flight: u32,
    /// Of those, slots that only [`Lane::Interactive`] may use.
    pub in_flight_reserve: u32,
    /// Calls per tenant in any 60 seconds. Xero's limit is 60.
    pub per_minute: u32,
    /// Of those, calls that only [`Lane::Interactive`] may make.
    pub per_minute_reserve: u32,
    /// Calls per tenant in any 24 hours. Xero's limit is 5,000, or 1,000 on the Starter tier.
    pub per_day: u32,
    /// Of those, calls that only [`Lane::Interactive`] may make; also the `X-DayLimit-Remaining` at which background stops.
    pub per_day_reserve: u32,
    /// Calls of the whole app in any 60 seconds. Xero's limit is 10,000.
    pub app_per_minute: u32,
    /// The longest wait before a call; a longer one is answered with [`Limited`].
    pub longest_wait: Duration,
    /// Tries with back-off after a 429 without `Retry-After`, before the tenant is parked for its window.
    pub undated_tries: u32,
    /// The first such back-off; doubles each time.
    pub undated_wait: Duration,
    /// How long a tenant is parked when its day is used up and Xero did not say until when.
    pub undated_day: Duration,
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            in_flight: 5,
            in_flight_reserve: 1,
            per_minute: 55,
            per_minute_reserve: 5,
            per_day: 4800,
            per_day_reserve: 480,
            app_per_minute: 10_000,
            longest_wait: Duration::from_secs(90),
            undated_tries: 3,
            undated_wait: Duration::from_secs(1),
            undated_day: Duration::from_secs(3600),
        }
    }
}

impl LimitSettings {
    /// Xero's Starter tier: 1,000 calls a day.
    pub fn starter() -> LimitSettings {
        LimitSettings { per_day: 960, per_day_reserve: 96, ..LimitSettings::default() }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Calls of a day are counted in steps of a minute: 1,440 numbers per tenant at most.
const DAY_STEP: Duration = MINUTE;
const SECOND: Duration = Duration::from_secs(1);

/// Calls within a sliding span, counted in steps; a step counts until its end has left the span.
#[derive(Debug)]
struct Sliding {
    span: Duration,
    step_ms: i64,
    steps: VecDeque<(i64, u32)>,
    total: u32,
}

impl Sliding {
    fn new(span: Duration, step: Duration) -> Sliding {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        Sliding { span, step_ms, steps: VecDeque::new(), total: 0 }
    }

    /// When the calls of a step stop counting.
    fn leaves(&self, step: i64) -> Timestamp {
        let end = Timestamp::from_millisecond((step + 1).saturating_mul(self.step_ms)).unwrap_or(Timestamp::MAX);
        clock::after(end, self.span)
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some(&(step, calls)) = self.steps.front() {
            if self.leaves(step) > now {
                break;
            }
            self.total -= calls;
            self.steps.pop_front();
        }
    }

    fn count(&mut self, now: Timestamp) {
        let step = now.as_millisecond().div_euclid(self.step_ms);
        self.total += 1;
        match self.steps.back_mut() {
            // A clock that went back must not put steps out of order.
            Some((last, calls)) if *last >= step => *calls += 1,
            _ => self.steps.push_back((step, 1)),
        }
    }

    /// When fewer than `limit` calls are in the span; `None` if that is so now.
    fn free_at(&mut self, limit: u32, now: Timestamp) -> Option<Timestamp> {
        self.forget(now);
        if self.total < limit {
            return None;
        }
        let mut left = self.total;
        for &(step, calls) in &self.steps {
            left -= calls;
            if left < limit {
                return Some(self.leaves(step));
            }
        }
        Some(Timestamp::MAX) // a limit of zero: never
    }
}

/// Set after a 429: no call before `until`.
#[derive(Debug, Default)]
struct Park {
    until: Option<(Timestamp, Window)>,
    undated: u32,
}

impl Park {
    fn active(&mut self, now: Timestamp) -> Option<Limited> {
        let (resume_at, window) = self.until?;
        if resume_at <= now {
            self.until = None;
            return None;
        }
        Some(Limited { window, resume_at })
    }

    fn extend(&mut self, until: Timestamp, window: Window) -> Limited {
        match self.until {
            Some((later, window)) if later > until => Limited { window, resume_at: later },
            _ => {
                self.until = Some((until, window));
                Limited { window, resume_at: until }
            }
        }
    }
}

#[derive(Debug)]
struct Tenant {
    in_flight: u32,
    waiting_interactive: u32,
    minute: Sliding,
    day: Sliding,
    park: Park,
    /// The last `X-DayLimit-Remaining` and when it was seen.
    day_remaining: Option<(u32, Timestamp)>,
}

impl Tenant {
    fn new() -> Tenant {
        Tenant {
            in_flight: 0,
            waiting_interactive: 0,
            minute: Sliding::new(MINUTE, SECOND),
            day: Sliding::new(DAY, DAY_STEP),
            park: Park::default(),
            day_remaining: None,
        }
    }
}

#[derive(Debug)]
struct State {
    tenants: BTreeMap<Option<TenantId>, Tenant>,
    app: Sliding,
    app_park: Park,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    freed: Notify,
}

impl Shared {
    /// Counters are whole after every statement, so a panic elsewhere leaves nothing to distrust.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the limits for one process. See [`LimitSettings`].
pub struct InProcessGovernor {
    settings: LimitSettings,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for InProcessGovernor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcessGovernor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What is left of a tenant's budgets, for a status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantBudget {
    /// Calls in flight now.
    pub in_flight: u32,
    /// Calls in the last 60 seconds.
    pub minute_used: u32,
    /// Calls in the last 24 hours, made by this process.
    pub day_used: u32,
    /// Xero's last `X-DayLimit-Remaining`.
    pub day_remaining: Option<u32>,
    /// Set while the tenant is parked.
    pub parked: Option<Limited>,
}

/// What a caller has to do before it may call.
enum Verdict {
    Go,
    WaitFor(Limited),
    WaitForSlot,
}

impl InProcessGovernor {
    /// A governor with nothing counted yet.
    pub fn new(settings: LimitSettings, clock: Arc<dyn Clock>) -> InProcessGovernor {
        let state = State { tenants: BTreeMap::new(), app: Sliding::new(MINUTE, SECOND), app_park: Park::default() };
        InProcessGovernor {
            settings,
            clock,
            shared: Arc::new(Shared { state: Mutex::new(state), freed: Notify::new() }),
        }
    }

    /// What is left for a tenant.
    pub fn budget(&self, tenant: &TenantId) -> TenantBudget {
        let now = self.clock.now();
        let mut state = self.shared.lock();
        let tenant = state.tenants.entry(Some(*tenant)).or_insert_with(Tenant::new);
        tenant.minute.forget(now);
        tenant.day.forget(now);
        TenantBudget {
            in_flight: tenant.in_flight,
            minute_used: tenant.minute.total,
            day_used: tenant.day.total,
            day_remaining: tenant.day_remaining.map(|(left, _)| left),
            parked: tenant.park.active(now),
        }
    }

    /// Judges one caller and, if it may go, counts its call.
    fn judge(&self, key: Option<TenantId>, lane: Lane, now: Timestamp) -> Verdict {
        let settings = &self.settings;
        let mut guard = self.shared.lock();
        let State { tenants, app, app_park } = &mut *guard;
        if let Some(parked) = app_park.active(now) {
            return Verdict::WaitFor(parked);
        }
        let tenant = tenants.entry(key).or_insert_with(Tenant::new);
        if let Some(parked) = tenant.park.active(now) {
            return Verdict::WaitFor(parked);
        }
        let reserved = |limit: u32, reserve: u32| match lane {
            Lane::Interactive => limit,
            Lane::Background => limit.saturating_sub(reserve).max(1),
        };
        let wait = |window, at: Option<Timestamp>| at.map(|resume_at| Verdict::WaitFor(Limited { window, resume_at }));
        if key.is_some() {
            if lane == Lane::Background
                && let Some((left, seen_at)) = tenant.day_remaining
                && left <= settings.per_day_reserve
            {
                // Nobody but Xero knows when its day ends: look again after a while, with one call.
                let look_again = clock::after(seen_at, settings.undated_day);
                if look_again > now {
                    return Verdict::WaitFor(Limited { window: Window::Day, resume_at: look_again });
                }
            }
            let day = reserved(settings.per_day, settings.per_day_reserve);
            let minute = reserved(settings.per_minute, settings.per_minute_reserve);
            let full = wait(Window::Day, tenant.day.free_at(day, now))
                .or_else(|| wait(Window::Minute, tenant.minute.free_at(minute, now)));
            if let Some(verdict) = full {
                return verdict;
            }
        }
        if let Some(verdict) = wait(Window::AppMinute, app.free_at(settings.app_per_minute, now)) {
            return verdict;
        }
        let slots = reserved(settings.in_flight, settings.in_flight_reserve);
        let yields = lane == Lane::Background && tenant.waiting_interactive > 0;
        if tenant.in_flight >= slots || yields {
            return Verdict::WaitForSlot;
        }
        tenant.in_flight += 1;
        tenant.minute.count(now);
        tenant.day.count(now);
        app.count(now);
        if let Some((_, seen_at)) = &mut tenant.day_remaining {
            // The one call that looks again: its answer brings the number, until then nobody else looks.
            if lane == Lane::Background && clock::after(*seen_at, settings.undated_day) <= now {
                *seen_at = now;
            }
        }
        Verdict::Go
    }

    fn permit(&self, key: Option<TenantId>) -> Permit {
        Permit::new(Slot { key, shared: self.shared.clone() })
    }
}

/// Gives the slot back.
struct Slot {
    key: Option<TenantId>,
    shared: Arc<Shared>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(tenant) = self.shared.lock().tenants.get_mut(&self.key) {
            tenant.in_flight = tenant.in_flight.saturating_sub(1);
        }
        self.shared.freed.notify_waiters();
    }
}

/// Marks that an interactive caller waits for a slot, so that background callers let it pass; unmarks on drop.
struct Waiting<'a> {
    key: Option<TenantId>,
    shared: &'a Shared,
}

impl<'a> Waiting<'a> {
    fn mark(key: Option<TenantId>, shared: &'a Shared) -> Waiting<'a> {
        shared.lock().tenants.entry(key).or_insert_with(Tenant::new).waiting_interactive += 1;
        Waiting { key, shared }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(tenant) = self.shared.lock().tenants.get_mut(&self.key) {
            tenant.waiting_interactive = tenant.waiting_interactive.saturating_sub(1);
        }
        self.shared.freed.notify_waiters();
    }
}

#[async_trait]
impl Governor for InProcessGovernor {
    async fn admit(&self, tenant: Option<&TenantId>, lane: Lane) -> Result<Permit, Limited> {
        let key = tenant.copied();
        let mut waiting = None;
        loop {
            // Listening starts before the look, or a slot freed in between would be missed.
            let mut freed = pin!(self.shared.freed.notified());
            freed.as_mut().enable();
            let now = self.clock.now();
            match self.judge(key, lane, now) {
                Verdict::Go => return Ok(self.permit(key)),
                Verdict::WaitFor(limited) => {
                    let wait = clock::until(now, limited.resume_at);
                    if wait > self.settings.longest_wait {
                        return Err(limited);
                    }
                    self.clock.sleep(wait).await;
                }
                Verdict::WaitForSlot => {
                    if lane == Lane::Interactive && waiting.is_none() {
                        waiting = Some(Waiting::mark(key, &self.shared));
                    }
                    freed.await;
                }
            }
        }
    }

    fn observe(&self, tenant: Option<&TenantId>, seen: &Seen) -> Option<Limited> {
        let now = self.clock.now();
        let mut guard = self.shared.lock();
        let State { tenants, app_park, .. } = &mut *guard;
        let tenant = tenants.entry(tenant.copied()).or_insert_with(Tenant::new);
        if let Some(left) = seen.day_remaining {
            tenant.day_remaining = Some((left, now));
        }
        let window = seen.problem.unwrap_or(Window::Unknown);
        let app_wide = window == Window::AppMinute;
        let park = if app_wide { app_park } else { &mut tenant.park };
        if !seen.is_limited() {
            park.undated = 0;
            return None;
        }
        let wait = match seen.retry_after {
            // A zero would be a busy loop.
            Some(asked) => asked.max(SECOND),
            None if window == Window::Day => self.settings.undated_day,
            None if park.undated + 1 >= self.settings.undated_tries => {
                park.undated = 0;
                MINUTE
            }
            None => {
                park.undated += 1;
                self.settings.undated_wait.saturating_mul(1 << (park.undated - 1).min(16))
            }
        };
        Some(park.extend(clock::after(now, wait), window))
    }
}
