//! Contacts: customers and suppliers in one list.

use uuid::Uuid;

use super::scalar::{Amount, Millis, Text, words};
use super::table::{Key, Row};

words! {
    /// Only ACTIVE contacts may be used on new documents; archiving is one way.
    ContactStatus {
        /// In use.
        Active = "ACTIVE",
        /// Hidden from lists, not editable over the API.
        Archived = "ARCHIVED",
        /// Asked to be forgotten.
        GdprRequest = "GDPRREQUEST",
    }
}

words! {
    /// The two address slots of a contact.
    AddressType {
        /// Where they are.
        Street = "STREET",
        /// Where post goes.
        PoBox = "POBOX",
    }
}

words! {
    /// The four phone slots of a contact.
    PhoneType {
        /// Main number.
        Default = "DEFAULT",
        /// Direct dial.
        Ddi = "DDI",
        /// Fax.
        Fax = "FAX",
        /// Mobile.
        Mobile = "MOBILE",
    }
}

/// One address slot. `None` fields were never set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Up to four lines.
    pub lines: [Option<Text>; 4],
    /// City.
    pub city: Option<Text>,
    /// Region or state.
    pub region: Option<Text>,
    /// Postal code.
    pub postal_code: Option<Text>,
    /// Country.
    pub country: Option<Text>,
    /// For the attention of.
    pub attention_to: Option<Text>,
}

/// One phone slot. `None` fields were never set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phone {
    /// Number without area and country.
    pub number: Option<Text>,
    /// Area code.
    pub area_code: Option<Text>,
    /// Country code.
    pub country_code: Option<Text>,
}

/// A person at a contact; at most five.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactPerson {
    /// First name.
    pub first_name: Option<Text>,
    /// Last name.
    pub last_name: Option<Text>,
    /// E-mail address.
    pub email: Option<Text>,
    /// Copied on e-mails.
    pub include_in_emails: bool,
}

/// A customer or supplier.
#[derive(Debug, Clone)]
pub struct Contact {
    /// Key.
    pub id: Uuid,
    /// Unique among ACTIVE contacts, regardless of case.
    pub name: Text,
    /// External key, unique; writable over the API only.
    pub number: Option<Text>,
    /// Free account number.
    pub account_number: Option<Text>,
    /// First name.
    pub first_name: Option<Text>,
    /// Last name.
    pub last_name: Option<Text>,
    /// E-mail address.
    pub email: Option<Text>,
    /// Company registration number.
    pub company_number: Option<Text>,
    /// Tax number.
    pub tax_number: Option<Text>,
    /// Bank account number.
    pub bank_account_details: Option<Text>,
    /// Website, read-only.
    pub website: Option<Text>,
    /// Skype name, an old field that still travels.
    pub skype_user_name: Option<Text>,
    /// Status.
    pub status: ContactStatus,
    /// STREET and POBOX, in the order of [`AddressType::ALL`].
    pub addresses: Box<[Address; 2]>,
    /// DEFAULT, DDI, FAX and MOBILE, in the order of [`PhoneType::ALL`].
    pub phones: Box<[Phone; 4]>,
    /// People, replaced as a whole on write.
    pub persons: Vec<ContactPerson>,
    /// Set by the first ACCREC document; does not bump `UpdatedDateUTC`.
    pub is_customer: bool,
    /// Set by the first ACCPAY document; does not bump `UpdatedDateUTC`.
    pub is_supplier: bool,
    /// Default currency.
    pub default_currency: Option<super::CurrencyCode>,
    /// Default account code on sales.
    pub sales_default_account_code: Option<Text>,
    /// Default account code on purchases.
    pub purchases_default_account_code: Option<Text>,
    /// Default tax type on sales.
    pub receivable_tax_type: Option<Text>,
    /// Default tax type on purchases.
    pub payable_tax_type: Option<Text>,
    /// Percentage, read-only.
    pub discount: Option<Amount>,
    /// The winner, on the loser of a merge.
    pub merged_to: Option<Uuid>,
    /// `UpdatedDateUTC`.
    pub updated: Millis,
}

impl Contact {
    /// An ACTIVE contact with a name and nothing else.
    pub fn new(id: Uuid, name: Text, now: Millis) -> Self {
        Self {
            id,
            name,
            number: None,
            account_number: None,
            first_name: None,
            last_name: None,
            email: None,
            company_number: None,
            tax_number: None,
            bank_account_details: None,
            website: None,
            skype_user_name: None,
            status: ContactStatus::Active,
            addresses: Box::default(),
            phones: Box::default(),
            persons: Vec::new(),
            is_customer: false,
            is_supplier: false,
            default_currency: None,
            sales_default_account_code: None,
            purchases_default_account_code: None,
            receivable_tax_type: None,
            payable_tax_type: None,
            discount: None,
            merged_to: None,
            updated: now,
        }
    }
}

impl Row for Contact {
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
        keys.extend(self.number.as_deref().map(|number| Key::text("number", number)));
    }
}
