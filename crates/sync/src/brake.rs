//! The brakes: a run that would remove or change too much of a kind stops and asks (product.md S10).

use model::{ConnectionId, Kind, Record};
use store::{Brake, BrakeState, BrakeWhat, Direction, Tx};

use crate::map::Pulled;
use crate::meet::Meeting;
use crate::run::Running;
use crate::{Engine, Error};

/// So many removals, or changes, of a kind in one go are nobody's mistake.
const ALWAYS_ALLOWED: i64 = 25;

/// What a run is about to do with a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Records it would void, delete or archive.
    pub(crate) removals: i64,
    /// Records it would change, removals included.
    pub(crate) changes: i64,
}

impl Extent {
    /// So many captured records are worth a look at all of them before the first is written.
    pub(crate) const fn may_be_too_much(captured: i64) -> bool {
        captured > ALWAYS_ALLOWED
    }

    /// What is too much of it, if anything: more than 25 removals and a tenth of the kind, or more than 25 changes and
    /// half of it.
    fn excess(self, of_all: i64) -> Option<(BrakeWhat, i64)> {
        if self.removals > ALWAYS_ALLOWED.max(of_all / 10) {
            return Some((BrakeWhat::Remove, self.removals));
        }
        (self.changes > ALWAYS_ALLOWED.max(of_all / 2)).then_some((BrakeWhat::Change, self.changes))
    }
}

/// What a pull has removed of a kind.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    written: i64,
    in_page: i64,
}

/// A brake that was hit: what the run would do, of how many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) kind: Kind,
    pub(crate) direction: Direction,
    pub(crate) what: BrakeWhat,
    pub(crate) would: i64,
    pub(crate) of_all: i64,
}

impl Running<'_> {
    /// Whether a run would do too much to a kind without a person having approved as much.
    pub(crate) async fn excess(
        &self,
        tx: &mut Tx,
        kind: Kind,
        direction: Direction,
        extent: Extent,
    ) -> Result<Option<Excess>, Error> {
        if extent.changes <= ALWAYS_ALLOWED {
            return Ok(None);
        }
        let of_all = tx.count_links_of(self.connection.id, kind).await?;
        let mut left = extent;
        while let Some((what, would)) = left.excess(of_all) {
            match tx.brake(self.connection.id, kind, direction, what).await? {
                Some(brake) if brake.state == BrakeState::Approved && would <= brake.would => {
                    if let Ok(mut approved) = self.approved.lock() {
                        approved.insert(brake.id);
                    }
                    // Whoever approved the removals knows that they are changes.
                    left = match what {
                        BrakeWhat::Remove => Extent { removals: 0, changes: left.changes - left.removals },
                        BrakeWhat::Change => Extent::default(),
                    };
                }
                _ => return Ok(Some(Excess { kind, direction, what, would, of_all })),
            }
        }
        Ok(None)
    }

    /// An approval is good for one run.
    pub(crate) async fn use_approvals(&self, tx: &mut Tx) -> Result<(), Error> {
        let approved = self.approved.lock().map(|mut approved| std::mem::take(&mut *approved)).unwrap_or_default();
        for id in approved {
            tx.use_brake(id, self.now()).await?;
        }
        Ok(())
    }

    /// Writes down that a run stopped here, for a person to decide on.
    pub(crate) async fn ask(&self, tx: &mut Tx, excess: Excess) -> Result<i64, Error> {
        let Excess { kind, direction, what, would, of_all } = excess;
        tracing::warn!(%kind, direction = direction.as_str(), what = what.as_str(), would, of_all, "a run that would do this much stopped and asks");
        Ok(tx.open_brake(self.connection.id, kind, direction, what, would, of_all, self.now()).await?)
    }

    /// The same for what a pull is about to do, page by page: never more than the limit is written before a person was
    /// asked.
    pub(crate) async fn brake_pull<P: Pulled>(
        &self,
        tx: &mut Tx,
        meetings: &[Meeting<P::Record>],
    ) -> Result<(), Error> {
        let is_removed = |meeting: &&Meeting<P::Record>| {
            let is_live_here = meeting.row.as_ref().is_some_and(|row| row.record.is_live());
            meeting.base.is_live() && !meeting.remote.is_live() && is_live_here
        };
        // A plan is shown to a person, and applying one is a person's word.
        if self.sheet.is_some() {
            return Ok(());
        }
        let here = i64::try_from(meetings.iter().filter(is_removed).count()).unwrap_or(i64::MAX);
        let before = self.removals_pulled(P::KIND, |removals| {
            removals.in_page = here;
            removals.written
        });
        let extent = Extent { removals: before + here, changes: before + here };
        match self.excess(tx, P::KIND, Direction::Pull, extent).await? {
            Some(excess) if here > 0 => Err(Error::Braked(excess.into())),
            _ => Ok(()),
        }
    }

    /// A page was committed: what it removed counts.
    pub(crate) fn count_removals(&self, kind: Kind) {
        self.removals_pulled(kind, |removals| {
            removals.written += removals.in_page;
            removals.in_page = 0;
        });
    }

    fn removals_pulled<T: Default>(&self, kind: Kind, with: impl FnOnce(&mut Removals) -> T) -> T {
        self.removals.lock().map(|mut removals| with(removals.entry(kind).or_default())).unwrap_or_default()
    }
}

impl From<Braked> for Excess {
    fn from(braked: Braked) -> Self {
        let Braked { kind, what, would, of_all, direction } = braked;
        Self { kind, direction, what, would, of_all }
    }
}

impl From<Excess> for Braked {
    fn from(excess: Excess) -> Self {
        let Excess { kind, what, would, of_all, direction } = excess;
        Self { kind, direction, what, would, of_all }
    }
}

/// A run that stopped before it did more than anybody would want without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this would {} {would} of {of_all} {}: nothing of it was written; look at `tieout brakes`, then approve or refuse it",
    if *.what == BrakeWhat::Remove { "void, delete or archive" } else { "change" },
    .kind.plural()
)]
pub struct Braked {
    /// The kind.
    pub kind: Kind,
    /// Which side would be written: a push writes to Xero, a pull to the App.
    pub direction: Direction,
    /// What would be done.
    pub what: BrakeWhat,
    /// How many records.
    pub would: i64,
    /// Of how many.
    pub of_all: i64,
}

impl Engine {
    /// Runs that stopped and ask, and what was answered, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn brakes(&self, id: ConnectionId) -> Result<Vec<Brake>, Error> {
        Ok(self.store().read().await?.brakes(id).await?)
    }

    /// A person lets a stopped run go on, or not. Approved, the next run does it; refused, it asks again if it still
    /// would.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not wait for an answer.
    pub async fn decide_brake(&self, id: ConnectionId, brake: i64, approve: bool, by: &str) -> Result<(), Error> {
        let connection = self.connection(id).await?;
        let mut tx = self.store().begin().await?;
        if !tx.decide_brake(id, brake, approve, by, self.now()).await? {
            return Err(Error::NotFound(format!("no stopped run {brake} waits for an answer")));
        }
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_two_way()) {
            tx.wake_captures(connection.org, kind).await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_more_than_25_and_a_tenth_or_a_half() {
        let extent = |removals, changes| Extent { removals, changes };
        assert_eq!(extent(25, 25).excess(100), None);
        assert_eq!(extent(26, 26).excess(100), Some((BrakeWhat::Remove, 26)));
        assert_eq!(extent(100, 100).excess(1000), None);
        assert_eq!(extent(101, 101).excess(1000), Some((BrakeWhat::Remove, 101)));
        assert_eq!(extent(0, 500).excess(1000), None);
        assert_eq!(extent(0, 501).excess(1000), Some((BrakeWhat::Change, 501)));
        assert_eq!(extent(0, 25).excess(3), None);
    }
}
