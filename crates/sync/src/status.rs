//! How every connection stands, for the status command, the API and the pages.

use jiff::{SignedDuration, Timestamp};
use model::{ConnectionId, Kind};
use store::{Connection, Grant, GrantState, Integrity, Run, RunStatistics};

use crate::{Engine, Error};

/// How a connection stands.
#[derive(Debug, Clone)]
pub struct ConnectionStatus {
    /// The connection.
    pub connection: Connection,
    /// Its tokens; `None` once disconnected.
    pub tokens: Option<TokenStatus>,
    /// Its newest run.
    pub last_run: Option<Run>,
    /// Figures over its runs.
    pub statistics: RunStatistics,
    /// Records of each kind in the books.
    pub books: Vec<(Kind, i64)>,
    /// Open failures of each kind.
    pub failures: Vec<(Kind, i64)>,
    /// What its verifications say; `None` before the first.
    pub integrity: Option<Integrity>,
}

/// How a consent's tokens stand. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenStatus {
    /// True unless Xero refused them.
    pub is_active: bool,
    /// When the access token ends; it is refreshed five minutes before.
    pub access_expires_at: Option<Timestamp>,
    /// When the refresh token ends if it is not used: 60 days after its issue.
    pub refresh_expires_at: Option<Timestamp>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Scopes that this version wants and that were not granted.
    pub missing_scopes: Vec<String>,
}

/// A refresh token dies after so many days without use (xero-facts §1.2).
const REFRESH_DAYS: i64 = 60;

impl Engine {
    /// How a connection stands.
    ///
    /// # Errors
    /// [`Error::NotConnected`], or those of the database.
    pub async fn connection_status(&self, id: ConnectionId) -> Result<ConnectionStatus, Error> {
        let mut tx = self.store().read().await?;
        let connection = tx.connection(id).await?.ok_or(Error::NotConnected)?;
        let tokens = match connection.grant {
            Some(grant) => tx.grant(grant).await?.map(|grant| self.token_status(&grant)),
            None => None,
        };
        let status = ConnectionStatus {
            tokens,
            last_run: tx.runs(Some(id), None, 1).await?.pop(),
            statistics: tx.run_statistics(id).await?,
            books: tx.count_books(connection.org, id).await?,
            failures: tx.count_open_failures(id).await?,
            integrity: tx.integrity(id).await?,
            connection,
        };
        tx.commit().await?;
        Ok(status)
    }

    /// How all connections stand.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn status(&self) -> Result<Vec<ConnectionStatus>, Error> {
        let ids: Vec<ConnectionId> =
            self.store().read().await?.connections().await?.into_iter().map(|connection| connection.id).collect();
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            all.push(self.connection_status(id).await?);
        }
        Ok(all)
    }

    fn token_status(&self, grant: &Grant) -> TokenStatus {
        let scopes: Vec<String> = grant.scopes.split_ascii_whitespace().map(str::to_owned).collect();
        let wanted = &self.parts.settings.scopes;
        TokenStatus {
            is_active: grant.state == GrantState::Active,
            access_expires_at: grant.access_expires_at,
            refresh_expires_at: grant
                .refresh_issued_at
                .and_then(|issued| issued.checked_add(SignedDuration::from_hours(24 * REFRESH_DAYS)).ok()),
            missing_scopes: wanted.iter().filter(|scope| !scopes.contains(scope)).cloned().collect(),
            scopes,
        }
    }
}
