//! Connecting, keeping tokens alive and disconnecting: the refresh protocol of reliability.md A6.3, row by row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{World, plan, sync_now};
use emulator::{Fault, FaultAction, Size};
use model::ConnectionId;
use store::{ConnectionState, Mode, RunState};
use sync::{Engine, EngineSettings, Error};
use xero::{Secret, TransportError, Unlimited};

const MINUTE_MS: i64 = 60_000;

/// A world whose clock stands still until a test moves it.
async fn world(url: String) -> (World, Engine, ConnectionId) {
    let mut config = plan(Size::of_invoices(20));
    config.clock = emulator::Clock::frozen(1_790_000_000_000);
    let world = World::new(config, url);
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    (world, engine, id)
}

fn token_calls(world: &World) -> usize {
    world.emulator.log().iter().filter(|call| call.target.starts_with("/connect/token")).count()
}

async fn state(engine: &Engine, id: ConnectionId) -> ConnectionState {
    engine.connection(id).await.unwrap().state
}

fn lose_token_answers(world: &World, count: u64) {
    for nth in 1..=count {
        world.emulator.add_fault(Fault {
            method: "POST".into(),
            path_contains: "/connect/token".into(),
            nth,
            action: FaultAction::LoseAnswer,
        });
    }
}

#[testkit::on_both_databases]
async fn an_access_token_that_ends_is_refreshed_once_and_nothing_is_lost(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    let before = token_calls(&world);
    sync_now(&engine, id, Mode::Full).await;
    assert_eq!(token_calls(&world), before, "the first token is good");
    world.emulator.clock().advance(26 * MINUTE_MS);
    sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!(token_calls(&world), before + 1, "refreshed five minutes before its end, once");
    // Xero may end a token early: one refused call, one refresh, the same call again.
    world.emulator.expire_access_tokens();
    let run = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!((run.state, run.calls), (RunState::Completed, 11));
    assert_eq!(token_calls(&world), before + 2);
}

#[testkit::on_both_databases]
async fn two_processes_refresh_one_token_once(db_url: String) {
    let (world, first, id) = world(db_url).await;
    let second = world.engine().await;
    let _going = world.clock.keep_going();
    world.emulator.clock().advance(40 * MINUTE_MS);
    let before = token_calls(&world);
    let (one, two) = tokio::join!(first.agreement(id), second.agreement(id));
    one.unwrap();
    two.unwrap();
    assert_eq!(token_calls(&world), before + 1);
}

#[testkit::on_both_databases]
async fn t2_reply_lost_the_same_token_is_sent_again_within_the_grace(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    let _going = world.clock.keep_going();
    lose_token_answers(&world, 1);
    world.emulator.clock().advance(40 * MINUTE_MS);
    assert_eq!(sync_now(&engine, id, Mode::Full).await.state, RunState::Completed);
    assert_eq!(state(&engine, id).await, ConnectionState::Connected);
}

#[testkit::on_both_databases]
async fn t2_to_t3_a_crash_after_rotation_is_healed_at_the_next_start_before_any_other_work(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    let going = world.clock.keep_going();
    // Xero rotates, and no answer ever arrives: what a crash before the save looks like from the database.
    lose_token_answers(&world, 4);
    world.emulator.clock().advance(40 * MINUTE_MS);
    let error = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let open = engine.store().read().await.unwrap().grants().await.unwrap();
    assert!(open[0].refresh_intent_at.is_some(), "the intent is durable");
    drop((engine, going));

    world.emulator.clock().advance(5 * MINUTE_MS);
    let before = token_calls(&world);
    let restarted = world.engine().await;
    assert_eq!(token_calls(&world), before + 1, "at start");
    let grants = restarted.store().read().await.unwrap().grants().await.unwrap();
    assert_eq!((grants[0].refresh_intent_at, grants[0].generation), (None, 2));
    assert_eq!(sync_now(&restarted, id, Mode::Full).await.state, RunState::Completed);
}

#[testkit::on_both_databases]
async fn down_for_longer_than_the_grace_needs_a_person_and_deletes_nothing(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    sync_now(&engine, id, Mode::Full).await;
    let going = world.clock.keep_going();
    lose_token_answers(&world, 4);
    world.emulator.clock().advance(40 * MINUTE_MS);
    engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    drop((engine, going));
    // Somebody else's newer token makes the grace of the old one end for good.
    world.emulator.clock().advance(31 * MINUTE_MS);
    let restarted = world.engine().await;
    assert_eq!(state(&restarted, id).await, ConnectionState::NeedsReconnect);
    let status = restarted.connection_status(id).await.unwrap();
    assert!(status.books.iter().any(|(_, count)| *count > 0), "the books are kept");
    let grants = restarted.store().read().await.unwrap().grants().await.unwrap();
    assert!(grants[0].refresh_token.is_some(), "even the refused token is kept");
    // No further call is made until a person has connected again.
    let calls = world.emulator.call_count();
    let refused = restarted.sync(id, Mode::Full, "test", &|_| {}).await;
    assert!(matches!(refused, Err(Error::NeedsReconnect { .. })));
    assert_eq!(world.emulator.call_count(), calls);

    assert_eq!(world.connect(&restarted).await, id, "the same tenant keeps its connection");
    let run = sync_now(&restarted, id, Mode::Full).await;
    assert_eq!((run.total().created, run.state), (0, RunState::Completed));
}

#[testkit::on_both_databases]
async fn invalid_grant_marks_the_connection_and_makes_no_storm(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    world.emulator.revoke_refresh_tokens();
    world.emulator.clock().advance(40 * MINUTE_MS);
    let before = token_calls(&world);
    for _ in 0..3 {
        let refused = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
        assert_eq!(refused.code(), "TO-RECONNECT", "{refused}");
    }
    assert_eq!(token_calls(&world), before + 1);
    assert_eq!(state(&engine, id).await, ConnectionState::NeedsReconnect);
}

#[testkit::on_both_databases]
async fn a_refresh_that_never_left_is_no_open_refresh(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    let _going = world.clock.keep_going();
    world.emulator.clock().advance(40 * MINUTE_MS);
    world.wire.set_hook(|request, response| match request.url.path() {
        "/connect/token" => Err(TransportError::NotSent("connection refused".into())),
        _ => Ok(response),
    });
    let error = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    world.wire.clear_hook();
    sync_now(&engine, id, Mode::Full).await;
}

#[testkit::on_both_databases]
async fn a_consent_works_once_in_its_session_and_for_ten_minutes(db_url: String) {
    let (world, engine, _) = world(db_url).await;
    let code = |code: String| Secret::new(code);

    let start = engine.begin_connect(Some("/connections".into())).await.unwrap();
    let (state, first) = world.consent(&start.url);
    let other = engine.begin_connect(None).await.unwrap();
    let stranger = engine.finish_connect(&state, &other.session, &code(first.clone())).await;
    assert!(matches!(stranger, Err(Error::StaleConsent)), "another session");
    let (connected, back) = engine.finish_connect(&state, &start.session, &code(first.clone())).await.unwrap();
    assert_eq!((connected.len(), back.as_deref()), (1, Some("/connections")));
    let twice = engine.finish_connect(&state, &start.session, &code(first)).await;
    assert!(matches!(twice, Err(Error::StaleConsent)), "used");

    let late = engine.begin_connect(None).await.unwrap();
    let (state, second) = world.consent(&late.url);
    world.emulator.clock().advance(11 * MINUTE_MS);
    let refused = engine.finish_connect(&state, &late.session, &code(second)).await;
    assert!(matches!(refused, Err(Error::StaleConsent)), "too old");
    assert!(matches!(
        engine.finish_connect("made up", &late.session, &code("x".into())).await,
        Err(Error::StaleConsent)
    ));
}

#[testkit::on_both_databases]
async fn several_organisations_of_one_consent_share_its_tokens(db_url: String) {
    let mut config = plan(Size::of_invoices(20));
    let mut second = config.organisations[0].clone();
    second.name = "Second Ltd".into();
    config.organisations.push(second);
    let world = World::new(config, db_url);
    let engine = world.engine().await;
    let first = world.connect(&engine).await;
    let status = engine.status().await.unwrap();
    assert_eq!(status.len(), 2);
    assert_eq!(status[0].connection.grant, status[1].connection.grant);
    for one in &status {
        assert_eq!(sync_now(&engine, one.connection.id, Mode::Full).await.state, RunState::Completed);
    }
    // Each has its own books; ending one leaves the other alone.
    assert!(engine.disconnect(first).await.unwrap());
    let other = status.iter().map(|one| one.connection.id).find(|id| *id != first).unwrap();
    sync_now(&engine, other, Mode::Incremental).await;
    let revoked = |world: &World| world.emulator.log().iter().any(|call| call.target.contains("/connect/revocation"));
    assert!(!revoked(&world));
    assert!(engine.disconnect(other).await.unwrap());
    assert!(revoked(&world), "the last one revokes the consent");
    assert!(world.emulator.connections().iter().all(|connection| !connection.is_live));
    assert_eq!(engine.store().read().await.unwrap().grants().await.unwrap(), []);
    assert_eq!(state(&engine, other).await, ConnectionState::Disconnected);
    assert_eq!(engine.sync(other, Mode::Full, "test", &|_| {}).await.unwrap_err().code(), "TO-NOT-CONNECTED");
}

#[testkit::on_both_databases]
async fn a_tenant_that_was_disconnected_in_xero_is_noticed_with_one_call(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    world.emulator.disconnect_tenant(world.emulator.tenants()[0]);
    let before = world.emulator.call_count();
    let error = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
    assert_eq!(error.code(), "TO-DISCONNECTED");
    assert_eq!(world.emulator.call_count(), before + 1);
    assert_eq!(state(&engine, id).await, ConnectionState::Disconnected);
}

#[testkit::on_both_databases]
async fn a_denied_consent_leaves_nothing_behind(db_url: String) {
    let mut config = plan(Size::of_invoices(20));
    config.auto_consent = Some(emulator::config::AutoConsent::Deny);
    let world = World::new(config, db_url);
    let engine = world.engine().await;
    let start = engine.begin_connect(None).await.unwrap();
    let (_, code) = world.consent(&start.url);
    assert_eq!(code, "", "no code comes back");
    assert!(engine.status().await.unwrap().is_empty());
}

#[testkit::on_both_databases]
async fn a_database_of_the_emulator_is_never_used_with_xero(db_url: String) {
    let (world, engine, _) = world(db_url).await;
    drop(engine);
    let mut tx = store::Store::open(&world.url, Arc::new(jiff::Timestamp::now)).await.unwrap().begin().await.unwrap();
    tx.set_fact("xero", "live").await.unwrap();
    tx.commit().await.unwrap();
    let refused = world.engine_with(EngineSettings::default(), Arc::new(Unlimited), world.url.clone()).await;
    assert!(matches!(refused.err(), Some(Error::WrongXero { wanted: "emulator", .. })));
}

#[testkit::on_both_databases]
async fn no_token_is_readable_in_the_database(db_url: String) {
    let (world, engine, id) = world(db_url).await;
    let tokens = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&tokens);
    let secrets = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&secrets);
    world.wire.set_hook(move |request, response| {
        if request.url.path() == "/connect/token" {
            let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            for name in ["access_token", "refresh_token"] {
                kept.lock().unwrap().push(body[name].as_str().unwrap().to_owned());
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(response)
    });
    engine.refresh_token(id).await.unwrap();
    assert_eq!(tokens.load(Ordering::Relaxed), 2);
    let grants = engine.store().read().await.unwrap().grants().await.unwrap();
    let shown = format!("{grants:?}");
    for secret in secrets.lock().unwrap().iter() {
        assert!(!shown.contains(secret.as_str()));
    }
    let Some(path) = world.url.strip_prefix("sqlite://") else { return };
    for file in [path.to_owned(), format!("{path}-wal")] {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for secret in secrets.lock().unwrap().iter() {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
        }
    }
}
