//! A proxy between a program and what it depends on, which has bad days: it refuses, cuts before a request, after it, in
//! the middle of its answer, delays and stalls. It knows no protocol but one rule: what a client sends after a silence is
//! a request, what comes back is its answer.
//!
//! In calm weather it only passes bytes on. It also keeps the writes that it let through to Xero, with their times: what
//! was on its way when somebody else changed the same record is known from here, and not from the programs under test.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::dice::Dice;
use crate::now_ms;

/// Chances are out of so many.
const OF: u64 = 100_000;
/// What is kept of a request: its head and a batch of fifty documents.
const KEPT: usize = 1 << 20;

/// How bad the weather is: chances out of 100,000 for each request, `refuse` for each connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Odds {
    pub(crate) refuse: u64,
    pub(crate) cut_before: u64,
    /// The request is passed on and the connection cut at once: nobody knows whether it was carried out.
    pub(crate) cut_after: u64,
    /// The request is carried out and its answer never passed on.
    pub(crate) cut_answer: u64,
    pub(crate) cut_in_answer: u64,
    pub(crate) delay: u64,
    pub(crate) stall: u64,
    /// The longest delay and stall, in milliseconds.
    pub(crate) longest_ms: u64,
}

impl Odds {
    /// Between the programs and Xero: every tenth request or so goes wrong.
    pub(crate) const XERO: Self = Self {
        refuse: 4_000,
        cut_before: 2_000,
        cut_after: 2_000,
        cut_answer: 2_500,
        cut_in_answer: 1_500,
        delay: 4_000,
        stall: 2_000,
        longest_ms: 3_000,
    };
    /// Between the programs and their database: a round takes hundreds of statements.
    pub(crate) const DATABASE: Self = Self {
        refuse: 1_000,
        cut_before: 25,
        cut_after: 25,
        cut_answer: 40,
        cut_in_answer: 20,
        delay: 60,
        stall: 30,
        longest_ms: 2_000,
    };
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    CutBefore,
    CutAfter,
    CutAnswer,
    CutInAnswer,
    Delay(u64),
    Stall(u64),
}

/// A write that was passed on to Xero.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    /// When its first and its last byte were passed on, in milliseconds since 1970.
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) text: String,
}

struct Inner {
    upstream: SocketAddr,
    odds: Odds,
    keeps_writes: bool,
    is_wild: AtomicBool,
    down_ms: AtomicU64,
    goes_down: Notify,
    cut: watch::Sender<u64>,
    dice: Mutex<Dice>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    passed: Mutex<Vec<Passed>>,
}

/// A proxy on a port of its own. It ends when it is dropped, and its connections with it.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    inner: Arc<Inner>,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr, odds: Odds, keeps_writes: bool, dice: Dice) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            upstream,
            odds,
            keeps_writes,
            is_wild: AtomicBool::new(false),
            down_ms: AtomicU64::new(0),
            goes_down: Notify::new(),
            cut: watch::Sender::new(0),
            dice: Mutex::new(dice),
            counts: Mutex::default(),
            passed: Mutex::default(),
        });
        let listening = tokio::spawn(listen(Arc::clone(&inner), listener, port));
        Self { port, inner, listening }
    }

    pub(crate) fn set_wild(&self, is_wild: bool) {
        self.inner.is_wild.store(is_wild, Ordering::SeqCst);
    }

    /// Cuts every connection that stands now.
    pub(crate) fn cut_all(&self) {
        self.inner.count("all cut");
        self.inner.cut.send_modify(|times| *times += 1);
    }

    /// Nobody listens for so long: connections are refused.
    pub(crate) fn go_down(&self, for_ms: u64) {
        self.inner.count("down");
        self.inner.down_ms.store(for_ms, Ordering::SeqCst);
        self.inner.goes_down.notify_one();
    }

    /// What went wrong, how often.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.inner.counts.lock().unwrap().clone()
    }

    /// The writes that were passed on, in the order of their ends.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.inner.passed.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.inner.cut.send_modify(|times| *times += 1);
    }
}

impl Inner {
    fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    fn is_refused(&self) -> bool {
        self.is_wild.load(Ordering::SeqCst) && self.dice.lock().unwrap().below(OF) < self.odds.refuse
    }

    fn fate(&self) -> Fate {
        if !self.is_wild.load(Ordering::SeqCst) {
            return Fate::Pass;
        }
        let odds = &self.odds;
        let mut dice = self.dice.lock().unwrap();
        let mut rest = dice.below(OF);
        let wait_ms = dice.between(50, odds.longest_ms);
        drop(dice);
        let fates = [
            (odds.cut_before, Fate::CutBefore, "cut before the request"),
            (odds.cut_after, Fate::CutAfter, "cut behind the request"),
            (odds.cut_answer, Fate::CutAnswer, "cut before the answer"),
            (odds.cut_in_answer, Fate::CutInAnswer, "cut in the answer"),
            (odds.delay, Fate::Delay(wait_ms), "delayed"),
            (odds.stall, Fate::Stall(wait_ms), "stalled"),
        ];
        for (odds, fate, name) in fates {
            if rest < odds {
                self.count(name);
                return fate;
            }
            rest -= odds;
        }
        Fate::Pass
    }

    fn keep(&self, request: &mut Request) {
        let is_write = request.bytes.starts_with(b"PUT /api.xro") || request.bytes.starts_with(b"POST /api.xro");
        if self.keeps_writes && is_write && request.until_ms > 0 {
            let text = String::from_utf8_lossy(&request.bytes).into_owned();
            let passed = Passed { from_ms: request.from_ms, until_ms: request.until_ms, text };
            self.passed.lock().unwrap().push(passed);
        }
        *request = Request::default();
    }
}

async fn listen(inner: Arc<Inner>, first: TcpListener, port: u16) {
    let mut listener = first;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                if inner.is_refused() {
                    inner.count("refused");
                    continue;
                }
                // Subscribed before anything is awaited: a cut from now on cuts this one too.
                let cut = inner.cut.subscribe();
                tokio::spawn(carry(Arc::clone(&inner), client, cut));
            }
            () = inner.goes_down.notified() => {
                drop(listener);
                tokio::time::sleep(Duration::from_millis(inner.down_ms.load(Ordering::SeqCst))).await;
                listener = listen_again(port).await;
            }
        }
    }
}

/// The same port again; connections of before may still be closing.
async fn listen_again(port: u16) -> TcpListener {
    for _ in 0..200 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("port {port} was taken by another program while the proxy was down");
}

/// A request under way.
#[derive(Default)]
struct Request {
    bytes: Vec<u8>,
    fate: Option<Fate>,
    is_answered: bool,
    from_ms: i64,
    until_ms: i64,
}

/// One connection, until an end or a cut.
async fn carry(inner: Arc<Inner>, mut client: TcpStream, mut cut: watch::Receiver<u64>) {
    let Ok(mut server) = TcpStream::connect(inner.upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut request = Request::default();
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let goes_on = tokio::select! {
            _ = cut.changed() => false,
            read = client.read(&mut asked) => match read {
                Ok(count @ 1..) => ask(&inner, &mut request, &asked[..count], &mut server).await,
                _ => false,
            },
            read = server.read(&mut answered) => match read {
                Ok(count @ 1..) => answer(&mut request, &answered[..count], &mut client).await,
                _ => false,
            },
        };
        if !goes_on {
            break;
        }
    }
    inner.keep(&mut request);
}

/// Passes on what the client sends; false to cut.
async fn ask(inner: &Inner, request: &mut Request, bytes: &[u8], server: &mut TcpStream) -> bool {
    if request.is_answered {
        inner.keep(request);
    }
    let fate = *request.fate.get_or_insert_with(|| inner.fate());
    match fate {
        Fate::CutBefore => return false,
        // Also when the client has gone meanwhile: this is how a request lands late.
        Fate::Delay(ms) if request.bytes.is_empty() => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    if inner.keeps_writes && request.bytes.len() < KEPT {
        request.bytes.extend_from_slice(bytes);
    }
    if request.from_ms == 0 {
        request.from_ms = now_ms();
    }
    request.until_ms = now_ms();
    server.write_all(bytes).await.is_ok() && fate != Fate::CutAfter
}

/// Passes on what the server sends; false to cut.
async fn answer(request: &mut Request, bytes: &[u8], client: &mut TcpStream) -> bool {
    let is_first = !std::mem::replace(&mut request.is_answered, true);
    match request.fate {
        Some(Fate::CutAnswer) => return false,
        Some(Fate::CutInAnswer) => {
            let _ = client.write_all(&bytes[..bytes.len() / 2]).await;
            return false;
        }
        Some(Fate::Stall(ms)) if is_first => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    client.write_all(bytes).await.is_ok()
}
