//! From a captured local change to an intent: what Xero has to be told, decided and made durable in one transaction.
//!
//! A capture says "look at this record", never what changed. The record is read again under its lock and meets what is
//! known of Xero; what is to be sent becomes an intent in the transaction that takes the record off the list, so that a
//! crash before it plans again and a crash after it sends (reliability.md A6.1, P0).

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use model::accounting::{Change, Facts, Op as RuleOp, Refusal, Rules};
use model::{ContentHash, Kind, Record, Ref, canonical};
use store::{BookRow, Captured, FullLink, Intent, IntentEnd, IntentState, NewFailure, NewIntent, Op, Tx};

use crate::Error;
use crate::brake::{Excess, Extent};
use crate::meet::{Meeting, Met, Table};
use crate::outgoing::Pushed;
use crate::plan::{PlanAction, PlanSide};
use crate::run::Running;

/// Captured records that are planned in one transaction.
const CHUNK: i64 = 500;
/// Merges of contacts in a row that are followed.
const MERGES: usize = 8;
/// How long a record waits for another one before it is looked at again by itself, in seconds.
const WAIT_S: i64 = 60;

/// What planning a kind came to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Planned {
    /// Records that are to be sent.
    pub(crate) intents: i64,
    /// Records that wait for others.
    pub(crate) waiting: i64,
    /// Records that the rules refuse.
    pub(crate) refused: i64,
    extent: Extent,
}

/// One transaction's worth.
struct Chunk {
    planned: Planned,
    /// The last local id looked at; `None` at the end of the list.
    last: Option<i64>,
}

/// Why a record is not planned now.
enum Wait {
    /// Another record must be in Xero first.
    For(Kind),
    /// Nothing of this kind is created in Xero before it was read from there once.
    FirstRead,
    /// Its last write is not answered yet.
    InFlight,
    /// A person has to say whether Xero has it already.
    Match,
    /// Xero has more than one record that bears its mark; another one would only make it worse.
    Duplicate,
}

/// A captured record that Xero has: its row, unless it was deleted, and its link.
type ToMeet<'a, R> = (Captured, Option<BookRow<R>>, &'a FullLink);

/// What is done with the captured records of one chunk, collected while deciding.
struct Sheet {
    intents: Vec<NewIntent>,
    done: Vec<(i64, i64)>,
    waiting: Vec<(i64, i64, Wait)>,
    failures: Vec<NewFailure>,
    ends: Vec<IntentEnd>,
}

impl Running<'_> {
    /// Plans all captured records of a kind. With `is_last` the ones that wait are listed with their reason.
    ///
    /// # Errors
    /// [`Error::Braked`] before anything of the kind was planned.
    pub(crate) async fn plan_kind<P: Pushed>(&self, is_last: bool) -> Result<Planned, Error> {
        let mut tx = self.engine.store().read().await?;
        let captured = tx.count_captured(self.connection.org).await?;
        drop(tx);
        let captured = captured.iter().find(|(kind, _)| *kind == P::KIND).map_or(0, |(_, count)| *count);
        if captured == 0 {
            return Ok(Planned::default());
        }
        if Extent::may_be_too_much(captured) && self.sheet.is_none() {
            self.brake_push::<P>().await?;
        }
        let mut planned = Planned::default();
        let mut after = 0;
        loop {
            let mut tx = self.engine.store().begin_durable().await?;
            tx.hold_lease(&self.lease).await?;
            let chunk = self.plan_chunk::<P>(&mut tx, after, is_last).await?;
            planned.add(chunk.planned);
            if self.sheet.is_none()
                && let Some(excess) = self.excess(&mut tx, P::KIND, store::Direction::Push, planned.extent).await?
            {
                // More came since all of it was looked at.
                drop(tx);
                return Err(self.stop_push::<P>(excess).await?);
            }
            tx.commit().await?;
            match chunk.last {
                Some(last) => after = last,
                None => return Ok(planned),
            }
        }
    }

    /// Looks at everything first, in transactions that are dropped: a run that would do too much does nothing.
    async fn brake_push<P: Pushed>(&self) -> Result<(), Error> {
        let mut extent = Extent::default();
        let mut after = 0;
        loop {
            let mut tx = self.engine.store().begin().await?;
            let chunk = self.plan_chunk::<P>(&mut tx, after, false).await?;
            drop(tx);
            extent.removals += chunk.planned.extent.removals;
            extent.changes += chunk.planned.extent.changes;
            match chunk.last {
                Some(last) => after = last,
                None => break,
            }
        }
        let mut tx = self.engine.store().begin().await?;
        match self.excess(&mut tx, P::KIND, store::Direction::Push, extent).await? {
            Some(excess) => {
                drop(tx);
                Err(self.stop_push::<P>(excess).await?)
            }
            None => Ok(()),
        }
    }

    /// Asks a person, and puts what is captured of the kind aside meanwhile.
    async fn stop_push<P: Pushed>(&self, excess: Excess) -> Result<Error, Error> {
        let mut tx = self.engine.store().begin().await?;
        self.ask(&mut tx, excess).await?;
        // Nobody looks at all of it again every moment; the answer wakes it.
        let until = later(self.now(), WAIT_S)?;
        let mut after = 0;
        loop {
            let due = tx.captured(self.connection.org, P::KIND, self.now(), after, CHUNK).await?;
            let Some(last) = due.last() else { break };
            after = last.local_id;
            let due: Vec<(i64, i64)> = due.iter().map(|one| (one.local_id, one.seq)).collect();
            tx.postpone_captures(P::KIND, &due, until).await?;
        }
        tx.commit().await?;
        Ok(Error::Braked(excess.into()))
    }

    /// Plans some captured records inside a transaction, which the caller commits, or drops to have only looked.
    pub(crate) async fn plan_chunk_in<P: Pushed>(&self, tx: &mut Tx, after: i64) -> Result<Option<i64>, Error> {
        Ok(self.plan_chunk::<P>(tx, after, true).await?.last)
    }

    async fn plan_chunk<P: Pushed>(&self, tx: &mut Tx, after: i64, is_last: bool) -> Result<Chunk, Error> {
        let now = self.now();
        let mut due = tx.captured(self.connection.org, P::KIND, now, after, CHUNK).await?;
        let last = due.last().map(|one| one.local_id);
        due.retain(|one| self.may_plan(P::KIND, one.local_id));
        let ids: Vec<i64> = due.iter().map(|one| one.local_id).collect();
        let rows = tx.lock_books::<P::Record>(self.connection.id, &ids).await?;
        let mut rows: HashMap<i64, BookRow<P::Record>> = rows.into_iter().map(|row| (row.id, row)).collect();
        let links = tx.links_of_locals(self.connection.id, P::KIND, &ids).await?;
        let open = tx.open_intents_of(self.connection.id, P::KIND, &ids).await?;

        let mut sheet = Sheet { intents: vec![], done: vec![], waiting: vec![], failures: vec![], ends: vec![] };
        let (mut to_create, mut to_meet) = (Vec::new(), Vec::new());
        for one in due {
            if let Some(intent) = open.get(&one.local_id) {
                if intent.state != IntentState::Planned {
                    sheet.waiting.push((one.local_id, one.seq, Wait::InFlight));
                    continue;
                }
                sheet.ends.push(superseded(intent));
            }
            match (rows.remove(&one.local_id), links.get(&one.local_id)) {
                (row, Some(link)) => to_meet.push((one, row, link)),
                (Some(row), None) => to_create.push((one, row)),
                // Made and deleted again before anybody looked.
                (None, None) => sheet.done.push((one.local_id, one.seq)),
            }
        }
        let mut planned = Planned::default();
        self.plan_creates::<P>(tx, to_create, &mut sheet, now).await?;
        self.plan_changes::<P>(tx, to_meet, &mut sheet, &mut planned, now).await?;
        planned.intents = count(sheet.intents.len());
        planned.waiting = count(sheet.waiting.len());
        planned.refused = count(sheet.failures.len());
        self.write_sheet::<P>(tx, sheet, is_last, now).await?;
        Ok(Chunk { planned, last })
    }

    /// Records that Xero has not seen.
    async fn plan_creates<P: Pushed>(
        &self,
        tx: &mut Tx,
        to_create: Vec<(Captured, BookRow<P::Record>)>,
        sheet: &mut Sheet,
        now: Timestamp,
    ) -> Result<(), Error> {
        if to_create.is_empty() {
            return Ok(());
        }
        let is_read = tx.cursor(self.connection.id, P::KIND).await?.read_whole;
        let ids: Vec<i64> = to_create.iter().map(|(one, _)| one.local_id).collect();
        let asked = tx.candidates_of(self.connection.id, P::KIND, &ids).await?;
        let doubled = tx.doubled(self.connection.id, P::KIND, &ids).await?;
        let merged = self.merged_customers(tx, to_create.iter().map(|(_, row)| &row.record)).await?;
        // A push may learn of a merge before any pull brought the contact that stayed.
        let stayed = merged.values().filter_map(|winner| Some((Kind::Customer, winner.xero()?))).collect();
        let (_, unknown) = self.table.resolve_all(tx, &stayed).await?;
        let mut repointed: Vec<(i64, P::Record)> = Vec::new();
        for (one, BookRow { record: mut row, .. }) in to_create {
            let is_repointed = repoint::<P>(&mut row, &merged);
            let given = row.clone();
            P::prepare(&mut row, &P::Record::default(), &self.table.rates);
            if !row.is_live() {
                // Cancelled before Xero heard of it: there is nothing to tell.
                sheet.done.push((one.local_id, one.seq));
                continue;
            }
            if !is_read {
                sheet.waiting.push((one.local_id, one.seq, Wait::FirstRead));
                continue;
            }
            let is_unknown =
                |(kind, target): &(Kind, Ref)| target.xero().is_some_and(|id| unknown.contains(&(*kind, id)));
            if row.references().iter().any(is_unknown) {
                sheet.waiting.push((one.local_id, one.seq, Wait::For(Kind::Customer)));
                continue;
            }
            if asked.iter().any(|pair| pair.local_id == one.local_id && pair.state != store::CandidateState::Different)
            {
                sheet.waiting.push((one.local_id, one.seq, Wait::Match));
                continue;
            }
            if doubled.contains(&one.local_id) {
                sheet.waiting.push((one.local_id, one.seq, Wait::Duplicate));
                continue;
            }
            let label = P::label(&row);
            if let Some((kind, target)) = unresolved(&row) {
                if self.will_create(kind, target) {
                    // Only looking: by the time it is done, what it refers to is in Xero.
                    self.note::<P>(
                        PlanSide::Xero,
                        PlanAction::Create,
                        (Some(one.local_id), None),
                        || label,
                        |item| {
                            item.app_version = Some(version(&row));
                        },
                    );
                } else {
                    sheet.waiting.push((one.local_id, one.seq, Wait::For(kind)));
                }
                continue;
            }
            let before = row.clone();
            let marker = P::mark(&mut row, &self.mark(P::KIND, one.local_id));
            let change = Change { op: RuleOp::Create, remote: None, outgoing: &row, push: &[], facts: &self.facts };
            let body = P::Record::check(&change).and_then(|()| P::create(&row));
            match body.and_then(|write| element(&write)) {
                Ok(body) => {
                    self.note::<P>(
                        PlanSide::Xero,
                        PlanAction::Create,
                        (Some(one.local_id), None),
                        || label,
                        |item| {
                            item.app_version = Some(version(&before));
                        },
                    );
                    sheet.intents.push(NewIntent {
                        kind: P::KIND,
                        local_id: one.local_id,
                        xero_id: None,
                        op: Op::Create,
                        fields: "[]".into(),
                        body: Some(body),
                        acked: Some(canonical(&row)),
                        marker: Some(serde_json::to_string(&marker).map_err(|e| Error::Internal(e.to_string()))?),
                        triggered_by: self.by.to_string(),
                        run: self.run_id(),
                    });
                    // Amounts and the mark come with the answer.
                    if is_repointed {
                        repointed.push((one.local_id, given));
                    }
                    sheet.done.push((one.local_id, one.seq));
                }
                Err(refusal) => {
                    self.note::<P>(
                        PlanSide::Xero,
                        PlanAction::Refused,
                        (Some(one.local_id), None),
                        || label,
                        |item| {
                            item.app_version = Some(version(&before));
                            item.refused(&refusal);
                        },
                    );
                    sheet.failures.push(refused(one.local_id, None, refusal));
                    sheet.done.push((one.local_id, one.seq));
                }
            }
        }
        let wanted = crate::meet::references(repointed.iter().map(|(_, row)| row));
        let (refs, _) = self.table.resolve_all(tx, &wanted).await?;
        let repointed: Vec<(i64, &P::Record)> = repointed.iter().map(|(id, row)| (*id, row)).collect();
        Ok(tx.update_books(&repointed, &refs, now).await?)
    }

    /// Records that both sides have: what the App changed since they agreed.
    async fn plan_changes<P: Pushed>(
        &self,
        tx: &mut Tx,
        to_meet: Vec<ToMeet<'_, P::Record>>,
        sheet: &mut Sheet,
        planned: &mut Planned,
        now: Timestamp,
    ) -> Result<(), Error> {
        if to_meet.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = to_meet.iter().map(|(one, ..)| one.local_id).collect();
        let pending = tx.standing_conflicts(self.connection.id, P::KIND, &ids).await?;
        let (mut meetings, mut seqs, mut versions) = (Vec::new(), HashMap::new(), HashMap::new());
        for (one, row, link) in to_meet {
            let open = pending.get(&one.local_id).map_or(&[][..], Vec::as_slice);
            let known = Table::known_remote::<P>(link, open)?;
            seqs.insert(link.xero_id, (one.local_id, one.seq));
            versions.insert(link.xero_id, row.as_ref().map(|row| version(&row.record)));
            meetings.push(Meeting {
                xero_id: link.xero_id,
                local_id: one.local_id,
                base: known.base,
                row,
                remote: known.remote,
                remote_hash: link.remote_hash,
                remote_updated: link.remote_updated_at,
                is_new_link: false,
                gone_at: Some(one.changed_at),
                sent: None,
            });
        }
        for met in self.table.meet::<P>(tx, meetings, now).await? {
            let Some(&(local_id, seq)) = seqs.get(&met.xero_id) else { continue };
            if !met.has_to_be_sent() {
                sheet.done.push((local_id, seq));
                continue;
            }
            if let Some((kind, target)) = met.outgoing.as_ref().and_then(unresolved)
                && !self.will_create(kind, target)
            {
                sheet.waiting.push((local_id, seq, Wait::For(kind)));
                continue;
            }
            let is_removal = met.is_removal
                || (met.remote.is_live() && met.outgoing.as_ref().is_some_and(|outgoing| !outgoing.is_live()));
            planned.extent.changes += 1;
            planned.extent.removals += i64::from(is_removal);
            let refusal = self.foreseen::<P>(&met, is_removal);
            let action = match refusal {
                Some(_) => PlanAction::Refused,
                None if is_removal => PlanAction::Remove,
                None => PlanAction::Update,
            };
            let label = P::label(met.outgoing.as_ref().unwrap_or(&met.remote));
            self.note::<P>(
                PlanSide::Xero,
                action,
                (Some(local_id), Some(met.xero_id)),
                || label,
                |item| {
                    item.fields.clone_from(&met.push);
                    item.app_version = versions.get(&met.xero_id).cloned().flatten();
                    item.xero_version = Some(version(&met.remote));
                    if let Some(refusal) = &refusal {
                        item.refused(refusal);
                    }
                },
            );
            sheet.intents.push(NewIntent {
                kind: P::KIND,
                local_id,
                xero_id: Some(met.xero_id),
                op: if is_removal { Op::Remove } else { Op::Update },
                fields: serde_json::to_string(&met.push).unwrap_or_default(),
                body: None,
                acked: None,
                marker: None,
                triggered_by: self.by.to_string(),
                run: self.run_id(),
            });
            sheet.done.push((local_id, seq));
        }
        Ok(())
    }

    /// What the rules will say of a change. Only a plan asks now; a push asks when it has read the record again.
    fn foreseen<P: Pushed>(&self, met: &Met<P::Record>, is_removal: bool) -> Option<Refusal> {
        self.sheet.as_ref()?;
        let outgoing = met.outgoing.as_ref().unwrap_or(&met.remote);
        // What another record of the plan will be in Xero is not known yet.
        unresolved(outgoing).is_none().then_some(())?;
        let op = if is_removal { RuleOp::Remove } else { RuleOp::Update };
        let change = Change { op, remote: Some(&met.remote), outgoing, push: &met.push, facts: &self.facts };
        P::Record::check(&change).err()
    }

    async fn write_sheet<P: Pushed>(
        &self,
        tx: &mut Tx,
        mut sheet: Sheet,
        is_last: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        tx.end_intents(&sheet.ends, now).await?;
        tx.plan_intents(self.connection.id, &sheet.intents, now).await?;
        let until = later(now, WAIT_S)?;
        let waiting: Vec<(i64, i64)> = sheet.waiting.iter().map(|(id, seq, _)| (*id, *seq)).collect();
        // Before the last look of a round they stay due: what they wait for may be on its way.
        if is_last {
            tx.postpone_captures(P::KIND, &waiting, until).await?;
            for (local_id, _, wait) in &sheet.waiting {
                if let Some(failure) = wait.failure(P::KIND, *local_id, until) {
                    self.note::<P>(PlanSide::Xero, PlanAction::Waiting, (Some(*local_id), None), String::new, |item| {
                        item.code = Some(failure.code.to_owned());
                        item.message = Some(failure.message.clone());
                    });
                    sheet.failures.push(failure);
                }
            }
        }
        tx.add_failures(self.connection.id, P::KIND, self.run_id(), &sheet.failures, now).await?;
        let failed: Vec<i64> = sheet.failures.iter().filter_map(|failure| failure.local_id).collect();
        let mended: Vec<i64> = sheet.done.iter().map(|(id, _)| *id).filter(|id| !failed.contains(id)).collect();
        tx.close_push_failures(self.connection.id, P::KIND, &mended, now).await?;
        Ok(tx.drop_captures(P::KIND, &sheet.done).await?)
    }

    /// The mark of a record of ours in Xero: the same for the same record, whatever becomes of its intents.
    pub(crate) fn mark(&self, kind: Kind, local_id: i64) -> String {
        let letter = kind.as_str().chars().next().unwrap_or('r').to_ascii_uppercase();
        let connection = self.connection.xero_connection_id.simple().to_string();
        format!("TO-{}-{letter}{local_id}", &connection[..8])
    }

    /// Contacts that were merged into others in Xero, among those that these records refer to.
    async fn merged_customers<'r, R: Record>(
        &self,
        tx: &mut Tx,
        records: impl Iterator<Item = &'r R>,
    ) -> Result<HashMap<Ref, Ref>, Error> {
        let ids: Vec<uuid::Uuid> = crate::meet::references(records)
            .into_iter()
            .filter(|(kind, _)| *kind == Kind::Customer)
            .map(|(_, id)| id)
            .collect();
        let mut merged: HashMap<uuid::Uuid, uuid::Uuid> = HashMap::new();
        let mut next = ids.clone();
        // One that stayed may have been merged itself since.
        for _ in 0..MERGES {
            let found = tx.merged_customers(self.connection.id, &next).await?;
            next = found.values().copied().filter(|id| !merged.contains_key(id)).collect();
            merged.extend(found);
            if next.is_empty() {
                break;
            }
        }
        let stayed = |mut id: uuid::Uuid| {
            for _ in 0..MERGES {
                match merged.get(&id) {
                    Some(winner) => id = *winner,
                    None => break,
                }
            }
            id
        };
        let is_merged = |id: &uuid::Uuid| merged.contains_key(id);
        Ok(ids.into_iter().filter(is_merged).map(|loser| (Ref::Xero(loser), Ref::Xero(stayed(loser)))).collect())
    }
}

impl Planned {
    fn add(&mut self, other: Self) {
        self.intents += other.intents;
        self.waiting += other.waiting;
        self.extent.removals += other.extent.removals;
        self.extent.changes += other.extent.changes;
        self.refused += other.refused;
    }
}

impl Wait {
    fn failure(&self, kind: Kind, local_id: i64, until: Timestamp) -> Option<NewFailure> {
        let (code, message) = match self {
            Self::For(other) => ("TO-WAITING", format!("it refers to a {other} that is not in xero yet")),
            Self::FirstRead => {
                ("TO-WAITING", format!("{} are created in xero after the first full sync", kind.plural()))
            }
            Self::Match => {
                ("TO-MATCH", "xero has a record that may be the same; say whether it is before it is sent".to_owned())
            }
            Self::Duplicate => {
                let why = "xero has more than one record that bears its mark; nothing is sent before one is chosen";
                ("TO-DUPLICATE", why.to_owned())
            }
            // That is no failure: the answer, or a look in Xero, ends it.
            Self::InFlight => return None,
        };
        Some(NewFailure { next_try_at: Some(until), ..refused(local_id, None, Refusal::new(code, message)) })
    }
}

fn superseded(intent: &Intent) -> IntentEnd {
    IntentEnd {
        id: intent.id,
        state: IntentState::Dropped,
        xero_id: None,
        code: None,
        message: Some("changed again before it was sent".into()),
    }
}

/// A failure of a push, from what refused it.
pub(crate) fn refused(local_id: i64, xero_id: Option<uuid::Uuid>, refusal: Refusal) -> NewFailure {
    NewFailure {
        remote_key: xero_id.map_or_else(|| format!("local:{local_id}"), |id| id.to_string()),
        code: refusal.code,
        message: refusal.message,
        local_id: Some(local_id),
        direction: store::Direction::Push,
        ..NewFailure::default()
    }
}

/// What tells one state of a record from another: for optimistic concurrency and plans.
pub(crate) fn version<R: Record>(record: &R) -> String {
    format!("{:?}", ContentHash::of(&canonical(record)))
}

/// One element of a batch, as the bytes that will be sent.
pub(crate) fn element<W: serde::Serialize>(write: &W) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(write)
        .map_err(|error| Refusal::new("TO-BAD-FIELD", format!("it cannot be written for xero: {error}")))
}

/// A referred record that Xero has not seen: its kind and local id.
fn unresolved<R: Record>(record: &R) -> Option<(Kind, i64)> {
    record.references().into_iter().find_map(|(kind, target)| match target {
        Ref::Local(id) => Some((kind, id)),
        Ref::Xero(_) => None,
    })
}

/// Follows merges of contacts: a document for the one that is gone is for the one that stayed.
fn repoint<P: Pushed>(record: &mut P::Record, merged: &HashMap<Ref, Ref>) -> bool {
    let mut changed = false;
    for (kind, target) in record.references() {
        if let (Kind::Customer, Some(winner)) = (kind, merged.get(&target)) {
            P::set_customer(record, *winner);
            changed = true;
        }
    }
    changed
}

/// So many seconds later.
pub(crate) fn later(now: Timestamp, seconds: i64) -> Result<Timestamp, Error> {
    now.checked_add(SignedDuration::from_secs(seconds)).map_err(|error| Error::Internal(error.to_string()))
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl Running<'_> {
    /// What Xero said about the organisation, for the accounting rules.
    pub(crate) fn facts_of(connection: &store::Connection) -> Facts {
        Facts {
            period_lock_date: connection.facts.period_lock_date,
            end_of_year_lock_date: connection.facts.end_of_year_lock_date,
            base_currency: connection.facts.base_currency.clone(),
        }
    }
}
