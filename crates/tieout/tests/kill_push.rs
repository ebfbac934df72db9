//! `kill -9` in the middle of a push, twenty times: at the end Xero has every record of the App's exactly once, and each is
//! linked with that one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Size};
use model::Kind;
use store::{ReadQuery, Store};

const KILLS: usize = 20;
const INVOICES: usize = 500;
const EACH: usize = INVOICES / KILLS;
const CUSTOMERS: usize = 10;
/// Payments made before each kill, for invoices of the round before.
const PAYMENTS: usize = 3;

/// An emulator on a port of this machine, slow enough that a kill meets a push at work.
async fn emulator() -> (Emulator, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let emulator = Emulator::new(Config {
        seed: 11,
        base_url: base_url.clone(),
        organisations: vec![OrganisationPlan {
            name: "Demo Company (NZ)".into(),
            size: Size { lines: None, ..Size::of_invoices(20) },
            tier: Tier::Core,
        }],
        auto_consent: Some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: false, ..Limits::default() },
        latency_ms: 60,
        ..Config::default()
    });
    let serving = emulator.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (emulator, base_url)
}

/// The program, with a database and an emulator.
fn tieout(database: &str, emulator: &str) -> Command {
    let callback = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
    command
        .env("TIEOUT_DATABASE_URL", database)
        .env("TIEOUT_ENCRYPTION_KEY", "0a".repeat(32))
        .env("TIEOUT_XERO_EMULATOR_URL", emulator)
        .env("TIEOUT_XERO_CLIENT_ID", "0123456789ABCDEF0123456789ABCDEF")
        .env("TIEOUT_XERO_CLIENT_SECRET", "emulator-secret")
        .env("TIEOUT_XERO_REDIRECT_URI", format!("http://localhost:{callback}/callback"))
        .env("TIEOUT_LIMITS_PER_MINUTE", "100000")
        .env("TIEOUT_LIMITS_PER_DAY", "100000")
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Connects, with this test as the browser.
async fn connect(database: &str, emulator: &str) {
    let mut child = tieout(database, emulator).args(["connect", "--no-browser"]).spawn().unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let (found, address) = tokio::sync::oneshot::channel();
    let reader = std::thread::spawn(move || {
        let mut found = Some(found);
        let mut said = String::new();
        for line in errors.lines().map_while(Result::ok) {
            if line.contains("/identity/connect/authorize")
                && let (Some(at), Some(found)) = (line.find("http"), found.take())
            {
                found.send(line[at..].trim().to_owned()).unwrap();
            }
            said.push_str(&line);
            said.push('\n');
        }
        said
    });
    let address = address.await.expect("connect names the address to open");
    let page = reqwest::get(&address).await.unwrap();
    assert!(page.status().is_success(), "{}", page.status());
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{}", reader.join().unwrap());
}

async fn to_the_end(database: &str, emulator: &str, arguments: &'static [&'static str]) {
    let mut command = tieout(database, emulator);
    let output = tokio::task::spawn_blocking(move || command.args(arguments).output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The App's own connection: runs statements, and answers with the first column of the last query as text.
async fn sql(database: &str, statements: &str, query: &str) -> Option<String> {
    if let Some(path) = database.strip_prefix("sqlite://") {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch(&format!("BEGIN; {statements}; COMMIT;")).unwrap();
        return connection.query_row(&format!("SELECT CAST(({query}) AS TEXT)"), [], |row| row.get(0)).unwrap();
    }
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(&format!("BEGIN; {statements}; COMMIT;")).await.unwrap();
    let found = client.query_one(&format!("SELECT CAST(({query}) AS TEXT)"), &[]).await.unwrap().get(0);
    drop(client);
    driver.await.unwrap().unwrap();
    found
}

/// What the App writes before the kill of this number: invoices with two lines, now and then a customer, and payments of
/// invoices of the round before, whose invoices may not be in Xero yet.
fn work(round: usize, database: &str, org: &str, account: &str) -> String {
    let scale = if database.starts_with("postgres") { 1 } else { 10_000 };
    let mut text = String::new();
    if round.is_multiple_of(KILLS / CUSTOMERS) {
        write!(text, "INSERT INTO customers (org_id, name) VALUES ({org}, 'Killed {round}');").unwrap();
    }
    for number in round * EACH..(round + 1) * EACH {
        write!(
            text,
            "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, currency) \
             SELECT {org}, 'ACCREC', 'KILL-{number}', MAX(id), '2026-06-01', '2026-07-01', 'SENT', 'NZD' \
             FROM customers WHERE name LIKE 'Killed %';"
        )
        .unwrap();
        for position in 1..=2 {
            write!(
                text,
                "INSERT INTO invoice_lines (invoice_id, position, description, quantity, unit_amount, account_code) \
                 SELECT id, {position}, 'Work', {}, {}, '200' FROM invoices WHERE number = 'KILL-{number}';",
                position * scale,
                40 * scale
            )
            .unwrap();
        }
    }
    for number in (round.max(1) - 1) * EACH..(round.max(1) - 1) * EACH + if round == 0 { 0 } else { PAYMENTS } {
        write!(
            text,
            "INSERT INTO payments (org_id, invoice_id, account_id, date, amount) \
             SELECT {org}, id, {account}, '2026-06-15', {} FROM invoices WHERE number = 'KILL-{number}';",
            10 * scale
        )
        .unwrap();
    }
    text
}

/// Name or number, and id, of what Xero has; each must be there once.
fn in_xero(emulator: &Emulator, endpoint: &str, name: &str, id: &str, prefix: &str) -> BTreeMap<String, String> {
    let rows = emulator.person(emulator.tenants()[0]).list(endpoint).unwrap();
    let mut found = BTreeMap::new();
    for row in rows.iter().filter(|row| row[name].as_str().is_some_and(|text| text.starts_with(prefix))) {
        let before = found.insert(row[name].as_str().unwrap().to_owned(), row[id].as_str().unwrap().to_owned());
        assert_eq!(before, None, "doubled in Xero: {}", row[name]);
    }
    found
}

/// The same of the App's books, with the ids that they are linked with.
async fn in_app(database: &str) -> (BTreeMap<String, String>, BTreeMap<String, String>, Vec<String>) {
    let store = Store::open(database, Arc::new(jiff::Timestamp::now)).await.unwrap();
    let mut tx = store.read().await.unwrap();
    let connection = tx.connections().await.unwrap().remove(0);
    let (mut invoices, mut customers, mut payments) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    macro_rules! read {
        ($record:ty, $kind:ident, $item:ident => $keep:expr) => {
            let mut query = ReadQuery { limit: 500, kind: Some(Kind::$kind), ..ReadQuery::default() };
            loop {
                let page = tx.list_books::<$record>(connection.org, connection.id, Kind::$kind, &query).await.unwrap();
                for $item in page.items {
                    $keep;
                }
                match page.next {
                    Some(next) => query.after = next,
                    None => break,
                }
            }
        };
    }
    read!(model::Invoice, Invoice, item => {
        let number = item.row.record.number.clone().unwrap_or_default();
        if number.starts_with("KILL-") {
            invoices.insert(number, item.xero_id.expect("linked").to_string());
        }
    });
    read!(model::Customer, Customer, item => {
        if item.row.record.name.starts_with("Killed ") {
            customers.insert(item.row.record.name.clone(), item.xero_id.expect("linked").to_string());
        }
    });
    read!(model::Payment, Payment, item => payments.push(item.xero_id.expect("linked").to_string()));
    payments.sort();
    (invoices, customers, payments)
}

#[testkit::on_both_databases]
async fn five_hundred_invoices_pushed_through_twenty_kills_are_in_xero_once(db_url: String) {
    let (emulator, base_url) = emulator().await;
    connect(&db_url, &base_url).await;
    to_the_end(&db_url, &base_url, &["sync", "full"]).await;
    let org = sql(&db_url, "", "SELECT MIN(id) FROM organisations").await.unwrap();
    let bank = "SELECT MIN(id) FROM accounts WHERE type = 'BANK' AND status = 'ACTIVE'";
    let account = sql(&db_url, "", bank).await.unwrap();
    let payments_before = emulator.person(emulator.tenants()[0]).list("Payments").unwrap().len();
    let mut met_at_work = 0;
    let mut random: u64 = 0x2545_f491_4f6c_dd1d;
    for round in 0..KILLS {
        sql(&db_url, &work(round, &db_url, &org, &account), "SELECT 1").await;
        let calls = emulator.call_count();
        let mut child = tieout(&db_url, &base_url).arg("push").stderr(Stdio::null()).spawn().unwrap();
        // A moment somewhere between its first call and its last.
        for _ in 0..1_000 {
            if emulator.call_count() > calls {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis((random >> 33) % 240)).await;
        if child.try_wait().unwrap().is_none() {
            met_at_work += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The time that the dead process's lease would still have held, passed by hand.
        let ended = if db_url.starts_with("postgres") { "UPDATE leases SET lease_until = now()" } else { "" };
        sql(&db_url, ended, "SELECT 1").await;
    }
    to_the_end(&db_url, &base_url, &["push"]).await;
    to_the_end(&db_url, &base_url, &["sync"]).await;

    let (invoices, customers, payments) = in_app(&db_url).await;
    assert_eq!((invoices.len(), customers.len()), (INVOICES, CUSTOMERS));
    assert_eq!(in_xero(&emulator, "Invoices", "InvoiceNumber", "InvoiceID", "KILL-"), invoices);
    assert_eq!(in_xero(&emulator, "Contacts", "Name", "ContactID", "Killed "), customers);
    let paid = emulator.person(emulator.tenants()[0]).list("Payments").unwrap();
    let mut paid: Vec<String> = paid.iter().map(|row| row["PaymentID"].as_str().unwrap().to_owned()).collect();
    paid.sort();
    assert_eq!(paid, payments);
    assert_eq!(paid.len(), payments_before + (KILLS - 1) * PAYMENTS);

    let counters = emulator.counters(emulator.tenants()[0]).unwrap();
    assert_eq!((counters.keys_misused, counters.writes_without_key, counters.contacts_by_documents), (0, 0, 0));
    let open = "SELECT COUNT(*) FROM intents WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')";
    assert_eq!(sql(&db_url, "", open).await.as_deref(), Some("0"));
    assert_eq!(sql(&db_url, "", "SELECT COUNT(*) FROM captures").await.as_deref(), Some("0"));
    assert_eq!(sql(&db_url, "", "SELECT COUNT(*) FROM conflicts").await.as_deref(), Some("0"));
    assert!(met_at_work >= KILLS / 2, "only {met_at_work} kills met a push at work");
    let recovered: i64 =
        sql(&db_url, "", "SELECT COUNT(*) FROM sends WHERE attempts > 1").await.unwrap().parse().unwrap();
    assert!(recovered >= 3, "only {recovered} requests were cut off by a kill");
}
