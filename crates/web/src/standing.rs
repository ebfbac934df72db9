//! How the records of a page stand between both sides: in sync, on their way, in conflict, or refused.

use std::collections::BTreeMap;

use model::accounting::Advice;
use model::{ConnectionId, Kind, Record};
use store::{Listed, Tx};

use crate::problem::Problem;

/// `SYNCED`, `PENDING`, `CONFLICT` or `FAILED` for each record of a page, by local id. Four looks a page.
///
/// A conflict comes first, because nothing else of the field moves until somebody decides; a change that nobody has looked
/// at yet comes before the refusal of an older one.
pub(crate) async fn standings<R: Record>(
    tx: &mut Tx,
    connection: ConnectionId,
    kind: Kind,
    items: &[Listed<R>],
) -> Result<BTreeMap<i64, &'static str>, Problem> {
    if !kind.is_two_way() || items.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<i64> = items.iter().map(|listed| listed.row.id).collect();
    let captured: BTreeMap<i64, _> =
        tx.captures_of(kind, &ids).await?.into_iter().map(|one| (one.local_id, one.changed_at)).collect();
    let intents = tx.open_intents_of(connection, kind, &ids).await?;
    let conflicts = tx.pending_conflicts(connection, kind, &ids).await?;
    let failures = tx.open_push_failures(connection, kind, &ids).await?;
    let state = |listed: &Listed<R>| {
        let id = listed.row.id;
        if conflicts.contains_key(&id) {
            return "CONFLICT";
        }
        if let Some(failure) = failures.get(&id) {
            let is_newer = captured.get(&id).is_some_and(|changed_at| *changed_at > failure.last_seen_at);
            let heals = sync::advice_of(&failure.code) == Advice::Retry;
            return if is_newer || heals { "PENDING" } else { "FAILED" };
        }
        let is_on_its_way = captured.contains_key(&id) || intents.contains_key(&id);
        let is_unknown_to_xero = listed.xero_id.is_none() && listed.row.record.is_live();
        if is_on_its_way || is_unknown_to_xero { "PENDING" } else { "SYNCED" }
    };
    Ok(items.iter().map(|listed| (listed.row.id, state(listed))).collect())
}
