//! The state of the reading and everything that may happen in it.

use super::Step;
use super::cursor::{ALL_READ, Cursors, MONOTONE, Variant};

/// Records, in the order of their ids.
const RECORDS: usize = 3;
/// How far the reader's own clock is ahead: more than the overlap.
const AHEAD: u8 = 3;
/// A pass that took longer is followed by another (`catch_up_after_s`).
const CATCH_UP_AFTER: u8 = 1;

/// A state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version {
    /// From 1; 0 is not there yet.
    pub number: u8,
    /// `UpdatedDateUTC`.
    pub changed: u8,
}

/// The run that is open, as the `cursors` row has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Run {
    /// `next_page`, from 0.
    pub next_page: u8,
    /// `pull_from`, not yet less the overlap.
    pub from: Option<u8>,
    /// `pass`.
    pub pass: u8,
    /// Records of one page.
    pub page_size: u8,
    /// The newest change that it has read: only of a wrong variant.
    pub newest: u8,
    /// Whether it began when everything had changed and could be seen.
    pub is_last: bool,
}

/// What the reader is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reader {
    /// Dead, or between two runs.
    Down,
    /// Between two pages.
    Ready,
    /// A page in memory.
    Page(Page),
}

/// A page in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// What it says of each record; number 0 if it does not list it.
    pub records: [Version; RECORDS],
    /// Whether it is the last.
    pub is_last: bool,
    /// Xero's time.
    pub at: u8,
    /// Whether its cursor is saved already: only of a wrong variant.
    pub is_cursor_saved: bool,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Xero's time.
    pub time: u8,
    /// Xero's records.
    pub records: [Version; RECORDS],
    /// As they were before their last change.
    pub before: [Version; RECORDS],
    /// Whether a list has shown their last change: from then on every list does.
    pub is_shown: [bool; RECORDS],
    /// What was read of them.
    pub books: [Version; RECORDS],
    /// `read_until`.
    pub read_until: Option<u8>,
    /// Where the last run ended: only of a wrong variant.
    pub last_page: u8,
    /// The run that is open.
    pub run: Option<Run>,
    /// The reader.
    pub reader: Reader,
    /// Changes left.
    pub changes: u8,
    /// Deaths left.
    pub crashes: u8,
    /// What a step broke.
    pub broken: Option<&'static str>,
}

impl State {
    pub(super) fn new(machine: &Cursors) -> Self {
        let there = Version { number: 1, changed: 0 };
        let records = [there, Version::default(), there];
        Self {
            time: 2,
            records,
            before: records,
            is_shown: [true; RECORDS],
            books: [Version::default(); RECORDS],
            read_until: None,
            last_page: 0,
            run: None,
            reader: Reader::Down,
            changes: machine.changes,
            crashes: machine.crashes,
            broken: None,
        }
    }

    /// Whether the page in memory says less than Xero knew when it answered.
    pub(super) fn is_page_old(&self) -> bool {
        let Reader::Page(page) = &self.reader else { return false };
        page.records
            .iter()
            .zip(&self.records)
            .any(|(read, now)| read.number > 0 && read.number < now.number && now.changed < page.at)
    }

    fn is_last_change_seen(&self, lag: u8) -> bool {
        self.changes == 0 && self.records.iter().all(|record| record.changed + lag <= self.time)
    }
}

impl Cursors {
    /// Changes, new records, and time.
    pub(super) fn xero(&self, state: &State, steps: &mut Vec<Step<State>>) {
        let mut add = |by, what, to| steps.push(Step { by, what, to });
        // Time has an end here; what changes last can still be seen before it.
        if state.changes > 0 && state.time + 2 < self.time {
            for at in 0..RECORDS {
                let mut to = *state;
                to.changes -= 1;
                to.before[at] = state.records[at];
                to.is_shown[at] = self.lag() == 0;
                to.records[at] = Version { number: state.records[at].number + 1, changed: state.time };
                let what = match (at, state.records[at].number) {
                    (0, _) => "the first record changes",
                    (1, 0) => "a record comes into being between the two",
                    (1, _) => "the record between the two changes",
                    _ => "the last record changes",
                };
                add("xero", what, to);
            }
        }
        if state.time < self.time {
            let mut to = *state;
            to.time += 1;
            for (is_shown, record) in to.is_shown.iter_mut().zip(&to.records) {
                *is_shown |= record.changed + self.lag() <= to.time;
            }
            add("time", "passes", to);
        }
    }

    /// What the reader may do next.
    pub(super) fn read(&self, state: &State, steps: &mut Vec<Step<State>>) {
        let mut add = |what, to| steps.push(Step { by: "reader", what, to });
        if state.reader != Reader::Down && state.crashes > 0 {
            let mut to = State { reader: Reader::Down, crashes: state.crashes - 1, ..*state };
            if let (Variant::PageSizeChanged, Some(run)) = (self.variant, &mut to.run) {
                run.page_size = 2;
            }
            add("dies", to);
        }
        match (state.reader, state.run) {
            (Reader::Down, Some(_)) => {
                add("takes up the run that was cut off", State { reader: Reader::Ready, ..*state })
            }
            (Reader::Down | Reader::Ready, None) => {
                let next_page = if self.variant == Variant::PageNumber { state.last_page } else { 0 };
                let is_last = state.is_last_change_seen(self.lag());
                let run = Some(Run { next_page, page_size: 1, is_last, ..Run::default() });
                add("begins a run", State { run, reader: Reader::Ready, ..*state });
            }
            (Reader::Ready, Some(run)) => {
                for (page, is_shown) in self.pages(state, &run) {
                    add("fetches a page", State { reader: Reader::Page(page), is_shown, ..*state });
                }
            }
            (Reader::Page(page), Some(run)) => self.commit(state, &run, page, &mut add),
            (Reader::Page(_), None) => {}
        }
    }

    /// Whether this pass reads everything: the first pass of the first run.
    fn reads_everything(&self, state: &State, run: &Run) -> bool {
        state.read_until.is_none() && run.pass == 0
    }

    /// The answers that Xero may give now: each change of this moment may show already or not.
    fn pages(&self, state: &State, run: &Run) -> Vec<(Page, [bool; RECORDS])> {
        let mut pages = Vec::new();
        for old in 0_u8..1 << RECORDS {
            let is_old = |at: usize| old & (1 << at) != 0;
            if (0..RECORDS).any(|at| is_old(at) && state.is_shown[at]) {
                continue;
            }
            let version = |at: usize| if is_old(at) { state.before[at] } else { state.records[at] };
            let shown =
                std::array::from_fn(|at| state.is_shown[at] || (!is_old(at) && self.variant != Variant::Flickers));
            pages.push((self.page(state, run, std::array::from_fn(version)), shown));
        }
        pages
    }

    fn page(&self, state: &State, run: &Run, shown: [Version; RECORDS]) -> Page {
        let since = state.read_until.filter(|_| !self.reads_everything(state, run));
        let is_listed = |at: &usize| {
            let is_new_enough = |since: u8| match self.variant {
                Variant::NewerOnly => shown[*at].changed > since,
                _ => shown[*at].changed >= since,
            };
            shown[*at].number > 0 && since.is_none_or(is_new_enough)
        };
        let mut listed: Vec<usize> = (0..RECORDS).filter(is_listed).collect();
        if self.variant == Variant::ByChange {
            listed.sort_by_key(|at| (shown[*at].changed, *at));
        }
        let first = usize::from(run.next_page) * usize::from(run.page_size);
        let end = first + usize::from(run.page_size);
        let mut records = [Version::default(); RECORDS];
        for at in listed.iter().take(end).skip(first) {
            records[*at] = shown[*at];
        }
        Page { records, is_last: listed.len() <= end, at: state.time, is_cursor_saved: false }
    }

    /// A page and its cursor, in one transaction.
    fn commit(&self, state: &State, run: &Run, page: Page, add: &mut impl FnMut(&'static str, State)) {
        let mut to = *state;
        if self.variant == Variant::CursorFirst && !page.is_cursor_saved {
            self.save_cursor(&mut to, run, &page);
            to.reader = Reader::Page(Page { is_cursor_saved: true, ..page });
            return add("save_cursor: before the records", to);
        }
        for (book, read) in to.books.iter_mut().zip(&page.records) {
            // `is_older`: an answer older than what is known never overwrites it.
            if read.number > 0 && read.changed >= book.changed {
                *book = *read;
            }
        }
        if !page.is_cursor_saved {
            self.save_cursor(&mut to, run, &page);
        }
        to.reader = Reader::Ready;
        if to.run.is_none() {
            to.reader = Reader::Down;
            let is_all_read = to.books.iter().zip(&to.records).all(|(book, record)| book.number == record.number);
            if run.is_last && !is_all_read {
                to.broken = Some(ALL_READ);
            }
        }
        add("reconcile: the page and its cursor are durable", to);
    }

    /// `pass` and `end_pass`.
    fn save_cursor(&self, to: &mut State, run: &Run, page: &Page) {
        let mut run = *run;
        let is_first_page = run.from.is_none();
        if is_first_page {
            run.from = Some(if self.variant == Variant::OwnClock { page.at + AHEAD } else { page.at });
        }
        run.newest = page.records.iter().map(|record| record.changed).fold(run.newest, u8::max);
        run.next_page += 1;
        to.run = Some(run);
        if !page.is_last {
            return;
        }
        let from = match self.variant {
            Variant::NewestSeen => run.newest,
            Variant::TimeOfLastPage => page.at,
            _ => run.from.unwrap_or_default(),
        };
        let until = from.saturating_sub(self.overlap());
        if to.read_until.is_some_and(|before| until < before) && self.variant != Variant::NewestSeen {
            to.broken = Some(MONOTONE);
        }
        to.read_until = Some(until);
        to.last_page = run.next_page - 1;
        let took = page.at.saturating_sub(run.from.unwrap_or_default());
        let is_complete = took <= CATCH_UP_AFTER || self.variant == Variant::PageNumber;
        // How many passes there were makes no difference to the next.
        let next = Run { next_page: 0, from: None, pass: 1, newest: 0, ..run };
        to.run = (!is_complete).then_some(next);
    }
}
