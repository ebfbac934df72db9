//! What documents refer to: the organisation itself, accounts, tax rates, currencies, tracking categories, themes.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::scalar::{Amount, CurrencyCode, Millis, Text, words};
use super::table::{Key, Row};

words! {
    /// Type of an account.
    AccountType {
        /// Bank account.
        Bank = "BANK",
        /// Current asset.
        Current = "CURRENT",
        /// Current liability.
        CurrLiab = "CURRLIAB",
        /// Depreciation.
        Depreciatn = "DEPRECIATN",
        /// Direct costs.
        DirectCosts = "DIRECTCOSTS",
        /// Equity.
        Equity = "EQUITY",
        /// Expense.
        Expense = "EXPENSE",
        /// Fixed asset.
        Fixed = "FIXED",
        /// Inventory.
        Inventory = "INVENTORY",
        /// Liability.
        Liability = "LIABILITY",
        /// Non-current asset.
        NonCurrent = "NONCURRENT",
        /// Other income.
        OtherIncome = "OTHERINCOME",
        /// Overhead.
        Overheads = "OVERHEADS",
        /// Prepayment.
        Prepayment = "PREPAYMENT",
        /// Revenue.
        Revenue = "REVENUE",
        /// Sales.
        Sales = "SALES",
        /// Non-current liability.
        TermLiab = "TERMLIAB",
        /// Pay as you go.
        Payg = "PAYG",
    }
}

words! {
    /// Read-only class of an account, told by its type.
    AccountClass {
        /// Asset.
        Asset = "ASSET",
        /// Equity.
        Equity = "EQUITY",
        /// Expense.
        Expense = "EXPENSE",
        /// Liability.
        Liability = "LIABILITY",
        /// Revenue.
        Revenue = "REVENUE",
    }
}

impl AccountType {
    /// The class that a type belongs to.
    pub fn class(self) -> AccountClass {
        match self {
            Self::Bank | Self::Current | Self::Fixed | Self::Inventory | Self::NonCurrent | Self::Prepayment => {
                AccountClass::Asset
            }
            Self::CurrLiab | Self::Liability | Self::TermLiab | Self::Payg => AccountClass::Liability,
            Self::Equity => AccountClass::Equity,
            Self::Depreciatn | Self::DirectCosts | Self::Expense | Self::Overheads => AccountClass::Expense,
            Self::OtherIncome | Self::Revenue | Self::Sales => AccountClass::Revenue,
        }
    }
}

words! {
    /// Status of an account, tax rate, tracking category or tracking option.
    ReferenceStatus {
        /// In use.
        Active = "ACTIVE",
        /// Kept for old documents.
        Archived = "ARCHIVED",
        /// Gone for new documents.
        Deleted = "DELETED",
        /// Not yet in force (tax rates).
        Pending = "PENDING",
    }
}

/// An account of the chart of accounts.
#[derive(Debug, Clone)]
pub struct Account {
    /// Key.
    pub id: Uuid,
    /// At most 10 characters; optional on bank accounts.
    pub code: Option<Text>,
    /// Unique.
    pub name: Text,
    /// Type.
    pub kind: AccountType,
    /// Status.
    pub status: ReferenceStatus,
    /// Free text.
    pub description: Option<Text>,
    /// Default tax type of lines on it.
    pub tax_type: Text,
    /// Payments may be made from or to it although it is not a bank account.
    pub enable_payments: bool,
    /// Offered on expense claims.
    pub show_in_expense_claims: bool,
    /// Bank accounts: the number.
    pub bank_account_number: Option<Text>,
    /// Bank accounts: `BANK`, `CREDITCARD` or `PAYPAL`.
    pub bank_account_type: Option<Text>,
    /// Bank accounts: the currency.
    pub currency: Option<CurrencyCode>,
    /// `DEBTORS`, `CREDITORS`, `GST`, `ROUNDING`, …: such accounts cannot be coded to.
    pub system_account: Option<Text>,
    /// Reporting code, e.g. `REV.TRA.SER`.
    pub reporting_code: Option<Text>,
    /// Name of the reporting code.
    pub reporting_code_name: Option<Text>,
    /// On the dashboard's watch list.
    pub add_to_watchlist: bool,
    /// `UpdatedDateUTC`.
    pub updated: Millis,
}

impl Row for Account {
    fn id(&self) -> Uuid {
        self.id
    }
    fn updated(&self) -> Millis {
        self.updated
    }
    fn set_updated(&mut self, at: Millis) {
        self.updated = at;
    }
    fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::text("name", &self.name));
        keys.extend(self.code.as_deref().map(|code| Key::text("code", code)));
    }
}

/// A part of a tax rate.
#[derive(Debug, Clone)]
pub struct TaxComponent {
    /// Name, e.g. `GST`.
    pub name: Text,
    /// Percent.
    pub rate: Amount,
    /// Computed on top of the other components.
    pub is_compound: bool,
    /// Cannot be claimed back.
    pub is_non_recoverable: bool,
}

/// A tax rate; the key is its tax type.
#[derive(Debug, Clone)]
pub struct TaxRate {
    /// Code such as `OUTPUT2` or `TAX001`.
    pub tax_type: Text,
    /// Editable by the user.
    pub name: Text,
    /// Type on tax reports, e.g. `OUTPUT`.
    pub report_tax_type: Text,
    /// Status.
    pub status: ReferenceStatus,
    /// Percent shown.
    pub display_rate: Amount,
    /// Percent computed with.
    pub effective_rate: Amount,
    /// Classes of accounts on which it may be used.
    pub applies_to: Vec<AccountClass>,
    /// Its parts.
    pub components: Vec<TaxComponent>,
}

/// A currency that the organisation subscribes to.
#[derive(Debug, Clone)]
pub struct Currency {
    /// Code.
    pub code: CurrencyCode,
    /// Name, e.g. `New Zealand Dollar`.
    pub description: Text,
}

/// One option of a tracking category.
#[derive(Debug, Clone)]
pub struct TrackingOption {
    /// Key.
    pub id: Uuid,
    /// At most 100 characters.
    pub name: Text,
    /// Status.
    pub status: ReferenceStatus,
}

/// A tracking category; at most two ACTIVE.
#[derive(Debug, Clone)]
pub struct TrackingCategory {
    /// Key.
    pub id: Uuid,
    /// Name.
    pub name: Text,
    /// Status.
    pub status: ReferenceStatus,
    /// Options in their order.
    pub options: Vec<TrackingOption>,
}

/// How sales documents look.
#[derive(Debug, Clone)]
pub struct BrandingTheme {
    /// Key.
    pub id: Uuid,
    /// Name.
    pub name: Text,
    /// `CreatedDateUTC`.
    pub created: Millis,
}

/// The organisation: its id is the tenant id.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// `OrganisationID`, equal to the tenant id.
    pub id: Uuid,
    /// Display name.
    pub name: Text,
    /// Legal name.
    pub legal_name: Text,
    /// Base currency.
    pub base_currency: CurrencyCode,
    /// ISO country code, e.g. `NZ`.
    pub country_code: Text,
    /// Windows-like token, e.g. `NEWZEALANDSTANDARDTIME`.
    pub timezone: Text,
    /// Day of the end of the financial year.
    pub financial_year_end_day: i8,
    /// Month of the end of the financial year.
    pub financial_year_end_month: i8,
    /// Documents dated on or before it are refused.
    pub period_lock_date: Option<Date>,
    /// Documents dated on or before it are refused, even to advisers.
    pub end_of_year_lock_date: Option<Date>,
    /// `PAYMENTS`, `INVOICE`, `NONE`, …
    pub sales_tax_basis: Text,
    /// Whether it is a demo company.
    pub is_demo: bool,
    /// E.g. `!Qj35V`.
    pub short_code: Text,
    /// `CreatedDateUTC`.
    pub created: Millis,
    /// Prefix of automatic sales invoice numbers, e.g. `INV-`.
    pub invoice_prefix: Text,
    /// Next automatic sales invoice number.
    pub next_invoice: u64,
    /// Prefix of automatic credit note numbers, e.g. `CN-`.
    pub credit_note_prefix: Text,
    /// Next automatic credit note number.
    pub next_credit_note: u64,
}

impl Organisation {
    /// The rule of the organisation's time zone, as a POSIX text so that no time zone database is needed.
    fn zone_rule(&self) -> &'static str {
        match &*self.timezone {
            "NEWZEALANDSTANDARDTIME" => "NZST-12NZDT,M9.5.0,M4.1.0/3",
            "AUSEASTERNSTANDARDTIME" => "AEST-10AEDT,M10.1.0,M4.1.0/3",
            "EAUSTRALIASTANDARDTIME" => "AEST-10",
            "AUSCENTRALSTANDARDTIME" => "ACST-9:30",
            "WAUSTRALIASTANDARDTIME" => "AWST-8",
            "GMTSTANDARDTIME" => "GMT0BST,M3.5.0/1,M10.5.0",
            "WEUROPESTANDARDTIME" | "ROMANCESTANDARDTIME" => "CET-1CEST,M3.5.0,M10.5.0/3",
            "SINGAPORESTANDARDTIME" => "SGT-8",
            "SOUTHAFRICASTANDARDTIME" => "SAST-2",
            "EASTERNSTANDARDTIME" => "EST5EDT,M3.2.0,M11.1.0",
            "PACIFICSTANDARDTIME" => "PST8PDT,M3.2.0,M11.1.0",
            _ => "UTC0",
        }
    }

    /// The calendar day in the organisation's time zone at `now`.
    pub fn today(&self, now: Millis) -> Date {
        let zone = TimeZone::posix(self.zone_rule()).unwrap_or(TimeZone::UTC);
        let instant = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        instant.to_zoned(zone).date()
    }
}
