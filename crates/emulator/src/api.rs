//! The accounting API's front door: token, tenant, limits, scope, content negotiation; then reads or writes.

use serde_json::json;
use uuid::Uuid;

use crate::books::Millis;
use crate::emulator::{Emulator, locked};
use crate::http::{Request, Response, WriteContext};
use crate::oauth::{Access, AccessError, allows, message_time};
use crate::{read, reports, write};

/// Where the accounting API lives.
pub(crate) const PREFIX: &str = "/api.xro/2.0/";

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
            let name_of = |tenant: Uuid| {
                let place = emulator.inner.place(tenant);
                place.map_or_else(String::new, |place| emulator.inner.organisations[place].name.clone())
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
pub(crate) fn handle(
    emulator: &Emulator,
    request: &Request,
    now: Millis,
    is_crowded: bool,
) -> (Response, Option<Uuid>) {
    let config = &emulator.inner.config;
    if request.path.len() + request.query.len() > config.settings.max_url_bytes {
        return (Response::html(414, "<html><body>Request-URI Too Long</body></html>"), None);
    }
    let access = match access(emulator, request, now) {
        Ok(access) => access,
        Err(response) => return (response, None),
    };
    let has_header = request.header("xero-tenant-id").is_some_and(|id| !id.trim().is_empty());
    let place = emulator.inner.place_of(request).filter(|place| {
        let tenant = emulator.inner.organisations[*place].tenant;
        (has_header || access.is_custom) && emulator.desk().identity.is_connected(tenant)
    });
    let Some(place) = place else {
        return (problem(emulator, 403, "Forbidden", "AuthenticationUnsuccessful"), None);
    };
    let tenant = Some(emulator.inner.organisations[place].tenant);
    let remaining = match emulator.desk().admit(config, place, now, is_crowded) {
        Ok(remaining) => remaining,
        Err(response) => return (response, tenant),
    };
    let mut response = admitted(emulator, request, now, place, &access);
    remaining.write(&mut response);
    (response, tenant)
}

fn admitted(emulator: &Emulator, request: &Request, now: Millis, place: usize, access: &Access) -> Response {
    let config = &emulator.inner.config;
    let segments = request.segments();
    // The first two segments are the prefix.
    let segments: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    let Some(areas) = segments.first().and_then(|first| areas(first, &segments)) else {
        return Response::not_found();
    };
    let is_write = request.method != "GET";
    if !areas.iter().any(|area| allows(&access.scopes, area, is_write)) {
        return problem(emulator, 401, "Unauthorized", "AuthorizationUnsuccessful");
    }
    let is_report = areas[0].starts_with("reports.");
    if is_report && !config.has_reports_role {
        return problem(emulator, 403, "Forbidden", "AuthorizationUnsuccessful");
    }
    if !accepts_json(request) {
        let text = "This emulator speaks JSON only. Xero would answer in XML: send the header Accept: application/json";
        return Response::text(406, text);
    }
    let mut ledger = locked(&emulator.inner.organisations[place].ledger);
    let ledger = &mut *ledger;
    if !is_write {
        let id = emulator.desk().answer_id();
        let context = read::ReadContext {
            books: &ledger.books,
            now,
            settings: &config.settings,
            provider: &config.app.name,
            answer_id: id,
        };
        return match segments.as_slice() {
            ["Reports", name] => reports::handle(&context, request, name),
            _ => read::handle(&context, &mut ledger.selections, request, &segments),
        };
    }
    if is_report || !is_writable(&segments, &request.method) {
        return Response::empty(501);
    }
    if request.body.len() > config.settings.max_body_bytes {
        return Response::html(413, "<html><body>Request Entity Too Large</body></html>");
    }
    let mut context = WriteContext {
        books: &mut ledger.books,
        replies: &mut ledger.replies,
        now,
        settings: &config.settings,
        provider: &config.app.name,
    };
    write::handle(&mut context, request, &segments)
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
