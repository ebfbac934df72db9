//! Who may call what: keys, scopes, and organisations that never see each other.

use std::collections::BTreeMap;

use http::header::WWW_AUTHENTICATE;
use model::Kind;
use serde_json::{Value, json};
use store::Direction;
use sync::KeyScope;
use web::{RouteAccess, route_list};

use crate::world::{Plan, World};

/// The routes that need no key, by name: a new one is added here by somebody who has thought about it.
const PUBLIC: [&str; 7] = [
    "/api/v1/docs",
    "/api/v1/integrations/xero/callback",
    "/api/v1/openapi.json",
    "/connected",
    "/docs/errors",
    "/healthz",
    "/readyz",
];

#[test]
fn only_the_public_routes_are_public() {
    let list = route_list();
    assert!(list.len() >= 80, "{list:#?}");
    let public: Vec<&str> =
        list.iter().filter(|route| route.access == RouteAccess::Public).map(|route| route.path.as_str()).collect();
    assert_eq!(public, PUBLIC);
    for route in list {
        if route.method != "GET" {
            assert_ne!(
                route.access,
                RouteAccess::Key(KeyScope::Read),
                "{} {} changes something",
                route.method,
                route.path
            );
        }
    }
}

fn target(path: &str) -> String {
    path.replace("{id}", "1").replace("{runId}", "1")
}

#[testkit::on_both_databases]
async fn a_route_takes_keys_of_its_scope_and_no_others(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let keys = [
        (KeyScope::Read, world.key(None, KeyScope::Read).await),
        (KeyScope::Sync, world.key(None, KeyScope::Sync).await),
        (KeyScope::Write, world.key(None, KeyScope::Write).await),
        (KeyScope::Admin, world.key(None, KeyScope::Admin).await),
    ];
    for route in route_list() {
        let (method, path) = (route.method.as_str(), target(&route.path));
        let without = world.call("", method, &path, Value::Null).await;
        let (RouteAccess::Key(needed) | RouteAccess::KeyOrTicket(needed)) = route.access else {
            assert_ne!(without.status, 401, "{path}");
            continue;
        };
        without.is_problem(401, "TO-UNAUTHENTICATED");
        assert!(without.header(WWW_AUTHENTICATE).starts_with("Bearer"));
        let wrong = world.call(&format!("to_test_{}", "x".repeat(43)), method, &path, Value::Null).await;
        assert_eq!((wrong.status, &wrong.body), (without.status, &without.body), "the answer must tell nothing");
        for (scope, key) in &keys {
            let answer = world.call(key, method, &path, Value::Null).await;
            if *scope < needed {
                answer.is_problem(403, "TO-FORBIDDEN");
            } else {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path}: {}", answer.status);
            }
        }
    }
}

#[testkit::on_both_databases]
async fn a_key_is_made_once_shown_once_and_revoked_at_once(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let made = world.post("/api/v1/keys", json!({"name": "billing", "scope": "read"})).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_i64().unwrap());
    assert!(key.starts_with("to_test_"), "an emulated Xero has test keys");
    assert_eq!(world.call(key, "GET", "/api/v1/integrations/xero/connections", Value::Null).await.status, 200);

    let listed = world.get("/api/v1/keys").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(key), "a key is never shown again");
    let row = listed.ok()["items"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    assert_eq!((row["name"].as_str(), row["scope"].as_str()), (Some("billing"), Some("read")));

    let gone = world.call(&world.admin, "DELETE", &format!("/api/v1/keys/{id}"), Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    let refused = world.call(key, "GET", "/api/v1/integrations/xero/connections", Value::Null).await;
    refused.is_problem(401, "TO-UNAUTHENTICATED");
    let again = world.call(&world.admin, "DELETE", &format!("/api/v1/keys/{id}"), Value::Null).await;
    again.is_problem(404, "TO-NOT-FOUND");
}

#[testkit::on_both_databases]
async fn a_key_ends_when_it_was_said_to(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let soon = world.engine.now() + jiff::SignedDuration::from_mins(5);
    let made = world.post("/api/v1/keys", json!({"name": "a", "scope": "read", "expiresAt": soon})).await.ok();
    let key = made["key"].as_str().unwrap();
    let path = "/api/v1/integrations/xero/status";
    assert_eq!(world.call(key, "GET", path, Value::Null).await.status, 200);
    world.clock.advance(6);
    world.call(key, "GET", path, Value::Null).await.is_problem(401, "TO-UNAUTHENTICATED");
    let past = world.post("/api/v1/keys", json!({"name": "a", "scope": "read", "expiresAt": soon})).await;
    past.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn a_key_that_makes_no_sense_is_refused(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    for body in [
        json!({"name": "", "scope": "read"}),
        json!({"name": "a\nb", "scope": "read"}),
        json!({"name": "x".repeat(101), "scope": "read"}),
        json!({"name": "a", "scope": "root"}),
        json!({"name": "a"}),
        json!({"name": "a", "scope": "read", "isAdmin": true}),
    ] {
        world.post("/api/v1/keys", body).await.is_problem(400, "TO-INVALID");
    }
    let nobody = world.post("/api/v1/keys", json!({"name": "a", "scope": "read", "organisationId": 99})).await;
    nobody.is_problem(404, "TO-NOT-FOUND");
}

/// The first id of a list, read with a key for everything.
async fn first_id(world: &World, target: &str) -> String {
    let page = world.get(target).await.ok();
    page["items"][0]["id"].as_i64().unwrap_or_else(|| panic!("{target} lists nothing: {page}")).to_string()
}

/// A plan, a brake, a conflict and a failure of each connection, which a sync alone leaves none of: mine and theirs by list.
async fn seeded(world: &World, mine: i64, theirs: i64) -> BTreeMap<&'static str, (i64, i64)> {
    let (mine, theirs) = (seed(world, mine).await, seed(world, theirs).await);
    let lists = ["sync/plan", "brakes", "conflicts", "failures", "verifications"].into_iter();
    let lists = lists.map(|list| &*format!("/api/v1/integrations/xero/{list}").leak());
    lists.zip(mine.into_iter().zip(theirs)).collect()
}

async fn seed(world: &World, connection: i64) -> [i64; 5] {
    let plan = world.post("/api/v1/integrations/xero/sync/plan", json!({"connectionId": connection})).await.ok();
    let customer =
        world.get(&format!("/api/v1/customers?limit=1&connectionId={connection}")).await.ok()["items"][0].clone();
    let id = model::ConnectionId(connection);
    let now = world.engine.now();
    let mut tx = world.engine.store().begin().await.unwrap();
    let brake = tx.open_brake(id, Kind::Invoice, Direction::Push, store::BrakeWhat::Remove, 30, 40, now).await.unwrap();
    let conflict = store::NewConflict {
        kind: Kind::Customer,
        local_id: customer["id"].as_i64().unwrap(),
        xero_id: customer["xeroId"].as_str().unwrap().parse().unwrap(),
        what: "FIELD",
        field: "email".into(),
        base: None,
        app: Some("\"a@a.example\"".into()),
        xero: Some("\"b@b.example\"".into()),
        app_changed_at: None,
        xero_changed_at: None,
        policy: "ASK",
        state: store::ConflictState::Resolved,
        resolution: Some(store::Resolution::KeepApp),
        result: None,
        decided_by: Some("policy:ASK".into()),
        run: None,
    };
    let conflict = tx.add_conflicts(id, &[conflict], now).await.unwrap()[0];
    let failure = store::NewFailure {
        remote_key: "local:1".into(),
        code: "TO-REJECTED",
        message: "no".into(),
        direction: Direction::Push,
        ..store::NewFailure::default()
    };
    tx.add_failures(id, Kind::Customer, None, &[failure], now).await.unwrap();
    let verification = tx.begin_verification(id, store::VerifyScope::Whole, None, "test", now).await.unwrap();
    tx.fail_verification(verification, "TO-STOPPING", "no", 0, now).await.unwrap();
    tx.commit().await.unwrap();
    let failures = world.get(&format!("/api/v1/integrations/xero/failures?connectionId={connection}")).await.ok();
    [plan["id"].as_i64().unwrap(), brake, conflict, failures["items"][0]["id"].as_i64().unwrap(), verification]
}

#[testkit::on_both_databases]
async fn an_organisation_never_sees_another(db_url: String) {
    let world = World::synced(&db_url, Plan { organisations: 2, ..Plan::default() }).await;
    let connections = world.connections().await;
    assert_eq!(connections.len(), 2);
    let of = |place: usize, field: &str| connections[place][field].as_i64().unwrap();
    let (mine, theirs) = (of(0, "organisationId"), of(1, "organisationId"));
    let (my_connection, their_connection) = (of(0, "id"), of(1, "id"));
    let key = world.key(Some(mine), KeyScope::Admin).await;
    let their_key_id =
        world.engine.make_key("theirs", Some(model::OrgId(theirs)), KeyScope::Read, None).await.unwrap().id;

    let seeded = seeded(&world, my_connection, their_connection).await;

    // Every route with an id: theirs are as if they did not exist; mine are there, so that the test can fail.
    let mut tested = 0;
    for route in route_list().into_iter().filter(|route| route.path.contains('{')) {
        let (list, suffix) = route.path.split_once("/{").unwrap();
        let foreign = match list {
            "/api/v1/keys" => their_key_id.to_string(),
            "/api/v1/integrations/xero/connections" => their_connection.to_string(),
            list if seeded.contains_key(list) => seeded[list].1.to_string(),
            _ => first_id(&world, &format!("{list}?limit=1&connectionId={their_connection}")).await,
        };
        let tail = suffix.split_once('}').unwrap().1;
        let answer = world.call(&key, &route.method, &format!("{list}/{foreign}{tail}"), Value::Null).await;
        answer.is_problem(404, "TO-NOT-FOUND");
        if route.method == "GET" && !list.ends_with("connections") {
            let own = match seeded.get(list) {
                Some((own, _)) => own.to_string(),
                None => first_id(&world, &format!("{list}?limit=1&connectionId={my_connection}")).await,
            };
            world.call(&key, "GET", &format!("{list}/{own}{tail}"), Value::Null).await.ok();
        }
        tested += 1;
    }
    assert!(tested >= 38, "{tested}");
    // Nothing of theirs was touched by the calls that were refused.
    assert_eq!(world.connections().await[1]["state"], "CONNECTED");

    // Every list: without a connection it is mine, with theirs it is not found.
    for route in route_list().into_iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        let RouteAccess::Key(_) = route.access else { continue };
        let body = world.call(&key, "GET", &route.path, Value::Null).await;
        let text = String::from_utf8_lossy(&body.body).into_owned();
        assert!(body.status.is_success(), "{}: {text}", route.path);
        assert!(!text.contains("Organisation 2"), "{} shows the other organisation", route.path);
        assert!(!text.contains(&format!("\"connectionId\":{their_connection},")), "{}", route.path);
        let asked =
            world.call(&key, "GET", &format!("{}?connectionId={their_connection}", route.path), Value::Null).await;
        if asked.status != 200 {
            let code = asked.json()["code"].as_str().unwrap().to_owned();
            assert_eq!((asked.status.as_u16(), code.as_str()), (404, "TO-NOT-FOUND"), "{}", route.path);
        } else {
            assert_eq!(asked.body, body.body, "{} looked at the parameter", route.path);
        }
    }
    for path in ["sync/full", "sync/incremental", "refresh-token", "disconnect"] {
        let target = format!("/api/v1/integrations/xero/{path}");
        let answer = world.call(&key, "POST", &target, json!({"connectionId": their_connection})).await;
        answer.is_problem(404, "TO-NOT-FOUND");
    }

    let their = json!(their_connection);
    for (method, path, body) in [
        ("POST", "push", json!({"connectionId": their})),
        ("POST", "sync/plan", json!({"connectionId": their})),
        ("POST", "sync/entity", json!({"connectionId": their, "kind": "customer", "id": 1})),
        ("POST", "failures/retry", json!({"connectionId": their})),
        ("POST", "conflicts/resolve", json!({"connectionId": their, "resolution": "KEEP_APP"})),
        ("PUT", "mappings", json!({"connectionId": their, "policy": "APP"})),
        (
            "POST",
            "candidates/decide",
            json!({"connectionId": their, "kind": "customer", "xeroId": uuid::Uuid::nil(), "localId": 1, "isSame": true}),
        ),
    ] {
        let target = format!("/api/v1/integrations/xero/{path}");
        world.call(&key, method, &target, body).await.is_problem(404, "TO-NOT-FOUND");
    }
    let target = format!("/api/v1/integrations/xero/mappings?connectionId={their_connection}");
    world.call(&key, "DELETE", &target, Value::Null).await.is_problem(404, "TO-NOT-FOUND");

    // Keys: mine only, and none for others.
    let listed = world.call(&key, "GET", "/api/v1/keys", Value::Null).await.ok();
    assert!(listed["items"].as_array().unwrap().iter().all(|row| row["organisationId"] == mine));
    let wanted = json!({"name": "a", "scope": "admin", "organisationId": theirs});
    world.call(&key, "POST", "/api/v1/keys", wanted).await.is_problem(404, "TO-NOT-FOUND");
    let made = world.call(&key, "POST", "/api/v1/keys", json!({"name": "a", "scope": "admin"})).await.ok();
    let made = world.get("/api/v1/keys").await.ok()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == made["id"])
        .unwrap()
        .clone();
    assert_eq!(made["organisationId"], mine, "a bound key cannot make one that reaches more");

    // A new connection would be a new organisation.
    let begin = world.call(&key, "POST", "/api/v1/integrations/xero/connect", Value::Null).await;
    begin.is_problem(403, "TO-FORBIDDEN");

    // A key for everything has to say which one it means, where there are several.
    world.get("/api/v1/invoices").await.is_problem(400, "TO-WHICH-CONNECTION");
    let all = world.all("/api/v1/integrations/xero/sync/history", 1).await;
    assert_eq!(all.len(), 2, "the history of everything needs no connection");
}
