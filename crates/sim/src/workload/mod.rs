//! What people do on both sides: the App by plain SQL, somebody in Xero by Xero's own pages.
//!
//! Every step is decided by its own dice and by how things stand, so that steps can be left out and the others stay the
//! same as far as possible. Every edit puts a token of its own somewhere, by which it is found again; what an edit writes
//! over is looked at first, so that at the end every edit can be accounted for: a token that somebody on the other side
//! wrote over had arrived.

mod app;
mod both;
mod dice;
mod in_app;
mod in_flight;
mod in_xero;
mod odd;
mod options;
mod snapshot;

use std::collections::BTreeMap;

use oracle::{By, KINDS, Mark, Who, token, tokens_in};
use uuid::Uuid;

pub use app::{App, Refused};
pub use dice::Dice;
pub use options::{AppDeed, BothDeed, Options, XeroDeed};
pub use snapshot::{glance, snapshot, story};

/// Where an edit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// In the App.
    App,
    /// In Xero.
    Xero,
}

/// One edit of a workload, written down as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Names its tokens; below [`Step::FIRST_IN_FLIGHT`].
    pub number: usize,
    /// Where it is made.
    pub side: Side,
    /// Everything else about it.
    pub dice: u64,
}

impl Step {
    /// Edits that are made while a request is on its way are numbered from here.
    pub const FIRST_IN_FLIGHT: usize = 90_000;
}

/// Both sides and what was done to them.
pub struct Workload {
    app: App,
    person: emulator::Person,
    options: Options,
    dice: Dice,
    org: i64,
    /// The App's id of the bank account that payments go through.
    bank: Option<i64>,
    marks: Vec<Mark>,
    /// Where the mark of a token is.
    places: BTreeMap<usize, usize>,
    /// The mark of every field's last edit, by side.
    last: BTreeMap<(By, &'static str, Who, &'static str), usize>,
    /// What an edit has to tell once it has happened.
    notes: Vec<Note>,
    /// Tokens of the current step that are given out.
    step: usize,
    used: usize,
    is_in_flight: bool,
    in_flight: usize,
    deeds: BTreeMap<&'static str, usize>,
    refused: BTreeMap<String, usize>,
    /// Xero's ids by kind.
    known: BTreeMap<&'static str, Vec<Uuid>>,
    /// The App's id up to which links were learnt, and of earlier records those without one.
    learnt: BTreeMap<&'static str, (i64, Vec<i64>)>,
    /// What was edited last, for edits of the same thing: the App's name and Xero's, as far as known.
    touched: Option<(&'static str, Who)>,
    /// What was set in Xero that stands in the way of others.
    is_locked: bool,
    archived_accounts: Vec<&'static str>,
    currencies_off: Vec<&'static str>,
    /// Whether any edit was made that moves no date.
    is_quiet: bool,
}

/// What an edit has to tell once it has happened.
#[derive(Debug, Clone)]
enum Note {
    Mark(Mark),
    /// Somebody wrote over, or removed, what held these tokens.
    See(By, String),
    /// A record was taken away, with all that the App said of it.
    Forget(&'static str, Who),
    /// The last edit of a field was taken away.
    Unlast(By, &'static str, Who, &'static str),
}

impl Workload {
    /// Somebody at work in the App's only, or first, organisation.
    pub async fn new(app: App, person: emulator::Person, options: Options) -> Self {
        let mut workload = Self {
            app,
            person,
            options,
            dice: Dice::new(0),
            org: 1,
            bank: None,
            marks: Vec::new(),
            places: BTreeMap::new(),
            last: BTreeMap::new(),
            notes: Vec::new(),
            step: 0,
            used: 0,
            is_in_flight: false,
            in_flight: 0,
            deeds: BTreeMap::new(),
            refused: BTreeMap::new(),
            known: KINDS.into_iter().map(|kind| (kind, Vec::new())).collect(),
            learnt: KINDS.into_iter().map(|kind| (kind, (0, Vec::new()))).collect(),
            touched: None,
            is_locked: false,
            archived_accounts: Vec::new(),
            currencies_off: Vec::new(),
            is_quiet: false,
        };
        workload.look_round().await;
        workload
    }

    /// Does one edit, chosen by the step's dice among what is possible now, and says which; `None` if nothing was done.
    pub async fn step(&mut self, step: &Step) -> Option<&'static str> {
        self.start(step.number, step.dice);
        let deed = if self.dice.below(1_000) < self.options.both_per_mille {
            self.both(step.side).await
        } else {
            match step.side {
                Side::App => self.in_transaction().await,
                Side::Xero => self.edit_xero(),
            }
        };
        self.end(deed)
    }

    fn start(&mut self, number: usize, dice: u64) {
        self.dice = Dice::new(dice);
        self.step = number;
        self.used = 0;
        self.notes.clear();
    }

    fn end(&mut self, deed: Option<&'static str>) -> Option<&'static str> {
        match deed {
            Some(deed) => {
                self.tell();
                *self.deeds.entry(deed).or_default() += 1;
            }
            None => self.notes.clear(),
        }
        deed
    }

    /// One edit of the App, as one transaction.
    async fn in_transaction(&mut self) -> Option<&'static str> {
        if !self.app.begin().await {
            return None;
        }
        match self.edit_app().await {
            Some(deed) if self.app.commit().await => Some(deed),
            Some(_) => None,
            None => {
                self.app.roll_back().await;
                None
            }
        }
    }

    /// Every edit so far.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// What was done, how often: shows that a day was a day.
    pub fn deeds(&self) -> &BTreeMap<&'static str, usize> {
        &self.deeds
    }

    /// What Xero refused people, how often.
    pub fn refused(&self) -> &BTreeMap<String, usize> {
        &self.refused
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Until when the last of the writes waits that a limit has parked, in milliseconds since 1970; `None` if none does.
    pub async fn parked_until_ms(&self) -> Option<i64> {
        let sql = "SELECT MAX(not_before) AS c FROM intents WHERE state = 'PLANNED'";
        let until: jiff::Timestamp = self.app.text(sql).await?.parse().ok()?;
        Some(until.as_millisecond())
    }

    /// The App's connection, to look at its tables.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Whoever works in Xero.
    pub fn person(&self) -> &emulator::Person {
        &self.person
    }

    /// Whether an edit in Xero moved no date: only a full sync finds it.
    pub fn has_quiet_edits(&self) -> bool {
        self.is_quiet
    }

    /// The App's database is another file from now on, as after a power failure.
    pub fn reopen(&mut self, app: App) {
        self.app = app;
    }

    /// Learns which records there are by now (ids of both sides). Reads only what is new.
    pub async fn look_round(&mut self) {
        if let Some(org) = self.app.number("SELECT MIN(id) AS c FROM organisations").await {
            self.org = self.options.org.unwrap_or(org);
        }
        if self.bank.is_none() {
            let sql = format!("SELECT MIN(id) AS c FROM accounts WHERE code = '090' AND org_id = {}", self.org);
            self.bank = self.app.number(&sql).await;
        }
        for kind in KINDS {
            self.learn(kind).await;
        }
    }

    async fn learn(&mut self, kind: &'static str) {
        let (up_to, waiting) = self.learnt.remove(kind).unwrap_or_default();
        let most = self.app.number(&format!("SELECT MAX(id) AS c FROM {}", table(kind))).await.unwrap_or(0);
        let mut ids = waiting;
        ids.extend(up_to + 1..=most);
        let mut still = Vec::new();
        for some in ids.chunks(200) {
            let list: Vec<String> = some.iter().map(i64::to_string).collect();
            let sql = format!(
                "SELECT local_id || ' ' || {} AS c FROM links WHERE kind = '{kind}' AND local_id IN ({}) \
                 AND connection_id IN (SELECT id FROM connections WHERE org_id = {}) ORDER BY local_id",
                self.app.hex("xero_id"),
                list.join(", "),
                self.org
            );
            let mut found = BTreeMap::new();
            for row in self.app.texts(&sql).await.unwrap_or_default().into_iter().flatten() {
                if let Some((local, xero)) = row.split_once(' ')
                    && let (Ok(local), Ok(xero)) = (local.parse::<i64>(), Uuid::parse_str(xero))
                {
                    found.insert(local, xero);
                }
            }
            for local in some {
                match found.get(local) {
                    Some(xero) => self.learn_one(kind, *xero),
                    None => still.push(*local),
                }
            }
        }
        // What has been without a link for long is none, or will be seen by the many that follow it.
        let most_waiting = 200;
        if still.len() > most_waiting {
            still.drain(..still.len() - most_waiting);
        }
        self.learnt.insert(kind, (most.max(up_to), still));
    }

    fn learn_one(&mut self, kind: &'static str, xero: Uuid) {
        let known = self.known.entry(kind).or_default();
        if !known.iter().rev().take(400).any(|id| *id == xero) {
            known.push(xero);
        }
    }

    // ---- tokens ----

    /// The next token of this step.
    fn token(&mut self) -> (usize, String) {
        let number = self.step * 26 + self.used.min(25);
        self.used += 1;
        (number, token(number))
    }

    /// An edit put this token into a field.
    fn mark(&mut self, number: usize, by: By, kind: &'static str, who: Who, field: &'static str) {
        let is_in_flight = self.is_in_flight;
        let (is_superseded, is_seen, back_from) = (false, false, None);
        let mark = Mark { number, by, kind, who, field, is_superseded, is_seen, is_in_flight, back_from };
        self.notes.push(Note::Mark(mark));
    }

    /// An edit put an older value back, without a token of its own.
    fn mark_back(&mut self, number: usize, by: By, kind: &'static str, who: Who, field: &'static str, from: usize) {
        self.mark(number, by, kind, who, field);
        if let Some(Note::Mark(mark)) = self.notes.last_mut() {
            mark.back_from = Some(from);
        }
    }

    /// An edit writes over, or removes, what holds these tokens.
    fn see(&mut self, by: By, text: &str) {
        if !text.is_empty() {
            self.notes.push(Note::See(by, text.to_owned()));
        }
    }

    /// A record is taken away.
    fn removed(&mut self, by: By, kind: &'static str, who: Who) {
        let (number, _) = self.token();
        self.mark(number, by, kind, who, "removed");
    }

    /// The edit has happened.
    fn tell(&mut self) {
        for note in std::mem::take(&mut self.notes) {
            match note {
                Note::Mark(mark) => self.add_mark(mark),
                Note::See(by, text) => self.saw(by, &text),
                Note::Forget(kind, who) => {
                    let is_it = |mark: &&mut Mark| mark.kind == kind && mark.who == who && mark.field != "removed";
                    self.marks.iter_mut().filter(is_it).for_each(|mark| mark.is_superseded = true);
                }
                Note::Unlast(by, kind, who, field) => {
                    if let Some(number) = self.last.remove(&(by, kind, who, field)) {
                        self.supersede(number);
                    }
                }
            }
        }
    }

    fn add_mark(&mut self, mark: Mark) {
        let key = (mark.by, mark.kind, mark.who, mark.field);
        self.touched = Some((mark.kind, mark.who));
        if !matches!(mark.field, "line" | "new" | "removed")
            && let Some(before) = self.last.insert(key, mark.number)
        {
            self.supersede(before);
        }
        self.places.insert(mark.number, self.marks.len());
        self.marks.push(mark);
    }

    fn supersede(&mut self, number: usize) {
        if let Some(at) = self.places.get(&number) {
            self.marks[*at].is_superseded = true;
        }
    }

    fn saw(&mut self, by: By, text: &str) {
        for number in tokens_in(text) {
            let Some(at) = self.places.get(&number) else { continue };
            let mark = &mut self.marks[*at];
            if mark.by == by {
                mark.is_superseded = true;
            } else {
                mark.is_seen = true;
            }
        }
    }

    /// The token that a side's own edits last put into a text.
    fn own_token(&self, by: By, text: &str) -> Option<usize> {
        let numbers = tokens_in(text);
        numbers.into_iter().find(|number| self.places.get(number).is_some_and(|at| self.marks[*at].by == by))
    }
}

fn table(kind: &str) -> &'static str {
    match kind {
        "customer" => "customers",
        "invoice" => "invoices",
        "payment" => "payments",
        _ => "bank_transactions",
    }
}

fn endpoint(kind: &str) -> &'static str {
    match kind {
        "customer" => "Contacts",
        "invoice" => "Invoices",
        "payment" => "Payments",
        _ => "BankTransactions",
    }
}
