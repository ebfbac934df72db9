//! The store on both databases: what goes in comes out, what must not go in does not, and half-done work never happened.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::date;
use model::{
    Account, Address, AddressType, Allocation, Amount, BankTransaction, ContentHash, Credit, Customer, DocumentStatus,
    Invoice, Kind, Line, Payment, Phone, PhoneType, Ref, TaxRate, Tracking, canonical,
};
use store::{
    Connection, Cursor, Error, KindCounts, LinkChange, Mode, NewConnection, NewEvent, NewFailure, ReadQuery, Refreshed,
    Refs, RunDirection, RunState, Store, Tx,
};
use uuid::Uuid;

fn now() -> Timestamp {
    "2026-11-21T10:00:00.123Z".parse().unwrap()
}

async fn open(url: &str) -> Store {
    Store::open(url, Arc::new(now)).await.unwrap()
}

async fn connect(tx: &mut Tx) -> Connection {
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
    tx.connect_tenant(&new, now()).await.unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A customer with every field filled, with text that must come back as it went in.
fn full_customer() -> Customer {
    let phone = |kind, number: &str| Phone {
        kind,
        country_code: Some("+64".into()),
        area_code: Some("09".into()),
        number: Some(number.into()),
    };
    Customer {
        name: "O'Brien \"Söhne\" & 株式会社 🎉; DROP TABLE customers; --".into(),
        first_name: Some("Ana".into()),
        last_name: Some("🦀".repeat(60)),
        email: Some("a@example.test".into()),
        contact_number: Some("C-1".into()),
        account_number: Some("A-1".into()),
        tax_number: Some("T-1".into()),
        company_number: Some("N-1".into()),
        default_currency: Some("NZD".into()),
        status: model::CustomerStatus::Archived,
        is_customer: true,
        is_supplier: true,
        merged_into: Some(Uuid::from_u128(99)),
        phones: vec![phone(PhoneType::Default, "1"), phone(PhoneType::Mobile, "2")],
        addresses: vec![Address {
            kind: AddressType::Street,
            attention_to: Some("x".into()),
            line1: Some("1 Street".into()),
            line2: Some("b".into()),
            line3: Some("c".into()),
            line4: Some("d".into()),
            city: Some("Wellington".into()),
            region: Some("r".into()),
            postal_code: Some("6011".into()),
            country: Some("NZ".into()),
        }],
    }
}

fn full_line(number: u128) -> Line {
    Line {
        xero_line_id: Some(Uuid::from_u128(number)),
        description: Some("Work\nand more".into()),
        quantity: Some(amount("0.3333")),
        unit_amount: Some(amount("1234.5678")),
        discount_rate: Some(amount("12.5")),
        discount_amount: Some(amount("0.01")),
        account_code: Some("200".into()),
        tax_type: Some("OUTPUT2".into()),
        tax_amount: Some(amount("0.05")),
        line_amount: Some(amount("9999999999.99")),
        item_code: Some("ITEM".into()),
        tracking: vec![Tracking { category: "Region".into(), option: "North \"1\"".into() }],
    }
}

fn full_invoice(customer: Uuid) -> Invoice {
    Invoice {
        r#type: "ACCREC".into(),
        number: Some("INV-0001".into()),
        reference: Some("ref".into()),
        customer: Some(Ref::Xero(customer)),
        date: Some(date(1955, 2, 28)),
        due_date: Some(date(2100, 12, 31)),
        status: DocumentStatus::Sent,
        xero_status: "AUTHORISED".into(),
        currency: Some("KWD".into()),
        currency_rate: Some("0.1234567891".parse().unwrap()),
        line_amount_types: model::LineAmountTypes::Inclusive,
        lines: (1..=1_000).map(full_line).collect(),
        sub_total: amount("21.005"),
        total_tax: amount("3.15"),
        total: amount("-24.155"),
        amount_due: amount("922337203685477.5807"),
        amount_paid: amount("0.0001"),
        amount_credited: amount("1"),
        fully_paid_on: Some(date(2026, 1, 1)),
    }
}

async fn put<R: store::Books>(tx: &mut Tx, to: &Connection, kind: Kind, id: u128, record: &R, refs: &mut Refs) -> i64 {
    let local = tx.insert_books(to.org, &[record], refs, now()).await.unwrap()[0];
    let base = canonical(record);
    let link = LinkChange {
        xero_id: Uuid::from_u128(id),
        local_id: local,
        remote_hash: ContentHash::of(&base),
        remote_updated_at: Some(now()),
        base: &base,
    };
    tx.insert_links(to.id, kind, &[link]).await.unwrap();
    refs.insert(kind, Uuid::from_u128(id), local);
    local
}

async fn get<R: store::Books>(tx: &mut Tx, from: &Connection, id: i64) -> R {
    tx.lock_books::<R>(from.id, &[id]).await.unwrap().remove(0).record
}

#[testkit::on_both_databases]
async fn every_field_of_every_kind_comes_back(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;
    let mut refs = Refs::default();

    let account = Account {
        code: Some("090".into()),
        name: "Bank".into(),
        r#type: "BANK".into(),
        class: Some("ASSET".into()),
        status: "ACTIVE".into(),
        tax_type: Some("NONE".into()),
        description: Some("d".into()),
        system_account: Some("DEBTORS".into()),
        enable_payments: true,
        bank_account_number: Some("1-2".into()),
        bank_account_type: Some("BANK".into()),
        currency: Some("NZD".into()),
    };
    let id = put(&mut tx, &to, Kind::Account, 10, &account, &mut refs).await;
    assert_eq!(get::<Account>(&mut tx, &to, id).await, account);

    let rate = TaxRate {
        tax_type: "OUTPUT2".into(),
        name: "15%".into(),
        status: "ACTIVE".into(),
        effective_rate: Some(amount("15")),
        display_rate: Some(amount("12.3456")),
        applies_to_assets: true,
        applies_to_equity: false,
        applies_to_expenses: true,
        applies_to_liabilities: false,
        applies_to_revenue: true,
    };
    let id = put(&mut tx, &to, Kind::TaxRate, 11, &rate, &mut refs).await;
    assert_eq!(get::<TaxRate>(&mut tx, &to, id).await, rate);

    let id = put(&mut tx, &to, Kind::Customer, 20, &full_customer(), &mut refs).await;
    assert_eq!(get::<Customer>(&mut tx, &to, id).await, full_customer());

    let invoice = full_invoice(Uuid::from_u128(20));
    let id = put(&mut tx, &to, Kind::Invoice, 30, &invoice, &mut refs).await;
    assert_eq!(get::<Invoice>(&mut tx, &to, id).await, invoice);

    let credit = Credit {
        r#type: "ACCRECCREDIT".into(),
        customer: Some(Ref::Xero(Uuid::from_u128(20))),
        status: DocumentStatus::Other,
        lines: vec![full_line(1)],
        total: amount("5"),
        remaining_credit: amount("2.5"),
        allocations: vec![Allocation {
            xero_allocation_id: Some(Uuid::from_u128(5)),
            invoice: Some(Ref::Xero(Uuid::from_u128(30))),
            amount: amount("2.5"),
            date: Some(date(2026, 3, 1)),
        }],
        ..Credit::default()
    };
    let id = put(&mut tx, &to, Kind::CreditNote, 40, &credit, &mut refs).await;
    assert_eq!(get::<Credit>(&mut tx, &to, id).await, credit);

    let payment = Payment {
        invoice: Some(Ref::Xero(Uuid::from_u128(30))),
        credit_note: Some(Ref::Xero(Uuid::from_u128(40))),
        account: Some(Ref::Xero(Uuid::from_u128(10))),
        date: Some(date(2026, 3, 2)),
        amount: amount("2.5"),
        bank_amount: Some(amount("3")),
        currency_rate: Some("1".parse().unwrap()),
        reference: Some("r".into()),
        method: model::PaymentMethod::Credit,
        payment_type: Some("ARCREDITPAYMENT".into()),
        status: model::PaymentStatus::Cancelled,
        xero_status: "DELETED".into(),
        is_reconciled: true,
        ..Payment::default()
    };
    let id = put(&mut tx, &to, Kind::Payment, 50, &payment, &mut refs).await;
    assert_eq!(get::<Payment>(&mut tx, &to, id).await, payment);

    let transaction = BankTransaction {
        r#type: "SPEND".into(),
        customer: Some(Ref::Xero(Uuid::from_u128(20))),
        account: Some(Ref::Xero(Uuid::from_u128(10))),
        lines: vec![full_line(1), full_line(2)],
        total: amount("7"),
        ..BankTransaction::default()
    };
    let id = put(&mut tx, &to, Kind::BankTransaction, 60, &transaction, &mut refs).await;
    assert_eq!(get::<BankTransaction>(&mut tx, &to, id).await, transaction);
    tx.commit().await.unwrap();
}

#[testkit::on_both_databases]
async fn an_update_replaces_the_record_and_its_children(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;
    let mut refs = Refs::default();
    let id = put(&mut tx, &to, Kind::Customer, 20, &full_customer(), &mut refs).await;
    let other = put(&mut tx, &to, Kind::Customer, 21, &full_customer(), &mut refs).await;
    let changed = Customer { name: "New".into(), phones: vec![], email: None, ..full_customer() };
    tx.update_books(&[(id, &changed)], &refs, now()).await.unwrap();
    // Twice in one transaction: what is staged for the first must not show in the second.
    let again = Customer { name: "Newer".into(), ..changed.clone() };
    tx.update_books(&[(id, &again)], &refs, now()).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(get::<Customer>(&mut tx, &to, id).await, again);
    assert_eq!(get::<Customer>(&mut tx, &to, other).await, full_customer());
}

#[testkit::on_both_databases]
async fn a_transaction_that_is_dropped_has_not_happened(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    put(&mut tx, &to, Kind::Customer, 20, &full_customer(), &mut Refs::default()).await;
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.count_books(to.org, to.id).await.unwrap().iter().all(|(_, count)| *count == 0));
    assert!(tx.count_links(to.id).await.unwrap().is_empty());
}

#[testkit::on_both_databases]
async fn a_reference_to_a_record_that_is_not_there_is_refused(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;
    let invoice = full_invoice(Uuid::from_u128(20));
    let refused = tx.insert_books(to.org, &[&invoice], &Refs::default(), now()).await;
    assert!(matches!(refused, Err(Error::Constraint(_))), "{refused:?}");
}

#[testkit::on_both_databases]
async fn a_lease_has_one_holder_and_a_fence(db_url: String) {
    let store = open(&db_url).await;
    let first = store.acquire_lease("pull:1", "a", 60).await.unwrap().unwrap();
    assert_eq!(store.acquire_lease("pull:1", "b", 60).await.unwrap(), None);
    assert!(store.acquire_lease("pull:2", "b", 60).await.unwrap().is_some());
    store.release_lease(&first).await.unwrap();
    let second = store.acquire_lease("pull:1", "b", 60).await.unwrap().unwrap();
    assert!(second.fence > first.fence);
    // The frozen first holder wakes up: its transaction must not go through, and it cannot end the other's lease.
    let mut tx = store.begin().await.unwrap();
    assert!(matches!(tx.hold_lease(&first).await, Err(Error::LeaseLost(_))));
    drop(tx);
    store.release_lease(&first).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.hold_lease(&second).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.acquire_lease("pull:1", "a", 60).await.unwrap(), None);
}

#[testkit::on_both_databases]
async fn cursors_links_runs_failures_and_events_come_back(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;

    assert_eq!(tx.cursor(to.id, Kind::Invoice).await.unwrap(), Cursor { next_page: 1, ..Cursor::default() });
    let cursor = Cursor {
        read_until: Some(now()),
        run: Some(7),
        pull_from: Some("1969-12-31T23:59:59.999Z".parse().unwrap()),
        next_page: 101,
        page_size: 1_000,
        pass: 1,
        complete: true,
        read_whole: true,
    };
    for _ in 0..2 {
        tx.save_cursor(to.id, Kind::Invoice, &cursor).await.unwrap();
        assert_eq!(tx.cursor(to.id, Kind::Invoice).await.unwrap(), cursor);
    }

    let mut refs = Refs::default();
    let local = put(&mut tx, &to, Kind::Customer, 20, &full_customer(), &mut refs).await;
    let later: Timestamp = "2026-11-21T10:00:01Z".parse().unwrap();
    tx.touch_links(to.id, Kind::Customer, &[(Uuid::from_u128(20), Some(later))]).await.unwrap();
    let link = tx.links(to.id, Kind::Customer, &[Uuid::from_u128(20), Uuid::from_u128(21)]).await.unwrap();
    assert_eq!(link.len(), 1);
    assert_eq!(link[&Uuid::from_u128(20)].local_id, local);
    assert_eq!(link[&Uuid::from_u128(20)].remote_updated_at, Some(later));
    assert!(tx.links(to.id, Kind::Invoice, &[Uuid::from_u128(20)]).await.unwrap().is_empty());

    let lease = store::Lease { name: "pull:1".into(), fence: 1, seconds: 60 };
    let run = tx.start_run_in(to.id, Mode::Full, RunDirection::Pull, &lease, "test", now()).await.unwrap();
    let counts = KindCounts { expected: Some(9), seen: 3, created: 2, failed: 1, ..KindCounts::default() };
    tx.count_run(run, Kind::Customer, &counts, 4, 1_000, now()).await.unwrap();
    tx.count_run(run, Kind::Customer, &counts, 1, 1, now()).await.unwrap();
    assert_eq!(tx.unfinished_run(to.id).await.unwrap().unwrap().id, run);
    tx.finish_run(run, RunState::Failed, Some(("TO-X", "why")), true, later).await.unwrap();
    assert_eq!(tx.unfinished_run(to.id).await.unwrap().unwrap().error.as_deref(), Some("why"));
    tx.resume_run(run, later).await.unwrap();
    tx.finish_run(run, RunState::Partial, None, false, later).await.unwrap();
    assert_eq!(tx.unfinished_run(to.id).await.unwrap(), None);
    let row = tx.run(run).await.unwrap().unwrap();
    assert_eq!((row.calls, row.bytes, row.resumed, row.state), (5, 1_001, 1, RunState::Partial));
    let kinds = tx.run_kinds(run).await.unwrap();
    assert_eq!(kinds, [(Kind::Customer, KindCounts { seen: 6, created: 4, failed: 2, ..counts })]);
    let statistics = tx.run_statistics(to.id).await.unwrap();
    assert_eq!((statistics.finished, statistics.partial, statistics.calls), (1, 1, 5));
    assert_eq!(statistics.average_duration_ms, Some(877));

    let failure = NewFailure {
        remote_key: "k".into(),
        code: "TO-X",
        message: "m".into(),
        raw: Some("<b>".into()),
        ..NewFailure::default()
    };
    for _ in 0..2 {
        tx.add_failure(to.id, Kind::Invoice, run, &failure, now()).await.unwrap();
    }
    let open = tx.open_failures(to.id, 10).await.unwrap();
    assert_eq!((open.len(), open[0].attempts, open[0].raw.as_deref()), (1, 2, Some("<b>")));
    tx.close_failure(to.id, Kind::Invoice, "k", now()).await.unwrap();
    assert!(tx.open_failure_keys(to.id, Kind::Invoice).await.unwrap().is_empty());

    let event = NewEvent { what: "x", kind: Some(Kind::Invoice), local_id: Some(1), run: None, details: None };
    tx.add_events(to.org, &[event.clone(), event], now()).await.unwrap();
    let events = tx.events_after(to.org, 0, 10).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(tx.events_after(to.org, events[0].id, 10).await.unwrap(), events[1..]);
    tx.commit().await.unwrap();
}

#[testkit::on_both_databases]
async fn lists_give_every_record_once_and_filter(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;
    let mut refs = Refs::default();
    for at in 0..25_u32 {
        let email = at.is_multiple_of(5).then(|| "five@example.test".to_owned());
        let customer = Customer { name: format!("Customer {at}"), email, ..Customer::default() };
        put(&mut tx, &to, Kind::Customer, u128::from(at) + 100, &customer, &mut refs).await;
    }
    let mut seen = Vec::new();
    let mut query = ReadQuery { limit: 10, ..ReadQuery::default() };
    loop {
        let page = tx.list_books::<Customer>(to.org, to.id, Kind::Customer, &query).await.unwrap();
        seen.extend(page.items.iter().map(|item| (item.row.id, item.xero_id.is_some())));
        match page.next {
            Some(next) => query.after = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted() && seen.iter().all(|(_, is_linked)| *is_linked));
    let filter = ReadQuery {
        limit: 100,
        texts: vec![("email", "five@example.test".into())],
        changed_since: Some(now()),
        ..ReadQuery::default()
    };
    let page = tx.list_books::<Customer>(to.org, to.id, Kind::Customer, &filter).await.unwrap();
    assert_eq!(page.items.len(), 5);
    let bad = ReadQuery { texts: vec![("name = '' OR 1", "x".into())], ..ReadQuery::default() };
    assert!(tx.list_books::<Customer>(to.org, to.id, Kind::Customer, &bad).await.is_err());
    let other = model::OrgId(to.org.0 + 1);
    assert!(tx.book::<Customer>(other, to.id, Kind::Customer, seen[0].0).await.unwrap().is_none());
    assert!(tx.book::<Customer>(to.org, to.id, Kind::Customer, seen[0].0).await.unwrap().is_some());
}

#[testkit::on_both_databases]
async fn a_database_of_a_newer_program_is_refused_and_unharmed(db_url: String) {
    let store = open(&db_url).await;
    drop(store);
    execute(&db_url, "INSERT INTO schema_migrations (version, name, checksum) VALUES (900, 'later', 'x')").await;
    let refused = Store::open(&db_url, Arc::new(now)).await;
    assert!(matches!(refused, Err(Error::Newer { found: 900, .. })), "{:?}", refused.err());
}

#[testkit::on_both_databases]
async fn a_migration_that_was_altered_is_refused(db_url: String) {
    drop(open(&db_url).await);
    execute(&db_url, "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1").await;
    assert!(matches!(Store::open(&db_url, Arc::new(now)).await, Err(Error::Altered { version: 1 })));
}

#[testkit::on_both_databases]
async fn two_processes_may_open_an_empty_database_at_once(db_url: String) {
    let (first, second) = tokio::join!(Store::open(&db_url, Arc::new(now)), Store::open(&db_url, Arc::new(now)));
    first.unwrap();
    second.unwrap();
}

#[testkit::on_both_databases]
async fn an_application_writes_with_plain_sql_and_the_schema_guards_it(db_url: String) {
    let store = open(&db_url).await;
    let mut tx = store.begin().await.unwrap();
    let to = connect(&mut tx).await;
    tx.commit().await.unwrap();
    execute(&db_url, &format!("INSERT INTO customers (org_id, name) VALUES ({}, 'By hand')", to.org)).await;
    let mut tx = store.begin().await.unwrap();
    let page = tx
        .list_books::<Customer>(to.org, to.id, Kind::Customer, &ReadQuery { limit: 5, ..ReadQuery::default() })
        .await
        .unwrap();
    assert_eq!(page.items[0].row.record.name, "By hand");
    assert_eq!(page.items[0].xero_id, None);
    drop(tx);
    assert!(try_execute(&db_url, "UPDATE customers SET status = 'GONE'").await.is_err());
    // The engine's next id does not collide with the one that the database gave.
    let mut tx = store.begin().await.unwrap();
    put(&mut tx, &to, Kind::Customer, 20, &full_customer(), &mut Refs::default()).await;
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn sqlite_lets_one_engine_in_and_names_the_file_to_the_other() {
    let database = testkit::Database::sqlite(None).await;
    let store = open(&database.url()).await;
    let claim = store.claim().await.unwrap();
    let other = open(&database.url()).await;
    assert!(matches!(other.claim().await, Err(Error::Locked(_))));
    drop(claim);
    other.claim().await.unwrap();
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_its_password() {
    for (url, shown) in [("mysql://me:s3cret@host/db", "mysql://me@host/db"), ("postgres://[", "postgres://[")] {
        let message = match Store::open(url, Arc::new(now)).await {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{url} was opened"),
        };
        assert!(message.contains(shown) && !message.contains("s3cret"), "{message}");
    }
    let nobody = Store::open("postgres://me:s3cret@127.0.0.1:1/db", Arc::new(now)).await;
    let message = nobody.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("cannot open the database") && !message.contains("s3cret"), "{message}");
}

async fn execute(url: &str, sql: &str) {
    try_execute(url, sql).await.unwrap();
}

/// A statement by somebody else: not through the store.
async fn try_execute(url: &str, sql: &str) -> Result<(), String> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        let connection = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(|error| error.to_string())?;
        return connection.execute_batch(sql).map_err(|error| error.to_string());
    }
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let outcome = client.batch_execute(sql).await.map_err(|error| error.to_string());
    drop(client);
    let _ = driver.await;
    outcome
}
