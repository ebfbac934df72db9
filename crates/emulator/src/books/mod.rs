//! The state of one organisation: its books, and the few questions and changes that everything else is built from.
//!
//! Money is scaled integers ([`Amount`], [`Rate`]) so that a million invoices fit in memory. Rows are read through the
//! tables (`books.invoices.get(id)`) and changed only through them: `change` bumps `UpdatedDateUTC`, `change_quietly` does
//! not. Nothing here knows HTTP, JSON or Xero's refusals.

mod contact;
mod document;
mod lookup;
mod reference;
mod scalar;
mod table;

pub use contact::*;
pub use document::*;
pub use reference::*;
pub use scalar::*;
pub use table::*;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// The books of one organisation.
#[derive(Debug, Clone)]
pub struct Books {
    /// The organisation itself.
    pub organisation: Organisation,
    /// Customers and suppliers, archived ones included.
    pub contacts: Table<Contact>,
    /// Sales invoices and bills, voided and deleted ones included.
    pub invoices: Table<Invoice>,
    /// Credit notes.
    pub credit_notes: Table<Credit>,
    /// Prepayments.
    pub prepayments: Table<Credit>,
    /// Overpayments.
    pub overpayments: Table<Credit>,
    /// Payments and refunds, deleted ones included.
    pub payments: Table<Payment>,
    /// Bank transactions.
    pub bank_transactions: Table<BankTransaction>,
    /// Chart of accounts.
    pub accounts: Table<Account>,
    /// Tax rates, deleted ones included.
    pub tax_rates: Vec<TaxRate>,
    /// Subscribed currencies.
    pub currencies: Vec<Currency>,
    /// Tracking categories, archived ones included.
    pub tracking: Vec<TrackingCategory>,
    /// Branding themes; the first is the default.
    pub themes: Vec<BrandingTheme>,
    ids: ChaCha8Rng,
}

impl Books {
    /// Empty books of an organisation. All ids are drawn from `seed`.
    pub fn new(organisation: Organisation, seed: u64) -> Self {
        Self {
            organisation,
            contacts: Table::default(),
            invoices: Table::default(),
            credit_notes: Table::default(),
            prepayments: Table::default(),
            overpayments: Table::default(),
            payments: Table::default(),
            bank_transactions: Table::default(),
            accounts: Table::default(),
            tax_rates: Vec::new(),
            currencies: Vec::new(),
            tracking: Vec::new(),
            themes: Vec::new(),
            ids: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The next GUID of this organisation's stream: same seed and same calls give the same ids.
    pub fn next_id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.ids.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
