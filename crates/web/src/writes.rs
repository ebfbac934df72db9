//! Writing the books: create, change, replace and delete, each in one transaction with the answer that is kept for a
//! repeated request. Nothing is sent to Xero here: what was written is captured, and the push that follows tells Xero.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LOCATION};
use http::{HeaderMap, StatusCode};
use model::Kind;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::Connection;
use sync::Edit;

use crate::access::{CanWrite, Reach};
use crate::books::{owner_of, resolve};
use crate::connections::{ConnectionQuery, connection_of};
use crate::dto;
use crate::dto::writes::Writable;
use crate::given::{Body as _, Extent};
use crate::input::{Id, Params};
use crate::problem::{Problem, code};
use crate::repeat::{Answer, Repeatable};
use crate::state::App;

/// Largest body of a record, in bytes: a document with a thousand lines.
const LARGEST_RECORD: usize = 2 * 1024 * 1024;

/// A request with its body, not read as anything yet: what it is about is looked for first.
pub(crate) struct Raw {
    method: String,
    path: String,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<App> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
        // The only error that reading a whole body has besides a client that goes away.
        let body = axum::body::to_bytes(body, LARGEST_RECORD).await.map_err(|_| {
            Problem::new(code::TOO_LARGE, "the body is larger than any request of this API needs, or broke off")
        })?;
        Ok(Self { method: parts.method.to_string(), path, headers: parts.headers, body })
    }
}

impl Raw {
    /// The body as JSON. A merge patch may say that it is one.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let takes_patch = self.method == "PATCH" && kind == "application/merge-patch+json";
        if kind != "application/json" && !takes_patch {
            return Err(Problem::new(code::MEDIA_TYPE, "send the body as JSON, with Content-Type: application/json"));
        }
        serde_json::from_slice(&self.body).map_err(|error| Problem::invalid(error.to_string()))
    }

    /// The caller's key for a request that may come twice.
    pub(crate) fn repeatable(&self, app: &App, caller: &CanWrite) -> Result<Option<Repeatable>, Problem> {
        let what = [self.method.as_bytes(), self.path.as_bytes(), self.body.as_ref()];
        Repeatable::of(app, caller, &self.headers, &what)
    }

    /// The version that the caller has seen: of `If-Match`, which must be there. `None` for `*`, any.
    fn version(&self) -> Result<Option<String>, Problem> {
        let mut values = self.headers.get_all(IF_MATCH).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Problem::new(
                code::NO_VERSION,
                "send If-Match once, with the ETag (or version) that you have read; * overwrites whatever is there",
            ));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        // Proxies that compress make a tag weak; ours names the content.
        let text = text.strip_prefix("W/").unwrap_or(text);
        let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Problem::invalid("If-Match must be one ETag as it was given, such as \"5f3a…\", or *"));
        }
        Ok(Some(version.to_owned()))
    }
}

/// A record as it stands inside an edit: what is shown of it, and its version.
async fn shown<R: Writable>(
    edit: &mut Edit<'_>,
    connection: &Connection,
    kind: Kind,
    id: i64,
) -> Result<(Value, String), Problem> {
    let tx = edit.tx();
    let listed = tx.book::<R>(connection.org, connection.id, kind, id).await?.ok_or_else(Problem::internal)?;
    let known = resolve(tx, connection, kind, std::slice::from_ref(&listed)).await?;
    let version = sync::record_version(&listed.row.record);
    let shown = serde_json::to_value(R::show(listed, &known)).map_err(|_| Problem::internal())?;
    Ok((shown, version))
}

/// Ends an edit: keeps its answer, makes both durable.
async fn finish(mut edit: Edit<'_>, repeatable: Option<Repeatable>, answer: Answer) -> Result<Response, Problem> {
    if let Some(repeatable) = &repeatable {
        repeatable.keep(edit.tx(), &answer).await?;
    }
    edit.commit().await?;
    Ok(answer.into_response())
}

fn answer(status: StatusCode, headers: Vec<(HeaderName, String)>, shown: &Value) -> Result<Answer, Problem> {
    let body = serde_json::to_vec(shown).map_err(|_| Problem::internal())?;
    Ok(Answer { status, headers, body })
}

fn tag(version: &str) -> (HeaderName, String) {
    (ETAG, format!("\"{version}\""))
}

async fn create<R: Writable>(
    app: &App,
    caller: &CanWrite,
    connection: Option<i64>,
    kind: Kind,
    path: &str,
    request: &Raw,
) -> Result<Response, Problem> {
    let mut tx = app.read().await?;
    let connection = connection_of(&mut tx, caller.reach, connection).await?;
    tx.commit().await?;
    let write = R::Write::whole(request.json()?, "")?;
    let repeatable = request.repeatable(app, caller)?;
    let mut edit = app.engine().edit(&connection, &caller.name()).await?;
    if let Some(repeatable) = &repeatable
        && let Some(before) = repeatable.claim(edit.tx()).await?
    {
        edit.commit().await?;
        return Ok(before);
    }
    let mut record = R::default();
    record.apply(write, Extent::Whole)?;
    let id = edit.create(record).await?;
    let (shown, version) = shown::<R>(&mut edit, &connection, kind, id).await?;
    let headers = vec![(LOCATION, format!("{path}/{id}")), tag(&version)];
    finish(edit, repeatable, answer(StatusCode::CREATED, headers, &shown)?).await
}

/// The connection through which a key may write a record.
async fn owner<R: Writable>(app: &App, reach: Reach, id: i64, noun: &str) -> Result<Connection, Problem> {
    let mut tx = app.read().await?;
    let connection = owner_of::<R>(&mut tx, reach, id, noun).await?;
    tx.commit().await?;
    Ok(connection)
}

async fn update<R: Writable>(
    app: &App,
    caller: &CanWrite,
    kind: Kind,
    (id, noun): (i64, &str),
    extent: Extent,
    request: &Raw,
) -> Result<Response, Problem> {
    let repeatable = request.repeatable(app, caller)?;
    let connection = owner::<R>(app, caller.reach, id, noun).await?;
    let seen = request.version()?;
    let mut given: Value = request.json()?;
    let mut edit = app.engine().edit(&connection, &caller.name()).await?;
    if let Some(repeatable) = &repeatable
        && let Some(before) = repeatable.claim(edit.tx()).await?
    {
        edit.commit().await?;
        return Ok(before);
    }
    let row = edit.load::<R>(id, seen.as_deref()).await?;
    let (current, _) = shown::<R>(&mut edit, &connection, kind, id).await?;
    without_what_stays(&mut given, &current, extent);
    let mut record = row.record.clone();
    record.apply(R::Write::whole(given, "")?, extent)?;
    edit.save(&row, record).await?;
    let (shown, version) = shown::<R>(&mut edit, &connection, kind, id).await?;
    finish(edit, repeatable, answer(StatusCode::OK, vec![tag(&version)], &shown)?).await
}

/// What was read may be sent back: members that say what is there already are no change, whoever computes them. Of a
/// whole record only those are left out that could not be written.
fn without_what_stays(given: &mut Value, current: &Value, extent: Extent) {
    const READ_ONLY: [&str; 23] = [
        "id",
        "xeroId",
        "version",
        "syncState",
        "updatedAt",
        "isCustomer",
        "isSupplier",
        "mergedInto",
        "customerXeroId",
        "invoiceXeroId",
        "creditNoteXeroId",
        "prepaymentXeroId",
        "overpaymentXeroId",
        "accountXeroId",
        "xeroStatus",
        "subTotal",
        "totalTax",
        "total",
        "amountDue",
        "amountPaid",
        "amountCredited",
        "fullyPaidOn",
        "isReconciled",
    ];
    const READ_ONLY_OF_PAYMENTS: [&str; 2] = ["bankAmount", "paymentType"];
    let (Value::Object(given), Value::Object(current)) = (given, current) else { return };
    given.retain(|name, value| {
        let is_read_only = READ_ONLY.contains(&name.as_str()) || READ_ONLY_OF_PAYMENTS.contains(&name.as_str());
        let may_go = is_read_only || extent == Extent::Part;
        !(may_go && current.get(name) == Some(value))
    });
}

async fn delete<R: Writable>(
    app: &App,
    caller: &CanWrite,
    (id, noun): (i64, &str),
    request: &Raw,
) -> Result<Response, Problem> {
    let repeatable = request.repeatable(app, caller)?;
    // A repeated deletion finds no row any more, but its answer.
    if let Some(repeatable) = &repeatable {
        let mut tx = app.engine().store().begin().await?;
        if let Some(before) = repeatable.claim(&mut tx).await? {
            tx.commit().await?;
            return Ok(before);
        }
        drop(tx);
    }
    let connection = owner::<R>(app, caller.reach, id, noun).await?;
    let seen = request.version()?;
    let mut edit = app.engine().edit(&connection, &caller.name()).await?;
    if let Some(repeatable) = &repeatable
        && let Some(before) = repeatable.claim(edit.tx()).await?
    {
        edit.commit().await?;
        return Ok(before);
    }
    let row = edit.load::<R>(id, seen.as_deref()).await?;
    edit.delete(&row).await?;
    finish(edit, repeatable, Answer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new() }).await
}

/// Declares the four handlers of a kind.
macro_rules! writing {
    ($create:ident $patch:ident $put:ident $delete:ident $place:ident $record:ident $kind:ident $write:ident
        $path:literal $one_path:literal $noun:literal
        $create_summary:literal $patch_summary:literal $put_summary:literal $delete_summary:literal) => {
        #[doc = $create_summary]
        #[utoipa::path(
            post, path = $path, tag = "books", params(ConnectionQuery, ("Idempotency-Key" = Option<String>, Header,
                description = "The same key gets the same answer for 7 days")),
            request_body = dto::writes::$write,
            responses((status = 201, description = "Written; Location is the record, ETag its version. Xero is told next",
                body = dto::$place::$record))
        )]
        pub(crate) async fn $create(
            caller: CanWrite,
            State(app): State<App>,
            query: Params<ConnectionQuery>,
            request: Raw,
        ) -> Result<Response, Problem> {
            create::<model::$record>(&app, &caller, query.0.connection_id, Kind::$kind, $path, &request).await
        }

        #[doc = $patch_summary]
        #[utoipa::path(
            patch, path = $one_path, tag = "books",
            params(("id" = i64, Path, description = "Its local id"),
                ("If-Match" = String, Header, description = "The ETag, or version, that was read; * for any"),
                ("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same answer for 7 days")),
            request_body = dto::writes::$write,
            responses((status = 200, description = "The record as it is now; ETag is its version", body = dto::$place::$record))
        )]
        pub(crate) async fn $patch(
            caller: CanWrite,
            State(app): State<App>,
            Id(id): Id,
            request: Raw,
        ) -> Result<Response, Problem> {
            update::<model::$record>(&app, &caller, Kind::$kind, (id, $noun), Extent::Part, &request).await
        }

        #[doc = $put_summary]
        #[utoipa::path(
            put, path = $one_path, tag = "books",
            params(("id" = i64, Path, description = "Its local id"),
                ("If-Match" = String, Header, description = "The ETag, or version, that was read; * for any"),
                ("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same answer for 7 days")),
            request_body = dto::writes::$write,
            responses((status = 200, description = "The record as it is now; ETag is its version", body = dto::$place::$record))
        )]
        pub(crate) async fn $put(
            caller: CanWrite,
            State(app): State<App>,
            Id(id): Id,
            request: Raw,
        ) -> Result<Response, Problem> {
            update::<model::$record>(&app, &caller, Kind::$kind, (id, $noun), Extent::Whole, &request).await
        }

        #[doc = $delete_summary]
        #[utoipa::path(
            delete, path = $one_path, tag = "books",
            params(("id" = i64, Path, description = "Its local id"),
                ("If-Match" = String, Header, description = "The ETag, or version, that was read; * for any"),
                ("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same answer for 7 days")),
            responses((status = 204, description = "Deleted here; Xero is told next"))
        )]
        pub(crate) async fn $delete(
            caller: CanWrite,
            State(app): State<App>,
            Id(id): Id,
            request: Raw,
        ) -> Result<Response, Problem> {
            delete::<model::$record>(&app, &caller, (id, $noun), &request).await
        }
    };
}

writing!(create_customer patch_customer put_customer delete_customer books Customer Customer CustomerWrite
    "/api/v1/customers" "/api/v1/customers/{id}" "customer"
    "Creates a customer or supplier." "Changes fields of a customer or supplier."
    "Replaces a customer or supplier." "Deletes a customer or supplier; Xero archives the contact.");
writing!(create_invoice patch_invoice put_invoice delete_invoice documents Invoice Invoice InvoiceWrite
    "/api/v1/invoices" "/api/v1/invoices/{id}" "invoice"
    "Creates a sales invoice or a bill." "Changes fields of an invoice or a bill."
    "Replaces an invoice or a bill." "Deletes an invoice or a bill; Xero deletes a draft and voids the rest.");
writing!(create_payment patch_payment put_payment delete_payment books Payment Payment PaymentWrite
    "/api/v1/payments" "/api/v1/payments/{id}" "payment"
    "Creates a payment." "Changes fields of a payment; once Xero has it, only its status."
    "Replaces a payment; once Xero has it, only its status may differ." "Deletes a payment, in Xero too.");
writing!(create_bank_transaction patch_bank_transaction put_bank_transaction delete_bank_transaction
    documents BankTransaction BankTransaction BankTransactionWrite
    "/api/v1/bank-transactions" "/api/v1/bank-transactions/{id}" "bank transaction"
    "Creates a bank transaction." "Changes fields of a bank transaction."
    "Replaces a bank transaction." "Deletes a bank transaction, in Xero too.");

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_read_may_be_sent_back() {
        let current = json!({"id": 4, "name": "A", "xeroStatus": "DRAFT", "total": "5.00"});
        let mut whole = current.clone();
        whole["name"] = "B".into();
        without_what_stays(&mut whole, &current, Extent::Whole);
        assert_eq!(whole, json!({"name": "B"}));
        let mut part = json!({"name": "A", "total": "6.00"});
        without_what_stays(&mut part, &current, Extent::Part);
        assert_eq!(part, json!({"total": "6.00"}), "what cannot be written and differs is left, and refused");
    }
}
