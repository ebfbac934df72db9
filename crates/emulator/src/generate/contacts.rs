//! Contacts with addresses, phones and people, some with awkward names, a few archived, one merged into another.

use super::{DAY_MS, HISTORY_DAYS, Maker, words};
use crate::books::*;

pub(super) fn make(maker: &mut Maker, count: u32) -> Vec<Contact> {
    let mut contacts: Vec<Contact> = (0..count as usize).map(|index| contact(maker, index)).collect();
    if contacts.len() > 20 {
        let (winner, loser) = (contacts[15].id, &mut contacts[16]);
        loser.status = ContactStatus::Archived;
        loser.merged_to = Some(winner);
    }
    contacts
}

fn name(maker: &mut Maker, index: usize) -> Text {
    if let Some(awkward) = index.checked_sub(3).and_then(|at| words::AWKWARD.get(at)) {
        return (*awkward).into();
    }
    if index == 3 + words::AWKWARD.len() {
        return format!("Very Long Name {}", "x".repeat(240)).into();
    }
    let (first, second) = (words::FIRST.len(), words::SECOND.len());
    let base = format!(
        "{} {} {}",
        words::FIRST[index % first],
        words::SECOND[index / first % second],
        words::SUFFIX[(index * 7 + index / (first * second)) % words::SUFFIX.len()]
    );
    // Beyond the number of combinations a number keeps names unique.
    let round = index / (first * second);
    if round == 0 && !maker.chance(3) { base.into() } else { format!("{base} {}", index + 1).into() }
}

fn contact(maker: &mut Maker, index: usize) -> Contact {
    let name = name(maker, index);
    let made = maker.today - maker.below(HISTORY_DAYS as usize) as i64 * DAY_MS;
    let updated = maker.moment_after(made, 400);
    let mut row = Contact::new(maker.id(), name, updated);
    if !index.is_multiple_of(3) {
        row.number = Some(format!("C-{:05}", index + 1).into());
    }
    if maker.chance(40) {
        row.account_number = Some(format!("AC{:06}", 1000 + index).into());
    }
    if maker.chance(80) {
        row.email = Some(format!("accounts{}@example.test", index + 1).into());
    }
    if maker.chance(60) {
        row.first_name = Some((*maker.pick(words::GIVEN)).into());
        row.last_name = Some((*maker.pick(words::FAMILY)).into());
    }
    if maker.chance(25) {
        row.tax_number = Some(format!("{:03}-{:03}-{:03}", 10 + index % 90, index % 1000, index * 7 % 1000).into());
    }
    places(maker, &mut row);
    for _ in 0..[0, 0, 0, 1, 2][maker.below(5)] {
        row.persons.push(ContactPerson {
            first_name: Some((*maker.pick(words::GIVEN)).into()),
            last_name: Some((*maker.pick(words::FAMILY)).into()),
            email: Some(format!("person{}@example.test", maker.below(100_000)).into()),
            include_in_emails: maker.chance(50),
        });
    }
    if index > 11 && maker.chance(3) {
        row.status = ContactStatus::Archived;
    }
    if index > 11 && maker.chance(1) {
        // Imported rows carry time stamps from long before the organisation was connected.
        row.updated = 1_267_000_000_000 + i64::try_from(index).unwrap_or_default() * 1_003;
    }
    row
}

fn places(maker: &mut Maker, row: &mut Contact) {
    let (city, region, postal_code, country, area, phone_country) = *maker.pick(words::CITIES);
    let shared = |line: String| Address {
        lines: [Some(line.into()), None, None, None],
        city: Some(city.into()),
        region: Some(region.into()),
        postal_code: Some(postal_code.into()),
        country: Some(country.into()),
        attention_to: None,
    };
    if maker.chance(75) {
        let street = *maker.pick(words::STREETS);
        row.addresses[0] = shared(format!("{} {street}", 1 + maker.below(300)));
    }
    if maker.chance(45) {
        row.addresses[1] = shared(format!("PO Box {}", 100 + maker.below(90_000)));
        row.addresses[1].attention_to = maker.chance(20).then(|| "Accounts".into());
    }
    for (slot, percent) in [(0, 80), (1, 15), (2, 10), (3, 50)] {
        if maker.chance(percent) {
            let number = format!("{:03} {:04}", 200 + maker.below(800), maker.below(10_000));
            row.phones[slot] = Phone {
                number: Some(number.into()),
                area_code: Some(if slot == 3 { "021" } else { area }.into()),
                country_code: Some(phone_country.into()),
            };
        }
    }
}
