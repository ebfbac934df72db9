//! Where the two sides meet: load, merge and commit, in one transaction, a page at a time.
//!
//! The common cases are cheap: a record whose content hash equals its link's is skipped without reading anything else; a
//! new one is inserted in bulk. Only a changed record is merged, and only this file merges.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use model::{ContentHash, Decision, Kind, Policy, Ref, Side, canonical, merge};
use store::{BookRow, Cursor, KindCounts, Link, LinkChange, NewEvent, NewFailure, Refs, Tx};
use uuid::Uuid;
use xero::{Entity, Item};

use crate::Error;
use crate::map::Pulled;
use crate::run::Running;

/// A record of Xero in the books' words.
pub(crate) struct Incoming<R> {
    xero_id: Uuid,
    updated: Option<Timestamp>,
    record: R,
    canonical: Vec<u8>,
    hash: ContentHash,
}

/// What one page brought: records, and what could not be read.
pub(crate) struct Batch<P: Pulled> {
    incoming: Vec<Incoming<P::Record>>,
    failures: Vec<NewFailure>,
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

/// Records that others refer to and that are not in the books.
type Missing = Vec<(Kind, Uuid)>;

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
                            raw: None,
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
                }),
            }
        }
        batch.keep_newest_of_each();
        batch
    }

    /// A record that joined an earlier page pushes the others back, so that one may come twice.
    fn keep_newest_of_each(&mut self) {
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
                        raw: None,
                    });
                    false
                }
            };
        self.new.retain(|incoming| may_stay(incoming));
        self.changed.retain(|(incoming, _)| may_stay(incoming));
        waiting
    }
}

/// A changed record, merged.
struct Merged<'a, R> {
    incoming: &'a Incoming<R>,
    local_id: i64,
    decision: Decision<R>,
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
        let now = self.now();
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;

        let ids: Vec<Uuid> = batch.incoming.iter().map(|incoming| incoming.xero_id).collect();
        let links = tx.links(self.connection.id, P::KIND, &ids).await?;
        let mut sorted = batch.sort(&links);
        let mut failures = batch.failures.clone();

        let (refs, missing) = self.resolve(&mut tx, &sorted.references()).await?;
        if !missing.is_empty() {
            if !without_missing {
                return Ok(Err(missing));
            }
            failures.extend(sorted.take_waiting(&missing));
        }

        let merged = self.merge_changed::<P>(&mut tx, &sorted.changed, &mut failures).await?;
        let mut counts = self.write_new::<P>(&mut tx, &sorted.new, &refs, now).await?;
        counts.updated = self.write_merged::<P>(&mut tx, &merged, now).await?;
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
        self.list_failures::<P>(&mut tx, batch, &failures, now).await?;
        if let Some(cursor) = &place.cursor {
            tx.save_cursor(self.connection.id, P::KIND, cursor).await?;
        }
        let (calls, bytes) = self.take_usage();
        tx.count_run(self.id, P::KIND, &counts, calls, bytes, now).await?;
        tx.commit().await?;
        Ok(Ok(counts))
    }

    async fn resolve(&self, tx: &mut Tx, wanted: &BTreeSet<(Kind, Uuid)>) -> Result<(Refs, Missing), Error> {
        let mut refs = Refs::default();
        for kind in Kind::ALL {
            let ids: Vec<Uuid> = wanted.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
            tx.resolve(self.connection.id, kind, &ids, &mut refs).await?;
        }
        let missing = wanted.iter().filter(|(kind, id)| !refs.contains(*kind, *id)).copied().collect();
        Ok((refs, missing))
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
        Ok(KindCounts { created, ..KindCounts::default() })
    }

    /// Merges each changed record with its local row and base.
    async fn merge_changed<'a, P: Pulled>(
        &self,
        tx: &mut Tx,
        changed: &[(&'a Incoming<P::Record>, Link)],
        failures: &mut Vec<NewFailure>,
    ) -> Result<Vec<Merged<'a, P::Record>>, Error> {
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = changed.iter().map(|(incoming, _)| incoming.xero_id).collect();
        let local_ids: Vec<i64> = changed.iter().map(|(_, link)| link.local_id).collect();
        let bases = tx.bases(self.connection.id, P::KIND, &ids).await?;
        let rows = tx.lock_books::<P::Record>(self.connection.id, &local_ids).await?;
        let rows: HashMap<i64, BookRow<P::Record>> = rows.into_iter().map(|row| (row.id, row)).collect();
        let mut merged = Vec::with_capacity(changed.len());
        for (incoming, link) in changed {
            let base = bases.get(&incoming.xero_id).and_then(|base| serde_json::from_slice(base).ok());
            match (rows.get(&link.local_id), base) {
                (Some(row), Some(base)) => {
                    let decision = merge(&base, &row.record, &incoming.record, policy(row, incoming))
                        .map_err(|error| Error::Internal(format!("a merge gave no record: {error}")))?;
                    merged.push(Merged { incoming, local_id: link.local_id, decision });
                }
                (None, _) => failures.push(NewFailure {
                    remote_key: incoming.xero_id.to_string(),
                    code: "TO-LOCAL-MISSING",
                    message: format!("the local {} {} was deleted while xero still has it", P::KIND, link.local_id),
                    raw: None,
                }),
                (Some(_), None) => failures.push(NewFailure {
                    remote_key: incoming.xero_id.to_string(),
                    code: "TO-BAD-BASE",
                    message: "the state that both sides last agreed on cannot be read".into(),
                    raw: None,
                }),
            }
        }
        Ok(merged)
    }

    async fn write_merged<P: Pulled>(
        &self,
        tx: &mut Tx,
        merged: &[Merged<'_, P::Record>],
        now: Timestamp,
    ) -> Result<i64, Error> {
        let written: Vec<(i64, &P::Record)> =
            merged.iter().filter_map(|m| Some((m.local_id, m.decision.write_local.as_ref()?))).collect();
        let refs = self.references_of(tx, &written).await?;
        tx.update_books(&written, &refs, now).await?;
        let bases: Vec<Vec<u8>> = merged.iter().map(|m| canonical(&m.decision.base)).collect();
        let links: Vec<LinkChange<'_>> =
            merged.iter().zip(&bases).map(|(m, base)| link(m.incoming, m.local_id, base)).collect();
        tx.update_links(self.connection.id, P::KIND, &links).await?;
        let mut events: Vec<NewEvent> =
            written.iter().map(|(id, _)| self.event::<P>("record.updated", Some(*id))).collect();
        for m in merged {
            for conflict in &m.decision.conflicts {
                let winner = conflict.winner.map_or("open", |side| if side == Side::App { "app" } else { "xero" });
                let details = serde_json::json!({ "field": conflict.field, "winner": winner }).to_string();
                let event = self.event::<P>("record.conflict", Some(m.local_id));
                events.push(NewEvent { details: Some(details), ..event });
            }
        }
        tx.add_events(self.connection.org, &events, now).await?;
        Ok(i64::try_from(written.len()).unwrap_or(i64::MAX))
    }

    /// What a merged record refers to may come from the local row, not from the page.
    async fn references_of<R: store::Books>(&self, tx: &mut Tx, written: &[(i64, &R)]) -> Result<Refs, Error> {
        let wanted: BTreeSet<(Kind, Uuid)> = written
            .iter()
            .flat_map(|(_, record)| record.references())
            .filter_map(|(kind, target)| Some((kind, target.xero()?)))
            .collect();
        Ok(self.resolve(tx, &wanted).await?.0)
    }

    /// Lists what failed, and closes what had failed and came over now.
    async fn list_failures<P: Pulled>(
        &self,
        tx: &mut Tx,
        batch: &Batch<P>,
        failures: &[NewFailure],
        now: Timestamp,
    ) -> Result<(), Error> {
        for failure in failures {
            tx.add_failure(self.connection.id, P::KIND, self.id, failure, now).await?;
        }
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
        NewEvent { what, kind: Some(P::KIND), local_id, run: Some(self.id), details: None }
    }
}

/// Older for certain: without a time stamp nothing is.
fn is_older(incoming: Option<Timestamp>, known: Option<Timestamp>) -> bool {
    matches!((incoming, known), (Some(incoming), Some(known)) if incoming < known)
}

/// Last write wins, until policies are settings (product.md C2).
fn policy<R>(row: &BookRow<R>, incoming: &Incoming<R>) -> Policy {
    let is_app_later = incoming.updated.is_some_and(|updated| row.updated_at > updated);
    Policy::LastWrite(if is_app_later { Side::App } else { Side::Xero })
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
