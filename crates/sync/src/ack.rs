//! The reply to a push: each element's own result, merged as an acknowledgement (reliability.md A6.1, P3).
//!
//! What was sent is the base of that merge, so that an edit made meanwhile is an edit and not a conflict, and what Xero
//! made of it (totals, ids of lines) comes over. What was refused is listed with Xero's words and not sent again before
//! it changes. Only who still holds the lease writes anything.

use std::collections::HashMap;

use jiff::Timestamp;
use model::accounting::Refusal;
use model::{Kind, Record};
use store::{Intent, IntentEnd, IntentState, KindCounts, Op, Tx};
use uuid::Uuid;
use xero::{ElementResult, Field, ListQuery, Written};

use crate::Error;
use crate::capture::{later, refused};
use crate::map::{Pulled, for_kind};
use crate::meet::{Meeting, Met, Sent, Table, parse_base};
use crate::outgoing::Pushed;
use crate::reconcile::{Batch, Incoming, Place};
use crate::refusal::classify;
use crate::run::Running;
use crate::send::Frozen;

/// How often the writing down of an answer is tried when another transaction is in the way.
const ATTEMPTS: u32 = 4;

/// An intent, what Xero saved of it, and Xero's warnings.
type Saved<'a, R> = (&'a Intent, &'a Incoming<R>, &'a [String]);

/// What Xero said of one element.
enum Told<R> {
    /// Saved so, with warnings.
    Saved(Box<Incoming<R>>, Vec<String>),
    /// Saved, as far as can be told, in a form that cannot be read.
    Unreadable,
    /// Refused, with Xero's words.
    Refused(Vec<String>),
}

impl<R> Told<R> {
    fn of<P: Pushed<Record = R>>(result: ElementResult<P::Wire>) -> Self {
        match result {
            ElementResult::Saved { entity, warnings } => match Batch::<P>::of(vec![Ok(*entity)]).incoming.pop() {
                Some(incoming) => Self::Saved(Box::new(incoming), warnings),
                None => Self::Unreadable,
            },
            ElementResult::Unreadable(_) => Self::Unreadable,
            ElementResult::Refused { messages, .. } => Self::Refused(messages),
        }
    }
}

impl Running<'_> {
    /// P3, again if a pull that met the same records was in the way.
    pub(crate) async fn acknowledge<P: Pushed>(&self, frozen: &Frozen, written: Written<P::Wire>) -> Result<(), Error> {
        let correlation = written.correlation_id;
        let results: Vec<Told<P::Record>> = written.elements.into_iter().map(Told::of::<P>).collect();
        for _ in 1..ATTEMPTS {
            match self.acknowledge_once::<P>(frozen, &results, correlation.as_deref()).await {
                Err(Error::Store(error)) if error.is_contention() => {
                    tracing::debug!(send = frozen.send.id, %error, "an acknowledgement is written again");
                }
                other => return other,
            }
        }
        self.acknowledge_once::<P>(frozen, &results, correlation.as_deref()).await
    }

    /// Each element's own result, merged as an acknowledgement.
    async fn acknowledge_once<P: Pushed>(
        &self,
        frozen: &Frozen,
        results: &[Told<P::Record>],
        correlation: Option<&str>,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.engine.store().begin_durable().await?;
        // A worker that was frozen and lost its lease writes nothing here; the owner adopts what it sent by look-up.
        tx.hold_lease(&self.lease).await?;
        // A pull may have adopted some of them meanwhile.
        let parts = tx.intents_of_send(frozen.send.id).await?;
        let mut counts = KindCounts::default();
        let (mut saved, mut taken) = (Vec::new(), Vec::new());
        for (intent, result) in parts.iter().zip(results) {
            match result {
                Told::Saved(incoming, warnings) => saved.push((intent, incoming.as_ref(), warnings.as_slice())),
                Told::Unreadable => self.unreadable(&mut tx, intent, now).await?,
                Told::Refused(messages) => {
                    let refusal = classify(P::KIND, messages);
                    if intent.op == Op::Create && matches!(refusal.code, "TO-NAME-TAKEN" | "TO-NUMBER-TAKEN") {
                        taken.extend(namesake::<P>(intent));
                    }
                    counts.refused += 1;
                    self.refuse_with::<P>(&mut tx, intent, refusal, Some(messages.join("; ")), now).await?;
                }
            }
        }
        self.write_saved::<P>(&mut tx, &saved, &mut counts, now).await?;
        tx.end_send(frozen.send.id, "ANSWERED", correlation, now).await?;
        self.count_sent(&mut tx, P::KIND, &counts, now).await?;
        tx.commit().await?;
        for query in taken {
            self.bring_namesake::<P>(&query).await?;
        }
        Ok(())
    }

    async fn write_saved<P: Pushed>(
        &self,
        tx: &mut Tx,
        saved: &[Saved<'_, P::Record>],
        counts: &mut KindCounts,
        now: Timestamp,
    ) -> Result<(), Error> {
        let ids: Vec<Uuid> = saved.iter().map(|(_, incoming, _)| incoming.xero_id).collect();
        let locals: Vec<i64> = saved.iter().map(|(intent, ..)| intent.local_id).collect();
        let rows = tx.lock_books::<P::Record>(self.connection.id, &locals).await?;
        let mut rows: HashMap<i64, _> = rows.into_iter().map(|row| (row.id, row)).collect();
        // What a pull wrote before it let go of the rows.
        let links = tx.full_links(self.connection.id, P::KIND, &ids).await?;
        let linked = tx.links_of_locals(self.connection.id, P::KIND, &locals).await?;
        let (mut meetings, mut ends) = (Vec::new(), Vec::new());
        for (intent, incoming, warnings) in saved {
            let link = links.get(&incoming.xero_id);
            if let Some(other) = linked.get(&intent.local_id).filter(|other| other.xero_id != incoming.xero_id) {
                let why = format!(
                    "it is linked with {} in xero, and xero made {} of it too",
                    other.xero_id, incoming.xero_id
                );
                let refusal = Refusal::new("TO-DUPLICATE", format!("{why}: say which of the two it is"));
                self.refuse::<P>(tx, intent, refusal, now).await?;
                continue;
            }
            if let Some(link) = link.filter(|link| link.local_id != intent.local_id) {
                let why = format!("xero answered with a record that belongs to the {} {}", P::KIND, link.local_id);
                let refusal = Refusal::new("TO-DUPLICATE", format!("{why}: say which of the two it is"));
                self.refuse::<P>(tx, intent, refusal, now).await?;
                continue;
            }
            if link.is_some_and(|link| link.remote_updated_at > incoming.updated && incoming.updated.is_some()) {
                // A pull has brought something newer than this answer already.
                ends.push(IntentEnd {
                    id: intent.id,
                    state: IntentState::Done,
                    xero_id: Some(incoming.xero_id),
                    code: None,
                    message: Some("changed again in Xero before its answer was written down".into()),
                });
                tx.capture(self.connection.org, P::KIND, &[intent.local_id], now).await?;
                continue;
            }
            let base = match (intent.state, link, &intent.acked) {
                // Ended meanwhile: what both agree on is with the link.
                (IntentState::Done, Some(link), _) => parse_base::<P>(&link.base)?,
                (_, _, Some(acked)) => parse_base::<P>(acked)?,
                (_, Some(link), None) => parse_base::<P>(&link.base)?,
                (_, None, None) => P::Record::default(),
            };
            if intent.op == Op::Update {
                self.suspect_overwrite::<P>(tx, intent, &base, incoming, now).await?;
            }
            let row = rows.remove(&intent.local_id);
            let mut meeting: Meeting<P::Record> = incoming.meeting(intent.local_id, base, row, link.is_none());
            meeting.gone_at = Some(now);
            meeting.sent = Some(self.sent_with::<P>(intent, link.map(|link| link.base.as_slice()))?);
            meetings.push(meeting);
            match intent.op {
                Op::Create => counts.sent_created += 1,
                Op::Update => counts.sent_updated += 1,
                Op::Remove => counts.sent_removed += 1,
            }
            ends.push(IntentEnd {
                id: intent.id,
                state: IntentState::Done,
                xero_id: Some(incoming.xero_id),
                code: None,
                message: (!warnings.is_empty()).then(|| warnings.join("; ")),
            });
            self.touch::<P>(&incoming.record);
        }
        let met = self.table.meet::<P>(tx, meetings, now).await?;
        let sent: Vec<_> = met.iter().map(|met| self.table.event("record.sent", P::KIND, met.local_id)).collect();
        tx.add_events(self.connection.org, &sent, now).await?;
        tx.end_intents(&ends, now).await?;
        // Not of those that were just listed.
        let arrived: Vec<i64> = met.iter().map(|met| met.local_id).collect();
        tx.close_push_failures(self.connection.id, P::KIND, &arrived, now).await?;
        self.wake_after::<P>(tx, &met, now).await
    }

    /// What the push of an intent knew that the App's row does not say; `base` is what its link says that both agree on.
    pub(crate) fn sent_with<P: Pulled>(&self, intent: &Intent, base: Option<&[u8]>) -> Result<Sent<P::Record>, Error> {
        let is_create = intent.op == Op::Create;
        let agreed = base.filter(|_| !is_create).map(parse_base::<P>).transpose()?.unwrap_or_default();
        Ok(Sent { agreed, mark: is_create.then(|| self.mark(P::KIND, intent.local_id)) })
    }

    /// What was edited while its push was on its way is looked at again, and so is what waited for this.
    pub(crate) async fn wake_after<P: Pushed>(
        &self,
        tx: &mut Tx,
        met: &[Met<P::Record>],
        now: Timestamp,
    ) -> Result<(), Error> {
        let again: Vec<i64> = met.iter().filter(|met| met.has_to_be_sent()).map(|met| met.local_id).collect();
        tx.capture(self.connection.org, P::KIND, &again, now).await?;
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
            tx.wake_captures(self.connection.org, kind).await?;
        }
        Ok(())
    }

    /// Saved, as far as can be told, in a form that cannot be read: looked for like one without answer.
    async fn unreadable(&self, tx: &mut Tx, intent: &Intent, now: Timestamp) -> Result<(), Error> {
        Ok(tx.intent_unknown(intent.id, later(now, 1)?, now).await?)
    }

    pub(crate) async fn refuse<P: Pushed>(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        refusal: Refusal,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.refuse_with::<P>(tx, intent, refusal, None, now).await
    }

    pub(crate) async fn refuse_with<P: Pushed>(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        refusal: Refusal,
        raw: Option<String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let end = IntentEnd {
            id: intent.id,
            state: IntentState::Refused,
            xero_id: intent.xero_id,
            code: Some(refusal.code.to_owned()),
            message: Some(raw.clone().unwrap_or_else(|| refusal.message.clone())),
        };
        tx.end_intents(&[end], now).await?;
        let mut failure = refused(intent.local_id, intent.xero_id, refusal);
        failure.raw = raw;
        Ok(tx.add_failures(self.connection.id, P::KIND, self.run_id(), &[failure], now).await?)
    }

    pub(crate) async fn end(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        state: IntentState,
        why: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let end =
            IntentEnd { id: intent.id, state, xero_id: intent.xero_id, code: None, message: Some(why.to_owned()) };
        Ok(tx.end_intents(&[end], now).await?)
    }

    /// Xero has no conditional writes: what somebody changed between our reading and our writing shows in the reply. If
    /// something else changed, what we sent may have replaced something too.
    async fn suspect_overwrite<P: Pushed>(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        acked: &P::Record,
        incoming: &Incoming<P::Record>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sent: Vec<String> = serde_json::from_str(&intent.fields).unwrap_or_default();
        if foreign_changes(acked, &incoming.record, &sent).is_empty() {
            return Ok(());
        }
        // Where a conflict stands, both sides do not agree, and what is in Xero is known from the conflict.
        let standing = tx.standing_conflicts(self.connection.id, P::KIND, &[intent.local_id]).await?;
        let standing = standing.get(&intent.local_id).map_or(&[][..], Vec::as_slice);
        let known = Table::with_standing::<P>(acked, standing)?;
        let foreign = foreign_changes(&known, &incoming.record, &sent);
        if foreign.is_empty() {
            return Ok(());
        }
        let json = |value: &serde_json::Value| Some(value.to_string());
        let known = serde_json::to_value(acked).map_err(|error| Error::Internal(error.to_string()))?;
        let found: Vec<store::NewConflict> = sent
            .iter()
            .map(|field| store::NewConflict {
                kind: P::KIND,
                local_id: intent.local_id,
                xero_id: incoming.xero_id,
                what: "POSSIBLE_OVERWRITE",
                field: field.clone(),
                base: json(&serde_json::json!({ "changedMeanwhile": foreign })),
                app: model::path::get(&known, field).as_ref().and_then(json),
                xero: None,
                app_changed_at: None,
                xero_changed_at: incoming.updated,
                policy: "ASK",
                state: store::ConflictState::Pending,
                resolution: None,
                result: None,
                decided_by: None,
                run: self.run_id(),
            })
            .collect();
        tx.add_conflicts(self.connection.id, &found, now).await?;
        Ok(())
    }

    /// Documents whose amounts a write changes are read again at the end of the round.
    fn touch<P: Pushed>(&self, record: &P::Record) {
        if P::KIND == Kind::Payment
            && let Ok(mut touched) = self.touched.lock()
        {
            let document = |kind: &Kind| !matches!(kind, Kind::Account | Kind::Customer);
            let of = record.references().into_iter().filter(|(kind, _)| document(kind));
            touched.extend(of.filter_map(|(kind, target)| Some((kind, target.xero()?))));
        }
    }

    pub(crate) async fn reread_touched(&self) -> Result<(), Error> {
        let touched = self.touched.lock().map(|mut touched| std::mem::take(&mut *touched)).unwrap_or_default();
        for kind in Kind::ALL {
            let ids: Vec<Uuid> = touched.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
            if !ids.is_empty() {
                for_kind!(kind, P => self.fetch_missing::<P>(&ids, 0).await?);
            }
        }
        Ok(())
    }

    /// The record in Xero that has the name or number already: if the App's is the same one, they are linked.
    async fn bring_namesake<P: Pushed>(&self, query: &ListQuery) -> Result<(), Error> {
        let page = self.books.fetch_page::<P::Wire>(query, 1).await?;
        let place = Place { cursor: None, expected: None };
        self.bring_over(&Batch::<P>::of(page.items), &place, 0).await.map(drop)
    }
}

/// Fields that are neither sent nor as they were when they were read.
fn foreign_changes<R: Record>(acked: &R, reply: &R, sent: &[String]) -> Vec<&'static str> {
    let (Ok(acked), Ok(reply)) = (serde_json::to_value(acked), serde_json::to_value(reply)) else { return Vec::new() };
    let is_sent = |field: &model::Field| {
        sent.iter().any(|path| {
            let name = path.split(['[', '.']).next().unwrap_or(path);
            name == field.name || Some(name) == field.group
        })
    };
    R::FIELDS
        .iter()
        .filter(|field| field.owner == model::Owner::Both && !is_sent(field))
        .filter(|field| acked.get(field.name) != reply.get(field.name))
        .map(|field| field.name)
        .collect()
}

/// How the record that has our record's name or number is found in Xero.
fn namesake<P: Pulled>(intent: &Intent) -> Option<ListQuery> {
    let record: serde_json::Value = serde_json::from_slice(intent.acked.as_deref()?).ok()?;
    let (field, value, archived) = match P::KIND {
        Kind::Customer => ("Name", record.get("name")?.as_str()?, true),
        Kind::Invoice => ("InvoiceNumber", record.get("number")?.as_str()?, false),
        _ => return None,
    };
    let filter = Field::new(field).eq(value);
    filter.expression().ok()?;
    Some(ListQuery { filter: Some(filter), include_archived: archived, page_size: Some(50), ..ListQuery::default() })
}
