//! Reading one kind from Xero, page by page.
//!
//! Pages come in the order of the record's id. Xero's default order is by time of change, and a record touched between
//! two pages moves to the end and pulls the others forward, so that one is skipped (xero-facts §9 T2). In id order
//! records only ever join the list, none moves forward: nothing is skipped, some are at most seen twice, and a page
//! number is a safe place to go on from after a crash. What changes while the reading lasts is newer than its beginning,
//! so the next reading finds it; a long one is followed by another pass at once.
//!
//! The cursor moves in the transaction of the page that it vouches for. It comes from Xero's clock, never from ours.

use std::pin::Pin;

use jiff::{SignedDuration, Timestamp};
use model::Kind;
use store::{Cursor, KindCounts, Mode};
use tokio::task::JoinSet;
use uuid::Uuid;
use xero::{Books, Entity, ListQuery, Order, Param};

use crate::Error;
use crate::map::{Pulled, for_kind};
use crate::reconcile::{Batch, Place};
use crate::run::{Progress, Running};

/// Deeper chains of missing records do not exist: a payment's credit's invoice's customer is the longest.
const MAX_DEPTH: u8 = 4;

/// Failed records that one incremental sync asks for again: five calls of 40 ids.
const RETRIES: usize = 200;
/// The same for kinds that can only be asked for one by one.
const RETRIES_ONE_BY_ONE: usize = 10;

/// A page, decoded and mapped, with what the reading needs to know about it.
pub(crate) struct Fetched<P: Pulled> {
    pub(crate) batch: Batch<P>,
    number: u32,
    /// How many elements the page had, doubled ones included.
    listed: i64,
    pub(crate) is_last: bool,
    expected: Option<i64>,
    server_time: Option<Timestamp>,
}

impl Running<'_> {
    /// Reads one kind, from where an earlier process stopped if one did.
    pub(crate) async fn pull_kind<P: Pulled>(&self) -> Result<(), Error> {
        let mut cursor = self.engine.store().read().await?.cursor(self.connection.id, P::KIND).await?;
        if cursor.run != Some(self.id) {
            let read_until = cursor.read_until.or(self.first_window::<P>()?);
            let read_whole = cursor.read_whole;
            cursor = Cursor { run: Some(self.id), next_page: 1, read_until, read_whole, ..Cursor::default() };
        } else if cursor.complete && self.is_stale(&cursor) {
            // The run was cut off long ago: what changed since then is read too, and nobody waits for the next run.
            cursor = Cursor { complete: false, pass: cursor.pass.max(1), next_page: 1, ..cursor };
        }
        let page_size = i64::from(self.engine.parts.settings.page_size);
        if cursor.page_size != page_size {
            // Pages of another size begin elsewhere: the pass begins anew.
            cursor = Cursor { next_page: 1, page_size, ..cursor };
        }
        let mut counts = KindCounts::default();
        while !cursor.complete {
            self.pass::<P>(&mut cursor, &mut counts).await?;
        }
        Ok(())
    }

    /// A first incremental sync reads back so far. Fixed when the run begins: a window that moved with each resumption
    /// would let old records leave the front of the list, and pages would skip others.
    fn first_window<P: Pulled>(&self) -> Result<Option<Timestamp>, Error> {
        if self.mode == Mode::Full || !P::Wire::HAS_IMS {
            return Ok(None);
        }
        let window = SignedDuration::from_hours(self.engine.parts.settings.first_window_h);
        self.now().checked_sub(window).map(Some).map_err(|error| Error::Internal(error.to_string()))
    }

    fn is_stale(&self, cursor: &Cursor) -> bool {
        let settings = &self.engine.parts.settings;
        let age_s = cursor.read_until.map(|until| self.now().duration_since(until).as_secs());
        age_s.is_some_and(|age_s| age_s > settings.overlap_s + settings.catch_up_after_s)
    }

    /// One pass over the list; the next page is fetched and decoded while this one is written.
    async fn pass<P: Pulled>(&self, cursor: &mut Cursor, counts: &mut KindCounts) -> Result<(), Error> {
        let query = self.query::<P>(cursor);
        let first = u32::try_from(cursor.next_page).unwrap_or(1).max(1);
        let mut ahead = JoinSet::new();
        ahead.spawn(fetch::<P>(self.books.clone(), query.clone(), first));
        while let Some(fetched) = ahead.join_next().await {
            let page = fetched.map_err(|error| Error::Internal(format!("reading ahead failed: {error}")))??;
            if !page.is_last {
                ahead.spawn(fetch::<P>(self.books.clone(), query.clone(), page.number + 1));
            }
            self.refuse_short_list(&page)?;
            if page.number == 1 {
                self.refuse_suspicious_emptiness(&page, cursor).await?;
                let overlap = SignedDuration::from_secs(self.engine.parts.settings.overlap_s);
                cursor.pull_from = page.server_time.and_then(|time| time.checked_sub(overlap).ok());
            }
            let mut after = *cursor;
            after.next_page = i64::from(page.number) + 1;
            if page.is_last {
                after.read_whole |= self.reads_everything::<P>(&after);
                self.end_pass(&mut after, page.server_time);
            }
            let place = Place { cursor: Some(after), expected: page.expected };
            let done = self.bring_over(&page.batch, &place, 0).await?;
            *cursor = after;
            counts.expected = page.expected.or(counts.expected);
            counts.seen += done.seen;
            counts.created += done.created;
            counts.updated += done.updated;
            counts.unchanged += done.unchanged;
            counts.failed += done.failed;
            (self.progress)(Progress { run: self.id, kind: P::KIND, counts: *counts });
        }
        Ok(())
    }

    pub(crate) fn query<P: Pulled>(&self, cursor: &Cursor) -> ListQuery {
        ListQuery {
            modified_since: cursor.read_until.filter(|_| !self.reads_everything::<P>(cursor)),
            order: P::Wire::PAGED.then(Order::by_id::<P::Wire>),
            page_size: P::Wire::PAGED.then_some(self.engine.parts.settings.page_size),
            include_archived: P::INCLUDE_ARCHIVED && P::Wire::PARAMS.contains(&Param::IncludeArchived),
            ..ListQuery::default()
        }
    }

    /// Whether this pass reads the whole list of a kind, not only what changed.
    fn reads_everything<P: Pulled>(&self, cursor: &Cursor) -> bool {
        (self.mode == Mode::Full && cursor.pass == 0) || !P::Wire::HAS_IMS
    }

    /// A list that ends before the count that Xero gives with it has lost records on the way. Records only ever join a
    /// list, so a whole one is never shorter.
    pub(crate) fn refuse_short_list<P: Pulled>(&self, page: &Fetched<P>) -> Result<(), Error> {
        let page_size = i64::from(self.engine.parts.settings.page_size);
        let listed = i64::from(page.number - 1) * page_size + page.listed;
        match page.expected {
            Some(expected) if P::Wire::PAGED && listed < expected.min(i64::from(page.number) * page_size) => {
                Err(Error::ShortList { what: P::KIND.plural(), listed, expected })
            }
            _ => Ok(()),
        }
    }

    /// The cursor after a pass: everything up to its beginning is read. One that took long is followed by another.
    fn end_pass(&self, cursor: &mut Cursor, server_time: Option<Timestamp>) {
        let settings = &self.engine.parts.settings;
        let took_s = match (cursor.pull_from, server_time) {
            (Some(from), Some(now)) => now.duration_since(from).as_secs() - settings.overlap_s,
            _ => 0,
        };
        // Without a time from Xero the place that was reached before stays the place to read from.
        cursor.read_until = cursor.pull_from.or(cursor.read_until);
        cursor.pull_from = None;
        cursor.next_page = 1;
        cursor.pass += 1;
        cursor.complete = took_s <= settings.catch_up_after_s;
    }

    /// An empty list where records are linked is a fault of the answer or a catastrophe; either way a person must look.
    async fn refuse_suspicious_emptiness<P: Pulled>(&self, page: &Fetched<P>, cursor: &Cursor) -> Result<(), Error> {
        if !self.reads_everything::<P>(cursor) || !page.batch.is_empty() {
            return Ok(());
        }
        match self.engine.store().read().await?.count_links_of(self.connection.id, P::KIND).await? {
            0 => Ok(()),
            linked => Err(Error::SuspiciousEmpty { what: P::KIND.plural(), linked }),
        }
    }

    /// Brings a batch into the books; records that it refers to and that are missing are fetched first.
    ///
    /// A customer made while its list was being read, or one from before the window of an incremental sync, is met here
    /// first.
    pub(crate) async fn bring_over<P: Pulled>(
        &self,
        batch: &Batch<P>,
        place: &Place,
        depth: u8,
    ) -> Result<KindCounts, Error> {
        let missing = match self.reconcile(batch, place, false).await? {
            Ok(counts) => return Ok(counts),
            Err(missing) => missing,
        };
        if depth < MAX_DEPTH {
            for kind in Kind::ALL {
                let ids: Vec<Uuid> = missing.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
                if !ids.is_empty() {
                    for_kind!(kind, Q => self.fetch_boxed::<Q>(&ids, depth + 1).await?);
                }
            }
        }
        // What is still missing does not exist for us: its records are listed, the others come over.
        match self.reconcile(batch, place, true).await? {
            Ok(counts) => Ok(counts),
            Err(_) => Err(Error::Internal("a batch without missing records still misses some".into())),
        }
    }

    /// The same, in a box: bringing over and fetching call each other, and a run must be able to move between threads.
    fn fetch_boxed<'a, P: Pulled>(
        &'a self,
        ids: &'a [Uuid],
        depth: u8,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
        Box::pin(self.fetch_missing::<P>(ids, depth))
    }

    /// Asks again for records that failed before: what they waited for may be there now, and a record that nobody touches
    /// is in no incremental list. A full sync reads them anyway.
    pub(crate) async fn retry_failed<P: Pulled>(&self) -> Result<(), Error> {
        let mut tx = self.engine.store().read().await?;
        let keys = tx.open_failure_keys(self.connection.id, P::KIND).await?;
        drop(tx);
        // Kinds that are always listed whole (and whose id may be of our own making) were just read.
        if keys.is_empty() || !P::Wire::HAS_IMS {
            return Ok(());
        }
        let most = if P::Wire::PARAMS.contains(&Param::Ids) { RETRIES } else { RETRIES_ONE_BY_ONE };
        let ids: Vec<Uuid> = keys.iter().filter_map(|key| Uuid::try_parse(key).ok()).take(most).collect();
        self.fetch_missing::<P>(&ids, 0).await
    }

    pub(crate) async fn fetch_missing<P: Pulled>(&self, ids: &[Uuid], depth: u8) -> Result<(), Error> {
        tracing::debug!(kind = %P::KIND, count = ids.len(), "fetching records that others refer to");
        let place = Place { cursor: None, expected: None };
        for some in ids.chunks(xero::MAX_IDS) {
            self.bring_over(&self.records::<P>(some).await?, &place, depth).await?;
        }
        Ok(())
    }

    /// Some records by their ids, as far as Xero has them.
    pub(crate) async fn records<P: Pulled>(&self, ids: &[Uuid]) -> Result<Batch<P>, Error> {
        let mut items = Vec::with_capacity(ids.len());
        if P::Wire::PARAMS.contains(&Param::Ids) {
            for some in ids.chunks(xero::MAX_IDS) {
                items.extend(self.books.fetch_page::<P::Wire>(&ListQuery::of_ids::<P::Wire>(some)?, 1).await?.items);
            }
            return Ok(Batch::of(items));
        }
        for id in ids {
            match self.books.get::<P::Wire>(*id).await {
                Ok(wire) => items.push(Ok(wire)),
                // Gone, or answered in a way that cannot be read: whoever refers to it waits.
                Err(xero::Error::Gone | xero::Error::Protocol { status: 200, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Batch::of(items))
    }
}

pub(crate) async fn fetch<P: Pulled>(books: Books, query: ListQuery, number: u32) -> Result<Fetched<P>, Error> {
    let page = books.fetch_page::<P::Wire>(&query, number).await?;
    Ok(Fetched {
        number: page.number,
        listed: i64::try_from(page.items.len()).unwrap_or(i64::MAX),
        is_last: page.is_last,
        expected: page.item_count.and_then(|count| i64::try_from(count).ok()),
        server_time: page.server_date.or(page.date_time_utc),
        batch: Batch::of(page.items),
    })
}
