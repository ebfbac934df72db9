//! Organisations made from a seed and a size: a chart of accounts, tax rates, contacts and three years of documents that
//! add up. Same plan, seed and day give the same books.

mod chart;
mod contacts;
mod documents;
mod lines;
mod words;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::books::*;
use crate::config::{OrganisationPlan, Rounding};

/// Milliseconds of a day.
const DAY_MS: Millis = 86_400_000;
/// Documents are spread over so many days before today.
const HISTORY_DAYS: i64 = 3 * 365;

/// How much is in an organisation's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Contacts.
    pub contacts: u32,
    /// Sales invoices and bills.
    pub invoices: u32,
    /// Lines per document; `None` varies from 1 to 5.
    pub lines: Option<u32>,
    /// Payments of invoices and bills (a few of them deleted). None are made when no invoice can be paid.
    pub payments: u32,
    /// Credit notes.
    pub credit_notes: u32,
    /// Prepayments.
    pub prepayments: u32,
    /// Overpayments.
    pub overpayments: u32,
    /// Bank transactions, besides those that made the prepayments and overpayments.
    pub bank_transactions: u32,
}

impl Size {
    /// A business with so many invoices and bills, and the rest in proportion.
    pub fn of_invoices(invoices: u32) -> Self {
        Self {
            contacts: (invoices / 5).max(12),
            invoices,
            lines: None,
            payments: invoices / 5 * 3,
            credit_notes: invoices / 25,
            prepayments: (invoices / 100).max(3),
            overpayments: (invoices / 100).max(3),
            bank_transactions: invoices / 4,
        }
    }

    /// No documents and no contacts, only the chart of accounts and tax rates.
    pub fn empty() -> Self {
        Self {
            contacts: 0,
            invoices: 0,
            lines: None,
            payments: 0,
            credit_notes: 0,
            prepayments: 0,
            overpayments: 0,
            bank_transactions: 0,
        }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self::of_invoices(250)
    }
}

/// What the parts of the generator share.
struct Maker {
    rng: ChaCha8Rng,
    /// Milliseconds at the start of today (UTC).
    today: Millis,
    rounding: Rounding,
}

impl Maker {
    fn id(&mut self) -> Uuid {
        crate::ids::next(&mut self.rng)
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    /// True in so many of a hundred cases.
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len());
        &from[at]
    }

    /// Somewhere in the working hours of a day that many days after `day`, but before today.
    fn moment_after(&mut self, day: Millis, days: i64) -> Millis {
        let later = day + self.rng.random_range(0..=days.max(0)) * DAY_MS;
        later.min(self.today - DAY_MS) + self.rng.random_range(0..DAY_MS)
    }
}

/// Generates the books of one organisation as they stand at `now`.
pub(crate) fn books(plan: &OrganisationPlan, seed: u64, now: Millis, rounding: Rounding) -> Books {
    let today = now.div_euclid(DAY_MS) * DAY_MS;
    let mut maker = Maker { rng: ChaCha8Rng::seed_from_u64(seed), today, rounding };
    let organisation = organisation(&mut maker, &plan.name);
    let mut books = Books::new(organisation, crate::ids::derive(seed, "books"));
    chart::fill(&mut maker, &mut books);
    let contacts = contacts::make(&mut maker, plan.size.contacts);
    documents::fill(&mut maker, &mut books, contacts, &plan.size);
    books
}

fn organisation(maker: &mut Maker, name: &str) -> Organisation {
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let short: String = (0..5).map(|_| char::from(*maker.pick(letters))).collect();
    Organisation {
        id: maker.id(),
        name: name.into(),
        legal_name: name.into(),
        base_currency: CurrencyCode::NZD,
        country_code: "NZ".into(),
        timezone: "NEWZEALANDSTANDARDTIME".into(),
        financial_year_end_day: 31,
        financial_year_end_month: 3,
        period_lock_date: None,
        end_of_year_lock_date: None,
        sales_tax_basis: "PAYMENTS".into(),
        is_demo: name.contains("Demo"),
        short_code: format!("!{short}").into(),
        created: maker.today - (HISTORY_DAYS + 30) * DAY_MS,
        invoice_prefix: "INV-".into(),
        next_invoice: 1,
        credit_note_prefix: "CN-".into(),
        next_credit_note: 1,
    }
}
