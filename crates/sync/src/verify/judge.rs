//! Why two sides of a record differ: by something that is known and under way, or by what nobody has told.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use model::{ConnectionId, Owner, Record};
use serde_json::Value;
use store::{
    BookRow, CandidateState, Conflict, ConflictFilter, ConflictState, Cursor, Direction, FailureAbout, FullLink,
    Intent, NewFailure, Tx,
};
use uuid::Uuid;

use super::Reason;
use super::differences::{Differs, differences};
use crate::Error;
use crate::map::Pulled;
use crate::reconcile::Incoming;

/// Suspected duplicates that are looked through, at most.
const MOST: i64 = 1_000;

/// What is to be judged: a record as Xero has it, the App, or both.
pub(super) struct Pair<P: Pulled> {
    /// The record in Xero.
    pub(super) xero_id: Option<Uuid>,
    /// The local row, where no link leads to it.
    pub(super) local_id: Option<i64>,
    /// Xero's state, if Xero has it.
    pub(super) incoming: Option<Incoming<P::Record>>,
    /// What Xero sent and could not be read.
    pub(super) unreadable: Option<NewFailure>,
}

/// A record that was looked at closely.
pub(super) struct Finding<R> {
    pub(super) xero_id: Option<Uuid>,
    pub(super) local_id: Option<i64>,
    pub(super) label: String,
    pub(super) app: Option<R>,
    pub(super) xero: Option<R>,
    /// Both sides are linked with each other.
    pub(super) is_linked: bool,
    /// Xero has something of it that could not be read.
    pub(super) is_unreadable: bool,
    /// What differs; empty if nothing does.
    pub(super) found: Vec<Found>,
}

/// A value that differs, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) field: String,
    pub(super) app: Value,
    pub(super) xero: Value,
    pub(super) reason: Reason,
    /// More than the reason's own words.
    pub(super) detail: Option<String>,
}

impl Found {
    fn new(field: &str, reason: Reason, detail: Option<String>) -> Self {
        Self { field: field.to_owned(), app: Value::Null, xero: Value::Null, reason, detail }
    }
}

/// A reason, and what there is to say beside its own words.
type Why = (Reason, Option<String>);

/// All that the database knows about the records that are judged.
struct Known<P: Pulled> {
    rows: HashMap<i64, Result<BookRow<P::Record>, String>>,
    links: HashMap<Uuid, FullLink>,
    standing: HashMap<i64, Vec<Conflict>>,
    failures: Vec<FailureAbout>,
    captured: HashSet<i64>,
    intents: HashMap<i64, Intent>,
    /// Records of both sides that may be the same as another.
    candidates: (BTreeSet<i64>, BTreeSet<Uuid>),
    /// Xero ids, as text, among which a person is to choose.
    doubled: String,
    /// Creates whose end is not known.
    creates: Vec<Intent>,
    cursor: Cursor,
}

/// Judges records by what the database says now.
pub(super) async fn judge<P: Pulled>(
    tx: &mut Tx,
    connection: ConnectionId,
    pairs: Vec<Pair<P>>,
) -> Result<Vec<Finding<P::Record>>, Error> {
    let known = Known::<P>::load(tx, connection, &pairs).await?;
    Ok(pairs.into_iter().map(|pair| known.finding(pair)).collect())
}

/// Local rows by id; one that was damaged by hand has its fault in its place and does not keep the others from being
/// read.
pub(super) async fn rows<P: Pulled>(
    tx: &mut Tx,
    connection: ConnectionId,
    ids: &[i64],
) -> Result<HashMap<i64, Result<BookRow<P::Record>, String>>, Error> {
    match tx.read_books::<P::Record>(connection, ids).await {
        Ok(rows) => return Ok(rows.into_iter().map(|row| (row.id, Ok(row))).collect()),
        // PostgreSQL's driver has words of its own for a value that is none.
        Err(store::Error::BadRow(_) | store::Error::Driver(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut found = HashMap::with_capacity(ids.len());
    for id in ids {
        match tx.read_books::<P::Record>(connection, &[*id]).await {
            Ok(rows) => found.extend(rows.into_iter().map(|row| (row.id, Ok(row)))),
            Err(store::Error::BadRow(why) | store::Error::Driver(why)) => {
                found.insert(*id, Err(why));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

impl<P: Pulled> Known<P> {
    async fn load(tx: &mut Tx, connection: ConnectionId, pairs: &[Pair<P>]) -> Result<Self, Error> {
        let xero_ids: Vec<Uuid> = pairs.iter().filter_map(|pair| pair.xero_id).collect();
        let links = tx.full_links(connection, P::KIND, &xero_ids).await?;
        let mut local_ids: Vec<i64> = pairs.iter().filter_map(|pair| pair.local_id).collect();
        local_ids.extend(links.values().map(|link| link.local_id));
        local_ids.sort_unstable();
        local_ids.dedup();
        let keys: Vec<String> = pairs.iter().filter_map(key_of).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let is_new = |pair: &Pair<P>| pair.xero_id.is_some_and(|id| !links.contains_key(&id));
        let has_new = pairs.iter().any(is_new);
        let mut candidates = (BTreeSet::new(), BTreeSet::new());
        if has_new || pairs.iter().any(|pair| pair.xero_id.is_none()) {
            for pair in tx.candidates(connection, Some(P::KIND), Some(CandidateState::Open)).await? {
                candidates.0.insert(pair.local_id);
                candidates.1.insert(pair.xero_id);
            }
        }
        let mut doubled = String::new();
        if has_new {
            let pending = ConflictFilter { state: Some(ConflictState::Pending), kind: Some(P::KIND), local_id: None };
            let all = tx.conflicts(connection, &pending, None, MOST).await?;
            let is_doubled = |conflict: &&Conflict| conflict.what == "SUSPECTED_DUPLICATE";
            doubled.extend(all.iter().filter(is_doubled).filter_map(|conflict| conflict.xero.as_deref()));
        }
        Ok(Self {
            rows: rows::<P>(tx, connection, &local_ids).await?,
            standing: tx.standing_conflicts(connection, P::KIND, &local_ids).await?,
            failures: tx.failures_about(connection, P::KIND, &local_ids, &keys).await?,
            captured: tx.captures_of(P::KIND, &local_ids).await?.into_iter().map(|one| one.local_id).collect(),
            intents: tx.open_intents_of(connection, P::KIND, &local_ids).await?,
            creates: if has_new { tx.open_creates(connection, P::KIND).await? } else { Vec::new() },
            cursor: tx.cursor(connection, P::KIND).await?,
            links,
            candidates,
            doubled,
        })
    }

    fn finding(&self, pair: Pair<P>) -> Finding<P::Record> {
        let link = pair.xero_id.and_then(|id| self.links.get(&id));
        let local_id = link.map(|link| link.local_id).or(pair.local_id);
        let row = local_id.and_then(|id| self.rows.get(&id));
        let found = match (&pair.unreadable, row, &pair.incoming) {
            (Some(failure), ..) => {
                let (reason, detail) =
                    self.failed(Direction::Pull, None, &failure.remote_key).unwrap_or((Reason::Unreadable, None));
                vec![Found::new("record", reason, detail.or(Some(failure.message.clone())))]
            }
            (None, Some(Err(why)), _) => vec![Found::new("row", Reason::Unreadable, Some(why.clone()))],
            (None, Some(Ok(row)), Some(incoming)) => self.fields(row, incoming, link),
            (None, None, Some(incoming)) => vec![self.only_in_xero(incoming, link)],
            (None, Some(Ok(row)), None) => vec![self.only_in_app(row, pair.xero_id)],
            (None, None, None) => Vec::new(),
        };
        let app = row.and_then(|row| row.as_ref().ok()).map(|row| row.record.clone());
        let xero = pair.incoming.map(|incoming| incoming.record);
        let base = || link.and_then(|link| serde_json::from_slice::<P::Record>(&link.base).ok());
        let label = app.as_ref().or(xero.as_ref()).map(P::label).or_else(|| base().as_ref().map(P::label));
        Finding {
            xero_id: pair.xero_id,
            local_id,
            label: label
                .or_else(|| pair.unreadable.as_ref().map(|failure| failure.remote_key.clone()))
                .unwrap_or_default(),
            app,
            xero,
            is_linked: link.is_some(),
            is_unreadable: pair.unreadable.is_some(),
            found,
        }
    }

    /// Both sides have it.
    fn fields(&self, row: &BookRow<P::Record>, incoming: &Incoming<P::Record>, link: Option<&FullLink>) -> Vec<Found> {
        let all = differences(&row.record, &incoming.record);
        if all.is_empty() {
            let is_stale =
                link.is_some_and(|link| link.remote_hash != incoming.hash) && !self.is_unread(incoming.updated);
            return if is_stale { vec![Found::new("link", Reason::StaleLink, None)] } else { Vec::new() };
        }
        let json = |record: &P::Record| serde_json::to_value(record).unwrap_or_default();
        let (app, xero) = (json(&row.record), json(&incoming.record));
        let base: Option<Value> = link.and_then(|link| serde_json::from_slice(&link.base).ok());
        all.into_iter()
            .map(|differs| {
                let changed = |side: &Value| {
                    base.as_ref().is_none_or(|base| {
                        let (was, is) = (differs.place.value(base), differs.place.value(side));
                        was != is && !P::Record::same(differs.place.field(), &is, &was)
                    })
                };
                let (reason, detail) = self.why(&differs, row.id, incoming, [changed(&app), changed(&xero)]);
                Found { field: differs.place.path(), app: differs.app, xero: differs.xero, reason, detail }
            })
            .collect()
    }

    /// Why a value differs; with whether each side, the App's first, has changed it since both agreed.
    fn why(&self, differs: &Differs, local_id: i64, incoming: &Incoming<P::Record>, changed: [bool; 2]) -> Why {
        let [app_changed, xero_changed] = changed;
        let standing = self.standing.get(&local_id).map_or(&[][..], Vec::as_slice);
        let is_meant = |conflict: &&Conflict| {
            matches!(conflict.what.as_str(), "FIELD" | "PRESENCE") && differs.place.is_of(&conflict.field)
        };
        if let Some(conflict) = standing.iter().find(is_meant) {
            return conflicting(conflict);
        }
        if let Some(why) = self.failed(Direction::Pull, None, &incoming.xero_id.to_string()) {
            return why;
        }
        if xero_changed && self.is_unread(incoming.updated) {
            return (
                Reason::XeroChanged,
                incoming.updated.map(|at| format!("changed there at {}", crate::conflicts::at(at))),
            );
        }
        // What Xero computes is never sent: a change of it is no change that is on its way.
        if differs.owner == Owner::Both
            && app_changed
            && let Some(why) = self.on_its_way(local_id)
        {
            return why;
        }
        let reason = match (differs.owner, xero_changed) {
            (_, true) => Reason::XeroUnnoticed,
            (Owner::Xero, false) => Reason::XeroOwned,
            (Owner::Both, false) => Reason::AppUnnoticed,
        };
        (reason, None)
    }

    /// What is known of a change of the App.
    fn on_its_way(&self, local_id: i64) -> Option<Why> {
        if let Some(intent) = self.intents.get(&local_id) {
            return Some((Reason::Sending, Some(crate::explain::doing(intent.op).to_owned())));
        }
        // A refusal of an older change says nothing about a newer one, but both end at the same place: somebody is told.
        if let Some(why) = self.failed(Direction::Push, Some(local_id), "") {
            return Some(why);
        }
        self.captured.contains(&local_id).then_some((Reason::AppChanged, None))
    }

    fn failed(&self, direction: Direction, local_id: Option<i64>, key: &str) -> Option<Why> {
        let is_meant = |failure: &&FailureAbout| {
            failure.direction == direction
                && (failure.remote_key == key || (local_id.is_some() && failure.local_id == local_id))
        };
        let failure = self.failures.iter().find(is_meant)?;
        let detail = Some(failure.code.clone());
        Some(if failure.is_ignored { (Reason::SetAside, detail) } else { (Reason::Failed, detail) })
    }

    fn only_in_xero(&self, incoming: &Incoming<P::Record>, link: Option<&FullLink>) -> Found {
        let why = match link {
            Some(link) => self.row_is_gone(incoming, link),
            None => self.never_linked(incoming),
        };
        let (reason, detail) = why;
        Found { xero: "there".into(), ..Found::new("presence", reason, detail) }
    }

    fn row_is_gone(&self, incoming: &Incoming<P::Record>, link: &FullLink) -> Why {
        if !incoming.record.is_live() {
            return (Reason::Removed, None);
        }
        let standing = self.standing.get(&link.local_id).and_then(|all| all.iter().find(|one| one.what == "PRESENCE"));
        if let Some(conflict) = standing {
            return conflicting(conflict);
        }
        self.on_its_way(link.local_id).unwrap_or((Reason::MissingInApp, Some("its row is gone".into())))
    }

    fn never_linked(&self, incoming: &Incoming<P::Record>) -> Why {
        let id = incoming.xero_id.to_string();
        if let Some(why) = self.failed(Direction::Pull, None, &id) {
            return why;
        }
        if self.candidates.1.contains(&incoming.xero_id) {
            return (Reason::Candidate, None);
        }
        if self.doubled.contains(&id) {
            return (Reason::Conflict, Some("it may be a duplicate".into()));
        }
        let is_ours =
            |intent: &&Intent| intent.marker.as_ref().is_some_and(|mark| P::is_marked(mark, &incoming.record));
        if self.creates.iter().any(|intent| is_ours(&intent)) {
            return (Reason::Sending, Some("its create is not answered yet".into()));
        }
        if !self.cursor.read_whole {
            return (Reason::NotRead, None);
        }
        match self.is_unread(incoming.updated) {
            true => (Reason::XeroChanged, None),
            false => (Reason::MissingInApp, None),
        }
    }

    fn only_in_app(&self, row: &BookRow<P::Record>, xero_id: Option<Uuid>) -> Found {
        let (reason, detail) = self.why_only_in_app(row, xero_id);
        Found { app: "there".into(), ..Found::new("presence", reason, detail) }
    }

    fn why_only_in_app(&self, row: &BookRow<P::Record>, xero_id: Option<Uuid>) -> Why {
        if let Some(why) = xero_id.and_then(|id| self.failed(Direction::Pull, None, &id.to_string())) {
            return why;
        }
        if xero_id.is_some() {
            let gone = (Reason::MissingInXero, Some("xero does not know its id any more".into()));
            return if row.record.is_live() { gone } else { (Reason::Removed, None) };
        }
        if self.candidates.0.contains(&row.id) {
            return (Reason::Candidate, None);
        }
        match self.on_its_way(row.id) {
            Some(why) => why,
            None if !row.record.is_live() => (Reason::Removed, None),
            None => (Reason::MissingInXero, None),
        }
    }

    /// Whether a state that Xero dated so may not have been read yet.
    fn is_unread(&self, updated: Option<Timestamp>) -> bool {
        match (updated, self.cursor.read_until) {
            (_, None) => true,
            (Some(updated), Some(read_until)) => updated >= read_until,
            (None, Some(_)) => false,
        }
    }
}

fn conflicting(conflict: &Conflict) -> Why {
    match conflict.state {
        ConflictState::Pending => (Reason::Conflict, Some(format!("conflict {}", conflict.id))),
        _ => (Reason::SetAside, Some(format!("conflict {}", conflict.id))),
    }
}

/// What a failure of reading this record would be listed under.
fn key_of<P: Pulled>(pair: &Pair<P>) -> Option<String> {
    match &pair.unreadable {
        Some(failure) => Some(failure.remote_key.clone()),
        None => pair.xero_id.map(|id| id.to_string()),
    }
}
