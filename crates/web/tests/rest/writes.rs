//! Writing the books: every kind from its creation to its end, here and in Xero, and what is refused on the way.

use http::header::{ETAG, LOCATION};
use serde_json::{Value, json};
use sync::KeyScope;

use crate::world::{Answer, Plan, World};

/// The account that documents are booked on, and the tax of it.
const SALES: &str = "200";

fn line(description: &str, quantity: &str, price: &str) -> Value {
    json!({
        "description": description, "quantity": quantity, "unitAmount": price, "accountCode": SALES, "taxType": "OUTPUT2",
    })
}

/// A record that was just made, read again.
async fn made(world: &World, answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let record = answer.json();
    let target = answer.header(LOCATION).to_owned();
    let read = world.get(&target).await;
    assert_eq!(read.ok(), record, "the answer is what a read gives");
    assert_eq!(read.header(ETAG), answer.header(ETAG));
    assert_eq!(answer.header(ETAG), format!("\"{}\"", record["version"].as_str().unwrap()));
    assert_eq!((&record["syncState"], &record["xeroId"]), (&json!("PENDING"), &Value::Null));
    (target, record)
}

async fn synced(world: &World, target: &str) -> Value {
    world.push().await;
    let record = world.get(target).await.ok();
    assert_eq!(record["syncState"], "SYNCED", "{record}\n{:#}", failures(world).await);
    record
}

async fn failures(world: &World) -> Value {
    world.get("/api/v1/integrations/xero/failures").await.ok()
}

#[testkit::on_both_databases]
async fn a_customer_lives_on_both_sides(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let body = json!({
        "name": "Harbour Cafe", "email": "old@harbour.example", "taxNumber": "12-345",
        "phones": [{"type": "MOBILE", "countryCode": "64", "areaCode": "21", "number": "555 0100"}],
        "addresses": [{"type": "STREET", "line1": "1 Quay St", "city": "Auckland"}],
    });
    let answer = world.post("/api/v1/customers", body).await;
    let (target, record) = made(&world, &answer).await;
    assert_eq!(record["phones"][0]["number"], "555 0100");
    let record = synced(&world, &target).await;
    let contact = world.in_xero("Contacts", &record);
    assert_eq!((&contact["Name"], &contact["EmailAddress"]), (&json!("Harbour Cafe"), &json!("old@harbour.example")));
    let mobile = contact["Phones"].as_array().unwrap().iter().find(|phone| phone["PhoneType"] == "MOBILE").unwrap();
    assert_eq!(mobile["PhoneNumber"], "555 0100");

    // A part: what is absent stays, null clears.
    let changed = world.change("PATCH", &target, json!({"email": "new@harbour.example", "taxNumber": null})).await;
    assert_eq!(changed.status, 200);
    let changed = changed.ok();
    assert_eq!((&changed["email"], &changed["taxNumber"]), (&json!("new@harbour.example"), &Value::Null));
    assert_eq!((&changed["name"], &changed["phones"][0]["number"]), (&json!("Harbour Cafe"), &json!("555 0100")));
    assert_eq!(changed["syncState"], "PENDING");
    assert_ne!(changed["version"], record["version"]);
    let record = synced(&world, &target).await;
    let contact = world.in_xero("Contacts", &record);
    assert_eq!(contact["EmailAddress"], "new@harbour.example");
    assert!(contact["TaxNumber"].as_str().unwrap_or_default().is_empty(), "{contact}");

    // The whole, as it was read: nothing changes, and nothing is sent.
    let writes = world.writes_to_xero();
    assert_eq!(world.change("PUT", &target, record.clone()).await.ok(), record);
    world.push().await;
    assert_eq!(world.writes_to_xero(), writes);
    // The whole, less: what is absent is cleared.
    let replaced = world.change("PUT", &target, json!({"name": "Harbour Cafe Ltd"})).await.ok();
    assert_eq!((&replaced["email"], &replaced["phones"]), (&Value::Null, &json!([])));
    let record = synced(&world, &target).await;
    assert_eq!(world.in_xero("Contacts", &record)["Name"], "Harbour Cafe Ltd");

    let gone = world.change("DELETE", &target, Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    world.get(&target).await.is_problem(404, "TO-NOT-FOUND");
    world.push().await;
    assert_eq!(world.in_xero("Contacts", &record)["ContactStatus"], "ARCHIVED");
}

#[testkit::on_both_databases]
async fn an_invoice_lives_on_both_sides(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let customer = world.post("/api/v1/customers", json!({"name": "Ridge Builders"})).await.ok();
    let body = json!({
        "type": "ACCREC", "customerId": customer["id"], "date": "2026-03-01", "dueDate": "2026-03-31", "status": "SENT",
        "reference": "PO 7", "lines": [line("Work", "2", "50.00"), line("Travel", "1", "10.0050")],
    });
    let answer = world.post("/api/v1/invoices", body).await;
    let (target, record) = made(&world, &answer).await;
    // What Xero will compute is computed here as Xero does it.
    assert_eq!((&record["subTotal"], &record["totalTax"]), (&json!("110.01"), &json!("16.50")), "{record}");
    assert_eq!(record["customerXeroId"], Value::Null, "neither is in Xero yet");
    let sent = synced(&world, &target).await;
    for field in ["subTotal", "totalTax", "total", "amountDue", "reference", "date", "dueDate", "customerId"] {
        assert_eq!(sent[field], record[field], "{field}");
    }
    assert_eq!((&sent["status"], &sent["xeroStatus"]), (&json!("SENT"), &json!("AUTHORISED")));
    assert!(sent["number"].is_string(), "Xero gave it one: {sent}");
    assert_eq!(world.in_xero("Invoices", &sent)["Total"].to_string(), "126.51");

    // One line changes, one goes, one comes; the line that stays keeps its identity.
    let kept = sent["lines"][0]["xeroLineId"].clone();
    let mut first = sent["lines"][0].clone();
    first["quantity"] = "3".into();
    let lines = json!([first, line("Materials", "4", "2.50")]);
    let changed = world.change("PATCH", &target, json!({"lines": lines})).await.ok();
    assert_eq!(changed["lines"][0]["lineAmount"], "150.00", "it follows from the quantity");
    let record = synced(&world, &target).await;
    assert_eq!(record["lines"][0]["xeroLineId"], kept);
    assert_eq!((record["lines"].as_array().unwrap().len(), &record["total"]), (2, &json!("184.00")));
    assert_eq!(world.in_xero("Invoices", &record)["Total"].to_string(), "184.0");

    let stranger = json!({"lines": [{"xeroLineId": "6f2fa2e5-9a1c-4e2b-8a57-6a6a6e2b7c31", "description": "x"}]});
    world.change("PATCH", &target, stranger).await.is_problem(400, "TO-INVALID");
    let problem = world.change("PATCH", &target, json!({"status": "PAID"})).await.is_problem(422, "TO-PAID-BY-STATUS");
    assert_eq!(problem["advice"], "FIX_DATA");
    world.change("PATCH", &target, json!({"status": "DRAFT"})).await.is_problem(422, "TO-STATUS");
    world.change("PATCH", &target, json!({"type": "ACCPAY"})).await.is_problem(422, "TO-IMMUTABLE");
    assert_eq!(world.get(&target).await.ok(), record, "what is refused is not written");

    // The customer of a document stays.
    let customer = format!("/api/v1/customers/{}", customer["id"]);
    world.change("DELETE", &customer, Value::Null).await.is_problem(422, "TO-IN-USE");
    let cancelled = world.change("PATCH", &target, json!({"status": "CANCELLED"})).await.ok();
    assert_eq!(cancelled["status"], "CANCELLED");
    let record = synced(&world, &target).await;
    assert_eq!(world.in_xero("Invoices", &record)["Status"], "VOIDED");
}

#[testkit::on_both_databases]
async fn a_deleted_draft_is_deleted_in_xero(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let customer = world.get("/api/v1/customers?limit=1").await.ok()["items"][0]["id"].clone();
    let body = json!({"type": "ACCPAY", "customerId": customer, "number": "B-77", "date": "2026-03-01",
        "lines": [{"description": "Paper", "quantity": "1", "unitAmount": "9.99", "accountCode": "429"}]});
    let answer = world.post("/api/v1/invoices", body).await;
    let (target, _) = made(&world, &answer).await;
    let record = synced(&world, &target).await;
    assert_eq!(record["xeroStatus"], "DRAFT");
    assert_eq!(world.change("DELETE", &target, Value::Null).await.status, 204);
    world.push().await;
    assert_eq!(world.in_xero("Invoices", &record)["Status"], "DELETED");
}

/// An invoice of 100.00 that Xero has, and the bank account that it is paid into.
async fn payable(world: &World) -> (Value, Value) {
    let customer = world.get("/api/v1/customers?limit=1").await.ok()["items"][0]["id"].clone();
    let body = json!({"type": "ACCREC", "customerId": customer, "date": "2026-03-01", "dueDate": "2026-03-31",
        "status": "SENT", "lineAmountTypes": "NO_TAX",
        "lines": [{"description": "Work", "quantity": "1", "unitAmount": "100.00", "accountCode": SALES}]});
    let answer = world.post("/api/v1/invoices", body).await;
    let (target, _) = made(world, &answer).await;
    let invoice = synced(world, &target).await;
    let account = world.get("/api/v1/accounts?type=BANK&limit=1").await.ok()["items"][0]["id"].clone();
    (invoice, account)
}

#[testkit::on_both_databases]
async fn a_payment_is_made_and_taken_back_and_never_edited(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let (invoice, account) = payable(&world).await;
    let payment = |amount: &str| json!({"invoiceId": invoice["id"], "accountId": account, "date": "2026-03-05", "amount": amount});
    let before = world.get("/api/v1/payments?limit=500").await.ok()["items"].as_array().unwrap().len();
    world.post("/api/v1/payments", payment("100.01")).await.is_problem(422, "TO-OVERPAID");
    world.post("/api/v1/payments", payment("0.00")).await.is_problem(422, "TO-BAD-FIELD");
    world.post("/api/v1/payments", payment("1.001")).await.is_problem(422, "TO-BAD-FIELD");
    let answer = world.post("/api/v1/payments", payment("60.00")).await;
    let (target, record) = made(&world, &answer).await;
    assert_eq!((&record["method"], &record["status"]), (&json!("BANK_TRANSFER"), &json!("COMPLETED")));
    // What is on its way counts, before Xero has heard of it.
    world.post("/api/v1/payments", payment("40.01")).await.is_problem(422, "TO-OVERPAID");
    let after = world.get("/api/v1/payments?limit=500").await.ok()["items"].as_array().unwrap().len();
    assert_eq!(after, before + 1, "what is refused is not written");
    let record = synced(&world, &target).await;
    assert_eq!(world.in_xero("Payments", &record)["Amount"].to_string(), "60.0");
    let paid = world.get(&format!("/api/v1/invoices/{}", invoice["id"])).await.ok();
    assert_eq!((&paid["amountDue"], &paid["amountPaid"]), (&json!("40.00"), &json!("60.00")));

    world.change("PATCH", &target, json!({"amount": "50.00"})).await.is_problem(422, "TO-PAYMENT-IMMUTABLE");
    let invoice_target = format!("/api/v1/invoices/{}", invoice["id"]);
    world.change("DELETE", &invoice_target, Value::Null).await.is_problem(422, "TO-HAS-PAYMENTS");
    let mut dearer = paid["lines"][0].clone();
    dearer["unitAmount"] = "200.00".into();
    world.change("PATCH", &invoice_target, json!({"lines": [dearer]})).await.is_problem(422, "TO-FROZEN");

    assert_eq!(world.change("DELETE", &target, Value::Null).await.status, 204);
    world.push().await;
    assert_eq!(world.in_xero("Payments", &record)["Status"], "DELETED");
    let open = world.get(&invoice_target).await.ok();
    assert_eq!(open["amountDue"], "100.00", "{open}");
}

#[testkit::on_both_databases]
async fn a_bank_transaction_lives_on_both_sides(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let customer = world.get("/api/v1/customers?limit=1").await.ok()["items"][0]["id"].clone();
    let account = world.get("/api/v1/accounts?type=BANK&limit=1").await.ok()["items"][0]["id"].clone();
    let body = json!({"type": "SPEND", "customerId": customer, "accountId": account, "date": "2026-03-03",
        "reference": "Card 12", "lineAmountTypes": "INCLUSIVE",
        "lines": [{"description": "Fuel", "quantity": "1", "unitAmount": "46.00", "accountCode": "429", "taxType": "INPUT2"}]});
    let answer = world.post("/api/v1/bank-transactions", body).await;
    let (target, record) = made(&world, &answer).await;
    assert_eq!((&record["total"], &record["totalTax"]), (&json!("46.00"), &json!("6.00")));
    let record = synced(&world, &target).await;
    assert_eq!(world.in_xero("BankTransactions", &record)["Total"].to_string(), "46.0");
    let changed = world.change("PATCH", &target, json!({"reference": "Card 13"})).await;
    assert_eq!(changed.status, 200);
    let record = synced(&world, &target).await;
    assert_eq!(world.in_xero("BankTransactions", &record)["Reference"], "Card 13");
    world.change("PATCH", &target, json!({"lines": []})).await.is_problem(422, "TO-NO-LINES");
    assert_eq!(world.change("DELETE", &target, Value::Null).await.status, 204);
    world.push().await;
    assert_eq!(world.in_xero("BankTransactions", &record)["Status"], "DELETED");
}

#[testkit::on_both_databases]
async fn a_change_needs_the_version_that_was_seen(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let record = world.get("/api/v1/customers?limit=1").await.ok()["items"][0].clone();
    let target = format!("/api/v1/customers/{}", record["id"]);
    let body = json!({"email": "a@b.example"});
    for method in ["PATCH", "PUT", "DELETE"] {
        world.with_headers(method, &target, &[], &body).await.is_problem(428, "TO-NO-VERSION");
        let two = [("if-match", "\"a\""), ("if-match", "\"b\"")];
        world.with_headers(method, &target, &two, &body).await.is_problem(428, "TO-NO-VERSION");
        world.with_headers(method, &target, &[("if-match", "\"a\", \"b\"")], &body).await.is_problem(400, "TO-INVALID");
        let stale = world.with_headers(method, &target, &[("if-match", "\"00ff\"")], &body).await;
        let problem = stale.is_problem(412, "TO-STALE");
        assert_eq!(problem["version"], record["version"], "the fresh version comes with the refusal");
        assert_eq!(stale.header(ETAG), format!("\"{}\"", record["version"].as_str().unwrap()));
    }
    assert_eq!(world.get(&target).await.ok(), record, "nothing was written");
    let version = record["version"].as_str().unwrap();
    let first = world.with_headers("PATCH", &target, &[("if-match", &format!("W/\"{version}\""))], &body).await;
    assert_eq!(first.status, 200);
    let second = world.with_headers("PATCH", &target, &[("if-match", &format!("\"{version}\""))], &body).await;
    second.is_problem(412, "TO-STALE");
    let any = world.with_headers("PATCH", &target, &[("if-match", "*")], &json!({"email": "c@d.example"})).await;
    assert_eq!(any.ok()["email"], "c@d.example");
    for body in [json!([]), json!("x"), json!(5)] {
        world.with_headers("PATCH", &target, &[("if-match", "*")], &body).await.is_problem(400, "TO-INVALID");
    }
    world.with_headers("PATCH", &target, &[("if-match", "*")], &Value::Null).await.is_problem(415, "TO-MEDIA-TYPE");
    let gone = world.with_headers("PATCH", "/api/v1/customers/999999999", &[("if-match", "*")], &body).await;
    gone.is_problem(404, "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn what_cannot_be_written_is_refused_by_name(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let count = || async { world.all("/api/v1/customers", 500).await.len() };
    let before = count().await;
    for (body, named) in [
        (json!({"name": "A", "nmae": "B"}), "nmae"),
        (json!({"name": "A", "isCustomer": true}), "isCustomer"),
        (json!({"name": "A", "xeroId": "6f2fa2e5-9a1c-4e2b-8a57-6a6a6e2b7c31"}), "xeroId"),
        (json!({"name": "A", "sync_rev": 1}), "sync_rev"),
        (json!({"name": "A", "orgId": 2}), "orgId"),
        (json!({"name": null}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "A", "status": "GONE"}), "status"),
        (json!({"name": "A", "phones": [{"type": "PAGER", "number": "1"}]}), "phones[0].type"),
        (json!({"name": "A", "phones": [{"type": "FAX", "numbr": "1"}]}), "phones[0].numbr"),
        (json!({"name": "A\u{0}B"}), "name"),
        (json!({"name": "A", "email": "x".repeat(5000)}), "email"),
    ] {
        let problem = world.post("/api/v1/customers", body).await.is_problem(400, "TO-INVALID");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{named}:")), "{detail}");
    }
    for (body, code) in [
        (json!({}), "TO-BAD-FIELD"),
        (json!({"name": "x".repeat(256)}), "TO-BAD-FIELD"),
        (json!({"name": "A <b>"}), "TO-BAD-FIELD"),
        (json!({"name": "A", "email": "nobody"}), "TO-EMAIL"),
        (json!({"name": "A", "defaultCurrency": "kiwi"}), "TO-CURRENCY"),
        (json!({"name": "A", "status": "ARCHIVED"}), "TO-ARCHIVED"),
        (
            json!({"name": "A", "phones": [{"type": "FAX", "number": "1"}, {"type": "FAX", "number": "2"}]}),
            "TO-BAD-FIELD",
        ),
    ] {
        world.post("/api/v1/customers", body).await.is_problem(422, code);
    }
    assert_eq!(count().await, before, "nothing was written");

    let record = world.get("/api/v1/invoices?limit=1").await.ok()["items"][0].clone();
    let target = format!("/api/v1/invoices/{}", record["id"]);
    for (body, named) in [
        (json!({"total": "1.00"}), "total"),
        (json!({"xeroStatus": "PAID"}), "xeroStatus"),
        (json!({"lines": [{"quantity": 1.5}]}), "lines[0].quantity"),
        (json!({"lines": [{"quantity": "1.00001"}]}), "lines[0].quantity"),
        (json!({"currencyRate": "much"}), "currencyRate"),
        (json!({"dueDate": "31/03/2026"}), "dueDate"),
        (json!({"customerId": "4"}), "customerId"),
        (json!({"status": null}), "status"),
    ] {
        let problem = world.change("PATCH", &target, body).await.is_problem(400, "TO-INVALID");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{named}:")), "{detail}");
    }
    assert_eq!(world.get(&target).await.ok(), record);
    let large = json!({"name": "A", "firstName": "x".repeat(3 * 1024 * 1024)});
    world.post("/api/v1/customers", large).await.is_problem(413, "TO-TOO-LARGE");
}

#[testkit::on_both_databases]
async fn hostile_text_is_text(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    for (at, name) in [
        "'; DROP TABLE customers; --",
        "=HYPERLINK(\"http://x.example\")",
        "O\u{2019}Brien \u{1f600} \u{202e}gnihtyna",
        "{{7*7}} ${x} %s %n",
        "Zo\u{eb} \u{4e2d}\u{6587}",
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"name": name, "firstName": "<script>alert(1)</script>", "contactNumber": format!("H{at}")});
        let answer = world.post("/api/v1/customers", body).await;
        let (target, record) = made(&world, &answer).await;
        assert_eq!(record["name"], name);
        let record = synced(&world, &target).await;
        let contact = world.in_xero("Contacts", &record);
        assert_eq!((&contact["Name"], &contact["FirstName"]), (&json!(name), &json!("<script>alert(1)</script>")));
    }
}

#[testkit::on_both_databases]
async fn references_stay_inside_the_organisation(db_url: String) {
    let world = World::synced(&db_url, Plan { organisations: 2, ..Plan::default() }).await;
    let connections = world.connections().await;
    let of = |place: usize, field: &str| connections[place][field].as_i64().unwrap();
    let key = world.key(Some(of(0, "organisationId")), KeyScope::Write).await;
    let theirs = world.get(&format!("/api/v1/customers?limit=1&connectionId={}", of(1, "id"))).await.ok();
    let theirs = theirs["items"][0]["id"].clone();
    let invoice = |customer: &Value| json!({"type": "ACCREC", "customerId": customer, "date": "2026-03-01", "lines": [line("Work", "1", "1.00")]});
    let foreign = world.call(&key, "POST", "/api/v1/invoices", invoice(&theirs)).await.is_problem(422, "TO-BAD-FIELD");
    let nobody =
        world.call(&key, "POST", "/api/v1/invoices", invoice(&json!(999_999))).await.is_problem(422, "TO-BAD-FIELD");
    let detail =
        |problem: &Value| problem["detail"].as_str().unwrap().replace(&theirs.to_string(), "N").replace("999999", "N");
    assert_eq!(detail(&foreign), detail(&nobody), "a foreign record is as if it did not exist");
    let target = format!("/api/v1/customers/{theirs}");
    for method in ["PATCH", "PUT", "DELETE"] {
        world.call(&key, method, &target, json!({"name": "Mine"})).await.is_problem(404, "TO-NOT-FOUND");
    }
    let wrong = format!("/api/v1/customers?connectionId={}", of(1, "id"));
    world.call(&key, "POST", &wrong, json!({"name": "Mine"})).await.is_problem(404, "TO-NOT-FOUND");
    let read = world.key(Some(of(0, "organisationId")), KeyScope::Sync).await;
    world.call(&read, "POST", "/api/v1/customers", json!({"name": "Mine"})).await.is_problem(403, "TO-FORBIDDEN");
}

#[testkit::on_both_databases]
async fn a_change_arrives_in_xero_by_itself(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    world.web.keep_pushing();
    world.web.keep_pushing();
    let answer = world.post("/api/v1/customers", json!({"name": "Quick Ltd"})).await;
    let target = answer.header(LOCATION).to_owned();
    let begun = std::time::Instant::now();
    let record = loop {
        let record = world.get(&target).await.ok();
        if record["syncState"] == "SYNCED" {
            break record;
        }
        assert!(begun.elapsed().as_secs() < 20, "it does not arrive: {record}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(world.in_xero("Contacts", &record)["Name"], "Quick Ltd");
    world.web.shutdown().await;
    // It has stopped: nothing is sent any more.
    let writes = world.writes_to_xero();
    world.change("PATCH", &target, json!({"email": "q@quick.example"})).await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(world.writes_to_xero(), writes);
}
