//! Token refreshes and crashes: the rows of reliability.md A6.3 that `tokens.rs` has not.

use crate::common::crash::{Stage, Trap};
use crate::common::sync_now;
use store::{ConnectionState, Mode, RunState};
use sync::Engine;

const TOKEN: &str = "/connect/token";
/// Longer than an access token is good, in seconds.
const AGES: i64 = 40 * 60;

fn token_calls(stage: &Stage) -> usize {
    stage.world.emulator.log().iter().filter(|call| call.target.starts_with(TOKEN)).count()
}

/// The generation of the saved tokens, and whether a refresh is open.
async fn saved(engine: &Engine) -> (i64, bool) {
    let grants = engine.store().read().await.unwrap().grants().await.unwrap();
    (grants[0].generation, grants[0].refresh_intent_at.is_some())
}

async fn assert_works(stage: &Stage, engine: &Engine) {
    assert_eq!(sync_now(engine, stage.id, Mode::Incremental).await.state, RunState::Completed);
    assert_eq!(engine.connection(stage.id).await.unwrap().state, ConnectionState::Connected);
}

/// A call for which the token must be refreshed first, up to the trap; then the process dies.
async fn call_and_die(stage: &Stage, engine: Engine, trap: Trap) {
    stage.traps.set("POST", TOKEN, trap);
    tokio::select! {
        ended = engine.agreement(stage.id) => panic!("it ended before it met the trap: {ended:?}"),
        () = stage.traps.arrived() => {}
    }
    drop(engine);
}

#[testkit::on_both_databases]
async fn t0_to_t1_a_crash_under_the_lease_leaves_nothing_to_do(url: String) {
    let stage = Stage::new(url).await;
    let engine = stage.engine().await;
    let (generation, _) = saved(&engine).await;
    stage.later(AGES);
    // What a process that died there leaves behind: its lease, until that ends.
    let grant = engine.connection(stage.id).await.unwrap().grant.unwrap();
    let dead = engine.store().acquire_lease(&format!("refresh:{grant}"), "dead", 60).await.unwrap();
    assert!(dead.is_some());
    let before = token_calls(&stage);
    let engine = stage.engine().await;
    assert_eq!(token_calls(&stage), before, "nothing to finish");
    assert_works(&stage, &engine).await;
    assert_eq!((token_calls(&stage), saved(&engine).await), (before + 1, (generation + 1, false)));
}

#[testkit::on_both_databases]
async fn t1_to_t2_a_crash_before_sending_is_tried_again_with_the_same_token_at_start(url: String) {
    let stage = Stage::new(url).await;
    let engine = stage.engine().await;
    let (generation, _) = saved(&engine).await;
    stage.later(AGES);
    call_and_die(&stage, engine, Trap::DieBefore).await;
    stage.later(300);
    let before = token_calls(&stage);
    let engine = stage.engine().await;
    assert_eq!((token_calls(&stage), saved(&engine).await), (before + 1, (generation + 1, false)));
    assert_works(&stage, &engine).await;
}

#[testkit::on_both_databases]
async fn t2_done_and_dead_before_t3_is_healed_at_start_within_the_grace(url: String) {
    let stage = Stage::new(url).await;
    let engine = stage.engine().await;
    let (generation, _) = saved(&engine).await;
    stage.later(AGES);
    call_and_die(&stage, engine, Trap::DieAfter).await;
    stage.later(25 * 60);
    let engine = stage.engine().await;
    assert_eq!(saved(&engine).await, (generation + 1, false));
    assert_works(&stage, &engine).await;
}

#[testkit::on_both_databases]
async fn t3_fence_lost_the_saved_generation_wins_and_both_processes_go_on(url: String) {
    let stage = Stage::new(url).await;
    let slow = stage.engine().await;
    let (generation, _) = saved(&slow).await;
    stage.later(AGES);
    stage.traps.set("POST", TOKEN, Trap::HoldAfter);
    let takes_over = async {
        stage.traps.arrived().await;
        // Its lease ends while it waits for the answer; another process finishes the open refresh.
        let owner = stage.engine().await;
        assert_eq!(saved(&owner).await, (generation + 1, false));
        stage.traps.release();
        owner
    };
    let (late, owner) = tokio::join!(slow.agreement(stage.id), takes_over);
    late.unwrap();
    assert_eq!(saved(&owner).await, (generation + 1, false), "the late one overwrote nothing");
    assert_works(&stage, &owner).await;
    assert_works(&stage, &slow).await;
    // And the saved refresh token is one that Xero takes.
    stage.later(AGES);
    assert_works(&stage, &owner).await;
    assert_works(&stage, &slow).await;
}

#[testkit::on_both_databases]
async fn invalid_grant_with_a_row_that_changed_uses_the_row(url: String) {
    let stage = Stage::new(url).await;
    let slow = stage.engine().await;
    stage.later(AGES);
    stage.traps.set("POST", TOKEN, Trap::HoldBefore);
    let goes_on = async {
        stage.traps.arrived().await;
        let owner = stage.engine().await;
        // The token after the next: the one that waits on its way is dead now.
        owner.refresh_token(stage.id).await.unwrap();
        let saved = saved(&owner).await;
        stage.traps.release();
        (owner, saved)
    };
    let (late, (owner, before)) = tokio::join!(slow.agreement(stage.id), goes_on);
    late.unwrap();
    let refused = stage.world.emulator.log().iter().filter(|call| call.target == TOKEN && call.status == 400).count();
    assert_eq!((refused, saved(&owner).await), (1, before));
    assert_works(&stage, &slow).await;
    assert_works(&stage, &owner).await;
}

#[testkit::on_both_databases]
async fn http_5xx_of_a_refresh_is_tried_again_as_a_lost_reply(url: String) {
    let stage = Stage::new(url).await;
    let engine = stage.engine().await;
    let (generation, _) = saved(&engine).await;
    for damage in ["refuse=503", "refuse=500", "commit-then-status=502"] {
        stage.later(AGES);
        stage.fault(&format!("nth=1 POST {TOKEN} {damage}"));
        assert_works(&stage, &engine).await;
    }
    assert_eq!(saved(&engine).await, (generation + 3, false));
    assert_eq!(stage.world.emulator.clear_faults(), 0);
}
