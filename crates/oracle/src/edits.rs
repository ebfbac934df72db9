//! What became of every edit: each put a token of its own somewhere, and the token must be found again, or a reason why
//! not.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::checks::Violation;
use crate::fields::{Fields, is_gone};
use crate::sides::Scene;
use crate::snapshot::Snapshot;

/// Marks that one step may make.
const PER_STEP: usize = 26;

/// Which side an edit was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The App, by SQL.
    App,
    /// Somebody in Xero.
    Xero,
}

/// The record of an edit, by the name that it has on its own side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The App's id.
    Local(i64),
    /// Xero's id.
    Xero(Uuid),
}

/// An edit that put a token somewhere, or took a record away (`field` is `removed`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Names the token.
    pub number: usize,
    /// Whose edit it is.
    pub by: By,
    /// Kind of the record.
    pub kind: &'static str,
    /// The record.
    pub who: Who,
    /// The field: `new` for a record that was made, `line`, `removed`, or its name.
    pub field: &'static str,
    /// The same side wrote over it, or removed what held it.
    pub is_superseded: bool,
    /// The other side had it before its eyes when it wrote over it.
    pub is_seen: bool,
    /// It was made while a request of the engine was on its way.
    pub is_in_flight: bool,
    /// It put an older value back: this token must not come again.
    pub back_from: Option<usize>,
}

/// The text of a token: eight characters, the same length for all (`tk00012c` is the third of step 12).
pub fn token(number: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(number % PER_STEP).unwrap_or(0));
    format!("tk{:05}{letter}", number / PER_STEP)
}

/// The tokens in a text.
pub fn tokens_in(text: &str) -> Vec<usize> {
    let one = |(at, _): (usize, &str)| {
        let step: usize = text.get(at + 2..at + 7)?.parse().ok()?;
        let letter = *text.as_bytes().get(at + 7).filter(|byte| byte.is_ascii_lowercase())?;
        Some(step * PER_STEP + usize::from(letter - b'a'))
    };
    text.match_indices("tk").filter_map(one).collect()
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Both sides have it.
    Arrived,
    /// The same side wrote over it.
    Superseded,
    /// The other side had it, and wrote over it.
    Seen,
    /// A conflict, open or decided, holds it.
    InConflict,
    /// The record is listed as not in order.
    Listed,
    /// The record was taken away.
    Removed,
    /// It is nowhere.
    Lost,
}

impl Scene<'_> {
    /// The two names of an edit's record.
    fn pair(&self, mark: &Mark) -> (Option<i64>, Option<Uuid>) {
        match mark.who {
            Who::Local(local) => (Some(local), self.sides.xero_of(mark.kind, local)),
            Who::Xero(xero) => (self.sides.local_of(mark.kind, xero), Some(xero)),
        }
    }

    fn app(&self, mark: &Mark) -> Option<&Fields> {
        self.pair(mark).0.and_then(|local| self.sides.app.get(&(mark.kind, local)))
    }

    fn xero(&self, mark: &Mark) -> Option<&Fields> {
        self.pair(mark).1.and_then(|xero| self.sides.xero.get(&(mark.kind, xero)))
    }

    fn fate(&self, mark: &Mark) -> Fate {
        if mark.field == "removed" || mark.back_from.is_some() {
            return self.fate_of_removal(mark);
        }
        let text = token(mark.number);
        let holds = |fields: Option<&Fields>| fields.is_some_and(|of| of.values().any(|value| value.contains(&text)));
        if holds(self.app(mark)) && holds(self.xero(mark)) {
            return Fate::Arrived;
        }
        if mark.is_seen {
            return Fate::Seen;
        }
        if mark.is_superseded {
            return Fate::Superseded;
        }
        let (local, xero) = self.pair(mark);
        let conflicts = self.snapshot.conflicts.iter().filter(|one| one.kind == mark.kind && Some(one.local) == local);
        let is_in = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains(&text));
        if conflicts.clone().any(|one| is_in(&one.app) || is_in(&one.xero) || is_in(&one.result)) {
            return Fate::InConflict;
        }
        // What Xero's side lost in the moment between our look and our write, and we said so.
        if mark.by == By::Xero && conflicts.clone().any(|one| one.what == "POSSIBLE_OVERWRITE") {
            return Fate::InConflict;
        }
        if self.listed.has(mark.kind, local, xero) {
            return Fate::Listed;
        }
        if self.is_removed(mark) { Fate::Removed } else { Fate::Lost }
    }

    /// A record that was taken away stays away, unless somebody decided otherwise. A contact may come out of the archive.
    fn fate_of_removal(&self, mark: &Mark) -> Fate {
        let (local, xero) = self.pair(mark);
        if mark.back_from.is_some() || mark.kind == "customer" || mark.is_superseded {
            return Fate::Superseded;
        }
        if self.listed.has(mark.kind, local, xero) {
            return Fate::Listed;
        }
        let decided = |one: &&crate::Conflict| one.kind == mark.kind && Some(one.local) == local;
        if self.snapshot.conflicts.iter().any(|one| decided(&one)) {
            return Fate::InConflict;
        }
        let is_away = |fields: Option<&Fields>| fields.is_none_or(is_gone);
        if is_away(self.app(mark)) && is_away(self.xero(mark)) { Fate::Arrived } else { Fate::Lost }
    }

    /// Whether the record was there and is gone on a side.
    fn is_removed(&self, mark: &Mark) -> bool {
        let (local, xero) = self.pair(mark);
        local.is_some() && self.app(mark).is_none_or(is_gone) || xero.is_some() && self.xero(mark).is_none_or(is_gone)
    }
}

/// What became of one edit.
pub fn fate_of(snapshot: &Snapshot, mark: &Mark) -> Fate {
    Scene::of(snapshot).fate(mark)
}

/// How many edits ended how.
pub fn edits_of(snapshot: &Snapshot, marks: &[Mark]) -> BTreeMap<Fate, usize> {
    let scene = Scene::of(snapshot);
    let mut sums = BTreeMap::new();
    for mark in marks {
        *sums.entry(scene.fate(mark)).or_default() += 1;
    }
    sums
}

/// Edits that are nowhere: neither on both sides, nor written over by somebody who saw them, nor in a conflict or failure
/// (I-L1 and I-L2; I-L2w for those that were made while a request was on its way).
pub(crate) fn lost(scene: &Scene<'_>, marks: &[Mark]) -> Vec<Violation> {
    let is_lost = |mark: &&Mark| scene.fate(mark) == Fate::Lost;
    let told = |mark: &Mark| {
        let invariant = match (mark.by, mark.is_in_flight) {
            (By::App, _) => "I-L1",
            (By::Xero, false) => "I-L2",
            (By::Xero, true) => "I-L2w",
        };
        let (text, kind, who, field) = (token(mark.number), mark.kind, mark.who, mark.field);
        let (app, xero) = (scene.app(mark), scene.xero(mark));
        Violation::new(invariant, format!("{text} on {kind} {who:?} {field} is lost: app {app:?} xero {xero:?}"))
    };
    marks.iter().filter(is_lost).map(told).collect()
}

/// Values that an edit took away and that stand on a side again (I-L7): somebody's older write landed on a newer one.
pub(crate) fn came_back(scene: &Scene<'_>, marks: &[Mark]) -> Vec<Violation> {
    let mut found = Vec::new();
    for mark in marks.iter().filter(|mark| !mark.is_superseded && !mark.is_seen) {
        let Some(text) = mark.back_from.map(token) else { continue };
        let (local, xero) = scene.pair(mark);
        if scene.listed.has(mark.kind, local, xero) || scene.is_removed(mark) {
            continue;
        }
        let holds = |fields: Option<&Fields>| {
            fields.and_then(|of| of.get(mark.field)).is_some_and(|value| value.contains(&text))
        };
        if holds(scene.app(mark)) || holds(scene.xero(mark)) {
            let (kind, who, field) = (mark.kind, mark.who, mark.field);
            found.push(Violation::new(
                "I-L7",
                format!("{field} of {kind} {who:?} is {text} again, which was taken back"),
            ));
        }
    }
    found
}
