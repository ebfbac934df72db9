//! What the tests share: an emulator at a fixed time, a client that has logged in, and calls as one would write them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use emulator::config::{App, AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::http::{Request, Response};
use emulator::{Clock, Config, Emulator, Size};
use serde_json::Value;
use uuid::Uuid;

/// 2026-09-14T09:30:30.894Z.
pub(crate) const NOW: i64 = 1_789_378_230_894;

pub(crate) const REDIRECT: &str = "http://localhost:3000/callback";
/// A PKCE verifier and the S256 challenge made of it (RFC 7636, appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) const ALL_SCOPES: &str = "openid profile email offline_access accounting.contacts accounting.invoices \
    accounting.payments accounting.banktransactions accounting.settings accounting.attachments \
    accounting.reports.profitandloss.read accounting.reports.banksummary.read";

pub(crate) fn plan(name: &str, invoices: u32) -> OrganisationPlan {
    OrganisationPlan { name: name.into(), size: Size::of_invoices(invoices), tier: Tier::Core }
}

/// A frozen clock, no limits, one organisation with 60 invoices, consent without a page.
pub(crate) fn config() -> Config {
    Config {
        seed: 7,
        clock: Clock::frozen(NOW),
        organisations: vec![plan("Demo Company (NZ)", 60)],
        auto_consent: Some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: false, ..Limits::default() },
        base_url: "http://localhost:8910".into(),
        ..Config::default()
    }
}

/// Somebody who talks to an emulator.
pub(crate) struct Client {
    pub(crate) emulator: Emulator,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) tenant: Uuid,
}

impl Client {
    pub(crate) fn connect(config: Config) -> Self {
        Self::with_scopes(config, ALL_SCOPES)
    }

    pub(crate) fn with_scopes(config: Config, scopes: &str) -> Self {
        let emulator = Emulator::new(config);
        let code = code(&emulator, scopes);
        let tokens = json(&exchange(&emulator, &code));
        let text = |key: &str| tokens[key].as_str().unwrap_or_default().to_owned();
        let tenant = emulator.tenants()[0];
        Self { access: text("access_token"), refresh: text("refresh_token"), tenant, emulator }
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(method, &format!("/api.xro/2.0/{target}"))
            .with_header("Authorization", &format!("Bearer {}", self.access))
            .with_header("xero-tenant-id", &self.tenant.to_string())
            .with_header("Accept", "application/json")
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.emulator.handle(&self.request("GET", target))
    }

    pub(crate) fn get_since(&self, target: &str, since: &str) -> Response {
        self.emulator.handle(&self.request("GET", target).with_header("If-Modified-Since", since))
    }

    pub(crate) fn send(&self, method: &str, target: &str, body: &str) -> Response {
        let request = self.request(method, target).with_header("Content-Type", "application/json");
        self.emulator.handle(&request.with_body(body.to_owned()))
    }

    /// A list's rows.
    pub(crate) fn rows(&self, target: &str) -> Vec<Value> {
        let response = self.get(target);
        assert_eq!(response.status, 200, "{target}: {}", response.text_body());
        rows(&response)
    }

    /// A change as a person in Xero would make it.
    pub(crate) fn control(&self, target: &str, body: &str) -> Value {
        let target = format!("/_emulator/tenants/{}/{target}", self.tenant);
        let response = self.emulator.handle(&Request::new("POST", &target).with_body(body.to_owned()));
        assert_eq!(response.status, 200, "{target}: {}", response.text_body());
        json(&response)
    }
}

pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {}", response.text_body()))
}

/// The one collection of an envelope.
pub(crate) fn rows(response: &Response) -> Vec<Value> {
    let envelope = json(response);
    let object = envelope.as_object().expect("an envelope");
    let (_, rows) = object.iter().find(|(key, value)| value.is_array() && *key != "pagination").expect("a collection");
    rows.as_array().cloned().unwrap()
}

pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(crate) fn authorize_target(scopes: &str, extra: &str) -> String {
    format!(
        "/identity/connect/authorize?response_type=code&client_id={}&redirect_uri={}&scope={}&state=s%201{extra}",
        App::default().client_id,
        encode(REDIRECT),
        encode(scopes),
    )
}

/// The code of a consent that is given by itself.
pub(crate) fn code(emulator: &Emulator, scopes: &str) -> String {
    let extra = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let response = emulator.handle(&Request::new("GET", &authorize_target(scopes, &extra)));
    assert_eq!(response.status, 302, "{}", response.text_body());
    let location = response.header("Location").expect("a redirect").to_owned();
    let url = url::Url::parse(&location).expect("an address");
    let found = url.query_pairs().find(|(key, _)| key == "code").expect("a code");
    found.1.into_owned()
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn basic() -> String {
    use base64::Engine;
    let app = App::default();
    let text = format!("{}:{}", app.client_id, app.client_secret.unwrap());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// A call to the token endpoint with the client's Basic header.
pub(crate) fn token(emulator: &Emulator, pairs: &[(&str, &str)]) -> Response {
    emulator.handle(
        &Request::new("POST", "/connect/token")
            .with_header("Authorization", &basic())
            .with_header("Content-Type", "application/x-www-form-urlencoded")
            .with_body(form(pairs)),
    )
}

pub(crate) fn exchange(emulator: &Emulator, code: &str) -> Response {
    token(
        emulator,
        &[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ],
    )
}

pub(crate) fn refresh(emulator: &Emulator, refresh_token: &str) -> Response {
    token(emulator, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
}
