//! Fault rules as text: `[nth=N | every=N | p=0.05] [times=N] [tenant=ID] [METHOD] [PATH] ACTION`.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{FaultAction, FaultRule, Garble, LimitName, Offline, When};

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "*"];

/// What an action without a figure is called.
const WORDS: [(&str, FaultAction); 14] = [
    ("commit-then-lose", FaultAction::LoseAnswer),
    ("lose-before-commit", FaultAction::LoseRequest),
    ("truncate", FaultAction::Garble(Garble::Truncated)),
    ("bad-json", FaultAction::Garble(Garble::BadJson)),
    ("html", FaultAction::Garble(Garble::Html)),
    ("wrong-type", FaultAction::Garble(Garble::WrongType)),
    ("empty-body", FaultAction::Garble(Garble::Empty)),
    ("bad-gzip", FaultAction::Garble(Garble::BadGzip)),
    ("empty-list", FaultAction::EmptyList),
    ("no-bump", FaultAction::QuietWrite),
    ("expire-tokens", FaultAction::ExpireTokens),
    ("revoke-tokens", FaultAction::RevokeTokens),
    ("disconnect", FaultAction::Disconnect),
    ("lose-answer", FaultAction::LoseAnswer),
];

const OFFLINE: [(&str, Offline); 3] = [
    ("maintenance", Offline::Maintenance),
    ("unavailable", Offline::Unavailable),
    ("organisation", Offline::Organisation),
];

const LIMITS: [(&str, LimitName); 4] = [
    ("concurrent", LimitName::Concurrent),
    ("minute", LimitName::Minute),
    ("day", LimitName::Day),
    ("appminute", LimitName::AppMinute),
];

fn named<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

fn name_of<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, own)| *own == value).map_or("", |(name, _)| name)
}

impl LimitName {
    /// As `X-Rate-Limit-Problem` spells it.
    pub(crate) fn as_str(self) -> &'static str {
        name_of(&LIMITS, self)
    }
}

/// Milliseconds: `1500`, `1500ms`, `90s` or `4m`, with a sign where one makes sense.
fn milliseconds(text: &str) -> Option<i64> {
    let (digits, unit) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, 1)
    } else if let Some(digits) = text.strip_suffix('s') {
        (digits, 1_000)
    } else if let Some(digits) = text.strip_suffix('m') {
        (digits, 60_000)
    } else {
        (text, 1)
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

fn status(text: &str) -> Result<u16, String> {
    let status = text.parse().ok().filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| format!("'{text}' is not a status between 200 and 599"))
}

/// Reads an action, e.g. `commit-then-status=500` or `late=30s`.
pub(crate) fn parse_action(text: &str) -> Result<FaultAction, String> {
    if let Some(action) = named(&WORDS, text) {
        return Ok(action);
    }
    let (word, value) = text.split_once('=').unwrap_or((text, ""));
    let duration = || {
        let ms = milliseconds(value).and_then(|ms| u64::try_from(ms).ok());
        ms.ok_or_else(|| format!("{word} needs a time such as {word}=1500ms, {word}=90s or {word}=4m"))
    };
    match word {
        "refuse" => Ok(FaultAction::StatusBefore(status(value)?)),
        "commit-then-status" => Ok(FaultAction::StatusAfter(status(value)?)),
        "slow" => Ok(FaultAction::Slow(duration()?)),
        "late" => Ok(FaultAction::Late(duration()?)),
        "stale" => Ok(FaultAction::StaleList(duration()?)),
        "skew" => {
            milliseconds(value).map(FaultAction::SkewClock).ok_or_else(|| "skew needs a time such as skew=-10m".into())
        }
        "refuse-elements" => {
            let step = if value.is_empty() { Some(1) } else { value.parse().ok().filter(|step| *step > 0) };
            step.map(FaultAction::RefuseElements).ok_or_else(|| "refuse-elements needs a number from 1".into())
        }
        "offline" => named(&OFFLINE, if value.is_empty() { "unavailable" } else { value })
            .map(FaultAction::Offline)
            .ok_or_else(|| "offline is maintenance, unavailable or organisation".into()),
        "limit" => {
            let (name, seconds) = value.split_once(',').unwrap_or((value, ""));
            let name = named(&LIMITS, name).ok_or("limit is concurrent, minute, day or appminute")?;
            let seconds = if seconds.is_empty() {
                None
            } else {
                Some(seconds.parse().map_err(|_| format!("'{seconds}' is not a number of seconds"))?)
            };
            Ok(FaultAction::TooMany(name, seconds))
        }
        _ => Err(format!("'{text}' is not an action; commit-then-lose, refuse=503 or late=30s would be")),
    }
}

/// Reads a probability of at most six decimals as millionths.
fn millionths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts: u32 = format!("{fraction:0<6}").parse().ok()?;
    let value = whole.parse::<u32>().ok()?.checked_mul(1_000_000)?.checked_add(parts)?;
    (value <= 1_000_000).then_some(value)
}

/// Reads `nth=3`, `every=2` or `p=0.05`; `None` for anything else.
pub(crate) fn parse_when(word: &str) -> Option<Result<When, String>> {
    let (key, value) = word.split_once('=')?;
    let number = || value.parse::<u64>().ok().filter(|number| *number > 0);
    let bad = || format!("'{word}' needs a number");
    match key {
        "nth" => Some(number().map(When::Nth).ok_or_else(bad)),
        "every" => Some(number().map(When::Every).ok_or_else(bad)),
        "p" => Some(millionths(value).map(When::Chance).ok_or_else(|| format!("'{word}' must be from p=0 to p=1"))),
        _ => None,
    }
}

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let action = parse_action(words.pop().ok_or("the rule is empty")?)?;
        let mut rule = Self {
            method: String::new(),
            path_contains: String::new(),
            tenant: None,
            when: When::Nth(1),
            times: None,
            action,
        };
        for word in words {
            if let Some(when) = parse_when(word) {
                rule.when = when?;
            } else if let Some(times) = word.strip_prefix("times=") {
                rule.times = Some(times.parse().map_err(|_| format!("'{word}' needs a number"))?);
            } else if let Some(tenant) = word.strip_prefix("tenant=") {
                rule.tenant = Some(Uuid::parse_str(tenant).map_err(|_| format!("'{tenant}' is not a tenant id"))?);
            } else if METHODS.contains(&word) && rule.method.is_empty() && rule.path_contains.is_empty() {
                rule.method = word.trim_matches('*').into();
            } else if rule.path_contains.is_empty() {
                rule.path_contains = word.trim_matches('*').into();
            } else {
                return Err(format!("'{word}' is one word too many"));
            }
        }
        Ok(rule)
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::Nth(nth) => write!(f, "nth={nth} ")?,
            When::Every(step) => write!(f, "every={step} ")?,
            When::Chance(parts) => write!(f, "p={}.{:06} ", parts / 1_000_000, parts % 1_000_000)?,
        }
        if let Some(times) = self.times {
            write!(f, "times={times} ")?;
        }
        if let Some(tenant) = self.tenant {
            write!(f, "tenant={tenant} ")?;
        }
        if !self.method.is_empty() {
            write!(f, "{} ", self.method)?;
        }
        if !self.path_contains.is_empty() {
            write!(f, "{} ", self.path_contains)?;
        }
        write!(f, "{}", self.action)
    }
}

impl fmt::Display for FaultAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatusBefore(status) => write!(f, "refuse={status}"),
            Self::StatusAfter(status) => write!(f, "commit-then-status={status}"),
            Self::Slow(ms) => write!(f, "slow={ms}ms"),
            Self::Late(ms) => write!(f, "late={ms}ms"),
            Self::StaleList(ms) => write!(f, "stale={ms}ms"),
            Self::SkewClock(ms) => write!(f, "skew={ms}ms"),
            Self::RefuseElements(step) => write!(f, "refuse-elements={step}"),
            Self::Offline(kind) => write!(f, "offline={}", name_of(&OFFLINE, *kind)),
            Self::TooMany(name, None) => write!(f, "limit={}", name.as_str()),
            Self::TooMany(name, Some(seconds)) => write!(f, "limit={},{seconds}", name.as_str()),
            other => f.write_str(name_of(&WORDS, *other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written_alike() {
        for text in [
            "nth=3 PUT Invoices commit-then-lose",
            "every=2 times=5 GET Contacts?page=2 refuse=503",
            "p=0.050000 tenant=00000000-0000-0000-0000-000000000005 POST commit-then-status=500",
            "nth=1 lose-before-commit",
            "nth=1 late=30000ms",
            "nth=1 slow=2000ms",
            "nth=1 GET /Invoices stale=60000ms",
            "nth=1 skew=-600000ms",
            "nth=1 refuse-elements=2",
            "nth=1 offline=organisation",
            "nth=1 limit=day,3600",
            "nth=1 limit=concurrent",
            "nth=1 revoke-tokens",
        ] {
            let rule: FaultRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (word, action) in WORDS {
            assert_eq!(parse_action(word), Ok(action));
            assert_eq!(parse_action(&action.to_string()), Ok(action));
        }
    }

    #[test]
    fn times_are_read_in_any_unit_and_stars_match_all() {
        let rule: FaultRule = "* * late=4m".parse().unwrap();
        assert_eq!((rule.method.as_str(), rule.path_contains.as_str()), ("", ""));
        assert_eq!(rule.action, FaultAction::Late(240_000));
        assert_eq!(parse_action("slow=90s"), Ok(FaultAction::Slow(90_000)));
        assert_eq!(parse_action("offline"), Ok(FaultAction::Offline(Offline::Unavailable)));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_a_reason() {
        for text in [
            "",
            "explode",
            "nth=0 html",
            "nth=x html",
            "p=1.5 html",
            "p=0.1234567 html",
            "refuse=99",
            "refuse",
            "late",
            "late=-5s",
            "limit=week",
            "offline=forever",
            "refuse-elements=0",
            "tenant=0 html",
            "PUT Invoices too many html",
            "times=often html",
        ] {
            assert!(text.parse::<FaultRule>().is_err_and(|message| !message.is_empty()), "{text}");
        }
    }
}
