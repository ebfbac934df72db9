//! Plans, mappings, brakes and candidates by REST.

use http::header::LOCATION;
use serde_json::{Value, json};
use sync::KeyScope;

use crate::world::{Plan, World};

const PLAN: &str = "/api/v1/integrations/xero/sync/plan";
const MAPPINGS: &str = "/api/v1/integrations/xero/mappings";

#[testkit::on_both_databases]
async fn a_plan_writes_nothing_and_is_done_as_it_was_shown(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let first = world.get("/api/v1/customers?limit=2").await.ok();
    let (one, two) = (first["items"][0].clone(), first["items"][1].clone());
    let target = format!("/api/v1/customers/{}", one["id"]);
    let moved = format!("/api/v1/customers/{}", two["id"]);
    world.change("PATCH", &target, json!({"email": "plan@example.test"})).await.ok();
    world.change("PATCH", &moved, json!({"email": "moved@example.test"})).await.ok();
    let made = world.post("/api/v1/customers", json!({"name": "Planned Ltd"})).await.ok();

    let writes = world.writes_to_xero();
    let answer = world.post(PLAN, Value::Null).await;
    assert_eq!(answer.status, 201);
    let plan = answer.json();
    assert_eq!(world.writes_to_xero(), writes, "a plan only reads");
    assert_eq!(world.get(answer.header(LOCATION)).await.ok()["items"], plan["items"]);
    let items = plan["items"].as_array().unwrap();
    let of = |id: &Value| items.iter().find(|item| item["localId"] == *id).unwrap_or_else(|| panic!("{plan:#}"));
    assert_eq!((&of(&one["id"])["action"], &of(&one["id"])["fields"]), (&json!("UPDATE"), &json!(["email"])));
    assert_eq!((&of(&made["id"])["action"], &of(&made["id"])["side"]), (&json!("CREATE"), &json!("XERO")));
    assert_eq!(of(&made["id"])["label"], "Planned Ltd");
    assert_eq!(items.len(), 3, "{plan:#}");
    assert!(plan["calls"].as_i64().unwrap() > 0);
    assert_eq!(world.get(&target).await.ok()["syncState"], "PENDING", "nothing was done yet");

    // One record moves before the plan is applied.
    world.change("PATCH", &moved, json!({"email": "again@example.test"})).await.ok();
    let applied = world.post(&format!("{}/apply", answer.header(LOCATION)), Value::Null).await.ok();
    assert_eq!((&applied["done"], applied["moved"].as_array().unwrap().len()), (&json!(2), 1), "{applied:#}");
    assert_eq!(applied["moved"][0]["localId"], two["id"]);
    let done = world.get(&target).await.ok();
    assert_eq!(
        (&done["syncState"], &world.in_xero("Contacts", &done)["EmailAddress"]),
        (&json!("SYNCED"), &json!("plan@example.test"))
    );
    let left = world.get(&moved).await.ok();
    assert_ne!(world.in_xero("Contacts", &left)["EmailAddress"], "again@example.test", "it was not in the plan so");
    let twice = world.post(&format!("{}/apply", answer.header(LOCATION)), Value::Null).await;
    twice.is_problem(400, "TO-INVALID");
    world.get(&format!("{PLAN}/999999")).await.is_problem(404, "TO-NOT-FOUND");
    world.post(PLAN, json!({"mode": "SOME"})).await.is_problem(400, "TO-INVALID");
    world.post(PLAN, json!({"dryRun": true})).await.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn a_push_is_told_and_counted(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let made = world.post("/api/v1/customers", json!({"name": "Pushed Ltd"})).await.ok();
    let pushed = world.post("/api/v1/integrations/xero/push", Value::Null).await.ok();
    let customers = pushed["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "customer").unwrap();
    assert_eq!(customers["sentCreated"], 1, "{pushed:#}");
    let run = world.get(&format!("/api/v1/integrations/xero/sync/history/{}", pushed["runId"])).await.ok();
    assert_eq!((&run["direction"], &run["state"]), (&json!("PUSH"), &json!("COMPLETED")), "{run:#}");
    assert!(run["triggeredBy"].as_str().unwrap().starts_with("api:key-"));
    assert_eq!((&run["processed"], &run["succeeded"], &run["failed"]), (&json!(1), &json!(1), &json!(0)));
    assert!(world.get(&format!("/api/v1/customers/{}", made["id"])).await.ok()["xeroId"].is_string());
    // A refusal by Xero ends in the list, with who can help, and the record says so.
    let taken = world.post("/api/v1/customers", json!({"name": "PUSHED ltd"})).await.ok();
    world.post("/api/v1/integrations/xero/push", Value::Null).await.ok();
    let record = world.get(&format!("/api/v1/customers/{}", taken["id"])).await.ok();
    let failures = world.get("/api/v1/integrations/xero/failures").await.ok();
    assert_eq!(record["syncState"], "FAILED", "{record:#} {failures:#}");
    let failure = &failures["items"][0];
    assert_eq!((&failure["direction"], &failure["localId"]), (&json!("PUSH"), &taken["id"]), "{failure:#}");
    assert_eq!((&failure["code"], &failure["advice"]), (&json!("TO-NAME-TAKEN"), &json!("ASK_PERSON")));
}

#[testkit::on_both_databases]
async fn mappings_are_set_listed_and_taken_away(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let put = |body: Value| world.call(&world.admin, "PUT", MAPPINGS, body);
    assert_eq!(world.get(MAPPINGS).await.ok()["items"], json!([]));
    assert_eq!(put(json!({"policy": "XERO"})).await.status, 204);
    assert_eq!(put(json!({"kind": "customer", "policy": "APP"})).await.status, 204);
    assert_eq!(put(json!({"kind": "customer", "field": "email", "policy": "LAST_WRITE"})).await.status, 204);
    assert_eq!(put(json!({"kind": "customer", "field": "email", "policy": "ASK"})).await.status, 204);
    let listed = world.get(MAPPINGS).await.ok();
    assert_eq!(listed["default"], "LAST_WRITE");
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!((&items[0]["field"], &items[0]["policy"]), (&json!("email"), &json!("ASK")), "the closest first");
    assert!(items[0]["changedBy"].as_str().unwrap().starts_with("api:key-"));
    put(json!({"kind": "customer", "field": "emial", "policy": "APP"})).await.is_problem(400, "TO-INVALID");
    put(json!({"kind": "quote", "policy": "APP"})).await.is_problem(400, "TO-INVALID");
    put(json!({"policy": "COIN"})).await.is_problem(400, "TO-INVALID");
    let gone = world.call(&world.admin, "DELETE", &format!("{MAPPINGS}?kind=customer&field=email"), Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(world.get(MAPPINGS).await.ok()["items"].as_array().unwrap().len(), 2);
    let writer = world.key(None, KeyScope::Write).await;
    world.call(&writer, "PUT", MAPPINGS, json!({"policy": "APP"})).await.is_problem(403, "TO-FORBIDDEN");
}

#[testkit::on_both_databases]
async fn a_run_that_would_do_too_much_asks(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    // Forty new customers that Xero has, and thirty of them deleted at once.
    let mut made = Vec::new();
    for at in 0..40 {
        made.push(
            world.post("/api/v1/customers", json!({"name": format!("Many {at}")})).await.header(LOCATION).to_owned(),
        );
    }
    world.push().await;
    for target in &made[..30] {
        assert_eq!(world.change("DELETE", target, Value::Null).await.status, 204);
    }
    let writes = world.writes_to_xero();
    let pushed = world.post("/api/v1/integrations/xero/push", Value::Null).await.ok();
    assert_eq!((pushed["brakes"].as_array().unwrap().len(), world.writes_to_xero()), (1, writes), "{pushed:#}");
    let brakes = world.get("/api/v1/integrations/xero/brakes").await.ok();
    let brake = &brakes["items"][0];
    assert_eq!((&brake["what"], &brake["would"], &brake["state"]), (&json!("REMOVE"), &json!(30), &json!("OPEN")));
    let target = format!("/api/v1/integrations/xero/brakes/{}", brake["id"]);
    let writer = world.key(None, KeyScope::Write).await;
    world.call(&writer, "POST", &format!("{target}/approve"), Value::Null).await.is_problem(403, "TO-FORBIDDEN");
    world.post("/api/v1/integrations/xero/brakes/99999/approve", Value::Null).await.is_problem(404, "TO-NOT-FOUND");
    assert_eq!(world.post(&format!("{target}/approve"), Value::Null).await.status, 204);
    world.push().await;
    assert!(world.writes_to_xero() > writes);
    let archived = world.person().list("Contacts").unwrap();
    let archived = archived.iter().filter(|contact| contact["ContactStatus"] == "ARCHIVED");
    assert_eq!(archived.filter(|contact| contact["Name"].as_str().unwrap().starts_with("Many ")).count(), 30);
}
