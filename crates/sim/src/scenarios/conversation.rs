//! The connection itself: ended in Xero and made again, to the same organisation or to another one.

use anyhow::{Context, ensure};
use async_trait::async_trait;
use store::Mode;

use super::Scenario;
use super::scene::{End, Scene};
use crate::knobs::Knobs;
use crate::stage::Plan;
use crate::world::Setup;

/// 24: somebody disconnects in Xero, and it is connected again.
pub(super) struct ReconnectSame;

#[async_trait(?Send)]
impl Scenario for ReconnectSame {
    fn number(&self) -> u8 {
        24
    }

    fn name(&self) -> &'static str {
        "disconnected in Xero, same organisation again"
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let customers = scene.customers().await?;
        scene.set("customers", "customer", customers[0], "email", "#@before.test").await?;
        scene.work(1_200).await;
        let tenant = scene.world.stage.emulator.tenants()[0];
        ensure!(scene.world.stage.emulator.disconnect_tenant(tenant), "it was not connected");
        scene.set("customers", "customer", customers[1], "email", "#@between.test").await?;
        scene.work(30_000).await;
        scene.world.reconnect().await?;
        scene.set("customers", "customer", customers[2], "email", "#@after.test").await?;
        scene.work(60_000).await;
        Ok(())
    }

    async fn answer(&self, scene: &mut Scene) -> anyhow::Result<()> {
        // A process that was told of the end only after the new beginning says so; a person connects once more.
        let connection = scene.world.stage.time.drive(scene.world.operator.connection(scene.world.id)).await?;
        if connection.state != store::ConnectionState::Connected {
            scene.world.reconnect().await?;
        }
        Ok(())
    }

    async fn expect(&self, _: &Scene, end: &End) -> anyhow::Result<()> {
        for domain in ["before", "between", "after"] {
            let ending = format!("@{domain}.test");
            let is_it = |record: &serde_json::Value| {
                record["EmailAddress"].as_str().is_some_and(|email| email.ends_with(&ending))
            };
            ensure!(end.in_xero("customer", is_it).len() == 1, "the edit {domain} the pause is not in xero");
        }
        ensure!(end.writes().all(|call| call.method != "PUT"), "something was made in xero");
        Ok(())
    }
}

/// 25: another organisation is connected in its stead.
pub(super) struct ReconnectOther;

#[async_trait(?Send)]
impl Scenario for ReconnectOther {
    fn number(&self) -> u8 {
        25
    }

    fn name(&self) -> &'static str {
        "another organisation is connected instead"
    }

    fn adjust(&self, _: &mut Knobs, plan: &mut Plan, setup: &mut Setup) {
        setup.organisations = 2;
        plan.first_pull = Some(Mode::Full);
    }

    fn has_one_organisation(&self) -> bool {
        false
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let before = links(scene).await?;
        scene.keep("links", before);
        Ok(())
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.keep("first", scene.world.id.0);
        scene.work(1_200).await;
        let other = scene.world.stage.emulator.tenants()[1];
        scene.world.disconnect().await?;
        scene.world.connect_other(other).await?;
        // The process is told of it by being started anew.
        scene.world.kill_all("it is set up for another organisation");
        scene.work(150_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        ensure!(links(scene).await? == scene.kept("links"), "links of the first organisation changed");
        ensure!(end.writes().count() == 0, "something was written to xero");
        let second = scene.world.id.0;
        ensure!(second.to_string() != scene.kept("first"), "both are one connection");
        let tenant = scene.world.stage.emulator.tenants()[1];
        let person = scene.world.stage.emulator.person(tenant);
        for (kind, endpoint) in [("customer", "Contacts"), ("invoice", "Invoices"), ("payment", "Payments")] {
            let there = person.list(endpoint).map_err(anyhow::Error::msg)?.len();
            let sql = format!("SELECT COUNT(*) AS c FROM links WHERE connection_id = {second} AND kind = '{kind}'");
            let here = scene.number(&sql).await?;
            ensure!(usize::try_from(here).ok() == Some(there), "{here} links of {kind} for {there} records");
        }
        let shared = scene
            .number(
                "SELECT COUNT(*) AS c FROM links a JOIN links b ON a.kind = b.kind AND a.local_id = b.local_id \
                 AND a.connection_id < b.connection_id WHERE a.kind = 'customer'",
            )
            .await?;
        ensure!(shared == 0, "{shared} customers belong to both organisations");
        Ok(())
    }
}

/// The links of the first connection, as a text.
async fn links(scene: &Scene) -> anyhow::Result<String> {
    let snapshot = scene.snapshot().await;
    let first = snapshot.links.iter().map(|link| link.connection).min().context("something is linked")?;
    let of_first = snapshot.links.iter().filter(|link| link.connection == first);
    Ok(of_first.map(|link| format!("{} {} {}", link.kind, link.local, link.xero)).collect::<Vec<_>>().join("\n"))
}
