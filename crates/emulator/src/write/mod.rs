//! Writes: PUT, POST and DELETE, from the bytes of a body to the answer, with Xero's refusals in Xero's words.
//!
//! A request is first decoded as a whole (what does not convert refuses all of it), then its elements are tried one by
//! one: each is planned completely before anything is changed, so an element is saved or refused but never half of each,
//! and a batch saves the good ones even when it answers 400.

mod accounts;
mod allocations;
mod answer;
mod bank_transactions;
mod body;
mod contact_plan;
mod contact_request;
mod contacts;
mod currencies;
mod document_plan;
mod document_request;
mod documents;
mod line_request;
mod lines;
mod payments;
mod replies;
mod rules;
mod tax_rates;
#[cfg(test)]
mod tests;
mod tracking;

pub(crate) use replies::ReplyCache;

use jiff::civil::Date;
use uuid::Uuid;

use crate::books::{Books, Millis};
use crate::config::Settings;
use crate::http::{Request, Response, WriteContext, WriteNotes};
use crate::render::View;
use answer::{Failure, Outcome, answer, error};
use body::{BadBody, Fields};
use replies::{Known, MAX_KEY_CHARS};

/// What every write works with.
struct Writer<'a> {
    books: &'a mut Books,
    now: Millis,
    today: Date,
    settings: &'a Settings,
    provider: &'a str,
    /// Decimals of unit amounts: 2, or 4 with `unitdp=4`.
    unit_dp: u32,
    /// Whether failures make the answer a 400; `summarizeErrors=false` switches it off.
    summarize: bool,
    /// Whether a person in Xero's own pages writes, whom the limits of the API do not bind.
    is_person: bool,
    /// Every so-many-th element is refused, by a fault rule.
    refuse_every: Option<u32>,
    /// What is counted.
    notes: &'a mut WriteNotes,
}

impl Writer<'_> {
    fn view(&self) -> View<'_> {
        View { books: self.books, today: self.today, unit_dp: self.unit_dp }
    }
}

/// What a request does with its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// PUT: create only.
    Create,
    /// POST: create or update, matched by id, then number, then (contacts) name.
    Upsert,
}

/// Answers a write. `segments` is the decoded path after `/api.xro/2.0/`. Token, tenant, scope and limits were checked.
pub(crate) fn handle(context: &mut WriteContext<'_>, request: &Request, segments: &[&str]) -> Response {
    let WriteContext { replies, now, .. } = context;
    let now = *now;
    let takes_key = request.method != "DELETE";
    let key = request.header("Idempotency-Key").filter(|key| takes_key && !key.is_empty());
    if let Some(key) = key {
        if key.chars().count() > MAX_KEY_CHARS {
            let message = format!("Idempotency Key: must not be longer than {MAX_KEY_CHARS} characters.");
            return error(10, "ValidationException", &message);
        }
        match replies.look_up(key, request, now) {
            Known::New => {}
            Known::Same(response) => {
                context.notes.is_replay = true;
                return response;
            }
            Known::Different => {
                context.notes.is_key_misused = true;
                let message = format!("Idempotency Key: {key} is used with a different request.");
                return error(10, "ValidationException", &message);
            }
        }
    }
    let response = answer_new(context, request, segments);
    if let Some(key) = key {
        context.replies.keep(key, request, now, &response);
    }
    response
}

fn answer_new(context: &mut WriteContext<'_>, request: &Request, path: &[&str]) -> Response {
    let WriteContext { books, now, settings, provider, is_person, refuse_every, notes, .. } = context;
    let (now, settings, provider) = (*now, *settings, *provider);
    if request.body.len() > settings.max_body_bytes {
        return Response::text(413, "The request body is too large.");
    }
    if request.method != "DELETE" && !is_json(request) {
        return Response::text(415, "The content type of the request is not supported. Send application/json.");
    }
    let unit_dp = if request.param("unitdp").is_some_and(|dp| dp.trim() == "4") { 4 } else { 2 };
    let summarize = !request.param("summarizeErrors").is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let today = books.organisation.today(now);
    let (is_person, refuse_every) = (*is_person, *refuse_every);
    let mut writer =
        Writer { books, now, today, settings, provider, unit_dp, summarize, is_person, refuse_every, notes };
    route(&mut writer, request, path).unwrap_or_else(Failure::response)
}

/// Xero also takes XML and forms; the emulator speaks JSON only and says so. A missing type counts as JSON.
fn is_json(request: &Request) -> bool {
    request.header("Content-Type").is_none_or(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/json") || media.eq_ignore_ascii_case("text/json")
    })
}

fn route(writer: &mut Writer<'_>, request: &Request, path: &[&str]) -> Result<Response, Failure> {
    let verb = match request.method.as_str() {
        "PUT" => Some(Verb::Create),
        "POST" => Some(Verb::Upsert),
        _ => None,
    };
    let is_delete = request.method == "DELETE";
    let body = &request.body[..];
    let (head, tail) = path.split_first().ok_or(Failure::Gone)?;
    match (head.to_ascii_lowercase().as_str(), tail, verb) {
        ("contacts", [], Some(verb)) => contacts::write(writer, body, verb),
        ("contacts", [id], Some(Verb::Upsert)) => contacts::write_one(writer, body, id),
        ("invoices", [], Some(verb)) => documents::write(writer, body, verb, documents::Family::Invoice),
        ("invoices", [id], Some(Verb::Upsert)) => documents::write_one(writer, body, id, documents::Family::Invoice),
        ("creditnotes", [], Some(verb)) => documents::write(writer, body, verb, documents::Family::CreditNote),
        ("creditnotes", [id], Some(Verb::Upsert)) => {
            documents::write_one(writer, body, id, documents::Family::CreditNote)
        }
        ("creditnotes" | "prepayments" | "overpayments", [id, part], Some(_))
            if part.eq_ignore_ascii_case("Allocations") =>
        {
            allocations::write(writer, body, allocations::Source::parse(head), id)
        }
        ("creditnotes" | "prepayments" | "overpayments", [id, part, allocation], None)
            if is_delete && part.eq_ignore_ascii_case("Allocations") =>
        {
            allocations::delete(writer, allocations::Source::parse(head), id, allocation)
        }
        ("payments", [], Some(_)) => payments::write(writer, body),
        ("payments", [id], Some(Verb::Upsert)) => payments::write_one(writer, body, id),
        ("banktransactions", [], Some(verb)) => bank_transactions::write(writer, body, verb),
        ("banktransactions", [id], Some(Verb::Upsert)) => bank_transactions::write_one(writer, body, id),
        ("accounts", [], Some(verb)) => accounts::write(writer, body, verb, None),
        ("accounts", [id], Some(Verb::Upsert)) => accounts::write(writer, body, Verb::Upsert, Some(id)),
        ("accounts", [id], None) if is_delete => accounts::delete(writer, id),
        ("taxrates", [], Some(verb)) => tax_rates::write(writer, body, verb),
        ("currencies", [], Some(Verb::Create)) => currencies::write(writer, body),
        ("trackingcategories", _, _) => tracking::route(writer, body, verb, is_delete, tail),
        (
            "contacts" | "invoices" | "creditnotes" | "payments" | "banktransactions" | "accounts" | "taxrates"
            | "currencies" | "prepayments" | "overpayments" | "organisation",
            [] | [_],
            _,
        ) => Ok(Response::text(501, "The method is not implemented.")),
        _ => Err(Failure::Gone),
    }
}

/// Decodes every element of a body, then tries them one by one, and answers for all of them.
fn each<R>(
    writer: &mut Writer<'_>,
    body: &[u8],
    collection: &str,
    decode: impl Fn(&Fields<'_>, &Writer<'_>) -> Result<R, BadBody>,
    mut apply: impl FnMut(&mut Writer<'_>, R) -> Result<Outcome, Failure>,
) -> Result<Response, Failure> {
    let parsed = body::parse(body)?;
    let elements = body::elements(&parsed, collection)?;
    let requests = elements.iter().map(|fields| decode(fields, writer)).collect::<Result<Vec<R>, BadBody>>()?;
    let mut outcomes = Vec::with_capacity(requests.len());
    for (number, request) in (1..).zip(requests) {
        outcomes.push(match writer.refuse_every {
            Some(step) if number % step.max(1) == 0 => refused_by_fault(),
            _ => apply(writer, request)?,
        });
    }
    Ok(answer(writer, collection, outcomes))
}

/// An element that a fault rule refuses, whatever is in it.
fn refused_by_fault() -> Outcome {
    let mut element = Vec::new();
    crate::render::push_object(&mut element, |object| object.flag("HasErrors", true));
    Outcome::refused(element, vec![rules::PLAN_LIMIT.into()])
}

/// The one element of a body whose id is in the path; further ones are ignored, as Xero does.
fn only<R>(
    writer: &mut Writer<'_>,
    body: &[u8],
    collection: &str,
    decode: impl Fn(&Fields<'_>, &Writer<'_>) -> Result<R, BadBody>,
    apply: impl FnOnce(&mut Writer<'_>, R) -> Result<Outcome, Failure>,
) -> Result<Response, Failure> {
    let parsed = body::parse(body)?;
    let elements = body::elements(&parsed, collection)?;
    let first = elements.first().ok_or_else(|| BadBody("Content is empty".into()))?;
    let request = decode(first, writer)?;
    let outcome = apply(writer, request)?;
    Ok(answer(writer, collection, vec![outcome]))
}

/// An id as it stands in a path.
fn path_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}
