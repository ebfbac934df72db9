//! Connecting in a browser: the way to Xero, and the way back.
//!
//! The state of a sign-in is bound to the browser session that began it, by a cookie that only the callback gets
//! (RFC 9700, login CSRF). The callback never renders anything: it answers with a redirect, so that neither code nor
//! state stays in the page, its history or its referrer.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sync::{ConsentStart, Secret};
use utoipa::{IntoParams, ToSchema};

use crate::CALLBACK_PATH;
use crate::access::{CanAdmin, MayConnect, Public, Reach};
use crate::docs::DONE_PATH;
use crate::input::{OptionalBody, Params};
use crate::problem::{Problem, code};
use crate::state::App;

const COOKIE_NAME: &str = "tieout_consent";
/// How long a sign-in may take (product.md K1), in seconds.
const CONSENT_S: i64 = 600;
/// Longest path of ours that a sign-in may end at.
const LONGEST_PATH: usize = 200;

/// What to do after a sign-in.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectWanted {
    /// The path on this server that the browser is sent to afterwards; left out for a page that says it is done.
    #[schema(example = "/admin/connections")]
    return_to: Option<String>,
}

/// Where to send the browser.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectBegun {
    /// Xero's page, for the browser that made this request: the answer's cookie must come back from there.
    authorize_url: String,
    /// A link that begins the sign-in in whichever browser opens it, for programs that have none. Good for 10 minutes.
    browser_url: String,
}

/// A new connection makes a new organisation, which a key that is bound to one would not reach.
pub(crate) fn may_connect(reach: Reach) -> Result<(), Problem> {
    match reach.bound_to() {
        None => Ok(()),
        Some(_) => Err(Problem::new(code::FORBIDDEN, "connecting needs a key that is not bound to one organisation")),
    }
}

/// Begins a sign-in at Xero.
#[utoipa::path(post, path = "/api/v1/integrations/xero/connect", tag = "connections",
    request_body = Option<ConnectWanted>,
    responses((status = 200, description = "Where to send the browser", body = ConnectBegun)))]
pub(crate) async fn connect(
    caller: CanAdmin,
    State(app): State<App>,
    wanted: OptionalBody<ConnectWanted>,
) -> Result<Response, Problem> {
    may_connect(caller.reach)?;
    let return_to = wanted.0.return_to;
    if return_to.as_deref().is_some_and(|path| !is_path_of_ours(path)) {
        return Err(Problem::invalid("returnTo must be a path on this server, such as /admin"));
    }
    let ticket = write_ticket(&app, return_to.as_deref());
    let browser_url = format!("{}/api/v1/integrations/xero/connect?ticket={ticket}", app.settings().public_url);
    let ConsentStart { url, session } = app.engine().begin_connect(return_to).await?;
    let cookie = cookie(&app, session.expose(), CONSENT_S)?;
    Ok(([(SET_COOKIE, cookie)], Json(ConnectBegun { authorize_url: url, browser_url })).into_response())
}

/// The query of a browser on its way to Xero.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BrowserQuery {
    /// From the `browserUrl` of a POST; stands in for the key that a browser cannot send.
    #[expect(dead_code, reason = "read by the extractor of the permission; here it is a known name")]
    ticket: Option<String>,
}

/// Sends a browser to Xero.
#[utoipa::path(get, path = "/api/v1/integrations/xero/connect", tag = "connections", params(BrowserQuery),
    responses((status = 302, description = "To Xero's page")))]
pub(crate) async fn connect_in_browser(
    may: MayConnect,
    State(app): State<App>,
    _: Params<BrowserQuery>,
) -> Result<Response, Problem> {
    let ConsentStart { url, session } = app.engine().begin_connect(may.return_to).await?;
    redirect(&url, cookie(&app, session.expose(), CONSENT_S)?)
}

/// What Xero sends a browser back with. Xero may add more, so that unknown fields are let through.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    /// The state that the sign-in was begun with.
    state: Option<String>,
    /// The code to be exchanged for tokens.
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Where Xero sends the browser back to.
#[utoipa::path(get, path = CALLBACK_PATH, tag = "connections", params(CallbackQuery),
    responses((status = 302, description = "To the page that the sign-in was begun for, or to one that says why not")))]
pub(crate) async fn finish_connect(
    _: Public,
    State(app): State<App>,
    headers: HeaderMap,
    query: Params<CallbackQuery>,
) -> Result<Response, Problem> {
    let CallbackQuery { state, code, error } = query.0;
    let stale = || Problem::from(sync::Error::StaleConsent);
    let (Some(state), Some(session)) = (state, session_of(&headers)) else { return Err(stale()) };
    let end = cookie(&app, "", 0)?;
    let finished = match (code, error) {
        (Some(code), None) => {
            let engine = app.engine().clone();
            let work = async move { engine.finish_connect(&state, &session, &Secret::new(code)).await };
            app.to_the_end(work).await?.map(|(_, return_to)| return_to)
        }
        // Used up all the same: a refused sign-in cannot be finished by somebody else later.
        (_, Some(error)) => match app.engine().refuse_connect(&state, &session).await {
            Ok(_) => Err(sync::Error::ConsentRefused(bounded(&error))),
            Err(error) => Err(error),
        },
        (None, None) => return Err(stale()),
    };
    match finished {
        Ok(return_to) => redirect(return_to.as_deref().unwrap_or(DONE_PATH), end),
        // Nobody of ours stands behind it: no page of ours is shown.
        Err(error @ sync::Error::StaleConsent) => Err(error.into()),
        Err(error) => {
            let problem = Problem::from(error);
            tracing::warn!(code = problem.code(), "a sign-in was not completed");
            redirect(&format!("{DONE_PATH}?problem={}", problem.code()), end)
        }
    }
}

fn redirect(target: &str, cookie: HeaderValue) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(target).map_err(|_| Problem::internal())?;
    Ok((StatusCode::FOUND, [(LOCATION, location), (SET_COOKIE, cookie)]).into_response())
}

/// Xero's word for a refusal, as far as it is one: it comes from the address bar.
fn bounded(error: &str) -> String {
    error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect()
}

fn cookie(app: &App, value: &str, seconds: i64) -> Result<HeaderValue, Problem> {
    let secure = if app.is_https() { "; Secure" } else { "" };
    let text =
        format!("{COOKIE_NAME}={value}; Path={CALLBACK_PATH}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let mut cookie = HeaderValue::from_str(&text).map_err(|_| Problem::internal())?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

fn session_of(headers: &HeaderMap) -> Option<Secret> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE_NAME && !value.is_empty()).map(|(_, value)| Secret::from(value))
}

/// A path on this server and nothing that a browser would read as another one's address.
fn is_path_of_ours(path: &str) -> bool {
    path.len() <= LONGEST_PATH
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.chars().all(|c| c.is_ascii_graphic() && c != '\\')
}

/// What a browser brings in place of a key: until when, and the path to end at, under a tag that only we can make.
fn write_ticket(app: &App, return_to: Option<&str>) -> String {
    let content = format!("{}|{}", app.engine().now().as_second() + CONSENT_S, return_to.unwrap_or_default());
    let tag = app.engine().tag("connect-ticket", &content);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(&content), URL_SAFE_NO_PAD.encode(tag))
}

/// The path that a ticket ends at, if it is ours and still good.
pub(crate) fn open_ticket(app: &App, ticket: &str) -> Option<Option<String>> {
    let (content, tag) = ticket.split_once('.')?;
    let content = String::from_utf8(URL_SAFE_NO_PAD.decode(content).ok()?).ok()?;
    let wanted = app.engine().tag("connect-ticket", &content);
    aws_lc_rs::constant_time::verify_slices_are_equal(&URL_SAFE_NO_PAD.decode(tag).ok()?, &wanted).ok()?;
    let (until, return_to) = content.split_once('|')?;
    let is_good = until.parse::<i64>().ok()? > app.engine().now().as_second();
    is_good.then(|| Some(return_to.to_owned()).filter(|path| !path.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_to() {
        for good in ["/", "/admin", "/admin?tab=1#x"] {
            assert!(is_path_of_ours(good), "{good}");
        }
        for bad in ["", "admin", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/ü", "/a b"]
        {
            assert!(!is_path_of_ours(bad), "{bad}");
        }
        assert!(!is_path_of_ours(&format!("/{}", "a".repeat(LONGEST_PATH))));
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let headers = |text: &'static str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(text))]);
        let found = session_of(&headers("a=b; tieout_consent=xyz; c=d"));
        assert_eq!(found.map(|secret| secret.expose().to_owned()).as_deref(), Some("xyz"));
        assert!(session_of(&headers("tieout_consent=")).is_none());
        assert!(session_of(&headers("xtieout_consent=1")).is_none());
        assert!(session_of(&HeaderMap::new()).is_none());
    }
}
