//! The query of a list: what the parameters and headers ask for, before any row is looked at.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::api::bad_request;
use crate::books::Millis;
use crate::config::Settings;
use crate::dates;
use crate::filter::fold;
use crate::http::{Request, Response};

const DEFAULT_PAGE_SIZE: usize = 100;

/// A read query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// `where`, decoded.
    pub(crate) filter: Option<String>,
    /// `order`, decoded.
    pub(crate) order: Option<String>,
    /// `If-Modified-Since` in milliseconds, cut to the second.
    pub(crate) since: Option<Millis>,
    /// Page from 1, when paging was asked for.
    pub(crate) page: Option<usize>,
    /// Rows per page, clamped.
    pub(crate) page_size: usize,
    /// `IDs`.
    pub(crate) ids: Option<BTreeSet<Uuid>>,
    /// `InvoiceNumbers`, folded for comparison without case.
    pub(crate) numbers: Option<BTreeSet<String>>,
    /// `References`, folded.
    pub(crate) references: Option<BTreeSet<String>>,
    /// `ContactIDs`.
    pub(crate) contacts: Option<BTreeSet<Uuid>>,
    /// `Statuses`, in capitals.
    pub(crate) statuses: Option<BTreeSet<String>>,
    /// `includeArchived=true`.
    pub(crate) include_archived: bool,
    /// `createdByMyApp=true`.
    pub(crate) created_by_app: bool,
    /// `summaryOnly=true`.
    pub(crate) summary_only: bool,
    /// `searchTerm`, folded.
    pub(crate) search: Option<String>,
    /// Decimals of unit amounts.
    pub(crate) unit_dp: u32,
    /// The query without what only cuts and shows: two queries with the same text select the same rows.
    pub(crate) selection_key: String,
}

impl Query {
    /// Reads the parameters, whose names may be in any case. Unknown ones are ignored.
    pub(crate) fn read(request: &Request, settings: &Settings) -> Result<Self, Response> {
        let mut query = Self { page_size: DEFAULT_PAGE_SIZE, unit_dp: 2, ..Self::default() };
        let mut has_page_size = false;
        for (name, value) in request.query_pairs() {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let is_true = value.eq_ignore_ascii_case("true");
            match name.to_ascii_lowercase().as_str() {
                "where" => query.filter = Some(value.to_owned()),
                "order" => query.order = Some(value.to_owned()),
                "page" => query.page = Some(value.parse().unwrap_or(1).max(1)),
                "pagesize" => {
                    has_page_size = true;
                    let size = value.parse::<i64>().unwrap_or(DEFAULT_PAGE_SIZE as i64);
                    query.page_size = usize::try_from(size).unwrap_or(1).clamp(1, settings.max_page_size);
                }
                "ids" => query.ids = Some(guids(value, &name)?),
                "contactids" => query.contacts = Some(guids(value, &name)?),
                "invoicenumbers" => query.numbers = Some(words(value)),
                "references" => query.references = Some(words(value)),
                "statuses" => query.statuses = Some(value.split(',').map(|word| word.trim().to_uppercase()).collect()),
                "includearchived" => query.include_archived = is_true,
                "createdbymyapp" => query.created_by_app = is_true,
                "summaryonly" => query.summary_only = is_true,
                "searchterm" => query.search = Some(fold(value)),
                "unitdp" => query.unit_dp = if value == "4" { 4 } else { 2 },
                _ => continue,
            }
        }
        if query.page.is_none()
            && ((has_page_size && settings.page_size_alone_pages) || query.statuses.is_some() || query.summary_only)
        {
            query.page = Some(1);
        }
        if let Some(text) = request.header("If-Modified-Since") {
            query.since = dates::parse_if_modified_since(text);
            if query.since.is_none() {
                let message = format!("The string '{text}' is not a valid AllXsd value.");
                return Err(bad_request(14, "PostDataInvalidException", &message));
            }
        }
        query.selection_key = query.key();
        Ok(query)
    }

    fn key(&self) -> String {
        format!(
            "{:?}",
            (
                (&self.filter, &self.order, self.since, &self.ids, &self.numbers, &self.references),
                (&self.contacts, &self.statuses, self.include_archived, self.created_by_app, &self.search),
            )
        )
    }
}

fn guids(value: &str, name: &str) -> Result<BTreeSet<Uuid>, Response> {
    value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            Uuid::parse_str(part).map_err(|_| {
                let message = format!("The value '{part}' of parameter {name} is not a valid GUID");
                bad_request(16, "QueryParseException", &message)
            })
        })
        .collect()
}

fn words(value: &str) -> BTreeSet<String> {
    value.split(',').map(|word| fold(word.trim().trim_matches('"'))).collect()
}
