//! The local books as the API shows them; documents with line items are in `documents`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use model::{Kind, Ref};
use serde::Serialize;
use store::Listed;
use utoipa::ToSchema;
use uuid::Uuid;

use super::DecimalText;

/// What a page needs beside its rows: local ids of the records that it refers to, by kind and Xero id, and how its own
/// records stand.
#[derive(Debug)]
pub(crate) struct Known {
    ids: BTreeMap<(Kind, Uuid), i64>,
    standings: BTreeMap<i64, &'static str>,
}

impl Known {
    pub(crate) fn new(standings: BTreeMap<i64, &'static str>) -> Self {
        Self { ids: BTreeMap::new(), standings }
    }

    pub(crate) fn insert(&mut self, kind: Kind, xero: Uuid, local: i64) {
        self.ids.insert((kind, xero), local);
    }

    /// How a record stands between both sides.
    pub(super) fn standing(&self, id: i64) -> &'static str {
        self.standings.get(&id).copied().unwrap_or("SYNCED")
    }

    /// Local id and Xero id of what a field refers to.
    pub(super) fn ids(&self, kind: Kind, target: Option<Ref>) -> (Option<i64>, Option<Uuid>) {
        match target {
            None => (None, None),
            Some(Ref::Local(id)) => (Some(id), None),
            Some(Ref::Xero(id)) => (self.ids.get(&(kind, id)).copied(), Some(id)),
        }
    }
}

/// A record of the books that the API can show.
pub(crate) trait Shown: store::Books {
    /// How it is shown.
    type Dto: Serialize + Send;
    /// Shows it.
    fn show(listed: Listed<Self>, known: &Known) -> Self::Dto;
}

/// An amount that may be missing.
pub(super) fn decimal<T: Into<DecimalText>>(value: Option<T>) -> Option<DecimalText> {
    value.map(Into::into)
}

/// A customer, a supplier or both: Xero's contact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Customer {
    id: i64,
    xero_id: Option<Uuid>,
    name: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    contact_number: Option<String>,
    account_number: Option<String>,
    tax_number: Option<String>,
    company_number: Option<String>,
    default_currency: Option<String>,
    #[schema(example = "ACTIVE")]
    status: &'static str,
    is_customer: bool,
    is_supplier: bool,
    /// The contact in Xero that this one was merged into.
    merged_into: Option<Uuid>,
    phones: Vec<Phone>,
    addresses: Vec<Address>,
    /// Send it as `If-Match` to change the record.
    #[schema(example = "5f3a90c6e1b24d77a8e05c1f9b3d2e60")]
    version: String,
    /// `SYNCED`, `PENDING` (on its way, or waiting), `CONFLICT` or `FAILED` (refused, and listed with the reason).
    #[schema(example = "SYNCED")]
    sync_state: &'static str,
    updated_at: Timestamp,
}

/// A telephone number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phone {
    /// `DEFAULT`, `DDI`, `MOBILE` or `FAX`.
    r#type: &'static str,
    country_code: Option<String>,
    area_code: Option<String>,
    number: Option<String>,
}

/// An address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    /// `POBOX` (the postal address) or `STREET`.
    r#type: &'static str,
    attention_to: Option<String>,
    line1: Option<String>,
    line2: Option<String>,
    line3: Option<String>,
    line4: Option<String>,
    city: Option<String>,
    region: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
}

impl Shown for model::Customer {
    type Dto = Customer;

    fn show(listed: Listed<Self>, known: &Known) -> Customer {
        let row = listed.row;
        let version = sync::record_version(&row.record);
        let record = row.record;
        Customer {
            id: row.id,
            xero_id: listed.xero_id,
            name: record.name,
            first_name: record.first_name,
            last_name: record.last_name,
            email: record.email,
            contact_number: record.contact_number,
            account_number: record.account_number,
            tax_number: record.tax_number,
            company_number: record.company_number,
            default_currency: record.default_currency,
            status: record.status.as_str(),
            is_customer: record.is_customer,
            is_supplier: record.is_supplier,
            merged_into: record.merged_into,
            phones: record.phones.into_iter().map(Phone::from).collect(),
            addresses: record.addresses.into_iter().map(Address::from).collect(),
            version,
            sync_state: known.standing(row.id),
            updated_at: row.updated_at,
        }
    }
}

impl From<model::Phone> for Phone {
    fn from(phone: model::Phone) -> Self {
        let model::Phone { kind, country_code, area_code, number } = phone;
        Self { r#type: kind.as_str(), country_code, area_code, number }
    }
}

impl From<model::Address> for Address {
    fn from(address: model::Address) -> Self {
        Self {
            r#type: address.kind.as_str(),
            attention_to: address.attention_to,
            line1: address.line1,
            line2: address.line2,
            line3: address.line3,
            line4: address.line4,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country,
        }
    }
}

/// A payment against an invoice, a bill or a credit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    id: i64,
    xero_id: Option<Uuid>,
    invoice_id: Option<i64>,
    invoice_xero_id: Option<Uuid>,
    credit_note_id: Option<i64>,
    credit_note_xero_id: Option<Uuid>,
    prepayment_id: Option<i64>,
    prepayment_xero_id: Option<Uuid>,
    overpayment_id: Option<i64>,
    overpayment_xero_id: Option<Uuid>,
    account_id: Option<i64>,
    account_xero_id: Option<Uuid>,
    date: Option<Date>,
    /// In the currency of the document.
    amount: DecimalText,
    /// In the currency of the account.
    bank_amount: Option<DecimalText>,
    currency_rate: Option<DecimalText>,
    reference: Option<String>,
    /// `BANK_TRANSFER`, `CREDIT`, `OVERPAYMENT`, `PREPAYMENT` or `OTHER`.
    method: &'static str,
    /// Xero's own word.
    payment_type: Option<String>,
    /// `COMPLETED`, `CANCELLED` or `OTHER`.
    status: &'static str,
    xero_status: String,
    is_reconciled: bool,
    /// Send it as `If-Match` to change the record.
    #[schema(example = "5f3a90c6e1b24d77a8e05c1f9b3d2e60")]
    version: String,
    /// `SYNCED`, `PENDING` (on its way, or waiting), `CONFLICT` or `FAILED` (refused, and listed with the reason).
    #[schema(example = "SYNCED")]
    sync_state: &'static str,
    updated_at: Timestamp,
}

impl Shown for model::Payment {
    type Dto = Payment;

    fn show(listed: Listed<Self>, known: &Known) -> Payment {
        let row = listed.row;
        let version = sync::record_version(&row.record);
        let record = row.record;
        let (invoice_id, invoice_xero_id) = known.ids(Kind::Invoice, record.invoice);
        let (credit_note_id, credit_note_xero_id) = known.ids(Kind::CreditNote, record.credit_note);
        let (prepayment_id, prepayment_xero_id) = known.ids(Kind::Prepayment, record.prepayment);
        let (overpayment_id, overpayment_xero_id) = known.ids(Kind::Overpayment, record.overpayment);
        let (account_id, account_xero_id) = known.ids(Kind::Account, record.account);
        Payment {
            id: row.id,
            xero_id: listed.xero_id,
            invoice_id,
            invoice_xero_id,
            credit_note_id,
            credit_note_xero_id,
            prepayment_id,
            prepayment_xero_id,
            overpayment_id,
            overpayment_xero_id,
            account_id,
            account_xero_id,
            date: record.date,
            amount: record.amount.into(),
            bank_amount: decimal(record.bank_amount),
            currency_rate: decimal(record.currency_rate),
            reference: record.reference,
            method: record.method.as_str(),
            payment_type: record.payment_type,
            status: record.status.as_str(),
            xero_status: record.xero_status,
            is_reconciled: record.is_reconciled,
            version,
            sync_state: known.standing(row.id),
            updated_at: row.updated_at,
        }
    }
}

/// A ledger account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    id: i64,
    xero_id: Option<Uuid>,
    code: Option<String>,
    name: String,
    /// Xero's account type, for example `SALES` or `BANK`.
    r#type: String,
    /// `ASSET`, `EQUITY`, `EXPENSE`, `LIABILITY` or `REVENUE`.
    class: Option<String>,
    status: String,
    tax_type: Option<String>,
    description: Option<String>,
    system_account: Option<String>,
    enable_payments: bool,
    bank_account_number: Option<String>,
    bank_account_type: Option<String>,
    currency: Option<String>,
    updated_at: Timestamp,
}

impl Shown for model::Account {
    type Dto = Account;

    fn show(listed: Listed<Self>, _: &Known) -> Account {
        let row = listed.row;
        let record = row.record;
        Account {
            id: row.id,
            xero_id: listed.xero_id,
            code: record.code,
            name: record.name,
            r#type: record.r#type,
            class: record.class,
            status: record.status,
            tax_type: record.tax_type,
            description: record.description,
            system_account: record.system_account,
            enable_payments: record.enable_payments,
            bank_account_number: record.bank_account_number,
            bank_account_type: record.bank_account_type,
            currency: record.currency,
            updated_at: row.updated_at,
        }
    }
}

/// A tax rate. Xero has no id for it; `taxType` is its key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaxRate {
    id: i64,
    tax_type: String,
    name: String,
    status: String,
    /// In percent, compound components worked in.
    effective_rate: Option<DecimalText>,
    /// In percent, as shown to people.
    display_rate: Option<DecimalText>,
    applies_to_assets: bool,
    applies_to_equity: bool,
    applies_to_expenses: bool,
    applies_to_liabilities: bool,
    applies_to_revenue: bool,
    updated_at: Timestamp,
}

impl Shown for model::TaxRate {
    type Dto = TaxRate;

    fn show(listed: Listed<Self>, _: &Known) -> TaxRate {
        let row = listed.row;
        let record = row.record;
        TaxRate {
            id: row.id,
            tax_type: record.tax_type,
            name: record.name,
            status: record.status,
            effective_rate: decimal(record.effective_rate),
            display_rate: decimal(record.display_rate),
            applies_to_assets: record.applies_to_assets,
            applies_to_equity: record.applies_to_equity,
            applies_to_expenses: record.applies_to_expenses,
            applies_to_liabilities: record.applies_to_liabilities,
            applies_to_revenue: record.applies_to_revenue,
            updated_at: row.updated_at,
        }
    }
}
