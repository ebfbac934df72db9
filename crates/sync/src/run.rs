//! A run: one sync operation, from its lease to its line in the history.
//!
//! Everything that a run has done is in the database page by page, so that one cut off anywhere, by a crash, a limit or
//! a dead network, is taken up by the next run where it stopped.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use model::accounting::Facts;
use model::{ConnectionId, Kind};
use store::{Connection, KindCounts, Lease, Mode, RunDirection, RunState, TenantFacts};
use uuid::Uuid;
use xero::{Books, BooksUsage, Lane};

use crate::brake::Removals;
use crate::map::for_kind;
use crate::meet::Table;
use crate::outgoing::for_two_way;
use crate::plan::Sheet;
use crate::push::PushOutcome;
use crate::{Engine, Error};

/// How a run stands, told once at its beginning and after every page.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The run.
    pub run: i64,
    /// The kind being read.
    pub kind: Kind,
    /// What this process has done with it so far.
    pub counts: KindCounts,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// The run.
    pub run: i64,
    /// How it ended.
    pub state: RunState,
    /// How much it read.
    pub mode: Mode,
    /// True if it took up one that was cut off.
    pub resumed: bool,
    /// What it did with each kind, in dependency order.
    pub kinds: Vec<(Kind, KindCounts)>,
    /// Calls made to Xero.
    pub calls: i64,
    /// Bytes received from Xero.
    pub bytes: i64,
    /// From its beginning to its end, pauses included.
    pub duration: Duration,
}

impl RunOutcome {
    /// Sum over all kinds.
    pub fn total(&self) -> KindCounts {
        self.kinds.iter().fold(KindCounts::default(), |sum, (_, counts)| KindCounts {
            expected: None,
            seen: sum.seen + counts.seen,
            created: sum.created + counts.created,
            updated: sum.updated + counts.updated,
            unchanged: sum.unchanged + counts.unchanged,
            failed: sum.failed + counts.failed,
            sent_created: sum.sent_created + counts.sent_created,
            sent_updated: sum.sent_updated + counts.sent_updated,
            sent_removed: sum.sent_removed + counts.sent_removed,
            refused: sum.refused + counts.refused,
            conflicts: sum.conflicts + counts.conflicts,
        })
    }

    /// Adds what the push that followed did.
    fn add(&mut self, pushed: &PushOutcome) {
        self.calls += pushed.calls;
        for (kind, counts) in &pushed.kinds {
            let at = match self.kinds.iter().position(|(of, _)| of == kind) {
                Some(at) => at,
                None => {
                    self.kinds.push((*kind, KindCounts::default()));
                    self.kinds.sort_by_key(|(kind, _)| *kind);
                    self.kinds.iter().position(|(of, _)| of == kind).unwrap_or_default()
                }
            };
            let sum = &mut self.kinds[at].1;
            sum.sent_created += counts.sent_created;
            sum.sent_updated += counts.sent_updated;
            sum.sent_removed += counts.sent_removed;
            sum.refused += counts.refused;
            sum.conflicts += counts.conflicts;
        }
        let is_partial = pushed.kinds.iter().any(|(_, counts)| counts.refused > 0) || !pushed.braked.is_empty();
        if is_partial && self.state == RunState::Completed {
            self.state = RunState::Partial;
        }
    }
}

/// The database's clock, read once and carried on by this machine's uptime: machines whose calendars differ agree on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedTime {
    at: Timestamp,
    uptime: Duration,
}

/// A reading that took longer than this is taken again: nobody knows which moment of it the answer is of.
const LONGEST_READING: Duration = Duration::from_secs(2);

impl SharedTime {
    pub(crate) async fn read(engine: &Engine) -> Result<Self, Error> {
        for _ in 0..5 {
            let before = engine.parts.clock.uptime();
            let at = engine.store().database_now().await?;
            let uptime = engine.parts.clock.uptime();
            if uptime.saturating_sub(before) <= LONGEST_READING {
                return Ok(Self { at, uptime });
            }
        }
        Err(store::Error::Busy("reading its clock took too long".into()).into())
    }

    fn now(&self, clock: &dyn xero::Clock) -> Timestamp {
        let passed = clock.uptime().saturating_sub(self.uptime);
        let passed = jiff::SignedDuration::try_from(passed).unwrap_or(jiff::SignedDuration::MAX);
        self.at.checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}

/// A run under way.
pub(crate) struct Running<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) connection: Connection,
    pub(crate) books: Books,
    pub(crate) lease: Lease,
    pub(crate) time: SharedTime,
    pub(crate) id: i64,
    pub(crate) mode: Mode,
    /// The first run of a connection records one event a page, not one a record.
    pub(crate) is_first: bool,
    /// Who or what asked for it.
    pub(crate) by: Arc<str>,
    pub(crate) progress: &'a (dyn Fn(Progress) + Send + Sync),
    pub(crate) table: Table,
    pub(crate) facts: Facts,
    /// What this run would do, or may do; none for a run that just does it.
    pub(crate) sheet: Option<Sheet>,
    /// Documents that a push has changed the amounts of.
    pub(crate) touched: Mutex<BTreeSet<(Kind, Uuid)>>,
    /// What this run has removed from the App's side.
    pub(crate) removals: Mutex<HashMap<Kind, Removals>>,
    /// Brakes whose approval this run goes by.
    pub(crate) approved: Mutex<BTreeSet<i64>>,
    pub(crate) counted_calls: AtomicU64,
    pub(crate) counted_bytes: AtomicU64,
}

impl Running<'_> {
    /// Now, by the clock of the database: what one machine writes down of its sends another goes by.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.now(&*self.engine.parts.clock)
    }

    /// Calls and bytes since the last time this was asked, for the transaction that records them.
    pub(crate) fn take_usage(&self) -> (i64, i64) {
        let BooksUsage { calls, wire_bytes } = self.books.usage();
        let take = |counter: &AtomicU64, now: u64| {
            i64::try_from(now.saturating_sub(counter.swap(now, Ordering::Relaxed))).unwrap_or(i64::MAX)
        };
        (take(&self.counted_calls, calls), take(&self.counted_bytes, wire_bytes))
    }

    fn work<'a>(&'a self) -> crate::Boxed<'a, ()> {
        Box::pin(async move {
            self.refresh_organisation().await?;
            let mut first = None;
            for kind in Kind::ALL {
                match for_kind!(kind, P => self.pull_kind::<P>().await) {
                    // A list that cannot be read holds up its own kind; the others are read all the same.
                    Err(error) if error.is_of_one_list() => {
                        tracing::warn!(%kind, %error, "this kind could not be read");
                        first.get_or_insert(error);
                    }
                    other => other?,
                }
            }
            self.follow_merges().await?;
            if let Some(error) = first {
                return Err(error);
            }
            if self.mode == Mode::Incremental {
                for kind in Kind::ALL {
                    for_kind!(kind, P => self.retry_failed::<P>().await?);
                }
            } else if !self.is_first {
                for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
                    for_two_way!(kind, P => self.sweep_kind::<P>().await?);
                }
            }
            Ok(())
        })
    }

    /// The documents of a contact that was merged into another moved with it, and Xero need not have dated that. They are
    /// found by what the books say, so that a run that was cut off in between loses none.
    async fn follow_merges(&self) -> Result<(), Error> {
        let merged = self.engine.store().read().await?.all_merged_customers(self.connection.org).await?;
        if merged.is_empty() {
            return Ok(());
        }
        for kind in [Kind::Invoice, Kind::CreditNote, Kind::Prepayment, Kind::Overpayment, Kind::BankTransaction] {
            let mut tx = self.engine.store().read().await?;
            let documents = tx.documents_of(self.connection.id, kind, &merged).await?;
            drop(tx);
            for_kind!(kind, P => self.fetch_missing::<P>(&documents, 0).await?);
        }
        Ok(())
    }

    /// What Xero says about the organisation itself; lock dates and currencies may change at any time.
    async fn refresh_organisation(&self) -> Result<(), Error> {
        let organisation = self.books.organisation().await?;
        let facts = TenantFacts {
            base_currency: organisation.base_currency,
            country_code: organisation.country_code,
            timezone: organisation.timezone,
            period_lock_date: organisation.period_lock_date,
            end_of_year_lock_date: organisation.end_of_year_lock_date,
            is_demo: organisation.is_demo_company.unwrap_or_default(),
        };
        let name = organisation.name.unwrap_or_else(|| self.connection.tenant_name.clone());
        let (calls, bytes) = self.take_usage();
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;
        tx.set_tenant_facts(self.connection.id, &name, &facts, self.now()).await?;
        tx.count_run_calls(self.id, Some("settings"), calls, bytes, self.now()).await?;
        Ok(tx.commit().await?)
    }
}

impl Engine {
    /// Syncs a connection both ways: reads what changed in Xero into the books, then tells Xero what the App changed.
    /// The push is a run of its own in the history; its counts are added to this outcome.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::NeedsReconnect`] and others. One bad record is none: it is listed, and the run is
    /// partial.
    pub async fn sync(
        &self,
        id: ConnectionId,
        mode: Mode,
        triggered_by: &str,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<RunOutcome, Error> {
        let mut outcome = self.pull(id, mode, triggered_by, progress).await?;
        match self.push(id, triggered_by).await {
            Ok(pushed) => outcome.add(&pushed),
            // Whoever is at it pushes everything.
            Err(Error::Busy) => {}
            Err(error) => return Err(error),
        }
        Ok(outcome)
    }

    /// Reads Xero into the books. One run at a time per connection, over all processes.
    ///
    /// Dropping the future stops the run between two transactions; the next one goes on from there.
    ///
    /// # Errors
    /// As [`Engine::sync`].
    pub async fn pull(
        &self,
        id: ConnectionId,
        mode: Mode,
        triggered_by: &str,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<RunOutcome, Error> {
        let connection = self.connection(id).await?;
        let books = self.books(&connection, Lane::Background).await?;
        let lease = self.lease(&format!("pull:{id}")).await?;
        let guard = ReleaseOnDrop::new(self, &lease);

        let (run, mode, resumed, is_first) = self.open_run(id, mode, triggered_by, &lease).await?;
        let running = Running {
            books: books.metered(Lane::Background),
            is_first,
            progress,
            ..self.running(&connection, books, lease, run, mode, triggered_by).await?
        };
        // Whoever asked for the run learns its id before the first page is there.
        progress(Progress { run, kind: Kind::ALL[0], counts: KindCounts::default() });
        let worked = tokio::select! {
            // In this order, so that a simulation plays the same way twice.
            biased;
            worked = running.work() => worked,
            lost = running.keep_lease() => Err(lost),
        };
        let outcome = running.close(worked, resumed).await;
        guard.release().await;
        outcome
    }

    /// Takes up the run that was cut off, or begins one.
    async fn open_run(
        &self,
        id: ConnectionId,
        mode: Mode,
        by: &str,
        lease: &Lease,
    ) -> Result<(i64, Mode, bool, bool), Error> {
        let now = self.now();
        let mut tx = self.parts.store.begin().await?;
        tx.hold_lease(lease).await?;
        tx.cancel_cut_off_runs(id, lease, now).await?;
        let newest = tx.runs(Some(id), None, 2).await?;
        let opened = match tx.unfinished_run(id).await? {
            // A full run that was cut off is finished first, whatever was asked for: the books are not whole before.
            Some(old) if old.mode == mode || old.mode == Mode::Full => {
                tx.resume_run(old.id, now).await?;
                (old.id, old.mode, true, newest.len() == 1)
            }
            Some(old) => {
                let why = ("TO-SUPERSEDED", "a full sync was asked for before this one was finished");
                tx.finish_run(old.id, RunState::Cancelled, Some(why), false, now).await?;
                (tx.start_run_in(id, mode, RunDirection::Pull, lease, by, now).await?, mode, false, false)
            }
            None => {
                let run = tx.start_run_in(id, mode, RunDirection::Pull, lease, by, now).await?;
                (run, mode, false, newest.is_empty())
            }
        };
        tx.commit().await?;
        Ok(opened)
    }
}

impl Running<'_> {
    async fn close(&self, worked: Result<(), Error>, resumed: bool) -> Result<RunOutcome, Error> {
        if let Err(error) = &worked {
            use store::Error::{Busy, Full, LeaseLost, Unavailable};
            if let Error::Store(LeaseLost(_) | Busy(_) | Unavailable { .. } | Full) = error {
                // The run belongs to another worker now, or nothing can be written: it stays open and is taken up later.
                return Err(worked.err().unwrap_or(Error::Busy));
            }
            self.mark_connection(error).await?;
        }
        if let Err(Error::Braked(braked)) = &worked {
            let mut tx = self.engine.store().begin().await?;
            self.ask(&mut tx, (*braked).into()).await?;
            tx.commit().await?;
        }
        let (calls, bytes) = self.take_usage();
        let now = self.now();
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;
        tx.count_run_calls(self.id, None, calls, bytes, now).await?;
        let kinds = tx.run_kinds(self.id).await?;
        let state = match &worked {
            Err(_) => RunState::Failed,
            Ok(()) if kinds.iter().any(|(_, counts)| counts.failed > 0) => RunState::Partial,
            Ok(()) => RunState::Completed,
        };
        let error = worked.as_ref().err().map(|error| (error.code(), error.to_string()));
        let shown = error.as_ref().map(|(code, message)| (*code, message.as_str()));
        if worked.is_ok() {
            self.use_approvals(&mut tx).await?;
            // What waited for a first reading waits no longer.
            for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
                tx.wake_captures(self.connection.org, kind).await?;
            }
        }
        // Whatever stopped it, what it has read stays read, and the next run goes on from there.
        tx.finish_run(self.id, state, shown, worked.is_err(), now).await?;
        let run = tx.run(self.id).await?;
        tx.commit().await?;
        worked?;
        let run = run.ok_or_else(|| Error::Internal("the run's own row is gone".into()))?;
        let duration = Duration::try_from(now.duration_since(run.started_at)).unwrap_or_default();
        tracing::info!(run = run.id, state = state.as_str(), calls = run.calls, bytes = run.bytes, "run ended");
        Ok(RunOutcome {
            run: run.id,
            state,
            mode: run.mode,
            resumed,
            kinds,
            calls: run.calls,
            bytes: run.bytes,
            duration,
        })
    }

    /// What an error says about the connection is kept with it, so that status and pages say it too.
    pub(crate) async fn mark_connection(&self, error: &Error) -> Result<(), Error> {
        use store::ConnectionState::{Disconnected, NeedsReconnect};
        let (state, reason) = match error {
            Error::Xero(xero::Error::Disconnected { .. }) => (Disconnected, "somebody disconnected it in Xero"),
            Error::Xero(xero::Error::Expired { .. }) => (NeedsReconnect, "Xero does not accept the saved permission"),
            Error::Xero(xero::Error::MissingScope { .. }) => (NeedsReconnect, "a permission (scope) is missing"),
            _ => return Ok(()),
        };
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;
        // Somebody may have connected again while this run was at work: its refusal is of the old permission.
        let now = tx.connection(self.connection.id).await?;
        if now.is_none_or(|now| now.connected_at != self.connection.connected_at) {
            return Ok(());
        }
        tx.set_connection_state(self.connection.id, state, Some(reason), self.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// Gives the lease back when a run is dropped half-way, so that the next need not wait for its end.
pub(crate) struct ReleaseOnDrop {
    engine: Engine,
    lease: Option<Lease>,
}

impl ReleaseOnDrop {
    pub(crate) fn new(engine: &Engine, lease: &Lease) -> Self {
        Self { engine: engine.clone(), lease: Some(lease.clone()) }
    }

    /// A lease that cannot be given back ends by itself; that is no reason to call a good run failed.
    pub(crate) async fn release(mut self) {
        if let Some(lease) = self.lease.take()
            && let Err(error) = self.engine.store().release_lease(&lease).await
        {
            tracing::warn!(%error, "the lease could not be given back; it ends by itself");
        }
    }
}

impl Drop for ReleaseOnDrop {
    fn drop(&mut self) {
        if let (Some(lease), Ok(runtime)) = (self.lease.take(), tokio::runtime::Handle::try_current()) {
            let store = self.engine.store().clone();
            runtime.spawn(async move {
                if let Err(error) = store.release_lease(&lease).await {
                    tracing::warn!(%error, "the lease could not be given back; it ends by itself");
                }
            });
        }
    }
}
