//! One page of a list: the envelope is read once, each element on its own, so that one bad element never loses its page.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::books::Books;
use crate::entities::Entity;
use crate::error::Error;
use crate::query::ListQuery;
use crate::scalars::{bounded, parse_instant};

/// Bytes of an undecodable element that are kept for a person to look at.
const RAW_BYTES: usize = 4096;

/// A decoded element, or why it is none.
pub type Item<T> = Result<T, Undecodable>;

/// An element that cannot be read. The other elements of its page are unharmed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {} cannot be read: {message}", id.map(|id| id.to_string()).unwrap_or_else(|| "without id".to_owned()))]
pub struct Undecodable {
    /// The element's id, if at least that could be read.
    pub id: Option<Uuid>,
    /// The element's JSON text, cut to 4 KiB. Holds business data: for the operator's eyes, not for logs.
    pub raw: Box<str>,
    /// Where and why.
    pub message: String,
}

/// Prints id and reason, not the record itself.
impl fmt::Debug for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undecodable").field("id", &self.id).field("message", &self.message).finish_non_exhaustive()
    }
}

/// The `pagination` block; present only when a page was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pagination {
    /// The page's number, from 1.
    pub page: u32,
    /// Rows per page, as Xero clamped it.
    pub page_size: u32,
    /// Pages in all.
    pub page_count: u32,
    /// Rows in all.
    pub item_count: u64,
}

/// A page with its elements decoded.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The elements in Xero's order.
    pub items: Vec<Item<T>>,
    /// The page's number, from 1.
    pub number: u32,
    /// Pages in all, if Xero said so.
    pub page_count: Option<u32>,
    /// Rows in all, if Xero said so.
    pub item_count: Option<u64>,
    /// The answer's HTTP `Date`: Xero's clock, to the second.
    pub server_date: Option<Timestamp>,
    /// The envelope's `DateTimeUTC`: Xero's clock, to the millisecond.
    pub date_time_utc: Option<Timestamp>,
    /// Bytes of body that crossed the wire for this page, retries included.
    pub wire_bytes: u64,
    /// Calls that this page cost, retries included.
    pub calls: u32,
    /// Whether this is the last page.
    pub is_last: bool,
}

/// A page whose elements are still text: for callers that compare hashes before they decode, and for moving the decoding off
/// the I/O thread.
#[derive(Clone)]
pub struct RawPage<T> {
    body: Bytes,
    elements: Vec<Range<usize>>,
    /// The `pagination` block.
    pub pagination: Option<Pagination>,
    /// The page's number, from 1.
    pub number: u32,
    /// The answer's HTTP `Date`.
    pub server_date: Option<Timestamp>,
    /// The envelope's `DateTimeUTC`.
    pub date_time_utc: Option<Timestamp>,
    /// Bytes of body that crossed the wire for this page, retries included.
    pub wire_bytes: u64,
    /// Calls that this page cost, retries included.
    pub calls: u32,
    /// Whether this is the last page.
    pub is_last: bool,
    kind: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for RawPage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawPage(number {}, {} elements)", self.number, self.elements.len())
    }
}

/// What is known about a page apart from its body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) number: u32,
    pub(crate) page_size: u16,
    pub(crate) server_date: Option<Timestamp>,
    pub(crate) wire_bytes: u64,
    pub(crate) calls: u32,
}

impl<T: Entity> RawPage<T> {
    pub(crate) fn read(body: Bytes, facts: Facts) -> Result<RawPage<T>, serde_json::Error> {
        let envelope = Envelope::read(&body, T::COLLECTION)?;
        let elements: Vec<Range<usize>> = envelope.elements.iter().map(|raw| position(&body, raw.get())).collect();
        let pagination = envelope.pagination;
        let date_time_utc = envelope.date_time_utc;
        let is_last = !T::PAGED
            || elements.is_empty()
            || match pagination {
                Some(pagination) if pagination.page_count > 0 => facts.number >= pagination.page_count,
                _ => elements.len() < usize::from(facts.page_size),
            };
        let Facts { number, server_date, wire_bytes, calls, .. } = facts;
        let kind = PhantomData;
        Ok(RawPage { body, elements, pagination, number, server_date, date_time_utc, wire_bytes, calls, is_last, kind })
    }

    /// How many elements the page has.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether the page has no elements.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The JSON text of each element, byte for byte as Xero sent it.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        // The body was read as UTF-8 when the envelope was, and the ranges are of whole values.
        self.elements.iter().map(|range| std::str::from_utf8(&self.body[range.clone()]).unwrap_or_default())
    }

    /// Decodes one element's text.
    pub fn decode_text(text: &str) -> Item<T> {
        decode(text)
    }

    /// Decodes every element.
    pub fn decode(&self) -> Page<T> {
        Page {
            items: self.texts().map(decode).collect(),
            number: self.number,
            page_count: self.pagination.map(|pagination| pagination.page_count),
            item_count: self.pagination.map(|pagination| pagination.item_count),
            server_date: self.server_date,
            date_time_utc: self.date_time_utc,
            wire_bytes: self.wire_bytes,
            calls: self.calls,
            is_last: self.is_last,
        }
    }
}

/// Where `part`, a slice of `whole`, starts and ends in it.
fn position(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// Decodes one element of a kind.
pub(crate) fn decode<T: Entity>(text: &str) -> Item<T> {
    decode_as(text, T::ID)
}

/// Decodes one element whose id stands under `key`.
pub(crate) fn decode_as<T: DeserializeOwned>(text: &str, key: &str) -> Item<T> {
    serde_json::from_str(text).map_err(|error| Undecodable {
        id: id_of(text, key),
        raw: bounded(text, RAW_BYTES).into(),
        message: error.to_string(),
    })
}

/// The id in an element that cannot be decoded as a whole.
fn id_of(text: &str, key: &str) -> Option<Uuid> {
    // Raw values, because what is wrong with the element may be the value of any other field.
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    let id: Cow<'_, str> = serde_json::from_str(fields.get(key)?.get()).ok()?;
    Uuid::try_parse(&id).ok().filter(|id| !id.is_nil())
}

/// Xero's envelope around a collection, with the elements as raw text.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) elements: Vec<&'a RawValue>,
    pub(crate) pagination: Option<Pagination>,
    pub(crate) date_time_utc: Option<Timestamp>,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope; the collection must be there.
    pub(crate) fn read(body: &'a [u8], collection: &'static str) -> Result<Envelope<'a>, serde_json::Error> {
        struct EnvelopeVisitor(&'static str);
        impl<'de> Visitor<'de> for EnvelopeVisitor {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "xero's envelope with {}", self.0)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut envelope = Envelope::default();
                let mut found = false;
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match key.as_ref() {
                        name if name == self.0 => {
                            envelope.elements = map.next_value::<Option<Vec<&'de RawValue>>>()?.unwrap_or_default();
                            found = true;
                        }
                        "pagination" => envelope.pagination = map.next_value()?,
                        "DateTimeUTC" => {
                            let text = map.next_value::<Option<Cow<'de, str>>>()?;
                            // A clock that cannot be read is no reason to lose the page; the header has it too.
                            envelope.date_time_utc = text.and_then(|text| parse_instant(&text).ok());
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                if found { Ok(envelope) } else { Err(serde::de::Error::missing_field(self.0)) }
            }
        }
        let text = std::str::from_utf8(body).map_err(serde::de::Error::custom)?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let envelope = deserializer.deserialize_map(EnvelopeVisitor(collection))?;
        deserializer.end()?;
        Ok(envelope)
    }
}

/// A list as a stream of pages.
#[derive(Debug)]
pub struct Pages<T> {
    books: Books,
    query: ListQuery,
    next: Option<u32>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Entity> Pages<T> {
    pub(crate) fn new(books: Books, query: ListQuery, first: u32) -> Pages<T> {
        Pages { books, query, next: Some(first.max(1)), kind: PhantomData }
    }

    /// The next page; `None` after the last. The first page is given even when it is empty, because it carries Xero's clock.
    /// After an error the same page is asked for again.
    pub async fn next(&mut self) -> Result<Option<Page<T>>, Error> {
        Ok(self.next_raw().await?.map(|page| page.decode()))
    }

    /// The next page with its elements still text.
    pub async fn next_raw(&mut self) -> Result<Option<RawPage<T>>, Error> {
        let Some(number) = self.next else { return Ok(None) };
        let page = self.books.fetch_raw_page::<T>(&self.query, number).await?;
        self.next = if page.is_last { None } else { number.checked_add(1) };
        Ok(Some(page))
    }
}
