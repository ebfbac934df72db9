//! Looking in Xero for a create that was sent and not answered (reliability.md A6.1).
//!
//! Found once, it is adopted. Found more than once, a person is asked and nothing is ever sent again. Not found counts
//! only when it is definitive: every request that could still land has had its time, and two looks at least a minute
//! apart, each well answered, found nothing. Only then is the create sent anew, under a new key. A look-up that fails
//! changes nothing: the record stays visible as *sent, no answer: looking before retry*.

use std::collections::HashMap;

use jiff::Timestamp;
use store::{ConflictState, Intent, IntentEnd, IntentState, NewConflict, Op};
use xero::ListQuery;

use crate::Error;
use crate::capture::{later, refused};
use crate::map::Pulled;
use crate::meet::parse_base;
use crate::outgoing::{Marker, Pushed};
use crate::reconcile::{Batch, Incoming};
use crate::run::Running;

/// Intents looked up in one round.
const LOOKS: i64 = 200;
/// Pages of a look-up's list that are read; a narrow look-up never has as many.
const PAGES: u32 = 20;
/// How long a look-up that failed, or found nothing yet, waits for the next, in seconds.
const NEXT_LOOK_S: i64 = 30;

impl Running<'_> {
    /// Looks after the unanswered writes of a kind that are due.
    pub(crate) async fn look_up<P: Pushed>(&self) -> Result<(), Error> {
        let mut tx = self.engine.store().read().await?;
        let due = tx.due_unknown(self.connection.id, P::KIND, self.now(), LOOKS).await?;
        drop(tx);
        for intent in due {
            match intent.op {
                Op::Create => self.look_for::<P>(&intent).await?,
                // Absolute values are sent again from a fresh reading, once the unanswered request cannot land any more.
                Op::Update | Op::Remove => {
                    let mut tx = self.engine.store().begin_durable().await?;
                    tx.hold_lease(&self.lease).await?;
                    tx.replan(intent.id, self.now()).await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    async fn look_for<P: Pushed>(&self, intent: &Intent) -> Result<(), Error> {
        let marker: Marker = match intent.marker.as_deref().map(serde_json::from_str) {
            Some(Ok(marker)) => marker,
            _ => return self.give_to_person::<P>(intent, "the mark to look for it by cannot be read").await,
        };
        let found = match self.bearing::<P>(&marker).await {
            Ok(found) => found,
            Err(error) if error.stops_a_round() => return Err(error),
            Err(error) => {
                tracing::warn!(intent = intent.id, %error, "a look-up failed; nothing is sent before one succeeds");
                return self.look_again(intent, intent.absent_at).await;
            }
        };
        let found = self.not_others::<P>(intent, found).await?;
        match found.len() {
            0 => self.found_nothing(intent).await,
            1 => self.adopt_found::<P>(intent, found).await,
            _ => self.found_too_many::<P>(intent, &found).await,
        }
    }

    /// Records in Xero that bear the mark, whatever their status.
    async fn bearing<P: Pushed>(&self, marker: &Marker) -> Result<Vec<Incoming<P::Record>>, Error> {
        let query: ListQuery = P::look_up(marker);
        let mut found: HashMap<uuid::Uuid, Incoming<P::Record>> = HashMap::new();
        for number in 1..=PAGES {
            let page = self.books.fetch_page::<P::Wire>(&query, number).await?;
            let is_last = page.is_last;
            let batch = Batch::<P>::of(page.items);
            // A record that cannot be read may be the one: then nothing is known.
            if !batch.failures.is_empty() {
                return Err(Error::Internal("a record of the look-up's answer cannot be read".into()));
            }
            let bearing = batch.incoming.into_iter().filter(|incoming| P::bears(marker, &incoming.record));
            found.extend(bearing.map(|incoming| (incoming.xero_id, incoming)));
            if is_last {
                return Ok(found.into_values().collect());
            }
        }
        Err(Error::Internal(format!("a look-up brought more than {PAGES} pages")))
    }

    /// Without those that are linked with other local records: equal, but not ours.
    async fn not_others<P: Pushed>(
        &self,
        intent: &Intent,
        mut found: Vec<Incoming<P::Record>>,
    ) -> Result<Vec<Incoming<P::Record>>, Error> {
        let ids: Vec<uuid::Uuid> = found.iter().map(|incoming| incoming.xero_id).collect();
        let links = self.engine.store().read().await?.links(self.connection.id, P::KIND, &ids).await?;
        found.retain(|incoming| links.get(&incoming.xero_id).is_none_or(|link| link.local_id == intent.local_id));
        Ok(found)
    }

    async fn adopt_found<P: Pushed>(&self, intent: &Intent, mut found: Vec<Incoming<P::Record>>) -> Result<(), Error> {
        let Some(incoming) = found.pop() else { return Ok(()) };
        let now = self.now();
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let row = tx.lock_books::<P::Record>(self.connection.id, &[intent.local_id]).await?.pop();
        let link = tx.full_links(self.connection.id, P::KIND, &[incoming.xero_id]).await?.remove(&incoming.xero_id);
        let own = tx.links_of_locals(self.connection.id, P::KIND, &[intent.local_id]).await?.remove(&intent.local_id);
        let is_others = link.as_ref().is_some_and(|link| link.local_id != intent.local_id)
            || own.as_ref().is_some_and(|own| own.xero_id != incoming.xero_id);
        if is_others {
            drop(tx);
            return self.give_to_person::<P>(intent, "what bears its mark in xero belongs to another record").await;
        }
        let base = intent.acked.as_deref().map(parse_base::<P>).transpose()?.unwrap_or_default();
        let mut meeting = incoming.meeting(intent.local_id, base, row, link.is_none());
        meeting.sent = Some(self.sent_with::<P>(intent, link.as_ref().map(|link| link.base.as_slice()))?);
        let met = self.table.meet::<P>(&mut tx, vec![meeting], now).await?;
        let end = IntentEnd {
            id: intent.id,
            state: IntentState::Done,
            xero_id: Some(incoming.xero_id),
            code: None,
            message: Some("its answer was lost; found in Xero by its mark".into()),
        };
        tx.end_intents(&[end], now).await?;
        tx.close_push_failures(self.connection.id, P::KIND, &[intent.local_id], now).await?;
        self.wake_after::<P>(&mut tx, &met, now).await?;
        tracing::info!(intent = intent.id, kind = %P::KIND, xero_id = %incoming.xero_id, "adopted after a lost answer");
        Ok(tx.commit().await?)
    }

    async fn found_nothing(&self, intent: &Intent) -> Result<(), Error> {
        let settings = &self.engine.parts.settings.push;
        let now = self.now();
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let last_sent = tx.last_send_of(intent.id).await?.map_or(now, |send| send.last_sent_at);
        let lands_until = self.engine.landed_after(last_sent)?;
        if now <= lands_until {
            // It may still land. Looked for meanwhile, because found is found; nothing counts before.
            let next = later(now, NEXT_LOOK_S)?.min(later(lands_until, 1)?);
            tx.looked(intent.id, None, next, now).await?;
        } else {
            match intent.absent_at {
                Some(first) if now.duration_since(first).as_secs() >= settings.look_gap_s => {
                    tracing::info!(intent = intent.id, "twice not in xero: it is sent anew");
                    tx.replan(intent.id, now).await?;
                }
                Some(first) => tx.looked(intent.id, Some(first), later(first, settings.look_gap_s)?, now).await?,
                None => tx.looked(intent.id, Some(now), later(now, settings.look_gap_s)?, now).await?,
            }
        }
        Ok(tx.commit().await?)
    }

    async fn look_again(&self, intent: &Intent, absent_at: Option<Timestamp>) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.engine.store().begin().await?;
        tx.hold_lease(&self.lease).await?;
        tx.looked(intent.id, absent_at, later(now, NEXT_LOOK_S)?, now).await?;
        Ok(tx.commit().await?)
    }

    async fn found_too_many<P: Pushed>(&self, intent: &Intent, found: &[Incoming<P::Record>]) -> Result<(), Error> {
        let mut ids: Vec<String> = found.iter().map(|incoming| incoming.xero_id.to_string()).collect();
        ids.sort();
        let now = self.now();
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let conflict = NewConflict {
            kind: P::KIND,
            local_id: intent.local_id,
            xero_id: found[0].xero_id,
            what: "SUSPECTED_DUPLICATE",
            field: "presence".into(),
            base: None,
            app: None,
            xero: Some(serde_json::json!(ids).to_string()),
            app_changed_at: None,
            xero_changed_at: found[0].updated,
            policy: "ASK",
            state: ConflictState::Pending,
            resolution: None,
            result: None,
            decided_by: None,
            run: self.run_id(),
        };
        tx.add_conflicts(self.connection.id, &[conflict], now).await?;
        tx.commit().await?;
        let why =
            format!("xero has {} records that bear its mark ({}); nothing more is sent", ids.len(), ids.join(", "));
        self.give_to_person::<P>(intent, &why).await
    }

    /// Ends an intent that no program may go on with.
    async fn give_to_person<P: Pushed>(&self, intent: &Intent, why: &str) -> Result<(), Error> {
        let now = self.now();
        let refusal = model::accounting::Refusal::new("TO-DUPLICATE", format!("{why}: say which one it is"));
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let end = IntentEnd {
            id: intent.id,
            state: IntentState::Refused,
            xero_id: None,
            code: Some(refusal.code.to_owned()),
            message: Some(refusal.message.clone()),
        };
        tx.end_intents(&[end], now).await?;
        let failure = refused(intent.local_id, None, refusal);
        tx.add_failures(self.connection.id, <P as Pulled>::KIND, self.run_id(), &[failure], now).await?;
        Ok(tx.commit().await?)
    }
}
