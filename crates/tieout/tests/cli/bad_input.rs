//! Bad input: each gets a clear error with what to do, the exit code that scripts rely on, and never a panic.

use serde_json::Value;

use crate::harness::{KEY, Sandbox, execute, free_port};

#[tokio::test]
async fn wrong_settings_are_named_with_their_place() {
    let sandbox = Sandbox::empty();
    sandbox.write("tieout.toml", "bind = \"127.0.0.1:0\"\n[xero]\nclientid = \"x\"\n");
    sandbox.run(&["status"]).await.assert(78, &["tieout.toml:3: unknown setting xero.clientid", "tieout config check"]);
    sandbox.write("tieout.toml", "bind = \n");
    sandbox.run(&["status"]).await.assert(78, &["tieout.toml:1: this is no TOML"]);
    sandbox.write("tieout.toml", "");
    sandbox.run(&["status", "--config", "other.toml"]).await.assert(78, &["cannot read the settings file other.toml"]);
    for (name, value, expected) in [
        ("TIEOUT_DATABASE_URL", "mysql://x", "use sqlite:///path/to/file.db or postgres://"),
        ("TIEOUT_BIND", "8787", "an address and a port"),
        ("TIEOUT_XERO_SCOPES", "offline_access accounting.transactions", "write accounting.invoices"),
        ("TIEOUT_XERO_SCOPES", "accounting.invoices", "offline_access is missing"),
        ("TIEOUT_XERO_API_URL", "http://example.com", "must be https"),
        ("TIEOUT_XERO_API_URL", "not a url", "is no URL"),
        ("TIEOUT_XERO_REDIRECT_URI", "http://127.0.0.1:1/x", "must be https, or http://localhost"),
        ("TIEOUT_LIMITS_PER_MINUTE", "600", "a whole number from 1 to 60"),
        ("TIEOUT_LOG_LEVEL", "loud", "must be auto, error, warn"),
    ] {
        let mut sandbox = Sandbox::empty();
        sandbox.set(name, value);
        let ended = sandbox.run(&["status", "--json"]).await.assert(78, &[expected, name]);
        let error: Value = serde_json::from_str(&ended.err).unwrap();
        assert_eq!(error["error"]["exit"], 78);
    }
    sandbox.run(&["demo", "--log-level", "loud"]).await.assert(78, &["must be auto, error, warn"]);
}

#[tokio::test]
async fn nothing_is_stored_without_a_good_key() {
    let mut sandbox = Sandbox::empty();
    sandbox.set("TIEOUT_XERO_CLIENT_ID", "ABC");
    for command in [&["serve"][..], &["connect"], &["keys", "create", "--name", "x"], &["sync", "full"]] {
        sandbox.run(command).await.assert(78, &["there is no encryption key", "tieout config new-key"]);
    }
    sandbox.set("TIEOUT_ENCRYPTION_KEY", "short");
    sandbox.run(&["serve"]).await.assert(78, &["32 random bytes", "tieout config new-key"]);
    assert!(!sandbox.path().join("tieout.db").exists(), "wrong settings make no database");
}

#[testkit::on_both_databases]
async fn another_key_than_the_one_it_was_stored_with_is_told_apart_from_a_lost_permission(db_url: String) {
    let mut sandbox = Sandbox::connected(&db_url).await;
    sandbox.set("TIEOUT_ENCRYPTION_KEY", &KEY.replace('a', "b"));
    for command in [&["sync", "full"][..], &["refresh-token"], &["agree"]] {
        sandbox.run(command).await.assert(78, &["TO-KEY", "is this the encryption key that it was stored with"]);
    }
    // The right key again, and nothing was lost.
    sandbox.set("TIEOUT_ENCRYPTION_KEY", KEY);
    sandbox.run(&["sync", "full"]).await.assert(0, &["COMPLETED"]);
}

#[testkit::on_both_databases]
async fn a_database_of_a_newer_version_is_refused(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    execute(&db_url, "INSERT INTO schema_migrations (version, name, checksum) VALUES (900, 'later', 'x')").await;
    for command in [&["status"][..], &["sync", "full"], &["serve"], &["doctor"]] {
        sandbox.run(command).await.assert(10, &["schema version 900", "tieout version"]);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_so() {
    let mut sandbox = Sandbox::empty();
    for command in [&["status"][..], &["runs"], &["failures"], &["keys", "ls"]] {
        sandbox.run(command).await.assert(10, &["there is no database at tieout.db", "tieout connect"]);
    }
    sandbox.set("TIEOUT_DATABASE_URL", &format!("postgres://nobody@127.0.0.1:{}/none", free_port().await));
    sandbox.run(&["status"]).await.assert(10, &["cannot open the database", "tieout doctor"]);
    sandbox.set("TIEOUT_DATABASE_URL", "sqlite:///proc/none/books.db");
    sandbox
        .run(&["demo", "--once", "--database-url", "sqlite:///proc/none/books.db"])
        .await
        .assert(10, &["cannot open"]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let mut sandbox = Sandbox::empty();
    let text = "not a database at all, but somebody's own text\n".repeat(100);
    sandbox.write("own.txt", &text);
    sandbox.set("TIEOUT_DATABASE_URL", "sqlite://own.txt");
    sandbox.run(&["status"]).await.assert(10, &["own.txt"]);
    assert_eq!(std::fs::read_to_string(sandbox.path().join("own.txt")).unwrap(), text);
}

#[tokio::test]
async fn a_sqlite_file_that_another_process_works_on_is_locked() {
    let home = Sandbox::empty();
    let sandbox = Sandbox::connected(&format!("sqlite://{}", home.path().join("books.db").display())).await;
    let mut serving = sandbox.start(&["serve", "--bind", "127.0.0.1:0"]);
    serving.until(|text| text.contains("API on")).await;
    for command in [&["sync", "full"][..], &["agree"], &["disconnect", "--yes"], &["refresh-token"]] {
        sandbox.run(command).await.assert(11, &["another tieout works on", "tieout status"]);
    }
    // Looking is always allowed.
    sandbox.run(&["status"]).await.assert(0, &["Demo Company (NZ)"]);
    sandbox.run(&["runs"]).await.assert(0, &[]);
    serving.signal("TERM");
    serving.ended().await.assert(0, &[]);
    sandbox.run(&["sync", "full"]).await.assert(0, &["COMPLETED"]);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let home = Sandbox::empty();
    let mut sandbox = Sandbox::with_emulator(&format!("sqlite://{}", home.path().join("books.db").display())).await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let busy = format!("port {port} is in use");
    sandbox.run(&["serve", "--bind", &format!("127.0.0.1:{port}")]).await.assert(1, &[&busy, "tieout serve --bind"]);
    sandbox.set("TIEOUT_XERO_REDIRECT_URI", &format!("http://localhost:{port}/callback"));
    sandbox.run(&["connect"]).await.assert(1, &[&busy]);
    sandbox.run(&["emulator", "--addr", &format!("127.0.0.1:{port}")]).await.assert(1, &["tieout emulator --addr"]);
}

#[testkit::on_both_databases]
async fn a_revoked_token_asks_for_a_new_consent_and_loses_nothing(db_url: String) {
    let mut sandbox = Sandbox::connected(&db_url).await;
    sandbox.run(&["sync", "full"]).await.assert(0, &[]);
    sandbox.emulator().revoke_refresh_tokens();
    sandbox.emulator().expire_access_tokens();
    sandbox.run(&["sync", "incremental"]).await.assert(6, &["TO-RECONNECT", "all data is kept", "tieout connect"]);
    sandbox.run(&["status"]).await.assert_exit(6, &["reconnect", "tieout connect"]);
    sandbox.connect().await.assert(0, &[]);
    let back = sandbox.run(&["sync", "full", "--json"]).await.assert(0, &[]).json();
    assert_eq!(back[0]["created"], 0, "{back}");
    sandbox.run(&["status"]).await.assert(0, &["in sync"]);
}

#[testkit::on_both_databases]
async fn an_organisation_that_was_disconnected_in_xero_is_noticed(db_url: String) {
    let sandbox = Sandbox::connected(&db_url).await;
    assert!(sandbox.emulator().disconnect_tenant(sandbox.tenant()));
    sandbox.run(&["sync", "full"]).await.assert(6, &["TO-DISCONNECTED", "tieout connect"]);
    sandbox.run(&["status"]).await.assert(0, &["disconnected", "tieout connect"]);
}

#[tokio::test]
async fn a_used_up_limit_has_its_exit_code_and_the_run_goes_on_later() {
    let home = Sandbox::empty();
    let mut sandbox = Sandbox::connected(&format!("sqlite://{}", home.path().join("books.db").display())).await;
    sandbox.set("TIEOUT_LIMITS_PER_DAY", "5");
    sandbox.set("TIEOUT_LIMITS_PER_DAY_RESERVE", "0");
    sandbox.run(&["sync", "full"]).await.assert(7, &["TO-QUOTA", "resumes by itself at", "tieout status"]);
    sandbox.set("TIEOUT_LIMITS_PER_DAY", "4800");
    let done = sandbox.run(&["sync", "full", "--json"]).await.assert(0, &[]).json();
    assert_eq!(done[0]["resumed"], true, "{done}");
}

#[tokio::test]
async fn wrong_credentials_are_the_apps_fault_and_not_the_persons() {
    let home = Sandbox::empty();
    let mut sandbox = Sandbox::with_emulator(&format!("sqlite://{}", home.path().join("books.db").display())).await;
    sandbox.set("TIEOUT_XERO_CLIENT_SECRET", "wrong");
    sandbox.connect().await.assert(78, &["check the app's credentials", "tieout config check"]);
}
