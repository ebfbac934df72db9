//! The control API under `/_emulator/`: look inside, move time, and do what a person in Xero's own pages would do.
//!
//! Nothing here counts against limits or appears in the log. Bodies and answers are JSON.

mod books;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::Tier;
use crate::emulator::Emulator;
use crate::faults::{Fault, FaultAction};
use crate::http::{Request, Response};

/// Where the control API lives.
pub(crate) const PREFIX: &str = "/_emulator/";

/// What is wrong with a control call, as its answer.
fn wrong(message: impl Into<String>) -> Response {
    Response::json(400, json!({"error": message.into()}).to_string())
}

fn ok(value: &Value) -> Response {
    Response::json(200, value.to_string())
}

/// A control call.
pub(crate) fn handle(emulator: &Emulator, request: &Request) -> Response {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    let body: Value = if request.body.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&request.body) {
            Ok(body) => body,
            Err(error) => return wrong(format!("the body is not JSON: {error}")),
        }
    };
    let answer = match (request.method.as_str(), path.as_slice()) {
        ("GET", ["health"]) => Ok(json!({"status": "ok"})),
        ("GET", ["state"]) => Ok(state(emulator)),
        ("GET", ["log"]) => Ok(log(emulator, request)),
        ("GET" | "POST", ["clock"]) => clock(emulator, &body),
        ("POST", ["tokens", "expire"]) => {
            emulator.expire_access_tokens();
            Ok(json!({}))
        }
        ("POST", ["tokens", "revoke"]) => {
            emulator.revoke_refresh_tokens();
            Ok(json!({}))
        }
        ("POST", ["faults"]) => fault(&body).map(|fault| {
            emulator.add_fault(fault);
            json!({})
        }),
        ("DELETE", ["faults"]) => Ok(json!({"not_fired": emulator.clear_faults()})),
        (method, ["tenants", tenant, rest @ ..]) => match tenant_id(emulator, tenant) {
            Some(tenant) => of_tenant(emulator, tenant, method, rest, &body),
            None => return Response::json(404, json!({"error": "no such tenant"}).to_string()),
        },
        _ => return Response::json(404, json!({"error": "no such control route"}).to_string()),
    };
    match answer {
        Ok(value) => ok(&value),
        Err(message) => wrong(message),
    }
}

/// A tenant by its id, or by its place in the configuration from 0.
fn tenant_id(emulator: &Emulator, text: &str) -> Option<Uuid> {
    let tenants = emulator.tenants();
    match text.parse::<usize>() {
        Ok(place) => tenants.get(place).copied(),
        Err(_) => Uuid::parse_str(text).ok().filter(|id| tenants.contains(id)),
    }
}

fn state(emulator: &Emulator) -> Value {
    let now = emulator.clock().now();
    let tenants: Vec<Value> = emulator
        .inner
        .organisations
        .iter()
        .enumerate()
        .map(|(place, row)| {
            let (used, violations, is_connected) = {
                let mut desk = emulator.desk();
                let is_connected = desk.identity.is_connected(row.tenant);
                let limits = &mut desk.limits[place];
                (limits.used_today(now), limits.violations(), is_connected)
            };
            let counts = emulator.with_books(row.tenant, |books, _| {
                json!({
                    "contacts": books.contacts.len(),
                    "invoices": books.invoices.len(),
                    "credit_notes": books.credit_notes.len(),
                    "prepayments": books.prepayments.len(),
                    "overpayments": books.overpayments.len(),
                    "payments": books.payments.len(),
                    "bank_transactions": books.bank_transactions.len(),
                    "accounts": books.accounts.len(),
                })
            });
            json!({
                "tenant_id": row.tenant,
                "name": row.name,
                "is_connected": is_connected,
                "calls_today": used,
                "refused": {
                    "concurrent": violations.concurrent,
                    "minute": violations.minute,
                    "day": violations.day,
                    "app_minute": violations.app_minute,
                },
                "counts": counts,
            })
        })
        .collect();
    json!({
        "now_ms": now,
        "is_frozen": emulator.clock().is_frozen(),
        "calls": emulator.call_count(),
        "client_id": emulator.config().app.client_id,
        "tenants": tenants,
    })
}

/// The last calls, oldest first; `?after=N` leaves out what is known.
fn log(emulator: &Emulator, request: &Request) -> Value {
    let after: u64 = request.param("after").and_then(|text| text.parse().ok()).unwrap_or_default();
    let calls = emulator.log();
    let rows = calls.iter().filter(|call| call.number > after).map(|call| {
        json!({
            "number": call.number,
            "at_ms": call.at,
            "tenant_id": call.tenant,
            "method": call.method,
            "target": call.target,
            "status": call.status,
            "idempotency_key": call.idempotency_key,
        })
    });
    Value::Array(rows.collect())
}

/// `{"advance_ms": n}`, `{"freeze": true}`, `{"freeze_at_ms": n}`, `{"run": true}`; or nothing, to look.
fn clock(emulator: &Emulator, body: &Value) -> Result<Value, String> {
    let clock = emulator.clock();
    let number = |key: &str| match body.get(key) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| format!("{key} must be a whole number")),
    };
    if body["freeze"] == true {
        clock.freeze(None);
    }
    if let Some(at) = number("freeze_at_ms")? {
        clock.freeze(Some(at));
    }
    if let Some(by) = number("advance_ms")? {
        clock.advance(by);
    }
    if body["run"] == true {
        clock.run();
    }
    Ok(json!({"now_ms": clock.now(), "is_frozen": clock.is_frozen()}))
}

/// `{"method": "PUT", "path_contains": "Invoices", "nth": 1, "action": "status_before", "status": 503}`.
fn fault(body: &Value) -> Result<Fault, String> {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let status = || {
        let status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        status.filter(|status| (200..=599).contains(status)).ok_or("status must be between 200 and 599")
    };
    let action = match text("action").as_str() {
        "status_before" => FaultAction::StatusBefore(status()?),
        "status_after" => FaultAction::StatusAfter(status()?),
        "lose_answer" => FaultAction::LoseAnswer,
        _ => return Err("action must be status_before, status_after or lose_answer".into()),
    };
    let nth = body["nth"].as_u64().unwrap_or(1).max(1);
    Ok(Fault { method: text("method"), path_contains: text("path_contains"), nth, action })
}

fn of_tenant(emulator: &Emulator, tenant: Uuid, method: &str, path: &[&str], body: &Value) -> Result<Value, String> {
    match (method, path) {
        ("POST", ["disconnect"]) => Ok(json!({"was_connected": emulator.disconnect_tenant(tenant)})),
        ("POST", ["tier"]) => {
            let tier = body["tier"].as_str().and_then(Tier::parse).ok_or("tier must be starter or core")?;
            Ok(json!({"changed": emulator.set_tier(tenant, tier)}))
        }
        ("POST", _) => {
            let changed = emulator.with_books(tenant, |books, now| books::change(books, now, path, body));
            changed.unwrap_or_else(|| Err("no such tenant".into()))
        }
        _ => Err("this route takes POST".into()),
    }
}
