//! What the oracle says of an epoch, against what came of it.

use model::{FieldConflict, Side};
use oracle::merge::{Conflict, Sides, Unit, Value, Verdict, alike, differences, merge, recognise};

use super::books::Sample;
use super::case::{BACK, Epoch};
use super::pair::{Pair, Rules};
use super::plain::plain;
use super::reached::{Reached, Reaches};

/// The oracle's word on one epoch of one record.
pub(super) struct Judge {
    /// Before anything met.
    start: [Value; 3],
    verdict: Verdict,
    /// What an edit under way made of it.
    second: Option<Verdict>,
    /// Conflicts that stood when the epoch began.
    stood: Vec<String>,
    is_first: bool,
    is_edited: bool,
    is_last_write: bool,
    /// Ids of lines that Xero had at the start.
    ids: Vec<Value>,
}

impl Judge {
    pub(super) fn of<R: Sample>(pair: &Pair<R>, is_edited: bool) -> Result<Self, String> {
        // Of a first connection the engine's base is empty, but for the first word of each closed vocabulary.
        let mut base = plain(&pair.base)?;
        let (mut app, mut xero) = (plain(&pair.app)?, plain(&pair.xero)?);
        recognise(&mut base, &mut app, &mut xero);
        let verdict = judged::<R>([&base, &app, &xero], &pair.rules);
        let is_ruled = |conflict: &Conflict| pair.rules.rule(&conflict.path) == oracle::merge::Rule::LastWrite;
        Ok(Self {
            is_last_write: verdict.conflicts.iter().any(is_ruled),
            ids: ids(&xero),
            start: [base, app, xero],
            verdict,
            second: None,
            is_first: pair.is_first,
            stood: pair.standing.iter().map(|conflict| conflict.field.clone()).collect(),
            is_edited,
        })
    }

    /// The App was edited while what it had before was on its way, and has arrived as `xero`.
    pub(super) fn under_way<R: Sample>(
        &mut self,
        before: Value,
        mut after: Value,
        mut xero: Value,
        rules: &Rules,
    ) -> Result<(), String> {
        let first = &self.verdict;
        let expected = first.app.as_ref().map(|app| without_new_ids(app, &self.ids)).unwrap_or(Value::Null);
        none("I-L1", "the app, when its push was sent,", differences(R::SHAPE, &before, &expected))?;
        none("I-L1", "what arrived in xero", differences(R::SHAPE, &xero, &without_new_ids(&first.xero, &self.ids)))?;
        let mut base = first.base.clone();
        recognise(&mut base, &mut after, &mut xero);
        // Xero keeps the order that it was sent.
        let order: Vec<&str> = lines(&xero).iter().map(key).collect();
        let is_open = first.conflicts.iter().any(|conflict| conflict.path == "lines" && conflict.winner.is_none());
        if let Some(lines) = base.get_mut("lines").and_then(Value::as_array_mut).filter(|_| !is_open) {
            // What Xero does not have stays behind what it follows.
            let mut place = 0;
            let mut placed: Vec<(usize, Value)> = Vec::new();
            for line in lines.drain(..) {
                place = order.iter().position(|known| *known == key(&line)).map_or(place, |at| at + 1);
                placed.push((place, line));
            }
            placed.sort_by_key(|(place, _)| *place);
            lines.extend(placed.into_iter().map(|(_, line)| line));
        }
        let answered = Rules { answered: Vec::new(), ..rules.clone() };
        self.second = Some(judged::<R>([&base, &after, &xero], &answered));
        Ok(())
    }

    /// Nothing is sent but the fields of the push (I-L8).
    pub(super) fn only_changes<R: Sample>(&self, xero: &R, outgoing: &R, roots: &[&str]) -> Result<(), String> {
        let (has, wanted) = (plain(xero)?, plain(outgoing)?);
        for unit in R::SHAPE.units {
            let (name, members): (&str, &[&str]) = match unit {
                Unit::Field(name) | Unit::Told(name) => (name, &[name]),
                Unit::Slots(list) => (list, &[list]),
                Unit::Group(name, members) => (name, members),
                Unit::Lines => ("lines", &["lines", "line_amount_types"]),
            };
            let is_other = members.iter().any(|member| has.get(member) != wanted.get(member));
            if is_other && !roots.contains(&name) {
                return Err(format!("I-L8: {name} is changed by the way: pushed are {roots:?}"));
            }
        }
        Ok(())
    }

    /// Compares both sides, what is agreed on, conflicts and writes.
    pub(super) fn finish<R: Sample>(&self, pair: &Pair<R>, known: &R, reached: &mut Reached) -> Result<(), String> {
        let last = self.second.as_ref().unwrap_or(&self.verdict);
        let is_refused = pair.done.is_refused;
        reached.reach_if(is_refused, Reaches::Refused);
        reached.reach_if(self.second.is_some(), Reaches::UnderWay);
        self.writes(pair)?;
        self.conflicts(pair)?;
        // Sides.
        let xero = plain(&pair.xero)?;
        let [app, base] = [pair.app.as_ref(), Some(&pair.base)]
            .map(|record| if record == Some(&pair.xero) { Ok(xero.clone()) } else { plain(&record) });
        let (app, base) = (app?, base?);
        match (&last.app, &pair.app) {
            (None, None) => {}
            (Some(expected), Some(_)) => {
                none("I-L1", "the app", differences(R::SHAPE, &app, &without_new_ids(expected, &self.ids)))?;
            }
            (expected, _) => {
                return Err(format!("I-L1: the row should be {}", if expected.is_some() { "there" } else { "gone" }));
            }
        }
        let expected = match (is_refused, &self.second) {
            (false, _) => &last.xero,
            (true, None) => &self.start[2],
            (true, Some(_)) => &self.verdict.xero,
        };
        none("I-L2", "xero", differences(R::SHAPE, &xero, &without_new_ids(expected, &self.ids)))?;
        let mut expected = without_new_ids(if is_refused { &last.unsent } else { &last.base }, &self.ids);
        if let (Some(expected), None) = (expected.as_object_mut(), expected_type(&base)) {
            // Two lists that were never one: the base says so by having no type.
            expected.remove("type");
        }
        none("I-L3", "what is agreed on", differences(R::SHAPE, &base, &expected))?;
        // Rest.
        if !is_refused && *known != pair.xero {
            let mut known = plain(known)?;
            if let (Some(known), None) = (known.as_object_mut(), expected_type(&base)) {
                known.insert("type", xero.get("type").cloned().unwrap_or_default());
            }
            let differing = differences(R::SHAPE, &known, &xero);
            if !differing.is_empty() {
                return Err(format!("I-L3: what is known of xero is not what xero has: {}", differing.join("; ")));
            }
        }
        if !is_refused && pair.standing.is_empty() && pair.app.is_some() {
            converged::<R>(&app, &xero, &base)?;
        }
        // Which of the lines that were sent an edit under way was of, nobody can tell.
        if !is_refused
            && self.second.is_none()
            && let Some(order) = &last.order
        {
            let is_in_order = |record: &Value| in_order(record, order, last);
            if !(is_in_order(&app) && is_in_order(&xero)) {
                return Err("I-L1: the lines are in another order".to_owned());
            }
        }
        Ok(())
    }

    /// One write to Xero for each time something has to be sent, and of nothing but that; no echo (I-L5, I-L6, C5).
    fn writes<R: Sample>(&self, pair: &Pair<R>) -> Result<(), String> {
        let done = &pair.done;
        let wanted: Vec<&Verdict> = std::iter::once(&self.verdict)
            .chain(&self.second)
            .filter(|verdict| verdict.is_removal || !verdict.sends.is_empty())
            .collect();
        let refused = u32::from(done.is_refused);
        let count = u32::try_from(wanted.len()).unwrap_or(0);
        let is_whole = self.verdict.conflicts.iter().any(|conflict| conflict.path == "lines");
        // Of two lists that were never one, the App's may have lines without tax, which Xero works out. With the answer
        // lost, nobody can tell that it has: it is asked for once more.
        let again = u32::from(done.is_lost && pair.is_first && is_whole);
        if !(count..=count + again).contains(&(done.xero_writes + refused)) {
            let (sent, refused) = (done.xero_writes, refused);
            return Err(format!("I-L6: xero is written {sent} times and refuses {refused}, and {count} are due"));
        }
        for (push, verdict) in done.pushes.iter().zip(wanted) {
            let due: Vec<&str> = verdict.sends.iter().copied().collect();
            if !verdict.is_removal && *push != due {
                return Err(format!("C5: {push:?} are pushed, and {due:?} are due"));
            }
        }
        let is_moved = self.is_edited || !self.stood.is_empty() || pair.is_first;
        // Whole lists against each other lose ids in one meeting and get them in the next.
        let more = u32::from(done.is_app_first) + u32::from(pair.is_first || is_whole);
        let most = if is_moved { 1 + count + more } else { 0 };
        if done.app_writes > most {
            return Err(format!("I-L6: the app is written {} times, and {most} are enough", done.app_writes));
        }
        if done.app_writes == 0 && !self.verdict.writes.is_empty() && !done.is_refused {
            return Err(format!("I-L2: the app is not written, and {:?} are due", self.verdict.writes));
        }
        Ok(())
    }

    /// Each real conflict has its row, and nothing else has (I-L3, I-L4).
    fn conflicts<R: Sample>(&self, pair: &Pair<R>) -> Result<(), String> {
        let last = self.second.as_ref().unwrap_or(&self.verdict);
        let decided = std::iter::once(&self.verdict).chain(&self.second);
        let decided = decided.flat_map(|verdict| verdict.conflicts.iter().filter(|conflict| conflict.winner.is_some()));
        compare("decided", decided.collect(), &pair.done.decided)?;
        let open = last.conflicts.iter().filter(|conflict| conflict.winner.is_none());
        compare("open", open.collect(), &pair.standing)
    }

    pub(super) fn told(&self) -> String {
        let told = |verdict: &Verdict| {
            let conflicts: Vec<String> =
                verdict.conflicts.iter().map(|c| format!("{} ({:?})", c.path, c.winner)).collect();
            format!(
                "  the oracle: app {}\n              xero {}\n              sends {:?}, conflicts {conflicts:?}",
                verdict.app.as_ref().map_or_else(|| "none".to_owned(), Value::to_string),
                verdict.xero,
                verdict.sends
            )
        };
        let second = self.second.as_ref().map(|second| format!("\n  and then{}", told(second)));
        told(&self.verdict) + &second.unwrap_or_default()
    }

    /// Conflicts that this epoch brings up.
    pub(super) fn new_conflicts(&self) -> u64 {
        let is_new = |conflict: &&Conflict| !self.stood.contains(&conflict.path);
        u64::try_from(self.verdict.conflicts.iter().filter(is_new).count()).unwrap_or(0)
    }

    /// Counts what the epoch came by.
    pub(super) fn count(&self, epoch: &Epoch, reached: &mut Reached) {
        use Reaches as On;
        let verdict = &self.verdict;
        reached.conflicts += self.new_conflicts();
        let by = |side| verdict.conflicts.iter().any(|conflict| conflict.winner == side);
        let of = |is: &dyn Fn(&str) -> bool| verdict.conflicts.iter().any(|conflict| is(&conflict.path));
        reached.reach_if(!self.is_last_write && by(Some(oracle::merge::Side::App)), On::AppWins);
        reached.reach_if(!self.is_last_write && by(Some(oracle::merge::Side::Xero)), On::XeroWins);
        reached.reach_if(self.is_last_write, On::LastWrite);
        reached.reach_if(by(None), On::LeftOpen);
        let stays = |path: &String| verdict.conflicts.iter().any(|c| c.winner.is_none() && c.path == *path);
        reached.reach_if(self.stood.iter().any(stays), On::CarriedOver);
        let is_gone = |path: &String| !verdict.conflicts.iter().any(|conflict| conflict.path == *path);
        reached.reach_if(self.stood.iter().any(is_gone), On::WentAway);
        reached.reach_if(of(&|path| matches!(path, "money" | "target")), On::Group);
        reached.reach_if(of(&|path| path.starts_with("phones") || path.starts_with("addresses")), On::Slot);
        reached.reach_if(of(&|path| path.contains("].")), On::LinePart);
        reached.reach_if(of(&|path| path.starts_with("lines[") && path.ends_with(']')), On::LineRemovedEdited);
        let is_first = self.is_first;
        reached.reach_if(is_first, On::First);
        reached.reach_if(is_first && of(&|path| path == "lines"), On::NeverOne);
        reached.reach_if(!is_first && of(&|path| path == "lines"), On::WholeLines);
        let merges = |is: &dyn Fn(&str) -> bool| {
            verdict.sends.iter().any(|name| is(name)) && verdict.writes.iter().any(|name| is(name))
        };
        reached.reach_if(verdict.conflicts.is_empty() && merges(&|name| name != "lines"), On::FieldMerge);
        reached.reach_if(merges(&|name| name == "phones" || name == "addresses"), On::SlotsMerged);
        let is_both = |edit: &super::case::Edit| edit.to != BACK && epoch.xero.contains(edit);
        let is_quiet = verdict.sends.is_empty() && verdict.conflicts.is_empty() && !verdict.is_removal;
        reached.reach_if(is_quiet && epoch.app.iter().any(is_both), On::EqualEdits);
        reached.reach_if(epoch.app.iter().chain(&epoch.xero).any(|e| e.to == BACK && e.how & 3 == 0), On::Aba);
        reached.reach_if(epoch.app.iter().any(|e| e.to == BACK && e.how & 3 != 0), On::Spelling);
        reached.reach_if(epoch.is_lost && !verdict.sends.is_empty(), On::Lost);
        reached.reach_if(is_quiet && verdict.writes.is_empty(), On::Nothing);
        let status = |at: usize| self.start[at].get("status").and_then(Value::as_str);
        reached.reach_if(status(1) == Some("OVERDUE") && !verdict.sends.contains("status"), On::Overdue);
        let is_void = matches!(status(2), Some("CANCELLED" | "ARCHIVED"));
        reached.reach_if(is_void && !verdict.sends.is_empty(), On::VoidEdited);
        let told = ["is_customer", "amount_paid", "is_reconciled"];
        reached.reach_if(told.iter().any(|name| verdict.writes.contains(name)), On::Told);
        if self.start[1].is_null() {
            reached.reach_if(verdict.is_removal && verdict.conflicts.is_empty(), On::Deleted);
            reached.reach_if(of(&|path| path == "presence"), On::DeletedEdited);
            reached.reach_if(verdict.app.is_some(), On::Restored);
            reached.reach_if(!verdict.is_removal && verdict.conflicts.is_empty(), On::Agreed);
        } else {
            self.count_lines(reached);
        }
    }

    fn count_lines(&self, reached: &mut Reached) {
        use Reaches as On;
        let [was, mine, theirs] = [0, 1, 2].map(|at| lines(&self.start[at]));
        if was.is_empty() && mine.is_empty() && theirs.is_empty() {
            return;
        }
        let [b, a, x] = [was, mine, theirs].map(|lines| lines.iter().map(key).collect::<Vec<_>>());
        let by_app = a.iter().any(|key| !b.contains(key) && !x.contains(key));
        let by_xero = x.iter().any(|key| !b.contains(key) && !a.contains(key));
        let is_agreed = !b.is_empty();
        reached.reach_if(by_app, On::LineAddedByApp);
        reached.reach_if(by_xero, On::LineAddedByXero);
        reached.reach_if(by_app && by_xero, On::LineAddedByBoth);
        reached.reach_if(is_agreed && a.iter().any(|key| !b.contains(key) && x.contains(key)), On::SameLineAdded);
        reached.reach_if(b.iter().any(|key| !a.contains(key) && !x.contains(key)), On::LineRemovedByBoth);
        let is_in = |order: &[&str]| order.iter().filter_map(|key| b.iter().position(|k| k == key)).is_sorted();
        reached.reach_if(!is_in(&a) || !is_in(&x), On::Reordered);
        let has_id = |line: &Value| line.get("xero_line_id").is_some();
        reached.reach_if(mine.iter().any(|line| !has_id(line) && b.contains(&key(line))), On::Rewritten);
        let of_id = |line: &Value| mine.iter().filter(|o| o.get("xero_line_id") == line.get("xero_line_id")).count();
        reached.reach_if(mine.iter().any(|line| has_id(line) && of_id(line) > 1), On::Copied);
        let is_both = b.iter().any(|key| match [was, mine, theirs].map(|lines| find(lines, key)) {
            [Some(b), Some(a), Some(x)] => !alike(b, a) && !alike(b, x) && !alike(a, x),
            _ => false,
        });
        reached.reach_if(is_both && self.verdict.conflicts.is_empty(), On::LineMerge);
    }
}

fn judged<R: Sample>([base, app, xero]: [&Value; 3], rules: &Rules) -> Verdict {
    let later = match rules.later {
        Some(Side::App) => oracle::merge::Side::App,
        _ => oracle::merge::Side::Xero,
    };
    let app = (!app.is_null()).then_some(app);
    merge(R::SHAPE, &Sides { base, app, xero, later }, &|path| rules.rule(path))
}

fn lines(record: &Value) -> &[Value] {
    record.get("lines").and_then(Value::as_array).unwrap_or_default()
}

/// Which line it is.
fn key(line: &Value) -> &str {
    line.get(oracle::merge::KEY).and_then(Value::as_str).unwrap_or_default()
}

fn find<'a>(lines: &'a [Value], wanted: &str) -> Option<&'a Value> {
    lines.iter().find(|line| key(line) == wanted)
}

fn ids(record: &Value) -> Vec<Value> {
    lines(record).iter().filter_map(|line| line.get("xero_line_id").cloned()).collect()
}

fn expected_type(base: &Value) -> Option<&str> {
    base.get("type").and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Ids that Xero gave since the start are anybody's guess.
fn without_new_ids(record: &Value, known: &[Value]) -> Value {
    let mut record = record.clone();
    let mut seen = Vec::new();
    for line in record.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten() {
        // So is one that the App copied.
        let is_copied = line.get("xero_line_id").is_some_and(|id| seen.contains(id));
        seen.extend(line.get("xero_line_id").cloned());
        if (is_copied || line.get("xero_line_id").is_some_and(|id| !known.contains(id)))
            && let Some(line) = line.as_object_mut()
        {
            line.remove("xero_line_id");
        }
    }
    record
}

fn none(law: &str, what: &str, differences: Vec<String>) -> Result<(), String> {
    if differences.is_empty() {
        Ok(())
    } else {
        Err(format!("{law}: {what} is not as it should be: {}", differences.join("; ")))
    }
}

fn compare(which: &str, mut expected: Vec<&Conflict>, actual: &[FieldConflict]) -> Result<(), String> {
    for conflict in actual {
        let winner = conflict.winner.map(|side| match side {
            Side::App => oracle::merge::Side::App,
            Side::Xero => oracle::merge::Side::Xero,
        });
        let Some(at) = expected.iter().position(|other| other.path == conflict.field && other.winner == winner) else {
            return Err(format!("I-L4: a false conflict is {which}: {} ({:?})", conflict.field, conflict.winner));
        };
        let found = expected.remove(at);
        let pairs = [(&found.base, &conflict.base), (&found.app, &conflict.app), (&found.xero, &conflict.xero)];
        // The App may have copied ids, or forgotten them.
        let bare = |value: &Value| {
            let mut value = without_new_ids(value, &[]);
            value.as_object_mut().map(|line| line.remove("xero_line_id"));
            value
        };
        let is_so = |should: &Value, is: &serde_json::Value| {
            let is = Value::from(is);
            alike(should, &is) || alike(&bare(should), &bare(&is))
        };
        if let Some((should, is)) = pairs.into_iter().find(|(should, is)| !is_so(should, is)) {
            return Err(format!("I-L3: the conflict of {} holds {is} and should hold {should}", found.path));
        }
    }
    match expected.first() {
        Some(missing) => Err(format!("I-L3: a conflict is not {which}: {} ({:?})", missing.path, missing.winner)),
        None => Ok(()),
    }
}

/// Both sides, and what is agreed on, are the same in every part (I-C5); the App has its own word for what is late.
fn converged<R: Sample>(app: &Value, xero: &Value, base: &Value) -> Result<(), String> {
    none("I-C5", "the app, at rest,", differences(R::SHAPE, app, xero))?;
    none("I-C5", "what is agreed on, at rest,", differences(R::SHAPE, base, xero))?;
    let told = R::SHAPE.units.iter().filter_map(|unit| if let Unit::Told(name) = unit { Some(name) } else { None });
    for name in told.chain(&["lines"]) {
        let text = |record: &Value| record.get(name).cloned().unwrap_or(Value::Null);
        if !alike(&text(app), &text(xero)) {
            return Err(format!("I-C5: {name} is {} in the app and {} in xero", text(app), text(xero)));
        }
    }
    Ok(())
}

/// Whether the lines that stay are in their order. New ones have no key yet, and stand anywhere.
fn in_order(record: &Value, order: &[String], verdict: &Verdict) -> bool {
    let expected = lines(&verdict.xero);
    let key_of = |line: &Value| {
        let id = line.get("xero_line_id")?;
        let known = expected.iter().find(|known| known.get("xero_line_id") == Some(id))?;
        known.get(oracle::merge::KEY)?.as_str()
    };
    let place = |line: &Value| key_of(line).and_then(|key| order.iter().position(|known| known == key));
    lines(record).iter().filter_map(place).is_sorted()
}

/// A record in one line, blanks left out.
pub(super) fn brief<T: serde::Serialize>(record: &T) -> String {
    serde_json::to_string(record).unwrap_or_default()
}
