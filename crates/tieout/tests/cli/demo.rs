//! `tieout demo`, from nothing to books that agree, on both databases.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Sandbox, free_port};

fn assert_report(report: &Value) {
    assert_eq!(report["emulated"], true);
    assert_eq!((&report["records"], &report["recordsEqual"]), (&1170.into(), &1170.into()), "{report}");
    assert_eq!((&report["failed"], &report["difference"]), (&0.into(), &"0.00".into()), "{report}");
    let seeded = serde_json::json!({"contacts": 120, "invoices": 340, "payments": 210, "bankTransactions": 500});
    assert_eq!(report["seeded"], seeded);
    assert_eq!(report["documentsCompared"], 1050);
    assert!(report["elapsedMs"].as_i64().unwrap() < 10_000, "{report}");
    assert!(report["calls"].as_i64().unwrap() <= 11, "{report}");
    for way in ["toXero", "toApp"] {
        assert!(report["edits"][way]["arrivedMs"].as_i64().unwrap() < 5_000, "{report}");
    }
    assert_eq!(report["echoWrites"], 0, "{report}");
}

#[testkit::on_both_databases]
async fn the_demo_ends_with_both_sides_equal(db_url: String) {
    let sandbox = Sandbox::empty();
    let demo = ["demo", "--once", "--json", "--database-url", &db_url];
    assert_report(&sandbox.run(&demo).await.assert(0, &[]).json());
    // Again on what is there: nothing is doubled, and the new key replaces the one that was forgotten.
    assert_report(&sandbox.run(&demo).await.assert(0, &[]).json());
    // What it left can be looked at, and says what it is.
    let status =
        sandbox.run(&["status", "--json", "--database-url", &db_url]).await.assert(0, &["emulated Xero"]).json();
    assert_eq!((&status[0]["emulated"], &status[0]["state"]), (&true.into(), &"CONNECTED".into()), "{status}");
    assert_eq!(status[0]["lastRunState"], "COMPLETED");
    let runs = sandbox.run(&["runs", "-o", "json", "--database-url", &db_url]).await.assert(0, &[]).json();
    // Each time everything, the edit of the App, that of Xero, and everything once more.
    let first = runs.as_array().unwrap().last().unwrap();
    assert_eq!((&first["mode"], &first["created"]), (&"FULL".into(), &1223.into()), "{runs}");
    let sent: i64 = runs.as_array().unwrap().iter().filter_map(|run| run["sent"].as_i64()).sum();
    assert_eq!(sent, 2, "{runs}");
}

#[tokio::test]
async fn the_demo_needs_nothing_and_leaves_nothing() {
    let sandbox = Sandbox::empty();
    // Wrong settings of somebody's own do not touch it.
    sandbox.write("tieout.toml", "nonsense = 1\n");
    let before = files(sandbox.path());
    assert_report(&sandbox.run(&["demo", "--once", "--json"]).await.assert(0, &[]).json());
    assert_eq!(files(sandbox.path()), before + 2, "only what the test itself writes of the output");
}

fn files(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

#[tokio::test]
async fn the_demo_serves_until_it_is_stopped() {
    let sandbox = Sandbox::empty();
    let port = free_port().await.to_string();
    let mut demo = sandbox.start(&["demo", "--port", &port]);
    let said = demo.until(|text| text.contains("Ctrl+C stops")).await;
    for words in
        ["emulated Xero: nothing leaves this computer", "1,170 records", "1,170 equal", "difference 0.00 NZD", "by SQL"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
    // The lines that it tells people to try work as they stand.
    let word_after = |mark: &str| said.split(mark).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let (key, api) = (word_after("key: "), word_after("API      "));
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{api}{path}")).bearer_auth(&key).send();
    for path in ["/integrations/xero/status", "/invoices?limit=3"] {
        assert_eq!(get(path).await.unwrap().status(), 200, "{path}");
    }
    let sync = client.post(format!("{api}/integrations/xero/sync/incremental?wait=true")).bearer_auth(&key).send();
    assert_eq!(sync.await.unwrap().status(), 200);
    assert_eq!(client.get(format!("{api}/invoices")).send().await.unwrap().status(), 401, "without a key");
    assert_eq!(client.get(format!("{api}/openapi.json")).send().await.unwrap().status(), 200);

    let folder =
        Path::new(said.split("sqlite://").nth(1).unwrap().split_whitespace().next().unwrap()).parent().unwrap();
    assert!(folder.exists());
    // A second one on the same port says so before it makes anything.
    sandbox.run(&["demo", "--port", &port]).await.assert(1, &["is in use", "tieout demo --port 0"]);
    demo.signal("TERM");
    demo.ended().await.assert(0, &[]);
    assert!(!folder.exists(), "{}", folder.display());
}

#[tokio::test]
async fn xeros_own_limits_are_enough_for_the_demo() {
    let sandbox = Sandbox::empty();
    let report = sandbox.run(&["demo", "--once", "--json", "--real-limits"]).await.assert(0, &[]).json();
    assert_report(&report);
}
