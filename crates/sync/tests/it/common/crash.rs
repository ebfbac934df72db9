//! Crashes at chosen places: a process that dies with its request on the wire, before or after Xero carried it out, one
//! that is frozen before it sends, and one whose answer comes after somebody else took over.
//!
//! What came of it is judged by the emulator's own log and books alone.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use emulator::{Call, FaultRule, Size};
use jiff::Timestamp;
use model::{ConnectionId, Kind, OrgId};
use serde_json::Value;
use store::{Mode, Store};
use sync::{Engine, EngineParts, EngineSettings, Error, PushOutcome, Vault};
use tokio::sync::Notify;
use uuid::Uuid;
use xero::oauth::{ClientCredentials, OAuthClient};
use xero::{
    Client, ClientSettings, Clock, Endpoints, Governor, Lane, Limited, Permit, Request, Response, Secret, Seen,
    SystemEntropy, TenantId, Transport, TransportError,
};

use super::sql::App;
use super::{Wire, World, assert_agreement, plan, sync_now};

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// The process dies before the first byte leaves.
    DieBefore,
    /// The process dies after Xero carried it out, before the answer arrives.
    DieAfter,
    /// The connection is refused.
    NotSent,
    /// It waits on its way to Xero until the test lets it through.
    HoldBefore,
    /// Xero carries it out; the answer waits until the test lets it through.
    HoldAfter,
}

/// The wire with traps in it.
pub struct Traps {
    wire: Arc<Wire>,
    set: Mutex<Option<(String, String, Trap)>>,
    freezes: AtomicBool,
    /// The whole process stands still: its keeper of the lease too.
    is_frozen: Arc<AtomicBool>,
    arrived: Notify,
    is_released: AtomicBool,
    writes: Mutex<Vec<(String, Value)>>,
}

impl Traps {
    /// The next request of this method whose path contains `path` is caught.
    pub fn set(&self, method: &str, path: &str, trap: Trap) {
        *self.set.lock().unwrap() = Some((method.to_owned(), path.to_owned(), trap));
    }

    /// The process freezes at the last moment before its next call leaves.
    pub fn freeze_next(&self) {
        self.freezes.store(true, Ordering::SeqCst);
    }

    /// Every keeper of a lease goes on.
    pub fn thaw(&self) {
        self.is_frozen.store(false, Ordering::SeqCst);
    }

    async fn released(&self) {
        while !self.is_released.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Until something is caught.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
    }

    /// Lets it go on, into another trap.
    pub fn set_and_release(&self, method: &str, path: &str, trap: Trap) {
        self.set(method, path, trap);
        self.release();
    }

    /// Method and path, and body, of every write that left so far; taken away.
    pub fn take_writes(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.writes.lock().unwrap())
    }

    fn caught(&self, request: &Request) -> Option<Trap> {
        let mut set = self.set.lock().unwrap();
        let (method, path, trap) = set.as_ref()?;
        let is_met = request.method.as_str() == method && request.url.path().contains(path.as_str());
        let trap = *trap;
        is_met.then(|| {
            *set = None;
            trap
        })
    }

    async fn pass(&self, request: Request) -> Result<Response, TransportError> {
        if request.method != http::Method::GET && request.url.path().starts_with("/api.xro") {
            let body = serde_json::from_slice(&request.body).unwrap_or_default();
            let place = format!("{} {}", request.method, request.url.path().trim_start_matches("/api.xro/2.0/"));
            self.writes.lock().unwrap().push((place, body));
        }
        self.wire.send(request).await
    }
}

#[async_trait]
impl Transport for Traps {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let Some(trap) = self.caught(&request) else { return self.pass(request).await };
        let answer = match trap {
            Trap::NotSent => return Err(TransportError::NotSent("connection refused".into())),
            Trap::DieBefore | Trap::HoldBefore => None,
            Trap::DieAfter | Trap::HoldAfter => Some(self.pass(request.clone()).await),
        };
        self.is_released.store(false, Ordering::SeqCst);
        self.arrived.notify_one();
        match (trap, answer) {
            (Trap::HoldAfter, Some(answer)) => {
                self.released().await;
                answer
            }
            (Trap::HoldBefore, None) => {
                self.released().await;
                self.pass(request).await
            }
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Governor for Traps {
    async fn admit(&self, tenant: Option<&TenantId>, _lane: Lane) -> Result<Permit, Limited> {
        if tenant.is_some() && self.freezes.swap(false, Ordering::SeqCst) {
            self.is_frozen.store(true, Ordering::SeqCst);
            self.is_released.store(false, Ordering::SeqCst);
            self.arrived.notify_one();
            self.released().await;
        }
        Ok(Permit::free())
    }

    fn observe(&self, _tenant: Option<&TenantId>, _seen: &Seen) -> Option<Limited> {
        None
    }
}

/// Virtual time: who waits moves it on. Only the keeper of the lease waits for others to do so.
#[derive(Clone)]
struct WaitingMoves(emulator::Clock, Arc<AtomicBool>);

/// A third of a lease.
const KEEPER: Duration = Duration::from_secs(20);

#[async_trait]
impl Clock for WaitingMoves {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.now()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.0.now() + i64::try_from(duration.as_millis()).unwrap();
        while self.0.now() < until || duration == KEEPER && self.1.load(Ordering::SeqCst) {
            if duration != KEEPER {
                // In steps, so that the keeper gets its turn.
                self.0.advance((until - self.0.now()).min(10_000));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A record that is made in the App, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    Contact,
    Invoice,
    InvoiceWithoutNumber,
    Bill,
    BillWithoutNumber,
    Payment,
    BankTransaction,
}

impl Case {
    pub const ALL: [Self; 7] = [
        Self::Contact,
        Self::Invoice,
        Self::InvoiceWithoutNumber,
        Self::Bill,
        Self::BillWithoutNumber,
        Self::Payment,
        Self::BankTransaction,
    ];

    pub fn kind(self) -> Kind {
        match self {
            Self::Contact => Kind::Customer,
            Self::Payment => Kind::Payment,
            Self::BankTransaction => Kind::BankTransaction,
            _ => Kind::Invoice,
        }
    }

    pub fn endpoint(self) -> &'static str {
        match self.kind() {
            Kind::Customer => "Contacts",
            Kind::Payment => "Payments",
            Kind::BankTransaction => "BankTransactions",
            _ => "Invoices",
        }
    }

    pub fn table(self) -> &'static str {
        match self.kind() {
            Kind::Customer => "customers",
            Kind::Payment => "payments",
            Kind::BankTransaction => "bank_transactions",
            _ => "invoices",
        }
    }

    pub fn id_name(self) -> &'static str {
        match self.kind() {
            Kind::Customer => "ContactID",
            Kind::Payment => "PaymentID",
            Kind::BankTransaction => "BankTransactionID",
            _ => "InvoiceID",
        }
    }

    /// A field of the App's row that can be edited while the record is on its way.
    pub fn edit(self, id: &str, text: &str) -> String {
        let field = if self == Self::Contact { "email" } else { "reference" };
        let text =
            if self == Self::Contact { format!("{}@edit.test", text.replace(' ', ".")) } else { text.to_owned() };
        format!("UPDATE {} SET {field} = '{text}' WHERE id = {id}", self.table())
    }
}

/// A record that the App has just made, and what Xero held before.
#[derive(Debug)]
pub struct Made {
    pub case: Case,
    pub local: String,
    before: BTreeSet<String>,
}

/// A connected organisation whose books were read once.
pub struct Stage {
    pub world: World,
    pub traps: Arc<Traps>,
    pub app: App,
    pub id: ConnectionId,
    pub org: OrgId,
    count: AtomicI64,
    /// The App deleted rows, which Xero shows as removed for ever: counts differ then.
    pub has_deleted_rows: AtomicBool,
}

impl Stage {
    pub async fn new(url: String) -> Self {
        let mut config = plan(Size { lines: None, ..Size::of_invoices(20) });
        config.clock = emulator::Clock::frozen(1_790_000_000_000);
        let world = World::new(config, url.clone());
        let traps = Arc::new(Traps {
            wire: Arc::clone(&world.wire),
            set: Mutex::default(),
            freezes: AtomicBool::new(false),
            arrived: Notify::new(),
            is_released: AtomicBool::new(false),
            is_frozen: Arc::default(),
            writes: Mutex::default(),
        });
        let app = {
            world.engine().await;
            App::open(&url).await
        };
        let mut stage = Self {
            world,
            traps,
            app,
            id: ConnectionId(0),
            org: OrgId(0),
            count: AtomicI64::new(0),
            has_deleted_rows: AtomicBool::new(false),
        };
        let engine = stage.engine().await;
        stage.id = stage.world.connect(&engine).await;
        stage.org = engine.connection(stage.id).await.unwrap().org;
        sync_now(&engine, stage.id, Mode::Full).await;
        stage
    }

    /// A process: the last one is dead, and the time of its leases is over.
    pub async fn engine(&self) -> Engine {
        self.end_leases().await;
        let endpoints = Endpoints::at("http://emulator.test".parse().unwrap());
        let clock = WaitingMoves(self.world.clock.0.clone(), Arc::clone(&self.traps.is_frozen));
        let now = clock.clone();
        let app = &self.world.emulator.config().app;
        let credentials = ClientCredentials {
            client_id: app.client_id.clone(),
            client_secret: app.client_secret.clone().map(Secret::new),
        };
        let settings = EngineSettings { redirect_uri: "http://localhost:8787/callback".into(), ..Default::default() };
        let store = Store::open(&self.world.url, Arc::new(move || now.now())).await.unwrap();
        let governor = Arc::clone(&self.traps);
        Engine::start(EngineParts {
            store: super::clock::with_clock(store, &self.world.url, self.world.clock.0.clone()).await,
            client: Client::new(
                ClientSettings::new(endpoints.clone()),
                self.traps.clone(),
                Arc::new(clock.clone()),
                governor,
            ),
            oauth: OAuthClient::new(endpoints, credentials, self.traps.clone()),
            vault: Vault::new(&Secret::new("0a".repeat(32))).unwrap(),
            clock: Arc::new(clock),
            entropy: Arc::new(SystemEntropy),
            settings,
        })
        .await
        .unwrap()
    }

    /// The time of every lease is over.
    pub async fn end_leases(&self) {
        self.app.run("UPDATE leases SET lease_until = '2000-01-01T00:00:00.000Z'").await;
    }

    pub fn later(&self, seconds: i64) {
        self.world.clock.0.advance(seconds * 1_000);
    }

    pub fn fault(&self, rule: &str) {
        self.world.emulator.add_fault(rule.parse::<FaultRule>().unwrap());
    }

    /// A round. What is left of a dead process may still hold the lease for a moment.
    pub async fn push(&self, engine: &Engine) -> Result<PushOutcome, Error> {
        for _ in 0..200 {
            match engine.push(self.id, "test").await {
                Err(Error::Busy) => tokio::time::sleep(Duration::from_millis(5)).await,
                done => return done,
            }
        }
        panic!("the lease is held for ever");
    }

    pub async fn pushed(&self, engine: &Engine) -> PushOutcome {
        self.push(engine).await.unwrap()
    }

    /// A round in which the process dies.
    pub async fn push_and_die(&self, engine: Engine, method: &str, path: &str, trap: Trap) {
        self.traps.set(method, path, trap);
        tokio::select! {
            ended = self.push(&engine) => panic!("it ended before it met the trap: {ended:?}"),
            () = self.traps.arrived() => {}
        }
        drop(engine);
    }

    /// From now on the database refuses new rows of a table: the transaction that writes one is lost as in a crash.
    pub async fn break_inserts(&self, table: &str) {
        match &self.app {
            App::Sqlite(connection) => connection
                .execute_batch(&format!(
                    "CREATE TRIGGER crash BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'crash'); END"
                ))
                .unwrap(),
            App::Postgres(client) => client
                .batch_execute(&format!(
                    "CREATE OR REPLACE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS \
                     $$ BEGIN RAISE EXCEPTION 'crash'; END $$; \
                     CREATE TRIGGER crash BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION crash()"
                ))
                .await
                .unwrap(),
        }
    }

    pub async fn mend_inserts(&self, table: &str) {
        let sql = match &self.app {
            App::Sqlite(_) => "DROP TRIGGER crash".to_owned(),
            App::Postgres(_) => format!("DROP TRIGGER crash ON {table}"),
        };
        self.app.run(&sql).await;
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.app.text(&format!("SELECT COUNT(*) AS c FROM {sql}")).await.unwrap().parse().unwrap()
    }

    /// An amount as a column takes it.
    pub fn amount(&self, whole: i64) -> i64 {
        if matches!(self.app, App::Sqlite(_)) { whole * 10_000 } else { whole }
    }

    async fn first(&self, table: &str, rest: &str) -> String {
        self.app.text(&format!("SELECT MIN(id) AS c FROM {table} WHERE {rest}")).await.unwrap()
    }

    async fn newest(&self, table: &str) -> String {
        self.app.text(&format!("SELECT MAX(id) AS c FROM {table}")).await.unwrap()
    }

    /// A document of the App's with two lines; `number` is an SQL value.
    pub async fn add_invoice(&self, kind: &str, number: &str) -> String {
        let customer = self.first("customers", "status = 'ACTIVE'").await;
        self.app
            .run(&format!(
                "INSERT INTO invoices (org_id, type, number, customer_id, date, due_date, status, currency) \
                 VALUES ({}, '{kind}', {number}, {customer}, '2026-06-01', '2026-07-01', 'SENT', 'NZD')",
                self.org
            ))
            .await;
        let id = self.newest("invoices").await;
        self.add_lines("invoice", &id, if kind == "ACCREC" { "200" } else { "429" }).await;
        id
    }

    async fn add_lines(&self, of: &str, id: &str, account: &str) {
        for position in 1..=2 {
            self.app
                .run(&format!(
                    "INSERT INTO {of}_lines ({of}_id, position, description, quantity, unit_amount, account_code) \
                     VALUES ({id}, {position}, 'Work {position}', {}, {}, '{account}')",
                    self.amount(position),
                    self.amount(30)
                ))
                .await;
        }
    }

    /// A payment of the App's.
    pub async fn add_payment(&self, invoice: &str, whole: i64) -> String {
        let account = self.first("accounts", "type = 'BANK' AND status = 'ACTIVE'").await;
        self.app
            .run(&format!(
                "INSERT INTO payments (org_id, invoice_id, account_id, date, amount) \
                 VALUES ({}, {invoice}, {account}, '2026-06-15', {})",
                self.org,
                self.amount(whole)
            ))
            .await;
        self.newest("payments").await
    }

    async fn add(&self, case: Case, engine: &Engine) -> String {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        match case {
            Case::Contact => {
                let sql = "INSERT INTO customers (org_id, name, email) VALUES";
                let org = self.org;
                self.app.run(&format!("{sql} ({org}, 'Made {number}', 'm{number}@made.test')")).await;
                self.newest("customers").await
            }
            Case::Invoice => self.add_invoice("ACCREC", &format!("'CR-{number}'")).await,
            Case::InvoiceWithoutNumber => self.add_invoice("ACCREC", "NULL").await,
            Case::Bill => self.add_invoice("ACCPAY", &format!("'B-{number}'")).await,
            Case::BillWithoutNumber => self.add_invoice("ACCPAY", "NULL").await,
            Case::Payment => {
                let invoice = self.add_invoice("ACCREC", &format!("'PAY-{number}'")).await;
                self.pushed(engine).await;
                self.add_payment(&invoice, 10).await
            }
            Case::BankTransaction => {
                let account = self.first("accounts", "type = 'BANK' AND status = 'ACTIVE'").await;
                let customer = self.first("customers", "status = 'ACTIVE'").await;
                self.app
                    .run(&format!(
                        "INSERT INTO bank_transactions (org_id, type, customer_id, account_id, date, currency) \
                         VALUES ({}, 'SPEND', {customer}, {account}, '2026-06-20', 'NZD')",
                        self.org
                    ))
                    .await;
                let id = self.newest("bank_transactions").await;
                self.add_lines("bank_transaction", &id, "429").await;
                id
            }
        }
    }

    /// Makes a record in the App, which Xero does not know yet.
    pub async fn make(&self, case: Case, engine: &Engine) -> Made {
        let local = self.add(case, engine).await;
        Made { case, local, before: self.ids(case) }
    }

    fn ids(&self, case: Case) -> BTreeSet<String> {
        let rows = self.world.emulator.person(self.tenant()).list(case.endpoint()).unwrap();
        rows.iter().map(|row| row[case.id_name()].as_str().unwrap().to_owned()).collect()
    }

    pub fn tenant(&self) -> Uuid {
        self.world.emulator.tenants()[0]
    }

    /// Ids of what Xero has got since the record was made.
    pub fn arrived(&self, made: &Made) -> Vec<String> {
        self.ids(made.case).difference(&made.before).cloned().collect()
    }

    /// Calls of the accounting API to an endpoint, without late arrivals of earlier ones.
    pub fn calls(&self, method: &str, endpoint: &str) -> Vec<Call> {
        let path = format!("/api.xro/2.0/{endpoint}");
        let is_it = |call: &Call| {
            call.method == method && call.target.starts_with(&path) && call.fault.as_deref() != Some("delivered")
        };
        self.world.emulator.log().into_iter().filter(is_it).collect()
    }

    pub fn puts(&self, made: &Made) -> usize {
        self.calls("PUT", made.case.endpoint()).len()
    }

    /// The state of the record's newest intent.
    pub async fn state(&self, made: &Made) -> String {
        let (kind, local) = (made.case.kind(), &made.local);
        let sql =
            format!("SELECT state AS c FROM intents WHERE kind = '{kind}' AND local_id = {local} ORDER BY id DESC");
        self.app.text(&format!("{sql} LIMIT 1")).await.unwrap_or_default()
    }

    /// The Xero id that a record of the App is linked with.
    pub async fn link(&self, kind: Kind, local: &str) -> Option<String> {
        let column = match self.app {
            App::Sqlite(_) => "lower(hex(xero_id))",
            App::Postgres(_) => "replace(CAST(xero_id AS TEXT), '-', '')",
        };
        let sql = format!("SELECT {column} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
        Some(Uuid::parse_str(&self.app.text(&sql).await?).unwrap().to_string())
    }

    /// Xero has the record exactly once, and it is linked with that one.
    pub async fn assert_once(&self, made: &Made) {
        let arrived = self.arrived(made);
        assert_eq!(arrived.len(), 1, "{made:?}");
        let linked = self.link(made.case.kind(), &made.local).await;
        assert_eq!(linked.as_ref(), arrived.first(), "{made:?}");
        assert_eq!(self.state(made).await, "DONE", "{made:?}");
    }

    /// Nothing is left to do: rounds in both directions write nothing, both sides agree, and no key was misused.
    pub async fn assert_at_rest(&self, engine: &Engine) {
        let writes = |of: &Self| of.world.emulator.counters(of.tenant()).unwrap().write_calls();
        let before = writes(self);
        self.pushed(engine).await;
        let pulled = sync_now(engine, self.id, Mode::Incremental).await.total();
        self.pushed(engine).await;
        assert_eq!(writes(self), before, "a write at rest");
        assert_eq!((pulled.created, pulled.sent_created, pulled.sent_updated, pulled.sent_removed), (0, 0, 0, 0));
        assert_eq!(self.count("captures").await, 0);
        assert_eq!(self.count("intents WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')").await, 0);
        assert_eq!(self.count("sends WHERE state = 'SENDING'").await, 0);
        if !self.has_deleted_rows.load(Ordering::SeqCst) {
            assert_agreement(engine, self.id).await;
        }
        self.judge();
    }

    /// The rules of sending, by the emulator's log.
    pub fn judge(&self) {
        let counters = self.world.emulator.counters(self.tenant()).unwrap();
        assert_eq!(counters.keys_misused, 0);
        assert_eq!(counters.writes_without_key, 0);
        assert_eq!(counters.contacts_by_documents, 0);
        assert_eq!(counters.lines_recreated_unintended, 0);
        let writes: Vec<Call> = ["PUT", "POST"].iter().flat_map(|method| self.calls(method, "")).collect();
        let mut by_key: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        let mut by_body: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
        for call in &writes {
            by_key.entry(call.idempotency_key.as_deref().expect("a key")).or_default().push(call);
            if call.method == "PUT" {
                by_body.entry((&call.target, call.body_hash.as_deref().unwrap_or_default())).or_default().push(call);
            }
        }
        for (key, calls) in &by_key {
            let first = calls[0];
            for call in calls {
                assert_eq!(
                    (&call.target, &call.body_hash),
                    (&first.target, &first.body_hash),
                    "two bodies under {key}"
                );
                // What was refused before it was looked at starts no time.
                let is_counted = calls.iter().filter(|other| other.status != 429).map(|other| other.at).min();
                let since = call.at - is_counted.unwrap_or(call.at);
                assert!(since <= 91_000, "{key} was used again after {since} ms");
            }
        }
        for calls in by_body.values() {
            for pair in calls.windows(2) {
                let (old, new) = (pair[0], pair[1]);
                if old.idempotency_key == new.idempotency_key || matches!(old.status, 400..500) {
                    continue;
                }
                assert!(new.at - old.at > 300_000, "sent anew {} ms after the last time", new.at - old.at);
                let endpoint = old.target.split(['?']).next().unwrap_or_default().trim_start_matches("/api.xro/2.0/");
                let mut looks: Vec<i64> = self
                    .calls("GET", endpoint)
                    .iter()
                    .filter(|look| look.at - old.at > 240_000 && look.number < new.number && look.status == 200)
                    .map(|look| look.at)
                    .collect();
                looks.sort_unstable();
                let apart = looks.last().unwrap_or(&0) - looks.first().unwrap_or(&0);
                assert!(apart >= 60_000, "sent anew after looks that were {apart} ms apart");
            }
        }
    }
}

/// The scenario with every case in turn, each with a new process; afterwards each record is in Xero once and all is calm.
pub async fn for_every(url: String, cases: &[Case], scenario: impl AsyncFn(&Stage, Engine, &Made)) {
    let stage = Stage::new(url).await;
    for case in cases {
        let engine = stage.engine().await;
        let made = stage.make(*case, &engine).await;
        scenario(&stage, engine, &made).await;
        assert_eq!(stage.world.emulator.clear_faults(), 0, "a fault never struck: {made:?}");
        let engine = stage.engine().await;
        stage.assert_once(&made).await;
        stage.assert_at_rest(&engine).await;
    }
}
