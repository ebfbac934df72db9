//! The life of a line: sent without an id, edited while it is under way, answered, or not. A line that is not
//! recognised when it comes back is a line that comes twice.

use std::collections::BTreeSet;

use model::{Decision, Invoice, Line, LineAmountTypes, Policy, Side, merge};

use crate::books::{Xero, amount, id, invoice, line, priced};

fn decide(base: &Invoice, local: &Invoice, remote: &Invoice) -> Decision<Invoice> {
    merge(base, local, remote, &|_| Policy::Ask).unwrap()
}

fn texts(invoice: &Invoice) -> Vec<&str> {
    invoice.lines.iter().map(|line| line.description.as_deref().unwrap_or_default()).collect()
}

/// Nothing to write, to push or to ask.
#[track_caller]
fn assert_settled(decision: &Decision<Invoice>) {
    assert_eq!((&decision.write_local, &decision.push, &decision.conflicts), (&None, &vec![], &vec![]));
}

/// Pushes what the App has until nothing is left, and checks that both have the same then.
#[track_caller]
fn settle(xero: &mut Xero, mut base: Invoice, mut local: Invoice, mut remote: Invoice) -> Invoice {
    for _ in 0..2 {
        let decision = decide(&base, &local, &remote);
        assert_eq!(decision.conflicts, []);
        local = decision.write_local.unwrap_or(local);
        base = decision.base;
        if let Some(outgoing) = decision.outgoing {
            remote = xero.take(&outgoing);
            let ack = decide(&decision.acked, &local, &remote);
            assert_eq!((&ack.push, &ack.conflicts), (&vec![], &vec![]));
            local = ack.write_local.unwrap_or(local);
            base = ack.base;
        }
    }
    assert_settled(&decide(&base, &local, &remote));
    assert_eq!(local.lines, remote.lines);
    assert_eq!(base.lines, remote.lines);
    let ids: BTreeSet<_> = local.lines.iter().map(|line| line.xero_line_id.unwrap()).collect();
    assert_eq!(ids.len(), local.lines.len());
    local
}

#[test]
fn new_lines_come_back_with_their_ids() {
    let base = invoice([line(1, "a")]);
    for added in [
        vec![priced("b", "1")],
        vec![priced(" b ", "1")],
        vec![priced("b", "1"), priced("b", "1"), priced("b", "1")],
        vec![priced("b", "1"), priced("c", "0"), priced("b", "2")],
        vec![Line { description: Some("words only".into()), ..Line::default() }],
        vec![Line { line_amount: amount("5"), ..Line::default() }],
        vec![Line::default()],
    ] {
        let mut local = base.clone();
        local.lines.extend(added.clone());
        let decision = decide(&base, &local, &base);
        assert_eq!(decision.push, ["lines[new]"]);
        assert_eq!(decision.outgoing.as_ref(), Some(&local));
        let settled = settle(&mut Xero::default(), base.clone(), local, base.clone());
        assert_eq!(settled.lines.len(), 1 + added.len(), "{added:?}");
    }
}

#[test]
fn a_new_line_may_stand_anywhere() {
    let base = invoice([line(1, "a"), line(2, "b")]);
    for at in 0..=2 {
        let mut local = base.clone();
        local.lines.insert(at, priced("new", "1"));
        let settled = settle(&mut Xero::default(), base.clone(), local.clone(), base.clone());
        assert_eq!(texts(&settled), texts(&local));
    }
}

/// What an application may do to the lines while they are under way.
type Edit = (&'static str, fn(&mut Vec<Line>));

const EDITS: &[Edit] = &[
    ("nothing", |_| {}),
    ("adds at the end", |lines| lines.push(priced("late", "7"))),
    ("adds in front", |lines| lines.insert(0, priced("late", "7"))),
    ("adds the same again", |lines| lines.push(lines[2].clone())),
    ("words of an old one", |lines| lines[0].description = Some("edited".into())),
    ("words of a new one", |lines| lines[2].description = Some("edited".into())),
    ("quantity of a new one", |lines| lines[3].quantity = amount("5")),
    ("words of one, quantity of another", |lines| {
        lines[2].description = Some("edited".into());
        lines[3].quantity = amount("5");
    }),
    ("everything of a new one", |lines| lines[2] = priced("edited", "9")),
    ("removes an old one", |lines| drop(lines.remove(0))),
    ("removes a new one", |lines| drop(lines.remove(2))),
    ("removes all new ones", |lines| lines.truncate(2)),
    ("removes all", Vec::clear),
    ("moves a new one to the front", |lines| lines.rotate_right(1)),
    ("turns the order round", |lines| lines.reverse()),
    ("removes one and adds another", |lines| lines[2] = priced("late", "7")),
    ("writes all lines again", |lines| lines.iter_mut().for_each(|line| line.xero_line_id = None)),
];

#[test]
fn edits_while_new_lines_are_under_way_duplicate_and_lose_nothing() {
    let base = invoice([line(1, "a"), line(2, "b")]);
    for new in [[priced("c", "1"), priced("d", "2")], [priced("c", "1"), priced("c", "1")]] {
        for (what, edit) in EDITS {
            let mut xero = Xero::default();
            let mut local = base.clone();
            local.lines.extend(new.clone());
            let sent = decide(&base, &local, &base);
            local = sent.write_local.unwrap_or(local);
            let reply = xero.take(&sent.outgoing.unwrap());

            edit(&mut local.lines);
            let ack = decide(&sent.acked, &local, &reply);
            assert_eq!(ack.conflicts, [], "{what}");
            let after = ack.write_local.unwrap_or_else(|| local.clone());
            assert_eq!(texts(&after), texts(&local), "{what}");
            let unknown = after.lines.iter().filter(|line| line.xero_line_id.is_none()).count();
            assert_eq!(unknown, local.lines.len().saturating_sub(4), "{what}: every line that was sent has its id");
            if *what == "nothing" {
                assert_eq!(ack.push, [""; 0]);
            }
            let settled = settle(&mut xero, ack.base, after, reply);
            assert_eq!(texts(&settled), texts(&local), "{what}");
            let quantities = |invoice: &Invoice| invoice.lines.iter().map(|line| line.quantity).collect::<Vec<_>>();
            assert_eq!(quantities(&settled), quantities(&local), "{what}");
        }
    }
}

#[test]
fn an_edit_under_way_does_not_meet_xeros_sums_as_a_conflict() {
    let base = invoice([line(1, "a")]);
    let mut local = invoice([Line { quantity: amount("2"), ..line(1, "a") }, priced("b", "1")]);
    let sent = decide(&base, &local, &base);
    assert_eq!(sent.push, [format!("lines[{}].amounts", id(1)), "lines[new]".to_owned()]);
    let reply = Xero::default().take(sent.outgoing.as_ref().unwrap());
    local.lines[0].quantity = amount("3");
    local.lines[1].quantity = amount("4");
    let ack = decide(&sent.acked, &local, &reply);
    assert_eq!(ack.conflicts, []);
    assert_eq!(ack.push.len(), 2);
    let outgoing = ack.outgoing.unwrap();
    assert_eq!((outgoing.lines[0].quantity, outgoing.lines[1].quantity), (amount("3"), amount("4")));
    assert_eq!(outgoing.lines[1].tax_type.as_deref(), Some("OUTPUT"), "what Xero filled in stays");
}

#[test]
fn a_lost_answer_is_recognised_by_what_was_written() {
    let base = invoice([line(1, "a")]);
    let mut xero = Xero::default();
    let mut local = base.clone();
    local.lines.extend([priced("b ", "1"), priced("b", "2"), priced("b", "2")]);
    let sent = decide(&base, &local, &base);
    let arrived = xero.take(&sent.outgoing.unwrap());
    // Nobody noted that it was sent.
    let again = decide(&base, &local, &arrived);
    assert_eq!((&again.push, &again.conflicts), (&vec![], &vec![]));
    assert_eq!(again.write_local.as_ref().map(|invoice| &invoice.lines), Some(&arrived.lines));
    // With another line that was not sent.
    local.lines.push(priced("late", "1"));
    let again = decide(&base, &local, &arrived);
    assert_eq!(again.push, ["lines[new]"]);
    assert_eq!(settle(&mut xero, base, local, arrived).lines.len(), 5);
}

#[test]
fn both_sides_new_lines_are_kept() {
    let base = invoice([line(1, "a")]);
    let mut local = base.clone();
    local.lines.insert(0, priced("of the app", "1"));
    let remote = invoice([line(2, "of xero"), line(1, "a")]);
    let settled = settle(&mut Xero::default(), base, local, remote);
    assert_eq!(texts(&settled), ["of xero", "a", "of the app"]);
}

#[test]
fn an_application_may_write_its_lines_anew() {
    let base = invoice([line(1, "a"), line(2, "b"), line(3, "b")]);
    let anew = |invoice: &Invoice| {
        let mut invoice = invoice.clone();
        invoice.lines.iter_mut().for_each(|line| line.xero_line_id = None);
        invoice
    };
    // The same lines: nothing but their ids is missing.
    let decision = decide(&base, &anew(&base), &base);
    assert_eq!((decision.write_local.as_ref(), decision.push.len()), (Some(&base), 0));
    // One of them changed, and one was removed in Xero meanwhile.
    let mut local = anew(&base);
    local.lines[0].description = Some("edited".into());
    let remote = invoice([line(1, "a"), line(2, "b")]);
    assert_eq!(texts(&settle(&mut Xero::default(), base, local, remote)), ["edited", "b"]);
}

#[test]
fn ids_that_are_not_xeros_are_dropped() {
    let base = invoice([line(1, "a")]);
    // Copied from another line; and one that Xero does not know.
    let local = invoice([line(1, "a"), line(1, "copy"), line(77, "stale")]);
    let decision = decide(&base, &local, &base);
    assert_eq!(decision.push, ["lines[new]"]);
    let outgoing = decision.outgoing.unwrap();
    assert_eq!(outgoing.lines.iter().map(|line| line.xero_line_id).collect::<Vec<_>>(), [Some(id(1)), None, None]);
    assert_eq!(decision.write_local.unwrap().lines, outgoing.lines);
    let settled = settle(&mut Xero::default(), base.clone(), local, base);
    assert_eq!(texts(&settled), ["a", "copy", "stale"]);
}

#[test]
fn lines_replaced_in_xero_by_the_same_ones_keep_the_apps_edits() {
    let base = invoice([line(1, "a"), line(2, "b")]);
    let remote = invoice([line(8, "a"), line(9, "b")]);
    let mut local = base.clone();
    local.lines[1].account_code = Some("400".into());
    let decision = decide(&base, &local, &remote);
    assert_eq!(decision.push, [format!("lines[{}].account_code", id(9))]);
    let settled = settle(&mut Xero::default(), base, local, remote);
    assert_eq!(settled.lines.iter().map(|line| line.xero_line_id).collect::<Vec<_>>(), [Some(id(8)), Some(id(9))]);
}

#[test]
fn the_same_edit_on_both_sides_makes_one_line_whoever_wrote_it_anew() {
    let (base, edited) = (line(1, "a"), Line { quantity: amount("3"), ..line(1, "a") });
    let of_xero = Line { xero_line_id: Some(id(2)), ..edited.clone() };
    let of_app = Line { xero_line_id: None, ..edited.clone() };
    for (local, remote) in [(edited.clone(), of_xero), (of_app, edited)] {
        let decision = decide(&invoice([base.clone()]), &invoice([local]), &invoice([remote.clone()]));
        assert_eq!((&decision.push, &decision.conflicts), (&vec![], &vec![]));
        assert_eq!(decision.write_local, Some(invoice([remote])));
    }
}

#[test]
fn spaces_alone_are_filled_in_by_xero_and_no_conflict() {
    let local = invoice([priced(" ", "1")]);
    let remote = invoice([Line { xero_line_id: Some(id(2)), ..priced("from an item", "1") }]);
    assert_settled(&decide(&remote, &remote, &remote));
    let decision = decide(&invoice([]), &local, &remote);
    assert_eq!((&decision.push, &decision.conflicts), (&vec![], &vec![]));
    assert_eq!(decision.write_local, Some(remote));
}

#[test]
fn order_is_the_apps_if_only_the_app_changed_it() {
    let of = |numbers: &[u128]| invoice(numbers.iter().map(|number| line(*number, &number.to_string())));
    // Base, App, Xero -> afterwards, pushed
    for (base, local, remote, after, push) in [
        (&[1, 2, 3][..], &[3, 1, 2][..], &[1, 2, 3][..], &[3, 1, 2][..], &["lines"][..]),
        (&[1, 2, 3], &[1, 2, 3], &[2, 1, 3], &[2, 1, 3], &[]),
        (&[1, 2, 3], &[3, 1, 2], &[2, 1, 3], &[2, 1, 3], &[]),
        (&[1, 2, 3], &[3, 2, 1], &[1, 2, 3, 4], &[1, 2, 3, 4], &[]),
        (&[1, 2, 3], &[3, 2, 1], &[1, 3], &[3, 1], &["lines"]),
    ] {
        let decision = decide(&of(base), &of(local), &of(remote));
        assert_eq!(decision.conflicts, []);
        assert_eq!(decision.push, push, "{local:?} {remote:?}");
        assert_eq!(decision.write_local.clone().unwrap_or_else(|| of(local)), of(after), "{local:?} {remote:?}");
        if let Some(outgoing) = decision.outgoing {
            // Xero may not care for order: then its own is taken, and nothing is sent for ever.
            let ack = decide(&decision.acked, &of(after), &of(remote));
            assert_eq!((ack.push, ack.conflicts), (vec![], vec![]));
            assert_eq!(ack.write_local, Some(of(remote)));
            assert_settled(&decide(&decision.acked, &outgoing, &outgoing));
        }
    }
}

#[test]
fn a_change_of_types_sends_all_lines_and_knows_them_again() {
    let base = invoice([line(1, "a"), line(2, "b")]);
    let mut local = base.clone();
    local.line_amount_types = LineAmountTypes::Inclusive;
    local.lines.push(priced("new", "1"));
    let mut xero = Xero::default();
    let sent = decide(&base, &local, &base);
    assert_eq!(sent.push, ["lines"]);
    assert_eq!(sent.outgoing.as_ref(), Some(&local));
    let reply = xero.take(&sent.outgoing.unwrap());
    let ack = decide(&sent.acked, &local, &reply);
    assert_eq!((&ack.push, &ack.conflicts), (&vec![], &vec![]));
    assert_eq!(ack.write_local.unwrap().lines, reply.lines);
    // Changed once more under way: the answer is no edit of Xero's.
    local.line_amount_types = LineAmountTypes::NoTax;
    local.lines[0].description = Some("edited".into());
    let ack = decide(&sent.acked, &local, &reply);
    assert_eq!((&ack.push, &ack.conflicts), (&vec!["lines".to_owned()], &vec![]));
    let outgoing = ack.outgoing.unwrap();
    assert_eq!(
        outgoing.lines.iter().map(|line| line.xero_line_id).collect::<Vec<_>>(),
        reply.lines.iter().map(|line| line.xero_line_id).collect::<Vec<_>>()
    );
}

#[test]
fn a_line_that_wins_against_its_removal_is_a_new_line() {
    let base = invoice([line(1, "a"), line(2, "b")]);
    let local = invoice([line(1, "edited"), line(2, "b")]);
    let remote = invoice([line(2, "b")]);
    let sent = merge(&base, &local, &remote, &|_| Policy::LastWrite(Side::App)).unwrap();
    let local = sent.write_local.unwrap();
    let reply = Xero::default().take(&sent.outgoing.unwrap());
    let ack = decide(&sent.acked, &local, &reply);
    assert_eq!((&ack.push, &ack.conflicts), (&vec![], &vec![]));
    assert_eq!(texts(&ack.write_local.unwrap()), ["edited", "b"]);
}

#[test]
fn a_thousand_lines_are_no_trouble() {
    let base = Invoice::default();
    for same in [true, false] {
        let text = |number: u32| if same { "same".to_owned() } else { number.to_string() };
        let local = Invoice { lines: (0..1_000).map(|n| priced(&text(n), "1")).collect(), ..Invoice::default() };
        let mut xero = Xero::default();
        let settled = settle(&mut xero, base.clone(), local.clone(), base.clone());
        assert_eq!(settled.lines.len(), 1_000);
        // The answer lost.
        let again = decide(&base, &local, &settled);
        assert_eq!((again.push.len(), again.write_local.unwrap().lines.len()), (0, 1_000));
    }
}
