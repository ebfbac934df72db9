//! A refusal: a stable code, a sentence, and who can do something about it.

/// Who can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Advice {
    /// It heals by itself: the same thing is tried again.
    Retry,
    /// The data has to change; the next change of the record tries again.
    FixData,
    /// A person has to decide something, here or in Xero.
    AskPerson,
}

impl Advice {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "RETRY",
            Self::FixData => "FIX_DATA",
            Self::AskPerson => "ASK_PERSON",
        }
    }
}

/// Why a change does not go to Xero, or did not stay there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable code, `TO-…`.
    pub code: &'static str,
    /// One plain sentence, with what to do in it.
    pub message: String,
    /// Who can help.
    pub advice: Advice,
}

impl Refusal {
    /// A refusal with the advice that belongs to its code.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), advice: advice_of(code).unwrap_or(Advice::AskPerson) }
    }
}

/// Every code of a change that does not reach Xero, with who can help.
pub const CODES: &[(&str, Advice)] = &[
    ("TO-STATUS", Advice::FixData),
    ("TO-PAID-BY-STATUS", Advice::FixData),
    ("TO-HAS-PAYMENTS", Advice::FixData),
    ("TO-FROZEN", Advice::FixData),
    ("TO-PAYMENT-IMMUTABLE", Advice::FixData),
    ("TO-OVERPAID", Advice::FixData),
    ("TO-NOT-PAYABLE", Advice::FixData),
    ("TO-IMMUTABLE", Advice::FixData),
    ("TO-ARCHIVED", Advice::AskPerson),
    ("TO-LOCKED-PERIOD", Advice::AskPerson),
    ("TO-ACCOUNT", Advice::FixData),
    ("TO-CURRENCY", Advice::FixData),
    ("TO-TAX", Advice::FixData),
    ("TO-NAME-TAKEN", Advice::AskPerson),
    ("TO-NUMBER-TAKEN", Advice::AskPerson),
    ("TO-EMAIL", Advice::FixData),
    ("TO-LINE-TOTAL", Advice::FixData),
    ("TO-NO-LINES", Advice::FixData),
    ("TO-RECONCILED", Advice::AskPerson),
    ("TO-PLAN-LIMIT", Advice::AskPerson),
    ("TO-BAD-FIELD", Advice::FixData),
    ("TO-REJECTED", Advice::AskPerson),
    ("TO-WAITING", Advice::Retry),
    ("TO-MATCH", Advice::AskPerson),
    ("TO-MOVED", Advice::Retry),
    ("TO-BRAKE", Advice::AskPerson),
    ("TO-DUPLICATE", Advice::AskPerson),
];

/// Who can help with a code; `None` for a code that changes on their way to Xero never end with.
pub fn advice_of(code: &str) -> Option<Advice> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, advice)| *advice)
}
