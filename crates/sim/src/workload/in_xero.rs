//! What somebody in Xero does, by Xero's own pages.

mod documents;

use oracle::{By, Who, tokens_in};
use serde_json::{Value, json};
use uuid::Uuid;

use super::options::{XeroDeed, chosen};
use super::{Note, Workload, endpoint, odd};

/// Text fields of a contact: the App's name, Xero's name, and the shape of what is written there.
const TEXTS: [(&str, &str, &str); 7] = [
    ("first_name", "FirstName", "Bea #"),
    ("last_name", "LastName", "Ng #"),
    ("email", "EmailAddress", "#@xero.test"),
    ("account_number", "AccountNumber", "XA-#"),
    ("tax_number", "TaxNumber", "XT-#"),
    ("company_number", "CompanyNumber", "XC-#"),
    ("name", "Name", "Known as #"),
];

/// A telephone number or an address: list, key, slot, member, and the field's name in marks.
const SLOTS: [(&str, &str, &str, &str, &str); 3] = [
    ("Addresses", "AddressType", "STREET", "City", "address STREET"),
    ("Phones", "PhoneType", "MOBILE", "PhoneNumber", "phone MOBILE"),
    ("Phones", "PhoneType", "DEFAULT", "PhoneNumber", "phone DEFAULT"),
];

/// Members of a telephone number or an address that stay when one of them is edited.
const KEPT: [&str; 10] = [
    "PhoneAreaCode",
    "PhoneCountryCode",
    "AddressLine1",
    "AddressLine2",
    "AddressLine3",
    "AddressLine4",
    "Region",
    "PostalCode",
    "Country",
    "AttentionTo",
];

impl Workload {
    pub(super) fn edit_xero(&mut self) -> Option<&'static str> {
        match chosen(&mut self.dice, &self.options.xero)? {
            XeroDeed::NewContact => self.xero_new_contact(),
            XeroDeed::Contact => self.xero_contact(),
            XeroDeed::Slot => self.xero_slot(),
            XeroDeed::NewInvoice => self.xero_new_invoice(None, false),
            XeroDeed::Header => self.xero_invoice_header(),
            XeroDeed::Lines => self.xero_lines(),
            XeroDeed::Status => self.xero_invoice_status(),
            XeroDeed::Pay => self.xero_pay(None),
            XeroDeed::Unpay => self.xero_unpay(),
            XeroDeed::NewBank => self.xero_new_bank(),
            XeroDeed::Bank => self.xero_bank(),
            XeroDeed::Archive => self.xero_archive(),
            XeroDeed::Merge => self.xero_merge(),
            XeroDeed::Reconcile => self.xero_reconcile(),
            XeroDeed::Quiet => self.quietly(|workload| workload.xero_contact().map(|_| "xero: moved no date")),
            XeroDeed::Back => self.xero_back(),
            XeroDeed::Same => self.xero_same(),
            XeroDeed::Odd => self.xero_odd(),
            XeroDeed::Long => self.xero_new_invoice(None, true),
            XeroDeed::Foreign => {
                let code = self.dice.of(&["JPY", "KWD", "USD", "EUR"]);
                self.xero_new_invoice(Some(code), false)
            }
            XeroDeed::Lock => self.xero_lock(),
            XeroDeed::Account => self.xero_account(),
            XeroDeed::Currency => self.xero_currency(),
        }
    }

    /// Makes everything possible again that somebody in Xero has locked or switched off, as far as Xero lets people.
    pub fn open_all(&mut self) {
        if std::mem::take(&mut self.is_locked) {
            let answer = self.person.set_lock_dates(None, None);
            self.took(answer, "xero: lock dates lifted");
        }
        for code in std::mem::take(&mut self.currencies_off) {
            let answer = self.person.subscribe_currency(code, true);
            self.took(answer, "xero: currency used again");
        }
    }

    /// The same edits without a date.
    fn quietly(&mut self, deed: impl FnOnce(&mut Self) -> Option<&'static str>) -> Option<&'static str> {
        let loud = self.person.clone();
        self.person = loud.clone().quietly();
        let done = deed(self);
        self.person = loud;
        self.is_quiet |= done.is_some();
        done
    }

    /// A record that is known, the newest as often as all others.
    fn any(&mut self, kind: &'static str) -> Option<Uuid> {
        let all = self.known.get(kind)?;
        let most = all.len() as u64;
        let at = if self.dice.one_in(2) {
            most.saturating_sub(1 + self.dice.below(self.options.crowd))
        } else {
            self.dice.below(most)
        };
        self.known[kind].get(usize::try_from(at).ok()?).copied()
    }

    fn active_contact(&mut self) -> Option<Uuid> {
        let id = self.any("customer")?;
        (self.person.read("Contacts", id).ok()?["ContactStatus"] == "ACTIVE").then_some(id)
    }

    fn took(&mut self, answer: Result<Value, String>, deed: &'static str) -> Option<&'static str> {
        match answer {
            Ok(_) => Some(deed),
            Err(message) => {
                *self.refused.entry(format!("{deed}: {message}")).or_default() += 1;
                None
            }
        }
    }

    /// A text field of a record in Xero gets a token.
    pub(super) fn set_field(
        &mut self,
        kind: &'static str,
        id: Uuid,
        names: (&'static str, &str),
        shape: &str,
        rest: Value,
    ) -> Result<Value, String> {
        let (number, text) = self.token();
        self.write_field(kind, id, names, (number, &shape.replace('#', &text)), rest)
    }

    /// A text field of a record in Xero gets this text, in which the token is.
    pub(super) fn write_field(
        &mut self,
        kind: &'static str,
        id: Uuid,
        (field, member): (&'static str, &str),
        (number, text): (usize, &str),
        rest: Value,
    ) -> Result<Value, String> {
        let before = self.person.read(endpoint(kind), id)?;
        let mut body = rest;
        body[member] = json!(text);
        let answer = self.person.edit(endpoint(kind), id, &body)?;
        self.see(By::Xero, before[member].as_str().unwrap_or_default());
        self.mark(number, By::Xero, kind, Who::Xero(id), field);
        Ok(answer)
    }

    fn created(
        &mut self,
        kind: &'static str,
        answer: Result<Value, String>,
        member: &str,
        number: usize,
        deed: &'static str,
    ) -> Option<&'static str> {
        if let Ok(made) = &answer {
            let id: Uuid = made[member].as_str()?.parse().ok()?;
            if tokens_in(&made.to_string()).contains(&number) {
                self.mark(number, By::Xero, kind, Who::Xero(id), "new");
            }
            self.known.entry(kind).or_default().push(id);
        }
        self.took(answer, deed)
    }

    fn xero_new_contact(&mut self) -> Option<&'static str> {
        let (number, text) = self.token();
        let body = json!({"Name": format!("Xero {text}"), "EmailAddress": "new@xero.test"});
        let answer = self.person.create("Contacts", &body);
        self.created("customer", answer, "ContactID", number, "xero: new contact")
    }

    fn xero_contact(&mut self) -> Option<&'static str> {
        let id = self.active_contact()?;
        let (field, member, shape) = self.dice.of(&TEXTS);
        let answer = self.set_field("customer", id, (field, member), shape, json!({}));
        self.took(answer, "xero: contact's field")
    }

    fn xero_slot(&mut self) -> Option<&'static str> {
        let id = self.active_contact()?;
        let before = self.person.read("Contacts", id).ok()?;
        let (list, key, slot, member, field) = self.dice.of(&SLOTS);
        let old = before[list].as_array().into_iter().flatten().find(|item| item[key] == slot);
        let old = old.cloned().unwrap_or_default();
        let (number, text) = self.token();
        let mut item = json!({key: slot, member: text});
        for same in KEPT {
            if let Some(value) = old.get(same) {
                item[same] = value.clone();
            }
        }
        let answer = self.person.edit("Contacts", id, &json!({list: [item]}));
        if answer.is_ok() {
            self.see(By::Xero, old[member].as_str().unwrap_or_default());
            self.mark(number, By::Xero, "customer", Who::Xero(id), field);
        }
        self.took(answer, "xero: phone or address")
    }

    fn xero_archive(&mut self) -> Option<&'static str> {
        let id = self.any("customer")?;
        let contact = self.person.read("Contacts", id).ok()?;
        if contact["ContactStatus"] == "ACTIVE" {
            if !self.dice.one_in(3) {
                return None;
            }
            let answer = self.person.archive_contact(id);
            self.removed(By::Xero, "customer", Who::Xero(id));
            return self.took(answer, "xero: contact archived");
        }
        if contact.get("MergedToContactID").is_some() {
            return None;
        }
        let answer = self.person.restore_contact(id);
        self.took(answer, "xero: contact restored")
    }

    fn xero_merge(&mut self) -> Option<&'static str> {
        let (loser, winner) = (self.active_contact()?, self.active_contact()?);
        if loser == winner {
            return None;
        }
        let answer = if self.dice.one_in(3) {
            self.is_quiet = true;
            self.person.clone().quietly().merge_contacts(loser, winner)
        } else {
            self.person.merge_contacts(loser, winner)
        };
        self.removed(By::Xero, "customer", Who::Xero(loser));
        self.took(answer, "xero: contacts merged")
    }

    /// Writes something new and, some time later, something that is no token of anybody's.
    fn xero_back(&mut self) -> Option<&'static str> {
        let id = self.active_contact()?;
        let (field, member) = self.dice.of(&[("first_name", "FirstName"), ("last_name", "LastName")]);
        let now = self.person.read("Contacts", id).ok()?[member].as_str().unwrap_or_default().to_owned();
        let Some(from) = self.own_token(By::Xero, &now) else {
            let answer = self.set_field("customer", id, (field, member), "Gone #", json!({}));
            return self.took(answer, "xero: there");
        };
        let answer = self.person.edit("Contacts", id, &json!({member: "As Before"}));
        if answer.is_ok() {
            self.see(By::Xero, &now);
            let (number, _) = self.token();
            self.mark_back(number, By::Xero, "customer", Who::Xero(id), field, from);
        }
        self.took(answer, "xero: and back")
    }

    /// Opened, looked at, saved.
    fn xero_same(&mut self) -> Option<&'static str> {
        let id = self.active_contact()?;
        let before = self.person.read("Contacts", id).ok()?;
        let answer = self.person.edit("Contacts", id, &json!({"Name": before["Name"]}));
        self.took(answer, "xero: the same again")
    }

    fn xero_odd(&mut self) -> Option<&'static str> {
        let answer = match self.dice.below(4) {
            0 => {
                let id = self.active_contact()?;
                let (number, token) = self.token();
                let text = odd::name(&mut self.dice, &token);
                self.write_field("customer", id, ("name", "Name"), (number, &text), json!({}))
            }
            1 => {
                let id = self.active_contact()?;
                let (number, token) = self.token();
                let text = odd::text(&mut self.dice, &token, 255);
                let names = self.dice.of(&[("first_name", "FirstName"), ("last_name", "LastName")]);
                self.write_field("customer", id, names, (number, &text), json!({}))
            }
            2 => {
                let id = self.any("invoice")?;
                let (number, token) = self.token();
                let text = odd::text(&mut self.dice, &token, 255);
                if self.person.read("Invoices", id).ok()?["Type"] != "ACCREC" {
                    return None;
                }
                self.write_field("invoice", id, ("reference", "Reference"), (number, &text), json!({}))
            }
            _ => return self.xero_odd_line(),
        };
        self.took(answer, "xero: odd text")
    }

    fn xero_lock(&mut self) -> Option<&'static str> {
        let is_end = self.dice.one_in(3);
        let until = if std::mem::take(&mut self.is_locked) { None } else { Some("2026-06-14") };
        let answer =
            if is_end { self.person.set_lock_dates(None, until) } else { self.person.set_lock_dates(until, None) };
        self.is_locked = until.is_some();
        self.took(answer, if self.is_locked { "xero: period locked" } else { "xero: lock dates lifted" })
    }

    fn xero_account(&mut self) -> Option<&'static str> {
        let code = self.dice.of(&["260", "461", "404"]);
        if self.archived_accounts.contains(&code) {
            return None;
        }
        self.archived_accounts.push(code);
        let answer = self.person.archive_account(code);
        self.took(answer, "xero: account archived")
    }

    fn xero_currency(&mut self) -> Option<&'static str> {
        let code = self.dice.of(&["JPY", "KWD", "USD", "EUR"]);
        if self.currencies_off.contains(&code) {
            self.currencies_off.retain(|other| *other != code);
            let answer = self.person.subscribe_currency(code, true);
            return self.took(answer, "xero: currency used again");
        }
        self.currencies_off.push(code);
        let answer = self.person.subscribe_currency(code, false);
        self.took(answer, "xero: currency no longer used")
    }

    /// Somebody in Xero takes a record away.
    fn gone(&mut self, kind: &'static str, id: Uuid, answer: &Result<Value, String>) {
        if answer.is_ok() {
            self.removed(By::Xero, kind, Who::Xero(id));
            self.notes.push(Note::Forget(kind, Who::Xero(id)));
        }
    }
}
