//! `kill -9` in the middle of a sync, again and again: the next one goes on from its page, and what stands in the books
//! at the end is, row for row, what an unkilled sync brings.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Size};
use model::Kind;
use store::{ReadQuery, Store};

const KILLS: u32 = 5;
const INVOICES: u32 = 10_000;

/// An emulator on a port of this machine, slow enough that a kill meets a sync at work.
async fn emulator() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let emulator = Emulator::new(Config {
        seed: 7,
        base_url: base_url.clone(),
        organisations: vec![OrganisationPlan {
            name: "Demo Company (NZ)".into(),
            size: Size { lines: Some(3), ..Size::of_invoices(INVOICES) },
            tier: Tier::Core,
        }],
        auto_consent: Some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: false, ..Limits::default() },
        latency_ms: 15,
        ..Config::default()
    });
    tokio::spawn(async move { emulator.serve(listener).await });
    base_url
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The program, with a database and an emulator.
fn tieout(database: &str, emulator: &str, callback: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
    command
        .env("TIEOUT_DATABASE_URL", database)
        .env("TIEOUT_ENCRYPTION_KEY", "0a".repeat(32))
        .env("TIEOUT_XERO_EMULATOR_URL", emulator)
        .env("TIEOUT_XERO_CLIENT_ID", "0123456789ABCDEF0123456789ABCDEF")
        .env("TIEOUT_XERO_CLIENT_SECRET", "emulator-secret")
        .env("TIEOUT_XERO_REDIRECT_URI", format!("http://localhost:{callback}/callback"))
        .env("TIEOUT_SYNC_PAGE_SIZE", "100")
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
    let mut child = tieout(database, emulator, free_port()).args(["connect", "--no-browser"]).spawn().unwrap();
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

async fn sync_to_the_end(database: &str, emulator: &str) {
    let mut command = tieout(database, emulator, free_port());
    let output = tokio::task::spawn_blocking(move || command.args(["sync", "full"]).output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The time that a dead process's lease would still have held, passed by hand. SQLite needs none: its file has one
/// engine, so whoever held a lease is gone.
async fn let_the_lease_end(database: &str) {
    if !database.starts_with("postgres") {
        return;
    }
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute("UPDATE leases SET lease_until = now()").await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}

/// Every record with its lines and its Xero id, without generated ids and times; and how often runs were taken up.
async fn contents(database: &str) -> (BTreeMap<(Kind, String), String>, i64) {
    let store = Store::open(database, Arc::new(jiff::Timestamp::now)).await.unwrap();
    let mut tx = store.read().await.unwrap();
    let connection = tx.connections().await.unwrap().remove(0);
    let mut all = BTreeMap::new();
    macro_rules! read {
        ($($record:ty: $kind:ident),+ $(,)?) => { $({
            let mut query = ReadQuery { limit: 500, kind: Some(Kind::$kind), ..ReadQuery::default() };
            loop {
                let page =
                    tx.list_books::<$record>(connection.org, connection.id, Kind::$kind, &query).await.unwrap();
                for item in page.items {
                    let key = (Kind::$kind, item.xero_id.expect("every record is linked").to_string());
                    let doubled = all.insert(key, format!("{:?}", item.row.record));
                    assert_eq!(doubled, None, "a record is there twice");
                }
                match page.next { Some(next) => query.after = next, None => break }
            }
        })+ };
    }
    read!(
        model::Account: Account,
        model::TaxRate: TaxRate,
        model::Customer: Customer,
        model::Invoice: Invoice,
        model::Credit: CreditNote,
        model::Credit: Prepayment,
        model::Credit: Overpayment,
        model::Payment: Payment,
        model::BankTransaction: BankTransaction,
    );
    let counted: i64 =
        tx.count_books(connection.org, connection.id).await.unwrap().iter().map(|(_, count)| count).sum();
    assert_eq!(usize::try_from(counted).unwrap(), all.len(), "no row stands outside of the links");
    let resumed = tx.runs(Some(connection.id), None, 1).await.unwrap()[0].resumed;
    (all, resumed)
}

#[testkit::on_both_databases]
async fn a_sync_killed_five_times_ends_like_one_that_was_not(db_url: String) {
    let emulator = emulator().await;
    let whole = testkit::Database::sqlite(None).await;
    connect(&whole.url(), &emulator).await;
    sync_to_the_end(&whole.url(), &emulator).await;
    let (expected, _) = contents(&whole.url()).await;
    assert!(expected.len() > 18_000, "{}", expected.len());

    connect(&db_url, &emulator).await;
    let mut met_at_work = 0;
    for kill in 0..KILLS {
        let mut child = tieout(&db_url, &emulator, free_port()).args(["sync", "full"]).spawn().unwrap();
        // Uneven waits, so that the kills meet different kinds and pages.
        tokio::time::sleep(Duration::from_millis(700 + u64::from(kill * kill * 97 % 451))).await;
        if child.try_wait().unwrap().is_none() {
            met_at_work += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let_the_lease_end(&db_url).await;
    }
    sync_to_the_end(&db_url, &emulator).await;
    let (found, resumed) = contents(&db_url).await;
    assert!(met_at_work >= 3, "only {met_at_work} kills met a sync at work");
    assert!(resumed >= 3, "the run was taken up {resumed} times");
    assert_eq!(found.len(), expected.len());
    for (key, record) in &expected {
        assert_eq!(found.get(key), Some(record), "{key:?}");
    }
}
