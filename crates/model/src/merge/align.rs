//! Which lines of the base, the App and Xero are one and the same.
//!
//! By Xero's id, as far as it goes. It does not go far enough where a line is sent for the first time (the App and the
//! base have no id yet, the reply has one), where an application deletes and inserts its lines instead of updating them,
//! and where somebody replaced the lines in Xero. There, lines are paired by what was written into them, and what was
//! sent also by its place: a pair missed is a line that comes twice.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::value::{Members, is_blank, loosely_agree};
use crate::Keyed;

/// What Xero works out from the rest of a line.
pub(super) const COMPUTED: [&str; 2] = ["tax_amount", "line_amount"];

/// One line, as far as each side has it; the numbers are places in the lists.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) base: Option<usize>,
    pub(super) local: Option<usize>,
    pub(super) remote: Option<usize>,
    /// The base has no id for it: it was sent, and Xero filled in what was left blank.
    pub(super) is_sent: bool,
    /// Neither id nor base says so, but what the App wrote is there in Xero: it arrived, and its answer did not.
    pub(super) has_arrived: bool,
}

/// The three lists of lines.
pub(super) struct Lists<'a> {
    pub(super) base: Vec<&'a Members>,
    pub(super) local: Vec<&'a Members>,
    pub(super) remote: Vec<&'a Members>,
}

#[derive(Clone, Copy)]
enum Which {
    Base,
    Local,
    Remote,
}

/// What makes two lines one, strictest first.
#[derive(Clone, Copy)]
enum Likeness {
    /// Everything but the id is the same.
    Whole,
    /// Everything is the same but the id and what Xero works out.
    Written,
    /// The one has everything that is set in the other.
    Filled,
    /// The descriptions are the same.
    Described,
    /// They are the next ones of those left.
    Next,
}

/// Pairs the lines up. The slots are in a fixed order: Xero's lines, then the base's others, then the App's others.
pub(super) fn align(keyed: &Keyed, lists: &Lists<'_>) -> Vec<Slot> {
    use Likeness::{Described, Filled, Next, Whole, Written};
    use Which::{Base, Local, Remote};
    let mut pairs = Pairs { keyed, lists, slots: by_id(keyed, lists) };

    // What was sent and came back.
    let sent = |slot: &Slot| slot.is_sent && slot.remote.is_none();
    let unknown = |slot: &Slot| slot.base.is_none() && slot.remote.is_some();
    for likeness in [Written, Filled] {
        pairs.join(likeness, (Base, &sent), (Remote, &unknown));
    }
    let all_new = |slot: &Slot| unknown(slot) && slot.local.is_none();
    pairs.join(Next, (Base, &sent), (Remote, &all_new));

    // What was sent, as the App has it by now.
    let sent = |slot: &Slot| slot.is_sent && slot.local.is_none();
    let added = |slot: &Slot| slot.base.is_none() && slot.local.is_some() && slot.remote.is_none();
    for likeness in [Whole, Written, Described, Next] {
        pairs.join(likeness, (Base, &sent), (Local, &added));
    }

    // Lines deleted and inserted again, in the App and in Xero.
    let gone = |slot: &Slot| slot.base.is_some() && slot.local.is_none();
    for likeness in [Whole, Written] {
        pairs.join(likeness, (Base, &gone), (Local, &added));
    }
    let gone = |slot: &Slot| slot.base.is_some() && slot.remote.is_none();
    pairs.join(Written, (Base, &gone), (Remote, &all_new));
    // Inserted again with the very edit that Xero has.
    let gone = |slot: &Slot| slot.base.is_some() && slot.local.is_none() && slot.remote.is_some();
    pairs.join(Written, (Remote, &gone), (Local, &added));

    // What was sent and whose answer was lost.
    let before = pairs.slots.clone();
    for likeness in [Written, Filled] {
        pairs.join(likeness, (Local, &added), (Remote, &all_new));
    }
    for (slot, before) in pairs.slots.iter_mut().zip(before) {
        slot.has_arrived = added(&before) && slot.remote.is_some();
    }
    pairs.slots.retain(|slot| slot.base.is_some() || slot.local.is_some() || slot.remote.is_some());
    pairs.slots
}

/// The id of a line, if it has one.
pub(super) fn id_of<'a>(line: &'a Members, keyed: &Keyed) -> Option<&'a str> {
    line.get(keyed.key).and_then(Value::as_str).filter(|id| !id.is_empty())
}

fn by_id(keyed: &Keyed, lists: &Lists<'_>) -> Vec<Slot> {
    // An id that comes twice names the first line; the others are lines without one.
    let index = |lines: &[&Members]| {
        let mut places: HashMap<String, usize> = HashMap::with_capacity(lines.len());
        for (at, id) in lines.iter().enumerate().filter_map(|(at, line)| Some((at, id_of(line, keyed)?))) {
            places.entry(id.to_owned()).or_insert(at);
        }
        places
    };
    let (base, local, remote) = (index(&lists.base), index(&lists.local), index(&lists.remote));
    let named = |lines: &[&Members], places: &HashMap<String, usize>, at: usize| {
        id_of(lines[at], keyed).filter(|id| places.get(*id) == Some(&at)).map(str::to_owned)
    };
    let mut slots = Vec::with_capacity(lists.remote.len() + lists.local.len());
    for at in 0..lists.remote.len() {
        let mut slot = Slot { remote: Some(at), ..Slot::default() };
        if let Some(id) = named(&lists.remote, &remote, at) {
            (slot.base, slot.local) = (base.get(&id).copied(), local.get(&id).copied());
        }
        slots.push(slot);
    }
    for at in 0..lists.base.len() {
        match named(&lists.base, &base, at) {
            Some(id) if remote.contains_key(&id) => {}
            Some(id) => slots.push(Slot { base: Some(at), local: local.get(&id).copied(), ..Slot::default() }),
            None => slots.push(Slot { base: Some(at), is_sent: true, ..Slot::default() }),
        }
    }
    for at in 0..lists.local.len() {
        match named(&lists.local, &local, at) {
            Some(id) if remote.contains_key(&id) || base.contains_key(&id) => {}
            // An id that neither Xero nor the base knows is a copied one, or one that Xero has given up.
            _ => slots.push(Slot { local: Some(at), ..Slot::default() }),
        }
    }
    slots
}

type Candidates<'a> = (Which, &'a dyn Fn(&Slot) -> bool);

struct Pairs<'a> {
    keyed: &'a Keyed,
    lists: &'a Lists<'a>,
    slots: Vec<Slot>,
}

impl Pairs<'_> {
    /// Joins slots of the one kind with slots of the other that are alike, in their order.
    fn join(&mut self, likeness: Likeness, one: Candidates<'_>, other: Candidates<'_>) {
        let pick = |(which, may): Candidates<'_>| -> Vec<(usize, &Members)> {
            let slots = self.slots.iter().enumerate().filter(|(_, slot)| may(slot));
            slots.filter_map(|(at, slot)| Some((at, self.line(slot, which)?))).collect()
        };
        let (ones, others) = (pick(one), pick(other));
        if ones.is_empty() || others.is_empty() {
            return;
        }
        let pairs = match likeness {
            Likeness::Next => ones.iter().zip(&others).map(|(one, other)| (one.0, other.0)).collect(),
            Likeness::Filled => self.filled(&ones, &others),
            _ => self.alike(likeness, &ones, &others),
        };
        for (one, other) in pairs {
            let from = std::mem::take(&mut self.slots[other]);
            let into = &mut self.slots[one];
            into.base = into.base.or(from.base);
            into.local = into.local.or(from.local);
            into.remote = into.remote.or(from.remote);
        }
    }

    fn line(&self, slot: &Slot, which: Which) -> Option<&Members> {
        match which {
            Which::Base => slot.base.map(|at| self.lists.base[at]),
            Which::Local => slot.local.map(|at| self.lists.local[at]),
            Which::Remote => slot.remote.map(|at| self.lists.remote[at]),
        }
    }

    fn alike(
        &self,
        likeness: Likeness,
        ones: &[(usize, &Members)],
        others: &[(usize, &Members)],
    ) -> Vec<(usize, usize)> {
        let mut waiting: HashMap<String, VecDeque<usize>> = HashMap::with_capacity(others.len());
        for (at, line) in others {
            if let Some(text) = self.text(likeness, line) {
                waiting.entry(text).or_default().push_back(*at);
            }
        }
        let pair =
            |(at, line): &(usize, &Members)| Some((*at, waiting.get_mut(&self.text(likeness, line)?)?.pop_front()?));
        ones.iter().filter_map(pair).collect()
    }

    /// What has to be equal, as text.
    fn text(&self, likeness: Likeness, line: &Members) -> Option<String> {
        let trimmed = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        if let Likeness::Described = likeness {
            return line.get("description").map(trimmed).filter(|text| !text.is_empty());
        }
        let is_whole = matches!(likeness, Likeness::Whole);
        let members = line.iter().filter(|(name, value)| {
            *name != self.keyed.key && !loosely_agree(Some(value), None) && (is_whole || is_written(line, name))
        });
        Some(members.map(|(name, value)| format!("{name}\u{1}{}\u{2}", trimmed(value))).collect())
    }

    fn filled(&self, ones: &[(usize, &Members)], others: &[(usize, &Members)]) -> Vec<(usize, usize)> {
        // Lines mostly differ in their description: looking among those of the same one keeps the work small.
        let mut described: HashMap<Option<String>, VecDeque<(usize, &Members)>> = HashMap::new();
        for (at, line) in others {
            described.entry(self.text(Likeness::Described, line)).or_default().push_back((*at, line));
            described.entry(None).or_default().push_back((*at, line));
        }
        let mut taken = std::collections::HashSet::new();
        let mut pairs = Vec::new();
        for (at, line) in ones {
            let Some(candidates) = described.get_mut(&self.text(Likeness::Described, line)) else { continue };
            while candidates.front().is_some_and(|(other, _)| taken.contains(other)) {
                candidates.pop_front();
            }
            let fits =
                candidates.iter().find(|(other, full)| !taken.contains(other) && is_filled(self.keyed, line, full));
            if let Some((other, _)) = fits {
                taken.insert(*other);
                pairs.push((*at, *other));
            }
        }
        pairs
    }
}

/// Whether the App writes this member of the line: what Xero works out is written only where nothing else says it.
pub(super) fn is_written(line: &Members, name: &str) -> bool {
    !COMPUTED.contains(&name) || (name == "line_amount" && !is_priced(line))
}

/// Whether the line's amount follows from quantity and price.
pub(super) fn is_priced(line: &Members) -> bool {
    !is_blank(line.get("quantity")) && !is_blank(line.get("unit_amount"))
}

/// Whether `full` is `line` with blanks filled in.
fn is_filled(keyed: &Keyed, line: &Members, full: &Members) -> bool {
    let mut written = line
        .iter()
        .filter(|(name, value)| *name != keyed.key && !loosely_agree(Some(value), None) && is_written(line, name))
        .peekable();
    written.peek().is_some() && written.all(|(name, value)| loosely_agree(Some(value), full.get(name)))
}
