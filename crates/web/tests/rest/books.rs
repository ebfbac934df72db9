//! Reading the books: pages, cursors, filters, single records.

use std::collections::BTreeSet;

use model::Amount;
use serde_json::Value;

use crate::world::{Plan, World};

/// Path of each list, and how the store calls what is in it.
const LISTS: [(&str, &[model::Kind]); 7] = {
    use model::Kind::*;
    [
        ("customers", &[Customer]),
        ("invoices", &[Invoice]),
        ("payments", &[Payment]),
        ("bank-transactions", &[BankTransaction]),
        ("credits", &[CreditNote, Prepayment, Overpayment]),
        ("accounts", &[Account]),
        ("tax-rates", &[TaxRate]),
    ]
};

fn ids(items: &[Value]) -> Vec<i64> {
    items.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[testkit::on_both_databases]
async fn pages_to_the_end_give_every_record_once(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let mut tx = world.engine.store().read().await.unwrap();
    let connection = tx.connections().await.unwrap().remove(0);
    let counts = tx.count_books(connection.org, connection.id).await.unwrap();
    tx.commit().await.unwrap();
    for (list, kinds) in LISTS {
        let expected: i64 = counts.iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, count)| count).sum();
        assert!(expected > 0, "{list} would test nothing");
        for limit in [1, 7, 500] {
            let items = world.all(&format!("/api/v1/{list}"), limit).await;
            let found = ids(&items);
            assert_eq!(i64::try_from(found.len()).unwrap(), expected, "{list} by {limit}");
            assert!(found.is_sorted_by(|a, b| a < b), "{list} by {limit}: {found:?}");
        }
        // A single record is what its list shows.
        let items = world.all(&format!("/api/v1/{list}"), 500).await;
        for item in items.iter().take(3) {
            assert_eq!(world.get(&format!("/api/v1/{list}/{}", item["id"])).await.ok(), *item);
        }
        world.get(&format!("/api/v1/{list}/999999999")).await.is_problem(404, "TO-NOT-FOUND");
        world.get(&format!("/api/v1/{list}/one")).await.is_problem(404, "TO-NOT-FOUND");
        world.get(&format!("/api/v1/{list}/-1")).await.is_problem(404, "TO-NOT-FOUND");
    }
}

#[testkit::on_both_databases]
async fn filters_give_what_they_say(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let all = world.all("/api/v1/invoices", 500).await;
    for (field, parameter) in [
        ("type", "type"),
        ("status", "status"),
        ("xeroStatus", "xeroStatus"),
        ("number", "number"),
        ("currency", "currency"),
        ("customerId", "customerId"),
    ] {
        let value = all.iter().map(|item| &item[field]).find(|value| !value.is_null()).unwrap();
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let expected: Vec<i64> = ids(&all.iter().filter(|item| item[field] == *value).cloned().collect::<Vec<_>>());
        let found = world.all(&format!("/api/v1/invoices?{parameter}={text}"), 5).await;
        assert_eq!(ids(&found), expected, "{parameter}={text}");
    }
    let payments = world.all("/api/v1/payments", 500).await;
    let invoice = payments.iter().find_map(|item| item["invoiceId"].as_i64()).unwrap();
    let of_invoice = world.all(&format!("/api/v1/payments?invoiceId={invoice}"), 500).await;
    assert!(!of_invoice.is_empty() && of_invoice.iter().all(|item| item["invoiceId"] == invoice));
    let account = world.get("/api/v1/accounts?type=BANK&limit=1").await.ok()["items"][0].clone();
    assert_eq!(account["type"], "BANK");
    let through = world.all(&format!("/api/v1/bank-transactions?accountId={}", account["id"]), 500).await;
    assert!(through.iter().all(|item| item["accountXeroId"] == account["xeroId"]));

    let later = world.engine.now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(world.all(&format!("/api/v1/invoices?changedSince={later}"), 500).await.len(), 0);
    let earlier = world.engine.now() - jiff::SignedDuration::from_hours(1);
    assert_eq!(world.all(&format!("/api/v1/invoices?changedSince={earlier}"), 500).await.len(), all.len());
}

#[testkit::on_both_databases]
async fn credits_say_which_kind_they_are(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let all = world.all("/api/v1/credits", 500).await;
    let mut sum = 0;
    for kind in ["credit_note", "prepayment", "overpayment"] {
        let found = world.all(&format!("/api/v1/credits?kind={kind}"), 2).await;
        assert!(!found.is_empty() && found.iter().all(|item| item["kind"] == kind), "{kind}: {found:?}");
        assert!(found.iter().all(|item| item["xeroId"].is_string()));
        assert_eq!(found, all.iter().filter(|item| item["kind"] == kind).cloned().collect::<Vec<_>>());
        sum += found.len();
    }
    assert_eq!(sum, all.len());
    world.get("/api/v1/credits?kind=invoice").await.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn a_record_is_told_exactly_and_whole(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let customers: BTreeSet<i64> = ids(&world.all("/api/v1/customers", 500).await).into_iter().collect();
    for invoice in world.all("/api/v1/invoices", 500).await {
        let amount = |field: &str| invoice[field].as_str().unwrap().parse::<Amount>().unwrap();
        assert_eq!(amount("total"), amount("subTotal") + amount("totalTax"), "{invoice}");
        if invoice["status"] != "CANCELLED" {
            assert_eq!(
                amount("amountDue"),
                amount("total") - amount("amountPaid") - amount("amountCredited"),
                "{invoice}"
            );
        }
        assert!(customers.contains(&invoice["customerId"].as_i64().unwrap()), "{invoice}");
        assert!(invoice["customerXeroId"].is_string() && invoice["xeroId"].is_string());
        invoice["date"].as_str().unwrap().parse::<jiff::civil::Date>().unwrap();
        invoice["updatedAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let lines = invoice["lines"].as_array().unwrap();
        assert!(!lines.is_empty());
        assert!(lines.iter().all(|line| line["lineAmount"].is_string() && line["quantity"].is_string()), "{invoice}");
    }
    // No number of ours is a JSON number with a fraction.
    let text = String::from_utf8(world.get("/api/v1/invoices?limit=500").await.body).unwrap();
    assert!(!has_fraction(&serde_json::from_str(&text).unwrap()));
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_i64() && !number.is_u64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

#[testkit::on_both_databases]
async fn a_cursor_is_good_for_its_own_list_only(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let page = world.get("/api/v1/invoices?limit=2").await.ok();
    let cursor = page["nextCursor"].as_str().unwrap();
    world.get(&format!("/api/v1/invoices?limit=9&cursor={cursor}")).await.ok();
    for other in [
        format!("/api/v1/customers?cursor={cursor}"),
        format!("/api/v1/invoices?type=ACCREC&cursor={cursor}"),
        format!("/api/v1/integrations/xero/sync/history?cursor={cursor}"),
        format!("/api/v1/integrations/xero/failures?cursor={cursor}"),
    ] {
        world.get(&other).await.is_problem(400, "TO-CURSOR");
    }
    // Every single character changed, and every length.
    for at in 0..cursor.len() {
        let mut forged = cursor.to_owned().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        // The last character of an unpadded base64 text may hold spare bits, which must be zero.
        world.get(&format!("/api/v1/invoices?cursor={forged}")).await.is_problem(400, "TO-CURSOR");
        world.get(&format!("/api/v1/invoices?cursor={}", &cursor[..at])).await.is_problem(400, "TO-CURSOR");
    }
}

#[testkit::on_both_databases]
async fn what_a_list_does_not_know_is_refused(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    for query in [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=ten",
        "limit=1&limit=2",
        "status=UNPAID",
        "customerId=x",
        "changedSince=yesterday",
        "statsu=PAID",
        "orgId=1",
        "connectionId=",
        "sync_rev=1",
    ] {
        let problem = world.get(&format!("/api/v1/invoices?{query}")).await.is_problem(400, "TO-INVALID");
        assert!(!problem["detail"].as_str().unwrap().contains("deserialize"), "{problem}");
    }
    world.get("/api/v1/invoices?connectionId=99").await.is_problem(404, "TO-NOT-FOUND");
    // Text is a value and never anything else.
    let quoted = world.get("/api/v1/customers?name=%27%20OR%201%3D1%20--").await.ok();
    assert_eq!(quoted["items"].as_array().unwrap().len(), 0);
}

#[testkit::on_both_databases]
async fn without_a_connection_there_is_nothing_to_read(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    world.get("/api/v1/invoices").await.is_problem(409, "TO-NOT-CONNECTED");
    world.get("/api/v1/invoices/1").await.is_problem(404, "TO-NOT-FOUND");
    assert_eq!(world.get("/api/v1/integrations/xero/sync/history").await.ok()["items"], serde_json::json!([]));
}
