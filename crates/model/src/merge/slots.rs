//! Lists of named slots: phones and addresses. A slot merges as one; the order of slots says nothing.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::value::{Members, agree, is_blank, loosely_agree, plain};
use super::{Comparison, Outcome, Side, Three, items, put_items};
use crate::Keyed;

/// The slots of one list by their keys. A slot without any part is as good as absent.
struct Slots<'a> {
    order: Vec<&'a str>,
    by_key: HashMap<&'a str, &'a Members>,
}

impl<'a> Slots<'a> {
    fn of(record: &'a Members, keyed: &Keyed) -> Self {
        let mut slots = Self { order: Vec::new(), by_key: HashMap::new() };
        for item in items(record, keyed).into_iter().filter(|item| !is_empty(item, keyed)) {
            let key = key_of(item, keyed);
            if let std::collections::hash_map::Entry::Vacant(entry) = slots.by_key.entry(key) {
                entry.insert(item);
                slots.order.push(key);
            }
        }
        slots
    }

    fn get(&self, key: &str) -> Option<&'a Members> {
        self.by_key.get(key).copied()
    }
}

/// A list being rebuilt slot by slot.
struct Rebuilt(Vec<Members>);

impl Rebuilt {
    fn put(&mut self, keyed: &Keyed, key: &str, item: Option<&Members>) {
        let at = self.0.iter().position(|known| key_of(known, keyed) == key);
        match (at, item) {
            (Some(at), Some(item)) => self.0[at] = item.clone(),
            (Some(at), None) => drop(self.0.remove(at)),
            (None, Some(item)) => self.0.push(item.clone()),
            (None, None) => {}
        }
    }
}

pub(super) fn merge(keyed: &Keyed, three: &Three<'_>, out: &mut Outcome<'_>) {
    let base = Slots::of(three.base, keyed);
    let local = Slots::of(three.local, keyed);
    let remote = Slots::of(three.remote, keyed);
    let of = |record: &Members| Rebuilt(items(record, keyed).into_iter().cloned().collect());
    let (mut next_local, mut next_base) = (of(three.local), of(three.remote));
    let (mut outgoing, mut acked) = (of(three.remote), of(three.remote));
    let mut seen = HashSet::new();
    for key in remote.order.iter().chain(&base.order).chain(&local.order).copied().filter(|key| seen.insert(*key)) {
        let (was, app, xero) = (base.get(key), local.get(key), remote.get(key));
        let comparison = Comparison {
            app_is_base: same(app, was, loosely_agree),
            app_is_xero: same(app, xero, loosely_agree),
            xero_is_base: same(was, xero, loosely_agree),
        };
        let path = || format!("{}[{key}]", keyed.field);
        match out.settled.settle(path, &comparison, || [was, app, xero].map(shown)) {
            Some(Side::Xero) if same(app, xero, agree) => {}
            Some(Side::Xero) => next_local.put(keyed, key, xero),
            Some(Side::App) => {
                outgoing.put(keyed, key, app);
                acked.put(keyed, key, app);
            }
            None => {
                next_base.put(keyed, key, was);
                acked.put(keyed, key, was);
            }
        }
    }
    put_items(&mut out.local, keyed, next_local.0);
    put_items(&mut out.base, keyed, next_base.0);
    put_items(&mut out.outgoing, keyed, outgoing.0);
    put_items(&mut out.acked, keyed, acked.0);
}

/// Whether Xero left every slot alone.
pub(super) fn is_untouched(keyed: &Keyed, base: &Members, remote: &Members) -> bool {
    let (base, remote) = (Slots::of(base, keyed), Slots::of(remote, keyed));
    base.order.iter().chain(&remote.order).all(|key| same(base.get(key), remote.get(key), loosely_agree))
}

fn same(a: Option<&Members>, b: Option<&Members>, equal: fn(Option<&Value>, Option<&Value>) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a.iter().all(|(name, value)| equal(Some(value), b.get(name)))
                && b.iter().all(|(name, value)| a.contains_key(name) || is_blank(Some(value)))
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn shown(item: Option<&Members>) -> Value {
    item.map_or(Value::Null, |item| plain(Some(&Value::Object(item.clone()))))
}

fn key_of<'a>(item: &'a Members, keyed: &Keyed) -> &'a str {
    item.get(keyed.key).and_then(Value::as_str).unwrap_or_default()
}

fn is_empty(item: &Members, keyed: &Keyed) -> bool {
    item.iter().all(|(name, value)| name == keyed.key || loosely_agree(Some(value), None))
}
