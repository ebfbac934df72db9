//! Captured changes: local records that somebody other than the engine changed and that nobody has looked at yet.

use jiff::Timestamp;
use model::{ConnectionId, Kind, OrgId};

use crate::value::Value;
use crate::{Error, Tx};

/// A captured change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured {
    /// The local row, which may be gone.
    pub local_id: i64,
    /// Grows with every change while the record is on the list.
    pub seq: i64,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl Tx {
    /// Captured changes of a kind that wait for nothing, by local id, after one of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn captured(
        &mut self,
        org: OrgId,
        kind: Kind,
        now: Timestamp,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Captured>, Error> {
        let sql = "SELECT local_id, seq, changed_at FROM captures WHERE org_id = $1 AND kind = $2 AND local_id > $4 \
                   AND (not_before IS NULL OR not_before <= $3) ORDER BY local_id LIMIT $5";
        let params =
            [Value::Int(org.0), Value::Text(kind.as_str()), Value::Instant(now), Value::Int(after), Value::Int(limit)];
        let rows = self.query(sql, &params).await?;
        rows.into_iter()
            .map(|mut row| Ok(Captured { local_id: row.take()?, seq: row.take()?, changed_at: row.take()? }))
            .collect()
    }

    /// The captured changes of these records, whether they wait or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn captures_of(&mut self, kind: Kind, local_ids: &[i64]) -> Result<Vec<Captured>, Error> {
        let sql = "SELECT local_id, seq, changed_at FROM captures WHERE kind = $1 AND local_id = ANY($2) \
                   ORDER BY local_id";
        let rows = self.query(sql, &[Value::Text(kind.as_str()), Value::Ints(local_ids)]).await?;
        rows.into_iter()
            .map(|mut row| Ok(Captured { local_id: row.take()?, seq: row.take()?, changed_at: row.take()? }))
            .collect()
    }

    /// When a record was put on the list, and until when it waits there if it does; `None` if it is not on it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn capture_of(
        &mut self,
        kind: Kind,
        local_id: i64,
    ) -> Result<Option<(Timestamp, Option<Timestamp>)>, Error> {
        let sql = "SELECT changed_at, not_before FROM captures WHERE kind = $1 AND local_id = $2";
        let row = self.query_opt(sql, &[Value::Text(kind.as_str()), Value::Int(local_id)]).await?;
        row.map(|mut row| Ok((row.take()?, row.take()?))).transpose()
    }

    /// How many records of each kind are on the list, waiting ones included; kinds without any are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_captured(&mut self, org: OrgId) -> Result<Vec<(Kind, i64)>, Error> {
        let sql = "SELECT kind, COUNT(*) FROM captures WHERE org_id = $1 GROUP BY kind ORDER BY kind";
        let rows = self.query(sql, &[Value::Int(org.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Takes records (local id and `seq` as they were read) off the list, except those that changed again meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn drop_captures(&mut self, kind: Kind, seen: &[(i64, i64)]) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(3 * seen.len());
        for (local_id, seq) in seen {
            cells.extend([Value::Text(kind.as_str()), Value::Int(*local_id), Value::Int(*seq)]);
        }
        self.delete_rows("captures", &["kind", "local_id", "seq"], &cells).await
    }

    /// Lets records (local id and `seq` as they were read) wait, except those that changed again meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn postpone_captures(
        &mut self,
        kind: Kind,
        seen: &[(i64, i64)],
        not_before: Timestamp,
    ) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(4 * seen.len());
        for (local_id, seq) in seen {
            let row = [Value::Text(kind.as_str()), Value::Int(*local_id), Value::Int(*seq), Value::Instant(not_before)];
            cells.extend(row);
        }
        self.update_rows("captures", &["kind", "local_id", "seq", "not_before"], 3, &cells).await
    }

    /// Lets no record of a kind wait any longer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn wake_captures(&mut self, org: OrgId, kind: Kind) -> Result<(), Error> {
        let sql = "UPDATE captures SET not_before = NULL WHERE org_id = $1 AND kind = $2 AND not_before IS NOT NULL";
        self.execute(sql, &[Value::Int(org.0), Value::Text(kind.as_str())]).await.map(drop)
    }

    /// Puts records on the list, as if somebody had changed them now; those that are on it wait no longer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn capture(&mut self, org: OrgId, kind: Kind, local_ids: &[i64], now: Timestamp) -> Result<(), Error> {
        if local_ids.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO captures (kind, local_id, org_id, seq, changed_at) \
             SELECT DISTINCT CAST($1 AS TEXT), listed.value, CAST($2 AS BIGINT), 1, CAST($3 AS {instant}) \
             FROM {listed} WHERE TRUE ORDER BY 2 \
             ON CONFLICT (kind, local_id) DO UPDATE SET org_id = excluded.org_id, seq = captures.seq + 1, \
             changed_at = excluded.changed_at, not_before = NULL",
            instant = self.instant_type(),
            listed = self.listed(4),
        );
        let params = [Value::Text(kind.as_str()), Value::Int(org.0), Value::Instant(now), Value::Ints(local_ids)];
        self.execute(&sql, &params).await.map(drop)
    }

    /// Connections that can make calls and have something to do: captured changes or outgoing writes that are due, or
    /// requests whose end is not known. One look that costs next to nothing while there is nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_connections(&mut self, now: Timestamp) -> Result<Vec<ConnectionId>, Error> {
        // The conditions on `state` stand as the partial index says them; SQLite would not see that it serves otherwise.
        let sql = "SELECT c.id FROM connections c WHERE c.state = 'CONNECTED' AND (\
                   EXISTS (SELECT 1 FROM captures p WHERE p.org_id = c.org_id AND p.not_before IS NULL) \
                   OR EXISTS (SELECT 1 FROM captures p WHERE p.org_id = c.org_id AND p.not_before <= $1) \
                   OR EXISTS (SELECT 1 FROM intents i WHERE i.connection_id = c.id \
                   AND i.state IN ('PLANNED', 'SENDING', 'UNKNOWN') AND i.state <> 'SENDING' \
                   AND (i.not_before IS NULL OR i.not_before <= $1)) \
                   OR EXISTS (SELECT 1 FROM sends s WHERE s.connection_id = c.id AND s.state = 'SENDING')) \
                   ORDER BY c.id";
        let rows = self.query(sql, &[Value::Instant(now)]).await?;
        rows.into_iter().map(|mut row| Ok(ConnectionId(row.take()?))).collect()
    }
}
