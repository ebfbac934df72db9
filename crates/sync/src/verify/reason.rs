//! Why a record differs: reasons that explain it, and reasons that do not.

/// Why a record differs, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The App changed what only Xero decides or computes.
    XeroOwned,
    /// The App changed it, and nothing captured that.
    AppUnnoticed,
    /// Xero changed it without saying so, or a sync missed it.
    XeroUnnoticed,
    /// Xero has it, the App does not.
    MissingInApp,
    /// The App has it, Xero does not.
    MissingInXero,
    /// One side's record cannot be read, and no failure lists it.
    Unreadable,
    /// Both sides are the same, but the link between them remembers something else.
    StaleLink,
    /// Both sides changed it; a conflict is open.
    Conflict,
    /// A listed failure is about it.
    Failed,
    /// It may be the same as a record of the other side; a person is asked.
    Candidate,
    /// A write of it is planned, under way, or not answered yet.
    Sending,
    /// The App changed it, which is captured and not sent yet.
    AppChanged,
    /// Xero changed it since the last sync.
    XeroChanged,
    /// The whole of its kind was never read.
    NotRead,
    /// A person set it aside.
    SetAside,
    /// It is gone on one side and removed on the other.
    Removed,
    /// It differed, and this sweep brought both sides together again.
    Healed,
}

impl Reason {
    /// Every reason, the worst first.
    pub const ALL: [Self; 17] = [
        Self::XeroOwned,
        Self::AppUnnoticed,
        Self::XeroUnnoticed,
        Self::MissingInApp,
        Self::MissingInXero,
        Self::Unreadable,
        Self::StaleLink,
        Self::Conflict,
        Self::Failed,
        Self::Candidate,
        Self::Sending,
        Self::AppChanged,
        Self::XeroChanged,
        Self::NotRead,
        Self::SetAside,
        Self::Removed,
        Self::Healed,
    ];

    /// The name in the database, the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XeroOwned => "XERO_OWNED",
            Self::AppUnnoticed => "APP_UNNOTICED",
            Self::XeroUnnoticed => "XERO_UNNOTICED",
            Self::MissingInApp => "MISSING_IN_APP",
            Self::MissingInXero => "MISSING_IN_XERO",
            Self::Unreadable => "UNREADABLE",
            Self::StaleLink => "STALE_LINK",
            Self::Conflict => "CONFLICT",
            Self::Failed => "FAILED",
            Self::Candidate => "CANDIDATE",
            Self::Sending => "SENDING",
            Self::AppChanged => "APP_CHANGED",
            Self::XeroChanged => "XERO_CHANGED",
            Self::NotRead => "NOT_READ",
            Self::SetAside => "SET_ASIDE",
            Self::Removed => "REMOVED",
            Self::Healed => "HEALED",
        }
    }

    /// The reason of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Whether something is known that ends the difference, or a person who wants it so.
    pub const fn is_explained(self) -> bool {
        !matches!(
            self,
            Self::XeroOwned
                | Self::AppUnnoticed
                | Self::XeroUnnoticed
                | Self::MissingInApp
                | Self::MissingInXero
                | Self::Unreadable
                | Self::StaleLink
        )
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::XeroOwned => "the App changed what only Xero decides",
            Self::AppUnnoticed => "the App changed it, and nothing captured that",
            Self::XeroUnnoticed => "Xero changed it without dating that, or a sync missed it",
            Self::MissingInApp => "Xero has it, the App does not",
            Self::MissingInXero => "the App has it, Xero does not",
            Self::Unreadable => "it cannot be read, and no failure lists it",
            Self::StaleLink => "both sides are the same, but their link remembers another state",
            Self::Conflict => "both sides changed it; somebody has to decide",
            Self::Failed => "it is among the failures",
            Self::Candidate => "it may be the same as a record of the other side; somebody has to say",
            Self::Sending => "a write to Xero is under way",
            Self::AppChanged => "App changed it, not sent yet",
            Self::XeroChanged => "Xero changed it, not read yet",
            Self::NotRead => "the whole of this kind was never read: run a full sync",
            Self::SetAside => "somebody set it aside",
            Self::Removed => "it is gone on one side and removed on the other",
            Self::Healed => "it differed, and was brought together again",
        }
    }
}
