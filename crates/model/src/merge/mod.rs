//! The three-way merge: one pure function for both directions.
//!
//! Per unit, against the base: changed on one side takes that side; the same value on both is no conflict; changed
//! differently on both is a conflict, which the policy decides or leaves to a person. A unit is a field, a group of
//! fields that only make sense together, a slot of a keyed list, or a part of a line. Fields that Xero owns always take
//! Xero's value. A unit whose conflict is left open keeps each side's own value and does not advance the base, or the
//! next run would silently let one side win.

mod align;
mod lines;
pub mod path;
mod slots;
mod value;

use std::borrow::Cow;

use serde_json::Value;

use crate::{Address, List, Member, Owner, Parts, Phone, Record, SameText, Unit};
use value::{exactly, plain, trimmed};

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The App's value.
    App,
    /// Xero's value.
    Xero,
}

/// Who wins where both sides changed one unit differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The side that was modified later, as the caller found by comparing modification times.
    LastWrite(Side),
    /// The App.
    AppWins,
    /// Xero.
    #[default]
    XeroWins,
    /// Nobody, until a person has decided.
    Ask,
}

impl Policy {
    /// The winning side; `None` asks a person.
    pub const fn winner(self) -> Option<Side> {
        match self {
            Self::LastWrite(side) => Some(side),
            Self::AppWins => Some(Side::App),
            Self::XeroWins => Some(Side::Xero),
            Self::Ask => None,
        }
    }
}

/// A unit that both sides changed differently.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldConflict {
    /// The unit's path, as [`path`] reads it: `email`, `money`, `phones[MOBILE]`, `lines[<id>].amounts`, `lines[<id>]`
    /// (removed on one side, edited on the other), `lines` (the whole group), or `presence` (the whole record).
    pub field: String,
    /// What both last agreed on; null for nothing. A group is an object of its members that are not blank.
    pub base: Value,
    /// What the App has.
    pub app: Value,
    /// What Xero has.
    pub xero: Value,
    /// Who won by policy; `None` leaves it open.
    pub winner: Option<Side>,
    /// The policy that decided, or left it open.
    pub policy: Policy,
}

/// What a merge says to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<R> {
    /// The App's record as it should be; `None` if it already is.
    pub write_local: Option<R>,
    /// The record as Xero should have it: what Xero has, with the pushed units taken from the App. `None` if nothing
    /// is to be pushed. New lines have no id.
    pub outgoing: Option<R>,
    /// Paths of the units pushed, as in [`FieldConflict::field`]; besides, `lines[new]` for lines that Xero does not
    /// have yet, `lines[<id>]` for a line removed (or added again), `lines` for the whole group or its order.
    pub push: Vec<String>,
    /// What both sides agree on from now on. Where the App won, Xero's value until it is acknowledged; where a
    /// conflict is open, the old base.
    pub base: R,
    /// What both sides agree on once `outgoing` has arrived in Xero: the base, with the pushed units as sent.
    pub acked: R,
    /// What both sides changed differently, decided or open.
    pub conflicts: Vec<FieldConflict>,
}

/// Merges the App's and Xero's state of one record against the last state that both agreed on. The policy is asked by
/// the path of each conflict.
///
/// # Errors
/// When the values of a conflict cannot be shown as JSON; those of this crate's records always can.
pub fn merge<R: Record>(
    base: &R,
    local: &R,
    remote: &R,
    policy: &dyn Fn(&str) -> Policy,
) -> Result<Decision<R>, serde_json::Error> {
    let three = Three { base, local, remote };
    let mut out = Outcome {
        local: Cow::Borrowed(local),
        base: Cow::Borrowed(remote),
        outgoing: Cow::Borrowed(remote),
        acked: Cow::Borrowed(remote),
        settled: Settled { policy, push: Vec::new(), conflicts: Vec::new() },
    };
    for unit in R::units() {
        match unit.list() {
            _ if unit.owner == Owner::Xero || !R::TWO_WAY => take_xero(unit, &three, &mut out),
            Some(List::Phones) => slots::merge::<R, Phone>(unit, &three, &mut out)?,
            Some(List::Addresses) => slots::merge::<R, Address>(unit, &three, &mut out)?,
            Some(List::Lines) => lines::merge(unit, &three, &mut out)?,
            None => merge_unit(unit, &three, &mut out)?,
        }
    }
    let Settled { push, conflicts, .. } = out.settled;
    Ok(Decision {
        write_local: (*out.local != *local).then(|| out.local.into_owned()),
        outgoing: (!push.is_empty()).then(|| out.outgoing.into_owned()),
        push,
        base: out.base.into_owned(),
        acked: out.acked.into_owned(),
        conflicts,
    })
}

/// What to do about a record of Xero whose local row is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Nothing: Xero removed it too.
    Agreed,
    /// Remove it in Xero.
    Push,
    /// Write it to the App again.
    Restore,
    /// Ask: Xero changed what the App removed.
    Open,
}

/// Merges the removal of the App's row with Xero's state. Changed in Xero since the base, it is a conflict of the field
/// `presence`, whose values are the whole record, and null for the App.
pub fn merge_removed<R: Record>(
    base: &R,
    remote: &R,
    policy: &dyn Fn(&str) -> Policy,
) -> (Removal, Option<FieldConflict>) {
    if !remote.is_live() {
        return (Removal::Agreed, None);
    }
    if !R::TWO_WAY {
        return (Removal::Restore, None);
    }
    // What Xero alone decides, such as the amount due, is no edit that a removal could lose.
    let is_untouched = R::units().iter().filter(|unit| unit.owner == Owner::Both).all(|unit| match unit.list() {
        Some(List::Phones) => slots::is_untouched::<R, Phone>(unit, base, remote),
        Some(List::Addresses) => slots::is_untouched::<R, Address>(unit, base, remote),
        Some(List::Lines) => lines::is_untouched(unit, base, remote),
        None => unit.is_same(base, remote, trimmed),
    });
    if is_untouched {
        return (Removal::Push, None);
    }
    let policy = policy(PRESENCE);
    let winner = policy.winner();
    let removal = match winner {
        Some(Side::App) => Removal::Push,
        Some(Side::Xero) => Removal::Restore,
        None => Removal::Open,
    };
    let conflict = FieldConflict {
        field: PRESENCE.to_owned(),
        base: serde_json::to_value(base).unwrap_or_default(),
        app: Value::Null,
        xero: serde_json::to_value(remote).unwrap_or_default(),
        winner,
        policy,
    };
    (removal, Some(conflict))
}

/// The path of a conflict about whether the record is there at all.
const PRESENCE: &str = "presence";

/// The three states of one record.
struct Three<'a, R> {
    base: &'a R,
    local: &'a R,
    remote: &'a R,
}

/// What a merge builds up: the four records, and what was settled on the way.
struct Outcome<'a, R: Clone> {
    local: Cow<'a, R>,
    base: Cow<'a, R>,
    outgoing: Cow<'a, R>,
    acked: Cow<'a, R>,
    settled: Settled<'a>,
}

/// Pushes and conflicts found so far, and who decides.
struct Settled<'p> {
    policy: &'p dyn Fn(&str) -> Policy,
    push: Vec<String>,
    conflicts: Vec<FieldConflict>,
}

/// How the three values of a unit compare.
struct Comparison {
    app_is_base: bool,
    app_is_xero: bool,
    xero_is_base: bool,
}

impl Settled<'_> {
    /// Whose value a unit takes; `None` leaves it open. Notes the push or the conflict.
    fn settle(
        &mut self,
        path: impl FnOnce() -> String,
        comparison: &Comparison,
        values: impl FnOnce() -> Result<[Value; 3], serde_json::Error>,
    ) -> Result<Option<Side>, serde_json::Error> {
        if comparison.app_is_base || comparison.app_is_xero {
            return Ok(Some(Side::Xero));
        }
        let path = path();
        if comparison.xero_is_base {
            self.push.push(path);
            return Ok(Some(Side::App));
        }
        let policy = (self.policy)(&path);
        let winner = policy.winner();
        if winner == Some(Side::App) {
            self.push.push(path.clone());
        }
        let [base, app, xero] = values()?;
        self.conflicts.push(FieldConflict { field: path, base, app, xero, winner, policy });
        Ok(winner)
    }
}

impl<T: Parts> Unit<T> {
    fn members(&self) -> impl Iterator<Item = &'static Member<T>> {
        self.members.iter().copied()
    }

    fn list(&self) -> Option<List> {
        self.keyed.map(|(_, list)| list)
    }

    /// The items of that list.
    fn items<'a, I: 'static>(&self, of: &'a T) -> &'a [I] {
        let list = self.keyed.and_then(|(member, _)| (member.any)(of).downcast_ref::<Vec<I>>());
        list.map_or(&[], Vec::as_slice)
    }

    /// Changes that list.
    fn change_items<I: 'static>(&self, of: &mut T, change: impl FnOnce(&mut Vec<I>)) {
        if let Some(list) = self.keyed.and_then(|(member, _)| (member.any_mut)(of).downcast_mut::<Vec<I>>()) {
            change(list);
        }
    }

    /// The value as conflicts show it: of one field, the value; of a group, an object of what is not blank.
    fn shown(&self, of: &T) -> Result<Value, serde_json::Error> {
        let mut group = value::Members::new();
        for member in self.members() {
            let value = plain(&(member.value)(of)?);
            if !self.is_group {
                return Ok(value);
            }
            if !value.is_null() {
                group.insert(member.field.json_name().to_owned(), value);
            }
        }
        Ok(Value::Object(group))
    }

    fn copy(&self, from: &T, to: &mut T) {
        self.members().for_each(|member| (member.copy)(to, from));
    }

    fn agrees(&self, a: &T, b: &T) -> bool {
        self.members().all(|member| (member.agrees)(a, b, exactly))
    }

    /// The same, once Xero has trimmed it.
    fn agrees_loosely(&self, a: &T, b: &T) -> bool {
        self.members().all(|member| (member.agrees)(a, b, trimmed))
    }
}

impl<R: Record> Unit<R> {
    /// Whether each member says the same, `app` being the App's state or the base.
    fn is_same(&self, app: &R, xero: &R, same_text: SameText) -> bool {
        let says_same = |member: &Member<R>| match ((member.value)(app), (member.value)(xero)) {
            (Ok(a), Ok(b)) => R::same(member.field.json_name(), &plain(&a), &plain(&b)),
            _ => false,
        };
        self.members().all(|member| (member.agrees)(app, xero, same_text) || says_same(member))
    }
}

fn merge_unit<R: Record>(
    unit: &Unit<R>,
    three: &Three<'_, R>,
    out: &mut Outcome<'_, R>,
) -> Result<(), serde_json::Error> {
    let comparison = Comparison {
        app_is_base: unit.is_same(three.local, three.base, trimmed),
        app_is_xero: unit.is_same(three.local, three.remote, trimmed),
        xero_is_base: unit.is_same(three.base, three.remote, trimmed),
    };
    let values = || Ok([unit.shown(three.base)?, unit.shown(three.local)?, unit.shown(three.remote)?]);
    match out.settled.settle(|| unit.name.to_owned(), &comparison, values)? {
        // The App keeps its own words for the same thing, but not spaces that Xero trims.
        Some(Side::Xero) if unit.is_same(three.local, three.remote, exactly) => {}
        Some(Side::Xero) => unit.copy(three.remote, out.local.to_mut()),
        Some(Side::App) => {
            unit.copy(three.local, out.outgoing.to_mut());
            unit.copy(three.local, out.acked.to_mut());
        }
        None => {
            unit.copy(three.base, out.base.to_mut());
            unit.copy(three.base, out.acked.to_mut());
        }
    }
    Ok(())
}

fn take_xero<R: Record>(unit: &Unit<R>, three: &Three<'_, R>, out: &mut Outcome<'_, R>) {
    if !unit.agrees(three.local, three.remote) {
        unit.copy(three.remote, out.local.to_mut());
    }
}
