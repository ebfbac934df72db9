//! What happened, as a hash of all of it and the last of it in words: two runs of a seed must be the same run.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many of the last events are kept in words.
const KEPT: usize = 200;

/// What happened so far.
#[derive(Debug)]
pub struct Trace {
    hasher: DefaultHasher,
    count: u64,
    last: VecDeque<String>,
    /// Every event in words, if somebody wants to read it all.
    whole: Option<Vec<String>>,
}

impl Trace {
    /// Nothing yet; `is_whole` keeps every event in words.
    pub fn new(is_whole: bool) -> Self {
        Self {
            hasher: DefaultHasher::new(),
            count: 0,
            last: VecDeque::with_capacity(KEPT),
            whole: is_whole.then(Vec::new),
        }
    }

    /// One event.
    pub fn note(&mut self, at_ms: i64, who: usize, what: impl FnOnce() -> String) {
        let what =
            format!("{:>10}.{:03} p{who} {}", at_ms.div_euclid(1_000) % 10_000_000, at_ms.rem_euclid(1_000), what());
        what.hash(&mut self.hasher);
        self.count += 1;
        if let Some(whole) = &mut self.whole {
            whole.push(what.clone());
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(what);
    }

    /// What helps whoever reads all of it, and is no event of its own.
    pub fn aside(&mut self, what: impl FnOnce() -> String) {
        if let Some(whole) = &mut self.whole {
            whole.push(format!("{:>18}{}", "", what()));
        }
    }

    /// More that must be the same, without words.
    pub fn mix(&mut self, what: &[u8]) {
        what.hash(&mut self.hasher);
    }

    /// Of everything so far.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of it, or the last of it, in words.
    pub fn told(&self) -> Vec<String> {
        self.whole.clone().unwrap_or_else(|| self.last.iter().cloned().collect())
    }
}
