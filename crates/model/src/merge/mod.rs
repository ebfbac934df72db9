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

use serde_json::{Map, Value};

use crate::{Field, Keyed, Owner, Record};
use value::{Members, agree, loosely_agree, plain};

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
/// When the merged fields do not form a record; records of this crate always do, so this means a damaged base.
pub fn merge<R: Record>(
    base: &R,
    local: &R,
    remote: &R,
    policy: &dyn Fn(&str) -> Policy,
) -> Result<Decision<R>, serde_json::Error> {
    let (base, local, remote) = (fields(base)?, fields(local)?, fields(remote)?);
    let three = Three { base: &base, local: &local, remote: &remote };
    let mut out = Outcome {
        local: local.clone(),
        base: remote.clone(),
        outgoing: remote.clone(),
        acked: remote.clone(),
        settled: Settled { policy, push: Vec::new(), conflicts: Vec::new() },
    };
    for unit in units(R::FIELDS) {
        let keyed = R::KEYED.iter().find(|keyed| unit.members.contains(&keyed.field));
        match keyed {
            _ if unit.owner == Owner::Xero || !R::TWO_WAY => take_xero(&unit, &three, &mut out),
            Some(keyed) if keyed.parts.is_empty() => slots::merge(keyed, &three, &mut out),
            Some(keyed) => lines::merge(&unit, keyed, &three, &mut out),
            None => merge_unit::<R>(&unit, &three, &mut out),
        }
    }
    let Settled { push, conflicts, .. } = out.settled;
    Ok(Decision {
        write_local: if out.local == local { None } else { Some(record(out.local)?) },
        outgoing: if push.is_empty() { None } else { Some(record(out.outgoing)?) },
        push,
        base: record(out.base)?,
        acked: record(out.acked)?,
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
    // A base that is no object cannot be told from a changed one: ask the policy.
    let (was, xero) = (fields(base).unwrap_or_default(), fields(remote).unwrap_or_default());
    // What Xero alone decides, such as the amount due, is no edit that a removal could lose.
    let is_untouched = units(R::FIELDS).iter().filter(|unit| unit.owner == Owner::Both).all(|unit| {
        let keyed = R::KEYED.iter().find(|keyed| unit.members.contains(&keyed.field));
        match keyed {
            Some(keyed) if keyed.parts.is_empty() => slots::is_untouched(keyed, &was, &xero),
            Some(keyed) => lines::is_untouched(unit, keyed, &was, &xero),
            None => unit.is_same::<R>(&was, &xero, loosely_agree),
        }
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
        base: Value::Object(was),
        app: Value::Null,
        xero: Value::Object(xero),
        winner,
        policy,
    };
    (removal, Some(conflict))
}

/// The path of a conflict about whether the record is there at all.
const PRESENCE: &str = "presence";

/// The three states of one record.
struct Three<'a> {
    base: &'a Members,
    local: &'a Members,
    remote: &'a Members,
}

/// What a merge builds up: the four records, and what was settled on the way.
struct Outcome<'p> {
    local: Members,
    base: Members,
    outgoing: Members,
    acked: Members,
    settled: Settled<'p>,
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
        values: impl FnOnce() -> [Value; 3],
    ) -> Option<Side> {
        if comparison.app_is_base || comparison.app_is_xero {
            return Some(Side::Xero);
        }
        let path = path();
        if comparison.xero_is_base {
            self.push.push(path);
            return Some(Side::App);
        }
        let policy = (self.policy)(&path);
        let winner = policy.winner();
        if winner == Some(Side::App) {
            self.push.push(path.clone());
        }
        let [base, app, xero] = values();
        self.conflicts.push(FieldConflict { field: path, base, app, xero, winner, policy });
        winner
    }
}

/// A field, or the fields of one group, that merge as one.
struct Unit {
    name: &'static str,
    owner: Owner,
    members: Vec<&'static str>,
}

impl Unit {
    /// The value as conflicts show it: of one field, the value; of a group, an object of what is not blank.
    fn shown(&self, of: &Members) -> Value {
        if self.is_plain() { plain(of.get(self.name)) } else { Value::Object(group(of, &self.members)) }
    }

    /// One field, and no group.
    fn is_plain(&self) -> bool {
        self.members == [self.name]
    }

    fn copy(&self, from: &Members, to: &mut Members) {
        for member in &self.members {
            copy(from, to, member);
        }
    }

    /// Whether each member says the same, `app` being the App's state or the base.
    fn is_same<R: Record>(
        &self,
        app: &Members,
        xero: &Members,
        equal: fn(Option<&Value>, Option<&Value>) -> bool,
    ) -> bool {
        self.members.iter().all(|member| {
            let (a, b) = (app.get(*member), xero.get(*member));
            equal(a, b) || R::same(member, &plain(a), &plain(b))
        })
    }

    fn agrees(&self, a: &Members, b: &Members) -> bool {
        self.members.iter().all(|member| agree(a.get(*member), b.get(*member)))
    }

    /// The same, once Xero has trimmed it.
    fn agrees_loosely(&self, a: &Members, b: &Members) -> bool {
        self.members.iter().all(|member| loosely_agree(a.get(*member), b.get(*member)))
    }
}

/// The members of a group that are not blank.
fn group(of: &Members, members: &[&'static str]) -> Members {
    let value = |member: &&'static str| Some(((*member).to_owned(), plain(of.get(*member))));
    members.iter().filter_map(value).filter(|(_, value)| !value.is_null()).collect()
}

fn units(fields: &'static [Field]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for field in fields {
        let (name, member) = (field.group.unwrap_or(field.json_name()), field.json_name());
        match units.iter_mut().find(|unit| field.group.is_some() && unit.name == name) {
            Some(unit) => unit.members.push(member),
            None => units.push(Unit { name, owner: field.owner, members: vec![member] }),
        }
    }
    units
}

fn merge_unit<R: Record>(unit: &Unit, three: &Three<'_>, out: &mut Outcome<'_>) {
    let comparison = Comparison {
        app_is_base: unit.is_same::<R>(three.local, three.base, loosely_agree),
        app_is_xero: unit.is_same::<R>(three.local, three.remote, loosely_agree),
        xero_is_base: unit.is_same::<R>(three.base, three.remote, loosely_agree),
    };
    let values = || [unit.shown(three.base), unit.shown(three.local), unit.shown(three.remote)];
    match out.settled.settle(|| unit.name.to_owned(), &comparison, values) {
        // The App keeps its own words for the same thing, but not spaces that Xero trims.
        Some(Side::Xero) if unit.is_same::<R>(three.local, three.remote, agree) => {}
        Some(Side::Xero) => unit.copy(three.remote, &mut out.local),
        Some(Side::App) => {
            unit.copy(three.local, &mut out.outgoing);
            unit.copy(three.local, &mut out.acked);
        }
        None => {
            unit.copy(three.base, &mut out.base);
            unit.copy(three.base, &mut out.acked);
        }
    }
}

fn take_xero(unit: &Unit, three: &Three<'_>, out: &mut Outcome<'_>) {
    if !unit.agrees(three.local, three.remote) {
        unit.copy(three.remote, &mut out.local);
    }
}

/// The items of a list field.
fn items<'a>(record: &'a Members, keyed: &Keyed) -> Vec<&'a Members> {
    record.get(keyed.field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect()
}

/// Puts a list in the place of a list field; an empty one is left out, as in canonical form.
fn put_items(record: &mut Members, keyed: &Keyed, items: Vec<Members>) {
    if items.is_empty() {
        record.remove(keyed.field);
    } else {
        let items = items.into_iter().map(Value::Object).collect();
        record.insert(keyed.field.to_owned(), Value::Array(items));
    }
}

fn copy(from: &Members, to: &mut Members, member: &str) {
    match from.get(member) {
        Some(value) => to.insert(member.to_owned(), value.clone()),
        None => to.remove(member),
    };
}

fn fields<R: Record>(record: &R) -> Result<Members, serde_json::Error> {
    match serde_json::to_value(record)? {
        Value::Object(map) => Ok(map),
        other => Err(serde::de::Error::custom(format!("a record is an object, not {other}"))),
    }
}

fn record<R: Record>(map: Map<String, Value>) -> Result<R, serde_json::Error> {
    serde_json::from_value(Value::Object(map))
}
