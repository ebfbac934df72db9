//! What is refused and what is not, one row per rule.

use jiff::civil::date;
use uuid::Uuid;

use super::*;
use crate::{
    Address, Amount, BankTransaction, Customer, CustomerStatus, DocumentStatus, Invoice, Line, LineAmountTypes,
    Payment, PaymentMethod, PaymentStatus, Phone, Ref, Tracking,
};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn some(text: &str) -> Option<Amount> {
    Some(amount(text))
}

fn facts() -> Facts {
    Facts {
        period_lock_date: Some(date(2026, 3, 31)),
        end_of_year_lock_date: Some(date(2025, 3, 31)),
        base_currency: Some("NZD".into()),
    }
}

/// The code of the refusal, or `ok`.
fn outcome<R: Rules>(op: Op, remote: Option<&R>, outgoing: &R) -> &'static str {
    let refused = R::check(&Change { op, remote, outgoing, push: &[], facts: &facts() });
    match refused {
        Ok(()) => "ok",
        Err(refusal) => {
            assert!(refusal.message.len() > 20 && !refusal.message.ends_with('.'), "{}", refusal.message);
            assert_eq!(Some(refusal.advice), advice_of(refusal.code), "{}", refusal.code);
            refusal.code
        }
    }
}

fn create<R: Rules>(edit: impl FnOnce(&mut R), from: R) -> &'static str {
    let mut record = from;
    edit(&mut record);
    outcome(Op::Create, None, &record)
}

fn update<R: Rules>(remote: &R, edit: impl FnOnce(&mut R)) -> &'static str {
    let mut outgoing = remote.clone();
    edit(&mut outgoing);
    outcome(Op::Update, Some(remote), &outgoing)
}

fn line() -> Line {
    Line {
        xero_line_id: Some(Uuid::from_u128(1)),
        description: Some("Work".into()),
        quantity: some("2"),
        unit_amount: some("10"),
        account_code: Some("200".into()),
        tax_type: Some("OUTPUT2".into()),
        line_amount: some("20"),
        tax_amount: some("3"),
        ..Line::default()
    }
}

/// A sales invoice in Xero with so much paid and credited.
fn invoice(xero_status: &str, paid: &str, credited: &str) -> Invoice {
    let status = match xero_status {
        "DRAFT" => DocumentStatus::Draft,
        "PAID" => DocumentStatus::Paid,
        "VOIDED" | "DELETED" => DocumentStatus::Cancelled,
        _ => DocumentStatus::Sent,
    };
    Invoice {
        r#type: "ACCREC".into(),
        number: Some("INV-1".into()),
        customer: Some(Ref::Xero(Uuid::from_u128(9))),
        date: Some(date(2026, 5, 1)),
        due_date: Some(date(2026, 6, 1)),
        status,
        xero_status: xero_status.into(),
        currency: Some("NZD".into()),
        lines: vec![line(), Line { xero_line_id: Some(Uuid::from_u128(2)), ..line() }],
        amount_paid: amount(paid),
        amount_credited: amount(credited),
        ..Invoice::default()
    }
}

fn new_invoice() -> Invoice {
    let mut new = invoice("AUTHORISED", "0", "0");
    new.xero_status = String::new();
    new.lines.iter_mut().for_each(|line| line.xero_line_id = None);
    new
}

#[test]
fn what_a_new_document_needs() {
    type Edit = fn(&mut Invoice);
    let rows: &[(&str, Edit)] = &[
        ("ok", |_| {}),
        ("ok", |i| i.status = DocumentStatus::Draft),
        ("TO-PAID-BY-STATUS", |i| i.status = DocumentStatus::Paid),
        ("TO-STATUS", |i| i.status = DocumentStatus::Cancelled),
        ("TO-BAD-FIELD", |i| i.r#type = "QUOTE".into()),
        ("TO-BAD-FIELD", |i| i.customer = None),
        ("TO-NO-LINES", |i| i.lines.clear()),
        ("TO-BAD-FIELD", |i| i.due_date = None),
        ("ok", |i| (i.due_date, i.status) = (None, DocumentStatus::Draft)),
        ("ok", |i| (i.due_date, i.r#type) = (None, "ACCPAY".into())),
        ("TO-BAD-FIELD", |i| (i.reference, i.r#type) = (Some("PO 7".into()), "ACCPAY".into())),
        ("TO-LOCKED-PERIOD", |i| i.date = Some(date(2026, 3, 31))),
        ("ok", |i| i.date = Some(date(2026, 4, 1))),
        ("TO-BAD-FIELD", |i| i.number = Some("INV–1".into())),
        ("TO-BAD-FIELD", |i| i.number = Some("9".repeat(256))),
        ("TO-BAD-FIELD", |i| i.reference = Some("9".repeat(256))),
        ("ok", |i| i.number = None),
        ("TO-CURRENCY", |i| i.currency = Some("nzd".into())),
        ("TO-CURRENCY", |i| i.currency_rate = Some("0".parse().unwrap())),
        ("TO-ACCOUNT", |i| i.lines[1].account_code = None),
        ("ok", |i| (i.lines[1].account_code, i.status) = (None, DocumentStatus::Draft)),
        ("ok", |i| i.lines[1] = Line { description: Some("Thank you".into()), ..Line::default() }),
        ("TO-NO-LINES", |i| i.lines = vec![Line { description: Some("Thank you".into()), ..Line::default() }]),
        ("TO-BAD-FIELD", |i| i.lines.push(Line::default())),
    ];
    for (at, (expected, edit)) in rows.iter().enumerate() {
        assert_eq!(create(edit, new_invoice()), *expected, "row {at}");
    }
}

#[test]
fn what_holds_for_a_line() {
    type Edit = fn(&mut Line);
    let rows: &[(&str, Edit)] = &[
        ("ok", |l| l.quantity = Some(Amount::ZERO)),
        ("ok", |l| l.quantity = None),
        ("ok", |l| (l.quantity, l.unit_amount) = (some("-1"), some("0.1234"))),
        ("TO-BAD-FIELD", |l| l.description = Some("x".repeat(4001))),
        ("ok", |l| l.description = Some("é".repeat(4000))),
        ("TO-LINE-TOTAL", |l| l.line_amount = some("21")),
        ("ok", |l| l.line_amount = some("20")),
        ("ok", |l| (l.unit_amount, l.line_amount) = (None, some("7.77"))),
        ("TO-BAD-FIELD", |l| (l.unit_amount, l.line_amount) = (None, some("7.777"))),
        ("TO-BAD-FIELD", |l| l.tax_amount = some("1.001")),
        ("ok", |l| l.discount_rate = some("100")),
        ("TO-BAD-FIELD", |l| l.discount_rate = some("100.01")),
        ("TO-BAD-FIELD", |l| l.discount_amount = some("-1")),
        ("TO-BAD-FIELD", |l| (l.discount_rate, l.discount_amount) = (some("1"), some("1"))),
        ("TO-BAD-FIELD", |l| l.unit_amount = some("5000000000")),
        ("TO-BAD-FIELD", |l| (l.quantity, l.unit_amount) = (some("10000000000000"), some("0.0001"))),
        ("TO-BAD-FIELD", |l| l.tracking = ["A", "B", "C"].map(choice).to_vec()),
        ("TO-BAD-FIELD", |l| l.tracking = ["A", "A"].map(choice).to_vec()),
        ("TO-BAD-FIELD", |l| l.tracking = vec![choice("")]),
        ("ok", |l| l.tracking = ["A", "B"].map(choice).to_vec()),
    ];
    for (at, (expected, edit)) in rows.iter().enumerate() {
        let edited = |invoice: &mut Invoice| {
            invoice.lines[0].line_amount = None;
            edit(&mut invoice.lines[0]);
        };
        assert_eq!(create(edited, new_invoice()), *expected, "row {at}");
    }
    let bill = |invoice: &mut Invoice| {
        invoice.r#type = "ACCPAY".into();
        (invoice.lines[0].discount_rate, invoice.lines[0].line_amount) = (some("10"), None);
    };
    assert_eq!(create(bill, new_invoice()), "TO-BAD-FIELD");
    assert_eq!(create(|i| i.line_amount_types = LineAmountTypes::NoTax, new_invoice()), "TO-TAX");
}

fn choice(category: &str) -> Tracking {
    Tracking { category: category.into(), option: "North".into() }
}

#[test]
fn what_may_change_on_a_document() {
    type Edit = fn(&mut Invoice);
    // Open, part-paid, credited.
    let rows: &[([&str; 3], Edit)] = &[
        (["ok", "ok", "ok"], |_| {}),
        (["ok", "ok", "ok"], |i| i.reference = Some("PO 7".into())),
        (["ok", "ok", "ok"], |i| i.due_date = Some(date(2026, 7, 1))),
        (["ok", "ok", "ok"], |i| i.number = Some("INV-2".into())),
        (["ok", "ok", "TO-FROZEN"], |i| i.customer = Some(Ref::Xero(Uuid::from_u128(8)))),
        (["ok", "ok", "ok"], |i| i.lines[0].description = Some("Other".into())),
        (["ok", "ok", "ok"], |i| i.lines[0].account_code = Some("260".into())),
        (["ok", "ok", "ok"], |i| i.lines[0].tracking = vec![choice("A")]),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.date = Some(date(2026, 5, 2))),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.currency = Some("AUD".into())),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.line_amount_types = LineAmountTypes::Inclusive),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| (i.lines[0].quantity, i.lines[0].line_amount) = (some("3"), some("30"))),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.lines[0].tax_type = Some("NONE".into())),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.lines[0].item_code = Some("CHAIR".into())),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.lines.truncate(1)),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.lines.push(Line { xero_line_id: None, ..line() })),
        (["ok", "TO-FROZEN", "TO-FROZEN"], |i| i.lines[1].xero_line_id = None),
        (["TO-IMMUTABLE"; 3], |i| i.r#type = "ACCPAY".into()),
        (["TO-LOCKED-PERIOD", "TO-FROZEN", "TO-FROZEN"], |i| i.date = Some(date(2026, 3, 1))),
        (["TO-STATUS"; 3], |i| i.status = DocumentStatus::Draft),
        (["TO-PAID-BY-STATUS"; 3], |i| i.status = DocumentStatus::Paid),
        (["ok", "TO-HAS-PAYMENTS", "TO-HAS-PAYMENTS"], |i| i.status = DocumentStatus::Cancelled),
        (["ok"; 3], |i| i.status = DocumentStatus::Overdue),
        (["TO-NO-LINES", "TO-FROZEN", "TO-FROZEN"], |i| i.lines.clear()),
        (["TO-ACCOUNT", "TO-ACCOUNT", "TO-ACCOUNT"], |i| i.lines[0].account_code = None),
        (["TO-BAD-FIELD"; 3], |i| i.number = None),
        (["TO-BAD-FIELD"; 3], |i| i.due_date = None),
    ];
    for (at, (expected, edit)) in rows.iter().enumerate() {
        for ((paid, credited), expected) in [("0", "0"), ("5", "0"), ("0", "5")].into_iter().zip(expected) {
            let remote = invoice("AUTHORISED", paid, credited);
            assert_eq!(update(&remote, edit), *expected, "row {at}, paid {paid}, credited {credited}");
        }
    }
    let paid = invoice("PAID", "46", "0");
    assert_eq!(update(&paid, |i| i.reference = Some("PO 7".into())), "ok");
    assert_eq!(update(&paid, |i| i.status = DocumentStatus::Sent), "ok");
    assert_eq!(update(&paid, |i| i.status = DocumentStatus::Cancelled), "TO-HAS-PAYMENTS");
    assert_eq!(outcome(Op::Remove, Some(&paid), &paid), "TO-HAS-PAYMENTS");
}

#[test]
fn what_is_gone_or_locked_does_not_change() {
    for xero_status in ["VOIDED", "DELETED"] {
        let gone = invoice(xero_status, "0", "0");
        assert_eq!(update(&gone, |_| {}), "ok");
        assert_eq!(update(&gone, |i| i.reference = Some("x".into())), "TO-STATUS");
        assert_eq!(update(&gone, |i| i.status = DocumentStatus::Sent), "TO-STATUS");
        assert_eq!(outcome(Op::Remove, Some(&gone), &gone), "ok");
    }
    let locked = Invoice { date: Some(date(2025, 3, 31)), ..invoice("AUTHORISED", "0", "0") };
    assert_eq!(update(&locked, |_| {}), "ok");
    assert_eq!(update(&locked, |i| i.reference = Some("x".into())), "TO-LOCKED-PERIOD");
    assert_eq!(update(&locked, |i| i.date = Some(date(2026, 5, 1))), "TO-LOCKED-PERIOD");
    assert_eq!(update(&locked, |i| i.status = DocumentStatus::Cancelled), "TO-LOCKED-PERIOD");
    assert_eq!(outcome(Op::Remove, Some(&locked), &locked), "TO-LOCKED-PERIOD");
    let open = invoice("DRAFT", "0", "0");
    assert_eq!(outcome(Op::Remove, Some(&open), &open), "ok");
    assert_eq!(outcome(Op::Remove, None, &open), "ok");
    assert_eq!(update(&invoice("FROBBED", "0", "0"), |i| i.status = DocumentStatus::Draft), "TO-STATUS");
}

#[test]
fn an_odd_line_of_xeros_own_stands_in_nobodys_way() {
    let mut remote = invoice("AUTHORISED", "0", "0");
    (remote.lines[1].unit_amount, remote.lines[1].quantity) = (some("3.33"), some("3"));
    remote.lines[1].line_amount = some("10");
    assert_eq!(update(&remote, |i| i.lines[0].description = Some("x".into())), "ok");
    assert_eq!(update(&remote, |i| i.lines[1].description = Some("x".into())), "ok");
    assert_eq!(update(&remote, |i| i.lines[1].quantity = some("4")), "TO-LINE-TOTAL");
}

fn payment() -> Payment {
    Payment {
        invoice: Some(Ref::Xero(Uuid::from_u128(1))),
        account: Some(Ref::Xero(Uuid::from_u128(2))),
        date: Some(date(2026, 5, 5)),
        amount: amount("10"),
        xero_status: "AUTHORISED".into(),
        ..Payment::default()
    }
}

#[test]
fn payments_are_made_and_taken_back() {
    type Edit = fn(&mut Payment);
    let rows: &[(&str, &str, Edit)] = &[
        // Create, update.
        ("ok", "ok", |_| {}),
        ("TO-BAD-FIELD", "TO-IMMUTABLE", |p| p.invoice = None),
        ("TO-BAD-FIELD", "TO-IMMUTABLE", |p| p.credit_note = p.invoice),
        ("TO-ACCOUNT", "TO-PAYMENT-IMMUTABLE", |p| p.account = None),
        ("TO-BAD-FIELD", "TO-PAYMENT-IMMUTABLE", |p| p.amount = Amount::ZERO),
        ("TO-BAD-FIELD", "TO-PAYMENT-IMMUTABLE", |p| p.amount = amount("-1")),
        ("TO-BAD-FIELD", "TO-PAYMENT-IMMUTABLE", |p| p.amount = amount("1.001")),
        ("TO-BAD-FIELD", "TO-PAYMENT-IMMUTABLE", |p| p.date = None),
        ("TO-LOCKED-PERIOD", "TO-PAYMENT-IMMUTABLE", |p| p.date = Some(date(2026, 3, 31))),
        ("TO-BAD-FIELD", "TO-PAYMENT-IMMUTABLE", |p| p.reference = Some("x".repeat(256))),
        ("ok", "TO-PAYMENT-IMMUTABLE", |p| p.method = PaymentMethod::Other),
        ("TO-STATUS", "ok", |p| p.status = PaymentStatus::Cancelled),
        ("TO-STATUS", "TO-STATUS", |p| p.status = PaymentStatus::Other),
    ];
    for (at, (created, updated, edit)) in rows.iter().enumerate() {
        assert_eq!(create(edit, payment()), *created, "create, row {at}");
        assert_eq!(update(&payment(), edit), *updated, "update, row {at}");
    }
    let cancel = |p: &mut Payment| p.status = PaymentStatus::Cancelled;
    let reconciled = Payment { is_reconciled: true, ..payment() };
    assert_eq!(update(&reconciled, cancel), "TO-RECONCILED");
    assert_eq!(outcome(Op::Remove, Some(&reconciled), &reconciled), "TO-RECONCILED");
    let locked = Payment { date: Some(date(2026, 3, 1)), ..payment() };
    assert_eq!(update(&locked, cancel), "TO-LOCKED-PERIOD");
    let gone = Payment { status: PaymentStatus::Cancelled, xero_status: "DELETED".into(), ..payment() };
    assert_eq!(update(&gone, |p| p.status = PaymentStatus::Completed), "TO-STATUS");
    assert_eq!(outcome(Op::Remove, Some(&gone), &gone), "ok");
    assert_eq!(outcome(Op::Remove, None, &payment()), "ok");
}

#[test]
fn only_what_is_due_can_be_paid() {
    for (xero_status, due, expected) in [
        ("AUTHORISED", "10", "ok"),
        ("AUTHORISED", "9.99", "TO-OVERPAID"),
        ("DRAFT", "10", "TO-NOT-PAYABLE"),
        ("SUBMITTED", "10", "TO-NOT-PAYABLE"),
        ("PAID", "0", "TO-NOT-PAYABLE"),
        ("VOIDED", "0", "TO-NOT-PAYABLE"),
    ] {
        let found = check_payable(&payment(), &invoice(xero_status, "0", "0"), amount(due));
        assert_eq!(found.map_or_else(|refusal| refusal.code, |()| "ok"), expected, "{xero_status} {due}");
    }
}

#[test]
fn bank_transactions() {
    type Edit = fn(&mut BankTransaction);
    let transaction = || BankTransaction {
        r#type: "SPEND".into(),
        customer: Some(Ref::Xero(Uuid::from_u128(9))),
        account: Some(Ref::Xero(Uuid::from_u128(2))),
        date: Some(date(2026, 5, 5)),
        xero_status: "AUTHORISED".into(),
        lines: vec![line()],
        ..BankTransaction::default()
    };
    let rows: &[(&str, &str, Edit)] = &[
        ("ok", "ok", |_| {}),
        ("ok", "ok", |b| b.reference = Some("x".into())),
        ("TO-BAD-FIELD", "TO-IMMUTABLE", |b| b.r#type = "SPEND-TRANSFER".into()),
        ("ok", "TO-IMMUTABLE", |b| b.r#type = "RECEIVE".into()),
        ("TO-BAD-FIELD", "TO-BAD-FIELD", |b| b.customer = None),
        ("TO-ACCOUNT", "TO-ACCOUNT", |b| b.account = None),
        ("TO-LOCKED-PERIOD", "TO-LOCKED-PERIOD", |b| b.date = Some(date(2026, 3, 31))),
        ("TO-NO-LINES", "TO-NO-LINES", |b| b.lines.clear()),
        ("TO-BAD-FIELD", "TO-BAD-FIELD", |b| (b.lines[0].quantity, b.lines[0].line_amount) = (some("0"), None)),
        ("TO-BAD-FIELD", "TO-BAD-FIELD", |b| (b.lines[0].unit_amount, b.lines[0].line_amount) = (some("0"), None)),
        ("TO-BAD-FIELD", "TO-BAD-FIELD", |b| (b.lines[0].unit_amount, b.lines[0].line_amount) = (some("-1"), None)),
        ("TO-BAD-FIELD", "TO-BAD-FIELD", |b| (b.lines[0].discount_rate, b.lines[0].line_amount) = (some("5"), None)),
        ("TO-ACCOUNT", "TO-ACCOUNT", |b| b.lines[0].account_code = None),
        ("TO-STATUS", "ok", |b| b.status = PaymentStatus::Cancelled),
    ];
    for (at, (created, updated, edit)) in rows.iter().enumerate() {
        assert_eq!(create(edit, transaction()), *created, "create, row {at}");
        assert_eq!(update(&transaction(), edit), *updated, "update, row {at}");
    }
    let reconciled = BankTransaction { is_reconciled: true, ..transaction() };
    assert_eq!(update(&reconciled, |_| {}), "ok");
    assert_eq!(update(&reconciled, |b| b.reference = Some("x".into())), "TO-RECONCILED");
    assert_eq!(outcome(Op::Remove, Some(&reconciled), &reconciled), "TO-RECONCILED");
    let transfer = BankTransaction { r#type: "SPEND-TRANSFER".into(), ..transaction() };
    assert_eq!(update(&transfer, |b| b.reference = Some("x".into())), "TO-IMMUTABLE");
    let gone = BankTransaction { status: PaymentStatus::Cancelled, xero_status: "DELETED".into(), ..transaction() };
    assert_eq!(update(&gone, |b| b.reference = Some("x".into())), "TO-STATUS");
    assert_eq!(update(&gone, |b| b.status = PaymentStatus::Completed), "TO-STATUS");
    assert_eq!(outcome(Op::Remove, Some(&gone), &gone), "ok");
}

#[test]
fn customers() {
    type Edit = fn(&mut Customer);
    let rows: &[(&str, Edit)] = &[
        ("ok", |_| {}),
        ("TO-BAD-FIELD", |c| c.name = String::new()),
        ("TO-BAD-FIELD", |c| c.name = "x".repeat(256)),
        ("ok", |c| c.name = "é".repeat(255)),
        ("TO-BAD-FIELD", |c| c.name = "A <b>".into()),
        ("TO-BAD-FIELD", |c| c.name = " A".into()),
        ("TO-BAD-FIELD", |c| c.name = "A  B".into()),
        ("TO-BAD-FIELD", |c| c.first_name = Some("x".repeat(256))),
        ("TO-BAD-FIELD", |c| c.last_name = Some("x".repeat(256))),
        ("TO-BAD-FIELD", |c| c.contact_number = Some("x".repeat(51))),
        ("TO-BAD-FIELD", |c| c.account_number = Some("x".repeat(51))),
        ("TO-BAD-FIELD", |c| c.tax_number = Some("x".repeat(51))),
        ("TO-BAD-FIELD", |c| c.company_number = Some("x".repeat(51))),
        ("TO-EMAIL", |c| c.email = Some("müller@example.com".into())),
        ("TO-EMAIL", |c| c.email = Some("a@b@example.com".into())),
        ("TO-EMAIL", |c| c.email = Some("a b@example.com".into())),
        ("TO-EMAIL", |c| c.email = Some("nobody".into())),
        ("ok", |c| c.email = Some("o'neil+x@mail.example.com".into())),
        ("TO-CURRENCY", |c| c.default_currency = Some("dollar".into())),
        ("TO-BAD-FIELD", |c| c.phones = vec![Phone { number: Some("1".repeat(51)), ..Phone::default() }]),
        ("TO-BAD-FIELD", |c| c.phones = vec![Phone { area_code: Some("1".repeat(11)), ..Phone::default() }]),
        ("TO-BAD-FIELD", |c| c.phones = vec![Phone { country_code: Some("1".repeat(21)), ..Phone::default() }]),
        ("TO-BAD-FIELD", |c| c.phones = vec![Phone { number: Some("1".into()), ..Phone::default() }; 2]),
        ("TO-BAD-FIELD", |c| c.addresses = vec![Address { line4: Some("1".repeat(501)), ..Address::default() }]),
        ("TO-BAD-FIELD", |c| c.addresses = vec![Address { city: Some("1".repeat(256)), ..Address::default() }]),
        ("TO-BAD-FIELD", |c| c.addresses = vec![Address { country: Some("1".repeat(51)), ..Address::default() }]),
    ];
    let plain = Customer { name: "Round & Sons".into(), ..Customer::default() };
    let archived = Customer { status: CustomerStatus::Archived, ..plain.clone() };
    for (at, (expected, edit)) in rows.iter().enumerate() {
        assert_eq!(create(edit, plain.clone()), *expected, "create, row {at}");
        assert_eq!(update(&plain, edit), *expected, "update, row {at}");
        let on_archived = if at == 0 { "ok" } else { "TO-ARCHIVED" };
        assert_eq!(update(&archived, edit), on_archived, "archived, row {at}");
    }
    assert_eq!(update(&archived, |c| c.status = CustomerStatus::Active), "TO-ARCHIVED");
    assert_eq!(update(&plain, |c| c.status = CustomerStatus::Archived), "ok");
    assert_eq!(create(|c| c.status = CustomerStatus::Archived, plain.clone()), "TO-ARCHIVED");
    assert_eq!(outcome(Op::Remove, Some(&plain), &plain), "ok");
    assert_eq!(outcome(Op::Remove, Some(&archived), &archived), "ok");
    // A name that Xero has taken long ago does not stand in the way of a new e-mail address.
    let odd = Customer { name: "A  <B>".into(), ..plain };
    assert_eq!(update(&odd, |c| c.email = Some("a@example.com".into())), "ok");
}
