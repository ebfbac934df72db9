//! What is verified without anybody asking: a sample every hour, everything once a day.
//!
//! The history of verifications in the database says what was done last, so that any process may do the next: whoever
//! has the lease of the connection's verification.

use jiff::{SignedDuration, Timestamp};
use model::ConnectionId;
use store::{Connection, ConnectionState, VerifyScope, VerifyState};

use super::{Job, SAMPLE, SWEEP, Verification};
use crate::{Engine, Error};

const DAY_S: i64 = 24 * 60 * 60;
/// Connections begin their sweeps so far from each other, until so many have had their turn.
const STAGGER_S: i64 = 15 * 60;
const STAGGERED: i64 = 16;
/// A sweep that failed is tried again so much later.
const AGAIN_S: i64 = 60 * 60;
/// A sample has so many records, or the hundredth part of all, whichever is more.
const LEAST: i64 = 40;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Sweep,
    Sample,
}

impl Engine {
    /// Does the verifications that are due, one connection after the other, and returns how many were done. One that
    /// fails is noted in the history and does not hold up the others.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verify_due(&self) -> Result<usize, Error> {
        let mut tx = self.store().read().await?;
        let connections = tx.connections().await?;
        tx.commit().await?;
        let mut done = 0;
        for connection in connections.iter().filter(|one| one.state == ConnectionState::Connected) {
            let worked = match self.due(connection).await? {
                None => continue,
                Some(Due::Sweep) => self.sweep(connection.id).await,
                Some(Due::Sample) => self.sample(connection.id).await,
            };
            match worked {
                Ok(_) => done += 1,
                Err(Error::Busy) => {}
                Err(error) => {
                    tracing::warn!(connection = connection.id.0, code = error.code(), %error, "a verification failed");
                }
            }
        }
        Ok(done)
    }

    /// The daily sweep: compares everything, reads again what differs, and says what it was.
    ///
    /// # Errors
    /// As [`Engine::verify`].
    pub async fn sweep(&self, id: ConnectionId) -> Result<Verification, Error> {
        self.mend(id, None, SWEEP, &|_| {}).await
    }

    /// The next sample: linked records by their ids, where the last sample stopped, so that all have their turn.
    ///
    /// # Errors
    /// As [`Engine::verify`].
    pub async fn sample(&self, id: ConnectionId) -> Result<Verification, Error> {
        let job = Job { scope: VerifyScope::Sample, kind: None, by: SAMPLE.to_owned(), heals: false };
        self.verify_as(id, job, &|_| {}).await
    }

    /// How many records the next sample has.
    pub(super) fn sample_size(&self, linked: i64) -> usize {
        let most = self.parts.settings.verify.sample_calls.max(1).saturating_mul(LEAST);
        let hundredth = linked / 100 + i64::from(linked % 100 > 0);
        usize::try_from(hundredth.max(LEAST).min(most)).unwrap_or(usize::MAX)
    }

    async fn due(&self, connection: &Connection) -> Result<Option<Due>, Error> {
        let (settings, now, id) = (&self.parts.settings.verify, self.now(), connection.id);
        let mut tx = self.store().read().await?;
        let linked: i64 = tx.count_links(id).await?.iter().map(|(_, count)| count).sum();
        let swept = tx.last_verification_by(id, SWEEP, Some(VerifyState::Completed)).await?;
        let tried = tx.last_verification_by(id, SWEEP, None).await?;
        let sampled = tx.last_verification_by(id, SAMPLE, None).await?;
        tx.commit().await?;
        // Before the first sync there is nothing to compare.
        if linked == 0 {
            return Ok(None);
        }
        if let Some(at_s) = settings.sweep_at_s {
            let slot = slot_before(now, at_s, id)?;
            let is_done = swept.map_or(connection.connected_at, |swept| swept.started_at) >= slot;
            let is_too_soon = tried.is_some_and(|tried| now.duration_since(tried.started_at).as_secs() < AGAIN_S);
            if !is_done && !is_too_soon {
                return Ok(Some(Due::Sweep));
            }
        }
        let Some(every_s) = settings.sample_every_s else { return Ok(None) };
        let is_sampled = sampled.is_some_and(|last| now.duration_since(last.started_at).as_secs() < every_s);
        Ok((!is_sampled).then_some(Due::Sample))
    }
}

/// The last instant at which a connection's sweep was to begin.
fn slot_before(now: Timestamp, at_s: i64, id: ConnectionId) -> Result<Timestamp, Error> {
    let offset_s = at_s + id.0.rem_euclid(STAGGERED) * STAGGER_S;
    let since_s = (now.as_second() - offset_s).rem_euclid(DAY_S);
    let since = SignedDuration::new(since_s, now.subsec_nanosecond());
    now.checked_sub(since).map_err(|error| Error::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_their_turn_at_their_own_time_each_day() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let slot = |now: &str, id: i64| slot_before(at(now), 3 * 60 * 60, ConnectionId(id)).unwrap();
        assert_eq!(slot("2026-03-10T12:00:00.5Z", 1), at("2026-03-10T03:15:00Z"));
        assert_eq!(slot("2026-03-10T03:15:00Z", 1), at("2026-03-10T03:15:00Z"));
        assert_eq!(slot("2026-03-10T03:14:59Z", 1), at("2026-03-09T03:15:00Z"));
        assert_eq!(slot("2026-03-10T12:00:00Z", 17), slot("2026-03-10T12:00:00Z", 1));
        assert_ne!(slot("2026-03-10T12:00:00Z", 2), slot("2026-03-10T12:00:00Z", 1));
    }
}
