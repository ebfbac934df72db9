//! Conflicts and explanations as the API shows them.

use jiff::Timestamp;
use model::accounting::Refusal;
use serde::Serialize;
use serde_json::Value;
use sync::{BulkOutcome, ConflictView, Effect, Explanation, Happening, Preview as Previewed, Reason as Because};
use utoipa::ToSchema;
use uuid::Uuid;

/// A field that both sides changed differently, or something else about a record that a person decides.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conflict {
    id: i64,
    #[schema(example = "customer")]
    kind: &'static str,
    local_id: i64,
    xero_id: Uuid,
    /// Name or number of the record.
    label: String,
    /// `FIELD`, `PRESENCE`, `POSSIBLE_OVERWRITE` or `SUSPECTED_DUPLICATE`.
    #[schema(example = "FIELD")]
    what: String,
    /// Path of the field, for example `email` or `phones[MOBILE]`.
    #[schema(example = "email")]
    field: String,
    /// What both sides last agreed on.
    #[schema(value_type = Object)]
    base: Option<Value>,
    /// The App's value.
    #[schema(value_type = Object)]
    app: Option<Value>,
    /// Xero's value.
    #[schema(value_type = Object)]
    xero: Option<Value>,
    /// The App's value now, which may be newer.
    #[schema(value_type = Object)]
    app_now: Option<Value>,
    app_changed_at: Option<Timestamp>,
    xero_changed_at: Option<Timestamp>,
    /// The rule that applied: `LAST_WRITE`, `APP`, `XERO` or `ASK`.
    #[schema(example = "ASK")]
    policy: String,
    /// `PENDING`, `RESOLVED` or `IGNORED`.
    #[schema(example = "PENDING")]
    state: &'static str,
    /// `KEEP_APP`, `KEEP_XERO` or `MANUAL_MERGE`.
    resolution: Option<&'static str>,
    /// The value that the field got.
    #[schema(value_type = Object)]
    result: Option<Value>,
    decided_by: Option<String>,
    decided_at: Option<Timestamp>,
    undone_by: Option<String>,
    undone_at: Option<Timestamp>,
    run_id: Option<i64>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Send it with a decision: one on a state that was not shown is refused.
    version: String,
    /// What each choice would write where; of pending ones only.
    preview: Option<Preview>,
}

/// What each choice would write where.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    keep_app: Choice,
    keep_xero: Choice,
}

/// What a choice would write.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Choice {
    /// True if the App's row gets `toApp`.
    writes_app: bool,
    /// The value that the App's row gets; null clears it.
    #[schema(value_type = Object)]
    to_app: Option<Value>,
    /// True if `toXero` is sent to Xero.
    writes_xero: bool,
    /// The value that is sent to Xero; null clears it, or removes the record.
    #[schema(value_type = Object)]
    to_xero: Option<Value>,
    /// Why the choice is not possible.
    refusal: Option<Refused>,
}

/// Why something is not possible.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refused {
    #[schema(example = "TO-FROZEN")]
    code: &'static str,
    message: String,
    /// `RETRY`, `FIX_DATA` or `ASK_PERSON`.
    advice: &'static str,
}

/// What came of a decision about a conflict.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decided {
    conflict: Conflict,
    /// The App's row was written.
    wrote_app: bool,
    /// Xero is told next.
    to_send: bool,
}

/// What came of a decision about many conflicts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DecidedMany {
    /// Conflicts decided.
    done: usize,
    /// Conflicts that had moved.
    stale: usize,
    /// Conflicts that could not be decided so.
    refused: Vec<NotDecided>,
}

/// A conflict that could not be decided so.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotDecided {
    conflict_id: i64,
    code: &'static str,
    message: String,
}

fn json(text: Option<&str>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

impl From<ConflictView> for Conflict {
    fn from(view: ConflictView) -> Self {
        let ConflictView { conflict, label, version, app_now, preview, .. } = view;
        Self {
            id: conflict.id,
            kind: conflict.kind.as_str(),
            local_id: conflict.local_id,
            xero_id: conflict.xero_id,
            label,
            what: conflict.what,
            field: conflict.field,
            base: json(conflict.base.as_deref()),
            app: json(conflict.app.as_deref()),
            xero: json(conflict.xero.as_deref()),
            app_now,
            app_changed_at: conflict.app_changed_at,
            xero_changed_at: conflict.xero_changed_at,
            policy: conflict.policy,
            state: conflict.state.as_str(),
            resolution: conflict.resolution.map(|resolution| resolution.as_str()),
            result: json(conflict.result.as_deref()),
            decided_by: conflict.decided_by,
            decided_at: conflict.decided_at,
            undone_by: conflict.undone_by,
            undone_at: conflict.undone_at,
            run_id: conflict.run,
            created_at: conflict.created_at,
            updated_at: conflict.updated_at,
            version,
            preview: preview.map(Preview::from),
        }
    }
}

impl From<Previewed> for Preview {
    fn from(preview: Previewed) -> Self {
        Self { keep_app: preview.keep_app.into(), keep_xero: preview.keep_xero.into() }
    }
}

impl From<Effect> for Choice {
    fn from(effect: Effect) -> Self {
        Self {
            writes_app: effect.to_app.is_some(),
            to_app: effect.to_app,
            writes_xero: effect.to_xero.is_some(),
            to_xero: effect.to_xero,
            refusal: effect.refusal.map(Refused::from),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, advice: refusal.advice.as_str(), message: refusal.message }
    }
}

impl From<sync::Resolved> for Decided {
    fn from(resolved: sync::Resolved) -> Self {
        Self { conflict: resolved.view.into(), wrote_app: resolved.wrote_app, to_send: resolved.to_send }
    }
}

impl From<BulkOutcome> for DecidedMany {
    fn from(outcome: BulkOutcome) -> Self {
        let refused = outcome.refused.into_iter().map(|one| NotDecided {
            conflict_id: one.conflict,
            code: one.code,
            message: one.message,
        });
        Self { done: outcome.done, stale: outcome.stale, refused: refused.collect() }
    }
}

/// Why a record is, or is not, in sync.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    #[schema(example = "invoice")]
    kind: &'static str,
    local_id: i64,
    xero_id: Option<Uuid>,
    /// Name or number of the record.
    label: String,
    /// `IN_SYNC`, `WAITING`, `SENDING`, `LOOKING` (sent, no answer: it is looked for before anything is sent again),
    /// `NEEDS_YOU`, `ONE_SIDED` or `UNNOTICED`.
    #[schema(example = "IN_SYNC")]
    state: &'static str,
    /// Why, the most urgent first.
    reasons: Vec<Reason>,
    app_changed_at: Option<Timestamp>,
    xero_changed_at: Option<Timestamp>,
    /// What both sides last agreed on.
    #[schema(value_type = Object)]
    agreed: Option<Value>,
    /// What differs now.
    fields: Vec<FieldState>,
    /// What happened, newest first.
    timeline: Vec<Happened>,
}

/// One reason why a record is, or is not, in sync.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reason {
    text: String,
    code: Option<String>,
    /// What to do.
    fix: Option<String>,
    since: Option<Timestamp>,
    conflict_id: Option<i64>,
    failure_id: Option<i64>,
}

/// A field that is not the same on both sides.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldState {
    #[schema(example = "email")]
    field: String,
    #[schema(value_type = Object)]
    base: Value,
    #[schema(value_type = Object)]
    app: Value,
    #[schema(value_type = Object)]
    xero: Value,
    conflict_id: Option<i64>,
}

/// Something that happened to a record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Happened {
    at: Timestamp,
    #[schema(example = "record.updated")]
    what: String,
    by: Option<String>,
    text: String,
    run_id: Option<i64>,
}

impl From<Explanation> for Explained {
    fn from(explanation: Explanation) -> Self {
        Self {
            kind: explanation.kind.as_str(),
            local_id: explanation.local_id,
            xero_id: explanation.xero_id,
            label: explanation.label,
            state: explanation.state.as_str(),
            reasons: explanation.reasons.into_iter().map(Reason::from).collect(),
            app_changed_at: explanation.app_changed_at,
            xero_changed_at: explanation.xero_changed_at,
            agreed: explanation.agreed,
            fields: explanation.fields.into_iter().map(FieldState::from).collect(),
            timeline: explanation.timeline.into_iter().map(Happened::from).collect(),
        }
    }
}

impl From<Because> for Reason {
    fn from(reason: Because) -> Self {
        Self {
            text: reason.text,
            code: reason.code,
            fix: reason.fix,
            since: reason.since,
            conflict_id: reason.conflict,
            failure_id: reason.failure,
        }
    }
}

impl From<sync::FieldState> for FieldState {
    fn from(state: sync::FieldState) -> Self {
        let sync::FieldState { field, base, app, xero, conflict } = state;
        Self { field, base, app, xero, conflict_id: conflict }
    }
}

impl From<Happening> for Happened {
    fn from(happening: Happening) -> Self {
        let Happening { at, what, by, text, run } = happening;
        Self { at, what, by, text, run_id: run }
    }
}
