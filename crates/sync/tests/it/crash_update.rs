//! Updates and removals and crashes: the protocol of reliability.md A6.2, and what A6.1 says of a lost answer.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::crash::{Case, Made, Stage, Trap};
use emulator::Call;
use model::Kind;
use serde_json::{Value, json};
use sync::{Engine, Error, PolicySetting};
use uuid::Uuid;

/// `W`, and `D` with the time that a request may wait for its turn, in seconds.
const W: i64 = 90;
const D: i64 = 270;

const EDITED: [Case; 3] = [Case::Contact, Case::Invoice, Case::BankTransaction];

/// A record that both sides have, about to be edited.
struct Both {
    made: Made,
    xero: Uuid,
    posts: usize,
}

impl Both {
    fn case(&self) -> Case {
        self.made.case
    }

    /// The field that [`Case::edit`] edits, as Xero names it.
    fn field(&self) -> &'static str {
        if self.case() == Case::Contact { "EmailAddress" } else { "Reference" }
    }

    fn text(&self, text: &str) -> String {
        if self.case() == Case::Contact { format!("{text}@edit.test") } else { text.to_owned() }
    }

    /// Another field that somebody edits in Xero, and what it shows then.
    fn foreign(&self) -> (Value, &'static str, &'static str, &'static str) {
        match self.case() {
            Case::Contact => (json!({"FirstName": "Foreign"}), "FirstName", "Foreign", "first_name"),
            Case::Invoice => (json!({"DueDate": "2026-08-15"}), "DueDateString", "2026-08-15T00:00:00", "due_date"),
            _ => (json!({"Date": "2026-06-25"}), "DateString", "2026-06-25T00:00:00", "date"),
        }
    }

    fn read(&self, stage: &Stage) -> Value {
        stage.world.emulator.person(stage.tenant()).read(self.case().endpoint(), self.xero).unwrap()
    }

    fn posts(&self, stage: &Stage) -> Vec<Call> {
        stage.calls("POST", self.case().endpoint()).split_off(self.posts)
    }

    async fn edit(&self, stage: &Stage, text: &str) {
        assert_eq!(stage.app.run(&self.case().edit(&self.made.local, text)).await, 1);
    }

    /// What both sides show at the end.
    async fn assert_both_have(&self, stage: &Stage, text: &str) {
        let text = self.text(text);
        assert_eq!(self.read(stage)[self.field()], text.as_str(), "{:?}", self.made);
        let column = if self.case() == Case::Contact { "email" } else { "reference" };
        let sql = format!("SELECT {column} AS c FROM {} WHERE id = {}", self.case().table(), self.made.local);
        assert_eq!(stage.app.text(&sql).await.as_deref(), Some(text.as_str()), "{:?}", self.made);
    }
}

async fn both(stage: &Stage, case: Case) -> Both {
    let engine = stage.engine().await;
    let made = stage.make(case, &engine).await;
    stage.pushed(&engine).await;
    let xero = stage.link(case.kind(), &made.local).await.expect("a link").parse().unwrap();
    let posts = stage.calls("POST", case.endpoint()).len();
    stage.traps.take_writes();
    stage.later(5);
    Both { made, xero, posts }
}

/// The scenario with every kind in turn; afterwards all is calm, and nothing is in conflict unless it is expected.
async fn for_each(url: String, cases: &[Case], scenario: impl AsyncFn(&Stage, Engine, &Both)) {
    let stage = Stage::new(url).await;
    for case in cases {
        let both = both(&stage, *case).await;
        scenario(&stage, stage.engine().await, &both).await;
        assert_eq!(stage.world.emulator.clear_faults(), 0, "a fault never struck: {case:?}");
        let engine = stage.engine().await;
        stage.assert_at_rest(&engine).await;
    }
}

#[testkit::on_both_databases]
async fn an_update_is_read_again_just_before_it_is_written(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "once").await;
        stage.pushed(&engine).await;
        let log = stage.world.emulator.log();
        let at = log.iter().rposition(|call| call.method == "POST" && call.status == 200).unwrap();
        let before = &log[at - 1];
        assert_eq!((before.method.as_str(), before.status), ("GET", 200));
        assert!(before.target.contains(&both.xero.to_string()), "{}", before.target);
        both.assert_both_have(stage, "once").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn an_edit_in_xero_between_plan_and_send_is_merged_and_not_lost(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.break_inserts("sends").await;
        stage.push(&engine).await.unwrap_err();
        stage.mend_inserts("sends").await;
        assert_eq!(stage.state(&both.made).await, "PLANNED");
        let (body, shown, value, column) = both.foreign();
        stage.world.emulator.person(stage.tenant()).edit(both.case().endpoint(), both.xero, &body).unwrap();
        stage.pushed(&engine).await;
        both.assert_both_have(stage, "ours").await;
        assert_eq!(both.read(stage)[shown], value);
        let sql = format!("SELECT {column} AS c FROM {} WHERE id = {}", both.case().table(), both.made.local);
        assert!(value.starts_with(&stage.app.text(&sql).await.unwrap()), "the App has it too");
        assert_eq!(stage.count("conflicts").await, 0);
    })
    .await;
}

#[testkit::on_both_databases]
async fn an_edit_of_the_same_field_between_plan_and_send_is_asked_about(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        engine.set_policy(stage.id, None, None, Some(PolicySetting::Ask), "test").await.unwrap();
        both.edit(stage, "ours").await;
        stage.break_inserts("sends").await;
        stage.push(&engine).await.unwrap_err();
        stage.mend_inserts("sends").await;
        let theirs = json!({ both.field(): both.text("theirs") });
        stage.world.emulator.person(stage.tenant()).edit(both.case().endpoint(), both.xero, &theirs).unwrap();
        stage.pushed(&engine).await;
        assert_eq!(both.posts(stage).len(), 0, "nothing is overwritten before somebody decides");
        assert_eq!(both.read(stage)[both.field()], both.text("theirs").as_str());
        let (kind, local) = (both.case().kind(), &both.made.local);
        let open = format!("conflicts WHERE kind = '{kind}' AND local_id = {local} AND state = 'PENDING'");
        assert_eq!(stage.count(&open).await, 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn an_edit_of_another_field_between_check_read_and_write_is_kept_and_listed(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        let person = stage.world.emulator.person(stage.tenant());
        let (body, shown, value, column) = both.foreign();
        let (endpoint, xero, is_done) = (both.case().endpoint(), both.xero, AtomicBool::new(false));
        stage.world.wire.set_hook(move |request, response| {
            let is_read = request.method == http::Method::GET && request.url.as_str().contains(&xero.to_string());
            if is_read && !is_done.swap(true, Ordering::SeqCst) {
                person.edit(endpoint, xero, &body).unwrap();
            }
            Ok(response)
        });
        stage.pushed(&engine).await;
        stage.world.wire.clear_hook();
        both.assert_both_have(stage, "ours").await;
        assert_eq!(both.read(stage)[shown], value, "kept in Xero");
        let sql = format!("SELECT {column} AS c FROM {} WHERE id = {}", both.case().table(), both.made.local);
        assert!(value.starts_with(&stage.app.text(&sql).await.unwrap()), "and in the App");
        let (kind, local) = (both.case().kind(), &both.made.local);
        let listed = format!("conflicts WHERE kind = '{kind}' AND local_id = {local} AND what = 'POSSIBLE_OVERWRITE'");
        assert_eq!(stage.count(&listed).await, 1);
        assert_eq!(both.posts(stage).len(), 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn only_the_changed_fields_are_sent(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.pushed(&engine).await;
        let writes = stage.traps.take_writes();
        assert_eq!(writes.len(), 1);
        let element = writes[0].1[both.case().endpoint()][0].as_object().unwrap();
        let mut names: Vec<&str> = element.keys().map(String::as_str).collect();
        names.retain(|name| *name != both.case().id_name() && *name != both.field());
        // What Xero wants to be told with every write of that kind.
        let required: &[&str] = match both.case() {
            Case::BankTransaction => &["Type", "Contact", "BankAccount", "LineItems", "LineAmountTypes"],
            _ => &[],
        };
        assert!(names.iter().all(|name| required.contains(name)), "{element:?}");
    })
    .await;
}

#[testkit::on_both_databases]
async fn an_edited_line_keeps_the_ids_of_all_lines(url: String) {
    for_each(url, &[Case::Invoice, Case::BillWithoutNumber, Case::BankTransaction], async |stage, engine, both| {
        let ids = |record: &Value| -> Vec<String> {
            let lines = record["LineItems"].as_array().unwrap();
            lines.iter().map(|line| line["LineItemID"].as_str().unwrap().to_owned()).collect()
        };
        let before = ids(&both.read(stage));
        let of = both.case().table().trim_end_matches('s');
        let price = stage.amount(77);
        stage
            .app
            .run(&format!(
                "UPDATE {of}_lines SET unit_amount = {price} WHERE {of}_id = {} AND position = 2",
                both.made.local
            ))
            .await;
        stage.pushed(&engine).await;
        let after = both.read(stage);
        assert_eq!(ids(&after), before);
        assert_eq!(after["LineItems"][1]["UnitAmount"].to_string().trim_end_matches(['0', '.']), "77");
        assert_eq!(both.posts(stage).len(), 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_lost_response_within_w_is_asked_for_again_under_the_same_key(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.fault(&format!("every=1 times=2 POST {} commit-then-lose", both.case().endpoint()));
        stage.pushed(&engine).await;
        let posts = both.posts(stage);
        assert_eq!(posts.len(), 3);
        assert!(posts.iter().all(|call| call.idempotency_key == posts[0].idempotency_key) && posts[2].is_replay);
        both.assert_both_have(stage, "ours").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_lost_response_and_a_dead_process_within_w_is_asked_for_again_under_the_same_key(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.push_and_die(engine, "POST", both.case().endpoint(), Trap::DieAfter).await;
        stage.later(W - 5);
        stage.pushed(&stage.engine().await).await;
        let posts = both.posts(stage);
        assert_eq!((posts.len(), posts[1].is_replay), (2, true));
        both.assert_both_have(stage, "ours").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_lost_response_after_w_is_read_again_and_nothing_is_sent_twice(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.push_and_die(engine, "POST", both.case().endpoint(), Trap::DieAfter).await;
        let engine = stage.engine().await;
        for wait in [W + 1, D - W + 5] {
            stage.later(wait);
            stage.pushed(&engine).await;
        }
        assert_eq!(both.posts(stage).len(), 1);
        both.assert_both_have(stage, "ours").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn an_update_that_never_arrived_is_planned_anew_after_d(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.push_and_die(engine, "POST", both.case().endpoint(), Trap::DieBefore).await;
        let engine = stage.engine().await;
        stage.later(W + 1);
        stage.pushed(&engine).await;
        assert_eq!((both.posts(stage).len(), stage.state(&both.made).await.as_str()), (0, "UNKNOWN"));
        stage.later(D - W + 5);
        stage.pushed(&engine).await;
        assert_eq!(both.posts(stage).len(), 1);
        both.assert_both_have(stage, "ours").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn an_update_is_not_sent_again_over_what_somebody_wrote_meanwhile(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        engine.set_policy(stage.id, None, None, Some(PolicySetting::Ask), "test").await.unwrap();
        both.edit(stage, "ours").await;
        stage.push_and_die(engine, "POST", both.case().endpoint(), Trap::DieBefore).await;
        let theirs = json!({ both.field(): both.text("theirs") });
        stage.world.emulator.person(stage.tenant()).edit(both.case().endpoint(), both.xero, &theirs).unwrap();
        let engine = stage.engine().await;
        stage.later(10);
        stage.pushed(&engine).await;
        assert_eq!((both.posts(stage).len(), stage.state(&both.made).await.as_str()), (0, "UNKNOWN"));
        stage.later(D);
        stage.pushed(&engine).await;
        assert_eq!(both.posts(stage).len(), 0, "nothing is overwritten before somebody decides");
        assert_eq!(both.read(stage)[both.field()], both.text("theirs").as_str());
        let (kind, local) = (both.case().kind(), &both.made.local);
        let open = format!("conflicts WHERE kind = '{kind}' AND local_id = {local} AND state = 'PENDING'");
        assert_eq!(stage.count(&open).await, 1);
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_lost_update_that_lands_late_does_not_overwrite_a_newer_one(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "first").await;
        stage.fault(&format!("every=1 POST {} late=235s", both.case().endpoint()));
        stage.pushed(&engine).await;
        stage.world.emulator.clear_faults();
        let tries = both.posts(stage).len();
        both.edit(stage, "second").await;
        for _ in 0..25 {
            stage.pushed(&engine).await;
            stage.later(20);
        }
        assert_eq!(both.posts(stage).len(), tries + 1);
        both.assert_both_have(stage, "second").await;
        let log = stage.world.emulator.log();
        let landed = log.iter().filter(|call| call.fault.as_deref() == Some("delivered")).map(|call| call.at).max();
        let newer = both.posts(stage).last().unwrap().at;
        assert!(landed.unwrap() < newer, "the newer one was sent when the lost one could not land any more");
    })
    .await;
}

#[testkit::on_both_databases]
async fn http_500_of_an_update_is_never_resent_with_the_same_key(url: String) {
    for damage in ["refuse=500", "commit-then-status=500"] {
        let database = another(&url).await;
        for_each(database.url(), &EDITED, async |stage, engine, both| {
            both.edit(stage, "ours").await;
            stage.fault(&format!("nth=1 POST {} {damage}", both.case().endpoint()));
            for _ in 0..15 {
                stage.pushed(&engine).await;
                stage.later(20);
            }
            let posts = both.posts(stage);
            assert_eq!(posts.len(), if damage == "refuse=500" { 2 } else { 1 }, "{damage}");
            assert!(posts.iter().skip(1).all(|call| call.idempotency_key != posts[0].idempotency_key));
            both.assert_both_have(stage, "ours").await;
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
async fn an_update_refused_with_429_goes_when_its_time_has_come(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.fault(&format!("nth=1 POST {} limit=minute,30", both.case().endpoint()));
        stage.push(&engine).await.unwrap_err();
        stage.later(31);
        stage.pushed(&engine).await;
        assert_eq!(both.posts(stage).len(), 2);
        both.assert_both_have(stage, "ours").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_fence_lost_while_an_update_is_on_its_way_acknowledges_nothing(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "ours").await;
        stage.traps.set("POST", both.case().endpoint(), Trap::HoldAfter);
        let owner = stage.engine().await;
        let takes_over = async {
            stage.traps.arrived().await;
            stage.end_leases().await;
            let name = format!("push:{}", stage.id);
            let lease = owner.store().acquire_lease(&name, "another", 60).await.unwrap().expect("it has ended");
            stage.traps.release();
            lease
        };
        let (late, lease) = tokio::join!(stage.push(&engine), takes_over);
        assert!(matches!(late, Err(Error::Store(store::Error::LeaseLost(_)))), "{late:?}");
        assert_eq!(stage.state(&both.made).await, "SENDING");
        owner.store().release_lease(&lease).await.unwrap();
        stage.pushed(&owner).await;
        both.assert_both_have(stage, "ours").await;
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_local_edit_during_the_push_goes_out_afterwards_and_is_no_conflict(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "first").await;
        stage.traps.set("POST", both.case().endpoint(), Trap::HoldAfter);
        let meanwhile = async {
            stage.traps.arrived().await;
            both.edit(stage, "second").await;
            stage.traps.release();
        };
        let (pushed, ()) = tokio::join!(stage.push(&engine), meanwhile);
        pushed.unwrap();
        stage.pushed(&engine).await;
        both.assert_both_have(stage, "second").await;
        assert_eq!((both.posts(stage).len(), stage.count("conflicts").await), (2, 0));
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_local_edit_during_the_create_goes_out_afterwards_and_is_no_conflict(url: String) {
    let stage = Stage::new(url).await;
    for case in EDITED {
        let engine = stage.engine().await;
        let made = stage.make(case, &engine).await;
        stage.traps.set("PUT", case.endpoint(), Trap::HoldAfter);
        let meanwhile = async {
            stage.traps.arrived().await;
            stage.app.run(&case.edit(&made.local, "meanwhile")).await;
            stage.traps.release();
        };
        let (pushed, ()) = tokio::join!(stage.push(&engine), meanwhile);
        pushed.unwrap();
        stage.pushed(&engine).await;
        let xero = stage.arrived(&made)[0].parse().unwrap();
        let both = Both { made, xero, posts: 0 };
        both.assert_both_have(&stage, "meanwhile").await;
        assert_eq!(stage.count("conflicts").await, 0);
        stage.assert_once(&both.made).await;
        stage.assert_at_rest(&engine).await;
    }
}

/// How the App removes it, and the status that Xero shows then.
fn removal(both: &Both, by_row: bool) -> (String, &'static str) {
    let (table, id) = (both.case().table(), &both.made.local);
    let status = match both.case().kind() {
        Kind::Customer => "ARCHIVED",
        Kind::Invoice => "VOIDED",
        _ => "DELETED",
    };
    let gone = if both.case() == Case::Contact { "ARCHIVED" } else { "CANCELLED" };
    match by_row {
        true => (format!("DELETE FROM {table} WHERE id = {id}"), status),
        false => (format!("UPDATE {table} SET status = '{gone}' WHERE id = {id}"), status),
    }
}

fn status(both: &Both, stage: &Stage) -> String {
    let name = if both.case() == Case::Contact { "ContactStatus" } else { "Status" };
    both.read(stage)[name].as_str().unwrap().to_owned()
}

const REMOVED: [Case; 5] =
    [Case::Contact, Case::Invoice, Case::BillWithoutNumber, Case::Payment, Case::BankTransaction];

#[testkit::on_both_databases]
async fn a_void_or_deletion_with_a_lost_reply_within_w_is_asked_for_again(url: String) {
    for by_row in [false, true] {
        let database = another(&url).await;
        for_each(database.url(), &REMOVED, async |stage, engine, both| {
            let (sql, wanted) = removal(both, by_row);
            stage.app.run(&sql).await;
            stage.has_deleted_rows.store(by_row, Ordering::SeqCst);
            stage.push_and_die(engine, "POST", both.case().endpoint(), Trap::DieAfter).await;
            stage.later(W - 5);
            stage.pushed(&stage.engine().await).await;
            let posts = both.posts(stage);
            assert_eq!((posts.len(), posts[1].is_replay), (2, true), "{:?}", both.made);
            assert_eq!(status(both, stage), wanted);
            assert_eq!(stage.state(&both.made).await, "DONE");
        })
        .await;
    }
}

#[testkit::on_both_databases]
async fn a_void_or_deletion_with_a_lost_reply_after_w_is_read_again_and_not_repeated(url: String) {
    for by_row in [false, true] {
        let database = another(&url).await;
        for_each(database.url(), &REMOVED, async |stage, engine, both| {
            let (sql, wanted) = removal(both, by_row);
            stage.app.run(&sql).await;
            stage.has_deleted_rows.store(by_row, Ordering::SeqCst);
            stage.push_and_die(engine, "POST", both.case().endpoint(), Trap::DieAfter).await;
            let engine = stage.engine().await;
            for wait in [W + 1, D - W + 5] {
                stage.later(wait);
                stage.pushed(&engine).await;
            }
            assert_eq!((both.posts(stage).len(), status(both, stage).as_str()), (1, wanted), "{:?}", both.made);
            assert_eq!(stage.count("failures WHERE direction = 'PUSH' AND resolved_at IS NULL").await, 0);
        })
        .await;
    }
}

#[testkit::on_both_databases]
async fn a_deletion_of_a_payment_that_never_arrived_is_made_after_d(url: String) {
    for_each(url, &[Case::Payment], async |stage, engine, both| {
        stage.app.run(&removal(both, true).0).await;
        stage.has_deleted_rows.store(true, Ordering::SeqCst);
        stage.push_and_die(engine, "POST", "Payments", Trap::DieBefore).await;
        let engine = stage.engine().await;
        for wait in [W + 1, D - W + 5] {
            stage.later(wait);
            stage.pushed(&engine).await;
        }
        assert_eq!((both.posts(stage).len(), status(both, stage).as_str()), (1, "DELETED"));
    })
    .await;
}

#[testkit::on_both_databases]
async fn a_removal_that_waited_behind_a_slow_one_is_frozen_anew_before_it_is_sent(url: String) {
    let stage = Stage::new(url).await;
    let engine = stage.engine().await;
    let mut payments = Vec::new();
    for number in 0..2 {
        let invoice = stage.add_invoice("ACCREC", &format!("'SLOW-{number}'")).await;
        stage.pushed(&engine).await;
        payments.push(stage.add_payment(&invoice, 10).await);
    }
    stage.pushed(&engine).await;
    for payment in &payments {
        stage.app.run(&format!("DELETE FROM payments WHERE id = {payment}")).await;
    }
    stage.has_deleted_rows.store(true, Ordering::SeqCst);
    // The first is without answer for longer than a request may wait to leave.
    stage.fault("every=1 times=6 POST Payments commit-then-lose");
    stage.pushed(&engine).await;
    for _ in 0..20 {
        stage.later(20);
        stage.pushed(&engine).await;
    }
    let posts = stage.calls("POST", "Payments");
    let frozen = "SELECT idempotency_key AS c FROM sends WHERE target IS NOT NULL ORDER BY id";
    let started = "SELECT first_sent_at AS c FROM sends WHERE target IS NOT NULL ORDER BY id";
    let started = stage.app.texts(started).await;
    // A request that never left has no time; its bytes may be made durable again under the same key.
    let keys = stage.app.texts(frozen).await;
    let last: std::collections::BTreeMap<_, _> = keys.into_iter().zip(started).collect();
    assert_eq!(last.len(), 2);
    for (key, started) in last {
        let first = posts.iter().find(|call| call.idempotency_key == key).expect("it was sent");
        let text = started.unwrap().replace(' ', "T");
        let text = if text.ends_with("+00") { format!("{}Z", &text[..text.len() - 3]) } else { text };
        let started: jiff::Timestamp = text.parse().unwrap();
        let waited = first.at - started.as_millisecond();
        assert!(waited <= 20_000, "it left {waited} ms after it was made durable");
    }
    assert!(stage.count("sends").await > 2 + 4, "the second was made durable twice");
    stage.assert_at_rest(&engine).await;
}

#[testkit::on_both_databases]
async fn an_update_that_left_and_lands_at_the_last_moment_does_not_overwrite_a_newer_one(url: String) {
    for_each(url, &EDITED, async |stage, engine, both| {
        both.edit(stage, "first").await;
        stage.traps.set("GET", both.case().endpoint(), Trap::HoldAfter);
        let slow = async {
            // Its reading is over when it asks whether it may write.
            stage.traps.arrived().await;
            stage.traps.freeze_next();
            stage.traps.set_and_release("POST", both.case().endpoint(), Trap::DieAfter);
            stage.traps.arrived().await;
            stage.later(19);
            stage.fault(&format!("nth=1 POST {} late=240s", both.case().endpoint()));
            stage.traps.release();
            stage.traps.arrived().await;
        };
        tokio::select! {
            ended = stage.push(&engine) => panic!("{ended:?}"),
            () = slow => {}
        }
        drop(engine);
        stage.traps.thaw();
        let engine = stage.engine().await;
        both.edit(stage, "second").await;
        for _ in 0..40 {
            stage.later(10);
            stage.pushed(&engine).await;
        }
        both.assert_both_have(stage, "second").await;
    })
    .await;
}
