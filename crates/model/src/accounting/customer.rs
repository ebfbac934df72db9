//! What Xero takes of a contact.

use super::texts::{bad, check_currency, check_length};
use super::{Change, Op, Refusal, Rules};
use crate::{Address, Customer, CustomerStatus, Phone};

impl Rules for Customer {
    fn check(change: &Change<'_, Self>) -> Result<(), Refusal> {
        let outgoing = change.outgoing;
        match change.remote {
            Some(remote) if remote.status == CustomerStatus::Archived => {
                return check_archived(change.op, remote, outgoing);
            }
            None if outgoing.status == CustomerStatus::Archived => {
                return Err(Refusal::new(
                    "TO-ARCHIVED",
                    "the customer is archived and Xero never had it, so there is nothing to create: set it ACTIVE if Xero should have it",
                ));
            }
            _ => {}
        }
        if change.op == Op::Remove {
            return Ok(());
        }
        check_name(change)?;
        check_texts(change)?;
        if change.touches(|customer| &customer.email) {
            check_email(outgoing.email.as_deref())?;
        }
        if change.touches(|customer| &customer.default_currency) {
            check_currency(outgoing.default_currency.as_deref())?;
        }
        let old = change.remote;
        for phone in &outgoing.phones {
            if old.is_none_or(|old| !old.phones.contains(phone)) {
                check_phone(phone)?;
            }
        }
        for address in &outgoing.addresses {
            if old.is_none_or(|old| !old.addresses.contains(address)) {
                check_address(address)?;
            }
        }
        check_slots(outgoing)
    }
}

/// Xero's API can neither edit nor bring back what is archived.
fn check_archived(op: Op, remote: &Customer, outgoing: &Customer) -> Result<(), Refusal> {
    if op == Op::Remove || remote == outgoing {
        return Ok(());
    }
    let message = if outgoing.status == CustomerStatus::Active {
        "the contact is archived in Xero, and only a person can restore it there: restore it in Xero, or set it ARCHIVED here"
    } else {
        "the contact is archived in Xero and cannot be edited: restore it in Xero first, or take the change back"
    };
    Err(Refusal::new("TO-ARCHIVED", message))
}

fn check_name(change: &Change<'_, Customer>) -> Result<(), Refusal> {
    if !change.touches(|customer| &customer.name) {
        return Ok(());
    }
    let name = change.outgoing.name.as_str();
    if name.trim().is_empty() {
        return Err(bad("the customer has no name: Xero needs one"));
    }
    check_length("name", Some(name), 255)?;
    if name.contains(['<', '>']) {
        return Err(bad("the name contains < or >, which Xero does not take: remove them"));
    }
    if name.trim() != name || name.contains("  ") {
        return Err(bad("the name has spaces at its ends or several in a row, which Xero does not take: remove them"));
    }
    Ok(())
}

fn check_texts(change: &Change<'_, Customer>) -> Result<(), Refusal> {
    type Part = fn(&Customer) -> &Option<String>;
    let parts: [(&str, Part, usize); 7] = [
        ("first name", |customer| &customer.first_name, 255),
        ("last name", |customer| &customer.last_name, 255),
        ("e-mail address", |customer| &customer.email, 255),
        ("contact number", |customer| &customer.contact_number, 50),
        ("account number", |customer| &customer.account_number, 50),
        ("tax number", |customer| &customer.tax_number, 50),
        ("company number", |customer| &customer.company_number, 50),
    ];
    for (what, part, max) in parts {
        if change.touches(part) {
            check_length(what, part(change.outgoing).as_deref(), max)?;
        }
    }
    Ok(())
}

/// Refuses only what no mail system takes as Xero understands it: Xero judges the rest.
fn check_email(email: Option<&str>) -> Result<(), Refusal> {
    let Some(email) = email.filter(|email| !email.is_empty()) else { return Ok(()) };
    let is_plain = email.bytes().all(|byte| byte.is_ascii_graphic());
    let has_parts = email.split_once('@').is_some_and(|(who, place)| {
        !who.is_empty() && !place.contains('@') && place.split('.').all(|label| !label.is_empty())
    });
    if is_plain && has_parts && email.contains('.') {
        return Ok(());
    }
    Err(Refusal::new(
        "TO-EMAIL",
        "the e-mail address is not one that Xero takes: write it like name@example.com, without spaces and accents",
    ))
}

fn check_phone(phone: &Phone) -> Result<(), Refusal> {
    let slot = phone.kind.as_str();
    for (what, text, max) in
        [("number", &phone.number, 50), ("area code", &phone.area_code, 10), ("country code", &phone.country_code, 20)]
    {
        check_length(&format!("{what} of the {slot} phone"), text.as_deref(), max)?;
    }
    Ok(())
}

fn check_address(address: &Address) -> Result<(), Refusal> {
    let slot = address.kind.as_str();
    for (what, text, max) in [
        ("attention line", &address.attention_to, 255),
        ("first line", &address.line1, 500),
        ("second line", &address.line2, 500),
        ("third line", &address.line3, 500),
        ("fourth line", &address.line4, 500),
        ("city", &address.city, 255),
        ("region", &address.region, 255),
        ("postal code", &address.postal_code, 50),
        ("country", &address.country, 50),
    ] {
        check_length(&format!("{what} of the {slot} address"), text.as_deref(), max)?;
    }
    Ok(())
}

/// One phone and one address for each slot: of two Xero would keep the last.
fn check_slots(customer: &Customer) -> Result<(), Refusal> {
    let phones: Vec<_> = customer.phones.iter().map(|phone| phone.kind.as_str()).collect();
    let addresses: Vec<_> = customer.addresses.iter().map(|address| address.kind.as_str()).collect();
    for (what, slots) in [("phones", phones), ("addresses", addresses)] {
        if let Some(slot) =
            slots.iter().enumerate().find(|(at, slot)| slots[..*at].contains(slot)).map(|(_, slot)| slot)
        {
            return Err(bad(format!("there are two {what} of the kind {slot}: keep one")));
        }
    }
    Ok(())
}
