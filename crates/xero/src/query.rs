//! What a list call asks for, and its URL query.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::entities::{Entity, Param};
use crate::error::Error;
use crate::filter::{Field, Filter};

/// Everything but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Xero advises batches of 40 ids; longer ones meet its URL length limit.
pub const MAX_IDS: usize = 40;

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// The `order` of a list. Xero always appends the id as a second key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    field: &'static str,
    direction: Direction,
}

impl Order {
    /// By a field, ascending.
    pub fn by(field: &'static str) -> Order {
        Order { field, direction: Direction::Ascending }
    }

    /// By the immutable id: pages then do not drift while records are being changed.
    pub fn by_id<T: Entity>() -> Order {
        Order::by(T::ID_ORDER)
    }

    /// By `UpdatedDateUTC`: Xero's default for most kinds.
    pub fn by_updated() -> Order {
        Order::by("UpdatedDateUTC")
    }

    /// The other way round.
    #[must_use]
    pub fn descending(self) -> Order {
        Order { direction: Direction::Descending, ..self }
    }
}

/// What a list call asks for. The default is everything, in Xero's default order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// `If-Modified-Since`; cut to the second. Xero may or may not include that second: overlap by at least two.
    pub modified_since: Option<Timestamp>,
    /// `order`.
    pub order: Option<Order>,
    /// `where`.
    pub filter: Option<Filter>,
    /// `pageSize`, 1 to 1,000; `None` is the client's setting.
    pub page_size: Option<u16>,
    /// `includeArchived=true`.
    pub include_archived: bool,
    /// `IDs`, at most 40.
    pub ids: Vec<Uuid>,
    /// `Statuses` (invoices).
    pub statuses: Vec<String>,
    /// `InvoiceNumbers` (invoices).
    pub invoice_numbers: Vec<String>,
    /// `ContactIDs` (invoices), at most 40.
    pub contact_ids: Vec<Uuid>,
    /// `summaryOnly=true`: fewer bytes, without lines.
    pub summary_only: bool,
    /// `createdByMyApp=true` (invoices).
    pub created_by_my_app: bool,
    /// `searchTerm`.
    pub search_term: Option<String>,
}

impl ListQuery {
    /// Records changed at or after `instant`.
    pub fn modified_since(instant: Timestamp) -> ListQuery {
        ListQuery { modified_since: Some(instant), ..ListQuery::default() }
    }

    /// Records by their ids, at most [`MAX_IDS`], archived ones included: by `IDs` where the kind knows it, else by `where` on
    /// the id. Ids that do not exist are not missed by Xero. Without ids there is no such list.
    pub fn of_ids<T: Entity>(ids: &[Uuid]) -> Result<ListQuery, Error> {
        if ids.is_empty() || ids.len() > MAX_IDS {
            return Err(Error::Invalid(format!("1 to {MAX_IDS} ids fit in one call, not {}", ids.len())));
        }
        let mut query =
            ListQuery { include_archived: T::PARAMS.contains(&Param::IncludeArchived), ..ListQuery::default() };
        if T::PARAMS.contains(&Param::Ids) {
            query.ids = ids.to_vec();
        } else {
            query.filter = Filter::any_of(&Field::new(T::ID), ids.iter().copied());
        }
        Ok(query)
    }

    /// The page size of this query. Records asked for by their ids come in one page, however small others are.
    pub(crate) fn page_size(&self, default: u16) -> u16 {
        let named = u16::try_from(self.ids.len()).unwrap_or(u16::MAX);
        self.page_size.unwrap_or(default.max(named)).clamp(1, 1000)
    }

    /// The URL query for page `page`, encoded; an error names what the kind does not understand, because Xero would ignore it
    /// and answer with too much.
    pub(crate) fn encode<T: Entity>(&self, page: u32, default_page_size: u16) -> Result<String, Error> {
        let mut query = QueryString::default();
        if T::PAGED {
            query.add("page", &page.max(1).to_string());
            query.add("pageSize", &self.page_size(default_page_size).to_string());
        } else if self.page_size.is_some() {
            return Err(unsupported::<T>("pageSize"));
        }
        if self.modified_since.is_some() && !T::HAS_IMS {
            return Err(unsupported::<T>("If-Modified-Since"));
        }
        if T::HAS_LINES {
            query.add("unitdp", "4");
        }
        if let Some(Order { field, direction }) = &self.order {
            let direction = if *direction == Direction::Descending { " DESC" } else { "" };
            query.add("order", &format!("{field}{direction}"));
        }
        if let Some(filter) = &self.filter {
            let expression = filter.expression().map_err(|error| Error::Invalid(error.to_string()))?;
            query.add("where", expression);
        }
        let ids = |list: &[Uuid]| list.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let flag = |set: bool| if set { vec!["true".to_owned()] } else { Vec::new() };
        let optional: [(Param, Vec<String>); 8] = [
            (Param::Ids, ids(&self.ids)),
            (Param::InvoiceNumbers, self.invoice_numbers.clone()),
            (Param::ContactIds, ids(&self.contact_ids)),
            (Param::Statuses, self.statuses.clone()),
            (Param::IncludeArchived, flag(self.include_archived)),
            (Param::SummaryOnly, flag(self.summary_only)),
            (Param::CreatedByMyApp, flag(self.created_by_my_app)),
            (Param::SearchTerm, self.search_term.iter().cloned().collect()),
        ];
        for (param, values) in optional.into_iter().filter(|(_, values)| !values.is_empty()) {
            if !T::PARAMS.contains(&param) {
                return Err(unsupported::<T>(param.name()));
            }
            if values.len() > MAX_IDS {
                return Err(Error::Invalid(format!(
                    "at most {MAX_IDS} {} fit in one call, send several",
                    param.name()
                )));
            }
            query.add_list(param.name(), &values)?;
        }
        Ok(query.finish())
    }
}

fn unsupported<T: Entity>(what: &str) -> Error {
    Error::Invalid(format!("{} cannot be listed with {what}", T::COLLECTION))
}

/// Builds a percent-encoded query.
#[derive(Debug, Default)]
pub(crate) struct QueryString(String);

impl QueryString {
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, ENCODED));
    }

    /// Comma-joined, as Xero wants lists; a comma inside a value would split it.
    fn add_list(&mut self, name: &str, values: &[String]) -> Result<(), Error> {
        let single = name == Param::SearchTerm.name();
        if !single && values.iter().any(|value| value.contains(',')) {
            return Err(Error::Invalid(format!("{name} cannot hold a value with a comma")));
        }
        self.add(name, &values.join(","));
        Ok(())
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::{Account, Contact, Invoice, Payment, TaxRate};
    use crate::filter::Field;

    #[test]
    fn queries() {
        let all = ListQuery::default();
        assert_eq!(all.encode::<Invoice>(1, 1000).unwrap(), "page=1&pageSize=1000&unitdp=4");
        assert_eq!(all.encode::<Payment>(0, 1000).unwrap(), "page=1&pageSize=1000");
        assert_eq!(all.encode::<Account>(1, 1000).unwrap(), "");

        let huge = ListQuery { page_size: Some(5000), ..ListQuery::default() };
        assert_eq!(huge.encode::<Contact>(7, 100).unwrap(), "page=7&pageSize=1000");

        let much = ListQuery {
            order: Some(Order::by_id::<Invoice>().descending()),
            filter: Some(Field::new("Reference").eq("a&b=c #1+ü 100%")),
            ids: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
            statuses: vec!["DRAFT".to_owned(), "VOIDED".to_owned()],
            include_archived: true,
            summary_only: true,
            created_by_my_app: true,
            search_term: Some("x, y".to_owned()),
            ..ListQuery::default()
        };
        let expected = "page=2&pageSize=50&unitdp=4&order=InvoiceID%20DESC\
            &where=Reference%3D%3D%22a%26b%3Dc%20%231%2B%C3%BC%20100%25%22\
            &IDs=00000000-0000-0000-0000-000000000001%2C00000000-0000-0000-0000-000000000002\
            &Statuses=DRAFT%2CVOIDED&includeArchived=true&summaryOnly=true&createdByMyApp=true&searchTerm=x%2C%20y";
        assert_eq!(much.encode::<Invoice>(2, 50).unwrap(), expected);
    }

    #[test]
    fn lists_by_id() {
        let two = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let small = ListQuery::of_ids::<Contact>(&two).unwrap().encode::<Contact>(1, 1).unwrap();
        assert!(small.starts_with("page=1&pageSize=2&"), "all of them come in one page: {small}");
        assert_eq!(
            ListQuery::of_ids::<Contact>(&two).unwrap().encode::<Contact>(1, 100).unwrap(),
            "page=1&pageSize=100&IDs=00000000-0000-0000-0000-000000000001%2C00000000-0000-0000-0000-000000000002&includeArchived=true"
        );
        let payments = ListQuery::of_ids::<Payment>(&two).unwrap();
        assert_eq!(
            payments.filter.as_ref().unwrap().expression(),
            Ok(
                r#"(PaymentID==guid("00000000-0000-0000-0000-000000000001") OR PaymentID==guid("00000000-0000-0000-0000-000000000002"))"#
            )
        );
        assert!(payments.encode::<Payment>(1, 100).is_ok());
        assert!(ListQuery::of_ids::<Payment>(&[]).is_err());
        assert!(ListQuery::of_ids::<Payment>(&[Uuid::nil(); 41]).is_err());
    }

    #[test]
    fn what_xero_would_ignore_is_refused() {
        let since = ListQuery::modified_since(Timestamp::UNIX_EPOCH);
        assert!(matches!(since.encode::<TaxRate>(1, 100), Err(Error::Invalid(_))));
        let archived = ListQuery { include_archived: true, ..ListQuery::default() };
        assert!(matches!(archived.encode::<Payment>(1, 100), Err(Error::Invalid(_))));
        assert!(archived.encode::<Contact>(1, 100).is_ok());
        let many = ListQuery { ids: vec![Uuid::nil(); 41], ..ListQuery::default() };
        assert!(matches!(many.encode::<Invoice>(1, 100), Err(Error::Invalid(_))));
        let comma = ListQuery { invoice_numbers: vec!["A,B".to_owned()], ..ListQuery::default() };
        assert!(matches!(comma.encode::<Invoice>(1, 100), Err(Error::Invalid(_))));
        let quote = ListQuery { filter: Some(Field::new("Name").eq("a\"b")), ..ListQuery::default() };
        assert!(matches!(quote.encode::<Contact>(1, 100), Err(Error::Invalid(_))));
    }
}
