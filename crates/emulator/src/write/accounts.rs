//! Accounts: one per request. PUT creates, POST updates or archives, DELETE only what was never used.

use uuid::Uuid;

use super::answer::{Failure, Outcome, answer};
use super::body::{BadBody, Fields};
use super::contact_request::text_or_none;
use super::rules::{ACCOUNT_INVALID, DOCUMENT_UNKNOWN, TAX_RATE_INVALID, check_currency, check_length};
use super::{Verb, Writer, only, path_id};
use crate::books::{Account, AccountType, BankTransactionStatus, CurrencyCode, Line, ReferenceStatus};
use crate::http::Response;
use crate::render::{self, Object};

/// An account as sent.
#[derive(Debug, Clone)]
struct AccountRequest {
    id: Option<Uuid>,
    code: Option<String>,
    name: Option<String>,
    kind: Option<AccountType>,
    status: Option<ReferenceStatus>,
    description: Option<String>,
    tax_type: Option<String>,
    enable_payments: Option<bool>,
    show_in_expense_claims: Option<bool>,
    bank_account_number: Option<String>,
    bank_account_type: Option<String>,
    currency: Option<CurrencyCode>,
    add_to_watchlist: Option<bool>,
}

impl AccountRequest {
    fn decode(fields: &Fields<'_>) -> Result<Self, BadBody> {
        Ok(Self {
            id: fields.id("AccountID")?,
            code: fields.text("Code")?,
            name: fields.text("Name")?.filter(|name| !name.trim().is_empty()),
            kind: fields.word("Type", "AccountType", AccountType::parse)?,
            status: fields.word("Status", "AccountStatus", ReferenceStatus::parse)?,
            description: fields.text("Description")?,
            tax_type: fields.text("TaxType")?.filter(|tax_type| !tax_type.is_empty()),
            enable_payments: fields.flag("EnablePaymentsToAccount")?,
            show_in_expense_claims: fields.flag("ShowInExpenseClaims")?,
            bank_account_number: fields.text("BankAccountNumber")?,
            bank_account_type: fields.text("BankAccountType")?,
            currency: fields.word("CurrencyCode", "CurrencyCode", CurrencyCode::parse)?,
            add_to_watchlist: fields.flag("AddToWatchlist")?,
        })
    }
}

/// `PUT /Accounts`, `POST /Accounts`, `POST /Accounts/{AccountID}`.
pub(super) fn write(writer: &mut Writer<'_>, body: &[u8], verb: Verb, id: Option<&str>) -> Result<Response, Failure> {
    let in_path = match id {
        Some(id) => Some(path_id(id).filter(|id| writer.books.accounts.get(*id).is_some()).ok_or(Failure::Gone)?),
        None => None,
    };
    only(
        writer,
        body,
        "Accounts",
        |fields, _| AccountRequest::decode(fields),
        |writer, mut request| {
            request.id = in_path.or(request.id);
            let stored = request.id.filter(|_| verb == Verb::Upsert);
            Ok(match stored.map(|id| writer.books.accounts.get(id).cloned()) {
                Some(Some(row)) => update(writer, row, &request),
                Some(None) => refused(&request, vec![DOCUMENT_UNKNOWN.into()]),
                None => create(writer, &request),
            })
        },
    )
}

fn create(writer: &mut Writer<'_>, request: &AccountRequest) -> Outcome {
    let mut messages = Vec::new();
    let Some((name, kind)) = request.name.clone().zip(request.kind) else {
        // The words for what is missing are not documented.
        return refused(request, vec!["An account must have a Name and a Type".into()]);
    };
    if kind == AccountType::Bank {
        if request.bank_account_number.as_deref().is_none_or(str::is_empty) {
            messages.push("A bank account must have a BankAccountNumber".into());
        }
    } else if request.code.as_deref().is_none_or(str::is_empty) {
        messages.push("An account must have a Code".into());
    }
    if request.status.is_some_and(|status| status != ReferenceStatus::Active) {
        messages.push("An account must be created ACTIVE".into());
    }
    let row = Account {
        id: Uuid::nil(),
        code: None,
        name: name.as_str().into(),
        kind,
        status: ReferenceStatus::Active,
        description: None,
        tax_type: "NONE".into(),
        enable_payments: false,
        show_in_expense_claims: false,
        bank_account_number: None,
        bank_account_type: (kind == AccountType::Bank).then(|| "BANK".into()),
        currency: (kind == AccountType::Bank).then_some(writer.books.organisation.base_currency),
        system_account: None,
        reporting_code: None,
        reporting_code_name: None,
        add_to_watchlist: false,
        updated: writer.now,
    };
    let mut row = merge(writer, row, request, &mut messages);
    if !messages.is_empty() {
        return refused(request, messages);
    }
    row.id = writer.books.next_id();
    let id = row.id;
    writer.books.accounts.insert(row);
    saved(writer, id)
}

fn update(writer: &mut Writer<'_>, row: Account, request: &AccountRequest) -> Outcome {
    let id = row.id;
    let is_system = row.system_account.as_deref().is_some_and(|name| !name.is_empty());
    let mut messages = Vec::new();
    // The words for these refusals are not documented.
    if row.status == ReferenceStatus::Deleted {
        messages.push("A deleted account cannot be updated".to_owned());
    }
    if is_system && request.status.is_some_and(|status| status != row.status) {
        messages.push("System accounts cannot be archived or deleted".into());
    }
    if request.status == Some(ReferenceStatus::Deleted) || request.status == Some(ReferenceStatus::Pending) {
        messages.push("The Status of an account can only be set to ACTIVE or ARCHIVED".into());
    }
    if request.kind.is_some_and(|kind| (kind == AccountType::Bank) != (row.kind == AccountType::Bank)) {
        messages.push("A bank account cannot become another account, nor another account a bank account".into());
    }
    let mut row = merge(writer, row, request, &mut messages);
    row.status = request.status.unwrap_or(row.status);
    row.kind = request.kind.unwrap_or(row.kind);
    if !messages.is_empty() {
        return refused(request, messages);
    }
    writer.books.accounts.change(id, writer.now, |old| {
        let updated = old.updated;
        *old = Account { updated, ..row };
    });
    saved(writer, id)
}

fn merge(writer: &Writer<'_>, mut row: Account, request: &AccountRequest, messages: &mut Vec<String>) -> Account {
    if let Some(code) = request.code.as_deref().filter(|code| !code.is_empty()) {
        if code.chars().count() > 10 {
            messages.push("Account Code is too long. Maximum of 10 characters allowed".into());
        }
        if writer.books.account_by_code(code).is_some_and(|other| other.id != row.id) {
            messages.push("Please enter a unique Code.".into());
        }
        row.code = Some(code.into());
    }
    if let Some(name) = request.name.as_deref() {
        check_length(messages, "Account Name", Some(name), 150);
        let live = |other: &&Account| other.status != ReferenceStatus::Deleted && other.id != row.id;
        if writer.books.account_by_name(name).filter(live).is_some() {
            messages.push("Please enter a unique Name.".into());
        }
        row.name = name.into();
    }
    if let Some(tax_type) = request.tax_type.as_deref() {
        match writer.books.tax_rate(tax_type).filter(|rate| rate.status == ReferenceStatus::Active) {
            Some(rate) => row.tax_type = rate.tax_type.clone(),
            None => messages.push(TAX_RATE_INVALID.into()),
        }
    }
    if let Some(currency) = request.currency.filter(|_| row.kind == AccountType::Bank) {
        messages.extend(check_currency(writer, currency));
        row.currency = Some(currency);
    }
    if let Some(description) = &request.description {
        check_length(messages, "Description", Some(description), 4000);
        row.description = text_or_none(description.clone());
    }
    if row.kind == AccountType::Bank {
        if let Some(number) = &request.bank_account_number {
            row.bank_account_number = text_or_none(number.clone());
        }
        if let Some(kind) = request.bank_account_type.as_deref().filter(|kind| !kind.is_empty()) {
            match ["BANK", "CREDITCARD", "PAYPAL"].iter().find(|known| known.eq_ignore_ascii_case(kind)) {
                Some(known) => row.bank_account_type = Some((*known).into()),
                None => messages.push(ACCOUNT_INVALID.into()),
            }
        }
    }
    row.enable_payments = request.enable_payments.unwrap_or(row.enable_payments);
    row.show_in_expense_claims = request.show_in_expense_claims.unwrap_or(row.show_in_expense_claims);
    row.add_to_watchlist = request.add_to_watchlist.unwrap_or(row.add_to_watchlist);
    row
}

/// `DELETE /Accounts/{AccountID}`: only an account that nothing was ever coded to.
pub(super) fn delete(writer: &mut Writer<'_>, id: &str) -> Result<Response, Failure> {
    let id = path_id(id).ok_or(Failure::Gone)?;
    let row = writer.books.accounts.get(id).ok_or(Failure::Gone)?;
    let is_system = row.system_account.as_deref().is_some_and(|name| !name.is_empty());
    let refusal = if row.status == ReferenceStatus::Deleted || is_system || is_used(writer, id) {
        let mut element = Vec::new();
        render::account(&mut element, row);
        // The words are not documented.
        Some(Outcome::refused(element, vec!["The account is in use and cannot be deleted".into()]))
    } else {
        None
    };
    let outcome = refusal.unwrap_or_else(|| {
        writer.books.accounts.change(id, writer.now, |row| row.status = ReferenceStatus::Deleted);
        saved(writer, id)
    });
    Ok(answer(writer, "Accounts", vec![outcome]))
}

fn is_used(writer: &Writer<'_>, id: Uuid) -> bool {
    let books = &*writer.books;
    let coded = |lines: &[Line]| lines.iter().any(|line| line.account == Some(id));
    let live = |row: &&crate::books::BankTransaction| row.status == BankTransactionStatus::Authorised;
    books.invoices.iter().any(|row| coded(&row.lines))
        || books.credit_notes.iter().any(|row| coded(&row.lines))
        || books.bank_transactions.iter().filter(live).any(|row| row.bank_account == id || coded(&row.lines))
        || books.payments.iter().any(|row| row.account == Some(id))
}

fn saved(writer: &Writer<'_>, id: Uuid) -> Outcome {
    let mut element = Vec::new();
    if let Some(row) = writer.books.accounts.get(id) {
        render::account(&mut element, row);
    }
    Outcome::saved(element)
}

fn refused(request: &AccountRequest, messages: Vec<String>) -> Outcome {
    let mut element = Vec::new();
    render::push_object(&mut element, |object| echo(object, request));
    Outcome::refused(element, messages)
}

fn echo(object: &mut Object<'_>, request: &AccountRequest) {
    object.id("AccountID", request.id.unwrap_or(Uuid::nil()));
    object.text_if("Code", request.code.as_deref());
    object.text_if("Name", request.name.as_deref());
    object.text_if("Type", request.kind.map(|kind| kind.as_str()));
    object.text_if("Description", request.description.as_deref());
}
