//! Why a record is, or is not, in sync: in plain sentences, with what to do, which side has what, and what happened.

use jiff::Timestamp;
use model::{ConnectionId, Kind, Policy, merge, path};
use serde_json::Value;
use store::{
    Candidate, CandidateState, Conflict, ConflictState, Connection, Direction, Failure, FailureFilter, FullLink,
    Intent, IntentState, Op, Tx,
};
use uuid::Uuid;

use crate::conflicts::{at, value_of};
use crate::map::{Pulled, for_kind};
use crate::meet::Table;
use crate::{Engine, Error, fix_of, timeline};

/// Things of one sort that are looked at.
const MOST: i64 = 100;

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncState {
    /// Both sides have the same.
    InSync,
    /// A change is noticed or planned and goes out by itself.
    Waiting,
    /// It is being sent.
    Sending,
    /// Sent, no answer: it is looked for in Xero before anything is sent again.
    Looking,
    /// Somebody has to decide or mend something.
    NeedsYou,
    /// Only one side has it, and nothing is to be done about it.
    OneSided,
    /// Both sides differ and nobody has noticed yet.
    Unnoticed,
}

impl SyncState {
    /// The name in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "IN_SYNC",
            Self::Waiting => "WAITING",
            Self::Sending => "SENDING",
            Self::Looking => "LOOKING",
            Self::NeedsYou => "NEEDS_YOU",
            Self::OneSided => "ONE_SIDED",
            Self::Unnoticed => "UNNOTICED",
        }
    }
}

/// One reason why a record is, or is not, in sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A plain sentence.
    pub text: String,
    /// Stable code, where there is one.
    pub code: Option<String>,
    /// What to do, where somebody has to.
    pub fix: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The conflict that it is about.
    pub conflict: Option<i64>,
    /// The failure that it is about.
    pub failure: Option<i64>,
}

/// A field, or group of fields, that is not the same on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldState {
    /// Its path.
    pub field: String,
    /// What both last agreed on.
    pub base: Value,
    /// The App's value.
    pub app: Value,
    /// Xero's value, as far as is known without asking.
    pub xero: Value,
    /// The conflict about it, if both changed it.
    pub conflict: Option<i64>,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What, for example `record.updated`, `sent`, `conflict.resolved`.
    pub what: String,
    /// Who or what caused it, where that is known.
    pub by: Option<String>,
    /// In words.
    pub text: String,
    /// The run that it happened in.
    pub run: Option<i64>,
}

/// Why a record is, or is not, in sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Its kind.
    pub kind: Kind,
    /// The App's record.
    pub local_id: i64,
    /// Xero's record, if the two are linked.
    pub xero_id: Option<Uuid>,
    /// Its name or number.
    pub label: String,
    /// How it stands.
    pub state: SyncState,
    /// Why, the most urgent first.
    pub reasons: Vec<Reason>,
    /// When the App's row was last written.
    pub app_changed_at: Option<Timestamp>,
    /// When Xero says that the state known of it was written.
    pub xero_changed_at: Option<Timestamp>,
    /// What both sides last agreed on, as JSON.
    pub agreed: Option<Value>,
    /// What differs now.
    pub fields: Vec<FieldState>,
    /// What happened, newest first.
    pub timeline: Vec<Happening>,
}

/// All that the database knows of one record.
pub(crate) struct Known {
    pub(crate) captured: Option<(Timestamp, Option<Timestamp>)>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) last_sent: Option<Timestamp>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) candidates: Vec<Candidate>,
}

impl Engine {
    /// Why a record is, or is not, in sync, with at most `limit` lines of what happened. Xero is not asked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the organisation has no such record and never had.
    pub fn explain<'a>(
        &'a self,
        id: ConnectionId,
        kind: Kind,
        local_id: i64,
        limit: usize,
    ) -> crate::Boxed<'a, Explanation> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let mut tx = self.store().read().await?;
            for_kind!(kind, P => self.explain_one::<P>(&mut tx, &connection, local_id, limit).await)
        })
    }

    async fn explain_one<P: Pulled>(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        local_id: i64,
        limit: usize,
    ) -> Result<Explanation, Error> {
        let id = connection.id;
        let row = tx.book_row::<P::Record>(id, connection.org, local_id).await?;
        let link = tx.links_of_locals(id, P::KIND, &[local_id]).await?.remove(&local_id);
        let known = Known::load(tx, connection, P::KIND, local_id).await?;
        if row.is_none() && link.is_none() && known.is_empty() {
            return Err(Error::NotFound(format!("there is no {} {local_id}", P::KIND)));
        }
        let standing = tx.standing_conflicts(id, P::KIND, &[local_id]).await?.remove(&local_id).unwrap_or_default();
        let record = row.as_ref().map(|row| &row.record);
        let (fields, base) = match &link {
            Some(link) => differences::<P>(record, link, &standing)?,
            None => (Vec::new(), None),
        };
        let label = record.or(base.as_ref()).map(P::label).unwrap_or_default();
        let side = Sides {
            kind: P::KIND,
            has_row: row.is_some(),
            is_live: record.is_some_and(model::Record::is_live),
            xero_id: link.as_ref().map(|link| link.xero_id),
            is_live_in_xero: base.as_ref().is_some_and(model::Record::is_live),
            changed_at: row.as_ref().map(|row| row.updated_at),
            fields: unaccounted(&fields),
        };
        let (state, reasons) = known.reasons(&side, &standing, self.now());
        let events = tx.events_of(connection.org, P::KIND, local_id, MOST).await?;
        Ok(Explanation {
            kind: P::KIND,
            local_id,
            xero_id: side.xero_id,
            label,
            state,
            reasons,
            app_changed_at: side.changed_at,
            xero_changed_at: link.as_ref().and_then(|link| link.remote_updated_at),
            agreed: base.and_then(|base| serde_json::to_value(base).ok()),
            fields,
            timeline: timeline::of(&known, &events, limit),
        })
    }
}

/// The two sides, as far as reasons need them.
struct Sides {
    kind: Kind,
    has_row: bool,
    is_live: bool,
    xero_id: Option<Uuid>,
    is_live_in_xero: bool,
    changed_at: Option<Timestamp>,
    fields: Vec<String>,
}

/// Fields that differ without a conflict that stands for them.
fn unaccounted(fields: &[FieldState]) -> Vec<String> {
    fields.iter().filter(|field| field.conflict.is_none()).map(|field| field.field.clone()).collect()
}

/// What the App has and Xero does not, and what both say differently; and the base.
fn differences<P: Pulled>(
    row: Option<&P::Record>,
    link: &FullLink,
    standing: &[Conflict],
) -> Result<(Vec<FieldState>, Option<P::Record>), Error> {
    let known = Table::known_remote::<P>(link, standing)?;
    let Some(row) = row else { return Ok((Vec::new(), Some(known.base))) };
    let internal = |error: serde_json::Error| Error::Internal(format!("a record cannot be compared: {error}"));
    let decision = merge(&known.base, row, &known.remote, &|_| Policy::Ask).map_err(internal)?;
    let value = |record: &P::Record| serde_json::to_value(record).map_err(internal);
    let (base, app, xero) = (value(&known.base)?, value(row)?, value(&known.remote)?);
    let shown = |record: &Value, field: &str| path::get(record, field).unwrap_or(Value::Null);
    let mut fields: Vec<FieldState> = decision
        .push
        .iter()
        .map(|field| FieldState {
            field: field.clone(),
            base: shown(&base, field),
            app: shown(&app, field),
            xero: shown(&xero, field),
            conflict: None,
        })
        .collect();
    fields.extend(decision.conflicts.into_iter().map(|conflict| FieldState {
        conflict: standing.iter().find(|known| known.field == conflict.field).map(|known| known.id),
        field: conflict.field,
        base: conflict.base,
        app: conflict.app,
        xero: conflict.xero,
    }));
    Ok((fields, Some(known.base)))
}

impl Known {
    async fn load(tx: &mut Tx, connection: &Connection, kind: Kind, local_id: i64) -> Result<Self, Error> {
        let id = connection.id;
        let intents = tx.intents_of_record(id, kind, local_id, MOST).await?;
        let last_sent = match intents.iter().find(|intent| is_open(intent)) {
            Some(open) => tx.last_send_of(open.id).await?.map(|send| send.last_sent_at),
            None => None,
        };
        let of_record = store::ConflictFilter { kind: Some(kind), local_id: Some(local_id), state: None };
        let failures =
            FailureFilter { kind: Some(kind), local_id: Some(local_id), with_closed: true, ..FailureFilter::default() };
        Ok(Self {
            captured: tx.capture_of(kind, local_id).await?,
            intents,
            last_sent,
            conflicts: tx.conflicts(id, &of_record, None, MOST).await?,
            failures: tx.failures(id, &failures, None, MOST).await?,
            candidates: tx.candidates_of(id, kind, &[local_id]).await?,
        })
    }

    fn is_empty(&self) -> bool {
        self.intents.is_empty() && self.conflicts.is_empty() && self.failures.is_empty() && self.captured.is_none()
    }

    fn reasons(&self, sides: &Sides, standing: &[Conflict], now: Timestamp) -> (SyncState, Vec<Reason>) {
        let mut found: Vec<(SyncState, Reason)> = Vec::new();
        found.extend(standing.iter().map(conflict));
        found.extend(self.open_failures().map(failure));
        let asked = self.candidates.iter().filter(|pair| pair.state == CandidateState::Open);
        found.extend(asked.map(|pair| (SyncState::NeedsYou, candidate(sides.kind, pair))));
        found.extend(self.intents.iter().find(|intent| is_open(intent)).map(|open| on_its_way(open, self.last_sent)));
        if found.iter().all(|(_, reason)| reason.failure.is_none()) {
            found.extend(self.captured.map(|captured| (SyncState::Waiting, noticed(captured, now))));
        }
        let nothing_waits = found.iter().all(|(state, _)| *state == SyncState::InSync);
        if nothing_waits && (found.is_empty() || !sides.fields.is_empty()) {
            found.push(sides.settled());
        }
        let urgency = |state: SyncState| match state {
            SyncState::NeedsYou => 0,
            SyncState::Looking => 1,
            SyncState::Sending => 2,
            SyncState::Waiting => 3,
            SyncState::Unnoticed => 4,
            SyncState::OneSided => 5,
            SyncState::InSync => 6,
        };
        found.sort_by_key(|(state, _)| urgency(*state));
        let state = found.first().map_or(SyncState::InSync, |(state, _)| *state);
        (state, found.into_iter().map(|(_, reason)| reason).collect())
    }

    fn open_failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().filter(|failure| failure.resolved_at.is_none())
    }
}

impl Sides {
    /// How a record stands that nothing waits for.
    fn settled(&self) -> (SyncState, Reason) {
        let kind = self.kind;
        let (state, text) = match (self.has_row, self.xero_id.is_some()) {
            (true, true) if self.fields.is_empty() => {
                (SyncState::InSync, "the App and Xero have the same; nothing waits".to_owned())
            }
            (true, true) => (
                SyncState::Unnoticed,
                format!(
                    "the App has another value than Xero in {}, and nobody has noticed: `tieout sync --full` does, or sync this record now",
                    self.fields.join(", ")
                ),
            ),
            (true, false) if !self.is_live => {
                (SyncState::OneSided, format!("this {kind} was cancelled before Xero heard of it: nothing is sent"))
            }
            (true, false) => (
                SyncState::Unnoticed,
                format!("this {kind} is not in Xero, and nobody has noticed: sync this record now"),
            ),
            (false, true) if self.is_live_in_xero => (
                SyncState::Unnoticed,
                format!("the App deleted this {kind} and Xero still has it: sync this record now"),
            ),
            (false, _) => (SyncState::OneSided, format!("this {kind} is gone in the App, and in Xero it is removed")),
        };
        (state, Reason::new(text).since(self.changed_at))
    }
}

impl Reason {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: None, fix: None, since: None, conflict: None, failure: None }
    }

    fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }
}

pub(crate) fn is_open(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::Planned | IntentState::Sending | IntentState::Unknown)
}

/// What an intent does, in words.
pub(crate) fn doing(op: Op) -> &'static str {
    match op {
        Op::Create => "creating it in Xero",
        Op::Update => "changing it in Xero",
        Op::Remove => "removing it in Xero",
    }
}

/// What a capture means, in words.
fn noticed((since, until): (Timestamp, Option<Timestamp>), now: Timestamp) -> Reason {
    let text = match until.filter(|until| *until > now) {
        Some(until) => format!(
            "a change in the App was noticed at {}; it waits and is looked at again at {}",
            at(since),
            at(until)
        ),
        None => format!("a change in the App was noticed at {} and goes out with the next push", at(since)),
    };
    Reason::new(text).since(Some(since))
}

fn on_its_way(intent: &Intent, last_sent: Option<Timestamp>) -> (SyncState, Reason) {
    let what = doing(intent.op);
    let until = |text: &str| intent.not_before.map_or_else(String::new, |next| format!("; {text} {}", at(next)));
    let (state, text) = match intent.state {
        IntentState::Unknown => {
            let sent = last_sent.map_or_else(String::new, |sent| format!(" at {}", at(sent)));
            let text = format!("{what}: sent{sent}, no answer: looking before retry{}", until("the next look is at"));
            (SyncState::Looking, text)
        }
        IntentState::Sending => {
            let sent = last_sent.map_or_else(String::new, |sent| format!(", sent at {}", at(sent)));
            (SyncState::Sending, format!("{what} is on its way{sent}, not answered yet"))
        }
        _ => {
            let why = intent.message.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let text = format!("{what} was planned at {}{why}{}", at(intent.created_at), until("it is sent after"));
            (SyncState::Waiting, text)
        }
    };
    (state, Reason { code: intent.code.clone(), ..Reason::new(text).since(Some(intent.created_at)) })
}

fn conflict(conflict: &Conflict) -> (SyncState, Reason) {
    let (id, field) = (conflict.id, &conflict.field);
    let both = || format!("the App has {}, Xero has {}", shown(&conflict.app), shown(&conflict.xero));
    let (state, text, fix) = match (conflict.state, conflict.what.as_str()) {
        (ConflictState::Ignored, _) => {
            let by = conflict.decided_by.as_deref().unwrap_or("somebody");
            let text =
                format!("{by} set the conflict about {field} aside: both sides stay as they are until one changes");
            (SyncState::InSync, text, None)
        }
        (_, "PRESENCE") => (
            SyncState::NeedsYou,
            "the App deleted this record, and Xero changed it after both had last agreed".to_owned(),
            Some(format!("decide conflict {id}: remove it in Xero too, or bring it back to the App")),
        ),
        (_, "POSSIBLE_OVERWRITE") => (
            SyncState::NeedsYou,
            format!(
                "somebody changed this record in Xero in the moment in which {field} was written there, which may have replaced what they wrote"
            ),
            Some(format!("compare with the record's history in Xero, then ignore conflict {id}")),
        ),
        (_, "SUSPECTED_DUPLICATE") => (
            SyncState::NeedsYou,
            format!("Xero has more than one record that looks like this one: {}", shown(&conflict.xero)),
            Some(format!("say in conflict {id} which one it is, and remove the others in Xero")),
        ),
        _ => (
            SyncState::NeedsYou,
            format!("both sides changed {field} after they last agreed: {}", both()),
            Some(format!("decide conflict {id}")),
        ),
    };
    let since = Some(conflict.created_at);
    (state, Reason { fix, conflict: Some(id), ..Reason::new(text).since(since) })
}

fn failure(failure: &Failure) -> (SyncState, Reason) {
    let way = if failure.direction == Direction::Push { "Xero did not get it" } else { "the App did not get it" };
    let next = failure.next_try_at.map_or_else(String::new, |next| format!("; it is tried again at {}", at(next)));
    let is_waiting = failure.code == "TO-WAITING";
    let (state, text) = match (&failure.ignored_by, &failure.ignored_reason) {
        (Some(by), reason) => {
            let why = reason.as_deref().unwrap_or_default();
            (SyncState::OneSided, format!("{way}: {}; {by} set that aside: {why}", failure.message))
        }
        _ if is_waiting => (SyncState::Waiting, format!("{way} yet: {}{next}", failure.message)),
        _ => (
            SyncState::NeedsYou,
            format!(
                "{way}: {} (attempt {}, last at {}{next})",
                failure.message,
                failure.attempts,
                at(failure.last_seen_at)
            ),
        ),
    };
    let fix = failure.ignored_by.is_none().then(|| fix_of(&failure.code).to_owned());
    let reason = Reason::new(text).since(Some(failure.first_seen_at));
    (state, Reason { code: Some(failure.code.clone()), fix, failure: Some(failure.id), ..reason })
}

fn candidate(kind: Kind, pair: &Candidate) -> Reason {
    let text = format!(
        "Xero's {kind} {} may be the same: {}; neither side is copied before that is said",
        pair.xero_id, pair.reason
    );
    Reason {
        code: Some("TO-MATCH".into()),
        fix: Some(fix_of("TO-MATCH").to_owned()),
        ..Reason::new(text).since(Some(pair.created_at))
    }
}

/// A value in a sentence.
pub(crate) fn shown(value: &Option<String>) -> String {
    match value_of(value.as_deref()) {
        Value::Null => "nothing".into(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}
