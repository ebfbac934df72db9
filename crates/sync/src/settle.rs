//! One record's conflicts on the desk: both sides as they are known now, and a decision written to them.
//!
//! A decision changes what both sides last agreed on. Where the App's value (or a third one) is kept, Xero's value
//! becomes the base, so that the App's is a plain change, which a push brings over; where Xero's is kept, the row gets it
//! by an engine write. What was set aside changes nothing: `meet` keeps it quiet as long as both values stay.

use std::collections::HashMap;
use std::marker::PhantomData;

use jiff::Timestamp;
use model::accounting::{Change, Facts, Op, Refusal, Rules};
use model::{ConnectionId, OrgId, Record, canonical, path};
use serde_json::Value;
use store::{
    BookRow, Conflict, ConflictState, Connection, FullLink, IntentState, LinkChange, NewEvent, Resolution, Tx,
};

use crate::Error;
use crate::capture::version;
use crate::conflicts::{Choice, ConflictView, Effect, FieldChoice, Preview, Settled, event_of, value_of};
use crate::meet::{Meeting, Table, references};
use crate::outgoing::Pushed;
use crate::run::Running;

/// A record with what stands between both sides.
pub(crate) struct Desk<P: Pushed> {
    connection: ConnectionId,
    org: OrgId,
    facts: Facts,
    local_id: i64,
    row: Option<BookRow<P::Record>>,
    link: Option<FullLink>,
    base: P::Record,
    /// Xero's state, as far as is known without asking.
    remote: P::Record,
    conflicts: HashMap<i64, Conflict>,
    kind: PhantomData<P>,
}

/// What a decision makes of the three states of a record.
struct Draft {
    local: Value,
    base: Value,
    outgoing: Value,
}

impl<P: Pushed> Desk<P> {
    /// One record; with `lock` nobody else changes its row until the transaction ends.
    pub(crate) async fn at(tx: &mut Tx, connection: &Connection, local_id: i64, lock: bool) -> Result<Self, Error> {
        let rows = if lock {
            tx.lock_books::<P::Record>(connection.id, &[local_id]).await?
        } else {
            tx.read_books::<P::Record>(connection.id, &[local_id]).await?
        };
        let mut links = tx.links_of_locals(connection.id, P::KIND, &[local_id]).await?;
        let standing = tx.standing_conflicts(connection.id, P::KIND, &[local_id]).await?.remove(&local_id);
        let (row, link) = (rows.into_iter().next(), links.remove(&local_id));
        Self::new(connection, local_id, row, link, &standing.unwrap_or_default())
    }

    fn new(
        connection: &Connection,
        local_id: i64,
        row: Option<BookRow<P::Record>>,
        link: Option<FullLink>,
        standing: &[Conflict],
    ) -> Result<Self, Error> {
        let (base, remote) = match &link {
            Some(link) => {
                let known = Table::known_remote::<P>(link, standing)?;
                (known.base, known.remote)
            }
            None => (P::Record::default(), P::Record::default()),
        };
        Ok(Self {
            connection: connection.id,
            org: connection.org,
            facts: Running::facts_of(connection),
            local_id,
            row,
            link,
            base,
            remote,
            conflicts: HashMap::new(),
            kind: PhantomData,
        })
    }

    /// Conflicts of one kind as people see them.
    pub(crate) async fn views(
        tx: &mut Tx,
        connection: &Connection,
        conflicts: Vec<Conflict>,
    ) -> Result<Vec<ConflictView>, Error> {
        let mut ids: Vec<i64> = conflicts.iter().map(|conflict| conflict.local_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = tx.read_books::<P::Record>(connection.id, &ids).await?;
        let mut rows: HashMap<i64, BookRow<P::Record>> = rows.into_iter().map(|row| (row.id, row)).collect();
        let mut links = tx.links_of_locals(connection.id, P::KIND, &ids).await?;
        let standing = tx.standing_conflicts(connection.id, P::KIND, &ids).await?;
        let mut desks = HashMap::new();
        for id in ids {
            let known = standing.get(&id).map_or(&[][..], Vec::as_slice);
            desks.insert(id, Self::new(connection, id, rows.remove(&id), links.remove(&id), known)?);
        }
        let view = |conflict: Conflict| {
            let desk = desks.get(&conflict.local_id)?;
            Some(desk.view(conflict))
        };
        conflicts.into_iter().filter_map(view).collect()
    }

    fn view(&self, conflict: Conflict) -> Result<ConflictView, Error> {
        let is_decidable = matches!(conflict.what.as_str(), "FIELD" | "PRESENCE");
        let preview = if is_decidable && conflict.state == ConflictState::Pending && self.link.is_some() {
            Some(Preview {
                keep_app: self.effect(&conflict, &Choice::KeepApp)?,
                keep_xero: self.effect(&conflict, &Choice::KeepXero)?,
            })
        } else {
            None
        };
        Ok(ConflictView {
            label: self.label(&conflict),
            version: self.version(&conflict),
            app_now: self.present(&conflict),
            preview,
            conflict,
        })
    }

    fn label(&self, conflict: &Conflict) -> String {
        let shown = match (&self.row, &self.link) {
            (Some(row), _) => P::label(&row.record),
            (None, Some(_)) => P::label(&self.remote),
            // Restored under another id, or never linked: the conflict knows the record itself.
            (None, None) => serde_json::from_value(value_of(conflict.xero.as_deref()))
                .map(|record: P::Record| P::label(&record))
                .unwrap_or_default(),
        };
        if shown.is_empty() { format!("{} {}", P::KIND, conflict.local_id) } else { shown }
    }

    /// The App's value of a conflict's field now.
    fn present(&self, conflict: &Conflict) -> Option<Value> {
        let row = self.row.as_ref().filter(|_| conflict.what == "FIELD")?;
        Some(path::get(&serde_json::to_value(&row.record).ok()?, &conflict.field).unwrap_or(Value::Null))
    }

    fn version(&self, conflict: &Conflict) -> String {
        let state = serde_json::json!([
            conflict.state.as_str(),
            conflict.base,
            conflict.app,
            conflict.xero,
            self.row.is_some(),
            self.present(conflict)
        ]);
        format!("{:?}", model::ContentHash::of(state.to_string().as_bytes()))
    }

    /// Whether the App's side is not as the conflict says any more.
    fn has_drifted(&self, conflict: &Conflict) -> bool {
        match conflict.what.as_str() {
            "FIELD" => self.present(conflict) != Some(value_of(conflict.app.as_deref())),
            "PRESENCE" => self.row.is_some() || self.link.is_none(),
            _ => false,
        }
    }

    /// The first of these conflicts that is not as it was shown; takes all of them on the desk.
    pub(crate) async fn moved(&mut self, tx: &mut Tx, choices: &[FieldChoice]) -> Result<Option<i64>, Error> {
        let mut moved = None;
        for choice in choices {
            let found = tx.conflict(self.connection, choice.conflict).await?;
            let of_record = found.filter(|found| found.kind == P::KIND && found.local_id == self.local_id);
            let Some(conflict) = of_record else {
                let what = format!("the {} {} has no conflict {}", P::KIND, self.local_id, choice.conflict);
                return Err(Error::NotFound(what));
            };
            let is_shown = choice.version.as_ref().is_none_or(|version| *version == self.version(&conflict));
            if conflict.state != ConflictState::Pending || !is_shown || self.has_drifted(&conflict) {
                moved.get_or_insert(conflict.id);
            }
            self.conflicts.insert(conflict.id, conflict);
        }
        Ok(moved)
    }

    /// Both sides meet as they are known, so that the stored conflicts are what stands between them now.
    pub(crate) async fn refresh(&mut self, tx: &mut Tx, table: &Table, now: Timestamp) -> Result<(), Error> {
        let Some(link) = &self.link else { return Ok(()) };
        let meeting = Meeting {
            xero_id: link.xero_id,
            local_id: self.local_id,
            base: self.base.clone(),
            row: self.row.clone(),
            remote: self.remote.clone(),
            remote_hash: link.remote_hash,
            remote_updated: link.remote_updated_at,
            is_new_link: false,
            gone_at: Some(now),
            sent: None,
        };
        let met = table.meet::<P>(tx, vec![meeting], now).await?;
        let to_send: Vec<i64> = met.iter().filter(|met| met.has_to_be_sent()).map(|met| met.local_id).collect();
        Ok(tx.capture(self.org, P::KIND, &to_send, now).await?)
    }

    /// What a choice writes where.
    pub(crate) fn effect(&self, conflict: &Conflict, choice: &Choice) -> Result<Effect, Error> {
        if matches!(choice, Choice::Ignore) {
            return Ok(Effect::default());
        }
        match conflict.what.as_str() {
            "FIELD" => {
                let mut draft = self.draft()?;
                let wanted = draft.decide(conflict, choice)?;
                let (app, xero) = (value_of(conflict.app.as_deref()), value_of(conflict.xero.as_deref()));
                let refusal = if wanted == xero {
                    None
                } else {
                    self.check(&draft, std::slice::from_ref(&conflict.field))?.err()
                };
                let differs = |from: &Value| (*from != wanted).then(|| wanted.clone());
                Ok(Effect { to_app: differs(&app), to_xero: differs(&xero), refusal })
            }
            "PRESENCE" => match choice {
                Choice::KeepApp => {
                    Ok(Effect { to_app: None, to_xero: Some(Value::Null), refusal: self.check_removal() })
                }
                Choice::KeepXero => Ok(Effect { to_app: Some(json(&self.remote)?), to_xero: None, refusal: None }),
                _ => Err(Error::Invalid("a record is there or it is not: keep the app's side or xero's".into())),
            },
            _ => Err(Error::Invalid("there are no two values to choose from: look at it, then ignore it".into())),
        }
    }

    fn draft(&self) -> Result<Draft, Error> {
        let row = self.row.as_ref().ok_or_else(|| gone(&self.local_id))?;
        Ok(Draft { local: json(&row.record)?, base: json(&self.base)?, outgoing: json(&self.remote)? })
    }

    /// Whether the rules let a draft's state go to Xero.
    fn check(&self, draft: &Draft, push: &[String]) -> Result<Result<(), Refusal>, Error> {
        let outgoing: P::Record = record(&draft.outgoing)?;
        let is_removal = self.remote.is_live() && !outgoing.is_live();
        let op = if is_removal { Op::Remove } else { Op::Update };
        let change = Change { op, remote: Some(&self.remote), outgoing: &outgoing, push, facts: &self.facts };
        Ok(P::Record::check(&change))
    }

    fn check_removal(&self) -> Option<Refusal> {
        let push = ["presence".to_owned()];
        let remote = &self.remote;
        let change = Change { op: Op::Remove, remote: Some(remote), outgoing: remote, push: &push, facts: &self.facts };
        P::Record::check(&change).err()
    }

    /// Writes decisions about this record's conflicts, which [`Self::moved`] has looked at.
    pub(crate) async fn settle(
        &mut self,
        tx: &mut Tx,
        table: &Table,
        choices: &[FieldChoice],
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Settled>, Error> {
        let (mut fields, mut settled) = (Vec::new(), Vec::new());
        for FieldChoice { conflict, choice, .. } in choices {
            let Some(conflict) = self.conflicts.get(conflict).cloned() else { continue };
            match (choice, conflict.what.as_str()) {
                (Choice::Ignore, _) => {
                    self.decide(tx, &conflict, choice, None, by, now).await?;
                    settled.push(Settled { conflict: conflict.id, wrote_app: false, to_send: false });
                }
                (_, "FIELD") => fields.push((conflict, choice)),
                (_, "PRESENCE") => settled.push(self.settle_presence(tx, table, &conflict, choice, by, now).await?),
                _ => drop(self.effect(&conflict, choice)?),
            }
        }
        if !fields.is_empty() {
            settled.extend(self.settle_fields(tx, table, &fields, by, now).await?);
        }
        Ok(settled)
    }

    async fn settle_fields(
        &mut self,
        tx: &mut Tx,
        table: &Table,
        fields: &[(Conflict, &Choice)],
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Settled>, Error> {
        let mut draft = self.draft()?;
        let (before, mut push, mut results) = (draft.local.clone(), Vec::new(), Vec::new());
        for (conflict, choice) in fields {
            let wanted = draft.decide(conflict, choice)?;
            if wanted != value_of(conflict.xero.as_deref()) {
                push.push(conflict.field.clone());
            }
            results.push(wanted);
        }
        if !push.is_empty() {
            self.check(&draft, &push)?.map_err(Error::Refused)?;
        }
        let local: P::Record = record(&draft.local)?;
        if draft.local != before {
            self.write_row(tx, table, &local, now).await?;
        }
        let base: P::Record = record(&draft.base)?;
        self.write_base(tx, &base).await?;
        self.correct_intent(tx, fields).await?;
        let mut settled = Vec::with_capacity(fields.len());
        for ((conflict, choice), wanted) in fields.iter().zip(&results) {
            self.decide(tx, conflict, choice, Some(wanted), by, now).await?;
            let wrote_app = *wanted != value_of(conflict.app.as_deref());
            settled.push(Settled { conflict: conflict.id, wrote_app, to_send: push.contains(&conflict.field) });
        }
        if !push.is_empty() {
            tx.capture(self.org, P::KIND, &[self.local_id], now).await?;
        }
        Ok(settled)
    }

    /// The engine's own write: nothing that Xero has to be told.
    async fn write_row(&self, tx: &mut Tx, table: &Table, local: &P::Record, now: Timestamp) -> Result<(), Error> {
        let (refs, missing) = table.resolve_all(tx, &references(std::iter::once(local))).await?;
        if let Some((kind, id)) = missing.first() {
            let why = format!("the {kind} {id} that it refers to is not in the books yet: sync, then decide again");
            return Err(Error::Refused(Refusal::new("TO-WAITING", why)));
        }
        tx.update_books(&[(self.local_id, local)], &refs, now).await?;
        Ok(tx.add_events(self.org, &[table.event("record.updated", P::KIND, self.local_id)], now).await?)
    }

    async fn write_base(&self, tx: &mut Tx, base: &P::Record) -> Result<(), Error> {
        let Some(link) = &self.link else { return Ok(()) };
        let base = canonical(base);
        let change = LinkChange {
            xero_id: link.xero_id,
            local_id: self.local_id,
            remote_hash: link.remote_hash,
            remote_updated_at: link.remote_updated_at,
            base: &base,
        };
        Ok(tx.update_links(self.connection, P::KIND, &[change]).await?)
    }

    /// A write that is on its way carries what both sides will agree on when it has arrived, and that has changed too.
    async fn correct_intent(&self, tx: &mut Tx, fields: &[(Conflict, &Choice)]) -> Result<(), Error> {
        let open = tx.open_intents_of(self.connection, P::KIND, &[self.local_id]).await?;
        let on_its_way =
            open.get(&self.local_id).filter(|intent| intent.state != IntentState::Planned && intent.xero_id.is_some());
        let Some((intent, acked)) = on_its_way.and_then(|intent| Some((intent.id, intent.acked.as_deref()?))) else {
            return Ok(());
        };
        let Ok(mut acked) = serde_json::from_slice::<Value>(acked) else { return Ok(()) };
        for (conflict, _) in fields {
            put(&mut acked, &conflict.field, &value_of(conflict.xero.as_deref()));
        }
        let acked: P::Record = record(&acked)?;
        Ok(tx.set_acked(intent, &canonical(&acked)).await?)
    }

    /// The App deleted what Xero changed.
    async fn settle_presence(
        &mut self,
        tx: &mut Tx,
        table: &Table,
        conflict: &Conflict,
        choice: &Choice,
        by: &str,
        now: Timestamp,
    ) -> Result<Settled, Error> {
        let effect = self.effect(conflict, choice)?;
        if let Some(refusal) = effect.refusal {
            return Err(Error::Refused(refusal));
        }
        let remote = self.remote.clone();
        if effect.to_xero.is_some() {
            // Nothing in Xero is newer than what the App removed: the removal is a plain change.
            self.write_base(tx, &remote).await?;
            tx.capture(self.org, P::KIND, &[self.local_id], now).await?;
        } else {
            let (refs, missing) = table.resolve_all(tx, &references(std::iter::once(&remote))).await?;
            if let Some((kind, id)) = missing.first() {
                let why = format!("the {kind} {id} that it refers to is not in the books: bring that back first");
                return Err(Error::Refused(Refusal::new("TO-WAITING", why)));
            }
            let new_id = tx.insert_books(self.org, &[&remote], &refs, now).await?[0];
            tx.relink(self.connection, P::KIND, conflict.xero_id, new_id).await?;
            tx.close_push_failures(self.connection, P::KIND, &[self.local_id], now).await?;
            tx.add_events(self.org, &[table.event("record.created", P::KIND, new_id)], now).await?;
            self.local_id = new_id;
            self.write_base(tx, &remote).await?;
        }
        let result = effect.to_app.clone().unwrap_or(Value::Null);
        self.decide(tx, conflict, choice, Some(&result), by, now).await?;
        let (wrote_app, to_send) = (effect.to_app.is_some(), effect.to_xero.is_some());
        Ok(Settled { conflict: conflict.id, wrote_app, to_send })
    }

    async fn decide(
        &self,
        tx: &mut Tx,
        conflict: &Conflict,
        choice: &Choice,
        result: Option<&Value>,
        by: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (state, what) = match choice {
            Choice::Ignore => (ConflictState::Ignored, "conflict.ignored"),
            _ => (ConflictState::Resolved, "conflict.resolved"),
        };
        let result = result.filter(|value| !value.is_null()).map(Value::to_string);
        let is_first = tx.decide_conflict(conflict.id, state, choice.resolution(), result.as_deref(), by, now).await?;
        if !is_first {
            return Err(Error::Invalid(format!("conflict {} was decided by somebody else just now", conflict.id)));
        }
        let event: NewEvent = event_of(conflict, what, choice.as_str(), by);
        Ok(tx.add_events(self.org, &[event], now).await?)
    }

    /// Takes a decision back by a new edit of the App's row.
    pub(crate) async fn undo(
        &mut self,
        tx: &mut Tx,
        table: &Table,
        conflict: &Conflict,
        by: &str,
        now: Timestamp,
    ) -> Result<Settled, Error> {
        let invalid = |why: &str| Err(Error::Invalid(format!("conflict {} {why}", conflict.id)));
        match conflict.state {
            ConflictState::Pending => return invalid("is not decided yet: there is nothing to take back"),
            ConflictState::Ignored => return invalid("was set aside: nothing was written that could be taken back"),
            ConflictState::Resolved if conflict.undone_at.is_some() => return invalid("was taken back already"),
            ConflictState::Resolved => {}
        }
        match conflict.what.as_str() {
            "FIELD" => self.undo_field(tx, table, conflict, now).await?,
            "PRESENCE" => self.undo_presence(tx, conflict, now).await?,
            _ => return invalid("is about two records, not about a value: unlink them instead"),
        }
        tx.undo_conflict(conflict.id, by, now).await?;
        tx.add_events(self.org, &[event_of(conflict, "conflict.undone", "UNDO", by)], now).await?;
        Ok(Settled { conflict: conflict.id, wrote_app: true, to_send: true })
    }

    async fn undo_field(&self, tx: &mut Tx, table: &Table, conflict: &Conflict, now: Timestamp) -> Result<(), Error> {
        let loser = match conflict.resolution {
            Some(Resolution::KeepApp) => conflict.xero.as_deref(),
            _ => conflict.app.as_deref(),
        };
        let (value, result) = (value_of(loser), value_of(conflict.result.as_deref()));
        if self.present(conflict).as_ref() != Some(&result) || self.link.is_none() {
            return Err(moved_on(conflict));
        }
        let mut draft = self.draft()?;
        if !put(&mut draft.local, &conflict.field, &value) || !put(&mut draft.outgoing, &conflict.field, &value) {
            return Err(moved_on(conflict));
        }
        if draft.outgoing != json(&self.remote)? {
            self.check(&draft, std::slice::from_ref(&conflict.field))?.map_err(Error::Refused)?;
        }
        let local: P::Record = record(&draft.local)?;
        let (refs, missing) = table.resolve_all(tx, &references(std::iter::once(&local))).await?;
        if !missing.is_empty() {
            return Err(moved_on(conflict));
        }
        tx.app_update::<P::Record>(self.local_id, &local, &refs, now).await?;
        Ok(())
    }

    /// Restored, it is deleted again. Removed in Xero, it cannot be brought back: a voided document stays voided.
    async fn undo_presence(&self, tx: &mut Tx, conflict: &Conflict, now: Timestamp) -> Result<(), Error> {
        if conflict.resolution != Some(Resolution::KeepXero) {
            let why =
                "what was removed in Xero cannot be brought back by a program: restore it there, or make a new one";
            return Err(Error::Refused(Refusal::new("TO-STATUS", why)));
        }
        let links = tx.full_links(self.connection, P::KIND, &[conflict.xero_id]).await?;
        let Some(link) = links.get(&conflict.xero_id) else { return Err(moved_on(conflict)) };
        let row = tx.lock_books::<P::Record>(self.connection, &[link.local_id]).await?.pop();
        let was: Option<P::Record> = serde_json::from_value(value_of(conflict.result.as_deref())).ok();
        match (row, was) {
            (Some(row), Some(was)) if version(&row.record) == version(&was) => {
                let deleted = tx.app_delete::<P::Record>(link.local_id, now).await;
                deleted.map(drop).map_err(|error| match error {
                    store::Error::Constraint(why) => {
                        Error::Refused(Refusal::new("TO-HAS-PAYMENTS", format!("other records refer to it: {why}")))
                    }
                    other => other.into(),
                })
            }
            _ => Err(moved_on(conflict)),
        }
    }
}

impl Draft {
    /// Puts a choice into the draft and returns the value that the field gets, in canonical form.
    fn decide(&mut self, conflict: &Conflict, choice: &Choice) -> Result<Value, Error> {
        let (app, xero) = (value_of(conflict.app.as_deref()), value_of(conflict.xero.as_deref()));
        let wanted = match choice {
            Choice::KeepApp => app.clone(),
            Choice::KeepXero => xero.clone(),
            Choice::Merge(value) => value.clone(),
            Choice::Ignore | Choice::Link(_) => {
                return Err(Error::Invalid(format!("{:?} has two values: choose one of them", conflict.field)));
            }
        };
        let is_put = put(&mut self.outgoing, &conflict.field, &wanted)
            && (wanted == app || put(&mut self.local, &conflict.field, &wanted))
            && put(&mut self.base, &conflict.field, &xero);
        if !is_put {
            let shape = conflict.app.as_deref().or(conflict.xero.as_deref()).unwrap_or("null");
            let why = format!("{:?} does not take this value: give one in the shape of {shape}", conflict.field);
            return Err(Error::Invalid(why));
        }
        Ok(wanted)
    }
}

/// Puts a value in the place of a unit, making the item of a list that it is a part of.
fn put(record: &mut Value, field: &str, value: &Value) -> bool {
    if path::put(record, field, value) {
        return true;
    }
    let Some((item, _)) = field.split_once("].") else { return false };
    path::put(record, &format!("{item}]"), &Value::Object(serde_json::Map::new())) && path::put(record, field, value)
}

fn json<R: Record>(record: &R) -> Result<Value, Error> {
    serde_json::to_value(record).map_err(|error| Error::Internal(error.to_string()))
}

fn record<R: Record>(value: &Value) -> Result<R, Error> {
    serde_json::from_value(value.clone()).map_err(|error| {
        Error::Invalid(format!("with this value it is no record any more ({error}): give another one"))
    })
}

fn gone(local_id: &i64) -> Error {
    Error::NotFound(format!("the app's record {local_id} is gone"))
}

fn moved_on(conflict: &Conflict) -> Error {
    let why = format!(
        "{} of the {} {} is not as conflict {} left it: edit the record instead",
        conflict.field, conflict.kind, conflict.local_id, conflict.id
    );
    Error::Refused(Refusal::new("TO-MOVED", why))
}
