//! A case, drawn from a seed as plain data: what is agreed on, what is done to either side, and in which order they meet.
//!
//! Edits are small numbers that mean something in every state, so that a case stays one when parts of it are dropped.

use crate::dice::Dice;

/// One edit of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// Which field, slot or part of a line, or which change of the list of lines.
    pub(super) what: u8,
    /// Which line.
    pub(super) place: u8,
    /// One of a few values; 0 is blank, [`BACK`] what was there at first.
    pub(super) to: u8,
    /// Makes the description of a new line its own.
    pub(super) token: u16,
    /// Bits: a space behind (1), a space before (2), sums of the line brought up to date (4).
    pub(super) how: u8,
}

/// The value that was there before any edit.
pub(super) const BACK: u8 = 7;
/// Values that edits set.
const VALUES: u64 = 5;

/// What happens between one time of rest and the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Epoch {
    pub(super) app: Vec<Edit>,
    pub(super) xero: Vec<Edit>,
    /// Made in the App while its push is on its way.
    pub(super) under_way: Vec<Edit>,
    /// The App's row is deleted.
    pub(super) is_deleted: bool,
    /// Xero's record is voided, deleted or archived.
    pub(super) is_voided: bool,
    /// The answer to the first push is lost.
    pub(super) is_lost: bool,
    /// The App was changed after Xero.
    pub(super) is_app_later: bool,
    /// The App's change is noticed before Xero's.
    pub(super) is_app_first: bool,
    /// The rules from here on; `None` keeps those there are.
    pub(super) rules: Option<u64>,
    /// What a person says to all conflicts that stand: the App's value (true) or Xero's.
    pub(super) answer: Option<bool>,
}

/// One record's life.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// 0 customer, 1 invoice, 2 payment, 3 bank transaction.
    pub(super) kind: u8,
    /// Makes the base out of a bare record.
    pub(super) base: Vec<Edit>,
    /// Both sides have the record, and were never compared.
    pub(super) is_first: bool,
    pub(super) epochs: Vec<Epoch>,
}

/// A batch of records.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) plans: Vec<Plan>,
}

/// How many different edits each kind knows; lines come last, and their list last of all.
pub(super) const EDITS: [u8; 4] = [17, 9 + LINE_EDITS, 8, 7 + LINE_EDITS];
/// Edits of lines: eight of parts, and six of the list.
pub(super) const LINE_EDITS: u8 = 15;

impl Case {
    /// The case of a seed.
    pub(super) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "merging");
        let count = match dice.below(20) {
            0..=14 => 1,
            15..=18 => 2,
            _ => 3,
        };
        Self { seed, plans: (0..count).map(|_| Plan::draw(&mut dice)).collect() }
    }
}

impl Plan {
    fn draw(dice: &mut Dice) -> Self {
        let kind = dice.of(&[0_u8, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 3]);
        let is_document = kind % 2 == 1;
        let mut base: Vec<Edit> = (0..dice.below(5)).map(|_| Edit::draw(dice, kind)).collect();
        if is_document {
            let add = EDITS[usize::from(kind)] - 5;
            let lines = dice.below(4);
            base.extend((0..lines).map(|_| Edit { what: add, how: 0, ..Edit::draw(dice, kind) }));
        }
        let is_first = dice.per_mille(60);
        let epochs = 1 + dice.below(6) / 3 + dice.below(10) / 9;
        let mut epochs: Vec<Epoch> = (0..epochs).map(|at| Epoch::draw(dice, kind, at == 0, is_first)).collect();
        if is_document {
            // Of equal lines without ids nobody can tell which is which: a record has copies, or lines written anew.
            let other = EDITS[usize::from(kind)] - 1 - u8::try_from(dice.below(2)).unwrap_or(0);
            base.retain(|edit: &Edit| edit.what + 2 < EDITS[usize::from(kind)]);
            // With the types of amounts changed, sums that the App left alone cannot be told from sums that it set.
            let changes = |epoch: &Epoch| epoch.app.iter().chain(&epoch.xero).any(|edit| edit.sets_types(kind));
            let may_be_lost = !epochs.iter().any(changes);
            for epoch in &mut epochs {
                epoch.is_lost &= may_be_lost;
                for edits in [&mut epoch.app, &mut epoch.xero, &mut epoch.under_way] {
                    edits.retain(|edit| edit.what != other);
                }
            }
        }
        Self { kind, base, is_first, epochs }
    }
}

impl Epoch {
    fn draw(dice: &mut Dice, kind: u8, is_start: bool, is_first: bool) -> Self {
        let few = [0, 1, 1, 1, 2, 2, 3, 5];
        let (of_app, of_xero) = (dice.of(&few), dice.of(&few));
        let app: Vec<Edit> = (0..of_app).flat_map(|_| Edit::with_detours(dice, kind)).collect();
        let mut xero = Vec::new();
        for _ in 0..of_xero {
            // Edits of the two sides have to do with each other more often than not.
            match (app.is_empty(), dice.below(10)) {
                (false, 0..=2) => xero.push(dice.of(&app)),
                (false, 3..=5) => xero.push(Edit { to: Edit::value(dice), ..dice.of(&app) }),
                _ => xero.extend(Edit::with_detours(dice, kind)),
            }
        }
        let is_deleted = dice.per_mille(40) && !(is_start && is_first);
        let is_voided = dice.per_mille(40);
        let mut under_way = Vec::new();
        if dice.per_mille(200) && !is_deleted {
            under_way.extend((0..=dice.below(2)).map(|_| Edit::draw(dice, kind)));
            // Which of two equal lines without an id was sent, nobody can tell.
            under_way.retain(|edit: &Edit| !edit.forgets_ids(kind) && !edit.sets_tax(kind));
        }
        // Nor can anybody tell a line that was written anew, or the copy of one that Xero removed, from one whose answer
        // was lost.
        let is_copied = app.iter().any(|edit| edit.copies(kind)) && xero.iter().any(|edit| edit.removes(kind));
        let is_rewritten = app.iter().chain(&xero).any(|edit| edit.forgets_ids(kind));
        let may_be_lost = under_way.is_empty() && !is_rewritten && !is_copied;
        Self {
            is_lost: may_be_lost && dice.per_mille(100),
            app,
            xero,
            under_way,
            is_deleted,
            is_voided,
            is_app_later: dice.per_mille(500),
            is_app_first: dice.per_mille(400) && !(is_start && is_first),
            rules: (is_start || dice.per_mille(200)).then(|| dice.number()),
            answer: (!is_start && dice.per_mille(400)).then(|| dice.per_mille(500)),
        }
    }
}

impl Edit {
    fn value(dice: &mut Dice) -> u8 {
        u8::try_from(dice.below(VALUES)).unwrap_or(0)
    }

    fn draw(dice: &mut Dice, kind: u8) -> Self {
        let all = EDITS[usize::from(kind)];
        let what = u8::try_from(dice.below(u64::from(all))).unwrap_or(0);
        let how = match dice.below(10) {
            0 => 1,
            1 => 2,
            2..=5 => 4,
            _ => 0,
        };
        let token = u16::try_from(dice.below(1 << 16)).unwrap_or(0);
        Self { what, place: u8::try_from(dice.below(5)).unwrap_or(0), to: Self::value(dice), token, how }
    }

    fn forgets_ids(self, kind: u8) -> bool {
        kind % 2 == 1 && self.what + 1 == EDITS[usize::from(kind)]
    }

    fn copies(self, kind: u8) -> bool {
        kind % 2 == 1 && self.what + 2 == EDITS[usize::from(kind)]
    }

    fn removes(self, kind: u8) -> bool {
        kind % 2 == 1 && self.what + 4 == EDITS[usize::from(kind)]
    }

    fn sets_types(self, kind: u8) -> bool {
        kind % 2 == 1 && self.what + 6 == EDITS[usize::from(kind)]
    }

    fn sets_tax(self, kind: u8) -> bool {
        kind % 2 == 1 && self.what + 7 == EDITS[usize::from(kind)]
    }

    /// An edit; sometimes one that is taken back, or that says the same in another spelling.
    fn with_detours(dice: &mut Dice, kind: u8) -> Vec<Self> {
        let edit = Self::draw(dice, kind);
        match dice.below(16) {
            0 => vec![edit, Self { to: BACK, how: 0, ..edit }],
            1 => vec![Self { to: BACK, how: 1, ..edit }],
            _ => vec![edit],
        }
    }
}
