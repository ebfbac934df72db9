//! Starting syncs and watching them.

use std::time::Duration;

use http::header::LOCATION;
use serde_json::{Value, json};

use crate::world::{Plan, World};

const FULL: &str = "/api/v1/integrations/xero/sync/full";
const INCREMENTAL: &str = "/api/v1/integrations/xero/sync/incremental";
const HISTORY: &str = "/api/v1/integrations/xero/sync/history";

/// The run once it has ended.
async fn ended(world: &World, location: &str) -> Value {
    for _ in 0..600 {
        let run = world.get(location).await.ok();
        if run["state"] != "RUNNING" {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the run did not end within 30 seconds");
}

#[testkit::on_both_databases]
async fn a_sync_is_started_watched_and_counted(db_url: String) {
    let world = World::connected(&db_url, Plan::default()).await;
    let begun = world.post(FULL, Value::Null).await;
    assert_eq!(begun.status, 202);
    let id = begun.ok()["id"].as_i64().unwrap();
    assert_eq!(begun.header(LOCATION), format!("{HISTORY}/{id}"));
    let run = ended(&world, begun.header(LOCATION)).await;
    assert_eq!((&run["state"], &run["mode"], &run["direction"]), (&json!("COMPLETED"), &json!("FULL"), &json!("PULL")));
    assert!(run["triggeredBy"].as_str().unwrap().starts_with("api:key-"), "{run}");
    let number = |field: &str| run[field].as_i64().unwrap();
    assert!(number("processed") > 30 && number("failed") == 0, "{run}");
    assert_eq!(number("processed"), number("succeeded"));
    assert!(number("calls") >= 9 && number("bytesReceived") > 0 && number("durationMs") >= 0, "{run}");
    let invoices = run["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "invoice").unwrap();
    assert_eq!((&invoices["created"], &invoices["expected"]), (&json!(30), &json!(30)));

    let second = world.post(&format!("{INCREMENTAL}?wait=true"), json!({})).await;
    assert_eq!(second.status, 200);
    let second = second.ok();
    assert_eq!((&second["state"], &second["mode"]), (&json!("COMPLETED"), &json!("INCREMENTAL")));
    assert!(second["id"].as_i64().unwrap() > id);

    let runs = world.all(HISTORY, 1).await;
    let ids: Vec<&Value> = runs.iter().map(|run| &run["id"]).collect();
    assert_eq!(ids, [&second["id"], &json!(id)], "newest first");
    assert_eq!(runs[1]["kinds"], run["kinds"], "the list shows what the single run shows");

    let stats = world.get("/api/v1/integrations/xero/sync/stats").await.ok();
    assert_eq!(
        (&stats["totalRuns"], &stats["successRate"], &stats["errorRate"]),
        (&json!(2), &json!("100.00"), &json!("0.00"))
    );
    let invoices = stats["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "invoice").unwrap();
    assert_eq!(
        (&invoices["total"], &invoices["synced"], &invoices["pending"], &invoices["failed"]),
        (&json!(30), &json!(30), &json!(0), &json!(0))
    );
    assert!(invoices["readUntil"].is_string(), "{stats}");
    assert!(stats["lastSuccessAt"].is_string() && stats["averageDurationMs"].is_i64(), "{stats}");

    let agreement = world.get("/api/v1/integrations/xero/agreement").await.ok();
    assert_eq!((&agreement["difference"], &agreement["agrees"]), (&json!("0.00"), &json!(true)), "{agreement}");
    assert!(agreement["documents"].as_i64().unwrap() > 30);
}

#[testkit::on_both_databases]
async fn a_second_sync_of_the_same_books_is_refused_while_one_runs(db_url: String) {
    let world = World::connected(&db_url, Plan { latency_ms: 150, ..Plan::default() }).await;
    let begun = world.post(FULL, Value::Null).await;
    assert_eq!(begun.status, 202);
    let running = begun.ok();
    assert_eq!((&running["state"], &running["finishedAt"]), (&json!("RUNNING"), &Value::Null));
    for target in [FULL, INCREMENTAL, "/api/v1/integrations/xero/sync/full?wait=true"] {
        world.post(target, Value::Null).await.is_problem(409, "TO-BUSY");
    }
    // Counts come in while it runs.
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let run = world.get(begun.header(LOCATION)).await.ok();
        seen.insert(run["processed"].as_i64().unwrap());
        if run["state"] != "RUNNING" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(seen.len() >= 3, "no progress was seen: {seen:?}");
    assert_eq!(ended(&world, begun.header(LOCATION)).await["state"], "COMPLETED");
    assert_eq!(world.post(INCREMENTAL, Value::Null).await.status, 202);
}

#[testkit::on_both_databases]
async fn a_stopping_program_stops_its_syncs_where_the_next_goes_on(db_url: String) {
    let world = World::connected(&db_url, Plan { latency_ms: 100, ..Plan::default() }).await;
    let begun = world.post(FULL, Value::Null).await;
    let id = begun.ok()["id"].clone();
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::time::timeout(Duration::from_secs(5), world.web.shutdown()).await.unwrap();
    assert_eq!(world.get(begun.header(LOCATION)).await.ok()["state"], "RUNNING", "cut off, to be taken up");
    world.post(FULL, Value::Null).await.is_problem(503, "TO-STOPPING");

    // A new program on the same database takes the run up. The lease is given back in the background.
    let connection = model::ConnectionId(world.connections().await[0]["id"].as_i64().unwrap());
    for _ in 0..100 {
        match world.engine.sync(connection, store::Mode::Full, "test", &|_| ()).await {
            Ok(outcome) => {
                assert_eq!((json!(outcome.run), outcome.resumed), (id, true));
                return;
            }
            Err(sync::Error::Busy) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the lease was not given back");
}

#[testkit::on_both_databases]
async fn a_failed_sync_is_told_to_whoever_waits(db_url: String) {
    let world = World::connected(&db_url, Plan::default()).await;
    let tenant = world.emulator.tenants()[0];
    assert!(world.emulator.disconnect_tenant(tenant));
    let problem = world.post(&format!("{FULL}?wait=true"), Value::Null).await.is_problem(409, "TO-DISCONNECTED");
    let run = world.get(&format!("{HISTORY}/{}", problem["runId"])).await.ok();
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("FAILED"), &json!("TO-DISCONNECTED")));
    assert_eq!(world.connections().await[0]["state"], "DISCONNECTED");
    // Without waiting, what is known before the run begins is told at once.
    world.post(FULL, Value::Null).await.is_problem(409, "TO-NOT-CONNECTED");
}

#[testkit::on_both_databases]
async fn failures_are_listed_page_by_page(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let connection = model::ConnectionId(world.connections().await[0]["id"].as_i64().unwrap());
    let path = "/api/v1/integrations/xero/failures";
    assert_eq!(world.all(path, 2).await, Vec::<Value>::new());
    let mut tx = world.engine.store().begin().await.unwrap();
    let run = tx.runs(Some(connection), None, 1).await.unwrap().remove(0).id;
    for number in 0..5 {
        let kind = if number == 3 { model::Kind::Payment } else { model::Kind::Invoice };
        let failure = store::NewFailure {
            remote_key: format!("key {number}"),
            code: "TO-BAD-RECORD",
            message: format!("amount {number} has more than 4 decimals"),
            ..store::NewFailure::default()
        };
        tx.add_failure(connection, kind, run, &failure, world.engine.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let keys =
        |items: Vec<Value>| items.iter().map(|item| item["remoteKey"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(world.all(path, 2).await), ["key 4", "key 3", "key 2", "key 1", "key 0"]);
    assert_eq!(keys(world.all(&format!("{path}?kind=payment"), 2).await), ["key 3"]);
    assert_eq!(world.all(path, 500).await[0]["code"], "TO-BAD-RECORD");
    world.get(&format!("{path}?kind=quote")).await.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn what_a_sync_does_not_know_is_refused(db_url: String) {
    let world = World::connected(&db_url, Plan::default()).await;
    world.post(FULL, json!({"connection": 1})).await.is_problem(400, "TO-INVALID");
    world.post(FULL, json!({"connectionId": "1"})).await.is_problem(400, "TO-INVALID");
    world.post(&format!("{FULL}?wait=maybe"), Value::Null).await.is_problem(400, "TO-INVALID");
    world.post(&format!("{FULL}?force=true"), Value::Null).await.is_problem(400, "TO-INVALID");
    world.post(FULL, json!([])).await.is_problem(400, "TO-INVALID");
    world.post(FULL, json!({"connectionId": 99})).await.is_problem(404, "TO-NOT-FOUND");
    world.get(&format!("{HISTORY}/99")).await.is_problem(404, "TO-NOT-FOUND");
    assert_eq!(world.all(HISTORY, 10).await, Vec::<Value>::new(), "nothing was started");
}

#[testkit::on_both_databases]
async fn a_sync_goes_on_when_whoever_waits_runs_out_of_time(db_url: String) {
    let settings = web::WebSettings { long_timeout: Duration::from_millis(200), ..web::WebSettings::default() };
    let plan = Plan { latency_ms: 100, ..Plan::default() };
    let world = World::connected(&db_url, plan).await.with(settings);
    world.post(&format!("{FULL}?wait=true"), Value::Null).await.is_problem(503, "TO-TIMEOUT");
    let id = world.all(HISTORY, 1).await[0]["id"].clone();
    assert_eq!(ended(&world, &format!("{HISTORY}/{id}")).await["state"], "COMPLETED");
}
