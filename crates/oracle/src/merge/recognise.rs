//! Which lines of three states are one and the same.
//!
//! By Xero's id. A line without one, or with one that nobody else has, is the line of the base that is missing there and
//! has the very same content (lines deleted and inserted again); of what neither side had before, the App's line and
//! Xero's are one if Xero's has all that the App wrote (the same addition twice, or an answer that was lost). Everything
//! else is another line.

use super::lines::{COMPUTED, LIST, is_priced};
use super::same::{blank, same};
use super::{KEY, Members, Value};

/// Gives every line of the three states its key.
pub fn recognise(base: &mut Value, app: &mut Value, xero: &mut Value) {
    let mut next = 0;
    let mut base = lines(base);
    for line in &mut base {
        next += 1;
        put(line, next);
    }
    let mut xero = lines(xero);
    claim_ids(&mut xero, &base);
    // What was sent without an id comes back with one, and with blanks filled in.
    for is_likely in [is_alike, has_all] {
        let may = |was: &Members| id(was).is_none();
        claim(&mut xero, &base, &|now, was| may(was) && is_likely(was, now));
    }
    let mut app = lines(app);
    claim_ids(&mut app, &base);
    // Of ids that the base does not know, the App has those that Xero gave meanwhile.
    for line in xero.iter_mut().filter(|line| key(line).is_none() && id(line).is_some()) {
        if let Some(other) = app.iter_mut().find(|other| key(other).is_none() && id(other) == id(line)) {
            next += 1;
            put(line, next);
            put(other, next);
        }
    }
    // Of several that are equal, the App's is one that Xero still has: nothing may go because of a guess.
    let mut known: Vec<&Members> = base.iter().map(|was| &**was).collect();
    let place = |was: &&Members| xero.iter().position(|line| key(line) == key(was));
    known.sort_by_key(|was| place(was).unwrap_or(usize::MAX));
    for is_likely in [is_equal, is_alike] {
        claim(&mut app, &known, &|now, was| id(was).is_none() && is_likely(was, now));
    }
    for is_likely in [is_equal, is_alike] {
        claim(&mut app, &known, &|now, was| is_likely(was, now));
    }
    claim(&mut xero, &base, &|now, was| id(was).is_some() && is_alike(was, now));
    // Inserted again with the very edit that Xero has.
    claim(&mut app, &xero, &|mine, theirs| key(theirs).is_some() && is_alike(mine, theirs));
    // Edited while it was on its way, to what Xero filled in.
    let sent: Vec<Option<&str>> = base.iter().filter(|was| id(was).is_none()).map(|was| key(was)).collect();
    claim(&mut app, &xero, &|mine, theirs| sent.contains(&key(theirs)) && has_all(mine, theirs));
    // What neither had before: what is alike first, in Xero also with a line of the App's that it lacks (inserted again
    // there with the very edit that the App has); then what Xero filled in.
    claim_new(&mut app, &mut xero, &mut next, is_alike);
    claim(&mut xero, &app, &|theirs, mine| key(mine).is_some() && is_alike(theirs, mine));
    claim_new(&mut app, &mut xero, &mut next, has_all);
    for line in xero.iter_mut().filter(|line| key(line).is_none()) {
        next += 1;
        put(line, next);
    }
    for line in app.iter_mut().filter(|line| key(line).is_none()) {
        next += 1;
        put(line, next);
    }
}

/// Gives a line of the App's and one of Xero's that fit, and that have no key yet, a new one.
fn claim_new(
    app: &mut [&mut Members],
    xero: &mut [&mut Members],
    next: &mut u32,
    fits: fn(&Members, &Members) -> bool,
) {
    for mine in app.iter_mut().filter(|mine| key(mine).is_none()) {
        if let Some(theirs) = xero.iter_mut().find(|theirs| key(theirs).is_none() && fits(mine, theirs)) {
            *next += 1;
            put(mine, *next);
            put(theirs, *next);
        }
    }
}

fn lines(record: &mut Value) -> Vec<&mut Members> {
    let list = record.get_mut(LIST).and_then(Value::as_array_mut);
    let mut lines: Vec<&mut Members> = list.into_iter().flatten().filter_map(Value::as_object_mut).collect();
    lines.iter_mut().for_each(|line| drop(line.remove(KEY)));
    lines
}

fn put(line: &mut Members, number: u32) {
    line.insert(KEY, Value::from(number.to_string()));
}

fn key(line: &Members) -> Option<&str> {
    line.get(KEY).and_then(Value::as_str)
}

fn id(line: &Members) -> Option<&str> {
    line.get("xero_line_id").and_then(Value::as_str)
}

/// The first line of an id is the one that it names; others have copied it.
fn claim_ids(lines: &mut [&mut Members], known: &[&mut Members]) {
    claim(lines, known, &|line, was| id(line).is_some() && id(line) == id(was));
}

/// Gives lines without a key that of the first known line that fits and that no line of the list has yet.
fn claim<K: std::ops::Deref<Target = Members>>(
    lines: &mut [&mut Members],
    known: &[K],
    fits: &dyn Fn(&Members, &Members) -> bool,
) {
    for at in 0..lines.len() {
        if key(lines[at]).is_some() {
            continue;
        }
        let is_free = |other: &&K| lines.iter().all(|line| key(line) != key(other));
        let found = known.iter().filter(is_free).find(|other| fits(lines[at], other)).and_then(|other| key(other));
        if let Some(found) = found.map(Value::from) {
            lines[at].insert(KEY, found);
        }
    }
}

fn counts(line: &Members, name: &str) -> bool {
    let is_computed = COMPUTED.contains(&name) && (name == "tax_amount" || is_priced(line));
    name != KEY && name != "xero_line_id" && !is_computed && !blank(line.get(name))
}

/// Everything is the same but the id.
fn is_equal(a: &Members, b: &Members) -> bool {
    let all = |a: &Members, b: &Members| {
        a.iter().all(|(name, value)| matches!(name, KEY | "xero_line_id") || same(name, Some(value), b.get(name)))
    };
    all(a, b) && all(b, a)
}

/// Everything that somebody writes is the same.
fn is_alike(a: &Members, b: &Members) -> bool {
    let all = |a: &Members, b: &Members| a.iter().all(|(name, v)| !counts(a, name) || same(name, Some(v), b.get(name)));
    all(a, b) && all(b, a)
}

/// Everything that is written in `line` is in `full`.
fn has_all(line: &Members, full: &Members) -> bool {
    let mut written = line.iter().filter(|(name, _)| counts(line, name)).peekable();
    written.peek().is_some() && written.all(|(name, value)| same(name, Some(value), full.get(name)))
}
