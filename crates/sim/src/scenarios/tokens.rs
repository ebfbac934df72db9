//! Tokens: they end, are renewed, and the renewal's reply is lost.

use anyhow::ensure;
use async_trait::async_trait;
use oracle::{By, Who};

use super::Scenario;
use super::scene::{End, Scene};
use crate::knobs::Knobs;
use crate::stage::Plan;
use crate::world::Setup;

/// Longer than an access token lives (30 minutes).
const ENDED_MS: i64 = 31 * 60_000;

/// The App edits a customer, and the process finds its token at its end.
async fn edit(scene: &mut Scene) -> anyhow::Result<()> {
    let customer = scene.customers().await?[0];
    let email = scene.set("customers", "customer", customer, "email", "#@app.test").await?;
    scene.keep("customer", customer);
    scene.keep("email", email);
    scene.work(60_000).await;
    Ok(())
}

/// Requests for new tokens, without those of a consent.
fn refreshes(end: &End) -> Vec<&oracle::Call> {
    let is_refresh = |call: &&oracle::Call| {
        call.path == "/connect/token" && call.body.as_str().is_some_and(|body| body.contains("refresh_token"))
    };
    end.calls.iter().filter(is_refresh).collect()
}

async fn is_connected(scene: &Scene, end: &End) -> anyhow::Result<()> {
    let connection = scene.world.stage.time.drive(scene.world.operator.connection(scene.world.id)).await?;
    ensure!(connection.state == store::ConnectionState::Connected, "it is {:?}", connection.state);
    let there = end.counterpart("customer", scene.kept_id("customer"))?;
    ensure!(there["EmailAddress"] == scene.kept("email"), "xero has {}", there["EmailAddress"]);
    Ok(())
}

/// 21: the access token has ended.
pub(super) struct Refresh;

#[async_trait(?Send)]
impl Scenario for Refresh {
    fn number(&self) -> u8 {
        21
    }

    fn name(&self) -> &'static str {
        "token refresh"
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.pass(ENDED_MS).await;
        Ok(())
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        edit(scene).await
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        ensure!(!refreshes(end).is_empty(), "nothing was refreshed");
        is_connected(scene, end).await
    }
}

/// 22: access tokens end between two writes.
pub(super) struct ExpiryInBatch;

#[async_trait(?Send)]
impl Scenario for ExpiryInBatch {
    fn number(&self) -> u8 {
        22
    }

    fn name(&self) -> &'static str {
        "token expiry mid-batch"
    }

    fn adjust(&self, knobs: &mut Knobs, _: &mut Plan, _: &mut Setup) {
        knobs.batch = 1;
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.fault("nth=2 PUT /Invoices expire-tokens")
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        for _ in 0..3 {
            let (number, text) = scene.token();
            let invoice = scene.new_invoice("ACCREC", &format!("'EXP-{text}'"), customer, 1).await?;
            scene.mark(number, By::App, "invoice", Who::Local(invoice), "new");
        }
        edit(scene).await
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let is_it = |record: &serde_json::Value| {
            record["InvoiceNumber"].as_str().is_some_and(|number| number.starts_with("EXP-"))
        };
        let there = end.in_xero("invoice", is_it);
        ensure!(there.len() == 3, "{} invoices of three", there.len());
        ensure!(!refreshes(end).is_empty(), "nothing was refreshed");
        is_connected(scene, end).await
    }
}

/// 23: the new tokens were issued and their reply is lost.
pub(super) struct RefreshReplyLost;

#[async_trait(?Send)]
impl Scenario for RefreshReplyLost {
    fn number(&self) -> u8 {
        23
    }

    fn name(&self) -> &'static str {
        "token refresh, reply lost"
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.pass(ENDED_MS).await;
        scene.fault("nth=1 POST /connect/token commit-then-lose")
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        edit(scene).await
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let lost = refreshes(end).iter().filter(|call| call.status == 0).count();
        ensure!(lost == 1, "{lost} replies were lost");
        is_connected(scene, end).await
    }
}
