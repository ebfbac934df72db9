//! Leases: who may do a thing now, over all processes, with a fence that outlives a frozen worker.
//!
//! reliability.md A6.6: time comes from the database's clock only, the fence grows with each grant, and every
//! transaction that records an effect proves that it still holds the lease.

use jiff::Timestamp;

use crate::value::Value;
use crate::{Error, Store, Tx};

/// A lease that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for, for example `pull:3`.
    pub name: String,
    /// Grows with every grant of this name.
    pub fence: i64,
    /// How long it holds after each renewal, in seconds.
    pub seconds: i64,
}

impl Store {
    /// Now, by the database's clock: the one that all machines share.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn database_now(&self) -> Result<Timestamp, Error> {
        let mut tx = self.read().await?;
        let now = tx.query_one("SELECT tieout_now(0)", &[]).await?.take()?;
        tx.commit().await?;
        Ok(now)
    }

    /// Takes a lease if nobody holds it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn acquire_lease(&self, name: &str, holder: &str, seconds: i64) -> Result<Option<Lease>, Error> {
        let mut tx = self.begin().await?;
        let sql = "INSERT INTO leases (name, holder, fence, lease_until) VALUES ($1, $2, 1, tieout_now($3)) \
                   ON CONFLICT (name) DO UPDATE SET holder = $2, fence = leases.fence + 1, lease_until = tieout_now($3) \
                   WHERE leases.lease_until <= tieout_now(0) RETURNING fence";
        let params = [Value::Text(name), Value::Text(holder), Value::Int(seconds)];
        let granted = tx.query_opt(sql, &params).await?;
        tx.commit().await?;
        granted.map(|mut row| Ok(Lease { name: name.to_owned(), fence: row.take()?, seconds })).transpose()
    }

    /// Gives a lease back, so that the next one need not wait for its end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE leases SET lease_until = tieout_now(0) WHERE name = $1 AND fence = $2";
        tx.execute(sql, &[Value::Text(&lease.name), Value::Int(lease.fence)]).await?;
        tx.commit().await
    }
}

impl Tx {
    /// Proves, in the transaction that records an effect, that the lease is still held, and renews it.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]: somebody else has it; drop the transaction.
    pub async fn hold_lease(&mut self, lease: &Lease) -> Result<(), Error> {
        let sql = "UPDATE leases SET lease_until = tieout_now($3) WHERE name = $1 AND fence = $2";
        let params = [Value::Text(&lease.name), Value::Int(lease.fence), Value::Int(lease.seconds)];
        match self.execute(sql, &params).await? {
            1 => Ok(()),
            _ => Err(Error::LeaseLost(lease.name.clone())),
        }
    }
}
