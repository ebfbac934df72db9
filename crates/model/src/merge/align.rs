//! Which lines of the base, the App and Xero are one and the same.
//!
//! By Xero's id, as far as it goes. It does not go far enough where a line is sent for the first time (the App and the
//! base have no id yet, the reply has one), where an application deletes and inserts its lines instead of updating them,
//! and where somebody replaced the lines in Xero. There, lines are paired by what was written into them, and what was
//! sent also by its place: a pair missed is a line that comes twice.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;

use serde_json::Value;
use uuid::Uuid;

use super::value::trimmed;
use crate::{Line, Member, Parts};

/// What Xero works out from the rest of a line.
pub(super) const COMPUTED: [&str; 2] = ["tax_amount", "line_amount"];
/// The member that says which line it is.
const ID: &str = "xero_line_id";

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
    pub(super) base: &'a [Line],
    pub(super) local: &'a [Line],
    pub(super) remote: &'a [Line],
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
pub(super) fn align(lists: &Lists<'_>) -> Vec<Slot> {
    use Likeness::{Described, Filled, Next, Whole, Written};
    use Which::{Base, Local, Remote};
    let mut pairs = Pairs { lists, slots: by_id(lists) };

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
    pairs.join(Written, (Local, &added), (Remote, &all_new));
    // Inserted again in Xero with the very edit that the App has.
    let gone = |slot: &Slot| slot.base.is_some() && slot.local.is_some() && slot.remote.is_none();
    pairs.join(Written, (Local, &gone), (Remote, &all_new));
    pairs.join(Filled, (Local, &added), (Remote, &all_new));
    for (slot, before) in pairs.slots.iter_mut().zip(before) {
        slot.has_arrived = added(&before) && slot.remote.is_some();
    }
    pairs.slots.retain(|slot| slot.base.is_some() || slot.local.is_some() || slot.remote.is_some());
    pairs.slots
}

fn by_id(lists: &Lists<'_>) -> Vec<Slot> {
    // An id that comes twice names the first line; the others are lines without one.
    let index = |lines: &[Line]| {
        let mut places: BTreeMap<Uuid, usize> = BTreeMap::new();
        for (at, id) in lines.iter().enumerate().filter_map(|(at, line)| Some((at, line.xero_line_id?))) {
            places.entry(id).or_insert(at);
        }
        places
    };
    let (base, local, remote) = (index(lists.base), index(lists.local), index(lists.remote));
    let named = |lines: &[Line], places: &BTreeMap<Uuid, usize>, at: usize| {
        lines[at].xero_line_id.filter(|id| places.get(id) == Some(&at))
    };
    let mut slots = Vec::with_capacity(lists.remote.len() + lists.local.len());
    for at in 0..lists.remote.len() {
        let mut slot = Slot { remote: Some(at), ..Slot::default() };
        if let Some(id) = named(lists.remote, &remote, at) {
            (slot.base, slot.local) = (base.get(&id).copied(), local.get(&id).copied());
        }
        slots.push(slot);
    }
    for at in 0..lists.base.len() {
        match named(lists.base, &base, at) {
            Some(id) if remote.contains_key(&id) => {}
            Some(id) => slots.push(Slot { base: Some(at), local: local.get(&id).copied(), ..Slot::default() }),
            None => slots.push(Slot { base: Some(at), is_sent: true, ..Slot::default() }),
        }
    }
    for at in 0..lists.local.len() {
        match named(lists.local, &local, at) {
            Some(id) if remote.contains_key(&id) || base.contains_key(&id) => {}
            // An id that neither Xero nor the base knows is a copied one, or one that Xero has given up.
            _ => slots.push(Slot { local: Some(at), ..Slot::default() }),
        }
    }
    slots
}

type Candidates<'a> = (Which, &'a dyn Fn(&Slot) -> bool);

struct Pairs<'a> {
    lists: &'a Lists<'a>,
    slots: Vec<Slot>,
}

impl Pairs<'_> {
    /// Joins slots of the one kind with slots of the other that are alike, in their order.
    fn join(&mut self, likeness: Likeness, one: Candidates<'_>, other: Candidates<'_>) {
        let pick = |(which, may): Candidates<'_>| -> Vec<(usize, &Line)> {
            let slots = self.slots.iter().enumerate().filter(|(_, slot)| may(slot));
            slots.filter_map(|(at, slot)| Some((at, self.line(slot, which)?))).collect()
        };
        let (ones, others) = (pick(one), pick(other));
        if ones.is_empty() || others.is_empty() {
            return;
        }
        let pairs = match likeness {
            Likeness::Next => ones.iter().zip(&others).map(|(one, other)| (one.0, other.0)).collect(),
            Likeness::Filled => Self::filled(&ones, &others),
            _ => Self::alike(likeness, &ones, &others),
        };
        for (one, other) in pairs {
            let from = std::mem::take(&mut self.slots[other]);
            let into = &mut self.slots[one];
            into.base = into.base.or(from.base);
            into.local = into.local.or(from.local);
            into.remote = into.remote.or(from.remote);
        }
    }

    fn line(&self, slot: &Slot, which: Which) -> Option<&Line> {
        match which {
            Which::Base => slot.base.map(|at| &self.lists.base[at]),
            Which::Local => slot.local.map(|at| &self.lists.local[at]),
            Which::Remote => slot.remote.map(|at| &self.lists.remote[at]),
        }
    }

    fn alike(likeness: Likeness, ones: &[(usize, &Line)], others: &[(usize, &Line)]) -> Vec<(usize, usize)> {
        let mut waiting: HashMap<String, VecDeque<usize>> = HashMap::with_capacity(others.len());
        for (at, line) in others {
            if let Some(text) = text(likeness, line) {
                waiting.entry(text).or_default().push_back(*at);
            }
        }
        let pair = |(at, line): &(usize, &Line)| Some((*at, waiting.get_mut(&text(likeness, line)?)?.pop_front()?));
        ones.iter().filter_map(pair).collect()
    }

    fn filled(ones: &[(usize, &Line)], others: &[(usize, &Line)]) -> Vec<(usize, usize)> {
        // Lines mostly differ in their description: looking among those of the same one keeps the work small.
        let mut described: HashMap<Option<String>, VecDeque<(usize, &Line)>> = HashMap::new();
        for (at, line) in others {
            described.entry(text(Likeness::Described, line)).or_default().push_back((*at, line));
            described.entry(None).or_default().push_back((*at, line));
        }
        let mut taken = std::collections::HashSet::new();
        let mut pairs = Vec::new();
        for (at, line) in ones {
            let Some(candidates) = described.get_mut(&text(Likeness::Described, line)) else { continue };
            while candidates.front().is_some_and(|(other, _)| taken.contains(other)) {
                candidates.pop_front();
            }
            let fits = candidates.iter().find(|(other, full)| !taken.contains(other) && is_filled(line, full));
            if let Some((other, _)) = fits {
                taken.insert(*other);
                pairs.push((*at, *other));
            }
        }
        pairs
    }
}

/// What has to be equal, as text.
fn text(likeness: Likeness, line: &Line) -> Option<String> {
    if let Likeness::Described = likeness {
        let description = line.description.as_deref().unwrap_or_default().trim();
        return Some(description.to_owned()).filter(|text| !text.is_empty());
    }
    let is_whole = matches!(likeness, Likeness::Whole);
    let mut text = String::new();
    for member in set(line).filter(|member| is_whole || is_written(line, member.field.name)) {
        let _ = match (member.value)(line).unwrap_or_default() {
            Value::String(value) => write!(text, "{}\u{1}{}\u{2}", member.field.name, value.trim()),
            value => write!(text, "{}\u{1}{value}\u{2}", member.field.name),
        };
    }
    Some(text)
}

/// The members that say something, but for the id.
fn set(line: &Line) -> impl Iterator<Item = &'static Member<Line>> {
    let nothing = Line::default();
    Line::MEMBERS.iter().filter(move |member| member.field.name != ID && !(member.agrees)(line, &nothing, trimmed))
}

/// Whether the App writes this member of the line: what Xero works out is written only where nothing else says it.
pub(super) fn is_written(line: &Line, name: &str) -> bool {
    !COMPUTED.contains(&name) || (name == "line_amount" && !is_priced(line))
}

/// Whether the line's amount follows from quantity and price.
pub(super) fn is_priced(line: &Line) -> bool {
    line.quantity.is_some() && line.unit_amount.is_some()
}

/// Whether `full` is `line` with blanks filled in.
fn is_filled(line: &Line, full: &Line) -> bool {
    let mut written = set(line).filter(|member| is_written(line, member.field.name)).peekable();
    written.peek().is_some() && written.all(|member| (member.agrees)(line, full, trimmed))
}
