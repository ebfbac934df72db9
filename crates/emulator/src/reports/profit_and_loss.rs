//! Profit and loss: income and costs by account and period, on accrual or cash basis, in the base currency.

use std::collections::BTreeMap;

use jiff::ToSpan;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Cell, Period, Row, answer, long_date};
use crate::api::bad_request;
use crate::books::*;
use crate::http::{Request, Response};
use crate::read::ReadContext;

/// What the report is asked for.
struct Wish {
    /// The current period first, then earlier ones.
    periods: Vec<Period>,
    is_cash: bool,
    /// Only lines with these tracking options.
    options: Vec<Uuid>,
}

fn wish(context: &ReadContext<'_>, request: &Request) -> Result<Wish, Response> {
    let refuse = |message: String| bad_request(10, "ValidationException", &message);
    let current = Period::read(context, request)?;
    let most = context.settings.report_periods;
    let earlier: u32 = match request.param("periods").filter(|text| !text.is_empty()) {
        None => 0,
        Some(text) => text
            .parse()
            .ok()
            .filter(|count| (1..=most).contains(count))
            .ok_or_else(|| refuse(format!("periods must be between 1 and {most}")))?,
    };
    let months = match request.param("timeframe").unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "MONTH" => 1,
        "QUARTER" => 3,
        "YEAR" => 12,
        other => return Err(refuse(format!("timeframe '{other}' must be MONTH, QUARTER or YEAR"))),
    };
    let mut periods = vec![current];
    for place in 1..=i32::try_from(earlier).unwrap_or_default() {
        let back = (place * months).months();
        let shifted = current.from.checked_sub(back).ok().zip(current.to.checked_sub(back).ok());
        let (from, to) = shifted.ok_or_else(|| refuse("the dates are out of range".into()))?;
        periods.push(Period { from, to });
    }
    let is_cash = request.param("paymentsOnly").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let option = |name: &str| request.param(name).and_then(|text| Uuid::parse_str(text.trim()).ok());
    let options = ["trackingOptionID", "trackingOptionID2"].into_iter().filter_map(option).collect();
    Ok(Wish { periods, is_cash, options })
}

/// Sums per account, one per period; income and costs are both positive in their own section.
type Sums = BTreeMap<Uuid, Vec<Decimal>>;

struct Ledger<'a> {
    books: &'a Books,
    wish: &'a Wish,
    sums: Sums,
}

impl Ledger<'_> {
    /// Adds a document's lines on a day; `share` is the part that counts (cash basis), `is_credit` means that it earns.
    fn add(&mut self, lines: &[Line], types: LineAmountTypes, rate: Rate, day: jiff::civil::Date, share: Decimal) {
        let (wish, books) = (self.wish, self.books);
        for (place, _) in wish.periods.iter().enumerate().filter(|(_, period)| period.contains(day)) {
            for line in lines {
                let is_wanted = wish.options.iter().all(|id| line.tracking.iter().any(|part| part.option == *id));
                let Some(account) = line.account.and_then(|id| books.accounts.get(id)).filter(|_| is_wanted) else {
                    continue;
                };
                let net = if types == LineAmountTypes::Inclusive {
                    line.line_amount - line.tax_amount
                } else {
                    line.line_amount
                };
                let sign = if account.kind.class() == AccountClass::Expense { -Decimal::ONE } else { Decimal::ONE };
                let base = if rate == Rate::ONE { net.decimal() } else { net.decimal() / rate.decimal() };
                let sums = self.sums.entry(account.id).or_insert_with(|| vec![Decimal::ZERO; wish.periods.len()]);
                sums[place] += base * share * sign;
            }
        }
    }

    fn accrual(&mut self) {
        let books = self.books;
        let is_live = |status| matches!(status, DocumentStatus::Authorised | DocumentStatus::Paid);
        for row in books.invoices.iter().filter(|row| is_live(row.status)) {
            let share = if row.kind == InvoiceType::AccRec { Decimal::ONE } else { -Decimal::ONE };
            self.add(&row.lines, row.line_amount_types, row.currency_rate, row.date, share);
        }
        for row in books.credit_notes.iter().filter(|row| is_live(row.status)) {
            let share = if row.kind.is_receivable() { -Decimal::ONE } else { Decimal::ONE };
            self.add(&row.lines, row.line_amount_types, row.currency_rate, row.date, share);
        }
    }

    /// On cash basis a document counts by the part that each payment paid, on the payment's day.
    fn cash(&mut self) {
        let books = self.books;
        for payment in books.payments.iter().filter(|row| row.status == PaymentStatus::Authorised) {
            let part = |total: Amount| {
                if total.is_zero() { Decimal::ZERO } else { payment.amount.decimal() / total.decimal() }
            };
            match payment.target {
                PaymentTarget::Invoice(id) => {
                    let Some(row) = books.invoices.get(id) else { continue };
                    let sign = if row.kind == InvoiceType::AccRec { Decimal::ONE } else { -Decimal::ONE };
                    self.add(
                        &row.lines,
                        row.line_amount_types,
                        payment.currency_rate,
                        payment.date,
                        part(row.total) * sign,
                    );
                }
                PaymentTarget::CreditNote(id) => {
                    let Some(row) = books.credit_notes.get(id) else { continue };
                    let sign = if row.kind.is_receivable() { -Decimal::ONE } else { Decimal::ONE };
                    self.add(
                        &row.lines,
                        row.line_amount_types,
                        payment.currency_rate,
                        payment.date,
                        part(row.total) * sign,
                    );
                }
                PaymentTarget::Prepayment(_) | PaymentTarget::Overpayment(_) => {}
            }
        }
    }

    fn bank(&mut self) {
        let books = self.books;
        for row in books.bank_transactions.iter().filter(|row| row.status == BankTransactionStatus::Authorised) {
            let share = if row.kind.is_receive() { Decimal::ONE } else { -Decimal::ONE };
            self.add(&row.lines, row.line_amount_types, row.currency_rate, row.date, share);
        }
    }
}

pub(super) fn report(context: &ReadContext<'_>, request: &Request) -> Result<Response, Response> {
    let wish = wish(context, request)?;
    let mut ledger = Ledger { books: context.books, wish: &wish, sums: Sums::new() };
    if wish.is_cash {
        ledger.cash();
    } else {
        ledger.accrual();
    }
    ledger.bank();
    let sums = ledger.sums;

    let columns = wish.periods.len();
    let header = wish.periods.iter().map(|period| Cell::plain(period.to.strftime("%-d %b %y").to_string()));
    let mut rows = vec![Row::Header(std::iter::once(Cell::plain("")).chain(header).collect())];
    let mut section = |title: &str, total: &str, kinds: &[AccountType]| -> Vec<Decimal> {
        let mut totals = vec![Decimal::ZERO; columns];
        let mut lines = Vec::new();
        for account in context.books.accounts.iter().filter(|row| kinds.contains(&row.kind)) {
            let Some(figures) = sums.get(&account.id) else { continue };
            let figures: Vec<Decimal> = figures.iter().map(|figure| figure.round_dp(2)).collect();
            if figures.iter().all(Decimal::is_zero) {
                continue;
            }
            for (sum, figure) in totals.iter_mut().zip(&figures) {
                *sum += figure;
            }
            let name = Cell::plain(&*account.name).of("account", account.id);
            let cells = figures.into_iter().map(|figure| Cell::money(figure).of("account", account.id));
            lines.push(Row::Line(std::iter::once(name).chain(cells).collect()));
        }
        if !lines.is_empty() {
            lines.push(Row::Summary(labelled(total, &totals)));
            rows.push(Row::Section(title.to_owned(), lines));
        }
        totals
    };
    let income = section("Income", "Total Income", &[AccountType::Revenue, AccountType::Sales]);
    let costs = section("Less Cost of Sales", "Total Cost of Sales", &[AccountType::DirectCosts]);
    let other = section("Plus Other Income", "Total Other Income", &[AccountType::OtherIncome]);
    let operating = section(
        "Less Operating Expenses",
        "Total Operating Expenses",
        &[AccountType::Expense, AccountType::Overheads, AccountType::Depreciatn],
    );
    let gross: Vec<Decimal> = income.iter().zip(&costs).map(|(income, costs)| income - costs).collect();
    let net: Vec<Decimal> = (0..columns).map(|at| gross[at] + other[at] - operating[at]).collect();
    rows.push(Row::Section(String::new(), vec![Row::Line(labelled("Gross Profit", &gross))]));
    rows.push(Row::Section(String::new(), vec![Row::Line(labelled("Net Profit", &net))]));
    let current = wish.periods[0];
    let titles = [
        "Profit & Loss".to_owned(),
        context.books.organisation.name.to_string(),
        format!("{} to {}", long_date(current.from), long_date(current.to)),
    ];
    Ok(answer(context, "ProfitAndLoss", "Profit and Loss", &titles, &rows))
}

fn labelled(label: &str, figures: &[Decimal]) -> Vec<Cell> {
    std::iter::once(Cell::plain(label)).chain(figures.iter().map(|figure| Cell::money(*figure))).collect()
}
