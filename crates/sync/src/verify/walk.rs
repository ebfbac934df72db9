//! Going over a kind on both sides, a page at a time: nothing is held but what must be looked at again.
//!
//! A record that is not the same at first sight is looked at once more, by its id, before anything is said about it: it
//! may have changed while its page was on the way, and lists lag behind single records (xero-facts §9).

use std::collections::{BTreeMap, BTreeSet};

use model::{ContentHash, Kind, Record, canonical};
use store::{Connection, Lease, NewFailure};
use uuid::Uuid;
use xero::{Books, Entity, Lane, ListQuery, MAX_IDS, Order, Param};

use super::differences::differences;
use super::judge::{Finding, Found, Pair, judge, rows};
use super::tally::{Counted, Side, Tally, Verdict};
use super::{Reason, RecordDifference};
use crate::map::{Pulled, for_kind};
use crate::reconcile::{Batch, Incoming};
use crate::run::Running;
use crate::{Engine, Error};

/// Local rows that are gone over in one look.
const CHUNK: i64 = 1_000;
/// Records of a kind that are looked at again by their ids: 25 calls of 40.
const LOOKS: usize = 1_000;
/// Differing fields that are kept of a verification, and as many explained ones; the counts are always whole.
const KEPT: usize = 1_000;

/// A verification under way.
pub(super) struct Verifying<'a> {
    pub(super) engine: &'a Engine,
    pub(super) connection: Connection,
    pub(super) books: Books,
    pub(super) lease: Lease,
    /// What differs is read again into the books.
    pub(super) heals: bool,
    /// Who asked for it.
    pub(super) by: String,
    pub(super) report: Report,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Report {
    pub(super) tally: Tally,
    pub(super) different: Vec<RecordDifference>,
    pub(super) explained: Vec<RecordDifference>,
    /// Records by reason.
    pub(super) reasons: BTreeMap<Reason, i64>,
    /// Fields that differ and are not kept.
    pub(super) unlisted: i64,
    /// Calls that healing took.
    pub(super) healing_calls: i64,
}

/// Local ids that were met: a bit each, in blocks, because a million ids must not fill the memory.
#[derive(Default)]
struct Seen(BTreeMap<i64, Box<[u64; 64]>>);

impl Seen {
    /// True if it was not met before.
    fn insert(&mut self, id: i64) -> bool {
        let block = self.0.entry(id >> 12).or_insert_with(|| Box::new([0; 64]));
        let (word, bit) = Self::place(id);
        let is_new = block[word] & bit == 0;
        block[word] |= bit;
        is_new
    }

    fn contains(&self, id: i64) -> bool {
        let (word, bit) = Self::place(id);
        self.0.get(&(id >> 12)).is_some_and(|block| block[word] & bit != 0)
    }

    fn place(id: i64) -> (usize, u64) {
        let at = id & 0xfff;
        (usize::try_from(at >> 6).unwrap_or_default(), 1 << (at & 0x3f))
    }
}

/// Records of a kind that must be looked at again.
struct Odd<P: Pulled> {
    /// Records of Xero, with what a list said of them.
    xero: BTreeMap<Uuid, Option<Incoming<P::Record>>>,
    /// Local rows without a link.
    local: BTreeSet<i64>,
    unreadable: BTreeMap<String, NewFailure>,
    looks_left: usize,
}

impl<P: Pulled> Odd<P> {
    fn new() -> Self {
        Self { xero: BTreeMap::new(), local: BTreeSet::new(), unreadable: BTreeMap::new(), looks_left: LOOKS }
    }

    fn is_full(&self) -> bool {
        self.xero.len() + self.local.len() + self.unreadable.len() >= LOOKS
    }
}

impl Verifying<'_> {
    /// Compares everything, or one kind.
    pub(super) fn whole<'a>(&'a mut self, only: Option<Kind>) -> crate::Boxed<'a, ()> {
        Box::pin(async move {
            for kind in Kind::ALL.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)) {
                self.report.tally.begin(kind);
                for_kind!(kind, P => self.whole_kind::<P>().await?);
            }
            Ok(())
        })
    }

    /// Compares so many linked records, from a place on, and returns the place where the next sample goes on.
    pub(super) fn sample<'a>(
        &'a mut self,
        place: Option<(Kind, i64)>,
        size: usize,
    ) -> crate::Boxed<'a, Option<(Kind, i64)>> {
        Box::pin(async move {
            // A tax rate has no id to be asked for by; every sync reads all of them.
            let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::TaxRate).collect();
            let (mut kind, mut after) = place.unwrap_or((kinds[0], 0));
            let mut left = size;
            for _ in 0..kinds.len() {
                let taken = for_kind!(kind, P => self.sample_kind::<P>(after, left).await?);
                left = left.saturating_sub(taken.0);
                match taken.1 {
                    Some(last) if left == 0 => return Ok(Some((kind, last))),
                    Some(last) => after = last,
                    None => {
                        let at = kinds.iter().position(|one| *one == kind).map_or(0, |at| (at + 1) % kinds.len());
                        (kind, after) = (kinds[at], 0);
                    }
                }
                if left == 0 {
                    break;
                }
            }
            Ok(Some((kind, after)))
        })
    }

    /// The next linked records of a kind: how many, and the last one's local id unless there are no more.
    async fn sample_kind<P: Pulled>(&mut self, after: i64, most: usize) -> Result<(usize, Option<i64>), Error>
    where
        P::Record: Counted,
    {
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut tx = self.engine.store().read().await?;
        let links = tx.link_locals_after(self.connection.id, P::KIND, after, limit).await?;
        tx.commit().await?;
        if links.is_empty() {
            return Ok((0, None));
        }
        let ids: Vec<Uuid> = links.iter().map(|(_, xero_id)| *xero_id).collect();
        let batch = self.by_ids::<P>(&ids).await?;
        let mut odd = Odd::<P>::new();
        let found: BTreeSet<Uuid> = batch.incoming.iter().map(|incoming| incoming.xero_id).collect();
        odd.xero.extend(ids.iter().filter(|id| !found.contains(id)).map(|id| (*id, None)));
        self.page::<P>(batch, &mut Seen::default(), &mut odd).await?;
        self.settle::<P>(&mut odd).await?;
        let is_last = links.len() < most;
        Ok((links.len(), links.last().filter(|_| !is_last).map(|(local_id, _)| *local_id)))
    }

    async fn whole_kind<P: Pulled>(&mut self) -> Result<(), Error>
    where
        P::Record: Counted,
    {
        let page_size = self.engine.parts.settings.page_size;
        let query = ListQuery {
            order: P::Wire::PAGED.then(Order::by_id::<P::Wire>),
            page_size: P::Wire::PAGED.then_some(page_size),
            include_archived: P::INCLUDE_ARCHIVED && P::Wire::PARAMS.contains(&Param::IncludeArchived),
            ..ListQuery::default()
        };
        let (mut seen, mut odd, mut listed) = (Seen::default(), Odd::<P>::new(), 0);
        for number in 1.. {
            let page = self.books.fetch_page::<P::Wire>(&query, number).await?;
            listed += i64::try_from(page.items.len()).unwrap_or(i64::MAX);
            let expected = page.item_count.and_then(|count| i64::try_from(count).ok());
            let (is_last, is_empty) = (page.is_last, page.items.is_empty());
            if number == 1 && is_empty {
                self.refuse_suspicious_emptiness(P::KIND).await?;
            }
            // A list that lost records on its way would make them look lost in Xero.
            if let Some(expected) = expected.filter(|expected| P::Wire::PAGED && is_last && listed < *expected) {
                return Err(Error::ShortList { what: P::KIND.plural(), listed, expected });
            }
            self.page::<P>(Batch::of(page.items), &mut seen, &mut odd).await?;
            if odd.is_full() {
                self.settle::<P>(&mut odd).await?;
            }
            if is_last {
                break;
            }
        }
        self.only_in_app::<P>(&seen, &mut odd).await?;
        self.settle::<P>(&mut odd).await
    }

    async fn refuse_suspicious_emptiness(&self, kind: Kind) -> Result<(), Error> {
        let mut tx = self.engine.store().read().await?;
        let linked = tx.count_links_of(self.connection.id, kind).await?;
        tx.commit().await?;
        if linked == 0 { Ok(()) } else { Err(Error::SuspiciousEmpty { what: kind.plural(), linked }) }
    }

    /// Compares a page with the rows that its records are linked with: one look at the links, one at the rows.
    async fn page<P: Pulled>(&mut self, batch: Batch<P>, seen: &mut Seen, odd: &mut Odd<P>) -> Result<(), Error>
    where
        P::Record: Counted,
    {
        let id = self.connection.id;
        let ids: Vec<Uuid> = batch.incoming.iter().map(|incoming| incoming.xero_id).collect();
        let mut tx = self.engine.store().read().await?;
        let links = tx.links(id, P::KIND, &ids).await?;
        let local_ids: Vec<i64> = links.values().map(|link| link.local_id).collect();
        let rows = rows::<P>(&mut tx, id, &local_ids).await?;
        tx.commit().await?;
        for incoming in batch.incoming {
            let link = links.get(&incoming.xero_id);
            // A record that joined an earlier page pushes others back, so that they come twice.
            if link.is_some_and(|link| !seen.insert(link.local_id)) {
                continue;
            }
            let row = link.and_then(|link| rows.get(&link.local_id)).and_then(|row| row.as_ref().ok());
            let is_known = link.is_some_and(|link| link.remote_hash == incoming.hash);
            match row {
                Some(row) if is_known && is_same(&row.record, &incoming) => {
                    let side = side(&incoming.record, incoming.hash);
                    self.report.tally.add(P::KIND, [Some(side.clone()), Some(side)], Verdict::Same);
                }
                _ => {
                    odd.xero.insert(incoming.xero_id, Some(incoming));
                }
            }
        }
        odd.unreadable.extend(batch.failures.into_iter().map(|failure| (failure.remote_key.clone(), failure)));
        Ok(())
    }

    /// What the App has and no page brought.
    async fn only_in_app<P: Pulled>(&mut self, seen: &Seen, odd: &mut Odd<P>) -> Result<(), Error>
    where
        P::Record: Counted,
    {
        let mut after = 0;
        loop {
            let mut tx = self.engine.store().read().await?;
            let (id, org) = (self.connection.id, self.connection.org);
            let rows = tx.linked_books_after(id, org, P::KIND, after, CHUNK).await?;
            tx.commit().await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = *last;
            for (local_id, xero_id) in rows.into_iter().filter(|(local_id, _)| !seen.contains(*local_id)) {
                match xero_id {
                    // One that could not be read is told of as that.
                    Some(xero_id) if odd.unreadable.contains_key(&xero_id.to_string()) => {}
                    Some(xero_id) => {
                        odd.xero.entry(xero_id).or_insert(None);
                    }
                    None => {
                        odd.local.insert(local_id);
                    }
                }
            }
            if odd.is_full() {
                self.settle::<P>(odd).await?;
            }
        }
    }

    /// Looks again at what was not the same at first sight, and says what it is.
    async fn settle<P: Pulled>(&mut self, odd: &mut Odd<P>) -> Result<(), Error>
    where
        P::Record: Counted,
    {
        let local: Vec<i64> = std::mem::take(&mut odd.local).into_iter().collect();
        let mut listed = std::mem::take(&mut odd.xero);
        let mut unreadable = std::mem::take(&mut odd.unreadable);
        let mut tx = self.engine.store().read().await?;
        // Some may have been sent, and linked, meanwhile.
        let linked = tx.links_of_locals(self.connection.id, P::KIND, &local).await?;
        tx.commit().await?;
        for link in linked.values() {
            listed.entry(link.xero_id).or_insert(None);
        }

        let ids: Vec<Uuid> = listed.keys().copied().take(odd.looks_left).collect();
        odd.looks_left -= ids.len();
        let again = self.by_ids::<P>(&ids).await?;
        listed.extend(again.incoming.into_iter().map(|incoming| (incoming.xero_id, Some(incoming))));
        unreadable.extend(again.failures.into_iter().map(|failure| (failure.remote_key.clone(), failure)));

        let mut pairs: Vec<Pair<P>> = Vec::with_capacity(listed.len() + local.len() + unreadable.len());
        for (xero_id, incoming) in listed {
            let failure = unreadable.remove(&xero_id.to_string());
            pairs.push(Pair { xero_id: Some(xero_id), local_id: None, incoming, unreadable: failure });
        }
        let unlinked = local.into_iter().filter(|id| !linked.contains_key(id));
        pairs.extend(unlinked.map(|id| Pair { xero_id: None, local_id: Some(id), incoming: None, unreadable: None }));
        pairs.extend(unreadable.into_values().map(|failure| Pair {
            xero_id: failure.remote_key.parse().ok(),
            local_id: None,
            incoming: None,
            unreadable: Some(failure),
        }));
        let mut findings = self.judge::<P>(pairs).await?;
        if self.heals {
            findings = self.heal::<P>(findings).await?;
        }
        findings.into_iter().for_each(|finding| self.report.add(P::KIND, finding));
        Ok(())
    }

    async fn judge<P: Pulled>(&self, pairs: Vec<Pair<P>>) -> Result<Vec<Finding<P::Record>>, Error> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.engine.store().read().await?;
        let findings = judge::<P>(&mut tx, self.connection.id, pairs).await?;
        tx.commit().await?;
        Ok(findings)
    }

    /// Records by their ids, as far as Xero has them.
    async fn by_ids<P: Pulled>(&self, ids: &[Uuid]) -> Result<Batch<P>, Error> {
        let mut items = Vec::with_capacity(ids.len());
        if !P::Wire::PAGED && !ids.is_empty() {
            // One call brings all of them, and the ids may be of our own making.
            let query = ListQuery {
                include_archived: P::INCLUDE_ARCHIVED && P::Wire::PARAMS.contains(&Param::IncludeArchived),
                ..ListQuery::default()
            };
            let mut batch = Batch::<P>::of(self.books.fetch_page::<P::Wire>(&query, 1).await?.items);
            let wanted: BTreeSet<Uuid> = ids.iter().copied().collect();
            batch.incoming.retain(|incoming| wanted.contains(&incoming.xero_id));
            batch.failures.retain(|failure| failure.remote_key.parse().is_ok_and(|id: Uuid| wanted.contains(&id)));
            return Ok(batch);
        }
        for some in ids.chunks(MAX_IDS) {
            let query = ListQuery::of_ids::<P::Wire>(some)?;
            let query = ListQuery { page_size: u16::try_from(MAX_IDS).ok(), ..query };
            items.extend(self.books.fetch_page::<P::Wire>(&query, 1).await?.items);
        }
        Ok(Batch::of(items))
    }

    /// Reads what differs again, forgetting what was seen of it, so that it is merged although Xero says that nothing has
    /// changed; then judges it again. What is the same afterwards, or on its way to Xero, was healed.
    ///
    /// A row that is gone and a record that was never sent are left to a person: bringing them together by guess would
    /// remove the one or double the other.
    async fn heal<P: Pulled>(&mut self, findings: Vec<Finding<P::Record>>) -> Result<Vec<Finding<P::Record>>, Error> {
        let can_heal = |finding: &&Finding<P::Record>| {
            let is_whole = finding.app.is_some() || !finding.is_linked;
            finding.xero.is_some() && is_whole && finding.found.iter().any(|found| !found.reason.is_explained())
        };
        let ids: Vec<Uuid> = findings.iter().filter(can_heal).filter_map(|finding| finding.xero_id).collect();
        if ids.is_empty() {
            return Ok(findings);
        }
        if let Err(error) = self.read_again::<P>(&ids).await {
            if matches!(error, Error::Xero(_)) {
                return Err(error);
            }
            tracing::warn!(kind = %P::KIND, code = error.code(), %error, "what differs could not be read again");
            return Ok(findings);
        }
        let batch = self.by_ids::<P>(&ids).await?;
        let pair = |incoming: Incoming<P::Record>| Pair {
            xero_id: Some(incoming.xero_id),
            local_id: None,
            incoming: Some(incoming),
            unreadable: None,
        };
        let again = self.judge::<P>(batch.incoming.into_iter().map(pair).collect()).await?;
        let mut again: BTreeMap<Uuid, Finding<P::Record>> =
            again.into_iter().filter_map(|finding| Some((finding.xero_id?, finding))).collect();
        let healed = findings.into_iter().map(|before| {
            let Some(after) = before.xero_id.and_then(|id| again.remove(&id)) else { return before };
            if after.found.iter().any(|found| !found.reason.is_explained()) {
                return after;
            }
            let heal = |found: Found| match found.reason.is_explained() {
                true => found,
                false => Found { detail: Some(found.reason.words().to_owned()), reason: Reason::Healed, ..found },
            };
            Finding { found: before.found.into_iter().map(heal).collect(), ..after }
        });
        Ok(healed.collect())
    }

    async fn read_again<P: Pulled>(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        let (running, guard) = self.engine.begin_errand(self.connection.id, &self.by).await?;
        let running = Running { books: running.books.metered(Lane::Background), ..running };
        let worked = async {
            let mut tx = self.engine.store().begin().await?;
            tx.hold_lease(&running.lease).await?;
            tx.forget_seen(self.connection.id, P::KIND, ids).await?;
            tx.commit().await?;
            running.fetch_missing::<P>(ids, 0).await
        };
        let worked = worked.await;
        let calls = running.books.usage().calls;
        let worked = running.end_errand(guard, worked).await;
        self.report.healing_calls += i64::try_from(calls).unwrap_or(i64::MAX);
        worked
    }
}

impl Report {
    fn add<R: Record + Counted>(&mut self, kind: Kind, finding: Finding<R>) {
        let Finding { app, xero, found, is_unreadable, .. } = &finding;
        if app.is_none() && xero.is_none() && !is_unreadable && found.is_empty() {
            return;
        }
        let first = found.iter().map(|one| one.reason).min();
        let verdict = match first {
            None => Verdict::Same,
            Some(reason) if reason.is_explained() => Verdict::Explained,
            Some(_) => Verdict::Different,
        };
        let hash = |record: &R| ContentHash::of(&canonical(record));
        let of_xero = xero.as_ref().map(|record| side(record, hash(record)));
        let of_app = match (verdict, &of_xero) {
            // Other words for the same are the same.
            (Verdict::Same, Some(same)) => Some(same.clone()),
            _ => app.as_ref().map(|record| side(record, hash(record))),
        };
        // What cannot be read is there all the same.
        let unread = || Side { hash: [0; 16], money: None };
        let of_xero = of_xero.or_else(|| is_unreadable.then(unread));
        self.tally.add(kind, [of_app, of_xero], verdict);
        if let Some(reason) = first {
            *self.reasons.entry(reason).or_default() += 1;
        }
        for one in finding.found {
            let list = if one.reason.is_explained() { &mut self.explained } else { &mut self.different };
            if list.len() >= KEPT {
                self.unlisted += 1;
                continue;
            }
            let note = match one.detail {
                Some(detail) => format!("{}: {detail}", one.reason.words()),
                None => one.reason.words().to_owned(),
            };
            list.push(RecordDifference {
                kind,
                local_id: finding.local_id,
                xero_id: finding.xero_id,
                label: finding.label.clone(),
                field: one.field,
                app: one.app,
                xero: one.xero,
                reason: one.reason,
                note,
            });
        }
    }
}

fn is_same<R: Record>(app: &R, xero: &Incoming<R>) -> bool {
    canonical(app) == xero.canonical || differences(app, &xero.record).is_empty()
}

fn side<R: Counted>(record: &R, hash: ContentHash) -> Side {
    Side { hash: hash.0, money: record.money() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_is_known_in_any_order() {
        let mut seen = Seen::default();
        for id in [1, 64, 4_095, 4_096, 9_000_000_000] {
            assert!(!seen.contains(id) && seen.insert(id) && seen.contains(id) && !seen.insert(id), "{id}");
        }
        assert!(!seen.contains(2) && !seen.contains(4_097) && !seen.contains(8_192));
    }
}
