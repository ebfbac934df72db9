//! Runs, failures and figures as the API shows them.

use jiff::Timestamp;
use model::Kind;
use serde::Serialize;
use store::{KindCounts, RunStatistics};
use utoipa::ToSchema;

use super::DecimalText;

/// One sync operation. While it is `RUNNING` the counts are those of the moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) id: i64,
    connection_id: i64,
    /// `FULL` or `INCREMENTAL`.
    #[schema(example = "FULL")]
    mode: &'static str,
    /// `PULL`: from Xero into the books; `PUSH`: from the books to Xero; `BOTH`.
    #[schema(example = "PULL")]
    direction: &'static str,
    /// `RUNNING`, `COMPLETED`, `PARTIAL` (some records are listed as failures), `FAILED` or `CANCELLED`.
    #[schema(example = "COMPLETED")]
    state: &'static str,
    /// Who or what asked for it.
    #[schema(example = "api:key-3")]
    triggered_by: String,
    /// What it is doing now.
    phase: Option<String>,
    error: Option<RunError>,
    /// How often it was taken up again after it was cut off.
    resumed: i64,
    /// Records read, and changes that were to be sent.
    processed: i64,
    /// Records brought over or found as they are, and changes that Xero took.
    succeeded: i64,
    /// Records listed as failures.
    failed: i64,
    /// Of those that succeeded, the ones that were as they are.
    skipped: i64,
    /// Calls made to Xero.
    calls: i64,
    /// Bytes received from Xero.
    bytes_received: i64,
    started_at: Timestamp,
    /// When it last did something; a running one that has been silent for minutes was cut off.
    active_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// From its beginning to its end, or until now.
    duration_ms: i64,
    /// What it did with each kind, in the order in which kinds are read.
    kinds: Vec<RunKind>,
}

/// Why a run failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunError {
    #[schema(example = "TO-QUOTA-DAY")]
    code: Option<String>,
    message: String,
}

/// What a run did with one kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunKind {
    #[schema(example = "invoice")]
    kind: &'static str,
    /// How many records Xero said there are to read.
    expected: Option<i64>,
    seen: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    failed: i64,
    /// Records created in Xero.
    sent_created: i64,
    /// Records changed in Xero.
    sent_updated: i64,
    /// Records voided, deleted or archived in Xero.
    sent_removed: i64,
    /// Changes that the rules, or Xero, refused.
    refused: i64,
    /// Fields that both sides had changed differently.
    conflicts: i64,
}

impl Run {
    pub(crate) fn new(run: store::Run, kinds: &[(Kind, KindCounts)], now: Timestamp) -> Self {
        let sum = |of: fn(&KindCounts) -> i64| kinds.iter().map(|(_, counts)| of(counts)).sum::<i64>();
        let end = run.finished_at.unwrap_or(now);
        Self {
            id: run.id,
            connection_id: run.connection.0,
            mode: run.mode.as_str(),
            direction: run.direction.as_str(),
            state: run.state.as_str(),
            triggered_by: run.triggered_by,
            phase: run.phase,
            error: run.error.map(|message| RunError { code: run.error_code, message }),
            resumed: run.resumed,
            processed: sum(|counts| counts.seen + sent(counts) + counts.refused),
            succeeded: sum(|counts| counts.created + counts.updated + counts.unchanged + sent(counts)),
            failed: sum(|counts| counts.failed + counts.refused),
            skipped: sum(|counts| counts.unchanged),
            calls: run.calls,
            bytes_received: run.bytes,
            started_at: run.started_at,
            active_at: run.active_at,
            finished_at: run.finished_at,
            duration_ms: end.as_millisecond().saturating_sub(run.started_at.as_millisecond()).max(0),
            kinds: kinds.iter().map(|(kind, counts)| RunKind::new(*kind, counts)).collect(),
        }
    }
}

/// Changes that Xero took.
fn sent(counts: &KindCounts) -> i64 {
    counts.sent_created + counts.sent_updated + counts.sent_removed
}

impl RunKind {
    pub(crate) fn new(kind: Kind, counts: &KindCounts) -> Self {
        Self {
            kind: kind.as_str(),
            expected: counts.expected,
            seen: counts.seen,
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            failed: counts.failed,
            sent_created: counts.sent_created,
            sent_updated: counts.sent_updated,
            sent_removed: counts.sent_removed,
            refused: counts.refused,
            conflicts: counts.conflicts,
        }
    }
}

/// Figures over a connection's runs and books.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statistics {
    connection_id: i64,
    #[serde(flatten)]
    runs: RunFigures,
    kinds: Vec<KindFigures>,
}

/// Figures over a connection's runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunFigures {
    /// Runs that ended.
    total_runs: i64,
    completed_runs: i64,
    partial_runs: i64,
    failed_runs: i64,
    /// Completed and partial runs in percent of those that ended; null before the first one.
    #[schema(example = "98.75")]
    success_rate: Option<DecimalText>,
    /// Failed runs in percent of those that ended.
    error_rate: Option<DecimalText>,
    /// Over the last 100 runs that ended.
    average_duration_ms: Option<i64>,
    last_success_at: Option<Timestamp>,
    calls: i64,
    bytes_received: i64,
}

/// How one kind stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindFigures {
    #[schema(example = "invoice")]
    pub(crate) kind: &'static str,
    /// Records in the books.
    pub(crate) total: i64,
    /// Of those, linked with a record in Xero.
    pub(crate) synced: i64,
    /// Of those, not linked yet.
    pub(crate) pending: i64,
    /// Open failures.
    pub(crate) failed: i64,
    /// Everything that changed in Xero before this instant is in the books.
    pub(crate) read_until: Option<Timestamp>,
}

impl Statistics {
    pub(crate) fn new(connection_id: i64, runs: &RunStatistics, kinds: Vec<KindFigures>) -> Self {
        Self { connection_id, runs: RunFigures::new(runs), kinds }
    }
}

impl RunFigures {
    pub(crate) fn new(runs: &RunStatistics) -> Self {
        Self {
            total_runs: runs.finished,
            completed_runs: runs.completed,
            partial_runs: runs.partial,
            failed_runs: runs.failed,
            success_rate: percent(runs.completed + runs.partial, runs.finished),
            error_rate: percent(runs.failed, runs.finished),
            average_duration_ms: runs.average_duration_ms,
            last_success_at: runs.last_success_at,
            calls: runs.calls,
            bytes_received: runs.bytes,
        }
    }
}

/// A part in percent with two decimals, rounded half up.
fn percent(part: i64, whole: i64) -> Option<DecimalText> {
    if whole <= 0 {
        return None;
    }
    let hundredths = (i128::from(part) * 20_000 + i128::from(whole)) / (2 * i128::from(whole));
    i64::try_from(hundredths * 100).ok().map(|ten_thousandths| model::Amount::from_e4(ten_thousandths).into())
}

/// A record that could not be brought over.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    id: i64,
    #[schema(example = "invoice")]
    kind: &'static str,
    /// `PULL`: from Xero into the books; `PUSH`: from the books to Xero.
    #[schema(example = "PUSH")]
    direction: &'static str,
    /// The record's id in Xero, or what is known of it.
    remote_key: String,
    /// The record's local id, where it has one.
    local_id: Option<i64>,
    #[schema(example = "TO-BAD-RECORD")]
    code: String,
    /// What is wrong.
    message: String,
    /// Who can help: `RETRY` (it heals by itself), `FIX_DATA` or `ASK_PERSON`.
    #[schema(example = "FIX_DATA")]
    advice: &'static str,
    /// What to do about a code like this.
    fix: &'static str,
    /// What Xero sent, shortened.
    raw: Option<String>,
    attempts: i64,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    /// When it is tried again by itself, if it is.
    next_try_at: Option<Timestamp>,
    /// The run that saw it last.
    run_id: Option<i64>,
}

impl From<store::Failure> for Failure {
    fn from(failure: store::Failure) -> Self {
        Self {
            id: failure.id,
            kind: failure.kind.as_str(),
            direction: failure.direction.as_str(),
            remote_key: failure.remote_key,
            local_id: failure.local_id,
            advice: sync::advice_of(&failure.code).as_str(),
            fix: sync::fix_of(&failure.code),
            code: failure.code,
            message: failure.message,
            raw: failure.raw,
            attempts: failure.attempts,
            first_seen_at: failure.first_seen_at,
            last_seen_at: failure.last_seen_at,
            next_try_at: failure.next_try_at,
            run_id: failure.run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact() {
        let text = |part, whole| percent(part, whole).map(|rate| rate.0);
        assert_eq!(text(1, 3).as_deref(), Some("33.33"));
        assert_eq!(text(2, 3).as_deref(), Some("66.67"));
        assert_eq!(text(7, 7).as_deref(), Some("100.00"));
        assert_eq!(text(0, 5).as_deref(), Some("0.00"));
        assert_eq!(text(0, 0), None);
    }
}
