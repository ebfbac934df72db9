//! Tracking categories and their options.

use uuid::Uuid;

use super::answer::{Failure, Outcome, answer};
use super::body::{BadBody, Fields};
use super::rules::check_length;
use super::{Verb, Writer, each, only, path_id};
use crate::books::{ReferenceStatus, TrackingCategory, TrackingOption};
use crate::http::Response;
use crate::render;

/// Most ACTIVE categories of an organisation.
const MAX_ACTIVE: usize = 2;

/// A category or an option as sent; both have a name and a status.
#[derive(Debug, Clone)]
struct NameRequest {
    name: Option<String>,
    status: Option<ReferenceStatus>,
}

impl NameRequest {
    fn decode(fields: &Fields<'_>) -> Result<Self, BadBody> {
        Ok(Self {
            name: fields.text("Name")?.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            status: fields.word("Status", "TrackingStatus", ReferenceStatus::parse)?,
        })
    }
}

/// `/TrackingCategories[/{id}[/Options[/{oid}]]]`. `tail` is the path behind the collection.
pub(super) fn route(
    writer: &mut Writer<'_>,
    body: &[u8],
    verb: Option<Verb>,
    is_delete: bool,
    tail: &[&str],
) -> Result<Response, Failure> {
    let is_options = tail.get(1).is_some_and(|part| part.eq_ignore_ascii_case("Options"));
    let category = tail.first().map(|id| find_category(writer, id).ok_or(Failure::Gone)).transpose()?;
    match (category, tail, verb) {
        (None, [], Some(Verb::Create)) => each(
            writer,
            body,
            "TrackingCategories",
            |fields, _| NameRequest::decode(fields),
            |writer, request| Ok(create_category(writer, &request)),
        ),
        (Some(at), [_], Some(Verb::Upsert)) => only(
            writer,
            body,
            "TrackingCategories",
            |fields, _| NameRequest::decode(fields),
            |writer, request| Ok(update_category(writer, at, &request)),
        ),
        (Some(at), [_], None) if is_delete => {
            let request = NameRequest { name: None, status: Some(ReferenceStatus::Deleted) };
            let outcome = update_category(writer, at, &request);
            Ok(answer(writer, "TrackingCategories", vec![outcome]))
        }
        (Some(at), [_, _], Some(Verb::Create)) if is_options => each(
            writer,
            body,
            "Options",
            |fields, _| NameRequest::decode(fields),
            |writer, request| Ok(create_option(writer, at, &request)),
        ),
        (Some(at), [_, _, option], _) if is_options => {
            let id = path_id(option).ok_or(Failure::Gone)?;
            let option = writer.books.tracking[at].options.iter().position(|row| row.id == id).ok_or(Failure::Gone)?;
            match verb {
                Some(Verb::Upsert) => only(
                    writer,
                    body,
                    "Options",
                    |fields, _| NameRequest::decode(fields),
                    |writer, request| Ok(update_option(writer, at, option, &request)),
                ),
                None if is_delete => {
                    let request = NameRequest { name: None, status: Some(ReferenceStatus::Deleted) };
                    let outcome = update_option(writer, at, option, &request);
                    Ok(answer(writer, "Options", vec![outcome]))
                }
                _ => Err(Failure::Gone),
            }
        }
        _ => Err(Failure::Gone),
    }
}

fn find_category(writer: &Writer<'_>, id: &str) -> Option<usize> {
    let id = path_id(id)?;
    writer.books.tracking.iter().position(|row| row.id == id)
}

fn create_category(writer: &mut Writer<'_>, request: &NameRequest) -> Outcome {
    let mut messages = Vec::new();
    check_name(&mut messages, request.name.as_deref(), true);
    let live = writer.books.tracking.iter().filter(|row| row.status == ReferenceStatus::Active);
    if live.count() >= MAX_ACTIVE {
        // The words are not documented.
        messages.push(format!("An organisation can have at most {MAX_ACTIVE} active tracking categories"));
    }
    check_category_unique(writer, request, None, &mut messages);
    let row = TrackingCategory {
        id: Uuid::nil(),
        name: request.name.as_deref().unwrap_or_default().into(),
        status: ReferenceStatus::Active,
        options: Vec::new(),
    };
    if !messages.is_empty() {
        return Outcome::refused(category_element(&row), messages);
    }
    let row = TrackingCategory { id: writer.books.next_id(), ..row };
    let element = category_element(&row);
    writer.books.tracking.push(row);
    Outcome::saved(element)
}

fn update_category(writer: &mut Writer<'_>, at: usize, request: &NameRequest) -> Outcome {
    let mut messages = Vec::new();
    check_name(&mut messages, request.name.as_deref(), false);
    check_category_unique(writer, request, Some(at), &mut messages);
    let id = writer.books.tracking[at].id;
    if request.status == Some(ReferenceStatus::Deleted) && is_used(writer, |category, _| category == id) {
        messages.push("The tracking category is in use and cannot be deleted".into());
    }
    let mut row = writer.books.tracking[at].clone();
    if let Some(name) = &request.name {
        row.name = name.as_str().into();
    }
    row.status = request.status.unwrap_or(row.status);
    let element = category_element(&row);
    if !messages.is_empty() {
        return Outcome::refused(element, messages);
    }
    writer.books.tracking[at] = row;
    Outcome::saved(element)
}

fn create_option(writer: &mut Writer<'_>, at: usize, request: &NameRequest) -> Outcome {
    let mut messages = Vec::new();
    check_name(&mut messages, request.name.as_deref(), true);
    check_option_unique(&writer.books.tracking[at], request, None, &mut messages);
    let name = request.name.as_deref().unwrap_or_default().into();
    let row = TrackingOption { id: Uuid::nil(), name, status: ReferenceStatus::Active };
    if !messages.is_empty() {
        return Outcome::refused(option_element(&row), messages);
    }
    let row = TrackingOption { id: writer.books.next_id(), ..row };
    let element = option_element(&row);
    writer.books.tracking[at].options.push(row);
    Outcome::saved(element)
}

fn update_option(writer: &mut Writer<'_>, at: usize, option: usize, request: &NameRequest) -> Outcome {
    let mut messages = Vec::new();
    check_name(&mut messages, request.name.as_deref(), false);
    check_option_unique(&writer.books.tracking[at], request, Some(option), &mut messages);
    let mut row = writer.books.tracking[at].options[option].clone();
    if request.status == Some(ReferenceStatus::Deleted) && is_used(writer, |_, option| option == row.id) {
        messages.push("The tracking option is in use and cannot be deleted".into());
    }
    if let Some(name) = &request.name {
        row.name = name.as_str().into();
    }
    row.status = request.status.unwrap_or(row.status);
    let element = option_element(&row);
    if !messages.is_empty() {
        return Outcome::refused(element, messages);
    }
    writer.books.tracking[at].options[option] = row;
    Outcome::saved(element)
}

/// The words for a missing name are not documented.
fn check_name(messages: &mut Vec<String>, name: Option<&str>, is_required: bool) {
    check_length(messages, "Name", name, 100);
    if is_required && name.is_none() {
        messages.push("Name must be specified".into());
    }
}

fn check_category_unique(writer: &Writer<'_>, request: &NameRequest, own: Option<usize>, messages: &mut Vec<String>) {
    let Some(name) = &request.name else { return };
    let clashes = |(at, row): (usize, &TrackingCategory)| {
        Some(at) != own && row.status != ReferenceStatus::Deleted && row.name.to_lowercase() == name.to_lowercase()
    };
    if writer.books.tracking.iter().enumerate().any(clashes) {
        messages.push("Please enter a unique Name.".into());
    }
}

fn check_option_unique(
    category: &TrackingCategory,
    request: &NameRequest,
    own: Option<usize>,
    messages: &mut Vec<String>,
) {
    let Some(name) = &request.name else { return };
    let clashes = |(at, row): (usize, &TrackingOption)| {
        Some(at) != own && row.status != ReferenceStatus::Deleted && row.name.to_lowercase() == name.to_lowercase()
    };
    if category.options.iter().enumerate().any(clashes) {
        messages.push("Please enter a unique Name.".into());
    }
}

fn is_used(writer: &Writer<'_>, is_it: impl Fn(Uuid, Uuid) -> bool) -> bool {
    let books = &*writer.books;
    let of_invoices = books.invoices.iter().map(|row| &row.lines);
    let of_credits = books.credit_notes.iter().map(|row| &row.lines);
    let of_bank = books.bank_transactions.iter().map(|row| &row.lines);
    let mut lines = of_invoices.chain(of_credits).chain(of_bank).flatten();
    lines.any(|line| line.tracking.iter().any(|part| is_it(part.category, part.option)))
}

fn category_element(row: &TrackingCategory) -> Vec<u8> {
    let mut element = Vec::new();
    render::tracking_category(&mut element, row, true);
    element
}

fn option_element(row: &TrackingOption) -> Vec<u8> {
    let mut element = Vec::new();
    render::push_object(&mut element, |object| {
        object.id("TrackingOptionID", row.id);
        object.text("Name", &row.name);
        object.text("Status", row.status.as_str());
        object.flag("HasValidationErrors", false);
        object.flag("IsDeleted", row.status == ReferenceStatus::Deleted);
        object.flag("IsArchived", row.status == ReferenceStatus::Archived);
        object.flag("IsActive", row.status == ReferenceStatus::Active);
    });
    element
}
