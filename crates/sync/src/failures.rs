//! Failures for people: what could not be brought over and why, by cause, with what to do; tried again, set aside, or
//! linked with what Xero has already.
//!
//! A failure stays listed until an attempt succeeds. Trying again never sends blindly: a change of the App is captured
//! anew and goes the whole way of planning and looking, a record of Xero is asked for by its id.

use std::collections::{BTreeMap, HashMap};

use model::accounting::Advice;
use model::{ConnectionId, Kind};
use store::{Direction, Failure, FailureFilter, FailureGroup, IntentState, NewEvent, Tx};
use uuid::Uuid;

use crate::map::{Pulled, for_kind};
use crate::outgoing::for_two_way;
use crate::{Engine, Error, advice_of, fix_of};

/// Failures listed at a time unless asked otherwise.
const PAGE: i64 = 100;
/// The most that are listed, or tried again, at once.
const MOST: i64 = 10_000;

/// Which failures to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailureQuery {
    /// Which ones.
    pub filter: FailureFilter,
    /// Only those before this id: the cursor.
    pub before: Option<i64>,
    /// At most so many; 100 if it is 0.
    pub limit: i64,
}

/// A failure with what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureView {
    /// The failure.
    pub failure: Failure,
    /// What people call the record; empty where the App does not have it.
    pub label: String,
    /// Who can help.
    pub advice: Advice,
    /// What to do, in one sentence.
    pub fix: &'static str,
    /// Sent, no answer: it is looked for in Xero before anything is sent again.
    pub is_in_doubt: bool,
}

/// Open failures of one cause with what to do about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCause {
    /// The failures.
    pub group: FailureGroup,
    /// Who can help.
    pub advice: Advice,
    /// What to do, in one sentence.
    pub fix: &'static str,
}

impl Engine {
    /// Failures, newest first; open ones unless the filter says otherwise.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failures(&self, id: ConnectionId, query: &FailureQuery) -> Result<Vec<FailureView>, Error> {
        let mut tx = self.store().read().await?;
        let limit = if query.limit > 0 { query.limit.min(MOST) } else { PAGE };
        let found = tx.failures(id, &query.filter, query.before, limit).await?;
        views(&mut tx, id, found).await
    }

    /// One failure, open or not.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn failure(&self, id: ConnectionId, failure: i64) -> Result<FailureView, Error> {
        let mut tx = self.store().read().await?;
        let found = tx.failure(id, failure).await?.ok_or_else(|| unknown(failure))?;
        views(&mut tx, id, vec![found]).await?.pop().ok_or_else(|| unknown(failure))
    }

    /// Open failures by cause, the largest group first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failure_groups(&self, id: ConnectionId) -> Result<Vec<FailureCause>, Error> {
        let groups = self.store().read().await?.failure_groups(id).await?;
        let cause = |group: FailureGroup| {
            let (advice, fix) = (advice_of(&group.code), fix_of(&group.code));
            FailureCause { group, advice, fix }
        };
        Ok(groups.into_iter().map(cause).collect())
    }

    /// Tries one failure again: a record of Xero is asked for at once, a change of the App goes out with the next push.
    /// The failure stays listed until that has succeeded.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not open; [`Error::Invalid`] if trying again cannot help; [`Error::Busy`], and those
    /// of Xero and the database.
    pub async fn retry_failure(&self, id: ConnectionId, failure: i64, by: &str) -> Result<(), Error> {
        let found = self.open_failure(id, failure).await?;
        may_retry(&found)?;
        self.retry(id, &[found], by).await.map(drop)
    }

    /// Tries failures again, of one cause, kind or way, or all that are open; returns how many. Those that trying again
    /// cannot help are left out.
    ///
    /// # Errors
    /// [`Error::Busy`], and those of Xero and the database.
    pub async fn retry_failures(&self, id: ConnectionId, filter: &FailureFilter, by: &str) -> Result<usize, Error> {
        let filter = FailureFilter { with_closed: false, ..filter.clone() };
        let mut found = self.store().read().await?.failures(id, &filter, None, MOST).await?;
        found.retain(|failure| may_retry(failure).is_ok());
        self.retry(id, &found, by).await
    }

    fn retry<'a>(&'a self, id: ConnectionId, failures: &'a [Failure], by: &'a str) -> crate::Boxed<'a, usize> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let now = self.now();
            let mut pushes: BTreeMap<Kind, Vec<i64>> = BTreeMap::new();
            let mut pulls: BTreeMap<Kind, Vec<Uuid>> = BTreeMap::new();
            for failure in failures {
                match (failure.direction, failure.local_id, Uuid::try_parse(&failure.remote_key)) {
                    (Direction::Push, Some(local_id), _) => pushes.entry(failure.kind).or_default().push(local_id),
                    (Direction::Pull, _, Ok(xero_id)) => pulls.entry(failure.kind).or_default().push(xero_id),
                    _ => {}
                }
            }
            let mut tx = self.store().begin().await?;
            for (kind, locals) in &pushes {
                tx.capture(connection.org, *kind, locals, now).await?;
            }
            let events: Vec<NewEvent> =
                failures.iter().map(|failure| event_of(failure, "failure.retried", by, None)).collect();
            tx.add_events(connection.org, &events, now).await?;
            tx.commit().await?;
            for (kind, ids) in &pulls {
                for_kind!(*kind, P => self.refetch::<P>(id, ids, by).await?);
            }
            Ok(pushes.values().map(Vec::len).sum::<usize>() + pulls.values().map(Vec::len).sum::<usize>())
        })
    }

    /// Sets a failure aside, with the reason. It is listed again when its cause becomes another.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not open; [`Error::Invalid`] without a reason.
    pub async fn ignore_failure(
        &self,
        id: ConnectionId,
        failure: i64,
        reason: &str,
        by: &str,
    ) -> Result<FailureView, Error> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(Error::Invalid("say why it can be ignored: somebody will ask".into()));
        }
        let found = self.open_failure(id, failure).await?;
        let connection = self.connection(id).await?;
        let now = self.now();
        let mut tx = self.store().begin().await?;
        if !tx.ignore_failure(id, failure, by, reason, now).await? {
            return Err(unknown(failure));
        }
        tx.add_events(connection.org, &[event_of(&found, "failure.ignored", by, Some(reason))], now).await?;
        tx.commit().await?;
        self.failure(id, failure).await
    }

    /// Lists a failure again that was set aside.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was not.
    pub async fn restore_failure(&self, id: ConnectionId, failure: i64, by: &str) -> Result<FailureView, Error> {
        let connection = self.connection(id).await?;
        let mut tx = self.store().begin().await?;
        let found = tx.failure(id, failure).await?.ok_or_else(|| unknown(failure))?;
        if !tx.restore_failure(id, failure).await? {
            return Err(Error::NotFound(format!("failure {failure} was not set aside")));
        }
        tx.add_events(connection.org, &[event_of(&found, "failure.restored", by, None)], self.now()).await?;
        tx.commit().await?;
        self.failure(id, failure).await
    }

    /// Links a failure's local record with one that Xero has already, so that it is not created there; both are merged.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the failure is not open or Xero has no such record; [`Error::Invalid`] if the two cannot be
    /// linked; [`Error::Busy`], and those of Xero and the database.
    pub fn link_failure<'a>(
        &'a self,
        id: ConnectionId,
        failure: i64,
        xero_id: Uuid,
        by: &'a str,
    ) -> crate::Boxed<'a, ()> {
        Box::pin(async move {
            let found = self.open_failure(id, failure).await?;
            let Some(local_id) = found.local_id else {
                return Err(Error::Invalid("this failure has no record of the app that could be linked".into()));
            };
            for_two_way!(
                found.kind,
                P => self.link_pair::<P>(id, local_id, xero_id, by).await?,
                other => return Err(Error::Invalid(format!("{} are only read from xero: nothing to link", other.plural())))
            );
            let connection = self.connection(id).await?;
            let mut tx = self.store().begin().await?;
            tx.add_events(connection.org, &[event_of(&found, "failure.linked", by, None)], self.now()).await?;
            Ok(tx.commit().await?)
        })
    }

    async fn open_failure(&self, id: ConnectionId, failure: i64) -> Result<Failure, Error> {
        let found = self.store().read().await?.failure(id, failure).await?;
        let is_open = |found: &Failure| found.resolved_at.is_none() && found.ignored_at.is_none();
        found.filter(is_open).ok_or_else(|| unknown(failure))
    }
}

/// Whether trying again can do any good, and no harm.
fn may_retry(failure: &Failure) -> Result<(), Error> {
    if failure.direction == Direction::Push && failure.code == "TO-DUPLICATE" {
        let why = "xero may have it more than once already: nothing is sent again before somebody says which one it is";
        return Err(Error::Invalid(why.into()));
    }
    match failure.direction {
        Direction::Push if failure.local_id.is_none() => {
            Err(Error::Invalid("this failure names no record of the app: there is nothing to send again".into()))
        }
        Direction::Pull if Uuid::try_parse(&failure.remote_key).is_err() => Err(Error::Invalid(
            "xero gave no id with it, so that it cannot be asked for: a full sync reads it again".into(),
        )),
        _ => Ok(()),
    }
}

async fn views(tx: &mut Tx, id: ConnectionId, failures: Vec<Failure>) -> Result<Vec<FailureView>, Error> {
    let mut labels: HashMap<(Kind, i64), String> = HashMap::new();
    let mut in_doubt: HashMap<(Kind, i64), bool> = HashMap::new();
    for kind in Kind::ALL {
        let ids: Vec<i64> = failures.iter().filter(|one| one.kind == kind).filter_map(|one| one.local_id).collect();
        if ids.is_empty() {
            continue;
        }
        labels.extend(for_kind!(kind, P => labels_of::<P>(tx, id, &ids).await?));
        let open = tx.open_intents_of(id, kind, &ids).await?;
        in_doubt.extend(open.into_iter().map(|(local, intent)| ((kind, local), intent.state == IntentState::Unknown)));
    }
    let view = |failure: Failure| {
        let key = failure.local_id.map(|local| (failure.kind, local));
        FailureView {
            label: key.and_then(|key| labels.get(&key).cloned()).unwrap_or_default(),
            advice: advice_of(&failure.code),
            fix: fix_of(&failure.code),
            is_in_doubt: key.and_then(|key| in_doubt.get(&key).copied()).unwrap_or_default(),
            failure,
        }
    };
    Ok(failures.into_iter().map(view).collect())
}

async fn labels_of<P: Pulled>(tx: &mut Tx, id: ConnectionId, ids: &[i64]) -> Result<Vec<((Kind, i64), String)>, Error> {
    let rows = tx.read_books::<P::Record>(id, ids).await?;
    Ok(rows.into_iter().map(|row| ((P::KIND, row.id), P::label(&row.record))).collect())
}

fn event_of(failure: &Failure, what: &'static str, by: &str, reason: Option<&str>) -> NewEvent {
    let details = serde_json::json!({ "failure": failure.id, "code": failure.code, "by": by, "reason": reason });
    NewEvent {
        what,
        kind: Some(failure.kind),
        local_id: failure.local_id,
        run: None,
        details: Some(details.to_string()),
    }
}

fn unknown(failure: i64) -> Error {
    Error::NotFound(format!("there is no open failure {failure}"))
}
