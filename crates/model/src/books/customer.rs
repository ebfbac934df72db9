//! Customers and suppliers: Xero's contacts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::{Blank, Listed, record};
use crate::{CustomerStatus, Field, Keyed, List, Record};

/// Xero's four telephone slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PhoneType {
    /// The main number.
    #[default]
    Default,
    /// Direct dial.
    Ddi,
    /// Mobile.
    Mobile,
    /// Fax.
    Fax,
}

impl PhoneType {
    /// The name in the database and in Xero.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Ddi => "DDI",
            Self::Mobile => "MOBILE",
            Self::Fax => "FAX",
        }
    }

    /// The slot of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Default, Self::Ddi, Self::Mobile, Self::Fax].into_iter().find(|slot| slot.as_str() == text)
    }
}

/// Xero's two address slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AddressType {
    /// The postal address.
    #[default]
    Pobox,
    /// The street address.
    Street,
}

impl AddressType {
    /// The name in the database and in Xero.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pobox => "POBOX",
            Self::Street => "STREET",
        }
    }

    /// The slot of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pobox, Self::Street].into_iter().find(|slot| slot.as_str() == text)
    }
}

record! {
    /// One telephone number; a slot without any part is not kept.
    Phone {
        /// The slot.
        both kind: PhoneType,
        /// Country code, at most 20 characters.
        both country_code: Option<String>,
        /// Area code, at most 10 characters.
        both area_code: Option<String>,
        /// Number, at most 50 characters.
        both number: Option<String>,
    }
}

record! {
    /// One address; a slot without any part is not kept.
    Address {
        /// The slot.
        both kind: AddressType,
        /// For the attention of.
        both attention_to: Option<String>,
        /// First line.
        both line1: Option<String>,
        /// Second line.
        both line2: Option<String>,
        /// Third line.
        both line3: Option<String>,
        /// Fourth line.
        both line4: Option<String>,
        /// City.
        both city: Option<String>,
        /// Region or state.
        both region: Option<String>,
        /// Postal code.
        both postal_code: Option<String>,
        /// Country.
        both country: Option<String>,
    }
}

record! {
    /// A customer, a supplier or both.
    Customer {
        /// Name, at most 255 characters; Xero keeps it unique among active contacts.
        both name: String,
        /// First name of the primary person.
        both first_name: Option<String>,
        /// Last name of the primary person.
        both last_name: Option<String>,
        /// E-mail address.
        both email: Option<String>,
        /// The application's own key of this contact in Xero (`ContactNumber`).
        both contact_number: Option<String>,
        /// Account number, at most 50 characters.
        both account_number: Option<String>,
        /// Tax number, at most 50 characters.
        both tax_number: Option<String>,
        /// Company number, at most 50 characters.
        both company_number: Option<String>,
        /// Currency that new documents default to.
        both default_currency: Option<String>,
        /// Whether the contact is in use.
        both status: CustomerStatus,
        /// Has been invoiced; Xero sets it with the first sales document.
        xero is_customer: bool,
        /// Has billed us; Xero sets it with the first bill.
        xero is_supplier: bool,
        /// The contact that this one was merged into, in Xero.
        xero merged_into: Option<Uuid>,
        /// Up to four numbers, by slot.
        both phones: Vec<Phone>,
        /// Up to two addresses, by slot.
        both addresses: Vec<Address>,
    }
}

impl Listed for Phone {
    const LIST: Option<List> = Some(List::Phones);
}

impl Listed for Address {
    const LIST: Option<List> = Some(List::Addresses);
}

impl Phone {
    /// True if no part is filled, so that there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.country_code.is_blank() && self.area_code.is_blank() && self.number.is_blank()
    }
}

impl Address {
    /// True if no part is filled, so that there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        *self == Self { kind: self.kind, ..Self::default() }
    }
}

impl Record for Customer {
    const FIELDS: &'static [Field] = Self::TABLE;
    const KEYED: &'static [Keyed] =
        &[Keyed { field: "phones", key: "kind", parts: &[] }, Keyed { field: "addresses", key: "kind", parts: &[] }];

    fn is_live(&self) -> bool {
        self.status != CustomerStatus::Archived
    }
}
