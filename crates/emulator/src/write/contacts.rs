//! Contacts: create, update by id, number or name, archive.

use uuid::Uuid;

use super::answer::{Failure, Outcome};
use super::contact_plan::{self, ContactRefusal};
use super::contact_request::ContactRequest;
use super::{Verb, Writer, body, each, only, path_id};
use crate::http::Response;
use crate::render::{self, Object, Shape};

pub(super) fn write(writer: &mut Writer<'_>, body: &[u8], verb: Verb) -> Result<Response, Failure> {
    if verb == Verb::Upsert {
        refuse_unknown_ids(writer, body)?;
    }
    each(
        writer,
        body,
        "Contacts",
        |fields, _| ContactRequest::decode(fields),
        |writer, request| apply(writer, &request, verb),
    )
}

/// One unknown id answers 404 for the whole request, before any of it is saved.
fn refuse_unknown_ids(writer: &Writer<'_>, body: &[u8]) -> Result<(), Failure> {
    let parsed = body::parse(body)?;
    for fields in body::elements(&parsed, "Contacts")? {
        if fields.id("ContactID")?.is_some_and(|id| writer.books.contacts.get(id).is_none()) {
            return Err(Failure::Gone);
        }
    }
    Ok(())
}

/// `POST /Contacts/{ContactID or ContactNumber}`.
pub(super) fn write_one(writer: &mut Writer<'_>, body: &[u8], id: &str) -> Result<Response, Failure> {
    let by_id = path_id(id).and_then(|id| writer.books.contacts.get(id));
    let found = by_id.or_else(|| writer.books.contact_by_number(id)).ok_or(Failure::Gone)?.id;
    only(
        writer,
        body,
        "Contacts",
        |fields, _| ContactRequest::decode(fields),
        |writer, mut request| {
            request.id = Some(found);
            apply(writer, &request, Verb::Upsert)
        },
    )
}

fn apply(writer: &mut Writer<'_>, request: &ContactRequest, verb: Verb) -> Result<Outcome, Failure> {
    match contact_plan::plan(writer, request, verb)? {
        Ok(plan) => {
            let id = contact_plan::commit(writer, plan);
            let mut element = Vec::new();
            if let Some(row) = writer.books.contacts.get(id) {
                render::contact(&mut element, &writer.view(), row, Shape::Write);
            }
            Ok(Outcome::saved(element))
        }
        Err(ContactRefusal { id, messages }) => {
            let mut element = Vec::new();
            render::push_object(&mut element, |object| echo(object, request, id));
            Ok(Outcome::refused(element, messages))
        }
    }
}

/// The refused contact as it was understood.
fn echo(object: &mut Object<'_>, request: &ContactRequest, id: Option<Uuid>) {
    object.id("ContactID", id.or(request.id).unwrap_or(Uuid::nil()));
    object.text_if("ContactNumber", request.number.as_deref());
    object.text_if("AccountNumber", request.account_number.as_deref());
    object.text_if("ContactStatus", request.status.map(|status| status.as_str()));
    object.text_if("Name", request.name.as_deref());
    object.text_if("FirstName", request.first_name.as_deref());
    object.text_if("LastName", request.last_name.as_deref());
    object.text_if("EmailAddress", request.email.as_deref());
    object.array("Addresses", request.addresses.iter().flatten(), |out, slot| {
        render::push_object(out, |inner| {
            inner.text("AddressType", slot.kind.as_str());
            inner.text_if("AddressLine1", slot.texts[0].as_deref());
            inner.text_if("City", slot.texts[4].as_deref());
            inner.nothing("ValidationErrors");
        });
    });
    object.array("Phones", request.phones.iter().flatten(), |out, slot| {
        render::push_object(out, |inner| {
            inner.text("PhoneType", slot.kind.as_str());
            inner.text_if("PhoneNumber", slot.texts[0].as_deref());
            inner.text_if("PhoneAreaCode", slot.texts[1].as_deref());
            inner.text_if("PhoneCountryCode", slot.texts[2].as_deref());
            inner.nothing("ValidationErrors");
        });
    });
    object.nothing("ContactGroups");
    if let Some(is_customer) = request.is_customer {
        object.flag("IsCustomer", is_customer);
    }
    object.nothing("ContactPersons");
    object.flag("HasValidationErrors", true);
}
