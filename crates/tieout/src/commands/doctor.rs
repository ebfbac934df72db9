//! `tieout doctor`: looks at everything that a sync needs, and says for each what is wrong and how to mend it.

use std::time::Duration;

use jiff::Timestamp;
use store::ConnectionState;
use xero::scalars::parse_http_date;

use crate::args::Global;
use crate::compose;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, Rows};
use crate::settings::{self, Resolved, Settings, Sources};

/// Xero's tokens and `If-Modified-Since` bear some difference of clocks; idempotency and expiry suffer from more.
const SKEW_WARN_S: i64 = 30;
const SKEW_FAIL_S: i64 = 300;
const PATIENCE: Duration = Duration::from_secs(10);

const COLUMNS: &[Column] = &[
    Column::text("check", "CHECK"),
    Column::text("result", "RESULT"),
    Column::text("detail", "DETAIL"),
    Column::text("fix", "FIX"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What was found.
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    fix: String,
    /// What a failure of this check ends the command with.
    exit: Exit,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), fix: String::new(), exit: Exit::Done }
    }

    fn warn(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, detail: detail.into(), fix: fix.into(), exit: Exit::Done }
    }

    fn fail(check: &'static str, failure: Failure) -> Self {
        let Failure { exit, message, next, .. } = failure;
        Self { check, verdict: Verdict::Fail, detail: message, fix: next, exit }
    }
}

pub(super) async fn run(global: &Global, is_to_mend: bool, output: &Output) -> Result<Exit, Failure> {
    let mut findings = Vec::new();
    match read_settings(global, &mut findings) {
        Ok(settings) => look(&settings, is_to_mend, &mut findings).await,
        Err(failure) => findings.push(Finding::fail("settings", failure)),
    }
    let mut rows = Rows::new(COLUMNS, "");
    for finding in &findings {
        let word = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        let fix = Some(finding.fix.as_str()).filter(|fix| !fix.is_empty());
        rows.push(vec![finding.check.into(), word.into(), finding.detail.as_str().into(), fix.into()]);
    }
    output.rows(&rows);
    match findings.iter().find(|finding| finding.verdict == Verdict::Fail) {
        None => Ok(Exit::Done),
        Some(first) => {
            let count = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
            let message = format!("{count} of {} checks failed, first of all: {}", findings.len(), first.check);
            Err(Failure::new(first.exit, message).next(first.fix.clone()))
        }
    }
}

fn read_settings(global: &Global, findings: &mut Vec<Finding>) -> Result<Settings, Failure> {
    let sources = Sources::read(global.config.as_deref(), global.flags())?;
    let resolved: Resolved = sources.resolve().map_err(|all| settings::failure(&all))?;
    let settings = Settings::check(&resolved).map_err(|all| settings::failure(&all))?;
    let file = resolved.file.as_ref().map(|path| path.display().to_string());
    findings.push(Finding::ok("settings", file.unwrap_or_else(|| "defaults; there is no tieout.toml here".into())));
    for name in &resolved.unknown_variables {
        findings.push(Finding::warn("settings", format!("{name} is no setting"), "tieout config show"));
    }
    Ok(settings)
}

async fn look(settings: &Settings, is_to_mend: bool, findings: &mut Vec<Finding>) {
    findings.push(match settings::encryption_key(settings) {
        Ok(vault) => Finding::ok("encryption key", format!("key {}", vault.key_id())),
        Err(failure) => Finding::fail("encryption key", failure),
    });
    database(settings, is_to_mend, findings).await;
    findings.push(app(settings));
    findings.push(redirect(settings));
    if settings.endpoints.identity.scheme() == "https" {
        findings.push(certificates());
    }
    xero(settings, findings).await;
    findings.push(port(settings).await);
}

async fn database(settings: &Settings, is_to_mend: bool, findings: &mut Vec<Finding>) {
    const CHECK: &str = "database";
    if let Some(file) = settings.sqlite_file().filter(|file| !file.exists()) {
        let detail = format!("{} is not there yet", file.display());
        findings.push(Finding::warn(CHECK, detail, "tieout connect makes it"));
        return;
    }
    let store = match compose::open_or_make(&settings.database_url).await {
        Ok(store) => store,
        Err(failure) => {
            let next =
                if failure.exit == Exit::NoDatabase { "check database_url, and that the server runs" } else { "" };
            let next =
                if next.is_empty() || failure.next != "tieout doctor" { failure.next.clone() } else { next.into() };
            findings.push(Finding::fail(CHECK, failure.next(next)));
            return;
        }
    };
    findings.push(Finding::ok(CHECK, format!("{}, schema version {}", store.shown_url(), store::SCHEMA_VERSION)));
    findings.push(capture(&store, is_to_mend).await.unwrap_or_else(|error| Finding::fail("capture", error.into())));
    let wanted = if settings.endpoints.is_xero() { "live" } else { "emulator" };
    let found = async {
        let mut tx = store.read().await?;
        let fact = tx.fact("xero").await?;
        let connections = tx.connections().await?;
        tx.commit().await?;
        Ok::<_, store::Error>((fact, connections))
    };
    match found.await {
        Err(error) => findings.push(Finding::fail(CHECK, error.into())),
        Ok((fact, connections)) => {
            if let Some(found) = fact.filter(|fact| fact != wanted && !connections.is_empty()) {
                findings.push(Finding::fail(CHECK, ::sync::Error::WrongXero { found, wanted }.into()));
            }
            if connections.is_empty() {
                findings.push(Finding::warn("connections", "no organisation is connected", "tieout connect"));
            }
            for connection in connections {
                let name = connection.tenant_name;
                findings.push(match connection.state {
                    ConnectionState::Connected => Finding::ok("connections", format!("{name} is connected")),
                    ConnectionState::NeedsReconnect => Finding::warn(
                        "connections",
                        format!("{name}: {}", connection.reason.unwrap_or_default()),
                        "tieout connect",
                    ),
                    state => Finding::ok("connections", format!("{name} is {}", state.as_str().to_ascii_lowercase())),
                });
            }
        }
    }
}

/// Whether changes that anybody makes in the books are noticed.
async fn capture(store: &store::Store, is_to_mend: bool) -> Result<Finding, store::Error> {
    const CHECK: &str = "capture";
    let missing = store.read().await?.missing_capture_triggers().await?;
    if missing.is_empty() {
        return Ok(Finding::ok(CHECK, "every change of the books is noticed by its trigger"));
    }
    let which = missing.join(", ");
    if is_to_mend {
        store.install_capture_triggers().await?;
        let detail = format!("triggers were missing or switched off and are installed again: {which}");
        return Ok(Finding::warn(CHECK, detail, "tieout sync full (finds what was changed meanwhile)"));
    }
    let detail = format!("triggers are missing or switched off, so that changes by SQL wait for a full sync: {which}");
    Ok(Finding::fail(CHECK, Failure::new(Exit::Failed, detail).next("tieout doctor --fix, then tieout sync full")))
}

fn app(settings: &Settings) -> Finding {
    const CHECK: &str = "xero app";
    match (&settings.client_id, &settings.client_secret) {
        (None, _) => Finding::fail(
            CHECK,
            Failure::new(Exit::Config, "no client id is set")
                .next("make an app at developer.xero.com, then set xero.client_id; or try tieout demo"),
        ),
        (Some(_), None) => Finding::ok(CHECK, "a client id without a secret: an app of the PKCE type"),
        (Some(_), Some(_)) => Finding::ok(CHECK, "client id and secret are set"),
    }
}

fn redirect(settings: &Settings) -> Finding {
    const CHECK: &str = "redirect address";
    let uri = &settings.redirect_uri;
    let detail = format!("{uri} must be registered with the app, to the letter");
    let is_here = uri.scheme() == "http";
    if is_here && uri.port_or_known_default() != Some(settings.bind.port()) {
        let detail = format!("{uri} has another port than bind ({})", settings.bind);
        return Finding::warn(CHECK, detail, "fine for tieout connect; for tieout serve make both ports the same");
    }
    if !uri.path().ends_with(web::CALLBACK_PATH) {
        let fix = format!("fine for tieout connect; for tieout serve it must end in {}", web::CALLBACK_PATH);
        return Finding::warn(CHECK, format!("{uri} is not the API's own callback"), fix);
    }
    Finding::ok(CHECK, detail)
}

fn certificates() -> Finding {
    let found = rustls_native_certs::load_native_certs().certs.len();
    if found == 0 {
        let failure =
            Failure::new(Exit::Failed, "the operating system has no certificates to trust, so https cannot work");
        return Finding::fail(
            "certificates",
            failure.next("install them, for example: apt-get install ca-certificates"),
        );
    }
    Finding::ok("certificates", format!("{found} trusted roots"))
}

async fn xero(settings: &Settings, findings: &mut Vec<Finding>) {
    let is_live = settings.endpoints.is_xero();
    let check = if is_live { "xero" } else { "emulated xero" };
    let base = settings.endpoints.identity.as_str().trim_end_matches('/').to_owned();
    let unreachable = |why: String| {
        let failure = Failure::new(Exit::Failed, format!("{base} cannot be reached: {why}"));
        failure.next(if is_live { "check the network and its proxy" } else { "tieout emulator (serves one)" })
    };
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build();
    let before = compose::clock().now();
    let answer = match client {
        Ok(client) => client.get(format!("{base}/.well-known/openid-configuration")).send().await,
        Err(error) => Err(error),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let why = innermost(&error.without_url());
            findings.push(Finding::fail(check, unreachable(why)));
            return;
        }
    };
    if !answer.status().is_success() {
        let why = format!("it answers {}; is that the right address?", answer.status());
        findings.push(Finding::fail(check, unreachable(why)));
        return;
    }
    findings.push(Finding::ok(check, format!("{base} answers")));
    let date = answer.headers().get("date").and_then(|value| value.to_str().ok()).and_then(parse_http_date);
    findings.push(clock(date, before));
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

fn clock(theirs: Option<Timestamp>, ours: Timestamp) -> Finding {
    const CHECK: &str = "clock";
    let Some(theirs) = theirs else {
        return Finding::warn(CHECK, "the answer has no date to compare with", "check the clock by hand");
    };
    let skew = theirs.duration_since(ours).as_secs();
    let detail = format!("this computer's clock is {} s {}", skew.abs(), if skew > 0 { "behind" } else { "ahead" });
    let fix = "set the clock, for example: timedatectl set-ntp true";
    match skew.abs() {
        0..=2 => Finding::ok(CHECK, "agrees"),
        3..SKEW_WARN_S => Finding::ok(CHECK, detail),
        SKEW_WARN_S..SKEW_FAIL_S => Finding::warn(CHECK, detail, fix),
        _ => Finding::fail(CHECK, Failure::new(Exit::Failed, detail).next(fix)),
    }
}

async fn port(settings: &Settings) -> Finding {
    match tokio::net::TcpListener::bind(settings.bind).await {
        Ok(_) => Finding::ok("port", format!("{} is free", settings.bind)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let detail = format!("{} is in use", settings.bind);
            Finding::warn("port", detail, "fine if tieout serves there; else set bind to another port")
        }
        Err(error) => {
            let failure = Failure::new(Exit::Config, format!("{} cannot be used: {error}", settings.bind));
            Finding::fail("port", failure.next("set bind to an address of this computer"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told() {
        let ours = Timestamp::from_second(1_000_000).unwrap();
        let verdict = |seconds: i64| clock(Some(Timestamp::from_second(1_000_000 + seconds).unwrap()), ours).verdict;
        assert_eq!(verdict(1), Verdict::Ok);
        assert_eq!(verdict(-60), Verdict::Warn);
        assert_eq!(verdict(900), Verdict::Fail);
        assert!(clock(Some(Timestamp::from_second(999_100).unwrap()), ours).detail.contains("ahead"));
        assert_eq!(clock(None, ours).verdict, Verdict::Warn);
    }
}
