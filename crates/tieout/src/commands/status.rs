//! `tieout status`: how every organisation stands, from the database alone.

use jiff::{SignedDuration, Timestamp};
use store::{Connection, ConnectionState, Grant, Integrity, Run, RunState, RunStatistics, Store};

use super::attention::Attention;
use crate::args::Status;
use crate::compose::{self, EMULATED};
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{shutdown, words};

/// A refresh token dies after so many days without use (xero-facts §1.2); said in time.
const REFRESH_DAYS: i64 = 60;
const WARN_DAYS: i64 = 10;

const COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::figure("connection", "CONNECTION"),
    Column::text("state", "STATE"),
    Column::text("lastSuccessAt", "LAST OK"),
    Column::figure("records", "RECORDS"),
    Column::figure("pending", "PENDING"),
    Column::figure("conflicts", "CONFLICT"),
    Column::figure("failed", "FAILED"),
    Column::text("integrity", "INTEGRITY"),
    Column::figure("runs", "RUNS"),
    Column::figure("calls", "CALLS"),
    Column::hidden("reason"),
    Column::hidden("emulated"),
    Column::hidden("tenantId"),
    Column::hidden("tokenEndsAt"),
    Column::hidden("lastRunState"),
    Column::hidden("lastRunError"),
    Column::hidden("waiting"),
    Column::hidden("unanswered"),
    Column::hidden("brakes"),
    Column::hidden("candidates"),
    Column::hidden("checkedAt"),
    Column::hidden("different"),
];

/// One organisation's line.
struct Standing {
    connection: Connection,
    grant: Option<Grant>,
    statistics: RunStatistics,
    records: i64,
    failed: i64,
    attention: Attention,
    integrity: Option<Integrity>,
    last: Option<Run>,
}

impl Standing {
    /// In a word or two.
    fn word(&self, now: Timestamp) -> &'static str {
        // A run that has not moved for so long has lost its process; the next one takes it up.
        let is_alive = |run: &Run| now.duration_since(run.active_at).as_secs() < 180;
        match (self.connection.state, &self.last) {
            (ConnectionState::NeedsReconnect, _) => "reconnect",
            (ConnectionState::Disconnected, _) => "disconnected",
            (ConnectionState::Paused, _) => "paused",
            (ConnectionState::Connected, None) => "not synced yet",
            (ConnectionState::Connected, Some(run)) => match run.state {
                RunState::Running if is_alive(run) => "syncing",
                RunState::Running => "interrupted",
                RunState::Completed | RunState::Partial if self.failed > 0 || self.attention.needs_person() => {
                    "needs you"
                }
                RunState::Completed | RunState::Partial if self.attention.pending > 0 => "changes wait",
                RunState::Completed | RunState::Partial => "in sync",
                RunState::Failed => "last sync failed",
                RunState::Cancelled => "stopped",
            },
        }
    }

    fn token_ends_at(&self) -> Option<Timestamp> {
        let issued = self.grant.as_ref()?.refresh_issued_at?;
        issued.checked_add(SignedDuration::from_hours(24 * REFRESH_DAYS)).ok()
    }

    /// What a person should know, or do about it: a line for each thing.
    fn remarks(&self, now: Timestamp) -> Vec<String> {
        let name = &self.connection.tenant_name;
        let id = self.connection.id;
        let mut said = Vec::new();
        said.extend(match self.word(now) {
            "reconnect" => {
                let reason = self.connection.reason.as_deref().unwrap_or("xero refused the saved permission");
                Some(format!("! {name}: {reason}.   tieout connect"))
            }
            "disconnected" => Some(format!("! {name}: disconnected; its data is kept.   tieout connect")),
            "not synced yet" => Some(format!("! {name}: nothing was synced yet.   tieout sync full --connection {id}")),
            "interrupted" => Some(format!("! {name}: a sync was cut off.   tieout sync full --connection {id}")),
            "last sync failed" => {
                let error = self.last.as_ref().and_then(|run| run.error.clone()).unwrap_or_default();
                Some(format!("! {name}: {error}.   tieout sync incremental --connection {id}"))
            }
            _ => self.ending(now),
        });
        if self.failed > 0 {
            let records = words::counted(self.failed, "record");
            said.push(format!("! {name}: {records} could not be brought over.   tieout failures"));
        }
        if let Some(found) = self.integrity.filter(|found| found.different > 0) {
            let differ = if found.different == 1 { "1 record differs" } else { "records differ" };
            let count =
                if found.different == 1 { String::new() } else { format!("{} ", words::count(found.different)) };
            let id = found.verification;
            said.push(format!("! {name}: {count}{differ} between the App and Xero.   tieout verify show {id}"));
        }
        said.extend(self.attention.lines(name));
        said
    }

    /// Whether both sides were found the same, and when.
    fn agreement(&self, now: Timestamp) -> Cell {
        let Some(found) = self.integrity else { return Cell::from(None::<&str>) };
        let when = words::ago(found.checked_at, now);
        match found.different {
            0 => Cell::new("OK", format!("OK, checked {when}")),
            1 => Cell::new("DIFFERENT", format!("1 difference, checked {when}")),
            many => Cell::new("DIFFERENT", format!("{} differences, checked {when}", words::count(many))),
        }
    }

    /// Said in time: a permission that nobody uses ends.
    fn ending(&self, now: Timestamp) -> Option<String> {
        let days = self.token_ends_at()?.duration_since(now).as_hours() / 24;
        let Connection { tenant_name, id, .. } = &self.connection;
        (days <= WARN_DAYS).then(|| {
            format!(
                "! {tenant_name}: the permission ends in {days} days without a sync.   tieout refresh-token --connection {id}"
            )
        })
    }
}

pub(super) async fn run(args: &Status, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let store = compose::open(settings).await?;
    loop {
        let (exit, rows, remarks) = look(&store).await?;
        if args.watch {
            output.clear();
        }
        output.rows(&rows);
        remarks.iter().for_each(|remark| output.note(remark));
        if !args.watch {
            return match exit {
                Exit::NotConnected if remarks.is_empty() => Err(Failure::new(exit, "no organisation is connected")),
                exit => Ok(exit),
            };
        }
        tokio::select! {
            () = tokio::time::sleep(args.every.unsigned_abs()) => {}
            () = shutdown::asked() => return Ok(Exit::Done),
        }
    }
}

async fn look(store: &Store) -> Result<(Exit, Rows, Vec<String>), Failure> {
    let now = compose::clock().now();
    let is_emulated = compose::is_emulated(store).await?;
    let standings = standings(store, now).await?;
    let mut rows = Rows::new(COLUMNS, "no organisation is connected");
    let mut remarks = Vec::new();
    if is_emulated && !standings.is_empty() {
        remarks.push(EMULATED.to_owned());
    }
    let mut exit = if standings.is_empty() { Exit::NotConnected } else { Exit::Done };
    for standing in &standings {
        if standing.connection.state == ConnectionState::NeedsReconnect {
            exit = Exit::NotConnected;
        }
        remarks.extend(standing.remarks(now));
        rows.push(row(standing, now, is_emulated));
    }
    Ok((exit, rows, remarks))
}

async fn standings(store: &Store, now: Timestamp) -> Result<Vec<Standing>, Failure> {
    let mut tx = store.read().await?;
    let mut all = Vec::new();
    for connection in tx.connections().await? {
        let grant = match connection.grant {
            Some(grant) => tx.grant(grant).await?,
            None => None,
        };
        let id = connection.id;
        all.push(Standing {
            grant,
            statistics: tx.run_statistics(id).await?,
            records: tx.count_books(connection.org, id).await?.iter().map(|(_, count)| count).sum(),
            failed: tx.count_open_failures(id).await?.iter().map(|(_, count)| count).sum(),
            last: tx.runs(Some(id), None, 1).await?.pop(),
            attention: Attention::of(&mut tx, &connection, now).await?,
            integrity: tx.integrity(id).await?,
            connection,
        });
    }
    tx.commit().await?;
    Ok(all)
}

fn row(standing: &Standing, now: Timestamp, is_emulated: bool) -> Vec<Cell> {
    let Standing { connection, statistics, records, failed, last, attention, .. } = standing;
    let count = |number: i64| Cell::new(number, words::count(number));
    vec![
        connection.tenant_name.as_str().into(),
        connection.id.0.into(),
        Cell::new(connection.state.as_str(), standing.word(now)),
        words::when(statistics.last_success_at, now),
        count(*records),
        count(attention.pending),
        count(attention.conflicts),
        count(*failed),
        standing.agreement(now),
        count(statistics.finished),
        count(statistics.calls),
        connection.reason.as_deref().into(),
        is_emulated.into(),
        connection.tenant_id.to_string().into(),
        words::when(standing.token_ends_at(), now),
        last.as_ref().map(|run| run.state.as_str()).into(),
        last.as_ref().and_then(|run| run.error.as_deref()).into(),
        attention.waiting.into(),
        attention.unanswered.into(),
        attention.brakes.into(),
        attention.candidates.into(),
        words::when(standing.integrity.map(|found| found.checked_at), now),
        standing.integrity.map(|found| found.different).into(),
    ]
}
