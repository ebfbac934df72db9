//! The chart of accounts, tax rates, currencies, tracking categories and themes of a New Zealand company.

use super::{DAY_MS, HISTORY_DAYS, Maker};
use crate::books::*;

/// Code, name, type, tax type, system account, payments enabled.
type Entry = (&'static str, &'static str, AccountType, &'static str, &'static str, bool);

const CHART: &[Entry] = &[
    ("090", "Business Bank Account", AccountType::Bank, "NONE", "", false),
    ("091", "Business Savings Account", AccountType::Bank, "NONE", "", false),
    ("092", "Company Credit Card", AccountType::Bank, "NONE", "", false),
    ("200", "Sales", AccountType::Revenue, "OUTPUT2", "", false),
    ("210", "Consulting Income", AccountType::Revenue, "OUTPUT2", "", false),
    ("260", "Other Revenue", AccountType::Revenue, "OUTPUT2", "", false),
    ("270", "Interest Income", AccountType::Revenue, "NONE", "", false),
    ("310", "Cost of Goods Sold", AccountType::DirectCosts, "INPUT2", "", false),
    ("400", "Advertising", AccountType::Expense, "INPUT2", "", false),
    ("404", "Bank Fees", AccountType::Expense, "NONE", "", false),
    ("408", "Cleaning", AccountType::Expense, "INPUT2", "", false),
    ("412", "Consulting & Accounting", AccountType::Expense, "INPUT2", "", false),
    ("416", "Depreciation", AccountType::Depreciatn, "NONE", "", false),
    ("420", "Entertainment", AccountType::Expense, "INPUT2", "", false),
    ("425", "Freight & Courier", AccountType::Expense, "INPUT2", "", false),
    ("429", "General Expenses", AccountType::Expense, "INPUT2", "", false),
    ("433", "Insurance", AccountType::Expense, "INPUT2", "", false),
    ("445", "Light, Power, Heating", AccountType::Expense, "INPUT2", "", false),
    ("449", "Motor Vehicle Expenses", AccountType::Expense, "INPUT2", "", false),
    ("453", "Office Expenses", AccountType::Expense, "INPUT2", "", false),
    ("461", "Printing & Stationery", AccountType::Expense, "INPUT2", "", false),
    ("469", "Rent", AccountType::Expense, "INPUT2", "", false),
    ("473", "Repairs and Maintenance", AccountType::Expense, "INPUT2", "", false),
    ("485", "Subscriptions", AccountType::Expense, "INPUT2", "", false),
    ("489", "Telephone & Internet", AccountType::Expense, "INPUT2", "", false),
    ("493", "Travel - National", AccountType::Expense, "INPUT2", "", false),
    ("494", "Travel - International", AccountType::Expense, "NONE", "", false),
    ("498", "Bank Revaluations", AccountType::Expense, "NONE", "BANKCURRENCYGAIN", false),
    ("499", "Unrealised Currency Gains", AccountType::Expense, "NONE", "UNREALISEDCURRENCYGAIN", false),
    ("500", "Realised Currency Gains", AccountType::Expense, "NONE", "REALISEDCURRENCYGAIN", false),
    ("610", "Accounts Receivable", AccountType::Current, "NONE", "DEBTORS", false),
    ("620", "Prepayments", AccountType::Current, "NONE", "", false),
    ("630", "Inventory", AccountType::Inventory, "NONE", "", false),
    ("710", "Office Equipment", AccountType::Fixed, "INPUT2", "", false),
    ("720", "Computer Equipment", AccountType::Fixed, "INPUT2", "", false),
    ("800", "Accounts Payable", AccountType::CurrLiab, "NONE", "CREDITORS", false),
    ("820", "GST", AccountType::CurrLiab, "NONE", "GST", false),
    ("825", "PAYE Payable", AccountType::CurrLiab, "NONE", "", false),
    ("835", "Revenue Received in Advance", AccountType::CurrLiab, "NONE", "", false),
    ("840", "Historical Adjustment", AccountType::CurrLiab, "NONE", "HISTORICAL", false),
    ("860", "Rounding", AccountType::CurrLiab, "NONE", "ROUNDING", false),
    ("880", "Owner A Drawings", AccountType::Equity, "NONE", "", true),
    ("881", "Owner A Funds Introduced", AccountType::Equity, "NONE", "", true),
    ("900", "Loan", AccountType::TermLiab, "NONE", "", false),
    ("960", "Retained Earnings", AccountType::Equity, "NONE", "RETAINEDEARNINGS", false),
    ("970", "Owner A Share Capital", AccountType::Equity, "NONE", "", false),
];

/// Tax type, name, report type, percent, status, classes it applies to.
type RateEntry = (&'static str, &'static str, &'static str, i64, ReferenceStatus, &'static [AccountClass]);

const INCOME: &[AccountClass] =
    &[AccountClass::Asset, AccountClass::Equity, AccountClass::Liability, AccountClass::Revenue];
const COSTS: &[AccountClass] =
    &[AccountClass::Asset, AccountClass::Equity, AccountClass::Expense, AccountClass::Liability];

const RATES: &[RateEntry] = &[
    ("INPUT2", "15% GST on Expenses", "INPUT", 150_000, ReferenceStatus::Active, COSTS),
    ("OUTPUT2", "15% GST on Income", "OUTPUT", 150_000, ReferenceStatus::Active, INCOME),
    ("INPUT", "GST on Expenses (12.5%)", "INPUT", 125_000, ReferenceStatus::Deleted, COSTS),
    ("OUTPUT", "GST on Income (12.5%)", "OUTPUT", 125_000, ReferenceStatus::Deleted, INCOME),
    ("GSTONIMPORTS", "GST on Imports", "GSTONIMPORTS", 0, ReferenceStatus::Active, &[AccountClass::Liability]),
    ("NONE", "No GST", "NONE", 0, ReferenceStatus::Active, AccountClass::ALL),
    (
        "ZERORATED",
        "Zero Rated",
        "OUTPUT",
        0,
        ReferenceStatus::Active,
        &[AccountClass::Liability, AccountClass::Revenue],
    ),
];

/// Code, name, rate to the New Zealand dollar in ten-billionths.
pub(super) const CURRENCIES: &[(&str, &str, i64)] = &[
    ("NZD", "New Zealand Dollar", 10_000_000_000),
    ("AUD", "Australian Dollar", 8_923_450_000),
    ("USD", "United States Dollar", 5_871_230_000),
    ("EUR", "Euro", 5_069_871_234),
    ("GBP", "British Pound", 4_432_100_000),
    ("JPY", "Japanese Yen", 889_123_456_789),
    ("KWD", "Kuwaiti Dinar", 1_801_234_567),
];

/// Fills in what documents refer to.
pub(super) fn fill(maker: &mut Maker, books: &mut Books) {
    let old = maker.today - (HISTORY_DAYS + 20) * DAY_MS;
    let accounts = CHART.iter().enumerate().map(|(index, entry)| account(maker, entry, index, old)).collect();
    books.accounts = Table::from_rows(accounts);
    books.tax_rates = RATES.iter().map(tax_rate).collect();
    for (code, name, _) in CURRENCIES {
        let code = CurrencyCode::parse(code).unwrap_or(CurrencyCode::NZD);
        books.currencies.push(Currency { code, description: (*name).into() });
    }
    for (name, options) in
        [("Region", ["North", "South", "East", "West"]), ("Salesperson", ["Counter", "Field", "Online", "Partner"])]
    {
        let status = ReferenceStatus::Active;
        let options = options.map(|name| TrackingOption { id: maker.id(), name: name.into(), status }).to_vec();
        books.tracking.push(TrackingCategory { id: maker.id(), name: name.into(), status, options });
    }
    books.themes.push(BrandingTheme { id: maker.id(), name: "Standard".into(), created: old });
}

fn account(maker: &mut Maker, entry: &Entry, index: usize, old: Millis) -> Account {
    let (code, name, kind, tax_type, system, enable_payments) = *entry;
    let is_bank = kind == AccountType::Bank;
    let is_card = name.contains("Card");
    Account {
        id: maker.id(),
        code: Some(code.into()),
        name: name.into(),
        kind,
        status: ReferenceStatus::Active,
        description: (kind == AccountType::Revenue).then(|| "Income from any normal business activity".into()),
        tax_type: tax_type.into(),
        enable_payments,
        show_in_expense_claims: kind == AccountType::Expense,
        bank_account_number: is_bank.then(|| format!("020908765432{:04}", 50 + index).into()),
        bank_account_type: is_bank.then(|| if is_card { "CREDITCARD" } else { "BANK" }.into()),
        currency: is_bank.then_some(CurrencyCode::NZD),
        system_account: (!system.is_empty()).then(|| system.into()),
        reporting_code: (kind == AccountType::Revenue).then(|| "REV.TRA".into()),
        reporting_code_name: (kind == AccountType::Revenue).then(|| "Trading revenue".into()),
        add_to_watchlist: code == "200",
        updated: old + i64::try_from(index).unwrap_or_default() * 137,
    }
}

fn tax_rate(entry: &RateEntry) -> TaxRate {
    let (tax_type, name, report, rate, status, applies_to) = *entry;
    let rate = Amount(rate);
    let component = TaxComponent { name: "GST".into(), rate, is_compound: false, is_non_recoverable: false };
    TaxRate {
        tax_type: tax_type.into(),
        name: name.into(),
        report_tax_type: report.into(),
        status,
        display_rate: rate,
        effective_rate: rate,
        applies_to: applies_to.to_vec(),
        components: vec![component],
    }
}
