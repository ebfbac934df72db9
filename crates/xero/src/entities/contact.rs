//! Contacts: customers and suppliers.

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Address, Entity, Param, PaymentTerms, Phone, Writable};
use crate::wire::{model, open_enum};

open_enum! {
    /// Whether a contact can be used on new documents.
    pub enum ContactStatus {
        Active = "ACTIVE",
        Archived = "ARCHIVED",
        GdprRequest = "GDPRREQUEST",
    }
}

model! {
    /// A customer, a supplier or both. Lists without pages leave out balances and merges; this crate always asks for pages.
    pub struct Contact {
        required {
            /// The key. Never key on the name.
            #[serde(rename = "ContactID")]
            pub contact_id: Uuid,
        }
        /// Set on the loser of a merge in Xero's UI: the contact that it became part of.
        #[serde(rename = "MergedToContactID")]
        pub merged_to_contact_id: Option<Uuid>,
        /// An external key, settable by the API only; unique.
        pub contact_number: Option<String>,
        /// The user's own account number for the contact.
        pub account_number: Option<String>,
        /// Whether the contact can be used.
        pub contact_status: Option<ContactStatus>,
        /// Unique among active contacts, without regard to case.
        pub name: Option<String>,
        /// First name of the primary person.
        pub first_name: Option<String>,
        /// Last name of the primary person.
        pub last_name: Option<String>,
        /// Company registration number.
        pub company_number: Option<String>,
        /// E-mail address of the primary person.
        pub email_address: Option<String>,
        /// At most 5 further people.
        pub contact_persons: Vec<ContactPerson>,
        /// Bank account, as free text.
        pub bank_account_details: Option<String>,
        /// Tax number.
        pub tax_number: Option<String>,
        /// Default tax type for sales.
        pub accounts_receivable_tax_type: Option<String>,
        /// Default tax type for purchases.
        pub accounts_payable_tax_type: Option<String>,
        /// Two slots, `STREET` and `POBOX`, in either order.
        pub addresses: Vec<Address>,
        /// Four slots, `DEFAULT`, `DDI`, `FAX` and `MOBILE`, in any order.
        pub phones: Vec<Phone>,
        /// Set by the first bill. Changing it does not move `UpdatedDateUTC`.
        pub is_supplier: Option<bool>,
        /// Set by the first invoice. Changing it does not move `UpdatedDateUTC`.
        pub is_customer: Option<bool>,
        /// Default currency, ISO 4217.
        pub default_currency: Option<String>,
        /// `INCLUSIVE`, `EXCLUSIVE` or `NONE`, in capitals here.
        pub sales_default_line_amount_type: Option<String>,
        /// `INCLUSIVE`, `EXCLUSIVE` or `NONE`, in capitals here.
        pub purchases_default_line_amount_type: Option<String>,
        /// Default account for sales.
        pub sales_default_account_code: Option<String>,
        /// Default account for purchases.
        pub purchases_default_account_code: Option<String>,
        /// Payment terms.
        pub payment_terms: Option<PaymentTerms>,
        /// Groups that the contact is in.
        pub contact_groups: Vec<ContactGroupRef>,
        /// Web site.
        pub website: Option<String>,
        /// Default discount in percent.
        pub discount: Option<Decimal>,
        /// What is owed, in the contact's currency. Changing it does not move `UpdatedDateUTC`.
        pub balances: Option<Balances>,
        /// Whether there are attachments.
        pub has_attachments: Option<bool>,
        /// When the contact was last changed.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
    }
}

model! {
    /// A further person at a contact.
    pub struct ContactPerson {
        /// First name.
        pub first_name: Option<String>,
        /// Last name.
        pub last_name: Option<String>,
        /// E-mail address.
        pub email_address: Option<String>,
        /// Whether invoices are sent to this person too.
        pub include_in_emails: Option<bool>,
    }
}

model! {
    /// A reference to a contact group.
    pub struct ContactGroupRef {
        /// The group's id.
        #[serde(rename = "ContactGroupID")]
        pub contact_group_id: Option<Uuid>,
        /// The group's name.
        pub name: Option<String>,
        /// `ACTIVE` or `DELETED`.
        pub status: Option<String>,
    }
}

model! {
    /// What a contact owes and is owed.
    pub struct Balances {
        /// Sales.
        pub accounts_receivable: Option<Balance>,
        /// Purchases.
        pub accounts_payable: Option<Balance>,
    }
}

model! {
    /// One side of a contact's balances.
    pub struct Balance {
        /// Not yet paid.
        pub outstanding: Option<Decimal>,
        /// Not yet paid and past its due date.
        pub overdue: Option<Decimal>,
    }
}

model! {
    /// A contact as it is sent. What is not sent stays as it is.
    pub struct ContactWrite {
        /// The contact to update; left out, Xero matches by number and name.
        #[serde(rename = "ContactID")]
        pub contact_id: Option<Uuid>,
        /// An external key.
        pub contact_number: Option<String>,
        /// The user's own account number for the contact.
        pub account_number: Option<String>,
        /// `ARCHIVED` archives; an archived contact cannot be changed by the API any more.
        pub contact_status: Option<ContactStatus>,
        /// Required on create.
        pub name: Option<String>,
        /// First name of the primary person.
        pub first_name: Option<String>,
        /// Last name of the primary person.
        pub last_name: Option<String>,
        /// Company registration number.
        pub company_number: Option<String>,
        /// E-mail address of the primary person.
        pub email_address: Option<String>,
        /// Replaces the whole list.
        pub contact_persons: Option<Vec<ContactPerson>>,
        /// Bank account, as free text.
        pub bank_account_details: Option<String>,
        /// Tax number.
        pub tax_number: Option<String>,
        /// Merged by type.
        pub addresses: Option<Vec<Address>>,
        /// Merged by type.
        pub phones: Option<Vec<Phone>>,
        /// Default currency.
        pub default_currency: Option<String>,
    }
}

impl Entity for Contact {
    const PATH: &'static str = "Contacts";
    const COLLECTION: &'static str = "Contacts";
    const ID: &'static str = "ContactID";
    const HAS_IMS: bool = true;
    const PAGED: bool = true;
    const PARAMS: &'static [Param] = &[Param::Ids, Param::IncludeArchived, Param::SummaryOnly, Param::SearchTerm];

    fn id(&self) -> Uuid {
        self.contact_id
    }

    fn updated(&self) -> Option<Timestamp> {
        self.updated_date_utc
    }
}

impl Writable for Contact {
    type Write = ContactWrite;
}
