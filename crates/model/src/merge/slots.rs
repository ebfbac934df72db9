//! Lists of named slots: phones and addresses. A slot merges as one; the order of slots says nothing.

use serde::Serialize;
use serde_json::Value;

use super::value::{exactly, plain, trimmed};
use super::{Comparison, Outcome, Side, Three};
use crate::{Address, Parts, Phone, SameText, Unit};

/// An item of such a list.
pub(super) trait Slot: Parts + Serialize {
    /// Which slot it is.
    fn key(&self) -> &'static str;
}

impl Slot for Phone {
    fn key(&self) -> &'static str {
        self.kind.as_str()
    }
}

impl Slot for Address {
    fn key(&self) -> &'static str {
        self.kind.as_str()
    }
}

/// The slots that have anything in them, and of each the first.
fn slots<S: Slot>(list: &[S]) -> Vec<&S> {
    let mut slots: Vec<&S> = Vec::new();
    for slot in list.iter().filter(|slot| !is_empty(*slot)) {
        if find(&slots, slot.key()).is_none() {
            slots.push(slot);
        }
    }
    slots
}

fn find<'a, S: Slot>(slots: &[&'a S], key: &str) -> Option<&'a S> {
    slots.iter().copied().find(|slot| slot.key() == key)
}

/// A slot put in the place of the one that has its key.
fn put<S: Slot>(list: &mut Vec<S>, key: &str, item: Option<&S>) {
    let at = list.iter().position(|known| known.key() == key);
    match (at, item) {
        (Some(at), Some(item)) => list[at] = item.clone(),
        (Some(at), None) => drop(list.remove(at)),
        (None, Some(item)) => list.push(item.clone()),
        (None, None) => {}
    }
}

pub(super) fn merge<R: Parts, S: Slot>(
    unit: &Unit<R>,
    three: &Three<'_, R>,
    out: &mut Outcome<'_, R>,
) -> Result<(), serde_json::Error> {
    let [base, local, remote] = [three.base, three.local, three.remote].map(|of| slots::<S>(unit.items(of)));
    let mut seen = Vec::new();
    for key in remote.iter().chain(&base).chain(&local).map(|slot| slot.key()) {
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let (was, app, xero) = (find(&base, key), find(&local, key), find(&remote, key));
        let comparison = Comparison {
            app_is_base: same(app, was, trimmed),
            app_is_xero: same(app, xero, trimmed),
            xero_is_base: same(was, xero, trimmed),
        };
        let path = || format!("{}[{key}]", unit.name);
        match out.settled.settle(path, &comparison, || Ok([shown(was)?, shown(app)?, shown(xero)?]))? {
            Some(Side::Xero) if same(app, xero, exactly) => {}
            Some(Side::Xero) => unit.change_items(out.local.to_mut(), |list| put(list, key, xero)),
            Some(Side::App) => {
                unit.change_items(out.outgoing.to_mut(), |list| put(list, key, app));
                unit.change_items(out.acked.to_mut(), |list| put(list, key, app));
            }
            None => {
                unit.change_items(out.base.to_mut(), |list| put(list, key, was));
                unit.change_items(out.acked.to_mut(), |list| put(list, key, was));
            }
        }
    }
    Ok(())
}

/// Whether Xero left every slot alone.
pub(super) fn is_untouched<R: Parts, S: Slot>(unit: &Unit<R>, base: &R, remote: &R) -> bool {
    let [base, remote] = [base, remote].map(|of| slots::<S>(unit.items(of)));
    base.iter().chain(&remote).all(|slot| same(find(&base, slot.key()), find(&remote, slot.key()), trimmed))
}

fn same<S: Slot>(a: Option<&S>, b: Option<&S>, same_text: SameText) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => S::MEMBERS.iter().all(|member| (member.agrees)(a, b, same_text)),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn shown<S: Slot>(item: Option<&S>) -> Result<Value, serde_json::Error> {
    Ok(plain(&serde_json::to_value(item)?))
}

fn is_empty<S: Slot>(slot: &S) -> bool {
    let nothing = S::default();
    S::MEMBERS.iter().all(|member| member.field.name == "kind" || (member.agrees)(slot, &nothing, trimmed))
}
