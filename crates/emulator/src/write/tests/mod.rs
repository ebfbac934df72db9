//! Writes against small books that are known by heart.

mod bank;
mod batches;
mod bodies;
mod contacts;
mod credits;
mod documents;
mod hostile;
mod lines;
mod payments;
mod push;
mod reference;
mod status;
mod walk;

use bytes::Bytes;
use jiff::civil::Date;
use serde_json::Value;
use uuid::Uuid;

use super::{ReplyCache, handle};
use crate::books::*;
use crate::config::Settings;
use crate::http::{Request, WriteContext, WriteNotes};

/// 2026-03-01T12:00:00Z, which is 2026-03-02 in the organisation's time zone.
const NOON: Millis = 1_772_366_400_000;

/// An answer, read.
#[derive(Debug, Clone, PartialEq)]
struct Reply {
    status: u16,
    json: Value,
    text: String,
}

impl Reply {
    /// Every message of the failed elements, in order.
    fn messages(&self) -> Vec<String> {
        let elements = self.json["Elements"].as_array().cloned().unwrap_or_default();
        let of = |element: &Value| element["ValidationErrors"].as_array().cloned().unwrap_or_default();
        elements.iter().flat_map(of).map(|error| error["Message"].as_str().unwrap().to_owned()).collect()
    }

    /// The first element of the collection of a successful answer.
    fn first(&self, collection: &str) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json[collection][0].clone()
    }

    /// A refusal of the default mode with exactly these messages.
    fn refused(&self, messages: &[&str]) {
        assert_eq!(self.status, 400, "{}", self.text);
        assert_eq!(self.json["ErrorNumber"], 10);
        assert_eq!(self.json["Type"], "ValidationException");
        assert_eq!(self.json["Message"], "A validation exception occurred");
        assert_eq!(self.messages(), messages);
    }

    /// A refusal of the whole body.
    fn bad(&self, message: &str) {
        assert_eq!(self.status, 400, "{}", self.text);
        assert_eq!(self.json["ErrorNumber"], 14);
        assert_eq!(self.json["Type"], "PostDataInvalidException");
        assert_eq!(self.json["Message"], message);
    }
}

/// Books, clock and settings under test.
struct Bench {
    books: Books,
    replies: ReplyCache,
    settings: Settings,
    notes: WriteNotes,
    now: Millis,
    contact: Uuid,
    archived_contact: Uuid,
}

impl Bench {
    fn new() -> Self {
        let mut books = Books::new(organisation(), 7);
        fill_reference(&mut books);
        let mut contact = Contact::new(books.next_id(), "Example Ltd".into(), 1000);
        contact.email = Some("a@example.test".into());
        let mut gone = Contact::new(books.next_id(), "Gone Ltd".into(), 1000);
        gone.status = ContactStatus::Archived;
        let (contact_id, archived_contact) = (contact.id, gone.id);
        books.contacts.insert(contact);
        books.contacts.insert(gone);
        Self {
            books,
            replies: ReplyCache::default(),
            settings: Settings::default(),
            notes: WriteNotes::default(),
            now: NOON,
            contact: contact_id,
            archived_contact,
        }
    }

    fn request(&mut self, request: &Request) -> Reply {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut context = WriteContext {
            books: &mut self.books,
            replies: &mut self.replies,
            now: self.now,
            settings: &self.settings,
            provider: "Test App",
            is_person: false,
            refuse_every: None,
            notes: &mut self.notes,
        };
        let response = handle(&mut context, request, &segments);
        self.now += 1000;
        let text = response.text_body().to_owned();
        Reply { status: response.status, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    fn send(&mut self, method: &str, target: &str, body: Value) -> Reply {
        let request = Request::new(method, target)
            .with_header("Content-Type", "application/json")
            .with_body(Bytes::from(body.to_string()));
        self.request(&request)
    }

    fn put(&mut self, target: &str, body: Value) -> Reply {
        self.send("PUT", target, body)
    }

    fn post(&mut self, target: &str, body: Value) -> Reply {
        self.send("POST", target, body)
    }

    fn delete(&mut self, target: &str) -> Reply {
        self.request(&Request::new("DELETE", target))
    }

    /// The body of a plain sales invoice: 2 × 10.50 plus 15 % = 24.15.
    fn sale(&self, status: &str) -> Value {
        serde_json::json!({
            "Type": "ACCREC", "Status": status, "Contact": {"ContactID": self.contact.to_string()},
            "Date": "2026-03-02", "DueDate": "2026-03-20", "LineAmountTypes": "Exclusive",
            "LineItems": [{"Description": "Work", "Quantity": 2, "UnitAmount": 10.5, "AccountCode": "200"}]
        })
    }

    /// The same as a bill, coded to an expense.
    fn bill(&self, status: &str) -> Value {
        let mut body = self.sale(status);
        body["Type"] = "ACCPAY".into();
        body["LineItems"][0]["AccountCode"] = "400".into();
        body
    }

    /// Saves a sales invoice and tells its answer.
    fn saved_sale(&mut self, status: &str) -> Value {
        let body = self.sale(status);
        self.put("/Invoices", body).first("Invoices")
    }

    fn invoice(&self, element: &Value) -> &Invoice {
        self.books.invoices.get(id_of(element, "InvoiceID")).unwrap()
    }

    fn pay(&mut self, invoice: &Value, amount: &str) -> Reply {
        let body: Value = serde_json::from_str(&format!(
            r#"{{"Invoice":{{"InvoiceID":{}}},"Account":{{"Code":"090"}},"Date":"2026-03-02","Amount":{amount}}}"#,
            invoice["InvoiceID"]
        ))
        .unwrap();
        self.put("/Payments", body)
    }
}

fn id_of(element: &Value, key: &str) -> Uuid {
    element[key].as_str().unwrap().parse().unwrap()
}

fn organisation() -> Organisation {
    Organisation {
        id: Uuid::from_u128(1),
        name: "Books by Heart".into(),
        legal_name: "Books by Heart".into(),
        base_currency: CurrencyCode::NZD,
        country_code: "NZ".into(),
        timezone: "NEWZEALANDSTANDARDTIME".into(),
        financial_year_end_day: 31,
        financial_year_end_month: 3,
        period_lock_date: None,
        end_of_year_lock_date: None,
        sales_tax_basis: "PAYMENTS".into(),
        is_demo: false,
        short_code: "!abc12".into(),
        created: 0,
        invoice_prefix: "INV-".into(),
        next_invoice: 1,
        credit_note_prefix: "CN-".into(),
        next_credit_note: 1,
    }
}

fn fill_reference(books: &mut Books) {
    use AccountType::{Bank, CurrLiab, Current, Equity, Expense, Revenue};
    for (code, name, kind, tax, system) in [
        ("090", "Bank", Bank, "NONE", None),
        ("091", "Dollar Bank", Bank, "NONE", None),
        ("200", "Sales", Revenue, "OUTPUT2", None),
        ("260", "Untaxed Income", Revenue, "NONE", None),
        ("400", "Advertising", Expense, "INPUT2", None),
        ("499", "Old Costs", Expense, "INPUT2", None),
        ("610", "Accounts Receivable", Current, "NONE", Some("DEBTORS")),
        ("800", "Accounts Payable", CurrLiab, "NONE", Some("CREDITORS")),
        ("880", "Drawings", Equity, "NONE", None),
    ] {
        let account = Account {
            id: books.next_id(),
            code: Some(code.into()),
            name: name.into(),
            kind,
            status: if code == "499" { ReferenceStatus::Archived } else { ReferenceStatus::Active },
            description: None,
            tax_type: tax.into(),
            enable_payments: code == "880",
            show_in_expense_claims: false,
            bank_account_number: None,
            bank_account_type: None,
            currency: match code {
                "090" => Some(CurrencyCode::NZD),
                "091" => CurrencyCode::parse("USD"),
                _ => None,
            },
            system_account: system.map(Into::into),
            reporting_code: None,
            reporting_code_name: None,
            add_to_watchlist: false,
            updated: 1000,
        };
        books.accounts.insert(account);
    }
    use AccountClass::{Asset, Revenue as RevenueClass};
    for (tax_type, percent, status, applies_to) in [
        ("OUTPUT2", 15, ReferenceStatus::Active, vec![RevenueClass]),
        ("INPUT2", 15, ReferenceStatus::Active, vec![AccountClass::Expense, Asset]),
        ("NONE", 0, ReferenceStatus::Active, AccountClass::ALL.to_vec()),
        ("INPUT", 12, ReferenceStatus::Deleted, vec![AccountClass::Expense]),
    ] {
        books.tax_rates.push(TaxRate {
            tax_type: tax_type.into(),
            name: tax_type.into(),
            report_tax_type: tax_type.into(),
            status,
            display_rate: Amount(percent * Amount::UNIT),
            effective_rate: Amount(percent * Amount::UNIT),
            applies_to,
            components: Vec::new(),
        });
    }
    for code in ["NZD", "USD", "JPY", "KWD"] {
        let code = CurrencyCode::parse(code).unwrap();
        books.currencies.push(Currency { code, description: code.as_str().into() });
    }
    let option =
        |books: &mut Books, name: &str, status| TrackingOption { id: books.next_id(), name: name.into(), status };
    let options =
        vec![option(books, "North", ReferenceStatus::Active), option(books, "Closed", ReferenceStatus::Archived)];
    let category =
        TrackingCategory { id: books.next_id(), name: "Region".into(), status: ReferenceStatus::Active, options };
    books.tracking.push(category);
    let theme = BrandingTheme { id: books.next_id(), name: "Standard".into(), created: 0 };
    books.themes.push(theme);
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}
