//! The seam for Xero's limits: who may call now, and what Xero said about the budget.
//!
//! The client has one path to the wire and it asks a [`Governor`] each time, so no request can be sent round it. The trait is
//! written so that a store can keep the state for all processes of an app; [`crate::InProcessGovernor`] keeps it for one.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::endpoints::TenantId;
use crate::transport::Response;

/// Who is waiting for the answer. A person's action never waits behind a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Somebody is waiting; may use the reserve.
    Interactive,
    /// Work that can wait; leaves a reserve of every budget.
    Background,
}

/// Which of Xero's limits was met (`X-Rate-Limit-Problem`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// 5 calls in flight per tenant.
    Concurrent,
    /// 60 calls a minute per tenant.
    Minute,
    /// 1,000 or 5,000 calls a day per tenant.
    Day,
    /// 10,000 calls a minute over all tenants of the app.
    AppMinute,
    /// A limit that this crate does not know by name; handled like the minute.
    Unknown,
}

impl Window {
    /// Reads the header's value; spelling and case have varied, so letters only are compared.
    pub fn from_header(value: &str) -> Window {
        let letters: String = value.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
        match letters.as_str() {
            "concurrent" => Window::Concurrent,
            "minute" => Window::Minute,
            "day" | "daily" => Window::Day,
            "appminute" => Window::AppMinute,
            _ => Window::Unknown,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Window::Concurrent => "concurrent",
            Window::Minute => "minute",
            Window::Day => "day",
            Window::AppMinute => "app minute",
            Window::Unknown => "unknown",
        })
    }
}

/// A limit is used up: the tenant (or the app) is parked until `resume_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("xero's {window} limit is used up, work resumes by itself at {resume_at}")]
pub struct Limited {
    /// The limit that was met.
    pub window: Window,
    /// The earliest instant at which a call may be tried again.
    pub resume_at: Timestamp,
}

/// What an answer says about the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// The answer's status code.
    pub status: u16,
    /// `X-DayLimit-Remaining`.
    pub day_remaining: Option<u32>,
    /// `X-MinLimit-Remaining`.
    pub minute_remaining: Option<u32>,
    /// `X-AppMinLimit-Remaining`.
    pub app_minute_remaining: Option<u32>,
    /// `X-Rate-Limit-Problem`.
    pub problem: Option<Window>,
    /// `Retry-After`, in whole seconds as Xero sends it.
    pub retry_after: Option<Duration>,
}

impl Seen {
    /// Reads the limit headers of an answer. Headers that are absent or absurd are `None`.
    pub fn of(response: &Response) -> Seen {
        let number = |name: &str| response.header(name).and_then(|text| text.trim().parse().ok());
        Seen {
            status: response.status.as_u16(),
            day_remaining: number("x-daylimit-remaining"),
            minute_remaining: number("x-minlimit-remaining"),
            app_minute_remaining: number("x-appminlimit-remaining"),
            problem: response.header("x-rate-limit-problem").map(Window::from_header),
            retry_after: response.header("retry-after").and_then(parse_retry_after),
        }
    }

    /// Whether the answer was a 429.
    pub fn is_limited(&self) -> bool {
        self.status == 429
    }
}

/// Whole seconds only; a date or nonsense is `None`, which means back-off. More than seven days is nonsense.
pub(crate) fn parse_retry_after(text: &str) -> Option<Duration> {
    let seconds: u64 = text.trim().parse().ok()?;
    (seconds <= 7 * 24 * 3600).then(|| Duration::from_secs(seconds))
}

/// The right to have one call in flight; given back on drop.
pub struct Permit {
    _guard: Option<Box<dyn Any + Send>>,
}

impl Permit {
    /// A permit whose end is the drop of `guard`.
    pub fn new(guard: impl Any + Send) -> Permit {
        Permit { _guard: Some(Box::new(guard)) }
    }

    /// A permit that holds nothing.
    pub fn free() -> Permit {
        Permit { _guard: None }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// Keeps Xero's limits.
#[async_trait]
pub trait Governor: Send + Sync {
    /// Waits until one call for `tenant` (`None`: a call that belongs to no tenant, such as `/connections`) may go, and counts
    /// it. Returns [`Limited`] instead of waiting when the wait would be longer than the governor is set to bear.
    async fn admit(&self, tenant: Option<&TenantId>, lane: Lane) -> Result<Permit, Limited>;

    /// Learns from an answer. After a 429 returns until when calls of this kind are parked.
    fn observe(&self, tenant: Option<&TenantId>, seen: &Seen) -> Option<Limited>;
}

/// No limits at all, for benchmarks against an emulator without limits. Never for Xero.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

#[async_trait]
impl Governor for Unlimited {
    async fn admit(&self, _tenant: Option<&TenantId>, _lane: Lane) -> Result<Permit, Limited> {
        Ok(Permit::free())
    }

    fn observe(&self, _tenant: Option<&TenantId>, _seen: &Seen) -> Option<Limited> {
        None
    }
}
