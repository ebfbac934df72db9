//! The accounting API's front door: token, tenant, limits, scope, content negotiation; then reads or writes.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::books::Millis;
use crate::emulator::{Emulator, locked};
use crate::faults::{Done, Twist};
use crate::http::{Request, Response, WriteContext, WriteNotes};
use crate::ledger::{HistoryRecord, Ledger};
use crate::oauth::{Access, AccessError, allows, message_time};
use crate::{read, reports, write};

/// Where the accounting API lives.
pub(crate) const PREFIX: &str = "/api.xro/2.0/";

/// Longest note in a record's history.
const MAX_NOTE_CHARS: usize = 2_500;

/// The problem document of 401 and 403, with a fresh instance id.
fn problem(emulator: &Emulator, status: u16, title: &str, detail: &str) -> Response {
    let mut out = Vec::new();
    let instance = emulator.desk().answer_id();
    crate::render::push_object(&mut out, |object| {
        object.key("Type").extend_from_slice(b"null");
        object.text("Title", title);
        object.whole("Status", i64::from(status));
        object.text("Detail", detail);
        object.id("Instance", instance);
        object.object("Extensions", |_| {});
    });
    Response::json(status, out)
}

/// Reads the bearer token; the answer is a 401 when it is not good.
fn access(emulator: &Emulator, request: &Request, now: Millis) -> Result<Access, Response> {
    let bearer = request.header("Authorization").and_then(|value| {
        value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
    });
    let read = match bearer {
        Some(token) => emulator.desk().identity.read_access_token(token, now),
        None => Err(AccessError::Unusable),
    };
    read.map_err(|error| match error {
        AccessError::Expired(at) => {
            let detail = format!("TokenExpired: token expired at {}", message_time(at));
            problem(emulator, 401, "Unauthorized", &detail)
        }
        AccessError::Unusable => problem(emulator, 401, "Unauthorized", "AuthenticationUnsuccessful"),
    })
}

/// `GET /connections` and `DELETE /connections/{connection id}`.
pub(crate) fn connections(emulator: &Emulator, request: &Request, now: Millis) -> Response {
    if let Err(response) = access(emulator, request, now) {
        return response;
    }
    let segments = request.segments();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", [_]) => {
            let names = emulator.names();
            let name_of = |tenant: Uuid| {
                names.iter().find(|(own, _)| *own == tenant).map_or_else(String::new, |(_, name)| name.clone())
            };
            emulator.desk().identity.list_connections(request, name_of)
        }
        ("DELETE", [_, id]) => {
            let is_gone = Uuid::parse_str(id).is_ok_and(|id| emulator.desk().identity.disconnect(id));
            Response::empty(if is_gone { 204 } else { 404 })
        }
        _ => Response::empty(405),
    }
}

/// A call to the accounting API; also says which connected organisation it was for.
pub(crate) fn handle(emulator: &Emulator, request: &Request, now: Millis, is_crowded: bool, twist: &Twist) -> Done {
    let config = &emulator.inner.config;
    let refused =
        |response: Response, tenant: Option<Uuid>| Done { response: Some(response), tenant, ..Done::default() };
    if request.path.len() + request.query.len() > config.settings.max_url_bytes {
        return refused(Response::html(414, "<html><body>Request-URI Too Long</body></html>"), None);
    }
    let access = match access(emulator, request, twist.asked_at.unwrap_or(now)) {
        Ok(access) => access,
        Err(response) => return refused(response, None),
    };
    let has_header = request.header("xero-tenant-id").is_some_and(|id| !id.trim().is_empty());
    let place = emulator.inner.place_of(request).filter(|place| {
        let tenant = emulator.inner.organisations[*place].tenant;
        (has_header || access.is_custom) && emulator.desk().identity.is_connected(tenant)
    });
    let Some(place) = place else {
        return refused(problem(emulator, 403, "Forbidden", "AuthenticationUnsuccessful"), None);
    };
    let tenant = Some(emulator.inner.organisations[place].tenant);
    let remaining = match emulator.desk().admit(config, place, now, is_crowded) {
        Ok(remaining) => remaining,
        Err(response) => return refused(response, tenant),
    };
    let (mut response, is_replay) = admitted(emulator, request, now, place, &access, twist);
    remaining.write(&mut response);
    Done { response: Some(response), tenant, is_replay, delay_ms: 0 }
}

/// Whether the route may be called with these scopes and headers: the areas of the route, or the refusal.
fn permitted(emulator: &Emulator, request: &Request, segments: &[&str], access: &Access) -> Result<bool, Response> {
    let Some(areas) = segments.first().and_then(|first| areas(first, segments)) else {
        return Err(Response::not_found());
    };
    let is_write = request.method != "GET";
    if !areas.iter().any(|area| allows(&access.scopes, area, is_write)) {
        return Err(problem(emulator, 401, "Unauthorized", "AuthorizationUnsuccessful"));
    }
    let is_report = areas[0].starts_with("reports.");
    if is_report && !emulator.inner.config.has_reports_role {
        return Err(problem(emulator, 403, "Forbidden", "AuthorizationUnsuccessful"));
    }
    if !accepts_json(request) {
        let text = "This emulator speaks JSON only. Xero would answer in XML: send the header Accept: application/json";
        return Err(Response::text(406, text));
    }
    if is_write && (is_report || !is_writable(segments, &request.method)) {
        return Err(Response::empty(501));
    }
    if is_write && request.body.len() > emulator.inner.config.settings.max_body_bytes {
        return Err(Response::html(413, "<html><body>Request Entity Too Large</body></html>"));
    }
    Ok(is_write)
}

/// The answer, and whether it is a replay.
fn admitted(
    emulator: &Emulator,
    request: &Request,
    now: Millis,
    place: usize,
    access: &Access,
    twist: &Twist,
) -> (Response, bool) {
    let segments = request.segments();
    // The first two segments are the prefix.
    let segments: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    let is_write = match permitted(emulator, request, &segments, access) {
        Ok(is_write) => is_write,
        Err(response) => return (response, false),
    };
    let mut ledger = locked(&emulator.inner.organisations[place].ledger);
    if is_write {
        write(emulator, &mut ledger, request, now, &segments, twist)
    } else {
        (read(emulator, &mut ledger, request, now, &segments, twist), false)
    }
}

/// A read of one organisation's books.
pub(crate) fn read(
    emulator: &Emulator,
    ledger: &mut Ledger,
    request: &Request,
    now: Millis,
    segments: &[&str],
    twist: &Twist,
) -> Response {
    let config = &emulator.inner.config;
    // Only lists lag; a read by id looks at the record itself.
    let lag = twist.stale_ms.filter(|_| segments.len() == 1).and_then(|ms| i64::try_from(ms).ok());
    let stale = lag.and_then(|lag| ledger.snapshots.as_of(now.saturating_sub(lag)));
    let answer_id = emulator.desk().answer_id();
    let context = read::ReadContext {
        books: stale.as_deref().unwrap_or(&ledger.books),
        history: &ledger.history,
        now,
        settings: &config.settings,
        provider: &config.app.name,
        answer_id,
    };
    match segments {
        ["Reports", name] => reports::handle(&context, request, name),
        // Selections of fresh books are no selections of stale ones.
        _ if stale.is_some() => read::handle(&context, &mut read::Selections::default(), request, segments),
        _ => read::handle(&context, &mut ledger.selections, request, segments),
    }
}

/// A write to one organisation's books, counted and put down in the history; also whether the answer is a replay.
fn write(
    emulator: &Emulator,
    ledger: &mut Ledger,
    request: &Request,
    now: Millis,
    segments: &[&str],
    twist: &Twist,
) -> (Response, bool) {
    if request.method == "PUT"
        && let [kind, id, "History"] = segments
    {
        return (note(emulator, ledger, request, now, kind, id), false);
    }
    let config = &emulator.inner.config;
    ledger.remember(now);
    ledger.books.set_quiet(twist.is_quiet);
    let mut notes = WriteNotes::default();
    let mut context = WriteContext {
        books: &mut ledger.books,
        replies: &mut ledger.replies,
        now,
        settings: &config.settings,
        provider: &config.app.name,
        is_person: false,
        refuse_every: twist.refuse_every,
        notes: &mut notes,
    };
    let response = write::handle(&mut context, request, segments);
    ledger.books.set_quiet(false);
    ledger.note_history(now, None);
    ledger.counters.count(request, segments, &notes);
    (response, notes.is_replay)
}

/// `PUT /{Any}/{id}/History`: notes that are added to a record's history.
fn note(emulator: &Emulator, ledger: &mut Ledger, request: &Request, now: Millis, kind: &str, id: &str) -> Response {
    let Some(id) = Uuid::parse_str(id).ok().filter(|_| read::is_document(&ledger.books, kind, id)) else {
        return Response::not_found();
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let sent = body["HistoryRecords"].as_array().cloned().unwrap_or_default();
    let details: Vec<&str> = sent.iter().filter_map(|record| record["Details"].as_str()).collect();
    if details.is_empty() || details.iter().any(|text| text.is_empty() || text.chars().count() > MAX_NOTE_CHARS) {
        let message = format!("Details must have between 1 and {MAX_NOTE_CHARS} characters");
        return bad_request(10, "ValidationException", &message);
    }
    let records: Vec<HistoryRecord> =
        details.iter().map(|text| HistoryRecord::new("Note", now, None, Some(text))).collect();
    let answer_id = emulator.desk().answer_id();
    let body =
        crate::render::envelope(answer_id, &emulator.inner.config.app.name, now, None, "HistoryRecords", |out| {
            crate::render::history(out, records.iter());
        });
    for record in records {
        ledger.history.add(id, record);
    }
    Response::json(200, body)
}

/// The granular scope areas of which one must be granted for a route; `None` for an unknown route.
fn areas(first: &str, segments: &[&str]) -> Option<Vec<String>> {
    if segments.contains(&"Attachments") {
        return Some(vec!["attachments".into()]);
    }
    let area = match first {
        "Contacts" | "ContactGroups" => "contacts",
        "Invoices" | "CreditNotes" => "invoices",
        "Items" => return Some(vec!["settings".into(), "invoices".into()]),
        "Payments" | "Prepayments" | "Overpayments" => "payments",
        "BankTransactions" => "banktransactions",
        "Accounts" | "TaxRates" | "TrackingCategories" | "Currencies" | "Organisation" | "BrandingThemes" => "settings",
        "Reports" => return segments.get(1).map(|name| vec![format!("reports.{}", name.to_lowercase())]),
        _ => return None,
    };
    Some(vec![area.into()])
}

/// What has no write at all answers 501.
fn is_writable(segments: &[&str], method: &str) -> bool {
    matches!(method, "PUT" | "POST" | "DELETE") && !matches!(segments[0], "Organisation" | "BrandingThemes" | "Reports")
}

/// Without an explicit wish for JSON, Xero answers in XML.
fn accepts_json(request: &Request) -> bool {
    let accept = request.header("Accept").unwrap_or_default();
    accept.split(',').any(|part| {
        let kind = part.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("text/json")
    })
}

/// Xero's JSON body of a 400.
pub(crate) fn bad_request(number: u32, kind: &str, message: &str) -> Response {
    Response::json(400, json!({"ErrorNumber": number, "Type": kind, "Message": message}).to_string())
}
