//! The Xero that is read: an emulator without limits, and the way in as a browser would go it.

use anyhow::Context as _;
use bytes::Bytes;
use emulator::config::{AutoConsent, Limits, OrganisationPlan};
use emulator::{Config, Emulator, Size};
use http::{HeaderMap, Method};
use tokio::net::TcpListener;
use url::Url;
use xero::oauth::ClientCredentials;
use xero::{HttpSettings, HttpTransport, Request, Secret, Transport};

/// Where the consent page sends the browser back to; nobody listens there.
pub const REDIRECT_URI: &str = "http://localhost:8787/callback";

/// Books with contacts, invoices of so many lines, and payments, and nothing else.
pub fn size(contacts: u32, invoices: u32, lines: u32, payments: u32) -> Size {
    Size { contacts, invoices, lines: Some(lines), payments, ..Size::empty() }
}

/// An emulator with one organisation, bound to a free port; returns its address and what serves it.
///
/// # Errors
/// Where no port can be bound.
pub async fn bind(size: Size) -> anyhow::Result<(String, impl Future<Output = std::io::Result<()>> + Send + 'static)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    let emulator = Emulator::new(Config {
        organisations: vec![OrganisationPlan { size, ..OrganisationPlan::default() }],
        limits: Limits { is_enforced: false, ..Limits::default() },
        auto_consent: Some(AutoConsent::AllowAll),
        base_url: base.clone(),
        ..Config::default()
    });
    Ok((base, async move { emulator.serve(listener).await }))
}

/// The application that the emulator knows.
pub fn credentials() -> ClientCredentials {
    let app = emulator::config::App::default();
    ClientCredentials { client_id: app.client_id, client_secret: app.client_secret.map(Secret::new) }
}

/// A connection to the emulator over HTTP.
///
/// # Errors
/// Where the client cannot be made.
pub fn transport() -> anyhow::Result<HttpTransport> {
    Ok(HttpTransport::new(HttpSettings::default())?)
}

/// The state and code that the consent page sends the browser back with.
///
/// # Errors
/// Where the emulator does not consent by itself.
pub async fn consent(transport: &HttpTransport, authorize: &str) -> anyhow::Result<(String, Secret)> {
    let response = transport.send(get(authorize)?).await?;
    let location = response.headers.get("location").context("the consent page did not redirect")?;
    let location: Url = location.to_str()?.parse()?;
    let value = |name: &str| {
        let found = location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        found.with_context(|| format!("the redirect has no {name}"))
    };
    Ok((value("state")?, Secret::new(value("code")?)))
}

/// How many calls the emulator has answered, whoever made them.
///
/// # Errors
/// Where the emulator is away.
pub async fn call_count(transport: &HttpTransport, base: &str) -> anyhow::Result<u64> {
    let state = json(transport, &format!("{base}/_emulator/state")).await?;
    state["calls"].as_u64().context("the emulator's state has no count of calls")
}

/// How many lists were asked for since a count of calls: calls to the Accounting API but those about the organisation.
///
/// # Errors
/// Where the emulator is away.
pub async fn list_calls_since(transport: &HttpTransport, base: &str, count: u64) -> anyhow::Result<u64> {
    let log = json(transport, &format!("{base}/_emulator/log?after={count}")).await?;
    let targets = log.as_array().context("the emulator's log is not a list")?.iter();
    let lists = targets.filter_map(|call| call["target"].as_str()?.strip_prefix("/api.xro/2.0/"));
    Ok(lists.filter(|path| !path.starts_with("Organisation")).count() as u64)
}

async fn json(transport: &HttpTransport, url: &str) -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::from_slice(&transport.send(get(url)?).await?.body)?)
}

fn get(url: &str) -> anyhow::Result<Request> {
    Ok(Request { method: Method::GET, url: url.parse()?, headers: HeaderMap::new(), body: Bytes::new() })
}
