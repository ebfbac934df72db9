//! Whatever is wrong with a request is told as a problem, and every answer carries the same headers.

use std::io::Read;

use axum::body::Body;
use http::Request;
use http::header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::world::{Plan, World};

#[testkit::on_both_databases]
async fn whatever_is_wrong_is_a_problem(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    world.get("/").await.is_problem(404, "TO-NOT-FOUND");
    world.get("/api/v1/quotes").await.is_problem(404, "TO-NOT-FOUND");
    world.get("/api/v1/invoices/").await.is_problem(404, "TO-NOT-FOUND");
    let wrong = world.call(&world.admin, "DELETE", "/api/v1/invoices", Value::Null).await;
    wrong.is_problem(405, "TO-METHOD");
    assert!(wrong.header(ALLOW).contains("GET"), "{:?}", wrong.headers);

    let post = |content_type: &'static str, body: Body| {
        Request::post("/api/v1/keys")
            .header(AUTHORIZATION, format!("Bearer {}", world.admin))
            .header(CONTENT_TYPE, content_type)
            .body(body)
            .unwrap()
    };
    world.send(post("text/plain", Body::from("{}"))).await.is_problem(415, "TO-MEDIA-TYPE");
    world.send(post("application/json", Body::from("{\"name\":"))).await.is_problem(400, "TO-INVALID");
    world.send(post("application/json", Body::from("[]"))).await.is_problem(400, "TO-INVALID");
    world.send(post("application/json", Body::empty())).await.is_problem(400, "TO-INVALID");
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    world.send(post("application/json", Body::from(large.clone()))).await.is_problem(413, "TO-TOO-LARGE");
    let sync = Request::post("/api/v1/integrations/xero/sync/full")
        .header(AUTHORIZATION, format!("Bearer {}", world.admin))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(large))
        .unwrap();
    world.send(sync).await.is_problem(413, "TO-TOO-LARGE");
    let typeless = Request::post("/api/v1/integrations/xero/sync/full")
        .header(AUTHORIZATION, format!("Bearer {}", world.admin))
        .body(Body::from("{}"))
        .unwrap();
    world.send(typeless).await.is_problem(415, "TO-MEDIA-TYPE");
}

#[testkit::on_both_databases]
async fn every_answer_carries_the_same_headers(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let mut ids = std::collections::BTreeSet::new();
    let mut answers = 0;
    for target in [
        "/healthz",
        "/readyz",
        "/nowhere",
        "/api/v1/docs",
        "/api/v1/openapi.json",
        "/docs/errors",
        "/connected",
        "/api/v1/integrations/xero/status",
        "/api/v1/integrations/xero/callback",
        "/api/v1/invoices",
    ] {
        let answer = world.get(target).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-tieout-xero", "emulator"),
        ] {
            assert_eq!(answer.header(name), value, "{target}");
        }
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{target}: {policy}"
        );
        assert!(ids.insert(answer.header("x-request-id").to_owned()), "{target}: the id is not unique");
        answers += 1;
    }
    assert_eq!(ids.len(), answers);
}

#[testkit::on_both_databases]
async fn answers_are_compressed_when_asked_for(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let plain = world.get("/api/v1/openapi.json").await;
    assert_eq!(plain.header(CONTENT_ENCODING), "");
    let request = Request::get("/api/v1/openapi.json").header(ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    let packed = world.send(request).await;
    assert_eq!(packed.header(CONTENT_ENCODING), "gzip");
    assert!(packed.body.len() * 3 < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[testkit::on_both_databases]
async fn health_needs_no_key_and_tells_nothing(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    for target in ["/healthz", "/readyz"] {
        let answer = world.call("", "GET", target, Value::Null).await;
        assert_eq!(answer.ok(), json!({"status": "ok"}));
    }
}

#[testkit::on_both_databases]
async fn pages_hold_nothing_from_elsewhere(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    for target in ["/api/v1/docs", "/docs/errors", "/connected"] {
        let text = String::from_utf8(world.call("", "GET", target, Value::Null).await.body).unwrap();
        assert!(text.starts_with("<!doctype html>"), "{target}");
        for word in ["<script", "<link", "<img", "<iframe", "src=", "http://", "https://", "<style"] {
            assert!(!text.contains(word), "{target} holds {word}");
        }
    }
    let errors = String::from_utf8(world.call("", "GET", "/docs/errors", Value::Null).await.body).unwrap();
    assert!(errors.contains("<h2 id=\"TO-BUSY\">"), "the type of a problem points there");
}
