//! The lines of documents: a group with what says how their amounts are meant, merged line by line where both sides
//! agree on that, and inside a line part by part.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::align::{COMPUTED, Lists, Slot, align, is_priced};
use super::value::{exactly, plain_members, trimmed};
use super::{Comparison, Outcome, Settled, Side, Three};
use crate::{Line, Member, Owner, Parts, Record, Unit};

/// The list's name in paths.
const LINES: &str = "lines";

/// What becomes of one line.
#[derive(Default)]
struct Merged<'a> {
    local: Option<Cow<'a, Line>>,
    base: Option<Cow<'a, Line>>,
    outgoing: Option<Cow<'a, Line>>,
    acked: Option<Cow<'a, Line>>,
}

struct Lines<'a> {
    lists: Lists<'a>,
    slots: Vec<Slot>,
}

/// Merges the group that holds the lines.
pub(super) fn merge<R: Record>(
    unit: &Unit<R>,
    three: &Three<'_, R>,
    out: &mut Outcome<'_, R>,
) -> Result<(), serde_json::Error> {
    let lines = Lines::of(unit.items(three.base), unit.items(three.local), unit.items(three.remote));
    // A document that both sides agreed on once has a type.
    let types = || R::MEMBERS.iter().filter(|member| member.field.json_name() == "type");
    let were_never_one = types().all(|member| (member.is_blank)(three.base)) && lines.are_strangers();
    if others_agree(unit, three.local, three.remote) && !were_never_one {
        return lines.merge_each(unit, out);
    }
    // Amounts that mean another thing on each side cannot be mixed, and lines that were never one list must not be added
    // up: the group is one.
    let comparison = Comparison {
        app_is_base: others_agree(unit, three.local, three.base) && lines.app_kept_all(),
        app_is_xero: false,
        xero_is_base: others_agree(unit, three.base, three.remote) && lines.xero_kept_all(),
    };
    let values = || Ok([unit.shown(three.base)?, unit.shown(three.local)?, unit.shown(three.remote)?]);
    match out.settled.settle(|| unit.name.to_owned(), &comparison, values)? {
        Some(Side::Xero) => unit.copy(three.remote, out.local.to_mut()),
        Some(Side::App) => {
            others(unit).for_each(|member| (member.copy)(out.outgoing.to_mut(), three.local));
            others(unit).for_each(|member| (member.copy)(out.acked.to_mut(), three.local));
            let known = lines.as_xero_knows_them();
            for record in [&mut out.local, &mut out.outgoing, &mut out.acked] {
                put(unit, record, known.iter());
            }
        }
        None => {
            unit.copy(three.base, out.base.to_mut());
            unit.copy(three.base, out.acked.to_mut());
            if were_never_one {
                // They still are not one, and the next merge must know.
                let nothing = R::default();
                types().for_each(|member| (member.copy)(out.base.to_mut(), &nothing));
                types().for_each(|member| (member.copy)(out.acked.to_mut(), &nothing));
            }
        }
    }
    Ok(())
}

/// Whether Xero left the group alone.
pub(super) fn is_untouched<R: Parts>(unit: &Unit<R>, base: &R, remote: &R) -> bool {
    others_agree(unit, base, remote) && Lines::of(unit.items(base), &[], unit.items(remote)).xero_kept_all()
}

/// The members of the group but the lines.
fn others<R: Parts>(unit: &Unit<R>) -> impl Iterator<Item = &'static Member<R>> + '_ {
    unit.members().filter(|member| member.list.is_none())
}

fn others_agree<R: Parts>(unit: &Unit<R>, a: &R, b: &R) -> bool {
    others(unit).all(|member| (member.agrees)(a, b, exactly))
}

/// What of a line merges one by one. The id is no part to merge: it is Xero's.
fn parts() -> impl Iterator<Item = &'static Unit<Line>> {
    Line::units().iter().filter(|part| part.owner == Owner::Both)
}

impl<'a> Lines<'a> {
    fn of(base: &'a [Line], local: &'a [Line], remote: &'a [Line]) -> Self {
        let lists = Lists { base, local, remote };
        let slots = align(&lists);
        Self { lists, slots }
    }

    /// Whether each side has lines that the other lacks, and none was ever agreed on.
    fn are_strangers(&self) -> bool {
        self.lists.base.is_empty()
            && self.slots.iter().any(|slot| slot.local.is_some() && slot.remote.is_none())
            && self.slots.iter().any(|slot| slot.remote.is_some() && slot.local.is_none())
    }

    fn merge_each<R: Record>(&self, unit: &Unit<R>, out: &mut Outcome<'_, R>) -> Result<(), serde_json::Error> {
        let merged = self.slots.iter().map(|slot| self.merge_line(slot, &mut out.settled));
        let merged: Vec<Merged<'_>> = merged.collect::<Result<_, _>>()?;
        let next = self.next_order();
        let of_remote = self.sequence(|slot| slot.remote);
        // The App's order of the lines that Xero has.
        let is_sent = |at: &&usize| self.slots[**at].remote.is_some() && merged[**at].outgoing.is_some();
        if !next.iter().filter(is_sent).eq(of_remote.iter().filter(is_sent)) {
            out.settled.push.push(LINES.to_owned());
        }
        // Every slot is in one of the orders: what is in neither list of Xero's nor of the App's is the base's.
        let of_base = arrange(of_remote, &self.sequence(|slot| slot.base), self.slots.len());
        let next = arrange(next, &of_base, self.slots.len());
        put(unit, &mut out.local, next.iter().filter_map(|at| merged[*at].local.as_deref()));
        put(unit, &mut out.outgoing, next.iter().filter_map(|at| merged[*at].outgoing.as_deref()));
        put(unit, &mut out.acked, next.iter().filter_map(|at| merged[*at].acked.as_deref()));
        put(unit, &mut out.base, of_base.iter().filter_map(|at| merged[*at].base.as_deref()));
        Ok(())
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
            arrange(of_local, &of_remote, self.slots.len())
        } else {
            let added = of_local.into_iter().filter(|at| self.slots[*at].remote.is_none());
            of_remote.into_iter().chain(added).collect()
        }
    }

    /// The slots that a side has, in its order.
    fn sequence(&self, place: fn(&Slot) -> Option<usize>) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..self.slots.len()).filter(|at| place(&self.slots[*at]).is_some()).collect();
        slots.sort_by_key(|at| place(&self.slots[*at]));
        slots
    }

    fn was(&self, slot: &Slot) -> Option<&'a Line> {
        // What has arrived is agreed on, though nobody has noted it.
        let arrived = slot.local.filter(|_| slot.has_arrived).map(|at| &self.lists.local[at]);
        slot.base.map(|at| &self.lists.base[at]).or(arrived)
    }

    fn app(&self, slot: &Slot) -> Option<&'a Line> {
        slot.local.map(|at| &self.lists.local[at])
    }

    fn xero(&self, slot: &Slot) -> Option<&'a Line> {
        slot.remote.map(|at| &self.lists.remote[at])
    }

    /// The line's name in paths: its id, or where it stands if even Xero gave none.
    fn path(&self, slot: &Slot) -> String {
        match self.xero(slot).or(self.was(slot)).and_then(|line| line.xero_line_id) {
            Some(id) => format!("{LINES}[{id}]"),
            None => format!("{LINES}[#{}]", slot.remote.or(slot.base).map_or(0, |at| at + 1)),
        }
    }

    fn merge_line(&self, slot: &Slot, settled: &mut Settled<'_>) -> Result<Merged<'a>, serde_json::Error> {
        match (self.was(slot), self.app(slot), self.xero(slot)) {
            (None, None, None) | (Some(_), None, None) => Ok(Merged::default()),
            (None, None, Some(xero)) => Ok(Merged::all(Some(Cow::Borrowed(xero)))),
            (None, Some(app), None) => {
                let path = format!("{LINES}[new]");
                if !settled.push.contains(&path) {
                    settled.push.push(path);
                }
                Ok(Merged::pushed(Some(Cow::Owned(without_id(app))), None))
            }
            (Some(was), Some(app), None) => {
                let kept = parts().all(|part| part.agrees_loosely(app, was));
                self.merge_presence(slot, kept, false, settled)
            }
            (Some(was), None, Some(xero)) => {
                let kept = parts().all(|part| part.xero_kept(was, xero, slot));
                self.merge_presence(slot, false, kept, settled)
            }
            (was, Some(app), Some(xero)) => self.merge_parts(slot, [was, Some(app), Some(xero)], settled),
        }
    }

    /// A line that one side removed.
    fn merge_presence(
        &self,
        slot: &Slot,
        app_is_base: bool,
        xero_is_base: bool,
        settled: &mut Settled<'_>,
    ) -> Result<Merged<'a>, serde_json::Error> {
        let (was, app, xero) = (self.was(slot), self.app(slot), self.xero(slot));
        let comparison = Comparison { app_is_base, app_is_xero: false, xero_is_base };
        let values = || Ok([shown(was)?, shown(app)?, shown(xero)?]);
        Ok(match settled.settle(|| self.path(slot), &comparison, values)? {
            Some(Side::Xero) => Merged::all(xero.map(Cow::Borrowed)),
            // Xero has given up the id of a line that it removed.
            Some(Side::App) => Merged::pushed(app.map(|app| Cow::Owned(without_id(app))), xero.map(Cow::Borrowed)),
            None => {
                // Under the id that Xero has it by now, so that the conflict's path names it in the base too.
                let was = was.map(|was| match xero {
                    Some(xero) => Cow::Owned(Line { xero_line_id: xero.xero_line_id, ..was.clone() }),
                    None => Cow::Borrowed(was),
                });
                let (local, outgoing) = (app.map(Cow::Borrowed), xero.map(Cow::Borrowed));
                Merged { local, base: was.clone(), outgoing, acked: was }
            }
        })
    }

    fn merge_parts(
        &self,
        slot: &Slot,
        [was, app, xero]: [Option<&'a Line>; 3],
        settled: &mut Settled<'_>,
    ) -> Result<Merged<'a>, serde_json::Error> {
        let nothing = Line::default();
        let (Some(app), Some(xero), was) = (app, xero, was.unwrap_or(&nothing)) else { return Ok(Merged::default()) };
        let (mut local, mut base) = (Cow::Borrowed(app), Cow::Borrowed(xero));
        let (mut outgoing, mut acked) = (Cow::Borrowed(xero), Cow::Borrowed(xero));
        if app.xero_line_id != xero.xero_line_id {
            local.to_mut().xero_line_id = xero.xero_line_id;
        }
        for part in parts() {
            let comparison = Comparison {
                app_is_base: part.agrees_loosely(app, was),
                app_is_xero: part.app_is_xero(was, app, xero),
                xero_is_base: part.xero_kept(was, xero, slot),
            };
            let path = || format!("{}.{}", self.path(slot), part.name);
            let values = || Ok([part.shown(was)?, part.shown(app)?, part.shown(xero)?]);
            match settled.settle(path, &comparison, values)? {
                Some(Side::Xero) if part.agrees(app, xero) => {}
                Some(Side::Xero) => part.copy(xero, local.to_mut()),
                Some(Side::App) => {
                    if slot.is_sent {
                        part.fill(was, xero, local.to_mut());
                    }
                    part.copy(&local, outgoing.to_mut());
                    part.copy(&local, acked.to_mut());
                }
                None => {
                    part.copy(was, base.to_mut());
                    part.copy(was, acked.to_mut());
                }
            }
        }
        Ok(Merged { local: Some(local), base: Some(base), outgoing: Some(outgoing), acked: Some(acked) })
    }

    fn app_kept_all(&self) -> bool {
        let order = self.sequence(|slot| slot.local);
        order.windows(2).all(|pair| self.slots[pair[0]].base <= self.slots[pair[1]].base)
            && self.slots.iter().all(|slot| match (self.was(slot), self.app(slot)) {
                (Some(was), Some(app)) => slot.base.is_some() && parts().all(|part| part.agrees_loosely(app, was)),
                (was, app) => was.is_none() && app.is_none(),
            })
    }

    fn xero_kept_all(&self) -> bool {
        self.slots.iter().all(|slot| match (self.was(slot), self.xero(slot)) {
            (Some(was), Some(xero)) => parts().all(|part| part.xero_kept(was, xero, slot)),
            (was, xero) => was.is_none() && xero.is_none(),
        })
    }

    /// The App's lines with the ids that Xero knows them by.
    fn as_xero_knows_them(&self) -> Vec<Line> {
        let known = |at: usize| {
            let slot = &self.slots[at];
            let xero_line_id = self.xero(slot).and_then(|xero| xero.xero_line_id);
            Some(Line { xero_line_id, ..self.app(slot)?.clone() })
        };
        self.sequence(|slot| slot.local).into_iter().filter_map(known).collect()
    }
}

fn without_id(line: &Line) -> Line {
    Line { xero_line_id: None, ..line.clone() }
}

/// Puts lines in the place of those there are.
fn put<'l, R: Record>(unit: &Unit<R>, record: &mut Cow<'_, R>, lines: impl Iterator<Item = &'l Line> + Clone) {
    if !unit.items::<Line>(record).iter().eq(lines.clone()) {
        unit.change_items::<Line>(record.to_mut(), |list| *list = lines.cloned().collect());
    }
}

/// A line as conflicts show it; null for none.
fn shown(line: Option<&Line>) -> Result<Value, serde_json::Error> {
    Ok(match serde_json::to_value(line)? {
        Value::Object(members) => Value::Object(plain_members(&members)),
        other => other,
    })
}

impl<'a> Merged<'a> {
    fn all(line: Option<Cow<'a, Line>>) -> Self {
        Self { local: line.clone(), base: line.clone(), outgoing: line.clone(), acked: line }
    }

    fn pushed(line: Option<Cow<'a, Line>>, base: Option<Cow<'a, Line>>) -> Self {
        Self { local: line.clone(), base, outgoing: line.clone(), acked: line }
    }
}

impl Unit<Line> {
    /// Whether Xero left the part alone. What it works out from the rest, and what it fills in where a new line left it
    /// blank, is no edit; tax that somebody set is one.
    fn xero_kept(&self, was: &Line, xero: &Line, slot: &Slot) -> bool {
        let keeps = |member: &Member<Line>| (member.agrees)(was, xero, trimmed);
        let fills = |member: &Member<Line>| (member.is_blank)(was) || keeps(member);
        if self.members().all(keeps) {
            return true;
        }
        if slot.is_sent || slot.has_arrived {
            return self.inputs(was, xero).all(fills);
        }
        let keeps_tax = was.tax_amount.is_none() || was.tax_amount == xero.tax_amount;
        self.has_computed() && self.inputs(was, xero).all(keeps) && keeps_tax
    }

    /// Whether both sides made the same change. What Xero works out from it is Xero's to say.
    fn app_is_xero(&self, was: &Line, app: &Line, xero: &Line) -> bool {
        let all_same = |a: &Line, b: &Line| self.inputs(a, b).all(|member| (member.agrees)(a, b, trimmed));
        let leaves_tax =
            || app.tax_amount.is_none() || app.tax_amount == xero.tax_amount || app.tax_amount == was.tax_amount;
        self.agrees_loosely(app, xero)
            || self.has_computed() && all_same(app, xero) && !all_same(app, was) && leaves_tax()
    }

    fn has_computed(&self) -> bool {
        self.members().any(|member| COMPUTED.contains(&member.field.name))
    }

    /// The members that Xero does not work out from the others, in these two lines.
    fn inputs(&self, a: &Line, b: &Line) -> impl Iterator<Item = &'static Member<Line>> {
        let is_computed = is_priced(a) && is_priced(b);
        self.members().filter(move |member| match member.field.name {
            "tax_amount" => false,
            "line_amount" => !is_computed,
            _ => true,
        })
    }

    /// Takes over what Xero filled in where neither the App nor what was sent says anything.
    fn fill(&self, was: &Line, xero: &Line, local: &mut Line) {
        for member in self.members().filter(|member| !COMPUTED.contains(&member.field.name)) {
            if (member.is_blank)(was) && (member.is_blank)(local) && !(member.is_blank)(xero) {
                (member.copy)(local, xero);
            }
        }
    }
}

/// The first order, with what only the second has put behind what it follows there; both of so many slots.
fn arrange(first: Vec<usize>, second: &[usize], slots: usize) -> Vec<usize> {
    let mut is_known = vec![false; slots];
    first.iter().for_each(|at| is_known[*at] = true);
    if second.iter().all(|at| is_known[*at]) {
        return first;
    }
    let mut following: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut anchor = None;
    for at in second {
        if is_known[*at] {
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
