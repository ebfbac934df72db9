//! Reading the books: filtered lists with cursors, and single records.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use jiff::Timestamp;
use model::{CustomerStatus, DocumentStatus, Kind, PaymentMethod, PaymentStatus};
use serde::Deserialize;
use store::{Connection, Listed, ReadQuery, Tx};
use utoipa::IntoParams;

use crate::access::{CanRead, Reach};
use crate::connections::{connection_of, visible};
use crate::cursor;
use crate::dto::books::{Known, Shown};
use crate::dto::{self, Page};
use crate::input::{Id, Params, page_size};
use crate::problem::Problem;
use crate::standing::standings;
use crate::state::App;

/// What every list understands.
struct Common<'a> {
    limit: Option<i64>,
    cursor: Option<&'a str>,
    connection: Option<i64>,
    changed_since: Option<Timestamp>,
}

/// The query of a list.
trait ListQuery {
    fn common(&self) -> Common<'_>;
    fn filters(&self, query: &mut ReadQuery);
}

/// Declares a list's query: the fields that every list has, and its own filters with the column that each looks at.
macro_rules! list_query {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$fmeta:meta])* $field:ident: $type:ty => $how:ident $column:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Deserialize, IntoParams)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            /// Records per page, 1 to 500; 100 where it is left out.
            #[param(minimum = 1, maximum = 500)]
            limit: Option<i64>,
            /// The `nextCursor` of the page before, with the same filters.
            cursor: Option<String>,
            /// The connection whose books to read; may be left out while the key reaches only one.
            connection_id: Option<i64>,
            /// Only records whose row changed at or after this instant.
            changed_since: Option<Timestamp>,
            $($(#[$fmeta])* $field: Option<$type>,)*
        }

        impl ListQuery for $name {
            fn common(&self) -> Common<'_> {
                Common {
                    limit: self.limit,
                    cursor: self.cursor.as_deref(),
                    connection: self.connection_id,
                    changed_since: self.changed_since,
                }
            }

            fn filters(&self, query: &mut ReadQuery) {
                $(if let Some(value) = &self.$field { list_query!(@$how query, $column, value); })*
            }
        }
    };
    (@text $query:ident, $column:literal, $value:ident) => { $query.texts.push(($column, $value.to_string())) };
    (@refers $query:ident, $column:literal, $value:ident) => { $query.refs.push(($column, *$value)) };
    (@kind $query:ident, $column:literal, $value:ident) => { $query.kind = Some($value.kind()) };
}

list_query! {
    /// Filters of customers and suppliers.
    CustomerQuery {
        #[param(value_type = Option<String>, example = "ACTIVE")]
        status: CustomerStatus => text "status",
        /// The exact name.
        name: String => text "name",
        /// The exact e-mail address.
        email: String => text "email",
        account_number: String => text "account_number",
        contact_number: String => text "contact_number",
        tax_number: String => text "tax_number",
    }
}

list_query! {
    /// Filters of invoices and bills.
    InvoiceQuery {
        /// `ACCREC` for sales invoices, `ACCPAY` for bills.
        r#type: String => text "type",
        #[param(value_type = Option<String>, example = "SENT")]
        status: DocumentStatus => text "status",
        /// Xero's own word, for example `SUBMITTED`.
        xero_status: String => text "xero_status",
        number: String => text "number",
        reference: String => text "reference",
        currency: String => text "currency",
        customer_id: i64 => refers "customer_id",
    }
}

list_query! {
    /// Filters of credit notes, prepayments and overpayments.
    CreditQuery {
        #[param(value_type = Option<String>, example = "credit_note")]
        kind: CreditKind => kind "",
        /// Xero's type, for example `ACCRECCREDIT`.
        r#type: String => text "type",
        #[param(value_type = Option<String>, example = "PAID")]
        status: DocumentStatus => text "status",
        number: String => text "number",
        currency: String => text "currency",
        customer_id: i64 => refers "customer_id",
    }
}

list_query! {
    /// Filters of payments.
    PaymentQuery {
        #[param(value_type = Option<String>, example = "COMPLETED")]
        status: PaymentStatus => text "status",
        #[param(value_type = Option<String>, example = "BANK_TRANSFER")]
        method: PaymentMethod => text "method",
        reference: String => text "reference",
        invoice_id: i64 => refers "invoice_id",
        credit_note_id: i64 => refers "credit_note_id",
        prepayment_id: i64 => refers "prepayment_id",
        overpayment_id: i64 => refers "overpayment_id",
        account_id: i64 => refers "account_id",
    }
}

list_query! {
    /// Filters of bank transactions.
    BankTransactionQuery {
        /// `SPEND`, `RECEIVE`, or one of Xero's read-only types.
        r#type: String => text "type",
        #[param(value_type = Option<String>, example = "COMPLETED")]
        status: PaymentStatus => text "status",
        reference: String => text "reference",
        currency: String => text "currency",
        customer_id: i64 => refers "customer_id",
        account_id: i64 => refers "account_id",
    }
}

list_query! {
    /// Filters of ledger accounts.
    AccountQuery {
        code: String => text "code",
        /// Xero's account type, for example `BANK`.
        r#type: String => text "type",
        class: String => text "class",
        status: String => text "status",
    }
}

list_query! {
    /// Filters of tax rates.
    TaxRateQuery {
        /// Xero's code, for example `OUTPUT2`.
        tax_type: String => text "tax_type",
        status: String => text "status",
    }
}

/// The kinds that are listed as credits.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CreditKind {
    CreditNote,
    Prepayment,
    Overpayment,
}

impl CreditKind {
    const fn kind(self) -> Kind {
        match self {
            Self::CreditNote => Kind::CreditNote,
            Self::Prepayment => Kind::Prepayment,
            Self::Overpayment => Kind::Overpayment,
        }
    }
}

/// Declares the two handlers of a kind: its list and its single record.
macro_rules! kind_of_books {
    ($list:ident $one:ident $place:ident $record:ident $kind:ident $query:ident $path:literal $one_path:literal $noun:literal
        $list_summary:literal $one_summary:literal) => {
        #[doc = $list_summary]
        #[utoipa::path(
            get, path = $path, tag = "books", params($query),
            responses((status = 200, description = "A page of records, in order of id", body = Page<dto::$place::$record>))
        )]
        pub(crate) async fn $list(
            caller: CanRead,
            State(app): State<App>,
            query: Params<$query>,
        ) -> Result<Json<Page<dto::$place::$record>>, Problem> {
            list::<model::$record>(&app, caller.reach, Kind::$kind, &query.0).await
        }

        #[doc = $one_summary]
        #[utoipa::path(
            get, path = $one_path, tag = "books", params(("id" = i64, Path, description = "Its local id")),
            responses((status = 200, description = "The record; ETag is its version if it may be written",
                body = dto::$place::$record))
        )]
        pub(crate) async fn $one(caller: CanRead, State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
            one::<model::$record>(&app, caller.reach, Kind::$kind, id, $noun).await
        }
    };
}

kind_of_books!(list_customers get_customer books Customer Customer CustomerQuery
    "/api/v1/customers" "/api/v1/customers/{id}" "customer" "Customers and suppliers." "One customer or supplier.");
kind_of_books!(list_invoices get_invoice documents Invoice Invoice InvoiceQuery
    "/api/v1/invoices" "/api/v1/invoices/{id}" "invoice" "Sales invoices and bills." "One invoice or bill.");
kind_of_books!(list_payments get_payment books Payment Payment PaymentQuery
    "/api/v1/payments" "/api/v1/payments/{id}" "payment" "Payments." "One payment.");
kind_of_books!(list_bank_transactions get_bank_transaction documents BankTransaction BankTransaction BankTransactionQuery
    "/api/v1/bank-transactions" "/api/v1/bank-transactions/{id}" "bank transaction"
    "Bank transactions." "One bank transaction.");
kind_of_books!(list_credits get_credit documents Credit CreditNote CreditQuery
    "/api/v1/credits" "/api/v1/credits/{id}" "credit"
    "Credit notes, prepayments and overpayments." "One credit note, prepayment or overpayment.");
kind_of_books!(list_accounts get_account books Account Account AccountQuery
    "/api/v1/accounts" "/api/v1/accounts/{id}" "account" "The chart of accounts." "One ledger account.");
kind_of_books!(list_tax_rates get_tax_rate books TaxRate TaxRate TaxRateQuery
    "/api/v1/tax-rates" "/api/v1/tax-rates/{id}" "tax rate" "Tax rates." "One tax rate.");

async fn list<R: Shown>(
    app: &App,
    reach: Reach,
    kind: Kind,
    asked: &(impl ListQuery + Sync),
) -> Result<Json<Page<R::Dto>>, Problem> {
    let common = asked.common();
    let limit = page_size(common.limit)?;
    let mut query = ReadQuery { changed_since: common.changed_since, ..ReadQuery::default() };
    asked.filters(&mut query);
    let kind = query.kind.unwrap_or(kind);

    let mut tx = app.read().await?;
    let connection = connection_of(&mut tx, reach, common.connection).await?;
    // A cursor goes on in this list with these filters and in no other.
    let name = format!("{kind}|{}|{query:?}", connection.id);
    query.after = common.cursor.map_or(Ok(0), |text| cursor::read(app, &name, text))?;
    query.limit = limit;
    let page = tx.list_books::<R>(connection.org, connection.id, kind, &query).await?;
    let known = resolve(&mut tx, &connection, kind, &page.items).await?;
    tx.commit().await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(|listed| R::show(listed, &known)).collect(),
        next_cursor: page.next.map(|next| cursor::write(app, &name, next)),
    }))
}

async fn one<R: Shown>(app: &App, reach: Reach, kind: Kind, id: i64, noun: &str) -> Result<Response, Problem> {
    let mut tx = app.read().await?;
    let connection = owner_of::<R>(&mut tx, reach, id, noun).await?;
    let found = tx.book::<R>(connection.org, connection.id, kind, id).await?;
    let listed = found.ok_or_else(|| Problem::not_found(noun))?;
    let known = resolve(&mut tx, &connection, kind, std::slice::from_ref(&listed)).await?;
    tx.commit().await?;
    let version = kind.is_two_way().then(|| sync::record_version(&listed.row.record));
    let shown = Json(R::show(listed, &known));
    Ok(match version {
        Some(version) => ([(ETAG, format!("\"{version}\""))], shown).into_response(),
        None => shown.into_response(),
    })
}

/// The connection of the organisation that a record belongs to, if the key reaches it.
pub(crate) async fn owner_of<R: Shown>(tx: &mut Tx, reach: Reach, id: i64, noun: &str) -> Result<Connection, Problem> {
    let missing = || Problem::not_found(noun);
    let owner = tx.book_owner::<R>(id).await?.filter(|org| reach.sees(*org)).ok_or_else(missing)?;
    let all = visible(tx, reach).await?;
    all.into_iter().find(|connection| connection.org == owner).ok_or_else(missing)
}

/// Finds what a page needs beside its rows: the local ids of everything that it refers to, one look per kind, and how each
/// record stands.
pub(crate) async fn resolve<R: Shown>(
    tx: &mut Tx,
    connection: &Connection,
    kind: Kind,
    items: &[Listed<R>],
) -> Result<Known, Problem> {
    let mut wanted: BTreeMap<Kind, Vec<uuid::Uuid>> = BTreeMap::new();
    for (kind, target) in items.iter().flat_map(|listed| listed.row.record.references()) {
        if let Some(xero) = target.xero() {
            wanted.entry(kind).or_default().push(xero);
        }
    }
    let mut known = Known::new(standings(tx, connection.id, kind, items).await?);
    for (kind, mut ids) in wanted {
        ids.sort_unstable();
        ids.dedup();
        for (xero, link) in tx.links(connection.id, kind, &ids).await? {
            known.insert(kind, xero, link.local_id);
        }
    }
    Ok(known)
}
