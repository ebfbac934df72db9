//! Verifications: comparing both sides record by record, and what that found.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use jiff::Timestamp;
use model::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync::{KindTally, MoneyGroup, RecordDifference, SideSum, VerifyReason, VerifyScope};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{CanRead, CanSync};
use crate::background::{Verifying, stopping};
use crate::connections::{find, holder_of};
use crate::cursor;
use crate::dto::{DecimalText, Page};
use crate::input::{Id, Params, page_size};
use crate::problem::Problem;
use crate::state::App;

/// What comparing both sides found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    id: i64,
    connection_id: i64,
    /// `WHOLE`, or `SAMPLE`: some records by their ids.
    #[schema(example = "WHOLE")]
    scope: &'static str,
    /// The only kind that was compared; null where all were.
    #[schema(example = "invoice")]
    kind: Option<&'static str>,
    /// `RUNNING`, `COMPLETED`, or `FAILED`: it stopped and says nothing about the two sides.
    #[schema(example = "COMPLETED")]
    state: &'static str,
    /// Who or what asked for it; `sweep` and `sample` go by the clock.
    #[schema(example = "api:key-3")]
    triggered_by: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// True if it was completed and nothing differs without a known reason.
    agrees: bool,
    /// Records compared.
    records: i64,
    /// Records that both sides have the same.
    same: i64,
    /// Records that differ.
    different: i64,
    /// Records that differ for a reason that is known: a conflict, a failure, a change on its way.
    explained: i64,
    /// What the sums of both sides differ by without a known reason, signs aside, over all currencies.
    #[schema(value_type = String, example = "0.00")]
    difference: DecimalText,
    /// Calls made to Xero.
    calls: i64,
    kinds: Vec<VerifiedKind>,
    /// Sums of both sides by kind, type, status and currency.
    money: Vec<VerifiedMoney>,
    /// Records that differ, by their worst reason, the worst first.
    reasons: Vec<VerifiedReason>,
    /// Fields that differ: differences first, then explained ones, at most a thousand of each. Empty in lists.
    differences: Vec<VerifiedDifference>,
    /// Fields that differ beyond those.
    unlisted: i64,
    error: Option<VerifyError>,
}

/// How one kind stands on both sides.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedKind {
    #[schema(example = "invoice")]
    kind: &'static str,
    /// Records in the App.
    app: i64,
    /// Records in Xero.
    xero: i64,
    same: i64,
    different: i64,
    explained: i64,
    /// Fingerprint of the App's contents; the same as Xero's when all records are.
    app_hash: String,
    xero_hash: String,
}

/// Sums of one kind, type, status and currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedMoney {
    #[schema(example = "invoice")]
    kind: &'static str,
    /// Empty for payments.
    #[schema(example = "ACCREC")]
    r#type: String,
    #[schema(example = "AUTHORISED")]
    status: String,
    /// Empty for payments.
    #[schema(example = "NZD")]
    currency: String,
    app: VerifiedSum,
    xero: VerifiedSum,
    /// What they differ by without a known reason, total and open together, signs aside.
    #[schema(value_type = String, example = "0.00")]
    difference: DecimalText,
}

/// One side of such sums.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedSum {
    count: i64,
    #[schema(value_type = String, example = "1150.00")]
    total: DecimalText,
    /// What is due, or remaining.
    #[schema(value_type = String, example = "115.00")]
    open: DecimalText,
}

/// How many records differ for a reason.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedReason {
    #[schema(example = "APP_CHANGED")]
    reason: &'static str,
    /// False for what counts as a difference.
    explained: bool,
    /// In words.
    text: &'static str,
    records: i64,
}

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedDifference {
    #[schema(example = "invoice")]
    kind: &'static str,
    local_id: Option<i64>,
    xero_id: Option<Uuid>,
    /// Name or number of the record.
    #[schema(example = "INV-0042")]
    label: String,
    /// Path of the field; `presence` where one side has no such record.
    #[schema(example = "total")]
    field: String,
    /// The App's value; null for none.
    app: Option<Value>,
    /// Xero's value; null for none.
    xero: Option<Value>,
    #[schema(example = "XERO_OWNED")]
    reason: &'static str,
    explained: bool,
    /// Why, in a sentence.
    note: String,
    /// The record, the field and both values in a sentence.
    #[schema(example = "invoice INV-0042 (local 17): total: App 115.01, Xero 115.00")]
    text: String,
}

/// Why a verification stopped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifyError {
    #[schema(example = "TO-QUOTA-DAY")]
    code: String,
    message: String,
}

impl From<sync::Verification> for Verification {
    fn from(found: sync::Verification) -> Self {
        Self {
            id: found.id,
            connection_id: found.connection.0,
            scope: found.scope.as_str(),
            kind: found.kind.map(Kind::as_str),
            state: found.state.as_str(),
            agrees: found.agrees(),
            records: found.records(),
            triggered_by: found.triggered_by,
            started_at: found.started_at,
            ended_at: found.ended_at,
            same: found.counts.same,
            different: found.counts.different,
            explained: found.counts.explained,
            difference: found.counts.difference.into(),
            calls: found.counts.calls,
            kinds: found.kinds.into_iter().map(VerifiedKind::from).collect(),
            money: found.money.into_iter().map(VerifiedMoney::from).collect(),
            reasons: found.reasons.into_iter().map(VerifiedReason::from).collect(),
            differences: found.differences.into_iter().map(VerifiedDifference::from).collect(),
            unlisted: found.unlisted,
            error: found.error.map(|(code, message)| VerifyError { code, message }),
        }
    }
}

impl From<KindTally> for VerifiedKind {
    fn from(tally: KindTally) -> Self {
        let KindTally { kind, app, xero, same, different, explained, app_hash, xero_hash } = tally;
        Self { kind: kind.as_str(), app, xero, same, different, explained, app_hash, xero_hash }
    }
}

impl From<MoneyGroup> for VerifiedMoney {
    fn from(group: MoneyGroup) -> Self {
        Self {
            kind: group.kind.as_str(),
            r#type: group.r#type,
            status: group.status,
            currency: group.currency,
            app: group.app.into(),
            xero: group.xero.into(),
            difference: group.difference.into(),
        }
    }
}

impl From<SideSum> for VerifiedSum {
    fn from(sum: SideSum) -> Self {
        Self { count: sum.count, total: sum.total.into(), open: sum.open.into() }
    }
}

impl From<(VerifyReason, i64)> for VerifiedReason {
    fn from((reason, records): (VerifyReason, i64)) -> Self {
        Self { reason: reason.as_str(), explained: reason.is_explained(), text: reason.words(), records }
    }
}

impl From<RecordDifference> for VerifiedDifference {
    fn from(one: RecordDifference) -> Self {
        let value = |value: Value| (!value.is_null()).then_some(value);
        Self {
            text: one.sentence(),
            kind: one.kind.as_str(),
            local_id: one.local_id,
            xero_id: one.xero_id,
            label: one.label,
            field: one.field,
            app: value(one.app),
            xero: value(one.xero),
            reason: one.reason.as_str(),
            explained: one.reason.is_explained(),
            note: one.note,
        }
    }
}

/// How to verify.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VerifyQuery {
    /// True to be answered when it has ended, not when it has begun.
    #[serde(default)]
    wait: bool,
    /// Only this kind of record; all where it is left out.
    #[param(value_type = Option<String>, example = "invoice")]
    kind: Option<Kind>,
    /// True to read again, and merge, what differs, as the daily sweep does.
    #[serde(default)]
    mend: bool,
}

/// Compares both sides record by record, Xero read afresh. Costs a list of every kind in Xero, 1,000 records a call.
#[utoipa::path(post, path = "/api/v1/integrations/xero/connections/{id}/verifications", tag = "verify",
    params(("id" = i64, Path, description = "The connection"), VerifyQuery),
    responses(
        (status = 202, description = "Begun; Location is where it is kept", body = Verification),
        (status = 200, description = "Ended, with wait=true", body = Verification),
    ))]
pub(crate) async fn start_verification(
    caller: CanSync,
    State(app): State<App>,
    Id(id): Id,
    query: Params<VerifyQuery>,
) -> Result<Response, Problem> {
    let connection = find(&app, caller.reach, Some(id)).await?;
    let (engine, VerifyQuery { wait, kind, mend }) = (app.engine(), query.0);
    let begun = app.syncs().verify(engine.clone(), connection.id, kind, mend, caller.name()).await;
    let Verifying { id, done } = begun.map_err(|problem| problem.dated(engine.now()))?;
    let status = if wait {
        let ended = done.await.map_err(|_| stopping())?;
        ended.map_err(|error| Problem::from(error).dated(engine.now()))?;
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let found = engine.verification(connection.id, id).await?;
    let location = format!("/api/v1/integrations/xero/verifications/{id}");
    Ok((status, [(LOCATION, location)], Json(Verification::from(found))).into_response())
}

/// Filters of the verifications.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VerificationsQuery {
    /// Verifications per page, 1 to 500; 100 where it is left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `nextCursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// Only `WHOLE` ones, or only `SAMPLE`s.
    #[param(value_type = Option<String>, example = "WHOLE")]
    scope: Option<String>,
}

/// The verifications of a connection, newest first, without what each lists. Kept for 90 days, the last 100 of each scope.
#[utoipa::path(get, path = "/api/v1/integrations/xero/connections/{id}/verifications", tag = "verify",
    params(("id" = i64, Path, description = "The connection"), VerificationsQuery),
    responses((status = 200, description = "A page of verifications", body = Page<Verification>)))]
pub(crate) async fn list_verifications(
    caller: CanRead,
    State(app): State<App>,
    Id(id): Id,
    query: Params<VerificationsQuery>,
) -> Result<Json<Page<Verification>>, Problem> {
    let VerificationsQuery { limit, cursor, scope } = query.0;
    let limit = page_size(limit)?;
    let parse = |text: String| {
        VerifyScope::parse(&text)
            .ok_or_else(|| Problem::invalid(format!("scope: {text:?} is neither WHOLE nor SAMPLE")))
    };
    let scope = scope.map(parse).transpose()?;
    let connection = find(&app, caller.reach, Some(id)).await?;
    let name = format!("verifications|{}|{scope:?}", connection.id);
    let before = cursor.map(|text| cursor::read(&app, &name, &text)).transpose()?;
    let mut found = app.engine().verifications(connection.id, scope, before, limit + 1).await?;
    let has_more = i64::try_from(found.len()).unwrap_or(i64::MAX) > limit;
    if has_more {
        found.pop();
    }
    let next_cursor = found.last().filter(|_| has_more).map(|last| cursor::write(&app, &name, last.id));
    Ok(Json(Page { items: found.into_iter().map(Verification::from).collect(), next_cursor }))
}

/// One verification with everything that it lists; while it is under way, without.
#[utoipa::path(get, path = "/api/v1/integrations/xero/verifications/{id}", tag = "verify",
    params(("id" = i64, Path, description = "The verification")),
    responses((status = 200, description = "The verification", body = Verification)))]
pub(crate) async fn get_verification(
    caller: CanRead,
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<Verification>, Problem> {
    let connection =
        holder_of!(app, caller.reach, "verification", tx, one => tx.verification(one, id).await?.is_some());
    Ok(Json(app.engine().verification(connection.id, id).await?.into()))
}
