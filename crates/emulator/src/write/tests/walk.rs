//! Random walks over the writes: after every step the books add up, and a refused step has changed nothing.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Bench;
use crate::books::*;

/// A step; the numbers choose a document and an amount.
#[derive(Debug, Clone)]
enum Step {
    Sale { status: usize, cents: i64 },
    Note { cents: i64 },
    Prepay { cents: i64 },
    Pay { document: usize, cents: i64 },
    TakeBack { payment: usize },
    Allocate { source: usize, credit: usize, document: usize, cents: i64 },
    Unallocate { source: usize, credit: usize },
    Status { document: usize, status: usize },
    Edit { document: usize, cents: i64 },
    Refund { credit: usize, cents: i64 },
}

const STATUSES: [&str; 6] = ["DRAFT", "SUBMITTED", "AUTHORISED", "VOIDED", "DELETED", "PAID"];

fn step() -> impl Strategy<Value = Step> {
    let cents = || 1i64..4000;
    prop_oneof![
        3 => (0usize..4, cents()).prop_map(|(status, cents)| Step::Sale { status, cents }),
        2 => cents().prop_map(|cents| Step::Note { cents }),
        1 => cents().prop_map(|cents| Step::Prepay { cents }),
        4 => (any::<usize>(), cents()).prop_map(|(document, cents)| Step::Pay { document, cents }),
        2 => any::<usize>().prop_map(|payment| Step::TakeBack { payment }),
        4 => (0usize..2, any::<usize>(), any::<usize>(), cents())
            .prop_map(|(source, credit, document, cents)| Step::Allocate { source, credit, document, cents }),
        2 => (0usize..2, any::<usize>()).prop_map(|(source, credit)| Step::Unallocate { source, credit }),
        3 => (any::<usize>(), 0usize..6).prop_map(|(document, status)| Step::Status { document, status }),
        3 => (any::<usize>(), cents()).prop_map(|(document, cents)| Step::Edit { document, cents }),
        1 => (any::<usize>(), cents()).prop_map(|(credit, cents)| Step::Refund { credit, cents }),
    ]
}

fn pick<T: Row>(table: &Table<T>, index: usize) -> Option<&T> {
    if table.is_empty() { None } else { table.iter().nth(index % table.len()) }
}

fn amount(cents: i64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}

fn lines(cents: i64) -> Value {
    json!([{"Description": "Work", "Quantity": 1, "UnitAmount": amount(cents), "AccountCode": "200"}])
}

const SOURCES: [&str; 2] = ["CreditNotes", "Prepayments"];

fn credits(bench: &Bench, source: usize) -> &Table<Credit> {
    if source == 0 { &bench.books.credit_notes } else { &bench.books.prepayments }
}

/// The request of a step; nothing when there is nothing to do it to.
fn request(bench: &Bench, step: &Step) -> Option<(&'static str, String, Value)> {
    let contact = json!({"ContactID": bench.contact.to_string()});
    let invoice = |index: usize| pick(&bench.books.invoices, index).map(|row| row.id.to_string());
    Some(match *step {
        Step::Sale { status, cents } => (
            "PUT",
            "/Invoices".into(),
            json!({"Type": "ACCREC", "Status": STATUSES[status], "Contact": contact, "LineItems": lines(cents)}),
        ),
        Step::Note { cents } => (
            "PUT",
            "/CreditNotes".into(),
            json!({"Type": "ACCRECCREDIT", "Status": "AUTHORISED", "Contact": contact, "LineItems": lines(cents)}),
        ),
        Step::Prepay { cents } => (
            "PUT",
            "/BankTransactions".into(),
            json!({"Type": "RECEIVE-PREPAYMENT", "Contact": contact, "BankAccount": {"Code": "090"}, "LineItems": lines(cents)}),
        ),
        Step::Pay { document, cents } => (
            "PUT",
            "/Payments".into(),
            json!({"Invoice": {"InvoiceID": invoice(document)?}, "Account": {"Code": "090"}, "Amount": amount(cents)}),
        ),
        Step::TakeBack { payment } => {
            let id = pick(&bench.books.payments, payment)?.id;
            ("POST", format!("/Payments/{id}"), json!({"Status": "DELETED"}))
        }
        Step::Allocate { source, credit, document, cents } => (
            "PUT",
            format!("/{}/{}/Allocations", SOURCES[source], pick(credits(bench, source), credit)?.id),
            json!({"Invoice": {"InvoiceID": invoice(document)?}, "Amount": amount(cents), "Date": "2026-03-02"}),
        ),
        Step::Unallocate { source, credit } => {
            let row = pick(credits(bench, source), credit)?;
            let part = row.allocations.first()?.id;
            ("DELETE", format!("/{}/{}/Allocations/{part}", SOURCES[source], row.id), Value::Null)
        }
        Step::Status { document, status } => {
            ("POST", "/Invoices".into(), json!({"InvoiceID": invoice(document)?, "Status": STATUSES[status]}))
        }
        Step::Edit { document, cents } => {
            let row = pick(&bench.books.invoices, document)?;
            let line = row.lines.first()?.id.to_string();
            let lines = json!([{"LineItemID": line, "Description": "Edited", "UnitAmount": amount(cents)}]);
            ("POST", "/Invoices".into(), json!({"InvoiceID": row.id.to_string(), "LineItems": lines}))
        }
        Step::Refund { credit, cents } => {
            let id = pick(&bench.books.credit_notes, credit)?.id.to_string();
            let body = json!({"CreditNote": {"CreditNoteID": id}, "Account": {"Code": "090"}, "Amount": amount(cents)});
            ("PUT", "/Payments".into(), body)
        }
    })
}

fn paid_on(books: &Books, document: Uuid) -> Amount {
    let live = |row: &&Payment| row.status == PaymentStatus::Authorised && row.target.id() == document;
    books.payments.iter().filter(live).map(|row| row.amount).sum()
}

fn check(books: &Books) {
    let all_credits = || books.credit_notes.iter().chain(books.prepayments.iter());
    for row in books.invoices.iter() {
        let parts = all_credits().flat_map(|credit| &credit.allocations).filter(|part| part.invoice == row.id);
        let credited: Amount = parts.map(|part| part.amount).sum();
        assert_eq!((row.amount_paid, row.amount_credited), (paid_on(books, row.id), credited));
        assert_eq!(row.total, row.sub_total + row.total_tax);
        let settled = !(row.amount_paid + row.amount_credited).is_zero();
        match row.status {
            DocumentStatus::Voided | DocumentStatus::Deleted => assert!(row.amount_due.is_zero() && !settled),
            DocumentStatus::Paid => assert!(row.amount_due.is_zero() && settled && row.fully_paid_on.is_some()),
            _ => {
                assert_eq!(row.amount_due, row.total - row.amount_paid - row.amount_credited);
                assert!(row.amount_due > Amount::ZERO && row.fully_paid_on.is_none());
            }
        }
    }
    for row in all_credits() {
        let allocated: Amount = row.allocations.iter().map(|part| part.amount).sum();
        assert_eq!(row.remaining, row.total - allocated - paid_on(books, row.id));
        assert!(row.remaining >= Amount::ZERO);
        assert_eq!(row.status == DocumentStatus::Paid, row.remaining.is_zero());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_books_add_up_after_every_step(steps in prop::collection::vec(step(), 1..40)) {
        let mut bench = Bench::new();
        for step in steps {
            let Some((method, target, body)) = request(&bench, &step) else { continue };
            let before = bench.books.revision();
            let reply = bench.send(method, &target, body);
            prop_assert!([200, 400].contains(&reply.status), "{step:?}: {}", reply.text);
            if reply.status == 400 {
                prop_assert_eq!(bench.books.revision(), before, "a refusal changes nothing: {:?}", step);
            } else {
                prop_assert!(bench.books.revision() > before, "{:?}", step);
            }
            check(&bench.books);
        }
    }
}
