//! Call limits: fixed windows that start at another moment for every organisation.

use uuid::Uuid;

use crate::books::Millis;
use crate::config::{Limits, Settings, Tier};
use crate::http::Response;

const MINUTE_MS: Millis = 60_000;
const DAY_MS: Millis = 24 * 60 * MINUTE_MS;

/// A fixed window: a count that starts again when the window ends.
#[derive(Debug, Clone, Default)]
struct Window {
    length: Millis,
    /// Where in real time the windows begin, so that organisations do not all reset at once.
    offset: Millis,
    index: Millis,
    used: u32,
}

impl Window {
    fn new(length: Millis, offset: Millis) -> Self {
        Self { length, offset: offset.rem_euclid(length), index: Millis::MIN, used: 0 }
    }

    fn roll(&mut self, now: Millis) {
        let index = (now - self.offset).div_euclid(self.length);
        if index != self.index {
            self.index = index;
            self.used = 0;
        }
    }

    /// Seconds until the window ends, rounded up.
    fn retry_after(&self, now: Millis) -> Millis {
        let end = (self.index + 1) * self.length + self.offset;
        (end - now + 999) / 1000
    }
}

/// What has been refused so far, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Violations {
    /// Too many calls in flight.
    pub concurrent: u64,
    /// Too many calls in a minute.
    pub minute: u64,
    /// Too many calls in a day.
    pub day: u64,
    /// Too many calls in a minute over all organisations.
    pub app_minute: u64,
}

/// The windows of one organisation.
#[derive(Debug, Clone)]
pub(crate) struct TenantLimits {
    tier: Tier,
    minute: Window,
    day: Window,
    in_flight: u32,
    violations: Violations,
}

impl TenantLimits {
    pub(crate) fn new(tier: Tier, tenant: Uuid) -> Self {
        // Any spread will do; the id gives one that stays the same for the same seed.
        let offset = Millis::from((tenant.as_u128() & 0x7fff_ffff) as u32);
        Self {
            tier,
            minute: Window::new(MINUTE_MS, offset),
            day: Window::new(DAY_MS, offset),
            in_flight: 0,
            violations: Violations::default(),
        }
    }

    pub(crate) fn set_tier(&mut self, tier: Tier) {
        self.tier = tier;
    }

    pub(crate) fn violations(&self) -> Violations {
        self.violations
    }

    /// Calls used in the current day's window.
    pub(crate) fn used_today(&mut self, now: Millis) -> u32 {
        self.day.roll(now);
        self.day.used
    }

    /// One more call in flight; false when that is one too many.
    pub(crate) fn enter(&mut self, limits: &Limits) -> bool {
        self.in_flight += 1;
        !limits.is_enforced || self.in_flight <= limits.concurrent
    }

    pub(crate) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

/// The window over all organisations.
#[derive(Debug, Clone)]
pub(crate) struct AppLimits {
    minute: Window,
}

impl Default for AppLimits {
    fn default() -> Self {
        Self { minute: Window::new(MINUTE_MS, 0) }
    }
}

/// What is left in the three windows, as written on every answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remaining {
    day: u32,
    minute: u32,
    app_minute: u32,
}

impl Remaining {
    /// The three headers.
    pub(crate) fn write(self, response: &mut Response) {
        for (name, value) in [
            ("X-DayLimit-Remaining", self.day),
            ("X-MinLimit-Remaining", self.minute),
            ("X-AppMinLimit-Remaining", self.app_minute),
        ] {
            response.headers.push((name.into(), value.to_string()));
        }
    }
}

/// Counts a call. `Err` is the empty 429 with the reason; a refused call is not counted.
pub(crate) fn admit(
    tenant: &mut TenantLimits,
    app: &mut AppLimits,
    limits: &Limits,
    settings: &Settings,
    now: Millis,
    is_crowded: bool,
) -> Result<Remaining, Response> {
    let per_day = tenant.tier.calls_per_day();
    tenant.minute.roll(now);
    tenant.day.roll(now);
    app.minute.roll(now);
    if !limits.is_enforced {
        return Ok(Remaining { day: per_day, minute: limits.minute, app_minute: limits.app_minute });
    }
    let refusal = if is_crowded {
        tenant.violations.concurrent += 1;
        Some(("concurrent", settings.concurrent_retry_after.map(Millis::from)))
    } else if app.minute.used >= limits.app_minute {
        tenant.violations.app_minute += 1;
        Some((settings.app_minute_problem, Some(app.minute.retry_after(now))))
    } else if tenant.day.used >= per_day {
        tenant.violations.day += 1;
        Some(("day", Some(tenant.day.retry_after(now))))
    } else if tenant.minute.used >= limits.minute {
        tenant.violations.minute += 1;
        Some(("minute", Some(tenant.minute.retry_after(now))))
    } else {
        None
    };
    if refusal.is_none() {
        tenant.day.used += 1;
        tenant.minute.used += 1;
        app.minute.used += 1;
    }
    let remaining = Remaining {
        day: per_day.saturating_sub(tenant.day.used),
        minute: limits.minute.saturating_sub(tenant.minute.used),
        app_minute: limits.app_minute.saturating_sub(app.minute.used),
    };
    let Some((problem, retry_after)) = refusal else { return Ok(remaining) };
    let mut response = Response::empty(429);
    remaining.write(&mut response);
    if let Some(seconds) = retry_after {
        response = response.with_header("Retry-After", seconds.to_string());
    }
    Err(response.with_header("X-Rate-Limit-Problem", problem))
}
