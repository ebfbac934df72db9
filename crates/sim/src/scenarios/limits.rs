//! What stops a run half-way: the day's quota, a brake, another rule.

use anyhow::ensure;
use async_trait::async_trait;
use oracle::{By, Who};
use store::BrakeState;
use sync::PolicySetting;

use super::Scenario;
use super::scene::{End, Scene};
use crate::knobs::Knobs;
use crate::stage::Plan;
use crate::world::Setup;

/// 26: the day's calls are used up in the middle of a run.
pub(super) struct DayQuota;

#[async_trait(?Send)]
impl Scenario for DayQuota {
    fn number(&self) -> u8 {
        26
    }

    fn name(&self) -> &'static str {
        "day quota hit mid-run"
    }

    fn adjust(&self, knobs: &mut Knobs, _: &mut Plan, _: &mut Setup) {
        knobs.batch = 1;
    }

    /// Longer than Xero says that it takes.
    fn after_ms(&self) -> i64 {
        1_500_000
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.fault("nth=2 PUT /Invoices limit=day,1200")?;
        scene.fault("nth=6 GET /api.xro/ limit=day,1200")
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        for _ in 0..3 {
            let (number, text) = scene.token();
            let invoice = scene.new_invoice("ACCREC", &format!("'DAY-{text}'"), customer, 1).await?;
            scene.mark(number, By::App, "invoice", Who::Local(invoice), "new");
        }
        scene.work(60_000).await;
        Ok(())
    }

    async fn expect(&self, _: &Scene, end: &End) -> anyhow::Result<()> {
        let refused = end.calls.iter().filter(|call| call.status == 429).count();
        ensure!((1..=2).contains(&refused), "{refused} calls were refused");
        let is_it = |record: &serde_json::Value| {
            record["InvoiceNumber"].as_str().is_some_and(|number| number.starts_with("DAY-"))
        };
        let there = end.in_xero("invoice", is_it);
        ensure!(there.len() == 3, "{} invoices of three", there.len());
        Ok(())
    }
}

/// More than the brake lets pass.
const MANY: usize = 28;

/// 27: the App archives most of its customers at once.
pub(super) struct BrakeTrips;

#[async_trait(?Send)]
impl Scenario for BrakeTrips {
    fn number(&self) -> u8 {
        27
    }

    fn name(&self) -> &'static str {
        "brake trips"
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        for _ in 0..MANY {
            let (number, name) = scene.token();
            let customer = scene.new_customer(&format!("Sweep {name}")).await?;
            scene.mark(number, By::App, "customer", Who::Local(customer), "new");
        }
        scene.settle().await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customers = scene.customers().await?;
        let swept = scene.sql("UPDATE customers SET status = 'ARCHIVED' WHERE name LIKE 'Sweep tk%'").await?;
        ensure!(usize::try_from(swept).ok() == Some(MANY), "{swept} customers were archived");
        for customer in customers.iter().rev().take(MANY) {
            scene.removed(By::App, "customer", Who::Local(*customer));
        }
        scene.keep("calls", scene.world.stage.calls().len());
        scene.work(40_000).await;
        Ok(())
    }

    /// A person looks at what stopped, sees that nothing was written yet, and lets it go on.
    async fn answer(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (id, engine, time) = (scene.world.id, scene.world.operator.clone(), scene.world.stage.time.clone());
        let brakes = time.drive(engine.brakes(id)).await?;
        for brake in brakes.iter().filter(|brake| brake.state == BrakeState::Open) {
            ensure!(usize::try_from(brake.would).ok() == Some(MANY), "the brake says {}", brake.would);
            if scene.kept("approved").is_empty() {
                scene.keep("approved", scene.world.stage.calls().len());
            }
            time.drive(engine.decide_brake(id, brake.id, true, "operator")).await?;
        }
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let (from, until) = (scene.kept_id("calls"), scene.kept_id("approved"));
        ensure!(until > 0, "nobody was asked");
        let (from, until) = (usize::try_from(from)?, usize::try_from(until)?);
        let early =
            end.calls[from..until].iter().filter(|call| call.path.starts_with("/api.xro/") && call.method != "GET");
        ensure!(early.count() == 0, "something was written before anybody was asked");
        let archived = end.in_xero("customer", |record| {
            record["Name"].as_str().is_some_and(|name| name.starts_with("Sweep "))
                && record["ContactStatus"] == "ARCHIVED"
        });
        ensure!(archived.len() == MANY, "{} of {MANY} are archived", archived.len());
        Ok(())
    }
}

/// 28: who wins is changed while both sides' edits are being merged.
pub(super) struct PolicyChange;

#[async_trait(?Send)]
impl Scenario for PolicyChange {
    fn number(&self) -> u8 {
        28
    }

    fn name(&self) -> &'static str {
        "policy change mid-run"
    }

    fn adjust(&self, knobs: &mut Knobs, _: &mut Plan, _: &mut Setup) {
        knobs.page_size = 3;
        knobs.batch = 2;
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customers: Vec<i64> = scene.customers().await?.into_iter().take(8).collect();
        for customer in &customers {
            let contact = scene.xero_id("customer", *customer).await?;
            scene.set("customers", "customer", *customer, "email", "#@app.test").await?;
            scene.set_contact(contact, "email", "EmailAddress", "#@xero.test")?;
        }
        scene.keep("count", customers.len());
        let (id, engine, time) = (scene.world.id, scene.world.operator.clone(), scene.world.stage.time.clone());
        for setting in [PolicySetting::App, PolicySetting::Xero, PolicySetting::App, PolicySetting::Xero] {
            time.drive(engine.set_policy(id, None, Some("email"), Some(setting), "operator")).await?;
            scene.work(700).await;
        }
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let count = scene.kept_id("count");
        let found = i64::try_from(end.rest.conflicts.len())?;
        ensure!(found == count, "{found} conflicts for {count} customers");
        for one in &end.rest.conflicts {
            let side = match one.policy.as_str() {
                "APP" => &one.app,
                "XERO" => &one.xero,
                other => anyhow::bail!("{other} decided {one:?}"),
            };
            ensure!(one.state == "RESOLVED" && one.result == *side, "another rule's result: {one:?}");
            let there = end.counterpart("customer", one.local)?["EmailAddress"].to_string();
            ensure!(one.result.as_deref() == Some(there.as_str()), "xero has {there} and not the result of {one:?}");
        }
        Ok(())
    }
}
