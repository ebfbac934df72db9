//! The chart of accounts and the tax rates. Tieout reads these; it does not write them.

use crate::record::record;
use crate::{Amount, Field, Record};

record! {
    /// A ledger account.
    Account {
        /// Code, at most 10 characters; a bank account may have none.
        xero code: Option<String>,
        /// Name.
        xero name: String,
        /// Xero's account type, for example `SALES` or `BANK`.
        xero r#type: String,
        /// Xero's class: `ASSET`, `EQUITY`, `EXPENSE`, `LIABILITY` or `REVENUE`.
        xero class: Option<String>,
        /// `ACTIVE`, `ARCHIVED` or `DELETED`.
        xero status: String,
        /// Tax rate that lines default to.
        xero tax_type: Option<String>,
        /// What it is for.
        xero description: Option<String>,
        /// Xero's name for a control account, for example `DEBTORS`; such accounts cannot be coded to.
        xero system_account: Option<String>,
        /// Whether payments may be made to it though it is no bank account.
        xero enable_payments: bool,
        /// Number of a bank account.
        xero bank_account_number: Option<String>,
        /// `BANK`, `CREDITCARD` or `PAYPAL` for a bank account.
        xero bank_account_type: Option<String>,
        /// Currency of a bank account.
        xero currency: Option<String>,
    }
}

record! {
    /// A tax rate.
    TaxRate {
        /// Xero's code, for example `OUTPUT2`; the key.
        xero tax_type: String,
        /// Name.
        xero name: String,
        /// `ACTIVE`, `DELETED`, `ARCHIVED` or `PENDING`.
        xero status: String,
        /// Rate in percent, compound components worked in.
        xero effective_rate: Option<Amount>,
        /// Rate in percent, as shown to people.
        xero display_rate: Option<Amount>,
        /// May be used on asset accounts.
        xero applies_to_assets: bool,
        /// May be used on equity accounts.
        xero applies_to_equity: bool,
        /// May be used on expense accounts.
        xero applies_to_expenses: bool,
        /// May be used on liability accounts.
        xero applies_to_liabilities: bool,
        /// May be used on revenue accounts.
        xero applies_to_revenue: bool,
    }
}

impl Record for Account {
    const FIELDS: &'static [Field] = Self::TABLE;
    const TWO_WAY: bool = false;
}

impl Record for TaxRate {
    const FIELDS: &'static [Field] = Self::TABLE;
    const TWO_WAY: bool = false;
}
