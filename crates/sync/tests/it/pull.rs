//! Pulling: everything comes over, only changes come again, and whatever happens on the way, nothing is lost or doubled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{World, assert_agreement, change_body, plan, sync_now};
use emulator::Size;
use emulator::config::{OrganisationPlan, Tier};
use model::{ConnectionId, Customer, DocumentStatus, Invoice, Kind, Payment};
use serde_json::json;
use store::{Mode, ReadQuery, RunState};
use sync::{Engine, EngineSettings, Error};
use xero::{InProcessGovernor, LimitSettings, Unlimited};

fn small() -> Size {
    Size { lines: None, ..Size::of_invoices(120) }
}

async fn world(url: String, size: Size) -> (World, Engine, ConnectionId) {
    let world = World::new(plan(size), url);
    let engine = world.engine().await;
    let id = world.connect(&engine).await;
    (world, engine, id)
}

fn paged(page_size: u16) -> EngineSettings {
    EngineSettings { page_size, ..EngineSettings::default() }
}

/// Every record of the books by its Xero id, without generated ids and times.
async fn contents(engine: &Engine, id: ConnectionId) -> BTreeMap<(Kind, String), String> {
    let org = engine.connection(id).await.unwrap().org;
    let mut tx = engine.store().read().await.unwrap();
    let mut all = BTreeMap::new();
    macro_rules! read {
        ($($record:ty: $kind:ident),+) => { $({
            let mut query = ReadQuery { limit: 500, kind: Some(Kind::$kind), ..ReadQuery::default() };
            loop {
                let page = tx.list_books::<$record>(org, id, Kind::$kind, &query).await.unwrap();
                for item in page.items {
                    let text = serde_json::to_string(&item.row.record).unwrap();
                    let doubled = all.insert((Kind::$kind, item.xero_id.unwrap().to_string()), text);
                    assert_eq!(doubled, None, "a record is there twice");
                }
                match page.next { Some(next) => query.after = next, None => break }
            }
        })+ };
    }
    read!(
        model::Account: Account, model::TaxRate: TaxRate, Customer: Customer, Invoice: Invoice,
        model::Credit: CreditNote, model::Credit: Prepayment, model::Credit: Overpayment, Payment: Payment,
        model::BankTransaction: BankTransaction
    );
    all
}

async fn customer_named(engine: &Engine, id: ConnectionId, name: &str) -> Option<Customer> {
    let org = engine.connection(id).await.unwrap().org;
    let query = ReadQuery { limit: 2, texts: vec![("name", name.into())], ..ReadQuery::default() };
    let mut tx = engine.store().read().await.unwrap();
    let page = tx.list_books::<Customer>(org, id, Kind::Customer, &query).await.unwrap();
    assert!(page.items.len() < 2);
    page.items.into_iter().next().map(|item| item.row.record)
}

#[testkit::on_both_databases]
async fn a_full_sync_brings_everything_and_both_sides_agree(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    let first = sync_now(&engine, id, Mode::Full).await;
    assert_eq!(first.state, RunState::Completed);
    let total = first.total();
    assert!(total.created > 300 && total.failed == 0 && total.created == total.seen, "{total:?}");
    assert_agreement(&engine, id).await;
    let status = engine.connection_status(id).await.unwrap();
    assert_eq!(status.connection.facts.base_currency.as_deref(), Some("NZD"));
    assert_eq!(status.books.iter().map(|(_, count)| count).sum::<i64>(), total.created);

    let again = sync_now(&engine, id, Mode::Full).await.total();
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, total.seen));
    let before = world.emulator.call_count();
    let idle = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!((idle.total().created, idle.total().updated), (0, 0));
    assert_eq!(world.emulator.call_count() - before, 10, "one list for each kind, and the organisation");
    assert_eq!(idle.calls, 10);
}

#[testkit::on_both_databases]
async fn pages_of_any_size_give_the_same_books(db_url: String) {
    let world = World::new(plan(small()), db_url);
    let engine = world.engine_with(paged(7), Arc::new(Unlimited), world.url.clone()).await.unwrap();
    let id = world.connect(&engine).await;
    sync_now(&engine, id, Mode::Full).await;
    let by_sevens = contents(&engine, id).await;

    let other = testkit::Database::sqlite(None).await;
    let whole = world.engine_with(paged(1000), Arc::new(Unlimited), other.url()).await.unwrap();
    let id = world.connect(&whole).await;
    sync_now(&whole, id, Mode::Full).await;
    assert_eq!(contents(&whole, id).await, by_sevens);
}

#[testkit::on_both_databases]
async fn a_run_that_is_cut_off_goes_on_from_its_page(db_url: String) {
    let world = World::new(plan(small()), db_url);
    let plain = testkit::Database::sqlite(None).await;
    let whole = world.engine_with(paged(10), Arc::new(Unlimited), plain.url()).await.unwrap();
    let id = world.connect(&whole).await;
    let pages_plain = world.emulator.call_count();
    sync_now(&whole, id, Mode::Full).await;
    let pages_plain = world.emulator.call_count() - pages_plain;
    let expected = contents(&whole, id).await;

    let url = world.url.clone();
    let engine = world.engine_with(paged(10), Arc::new(Unlimited), url.clone()).await.unwrap();
    let id = world.connect(&engine).await;
    let before = world.emulator.call_count();
    let mut cuts = 0;
    // Each time a new engine, as after a crash, is cut off some pages later than the one before.
    let outcome = loop {
        let engine = world.engine_with(paged(10), Arc::new(Unlimited), url.clone()).await.unwrap();
        let (pages, cut) = (AtomicUsize::new(0), tokio::sync::Notify::new());
        let progress = |_| {
            if pages.fetch_add(1, Ordering::Relaxed) == 2 + cuts {
                cut.notify_one();
            }
        };
        let ended = tokio::select! {
            biased;
            () = cut.notified() => None,
            ended = engine.sync(id, Mode::Full, "test", &progress) => Some(ended),
        };
        match ended {
            None => cuts += 1,
            // The lease of the one before is given back by a task of its own.
            Some(Err(Error::Busy)) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            Some(ended) => break ended.unwrap(),
        }
    };
    assert!(cuts >= 3, "{cuts}");
    assert!(outcome.resumed && outcome.state == RunState::Completed);
    assert_eq!(contents(&engine, id).await, expected);
    let pages = world.emulator.call_count() - before;
    // Each cut repeats the organisation's call, and at most the page under way and the one read ahead.
    let most = pages_plain + 3 * (cuts as u64 + 1);
    assert!(pages <= most, "{pages} calls, {pages_plain} without interruption, {cuts} cuts");
}

#[testkit::on_both_databases]
async fn an_incremental_sync_brings_what_changed_in_xero(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    sync_now(&engine, id, Mode::Full).await;
    let person = world.person();

    let made = person.put("Contacts", json!({"Name": "O'Hara \"Ltd\" 🎉", "EmailAddress": "o@example.test"}));
    let contact = made["Contacts"][0]["ContactID"].as_str().unwrap().to_owned();
    let account = revenue_account(&person);
    let made = person.put(
        "Invoices",
        json!({"Type": "ACCREC", "Contact": {"ContactID": contact}, "Date": "2026-11-20", "DueDate": "2026-12-20",
            "Status": "AUTHORISED", "LineItems": [{"Description": "Work", "Quantity": 3, "UnitAmount": 33.3333, "AccountCode": account}]}),
    );
    let invoice = &made["Invoices"][0];
    let draft = person.put(
        "Invoices",
        json!({"Type": "ACCPAY", "Contact": {"ContactID": contact}, "LineItems": [{"Description": "To be deleted", "Quantity": 1, "UnitAmount": 5, "AccountCode": account}]}),
    );

    let first = sync_now(&engine, id, Mode::Incremental).await.total();
    assert_eq!(first.created, 3, "{first:?}");
    assert_eq!(
        customer_named(&engine, id, "O'Hara \"Ltd\" 🎉").await.unwrap().email.as_deref(),
        Some("o@example.test")
    );

    person.post(&format!("Contacts/{contact}"), json!({"EmailAddress": "new@example.test"}));
    let draft = draft["Invoices"][0]["InvoiceID"].as_str().unwrap();
    person.post(&format!("Invoices/{draft}"), json!({"Status": "DELETED"}));
    let bank = bank_account(&person);
    person.put(
        "Payments",
        json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"AccountID": bank}, "Date": "2026-11-21", "Amount": invoice["AmountDue"]}),
    );
    let second = sync_now(&engine, id, Mode::Incremental).await.total();
    assert_eq!(second.created, 1, "the payment: {second:?}");
    assert_eq!(second.updated, 3, "the contact and both documents: {second:?}");
    let all = contents(&engine, id).await;
    let read = |key: &str| serde_json::from_str::<Invoice>(&all[&(Kind::Invoice, key.to_owned())]).unwrap();
    let paid = read(invoice["InvoiceID"].as_str().unwrap());
    assert_eq!((paid.status, paid.amount_due), (DocumentStatus::Paid, model::Amount::ZERO));
    assert_eq!(read(draft).status, DocumentStatus::Cancelled);
    person.post(&format!("Contacts/{contact}"), json!({"ContactStatus": "ARCHIVED"}));
    sync_now(&engine, id, Mode::Incremental).await;
    let archived = customer_named(&engine, id, "O'Hara \"Ltd\" 🎉").await.unwrap();
    assert_eq!(archived.status, model::CustomerStatus::Archived);
    assert_agreement(&engine, id).await;
}

fn revenue_account(person: &crate::common::Person) -> String {
    let accounts = person.get("Accounts");
    let account =
        accounts["Accounts"].as_array().unwrap().iter().find(|a| a["Type"] == "REVENUE" && a["Status"] == "ACTIVE");
    account.unwrap()["Code"].as_str().unwrap().to_owned()
}

fn bank_account(person: &crate::common::Person) -> String {
    let accounts = person.get("Accounts");
    let account =
        accounts["Accounts"].as_array().unwrap().iter().find(|a| a["Type"] == "BANK" && a["CurrencyCode"] == "NZD");
    account.unwrap()["AccountID"].as_str().unwrap().to_owned()
}

#[testkit::on_both_databases]
async fn records_that_move_while_pages_are_read_are_not_skipped(db_url: String) {
    let world = World::new(plan(small()), db_url);
    let engine = world.engine_with(paged(10), Arc::new(Unlimited), world.url.clone()).await.unwrap();
    let id = world.connect(&engine).await;
    let person = world.person();
    let contacts: Vec<String> = person.get("Contacts?page=1&pageSize=1000")["Contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|contact| contact["ContactID"].as_str().unwrap().to_owned())
        .collect();
    // After each page of contacts a record of it is touched, which moves it to the end of Xero's default order.
    let at = AtomicUsize::new(0);
    let touching = world.person();
    world.wire.set_hook(move |request, response| {
        if request.url.path().ends_with("/Contacts") && response.status.is_success() {
            let number = at.fetch_add(1, Ordering::Relaxed);
            if let Some(contact) = contacts.get(number * 10) {
                touching.post(&format!("Contacts/{contact}"), json!({"FirstName": format!("Touched {number}")}));
            }
        }
        Ok(response)
    });
    sync_now(&engine, id, Mode::Full).await;
    world.wire.clear_hook();
    sync_now(&engine, id, Mode::Incremental).await;
    let links = engine.store().read().await.unwrap().count_links(id).await.unwrap();
    let linked = links.iter().find(|(kind, _)| *kind == Kind::Customer).unwrap().1;
    let there = person.get("Contacts?page=1&pageSize=1000&includeArchived=true")["pagination"]["itemCount"].as_i64();
    assert_eq!(Some(linked), there);
    let touched = contents(&engine, id).await.values().filter(|text| text.contains("Touched ")).count();
    assert!(touched >= 2, "{touched}");
}

#[testkit::on_both_databases]
async fn one_bad_record_is_listed_and_stops_nothing(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    // The same five invoices are bad however they are asked for.
    let bad: Vec<serde_json::Value> = world.person().get("Invoices?page=1&pageSize=5")["Invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|invoice| invoice["InvoiceID"].clone())
        .collect();
    world.wire.set_hook(move |request, response| {
        if !request.url.path().ends_with("/Invoices") {
            return Ok(response);
        }
        Ok(change_body(response, |body| {
            for invoice in body["Invoices"].as_array_mut().unwrap() {
                match bad.iter().position(|id| *id == invoice["InvoiceID"]) {
                    Some(0) => invoice["Total"] = json!("not a number <script>"),
                    Some(1) => invoice["SubTotal"] = json!(0.000001),
                    Some(2) => invoice["Status"] = json!("SHREDDED"),
                    Some(3) => invoice["LineItems"] = json!([{"Quantity": 1e300}]),
                    Some(4) => *invoice = json!("no object at all"),
                    _ => {}
                }
            }
        }))
    });
    let run = sync_now(&engine, id, Mode::Full).await;
    assert_eq!(run.state, RunState::Partial);
    let invoices = run.kinds.iter().find(|(kind, _)| *kind == Kind::Invoice).unwrap().1;
    assert_eq!((invoices.failed, invoices.created), (4, invoices.seen - 4), "an unknown status is no failure");
    let failures = engine.store().read().await.unwrap().open_failures(id, 100).await.unwrap();
    let of_invoices: Vec<_> = failures.iter().filter(|failure| failure.kind == Kind::Invoice).collect();
    assert_eq!(of_invoices.len(), 4);
    assert!(of_invoices.iter().all(|failure| failure.code == "TO-BAD-RECORD" && !failure.message.is_empty()));
    assert!(of_invoices.iter().any(|failure| failure.message.contains("sub-total: 0.000001 has more than 4 decimals")));
    let payments = run.kinds.iter().find(|(kind, _)| *kind == Kind::Payment).unwrap().1;
    assert!(payments.created > 0);

    world.wire.clear_hook();
    let mended = sync_now(&engine, id, Mode::Full).await;
    assert_eq!(mended.total().failed, 0);
    let open = engine.store().read().await.unwrap().open_failures(id, 100).await.unwrap();
    // The element that was no object had no id; its line stays for a person to look at.
    assert!(open.iter().all(|failure| failure.raw.as_deref() == Some("\"no object at all\"")), "{open:?}");
    assert_agreement(&engine, id).await;
}

#[testkit::on_both_databases]
async fn what_a_record_refers_to_is_fetched_when_it_is_not_there_yet(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    let person = world.person();
    // A payment of today on an old invoice of an old contact: the first incremental sync reads 24 hours only.
    let invoices =
        person.get("Invoices?page=1&pageSize=1000&where=Status%3D%3D%22AUTHORISED%22%20AND%20Type%3D%3D%22ACCREC%22");
    let invoice = invoices["Invoices"].as_array().unwrap().iter().find(|i| i["CurrencyCode"] == "NZD").unwrap();
    person.put(
        "Payments",
        json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"AccountID": bank_account(&person)}, "Date": "2026-11-21", "Amount": 0.01}),
    );
    let run = sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!(run.state, RunState::Completed, "{run:?}");
    let all = contents(&engine, id).await;
    let contact = invoice["Contact"]["ContactID"].as_str().unwrap();
    assert!(all.contains_key(&(Kind::Customer, contact.to_owned())));
    assert!(all.keys().any(|(kind, _)| *kind == Kind::Payment));
}

#[testkit::on_both_databases]
async fn a_reference_that_xero_does_not_give_makes_its_record_wait(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    let nobody = "99999999-0000-4000-8000-000000000009";
    world.wire.set_hook(move |request, response| {
        if !request.url.path().ends_with("/Invoices") {
            return Ok(response);
        }
        Ok(change_body(response, |body| body["Invoices"][0]["Contact"]["ContactID"] = json!(nobody)))
    });
    let run = sync_now(&engine, id, Mode::Full).await;
    assert_eq!(run.state, RunState::Partial);
    let failures = engine.store().read().await.unwrap().open_failures(id, 100).await.unwrap();
    let waiting =
        failures.iter().find(|failure| failure.code == "TO-WAITING" && failure.kind == Kind::Invoice).unwrap();
    assert!(waiting.message.contains(nobody), "{waiting:?}");
    // Nobody touches the invoice, so no incremental list brings it again: it is asked for because it had failed.
    world.wire.clear_hook();
    world.emulator.clock().advance(3 * 24 * 3_600_000);
    sync_now(&engine, id, Mode::Incremental).await;
    assert_eq!(engine.store().read().await.unwrap().open_failures(id, 100).await.unwrap(), []);
    assert_agreement(&engine, id).await;
}

#[testkit::on_both_databases]
async fn an_empty_list_where_records_are_linked_stops_the_run(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    sync_now(&engine, id, Mode::Full).await;
    let before = contents(&engine, id).await;
    world.wire.set_hook(|request, response| {
        if !request.url.path().ends_with("/Invoices") {
            return Ok(response);
        }
        Ok(change_body(response, |body| {
            body["Invoices"] = json!([]);
            body.as_object_mut().unwrap().remove("pagination");
        }))
    });
    let refused = engine.sync(id, Mode::Full, "test", &|_| {}).await;
    assert!(matches!(refused, Err(Error::SuspiciousEmpty { .. })), "{refused:?}");
    assert_eq!(contents(&engine, id).await, before);
    world.wire.clear_hook();
    let resumed = sync_now(&engine, id, Mode::Full).await;
    assert!(resumed.resumed && resumed.state == RunState::Completed);
}

#[testkit::on_both_databases]
async fn xeros_limits_are_kept_and_a_used_up_day_parks_the_run(db_url: String) {
    let clock = emulator::Clock::frozen(1_790_000_000_000);
    let mut config = plan(small());
    config.clock = clock;
    config.limits.is_enforced = true;
    config.organisations = vec![OrganisationPlan { name: "Starter".into(), size: small(), tier: Tier::Starter }];
    let world = World::new(config, db_url);
    let _going = world.clock.keep_going();
    let limits = LimitSettings { per_day: 60, per_day_reserve: 6, ..LimitSettings::default() };
    let governor = Arc::new(InProcessGovernor::new(limits, Arc::new(world.clock.clone())));
    let engine = world.engine_with(paged(5), governor, world.url.clone()).await.unwrap();
    let id = world.connect(&engine).await;

    let mut parked = 0;
    let run = loop {
        match engine.sync(id, Mode::Full, "test", &|_| {}).await {
            Ok(run) => break run,
            Err(error) => {
                assert_eq!(error.code(), "TO-QUOTA-DAY", "{error}");
                parked += 1;
                let resume_at = error.resume_at().expect("when to go on");
                world.emulator.clock().advance(resume_at.as_millisecond() - world.emulator.clock().now());
            }
        }
    };
    assert!(parked >= 1 && run.resumed, "{parked} {run:?}");
    let tenant = world.emulator.tenants()[0];
    let violations = world.emulator.violations(tenant).unwrap();
    assert_eq!(violations, emulator::Violations::default());
    assert_eq!(run.total().failed, 0);
}

#[testkit::on_both_databases]
async fn two_runs_of_one_connection_never_overlap(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    let other = world.engine().await;
    let lease = engine.store().acquire_lease(&format!("pull:{id}"), "somebody", 60).await.unwrap().unwrap();
    assert!(matches!(other.sync(id, Mode::Full, "test", &|_| {}).await, Err(Error::Busy)));
    engine.store().release_lease(&lease).await.unwrap();
    sync_now(&other, id, Mode::Full).await;
}

#[testkit::on_both_databases]
async fn answers_that_are_no_answers_end_the_run_and_the_next_goes_on(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    for (body, content_type) in [
        ("<html>Bad gateway</html>", "text/html"),
        ("", "application/json"),
        ("{\"Id\":\"x\",\"Contacts\":[{\"ContactID\":", "application/json"),
        ("The Organisation is offline", "text/plain"),
    ] {
        world.wire.set_hook(move |request, mut response| {
            if request.url.path().ends_with("/Contacts") {
                response.body = body.into();
                response.headers.insert("content-type", content_type.parse().unwrap());
            }
            Ok(response)
        });
        let error = engine.sync(id, Mode::Full, "test", &|_| {}).await.unwrap_err();
        // An empty or truncated body is a broken connection, the others are answers of somebody else.
        assert!(matches!(error.code(), "TO-BAD-ANSWER" | "TO-XERO-DOWN"), "{body:?}: {error}");
        assert!(error.is_transient());
    }
    world.wire.clear_hook();
    let run = sync_now(&engine, id, Mode::Full).await;
    assert!(run.resumed && run.state == RunState::Completed);
    assert_agreement(&engine, id).await;
}

#[testkit::on_both_databases]
async fn odd_but_legal_records_come_over_whole(db_url: String) {
    let (world, engine, id) = world(db_url, small()).await;
    let person = world.person();
    let name = format!("\"O'Hara\" & Söhne; DROP TABLE customers;-- {}", "🦀".repeat(210));
    let made = person.put("Contacts", json!({"Name": name}));
    let contact = made["Contacts"][0]["ContactID"].clone();
    let account = revenue_account(&person);
    let lines: Vec<_> = (1..=1_000)
        .map(|at| json!({"Description": format!("Line {at}"), "Quantity": 0.3333, "UnitAmount": serde_json::from_str::<serde_json::Value>(&format!("{at}.1234")).unwrap(), "AccountCode": account}))
        .collect();
    let mut made = Vec::new();
    for (currency, date) in [("NZD", "1955-03-01"), ("JPY", "2026-11-20"), ("KWD", "2026-11-20")] {
        person.call("PUT", "Currencies", &json!({"Code": currency}));
        let document = person.put(
            "Invoices?unitdp=4",
            json!({"Type": "ACCREC", "Contact": {"ContactID": contact}, "Date": date, "DueDate": date, "Status": "AUTHORISED",
                "CurrencyCode": currency, "LineItems": lines}),
        );
        made.push((document["Invoices"][0].clone(), currency, date));
    }
    let run = sync_now(&engine, id, Mode::Full).await;
    assert_eq!(run.state, RunState::Completed);
    assert!(customer_named(&engine, id, &name).await.is_some());
    let all = contents(&engine, id).await;
    for (document, currency, date) in made {
        let key = (Kind::Invoice, document["InvoiceID"].as_str().unwrap().to_owned());
        let invoice: Invoice = serde_json::from_str(&all[&key]).unwrap();
        assert_eq!(invoice.lines.len(), 1_000);
        assert_eq!(invoice.lines[999].unit_amount.unwrap().to_string(), "1000.1234");
        assert_eq!(invoice.currency.as_deref(), Some(currency));
        assert_eq!(invoice.date.unwrap().to_string(), date);
        let total: model::Amount = document["Total"].to_string().parse().unwrap();
        assert_eq!((invoice.total, invoice.amount_due), (total, total));
    }
    assert_agreement(&engine, id).await;
}
