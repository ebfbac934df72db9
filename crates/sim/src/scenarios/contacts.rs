//! Contacts: made, changed by the dozen, archived while invoices are open.

use anyhow::ensure;
use async_trait::async_trait;
use oracle::{By, Who};

use super::Scenario;
use super::scene::{End, Scene};

/// 5: the App makes a customer with a telephone number.
pub(super) struct NewContact;

#[async_trait(?Send)]
impl Scenario for NewContact {
    fn number(&self) -> u8 {
        5
    }

    fn name(&self) -> &'static str {
        "create contact"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (number, name) = scene.token();
        let customer = scene.new_customer(&format!("New {name}")).await?;
        scene.mark(number, By::App, "customer", Who::Local(customer), "new");
        let (number, text) = scene.token();
        scene
            .sql(&format!(
                "INSERT INTO customer_phones (customer_id, position, type, number) \
                 VALUES ({customer}, 1, 'MOBILE', '021 {text}')"
            ))
            .await?;
        scene.mark(number, By::App, "customer", Who::Local(customer), "phone MOBILE");
        scene.keep("customer", customer);
        scene.keep("name", format!("New {name}"));
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.in_xero("customer", |record| record["Name"] == scene.kept("name"));
        ensure!(there.len() == 1, "the contact stands {} times in xero", there.len());
        let linked = end.counterpart("customer", scene.kept_id("customer"))?;
        ensure!(linked["ContactID"] == there[0]["ContactID"], "it is linked with another one");
        Ok(())
    }
}

/// How many customers the batch of updates changes: fewer than make the brake look.
const BATCH: usize = 24;

/// 12, for updates: of a batch, three are refused.
pub(super) struct BatchOfUpdates;

#[async_trait(?Send)]
impl Scenario for BatchOfUpdates {
    fn number(&self) -> u8 {
        12
    }

    fn name(&self) -> &'static str {
        "batch of 24 updates, 3 refused"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let (number, name) = scene.token();
            let customer = scene.new_customer(&format!("Many {name}")).await?;
            scene.mark(number, By::App, "customer", Who::Local(customer), "new");
        }
        scene.settle().await?;
        scene.fault("times=1 POST /Contacts refuse-elements=8")
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customers = scene.customers().await?;
        for customer in customers.iter().rev().take(BATCH) {
            scene.set("customers", "customer", *customer, "email", "#@batch.test").await?;
        }
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.in_xero("customer", |record| {
            record["EmailAddress"].as_str().is_some_and(|email| email.ends_with("@batch.test"))
        });
        let listed = end.rest.failures.iter().filter(|failure| failure.kind == "customer" && failure.local.is_some());
        let listed = listed.count();
        ensure!(there.len() + listed == BATCH, "{} arrived and {listed} are listed", there.len());
        ensure!(there.len() >= BATCH - 3, "{} arrived", there.len());
        let names =
            end.in_xero("customer", |record| record["Name"].as_str().is_some_and(|name| name.starts_with("Many ")));
        ensure!(names.len() == BATCH, "{} contacts of {BATCH} that there were", names.len());
        let _ = scene;
        Ok(())
    }
}

/// 18: the App archives a customer whose invoice is open, and edits the invoice.
pub(super) struct ArchiveWithOpenInvoices;

#[async_trait(?Send)]
impl Scenario for ArchiveWithOpenInvoices {
    fn number(&self) -> u8 {
        18
    }

    fn name(&self) -> &'static str {
        "archive contact with open invoices"
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (number, name) = scene.token();
        let customer = scene.new_customer(&format!("Leaving {name}")).await?;
        scene.mark(number, By::App, "customer", Who::Local(customer), "new");
        let invoice = scene.new_invoice("ACCREC", "'OPEN-1'", customer, 2).await?;
        scene.keep("customer", customer);
        scene.keep("invoice", invoice);
        scene.settle().await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (customer, invoice) = (scene.kept_id("customer"), scene.kept_id("invoice"));
        scene.sql(&format!("UPDATE customers SET status = 'ARCHIVED' WHERE id = {customer}")).await?;
        scene.removed(By::App, "customer", Who::Local(customer));
        scene.set("invoices", "invoice", invoice, "reference", "Late #").await?;
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let contact = end.counterpart("customer", scene.kept_id("customer"))?;
        ensure!(contact["ContactStatus"] == "ARCHIVED", "the contact is {}", contact["ContactStatus"]);
        let invoice = end.counterpart("invoice", scene.kept_id("invoice"))?;
        ensure!(invoice["Status"] == "AUTHORISED", "its invoice is {}", invoice["Status"]);
        let there = end.in_xero("invoice", |record| record["InvoiceNumber"] == "OPEN-1");
        ensure!(there.len() == 1, "its invoice stands {} times in xero", there.len());
        Ok(())
    }
}
