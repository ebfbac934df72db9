//! Sending what was planned: read again, freeze, send (reliability.md A6.1, P1 and P2, and A6.2).
//!
//! Nothing leaves before its bytes and its key are durable (P1). What has no answer is sent again only as the very same
//! bytes under the same key, and only as long as a copy that is still on its way must land while Xero remembers the key;
//! after that nothing is sent before a look (`lookup`). An update is read again from Xero just before, because Xero has
//! no conditional writes. The answer goes to `ack`.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use model::accounting::{Change, Op as RuleOp, Refusal, Rules};
use model::{ContentHash, Kind, Record, canonical};
use store::{Intent, IntentState, KindCounts, NewSend, Op, Send, SendPart, Tx};
use uuid::Uuid;
use xero::{Deadline, Entity, ListQuery, WriteOptions, Written};

use crate::Error;
use crate::capture::{element, later};
use crate::map::Invoices;
use crate::meet::{Met, parse_base};
use crate::outgoing::{Pushed, for_two_way};
use crate::reconcile::{Batch, Incoming};
use crate::refusal::classify;
use crate::run::Running;

/// Bytes of one body; Xero advises at most 3.5 MB.
const BODY_BYTES: usize = 3_000_000;
/// The first wait before the same bytes are sent again, in seconds; doubles.
const FIRST_WAIT_S: u64 = 1;

/// An intent ready to be sent.
struct Ready {
    intent: Intent,
    body: Vec<u8>,
    acked: Vec<u8>,
    fields: String,
    target: Option<Uuid>,
}

/// A request on its way, with the intents that it carries.
pub(crate) struct Frozen {
    pub(crate) send: Send,
    pub(crate) parts: Vec<Intent>,
    /// Counted from before it was made durable: a worker that was frozen anywhere since then does not send it.
    pub(crate) not_after: Deadline,
}

/// The moment from which a request counts as sent, see `Running::moment`.
struct Moment {
    now: Timestamp,
    not_after: Deadline,
}

impl Running<'_> {
    /// Sends the planned intents of a kind, batch by batch.
    pub(crate) async fn send_planned<P: Pushed>(&self, op: Op) -> Result<(), Error> {
        let batch = self.engine.parts.settings.push.batch;
        let mut after = 0;
        loop {
            let mut tx = self.engine.store().read().await?;
            let planned = tx.planned_intents(self.connection.id, P::KIND, op, self.now(), after, batch).await?;
            drop(tx);
            let Some(last) = planned.last() else { return Ok(()) };
            // What comes back to be sent again waits for the next round.
            after = last.id;
            let frozen = match op {
                Op::Create => self.freeze_creates::<P>(planned).await?,
                Op::Update | Op::Remove => self.freeze_changes::<P>(planned).await?,
            };
            for one in frozen {
                self.deliver::<P>(one).await?;
            }
        }
    }

    /// P1 of creates: the bytes were made with the plan.
    async fn freeze_creates<P: Pushed>(&self, planned: Vec<Intent>) -> Result<Vec<Frozen>, Error> {
        let mut refusals = self.check_payable::<P>(&planned).await?;
        let moment = self.moment();
        let now = moment.now;
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let locals: Vec<i64> = planned.iter().map(|intent| intent.local_id).collect();
        // A pull links under the same locks: read only once they are held, what it did is seen.
        tx.lock_books::<P::Record>(self.connection.id, &locals).await?;
        let open = tx.open_intents_of(self.connection.id, P::KIND, &locals).await?;
        let linked = tx.links_of_locals(self.connection.id, P::KIND, &locals).await?;
        let (mut ready, mut counts) = (Vec::new(), KindCounts::default());
        for intent in planned {
            if !open.get(&intent.local_id).is_some_and(|now| now.id == intent.id && now.state == IntentState::Planned) {
                continue;
            }
            if linked.contains_key(&intent.local_id) {
                self.end(&mut tx, &intent, IntentState::Dropped, "it was linked with a record in Xero", now).await?;
                continue;
            }
            match (refusals.remove(&intent.id), &intent.body, &intent.acked) {
                (None, Some(body), Some(acked)) => {
                    let (body, acked, fields) = (body.clone(), acked.clone(), intent.fields.clone());
                    ready.push(Ready { intent, body, acked, fields, target: None });
                }
                (refusal, ..) => {
                    let refusal = refusal.unwrap_or_else(|| Refusal::new("TO-BAD-FIELD", "it has nothing to send"));
                    self.refuse::<P>(&mut tx, &intent, refusal, now).await?;
                    counts.refused += 1;
                }
            }
        }
        let frozen = self.freeze::<P>(&mut tx, ready, "PUT", &moment).await?;
        self.count_sent(&mut tx, P::KIND, &counts, now).await?;
        tx.commit().await?;
        Ok(frozen)
    }

    /// P1 of updates and removals: read again, merged again, checked, then frozen, all in one transaction.
    async fn freeze_changes<P: Pushed>(&self, planned: Vec<Intent>) -> Result<Vec<Frozen>, Error> {
        let ids: Vec<Uuid> = planned.iter().filter_map(|intent| intent.xero_id).collect();
        let read = self.read_again::<P>(&ids).await?;
        let unreadable: HashMap<String, String> =
            read.failures.into_iter().map(|failure| (failure.remote_key, failure.message)).collect();
        let mut fresh: HashMap<Uuid, Incoming<P::Record>> =
            read.incoming.into_iter().map(|one| (one.xero_id, one)).collect();
        let moment = self.moment();
        let now = moment.now;
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let locals: Vec<i64> = planned.iter().map(|intent| intent.local_id).collect();
        let rows = tx.lock_books::<P::Record>(self.connection.id, &locals).await?;
        let mut rows: HashMap<i64, _> = rows.into_iter().map(|row| (row.id, row)).collect();
        // What a pull wrote before it let go of the rows.
        let links = tx.full_links(self.connection.id, P::KIND, &ids).await?;
        let (mut meetings, mut intents, mut counts) = (Vec::new(), HashMap::new(), KindCounts::default());
        for intent in planned {
            let link = intent.xero_id.and_then(|id| Some((id, links.get(&id)?)));
            let Some((id, link)) = link.filter(|(_, link)| link.local_id == intent.local_id) else {
                self.end(&mut tx, &intent, IntentState::Dropped, "it is not linked any more", now).await?;
                continue;
            };
            let Some(incoming) = fresh.remove(&id) else {
                counts.refused += self.not_there::<P>(&mut tx, &intent, unreadable.get(&id.to_string()), now).await?;
                continue;
            };
            if matches!((incoming.updated, link.remote_updated_at), (Some(read), Some(known)) if read < known) {
                // Xero's answer lags behind what it told us before: an old state must not be merged.
                tx.put_off_intent(intent.id, later(now, 5)?, "TO-LAG", "xero answered with an older state", now)
                    .await?;
                continue;
            }
            let base = parse_base::<P>(&link.base)?;
            let mut meeting = incoming.meeting(link.local_id, base, rows.remove(&link.local_id), false);
            meeting.gone_at = Some(intent.created_at);
            meetings.push(meeting);
            intents.insert(id, intent);
        }
        let mut ready = Vec::new();
        for met in self.table.meet::<P>(&mut tx, meetings, now).await? {
            let Some(intent) = intents.remove(&met.xero_id) else { continue };
            if !met.has_to_be_sent() {
                self.end(&mut tx, &intent, IntentState::Dropped, "both sides agree already", now).await?;
                tx.close_push_failures(self.connection.id, P::KIND, &[intent.local_id], now).await?;
                continue;
            }
            if self.removes::<P>(&met) && intent.op != Op::Remove {
                // Planned as a change, it has become a removal since: that is for the brakes to see.
                self.end(&mut tx, &intent, IntentState::Dropped, "it was removed before it was sent", now).await?;
                tx.capture(self.connection.org, P::KIND, &[intent.local_id], now).await?;
                continue;
            }
            match self.ready::<P>(intent.clone(), &met) {
                Ok(one) => ready.push(one),
                Err(refusal) => {
                    self.refuse::<P>(&mut tx, &intent, refusal, now).await?;
                    counts.refused += 1;
                }
            }
        }
        let frozen = self.freeze::<P>(&mut tx, ready, "POST", &moment).await?;
        self.count_sent(&mut tx, P::KIND, &counts, now).await?;
        tx.commit().await?;
        Ok(frozen)
    }

    /// The element of a change, if the rules let it pass.
    fn ready<P: Pushed>(&self, intent: Intent, met: &Met<P::Record>) -> Result<Ready, Refusal> {
        let outgoing = met.outgoing.as_ref().unwrap_or(&met.remote);
        let is_removal = self.removes::<P>(met);
        let op = if is_removal { RuleOp::Remove } else { RuleOp::Update };
        P::Record::check(&Change { op, remote: Some(&met.remote), outgoing, push: &met.push, facts: &self.facts })?;
        let write = if is_removal {
            P::remove(met.xero_id, &met.remote)?
        } else {
            P::update(met.xero_id, &met.remote, outgoing)?
        };
        Ok(Ready {
            intent,
            body: element(&write)?,
            acked: canonical(&met.acked),
            fields: serde_json::to_string(&met.push).unwrap_or_default(),
            target: (is_removal && P::REMOVES_ONE_BY_ONE).then_some(met.xero_id),
        })
    }

    /// Whether what is to be sent voids, deletes or archives.
    fn removes<P: Pushed>(&self, met: &Met<P::Record>) -> bool {
        let is_gone = |outgoing: &P::Record| met.remote.is_live() && !outgoing.is_live();
        met.is_removal || met.outgoing.as_ref().is_some_and(is_gone)
    }

    /// A linked record that Xero's answer lacks. Lists lag behind what was written, so once is not enough to believe it.
    async fn not_there<P: Pushed>(
        &self,
        tx: &mut Tx,
        intent: &Intent,
        unreadable: Option<&String>,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let gap_s = self.engine.parts.settings.push.look_gap_s;
        let refusal = match (unreadable, intent.absent_at) {
            (Some(why), _) => Refusal::new("TO-BAD-RECORD", format!("what xero has cannot be read: {why}")),
            (None, Some(_)) => Refusal::new("TO-GONE", "xero does not have this record any more: look for it in xero"),
            (None, None) => {
                tx.looked(intent.id, Some(now), later(now, gap_s)?, now).await?;
                return Ok(0);
            }
        };
        self.refuse::<P>(tx, intent, refusal, now).await?;
        Ok(1)
    }

    /// Xero's present state of some records.
    pub(crate) async fn read_again<P: Pushed>(&self, ids: &[Uuid]) -> Result<Batch<P>, Error> {
        let mut items = Vec::with_capacity(ids.len());
        for some in ids.chunks(xero::MAX_IDS) {
            items.extend(self.books.fetch_page::<P::Wire>(&ListQuery::of_ids::<P::Wire>(some)?, 1).await?.items);
        }
        Ok(Batch::of(items))
    }

    /// What is due is read again just before it is paid: somebody may have paid it meanwhile.
    async fn check_payable<P: Pushed>(&self, planned: &[Intent]) -> Result<HashMap<i64, Refusal>, Error> {
        let mut refusals = HashMap::new();
        if P::KIND != Kind::Payment {
            return Ok(refusals);
        }
        let payments: Vec<(i64, model::Payment)> = planned
            .iter()
            .filter_map(|intent| Some((intent.id, serde_json::from_slice(intent.acked.as_deref()?).ok()?)))
            .collect();
        let invoice = |payment: &model::Payment| payment.invoice.and_then(model::Ref::xero);
        let ids: BTreeSet<Uuid> = payments.iter().filter_map(|(_, payment)| invoice(payment)).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut invoices: HashMap<Uuid, model::Invoice> = HashMap::new();
        let read = self.read_again::<Invoices>(&ids).await?;
        invoices.extend(read.incoming.into_iter().map(|one| (one.xero_id, one.record)));
        // Payments that go together must not be more than is due together.
        let mut due: HashMap<Uuid, model::Amount> =
            invoices.iter().map(|(id, found)| (*id, found.amount_due)).collect();
        for (id, payment) in &payments {
            let Some(target) = invoice(payment) else { continue };
            let (Some(found), Some(due)) = (invoices.get(&target), due.get_mut(&target)) else { continue };
            match model::accounting::check_payable(payment, found, *due) {
                Ok(()) => *due = *due - payment.amount,
                Err(refusal) => {
                    refusals.insert(*id, refusal);
                }
            }
        }
        Ok(refusals)
    }

    /// Makes requests out of elements: bytes and keys that never change.
    async fn freeze<P: Pushed>(
        &self,
        tx: &mut Tx,
        ready: Vec<Ready>,
        method: &'static str,
        moment: &Moment,
    ) -> Result<Vec<Frozen>, Error> {
        let mut groups: Vec<Vec<Ready>> = Vec::new();
        let mut bytes = 0;
        for one in ready {
            let fits = one.target.is_none() && bytes + one.body.len() < BODY_BYTES;
            bytes = if fits { bytes + one.body.len() } else { one.body.len() };
            match groups.last_mut() {
                Some(group) if fits && group.iter().all(|before| before.target.is_none()) => group.push(one),
                _ => groups.push(vec![one]),
            }
        }
        let mut frozen = Vec::with_capacity(groups.len());
        for group in groups {
            let target = group.first().and_then(|one| one.target);
            let body = match (target, group.as_slice()) {
                (Some(_), [one]) => one.body.clone(),
                _ => envelope(P::Wire::COLLECTION, group.iter().map(|one| one.body.as_slice())),
            };
            let intents: Vec<(i64, i64)> = group.iter().map(|one| (one.intent.id, one.intent.attempt)).collect();
            let text = format!("{intents:?}|{:?}", ContentHash::of(&body));
            let idempotency_key = format!("{:?}", ContentHash::of(text.as_bytes()));
            let new = NewSend { kind: P::KIND, method, target, idempotency_key, body, fence: self.lease.fence };
            let parts: Vec<SendPart> = group
                .iter()
                .map(|one| SendPart {
                    intent: one.intent.id,
                    body: one.body.clone(),
                    acked: one.acked.clone(),
                    fields: one.fields.clone(),
                })
                .collect();
            let id = tx.begin_send(self.connection.id, &new, &parts, moment.now).await?;
            let parts = tx.intents_of_send(id).await?;
            let send = tx.send(id).await?.ok_or_else(|| Error::Internal("a request's own row is gone".into()))?;
            frozen.push(Frozen { send, parts, not_after: moment.not_after });
        }
        Ok(frozen)
    }

    /// What a process that died left on its way: the same bytes again while that is safe, else looked for.
    pub(crate) async fn recover(&self) -> Result<(), Error> {
        let mut tx = self.engine.store().read().await?;
        let mut open = Vec::new();
        for send in tx.open_sends(self.connection.id).await? {
            if send.state == store::SendState::Sending {
                let parts = tx.intents_of_send(send.id).await?;
                open.push(Frozen { send, parts, not_after: self.moment().not_after });
            }
        }
        drop(tx);
        for frozen in open {
            if frozen.parts.iter().all(|intent| intent.state != IntentState::Sending) {
                self.end_send(&frozen.send, "ANSWERED", None).await?;
            } else {
                for_two_way!(frozen.send.kind, P => self.recover_one::<P>(frozen).await?);
            }
        }
        Ok(())
    }

    async fn recover_one<P: Pushed>(&self, frozen: Frozen) -> Result<(), Error> {
        if !self.may_send_again(&frozen.send) || !self.is_untouched::<P>(&frozen).await {
            return self.lose(&frozen).await;
        }
        let frozen = self.note_again(frozen).await?;
        self.deliver::<P>(frozen).await
    }

    /// True if sending a change again replaces nothing that somebody wrote since it was first sent: every record is in Xero
    /// as it was read then, or has what was sent already. A record that Xero does not have yet cannot have been changed.
    async fn is_untouched<P: Pushed>(&self, frozen: &Frozen) -> bool {
        if frozen.send.method == "PUT" {
            return true;
        }
        match self.look_at_targets::<P>(frozen).await {
            Ok(is_untouched) => is_untouched,
            Err(error) => {
                tracing::warn!(send = frozen.send.id, %error, "what is to be sent again could not be looked at");
                false
            }
        }
    }

    async fn look_at_targets<P: Pushed>(&self, frozen: &Frozen) -> Result<bool, Error> {
        let ids: Vec<Uuid> = frozen.parts.iter().filter_map(|intent| intent.xero_id).collect();
        let read = self.read_again::<P>(&ids).await?;
        let links = self.engine.store().read().await?.links(self.connection.id, P::KIND, &ids).await?;
        for intent in &frozen.parts {
            let incoming = read.incoming.iter().find(|incoming| Some(incoming.xero_id) == intent.xero_id);
            let Some(incoming) = incoming else { return Ok(false) };
            let known = links.get(&incoming.xero_id).and_then(|link| link.remote_updated_at);
            let is_as_read = known.is_some() && incoming.updated == known;
            if !is_as_read && !has_arrived::<P>(intent, &incoming.record)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// True as long as a copy sent now lands while Xero still remembers the key.
    fn may_send_again(&self, send: &Send) -> bool {
        let within_s = self.engine.parts.settings.push.resend_within_s;
        // Sent in the future: another machine's clock, which says nothing about how long ago.
        (0..within_s).contains(&self.now().duration_since(send.first_sent_at).as_secs())
    }

    async fn note_again(&self, mut frozen: Frozen) -> Result<Frozen, Error> {
        let Moment { now, not_after } = self.moment();
        frozen.not_after = not_after;
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        tx.send_again(frozen.send.id, self.lease.fence, now).await?;
        tx.commit().await?;
        frozen.send.last_sent_at = now;
        frozen.send.attempts += 1;
        Ok(frozen)
    }

    /// P2 and P3: sends until there is an answer or sending again is no longer safe.
    async fn deliver<P: Pushed>(&self, mut frozen: Frozen) -> Result<(), Error> {
        let mut wait_s = FIRST_WAIT_S;
        loop {
            let may_be_there = frozen.send.attempts > 1;
            let error = match self.transmit::<P>(&frozen).await {
                Ok(written) if written.elements.len() == frozen.parts.len() => {
                    return self.acknowledge::<P>(&frozen, written).await;
                }
                // Fewer or more elements than were sent: what became of which cannot be told.
                Ok(_) => return self.lose(&frozen).await,
                Err(error) => error,
            };
            tracing::warn!(send = frozen.send.id, kind = %P::KIND, %error, "a write was not answered with a result");
            if !error.may_have_applied() && !may_be_there {
                return self.not_applied::<P>(frozen, error).await;
            }
            // Xero replays a 500 under the same key, and the write may have been applied all the same.
            let is_answered = error.was_internal_error() || matches!(error, xero::Error::Protocol { .. });
            if is_answered || !self.may_send_again(&frozen.send) {
                return self.lose(&frozen).await;
            }
            if let xero::Error::Limited(limited) = &error {
                let until = self.now().duration_until(limited.resume_at).as_secs();
                wait_s = wait_s.max(u64::try_from(until).unwrap_or_default());
            }
            // Nobody waits for hours with the lease in hand.
            let age_s = self.now().duration_since(frozen.send.first_sent_at).as_secs();
            if age_s.saturating_add_unsigned(wait_s) >= self.engine.parts.settings.push.resend_within_s {
                return self.lose(&frozen).await;
            }
            self.engine.parts.clock.sleep(Duration::from_secs(wait_s)).await;
            wait_s *= 2;
            if !self.may_send_again(&frozen.send) || !self.is_untouched::<P>(&frozen).await {
                return self.lose(&frozen).await;
            }
            frozen = self.note_again(frozen).await?;
        }
    }

    /// Now, and how long a request that is made durable from now on may wait for its turn. The two are read together: a
    /// transaction that had to wait must not be sent later than what it notes allows for.
    fn moment(&self) -> Moment {
        let within = Duration::from_secs(self.engine.parts.settings.push.send_within_s);
        let not_after = Deadline::after(self.engine.parts.clock.as_ref(), within);
        Moment { now: self.now(), not_after }
    }

    async fn transmit<P: Pushed>(&self, frozen: &Frozen) -> Result<Written<P::Wire>, xero::Error> {
        let Frozen { send, not_after, .. } = frozen;
        let options = WriteOptions { idempotency_key: Some(send.idempotency_key.clone()), not_after: Some(*not_after) };
        let method = if send.method == "PUT" { http::Method::PUT } else { http::Method::POST };
        self.books.write_encoded_to::<P::Wire>(method, send.target, send.body.clone().into(), &options).await
    }

    /// Known not to have reached the books: nothing to look for.
    async fn not_applied<P: Pushed>(&self, frozen: Frozen, error: xero::Error) -> Result<(), Error> {
        let now = self.now();
        // A 4xx that is none of Xero's own JSON says no as well.
        if let xero::Error::Rejected(_) | xero::Error::Gone | xero::Error::Invalid(_) | xero::Error::Protocol { .. } =
            &error
        {
            return self.rejected::<P>(frozen, &error).await;
        }
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let wait_s = error.retry_after(now).map_or(0, |wait| i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
        let not_before = (wait_s > 0).then(|| later(now, wait_s.min(86_400))).transpose()?;
        tx.unsend(frozen.send.id, "NOT_APPLIED", not_before, now).await?;
        tx.commit().await?;
        match error {
            // It waited behind others: the next round makes it durable anew.
            xero::Error::TooLate => Ok(()),
            error => Err(error.into()),
        }
    }

    /// Xero refused the whole request. With more than one element in it, each is tried on its own: one may be to blame.
    fn rejected<'f, P: Pushed>(
        &'f self,
        frozen: Frozen,
        error: &'f xero::Error,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + core::marker::Send + 'f>> {
        Box::pin(async move {
            let moment = self.moment();
            let now = moment.now;
            let mut tx = self.engine.store().begin_durable().await?;
            tx.hold_lease(&self.lease).await?;
            if let [intent] = frozen.parts.as_slice() {
                let messages: Vec<String> = match error {
                    xero::Error::Rejected(rejected) => rejected.messages().into_iter().map(str::to_owned).collect(),
                    xero::Error::Gone => vec!["The resource you're looking for cannot be found".to_owned()],
                    other => vec![other.to_string()],
                };
                tx.end_send(frozen.send.id, "REJECTED", None, now).await?;
                self.refuse::<P>(&mut tx, intent, classify(P::KIND, &messages), now).await?;
                let counts = KindCounts { refused: 1, ..KindCounts::default() };
                self.count_sent(&mut tx, P::KIND, &counts, now).await?;
                return Ok(tx.commit().await?);
            }
            tx.unsend(frozen.send.id, "REJECTED", None, now).await?;
            let method = if frozen.send.method == "PUT" { "PUT" } else { "POST" };
            let mut alone = Vec::new();
            for intent in frozen.parts {
                let (Some(body), Some(acked)) = (intent.body.clone(), intent.acked.clone()) else { continue };
                let fields = intent.fields.clone();
                // Another attempt has another key.
                tx.replan(intent.id, now).await?;
                let intent = Intent { attempt: intent.attempt + 1, ..intent };
                let one = Ready { intent, body, acked, fields, target: None };
                alone.extend(self.freeze::<P>(&mut tx, vec![one], method, &moment).await?);
            }
            tx.commit().await?;
            for one in alone {
                self.deliver::<P>(one).await?;
            }
            Ok(())
        })
    }

    /// No answer, and sending again is not safe: it is looked for before anything else is done.
    async fn lose(&self, frozen: &Frozen) -> Result<(), Error> {
        let now = self.now();
        let is_create = frozen.send.method == "PUT";
        // A create is looked for at once, because found is found. An update is made anew from a fresh reading, once the
        // lost one cannot land on top of it any more.
        let not_before = if is_create { now } else { later(self.engine.landed_after(frozen.send.last_sent_at)?, 1)? };
        tracing::warn!(send = frozen.send.id, kind = %frozen.send.kind, "sent, no answer: looking before retry");
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        tx.send_unknown(frozen.send.id, not_before, now).await?;
        Ok(tx.commit().await?)
    }

    async fn end_send(&self, send: &Send, outcome: &str, correlation: Option<&str>) -> Result<(), Error> {
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        tx.end_send(send.id, outcome, correlation, self.now()).await?;
        Ok(tx.commit().await?)
    }
}

/// Whether a record has what an intent sent.
fn has_arrived<P: Pushed>(intent: &Intent, record: &P::Record) -> Result<bool, Error> {
    if intent.op == Op::Remove {
        return Ok(!record.is_live());
    }
    let Some(acked) = intent.acked.as_deref() else { return Ok(false) };
    let internal = |error: serde_json::Error| Error::Internal(error.to_string());
    let acked: serde_json::Value = serde_json::from_slice(acked).map_err(internal)?;
    let record = serde_json::to_value(record).map_err(internal)?;
    let sent: Vec<String> = serde_json::from_str(&intent.fields).unwrap_or_default();
    Ok(sent.iter().all(|field| model::path::get(&acked, field) == model::path::get(&record, field)))
}

/// The body of a batch: `{"Invoices":[…]}`.
fn envelope<'b>(collection: &str, elements: impl Iterator<Item = &'b [u8]>) -> Vec<u8> {
    let mut body = format!("{{\"{collection}\":[").into_bytes();
    for (at, element) in elements.enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(element);
    }
    body.extend_from_slice(b"]}");
    body
}
