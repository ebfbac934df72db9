//! A record as texts that can be compared: the App's columns and Xero's members under the same names.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use crate::snapshot::{AppRow, Link, Snapshot};

/// A record's fields; empty ones are left out, because empty says as much as missing.
pub(crate) type Fields = BTreeMap<String, String>;

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Text,
    Number,
    Day,
    Id,
    Flag,
    /// A word that Xero has others for.
    Status,
    LineAmountTypes,
    Ref(&'static str),
}

/// The App's column, the member of Xero's record that it stands for, and what it is.
type Columns = &'static [(&'static str, &'static str, Is)];

const CUSTOMER: Columns = &[
    ("name", "Name", Is::Text),
    ("first_name", "FirstName", Is::Text),
    ("last_name", "LastName", Is::Text),
    ("email", "EmailAddress", Is::Text),
    ("contact_number", "ContactNumber", Is::Text),
    ("account_number", "AccountNumber", Is::Text),
    ("tax_number", "TaxNumber", Is::Text),
    ("company_number", "CompanyNumber", Is::Text),
    ("default_currency", "DefaultCurrency", Is::Text),
    ("status", "ContactStatus", Is::Text),
    ("is_customer", "IsCustomer", Is::Flag),
    ("is_supplier", "IsSupplier", Is::Flag),
    ("merged_into", "MergedToContactID", Is::Id),
];
const INVOICE: Columns = &[
    ("type", "Type", Is::Text),
    ("number", "InvoiceNumber", Is::Text),
    ("reference", "Reference", Is::Text),
    ("customer_id", "Contact.ContactID", Is::Ref("customer")),
    ("date", "DateString", Is::Day),
    ("due_date", "DueDateString", Is::Day),
    ("status", "Status", Is::Status),
    ("xero_status", "Status", Is::Text),
    ("currency", "CurrencyCode", Is::Text),
    ("currency_rate", "CurrencyRate", Is::Number),
    ("line_amount_types", "LineAmountTypes", Is::LineAmountTypes),
    ("sub_total", "SubTotal", Is::Number),
    ("total_tax", "TotalTax", Is::Number),
    ("total", "Total", Is::Number),
    ("amount_due", "AmountDue", Is::Number),
    ("amount_paid", "AmountPaid", Is::Number),
    ("amount_credited", "AmountCredited", Is::Number),
];
const PAYMENT: Columns = &[
    ("invoice_id", "Invoice.InvoiceID", Is::Ref("invoice")),
    ("account_id", "Account.AccountID", Is::Ref("account")),
    ("date", "Date", Is::Day),
    ("amount", "Amount", Is::Number),
    ("currency_rate", "CurrencyRate", Is::Number),
    ("reference", "Reference", Is::Text),
    ("payment_type", "PaymentType", Is::Text),
    ("status", "Status", Is::Status),
    ("is_reconciled", "IsReconciled", Is::Flag),
];
const BANK_TRANSACTION: Columns = &[
    ("type", "Type", Is::Text),
    ("customer_id", "Contact.ContactID", Is::Ref("customer")),
    ("account_id", "BankAccount.AccountID", Is::Ref("account")),
    ("date", "DateString", Is::Day),
    ("reference", "Reference", Is::Text),
    ("status", "Status", Is::Status),
    ("currency", "CurrencyCode", Is::Text),
    ("line_amount_types", "LineAmountTypes", Is::LineAmountTypes),
    ("sub_total", "SubTotal", Is::Number),
    ("total_tax", "TotalTax", Is::Number),
    ("total", "Total", Is::Number),
    ("is_reconciled", "IsReconciled", Is::Flag),
];
const LINE: Columns = &[
    ("xero_line_id", "LineItemID", Is::Id),
    ("description", "Description", Is::Text),
    ("quantity", "Quantity", Is::Number),
    ("unit_amount", "UnitAmount", Is::Number),
    ("discount_rate", "DiscountRate", Is::Number),
    ("discount_amount", "DiscountAmount", Is::Number),
    ("account_code", "AccountCode", Is::Text),
    ("tax_type", "TaxType", Is::Text),
    ("tax_amount", "TaxAmount", Is::Number),
    ("line_amount", "LineAmount", Is::Number),
    ("item_code", "ItemCode", Is::Text),
];
const PHONE: Columns = &[
    ("type", "PhoneType", Is::Text),
    ("country_code", "PhoneCountryCode", Is::Text),
    ("area_code", "PhoneAreaCode", Is::Text),
    ("number", "PhoneNumber", Is::Text),
];
const ADDRESS: Columns = &[
    ("type", "AddressType", Is::Text),
    ("attention_to", "AttentionTo", Is::Text),
    ("line1", "AddressLine1", Is::Text),
    ("line2", "AddressLine2", Is::Text),
    ("line3", "AddressLine3", Is::Text),
    ("line4", "AddressLine4", Is::Text),
    ("city", "City", Is::Text),
    ("region", "Region", Is::Text),
    ("postal_code", "PostalCode", Is::Text),
    ("country", "Country", Is::Text),
];

/// A child table: its name, columns, the member of Xero's record, and the member that names a slot, if it has slots.
type Child = (&'static str, Columns, &'static str, Option<&'static str>);

fn columns(kind: &str) -> (Columns, &'static [Child]) {
    match kind {
        "customer" => (
            CUSTOMER,
            &[
                ("customer_phones", PHONE, "Phones", Some("PhoneType")),
                ("customer_addresses", ADDRESS, "Addresses", Some("AddressType")),
            ],
        ),
        "invoice" => (INVOICE, &[("invoice_lines", LINE, "LineItems", None)]),
        "payment" => (PAYMENT, &[]),
        _ => (BANK_TRANSACTION, &[("bank_transaction_lines", LINE, "LineItems", None)]),
    }
}

/// Both sides under the same names, and who is whose counterpart.
pub(crate) struct Sides {
    pub(crate) app: BTreeMap<(&'static str, i64), Fields>,
    pub(crate) xero: BTreeMap<(&'static str, Uuid), Fields>,
    to_xero: BTreeMap<(String, i64), Uuid>,
    to_local: BTreeMap<(String, Uuid), i64>,
}

impl Sides {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let to_xero = snapshot.links.iter().map(|link| ((link.kind.clone(), link.local), link.xero)).collect();
        let local = |link: &Link| ((link.kind.clone(), link.xero), link.local);
        let to_local = snapshot.links.iter().map(local).collect();
        let app =
            snapshot.app.iter().map(|((kind, id), row)| ((*kind, *id), app_fields(kind, row, &to_xero))).collect();
        let xero = snapshot.xero.iter().map(|((kind, id), record)| ((*kind, *id), xero_fields(kind, record))).collect();
        Self { app, xero, to_xero, to_local }
    }

    pub(crate) fn xero_of(&self, kind: &str, local: i64) -> Option<Uuid> {
        self.to_xero.get(&(kind.to_owned(), local)).copied()
    }

    pub(crate) fn local_of(&self, kind: &str, xero: Uuid) -> Option<i64> {
        self.to_local.get(&(kind.to_owned(), xero)).copied()
    }
}

fn app_fields(kind: &str, row: &AppRow, to_xero: &BTreeMap<(String, i64), Uuid>) -> Fields {
    let (own, children) = columns(kind);
    let mut fields = Fields::new();
    for (name, _, is) in own {
        fields.insert((*name).to_owned(), app_value(row.columns.get(*name), *is, to_xero));
    }
    for (child, own, _, slot) in children {
        for (place, item) in row.children.get(*child).into_iter().flatten().enumerate() {
            let key = match slot {
                Some(_) => item.get("type").cloned().unwrap_or_default(),
                None => (place + 1).to_string(),
            };
            for (name, _, is) in *own {
                fields.insert(format!("{child}[{key}].{name}"), app_value(item.get(*name), *is, to_xero));
            }
        }
    }
    said(fields)
}

fn app_value(value: Option<&String>, is: Is, to_xero: &BTreeMap<(String, i64), Uuid>) -> String {
    let Some(text) = value else {
        return if is == Is::Flag { "false".into() } else { String::new() };
    };
    match is {
        Is::Number => decimal(text),
        Is::Ref(kind) => {
            let found = text.parse().ok().and_then(|local| to_xero.get(&(kind.to_owned(), local)));
            found.map_or_else(|| format!("the app's {kind} {text}"), Uuid::to_string)
        }
        _ => text.clone(),
    }
}

fn xero_fields(kind: &str, record: &Value) -> Fields {
    let (own, children) = columns(kind);
    let mut fields = Fields::new();
    for (name, member, is) in own {
        fields.insert((*name).to_owned(), xero_value(kind, at(record, member), *is));
    }
    for (child, own, member, slot) in children {
        for (place, item) in record[*member].as_array().into_iter().flatten().enumerate() {
            let key = match slot {
                Some(slot) => item[*slot].as_str().unwrap_or_default().to_owned(),
                None => (place + 1).to_string(),
            };
            for (name, member, is) in *own {
                fields.insert(format!("{child}[{key}].{name}"), xero_value(kind, &item[*member], *is));
            }
        }
    }
    said(fields)
}

fn at<'v>(record: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(record, |value, member| &value[member])
}

fn xero_value(kind: &str, value: &Value, is: Is) -> String {
    let text = match value {
        Value::Null => return if is == Is::Flag { "false".into() } else { String::new() },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match is {
        Is::Number => decimal(&text),
        Is::Id | Is::Ref(_) => {
            Uuid::parse_str(&text).ok().filter(|id| !id.is_nil()).map(|id| id.to_string()).unwrap_or_default()
        }
        Is::Day => day_of(&text),
        Is::LineAmountTypes => match text.as_str() {
            "Exclusive" => "EXCLUSIVE".into(),
            "Inclusive" => "INCLUSIVE".into(),
            _ => "NO_TAX".into(),
        },
        Is::Status => match (kind, text.as_str()) {
            ("invoice", "DRAFT") => "DRAFT".into(),
            ("invoice", "SUBMITTED" | "AUTHORISED") => "SENT".into(),
            ("invoice", "PAID") => "PAID".into(),
            (_, "AUTHORISED") => "COMPLETED".into(),
            _ => "CANCELLED".into(),
        },
        Is::Text | Is::Flag => text,
    }
}

fn decimal(text: &str) -> String {
    text.parse::<Decimal>().map_or_else(|_| text.to_owned(), |value| value.normalize().to_string())
}

/// `2026-06-01T00:00:00` or `/Date(1782777600000+0000)/`, as `2026-06-01`; empty for Xero's "no date".
pub(crate) fn day_of(text: &str) -> String {
    let day = match text.strip_prefix("/Date(") {
        None => text.chars().take(10).collect(),
        Some(rest) => {
            let end = rest.find([')', '+']).unwrap_or(rest.len());
            match rest[..end].parse::<i64>() {
                Ok(ms) => civil(ms.div_euclid(86_400_000)),
                Err(_) => text.to_owned(),
            }
        }
    };
    if day.starts_with("0001") { String::new() } else { day }
}

/// The date of a number of days since 1970-01-01, by the arithmetic of the Gregorian calendar.
fn civil(days: i64) -> String {
    // Years that begin in March put the leap day last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Without what is empty: a slot with nothing in it but its name is none.
fn said(mut fields: Fields) -> Fields {
    fields.retain(|_, value| !value.is_empty());
    let slot = |name: &str| name.split_once("].").map(|(slot, _)| slot.to_owned());
    let filled: BTreeSet<String> =
        fields.keys().filter(|name| !name.ends_with("].type")).filter_map(|name| slot(name)).collect();
    fields.retain(|name, _| !name.ends_with("].type") || slot(name).is_some_and(|slot| filled.contains(&slot)));
    fields
}

/// Cancelled, voided, deleted or archived.
pub(crate) fn is_gone(fields: &Fields) -> bool {
    matches!(fields.get("status").map(String::as_str), Some("CANCELLED" | "ARCHIVED"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_both_forms() {
        assert_eq!(day_of("2026-06-30T00:00:00"), "2026-06-30");
        assert_eq!(day_of("/Date(1782777600000+0000)/"), "2026-06-30");
        assert_eq!(day_of("/Date(-1000)/"), "1969-12-31");
        assert_eq!(day_of("/Date(951782400000)/"), "2000-02-29");
        assert_eq!(day_of("0001-01-01T00:00:00"), "");
    }

    #[test]
    fn an_empty_slot_is_no_slot() {
        let record = serde_json::json!({"Phones": [{"PhoneType": "FAX", "PhoneNumber": ""},
            {"PhoneType": "MOBILE", "PhoneNumber": "021"}]});
        let fields = xero_fields("customer", &record);
        assert_eq!(fields.get("customer_phones[MOBILE].number").map(String::as_str), Some("021"));
        assert!(fields.keys().all(|name| !name.contains("FAX")), "{fields:?}");
    }
}
