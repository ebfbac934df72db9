//! What a described contact means for the books: which row it is, what the row becomes, or why not.

use uuid::Uuid;

use super::answer::Failure;
use super::contact_request::{ContactRequest, SlotRequest, text_or_none};
use super::rules::{
    ARCHIVED_CONTACT, CONTACT_NUMBER_TAKEN, CONTACT_UNIDENTIFIED, EMAIL_INVALID, check_currency, check_length,
    contact_name_taken,
};
use super::{Verb, Writer};
use crate::books::{AddressType, Contact, ContactStatus, PhoneType, Text};

/// Most people that a contact may have.
const MAX_PERSONS: usize = 5;

/// A contact that passed every check and only has to be stored.
#[derive(Debug, Clone)]
pub(super) struct ContactPlan {
    row: Contact,
    is_new: bool,
    is_changed: bool,
    /// It stood inside a document.
    is_embedded: bool,
}

/// A contact that was refused.
#[derive(Debug)]
pub(super) struct ContactRefusal {
    /// The row that it was about, if there is one.
    pub(super) id: Option<Uuid>,
    pub(super) messages: Vec<String>,
}

impl ContactRefusal {
    fn new(id: Option<Uuid>, message: impl Into<String>) -> Self {
        Self { id, messages: vec![message.into()] }
    }
}

/// Plans a contact of the Contacts endpoint. An unknown id is [`Failure::Gone`] for the whole request.
pub(super) fn plan(
    writer: &mut Writer<'_>,
    request: &ContactRequest,
    verb: Verb,
) -> Result<Result<ContactPlan, ContactRefusal>, Failure> {
    if !request.is_identified() {
        return Ok(Err(ContactRefusal::new(None, CONTACT_UNIDENTIFIED)));
    }
    let found = match verb {
        Verb::Create => match taken(writer, request) {
            Some(refusal) => return Ok(Err(refusal)),
            None => None,
        },
        Verb::Upsert => match request.id {
            Some(id) => Some(writer.books.contacts.get(id).ok_or(Failure::Gone)?.clone()),
            None => matched(writer, request).cloned(),
        },
    };
    Ok(changed(writer, request, found))
}

/// Plans the contact inside a document: the one that is meant, changed by what else was said, or a new one by name.
pub(super) fn plan_embedded(writer: &mut Writer<'_>, request: &ContactRequest) -> Result<ContactPlan, ContactRefusal> {
    if !request.is_identified() {
        return Err(ContactRefusal::new(None, CONTACT_UNIDENTIFIED));
    }
    let found = match request.id {
        Some(id) => match writer.books.contacts.get(id) {
            Some(row) => Some(row.clone()),
            None => {
                // The words for an unknown contact inside a document are not documented.
                return Err(ContactRefusal::new(None, "The contact with the specified ContactID could not be found"));
            }
        },
        None => matched(writer, request).cloned(),
    };
    if let Some(row) = found.as_ref().filter(|row| row.status != ContactStatus::Active) {
        return Err(ContactRefusal::new(Some(row.id), ARCHIVED_CONTACT));
    }
    if let Some(row) = &found
        && !request.has_details()
        && request.name.as_deref().is_none_or(|name| name == &*row.name)
        && request.number.as_deref().is_none_or(|number| Some(number) == row.number.as_deref())
    {
        return Ok(ContactPlan { row: row.clone(), is_new: false, is_changed: false, is_embedded: true });
    }
    let mut request = request.clone();
    // A document's contact with details replaces the people, even when it lists none: a known trap.
    if found.is_some() && request.has_details() {
        request.persons.get_or_insert_default();
    }
    changed(writer, &request, found).map(|plan| ContactPlan { is_embedded: true, ..plan })
}

/// Stores a planned contact and tells its id.
pub(super) fn commit(writer: &mut Writer<'_>, plan: ContactPlan) -> Uuid {
    let id = plan.row.id;
    if plan.is_embedded && (plan.is_new || plan.is_changed) {
        writer.notes.contacts_by_documents += 1;
    }
    if plan.is_new {
        writer.books.contacts.insert(plan.row);
    } else if plan.is_changed {
        writer.books.contacts.change(id, writer.now, |row| {
            // The time stamp and what documents set meanwhile stay the row's own.
            let (updated, is_customer, is_supplier) = (row.updated, row.is_customer, row.is_supplier);
            *row = Contact { updated, is_customer, is_supplier, ..plan.row };
        });
    }
    id
}

impl ContactPlan {
    /// The contact's id; new contacts have theirs already.
    pub(super) fn id(&self) -> Uuid {
        self.row.id
    }
}

/// Why a create-only request may not go on: the contact exists.
fn taken(writer: &Writer<'_>, request: &ContactRequest) -> Option<ContactRefusal> {
    let by_id = request.id.and_then(|id| writer.books.contacts.get(id));
    if let Some(row) = by_id {
        return Some(ContactRefusal::new(Some(row.id), contact_name_taken(&row.name)));
    }
    let mut messages = Vec::new();
    if let Some(name) = request.name.as_deref()
        && writer.books.contact_by_name(name).is_some_and(|row| row.status == ContactStatus::Active)
    {
        messages.push(contact_name_taken(name));
    }
    if request.number.as_deref().is_some_and(|number| writer.books.contact_by_number(number).is_some()) {
        messages.push(CONTACT_NUMBER_TAKEN.into());
    }
    if messages.is_empty() { None } else { Some(ContactRefusal { id: None, messages }) }
}

/// The contact that number or else name point to. An archived one is only met when no active one has the name.
fn matched<'w>(writer: &'w Writer<'_>, request: &ContactRequest) -> Option<&'w Contact> {
    let by_number = request.number.as_deref().and_then(|number| writer.books.contact_by_number(number));
    by_number.or_else(|| request.name.as_deref().and_then(|name| writer.books.contact_by_name(name)))
}

/// The row that `found` (or a new contact) becomes.
fn changed(
    writer: &mut Writer<'_>,
    request: &ContactRequest,
    found: Option<Contact>,
) -> Result<ContactPlan, ContactRefusal> {
    if let Some(row) = found.as_ref().filter(|row| row.status == ContactStatus::Archived && !writer.is_person) {
        return Err(ContactRefusal::new(Some(row.id), ARCHIVED_CONTACT));
    }
    let existing = found.as_ref().map(|row| row.id);
    let mut messages = Vec::new();
    check_texts(&mut messages, request);
    check_unique(&mut messages, writer, request, existing);
    if let Some(currency) = request.default_currency {
        messages.extend(check_currency(writer, currency));
    }
    let is_new = found.is_none();
    let mut row = match (found, request.name.as_deref()) {
        (Some(row), _) => row,
        (None, Some(name)) => Contact::new(Uuid::nil(), name.into(), writer.now),
        (None, None) => return Err(ContactRefusal::new(None, CONTACT_UNIDENTIFIED)),
    };
    if !messages.is_empty() {
        return Err(ContactRefusal { id: existing, messages });
    }
    merge(&mut row, request);
    if is_new {
        row.id = writer.books.next_id();
    }
    Ok(ContactPlan { row, is_new, is_changed: true, is_embedded: false })
}

fn check_unique(messages: &mut Vec<String>, writer: &Writer<'_>, request: &ContactRequest, own: Option<Uuid>) {
    let stored = own.and_then(|id| writer.books.contacts.get(id));
    let before = stored.map_or(ContactStatus::Active, |row| row.status);
    let stays_active = request.status.unwrap_or(before) == ContactStatus::Active;
    // Who comes back from the archive brings a name that may be taken by now.
    let returning = stored.filter(|_| before != ContactStatus::Active).map(|row| &*row.name);
    if let Some(name) = request.name.as_deref().or(returning).filter(|_| stays_active)
        && let Some(other) = writer.books.contact_by_name(name)
        && other.status == ContactStatus::Active
        && Some(other.id) != own
    {
        messages.push(contact_name_taken(name));
    }
    if let Some(number) = request.number.as_deref()
        && writer.books.contact_by_number(number).is_some_and(|other| Some(other.id) != own)
    {
        messages.push(CONTACT_NUMBER_TAKEN.into());
    }
}

/// Lengths and forms. The words about names and people are not documented.
fn check_texts(messages: &mut Vec<String>, request: &ContactRequest) {
    if let Some(name) = request.name.as_deref() {
        check_length(messages, "Contact Name", Some(name), 255);
        if name.contains(['<', '>']) {
            messages.push("Contact Name must not contain the characters < and >".into());
        }
        if name.trim() != name || name.contains("  ") {
            messages.push("Contact Name must not have leading, trailing or repeated spaces".into());
        }
    }
    for (what, text, max) in [
        ("Contact Number", &request.number, 50),
        ("Account Number", &request.account_number, 50),
        ("First Name", &request.first_name, 255),
        ("Last Name", &request.last_name, 255),
        ("Email Address", &request.email, 255),
        ("Company Number", &request.company_number, 50),
        ("Tax Number", &request.tax_number, 50),
    ] {
        check_length(messages, what, text.as_deref(), max);
    }
    let own = request.email.as_deref().filter(|email| !email.is_empty());
    let persons = request.persons.as_deref().unwrap_or_default();
    let of_persons = persons.iter().filter_map(|person| person.email.as_deref());
    if own.into_iter().chain(of_persons).any(|email| !is_email(email)) {
        messages.push(EMAIL_INVALID.into());
    }
    if persons.len() > MAX_PERSONS {
        messages.push(format!("A contact can have at most {MAX_PERSONS} contact persons"));
    }
    for address in request.addresses.iter().flatten() {
        for (index, text) in address.texts.iter().enumerate() {
            let max = match index {
                0..=3 => 500,
                6 | 7 => 50,
                _ => 255,
            };
            check_length(messages, "Address", text.as_deref(), max);
        }
    }
    for phone in request.phones.iter().flatten() {
        for (text, (what, max)) in
            phone.texts.iter().zip([("Phone Number", 50), ("Phone Area Code", 10), ("Phone Country Code", 20)])
        {
            check_length(messages, what, text.as_deref(), max);
        }
    }
}

/// Plain ASCII with one `@`, something before it and a dotted name behind it.
fn is_email(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>(),;:\"\\".contains(&byte));
    plain
        && text.split_once('@').is_some_and(|(local, domain)| {
            let labels_filled = domain.split('.').all(|label| !label.is_empty());
            !local.is_empty() && !domain.contains('@') && domain.contains('.') && labels_filled
        })
}

/// Sets what was sent. An absent text stays, an empty one clears.
fn set(field: &mut Option<Text>, sent: &Option<String>) {
    if let Some(text) = sent {
        *field = text_or_none(text.clone());
    }
}

fn merge(row: &mut Contact, request: &ContactRequest) {
    if let Some(name) = &request.name {
        row.name = name.as_str().into();
    }
    if let Some(status) = request.status {
        row.status = status;
    }
    set(&mut row.number, &request.number);
    if request.clears_number && request.id.is_some() {
        row.number = None;
    }
    set(&mut row.account_number, &request.account_number);
    set(&mut row.first_name, &request.first_name);
    set(&mut row.last_name, &request.last_name);
    set(&mut row.email, &request.email);
    set(&mut row.company_number, &request.company_number);
    set(&mut row.tax_number, &request.tax_number);
    set(&mut row.bank_account_details, &request.bank_account_details);
    set(&mut row.skype_user_name, &request.skype_user_name);
    set(&mut row.sales_default_account_code, &request.sales_default_account_code);
    set(&mut row.purchases_default_account_code, &request.purchases_default_account_code);
    set(&mut row.receivable_tax_type, &request.receivable_tax_type);
    set(&mut row.payable_tax_type, &request.payable_tax_type);
    if request.default_currency.is_some() {
        row.default_currency = request.default_currency;
    }
    if let Some(persons) = &request.persons {
        row.persons.clone_from(persons);
    }
    merge_addresses(row, request.addresses.as_deref().unwrap_or_default());
    merge_phones(row, request.phones.as_deref().unwrap_or_default());
}

fn merge_addresses(row: &mut Contact, sent: &[SlotRequest<AddressType, 9>]) {
    for slot in sent {
        let at = AddressType::ALL.iter().position(|kind| *kind == slot.kind).unwrap_or_default();
        let address = &mut row.addresses[at];
        let [line1, line2, line3, line4] = &mut address.lines;
        let fields = [
            line1,
            line2,
            line3,
            line4,
            &mut address.city,
            &mut address.region,
            &mut address.postal_code,
            &mut address.country,
            &mut address.attention_to,
        ];
        for (field, text) in fields.into_iter().zip(&slot.texts) {
            set(field, text);
        }
    }
}

fn merge_phones(row: &mut Contact, sent: &[SlotRequest<PhoneType, 3>]) {
    for slot in sent {
        let at = PhoneType::ALL.iter().position(|kind| *kind == slot.kind).unwrap_or_default();
        let phone = &mut row.phones[at];
        let fields = [&mut phone.number, &mut phone.area_code, &mut phone.country_code];
        for (field, text) in fields.into_iter().zip(&slot.texts) {
            set(field, text);
        }
    }
}
