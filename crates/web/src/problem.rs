//! Errors as the API tells them: RFC 9457 problem details with a stable code, and nothing of our insides.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use sync::KeyScope;
use utoipa::ToSchema;

/// An error that a request ends with.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    row: &'static Row,
    detail: String,
    // Apart, so that a result that may be a problem stays small.
    more: Box<More>,
}

/// What some problems tell besides.
#[derive(Debug, Clone, Default)]
struct More {
    run_id: Option<i64>,
    retry_at: Option<Timestamp>,
    retry_after_s: Option<i64>,
    version: Option<String>,
    advice: Option<&'static str>,
}

/// An error, as RFC 9457 describes it (`application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the problem is explained, relative to this server.
    #[schema(example = "/docs/errors#TO-BUSY")]
    r#type: String,
    /// The kind of problem, the same for every occurrence.
    #[schema(example = "a sync is under way already")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// What is the matter this time, and what to do.
    detail: &'a str,
    /// The stable code; programs should look at this.
    #[schema(example = "TO-BUSY")]
    code: &'static str,
    /// The run that ended with the problem, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<i64>,
    /// When it makes sense to try again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
    /// The version that the thing has now, where another one was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    /// Who can help with a refusal: `RETRY`, `FIX_DATA` or `ASK_PERSON`.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

/// Codes of the API itself; those of the engine are in `sync`.
pub(crate) mod code {
    pub(crate) const UNAUTHENTICATED: &str = "TO-UNAUTHENTICATED";
    pub(crate) const FORBIDDEN: &str = "TO-FORBIDDEN";
    pub(crate) const NOT_FOUND: &str = "TO-NOT-FOUND";
    pub(crate) const METHOD: &str = "TO-METHOD";
    pub(crate) const INVALID: &str = "TO-INVALID";
    pub(crate) const CURSOR: &str = "TO-CURSOR";
    pub(crate) const WHICH_CONNECTION: &str = "TO-WHICH-CONNECTION";
    pub(crate) const TOO_LARGE: &str = "TO-TOO-LARGE";
    pub(crate) const MEDIA_TYPE: &str = "TO-MEDIA-TYPE";
    pub(crate) const TIMEOUT: &str = "TO-TIMEOUT";
    pub(crate) const STOPPING: &str = "TO-STOPPING";
    pub(crate) const NOT_CONNECTED: &str = "TO-NOT-CONNECTED";
    pub(crate) const CONSENT: &str = "TO-CONSENT";
    pub(crate) const BUSY: &str = "TO-BUSY";
    pub(crate) const INTERNAL: &str = "TO-INTERNAL";
    pub(crate) const NO_VERSION: &str = "TO-NO-VERSION";
    pub(crate) const KEY_REUSED: &str = "TO-KEY-REUSED";
    pub(crate) const IN_PROGRESS: &str = "TO-IN-PROGRESS";
}

/// Code, status and title.
type Row = (&'static str, u16, &'static str);

/// What is told of a code that the table does not have.
const UNKNOWN: Row = (code::INTERNAL, 500, "something went wrong here");

/// Every code that a request can end with.
static TABLE: &[Row] = &[
    (code::UNAUTHENTICATED, 401, "an API key is required"),
    (code::FORBIDDEN, 403, "the key does not allow this"),
    (code::NOT_FOUND, 404, "there is no such thing"),
    (code::METHOD, 405, "the method does not exist here"),
    (code::INVALID, 400, "the request is not valid"),
    (code::CURSOR, 400, "the cursor is not valid"),
    (code::WHICH_CONNECTION, 400, "several organisations are connected"),
    (code::TOO_LARGE, 413, "the body is too large"),
    (code::MEDIA_TYPE, 415, "the body must be JSON"),
    (code::TIMEOUT, 503, "the request took too long"),
    (code::STOPPING, 503, "the program is stopping"),
    (code::NOT_CONNECTED, 409, "no organisation is connected"),
    ("TO-RECONNECT", 409, "the organisation must be connected again"),
    ("TO-DISCONNECTED", 409, "the organisation was disconnected in Xero"),
    ("TO-SCOPE", 409, "a permission (scope) is missing"),
    ("TO-ROLE", 409, "the Xero user's role does not allow this"),
    ("TO-QUOTA", 503, "Xero's limit of calls is reached"),
    ("TO-QUOTA-DAY", 503, "Xero's daily limit of calls is reached"),
    ("TO-REJECTED", 502, "Xero refused the request"),
    ("TO-BAD-ANSWER", 502, "Xero's answer could not be understood"),
    ("TO-XERO-DOWN", 502, "Xero cannot be reached"),
    (code::BUSY, 409, "a sync is under way already"),
    ("TO-EMPTY-LIST", 409, "Xero lists nothing where records are linked"),
    ("TO-SHORT-LIST", 502, "A list of Xero ended too early"),
    ("TO-WRONG-XERO", 409, "the database belongs to another Xero"),
    (code::CONSENT, 400, "the sign-in was not completed"),
    ("TO-KEY", 500, "a stored secret cannot be read"),
    ("TO-APP", 502, "Xero does not accept the app's credentials"),
    ("TO-DISK-FULL", 503, "the database's disk is full"),
    ("TO-LOCKED-DATABASE", 503, "another process has the database"),
    ("TO-NEWER-DATABASE", 503, "the database is of a newer version"),
    ("TO-DATABASE-DOWN", 503, "the database cannot be used just now"),
    ("TO-DATABASE", 500, "the database reported an error"),
    (code::NO_VERSION, 428, "the version that is to be changed is missing"),
    ("TO-STALE", 412, "it has changed since it was shown"),
    (code::KEY_REUSED, 422, "the Idempotency-Key was used for another request"),
    (code::IN_PROGRESS, 409, "a request with this Idempotency-Key is being answered"),
    ("TO-BRAKE", 409, "a run stopped and asks"),
    ("TO-IN-USE", 422, "other records refer to it"),
    ("TO-STATUS", 422, "the status cannot change like that"),
    ("TO-PAID-BY-STATUS", 422, "a document is paid by payments, not by its status"),
    ("TO-HAS-PAYMENTS", 422, "payments or credits are booked on the document"),
    ("TO-FROZEN", 422, "a paid document cannot change like that"),
    ("TO-PAYMENT-IMMUTABLE", 422, "a payment is made and taken back, never edited"),
    ("TO-OVERPAID", 422, "the payment is more than is due"),
    ("TO-NOT-PAYABLE", 422, "the document cannot be paid"),
    ("TO-IMMUTABLE", 422, "this cannot change any more"),
    ("TO-ARCHIVED", 422, "the contact is archived"),
    ("TO-LOCKED-PERIOD", 422, "the period is locked"),
    ("TO-ACCOUNT", 422, "the account cannot be used"),
    ("TO-CURRENCY", 422, "the currency cannot be used"),
    ("TO-TAX", 422, "the tax rate cannot be used"),
    ("TO-NAME-TAKEN", 422, "another contact has the name"),
    ("TO-NUMBER-TAKEN", 422, "another document has the number"),
    ("TO-EMAIL", 422, "the e-mail address is not valid"),
    ("TO-LINE-TOTAL", 422, "a line's amount is not what it comes to"),
    ("TO-NO-LINES", 422, "the document has no lines"),
    ("TO-RECONCILED", 422, "it is matched with a bank statement"),
    ("TO-PLAN-LIMIT", 422, "the organisation's Xero plan does not allow it"),
    ("TO-BAD-FIELD", 422, "a field is missing or not valid"),
    ("TO-WAITING", 409, "it waits for another record"),
    ("TO-MATCH", 409, "a person has to say whether two records are the same"),
    ("TO-MOVED", 409, "it has moved since"),
    ("TO-DUPLICATE", 409, "Xero may have the record more than once"),
    UNKNOWN,
];

/// What is told where the true text could hold paths, statements or rows.
const IN_THE_LOG: &str = "the log says more, under this answer's x-request-id";

impl Problem {
    /// A problem of a code that the table knows; of another one it is an internal error.
    pub(crate) fn new(wanted: &str, detail: impl Into<String>) -> Self {
        let row = TABLE.iter().find(|(code, ..)| *code == wanted).unwrap_or(&UNKNOWN);
        Self { row, detail: detail.into(), more: Box::default() }
    }

    /// The same answer whether there is no key, no such key, or one that is revoked or has ended.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            code::UNAUTHENTICATED,
            "send a valid API key, as Authorization: Bearer to_… or as X-Api-Key; `tieout keys create` makes one",
        )
    }

    pub(crate) fn forbidden(needed: KeyScope) -> Self {
        Self::new(code::FORBIDDEN, format!("this needs a key of scope {}", needed.as_str()))
    }

    /// The same answer whether the thing does not exist or belongs to an organisation that the key does not reach.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(code::NOT_FOUND, format!("there is no such {what}"))
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(code::INVALID, detail)
    }

    pub(crate) fn internal() -> Self {
        Self::new(code::INTERNAL, IN_THE_LOG)
    }

    /// Says which run it is about.
    pub(crate) fn about_run(mut self, run: Option<i64>) -> Self {
        self.more.run_id = run;
        self
    }

    /// What is the matter.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.row.0
    }

    fn body(&self) -> ProblemBody<'_> {
        let (code, status, title) = *self.row;
        ProblemBody {
            r#type: format!("/docs/errors#{code}"),
            title,
            status,
            detail: &self.detail,
            code,
            run_id: self.more.run_id,
            retry_at: self.more.retry_at,
            version: self.more.version.as_deref(),
            advice: self.more.advice,
        }
    }

    /// The title of a code that a page may be asked to explain.
    pub(crate) fn title_of(code: &str) -> Option<&'static str> {
        TABLE.iter().find(|(known, ..)| *known == code).map(|(_, _, title)| *title)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.row.1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body())).into_response();
        let mut set = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
        set(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            set(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tieout\""));
        }
        if let Some(seconds) = self.more.retry_after_s {
            set(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(Ok(tag)) = self.more.version.map(|version| HeaderValue::try_from(format!("\"{version}\""))) {
            set(ETAG, tag);
        }
        response
    }
}

impl From<sync::Error> for Problem {
    fn from(error: sync::Error) -> Self {
        use sync::Error;
        let code = error.code();
        let is_ours = matches!(error, Error::Store(_) | Error::Internal(_) | Error::WrongKey);
        if is_ours {
            tracing::error!(code, %error, "a request failed");
        }
        let detail = if is_ours { IN_THE_LOG.to_owned() } else { error.to_string() };
        let mut problem = Self::new(code, detail);
        problem.more.retry_at = error.resume_at();
        match error {
            Error::Stale { version, .. } => problem.more.version = Some(version),
            Error::ConflictMoved(view) => problem.more.version = Some(view.version),
            Error::Refused(refusal) => problem.more.advice = Some(refusal.advice.as_str()),
            _ => {}
        }
        problem
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        sync::Error::from(error).into()
    }
}

impl Problem {
    /// Turns the instant of the next try into the header that clients look at.
    pub(crate) fn dated(mut self, now: Timestamp) -> Self {
        self.more.retry_after_s = self.more.retry_at.map(|at| at.duration_since(now).as_secs().max(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Every stable code in the sources of the workspace, by what stands between quotes.
    fn codes_in_sources() -> BTreeSet<String> {
        let mut codes = BTreeSet::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with("tests.rs") {
                    // Tests ask for codes that nobody gives.
                } else if path.extension().is_some_and(|extension| extension == "rs")
                    && path.components().any(|part| part.as_os_str() == "src")
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    codes.extend(text.split("\"TO-").skip(1).filter_map(|rest| {
                        let code = rest.split('"').next()?;
                        let is_code = !code.is_empty() && code.chars().all(|c| c.is_ascii_uppercase() || c == '-');
                        is_code.then(|| format!("TO-{code}"))
                    }));
                }
            }
        }
        codes
    }

    #[test]
    fn every_code_has_a_section_in_the_docs_and_every_section_a_code() {
        let docs = include_str!("../../../docs/errors.md");
        let sections: BTreeSet<String> =
            docs.lines().filter_map(|line| line.strip_prefix("## ")).map(|name| name.trim().to_owned()).collect();
        let codes = codes_in_sources();
        assert!(codes.len() > 30, "the sources were not found: {codes:?}");
        assert_eq!(codes.difference(&sections).collect::<Vec<_>>(), Vec::<&String>::new(), "undocumented");
        assert_eq!(sections.difference(&codes).collect::<Vec<_>>(), Vec::<&String>::new(), "documented in vain");
    }

    #[test]
    fn every_code_of_the_engine_has_a_status() {
        let source = include_str!("../../sync/src/error.rs");
        for rest in source.split("\"TO-").skip(1) {
            let code = format!("TO-{}", rest.split('"').next().unwrap());
            assert!(Problem::title_of(&code).is_some(), "{code} has no line in the table");
        }
    }

    #[test]
    fn what_the_database_says_stays_inside() {
        let error = sync::Error::from(store::Error::Driver("SELECT secret FROM grants at /var/lib/x".into()));
        let text = serde_json::to_string(&Problem::from(error).body()).unwrap();
        assert!(!text.contains("SELECT") && !text.contains("/var"), "{text}");
        assert!(text.contains("TO-DATABASE"), "{text}");
    }
}
