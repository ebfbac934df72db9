//! The App's side written through us: what the API creates, changes and deletes in the local books.
//!
//! A write here is the same as one by plain SQL: triggers capture it and a push tells Xero later. What comes through us is
//! checked first, by the rules that a push would apply and as far as they can be applied without asking Xero, so that
//! whoever makes a mistake is told at once instead of finding it in a list of failures.

use std::collections::BTreeMap;

use model::accounting::{self, Advice, Change, Facts, Op, Refusal, Rules};
use model::{
    Amount, BankTransaction, ConnectionId, Customer, DocumentStatus, Invoice, Kind, Line, LineAmountTypes, OrgId,
    Payment, PaymentStatus, Policy, Record, Ref, TaxRate,
};
use store::{BookRow, Books, Connection, NewEvent, ReadQuery, Refs, Tx};

use crate::map::{BankTransactions, Contacts, Invoices, Payments, Pulled, for_kind};
use crate::meet::Table;
use crate::run::Running;
use crate::{Engine, Error, capture};

/// What tells one state of a record from another, for optimistic concurrency. Equal records have equal versions on every
/// machine and in every version of the program that knows the same fields.
pub fn record_version<R: Record>(record: &R) -> String {
    capture::version(record)
}

/// A kind of record that the App may write: customers, invoices, payments, bank transactions.
#[expect(private_bounds, reason = "how a kind is checked is this crate's own")]
pub trait Editable: Books + Rules + Written {}
impl<R: Books + Rules + Written> Editable for R {}

/// What checking and writing needs to know of a kind.
pub(crate) trait Written: Sized {
    /// The kind on its way from Xero.
    type Kind: Pulled<Record = Self>;

    /// The fields that refer to other records.
    fn references_mut(&mut self) -> Vec<(Kind, &mut Option<Ref>)>;

    /// The line items, for kinds that have them, and whether their amounts contain tax.
    fn lines(&mut self) -> Option<(&mut Vec<Line>, LineAmountTypes)> {
        None
    }

    /// Sets what Xero computes, for as long as Xero does not know the record.
    fn set_totals(&mut self, _totals: accounting::Totals) {}
}

impl Written for Customer {
    type Kind = Contacts;

    fn references_mut(&mut self) -> Vec<(Kind, &mut Option<Ref>)> {
        Vec::new()
    }
}

impl Written for Invoice {
    type Kind = Invoices;

    fn references_mut(&mut self) -> Vec<(Kind, &mut Option<Ref>)> {
        vec![(Kind::Customer, &mut self.customer)]
    }

    fn lines(&mut self) -> Option<(&mut Vec<Line>, LineAmountTypes)> {
        Some((&mut self.lines, self.line_amount_types))
    }

    fn set_totals(&mut self, totals: accounting::Totals) {
        self.sub_total = totals.sub_total;
        self.total_tax = totals.total_tax;
        self.total = totals.total;
        self.amount_due = totals.total - self.amount_paid - self.amount_credited;
    }
}

impl Written for Payment {
    type Kind = Payments;

    fn references_mut(&mut self) -> Vec<(Kind, &mut Option<Ref>)> {
        vec![
            (Kind::Invoice, &mut self.invoice),
            (Kind::CreditNote, &mut self.credit_note),
            (Kind::Prepayment, &mut self.prepayment),
            (Kind::Overpayment, &mut self.overpayment),
            (Kind::Account, &mut self.account),
        ]
    }
}

impl Written for BankTransaction {
    type Kind = BankTransactions;

    fn references_mut(&mut self) -> Vec<(Kind, &mut Option<Ref>)> {
        vec![(Kind::Customer, &mut self.customer), (Kind::Account, &mut self.account)]
    }

    fn lines(&mut self) -> Option<(&mut Vec<Line>, LineAmountTypes)> {
        Some((&mut self.lines, self.line_amount_types))
    }

    fn set_totals(&mut self, totals: accounting::Totals) {
        self.sub_total = totals.sub_total;
        self.total_tax = totals.total_tax;
        self.total = totals.total;
    }
}

/// A transaction that writes the App's books of one organisation. Dropped without [`Edit::commit`], it has not happened.
pub struct Edit<'e> {
    engine: &'e Engine,
    tx: Tx,
    connection: ConnectionId,
    org: OrgId,
    facts: Facts,
    by: String,
}

impl Engine {
    /// Begins to write an organisation's books as its application would. `by` is who asks, for the record's history.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn edit(&self, connection: &Connection, by: &str) -> Result<Edit<'_>, Error> {
        Ok(Edit {
            engine: self,
            tx: self.store().begin().await?,
            connection: connection.id,
            org: connection.org,
            facts: Running::facts_of(connection),
            by: by.to_owned(),
        })
    }
}

impl Edit<'_> {
    /// The transaction, for what must be written or read together with the edit.
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Makes it durable and visible. The push that follows by itself tells Xero.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.tx.commit().await?)
    }

    /// Writes a new record and returns its local id. Amounts that follow from others may be left out.
    ///
    /// # Errors
    /// [`Error::Refused`] if Xero would not take it, or if it refers to a record that the organisation does not have.
    pub async fn create<R: Editable>(&mut self, mut record: R) -> Result<i64, Error> {
        let refs = self.refer(&mut record).await?;
        self.compute(&mut record, None).await?;
        self.total(&mut record).await?;
        self.check(&record, None).await?;
        let now = self.engine.now();
        let id = self.tx.app_insert(self.org, &record, &refs, now).await.map_err(refused_by_schema)?;
        self.remember::<R>("create", id).await?;
        Ok(id)
    }

    /// Reads a record and keeps others from changing it until the edit ends. With a version, only if it is that one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the organisation has no such record; [`Error::Stale`] if it has another version by now.
    pub async fn load<R: Editable>(&mut self, id: i64, version: Option<&str>) -> Result<BookRow<R>, Error> {
        let kind = <R::Kind as Pulled>::KIND;
        let missing = || Error::NotFound(format!("there is no {}", noun(kind)));
        if self.tx.book_owner::<R>(id).await? != Some(self.org) {
            return Err(missing());
        }
        let row = self.tx.lock_books::<R>(self.connection, &[id]).await?.pop().ok_or_else(missing)?;
        let now = record_version(&row.record);
        match version {
            Some(seen) if seen != now => Err(Error::Stale { what: format!("the {}", noun(kind)), version: now }),
            _ => Ok(row),
        }
    }

    /// Writes the changed record of a loaded row. One that says the same as the row is not written.
    ///
    /// # Errors
    /// [`Error::Refused`] if Xero would not take the change, or if it refers to a record that the organisation does not
    /// have.
    pub async fn save<R: Editable>(&mut self, row: &BookRow<R>, mut record: R) -> Result<(), Error> {
        let refs = self.refer(&mut record).await?;
        self.compute(&mut record, Some(&row.record)).await?;
        if record == row.record {
            return Ok(());
        }
        if !self.check(&record, Some(row.id)).await? {
            self.total(&mut record).await?;
        }
        let now = self.engine.now();
        if !self.tx.app_update(row.id, &record, &refs, now).await.map_err(refused_by_schema)? {
            return Err(Error::NotFound(format!("there is no {}", noun(<R::Kind as Pulled>::KIND))));
        }
        self.remember::<R>("update", row.id).await
    }

    /// Deletes a loaded row; the push voids, deletes or archives the record in Xero.
    ///
    /// # Errors
    /// [`Error::Refused`] if Xero would not let go of it, or if other records refer to it.
    pub async fn delete<R: Editable>(&mut self, row: &BookRow<R>) -> Result<(), Error> {
        let kind = <R::Kind as Pulled>::KIND;
        if kind == Kind::Invoice && self.has_payments(row.id).await? {
            return Err(Error::Refused(Refusal::new(
                "TO-HAS-PAYMENTS",
                "payments are booked on the document: cancel or delete them first",
            )));
        }
        if let Some(remote) = self.remote::<R>(row.id).await? {
            let change =
                Change { op: Op::Remove, remote: Some(&remote.1), outgoing: &remote.1, push: &[], facts: &self.facts };
            R::check(&change).map_err(Error::Refused)?;
        }
        let now = self.engine.now();
        match self.tx.app_delete::<R>(row.id, now).await {
            Ok(_) => self.remember::<R>("delete", row.id).await,
            Err(store::Error::Constraint(_)) => Err(Error::Refused(Refusal {
                code: "TO-IN-USE",
                message: format!(
                    "other records refer to the {}: set its status to {} instead",
                    noun(kind),
                    if kind == Kind::Customer { "ARCHIVED" } else { "CANCELLED" }
                ),
                advice: Advice::FixData,
            })),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds everything that a record refers to, and names what Xero knows as Xero does.
    async fn refer<R: Editable>(&mut self, record: &mut R) -> Result<Refs, Error> {
        let mut refs = Refs::default();
        for (kind, target) in record.references_mut() {
            let known = match *target {
                None => continue,
                Some(Ref::Local(id)) => self.find(kind, id).await?,
                Some(Ref::Xero(xero)) => {
                    self.tx.resolve(self.connection, kind, &[xero], &mut refs).await?;
                    refs.contains(kind, xero).then_some(Ref::Xero(xero))
                }
            };
            match (known, *target) {
                (Some(Ref::Xero(xero)), Some(Ref::Local(id))) => refs.insert(kind, xero, id),
                (None, Some(asked)) => {
                    let asked = match asked {
                        Ref::Local(id) => id.to_string(),
                        Ref::Xero(id) => id.to_string(),
                    };
                    return Err(bad(format!("there is no {} {asked} in this organisation", noun(kind))));
                }
                _ => {}
            }
            *target = known;
        }
        Ok(refs)
    }

    /// A record of the organisation by local id: by Xero's id if it has one. Records that only come from Xero count as
    /// missing without one.
    async fn find(&mut self, kind: Kind, id: i64) -> Result<Option<Ref>, Error> {
        let owner = for_kind!(kind, P => self.tx.book_owner::<<P as Pulled>::Record>(id).await?);
        if owner != Some(self.org) {
            return Ok(None);
        }
        let link = self.tx.links_of_locals(self.connection, kind, &[id]).await?.remove(&id);
        Ok(match link {
            Some(link) => Some(Ref::Xero(link.xero_id)),
            None => kind.is_two_way().then_some(Ref::Local(id)),
        })
    }

    /// Works out line amounts and tax that were left out, or that follow from what was changed.
    async fn compute<R: Editable>(&mut self, record: &mut R, old: Option<&R>) -> Result<(), Error> {
        let mut before = old.cloned();
        let old = before.as_mut().and_then(Written::lines);
        let (old_lines, old_types) = old.map_or((Vec::new(), None), |(lines, types)| (lines.clone(), Some(types)));
        let Some((lines, types)) = record.lines() else { return Ok(()) };
        if old_types == Some(types) && *lines == old_lines {
            return Ok(());
        }
        for line in lines.iter_mut() {
            let known = line.xero_line_id.and_then(|id| old_lines.iter().find(|old| old.xero_line_id == Some(id)));
            if let Some(known) = known {
                // Left out means: as it follows from the rest.
                line.line_amount = line.line_amount.or(known.line_amount);
                line.tax_amount = line.tax_amount.or(known.tax_amount);
            }
        }
        let rates = Self::rates(&mut self.tx, self.org, self.connection).await?;
        let rate = |tax_type: &str| rates.get(tax_type).copied();
        if old_types.is_some_and(|old| old != types) {
            accounting::refresh_changed_types(lines, &old_lines, types, &rate);
        } else {
            accounting::refresh_amounts(lines, &old_lines, types, &rate);
        }
        Ok(())
    }

    /// Totals of a record that Xero does not know, as far as they can be known without it.
    async fn total<R: Editable>(&mut self, record: &mut R) -> Result<(), Error> {
        let Some((lines, types)) = record.lines() else { return Ok(()) };
        let lines = lines.clone();
        let rates = Self::rates(&mut self.tx, self.org, self.connection).await?;
        if let Some(totals) = accounting::totals(&lines, types, &|tax_type| rates.get(tax_type).copied()) {
            record.set_totals(totals);
        }
        Ok(())
    }

    async fn rates(tx: &mut Tx, org: OrgId, connection: ConnectionId) -> Result<BTreeMap<String, Amount>, Error> {
        let query = ReadQuery { limit: 500, ..ReadQuery::default() };
        let page = tx.list_books::<TaxRate>(org, connection, Kind::TaxRate, &query).await?;
        let rates = page.items.into_iter().map(|listed| listed.row.record);
        Ok(rates.filter_map(|rate| Some((rate.tax_type, rate.effective_rate?))).collect())
    }

    /// What both sides agreed on and what Xero has, as far as is known; nothing for a record that Xero does not know.
    async fn remote<R: Editable>(&mut self, id: i64) -> Result<Option<(R, R)>, Error> {
        let kind = <R::Kind as Pulled>::KIND;
        let Some(link) = self.tx.links_of_locals(self.connection, kind, &[id]).await?.remove(&id) else {
            return Ok(None);
        };
        let open = self.tx.standing_conflicts(self.connection, kind, &[id]).await?.remove(&id).unwrap_or_default();
        let known = Table::known_remote::<R::Kind>(&link, &open)?;
        Ok(Some((known.base, known.remote)))
    }

    /// Applies the rules to what a push would send if nobody else changed anything. True if Xero knows the record.
    async fn check<R: Editable>(&mut self, record: &R, id: Option<i64>) -> Result<bool, Error> {
        let remote = match id {
            Some(id) => self.remote::<R>(id).await?,
            None => None,
        };
        let facts = self.facts.clone();
        let refused = match &remote {
            None if !record.is_live() && id.is_some() => Ok(()),
            None => R::check(&Change { op: Op::Create, remote: None, outgoing: record, push: &[], facts: &facts }),
            Some((base, remote)) => {
                let decision = model::merge(base, record, remote, &|_| Policy::AppWins)
                    .map_err(|error| Error::Internal(format!("a merge gave no record: {error}")))?;
                match &decision.outgoing {
                    Some(outgoing) => {
                        let is_removal = remote.is_live() && !outgoing.is_live();
                        let op = if is_removal { Op::Remove } else { Op::Update };
                        let push = decision.push.as_slice();
                        R::check(&Change { op, remote: Some(remote), outgoing, push, facts: &facts })
                    }
                    None => Ok(()),
                }
            }
        };
        refused.map_err(Error::Refused)?;
        if remote.is_none() && record.is_live() {
            self.check_payment(record, id).await?;
        }
        Ok(remote.is_some())
    }

    /// A payment that Xero has not seen must fit what is still due, other payments on their way included.
    async fn check_payment<R: Editable>(&mut self, record: &R, id: Option<i64>) -> Result<(), Error> {
        if <R::Kind as Pulled>::KIND != Kind::Payment {
            return Ok(());
        }
        let text = model::canonical(record);
        let payment: Payment = serde_json::from_slice(&text).map_err(|error| Error::Internal(error.to_string()))?;
        let invoice = match payment.invoice {
            None => return Ok(()),
            Some(Ref::Local(id)) => id,
            Some(Ref::Xero(xero)) => {
                let found = self.tx.links(self.connection, Kind::Invoice, &[xero]).await?;
                let Some(link) = found.get(&xero) else { return Ok(()) };
                link.local_id
            }
        };
        let Some(row) = self.tx.read_books::<Invoice>(self.connection, &[invoice]).await?.pop() else {
            return Ok(());
        };
        let mut document = row.record;
        let is_open = matches!(document.status, DocumentStatus::Sent | DocumentStatus::Overdue);
        if is_open && matches!(document.xero_status.as_str(), "" | "DRAFT" | "SUBMITTED") {
            // It is approved in Xero before the payment is made there.
            document.xero_status = "AUTHORISED".into();
        } else if document.xero_status.is_empty() {
            document.xero_status = document.status.as_str().into();
        }
        let mut due = document.amount_due;
        for other in self.payments_of(invoice).await? {
            if other.xero_id.is_none() && Some(other.row.id) != id {
                due = due - other.row.record.amount;
            }
        }
        if document.total.is_zero() && payment.invoice.is_some_and(|target| target.xero().is_none()) {
            // Written by SQL without totals: what is due is known once Xero has it.
            due = payment.amount;
        }
        accounting::check_payable(&payment, &document, due).map_err(Error::Refused)
    }

    async fn payments_of(&mut self, invoice: i64) -> Result<Vec<store::Listed<Payment>>, Error> {
        let query = ReadQuery {
            limit: 500,
            refs: vec![("invoice_id", invoice)],
            texts: vec![("status", PaymentStatus::Completed.as_str().to_owned())],
            ..ReadQuery::default()
        };
        Ok(self.tx.list_books::<Payment>(self.org, self.connection, Kind::Payment, &query).await?.items)
    }

    async fn has_payments(&mut self, invoice: i64) -> Result<bool, Error> {
        Ok(!self.payments_of(invoice).await?.is_empty())
    }

    /// Who did what, for the record's history.
    async fn remember<R: Editable>(&mut self, what: &str, id: i64) -> Result<(), Error> {
        let details = serde_json::json!({ "op": what, "by": self.by }).to_string();
        let event = NewEvent {
            what: "record.edited",
            kind: Some(<R::Kind as Pulled>::KIND),
            local_id: Some(id),
            run: None,
            details: Some(details),
        };
        Ok(self.tx.add_events(self.org, &[event], self.engine.now()).await?)
    }
}

fn bad(message: String) -> Error {
    Error::Refused(Refusal::new("TO-BAD-FIELD", message))
}

/// A kind's name for people.
fn noun(kind: Kind) -> String {
    kind.as_str().replace('_', " ")
}

/// What the rules let through and the tables do not: the driver's words would name columns and rows.
fn refused_by_schema(error: store::Error) -> Error {
    match error {
        store::Error::Constraint(said) => {
            tracing::warn!(said, "the tables refused a record that the rules let through");
            bad("the books cannot hold the record: a value is missing, taken or out of range".into())
        }
        other => other.into(),
    }
}
