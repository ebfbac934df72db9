//! What Xero sent meets the books: load, merge and commit, in one transaction, a page at a time.
//!
//! The common cases are cheap: a record whose content hash equals its link's is skipped without reading anything else; a
//! new one is inserted in bulk. Identity comes before that: a new record may be one that we created and whose reply was
//! lost, or one that the App has too (`matching`). Only a changed record is merged (`meet`).

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use model::{ContentHash, Kind, Ref, canonical};
use store::{BookRow, Cursor, KindCounts, Link, LinkChange, NewEvent, NewFailure, Refs, Tx};
use uuid::Uuid;
use xero::{Entity, Item};

use crate::Error;
use crate::capture::version;
use crate::map::Pulled;
use crate::meet::{Meeting, parse_base};
use crate::plan::{PlanAction, PlanSide};
use crate::run::Running;

/// A record of Xero in the books' words.
pub(crate) struct Incoming<R> {
    pub(crate) xero_id: Uuid,
    pub(crate) updated: Option<Timestamp>,
    pub(crate) record: R,
    pub(crate) canonical: Vec<u8>,
    pub(crate) hash: ContentHash,
}

/// What one page brought: records, and what could not be read.
pub(crate) struct Batch<P: Pulled> {
    pub(crate) incoming: Vec<Incoming<P::Record>>,
    pub(crate) failures: Vec<NewFailure>,
}

/// What is recorded beside a batch, in its transaction.
pub(crate) struct Place {
    /// The cursor after this batch; none for records fetched out of turn.
    pub(crate) cursor: Option<Cursor>,
    /// How many records Xero said there are.
    pub(crate) expected: Option<i64>,
}

/// A batch sorted by what has to be done.
#[derive(Default)]
struct Sorted<'a, R> {
    new: Vec<&'a Incoming<R>>,
    changed: Vec<(&'a Incoming<R>, Link)>,
    touched: Vec<(Uuid, Option<Timestamp>)>,
    unchanged: i64,
}

/// How often a page is tried when another transaction is in the way.
const ATTEMPTS: u32 = 4;

/// Records that others refer to and that are not in the books.
type Missing = Vec<(Kind, Uuid)>;

impl<P: Pulled> Default for Batch<P> {
    fn default() -> Self {
        Self { incoming: Vec::new(), failures: Vec::new() }
    }
}

impl<P: Pulled> Batch<P> {
    /// Maps what was decoded; what cannot be is kept as a failure, the others are unharmed.
    pub(crate) fn of(items: Vec<Item<P::Wire>>) -> Self {
        let mut batch = Self { incoming: Vec::with_capacity(items.len()), failures: Vec::new() };
        for item in items {
            match item {
                Ok(wire) => {
                    let (xero_id, updated) = (P::id(&wire), wire.updated());
                    match P::map(wire) {
                        Ok(record) => {
                            let canonical = canonical(&record);
                            let hash = ContentHash::of(&canonical);
                            batch.incoming.push(Incoming { xero_id, updated, record, canonical, hash });
                        }
                        Err(rejection) => batch.failures.push(NewFailure {
                            remote_key: xero_id.to_string(),
                            code: "TO-BAD-RECORD",
                            message: rejection.to_string(),
                            ..NewFailure::default()
                        }),
                    }
                }
                Err(undecodable) => batch.failures.push(NewFailure {
                    remote_key: undecodable.id.map_or_else(
                        || format!("{:?}", ContentHash::of(undecodable.raw.as_bytes())),
                        |id| id.to_string(),
                    ),
                    code: "TO-BAD-RECORD",
                    message: undecodable.message,
                    raw: Some(undecodable.raw.replace('\0', "\u{fffd}")),
                    ..NewFailure::default()
                }),
            }
        }
        batch.keep_newest_of_each();
        batch
    }

    /// A record that joined an earlier page pushes the others back, so that one may come twice.
    pub(crate) fn keep_newest_of_each(&mut self) {
        let mut newest: HashMap<Uuid, Option<Timestamp>> = HashMap::with_capacity(self.incoming.len());
        for record in &self.incoming {
            let known = newest.entry(record.xero_id).or_insert(record.updated);
            *known = (*known).max(record.updated);
        }
        let mut taken = HashSet::new();
        if newest.len() < self.incoming.len() {
            self.incoming.retain(|record| newest[&record.xero_id] == record.updated && taken.insert(record.xero_id));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.failures.is_empty()
    }

    fn sort(&self, links: &HashMap<Uuid, Link>) -> Sorted<'_, P::Record> {
        let mut sorted = Sorted { new: Vec::new(), changed: Vec::new(), touched: Vec::new(), unchanged: 0 };
        for incoming in &self.incoming {
            match links.get(&incoming.xero_id) {
                None => sorted.new.push(incoming),
                Some(link) if link.remote_hash == incoming.hash => {
                    sorted.unchanged += 1;
                    if incoming.updated > link.remote_updated_at {
                        sorted.touched.push((incoming.xero_id, incoming.updated));
                    }
                }
                // An answer older than what is known never overwrites it.
                Some(link) if is_older(incoming.updated, link.remote_updated_at) => sorted.unchanged += 1,
                Some(link) => sorted.changed.push((incoming, *link)),
            }
        }
        sorted
    }
}

impl<R: store::Books> Sorted<'_, R> {
    fn references(&self) -> BTreeSet<(Kind, Uuid)> {
        let of = |incoming: &Incoming<R>| {
            incoming.record.references().into_iter().filter_map(|(kind, target)| Some((kind, target.xero()?)))
        };
        self.new.iter().flat_map(|incoming| of(incoming)).chain(self.changed.iter().flat_map(|(i, _)| of(i))).collect()
    }

    /// Takes out the records that refer to what is missing, and says of each what it waits for.
    fn take_waiting(&mut self, missing: &[(Kind, Uuid)]) -> Vec<NewFailure> {
        let missing: HashSet<(Kind, Ref)> = missing.iter().map(|(kind, id)| (*kind, Ref::Xero(*id))).collect();
        let mut waiting = Vec::new();
        let mut may_stay =
            |incoming: &Incoming<R>| match incoming.record.references().into_iter().find(|r| missing.contains(r)) {
                None => true,
                Some((kind, target)) => {
                    let id = target.xero().unwrap_or_default();
                    waiting.push(NewFailure {
                        remote_key: incoming.xero_id.to_string(),
                        code: "TO-WAITING",
                        message: format!("it refers to the {kind} {id}, which could not be brought over from xero"),
                        ..NewFailure::default()
                    });
                    false
                }
            };
        self.new.retain(|incoming| may_stay(incoming));
        self.changed.retain(|(incoming, _)| may_stay(incoming));
        waiting
    }
}

impl Running<'_> {
    /// Brings a batch into the books. The inner error lists referred records that are missing; with `without_missing`
    /// the records that refer to them are listed as failures instead.
    pub(crate) async fn reconcile<P: Pulled>(
        &self,
        batch: &Batch<P>,
        place: &Place,
        without_missing: bool,
    ) -> Result<Result<KindCounts, Missing>, Error> {
        // A push that met the same records may be in the way.
        for _ in 1..ATTEMPTS {
            match self.reconcile_once(batch, place, without_missing).await {
                Err(Error::Store(error)) if error.is_contention() => {
                    tracing::debug!(kind = %P::KIND, %error, "a page is written again");
                }
                other => return other,
            }
        }
        self.reconcile_once(batch, place, without_missing).await
    }

    async fn reconcile_once<P: Pulled>(
        &self,
        batch: &Batch<P>,
        place: &Place,
        without_missing: bool,
    ) -> Result<Result<KindCounts, Missing>, Error> {
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;
        let reconciled = self.reconcile_in(&mut tx, batch, place, without_missing).await?;
        if reconciled.is_ok() {
            tx.commit().await?;
            self.count_removals(P::KIND);
        }
        Ok(reconciled)
    }

    /// The same inside a transaction, which the caller commits, or drops to have only looked.
    pub(crate) async fn reconcile_in<P: Pulled>(
        &self,
        tx: &mut Tx,
        batch: &Batch<P>,
        place: &Place,
        without_missing: bool,
    ) -> Result<Result<KindCounts, Missing>, Error> {
        let now = self.now();
        let ids: Vec<Uuid> = batch.incoming.iter().map(|incoming| incoming.xero_id).collect();
        let links = tx.links(self.connection.id, P::KIND, &ids).await?;
        let mut sorted = batch.sort(&links);
        let mut failures = batch.failures.clone();

        let (refs, missing) = self.table.resolve_all(tx, &sorted.references()).await?;
        if !missing.is_empty() {
            if !without_missing {
                return Ok(Err(missing));
            }
            failures.extend(sorted.take_waiting(&missing));
        }

        let mut meetings = self.identify::<P>(tx, &mut sorted.new, &mut failures, now).await?;
        meetings.extend(self.meetings::<P>(tx, &sorted.changed, &mut failures).await?);
        self.brake_pull::<P>(tx, &meetings).await?;
        let mut counts = self.write_new::<P>(tx, &sorted.new, &refs, now).await?;
        let met = self.table.meet::<P>(tx, meetings, now).await?;
        counts.updated = i64::try_from(met.iter().filter(|met| met.wrote_local).count()).unwrap_or(i64::MAX);
        counts.conflicts = i64::try_from(met.iter().map(|met| met.open_conflicts).sum::<usize>()).unwrap_or(i64::MAX);
        self.note_met::<P>(&met);
        let to_send: Vec<i64> = met.iter().filter(|met| met.has_to_be_sent()).map(|met| met.local_id).collect();
        if P::KIND.is_two_way() && !to_send.is_empty() {
            tx.capture(self.connection.org, P::KIND, &to_send, now).await?;
        }
        let agreed: Vec<i64> =
            met.iter().filter(|met| !met.has_to_be_sent() && met.open_conflicts == 0).map(|met| met.local_id).collect();
        if P::KIND.is_two_way() && !agreed.is_empty() {
            tx.close_push_failures(self.connection.id, P::KIND, &agreed, now).await?;
        }
        tx.touch_links(self.connection.id, P::KIND, &sorted.touched).await?;

        counts.expected = place.expected;
        if place.cursor.is_some() {
            counts.seen = i64::try_from(batch.incoming.len() + batch.failures.len()).unwrap_or(i64::MAX);
            counts.failed = i64::try_from(failures.len()).unwrap_or(i64::MAX);
            counts.unchanged = counts.seen - counts.failed - counts.created - counts.updated;
        } else {
            // Fetched out of turn: what fails here makes the record that wanted it wait, and is counted there.
            counts.seen = counts.created + counts.updated;
        }
        self.list_failures::<P>(tx, batch, &failures, now).await?;
        if let Some(cursor) = &place.cursor {
            tx.save_cursor(self.connection.id, P::KIND, cursor).await?;
        }
        self.count_sent(tx, P::KIND, &counts, now).await?;
        Ok(Ok(counts))
    }

    async fn write_new<P: Pulled>(
        &self,
        tx: &mut Tx,
        new: &[&Incoming<P::Record>],
        refs: &Refs,
        now: Timestamp,
    ) -> Result<KindCounts, Error> {
        let records: Vec<&P::Record> = new.iter().map(|incoming| &incoming.record).collect();
        let local_ids = tx.insert_books(self.connection.org, &records, refs, now).await?;
        let links: Vec<LinkChange<'_>> =
            new.iter().zip(&local_ids).map(|(incoming, id)| link(incoming, *id, &incoming.canonical)).collect();
        tx.insert_links(self.connection.id, P::KIND, &links).await?;
        let created = i64::try_from(new.len()).unwrap_or(i64::MAX);
        let events: Vec<NewEvent> = if self.is_first && created > 0 {
            let details = format!("{{\"count\":{created}}}");
            vec![NewEvent { details: Some(details), ..self.event::<P>("records.imported", None) }]
        } else {
            local_ids.iter().map(|id| self.event::<P>("record.created", Some(*id))).collect()
        };
        tx.add_events(self.connection.org, &events, now).await?;
        for incoming in new {
            let ids = (None, Some(incoming.xero_id));
            self.note::<P>(
                PlanSide::App,
                PlanAction::Create,
                ids,
                || P::label(&incoming.record),
                |item| {
                    item.xero_version = Some(version(&incoming.record));
                },
            );
        }
        Ok(KindCounts { created, ..KindCounts::default() })
    }

    /// Changed records with their local rows and bases.
    async fn meetings<P: Pulled>(
        &self,
        tx: &mut Tx,
        changed: &[(&Incoming<P::Record>, Link)],
        failures: &mut Vec<NewFailure>,
    ) -> Result<Vec<Meeting<P::Record>>, Error> {
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = changed.iter().map(|(incoming, _)| incoming.xero_id).collect();
        let local_ids: Vec<i64> = changed.iter().map(|(_, link)| link.local_id).collect();
        let rows = tx.lock_books::<P::Record>(self.connection.id, &local_ids).await?;
        let mut rows: HashMap<i64, BookRow<P::Record>> = rows.into_iter().map(|row| (row.id, row)).collect();
        // What a push wrote before it let go of the rows: it may have seen this state, or a newer one.
        let links = tx.full_links(self.connection.id, P::KIND, &ids).await?;
        let gone: Vec<i64> = local_ids.iter().copied().filter(|id| !rows.contains_key(id)).collect();
        let gone = tx.captures_of(P::KIND, &gone).await?;
        let mut meetings = Vec::with_capacity(changed.len());
        for (incoming, before) in changed {
            let Some(link) = links.get(&incoming.xero_id).filter(|link| link.local_id == before.local_id) else {
                return Err(store::Error::Busy("a record was linked anew meanwhile".into()).into());
            };
            if link.remote_hash == incoming.hash || is_older(incoming.updated, link.remote_updated_at) {
                continue;
            }
            match parse_base::<P>(&link.base) {
                Ok(base) => {
                    let mut meeting = incoming.meeting(link.local_id, base, rows.remove(&link.local_id), false);
                    meeting.gone_at = gone.iter().find(|one| one.local_id == link.local_id).map(|one| one.changed_at);
                    meetings.push(meeting);
                }
                Err(_) => failures.push(NewFailure {
                    remote_key: incoming.xero_id.to_string(),
                    code: "TO-BAD-BASE",
                    message: "the state that both sides last agreed on cannot be read".into(),
                    ..NewFailure::default()
                }),
            }
        }
        Ok(meetings)
    }

    /// Lists what failed, and closes what had failed and came over now.
    async fn list_failures<P: Pulled>(
        &self,
        tx: &mut Tx,
        batch: &Batch<P>,
        failures: &[NewFailure],
        now: Timestamp,
    ) -> Result<(), Error> {
        tx.add_failures(self.connection.id, P::KIND, self.run_id(), failures, now).await?;
        let open = tx.open_failure_keys(self.connection.id, P::KIND).await?;
        if open.is_empty() {
            return Ok(());
        }
        let failed: HashSet<&str> = failures.iter().map(|failure| failure.remote_key.as_str()).collect();
        let came: HashSet<String> = batch.incoming.iter().map(|incoming| incoming.xero_id.to_string()).collect();
        for key in open.iter().filter(|key| came.contains(*key) && !failed.contains(key.as_str())) {
            tx.close_failure(self.connection.id, P::KIND, key, now).await?;
        }
        Ok(())
    }

    fn event<P: Pulled>(&self, what: &'static str, local_id: Option<i64>) -> NewEvent {
        NewEvent { what, kind: Some(P::KIND), local_id, run: self.run_id(), details: None }
    }
}

impl<R: Clone> Incoming<R> {
    /// This state of Xero and a local row, about to meet.
    pub(crate) fn meeting(&self, local_id: i64, base: R, row: Option<BookRow<R>>, is_new_link: bool) -> Meeting<R> {
        Meeting {
            xero_id: self.xero_id,
            local_id,
            base,
            row,
            remote: self.record.clone(),
            remote_hash: self.hash,
            remote_updated: self.updated,
            is_new_link,
            gone_at: None,
            sent: None,
        }
    }
}

/// Older for certain: without a time stamp nothing is.
fn is_older(incoming: Option<Timestamp>, known: Option<Timestamp>) -> bool {
    matches!((incoming, known), (Some(incoming), Some(known)) if incoming < known)
}

fn link<'a, R>(incoming: &Incoming<R>, local_id: i64, base: &'a [u8]) -> LinkChange<'a> {
    LinkChange {
        xero_id: incoming.xero_id,
        local_id,
        remote_hash: incoming.hash,
        remote_updated_at: incoming.updated,
        base,
    }
}
