//! A small run for a person's wish: some records of Xero, now, beside the syncs that go by the clock.

use model::ConnectionId;
use store::{Lease, Mode, RunDirection, RunState};
use uuid::Uuid;
use xero::Lane;

use crate::map::Pulled;
use crate::run::{ReleaseOnDrop, Running};
use crate::{Engine, Error};

/// How often, and how long each time, a person's wish waits for a sync that is under way.
const WAITS: usize = 10;
const WAIT_MS: u64 = 300;

impl Engine {
    /// Asks Xero for some records and brings them over.
    ///
    /// # Errors
    /// [`Error::Busy`] while a sync of the connection is under way; those of Xero and the database.
    pub(crate) async fn refetch<P: Pulled>(&self, id: ConnectionId, ids: &[Uuid], by: &str) -> Result<(), Error> {
        let (running, guard) = self.begin_errand(id, by).await?;
        let fetched = running.fetch_missing::<P>(ids, 0).await;
        running.end_errand(guard, fetched).await
    }

    /// Takes the lease of a pull, waiting a little for whoever has it, and opens a run.
    pub(crate) async fn begin_errand(&self, id: ConnectionId, by: &str) -> Result<(Running<'_>, ReleaseOnDrop), Error> {
        let connection = self.connection(id).await?;
        let books = self.books(&connection, Lane::Interactive).await?;
        let lease = self.lease_soon(&format!("pull:{id}")).await?;
        let guard = ReleaseOnDrop::new(self, &lease);
        let mut tx = self.store().begin().await?;
        tx.hold_lease(&lease).await?;
        tx.cancel_cut_off_runs(id, &lease, self.now()).await?;
        // A run of the push's direction is none that a later pull would take up.
        let run = tx.start_run_in(id, Mode::Incremental, RunDirection::Push, &lease, by, self.now()).await?;
        tx.commit().await?;
        Ok((self.running(&connection, books, lease, run, Mode::Incremental, by).await?, guard))
    }

    /// A lease, waiting a little for whoever has it.
    pub(crate) async fn lease_soon(&self, name: &str) -> Result<Lease, Error> {
        for _ in 0..WAITS {
            match self.lease(name).await {
                Err(Error::Busy) => self.parts.clock.sleep(std::time::Duration::from_millis(WAIT_MS)).await,
                other => return other,
            }
        }
        self.lease(name).await
    }
}

impl Running<'_> {
    /// Closes the run and gives back what it came to.
    pub(crate) async fn end_errand<T>(&self, guard: ReleaseOnDrop, worked: Result<T, Error>) -> Result<T, Error> {
        let (calls, bytes) = self.take_usage();
        let now = self.now();
        let mut tx = self.engine.store().begin().await?;
        tx.count_run_calls(self.id, None, calls, bytes, now).await?;
        let state = if worked.is_ok() { RunState::Completed } else { RunState::Failed };
        let error = worked.as_ref().err().map(|error| (error.code(), error.to_string()));
        let shown = error.as_ref().map(|(code, message)| (*code, message.as_str()));
        tx.finish_run(self.id, state, shown, false, now).await?;
        tx.commit().await?;
        guard.release().await;
        worked
    }
}
