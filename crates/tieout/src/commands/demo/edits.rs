//! The demo's two edits: one by SQL in the books, one by a person in Xero, each seen to arrive on the other side.

use ::emulator::Emulator;
use jiff::Timestamp;
use model::{ConnectionId, Customer, Kind, PhoneType};
use serde_json::json;
use store::{Mode, Refs};
use sync::Engine;
use uuid::Uuid;

use crate::failure::{Exit, Failure};
use crate::words;

/// What was edited, and how long each edit took to arrive.
pub(super) struct Edits {
    /// The customer.
    pub(super) name: String,
    /// Its row in the books.
    pub(super) row: i64,
    /// Its id in Xero.
    pub(super) xero_id: Uuid,
    /// From the App to Xero.
    pub(super) to_xero: Arrival,
    /// From Xero to the App.
    pub(super) to_app: Arrival,
}

/// How an edit arrived.
pub(super) struct Arrival {
    pub(super) ms: i64,
    pub(super) calls: i64,
}

/// Chooses the customer to edit. A database that has seen a demo before knows it in a later state than a newly seeded
/// Xero does, and rightly takes an older state for a late answer: so it is saved in Xero once more.
pub(super) fn choose(emulator: &Emulator, tenant: Uuid) -> Result<Uuid, Failure> {
    let failed = |error: String| Failure::new(Exit::Failed, format!("the emulator has no contact to edit: {error}"));
    let person = emulator.person(tenant);
    let contacts = person.list("Contacts").map_err(failed)?;
    let active = contacts.iter().find(|contact| contact["ContactStatus"] == "ACTIVE");
    let id = active.and_then(|contact| contact["ContactID"].as_str()?.parse().ok());
    let id = id.ok_or_else(|| failed("none is active".into()))?;
    person.backdate(id, Timestamp::now().as_millisecond()).map_err(failed)?;
    Ok(id)
}

/// Changes an e-mail address in the App and a mobile number in Xero.
pub(super) async fn make(
    engine: &Engine,
    id: ConnectionId,
    emulator: &Emulator,
    xero_id: Uuid,
) -> Result<Edits, Failure> {
    let connection = engine.connection(id).await?;
    // Other values each time, so that a demo on a database that had one before is a demo too.
    let unique = engine.now().as_second() % 10_000_000;
    let (new_email, mobile) = (format!("accounts-{unique}@example.com"), format!("021 {unique:07}"));
    let person = emulator.person(connection.tenant_id);
    let mut tx = engine.store().begin().await?;
    let link = tx.links(id, Kind::Customer, &[xero_id]).await?.remove(&xero_id);
    let row = match link {
        Some(link) => tx.book_row::<Customer>(id, connection.org, link.local_id).await?,
        None => None,
    };
    let row = row.ok_or_else(|| lost("a customer", "the books"))?;

    // An UPDATE like any other program's: the trigger notices it, and nothing else tells the engine.
    let edited = Customer { email: Some(new_email.clone()), ..row.record.clone() };
    tx.app_update(row.id, &edited, &Refs::default(), engine.now()).await?;
    tx.commit().await?;
    let begun = Timestamp::now();
    let pushed = engine.push(id, "demo").await?;
    let email = person.read("Contacts", xero_id).map(|contact| contact["EmailAddress"] == new_email.as_str());
    if email != Ok(true) {
        return Err(lost("the e-mail address", "Xero"));
    }
    let to_xero = Arrival { ms: words::milliseconds(begun, Timestamp::now()), calls: pushed.calls };

    let phone = json!({"Phones": [{"PhoneType": "MOBILE", "PhoneNumber": mobile}]});
    person.edit("Contacts", xero_id, &phone).map_err(|error| Failure::new(Exit::Failed, error))?;
    let begun = Timestamp::now();
    let synced = engine.sync(id, Mode::Incremental, "demo", &|_| {}).await?;
    let mut tx = engine.store().read().await?;
    let now = tx.book_row::<Customer>(id, connection.org, row.id).await?.map(|row| row.record);
    let customer = now.filter(|now| has_mobile(now, &mobile) && now.email == edited.email);
    let customer = customer.ok_or_else(|| lost("the mobile number", "the books"))?;
    let to_app = Arrival { ms: words::milliseconds(begun, Timestamp::now()), calls: synced.calls };
    Ok(Edits { name: customer.name, row: row.id, xero_id, to_xero, to_app })
}

fn has_mobile(customer: &Customer, number: &str) -> bool {
    customer.phones.iter().any(|phone| phone.kind == PhoneType::Mobile && phone.number.as_deref() == Some(number))
}

fn lost(what: &str, side: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{what} did not arrive in {side}")).next("tieout demo --log-level info")
}
