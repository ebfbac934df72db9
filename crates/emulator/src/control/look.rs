//! Looking inside: state, log, counters, clock.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::emulator::{Emulator, locked};
use crate::http::Request;

/// Everything at a glance.
pub(super) fn state(emulator: &Emulator) -> Value {
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
                "name": locked(&row.ledger).books.organisation.name.to_string(),
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
pub(super) fn log(emulator: &Emulator, request: &Request) -> Value {
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
            "is_replay": call.is_replay,
            "body_hash": call.body_hash,
            "fault": call.fault,
        })
    });
    Value::Array(rows.collect())
}

/// `{"advance_ms": n}`, `{"freeze": true}`, `{"freeze_at_ms": n}`, `{"run": true}`; or nothing, to look.
pub(super) fn clock(emulator: &Emulator, body: &Value) -> Result<Value, String> {
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

/// What was counted of the writes to an organisation.
pub(super) fn counters(emulator: &Emulator, tenant: Uuid) -> Value {
    let Some(counters) = emulator.counters(tenant) else { return Value::Null };
    let writes = counters.writes.iter().map(|(endpoint, count)| {
        let count = json!({
            "calls": count.calls,
            "saved": count.saved,
            "refused": count.refused,
            "replayed": count.replayed,
        });
        (endpoint.clone(), count)
    });
    let refused = emulator.violations(tenant).unwrap_or_default();
    json!({
        "writes": Value::Object(writes.collect()),
        "write_calls": counters.write_calls(),
        "saved": counters.saved(),
        "lines_recreated_unintended": counters.lines_recreated_unintended,
        "contacts_by_documents": counters.contacts_by_documents,
        "keys_misused": counters.keys_misused,
        "writes_without_key": counters.writes_without_key,
        "largest_batch": counters.largest_batch,
        "violations": {
            "concurrent": refused.concurrent,
            "minute": refused.minute,
            "day": refused.day,
            "app_minute": refused.app_minute,
        },
    })
}
