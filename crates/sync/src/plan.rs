//! What a sync would do, shown before it is done (product.md S12).
//!
//! A plan is no second implementation: it is the very code of pull and push, run in a transaction that is dropped.
//! Everything is read from Xero first, what is unchanged is put aside, and then both sides meet as they would. What was
//! noted on the way is the plan. Applying one looks again in the same way, does what is still as it was shown, and says
//! of the rest that it has moved.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use jiff::Timestamp;
use model::accounting::Refusal;
use model::{ConnectionId, Kind};
use serde::{Deserialize, Serialize};
use store::{Lease, Mode, RunDirection, Tx};
use uuid::Uuid;
use xero::{Entity, Lane};

use crate::capture::version;
use crate::map::{Pulled, for_kind};
use crate::meet::Met;
use crate::outgoing::for_two_way;
use crate::pull::fetch;
use crate::push::PushOutcome;
use crate::reconcile::{Batch, Incoming, Place};
use crate::run::{ReleaseOnDrop, Running};
use crate::{Engine, Error};

/// Which side is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PlanSide {
    /// The App's books.
    App,
    /// Xero.
    Xero,
}

/// What is done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PlanAction {
    /// A record is created.
    Create,
    /// Fields of a record are changed.
    Update,
    /// A record is voided, deleted or archived.
    Remove,
    /// Two records that are the same are linked.
    Link,
    /// Both sides changed a field differently, and a person decides.
    Conflict,
    /// The rules do not allow it; nothing is sent.
    Refused,
    /// It waits for another record, or for a person.
    Waiting,
}

impl PlanAction {
    /// The name in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Remove => "REMOVE",
            Self::Link => "LINK",
            Self::Conflict => "CONFLICT",
            Self::Refused => "REFUSED",
            Self::Waiting => "WAITING",
        }
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanItem {
    /// Kind of the record.
    pub kind: Kind,
    /// The App's record; none for one that is only in Xero.
    pub local_id: Option<i64>,
    /// Xero's record; none for one that is only in the App.
    pub xero_id: Option<Uuid>,
    /// Which side is written.
    pub side: PlanSide,
    /// What is done there.
    pub action: PlanAction,
    /// Its name or number.
    pub label: String,
    /// Fields, or groups of fields, that change.
    pub fields: Vec<String>,
    /// Stable code of a refusal.
    pub code: Option<String>,
    /// More, in a sentence.
    pub message: Option<String>,
    /// The App's state that this was decided on.
    pub app_version: Option<String>,
    /// Xero's state that this was decided on.
    pub xero_version: Option<String>,
}

/// What a sync would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// By which it can be applied.
    pub id: i64,
    /// How much it read.
    pub mode: Mode,
    /// When it was made.
    pub made_at: Timestamp,
    /// What would be done, in order.
    pub items: Vec<PlanItem>,
    /// Calls to Xero that doing it would take, the reading included.
    pub calls: i64,
    /// What would stop it: more than anybody would want without being asked. Applying the plan is the answer.
    pub brakes: Vec<String>,
}

/// What is kept of a plan.
#[derive(Serialize, Deserialize)]
struct Stored {
    items: Vec<PlanItem>,
    brakes: Vec<String>,
}

/// What came of applying a plan.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Lines that were done.
    pub done: usize,
    /// Lines whose record has changed since; nothing was done with them.
    pub moved: Vec<PlanItem>,
    /// What was sent.
    pub outcome: PushOutcome,
}

/// Whom a line of a plan is about and what would be done.
type Key = (Kind, PlanSide, PlanAction, Option<i64>, Option<Uuid>);

/// What a run notes instead of doing it, or what alone it may do.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    items: Mutex<Vec<PlanItem>>,
    /// Of the items, what would be created in Xero, by local id.
    creates: Mutex<HashSet<(Kind, i64)>>,
    allowed: Option<HashSet<(Kind, i64)>>,
}

impl PlanItem {
    fn key(&self) -> Key {
        // A row that a pull would create has no lasting id yet.
        let local_id = self.local_id.filter(|_| !(self.side == PlanSide::App && self.action == PlanAction::Create));
        (self.kind, self.side, self.action, local_id, self.xero_id)
    }

    fn is_done(&self) -> bool {
        !matches!(self.action, PlanAction::Refused | PlanAction::Waiting)
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.code = Some(refusal.code.to_owned());
        self.message = Some(refusal.message.clone());
    }
}

/// What was read from Xero and is not as it was, by kind: a `Batch` of each.
#[derive(Default)]
struct Gathered(BTreeMap<Kind, Box<dyn Any + Send + Sync>>);

impl Gathered {
    fn batch<P: Pulled>(&mut self) -> &mut Batch<P> {
        let empty = || Box::new(Batch::<P>::default()) as Box<dyn Any + Send + Sync>;
        self.0
            .entry(P::KIND)
            .or_insert_with(empty)
            .downcast_mut()
            .expect("a kind's entry is made here only, as its own batch")
    }
}

impl Running<'_> {
    /// Notes a line of a plan; a run that just does things notes nothing.
    pub(crate) fn note<P: Pulled>(
        &self,
        side: PlanSide,
        action: PlanAction,
        ids: (Option<i64>, Option<Uuid>),
        label: impl FnOnce() -> String,
        more: impl FnOnce(&mut PlanItem),
    ) {
        let Some(sheet) = &self.sheet else { return };
        let mut item = PlanItem {
            kind: P::KIND,
            local_id: ids.0,
            xero_id: ids.1,
            side,
            action,
            label: label(),
            fields: Vec::new(),
            code: None,
            message: None,
            app_version: None,
            xero_version: None,
        };
        more(&mut item);
        if let (PlanSide::Xero, PlanAction::Create, Some(id), Ok(mut creates)) =
            (side, action, item.local_id, sheet.creates.lock())
        {
            creates.insert((P::KIND, id));
        }
        if let Ok(mut items) = sheet.items.lock() {
            items.push(item);
        }
    }

    /// Notes what a pull does to the App's side.
    pub(crate) fn note_met<P: Pulled>(&self, met: &[Met<P::Record>]) {
        if self.sheet.is_none() {
            return;
        }
        for one in met {
            let ids = (Some(one.local_id), Some(one.xero_id));
            let versions = |item: &mut PlanItem| {
                item.app_version = one.row.as_ref().map(|row| version(&row.record));
                item.xero_version = Some(version(&one.remote));
            };
            if one.wrote_local {
                let action = if one.row.is_some() { PlanAction::Update } else { PlanAction::Create };
                self.note::<P>(
                    PlanSide::App,
                    action,
                    ids,
                    || P::label(&one.remote),
                    |item| {
                        item.fields.clone_from(&one.pulled);
                        versions(item);
                    },
                );
            }
            if one.open_conflicts > 0 {
                self.note::<P>(PlanSide::App, PlanAction::Conflict, ids, || P::label(&one.remote), versions);
            }
        }
    }

    /// False for a record that is not in the plan that is being applied.
    pub(crate) fn may_plan(&self, kind: Kind, local_id: i64) -> bool {
        let allowed = self.sheet.as_ref().and_then(|sheet| sheet.allowed.as_ref());
        allowed.is_none_or(|allowed| allowed.contains(&(kind, local_id)))
    }

    /// True if a record would be created in Xero by the plan so far, so that others may refer to it.
    pub(crate) fn will_create(&self, kind: Kind, local_id: i64) -> bool {
        let looking = self.sheet.as_ref().filter(|sheet| sheet.allowed.is_none());
        looking.is_some_and(|sheet| sheet.creates.lock().is_ok_and(|creates| creates.contains(&(kind, local_id))))
    }

    /// Reads what changed in Xero and keeps what is not as the links say.
    fn gather<'a>(&'a self) -> crate::Boxed<'a, Gathered> {
        Box::pin(async move {
            let mut gathered = Gathered::default();
            for kind in Kind::ALL {
                for_kind!(kind, P => self.gather_kind::<P>(gathered.batch()).await?);
            }
            Ok(gathered)
        })
    }

    async fn gather_kind<P: Pulled>(&self, kept: &mut Batch<P>) -> Result<(), Error> {
        let cursor = self.engine.store().read().await?.cursor(self.connection.id, P::KIND).await?;
        let query = self.query::<P>(&cursor);
        for number in 1.. {
            let page = fetch::<P>(self.books.clone(), query.clone(), number).await?;
            let is_last = page.is_last;
            self.refuse_short_list(&page)?;
            self.keep_changed::<P>(page.batch, kept).await?;
            if is_last {
                break;
            }
        }
        kept.keep_newest_of_each();
        Ok(())
    }

    async fn keep_changed<P: Pulled>(&self, batch: Batch<P>, kept: &mut Batch<P>) -> Result<(), Error> {
        let ids: Vec<Uuid> = batch.incoming.iter().map(|incoming| incoming.xero_id).collect();
        let links = self.engine.store().read().await?.links(self.connection.id, P::KIND, &ids).await?;
        let is_same = |incoming: &Incoming<P::Record>| {
            links.get(&incoming.xero_id).is_some_and(|link| link.remote_hash == incoming.hash)
        };
        kept.incoming.extend(batch.incoming.into_iter().filter(|incoming| !is_same(incoming)));
        kept.failures.extend(batch.failures);
        Ok(())
    }

    /// Does what a sync does, inside one transaction. Referred records that are missing come back to be fetched.
    fn act<'a>(
        &'a self,
        tx: &'a mut Tx,
        gathered: &'a mut Gathered,
        without_missing: bool,
    ) -> crate::Boxed<'a, Vec<(Kind, Uuid)>> {
        Box::pin(async move {
            let place = Place { cursor: None, expected: None };
            for kind in Kind::ALL {
                let acted =
                    for_kind!(kind, P => self.reconcile_in::<P>(tx, gathered.batch(), &place, without_missing).await?);
                if let Err(missing) = acted {
                    return Ok(missing);
                }
            }
            Ok(Vec::new())
        })
    }

    /// Looks at what a sync would do and notes it; nothing is kept.
    fn look<'a>(&'a self, gathered: &'a mut Gathered) -> crate::Boxed<'a, Vec<PlanItem>> {
        Box::pin(async move {
            for round in 0..=4 {
                self.take_notes();
                let mut tx = self.engine.store().begin().await?;
                let missing = self.act(&mut tx, gathered, round == 4).await?;
                if missing.is_empty() {
                    for kind in [Kind::Customer, Kind::Invoice, Kind::Payment, Kind::BankTransaction] {
                        let mut after = 0;
                        while let Some(last) = for_two_way!(kind, P => self.plan_chunk_in::<P>(&mut tx, after).await?) {
                            after = last;
                        }
                    }
                    drop(tx);
                    return Ok(self.take_notes());
                }
                drop(tx);
                for kind in Kind::ALL {
                    let ids: Vec<Uuid> = missing.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
                    for_kind!(kind, P => self.gather_missing::<P>(&ids, gathered.batch()).await?);
                }
            }
            Ok(self.take_notes())
        })
    }

    async fn gather_missing<P: Pulled>(&self, ids: &[Uuid], kept: &mut Batch<P>) -> Result<(), Error> {
        let found = self.records::<P>(ids).await?;
        self.keep_changed::<P>(found, kept).await?;
        kept.keep_newest_of_each();
        Ok(())
    }

    fn take_notes(&self) -> Vec<PlanItem> {
        let Some(sheet) = &self.sheet else { return Vec::new() };
        if let Ok(mut creates) = sheet.creates.lock() {
            creates.clear();
        }
        sheet.items.lock().map(|mut items| std::mem::take(&mut *items)).unwrap_or_default()
    }
}

/// A lease that nobody holds, for runs that only look: nothing that proves one is committed.
fn no_lease() -> Lease {
    Lease { name: "none".into(), fence: 0, seconds: 60 }
}

impl Engine {
    /// What a sync would do now. Xero is only read and the books are not touched; the plan itself is kept, so that it
    /// can be applied.
    ///
    /// # Errors
    /// Those of Xero and the database.
    pub async fn plan(&self, id: ConnectionId, mode: Mode, by: &str) -> Result<Plan, Error> {
        let connection = self.connection(id).await?;
        let books = self.books(&connection, Lane::Interactive).await?;
        let running = Running {
            sheet: Some(Sheet::default()),
            ..self.running(&connection, books, no_lease(), 0, mode, by).await?
        };
        let mut gathered = running.gather().await?;
        let items = running.look(&mut gathered).await?;
        let read_calls = i64::try_from(running.books.usage().calls).unwrap_or(i64::MAX);
        let calls = read_calls + writing_calls(&items);
        let mut tx = self.store().begin().await?;
        let brakes = running.brakes_of(&mut tx, &items).await?;
        let stored = Stored { items, brakes };
        let text = serde_json::to_string(&stored).map_err(|error| Error::Internal(error.to_string()))?;
        let Stored { items, brakes } = stored;
        let made_at = self.now();
        let plan = tx.add_plan(id, mode, &text, calls, by, made_at).await?;
        tx.commit().await?;
        Ok(Plan { id: plan, mode, made_at, items, calls, brakes })
    }

    /// A plan that was made earlier.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn stored_plan(&self, id: ConnectionId, plan: i64) -> Result<Plan, Error> {
        let stored = self.store().read().await?.plan(id, plan).await?;
        let stored = stored.ok_or_else(|| Error::NotFound(format!("there is no plan {plan}")))?;
        let Stored { items, brakes } =
            serde_json::from_str(&stored.items).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Plan { id: plan, mode: stored.mode, made_at: stored.made_at, items, calls: stored.calls, brakes })
    }

    /// Does what a plan shows, as far as it still would be done so; what has moved since is left alone and returned.
    /// Applying a plan is a person's word: no brake stops it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] if it was applied before, [`Error::Busy`], and those of Xero and the
    /// database.
    pub async fn apply(&self, id: ConnectionId, plan: i64, by: &str) -> Result<Applied, Error> {
        let connection = self.connection(id).await?;
        let books = self.books(&connection, Lane::Interactive).await?;
        let shown = self.stored_plan(id, plan).await?;
        // Looked at before anything is taken or used up: reading may take long, and may fail.
        let looking = Running {
            sheet: Some(Sheet::default()),
            ..self.running(&connection, books.clone(), no_lease(), 0, shown.mode, by).await?
        };
        let mut gathered = looking.gather().await?;
        let now = looking.look(&mut gathered).await?;
        let now: HashMap<Key, &PlanItem> = now.iter().map(|item| (item.key(), item)).collect();
        let is_same = |item: &&PlanItem| {
            now.get(&item.key())
                .is_some_and(|other| other.app_version == item.app_version && other.xero_version == item.xero_version)
        };
        let (kept, moved): (Vec<&PlanItem>, Vec<&PlanItem>) =
            shown.items.iter().filter(|item| item.is_done()).partition(is_same);
        let allowed = kept
            .iter()
            .filter(|item| item.side == PlanSide::Xero)
            .filter_map(|item| Some((item.kind, item.local_id?)))
            .collect();
        let from_xero: HashSet<(Kind, Uuid)> = kept
            .iter()
            .filter(|item| item.side == PlanSide::App)
            .filter_map(|item| Some((item.kind, item.xero_id?)))
            .collect();
        let pull_lease = self.lease(&format!("pull:{id}")).await?;
        let pull_guard = ReleaseOnDrop::new(self, &pull_lease);
        let (push_lease, push_guard, run) = match self.begin_applying(id, plan, shown.mode, by).await {
            Ok(begun) => begun,
            Err(error) => {
                // At once, so that whoever comes next does not find the connection busy.
                pull_guard.release().await;
                return Err(error);
            }
        };

        let mut doing = self.running(&connection, books, push_lease, run, shown.mode, by).await?;
        doing.sheet = Some(Sheet { allowed: Some(allowed), ..Sheet::default() });
        for kind in Kind::ALL {
            for_kind!(kind, P => {
                let batch: &mut Batch<P> = gathered.batch();
                batch.incoming.retain(|incoming| from_xero.contains(&(kind, incoming.xero_id)));
                batch.failures.clear();
            });
        }
        let work = async {
            let mut tx = self.store().begin_durable().await?;
            tx.hold_lease(&pull_lease).await?;
            doing.act(&mut tx, &mut gathered, true).await?;
            tx.commit().await?;
            pull_guard.release().await;
            doing.push_round().await
        };
        let worked = tokio::select! {
            // In this order, so that a simulation plays the same way twice.
            biased;
            worked = work => worked,
            lost = doing.keep_lease() => Err(lost),
        };
        let closed = doing.close_push(worked).await;
        push_guard.release().await;
        let outcome = self.push_outcome(id, Some(run), closed?).await?;
        Ok(Applied { done: kept.len(), moved: moved.into_iter().cloned().collect(), outcome })
    }

    /// Takes the lease of a push, uses the plan up and opens the run.
    async fn begin_applying(
        &self,
        id: ConnectionId,
        plan: i64,
        mode: Mode,
        by: &str,
    ) -> Result<(Lease, ReleaseOnDrop, i64), Error> {
        let lease = self.lease(&format!("push:{id}")).await?;
        let guard = ReleaseOnDrop::new(self, &lease);
        let opened = async {
            let mut tx = self.store().begin().await?;
            tx.hold_lease(&lease).await?;
            if !tx.plan_applied(plan, self.now()).await? {
                return Err(Error::Invalid(format!("plan {plan} was applied before: make a new one")));
            }
            tx.cancel_cut_off_runs(id, &lease, self.now()).await?;
            let run = tx.start_run_in(id, mode, RunDirection::Push, &lease, by, self.now()).await?;
            tx.commit().await?;
            Ok(run)
        };
        match opened.await {
            Ok(run) => Ok((lease, guard, run)),
            Err(error) => {
                guard.release().await;
                Err(error)
            }
        }
    }
}

impl Running<'_> {
    /// The brakes that doing all of it without a plan would hit.
    async fn brakes_of(&self, tx: &mut Tx, items: &[PlanItem]) -> Result<Vec<String>, Error> {
        let mut said = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
            let of = |action| {
                let is_it =
                    |item: &&PlanItem| item.kind == kind && item.side == PlanSide::Xero && item.action == action;
                i64::try_from(items.iter().filter(is_it).count()).unwrap_or(i64::MAX)
            };
            let removals = of(PlanAction::Remove);
            let extent = crate::brake::Extent { removals, changes: removals + of(PlanAction::Update) };
            if let Some(excess) = self.excess(tx, kind, store::Direction::Push, extent).await? {
                said.push(crate::Braked::from(excess).to_string());
            }
        }
        Ok(said)
    }
}

/// Calls that writing takes: a batch of 50 for each, and a reading before what is changed.
fn writing_calls(items: &[PlanItem]) -> i64 {
    let mut groups: BTreeMap<(Kind, PlanAction), i64> = BTreeMap::new();
    for item in items.iter().filter(|item| item.side == PlanSide::Xero) {
        *groups.entry((item.kind, item.action)).or_default() += 1;
    }
    groups
        .into_iter()
        .map(|((kind, action), count)| {
            let batches = (count + 49) / 50;
            let has_ids = for_kind!(kind, P => <P as Pulled>::Wire::PARAMS.contains(&xero::Param::Ids));
            // A batch of 50 is read again by no more ids than a call may name.
            let most = i64::try_from(xero::MAX_IDS).unwrap_or(i64::MAX);
            let reads =
                if has_ids { count / 50 * ((50 + most - 1) / most) + (count % 50 + most - 1) / most } else { count };
            match action {
                // What is due is read before it is paid, and its invoice after.
                PlanAction::Create if kind == Kind::Payment => batches * 3,
                PlanAction::Create => batches,
                PlanAction::Remove if kind == Kind::Payment => count + reads,
                PlanAction::Update | PlanAction::Remove => batches + reads,
                _ => 0,
            }
        })
        .sum()
}
