//! Defects that were found once: each test states what holds since.

use std::sync::Arc;

use crate::common::{Person, World, change_body, plan, sync_now};
use emulator::{Fault, FaultAction, Size};
use jiff::{SignedDuration, Timestamp};
use model::{ConnectionId, Kind};
use serde_json::{Value, json};
use store::{Mode, RunState};
use sync::{Engine, EngineParts, EngineSettings, Vault};
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{Client, ClientSettings, Endpoints, Secret, SystemEntropy, TransportError, Unlimited};

const MINUTE_MS: i64 = 60_000;

async fn world(url: String, size: Size) -> (World, Engine, ConnectionId) {
    let world = World::new(plan(size), url);
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    (world, engine, id)
}

fn at(date: &str) -> String {
    let instant: Timestamp = date.parse().unwrap();
    format!("/Date({}+0000)/", instant.as_millisecond())
}

fn first_of(body: &mut Value, list: &str, change: impl Fn(&mut Value)) {
    if let Some(items) = body[list].as_array_mut() {
        items.iter_mut().for_each(change);
    }
}

/// A time stamp that moves alone, then a change: both are links to update, with different columns.
#[testkit::on_both_databases]
async fn a_touched_record_and_then_a_changed_one(db_url: String) {
    let (world, engine, id) = world(db_url, Size::of_invoices(20)).await;
    sync_now(&engine, id, Mode::Full).await;
    // Often enough that a pooled connection sees a touch first and a change later.
    for round in 0..24 {
        let day = at(&format!("2031-01-{:02}T00:00:00Z", round + 1));
        world.wire.set_hook(move |request, response| match request.url.path().ends_with("/Contacts") {
            true => Ok(change_body(response, |body| {
                first_of(body, "Contacts", |one| {
                    one["UpdatedDateUTC"] = json!(day);
                    if round >= 12 {
                        one["FirstName"] = json!(format!("Changed {round}"));
                    }
                });
            })),
            false => Ok(response),
        });
        let run = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap();
        assert_eq!(run.total().updated > 0, round >= 12);
    }
}

/// An absurd answer: the second of many pages is empty, though the pagination says that there are more.
#[testkit::on_both_databases]
async fn an_empty_page_in_the_middle_of_a_list_loses_nothing(db_url: String) {
    let world = World::new(plan(Size::of_invoices(60)), db_url);
    let settings = EngineSettings { page_size: 10, ..EngineSettings::default() };
    let engine = world.engine_with(settings, Arc::new(Unlimited), world.url.clone()).await.unwrap();
    let id = world.connect(&engine).await;
    world.wire.set_hook(|request, response| {
        let is_second = request.url.query_pairs().any(|(name, value)| name == "page" && value == "2");
        match request.url.path().ends_with("/Invoices") && is_second {
            true => Ok(change_body(response, |body| body["Invoices"] = json!([]))),
            false => Ok(response),
        }
    });
    let run = engine.sync(id, Mode::Full, "test", &|_| {}).await;
    let Ok(run) = run else { return };
    let links = engine.store().read().await.unwrap().count_links(id).await.unwrap();
    let linked = links.iter().find(|(kind, _)| *kind == Kind::Invoice).unwrap().1;
    assert_eq!(linked, 60, "the run is {:?}", run.state);
}

fn a_bank_account(person: &Person) -> String {
    let payments = person.get("Payments?page=1&pageSize=1");
    payments["Payments"][0]["Account"]["AccountID"].as_str().unwrap().to_owned()
}

/// An account that cannot be read, in the list and by its id: the payments on it wait, the rest comes over.
#[testkit::on_both_databases]
async fn a_bad_record_that_others_refer_to_stops_nothing(db_url: String) {
    let (world, engine, id) = world(db_url, Size::of_invoices(40)).await;
    let bad = a_bank_account(&world.person());
    world.wire.set_hook(move |request, response| match request.url.path().contains("/Accounts") {
        true => Ok(change_body(response, |body| {
            first_of(body, "Accounts", |one| {
                if one["AccountID"] == bad.as_str() {
                    one["EnablePaymentsToAccount"] = json!({"absurd": 1});
                    one["Name"] = json!([1]);
                }
            });
        })),
        false => Ok(response),
    });
    let run = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap();
    assert_eq!(run.state, RunState::Partial);
}

/// The application deletes a customer by SQL; a new invoice of it in Xero must not stop every sync from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_local_row_that_was_deleted_stops_nothing() {
    let database = testkit::Database::sqlite(None).await;
    let (world, engine, id) = world(database.url(), Size::empty()).await;
    let person = world.person();
    let made = person.put("Contacts", json!({"Name": "Gone Ltd"}));
    let contact = made["Contacts"][0]["ContactID"].as_str().unwrap().to_owned();
    sync_now(&engine, id, Mode::Full).await;
    let path = world.url.strip_prefix("sqlite://").unwrap();
    assert_eq!(rusqlite::Connection::open(path).unwrap().execute("DELETE FROM customers", []).unwrap(), 1);
    person.put(
        "Invoices",
        json!({"Type": "ACCREC", "Contact": {"ContactID": contact}, "LineItems": [{"Description": "Work", "Quantity": 1, "UnitAmount": 5}]}),
    );
    let run = engine.sync(id, Mode::Incremental, "test", &|_| {}).await.unwrap();
    assert_eq!(run.state, RunState::Partial);
}

async fn frozen(url: String) -> (World, Engine, ConnectionId) {
    let mut config = plan(Size::of_invoices(20));
    config.clock = emulator::Clock::frozen(1_790_000_000_000);
    let world = World::new(config, url);
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    (world, engine, id)
}

/// The answer was lost, then the network goes away: the refresh is still open, and Xero may have rotated.
#[testkit::on_both_databases]
async fn a_refresh_with_a_lost_answer_stays_open_when_the_next_try_cannot_leave(db_url: String) {
    let (world, engine, id) = frozen(db_url).await;
    let _going = world.clock.keep_going();
    world.emulator.add_fault(Fault {
        method: "POST".into(),
        path_contains: "/connect/token".into(),
        nth: 1,
        action: FaultAction::LoseAnswer,
    });
    world.emulator.clock().advance(40 * MINUTE_MS);
    world.wire.set_hook(|request, response| match request.url.path() {
        "/connect/token" => Err(TransportError::NotSent("no route to host".into())),
        _ => Ok(response),
    });
    engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    let grants = engine.store().read().await.unwrap().grants().await.unwrap();
    assert!(grants[0].refresh_intent_at.is_some(), "the first try may have rotated the token");
}

/// A token that lacks a scope is still fresh when the person has connected again: it must not be used any more.
#[testkit::on_both_databases]
async fn connecting_again_replaces_the_token_in_use(db_url: String) {
    let (world, engine, id) = world(db_url, Size::of_invoices(20)).await;
    let old = Arc::new(std::sync::Mutex::new(None::<String>));
    world.wire.set_hook(move |request, mut response| {
        let Some(token) = request.headers.get("authorization").filter(|_| request.url.path().contains("api.xro"))
        else {
            return Ok(response);
        };
        let token = token.to_str().unwrap().to_owned();
        if *old.lock().unwrap().get_or_insert_with(|| token.clone()) == token {
            response.status = http::StatusCode::UNAUTHORIZED;
            response.body = r#"{"Title":"Unauthorized","Status":401,"Detail":"AuthorizationUnsuccessful"}"#.into();
        }
        Ok(response)
    });
    let refused = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "TO-SCOPE");
    assert_eq!(world.connect(&engine).await, id);
    let again = engine.sync(id, Mode::Full, "test", &|_| {}).await;
    assert!(again.is_ok(), "{:?}", again.err());
}

/// The wrong key is our trouble, not Xero's refusal, and connecting again would be the wrong thing to do.
#[testkit::on_both_databases]
async fn a_wrong_key_is_called_so(db_url: String) {
    let (world, engine, id) = world(db_url, Size::of_invoices(20)).await;
    drop(engine);
    let endpoints = Endpoints::at("http://emulator.test".parse().unwrap());
    let app = &world.emulator.config().app;
    let credentials = ClientCredentials {
        client_id: app.client_id.clone(),
        client_secret: app.client_secret.clone().map(Secret::new),
    };
    let clock = Arc::new(world.clock.clone());
    let now = world.clock.clone();
    let engine = Engine::start(EngineParts {
        store: store::Store::open(&world.url, Arc::new(move || xero::Clock::now(&now))).await.unwrap(),
        client: Client::new(
            ClientSettings::new(endpoints.clone()),
            world.wire.clone(),
            clock.clone(),
            Arc::new(Unlimited),
        ),
        oauth: OAuthClient::new(endpoints, credentials, world.wire.clone()),
        vault: Vault::new(&Secret::new("0b".repeat(32))).unwrap(),
        clock,
        entropy: Arc::new(SystemEntropy),
        settings: EngineSettings::default(),
    })
    .await
    .unwrap();
    let error = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    assert_eq!(error.code(), "TO-KEY", "{error}");
}

/// A refresh that was under way when the person disconnected must not bring the tokens back.
#[testkit::on_both_databases]
async fn a_disconnected_consent_stays_without_tokens(db_url: String) {
    let (world, engine, _) = world(db_url, Size::of_invoices(20)).await;
    let now = xero::Clock::now(&world.clock);
    let mut tx = engine.store().begin().await.unwrap();
    let grant = tx.grants().await.unwrap().remove(0);
    assert!(tx.begin_refresh(grant.id, grant.generation, now).await.unwrap());
    tx.shred_grant(grant.id, now).await.unwrap();
    let fresh = store::Refreshed {
        generation: grant.generation + 1,
        scopes: None,
        access_token: "sealed".into(),
        access_expires_at: now.checked_add(SignedDuration::from_mins(30)).unwrap(),
        refresh_token: Some("sealed".into()),
        previous_refresh_token: None,
        previous_until: None,
    };
    tx.finish_refresh(grant.id, grant.generation, &fresh, now).await.unwrap();
    let after = tx.grant(grant.id).await.unwrap().unwrap();
    assert_eq!((after.state, after.refresh_token), (store::GrantState::Revoked, None));
}

/// One kind that cannot be read keeps failing; the others must still get what changes in them.
#[testkit::on_both_databases]
async fn a_kind_that_keeps_failing_does_not_starve_the_others(db_url: String) {
    let (world, engine, id) = frozen(db_url).await;
    sync_now(&engine, id, Mode::Full).await;
    world.wire.set_hook(|request, mut response| {
        if request.url.path().ends_with("/Overpayments") {
            response.body = "<html>Bad gateway</html>".into();
            response.headers.insert("content-type", "text/html".parse().unwrap());
        }
        Ok(response)
    });
    engine.sync(id, Mode::Incremental, "test", &|_| {}).await.unwrap_err();
    world.emulator.clock().advance(15 * MINUTE_MS);
    world.person().put("Contacts", json!({"Name": "New since then"}));
    for _ in 0..3 {
        world.emulator.clock().advance(MINUTE_MS);
        engine.sync(id, Mode::Incremental, "test", &|_| {}).await.unwrap_err();
    }
    let org = engine.connection(id).await.unwrap().org;
    let query =
        store::ReadQuery { limit: 2, texts: vec![("name", "New since then".into())], ..store::ReadQuery::default() };
    let mut tx = engine.store().read().await.unwrap();
    let page = tx.list_books::<model::Customer>(org, id, Kind::Customer, &query).await.unwrap();
    assert_eq!(page.items.len(), 1);
}

/// A first full sync that ended for a lasting reason leaves books that are not whole; no later run may call them complete.
#[testkit::on_both_databases]
async fn a_full_sync_that_was_refused_half_way_is_finished_later(db_url: String) {
    let (world, engine, id) = frozen(db_url).await;
    world.wire.set_hook(|request, mut response| {
        if request.url.path().ends_with("/Payments") {
            response.status = http::StatusCode::FORBIDDEN;
            response.body = r#"{"Title":"Forbidden","Status":403,"Detail":"the role does not allow it"}"#.into();
        }
        Ok(response)
    });
    engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    world.wire.clear_hook();
    let run = sync_now(&engine, id, Mode::Incremental).await;
    let there = world.person().get("Payments?page=1&pageSize=1")["pagination"]["itemCount"].as_i64().unwrap();
    let links = engine.store().read().await.unwrap().count_links(id).await.unwrap();
    let linked = links.iter().find(|(kind, _)| *kind == Kind::Payment).map_or(0, |(_, count)| *count);
    assert_eq!(linked, there, "{:?}", run.state);
}

/// The refund of a credit note travels under the key `Invoice` with the credit's type and id, as in Xero's own description.
#[testkit::on_both_databases]
async fn the_refund_of_a_credit_note_comes_over(db_url: String) {
    let (world, engine, id) = world(db_url, Size::of_invoices(20)).await;
    let person = world.person();
    let made = person.put("Contacts", json!({"Name": "Refund Ltd"}));
    let contact = made["Contacts"][0]["ContactID"].clone();
    let accounts = person.get("Accounts");
    let of = |kind: &str| {
        let all = accounts["Accounts"].as_array().unwrap();
        all.iter().find(|a| a["Type"] == kind && a["Status"] == "ACTIVE").unwrap().clone()
    };
    let credit = person.put(
        "CreditNotes",
        json!({"Type": "ACCRECCREDIT", "Contact": {"ContactID": contact}, "Status": "AUTHORISED", "Date": "2026-11-20",
            "LineItems": [{"Description": "Back", "Quantity": 1, "UnitAmount": 10, "AccountCode": of("REVENUE")["Code"]}]}),
    );
    let bank =
        accounts["Accounts"].as_array().unwrap().iter().find(|a| a["Type"] == "BANK" && a["CurrencyCode"] == "NZD");
    person.put(
        "Payments",
        json!({"CreditNote": {"CreditNoteID": credit["CreditNotes"][0]["CreditNoteID"]}, "Amount": 2, "Date": "2026-11-21",
            "Account": {"AccountID": bank.unwrap()["AccountID"]}}),
    );
    let run = sync_now(&engine, id, Mode::Full).await;
    let failures = engine.store().read().await.unwrap().open_failures(id, 10).await.unwrap();
    assert_eq!((run.state, failures), (RunState::Completed, Vec::new()));
}

/// Whoever asked for a refresh may go away (a closed browser) while Xero answers: the rotated token must still be saved.
#[testkit::on_both_databases]
async fn a_refresh_outlives_the_one_who_asked(db_url: String) {
    let (world, engine, id) = frozen(db_url).await;
    world.emulator.clock().advance(26 * MINUTE_MS);
    let gone = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&gone);
    world.wire.set_hook(move |request, response| {
        if request.url.path() == "/connect/token" {
            tell.notify_one();
        }
        Ok(response)
    });
    tokio::select! {
        biased;
        () = gone.notified() => {}
        _ = engine.refresh_token(id) => {}
    }
    world.wire.clear_hook();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    world.emulator.clock().advance(31 * MINUTE_MS);
    let _going = world.clock.keep_going();
    let run = engine.sync(id, Mode::Full, "test", &|_| {}).await;
    assert!(run.is_ok(), "{:?}", run.err());
}

/// The window of a first incremental sync is fixed when it begins: a run taken up hours later must not skip what has left it.
#[testkit::on_both_databases]
async fn the_window_of_a_first_incremental_sync_does_not_move(db_url: String) {
    let mut config = plan(Size::empty());
    config.clock = emulator::Clock::frozen(1_790_000_000_000);
    let world = World::new(config, db_url);
    let settings = EngineSettings { page_size: 10, ..EngineSettings::default() };
    let engine = world.engine_with(settings, Arc::new(Unlimited), world.url.clone()).await.unwrap();
    let id = world.connect(&engine).await;
    let person = world.person();
    for number in 0..20 {
        person.put("Contacts", json!({"Name": format!("Early {number}")}));
    }
    world.emulator.clock().advance(10 * 60 * MINUTE_MS);
    let person = world.person();
    for number in 0..20 {
        person.put("Contacts", json!({"Name": format!("Late {number}")}));
    }
    world.wire.set_hook(|request, response| {
        let is_third = request.url.query_pairs().any(|(name, value)| name == "page" && value == "3");
        match request.url.path().ends_with("/Contacts") && is_third {
            true => Err(TransportError::Unanswered("reset".into())),
            false => Ok(response),
        }
    });
    let going = world.clock.keep_going();
    engine.sync(id, Mode::Incremental, "test", &|_| {}).await.unwrap_err();
    drop(going);
    world.wire.clear_hook();
    world.emulator.clock().advance(18 * 60 * MINUTE_MS);
    sync_now(&engine, id, Mode::Incremental).await;
    sync_now(&engine, id, Mode::Incremental).await;
    let links = engine.store().read().await.unwrap().count_links(id).await.unwrap();
    let linked = links.iter().find(|(kind, _)| *kind == Kind::Customer).unwrap().1;
    assert_eq!(linked, 40);
}
