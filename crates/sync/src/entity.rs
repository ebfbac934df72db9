//! One record, synced now: read from Xero, merged, and what the App has to say sent.

use model::{ConnectionId, Kind};
use uuid::Uuid;

use crate::map::{Pulled, for_kind};
use crate::push::PushOutcome;
use crate::{Engine, Error};

/// A record, by the side that it is known on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntityRef {
    /// The App's record.
    Local(i64),
    /// Xero's record.
    Xero(Uuid),
}

/// What came of syncing one record.
#[derive(Debug, Clone)]
pub struct EntityOutcome {
    /// Its kind.
    pub kind: Kind,
    /// The App's record.
    pub local_id: i64,
    /// Xero's record; none if it has not arrived there.
    pub xero_id: Option<Uuid>,
    /// It was read from Xero.
    pub was_read: bool,
    /// What was sent, of this record and whatever else was due.
    pub push: PushOutcome,
}

impl Engine {
    /// Reads one record from Xero, if it is there, merges it, and pushes what the App has to say.
    ///
    /// # Errors
    /// [`Error::NotFound`] if neither side has it; [`Error::Busy`] if a sync is under way and does not end soon; those of
    /// Xero and the database. A refusal is none: it is listed with the failures.
    pub fn sync_entity<'a>(
        &'a self,
        id: ConnectionId,
        kind: Kind,
        entity: EntityRef,
        by: &'a str,
    ) -> crate::Boxed<'a, EntityOutcome> {
        Box::pin(async move { for_kind!(kind, P => self.sync_one::<P>(id, entity, by).await) })
    }

    async fn sync_one<P: Pulled>(&self, id: ConnectionId, entity: EntityRef, by: &str) -> Result<EntityOutcome, Error> {
        let connection = self.connection(id).await?;
        let mut tx = self.store().read().await?;
        let (local_id, xero_id) = match entity {
            EntityRef::Xero(xero_id) => (None, Some(xero_id)),
            EntityRef::Local(local_id) => {
                let link = tx.links_of_locals(id, P::KIND, &[local_id]).await?.remove(&local_id);
                if link.is_none() && tx.book_row::<P::Record>(id, connection.org, local_id).await?.is_none() {
                    return Err(Error::NotFound(format!("there is no {} {local_id}", P::KIND)));
                }
                (Some(local_id), link.map(|link| link.xero_id))
            }
        };
        drop(tx);
        if let Some(xero_id) = xero_id {
            self.refetch::<P>(id, &[xero_id], by).await?;
        }
        let mut tx = self.store().begin().await?;
        let local_id = match (xero_id, local_id) {
            (Some(xero_id), _) => {
                let link = tx.links(id, P::KIND, &[xero_id]).await?.remove(&xero_id);
                link.map(|link| link.local_id).or(local_id)
            }
            (None, local_id) => local_id,
        };
        let Some(local_id) = local_id else {
            let what =
                format!("xero's {} could not be brought over: it is not there, or listed with the failures", P::KIND);
            return Err(Error::NotFound(what));
        };
        if P::KIND.is_two_way() {
            // Looked at again whether or not a trigger told: what has nothing to send leaves the list at once.
            tx.capture(connection.org, P::KIND, &[local_id], self.now()).await?;
        }
        tx.commit().await?;
        let push = if P::KIND.is_two_way() { self.push_soon(id, by).await? } else { PushOutcome::default() };
        let mut tx = self.store().read().await?;
        let link = tx.links_of_locals(id, P::KIND, &[local_id]).await?.remove(&local_id);
        let xero_now = link.map(|link| link.xero_id).or(xero_id);
        Ok(EntityOutcome { kind: P::KIND, local_id, xero_id: xero_now, was_read: xero_id.is_some(), push })
    }

    /// A push round, waiting a little for one that is under way.
    async fn push_soon(&self, id: ConnectionId, by: &str) -> Result<PushOutcome, Error> {
        match self.push(id, by).await {
            Err(Error::Busy) => {
                let lease = self.lease_soon(&format!("push:{id}")).await?;
                self.store().release_lease(&lease).await?;
                self.push(id, by).await
            }
            other => other,
        }
    }
}
