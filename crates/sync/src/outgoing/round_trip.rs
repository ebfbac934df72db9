//! What is sent arrives: each kind is made, changed and removed in an emulator in the same process, and what comes back
//! is mapped and compared with what was meant.

use emulator::{Config, Emulator, Person};
use jiff::civil::date;
use model::{
    Address, AddressType, Amount, BankTransaction, Customer, CustomerStatus, DocumentStatus, Invoice, Line,
    LineAmountTypes, Owner, Payment, PaymentStatus, Phone, PhoneType, Record, Ref,
};
use serde_json::Value;
use uuid::Uuid;
use xero::Entity;

use super::Pushed;
use crate::map::{BankTransactions, Contacts, Invoices, Payments, Pulled};

fn person() -> Person {
    let emulator = Emulator::new(Config::default());
    emulator.person(emulator.tenants()[0])
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn amount(text: &str) -> Option<Amount> {
    Some(text.parse().unwrap())
}

fn mapped<P: Pulled>(wire: &Value) -> (Uuid, P::Record) {
    let wire: P::Wire = serde_json::from_str(&wire.to_string()).unwrap();
    (P::id(&wire), P::map(wire).unwrap())
}

fn json<W: serde::Serialize>(write: &W) -> Value {
    serde_json::from_str(&serde_json::to_string(write).unwrap()).unwrap()
}

/// Makes a record in Xero and reads it.
fn create<P: Pushed>(person: &Person, record: &P::Record) -> (Uuid, P::Record) {
    let made = person.create(<P::Wire as Entity>::PATH, &json(&P::create(record).unwrap())).unwrap();
    let (id, _) = mapped::<P>(&made);
    (id, read::<P>(person, id))
}

fn read<P: Pulled>(person: &Person, id: Uuid) -> P::Record {
    mapped::<P>(&person.read(<P::Wire as Entity>::PATH, id).unwrap()).1
}

/// Changes a record in Xero, checks that it became what was meant, and gives it.
fn update<P: Pushed>(person: &Person, id: Uuid, change: impl FnOnce(&mut P::Record)) -> P::Record {
    let remote = read::<P>(person, id);
    let mut outgoing = remote.clone();
    change(&mut outgoing);
    person.edit(<P::Wire as Entity>::PATH, id, &json(&P::update(id, &remote, &outgoing).unwrap())).unwrap();
    let after = read::<P>(person, id);
    assert_eq!(shared(&after), shared(&outgoing));
    after
}

fn remove<P: Pushed>(person: &Person, id: Uuid) -> P::Record {
    let remote = read::<P>(person, id);
    person.edit(<P::Wire as Entity>::PATH, id, &json(&P::remove(id, &remote).unwrap())).unwrap();
    read::<P>(person, id)
}

/// A record without what Xero decides.
fn shared<R: Record>(record: &R) -> Value {
    let mut fields = serde_json::to_value(record).unwrap();
    let members = fields.as_object_mut().unwrap();
    for field in R::FIELDS.iter().filter(|field| field.owner == Owner::Xero) {
        members.remove(field.name);
    }
    for line in members.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten() {
        let line = line.as_object_mut().unwrap();
        for computed in ["xero_line_id", "line_amount", "tax_amount"] {
            line.remove(computed);
        }
    }
    fields
}

fn customer(name: &str) -> Customer {
    Customer {
        name: name.into(),
        first_name: text("Ann"),
        last_name: text("Lee"),
        email: text("ann@example.test"),
        account_number: text("A-1"),
        tax_number: text("12-345"),
        company_number: text("N-1"),
        default_currency: text("NZD"),
        phones: vec![
            Phone { number: text("111"), area_code: text("9"), country_code: text("64"), ..Phone::default() },
            Phone { kind: PhoneType::Mobile, number: text("021"), ..Phone::default() },
        ],
        addresses: vec![Address { line1: text("1 Quay St"), city: text("Oamaru"), ..Address::default() }],
        ..Customer::default()
    }
}

#[test]
fn customers() {
    let person = person();
    let mut local = customer("Round Trip Ltd");
    let marker = Contacts::mark(&mut local, "tieout-c-1");
    let (id, remote) = create::<Contacts>(&person, &local);
    assert_eq!(shared(&remote), shared(&local));
    assert!(Contacts::bears(&marker, &remote));
    update::<Contacts>(&person, id, |c| c.email = None);
    update::<Contacts>(&person, id, |c| (c.first_name, c.tax_number) = (None, text("99")));
    update::<Contacts>(&person, id, |c| drop(c.phones.remove(0)));
    update::<Contacts>(&person, id, |c| c.phones[0].country_code = text("64"));
    update::<Contacts>(&person, id, |c| {
        c.phones.clear();
        c.addresses.push(Address { kind: AddressType::Street, attention_to: text("Ann"), ..Address::default() });
    });
    update::<Contacts>(&person, id, |c| c.addresses.clear());
    update::<Contacts>(&person, id, |c| c.name = "Rounder Trip Ltd".into());
    let archived = remove::<Contacts>(&person, id);
    assert_eq!(archived.status, CustomerStatus::Archived);
    assert!(Contacts::bears(&marker, &archived));
}

fn line(description: &str, quantity: &str, price: &str) -> Line {
    Line {
        description: text(description),
        quantity: amount(quantity),
        unit_amount: amount(price),
        account_code: text("200"),
        tax_type: text("OUTPUT2"),
        ..Line::default()
    }
}

fn invoice(contact: Uuid) -> Invoice {
    Invoice {
        r#type: "ACCREC".into(),
        customer: Some(Ref::Xero(contact)),
        date: Some(date(2026, 3, 2)),
        due_date: Some(date(2026, 4, 2)),
        status: DocumentStatus::Sent,
        currency: text("NZD"),
        currency_rate: Some("1".parse().unwrap()),
        lines: vec![
            line("Work", "2.5", "10.1234"),
            Line { description: text("Thank you"), ..Line::default() },
            Line { discount_rate: amount("10"), ..line("Play", "3", "33.33") },
        ],
        ..Invoice::default()
    }
}

#[test]
fn invoices() {
    let person = person();
    let (contact, _) = create::<Contacts>(&person, &customer("Invoiced Ltd"));
    let (other, _) = create::<Contacts>(&person, &customer("Other Ltd"));
    let mut local = invoice(contact);
    let marker = Invoices::mark(&mut local, "tieout-i-1");
    let (id, remote) = create::<Invoices>(&person, &local);
    assert!(Invoices::bears(&marker, &remote));
    assert!(remote.number.is_some(), "Xero numbers it");
    local.number = remote.number.clone();
    assert_eq!(shared(&remote), shared(&local));

    let ids = |invoice: &Invoice| invoice.lines.iter().map(|line| line.xero_line_id).collect::<Vec<_>>();
    let after = update::<Invoices>(&person, id, |i| (i.reference, i.number) = (None, text("RT-1")));
    assert_eq!(after.lines, remote.lines, "an edit of the header leaves the lines alone");
    update::<Invoices>(&person, id, |i| {
        (i.customer, i.date, i.due_date) = (Some(Ref::Xero(other)), Some(date(2026, 3, 3)), Some(date(2026, 3, 9)));
    });
    let after = update::<Invoices>(&person, id, |i| i.lines[0].description = text("Hard work"));
    assert_eq!(ids(&after), ids(&remote), "edited lines stay the lines that they were");
    assert_eq!(after.total, remote.total);
    let after = update::<Invoices>(&person, id, |i| i.lines[0].tax_amount = amount("3.50"));
    assert_eq!(after.lines[0].tax_amount, amount("3.50"));
    let after = update::<Invoices>(&person, id, |i| i.lines[2].description = text("More play"));
    assert_eq!(after.lines[0].tax_amount, amount("3.50"), "an override outlives the edit of another line");
    let after = update::<Invoices>(&person, id, |i| i.lines[0].quantity = amount("4"));
    assert_eq!(after.lines[0].tax_amount, amount("6.07"), "and ends with another amount");
    update::<Invoices>(&person, id, |i| i.lines[2].discount_rate = None);
    update::<Invoices>(&person, id, |i| i.lines[2].discount_amount = amount("5"));
    let after = update::<Invoices>(&person, id, |i| {
        i.lines.remove(1);
        i.lines.push(line("New", "1", "7"));
    });
    assert_eq!(after.lines[0].xero_line_id, remote.lines[0].xero_line_id);
    assert_eq!(after.lines[1].xero_line_id, remote.lines[2].xero_line_id);
    let after = update::<Invoices>(&person, id, |i| {
        i.line_amount_types = LineAmountTypes::Inclusive;
        let before = i.lines.clone();
        let rate = |_: &str| amount("15");
        model::accounting::refresh_changed_types(&mut i.lines, &before, LineAmountTypes::Inclusive, &rate);
    });
    assert_eq!(after.lines[2].tax_amount, amount("0.91"));
    let voided = remove::<Invoices>(&person, id);
    assert_eq!(voided.xero_status, "VOIDED");
    assert!(Invoices::update(id, &voided, &Invoice { status: DocumentStatus::Sent, ..voided.clone() }).is_err());
}

#[test]
fn bills_and_drafts() {
    let person = person();
    let (contact, _) = create::<Contacts>(&person, &customer("Billing Ltd"));
    let lines = vec![Line { account_code: text("400"), tax_type: text("INPUT2"), ..line("Posters", "1", "80") }];
    let draft = DocumentStatus::Draft;
    let mut bill = Invoice { r#type: "ACCPAY".into(), status: draft, lines, ..invoice(contact) };
    let marker = Invoices::mark(&mut bill, "tieout-b-1");
    let (id, remote) = create::<Invoices>(&person, &bill);
    assert_eq!(shared(&remote), shared(&bill));
    assert!(Invoices::bears(&marker, &remote));
    update::<Invoices>(&person, id, |i| i.number = None);
    update::<Invoices>(&person, id, |i| i.status = DocumentStatus::Sent);
    let (id, _) = create::<Invoices>(&person, &bill);
    assert_eq!(remove::<Invoices>(&person, id).xero_status, "DELETED");
}

/// The bank account of every organisation.
fn bank(person: &Person) -> Option<Ref> {
    let accounts = person.list("Accounts").unwrap();
    let bank = accounts.iter().find(|account| account["Code"] == "090").unwrap();
    Some(Ref::Xero(bank["AccountID"].as_str().unwrap().parse().unwrap()))
}

#[test]
fn payments() {
    let person = person();
    let (contact, _) = create::<Contacts>(&person, &customer("Paying Ltd"));
    let (invoice_id, remote) = create::<Invoices>(&person, &invoice(contact));
    let mut local = Payment {
        invoice: Some(Ref::Xero(invoice_id)),
        account: bank(&person),
        date: Some(date(2026, 3, 5)),
        amount: "24.15".parse().unwrap(),
        currency_rate: Some("1".parse().unwrap()),
        ..Payment::default()
    };
    let marker = Payments::mark(&mut local, "tieout-p-1");
    let (id, paid) = create::<Payments>(&person, &local);
    assert_eq!(shared(&paid), shared(&local));
    assert!(Payments::bears(&marker, &paid));
    let part_paid = update::<Invoices>(&person, invoice_id, |i| {
        i.lines[0].description = text("Paid work");
        i.lines[0].account_code = text("260");
        i.reference = text("still editable");
    });
    assert_eq!(part_paid.total, remote.total);
    let deleted = remove::<Payments>(&person, id);
    assert_eq!(deleted.status, PaymentStatus::Cancelled);
    assert!(Payments::bears(&marker, &deleted));
    let settled = read::<Invoices>(&person, invoice_id);
    assert_eq!(settled.amount_due, remote.total);
}

#[test]
fn bank_transactions() {
    let person = person();
    let (contact, _) = create::<Contacts>(&person, &customer("Banking Ltd"));
    let spent = Line { account_code: text("429"), tax_type: text("INPUT2"), ..line("Fuel", "1", "115") };
    let mut local = BankTransaction {
        r#type: "SPEND".into(),
        customer: Some(Ref::Xero(contact)),
        account: bank(&person),
        date: Some(date(2026, 3, 5)),
        currency: text("NZD"),
        line_amount_types: LineAmountTypes::Inclusive,
        lines: vec![Line { tax_amount: amount("15"), ..spent.clone() }],
        ..BankTransaction::default()
    };
    let marker = BankTransactions::mark(&mut local, "tieout-t-1");
    let (id, remote) = create::<BankTransactions>(&person, &local);
    assert_eq!(shared(&remote), shared(&local));
    assert!(BankTransactions::bears(&marker, &remote));
    let after = update::<BankTransactions>(&person, id, |t| t.reference = None);
    assert_eq!(after.lines, remote.lines, "the lines that Xero wants to see again are still the same");
    update::<BankTransactions>(&person, id, |t| t.date = Some(date(2026, 3, 6)));
    let after = update::<BankTransactions>(&person, id, |t| {
        t.lines[0].quantity = amount("2");
        t.lines[0].tax_amount = amount("30");
        t.lines.push(spent);
    });
    assert_eq!((after.lines[0].xero_line_id, after.total), (remote.lines[0].xero_line_id, "345".parse().unwrap()));
    update::<BankTransactions>(&person, id, |t| t.line_amount_types = LineAmountTypes::Exclusive);
    assert_eq!(remove::<BankTransactions>(&person, id).status, PaymentStatus::Cancelled);
}
