//! What a seed decides: how large the books are, who works on them, and which faults there are.
//!
//! Swarm: every seed switches on some faults only, so that rare pairs meet without all the others in their way.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// A fault of reliability.md A5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are named in reliability.md, and in words below")]
pub enum Fault {
    F1,
    F2,
    F3,
    F4,
    F5,
    F6,
    F7,
    F8,
    F9,
    F10,
    F11,
    F12,
    F13,
    F14,
    F15,
    F16,
    F17,
    F18,
    F20,
    F21,
    F22,
    F23,
    F24,
    F25,
    F26,
    F27,
}

impl Fault {
    /// All that a simulation plays. F19 (webhooks) and F28 (an old backup) are none of them yet: the product has neither.
    pub const ALL: [Self; 26] = [
        Self::F1,
        Self::F2,
        Self::F3,
        Self::F4,
        Self::F5,
        Self::F6,
        Self::F7,
        Self::F8,
        Self::F9,
        Self::F10,
        Self::F11,
        Self::F12,
        Self::F13,
        Self::F14,
        Self::F15,
        Self::F16,
        Self::F17,
        Self::F18,
        Self::F20,
        Self::F21,
        Self::F22,
        Self::F23,
        Self::F24,
        Self::F25,
        Self::F26,
        Self::F27,
    ];

    /// In words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::F1 => "a process is killed at any port call",
            Self::F2 => "power fails: commits that were not synced are gone, the last page is torn",
            Self::F3 => "a process stands still for 10 s to 20 min and goes on with an old lease",
            Self::F4 => "a process is killed while it recovers",
            Self::F5 => "a request is never sent",
            Self::F6 => "an answer is lost after Xero has done what was asked",
            Self::F7 => "a request lands up to 4 minutes after it was given up",
            Self::F8 => "an answer is damaged: cut off, no JSON, a page for people, empty",
            Self::F9 => "a limit refuses: minute, day, in flight, app; with and without Retry-After",
            Self::F10 => "500 (kept under the key), 502, 503, 504, 408, maintenance for hours",
            Self::F11 => "some elements of a batch are refused",
            Self::F12 => "validation: lock dates, archived contacts and accounts, currencies, numbers in use",
            Self::F13 => "tokens end early, the organisation is disconnected in Xero",
            Self::F14 => "a list that has rows is answered as an empty one",
            Self::F15 => "rows change between the pages of a list",
            Self::F16 => "lists lag up to a minute behind",
            Self::F17 => "a change in Xero moves no date",
            Self::F18 => "odd but legal data",
            Self::F20 => "both sides edit the same record; also between a look and a write",
            Self::F21 => "a person in Xero voids, deletes, archives, merges, renumbers, pays",
            Self::F22 => "two or three processes work on the same organisation",
            Self::F23 => "a token refresh loses its answer, or is slow",
            Self::F24 => "the clocks of the machines differ by up to ten minutes",
            Self::F25 => "the database is busy, or the disk is full for a while",
            Self::F26 => "the database's connection breaks; whether a commit happened is not known",
            Self::F27 => "settings, policies and page sizes change while a run is under way",
        }
    }
}

/// What a seed decides. Serialised, it is what a shrunk run is written down as.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Knobs {
    /// Which faults there are.
    pub faults: BTreeSet<Fault>,
    /// Processes that sync.
    pub processes: usize,
    /// Documents that Xero has at the start.
    pub invoices: u32,
    /// Edits of the storm.
    pub steps: usize,
    /// Mean time between two edits, in milliseconds.
    pub gap_ms: i64,
    /// Rows of a page.
    pub page_size: u16,
    /// Elements of a batch.
    pub batch: i64,
    /// Between two pulls of a process, in milliseconds.
    pub pull_every_ms: i64,
    /// Between two looks for something to push, in milliseconds.
    pub push_every_ms: i64,
    /// How often in a thousand a fault of the network strikes.
    pub network_per_mille: u64,
    /// How often in ten thousand port calls a process dies.
    pub crash_per_10k: u64,
}

impl Knobs {
    /// Those of a seed.
    pub fn drawn(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "knobs");
        // One seed in sixteen has every fault, one none at all, the others some.
        let share = match dice.below(16) {
            0 => 1_000,
            1 => 0,
            _ => dice.between(100, 600),
        };
        // Drawn for all, so that a new fault changes no other.
        let mut faults: BTreeSet<Fault> =
            Fault::ALL.into_iter().filter(|fault| Dice::new(seed, &format!("{fault:?}")).per_mille(share)).collect();
        if faults.contains(&Fault::F4) {
            faults.insert(Fault::F1);
        }
        // Short days find most; some things need a long one, or many records.
        let (is_long, is_crowded) = (dice.per_mille(125), dice.per_mille(60));
        let (invoices, steps) = (if is_crowded { dice.between(40, 80) } else { dice.below(15) }, dice.between(6, 25));
        let steps = if is_long { steps + dice.between(20, 60) } else { steps };
        let gap_ms = dice.span_ms(1_000, 240_000);
        let processes = if faults.contains(&Fault::F22) { 2 + usize::from(dice.per_mille(300)) } else { 1 };
        Self {
            faults,
            processes,
            invoices: u32::try_from(invoices).unwrap_or(0),
            steps: usize::try_from(steps).unwrap_or(20),
            gap_ms,
            page_size: dice.of(&[1_000, 1_000, 1_000, 10, 3]),
            batch: dice.of(&[50, 50, 3, 1]),
            pull_every_ms: dice.span_ms(60_000, 900_000),
            // Looks for something to push, where nothing is, are no test of anything.
            push_every_ms: dice.span_ms(2_000, 60_000).max(gap_ms / 6),
            network_per_mille: dice.of(&[10, 30, 100, 250]),
            crash_per_10k: dice.of(&[5, 20, 60]),
        }
    }

    /// Whether this fault is one of the seed's.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
