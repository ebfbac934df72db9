//! The lists that outgoing writes, conflicts and failures stand on.

use super::*;

fn create(local_id: i64) -> NewIntent {
    NewIntent {
        kind: Kind::Invoice,
        local_id,
        xero_id: None,
        op: Op::Create,
        fields: "[]".into(),
        body: None,
        acked: None,
        marker: Some("{}".into()),
        triggered_by: "watch".into(),
        run: Some(1),
    }
}

async fn send(tx: &mut Tx, to: &Connection, intents: &[i64]) -> i64 {
    let part = |intent: &i64| SendPart {
        intent: *intent,
        body: b"body".to_vec(),
        acked: b"acked".to_vec(),
        fields: "[\"number\"]".into(),
    };
    let new = NewSend {
        kind: Kind::Invoice,
        method: "PUT",
        target: None,
        idempotency_key: "key".into(),
        body: b"{}".to_vec(),
        fence: 3,
    };
    tx.begin_send(to.id, &new, &intents.iter().map(part).collect::<Vec<_>>(), now()).await.unwrap()
}

#[testkit::on_both_databases]
async fn an_intent_goes_its_ways(db_url: String) {
    let books = books(&db_url).await;
    let to = &books.to;
    let mut tx = books.store.begin_durable().await.unwrap();
    let ids = tx.plan_intents(to.id, &[create(1), create(2), create(3)], now()).await.unwrap();
    let planned = |after| (to.id, Kind::Invoice, Op::Create, now(), after, 10);
    let (a, b, c, d, e, f) = planned(ids[0]);
    assert_eq!(tx.planned_intents(a, b, c, d, e, f).await.unwrap().len(), 2);
    assert_eq!(tx.due_connections(now()).await.unwrap(), [to.id]);

    // Known not applied: planned again, later.
    let first = send(&mut tx, to, &ids[..2]).await;
    let sent = tx.intents_of_send(first).await.unwrap();
    assert_eq!(
        sent.iter().map(|i| (i.id, i.position, i.state)).collect::<Vec<_>>(),
        [(ids[0], Some(0), IntentState::Sending), (ids[1], Some(1), IntentState::Sending)]
    );
    assert_eq!((sent[0].body.as_deref(), sent[0].acked.as_deref()), (Some(&b"body"[..]), Some(&b"acked"[..])));
    tx.send_again(first, 4, later(2)).await.unwrap();
    let open = tx.open_sends(to.id).await.unwrap();
    assert_eq!((open.len(), open[0].attempts, open[0].first_sent_at, open[0].last_sent_at), (1, 2, now(), later(2)));
    assert_eq!((open[0].elements, open[0].body.as_slice()), (2, &b"{}"[..]));
    tx.unsend(first, "429", Some(later(30)), now()).await.unwrap();
    assert_eq!(tx.open_sends(to.id).await.unwrap(), []);
    let (a, b, c, d, e, f) = planned(0);
    assert_eq!(tx.planned_intents(a, b, c, d, e, f).await.unwrap().len(), 1);
    assert_eq!(tx.planned_intents(a, b, c, later(30), e, f).await.unwrap().len(), 3);

    // Never answered: looked up, absent, a new attempt.
    let second = send(&mut tx, to, &ids).await;
    tx.send_unknown(second, later(10), now()).await.unwrap();
    assert_eq!(tx.due_unknown(to.id, Kind::Invoice, now(), 10).await.unwrap(), []);
    assert_eq!(tx.due_unknown(to.id, Kind::Invoice, later(10), 10).await.unwrap().len(), 3);
    assert_eq!(tx.due_connections(now()).await.unwrap(), []);
    assert_eq!(tx.due_connections(later(10)).await.unwrap(), [to.id]);
    tx.looked(ids[0], Some(later(300)), later(360), later(300)).await.unwrap();
    assert_eq!(tx.due_unknown(to.id, Kind::Invoice, later(359), 10).await.unwrap().len(), 2);
    assert_eq!(tx.last_sent_at(&[second]).await.unwrap()[&second], now());
    assert_eq!(tx.last_send_of(ids[0]).await.unwrap().unwrap().id, second);
    tx.replan(ids[0], later(400)).await.unwrap();
    let again = tx.open_intents_of(to.id, Kind::Invoice, &[1]).await.unwrap().remove(&1).unwrap();
    assert_eq!((again.state, again.attempt, again.send, again.absent_at), (IntentState::Planned, 2, None, None));
    tx.put_off_intent(ids[0], later(500), "TO-WAITING", "waits", later(401)).await.unwrap();
    assert_eq!(tx.open_creates(to.id, Kind::Invoice).await.unwrap()[0].code.as_deref(), Some("TO-WAITING"));
    assert_eq!(
        tx.count_open_intents(to.id).await.unwrap(),
        [(Kind::Invoice, IntentState::Planned, 1), (Kind::Invoice, IntentState::Unknown, 2)]
    );

    // Ends.
    let end = |id, state, xero_id| IntentEnd { id, state, xero_id, code: None, message: None };
    let ends = [
        end(ids[0], IntentState::Dropped, None),
        end(ids[1], IntentState::Done, Some(Uuid::from_u128(8))),
        IntentEnd { code: Some("TO-X".into()), ..end(ids[2], IntentState::Refused, None) },
    ];
    tx.end_intents(&ends, later(500)).await.unwrap();
    tx.end_send(second, "200", Some("c-1"), later(500)).await.unwrap();
    assert_eq!(tx.count_open_intents(to.id).await.unwrap(), []);
    let done = tx.intents_of_record(to.id, Kind::Invoice, 2, 10).await.unwrap();
    assert_eq!((done[0].state, done[0].xero_id), (IntentState::Done, Some(Uuid::from_u128(8))));
    assert_eq!(tx.due_connections(far()).await.unwrap(), []);
    // Only open ones stand in each other's way.
    tx.plan_intents(to.id, &[create(1)], now()).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = books.store.begin().await.unwrap();
    assert!(matches!(tx.plan_intents(to.id, &[create(1)], now()).await, Err(Error::Constraint(_))));
}

fn conflict(field: &str, state: ConflictState) -> NewConflict {
    NewConflict {
        kind: Kind::Customer,
        local_id: 5,
        xero_id: Uuid::from_u128(5),
        what: "FIELD",
        field: field.into(),
        base: Some("1".into()),
        app: Some("2".into()),
        xero: Some("3".into()),
        app_changed_at: Some(now()),
        xero_changed_at: None,
        policy: "ASK",
        state,
        resolution: (state == ConflictState::Resolved).then_some(Resolution::KeepXero),
        result: None,
        decided_by: None,
        run: None,
    }
}

#[testkit::on_both_databases]
async fn a_field_has_one_pending_conflict(db_url: String) {
    let books = books(&db_url).await;
    let to = &books.to;
    let mut tx = books.store.begin().await.unwrap();
    let pending = [conflict("email", ConflictState::Pending), conflict("name", ConflictState::Pending)];
    let ids = tx.add_conflicts(to.id, &pending, now()).await.unwrap();
    let moved = NewConflict { xero: Some("4".into()), ..pending[0].clone() };
    assert_eq!(tx.add_conflicts(to.id, &[moved], later(1)).await.unwrap(), ids[..1]);
    let open = tx.pending_conflicts(to.id, Kind::Customer, &[5, 6]).await.unwrap();
    let fields: Vec<_> = open[&5].iter().map(|c| (c.field.as_str(), c.xero.as_deref(), c.updated_at)).collect();
    assert_eq!(fields, [("email", Some("4"), later(1)), ("name", Some("3"), now())]);
    assert_eq!(open[&5][0].created_at, now());
    let decide = (ConflictState::Resolved, Some(Resolution::KeepApp), Some("2"));
    assert!(tx.decide_conflict(ids[0], decide.0, decide.1, decide.2, "me", later(2)).await.unwrap());
    assert!(!tx.decide_conflict(ids[0], decide.0, decide.1, decide.2, "you", later(3)).await.unwrap());
    let decided = tx.conflict(to.id, ids[0]).await.unwrap().unwrap();
    assert_eq!((decided.state, decided.resolution), (ConflictState::Resolved, Some(Resolution::KeepApp)));
    assert_eq!((decided.result.as_deref(), decided.decided_by.as_deref()), (Some("2"), Some("me")));
    assert!(tx.undo_conflict(ids[0], "me", later(4)).await.unwrap());
    assert!(!tx.undo_conflict(ids[0], "me", later(5)).await.unwrap());
    // The same field again is another conflict; one that the policy decides never was pending.
    let again = tx.add_conflicts(to.id, &pending[..1], now()).await.unwrap();
    assert_ne!(again[0], ids[0]);
    tx.add_conflicts(to.id, &[conflict("phones[MOBILE]", ConflictState::Resolved)], now()).await.unwrap();
    assert_eq!(tx.count_pending_conflicts(to.id).await.unwrap(), [(Kind::Customer, 2)]);
    tx.withdraw_conflicts(to.id, Kind::Customer, 5, &["name", "other"], later(6)).await.unwrap();
    assert_eq!(tx.conflict(to.id, ids[1]).await.unwrap().unwrap().state, ConflictState::Ignored);
    let filter = ConflictFilter { state: Some(ConflictState::Pending), ..ConflictFilter::default() };
    let listed = tx.conflicts(to.id, &filter, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|c| c.id).collect::<Vec<_>>(), again);
    assert_eq!(tx.conflicts(to.id, &ConflictFilter::default(), Some(again[0]), 10).await.unwrap().len(), 2);
    let none = ConflictFilter { kind: Some(Kind::Invoice), ..ConflictFilter::default() };
    assert_eq!(tx.conflicts(to.id, &none, None, 10).await.unwrap(), []);
}

#[testkit::on_both_databases]
async fn failures_have_two_directions_and_can_be_set_aside(db_url: String) {
    let books = books(&db_url).await;
    let to = &books.to;
    let pull = |key: &str, code| NewFailure {
        remote_key: key.into(),
        code,
        message: format!("{key} is bad"),
        ..NewFailure::default()
    };
    let push = |local: i64, code| NewFailure {
        direction: Direction::Push,
        local_id: Some(local),
        next_try_at: Some(later(60)),
        ..pull(&format!("local:{local}"), code)
    };
    let mut tx = books.store.begin().await.unwrap();
    let same_key = NewFailure { direction: Direction::Push, local_id: Some(3), ..pull("k", "TO-Y") };
    let mut new = vec![pull("k", "TO-X"), same_key, push(1, "TO-X"), push(2, "TO-Y"), pull("k", "TO-X")];
    new.extend((10..30).map(|local| push(local, "TO-MANY")));
    tx.add_failures(to.id, Kind::Invoice, Some(1), &new, now()).await.unwrap();
    tx.add_failures(to.id, Kind::Invoice, None, &new, later(1)).await.unwrap();
    assert_eq!(tx.open_failure_keys(to.id, Kind::Invoice).await.unwrap(), ["k"]);
    let groups = tx.failure_groups(to.id).await.unwrap();
    let shown: Vec<_> = groups.iter().map(|g| (g.code.as_str(), g.direction, g.count)).collect();
    assert_eq!(
        shown,
        [
            ("TO-MANY", Direction::Push, 20),
            ("TO-Y", Direction::Push, 2),
            ("TO-X", Direction::Pull, 1),
            ("TO-X", Direction::Push, 1)
        ]
    );
    assert_eq!((groups[3].newest_message.as_str(), groups[3].first_seen), ("local:1 is bad", now()));
    assert_eq!(groups[3].last_seen, later(1));
    let open = tx.open_push_failures(to.id, Kind::Invoice, &[1, 2, 3, 4]).await.unwrap();
    assert_eq!(open.len(), 3);
    assert_eq!((open[&1].attempts, open[&1].next_try_at), (2, Some(later(60))));
    // A record that comes over from Xero closes only what was wrong in that direction.
    tx.close_failure(to.id, Kind::Invoice, "k", now()).await.unwrap();
    assert_eq!(tx.open_push_failures(to.id, Kind::Invoice, &[3]).await.unwrap().len(), 1);
    tx.close_push_failures(to.id, Kind::Invoice, &[3], now()).await.unwrap();
    assert!(tx.open_push_failures(to.id, Kind::Invoice, &[3]).await.unwrap().is_empty());

    let id = open[&1].id;
    assert!(tx.ignore_failure(to.id, id, "me", "known", later(2)).await.unwrap());
    assert!(!tx.ignore_failure(to.id, id, "me", "known", later(2)).await.unwrap());
    assert!(tx.failures_of_code(to.id, "TO-X", 10).await.unwrap().is_empty());
    assert_eq!(tx.count_open_failures(to.id).await.unwrap(), [(Kind::Invoice, 21)]);
    // The same again stays aside; something else does not.
    tx.add_failures(to.id, Kind::Invoice, None, &[push(1, "TO-X")], later(3)).await.unwrap();
    let aside = tx.failure(to.id, id).await.unwrap().unwrap();
    assert_eq!((aside.ignored_by.as_deref(), aside.ignored_reason.as_deref()), (Some("me"), Some("known")));
    tx.add_failures(to.id, Kind::Invoice, None, &[push(1, "TO-Z")], later(4)).await.unwrap();
    assert_eq!(tx.failures_of_code(to.id, "TO-Z", 10).await.unwrap()[0].ignored_by, None);
}

#[testkit::on_both_databases]
async fn links_are_found_from_both_sides(db_url: String) {
    let books = books(&db_url).await;
    let to = &books.to;
    let mut tx = books.store.begin().await.unwrap();
    let base = canonical(&customer());
    let link = |xero: u128, local_id| LinkChange {
        xero_id: Uuid::from_u128(xero),
        local_id,
        remote_hash: ContentHash::of(&base),
        remote_updated_at: None,
        base: &base,
    };
    tx.insert_links(to.id, Kind::Customer, &[link(1, 11), link(2, 12)]).await.unwrap();
    tx.insert_links(to.id, Kind::Invoice, &[link(3, 11)]).await.unwrap();
    let found = tx.links_of_locals(to.id, Kind::Customer, &[11, 12, 13]).await.unwrap();
    assert_eq!((found.len(), found[&12].xero_id, &found[&12].base), (2, Uuid::from_u128(2), &base));
    let found = tx.full_links(to.id, Kind::Customer, &[Uuid::from_u128(1)]).await.unwrap();
    assert_eq!(found[&Uuid::from_u128(1)].local_id, 11);
    let after = tx.link_locals_after(to.id, Kind::Customer, 11, 10).await.unwrap();
    assert_eq!(after, [(12, Uuid::from_u128(2))]);
    assert!(tx.relink(to.id, Kind::Customer, Uuid::from_u128(2), 14).await.unwrap());
    assert!(!tx.relink(to.id, Kind::Customer, Uuid::from_u128(9), 15).await.unwrap());

    // Unlinked: captured, being created, refused; not what is linked.
    tx.capture(to.org, Kind::Customer, &[11, 21], now()).await.unwrap();
    tx.plan_intents(to.id, &[NewIntent { kind: Kind::Customer, ..create(22) }], now()).await.unwrap();
    let failure = NewFailure {
        direction: Direction::Push,
        remote_key: "local:23".into(),
        local_id: Some(23),
        ..NewFailure::default()
    };
    tx.add_failures(to.id, Kind::Customer, None, &[failure], now()).await.unwrap();
    assert_eq!(tx.unlinked_locals(to.id, to.org, Kind::Customer, 0, 10).await.unwrap(), [21, 22, 23]);
    assert!(tx.unlinked_locals(to.id, to.org, Kind::Invoice, 0, 10).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    let mut tx = books.store.begin().await.unwrap();
    let taken = tx.relink(to.id, Kind::Customer, Uuid::from_u128(1), 14).await;
    assert!(matches!(taken, Err(Error::Constraint(_))), "{taken:?}");
}

#[testkit::on_both_databases]
async fn what_people_decide_is_kept(db_url: String) {
    let books = books(&db_url).await;
    let to = &books.to;
    let mut tx = books.store.begin().await.unwrap();

    for policy in ["ASK", "APP"] {
        tx.set_policy(to.id, "customer", "email", policy, "me", now()).await.unwrap();
    }
    tx.set_policy(to.id, "", "", "XERO", "me", now()).await.unwrap();
    let rows = tx.policies(to.id).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.policy.as_str()).collect::<Vec<_>>(), ["XERO", "APP"]);
    assert!(tx.clear_policy(to.id, "customer", "email").await.unwrap());
    assert!(!tx.clear_policy(to.id, "customer", "email").await.unwrap());

    let pair = (Uuid::from_u128(1), 1, "same name".to_owned());
    tx.add_candidates(to.id, Kind::Customer, std::slice::from_ref(&pair), now()).await.unwrap();
    assert!(tx.decide_candidate(to.id, Kind::Customer, pair.0, 1, false, "me", now()).await.unwrap());
    assert!(!tx.decide_candidate(to.id, Kind::Customer, pair.0, 1, true, "me", now()).await.unwrap());
    tx.add_candidates(to.id, Kind::Customer, &[pair.clone(), (pair.0, 2, "x".into())], now()).await.unwrap();
    let open = tx.candidates(to.id, Some(Kind::Customer), Some(CandidateState::Open)).await.unwrap();
    assert_eq!(open.iter().map(|c| c.local_id).collect::<Vec<_>>(), [2]);
    let of = tx.candidates_of(to.id, Kind::Customer, &[1]).await.unwrap();
    assert_eq!(of[0].state, CandidateState::Different);
    assert_eq!(tx.candidates(to.id, None, None).await.unwrap().len(), 2);

    let ask = (to.id, Kind::Invoice, Direction::Push, BrakeWhat::Remove);
    let id = tx.open_brake(ask.0, ask.1, ask.2, ask.3, 5, 9, now()).await.unwrap();
    assert_eq!(tx.open_brake(ask.0, ask.1, ask.2, ask.3, 6, 9, now()).await.unwrap(), id);
    assert!(tx.decide_brake(to.id, id, true, "me", now()).await.unwrap());
    assert!(!tx.decide_brake(to.id, id, false, "me", now()).await.unwrap());
    let released = tx.brake(ask.0, ask.1, ask.2, ask.3).await.unwrap().unwrap();
    assert_eq!((released.state, released.would), (BrakeState::Approved, 6));
    tx.use_brake(id, now()).await.unwrap();
    assert_eq!(tx.brake(ask.0, ask.1, ask.2, ask.3).await.unwrap(), None);
    assert_ne!(tx.open_brake(ask.0, ask.1, ask.2, ask.3, 1, 1, now()).await.unwrap(), id);
    assert_eq!(tx.brakes(to.id).await.unwrap().len(), 2);

    let plan = tx.add_plan(to.id, Mode::Full, "[]", 3, "me", now()).await.unwrap();
    assert_eq!(tx.plan(to.id, plan).await.unwrap().unwrap().items, "[]");
    assert!(tx.plan_applied(plan, now()).await.unwrap());
    assert!(!tx.plan_applied(plan, now()).await.unwrap());

    let reply = Reply {
        api_key: 4,
        key: "k".into(),
        request_hash: vec![1],
        status: 201,
        headers: "[]".into(),
        body: b"{}".to_vec(),
        expires_at: later(10),
    };
    tx.save_reply(&reply).await.unwrap();
    assert_eq!(tx.reply(4, "k", now()).await.unwrap(), Some(reply));
    assert_eq!(tx.reply(4, "k", later(10)).await.unwrap(), None);
    assert_eq!(tx.reply(5, "k", now()).await.unwrap(), None);
    tx.drop_old_replies(later(10)).await.unwrap();
    assert_eq!(tx.reply(4, "k", now()).await.unwrap(), None);
    tx.commit().await.unwrap();
}

#[testkit::on_both_databases]
async fn runs_that_only_push_are_not_taken_up_again(db_url: String) {
    let books = books(&db_url).await;
    let id = books.to.id;
    let pulling = books.store.acquire_lease("pull:1", "one", 60).await.unwrap().unwrap();
    let pushing = books.store.acquire_lease("push:1", "one", 60).await.unwrap().unwrap();
    let mut tx = books.store.begin().await.unwrap();
    let pull = tx.start_run_in(id, Mode::Full, RunDirection::Pull, &pulling, "test", now()).await.unwrap();
    let push = tx.start_run_in(id, Mode::Incremental, RunDirection::Push, &pushing, "watch", now()).await.unwrap();
    assert_eq!(tx.unfinished_run(id).await.unwrap().unwrap().id, pull);
    let counts = KindCounts { sent_created: 1, sent_updated: 2, sent_removed: 3, refused: 4, ..KindCounts::default() };
    let counts = KindCounts { conflicts: 5, ..counts };
    for _ in 0..2 {
        tx.count_run(push, Kind::Invoice, &counts, 1, 1, now()).await.unwrap();
    }
    let found = tx.run_kinds(push).await.unwrap()[0].1;
    assert_eq!((found.sent_created, found.sent_updated, found.sent_removed), (2, 4, 6));
    assert_eq!((found.refused, found.conflicts), (8, 10));
    // Not while somebody is at it, and not under another lease.
    tx.cancel_cut_off_runs(id, &pulling, later(1)).await.unwrap();
    assert_eq!(tx.run(push).await.unwrap().unwrap().state, RunState::Running);
    tx.cancel_cut_off_runs(id, &pushing, later(1)).await.unwrap();
    let again = tx.start_run_in(id, Mode::Incremental, RunDirection::Push, &pushing, "watch", now()).await.unwrap();
    tx.commit().await.unwrap();
    books.store.release_lease(&pushing).await.unwrap();
    let mut tx = books.store.begin().await.unwrap();
    tx.cancel_cut_off_runs(id, &pulling, later(1)).await.unwrap();
    assert_eq!(tx.run(again).await.unwrap().unwrap().state, RunState::Cancelled, "nobody holds its lease");
    let cancelled = tx.run(push).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.direction), (RunState::Cancelled, RunDirection::Push));
    assert_eq!(tx.run(pull).await.unwrap().unwrap().state, RunState::Running);
}

#[testkit::on_both_databases]
async fn triggers_that_differ_are_installed_anew(db_url: String) {
    let first = books(&db_url).await;
    let (customer, _) = first.engine_rows().await;
    let (name, on) = if db_url.starts_with("sqlite:") {
        ("tieout_customers_update", "")
    } else {
        ("tieout_update", " ON customers")
    };
    first
        .sql(&format!("DROP TRIGGER {name}{on}; UPDATE facts SET value = 'old' WHERE name = 'capture_triggers'"))
        .await;
    let again = Books { store: Store::open(&db_url, Arc::new(now)).await.unwrap(), ..first };
    again.sql(&format!("UPDATE customers SET name = 'x' WHERE id = {customer}")).await;
    assert_eq!(again.drain().await, [(Kind::Customer, customer)]);
}
