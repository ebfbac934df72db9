//! The meeting of both sides of linked records: merge and write, inside the caller's transaction.
//!
//! Everything that learns of a change comes here: a page of a pull, a captured local change, the look before a push, the
//! reply to a push. What is decided is written at once (local row, link and base, conflicts, events); what Xero should
//! get is handed back to the caller, because only a push may send it.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use model::{ConnectionId, ContentHash, FieldConflict, Kind, OrgId, Policy, Removal, Side, canonical, merge};
use store::{BookRow, Conflict, ConflictState, FullLink, LinkChange, NewConflict, NewEvent, Refs, Resolution, Tx};
use uuid::Uuid;

use crate::Error;
use crate::amounts::Rates;
use crate::map::Pulled;
use crate::policy::Policies;

/// Whose books, under which rules, for which run.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) connection: ConnectionId,
    pub(crate) org: OrgId,
    pub(crate) policies: Policies,
    pub(crate) rates: Rates,
    pub(crate) run: Option<i64>,
}

/// Both sides of one record.
pub(crate) struct Meeting<R> {
    pub(crate) xero_id: Uuid,
    pub(crate) local_id: i64,
    /// What both last agreed on.
    pub(crate) base: R,
    /// The local row; `None` if somebody deleted it.
    pub(crate) row: Option<BookRow<R>>,
    /// Xero's state.
    pub(crate) remote: R,
    /// Hash of Xero's state, for the link.
    pub(crate) remote_hash: ContentHash,
    /// When Xero says that state was written.
    pub(crate) remote_updated: Option<Timestamp>,
    /// The two were not linked before.
    pub(crate) is_new_link: bool,
    /// When the App deleted its row, where it did.
    pub(crate) gone_at: Option<Timestamp>,
    /// The push that this is the answer to.
    pub(crate) sent: Option<Sent<R>>,
}

/// What a push knew that the App's row does not say. Written there with the answer, and not before: the App sees its row
/// change once.
pub(crate) struct Sent<R> {
    /// What both agreed on before: amounts that follow from others were computed against it.
    pub(crate) agreed: R,
    /// The mark that a new record bears in Xero, where the App gave no number or reference.
    pub(crate) mark: Option<String>,
}

impl<R: model::Record> Meeting<R> {
    /// The App's row as the push saw it: with the amounts that follow from what the App set, and with its mark.
    fn seen<P: Pulled<Record = R>>(&self, row: &R, rates: &Rates) -> Result<R, Error> {
        let Some(sent) = &self.sent else {
            let mut seen = row.clone();
            P::prepare(&mut seen, &self.base, rates);
            return Ok(seen);
        };
        let mut seen = match &sent.mark {
            Some(mark) => with_mark(row, &self.base, mark)?,
            None => row.clone(),
        };
        P::prepare(&mut seen, &sent.agreed, rates);
        Ok(seen)
    }
}

/// What came of a meeting.
pub(crate) struct Met<R> {
    pub(crate) xero_id: Uuid,
    pub(crate) local_id: i64,
    /// Xero's state, as it came in.
    pub(crate) remote: R,
    /// What Xero should have instead, if anything.
    pub(crate) outgoing: Option<R>,
    /// Fields, or groups, that are to be sent.
    pub(crate) push: Vec<String>,
    /// What both agree on once `outgoing` has arrived.
    pub(crate) acked: R,
    /// The App deleted its row, and Xero's record is to follow.
    pub(crate) is_removal: bool,
    /// The local row was written, or written again.
    pub(crate) wrote_local: bool,
    /// Names of the fields of the local row that were written.
    pub(crate) pulled: Vec<String>,
    /// The local row as it was.
    pub(crate) row: Option<BookRow<R>>,
    /// Conflicts that wait for a person.
    pub(crate) open_conflicts: usize,
}

impl<R: model::Record> Met<R> {
    /// True if Xero has to be told something.
    pub(crate) fn has_to_be_sent(&self) -> bool {
        self.is_removal || self.outgoing.is_some()
    }
}

/// A meeting with its decision.
struct Decided<R> {
    meeting: Meeting<R>,
    write_local: Option<R>,
    insert_local: bool,
    base: R,
    met: Met<R>,
    conflicts: Vec<FieldConflict>,
    /// Fields whose conflict a person set aside and that are as they were then.
    aside: Vec<String>,
    /// See [`Decided::hold_back`].
    is_held_back: bool,
}

impl<R: model::Record> Decided<R> {
    /// Xero's record refers to one that is not in the books, which a push may meet before any pull did. Nothing is
    /// decided then: the link keeps what both agreed on and forgets the hash of what it saw, so that the next pull, which
    /// brings the missing record first, meets it again.
    fn hold_back(&mut self) {
        self.is_held_back = true;
        tracing::debug!(xero_id = %self.met.xero_id, "refers to a record that is not in the books yet: left for a pull");
        self.base = self.meeting.base.clone();
        self.meeting.remote_hash = ContentHash::of(&canonical(&self.base));
        self.write_local = None;
        self.insert_local = false;
        self.conflicts.clear();
        self.met.outgoing = None;
        self.met.push.clear();
        self.met.is_removal = false;
        self.met.wrote_local = false;
        self.met.pulled.clear();
        self.met.open_conflicts = 0;
    }
}

impl Table {
    /// Merges and writes; returns what Xero should get.
    pub(crate) async fn meet<P: Pulled>(
        &self,
        tx: &mut Tx,
        meetings: Vec<Meeting<P::Record>>,
        now: Timestamp,
    ) -> Result<Vec<Met<P::Record>>, Error> {
        if meetings.is_empty() {
            return Ok(Vec::new());
        }
        let local_ids: Vec<i64> = meetings.iter().map(|meeting| meeting.local_id).collect();
        let standing = tx.standing_conflicts(self.connection, P::KIND, &local_ids).await?;
        let mut decided = Vec::with_capacity(meetings.len());
        for meeting in meetings {
            let known = standing.get(&meeting.local_id).map_or(&[][..], Vec::as_slice);
            decided.push(self.decide::<P>(meeting, known)?);
        }
        self.write_rows::<P>(tx, &mut decided, now).await?;
        self.write_links::<P>(tx, &decided).await?;
        self.write_conflicts::<P>(tx, &decided, &standing, now).await?;
        self.write_events::<P>(tx, &decided, now).await?;
        Ok(decided.into_iter().map(|one| Met { row: one.meeting.row, ..one.met }).collect())
    }

    /// Merges by the rules, but for what a person set aside: that stays so, whatever the rule is by now, as long as
    /// neither side's value changes.
    fn decide<P: Pulled>(
        &self,
        meeting: Meeting<P::Record>,
        standing: &[Conflict],
    ) -> Result<Decided<P::Record>, Error> {
        let changed_at = meeting.row.as_ref().map(|row| row.updated_at).or(meeting.gone_at);
        let is_app_later = match (changed_at, meeting.remote_updated) {
            (Some(app), Some(xero)) => app > xero,
            (app, _) => app.is_some(),
        };
        let later = if is_app_later { Side::App } else { Side::Xero };
        let rule = |path: &str| self.policies.policy(P::KIND, path, later);
        let mut decided = self.decide_by::<P>(meeting, &rule)?;
        let aside = decided.conflicts.iter().filter(|conflict| is_set_aside(standing, conflict));
        let aside: Vec<String> = aside.map(|conflict| conflict.field.clone()).collect();
        if aside.is_empty() {
            return Ok(decided);
        }
        if decided.conflicts.iter().any(|conflict| conflict.winner.is_some() && aside.contains(&conflict.field)) {
            let asked = |path: &str| if aside.iter().any(|field| field == path) { Policy::Ask } else { rule(path) };
            decided = self.decide_by::<P>(decided.meeting, &asked)?;
        }
        decided.conflicts.retain(|conflict| !aside.contains(&conflict.field));
        decided.met.open_conflicts = open(&decided.conflicts);
        decided.aside = aside;
        Ok(decided)
    }

    fn decide_by<P: Pulled>(
        &self,
        meeting: Meeting<P::Record>,
        policy: &dyn Fn(&str) -> Policy,
    ) -> Result<Decided<P::Record>, Error> {
        match &meeting.row {
            Some(row) => {
                let local = meeting.seen::<P>(&row.record, &self.rates)?;
                let mut decision = merge(&meeting.base, &local, &meeting.remote, policy)
                    .map_err(|error| Error::Internal(format!("a merge gave no record: {error}")))?;
                // What is sent comes back with the answer.
                if decision.write_local.is_none() && decision.outgoing.is_none() && local != row.record {
                    decision.write_local = Some(local);
                }
                let met = Met {
                    xero_id: meeting.xero_id,
                    local_id: meeting.local_id,
                    remote: meeting.remote.clone(),
                    outgoing: decision.outgoing,
                    push: decision.push,
                    acked: decision.acked,
                    is_removal: false,
                    wrote_local: decision.write_local.is_some(),
                    pulled: decision.write_local.as_ref().map_or_else(Vec::new, |after| changed(&row.record, after)),
                    row: None,
                    open_conflicts: open(&decision.conflicts),
                };
                Ok(Decided {
                    meeting,
                    write_local: decision.write_local,
                    insert_local: false,
                    base: decision.base,
                    met,
                    conflicts: decision.conflicts,
                    aside: Vec::new(),
                    is_held_back: false,
                })
            }
            None => Ok(Self::decide_removed::<P>(meeting, policy)),
        }
    }

    /// The local row is gone: presence is a field like any other.
    fn decide_removed<P: Pulled>(meeting: Meeting<P::Record>, policy: &dyn Fn(&str) -> Policy) -> Decided<P::Record> {
        let (removal, conflict) = model::merge_removed(&meeting.base, &meeting.remote, policy);
        let conflicts: Vec<FieldConflict> = conflict.into_iter().collect();
        let restore = matches!(removal, Removal::Restore);
        // An open conflict does not advance the base.
        let base = if matches!(removal, Removal::Open) { meeting.base.clone() } else { meeting.remote.clone() };
        let met = Met {
            xero_id: meeting.xero_id,
            local_id: meeting.local_id,
            remote: meeting.remote.clone(),
            outgoing: None,
            push: if matches!(removal, Removal::Push) { vec!["presence".to_owned()] } else { Vec::new() },
            acked: base.clone(),
            is_removal: matches!(removal, Removal::Push),
            wrote_local: restore,
            pulled: Vec::new(),
            row: None,
            open_conflicts: open(&conflicts),
        };
        let write_local = restore.then(|| meeting.remote.clone());
        Decided {
            meeting,
            write_local,
            insert_local: restore,
            base,
            met,
            conflicts,
            aside: Vec::new(),
            is_held_back: false,
        }
    }

    async fn write_rows<P: Pulled>(
        &self,
        tx: &mut Tx,
        decided: &mut [Decided<P::Record>],
        now: Timestamp,
    ) -> Result<(), Error> {
        let written: Vec<&P::Record> = decided.iter().filter_map(|one| one.write_local.as_ref()).collect();
        let (refs, missing) = self.resolve_all(tx, &references(written.iter().copied())).await?;
        for one in decided.iter_mut() {
            let waits = |record: &P::Record| references(std::iter::once(record)).iter().any(|of| missing.contains(of));
            if one.write_local.as_ref().is_some_and(waits) {
                one.hold_back();
            }
        }
        let updates: Vec<(i64, &P::Record)> = decided
            .iter()
            .filter(|one| !one.insert_local)
            .filter_map(|one| Some((one.met.local_id, one.write_local.as_ref()?)))
            .collect();
        tx.update_books(&updates, &refs, now).await?;
        let inserts: Vec<&P::Record> =
            decided.iter().filter(|one| one.insert_local).filter_map(|one| one.write_local.as_ref()).collect();
        let new_ids = tx.insert_books(self.org, &inserts, &refs, now).await?;
        for (one, new_id) in decided.iter_mut().filter(|one| one.insert_local).zip(new_ids) {
            tx.relink(self.connection, P::KIND, one.met.xero_id, new_id).await?;
            one.met.local_id = new_id;
        }
        Ok(())
    }

    async fn write_links<P: Pulled>(&self, tx: &mut Tx, decided: &[Decided<P::Record>]) -> Result<(), Error> {
        let bases: Vec<Vec<u8>> = decided.iter().map(|one| canonical(&one.base)).collect();
        let (mut new, mut known) = (Vec::new(), Vec::new());
        for (one, base) in decided.iter().zip(&bases) {
            let change = LinkChange {
                xero_id: one.met.xero_id,
                local_id: one.met.local_id,
                remote_hash: one.meeting.remote_hash,
                remote_updated_at: one.meeting.remote_updated,
                base,
            };
            if one.meeting.is_new_link { new.push(change) } else { known.push(change) }
        }
        tx.insert_links(self.connection, P::KIND, &new).await?;
        Ok(tx.update_links(self.connection, P::KIND, &known).await?)
    }

    async fn write_conflicts<P: Pulled>(
        &self,
        tx: &mut Tx,
        decided: &[Decided<P::Record>],
        standing: &HashMap<i64, Vec<Conflict>>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut found = Vec::new();
        for one in decided.iter().filter(|one| !one.is_held_back) {
            for conflict in &one.conflicts {
                found.push(self.conflict::<P>(one, conflict));
            }
            let Some(standing) = standing.get(&one.meeting.local_id) else { continue };
            let is_over = |conflict: &&Conflict| {
                conflict.state == ConflictState::Pending
                    && matches!(conflict.what.as_str(), "FIELD" | "PRESENCE")
                    && !one.conflicts.iter().any(|now| now.field == conflict.field && now.winner.is_none())
            };
            let over: Vec<&str> = standing.iter().filter(is_over).map(|conflict| conflict.field.as_str()).collect();
            if !over.is_empty() {
                tx.withdraw_conflicts(self.connection, P::KIND, one.meeting.local_id, &over, now).await?;
            }
            for conflict in standing.iter().filter(|conflict| conflict.state == ConflictState::Ignored) {
                if !one.aside.contains(&conflict.field) {
                    tx.undo_conflict(conflict.id, "engine", now).await?;
                }
            }
        }
        tx.add_conflicts(self.connection, &found, now).await?;
        Ok(())
    }

    fn conflict<P: Pulled>(&self, one: &Decided<P::Record>, conflict: &FieldConflict) -> NewConflict {
        let json = |value: &serde_json::Value| (!value.is_null()).then(|| value.to_string());
        let policy = self.policies.rule(P::KIND, &conflict.field);
        let (state, resolution, result) = match conflict.winner {
            None => (ConflictState::Pending, None, None),
            Some(Side::App) => (ConflictState::Resolved, Some(Resolution::KeepApp), json(&conflict.app)),
            Some(Side::Xero) => (ConflictState::Resolved, Some(Resolution::KeepXero), json(&conflict.xero)),
        };
        NewConflict {
            kind: P::KIND,
            local_id: one.met.local_id,
            xero_id: one.met.xero_id,
            what: if conflict.field == "presence" { "PRESENCE" } else { "FIELD" },
            field: conflict.field.clone(),
            base: json(&conflict.base),
            app: json(&conflict.app),
            xero: json(&conflict.xero),
            app_changed_at: one.meeting.row.as_ref().map(|row| row.updated_at).or(one.meeting.gone_at),
            xero_changed_at: one.meeting.remote_updated,
            policy: policy.as_str(),
            state,
            resolution,
            result,
            decided_by: conflict.winner.map(|_| format!("policy:{}", policy.as_str())),
            run: self.run,
        }
    }

    async fn write_events<P: Pulled>(
        &self,
        tx: &mut Tx,
        decided: &[Decided<P::Record>],
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut events = Vec::new();
        for one in decided {
            if one.met.wrote_local {
                let what = if one.insert_local { "record.created" } else { "record.updated" };
                events.push(self.event(what, P::KIND, one.met.local_id));
            }
            for conflict in &one.conflicts {
                let winner = conflict.winner.map_or("open", |side| if side == Side::App { "app" } else { "xero" });
                let details = serde_json::json!({ "field": conflict.field, "winner": winner }).to_string();
                let event = self.event("record.conflict", P::KIND, one.met.local_id);
                events.push(NewEvent { details: Some(details), ..event });
            }
        }
        Ok(tx.add_events(self.org, &events, now).await?)
    }

    /// An event about a record.
    pub(crate) fn event(&self, what: &'static str, kind: Kind, local_id: i64) -> NewEvent {
        NewEvent { what, kind: Some(kind), local_id: Some(local_id), run: self.run, details: None }
    }

    /// Local ids of the records with these Xero ids, and those that are not in the books.
    pub(crate) async fn resolve_all(
        &self,
        tx: &mut Tx,
        wanted: &BTreeSet<(Kind, Uuid)>,
    ) -> Result<(Refs, Vec<(Kind, Uuid)>), Error> {
        let mut refs = Refs::default();
        for kind in Kind::ALL {
            let ids: Vec<Uuid> = wanted.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
            tx.resolve(self.connection, kind, &ids, &mut refs).await?;
        }
        let missing = wanted.iter().filter(|(kind, id)| !refs.contains(*kind, *id)).copied().collect();
        Ok((refs, missing))
    }

    /// What the links of these local rows, their bases and their standing conflicts say that Xero holds.
    ///
    /// A base is Xero's last state, but for fields whose conflict is open or set aside: there the conflict knows it.
    pub(crate) fn known_remote<P: Pulled>(link: &FullLink, standing: &[Conflict]) -> Result<Known<P::Record>, Error> {
        let base: P::Record = parse_base::<P>(&link.base)?;
        let remote = Self::with_standing::<P>(&base, standing)?;
        Ok(Known { base, remote })
    }

    /// A base with Xero's own values where a conflict stands.
    pub(crate) fn with_standing<P: Pulled>(base: &P::Record, standing: &[Conflict]) -> Result<P::Record, Error> {
        let mut remote = serde_json::to_value(base).map_err(|error| Error::Internal(error.to_string()))?;
        for conflict in standing.iter().filter(|conflict| conflict.what == "PRESENCE") {
            if let Some(text) = &conflict.xero {
                remote = serde_json::from_str(text).map_err(|error| Error::Internal(error.to_string()))?;
            }
        }
        for conflict in standing.iter().filter(|conflict| conflict.what == "FIELD") {
            let value = match &conflict.xero {
                Some(text) => serde_json::from_str(text).map_err(|error| Error::Internal(error.to_string()))?,
                None => serde_json::Value::Null,
            };
            model::path::put(&mut remote, &conflict.field, &value);
        }
        serde_json::from_value(remote).map_err(|error| Error::Internal(error.to_string()))
    }
}

/// What is known of a linked record without asking Xero.
pub(crate) struct Known<R> {
    pub(crate) base: R,
    pub(crate) remote: R,
}

/// The base of a link as a record.
pub(crate) fn parse_base<P: Pulled>(base: &[u8]) -> Result<P::Record, Error> {
    serde_json::from_slice(base)
        .map_err(|error| Error::Internal(format!("the state that both sides last agreed on cannot be read: {error}")))
}

/// The records of Xero that these refer to.
pub(crate) fn references<'a, R: model::Record>(records: impl Iterator<Item = &'a R>) -> BTreeSet<(Kind, Uuid)> {
    records.flat_map(model::Record::references).filter_map(|(kind, target)| Some((kind, target.xero()?))).collect()
}

/// Fields that may bear a mark.
const MARKED: [&str; 3] = ["contact_number", "number", "reference"];

/// The row with the mark that was sent in its place, unless the App has set something there since.
fn with_mark<R: model::Record>(row: &R, sent: &R, mark: &str) -> Result<R, Error> {
    let json = |record: &R| serde_json::to_value(record).map_err(|error| Error::Internal(error.to_string()));
    let (mut row, sent) = (json(row)?, json(sent)?);
    for field in MARKED {
        let is_empty = row[field].as_str().is_none_or(|text| text.trim().is_empty());
        if is_empty && sent[field] == mark {
            row[field] = mark.into();
        }
    }
    serde_json::from_value(row).map_err(|error| Error::Internal(error.to_string()))
}

/// Whether a person set this very conflict aside: the same field, with the same values on both sides.
fn is_set_aside(standing: &[Conflict], found: &FieldConflict) -> bool {
    let is_same = |text: &Option<String>, value: &serde_json::Value| match text {
        Some(text) => serde_json::from_str::<serde_json::Value>(text).is_ok_and(|known| known == *value),
        None => value.is_null(),
    };
    standing.iter().any(|known| {
        known.state == ConflictState::Ignored
            && known.field == found.field
            && is_same(&known.app, &found.app)
            && is_same(&known.xero, &found.xero)
    })
}

fn open(conflicts: &[FieldConflict]) -> usize {
    conflicts.iter().filter(|conflict| conflict.winner.is_none()).count()
}

/// Names of the fields that differ.
fn changed<R: model::Record>(before: &R, after: &R) -> Vec<String> {
    let (Ok(before), Ok(after)) = (serde_json::to_value(before), serde_json::to_value(after)) else {
        return Vec::new();
    };
    let is_other = |field: &&model::Field| before.get(field.name) != after.get(field.name);
    R::FIELDS.iter().filter(is_other).map(|field| field.name.to_owned()).collect()
}
