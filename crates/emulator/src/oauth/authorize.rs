//! The login side: discovery, the consent page and what it decides.

use serde_json::json;
use uuid::Uuid;

use super::{Code, Identity, jwt, scopes};
use crate::books::Millis;
use crate::config::{App, AutoConsent};
use crate::http::{Request, Response};
use crate::ids;

/// An organisation as the consent page lists it.
pub(crate) type Choice = (Uuid, String);

/// The discovery document; everything lives on one origin.
pub(crate) fn discovery(base_url: &str) -> Response {
    let document = json!({
        "issuer": base_url,
        "jwks_uri": format!("{base_url}/.well-known/openid-configuration/jwks"),
        "authorization_endpoint": format!("{base_url}/identity/connect/authorize"),
        "token_endpoint": format!("{base_url}/connect/token"),
        "userinfo_endpoint": format!("{base_url}/connect/userinfo"),
        "end_session_endpoint": format!("{base_url}/connect/endsession"),
        "revocation_endpoint": format!("{base_url}/connect/revocation"),
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    });
    Response::json(200, document.to_string())
}

/// The keys with which id tokens are verified.
pub(crate) fn keys() -> Response {
    Response::json(200, jwt::key_set().to_string())
}

/// A refusal that must not be sent to the redirect address, because the application or the address is not trusted.
fn refusal(title: &str, detail: &str) -> Response {
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><title>{title}</title></head><body><h1>Sorry, something went wrong</h1>\
         <p>Error: {title}</p><p>{}</p></body></html>",
        escaped(detail)
    );
    Response::html(400, body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What is wrong with a request to authorise, if anything.
fn check(request: &Ask, app: &App) -> Result<(), Response> {
    if request.client_id != app.client_id {
        return Err(refusal("unauthorized_client", "Unknown client or client not enabled"));
    }
    if !is_redirect_allowed(&request.redirect_uri, app) {
        return Err(refusal("unauthorized_client", "Invalid redirect_uri"));
    }
    if request.response_type != "code" {
        return Err(refusal("unsupported_response_type", "response_type must be code"));
    }
    for scope in &request.scopes {
        let is_assigned = app.scopes.is_empty() || app.scopes.contains(scope);
        if !is_assigned || !scopes::exists(scope, app.takes_broad_scopes) {
            return Err(refusal("unauthorized_client", "Invalid scope for client"));
        }
    }
    if request.scopes.is_empty() {
        return Err(refusal("invalid_scope", "scope is missing"));
    }
    match (&request.challenge, request.method.as_deref()) {
        (None, None) if app.client_secret.is_some() => Ok(()),
        (None, _) => Err(refusal("invalid_request", "code challenge required")),
        (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(()),
        (Some(_), _) => Err(refusal("invalid_request", "Transform algorithm not supported")),
    }
}

/// https, or plain http to localhost by name; an address by number is refused.
fn is_redirect_allowed(redirect: &str, app: &App) -> bool {
    if !app.redirect_uris.is_empty() {
        return app.redirect_uris.iter().any(|known| known == redirect);
    }
    url::Url::parse(redirect).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => url.host_str() == Some("localhost"),
        _ => false,
    })
}

/// The parameters of a request to authorise.
struct Ask {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    state: Option<String>,
    nonce: Option<String>,
    challenge: Option<String>,
    method: Option<String>,
    is_single: bool,
    pairs: Vec<(String, String)>,
}

impl Ask {
    fn read(pairs: Vec<(String, String)>) -> Self {
        let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        Self {
            response_type: find("response_type").unwrap_or_default(),
            client_id: find("client_id").unwrap_or_default(),
            redirect_uri: find("redirect_uri").unwrap_or_default(),
            scopes: find("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            state: find("state"),
            nonce: find("nonce"),
            challenge: find("code_challenge"),
            method: find("code_challenge_method"),
            is_single: find("acr_values").is_some_and(|values| values.contains("bulk_connect:false")),
            pairs,
        }
    }

    /// The redirect back to the application with the given parameters and the state.
    fn back(&self, parameters: &[(&str, &str)]) -> Response {
        let Ok(mut url) = url::Url::parse(&self.redirect_uri) else {
            return refusal("unauthorized_client", "Invalid redirect_uri");
        };
        let state = self.state.as_deref().map(|state| ("state", state));
        url.query_pairs_mut().extend_pairs(parameters.iter().copied().chain(state));
        Response::empty(302).with_header("Location", url.as_str())
    }
}

impl Identity {
    /// `GET` shows the consent page, `POST` is its answer; `auto` answers by itself.
    pub(crate) fn authorize(
        &mut self,
        request: &Request,
        app: &App,
        choices: &[Choice],
        auto: Option<AutoConsent>,
        now: Millis,
    ) -> Response {
        let is_answer = request.method == "POST";
        let pairs = if is_answer {
            url::form_urlencoded::parse(&request.body).into_owned().collect()
        } else {
            request.query_pairs()
        };
        let ask = Ask::read(pairs);
        if let Err(refused) = check(&ask, app) {
            return refused;
        }
        if is_answer {
            let tenants = ask.pairs.iter().filter(|(key, _)| key == "tenant");
            let chosen: Vec<Uuid> = tenants.filter_map(|(_, id)| Uuid::parse_str(id).ok()).collect();
            let is_yes = |(key, value): &(String, String)| key == "decision" && value == "allow";
            let is_allowed = ask.pairs.iter().any(is_yes) && !chosen.is_empty();
            return if is_allowed { self.grant(&ask, &chosen, choices, now) } else { denied(&ask) };
        }
        match auto {
            None => consent_page(&ask, app, choices),
            Some(AutoConsent::Deny) => denied(&ask),
            Some(AutoConsent::AllowAll) if !ask.is_single => {
                let all: Vec<Uuid> = choices.iter().map(|(id, _)| *id).collect();
                self.grant(&ask, &all, choices, now)
            }
            Some(AutoConsent::AllowAll | AutoConsent::AllowFirst) => {
                let first: Vec<Uuid> = choices.iter().take(1).map(|(id, _)| *id).collect();
                self.grant(&ask, &first, choices, now)
            }
        }
    }

    fn grant(&mut self, ask: &Ask, chosen: &[Uuid], choices: &[Choice], now: Millis) -> Response {
        let auth_event = ids::next(&mut self.rng);
        let limit = if ask.is_single { 1 } else { chosen.len() };
        let known = chosen.iter().filter(|id| choices.iter().any(|(own, _)| own == *id));
        for tenant in known.take(limit) {
            self.connect(*tenant, auth_event, now);
        }
        let code = self.word(43);
        self.codes.insert(
            code.clone(),
            Code {
                redirect_uri: ask.redirect_uri.clone(),
                challenge: ask.challenge.clone(),
                nonce: ask.nonce.clone(),
                scopes: ask.scopes.clone(),
                auth_event,
                issued: now,
                is_used: false,
            },
        );
        let scope = ask.scopes.join(" ");
        ask.back(&[("code", &code), ("scope", &scope)])
    }
}

fn denied(ask: &Ask) -> Response {
    ask.back(&[("error", "access_denied")])
}

fn consent_page(ask: &Ask, app: &App, choices: &[Choice]) -> Response {
    let hidden: String = ask
        .pairs
        .iter()
        .map(|(key, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escaped(key), escaped(value)))
        .collect();
    let kind = if ask.is_single { "radio" } else { "checkbox" };
    let organisations: String = choices
        .iter()
        .enumerate()
        .map(|(index, (id, name))| {
            let checked = if index == 0 { " checked" } else { "" };
            let name = escaped(name);
            format!("<p><label><input type=\"{kind}\" name=\"tenant\" value=\"{id}\"{checked}> {name}</label></p>\n")
        })
        .collect();
    let wanted: String = ask.scopes.iter().map(|scope| format!("<li>{}</li>\n", escaped(scope))).collect();
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Allow access (emulator)</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}}\
         button{{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}}</style></head>\n<body>\n\
         <h1>{app} wants access to your organisation data</h1>\n<p>This is the emulator, not Xero: no real books.</p>\n\
         <form method=\"post\" action=\"/identity/connect/authorize\">\n{hidden}<fieldset><legend>Organisations</legend>\n\
         {organisations}</fieldset>\n<p>It asks for:</p>\n<ul>\n{wanted}</ul>\n\
         <button name=\"decision\" value=\"allow\">Allow access</button>\n\
         <button name=\"decision\" value=\"deny\">Cancel</button>\n</form>\n</body>\n</html>\n",
        app = escaped(&app.name),
    );
    Response::html(200, body)
}
