//! The organisation itself: its currency, country, time zone, year end and lock dates.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::{Address, Entity, PaymentTerms, Phone};
use crate::wire::model;

model! {
    /// The organisation whose books these are.
    pub struct Organisation {
        required {
            /// The organisation's id; equal to the tenant id in practice.
            #[serde(rename = "OrganisationID")]
            pub organisation_id: Uuid,
        }
        /// Display name.
        pub name: Option<String>,
        /// Legal name.
        pub legal_name: Option<String>,
        /// Whether it is registered for tax.
        pub pays_tax: Option<bool>,
        /// Xero's regional version, such as `NZ`. New ones appear at any time.
        pub version: Option<String>,
        /// Such as `COMPANY`.
        pub organisation_type: Option<String>,
        /// ISO 4217 code of the base currency.
        pub base_currency: Option<String>,
        /// ISO 3166 code of the country.
        pub country_code: Option<String>,
        /// Whether these are the books of Xero's demo company.
        pub is_demo_company: Option<bool>,
        /// Such as `ACTIVE`.
        pub organisation_status: Option<String>,
        /// Company registration number.
        pub registration_number: Option<String>,
        /// Tax number.
        pub tax_number: Option<String>,
        /// Day of the month on which the financial year ends.
        pub financial_year_end_day: Option<i64>,
        /// Month, from 1, in which the financial year ends.
        pub financial_year_end_month: Option<i64>,
        /// Such as `PAYMENTS` or `ACCRUALS`.
        pub sales_tax_basis: Option<String>,
        /// Such as `TWOMONTHS`.
        pub sales_tax_period: Option<String>,
        /// Documents on or before it are refused for most users.
        pub period_lock_date: Option<Date>,
        /// Documents on or before it are refused for everybody.
        pub end_of_year_lock_date: Option<Date>,
        /// When the organisation was created in Xero.
        #[serde(rename = "CreatedDateUTC")]
        pub created_date_utc: Option<Timestamp>,
        /// A Windows-like token, such as `NEWZEALANDSTANDARDTIME`.
        pub timezone: Option<String>,
        /// Such as `!mBdtL`; part of deep links into Xero.
        pub short_code: Option<String>,
        /// The plan, such as `PREMIUM`.
        pub class: Option<String>,
        /// `BUSINESS` or `PARTNER`.
        pub edition: Option<String>,
        /// Line of business, as free text.
        pub line_of_business: Option<String>,
        /// Addresses.
        pub addresses: Vec<Address>,
        /// Phones.
        pub phones: Vec<Phone>,
        /// Default payment terms; empty when not set.
        pub payment_terms: Option<PaymentTerms>,
    }
}

impl Entity for Organisation {
    const PATH: &'static str = "Organisation";
    const COLLECTION: &'static str = "Organisations";
    const ID: &'static str = "OrganisationID";
    const HAS_IMS: bool = false;
    const PAGED: bool = false;

    fn id(&self) -> Uuid {
        self.organisation_id
    }

    fn updated(&self) -> Option<Timestamp> {
        None
    }
}
