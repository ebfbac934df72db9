//! A contact as a request describes it: only what was sent.

use super::body::{BadBody, Fields};
use crate::books::{AddressType, ContactPerson, ContactStatus, CurrencyCode, PhoneType, Text};
use uuid::Uuid;

/// The keys of an address's texts after its four lines, in the order of [`SlotRequest::texts`].
const ADDRESS_KEYS: [&str; 9] = [
    "AddressLine1",
    "AddressLine2",
    "AddressLine3",
    "AddressLine4",
    "City",
    "Region",
    "PostalCode",
    "Country",
    "AttentionTo",
];
const PHONE_KEYS: [&str; 3] = ["PhoneNumber", "PhoneAreaCode", "PhoneCountryCode"];

/// One address or phone as sent: its type and its texts, `None` for those not sent.
#[derive(Debug, Clone)]
pub(super) struct SlotRequest<T, const N: usize> {
    pub(super) kind: T,
    pub(super) texts: [Option<String>; N],
}

/// A contact as sent, alone or inside a document.
#[derive(Debug, Clone, Default)]
pub(super) struct ContactRequest {
    pub(super) id: Option<Uuid>,
    pub(super) number: Option<String>,
    /// The number was sent as an empty text, which clears it on a contact that is named by its id.
    pub(super) clears_number: bool,
    pub(super) name: Option<String>,
    pub(super) account_number: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) company_number: Option<String>,
    pub(super) tax_number: Option<String>,
    pub(super) bank_account_details: Option<String>,
    pub(super) skype_user_name: Option<String>,
    pub(super) status: Option<ContactStatus>,
    pub(super) addresses: Option<Vec<SlotRequest<AddressType, 9>>>,
    pub(super) phones: Option<Vec<SlotRequest<PhoneType, 3>>>,
    pub(super) persons: Option<Vec<ContactPerson>>,
    pub(super) default_currency: Option<CurrencyCode>,
    pub(super) sales_default_account_code: Option<String>,
    pub(super) purchases_default_account_code: Option<String>,
    pub(super) receivable_tax_type: Option<String>,
    pub(super) payable_tax_type: Option<String>,
    /// Read-only, but echoed when the contact is refused.
    pub(super) is_customer: Option<bool>,
}

impl ContactRequest {
    pub(super) fn decode(fields: &Fields<'_>) -> Result<Self, BadBody> {
        let id = fields.id("ContactID")?;
        Ok(Self {
            id,
            clears_number: fields.text("ContactNumber")?.is_some_and(|text| text.trim().is_empty()),
            number: filled(fields.text("ContactNumber")?),
            name: filled(fields.text("Name")?),
            account_number: fields.text("AccountNumber")?,
            first_name: fields.text("FirstName")?,
            last_name: fields.text("LastName")?,
            email: fields.text("EmailAddress")?,
            company_number: fields.text("CompanyNumber")?,
            tax_number: fields.text("TaxNumber")?,
            bank_account_details: fields.text("BankAccountDetails")?,
            skype_user_name: fields.text("SkypeUserName")?,
            status: fields.word("ContactStatus", "ContactStatus", ContactStatus::parse)?,
            addresses: slots(fields, "Addresses", "AddressType", AddressType::parse, ADDRESS_KEYS)?,
            phones: slots(fields, "Phones", "PhoneType", PhoneType::parse, PHONE_KEYS)?,
            persons: persons(fields)?,
            default_currency: fields.word("DefaultCurrency", "CurrencyCode", CurrencyCode::parse)?,
            sales_default_account_code: fields.text("SalesDefaultAccountCode")?,
            purchases_default_account_code: fields.text("PurchasesDefaultAccountCode")?,
            receivable_tax_type: fields.text("AccountsReceivableTaxType")?,
            payable_tax_type: fields.text("AccountsPayableTaxType")?,
            is_customer: fields.flag("IsCustomer")?,
        })
    }

    /// Whether anything can tell which contact is meant.
    pub(super) fn is_identified(&self) -> bool {
        self.id.is_some() || self.number.is_some() || self.name.is_some()
    }

    /// Whether it says anything beyond which contact is meant.
    pub(super) fn has_details(&self) -> bool {
        let texts = [
            &self.account_number,
            &self.first_name,
            &self.last_name,
            &self.email,
            &self.company_number,
            &self.tax_number,
            &self.bank_account_details,
            &self.skype_user_name,
            &self.sales_default_account_code,
            &self.purchases_default_account_code,
            &self.receivable_tax_type,
            &self.payable_tax_type,
        ];
        texts.iter().any(|text| text.is_some())
            || self.addresses.as_ref().is_some_and(|slots| !slots.is_empty())
            || self.phones.as_ref().is_some_and(|slots| !slots.is_empty())
            || self.persons.as_ref().is_some_and(|persons| !persons.is_empty())
            || self.default_currency.is_some()
    }
}

/// An identifying text that is empty says nothing.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn slots<T, const N: usize>(
    fields: &Fields<'_>,
    list: &str,
    type_key: &str,
    parse: impl Fn(&str) -> Option<T>,
    keys: [&str; N],
) -> Result<Option<Vec<SlotRequest<T, N>>>, BadBody> {
    let Some(sent) = fields.objects(list)? else { return Ok(None) };
    let mut found = Vec::new();
    for slot in sent {
        // A slot without a type says nothing; other types (OFFICE, DELIVERY) belong to organisations.
        let Some(kind) = slot.word(type_key, type_key, &parse)? else { continue };
        let mut texts = [const { None }; N];
        for (text, key) in texts.iter_mut().zip(keys) {
            *text = slot.text(key)?;
        }
        found.push(SlotRequest { kind, texts });
    }
    Ok(Some(found))
}

fn persons(fields: &Fields<'_>) -> Result<Option<Vec<ContactPerson>>, BadBody> {
    let Some(sent) = fields.objects("ContactPersons")? else { return Ok(None) };
    let text = |person: &Fields<'_>, key: &str| person.text(key).map(|text| text.and_then(text_or_none));
    sent.iter()
        .map(|person| {
            Ok(ContactPerson {
                first_name: text(person, "FirstName")?,
                last_name: text(person, "LastName")?,
                email: text(person, "EmailAddress")?,
                include_in_emails: person.flag("IncludeInEmails")?.unwrap_or(false),
            })
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// A stored text: the empty text clears.
pub(super) fn text_or_none(text: String) -> Option<Text> {
    if text.is_empty() { None } else { Some(text.into()) }
}
