//! What waits after a sync, for Xero or for a person: said by status and after every command that syncs.

use jiff::Timestamp;
use serde_json::{Value, json};
use store::{BrakeState, CandidateState, Connection, IntentState, Tx};

use crate::failure::{Exit, Failure};
use crate::words;

/// What waits, of one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attention {
    /// Changes of the App that Xero does not have yet: captured, planned or sent.
    pub(super) pending: i64,
    /// Of them, records that wait for another record, or until something can be tried again.
    pub(super) waiting: i64,
    /// Of them, writes that were sent and not answered.
    pub(super) unanswered: i64,
    /// Conflicts that a person decides.
    pub(super) conflicts: i64,
    /// Syncs that stopped and ask.
    pub(super) brakes: i64,
    /// Pairs that may be the same record.
    pub(super) candidates: i64,
}

impl Attention {
    /// Reads it.
    pub(super) async fn of(tx: &mut Tx, connection: &Connection, now: Timestamp) -> Result<Self, Failure> {
        let id = connection.id;
        let intents = tx.count_open_intents(id).await?;
        let captured: i64 = tx.count_captured(connection.org).await?.iter().map(|(_, count)| count).sum();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Ok(Self {
            pending: captured + intents.iter().map(|(_, _, count)| count).sum::<i64>(),
            waiting: tx.count_waiting(connection.org, now).await?,
            unanswered: intents.iter().filter(|(_, state, _)| *state == IntentState::Unknown).map(|(.., n)| n).sum(),
            conflicts: tx.count_pending_conflicts(id).await?.iter().map(|(_, count)| count).sum(),
            brakes: count(tx.brakes(id).await?.iter().filter(|brake| brake.state == BrakeState::Open).count()),
            candidates: count(tx.candidates(id, None, Some(CandidateState::Open)).await?.len()),
        })
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "pending": self.pending, "waiting": self.waiting, "unanswered": self.unanswered, "conflicts": self.conflicts,
            "brakes": self.brakes, "candidates": self.candidates,
        })
    }

    /// True if only a person can take it further.
    pub(super) fn needs_person(&self) -> bool {
        self.conflicts + self.brakes + self.candidates > 0
    }

    /// A line for each thing that waits, with the command that takes it further.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let Self { pending, waiting, unanswered, conflicts, brakes, candidates } = *self;
        let on_its_way = pending - waiting - unanswered;
        let wait = |number: i64| if number == 1 { "waits" } else { "wait" };
        [
            (
                brakes,
                format!("{} would do too much and {} for a yes", words::counted(brakes, "stopped sync"), wait(brakes)),
                "brakes",
            ),
            (
                conflicts,
                format!("{} {} for a decision", words::counted(conflicts, "conflict"), wait(conflicts)),
                "conflicts",
            ),
            (
                candidates,
                format!(
                    "{} may be one record and {} for a decision",
                    words::counted(candidates, "pair"),
                    wait(candidates)
                ),
                "candidates",
            ),
            (
                unanswered,
                format!(
                    "{} sent and not answered: looked for in Xero before anything is sent again",
                    words::counted(unanswered, "change")
                ),
                "failures",
            ),
            (
                waiting,
                format!(
                    "{} of the App {} for another record, or to be tried again",
                    words::counted(waiting, "change"),
                    wait(waiting)
                ),
                "failures",
            ),
            (on_its_way, format!("{} of the App not in Xero yet", words::counted(on_its_way, "change")), "push"),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(_, said, command)| format!("! {name}: {said}.   tieout {command}"))
        .collect()
    }

    /// What a command ends with that left it so.
    pub(super) fn exit(&self) -> Exit {
        match (self.brakes, self.conflicts) {
            (1.., _) => Exit::Brake,
            (_, 1..) => Exit::Conflicts,
            _ => Exit::Done,
        }
    }
}

/// The one of two that says more about what a person has to do.
pub(super) fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Done => 0,
        Exit::Conflicts => 1,
        Exit::Partial => 2,
        Exit::Brake => 3,
        _ => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_waits_has_its_line_and_its_command() {
        assert!(Attention::default().lines("Acme").is_empty());
        let all = Attention { pending: 6, waiting: 2, unanswered: 1, conflicts: 1, brakes: 1, candidates: 2 };
        let lines = all.lines("Acme");
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(lines.contains(&"! Acme: 1 conflict waits for a decision.   tieout conflicts".into()), "{lines:?}");
        assert!(lines.contains(&"! Acme: 3 changes of the App not in Xero yet.   tieout push".into()), "{lines:?}");
        assert_eq!(all.exit(), Exit::Brake);
        assert_eq!(Attention { conflicts: 1, ..Attention::default() }.exit(), Exit::Conflicts);
        assert_eq!(worse(Exit::Conflicts, Exit::Partial), Exit::Partial);
        assert_eq!(worse(Exit::Brake, Exit::Done), Exit::Brake);
    }
}
