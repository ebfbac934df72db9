//! What must happen sometimes: a simulation that never loses an answer proves nothing about lost answers.

use std::collections::BTreeMap;

/// Something that a simulation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are put into words below")]
pub enum Seen {
    Crash,
    CrashInRecovery,
    PowerLoss,
    Freeze,
    NotSent,
    AnswerLost,
    LostAfterCommit,
    LostAfterCommitOfPayment,
    LateDelivery,
    KeyReplayed,
    LookUp,
    Adopted,
    CrashInLookUp,
    LeaseTaken,
    LeaseLost,
    ThreeWayMerge,
    Conflict,
    PossibleOverwrite,
    EditBetweenLookAndWrite,
    EditDuringWrite,
    PageDrift,
    StaleList,
    EmptyList,
    Brake,
    Refused,
    ElementRefused,
    LimitMet,
    DayLimitMet,
    ServerError,
    Damaged,
    TokenRotated,
    TokenRotatedThenCrash,
    GraceRetry,
    NeedsReconnect,
    Reconnected,
    DatabaseBusy,
    DiskFull,
    CommitUnknown,
    PolicyChanged,
    Candidate,
    Healed,
    Skewed,
}

impl Seen {
    /// All of them.
    pub const ALL: [Self; 42] = [
        Self::Crash,
        Self::CrashInRecovery,
        Self::PowerLoss,
        Self::Freeze,
        Self::NotSent,
        Self::AnswerLost,
        Self::LostAfterCommit,
        Self::LostAfterCommitOfPayment,
        Self::LateDelivery,
        Self::KeyReplayed,
        Self::LookUp,
        Self::Adopted,
        Self::CrashInLookUp,
        Self::LeaseTaken,
        Self::LeaseLost,
        Self::ThreeWayMerge,
        Self::Conflict,
        Self::PossibleOverwrite,
        Self::EditBetweenLookAndWrite,
        Self::EditDuringWrite,
        Self::PageDrift,
        Self::StaleList,
        Self::EmptyList,
        Self::Brake,
        Self::Refused,
        Self::ElementRefused,
        Self::LimitMet,
        Self::DayLimitMet,
        Self::ServerError,
        Self::Damaged,
        Self::TokenRotated,
        Self::TokenRotatedThenCrash,
        Self::GraceRetry,
        Self::NeedsReconnect,
        Self::Reconnected,
        Self::DatabaseBusy,
        Self::DiskFull,
        Self::CommitUnknown,
        Self::PolicyChanged,
        Self::Candidate,
        Self::Healed,
        Self::Skewed,
    ];
}

/// How often each was seen.
#[derive(Debug, Clone, Default)]
pub struct Coverage(BTreeMap<Seen, u64>);

impl Coverage {
    /// Once more.
    pub fn saw(&mut self, what: Seen) {
        *self.0.entry(what).or_default() += 1;
    }

    /// What another run saw, too.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(*what).or_default() += count;
        }
    }

    /// How often it was seen.
    pub fn count(&self, what: Seen) -> u64 {
        self.0.get(&what).copied().unwrap_or(0)
    }

    /// What was not seen at all.
    pub fn missing(&self) -> Vec<Seen> {
        Seen::ALL.into_iter().filter(|what| self.count(*what) == 0).collect()
    }

    /// All of them, with how often.
    pub fn counts(&self) -> impl Iterator<Item = (Seen, u64)> + '_ {
        Seen::ALL.into_iter().map(|what| (what, self.count(what)))
    }
}
