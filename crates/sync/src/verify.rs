//! Verification: both sides compared whole, record by record, Xero read afresh; each record and field that differs is
//! named, with both values and the reason.
//!
//! What is compared is the local *row*, as it stands in the tables now, with what Xero says now, brought into the books'
//! words by the same mapping as a pull's. What a link remembers is only asked to say which side has changed. A difference
//! that something is known to be under way for (an open conflict, a listed failure, a captured change, an edit in Xero
//! that no sync has read yet) is told as explained; everything else is a difference.
//!
//! `walk` goes over both sides a page at a time, `differences` compares two states value by value, `judge` says why they
//! differ (`reason`), `tally` counts, `due` knows what is verified when without anybody asking. Nothing is written to the
//! books or to Xero, unless it is to mend, as the daily sweep is: then what differs is read again
//! (`walk::Verifying::heal`).

mod differences;
mod due;
mod judge;
mod reason;
mod tally;
mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{Amount, ConnectionId, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use store::{Integrity, VerifyScope, VerifyState};
use store::{Lease, StoredDifference, StoredVerification, VerifyCounts};
use uuid::Uuid;
use xero::Lane;

pub use self::reason::Reason;
pub use self::tally::{KindTally, MoneyGroup, SideSum};
use self::walk::{Report, Verifying};
use crate::run::ReleaseOnDrop;
use crate::{Engine, Error};

/// Who asked for a daily sweep, in the history.
pub(crate) const SWEEP: &str = "sweep";
/// Who asked for a sample.
pub(crate) const SAMPLE: &str = "sample";

/// How long verifications are kept; of each scope also no more than a hundred.
const KEPT_DAYS: i64 = 90;

/// What is verified without anybody asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifySettings {
    /// When the daily sweep begins, in seconds after midnight UTC; connections follow each other by a quarter of an hour.
    /// `None` switches it off.
    pub sweep_at_s: Option<i64>,
    /// Seconds between two samples of a connection; `None` switches them off.
    pub sample_every_s: Option<i64>,
    /// Calls that one sample may make, at most; each brings 40 records.
    pub sample_calls: i64,
}

impl Default for VerifySettings {
    /// At 03:00, after the nightly full sync; a hundredth of the records an hour, in at most five calls.
    fn default() -> Self {
        Self { sweep_at_s: Some(3 * 60 * 60), sample_every_s: Some(60 * 60), sample_calls: 5 }
    }
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordDifference {
    /// Kind of the record.
    pub kind: Kind,
    /// The local row, if there is one.
    pub local_id: Option<i64>,
    /// The record in Xero, if there is one.
    pub xero_id: Option<Uuid>,
    /// Name or number of the record.
    pub label: String,
    /// The field: `total`, `lines[#2].unit_amount`; `presence` where one side has no such record.
    pub field: String,
    /// The App's value; null for none.
    pub app: Value,
    /// Xero's value; null for none.
    pub xero: Value,
    /// Why.
    pub reason: Reason,
    /// Why, in a sentence.
    pub note: String,
}

impl RecordDifference {
    /// The record as people call it: `invoice INV-0042 (local 17)`.
    pub fn record(&self) -> String {
        let place = match (self.local_id, self.xero_id) {
            (Some(local_id), _) => format!("local {local_id}"),
            (None, Some(xero_id)) => format!("xero {xero_id}"),
            (None, None) => "nowhere".to_owned(),
        };
        let label = if self.label.is_empty() { String::new() } else { format!(" {}", self.label) };
        format!("{}{label} ({place})", self.kind.as_str().replace('_', " "))
    }

    /// The record, the field and both values: `invoice INV-0042 (local 17): total: App 115.01, Xero 115.00`.
    pub fn sentence(&self) -> String {
        let shown = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self.field.as_str() {
            "presence" if self.app.is_null() => format!("{}: in Xero, not in the App", self.record()),
            "presence" => format!("{}: in the App, not in Xero", self.record()),
            "record" | "row" | "link" => format!("{}: {}", self.record(), self.field),
            field => format!("{}: {field}: App {}, Xero {}", self.record(), shown(&self.app), shown(&self.xero)),
        }
    }
}

/// What comparing both sides found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Its id.
    pub id: i64,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Everything, or a sample.
    pub scope: VerifyScope,
    /// The only kind that was compared; none where all were.
    pub kind: Option<Kind>,
    /// How it stands.
    pub state: VerifyState,
    /// Who or what asked for it.
    pub triggered_by: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it counted.
    pub counts: VerifyCounts,
    /// How each kind stands, parents first.
    pub kinds: Vec<KindTally>,
    /// Sums by kind, type, status and currency.
    pub money: Vec<MoneyGroup>,
    /// Records that differ, by their worst reason, the worst first.
    pub reasons: Vec<(Reason, i64)>,
    /// Fields that differ: differences first, then what is explained; at most a thousand of each.
    pub differences: Vec<RecordDifference>,
    /// Fields that differ beyond those.
    pub unlisted: i64,
    /// Stable code and message, if it failed.
    pub error: Option<(String, String)>,
}

impl Verification {
    /// Records compared.
    pub fn records(&self) -> i64 {
        self.counts.same + self.counts.different + self.counts.explained
    }

    /// Both sides agree, but for what is explained.
    pub fn agrees(&self) -> bool {
        self.state == VerifyState::Completed && self.counts.different == 0
    }
}

/// What is kept as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Details {
    kinds: Vec<KindTally>,
    money: Vec<MoneyGroup>,
    reasons: BTreeMap<String, i64>,
    unlisted: i64,
}

/// What is to be done.
struct Job {
    scope: VerifyScope,
    kind: Option<Kind>,
    by: String,
    heals: bool,
}

impl Engine {
    /// Compares both sides of a connection, whole or one kind, and keeps what it found. Nothing is written to the books
    /// or to Xero. `begun` is told the verification's id as soon as there is one.
    ///
    /// # Errors
    /// [`Error::Busy`] while another verification of the connection is under way; [`Error::SuspiciousEmpty`] and
    /// [`Error::ShortList`] for a list that cannot be trusted; those of Xero and the database. What differs is none.
    pub async fn verify(
        &self,
        id: ConnectionId,
        kind: Option<Kind>,
        by: &str,
        begun: &(dyn Fn(i64) + Send + Sync),
    ) -> Result<Verification, Error> {
        let job = Job { scope: VerifyScope::Whole, kind, by: by.to_owned(), heals: false };
        self.verify_as(id, job, begun).await
    }

    /// The same, and what differs on both sides is read again from Xero and merged, however Xero dates it; so is what the
    /// App never had. A row that is gone, and one that was never sent, stay for a person.
    ///
    /// # Errors
    /// As [`Engine::verify`].
    pub async fn mend(
        &self,
        id: ConnectionId,
        kind: Option<Kind>,
        by: &str,
        begun: &(dyn Fn(i64) + Send + Sync),
    ) -> Result<Verification, Error> {
        let job = Job { scope: VerifyScope::Whole, kind, by: by.to_owned(), heals: true };
        self.verify_as(id, job, begun).await
    }

    /// A verification with everything that it found.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the connection has no such verification.
    pub async fn verification(&self, connection: ConnectionId, id: i64) -> Result<Verification, Error> {
        let mut tx = self.store().read().await?;
        let unknown = || Error::NotFound(format!("there is no verification {id}"));
        let stored = tx.verification(connection, id).await?.ok_or_else(unknown)?;
        let differences = tx.verification_differences(id).await?;
        tx.commit().await?;
        let mut verification = Verification::from(stored);
        verification.differences = differences.into_iter().filter_map(difference).collect();
        Ok(verification)
    }

    /// Verifications of a connection without what they list, newest first, before one of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verifications(
        &self,
        connection: ConnectionId,
        scope: Option<VerifyScope>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Verification>, Error> {
        let mut tx = self.store().read().await?;
        let all = tx.verifications(connection, scope, before, limit).await?;
        tx.commit().await?;
        Ok(all.into_iter().map(Verification::from).collect())
    }

    async fn verify_as(
        &self,
        id: ConnectionId,
        job: Job,
        begun: &(dyn Fn(i64) + Send + Sync),
    ) -> Result<Verification, Error> {
        let connection = self.connection(id).await?;
        let books = self.books(&connection, Lane::Background).await?.metered(Lane::Background);
        let lease = self.lease(&format!("verify:{id}")).await?;
        let guard = ReleaseOnDrop::new(self, &lease);
        let mut tx = self.store().begin().await?;
        tx.hold_lease(&lease).await?;
        let place = tx.verifications(id, Some(VerifyScope::Sample), None, 1).await?.pop().and_then(|last| last.next);
        let linked: i64 = tx.count_links(id).await?.iter().map(|(_, count)| count).sum();
        let number = tx.begin_verification(id, job.scope, job.kind, &job.by, self.now()).await?;
        tx.commit().await?;
        begun(number);

        let report = Report::default();
        let mut verifying =
            Verifying { engine: self, connection, books, lease: lease.clone(), heals: job.heals, by: job.by, report };
        let worked = tokio::select! {
            worked = async {
                match job.scope {
                    VerifyScope::Whole => verifying.whole(job.kind).await.map(|()| None),
                    VerifyScope::Sample => verifying.sample(place, self.sample_size(linked)).await,
                }
            } => worked,
            lost = self.keep(&lease) => Err(lost),
        };
        let ended = match worked {
            Ok(next) => self.end(number, &verifying, next).await,
            Err(error) => {
                self.fail(number, &verifying, &error).await;
                Err(error)
            }
        };
        guard.release().await;
        ended?;
        self.verification(id, number).await
    }

    async fn end(&self, number: i64, verifying: &Verifying<'_>, next: Option<(Kind, i64)>) -> Result<(), Error> {
        let report = &verifying.report;
        let (kinds, money) = (report.tally.kinds(), report.tally.money());
        let counts = VerifyCounts {
            same: kinds.iter().map(|kind| kind.same).sum(),
            different: kinds.iter().map(|kind| kind.different).sum(),
            explained: kinds.iter().map(|kind| kind.explained).sum(),
            difference: money.iter().fold(Amount::ZERO, |sum, group| sum + group.difference),
            calls: verifying.calls(),
        };
        let reasons = report.reasons.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect();
        let details = Details { kinds, money, reasons, unlisted: report.unlisted };
        let details = serde_json::to_string(&details).map_err(|error| Error::Internal(error.to_string()))?;
        let differences: Vec<StoredDifference> = report.different.iter().chain(&report.explained).map(stored).collect();
        let now = self.now();
        let before = now.checked_sub(SignedDuration::from_hours(24 * KEPT_DAYS));
        let before = before.map_err(|error| Error::Internal(error.to_string()))?;
        let id = verifying.connection.id;
        let mut tx = self.store().begin().await?;
        tx.hold_lease(&verifying.lease).await?;
        tx.end_verification(number, &counts, &details, &differences, next, now).await?;
        tx.prune_verifications(id, before).await?;
        tx.commit().await?;
        match counts.different {
            0 => {
                tracing::info!(connection = id.0, same = counts.same, explained = counts.explained, "both sides agree")
            }
            different => tracing::warn!(connection = id.0, different, verification = number, "the two sides differ"),
        }
        Ok(())
    }

    /// Notes why a verification stopped; it says nothing about the two sides then.
    async fn fail(&self, number: i64, verifying: &Verifying<'_>, error: &Error) {
        let noted = async {
            let mut tx = self.store().begin().await?;
            tx.fail_verification(number, error.code(), &error.to_string(), verifying.calls(), self.now()).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "that a verification stopped could not be noted");
        }
    }

    /// Keeps the lease while a call waits for its turn; ends only when the lease is lost.
    async fn keep(&self, lease: &Lease) -> Error {
        let third = Duration::from_secs(lease.seconds.unsigned_abs()) / 3;
        loop {
            self.parts.clock.sleep(third).await;
            let renewed = async {
                let mut tx = self.store().begin().await?;
                tx.hold_lease(lease).await?;
                tx.commit().await
            };
            match renewed.await {
                Err(error @ store::Error::LeaseLost(_)) => return error.into(),
                // A database that is away is noticed by the work itself.
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
                Ok(()) => {}
            }
        }
    }
}

impl Verifying<'_> {
    fn calls(&self) -> i64 {
        let own = i64::try_from(self.books.usage().calls).unwrap_or(i64::MAX);
        own.saturating_add(self.report.healing_calls)
    }
}

impl From<StoredVerification> for Verification {
    fn from(stored: StoredVerification) -> Self {
        let details: Details =
            stored.details.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut reasons: Vec<(Reason, i64)> =
            details.reasons.iter().filter_map(|(name, count)| Some((Reason::parse(name)?, *count))).collect();
        reasons.sort_unstable();
        Self {
            id: stored.id,
            connection: stored.connection,
            scope: stored.scope,
            kind: stored.kind,
            state: stored.state,
            triggered_by: stored.triggered_by,
            started_at: stored.started_at,
            ended_at: stored.ended_at,
            counts: stored.counts,
            kinds: details.kinds,
            money: details.money,
            reasons,
            differences: Vec::new(),
            unlisted: details.unlisted,
            error: stored.error,
        }
    }
}

fn stored(one: &RecordDifference) -> StoredDifference {
    let json = |value: &Value| (!value.is_null()).then(|| value.to_string());
    StoredDifference {
        kind: one.kind,
        local_id: one.local_id,
        xero_id: one.xero_id,
        label: one.label.clone(),
        field: one.field.clone(),
        app: json(&one.app),
        xero: json(&one.xero),
        reason: one.reason.as_str().to_owned(),
        is_explained: one.reason.is_explained(),
        note: one.note.clone(),
    }
}

/// `None` for one with a reason that a newer program gave.
fn difference(one: StoredDifference) -> Option<RecordDifference> {
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    Some(RecordDifference {
        reason: Reason::parse(&one.reason)?,
        kind: one.kind,
        local_id: one.local_id,
        xero_id: one.xero_id,
        label: one.label,
        field: one.field,
        app: json(one.app),
        xero: json(one.xero),
        note: one.note,
    })
}
