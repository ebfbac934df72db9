//! The token endpoint, revocation, and the list of connections.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::jwt::Subject;
use super::{ACCESS_MS, CODE_MS, GRACE_MS, IDLE_MS, Identity, Refresh, scopes};
use crate::books::Millis;
use crate::config::{App, Settings};
use crate::http::{Request, Response};

/// An error of the token endpoint: only `error`, as observed.
fn refused(error: &str) -> Response {
    Response::json(400, json!({ "error": error }).to_string())
}

/// How the client showed who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientProof {
    /// Client id and right secret.
    Secret,
    /// Client id alone, which PKCE allows.
    IdAlone,
}

/// What a token pair is made from.
struct Grant {
    scopes: Vec<String>,
    auth_event: Uuid,
    /// The refresh token that was exchanged for it.
    parent: Option<String>,
    needs_secret: bool,
}

/// The fields of a form-encoded body.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Identity {
    /// `POST /connect/token`.
    pub(crate) fn token(
        &mut self,
        request: &Request,
        app: &App,
        issuer: &str,
        settings: &Settings,
        now: Millis,
    ) -> Response {
        let form = Form(url::form_urlencoded::parse(&request.body).into_owned().collect());
        let proof = match prove(request, &form, app) {
            Ok(proof) => proof,
            Err(response) => return response,
        };
        match form.get("grant_type") {
            Some("authorization_code") => self.exchange_code(&form, proof, app, issuer, now),
            Some("refresh_token") => self.refresh(&form, proof, app, issuer, settings, now),
            Some("client_credentials") => self.custom_connection(&form, proof, app, issuer, now),
            Some(_) => refused("unsupported_grant_type"),
            None => refused("invalid_request"),
        }
    }

    fn exchange_code(&mut self, form: &Form, proof: ClientProof, app: &App, issuer: &str, now: Millis) -> Response {
        let Some(code) = form.get("code").and_then(|code| self.codes.get_mut(code)) else {
            return refused("invalid_grant");
        };
        let is_fresh = !code.is_used && now < code.issued + CODE_MS;
        // A code is spent by the first attempt, right or wrong.
        code.is_used = true;
        let is_verified = match (&code.challenge, form.get("code_verifier")) {
            (Some(challenge), Some(verifier)) => {
                let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
                (43..=128).contains(&verifier.len()) && URL_SAFE_NO_PAD.encode(hash.as_ref()) == *challenge
            }
            (None, None) => proof == ClientProof::Secret,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_fresh || !is_verified || form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
            return refused("invalid_grant");
        }
        let (scopes, auth_event, nonce) = (code.scopes.clone(), code.auth_event, code.nonce.clone());
        let grant = Grant { scopes, auth_event, parent: None, needs_secret: proof == ClientProof::Secret };
        self.pair(app, issuer, grant, nonce.as_deref(), now)
    }

    fn refresh(
        &mut self,
        form: &Form,
        proof: ClientProof,
        app: &App,
        issuer: &str,
        settings: &Settings,
        now: Millis,
    ) -> Response {
        let Some(text) = form.get("refresh_token").map(str::to_owned) else { return refused("invalid_request") };
        let Some(token) = self.refreshes.get_mut(&text) else { return refused("invalid_grant") };
        let is_idle = token.replaced.is_none() && now >= token.issued + IDLE_MS;
        let is_past_grace = token.replaced.is_some_and(|at| now >= at + GRACE_MS);
        if token.is_dead || is_idle || is_past_grace {
            return refused("invalid_grant");
        }
        if token.needs_secret && proof != ClientProof::Secret {
            return refused("invalid_client");
        }
        let needs_secret = token.needs_secret;
        let is_first_use = token.replaced.is_none();
        token.replaced.get_or_insert(now);
        let (scopes, auth_event, parent) = (token.scopes.clone(), token.auth_event, token.parent.clone());
        if is_first_use {
            self.end_predecessors(&text, parent.as_deref());
        } else if !settings.grace_gives_sibling {
            return self.same_successor(&text, app, issuer, now);
        }
        self.pair(app, issuer, Grant { scopes, auth_event, parent: Some(text), needs_secret }, None, now)
    }

    /// Once a token is used, the one before it and its siblings cannot be used again.
    fn end_predecessors(&mut self, used: &str, parent: Option<&str>) {
        let Some(parent) = parent else { return };
        for (text, token) in &mut self.refreshes {
            let is_sibling = token.parent.as_deref() == Some(parent) && text != used;
            if text == parent || is_sibling {
                token.is_dead = true;
            }
        }
    }

    fn same_successor(&mut self, parent: &str, app: &App, issuer: &str, now: Millis) -> Response {
        let successor = self.refreshes.iter().find(|(_, token)| token.parent.as_deref() == Some(parent));
        let Some((text, scopes, auth_event)) =
            successor.map(|(text, token)| (text.clone(), token.scopes.clone(), token.auth_event))
        else {
            return refused("invalid_grant");
        };
        let subject = Subject { client_id: &app.client_id, issuer, scopes: &scopes, auth_event: Some(auth_event) };
        let access = self.access_token(&subject, now);
        let id = scopes.iter().any(|scope| scope == "openid").then(|| self.id_token(&subject, None, &access, now));
        answer(id, access, Some(text), &scopes)
    }

    /// A new access token, with an id token and a refresh token where the scopes ask for them.
    fn pair(&mut self, app: &App, issuer: &str, grant: Grant, nonce: Option<&str>, now: Millis) -> Response {
        let Grant { scopes, auth_event, parent, needs_secret } = grant;
        let subject = Subject { client_id: &app.client_id, issuer, scopes: &scopes, auth_event: Some(auth_event) };
        let access = self.access_token(&subject, now);
        let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
        let id = has("openid").then(|| self.id_token(&subject, nonce, &access, now));
        let refresh = has("offline_access").then(|| self.word(43));
        if let Some(text) = &refresh {
            let (scopes, issued) = (scopes.clone(), now);
            let (replaced, is_dead) = (None, false);
            let token = Refresh { auth_event, scopes, parent, needs_secret, issued, replaced, is_dead };
            self.refreshes.insert(text.clone(), token);
        }
        answer(id, access, refresh, &scopes)
    }

    /// Client credentials of a custom connection: one organisation, no user, no refresh token.
    fn custom_connection(&mut self, form: &Form, proof: ClientProof, app: &App, issuer: &str, now: Millis) -> Response {
        if app.custom_connection.is_none() || proof != ClientProof::Secret {
            return refused("unauthorized_client");
        }
        let asked: Vec<String> = form.get("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let is_assigned = |scope: &String| {
            (app.scopes.is_empty() || app.scopes.contains(scope)) && scopes::exists(scope, app.takes_broad_scopes)
        };
        // Custom connections have no user, so there is nothing to stay offline for.
        let is_of_user = |scope: &String| matches!(scope.as_str(), "offline_access" | "openid" | "profile" | "email");
        if !asked.iter().all(|scope| is_assigned(scope) && !is_of_user(scope)) {
            return refused("invalid_scope");
        }
        let granted = if asked.is_empty() { app.scopes.clone() } else { asked };
        let subject = Subject { client_id: &app.client_id, issuer, scopes: &granted, auth_event: None };
        let access = self.access_token(&subject, now);
        answer(None, access, None, &granted)
    }

    /// `POST /connect/revocation`: kills the chain and drops every connection of the user. Unknown tokens answer 200 too.
    pub(crate) fn revoke(&mut self, request: &Request, app: &App) -> Response {
        let form = Form(url::form_urlencoded::parse(&request.body).into_owned().collect());
        if let Err(response) = prove(request, &form, app) {
            return response;
        }
        let is_known = form.get("token").is_some_and(|token| self.refreshes.contains_key(token));
        if is_known {
            self.revoke_all();
        }
        Response::empty(200)
    }

    /// `GET /connections`: a bare array of what is still connected.
    pub(crate) fn list_connections(&self, request: &Request, name_of: impl Fn(Uuid) -> String) -> Response {
        let wanted = request.param("authEventId").and_then(|id| Uuid::parse_str(&id).ok());
        let rows: Vec<_> = self
            .connections
            .iter()
            .filter(|row| row.is_live && wanted.is_none_or(|event| row.auth_event == event))
            .map(|row| {
                json!({
                    "id": row.id,
                    "authEventId": row.auth_event,
                    "tenantId": row.tenant,
                    "tenantType": "ORGANISATION",
                    "tenantName": name_of(row.tenant),
                    "createdDateUtc": naive(row.created),
                    "updatedDateUtc": naive(row.updated),
                })
            })
            .collect();
        Response::json(200, json!(rows).to_string())
    }
}

/// Checks client id and secret, from a Basic header or the body.
fn prove(request: &Request, form: &Form, app: &App) -> Result<ClientProof, Response> {
    let basic = request.header("Authorization").and_then(|value| {
        let encoded = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?.1;
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        Some((decode(id), decode(secret)))
    });
    let (id, secret) = match basic {
        Some((id, secret)) => (id, Some(secret)),
        None => (form.get("client_id").unwrap_or_default().to_owned(), form.get("client_secret").map(str::to_owned)),
    };
    if id.is_empty() || id != app.client_id {
        return Err(refused(if id.is_empty() { "unauthorized_client" } else { "invalid_client" }));
    }
    match (secret.filter(|secret| !secret.is_empty()), &app.client_secret) {
        (Some(sent), Some(own)) if sent == *own => Ok(ClientProof::Secret),
        (Some(_), _) => Err(refused("invalid_client")),
        (None, _) => Ok(ClientProof::IdAlone),
    }
}

fn answer(id: Option<String>, access: String, refresh: Option<String>, scopes: &[String]) -> Response {
    let mut out = Vec::new();
    crate::render::push_object(&mut out, |object| {
        object.text_if("id_token", id.as_deref());
        object.text("access_token", &access);
        object.whole("expires_in", ACCESS_MS / 1000);
        object.text("token_type", "Bearer");
        object.text_if("refresh_token", refresh.as_deref());
        object.text("scope", &scopes.join(" "));
    });
    Response::json(200, out).with_header("Cache-Control", "no-store")
}

/// A naive UTC time with seven fraction digits.
fn naive(at: Millis) -> String {
    let instant = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{}.{:03}0000", instant.strftime("%Y-%m-%dT%H:%M:%S"), at.rem_euclid(1000))
}
