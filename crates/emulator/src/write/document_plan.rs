//! What a described invoice, bill or credit note means: the document that it becomes, or why not.

use jiff::civil::Date;
use uuid::Uuid;

use super::contact_plan::{self, ContactPlan};
use super::document_request::DocumentRequest;
use super::documents::{Document, Family};
use super::lines::{self, LineRules};
use super::rules::{
    FROZEN, NO_CONTACT, NO_LINES, PAID_LINE_WITHOUT_ID, SENT_TO_CONTACT, check_currency, check_length,
    check_lock_dates, check_url, day_rate,
};
use super::{Writer, contact_request};
use crate::books::{Amount, Discount, DocumentStatus, Line, LineAmountTypes, Rate};
use crate::money;

/// What stands on a stored document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// A live payment, refund or allocation.
    pub(super) in_part: bool,
    /// An allocated credit note, which ties the document to its contact.
    pub(super) by_credit: bool,
}

/// A document that passed every check and only has to be stored.
#[derive(Debug)]
pub(super) struct DocumentPlan {
    pub(super) document: Document,
    pub(super) contact: Option<ContactPlan>,
    pub(super) warnings: Vec<String>,
    /// Only the due date or the sent mark of a part-paid document changes: `UpdatedDateUTC` stays.
    pub(super) is_quiet: bool,
}

/// A refused document: as far as it was understood, and why not.
#[derive(Debug)]
pub(super) struct DocumentRefusal {
    pub(super) document: Box<Document>,
    pub(super) messages: Vec<String>,
}

/// Plans a document. `stored` is the row to update, or nothing for a new one.
pub(super) fn plan(
    writer: &mut Writer<'_>,
    family: Family,
    request: &DocumentRequest,
    stored: Option<(&Document, Settled)>,
) -> Result<DocumentPlan, DocumentRefusal> {
    let (base, settled) = match stored {
        Some((document, settled)) => (document.clone(), settled),
        None => (Document::blank(writer, family, request), Settled::default()),
    };
    let mut document = base.clone();
    document.status = request.status.unwrap_or(base.status);
    let refused =
        |document: &Document, messages: Vec<String>| DocumentRefusal { document: Box::new(document.clone()), messages };
    let allowed = match stored {
        Some(_) => check_transition(family, base.status, request.status, settled),
        None => check_creation(family, document.status),
    };
    if let Err(message) = allowed {
        return Err(refused(&document, vec![message]));
    }
    let mut messages = Vec::new();
    if matches!(document.status, DocumentStatus::Voided | DocumentStatus::Deleted) {
        // Nothing else of the request counts when the document goes.
        messages.extend(check_lock_dates(writer, base.date));
        return if messages.is_empty() {
            Ok(DocumentPlan { document, contact: None, warnings: Vec::new(), is_quiet: false })
        } else {
            Err(refused(&document, messages))
        };
    }
    if stored.is_some() && request.is_sale.is_some_and(|is_sale| is_sale != base.is_sale) {
        // The words are not documented.
        messages.push("The Type of an existing document cannot be changed".into());
    } else if stored.is_none() && request.is_sale.is_none() {
        messages.push("The Type of the document must be specified".into());
    }
    let contact = merge_contact(writer, &mut document, request, &mut messages);
    let mut warnings = Vec::new();
    merge_header(writer, family, &mut document, request, &mut messages, &mut warnings);
    merge_money(writer, family, &mut document, request, &base, &mut messages);
    let date_refusal = check_lock_dates(writer, document.date)
        .or_else(|| if stored.is_some() { check_lock_dates(writer, base.date) } else { None });
    messages.extend(date_refusal);
    if settled.in_part {
        check_frozen(&base, &document, request, settled, &mut messages);
    }
    if !messages.is_empty() {
        return Err(refused(&document, messages));
    }
    let is_quiet = settled.in_part && contact.is_none() && is_same_but_quiet(&base, &document);
    Ok(DocumentPlan { document, contact, warnings, is_quiet })
}

fn check_creation(family: Family, status: DocumentStatus) -> Result<(), String> {
    use DocumentStatus::{Authorised, Draft, Submitted};
    if matches!(status, Draft | Submitted | Authorised) {
        Ok(())
    } else {
        Err(format!("{} not of valid status for creation", family.noun()))
    }
}

/// The status machine of documents. `to` is the status in the request, if there is one.
fn check_transition(
    family: Family,
    from: DocumentStatus,
    to: Option<DocumentStatus>,
    settled: Settled,
) -> Result<(), String> {
    use DocumentStatus::{Authorised, Deleted, Draft, Paid, Submitted, Voided};
    let illegal = || Err(format!("{} not of valid status for modification", family.noun()));
    let has_payments = |status: DocumentStatus| {
        Err(format!(
            "The status {} cannot be applied to the {} because it has payments or credit notes allocated to it.",
            status.as_str(),
            family.noun().to_lowercase()
        ))
    };
    match (from, to) {
        (Voided | Deleted, _) => illegal(),
        (_, None) => Ok(()),
        (Draft | Submitted, Some(Draft | Submitted | Authorised | Deleted)) => Ok(()),
        (Draft | Submitted, Some(Voided | Paid)) => illegal(),
        (Authorised, Some(Authorised)) | (Paid, Some(Paid)) => Ok(()),
        (Authorised, Some(Voided)) if !settled.in_part => Ok(()),
        (Authorised, Some(to @ (Draft | Submitted | Voided))) if settled.in_part => has_payments(to),
        (Authorised, Some(_)) => illegal(),
        (Paid, Some(to @ (Draft | Submitted | Authorised | Voided))) => has_payments(to),
        (Paid, Some(Deleted)) => illegal(),
    }
}

fn merge_contact(
    writer: &mut Writer<'_>,
    document: &mut Document,
    request: &DocumentRequest,
    messages: &mut Vec<String>,
) -> Option<ContactPlan> {
    let Some(sent) = &request.contact else {
        if document.contact.is_nil() {
            messages.push(NO_CONTACT.into());
        }
        return None;
    };
    match contact_plan::plan_embedded(writer, sent) {
        Ok(plan) => {
            document.contact = plan.id();
            Some(plan)
        }
        Err(refusal) => {
            document.contact = refusal.id.or(sent.id).unwrap_or(document.contact);
            messages.extend(refusal.messages);
            None
        }
    }
}

fn merge_header(
    writer: &Writer<'_>,
    family: Family,
    document: &mut Document,
    request: &DocumentRequest,
    messages: &mut Vec<String>,
    warnings: &mut Vec<String>,
) {
    if let Some(number) = &request.number {
        check_number(writer, family, document, number, messages);
    }
    check_length(messages, "Reference", request.reference.as_deref(), 255);
    if let Some(reference) = request.reference.as_ref().filter(|_| document.is_sale) {
        document.reference = contact_request::text_or_none(reference.clone());
    }
    document.date = request.date.unwrap_or(document.date);
    document.due_date = request.due_date.or(document.due_date);
    if family == Family::Invoice {
        check_url(messages, request.url.as_deref().filter(|url| !url.is_empty()));
        if let Some(url) = &request.url {
            document.url = contact_request::text_or_none(url.clone());
        }
        if document.is_sale {
            document.expected_payment_date = request.expected_payment_date.or(document.expected_payment_date);
        } else {
            document.planned_payment_date = request.planned_payment_date.or(document.planned_payment_date);
        }
    }
    if let Some(theme) = request.branding_theme.filter(|_| document.is_sale) {
        if writer.books.themes.iter().any(|row| row.id == theme) {
            document.branding_theme = Some(theme);
        } else {
            // The words are not documented.
            messages.push("The branding theme could not be found".into());
        }
    }
    if let Some(sent) = request.sent_to_contact.filter(|sent| *sent != document.sent_to_contact) {
        if matches!(document.status, DocumentStatus::Authorised | DocumentStatus::Paid) && document.is_sale {
            document.sent_to_contact = sent;
        } else {
            warnings.push(SENT_TO_CONTACT.into());
        }
    }
}

/// Customers' documents have unique numbers; suppliers' are free, and may be empty.
fn check_number(
    writer: &Writer<'_>,
    family: Family,
    document: &mut Document,
    number: &str,
    messages: &mut Vec<String>,
) {
    let what = family.number_key();
    check_length(messages, what, Some(number), 255);
    if !number.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        messages.push(format!("{what} must consist of printable ASCII characters"));
    }
    if number.is_empty() {
        if !document.is_sale {
            document.number = None;
        }
        return;
    }
    if document.is_sale && family.number_holder(writer, number, document.id).is_some() {
        messages.push(format!("{} # must be unique.", family.noun()));
    }
    document.number = Some(number.into());
}

/// Currency, lines, totals.
fn merge_money(
    writer: &Writer<'_>,
    family: Family,
    document: &mut Document,
    request: &DocumentRequest,
    base: &Document,
    messages: &mut Vec<String>,
) {
    merge_currency(writer, document, request, messages);
    document.line_amount_types = request.line_amount_types.unwrap_or(base.line_amount_types);
    let is_approved = matches!(document.status, DocumentStatus::Authorised | DocumentStatus::Paid);
    let rules = LineRules {
        types: document.line_amount_types,
        takes_discounts: family == Family::Invoice && document.is_sale,
        tax_must_match: false,
        counts_must_be_positive: false,
        needs_account: is_approved,
        control: None,
    };
    match &request.lines {
        Some(sent) => {
            document.lines = lines::build(writer, sent, &base.lines, &rules, messages);
        }
        None => {
            if document.line_amount_types != base.line_amount_types {
                lines::tax_again(writer, &mut document.lines, document.line_amount_types);
            }
            let uncoded = |line: &Line| line.account.is_none() && !line.line_amount.is_zero();
            if is_approved && base.status != document.status && document.lines.iter().any(uncoded) {
                messages.push(super::rules::ACCOUNT_INVALID.into());
            }
        }
    }
    if document.lines.is_empty() {
        messages.push(NO_LINES.into());
    }
    document.add_up(writer.settings.rounding);
    if is_approved && document.totals.total < Amount::ZERO {
        // The words are not documented.
        messages.push("The document total must not be negative".into());
    }
    if document.totals.total.0.unsigned_abs() > money::MAX_LINE_AMOUNT.0.unsigned_abs() {
        messages.push(format!("The document total must not exceed {}", money::fixed2(money::MAX_LINE_AMOUNT)));
    }
}

fn merge_currency(writer: &Writer<'_>, document: &mut Document, request: &DocumentRequest, messages: &mut Vec<String>) {
    let before = document.currency;
    if let Some(currency) = request.currency {
        messages.extend(check_currency(writer, currency));
        document.currency = currency;
    }
    if document.currency == writer.books.organisation.base_currency {
        document.currency_rate = Rate::ONE;
    } else if let Some(rate) = request.currency_rate {
        if rate.0 > 0 {
            document.currency_rate = rate;
        } else {
            messages.push("The currency rate must be greater than zero".into());
        }
    } else if document.currency != before || document.id.is_nil() {
        document.currency_rate = day_rate(writer, document.currency);
    }
}

/// On a part- or fully-paid document only the white list may change, and lines only by their ids.
fn check_frozen(
    base: &Document,
    document: &Document,
    request: &DocumentRequest,
    settled: Settled,
    messages: &mut Vec<String>,
) {
    if request.lines.as_ref().is_some_and(|lines| lines.iter().any(|line| line.id.is_none())) {
        messages.push(PAID_LINE_WITHOUT_ID.into());
        return;
    }
    let contact_tied = settled.by_credit && base.contact != document.contact;
    let same_header = base.date == document.date
        && base.line_amount_types == document.line_amount_types
        && base.currency == document.currency
        && base.currency_rate == document.currency_rate
        && base.expected_payment_date == document.expected_payment_date;
    let same_lines = base.lines.len() == document.lines.len()
        && base.lines.iter().zip(&document.lines).all(|(old, new)| {
            old.id == new.id
                && old.quantity == new.quantity
                && old.unit_amount == new.unit_amount
                && old.line_amount == new.line_amount
                && old.discount == new.discount
                && old.tax_amount == new.tax_amount
                && old.tax_type == new.tax_type
        });
    if contact_tied || !same_header || !same_lines {
        messages.push(FROZEN.into());
    }
}

/// Whether nothing differs but the due date and the sent mark, which make no journal and so bump no time stamp.
fn is_same_but_quiet(base: &Document, document: &Document) -> bool {
    let differs_quietly = base.due_date != document.due_date || base.sent_to_contact != document.sent_to_contact;
    let same_header = base.number == document.number
        && base.reference == document.reference
        && base.contact == document.contact
        && base.branding_theme == document.branding_theme
        && base.url == document.url
        && base.expected_payment_date == document.expected_payment_date
        && base.planned_payment_date == document.planned_payment_date
        && base.status == document.status;
    let same_lines = base.lines.iter().zip(&document.lines).all(|(old, new)| {
        old.description == new.description && old.account == new.account && old.tracking == new.tracking
    });
    differs_quietly && same_header && same_lines
}

impl Document {
    /// A new document with Xero's defaults.
    fn blank(writer: &Writer<'_>, family: Family, request: &DocumentRequest) -> Self {
        let is_sale = request.is_sale.unwrap_or(true);
        let today = writer.today;
        let date: Date = request.date.unwrap_or(today);
        let theme = writer.books.themes.first().map(|theme| theme.id);
        Self {
            id: Uuid::nil(),
            is_sale,
            number: None,
            reference: None,
            contact: Uuid::nil(),
            date,
            due_date: (family == Family::Invoice).then(|| today.max(date)),
            status: DocumentStatus::Draft,
            line_amount_types: LineAmountTypes::Exclusive,
            lines: Vec::new(),
            totals: money::Totals::default(),
            total_discount: Amount::ZERO,
            currency: writer.books.organisation.base_currency,
            currency_rate: Rate::ONE,
            sent_to_contact: false,
            branding_theme: theme.filter(|_| is_sale),
            url: None,
            expected_payment_date: None,
            planned_payment_date: None,
        }
    }

    fn add_up(&mut self, rounding: crate::config::Rounding) {
        let figures = self.lines.iter().map(|line| (line.line_amount, line.tax_amount));
        self.totals = money::totals(self.line_amount_types, figures);
        self.total_discount = self
            .lines
            .iter()
            .filter(|line| line.discount != Discount::None)
            .map(|line| {
                let figures = money::LineFigures {
                    quantity: line.quantity,
                    unit_amount: line.unit_amount,
                    line_amount: line.line_amount,
                };
                money::discount_of(&figures, rounding)
            })
            .sum();
    }
}
