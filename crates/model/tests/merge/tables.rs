//! Truth tables: one line per case.

use model::{
    Account, Address, AddressType, Amount, Credit, Customer, Decision, DocumentStatus, Invoice, Kind, Line,
    LineAmountTypes, Payment, PaymentStatus, Phone, PhoneType, Policy, Record, Ref, Removal, Side, merge,
    merge_removed,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::books::{amount, id, invoice, line};

const APP_LATER: Policy = Policy::LastWrite(Side::App);
const XERO_LATER: Policy = Policy::LastWrite(Side::Xero);

fn decide<R: Record>(base: &R, local: &R, remote: &R, policy: Policy) -> Decision<R> {
    merge(base, local, remote, &move |_| policy).unwrap()
}

/// Base, App, Xero, policy -> what the App has afterwards, what Xero is sent, what is agreed on from now on and what
/// once it arrived, and whether there is a conflict.
type Row<T> = (T, T, T, Policy, T, Option<T>, T, T, bool);

/// Runs a table over whatever one unit of a record holds.
fn check<R: Record + std::fmt::Debug, T: Copy + PartialEq + std::fmt::Debug>(
    rows: &[Row<T>],
    path: &str,
    with: impl Fn(T) -> R,
) {
    for (base, local, remote, policy, after, sent, agreed, acked, is_conflict) in rows {
        let decision = decide(&with(*base), &with(*local), &with(*remote), *policy);
        let row = format!("{path}: {base:?} {local:?} {remote:?} {policy:?}");
        assert_eq!(decision.write_local.clone().unwrap_or_else(|| with(*local)), with(*after), "{row}");
        assert_eq!(decision.write_local.is_some(), after != local, "{row}");
        assert_eq!(decision.outgoing, sent.map(&with), "{row}");
        assert_eq!(decision.push, if sent.is_some() { vec![path] } else { Vec::new() }, "{row}");
        assert_eq!(decision.base, with(*agreed), "{row}");
        assert_eq!(decision.acked, with(*acked), "{row}");
        let fields: Vec<&str> = decision.conflicts.iter().map(|conflict| conflict.field.as_str()).collect();
        assert_eq!(fields, if *is_conflict { vec![path] } else { Vec::new() }, "{row}");
        if let Some(conflict) = decision.conflicts.first() {
            assert_eq!((conflict.winner, conflict.policy), (policy.winner(), *policy), "{row}");
        }
    }
}

/// The rows that hold for every unit that can be there or not (`None`).
const PRESENT_OR_NOT: &[Row<Option<&str>>] = &[
    (None, None, None, Policy::Ask, None, None, None, None, false),
    (None, None, Some("x"), Policy::Ask, Some("x"), None, Some("x"), Some("x"), false),
    (None, Some("x"), Some("x"), Policy::Ask, Some("x"), None, Some("x"), Some("x"), false),
    (None, Some("l"), None, Policy::Ask, Some("l"), Some(Some("l")), None, Some("l"), false),
    (None, Some("l"), Some("x"), Policy::Ask, Some("l"), None, None, None, true),
    (None, Some("l"), Some("x"), APP_LATER, Some("l"), Some(Some("l")), Some("x"), Some("l"), true),
    (None, Some("l"), Some("x"), XERO_LATER, Some("x"), None, Some("x"), Some("x"), true),
    (Some("b"), Some("b"), Some("b"), Policy::Ask, Some("b"), None, Some("b"), Some("b"), false),
    (Some("b"), Some("b"), Some("x"), Policy::Ask, Some("x"), None, Some("x"), Some("x"), false),
    (Some("b"), Some("b"), None, Policy::Ask, None, None, None, None, false),
    (Some("b"), Some("l"), Some("b"), Policy::Ask, Some("l"), Some(Some("l")), Some("b"), Some("l"), false),
    (Some("b"), None, Some("b"), Policy::Ask, None, Some(None), Some("b"), None, false),
    (Some("b"), Some("x"), Some("x"), Policy::Ask, Some("x"), None, Some("x"), Some("x"), false),
    (Some("b"), None, None, Policy::Ask, None, None, None, None, false),
    (Some("b"), Some("l"), Some("x"), Policy::Ask, Some("l"), None, Some("b"), Some("b"), true),
    (Some("b"), Some("l"), Some("x"), Policy::AppWins, Some("l"), Some(Some("l")), Some("x"), Some("l"), true),
    (Some("b"), Some("l"), Some("x"), Policy::XeroWins, Some("x"), None, Some("x"), Some("x"), true),
    (Some("b"), Some("l"), Some("x"), APP_LATER, Some("l"), Some(Some("l")), Some("x"), Some("l"), true),
    (Some("b"), Some("l"), Some("x"), XERO_LATER, Some("x"), None, Some("x"), Some("x"), true),
    (Some("b"), None, Some("x"), Policy::Ask, None, None, Some("b"), Some("b"), true),
    (Some("b"), None, Some("x"), Policy::AppWins, None, Some(None), Some("x"), None, true),
    (Some("b"), None, Some("x"), Policy::XeroWins, Some("x"), None, Some("x"), Some("x"), true),
    (Some("b"), Some("l"), None, Policy::Ask, Some("l"), None, Some("b"), Some("b"), true),
    (Some("b"), Some("l"), None, Policy::AppWins, Some("l"), Some(Some("l")), None, Some("l"), true),
    (Some("b"), Some("l"), None, Policy::XeroWins, None, None, None, None, true),
];

#[test]
fn a_field() {
    check(PRESENT_OR_NOT, "email", |email| Customer {
        name: "A".into(),
        email: email.map(Into::into),
        ..Customer::default()
    });
}

#[test]
fn a_slot_of_a_keyed_list() {
    let phone = |kind, number: &str| Phone { kind, number: Some(number.into()), ..Phone::default() };
    check(PRESENT_OR_NOT, "phones[MOBILE]", |number| {
        let mobile = number.map(|number| phone(PhoneType::Mobile, number));
        Customer { phones: std::iter::once(phone(PhoneType::Fax, "1")).chain(mobile).collect(), ..Customer::default() }
    });
    check(PRESENT_OR_NOT, "addresses[STREET]", |city| Customer {
        addresses: city
            .map(|city| Address { kind: AddressType::Street, city: Some(city.into()), ..Address::default() })
            .into_iter()
            .collect(),
        ..Customer::default()
    });
}

#[test]
fn a_part_of_a_line() {
    let path = |part: &str| format!("lines[{}].{part}", id(1));
    let with = |change: &dyn Fn(&mut Line)| {
        let mut first = line(1, "first");
        (first.description, first.quantity) = (Some("first".into()), None);
        change(&mut first);
        invoice([first, line(2, "second")])
    };
    check(PRESENT_OR_NOT, &path("description"), |text| with(&|line| line.description = text.map(Into::into)));
    check(PRESENT_OR_NOT, &path("account_code"), |text| with(&|line| line.account_code = text.map(Into::into)));
    check(PRESENT_OR_NOT, &path("item_code"), |text| with(&|line| line.item_code = text.map(Into::into)));
    check(PRESENT_OR_NOT, &path("tracking"), |text| {
        let tracking = |option: &str| model::Tracking { category: "Region".into(), option: option.into() };
        with(&|line| line.tracking = text.map(tracking).into_iter().collect())
    });
    check(PRESENT_OR_NOT, &path("amounts"), |text| with(&|line| line.tax_type = text.map(Into::into)));
}

#[test]
fn a_line_removed() {
    let path = format!("lines[{}]", id(1));
    // None: the line is not there; otherwise its description. Xero gives up the id of a line that it removed, so what
    // wins against that removal is a new line.
    let with = |text: Option<&str>| invoice(text.map(|text| line(1, text)).into_iter().chain([line(2, "second")]));
    let rows: &[Row<Option<&str>>] = &[
        (Some("b"), None, Some("b"), Policy::Ask, None, Some(None), Some("b"), None, false),
        (Some("b"), Some("b"), None, Policy::Ask, None, None, None, None, false),
        (Some("b"), None, None, Policy::Ask, None, None, None, None, false),
        (Some("b"), None, Some("x"), Policy::Ask, None, None, Some("b"), Some("b"), true),
        (Some("b"), None, Some("x"), APP_LATER, None, Some(None), Some("x"), None, true),
        (Some("b"), None, Some("x"), XERO_LATER, Some("x"), None, Some("x"), Some("x"), true),
        (Some("b"), Some("l"), None, Policy::Ask, Some("l"), None, Some("b"), Some("b"), true),
        (Some("b"), Some("l"), None, XERO_LATER, None, None, None, None, true),
    ];
    check(rows, &path, with);

    let decision = decide(&with(Some("b")), &with(Some("l")), &with(None), APP_LATER);
    let again = Line { xero_line_id: None, ..line(1, "l") };
    assert_eq!(decision.push, [path]);
    assert_eq!(decision.base, with(None));
    assert_eq!(decision.write_local.unwrap().lines, [again.clone(), line(2, "second")]);
    assert_eq!(decision.outgoing.unwrap().lines, [again, line(2, "second")]);
    let values = &decision.conflicts[0];
    assert_eq!((&values.base["description"], &values.app["description"]), (&json!("b"), &json!("l")));
    assert_eq!(values.xero, Value::Null);
}

#[test]
fn a_group() {
    let with = |(currency, rate): (&str, &str)| Invoice {
        currency: Some(currency.into()),
        currency_rate: Some(rate.parse().unwrap()),
        ..Invoice::default()
    };
    let (b, l, x) = (("NZD", "1"), ("AUD", "1"), ("NZD", "1.5"));
    let rows: &[Row<(&str, &str)>] = &[
        (b, b, x, Policy::Ask, x, None, x, x, false),
        (b, l, b, Policy::Ask, l, Some(l), b, l, false),
        (b, l, x, Policy::Ask, l, None, b, b, true),
        (b, l, x, APP_LATER, l, Some(l), x, l, true),
        (b, l, x, XERO_LATER, x, None, x, x, true),
    ];
    check(rows, "money", with);
    let conflict = &decide(&with(b), &with(l), &with(x), Policy::Ask).conflicts[0];
    assert_eq!(conflict.base, json!({ "currency": "NZD", "currency_rate": "1" }));
    let blank = decide(&Invoice::default(), &with(l), &with(x), Policy::Ask);
    assert_eq!(blank.conflicts[0].base, json!({}));
}

#[test]
fn lines_and_how_their_amounts_are_meant() {
    use LineAmountTypes::{Exclusive as Exc, Inclusive as Inc, NoTax};
    let with =
        |(types, text): (LineAmountTypes, &str)| Invoice { line_amount_types: types, ..invoice([line(1, text)]) };
    let b = (Exc, "b");
    let rows: &[Row<(LineAmountTypes, &str)>] = &[
        (b, (Inc, "b"), b, Policy::Ask, (Inc, "b"), Some((Inc, "b")), b, (Inc, "b"), false),
        (b, b, (Inc, "b"), Policy::Ask, (Inc, "b"), None, (Inc, "b"), (Inc, "b"), false),
        (b, (Inc, "l"), b, Policy::Ask, (Inc, "l"), Some((Inc, "l")), b, (Inc, "l"), false),
        (b, (Inc, "x"), (Inc, "x"), Policy::Ask, (Inc, "x"), None, (Inc, "x"), (Inc, "x"), false),
        // Of one mind about the types, they merge line by line.
        (b, (Inc, "b"), (Inc, "x"), Policy::Ask, (Inc, "x"), None, (Inc, "x"), (Inc, "x"), false),
        // The types by the one and the lines by the other: one conflict.
        (b, (Inc, "b"), (Exc, "x"), Policy::Ask, (Inc, "b"), None, b, b, true),
        (b, (Inc, "b"), (Exc, "x"), APP_LATER, (Inc, "b"), Some((Inc, "b")), (Exc, "x"), (Inc, "b"), true),
        (b, (Inc, "b"), (Exc, "x"), XERO_LATER, (Exc, "x"), None, (Exc, "x"), (Exc, "x"), true),
        (b, (Exc, "l"), (NoTax, "b"), Policy::Ask, (Exc, "l"), None, b, b, true),
        (b, (Inc, "b"), (NoTax, "b"), Policy::Ask, (Inc, "b"), None, b, b, true),
    ];
    check(rows, "lines", with);
}

#[test]
fn overdue_is_the_apps_word_for_sent() {
    use DocumentStatus::{Cancelled, Draft, Overdue, Paid, Sent};
    // Base, App, Xero -> App afterwards, sent, agreed on, once acknowledged, conflict.
    let rows: &[Row<DocumentStatus>] = &[
        (Sent, Overdue, Sent, Policy::Ask, Overdue, None, Sent, Sent, false),
        (Sent, Overdue, Paid, Policy::Ask, Paid, None, Paid, Paid, false),
        (Draft, Overdue, Sent, Policy::Ask, Overdue, None, Sent, Sent, false),
        (Draft, Overdue, Draft, Policy::Ask, Overdue, Some(Overdue), Draft, Overdue, false),
        (Overdue, Overdue, Sent, Policy::Ask, Overdue, None, Sent, Sent, false),
        (Overdue, Cancelled, Sent, Policy::Ask, Cancelled, Some(Cancelled), Sent, Cancelled, false),
        (Sent, Draft, Paid, Policy::Ask, Draft, None, Sent, Sent, true),
    ];
    check(rows, "status", |status| Invoice { status, ..Invoice::default() });
    assert!(!Payment::same("status", &json!("OVERDUE"), &json!("SENT")));
}

#[test]
fn what_xero_works_out_is_xeros_and_no_conflict() {
    let part = format!("lines[{}].amounts", id(1));
    // Quantity, tax, line amount at a price of 10; an amount of "" is missing.
    let of = |(quantity, tax, total): (&str, &str, &str)| {
        let (quantity, tax_amount, line_amount) = (amount(quantity), amount(tax), amount(total));
        let unit_amount = amount("10");
        invoice([Line { quantity, unit_amount, tax_amount, line_amount, ..line(1, "a") }])
    };
    let b = ("1", "1.50", "10");
    #[rustfmt::skip]
    let rows = [
        // App, Xero, App afterwards, pushed, conflict
        (b, ("1", "1.49", "10"), ("1", "1.49", "10"), false, false),
        (("2", "1.50", "10"), b, ("2", "1.50", "10"), true, false),
        // Xero works the line out again meanwhile: that is no edit of anybody's.
        (("2", "3.00", "20"), ("1", "1.50", "10.01"), ("2", "3.00", "20"), true, false),
        // The same edit on both sides, and each side's own sums.
        (("2", "1.50", "10"), ("2", "3.00", "20"), ("2", "3.00", "20"), false, false),
        (("2", "3.00", "20.00"), ("2", "3.00", "20.01"), ("2", "3.00", "20.01"), false, false),
        (("2", "", ""), ("2", "3.00", "20"), ("2", "3.00", "20"), false, false),
        // Tax that somebody set is an edit.
        (("2", "3.00", "20"), ("1", "1.49", "10"), ("2", "3.00", "20"), false, true),
        (("1", "1.51", "10"), ("1", "1.49", "10"), ("1", "1.51", "10"), false, true),
        (("2", "3.00", "20"), ("2", "2.99", "20"), ("2", "3.00", "20"), false, true),
        (("2", "3.00", "20"), ("3", "4.50", "30"), ("2", "3.00", "20"), false, true),
        // A line amount that the App wrote by hand is pushed, so that the rules can refuse it.
        (("1", "1.50", "99"), b, ("1", "1.50", "99"), true, false),
        // Zero is not missing.
        (("0", "1.50", "10"), b, ("0", "1.50", "10"), true, false),
        (("", "1.50", "10"), ("0", "0.00", "0"), ("", "1.50", "10"), false, true),
    ];
    for (local, remote, after, pushed, conflict) in rows {
        let decision = decide(&of(b), &of(local), &of(remote), Policy::Ask);
        let row = format!("{local:?} {remote:?}: {decision:?}");
        assert_eq!(decision.write_local.clone().unwrap_or_else(|| of(local)), of(after), "{row}");
        assert_eq!(decision.push, if pushed { vec![part.clone()] } else { Vec::new() }, "{row}");
        assert_eq!(decision.conflicts.len(), usize::from(conflict), "{row}");
    }
}

#[test]
fn blank_absent_and_empty_are_one() {
    let nothing = Customer { name: "A".into(), ..Customer::default() };
    let empty = Customer {
        email: Some(String::new()),
        phones: vec![Phone { kind: PhoneType::Fax, number: Some(String::new()), ..Phone::default() }],
        addresses: vec![Address::default()],
        ..nothing.clone()
    };
    for (base, local, remote) in [
        (&nothing, &empty, &nothing),
        (&empty, &nothing, &nothing),
        (&nothing, &nothing, &empty),
        (&empty, &empty, &nothing),
        (&nothing, &empty, &empty),
    ] {
        let decision = decide(base, local, remote, Policy::Ask);
        assert!(decision.push.is_empty() && decision.conflicts.is_empty() && decision.write_local.is_none());
    }
    let filled = Customer { email: Some("a@example.test".into()), ..nothing.clone() };
    assert_eq!(decide(&empty, &filled, &nothing, Policy::Ask).push, ["email"]);
    assert_eq!(decide(&empty, &nothing, &filled, Policy::Ask).write_local, Some(filled));

    let zero = |quantity| invoice([Line { quantity, ..line(1, "a") }]);
    let (none, zero) = (zero(None), zero(Some(Amount::ZERO)));
    assert_eq!(decide(&none, &zero, &none, Policy::Ask).push, [format!("lines[{}].amounts", id(1))]);
    assert_eq!(decide(&none, &none, &zero, Policy::Ask).write_local, Some(zero));
}

#[test]
fn xero_trims_what_it_is_sent() {
    let with = |name: &str| Customer { name: name.into(), ..Customer::default() };
    let decision = decide(&with("Bay "), &with("Bay "), &with("Bay"), Policy::Ask);
    assert_eq!((decision.write_local, decision.push.len()), (Some(with("Bay")), 0));
    // Edited again while the answer was on its way.
    let decision = decide(&with("Bay "), &with("City"), &with("Bay"), Policy::Ask);
    assert_eq!((decision.outgoing, decision.conflicts.len()), (Some(with("City")), 0));
}

#[test]
fn each_path_has_its_policy() {
    let with = |name: &str, email: &str, city: &str| Customer {
        name: name.into(),
        email: Some(email.into()),
        addresses: vec![Address { city: Some(city.into()), ..Address::default() }],
        ..Customer::default()
    };
    let decision = merge(&with("b", "b", "b"), &with("l", "l", "l"), &with("x", "x", "x"), &|path| match path {
        "name" => Policy::AppWins,
        "addresses[POBOX]" => Policy::Ask,
        _ => Policy::XeroWins,
    })
    .unwrap();
    assert_eq!(decision.write_local.unwrap(), with("l", "x", "l"));
    assert_eq!(decision.outgoing.unwrap(), with("l", "x", "x"));
    assert_eq!(decision.base, with("x", "x", "b"));
    assert_eq!(decision.acked, with("l", "x", "b"));
    let ends: Vec<_> = decision.conflicts.iter().map(|c| (c.field.as_str(), c.winner, c.policy)).collect();
    assert_eq!(
        ends,
        [
            ("name", Some(Side::App), Policy::AppWins),
            ("email", Some(Side::Xero), Policy::XeroWins),
            ("addresses[POBOX]", None, Policy::Ask)
        ]
    );
}

#[test]
fn what_xero_owns_is_copied_and_never_pushed() {
    let base = Invoice::default();
    let local = Invoice { total: "5".parse().unwrap(), ..base.clone() };
    let remote = Invoice { total: "7".parse().unwrap(), xero_status: "PAID".into(), ..base.clone() };
    let decision = decide(&base, &local, &remote, Policy::AppWins);
    assert!(decision.push.is_empty() && decision.conflicts.is_empty());
    assert_eq!(decision.write_local.unwrap(), remote);
}

#[test]
fn kinds_that_are_only_read_are_xeros() {
    let with = |name: &str| Account { name: name.into(), ..Account::default() };
    let decision = decide(&with("b"), &with("l"), &with("x"), Policy::AppWins);
    assert_eq!((decision.write_local, decision.outgoing), (Some(with("x")), None));
    assert!(decision.conflicts.is_empty());
    let with = |text: &str| Credit { lines: vec![line(1, text)], ..Credit::default() };
    let decision = decide(&with("b"), &with("l"), &with("b"), Policy::AppWins);
    assert_eq!((decision.write_local, decision.outgoing), (Some(with("b")), None));

    let is_two_way = |kind: Kind| match kind {
        Kind::Customer => Customer::TWO_WAY,
        Kind::Invoice => Invoice::TWO_WAY,
        Kind::Payment => Payment::TWO_WAY,
        Kind::BankTransaction => model::BankTransaction::TWO_WAY,
        Kind::Account => Account::TWO_WAY,
        Kind::TaxRate => model::TaxRate::TWO_WAY,
        Kind::CreditNote | Kind::Prepayment | Kind::Overpayment => Credit::TWO_WAY,
    };
    for kind in Kind::ALL {
        assert_eq!(kind.is_two_way(), is_two_way(kind), "{kind}");
    }
}

#[test]
fn presence() {
    let with = |text: &str, status| Invoice { status, reference: Some(text.into()), ..invoice([line(1, text)]) };
    let sent = DocumentStatus::Sent;
    let base = with("b", sent);
    let paid_meanwhile = Invoice { amount_due: "3".parse().unwrap(), ..base.clone() };
    let edited_line = invoice([line(1, "x")]);
    let edited_line = Invoice { lines: edited_line.lines, ..base.clone() };
    let rows: [(&Invoice, Policy, Removal, Option<Option<Side>>); 8] = [
        (&base, Policy::Ask, Removal::Push, None),
        (&paid_meanwhile, Policy::Ask, Removal::Push, None),
        (&with("b", DocumentStatus::Cancelled), Policy::Ask, Removal::Agreed, None),
        (&with("x", DocumentStatus::Cancelled), Policy::AppWins, Removal::Agreed, None),
        (&with("x", sent), Policy::AppWins, Removal::Push, Some(Some(Side::App))),
        (&with("x", sent), XERO_LATER, Removal::Restore, Some(Some(Side::Xero))),
        (&edited_line, Policy::Ask, Removal::Open, Some(None)),
        (&with("b", DocumentStatus::Paid), Policy::Ask, Removal::Open, Some(None)),
    ];
    for (remote, policy, expected, winner) in rows {
        let (removal, conflict) = merge_removed(&base, remote, &|path| {
            assert_eq!(path, "presence");
            policy
        });
        assert_eq!(removal, expected, "{remote:?} {policy:?}");
        assert_eq!(conflict.as_ref().map(|conflict| conflict.winner), winner);
        if let Some(conflict) = conflict {
            assert_eq!((conflict.field.as_str(), conflict.app), ("presence", Value::Null));
            assert_eq!(conflict.xero, serde_json::to_value(remote).unwrap());
        }
    }
    let archived = Customer { status: model::CustomerStatus::Archived, ..Customer::default() };
    assert_eq!(merge_removed(&Customer::default(), &archived, &|_| Policy::Ask).0, Removal::Agreed);
    let phone = Phone { number: Some("1".into()), ..Phone::default() };
    let with_phone = Customer { phones: vec![phone], ..Customer::default() };
    assert_eq!(merge_removed(&Customer::default(), &with_phone, &|_| Policy::Ask).0, Removal::Open);
    let account = Account { name: "x".into(), ..Account::default() };
    assert_eq!(merge_removed(&Account::default(), &account, &|_| Policy::AppWins).0, Removal::Restore);
}

#[test]
fn what_is_live() {
    for (status, is_live) in
        [(DocumentStatus::Draft, true), (DocumentStatus::Paid, true), (DocumentStatus::Cancelled, false)]
    {
        assert_eq!(Invoice { status, ..Invoice::default() }.is_live(), is_live);
        assert_eq!(Credit { status, ..Credit::default() }.is_live(), is_live);
    }
    let payment = Payment { status: PaymentStatus::Cancelled, ..Payment::default() };
    assert!(Payment::default().is_live() && !payment.is_live() && Account::default().is_live());
}

#[test]
fn a_payments_targets_are_one_group() {
    let to = |invoice: Option<u128>, credit_note: Option<u128>| Payment {
        invoice: invoice.map(|n| Ref::Xero(Uuid::from_u128(n))),
        credit_note: credit_note.map(|n| Ref::Xero(Uuid::from_u128(n))),
        ..Payment::default()
    };
    let decision = decide(&to(Some(1), None), &to(Some(2), None), &to(None, Some(3)), Policy::Ask);
    assert_eq!(decision.conflicts.len(), 1);
    assert_eq!(decision.conflicts[0].field, "target");
}
