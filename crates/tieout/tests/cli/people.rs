//! What waits for a person, decided from the command line: conflicts, failures, candidates, brakes.

use serde_json::{Value, json};

use crate::harness::{Sandbox, execute, text};
use crate::two_way::Customers;

/// Both sides change an e-mail address, and a sync finds it.
async fn disagree(sandbox: &Sandbox, customers: &Customers, db_url: &str, at: usize, round: &str) {
    customers.email(db_url, at, &format!("app{round}@app.test")).await;
    customers.edit_in_xero(sandbox, at, &json!({"EmailAddress": format!("xero{round}@xero.test")}));
    sandbox.run(&["sync"]).await.assert(4, &["conflicts wait for a person", "tieout conflicts"]);
}

async fn pending(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(&["conflicts", "--json"]).await.assert(0, &[]).json().as_array().unwrap().clone()
}

async fn with_asking(db_url: &str) -> (Sandbox, Customers) {
    let sandbox = Sandbox::connected(db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    let customers = Customers::of(&sandbox, db_url).await;
    let rule = ["conflicts", "policy", "set", "ask", "--kind", "customer", "--field", "email"];
    sandbox.run(&rule).await.assert(0, &["email of customers: nobody wins, a person is asked"]);
    (sandbox, customers)
}

#[testkit::on_both_databases]
async fn a_conflict_is_shown_decided_either_way_and_taken_back(db_url: String) {
    let (sandbox, customers) = with_asking(&db_url).await;
    sandbox.run(&["conflicts"]).await.assert(0, &["nothing waits for a decision"]);
    disagree(&sandbox, &customers, &db_url, 0, "1").await;
    sandbox.run(&["status"]).await.assert(0, &["needs you", "1 conflict waits for a decision.   tieout conflicts"]);
    sandbox.run(&["conflicts"]).await.assert(0, &["app1@app.test", "xero1@xero.test", "tieout conflicts show 1"]);
    let shown = sandbox.run(&["conflicts", "show", "1", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&shown["app"], &shown["xero"]), (&"app1@app.test".into(), &"xero1@xero.test".into()), "{shown}");
    assert_eq!(shown["preview"]["keepApp"]["toXero"], "app1@app.test");
    sandbox.run(&["conflicts", "show", "1"]).await.assert(0, &["writes app1@app.test to Xero", "--seen"]);
    let row = customers.rows[0].to_string();
    sandbox.run(&["records", "explain", "customer", &row]).await.assert(0, &["needs you", "tieout conflicts show 1"]);

    let decided = sandbox.run(&["conflicts", "resolve", "1", "--app", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&decided["resolution"], &decided["sent"]), (&"KEEP_APP".into(), &true.into()), "{decided}");
    assert_eq!((&decided["decidedBy"], &decided["state"]), (&"cli".into(), &"RESOLVED".into()));
    assert_eq!(customers.email_in_xero(&sandbox, 0), "app1@app.test");
    assert!(pending(&sandbox).await.is_empty());
    sandbox.run(&["conflicts", "resolve", "1", "--xero"]).await.assert(4, &["TO-STALE", "tieout conflicts show 1"]);

    disagree(&sandbox, &customers, &db_url, 0, "2").await;
    sandbox.run(&["conflicts", "resolve", "2", "--xero"]).await.assert(0, &["KEEP_XERO", "written to the App"]);
    assert_eq!(customers.email_in_app(&db_url, 0).await, "xero2@xero.test");
    sandbox.run(&["conflicts", "undo", "2"]).await.assert(0, &["taken back", "sent to Xero"]);
    assert_eq!(customers.email_in_xero(&sandbox, 0), "app2@app.test");
    sandbox.run(&["conflicts", "undo", "2"]).await.assert_exit(2, &["tieout conflicts show 2"]);
    let all = sandbox.run(&["conflicts", "ls", "--decided", "--json"]).await.assert(0, &[]).json();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    sandbox.run(&["conflicts", "show", "77"]).await.assert(1, &["there is no conflict 77", "tieout conflicts"]);
}

#[testkit::on_both_databases]
async fn a_stale_decision_is_refused_with_the_fresh_state(db_url: String) {
    let (sandbox, customers) = with_asking(&db_url).await;
    disagree(&sandbox, &customers, &db_url, 0, "1").await;
    let seen = pending(&sandbox).await[0]["version"].as_str().unwrap().to_owned();
    customers.email(&db_url, 0, "newer@app.test").await;
    let stale = sandbox.run(&["conflicts", "resolve", "1", "--xero", "--seen", &seen, "--json"]).await;
    let stale = stale.assert(4, &["TO-STALE", "has changed since it was shown", "tieout conflicts show 1"]);
    let fresh = stale.json();
    assert_eq!(fresh["app"], "newer@app.test", "{fresh}");
    assert_eq!(customers.email_in_app(&db_url, 0).await, "newer@app.test", "nothing was written");
    let version = fresh["version"].as_str().unwrap();
    sandbox.run(&["conflicts", "resolve", "1", "--xero", "--seen", version]).await.assert(0, &["KEEP_XERO"]);
    assert_eq!(customers.email_in_app(&db_url, 0).await, "xero1@xero.test");
}

#[testkit::on_both_databases]
async fn conflicts_are_decided_by_value_by_record_and_in_bulk(db_url: String) {
    let (sandbox, customers) = with_asking(&db_url).await;
    for at in 0..4 {
        disagree(&sandbox, &customers, &db_url, at, "1").await;
    }
    let found = pending(&sandbox).await;
    assert_eq!(found.len(), 4);
    let id_of = |at: usize| {
        let row = customers.rows[at];
        found.iter().find(|one| one["localId"] == row).unwrap()["id"].to_string()
    };
    sandbox.run(&["conflicts", "resolve", &id_of(0), "--set", "name=x"]).await.assert(2, &["is about email, not name"]);
    sandbox.run(&["conflicts", "resolve", &id_of(0), "--set", "email"]).await.assert(2, &["write field=value"]);
    sandbox
        .run(&["conflicts", "resolve", &id_of(0), "--set", "email=third@both.test"])
        .await
        .assert(0, &["MANUAL_MERGE"]);
    assert_eq!(customers.email_in_xero(&sandbox, 0), "third@both.test");
    assert_eq!(customers.email_in_app(&db_url, 0).await, "third@both.test");

    let row = customers.rows[1].to_string();
    let record = ["conflicts", "resolve", "--kind", "customer", "--record", &row, "--xero"];
    sandbox.run(&record).await.assert(0, &["KEEP_XERO"]);
    assert_eq!(customers.email_in_app(&db_url, 1).await, "xero1@xero.test");
    sandbox.run(&record).await.assert(1, &["has no conflict that waits", "tieout records explain customer"]);

    sandbox.run(&["conflicts", "resolve", "--all", "--app"]).await.assert(2, &["2 conflicts", "add --yes"]);
    let bulk = sandbox.run(&["conflicts", "resolve", "--all", "--app", "--yes", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&bulk["decided"], &bulk["moved"]), (&2.into(), &0.into()), "{bulk}");
    for at in [2, 3] {
        assert_eq!(customers.email_in_xero(&sandbox, at), "app1@app.test");
    }
    assert!(pending(&sandbox).await.is_empty());

    let rules = sandbox.run(&["conflicts", "policy", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&rules[0]["policy"], &rules[0]["field"]), (&"ASK".into(), &"email".into()), "{rules}");
    sandbox.run(&["conflicts", "policy", "set", "app", "--field", "nonsense"]).await.assert(2, &["there is no field"]);
    sandbox.run(&["conflicts", "policy", "clear", "--kind", "customer", "--field", "email"]).await.assert(0, &[]);
    sandbox.run(&["conflicts", "policy"]).await.assert(0, &["the later write wins everywhere"]);
}

#[testkit::on_both_databases]
async fn failures_are_grouped_retried_and_set_aside(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    let customers = Customers::of(&sandbox, &db_url).await;
    let name = text(&db_url, &format!("SELECT name FROM customers WHERE id = {}", customers.rows[0])).await;
    let (own, taken) = (customers.rows[1], customers.rows[2]);
    let names = async |row: i64| text(&db_url, &format!("SELECT name FROM customers WHERE id = {row}")).await;
    let (own_name, other_name) = (names(own).await, names(taken).await);
    let rename = async |row: i64, name: &str| {
        let name = name.replace('\'', "''");
        execute(&db_url, &format!("UPDATE customers SET name = '{name}' WHERE id = {row}")).await;
    };
    rename(own, &name).await;
    rename(taken, &name).await;
    sandbox.run(&["sync", "--json"]).await.assert(3, &["tieout failures"]);
    let listed = sandbox.run(&["failures", "--json"]).await.assert(0, &[]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!((&listed[0]["direction"], &listed[0]["code"]), (&"PUSH".into(), &"TO-NAME-TAKEN".into()), "{listed}");
    let groups = sandbox.run(&["fail", "groups", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&groups[0]["count"], &groups[0]["code"]), (&2.into(), &"TO-NAME-TAKEN".into()), "{groups}");
    assert!(groups[0]["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{groups}");
    sandbox.run(&["failures", "groups"]).await.assert(0, &["WHAT TO DO", "TO-NAME-TAKEN"]);
    let id_of =
        |row: i64| listed.as_array().unwrap().iter().find(|one| one["localId"] == row).unwrap()["id"].to_string();
    let (id, other) = (id_of(own), id_of(taken));
    sandbox.run(&["failures", "show", &id]).await.assert(0, &["TO-NAME-TAKEN", "what to do", "tieout records explain"]);

    // Nothing has changed: it is refused again, and says so.
    sandbox.run(&["failures", "retry", &id]).await.assert(3, &["still listed", "tieout failures show"]);
    sandbox.run(&["failures", "ignore", &other, "--reason", " "]).await.assert(2, &["say why"]);
    sandbox.run(&["failures", "ignore", &other]).await.assert_exit(2, &["--reason"]);
    sandbox.run(&["failures", "ignore", &other, "--reason", "known"]).await.assert(0, &["is set aside: known"]);
    let left = sandbox.run(&["failures", "ls", "--json"]).await.assert(0, &[]).json();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left[0]["attempts"].as_i64().unwrap(), 2, "{left}");
    sandbox.run(&["failures", "ignore", &other, "--reason", "again"]).await.assert(1, &["there is no open failure"]);

    // Mended by hand, and tried again by its cause.
    rename(own, &own_name).await;
    let none = sandbox.run(&["failures", "retry", "--code", "TO-LOCKED-PERIOD", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&none["retried"], &none["left"]), (&0.into(), &0.into()), "{none}");
    let tried = sandbox.run(&["failures", "retry", "--code", "TO-NAME-TAKEN", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&tried["retried"], &tried["left"]), (&1.into(), &0.into()), "{tried}");
    rename(taken, &other_name).await;
    sandbox.run(&["sync"]).await.assert(0, &["COMPLETED"]);
    let unknown = ["failures", "link", &id, "8b9e2f6a-26c4-4b4d-9b13-3f0a2f3f3c11"];
    sandbox.run(&unknown).await.assert(1, &["there is no open failure", "tieout failures show"]);
    sandbox.run(&["failures", "retry"]).await.assert_exit(2, &["--help"]);
}

#[testkit::on_both_databases]
async fn pairs_that_may_be_the_same_are_linked_or_kept_apart(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    let contacts = sandbox.emulator().person(sandbox.tenant()).list("Contacts").unwrap();
    let has_email = |contact: &&Value| {
        contact["ContactStatus"] == "ACTIVE" && contact["EmailAddress"].as_str().is_some_and(|email| !email.is_empty())
    };
    let two: Vec<&Value> = contacts.iter().filter(has_email).take(2).collect();
    for (number, contact) in two.iter().enumerate() {
        let email = contact["EmailAddress"].as_str().unwrap();
        let insert = format!(
            "INSERT INTO customers (org_id, name, email) SELECT org_id, 'Of the App {number}', '{email}' FROM connections"
        );
        execute(&db_url, &insert).await;
    }
    sandbox.run(&["sync", "full"]).await.assert(3, &["tieout candidates", "tieout failures"]);
    let pairs = sandbox.run(&["candidates", "--json"]).await.assert(0, &[]).json();
    assert_eq!(pairs.as_array().unwrap().len(), 2, "{pairs}");
    let pair = |at: usize| {
        let id = two[at]["ContactID"].as_str().unwrap();
        let found = pairs.as_array().unwrap().iter().find(|pair| pair["xeroId"] == id).unwrap();
        (found["localId"].to_string(), id)
    };
    let ((same, same_id), (other, other_id)) = (pair(0), pair(1));
    sandbox.run(&["candidates", "same", "customer", &same, same_id]).await.assert(0, &["are one record, and linked"]);
    let explained = sandbox.run(&["records", "explain", "customer", &same, "--json"]).await.assert(0, &[]).json();
    assert_eq!(explained["xeroId"], same_id, "{explained}");
    sandbox.run(&["candidates", "different", "customer", &other, other_id]).await.assert(0, &["are two records"]);
    let explained = sandbox.run(&["records", "explain", "customer", &other, "--json"]).await.assert(0, &[]).json();
    assert_ne!(explained["xeroId"], other_id, "{explained}");
    sandbox.run(&["candidates"]).await.assert(0, &["no pair waits"]);
    sandbox.run(&["candidates", "same", "customer", &same, same_id]).await.assert(1, &["tieout candidates"]);
    sandbox.run(&["sync"]).await.assert(0, &["COMPLETED"]);
}

#[testkit::on_both_databases]
async fn a_sync_that_would_do_too_much_stops_and_asks(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    let all = "UPDATE invoices SET reference = 'all at once' WHERE status <> 'CANCELLED'";
    execute(&db_url, all).await;
    sandbox.run(&["sync", "--dry-run"]).await.assert(0, &["A sync would stop and ask"]);
    let before = sandbox.emulator().call_count();
    sandbox.run(&["push"]).await.assert(5, &["tieout brakes"]);
    assert!(sandbox.emulator().call_count() - before < 5, "nothing of it was sent");
    sandbox.run(&["status"]).await.assert(0, &["1 stopped sync would do too much and waits for a yes"]);
    let brakes = sandbox.run(&["brakes", "--json"]).await.assert(0, &[]).json();
    assert_eq!((&brakes[0]["state"], &brakes[0]["what"]), (&"OPEN".into(), &"CHANGE".into()), "{brakes}");
    let id = brakes[0]["id"].to_string();
    sandbox.run(&["brakes", "approve", &id]).await.assert(2, &["invoices. Go on?", "add --yes"]);
    sandbox.run(&["brakes", "refuse", "99"]).await.assert(1, &["there is no stopped sync 99", "tieout brakes"]);
    sandbox.run(&["brakes", "approve", &id, "--yes"]).await.assert(0, &["the next sync does it, once", "tieout sync"]);
    let ended = sandbox.run(&["push", "--json"]).await;
    let pushed = ended.json();
    assert!(pushed[0]["sentUpdated"].as_i64().unwrap() > 0, "{ended:?}");
    let brakes = sandbox.run(&["brakes", "--json"]).await.json();
    assert_eq!(brakes[0]["state"], "USED", "{brakes}");
}
