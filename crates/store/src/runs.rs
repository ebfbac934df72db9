//! Runs: every sync that was done, what it did, and the figures over all of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{ConnectionId, Kind};

use crate::value::{Column, Row, Value};
use crate::{Error, Lease, Tx};

/// Declares an enum stored by name.
macro_rules! stored {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// The name in the database and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// From that name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl $crate::value::Column for $name {
            fn bind(&self) -> $crate::value::Value<'_> { $crate::value::Value::Text(self.as_str()) }
            fn read(cell: $crate::value::Cell) -> Option<Self> {
                match cell {
                    $crate::value::Cell::Text(text) => Self::parse(&text),
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use stored;

stored! {
    /// How much a run reads.
    Mode {
        /// Everything.
        Full = "FULL",
        /// What changed since the last run.
        Incremental = "INCREMENTAL",
    }
}

stored! {
    /// Which side a run writes.
    RunDirection {
        /// The books.
        Pull = "PULL",
        /// Xero.
        Push = "PUSH",
        /// Both.
        Both = "BOTH",
    }
}

stored! {
    /// How a run stands.
    RunState {
        /// Under way, or cut off and not yet taken up.
        Running = "RUNNING",
        /// Every record came over.
        Completed = "COMPLETED",
        /// All but some listed records came over.
        Partial = "PARTIAL",
        /// Stopped by an error.
        Failed = "FAILED",
        /// Stopped by a person.
        Cancelled = "CANCELLED",
    }
}

/// What a run did with one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindCounts {
    /// How many records Xero said there are to read.
    pub expected: Option<i64>,
    /// Records read.
    pub seen: i64,
    /// Records new in the books.
    pub created: i64,
    /// Records changed in the books.
    pub updated: i64,
    /// Records that were as they are.
    pub unchanged: i64,
    /// Records listed as failures.
    pub failed: i64,
    /// Records created in Xero.
    pub sent_created: i64,
    /// Records changed in Xero.
    pub sent_updated: i64,
    /// Records removed in Xero.
    pub sent_removed: i64,
    /// Changes that Xero or our own rules refused.
    pub refused: i64,
    /// Conflicts found.
    pub conflicts: i64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Id of the run.
    pub id: i64,
    /// Whose books.
    pub connection: ConnectionId,
    /// How much it reads.
    pub mode: Mode,
    /// Which side it writes.
    pub direction: RunDirection,
    /// Who or what asked for it, for example `cli` or `api:key-3`.
    pub triggered_by: String,
    /// How it stands.
    pub state: RunState,
    /// What it is doing now.
    pub phase: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Stable code of that error.
    pub error_code: Option<String>,
    /// How often it was taken up again after its process died.
    pub resumed: i64,
    /// Calls made to Xero.
    pub calls: i64,
    /// Bytes received from Xero.
    pub bytes: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last did something.
    pub active_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Figures over a connection's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunStatistics {
    /// Runs that ended.
    pub finished: i64,
    /// Of those, completed.
    pub completed: i64,
    /// Of those, partial.
    pub partial: i64,
    /// Of those, failed.
    pub failed: i64,
    /// When the last completed or partial run ended.
    pub last_success_at: Option<Timestamp>,
    /// Calls made to Xero in all.
    pub calls: i64,
    /// Bytes received from Xero in all.
    pub bytes: i64,
    /// Average duration of the last 100 ended runs, in milliseconds.
    pub average_duration_ms: Option<i64>,
}

const COLUMNS: &str = "id, connection_id, mode, direction, triggered_by, state, phase, error, error_code, resumed, calls, \
                       bytes, started_at, active_at, finished_at";

const KIND_COLUMNS: &str = "kind, expected, seen, created, updated, unchanged, failed, sent_created, sent_updated, \
                            sent_removed, refused, conflicts";

fn kind_counts(row: &mut Row) -> Result<(Kind, KindCounts), Error> {
    let kind = row.take()?;
    let counts = KindCounts {
        expected: row.take()?,
        seen: row.take()?,
        created: row.take()?,
        updated: row.take()?,
        unchanged: row.take()?,
        failed: row.take()?,
        sent_created: row.take()?,
        sent_updated: row.take()?,
        sent_removed: row.take()?,
        refused: row.take()?,
        conflicts: row.take()?,
    };
    Ok((kind, counts))
}

fn run(row: &mut Row) -> Result<Run, Error> {
    Ok(Run {
        id: row.take()?,
        connection: ConnectionId(row.take()?),
        mode: row.take()?,
        direction: row.take()?,
        triggered_by: row.take()?,
        state: row.take()?,
        phase: row.take()?,
        error: row.take()?,
        error_code: row.take()?,
        resumed: row.take()?,
        calls: row.take()?,
        bytes: row.take()?,
        started_at: row.take()?,
        active_at: row.take()?,
        finished_at: row.take()?,
    })
}

impl Tx {
    /// Records the beginning of a run in a direction, under a lease, and returns its id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn start_run_in(
        &mut self,
        connection: ConnectionId,
        mode: Mode,
        direction: RunDirection,
        lease: &Lease,
        triggered_by: &str,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let sql = "INSERT INTO runs (connection_id, mode, direction, lease, triggered_by, state, started_at, active_at) \
                   VALUES ($1, $2, $3, $4, $5, 'RUNNING', $6, $6) RETURNING id";
        let params = [
            Value::Int(connection.0),
            mode.bind(),
            direction.bind(),
            Value::Text(&lease.name),
            Value::Text(triggered_by),
            Value::Instant(now),
        ];
        self.query_one(sql, &params).await?.take()
    }

    /// Ends runs that only wrote to Xero and were cut off: those under a lease that nobody holds, and, in a transaction
    /// that holds it, those under `held`. What they left is on the lists of changes and of outgoing writes, and the next
    /// one begins anew.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn cancel_cut_off_runs(
        &mut self,
        connection: ConnectionId,
        held: &Lease,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE runs SET state = 'CANCELLED', active_at = $2, finished_at = $2, phase = NULL \
                   WHERE connection_id = $1 AND direction = 'PUSH' AND state = 'RUNNING' AND (lease = $3 OR NOT EXISTS \
                   (SELECT 1 FROM leases WHERE leases.name = runs.lease AND leases.lease_until > tieout_now(0)))";
        self.execute(sql, &[Value::Int(connection.0), Value::Instant(now), Value::Text(&held.name)]).await.map(drop)
    }

    /// The newest run of a connection that reads Xero, if it was cut off, or stopped for a reason that passes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unfinished_run(&mut self, connection: ConnectionId) -> Result<Option<Run>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE id = (SELECT MAX(id) FROM runs WHERE connection_id = $1 AND direction <> 'PUSH') \
             AND (state = 'RUNNING' OR (state = 'FAILED' AND resumable))"
        );
        self.query_opt(&sql, &[Value::Int(connection.0)]).await?.map(|mut row| run(&mut row)).transpose()
    }

    /// Notes that a run was taken up again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn resume_run(&mut self, id: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE runs SET state = 'RUNNING', resumed = resumed + 1, error = NULL, error_code = NULL, \
                   finished_at = NULL, active_at = $2 WHERE id = $1";
        self.execute(sql, &[Value::Int(id), Value::Instant(now)]).await.map(drop)
    }

    /// Adds to a run what it just did with a kind, in the transaction that did it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_run(
        &mut self,
        id: i64,
        kind: Kind,
        counts: &KindCounts,
        calls: i64,
        bytes: i64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO run_kinds (run_id, {KIND_COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (run_id, kind) DO UPDATE SET \
             expected = COALESCE($3, run_kinds.expected), seen = run_kinds.seen + $4, \
             created = run_kinds.created + $5, updated = run_kinds.updated + $6, \
             unchanged = run_kinds.unchanged + $7, failed = run_kinds.failed + $8, \
             sent_created = run_kinds.sent_created + $9, sent_updated = run_kinds.sent_updated + $10, \
             sent_removed = run_kinds.sent_removed + $11, refused = run_kinds.refused + $12, \
             conflicts = run_kinds.conflicts + $13"
        );
        let params = [
            Value::Int(id),
            Value::Text(kind.as_str()),
            counts.expected.map_or(Value::Null, Value::Int),
            Value::Int(counts.seen),
            Value::Int(counts.created),
            Value::Int(counts.updated),
            Value::Int(counts.unchanged),
            Value::Int(counts.failed),
            Value::Int(counts.sent_created),
            Value::Int(counts.sent_updated),
            Value::Int(counts.sent_removed),
            Value::Int(counts.refused),
            Value::Int(counts.conflicts),
        ];
        self.execute(&sql, &params).await?;
        self.count_run_calls(id, Some(kind.plural()), calls, bytes, now).await
    }

    /// Adds calls and bytes to a run and says what it is doing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_run_calls(
        &mut self,
        id: i64,
        phase: Option<&str>,
        calls: i64,
        bytes: i64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE runs SET calls = calls + $2, bytes = bytes + $3, active_at = $4, \
                   phase = COALESCE($5, phase) WHERE id = $1";
        let params = [
            Value::Int(id),
            Value::Int(calls),
            Value::Int(bytes),
            Value::Instant(now),
            phase.map_or(Value::Null, Value::Text),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// Ends a run; `error` is its code and message, `resumable` says that the next run goes on where it stopped.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish_run(
        &mut self,
        id: i64,
        state: RunState,
        error: Option<(&str, &str)>,
        resumable: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE runs SET state = $2, error_code = $3, error = $4, active_at = $5, finished_at = $5, \
                   phase = NULL, resumable = $6 WHERE id = $1";
        let (code, message) = error.unzip();
        let text = |text: Option<&'_ str>| text.map_or(Value::Null, |text| Value::Owned(text.to_owned()));
        let params =
            [Value::Int(id), state.bind(), text(code), text(message), Value::Instant(now), Value::Bool(resumable)];
        self.execute(sql, &params).await.map(drop)
    }

    /// A run by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run(&mut self, id: i64) -> Result<Option<Run>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = $1");
        self.query_opt(&sql, &[Value::Int(id)]).await?.map(|mut row| run(&mut row)).transpose()
    }

    /// Runs, newest first; of one connection or all, before an id if one is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn runs(
        &mut self,
        connection: Option<ConnectionId>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Run>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE (CAST($1 AS BIGINT) IS NULL OR connection_id = $1) \
             AND (CAST($2 AS BIGINT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
        );
        let params = [
            connection.map_or(Value::Null, |connection| Value::Int(connection.0)),
            before.map_or(Value::Null, Value::Int),
            Value::Int(limit),
        ];
        self.query(&sql, &params).await?.iter_mut().map(run).collect()
    }

    /// What a run did with each kind, in dependency order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run_kinds(&mut self, id: i64) -> Result<Vec<(Kind, KindCounts)>, Error> {
        let sql = format!("SELECT {KIND_COLUMNS} FROM run_kinds WHERE run_id = $1");
        let mut found: Vec<_> =
            self.query(&sql, &[Value::Int(id)]).await?.iter_mut().map(kind_counts).collect::<Result<_, _>>()?;
        found.sort_by_key(|(kind, _)| *kind);
        Ok(found)
    }

    /// What each of these runs did with each kind, in dependency order; runs that have done nothing yet are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kinds_of_runs(&mut self, ids: &[i64]) -> Result<BTreeMap<i64, Vec<(Kind, KindCounts)>>, Error> {
        let sql = format!("SELECT run_id, {KIND_COLUMNS} FROM run_kinds WHERE run_id = ANY($1)");
        let mut found: BTreeMap<i64, Vec<(Kind, KindCounts)>> = BTreeMap::new();
        for mut row in self.query(&sql, &[Value::Ints(ids)]).await? {
            let run = row.take()?;
            found.entry(run).or_default().push(kind_counts(&mut row)?);
        }
        found.values_mut().for_each(|kinds| kinds.sort_by_key(|(kind, _)| *kind));
        Ok(found)
    }

    /// Figures over a connection's runs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run_statistics(&mut self, connection: ConnectionId) -> Result<RunStatistics, Error> {
        let sql = "SELECT COALESCE(SUM(CASE WHEN finished_at IS NOT NULL THEN 1 ELSE 0 END), 0), \
                   COALESCE(SUM(CASE WHEN state = 'COMPLETED' THEN 1 ELSE 0 END), 0), \
                   COALESCE(SUM(CASE WHEN state = 'PARTIAL' THEN 1 ELSE 0 END), 0), \
                   COALESCE(SUM(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END), 0), \
                   MAX(CASE WHEN state IN ('COMPLETED', 'PARTIAL') THEN finished_at END), \
                   COALESCE(SUM(calls), 0), COALESCE(SUM(bytes), 0) FROM runs WHERE connection_id = $1";
        let mut row = self.query_one(sql, &[Value::Int(connection.0)]).await?;
        let mut statistics = RunStatistics {
            finished: row.take()?,
            completed: row.take()?,
            partial: row.take()?,
            failed: row.take()?,
            last_success_at: row.take()?,
            calls: row.take()?,
            bytes: row.take()?,
            average_duration_ms: None,
        };
        let recent: Vec<i64> = self
            .runs(Some(connection), None, 100)
            .await?
            .iter()
            .filter_map(|run| Some(run.finished_at?.as_millisecond() - run.started_at.as_millisecond()))
            .collect();
        let count = i64::try_from(recent.len()).unwrap_or(i64::MAX);
        statistics.average_duration_ms = (count > 0).then(|| recent.iter().sum::<i64>() / count);
        Ok(statistics)
    }
}
