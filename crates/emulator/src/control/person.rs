//! Edits in Xero's own shape, as a person in Xero's pages makes them: the same fields, the same validation and the same
//! messages as the API, without token, limits, log and idempotency keys. Archived contacts are open to a person.
//!
//! `PUT|POST|DELETE tenants/{tenant}/xero/{Endpoint}[/{id}…]` writes; `GET` on the same path reads. In the query:
//! `quietly=true` leaves every `UpdatedDateUTC` alone, `updated_ms=…` sets it on what was made or changed (an import with
//! old time stamps), `by=…` is the name in the history.

use serde_json::Value;
use uuid::Uuid;

use crate::books::Millis;
use crate::emulator::{Emulator, PERSON, locked};
use crate::faults::Twist;
use crate::http::{Request, Response, WriteContext, WriteNotes};
use crate::{api, write};

/// A write gives the element (or the elements, when they are not one), a read the rows of the collection.
pub(super) fn answer(
    emulator: &Emulator,
    tenant: Uuid,
    method: &str,
    path: &[&str],
    asked: &Request,
    body: &Value,
) -> Result<Value, String> {
    let place = emulator.inner.place(tenant).ok_or("no such tenant")?;
    let now = emulator.clock().now();
    let target = format!("{}{}?{}", api::PREFIX, path.join("/"), asked.query);
    let mut request = Request::new(method, &target);
    let mut ledger = locked(&emulator.inner.organisations[place].ledger);
    if method == "GET" {
        let response = api::read(emulator, &mut ledger, &request, now, path, &Twist::default());
        return read_answer(&response, false);
    }
    if !body.is_null() {
        request.body = body.to_string().into();
    }
    let updated: Option<Millis> = match asked.param("updated_ms") {
        Some(text) => Some(text.parse().map_err(|_| "updated_ms must be a whole number of milliseconds")?),
        None => None,
    };
    let is_quiet = asked.param("quietly").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let by = asked.param("by");
    ledger.remember(now);
    ledger.books.set_quiet(is_quiet);
    let ledger = &mut *ledger;
    let mut notes = WriteNotes::default();
    let mut context = WriteContext {
        books: &mut ledger.books,
        replies: &mut ledger.replies,
        now,
        settings: &emulator.inner.config.settings,
        provider: &emulator.inner.config.app.name,
        is_person: true,
        refuse_every: None,
        notes: &mut notes,
    };
    let response = write::handle(&mut context, &request, path);
    ledger.books.set_quiet(false);
    for id in ledger.note_history(now, Some(by.as_deref().unwrap_or(PERSON))) {
        if let Some(at) = updated {
            ledger.books.set_updated(id, at);
        }
    }
    read_answer(&response, true)
}

fn read_answer(response: &Response, unwraps: bool) -> Result<Value, String> {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if response.status != 200 {
        return Err(refusal(response, &body));
    }
    let rows = body.as_object().and_then(|members| members.values().find_map(Value::as_array)).cloned();
    Ok(match rows {
        Some(mut rows) if unwraps && rows.len() == 1 => rows.remove(0),
        Some(rows) => Value::Array(rows),
        None => body,
    })
}

/// The messages of a refusal, or else what there is to say.
fn refusal(response: &Response, body: &Value) -> String {
    let elements = body["Elements"].as_array().into_iter().flatten();
    let errors = elements.flat_map(|element| element["ValidationErrors"].as_array().into_iter().flatten());
    let messages: Vec<&str> = errors.filter_map(|error| error["Message"].as_str()).collect();
    match (messages.is_empty(), body["Message"].as_str(), response.status) {
        (false, ..) => messages.join("; "),
        (true, Some(message), _) => message.to_owned(),
        (true, None, 404) => "there is no such record".into(),
        (true, None, status) => format!("Xero would answer with status {status}"),
    }
}
