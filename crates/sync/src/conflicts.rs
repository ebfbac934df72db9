//! Conflicts for people: looking at them, deciding them one by one, by record and in bulk, and taking a decision back.
//!
//! A decision is only taken on what was shown: if either side moved meanwhile, it is refused and the fresh state comes
//! back with the refusal. What is decided is written in one transaction with who decided (`settle`); Xero is told by the
//! push that follows, which reads it again first.

use jiff::Timestamp;
use model::accounting::Refusal;
use model::{ConnectionId, Kind, OrgId};
use serde_json::Value;
use store::{Conflict, ConflictFilter, ConflictState, NewEvent, Resolution};
use uuid::Uuid;

use crate::amounts::Rates;
use crate::meet::Table;
use crate::outgoing::for_two_way;
use crate::policy::Policies;
use crate::settle::Desk;
use crate::{Engine, Error};

/// Conflicts listed, or decided in bulk, at a time unless asked otherwise.
const PAGE: i64 = 100;
/// The most that one bulk decision takes.
const MOST: i64 = 10_000;

/// Which conflicts to list or decide, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConflictQuery {
    /// Only those that stand so.
    pub state: Option<ConflictState>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// Only those of this local row.
    pub local_id: Option<i64>,
    /// Only those before this id: the cursor.
    pub before: Option<i64>,
    /// At most so many; 100 if it is 0.
    pub limit: i64,
}

/// A conflict with what a person needs to decide it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictView {
    /// The conflict.
    pub conflict: Conflict,
    /// What people call the record: its name or number.
    pub label: String,
    /// What tells this state of the conflict, and of the App's present value, from another. A decision that names it is
    /// refused if the conflict has moved.
    pub version: String,
    /// The App's value now, which may be newer than the conflict's. `None` if the record is gone, or the conflict is not
    /// about a field.
    pub app_now: Option<Value>,
    /// What each choice would write where; only for pending ones that a person can decide.
    pub preview: Option<Preview>,
}

/// What each choice would write where.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// If the App's value is kept.
    pub keep_app: Effect,
    /// If Xero's value is kept.
    pub keep_xero: Effect,
}

/// What a choice writes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    /// The value that the App's row gets; `None` leaves it as it is, null clears it.
    pub to_app: Option<Value>,
    /// The value that is sent to Xero; `None` sends nothing, null clears it (or removes the record).
    pub to_xero: Option<Value>,
    /// Why the choice is not possible.
    pub refusal: Option<Refusal>,
}

/// A decision about a conflict.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// The App's value goes to Xero.
    KeepApp,
    /// Xero's value goes to the App.
    KeepXero,
    /// Both get this value, in the shape of the conflict's values.
    Merge(Value),
    /// Both stay as they are; it is quiet until one of them changes. For what cannot be undone: it has been looked at.
    Ignore,
    /// Of a suspected duplicate: this one in Xero is the record.
    Link(Uuid),
}

impl Choice {
    /// The name in the API and on the command line.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::KeepApp => "KEEP_APP",
            Self::KeepXero => "KEEP_XERO",
            Self::Merge(_) => "MANUAL_MERGE",
            Self::Ignore => "IGNORE",
            Self::Link(_) => "LINK",
        }
    }

    pub(crate) const fn resolution(&self) -> Option<Resolution> {
        match self {
            Self::KeepApp => Some(Resolution::KeepApp),
            Self::KeepXero | Self::Link(_) => Some(Resolution::KeepXero),
            Self::Merge(_) => Some(Resolution::ManualMerge),
            Self::Ignore => None,
        }
    }
}

/// A decision about one conflict of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChoice {
    /// The conflict.
    pub conflict: i64,
    /// Its version as it was shown; without one only the App's value is compared.
    pub version: Option<String>,
    /// What is decided.
    pub choice: Choice,
}

/// What came of a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The conflict as it stands now.
    pub view: ConflictView,
    /// The App's row was written.
    pub wrote_app: bool,
    /// Xero will be told by the next push.
    pub to_send: bool,
}

/// What came of a bulk decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BulkOutcome {
    /// Conflicts decided.
    pub done: usize,
    /// Conflicts that had moved; they are as fresh as can be now.
    pub stale: usize,
    /// Conflicts that could not be decided so, with the reason.
    pub refused: Vec<BulkRefusal>,
}

/// Why one conflict of a bulk decision was not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRefusal {
    /// The conflict.
    pub conflict: i64,
    /// Stable code.
    pub code: &'static str,
    /// The reason, in a sentence.
    pub message: String,
}

impl Engine {
    /// Conflicts, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn conflicts<'a>(&'a self, id: ConnectionId, query: &'a ConflictQuery) -> crate::Boxed<'a, Vec<ConflictView>> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let mut tx = self.store().read().await?;
            let filter = ConflictFilter { state: query.state, kind: query.kind, local_id: query.local_id };
            let limit = if query.limit > 0 { query.limit.min(MOST) } else { PAGE };
            let found = tx.conflicts(id, &filter, query.before, limit).await?;
            let ids: Vec<i64> = found.iter().map(|conflict| conflict.id).collect();
            let mut views = Vec::with_capacity(found.len());
            for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
                let of_kind: Vec<Conflict> = found.iter().filter(|conflict| conflict.kind == kind).cloned().collect();
                if !of_kind.is_empty() {
                    views.extend(for_two_way!(kind, P => Desk::<P>::views(&mut tx, &connection, of_kind).await?));
                }
            }
            views.sort_by_key(|view: &ConflictView| ids.iter().position(|id| *id == view.conflict.id));
            Ok(views)
        })
    }

    /// One conflict.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn conflict<'a>(&'a self, id: ConnectionId, conflict: i64) -> crate::Boxed<'a, ConflictView> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let mut tx = self.store().read().await?;
            let found = tx.conflict(id, conflict).await?.ok_or_else(|| unknown(conflict))?;
            let views = for_two_way!(
                found.kind,
                P => Desk::<P>::views(&mut tx, &connection, vec![found]).await?,
                other => return Err(not_two_way(other))
            );
            views.into_iter().next().ok_or_else(|| unknown(conflict))
        })
    }

    /// What a decision would write where, without writing it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] if the conflict cannot be decided so.
    pub fn preview<'a>(&'a self, id: ConnectionId, conflict: i64, choice: &'a Choice) -> crate::Boxed<'a, Effect> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let mut tx = self.store().read().await?;
            let found = tx.conflict(id, conflict).await?.ok_or_else(|| unknown(conflict))?;
            for_two_way!(
                found.kind,
                P => Desk::<P>::at(&mut tx, &connection, found.local_id, false).await?.effect(&found, choice),
                other => Err(not_two_way(other))
            )
        })
    }

    /// Decides a conflict.
    ///
    /// # Errors
    /// [`Error::ConflictMoved`], with the fresh state, if it is not as it was shown any more; [`Error::Refused`] if the
    /// accounting rules do not allow it; [`Error::Invalid`] if it cannot be decided so; [`Error::NotFound`].
    pub async fn resolve(
        &self,
        id: ConnectionId,
        conflict: i64,
        version: Option<&str>,
        choice: Choice,
        by: &str,
    ) -> Result<Resolved, Error> {
        let found = self.store().read().await?.conflict(id, conflict).await?.ok_or_else(|| unknown(conflict))?;
        if let Choice::Link(xero_id) = choice {
            return self.resolve_duplicate(id, &found, xero_id, by).await;
        }
        let choice = FieldChoice { conflict, version: version.map(str::to_owned), choice };
        let mut decided = self.resolve_record(id, found.kind, found.local_id, &[choice], by).await?;
        decided.pop().ok_or_else(|| unknown(conflict))
    }

    /// Decides several conflicts of one record, each as it is said, in one transaction: all of them or none.
    ///
    /// # Errors
    /// As [`Engine::resolve`].
    pub fn resolve_record<'a>(
        &'a self,
        id: ConnectionId,
        kind: Kind,
        local_id: i64,
        choices: &'a [FieldChoice],
        by: &'a str,
    ) -> crate::Boxed<'a, Vec<Resolved>> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let table = self.table(id, connection.org).await?;
            let now = self.now();
            let mut tx = self.store().begin_durable().await?;
            for_two_way!(
                kind,
                P => {
                    let mut desk = Desk::<P>::at(&mut tx, &connection, local_id, true).await?;
                    if let Some(moved) = desk.moved(&mut tx, choices).await? {
                        // Brought up to date, so that the next decision is on what is there now.
                        desk.refresh(&mut tx, &table, now).await?;
                        tx.commit().await?;
                        return Err(Error::ConflictMoved(Box::new(self.conflict(id, moved).await?)));
                    }
                    let decided = desk.settle(&mut tx, &table, choices, by, now).await?;
                    tx.commit().await?;
                    self.resolved(id, decided).await
                },
                other => Err(not_two_way(other))
            )
        })
    }

    /// Decides all pending conflicts of a record alike.
    ///
    /// # Errors
    /// As [`Engine::resolve`].
    pub async fn resolve_all_of(
        &self,
        id: ConnectionId,
        kind: Kind,
        local_id: i64,
        choice: &Choice,
        by: &str,
    ) -> Result<Vec<Resolved>, Error> {
        let pending = self.store().read().await?.pending_conflicts(id, kind, &[local_id]).await?.remove(&local_id);
        let choices: Vec<FieldChoice> = pending
            .unwrap_or_default()
            .into_iter()
            .map(|conflict| FieldChoice { conflict: conflict.id, version: None, choice: choice.clone() })
            .collect();
        self.resolve_record(id, kind, local_id, &choices, by).await
    }

    /// Decides pending conflicts alike, record by record, each record in a transaction of its own.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a choice that fits one conflict only; those of the database. A conflict that cannot be
    /// decided so is none: it is told in the outcome.
    pub async fn resolve_many(
        &self,
        id: ConnectionId,
        query: &ConflictQuery,
        choice: &Choice,
        by: &str,
    ) -> Result<BulkOutcome, Error> {
        if matches!(choice, Choice::Merge(_) | Choice::Link(_)) {
            return Err(Error::Invalid(
                "many conflicts cannot get one value: keep the app's, keep xero's or ignore".into(),
            ));
        }
        self.connection(id).await?;
        let filter = ConflictFilter { state: Some(ConflictState::Pending), kind: query.kind, local_id: query.local_id };
        let limit = if query.limit > 0 { query.limit.min(MOST) } else { MOST };
        let found = self.store().read().await?.conflicts(id, &filter, query.before, limit).await?;
        let mut records: Vec<(Kind, i64)> = found.iter().map(|conflict| (conflict.kind, conflict.local_id)).collect();
        records.sort_unstable();
        records.dedup();
        let mut outcome = BulkOutcome::default();
        for (kind, local_id) in records {
            let of_record = found.iter().filter(|conflict| (conflict.kind, conflict.local_id) == (kind, local_id));
            let choices: Vec<FieldChoice> = of_record
                .map(|conflict| FieldChoice { conflict: conflict.id, version: None, choice: choice.clone() })
                .collect();
            match self.resolve_record(id, kind, local_id, &choices, by).await {
                Ok(decided) => outcome.done += decided.len(),
                Err(Error::ConflictMoved(_)) => outcome.stale += choices.len(),
                Err(error @ (Error::Refused(_) | Error::Invalid(_) | Error::NotFound(_))) => {
                    outcome.refused.extend(choices.iter().map(|one| BulkRefusal {
                        conflict: one.conflict,
                        code: error.code(),
                        message: error.to_string(),
                    }));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }

    /// Sets a conflict aside: both sides stay as they are, and it is quiet until one of them changes.
    ///
    /// # Errors
    /// As [`Engine::resolve`].
    pub async fn ignore(
        &self,
        id: ConnectionId,
        conflict: i64,
        version: Option<&str>,
        by: &str,
    ) -> Result<Resolved, Error> {
        self.resolve(id, conflict, version, Choice::Ignore, by).await
    }

    /// Takes a decision back, a person's or a policy's: a new edit of the App's row with the value that lost (of a manual
    /// merge: the App's value before), which goes to Xero like any other edit.
    ///
    /// # Errors
    /// [`Error::Refused`] if the record has moved on, or the accounting rules or Xero no longer allow it;
    /// [`Error::Invalid`] if there is no decision to take back; [`Error::NotFound`].
    pub fn undo<'a>(&'a self, id: ConnectionId, conflict: i64, by: &'a str) -> crate::Boxed<'a, Resolved> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let table = self.table(id, connection.org).await?;
            let now = self.now();
            let mut tx = self.store().begin_durable().await?;
            let found = tx.conflict(id, conflict).await?.ok_or_else(|| unknown(conflict))?;
            let settled = for_two_way!(
                found.kind,
                P => {
                    let mut desk = Desk::<P>::at(&mut tx, &connection, found.local_id, true).await?;
                    desk.undo(&mut tx, &table, &found, by, now).await?
                },
                other => return Err(not_two_way(other))
            );
            tx.commit().await?;
            self.resolved(id, vec![settled]).await?.pop().ok_or_else(|| unknown(conflict))
        })
    }

    /// A person says which of several records in Xero is the App's.
    fn resolve_duplicate<'a>(
        &'a self,
        id: ConnectionId,
        found: &'a Conflict,
        xero_id: Uuid,
        by: &'a str,
    ) -> crate::Boxed<'a, Resolved> {
        Box::pin(async move {
            let listed = found.xero.as_deref().unwrap_or_default();
            if found.what != "SUSPECTED_DUPLICATE" || !listed.contains(&xero_id.to_string()) {
                return Err(Error::Invalid(
                    "only one of the records that a suspected duplicate lists can be chosen".into(),
                ));
            }
            if found.state != ConflictState::Pending {
                return Err(Error::ConflictMoved(Box::new(self.conflict(id, found.id).await?)));
            }
            let to_send = for_two_way!(found.kind, P => self.link_pair::<P>(id, found.local_id, xero_id, by).await?, other => return Err(not_two_way(other)));
            let now = self.now();
            let mut tx = self.store().begin_durable().await?;
            let result = Value::from(xero_id.to_string()).to_string();
            tx.decide_conflict(found.id, ConflictState::Resolved, Some(Resolution::KeepXero), Some(&result), by, now)
                .await?;
            let connection = self.connection(id).await?;
            tx.add_events(connection.org, &[event_of(found, "conflict.resolved", "LINK", by)], now).await?;
            tx.commit().await?;
            Ok(Resolved { view: self.conflict(id, found.id).await?, wrote_app: true, to_send })
        })
    }

    async fn resolved(&self, id: ConnectionId, settled: Vec<Settled>) -> Result<Vec<Resolved>, Error> {
        let mut all = Vec::with_capacity(settled.len());
        for Settled { conflict, wrote_app, to_send } in settled {
            all.push(Resolved { view: self.conflict(id, conflict).await?, wrote_app, to_send });
        }
        Ok(all)
    }

    /// Where both sides of this connection's records meet, outside of any run.
    pub(crate) async fn table(&self, id: ConnectionId, org: OrgId) -> Result<Table, Error> {
        let mut tx = self.store().read().await?;
        let policies = Policies::of(tx.policies(id).await?);
        let rates = Rates::of(tx.tax_percentages(org).await?);
        Ok(Table { connection: id, org, policies, rates, run: None })
    }
}

/// A conflict that was decided, before it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) conflict: i64,
    pub(crate) wrote_app: bool,
    pub(crate) to_send: bool,
}

/// The event of a decision: who decided what about which field, without the values.
pub(crate) fn event_of(conflict: &Conflict, what: &'static str, choice: &str, by: &str) -> NewEvent {
    let details = serde_json::json!({ "conflict": conflict.id, "field": conflict.field, "choice": choice, "by": by });
    NewEvent {
        what,
        kind: Some(conflict.kind),
        local_id: Some(conflict.local_id),
        run: None,
        details: Some(details.to_string()),
    }
}

/// The JSON of a stored value; null for none.
pub(crate) fn value_of(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// When something was, as sentences say it.
pub(crate) fn at(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn unknown(conflict: i64) -> Error {
    Error::NotFound(format!("there is no conflict {conflict}"))
}

fn not_two_way(kind: Kind) -> Error {
    Error::Invalid(format!("{} are only read from xero: nothing of theirs can conflict", kind.plural()))
}
