//! The sweep over the App's side: what a capture should have told and did not.
//!
//! Triggers can be lost: a restore of a part of the data, a bulk load with triggers off. Every row is compared with what
//! both sides last agreed on; where they differ and nobody is at it, the row is put on the list of captures.

use std::collections::HashMap;

use model::{Record, canonical, merge};
use store::FullLink;

use crate::Error;
use crate::map::Pulled;
use crate::meet::Table;
use crate::outgoing::Pushed;
use crate::run::Running;

/// Rows compared in one transaction.
const CHUNK: i64 = 1_000;

impl Running<'_> {
    /// Captures every row of a kind that differs from what Xero has and that no capture, intent or failure stands for;
    /// returns how many.
    pub(crate) async fn sweep_kind<P: Pushed>(&self) -> Result<i64, Error> {
        let mut found = 0;
        let mut after = 0;
        loop {
            let mut tx = self.engine.store().begin().await?;
            tx.hold_lease(&self.lease).await?;
            let ids = tx.book_ids::<P::Record>(self.connection.org, after, CHUNK).await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            let links = tx.links_of_locals(self.connection.id, P::KIND, &ids).await?;
            let failed = tx.open_push_failures(self.connection.id, P::KIND, &ids).await?;
            let open = tx.open_intents_of(self.connection.id, P::KIND, &ids).await?;
            let rows = tx.read_books::<P::Record>(self.connection.id, &ids).await?;
            let lost: Vec<i64> = rows
                .iter()
                .filter(|row| !failed.contains_key(&row.id) && !open.contains_key(&row.id))
                .filter(|row| differs::<P>(&row.record, row.id, &links))
                .map(|row| row.id)
                .collect();
            tx.capture(self.connection.org, P::KIND, &lost, self.now()).await?;
            tx.commit().await?;
            found += i64::try_from(lost.len()).unwrap_or(i64::MAX);
        }
        let mut after = 0;
        loop {
            let mut tx = self.engine.store().begin().await?;
            tx.hold_lease(&self.lease).await?;
            let links = tx.links_without_row(self.connection.id, P::KIND, after, CHUNK).await?;
            let Some(last) = links.last() else { break };
            after = last.local_id;
            let was_live = |base: &[u8]| serde_json::from_slice::<P::Record>(base).is_ok_and(|base| base.is_live());
            let gone: Vec<i64> = links.iter().filter(|link| was_live(&link.base)).map(|link| link.local_id).collect();
            tx.capture(self.connection.org, P::KIND, &gone, self.now()).await?;
            tx.commit().await?;
            found += i64::try_from(gone.len()).unwrap_or(i64::MAX);
        }
        if found > 0 {
            tracing::warn!(kind = %P::KIND, found, "changes of the app that no capture told of");
        }
        Ok(found)
    }
}

/// Whether the App has something that Xero has not been told. Most rows are byte for byte what was agreed on.
fn differs<P: Pulled>(record: &P::Record, id: i64, links: &HashMap<i64, FullLink>) -> bool {
    let Some(link) = links.get(&id) else { return record.is_live() };
    if canonical(record) == link.base {
        return false;
    }
    let Ok(known) = Table::known_remote::<P>(link, &[]) else { return false };
    merge(&known.base, record, &known.remote, &|_| model::Policy::Ask).is_ok_and(|decision| decision.outgoing.is_some())
}
