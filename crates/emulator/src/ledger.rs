//! One organisation's books with what is kept beside them: replies, history, counters, and the past for stale lists.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use crate::books::{Books, Millis};
use crate::http::{Request, WriteNotes};
use crate::read::Selections;
use crate::write::ReplyCache;

/// How many history records are kept of one record.
const HISTORY_LENGTH: usize = 200;

/// The books with what belongs to them.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) books: Books,
    pub(crate) replies: ReplyCache,
    pub(crate) selections: Selections,
    pub(crate) history: History,
    pub(crate) counters: Counters,
    pub(crate) snapshots: Snapshots,
}

impl Ledger {
    pub(crate) fn new(mut books: Books) -> Self {
        // What was generated has no history.
        books.take_touched();
        Self {
            books,
            replies: ReplyCache::default(),
            selections: Selections::default(),
            history: History::default(),
            counters: Counters::default(),
            snapshots: Snapshots::default(),
        }
    }

    /// Keeps the books as they are, for lists that lag. To be called before every write.
    pub(crate) fn remember(&mut self, now: Millis) {
        self.snapshots.keep(now, &self.books);
    }

    /// Puts down in the history what was changed since the last time, and tells which rows. `person` is who did it,
    /// `None` the connected application.
    pub(crate) fn note_history(&mut self, now: Millis, person: Option<&str>) -> Vec<Uuid> {
        let touched = self.books.take_touched();
        let mut ids: Vec<Uuid> = Vec::new();
        for (id, is_new) in touched {
            if !ids.contains(&id) {
                ids.push(id);
                let changes = if is_new { "Created" } else { "Edited" };
                self.history.add(id, HistoryRecord::new(changes, now, person, None));
            }
        }
        ids
    }
}

/// One line of a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryRecord {
    pub(crate) changes: &'static str,
    pub(crate) at: Millis,
    /// `System Generated` for what came through the API.
    pub(crate) user: String,
    pub(crate) details: String,
}

impl HistoryRecord {
    pub(crate) fn new(changes: &'static str, at: Millis, person: Option<&str>, details: Option<&str>) -> Self {
        let user = person.unwrap_or("System Generated").to_owned();
        Self { changes, at, user, details: details.unwrap_or_default().to_owned() }
    }
}

/// The history of every record that was changed since the emulator started.
#[derive(Debug, Default)]
pub(crate) struct History(BTreeMap<Uuid, VecDeque<HistoryRecord>>);

impl History {
    pub(crate) fn add(&mut self, id: Uuid, record: HistoryRecord) {
        let records = self.0.entry(id).or_default();
        if records.len() == HISTORY_LENGTH {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// The newest first, as Xero shows them.
    pub(crate) fn of(&self, id: Uuid) -> impl Iterator<Item = &HistoryRecord> {
        self.0.get(&id).into_iter().flatten().rev()
    }
}

/// Writes of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteCount {
    /// Calls that were carried out.
    pub calls: u64,
    /// Elements saved.
    pub saved: u64,
    /// Elements refused.
    pub refused: u64,
    /// Calls answered from the cache of `Idempotency-Key`s, without doing anything.
    pub replayed: u64,
}

/// What is counted of the writes to one organisation since the emulator started. A person's edits are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// By method and endpoint, e.g. `PUT Invoices`; the id in a path is left out.
    pub writes: BTreeMap<String, WriteCount>,
    /// Lines of existing documents that were thrown away and made again under new ids.
    pub lines_recreated_unintended: u64,
    /// Contacts that a document made or changed because it named them with more than their id.
    pub contacts_by_documents: u64,
    /// Calls refused because their key belonged to another request.
    pub keys_misused: u64,
    /// Writes without an `Idempotency-Key` (deletions by DELETE take none and are not counted).
    pub writes_without_key: u64,
    /// Elements in the largest batch.
    pub largest_batch: u64,
}

impl Counters {
    /// Every write call that was carried out.
    pub fn write_calls(&self) -> u64 {
        self.writes.values().map(|count| count.calls).sum()
    }

    /// Every element that was saved.
    pub fn saved(&self) -> u64 {
        self.writes.values().map(|count| count.saved).sum()
    }

    pub(crate) fn count(&mut self, request: &Request, segments: &[&str], notes: &WriteNotes) {
        let endpoint = match segments {
            [first, _, part, ..] => format!("{} {first}/{part}", request.method),
            [first, ..] => format!("{} {first}", request.method),
            [] => request.method.clone(),
        };
        let count = self.writes.entry(endpoint).or_default();
        if notes.is_replay {
            count.replayed += 1;
            return;
        }
        count.calls += 1;
        count.saved += notes.saved;
        count.refused += notes.refused;
        self.lines_recreated_unintended += notes.lines_recreated;
        self.contacts_by_documents += notes.contacts_by_documents;
        self.keys_misused += u64::from(notes.is_key_misused);
        let has_key = request.header("Idempotency-Key").is_some_and(|key| !key.is_empty());
        self.writes_without_key += u64::from(!has_key && request.method != "DELETE");
        self.largest_batch = self.largest_batch.max(notes.saved + notes.refused);
    }
}

/// The books as they were at the start of each of the last seconds in which something was written. Nothing is kept unless
/// a fault rule asks for stale lists, because a copy of large books takes a while.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    span: Option<Millis>,
    kept: VecDeque<(Millis, Arc<Books>)>,
}

impl Snapshots {
    /// How far back lists may reach from now on; `None` keeps nothing.
    pub(crate) fn set_span(&mut self, span: Option<Millis>) {
        self.span = span;
        if span.is_none() {
            self.kept.clear();
        }
    }

    fn keep(&mut self, now: Millis, books: &Books) {
        let Some(span) = self.span else { return };
        self.kept.retain(|(at, _)| *at >= now.saturating_sub(span));
        let is_known = self.kept.back().is_some_and(|(at, _)| at.div_euclid(1_000) == now.div_euclid(1_000));
        if !is_known {
            self.kept.push_back((now, Arc::new(books.clone())));
        }
    }

    /// The books as they were at `at`; `None` when nothing was written since.
    pub(crate) fn as_of(&self, at: Millis) -> Option<Arc<Books>> {
        self.kept.iter().find(|(written, _)| *written > at).map(|(_, books)| Arc::clone(books))
    }
}
