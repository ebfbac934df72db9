//! Reading what changed (reliability.md A6.5, ADR 2; `sync::pull`, `store::pull`): whatever changes in Xero is read in the
//! end, by pages in the order of the record's id and a cursor that comes from Xero's clock.
//!
//! One reader (the lease sees to that). Records change and come into being between any two steps, several in one second;
//! Xero's lists lag; the reader dies anywhere, and is started again with the run that it left open. A tick is Xero's
//! second, overlap and lag are two of them, and a page holds one record, so that every boundary is met.

use super::cursor_steps::{Reader, State};
use super::{Expected, Machine, Report, Size, Step};

/// I-C2.
pub const NOT_BEYOND: &str = "the cursor is never beyond a change that was not read";
/// I-C1.
pub const MONOTONE: &str = "the cursor never goes back";
/// I-C3 and I-C4.
pub const ALL_READ: &str = "a run that began after the last change leaves nothing unread";

/// The rule that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// None.
    Right,
    /// The cursor is saved before the page's records are.
    CursorFirst,
    /// Readings do not overlap.
    NoOverlap,
    /// Readings do not overlap, in a Xero without lag: what is left is the boundary second.
    Boundary,
    /// The same, and only what is newer than the cursor is asked for.
    NewerOnly,
    /// Pages in the order of the last change: Xero's own order.
    ByChange,
    /// A run begins at the page at which the last one ended.
    PageNumber,
    /// The cursor is the reader's own time, and its clock is ahead.
    OwnClock,
    /// The cursor is the newest change that was read, less the overlap.
    NewestSeen,
    /// The cursor is the time of the last page, less the overlap.
    TimeOfLastPage,
    /// Right rules, where a list may hide again what an earlier one has shown.
    Flickers,
    /// A run that was cut off is taken up with pages of another size, at the page number that it had reached.
    PageSizeChanged,
}

/// The machine.
#[derive(Debug, Clone, Copy)]
pub struct Cursors {
    /// Its rules.
    pub variant: Variant,
    /// How many changes, new records among them, there will be.
    pub changes: u8,
    /// How often the reader dies.
    pub crashes: u8,
    /// How many ticks there are.
    pub time: u8,
}

impl Cursors {
    /// How far a reading overlaps the one before.
    pub(super) fn overlap(&self) -> u8 {
        match self.variant {
            Variant::NoOverlap | Variant::Boundary | Variant::NewerOnly => 0,
            _ => 2,
        }
    }

    /// How long a list may show a record as it was before.
    pub(super) fn lag(&self) -> u8 {
        match self.variant {
            Variant::Boundary | Variant::NewerOnly => 0,
            _ => 2,
        }
    }
}

impl Machine for Cursors {
    type State = State;

    fn initial(&self) -> Vec<State> {
        // The record in the middle comes into being later.
        vec![State::new(self)]
    }

    fn next(&self, state: &State, steps: &mut Vec<Step<State>>) {
        self.xero(state, steps);
        self.read(state, steps);
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        if state.broken.is_some() {
            return state.broken;
        }
        let is_missed = |(record, read): (&super::cursor_steps::Version, &super::cursor_steps::Version)| {
            record.number != read.number && state.read_until.is_some_and(|until| record.changed < until)
        };
        state.records.iter().zip(&state.books).any(is_missed).then_some(NOT_BEYOND)
    }

    fn is_rest(&self, state: &State) -> bool {
        let are_equal = state.records.iter().zip(&state.books).all(|(record, read)| record.number == read.number);
        state.run.is_none() && are_equal
    }

    fn landmarks(&self) -> &'static [&'static str] {
        &[
            "a run taken up in the middle",
            "two changes in one second",
            "a change between two pages of a reading",
            "a page that lags",
            "a second pass",
        ]
    }

    fn passes(&self, state: &State) -> u64 {
        let records = &state.records;
        let bits = [
            state.reader == Reader::Down && state.run.is_some_and(|run| run.next_page > 0),
            records.iter().any(|one| {
                records.iter().any(|two| one.number > 0 && two.number > 1 && one.changed == two.changed && one != two)
            }),
            state.run.is_some_and(|run| {
                run.next_page > 0 && records.iter().any(|one| run.from.is_some_and(|from| one.changed > from))
            }),
            self.lag() == 0 || state.is_page_old(),
            state.run.is_some_and(|run| run.pass > 0),
        ];
        bits.iter().enumerate().fold(0, |sum, (bit, is_so)| sum | u64::from(*is_so) << bit)
    }
}

/// The machine as it is, and its wrong variants.
pub fn reports(size: Size) -> Vec<Report> {
    let of = |rules, expected, machine: Cursors| Report::of("cursor", rules, expected, &machine);
    let holds = |rules, states, machine| of(rules, Expected::Holds { states }, machine);
    let right = Cursors { variant: Variant::Right, changes: 2, crashes: 1, time: 8 };
    let mut reports = vec![holds("right; 2 changes, 1 crash", 420_000, right)];
    if size == Size::Full {
        reports.push(holds(
            "right; 3 changes, 2 crashes",
            1_800_000,
            Cursors { changes: 3, crashes: 2, time: 7, ..right },
        ));
    }
    let boundary = Cursors { variant: Variant::Boundary, time: right.time - 1, ..right };
    reports.push(holds("right without overlap, where lists never lag", 120_000, boundary));
    let beyond = Expected::Breaks(NOT_BEYOND);
    let wrong = [
        ("`>` instead of `>=`, where lists never lag", Expected::Breaks(ALL_READ), Variant::NewerOnly),
        ("no overlap", beyond, Variant::NoOverlap),
        ("the cursor before the data", beyond, Variant::CursorFirst),
        ("pages in the order of the last change", beyond, Variant::ByChange),
        ("a page number as the cursor", Expected::Breaks(ALL_READ), Variant::PageNumber),
        ("the reader's own clock, which is ahead", beyond, Variant::OwnClock),
        ("the newest change that was seen as the cursor", beyond, Variant::NewestSeen),
        ("the time of the last page as the cursor", beyond, Variant::TimeOfLastPage),
        ("taken up with another size of pages", beyond, Variant::PageSizeChanged),
    ];
    reports.extend(wrong.map(|(rules, expected, variant)| of(rules, expected, Cursors { variant, ..right })));
    let flickers = Cursors { variant: Variant::Flickers, ..right };
    reports.push(of(
        "right, but one list hides what the one before has shown",
        Expected::BreaksOutside(NOT_BEYOND),
        flickers,
    ));
    reports
}
