//! Properties over random records, each edited twice.

use std::collections::{BTreeMap, BTreeSet};

use model::path::{get, put};
use model::{
    Address, AddressType, Customer, Decision, Invoice, Line, LineAmountTypes, Phone, PhoneType, Policy, Record, Side,
    merge,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::books::{Xero, amount, invoice, line, priced, work_out};

/// One edit: what is edited (of `CLASSES`), where, and what it becomes (one of four values; 0 is blank).
type Edit = (u8, u8, u8);

/// Fields, groups and parts of lines that edits of different classes never share.
const CLASSES: u8 = 9;
const OF_WHOLE_LINES: [u8; 3] = [9, 10, 11];

fn value(text: u8) -> Option<String> {
    (text > 0).then(|| format!("v{text}"))
}

fn edit_customer(customer: &mut Customer, (class, place, to): Edit) {
    let number = value(to);
    match class % CLASSES {
        0 => customer.name = format!("n{to}"),
        1 => customer.email = number,
        2 => customer.first_name = number,
        3 => customer.tax_number = number,
        4..=6 => {
            let kind = [PhoneType::Default, PhoneType::Mobile, PhoneType::Fax][usize::from(class % CLASSES - 4)];
            customer.phones.retain(|phone| phone.kind != kind);
            let area_code = (place % 2 == 1).then(|| "9".to_owned());
            customer.phones.extend(number.map(|text| Phone {
                kind,
                number: Some(text),
                area_code,
                ..Phone::default()
            }));
        }
        _ => {
            let kind = if class % CLASSES == 7 { AddressType::Pobox } else { AddressType::Street };
            customer.addresses.retain(|address| address.kind != kind);
            customer.addresses.extend(number.map(|text| Address { kind, city: Some(text), ..Address::default() }));
        }
    }
}

fn edit_invoice(invoice: &mut Invoice, (class, place, to): Edit) {
    let count = invoice.lines.len();
    let at = usize::from(place) % count.max(1);
    match class {
        0 => invoice.number = value(to),
        1 => invoice.reference = value(to),
        2 => invoice.currency = value(to),
        3 => invoice.date = Some(jiff::civil::date(2026, 1, 1 + i8::try_from(to).unwrap())),
        9 => invoice.lines.insert(usize::from(place) % (count + 1), priced(&format!("new{to}"), "1")),
        10 if count > 0 => drop(invoice.lines.remove(at)),
        11 if count > 0 => invoice.lines.swap(at, usize::from(to) % count),
        12 => {
            use LineAmountTypes::{Exclusive, Inclusive, NoTax};
            invoice.line_amount_types = [Exclusive, Inclusive, NoTax, Exclusive][usize::from(to)];
        }
        4..=8 if count > 0 => {
            let line = &mut invoice.lines[at];
            match class {
                4 => line.description = value(to),
                5 => line.quantity = amount(&to.to_string()),
                6 => line.account_code = value(to),
                7 => line.item_code = value(to),
                _ => {
                    line.tracking = value(to)
                        .map(|option| model::Tracking { category: "Region".into(), option })
                        .into_iter()
                        .collect();
                }
            }
        }
        _ => {}
    }
}

/// Xero's edit: its new lines have ids, and sums follow from what they are made of.
fn edit_in_xero(invoice: &mut Invoice, edit: Edit) {
    let before = invoice.lines.clone();
    edit_invoice(invoice, edit);
    for line in &mut invoice.lines {
        if line.xero_line_id.is_none() {
            let taken = before.iter().filter(|line| line.xero_line_id.is_some_and(|id| id.as_u128() >= 500)).count();
            line.xero_line_id =
                Some(uuid::Uuid::from_u128(500 + u128::try_from(taken).unwrap() + 100 * u128::from(edit.1)));
        }
        if !before.iter().any(|old| old.xero_line_id == line.xero_line_id && old.quantity == line.quantity) {
            work_out(line);
        }
    }
    let mut seen = BTreeSet::new();
    invoice.lines.retain(|line| seen.insert(line.xero_line_id));
}

fn base_invoice() -> impl Strategy<Value = Invoice> {
    (0..5_u128, edits(0..4)).prop_map(|(count, edits)| {
        let mut base = invoice((1..=count).map(|number| line(number, &number.to_string())));
        edits.into_iter().for_each(|edit| edit_invoice(&mut base, edit));
        base.lines.iter_mut().for_each(work_out);
        base
    })
}

fn edits(classes: std::ops::Range<u8>) -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((classes, 0..5_u8, 0..4_u8), 0..6)
}

/// Base, App, Xero.
fn invoices(classes: u8) -> impl Strategy<Value = (Invoice, Invoice, Invoice)> {
    (base_invoice(), edits(0..classes), edits(0..classes)).prop_map(|(base, app, xero)| {
        let (mut local, mut remote) = (base.clone(), base.clone());
        app.into_iter().for_each(|edit| edit_invoice(&mut local, edit));
        xero.into_iter().for_each(|edit| edit_in_xero(&mut remote, edit));
        (base, local, remote)
    })
}

fn customers() -> impl Strategy<Value = (Customer, Customer, Customer)> {
    (edits(0..CLASSES), edits(0..CLASSES), edits(0..CLASSES)).prop_map(|(first, app, xero)| {
        let mut base = Customer::default();
        first.into_iter().for_each(|edit| edit_customer(&mut base, edit));
        let (mut local, mut remote) = (base.clone(), base.clone());
        app.into_iter().for_each(|edit| edit_customer(&mut local, edit));
        xero.into_iter().for_each(|edit| edit_customer(&mut remote, edit));
        (base, local, remote)
    })
}

/// A policy for each path, out of a seed.
fn policies(seed: u8, may_ask: bool) -> impl Fn(&str) -> Policy {
    move |path| {
        let sum = path.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let all = [Policy::AppWins, Policy::XeroWins, Policy::LastWrite(Side::App), Policy::LastWrite(Side::Xero)];
        if may_ask && sum.is_multiple_of(3) { Policy::Ask } else { all[usize::from(sum % 4)] }
    }
}

/// The units of a record as a reader of JSON finds them, new lines by what they are.
fn flat<R: Record>(record: &R) -> BTreeMap<String, Value> {
    let json = serde_json::to_value(record).unwrap();
    let mut units = BTreeMap::new();
    for (name, value) in json.as_object().unwrap() {
        let items = value.as_array().into_iter().flatten();
        for item in items {
            match (item.get("kind"), item.get("xero_line_id")) {
                (Some(kind), _) => drop(units.insert(format!("{name}[{}]", kind.as_str().unwrap()), item.clone())),
                (None, None) => drop(units.insert(format!("{name}[new].{item}"), item.clone())),
                (None, Some(id)) => {
                    let path = format!("{name}[{}]", id.as_str().unwrap());
                    for part in ["amounts", "description", "account_code", "item_code", "tracking"] {
                        let path = format!("{path}.{part}");
                        let mut value = get(&json, &path).unwrap();
                        // What Xero works out from the rest is no unit of its own.
                        if let Some(amounts) = value.as_object_mut() {
                            amounts.retain(|name, _| name != "line_amount" && name != "tax_amount");
                        }
                        units.insert(path, value);
                    }
                    units.insert(path, Value::Bool(true));
                }
            }
        }
        if !value.is_array() && name != "total" {
            units.insert(name.clone(), value.clone());
        }
    }
    units
}

/// Paths of the units in which a state differs from the base.
fn changed<R: Record>(base: &R, now: &R) -> Vec<String> {
    let (base, now) = (flat(base), flat(now));
    let names: BTreeSet<&String> = base.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| base.get(*name) != now.get(*name)).cloned().collect()
}

/// Whether a conflict is of this unit, of the line that it is a part of, or of the group that it is in.
fn covers(conflict: &str, unit: &str) -> bool {
    conflict == unit
        || unit.starts_with(&format!("{conflict}."))
        || (conflict == "lines" && unit.starts_with("line"))
        || (conflict == "money" && unit.starts_with("currency"))
}

fn check_nothing_is_lost<R: Record + std::fmt::Debug>(base: &R, local: &R, remote: &R, decision: &Decision<R>) {
    let after = decision.write_local.as_ref().unwrap_or(local);
    let sent = decision.outgoing.as_ref().unwrap_or(remote);
    let (of_local, of_remote, of_after, of_sent) = (flat(local), flat(remote), flat(after), flat(sent));
    let in_conflict = |unit: &str| decision.conflicts.iter().any(|conflict| covers(&conflict.field, unit));
    for unit in changed(base, local).iter().filter(|unit| !in_conflict(unit)) {
        let kept = [&of_after, &of_sent].iter().all(|side| side.get(unit) == of_local.get(unit));
        assert!(kept, "the app's {unit} is lost: {decision:#?}");
    }
    for unit in changed(base, remote).iter().filter(|unit| !in_conflict(unit)) {
        assert_eq!(of_after.get(unit), of_remote.get(unit), "xero's {unit} is lost: {decision:#?}");
    }
}

/// Merging again with the base that a merge gave changes nothing, and an open conflict stays as it is.
fn check_it_stays_put<R: Record + std::fmt::Debug>(
    local: &R,
    remote: &R,
    decision: &Decision<R>,
    policy: &dyn Fn(&str) -> Policy,
) {
    let after = decision.write_local.as_ref().unwrap_or(local);
    let open: Vec<_> = decision.conflicts.iter().filter(|conflict| conflict.winner.is_none()).cloned().collect();
    let again = merge(&decision.base, after, remote, policy).unwrap();
    assert_eq!((&again.write_local, &again.conflicts), (&None, &open));
    assert_eq!(again.outgoing.as_ref().map(flat), decision.outgoing.as_ref().map(flat));
    assert_eq!((flat(&again.base), flat(&again.acked)), (flat(&decision.base), flat(&decision.acked)));
    let push = |decision: &Decision<R>| -> BTreeSet<String> { decision.push.iter().cloned().collect() };
    // A line that Xero gave up is a new one from now on.
    assert!(push(&again) == push(decision) || push(&again).contains("lines[new]"));

    // What was sent has arrived unchanged: there is nothing to do but the same questions.
    let sent = decision.outgoing.as_ref().unwrap_or(remote);
    let ack = merge(&decision.acked, after, sent, policy).unwrap();
    assert_eq!((&ack.push, &ack.write_local, &ack.conflicts), (&vec![], &None, &open));

    // Xero's side can be told from the base and the open conflicts.
    let mut patched = serde_json::to_value(&decision.base).unwrap();
    for conflict in &open {
        assert!(put(&mut patched, &conflict.field, &conflict.xero), "{conflict:?}");
    }
    assert_eq!(flat(&serde_json::from_value::<R>(patched).unwrap()), flat(remote));
}

const CASES: u32 = 2_000;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn of_customers((base, local, remote) in customers(), seed: u8) {
        let policy = policies(seed, true);
        let decision = merge(&base, &local, &remote, &policy).unwrap();
        check_nothing_is_lost(&base, &local, &remote, &decision);
        check_it_stays_put(&local, &remote, &decision, &policy);
    }

    #[test]
    fn of_invoices((base, local, remote) in invoices(13), seed: u8) {
        let policy = policies(seed, true);
        let decision = merge(&base, &local, &remote, &policy).unwrap();
        check_it_stays_put(&local, &remote, &decision, &policy);
    }

    /// Lines that are only edited, so that their ids tell which is which.
    #[test]
    fn of_lines((base, local, remote) in invoices(CLASSES), seed: u8) {
        let policy = policies(seed, true);
        let decision = merge(&base, &local, &remote, &policy).unwrap();
        check_nothing_is_lost(&base, &local, &remote, &decision);
    }

    #[test]
    fn disjoint_edits_never_conflict(base in base_invoice(), edits in edits(0..CLASSES)) {
        let (mut local, mut remote, mut both) = (base.clone(), base.clone(), base.clone());
        for edit in edits {
            // Even classes are the App's, odd ones Xero's.
            if edit.0 % 2 == 0 { edit_invoice(&mut local, edit) } else { edit_in_xero(&mut remote, edit) }
            edit_in_xero(&mut both, edit);
        }
        let decision = merge(&base, &local, &remote, &|path| panic!("asked about {path}")).unwrap();
        prop_assert!(decision.conflicts.is_empty());
        prop_assert_eq!(decision.write_local.unwrap_or(local), both.clone());
        prop_assert_eq!(decision.outgoing.unwrap_or(remote), both);
    }

    #[test]
    fn equal_edits_never_conflict(base in base_invoice(), edits in edits(0..13)) {
        let mut local = base.clone();
        edits.into_iter().for_each(|edit| edit_invoice(&mut local, edit));
        // What Xero makes of the very same: ids and sums.
        let remote = Xero::default().take(&local);
        let decision = merge(&base, &local, &remote, &|path| panic!("asked about {path}")).unwrap();
        prop_assert!(decision.conflicts.is_empty());
        if local.line_amount_types == base.line_amount_types {
            prop_assert_eq!(&decision.push, &Vec::<String>::new());
        }
        prop_assert_eq!(decision.write_local.unwrap_or(local), remote);
    }

    #[test]
    fn the_order_of_slots_and_sides_says_nothing((base, local, remote) in customers()) {
        let turned = |customer: &Customer| {
            let mut customer = customer.clone();
            customer.phones.reverse();
            customer.addresses.reverse();
            customer
        };
        let ask = |_: &str| Policy::Ask;
        let one = merge(&base, &local, &remote, &ask).unwrap();
        let names = |decision: &Decision<Customer>| -> (BTreeSet<String>, BTreeSet<String>) {
            let fields = decision.conflicts.iter().map(|conflict| conflict.field.clone());
            (decision.push.iter().cloned().collect(), fields.collect())
        };
        for (a, b, c) in [
            (turned(&base), local.clone(), remote.clone()),
            (base.clone(), turned(&local), remote.clone()),
            (base.clone(), local.clone(), turned(&remote)),
        ] {
            let other = merge(&a, &b, &c, &ask).unwrap();
            prop_assert_eq!(names(&one), names(&other));
            prop_assert_eq!(flat(&one.base), flat(&other.base));
            prop_assert_eq!(one.write_local.as_ref().map(flat), other.write_local.as_ref().map(flat));
            prop_assert_eq!(one.outgoing.as_ref().map(flat), other.outgoing.as_ref().map(flat));
        }
        // Seen from the other side, what was pushed is written, and the other way round.
        let mirrored = merge(&base, &remote, &local, &ask).unwrap();
        prop_assert_eq!(names(&one).1, names(&mirrored).1);
        let empty = flat(&local);
        prop_assert_eq!(mirrored.write_local.as_ref().map_or(flat(&remote), flat), one.outgoing.as_ref().map_or(flat(&remote), flat));
        prop_assert_eq!(mirrored.outgoing.as_ref().map_or(empty.clone(), flat), one.write_local.as_ref().map_or(empty, flat));
    }

    #[test]
    fn the_order_of_lines_is_no_edit_of_a_line((base, local, remote) in invoices(CLASSES), by in 0..5_usize) {
        let mut moved = local.clone();
        let by = by % moved.lines.len().max(1);
        moved.lines.rotate_left(by);
        let ask = |_: &str| Policy::Ask;
        let (one, other) = (merge(&base, &local, &remote, &ask).unwrap(), merge(&base, &moved, &remote, &ask).unwrap());
        let without_order = |push: &[String]| -> BTreeSet<String> { push.iter().filter(|path| *path != "lines").cloned().collect() };
        prop_assert_eq!(without_order(&one.push), without_order(&other.push));
        prop_assert_eq!(&one.conflicts, &other.conflicts);
        prop_assert_eq!(flat(&one.write_local.unwrap_or(local)), flat(&other.write_local.unwrap_or(moved)));
        prop_assert_eq!(flat(&one.outgoing.unwrap_or(remote.clone())), flat(&other.outgoing.unwrap_or(remote)));
    }

    /// Written, sent and answered, both sides have the same after two rounds at most, whatever is edited under way.
    #[test]
    fn it_converges(
        (mut base, mut local, mut remote) in invoices(13),
        under_way in edits(0..12),
        seed: u8,
    ) {
        let policy = policies(seed, false);
        let mut xero = Xero::default();
        let mut under_way = Some(under_way);
        let mut rounds = 0;
        loop {
            let decision = merge(&base, &local, &remote, &policy).unwrap();
            let is_settled = decision.push.is_empty() && decision.write_local.is_none();
            local = decision.write_local.unwrap_or(local);
            base = decision.base;
            if let Some(outgoing) = decision.outgoing {
                remote = xero.take(&outgoing);
                under_way.take().into_iter().flatten().for_each(|edit| edit_invoice(&mut local, edit));
                let ack = merge(&decision.acked, &local, &remote, &policy).unwrap();
                local = ack.write_local.unwrap_or(local);
                base = ack.base;
            } else if is_settled {
                break;
            }
            rounds += 1;
            prop_assert!(rounds <= 3, "it goes on: {base:#?} {local:#?} {remote:#?}");
        }
        prop_assert_eq!(flat(&local), flat(&remote));
        prop_assert_eq!(flat(&base), flat(&remote));
        let ids: BTreeSet<_> = local.lines.iter().map(|line| line.xero_line_id).collect();
        prop_assert_eq!(ids.len(), local.lines.len());
    }

    /// Lines added and removed while new ones are under way: each text is there as often as the App has it.
    #[test]
    fn no_line_comes_twice(base in base_invoice(), new in prop::collection::vec(0..3_u8, 1..5), edits in edits(9..12)) {
        let mut xero = Xero::default();
        let mut local = base.clone();
        local.lines.extend(new.iter().map(|text| priced(&format!("new{text}"), "1")));
        let sent = merge(&base, &local, &base, &|_| Policy::Ask).unwrap();
        let reply = xero.take(&sent.outgoing.unwrap());
        edits.into_iter().filter(|edit| OF_WHOLE_LINES.contains(&edit.0)).for_each(|edit| edit_invoice(&mut local, edit));
        let texts = |invoice: &Invoice| {
            let mut texts: Vec<Option<String>> = invoice.lines.iter().map(|line: &Line| line.description.clone()).collect();
            texts.sort();
            texts
        };
        let ack = merge(&sent.acked, &local, &reply, &|_| Policy::Ask).unwrap();
        prop_assert_eq!(&ack.conflicts, &vec![]);
        let after = ack.write_local.unwrap_or_else(|| local.clone());
        prop_assert_eq!(texts(&after), texts(&local));
        let there = ack.outgoing.map_or(reply, |outgoing| xero.take(&outgoing));
        prop_assert_eq!(texts(&there), texts(&local));
    }
}
