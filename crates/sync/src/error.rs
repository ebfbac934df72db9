//! What can go wrong in the engine, by what the caller does next. Each has a stable code with a page in docs/errors.md.

use jiff::Timestamp;

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such connection, or none at all.
    #[error("no organisation is connected: run `tieout connect` first")]
    NotConnected,
    /// The connection is not in a state to be used.
    #[error("{name} is {state}: {hint}")]
    NotUsable {
        /// Name of the tenant.
        name: String,
        /// Its state, in words.
        state: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Xero refused the saved permission; a person must connect again. Nothing was deleted.
    #[error("xero refused the saved permission ({reason}): run `tieout connect` again; all data is kept")]
    NeedsReconnect {
        /// Why, as far as is known.
        reason: String,
    },
    /// Another run of the same connection is under way.
    #[error(
        "another sync of this organisation is under way: wait for it (one whose process died is taken up after a minute), or look at `tieout runs`"
    )]
    Busy,
    /// Xero lists nothing where records are linked; absence never means deleted, so nothing was changed.
    #[error(
        "xero lists no {what} at all, while {linked} are linked: nothing was changed; look into xero, then sync again"
    )]
    SuspiciousEmpty {
        /// The kind, in words.
        what: &'static str,
        /// How many records are linked.
        linked: i64,
    },
    /// A list ended before the count that Xero gives with it; nothing of the page was used.
    #[error("xero's list of {what} ended after {listed} of {expected}: sync again; what was read before is kept")]
    ShortList {
        /// The kind, in words.
        what: &'static str,
        /// How many records were listed up to there.
        listed: i64,
        /// How many Xero said there are.
        expected: i64,
    },
    /// The database belongs to the other kind of Xero.
    #[error("this database holds {found} connections, and {wanted} Xero is configured: use another database")]
    WrongXero {
        /// `live` or `emulator`.
        found: String,
        /// `live` or `emulator`.
        wanted: &'static str,
    },
    /// The browser came back with a state that is unknown, used, too old or of another session.
    #[error("this sign-in was not begun here, was used already, or is older than 10 minutes: start again")]
    StaleConsent,
    /// The user, or Xero, refused the consent.
    #[error("xero did not give permission ({0}): start again and choose Allow")]
    ConsentRefused(String),
    /// The consent reaches no organisation.
    #[error("the sign-in reached no organisation: start again and choose one")]
    NoTenant,
    /// A stored secret cannot be read with this key.
    #[error("a stored secret cannot be read: is this the encryption key that it was stored with?")]
    WrongKey,
    /// Xero's token endpoint.
    #[error(transparent)]
    OAuth(#[from] xero::oauth::OAuthError),
    /// Xero's API.
    #[error(transparent)]
    Xero(xero::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A run stopped before it did more than anybody would want without being asked.
    #[error(transparent)]
    Braked(#[from] crate::brake::Braked),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was asked for makes no sense; the message says what would.
    #[error("{0}")]
    Invalid(String),
    /// The accounting rules, or Xero, do not allow it.
    #[error("{}", .0.message)]
    Refused(model::accounting::Refusal),
    /// It has changed since it was looked at; look again.
    #[error("{what} has changed since it was shown (now {version}): look at it again, then decide")]
    Stale {
        /// What, in words.
        what: String,
        /// Its version now.
        version: String,
    },
    /// A conflict is not as it was shown any more; here is how it stands now.
    #[error("conflict {} has changed since it was shown: look at it again, then decide", .0.conflict.id)]
    ConflictMoved(Box<crate::ConflictView>),
    /// Something that should be impossible; a bug worth a report.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<xero::Error> for Error {
    fn from(error: xero::Error) -> Self {
        match error {
            xero::Error::Token(xero::TokenError::NeedsReconnect { reason }) => Self::NeedsReconnect { reason },
            other => Self::Xero(other),
        }
    }
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        use xero::Error as Xero;
        match self {
            Self::NotConnected | Self::NotUsable { .. } => "TO-NOT-CONNECTED",
            Self::NeedsReconnect { .. } | Self::Xero(Xero::Expired { .. }) => "TO-RECONNECT",
            Self::Xero(Xero::Disconnected { .. }) => "TO-DISCONNECTED",
            Self::Xero(Xero::MissingScope { .. }) => "TO-SCOPE",
            Self::Xero(Xero::Forbidden { .. }) => "TO-ROLE",
            Self::Xero(Xero::Limited(limited)) if limited.window == xero::Window::Day => "TO-QUOTA-DAY",
            Self::Xero(Xero::Limited(_)) => "TO-QUOTA",
            Self::Xero(Xero::Rejected(_) | Xero::Gone | Xero::Invalid(_)) => "TO-REJECTED",
            Self::Xero(Xero::Protocol { .. }) => "TO-BAD-ANSWER",
            Self::Xero(_) => "TO-XERO-DOWN",
            Self::Busy => "TO-BUSY",
            Self::SuspiciousEmpty { .. } => "TO-EMPTY-LIST",
            Self::ShortList { .. } => "TO-SHORT-LIST",
            Self::WrongXero { .. } => "TO-WRONG-XERO",
            Self::StaleConsent | Self::ConsentRefused(_) | Self::NoTenant => "TO-CONSENT",
            Self::WrongKey => "TO-KEY",
            Self::OAuth(xero::oauth::OAuthError::InvalidGrant) => "TO-CONSENT",
            Self::OAuth(error) if error.is_permanent() => "TO-APP",
            Self::OAuth(_) => "TO-XERO-DOWN",
            Self::Store(store::Error::Full) => "TO-DISK-FULL",
            Self::Store(store::Error::Locked(_)) => "TO-LOCKED-DATABASE",
            Self::Store(store::Error::Newer { .. }) => "TO-NEWER-DATABASE",
            Self::Store(store::Error::Busy(_) | store::Error::Unavailable { .. }) => "TO-DATABASE-DOWN",
            Self::Store(store::Error::LeaseLost(_)) => "TO-BUSY",
            Self::Store(_) => "TO-DATABASE",
            Self::Braked(_) => "TO-BRAKE",
            Self::NotFound(_) => "TO-NOT-FOUND",
            Self::Invalid(_) => "TO-INVALID",
            Self::Refused(refusal) => refusal.code,
            Self::Stale { .. } | Self::ConflictMoved(_) => "TO-STALE",
            Self::Internal(_) => "TO-INTERNAL",
        }
    }

    /// True if the same run may go on later where it stopped, without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Xero(error) => !error.is_permanent() || matches!(error, xero::Error::Protocol { .. }),
            Self::OAuth(error) => !error.is_permanent(),
            Self::Store(error) => error.is_transient() || matches!(error, store::Error::Full),
            // What was read stays read: after connecting again the run goes on.
            Self::NeedsReconnect { .. } | Self::SuspiciousEmpty { .. } | Self::ShortList { .. } | Self::Braked(_) => {
                true
            }
            _ => false,
        }
    }

    /// True if the cause lies in one kind's list, so that the other kinds can still be read.
    pub(crate) fn is_of_one_list(&self) -> bool {
        match self {
            Self::SuspiciousEmpty { .. } | Self::ShortList { .. } | Self::Braked(_) => true,
            Self::Xero(error) => matches!(
                error,
                xero::Error::Protocol { .. }
                    | xero::Error::Rejected(_)
                    | xero::Error::Gone
                    | xero::Error::Forbidden { .. }
                    | xero::Error::MissingScope { .. }
            ),
            _ => false,
        }
    }

    /// True if nothing more can be sent to Xero just now, so that a push round ends.
    pub(crate) fn stops_a_round(&self) -> bool {
        match self {
            Self::Xero(error) => error.needs_person() || matches!(error, xero::Error::Limited(_)),
            Self::Internal(_) => false,
            _ => true,
        }
    }

    /// When it makes sense to try again, where Xero said so.
    pub fn resume_at(&self) -> Option<Timestamp> {
        match self {
            Self::Xero(xero::Error::Limited(limited)) => Some(limited.resume_at),
            _ => None,
        }
    }
}
