//! What a merge of two sides must come to, written from the requirements (product.md C1 to C3, reliability.md A3).
//!
//! It works over plain JSON. [`recognise`] says first which lines are one and the same: each line gets a member `@`, the
//! same text wherever the line is the same one.
//!
//! - A unit (a field, a group of fields, a slot, a part of a line) that one side changed takes that side.
//! - The same on both sides is no conflict; canonically the same counts (Xero trims text; late is the App's word for sent).
//! - Changed differently on both sides it is a conflict, which a rule decides, or which stays as it is on both sides and
//!   does not advance what was agreed on.
//! - A line that one side removed and the other edited is a conflict of the line; a row that the App removed and Xero
//!   edited is one of its presence.

mod lines;
mod recognise;
mod same;
mod value;

use std::collections::BTreeSet;

pub use recognise::recognise;
pub use same::{alike, differences};
use same::{blank, same};
pub use value::{Members, Value};

/// The member of a line that says which line it is, over all states of a record.
pub const KEY: &str = "@";

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The application's tables.
    App,
    /// Xero.
    Xero,
}

/// Who wins a conflict (product.md C2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The side that was changed later.
    LastWrite,
    /// The App.
    App,
    /// Xero.
    Xero,
    /// A person.
    Ask,
}

/// What merges as one.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// A field of its own.
    Field(&'static str),
    /// Fields that only make sense together, under the group's name.
    Group(&'static str, &'static [&'static str]),
    /// A list of slots; each merges as one and is named by its kind.
    Slots(&'static str),
    /// The lines of a document, with what says how their amounts are meant.
    Lines,
    /// Xero's alone: it goes to the App and never back.
    Told(&'static str),
}

/// What a kind of record consists of.
#[derive(Debug)]
pub struct Shape {
    /// Its units.
    pub units: &'static [Unit],
    /// The status of a record that is as good as gone.
    pub gone: &'static str,
}

use Unit::{Field, Group, Lines, Slots, Told};

/// Customers and suppliers.
pub const CUSTOMER: Shape = Shape {
    units: &[
        Field("name"),
        Field("first_name"),
        Field("last_name"),
        Field("email"),
        Field("contact_number"),
        Field("account_number"),
        Field("tax_number"),
        Field("company_number"),
        Field("default_currency"),
        Field("status"),
        Slots("phones"),
        Slots("addresses"),
        Told("is_customer"),
        Told("is_supplier"),
        Told("merged_into"),
    ],
    gone: "ARCHIVED",
};

/// Sales invoices and bills.
pub const INVOICE: Shape = Shape {
    units: &[
        Field("type"),
        Field("number"),
        Field("reference"),
        Field("customer"),
        Field("date"),
        Field("due_date"),
        Field("status"),
        Group("money", &["currency", "currency_rate"]),
        Lines,
        Told("xero_status"),
        Told("sub_total"),
        Told("total_tax"),
        Told("total"),
        Told("amount_due"),
        Told("amount_paid"),
        Told("amount_credited"),
        Told("fully_paid_on"),
    ],
    gone: "CANCELLED",
};

/// Payments.
pub const PAYMENT: Shape = Shape {
    units: &[
        Group("target", &["invoice", "credit_note", "prepayment", "overpayment"]),
        Field("account"),
        Field("date"),
        Group("money", &["amount", "currency_rate"]),
        Field("reference"),
        Field("method"),
        Field("status"),
        Told("bank_amount"),
        Told("payment_type"),
        Told("xero_status"),
        Told("is_reconciled"),
    ],
    gone: "CANCELLED",
};

/// Money spent or received directly.
pub const BANK_TRANSACTION: Shape = Shape {
    units: &[
        Field("type"),
        Field("customer"),
        Field("account"),
        Field("date"),
        Field("reference"),
        Field("status"),
        Group("money", &["currency", "currency_rate"]),
        Lines,
        Told("xero_status"),
        Told("sub_total"),
        Told("total_tax"),
        Told("total"),
        Told("is_reconciled"),
    ],
    gone: "CANCELLED",
};

/// What a merge is about.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// What both sides last agreed on; an empty object if they never did.
    pub base: &'a Value,
    /// The App's record; `None` if its row was deleted.
    pub app: Option<&'a Value>,
    /// Xero's record.
    pub xero: &'a Value,
    /// The side that was changed later.
    pub later: Side,
}

/// A unit that both sides changed differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// `email`, `money`, `phones[MOBILE]`, `lines`, `lines[<id>]`, `lines[<id>].amounts`, or `presence`.
    pub path: String,
    /// What was agreed on.
    pub base: Value,
    /// What the App has.
    pub app: Value,
    /// What Xero has.
    pub xero: Value,
    /// Who won; nobody while it waits for a person.
    pub winner: Option<Side>,
}

/// What has to be the case once everything has arrived and neither side is edited any more.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The App's record; `None` if there is none.
    pub app: Option<Value>,
    /// Xero's record, but for what Xero works out itself and for the ids of new lines.
    pub xero: Value,
    /// What both agree on then.
    pub base: Value,
    /// What both agree on as long as nothing of it has arrived in Xero.
    pub unsent: Value,
    /// Every conflict, in no order that counts.
    pub conflicts: Vec<Conflict>,
    /// Fields and groups that have to be sent to Xero; nothing else may be.
    pub sends: BTreeSet<&'static str>,
    /// Fields and groups that have to be written to the App's row.
    pub writes: BTreeSet<&'static str>,
    /// Xero's record is to be voided, deleted or archived, because the App's row is gone.
    pub is_removal: bool,
    /// The lines that stay, in their order, where it can be told.
    pub order: Option<Vec<String>>,
}

/// Who wins a conflict of this path.
pub type Rules<'a> = &'a dyn Fn(&str) -> Rule;

/// Says what the sides must come to.
pub fn merge(shape: &Shape, sides: &Sides<'_>, rules: Rules<'_>) -> Verdict {
    let (Some(app), Some(xero)) = (sides.app.and_then(Value::as_object), sides.xero.as_object()) else {
        return removed(shape, sides, rules);
    };
    let nothing = Members::new();
    let base = sides.base.as_object().unwrap_or(&nothing);
    let mut build = Build {
        app: app.clone(),
        xero: xero.clone(),
        base: xero.clone(),
        unsent: xero.clone(),
        court: Court { rules, later: sides.later, conflicts: Vec::new() },
        sends: BTreeSet::new(),
        writes: BTreeSet::new(),
        order: None,
    };
    for unit in shape.units {
        match unit {
            Field(name) => build.members(name, &[name], [base, app, xero]),
            Group(name, members) => build.members(name, members, [base, app, xero]),
            Slots(list) => build.slots(list, [base, app, xero]),
            Lines => lines::merge(&mut build, [base, app, xero]),
            Told(name) => build.told(name, [app, xero]),
        }
    }
    Verdict {
        app: Some(Value::from(build.app)),
        xero: Value::from(build.xero),
        base: Value::from(build.base),
        unsent: Value::from(build.unsent),
        conflicts: build.court.conflicts,
        sends: build.sends,
        writes: build.writes,
        is_removal: false,
        order: build.order,
    }
}

/// The App's row is gone. What Xero removed too is settled, what Xero left alone is removed there, and anything else is a
/// conflict about whether the record is there at all.
fn removed(shape: &Shape, sides: &Sides<'_>, rules: Rules<'_>) -> Verdict {
    let mut verdict = Verdict {
        app: None,
        xero: sides.xero.clone(),
        base: sides.xero.clone(),
        unsent: sides.xero.clone(),
        conflicts: Vec::new(),
        sends: BTreeSet::new(),
        writes: BTreeSet::new(),
        is_removal: false,
        order: None,
    };
    if is_gone(shape, sides.xero) {
        return verdict;
    }
    if is_untouched(shape, sides.base, sides.xero) {
        verdict.remove(shape);
        return verdict;
    }
    let mut court = Court { rules, later: sides.later, conflicts: Vec::new() };
    let values = [sides.base.clone(), Value::Null, sides.xero.clone()];
    match court.decide("presence".to_owned(), values) {
        Some(Side::App) => verdict.remove(shape),
        Some(Side::Xero) => {
            verdict.app = Some(sides.xero.clone());
            verdict.writes.insert("presence");
        }
        None => {
            verdict.base = sides.base.clone();
            verdict.unsent = sides.base.clone();
        }
    }
    verdict.conflicts = court.conflicts;
    verdict
}

impl Verdict {
    fn remove(&mut self, shape: &Shape) {
        self.is_removal = true;
        for record in [&mut self.xero, &mut self.base] {
            if let Some(record) = record.as_object_mut() {
                record.insert("status", Value::from(shape.gone));
            }
        }
    }
}

/// Whether a record is voided, deleted or archived.
pub fn is_gone(shape: &Shape, record: &Value) -> bool {
    record.get("status").and_then(Value::as_str) == Some(shape.gone)
}

/// Whether Xero's people left a record alone. What only Xero works out is no edit of theirs.
fn is_untouched(shape: &Shape, base: &Value, xero: &Value) -> bool {
    let nothing = Members::new();
    let (base, xero) = (base.as_object().unwrap_or(&nothing), xero.as_object().unwrap_or(&nothing));
    shape.units.iter().all(|unit| match unit {
        Field(name) => same(name, base.get(name), xero.get(name)),
        Group(_, members) => members.iter().all(|name| same(name, base.get(name), xero.get(name))),
        Slots(list) => {
            let (was, is) = (slots_of(base, list), slots_of(xero, list));
            kinds(&[&was, &is]).iter().all(|kind| same(list, find(&was, kind), find(&is, kind)))
        }
        Lines => lines::are_untouched(base, xero, &[]),
        Told(_) => true,
    })
}

/// Decides conflicts, and keeps them.
struct Court<'r> {
    rules: Rules<'r>,
    later: Side,
    conflicts: Vec<Conflict>,
}

impl Court<'_> {
    fn decide(&mut self, path: String, [base, app, xero]: [Value; 3]) -> Option<Side> {
        let winner = match (self.rules)(&path) {
            Rule::LastWrite => Some(self.later),
            Rule::App => Some(Side::App),
            Rule::Xero => Some(Side::Xero),
            Rule::Ask => None,
        };
        self.conflicts.push(Conflict { path, base, app, xero, winner });
        winner
    }
}

/// What becomes of one unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both say the same.
    Agreed,
    /// One side's value goes to the other.
    Goes(Side),
    /// Both keep their own.
    Stays,
}

/// What is known of a unit before anybody decides.
struct Question {
    by_app: bool,
    by_xero: bool,
    is_same: bool,
}

struct Build<'r> {
    app: Members,
    xero: Members,
    base: Members,
    unsent: Members,
    court: Court<'r>,
    sends: BTreeSet<&'static str>,
    writes: BTreeSet<&'static str>,
    order: Option<Vec<String>>,
}

impl Build<'_> {
    fn end(
        &mut self,
        root: &'static str,
        question: &Question,
        path: impl FnOnce() -> String,
        values: impl FnOnce() -> [Value; 3],
    ) -> End {
        let end = match question {
            Question { is_same: true, .. } => End::Agreed,
            Question { by_app: true, by_xero: false, .. } => End::Goes(Side::App),
            Question { by_app: false, .. } => End::Goes(Side::Xero),
            _ => self.court.decide(path(), values()).map_or(End::Stays, End::Goes),
        };
        match end {
            End::Goes(Side::App) => drop(self.sends.insert(root)),
            End::Goes(Side::Xero) => drop(self.writes.insert(root)),
            End::Agreed | End::Stays => {}
        }
        end
    }

    /// A field, or the fields of a group.
    fn members(&mut self, name: &'static str, members: &[&'static str], [base, app, xero]: [&Members; 3]) {
        let all = |a: &Members, b: &Members| members.iter().all(|member| same(member, a.get(member), b.get(member)));
        let question = Question { by_app: !all(base, app), by_xero: !all(base, xero), is_same: all(app, xero) };
        let shown = |of: &Members| match members {
            [only] if *only == name => of.get(name).cloned().unwrap_or(Value::Null),
            _ => Value::from(members.iter().filter_map(|m| Some((*m, of.get(m)?.clone()))).collect::<Members>()),
        };
        let end = self.end(name, &question, || name.to_owned(), || [base, app, xero].map(shown));
        for member in members {
            let put = |to: &mut Members, from: &Members| match from.get(member) {
                Some(value) => to.insert(*member, value.clone()),
                None => drop(to.remove(member)),
            };
            match end {
                End::Agreed => {}
                End::Goes(Side::App) => {
                    put(&mut self.xero, app);
                    put(&mut self.base, app);
                }
                End::Goes(Side::Xero) => put(&mut self.app, xero),
                End::Stays => {
                    put(&mut self.base, base);
                    put(&mut self.unsent, base);
                }
            }
        }
    }

    fn told(&mut self, name: &'static str, [app, xero]: [&Members; 2]) {
        if !same(name, app.get(name), xero.get(name)) {
            self.writes.insert(name);
        }
        match xero.get(name) {
            Some(value) => self.app.insert(name, value.clone()),
            None => drop(self.app.remove(name)),
        }
    }

    fn slots(&mut self, list: &'static str, [base, app, xero]: [&Members; 3]) {
        let [was, mine, theirs] = [base, app, xero].map(|record| slots_of(record, list));
        let mut after: [Vec<Value>; 4] = [const { Vec::new() }; 4];
        for kind in kinds(&[&theirs, &was, &mine]) {
            let [b, a, x] = [&was, &mine, &theirs].map(|slots| find(slots, kind));
            let question =
                Question { by_app: !same(list, b, a), by_xero: !same(list, b, x), is_same: same(list, a, x) };
            let shown = |slot: Option<&Value>| slot.cloned().unwrap_or(Value::Null);
            let end = self.end(list, &question, || format!("{list}[{kind}]"), || [b, a, x].map(shown));
            // The App, Xero, agreed on, agreed on before it is sent.
            let to = match end {
                End::Agreed => [a, x, x, x],
                End::Goes(Side::App) => [a, a, a, x],
                End::Goes(Side::Xero) => [x, x, x, x],
                End::Stays => [a, x, b, b],
            };
            after.iter_mut().zip(to).for_each(|(list, slot)| list.extend(slot.cloned()));
        }
        for (record, slots) in [&mut self.app, &mut self.xero, &mut self.base, &mut self.unsent].into_iter().zip(after)
        {
            record.insert(list, Value::from(slots));
        }
    }
}

/// The slots that have anything in them.
fn slots_of<'a>(record: &'a Members, list: &str) -> Vec<&'a Value> {
    let slots = record.get(list).and_then(Value::as_array).unwrap_or_default();
    let is_filled = |slot: &&Value| {
        slot.as_object().is_some_and(|parts| parts.iter().any(|(name, part)| name != "kind" && !blank(Some(part))))
    };
    slots.iter().filter(is_filled).collect()
}

fn kind_of(slot: &Value) -> &str {
    slot.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn kinds<'a>(lists: &[&Vec<&'a Value>]) -> Vec<&'a str> {
    let mut kinds = Vec::new();
    for kind in lists.iter().flat_map(|list| list.iter()).map(|slot| kind_of(slot)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn find<'a>(slots: &[&'a Value], kind: &str) -> Option<&'a Value> {
    slots.iter().find(|slot| kind_of(slot) == kind).copied()
}
