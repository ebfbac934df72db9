//! Both sides edit the same customer.

use anyhow::ensure;
use async_trait::async_trait;
use oracle::{By, Who};
use serde_json::json;
use sync::PolicySetting;

use super::Scenario;
use super::scene::{End, Scene};

/// Who wins, for e-mail addresses.
async fn rule(scene: &Scene, setting: PolicySetting) -> anyhow::Result<()> {
    let (id, engine) = (scene.world.id, scene.world.operator.clone());
    let set = engine.set_policy(id, None, Some("email"), Some(setting), "operator");
    Ok(scene.world.stage.time.drive(set).await?)
}

/// Both sides give the first customer another address.
async fn both_edit(scene: &mut Scene) -> anyhow::Result<()> {
    let customer = scene.customers().await?[0];
    let contact = scene.xero_id("customer", customer).await?;
    let app = scene.set("customers", "customer", customer, "email", "#@app.test").await?;
    scene.pass(2_000).await;
    let xero = scene.set_contact(contact, "email", "EmailAddress", "#@xero.test")?;
    scene.keep("customer", customer);
    scene.keep("app", app);
    scene.keep("xero", xero);
    scene.work(40_000).await;
    Ok(())
}

/// 13: each side edits a field of its own.
pub(super) struct DisjointFields;

#[async_trait(?Send)]
impl Scenario for DisjointFields {
    fn number(&self) -> u8 {
        13
    }

    fn name(&self) -> &'static str {
        "two-sided edit, disjoint fields"
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customer = scene.customers().await?[0];
        let contact = scene.xero_id("customer", customer).await?;
        let email = scene.set("customers", "customer", customer, "email", "#@app.test").await?;
        let (number, text) = scene.token();
        let phone = json!({"Phones": [{"PhoneType": "MOBILE", "PhoneNumber": format!("021 {text}")}]});
        scene.person.edit("Contacts", contact, &phone).map_err(anyhow::Error::msg)?;
        scene.mark(number, By::Xero, "customer", Who::Xero(contact), "phone MOBILE");
        scene.keep("customer", customer);
        scene.keep("email", email);
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let there = end.counterpart("customer", scene.kept_id("customer"))?;
        ensure!(there["EmailAddress"] == scene.kept("email"), "xero has {}", there["EmailAddress"]);
        ensure!(end.rest.conflicts.is_empty(), "{} conflicts", end.rest.conflicts.len());
        Ok(())
    }
}

/// 14: both edit one field, and a person is asked.
pub(super) struct SameFieldAsk;

#[async_trait(?Send)]
impl Scenario for SameFieldAsk {
    fn number(&self) -> u8 {
        14
    }

    fn name(&self) -> &'static str {
        "same field, policy ask"
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        rule(scene, PolicySetting::Ask).await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        both_edit(scene).await
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let customer = scene.kept_id("customer");
        let [conflict] = &end.rest.conflicts[..] else {
            anyhow::bail!("{} conflicts instead of one", end.rest.conflicts.len());
        };
        ensure!(conflict.state == "PENDING" && conflict.field == "email", "the conflict is {conflict:?}");
        let there = end.counterpart("customer", customer)?;
        ensure!(there["EmailAddress"] == scene.kept("xero"), "xero has {}", there["EmailAddress"]);
        ensure!(end.column("customer", customer, "email") == scene.kept("app"), "the app's value is gone");
        Ok(())
    }
}

/// 15: both edit one field, and Xero wins.
pub(super) struct SameFieldXeroWins;

#[async_trait(?Send)]
impl Scenario for SameFieldXeroWins {
    fn number(&self) -> u8 {
        15
    }

    fn name(&self) -> &'static str {
        "same field, policy Xero wins"
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        rule(scene, PolicySetting::Xero).await
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        both_edit(scene).await
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        let customer = scene.kept_id("customer");
        let [conflict] = &end.rest.conflicts[..] else {
            anyhow::bail!("{} conflicts instead of one", end.rest.conflicts.len());
        };
        ensure!(conflict.state == "RESOLVED" && conflict.decided_by.as_deref() == Some("policy:XERO"), "{conflict:?}");
        let there = end.counterpart("customer", customer)?;
        ensure!(there["EmailAddress"] == scene.kept("xero"), "xero has {}", there["EmailAddress"]);
        ensure!(end.column("customer", customer, "email") == scene.kept("xero"), "the app has its own value");
        Ok(())
    }
}
