//! What a run came by: a simulation that never meets a case proves nothing about it.

use std::collections::BTreeMap;

macro_rules! reaches {
    ($($name:ident = $text:literal,)+) => {
        /// Something that has to happen now and then.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Reaches { $($name,)+ }

        impl Reaches {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text),)+];
        }
    };
}

reaches! {
    FieldMerge = "three-way field merge",
    EqualEdits = "equal edits",
    Aba = "edited and put back",
    Spelling = "another spelling of the same",
    AppWins = "same field: the app wins",
    XeroWins = "same field: xero wins",
    LastWrite = "same field: the last write wins",
    LeftOpen = "same field: left open",
    CarriedOver = "open conflict from earlier",
    Answered = "open conflict answered",
    WentAway = "open conflict gone by an edit",
    Group = "group in conflict",
    Slot = "slot in conflict",
    SlotsMerged = "slots of both sides merged",
    LinePart = "part of a line in conflict",
    LineMerge = "one line edited on both sides",
    LineAddedByApp = "line added by the app",
    LineAddedByXero = "line added by xero",
    LineAddedByBoth = "line added on both sides",
    SameLineAdded = "same line added on both sides",
    LineRemovedEdited = "line removed against edited",
    LineRemovedByBoth = "line removed on both sides",
    Reordered = "lines reordered",
    Rewritten = "lines written anew without ids",
    Copied = "line copied with its id",
    WholeLines = "lines against the types of their amounts",
    UnderWay = "edited under way",
    Lost = "answer lost",
    Deleted = "row deleted, removed in xero",
    DeletedEdited = "row deleted against edited",
    Restored = "row restored",
    Agreed = "row deleted, gone in xero too",
    VoidEdited = "void against edit",
    Refused = "refused by xero",
    Overdue = "overdue is sent",
    First = "first connection",
    NeverOne = "lists of lines that were never one",
    AppFirst = "the app is met first",
    XeroFirst = "xero is met first",
    Batch = "batch of several",
    Shuffled = "met again in another order",
    Told = "xero's own field changed",
    Nothing = "nothing to do",
}

/// How often each thing happened.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    counts: [u64; Reaches::ALL.len()],
    pub(super) conflicts: u64,
}

impl Default for Reached {
    fn default() -> Self {
        Self { counts: [0; Reaches::ALL.len()], conflicts: 0 }
    }
}

impl Reached {
    pub(super) fn reach(&mut self, what: Reaches) {
        self.counts[what as usize] += 1;
    }

    pub(super) fn reach_if(&mut self, happened: bool, what: Reaches) {
        self.counts[what as usize] += u64::from(happened);
    }

    pub(super) fn counters(&self) -> BTreeMap<&'static str, u64> {
        Reaches::ALL.iter().map(|(what, name)| (*name, self.counts[*what as usize])).collect()
    }
}
