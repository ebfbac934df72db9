//! What people decide: conflicts one by one, by record and in bulk, taken back and set aside; failures tried again, set
//! aside and linked; and why a record is as it is.

use std::sync::Arc;

use crate::common::sql::App;
use crate::common::{World, assert_agreement, plan, sync_now};
use emulator::Size;
use model::{ConnectionId, Kind};
use serde_json::{Value, json};
use store::{ConflictState, FailureFilter, Mode, Resolution};
use sync::{
    Choice, ConflictQuery, Engine, EngineSettings, EntityRef, Error, Explanation, FailureQuery, FieldChoice,
    PolicySetting, PushSettings, SyncState,
};
use xero::{TransportError, Unlimited};

struct Setting {
    world: World,
    engine: Engine,
    id: ConnectionId,
    app: App,
}

/// A customer on both sides.
struct Pair {
    local: i64,
    xero: String,
}

impl Setting {
    async fn new(url: String) -> Self {
        // A request without answer is given up at once, so that no test waits for its second try.
        let push = PushSettings { resend_within_s: 0, ..PushSettings::default() };
        let settings = EngineSettings { push, ..EngineSettings::default() };
        let world = World::new(plan(Size { lines: None, ..Size::of_invoices(40) }), url.clone());
        let engine = world.engine_with(settings, Arc::new(Unlimited), url.clone()).await.unwrap();
        let id = world.connect(&engine).await;
        sync_now(&engine, id, Mode::Full).await;
        Self { app: App::open(&url).await, world, engine, id }
    }

    /// The n-th active customer.
    async fn customer(&self, at: usize) -> Pair {
        let sql = "SELECT id AS c FROM customers WHERE status = 'ACTIVE' ORDER BY id";
        let local = self.app.texts(sql).await[at].clone().unwrap().parse().unwrap();
        Pair { local, xero: self.xero_id("customer", local).await.expect("a link") }
    }

    async fn xero_id(&self, kind: &str, local: i64) -> Option<String> {
        let column = match self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
        };
        let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
        self.app.text(&sql).await.map(|hex| uuid::Uuid::parse_str(&hex).unwrap().to_string())
    }

    async fn column(&self, of: &Pair, name: &str) -> Option<String> {
        self.app.text(&format!("SELECT {name} AS c FROM customers WHERE id = {}", of.local)).await
    }

    async fn set(&self, of: &Pair, name: &str, value: &str) {
        let sql = format!("UPDATE customers SET {name} = '{value}' WHERE id = {}", of.local);
        assert_eq!(self.app.run(&sql).await, 1);
    }

    fn in_xero(&self, of: &Pair) -> Value {
        self.world.person().get(&format!("Contacts/{}", of.xero))["Contacts"][0].clone()
    }

    fn set_in_xero(&self, of: &Pair, mut fields: Value) {
        fields["ContactID"] = json!(of.xero);
        self.world.person().post("Contacts", fields);
    }

    async fn ask(&self, field: &str) {
        self.engine.set_policy(self.id, None, Some(field), Some(PolicySetting::Ask), "test").await.unwrap();
    }

    /// Both sides give the customer another e-mail address; a person is asked.
    async fn conflict(&self, of: &Pair) -> i64 {
        self.ask("email").await;
        self.set(of, "email", &format!("app{}@app.test", of.local)).await;
        self.set_in_xero(of, json!({"EmailAddress": format!("xero{}@xero.test", of.local)}));
        self.sync().await;
        self.pending(of).await[0]
    }

    async fn pending(&self, of: &Pair) -> Vec<i64> {
        let query =
            ConflictQuery { state: Some(ConflictState::Pending), local_id: Some(of.local), ..ConflictQuery::default() };
        self.engine.conflicts(self.id, &query).await.unwrap().iter().map(|view| view.conflict.id).collect()
    }

    async fn sync(&self) -> sync::RunOutcome {
        sync_now(&self.engine, self.id, Mode::Incremental).await
    }

    async fn count(&self, sql: &str) -> i64 {
        self.app.text(&format!("SELECT COUNT(*) AS c FROM {sql}")).await.unwrap().parse().unwrap()
    }

    async fn explain(&self, of: &Pair) -> Explanation {
        self.engine.explain(self.id, Kind::Customer, of.local, 50).await.unwrap()
    }

    async fn failures(&self) -> Vec<sync::FailureView> {
        self.engine.failures(self.id, &FailureQuery::default()).await.unwrap()
    }
}

fn moved(result: Result<sync::Resolved, Error>) -> sync::ConflictView {
    match result {
        Err(Error::ConflictMoved(view)) => *view,
        other => panic!("expected that the conflict had moved, got {other:?}"),
    }
}

#[testkit::on_both_databases]
async fn a_field_is_decided_for_one_side_the_other_or_with_a_third_value(url: String) {
    let s = Setting::new(url).await;
    let (a, b, c) = (s.customer(0).await, s.customer(1).await, s.customer(2).await);
    let (of_a, of_b, of_c) = (s.conflict(&a).await, s.conflict(&b).await, s.conflict(&c).await);

    let view = s.engine.conflict(s.id, of_a).await.unwrap();
    assert!(!view.label.is_empty());
    let preview = view.preview.unwrap();
    let (app, xero) = (json!(format!("app{}@app.test", a.local)), json!(format!("xero{}@xero.test", a.local)));
    assert_eq!((preview.keep_app.to_app, preview.keep_app.to_xero), (None, Some(app.clone())));
    assert_eq!((preview.keep_xero.to_app, preview.keep_xero.to_xero), (Some(xero), None));
    assert_eq!(view.app_now, Some(app));

    let kept = s.engine.resolve(s.id, of_a, Some(&view.version), Choice::KeepApp, "dana").await.unwrap();
    assert_eq!((kept.wrote_app, kept.to_send), (false, true));
    assert_eq!(kept.view.conflict.decided_by.as_deref(), Some("dana"));
    let taken = s.engine.resolve(s.id, of_b, None, Choice::KeepXero, "dana").await.unwrap();
    assert_eq!((taken.wrote_app, taken.to_send), (true, false));
    let third = Choice::Merge(json!("third@both.test"));
    let merged = s.engine.resolve(s.id, of_c, None, third, "dana").await.unwrap();
    assert_eq!(merged.view.conflict.resolution, Some(Resolution::ManualMerge));
    assert_eq!(merged.view.conflict.result.as_deref(), Some("\"third@both.test\""));

    let outcome = s.sync().await.total();
    assert_eq!((outcome.sent_updated, outcome.conflicts), (2, 0), "{outcome:?}");
    for (of, email) in [
        (&a, format!("app{}@app.test", a.local)),
        (&b, format!("xero{}@xero.test", b.local)),
        (&c, "third@both.test".to_owned()),
    ] {
        assert_eq!(s.in_xero(of)["EmailAddress"], email.as_str());
        assert_eq!(s.column(of, "email").await, Some(email));
    }
    assert_eq!(s.count("events WHERE what = 'conflict.resolved'").await, 3);
    assert_eq!(sync_now(&s.engine, s.id, Mode::Full).await.total().sent_updated, 0);
    assert_eq!(s.count("conflicts").await, 3);
    assert_agreement(&s.engine, s.id).await;
}

#[testkit::on_both_databases]
async fn a_value_that_makes_no_record_or_that_the_rules_forbid_is_refused(url: String) {
    let s = Setting::new(url).await;
    let a = s.customer(0).await;
    let conflict = s.conflict(&a).await;
    for (value, code) in [(json!({"to": 5}), "TO-INVALID"), (json!("no address"), "TO-EMAIL")] {
        let refused = s.engine.resolve(s.id, conflict, None, Choice::Merge(value), "dana").await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    assert_eq!(s.pending(&a).await, [conflict], "nothing was decided");
    let nobody = s.engine.resolve(s.id, 4711, None, Choice::KeepApp, "dana").await.unwrap_err();
    assert_eq!(nobody.code(), "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn a_record_is_decided_as_a_whole_each_field_as_it_is_said(url: String) {
    let s = Setting::new(url).await;
    let a = s.customer(0).await;
    s.ask("first_name").await;
    s.set(&a, "first_name", "Ann").await;
    s.set_in_xero(&a, json!({"FirstName": "Bea"}));
    s.conflict(&a).await;
    let query = ConflictQuery { local_id: Some(a.local), ..ConflictQuery::default() };
    let views = s.engine.conflicts(s.id, &query).await.unwrap();
    assert_eq!(views.len(), 2);
    let choices: Vec<FieldChoice> = views
        .iter()
        .map(|view| FieldChoice {
            conflict: view.conflict.id,
            version: Some(view.version.clone()),
            choice: if view.conflict.field == "email" { Choice::KeepApp } else { Choice::KeepXero },
        })
        .collect();
    let mut stale = choices.clone();
    stale[1].version = Some("something else".into());
    let refused = s.engine.resolve_record(s.id, Kind::Customer, a.local, &stale, "dana").await;
    assert!(matches!(refused, Err(Error::ConflictMoved(_))), "{refused:?}");
    assert_eq!(s.pending(&a).await.len(), 2, "all of them or none");

    let decided = s.engine.resolve_record(s.id, Kind::Customer, a.local, &choices, "dana").await.unwrap();
    assert_eq!(decided.len(), 2);
    assert_eq!(s.sync().await.total().sent_updated, 1);
    let there = s.in_xero(&a);
    assert_eq!(there["EmailAddress"], format!("app{}@app.test", a.local).as_str());
    assert_eq!(there["FirstName"], "Bea");
    assert_eq!(s.column(&a, "first_name").await.as_deref(), Some("Bea"));
}

#[testkit::on_both_databases]
async fn many_are_decided_at_once_and_what_moved_is_left_out(url: String) {
    let s = Setting::new(url).await;
    let (a, b, c) = (s.customer(0).await, s.customer(1).await, s.customer(2).await);
    for of in [&a, &b, &c] {
        s.conflict(of).await;
    }
    s.set(&b, "email", "again@app.test").await;
    let all = ConflictQuery { kind: Some(Kind::Customer), ..ConflictQuery::default() };
    let outcome = s.engine.resolve_many(s.id, &all, &Choice::KeepXero, "dana").await.unwrap();
    assert_eq!((outcome.done, outcome.stale, outcome.refused.len()), (2, 1, 0));
    assert_eq!(s.column(&a, "email").await, Some(format!("xero{}@xero.test", a.local)));
    assert_eq!(s.column(&b, "email").await.as_deref(), Some("again@app.test"));
    // It was brought up to date meanwhile.
    let outcome = s.engine.resolve_many(s.id, &all, &Choice::KeepXero, "dana").await.unwrap();
    assert_eq!((outcome.done, outcome.stale), (1, 0));
    let third = s.engine.resolve_many(s.id, &all, &Choice::Merge(json!("x")), "dana").await.unwrap_err();
    assert_eq!(third.code(), "TO-INVALID");
    assert_eq!(s.sync().await.total().sent_updated, 0, "everything is Xero's");
    assert_agreement(&s.engine, s.id).await;
}

#[testkit::on_both_databases]
async fn a_decision_on_an_old_page_is_refused_with_the_fresh_state(url: String) {
    let s = Setting::new(url).await;
    let a = s.customer(0).await;
    let conflict = s.conflict(&a).await;
    let shown = s.engine.conflict(s.id, conflict).await.unwrap();

    s.set(&a, "email", "newer@app.test").await;
    let fresh = moved(s.engine.resolve(s.id, conflict, Some(&shown.version), Choice::KeepApp, "dana").await);
    assert_eq!(fresh.conflict.app.as_deref(), Some("\"newer@app.test\""));
    assert_ne!(fresh.version, shown.version);

    s.set_in_xero(&a, json!({"EmailAddress": "newer@xero.test"}));
    s.sync().await;
    let fresh = moved(s.engine.resolve(s.id, conflict, Some(&fresh.version), Choice::KeepApp, "dana").await);
    assert_eq!(fresh.conflict.xero.as_deref(), Some("\"newer@xero.test\""));
    assert_eq!(s.count("conflicts").await, 1, "brought up to date, not opened again");

    s.engine.resolve(s.id, conflict, Some(&fresh.version), Choice::KeepApp, "dana").await.unwrap();
    let late = moved(s.engine.resolve(s.id, conflict, Some(&fresh.version), Choice::KeepXero, "sam").await);
    assert_eq!(late.conflict.decided_by.as_deref(), Some("dana"));
    s.sync().await;
    assert_eq!(s.in_xero(&a)["EmailAddress"], "newer@app.test");
}

#[testkit::on_both_databases]
async fn what_changes_in_xero_after_a_decision_is_asked_about_again(url: String) {
    let s = Setting::new(url).await;
    let a = s.customer(0).await;
    let conflict = s.conflict(&a).await;
    s.engine.resolve(s.id, conflict, None, Choice::KeepApp, "dana").await.unwrap();
    s.set_in_xero(&a, json!({"EmailAddress": "later@xero.test"}));
    let pushed = s.engine.push(s.id, "test").await.unwrap();
    assert_eq!(pushed.kinds.iter().map(|(_, counts)| counts.sent_updated).sum::<i64>(), 0, "{pushed:?}");
    assert_eq!(s.in_xero(&a)["EmailAddress"], "later@xero.test");
    let again = s.pending(&a).await;
    assert!(again.len() == 1 && again[0] != conflict, "{again:?}");
}

#[testkit::on_both_databases]
async fn a_decision_is_taken_back_as_long_as_the_record_has_not_moved_on(url: String) {
    let s = Setting::new(url).await;
    let (a, b) = (s.customer(0).await, s.customer(1).await);
    let of_a = s.conflict(&a).await;
    let early = s.engine.undo(s.id, of_a, "dana").await.unwrap_err();
    assert_eq!(early.code(), "TO-INVALID", "nothing to take back yet");
    s.engine.resolve(s.id, of_a, None, Choice::KeepXero, "dana").await.unwrap();
    let undone = s.engine.undo(s.id, of_a, "sam").await.unwrap();
    assert_eq!(undone.view.conflict.undone_by.as_deref(), Some("sam"));
    assert_eq!(s.engine.undo(s.id, of_a, "sam").await.unwrap_err().code(), "TO-INVALID");
    assert_eq!(s.sync().await.total().sent_updated, 1);
    assert_eq!(s.in_xero(&a)["EmailAddress"], format!("app{}@app.test", a.local).as_str());

    // The App's value was sent; taken back, Xero's former value goes there again.
    let of_b = s.conflict(&b).await;
    s.engine.resolve(s.id, of_b, None, Choice::KeepApp, "dana").await.unwrap();
    s.sync().await;
    assert_eq!(s.in_xero(&b)["EmailAddress"], format!("app{}@app.test", b.local).as_str());
    s.engine.undo(s.id, of_b, "sam").await.unwrap();
    s.sync().await;
    assert_eq!(s.in_xero(&b)["EmailAddress"], format!("xero{}@xero.test", b.local).as_str());
    assert_eq!(s.count("conflicts WHERE state = 'PENDING'").await, 0);
    assert_agreement(&s.engine, s.id).await;
}

#[testkit::on_both_databases]
async fn what_a_policy_decided_is_taken_back_too_unless_it_moved_on(url: String) {
    let s = Setting::new(url).await;
    let (a, b) = (s.customer(0).await, s.customer(1).await);
    s.engine.set_policy(s.id, None, Some("email"), Some(PolicySetting::Xero), "test").await.unwrap();
    for of in [&a, &b] {
        s.set(of, "email", &format!("app{}@app.test", of.local)).await;
        s.set_in_xero(of, json!({"EmailAddress": "xero@xero.test"}));
    }
    s.sync().await;
    let decided = s.engine.conflicts(s.id, &ConflictQuery::default()).await.unwrap();
    assert_eq!(decided.len(), 2);
    assert!(decided.iter().all(|view| view.conflict.decided_by.as_deref() == Some("policy:XERO")));
    let of = |pair: &Pair| decided.iter().find(|view| view.conflict.local_id == pair.local).unwrap().conflict.id;

    s.engine.undo(s.id, of(&a), "dana").await.unwrap();
    s.sync().await;
    assert_eq!(s.in_xero(&a)["EmailAddress"], format!("app{}@app.test", a.local).as_str());

    s.set(&b, "email", "elsewhere@app.test").await;
    let refused = s.engine.undo(s.id, of(&b), "dana").await.unwrap_err();
    assert_eq!(refused.code(), "TO-MOVED", "{refused}");
    assert_eq!(s.column(&b, "email").await.as_deref(), Some("elsewhere@app.test"));
}

#[testkit::on_both_databases]
async fn what_is_set_aside_stays_quiet_until_a_value_changes(url: String) {
    let s = Setting::new(url).await;
    let a = s.customer(0).await;
    let conflict = s.conflict(&a).await;
    s.engine.ignore(s.id, conflict, None, "dana").await.unwrap();
    let (app, xero) = (format!("app{}@app.test", a.local), format!("xero{}@xero.test", a.local));
    let unchanged = async || {
        assert_eq!(s.column(&a, "email").await, Some(app.clone()));
        assert_eq!(s.in_xero(&a)["EmailAddress"], xero.as_str());
        assert_eq!(s.count("conflicts").await, 1);
    };
    sync_now(&s.engine, s.id, Mode::Full).await;
    unchanged().await;
    // Other fields go on in both directions, whatever the rule for this one is by now.
    s.engine.set_policy(s.id, None, Some("email"), Some(PolicySetting::App), "test").await.unwrap();
    s.set(&a, "first_name", "Quiet").await;
    s.set_in_xero(&a, json!({"LastName": "Still"}));
    assert_eq!(s.sync().await.total().sent_updated, 1);
    assert_eq!(s.in_xero(&a)["FirstName"], "Quiet");
    assert_eq!(s.column(&a, "last_name").await.as_deref(), Some("Still"));
    unchanged().await;
    let explained = s.explain(&a).await;
    assert_eq!(explained.state, SyncState::InSync);
    assert!(explained.reasons[0].text.starts_with("dana set the conflict about email aside"), "{explained:?}");

    s.ask("email").await;
    s.set(&a, "email", "moved@app.test").await;
    s.sync().await;
    assert_eq!(s.pending(&a).await.len(), 1, "asked again");
    assert_eq!(s.in_xero(&a)["EmailAddress"], xero.as_str());
}

#[testkit::on_both_databases]
async fn deleted_here_and_changed_there_is_decided_both_ways(url: String) {
    let s = Setting::new(url).await;
    s.ask("presence").await;
    let person = s.world.person();
    let mut pairs = Vec::new();
    for name in ["Gone One", "Gone Two", "Gone Three"] {
        let made = person.put("Contacts", json!({"Name": name}));
        let xero = made["Contacts"][0]["ContactID"].as_str().unwrap().to_owned();
        pairs.push((name, xero));
    }
    s.sync().await;
    let mut conflicts = Vec::new();
    for (name, xero) in &pairs {
        assert_eq!(s.app.run(&format!("DELETE FROM customers WHERE name = '{name}'")).await, 1);
        person.post("Contacts", json!({"ContactID": xero, "EmailAddress": "kept@xero.test"}));
    }
    s.sync().await;
    let query = ConflictQuery { state: Some(ConflictState::Pending), ..ConflictQuery::default() };
    let views = s.engine.conflicts(s.id, &query).await.unwrap();
    assert_eq!(views.len(), 3, "{views:?}");
    for (name, _) in &pairs {
        let view = views.iter().find(|view| view.label == *name).unwrap();
        assert_eq!((view.conflict.what.as_str(), view.conflict.field.as_str()), ("PRESENCE", "presence"));
        conflicts.push(view.conflict.id);
    }
    let third = s.engine.resolve(s.id, conflicts[0], None, Choice::Merge(json!({})), "dana").await.unwrap_err();
    assert_eq!(third.code(), "TO-INVALID");

    s.engine.resolve(s.id, conflicts[0], None, Choice::KeepApp, "dana").await.unwrap();
    let back = s.engine.resolve(s.id, conflicts[1], None, Choice::KeepXero, "dana").await.unwrap();
    assert!(back.wrote_app && !back.to_send);
    s.engine.ignore(s.id, conflicts[2], None, "dana").await.unwrap();
    let outcome = s.sync().await.total();
    assert_eq!((outcome.sent_removed, outcome.conflicts), (1, 0), "{outcome:?}");
    let status = |xero: &str| person.get(&format!("Contacts/{xero}"))["Contacts"][0]["ContactStatus"].clone();
    assert_eq!([status(&pairs[0].1), status(&pairs[1].1), status(&pairs[2].1)], ["ARCHIVED", "ACTIVE", "ACTIVE"]);
    let row = "SELECT email AS c FROM customers WHERE name = 'Gone Two'";
    assert_eq!(s.app.text(row).await.as_deref(), Some("kept@xero.test"));

    sync_now(&s.engine, s.id, Mode::Full).await;
    assert_eq!(s.count("conflicts").await, 3, "the one set aside stays quiet");
    assert_eq!(s.count("customers WHERE name = 'Gone Three'").await, 0);
    assert_eq!(status(&pairs[2].1), "ACTIVE");

    // Brought back, it can be deleted again; removed in Xero, it cannot be brought back by us.
    assert_eq!(s.engine.undo(s.id, conflicts[0], "dana").await.unwrap_err().code(), "TO-STATUS");
    s.engine.undo(s.id, conflicts[1], "dana").await.unwrap();
    s.sync().await;
    assert_eq!(status(&pairs[1].1), "ARCHIVED");
}

#[testkit::on_both_databases]
async fn a_line_of_an_invoice_is_decided_and_its_amounts_follow(url: String) {
    let s = Setting::new(url).await;
    s.ask("lines").await;
    let person = s.world.person();
    let sql = "SELECT i.id AS c FROM invoices i WHERE i.status = 'DRAFT' AND i.type = 'ACCREC' ORDER BY i.id LIMIT 1";
    let local: i64 = s.app.text(sql).await.expect("a draft").parse().unwrap();
    let xero = s.xero_id("invoice", local).await.unwrap();
    let (two, three) = match s.app {
        App::Sqlite(_) => ("20000", "30000"),
        App::Postgres(_) => ("2", "3"),
    };
    let line = format!("invoice_id = {local} AND position = 1");
    let there = person.get(&format!("Invoices/{xero}"))["Invoices"][0].clone();
    let mut lines = there["LineItems"].clone();
    for one in lines.as_array_mut().unwrap() {
        for computed in ["LineAmount", "TaxAmount"] {
            one.as_object_mut().unwrap().remove(computed);
        }
    }
    lines[0]["Quantity"] = json!(77);
    s.app.run(&format!("UPDATE invoice_lines SET quantity = {two} WHERE {line}")).await;
    person.post("Invoices", json!({"InvoiceID": xero, "LineItems": lines}));
    s.sync().await;
    let query = ConflictQuery { kind: Some(Kind::Invoice), ..ConflictQuery::default() };
    let views = s.engine.conflicts(s.id, &query).await.unwrap();
    assert_eq!(views.len(), 1, "{views:?}");
    let view = &views[0];
    assert!(view.conflict.field.starts_with("lines["), "{}", view.conflict.field);

    let mut third: Value = serde_json::from_str(view.conflict.app.as_deref().unwrap()).unwrap();
    third["quantity"] = json!("3");
    for computed in ["line_amount", "tax_amount"] {
        third.as_object_mut().unwrap().remove(computed);
    }
    s.engine.resolve(s.id, view.conflict.id, Some(&view.version), Choice::Merge(third), "dana").await.unwrap();
    assert_eq!(s.sync().await.total().sent_updated, 1);
    let there = person.get(&format!("Invoices/{xero}"))["Invoices"][0].clone();
    let sent: model::Amount = there["LineItems"][0]["Quantity"].to_string().parse().unwrap();
    assert_eq!(sent, "3".parse().unwrap());
    let here = s.app.text(&format!("SELECT quantity AS c FROM invoice_lines WHERE {line}")).await.unwrap();
    assert_eq!(here.trim_end_matches('0').trim_end_matches('.'), three.trim_end_matches('0'));
    assert_agreement(&s.engine, s.id).await;
}

#[testkit::on_both_databases]
async fn failures_are_grouped_tried_again_set_aside_and_mended(url: String) {
    let s = Setting::new(url).await;
    let (a, b) = (s.customer(0).await, s.customer(1).await);
    for of in [&a, &b] {
        s.set(of, "email", "no address").await;
    }
    s.sync().await;
    let groups = s.engine.failure_groups(s.id).await.unwrap();
    let group = groups.iter().find(|cause| cause.group.code == "TO-EMAIL").expect("a group");
    assert_eq!((group.group.count, group.group.kind, group.fix), (2, Kind::Customer, "correct the e-mail address"));
    let listed = s.failures().await;
    let of = |pair: &Pair| listed.iter().find(|view| view.failure.local_id == Some(pair.local)).unwrap().clone();
    assert!(!of(&a).label.is_empty() && !of(&a).is_in_doubt);

    s.engine.retry_failure(s.id, of(&a).failure.id, "dana").await.unwrap();
    s.sync().await;
    let again = s.engine.failure(s.id, of(&a).failure.id).await.unwrap();
    assert_eq!((again.failure.attempts, again.failure.resolved_at), (2, None), "tried again, listed still");
    let filter = FailureFilter { code: Some("TO-EMAIL".into()), ..FailureFilter::default() };
    assert_eq!(s.engine.retry_failures(s.id, &filter, "dana").await.unwrap(), 2);
    s.sync().await;

    assert_eq!(s.engine.ignore_failure(s.id, of(&b).failure.id, " ", "dana").await.unwrap_err().code(), "TO-INVALID");
    let aside = s.engine.ignore_failure(s.id, of(&b).failure.id, "the customer left", "dana").await.unwrap();
    assert_eq!(aside.failure.ignored_by.as_deref(), Some("dana"));
    assert_eq!(s.failures().await.len(), 1);
    let gone = s.engine.retry_failure(s.id, of(&b).failure.id, "dana").await.unwrap_err();
    assert_eq!(gone.code(), "TO-NOT-FOUND");
    s.engine.restore_failure(s.id, of(&b).failure.id, "dana").await.unwrap();
    assert_eq!(s.failures().await.len(), 2);

    for of in [&a, &b] {
        s.set(of, "email", "good@app.test").await;
    }
    s.sync().await;
    assert_eq!(s.failures().await.len(), 0);
    assert_eq!(s.in_xero(&a)["EmailAddress"], "good@app.test");
    assert_agreement(&s.engine, s.id).await;
}

#[testkit::on_both_databases]
async fn a_record_of_xero_that_failed_is_asked_for_again_at_once(url: String) {
    let s = Setting::new(url).await;
    let made = s.world.person().put("Contacts", json!({"Name": "Odd One"}));
    let xero = made["Contacts"][0]["ContactID"].as_str().unwrap().to_owned();
    s.world.wire.set_hook(|request, response| {
        if !request.url.path().ends_with("/Contacts") {
            return Ok(response);
        }
        Ok(crate::common::change_body(response, |body| {
            for contact in body["Contacts"].as_array_mut().into_iter().flatten() {
                if contact["Name"] == "Odd One" {
                    contact["Name"] = json!({"first": "Odd"});
                }
            }
        }))
    });
    s.sync().await;
    let listed = s.failures().await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].failure.code.as_str(), &listed[0].failure.remote_key), ("TO-BAD-RECORD", &xero));
    s.world.wire.clear_hook();
    s.engine.retry_failure(s.id, listed[0].failure.id, "dana").await.unwrap();
    assert_eq!(s.failures().await.len(), 0);
    assert_eq!(s.count("customers WHERE name = 'Odd One'").await, 1);
}

#[testkit::on_both_databases]
async fn a_refused_record_is_linked_with_the_one_that_xero_has(url: String) {
    let s = Setting::new(url).await;
    let org = s.engine.connection(s.id).await.unwrap().org;
    let sql = format!("INSERT INTO customers (org_id, name, email) VALUES ({org}, 'Twice Here', 'no address')");
    s.app.run(&sql).await;
    let local: i64 = s.app.text("SELECT MAX(id) AS c FROM customers").await.unwrap().parse().unwrap();
    s.engine.push(s.id, "test").await.unwrap();
    let failure = s.failures().await.remove(0).failure;
    assert_eq!((failure.local_id, failure.code.as_str()), (Some(local), "TO-EMAIL"));

    let person = s.world.person();
    let details = json!({"Name": "Twice There", "EmailAddress": "good@xero.test", "FirstName": "Xeno"});
    let made = person.put("Contacts", details);
    let xero: uuid::Uuid = made["Contacts"][0]["ContactID"].as_str().unwrap().parse().unwrap();
    let taken = s.customer(0).await;
    let linked = s.engine.link_failure(s.id, failure.id, taken.xero.parse().unwrap(), "dana").await.unwrap_err();
    assert_eq!(linked.code(), "TO-INVALID", "{linked}");
    let nobody = s.engine.link_failure(s.id, failure.id, uuid::Uuid::from_u128(7), "dana").await.unwrap_err();
    assert_eq!(nobody.code(), "TO-NOT-FOUND", "{nobody}");

    s.engine.set_policy(s.id, None, None, Some(PolicySetting::Xero), "test").await.unwrap();
    s.engine.link_failure(s.id, failure.id, xero, "dana").await.unwrap();
    assert_eq!(s.failures().await.len(), 0);
    s.sync().await;
    let pair = Pair { local, xero: xero.to_string() };
    assert_eq!(s.xero_id("customer", local).await, Some(xero.to_string()));
    assert_eq!(s.column(&pair, "name").await.as_deref(), Some("Twice There"));
    assert_eq!(s.column(&pair, "first_name").await.as_deref(), Some("Xeno"));
    assert_eq!(s.count("customers WHERE name = 'Twice There'").await, 1);
    assert!(s.explain(&pair).await.timeline.iter().any(|line| line.what == "record.linked"));
    assert_agreement(&s.engine, s.id).await;
}

#[testkit::on_both_databases]
async fn a_record_is_explained_in_every_state(url: String) {
    let s = Setting::new(url).await;
    let (a, b) = (s.customer(0).await, s.customer(1).await);
    let says = async |of: &Pair, state: SyncState, words: &str| {
        let explained = s.explain(of).await;
        let found = explained.reasons.iter().any(|reason| reason.text.contains(words));
        assert!(explained.state == state && found, "{words:?} is not said: {explained:#?}");
        explained
    };
    let explained = says(&a, SyncState::InSync, "the App and Xero have the same").await;
    assert!(explained.fields.is_empty() && explained.agreed.is_some() && explained.xero_id.is_some());

    s.set(&a, "first_name", "Noticed").await;
    let explained = says(&a, SyncState::Waiting, "goes out with the next push").await;
    assert_eq!(explained.fields[0].field, "first_name");
    assert_eq!(explained.fields[0].app, "Noticed");

    // The answer to the change is lost.
    s.world.wire.set_hook(|request, response| match (request.method.as_str(), request.url.path()) {
        ("POST" | "PUT", path) if path.contains("/Contacts") => Err(TransportError::Unanswered("reset by peer".into())),
        _ => Ok(response),
    });
    let pushed = s.engine.push(s.id, "test").await;
    assert!(pushed.is_ok(), "{pushed:?}");
    says(&a, SyncState::Looking, "sent at").await;
    says(&a, SyncState::Looking, "no answer: looking before retry; the next look is at").await;
    s.world.wire.clear_hook();

    let conflict = s.conflict(&b).await;
    let explained = says(&b, SyncState::NeedsYou, "both sides changed email after they last agreed").await;
    assert_eq!(explained.fields[0].conflict, Some(conflict));
    assert_eq!(explained.reasons[0].fix, Some(format!("decide conflict {conflict}")));
    s.engine.resolve(s.id, conflict, None, Choice::KeepXero, "dana").await.unwrap();
    let explained = says(&b, SyncState::InSync, "the App and Xero have the same").await;
    let decided = explained.timeline.iter().find(|line| line.what == "conflict.resolved").expect("a line");
    assert_eq!(decided.by.as_deref(), Some("dana"));

    s.set(&b, "email", "no address").await;
    s.engine.push(s.id, "test").await.unwrap();
    let explained = says(&b, SyncState::NeedsYou, "Xero did not get it").await;
    assert_eq!(explained.reasons[0].code.as_deref(), Some("TO-EMAIL"));
    assert_eq!(explained.reasons[0].fix.as_deref(), Some("correct the e-mail address"));

    let org = s.engine.connection(s.id).await.unwrap().org;
    let sql = format!("INSERT INTO customers (org_id, name, status) VALUES ({org}, 'Never Sent', 'ARCHIVED')");
    s.app.run(&sql).await;
    s.engine.push(s.id, "test").await.unwrap();
    let never = s.app.text("SELECT MAX(id) AS c FROM customers").await.unwrap().parse().unwrap();
    let never = Pair { local: never, xero: String::new() };
    says(&never, SyncState::OneSided, "cancelled before Xero heard of it").await;

    let nobody = s.engine.explain(s.id, Kind::Customer, 987_654, 10).await.unwrap_err();
    assert_eq!(nobody.code(), "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn one_record_is_synced_on_its_own(url: String) {
    let s = Setting::new(url).await;
    let (a, b) = (s.customer(0).await, s.customer(1).await);
    s.set(&a, "first_name", "Here").await;
    s.set_in_xero(&a, json!({"LastName": "There"}));
    s.set_in_xero(&b, json!({"LastName": "Elsewhere"}));
    let one = s.engine.sync_entity(s.id, Kind::Customer, EntityRef::Local(a.local), "test").await.unwrap();
    assert!(one.was_read && one.xero_id.is_some_and(|id| id.to_string() == a.xero), "{one:?}");
    assert_eq!(s.in_xero(&a)["FirstName"], "Here");
    assert_eq!(s.column(&a, "last_name").await.as_deref(), Some("There"));
    assert_ne!(s.column(&b, "last_name").await.as_deref(), Some("Elsewhere"), "only the one");

    let xero = EntityRef::Xero(b.xero.parse().unwrap());
    let other = s.engine.sync_entity(s.id, Kind::Customer, xero, "test").await.unwrap();
    assert_eq!(other.local_id, b.local);
    assert_eq!(s.column(&b, "last_name").await.as_deref(), Some("Elsewhere"));
    for nobody in [EntityRef::Local(987_654), EntityRef::Xero(uuid::Uuid::from_u128(9))] {
        let error = s.engine.sync_entity(s.id, Kind::Customer, nobody, "test").await.unwrap_err();
        assert_eq!(error.code(), "TO-NOT-FOUND");
    }
}
