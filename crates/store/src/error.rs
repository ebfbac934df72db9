//! What can go wrong with the database, by what the caller does next.

use std::path::PathBuf;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no database that Tieout can use.
    #[error("{0:?} is no database url: use sqlite:///path/to/file.db or postgres://user@host/database")]
    BadUrl(String),
    /// The database cannot be reached or opened; try again when it can.
    #[error("cannot open the database {target}: {cause}")]
    Unavailable {
        /// The file, or the server without its password.
        target: String,
        /// What the driver said.
        cause: String,
    },
    /// A newer version of Tieout made this database; nothing was changed.
    #[error(
        "this database has schema version {found}, this tieout knows {known}: use a tieout at least as new as the one that upgraded it"
    )]
    Newer {
        /// The database's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A migration that was applied is not the one that this program holds.
    #[error(
        "migration {version} of this database differs from this program's: it was changed after it was applied; restore the original program or the backup"
    )]
    Altered {
        /// Its number.
        version: i64,
    },
    /// Another process works on this SQLite file.
    #[error("another tieout works on {0}: stop it first, or use PostgreSQL to run several")]
    Locked(PathBuf),
    /// Somebody else holds the lock for longer than we wait; try again.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// There is no room left; nothing of the transaction was kept.
    #[error("the disk of the database is full: free some room, then run again (nothing half-done was kept)")]
    Full,
    /// The lease was lost to another worker; the transaction was undone.
    #[error("the lease {0} was lost to another worker")]
    LeaseLost(String),
    /// A rule of the schema refused the statement.
    #[error("the database refused the change: {0}")]
    Constraint(String),
    /// A row holds what no version of Tieout writes.
    #[error("a row of the database is damaged: {0}")]
    BadRow(String),
    /// Anything else that the driver reports.
    #[error("database error: {0}")]
    Driver(String),
}

impl Error {
    /// True if the same call may succeed later without anybody mending anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable { .. } | Self::LeaseLost(_))
    }

    /// True if another transaction was in the way, so that the same one may succeed at once: it held a lock, or has
    /// written the row that this one wanted to write.
    pub const fn is_contention(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Constraint(_))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(error.to_string()),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Constraint(error.to_string()),
            Some(
                ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::NotADatabase | ErrorCode::PermissionDenied,
            ) => Self::Unavailable { target: "file".into(), cause: error.to_string() },
            _ => Self::Driver(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let Some(refused) = error.as_db_error() else {
            let cause = error.to_string();
            return if error.is_closed() {
                Self::Unavailable { target: "server".into(), cause }
            } else {
                let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                Self::Driver(format!("{cause}{why}"))
            };
        };
        let said = format!("{}: {}", refused.code().code(), refused.message());
        match refused.code() {
            code if *code == SqlState::DISK_FULL => Self::Full,
            code if code.code().starts_with("23") => Self::Constraint(said),
            code if *code == SqlState::T_R_SERIALIZATION_FAILURE
                || *code == SqlState::T_R_DEADLOCK_DETECTED
                || *code == SqlState::LOCK_NOT_AVAILABLE =>
            {
                Self::Busy(said)
            }
            code if code.code().starts_with("57P")
                || code.code().starts_with("08")
                || code.code().starts_with("53") =>
            {
                Self::Unavailable { target: "server".into(), cause: said }
            }
            _ => Self::Driver(said),
        }
    }
}
