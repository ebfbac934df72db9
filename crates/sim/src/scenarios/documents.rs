//! Invoices and bills: made, changed by one line, many at once, voided on either side.

use std::collections::BTreeSet;

use anyhow::ensure;
use async_trait::async_trait;
use oracle::{By, Who};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Scenario;
use super::scene::{End, Scene, amount_of};

/// 6: a customer and an invoice of it, both new.
pub(super) struct InvoiceAfterContact;

#[async_trait(?Send)]
impl Scenario for InvoiceAfterContact {
    fn number(&self) -> u8 {
        6
    }

    fn name(&self) -> &'static str {
        "create invoice after its contact"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (number, name) = scene.token();
        let customer = scene.new_customer(&format!("First {name}")).await?;
        scene.mark(number, By::App, "customer", Who::Local(customer), "new");
        let (number, text) = scene.token();
        let invoice = scene.new_invoice("ACCREC", &format!("'N-{text}'"), customer, 2).await?;
        scene.mark(number, By::App, "invoice", Who::Local(invoice), "new");
        scene.keep("customer", customer);
        scene.keep("invoice", invoice);
        scene.keep("number", format!("N-{text}"));
        scene.work(50_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.in_xero("invoice", |record| record["InvoiceNumber"] == scene.kept("number"));
        ensure!(there.len() == 1, "the invoice stands {} times in xero", there.len());
        ensure!(amount_of(there[0], "Total") == Some(Decimal::from(60)), "its total is {}", there[0]["Total"]);
        let contact = end.counterpart("customer", scene.kept_id("customer"))?;
        ensure!(there[0]["Contact"]["ContactID"] == contact["ContactID"], "it is another contact's");
        ensure!(end.counterpart("invoice", scene.kept_id("invoice"))?["InvoiceID"] == there[0]["InvoiceID"], "linked");
        Ok(())
    }
}

/// 7: a bill whose number another supplier's bill has, too.
pub(super) struct NewBill;

#[async_trait(?Send)]
impl Scenario for NewBill {
    fn number(&self) -> u8 {
        7
    }

    fn name(&self) -> &'static str {
        "create bill, number used by another supplier"
    }

    fn is_money(&self) -> bool {
        true
    }

    fn has_pairs(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let other = scene.contacts()?[0]["ContactID"].clone();
        let bill = json!({
            "Type": "ACCPAY", "InvoiceNumber": "B-77", "Contact": {"ContactID": other}, "Date": "2026-06-01",
            "DueDate": "2026-07-01", "Status": "AUTHORISED", "LineAmountTypes": "NoTax",
            "LineItems": [{"Description": "Rent", "Quantity": 1, "UnitAmount": 500, "AccountCode": "429"}]
        });
        scene.person.create("Invoices", &bill).map_err(anyhow::Error::msg)?;
        let (number, name) = scene.token();
        let supplier = scene.new_customer(&format!("Supplier {name}")).await?;
        scene.mark(number, By::App, "customer", Who::Local(supplier), "new");
        scene.keep("supplier", supplier);
        scene.settle().await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let supplier = scene.kept_id("supplier");
        let bill = scene.new_invoice("ACCPAY", "'B-77'", supplier, 2).await?;
        scene.keep("bill", bill);
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let of_number = end.in_xero("invoice", |record| record["InvoiceNumber"] == "B-77");
        ensure!(of_number.len() == 2, "{} bills have the number", of_number.len());
        let supplier = end.counterpart("customer", scene.kept_id("supplier"))?["ContactID"].clone();
        let own: Vec<_> = of_number.iter().filter(|record| record["Contact"]["ContactID"] == supplier).collect();
        ensure!(own.len() == 1, "{} of them are the supplier's", own.len());
        let linked = end.counterpart("invoice", scene.kept_id("bill"))?;
        ensure!(linked["InvoiceID"] == own[0]["InvoiceID"], "the bill is linked with another one");
        Ok(())
    }
}

/// 8: one line of three is changed.
pub(super) struct OneLine;

#[async_trait(?Send)]
impl Scenario for OneLine {
    fn number(&self) -> u8 {
        8
    }

    fn name(&self) -> &'static str {
        "update one line of an invoice"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        let invoice = scene.new_invoice("ACCREC", "'LINES-1'", customer, 3).await?;
        scene.keep("invoice", invoice);
        scene.settle().await?;
        let id = scene.xero_id("invoice", invoice).await?;
        let there = scene.person.read("Invoices", id).map_err(anyhow::Error::msg)?;
        scene.keep("lines", line_ids(&there));
        Ok(())
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let invoice = scene.kept_id("invoice");
        let (number, text) = scene.token();
        let price = scene.amount(45);
        let of_line = format!("invoice_id = {invoice} AND position = 2");
        let changed =
            format!("UPDATE invoice_lines SET description = 'Said {text}', unit_amount = {price} WHERE {of_line}");
        scene.sql(&changed).await?;
        // The second of the tokens that its lines were made with.
        scene.marks[1].is_superseded = true;
        scene.mark(number, By::App, "invoice", Who::Local(invoice), "line");
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.counterpart("invoice", scene.kept_id("invoice"))?;
        ensure!(line_ids(there) == scene.kept("lines"), "the lines are others now");
        ensure!(amount_of(there, "Total") == Some(Decimal::from(105)), "the total is {}", there["Total"]);
        Ok(())
    }
}

fn line_ids(invoice: &Value) -> String {
    let lines = invoice["LineItems"].as_array().into_iter().flatten();
    lines.map(|line| line["LineItemID"].to_string()).collect::<Vec<_>>().join(" ")
}

/// How many invoices the batch has: as many as Xero advises at most.
const BATCH: usize = 50;

/// 12: of a batch, three are refused.
pub(super) struct BatchOfInvoices;

#[async_trait(?Send)]
impl Scenario for BatchOfInvoices {
    fn number(&self) -> u8 {
        12
    }

    fn name(&self) -> &'static str {
        "batch of 50 invoices, 3 refused"
    }

    fn is_money(&self) -> bool {
        true
    }

    fn has_pairs(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.fault("times=1 PUT /Invoices refuse-elements=16")
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        for _ in 0..BATCH {
            let (number, text) = scene.token();
            let invoice = scene.new_invoice("ACCREC", &format!("'BATCH-{text}'"), customer, 1).await?;
            scene.mark(number, By::App, "invoice", Who::Local(invoice), "new");
        }
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, _: &Scene, end: &End) -> anyhow::Result<()> {
        let of_batch =
            |record: &Value| record["InvoiceNumber"].as_str().is_some_and(|number| number.starts_with("BATCH-"));
        let there = end.in_xero("invoice", of_batch);
        let numbers: BTreeSet<String> = there.iter().map(|record| record["InvoiceNumber"].to_string()).collect();
        ensure!(numbers.len() == there.len(), "{} numbers on {} invoices", numbers.len(), there.len());
        let listed = end.rest.failures.iter().filter(|failure| failure.kind == "invoice" && failure.local.is_some());
        let listed = listed.count();
        ensure!(there.len() + listed == BATCH, "{} arrived and {listed} are listed", there.len());
        ensure!(there.len() >= BATCH - 3, "{} arrived", there.len());
        Ok(())
    }
}

/// 16: the App edits what Xero voids.
pub(super) struct EditAgainstVoid;

#[async_trait(?Send)]
impl Scenario for EditAgainstVoid {
    fn number(&self) -> u8 {
        16
    }

    fn name(&self) -> &'static str {
        "edit against void"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        let invoice = scene.new_invoice("ACCREC", "'VOID-1'", customer, 2).await?;
        scene.keep("invoice", invoice);
        scene.settle().await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let invoice = scene.kept_id("invoice");
        let id = scene.xero_id("invoice", invoice).await?;
        scene.set("invoices", "invoice", invoice, "reference", "Still #").await?;
        scene.person.void_invoice(id).map_err(anyhow::Error::msg)?;
        scene.removed(By::Xero, "invoice", Who::Xero(id));
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let invoice = scene.kept_id("invoice");
        let there = end.counterpart("invoice", invoice)?;
        ensure!(there["Status"] == "VOIDED", "the invoice is {} in xero", there["Status"]);
        let is_listed =
            end.rest.failures.iter().any(|failure| failure.kind == "invoice" && failure.local == Some(invoice));
        let in_conflict = end.rest.conflicts.iter().any(|one| one.kind == "invoice" && one.local == invoice);
        let status = end.column("invoice", invoice, "status");
        ensure!(status == "CANCELLED" || is_listed || in_conflict, "the app says {status} and nobody is told");
        let twins = end.in_xero("invoice", |record| record["InvoiceNumber"] == "VOID-1");
        ensure!(twins.len() == 1, "it stands {} times in xero", twins.len());
        Ok(())
    }
}

/// 17: the App cancels an invoice.
pub(super) struct VoidFromApp;

#[async_trait(?Send)]
impl Scenario for VoidFromApp {
    fn number(&self) -> u8 {
        17
    }

    fn name(&self) -> &'static str {
        "void from the app"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        let invoice = scene.new_invoice("ACCREC", "'GONE-1'", customer, 2).await?;
        let other = scene.new_invoice("ACCREC", "'STAYS-1'", customer, 1).await?;
        scene.keep("invoice", invoice);
        scene.keep("other", other);
        scene.settle().await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let invoice = scene.kept_id("invoice");
        scene.sql(&format!("UPDATE invoices SET status = 'CANCELLED' WHERE id = {invoice}")).await?;
        scene.removed(By::App, "invoice", Who::Local(invoice));
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.counterpart("invoice", scene.kept_id("invoice"))?;
        ensure!(there["Status"] == "VOIDED", "the invoice is {} in xero", there["Status"]);
        let other = end.counterpart("invoice", scene.kept_id("other"))?;
        ensure!(other["Status"] == "AUTHORISED", "another invoice is {} in xero", other["Status"]);
        Ok(())
    }
}
