//! Process chaos: the real programs, a real database, an emulated Xero as a process of its own, and between them proxies
//! that cut, delay, stall and refuse. Programs are killed (`kill -9`) and frozen (`SIGSTOP`), connections to the database
//! ended, tokens expired, while both sides are edited and syncs are asked for. Then it is calm, and one oracle judges:
//! both sides must be equal field by field, but for what is listed with a reason, and no edit may be lost.
//!
//! Everything is drawn from `TIEOUT_CHAOS_SEED`; how the programs' threads fall in with it is not, so the same seed is the
//! same weather and not the same run. `TIEOUT_CHAOS_S` is the storm's length in seconds; from 120 on it also does what
//! takes minutes to come right. A long run:
//!
//! ```sh
//! TIEOUT_CHAOS_SEED=7 TIEOUT_CHAOS_S=600 cargo test -p tieout --test chaos postgres -- --nocapture
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where, and says how the storm went"
)]

mod app;
mod dice;
mod processes;
mod proxy;
mod read;
mod storm;
mod work;
mod xero;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use oracle::{Checks, Snapshot};
use testkit::{Database, TempDir};

use app::App;
use dice::Dice;
use processes::Fleet;
use proxy::{Odds, Proxy};
use storm::Stage;
use work::Work;
use xero::Xero;

/// Seconds of storm if nobody says otherwise; SQLite has one program and half of them.
const STORM_S: u64 = 24;
/// Until nothing is left to do: a short storm seldom leaves anything that takes longer; a long one lost answers, which are
/// looked for when they cannot land any more (`lands_within_s`), twice with a minute between, each with a wait before it.
const REST: Duration = Duration::from_secs(45);
const REST_AFTER_LONG: Duration = Duration::from_secs(600);

/// An edit in Xero of the very field that a write on its way carries: Xero has no conditional writes. It is told and fails
/// no run, because proxies that hold writes back for seconds make of a rare moment a common one.
const WRITTEN_OVER: &str = "I-L2w";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_three_programs_in_a_storm_lose_and_double_nothing() {
    let database = Database::postgres(None).await;
    weather("postgres", database.url(), 3, setting("TIEOUT_CHAOS_S", STORM_S)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_one_program_in_a_storm_loses_and_doubles_nothing() {
    let database = Database::sqlite(None).await;
    weather("sqlite", database.url(), 1, setting("TIEOUT_CHAOS_S", STORM_S / 2)).await;
}

/// Storm, calm, judgement.
async fn weather(name: &str, database: String, servers: usize, storm_s: u64) {
    let (begun, seed) = (Instant::now(), setting("TIEOUT_CHAOS_SEED", 1));
    let again = format!(
        "TIEOUT_CHAOS_SEED={seed} TIEOUT_CHAOS_S={storm_s} cargo test -p tieout --test chaos {name} -- --nocapture"
    );
    println!("{name}: {storm_s} s of storm over {servers} programs; again: {again}");
    let mut stage = set_up(&database, servers, Duration::from_secs(storm_s), seed).await;
    let mut work = Work::new(&stage.app, seed).await;
    stage.fleet.bring_up(Duration::from_secs(30)).await;
    println!("set up in {:?}", begun.elapsed());

    stage.blow(&mut work).await;
    stage.clear_up().await;
    stage.tell(&work).await;
    let within = if stage.is_long() { REST_AFTER_LONG } else { REST };
    match stage.come_to_rest(within).await {
        Ok(rested) => println!("at rest after {rested:?}"),
        Err(open) => panic!("it does not come to rest within {within:?}: {open}\n{}\n{again}", stage.fleet.tails()),
    }
    let mut problems = one_more_cycle(&mut stage).await;
    problems.extend(judge(&stage, &work).await);
    let ends = stage.fleet.stop().await;
    if ends.iter().any(|end| end != "exit status: 0") {
        problems.push(format!("programs that were asked to stop ended with {ends:?}"));
    }
    problems.extend(stage.fleet.ended.iter().cloned());
    for problem in &problems {
        println!("PROBLEM {problem}");
    }
    println!("took {:?} in all", begun.elapsed());
    assert!(problems.is_empty(), "{} problems; again: {again}", problems.len());
    let did = |what: &str| stage.fleet.counts.get(what).copied().unwrap_or(0);
    assert!(did("kill -9") > 0 && did("SIGSTOP") > 0, "a storm without kills and stops is none: {again}");
    assert!(work.edits() > 20, "only {} edits: {again}", work.edits());
}

/// Everything in its place, connected and read once, in calm weather.
async fn set_up(database: &str, servers: usize, length: Duration, seed: u64) -> Stage {
    let folder = TempDir::new();
    let xero = Xero::start(folder.path(), seed).await;
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, xero.port));
    let to_xero = Proxy::start(upstream, Odds::XERO, true, Dice::new(seed, "to xero")).await;
    let emulator = format!("http://127.0.0.1:{}", to_xero.port);
    let (to_database, told) = match database.starts_with("postgres") {
        true => {
            let mut url = url::Url::parse(database).unwrap();
            let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, url.port().unwrap()));
            let proxy = Proxy::start(upstream, Odds::DATABASE, false, Dice::new(seed, "to the database")).await;
            url.set_port(Some(proxy.port)).unwrap();
            (Some(proxy), url.to_string())
        }
        false => (None, database.to_owned()),
    };
    let mut fleet = Fleet::new(folder, told, emulator, servers);
    connect(&fleet).await;
    let synced = fleet.tieout("set-up", &["sync", "full"]).status().unwrap();
    assert!(synced.success(), "the first sync failed: {synced}");
    let mut keys = fleet.tieout("set-up", &["keys", "create", "--name", "chaos", "--scope", "admin", "--json"]);
    let made = keys.stdout(Stdio::piped()).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    fleet.use_key(made["key"].as_str().unwrap().to_owned());

    let app = App::open(database).await;
    if app.is_postgres() {
        app.rows(NOTE_HOLDERS).await.unwrap();
    }
    Stage::new((app, xero), fleet, (to_xero, to_database), length, Dice::new(seed, "storm"))
}

/// Which program holds a lease: it says its name to the server with every connection, and draws its holder's name itself.
const NOTE_HOLDERS: &str = "\
CREATE TABLE chaos_holders (holder TEXT PRIMARY KEY, process TEXT NOT NULL);
CREATE FUNCTION chaos_note_holder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO chaos_holders VALUES (NEW.holder, current_setting('application_name')) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note_holder AFTER INSERT OR UPDATE OF holder ON leases
    FOR EACH ROW EXECUTE FUNCTION chaos_note_holder();";

/// `tieout connect`, with this test as the browser.
async fn connect(fleet: &Fleet) {
    let callback = format!("http://localhost:{}/callback", free_port());
    let mut command = fleet.tieout("set-up", &["connect", "--no-browser"]);
    let mut child = command.env("TIEOUT_XERO_REDIRECT_URI", callback).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (found, address) = tokio::sync::oneshot::channel();
    let reader = std::thread::spawn(move || {
        let (mut found, mut said) = (Some(found), String::new());
        for line in lines.map_while(Result::ok) {
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

/// Everything read once more: nothing may be written, and the program itself must say that nothing is left.
async fn one_more_cycle(stage: &mut Stage) -> Vec<String> {
    let mut problems = Vec::new();
    let before = stage.xero.counters().await;
    let (status, said) = stage.fleet.call(0, "sync/full?wait=true").await;
    if status != 200 {
        problems.push(format!("the last full sync answered {status} {said}"));
    }
    let after = stage.xero.counters().await;
    if before["write_calls"] != after["write_calls"] {
        problems.push(format!("one more cycle wrote to Xero: {} before, {} after", before["writes"], after["writes"]));
    }
    for never in ["keys_misused", "writes_without_key", "contacts_by_documents"] {
        if after[never] != 0 {
            problems.push(format!("{never}: {}", after[never]));
        }
    }
    println!("xero counted: {after}");
    let mut status = stage.fleet.tieout("status", &["status", "--json"]);
    let status = status.stdout(Stdio::piped()).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    println!("status: {}", status[0]);
    let is_done = status[0]["pending"] == 0 || status[0]["candidates"] != 0;
    if !is_done || status[0]["state"] != "CONNECTED" {
        problems.push(format!("status says {}", status[0]));
    }
    problems
}

/// The oracle's word on both sides and on every edit.
async fn judge(stage: &Stage, work: &Work) -> Vec<String> {
    let snapshot: Snapshot = read::snapshot(&stage.app, &stage.xero).await;
    let marks = work.marks(&stage.to_xero.passed());
    let in_flight = marks.iter().filter(|mark| mark.is_in_flight).count();
    println!("edits in Xero while a write of the same record was on its way: {in_flight}");
    println!("edits that left a token, by what became of them: {:?}", oracle::edits_of(&snapshot, &marks));
    println!("listed: {:?}", oracle::listed_by_reason(&snapshot));
    let found = oracle::judge_rest(&snapshot, &marks, &Checks::all());
    let (told, problems): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.invariant == WRITTEN_OVER);
    for one in told {
        println!("TOLD {}", one.to_string().chars().take(200).collect::<String>());
    }
    problems.iter().map(ToString::to_string).collect()
}
