//! One organisation's books: what can be read and written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use crate::client::{Answer, Call, Caller, Client, Cost, TokenSource};
use crate::endpoints::TenantId;
use crate::entities::{
    Account, Allocatable, Allocation, AllocationWrite, BankSummaryQuery, Entity, Organisation, ProfitAndLossQuery,
    Report, ReportQuery, TaxRate, Writable,
};
use crate::error::{Error, Rejected, RejectedElement};
use crate::limits::Lane;
use crate::page::{Envelope, Facts, Page, Pages, RawPage, decode_as};
use crate::query::{ListQuery, QueryString};
use crate::write::{ElementResult, WriteOptions, Written, read_elements};

/// Xero refuses bodies above 10 MB; the margin is for headers.
const MAX_BODY_BYTES: usize = 9_500_000;

/// The path and envelope of a credit's allocations.
const ALLOCATIONS: &str = "Allocations";

/// A handle for one organisation's books. Cheap to clone; clones share their usage counters.
#[derive(Clone)]
pub struct Books {
    client: Client,
    tenant: TenantId,
    tokens: Arc<dyn TokenSource>,
    lane: Lane,
    spent: Arc<Spent>,
}

/// What a handle and its clones have used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BooksUsage {
    /// Calls sent, retries and failures included: what Xero counts against its limits.
    pub calls: u64,
    /// Bytes of body received, compressed as they crossed the wire: what Xero bills as egress.
    pub wire_bytes: u64,
}

#[derive(Default)]
struct Spent {
    calls: AtomicU64,
    wire_bytes: AtomicU64,
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("tenant", &self.tenant).field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl Books {
    pub(crate) fn new(client: Client, tenant: TenantId, tokens: Arc<dyn TokenSource>, lane: Lane) -> Books {
        Books { client, tenant, tokens, lane, spent: Arc::default() }
    }

    /// The tenant.
    pub fn tenant_id(&self) -> TenantId {
        self.tenant
    }

    /// The client that this handle calls through.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same books with counters of their own, in the given lane: for one run.
    #[must_use]
    pub fn metered(&self, lane: Lane) -> Books {
        Books { lane, spent: Arc::default(), ..self.clone() }
    }

    /// What this handle and its clones have used so far.
    pub fn usage(&self) -> BooksUsage {
        BooksUsage {
            calls: self.spent.calls.load(Ordering::Relaxed),
            wire_bytes: self.spent.wire_bytes.load(Ordering::Relaxed),
        }
    }

    /// One record by its id, in its fullest form.
    pub async fn get<T: Entity>(&self, id: Uuid) -> Result<T, Error> {
        self.get_by(&id.to_string()).await
    }

    /// One record by what Xero takes in its path: an id, or a number of an invoice or contact.
    pub async fn get_by<T: Entity>(&self, id_or_number: &str) -> Result<T, Error> {
        if matches!(id_or_number, "" | "." | "..") {
            return Err(Error::Invalid("a record cannot be looked up by an empty id".to_owned()));
        }
        let mut url = self.accounting(&[T::PATH, id_or_number]);
        if T::HAS_LINES {
            url.set_query(Some("unitdp=4"));
        }
        let (answer, _) = self.send(&Call::get(url)).await?;
        only_element(&answer, T::COLLECTION, T::ID)
    }

    /// A list, page by page.
    pub fn pages<T: Entity>(&self, query: ListQuery) -> Pages<T> {
        Pages::new(self.clone(), query, 1)
    }

    /// A list from page `first` on.
    pub fn pages_from<T: Entity>(&self, query: ListQuery, first: u32) -> Pages<T> {
        Pages::new(self.clone(), query, first)
    }

    /// One page by its number, from 1.
    pub async fn fetch_page<T: Entity>(&self, query: &ListQuery, number: u32) -> Result<Page<T>, Error> {
        Ok(self.fetch_raw_page(query, number).await?.decode())
    }

    /// One page by its number, from 1, with its elements still text.
    pub async fn fetch_raw_page<T: Entity>(&self, query: &ListQuery, number: u32) -> Result<RawPage<T>, Error> {
        let settings = self.client.settings();
        let encoded = query.encode::<T>(number, settings.page_size)?;
        let mut url = self.accounting(&[T::PATH]);
        url.set_query((!encoded.is_empty()).then_some(encoded.as_str()));
        let call = Call { modified_since: query.modified_since, ..Call::get(url) };
        let (answer, cost) = self.send(&call).await?;
        let facts = Facts {
            number: number.max(1),
            page_size: query.page_size(settings.page_size),
            server_date: answer.server_date(),
            wire_bytes: cost.wire_bytes,
            calls: cost.calls,
        };
        // "Not modified" is an empty page: Xero has been seen to answer either.
        let body = match answer.is_not_modified() {
            true => Bytes::from(format!("{{\"{}\":[]}}", T::COLLECTION)),
            false => answer.response.body.clone(),
        };
        RawPage::read(body, facts).map_err(|error| answer.undecodable(&error))
    }

    /// The organisation itself.
    pub async fn organisation(&self) -> Result<Organisation, Error> {
        let (answer, _) = self.send(&Call::get(self.accounting(&[Organisation::PATH]))).await?;
        only_element(&answer, Organisation::COLLECTION, Organisation::ID)
    }

    /// The whole chart of accounts.
    pub async fn accounts(&self) -> Result<Page<Account>, Error> {
        self.fetch_page(&ListQuery::default(), 1).await
    }

    /// All tax rates, deleted ones included.
    pub async fn tax_rates(&self) -> Result<Page<TaxRate>, Error> {
        self.fetch_page(&ListQuery::default(), 1).await
    }

    /// `Reports/ProfitAndLoss`.
    pub async fn report_profit_and_loss(&self, query: &ProfitAndLossQuery) -> Result<Report, Error> {
        self.report(query).await
    }

    /// `Reports/BankSummary`.
    pub async fn report_bank_summary(&self, query: &BankSummaryQuery) -> Result<Report, Error> {
        self.report(query).await
    }

    async fn report<Q: ReportQuery>(&self, query: &Q) -> Result<Report, Error> {
        let mut encoded = QueryString::default();
        for (name, value) in query.parameters()? {
            encoded.add(name, &value);
        }
        let mut url = self.accounting(&["Reports", Q::NAME]);
        url.set_query(Some(&encoded.finish()));
        match self.send(&Call::get(url)).await {
            Ok((answer, _)) => only_element(&answer, "Reports", "ReportID"),
            // Reports need a role that the rest does not, so a 403 here says nothing about the connection.
            Err(Error::Disconnected { detail }) => Err(Error::Forbidden { detail }),
            Err(error) => Err(error),
        }
    }

    /// Creates records (`PUT`). At most 50 a call is Xero's advice.
    pub async fn put<T: Writable>(&self, elements: &[T::Write], options: &WriteOptions) -> Result<Written<T>, Error> {
        self.write_encoded(Method::PUT, encode_elements::<T>(elements)?, options).await
    }

    /// Creates or updates records (`POST`). Xero matches by id, then by number, and contacts by name: without an id this may
    /// change a record that the caller never saw.
    pub async fn post<T: Writable>(&self, elements: &[T::Write], options: &WriteOptions) -> Result<Written<T>, Error> {
        self.write_encoded(Method::POST, encode_elements::<T>(elements)?, options).await
    }

    /// Sends a body made by [`encode_elements`]: for callers that keep the very bytes, so that a key is never used with others.
    pub async fn write_encoded<T: Writable>(
        &self,
        method: Method,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Written<T>, Error> {
        self.write_encoded_to(method, None, body, options).await
    }

    /// The same, and with a `target` a body made by [`encode_one`] to that record (`POST /X/{id}`), such as the deletion of a
    /// payment. What `encode_elements` made goes to a target too, if it holds one element.
    ///
    /// # Errors
    /// An answer without exactly one element per sent one, one that is empty and one that is not JSON are
    /// [`Error::Protocol`]: the write may have been applied ([`Error::may_have_applied`]), and must not be taken as done.
    pub async fn write_encoded_to<T: Writable>(
        &self,
        method: Method,
        target: Option<Uuid>,
        body: Bytes,
        options: &WriteOptions,
    ) -> Result<Written<T>, Error> {
        let sent = match (method.as_str(), target) {
            ("POST", Some(_)) => 1,
            ("PUT" | "POST", None) => elements_of::<T>(&body)?,
            (_, Some(_)) => return Err(Error::Invalid("a write to one record is a POST".to_owned())),
            (_, None) => return Err(Error::Invalid("a write is a PUT or a POST".to_owned())),
        };
        let mut url = match target {
            Some(id) => self.accounting(&[T::PATH, &id.to_string()]),
            None => self.accounting(&[T::PATH]),
        };
        let query = if T::HAS_LINES { "summarizeErrors=false&unitdp=4" } else { "summarizeErrors=false" };
        url.set_query(Some(query));
        self.write_to(Write { method, url, body, sent, collection: T::COLLECTION, id: T::ID }, options).await
    }

    /// Posts one change to one record (`POST /X/{id}`), such as the deletion of a payment.
    pub async fn post_one<T: Writable>(
        &self,
        id: Uuid,
        change: &T::Write,
        options: &WriteOptions,
    ) -> Result<Written<T>, Error> {
        self.write_encoded_to(Method::POST, Some(id), encode_one::<T>(change)?, options).await
    }

    /// Applies parts of a credit to invoices (`PUT /CreditNotes/{id}/Allocations`, and the same for prepayments and
    /// overpayments). The credit has to be authorised.
    pub async fn allocate<T: Allocatable>(
        &self,
        credit: Uuid,
        parts: &[AllocationWrite],
        options: &WriteOptions,
    ) -> Result<Written<Allocation>, Error> {
        if parts.is_empty() {
            return Err(Error::Invalid("a write needs at least one element".to_owned()));
        }
        let mut url = self.accounting(&[T::PATH, &credit.to_string(), ALLOCATIONS]);
        url.set_query(Some("summarizeErrors=false"));
        let (body, sent) = (encode_collection(ALLOCATIONS, parts)?, parts.len());
        let write = Write { method: Method::PUT, url, body, sent, collection: ALLOCATIONS, id: "AllocationID" };
        self.write_to(write, options).await
    }

    /// Takes an allocation off again (`DELETE /CreditNotes/{id}/Allocations/{AllocationID}`). One that is gone already, or
    /// never was, is [`Error::Gone`]. Xero knows no `Idempotency-Key` for this; sending it twice does no harm.
    pub async fn remove_allocation<T: Allocatable>(
        &self,
        credit: Uuid,
        allocation: Uuid,
        options: &WriteOptions,
    ) -> Result<(), Error> {
        let url = self.accounting(&[T::PATH, &credit.to_string(), ALLOCATIONS, &allocation.to_string()]);
        let call = Call { method: Method::DELETE, not_after: options.not_after, ..Call::get(url) };
        let (answer, _) = self.send(&call).await?;
        let body = &answer.response.body;
        // One object by Xero's description, an envelope by its habit; a refusal comes as an element of an envelope.
        let removed = match Envelope::read(body, ALLOCATIONS) {
            Ok(envelope) => match read_elements::<Allocation>(&envelope, "AllocationID").pop() {
                Some(ElementResult::Refused { id, messages }) => {
                    let elements = vec![RejectedElement { id, messages }];
                    let message = "A validation exception occurred".to_owned();
                    let correlation_id = answer.correlation_id();
                    let (error_number, kind) = (None, None);
                    let rejected = Rejected { error_number, kind, message, elements, correlation_id };
                    return Err(Error::Rejected(Box::new(rejected)));
                }
                Some(ElementResult::Saved { entity, .. }) => entity.is_deleted,
                Some(ElementResult::Unreadable(_)) | None => None,
            },
            Err(_) => serde_json::from_slice::<Allocation>(body).map_err(|e| answer.undecodable(&e))?.is_deleted,
        };
        match removed {
            Some(true) => Ok(()),
            _ => Err(Error::Protocol { status: 200, detail: "an allocation was deleted and still stands".to_owned() }),
        }
    }

    async fn write_to<R: DeserializeOwned>(&self, write: Write, options: &WriteOptions) -> Result<Written<R>, Error> {
        let Write { method, url, body, sent, collection, id } = write;
        if body.len() > MAX_BODY_BYTES {
            let size = body.len();
            return Err(Error::Invalid(format!("a body of {size} bytes is too large for xero, send fewer elements")));
        }
        let WriteOptions { idempotency_key, not_after } = options.clone();
        let call = Call { method, url, modified_since: None, idempotency_key, not_after, body };
        let (answer, cost) = self.send(&call).await.map_err(|error| told_in_part(error, sent))?;
        let envelope = Envelope::read(&answer.response.body, collection).map_err(|error| answer.undecodable(&error))?;
        let told = envelope.elements.len();
        if told != sent {
            let status = answer.response.status.as_u16();
            return Err(Error::Protocol {
                status,
                detail: format!("{sent} of {collection} were sent and {told} answered"),
            });
        }
        Ok(Written {
            elements: read_elements(&envelope, id),
            correlation_id: answer.correlation_id(),
            server_date: answer.server_date(),
            date_time_utc: envelope.date_time_utc,
            wire_bytes: cost.wire_bytes,
            calls: cost.calls,
        })
    }

    fn accounting(&self, segments: &[&str]) -> Url {
        self.client.settings().endpoints.accounting(segments)
    }

    async fn send(&self, call: &Call) -> Result<(Answer, Cost), Error> {
        let caller = Caller { tenant: Some(self.tenant), lane: self.lane, tokens: self.tokens.as_ref() };
        let mut total = Cost::default();
        let answer = self
            .client
            .exchange(call, &caller, |cost| {
                total.calls += cost.calls;
                total.wire_bytes += cost.wire_bytes;
                // Counted here and not at the end, so that failed calls count too.
                self.spent.calls.fetch_add(u64::from(cost.calls), Ordering::Relaxed);
                self.spent.wire_bytes.fetch_add(cost.wire_bytes, Ordering::Relaxed);
            })
            .await?;
        Ok((answer, total))
    }
}

/// The one element of a single record's envelope.
fn only_element<T: DeserializeOwned>(answer: &Answer, collection: &'static str, id: &str) -> Result<T, Error> {
    let envelope = Envelope::read(&answer.response.body, collection).map_err(|error| answer.undecodable(&error))?;
    let status = answer.response.status.as_u16();
    match envelope.elements.as_slice() {
        [] => Err(Error::Gone),
        [one] => decode_as(one.get(), id).map_err(|error| Error::Protocol { status, detail: error.to_string() }),
        _ => Err(Error::Protocol { status, detail: format!("one of {collection} was asked for and several came") }),
    }
}

/// A write, ready but for the credentials.
struct Write {
    method: Method,
    url: Url,
    body: Bytes,
    /// How many elements the body holds.
    sent: usize,
    collection: &'static str,
    /// The JSON key of an element's id.
    id: &'static str,
}

/// How many elements a batch holds.
fn elements_of<T: Writable>(body: &[u8]) -> Result<usize, Error> {
    let invalid = |detail: &str| Error::Invalid(format!("the body is no batch of {}: {detail}", T::COLLECTION));
    match Envelope::read(body, T::COLLECTION).map_err(|error| invalid(&error.to_string()))?.elements.len() {
        0 => Err(invalid("it is empty")),
        count => Ok(count),
    }
}

/// A refusal of a batch that names only some of its elements: the others may have been saved (xero-facts §5.2). Not to be had
/// with `summarizeErrors=false`, but if Xero does it all the same, taking it for a refusal of all would make duplicates.
fn told_in_part(error: Error, sent: usize) -> Error {
    match error {
        Error::Rejected(rejected) if (1..sent).contains(&rejected.elements.len()) => {
            let refused = rejected.elements.len();
            let detail = format!("it refused {refused} of {sent} elements and did not say what became of the others");
            Error::Unanswered { detail }
        }
        error => error,
    }
}

/// The body of a write to one record: the bare element. The same element gives the same bytes.
pub fn encode_one<T: Writable>(element: &T::Write) -> Result<Bytes, Error> {
    serde_json::to_vec(element).map(Bytes::from).map_err(|error| Error::Invalid(error.to_string()))
}

/// The body of a batch write: `{"Invoices":[…]}`. The same elements give the same bytes.
pub fn encode_elements<T: Writable>(elements: &[T::Write]) -> Result<Bytes, Error> {
    if elements.is_empty() {
        return Err(Error::Invalid("a write needs at least one element".to_owned()));
    }
    if T::ONE_PER_CALL && elements.len() > 1 {
        return Err(Error::Invalid(format!("xero takes one of {} per call and ignores the others", T::COLLECTION)));
    }
    encode_collection(T::COLLECTION, elements)
}

fn encode_collection<W: Serialize>(collection: &str, elements: &[W]) -> Result<Bytes, Error> {
    let list = serde_json::to_string(elements).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Bytes::from(format!("{{\"{collection}\":{list}}}")))
}
