//! Creates and crashes: the table of reliability.md A6.1, row by row, for every kind of record.

use crate::common::change_body;
use crate::common::crash::{Case, Made, Stage, Trap, for_every};
use emulator::Call;
use sync::{Engine, Error};

/// `W`, `D` with the time that a request may wait for its turn, and the time between two looks, in seconds.
const W: i64 = 90;
const D: i64 = 270;
const GAP: i64 = 60;

fn put(made: &Made) -> (&'static str, &'static str) {
    ("PUT", made.case.endpoint())
}

fn keys(calls: &[Call]) -> Vec<String> {
    let mut keys: Vec<String> = calls.iter().filter_map(|call| call.idempotency_key.clone()).collect();
    keys.dedup();
    keys
}

/// The create is carried out, the process dies before the answer, and comes back so much later.
async fn lose_the_answer(stage: &Stage, engine: Engine, made: &Made, later: i64) -> Engine {
    let (method, path) = put(made);
    stage.push_and_die(engine, method, path, Trap::DieAfter).await;
    stage.later(later);
    stage.engine().await
}

#[testkit::on_both_databases]
async fn before_p0_a_crash_while_planning_plans_again(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        stage.break_inserts("intents").await;
        stage.push(&engine).await.unwrap_err();
        drop(engine);
        stage.mend_inserts("intents").await;
        assert_eq!(stage.puts(made), before);
        assert_eq!(stage.state(made).await, "", "the plan was lost with its transaction");
        stage.pushed(&stage.engine().await).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p0_to_p1_what_was_planned_is_claimed_later(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        stage.break_inserts("sends").await;
        stage.push(&engine).await.unwrap_err();
        drop(engine);
        stage.mend_inserts("sends").await;
        assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before, "PLANNED"));
        stage.later(3_600);
        stage.pushed(&stage.engine().await).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p1_to_p2_within_w_the_same_bytes_go_under_the_same_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.push_and_die(engine, method, path, Trap::DieBefore).await;
        assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before, "SENDING"));
        let frozen = "SELECT idempotency_key AS c FROM sends ORDER BY id DESC LIMIT 1";
        let frozen = stage.app.text(frozen).await;
        stage.later(W - 5);
        stage.pushed(&stage.engine().await).await;
        let puts = stage.calls(method, path);
        assert_eq!((puts.len(), &puts[before].idempotency_key), (before + 1, &frozen));
    })
    .await;
}

#[testkit::on_both_databases]
async fn p1_to_p2_after_w_nothing_is_sent_before_two_looks_found_nothing(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.push_and_die(engine, method, path, Trap::DieBefore).await;
        let engine = stage.engine().await;
        // Too early to count, the first that counts, the second too soon after it.
        for wait in [W + 1, D - W, GAP - 2] {
            stage.later(wait);
            stage.pushed(&engine).await;
            assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before, "UNKNOWN"), "{made:?}");
        }
        stage.later(3);
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_response_lost_within_w_resends_the_same_bytes_under_the_same_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        // By the same process.
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("every=1 times=3 {method} {path} commit-then-lose"));
        stage.pushed(&engine).await;
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len()), (4, 1));
        assert!(puts[3].is_replay);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_response_lost_and_process_dead_within_w_resends_under_the_same_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let engine = lose_the_answer(stage, engine, made, W - 5).await;
        assert_eq!(stage.arrived(made).len(), 1);
        stage.pushed(&engine).await;
        let (method, path) = put(made);
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len(), puts[1].is_replay), (2, 1, true));
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_response_lost_after_w_is_found_by_its_mark_and_adopted(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let engine = lose_the_answer(stage, engine, made, W + 1).await;
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1, "nothing is sent again");
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_response_lost_after_w_and_edited_meanwhile_is_adopted_and_the_edit_follows(url: String) {
    let cases = [Case::Contact, Case::Invoice, Case::BankTransaction];
    for_every(url, &cases, async |stage, engine, made| {
        let before = stage.puts(made);
        let engine = lose_the_answer(stage, engine, made, W + 1).await;
        stage.app.run(&made.case.edit(&made.local, "edited meanwhile")).await;
        stage.pushed(&engine).await;
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1);
        let found = stage.world.person().get(&format!("{}/{}", made.case.endpoint(), stage.arrived(made)[0]));
        let found = found.to_string();
        assert!(found.contains("edited meanwhile") || found.contains("edited.meanwhile@"), "{found}");
        assert_eq!(stage.count("conflicts").await, 0);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_response_lost_after_w_found_twice_is_a_conflict_and_never_sent(url: String) {
    let stage = Stage::new(url).await;
    for case in Case::ALL {
        let engine = stage.engine().await;
        let made = stage.make(case, &engine).await;
        let before = stage.puts(&made);
        let engine = lose_the_answer(&stage, engine, &made, W + 1).await;
        // The look-up shows it twice.
        let (arrived, id_name, list) = (stage.arrived(&made)[0].clone(), case.id_name(), case.endpoint());
        stage.world.wire.set_hook(move |request, response| {
            if request.method != http::Method::GET || !request.url.path().ends_with(list) {
                return Ok(response);
            }
            Ok(change_body(response, |body| {
                let Some(rows) = body[list].as_array_mut() else { return };
                let twin = rows.iter().find(|row| row[id_name] == arrived.as_str()).cloned();
                rows.extend(twin.map(|mut twin| {
                    twin[id_name] = "0badcafe-0000-4000-8000-000000000000".into();
                    twin
                }));
            }))
        });
        stage.pushed(&engine).await;
        let (kind, local) = (case.kind(), &made.local);
        let found = format!("conflicts WHERE kind = '{kind}' AND local_id = {local} AND state = 'PENDING'");
        assert_eq!(stage.count(&format!("{found} AND what = 'SUSPECTED_DUPLICATE'")).await, 1, "{made:?}");
        assert_eq!(stage.state(&made).await, "REFUSED");
        // Neither time nor an edit of the App's makes it be sent.
        stage.later(D + GAP);
        stage.pushed(&engine).await;
        stage.app.run(&case.edit(local, "edited later")).await;
        stage.pushed(&engine).await;
        stage.later(D + GAP);
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(&made), before + 1, "{made:?}");
        assert_eq!(stage.arrived(&made).len(), 1, "{made:?}");
        stage.world.wire.clear_hook();
        stage.judge();
    }
}

#[testkit::on_both_databases]
async fn p2_not_arrived_absent_twice_a_minute_apart_is_sent_anew_with_a_new_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("every=1 {method} {path} lose-before-commit"));
        stage.pushed(&engine).await;
        stage.world.emulator.clear_faults();
        let tries = stage.puts(made);
        assert!(tries > before + 1, "tried again within W");
        assert_eq!(stage.state(made).await, "UNKNOWN");
        stage.later(D + 1);
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), tries, "absent once is not enough");
        stage.later(GAP);
        stage.pushed(&engine).await;
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len()), (tries - before + 1, 2), "a new key, once");
    })
    .await;
}

#[testkit::on_both_databases]
async fn one_look_that_wrongly_finds_nothing_is_not_trusted(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let engine = lose_the_answer(stage, engine, made, D + 5).await;
        stage.fault(&format!("nth=1 GET {} empty-list", made.case.endpoint()));
        stage.pushed(&engine).await;
        assert_eq!(stage.state(made).await, "UNKNOWN");
        stage.later(GAP + 1);
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_request_that_lands_late_is_found_and_not_made_twice(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        // Every copy that was sent lands at the last moment: the first makes it, the others are its replays.
        stage.fault(&format!("every=1 {method} {path} late=240s"));
        stage.pushed(&engine).await;
        stage.world.emulator.clear_faults();
        let tries = stage.puts(made);
        for _ in 0..20 {
            stage.later(20);
            stage.pushed(&engine).await;
        }
        assert_eq!(stage.puts(made), tries, "{before}");
    })
    .await;
}

#[testkit::on_both_databases]
async fn http_500_is_never_resent_with_the_same_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("nth=1 {method} {path} commit-then-status=500"));
        stage.pushed(&engine).await;
        assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before + 1, "UNKNOWN"));
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1, "found by its mark");
    })
    .await;
}

#[testkit::on_both_databases]
async fn http_500_before_anything_was_made_is_sent_anew_with_a_new_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("nth=1 {method} {path} refuse=500"));
        stage.pushed(&engine).await;
        for wait in [10, D, GAP] {
            assert_eq!(stage.puts(made), before + 1);
            stage.later(wait);
            stage.pushed(&engine).await;
        }
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len()), (2, 2));
    })
    .await;
}

#[testkit::on_both_databases]
async fn http_503_and_504_are_resent_under_the_same_key(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("nth=1 {method} {path} commit-then-status=504"));
        stage.fault(&format!("nth=1 {method} {path} refuse=503"));
        stage.pushed(&engine).await;
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len()), (3, 1));
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_2xx_unreadable_is_looked_up(url: String) {
    for damage in ["truncate", "bad-json", "html", "empty-body"] {
        // One kind for each damage is enough.
        let cases = match damage {
            "truncate" => &[Case::Payment, Case::Contact][..],
            "bad-json" => &[Case::Invoice, Case::BillWithoutNumber],
            "html" => &[Case::BankTransaction, Case::InvoiceWithoutNumber],
            _ => &[Case::Bill, Case::Contact],
        };
        let database = another(&url).await;
        for_every(database.url(), cases, async |stage, engine, made| {
            let before = stage.puts(made);
            let (method, path) = put(made);
            stage.fault(&format!("nth=1 {method} {path} {damage}"));
            stage.pushed(&engine).await;
            assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before + 1, "UNKNOWN"), "{damage}");
            stage.pushed(&engine).await;
            assert_eq!(stage.puts(made), before + 1, "{damage}");
        })
        .await;
    }
}

/// Another empty database of the same make.
async fn another(like: &str) -> testkit::Database {
    match like.starts_with("postgres") {
        true => testkit::Database::postgres(None).await,
        false => testkit::Database::sqlite(None).await,
    }
}

#[testkit::on_both_databases]
async fn p2_429_is_resent_freely(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("every=1 times=3 {method} {path} limit=minute,30"));
        for _ in 0..3 {
            let limited = stage.push(&engine).await.unwrap_err();
            assert!(matches!(limited, Error::Xero(xero::Error::Limited(_))), "{limited}");
            assert_eq!(stage.state(made).await, "PLANNED", "known not applied");
            // Not before its time.
            let tries = stage.puts(made);
            stage.later(25);
            let _ = stage.push(&engine).await;
            assert_eq!(stage.puts(made), tries);
            stage.later(10);
        }
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 4);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_429_after_a_lost_attempt_counts_as_lost(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        let engine = lose_the_answer(stage, engine, made, 10).await;
        // Longer than the same key may be used.
        stage.fault(&format!("nth=1 {method} {path} limit=minute,300"));
        stage.pushed(&engine).await;
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len()), (2, 1), "found by its mark, not sent again");
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_429_after_a_lost_attempt_within_w_replays_the_same_key(url: String) {
    for_every(url, &[Case::Invoice, Case::Payment], async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.fault(&format!("nth=1 {method} {path} commit-then-lose"));
        stage.fault(&format!("nth=1 {method} {path} limit=minute,10"));
        stage.pushed(&engine).await;
        let puts = stage.calls(method, path).split_off(before);
        assert_eq!((puts.len(), keys(&puts).len(), puts[2].is_replay), (3, 1, true));
    })
    .await;
}

#[testkit::on_both_databases]
async fn p3_a_crash_before_it_commits_is_as_a_lost_answer(url: String) {
    for later in [10, W + 1] {
        let database = another(&url).await;
        for_every(database.url(), &Case::ALL, async |stage, engine, made| {
            let before = stage.puts(made);
            stage.break_inserts("links").await;
            stage.push(&engine).await.unwrap_err();
            drop(engine);
            stage.mend_inserts("links").await;
            assert_eq!(stage.link(made.case.kind(), &made.local).await, None, "all of it or nothing");
            assert_eq!(stage.state(made).await, "SENDING");
            stage.later(later);
            stage.pushed(&stage.engine().await).await;
            let (method, path) = put(made);
            let puts = stage.calls(method, path).split_off(before);
            assert_eq!((puts.len(), keys(&puts).len()), (if later < W { 2 } else { 1 }, 1));
        })
        .await;
    }
}

#[testkit::on_both_databases]
async fn p3_a_fence_lost_writes_no_link_and_the_owner_adopts(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let (method, path) = put(made);
        stage.traps.set(method, path, Trap::HoldAfter);
        let owner = stage.engine().await;
        let push = stage.push(&engine);
        let takes_over = async {
            stage.traps.arrived().await;
            stage.end_leases().await;
            let name = format!("push:{}", stage.id);
            let lease = owner.store().acquire_lease(&name, "another", 60).await.unwrap().expect("it has ended");
            stage.traps.release();
            lease
        };
        let (late, lease) = tokio::join!(push, takes_over);
        assert!(matches!(late, Err(Error::Store(store::Error::LeaseLost(_)))), "{late:?}");
        assert_eq!(stage.link(made.case.kind(), &made.local).await, None);
        assert_eq!(stage.state(made).await, "SENDING");
        owner.store().release_lease(&lease).await.unwrap();
        let before = stage.puts(made);
        stage.later(W + 1);
        stage.pushed(&owner).await;
        assert_eq!(stage.puts(made), before, "found by its mark");
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_frozen_worker_does_not_send_after_its_deadline(url: String) {
    // A payment is read for before it is sent; the others' first call is the create.
    let cases = [Case::Contact, Case::Invoice, Case::BillWithoutNumber, Case::BankTransaction];
    for_every(url, &cases, async |stage, engine, made| {
        let before = stage.puts(made);
        stage.traps.freeze_next();
        let owner = stage.engine().await;
        let push = stage.push(&engine);
        let thaws_later = async {
            stage.traps.arrived().await;
            assert_eq!(stage.state(made).await, "SENDING", "frozen between P1 and P2");
            stage.later(600);
            stage.end_leases().await;
            let name = format!("push:{}", stage.id);
            let lease = owner.store().acquire_lease(&name, "another", 60).await.unwrap().expect("it has ended");
            stage.traps.release();
            lease
        };
        let (late, lease) = tokio::join!(push, thaws_later);
        assert!(matches!(late, Err(Error::Store(store::Error::LeaseLost(_)))), "{late:?}");
        assert_eq!(stage.puts(made), before, "it did not send");
        stage.traps.thaw();
        owner.store().release_lease(&lease).await.unwrap();
        // Whoever took over cannot know that, and looks first.
        for _ in 0..3 {
            stage.pushed(&owner).await;
            stage.later(GAP + 1);
        }
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_look_up_that_fails_sends_nothing(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let engine = lose_the_answer(stage, engine, made, D + 1).await;
        for damage in ["refuse=503", "html", "truncate", "limit=minute,60", "limit=day,60"] {
            stage.fault(&format!("every=1 GET {} {damage}", made.case.endpoint()));
            for _ in 0..3 {
                let _ = stage.push(&engine).await;
                stage.later(GAP + 1);
            }
            stage.world.emulator.clear_faults();
            assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before + 1, "UNKNOWN"), "{damage}");
        }
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_crash_during_the_look_up_repeats_nothing(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let mut engine = lose_the_answer(stage, engine, made, W + 1).await;
        for trap in [Trap::DieBefore, Trap::DieAfter] {
            stage.push_and_die(engine, "GET", made.case.endpoint(), trap).await;
            engine = stage.engine().await;
        }
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn p2_a_request_that_never_left_is_sent_without_a_look(url: String) {
    for_every(url, &Case::ALL, async |stage, engine, made| {
        let before = stage.puts(made);
        let (method, path) = put(made);
        stage.traps.set(method, path, Trap::NotSent);
        stage.push(&engine).await.unwrap_err();
        assert_eq!((stage.puts(made), stage.state(made).await.as_str()), (before, "PLANNED"));
        stage.later(30);
        stage.pushed(&engine).await;
        assert_eq!(stage.puts(made), before + 1);
    })
    .await;
}

/// Fifty invoices of the App's, planned for one request.
async fn fifty(stage: &Stage) -> Vec<String> {
    let mut locals = Vec::new();
    for number in 0..50 {
        locals.push(stage.add_invoice("ACCREC", &format!("'BATCH-{number}'")).await);
    }
    locals
}

async fn linked(stage: &Stage, locals: &[String]) -> usize {
    let mut ids = std::collections::BTreeSet::new();
    for local in locals {
        ids.extend(stage.link(model::Kind::Invoice, local).await);
    }
    ids.len()
}

#[testkit::on_both_databases]
async fn a_batch_of_fifty_with_a_lost_response_sends_every_element_to_look_up(url: String) {
    let stage = Stage::new(url).await;
    let locals = fifty(&stage).await;
    stage.push_and_die(stage.engine().await, "PUT", "Invoices", Trap::DieAfter).await;
    stage.later(W + 1);
    let engine = stage.engine().await;
    let before = stage.calls("GET", "Invoices").len();
    stage.pushed(&engine).await;
    assert_eq!(stage.calls("PUT", "Invoices").len(), 1);
    assert_eq!(stage.calls("GET", "Invoices").len() - before, 50, "each by its own mark");
    assert_eq!(linked(&stage, &locals).await, 50);
    stage.assert_at_rest(&engine).await;
}

#[testkit::on_both_databases]
async fn element_errors_in_a_batch_of_fifty_end_with_their_reason_and_the_others_are_linked(url: String) {
    let stage = Stage::new(url).await;
    let engine = stage.engine().await;
    let locals = fifty(&stage).await;
    stage.fault("nth=1 PUT Invoices refuse-elements=10");
    let outcome = stage.pushed(&engine).await;
    let invoices = outcome.kinds.iter().find(|(kind, _)| *kind == model::Kind::Invoice).unwrap().1;
    assert_eq!((invoices.sent_created, invoices.refused), (45, 5), "{outcome:?}");
    assert_eq!(linked(&stage, &locals).await, 45);
    assert_eq!(stage.count("failures WHERE direction = 'PUSH' AND resolved_at IS NULL AND raw IS NOT NULL").await, 5);
    assert_eq!(stage.count("intents WHERE state = 'REFUSED'").await, 5);
    // Not tried again by itself; tried again when it is changed.
    stage.later(3_600);
    stage.pushed(&engine).await;
    assert_eq!(stage.calls("PUT", "Invoices").len(), 1);
    stage.app.run("UPDATE invoices SET reference = 'again' WHERE id IN (SELECT local_id FROM failures)").await;
    stage.pushed(&engine).await;
    assert_eq!(linked(&stage, &locals).await, 50);
    assert_eq!(stage.count("failures WHERE direction = 'PUSH' AND resolved_at IS NULL").await, 0);
    stage.assert_at_rest(&engine).await;
}
