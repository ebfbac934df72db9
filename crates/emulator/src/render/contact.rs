//! Contacts: alone, in lists, and inside documents.

use super::{Object, Shape, View, push_object};
use crate::books::{Address, AddressType, Amount, Contact, DocumentStatus, InvoiceType, Phone, PhoneType};
use uuid::Uuid;

/// A contact as its own row.
pub(crate) fn contact(out: &mut Vec<u8>, view: &View<'_>, row: &Contact, shape: Shape) {
    push_object(out, |object| {
        identity(object, row);
        if shape != Shape::Summary {
            slots(object, row, shape);
        } else {
            phones(object, row, shape);
        }
        object.instant("UpdatedDateUTC", row.updated);
        object.text_if("AccountsReceivableTaxType", row.receivable_tax_type.as_deref());
        object.text_if("AccountsPayableTaxType", row.payable_tax_type.as_deref());
        if shape != Shape::Summary {
            object.nothing("ContactGroups");
            object.flag("IsSupplier", row.is_supplier);
            object.flag("IsCustomer", row.is_customer);
        }
        if let Some(currency) = row.default_currency {
            object.text("DefaultCurrency", currency.as_str());
        }
        if matches!(shape, Shape::Page | Shape::Single) {
            object.text_if("Website", row.website.as_deref());
            if let Some(discount) = row.discount {
                object.amount("Discount", discount);
            }
        }
        if matches!(shape, Shape::Page | Shape::Single | Shape::Write) {
            object.text_if("SalesDefaultAccountCode", row.sales_default_account_code.as_deref());
            object.text_if("PurchasesDefaultAccountCode", row.purchases_default_account_code.as_deref());
            object.no(&["SalesTrackingCategories", "PurchasesTrackingCategories"]);
        }
        if shape != Shape::Summary {
            persons(object, row, shape);
        }
        if matches!(shape, Shape::Page | Shape::Single) {
            balances(object, view, row);
            if let Some(winner) = row.merged_to {
                object.id("MergedToContactID", winner);
            }
        }
        if shape == Shape::Single {
            object.nothing("Attachments");
        }
        if shape != Shape::Write {
            object.flag("HasAttachments", false);
        }
        object.flag("HasValidationErrors", false);
    });
}

/// A contact inside a document: slim in lists, full otherwise.
pub(crate) fn embedded_contact(object: &mut Object<'_>, view: &View<'_>, contact: Uuid, shape: Shape) {
    let Some(row) = view.books.contacts.get(contact) else { return };
    object.object("Contact", |inner| {
        if !shape.is_full() {
            inner.id("ContactID", row.id);
            inner.text("Name", &row.name);
            inner.no(&["Addresses", "Phones", "ContactGroups", "ContactPersons"]);
            inner.flag("HasValidationErrors", false);
            return;
        }
        identity(inner, row);
        slots(inner, row, Shape::Write);
        inner.instant("UpdatedDateUTC", row.updated);
        inner.nothing("ContactGroups");
        inner.flag("IsSupplier", row.is_supplier);
        inner.flag("IsCustomer", row.is_customer);
        if let Some(currency) = row.default_currency {
            inner.text("DefaultCurrency", currency.as_str());
        }
        inner.no(&["SalesTrackingCategories", "PurchasesTrackingCategories"]);
        persons(inner, row, Shape::Write);
        inner.flag("HasValidationErrors", false);
    });
}

fn identity(object: &mut Object<'_>, row: &Contact) {
    object.id("ContactID", row.id);
    object.text_if("ContactNumber", row.number.as_deref());
    object.text_if("AccountNumber", row.account_number.as_deref());
    object.text("ContactStatus", row.status.as_str());
    object.text("Name", &row.name);
    object.text_if("FirstName", row.first_name.as_deref());
    object.text_if("LastName", row.last_name.as_deref());
    object.text_if("CompanyNumber", row.company_number.as_deref());
    object.text_or_empty("EmailAddress", row.email.as_deref());
    object.text_if("SkypeUserName", row.skype_user_name.as_deref());
    object.text_or_empty("BankAccountDetails", row.bank_account_details.as_deref());
    object.text_if("TaxNumber", row.tax_number.as_deref());
}

/// Addresses and phones. The slots come in another order in answers to writes than in answers to reads.
fn slots(object: &mut Object<'_>, row: &Contact, shape: Shape) {
    let is_write = shape == Shape::Write;
    let address_order = if is_write { [0, 1] } else { [1, 0] };
    object.array("Addresses", address_order, |out, slot| {
        push_object(out, |inner| address(inner, AddressType::ALL[slot], &row.addresses[slot], is_write));
    });
    phones(object, row, shape);
}

fn phones(object: &mut Object<'_>, row: &Contact, shape: Shape) {
    let phone_order = if shape == Shape::Write { [0, 1, 2, 3] } else { [1, 0, 2, 3] };
    object.array("Phones", phone_order, |out, slot| {
        push_object(out, |inner| phone(inner, PhoneType::ALL[slot], &row.phones[slot]));
    });
}

fn address(object: &mut Object<'_>, kind: AddressType, address: &Address, is_write: bool) {
    object.text("AddressType", kind.as_str());
    if *address == Address::default() && !is_write {
        return;
    }
    for (key, line) in ["AddressLine1", "AddressLine2", "AddressLine3", "AddressLine4"].iter().zip(&address.lines) {
        object.text_if(key, line.as_deref());
    }
    object.text_or_empty("City", address.city.as_deref());
    object.text_or_empty("Region", address.region.as_deref());
    object.text_or_empty("PostalCode", address.postal_code.as_deref());
    object.text_or_empty("Country", address.country.as_deref());
    object.text_if("AttentionTo", address.attention_to.as_deref());
}

fn phone(object: &mut Object<'_>, kind: PhoneType, phone: &Phone) {
    object.text("PhoneType", kind.as_str());
    object.text_or_empty("PhoneNumber", phone.number.as_deref());
    object.text_or_empty("PhoneAreaCode", phone.area_code.as_deref());
    object.text_or_empty("PhoneCountryCode", phone.country_code.as_deref());
}

fn persons(object: &mut Object<'_>, row: &Contact, shape: Shape) {
    let shown = if shape == Shape::List { &[] } else { row.persons.as_slice() };
    object.array("ContactPersons", shown, |out, person| {
        push_object(out, |inner| {
            inner.text_if("FirstName", person.first_name.as_deref());
            inner.text_if("LastName", person.last_name.as_deref());
            inner.text_if("EmailAddress", person.email.as_deref());
            inner.flag("IncludeInEmails", person.include_in_emails);
        });
    });
}

/// What is outstanding and overdue on the contact's approved documents, left out when there is nothing.
fn balances(object: &mut Object<'_>, view: &View<'_>, row: &Contact) {
    // Receivable and payable, each outstanding and overdue.
    let mut sums = [[Amount::ZERO; 2]; 2];
    for invoice in view.books.invoices_of_contact(row.id) {
        if invoice.status != DocumentStatus::Authorised {
            continue;
        }
        let side = &mut sums[usize::from(invoice.kind == InvoiceType::AccPay)];
        side[0] += invoice.amount_due;
        if invoice.due_date.is_some_and(|due| due < view.today) {
            side[1] += invoice.amount_due;
        }
    }
    if sums.iter().all(|side| side[0].is_zero()) {
        return;
    }
    object.object("Balances", |inner| {
        for (key, side) in ["AccountsReceivable", "AccountsPayable"].iter().zip(sums) {
            inner.object(key, |part| {
                part.amount("Outstanding", side[0]);
                part.amount("Overdue", side[1]);
            });
        }
    });
}
