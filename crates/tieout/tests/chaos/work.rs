//! Edits of both sides, each with a token of its own: the App's by plain SQL, a person's by Xero's pages.
//!
//! What an edit writes over is looked at first, so that at the end every edit can be accounted for. The App looks and
//! writes in one transaction. A person cannot: what reached Xero between the look and the edit is told by the proxy,
//! which saw it pass ([`Work::marks`]).

mod in_app;
mod in_xero;

use std::collections::BTreeMap;

use oracle::{By, Mark, Who, token, tokens_in};
use uuid::Uuid;

use crate::app::App;
use crate::dice::Dice;
use crate::now_ms;
use crate::proxy::Passed;
use crate::xero::Xero;

/// A request leaves at most so long after the program has read the record for it, and waits so long in the proxy
/// (`PushSettings::send_within_s`, and the longest delay).
const READ_BEFORE_MS: i64 = 25_000;
/// The emulator carries a request out a moment after the proxy has passed it on.
const ARRIVES_WITHIN_MS: i64 = 3_000;

/// An edit in Xero, and when somebody looked before it.
struct Deed {
    mark: Option<usize>,
    xero: Uuid,
    field: &'static str,
    looked_ms: i64,
    done_ms: i64,
}

/// Both sides and what was done to them.
pub(crate) struct Work {
    app_dice: Dice,
    xero_dice: Dice,
    org: i64,
    bank: i64,
    marks: Vec<Mark>,
    last: BTreeMap<(By, &'static str, Who, &'static str), usize>,
    deeds: Vec<Deed>,
    /// Xero's ids by kind, oldest first.
    known: BTreeMap<&'static str, Vec<Uuid>>,
    /// What was done, how often.
    pub(crate) done: BTreeMap<&'static str, usize>,
    /// What was not, and why.
    pub(crate) refused: BTreeMap<String, usize>,
}

impl Work {
    pub(crate) async fn new(app: &App, seed: u64) -> Self {
        let mut work = Self {
            app_dice: Dice::new(seed, "app"),
            xero_dice: Dice::new(seed, "xero"),
            org: app.number("SELECT MIN(id) FROM organisations").await,
            bank: app.number("SELECT id FROM accounts WHERE code = '090'").await,
            marks: Vec::new(),
            last: BTreeMap::new(),
            deeds: Vec::new(),
            known: BTreeMap::new(),
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        work.look_round(app).await;
        work
    }

    /// Learns which records Xero has by now.
    pub(crate) async fn look_round(&mut self, app: &App) {
        for kind in oracle::KINDS {
            let sql = format!("SELECT xero_id FROM links WHERE kind = '{kind}' ORDER BY local_id");
            let known = self.known.entry(kind).or_default();
            for id in app.texts(&sql).await {
                let id = Uuid::parse_str(&id).unwrap();
                if !known.contains(&id) {
                    known.push(id);
                }
            }
        }
    }

    /// One edit of either side; nothing if nothing suitable was found.
    pub(crate) async fn edit(&mut self, side: By, app: &App, xero: &Xero) {
        let did = match side {
            By::App => self.edit_app(app).await,
            By::Xero => self.edit_xero(xero).await,
        };
        match did {
            Ok(Some(deed)) => *self.done.entry(deed).or_default() += 1,
            Ok(None) => {}
            Err(why) => {
                let why: String = why.chars().take(90).collect();
                *self.refused.entry(format!("{side:?}: {why}")).or_default() += 1;
            }
        }
    }

    /// Edits that were taken.
    pub(crate) fn edits(&self) -> usize {
        self.done.values().sum()
    }

    fn next(&self) -> usize {
        self.marks.len()
    }

    fn mark(&mut self, by: By, kind: &'static str, who: Who, field: &'static str) -> usize {
        let number = self.marks.len();
        self.marks.push(Mark {
            number,
            by,
            kind,
            who,
            field,
            is_superseded: false,
            is_seen: false,
            is_in_flight: false,
            back_from: None,
        });
        let is_one_of_many = matches!(field, "line" | "new" | "removed");
        if !is_one_of_many && let Some(before) = self.last.insert((by, kind, who, field), number) {
            self.marks[before].is_superseded = true;
        }
        number
    }

    /// Somebody has written over, or removed, what held these tokens.
    fn see(&mut self, by: By, text: &str) {
        for number in tokens_in(text) {
            if let Some(mark) = self.marks.get_mut(number) {
                if mark.by == by { mark.is_superseded = true } else { mark.is_seen = true }
            }
        }
    }

    fn deed(&mut self, mark: Option<usize>, xero: Uuid, field: &'static str, looked_ms: i64) {
        self.deeds.push(Deed { mark, xero, field, looked_ms, done_ms: now_ms() });
    }

    /// Every mark, with what only the wire can tell.
    pub(crate) fn marks(&self, passed: &[Passed]) -> Vec<Mark> {
        let mut marks = self.marks.clone();
        for deed in &self.deeds {
            let name = deed.xero.to_string();
            for write in passed.iter().filter(|write| write.text.contains(&name)) {
                // It reached Xero after somebody had looked there and before they wrote: they wrote over it unseen.
                let came = write.from_ms - ARRIVES_WITHIN_MS..=write.until_ms + ARRIVES_WITHIN_MS;
                if (deed.looked_ms..=deed.done_ms).any_in(&came) {
                    for number in tokens_in(&write.text) {
                        if marks.get(number).is_some_and(|mark| mark.by == By::App && mark.field == deed.field) {
                            marks[number].is_seen = true;
                        }
                    }
                }
                // It was read for a write before this edit, and the write came after it.
                let under_way = write.from_ms - READ_BEFORE_MS..=write.until_ms + ARRIVES_WITHIN_MS;
                if let Some(number) = deed.mark
                    && under_way.contains(&deed.done_ms)
                {
                    marks[number].is_in_flight = true;
                }
            }
        }
        marks
    }
}

/// Whether two spans of time have a moment in common.
trait Meets {
    fn any_in(&self, other: &Self) -> bool;
}

impl Meets for std::ops::RangeInclusive<i64> {
    fn any_in(&self, other: &Self) -> bool {
        self.start() <= other.end() && other.start() <= self.end()
    }
}

/// Its App's table and its endpoint in Xero.
fn places(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "customer" => ("customers", "Contacts"),
        "invoice" => ("invoices", "Invoices"),
        "payment" => ("payments", "Payments"),
        _ => ("bank_transactions", "BankTransactions"),
    }
}

/// A shape with its token: `Ref #`.
fn shaped(shape: &str, number: usize) -> String {
    shape.replace('#', &token(number))
}
