//! What a write asks for and what became of each of its elements.
//!
//! Every write is sent with `summarizeErrors=false`: Xero's batches are not atomic, and the default mode hides the ids of the
//! elements that it did save (xero-facts §5.2).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::clock::Deadline;
use crate::error::{collect_messages, rejected_element};
use crate::page::{Envelope, Undecodable, decode_as};
use jiff::Timestamp;

/// `Idempotency-Key` may have at most this many characters.
pub const MAX_KEY_CHARS: usize = 128;

/// How a write is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Sent as `Idempotency-Key`, at most 128 characters. Xero replays its answer for 6 minutes, errors included; it protects
    /// against a lost answer only within that time.
    pub idempotency_key: Option<String>,
    /// After this moment the bytes do not leave any more: the write ends in [`crate::Error::TooLate`]. Checked as the last step
    /// before the transport, after every wait for a token or a limit; opening a connection comes behind it, so leave the
    /// transport's connect time-out as a margin. `None`: whenever its turn comes.
    pub not_after: Option<Deadline>,
}

impl WriteOptions {
    /// A write with this key.
    pub fn with_key(key: impl Into<String>) -> WriteOptions {
        WriteOptions { idempotency_key: Some(key.into()), not_after: None }
    }

    /// The same, but not sent after `deadline`.
    #[must_use]
    pub fn not_after(self, deadline: Deadline) -> WriteOptions {
        WriteOptions { not_after: Some(deadline), ..self }
    }
}

/// What became of one element.
#[derive(Debug, Clone, PartialEq)]
pub enum ElementResult<T> {
    /// Saved; warnings do not prevent that.
    Saved {
        /// The record as Xero answered it.
        entity: Box<T>,
        /// Xero's warnings, verbatim.
        warnings: Vec<String>,
    },
    /// Not saved.
    Refused {
        /// The id that the element carries, unless it is the zero GUID of a failed create.
        id: Option<Uuid>,
        /// Xero's messages, verbatim and without repeats.
        messages: Vec<String>,
    },
    /// Saved, as far as its status tells, but the record that came back cannot be read: get it by id.
    Unreadable(Undecodable),
}

/// The answer to a write: exactly one result per sent element, in the order sent. An answer with fewer or more elements is
/// never given: it ends in [`crate::Error::Protocol`], because what became of which element cannot be told from it.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// One result per sent element.
    pub elements: Vec<ElementResult<T>>,
    /// `Xero-Correlation-Id`.
    pub correlation_id: Option<String>,
    /// The answer's HTTP `Date`.
    pub server_date: Option<Timestamp>,
    /// The envelope's `DateTimeUTC`.
    pub date_time_utc: Option<Timestamp>,
    /// Bytes of body that crossed the wire.
    pub wire_bytes: u64,
    /// Calls that this write cost: more than one after a token refresh.
    pub calls: u32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    #[serde(rename = "StatusAttributeString")]
    status: Option<String>,
    #[serde(rename = "HasErrors")]
    has_errors: Option<bool>,
    #[serde(rename = "HasValidationErrors")]
    has_validation_errors: Option<bool>,
}

/// Reads the elements of a write's answer.
pub(crate) fn read_elements<T: DeserializeOwned>(envelope: &Envelope<'_>, id: &str) -> Vec<ElementResult<T>> {
    envelope.elements.iter().map(|raw| read_element(raw.get(), id)).collect()
}

fn read_element<T: DeserializeOwned>(text: &str, id: &str) -> ElementResult<T> {
    let status: Status = serde_json::from_str(text).unwrap_or_default();
    let failed = match status.status.as_deref() {
        Some("ERROR") => true,
        Some("OK" | "WARNING") => false,
        // Without the attribute the two flags are all there is.
        _ => status.has_errors == Some(true) || status.has_validation_errors == Some(true),
    };
    if failed {
        let element = rejected_element(text);
        return ElementResult::Refused { id: element.id, messages: element.messages };
    }
    match decode_as(text, id) {
        Ok(entity) => ElementResult::Saved { entity: Box::new(entity), warnings: warnings(text) },
        Err(undecodable) => ElementResult::Unreadable(undecodable),
    }
}

fn warnings(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.contains("\"Warnings\"")
        && let Ok(tree) = serde_json::from_str(text)
    {
        collect_messages(&tree, "Warnings", &mut messages);
    }
    messages
}
