//! Fault rules: calls of a kind go wrong in a chosen way, at chosen times, and it is counted how often.
//!
//! A rule can be written on one line, which is also how it is listed:
//!
//! ```
//! use emulator::FaultRule;
//!
//! let rule: FaultRule = "nth=3 PUT Invoices commit-then-lose".parse().unwrap();
//! assert_eq!(rule.to_string(), "nth=3 PUT Invoices commit-then-lose");
//! ```

mod text;
mod twist;

pub(crate) use text::{parse_action, parse_when};
pub(crate) use twist::{Done, Late, Twist};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::http::Request;
use crate::ids;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAction {
    /// Refused with this status before anything happens. A 500 is kept under the call's `Idempotency-Key`, as Xero does.
    StatusBefore(u16),
    /// Carried out, but answered with a page of this status (500 after commit; a 500 is kept under the key).
    StatusAfter(u16),
    /// Carried out, but the answer never arrives.
    LoseAnswer,
    /// Never arrives, and is never answered.
    LoseRequest,
    /// Carried out at once and answered so many milliseconds later.
    Slow(u64),
    /// Not answered, but carried out so many milliseconds later, when the client has long given up.
    Late(u64),
    /// Carried out, but the answer is damaged on its way.
    Garble(Garble),
    /// A list that has rows is answered as an empty one.
    EmptyList,
    /// A list shows the books as they were so many milliseconds ago. Reads by id stay fresh.
    StaleList(u64),
    /// A write that leaves every `UpdatedDateUTC` alone.
    QuietWrite,
    /// Every so-many-th element of a batch is refused, with the message of a reached plan limit.
    RefuseElements(u32),
    /// Refused with 503 and one of Xero's texts.
    Offline(Offline),
    /// Refused with 429 for this limit, with a `Retry-After` in seconds or without one.
    TooMany(LimitName, Option<u32>),
    /// Every access token issued so far expires just before the call.
    ExpireTokens,
    /// Every access and refresh token issued so far becomes worthless just before the call.
    RevokeTokens,
    /// The call's organisation is disconnected just before the call.
    Disconnect,
    /// The emulator's clock jumps by so many milliseconds just before the call.
    SkewClock(i64),
}

/// How an answer is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garble {
    /// The second half of the body is missing.
    Truncated,
    /// The body is not JSON although it says so.
    BadJson,
    /// 200 with a page for people.
    Html,
    /// The right body under `text/plain`.
    WrongType,
    /// 200 with nothing in it.
    Empty,
    /// It says that it is compressed and is not.
    BadGzip,
}

/// Xero's three texts with a 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offline {
    /// `The Xero API is currently offline for maintenance`
    Maintenance,
    /// `The Xero API is temporarily unavailable`
    Unavailable,
    /// `The Organisation is offline`
    Organisation,
}

/// The limits as `X-Rate-Limit-Problem` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitName {
    /// Calls in flight.
    Concurrent,
    /// Calls in a minute.
    Minute,
    /// Calls in a day.
    Day,
    /// Calls in a minute over all organisations.
    AppMinute,
}

/// Which of the calls that match go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The one of this number, counted from 1 since the rule was added.
    Nth(u64),
    /// Every one whose number is a multiple of this.
    Every(u64),
    /// Each with this probability in millionths, drawn from the emulator's seed.
    Chance(u32),
}

/// A rule: which calls, when, how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// HTTP method; empty matches every method.
    pub method: String,
    /// A part of the path (or, with a `?` or `&` in it, of path and query); empty matches every path.
    pub path_contains: String,
    /// Only calls for this organisation.
    pub tenant: Option<Uuid>,
    /// Which of the matching calls.
    pub when: When,
    /// How often at most; `None` is without end.
    pub times: Option<u64>,
    /// How.
    pub action: FaultAction,
}

/// The simplest rule: of the calls that match, the `nth` goes wrong, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP method; empty matches every method.
    pub method: String,
    /// A part of the path; empty matches every path.
    pub path_contains: String,
    /// Which matching call goes wrong, counted from 1 since the rule was added.
    pub nth: u64,
    /// How.
    pub action: FaultAction,
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        let Fault { method, path_contains, nth, action } = fault;
        Self { method, path_contains, tenant: None, when: When::Nth(nth.max(1)), times: None, action }
    }
}

/// A rule that was added, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultState {
    /// By which it is removed.
    pub id: u64,
    /// The rule.
    pub rule: FaultRule,
    /// How many calls matched since it was added.
    pub seen: u64,
    /// How often it struck.
    pub fired: u64,
}

/// The rules in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Vec<FaultState>,
    added: u64,
    rng: ChaCha8Rng,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), added: 0, rng: ids::stream(seed, "faults") }
    }

    pub(crate) fn add(&mut self, rule: FaultRule) -> u64 {
        self.added += 1;
        self.rules.push(FaultState { id: self.added, rule, seen: 0, fired: 0 });
        self.added
    }

    pub(crate) fn list(&self) -> &[FaultState] {
        &self.rules
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<FaultState> {
        let at = self.rules.iter().position(|state| state.id == id)?;
        Some(self.rules.remove(at))
    }

    /// Removes every rule, and says how many never struck.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.rules).iter().filter(|state| state.fired == 0).count()
    }

    /// How far back stale lists reach, in milliseconds; `None` when there are none.
    pub(crate) fn stale_span(&self) -> Option<u64> {
        let spans = self.rules.iter().filter_map(|state| match state.rule.action {
            FaultAction::StaleList(ms) => Some(ms),
            _ => None,
        });
        spans.max()
    }

    /// Counts the call in every rule that matches; of those that are due the first strikes.
    pub(crate) fn next(&mut self, request: &Request) -> Option<FaultAction> {
        let mut due = None;
        for (index, state) in self.rules.iter_mut().enumerate() {
            if !state.rule.matches(request) {
                continue;
            }
            state.seen += 1;
            let is_due = match state.rule.when {
                When::Nth(nth) => state.fired == 0 && state.seen >= nth,
                When::Every(step) => state.seen % step.max(1) == 0,
                // Drawn even when another rule strikes, so that the draws of a seed do not depend on other rules.
                When::Chance(millionths) => self.rng.random_range(0..1_000_000) < millionths,
            };
            let is_spent = state.rule.times.is_some_and(|times| state.fired >= times);
            if is_due && !is_spent && due.is_none() {
                due = Some(index);
            }
        }
        let state = &mut self.rules[due?];
        state.fired += 1;
        Some(state.rule.action)
    }
}

impl FaultRule {
    fn matches(&self, request: &Request) -> bool {
        let is_method = self.method.is_empty() || self.method.eq_ignore_ascii_case(&request.method);
        is_method && self.matches_path(request) && self.matches_tenant(request)
    }

    fn matches_path(&self, request: &Request) -> bool {
        if self.path_contains.contains(['?', '&']) {
            format!("{}?{}", request.path, request.query).contains(&self.path_contains)
        } else {
            request.path.contains(&self.path_contains)
        }
    }

    fn matches_tenant(&self, request: &Request) -> bool {
        let of = || request.header("xero-tenant-id").and_then(|id| Uuid::parse_str(id.trim()).ok());
        self.tenant.is_none_or(|tenant| of() == Some(tenant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rules: &[&str]) -> Faults {
        let mut faults = Faults::new(7);
        for rule in rules {
            faults.add(rule.parse().unwrap());
        }
        faults
    }

    fn strikes(faults: &mut Faults, calls: usize) -> Vec<usize> {
        let put = Request::new("PUT", "/api.xro/2.0/Invoices");
        (1..=calls).filter(|_| faults.next(&put).is_some()).collect()
    }

    #[test]
    fn only_the_nth_matching_call_fails() {
        let mut faults = Faults::new(7);
        let action = FaultAction::LoseAnswer;
        faults.add(Fault { method: "PUT".into(), path_contains: "Invoices".into(), nth: 2, action }.into());
        let put = Request::new("PUT", "/api.xro/2.0/Invoices");
        assert_eq!(faults.next(&put), None);
        assert_eq!(faults.next(&Request::new("GET", "/api.xro/2.0/Invoices")), None);
        assert_eq!(faults.next(&put), Some(FaultAction::LoseAnswer));
        assert_eq!(faults.next(&put), None);
        let state = &faults.list()[0];
        assert_eq!((state.seen, state.fired), (3, 1));
    }

    #[test]
    fn every_nth_and_no_more_often_than_told() {
        assert_eq!(strikes(&mut faults(&["every=3 PUT Invoices offline"]), 10), [3, 6, 9]);
        assert_eq!(strikes(&mut faults(&["every=2 times=2 PUT Invoices offline"]), 10), [2, 4]);
    }

    #[test]
    fn chances_follow_from_the_seed() {
        let first = strikes(&mut faults(&["p=0.25 offline"]), 1_000);
        assert_eq!(first, strikes(&mut faults(&["p=0.25 offline"]), 1_000));
        assert!((200..300).contains(&first.len()), "{}", first.len());
        assert_eq!(strikes(&mut faults(&["p=0 offline"]), 50), Vec::<usize>::new());
        assert_eq!(strikes(&mut faults(&["p=1 offline"]), 5).len(), 5);
    }

    #[test]
    fn two_rules_for_the_same_call_strike_one_after_the_other() {
        assert_eq!(strikes(&mut faults(&["PUT Invoices offline", "PUT Invoices truncate"]), 5), [1, 2]);
    }

    #[test]
    fn a_rule_for_one_organisation_or_with_a_query_leaves_others_alone() {
        let tenant = Uuid::from_u128(5);
        let mut faults = faults(&[&format!("every=1 tenant={tenant} GET Contacts?page=2 empty-list")]);
        let call =
            |target: &str, tenant: Uuid| Request::new("GET", target).with_header("Xero-Tenant-Id", &tenant.to_string());
        assert_eq!(faults.next(&call("/api.xro/2.0/Contacts?page=2", Uuid::from_u128(6))), None);
        assert_eq!(faults.next(&call("/api.xro/2.0/Contacts?page=1", tenant)), None);
        assert_eq!(faults.next(&call("/api.xro/2.0/Contacts?page=2", tenant)), Some(FaultAction::EmptyList));
        assert_eq!(faults.remove(1).map(|state| state.fired), Some(1));
        assert_eq!(faults.remove(1), None);
    }
}
