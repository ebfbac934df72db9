//! What two states of one record differ in, value by value.
//!
//! Deliberately not the merge: whoever judges what the merge has done must not look through its eyes. Only what the
//! kinds themselves declare the same ([`Record::same`]) and what says nothing (absent, null, empty) is no difference.

use std::collections::BTreeSet;

use model::{Field, Keyed, Owner, Record};
use serde_json::{Map, Value};

/// A value that differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Differs {
    /// Where.
    pub(crate) place: Place,
    /// Who may change it.
    pub(crate) owner: Owner,
    /// The App's value; null for none.
    pub(crate) app: Value,
    /// Xero's value; null for none.
    pub(crate) xero: Value,
}

/// Where in a record a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The field.
    field: &'static str,
    /// The name by which it merges: the field, or its group.
    unit: &'static str,
    /// The item of a list.
    item: Option<Item>,
    /// The order of a list's items, not what they hold.
    is_order: bool,
}

/// Which item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// The member that says which item it is, and its value.
    key: Option<(&'static str, String)>,
    /// Its place, from 1.
    number: usize,
    /// The member of the item; the whole item where it is none.
    member: Option<String>,
}

impl Place {
    /// As people read it: `total`, `lines[#2].unit_amount`, `phones[MOBILE].number`.
    pub(crate) fn path(&self) -> String {
        let mut path = self.field.to_owned();
        if self.is_order {
            path.push_str(".order");
        } else if let Some(item) = &self.item {
            match &item.key {
                Some(("kind", slot)) => path.push_str(&format!("[{slot}]")),
                _ => path.push_str(&format!("[#{}]", item.number)),
            }
            if let Some(member) = &item.member {
                path.push_str(&format!(".{member}"));
            }
        }
        path
    }

    /// The field that it is in.
    pub(crate) fn field(&self) -> &'static str {
        self.field
    }

    /// Whether a conflict of this path is about this place.
    pub(crate) fn is_of(&self, conflict: &str) -> bool {
        let root = model::path::root(conflict);
        if root == "presence" {
            return true;
        }
        if root != self.unit && root != self.field {
            return false;
        }
        let key = self.item.as_ref().and_then(|item| item.key.as_ref()).map(|(_, key)| key.as_str());
        let named = conflict.split_once('[').and_then(|(_, rest)| rest.split(']').next());
        match (named, key) {
            (Some(named), Some(key)) => named == key,
            _ => true,
        }
    }

    /// The value that a record has there; null for none.
    pub(crate) fn value(&self, record: &Value) -> Value {
        let Some(value) = record.get(self.field) else { return Value::Null };
        let list = || value.as_array().map(Vec::as_slice).unwrap_or_default();
        if self.is_order {
            return order(list(), self.item.as_ref().and_then(|item| item.key.as_ref()).map_or("", |(name, _)| name));
        }
        let Some(item) = &self.item else { return plain(value) };
        let found = match &item.key {
            Some((name, key)) => list().iter().find(|one| one.get(name).and_then(Value::as_str) == Some(key)),
            None => list().get(item.number.saturating_sub(1)),
        };
        match (found, &item.member) {
            (Some(found), Some(member)) => found.get(member).map_or(Value::Null, plain),
            (Some(found), None) => plain(found),
            (None, _) => Value::Null,
        }
    }
}

/// What the App's state of a record and Xero's differ in. Records of this program always serialise; one that did not
/// would differ as a whole.
pub(crate) fn differences<R: Record>(app: &R, xero: &R) -> Vec<Differs> {
    let (app, xero) = (members(app), members(xero));
    let mut found = Vec::new();
    for field in R::FIELDS {
        let name = field.json_name();
        let (a, x) = (plain_of(&app, name), plain_of(&xero, name));
        if a == x || R::same(name, &a, &x) {
            continue;
        }
        let owner = if R::TWO_WAY { field.owner } else { Owner::Xero };
        let keyed = R::KEYED.iter().find(|keyed| keyed.field == name);
        let is_list =
            |value: &Value| value.is_null() || value.as_array().is_some_and(|list| list.iter().all(Value::is_object));
        if is_list(&a) && is_list(&x) {
            list(field, owner, keyed, &a, &x, &mut found);
        } else {
            let place = Place { field: name, unit: unit(field), item: None, is_order: false };
            found.push(Differs { place, owner, app: a, xero: x });
        }
    }
    found
}

fn unit(field: &Field) -> &'static str {
    field.group.unwrap_or(field.json_name())
}

/// Items of a list: those with the same key belong together, the others by their order.
fn list(field: &Field, owner: Owner, keyed: Option<&Keyed>, app: &Value, xero: &Value, found: &mut Vec<Differs>) {
    let (name, unit) = (field.json_name(), unit(field));
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (app, xero) = (items(app), items(xero));
    let key_name = keyed.map(|keyed| keyed.key);
    let key = |item: &Value| key_name.and_then(|key| item.get(key)).and_then(Value::as_str).map(str::to_owned);
    let keys_of_app: BTreeSet<String> = app.iter().filter_map(key).collect();
    let keys_of_xero: BTreeSet<String> = xero.iter().filter_map(key).collect();
    let mut differ = |place: Option<(String, usize)>, number: usize, a: Option<&Value>, x: Option<&Value>| {
        let key = place.and_then(|(key, _)| Some((key_name?, key)));
        let place = |member: Option<String>| Place {
            field: name,
            unit,
            item: Some(Item { key: key.clone(), number, member }),
            is_order: false,
        };
        match (a.and_then(Value::as_object), x.and_then(Value::as_object)) {
            (Some(a), Some(x)) => {
                let names: BTreeSet<&String> = a.keys().chain(x.keys()).collect();
                for member in names {
                    let (of_app, of_xero) = (plain_of(a, member), plain_of(x, member));
                    if of_app != of_xero {
                        found.push(Differs { place: place(Some(member.clone())), owner, app: of_app, xero: of_xero });
                    }
                }
            }
            (a, x) => {
                let whole = |item: Option<&Map<String, Value>>| {
                    item.map_or(Value::Null, |item| plain(&Value::Object(item.clone())))
                };
                found.push(Differs { place: place(None), owner, app: whole(a), xero: whole(x) });
            }
        }
    };
    for (at, item) in app.iter().enumerate() {
        if let Some(own) = key(item).filter(|own| keys_of_xero.contains(own)) {
            let other = xero.iter().find(|other| key(other).as_ref() == Some(&own));
            differ(Some((own, at)), at + 1, Some(item), other);
        }
    }
    let left = |all: &[Value], others: &BTreeSet<String>| -> Vec<(usize, Value)> {
        let is_left = |item: &Value| key(item).is_none_or(|own| !others.contains(&own));
        all.iter().enumerate().filter(|(_, item)| is_left(item)).map(|(at, item)| (at, item.clone())).collect()
    };
    let (of_app, of_xero) = (left(&app, &keys_of_xero), left(&xero, &keys_of_app));
    for at in 0..of_app.len().max(of_xero.len()) {
        let (a, x) = (of_app.get(at), of_xero.get(at));
        let number = a.or(x).map_or(at, |(number, _)| *number) + 1;
        let own = a.or(x).and_then(|(_, item)| key(item)).filter(|_| a.is_none() || x.is_none());
        differ(own.map(|own| (own, at)), number, a.map(|(_, item)| item), x.map(|(_, item)| item));
    }
    // Slots have no order; lines do.
    if let Some(keyed) = keyed.filter(|keyed| !keyed.parts.is_empty()) {
        let both = |all: &[Value], others: &BTreeSet<String>| -> Vec<String> {
            all.iter().filter_map(key).filter(|own| others.contains(own)).collect()
        };
        if both(&app, &keys_of_xero) != both(&xero, &keys_of_app) {
            let item = Item { key: Some((keyed.key, String::new())), number: 0, member: None };
            let place = Place { field: name, unit, item: None, is_order: true };
            let (app, xero) = (order(&app, keyed.key), order(&xero, keyed.key));
            found.push(Differs { place: Place { item: Some(item), ..place }, owner, app, xero });
        }
    }
}

/// The keys of a list's items, in order.
fn order(list: &[Value], key: &str) -> Value {
    list.iter().map(|item| item.get(key).cloned().unwrap_or(Value::Null)).collect()
}

fn members<R: Record>(record: &R) -> Map<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn plain_of(of: &Map<String, Value>, name: &str) -> Value {
    of.get(name).map_or(Value::Null, plain)
}

/// The value without what says nothing; null if nothing is left.
fn plain(value: &Value) -> Value {
    match value {
        Value::Bool(false) => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use model::{Account, Customer, DocumentStatus, Invoice, Line, Phone, PhoneType};
    use uuid::Uuid;

    use super::*;

    fn line(id: u128, price: &str) -> Line {
        let id = (id > 0).then(|| Uuid::from_u128(id));
        Line { xero_line_id: id, unit_amount: Some(price.parse().unwrap()), ..Line::default() }
    }

    fn paths<R: Record>(app: &R, xero: &R) -> Vec<String> {
        differences(app, xero).iter().map(|one| one.place.path()).collect()
    }

    #[test]
    fn one_cent_is_named_with_both_values() {
        let xero = Invoice { total: "115.00".parse().unwrap(), ..Invoice::default() };
        let app = Invoice { total: "115.01".parse().unwrap(), ..xero.clone() };
        let found = differences(&app, &xero);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].place.path(), found[0].owner), ("total".into(), Owner::Xero));
        assert_eq!((&found[0].app, &found[0].xero), (&Value::from("115.01"), &Value::from("115.00")));
        assert_eq!(found[0].place.value(&serde_json::to_value(&xero).unwrap()), "115.00");
        assert_eq!(paths(&xero, &xero), Vec::<String>::new());
    }

    #[test]
    fn lines_belong_together_by_their_ids() {
        let xero = Invoice { lines: vec![line(1, "10.00"), line(2, "20.00")], ..Invoice::default() };
        let app = Invoice { lines: vec![line(1, "10.00"), line(2, "20.01")], ..Invoice::default() };
        assert_eq!(paths(&app, &xero), ["lines[#2].unit_amount"]);
        let found = &differences(&app, &xero)[0].place;
        assert!(found.is_of(&format!("lines[{}].amounts", Uuid::from_u128(2))) && found.is_of("lines"));
        assert!(!found.is_of(&format!("lines[{}].amounts", Uuid::from_u128(1))) && !found.is_of("due_date"));
        let turned = Invoice { lines: vec![line(2, "20.00"), line(1, "10.00")], ..Invoice::default() };
        assert_eq!(paths(&turned, &xero), ["lines.order"]);
        let longer = Invoice { lines: vec![line(1, "10.00"), line(2, "20.00"), line(0, "1.00")], ..Invoice::default() };
        assert_eq!(paths(&longer, &xero), ["lines[#3]"]);
        let shorter = Invoice { lines: vec![line(1, "10.00")], ..Invoice::default() };
        assert_eq!(paths(&shorter, &xero), ["lines[#2]"]);
    }

    #[test]
    fn what_the_kinds_call_the_same_is_the_same() {
        let xero = Invoice { status: DocumentStatus::Sent, ..Invoice::default() };
        let app = Invoice { status: DocumentStatus::Overdue, ..Invoice::default() };
        assert_eq!(paths(&app, &xero), Vec::<String>::new());
        let phone = |kind, number: &str| Phone { kind, number: Some(number.into()), ..Phone::default() };
        let (one, two) = (phone(PhoneType::Mobile, "1"), phone(PhoneType::Fax, "2"));
        let xero = Customer { phones: vec![one.clone(), two.clone()], ..Customer::default() };
        let app = Customer { phones: vec![two.clone(), one], email: Some(String::new()), ..Customer::default() };
        assert_eq!(paths(&app, &xero), Vec::<String>::new(), "slots have no order, and empty is none");
        let app = Customer { phones: vec![two, phone(PhoneType::Mobile, "3")], ..Customer::default() };
        assert_eq!(paths(&app, &xero), ["phones[MOBILE].number"]);
    }

    #[test]
    fn what_is_only_read_belongs_to_xero() {
        let app = Account { name: "Sales".into(), ..Account::default() };
        let found = differences(&app, &Account { name: "Sale".into(), ..Account::default() });
        assert_eq!((found[0].place.path(), found[0].owner), ("name".into(), Owner::Xero));
    }
}
