//! The bad weather: what goes wrong, when, and how much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oracle::By;

use crate::app::App;
use crate::dice::Dice;
use crate::processes::Fleet;
use crate::proxy::Proxy;
use crate::work::Work;
use crate::xero::Xero;

/// A storm shorter than this must leave nothing behind that takes minutes of real time to come right: see [`FAULTS`].
const LONG: Duration = Duration::from_secs(120);

/// What Xero does wrong. After each of these the outcome of a write is known at once, or from the same bytes sent again,
/// or from a look that finds the record.
const FAULTS: &str = "\
p=0.02 PUT /api.xro commit-then-lose
p=0.02 POST /api.xro commit-then-lose
p=0.01 PUT /api.xro lose-before-commit
p=0.01 POST /api.xro lose-before-commit
p=0.01 PUT /api.xro truncate
p=0.02 PUT /api.xro refuse=503
p=0.02 POST /api.xro refuse=503
p=0.02 POST /api.xro limit=minute,1
p=0.01 PUT /api.xro limit=concurrent
p=0.02 GET /api.xro truncate
p=0.01 GET /api.xro bad-json
p=0.01 GET /api.xro html
p=0.01 GET /api.xro empty-body
p=0.01 GET /api.xro bad-gzip
p=0.02 GET /api.xro refuse=500
p=0.02 GET /api.xro offline
p=0.02 GET /api.xro slow=2s
p=0.02 POST /connect/token commit-then-lose
p=0.02 POST /connect/token refuse=503";

/// After these nothing is known for minutes: the request may land as long as `PushSettings::lands_within_s` says, and
/// only then is the record looked for, twice. They are for long storms.
const LASTING_FAULTS: &str = "\
p=0.02 PUT /api.xro refuse=500
p=0.02 PUT /api.xro commit-then-status=500
p=0.01 PUT /api.xro html
p=0.02 POST /api.xro refuse=500
p=0.02 POST /api.xro commit-then-status=500
p=0.02 POST /api.xro truncate
p=0.01 PUT /api.xro late=20s
p=0.01 POST /api.xro late=20s";

/// How often something happens: once in so many milliseconds, on average.
const KILL_MS: u64 = 4_000;
const FREEZE_MS: u64 = 5_000;
const CUT_DATABASE_MS: u64 = 6_000;
const CUT_XERO_MS: u64 = 5_000;
const DOWN_MS: u64 = 12_000;
const EXPIRE_TOKENS_MS: u64 = 8_000;
/// Of one storm. With a second one a program that still has the first token finds the second refused as well, and says
/// that the connection needs a new consent although the refresh token is good.
const EXPIRIES: usize = 1;
const SYNC_MS: u64 = 1_200;
const COMMAND_MS: u64 = 5_000;
const KILL_COMMAND_MS: u64 = 8_000;

/// Everything that a storm goes over.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) xero: Xero,
    pub(crate) fleet: Fleet,
    pub(crate) to_xero: Proxy,
    /// SQLite has none.
    pub(crate) to_database: Option<Proxy>,
    pub(crate) length: Duration,
    pub(crate) dice: Dice,
    /// Programs that died and whose leases are ended by hand: their time is passed, not waited for.
    released: BTreeSet<String>,
    waited_for: BTreeSet<String>,
    /// Answers to syncs that were asked for over REST.
    answers: Arc<Mutex<BTreeMap<u16, usize>>>,
    cut_off: i64,
    expired: usize,
}

impl Stage {
    pub(crate) fn new(
        (app, xero): (App, Xero),
        fleet: Fleet,
        (to_xero, to_database): (Proxy, Option<Proxy>),
        length: Duration,
        dice: Dice,
    ) -> Self {
        Self {
            app,
            xero,
            fleet,
            to_xero,
            to_database,
            length,
            dice,
            released: BTreeSet::new(),
            waited_for: BTreeSet::new(),
            answers: Arc::default(),
            cut_off: 0,
            expired: 0,
        }
    }

    pub(crate) fn is_long(&self) -> bool {
        self.length >= LONG
    }

    fn set_wild(&self, is_wild: bool) {
        self.to_xero.set_wild(is_wild);
        self.to_database.iter().for_each(|proxy| proxy.set_wild(is_wild));
    }

    /// The storm, from its beginning to its end.
    pub(crate) async fn blow(&mut self, work: &mut Work) {
        self.xero.control("POST", "faults", Some(FAULTS.into())).await.unwrap();
        if self.is_long() {
            self.xero.control("POST", "faults", Some(LASTING_FAULTS.into())).await.unwrap();
        }
        self.set_wild(true);
        let begun = Instant::now();
        let (mut last, mut told) = (Instant::now(), 0);
        while begun.elapsed() < self.length {
            tokio::time::sleep(Duration::from_millis(self.dice.between(10, 60))).await;
            // By real time: a slow machine has a storm of the same length with fewer edits in it.
            let passed_ms = u64::try_from(last.elapsed().as_millis()).unwrap().min(1_000);
            last = Instant::now();
            self.fleet.look_after().await;
            self.harm(passed_ms).await;
            self.harm_at_least_once(begun.elapsed());
            self.end_leases().await;
            self.ask_for_syncs(passed_ms);
            if self.dice.below(10) < 6 {
                let side = if self.dice.one_in(2) { By::App } else { By::Xero };
                work.edit(side, &self.app, &self.xero).await;
            }
            if begun.elapsed().as_secs() / 5 > told {
                told = begun.elapsed().as_secs() / 5;
                work.look_round(&self.app).await;
            }
        }
    }

    /// Whether something that happens once in so many milliseconds happens in these.
    fn happens(&mut self, once_in_ms: u64, passed_ms: u64) -> bool {
        self.dice.below(once_in_ms) < passed_ms
    }

    async fn harm(&mut self, passed_ms: u64) {
        let servers = u64::try_from(self.fleet.servers()).unwrap();
        let one = usize::try_from(self.dice.below(servers)).unwrap();
        if self.happens(KILL_MS, passed_ms) {
            let down_ms = self.dice.between(0, 1_500);
            self.fleet.kill(one, down_ms);
        } else if self.happens(FREEZE_MS, passed_ms) {
            // Long enough for a lease to be taken over, in a long storm.
            let longest = if self.is_long() && self.dice.one_in(4) { 90_000 } else { 8_000 };
            let for_ms = self.dice.between(1_000, longest);
            self.fleet.freeze(one, for_ms);
        }
        if self.happens(CUT_DATABASE_MS, passed_ms) {
            self.cut_database().await;
        }
        if self.happens(CUT_XERO_MS, passed_ms) {
            self.to_xero.cut_all();
        }
        if self.happens(DOWN_MS, passed_ms) {
            let for_ms = self.dice.between(300, 2_500);
            match &self.to_database {
                Some(proxy) if self.dice.one_in(2) => proxy.go_down(for_ms),
                _ => self.to_xero.go_down(for_ms),
            }
        }
        if self.expired < EXPIRIES && self.happens(EXPIRE_TOKENS_MS, passed_ms) {
            self.expired += 1;
            self.xero.control("POST", "tokens/expire", None).await.unwrap();
        }
    }

    /// However the dice fall: a storm has a kill in its first half and a stop in its second.
    fn harm_at_least_once(&mut self, passed: Duration) {
        if passed > self.length / 3 && !self.fleet.counts.contains_key("kill -9") {
            self.fleet.kill(0, 500);
        }
        if passed > self.length / 2 && !self.fleet.counts.contains_key("SIGSTOP") {
            self.fleet.freeze(0, 2_000);
        }
    }

    /// Connections to the database are cut by the server, or on the way.
    async fn cut_database(&mut self) {
        let Some(proxy) = &self.to_database else { return };
        if self.dice.one_in(3) {
            proxy.cut_all();
            return;
        }
        let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name LIKE 'chaos-%' ORDER BY random() LIMIT 2) p";
        self.cut_off += self.app.number(sql).await;
    }

    fn ask_for_syncs(&mut self, passed_ms: u64) {
        if self.happens(SYNC_MS, passed_ms) {
            let at = usize::try_from(self.dice.below(u64::try_from(self.fleet.servers()).unwrap())).unwrap();
            let path = match self.dice.below(8) {
                0 => "sync/full?wait=true",
                1 | 2 => "push",
                _ => "sync/incremental?wait=true",
            };
            let (asked, answers) = (self.fleet.call(at, path), Arc::clone(&self.answers));
            tokio::spawn(async move {
                let (status, _) = asked.await;
                *answers.lock().unwrap().entry(status).or_default() += 1;
            });
        }
        // On SQLite one program has the file for itself.
        if self.to_database.is_some() && self.happens(COMMAND_MS, passed_ms) {
            self.fleet.command(&["sync"]);
        }
        if self.happens(KILL_COMMAND_MS, passed_ms) {
            self.fleet.kill_command();
        }
    }

    /// A dead program's leases hold for up to a minute. In a short storm, and for most of the dead in a long one, that time
    /// is passed by hand; who is only frozen keeps what it has.
    pub(crate) async fn end_leases(&mut self) {
        if self.to_database.is_none() {
            return;
        }
        for name in self.fleet.dead() {
            if !self.released.contains(&name) && !self.waited_for.contains(&name) {
                let is_waited_for = self.is_long() && self.dice.one_in(8);
                if is_waited_for {
                    self.waited_for.insert(name)
                } else {
                    self.released.insert(name)
                };
            }
        }
        if self.released.is_empty() {
            return;
        }
        let names: Vec<String> = self.released.iter().map(|name| format!("'{name}'")).collect();
        let sql = format!(
            "UPDATE leases SET lease_until = now() WHERE lease_until > now() AND holder IN \
             (SELECT holder FROM chaos_holders WHERE process IN ({}))",
            names.join(", ")
        );
        // Whoever is at it holds the row; the next look ends it.
        let _ = self.app.rows(&sql).await;
    }

    /// A program that lost its database cannot give its lease back, and nobody else takes it before it ends. Whoever works
    /// under a lease renews it every 20 seconds: after 25 the rest of its minute is passed by hand.
    async fn end_forgotten_leases(&self) {
        if self.to_database.is_some() && !self.is_long() {
            let sql = "UPDATE leases SET lease_until = now() \
                       WHERE lease_until > now() AND lease_until < now() + interval '35 seconds'";
            self.app.rows(sql).await.unwrap();
        }
    }

    /// Faults and cuts stop, and everybody is up.
    pub(crate) async fn clear_up(&mut self) {
        self.set_wild(false);
        let faults = self.xero.control("GET", "faults", None).await.unwrap();
        self.xero.control("DELETE", "faults", None).await.unwrap();
        println!("faults of Xero: {}", fired(&faults));
        self.fleet.bring_up(Duration::from_secs(30)).await;
    }

    /// Syncs until nothing is left to do; what is still open when the time is over.
    pub(crate) async fn come_to_rest(&mut self, within: Duration) -> Result<Duration, String> {
        let begun = Instant::now();
        let (mut quiet, mut last) = (0, String::new());
        for round in 0.. {
            self.fleet.look_after().await;
            self.end_leases().await;
            self.end_forgotten_leases().await;
            for brake in self.app.ids("SELECT id FROM brakes WHERE state = 'OPEN'").await {
                let approved = self.fleet.call(0, &format!("brakes/{brake}/approve")).await;
                println!("brake {brake} approved: {}", approved.0);
            }
            let (status, said) = self.fleet.call(round % self.fleet.servers(), "sync/incremental?wait=true").await;
            let open = self.open().await;
            quiet = if status == 200 && open.is_empty() { quiet + 1 } else { 0 };
            if quiet == 2 {
                return Ok(begun.elapsed());
            }
            last = format!("last sync {status} {}; open: {open:?}", said.chars().take(300).collect::<String>());
            // A request without answer that may not be sent again is looked for when it cannot land any more.
            let is_lost = open.iter().any(|one| one.contains(" UNKNOWN"));
            if begun.elapsed() > if is_lost { crate::REST_AFTER_LONG } else { within } {
                break;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Err(last)
    }

    /// Work that nobody has brought to its end: what `tieout status` counts as pending, but for what waits for a person to
    /// say whether two records are one.
    async fn open(&self) -> Vec<String> {
        let mut open = Vec::new();
        for sql in [
            "SELECT 'captured ' || kind || ' ' || local_id || COALESCE(' until ' || not_before, '') FROM captures \
             WHERE NOT EXISTS (SELECT 1 FROM candidates WHERE candidates.kind = captures.kind \
             AND candidates.local_id = captures.local_id AND candidates.state = 'OPEN')",
            "SELECT op || ' ' || kind || ' ' || local_id || ' ' || state || COALESCE(' until ' || not_before, '') \
             FROM intents WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')",
            "SELECT 'request ' || id || ' ' || state FROM sends WHERE state = 'SENDING'",
        ] {
            open.extend(self.app.texts(sql).await);
        }
        open
    }

    /// What was done, for whoever reads the test's output.
    pub(crate) async fn tell(&self, work: &Work) {
        let sql = "SELECT COUNT(*) || ' ' || direction || ' ' || state || COALESCE(' ' || error_code, '') FROM runs \
                   GROUP BY direction, state, error_code ORDER BY 1";
        println!("runs: {:?}", self.app.texts(sql).await);
        println!("programs: {:?}; backends ended: {}", self.fleet.counts, self.cut_off);
        println!("to xero: {:?}", self.to_xero.counts());
        if let Some(proxy) = &self.to_database {
            println!("to the database: {:?}", proxy.counts());
        }
        println!("syncs over rest, by status: {:?}", self.answers.lock().unwrap());
        println!("edits: {} {:?}", work.edits(), work.done);
        println!("edits not taken: {:?}", work.refused);
    }
}

/// Rules that fired, with how often.
fn fired(faults: &serde_json::Value) -> String {
    let rules = faults.as_array().into_iter().flatten().filter(|rule| rule["fired"] != 0);
    let shown: Vec<String> =
        rules.map(|rule| format!("{} {}", rule["rule"].as_str().unwrap_or_default(), rule["fired"])).collect();
    shown.join("; ")
}
