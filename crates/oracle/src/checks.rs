//! Broken rules, and the choice of which are looked at.

use std::collections::BTreeSet;
use std::fmt;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The invariant's name in the list of invariants, e.g. `I-L1`.
    pub invariant: &'static str,
    /// Where, in words.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Which rules are looked at.
///
/// ```
/// use oracle::Checks;
///
/// let checks = Checks::all().without("I-L1");
/// assert!(!checks.has("I-L1") && checks.has("I-L2"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks(BTreeSet<&'static str>);

impl Checks {
    /// Every rule that the oracle knows. `I-L2w` is the part of I-L2 about edits made in Xero while a request was on its
    /// way, which can be listed and not prevented.
    pub const NAMES: [&'static str; 35] = [
        "I-A1", "I-C1", "I-C2", "I-C5", "I-C6", "I-D1", "I-D2", "I-D3", "I-D4", "I-J2", "I-J3", "I-L1", "I-L2",
        "I-L2w", "I-L3", "I-L4", "I-L5", "I-L6", "I-L7", "I-L8", "I-L9", "I-M2", "I-M3", "I-M5", "I-Q1", "I-S1",
        "I-S2", "I-S3", "I-S4", "I-S5", "I-T1", "I-T2", "I-T3", "I-X1", "I-X2",
    ];

    /// All of them.
    pub fn all() -> Self {
        Self(Self::NAMES.into_iter().collect())
    }

    /// None.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// The same without one rule. A name that no rule has changes nothing.
    #[must_use]
    pub fn without(mut self, invariant: &str) -> Self {
        self.0.retain(|name| *name != invariant);
        self
    }

    /// Whether a rule is looked at.
    pub fn has(&self, invariant: &str) -> bool {
        self.0.contains(invariant)
    }

    /// What is left of findings, in order and each once.
    pub(crate) fn keep(&self, found: Vec<Violation>) -> Vec<Violation> {
        let kept: BTreeSet<Violation> = found.into_iter().filter(|one| self.has(one.invariant)).collect();
        kept.into_iter().collect()
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::all()
    }
}
