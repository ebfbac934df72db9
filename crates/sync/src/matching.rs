//! Identity before merge: which new record of Xero is one that the App has too.
//!
//! Three ways lead to a link. A record that bears the mark of a create of ours, whose reply was lost or has not been
//! written yet, is adopted. One that is the same by its natural key as exactly one unlinked local row, and the other way
//! round, is linked; both sides then merge from an empty base, so that what only one side knows is kept and what they
//! say differently is a conflict. Where it may be the same, a person is asked, and neither side is copied to the other
//! before (product.md S11).

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use model::{BankTransaction, ConnectionId, Customer, CustomerStatus, Invoice, Kind, Payment, Record};
use store::{BookRow, Candidate, CandidateState, Intent, IntentEnd, IntentState, NewFailure, Op, Tx};
use uuid::Uuid;

use crate::capture::version;
use crate::map::{Pulled, for_kind};
use crate::meet::{Meeting, parse_base};
use crate::plan::{PlanAction, PlanSide};
use crate::reconcile::Incoming;
use crate::run::Running;
use crate::{Engine, Error};

/// Unlinked local rows that a page is compared with at a time.
const UNLINKED: i64 = 5_000;

/// Whether two records of one kind are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// They are not.
    No,
    /// By all that tells records of this kind apart they are; the reason is for people.
    Same(&'static str),
    /// They may be; a person has to say.
    Maybe(&'static str),
}

/// How records of a kind are recognised without a link. Kinds that are only read never meet an unlinked row.
pub(crate) trait Alike: Record {
    /// What two records must share at least one of to be worth comparing.
    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the App's record is Xero's.
    fn alike(&self, _xero: &Self) -> Likeness {
        Likeness::No
    }
}

impl Alike for model::Account {}
impl Alike for model::TaxRate {}
impl Alike for model::Credit {}

fn key(prefix: &str, value: Option<&str>) -> Option<String> {
    let value = value?.trim();
    (!value.is_empty()).then(|| format!("{prefix}:{}", value.to_lowercase()))
}

fn equal(app: Option<&str>, xero: Option<&str>) -> bool {
    matches!((app, xero), (Some(app), Some(xero)) if !app.trim().is_empty() && app.trim().eq_ignore_ascii_case(xero.trim()))
}

/// True where both sides say something and it is not the same.
fn differ(app: Option<&str>, xero: Option<&str>) -> bool {
    app.is_some() && xero.is_some() && !equal(app, xero)
}

impl Alike for Customer {
    fn keys(&self) -> Vec<String> {
        [
            key("name", Some(&self.name)),
            key("email", self.email.as_deref()),
            key("tax", self.tax_number.as_deref()),
            key("number", self.contact_number.as_deref()),
            key("account", self.account_number.as_deref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn alike(&self, xero: &Self) -> Likeness {
        // An archived contact cannot be changed and may share its name with an active one: a person says.
        let is_usable = xero.status == CustomerStatus::Active;
        let name = key("", Some(&self.name)) == key("", Some(&xero.name));
        let number = equal(self.contact_number.as_deref(), xero.contact_number.as_deref());
        let email = equal(self.email.as_deref(), xero.email.as_deref());
        let tax = equal(self.tax_number.as_deref(), xero.tax_number.as_deref());
        let account = equal(self.account_number.as_deref(), xero.account_number.as_deref());
        let contradicts = differ(self.contact_number.as_deref(), xero.contact_number.as_deref())
            || differ(self.tax_number.as_deref(), xero.tax_number.as_deref())
            || differ(self.account_number.as_deref(), xero.account_number.as_deref());
        match (name, number) {
            _ if !is_usable && (name || number) => Likeness::Maybe("the contact in Xero is archived"),
            (_, true) => Likeness::Same("the same contact number"),
            (true, _) if !contradicts => Likeness::Same("the same name"),
            (true, _) => Likeness::Maybe("the same name, but another contact, account or tax number"),
            _ if tax => Likeness::Maybe("the same tax number, but another name"),
            _ if account => Likeness::Maybe("the same account number, but another name"),
            _ if email => Likeness::Maybe("the same e-mail address, but another name"),
            _ => Likeness::No,
        }
    }
}

impl Alike for Invoice {
    fn keys(&self) -> Vec<String> {
        let number = key("number", self.number.as_deref());
        number.into_iter().map(|number| format!("{}{number}", self.r#type)).collect()
    }

    fn alike(&self, xero: &Self) -> Likeness {
        if self.r#type != xero.r#type || !equal(self.number.as_deref(), xero.number.as_deref()) {
            return Likeness::No;
        }
        let customer = self.customer == xero.customer;
        // An App that leaves totals to Xero has none yet.
        let total = self.total == xero.total || self.total == model::Amount::ZERO;
        let date = self.date == xero.date;
        match (self.r#type.as_str(), customer, total, date) {
            ("ACCREC", true, true, _) => Likeness::Same("the same invoice number, customer and total"),
            ("ACCREC", ..) => Likeness::Maybe("the same invoice number, but another customer or total"),
            (_, true, true, true) => Likeness::Same("the same bill number, supplier, date and total"),
            (_, true, ..) => Likeness::Maybe("the same bill number and supplier, but another date or total"),
            // Numbers of bills are not unique (xero-facts §6.2).
            _ => Likeness::No,
        }
    }
}

impl Alike for Payment {
    fn keys(&self) -> Vec<String> {
        let target = [self.invoice, self.credit_note, self.prepayment, self.overpayment].into_iter().flatten().next();
        target.and_then(model::Ref::xero).map(|target| format!("{target}:{}", self.amount)).into_iter().collect()
    }

    fn alike(&self, xero: &Self) -> Likeness {
        let target = |of: &Self| (of.invoice, of.credit_note, of.prepayment, of.overpayment);
        let is_same = target(self) == target(xero) && self.amount == xero.amount && self.date == xero.date;
        match (is_same, differ(self.reference.as_deref(), xero.reference.as_deref())) {
            _ if self.status != xero.status => Likeness::No,
            (true, false) => Likeness::Same("the same document, amount and date"),
            (true, true) => Likeness::Maybe("the same document, amount and date, but another reference"),
            _ => Likeness::No,
        }
    }
}

impl Alike for BankTransaction {
    fn keys(&self) -> Vec<String> {
        let account = self.account.and_then(model::Ref::xero);
        account.zip(self.date).map(|(account, date)| format!("{account}:{date}:{}", self.r#type)).into_iter().collect()
    }

    fn alike(&self, xero: &Self) -> Likeness {
        let is_same = self.r#type == xero.r#type
            && self.account == xero.account
            && self.date == xero.date
            && self.customer == xero.customer
            && self.status == xero.status
            && self.total == xero.total;
        match (is_same, differ(self.reference.as_deref(), xero.reference.as_deref())) {
            (true, false) => Likeness::Same("the same account, contact, date and total"),
            (true, true) => Likeness::Maybe("the same account, contact, date and total, but another reference"),
            _ => Likeness::No,
        }
    }
}

impl Running<'_> {
    /// Finds the new records that the App has too: takes them out of `new` and returns those that are linked now.
    /// Those that a person must decide on are listed.
    pub(crate) async fn identify<P: Pulled>(
        &self,
        tx: &mut Tx,
        new: &mut Vec<&Incoming<P::Record>>,
        failures: &mut Vec<NewFailure>,
        now: Timestamp,
    ) -> Result<Vec<Meeting<P::Record>>, Error> {
        if new.is_empty() || !P::KIND.is_two_way() {
            return Ok(Vec::new());
        }
        let mut meetings = self.adopt::<P>(tx, new, now).await?;
        if new.is_empty() {
            return Ok(meetings);
        }
        let pairs = self.pairs::<P>(tx, new).await?;
        let found = settle(&pairs);
        let locals: Vec<i64> = found.same.iter().chain(&found.maybe).map(|pair| pair.local).collect();
        // Read again under their locks: what is linked here is merged here, and a push plans under the same locks.
        let rows = tx.lock_books::<P::Record>(self.connection.id, &locals).await?;
        let mut rows: HashMap<i64, BookRow<P::Record>> = rows.into_iter().map(|row| (row.id, row)).collect();
        let linked = tx.links_of_locals(self.connection.id, P::KIND, &locals).await?;
        let open = tx.open_intents_of(self.connection.id, P::KIND, &locals).await?;
        let is_in_flight =
            |local: i64| open.get(&local).is_some_and(|it| it.op == Op::Create && it.state != IntentState::Planned);
        let mut taken = HashSet::new();
        let mut asked = Vec::new();
        for pair in found.same.iter().chain(&found.maybe) {
            // Linked by a push meanwhile: then it is another record's.
            if linked.contains_key(&pair.local) {
                continue;
            }
            let Some(incoming) = new.iter().find(|incoming| incoming.xero_id == pair.xero) else { continue };
            if is_in_flight(pair.local) {
                // What it became in Xero is being looked for; it may be this one or another one.
                taken.insert(pair.xero);
                failures.push(NewFailure {
                    remote_key: pair.xero.to_string(),
                    code: "TO-WAITING",
                    message: format!(
                        "it may be the {} {}, whose own creation is not answered yet",
                        P::KIND,
                        pair.local
                    ),
                    local_id: Some(pair.local),
                    ..NewFailure::default()
                });
            } else if pair.is_same {
                let Some(row) = rows.remove(&pair.local) else { continue };
                taken.insert(pair.xero);
                meetings.push(self.link::<P>(tx, incoming, row, pair.reason, now).await?);
            } else {
                taken.insert(pair.xero);
                let label = rows.get(&pair.local).map(|row| P::label(&row.record)).unwrap_or_default();
                failures.push(NewFailure {
                    remote_key: pair.xero.to_string(),
                    code: "TO-MATCH",
                    message: format!(
                        "it may be the {} {} of the app ({label}): {}; say which",
                        P::KIND,
                        pair.local,
                        pair.reason
                    ),
                    local_id: Some(pair.local),
                    ..NewFailure::default()
                });
                asked.push((pair.xero, pair.local, pair.reason.to_owned()));
            }
        }
        tx.add_candidates(self.connection.id, P::KIND, &asked, now).await?;
        new.retain(|incoming| !taken.contains(&incoming.xero_id));
        Ok(meetings)
    }

    /// Links a record that both sides have. Both may have said something: from an empty base, what differs is a conflict.
    async fn link<P: Pulled>(
        &self,
        tx: &mut Tx,
        incoming: &Incoming<P::Record>,
        row: BookRow<P::Record>,
        reason: &str,
        now: Timestamp,
    ) -> Result<Meeting<P::Record>, Error> {
        let (local_id, xero_id) = (row.id, incoming.xero_id);
        tracing::info!(kind = %P::KIND, local_id, %xero_id, reason, "linked with a record that both sides have");
        let ids = (Some(local_id), Some(xero_id));
        self.note::<P>(
            PlanSide::App,
            PlanAction::Link,
            ids,
            || P::label(&incoming.record),
            |item| {
                item.message = Some(reason.to_owned());
                item.app_version = Some(version(&row.record));
                item.xero_version = Some(version(&incoming.record));
            },
        );
        self.drop_creates::<P>(tx, &[local_id], now).await?;
        Ok(incoming.meeting(local_id, P::Record::default(), Some(row), true))
    }

    /// New records compared with the App's unlinked rows, slice by slice.
    async fn pairs<P: Pulled>(&self, tx: &mut Tx, new: &[&Incoming<P::Record>]) -> Result<Vec<Pair>, Error> {
        let (mut pairs, mut after) = (Vec::new(), 0);
        loop {
            let (connection, org) = (self.connection.id, self.connection.org);
            let unlinked = tx.unlinked_locals(connection, org, P::KIND, after, UNLINKED).await?;
            let Some(last) = unlinked.last() else { return Ok(pairs) };
            after = *last;
            let rows = tx.read_books::<P::Record>(connection, &unlinked).await?;
            let known = tx.candidates_of(connection, P::KIND, &unlinked).await?;
            pairs.extend(compare(new, &rows, &known));
        }
    }

    /// Records that bear the mark of one of our creates: sent, and not acknowledged yet.
    async fn adopt<P: Pulled>(
        &self,
        tx: &mut Tx,
        new: &mut Vec<&Incoming<P::Record>>,
        now: Timestamp,
    ) -> Result<Vec<Meeting<P::Record>>, Error> {
        let creates = tx.open_creates(self.connection.id, P::KIND).await?;
        let mut bearing: Vec<(i64, &Incoming<P::Record>)> = Vec::new();
        for intent in creates.iter().filter(|intent| may_be_there(intent)) {
            let Some(marker) = intent.marker.as_deref() else { continue };
            let mut found = new.iter().filter(|incoming| P::is_marked(marker, &incoming.record));
            // Two that bear it are for the look-up to tell apart, or a person.
            if let (Some(incoming), None) = (found.next(), found.next())
                && bearing.iter().all(|(_, other)| other.xero_id != incoming.xero_id)
            {
                bearing.push((intent.local_id, incoming));
            }
        }
        let locals: Vec<i64> = bearing.iter().map(|(local, _)| *local).collect();
        let rows = tx.lock_books::<P::Record>(self.connection.id, &locals).await?;
        let mut rows: HashMap<i64, BookRow<P::Record>> = rows.into_iter().map(|row| (row.id, row)).collect();
        // As they are now that nobody else plans or links them.
        let open = tx.open_intents_of(self.connection.id, P::KIND, &locals).await?;
        let linked = tx.links_of_locals(self.connection.id, P::KIND, &locals).await?;
        let gone = tx.captures_of(P::KIND, &locals).await?;
        let (mut meetings, mut ends) = (Vec::new(), Vec::new());
        for (local_id, incoming) in bearing {
            let intent = open.get(&local_id).filter(|intent| intent.op == Op::Create && may_be_there(intent));
            let Some(intent) = intent.filter(|_| !linked.contains_key(&local_id)) else { continue };
            let acked = intent.acked.as_deref().map(parse_base::<P>).transpose()?.unwrap_or_default();
            tracing::info!(kind = %P::KIND, intent = intent.id, xero_id = %incoming.xero_id, "adopted by its mark");
            let mut meeting = incoming.meeting(local_id, acked, rows.remove(&local_id), true);
            meeting.gone_at = gone.iter().find(|one| one.local_id == local_id).map(|one| one.changed_at);
            meeting.sent = Some(self.sent_with::<P>(intent, None)?);
            meetings.push(meeting);
            ends.push(IntentEnd {
                id: intent.id,
                state: IntentState::Done,
                xero_id: Some(incoming.xero_id),
                code: None,
                message: Some("found in Xero by its mark".into()),
            });
        }
        tx.end_intents(&ends, now).await?;
        let adopted: HashSet<Uuid> = meetings.iter().map(|meeting| meeting.xero_id).collect();
        new.retain(|incoming| !adopted.contains(&incoming.xero_id));
        Ok(meetings)
    }

    /// A local row that turned out to be in Xero already is not created there any more.
    async fn drop_creates<P: Pulled>(&self, tx: &mut Tx, locals: &[i64], now: Timestamp) -> Result<(), Error> {
        let open = tx.open_intents_of(self.connection.id, P::KIND, locals).await?;
        let ends: Vec<IntentEnd> = open
            .values()
            .filter(|intent| intent.state == IntentState::Planned)
            .map(|intent| IntentEnd {
                id: intent.id,
                state: IntentState::Dropped,
                xero_id: None,
                code: None,
                message: Some("Xero has it already".into()),
            })
            .collect();
        tx.end_intents(&ends, now).await?;
        Ok(tx.close_push_failures(self.connection.id, P::KIND, locals, now).await?)
    }
}

/// Whether some request of a create may have been applied. One that never left is no more than a local row.
fn may_be_there(intent: &Intent) -> bool {
    intent.state != IntentState::Planned || intent.attempt > 1
}

/// A record of Xero and a local row that are the same, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    xero: Uuid,
    local: i64,
    is_same: bool,
    is_decided: bool,
    reason: &'static str,
}

/// Pairs that are the same, and pairs that may be.
#[derive(Debug, Default)]
struct Found {
    same: Vec<Pair>,
    maybe: Vec<Pair>,
}

/// Compares what shares a key.
fn compare<R: Alike>(new: &[&Incoming<R>], rows: &[BookRow<R>], known: &[Candidate]) -> Vec<Pair> {
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        for key in row.record.keys() {
            by_key.entry(key).or_default().push(at);
        }
    }
    let decided: HashMap<(Uuid, i64), CandidateState> =
        known.iter().map(|pair| ((pair.xero_id, pair.local_id), pair.state)).collect();
    let mut pairs = Vec::new();
    for incoming in new {
        let near: BTreeSet<usize> =
            incoming.record.keys().iter().filter_map(|key| by_key.get(key)).flatten().copied().collect();
        for row in near.into_iter().map(|at| &rows[at]) {
            let pair = |is_same, reason| {
                let (xero, local) = (incoming.xero_id, row.id);
                Pair { xero, local, is_same, is_decided: reason == BY_PERSON, reason }
            };
            match (decided.get(&(incoming.xero_id, row.id)), row.record.alike(&incoming.record)) {
                (Some(CandidateState::Different), _) => {}
                (Some(CandidateState::Same), _) => pairs.push(pair(true, BY_PERSON)),
                (_, Likeness::Same(reason)) => pairs.push(pair(true, reason)),
                (_, Likeness::Maybe(reason)) => pairs.push(pair(false, reason)),
                (_, Likeness::No) => {}
            }
        }
    }
    pairs
}

/// The reason of a pair that a person linked.
const BY_PERSON: &str = "a person said so";

/// "The same" must be so in both directions, one with one; else a person is asked.
fn settle(pairs: &[Pair]) -> Found {
    let mut by_xero: HashMap<Uuid, usize> = HashMap::new();
    let mut by_local: HashMap<i64, usize> = HashMap::new();
    for pair in pairs.iter().filter(|pair| pair.is_same) {
        *by_xero.entry(pair.xero).or_default() += 1;
        *by_local.entry(pair.local).or_default() += 1;
    }
    let mut found = Found::default();
    let (mut taken_xero, mut taken_local) = (HashSet::new(), HashSet::new());
    for pair in pairs.iter().filter(|pair| pair.is_same) {
        let is_only = by_xero[&pair.xero] == 1 && by_local[&pair.local] == 1;
        if (pair.is_decided || is_only) && taken_xero.insert(pair.xero) && taken_local.insert(pair.local) {
            found.same.push(*pair);
        }
    }
    let is_free = |pair: &&Pair| !taken_xero.contains(&pair.xero) && !taken_local.contains(&pair.local);
    found.maybe = pairs
        .iter()
        .filter(is_free)
        .map(|pair| Pair {
            reason: if pair.is_same { "more than one fits" } else { pair.reason },
            is_same: false,
            ..*pair
        })
        .collect();
    found
}

impl Engine {
    /// Pairs of records that may be the same and wait for a person.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn candidates(&self, id: ConnectionId) -> Result<Vec<Candidate>, Error> {
        let mut tx = self.store().read().await?;
        let mut found = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
            found.extend(tx.candidates(id, Some(kind), Some(CandidateState::Open)).await?);
        }
        Ok(found)
    }

    /// A person says whether a pair is the same record. The pair is linked, or kept apart, by the sync that follows.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such pair.
    pub fn decide_candidate<'a>(
        &'a self,
        id: ConnectionId,
        kind: Kind,
        xero_id: Uuid,
        local_id: i64,
        is_same: bool,
        by: &'a str,
    ) -> crate::Boxed<'a, ()> {
        Box::pin(async move {
            let connection = self.connection(id).await?;
            let now = self.now();
            let mut tx = self.store().begin().await?;
            if !tx.decide_candidate(id, kind, xero_id, local_id, is_same, by, now).await? {
                return Err(Error::NotFound(format!(
                    "no pair of {kind} {local_id} and {xero_id} waits for a decision"
                )));
            }
            tx.capture(connection.org, kind, &[local_id], now).await?;
            tx.commit().await?;
            // What was held back on Xero's side is asked for again: linked, or brought over on its own.
            for_kind!(kind, P => self.refetch::<P>(id, &[xero_id], by).await)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(name: &str, email: Option<&str>, tax: Option<&str>) -> Customer {
        Customer {
            name: name.into(),
            email: email.map(Into::into),
            tax_number: tax.map(Into::into),
            ..Customer::default()
        }
    }

    #[test]
    fn customers_are_told_by_number_name_tax_number_and_email() {
        let xero = Customer { contact_number: Some("C1".into()), ..customer("Acme Ltd", Some("a@x.test"), Some("9")) };
        let rows = [
            (customer("ACME ltd", None, None), Likeness::Same("the same name")),
            (
                Customer { contact_number: Some("C1".into()), ..customer("Other", None, None) },
                Likeness::Same("the same contact number"),
            ),
            (
                customer("Acme Ltd", None, Some("8")),
                Likeness::Maybe("the same name, but another contact, account or tax number"),
            ),
            (customer("Acme", None, Some("9")), Likeness::Maybe("the same tax number, but another name")),
            (customer("Acme", Some("A@X.test"), None), Likeness::Maybe("the same e-mail address, but another name")),
            (customer("Acme", None, None), Likeness::No),
        ];
        for (app, likeness) in rows {
            assert_eq!(app.alike(&xero), likeness, "{app:?}");
        }
        let archived = Customer { status: CustomerStatus::Archived, ..xero };
        assert_eq!(
            customer("Acme Ltd", None, None).alike(&archived),
            Likeness::Maybe("the contact in Xero is archived")
        );
    }
}
