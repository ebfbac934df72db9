//! Conflicts, failures and explanations by REST.

use serde_json::{Value, json};

use crate::world::{Plan, World};

const CONFLICTS: &str = "/api/v1/integrations/xero/conflicts";
const FAILURES: &str = "/api/v1/integrations/xero/failures";
const MAPPINGS: &str = "/api/v1/integrations/xero/mappings";

/// A customer in sync whose e-mail address both sides then changed, with a conflict that waits for a person.
async fn disputed(world: &World, name: &str) -> (String, Value, Value) {
    let set = world.call(&world.admin, "PUT", MAPPINGS, json!({"kind": "customer", "policy": "ASK"})).await;
    assert_eq!(set.status, 204);
    let made = world.post("/api/v1/customers", json!({"name": name, "email": "old@x.example"})).await;
    let target = made.header("location").to_owned();
    world.push().await;
    let record = world.get(&target).await.ok();
    let xero_id = record["xeroId"].as_str().unwrap().parse().unwrap();
    world.person().edit("Contacts", xero_id, &json!({"EmailAddress": "xero@x.example"})).unwrap();
    world.change("PATCH", &target, json!({"email": "app@x.example"})).await.ok();
    world.post("/api/v1/integrations/xero/sync/entity", json!({"kind": "customer", "id": record["id"]})).await.ok();
    let listed = world.get(&format!("{CONFLICTS}?state=PENDING&localId={}", record["id"])).await.ok();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{listed:#}");
    (target, world.get(&format!("{CONFLICTS}/{}", items[0]["id"])).await.ok(), record)
}

fn email_in_xero(world: &World, record: &Value) -> Value {
    world.in_xero("Contacts", record)["EmailAddress"].clone()
}

#[testkit::on_both_databases]
async fn a_conflict_is_shown_decided_and_taken_back(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let (target, conflict, record) = disputed(&world, "Dispute Ltd").await;
    assert_eq!((&conflict["field"], &conflict["state"]), (&json!("email"), &json!("PENDING")));
    assert_eq!((&conflict["app"], &conflict["xero"]), (&json!("app@x.example"), &json!("xero@x.example")));
    assert_eq!(conflict["base"], "old@x.example");
    let keep_app = &conflict["preview"]["keepApp"];
    assert_eq!((&keep_app["writesXero"], &keep_app["toXero"]), (&json!(true), &json!("app@x.example")), "{conflict:#}");
    assert_eq!(world.get(&target).await.ok()["syncState"], "CONFLICT");

    let resolve = format!("{CONFLICTS}/{}/resolve", conflict["id"]);
    let stale = world.post(&resolve, json!({"resolution": "KEEP_APP", "version": "00ff"})).await;
    assert!(stale.is_problem(412, "TO-STALE")["version"].is_string());
    for wrong in
        [json!({}), json!({"resolution": "COIN"}), json!({"resolution": "MANUAL_MERGE"}), json!({"resolution": "LINK"})]
    {
        world.post(&resolve, wrong).await.is_problem(400, "TO-INVALID");
    }
    let decided = world.post(&resolve, json!({"resolution": "KEEP_APP", "version": conflict["version"]})).await.ok();
    assert_eq!((&decided["conflict"]["state"], &decided["toSend"]), (&json!("RESOLVED"), &json!(true)), "{decided:#}");
    assert!(decided["conflict"]["decidedBy"].as_str().unwrap().starts_with("api:key-"));
    world.push().await;
    assert_eq!(email_in_xero(&world, &record), "app@x.example");
    assert_eq!(world.get(&target).await.ok()["syncState"], "SYNCED");

    let undone = world.post(&format!("{CONFLICTS}/{}/undo", conflict["id"]), Value::Null).await.ok();
    assert!(undone["conflict"]["undoneAt"].is_string(), "{undone:#}");
    world.push().await;
    assert_eq!(email_in_xero(&world, &record), "xero@x.example");
    assert_eq!(world.get(&target).await.ok()["email"], "xero@x.example");
    world.get(&format!("{CONFLICTS}/999999")).await.is_problem(404, "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn conflicts_are_decided_in_bulk_and_merged_by_hand(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let (_, by_hand, first) = disputed(&world, "Merge Ltd").await;
    let (_, _, second) = disputed(&world, "Bulk One Ltd").await;
    let (_, _, third) = disputed(&world, "Bulk Two Ltd").await;
    let body = json!({"resolution": "MANUAL_MERGE", "value": "both@x.example", "version": by_hand["version"]});
    world.post(&format!("{CONFLICTS}/{}/resolve", by_hand["id"]), body).await.ok();
    let bulk = format!("{CONFLICTS}/resolve");
    world.post(&bulk, json!({"resolution": "MANUAL_MERGE"})).await.is_problem(400, "TO-INVALID");
    let decided = world.post(&bulk, json!({"resolution": "KEEP_XERO", "kind": "customer"})).await.ok();
    assert_eq!((&decided["done"], &decided["refused"]), (&json!(2), &json!([])), "{decided:#}");
    world.push().await;
    assert_eq!(email_in_xero(&world, &first), "both@x.example");
    for record in [&second, &third] {
        assert_eq!(email_in_xero(&world, record), "xero@x.example");
        let here = world.get(&format!("/api/v1/customers/{}", record["id"])).await.ok();
        assert_eq!((&here["email"], &here["syncState"]), (&json!("xero@x.example"), &json!("SYNCED")));
    }
    assert_eq!(world.all(&format!("{CONFLICTS}?state=PENDING"), 1).await.len(), 0);
    assert_eq!(world.all(&format!("{CONFLICTS}?state=RESOLVED&kind=customer"), 1).await.len(), 3);
    world.get(&format!("{CONFLICTS}?state=OPEN")).await.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn a_failure_is_grouped_explained_corrected_and_set_aside(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let first = world.post("/api/v1/customers", json!({"name": "Name Ltd"})).await.header("location").to_owned();
    world.push().await;
    let second = world.post("/api/v1/customers", json!({"name": "NAME ltd"})).await.header("location").to_owned();
    world.push().await;
    let groups = world.get(&format!("{FAILURES}/groups")).await.ok();
    let group = &groups["items"][0];
    assert_eq!(
        (&group["code"], &group["count"], &group["direction"]),
        (&json!("TO-NAME-TAKEN"), &json!(1), &json!("PUSH"))
    );
    assert!(group["fix"].as_str().unwrap().len() > 10);
    let explained = world.get(&format!("{second}/explain")).await.ok();
    assert_eq!(explained["state"], "NEEDS_YOU", "{explained:#}");
    assert_eq!(explained["reasons"][0]["code"], "TO-NAME-TAKEN", "{explained:#}");
    let by_us = explained["timeline"].as_array().unwrap().iter().any(|one| one["what"] == "record.edited");
    assert!(by_us, "{explained:#}");
    assert_eq!(world.get(&format!("{first}/explain")).await.ok()["state"], "IN_SYNC");

    let failure = world.get(FAILURES).await.ok()["items"][0].clone();
    let target = format!("{FAILURES}/{}", failure["id"]);
    assert_eq!(world.get(&target).await.ok(), failure);
    // Trying again without a change fails again, and says so.
    world.post(&format!("{target}/retry"), Value::Null).await.ok();
    world.push().await;
    let again = world.get(&target).await.ok();
    assert!(again["attempts"].as_i64() > failure["attempts"].as_i64(), "{again:#}");
    world.post(&format!("{target}/ignore"), json!({"reason": " "})).await.is_problem(400, "TO-INVALID");
    world.post(&format!("{target}/ignore"), json!({"reason": "an old customer"})).await.ok();
    assert_eq!(world.get(FAILURES).await.ok()["items"], json!([]));
    // The change that mends it sends it.
    world.change("PATCH", &second, json!({"name": "Other Name Ltd"})).await.ok();
    world.push().await;
    assert_eq!(world.get(&second).await.ok()["syncState"], "SYNCED");
    assert_eq!(world.post(&format!("{FAILURES}/retry"), json!({"code": "TO-NAME-TAKEN"})).await.ok()["retried"], 0);
    world.post(&format!("{FAILURES}/999999/retry"), Value::Null).await.is_problem(404, "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn a_record_is_linked_with_what_xero_has(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let set = world.call(&world.admin, "PUT", MAPPINGS, json!({"kind": "customer", "policy": "XERO"})).await;
    assert_eq!(set.status, 204);
    world.post("/api/v1/customers", json!({"name": "Twin Ltd"})).await.ok();
    world.push().await;
    let there = world.person().create("Contacts", &json!({"Name": "Twin Holdings"})).unwrap();
    // The name is that of another contact: which one is meant, a person says.
    let made = world.post("/api/v1/customers", json!({"name": "TWIN ltd"})).await.ok();
    world.push().await;
    let failure = world.get(FAILURES).await.ok()["items"][0].clone();
    assert_eq!(failure["code"], "TO-NAME-TAKEN", "{failure:#}");
    let link = format!("{FAILURES}/{}/link", failure["id"]);
    world.post(&link, json!({"xeroId": "not an id"})).await.is_problem(400, "TO-INVALID");
    let linked = world.post(&link, json!({"xeroId": there["ContactID"]})).await;
    assert_eq!(linked.status, 204, "{}", String::from_utf8_lossy(&linked.body));
    world.push().await;
    let record = world.get(&format!("/api/v1/customers/{}", made["id"])).await.ok();
    assert_eq!((&record["xeroId"], &record["syncState"]), (&there["ContactID"], &json!("SYNCED")), "{record:#}");
    assert_eq!(record["name"], "Twin Holdings", "the rule says that Xero wins");
    assert_eq!(world.get(FAILURES).await.ok()["items"], json!([]));
}

#[testkit::on_both_databases]
async fn one_record_is_synced_on_demand(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let record = world.get("/api/v1/customers?limit=1").await.ok()["items"][0].clone();
    let xero_id = record["xeroId"].as_str().unwrap().parse().unwrap();
    world.person().edit("Contacts", xero_id, &json!({"FirstName": "Ada"})).unwrap();
    let entity = "/api/v1/integrations/xero/sync/entity";
    let synced = world.post(entity, json!({"kind": "customer", "xeroId": record["xeroId"]})).await.ok();
    assert_eq!((&synced["id"], &synced["wasRead"]), (&record["id"], &json!(true)), "{synced:#}");
    let target = format!("/api/v1/customers/{}", record["id"]);
    assert_eq!(world.get(&target).await.ok()["firstName"], "Ada");
    for wrong in [
        json!({"kind": "customer"}),
        json!({"kind": "customer", "id": 1, "xeroId": record["xeroId"]}),
        json!({"kind": "quote", "id": 1}),
    ] {
        world.post(entity, wrong).await.is_problem(400, "TO-INVALID");
    }
    world.post(entity, json!({"kind": "customer", "id": 999_999})).await.is_problem(404, "TO-NOT-FOUND");
}
