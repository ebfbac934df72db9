//! Rules about one moment.

use super::*;
use crate::{Brake, Candidate, Capture, Conflict, Event, Failure, Fate, Run, Sent, judge_always, token};

#[test]
fn books_that_are_in_order_break_nothing() {
    let (books, marks) = books();
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
    assert_eq!(crate::edits_of(&books, &marks), BTreeMap::from([(Fate::Arrived, 2)]));
}

#[test]
fn a_check_that_is_left_out_finds_nothing() {
    let (mut books, marks) = books();
    column(&mut books, "customer", 1, "email", "a@b.test");
    assert_eq!(at_rest(&books, &marks), ["I-C5"]);
    assert_eq!(crate::judge_rest(&books, &marks, &Checks::all().without("I-C5")), []);
    assert_eq!(crate::judge_rest(&books, &marks, &Checks::none()), []);
}

#[test]
fn a_difference_is_named_unless_it_is_listed() {
    let (mut books, marks) = books();
    member(&mut books, "customer", id(1), "EmailAddress", json!("a@b.test"));
    assert_eq!(at_rest(&books, &marks), ["I-C5"]);
    let pending = Conflict {
        kind: "customer".into(),
        local: 1,
        what: "FIELD".into(),
        field: "email".into(),
        xero: Some("\"a@b.test\"".into()),
        app: Some("\"c@d.test\"".into()),
        policy: "ASK".into(),
        state: "PENDING".into(),
        ..Conflict::default()
    };
    books.conflicts.push(pending);
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn a_record_on_one_side_only_is_named_unless_it_is_a_candidate() {
    let (mut books, marks) = books();
    books.xero.insert(("customer", id(7)), json!({"ContactID": id(7), "Name": "New", "ContactStatus": "ACTIVE"}));
    assert_eq!(at_rest(&books, &marks), ["I-C5"]);
    books.candidates.push(Candidate { kind: "customer".into(), local: 1, xero: id(7) });
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
    books.candidates.clear();
    member(&mut books, "customer", id(7), "ContactStatus", json!("ARCHIVED"));
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new(), "what is gone need not be brought");
}

#[test]
fn a_cent_is_found_twice_over() {
    let (mut books, marks) = books();
    member(&mut books, "invoice", id(2), "Total", json!(10.01));
    assert_eq!(at_rest(&books, &marks), ["I-M2", "I-M3"]);
}

#[test]
fn sums_are_kept_by_currency_and_status() {
    let (mut books, marks) = books();
    member(&mut books, "invoice", id(2), "CurrencyCode", json!("JPY"));
    assert_eq!(at_rest(&books, &marks), ["I-M3", "I-M5"]);
    let (mut books, marks) = self::books();
    column(&mut books, "invoice", 2, "status", "OVERDUE");
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new(), "overdue is the App's word");
}

#[test]
fn one_record_of_the_app_stands_once_in_xero() {
    let (mut books, marks) = books();
    let name = format!("App {}", token(1));
    books.xero.insert(("customer", id(7)), json!({"ContactID": id(7), "Name": name, "ContactStatus": "ACTIVE"}));
    let found = judge_always(&books, &marks, &Checks::all());
    assert_eq!(broken(&found), ["I-S1"]);
    member(&mut books, "customer", id(7), "ContactStatus", json!("ARCHIVED"));
    assert_eq!(judge_always(&books, &marks, &Checks::all()), []);
}

#[test]
fn a_mark_that_the_engine_made_up_stands_once() {
    let (mut books, marks) = books();
    for number in [7, 8] {
        let invoice = json!({"InvoiceID": id(number), "Reference": "TO-abc", "Status": "DRAFT"});
        books.xero.insert(("invoice", id(number)), invoice);
    }
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-S1"]);
    member(&mut books, "invoice", id(8), "Reference", json!("mine"));
    assert_eq!(judge_always(&books, &marks, &Checks::all()), []);
}

#[test]
fn links_are_one_to_one() {
    let (mut books, marks) = books();
    books.links.push(link("customer", 5, id(1)));
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-S2"]);
    books.links.pop();
    books.links.push(link("customer", 1, id(5)));
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-S2"]);
    books.links.pop();
    books.links.push(link("invoice", 1, id(1)));
    assert_eq!(judge_always(&books, &marks, &Checks::all()), [], "two kinds do not meet");
}

#[test]
fn a_payment_is_made_once_and_of_no_more_than_it_is() {
    let (mut books, marks) = books();
    let again = books.xero[&("payment", id(3))].clone();
    books.xero.insert(("payment", id(8)), again);
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-S1", "I-S5"]);
    member(&mut books, "payment", id(8), "Status", json!("DELETED"));
    assert_eq!(judge_always(&books, &marks, &Checks::all()), []);
    member(&mut books, "payment", id(3), "Amount", json!(6.01));
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-S5"]);
}

#[test]
fn an_edit_that_is_nowhere_is_lost() {
    let (books, mut marks) = books();
    marks.push(mark(9, By::App, "customer", Who::Local(1), "email"));
    assert_eq!(at_rest(&books, &marks), ["I-L1"]);
    marks[2].by = By::Xero;
    marks[2].who = Who::Xero(id(1));
    assert_eq!(at_rest(&books, &marks), ["I-L2"]);
    marks[2].is_in_flight = true;
    assert_eq!(at_rest(&books, &marks), ["I-L2w"]);
    marks[2].is_seen = true;
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn an_edit_is_in_a_conflict_only_if_one_side_of_it_says_so() {
    let (mut books, mut marks) = books();
    marks.push(mark(9, By::App, "customer", Who::Local(1), "email"));
    let text = |text: &str| Some(format!("\"{text}\""));
    books.conflicts.push(Conflict {
        kind: "customer".into(),
        local: 1,
        what: "FIELD".into(),
        field: "email".into(),
        base: text(&token(9)),
        app: text("one"),
        xero: text("two"),
        policy: "APP".into(),
        state: "RESOLVED".into(),
        decided_by: Some("engine".into()),
        ..Conflict::default()
    });
    assert_eq!(at_rest(&books, &marks), ["I-L1"], "what both had agreed on is not in the conflict");
    books.conflicts[0].app = text(&token(9));
    books.conflicts[0].base = None;
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn an_overwrite_in_the_last_moment_must_be_listed() {
    let (mut books, mut marks) = books();
    let edit = Mark { is_in_flight: true, ..mark(9, By::Xero, "customer", Who::Xero(id(1)), "email") };
    marks.push(edit);
    assert_eq!(at_rest(&books, &marks), ["I-L2w"]);
    books.conflicts.push(Conflict {
        kind: "customer".into(),
        local: 1,
        what: "POSSIBLE_OVERWRITE".into(),
        field: "email".into(),
        policy: "ASK".into(),
        state: "RESOLVED".into(),
        decided_by: Some("a person".into()),
        ..Conflict::default()
    });
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn an_edit_of_what_never_reached_the_other_side_is_not_excused_by_that() {
    let (mut books, mut marks) = books();
    books.app.insert(("customer", 4), row(&[("name", &token(9)), ("status", "ACTIVE")]));
    marks.push(mark(9, By::App, "customer", Who::Local(4), "new"));
    assert_eq!(at_rest(&books, &marks), ["I-C5", "I-L1"]);
    column(&mut books, "customer", 4, "status", "ARCHIVED");
    marks.push(mark(10, By::App, "customer", Who::Local(4), "removed"));
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn what_was_taken_away_stays_away() {
    let (mut books, mut marks) = books();
    marks.push(mark(9, By::App, "payment", Who::Local(3), "removed"));
    assert_eq!(at_rest(&books, &marks), ["I-L1"]);
    column(&mut books, "payment", 3, "status", "CANCELLED");
    member(&mut books, "payment", id(3), "Status", json!("DELETED"));
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn what_nobody_took_away_is_not_gone() {
    let (mut books, mut marks) = books();
    column(&mut books, "payment", 3, "status", "CANCELLED");
    member(&mut books, "payment", id(3), "Status", json!("DELETED"));
    assert_eq!(at_rest(&books, &marks), ["I-D1"]);
    marks.push(mark(9, By::Xero, "payment", Who::Xero(id(3)), "removed"));
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn an_older_value_does_not_come_again() {
    let (mut books, mut marks) = books();
    let text = format!("There {}", token(9));
    column(&mut books, "customer", 1, "first_name", &text);
    member(&mut books, "customer", id(1), "FirstName", json!(text));
    marks.push(Mark { is_superseded: true, ..mark(9, By::App, "customer", Who::Local(1), "first_name") });
    marks.push(Mark { back_from: Some(9), ..mark(10, By::App, "customer", Who::Local(1), "first_name") });
    assert_eq!(at_rest(&books, &marks), ["I-L7"]);
    column(&mut books, "customer", 1, "first_name", "Back");
    member(&mut books, "customer", id(1), "FirstName", json!("Back"));
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn conflicts_are_real_and_decided_once() {
    let (mut books, marks) = books();
    let real = Conflict {
        kind: "customer".into(),
        local: 1,
        what: "FIELD".into(),
        field: "email".into(),
        base: None,
        app: Some("\"a\"".into()),
        xero: Some("\"b\"".into()),
        policy: "APP".into(),
        state: "RESOLVED".into(),
        decided_by: Some("engine".into()),
        ..Conflict::default()
    };
    let judged = |books: &mut Snapshot, conflict: Conflict| {
        books.conflicts = vec![conflict];
        broken(&judge_always(books, &marks, &Checks::all()))
    };
    assert_eq!(judged(&mut books, real.clone()), Vec::<&str>::new());
    assert_eq!(judged(&mut books, Conflict { xero: real.app.clone(), ..real.clone() }), ["I-L4"]);
    assert_eq!(judged(&mut books, Conflict { base: real.app.clone(), ..real.clone() }), ["I-L4"]);
    assert_eq!(judged(&mut books, Conflict { decided_by: None, ..real.clone() }), ["I-L3"]);
    assert_eq!(judged(&mut books, Conflict { policy: String::new(), ..real.clone() }), ["I-L3"]);
    let open = Conflict { state: "PENDING".into(), decided_by: None, ..real };
    books.conflicts = vec![open.clone(), Conflict { id: 2, ..open }];
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-L3"]);
}

#[test]
fn a_run_that_removes_too_much_asks_first() {
    let (mut books, marks) = books();
    let removal =
        |local| Intent { local, run: Some(5), message: Some("said".into()), ..intent(local, "REMOVE", "DONE") };
    books.intents = (0..26).map(removal).collect();
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-D3"]);
    let asked = |state: &str, would| Brake {
        kind: "customer".into(),
        direction: "PUSH".into(),
        would,
        state: state.into(),
        ..Brake::default()
    };
    books.brakes = vec![asked("REFUSED", 26)];
    assert_eq!(broken(&judge_always(&books, &marks, &Checks::all())), ["I-D3"]);
    books.brakes = vec![asked("USED", 26)];
    assert_eq!(judge_always(&books, &marks, &Checks::all()), []);
    books.brakes.clear();
    books.intents.pop();
    assert_eq!(judge_always(&books, &marks, &Checks::all()), []);
}

#[test]
fn what_xero_refused_is_listed_in_its_words() {
    let (mut books, marks) = books();
    books.app.insert(("customer", 4), row(&[("name", "x"), ("status", "ACTIVE")]));
    let refused =
        Intent { local: 4, send: Some(1), message: Some("must be valid".into()), ..intent(1, "CREATE", "REFUSED") };
    books.intents = vec![refused];
    assert_eq!(at_rest(&books, &marks), ["I-C5", "I-L9"]);
    let failure = Failure {
        kind: "customer".into(),
        local: Some(4),
        remote: "4".into(),
        code: "TO-REJECTED".into(),
        message: "it was refused (Xero says: must be valid)".into(),
        raw: Some("must be valid".into()),
        direction: "PUSH".into(),
    };
    books.failures = vec![failure.clone()];
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
    books.failures = vec![Failure { raw: None, ..failure.clone() }];
    assert_eq!(at_rest(&books, &marks), ["I-L9"]);
    books.failures = vec![Failure { raw: None, message: "our own rule forbids it".into(), ..failure.clone() }];
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
    books.failures = vec![Failure { message: String::new(), ..failure }];
    assert_eq!(at_rest(&books, &marks), ["I-L9"]);
}

#[test]
fn nothing_stays_half_done() {
    let (books, marks) = books();
    let with = |change: &dyn Fn(&mut Snapshot)| {
        let mut books = books.clone();
        change(&mut books);
        at_rest(&books, &marks)
    };
    let run = |state: &str| Run { id: 1, state: state.into(), ..Run::default() };
    let sent = |state: &str| Sent { id: 1, state: state.into(), ..Sent::default() };
    let change = || Capture { kind: "customer".into(), local: 1, is_waiting: false };
    assert_eq!(with(&|books| books.runs.push(run("RUNNING"))), ["I-J2"]);
    assert_eq!(with(&|books| books.runs.push(run("PARTIAL"))), Vec::<&str>::new());
    assert_eq!(with(&|books| books.intents.push(intent(1, "UPDATE", "UNKNOWN"))), ["I-J2"]);
    assert_eq!(with(&|books| books.intents.push(intent(1, "UPDATE", "DROPPED"))), Vec::<&str>::new());
    assert_eq!(with(&|books| books.sends.push(sent("SENDING"))), ["I-J2"]);
    assert_eq!(with(&|books| books.sends.push(sent("ENDED"))), Vec::<&str>::new());
    assert_eq!(with(&|books| books.captures.push(change())), ["I-J2"]);
    let listed = |books: &mut Snapshot| {
        books.captures.push(change());
        books.candidates.push(Candidate { kind: "customer".into(), local: 1, xero: id(5) });
    };
    assert_eq!(with(&listed), Vec::<&str>::new());
}

#[test]
fn a_record_waits_only_for_what_is_not_in_order() {
    let (mut books, marks) = books();
    let waits = Failure {
        kind: "invoice".into(),
        local: Some(2),
        remote: id(2).to_string(),
        code: "TO-WAITING".into(),
        message: "it waits for its customer".into(),
        raw: None,
        direction: "PUSH".into(),
    };
    books.failures = vec![waits.clone()];
    assert_eq!(at_rest(&books, &marks), ["I-J3"]);
    let own = Failure { kind: "customer".into(), local: Some(1), code: "TO-EMAIL".into(), ..waits };
    books.failures.push(own);
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}

#[test]
fn every_write_that_arrived_is_written_down() {
    let (mut books, marks) = books();
    books.intents = vec![intent(1, "UPDATE", "DONE")];
    assert_eq!(at_rest(&books, &marks), ["I-A1"]);
    let event =
        |number| Event { id: number, what: "record.sent".into(), kind: Some("customer".into()), local: Some(1) };
    books.events = vec![event(1)];
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
    books.events.push(event(2));
    assert_eq!(at_rest(&books, &marks), ["I-A1"]);
    books.events.clear();
    books.intents[0].message = Some("found in xero by its mark".into());
    assert_eq!(at_rest(&books, &marks), Vec::<&str>::new());
}
