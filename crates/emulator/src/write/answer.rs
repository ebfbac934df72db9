//! Answers to writes: the envelope, the 400 that names only the failed elements, and the per-element status.

use uuid::Uuid;

use super::Writer;
use super::body::BadBody;
use crate::http::Response;
use crate::render::{envelope, push_array, push_object};

/// What became of one element of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Saved: the element as it is now, and warnings about what was not taken.
    Saved {
        /// The rendered object.
        element: Vec<u8>,
        /// Messages of the warnings.
        warnings: Vec<String>,
    },
    /// Refused: the element as it was understood, and why.
    Refused {
        /// The rendered object.
        element: Vec<u8>,
        /// Messages of the refusal; never empty.
        messages: Vec<String>,
    },
}

impl Outcome {
    /// Saved without a warning.
    pub(super) fn saved(element: Vec<u8>) -> Self {
        Self::Saved { element, warnings: Vec::new() }
    }

    /// Refused; a message that several parts of the element gave is told once.
    pub(super) fn refused(element: Vec<u8>, messages: Vec<String>) -> Self {
        let mut unique: Vec<String> = Vec::with_capacity(messages.len());
        for message in messages {
            if !unique.contains(&message) {
                unique.push(message);
            }
        }
        Self::Refused { element, messages: unique }
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Why a whole request has no elements to answer with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The body cannot be read: 400 with ErrorNumber 14.
    Bad(BadBody),
    /// An id in the path or body is unknown: 404 as HTML.
    Gone,
}

impl From<BadBody> for Failure {
    fn from(bad: BadBody) -> Self {
        Self::Bad(bad)
    }
}

impl Failure {
    pub(super) fn response(self) -> Response {
        match self {
            Self::Bad(BadBody(message)) => error(14, "PostDataInvalidException", &message),
            Self::Gone => Response::not_found(),
        }
    }
}

/// A 400 without elements.
pub(super) fn error(number: i64, kind: &str, message: &str) -> Response {
    let mut out = Vec::new();
    push_object(&mut out, |object| {
        object.whole("ErrorNumber", number);
        object.text("Type", kind);
        object.text("Message", message);
    });
    Response::json(400, out)
}

/// The answer to a request whose elements were all tried.
pub(super) fn answer(writer: &mut Writer<'_>, collection: &str, outcomes: Vec<Outcome>) -> Response {
    let refused = outcomes.iter().filter(|outcome| outcome.is_refused()).count();
    writer.notes.refused += refused as u64;
    writer.notes.saved += (outcomes.len() - refused) as u64;
    if writer.summarize && outcomes.iter().any(Outcome::is_refused) {
        return refusal(&outcomes);
    }
    let id: Uuid = writer.books.next_id();
    let with_status = !writer.summarize;
    let body = envelope(id, writer.provider, writer.now, None, collection, |out| {
        push_array(out, outcomes, |out, outcome| push_outcome(out, outcome, with_status));
    });
    Response::json(200, body)
}

/// The 400 of the default mode: only the failed elements; the others are saved all the same.
fn refusal(outcomes: &[Outcome]) -> Response {
    let mut out = Vec::new();
    push_object(&mut out, |object| {
        object.whole("ErrorNumber", 10);
        object.text("Type", "ValidationException");
        object.text("Message", "A validation exception occurred");
        let failed = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Refused { element, messages } => Some((element, messages)),
            Outcome::Saved { .. } => None,
        });
        object.array("Elements", failed, |out, (element, messages)| {
            let mut open = opened(element);
            push_messages(&mut open, "ValidationErrors", messages);
            open.push(b'}');
            out.extend_from_slice(&open);
        });
    });
    Response::json(400, out)
}

fn push_outcome(out: &mut Vec<u8>, outcome: Outcome, with_status: bool) {
    let (element, status, key, messages) = match outcome {
        Outcome::Saved { element, warnings } if warnings.is_empty() => (element, "OK", "Warnings", warnings),
        Outcome::Saved { element, warnings } => (element, "WARNING", "Warnings", warnings),
        Outcome::Refused { element, messages } => (element, "ERROR", "ValidationErrors", messages),
    };
    let mut open = opened(&element);
    if with_status {
        separate(&mut open);
        open.extend_from_slice(b"\"StatusAttributeString\":\"");
        open.extend_from_slice(status.as_bytes());
        open.push(b'"');
    }
    if !messages.is_empty() {
        push_messages(&mut open, key, &messages);
    }
    open.push(b'}');
    out.extend_from_slice(&open);
}

/// A rendered object without its closing brace, so that keys can follow.
fn opened(element: &[u8]) -> Vec<u8> {
    element.strip_suffix(b"}").unwrap_or(element).to_vec()
}

fn separate(open: &mut Vec<u8>) {
    if open.last() != Some(&b'{') {
        open.push(b',');
    }
}

fn push_messages(open: &mut Vec<u8>, key: &str, messages: &[String]) {
    separate(open);
    open.push(b'"');
    open.extend_from_slice(key.as_bytes());
    open.extend_from_slice(b"\":");
    push_array(open, messages, |out, message| push_object(out, |object| object.text("Message", message)));
}
