//! Calls that go wrong on purpose: before the commit, after it, on the way back, much later, or only in the lists.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::*;
use emulator::http::{Request, Response};
use emulator::{Emulator, Outcome};
use serde_json::{Value, json};

/// A client whose organisation has one contact more, and that contact's id.
fn world() -> (Client, String) {
    let client = Client::connect(config());
    let made = client.send("PUT", "Contacts", r#"{"Name":"Fixed Point","ContactNumber":"FP-1"}"#);
    let id = rows(&made)[0]["ContactID"].as_str().unwrap().to_owned();
    (client, id)
}

fn rule(client: &Client, text: &str) -> u64 {
    client.emulator.add_fault(text.parse::<emulator::FaultRule>().unwrap())
}

fn named(client: &Client, name: &str) -> usize {
    client.rows(&format!("Contacts?where={}", encode(&format!("Name==\"{name}\"")))).len()
}

fn put(client: &Client, name: &str) -> Response {
    client.send("PUT", "Contacts", &json!({"Name": name}).to_string())
}

fn keyed(client: &Client, key: &str, name: &str) -> Request {
    client
        .request("PUT", "Contacts")
        .with_header("Content-Type", "application/json")
        .with_header("Idempotency-Key", key)
        .with_body(json!({"Name": name}).to_string())
}

#[test]
fn the_third_put_commits_and_its_answer_is_lost() {
    let (client, _) = world();
    rule(&client, "nth=3 PUT Contacts commit-then-lose");
    let outcomes: Vec<bool> = (1..=4)
        .map(|n| matches!(client.emulator.call(&keyed(&client, &format!("k{n}"), &format!("Row {n}"))), Outcome::Lost))
        .collect();
    assert_eq!(outcomes, [false, false, true, false]);
    assert_eq!(named(&client, "Row 3"), 1);
    let again = client.emulator.handle(&keyed(&client, "k3", "Row 3"));
    assert_eq!((again.status, named(&client, "Row 3")), (200, 1), "the key gives the answer that was lost");
    let log = client.emulator.log();
    let lost = log.iter().find(|call| call.status == 0).unwrap();
    assert_eq!(lost.fault.as_deref(), Some("commit-then-lose"));
    let replay = log.iter().find(|call| call.is_replay).unwrap();
    assert_eq!((&replay.body_hash, &replay.idempotency_key), (&lost.body_hash, &lost.idempotency_key));
    assert!(lost.body_hash.as_ref().is_some_and(|hash| hash.len() == 64));
}

#[test]
fn a_request_that_never_arrives_changes_nothing() {
    let (client, _) = world();
    rule(&client, "PUT Contacts lose-before-commit");
    assert_eq!(client.emulator.call(&keyed(&client, "k", "Never Sent")), Outcome::Lost);
    assert_eq!(named(&client, "Never Sent"), 0);
    assert_eq!(client.emulator.handle(&keyed(&client, "k", "Never Sent")).status, 200);
    assert_eq!(named(&client, "Never Sent"), 1);
}

#[test]
fn a_500_is_kept_under_the_key_and_a_503_is_not() {
    let (client, _) = world();
    rule(&client, "PUT Contacts commit-then-status=500");
    assert_eq!(client.emulator.handle(&keyed(&client, "a", "Made Once")).status, 500);
    assert_eq!(client.emulator.handle(&keyed(&client, "a", "Made Once")).status, 500, "the key replays the 500");
    assert_eq!(named(&client, "Made Once"), 1);
    rule(&client, "PUT Contacts refuse=500");
    assert_eq!(client.emulator.handle(&keyed(&client, "b", "Not Made")).status, 500);
    assert_eq!(client.emulator.handle(&keyed(&client, "b", "Not Made")).status, 500);
    assert_eq!(named(&client, "Not Made"), 0);
    rule(&client, "PUT Contacts offline=maintenance");
    let refused = client.emulator.handle(&keyed(&client, "c", "Made Later"));
    assert_eq!((refused.status, refused.text_body()), (503, "The Xero API is currently offline for maintenance"));
    assert_eq!(client.emulator.handle(&keyed(&client, "c", "Made Later")).status, 200);
    client.emulator.clock().advance(360_000);
    assert_eq!(
        client.emulator.handle(&keyed(&client, "b", "Not Made")).status,
        200,
        "after six minutes the key is new"
    );
}

#[test]
fn a_late_request_is_carried_out_after_the_client_gave_up() {
    let (client, _) = world();
    rule(&client, "PUT Contacts late=30s");
    assert_eq!(client.emulator.call(&keyed(&client, "k", "Straggler")), Outcome::Lost);
    client.emulator.clock().advance(29_999);
    assert_eq!(named(&client, "Straggler"), 0);
    client.emulator.clock().advance(1);
    assert_eq!(named(&client, "Straggler"), 1);
    let log = client.emulator.log();
    let delivered = log.iter().find(|call| call.fault.as_deref() == Some("delivered")).unwrap();
    assert_eq!((delivered.status, delivered.at), (200, NOW + 30_000));
    assert_eq!(log.iter().filter(|call| call.number == delivered.number).count(), 2, "one call, two entries");
}

#[test]
fn a_retry_before_the_late_arrival_makes_nothing_twice_while_the_key_lives() {
    let (client, _) = world();
    let invoices = |key: &str| {
        let contact = client.rows("Contacts")[0]["ContactID"].clone();
        let body = json!({"Type": "ACCREC", "Contact": {"ContactID": contact}, "Reference": "late-ref",
            "LineItems": [{"Description": "x", "Quantity": 1, "UnitAmount": 5, "AccountCode": "200"}]});
        client.request("PUT", "Invoices").with_header("Idempotency-Key", key).with_body(body.to_string())
    };
    let count = || client.rows(&format!("Invoices?where={}", encode("Reference==\"late-ref\""))).len();
    rule(&client, "PUT Invoices late=4m");
    assert_eq!(client.emulator.call(&invoices("k")), Outcome::Lost);
    assert_eq!(client.emulator.handle(&invoices("k")).status, 200);
    client.emulator.clock().advance(240_000);
    assert_eq!(count(), 1, "the late one met the key");
    rule(&client, "PUT Invoices late=10m");
    assert_eq!(client.emulator.call(&invoices("l")), Outcome::Lost);
    assert_eq!(client.emulator.handle(&invoices("l")).status, 200);
    client.emulator.clock().advance(600_000);
    assert_eq!(count(), 3, "the key had died: a duplicate");
}

#[test]
fn answers_are_damaged_on_their_way() {
    let (client, id) = world();
    let target = format!("Contacts/{id}");
    let whole = client.get(&target).body.len();
    for (action, status, kind, length) in [
        ("truncate", 200, "application/json; charset=utf-8", Some(whole / 2)),
        ("bad-json", 200, "application/json; charset=utf-8", None),
        ("html", 200, "text/html; charset=utf-8", None),
        ("wrong-type", 200, "text/plain; charset=utf-8", Some(whole)),
        ("empty-body", 200, "application/json; charset=utf-8", Some(0)),
        ("bad-gzip", 200, "application/json; charset=utf-8", Some(whole)),
    ] {
        rule(&client, &format!("GET Contacts {action}"));
        let answer = client.get(&target);
        assert_eq!((answer.status, answer.header("Content-Type")), (status, Some(kind)), "{action}");
        assert!(length.is_none_or(|length| length.abs_diff(answer.body.len()) < 8), "{action}: {}", answer.body.len());
        let is_json = serde_json::from_slice::<Value>(&answer.body).is_ok();
        assert_eq!(is_json, matches!(action, "wrong-type" | "bad-gzip"), "{action}");
        assert_eq!(answer.header("Content-Encoding").is_some(), action == "bad-gzip");
    }
    assert!(json(&client.get(&target)).is_object(), "each struck once");
}

#[test]
fn a_damaged_answer_to_a_write_leaves_the_write_done() {
    let (client, _) = world();
    rule(&client, "PUT Contacts truncate");
    assert!(serde_json::from_slice::<Value>(&put(&client, "Half Heard").body).is_err());
    assert_eq!(named(&client, "Half Heard"), 1);
}

#[test]
fn a_list_with_rows_is_answered_as_an_empty_one() {
    let (client, _) = world();
    rule(&client, "GET Invoices empty-list");
    let answer = json(&client.get("Invoices?page=1"));
    assert_eq!(answer["Invoices"], json!([]));
    assert_eq!(answer["pagination"]["itemCount"], 0);
    assert_eq!(client.rows("Invoices?page=1").len(), 60);
}

#[test]
fn lists_lag_behind_writes_and_reads_by_id_do_not() {
    let (client, id) = world();
    rule(&client, "every=1 GET Contacts stale=20s");
    client.emulator.clock().advance(60_000);
    put(&client, "Fresh Face");
    client.emulator.person(client.tenant).edit("Contacts", id.parse().unwrap(), &json!({"FirstName": "Ada"})).unwrap();
    let first_name = |target: &str| client.rows(target)[0]["FirstName"].as_str().unwrap_or_default().to_owned();
    assert_eq!((named(&client, "Fresh Face"), first_name(&format!("Contacts?IDs={id}"))), (0, String::new()));
    assert_eq!(first_name(&format!("Contacts/{id}")), "Ada");
    client.emulator.clock().advance(19_000);
    assert_eq!(named(&client, "Fresh Face"), 0);
    client.emulator.clock().advance(1_500);
    assert_eq!((named(&client, "Fresh Face"), first_name(&format!("Contacts?IDs={id}"))), (1, "Ada".to_owned()));
}

#[test]
fn a_write_without_a_bump_is_not_seen_since() {
    let (client, id) = world();
    client.emulator.clock().advance(60_000);
    rule(&client, "POST Contacts no-bump");
    let body = json!({"ContactID": id, "LastName": "Unseen"}).to_string();
    assert_eq!(client.send("POST", "Contacts", &body).status, 200);
    assert_eq!(client.rows(&format!("Contacts/{id}"))[0]["LastName"], "Unseen");
    assert!(rows(&client.get_since("Contacts", "2026-09-14T09:31:00")).is_empty());
    client.send("POST", "Contacts", &body);
    assert_eq!(rows(&client.get_since("Contacts", "2026-09-14T09:31:00")).len(), 1, "only the one write was quiet");
}

#[test]
fn elements_limits_and_slowness() {
    let (client, _) = world();
    rule(&client, "PUT Contacts refuse-elements=2");
    let body = json!({"Contacts": [{"Name": "E1"}, {"Name": "E2"}, {"Name": "E3"}]}).to_string();
    let answer = rows(&client.send("PUT", "Contacts?summarizeErrors=false", &body));
    let statuses: Vec<&Value> = answer.iter().map(|row| &row["StatusAttributeString"]).collect();
    assert_eq!(statuses, ["OK", "ERROR", "OK"]);
    assert_eq!((named(&client, "E1"), named(&client, "E2"), named(&client, "E3")), (1, 0, 1));
    rule(&client, "GET Contacts limit=day,3600");
    let refused = client.get("Contacts");
    assert_eq!((refused.status, refused.body.len()), (429, 0));
    assert_eq!((refused.header("Retry-After"), refused.header("X-Rate-Limit-Problem")), (Some("3600"), Some("day")));
    rule(&client, "GET Contacts slow=2s");
    let request = client.request("GET", "Contacts");
    let flight = client.emulator.begin(&request);
    let (outcome, delay_ms) = client.emulator.finish_timed(&flight, &request);
    assert!(matches!(outcome, Outcome::Answered(answer) if answer.status == 200));
    assert_eq!(delay_ms, 2_000);
}

#[test]
fn tokens_tenants_and_clocks_go_wrong_in_the_middle() {
    let (client, _) = world();
    rule(&client, "nth=2 GET Contacts disconnect");
    assert_eq!([client.get("Contacts").status, client.get("Contacts").status], [200, 403]);

    let client = Client::connect(config());
    rule(&client, "nth=2 GET Contacts revoke-tokens");
    assert_eq!([client.get("Contacts").status, client.get("Contacts").status], [200, 401]);
    assert_eq!(refresh(&client.emulator, &client.refresh).status, 400);

    let client = Client::connect(config());
    rule(&client, "GET Contacts skew=-10m");
    client.get("Contacts");
    assert_eq!(client.emulator.clock().now(), NOW - 600_000);
}

#[test]
fn rules_are_for_one_organisation_if_they_say_so() {
    let mut config = config();
    config.organisations.push(plan("Second", 5));
    let client = Client::connect(config);
    let other = Client {
        tenant: client.emulator.tenants()[1],
        access: client.access.clone(),
        ..Client::connect(common::config())
    };
    let other = Client { emulator: client.emulator.clone(), ..other };
    rule(&client, &format!("every=1 tenant={} GET Contacts refuse=503", other.tenant));
    assert_eq!([client.get("Contacts").status, other.get("Contacts").status], [200, 503]);
}

#[test]
fn rules_are_added_listed_and_removed_over_the_control_api() {
    let (client, _) = world();
    let control = |method: &str, path: &str, body: &str| {
        client.emulator.handle(&Request::new(method, &format!("/_emulator/faults{path}")).with_body(body.to_owned()))
    };
    let text = "# a script\nnth=2 PUT Contacts commit-then-lose\n\np=0.5 times=3 GET Contacts truncate\n";
    assert_eq!(json(&control("POST", "", text))["ids"], json!([1, 2]));
    let object = json!({"method": "POST", "path_contains": "Payments", "every": 2, "times": 4, "tenant": 0,
        "action": "late", "ms": 5000});
    assert_eq!(json(&control("POST", "", &object.to_string()))["ids"], json!([3]));
    assert_eq!(json(&control("POST", "", r#"[{"rule": "html"}, "nth=9 bad-json"]"#))["ids"], json!([4, 5]));
    control("DELETE", "/4", "");
    put(&client, "One");
    let listed = json(&control("GET", "", ""));
    let shown: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| (&row["rule"], &row["seen"], &row["fired"])).collect();
    let tenant = client.tenant;
    assert_eq!(shown[0], (&json!("nth=2 PUT Contacts commit-then-lose"), &json!(1), &json!(0)));
    assert_eq!(shown[2].0, &json!(format!("every=2 times=4 tenant={tenant} POST Payments late=5000ms")));
    assert_eq!(shown.len(), 4);
    for (method, path, body, status) in [
        ("POST", "", "nth=2 explode", 400),
        ("POST", "", "{}", 400),
        ("POST", "", r#"{"action":"html","nth":1,"every":2}"#, 400),
        ("POST", "", r#"{"action":"html","tenant":"nobody"}"#, 400),
        ("DELETE", "/99", "", 404),
        ("PUT", "", "", 404),
    ] {
        let answer = control(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}");
        assert!(json(&answer)["error"].is_string());
    }
    assert_eq!(json(&control("DELETE", "", ""))["not_fired"], 4);
    assert!(client.emulator.faults().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_late_request_arrives_without_another_call() {
    use emulator::Clock;
    let client = Client::connect(emulator::Config { clock: Clock::system(), ..config() });
    rule(&client, "PUT Contacts late=50ms");
    let emulator: Emulator = client.emulator.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = emulator.clone();
    let serving = tokio::spawn(async move { server.serve(listener).await });
    let body = json!({"Name": "Slow Boat"}).to_string();
    let text = format!(
        "PUT /api.xro/2.0/Contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nxero-tenant-id: {}\r\nAccept: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        client.access,
        client.tenant,
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
    // Nothing is asked of the emulator while it waits: the server itself has to deliver.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    drop(stream);
    let path = format!("tenants/{}/counters", client.tenant);
    let delivered =
        emulator.log().iter().find(|call| call.fault.as_deref() == Some("delivered")).map(|call| call.status);
    assert_eq!(delivered, Some(200));
    assert_eq!(emulator.control("GET", &path, &Value::Null).unwrap()["saved"], 1);
    serving.abort();
}
