//! What Xero sends as the rows that it becomes: written once more, without Tieout's own mapping and tables.

use anyhow::Context as _;
use jiff::civil::Date;
use model::{
    Account, Address, AddressType, Amount, ContentHash, Customer, CustomerStatus, DocumentStatus, Invoice, Kind, Line,
    LineAmountTypes, Payment, PaymentMethod, PaymentStatus, Phone, PhoneType, Rate, Record, Ref, TaxRate, Tracking,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::rows::{At, Day, Id, Money, Ratio, Row, Table, cells, links};

/// A kind that the benchmark's organisation has.
pub(super) trait Bare: Send + 'static {
    /// What Xero sends.
    type Wire: xero::Entity;
    /// What the books hold.
    type Record: Record;
    const KIND: Kind;
    const INCLUDE_ARCHIVED: bool = false;

    fn id(wire: &Self::Wire) -> Uuid {
        xero::Entity::id(wire)
    }
    fn map(wire: Self::Wire) -> anyhow::Result<Self::Record>;
    /// The record's own table first, the links last.
    fn tables() -> Vec<Table<Self::Record>>;
}

pub(super) struct Accounts;
pub(super) struct TaxRates;
pub(super) struct Contacts;
pub(super) struct Invoices;
pub(super) struct Payments;

impl Bare for Accounts {
    type Wire = xero::Account;
    type Record = Account;
    const KIND: Kind = Kind::Account;

    fn map(wire: xero::Account) -> anyhow::Result<Account> {
        Ok(Account {
            code: text(wire.code),
            name: wire.name.context("an account without name")?,
            r#type: wire.kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            class: wire.class.map(|class| class.as_str().to_owned()),
            status: wire.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            tax_type: text(wire.tax_type),
            description: text(wire.description),
            system_account: text(wire.system_account),
            enable_payments: wire.enable_payments_to_account.unwrap_or_default(),
            bank_account_number: text(wire.bank_account_number),
            bank_account_type: text(wire.bank_account_type),
            currency: text(wire.currency_code),
        })
    }

    fn tables() -> Vec<Table<Account>> {
        let accounts = Table {
            name: "accounts",
            columns: "id, org_id, code, name, type, class, status, tax_type, description, system_account, \
                      enable_payments, bank_account_number, bank_account_type, currency, sync_rev, created_at, \
                      updated_at",
            emit: |row: &Row<'_, Account>, known, emit| {
                let (r, now) = (&row.incoming.record, At(known.now));
                cells!(emit =>
                    row.id, 1_i64, r.code, r.name, r.r#type, r.class, r.status, r.tax_type, r.description,
                    r.system_account, r.enable_payments, r.bank_account_number, r.bank_account_type, r.currency,
                    1_i64, now, now
                )
            },
        };
        vec![accounts, links()]
    }
}

impl Bare for TaxRates {
    type Wire = xero::TaxRate;
    type Record = TaxRate;
    const KIND: Kind = Kind::TaxRate;

    fn id(wire: &xero::TaxRate) -> Uuid {
        let code = wire.tax_type.as_deref().unwrap_or_default();
        Uuid::from_bytes(ContentHash::of(format!("tax rate {code}").as_bytes()).0)
    }

    fn map(wire: xero::TaxRate) -> anyhow::Result<TaxRate> {
        Ok(TaxRate {
            tax_type: wire.tax_type.context("a tax rate without code")?,
            name: wire.name.unwrap_or_default(),
            status: wire.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            effective_rate: amount(wire.effective_rate)?,
            display_rate: amount(wire.display_tax_rate)?,
            applies_to_assets: wire.can_apply_to_assets.unwrap_or_default(),
            applies_to_equity: wire.can_apply_to_equity.unwrap_or_default(),
            applies_to_expenses: wire.can_apply_to_expenses.unwrap_or_default(),
            applies_to_liabilities: wire.can_apply_to_liabilities.unwrap_or_default(),
            applies_to_revenue: wire.can_apply_to_revenue.unwrap_or_default(),
        })
    }

    fn tables() -> Vec<Table<TaxRate>> {
        let tax_rates = Table {
            name: "tax_rates",
            columns: "id, org_id, tax_type, name, status, effective_rate, display_rate, applies_to_assets, \
                      applies_to_equity, applies_to_expenses, applies_to_liabilities, applies_to_revenue, \
                      sync_rev, created_at, updated_at",
            emit: |row: &Row<'_, TaxRate>, known, emit| {
                let (r, now) = (&row.incoming.record, At(known.now));
                cells!(emit =>
                    row.id, 1_i64, r.tax_type, r.name, r.status, r.effective_rate.map(Money),
                    r.display_rate.map(Money), r.applies_to_assets, r.applies_to_equity, r.applies_to_expenses,
                    r.applies_to_liabilities, r.applies_to_revenue, 1_i64, now, now
                )
            },
        };
        vec![tax_rates, links()]
    }
}

impl Bare for Contacts {
    type Wire = xero::Contact;
    type Record = Customer;
    const KIND: Kind = Kind::Customer;
    const INCLUDE_ARCHIVED: bool = true;

    fn map(wire: xero::Contact) -> anyhow::Result<Customer> {
        let mut phones: Vec<Phone> = wire.phones.into_iter().filter_map(phone).collect();
        let mut addresses: Vec<Address> = wire.addresses.into_iter().filter_map(address).collect();
        phones.sort_by_key(|phone| phone.kind);
        addresses.sort_by_key(|address| address.kind);
        Ok(Customer {
            name: wire.name.context("a contact without name")?,
            first_name: text(wire.first_name),
            last_name: text(wire.last_name),
            email: text(wire.email_address),
            contact_number: text(wire.contact_number),
            account_number: text(wire.account_number),
            tax_number: text(wire.tax_number),
            company_number: text(wire.company_number),
            default_currency: text(wire.default_currency),
            status: match wire.contact_status {
                None | Some(xero::ContactStatus::Active) => CustomerStatus::Active,
                Some(_) => CustomerStatus::Archived,
            },
            is_customer: wire.is_customer.unwrap_or_default(),
            is_supplier: wire.is_supplier.unwrap_or_default(),
            merged_into: wire.merged_to_contact_id.filter(|id| !id.is_nil()),
            phones,
            addresses,
        })
    }

    fn tables() -> Vec<Table<Customer>> {
        let customers = Table {
            name: "customers",
            columns: "id, org_id, name, first_name, last_name, email, contact_number, account_number, tax_number, \
                      company_number, default_currency, status, is_customer, is_supplier, merged_into, sync_rev, \
                      created_at, updated_at",
            emit: |row: &Row<'_, Customer>, known, emit| {
                let (r, now) = (&row.incoming.record, At(known.now));
                cells!(emit =>
                    row.id, 1_i64, r.name, r.first_name, r.last_name, r.email, r.contact_number, r.account_number,
                    r.tax_number, r.company_number, r.default_currency, r.status.as_str(), r.is_customer,
                    r.is_supplier, r.merged_into.map(Id), 1_i64, now, now
                )
            },
        };
        let phones = Table {
            name: "customer_phones",
            columns: "customer_id, position, type, country_code, area_code, number, sync_rev",
            emit: |row: &Row<'_, Customer>, _, emit| {
                (1_i64..).zip(&row.incoming.record.phones).try_for_each(
                    |(at, p)| cells!(emit => row.id, at, p.kind.as_str(), p.country_code, p.area_code, p.number, 1_i64),
                )
            },
        };
        let addresses = Table {
            name: "customer_addresses",
            columns: "customer_id, position, type, attention_to, line1, line2, line3, line4, city, region, \
                      postal_code, country, sync_rev",
            emit: |row: &Row<'_, Customer>, _, emit| {
                (1_i64..).zip(&row.incoming.record.addresses).try_for_each(|(at, a)| {
                    cells!(emit =>
                        row.id, at, a.kind.as_str(), a.attention_to, a.line1, a.line2, a.line3, a.line4, a.city,
                        a.region, a.postal_code, a.country, 1_i64
                    )
                })
            },
        };
        vec![customers, phones, addresses, links()]
    }
}

impl Bare for Invoices {
    type Wire = xero::Invoice;
    type Record = Invoice;
    const KIND: Kind = Kind::Invoice;
    const INCLUDE_ARCHIVED: bool = true;

    fn map(wire: xero::Invoice) -> anyhow::Result<Invoice> {
        let xero_status = wire.status.context("an invoice without status")?;
        Ok(Invoice {
            r#type: wire.kind.context("an invoice without type")?.as_str().to_owned(),
            number: text(wire.invoice_number),
            reference: text(wire.reference),
            customer: wire.contact.and_then(|contact| reference(contact.contact_id)),
            date: date(wire.date),
            due_date: date(wire.due_date),
            status: match xero_status {
                xero::DocumentStatus::Draft => DocumentStatus::Draft,
                xero::DocumentStatus::Submitted | xero::DocumentStatus::Authorised => DocumentStatus::Sent,
                xero::DocumentStatus::Paid => DocumentStatus::Paid,
                xero::DocumentStatus::Voided | xero::DocumentStatus::Deleted => DocumentStatus::Cancelled,
                _ => DocumentStatus::Other,
            },
            xero_status: xero_status.as_str().to_owned(),
            currency: text(wire.currency_code),
            currency_rate: rate(wire.currency_rate)?,
            line_amount_types: match wire.line_amount_types {
                Some(xero::LineAmountTypes::Inclusive) => LineAmountTypes::Inclusive,
                Some(xero::LineAmountTypes::NoTax) => LineAmountTypes::NoTax,
                _ => LineAmountTypes::Exclusive,
            },
            lines: wire.line_items.into_iter().map(line).collect::<anyhow::Result<_>>()?,
            sub_total: amount(wire.sub_total)?.unwrap_or_default(),
            total_tax: amount(wire.total_tax)?.unwrap_or_default(),
            total: amount(wire.total)?.unwrap_or_default(),
            amount_due: amount(wire.amount_due)?.unwrap_or_default(),
            amount_paid: amount(wire.amount_paid)?.unwrap_or_default(),
            amount_credited: amount(wire.amount_credited)?.unwrap_or_default(),
            fully_paid_on: date(wire.fully_paid_on_date),
        })
    }

    fn tables() -> Vec<Table<Invoice>> {
        let invoices = Table {
            name: "invoices",
            columns: "id, org_id, type, number, reference, customer_id, date, due_date, status, xero_status, \
                      currency, currency_rate, line_amount_types, sub_total, total_tax, total, amount_due, \
                      amount_paid, amount_credited, fully_paid_on, sync_rev, created_at, updated_at",
            emit: |row: &Row<'_, Invoice>, known, emit| {
                let (r, now) = (&row.incoming.record, At(known.now));
                cells!(emit =>
                    row.id, 1_i64, r.r#type, r.number, r.reference, known.local(r.customer)?, r.date.map(Day),
                    r.due_date.map(Day), r.status.as_str(), r.xero_status, r.currency, r.currency_rate.map(Ratio),
                    r.line_amount_types.as_str(), Money(r.sub_total), Money(r.total_tax), Money(r.total),
                    Money(r.amount_due), Money(r.amount_paid), Money(r.amount_credited), r.fully_paid_on.map(Day),
                    1_i64, now, now
                )
            },
        };
        let lines = Table {
            name: "invoice_lines",
            columns: "invoice_id, position, xero_line_id, description, quantity, unit_amount, discount_rate, \
                      discount_amount, account_code, tax_type, tax_amount, line_amount, item_code, tracking, \
                      sync_rev",
            emit: |row: &Row<'_, Invoice>, _, emit| {
                (1_i64..).zip(&row.incoming.record.lines).try_for_each(|(at, l)| {
                    let tracking = (!l.tracking.is_empty()).then(|| serde_json::to_string(&l.tracking)).transpose()?;
                    cells!(emit =>
                        row.id, at, l.xero_line_id.map(Id), l.description, l.quantity.map(Money),
                        l.unit_amount.map(Money), l.discount_rate.map(Money), l.discount_amount.map(Money),
                        l.account_code, l.tax_type, l.tax_amount.map(Money), l.line_amount.map(Money), l.item_code,
                        tracking, 1_i64
                    )
                })
            },
        };
        vec![invoices, lines, links()]
    }
}

impl Bare for Payments {
    type Wire = xero::Payment;
    type Record = Payment;
    const KIND: Kind = Kind::Payment;

    fn map(wire: xero::Payment) -> anyhow::Result<Payment> {
        let xero_status = wire.status.context("a payment without status")?;
        Ok(Payment {
            invoice: wire.invoice.and_then(|target| reference(target.invoice_id)),
            credit_note: wire.credit_note.and_then(|target| reference(target.credit_note_id)),
            prepayment: wire.prepayment.and_then(|target| reference(target.prepayment_id)),
            overpayment: wire.overpayment.and_then(|target| reference(target.overpayment_id)),
            account: wire.account.and_then(|account| reference(account.account_id)),
            date: date(wire.date),
            amount: amount(wire.amount)?.context("a payment without amount")?,
            bank_amount: amount(wire.bank_amount)?,
            currency_rate: rate(wire.currency_rate)?,
            reference: text(wire.reference),
            method: match wire.payment_type.as_ref().map(xero::PaymentType::as_str) {
                Some("ACCRECPAYMENT" | "ACCPAYPAYMENT") => PaymentMethod::BankTransfer,
                _ => PaymentMethod::Other,
            },
            payment_type: wire.payment_type.map(|kind| kind.as_str().to_owned()),
            status: match xero_status {
                xero::PaymentStatus::Authorised => PaymentStatus::Completed,
                xero::PaymentStatus::Deleted => PaymentStatus::Cancelled,
                _ => PaymentStatus::Other,
            },
            xero_status: xero_status.as_str().to_owned(),
            is_reconciled: wire.is_reconciled.unwrap_or_default(),
        })
    }

    fn tables() -> Vec<Table<Payment>> {
        let payments = Table {
            name: "payments",
            columns: "id, org_id, invoice_id, credit_note_id, prepayment_id, overpayment_id, account_id, date, \
                      amount, bank_amount, currency_rate, reference, method, payment_type, status, xero_status, \
                      is_reconciled, sync_rev, created_at, updated_at",
            emit: |row: &Row<'_, Payment>, known, emit| {
                let (r, now) = (&row.incoming.record, At(known.now));
                cells!(emit =>
                    row.id, 1_i64, known.local(r.invoice)?, known.local(r.credit_note)?, known.local(r.prepayment)?,
                    known.local(r.overpayment)?, known.local(r.account)?, r.date.map(Day), Money(r.amount),
                    r.bank_amount.map(Money), r.currency_rate.map(Ratio), r.reference, r.method.as_str(),
                    r.payment_type, r.status.as_str(), r.xero_status, r.is_reconciled, 1_i64, now, now
                )
            },
        };
        vec![payments, links()]
    }
}

fn line(item: xero::LineItem) -> anyhow::Result<Line> {
    let choice =
        |choice: xero::LineTracking| Some(Tracking { category: text(choice.name)?, option: text(choice.option)? });
    Ok(Line {
        xero_line_id: item.line_item_id.filter(|id| !id.is_nil()),
        description: text(item.description),
        quantity: amount(item.quantity)?,
        unit_amount: amount(item.unit_amount)?,
        discount_rate: amount(item.discount_rate)?,
        discount_amount: amount(item.discount_amount)?,
        account_code: text(item.account_code),
        tax_type: text(item.tax_type),
        tax_amount: amount(item.tax_amount)?,
        line_amount: amount(item.line_amount)?,
        item_code: text(item.item_code),
        tracking: item.tracking.into_iter().filter_map(choice).collect(),
    })
}

fn phone(wire: xero::Phone) -> Option<Phone> {
    let phone = Phone {
        kind: PhoneType::parse(wire.phone_type?.as_str())?,
        country_code: text(wire.phone_country_code),
        area_code: text(wire.phone_area_code),
        number: text(wire.phone_number),
    };
    (!phone.is_empty()).then_some(phone)
}

fn address(wire: xero::Address) -> Option<Address> {
    let address = Address {
        kind: AddressType::parse(wire.address_type?.as_str())?,
        attention_to: text(wire.attention_to),
        line1: text(wire.address_line_1),
        line2: text(wire.address_line_2),
        line3: text(wire.address_line_3),
        line4: text(wire.address_line_4),
        city: text(wire.city),
        region: text(wire.region),
        postal_code: text(wire.postal_code),
        country: text(wire.country),
    };
    (!address.is_empty()).then_some(address)
}

fn text(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

fn amount(value: Option<Decimal>) -> anyhow::Result<Option<Amount>> {
    Ok(value.map(Amount::try_from).transpose()?)
}

fn rate(value: Option<Decimal>) -> anyhow::Result<Option<Rate>> {
    Ok(value.map(Rate::try_from).transpose()?)
}

fn date(value: Option<Date>) -> Option<Date> {
    value.filter(|date| !xero::scalars::is_unset(*date))
}

fn reference(id: Option<Uuid>) -> Option<Ref> {
    id.filter(|id| !id.is_nil()).map(Ref::Xero)
}
