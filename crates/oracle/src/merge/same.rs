//! What counts as the same, and what differs between two states of a record.

use rust_decimal::Decimal;

use super::lines::{LIST, TYPES, lines_of};
use super::{KEY, Members, Shape, Unit, Value};

/// Members that hold a number written out; two spellings of it are one.
const NUMBERS: [&str; 8] = [
    "amount",
    "currency_rate",
    "quantity",
    "unit_amount",
    "discount_rate",
    "discount_amount",
    "tax_amount",
    "line_amount",
];

/// Says nothing: nothing at all, null, no text but spaces, an empty list, false. Zero says something.
pub(super) fn blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.iter().all(|(_, member)| blank(Some(member))),
        Some(Value::Bool(true) | Value::Number(_)) => false,
    }
}

/// Whether two values of a member are the same once Xero has stored them.
pub(super) fn same(member: &str, a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::String(a)), Some(Value::String(b))) => {
            a == b || a.trim() == b.trim() || same_word(member, a, b) || same_number(member, a, b)
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(member, Some(a), Some(b)))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.iter().all(|(name, value)| name == KEY || same(name, Some(value), b.get(name)))
                && b.iter().all(|(name, value)| name == KEY || a.contains_key(name) || blank(Some(value)))
        }
        (a, b) => (blank(a) && blank(b)) || a == b,
    }
}

fn same_word(member: &str, a: &str, b: &str) -> bool {
    let plain = |word| if word == "OVERDUE" { "SENT" } else { word };
    member == "status" && plain(a) == plain(b)
}

fn same_number(member: &str, a: &str, b: &str) -> bool {
    let number = |text: &str| text.trim().parse::<Decimal>().ok();
    NUMBERS.contains(&member) && number(a).is_some() && number(a) == number(b)
}

/// Whether two values of a conflict are the same: null and an object of nothing are.
pub fn alike(a: &Value, b: &Value) -> bool {
    same("", Some(a), Some(b))
}

/// In what a record is not as it should be. Left out is what Xero works out, and what it fills into a line that it has
/// not seen before; a line that should be new may have any id.
pub fn differences(shape: &Shape, actual: &Value, expected: &Value) -> Vec<String> {
    if actual.is_very(expected) {
        return Vec::new();
    }
    let nothing = Members::new();
    let (is, should) = (actual.as_object().unwrap_or(&nothing), expected.as_object().unwrap_or(&nothing));
    let mut found = Vec::new();
    for unit in shape.units {
        match unit {
            Unit::Field(name) => compare(&[name], is, should, &mut found),
            Unit::Group(_, members) => compare(members, is, should, &mut found),
            Unit::Slots(list) => {
                let (is, should) = (super::slots_of(is, list), super::slots_of(should, list));
                for kind in super::kinds(&[&is, &should]) {
                    if !same(list, super::find(&is, kind), super::find(&should, kind)) {
                        found.push(format!("{list}[{kind}]"));
                    }
                }
            }
            Unit::Lines => {
                compare(&[TYPES], is, should, &mut found);
                compare_lines(is, should, &mut found);
            }
            Unit::Told(_) => {}
        }
    }
    found
}

fn compare(members: &[&str], is: &Members, should: &Members, found: &mut Vec<String>) {
    for member in members {
        if !same(member, is.get(member), should.get(member)) {
            let text = |of: &Members| of.get(member).map_or_else(|| "nothing".to_owned(), Value::to_string);
            found.push(format!("{member} is {} and should be {}", text(is), text(should)));
        }
    }
}

fn compare_lines(is: &Members, should: &Members, found: &mut Vec<String>) {
    let mut left = lines_of(is);
    let mut new = Vec::new();
    for line in lines_of(should) {
        let Some(id) = line.get("xero_line_id") else {
            new.push(line);
            continue;
        };
        let Some(at) = left.iter().position(|other| other.get("xero_line_id") == Some(id)) else {
            found.push(format!("{LIST} lack the line {}", Value::from(line.clone())));
            continue;
        };
        if !is_line(left.remove(at), line, true) {
            found.push(format!("the line {id} should be {}", Value::from(line.clone())));
        }
    }
    // The very same first, then the same but for what Xero filled in.
    new.retain(|line| match left.iter().position(|other| is_line(other, line, true)) {
        Some(at) => {
            left.remove(at);
            false
        }
        None => true,
    });
    for line in new {
        match left.iter().position(|other| is_line(other, line, false)) {
            Some(at) => drop(left.remove(at)),
            None => found.push(format!("{LIST} lack the new line {}", Value::from(line.clone()))),
        }
    }
    found.extend(left.into_iter().map(|line| format!("{LIST} have too much: {}", Value::from(line.clone()))));
}

/// Whether a line has what it should have; with `wholly`, and nothing else.
fn is_line(is: &Members, should: &Members, wholly: bool) -> bool {
    let counts = |name: &str| {
        let is_computed = name == "tax_amount" || (name == "line_amount" && super::lines::is_priced(should));
        name != KEY && name != "xero_line_id" && !is_computed
    };
    should
        .iter()
        .all(|(name, value)| !counts(name) || (!wholly && blank(Some(value))) || same(name, Some(value), is.get(name)))
        && (!wholly || is.iter().all(|(name, value)| !counts(name) || should.contains_key(name) || blank(Some(value))))
}
