//! Candidates: pairs of a Xero record and a local row that may be the same, until a person says which are.

use jiff::Timestamp;
use model::{ConnectionId, Kind};
use uuid::Uuid;

use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// What was said about a pair.
    CandidateState {
        /// Nothing yet.
        Open = "OPEN",
        /// They are the same.
        Same = "SAME",
        /// They are two.
        Different = "DIFFERENT",
    }
}

/// A pair that may be the same record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Kind of the records.
    pub kind: Kind,
    /// The record in Xero.
    pub xero_id: Uuid,
    /// The local row.
    pub local_id: i64,
    /// Why they may be the same.
    pub reason: String,
    /// What was said.
    pub state: CandidateState,
    /// By whom.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// When the pair was found.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "kind, xero_id, local_id, reason, state, decided_by, decided_at, created_at";

fn candidate(row: &mut Row) -> Result<Candidate, Error> {
    Ok(Candidate {
        kind: row.take()?,
        xero_id: row.take()?,
        local_id: row.take()?,
        reason: row.take()?,
        state: row.take()?,
        decided_by: row.take()?,
        decided_at: row.take()?,
        created_at: row.take()?,
    })
}

impl Tx {
    /// Records pairs with the reason of each; those that are recorded already stay as they are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add_candidates(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        pairs: &[(Uuid, i64, String)],
        now: Timestamp,
    ) -> Result<(), Error> {
        let columns = ["connection_id", "kind", "xero_id", "local_id", "reason", "state", "created_at"];
        let mut cells = Vec::with_capacity(columns.len() * pairs.len());
        for (xero_id, local_id, reason) in pairs {
            cells.extend([
                Value::Int(connection.0),
                Value::Text(kind.as_str()),
                Value::Uuid(*xero_id),
                Value::Int(*local_id),
                Value::Text(reason),
                Value::Text(CandidateState::Open.as_str()),
                Value::Instant(now),
            ]);
        }
        self.upsert_rows("candidates", &columns, &cells, "ON CONFLICT DO NOTHING").await
    }

    /// Pairs by kind and local row; of one kind or all, in one state or all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn candidates(
        &mut self,
        connection: ConnectionId,
        kind: Option<Kind>,
        state: Option<CandidateState>,
    ) -> Result<Vec<Candidate>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM candidates WHERE connection_id = $1 AND (CAST($2 AS TEXT) IS NULL OR kind = $2) \
             AND (CAST($3 AS TEXT) IS NULL OR state = $3) ORDER BY kind, local_id, xero_id"
        );
        let params = [Value::Int(connection.0), kind.bind(), state.bind()];
        self.query(&sql, &params).await?.iter_mut().map(candidate).collect()
    }

    /// Pairs of these local rows, in any state.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn candidates_of(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<Vec<Candidate>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM candidates WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
             ORDER BY local_id, xero_id"
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        self.query(&sql, &params).await?.iter_mut().map(candidate).collect()
    }

    /// Says whether a pair is the same record; false if nobody asks that (any more).
    ///
    /// # Errors
    /// Those of the database.
    #[expect(clippy::too_many_arguments, reason = "a pair is named by four")]
    pub async fn decide_candidate(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        xero_id: Uuid,
        local_id: i64,
        same: bool,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "UPDATE candidates SET state = $5, decided_by = $6, decided_at = $7 \
                   WHERE connection_id = $1 AND kind = $2 AND xero_id = $3 AND local_id = $4 AND state = 'OPEN'";
        let state = if same { CandidateState::Same } else { CandidateState::Different };
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            Value::Uuid(xero_id),
            Value::Int(local_id),
            state.bind(),
            Value::Text(by),
            Value::Instant(now),
        ];
        Ok(self.execute(sql, &params).await? > 0)
    }
}
