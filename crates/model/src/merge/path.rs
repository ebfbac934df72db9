//! Paths of units, as conflicts and pushes carry them, read and written in a record's JSON.
//!
//! `email` is a field; `money` a group, whose value is an object of its members that are not blank; `phones[MOBILE]` a
//! slot and `lines[<id>]` a line, null where it is not there; `lines[<id>].amounts` a part of a line. A line without an
//! id is named by its place from 1: `lines[#3]`.

use serde_json::Value;

use super::value::{Members, is_blank, plain};
use crate::{BankTransaction, Customer, Field, Invoice, Keyed, Payment, Record};

/// The kinds that conflicts are of. A name of a group means the same everywhere, so that a path needs no kind.
const TABLES: [(&[Field], &[Keyed]); 4] = [
    (Customer::FIELDS, Customer::KEYED),
    (Invoice::FIELDS, Invoice::KEYED),
    (Payment::FIELDS, Payment::KEYED),
    (BankTransaction::FIELDS, BankTransaction::KEYED),
];

/// The name of the field or group that a path begins with, which policies are set for: `lines` of
/// `lines[<id>].amounts`.
pub fn root(path: &str) -> &str {
    path.split(['[', '.']).next().unwrap_or(path)
}

/// The value of a unit, without blanks. `None` if there is no such path; null if there is, and it is blank or gone.
pub fn get(record: &Value, path: &str) -> Option<Value> {
    let record = record.as_object()?;
    let path = Path::parse(path)?;
    let Some((keyed, key, part)) = path.item else { return Some(path.unit?.shown(record)) };
    let list = record.get(keyed.field).and_then(Value::as_array);
    let item = list.and_then(|list| place(list, keyed, key).and_then(|at| list[at].as_object()));
    match (part, item) {
        (Some(part), Some(item)) => Some(part.shown(item)),
        (Some(_), None) => None,
        (None, Some(item)) => Some(plain(&Value::Object(item.clone()))),
        (None, None) => Some(Value::Null),
    }
}

/// Puts a value, as [`get`] gives it, in the place of a unit; null makes it blank, or takes the item out of its list.
/// False, and nothing changed, if there is no such path or the value has another shape.
pub fn put(record: &mut Value, path: &str, value: &Value) -> bool {
    let (Some(record), Some(path)) = (record.as_object_mut(), Path::parse(path)) else { return false };
    let Some((keyed, key, part)) = path.item else {
        return path.unit.is_some_and(|unit| put_unit(record, &unit, value));
    };
    let mut list = match record.get_mut(keyed.field).map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let at = place(&list, keyed, key);
    let is_put = match (part, at) {
        (Some(part), Some(at)) => list[at].as_object_mut().is_some_and(|item| put_unit(item, &part, value)),
        (Some(_), None) => false,
        (None, at) => put_item(&mut list, keyed, key, at, value),
    };
    if list.is_empty() {
        record.remove(keyed.field);
    } else {
        record.insert(keyed.field.to_owned(), Value::Array(list));
    }
    is_put
}

/// A field, or the fields of one group, by name.
struct Unit {
    name: &'static str,
    members: Vec<&'static str>,
}

impl Unit {
    /// The value as conflicts show it.
    fn shown(&self, of: &Members) -> Value {
        let value = |member: &str| of.get(member).map_or(Value::Null, plain);
        if self.is_plain() {
            return value(self.name);
        }
        let values = self.members.iter().map(|member| ((*member).to_owned(), value(member)));
        Value::Object(values.filter(|(_, value)| !value.is_null()).collect())
    }

    /// One field, and no group.
    fn is_plain(&self) -> bool {
        self.members == [self.name]
    }
}

fn units(fields: &'static [Field]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for field in fields {
        let (name, member) = (field.group.unwrap_or(field.json_name()), field.json_name());
        match units.iter_mut().find(|unit| field.group.is_some() && unit.name == name) {
            Some(unit) => unit.members.push(member),
            None => units.push(Unit { name, members: vec![member] }),
        }
    }
    units
}

/// A path taken apart: a unit of the record, or an item of a list and perhaps a part of it.
struct Path<'a> {
    unit: Option<Unit>,
    item: Option<(&'static Keyed, &'a str, Option<Unit>)>,
}

impl<'a> Path<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let name = root(path);
        let rest = &path[name.len()..];
        if rest.is_empty() {
            return Some(Self { unit: Some(unit_of(name)?), item: None });
        }
        let (key, rest) = rest.strip_prefix('[')?.split_once(']')?;
        let keyed = TABLES.iter().flat_map(|(_, keyed)| keyed.iter()).find(|keyed| keyed.field == name)?;
        let part = match rest.strip_prefix('.') {
            Some(part) => Some(units(keyed.parts).into_iter().find(|unit| unit.name == part)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { unit: None, item: Some((keyed, key, part)) })
    }
}

/// The unit of that name: a group with the members that it has in any kind, or a field.
fn unit_of(name: &str) -> Option<Unit> {
    let mut found: Option<Unit> = None;
    for unit in TABLES.iter().flat_map(|(fields, _)| units(fields)).filter(|unit| unit.name == name) {
        match &mut found {
            Some(known) => known.members.extend(
                unit.members.iter().filter(|member| !known.members.contains(member)).copied().collect::<Vec<_>>(),
            ),
            None => found = Some(unit),
        }
    }
    found
}

fn place(list: &[Value], keyed: &Keyed, key: &str) -> Option<usize> {
    match key.strip_prefix('#').filter(|_| !keyed.parts.is_empty()) {
        Some(number) => number.parse::<usize>().ok()?.checked_sub(1).filter(|at| *at < list.len()),
        None => list.iter().position(|item| item.get(keyed.key).and_then(Value::as_str) == Some(key)),
    }
}

fn put_item(list: &mut Vec<Value>, keyed: &Keyed, key: &str, at: Option<usize>, value: &Value) -> bool {
    match (value, at) {
        (Value::Null, Some(at)) => drop(list.remove(at)),
        (Value::Null, None) => {}
        (Value::Object(item), at) => {
            let mut item = item.clone();
            if !key.starts_with('#') {
                item.insert(keyed.key.to_owned(), Value::from(key));
            }
            match at {
                Some(at) => list[at] = Value::Object(item),
                None => list.push(Value::Object(item)),
            }
        }
        _ => return false,
    }
    true
}

fn put_unit(of: &mut Members, unit: &Unit, value: &Value) -> bool {
    let mut put = |member: &str, value: Option<&Value>| match value.filter(|value| !is_blank(value)) {
        Some(value) => drop(of.insert(member.to_owned(), value.clone())),
        None => drop(of.remove(member)),
    };
    if unit.is_plain() {
        put(unit.name, Some(value));
        return true;
    }
    let nothing = Members::new();
    let members = match value {
        Value::Object(members) => members,
        Value::Null => &nothing,
        _ => return false,
    };
    if members.keys().any(|name| !unit.members.contains(&name.as_str())) {
        return false;
    }
    unit.members.iter().for_each(|member| put(member, members.get(*member)));
    true
}
