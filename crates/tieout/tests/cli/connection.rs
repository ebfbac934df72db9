//! Connecting, syncing, comparing, disconnecting: a connection's life, on both databases.

use emulator::books::DocumentStatus;
use serde_json::Value;

use crate::harness::{Sandbox, free_port};

#[testkit::on_both_databases]
async fn an_organisation_is_connected_synced_compared_and_disconnected(db_url: String) {
    let mut sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["status"]).await.assert(0, &["not synced yet", "tieout sync full", "emulated Xero"]);
    let full = sandbox.run(&["sync", "full", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&full[0]["state"], &full[0]["failed"]), (&"COMPLETED".into(), &0.into()), "{full}");
    assert!(full[0]["created"].as_i64().unwrap() > 80, "{full}");
    let again = sandbox.run(&["sync", "incremental", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&again[0]["created"], &again[0]["updated"]), (&0.into(), &0.into()), "{again}");
    sandbox.run(&["status"]).await.assert(0, &["in sync"]);
    let agreed = sandbox.run(&["agree", "--json"]).await.assert(0, &[]).json();
    assert_eq!(agreed[0]["difference"], "0.00", "{agreed}");

    // Lists, in every form.
    let table = sandbox.run(&["runs"]).await.assert(0, &["RUN", "FULL", "INCREMENTAL", "COMPLETED"]);
    assert_eq!(table.out.lines().count(), 3, "{}", table.out);
    let csv = sandbox.run(&["runs", "-o", "csv"]).await;
    assert!(csv.out.starts_with("id,connection,mode,state,startedAt,"), "{}", csv.out);
    let lines = sandbox.run(&["runs", "-o", "ndjson", "--limit", "1"]).await.out;
    assert_eq!(serde_json::from_str::<Value>(&lines).unwrap()["id"], 2);
    let shown = sandbox.run(&["runs", "show", "1", "--json"]).await.json();
    assert_eq!(shown["kinds"].as_array().unwrap().len(), 9, "{shown}");
    sandbox.run(&["runs", "show", "99"]).await.assert(1, &["there is no run 99", "tieout runs"]);
    sandbox.run(&["failures"]).await.assert(0, &["every record came over"]);

    // Names of organisations, right and wrong.
    sandbox.run(&["sync", "incremental", "--org", "demo company (nz)"]).await.assert(0, &[]);
    sandbox.run(&["sync", "incremental", "--org", "nobody"]).await.assert(6, &["Demo Company (NZ) (connection 1)"]);
    sandbox.run(&["refresh-token"]).await.assert(0, &["the token was refreshed"]);

    // The end, and the same books again.
    sandbox.run(&["disconnect"]).await.assert(2, &["add --yes"]);
    sandbox.run(&["disconnect", "--yes"]).await.assert(0, &["its data is kept"]);
    assert!(sandbox.emulator().connections().iter().all(|one| !one.is_live));
    sandbox.run(&["status"]).await.assert(0, &["disconnected"]);
    sandbox.run(&["sync", "full", "--connection", "1"]).await.assert(6, &["disconnected", "tieout connect"]);
    sandbox.connect().await.assert(0, &[]);
    let back = sandbox.run(&["sync", "full", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&back[0]["created"], &back[0]["connection"]), (&0.into(), &1.into()), "{back}");
}

#[testkit::on_both_databases]
async fn a_difference_is_named_and_has_its_exit_code(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    let changed = sandbox.emulator().with_books(sandbox.tenant(), |books, now| {
        let draft = books.invoices.iter().find(|row| row.status == DocumentStatus::Draft).map(|row| row.id);
        books.invoices.change(draft.unwrap(), now, |row| row.status = DocumentStatus::Submitted)
    });
    assert!(changed.flatten().is_some());
    sandbox.run(&["agree"]).await.assert(8, &["differs  invoices", "SUBMITTED", "tieout sync full"]);
    sandbox.run(&["sync", "incremental"]).await.assert(0, &[]);
    sandbox.run(&["agree"]).await.assert(0, &["0.00"]);
}

#[testkit::on_both_databases]
async fn one_bad_record_is_listed_and_the_others_come_over(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    let rename = |name: &'static str| {
        sandbox.emulator().with_books(sandbox.tenant(), |books, now| {
            let first = books.contacts.id_order()[0];
            let id = books.contacts.at(first).id;
            books.contacts.change(id, now, |row| row.name = name.into()).unwrap();
        })
    };
    rename("");
    sandbox.run(&["sync", "full"]).await.assert(3, &["PARTIAL", "tieout failures"]);
    sandbox.run(&["failures"]).await.assert(0, &["customer", "the contact has no name"]);
    sandbox.run(&["status"]).await.assert(0, &["needs you", "could not be brought over"]);
    rename("Mended & Söhne \u{1f600}");
    sandbox.run(&["sync", "full"]).await.assert(0, &["COMPLETED"]);
    sandbox.run(&["failures"]).await.assert(0, &["every record came over"]);
}

#[testkit::on_both_databases]
async fn a_sync_that_is_stopped_goes_on_where_it_was(db_url: String) {
    let mut sandbox = Sandbox::with_slow_emulator(&db_url, 300).await;
    sandbox.connect().await.assert(0, &[]);
    let mut syncing = sandbox.start(&["sync", "full"]);
    syncing.until(|text| text.contains("tax rates")).await;
    syncing.signal("INT");
    syncing.ended().await.assert(130, &["what was done is kept", "tieout sync full"]);
    // Its lease was given back: the next one need not wait for its end.
    let done = sandbox.run(&["sync", "full", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&done[0]["resumed"], &done[0]["run"]), (&true.into(), &1.into()), "{done}");
    sandbox.run(&["agree"]).await.assert(0, &["0.00"]);
}

#[testkit::on_both_databases]
async fn api_keys_are_made_listed_and_revoked_beside_a_server(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    let address = format!("127.0.0.1:{}", free_port().await);
    let mut serving = sandbox.start(&["serve", "--bind", &address]);
    serving.until(|text| text.contains("API on")).await;
    let made =
        sandbox.run(&["keys", "create", "--name", "test", "--expires-in", "1d"]).await.assert(0, &["shown only now"]);
    let key = made.out.trim().to_owned();
    assert!(key.starts_with("to_test_"), "{key}");
    let client = reqwest::Client::new();
    let status = async || {
        let url = format!("http://{address}/api/v1/integrations/xero/status");
        client.get(url).bearer_auth(&key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 200);
    let listed = sandbox.run(&["keys", "ls", "--json"]).await.assert(0, &[]);
    assert!(!listed.out.contains(&key), "a key is shown once");
    assert_eq!((&listed.json()[0]["name"], &listed.json()[0]["state"]), (&"test".into(), &"in force".into()));
    sandbox.run(&["keys", "revoke", "1"]).await.assert(0, &["key 1 is revoked"]);
    assert_eq!(status().await, 401);
    sandbox.run(&["keys", "revoke", "1"]).await.assert(1, &["no key 1 in force", "tieout keys ls"]);
    sandbox.run(&["keys", "create", "--name", "x", "--org", "nobody"]).await.assert(2, &["no organisation \"nobody\""]);
    serving.signal("INT");
    serving.ended().await.assert(0, &["stopped"]);
}

#[tokio::test]
async fn the_emulator_is_served_alone_and_the_doctor_finds_it() {
    let mut sandbox = Sandbox::empty();
    let mut serving = sandbox.start(&["emulator", "--addr", "127.0.0.1:0", "--auto-consent", "--size", "20"]);
    let said = serving.until(|text| text.contains("Ctrl+C stops")).await;
    let address = said.split("TIEOUT_XERO_EMULATOR_URL=").nth(1).unwrap().split_whitespace().next().unwrap();
    sandbox.set("TIEOUT_XERO_EMULATOR_URL", address);
    sandbox.set("TIEOUT_ENCRYPTION_KEY", crate::harness::KEY);
    sandbox.set("TIEOUT_BIND", &format!("127.0.0.1:{}", free_port().await));
    let found = sandbox.run(&["doctor", "--json"]).await.assert(0, &[]).json();
    let of =
        |check: &str| found.as_array().unwrap().iter().find(|row| row["check"] == check).unwrap()["result"].clone();
    for check in ["settings", "encryption key", "xero app", "emulated xero", "clock", "port"] {
        assert_eq!(of(check), "ok", "{check} in {found}");
    }
    assert_eq!(of("database"), "warn", "it is made when something is connected: {found}");
    assert!(!sandbox.path().join("tieout.db").exists(), "the doctor makes nothing");
    serving.signal("TERM");
    serving.ended().await.assert(0, &[]);
    sandbox.run(&["doctor"]).await.assert(1, &["cannot be reached", "tieout emulator"]);
}

#[tokio::test]
async fn following_syncs_again_and_again_until_it_is_stopped() {
    let home = Sandbox::empty();
    let sandbox = Sandbox::connected(&format!("sqlite://{}", home.path().join("books.db").display())).await;
    let mut following = sandbox.start(&["sync", "full", "--follow", "--every", "1s"]);
    following.until(|text| text.matches("INCREMENTAL").count() >= 2).await;
    following.signal("INT");
    let ended = following.ended().await;
    assert!(matches!(ended.exit, 0 | 130), "{ended:?}");
    let mut watching = sandbox.start(&["status", "--watch", "--every", "1s"]);
    watching.until(|text| text.matches("in sync").count() >= 2).await;
    watching.signal("INT");
    watching.ended().await.assert(0, &[]);
}
