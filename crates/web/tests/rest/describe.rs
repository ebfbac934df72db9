//! The API's description lists exactly what is served, and everything in it resolves.

use std::collections::BTreeSet;

use serde_json::Value;
use web::{RouteAccess, route_list};

use crate::world::{Plan, World};

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[testkit::on_both_databases]
async fn the_description_lists_exactly_the_routes(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let document = world.call("", "GET", "/api/v1/openapi.json", Value::Null).await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = BTreeSet::new();
    let mut operation_ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((path.clone(), method.to_uppercase()));
            let name = format!("{method} {path}");
            assert!(
                operation_ids.insert(operation["operationId"].as_str().unwrap()),
                "{name}: the operation id is used twice"
            );
            assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{name} has no summary");
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{name}");
            for parameter in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                let parameters = operation["parameters"].as_array().unwrap();
                let is_described = |found: &Value| found["name"] == parameter && found["in"] == "path";
                assert!(parameters.iter().any(is_described), "{name}: {parameter}");
            }
        }
    }
    let routes = route_list();
    let served: BTreeSet<_> = routes.iter().map(|route| (route.path.clone(), route.method.clone())).collect();
    assert_eq!(described, served);
    for route in routes {
        let operation = &document["paths"][&route.path][route.method.to_lowercase()];
        let schemes = operation["security"].as_array().map_or(0, Vec::len);
        let expected = if route.access == RouteAccess::Public { 0 } else { 2 };
        assert_eq!(schemes, expected, "{} {}", route.method, route.path);
    }

    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} does not exist");
    }
    for scheme in ["bearer", "apiKey"] {
        assert!(document["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
    }
    let amount = &document["components"]["schemas"]["DecimalText"];
    assert_eq!((&amount["type"], &amount["format"]), (&Value::from("string"), &Value::from("decimal")));
}

#[testkit::on_both_databases]
async fn every_described_route_answers(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    for route in route_list() {
        let target = route.path.replace("{id}", "1").replace("{runId}", "1");
        let answer = world.call(&world.admin, &route.method, &target, Value::Null).await;
        // A path that is not served would say that there is no such path.
        assert!(!String::from_utf8_lossy(&answer.body).contains("no such path;"), "{} {target}", route.method);
        assert_ne!(answer.status, 405, "{} {target}", route.method);
        assert!(answer.status.as_u16() < 500, "{} {target}: {}", route.method, answer.status);
    }
}
