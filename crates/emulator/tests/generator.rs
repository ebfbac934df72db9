//! Generated organisations: the figures agree with each other, and the same seed gives the same bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use emulator::books::{Amount, BankTransactionType, Books, Discount, DocumentStatus, InvoiceType, PaymentStatus};
use emulator::config::OrganisationPlan;
use emulator::{Config, Emulator, Size};
use uuid::Uuid;

fn with_size<R>(size: Size, work: impl FnOnce(&Books) -> R) -> R {
    let plan = OrganisationPlan { size, ..OrganisationPlan::default() };
    let emulator = Emulator::new(Config { organisations: vec![plan], ..config() });
    emulator.with_books(emulator.tenants()[0], |books, _| work(books)).unwrap()
}

#[test]
fn counts_are_exactly_as_asked() {
    let size = Size {
        contacts: 37,
        invoices: 500,
        lines: Some(3),
        payments: 640,
        credit_notes: 11,
        prepayments: 4,
        overpayments: 5,
        bank_transactions: 50,
    };
    with_size(size, |books| {
        assert_eq!(books.contacts.len(), 37);
        assert_eq!(books.invoices.len(), 500);
        assert_eq!(books.payments.len(), 640);
        assert_eq!(books.credit_notes.len(), 11);
        assert_eq!((books.prepayments.len(), books.overpayments.len()), (4, 5));
        assert_eq!(books.bank_transactions.len(), 59);
        assert!(books.invoices.iter().all(|row| row.lines.len() == 3));
    });
}

#[test]
fn the_smallest_sizes_work() {
    with_size(Size::empty(), |books| {
        assert!(books.contacts.is_empty() && books.invoices.is_empty());
        assert!(!books.accounts.is_empty());
    });
    with_size(Size { contacts: 1, invoices: 1, payments: 5, ..Size::empty() }, |books| {
        assert_eq!(books.invoices.len(), 1);
    });
    with_size(Size { invoices: 10, ..Size::empty() }, |books| assert!(books.invoices.is_empty(), "nobody to bill"));
}

#[test]
fn figures_agree_with_each_other() {
    with_size(Size::of_invoices(3_000), |books| {
        let mut paid: BTreeMap<Uuid, Amount> = BTreeMap::new();
        for payment in books.payments.iter().filter(|row| row.status == PaymentStatus::Authorised) {
            *paid.entry(payment.target.id()).or_default() += payment.amount;
        }
        let mut credited: BTreeMap<Uuid, Amount> = BTreeMap::new();
        let credits = books.credit_notes.iter().chain(books.prepayments.iter()).chain(books.overpayments.iter());
        for credit in credits {
            let allocated: Amount = credit.allocations.iter().map(|part| part.amount).sum();
            assert_eq!(credit.remaining, credit.total - allocated);
            assert_eq!(credit.status == DocumentStatus::Paid, credit.remaining.is_zero());
            for part in &credit.allocations {
                *credited.entry(part.invoice).or_default() += part.amount;
                assert_eq!(books.invoices.get(part.invoice).unwrap().contact, credit.contact);
            }
        }
        for row in books.invoices.iter() {
            let lines: Amount = row.lines.iter().map(|line| line.line_amount).sum();
            let tax: Amount = row.lines.iter().map(|line| line.tax_amount).sum();
            assert_eq!(row.total_tax, tax);
            assert_eq!(row.total, row.sub_total + row.total_tax);
            assert!(lines == row.total || lines == row.sub_total);
            assert_eq!(row.amount_paid, paid.get(&row.id).copied().unwrap_or_default());
            assert_eq!(row.amount_credited, credited.get(&row.id).copied().unwrap_or_default());
            match row.status {
                DocumentStatus::Voided | DocumentStatus::Deleted => assert!(row.amount_due.is_zero()),
                _ => assert_eq!(row.amount_due, row.total - row.amount_paid - row.amount_credited),
            }
            assert_eq!(row.status == DocumentStatus::Paid, row.fully_paid_on.is_some());
            assert!(row.updated < NOW);
        }
        for row in books.bank_transactions.iter() {
            match row.kind {
                BankTransactionType::ReceivePrepayment | BankTransactionType::SpendPrepayment => {
                    assert!(row.prepayment.and_then(|id| books.prepayments.get(id)).is_some());
                }
                BankTransactionType::ReceiveOverpayment | BankTransactionType::SpendOverpayment => {
                    assert!(row.overpayment.and_then(|id| books.overpayments.get(id)).is_some());
                }
                _ => assert!(row.prepayment.is_none() && row.overpayment.is_none()),
            }
        }
    });
}

#[test]
fn names_and_numbers_are_unique_where_they_must_be() {
    with_size(Size::of_invoices(20_000), |books| {
        let names: BTreeSet<String> = books.contacts.iter().map(|row| row.name.to_lowercase()).collect();
        assert_eq!(names.len(), books.contacts.len());
        let sales = || books.invoices.iter().filter(|row| row.kind == InvoiceType::AccRec);
        let numbers: BTreeSet<&str> = sales().filter_map(|row| row.number.as_deref()).collect();
        assert_eq!(numbers.len(), sales().count());
        let bills = || books.invoices.iter().filter(|row| row.kind == InvoiceType::AccPay);
        let numbers: BTreeSet<&str> = bills().filter_map(|row| row.number.as_deref()).collect();
        assert!(numbers.len() < bills().count(), "bill numbers repeat");
    });
}

#[test]
fn there_is_enough_variety_to_find_mistakes() {
    with_size(Size::of_invoices(2_000), |books| {
        let statuses: BTreeSet<_> = books.invoices.iter().map(|row| row.status).collect();
        assert_eq!(statuses.len(), DocumentStatus::ALL.len());
        let types: BTreeSet<_> = books.invoices.iter().map(|row| row.line_amount_types).collect();
        assert_eq!(types.len(), 3);
        let currencies: BTreeSet<_> = books.invoices.iter().map(|row| row.currency.to_string()).collect();
        assert!(currencies.contains("JPY") && currencies.contains("KWD"), "{currencies:?}");
        let lines = || books.invoices.iter().flat_map(|row| &row.lines);
        assert!(lines().any(|line| line.unit_amount.is_some_and(|amount| amount.0 % 100 != 0)), "four decimals");
        assert!(lines().any(|line| line.discount != Discount::None));
        assert!(lines().any(|line| line.quantity.is_some_and(|amount| amount.0 % 10_000 != 0)));
        assert!(books.contacts.iter().any(|row| row.name.chars().count() == 255));
        assert!(books.contacts.iter().any(|row| row.name.contains('🦜')));
        assert!(books.contacts.iter().any(|row| row.name.contains('"')));
        let years: BTreeSet<_> = books.invoices.iter().map(|row| row.updated / (365 * 86_400_000)).collect();
        assert!(years.iter().any(|year| *year < 42), "some rows carry time stamps from 2010: {years:?}");
        assert!(books.payments.iter().any(|row| row.status == PaymentStatus::Deleted));
        assert!(!books.credit_notes.iter().all(|row| row.allocations.is_empty()));
    });
}

/// Bodies and headers of a series of calls, logins and writes among them.
fn transcript(seed: u64) -> Vec<String> {
    // Id tokens are signed with a key of the process, so the login leaves them out.
    let scopes = ALL_SCOPES.replace("openid ", "");
    let client = Client::with_scopes(Config { seed, ..config() }, &scopes);
    let mut all = vec![client.access.clone(), client.refresh.clone(), client.tenant.to_string()];
    for target in [
        "Organisation",
        "Contacts?page=1",
        "Invoices?page=1&unitdp=4",
        "Payments",
        "BankTransactions?page=1",
        "Reports/BankSummary",
        "Invoices/none",
    ] {
        all.push(format!("{:?}", client.get(target)));
    }
    client.emulator.clock().advance(1_234);
    let body = r#"{"Contacts":[{"Name":"New One"},{"Name":"New Two"}]}"#;
    all.push(format!("{:?}", client.send("PUT", "Contacts", body)));
    all.push(format!("{:?}", client.get("Contacts?page=1&pageSize=1000")));
    all
}

#[test]
fn the_same_seed_and_calls_give_the_same_bytes() {
    assert_eq!(transcript(7), transcript(7));
    let (seven, eight) = (transcript(7), transcript(8));
    assert!(seven.iter().zip(&eight).all(|(left, right)| left != right), "another seed is another world");
}

#[test]
fn organisations_of_one_emulator_differ() {
    let plans = vec![plan("One", 5), plan("Two", 5)];
    let emulator = Emulator::new(Config { organisations: plans, ..config() });
    let [one, two] = emulator.tenants()[..] else { panic!("two organisations") };
    assert_ne!(one, two);
    let first = |tenant| emulator.with_books(tenant, |books, _| books.contacts.iter().next().unwrap().id).unwrap();
    assert_ne!(first(one), first(two));
}
