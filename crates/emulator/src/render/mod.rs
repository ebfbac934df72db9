//! JSON out: every entity written straight into a byte buffer, in the shapes and key order observed on the wire.
//!
//! The same row looks different in an unpaged list, in a page, alone and in the answer to a write; [`Shape`] says which.
//! Absent values are left out, absent children are empty arrays.

mod contact;
mod document;
mod json;
mod payment;
mod reference;

pub(crate) use contact::*;
pub(crate) use document::*;
pub(crate) use json::*;
pub(crate) use payment::*;
pub(crate) use reference::*;

use jiff::civil::Date;
use uuid::Uuid;

use crate::books::{Books, Millis};
use crate::dates;
use crate::ledger::HistoryRecord;

/// Where a row is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A list without paging: no lines, slim contacts.
    List,
    /// A page of a list with `summaryOnly=true`.
    Summary,
    /// A page of a list: lines, slim contacts in documents.
    Page,
    /// The answer to a GET by id: everything.
    Single,
    /// The answer to a PUT or POST: everything but `Payments` and `CreditNotes`.
    Write,
}

impl Shape {
    /// Whether lines are shown.
    pub(crate) fn has_lines(self) -> bool {
        matches!(self, Self::Page | Self::Single | Self::Write)
    }

    /// Whether contacts in documents are shown in full, and lines with their validation errors.
    pub(crate) fn is_full(self) -> bool {
        matches!(self, Self::Single | Self::Write)
    }
}

/// What rendering needs beside the row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The books that the row is from.
    pub(crate) books: &'a Books,
    /// Today in the organisation's time zone; decides what is overdue.
    pub(crate) today: Date,
    /// Decimals of unit amounts: 2, or 4 with `unitdp=4`.
    pub(crate) unit_dp: u32,
}

/// The position of a page in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pagination {
    /// From 1.
    pub(crate) page: usize,
    /// Rows per page.
    pub(crate) page_size: usize,
    /// Pages in all.
    pub(crate) page_count: usize,
    /// Rows in all.
    pub(crate) item_count: usize,
}

/// Writes Xero's envelope around a collection: `Id`, `Status`, `ProviderName`, `DateTimeUTC`, `pagination` when paged,
/// then `key` with the array that `write` appends.
pub(crate) fn envelope(
    id: Uuid,
    provider: &str,
    now: Millis,
    pagination: Option<Pagination>,
    key: &str,
    write: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    let mut object = Object::open(&mut out);
    object.id("Id", id);
    object.text("Status", "OK");
    object.text("ProviderName", provider);
    dates::push_ms_bare(object.key("DateTimeUTC"), now);
    if let Some(pagination) = pagination {
        object.object("pagination", |inner| {
            for (key, value) in [
                ("page", pagination.page),
                ("pageSize", pagination.page_size),
                ("pageCount", pagination.page_count),
                ("itemCount", pagination.item_count),
            ] {
                inner.whole(key, i64::try_from(value).unwrap_or(i64::MAX));
            }
        });
    }
    write(object.key(key));
    object.close();
    out
}

/// The lines of a record's history.
pub(crate) fn history<'a>(out: &mut Vec<u8>, records: impl Iterator<Item = &'a HistoryRecord>) {
    push_array(out, records, |out, record| {
        push_object(out, |object| {
            object.text("Changes", record.changes);
            object.naive_string("DateUTCString", record.at);
            object.instant("DateUTC", record.at);
            object.text("User", &record.user);
            object.text("Details", &record.details);
        });
    });
}
