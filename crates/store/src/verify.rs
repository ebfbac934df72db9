//! Verifications: what comparing both sides found, and the looks over the books and the lists that comparing needs.

use jiff::Timestamp;
use model::{Amount, ConnectionId, Kind, OrgId};
use uuid::Uuid;

use crate::books::table_of;
use crate::failures::Direction;
use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// How much a verification compares.
    VerifyScope {
        /// Every record.
        Whole = "WHOLE",
        /// Some linked records, by their ids.
        Sample = "SAMPLE",
    }
}

stored! {
    /// How a verification stands.
    VerifyState {
        /// Under way, or cut off.
        Running = "RUNNING",
        /// Everything was compared.
        Completed = "COMPLETED",
        /// It stopped before its end, and says nothing about the two sides.
        Failed = "FAILED",
    }
}

/// A verification as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVerification {
    /// Its id.
    pub id: i64,
    /// Of which connection.
    pub connection: ConnectionId,
    /// How much it compares.
    pub scope: VerifyScope,
    /// The only kind that was compared; none where all were.
    pub kind: Option<Kind>,
    /// How it stands.
    pub state: VerifyState,
    /// Who or what asked for it.
    pub triggered_by: String,
    /// What it counted.
    pub counts: VerifyCounts,
    /// JSON: what it found of each kind.
    pub details: Option<String>,
    /// Where the next sample goes on.
    pub next: Option<(Kind, i64)>,
    /// Stable code and message, if it failed.
    pub error: Option<(String, String)>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What a verification counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyCounts {
    /// Records that both sides have, and have the same.
    pub same: i64,
    /// Records that differ.
    pub different: i64,
    /// Records that differ for a reason that is known.
    pub explained: i64,
    /// What the sums of both sides differ by without a known reason, signs aside.
    pub difference: Amount,
    /// Calls made to Xero.
    pub calls: i64,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDifference {
    /// Kind of the record.
    pub kind: Kind,
    /// The local row, if there is one.
    pub local_id: Option<i64>,
    /// The record in Xero, if there is one.
    pub xero_id: Option<Uuid>,
    /// Name or number of the record.
    pub label: String,
    /// Path of the field.
    pub field: String,
    /// JSON: the App's value.
    pub app: Option<String>,
    /// JSON: Xero's value.
    pub xero: Option<String>,
    /// Why, as a stable word.
    pub reason: String,
    /// Whether that is a known reason.
    pub is_explained: bool,
    /// Why, in a sentence.
    pub note: String,
}

/// What the verifications of a connection say about it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integrity {
    /// The verification that found the most since the last whole one, that one included.
    pub verification: i64,
    /// When the sides were last compared, in whole or in part.
    pub checked_at: Timestamp,
    /// When they were last compared as a whole.
    pub whole_at: Option<Timestamp>,
    /// Records that differ.
    pub different: i64,
    /// Records that differ for a reason that is known.
    pub explained: i64,
}

/// An open or ignored failure, as far as it explains a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureAbout {
    /// Which way the record was going.
    pub direction: Direction,
    /// The record in Xero, or what is known of it.
    pub remote_key: String,
    /// The local row, where it is known.
    pub local_id: Option<i64>,
    /// Stable code.
    pub code: String,
    /// A person set it aside.
    pub is_ignored: bool,
}

const COLUMNS: &str = "id, connection_id, scope, kind, state, triggered_by, same, different, explained, difference, \
                       calls, details, next_kind, next_after, error_code, error, started_at, ended_at";

const DIFFERENCE: [&str; 10] =
    ["kind", "local_id", "xero_id", "label", "field", "app", "xero", "reason", "explained", "note"];

/// Verifications of each scope that are kept, at most.
const KEPT: i64 = 100;

fn verification(row: &mut Row) -> Result<StoredVerification, Error> {
    let id = row.take()?;
    let connection = ConnectionId(row.take()?);
    let (scope, kind, state, triggered_by) = (row.take()?, row.take()?, row.take()?, row.take()?);
    let counts = VerifyCounts {
        same: row.take()?,
        different: row.take()?,
        explained: row.take()?,
        difference: row.take()?,
        calls: row.take()?,
    };
    let details = row.take()?;
    let (next_kind, next_after): (Option<Kind>, Option<i64>) = (row.take()?, row.take()?);
    let (code, error): (Option<String>, Option<String>) = (row.take()?, row.take()?);
    Ok(StoredVerification {
        id,
        connection,
        scope,
        kind,
        state,
        triggered_by,
        counts,
        details,
        next: next_kind.zip(next_after),
        error: code.zip(error),
        started_at: row.take()?,
        ended_at: row.take()?,
    })
}

impl Tx {
    /// Records the beginning of a verification and returns its id. The caller holds the connection's lease for
    /// verifications, so one that still says that it runs was cut off.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin_verification(
        &mut self,
        connection: ConnectionId,
        scope: VerifyScope,
        kind: Option<Kind>,
        by: &str,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let cut = "UPDATE verifications SET state = 'FAILED', error_code = 'TO-STOPPING', \
                   error = 'it was cut off; verify again', ended_at = $2 WHERE connection_id = $1 AND state = 'RUNNING'";
        self.execute(cut, &[Value::Int(connection.0), Value::Instant(now)]).await?;
        let sql = "INSERT INTO verifications (connection_id, scope, kind, state, triggered_by, started_at) \
                   VALUES ($1, $2, $3, 'RUNNING', $4, $5) RETURNING id";
        let params = [Value::Int(connection.0), scope.bind(), kind.bind(), Value::Text(by), Value::Instant(now)];
        self.query_one(sql, &params).await?.take()
    }

    /// Records what a verification found, and where the next sample goes on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_verification(
        &mut self,
        id: i64,
        counts: &VerifyCounts,
        details: &str,
        differences: &[StoredDifference],
        next: Option<(Kind, i64)>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE verifications SET state = 'COMPLETED', same = $2, different = $3, explained = $4, \
                   difference = $5, calls = $6, details = $7, next_kind = $8, next_after = $9, ended_at = $10 \
                   WHERE id = $1";
        let params = [
            Value::Int(id),
            Value::Int(counts.same),
            Value::Int(counts.different),
            Value::Int(counts.explained),
            Value::Amount(counts.difference),
            Value::Int(counts.calls),
            Value::Text(details),
            next.map_or(Value::Null, |(kind, _)| Value::Text(kind.as_str())),
            next.map_or(Value::Null, |(_, after)| Value::Int(after)),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await?;
        let mut columns = vec!["verification_id", "position"];
        columns.extend(DIFFERENCE);
        let mut cells = Vec::with_capacity(columns.len() * differences.len());
        for (at, one) in differences.iter().enumerate() {
            cells.extend([
                Value::Int(id),
                Value::Int(i64::try_from(at + 1).unwrap_or(i64::MAX)),
                Value::Text(one.kind.as_str()),
                one.local_id.bind(),
                one.xero_id.bind(),
                Value::Text(&one.label),
                Value::Text(&one.field),
                one.app.bind(),
                one.xero.bind(),
                Value::Text(&one.reason),
                Value::Bool(one.is_explained),
                Value::Text(&one.note),
            ]);
        }
        self.insert_rows("verification_differences", &columns, &cells).await
    }

    /// Records that a verification stopped before its end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fail_verification(
        &mut self,
        id: i64,
        code: &str,
        message: &str,
        calls: i64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE verifications SET state = 'FAILED', error_code = $2, error = $3, calls = $4, ended_at = $5 \
                   WHERE id = $1 AND state = 'RUNNING'";
        let params = [Value::Int(id), Value::Text(code), Value::Text(message), Value::Int(calls), Value::Instant(now)];
        self.execute(sql, &params).await.map(drop)
    }

    /// Throws away what is older than `before`, and all but the newest hundred of each scope; the newest whole one that
    /// was completed stays in any case.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn prune_verifications(&mut self, connection: ConnectionId, before: Timestamp) -> Result<(), Error> {
        let sql = "DELETE FROM verifications WHERE connection_id = $1 AND scope = $2 AND state <> 'RUNNING' \
                   AND (started_at < $3 OR id NOT IN (SELECT id FROM verifications \
                   WHERE connection_id = $1 AND scope = $2 ORDER BY id DESC LIMIT $4)) \
                   AND id <> COALESCE((SELECT MAX(id) FROM verifications WHERE connection_id = $1 \
                   AND scope = 'WHOLE' AND kind IS NULL AND state = 'COMPLETED'), 0)";
        for scope in [VerifyScope::Whole, VerifyScope::Sample] {
            let params = [Value::Int(connection.0), scope.bind(), Value::Instant(before), Value::Int(KEPT)];
            self.execute(sql, &params).await?;
        }
        Ok(())
    }

    /// A verification of a connection.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verification(
        &mut self,
        connection: ConnectionId,
        id: i64,
    ) -> Result<Option<StoredVerification>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM verifications WHERE connection_id = $1 AND id = $2");
        let row = self.query_opt(&sql, &[Value::Int(connection.0), Value::Int(id)]).await?;
        row.map(|mut row| verification(&mut row)).transpose()
    }

    /// Verifications of a connection, newest first, before one of them; of one scope or both.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verifications(
        &mut self,
        connection: ConnectionId,
        scope: Option<VerifyScope>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<StoredVerification>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM verifications WHERE connection_id = $1 AND (CAST($2 AS TEXT) IS NULL OR scope = $2) \
             AND id < $3 ORDER BY id DESC LIMIT $4"
        );
        let params =
            [Value::Int(connection.0), scope.bind(), Value::Int(before.unwrap_or(i64::MAX)), Value::Int(limit)];
        self.query(&sql, &params).await?.iter_mut().map(verification).collect()
    }

    /// The newest verification of a connection that something triggered.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_verification_by(
        &mut self,
        connection: ConnectionId,
        by: &str,
        state: Option<VerifyState>,
    ) -> Result<Option<StoredVerification>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM verifications WHERE connection_id = $1 AND triggered_by = $2 \
             AND (CAST($3 AS TEXT) IS NULL OR state = $3) ORDER BY id DESC LIMIT 1"
        );
        let row = self.query_opt(&sql, &[Value::Int(connection.0), Value::Text(by), state.bind()]).await?;
        row.map(|mut row| verification(&mut row)).transpose()
    }

    /// What a verification found to differ, in order: differences first, then what is explained.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verification_differences(&mut self, id: i64) -> Result<Vec<StoredDifference>, Error> {
        let sql = format!(
            "SELECT {} FROM verification_differences WHERE verification_id = $1 ORDER BY position",
            DIFFERENCE.join(", ")
        );
        let rows = self.query(&sql, &[Value::Int(id)]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(StoredDifference {
                    kind: row.take()?,
                    local_id: row.take()?,
                    xero_id: row.take()?,
                    label: row.take()?,
                    field: row.take()?,
                    app: row.take()?,
                    xero: row.take()?,
                    reason: row.take()?,
                    is_explained: row.take()?,
                    note: row.take()?,
                })
            })
            .collect()
    }

    /// What the verifications of a connection say about it now; `None` before the first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn integrity(&mut self, connection: ConnectionId) -> Result<Option<Integrity>, Error> {
        let whole = "SELECT id, ended_at, different, explained FROM verifications WHERE connection_id = $1 \
                     AND scope = 'WHOLE' AND kind IS NULL AND state = 'COMPLETED' ORDER BY id DESC LIMIT 1";
        let whole = match self.query_opt(whole, &[Value::Int(connection.0)]).await? {
            Some(mut row) => {
                let (id, at): (i64, Timestamp) = (row.take()?, row.take()?);
                Some(Integrity {
                    verification: id,
                    checked_at: at,
                    whole_at: Some(at),
                    different: row.take()?,
                    explained: row.take()?,
                })
            }
            None => None,
        };
        // The newest sample says when; the worst one says what.
        let samples = "SELECT id, ended_at, different, explained FROM verifications WHERE connection_id = $1 \
                       AND scope = 'SAMPLE' AND state = 'COMPLETED' AND id > $2 ORDER BY id DESC LIMIT $3";
        let after = whole.map_or(0, |whole| whole.verification);
        let mut found = whole;
        for mut row in self.query(samples, &[Value::Int(connection.0), Value::Int(after), Value::Int(KEPT)]).await? {
            let (id, at, different, explained): (i64, Timestamp, i64, i64) =
                (row.take()?, row.take()?, row.take()?, row.take()?);
            let sample = Integrity { verification: id, checked_at: at, whole_at: None, different, explained };
            found = Some(match found {
                None => sample,
                Some(known) => {
                    let worse = if different > known.different { sample } else { known };
                    Integrity {
                        checked_at: known.checked_at.max(at),
                        whole_at: whole.and_then(|whole| whole.whole_at),
                        ..worse
                    }
                }
            });
        }
        Ok(found)
    }

    /// Local ids of an organisation's records of a kind, ascending, after one of them, each with the record in Xero that
    /// it is linked with. Of kinds that share a table, a row without a link counts as a credit note.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn linked_books_after(
        &mut self,
        connection: ConnectionId,
        org: OrgId,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Option<Uuid>)>, Error> {
        let (table, shares) = (table_of(kind), "l.kind IN ('credit_note', 'prepayment', 'overpayment')");
        let (mine, only) = match kind {
            Kind::CreditNote => (shares, "AND (l.kind IS NULL OR l.kind = $2)"),
            Kind::Prepayment | Kind::Overpayment => (shares, "AND l.kind = $2"),
            _ => ("l.kind = $2", ""),
        };
        let sql = format!(
            "SELECT t.id, l.xero_id FROM {table} t \
             LEFT JOIN links l ON l.connection_id = $1 AND l.local_id = t.id AND {mine} \
             WHERE t.org_id = $3 AND t.id > $4 {only} AND CAST($2 AS TEXT) IS NOT NULL ORDER BY t.id LIMIT $5"
        );
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            Value::Int(org.0),
            Value::Int(after),
            Value::Int(limit),
        ];
        let rows = self.query(&sql, &params).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Failures that are not over, ignored ones too, about these local rows or these records of Xero.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn failures_about(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
        remote_keys: &[&str],
    ) -> Result<Vec<FailureAbout>, Error> {
        let sql = "SELECT direction, remote_key, local_id, code, ignored_at FROM failures \
                   WHERE connection_id = $1 AND kind = $2 AND resolved_at IS NULL \
                   AND (local_id = ANY($3) OR remote_key = ANY($4)) ORDER BY id";
        let params =
            [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids), Value::Texts(remote_keys)];
        let rows = self.query(sql, &params).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(FailureAbout {
                    direction: row.take()?,
                    remote_key: row.take()?,
                    local_id: row.take()?,
                    code: row.take()?,
                    is_ignored: row.take::<Option<Timestamp>>()?.is_some(),
                })
            })
            .collect()
    }

    /// Forgets which state of these Xero records was seen last, so that the next reading meets them again even if Xero
    /// says that nothing has changed. What both sides agreed on stays.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_seen(&mut self, connection: ConnectionId, kind: Kind, xero_ids: &[Uuid]) -> Result<(), Error> {
        let sql = "UPDATE links SET remote_hash = $3 WHERE connection_id = $1 AND kind = $2 AND xero_id = ANY($4)";
        let params =
            [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Bytes(&[0; 16]), Value::Uuids(xero_ids)];
        self.execute(sql, &params).await.map(drop)
    }
}
