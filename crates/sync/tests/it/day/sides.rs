//! Both sides read whole and compared field by field, by code that shares nothing with the engine: the App's rows by
//! plain SQL, Xero's records as its pages show them.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::hours::{Day, KINDS, Who, endpoint, table};
use crate::common::sql::App;

/// A record's fields as texts that can be compared.
type Fields = BTreeMap<String, String>;

/// What kind of column it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Text,
    Money,
    Rate,
    Id,
    Bool,
    Ref(&'static str),
}

/// A column and the member of Xero's record that it stands for.
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
    ("is_customer", "IsCustomer", Is::Bool),
    ("is_supplier", "IsSupplier", Is::Bool),
    ("merged_into", "MergedToContactID", Is::Id),
];
const INVOICE: Columns = &[
    ("type", "Type", Is::Text),
    ("number", "InvoiceNumber", Is::Text),
    ("reference", "Reference", Is::Text),
    ("customer_id", "Contact.ContactID", Is::Ref("customer")),
    ("date", "DateString", Is::Text),
    ("due_date", "DueDateString", Is::Text),
    ("status", "Status", Is::Text),
    ("xero_status", "Status", Is::Text),
    ("currency", "CurrencyCode", Is::Text),
    ("currency_rate", "CurrencyRate", Is::Rate),
    ("line_amount_types", "LineAmountTypes", Is::Text),
    ("sub_total", "SubTotal", Is::Money),
    ("total_tax", "TotalTax", Is::Money),
    ("total", "Total", Is::Money),
    ("amount_due", "AmountDue", Is::Money),
    ("amount_paid", "AmountPaid", Is::Money),
    ("amount_credited", "AmountCredited", Is::Money),
];
const PAYMENT: Columns = &[
    ("invoice_id", "Invoice.InvoiceID", Is::Ref("invoice")),
    ("account_id", "Account.AccountID", Is::Ref("account")),
    ("date", "Date", Is::Text),
    ("amount", "Amount", Is::Money),
    ("currency_rate", "CurrencyRate", Is::Rate),
    ("reference", "Reference", Is::Text),
    ("payment_type", "PaymentType", Is::Text),
    ("status", "Status", Is::Text),
    ("is_reconciled", "IsReconciled", Is::Bool),
];
const BANK_TRANSACTION: Columns = &[
    ("type", "Type", Is::Text),
    ("customer_id", "Contact.ContactID", Is::Ref("customer")),
    ("account_id", "BankAccount.AccountID", Is::Ref("account")),
    ("date", "DateString", Is::Text),
    ("reference", "Reference", Is::Text),
    ("status", "Status", Is::Text),
    ("currency", "CurrencyCode", Is::Text),
    ("line_amount_types", "LineAmountTypes", Is::Text),
    ("sub_total", "SubTotal", Is::Money),
    ("total_tax", "TotalTax", Is::Money),
    ("total", "Total", Is::Money),
    ("is_reconciled", "IsReconciled", Is::Bool),
];
const LINE: Columns = &[
    ("xero_line_id", "LineItemID", Is::Id),
    ("description", "Description", Is::Text),
    ("quantity", "Quantity", Is::Money),
    ("unit_amount", "UnitAmount", Is::Money),
    ("discount_rate", "DiscountRate", Is::Money),
    ("discount_amount", "DiscountAmount", Is::Money),
    ("account_code", "AccountCode", Is::Text),
    ("tax_type", "TaxType", Is::Text),
    ("tax_amount", "TaxAmount", Is::Money),
    ("line_amount", "LineAmount", Is::Money),
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

/// A child table: table, parent's column, columns, member of Xero's record, and whether its rows are slots with a key.
type Child = (&'static str, &'static str, Columns, &'static str, bool);

fn columns(kind: &str) -> (Columns, &'static [Child]) {
    match kind {
        "customer" => (
            CUSTOMER,
            &[
                ("customer_phones", "customer_id", PHONE, "Phones", true),
                ("customer_addresses", "customer_id", ADDRESS, "Addresses", true),
            ],
        ),
        "invoice" => (INVOICE, &[("invoice_lines", "invoice_id", LINE, "LineItems", false)]),
        "payment" => (PAYMENT, &[]),
        _ => (BANK_TRANSACTION, &[("bank_transaction_lines", "bank_transaction_id", LINE, "LineItems", false)]),
    }
}

/// The two names of one record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pair {
    pub local: Option<i64>,
    pub xero: Option<Uuid>,
}

/// Everything that both sides hold, and what the engine lists.
pub struct Sides {
    app: BTreeMap<(&'static str, i64), Fields>,
    xero: BTreeMap<(&'static str, Uuid), Fields>,
    to_xero: BTreeMap<(String, i64), Uuid>,
    to_local: BTreeMap<(String, Uuid), i64>,
    conflicts: Vec<(String, i64, bool, String)>,
    /// (kind, local id or none, remote key, code)
    failures: Vec<(String, Option<i64>, String, String)>,
    candidates: Vec<(String, i64, Uuid)>,
}

async fn rows(app: &App, members: &[(&str, Is)], from: &str) -> Vec<Value> {
    let expression = |(name, is): &(&str, Is)| {
        let value = match (app, is) {
            (App::Sqlite(_), Is::Id) => format!("lower(hex({name}))"),
            (App::Postgres(_), Is::Id) => format!("replace(CAST({name} AS TEXT), '-', '')"),
            _ => format!("CAST({name} AS TEXT)"),
        };
        format!("'{name}', {value}")
    };
    let list: Vec<String> = members.iter().map(expression).collect();
    let function = if matches!(app, App::Sqlite(_)) { "json_object" } else { "json_build_object" };
    let sql = format!("SELECT {function}({}) AS c FROM {from}", list.join(", "));
    app.texts(&sql).await.into_iter().flatten().map(|text| serde_json::from_str(&text).unwrap()).collect()
}

fn id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok()
}

/// The revision of every row of the two-way kinds: it moves with every write of the engine.
pub async fn revisions(app: &App) -> BTreeMap<(&'static str, i64), i64> {
    let mut found = BTreeMap::new();
    for kind in KINDS {
        for row in rows(app, &[("id", Is::Text), ("sync_rev", Is::Text)], table(kind)).await {
            let number = |name: &str| row[name].as_str().unwrap().parse().unwrap();
            found.insert((kind, number("id")), number("sync_rev"));
        }
    }
    found
}

/// What was done with a record, as the engine wrote it down: the newest last.
pub async fn story(app: &App, kind: &str, local: i64) -> Vec<String> {
    let events = [("id", Is::Text), ("what", Is::Text), ("run_id", Is::Text), ("details", Is::Text)];
    let from = format!("events WHERE kind = '{kind}' AND local_id = {local} ORDER BY id");
    let mut told: Vec<String> = rows(app, &events, &from).await.iter().map(Value::to_string).collect();
    let intents = [
        ("op", Is::Text),
        ("state", Is::Text),
        ("fields", Is::Text),
        ("run_id", Is::Text),
        ("code", Is::Text),
        ("message", Is::Text),
    ];
    let from = format!("intents WHERE kind = '{kind}' AND local_id = {local} ORDER BY id");
    told.extend(rows(app, &intents, &from).await.iter().map(Value::to_string));
    if kind == "invoice" {
        let payments = [("id", Is::Text), ("status", Is::Text), ("amount", Is::Text), ("sync_rev", Is::Text)];
        let from = format!("payments WHERE invoice_id = {local} ORDER BY id");
        told.extend(rows(app, &payments, &from).await.iter().map(|row| format!("payment {row}")));
    }
    told
}

fn decimal(text: &str) -> String {
    text.parse::<Decimal>().map_or_else(|_| text.to_owned(), |value| value.normalize().to_string())
}

impl Sides {
    pub async fn read(day: &Day) -> Self {
        let app = &day.app;
        let mut sides = Self {
            app: BTreeMap::new(),
            xero: BTreeMap::new(),
            to_xero: BTreeMap::new(),
            to_local: BTreeMap::new(),
            conflicts: Vec::new(),
            failures: Vec::new(),
            candidates: Vec::new(),
        };
        let text = |row: &Value, name: &str| row[name].as_str().map(str::to_owned);
        let members = [("kind", Is::Text), ("local_id", Is::Text), ("xero_id", Is::Id)];
        for row in rows(app, &members, "links").await {
            let (kind, local) = (text(&row, "kind").unwrap(), text(&row, "local_id").unwrap().parse().unwrap());
            let xero = id(&text(&row, "xero_id").unwrap()).unwrap();
            assert_eq!(sides.to_xero.insert((kind.clone(), local), xero), None, "two links of {kind} {local}");
            assert_eq!(sides.to_local.insert((kind.clone(), xero), local), None, "two links of {kind} {xero}");
        }
        let members = [
            ("kind", Is::Text),
            ("local_id", Is::Text),
            ("what", Is::Text),
            ("state", Is::Text),
            ("field", Is::Text),
            ("base", Is::Text),
            ("app", Is::Text),
            ("xero", Is::Text),
        ];
        for row in rows(app, &members, "conflicts").await {
            let local = text(&row, "local_id").unwrap().parse().unwrap();
            sides.conflicts.push((text(&row, "kind").unwrap(), local, row["state"] == "PENDING", row.to_string()));
        }
        let members = [
            ("kind", Is::Text),
            ("local_id", Is::Text),
            ("remote_key", Is::Text),
            ("code", Is::Text),
            ("message", Is::Text),
        ];
        for row in rows(app, &members, "failures WHERE resolved_at IS NULL AND ignored_at IS NULL").await {
            let local = text(&row, "local_id").and_then(|local| local.parse().ok());
            let why = format!("{} {}", text(&row, "code").unwrap(), text(&row, "message").unwrap());
            sides.failures.push((text(&row, "kind").unwrap(), local, text(&row, "remote_key").unwrap(), why));
        }
        let members = [("kind", Is::Text), ("local_id", Is::Text), ("xero_id", Is::Id)];
        for row in rows(app, &members, "candidates WHERE state = 'OPEN'").await {
            let local = text(&row, "local_id").unwrap().parse().unwrap();
            sides.candidates.push((text(&row, "kind").unwrap(), local, id(&text(&row, "xero_id").unwrap()).unwrap()));
        }
        for kind in KINDS {
            sides.read_app(app, kind).await;
            for record in day.person.list(endpoint(kind)).unwrap() {
                sides.read_xero(kind, &record);
            }
        }
        sides
    }

    async fn read_app(&mut self, app: &App, kind: &'static str) {
        let is_sqlite = matches!(app, App::Sqlite(_));
        let (own, children) = columns(kind);
        let mut members: Vec<(&str, Is)> = own.iter().map(|(name, _, is)| (*name, *is)).collect();
        members.push(("id", Is::Text));
        let mut found: BTreeMap<i64, Fields> = BTreeMap::new();
        for row in rows(app, &members, table(kind)).await {
            let local: i64 = row["id"].as_str().unwrap().parse().unwrap();
            let fields =
                own.iter().map(|(name, _, is)| ((*name).to_owned(), self.app_value(&row[*name], *is, is_sqlite)));
            found.insert(local, fields.collect());
        }
        for (child, parent, own, _, is_slot) in children {
            let mut members: Vec<(&str, Is)> = own.iter().map(|(name, _, is)| (*name, *is)).collect();
            members.push((parent, Is::Text));
            let mut places: BTreeMap<i64, usize> = BTreeMap::new();
            for row in rows(app, &members, &format!("{child} ORDER BY {parent}, position")).await {
                let local: i64 = row[*parent].as_str().unwrap().parse().unwrap();
                let place = places.entry(local).or_default();
                *place += 1;
                let key = if *is_slot { row["type"].as_str().unwrap().to_owned() } else { place.to_string() };
                let fields = found.entry(local).or_default();
                for (name, _, is) in *own {
                    let value = self.app_value(&row[*name], *is, is_sqlite);
                    fields.insert(format!("{child}[{key}].{name}"), value);
                }
            }
        }
        for (local, mut fields) in found {
            // Empty says as much as missing.
            fields.retain(|_, value| !value.is_empty());
            drop_empty_slots(&mut fields);
            self.app.insert((kind, local), fields);
        }
    }

    fn app_value(&self, value: &Value, is: Is, is_sqlite: bool) -> String {
        let Some(text) = value.as_str() else { return String::new() };
        match is {
            Is::Money if is_sqlite => decimal(&Decimal::new(text.parse().unwrap(), 4).to_string()),
            Is::Money | Is::Rate => decimal(text),
            Is::Bool => matches!(text, "1" | "true").to_string(),
            Is::Id => id(text).map(|id| id.to_string()).unwrap_or_default(),
            Is::Ref(kind) => {
                let found = self.to_xero.get(&(kind.to_owned(), text.parse().unwrap()));
                found.map_or_else(|| format!("the app's {kind} {text}"), Uuid::to_string)
            }
            Is::Text => text.to_owned(),
        }
    }

    fn read_xero(&mut self, kind: &'static str, record: &Value) {
        let own_id = match kind {
            "customer" => "ContactID",
            "invoice" => "InvoiceID",
            "payment" => "PaymentID",
            _ => "BankTransactionID",
        };
        let xero = id(record[own_id].as_str().unwrap()).unwrap();
        let (own, children) = columns(kind);
        let mut fields: Fields = own
            .iter()
            .map(|(name, member, is)| ((*name).to_owned(), xero_value(kind, name, at(record, member), *is)))
            .collect();
        for (child, _, own, member, is_slot) in children {
            for (place, item) in record[*member].as_array().into_iter().flatten().enumerate() {
                let slot = item["PhoneType"].as_str().or(item["AddressType"].as_str()).unwrap_or_default();
                let key = if *is_slot { slot.to_owned() } else { (place + 1).to_string() };
                for (name, member, is) in *own {
                    fields.insert(format!("{child}[{key}].{name}"), xero_value(kind, name, &item[*member], *is));
                }
            }
        }
        fields.retain(|_, value| !value.is_empty());
        drop_empty_slots(&mut fields);
        self.xero.insert((kind, xero), fields);
    }

    /// What differs and is not listed.
    pub fn compare(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for ((kind, local), app) in &self.app {
            let xero = self.to_xero.get(&((*kind).to_owned(), *local)).copied();
            if self.is_listed(kind, Some(*local), xero) {
                continue;
            }
            match xero.and_then(|xero| self.xero.get(&(*kind, xero))) {
                Some(other) => problems.extend(difference(kind, *local, app, other)),
                None if is_gone(app) => {}
                None => problems.push(format!("{kind} {local} is not in xero: {app:?}")),
            }
        }
        for ((kind, xero), fields) in &self.xero {
            let local = self.to_local.get(&((*kind).to_owned(), *xero)).copied();
            let is_here = local.is_some_and(|local| self.app.contains_key(&(*kind, local)));
            if !is_here && !is_gone(fields) && !self.is_listed(kind, local, Some(*xero)) {
                problems.push(format!("{kind} {xero} ({local:?}) is not in the app: {fields:?}"));
            }
        }
        problems
    }

    /// Records that stand twice on a side. Links are one to one by themselves, so this is about what has the same token.
    pub fn duplicates(&self) -> Vec<String> {
        let mut found = Vec::new();
        for kind in KINDS {
            let names = |fields: &Fields| match kind {
                "customer" => fields.get("name").cloned(),
                "invoice" => fields.get("number").or(fields.get("reference")).cloned(),
                _ => fields.get("reference").cloned(),
            };
            let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for ((of, xero), fields) in self.xero.iter().filter(|((of, _), fields)| *of == kind && !is_gone(fields)) {
                if let Some(name) = names(fields).filter(|name| name.contains("tk")) {
                    seen.entry(name).or_default().push(format!("{of} {xero} in xero"));
                }
            }
            found.extend(
                seen.into_iter().filter(|(_, all)| all.len() > 1).map(|(name, all)| format!("twice: {name} {all:?}")),
            );
        }
        found
    }

    /// Conflicts in which both sides say the same, or only one side said something new.
    pub fn false_conflicts(&self) -> Vec<String> {
        let is_false = |text: &&str| {
            let row: Value = serde_json::from_str(text).unwrap();
            let value = |name: &str| row[name].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
            row["what"] == "FIELD"
                && (value("app") == value("xero") || value("app") == value("base") || value("xero") == value("base"))
        };
        self.conflicts
            .iter()
            .map(|one| one.3.as_str())
            .filter(is_false)
            .map(|text| format!("no conflict: {text}"))
            .collect()
    }

    pub fn pair_of(&self, kind: &str, who: Who) -> Pair {
        match who {
            Who::Local(local) => {
                Pair { local: Some(local), xero: self.to_xero.get(&(kind.to_owned(), local)).copied() }
            }
            Who::Xero(xero) => Pair { local: self.to_local.get(&(kind.to_owned(), xero)).copied(), xero: Some(xero) },
        }
    }

    pub fn local_text(&self, kind: &'static str, local: i64) -> Option<String> {
        self.app.get(&(kind, local)).map(|fields| format!("{fields:?}"))
    }

    pub fn xero_text(&self, kind: &'static str, xero: Uuid) -> Option<String> {
        self.xero.get(&(kind, xero)).map(|fields| format!("{fields:?}"))
    }

    pub fn conflict_texts(&self, kind: &str, local: Option<i64>) -> impl Iterator<Item = &str> {
        let kind = kind.to_owned();
        self.conflicts.iter().filter(move |one| one.0 == kind && Some(one.1) == local).map(|one| one.3.as_str())
    }

    /// Listed with a reason: an open conflict, an open failure, or a pair that waits for a person.
    pub fn is_listed(&self, kind: &str, local: Option<i64>, xero: Option<Uuid>) -> bool {
        let is_it = |of: &str, id: Option<i64>| of == kind && id.is_some() && id == local;
        self.conflicts.iter().any(|one| one.2 && is_it(&one.0, Some(one.1)))
            || self.failures.iter().any(|one| {
                is_it(&one.0, one.1) || (one.0 == kind && xero.is_some_and(|xero| one.2 == xero.to_string()))
            })
            || self.candidates.iter().any(|one| is_it(&one.0, Some(one.1)) || (one.0 == kind && Some(one.2) == xero))
    }

    pub fn is_live(&self, kind: &'static str, local: Option<i64>, xero: Option<Uuid>) -> bool {
        let app = local.and_then(|local| self.app.get(&(kind, local))).is_some_and(|fields| !is_gone(fields));
        let xero = xero.and_then(|xero| self.xero.get(&(kind, xero))).is_some_and(|fields| !is_gone(fields));
        app && xero
    }

    pub fn listed_by_reason(&self) -> BTreeMap<String, usize> {
        let mut sums = BTreeMap::new();
        for (kind, _, _, why) in &self.failures {
            *sums.entry(format!("{kind} {}", why.chars().take(140).collect::<String>())).or_default() += 1;
        }
        for (kind, ..) in self.conflicts.iter().filter(|one| one.2) {
            *sums.entry(format!("{kind} open conflict")).or_default() += 1;
        }
        sums
    }

    /// Records listed, and all.
    pub fn extent(&self) -> (usize, usize) {
        let listed: BTreeSet<(&str, i64)> = self
            .app
            .keys()
            .filter(|(kind, local)| {
                self.is_listed(kind, Some(*local), self.to_xero.get(&((*kind).to_owned(), *local)).copied())
            })
            .copied()
            .collect();
        (listed.len(), self.app.len())
    }

    /// Sums of money that differ between the sides, by kind and column, over what is not listed.
    pub fn money_apart(&self) -> BTreeMap<String, (Decimal, Decimal)> {
        let mut sums: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
        let amount = |fields: &Fields, name: &str| fields.get(name).map_or(Decimal::ZERO, |text| text.parse().unwrap());
        for ((kind, local), fields) in &self.app {
            let xero = self.to_xero.get(&((*kind).to_owned(), *local)).copied();
            if self.is_listed(kind, Some(*local), xero) || (is_gone(fields) && xero.is_none()) {
                continue;
            }
            for name in ["total", "total_tax", "amount_due", "amount_paid", "amount"] {
                sums.entry(format!("{kind} {name}")).or_default().0 += amount(fields, name);
            }
        }
        for ((kind, xero), fields) in &self.xero {
            let local = self.to_local.get(&((*kind).to_owned(), *xero)).copied();
            let is_removed_here = is_gone(fields) && local.is_none_or(|local| !self.app.contains_key(&(*kind, local)));
            if self.is_listed(kind, local, Some(*xero)) || is_removed_here {
                continue;
            }
            for name in ["total", "total_tax", "amount_due", "amount_paid", "amount"] {
                sums.entry(format!("{kind} {name}")).or_default().1 += amount(fields, name);
            }
        }
        sums.retain(|_, (app, xero)| app != xero);
        sums
    }
}

fn at<'v>(record: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(record, |value, member| &value[member])
}

fn xero_value(kind: &str, name: &str, value: &Value, is: Is) -> String {
    let text = match value {
        Value::Null => return if is == Is::Bool { "false".into() } else { String::new() },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (name, is) {
        (_, Is::Money | Is::Rate) => decimal(&text),
        (_, Is::Id | Is::Ref(_)) => id(&text).filter(|id| !id.is_nil()).map(|id| id.to_string()).unwrap_or_default(),
        ("date" | "due_date", _) => day_of(&text),
        ("line_amount_types", _) => match text.as_str() {
            "Exclusive" => "EXCLUSIVE".into(),
            "Inclusive" => "INCLUSIVE".into(),
            _ => "NO_TAX".into(),
        },
        ("status", _) if kind != "customer" => match (kind, text.as_str()) {
            ("invoice", "DRAFT") => "DRAFT".into(),
            ("invoice", "SUBMITTED" | "AUTHORISED") => "SENT".into(),
            ("invoice", "PAID") => "PAID".into(),
            (_, "AUTHORISED") => "COMPLETED".into(),
            _ => "CANCELLED".into(),
        },
        _ => text,
    }
}

/// `2026-06-01T00:00:00` or `/Date(1782777600000+0000)/`.
fn day_of(text: &str) -> String {
    let day = match text.strip_prefix("/Date(") {
        None => text.chars().take(10).collect(),
        Some(rest) => {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let at = jiff::Timestamp::from_millisecond(digits.parse().unwrap()).unwrap();
            at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
        }
    };
    if day.starts_with("0001") { String::new() } else { day }
}

/// A slot with nothing in it but its name is none.
fn drop_empty_slots(fields: &mut Fields) {
    let slot = |name: &str| name.split_once("].").map(|(slot, _)| slot.to_owned());
    let filled: BTreeSet<String> =
        fields.keys().filter(|name| !name.ends_with("].type")).filter_map(|name| slot(name)).collect();
    fields.retain(|name, _| !name.ends_with("].type") || slot(name).is_some_and(|slot| filled.contains(&slot)));
}

fn is_gone(fields: &Fields) -> bool {
    matches!(fields.get("status").map(String::as_str), Some("CANCELLED" | "ARCHIVED"))
}

fn difference(kind: &str, local: i64, app: &Fields, xero: &Fields) -> Option<String> {
    let names: BTreeSet<&String> = app.keys().chain(xero.keys()).collect();
    let is_other = |name: &&&String| {
        let (here, there) = (app.get(**name), xero.get(**name));
        // Overdue is the App's word.
        here != there && !(here.is_some_and(|here| here == "OVERDUE") && there.is_some_and(|there| there == "SENT"))
    };
    let parts: Vec<String> = names
        .iter()
        .filter(is_other)
        .map(|name| format!("{name}: app {:?} xero {:?}", app.get(*name), xero.get(*name)))
        .collect();
    (!parts.is_empty()).then(|| format!("{kind} {local} differs: {}", parts.join("; ")))
}

/// Whether payments were made on an invoice, cancelled ones included.
pub async fn has_payments(app: &App, invoice: i64) -> bool {
    let sql = format!("SELECT COUNT(*) AS c FROM payments WHERE invoice_id = {invoice}");
    app.text(&sql).await.as_deref() != Some("0")
}
