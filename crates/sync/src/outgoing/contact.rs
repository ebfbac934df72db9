//! Customers become Xero's contacts.
//!
//! Xero merges telephones and addresses by slot and leaves alone what is not sent, so a slot that changed is sent whole:
//! what it has, and empty texts for what it has not. Xero may keep a contact number that is sent empty; its answer then
//! brings the number back. An archived contact cannot be changed by the API at all.

use model::{Address, Customer, CustomerStatus, Phone, PhoneType};
use uuid::Uuid;
use xero::{ContactStatus, ContactWrite, ListQuery};

use super::marker::{is_text, same_text};
use super::{Marker, Pushed, Refusal, changed, changed_text, is_set};
use crate::map::Contacts;

impl Pushed for Contacts {
    fn create(record: &Customer) -> Result<ContactWrite, Refusal> {
        let phones: Vec<xero::Phone> = record.phones.iter().filter(|slot| !slot.is_empty()).map(new_phone).collect();
        let addresses: Vec<xero::Address> =
            record.addresses.iter().filter(|slot| !slot.is_empty()).map(new_address).collect();
        Ok(ContactWrite {
            name: Some(record.name.clone()),
            first_name: record.first_name.clone(),
            last_name: record.last_name.clone(),
            email_address: record.email.clone(),
            contact_number: record.contact_number.clone(),
            account_number: record.account_number.clone(),
            tax_number: record.tax_number.clone(),
            company_number: record.company_number.clone(),
            default_currency: record.default_currency.clone(),
            phones: (!phones.is_empty()).then_some(phones),
            addresses: (!addresses.is_empty()).then_some(addresses),
            ..ContactWrite::default()
        })
    }

    fn update(xero_id: Uuid, remote: &Customer, outgoing: &Customer) -> Result<ContactWrite, Refusal> {
        let phones = changed_phones(&remote.phones, &outgoing.phones);
        let addresses = changed_addresses(&remote.addresses, &outgoing.addresses);
        Ok(ContactWrite {
            contact_id: Some(xero_id),
            name: (remote.name != outgoing.name).then(|| outgoing.name.clone()),
            first_name: changed_text(&remote.first_name, &outgoing.first_name),
            last_name: changed_text(&remote.last_name, &outgoing.last_name),
            email_address: changed_text(&remote.email, &outgoing.email),
            contact_number: changed_text(&remote.contact_number, &outgoing.contact_number),
            account_number: changed_text(&remote.account_number, &outgoing.account_number),
            tax_number: changed_text(&remote.tax_number, &outgoing.tax_number),
            company_number: changed_text(&remote.company_number, &outgoing.company_number),
            default_currency: changed(&remote.default_currency, &outgoing.default_currency),
            contact_status: (remote.status != outgoing.status).then(|| status(outgoing.status)),
            phones: (!phones.is_empty()).then_some(phones),
            addresses: (!addresses.is_empty()).then_some(addresses),
            ..ContactWrite::default()
        })
    }

    fn remove(xero_id: Uuid, _remote: &Customer) -> Result<ContactWrite, Refusal> {
        let contact_status = Some(ContactStatus::Archived);
        Ok(ContactWrite { contact_id: Some(xero_id), contact_status, ..ContactWrite::default() })
    }

    /// The contact number is an external key that Xero keeps unique, archived contacts included.
    fn mark(record: &mut Customer, mark: &str) -> Marker {
        let is_own = !is_set(&record.contact_number);
        if is_own {
            record.contact_number = Some(mark.to_owned());
        }
        Marker { is_own, number: record.contact_number.clone(), ..Marker::default() }
    }

    fn look_up(marker: &Marker) -> ListQuery {
        let number = marker.number.as_deref().unwrap_or_default();
        let query = ListQuery { include_archived: true, ..ListQuery::default() };
        match is_text("ContactNumber", number) {
            Some(filter) => ListQuery { filter: Some(filter), ..query },
            // It looks into the number too, among others.
            None => ListQuery { search_term: Some(number.to_owned()), ..query },
        }
    }

    fn bears(marker: &Marker, record: &Customer) -> bool {
        marker.number.is_some() && same_text(&marker.number, &record.contact_number)
    }
}

fn status(status: CustomerStatus) -> ContactStatus {
    match status {
        CustomerStatus::Active => ContactStatus::Active,
        CustomerStatus::Archived => ContactStatus::Archived,
    }
}

fn new_phone(phone: &Phone) -> xero::Phone {
    xero::Phone {
        phone_type: Some(phone.kind.as_str().into()),
        phone_number: phone.number.clone(),
        phone_area_code: phone.area_code.clone(),
        phone_country_code: phone.country_code.clone(),
    }
}

fn new_address(address: &Address) -> xero::Address {
    xero::Address {
        address_type: Some(address.kind.as_str().into()),
        address_line_1: address.line1.clone(),
        address_line_2: address.line2.clone(),
        address_line_3: address.line3.clone(),
        address_line_4: address.line4.clone(),
        city: address.city.clone(),
        region: address.region.clone(),
        postal_code: address.postal_code.clone(),
        country: address.country.clone(),
        attention_to: address.attention_to.clone(),
    }
}

/// The slots that changed, whole; one that is gone has empty texts only.
fn changed_phones(remote: &[Phone], outgoing: &[Phone]) -> Vec<xero::Phone> {
    let slot = |phones: &[Phone], kind: PhoneType| {
        let found = phones.iter().find(|phone| phone.kind == kind).cloned();
        found.unwrap_or_else(|| Phone { kind, ..Phone::default() })
    };
    let mut kinds: Vec<PhoneType> = remote.iter().chain(outgoing).map(|phone| phone.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let differing = kinds.into_iter().map(|kind| (slot(remote, kind), slot(outgoing, kind)));
    differing.filter(|(old, new)| old != new).map(|(_, new)| whole_phone(new_phone(&new))).collect()
}

fn whole_phone(phone: xero::Phone) -> xero::Phone {
    xero::Phone {
        phone_type: phone.phone_type,
        phone_number: whole(phone.phone_number),
        phone_area_code: whole(phone.phone_area_code),
        phone_country_code: whole(phone.phone_country_code),
    }
}

/// As [`changed_phones`].
fn changed_addresses(remote: &[Address], outgoing: &[Address]) -> Vec<xero::Address> {
    let slot = |addresses: &[Address], kind| {
        let found = addresses.iter().find(|address| address.kind == kind).cloned();
        found.unwrap_or_else(|| Address { kind, ..Address::default() })
    };
    let mut kinds: Vec<_> = remote.iter().chain(outgoing).map(|address| address.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let differing = kinds.into_iter().map(|kind| (slot(remote, kind), slot(outgoing, kind)));
    differing.filter(|(old, new)| old != new).map(|(_, new)| whole_address(new_address(&new))).collect()
}

fn whole_address(address: xero::Address) -> xero::Address {
    xero::Address {
        address_type: address.address_type,
        address_line_1: whole(address.address_line_1),
        address_line_2: whole(address.address_line_2),
        address_line_3: whole(address.address_line_3),
        address_line_4: whole(address.address_line_4),
        city: whole(address.city),
        region: whole(address.region),
        postal_code: whole(address.postal_code),
        country: whole(address.country),
        attention_to: whole(address.attention_to),
    }
}

/// A part of a slot that is sent even when it is empty.
fn whole(part: Option<String>) -> Option<String> {
    Some(part.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use model::AddressType;
    use serde_json::{Value, json};

    use super::*;

    const ID: Uuid = Uuid::from_u128(1);

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn phone(kind: PhoneType, number: &str) -> Phone {
        Phone { kind, number: text(number), ..Phone::default() }
    }

    /// As Xero has it.
    fn remote() -> Customer {
        Customer {
            name: "Example Ltd".into(),
            first_name: text("Ann"),
            last_name: text("Lee"),
            email: text("a@example.test"),
            contact_number: text("C-1"),
            account_number: text("A-1"),
            tax_number: text("T-1"),
            company_number: text("N-1"),
            default_currency: text("NZD"),
            is_customer: true,
            phones: vec![phone(PhoneType::Default, "09 111"), phone(PhoneType::Fax, "09 222")],
            addresses: vec![Address { kind: AddressType::Pobox, city: text("Oamaru"), ..Address::default() }],
            ..Customer::default()
        }
    }

    fn sent(change: impl FnOnce(&mut Customer)) -> Value {
        let mut outgoing = remote();
        change(&mut outgoing);
        serde_json::to_value(Contacts::update(ID, &remote(), &outgoing).unwrap()).unwrap()
    }

    #[test]
    fn an_update_sends_what_changed_and_nothing_else() {
        let id = ID.to_string();
        let table: Vec<(Value, Value)> = vec![
            (sent(|_| ()), json!({})),
            (sent(|c| c.name = "New".into()), json!({"Name": "New"})),
            (sent(|c| c.first_name = text("Bo")), json!({"FirstName": "Bo"})),
            (sent(|c| c.first_name = None), json!({"FirstName": ""})),
            (sent(|c| c.last_name = None), json!({"LastName": ""})),
            (sent(|c| c.email = None), json!({"EmailAddress": ""})),
            (sent(|c| c.email = text("b@example.test")), json!({"EmailAddress": "b@example.test"})),
            (sent(|c| c.contact_number = text("C-2")), json!({"ContactNumber": "C-2"})),
            (sent(|c| c.account_number = None), json!({"AccountNumber": ""})),
            (sent(|c| c.tax_number = text("T-2")), json!({"TaxNumber": "T-2"})),
            (sent(|c| c.company_number = None), json!({"CompanyNumber": ""})),
            (sent(|c| c.default_currency = text("AUD")), json!({"DefaultCurrency": "AUD"})),
            (sent(|c| c.default_currency = None), json!({})),
            (sent(|c| c.status = CustomerStatus::Archived), json!({"ContactStatus": "ARCHIVED"})),
            (sent(|c| c.is_supplier = true), json!({})),
            (sent(|c| c.merged_into = Some(ID)), json!({})),
            (
                sent(|c| c.phones[1].area_code = text("3")),
                json!({"Phones": [{"PhoneType": "FAX", "PhoneNumber": "09 222", "PhoneAreaCode": "3", "PhoneCountryCode": ""}]}),
            ),
            (
                sent(|c| drop(c.phones.remove(0))),
                json!({"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""}]}),
            ),
            (
                sent(|c| c.phones.push(phone(PhoneType::Mobile, "021"))),
                json!({"Phones": [{"PhoneType": "MOBILE", "PhoneNumber": "021", "PhoneAreaCode": "", "PhoneCountryCode": ""}]}),
            ),
            (sent(|c| c.phones.reverse()), json!({})),
            (
                sent(|c| c.addresses.clear()),
                json!({"Addresses": [{"AddressType": "POBOX", "AddressLine1": "", "AddressLine2": "", "AddressLine3": "",
                    "AddressLine4": "", "City": "", "Region": "", "PostalCode": "", "Country": "", "AttentionTo": ""}]}),
            ),
        ];
        for (sent, mut expected) in table {
            expected["ContactID"] = json!(id);
            assert_eq!(sent, expected);
        }
    }

    #[test]
    fn a_create_sends_what_is_set() {
        let bare = Customer { name: "New".into(), phones: vec![Phone::default()], ..Customer::default() };
        assert_eq!(serde_json::to_value(Contacts::create(&bare).unwrap()).unwrap(), json!({"Name": "New"}));
        assert_eq!(
            serde_json::to_value(Contacts::create(&remote()).unwrap()).unwrap(),
            json!({"Name": "Example Ltd", "FirstName": "Ann", "LastName": "Lee", "EmailAddress": "a@example.test",
                "ContactNumber": "C-1", "AccountNumber": "A-1", "TaxNumber": "T-1", "CompanyNumber": "N-1",
                "DefaultCurrency": "NZD",
                "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "09 111"}, {"PhoneType": "FAX", "PhoneNumber": "09 222"}],
                "Addresses": [{"AddressType": "POBOX", "City": "Oamaru"}]})
        );
    }

    #[test]
    fn a_removal_archives() {
        let sent = serde_json::to_value(Contacts::remove(ID, &remote()).unwrap()).unwrap();
        assert_eq!(sent, json!({"ContactID": ID, "ContactStatus": "ARCHIVED"}));
    }

    #[test]
    fn a_contact_is_known_by_its_number() {
        let mut blank = Customer { contact_number: text(" "), ..remote() };
        let marker = Contacts::mark(&mut blank, "tieout-7");
        assert_eq!(blank.contact_number.as_deref(), Some("tieout-7"));
        let query = Contacts::look_up(&marker);
        assert!(query.include_archived);
        assert_eq!(query.filter.unwrap().expression(), Ok(r#"ContactNumber=="tieout-7""#));
        let archived = Customer { status: CustomerStatus::Archived, name: "Other".into(), ..blank };
        assert!(Contacts::bears(&marker, &archived));
        assert!(!Contacts::bears(&marker, &remote()));
        assert!(!Contacts::bears(&marker, &Customer { contact_number: text("TIEOUT-7"), ..remote() }));
        assert!(!Contacts::bears(&Marker::default(), &Customer::default()));

        let mut own = Customer { contact_number: text("6\" pipe"), ..remote() };
        let marker = Contacts::mark(&mut own, "tieout-8");
        assert_eq!(own.contact_number.as_deref(), Some("6\" pipe"), "the App's own number stays");
        assert_eq!(Contacts::look_up(&marker).search_term.as_deref(), Some("6\" pipe"));
        assert!(Contacts::bears(&marker, &own));
        let stored: Marker = serde_json::from_str(&serde_json::to_string(&marker).unwrap()).unwrap();
        assert_eq!(stored, marker);
    }
}
