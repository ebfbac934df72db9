//! One record on both sides, in memory, and the engine's way with it: meet, push, read the reply as a pull.
//!
//! The merge is a parameter. Everything around it follows `sync`: what is known of Xero when the App's change is noticed
//! is the base with what stands in conflict; a record is read again before it is written; the base becomes what was sent
//! before the reply meets the App's row.

use std::fmt::Write as _;

use model::{Decision, FieldConflict, Policy, Removal, Side, path};
use serde_json::Value;

use super::Merging;
use super::books::{Sample, knows_all};
use super::case::{Edit, Epoch, Plan};
use super::judge::{Judge, brief};
use super::plain::plain;
use super::reached::{Reached, Reaches};

/// Who wins, by the name of a field or group.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) dice: u64,
    pub(super) later: Option<Side>,
    /// Conflicts that a person has answered.
    pub(super) answered: Vec<(String, Side)>,
}

impl Rules {
    /// The rule of a path.
    pub(super) fn rule(&self, path: &str) -> oracle::merge::Rule {
        use oracle::merge::Rule::{App, Ask, LastWrite, Xero};
        if let Some((_, side)) = self.answered.iter().find(|(answered, _)| answered == path) {
            return if *side == Side::App { App } else { Xero };
        }
        let rules = [LastWrite, App, Xero, Ask];
        match self.dice % 8 {
            all @ 0..=3 => rules[usize::try_from(all).unwrap_or(0)],
            _ => {
                let root = path.split(['[', '.']).next().unwrap_or(path);
                rules[usize::try_from(crate::dice::die(self.dice, root, 0) % 4).unwrap_or(0)]
            }
        }
    }

    fn policy(&self, path: &str) -> Policy {
        match self.rule(path) {
            oracle::merge::Rule::LastWrite => Policy::LastWrite(self.later.unwrap_or(Side::Xero)),
            oracle::merge::Rule::App => Policy::AppWins,
            oracle::merge::Rule::Xero => Policy::XeroWins,
            oracle::merge::Rule::Ask => Policy::Ask,
        }
    }
}

/// What one epoch did.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    pub(super) decided: Vec<FieldConflict>,
    pub(super) app_writes: u32,
    pub(super) xero_writes: u32,
    /// The App's row met what was known of Xero, before Xero was read.
    pub(super) is_app_first: bool,
    /// Xero did not take what it was sent.
    pub(super) is_refused: bool,
    /// Xero took what it was sent, and its answer was lost.
    pub(super) is_lost: bool,
    /// The names of fields and groups of each push.
    pub(super) pushes: Vec<Vec<String>>,
}

/// A record on both sides, and what the engine keeps about it.
pub(super) struct Pair<R> {
    pub(super) base: R,
    pub(super) app: Option<R>,
    pub(super) xero: R,
    /// Conflicts that wait for a person.
    pub(super) standing: Vec<FieldConflict>,
    pub(super) rules: Rules,
    pub(super) done: Done,
    /// Nothing was ever agreed on.
    pub(super) is_first: bool,
    /// The App's row is on the list of changes.
    is_captured: bool,
    epochs: std::vec::IntoIter<Epoch>,
    epoch: Epoch,
    judge: Option<Judge>,
    given: u128,
    pub(super) story: Option<String>,
}

/// What a meeting wants of Xero.
enum Wanted<R> {
    Nothing,
    Removal,
    /// The record, the paths pushed, and what both agree on once it arrived.
    Record(R, Vec<String>, R),
}

/// Records of every kind, side by side.
pub(super) trait Life<M> {
    /// Edits both sides; false if there is nothing left to do.
    fn begin(&mut self, reached: &mut Reached) -> Result<bool, String>;
    /// Meets and pushes once; says whether anything was written.
    fn round(&mut self, merging: &M) -> Result<bool, String>;
    /// At rest: compares with the oracle.
    fn finish(&mut self, merging: &M, reached: &mut Reached) -> Result<(), String>;
    /// Both sides, what is agreed on, and what stands.
    fn state(&self) -> Result<String, String>;
    fn story(&mut self) -> String;
}

impl<R: Sample> Pair<R> {
    pub(super) fn new(plan: Plan, is_told: bool) -> Self {
        let mut given = 0;
        let mut agreed = R::bare();
        let bare = agreed.clone();
        for edit in &plan.base {
            agreed.edit(*edit, Side::Xero, &bare, &mut given);
        }
        agreed.work_out();
        let (mut base, mut app) = (agreed.clone(), agreed.clone());
        if plan.is_first {
            base = R::default();
            app.forget_ids();
        }
        Self {
            base,
            app: Some(app),
            xero: agreed,
            standing: Vec::new(),
            rules: Rules::default(),
            done: Done::default(),
            is_first: plan.is_first,
            is_captured: false,
            epochs: plan.epochs.into_iter(),
            epoch: Epoch::default(),
            judge: None,
            given,
            story: is_told.then(String::new),
        }
    }

    fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let text = what(self);
            if let Some(story) = &mut self.story {
                let _ = writeln!(story, "{text}");
            }
        }
    }

    fn edit_app(&mut self, edits: &[Edit]) {
        if let Some(app) = self.app.as_mut().filter(|_| !edits.is_empty()) {
            let was = app.clone();
            edits.iter().for_each(|edit| app.edit(*edit, Side::App, &was, &mut self.given));
        }
    }

    /// What the base and the standing conflicts say that Xero holds.
    fn known_of_xero(&self) -> Result<R, String> {
        if self.standing.is_empty() {
            return Ok(self.base.clone());
        }
        let mut known = value(&self.base)?;
        for conflict in &self.standing {
            if conflict.field == "presence" {
                known = conflict.xero.clone();
            } else if !path::put(&mut known, &conflict.field, &conflict.xero) {
                return Err(format!("I-L3: the conflict of {} cannot be put back in its place", conflict.field));
            }
        }
        serde_json::from_value(known).map_err(|error| format!("what is known of xero is no record: {error}"))
    }

    /// Merges, and writes what is to be written but to Xero.
    fn meet<M: Merging>(&mut self, merging: &M, base: &R, remote: &R) -> Result<Wanted<R>, String> {
        let rules = std::mem::take(&mut self.rules);
        let wanted = self.meet_by(merging, base, remote, &|path| rules.policy(path));
        self.rules = rules;
        // What a person says is of the conflicts that stand, not of those that come.
        self.rules.answered.clear();
        wanted
    }

    /// The same with what is agreed on and what Xero has.
    fn meet_xero<M: Merging>(&mut self, merging: &M) -> Result<Wanted<R>, String> {
        let (base, remote) = (std::mem::take(&mut self.base), std::mem::take(&mut self.xero));
        let wanted = self.meet(merging, &base, &remote);
        self.xero = remote;
        wanted
    }

    fn meet_by<M: Merging>(
        &mut self,
        merging: &M,
        base: &R,
        remote: &R,
        policy: &dyn Fn(&str) -> Policy,
    ) -> Result<Wanted<R>, String> {
        let Some(app) = &self.app else {
            let (removal, conflict) = merging.merge_removed(base, remote, policy);
            self.tell(|_| format!("  the row is gone: {removal:?}"));
            self.note(conflict.into_iter().collect());
            if removal == Removal::Restore {
                self.app = Some(remote.clone());
                self.done.app_writes += 1;
            }
            self.base = if removal == Removal::Open { base.clone() } else { remote.clone() };
            return Ok(if removal == Removal::Push { Wanted::Removal } else { Wanted::Nothing });
        };
        let decision =
            merging.merge(base, app, remote, policy).map_err(|error| format!("a merge gave no record: {error}"))?;
        self.tell(|_| told(&decision));
        let Decision { write_local, outgoing, push, base, acked, conflicts } = decision;
        if let Some(after) = write_local {
            self.app = Some(after);
            self.done.app_writes += 1;
        }
        self.base = base;
        self.note(conflicts);
        Ok(match outgoing {
            Some(outgoing) => Wanted::Record(outgoing, push, acked),
            None => Wanted::Nothing,
        })
    }

    fn note(&mut self, conflicts: Vec<FieldConflict>) {
        self.standing.clear();
        for conflict in conflicts {
            match conflict.winner {
                Some(_) => self.done.decided.push(conflict),
                None => self.standing.push(conflict),
            }
        }
    }

    /// The record is read again, met, written, and its reply met.
    fn push<M: Merging>(&mut self, merging: &M) -> Result<(), String> {
        self.is_captured = false;
        let acked = match self.meet_xero(merging)? {
            Wanted::Nothing => return Ok(()),
            Wanted::Removal => {
                let mut gone = self.xero.clone();
                gone.retire();
                if !self.xero.accepts(&gone) {
                    self.done.is_refused = true;
                    return Ok(());
                }
                self.done.pushes.push(Vec::new());
                self.xero = gone;
                self.xero.work_out();
                self.base.clone()
            }
            Wanted::Record(outgoing, push, acked) => {
                if !self.send(&outgoing, &push)? {
                    return Ok(());
                }
                acked
            }
        };
        self.done.xero_writes += 1;
        if self.epoch.is_lost {
            self.tell(|_| "  xero took it; its answer is lost".to_owned());
            self.epoch.is_lost = false;
            self.done.is_lost = true;
            self.is_captured = true;
            return Ok(());
        }
        let under_way = std::mem::take(&mut self.epoch.under_way);
        if !under_way.is_empty() && self.app.is_some() {
            let before = plain(&self.app)?;
            self.edit_app(&under_way);
            self.tell(|pair| format!("  under way the app becomes {}", brief(&pair.app)));
            if let Some(judge) = &mut self.judge {
                judge.under_way::<R>(before, plain(&self.app)?, plain(&self.xero)?, &self.rules)?;
            }
        }
        self.tell(|pair| format!("  xero answers {}", brief(&pair.xero)));
        self.base = acked;
        self.is_captured = !matches!(self.meet_xero(merging)?, Wanted::Nothing);
        Ok(())
    }

    /// Xero is sent the fields of the push; false if it refuses them.
    fn send(&mut self, outgoing: &R, push: &[String]) -> Result<bool, String> {
        let mut roots: Vec<&str> = push.iter().map(|at| path::root(at)).collect();
        roots.sort_unstable();
        roots.dedup();
        self.judge.as_ref().map_or(Ok(()), |judge| judge.only_changes::<R>(&self.xero, outgoing, &roots))?;
        if !knows_all(self.xero.lines(), outgoing.lines()) {
            return Err("I-L8: xero is sent an id of a line that it does not know, or one twice".to_owned());
        }
        self.done.pushes.push(roots.iter().map(|root| (*root).to_owned()).collect());
        if !self.xero.accepts(outgoing) {
            self.tell(|_| "  xero refuses it".to_owned());
            self.done.is_refused = true;
            return Ok(false);
        }
        let mut given = self.given;
        self.xero.take(outgoing, &roots, &mut given);
        self.given = given;
        Ok(true)
    }
}

impl<R: Sample, M: Merging> Life<M> for Pair<R> {
    fn begin(&mut self, reached: &mut Reached) -> Result<bool, String> {
        let Some(epoch) = self.epochs.next() else { return Ok(false) };
        self.done = Done::default();
        let (app_was, xero_was) = (self.app.clone(), self.xero.clone());
        self.rules.answered.clear();
        if let Some(answer) = epoch.answer.filter(|_| !self.standing.is_empty()) {
            let side = if answer { Side::App } else { Side::Xero };
            self.rules.answered = self.standing.iter().map(|conflict| (conflict.field.clone(), side)).collect();
            reached.reach(Reaches::Answered);
        }
        self.rules.dice = epoch.rules.unwrap_or(self.rules.dice);
        self.rules.later = Some(if epoch.is_app_later { Side::App } else { Side::Xero });
        self.edit_app(&epoch.app);
        for edit in &epoch.xero {
            self.xero.edit(*edit, Side::Xero, &xero_was, &mut self.given);
        }
        if epoch.is_voided {
            self.xero.retire();
            self.xero.work_out();
        }
        if epoch.is_deleted {
            self.app = None;
        }
        self.is_captured = true;
        self.epoch = epoch;
        // What is known of Xero by a standing conflict is older than Xero.
        self.epoch.is_app_first &= self.standing.is_empty();
        self.tell(|pair| {
            let states = [("base", brief(&pair.base)), ("app", brief(&pair.app)), ("xero", brief(&pair.xero))];
            states.map(|(name, text)| format!("{} {name}: {text}", R::NAME)).join("\n")
        });
        let is_edited = app_was != self.app || xero_was != self.xero;
        self.judge = Some(Judge::of(self, is_edited)?);
        reached.reach(if self.epoch.is_app_first { Reaches::AppFirst } else { Reaches::XeroFirst });
        if let Some(judge) = &self.judge {
            judge.count(&self.epoch, reached);
        }
        Ok(true)
    }

    fn round(&mut self, merging: &M) -> Result<bool, String> {
        let before = (self.done.app_writes, self.done.xero_writes);
        if self.done.is_refused {
            return Ok(false);
        }
        let is_app_first = std::mem::take(&mut self.epoch.is_app_first);
        if is_app_first {
            self.done.is_app_first = true;
            let (known, base) = (self.known_of_xero()?, self.base.clone());
            self.is_captured = !matches!(self.meet(merging, &base, &known)?, Wanted::Nothing);
        } else {
            self.is_captured |= !matches!(self.meet_xero(merging)?, Wanted::Nothing);
        }
        if self.is_captured {
            self.push(merging)?;
        }
        // Xero was not looked at yet, unless something was pushed.
        Ok(is_app_first || before != (self.done.app_writes, self.done.xero_writes))
    }

    fn finish(&mut self, merging: &M, reached: &mut Reached) -> Result<(), String> {
        // One more look at both sides: nothing is written, and what stood still stands.
        let (base, app, standing) = (self.base.clone(), self.app.clone(), self.standing.clone());
        let writes = (self.done.app_writes, self.done.decided.len());
        let known = self.known_of_xero()?;
        let wanted = self.meet_xero(merging)?;
        let mut is_still = writes == (self.done.app_writes, self.done.decided.len());
        is_still &= self.done.is_refused || (matches!(wanted, Wanted::Nothing) && writes.1 == self.done.decided.len());
        if !is_still || app != self.app {
            return Err("I-C5: one more round at rest writes again".to_owned());
        }
        if (standing != self.standing || base != self.base) && !self.done.is_refused {
            return Err("I-L3: what is agreed on, or what stands in conflict, changes without an edit".to_owned());
        }
        let Some(judge) = self.judge.take() else { return Ok(()) };
        let verdict = judge.finish(self, &known, reached);
        self.tell(|_| judge.told());
        self.is_first = false;
        verdict
    }

    fn state(&self) -> Result<String, String> {
        let standing: Vec<&str> = self.standing.iter().map(|conflict| conflict.field.as_str()).collect();
        let (mut app, mut xero, mut base) = (value(&self.app)?, value(&self.xero)?, value(&self.base)?);
        // The order of slots says nothing.
        for list in [&mut app, &mut xero, &mut base].into_iter().flat_map(|record| {
            let members = record.as_object_mut().into_iter().flatten();
            members.filter(|(name, _)| matches!(name.as_str(), "phones" | "addresses")).map(|(_, list)| list)
        }) {
            list.as_array_mut().into_iter().for_each(|slots| slots.sort_by_key(|slot| slot["kind"].to_string()));
        }
        // Where lines stand against each other, the App's may lack ids.
        let lines = app
            .get_mut("lines")
            .and_then(Value::as_array_mut)
            .filter(|_| standing.iter().any(|field| field.starts_with("lines")));
        for line in lines.into_iter().flatten().filter_map(Value::as_object_mut) {
            line.remove("xero_line_id");
            // And spaces that are gone from a line once it is merged.
            for value in line.values_mut() {
                if let Some(text) = value.as_str().map(|text| text.trim().to_owned()) {
                    *value = Value::from(text);
                }
            }
            line.retain(|_, value| value.as_str() != Some(""));
        }
        Ok(format!("app {app}\nxero {xero}\nbase {base}\nopen {standing:?}"))
    }

    fn story(&mut self) -> String {
        self.story.take().unwrap_or_default()
    }
}

/// A record as JSON; null for none.
pub(super) fn value<T: serde::Serialize>(record: &T) -> Result<Value, String> {
    serde_json::to_value(record).map_err(|error| format!("a record is no json: {error}"))
}

fn told<R: Sample>(decision: &Decision<R>) -> String {
    let conflicts: Vec<String> =
        decision.conflicts.iter().map(|conflict| format!("{} ({:?})", conflict.field, conflict.winner)).collect();
    format!(
        "  merge: app {}, push {:?}, conflicts {conflicts:?}, base {}",
        decision.write_local.as_ref().map_or_else(|| "stays".to_owned(), |after| format!("becomes {}", brief(after))),
        decision.push,
        brief(&decision.base),
    )
}
