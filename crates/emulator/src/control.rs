//! The control API under `/_emulator/`: look inside, move time, make calls go wrong, and do what a person in Xero's own
//! pages would do.
//!
//! Nothing here counts against limits or appears in the log. Bodies and answers are JSON, but rules for faults may also be
//! sent as plain text, one on a line. In process the same is [`Emulator::control`] and [`crate::Person`].

mod books;
mod faults;
mod look;
mod person;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::Tier;
use crate::emulator::Emulator;
use crate::http::{Request, Response};

/// Where the control API lives.
pub(crate) const PREFIX: &str = "/_emulator/";

/// Why a control call was refused.
enum Refusal {
    /// There is no such route, tenant or rule.
    Unknown(String),
    /// What was sent makes no sense, or Xero's own pages would refuse it.
    Wrong(String),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        Self::Wrong(message.to_owned())
    }
}

impl Emulator {
    /// A control call in process: `path` is what comes after `/_emulator/`, a query included.
    ///
    /// ```
    /// # use emulator::{Config, Emulator};
    /// # use serde_json::{Value, json};
    /// let emulator = Emulator::new(Config::default());
    /// emulator.control("POST", "faults", &json!("every=2 PUT Invoices commit-then-lose")).unwrap();
    /// let state = emulator.control("GET", "state", &Value::Null).unwrap();
    /// assert_eq!(state["calls"], 0);
    /// ```
    ///
    /// # Errors
    /// The message with which the call is refused.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let request = Request::new(method, &format!("{PREFIX}{path}"));
        answer(self, &request, body).map_err(|refusal| match refusal {
            Refusal::Unknown(message) | Refusal::Wrong(message) => message,
        })
    }
}

/// A control call.
pub(crate) fn handle(emulator: &Emulator, request: &Request) -> Response {
    let is_text = request.path.trim_end_matches('/').ends_with("/faults") && !looks_like_json(&request.body);
    let body = if request.body.is_empty() {
        Ok(Value::Null)
    } else if is_text {
        Ok(Value::String(String::from_utf8_lossy(&request.body).into_owned()))
    } else {
        serde_json::from_slice(&request.body).map_err(|error| format!("the body is not JSON: {error}").into())
    };
    match body.and_then(|body| answer(emulator, request, &body)) {
        Ok(value) => Response::json(200, value.to_string()),
        Err(Refusal::Wrong(message)) => Response::json(400, json!({"error": message}).to_string()),
        Err(Refusal::Unknown(message)) => Response::json(404, json!({"error": message}).to_string()),
    }
}

fn looks_like_json(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| b"{[\"".contains(byte))
}

fn answer(emulator: &Emulator, request: &Request, body: &Value) -> Result<Value, Refusal> {
    emulator.deliver_late();
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["health"]) => Ok(json!({"status": "ok"})),
        ("GET", ["state"]) => Ok(look::state(emulator)),
        ("GET", ["log"]) => Ok(look::log(emulator, request)),
        ("GET" | "POST", ["clock"]) => Ok(look::clock(emulator, body)?),
        ("POST", ["tokens", "expire"]) => {
            emulator.expire_access_tokens();
            Ok(json!({}))
        }
        ("POST", ["tokens", "revoke"]) => {
            emulator.revoke_refresh_tokens();
            Ok(json!({}))
        }
        (method, ["faults", rest @ ..]) => faults::answer(emulator, method, rest, body),
        (method, ["tenants", tenant, rest @ ..]) => {
            let tenant = tenant_id(emulator, tenant).ok_or_else(|| Refusal::Unknown("no such tenant".into()))?;
            of_tenant(emulator, tenant, method, rest, request, body)
        }
        _ => Err(Refusal::Unknown("no such control route".into())),
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

fn of_tenant(
    emulator: &Emulator,
    tenant: Uuid,
    method: &str,
    path: &[&str],
    request: &Request,
    body: &Value,
) -> Result<Value, Refusal> {
    match (method, path) {
        ("GET", ["counters"]) => Ok(look::counters(emulator, tenant)),
        (_, ["xero", rest @ ..]) => Ok(person::answer(emulator, tenant, method, rest, request, body)?),
        ("POST", ["disconnect"]) => Ok(json!({"was_connected": emulator.disconnect_tenant(tenant)})),
        ("POST", ["tier"]) => {
            let tier = body["tier"].as_str().and_then(Tier::parse).ok_or("tier must be starter or core")?;
            Ok(json!({"changed": emulator.set_tier(tenant, tier)}))
        }
        ("POST", _) => {
            let changed = emulator.with_books(tenant, |books, now| books::change(books, now, path, body));
            Ok(changed.unwrap_or_else(|| Err("no such tenant".into()))?)
        }
        _ => Err("this route takes POST".into()),
    }
}
