//! The other direction on both databases: whoever changes the books is seen, the engine is not; and the lists that
//! outgoing writes, conflicts and failures stand on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use model::{
    BankTransaction, ContentHash, Customer, Invoice, Kind, Line, OrgId, Payment, Phone, PhoneType, Ref, canonical,
};
use store::{
    BrakeState, BrakeWhat, CandidateState, Captured, ConflictFilter, ConflictState, Connection, Direction, Error,
    IntentEnd, IntentState, KindCounts, LinkChange, Mode, NewConflict, NewConnection, NewFailure, NewIntent, NewSend,
    Op, Refreshed, Refs, Reply, Resolution, RunDirection, RunState, SendPart, Store, Tx,
};
use uuid::Uuid;

fn now() -> Timestamp {
    "2026-11-21T10:00:00.123Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// Later than any trigger's clock.
fn far() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

struct Books {
    store: Store,
    to: Connection,
    url: String,
}

async fn books(url: &str) -> Books {
    let store = Store::open(url, Arc::new(now)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let grant = tx.next_grant_id().await.unwrap();
    let tokens = Refreshed {
        generation: 1,
        scopes: Some("a b".into()),
        access_token: "sealed".into(),
        access_expires_at: now(),
        refresh_token: Some("sealed too".into()),
        previous_refresh_token: None,
        previous_until: None,
    };
    tx.save_grant(grant, "user", &tokens, now()).await.unwrap();
    let new = NewConnection {
        grant,
        tenant_id: Uuid::from_u128(1),
        xero_connection_id: Uuid::from_u128(2),
        tenant_name: "Demo".into(),
    };
    let to = tx.connect_tenant(&new, now()).await.unwrap();
    tx.commit().await.unwrap();
    Books { store, to, url: url.to_owned() }
}

impl Books {
    /// Everything that is captured now, by kind and local id.
    async fn captured(&self) -> Vec<(Kind, i64, i64)> {
        let mut tx = self.store.read().await.unwrap();
        let mut all = Vec::new();
        for kind in [Kind::Customer, Kind::Invoice, Kind::Payment, Kind::BankTransaction] {
            let found = tx.captured(self.to.org, kind, far(), 0, 1_000_000).await.unwrap();
            all.extend(found.into_iter().map(|captured| (kind, captured.local_id, captured.seq)));
        }
        all
    }

    /// What was captured, without how often, and an empty list afterwards.
    async fn drain(&self) -> Vec<(Kind, i64)> {
        let all = self.captured().await;
        let mut tx = self.store.begin().await.unwrap();
        for (kind, local, seq) in &all {
            tx.drop_captures(*kind, &[(*local, *seq)]).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert!(self.captured().await.is_empty());
        all.into_iter().map(|(kind, local, _)| (kind, local)).collect()
    }

    /// Statements by somebody else, as any program runs them.
    async fn sql(&self, sql: &str) {
        try_sql(&self.url, sql).await.unwrap();
    }

    async fn updated_at(&self, id: i64) -> Timestamp {
        let mut tx = self.store.read().await.unwrap();
        tx.book_row::<Invoice>(self.to.id, self.to.org, id).await.unwrap().unwrap().updated_at
    }

    /// A customer and an invoice with two lines, both written by the engine.
    async fn engine_rows(&self) -> (i64, i64) {
        let mut tx = self.store.begin().await.unwrap();
        let customer = tx.insert_books(self.to.org, &[&customer()], &Refs::default(), now()).await.unwrap()[0];
        let invoice = tx.insert_books(self.to.org, &[&invoice(customer)], &Refs::default(), now()).await.unwrap()[0];
        tx.commit().await.unwrap();
        (customer, invoice)
    }
}

fn customer() -> Customer {
    let phone = |kind| Phone { kind, number: Some("1".into()), ..Phone::default() };
    Customer {
        name: "A".into(),
        phones: vec![phone(PhoneType::Default), phone(PhoneType::Mobile)],
        ..Customer::default()
    }
}

fn invoice(customer: i64) -> Invoice {
    Invoice {
        r#type: "ACCREC".into(),
        customer: Some(Ref::Local(customer)),
        lines: vec![Line::default(), Line::default()],
        ..Invoice::default()
    }
}

/// Without any of the store's own functions, as the `sqlite3` or `psql` program would.
async fn try_sql(url: &str, sql: &str) -> Result<(), String> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        let connection = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(|error| error.to_string())?;
        // The programs' default, not this library's.
        let sql = if sql.contains("PRAGMA") { sql.to_owned() } else { format!("PRAGMA foreign_keys = OFF; {sql}") };
        return connection.execute_batch(&sql).map_err(|error| error.to_string());
    }
    let sql: Vec<&str> = sql.split("; ").filter(|part| !part.starts_with("PRAGMA")).collect();
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let outcome = client.batch_execute(&sql.join("; ")).await;
    drop(client);
    let _ = driver.await;
    outcome.map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), |refused| refused.to_string()))
}

#[testkit::on_both_databases]
async fn the_engine_captures_nothing(db_url: String) {
    let books = books(&db_url).await;
    let (customer_id, invoice_id) = books.engine_rows().await;
    assert_eq!(books.captured().await, []);
    let mut tx = books.store.begin().await.unwrap();
    let changed = Invoice { number: Some("N".into()), lines: vec![Line::default(); 3], ..invoice(customer_id) };
    for _ in 0..2 {
        tx.update_books(&[(invoice_id, &changed)], &Refs::default(), now()).await.unwrap();
    }
    let shorter = Customer { phones: vec![], ..customer() };
    tx.update_books(&[(customer_id, &shorter)], &Refs::default(), now()).await.unwrap();
    tx.update_books(&[(customer_id, &customer())], &Refs::default(), now()).await.unwrap();
    // More rows than are written one by one.
    let many: Vec<_> = (0..40).map(|_| customer()).collect();
    let many: Vec<_> = many.iter().collect();
    let ids = tx.insert_books(books.to.org, &many, &Refs::default(), now()).await.unwrap();
    let again: Vec<_> = ids.iter().copied().zip(many).collect();
    tx.update_books(&again, &Refs::default(), now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(books.captured().await, []);
    let mut tx = books.store.begin().await.unwrap();
    let row = tx.lock_books::<Invoice>(books.to.id, &[invoice_id]).await.unwrap().remove(0);
    assert_eq!((row.record, row.updated_at), (changed, now()));
}

#[testkit::on_both_databases]
async fn anybodys_insert_update_and_delete_are_captured(db_url: String) {
    let books = books(&db_url).await;
    let (customer, invoice) = books.engine_rows().await;
    for pragmas in
        ["", "PRAGMA recursive_triggers = ON; ", "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; "]
    {
        let org = books.to.org;
        books.sql(&format!("{pragmas}UPDATE customers SET name = 'B' WHERE id = {customer}")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, customer)]);
        books.sql(&format!("{pragmas}INSERT INTO customers (id, org_id, name) VALUES (900, {org}, 'C')")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, 900)]);
        books.sql(&format!("{pragmas}UPDATE customers SET id = 901 WHERE id = 900")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, 900), (Kind::Customer, 901)]);
        books.sql(&format!("{pragmas}DELETE FROM customers WHERE id = 901")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, 901)]);
        for (table, values, kind) in [
            ("payments (id, org_id, amount)", "1", Kind::Payment),
            ("bank_transactions (id, org_id, type)", "'SPEND'", Kind::BankTransaction),
        ] {
            let name = table.split(' ').next().unwrap();
            books.sql(&format!("{pragmas}INSERT INTO {table} VALUES (7, {org}, {values})")).await;
            assert_eq!(books.drain().await, [(kind, 7)]);
            books.sql(&format!("{pragmas}UPDATE {name} SET reference = 'x' WHERE id = 7")).await;
            assert_eq!(books.drain().await, [(kind, 7)]);
            books.sql(&format!("{pragmas}DELETE FROM {name} WHERE id = 7")).await;
            assert_eq!(books.drain().await, [(kind, 7)]);
        }
    }
    // Tables that only Xero changes are not watched.
    books
        .sql(&format!(
            "INSERT INTO accounts (org_id, name, type, status) VALUES ({}, 'a', 'BANK', 'ACTIVE')",
            books.to.org
        ))
        .await;
    assert_eq!(books.drain().await, []);
    books.sql(&format!("PRAGMA foreign_keys = ON; DELETE FROM invoices WHERE id = {invoice}")).await;
    assert_eq!(books.drain().await, [(Kind::Invoice, invoice)]);
}

#[testkit::on_both_databases]
async fn a_change_of_child_rows_is_one_of_their_parent(db_url: String) {
    let books = books(&db_url).await;
    let (customer, invoice) = books.engine_rows().await;
    let (_, other) = books.engine_rows().await;
    for pragmas in ["", "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; "] {
        let before = books.updated_at(invoice).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        books.sql(&format!("{pragmas}UPDATE invoice_lines SET description = 'x' WHERE invoice_id = {invoice}")).await;
        assert_eq!(books.drain().await, [(Kind::Invoice, invoice)]);
        assert!(books.updated_at(invoice).await > before);
        books.sql(&format!("{pragmas}INSERT INTO invoice_lines (invoice_id, position) VALUES ({invoice}, 9)")).await;
        assert_eq!(books.drain().await, [(Kind::Invoice, invoice)]);
        books.sql(&format!("{pragmas}UPDATE invoice_lines SET invoice_id = {other} WHERE position = 9")).await;
        assert_eq!(books.drain().await, [(Kind::Invoice, invoice), (Kind::Invoice, other)]);
        books.sql(&format!("{pragmas}DELETE FROM invoice_lines WHERE position = 9")).await;
        assert_eq!(books.drain().await, [(Kind::Invoice, other)]);
        books.sql(&format!("{pragmas}UPDATE customer_phones SET number = '2' WHERE customer_id = {customer}")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, customer)]);
        let address = "INSERT INTO customer_addresses (customer_id, position, type) VALUES";
        books.sql(&format!("{pragmas}{address} ({customer}, 1, 'STREET')")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, customer)]);
        books.sql(&format!("{pragmas}DELETE FROM customer_addresses WHERE customer_id = {customer}")).await;
        assert_eq!(books.drain().await, [(Kind::Customer, customer)]);
    }
}

#[testkit::on_both_databases]
async fn the_time_of_change_is_true_for_plain_sql(db_url: String) {
    let books = books(&db_url).await;
    let (_, invoice) = books.engine_rows().await;
    assert_eq!(books.updated_at(invoice).await, now());
    books.sql(&format!("UPDATE invoices SET number = 'X' WHERE id = {invoice}")).await;
    let stamped = books.updated_at(invoice).await;
    assert_ne!(stamped, now());
    assert_eq!(stamped.as_nanosecond() % 1_000_000, 0);
    let own = "2031-01-02T03:04:05.678Z";
    books.sql(&format!("UPDATE invoices SET number = 'Y', updated_at = '{own}' WHERE id = {invoice}")).await;
    assert_eq!(books.updated_at(invoice).await, own.parse().unwrap());
}

#[testkit::on_both_databases]
async fn a_statement_that_replaces_or_meets_what_exists_is_captured(db_url: String) {
    let books = books(&db_url).await;
    let (customer, _) = books.engine_rows().await;
    let org = books.to.org;
    for _ in 0..2 {
        books
            .sql(&format!(
                "INSERT INTO customers (id, org_id, name) VALUES ({customer}, {org}, 'Z') \
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name"
            ))
            .await;
        assert_eq!(books.captured().await.len(), 1);
    }
    books.drain().await;
    if db_url.starts_with("sqlite:") {
        for or in ["OR REPLACE", "OR IGNORE", "OR ABORT", "OR ROLLBACK", "OR FAIL"] {
            books.sql(&format!("UPDATE {or} customers SET name = 'Q' WHERE id = {customer}")).await;
        }
        // The trigger's own conflict rule holds, whatever the statement says: the row was counted, not replaced.
        assert!(books.captured().await[0].2 >= 5, "{:?}", books.captured().await);
        let replace = format!("REPLACE INTO customers (id, org_id, name) VALUES ({customer}, {org}, 'Z')");
        let seq = books.captured().await[0].2;
        books.sql(&replace).await;
        assert!(books.captured().await[0].2 > seq);
    }
}

#[testkit::on_both_databases]
async fn a_hundred_thousand_rows_are_captured_once_each_and_fast(db_url: String) {
    let books = books(&db_url).await;
    let all = 100_000;
    let mut tx = books.store.begin().await.unwrap();
    let plain = Customer { name: "n".into(), ..Customer::default() };
    let ids = tx.insert_books(books.to.org, &vec![&plain; all], &Refs::default(), now()).await.unwrap();
    tx.commit().await.unwrap();
    // A small statement first, so that a plan made for it would show.
    books.sql(&format!("UPDATE customers SET name = 'one' WHERE id = {}", ids[0])).await;
    for round in 0..2 {
        let began = Instant::now();
        books.sql(&format!("UPDATE customers SET name = 'many {round}'")).await;
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
    let captured = books.captured().await;
    assert_eq!(captured.len(), all);
    assert!(captured.iter().all(|(_, _, seq)| *seq >= 2));
    let seen: Vec<_> = captured.iter().map(|(_, local, seq)| (*local, *seq)).collect();
    let mut tx = books.store.begin().await.unwrap();
    tx.drop_captures(Kind::Customer, &seen).await.unwrap();
    tx.commit().await.unwrap();
    assert!(books.captured().await.is_empty());
}

#[testkit::on_both_databases]
async fn a_change_that_is_seen_late_is_not_missed(db_url: String) {
    let books = books(&db_url).await;
    let (customer, invoice) = books.engine_rows().await;
    if db_url.starts_with("sqlite:") {
        // One writer at a time: nothing can commit late. What remains is the change between look and drop, below.
        return;
    }
    let (client, connection) = tokio_postgres::connect(&db_url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(&format!("BEGIN; UPDATE invoices SET number = 'late' WHERE id = {invoice}")).await.unwrap();
    books.sql(&format!("UPDATE customers SET name = 'early' WHERE id = {customer}")).await;
    assert_eq!(books.drain().await, [(Kind::Customer, customer)]);
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(books.drain().await, [(Kind::Invoice, invoice)]);
    drop(client);
    let _ = driver.await;
}

#[testkit::on_both_databases]
async fn a_row_that_changed_meanwhile_stays_on_the_list(db_url: String) {
    let books = books(&db_url).await;
    let (customer, _) = books.engine_rows().await;
    let change = format!("UPDATE customers SET name = 'x' WHERE id = {customer}");
    books.sql(&change).await;
    let [(kind, local, seen)] = books.captured().await[..] else { panic!("one change") };
    books.sql(&change).await;
    let org = books.to.org;
    let mut tx = books.store.begin().await.unwrap();
    tx.drop_captures(kind, &[(local, seen)]).await.unwrap();
    tx.postpone_captures(kind, &[(local, seen)], far()).await.unwrap();
    let [Captured { seq, .. }] = tx.captured(org, kind, now(), 0, 10).await.unwrap()[..] else { panic!("kept") };
    assert!(seq > seen);
    assert_eq!(tx.count_captured(org).await.unwrap(), [(Kind::Customer, 1)]);
    assert_eq!(tx.due_connections(now()).await.unwrap(), [books.to.id]);
    // Put off, woken, put off again, and back by a change.
    tx.postpone_captures(kind, &[(local, seq)], later(60)).await.unwrap();
    assert_eq!(tx.captured(org, kind, now(), 0, 10).await.unwrap(), []);
    assert_eq!(tx.captured(org, kind, later(60), 0, 10).await.unwrap().len(), 1);
    assert_eq!(tx.due_connections(now()).await.unwrap(), []);
    assert_eq!(tx.due_connections(later(60)).await.unwrap(), [books.to.id]);
    tx.wake_captures(org, kind).await.unwrap();
    assert_eq!(tx.captured(org, kind, now(), 0, 10).await.unwrap().len(), 1);
    tx.postpone_captures(kind, &[(local, seq)], far()).await.unwrap();
    tx.commit().await.unwrap();
    books.sql(&change).await;
    let mut tx = books.store.begin().await.unwrap();
    let [again] = tx.captured(org, kind, now(), 0, 10).await.unwrap()[..] else { panic!("back") };
    assert!(again.seq > seq);
    // The engine asks for another look.
    tx.capture(org, kind, &[local, local, 77], later(5)).await.unwrap();
    let both = tx.captured(org, kind, now(), 0, 10).await.unwrap();
    assert_eq!(both[0], Captured { local_id: local, seq: again.seq + 1, changed_at: later(5) });
    assert_eq!(both[1], Captured { local_id: 77, seq: 1, changed_at: later(5) });
    assert_eq!(tx.captured(org, kind, now(), local, 10).await.unwrap(), both[1..]);
    assert_eq!(tx.captures_of(kind, &[77]).await.unwrap(), both[1..]);
    assert_eq!(tx.captured(OrgId(org.0 + 1), kind, now(), 0, 10).await.unwrap(), []);
}

#[testkit::on_both_databases]
async fn what_others_refer_to_cannot_be_deleted(db_url: String) {
    let books = books(&db_url).await;
    let (customer, invoice) = books.engine_rows().await;
    let org = books.to.org;
    let mut tx = books.store.begin().await.unwrap();
    let payment = Payment { invoice: Some(Ref::Local(invoice)), amount: "1".parse().unwrap(), ..Payment::default() };
    let payment = tx.app_insert(org, &payment, &Refs::default(), now()).await.unwrap();
    tx.commit().await.unwrap();
    for sql in [format!("invoices WHERE id = {invoice}"), format!("customers WHERE id = {customer}")] {
        let refused = try_sql(&books.url, &format!("PRAGMA foreign_keys = ON; DELETE FROM {sql}")).await;
        assert!(refused.unwrap_err().to_lowercase().contains("foreign key"));
    }
    let mut tx = books.store.begin().await.unwrap();
    assert!(matches!(tx.app_delete::<Invoice>(invoice, now()).await, Err(Error::Constraint(_))));
    drop(tx);
    assert_eq!(books.drain().await, [(Kind::Payment, payment)]);
    let mut tx = books.store.begin().await.unwrap();
    assert!(tx.app_delete::<Payment>(payment, now()).await.unwrap());
    assert!(tx.app_delete::<Invoice>(invoice, now()).await.unwrap());
    assert!(!tx.app_delete::<Invoice>(invoice, now()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(books.drain().await, [(Kind::Invoice, invoice), (Kind::Payment, payment)]);
}

#[testkit::on_both_databases]
async fn the_app_side_is_written_with_the_programs_clock(db_url: String) {
    let books = books(&db_url).await;
    let org = books.to.org;
    let mut tx = books.store.begin().await.unwrap();
    let id = tx.app_insert(org, &customer(), &Refs::default(), now()).await.unwrap();
    let bank = BankTransaction { r#type: "SPEND".into(), lines: vec![Line::default()], ..BankTransaction::default() };
    let bank_id = tx.app_insert(org, &bank, &Refs::default(), now()).await.unwrap();
    assert_eq!(tx.captured(org, Kind::Customer, now(), 0, 9).await.unwrap()[0].changed_at, now());
    let row = tx.book_row::<BankTransaction>(books.to.id, org, bank_id).await.unwrap().unwrap();
    assert_eq!((row.record, row.updated_at), (bank, now()));
    let changed = Customer { name: "B".into(), phones: vec![], ..customer() };
    assert!(tx.app_update(id, &changed, &Refs::default(), later(9)).await.unwrap());
    assert!(!tx.app_update(id + 1, &changed, &Refs::default(), later(9)).await.unwrap());
    let rows = tx.read_books::<Customer>(books.to.id, &[id]).await.unwrap();
    assert_eq!((&rows[0].record, rows[0].updated_at), (&changed, later(9)));
    assert_eq!(tx.captured(org, Kind::Customer, now(), 0, 9).await.unwrap()[0].changed_at, later(9));
    assert_eq!(tx.book_ids::<Customer>(org, 0, 9).await.unwrap(), [id]);
    assert!(tx.book_ids::<Customer>(org, id, 9).await.unwrap().is_empty());
    assert_eq!(tx.book_row::<Customer>(books.to.id, OrgId(org.0 + 1), id).await.unwrap(), None);
    tx.commit().await.unwrap();
    assert_eq!(books.drain().await, [(Kind::Customer, id), (Kind::BankTransaction, bank_id)]);
}

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
    assert_eq!(tx.unlinked_locals(to.id, to.org, Kind::Customer, 10).await.unwrap(), [21, 22, 23]);
    assert!(tx.unlinked_locals(to.id, to.org, Kind::Invoice, 10).await.unwrap().is_empty());
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
    let mut tx = books.store.begin().await.unwrap();
    let pull = tx.start_run(id, Mode::Full, "test", now()).await.unwrap();
    let push = tx.start_run_in(id, Mode::Incremental, RunDirection::Push, "watch", now()).await.unwrap();
    assert_eq!(tx.unfinished_run(id).await.unwrap().unwrap().id, pull);
    let counts = KindCounts { sent_created: 1, sent_updated: 2, sent_removed: 3, refused: 4, ..KindCounts::default() };
    let counts = KindCounts { conflicts: 5, ..counts };
    for _ in 0..2 {
        tx.count_run(push, Kind::Invoice, &counts, 1, 1, now()).await.unwrap();
    }
    let found = tx.run_kinds(push).await.unwrap()[0].1;
    assert_eq!((found.sent_created, found.sent_updated, found.sent_removed), (2, 4, 6));
    assert_eq!((found.refused, found.conflicts), (8, 10));
    tx.cancel_stale_push_runs(id, later(1)).await.unwrap();
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
