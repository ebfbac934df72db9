//! The chart of accounts.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Entity, Writable};
use crate::wire::{model, open_enum};

open_enum! {
    /// What sort of account it is.
    pub enum AccountType {
        Bank = "BANK",
        Current = "CURRENT",
        CurrLiab = "CURRLIAB",
        Depreciation = "DEPRECIATN",
        DirectCosts = "DIRECTCOSTS",
        Equity = "EQUITY",
        Expense = "EXPENSE",
        Fixed = "FIXED",
        Inventory = "INVENTORY",
        Liability = "LIABILITY",
        NonCurrent = "NONCURRENT",
        OtherIncome = "OTHERINCOME",
        Overheads = "OVERHEADS",
        Prepayment = "PREPAYMENT",
        Revenue = "REVENUE",
        Sales = "SALES",
        TermLiab = "TERMLIAB",
        Payg = "PAYG",
    }
}

open_enum! {
    /// Where an account stands in the reports.
    pub enum AccountClass {
        Asset = "ASSET",
        Equity = "EQUITY",
        Expense = "EXPENSE",
        Liability = "LIABILITY",
        Revenue = "REVENUE",
    }
}

open_enum! {
    /// Whether an account can be used.
    pub enum AccountStatus {
        Active = "ACTIVE",
        Archived = "ARCHIVED",
        Deleted = "DELETED",
    }
}

model! {
    /// An account of the chart of accounts.
    pub struct Account {
        required {
            /// The key.
            #[serde(rename = "AccountID")]
            pub account_id: Uuid,
        }
        /// At most 10 characters; bank accounts may have none.
        pub code: Option<String>,
        /// Unique.
        pub name: Option<String>,
        /// What sort of account it is.
        #[serde(rename = "Type")]
        pub kind: Option<AccountType>,
        /// Whether it can be used.
        pub status: Option<AccountStatus>,
        /// Where it stands in the reports.
        pub class: Option<AccountClass>,
        /// Description.
        pub description: Option<String>,
        /// Default tax type.
        pub tax_type: Option<String>,
        /// Whether payments can be made to it though it is no bank account.
        pub enable_payments_to_account: Option<bool>,
        /// Whether expense claims can use it.
        pub show_in_expense_claims: Option<bool>,
        /// Bank accounts only.
        pub bank_account_number: Option<String>,
        /// `BANK`, `CREDITCARD`, `PAYPAL` or `NONE`; bank accounts only.
        pub bank_account_type: Option<String>,
        /// Bank accounts only.
        pub currency_code: Option<String>,
        /// Such as `DEBTORS`; such an account cannot be coded to. Empty or absent otherwise.
        pub system_account: Option<String>,
        /// Code in standard reports.
        pub reporting_code: Option<String>,
        /// Name of that code.
        pub reporting_code_name: Option<String>,
        /// Whether there are attachments.
        pub has_attachments: Option<bool>,
        /// Whether it is on the dashboard's watch list.
        pub add_to_watchlist: Option<bool>,
        /// When it was last changed.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
    }
}

model! {
    /// An account as it is sent, one per call.
    pub struct AccountWrite {
        /// The account to update.
        #[serde(rename = "AccountID")]
        pub account_id: Option<Uuid>,
        /// At most 10 characters.
        pub code: Option<String>,
        /// Unique, at most 150 characters.
        pub name: Option<String>,
        /// What sort of account it is.
        #[serde(rename = "Type")]
        pub kind: Option<AccountType>,
        /// `ARCHIVED` archives.
        pub status: Option<AccountStatus>,
        /// Description.
        pub description: Option<String>,
        /// Default tax type.
        pub tax_type: Option<String>,
        /// Whether payments can be made to it.
        pub enable_payments_to_account: Option<bool>,
        /// Required for bank accounts.
        pub bank_account_number: Option<String>,
        /// Bank accounts only.
        pub currency_code: Option<String>,
    }
}

impl Entity for Account {
    const PATH: &'static str = "Accounts";
    const COLLECTION: &'static str = "Accounts";
    const ID: &'static str = "AccountID";
    const HAS_IMS: bool = true;
    const PAGED: bool = false;

    fn id(&self) -> Uuid {
        self.account_id
    }

    fn updated(&self) -> Option<Timestamp> {
        self.updated_date_utc
    }
}

impl Writable for Account {
    type Write = AccountWrite;
    const ONE_PER_CALL: bool = true;
}
