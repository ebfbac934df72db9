//! `tieout connect`, `disconnect` and `refresh-token`: the life of a connection.
//!
//! Connecting needs the browser to come back once. A listener of its own takes that one call on the redirect address's
//! port; the secret of the session that began the sign-in never leaves this process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::mpsc;
use url::Url;
use xero::Secret;

use super::serve;
use crate::args::{Connect, Which};
use crate::compose::{self, EMULATED, Hold};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, Rows};
use crate::settings::Settings;
use crate::{confirm, shutdown};

/// How long a sign-in may take (product.md K1).
const CONSENT: Duration = Duration::from_secs(10 * 60);
/// Where the browser is shown that it is done; an address without code and state (security.md SEC-04).
const DONE_PATH: &str = "/connected";
const DONE_PAGE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tieout</title></head>\
    <body><h1>Tieout has Xero's answer</h1><p>You can close this window; the terminal says how it went.</p></body></html>";

const COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::figure("connection", "CONNECTION"),
    Column::text("state", "STATE"),
    Column::text("tenantId", "TENANT"),
    Column::hidden("emulated"),
];

/// What the browser brought back.
#[derive(Debug)]
struct Callback {
    state: String,
    code: Option<Secret>,
    error: Option<String>,
}

pub(super) async fn run(args: &Connect, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let parts = compose::parts(settings)?;
    let address = callback_address(&settings.redirect_uri)?;
    let listener = serve::listen(address, "stop `tieout serve`, or set xero.redirect_uri to another port").await?;
    let store = compose::open_or_make(&settings.database_url).await?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    let engine = &running.engine;
    if engine.is_emulated() {
        output.note(EMULATED);
    }
    let begun = engine.begin_connect(None).await?;
    let expected = state_of(&begun.url);
    let (sender, mut callbacks) = mpsc::channel(4);
    let service = Router::new()
        .route(settings.redirect_uri.path(), get(callback))
        .route(DONE_PATH, get(|| async { ([PLAIN, NO_REFERRER], axum::response::Html(DONE_PAGE)) }))
        .with_state(sender);
    let server = tokio::spawn(async move { axum::serve(listener, service).await });

    if !args.no_browser && output.is_interactive() && open_browser(&begun.url) {
        output.note("the browser shows Xero's consent page; if it does not, open this address in it:");
    } else {
        output.note("open this address in a browser on this computer:");
    }
    output.note(&format!("  {}", begun.url));
    let work = async {
        let waiting = async {
            loop {
                let callback = callbacks.recv().await.ok_or(::sync::Error::StaleConsent)?;
                // Somebody else's knock must not end this sign-in.
                if callback.state != expected {
                    continue;
                }
                if let Some(error) = callback.error {
                    return Err(Failure::from(::sync::Error::ConsentRefused(error)));
                }
                let Some(code) = callback.code else { continue };
                return Ok(engine.finish_connect(&callback.state, &begun.session, &code).await?.0);
            }
        };
        match tokio::time::timeout(CONSENT, waiting).await {
            Ok(connected) => connected,
            Err(_) => Err(Failure::new(Exit::NotConnected, "nobody answered the consent page within 10 minutes")),
        }
    };
    let connected = shutdown::unless_asked(work, "tieout connect").await;
    // The browser is still to be shown the page that the callback sends it to.
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.abort();
    let mut rows = Rows::new(COLUMNS, "nothing was connected");
    for connection in connected? {
        rows.push(vec![
            connection.tenant_name.as_str().into(),
            connection.id.0.into(),
            connection.state.as_str().into(),
            connection.tenant_id.to_string().into(),
            engine.is_emulated().into(),
        ]);
    }
    output.rows(&rows);
    output.note("next:  tieout sync full");
    Ok(Exit::Done)
}

/// The state that the browser must bring back.
fn state_of(address: &str) -> String {
    let state = |url: Url| url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
    Url::parse(address).ok().and_then(state).unwrap_or_default()
}

const PLAIN: (HeaderName, &str) = (axum::http::header::CACHE_CONTROL, "no-store");
const NO_REFERRER: (HeaderName, &str) = (axum::http::header::REFERRER_POLICY, "no-referrer");

/// Takes what Xero sent the browser back with, and sends it on to an address without secrets.
async fn callback(State(sender): State<mpsc::Sender<Callback>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let mut found = Callback { state: String::new(), code: None, error: None };
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "state" => found.state = value.into_owned(),
            "code" => found.code = Some(Secret::new(value.into_owned())),
            "error" => found.error = Some(value.chars().filter(|letter| !letter.is_control()).take(100).collect()),
            _ => {}
        }
    }
    // A full channel means that somebody is knocking without having been sent.
    let _ = sender.try_send(found);
    (StatusCode::FOUND, [PLAIN, NO_REFERRER, (axum::http::header::LOCATION, DONE_PATH)])
}

/// Where to wait for the browser. Only a redirect address on this machine can be waited for here.
fn callback_address(redirect: &Url) -> Result<SocketAddr, Failure> {
    match (redirect.scheme(), redirect.host_str(), redirect.port_or_known_default()) {
        ("http", Some("localhost"), Some(port)) => Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into()),
        _ => {
            let message =
                format!("the redirect address {redirect} is not on this computer, so nothing can be waited for here");
            let next = "tieout serve, then POST /api/v1/integrations/xero/connect and open the address that it answers";
            Err(Failure::new(Exit::Config, message).next(next))
        }
    }
}

/// True if a program that opens browsers took the address.
fn open_browser(address: &str) -> bool {
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("rundll32", &["url.dll,FileProtocolHandler"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}

pub(super) async fn disconnect(
    which: &Which,
    yes: bool,
    settings: &Settings,
    output: &Output,
) -> Result<Exit, Failure> {
    let parts = compose::parts(settings)?;
    let store = compose::open(settings).await?;
    let connection = compose::connection(&store, which).await?;
    let name = connection.tenant_name.clone();
    confirm::yes(output, yes, &format!("Disconnect {name}? Syncing ends; its data is kept."))?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    let told = running.engine.disconnect(connection.id).await?;
    let value = serde_json::json!({"organisation": name, "connection": connection.id.0, "xeroTold": told});
    output.object(&value, &format!("{name} is disconnected; its data is kept"));
    if !told {
        output.note("xero could not be told: remove the app in Xero too, under Settings > Connected apps");
    }
    Ok(Exit::Done)
}

pub(super) async fn refresh_token(which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let parts = compose::parts(settings)?;
    let store = compose::open(settings).await?;
    let connection = compose::connection(&store, which).await?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    shutdown::unless_asked(async { Ok(running.engine.refresh_token(connection.id).await?) }, "tieout refresh-token")
        .await?;
    let status = running.engine.connection_status(connection.id).await?;
    let tokens = status.tokens.as_ref();
    let value = serde_json::json!({
        "organisation": connection.tenant_name,
        "connection": connection.id.0,
        "accessExpiresAt": tokens.and_then(|tokens| tokens.access_expires_at).map(|at| at.to_string()),
        "refreshExpiresAt": tokens.and_then(|tokens| tokens.refresh_expires_at).map(|at| at.to_string()),
        "missingScopes": tokens.map(|tokens| tokens.missing_scopes.clone()).unwrap_or_default(),
    });
    output.object(&value, &format!("{}: the token was refreshed", connection.tenant_name));
    Ok(Exit::Done)
}
