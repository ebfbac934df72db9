//! Reading Xero: everything, page by page, while it changes under the reader.

use anyhow::{Context, ensure};
use async_trait::async_trait;
use oracle::{By, Who};
use serde_json::Value;
use store::Mode;
use uuid::Uuid;

use super::Scenario;
use super::scene::{End, Scene};
use crate::knobs::Knobs;
use crate::stage::Plan;
use crate::world::Setup;

fn id_of(contact: &Value) -> anyhow::Result<Uuid> {
    Ok(Uuid::parse_str(contact["ContactID"].as_str().context("a contact has an id")?)?)
}

/// Somebody in Xero edits the n-th active contact; edits of one contact are of fields of their own.
fn edit(scene: &mut Scene, contacts: &[Value], at: usize) -> anyhow::Result<()> {
    const FIELDS: [(&str, &str); 3] =
        [("first_name", "FirstName"), ("last_name", "LastName"), ("tax_number", "TaxNumber")];
    let (field, member) = FIELDS[at / contacts.len() % FIELDS.len()];
    scene.set_contact(id_of(&contacts[at % contacts.len()])?, field, member, "Far #")?;
    Ok(())
}

/// Nothing was written to Xero, and every edit of Xero's stands in the App.
async fn all_came(scene: &Scene, end: &End) -> anyhow::Result<()> {
    ensure!(end.writes().count() == 0, "a pull wrote to xero");
    let edits = scene.marks.iter().filter(|mark| mark.by == By::Xero).count();
    let sql = "SELECT COUNT(*) AS c FROM customers WHERE first_name LIKE 'Far tk%'";
    let first = scene.number(sql).await?;
    ensure!(first > 0, "of {edits} edits none arrived");
    ensure!(end.rest.conflicts.is_empty(), "{} conflicts", end.rest.conflicts.len());
    Ok(())
}

/// 1: everything is read for the first time; the App has one of Xero's contacts already.
pub(super) struct FirstSync;

#[async_trait(?Send)]
impl Scenario for FirstSync {
    fn number(&self) -> u8 {
        1
    }

    fn name(&self) -> &'static str {
        "first sync of a full organisation"
    }

    fn adjust(&self, knobs: &mut Knobs, plan: &mut Plan, setup: &mut Setup) {
        knobs.invoices = 25;
        knobs.page_size = 10;
        plan.first_pull = Some(Mode::Full);
        setup.is_synced = false;
    }

    async fn prepare(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let known = scene.contacts()?[0].clone();
        let name = known["Name"].as_str().context("a contact has a name")?.replace('\'', "''");
        let email = known["EmailAddress"].as_str().unwrap_or_default().to_owned();
        let customer = scene.new_customer(&name).await?;
        scene.sql(&format!("UPDATE customers SET email = '{email}' WHERE id = {customer}")).await?;
        scene.keep("customer", customer);
        scene.keep("contacts", scene.person.list("Contacts").map_err(anyhow::Error::msg)?.len());
        Ok(())
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        scene.work(90_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        for kind in oracle::KINDS {
            let (here, there) = (
                end.rest.app.keys().filter(|(of, _)| *of == kind).count(),
                end.rest.xero.keys().filter(|(of, _)| *of == kind).count(),
            );
            ensure!(here == there, "{here} of {kind} here, {there} there");
        }
        let contacts = end.in_xero("customer", |_| true).len();
        ensure!(contacts.to_string() == scene.kept("contacts"), "there are {contacts} contacts now");
        end.counterpart("customer", scene.kept_id("customer")).map(drop)
    }
}

/// 2: what changed is read in pages of three.
pub(super) struct ThreePages;

#[async_trait(?Send)]
impl Scenario for ThreePages {
    fn number(&self) -> u8 {
        2
    }

    fn name(&self) -> &'static str {
        "incremental pull, three pages"
    }

    fn adjust(&self, knobs: &mut Knobs, _: &mut Plan, _: &mut Setup) {
        knobs.page_size = 3;
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let contacts = scene.contacts()?;
        for at in 0..contacts.len().min(8) {
            edit(scene, &contacts, at)?;
            scene.pass(1_500).await;
        }
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        all_came(scene, end).await
    }
}

/// 3: rows move to other pages while the pages are read.
pub(super) struct PageDrift;

#[async_trait(?Send)]
impl Scenario for PageDrift {
    fn number(&self) -> u8 {
        3
    }

    fn name(&self) -> &'static str {
        "page drift during a pull"
    }

    fn adjust(&self, knobs: &mut Knobs, _: &mut Plan, _: &mut Setup) {
        knobs.page_size = 3;
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let contacts = scene.contacts()?;
        for at in 0..contacts.len() {
            edit(scene, &contacts, at)?;
        }
        scene.work(1).await;
        // Those that were first go to the end, one after the other, for as long as the contacts are read.
        for at in 0..contacts.len() * 2 {
            scene.work(150).await;
            edit(scene, &contacts, contacts.len() + at)?;
        }
        scene.work(40_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        all_came(scene, end).await
    }
}

/// 4: edits before and after the reading within the same second.
pub(super) struct BoundarySecond;

#[async_trait(?Send)]
impl Scenario for BoundarySecond {
    fn number(&self) -> u8 {
        4
    }

    fn name(&self) -> &'static str {
        "boundary second"
    }

    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let contacts = scene.contacts()?;
        edit(scene, &contacts, 0)?;
        scene.work(1).await;
        // The contacts are read some time in these seconds: whenever it is, something was changed just before and is
        // changed just after.
        for at in 1..contacts.len() * 3 {
            scene.work(90).await;
            edit(scene, &contacts, at)?;
            if at % 4 == 0 {
                let (number, name) = scene.token();
                let made = scene.person.create("Contacts", &serde_json::json!({"Name": format!("Sudden {name}")}));
                let id = id_of(&made.map_err(anyhow::Error::msg)?)?;
                scene.mark(number, By::Xero, "customer", Who::Xero(id), "new");
            }
        }
        scene.work(30_000).await;
        Ok(())
    }

    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()> {
        all_came(scene, end).await
    }
}
