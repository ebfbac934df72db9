//! Money that moves: payments and bank transactions, each once.

use anyhow::ensure;
use async_trait::async_trait;
use oracle::{By, Who};
use rust_decimal::Decimal;

use super::Scenario;
use super::scene::{End, Scene, amount_of};

/// An approved invoice over 60 that both sides have.
async fn open_invoice(scene: &mut Scene) -> anyhow::Result<()> {
    let customer = scene.customers().await?[0];
    let invoice = scene.new_invoice("ACCREC", "'PAY-1'", customer, 2).await?;
    scene.keep("invoice", invoice);
    scene.settle().await
}

/// Pays a part of it.
async fn pay(scene: &mut Scene) -> anyhow::Result<()> {
    let invoice = scene.kept_id("invoice");
    let payment = scene.new_payment(invoice, 25).await?;
    scene.keep("payment", payment);
    scene.work(40_000).await;
    Ok(())
}

/// Xero has the payment exactly once, and the invoice is due by as much less.
fn is_paid_once(scene: &Scene, end: &End) -> anyhow::Result<()> {
    let invoice = end.counterpart("invoice", scene.kept_id("invoice"))?;
    let of_invoice = |record: &serde_json::Value| {
        record["Invoice"]["InvoiceID"] == invoice["InvoiceID"] && record["Status"] == "AUTHORISED"
    };
    let payments = end.in_xero("payment", of_invoice);
    let sum: Decimal = payments.iter().filter_map(|record| amount_of(record, "Amount")).sum();
    ensure!(payments.len() == 1 && sum == Decimal::from(25), "{} payments of {sum} in all", payments.len());
    ensure!(amount_of(invoice, "AmountPaid") == Some(Decimal::from(25)), "paid is {}", invoice["AmountPaid"]);
    ensure!(amount_of(invoice, "AmountDue") == Some(Decimal::from(35)), "due is {}", invoice["AmountDue"]);
    let linked = end.counterpart("payment", scene.kept_id("payment"))?;
    ensure!(linked["PaymentID"] == payments[0]["PaymentID"], "the payment is linked with another one");
    Ok(())
}

/// 9: the App pays a part of an invoice.
pub(super) struct Payment;

#[async_trait(?Send)]
impl Scenario for Payment {
    fn number(&self) -> u8 {
        9
    }

    fn name(&self) -> &'static str {
        "payment"
    }

    fn is_money(&self) -> bool {
        true
    }

    fn has_pairs(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        open_invoice(scene).await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        pay(scene).await
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        is_paid_once(scene, end)
    }
}

/// 10: the same, and the reply of Xero is lost.
pub(super) struct PaymentWithLostReply;

#[async_trait(?Send)]
impl Scenario for PaymentWithLostReply {
    fn number(&self) -> u8 {
        10
    }

    fn name(&self) -> &'static str {
        "payment with lost reply"
    }

    fn is_money(&self) -> bool {
        true
    }

    fn has_pairs(&self) -> bool {
        true
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        open_invoice(scene).await?;
        scene.fault("nth=1 PUT /Payments commit-then-lose")
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        pay(scene).await?;
        // What is lost is waited for.
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let is_lost =
            |call: &&oracle::Call| call.path.ends_with("/Payments") && call.method == "PUT" && call.status == 0;
        ensure!(end.calls.iter().filter(is_lost).count() == 1, "the reply was not lost");
        is_paid_once(scene, end)
    }
}

/// 11: the App spends money.
pub(super) struct BankTransaction;

#[async_trait(?Send)]
impl Scenario for BankTransaction {
    fn number(&self) -> u8 {
        11
    }

    fn name(&self) -> &'static str {
        "bank transaction"
    }

    fn is_money(&self) -> bool {
        true
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (customer, bank) = (scene.customers().await?[0], scene.bank().await?);
        let (number, text) = scene.token();
        scene.sql("BEGIN").await?;
        scene
            .sql(&format!(
                "INSERT INTO bank_transactions (org_id, type, customer_id, account_id, date, reference, line_amount_types) \
                 VALUES ({}, 'SPEND', {customer}, {bank}, '2026-06-20', 'Card {text}', 'NO_TAX')",
                scene.org
            ))
            .await?;
        let id = scene.newest_bank_transaction().await?;
        scene.mark(number, By::App, "bank_transaction", Who::Local(id), "new");
        scene.new_lines("bank_transaction", id, 2, "429").await?;
        scene.sql("COMMIT").await?;
        scene.keep("reference", format!("Card {text}"));
        scene.keep("transaction", id);
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.in_xero("bank_transaction", |record| record["Reference"] == scene.kept("reference"));
        ensure!(there.len() == 1, "it stands {} times in xero", there.len());
        ensure!(amount_of(there[0], "Total") == Some(Decimal::from(60)), "its total is {}", there[0]["Total"]);
        let linked = end.counterpart("bank_transaction", scene.kept_id("transaction"))?;
        ensure!(linked["BankTransactionID"] == there[0]["BankTransactionID"], "it is linked with another one");
        Ok(())
    }
}
