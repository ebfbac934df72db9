//! The lines of documents: a group with what says how their amounts are meant, merged line by line where both sides
//! agree on that, and inside a line part by part.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::align::{COMPUTED, Lists, Slot, align, id_of, is_priced};
use super::value::{Members, agree, is_blank, loosely_agree, plain, plain_members};
use super::{Comparison, Outcome, Settled, Side, Three, Unit, copy, items, put_items, units};
use crate::{Keyed, Owner};

/// What becomes of one line.
#[derive(Default)]
struct Line {
    local: Option<Members>,
    base: Option<Members>,
    outgoing: Option<Members>,
    acked: Option<Members>,
}

struct Lines<'a> {
    keyed: &'a Keyed,
    parts: Vec<Unit>,
    lists: Lists<'a>,
    slots: Vec<Slot>,
}

/// Merges the group that holds the lines.
pub(super) fn merge(unit: &Unit, keyed: &Keyed, three: &Three<'_>, out: &mut Outcome<'_>) {
    let lines = Lines::of(keyed, three.base, three.local, three.remote);
    let others: Vec<&str> = unit.members.iter().copied().filter(|member| *member != keyed.field).collect();
    let agrees = |a: &Members, b: &Members| others.iter().all(|member| agree(a.get(*member), b.get(*member)));
    // A document that both sides agreed on once has a type.
    let were_never_one = is_blank(three.base.get("type")) && lines.are_strangers();
    if agrees(three.local, three.remote) && !were_never_one {
        return lines.merge_each(out);
    }
    // Amounts that mean another thing on each side cannot be mixed, and lines that were never one list must not be added
    // up: the group is one.
    let comparison = Comparison {
        app_is_base: agrees(three.local, three.base) && lines.app_kept_all(),
        app_is_xero: false,
        xero_is_base: agrees(three.base, three.remote) && lines.xero_kept_all(),
    };
    let values = || [unit.shown(three.base), unit.shown(three.local), unit.shown(three.remote)];
    match out.settled.settle(|| unit.name.to_owned(), &comparison, values) {
        Some(Side::Xero) => unit.copy(three.remote, &mut out.local),
        Some(Side::App) => {
            others.iter().for_each(|member| copy(three.local, &mut out.outgoing, member));
            others.iter().for_each(|member| copy(three.local, &mut out.acked, member));
            let known = lines.as_xero_knows_them();
            put_items(&mut out.local, keyed, known.clone());
            put_items(&mut out.outgoing, keyed, known.clone());
            put_items(&mut out.acked, keyed, known);
        }
        None => {
            unit.copy(three.base, &mut out.base);
            unit.copy(three.base, &mut out.acked);
            if were_never_one {
                // They still are not one, and the next merge must know.
                out.base.remove("type");
                out.acked.remove("type");
            }
        }
    }
}

/// Whether Xero left the group alone.
pub(super) fn is_untouched(unit: &Unit, keyed: &Keyed, base: &Members, remote: &Members) -> bool {
    let nothing = Members::new();
    let mut others = unit.members.iter().filter(|member| **member != keyed.field);
    others.all(|member| agree(base.get(*member), remote.get(*member)))
        && Lines::of(keyed, base, &nothing, remote).xero_kept_all()
}

impl<'a> Lines<'a> {
    fn of(keyed: &'a Keyed, base: &'a Members, local: &'a Members, remote: &'a Members) -> Self {
        let lists = Lists { base: items(base, keyed), local: items(local, keyed), remote: items(remote, keyed) };
        let slots = align(keyed, &lists);
        // The id is no part to merge: it is Xero's.
        let parts = units(keyed.parts).into_iter().filter(|part| part.owner == Owner::Both).collect();
        Self { keyed, parts, lists, slots }
    }

    /// Whether each side has lines that the other lacks, and none was ever agreed on.
    fn are_strangers(&self) -> bool {
        self.lists.base.is_empty()
            && self.slots.iter().any(|slot| slot.local.is_some() && slot.remote.is_none())
            && self.slots.iter().any(|slot| slot.remote.is_some() && slot.local.is_none())
    }

    fn merge_each(&self, out: &mut Outcome<'_>) {
        let merged: Vec<Line> = self.slots.iter().map(|slot| self.merge_line(slot, &mut out.settled)).collect();
        let next = self.next_order();
        let of_remote = self.sequence(|slot| slot.remote);
        let of_base = arrange(of_remote.clone(), &self.sequence(|slot| slot.base));
        // The App's order of the lines that Xero has.
        let sent: Vec<usize> = next
            .iter()
            .copied()
            .filter(|at| self.slots[*at].remote.is_some() && merged[*at].outgoing.is_some())
            .collect();
        if sent != of_remote.iter().copied().filter(|at| merged[*at].outgoing.is_some()).collect::<Vec<_>>() {
            out.settled.push.push(self.keyed.field.to_owned());
        }
        let list = |order: &[usize], of: fn(&Line) -> Option<&Members>| -> Vec<Members> {
            order.iter().filter_map(|at| of(&merged[*at])).cloned().collect()
        };
        // Every slot is in one of the orders: what is in neither list of Xero's nor of the App's is the base's.
        let next = arrange(next, &of_base);
        put_items(&mut out.local, self.keyed, list(&next, |line| line.local.as_ref()));
        put_items(&mut out.outgoing, self.keyed, list(&next, |line| line.outgoing.as_ref()));
        put_items(&mut out.acked, self.keyed, list(&next, |line| line.acked.as_ref()));
        put_items(&mut out.base, self.keyed, list(&of_base, |line| line.base.as_ref()));
    }

    /// Xero's order with the App's new lines at the end; the App's if Xero did not change its own.
    fn next_order(&self) -> Vec<usize> {
        let of_remote = self.sequence(|slot| slot.remote);
        let mut last = None;
        let is_as_before = of_remote.iter().all(|at| {
            let before = last.max(self.slots[*at].base);
            let is_next = self.slots[*at].base.is_some() && before == self.slots[*at].base;
            last = before;
            is_next
        });
        let of_local = self.sequence(|slot| slot.local);
        if is_as_before {
            arrange(of_local, &of_remote)
        } else {
            let known: HashSet<usize> = of_remote.iter().copied().collect();
            of_remote.into_iter().chain(of_local.into_iter().filter(|at| !known.contains(at))).collect()
        }
    }

    /// The slots that a side has, in its order.
    fn sequence(&self, place: fn(&Slot) -> Option<usize>) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..self.slots.len()).filter(|at| place(&self.slots[*at]).is_some()).collect();
        slots.sort_by_key(|at| place(&self.slots[*at]));
        slots
    }

    fn was(&self, slot: &Slot) -> Option<&'a Members> {
        // What has arrived is agreed on, though nobody has noted it.
        let arrived = slot.local.filter(|_| slot.has_arrived).map(|at| self.lists.local[at]);
        slot.base.map(|at| self.lists.base[at]).or(arrived)
    }

    fn app(&self, slot: &Slot) -> Option<&'a Members> {
        slot.local.map(|at| self.lists.local[at])
    }

    fn xero(&self, slot: &Slot) -> Option<&'a Members> {
        slot.remote.map(|at| self.lists.remote[at])
    }

    /// The line's name in paths: its id, or where it stands if even Xero gave none.
    fn path(&self, slot: &Slot) -> String {
        let line = self.xero(slot).or(self.was(slot));
        let id = line.and_then(|line| id_of(line, self.keyed)).map(str::to_owned);
        let place = slot.remote.or(slot.base).map_or(0, |at| at + 1);
        format!("{}[{}]", self.keyed.field, id.unwrap_or_else(|| format!("#{place}")))
    }

    fn merge_line(&self, slot: &Slot, settled: &mut Settled<'_>) -> Line {
        match (self.was(slot), self.app(slot), self.xero(slot)) {
            (None, None, None) | (Some(_), None, None) => Line::default(),
            (None, None, Some(xero)) => Line::all(Some(xero.clone())),
            (None, Some(app), None) => {
                let path = format!("{}[new]", self.keyed.field);
                if !settled.push.contains(&path) {
                    settled.push.push(path);
                }
                Line::pushed(Some(self.without_id(app)), None)
            }
            (Some(was), Some(app), None) => {
                let kept = self.parts.iter().all(|part| part.agrees_loosely(app, was));
                self.merge_presence(slot, kept, false, settled)
            }
            (Some(was), None, Some(xero)) => {
                let kept = self.parts.iter().all(|part| part.xero_kept(was, xero, slot));
                self.merge_presence(slot, false, kept, settled)
            }
            (was, Some(app), Some(xero)) => self.merge_parts(slot, [was, Some(app), Some(xero)], settled),
        }
    }

    /// A line that one side removed.
    fn merge_presence(&self, slot: &Slot, app_is_base: bool, xero_is_base: bool, settled: &mut Settled<'_>) -> Line {
        let (was, app, xero) = (self.was(slot), self.app(slot), self.xero(slot));
        let shown = |line: Option<&Members>| line.map_or(Value::Null, |line| Value::Object(plain_members(line)));
        let comparison = Comparison { app_is_base, app_is_xero: false, xero_is_base };
        match settled.settle(|| self.path(slot), &comparison, || [was, app, xero].map(shown)) {
            Some(Side::Xero) => Line::all(xero.cloned()),
            // Xero has given up the id of a line that it removed.
            Some(Side::App) => Line::pushed(app.map(|app| self.without_id(app)), xero.cloned()),
            None => {
                // Under the id that Xero has it by now, so that the conflict's path names it in the base too.
                let mut was = was.cloned();
                if let (Some(was), Some(xero)) = (&mut was, xero) {
                    copy(xero, was, self.keyed.key);
                }
                Line { local: app.cloned(), base: was.clone(), outgoing: xero.cloned(), acked: was }
            }
        }
    }

    fn merge_parts(&self, slot: &Slot, [was, app, xero]: [Option<&Members>; 3], settled: &mut Settled<'_>) -> Line {
        let nothing = Members::new();
        let [was, app, xero] = [was, app, xero].map(|line| line.unwrap_or(&nothing));
        let (mut local, mut base) = (app.clone(), xero.clone());
        let (mut outgoing, mut acked) = (xero.clone(), xero.clone());
        copy(xero, &mut local, self.keyed.key);
        for part in &self.parts {
            let comparison = Comparison {
                app_is_base: part.agrees_loosely(app, was),
                app_is_xero: part.app_is_xero(was, app, xero),
                xero_is_base: part.xero_kept(was, xero, slot),
            };
            let path = || format!("{}.{}", self.path(slot), part.name);
            let values = || [part.shown(was), part.shown(app), part.shown(xero)];
            match settled.settle(path, &comparison, values) {
                Some(Side::Xero) if part.agrees(app, xero) => {}
                Some(Side::Xero) => part.copy(xero, &mut local),
                Some(Side::App) => {
                    if slot.is_sent {
                        part.fill(was, xero, &mut local);
                    }
                    part.copy(&local, &mut outgoing);
                    part.copy(&local, &mut acked);
                }
                None => {
                    part.copy(was, &mut base);
                    part.copy(was, &mut acked);
                }
            }
        }
        Line { local: Some(local), base: Some(base), outgoing: Some(outgoing), acked: Some(acked) }
    }

    fn app_kept_all(&self) -> bool {
        let order = self.sequence(|slot| slot.local);
        order.windows(2).all(|pair| self.slots[pair[0]].base <= self.slots[pair[1]].base)
            && self.slots.iter().all(|slot| match (self.was(slot), self.app(slot)) {
                (Some(was), Some(app)) => {
                    slot.base.is_some() && self.parts.iter().all(|part| part.agrees_loosely(app, was))
                }
                (was, app) => was.is_none() && app.is_none(),
            })
    }

    fn xero_kept_all(&self) -> bool {
        self.slots.iter().all(|slot| match (self.was(slot), self.xero(slot)) {
            (Some(was), Some(xero)) => self.parts.iter().all(|part| part.xero_kept(was, xero, slot)),
            (was, xero) => was.is_none() && xero.is_none(),
        })
    }

    /// The App's lines with the ids that Xero knows them by.
    fn as_xero_knows_them(&self) -> Vec<Members> {
        let known = |at: usize| {
            let slot = &self.slots[at];
            let mut line = self.without_id(self.app(slot)?);
            if let Some(xero) = self.xero(slot) {
                copy(xero, &mut line, self.keyed.key);
            }
            Some(line)
        };
        self.sequence(|slot| slot.local).into_iter().filter_map(known).collect()
    }

    fn without_id(&self, line: &Members) -> Members {
        let mut line = line.clone();
        line.remove(self.keyed.key);
        line
    }
}

impl Line {
    fn all(line: Option<Members>) -> Self {
        Self { local: line.clone(), base: line.clone(), outgoing: line.clone(), acked: line }
    }

    fn pushed(line: Option<Members>, base: Option<Members>) -> Self {
        Self { local: line.clone(), base, outgoing: line.clone(), acked: line }
    }
}

impl Unit {
    /// Whether Xero left the part alone. What it works out from the rest, and what it fills in where a new line left it
    /// blank, is no edit; tax that somebody set is one.
    fn xero_kept(&self, was: &Members, xero: &Members, slot: &Slot) -> bool {
        let keeps = |member: &&str| loosely_agree(was.get(*member), xero.get(*member));
        let fills = |member: &&str| is_blank(was.get(*member)) || keeps(member);
        if self.members.iter().all(keeps) {
            return true;
        }
        if slot.is_sent || slot.has_arrived {
            return self.inputs(was, xero).all(|member| fills(&member));
        }
        self.has_computed() && self.inputs(was, xero).all(|member| keeps(&member)) && fills(&"tax_amount")
    }

    /// Whether both sides made the same change. What Xero works out from it is Xero's to say.
    fn app_is_xero(&self, was: &Members, app: &Members, xero: &Members) -> bool {
        let same = |a: &Members, b: &Members, member: &str| loosely_agree(a.get(member), b.get(member));
        self.agrees_loosely(app, xero)
            || self.has_computed()
                && self.inputs(app, xero).all(|member| same(app, xero, member))
                && !self.inputs(app, was).all(|member| same(app, was, member))
                && (is_blank(app.get("tax_amount")) || same(app, xero, "tax_amount") || same(app, was, "tax_amount"))
    }

    fn has_computed(&self) -> bool {
        self.members.iter().any(|member| COMPUTED.contains(member))
    }

    /// The members that Xero does not work out from the others, in these two lines.
    fn inputs(&self, a: &Members, b: &Members) -> impl Iterator<Item = &'static str> {
        let is_computed = is_priced(a) && is_priced(b);
        let members = self.members.iter().copied();
        members.filter(move |member| *member != "tax_amount" && !(is_computed && *member == "line_amount"))
    }

    /// Takes over what Xero filled in where neither the App nor what was sent says anything.
    fn fill(&self, was: &Members, xero: &Members, local: &mut Members) {
        for member in self.members.iter().filter(|member| !COMPUTED.contains(member)) {
            if is_blank(was.get(*member)) && is_blank(local.get(*member)) {
                let filled = plain(xero.get(*member));
                if !filled.is_null() {
                    local.insert((*member).to_owned(), filled);
                }
            }
        }
    }
}

/// The first order, with what only the second has put behind what it follows there.
fn arrange(first: Vec<usize>, second: &[usize]) -> Vec<usize> {
    let known: HashSet<usize> = first.iter().copied().collect();
    let mut following: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut anchor = None;
    for at in second {
        if known.contains(at) {
            anchor = Some(*at);
        } else {
            following.entry(anchor).or_default().push(*at);
        }
    }
    let mut order = following.remove(&None).unwrap_or_default();
    for at in first {
        order.push(at);
        order.extend(following.remove(&Some(at)).unwrap_or_default());
    }
    order
}
