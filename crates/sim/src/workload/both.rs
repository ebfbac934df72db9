//! What both sides do at once: the App edits, and before anything can travel somebody in Xero edits too.

use oracle::{By, Who};
use serde_json::json;
use uuid::Uuid;

use super::options::{BothDeed, chosen};
use super::{Side, Workload, table};

impl Workload {
    /// One deed of both. `first` is who acts first.
    pub(super) async fn both(&mut self, first: Side) -> Option<&'static str> {
        let deed = chosen(&mut self.dice, &self.options.both)?;
        let kind = match deed {
            BothDeed::EditAndRemove | BothDeed::Pay => "invoice",
            BothDeed::SameValue => "customer",
            _ if self.dice.one_in(3) => "invoice",
            _ => "customer",
        };
        let (local, xero) = self.pair(kind).await?;
        match deed {
            BothDeed::SameField => self.both_edit(first, (kind, local, xero), false).await,
            BothDeed::TwoFields => self.both_edit(first, (kind, local, xero), true).await,
            BothDeed::SameValue => self.both_the_same(local, xero).await,
            BothDeed::EditAndRemove => self.edit_and_remove(first, local, xero).await,
            BothDeed::Pay => self.both_pay(local, xero).await,
        }
    }

    /// A pair of records that are linked and live, as far as the App knows.
    async fn pair(&mut self, kind: &'static str) -> Option<(i64, Uuid)> {
        let most = u64::try_from(self.app.number(&format!("SELECT MAX(id) AS c FROM {}", table(kind))).await?).ok()?;
        let is_new = self.dice.one_in(2);
        let from =
            if is_new { most.saturating_sub(self.dice.below(self.options.crowd)) } else { self.dice.below(most) };
        let live =
            if kind == "customer" { "status = 'ACTIVE'" } else { "type = 'ACCREC' AND status IN ('DRAFT', 'SENT')" };
        let org = self.org;
        let local = self
            .app
            .number(&format!(
                "SELECT id AS c FROM {} WHERE id >= {from} AND org_id = {org} AND {live} ORDER BY id LIMIT 1",
                table(kind)
            ))
            .await?;
        let hex = self.app.hex("xero_id");
        let sql = format!(
            "SELECT {hex} AS c FROM links WHERE kind = '{kind}' AND local_id = {local} \
             AND connection_id IN (SELECT id FROM connections WHERE org_id = {org})"
        );
        Some((local, Uuid::parse_str(&self.app.text(&sql).await?).ok()?))
    }

    /// One text field of the App, in a transaction of its own.
    async fn app_sets(&mut self, kind: &'static str, local: i64, column: &'static str, shape: &str) -> Option<()> {
        let told = self.notes.len();
        if !self.app.begin().await {
            return None;
        }
        self.hold(table(kind), local).await;
        let is_done = self.set_text(kind, local, column, shape).await.is_some();
        if is_done && self.app.commit().await {
            return Some(());
        }
        if !is_done {
            self.app.roll_back().await;
        }
        self.notes.truncate(told);
        None
    }

    async fn both_edit(
        &mut self,
        first: Side,
        (kind, local, xero): (&'static str, i64, Uuid),
        are_two: bool,
    ) -> Option<&'static str> {
        type Field = (&'static str, &'static str, &'static str);
        let fields: &[Field] = match kind {
            "customer" => &[
                ("first_name", "FirstName", "Two #"),
                ("last_name", "LastName", "Both #"),
                ("email", "EmailAddress", "#@both.test"),
                ("tax_number", "TaxNumber", "B-#"),
            ],
            _ => &[("reference", "Reference", "Both #"), ("number", "InvoiceNumber", "B-#")],
        };
        let at = self.dice.place(fields.len());
        let other = if are_two { (at + 1) % fields.len() } else { at };
        let ((column, _, shape), (field, member, there)) = (fields[at], fields[other]);
        let mut is_done = first == Side::App && self.app_sets(kind, local, column, shape).await.is_some();
        is_done |= self.set_field(kind, xero, (field, member), there, json!({})).is_ok();
        if first == Side::Xero {
            is_done |= self.app_sets(kind, local, column, shape).await.is_some();
        }
        is_done.then_some(if are_two { "both: two fields" } else { "both: the same field" })
    }

    /// The same new value on both sides: nothing to decide.
    async fn both_the_same(&mut self, local: i64, xero: Uuid) -> Option<&'static str> {
        let (column, member) = self.dice.of(&[("first_name", "FirstName"), ("company_number", "CompanyNumber")]);
        let (number, token) = self.token();
        let text = format!("Same {token}");
        let body = json!({member: text});
        let before = self.person.read("Contacts", xero).ok()?[member].as_str().unwrap_or_default().to_owned();
        self.person.edit("Contacts", xero, &body).ok()?;
        self.see(By::Xero, &before);
        self.mark(number, By::Xero, "customer", Who::Xero(xero), column);
        let told = self.notes.len();
        if self.app.begin().await {
            let is_written = self.write_text("customer", local, column, number, &text).await.is_some();
            // One token, one mark: the App's write of it is the same edit.
            self.notes.pop();
            if !(is_written && self.app.commit().await) {
                self.app.roll_back().await;
                self.notes.truncate(told);
            }
        }
        Some("both: the same value")
    }

    async fn edit_and_remove(&mut self, first: Side, local: i64, xero: Uuid) -> Option<&'static str> {
        if first == Side::Xero {
            self.xero_void(xero)?;
            self.app_sets("invoice", local, "reference", "Late #").await;
            return Some("both: voided in xero and edited in the app");
        }
        let told = self.notes.len();
        if !self.app.begin().await {
            return None;
        }
        self.hold("invoices", local).await;
        let is_written = self.app_cancel(local).await.is_some();
        if !(is_written && self.app.commit().await) {
            self.app.roll_back().await;
            self.notes.truncate(told);
            return None;
        }
        // Refused where it is in Xero no longer.
        drop(self.set_field("invoice", xero, ("reference", "Reference"), "Early #", json!({})));
        Some("both: cancelled in the app and edited in xero")
    }

    async fn both_pay(&mut self, local: i64, xero: Uuid) -> Option<&'static str> {
        let told = self.notes.len();
        if !self.app.begin().await {
            return None;
        }
        let is_paid = self.app_pay(Some(local)).await.is_some();
        if !(is_paid && self.app.commit().await) {
            self.app.roll_back().await;
            self.notes.truncate(told);
            return None;
        }
        self.xero_pay(Some(xero));
        Some("both: paid")
    }
}
