//! Whoever changes the books is seen; the engine is not.

use super::*;

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
    if let Some(path) = db_url.strip_prefix("sqlite://") {
        // One writer at a time: it may only be seen late, by whoever looks while it is under way.
        let other = rusqlite::Connection::open(path).unwrap();
        other
            .execute_batch(&format!("BEGIN IMMEDIATE; UPDATE invoices SET number = 'late' WHERE id = {invoice}"))
            .unwrap();
        assert_eq!(books.captured().await, []);
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(books.drain().await, [(Kind::Invoice, invoice)]);
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
