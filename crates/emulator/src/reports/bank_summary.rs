//! Bank summary: what came in and went out of each bank account, in the account's own currency.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Cell, Period, Row, answer, long_date};
use crate::books::*;
use crate::http::{Request, Response};
use crate::read::ReadContext;

/// Opening balance, received, spent.
type Sums = [Amount; 3];

pub(super) fn report(context: &ReadContext<'_>, request: &Request) -> Result<Response, Response> {
    let period = Period::read(context, request)?;
    let books = context.books;
    let mut sums: BTreeMap<Uuid, Sums> = BTreeMap::new();
    let mut add = |account: Uuid, day: Date, amount: Amount, is_receive: bool| {
        let entry = sums.entry(account).or_default();
        if day < period.from {
            entry[0] += if is_receive { amount } else { -amount };
        } else if period.contains(day) {
            entry[if is_receive { 1 } else { 2 }] += amount;
        }
    };
    for row in books.bank_transactions.iter().filter(|row| row.status == BankTransactionStatus::Authorised) {
        add(row.bank_account, row.date, row.total, row.kind.is_receive());
    }
    for row in books.payments.iter().filter(|row| row.status == PaymentStatus::Authorised) {
        if let Some(account) = row.account {
            add(account, row.date, row.bank_amount, is_receipt(row.kind));
        }
    }
    let mut rows = vec![Row::Header(
        ["Bank Accounts", "Opening Balance", "Cash Received", "Cash Spent", "Closing Balance"]
            .map(Cell::plain)
            .into_iter()
            .collect(),
    )];
    let mut section = Vec::new();
    let mut totals = [Decimal::ZERO; 4];
    for account in books.accounts.iter().filter(|row| row.kind == AccountType::Bank) {
        let [opening, received, spent] = sums.get(&account.id).copied().unwrap_or_default();
        if account.status != ReferenceStatus::Active && !sums.contains_key(&account.id) {
            continue;
        }
        let figures = [opening, received, spent, opening + received - spent].map(Amount::decimal);
        for (total, figure) in totals.iter_mut().zip(figures) {
            *total += figure;
        }
        section.push(Row::Line(vec![
            Cell::plain(&*account.name).of("accountID", account.id),
            Cell::money(figures[0]),
            Cell::money(figures[1]).of("account", account.id),
            Cell::money(figures[2]).of("account", account.id),
            Cell::money(figures[3]),
        ]));
    }
    let summary = std::iter::once(Cell::plain("Total")).chain(totals.map(Cell::money)).collect();
    section.push(Row::Summary(summary));
    rows.push(Row::Section(String::new(), section));
    let titles = [
        "Bank Summary".to_owned(),
        books.organisation.name.to_string(),
        format!("From {} to {}", long_date(period.from), long_date(period.to)),
    ];
    Ok(answer(context, "BankSummary", "Bank Summary", &titles, &rows))
}

/// Whether a payment or refund brings money in.
fn is_receipt(kind: PaymentType) -> bool {
    matches!(kind, PaymentType::AccRec | PaymentType::ApCredit | PaymentType::ApPrepayment | PaymentType::ApOverpayment)
}
