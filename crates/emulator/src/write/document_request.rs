//! An invoice, bill or credit note as a request describes it: only what was sent.

use jiff::civil::Date;
use uuid::Uuid;

use super::Writer;
use super::body::{BadBody, Fields};
use super::contact_request::ContactRequest;
use super::documents::Family;
use super::line_request::{LineRequest, decode_lines};
use crate::books::{CreditType, CurrencyCode, DocumentStatus, InvoiceType, LineAmountTypes, Rate};

/// A document as sent.
#[derive(Debug, Clone, Default)]
pub(super) struct DocumentRequest {
    pub(super) id: Option<Uuid>,
    /// Whether it is a customer's document (else a supplier's).
    pub(super) is_sale: Option<bool>,
    pub(super) number: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) contact: Option<ContactRequest>,
    pub(super) date: Option<Date>,
    pub(super) due_date: Option<Date>,
    pub(super) status: Option<DocumentStatus>,
    pub(super) line_amount_types: Option<LineAmountTypes>,
    pub(super) lines: Option<Vec<LineRequest>>,
    pub(super) currency: Option<CurrencyCode>,
    pub(super) currency_rate: Option<Rate>,
    pub(super) sent_to_contact: Option<bool>,
    pub(super) branding_theme: Option<Uuid>,
    pub(super) url: Option<String>,
    pub(super) expected_payment_date: Option<Date>,
    pub(super) planned_payment_date: Option<Date>,
}

impl DocumentRequest {
    pub(super) fn decode(fields: &Fields<'_>, writer: &Writer<'_>, family: Family) -> Result<Self, BadBody> {
        let is_sale = match family {
            Family::Invoice => fields
                .word("Type", "InvoiceType", |word| InvoiceType::parse(word).map(|kind| kind == InvoiceType::AccRec))?,
            Family::CreditNote => fields.word("Type", "CreditNoteType", |word| match CreditType::parse(word) {
                Some(CreditType::AccRecCredit) => Some(true),
                Some(CreditType::AccPayCredit) => Some(false),
                _ => None,
            })?,
        };
        Ok(Self {
            id: fields.id(family.id_key())?,
            is_sale,
            number: fields.text(family.number_key())?,
            reference: fields.text("Reference")?,
            contact: fields.object("Contact")?.map(|contact| ContactRequest::decode(&contact)).transpose()?,
            date: fields.date("Date")?,
            due_date: fields.date("DueDate")?,
            status: fields.word("Status", "InvoiceStatus", DocumentStatus::parse)?,
            line_amount_types: fields.word("LineAmountTypes", "LineAmountType", LineAmountTypes::parse)?,
            lines: decode_lines(fields, writer.unit_dp)?,
            currency: fields.word("CurrencyCode", "CurrencyCode", CurrencyCode::parse)?,
            currency_rate: fields.rate("CurrencyRate")?,
            sent_to_contact: fields.flag("SentToContact")?,
            branding_theme: fields.id("BrandingThemeID")?,
            url: fields.text("Url")?,
            expected_payment_date: fields.date("ExpectedPaymentDate")?,
            planned_payment_date: fields.date("PlannedPaymentDate")?,
        })
    }
}
