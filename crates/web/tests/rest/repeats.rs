//! Requests that come twice: one deed, and the same answer.

use serde_json::{Value, json};
use sync::KeyScope;

use crate::world::{Plan, World};

const CUSTOMERS: &str = "/api/v1/customers";

async fn count(world: &World) -> usize {
    world.all(CUSTOMERS, 500).await.len()
}

#[testkit::on_both_databases]
async fn the_same_request_does_it_once(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let before = count(&world).await;
    let body = json!({"name": "Once Ltd"});
    let key = [("idempotency-key", "9a7f-1")];
    let first = world.with_headers("POST", CUSTOMERS, &key, &body).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, ""));
    let again = world.with_headers("POST", CUSTOMERS, &key, &body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    for name in ["location", "etag", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(count(&world).await, before + 1);

    // Another body, path or method under the same key is another request.
    world.with_headers("POST", CUSTOMERS, &key, &json!({"name": "Twice Ltd"})).await.is_problem(422, "TO-KEY-REUSED");
    world.with_headers("POST", "/api/v1/payments", &key, &body).await.is_problem(400, "TO-INVALID");
    let target = format!("{CUSTOMERS}/{}", first.json()["id"]);
    let headers = [("idempotency-key", "9a7f-1"), ("if-match", "*")];
    world.with_headers("PATCH", &target, &headers, &body).await.is_problem(422, "TO-KEY-REUSED");
    // Another API key has keys of its own.
    let other = world.key(None, KeyScope::Write).await;
    let mine = http::Request::post(CUSTOMERS)
        .header("authorization", format!("Bearer {other}"))
        .header("idempotency-key", "9a7f-1")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(json!({"name": "Other Ltd"}).to_string()))
        .unwrap();
    assert_eq!(world.send(mine).await.status, 201);
    // After a week the key is forgotten.
    world.clock.advance(7 * 24 * 60 + 1);
    let late = world.with_headers("POST", CUSTOMERS, &key, &json!({"name": "Late Ltd"})).await;
    assert_eq!(late.status, 201);
}

#[testkit::on_both_databases]
async fn a_change_and_a_deletion_are_repeated_too(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let made = world.post(CUSTOMERS, json!({"name": "Change Ltd"})).await;
    let (target, tag) = (made.header("location").to_owned(), made.header("etag").to_owned());
    let headers = [("idempotency-key", "patch-1"), ("if-match", tag.as_str())];
    let body = json!({"email": "a@change.example"});
    let first = world.with_headers("PATCH", &target, &headers, &body).await;
    assert_eq!(first.status, 200);
    // Without the key it would be stale by now.
    let again = world.with_headers("PATCH", &target, &headers, &body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    world.with_headers("PATCH", &target, &[("if-match", &tag)], &body).await.is_problem(412, "TO-STALE");

    let headers = [("idempotency-key", "delete-1"), ("if-match", "*")];
    let first = world.with_headers("DELETE", &target, &headers, &Value::Null).await;
    assert_eq!(first.status, 204);
    let again = world.with_headers("DELETE", &target, &headers, &Value::Null).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (204, 0));
    world.with_headers("DELETE", &target, &[("if-match", "*")], &Value::Null).await.is_problem(404, "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn what_was_refused_may_be_corrected(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let key = [("idempotency-key", "again")];
    world.with_headers("POST", CUSTOMERS, &key, &json!({"email": "a@b.example"})).await.is_problem(422, "TO-BAD-FIELD");
    let corrected = json!({"name": "Right Ltd", "email": "a@b.example"});
    assert_eq!(world.with_headers("POST", CUSTOMERS, &key, &corrected).await.status, 201);
    for bad in ["", " ", "two words", &"x".repeat(256)] {
        world
            .with_headers("POST", CUSTOMERS, &[("idempotency-key", bad)], &corrected)
            .await
            .is_problem(400, "TO-INVALID");
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "b")];
    world.with_headers("POST", CUSTOMERS, &two, &corrected).await.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn at_the_same_time_one_does_it(db_url: String) {
    let world = World::synced(&db_url, Plan::default()).await;
    let before = count(&world).await;
    let body = json!({"name": "Race Ltd"});
    let key = [("idempotency-key", "race")];
    let ask = || world.with_headers("POST", CUSTOMERS, &key, &body);
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    let mut made = 0;
    for answer in [a, b, c, d] {
        match answer.status.as_u16() {
            201 => made += i32::from(answer.header("idempotency-replayed").is_empty()),
            _ => drop(answer.is_problem(409, "TO-IN-PROGRESS")),
        }
    }
    assert_eq!((made, count(&world).await), (1, before + 1));
    assert_eq!(ask().await.header("idempotency-replayed"), "true");
}
