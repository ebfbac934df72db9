//! Rules about two moments.

use super::*;
use crate::{Cursor, Event, judge_calm, judge_echo, judge_passage};

fn passed(before: &Snapshot, after: &Snapshot) -> Vec<&'static str> {
    broken(&judge_passage(before, after, &Checks::all()))
}

#[test]
fn a_link_changes_only_when_somebody_says_so() {
    let (before, _) = books();
    let mut after = before.clone();
    assert_eq!(passed(&before, &after), Vec::<&str>::new());
    after.links[0].xero = id(7);
    assert_eq!(passed(&before, &after), ["I-S2"]);
    let said = Event { id: 1, what: "record.linked".into(), kind: Some("customer".into()), local: Some(1) };
    after.events.push(said);
    assert_eq!(passed(&before, &after), Vec::<&str>::new());
}

#[test]
fn cursors_and_versions_only_move_on() {
    let (mut before, _) = books();
    let cursor = |at| Cursor { connection: 1, kind: "invoice".into(), read_until_ms: Some(at) };
    before.cursors = vec![cursor(2_000)];
    let mut after = before.clone();
    after.cursors = vec![cursor(3_000)];
    after.links[0].updated_ms = Some(1_001);
    assert_eq!(passed(&before, &after), Vec::<&str>::new());
    assert_eq!(passed(&after, &before), ["I-C1", "I-L7"]);
    let mut older = before.clone();
    older.app.get_mut(&("customer", 1)).unwrap().revision = 0;
    assert_eq!(passed(&before, &older), ["I-L7"]);
}

#[test]
fn an_empty_list_takes_nothing_away() {
    let (mut before, _) = books();
    before.links.extend((10..20).map(|local| link("customer", local, id(u128::from(local.unsigned_abs())))));
    let mut after = before.clone();
    after.links.truncate(8);
    assert_eq!(passed(&before, &after), Vec::<&str>::new());
    after.links.truncate(3);
    assert_eq!(passed(&before, &after), ["I-D4"]);
}

fn saved(number: u64, key: &str) -> Call {
    let call = write(number, 0, "POST", "Contacts", key, json!({"Contacts": [{"ContactID": id(1)}]}));
    Call { answer: json!({"Contacts": [{"ContactID": id(1)}]}), ..call }
}

#[test]
fn a_record_is_written_to_xero_twice_at_most_in_the_calm() {
    let (books, _) = books();
    let judge = |calls: &[Call]| broken(&judge_calm(&books, &books, calls, &Checks::all()));
    assert_eq!(judge(&[saved(1, "a"), saved(2, "b"), saved(3, "b")]), Vec::<&str>::new());
    assert_eq!(judge(&[saved(1, "a"), saved(2, "b"), saved(3, "c")]), ["I-L6"]);
}

#[test]
fn a_row_is_written_twice_at_most_in_the_calm() {
    let (stopped, _) = books();
    let mut rest = stopped.clone();
    rest.app.get_mut(&("customer", 1)).unwrap().revision += 2;
    rest.app.get_mut(&("invoice", 2)).unwrap().revision += 2;
    assert_eq!(judge_calm(&stopped, &rest, &[], &Checks::all()), []);
    rest.app.get_mut(&("customer", 1)).unwrap().revision += 1;
    assert_eq!(broken(&judge_calm(&stopped, &rest, &[], &Checks::all())), ["I-L6"]);
}

#[test]
fn one_more_round_writes_nothing() {
    let (rest, _) = books();
    let judge = |after: &Snapshot, calls: &[Call]| broken(&judge_echo(&rest, after, calls, &Checks::all()));
    assert_eq!(judge(&rest, &[look(1, 0, "Contacts")]), Vec::<&str>::new());
    assert_eq!(judge(&rest, &[saved(1, "a")]), ["I-L5"]);
    let mut after = rest.clone();
    after.app.get_mut(&("customer", 1)).unwrap().revision += 1;
    assert_eq!(judge(&after, &[]), ["I-L5"]);
}
