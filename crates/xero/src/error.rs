//! What went wrong, sorted by what the caller does next.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::client::TokenError;
use crate::clock;
use crate::limits::{Limited, Seen, Window};
use crate::scalars::bounded;
use crate::transport::{Response, TransportError};

/// Bytes of an unexpected body that an error may quote.
const EXCERPT_BYTES: usize = 200;

/// A call that did not give what was asked for. The variants are the things a caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 401: Xero does not accept the access token, and a fresh one was not to be had or was refused too. Connect again.
    #[error("xero does not accept the access token ({detail}), connect the organisation again")]
    Expired {
        /// Xero's own word, such as `TokenExpired`.
        detail: String,
    },
    /// 401 `AuthorizationUnsuccessful`: the consent lacks a scope. Ask for consent with more scopes.
    #[error("the consent does not cover this part of xero ({detail}), connect again with the missing scope")]
    MissingScope {
        /// Xero's own word.
        detail: String,
    },
    /// 403: the tenant is no longer connected to the app (or the header names a wrong one). Never refresh on this.
    #[error("the organisation is not connected at xero any more ({detail}), connect it again")]
    Disconnected {
        /// Xero's own word.
        detail: String,
    },
    /// 403 for another reason: the connecting user's role or the plan does not allow this.
    #[error("xero forbids this to the connected user ({detail}), check the user's role in xero and the plan")]
    Forbidden {
        /// Xero's own word.
        detail: String,
    },
    /// A limit is used up. Nothing was applied. Try again at `resume_at`.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// 400: Xero understood and refused. Fix the data; the messages say how.
    #[error(transparent)]
    Rejected(Box<Rejected>),
    /// 404: there is no such record (or path).
    #[error("xero has no such record")]
    Gone,
    /// 5xx and the like: try again later. A write **may have been applied**.
    #[error("xero failed with status {status} ({detail}), try again later")]
    Transient {
        /// The status code.
        status: u16,
        /// `Retry-After`, if there was one.
        retry_after: Option<Duration>,
        /// An excerpt of the body.
        detail: String,
    },
    /// The request left and no answer came. A write **may have been applied**: look before sending again.
    #[error("xero did not answer: {detail}")]
    Unanswered {
        /// The transport's word.
        detail: String,
    },
    /// The request never left: it is safe to send again.
    #[error("xero could not be reached: {detail}")]
    NotSent {
        /// The transport's word.
        detail: String,
    },
    /// An answer that Xero's API does not give: HTML, a truncated body, a redirect, fewer elements than were written. With a
    /// 2xx a write was probably applied.
    #[error("xero's answer (status {status}) cannot be understood: {detail}")]
    Protocol {
        /// The status code.
        status: u16,
        /// What is wrong, with a bounded excerpt.
        detail: String,
    },
    /// A write's [`crate::WriteOptions::not_after`] had passed when its turn came. Nothing was sent.
    #[error("the write was not sent: its time was over before its turn came, look what became of it and plan it anew")]
    TooLate,
    /// The request was refused by this crate before anything was sent.
    #[error("request not sent: {0}")]
    Invalid(String),
    /// There is no access token to call with.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// A 400 with Xero's reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("xero refused the request: {}", self.summary())]
pub struct Rejected {
    /// `ErrorNumber`: 10 validation, 14 unreadable data, 16 unreadable `where`.
    pub error_number: Option<i64>,
    /// `Type`, such as `ValidationException`.
    pub kind: Option<String>,
    /// `Message`.
    pub message: String,
    /// The refused elements, if the answer lists them.
    pub elements: Vec<RejectedElement>,
    /// `Xero-Correlation-Id`, to quote to Xero's support.
    pub correlation_id: Option<String>,
}

/// One refused element of a [`Rejected`] request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectedElement {
    /// The id that the element carries, unless it is the zero GUID of a failed create.
    pub id: Option<Uuid>,
    /// Xero's messages, verbatim.
    pub messages: Vec<String>,
}

impl Rejected {
    /// All messages, the elements' own first.
    pub fn messages(&self) -> Vec<&str> {
        let own: Vec<&str> = self.elements.iter().flat_map(|element| &element.messages).map(String::as_str).collect();
        if own.is_empty() { vec![&self.message] } else { own }
    }

    /// Whether the `Idempotency-Key` was used before with another request: the write with that key stands as it was.
    pub fn is_key_reused(&self) -> bool {
        self.message.contains("Idempotency Key") && self.message.contains("different request")
    }

    fn summary(&self) -> String {
        bounded(&self.messages().join("; "), 500).to_owned()
    }
}

impl Error {
    /// When the same call may be tried again, for errors that heal by themselves. Zero means at once.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Error::Limited(limited) => Some(clock::until(now, limited.resume_at)),
            Error::Transient { retry_after, .. } => Some(retry_after.unwrap_or(Duration::from_secs(1))),
            Error::Unanswered { .. } | Error::NotSent { .. } => Some(Duration::from_secs(1)),
            Error::Token(TokenError::Unavailable { retry_after, .. }) => Some(*retry_after),
            _ => None,
        }
    }

    /// Whether the same call will fail again until a person or a program changes something.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Expired { .. }
            | Error::MissingScope { .. }
            | Error::Disconnected { .. }
            | Error::Forbidden { .. } => true,
            Error::Rejected(_) | Error::Gone | Error::Invalid(_) | Error::Protocol { .. } => true,
            Error::Token(TokenError::NeedsReconnect { .. }) => true,
            Error::Limited(_)
            | Error::Transient { .. }
            | Error::Unanswered { .. }
            | Error::NotSent { .. }
            | Error::TooLate
            | Error::Token(_) => false,
        }
    }

    /// Whether Xero answered 500. Xero keeps answers under their `Idempotency-Key`, errors included: the same write with the
    /// same key would get the same 500 again, whatever became of it, so a write that ended so is looked up, never resent.
    pub fn was_internal_error(&self) -> bool {
        matches!(self, Error::Transient { status: 500, .. })
    }

    /// Whether a **write** that ended in this error may have been applied at Xero: look there before sending it again.
    ///
    /// True for 408, 425 and every 5xx but 501, for no answer at all, and for an answer below 400 that cannot be read. False
    /// for what Xero refused (400 to 429, 501) and for what never left.
    pub fn may_have_applied(&self) -> bool {
        match self {
            Error::Transient { .. } | Error::Unanswered { .. } => true,
            Error::Protocol { status, .. } => *status < 400,
            _ => false,
        }
    }

    /// Whether only the connecting person can help.
    pub fn needs_person(&self) -> bool {
        matches!(
            self,
            Error::Expired { .. }
                | Error::MissingScope { .. }
                | Error::Disconnected { .. }
                | Error::Forbidden { .. }
                | Error::Token(TokenError::NeedsReconnect { .. })
        )
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Error {
        match error {
            TransportError::NotSent(detail) => Error::NotSent { detail },
            TransportError::Unanswered(detail) => Error::Unanswered { detail },
        }
    }
}

/// Whether an answer is what was asked for, or which error it is. `limited` is the governor's word on a 429.
pub(crate) fn classify(
    response: &Response,
    seen: &Seen,
    limited: Option<Limited>,
    now: Timestamp,
) -> Result<(), Error> {
    let status = response.status.as_u16();
    match status {
        200..=299 | 304 => Ok(()),
        400 => Err(rejected(response)),
        401 => {
            let detail = problem_detail(response);
            let missing_scope = detail.contains("AuthorizationUnsuccessful");
            Err(if missing_scope { Error::MissingScope { detail } } else { Error::Expired { detail } })
        }
        403 => {
            let detail = problem_detail(response);
            let disconnected = detail.contains("AuthenticationUnsuccessful") || detail.is_empty();
            Err(if disconnected { Error::Disconnected { detail } } else { Error::Forbidden { detail } })
        }
        404 => Err(Error::Gone),
        429 => Err(Error::Limited(limited.unwrap_or_else(|| Limited {
            window: seen.problem.unwrap_or(Window::Unknown),
            resume_at: clock::after(now, seen.retry_after.unwrap_or(Duration::from_secs(60))),
        }))),
        408 | 425 | 500 | 502..=599 => {
            let detail = excerpt(&response.body);
            // Xero's advice for this text; nothing else says how long an organisation stays offline.
            let offline = detail.contains("Organisation is offline").then_some(Duration::from_secs(300));
            Err(Error::Transient { status, retry_after: seen.retry_after.or(offline), detail })
        }
        _ => Err(Error::Protocol { status, detail: unexpected(response) }),
    }
}

fn unexpected(response: &Response) -> String {
    if response.status.is_redirection() {
        return "a redirect, which is never followed: check the base URL".to_owned();
    }
    excerpt(&response.body)
}

/// A short, single-line, printable quotation of a body, for people. Nothing that looks like a token is quoted.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT_BYTES)]);
    let words: Vec<&str> =
        head.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    // Long unbroken runs are tokens or noise; neither helps a person.
    let shown: Vec<&str> = words.into_iter().map(|word| if word.len() > 80 { "…" } else { word }).collect();
    let line = shown.join(" ");
    let short = bounded(&line, EXCERPT_BYTES);
    match (short.is_empty(), short.len() < line.len()) {
        (true, _) => "empty body".to_owned(),
        (false, true) => format!("{short}…"),
        (false, false) => short.to_owned(),
    }
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "Detail")]
    detail: Option<String>,
    #[serde(rename = "Title")]
    title: Option<String>,
}

/// The `Detail` of a problem body; an excerpt if it is none; empty if there is no body.
fn problem_detail(response: &Response) -> String {
    match serde_json::from_slice::<Problem>(&response.body) {
        Ok(problem) => {
            let detail = problem.detail.or(problem.title).unwrap_or_default();
            bounded(&detail, EXCERPT_BYTES).to_owned()
        }
        Err(_) if response.body.is_empty() => String::new(),
        Err(_) => excerpt(&response.body),
    }
}

/// A validation message: `Message` on the wire, `Description` in one published sample.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct MessageOf {
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "Description")]
    description: Option<String>,
}

impl MessageOf {
    pub(crate) fn text(self) -> Option<String> {
        self.message.or(self.description)
    }
}

fn rejected(response: &Response) -> Error {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(rename = "ErrorNumber")]
        error_number: Option<i64>,
        #[serde(rename = "Type")]
        kind: Option<String>,
        #[serde(rename = "Message", alias = "Detail", alias = "Title")]
        message: Option<String>,
        #[serde(rename = "Elements", default, borrow)]
        elements: Vec<&'a serde_json::value::RawValue>,
    }
    let correlation_id = response.header("xero-correlation-id").map(str::to_owned);
    let body: Body<'_> = match serde_json::from_slice(&response.body) {
        Ok(body) => body,
        Err(_) => return Error::Protocol { status: 400, detail: excerpt(&response.body) },
    };
    let elements = body.elements.iter().map(|raw| rejected_element(raw.get())).collect();
    let message = body.message.unwrap_or_else(|| "no message was given".to_owned());
    Error::Rejected(Box::new(Rejected {
        error_number: body.error_number,
        kind: body.kind,
        message,
        elements,
        correlation_id,
    }))
}

/// The messages of an element, its own and those of its children (lines, phones), and the first id it carries.
pub(crate) fn rejected_element(raw: &str) -> RejectedElement {
    let Ok(tree) = serde_json::from_str::<serde_json::Value>(raw) else { return RejectedElement::default() };
    let mut messages = Vec::new();
    collect_messages(&tree, "ValidationErrors", &mut messages);
    const ID_KEYS: [&str; 8] = [
        "InvoiceID",
        "ContactID",
        "PaymentID",
        "CreditNoteID",
        "BankTransactionID",
        "PrepaymentID",
        "OverpaymentID",
        "AccountID",
    ];
    let text_at = |key: &&str| tree.get(*key).and_then(|id| id.as_str());
    let id = ID_KEYS.iter().find_map(text_at).and_then(|text| Uuid::try_parse(text).ok()).filter(|id| !id.is_nil());
    RejectedElement { id, messages }
}

/// All messages below `tree` that stand in lists called `key`, in a fixed order, without repeats.
pub(crate) fn collect_messages(tree: &serde_json::Value, key: &str, messages: &mut Vec<String>) {
    match tree {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if name == key {
                    let listed = Vec::<MessageOf>::deserialize(value).unwrap_or_default();
                    for text in listed.into_iter().filter_map(MessageOf::text) {
                        if !messages.contains(&text) {
                            messages.push(text);
                        }
                    }
                } else {
                    collect_messages(value, key, messages);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_messages(item, key, messages)),
        _ => {}
    }
}
