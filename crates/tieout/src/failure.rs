//! How a command ends: exit codes that scripts may rely on, and errors that end with the next command to run.

use std::process::ExitCode;

use store::Error as StoreError;
use sync::Error as SyncError;
use xero::oauth::OAuthError;

/// The exit codes; `docs` and `--help` list them, and they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed for a reason that no other code names.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Done, but for some records.
    Partial = 3,
    /// Conflicts wait for a person, or one has changed since it was shown.
    Conflicts = 4,
    /// A brake stopped the run before its first change.
    Brake = 5,
    /// No organisation is connected, or it must be connected again.
    NotConnected = 6,
    /// Xero's limit is used up.
    Quota = 7,
    /// The two sides do not agree.
    Difference = 8,
    /// The database is not there, or not of this version.
    NoDatabase = 10,
    /// Another process works on the same thing.
    Locked = 11,
    /// The settings are wrong, or there is no key.
    Config = 78,
    /// Stopped by Ctrl+C or a signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the shell sees.
    pub(crate) exit: Exit,
    /// Stable code, where there is one.
    pub(crate) code: Option<&'static str>,
    /// What is wrong, lower case, without full stop.
    pub(crate) message: String,
    /// The next command to run.
    pub(crate) next: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let next = match exit {
            Exit::NotConnected => "tieout connect",
            Exit::Quota | Exit::Partial => "tieout status",
            Exit::Conflicts => "tieout conflicts",
            Exit::Brake | Exit::Difference => "tieout sync full",
            Exit::Config => "tieout config check",
            Exit::Usage => "tieout --help",
            Exit::Locked => "tieout runs",
            Exit::Done | Exit::Failed | Exit::NoDatabase | Exit::Interrupted => "tieout doctor",
        };
        Self { exit, code: None, message: message.into(), next: next.into() }
    }

    /// With another next command than the usual one of its exit code.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// Ctrl+C or a signal, in the middle of work that goes on where it stopped.
    pub(crate) fn interrupted(next: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, "stopped; what was done is kept, and the next run goes on from there").next(next)
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        SyncError::Store(error).into()
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        // A token that cannot be decrypted reaches us as one that Xero would refuse; the cure is another.
        let is_wrong_key = |reason: &str| reason == SyncError::WrongKey.to_string();
        let error = match error {
            SyncError::NeedsReconnect { reason } if is_wrong_key(&reason) => SyncError::WrongKey,
            other => other,
        };
        let failure = Self::new(exit_of(&error), error.to_string()).coded(error.code());
        match &error {
            SyncError::Store(StoreError::Newer { .. } | StoreError::Altered { .. }) => failure.next("tieout version"),
            SyncError::Store(StoreError::Locked(_)) => failure.next("tieout status"),
            SyncError::WrongXero { .. } => failure.next("tieout config show"),
            SyncError::WrongKey => failure.next("tieout doctor"),
            SyncError::Braked(_) => failure.next("tieout brakes"),
            SyncError::ConflictMoved(view) => failure.next(format!("tieout conflicts show {}", view.conflict.id)),
            SyncError::NotFound(_) | SyncError::Invalid(_) | SyncError::Refused(_) => failure.next("tieout status"),
            _ => failure,
        }
    }
}

fn exit_of(error: &SyncError) -> Exit {
    match error {
        SyncError::NotConnected
        | SyncError::NotUsable { .. }
        | SyncError::NeedsReconnect { .. }
        | SyncError::StaleConsent
        | SyncError::ConsentRefused(_)
        | SyncError::NoTenant
        | SyncError::OAuth(OAuthError::InvalidGrant)
        | SyncError::Xero(
            xero::Error::Expired { .. } | xero::Error::MissingScope { .. } | xero::Error::Disconnected { .. },
        ) => Exit::NotConnected,
        SyncError::Xero(xero::Error::Limited(_)) => Exit::Quota,
        SyncError::SuspiciousEmpty { .. } | SyncError::ShortList { .. } | SyncError::Braked(_) => Exit::Brake,
        SyncError::Stale { .. } | SyncError::ConflictMoved(_) => Exit::Conflicts,
        SyncError::Invalid(_) => Exit::Usage,
        SyncError::Busy | SyncError::Store(StoreError::Locked(_) | StoreError::LeaseLost(_)) => Exit::Locked,
        SyncError::WrongXero { .. } | SyncError::WrongKey | SyncError::Store(StoreError::BadUrl(_)) => Exit::Config,
        SyncError::OAuth(error) if is_of_the_app(error) => Exit::Config,
        SyncError::Store(
            StoreError::Unavailable { .. }
            | StoreError::Newer { .. }
            | StoreError::Altered { .. }
            | StoreError::Busy(_),
        ) => Exit::NoDatabase,
        _ => Exit::Failed,
    }
}

/// Client id, secret or scopes are not what Xero knows.
fn is_of_the_app(error: &OAuthError) -> bool {
    matches!(error, OAuthError::InvalidClient | OAuthError::UnauthorizedClient | OAuthError::InvalidScope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_exit_code_that_the_help_promises() {
        let exit = |error: SyncError| Failure::from(error).exit as u8;
        assert_eq!(exit(SyncError::NotConnected), 6);
        assert_eq!(exit(SyncError::NeedsReconnect { reason: String::new() }), 6);
        assert_eq!(exit(SyncError::Busy), 11);
        assert_eq!(exit(SyncError::WrongKey), 78);
        assert_eq!(exit(SyncError::SuspiciousEmpty { what: "invoices", linked: 3 }), 5);
        assert_eq!(exit(SyncError::Stale { what: "the invoice".into(), version: String::new() }), 4);
        assert_eq!(exit(SyncError::Invalid("no".into())), 2);
        assert_eq!(exit(SyncError::Store(StoreError::Locked("x.db".into()))), 11);
        assert_eq!(exit(SyncError::Store(StoreError::Newer { found: 9, known: 2 })), 10);
        assert_eq!(exit(SyncError::Store(StoreError::Full)), 1);
        assert_eq!(exit(SyncError::OAuth(OAuthError::InvalidClient)), 78);
        assert_eq!(exit(SyncError::OAuth(OAuthError::InvalidGrant)), 6);
        let limited = xero::Limited { window: xero::Window::Day, resume_at: jiff::Timestamp::UNIX_EPOCH };
        assert_eq!(exit(SyncError::Xero(xero::Error::Limited(limited))), 7);
    }

    #[test]
    fn every_failure_names_a_next_command() {
        for exit in [Exit::Failed, Exit::Usage, Exit::NotConnected, Exit::Config, Exit::Interrupted, Exit::NoDatabase] {
            assert!(Failure::new(exit, "x").next.starts_with("tieout "), "{exit:?}");
        }
    }
}
