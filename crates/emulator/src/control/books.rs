//! Changes of the books as a person in Xero's own pages would make them. They bump `UpdatedDateUTC` unless said otherwise
//! and are free of the API's refusals: a person may restore an archived contact or rename a paid invoice.

use jiff::civil::Date;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::books::*;
use crate::dates::parse_request_date;
use crate::money;

/// One change; `path` comes after `/_emulator/tenants/{tenant}/`.
pub(super) fn change(books: &mut Books, now: Millis, path: &[&str], body: &Value) -> Result<Value, String> {
    match path {
        ["lock-dates"] => lock_dates(books, body),
        ["contacts"] => new_contact(books, now, body),
        ["contacts", id] => edit_contact(books, now, parse_id(id)?, body),
        ["contacts", id, "archive"] => contact_status(books, now, parse_id(id)?, ContactStatus::Archived),
        ["contacts", id, "restore"] => restore(books, now, parse_id(id)?),
        ["contacts", id, "merge"] => {
            let is_quiet = body["quietly"] == true;
            merge(books, now, parse_id(id)?, id_of(body, "into")?, is_quiet)
        }
        ["invoices"] => new_invoice(books, now, body),
        ["invoices", id] => edit_invoice(books, now, parse_id(id)?, body),
        ["invoices", id, "touch"] => {
            let found = books.invoices.change(parse_id(id)?, now, |_| ());
            found.map(|()| json!({})).ok_or_else(|| "no such invoice".into())
        }
        ["invoices", id, "void"] => void(books, now, parse_id(id)?),
        ["invoices", id, "pay"] => pay(books, now, parse_id(id)?, body),
        ["payments", id, "delete"] => delete_payment(books, now, parse_id(id)?),
        ["payments", id, deed @ ("reconcile" | "unreconcile")] => {
            let is_reconciled = *deed == "reconcile";
            let found = books.payments.change(parse_id(id)?, now, |row| row.is_reconciled = is_reconciled);
            found.map(|()| json!({})).ok_or_else(|| "no such payment".into())
        }
        ["bank-transactions", id, deed @ ("reconcile" | "unreconcile")] => {
            let is_reconciled = *deed == "reconcile";
            let found = books.bank_transactions.change(parse_id(id)?, now, |row| row.is_reconciled = is_reconciled);
            found.map(|()| json!({})).ok_or_else(|| "no such bank transaction".into())
        }
        ["organisation"] => organisation(books, body),
        ["currencies", code, deed @ ("subscribe" | "unsubscribe")] => currency(books, code, *deed == "subscribe"),
        ["accounts", name, "archive"] => account_status(books, now, name, ReferenceStatus::Archived),
        ["accounts", name, "restore"] => account_status(books, now, name, ReferenceStatus::Active),
        ["records", id, "backdate"] => {
            let at = body["updated_ms"].as_i64().ok_or("updated_ms must be a whole number of milliseconds")?;
            let found = books.set_updated(parse_id(id)?, at);
            if found { Ok(json!({})) } else { Err("no such record".into()) }
        }
        _ => Err("no such change".into()),
    }
}

fn parse_id(text: &str) -> Result<Uuid, String> {
    Uuid::parse_str(text).map_err(|_| format!("'{text}' is not an id"))
}

fn id_of(body: &Value, key: &str) -> Result<Uuid, String> {
    parse_id(body[key].as_str().unwrap_or_default())
}

fn text_of(body: &Value, key: &str) -> Option<Text> {
    body[key].as_str().map(Text::from)
}

fn day_of(body: &Value, key: &str) -> Result<Option<Date>, String> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let day = value.as_str().and_then(parse_request_date);
            day.map(Some).ok_or_else(|| format!("{key} must be a date like 2026-03-31"))
        }
    }
}

/// An amount as a JSON number or text.
fn amount_of(value: &Value) -> Option<Amount> {
    match value {
        Value::String(text) => money::parse_amount(text, 4),
        Value::Number(number) => money::parse_amount(&number.to_string(), 4),
        _ => None,
    }
}

/// `{"period": "2026-03-31" or null, "end_of_year": …}`; a key that is left out stays.
fn lock_dates(books: &mut Books, body: &Value) -> Result<Value, String> {
    if body.get("period").is_some() {
        books.organisation.period_lock_date = day_of(body, "period")?;
    }
    if body.get("end_of_year").is_some() {
        books.organisation.end_of_year_lock_date = day_of(body, "end_of_year")?;
    }
    Ok(json!({}))
}

fn new_contact(books: &mut Books, now: Millis, body: &Value) -> Result<Value, String> {
    let name = text_of(body, "name").ok_or("name is missing")?;
    let id = books.next_id();
    let mut row = Contact::new(id, name, now);
    row.number = text_of(body, "number");
    row.email = text_of(body, "email");
    books.contacts.insert(row);
    Ok(json!({"contact_id": id}))
}

fn edit_contact(books: &mut Books, now: Millis, id: Uuid, body: &Value) -> Result<Value, String> {
    let found = books.contacts.change(id, now, |row| {
        row.name = text_of(body, "name").unwrap_or_else(|| row.name.clone());
        row.number = text_of(body, "number").or(row.number.take());
        row.email = text_of(body, "email").or(row.email.take());
    });
    found.map(|()| json!({})).ok_or_else(|| "no such contact".into())
}

fn contact_status(books: &mut Books, now: Millis, id: Uuid, status: ContactStatus) -> Result<Value, String> {
    let found = books.contacts.change(id, now, |row| row.status = status);
    found.map(|()| json!({})).ok_or_else(|| "no such contact".into())
}

/// Takes a contact out of the archive, unless its name was given to another meanwhile.
fn restore(books: &mut Books, now: Millis, id: Uuid) -> Result<Value, String> {
    let name = &books.contacts.get(id).ok_or("no such contact")?.name;
    let other = books.contact_by_name(name);
    if other.is_some_and(|row| row.id != id && row.status == ContactStatus::Active) {
        return Err(format!("an active contact has the name {name}"));
    }
    contact_status(books, now, id, ContactStatus::Active)
}

/// `{"name": …, "legal_name": …, "timezone": "NEWZEALANDSTANDARDTIME"}`; a key that is left out stays.
fn organisation(books: &mut Books, body: &Value) -> Result<Value, String> {
    let row = &mut books.organisation;
    for (key, field) in [("name", &mut row.name), ("legal_name", &mut row.legal_name), ("timezone", &mut row.timezone)]
    {
        if let Some(text) = body[key].as_str() {
            if text.trim().is_empty() {
                return Err(format!("{key} must not be empty"));
            }
            *field = text.into();
        }
    }
    Ok(json!({}))
}

fn currency(books: &mut Books, code: &str, is_wanted: bool) -> Result<Value, String> {
    let code = CurrencyCode::parse(code).ok_or("that is no currency code")?;
    if code == books.organisation.base_currency {
        return Err("the base currency is always subscribed".into());
    }
    books.currencies.retain(|row| row.code != code);
    if is_wanted {
        books.currencies.push(Currency { code, description: code.as_str().into() });
    }
    Ok(json!({}))
}

/// An account by its id or code.
fn account_status(books: &mut Books, now: Millis, name: &str, status: ReferenceStatus) -> Result<Value, String> {
    let by_code = || books.account_by_code(name).map(|row| row.id);
    let id = Uuid::parse_str(name).ok().or_else(by_code).ok_or("no such account")?;
    let found = books.accounts.change(id, now, |row| row.status = status);
    found.map(|()| json!({})).ok_or_else(|| "no such account".into())
}

/// Merges a contact into another: the loser is archived and points to the winner, which takes over the documents. Whether
/// that moves the documents' `UpdatedDateUTC` is not documented: it does, unless it happens `quietly`.
fn merge(books: &mut Books, now: Millis, loser: Uuid, winner: Uuid, is_quiet: bool) -> Result<Value, String> {
    let is_active = |row: &Contact| row.status == ContactStatus::Active;
    if loser == winner || !books.contacts.get(winner).is_some_and(is_active) {
        return Err("into must be another contact that is active".into());
    }
    books
        .contacts
        .change(loser, now, |row| {
            row.status = ContactStatus::Archived;
            row.merged_to = Some(winner);
        })
        .ok_or("no such contact")?;
    books.set_quiet(is_quiet);
    let moved: Vec<Uuid> = books.invoices_of_contact(loser).map(|row| row.id).collect();
    for id in moved {
        books.invoices.change(id, now, |row| row.contact = winner);
    }
    for table in [&mut books.credit_notes, &mut books.prepayments, &mut books.overpayments] {
        let moved: Vec<Uuid> = table.find(Key::id("contact", loser)).map(|row| row.id).collect();
        for id in moved {
            table.change(id, now, |row| row.contact = winner);
        }
    }
    let transactions = &mut books.bank_transactions;
    let moved: Vec<Uuid> = transactions.find(Key::id("contact", loser)).map(|row| row.id).collect();
    for id in moved {
        transactions.change(id, now, |row| row.contact = Some(winner));
    }
    books.set_quiet(false);
    let flags = books.contacts.get(loser).map(|row| (row.is_customer, row.is_supplier)).unwrap_or_default();
    books.contacts.change(winner, now, |row| {
        row.is_customer |= flags.0;
        row.is_supplier |= flags.1;
    });
    Ok(json!({}))
}

/// `{"type": "ACCREC", "contact_id": …, "number": …, "reference": …, "date": …, "status": "AUTHORISED",
/// "lines": [{"description": …, "quantity": "1", "unit_amount": "10.50", "account": "200"}]}`.
fn new_invoice(books: &mut Books, now: Millis, body: &Value) -> Result<Value, String> {
    let kind = InvoiceType::parse(body["type"].as_str().unwrap_or("ACCREC")).ok_or("type is ACCREC or ACCPAY")?;
    let contact = id_of(body, "contact_id")?;
    if books.contacts.get(contact).is_none() {
        return Err("no such contact".into());
    }
    let status = DocumentStatus::parse(body["status"].as_str().unwrap_or("AUTHORISED"))
        .filter(|status| {
            matches!(status, DocumentStatus::Draft | DocumentStatus::Submitted | DocumentStatus::Authorised)
        })
        .ok_or("status is DRAFT, SUBMITTED or AUTHORISED")?;
    let date = day_of(body, "date")?.unwrap_or_else(|| books.organisation.today(now));
    let lines = lines_of(books, body, kind)?;
    let types = LineAmountTypes::Exclusive;
    let totals = money::totals(types, lines.iter().map(|line| (line.line_amount, line.tax_amount)));
    let number = match (text_of(body, "number"), kind) {
        (None, InvoiceType::AccRec) => Some(books.take_invoice_number()),
        (number, _) => number,
    };
    let id = books.next_id();
    books.invoices.insert(Invoice {
        id,
        kind,
        number,
        reference: text_of(body, "reference"),
        contact,
        date,
        due_date: Some(day_of(body, "due_date")?.unwrap_or(date)),
        status,
        line_amount_types: types,
        lines,
        sub_total: totals.sub_total,
        total_tax: totals.total_tax,
        total: totals.total,
        total_discount: Amount::ZERO,
        amount_due: totals.total,
        amount_paid: Amount::ZERO,
        amount_credited: Amount::ZERO,
        currency: books.organisation.base_currency,
        currency_rate: Rate::ONE,
        fully_paid_on: None,
        sent_to_contact: false,
        branding_theme: books.themes.first().map(|theme| theme.id),
        url: None,
        expected_payment_date: None,
        planned_payment_date: None,
        created_by_app: false,
        updated: now,
    });
    books.contacts.change_quietly(contact, |row| match kind {
        InvoiceType::AccRec => row.is_customer = true,
        InvoiceType::AccPay => row.is_supplier = true,
    });
    Ok(json!({"invoice_id": id}))
}

fn lines_of(books: &mut Books, body: &Value, kind: InvoiceType) -> Result<Vec<Line>, String> {
    let Some(wanted) = body["lines"].as_array().filter(|lines| !lines.is_empty()) else {
        return Err("lines is missing".into());
    };
    let default_account = if kind == InvoiceType::AccRec { "200" } else { "429" };
    let mut lines = Vec::new();
    for line in wanted {
        let quantity = amount_of(&line["quantity"]).unwrap_or(Amount(Amount::UNIT));
        let unit_amount = amount_of(&line["unit_amount"]).ok_or("unit_amount must be a number")?;
        let rounding = crate::config::Rounding::HalfUp;
        let line_amount = money::line_amount(quantity, unit_amount, Discount::None, rounding)
            .map_err(|_| "the line amount is too large")?;
        let code = line["account"].as_str().unwrap_or(default_account);
        let account = books.account_by_code(code).ok_or_else(|| format!("no account has the code {code}"))?;
        let (account, tax_type) = (account.id, account.tax_type.clone());
        let rate = books.tax_rate(&tax_type).map_or(Amount::ZERO, |rate| rate.effective_rate);
        lines.push(Line {
            id: books.next_id(),
            description: text_of(line, "description"),
            quantity: Some(quantity),
            unit_amount: Some(unit_amount),
            line_amount,
            tax_amount: money::line_tax(line_amount, rate, LineAmountTypes::Exclusive, rounding),
            discount: Discount::None,
            account: Some(account),
            tax_type: Some(tax_type),
            item_code: None,
            tracking: Vec::new(),
        });
    }
    Ok(lines)
}

/// `{"number": …, "reference": …, "due_date": …, "quietly": true}`; `quietly` leaves `UpdatedDateUTC` alone.
fn edit_invoice(books: &mut Books, now: Millis, id: Uuid, body: &Value) -> Result<Value, String> {
    let due = day_of(body, "due_date")?;
    let edit = |row: &mut Invoice| {
        row.number = text_of(body, "number").or(row.number.take());
        row.reference = text_of(body, "reference").or(row.reference.take());
        row.due_date = due.or(row.due_date);
    };
    let found = if body["quietly"] == true {
        books.invoices.change_quietly(id, edit)
    } else {
        books.invoices.change(id, now, edit)
    };
    found.map(|()| json!({})).ok_or_else(|| "no such invoice".into())
}

fn void(books: &mut Books, now: Millis, id: Uuid) -> Result<Value, String> {
    if books.is_settled_in_part(id) {
        return Err("the invoice has payments or credits: take them back first".into());
    }
    let found = books.invoices.change(id, now, |row| {
        row.status = match row.status {
            DocumentStatus::Draft | DocumentStatus::Submitted => DocumentStatus::Deleted,
            _ => DocumentStatus::Voided,
        };
        row.amount_due = Amount::ZERO;
    });
    found.map(|()| json!({})).ok_or_else(|| "no such invoice".into())
}

/// `{"amount": "10.00", "account": "090", "date": …}`; without an amount all that is due.
fn pay(books: &mut Books, now: Millis, id: Uuid, body: &Value) -> Result<Value, String> {
    let invoice = books.invoices.get(id).ok_or("no such invoice")?;
    let amount = match body.get("amount") {
        None => invoice.amount_due,
        Some(value) => amount_of(value).ok_or("amount must be a number")?,
    };
    if invoice.status != DocumentStatus::Authorised || amount.0 <= 0 || amount > invoice.amount_due {
        return Err("the invoice must be AUTHORISED and the amount at most what is due".into());
    }
    let kind = match invoice.kind {
        InvoiceType::AccRec => PaymentType::AccRec,
        InvoiceType::AccPay => PaymentType::AccPay,
    };
    let rate = invoice.currency_rate;
    let code = body["account"].as_str().unwrap_or("090");
    let account = books.account_by_code(code).ok_or_else(|| format!("no account has the code {code}"))?.id;
    let date = day_of(body, "date")?.unwrap_or_else(|| books.organisation.today(now));
    let base = amount.decimal() / rate.decimal();
    let payment = books.next_id();
    books.payments.insert(Payment {
        id: payment,
        target: PaymentTarget::Invoice(id),
        kind,
        date,
        amount,
        bank_amount: Amount::from_decimal(base.round_dp(2)).unwrap_or(amount),
        currency_rate: rate,
        reference: text_of(body, "reference"),
        status: PaymentStatus::Authorised,
        account: Some(account),
        is_reconciled: false,
        batch: None,
        updated: now,
    });
    books.settle_invoice(id, date, now);
    Ok(json!({"payment_id": payment}))
}

fn delete_payment(books: &mut Books, now: Millis, id: Uuid) -> Result<Value, String> {
    let target = books.payments.get(id).ok_or("no such payment")?.target;
    books.payments.change(id, now, |row| row.status = PaymentStatus::Deleted);
    let today = books.organisation.today(now);
    match target {
        PaymentTarget::Invoice(document) => books.settle_invoice(document, today, now),
        other => books.settle_credit(other.id(), today, now),
    }
    Ok(json!({}))
}
