//! A push round: everything that the App changed, told to Xero in an order that Xero accepts.
//!
//! One round at a time for each connection, under the lease `push:<connection>`, whose fence stands in every transaction
//! that records what was sent. First what an earlier round left open is brought to an end (`send::recover`, `lookup`);
//! then the steps: what others depend on comes first, what must be gone before others can go comes before them. Each
//! step plans (`capture`) and sends (`send`) its kind, so that an invoice is planned when its customer is in Xero.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{ConnectionId, Kind};
use store::{KindCounts, Lease, Mode, Op, RunDirection, RunState};
use xero::Lane;

use crate::meet::Table;
use crate::outgoing::for_two_way;
use crate::run::{ReleaseOnDrop, Running, SharedTime};
use crate::{Engine, Error};

/// What came of a push round.
#[derive(Debug, Clone, Default)]
pub struct PushOutcome {
    /// Its run; none if there was nothing to do.
    pub run: Option<i64>,
    /// What was sent, by kind, in dependency order.
    pub kinds: Vec<(Kind, KindCounts)>,
    /// Calls made to Xero.
    pub calls: i64,
    /// Writes that are not answered yet, or could not be sent.
    pub pending: i64,
    /// Records that wait for another record, or a person.
    pub waiting: i64,
    /// Brakes that stopped a part of it.
    pub braked: Vec<String>,
}

/// Connections whose last push failed as a whole, and until when each is left alone: twice as long each time, at most a
/// minute, or as long as Xero said.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<ConnectionId, (Timestamp, u32)>>);

impl Pauses {
    fn is_over(&self, id: ConnectionId, now: Timestamp) -> bool {
        self.0.lock().map_or(true, |pauses| pauses.get(&id).is_none_or(|(until, _)| *until <= now))
    }

    fn begin(&self, id: ConnectionId, now: Timestamp, resume_at: Option<Timestamp>) -> Timestamp {
        let Ok(mut pauses) = self.0.lock() else { return now };
        let failed = pauses.get(&id).map_or(0, |(_, failed)| *failed);
        let wait = SignedDuration::from_secs(1 << failed.min(6)).min(SignedDuration::from_secs(60));
        let until = resume_at.or_else(|| now.checked_add(wait).ok()).unwrap_or(now);
        pauses.insert(id, (until, failed + 1));
        until
    }

    fn end(&self, id: ConnectionId) {
        if let Ok(mut pauses) = self.0.lock() {
            pauses.remove(&id);
        }
    }
}

/// What a step sends.
struct Step {
    kind: Kind,
    ops: &'static [Op],
    /// What still waits after it is listed with its reason.
    is_last_of_kind: bool,
}

/// Customers come before the documents that name them and are archived after them; a payment is taken back before its
/// invoice is voided, and made after it is authorised.
const STEPS: [Step; 6] = [
    Step { kind: Kind::Customer, ops: &[Op::Create, Op::Update], is_last_of_kind: false },
    Step { kind: Kind::Payment, ops: &[Op::Remove], is_last_of_kind: false },
    Step { kind: Kind::Invoice, ops: &[Op::Create, Op::Update, Op::Remove], is_last_of_kind: true },
    Step { kind: Kind::Payment, ops: &[Op::Create, Op::Update], is_last_of_kind: true },
    Step { kind: Kind::BankTransaction, ops: &[Op::Create, Op::Update, Op::Remove], is_last_of_kind: true },
    Step { kind: Kind::Customer, ops: &[Op::Remove], is_last_of_kind: true },
];

impl Running<'_> {
    /// Does one round. A kind that a brake stopped does not stop the others.
    pub(crate) fn push_round<'a>(&'a self) -> crate::Boxed<'a, Vec<String>> {
        Box::pin(async move {
            let mut braked = Vec::new();
            self.recover().await?;
            for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
                for_two_way!(kind, P => self.look_up::<P>().await?);
            }
            for step in STEPS {
                let planned = for_two_way!(step.kind, P => self.plan_kind::<P>(step.is_last_of_kind).await);
                match planned {
                    Ok(_) => {}
                    Err(Error::Braked(stopped)) => {
                        let said = stopped.to_string();
                        if !braked.contains(&said) {
                            braked.push(said);
                        }
                    }
                    Err(error) => return Err(error),
                }
                for op in step.ops {
                    for_two_way!(step.kind, P => self.send_planned::<P>(*op).await?);
                }
            }
            self.reread_touched().await?;
            Ok(braked)
        })
    }
}

impl Engine {
    /// Tells Xero what the App changed: one round, now. There may be nothing to do; then nothing is called.
    ///
    /// # Errors
    /// [`Error::Busy`] if another round of the same connection is under way; those of Xero and the database. A record
    /// that Xero refuses is none: it is listed.
    pub async fn push(&self, id: ConnectionId, by: &str) -> Result<PushOutcome, Error> {
        let connection = self.connection(id).await?;
        let mut tx = self.store().read().await?;
        let is_idle = !tx.due_connections(self.now()).await?.contains(&id);
        drop(tx);
        if is_idle {
            return self.push_outcome(id, None, Vec::new()).await;
        }
        let books = self.books(&connection, Lane::Interactive).await?;
        let lease = self.lease(&format!("push:{id}")).await?;
        let guard = ReleaseOnDrop::new(self, &lease);
        let run = self.open_push_run(id, by, &lease).await?;
        let running = self.running(&connection, books, lease, run, Mode::Incremental, by).await?;
        let worked = tokio::select! {
            // In this order, so that a simulation plays the same way twice.
            biased;
            worked = running.push_round() => worked,
            lost = running.keep_lease() => Err(lost),
        };
        let closed = running.close_push(worked).await;
        guard.release().await;
        self.push_outcome(id, Some(run), closed?).await
    }

    /// Pushes every connection that has something due; a connection that fails does not hold up the others. Returns how
    /// many rounds were done.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn push_due(&self, by: &str) -> Result<usize, Error> {
        let due = self.store().read().await?.due_connections(self.now()).await?;
        let mut done = 0;
        for id in due.into_iter().filter(|id| self.pauses.is_over(*id, self.now())) {
            match self.push(id, by).await {
                Ok(_) => {
                    self.pauses.end(id);
                    done += 1;
                }
                Err(Error::Busy) => {}
                Err(error) => {
                    let until = self.pauses.begin(id, self.now(), error.resume_at());
                    tracing::warn!(connection = id.0, code = error.code(), %error, %until, "a push round failed");
                }
            }
        }
        Ok(done)
    }

    /// Takes a lease, or says that somebody else has it.
    pub(crate) async fn lease(&self, name: &str) -> Result<Lease, Error> {
        let seconds = self.parts.settings.lease_s;
        self.parts.store.acquire_lease(name, &self.holder, seconds).await?.ok_or(Error::Busy)
    }

    /// A run's state in memory.
    pub(crate) async fn running<'a>(
        &'a self,
        connection: &store::Connection,
        books: xero::Books,
        lease: Lease,
        run: i64,
        mode: Mode,
        by: &str,
    ) -> Result<Running<'a>, Error> {
        let table = self.table(connection.id, connection.org).await?;
        Ok(Running {
            engine: self,
            facts: Running::facts_of(connection),
            table: Table { run: (run > 0).then_some(run), ..table },
            connection: connection.clone(),
            books: books.metered(Lane::Interactive),
            lease,
            time: SharedTime::read(self).await?,
            id: run,
            mode,
            is_first: false,
            by: Arc::from(by),
            progress: &|_| {},
            sheet: None,
            touched: Mutex::default(),
            removals: Mutex::default(),
            approved: Mutex::default(),
            counted_calls: AtomicU64::new(0),
            counted_bytes: AtomicU64::new(0),
        })
    }

    async fn open_push_run(&self, id: ConnectionId, by: &str, lease: &Lease) -> Result<i64, Error> {
        let now = self.now();
        let mut tx = self.store().begin().await?;
        tx.hold_lease(lease).await?;
        // Only one round runs at a time: one that still says so died.
        tx.cancel_cut_off_runs(id, lease, now).await?;
        let run = tx.start_run_in(id, Mode::Incremental, RunDirection::Push, lease, by, now).await?;
        tx.commit().await?;
        Ok(run)
    }

    pub(crate) async fn push_outcome(
        &self,
        id: ConnectionId,
        run: Option<i64>,
        braked: Vec<String>,
    ) -> Result<PushOutcome, Error> {
        let mut tx = self.store().read().await?;
        let open = tx.count_open_intents(id).await?;
        let connection = tx.connection(id).await?.ok_or(Error::NotConnected)?;
        let captured = tx.count_captured(connection.org).await?;
        let (kinds, calls) = match run {
            Some(run) => (tx.run_kinds(run).await?, tx.run(run).await?.map_or(0, |run| run.calls)),
            None => (Vec::new(), 0),
        };
        Ok(PushOutcome {
            run,
            kinds,
            calls,
            pending: open.iter().map(|(_, _, count)| count).sum(),
            waiting: captured.iter().map(|(_, count)| count).sum(),
            braked,
        })
    }
}

impl Running<'_> {
    pub(crate) async fn close_push(&self, worked: Result<Vec<String>, Error>) -> Result<Vec<String>, Error> {
        if let Err(error) = &worked {
            use store::Error::{Busy, Full, LeaseLost, Unavailable};
            if let Error::Store(LeaseLost(_) | Busy(_) | Unavailable { .. } | Full) = error {
                return worked;
            }
            self.mark_connection(error).await?;
        }
        let (calls, bytes) = self.take_usage();
        let now = self.now();
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;
        tx.count_run_calls(self.id, None, calls, bytes, now).await?;
        let kinds = tx.run_kinds(self.id).await?;
        let state = match &worked {
            Err(_) => RunState::Failed,
            Ok(braked) if !braked.is_empty() => RunState::Partial,
            Ok(_) if kinds.iter().any(|(_, counts)| counts.refused > 0 || counts.failed > 0) => RunState::Partial,
            Ok(_) => RunState::Completed,
        };
        let error = match &worked {
            Err(error) => Some((error.code(), error.to_string())),
            Ok(braked) => braked.first().map(|said| ("TO-BRAKE", said.clone())),
        };
        let shown = error.as_ref().map(|(code, message)| (*code, message.as_str()));
        if worked.is_ok() {
            self.use_approvals(&mut tx).await?;
        }
        tx.finish_run(self.id, state, shown, false, now).await?;
        tx.commit().await?;
        worked
    }

    /// Keeps the lease while a call waits for its turn; ends only when the lease is lost.
    pub(crate) async fn keep_lease(&self) -> Error {
        let third = Duration::from_secs(self.lease.seconds.unsigned_abs()) / 3;
        loop {
            self.engine.parts.clock.sleep(third).await;
            let renewed = async {
                let mut tx = self.engine.store().begin().await?;
                tx.hold_lease(&self.lease).await?;
                tx.commit().await
            };
            match renewed.await {
                Err(error @ store::Error::LeaseLost(_)) => return error.into(),
                // A database that is away is noticed by the work itself.
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
                Ok(()) => {}
            }
        }
    }

    /// The run that this work belongs to; none while only looking.
    pub(crate) fn run_id(&self) -> Option<i64> {
        (self.id > 0).then_some(self.id)
    }

    /// What was sent of a kind, for the run's row.
    pub(crate) async fn count_sent(
        &self,
        tx: &mut store::Tx,
        kind: Kind,
        counts: &KindCounts,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (calls, bytes) = self.take_usage();
        match self.run_id() {
            Some(run) => Ok(tx.count_run(run, kind, counts, calls, bytes, now).await?),
            None => Ok(()),
        }
    }
}
