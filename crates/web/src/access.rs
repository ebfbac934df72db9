//! Who may call what: permission is the type of a handler's first argument.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Query};
use http::header::AUTHORIZATION;
use http::request::Parts;
use model::OrgId;
use serde::Deserialize;
use store::ApiKey;
use sync::KeyScope;

use crate::callback;
use crate::problem::Problem;
use crate::state::App;

/// Longer texts are not even looked up.
const LONGEST_KEY: usize = 200;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteAccess {
    /// Everybody who reaches the port.
    Public,
    /// Whoever has a key of this scope or a higher one.
    Key(KeyScope),
    /// A browser that was sent here with a ticket, or whoever has a key of this scope.
    KeyOrTicket(KeyScope),
}

/// The type of a handler's first argument.
pub(crate) trait Access {
    /// Who may call the handler.
    const ACCESS: RouteAccess;
}

/// A scope as a type.
pub(crate) trait Scope: Send + Sync + 'static {
    const SCOPE: KeyScope;
}

/// Reading.
pub(crate) struct Reading;
/// Starting syncs, and what costs calls to Xero.
pub(crate) struct Syncing;
/// Writing the books, and deciding on conflicts and failures.
pub(crate) struct Writing;
/// Connections, keys, policies and brakes.
pub(crate) struct Administering;

impl Scope for Reading {
    const SCOPE: KeyScope = KeyScope::Read;
}
impl Scope for Syncing {
    const SCOPE: KeyScope = KeyScope::Sync;
}
impl Scope for Writing {
    const SCOPE: KeyScope = KeyScope::Write;
}
impl Scope for Administering {
    const SCOPE: KeyScope = KeyScope::Admin;
}

/// The handler may be called with a key for reading.
pub(crate) type CanRead = Caller<Reading>;
/// The handler may be called with a key for syncs.
pub(crate) type CanSync = Caller<Syncing>;
/// The handler may be called with a key for writing.
pub(crate) type CanWrite = Caller<Writing>;
/// The handler may be called with a key for administration.
pub(crate) type CanAdmin = Caller<Administering>;

/// The handler may be called by everybody, and gives nothing away.
pub(crate) struct Public;

/// The organisations that a key reaches. What it does not reach does not exist for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach(Option<OrgId>);

impl Reach {
    /// True if rows of this organisation may be shown.
    pub(crate) fn sees(self, org: OrgId) -> bool {
        self.0.is_none_or(|own| own == org)
    }

    /// The one organisation that the key is bound to.
    pub(crate) fn bound_to(self) -> Option<OrgId> {
        self.0
    }
}

/// Whoever called, with a key of scope `S` at least.
pub(crate) struct Caller<S> {
    /// Id of the key.
    pub(crate) key: i64,
    /// What the key reaches.
    pub(crate) reach: Reach,
    scope: PhantomData<fn() -> S>,
}

impl<S> Caller<S> {
    /// The name under which a run remembers who asked for it.
    pub(crate) fn name(&self) -> String {
        format!("api:key-{}", self.key)
    }
}

impl<S: Scope> Access for Caller<S> {
    const ACCESS: RouteAccess = RouteAccess::Key(S::SCOPE);
}

impl Access for Public {
    const ACCESS: RouteAccess = RouteAccess::Public;
}

impl FromRequestParts<App> for Public {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(Self)
    }
}

impl<S: Scope> FromRequestParts<App> for Caller<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let key = key_of(parts).ok_or_else(Problem::unauthenticated)?;
        let found = app.engine().check_key(&key).await?.ok_or_else(|| {
            tracing::info!("a request with an unknown key was refused");
            Problem::unauthenticated()
        })?;
        if scope_of(&found).is_none_or(|scope| scope < S::SCOPE) {
            tracing::info!(key = found.id, needed = S::SCOPE.as_str(), "a request beyond its key's scope was refused");
            return Err(Problem::forbidden(S::SCOPE));
        }
        Ok(Self { key: found.id, reach: Reach(found.org), scope: PhantomData })
    }
}

/// The highest of a key's scopes.
fn scope_of(key: &ApiKey) -> Option<KeyScope> {
    key.scopes.split_ascii_whitespace().filter_map(KeyScope::parse).max()
}

/// The key that a request brings, in either header; two different ones are none.
fn key_of(parts: &Parts) -> Option<String> {
    let text = |name: &str| -> Option<Option<&str>> {
        let mut values = parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Some(None),
            (Some(value), None) => value.to_str().ok().map(|value| Some(value.trim())),
            (Some(_), Some(_)) => None,
        }
    };
    let bearer = match text(AUTHORIZATION.as_str())? {
        Some(value) => {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(Some(key.trim()))?
        }
        None => None,
    };
    let key = match (bearer, text("x-api-key")?) {
        (Some(one), Some(other)) if one != other => return None,
        (one, other) => one.or(other)?,
    };
    (key.starts_with("to_") && key.len() <= LONGEST_KEY).then(|| key.to_owned())
}

/// A browser cannot send a key when it follows a link; it brings a ticket that somebody with a key was given for it.
pub(crate) struct MayConnect {
    /// Where the browser goes afterwards, as the ticket says.
    pub(crate) return_to: Option<String>,
}

#[derive(Deserialize)]
struct Ticket {
    ticket: Option<String>,
}

impl Access for MayConnect {
    const ACCESS: RouteAccess = RouteAccess::KeyOrTicket(KeyScope::Admin);
}

impl FromRequestParts<App> for MayConnect {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let query = Query::<Ticket>::try_from_uri(&parts.uri).ok();
        if let Some(ticket) = query.and_then(|query| query.0.ticket) {
            // A link on somebody else's page must not begin a sign-in here; typed, opened by a program, or ours may.
            let site = parts.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
            if !matches!(site, None | Some(b"none" | b"same-origin")) {
                return Err(Problem::unauthenticated());
            }
            let return_to = callback::open_ticket(app, &ticket).ok_or_else(Problem::unauthenticated)?;
            return Ok(Self { return_to });
        }
        let caller = CanAdmin::from_request_parts(parts, app).await?;
        callback::may_connect(caller.reach)?;
        Ok(Self { return_to: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(headers: &[(&str, &str)]) -> Option<String> {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        key_of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_key_comes_in_either_header() {
        assert_eq!(key(&[("authorization", "Bearer to_test_a")]).as_deref(), Some("to_test_a"));
        assert_eq!(key(&[("Authorization", "bearer  to_test_a ")]).as_deref(), Some("to_test_a"));
        assert_eq!(key(&[("x-api-key", "to_live_a")]).as_deref(), Some("to_live_a"));
        assert_eq!(key(&[("x-api-key", "to_a"), ("authorization", "Bearer to_a")]).as_deref(), Some("to_a"));
    }

    #[test]
    fn what_is_no_key_is_not_looked_up() {
        assert_eq!(key(&[]), None);
        assert_eq!(key(&[("authorization", "Basic to_test_a")]), None);
        assert_eq!(key(&[("authorization", "to_test_a")]), None);
        assert_eq!(key(&[("x-api-key", "sk_other")]), None);
        assert_eq!(key(&[("x-api-key", "to_a"), ("x-api-key", "to_b")]), None);
        assert_eq!(key(&[("x-api-key", "to_a"), ("authorization", "Bearer to_b")]), None);
        assert_eq!(key(&[("x-api-key", &format!("to_{}", "x".repeat(300)))]), None);
    }
}
