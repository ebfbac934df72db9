//! What an application, or its database, does that Xero would not take, and what both sides do to each other at a first
//! connection: each with its stated outcome, on both databases.

use crate::common::sql::App;
use crate::common::{World, plan, sync_now};
use emulator::Size;
use model::{ConnectionId, Kind};
use serde_json::{Value, json};
use store::Mode;
use sync::Engine;
use uuid::Uuid;

/// A connected organisation, the application's own connection to its tables, and somebody in Xero.
struct Town {
    world: World,
    engine: Engine,
    id: ConnectionId,
    app: App,
    person: emulator::Person,
    org: i64,
}

impl Town {
    async fn new(url: String) -> Self {
        let town = Self::unread(url, Size { lines: None, ..Size::of_invoices(40) }).await;
        sync_now(&town.engine, town.id, Mode::Full).await;
        town
    }

    /// Connected, and nothing read yet.
    async fn unread(url: String, size: Size) -> Self {
        let world = World::new(plan(size), url.clone());
        let engine = world.engine().await;
        let id = world.connect(&engine).await;
        let app = App::open(&url).await;
        let person = world.emulator.person(world.emulator.tenants()[0]);
        let org = engine.connection(id).await.unwrap().org.0;
        Self { world, engine, id, app, person, org }
    }

    fn amount(&self, ten_thousandths: i64) -> String {
        match &self.app {
            App::Sqlite(_) => ten_thousandths.to_string(),
            App::Postgres(_) => format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000),
        }
    }

    /// An amount column as ten-thousandths.
    async fn stored(&self, sql: &str) -> i64 {
        let text = self.app.text(sql).await.unwrap();
        match &self.app {
            App::Sqlite(_) => text.parse().unwrap(),
            App::Postgres(_) => text.replace('.', "").parse().unwrap(),
        }
    }

    async fn one(&self, sql: &str) -> i64 {
        self.app.text(sql).await.unwrap_or_else(|| panic!("nothing: {sql}")).parse().unwrap()
    }

    async fn xero_id(&self, kind: &str, local: i64) -> Option<Uuid> {
        let column = match &self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
        };
        let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
        self.app.text(&sql).await.map(|hex| Uuid::parse_str(&hex).unwrap())
    }

    /// The code with which a record stands in the list of failures.
    async fn listed(&self, kind: &str, local: i64) -> Option<String> {
        let sql = format!(
            "SELECT code AS c FROM failures WHERE kind = '{kind}' AND local_id = {local} AND resolved_at IS NULL"
        );
        self.app.text(&sql).await
    }

    async fn push(&self) -> sync::PushOutcome {
        self.engine.push(self.id, "test").await.unwrap()
    }

    async fn sync(&self) -> sync::RunOutcome {
        sync_now(&self.engine, self.id, Mode::Incremental).await
    }

    /// Calls that write to Xero so far.
    fn writes(&self) -> Vec<String> {
        let calls = self.world.emulator.log().into_iter();
        let api = calls.filter(|call| call.method != "GET" && call.target.starts_with("/api.xro"));
        api.map(|call| format!("{} {}", call.method, call.target)).collect()
    }

    async fn customer(&self, name: &str, more: &[(&str, &str)]) -> i64 {
        let columns: String = more.iter().map(|(column, _)| format!(", {column}")).collect();
        let values: String = more.iter().map(|(_, value)| format!(", '{value}'")).collect();
        let org = self.org;
        self.app.run(&format!("INSERT INTO customers (org_id, name{columns}) VALUES ({org}, '{name}'{values})")).await;
        self.one("SELECT MAX(id) AS c FROM customers").await
    }

    async fn invoice(&self, customer: i64, number: &str, price: i64) -> i64 {
        let (org, one, price) = (self.org, self.amount(10_000), self.amount(price));
        self.app
            .run(&format!(
                "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, line_amount_types) \
                 VALUES ({org}, 'ACCREC', '{number}', {customer}, '2026-06-01', '2026-07-01', 'SENT', 'NO_TAX')"
            ))
            .await;
        let id = self.one("SELECT MAX(id) AS c FROM invoices").await;
        self.app
            .run(&format!(
                "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
                 VALUES ({id}, 1, 'Work', {one}, {price}, '200')"
            ))
            .await;
        id
    }

    async fn pay(&self, invoice: i64, amount: i64) -> i64 {
        let (org, amount) = (self.org, self.amount(amount));
        self.app
            .run(&format!(
                "INSERT INTO payments (org_id, invoice_id, account_id, date, amount) \
                 VALUES ({org}, {invoice}, (SELECT id FROM accounts WHERE code = '090'), '2026-06-15', {amount})"
            ))
            .await;
        self.one("SELECT MAX(id) AS c FROM payments").await
    }

    async fn active_customer(&self) -> i64 {
        self.one("SELECT MIN(id) AS c FROM customers WHERE status = 'ACTIVE'").await
    }

    /// A new invoice of 100.00 that Xero has.
    async fn sent_invoice(&self, number: &str) -> (i64, Uuid) {
        let invoice = self.invoice(self.active_customer().await, number, 1_000_000).await;
        self.push().await;
        (invoice, self.xero_id("invoice", invoice).await.expect("it is in Xero"))
    }

    fn contacts_named(&self, name: &str) -> usize {
        let all = self.person.list("Contacts").unwrap();
        all.iter().filter(|row| row["Name"].as_str().is_some_and(|of| of.eq_ignore_ascii_case(name))).count()
    }

    fn read(&self, endpoint: &str, id: Uuid) -> Value {
        self.person.read(endpoint, id).unwrap()
    }
}

#[testkit::on_both_databases]
async fn a_payment_larger_than_the_amount_due_is_not_sent_and_goes_once_it_is_lowered(url: String) {
    let town = Town::new(url).await;
    let (invoice, _) = town.sent_invoice("OVER-1").await;
    let before = town.writes().len();
    let payment = town.pay(invoice, 1_000_100).await;
    town.push().await;
    assert_eq!(town.listed("payment", payment).await.as_deref(), Some("TO-OVERPAID"));
    assert_eq!(town.writes().len(), before, "nothing was tried");

    town.app.run(&format!("UPDATE payments SET amount = {} WHERE id = {payment}", town.amount(1_000_000))).await;
    town.push().await;
    assert_eq!(town.listed("payment", payment).await, None);
    assert_eq!(
        town.app.text(&format!("SELECT status AS c FROM invoices WHERE id = {invoice}")).await.as_deref(),
        Some("PAID")
    );
}

#[testkit::on_both_databases]
async fn two_payments_that_are_too_much_together_are_one_payment_and_one_failure(url: String) {
    let town = Town::new(url).await;
    let (invoice, xero) = town.sent_invoice("OVER-2").await;
    let first = town.pay(invoice, 600_000).await;
    let second = town.pay(invoice, 600_000).await;
    town.push().await;
    assert_eq!(town.listed("payment", first).await, None);
    assert_eq!(town.listed("payment", second).await.as_deref(), Some("TO-OVERPAID"));
    assert_eq!(town.read("Invoices", xero)["AmountPaid"].to_string().trim_end_matches('0'), "60.");
}

#[testkit::on_both_databases]
async fn paid_by_sql_is_refused_until_it_is_sent_again(url: String) {
    let town = Town::new(url).await;
    let (invoice, xero) = town.sent_invoice("PAID-1").await;
    let before = town.writes().len();
    town.app.run(&format!("UPDATE invoices SET status = 'PAID' WHERE id = {invoice}")).await;
    town.push().await;
    assert_eq!(town.listed("invoice", invoice).await.as_deref(), Some("TO-PAID-BY-STATUS"));
    assert_eq!((town.writes().len(), town.read("Invoices", xero)["Status"].as_str()), (before, Some("AUTHORISED")));

    town.app.run(&format!("UPDATE invoices SET status = 'SENT' WHERE id = {invoice}")).await;
    town.push().await;
    assert_eq!(town.listed("invoice", invoice).await, None);
}

#[testkit::on_both_databases]
async fn a_row_with_payments_cannot_be_deleted(url: String) {
    let town = Town::new(url).await;
    let (invoice, xero) = town.sent_invoice("GONE-1").await;
    town.pay(invoice, 400_000).await;
    town.push().await;
    let before = town.writes().len();
    let refused = town.app.try_run(&format!("DELETE FROM invoices WHERE id = {invoice}")).await;
    assert!(refused.is_err(), "the foreign key of its payment stands");

    // A program that switched foreign keys off gets as far as the rules.
    if let App::Sqlite(connection) = &town.app {
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        assert_eq!(town.app.run(&format!("DELETE FROM invoices WHERE id = {invoice}")).await, 1);
        town.push().await;
        assert_eq!(town.listed("invoice", invoice).await.as_deref(), Some("TO-HAS-PAYMENTS"));
        assert_eq!((town.writes().len(), town.read("Invoices", xero)["Status"].as_str()), (before, Some("AUTHORISED")));
    }
}

#[testkit::on_both_databases]
async fn of_a_paid_invoice_the_words_may_change_and_the_figures_may_not(url: String) {
    let town = Town::new(url).await;
    let (invoice, xero) = town.sent_invoice("FROZEN-1").await;
    town.pay(invoice, 1_000_000).await;
    town.push().await;
    town.app.run(&format!("UPDATE invoice_lines SET description = 'Other words' WHERE invoice_id = {invoice}")).await;
    town.push().await;
    assert_eq!(town.listed("invoice", invoice).await, None);
    assert_eq!(town.read("Invoices", xero)["LineItems"][0]["Description"], "Other words");

    let before = town.writes().len();
    town.app
        .run(&format!("UPDATE invoice_lines SET unit_amount = {} WHERE invoice_id = {invoice}", town.amount(900_000)))
        .await;
    town.push().await;
    assert_eq!(town.listed("invoice", invoice).await.as_deref(), Some("TO-FROZEN"));
    assert_eq!(town.writes().len(), before);
}

#[testkit::on_both_databases]
async fn a_name_that_an_active_contact_has_in_any_case_is_refused(url: String) {
    let town = Town::new(url).await;
    let name =
        town.app.text("SELECT name AS c FROM customers WHERE status = 'ACTIVE' ORDER BY id LIMIT 1").await.unwrap();
    let other_case = if name.to_uppercase() == name { name.to_lowercase() } else { name.to_uppercase() };
    for taken in [name.clone(), other_case] {
        let local = town.customer(&taken.replace('\'', "''"), &[("email", "twin@app.test")]).await;
        town.push().await;
        assert_eq!(town.listed("customer", local).await.as_deref(), Some("TO-NAME-TAKEN"), "{taken}");
        assert_eq!(town.xero_id("customer", local).await, None);
        assert_eq!(town.contacts_named(&name), 1);
        // Another name mends it.
        town.app.run(&format!("UPDATE customers SET name = 'Another {local}' WHERE id = {local}")).await;
        town.push().await;
        assert_eq!(town.listed("customer", local).await, None);
        assert!(town.xero_id("customer", local).await.is_some());
    }
}

#[testkit::on_both_databases]
async fn a_name_that_an_archived_contact_has_is_no_second_contact_by_accident(url: String) {
    let town = Town::new(url).await;
    let archived = town.active_customer().await;
    let name = town.app.text(&format!("SELECT name AS c FROM customers WHERE id = {archived}")).await.unwrap();
    town.person.archive_contact(town.xero_id("customer", archived).await.unwrap()).unwrap();
    town.sync().await;
    let local = town.customer(&name.replace('\'', "''"), &[]).await;
    town.push().await;
    let (code, linked) = (town.listed("customer", local).await, town.xero_id("customer", local).await);
    // A name is only taken by active contacts: the new one is a contact of its own, and the archived one stays as it is.
    assert_eq!(code, None);
    assert!(linked.is_some() && linked != town.xero_id("customer", archived).await);
    assert_eq!(town.contacts_named(&name), 2);
}

#[testkit::on_both_databases]
async fn an_invoice_number_in_use_is_refused_and_another_one_goes(url: String) {
    let town = Town::new(url).await;
    town.sent_invoice("NUMBER-1").await;
    let twin = town.invoice(town.active_customer().await, "NUMBER-1", 550_000).await;
    town.push().await;
    assert_eq!(town.listed("invoice", twin).await.as_deref(), Some("TO-NUMBER-TAKEN"));
    town.app.run(&format!("UPDATE invoices SET number = 'NUMBER-2' WHERE id = {twin}")).await;
    town.push().await;
    assert_eq!(town.listed("invoice", twin).await, None);
    assert!(town.xero_id("invoice", twin).await.is_some());
}

#[testkit::on_both_databases]
async fn a_customer_that_both_sides_made_is_one_customer(url: String) {
    let town = Town::new(url).await;
    // Seen by a pull first, and met by a push first.
    for is_pulled in [true, false] {
        let name = format!("Made Twice {is_pulled}");
        let made = town.person.create("Contacts", &json!({"Name": name.to_uppercase(), "FirstName": "Ann"})).unwrap();
        let local = town.customer(&name, &[("email", "both@app.test")]).await;
        if is_pulled {
            town.sync().await;
        } else {
            town.push().await;
            town.push().await;
        }
        let xero: Uuid = made["ContactID"].as_str().unwrap().parse().unwrap();
        assert_eq!(town.xero_id("customer", local).await, Some(xero), "pulled first: {is_pulled}");
        town.sync().await;
        assert_eq!(town.contacts_named(&name), 1);
        assert_eq!(
            town.one(&format!("SELECT COUNT(*) AS c FROM customers WHERE lower(name) = lower('{name}')")).await,
            1
        );
        assert_eq!(town.read("Contacts", xero)["EmailAddress"], "both@app.test");
        assert_eq!(
            town.app.text(&format!("SELECT first_name AS c FROM customers WHERE id = {local}")).await.as_deref(),
            Some("Ann")
        );
        assert_eq!(town.listed("customer", local).await, None);
    }
}

#[testkit::on_both_databases]
async fn a_row_edited_while_its_push_is_in_flight_keeps_both_edits(url: String) {
    let town = Town::new(url.clone()).await;
    let local = town.active_customer().await;
    let xero = town.xero_id("customer", local).await.unwrap();
    town.app.run(&format!("UPDATE customers SET email = 'first@app.test' WHERE id = {local}")).await;
    let is_done = std::sync::atomic::AtomicBool::new(false);
    town.world.wire.set_hook(move |request, response| {
        if request.method == http::Method::POST && !is_done.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let url = url.clone();
            let edit =
                format!("UPDATE customers SET email = 'second@app.test', last_name = 'Flight' WHERE id = {local}");
            let worker = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async { App::open(&url).await.run(&edit).await })
            });
            assert_eq!(worker.join().unwrap(), 1);
        }
        Ok(response)
    });
    town.push().await;
    town.world.wire.clear_hook();
    town.push().await;
    let contact = town.read("Contacts", xero);
    assert_eq!(
        (contact["EmailAddress"].as_str(), contact["LastName"].as_str()),
        (Some("second@app.test"), Some("Flight"))
    );
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM conflicts").await, 0);
    let email = town.app.text(&format!("SELECT email AS c FROM customers WHERE id = {local}")).await;
    assert_eq!(email.as_deref(), Some("second@app.test"));
}

#[testkit::on_both_databases]
async fn null_absent_and_empty_say_the_same(url: String) {
    let town = Town::new(url).await;
    let local = town.customer("Sparse Ltd", &[]).await;
    town.push().await;
    let xero = town.xero_id("customer", local).await.unwrap();
    let before = town.writes().len();
    town.app.run(&format!("UPDATE customers SET first_name = '', email = NULL WHERE id = {local}")).await;
    town.app
        .run(&format!(
            "INSERT INTO customer_phones (customer_id, position, type, number) VALUES ({local}, 1, 'FAX', '')"
        ))
        .await;
    town.push().await;
    town.sync().await;
    assert_eq!(town.writes().len(), before, "nothing was said, so nothing is sent");
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM conflicts").await, 0);

    // What was there and is NULL now is cleared there.
    town.app.run(&format!("UPDATE customers SET email = 'some@app.test' WHERE id = {local}")).await;
    town.push().await;
    town.app.run(&format!("UPDATE customers SET email = NULL WHERE id = {local}")).await;
    town.push().await;
    assert_eq!(town.read("Contacts", xero)["EmailAddress"].as_str().unwrap_or_default(), "");
    let again = town.writes().len();
    town.sync().await;
    assert_eq!(town.writes().len(), again);
}

#[testkit::on_both_databases]
async fn a_quantity_of_zero_is_not_a_missing_one(url: String) {
    let town = Town::new(url).await;
    let invoice = town.invoice(town.active_customer().await, "ZERO-1", 100_000).await;
    let (zero, five) = (town.amount(0), town.amount(50_000));
    town.app
        .run(&format!(
            "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
             VALUES ({invoice}, 2, 'Free', {zero}, {five}, '200');\
             INSERT INTO invoice_lines (invoice_id, position, description) VALUES ({invoice}, 3, 'Only words')"
        ))
        .await;
    town.push().await;
    assert_eq!(town.listed("invoice", invoice).await, None);
    let lines = town.read("Invoices", town.xero_id("invoice", invoice).await.unwrap())["LineItems"].clone();
    assert_eq!(lines[1]["Quantity"].to_string().trim_end_matches('0'), "0.");
    assert_eq!(lines[1]["LineAmount"].to_string().trim_end_matches('0'), "0.");
    assert!(lines[2]["UnitAmount"].is_null() || lines[2]["UnitAmount"].to_string().trim_end_matches('0') == "0.");
    assert_eq!(
        town.stored(&format!("SELECT quantity AS c FROM invoice_lines WHERE invoice_id = {invoice} AND position = 2"))
            .await,
        0
    );
    assert_eq!(town.stored(&format!("SELECT total AS c FROM invoices WHERE id = {invoice}")).await, 100_000);
    let before = town.writes().len();
    town.sync().await;
    assert_eq!(town.writes().len(), before, "no echo");
}

/// `TIEOUT_ROWS=100000` plays it with 100,000 rows; what differs is the time that making them takes.
#[testkit::on_both_databases]
async fn every_row_changed_in_one_update_asks_first_and_then_goes_in_batches(url: String) {
    let rows: u32 = std::env::var("TIEOUT_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_500);
    let town = Town::unread(url, Size { contacts: rows, ..Size::empty() }).await;
    sync_now(&town.engine, town.id, Mode::Full).await;
    let active = town.one("SELECT COUNT(*) AS c FROM customers WHERE status = 'ACTIVE'").await;
    town.app.run("UPDATE customers SET company_number = 'ALL' WHERE status = 'ACTIVE'").await;
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM captures").await, active);

    let stopped = town.push().await;
    assert_eq!((stopped.braked.len(), town.writes().len()), (1, 0), "{stopped:?}");
    let brake = town.engine.brakes(town.id).await.unwrap().pop().unwrap();
    assert_eq!((brake.kind, brake.would), (Kind::Customer, active));

    town.engine.decide_brake(town.id, brake.id, true, "test").await.unwrap();
    let gone = town.push().await;
    assert!(gone.braked.is_empty(), "{gone:?}");
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM captures").await, 0);
    let calls = i64::try_from(town.writes().len()).unwrap();
    assert_eq!(calls, (active + 49) / 50);
    let told = town.person.list("Contacts").unwrap().iter().filter(|row| row["CompanyNumber"] == "ALL").count();
    assert_eq!(i64::try_from(told).unwrap(), active);
}

#[testkit::on_both_databases]
async fn a_first_connection_finds_what_both_sides_have(url: String) {
    let town = Town::unread(url, Size::empty()).await;
    let contact = |body: Value| -> Uuid {
        let made = town.person.create("Contacts", &body).unwrap();
        made["ContactID"].as_str().unwrap().parse().unwrap()
    };
    let same_name = contact(json!({"Name": "Harbour Cafe", "FirstName": "Mia"}));
    let same_mail = contact(json!({"Name": "Old Name Ltd", "EmailAddress": "post@shop.test"}));
    let made = town
        .person
        .create(
            "Invoices",
            &json!({"Type": "ACCREC", "Contact": {"ContactID": same_name}, "InvoiceNumber": "F-1", "Date": "2026-06-01", "DueDate": "2026-07-01",
                "Status": "AUTHORISED", "LineAmountTypes": "NoTax", "LineItems": [{"Description": "Work", "Quantity": 1, "UnitAmount": 100, "AccountCode": "200"}]}),
        )
        .unwrap();
    let in_xero: Uuid = made["InvoiceID"].as_str().unwrap().parse().unwrap();

    let cafe = town.customer("harbour cafe", &[("email", "cafe@app.test")]).await;
    let shop = town.customer("New Name Ltd", &[("email", "post@shop.test")]).await;
    let only_here = town.customer("Only Here Ltd", &[]).await;
    let invoice = town.invoice(cafe, "F-1", 1_000_000).await;
    sync_now(&town.engine, town.id, Mode::Full).await;
    town.sync().await;

    assert_eq!(town.xero_id("customer", cafe).await, Some(same_name));
    assert_eq!(town.xero_id("invoice", invoice).await, Some(in_xero), "the same number, customer and total");
    assert_eq!(town.read("Contacts", same_name)["EmailAddress"], "cafe@app.test");
    assert_eq!(
        town.app.text(&format!("SELECT first_name AS c FROM customers WHERE id = {cafe}")).await.as_deref(),
        Some("Mia")
    );
    assert!(town.xero_id("customer", only_here).await.is_some());
    assert_eq!(town.person.list("Invoices").unwrap().len(), 1);
    // The one with the same address and another name is asked about, and copied neither way.
    let asked = town.engine.candidates(town.id).await.unwrap();
    assert_eq!(asked.iter().map(|pair| (pair.xero_id, pair.local_id)).collect::<Vec<_>>(), [(same_mail, shop)]);
    assert_eq!(town.xero_id("customer", shop).await, None);
    assert_eq!(town.person.list("Contacts").unwrap().len(), 3, "the two, and the one that was only here");
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM customers").await, 3);

    town.engine.decide_candidate(town.id, Kind::Customer, same_mail, shop, true, "test").await.unwrap();
    town.sync().await;
    assert_eq!(town.xero_id("customer", shop).await, Some(same_mail));
    assert_eq!(town.listed("customer", shop).await, None);
    assert_eq!(town.person.list("Contacts").unwrap().len(), 3);
}

#[testkit::on_both_databases]
async fn two_that_a_person_keeps_apart_become_two_on_both_sides(url: String) {
    let town = Town::unread(url, Size::empty()).await;
    town.person.create("Contacts", &json!({"Name": "Old Name Ltd", "EmailAddress": "post@shop.test"})).unwrap();
    let shop = town.customer("New Name Ltd", &[("email", "post@shop.test")]).await;
    sync_now(&town.engine, town.id, Mode::Full).await;
    let pair = town.engine.candidates(town.id).await.unwrap().pop().unwrap();
    town.engine.decide_candidate(town.id, pair.kind, pair.xero_id, pair.local_id, false, "test").await.unwrap();
    town.sync().await;
    assert!(town.xero_id("customer", shop).await.is_some());
    assert_eq!(
        (town.person.list("Contacts").unwrap().len(), town.one("SELECT COUNT(*) AS c FROM customers").await),
        (2, 2)
    );
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM failures WHERE resolved_at IS NULL").await, 0);
}

#[testkit::on_both_databases]
async fn what_fits_two_is_asked_about(url: String) {
    let town = Town::unread(url, Size::empty()).await;
    town.person.create("Contacts", &json!({"Name": "Twice Ltd"})).unwrap();
    let first = town.customer("Twice Ltd", &[]).await;
    let second = town.customer("TWICE LTD", &[]).await;
    sync_now(&town.engine, town.id, Mode::Full).await;
    let asked = town.engine.candidates(town.id).await.unwrap();
    assert_eq!(asked.iter().map(|pair| pair.local_id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(town.person.list("Contacts").unwrap().len(), 1);
}

#[testkit::on_both_databases]
async fn a_deleted_row_voids_and_a_cancelled_one_too(url: String) {
    let town = Town::new(url).await;
    let (deleted, in_xero) = town.sent_invoice("VOID-1").await;
    let (cancelled, other) = town.sent_invoice("VOID-2").await;
    town.app.run(&format!("DELETE FROM invoices WHERE id = {deleted}")).await;
    town.app.run(&format!("UPDATE invoices SET status = 'CANCELLED' WHERE id = {cancelled}")).await;
    town.push().await;
    assert_eq!(town.read("Invoices", in_xero)["Status"], "VOIDED");
    assert_eq!(town.read("Invoices", other)["Status"], "VOIDED");
    // Xero's answer to a voiding still says what was due.
    assert_eq!(town.stored(&format!("SELECT amount_due AS c FROM invoices WHERE id = {cancelled}")).await, 0);
    let before = town.writes().len();
    sync_now(&town.engine, town.id, Mode::Full).await;
    assert_eq!(
        town.one(&format!("SELECT COUNT(*) AS c FROM invoices WHERE id = {deleted}")).await,
        0,
        "it does not come back"
    );
    assert_eq!(town.writes().len(), before);
}

#[testkit::on_both_databases]
async fn a_customer_that_the_app_archives_is_archived_and_its_later_edits_are_listed(url: String) {
    let town = Town::new(url).await;
    let local = town.customer("Short Lived Ltd", &[]).await;
    town.push().await;
    let xero = town.xero_id("customer", local).await.unwrap();
    town.app.run(&format!("UPDATE customers SET status = 'ARCHIVED' WHERE id = {local}")).await;
    town.push().await;
    assert_eq!(town.read("Contacts", xero)["ContactStatus"], "ARCHIVED");
    town.app.run(&format!("UPDATE customers SET email = 'late@app.test' WHERE id = {local}")).await;
    town.push().await;
    assert_eq!(town.listed("customer", local).await.as_deref(), Some("TO-ARCHIVED"));
}

#[testkit::on_both_databases]
async fn a_merge_of_contacts_takes_the_documents_along_even_quietly(url: String) {
    let town = Town::new(url).await;
    let (loser, winner) = (town.customer("Loser Ltd", &[]).await, town.customer("Winner Ltd", &[]).await);
    let invoice = town.invoice(loser, "MERGE-1", 1_000_000).await;
    town.push().await;
    let (old, new) = (town.xero_id("customer", loser).await.unwrap(), town.xero_id("customer", winner).await.unwrap());
    town.person.clone().quietly().merge_contacts(old, new).unwrap();
    // Made for the loser before anybody here knew.
    let late = town.invoice(loser, "MERGE-2", 500_000).await;
    town.sync().await;
    town.sync().await;
    let of = async |id: i64| town.one(&format!("SELECT customer_id AS c FROM invoices WHERE id = {id}")).await;
    assert_eq!((of(invoice).await, of(late).await), (winner, winner));
    assert_eq!(
        town.app.text(&format!("SELECT status AS c FROM customers WHERE id = {loser}")).await.as_deref(),
        Some("ARCHIVED")
    );
    let late = town.xero_id("invoice", late).await.expect("sent to the one that stayed");
    assert_eq!(town.read("Invoices", late)["Contact"]["ContactID"], new.to_string());
}

/// A push reads before it writes, and may see what no pull has seen yet.
#[testkit::on_both_databases]
async fn a_document_given_to_a_contact_that_the_app_does_not_know_waits_for_a_pull(url: String) {
    let town = Town::new(url).await;
    let (invoice, xero) = town.sent_invoice("STRANGER-1").await;
    let stranger = town.person.create("Contacts", &json!({"Name": "Stranger Ltd"})).unwrap();
    town.person.edit("Invoices", xero, &json!({"Contact": {"ContactID": stranger["ContactID"]}})).unwrap();
    town.app.run(&format!("UPDATE invoices SET reference = 'ours' WHERE id = {invoice}")).await;
    town.push().await;
    town.sync().await;
    let now = town.read("Invoices", xero);
    assert_eq!((now["Reference"].as_str(), now["Contact"]["Name"].as_str()), (Some("ours"), Some("Stranger Ltd")));
    let name =
        format!("SELECT name AS c FROM customers WHERE id = (SELECT customer_id FROM invoices WHERE id = {invoice})");
    assert_eq!(town.app.text(&name).await.as_deref(), Some("Stranger Ltd"));
    assert_eq!(town.one("SELECT COUNT(*) AS c FROM conflicts").await, 0);
}

/// The same with a merge: whom a contact was merged into may be known before the other one is, and may be merged again.
#[testkit::on_both_databases]
async fn an_invoice_for_a_contact_that_was_merged_into_a_stranger_waits_for_a_pull(url: String) {
    let town = Town::new(url).await;
    let loser = town.customer("Loser Ltd", &[]).await;
    town.push().await;
    let contact = |name: &str| -> Uuid {
        let made = town.person.create("Contacts", &json!({ "Name": name })).unwrap();
        made["ContactID"].as_str().unwrap().parse().unwrap()
    };
    let (between, winner) = (contact("Between Ltd"), contact("Stranger Ltd"));
    town.person.merge_contacts(town.xero_id("customer", loser).await.unwrap(), between).unwrap();
    town.person.merge_contacts(between, winner).unwrap();
    // The look before this edit is sent tells of the first merge.
    town.app.run(&format!("UPDATE customers SET first_name = 'Late' WHERE id = {loser}")).await;
    town.push().await;
    let invoice = town.invoice(loser, "STRANGER-2", 500_000).await;
    town.push().await;
    assert_eq!(town.xero_id("invoice", invoice).await, None);
    assert_eq!(town.listed("invoice", invoice).await.as_deref(), Some("TO-WAITING"));
    town.sync().await;
    town.world.emulator.clock().advance(61_000);
    town.sync().await;
    let xero = town.xero_id("invoice", invoice).await.expect("sent to the one that stayed");
    assert_eq!(town.read("Invoices", xero)["Contact"]["ContactID"], winner.to_string());
    assert_eq!(town.listed("invoice", invoice).await, None);
}

/// The body of the other process of the test below.
#[test]
fn another_process() {
    let (Ok(path), Ok(sql)) = (std::env::var("TIEOUT_OTHER_PATH"), std::env::var("TIEOUT_OTHER_SQL")) else { return };
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(connection.execute(&sql, []).unwrap(), 1);
}

#[test]
fn sqlite_an_update_by_another_process_is_due_at_once() {
    testkit::on_sqlite(None, async |url: String| {
        let town = Town::new(url.clone()).await;
        let local = town.active_customer().await;
        assert_eq!(town.engine.push_due("watch").await.unwrap(), 0);
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bad_input::another_process"])
            .env("TIEOUT_OTHER_PATH", url.strip_prefix("sqlite://").unwrap())
            .env("TIEOUT_OTHER_SQL", format!("UPDATE customers SET email = 'else@where.test' WHERE id = {local}"))
            .status()
            .unwrap();
        assert!(done.success());
        assert_eq!(town.engine.push_due("watch").await.unwrap(), 1);
        let xero = town.xero_id("customer", local).await.unwrap();
        assert_eq!(town.read("Contacts", xero)["EmailAddress"], "else@where.test");
    });
}
