//! Xero's contacts become customers (which may be suppliers too).

use model::{Address, AddressType, Customer, CustomerStatus, Kind, Phone, PhoneType};

use super::{Pulled, Rejection, short, text};

pub(crate) struct Contacts;

impl Pulled for Contacts {
    type Wire = xero::Contact;
    type Record = Customer;
    const KIND: Kind = Kind::Customer;
    const INCLUDE_ARCHIVED: bool = true;

    fn map(wire: xero::Contact) -> Result<Customer, Rejection> {
        let mut phones: Vec<Phone> = wire.phones.into_iter().filter_map(phone).collect();
        let mut addresses: Vec<Address> = wire.addresses.into_iter().filter_map(address).collect();
        // Xero gives the slots in another order in lists than in answers to writes.
        phones.sort_by_key(|phone| phone.kind);
        addresses.sort_by_key(|address| address.kind);
        Ok(Customer {
            name: short("name", wire.name)?.ok_or_else(|| Rejection("the contact has no name".into()))?,
            first_name: text(wire.first_name),
            last_name: text(wire.last_name),
            email: text(wire.email_address),
            contact_number: text(wire.contact_number),
            account_number: text(wire.account_number),
            tax_number: text(wire.tax_number),
            company_number: text(wire.company_number),
            default_currency: text(wire.default_currency),
            // Anything but an active contact is out of use (ARCHIVED, GDPRREQUEST, and what may come).
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

    fn label(record: &Customer) -> String {
        record.name.clone()
    }

    fn is_marked(marker: &str, record: &Customer) -> bool {
        crate::outgoing::is_marked::<Self>(marker, record)
    }
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
