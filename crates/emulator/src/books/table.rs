//! A table of rows kept in the two orders that lists use, so that any page is cut without sorting.
//!
//! Rows live in slots that never move; the orders and keys hold slot numbers. A row is changed only through the table,
//! which keeps the orders and keys right.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

use super::scalar::Millis;

/// Position of a row in its table, for as long as the table lives.
pub type Slot = u32;

/// A secondary key: what kind of key it is and its value, as one hash. Matches are verified by the caller's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// A key over text, regardless of case.
    pub fn text(kind: &'static str, value: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        if value.is_ascii() {
            value.bytes().for_each(|byte| byte.to_ascii_lowercase().hash(&mut hasher));
        } else {
            value.to_lowercase().bytes().for_each(|byte| byte.hash(&mut hasher));
        }
        Self(hasher.finish())
    }

    /// A key over an id.
    pub fn id(kind: &'static str, value: Uuid) -> Self {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What a table needs to know of its rows.
pub trait Row {
    /// The id that Xero minted. It never changes.
    fn id(&self) -> Uuid;
    /// `UpdatedDateUTC`.
    fn updated(&self) -> Millis;
    /// Sets `UpdatedDateUTC`.
    fn set_updated(&mut self, at: Millis);
    /// The secondary keys under which the row is found.
    fn keys(&self, keys: &mut Vec<Key>);
}

/// Rows by id, by secondary key, in order of `(UpdatedDateUTC, id)` and in order of id.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: Vec<T>,
    slots: HashMap<Uuid, Slot>,
    keys: BTreeSet<(Key, Slot)>,
    by_updated: Vec<Slot>,
    by_id: Vec<Slot>,
    revision: u64,
    is_quiet: bool,
    touched: Vec<(Uuid, bool)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            slots: HashMap::new(),
            keys: BTreeSet::new(),
            by_updated: Vec::new(),
            by_id: Vec::new(),
            revision: 0,
            is_quiet: false,
            touched: Vec::new(),
        }
    }
}

impl<T: Row> Table<T> {
    /// A table of many rows at once, sorted once.
    pub fn from_rows(rows: Vec<T>) -> Self {
        let mut keys = Vec::new();
        let mut scratch = Vec::new();
        let mut slots = HashMap::with_capacity(rows.len());
        for (slot, row) in (0..).zip(&rows) {
            slots.insert(row.id(), slot);
            scratch.clear();
            row.keys(&mut scratch);
            keys.extend(scratch.iter().map(|key| (*key, slot)));
        }
        let mut by_id: Vec<Slot> = (0..).take(rows.len()).collect();
        let mut by_updated = by_id.clone();
        by_id.sort_unstable_by_key(|slot| rows[*slot as usize].id());
        by_updated.sort_unstable_by_key(|slot| (rows[*slot as usize].updated(), rows[*slot as usize].id()));
        Self { keys: keys.into_iter().collect(), rows, slots, by_updated, by_id, ..Self::default() }
    }

    /// How many rows there are, deleted and archived ones included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rises with every change of any row.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The row of that id.
    pub fn get(&self, id: Uuid) -> Option<&T> {
        self.slots.get(&id).map(|slot| &self.rows[*slot as usize])
    }

    /// The slot of the row of that id.
    pub fn slot(&self, id: Uuid) -> Option<Slot> {
        self.slots.get(&id).copied()
    }

    /// The row in that slot.
    pub fn at(&self, slot: Slot) -> &T {
        &self.rows[slot as usize]
    }

    /// The rows under a secondary key, oldest first. Compare the value itself: the key is a hash.
    pub fn find(&self, key: Key) -> impl Iterator<Item = &T> {
        self.keys.range((key, 0)..=(key, Slot::MAX)).map(|(_, slot)| self.at(*slot))
    }

    /// Every row in the order in which it was made.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter()
    }

    /// Slots in the default order of lists: `UpdatedDateUTC`, then id, both ascending.
    pub fn updated_order(&self) -> &[Slot] {
        &self.by_updated
    }

    /// Slots in order of id.
    pub fn id_order(&self) -> &[Slot] {
        &self.by_id
    }

    /// Adds a row as it is, with the `UpdatedDateUTC` that it carries. A known id replaces that row.
    pub fn insert(&mut self, row: T) {
        if self.slots.contains_key(&row.id()) {
            self.change_quietly(row.id(), |old| *old = row);
            return;
        }
        let slot = Slot::try_from(self.rows.len()).expect("a table holds fewer than 2^32 rows");
        self.slots.insert(row.id(), slot);
        self.rows.push(row);
        let at = self.position_by_id(slot);
        self.by_id.insert(at, slot);
        self.enter(slot);
        self.revision += 1;
        self.touched.push((self.at(slot).id(), true));
    }

    /// Changes a row and sets its `UpdatedDateUTC` to `now`: the row moves to the end of the default order. At least one
    /// millisecond is added to the row's own time stamp, so that a change always shows. `None` when there is no such row.
    pub fn change<R>(&mut self, id: Uuid, now: Millis, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let is_quiet = self.is_quiet;
        let result = self.change_quietly(id, |row| {
            let result = change(row);
            if !is_quiet {
                row.set_updated(now.max(row.updated() + 1));
            }
            result
        })?;
        self.touched.push((id, false));
        Some(result)
    }

    /// While set, [`Table::change`] leaves `UpdatedDateUTC` alone too.
    pub fn set_quiet(&mut self, is_quiet: bool) {
        self.is_quiet = is_quiet;
    }

    /// The rows that were inserted (true) or changed since this was asked last, contact flags and their like left out.
    pub fn take_touched(&mut self) -> Vec<(Uuid, bool)> {
        std::mem::take(&mut self.touched)
    }

    /// Changes a row without touching `UpdatedDateUTC` (contact flags, due dates of part-paid documents, imports).
    pub fn change_quietly<R>(&mut self, id: Uuid, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let slot = *self.slots.get(&id)?;
        self.leave(slot);
        let result = change(&mut self.rows[slot as usize]);
        debug_assert_eq!(self.at(slot).id(), id, "a row keeps its id");
        self.enter(slot);
        self.revision += 1;
        Some(result)
    }

    fn order_key(&self, slot: Slot) -> (Millis, Uuid) {
        let row = self.at(slot);
        (row.updated(), row.id())
    }

    fn position_by_id(&self, slot: Slot) -> usize {
        let id = self.at(slot).id();
        self.by_id.partition_point(|other| self.at(*other).id() < id)
    }

    fn enter(&mut self, slot: Slot) {
        let key = self.order_key(slot);
        let at = match self.by_updated.last() {
            Some(last) if self.order_key(*last) < key => self.by_updated.len(),
            _ => self.by_updated.partition_point(|other| self.order_key(*other) < key),
        };
        self.by_updated.insert(at, slot);
        let mut keys = Vec::new();
        self.at(slot).keys(&mut keys);
        self.keys.extend(keys.into_iter().map(|key| (key, slot)));
    }

    fn leave(&mut self, slot: Slot) {
        let key = self.order_key(slot);
        let at = self.by_updated.partition_point(|other| self.order_key(*other) < key);
        debug_assert_eq!(self.by_updated.get(at), Some(&slot), "the row stands where its key says");
        self.by_updated.remove(at);
        let mut keys = Vec::new();
        self.at(slot).keys(&mut keys);
        for key in keys {
            self.keys.remove(&(key, slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[derive(Debug, Clone)]
    struct Sample {
        id: Uuid,
        updated: Millis,
        name: String,
    }

    impl Row for Sample {
        fn id(&self) -> Uuid {
            self.id
        }
        fn updated(&self) -> Millis {
            self.updated
        }
        fn set_updated(&mut self, at: Millis) {
            self.updated = at;
        }
        fn keys(&self, keys: &mut Vec<Key>) {
            keys.push(Key::text("name", &self.name));
        }
    }

    fn check(table: &Table<Sample>) {
        let mut rows: Vec<&Sample> = table.iter().collect();
        rows.sort_by_key(|row| (row.updated, row.id));
        let found: Vec<Uuid> = table.updated_order().iter().map(|slot| table.at(*slot).id).collect();
        assert_eq!(found, rows.iter().map(|row| row.id).collect::<Vec<_>>());
        rows.sort_by_key(|row| row.id);
        let found: Vec<Uuid> = table.id_order().iter().map(|slot| table.at(*slot).id).collect();
        assert_eq!(found, rows.iter().map(|row| row.id).collect::<Vec<_>>());
        for row in rows {
            assert!(table.find(Key::text("name", &row.name.to_uppercase())).any(|found| found.id == row.id));
        }
    }

    #[test]
    fn orders_and_keys_hold_through_random_changes() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let sample = |rng: &mut ChaCha8Rng| Sample {
            id: Uuid::from_u128(rng.random()),
            // Few values, so that ties are common.
            updated: rng.random_range(0..20),
            name: format!("name {}", rng.random_range(0..10)),
        };
        let mut table = Table::from_rows((0..30).map(|_| sample(&mut rng)).collect());
        check(&table);
        for step in 0..500 {
            let slot = rng.random_range(0..table.len());
            let id = table.id_order()[slot];
            let id = table.at(id).id;
            match rng.random_range(0..4) {
                0 => table.insert(sample(&mut rng)),
                1 => table.insert(Sample { id, ..sample(&mut rng) }),
                2 => {
                    table.change(id, step, |row| row.name = format!("renamed {step}"));
                }
                _ => {
                    let updated = rng.random_range(0..20);
                    table.change_quietly(id, |row| row.updated = updated);
                }
            }
            check(&table);
        }
    }

    #[test]
    fn a_change_always_moves_the_time_stamp_and_a_quiet_one_never() {
        let id = Uuid::from_u128(1);
        let mut table = Table::from_rows(vec![Sample { id, updated: 100, name: "a".into() }]);
        table.change(id, 50, |_| ());
        assert_eq!(table.get(id).unwrap().updated, 101, "the clock stood still or went back");
        table.change(id, 500, |_| ());
        assert_eq!(table.get(id).unwrap().updated, 500);
        table.change_quietly(id, |row| row.name = "b".into());
        assert_eq!(table.get(id).unwrap().updated, 500);
        assert!(table.find(Key::text("name", "a")).next().is_none());
        assert_eq!(table.change(Uuid::nil(), 1, |_| ()), None);
    }
}
