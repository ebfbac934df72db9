//! The three-way merge: one pure function for both directions.
//!
//! Per field, against the base: changed on one side takes that side; the same value on both is no conflict; changed
//! differently on both is a conflict, which the policy decides or leaves to a person. Fields of one group count as one
//! field. Fields that Xero owns always take Xero's value. A field whose conflict is left open keeps each side's own
//! value and does not advance the base, or the next run would silently let one side win.

use serde_json::{Map, Value};

use crate::{Owner, Record};

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The App's value.
    App,
    /// Xero's value.
    Xero,
}

/// Who wins where both sides changed one field differently.
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
    const fn winner(self) -> Option<Side> {
        match self {
            Self::LastWrite(side) => Some(side),
            Self::AppWins => Some(Side::App),
            Self::XeroWins => Some(Side::Xero),
            Self::Ask => None,
        }
    }
}

/// A field, or a group of fields, that both sides changed differently.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldConflict {
    /// The field's name, or its group's.
    pub field: &'static str,
    /// What both last agreed on.
    pub base: Value,
    /// What the App has.
    pub app: Value,
    /// What Xero has.
    pub xero: Value,
    /// Who won by policy; `None` leaves it open.
    pub winner: Option<Side>,
}

/// What a merge says to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<R> {
    /// The App's record as it should be; `None` if it already is.
    pub write_local: Option<R>,
    /// Names of the fields, or groups, whose value Xero should take from `write_local` or the local record.
    pub push: Vec<&'static str>,
    /// What both sides agree on from now on.
    pub base: R,
    /// What both sides changed differently, decided or open.
    pub conflicts: Vec<FieldConflict>,
}

/// Merges the App's and Xero's state of one record against the last state that both agreed on.
///
/// # Errors
/// When the merged fields do not form a record; records of this crate always do, so this means a damaged base.
pub fn merge<R: Record>(base: &R, local: &R, remote: &R, policy: Policy) -> Result<Decision<R>, serde_json::Error> {
    let (base, local_map, remote) = (fields(base)?, fields(local)?, fields(remote)?);
    let mut next_local = local_map.clone();
    let mut next_base = base.clone();
    let mut push = Vec::new();
    let mut conflicts = Vec::new();

    for unit in units::<R>() {
        let (was, app, xero) = (pick(&base, &unit), pick(&local_map, &unit), pick(&remote, &unit));
        let take = if unit.owner == Owner::Xero || app == was || app == xero {
            Some(Side::Xero)
        } else if xero == was {
            Some(Side::App)
        } else {
            let winner = policy.winner();
            conflicts.push(FieldConflict {
                field: unit.name,
                base: shown(&was, &unit),
                app: shown(&app, &unit),
                xero: shown(&xero, &unit),
                winner,
            });
            winner
        };
        match take {
            Some(Side::Xero) => {
                put(&mut next_local, &remote, &unit);
                put(&mut next_base, &remote, &unit);
            }
            Some(Side::App) => {
                // Xero still holds its own value: the base says so until the push is acknowledged.
                put(&mut next_base, &remote, &unit);
                push.push(unit.name);
            }
            None => {}
        }
    }

    let write_local = if next_local == local_map { None } else { Some(record(next_local)?) };
    Ok(Decision { write_local, push, base: record(next_base)?, conflicts })
}

/// A field, or the fields of one group, that merge as one.
struct Unit {
    name: &'static str,
    owner: Owner,
    members: Vec<&'static str>,
}

fn units<R: Record>() -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for field in R::FIELDS {
        let name = field.group.unwrap_or(field.name);
        let member = field.name.trim_start_matches("r#");
        match units.iter_mut().find(|unit| field.group.is_some() && unit.name == name) {
            Some(unit) => unit.members.push(member),
            None => units.push(Unit { name: name.trim_start_matches("r#"), owner: field.owner, members: vec![member] }),
        }
    }
    units
}

fn fields<R: Record>(record: &R) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::to_value(record)? {
        Value::Object(map) => Ok(map),
        other => Err(serde::de::Error::custom(format!("a record is an object, not {other}"))),
    }
}

fn record<R: Record>(map: Map<String, Value>) -> Result<R, serde_json::Error> {
    serde_json::from_value(Value::Object(map))
}

fn pick<'a>(map: &'a Map<String, Value>, unit: &Unit) -> Vec<Option<&'a Value>> {
    unit.members.iter().map(|member| map.get(*member)).collect()
}

fn put(to: &mut Map<String, Value>, from: &Map<String, Value>, unit: &Unit) {
    for member in &unit.members {
        match from.get(*member) {
            Some(value) => to.insert((*member).to_owned(), value.clone()),
            None => to.remove(*member),
        };
    }
}

fn shown(values: &[Option<&Value>], unit: &Unit) -> Value {
    let value = |at: usize| values[at].cloned().unwrap_or(Value::Null);
    match unit.members.as_slice() {
        [_] => value(0),
        members => members.iter().enumerate().map(|(at, member)| ((*member).to_owned(), value(at))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Customer, Invoice, LineAmountTypes};

    fn customer(name: &str, email: Option<&str>) -> Customer {
        Customer { name: name.into(), email: email.map(Into::into), ..Customer::default() }
    }

    /// base, App, Xero -> App afterwards, pushed, conflict; for one field.
    #[test]
    fn truth_table_of_one_field() {
        let rows: &[(&str, &str, &str, Policy, &str, bool, bool)] = &[
            ("a", "a", "a", Policy::Ask, "a", false, false),
            ("a", "a", "x", Policy::Ask, "x", false, false),
            ("a", "l", "a", Policy::Ask, "l", true, false),
            ("a", "x", "x", Policy::Ask, "x", false, false),
            ("a", "l", "x", Policy::Ask, "l", false, true),
            ("a", "l", "x", Policy::AppWins, "l", true, true),
            ("a", "l", "x", Policy::XeroWins, "x", false, true),
            ("a", "l", "x", Policy::LastWrite(Side::App), "l", true, true),
            ("a", "l", "x", Policy::LastWrite(Side::Xero), "x", false, true),
        ];
        for (base, local, remote, policy, after, pushed, conflict) in rows {
            let decision =
                merge(&customer(base, None), &customer(local, None), &customer(remote, None), *policy).unwrap();
            let now = decision.write_local.unwrap_or_else(|| customer(local, None));
            let row = format!("{base} {local} {remote} {policy:?}");
            assert_eq!(now.name, *after, "{row}");
            assert_eq!(!decision.push.is_empty(), *pushed, "{row}");
            assert_eq!(!decision.conflicts.is_empty(), *conflict, "{row}");
        }
    }

    #[test]
    fn disjoint_edits_never_conflict() {
        let base = customer("a", Some("a@example.test"));
        let decision =
            merge(&base, &customer("a", Some("b@example.test")), &customer("c", base.email.as_deref()), Policy::Ask)
                .unwrap();
        assert!(decision.conflicts.is_empty());
        assert_eq!(decision.push, ["email"]);
        assert_eq!(decision.write_local.unwrap(), customer("c", Some("b@example.test")));
    }

    #[test]
    fn an_open_conflict_does_not_advance_the_base() {
        let (base, local, remote) = (customer("a", None), customer("l", None), customer("x", None));
        let first = merge(&base, &local, &remote, Policy::Ask).unwrap();
        assert_eq!(first.base, base);
        assert_eq!(merge(&first.base, &local, &remote, Policy::Ask).unwrap(), first);
    }

    #[test]
    fn a_group_merges_as_one() {
        let base = Invoice { currency: Some("NZD".into()), ..Invoice::default() };
        let local = Invoice { currency: Some("AUD".into()), ..base.clone() };
        let remote = Invoice { currency_rate: Some("1.5".parse().unwrap()), ..base.clone() };
        let decision = merge(&base, &local, &remote, Policy::Ask).unwrap();
        assert_eq!(decision.conflicts.len(), 1);
        assert_eq!(decision.conflicts[0].field, "money");
    }

    #[test]
    fn what_xero_owns_is_copied_and_never_pushed() {
        let base = Invoice::default();
        let local = Invoice { total: "5".parse().unwrap(), ..base.clone() };
        let remote = Invoice { line_amount_types: LineAmountTypes::NoTax, ..base.clone() };
        let decision = merge(&base, &local, &remote, Policy::Ask).unwrap();
        assert!(decision.push.is_empty() && decision.conflicts.is_empty());
        assert_eq!(decision.write_local.unwrap(), remote);
    }
}
