//! The lines of a document.
//!
//! Both sides of one mind about what amounts mean: line by line, part by part. If not, the lines are one group, because
//! amounts with and without tax cannot be mixed; and so are two lists that were never one (a first connection).

use super::same::{blank, same};
use super::{Build, End, KEY, Members, Question, Side, Value};

/// The field that holds the lines.
pub(super) const LIST: &str = "lines";
/// The field that says what their amounts mean.
pub(super) const TYPES: &str = "line_amount_types";
/// The name of both together.
pub(super) const GROUP: &str = "lines";
/// What Xero works out from the rest of a line.
pub(super) const COMPUTED: [&str; 2] = ["tax_amount", "line_amount"];
/// What of a line merges as one, by name.
const PARTS: [(&str, &[&str]); 5] = [
    ("description", &["description"]),
    (
        "amounts",
        &["quantity", "unit_amount", "discount_rate", "discount_amount", "tax_type", "tax_amount", "line_amount"],
    ),
    ("account_code", &["account_code"]),
    ("item_code", &["item_code"]),
    ("tracking", &["tracking"]),
];

pub(super) fn lines_of(record: &Members) -> Vec<&Members> {
    record.get(LIST).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect()
}

pub(super) fn key_of(line: &Members) -> &str {
    line.get(KEY).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the amount of a line follows from quantity and price.
pub(super) fn is_priced(line: &Members) -> bool {
    !blank(line.get("quantity")) && !blank(line.get("unit_amount"))
}

fn find<'a>(lines: &[&'a Members], key: &str) -> Option<&'a Members> {
    lines.iter().find(|line| key_of(line) == key).copied()
}

/// The keys of the first list, and those of the others behind what they follow there.
fn keys<'a>(lists: [&[&'a Members]; 3]) -> Vec<&'a str> {
    let mut keys: Vec<&str> = Vec::new();
    for list in lists {
        let mut next = 0;
        for key in list.iter().map(|line| key_of(line)) {
            let known = keys.iter().position(|other| *other == key);
            if known.is_none() {
                keys.insert(next, key);
            }
            next = known.unwrap_or(next) + 1;
        }
    }
    keys
}

/// One line on its way: the App's, Xero's, what is agreed on, what is agreed on before it is sent.
type After = [Option<Members>; 4];

pub(super) fn merge(build: &mut Build<'_>, records: [&Members; 3]) {
    let [base, app, xero] = records;
    let [was, mine, theirs] = records.map(lines_of);
    // Agreed on once, a document has a type.
    let were_never_one = blank(base.get("type"))
        && was.is_empty()
        && mine.iter().any(|line| find(&theirs, key_of(line)).is_none())
        && theirs.iter().any(|line| find(&mine, key_of(line)).is_none());
    if were_never_one || !same(TYPES, app.get(TYPES), xero.get(TYPES)) {
        return merge_whole(build, records, were_never_one);
    }
    let mut after: [Vec<Value>; 4] = [const { Vec::new() }; 4];
    for key in keys([&theirs, &was, &mine]) {
        let line = merge_line(build, [&was, &mine, &theirs].map(|lines| find(lines, key)));
        after.iter_mut().zip(line).for_each(|(list, line)| list.extend(line.map(Value::from)));
    }
    for (record, lines) in records_of(build).into_iter().zip(after) {
        record.insert(LIST, Value::from(lines));
    }
    put_in_order(build, [&was, &mine, &theirs]);
}

/// The order of lines is never a conflict, but it is sent and written like anything else.
fn put_in_order(build: &mut Build<'_>, [was, mine, theirs]: [&[&Members]; 3]) {
    let (app, xero) = (lines_of(&build.app), lines_of(&build.xero));
    let stays = |key: &String| find(&app, key).is_some() && find(&xero, key).is_some();
    let order: Vec<String> = order([was, mine, theirs]).into_iter().filter(stays).collect();
    let is_in_order = |lines: &[&Members]| {
        let at = |key: &String| lines.iter().position(|line| key_of(line) == key);
        order.iter().map(at).is_sorted()
    };
    if !is_in_order(theirs) {
        build.sends.insert(GROUP);
    }
    if !is_in_order(mine) {
        build.writes.insert(GROUP);
    }
    build.order = Some(order);
}

fn records_of<'b>(build: &'b mut Build<'_>) -> [&'b mut Members; 4] {
    [&mut build.app, &mut build.xero, &mut build.base, &mut build.unsent]
}

/// The lines as one value.
fn merge_whole(build: &mut Build<'_>, [base, app, xero]: [&Members; 3], were_never_one: bool) {
    let [was, mine, theirs] = [base, app, xero].map(lines_of);
    let is_list = |now: &[&Members]| {
        let kept = |line: &&Members| find(now, key_of(line)).is_some_and(|now| !is_edited(line, now));
        now.len() == was.len() && was.iter().all(kept)
    };
    let in_order = mine.iter().zip(&was).all(|(mine, was)| key_of(mine) == key_of(was));
    let question = Question {
        by_app: !(same(TYPES, base.get(TYPES), app.get(TYPES)) && is_list(&mine) && in_order),
        // A line that both added is as good as agreed on.
        by_xero: !are_untouched(base, xero, &mine),
        is_same: false,
    };
    let shown = |record: &Members| {
        let member = |name: &'static str| Some((name, record.get(name)?.clone()));
        Value::from([TYPES, LIST].into_iter().filter_map(member).collect::<Members>())
    };
    let end = build.end(GROUP, &question, || GROUP.to_owned(), || [base, app, xero].map(shown));
    // The App's lines under the ids that Xero knows them by.
    let known = || {
        let line = |line: &&Members| {
            let mut line = (*line).clone();
            match find(&theirs, key_of(&line)).and_then(|line| line.get("xero_line_id")) {
                Some(id) => line.insert("xero_line_id", id.clone()),
                None => drop(line.remove("xero_line_id")),
            }
            Value::from(line)
        };
        mine.iter().map(line).collect::<Value>()
    };
    let mut put = |which: &[usize], from: &Members, lines: Option<Value>| {
        for record in records_of(build).into_iter().enumerate().filter(|(at, _)| which.contains(at)).map(|(_, r)| r) {
            for name in [TYPES, LIST] {
                match from.get(name) {
                    Some(value) => record.insert(name, value.clone()),
                    None => drop(record.remove(name)),
                }
            }
            if let Some(lines) = &lines {
                record.insert(LIST, lines.clone());
            }
        }
    };
    match end {
        End::Goes(Side::App) => put(&[0, 1, 2], app, Some(known())),
        End::Goes(Side::Xero) | End::Agreed => put(&[0], xero, None),
        End::Stays => {
            put(&[2, 3], base, None);
            if were_never_one {
                // They still are not one.
                build.base.remove("type");
                build.unsent.remove("type");
            }
        }
    }
}

fn merge_line(build: &mut Build<'_>, [was, mine, theirs]: [Option<&Members>; 3]) -> After {
    let id = theirs.or(was).and_then(|line| line.get("xero_line_id")).and_then(Value::as_str).unwrap_or("#");
    let path = format!("{LIST}[{id}]");
    match (was, mine, theirs) {
        (_, None, None) => [None, None, None, None],
        (None, Some(mine), None) => {
            build.sends.insert(GROUP);
            let new = without_id(mine);
            [Some(new.clone()), Some(new.clone()), Some(new), None]
        }
        (None, None, Some(theirs)) => {
            build.writes.insert(GROUP);
            [0; 4].map(|_| Some(theirs.clone()))
        }
        (Some(was), Some(mine), None) => {
            let question = Question { by_app: is_edited(was, mine), by_xero: true, is_same: false };
            match build.end(GROUP, &question, || path, || values([Some(was), Some(mine), None])) {
                End::Goes(Side::App) => {
                    // Xero gave up its id: the line comes back as a new one.
                    let new = without_id(mine);
                    [Some(new.clone()), Some(new.clone()), Some(new), None]
                }
                End::Goes(Side::Xero) | End::Agreed => [None, None, None, None],
                End::Stays => [Some(mine.clone()), None, Some(was.clone()), Some(was.clone())],
            }
        }
        (Some(was), None, Some(theirs)) => {
            let question = Question { by_app: true, by_xero: is_edited_in_xero(was, theirs), is_same: false };
            match build.end(GROUP, &question, || path, || values([Some(was), None, Some(theirs)])) {
                End::Goes(Side::App) => [None, None, None, Some(theirs.clone())],
                End::Goes(Side::Xero) | End::Agreed => [0; 4].map(|_| Some(theirs.clone())),
                End::Stays => {
                    // Under the id that Xero has it by now.
                    let mut was = was.clone();
                    copy("xero_line_id", theirs, &mut was);
                    [None, Some(theirs.clone()), Some(was.clone()), Some(was)]
                }
            }
        }
        (was, Some(mine), Some(theirs)) => merge_parts(build, &path, was, mine, theirs),
    }
}

fn values(lines: [Option<&Members>; 3]) -> [Value; 3] {
    lines.map(|line| line.map_or(Value::Null, |line| Value::from(line.clone())))
}

fn merge_parts(build: &mut Build<'_>, path: &str, was: Option<&Members>, mine: &Members, theirs: &Members) -> After {
    let nothing = Members::new();
    let is_new = was.is_none_or(|was| blank(was.get("xero_line_id")));
    let was = was.unwrap_or(&nothing);
    let mut after = [mine.clone(), theirs.clone(), theirs.clone(), theirs.clone()];
    copy("xero_line_id", theirs, &mut after[0]);
    for (part, members) in PARTS {
        let question = if is_new && was.is_empty() {
            // Added on both sides, or sent and never answered: Xero fills in what was left blank.
            Question {
                by_app: !is_filled(members, mine, theirs),
                by_xero: true,
                is_same: is_same(members, was, mine, theirs),
            }
        } else {
            Question {
                by_app: is_changed_by_app(members, was, mine),
                by_xero: is_changed(members, was, theirs) && !(is_new && is_filled(members, was, theirs)),
                is_same: is_same(members, was, mine, theirs)
                    || (is_new && is_same_but_for_blanks(members, was, mine, theirs)),
            }
        };
        let shown = |line: &Members| match members {
            [only] => line.get(only).cloned().unwrap_or(Value::Null),
            _ => Value::from(members.iter().filter_map(|m| Some((*m, line.get(m)?.clone()))).collect::<Members>()),
        };
        match build.end(GROUP, &question, || format!("{path}.{part}"), || [was, mine, theirs].map(shown)) {
            End::Goes(Side::Xero) | End::Agreed => members.iter().for_each(|m| copy(m, theirs, &mut after[0])),
            End::Goes(Side::App) => {
                for member in members {
                    let is_filled_in = is_new && blank(was.get(member)) && blank(mine.get(member));
                    let from = if is_filled_in && !COMPUTED.contains(member) { theirs } else { mine };
                    after[..3].iter_mut().for_each(|line| copy(member, from, line));
                }
            }
            End::Stays => members.iter().for_each(|m| after[2..].iter_mut().for_each(|line| copy(m, was, line))),
        }
    }
    after.map(Some)
}

/// Whether the App edited a line.
fn is_edited(was: &Members, now: &Members) -> bool {
    PARTS.iter().any(|(_, members)| is_changed_by_app(members, was, now))
}

/// The same of Xero's line. What Xero fills into a line that was sent without an id is no edit.
fn is_edited_in_xero(was: &Members, now: &Members) -> bool {
    let is_new = blank(was.get("xero_line_id"));
    PARTS.iter().any(|(_, members)| is_changed(members, was, now) && !(is_new && is_filled(members, was, now)))
}

/// Whether Xero's people left the lines, and what their amounts mean, alone.
pub(super) fn are_untouched(base: &Members, xero: &Members, mine: &[&Members]) -> bool {
    let (was, is) = (lines_of(base), lines_of(xero));
    let is_known = |line: &&Members| find(&was, key_of(line)).is_some() || find(mine, key_of(line)).is_some();
    same(TYPES, base.get(TYPES), xero.get(TYPES))
        && is.iter().all(is_known)
        && was.iter().all(|line| find(&is, key_of(line)).is_some_and(|now| !is_edited_in_xero(line, now)))
}

/// The members that somebody sets; the amount of a line only where it does not follow from quantity and price.
fn inputs<'m>(members: &'m [&'static str], a: &Members, b: &Members) -> impl Iterator<Item = &'m &'static str> {
    let follows = is_priced(a) && is_priced(b);
    members.iter().filter(move |member| **member != "tax_amount" && !(follows && **member == "line_amount"))
}

fn has_same(member: &str, a: &Members, b: &Members) -> bool {
    same(member, a.get(member), b.get(member))
}

/// Tax counts where it was there before and is another one now: somebody set it.
fn is_changed(members: &[&'static str], was: &Members, now: &Members) -> bool {
    inputs(members, was, now).any(|member| !has_same(member, was, now))
        || (members.contains(&"tax_amount") && !blank(was.get("tax_amount")) && !has_same("tax_amount", was, now))
}

/// What the App writes into a line counts, even what Xero works out.
fn is_changed_by_app(members: &[&'static str], was: &Members, now: &Members) -> bool {
    members.iter().any(|member| !has_same(member, was, now))
}

/// The same change on both sides; what Xero works out from it, and tax that the App left alone, is Xero's to say.
fn is_same(members: &[&'static str], was: &Members, mine: &Members, theirs: &Members) -> bool {
    let all_same = |a: &Members, b: &Members| inputs(members, a, b).all(|member| has_same(member, a, b));
    let leaves_tax = || blank(mine.get("tax_amount")) || has_same("tax_amount", was, mine);
    members.iter().all(|member| has_same(member, mine, theirs))
        || (members.contains(&"tax_amount")
            && all_same(mine, theirs)
            && !all_same(was, mine)
            && (has_same("tax_amount", mine, theirs) || leaves_tax()))
}

/// The same once the App's line has what Xero filled in.
fn is_same_but_for_blanks(members: &[&'static str], was: &Members, mine: &Members, theirs: &Members) -> bool {
    let is_blank = |member: &str| blank(was.get(member)) && blank(mine.get(member));
    members.iter().all(|member| is_blank(member) || has_same(member, mine, theirs))
}

/// Whether everything that is set in `line` is so in `full`.
fn is_filled(members: &[&'static str], line: &Members, full: &Members) -> bool {
    inputs(members, line, line).all(|member| blank(line.get(member)) || has_same(member, line, full))
}

/// The App's order if Xero still has the lines of the base, in their order, and none of its own; Xero's if not.
fn order([was, mine, theirs]: [&[&Members]; 3]) -> Vec<String> {
    let place = |line: &&Members| was.iter().position(|other| key_of(other) == key_of(line));
    let places: Vec<Option<usize>> = theirs.iter().map(place).collect();
    let is_as_before = places.iter().all(Option::is_some) && places.is_sorted();
    let (first, second) = if is_as_before { (mine, theirs) } else { (theirs, mine) };
    let both = first.iter().map(|line| key_of(line)).filter(|key| find(second, key).is_some());
    both.map(str::to_owned).collect()
}

fn without_id(line: &Members) -> Members {
    let mut line = line.clone();
    line.remove("xero_line_id");
    line
}

fn copy(member: &'static str, from: &Members, to: &mut Members) {
    match from.get(member) {
        Some(value) => to.insert(member, value.clone()),
        None => drop(to.remove(member)),
    }
}
