//! Tax rates. Their key is the `TaxType` code; they have no id and no time stamp, so they are always read whole.

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::Entity;
use crate::wire::{model, open_enum};

open_enum! {
    /// Whether a tax rate can be used. Lists include deleted ones.
    pub enum TaxRateStatus {
        Active = "ACTIVE",
        Deleted = "DELETED",
        Archived = "ARCHIVED",
        Pending = "PENDING",
    }
}

model! {
    /// A tax rate.
    pub struct TaxRate {
        /// The key, such as `OUTPUT2` or `TAX001`.
        pub tax_type: Option<String>,
        /// The users' name for it; editable.
        pub name: Option<String>,
        /// Whether it can be used.
        pub status: Option<TaxRateStatus>,
        /// Where it stands in tax reports.
        pub report_tax_type: Option<String>,
        /// Percent, compounded: what is charged.
        pub effective_rate: Option<Decimal>,
        /// Percent, as shown.
        pub display_tax_rate: Option<Decimal>,
        /// Whether it fits asset accounts.
        pub can_apply_to_assets: Option<bool>,
        /// Whether it fits equity accounts.
        pub can_apply_to_equity: Option<bool>,
        /// Whether it fits expense accounts.
        pub can_apply_to_expenses: Option<bool>,
        /// Whether it fits liability accounts.
        pub can_apply_to_liabilities: Option<bool>,
        /// Whether it fits revenue accounts.
        pub can_apply_to_revenue: Option<bool>,
        /// The parts that it is made of.
        pub tax_components: Vec<TaxComponent>,
    }
}

model! {
    /// A part of a tax rate.
    pub struct TaxComponent {
        /// Name.
        pub name: Option<String>,
        /// Percent.
        pub rate: Option<Decimal>,
        /// Whether it is charged on top of the other parts.
        pub is_compound: Option<bool>,
        /// Whether it cannot be claimed back.
        pub is_non_recoverable: Option<bool>,
    }
}

impl Entity for TaxRate {
    const PATH: &'static str = "TaxRates";
    const COLLECTION: &'static str = "TaxRates";
    const ID: &'static str = "TaxType";
    const HAS_IMS: bool = false;
    const PAGED: bool = false;

    /// Always nil: the key is [`TaxRate::tax_type`].
    fn id(&self) -> Uuid {
        Uuid::nil()
    }

    fn updated(&self) -> Option<Timestamp> {
        None
    }
}
