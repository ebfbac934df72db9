//! Verification: what differs is named, what is under way is explained, and nothing is written.

use std::sync::Arc;

use crate::common::sql::App;
use crate::common::{World, plan, sync_now};
use emulator::{Clock, Config, Size};
use jiff::Timestamp;
use model::{Amount, ConnectionId, Kind};
use serde_json::json;
use store::Mode;
use sync::{
    Engine, EngineSettings, Error, PolicySetting, Verification, VerifyReason, VerifyScope, VerifySettings, VerifyState,
};
use uuid::Uuid;
use xero::Unlimited;

/// Wednesday, noon in UTC.
const NOON: &str = "2026-03-11T12:00:00Z";

struct Scene {
    world: World,
    engine: Engine,
    id: ConnectionId,
    app: App,
}

impl Scene {
    /// Synced whole, and then an hour has passed in which nothing changed.
    async fn new(url: String) -> Self {
        Self::of(url, Size { lines: None, ..Size::of_invoices(60) }, EngineSettings::default()).await
    }

    async fn of(url: String, size: Size, settings: EngineSettings) -> Self {
        let noon: Timestamp = NOON.parse().unwrap();
        let config = Config { clock: Clock::frozen(noon.as_millisecond()), ..plan(size) };
        let world = World::new(config, url.clone());
        let engine = world.engine_with(settings, Arc::new(Unlimited), url.clone()).await.unwrap();
        let id = world.connect(&engine).await;
        world.clock.0.advance(60 * 60 * 1_000);
        sync_now(&engine, id, Mode::Full).await;
        world.clock.0.advance(60 * 60 * 1_000);
        Self { app: App::open(&url).await, world, engine, id }
    }

    async fn verify(&self) -> Verification {
        let before = self.contents().await;
        let found = self.engine.verify(self.id, None, "test", &|_| {}).await.unwrap();
        assert_eq!(self.contents().await, before, "a verification writes nothing to the books");
        found
    }

    /// What a verification must leave alone, in figures.
    async fn contents(&self) -> Vec<Option<String>> {
        let mut all = Vec::new();
        for sql in [
            "SELECT COUNT(*) AS c FROM links",
            "SELECT SUM(sync_rev) AS c FROM invoices",
            "SELECT SUM(total) AS c FROM invoices",
            "SELECT COUNT(*) AS c FROM captures",
            "SELECT COUNT(*) AS c FROM intents",
            "SELECT COUNT(*) AS c FROM runs",
        ] {
            all.extend(self.app.texts(sql).await);
        }
        all
    }

    /// A cent in the words of the database.
    fn cent(&self) -> &'static str {
        match self.app {
            App::Sqlite(_) => "100",
            App::Postgres(_) => "0.01",
        }
    }

    /// The n-th authorised sales invoice that nobody has paid: local id, number and Xero id.
    async fn invoice(&self, at: usize) -> (i64, String, Uuid) {
        let sql = "SELECT id AS c FROM invoices WHERE type = 'ACCREC' AND status = 'SENT' AND amount_paid = 0 \
                   AND amount_credited = 0 ORDER BY id";
        let local: i64 = self.app.texts(sql).await[at].clone().unwrap().parse().unwrap();
        let number = self.app.text(&format!("SELECT number AS c FROM invoices WHERE id = {local}")).await.unwrap();
        (local, number, self.xero_id("invoice", local).await)
    }

    async fn customer(&self, at: usize) -> (i64, Uuid) {
        let sql = "SELECT id AS c FROM customers WHERE status = 'ACTIVE' ORDER BY id";
        let local: i64 = self.app.texts(sql).await[at].clone().unwrap().parse().unwrap();
        (local, self.xero_id("customer", local).await)
    }

    async fn xero_id(&self, kind: &str, local: i64) -> Uuid {
        let column = match self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
        };
        let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
        Uuid::parse_str(&self.app.text(&sql).await.expect("a link")).unwrap()
    }

    fn person(&self) -> emulator::Person {
        self.world.emulator.person(self.world.emulator.tenants()[0])
    }

    /// Somebody whose edits Xero does not date.
    fn quiet(&self) -> emulator::Person {
        self.person().quietly()
    }

    async fn pass(&self, hours: i64) {
        self.world.clock.0.advance(hours * 60 * 60 * 1_000);
    }
}

#[track_caller]
fn assert_agrees(found: &Verification) {
    assert_eq!(found.state, VerifyState::Completed);
    assert_eq!((found.counts.different, found.counts.difference), (0, Amount::ZERO), "{:#?}", found.differences);
}

/// The only thing that was found: its reason, whether it counts as a difference, and its sentence.
#[track_caller]
fn only(found: &Verification) -> (VerifyReason, bool, String) {
    let [one] = &found.differences[..] else { panic!("{:#?}", found.differences) };
    assert_eq!(found.counts.different + found.counts.explained, 1);
    assert_eq!(found.reasons, [(one.reason, 1)]);
    (one.reason, found.counts.different == 1, one.sentence())
}

#[testkit::on_both_databases]
async fn both_sides_of_a_synced_organisation_agree(db_url: String) {
    let scene = Scene::new(db_url).await;
    let found = scene.verify().await;
    assert_agrees(&found);
    assert_eq!((found.counts.explained, found.differences.len()), (0, 0));
    assert_eq!(found.counts.calls, 9, "one list of each kind");
    assert_eq!((found.counts.calls, found.scope, found.kinds.len()), (9, VerifyScope::Whole, Kind::ALL.len()));
    let books = scene.engine.connection_status(scene.id).await.unwrap().books;
    for (kind, (of, count)) in found.kinds.iter().zip(books) {
        assert_eq!((kind.kind, kind.app, kind.xero, kind.same), (of, count, count, count));
        assert!(count > 0, "{of}");
        assert_eq!(kind.app_hash, kind.xero_hash);
    }
    // The sums are those of the quick comparison.
    let agreement = scene.engine.agreement(scene.id).await.unwrap();
    assert_eq!(found.money.iter().map(|group| group.xero.count).sum::<i64>(), agreement.documents);
    assert!(found.money.iter().all(|group| group.app == group.xero));
    assert!(found.money.iter().any(|group| group.r#type == "ACCPAY" && !group.app.total.is_zero()));
    // It is kept.
    let kept = scene.engine.verification(scene.id, found.id).await.unwrap();
    assert_eq!(kept, found);
    let integrity = scene.engine.connection_status(scene.id).await.unwrap().integrity.unwrap();
    assert_eq!((integrity.verification, integrity.different), (found.id, 0));
    assert_eq!(Some(integrity.checked_at), found.ended_at);
    assert!(matches!(scene.engine.verification(ConnectionId(77), found.id).await, Err(Error::NotFound(_))));
    // One kind alone.
    let found = scene.engine.verify(scene.id, Some(Kind::Payment), "test", &|_| {}).await.unwrap();
    assert_eq!((found.counts.calls, found.kinds.len(), found.kinds[0].kind), (1, 1, Kind::Payment));
    let integrity = scene.engine.connection_status(scene.id).await.unwrap().integrity.unwrap();
    assert_eq!(integrity.verification, kept.id, "one kind says nothing about the whole");
}

#[testkit::on_both_databases]
async fn one_cent_in_a_row_is_named_whichever_way_it_got_there(db_url: String) {
    let scene = Scene::new(db_url).await;
    let (local, number, xero_id) = scene.invoice(0).await;
    let total = scene.person().read("Invoices", xero_id).unwrap()["Total"].clone();
    let cent = scene.cent();

    // Around capture.
    scene
        .app
        .run(&format!("UPDATE invoices SET total = total + {cent}, sync_rev = sync_rev + 1 WHERE id = {local}"))
        .await;
    let found = scene.verify().await;
    let (reason, is_different, sentence) = only(&found);
    assert_eq!((reason, is_different), (VerifyReason::XeroOwned, true));
    assert_eq!(found.counts.difference.to_string(), "0.01");
    assert!(sentence.starts_with(&format!("invoice {number} (local {local}): total: App ")), "{sentence}");
    let xero: Amount = total.to_string().trim_matches('"').parse().unwrap();
    let cent_more = xero + "0.01".parse().unwrap();
    assert!(sentence.ends_with(&format!("total: App {cent_more}, Xero {xero}")), "{sentence}");
    assert_eq!(found.differences[0].xero_id, Some(xero_id));

    // By plain SQL: captured, but no push can make Xero take it.
    scene.app.run(&format!("UPDATE invoices SET total = total WHERE id = {local}")).await;
    assert_eq!(scene.app.text("SELECT COUNT(*) AS c FROM captures").await.as_deref(), Some("1"));
    let (reason, is_different, again) = only(&scene.verify().await);
    assert_eq!((reason, is_different, again), (VerifyReason::XeroOwned, true, sentence));
    // The push that looks at it takes Xero's value back.
    scene.engine.push(scene.id, "test").await.unwrap();
    assert_agrees(&scene.verify().await);

    // The price of a line, captured: a change on its way, named all the same.
    let line = format!(
        "UPDATE invoice_lines SET unit_amount = unit_amount + {cent} WHERE invoice_id = {local} AND position = 1"
    );
    scene.app.run(&line).await;
    let found = scene.verify().await;
    let (reason, is_different, sentence) = only(&found);
    assert_eq!((reason, is_different), (VerifyReason::AppChanged, false));
    assert!(
        sentence.starts_with(&format!("invoice {number} (local {local}): lines[#1].unit_amount: App ")),
        "{sentence}"
    );
    assert_eq!(found.differences[0].note, "App changed it, not sent yet");
    assert_eq!(found.counts.difference, Amount::ZERO);

    // The same when nothing captured it.
    scene.app.run("DELETE FROM captures").await;
    let found = scene.verify().await;
    assert_eq!((only(&found).0, only(&found).1), (VerifyReason::AppUnnoticed, true));
    assert_eq!(scene.engine.connection_status(scene.id).await.unwrap().integrity.unwrap().different, 1);
}

#[testkit::on_both_databases]
async fn one_cent_in_xero_is_named_although_xero_did_not_date_it(db_url: String) {
    let scene = Scene::new(db_url).await;
    let (local, number, xero_id) = scene.invoice(0).await;
    let mut lines = scene.person().read("Invoices", xero_id).unwrap()["LineItems"].clone();
    let price: Amount = lines[0]["UnitAmount"].to_string().trim_matches('"').parse().unwrap();
    let more = price + "1.00".parse().unwrap();
    lines[0]["UnitAmount"] = serde_json::from_str(&more.to_string()).unwrap();
    lines[0].as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "LineAmount" | "TaxAmount"));
    scene.quiet().edit("Invoices", xero_id, &json!({"LineItems": lines})).unwrap();
    let found = scene.verify().await;
    assert_eq!((found.counts.different, found.counts.explained), (1, 0), "{:#?}", found.differences);
    assert!(found.differences.iter().all(|one| one.local_id == Some(local) && one.label == number));
    let of = |field: &str| found.differences.iter().find(|one| one.field == field).unwrap();
    assert_eq!(of("lines[#1].unit_amount").reason, VerifyReason::XeroUnnoticed);
    assert_eq!((&of("lines[#1].unit_amount").app, &of("lines[#1].unit_amount").xero), (&json!(price), &json!(more)));
    assert!(
        ["total", "amount_due", "sub_total"].into_iter().all(|field| of(field).reason == VerifyReason::XeroUnnoticed)
    );
    assert!(!found.counts.difference.is_zero());

    // A change that Xero dates is only not read yet.
    let (local, xero_id) = scene.customer(0).await;
    scene.person().edit("Contacts", xero_id, &json!({"EmailAddress": "later@xero.test"})).unwrap();
    let found = scene.verify().await;
    let one = found.differences.iter().find(|one| one.kind == Kind::Customer).unwrap();
    assert_eq!((one.local_id, one.field.as_str(), one.reason), (Some(local), "email", VerifyReason::XeroChanged));
    assert_eq!((found.counts.different, found.counts.explained), (1, 1));
}

#[testkit::on_both_databases]
async fn what_only_one_side_has_is_named(db_url: String) {
    let scene = Scene::new(db_url).await;
    // A row, its lines and its capture are gone: a part of the data was restored.
    let (lost, number, _) = scene.invoice(0).await;
    scene
        .app
        .run(&format!("DELETE FROM invoice_lines WHERE invoice_id = {lost}; DELETE FROM invoices WHERE id = {lost}"))
        .await;
    let found = scene.verify().await;
    assert_eq!((only(&found).0, only(&found).1), (VerifyReason::AppChanged, false), "its removal is captured");
    scene.app.run("DELETE FROM captures").await;
    let (reason, is_different, sentence) = only(&scene.verify().await);
    assert_eq!((reason, is_different), (VerifyReason::MissingInApp, true));
    assert_eq!(sentence, format!("invoice {number} (local {lost}): in Xero, not in the App"));

    // A row that nobody captured.
    let org = "(SELECT MIN(id) FROM organisations)";
    scene
        .app
        .run(&format!("INSERT INTO customers (org_id, name) VALUES ({org}, 'Nobody Noticed'); DELETE FROM captures"))
        .await;
    // A link to a record that Xero does not know any more.
    let gone: i64 = scene.app.text("SELECT MIN(id) AS c FROM payments").await.unwrap().parse().unwrap();
    let known = scene.xero_id("payment", gone).await;
    let tenant = scene.world.emulator.tenants()[0];
    let other = match scene.app {
        App::Sqlite(_) => "randomblob(16)",
        App::Postgres(_) => "gen_random_uuid()",
    };
    scene.app.run(&format!("UPDATE links SET xero_id = {other} WHERE kind = 'payment' AND local_id = {gone}")).await;
    // A record that came into Xero dated back.
    let dated = scene.world.clock.0.now() - 30 * 24 * 60 * 60 * 1_000;
    let imported = json!({"Name": "Imported Ltd"});
    scene.world.emulator.person(tenant).dated(dated).create("Contacts", &imported).unwrap();
    let found = scene.verify().await;
    assert_eq!(found.counts.explained, 0, "{:#?}", found.differences);
    let (payments, others): (Vec<_>, Vec<_>) = found.differences.iter().partition(|one| one.kind == Kind::Payment);
    let mut said: Vec<String> = others.iter().map(|one| format!("{} {}", one.label, one.reason.as_str())).collect();
    said.sort();
    let number = format!("{number} MISSING_IN_APP");
    assert_eq!(said, [number.as_str(), "Imported Ltd MISSING_IN_APP", "Nobody Noticed MISSING_IN_XERO"]);
    let of = |reason: VerifyReason| payments.iter().find(|one| one.reason == reason).unwrap();
    assert_eq!((of(VerifyReason::MissingInXero).local_id, payments.len()), (Some(gone), 2));
    assert_eq!(of(VerifyReason::MissingInApp).xero_id, Some(known));
    assert_eq!(found.counts.different, 5);
}

#[testkit::on_both_databases]
async fn conflicts_failures_and_what_people_set_aside_are_explained(db_url: String) {
    let scene = Scene::new(db_url).await;
    let (engine, id) = (&scene.engine, scene.id);
    engine.set_policy(id, None, Some("email"), Some(PolicySetting::Ask), "test").await.unwrap();
    let (disputed, in_xero) = scene.customer(0).await;
    scene.app.run(&format!("UPDATE customers SET email = 'app@app.test' WHERE id = {disputed}")).await;
    scene.person().edit("Contacts", in_xero, &json!({"EmailAddress": "xero@xero.test"})).unwrap();
    // A name that another customer has.
    let (refused, _) = scene.customer(2).await;
    let taken = scene
        .app
        .text(&format!("SELECT name AS c FROM customers WHERE id = {}", scene.customer(3).await.0))
        .await
        .unwrap();
    scene.app.run(&format!("UPDATE customers SET name = '{}' WHERE id = {refused}", taken.replace('\'', "''"))).await;
    sync_now(engine, id, Mode::Incremental).await;
    scene.pass(1).await;
    let found = scene.verify().await;
    assert_agrees(&found);
    let reason = |found: &Verification, local: i64| {
        let all: Vec<_> = found
            .differences
            .iter()
            .filter(|one| one.local_id == Some(local))
            .map(|one| (one.field.clone(), one.reason))
            .collect();
        all
    };
    assert_eq!(reason(&found, disputed), [("email".to_owned(), VerifyReason::Conflict)]);
    assert_eq!(reason(&found, refused), [("name".to_owned(), VerifyReason::Failed)]);
    let failed = found.differences.iter().find(|one| one.local_id == Some(refused)).unwrap();
    assert_eq!(failed.note, "it is among the failures: TO-NAME-TAKEN");
    // What has nothing to do with the conflict is a difference all the same.
    scene
        .app
        .run(&format!(
            "UPDATE customers SET is_supplier = NOT is_supplier, sync_rev = sync_rev + 1 WHERE id = {disputed}"
        ))
        .await;
    let found = scene.verify().await;
    let both = reason(&found, disputed);
    assert!(both.contains(&("is_supplier".to_owned(), VerifyReason::XeroOwned)), "{both:?}");
    assert_eq!((both.len(), found.counts.different, found.counts.explained), (2, 1, 1));

    // Set aside.
    let failure = scene.app.text("SELECT id AS c FROM failures WHERE resolved_at IS NULL").await.unwrap();
    engine.ignore_failure(id, failure.parse().unwrap(), "they know", "test").await.unwrap();
    let found = scene.verify().await;
    assert_eq!(reason(&found, refused), [("name".to_owned(), VerifyReason::SetAside)]);
}

#[testkit::on_both_databases]
async fn what_changes_meanwhile_is_looked_at_again(db_url: String) {
    let scene = Scene::new(db_url).await;
    let (_, xero_id) = scene.customer(0).await;
    // While the list of contacts is on its way, somebody changes one of them and a sync brings the change over.
    let before = scene.person().read("Contacts", xero_id).unwrap();
    scene.person().edit("Contacts", xero_id, &json!({"EmailAddress": "meanwhile@xero.test"})).unwrap();
    sync_now(&scene.engine, scene.id, Mode::Incremental).await;
    scene.pass(1).await;
    let (id, old) = (xero_id.to_string(), before["EmailAddress"].clone());
    scene.world.wire.set_hook(move |request, response| {
        let is_list =
            request.url.path().ends_with("/Contacts") && !request.url.query().unwrap_or_default().contains("IDs=");
        Ok(match is_list {
            true => crate::common::change_body(response, |body| {
                let contact =
                    body["Contacts"].as_array_mut().unwrap().iter_mut().find(|one| one["ContactID"] == *id).unwrap();
                contact["EmailAddress"] = old.clone();
            }),
            false => response,
        })
    });
    let found = scene.verify().await;
    assert_agrees(&found);
    assert_eq!(found.counts.explained, 0, "{:#?}", found.differences);
    assert_eq!(found.counts.calls, 10, "one call more: the contact by its id");
    // A list that lost its end is not believed.
    scene.world.wire.set_hook(|request, response| {
        Ok(match request.url.path().ends_with("/Payments") {
            true => crate::common::change_body(response, |body| drop(body["Payments"].as_array_mut().unwrap().pop())),
            false => response,
        })
    });
    let stopped = scene.engine.verify(scene.id, None, "test", &|_| {}).await.unwrap_err();
    assert!(matches!(stopped, Error::ShortList { .. }), "{stopped}");
    let newest = scene.engine.verifications(scene.id, None, None, 1).await.unwrap().remove(0);
    assert_eq!((newest.state, newest.agrees()), (VerifyState::Failed, false));
    assert_eq!(newest.error.unwrap().0, "TO-SHORT-LIST");
    let integrity = scene.engine.connection_status(scene.id).await.unwrap().integrity.unwrap();
    assert_eq!(integrity.verification, found.id, "one that stopped says nothing");
    // Two at a time are one too many.
    let lease = scene.engine.store().acquire_lease(&format!("verify:{}", scene.id), "another", 60).await.unwrap();
    assert!(lease.is_some());
    let busy = scene.engine.verify(scene.id, None, "test", &|_| {}).await;
    assert!(matches!(busy, Err(Error::Busy)));
}

#[testkit::on_both_databases]
async fn a_row_that_cannot_be_read_is_named_and_hides_nothing(db_url: String) {
    let scene = Scene::new(db_url).await;
    let (local, number, _) = scene.invoice(0).await;
    let (other, ..) = scene.invoice(1).await;
    let broken = "UPDATE invoices SET currency_rate = ";
    let value = match scene.app {
        App::Sqlite(_) => "'many'",
        App::Postgres(_) => "'NaN'",
    };
    scene.app.run(&format!("{broken}{value}, sync_rev = sync_rev + 1 WHERE id = {local}")).await;
    let cent = scene.cent();
    scene
        .app
        .run(&format!("UPDATE invoices SET total = total + {cent}, sync_rev = sync_rev + 1 WHERE id = {other}"))
        .await;
    let found = scene.engine.verify(scene.id, Some(Kind::Invoice), "test", &|_| {}).await.unwrap();
    assert_eq!(found.counts.different, 2, "{:#?}", found.differences);
    let one = found.differences.iter().find(|one| one.local_id == Some(local)).unwrap();
    assert_eq!(
        (one.reason, one.field.as_str(), one.label.as_str()),
        (VerifyReason::Unreadable, "row", number.as_str())
    );
    assert!(found.differences.iter().any(|one| one.local_id == Some(other) && one.field == "total"));
}

#[testkit::on_both_databases]
async fn every_record_has_its_turn_in_a_sample(db_url: String) {
    let size = Size { contacts: 90, payments: 30, bank_transactions: 0, ..Size::of_invoices(90) };
    let verify = VerifySettings { sweep_at_s: None, sample_calls: 1, ..VerifySettings::default() };
    let scene = Scene::of(db_url, size, EngineSettings { verify, ..EngineSettings::default() }).await;
    let (local, number, _) = scene.invoice(3).await;
    let cent = scene.cent();
    scene
        .app
        .run(&format!("UPDATE invoices SET total = total + {cent}, sync_rev = sync_rev + 1 WHERE id = {local}"))
        .await;
    let linked: i64 = scene.app.text("SELECT COUNT(*) AS c FROM links").await.unwrap().parse().unwrap();
    let at_most = linked / 40 + 1;
    let mut hours = 0;
    let mut sampled = 0;
    loop {
        assert_eq!(scene.engine.verify_due().await.unwrap(), 1);
        assert_eq!(scene.engine.verify_due().await.unwrap(), 0, "one an hour");
        let found = scene.engine.verifications(scene.id, Some(VerifyScope::Sample), None, 1).await.unwrap().remove(0);
        assert!(found.records() > 0 && found.records() <= 40, "{found:?}");
        sampled += found.records();
        if !found.agrees() {
            let found = scene.engine.verification(scene.id, found.id).await.unwrap();
            assert_eq!(only(&found).0, VerifyReason::XeroOwned);
            assert_eq!(found.differences[0].label, number);
            break;
        }
        scene.pass(1).await;
        hours += 1;
        assert!(hours <= at_most, "not found after {hours} hours and {sampled} of {linked} records");
    }
    assert!(hours > 0, "the first sample would find everything");
    assert!(found_calls(&scene).await <= 6, "a call for 40 records, and the list of accounts");
    let integrity = scene.engine.connection_status(scene.id).await.unwrap().integrity.unwrap();
    assert_eq!((integrity.different, integrity.whole_at), (1, None));
    // The next sample, which finds nothing, does not make it forgotten.
    scene.pass(1).await;
    assert_eq!(scene.engine.verify_due().await.unwrap(), 1);
    let later = scene.engine.connection_status(scene.id).await.unwrap().integrity.unwrap();
    assert_eq!((later.different, later.verification), (1, integrity.verification));
    assert!(later.checked_at > integrity.checked_at);
}

async fn found_calls(scene: &Scene) -> i64 {
    let all = scene.engine.verifications(scene.id, Some(VerifyScope::Sample), None, 100).await.unwrap();
    all.iter().map(|one| one.counts.calls).max().unwrap()
}

#[testkit::on_both_databases]
async fn the_daily_sweep_mends_what_no_sync_sees(db_url: String) {
    let verify = VerifySettings { sample_every_s: None, ..VerifySettings::default() };
    let settings = EngineSettings { verify, ..EngineSettings::default() };
    let scene = Scene::of(db_url, Size { lines: None, ..Size::of_invoices(60) }, settings).await;
    let (engine, id) = (&scene.engine, scene.id);
    // In Xero, undated; in the App, around capture: a column of Xero's own, a column of both; and in a table that the
    // App never writes.
    let (changed, in_xero) = scene.customer(0).await;
    scene.quiet().edit("Contacts", in_xero, &json!({"EmailAddress": "quiet@xero.test"})).unwrap();
    let (cents, _, invoice) = scene.invoice(0).await;
    let cent = scene.cent();
    scene
        .app
        .run(&format!("UPDATE invoices SET total = total + {cent}, sync_rev = sync_rev + 1 WHERE id = {cents}"))
        .await;
    let (other, other_in_xero) = scene.customer(1).await;
    scene
        .app
        .run(&format!("UPDATE customers SET email = 'uncaptured@app.test', sync_rev = sync_rev + 1 WHERE id = {other}"))
        .await;
    scene.app.run(&format!("UPDATE credits SET total = total + {cent} WHERE id = (SELECT MIN(id) FROM credits)")).await;
    sync_now(engine, id, Mode::Incremental).await;
    let found = scene.verify().await;
    assert_eq!(found.counts.different, 4, "an incremental sync sees nothing of it: {:#?}", found.differences);

    // It is due at 03:15 UTC, once, whoever asks.
    assert_eq!(engine.verify_due().await.unwrap(), 0);
    scene.pass(14).await;
    assert_eq!(engine.verify_due().await.unwrap(), 1);
    assert_eq!(engine.verify_due().await.unwrap(), 0, "once a day");
    let swept = engine.verifications(id, None, None, 1).await.unwrap().remove(0);
    let swept = engine.verification(id, swept.id).await.unwrap();
    assert_eq!((swept.triggered_by.as_str(), swept.counts.different), ("sweep", 0), "{:#?}", swept.differences);
    assert_eq!(swept.reasons, [(VerifyReason::Healed, 4)], "{:#?}", swept.differences);
    assert!(swept.differences.iter().all(|one| one.note.starts_with("it differed, and was brought together again: ")));

    let email = |local: i64| format!("SELECT email AS c FROM customers WHERE id = {local}");
    assert_eq!(scene.app.text(&email(changed)).await.as_deref(), Some("quiet@xero.test"));
    engine.push(id, "test").await.unwrap();
    assert_eq!(scene.person().read("Contacts", other_in_xero).unwrap()["EmailAddress"], "uncaptured@app.test");
    let total = scene.person().read("Invoices", invoice).unwrap()["Total"].to_string();
    assert_eq!(engine.agreement(id).await.unwrap().differences, [], "{total}");
    scene.pass(1).await;
    let after = scene.verify().await;
    assert_agrees(&after);
    assert_eq!(after.counts.explained, 0, "{:#?}", after.differences);
    // The next day it is due again, and has nothing to do.
    scene.pass(24).await;
    assert_eq!(engine.verify_due().await.unwrap(), 1);
    let runs = scene.app.text("SELECT COUNT(*) AS c FROM runs WHERE triggered_by = 'sweep'").await.unwrap();
    assert_eq!(runs, "3", "a reading for each of the three kinds that differed, on the first day only");
}

#[testkit::on_both_databases]
async fn three_thousand_invoices_take_thirty_pages_and_old_verifications_go(db_url: String) {
    let size = Size {
        payments: 0,
        credit_notes: 0,
        prepayments: 0,
        overpayments: 0,
        bank_transactions: 0,
        ..Size::of_invoices(3_000)
    };
    let size = Size { contacts: 50, lines: Some(1), ..size };
    let scene = Scene::of(db_url, size, EngineSettings { page_size: 100, ..EngineSettings::default() }).await;
    let (local, number, _) = scene.invoice(1_000).await;
    let cent = scene.cent();
    scene
        .app
        .run(&format!(
            "UPDATE invoices SET amount_due = amount_due - {cent}, sync_rev = sync_rev + 1 WHERE id = {local}"
        ))
        .await;
    let found = scene.engine.verify(scene.id, Some(Kind::Invoice), "test", &|_| {}).await.unwrap();
    assert_eq!(found.counts.calls, 31, "30 pages, and the one that differs by its id");
    assert_eq!((found.kinds[0].app, found.kinds[0].xero, found.kinds[0].same), (3_000, 3_000, 2_999));
    let (reason, _, sentence) = only(&found);
    assert_eq!(reason, VerifyReason::XeroOwned);
    assert!(sentence.starts_with(&format!("invoice {number} (local {local}): amount_due: ")), "{sentence}");
    // Ninety days later it is gone, but for the newest whole one.
    let whole = scene.engine.verify(scene.id, None, "test", &|_| {}).await.unwrap();
    scene.app.run("UPDATE verifications SET started_at = '2025-12-01T00:00:00.000Z'").await;
    scene.engine.verify(scene.id, Some(Kind::Customer), "test", &|_| {}).await.unwrap();
    let kept: Vec<i64> =
        scene.engine.verifications(scene.id, None, None, 10).await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!((kept.len(), kept[1]), (2, whole.id));
    assert!(matches!(scene.engine.verification(scene.id, found.id).await, Err(Error::NotFound(_))));
    assert_eq!(scene.app.text("SELECT COUNT(*) AS c FROM verification_differences").await.as_deref(), Some("1"));
}
