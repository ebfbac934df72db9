//! Bank transactions: money spent and received, and the prepayments and overpayments that are made by them.

use jiff::civil::Date;
use uuid::Uuid;

use super::answer::{Failure, Outcome};
use super::body::{BadBody, Fields};
use super::contact_plan::{self, ContactPlan};
use super::contact_request::{ContactRequest, text_or_none};
use super::line_request::{LineRequest, decode_lines};
use super::lines::{self, LineRules};
use super::rules::{
    ACCOUNT_INVALID, DOCUMENT_UNKNOWN, NO_CONTACT, NO_LINES, check_currency, check_length, check_lock_dates, check_url,
    day_rate,
};
use super::{Verb, Writer, each, only, path_id};
use crate::books::{
    Account, AccountType, Amount, BankTransaction, BankTransactionStatus, BankTransactionType, Credit, CreditType,
    CurrencyCode, DocumentStatus, LineAmountTypes, Rate, ReferenceStatus,
};
use crate::http::Response;
use crate::money;
use crate::render::{self, Object, Shape};

/// A bank transaction as sent.
#[derive(Debug, Clone)]
struct BankRequest {
    id: Option<Uuid>,
    kind: Option<BankTransactionType>,
    contact: Option<ContactRequest>,
    account_id: Option<Uuid>,
    account_code: Option<String>,
    date: Option<Date>,
    reference: Option<String>,
    status: Option<BankTransactionStatus>,
    is_reconciled: Option<bool>,
    line_amount_types: Option<LineAmountTypes>,
    lines: Option<Vec<LineRequest>>,
    currency: Option<CurrencyCode>,
    currency_rate: Option<Rate>,
    url: Option<String>,
}

impl BankRequest {
    fn decode(fields: &Fields<'_>, writer: &Writer<'_>) -> Result<Self, BadBody> {
        let account = fields.object("BankAccount")?;
        let code = account.as_ref().map_or(Ok(None), |part| part.text("Code"))?;
        Ok(Self {
            id: fields.id("BankTransactionID")?,
            kind: fields.word("Type", "BankTransactionType", BankTransactionType::parse)?,
            contact: fields.object("Contact")?.map(|contact| ContactRequest::decode(&contact)).transpose()?,
            account_id: account.as_ref().map_or(Ok(None), |part| part.id("AccountID"))?,
            account_code: code.filter(|code| !code.is_empty()),
            date: fields.date("Date")?,
            reference: fields.text("Reference")?,
            status: fields.word("Status", "BankTransactionStatus", BankTransactionStatus::parse)?,
            is_reconciled: fields.flag("IsReconciled")?,
            line_amount_types: fields.word("LineAmountTypes", "LineAmountType", LineAmountTypes::parse)?,
            lines: decode_lines(fields, writer.unit_dp)?,
            currency: fields.word("CurrencyCode", "CurrencyCode", CurrencyCode::parse)?,
            currency_rate: fields.rate("CurrencyRate")?,
            url: fields.text("Url")?,
        })
    }
}

pub(super) fn write(writer: &mut Writer<'_>, body: &[u8], verb: Verb) -> Result<Response, Failure> {
    each(writer, body, "BankTransactions", BankRequest::decode, |writer, request| {
        let known = request.id.filter(|id| writer.books.bank_transactions.get(*id).is_some());
        Ok(match (verb, known) {
            (Verb::Upsert, Some(id)) => update(writer, id, &request),
            (Verb::Create, Some(_)) => refused(writer, None, &request, vec![invalid_status("creation")]),
            (Verb::Upsert, None) if request.id.is_some() => {
                refused(writer, None, &request, vec![DOCUMENT_UNKNOWN.into()])
            }
            (_, None) => create(writer, &request),
        })
    })
}

/// `POST /BankTransactions/{BankTransactionID}`.
pub(super) fn write_one(writer: &mut Writer<'_>, body: &[u8], id: &str) -> Result<Response, Failure> {
    let found = path_id(id).filter(|id| writer.books.bank_transactions.get(*id).is_some()).ok_or(Failure::Gone)?;
    only(writer, body, "BankTransactions", BankRequest::decode, |writer, request| Ok(update(writer, found, &request)))
}

/// The words follow those of invoices; they are not documented for bank transactions.
fn invalid_status(deed: &str) -> String {
    format!("Bank transaction not of valid status for {deed}")
}

fn create(writer: &mut Writer<'_>, request: &BankRequest) -> Outcome {
    let mut messages = Vec::new();
    if request.status.is_some_and(|status| status != BankTransactionStatus::Authorised) {
        messages.push(invalid_status("creation"));
    }
    match request.kind {
        None => messages.push("The Type of the bank transaction must be specified".into()),
        Some(BankTransactionType::ReceiveTransfer | BankTransactionType::SpendTransfer) => {
            messages.push("Transfers can only be made through the BankTransfers endpoint".into());
        }
        Some(_) => {}
    }
    let base = writer.books.organisation.base_currency;
    let row = BankTransaction {
        id: Uuid::nil(),
        kind: request.kind.unwrap_or(BankTransactionType::Spend),
        contact: None,
        bank_account: Uuid::nil(),
        date: writer.today,
        reference: None,
        status: BankTransactionStatus::Authorised,
        is_reconciled: request.is_reconciled.unwrap_or(false),
        line_amount_types: default_types(request.kind),
        lines: Vec::new(),
        sub_total: Amount::ZERO,
        total_tax: Amount::ZERO,
        total: Amount::ZERO,
        currency: base,
        currency_rate: Rate::ONE,
        url: None,
        prepayment: None,
        overpayment: None,
        updated: writer.now,
    };
    let (mut row, contact) = merge(writer, row, request, &mut messages);
    if !messages.is_empty() {
        return refused(writer, Some(&row), request, messages);
    }
    row.contact = contact.map(|plan| contact_plan::commit(writer, plan));
    row.id = writer.books.next_id();
    for line in row.lines.iter_mut().filter(|line| line.id.is_nil()) {
        line.id = writer.books.next_id();
    }
    make_credit(writer, &mut row);
    let id = row.id;
    writer.books.bank_transactions.insert(row);
    saved(writer, id)
}

fn update(writer: &mut Writer<'_>, id: Uuid, request: &BankRequest) -> Outcome {
    let Some(stored) = writer.books.bank_transactions.get(id).cloned() else {
        return refused(writer, None, request, vec![DOCUMENT_UNKNOWN.into()]);
    };
    let is_plain = matches!(stored.kind, BankTransactionType::Spend | BankTransactionType::Receive);
    let changes_kind = request.kind.is_some_and(|kind| kind != stored.kind);
    let becomes_void = request.status == Some(BankTransactionStatus::Voided);
    if stored.status != BankTransactionStatus::Authorised || !is_plain || changes_kind || becomes_void {
        return refused(writer, Some(&stored), request, vec![invalid_status("modification")]);
    }
    if stored.is_reconciled {
        let message = "This bank transaction cannot be edited as it has been reconciled with a bank statement line.";
        return refused(writer, Some(&stored), request, vec![message.into()]);
    }
    let mut messages = Vec::new();
    messages.extend(check_lock_dates(writer, stored.date));
    if request.status == Some(BankTransactionStatus::Deleted) {
        if !messages.is_empty() {
            return refused(writer, Some(&stored), request, messages);
        }
        let now = writer.now;
        writer.books.bank_transactions.change(id, now, |row| row.status = BankTransactionStatus::Deleted);
        return saved(writer, id);
    }
    let contact_before = stored.contact;
    let lines_before = stored.lines.clone();
    let (mut row, contact) = merge(writer, stored, request, &mut messages);
    if !messages.is_empty() {
        return refused(writer, Some(&row), request, messages);
    }
    row.contact = contact.map(|plan| contact_plan::commit(writer, plan)).or(contact_before);
    writer.notes.lines_recreated += lines::recreated(&lines_before, &row.lines);
    for line in row.lines.iter_mut().filter(|line| line.id.is_nil()) {
        line.id = writer.books.next_id();
    }
    let now = writer.now;
    writer.books.bank_transactions.change(id, now, |old| {
        let updated = old.updated;
        *old = BankTransaction { updated, ..row };
    });
    saved(writer, id)
}

/// Overpayments have no tax; everything else is Inclusive unless told.
fn default_types(kind: Option<BankTransactionType>) -> LineAmountTypes {
    match kind {
        Some(BankTransactionType::ReceiveOverpayment | BankTransactionType::SpendOverpayment) => LineAmountTypes::NoTax,
        _ => LineAmountTypes::Inclusive,
    }
}

/// The row that a request makes of `row`. Refusals go to `messages`.
fn merge(
    writer: &mut Writer<'_>,
    mut row: BankTransaction,
    request: &BankRequest,
    messages: &mut Vec<String>,
) -> (BankTransaction, Option<ContactPlan>) {
    let contact = match &request.contact {
        None if row.contact.is_none() => {
            messages.push(NO_CONTACT.into());
            None
        }
        None => None,
        Some(sent) => match contact_plan::plan_embedded(writer, sent) {
            Ok(plan) => Some(plan),
            Err(refusal) => {
                messages.extend(refusal.messages);
                None
            }
        },
    };
    merge_account(writer, &mut row, request, messages);
    row.date = request.date.unwrap_or(row.date);
    messages.extend(check_lock_dates(writer, row.date));
    check_length(messages, "Reference", request.reference.as_deref(), 255);
    if let Some(reference) = &request.reference {
        row.reference = text_or_none(reference.clone());
    }
    check_url(messages, request.url.as_deref().filter(|url| !url.is_empty()));
    if let Some(url) = &request.url {
        row.url = text_or_none(url.clone());
    }
    row.is_reconciled = request.is_reconciled.unwrap_or(row.is_reconciled);
    merge_lines(writer, &mut row, request, messages);
    (row, contact)
}

/// The bank account decides the currency.
fn merge_account(writer: &Writer<'_>, row: &mut BankTransaction, request: &BankRequest, messages: &mut Vec<String>) {
    let base = writer.books.organisation.base_currency;
    let was_new = row.bank_account.is_nil();
    if was_new || request.account_id.is_some() || request.account_code.is_some() {
        let by_id = request.account_id.and_then(|id| writer.books.accounts.get(id));
        let by_code = || request.account_code.as_deref().and_then(|code| writer.books.account_by_code(code));
        let usable =
            |account: &&Account| account.kind == AccountType::Bank && account.status == ReferenceStatus::Active;
        match by_id.or_else(by_code).filter(usable) {
            Some(account) => {
                let currency = account.currency.unwrap_or(base);
                if was_new || currency != row.currency {
                    row.currency = currency;
                    row.currency_rate = day_rate(writer, currency);
                }
                row.bank_account = account.id;
            }
            None => messages.push(ACCOUNT_INVALID.into()),
        }
    }
    if let Some(currency) = request.currency {
        match check_currency(writer, currency) {
            Some(message) => messages.push(message),
            None if currency != row.currency && !row.bank_account.is_nil() => {
                messages.push("The currency must be the currency of the bank account".into());
            }
            None => {}
        }
    }
    if let Some(rate) = request.currency_rate.filter(|rate| rate.0 > 0 && row.currency != base) {
        row.currency_rate = rate;
    }
}

fn merge_lines(writer: &Writer<'_>, row: &mut BankTransaction, request: &BankRequest, messages: &mut Vec<String>) {
    let is_overpayment =
        matches!(row.kind, BankTransactionType::ReceiveOverpayment | BankTransactionType::SpendOverpayment);
    let types_before = row.line_amount_types;
    row.line_amount_types =
        if is_overpayment { LineAmountTypes::NoTax } else { request.line_amount_types.unwrap_or(types_before) };
    let rules = LineRules {
        types: row.line_amount_types,
        takes_discounts: false,
        tax_must_match: true,
        counts_must_be_positive: true,
        needs_account: !is_overpayment,
        control: if is_overpayment { control_account(writer, row.kind) } else { None },
    };
    match &request.lines {
        Some(sent) => row.lines = lines::build(writer, sent, &row.lines, &rules, messages),
        None if types_before != row.line_amount_types => {
            lines::tax_again(writer, &mut row.lines, row.line_amount_types);
        }
        None => {}
    }
    if row.lines.is_empty() {
        messages.push(NO_LINES.into());
    }
    if is_overpayment && row.lines.len() > 1 {
        messages.push("An overpayment can only have one line item".into());
    }
    let figures = row.lines.iter().map(|line| (line.line_amount, line.tax_amount));
    let totals = money::totals(row.line_amount_types, figures);
    (row.sub_total, row.total_tax, row.total) = (totals.sub_total, totals.total_tax, totals.total);
    if !row.lines.is_empty() && (row.total <= Amount::ZERO || row.total > money::MAX_LINE_AMOUNT) {
        messages.push("The total of the bank transaction must be greater than zero".into());
    }
}

/// Accounts receivable or payable, to which overpayments are coded.
fn control_account(writer: &Writer<'_>, kind: BankTransactionType) -> Option<Uuid> {
    let name = if kind.is_receive() { "DEBTORS" } else { "CREDITORS" };
    writer.books.accounts.iter().find(|account| account.system_account.as_deref() == Some(name)).map(|row| row.id)
}

/// The prepayment or overpayment that a bank transaction of such a type makes.
fn make_credit(writer: &mut Writer<'_>, row: &mut BankTransaction) {
    let kind = match row.kind {
        BankTransactionType::ReceivePrepayment => CreditType::ReceivePrepayment,
        BankTransactionType::SpendPrepayment => CreditType::SpendPrepayment,
        BankTransactionType::ReceiveOverpayment => CreditType::ReceiveOverpayment,
        BankTransactionType::SpendOverpayment => CreditType::SpendOverpayment,
        _ => return,
    };
    let credit = Credit {
        id: writer.books.next_id(),
        kind,
        number: None,
        reference: row.reference.clone(),
        contact: row.contact.unwrap_or(Uuid::nil()),
        date: row.date,
        due_date: None,
        status: DocumentStatus::Authorised,
        line_amount_types: row.line_amount_types,
        lines: row.lines.clone(),
        sub_total: row.sub_total,
        total_tax: row.total_tax,
        total: row.total,
        remaining: row.total,
        allocations: Vec::new(),
        currency: row.currency,
        currency_rate: row.currency_rate,
        fully_paid_on: None,
        sent_to_contact: false,
        branding_theme: None,
        created_by_app: !writer.is_person,
        updated: writer.now,
    };
    if matches!(kind, CreditType::ReceivePrepayment | CreditType::SpendPrepayment) {
        row.prepayment = Some(credit.id);
        writer.books.prepayments.insert(credit);
    } else {
        row.overpayment = Some(credit.id);
        writer.books.overpayments.insert(credit);
    }
}

fn saved(writer: &Writer<'_>, id: Uuid) -> Outcome {
    let mut element = Vec::new();
    if let Some(row) = writer.books.bank_transactions.get(id) {
        render::bank_transaction(&mut element, &writer.view(), row, Shape::Write);
    }
    Outcome::saved(element)
}

fn refused(
    writer: &Writer<'_>,
    row: Option<&BankTransaction>,
    request: &BankRequest,
    messages: Vec<String>,
) -> Outcome {
    let mut element = Vec::new();
    render::push_object(&mut element, |object| echo(object, writer, row, request));
    Outcome::refused(element, messages)
}

/// The refused transaction as it was understood.
fn echo(object: &mut Object<'_>, writer: &Writer<'_>, row: Option<&BankTransaction>, request: &BankRequest) {
    object.id("BankTransactionID", row.map(|row| row.id).or(request.id).unwrap_or(Uuid::nil()));
    object.text_if("Type", row.map(|row| row.kind).or(request.kind).map(|kind| kind.as_str()));
    object.text_if("Reference", request.reference.as_deref());
    let stored_account = row.map(|row| row.bank_account).filter(|id| !id.is_nil());
    object.object("BankAccount", |inner| {
        if let Some(id) = request.account_id.or(stored_account) {
            inner.id("AccountID", id);
        }
        inner.text_if("Code", request.account_code.as_deref());
        inner.nothing("ValidationErrors");
    });
    if let Some(contact) = &request.contact {
        object.object("Contact", |inner| {
            inner.id("ContactID", contact.id.unwrap_or(Uuid::nil()));
            inner.text_if("Name", contact.name.as_deref());
            inner.no(&["Addresses", "Phones", "ContactGroups", "ContactPersons"]);
            inner.flag("HasValidationErrors", false);
            inner.nothing("ValidationErrors");
        });
    }
    if let Some(row) = row {
        object.date_pair("Date", "DateString", row.date);
        object.text("Status", request.status.unwrap_or(row.status).as_str());
        object.text("LineAmountTypes", row.line_amount_types.as_str());
        render::lines(object, &writer.view(), &row.lines, Shape::Write);
        object.amount("SubTotal", row.sub_total);
        object.amount("TotalTax", row.total_tax);
        object.amount("Total", row.total);
        object.text("CurrencyCode", row.currency.as_str());
    } else {
        object.nothing("LineItems");
    }
    object.flag("HasErrors", true);
}
