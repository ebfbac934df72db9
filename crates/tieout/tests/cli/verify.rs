//! `tieout verify`: on the demo's books, with one cent changed by hand.

use emulator::config::{AutoConsent, Limits, OrganisationPlan};
use emulator::{Config, Emulator, Size};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Sandbox, execute, free_port, text};

/// The demo's organisation, word for word as `tieout demo` seeds it.
async fn demo_books() -> (Emulator, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let size = Size {
        contacts: 120,
        invoices: 340,
        lines: None,
        payments: 210,
        credit_notes: 0,
        prepayments: 0,
        overpayments: 0,
        bank_transactions: 500,
    };
    let emulator = Emulator::new(Config {
        seed: 42,
        organisations: vec![OrganisationPlan { name: "Demo Company (NZ)".into(), size, ..OrganisationPlan::default() }],
        base_url: base_url.clone(),
        auto_consent: Some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: false, ..Limits::default() },
        ..Config::default()
    });
    let serving = emulator.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (emulator, base_url)
}

fn cent(url: &str) -> &'static str {
    if url.starts_with("sqlite") { "100" } else { "0.01" }
}

#[testkit::on_both_databases]
async fn one_cent_changed_by_hand_is_named(db_url: String) {
    let (_emulator, base_url) = demo_books().await;
    let mut sandbox = Sandbox::empty();
    sandbox.set("TIEOUT_DATABASE_URL", &db_url);
    sandbox.set("TIEOUT_ENCRYPTION_KEY", &"0a".repeat(32));
    sandbox.set("TIEOUT_XERO_EMULATOR_URL", &base_url);
    sandbox.connect().await.assert(0, &["Demo Company (NZ)"]);
    sandbox.run(&["verify", "ls"]).await.assert(0, &["nothing was verified yet: tieout verify"]);
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    let agreed = sandbox.run(&["verify"]).await;
    agreed.assert(
        0,
        &["Demo Company (NZ): both sides agree: 1,223 records, difference 0.00 NZD", "invoices", "emulated"],
    );

    // One cent, by hand, in a way that nothing captures.
    let find = "SELECT MIN(id) FROM invoices WHERE type = 'ACCREC' AND status = 'SENT'";
    let id = text(&db_url, find).await;
    let number = text(&db_url, &format!("SELECT number FROM invoices WHERE id = {id}")).await;
    let cents = cent(&db_url);
    execute(&db_url, &format!("UPDATE invoices SET total = total - {cents}, sync_rev = sync_rev + 1 WHERE id = {id}"))
        .await;
    let named = format!("invoice {number} (local {id}): total: App ");
    let verdict = "1 record differs of 1,223, difference 0.01 NZD";
    let said = sandbox.run(&["verify"]).await.assert(8, &[&named, verdict, "next:  tieout verify --mend"]);
    assert!(said.out.contains("the App changed what only Xero decides: invoice"), "{}", said.out);
    let found = sandbox.run(&["verify", "--json"]).await.assert(8, &["1 record differs"]).json();
    let one = &found[0]["differences"][0];
    assert_eq!((&found[0]["agrees"], &found[0]["different"]), (&json!(false), &json!(1)), "{found:#}");
    assert_eq!(
        (&one["label"], &one["field"], one["localId"].to_string()),
        (&json!(number), &json!("total"), id.clone())
    );
    assert_ne!(one["app"], one["xero"]);
    let csv = sandbox.run(&["verify", "-o", "csv", "--kind", "invoice"]).await.assert(8, &[&number, "XERO_OWNED"]);
    assert_eq!(csv.out.lines().count(), 2, "{}", csv.out);
    sandbox.run(&["verify", "--kind", "payment"]).await.assert(0, &["both sides agree: 210 records, difference 0.00"]);
    // What was found stays to be looked at, and the status says it.
    sandbox
        .run(&["status"])
        .await
        .assert(0, &["1 difference, checked", "1 record differs between the App and Xero", "tieout verify show"]);
    let ls = sandbox.run(&["verify", "ls", "--json"]).await.assert(0, &[]).json();
    let ids: Vec<&Value> = ls.as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!((ids.len(), &ls[0]["different"], &ls[0]["kind"]), (5, &json!(0), &json!("payment")), "{ls:#}");
    let shown = sandbox.run(&["verify", "show", &ids[2].to_string()]).await;
    shown.assert(0, &[&named, verdict]);
    sandbox.run(&["verify", "show", "999"]).await.assert(1, &["there is no verification 999", "tieout verify ls"]);

    // Reading it again mends it.
    let mended = "both sides agree: 1,222 records, 1 differs for a known reason, difference 0.00 NZD";
    let why = "it differed, and was brought together again: the App changed what only Xero decides: invoice";
    sandbox.run(&["verify", "--mend"]).await.assert(0, &[why, mended]);
    sandbox.run(&["verify"]).await.assert(0, &["both sides agree: 1,223 records, difference 0.00 NZD"]);
    sandbox.run(&["status"]).await.assert(0, &["OK, checked"]);

    // The same cent by plain SQL, in the price of a line, is captured: named too, as what is on its way.
    let line = format!(
        "UPDATE invoice_lines SET unit_amount = unit_amount + {cents} WHERE invoice_id = {id} AND position = 1"
    );
    execute(&db_url, &line).await;
    let named = format!("App changed it, not sent yet: invoice {number} (local {id}): lines[#1].unit_amount: App ");
    let verdict = "both sides agree: 1,222 records, 1 differs for a known reason, difference 0.00 NZD";
    sandbox.run(&["verify"]).await.assert(0, &[&named, verdict]);
}

#[tokio::test]
async fn the_demo_itself_names_the_cent_by_rest() {
    let sandbox = Sandbox::empty();
    let port = free_port().await.to_string();
    let mut demo = sandbox.start(&["demo", "--port", &port]);
    let said = demo.until(|text| text.contains("Ctrl+C stops")).await;
    let word_after = |mark: &str| said.split(mark).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let (key, api, database) = (word_after("key: "), word_after("API      "), word_after("database "));
    let verify = async || {
        let url = format!("{api}/integrations/xero/connections/1/verifications?wait=true");
        let answer = reqwest::Client::new().post(url).bearer_auth(&key).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()
    };
    let found = verify().await;
    assert_eq!((&found["agrees"], &found["difference"]), (&json!(true), &json!("0.00")), "{found:#}");
    let id = text(&database, "SELECT MIN(id) FROM invoices WHERE type = 'ACCREC' AND status = 'SENT'").await;
    let number = text(&database, &format!("SELECT number FROM invoices WHERE id = {id}")).await;
    execute(&database, &format!("UPDATE invoices SET total = total + 100, sync_rev = sync_rev + 1 WHERE id = {id}"))
        .await;
    let found = verify().await;
    let one = &found["differences"][0];
    assert_eq!((&found["different"], &found["difference"]), (&json!(1), &json!("0.01")), "{found:#}");
    assert_eq!((&one["label"], &one["field"]), (&json!(number), &json!("total")), "{one:#}");
    demo.signal("TERM");
    demo.ended().await.assert(0, &[]);
}
