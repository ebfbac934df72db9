//! Call limits (item 4).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::*;
use emulator::config::{Limits, OrganisationPlan, Tier};
use emulator::http::Response;
use emulator::{Config, Outcome};

fn limited(tier: Tier, organisations: usize, limits: Limits) -> Client {
    let plans = (0..organisations).map(|place| OrganisationPlan { tier, ..plan(&format!("Company {place}"), 5) });
    Client::connect(Config { organisations: plans.collect(), limits, ..config() })
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.header(name).unwrap_or("absent")
}

#[test]
fn item_4_every_answer_tells_what_remains() {
    let client = limited(Tier::Core, 1, Limits::default());
    let first = client.get("Organisation");
    assert_eq!(header(&first, "x-daylimit-remaining"), "4999");
    assert_eq!(header(&first, "X-MinLimit-Remaining"), "59");
    assert_eq!(header(&first, "X-AppMinLimit-Remaining"), "9999");
    assert!(uuid::Uuid::parse_str(header(&first, "Xero-Correlation-Id")).is_ok());
    let missing = client.get("Invoices/00000000-0000-0000-0000-000000000000");
    assert_eq!((missing.status, header(&missing, "X-DayLimit-Remaining")), (404, "4998"));
}

#[test]
fn item_4_the_sixty_first_call_of_a_minute_is_an_empty_429() {
    let client = limited(Tier::Core, 2, Limits::default());
    for call in 0..60 {
        assert_eq!(client.get("Currencies").status, 200, "call {call}");
    }
    let refused = client.get("Currencies");
    assert_eq!((refused.status, refused.body.len()), (429, 0));
    assert_eq!(header(&refused, "Content-Type"), "absent");
    assert_eq!(header(&refused, "X-Rate-Limit-Problem"), "minute");
    assert_eq!(header(&refused, "X-MinLimit-Remaining"), "0");
    assert_eq!(header(&refused, "X-DayLimit-Remaining"), "4940", "a refused call is not counted");
    let wait: i64 = header(&refused, "Retry-After").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");

    let other = client.emulator.tenants()[1].to_string();
    let mut request = client.request("GET", "Currencies");
    request.headers.iter_mut().filter(|(name, _)| name == "xero-tenant-id").for_each(|(_, id)| id.clone_from(&other));
    assert_eq!(client.emulator.handle(&request).status, 200, "the other organisation has its own minute");

    client.emulator.clock().advance(wait * 1000 - 1000);
    assert_eq!(client.get("Currencies").status, 429);
    client.emulator.clock().advance(1000);
    assert_eq!(client.get("Currencies").status, 200);
    assert_eq!(client.emulator.violations(client.tenant).unwrap().minute, 2);
}

#[test]
fn item_4_the_day_is_a_thousand_calls_on_starter() {
    let client = limited(Tier::Starter, 1, Limits { minute: 100_000, ..Limits::default() });
    for _ in 0..1000 {
        assert_eq!(client.get("Currencies").status, 200);
    }
    let refused = client.get("Currencies");
    assert_eq!(refused.status, 429);
    assert_eq!(header(&refused, "X-Rate-Limit-Problem"), "day");
    assert_eq!(header(&refused, "X-DayLimit-Remaining"), "0");
    let wait: i64 = header(&refused, "Retry-After").parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    client.emulator.set_tier(client.tenant, Tier::Core);
    assert_eq!(header(&client.get("Currencies"), "X-DayLimit-Remaining"), "3999");
}

#[test]
fn item_4_the_application_has_a_minute_of_its_own() {
    let client = limited(Tier::Core, 1, Limits { minute: 100, app_minute: 3, ..Limits::default() });
    for _ in 0..3 {
        assert_eq!(client.get("Currencies").status, 200);
    }
    let refused = client.get("Currencies");
    assert_eq!((refused.status, header(&refused, "X-Rate-Limit-Problem")), (429, "appminute"));
    assert_eq!(client.emulator.violations(client.tenant).unwrap().app_minute, 1);
}

#[test]
fn item_4_a_sixth_call_in_flight_is_refused() {
    let client = limited(Tier::Core, 1, Limits::default());
    let request = client.request("GET", "Currencies");
    let flights: Vec<_> = (0..6).map(|_| client.emulator.begin(&request)).collect();
    let status = |flight| match client.emulator.finish(flight, &request) {
        Outcome::Answered(response) => (response.status, header(&response, "X-Rate-Limit-Problem").to_owned()),
        Outcome::Lost => panic!("no fault was set"),
    };
    assert_eq!(status(&flights[4]), (200, "absent".into()));
    assert_eq!(status(&flights[5]), (429, "concurrent".into()));
    drop(flights);
    assert_eq!(client.get("Currencies").status, 200);
    assert_eq!(client.emulator.violations(client.tenant).unwrap().concurrent, 1);
}

#[test]
fn item_4_without_limits_nothing_is_refused() {
    let client = limited(Tier::Starter, 1, Limits { is_enforced: false, ..Limits::default() });
    for _ in 0..1100 {
        assert_eq!(client.get("Currencies").status, 200);
    }
    assert_eq!(header(&client.get("Currencies"), "X-DayLimit-Remaining"), "1000");
}
