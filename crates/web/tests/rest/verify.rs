//! Verifications by REST: started, watched, listed; and done by the clock.

use std::time::Duration;

use http::header::LOCATION;
use model::{ConnectionId, Invoice, Kind, OrgId};
use serde_json::{Value, json};
use store::Refs;
use sync::KeyScope;
use web::WebSettings;

use crate::world::{Plan, World};

const ONE: &str = "/api/v1/integrations/xero/verifications";

fn of(connection: &Value) -> String {
    format!("/api/v1/integrations/xero/connections/{}/verifications", connection["id"])
}

/// One cent more in a row, as the engine itself writes: nothing captures it.
async fn add_a_cent(world: &World, connection: &Value, invoice: &Value) {
    let number = |of: &Value, field: &str| of[field].as_i64().unwrap();
    let (id, org) = (number(invoice, "id"), OrgId(number(connection, "organisationId")));
    let mut refs = Refs::default();
    let customer = invoice["customerXeroId"].as_str().unwrap().parse().unwrap();
    refs.insert(Kind::Customer, customer, number(invoice, "customerId"));
    let mut tx = world.engine.store().begin().await.unwrap();
    let connection = ConnectionId(number(connection, "id"));
    let mut record = tx.book::<Invoice>(org, connection, Kind::Invoice, id).await.unwrap().unwrap().row.record;
    record.total = record.total + "0.01".parse().unwrap();
    tx.update_books(&[(id, &record)], &refs, world.engine.now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[testkit::on_both_databases]
async fn a_verification_names_the_cent_and_is_kept(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let connection = world.connections().await.remove(0);
    let all = of(&connection);
    let status = world.get("/api/v1/integrations/xero/status").await.ok();
    assert_eq!(status["connections"][0]["integrity"], Value::Null, "nothing was compared yet");

    let answer = world.post(&format!("{all}?wait=true"), Value::Null).await;
    assert_eq!(answer.status, 200);
    let found = answer.ok();
    assert_eq!(answer.header(LOCATION), format!("{ONE}/{}", found["id"]));
    assert_eq!(
        (&found["state"], &found["agrees"], &found["different"]),
        (&json!("COMPLETED"), &json!(true), &json!(0))
    );
    assert_eq!((&found["difference"], &found["scope"], &found["calls"]), (&json!("0.00"), &json!("WHOLE"), &json!(9)));
    assert!(found["triggeredBy"].as_str().unwrap().starts_with("api:key-"), "{found:#}");
    let invoices = found["kinds"].as_array().unwrap().iter().find(|kind| kind["kind"] == "invoice").unwrap();
    assert_eq!((&invoices["app"], &invoices["xero"], &invoices["same"]), (&json!(30), &json!(30), &json!(30)));
    assert_eq!(invoices["appHash"], invoices["xeroHash"]);
    assert!(found["money"].as_array().unwrap().iter().all(|group| group["app"] == group["xero"]), "{found:#}");

    let invoice = world.get("/api/v1/invoices?limit=1").await.ok()["items"][0].clone();
    add_a_cent(&world, &connection, &invoice).await;
    // Not waited for: it is begun, and watched.
    let begun = world.post(&format!("{all}?kind=invoice"), Value::Null).await;
    assert_eq!(begun.status, 202);
    let location = begun.header(LOCATION).to_owned();
    let mut ended = begun.ok();
    for _ in 0..600 {
        if ended["state"] != "RUNNING" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        ended = world.get(&location).await.ok();
    }
    assert_eq!((&ended["different"], &ended["difference"]), (&json!(1), &json!("0.01")), "{ended:#}");
    let one = &ended["differences"][0];
    assert_eq!((&one["localId"], &one["label"]), (&invoice["id"], &invoice["number"]));
    assert_eq!(
        (&one["field"], &one["reason"], &one["explained"]),
        (&json!("total"), &json!("XERO_OWNED"), &json!(false))
    );
    assert_eq!(one["xero"], invoice["total"], "{one:#}");
    let text = format!("invoice {} (local {}): total: App ", invoice["number"].as_str().unwrap(), invoice["id"]);
    assert!(one["text"].as_str().unwrap().starts_with(&text), "{one:#}");
    assert_eq!(ended["reasons"][0]["records"], 1);

    // One kind alone says nothing about the connection; everything does.
    let status = world.get("/api/v1/integrations/xero/status").await.ok();
    assert_eq!(status["connections"][0]["integrity"]["ok"], true, "{status:#}");
    let whole = world.post(&format!("{all}?wait=true"), Value::Null).await.ok();
    let status = world.get("/api/v1/integrations/xero/status").await.ok();
    let integrity = &status["connections"][0]["integrity"];
    assert_eq!((&integrity["ok"], &integrity["different"]), (&json!(false), &json!(1)), "{status:#}");
    assert_eq!((&integrity["verificationId"], &integrity["checkedAt"]), (&whole["id"], &whole["endedAt"]));

    let listed = world.all(&all, 2).await;
    let ids: Vec<_> = listed.iter().map(|one| one["id"].as_i64().unwrap()).collect();
    assert_eq!((ids.len(), ids[0]), (3, whole["id"].as_i64().unwrap()), "newest first");
    assert_eq!(listed[0]["differences"], json!([]), "the list shows no fields");
    assert_eq!(world.get(&format!("{all}?scope=SAMPLE")).await.ok()["items"], json!([]));
    world.get(&format!("{all}?scope=SOME")).await.is_problem(400, "TO-INVALID");
    world.post(&format!("{all}?kind=teapot"), Value::Null).await.is_problem(400, "TO-INVALID");
    world.get(&format!("{ONE}/999999")).await.is_problem(404, "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn another_organisations_verifications_do_not_exist(db_url: String) {
    let world = World::synced(&db_url, Plan { organisations: 2, ..Plan::default() }).await;
    let connections = world.connections().await;
    let (own, other) = (of(&connections[0]), of(&connections[1]));
    let made = world.post(&format!("{other}?wait=true&kind=account"), Value::Null).await.ok();
    let key = world.key(connections[0]["organisationId"].as_i64(), KeyScope::Sync).await;
    assert_eq!(world.call(&key, "GET", &own, Value::Null).await.ok()["items"], json!([]));
    world.call(&key, "GET", &other, Value::Null).await.is_problem(404, "TO-NOT-FOUND");
    world.call(&key, "POST", &other, Value::Null).await.is_problem(404, "TO-NOT-FOUND");
    world.call(&key, "GET", &format!("{ONE}/{}", made["id"]), Value::Null).await.is_problem(404, "TO-NOT-FOUND");
    let reader = world.key(connections[0]["organisationId"].as_i64(), KeyScope::Read).await;
    world.call(&reader, "POST", &own, Value::Null).await.is_problem(403, "TO-FORBIDDEN");
}

#[testkit::on_both_databases]
async fn samples_go_by_the_clock_until_the_program_ends(db_url: String) {
    let settings = WebSettings { verify_every: Duration::from_millis(20), ..WebSettings::default() };
    let world = World::synced(&db_url, Plan::default()).await.with(settings);
    let all = of(&world.connections().await[0]);
    world.web.keep_verifying();
    world.web.keep_verifying();
    let samples = async |wanted: usize| {
        for _ in 0..600 {
            let items = world.get(&all).await.ok()["items"].as_array().unwrap().clone();
            let done = items.iter().filter(|one| one["state"] == "COMPLETED").count();
            if done >= wanted {
                return items;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{wanted} samples were not made in time");
    };
    let first = samples(1).await;
    assert_eq!((&first[0]["scope"], &first[0]["triggeredBy"]), (&json!("SAMPLE"), &json!("sample")), "{first:#?}");
    assert_eq!((&first[0]["agrees"], &first[0]["records"]), (&json!(true), &json!(40)), "{first:#?}");
    world.clock.advance(61);
    let second = samples(2).await;
    assert_eq!(second.len(), 2, "one an hour, though the verifier was started twice: {second:#?}");
    world.web.shutdown().await;
    world.clock.advance(61);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.get(&all).await.ok()["items"].as_array().unwrap().len(), 2, "it has stopped");
}
