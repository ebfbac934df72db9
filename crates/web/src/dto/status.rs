//! Connections, tokens and the comparison of both sides as the API shows them.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::DecimalText;
use super::runs::{Run, RunFigures};

/// One organisation's link to one Xero tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    id: i64,
    organisation_id: i64,
    /// Xero's id of the tenant.
    tenant_id: Uuid,
    name: String,
    /// `CONNECTED`, `NEEDS_RECONNECT`, `DISCONNECTED` or `PAUSED`.
    #[schema(example = "CONNECTED")]
    state: &'static str,
    /// Why it stands so.
    reason: Option<String>,
    base_currency: Option<String>,
    country_code: Option<String>,
    timezone: Option<String>,
    period_lock_date: Option<Date>,
    end_of_year_lock_date: Option<Date>,
    is_demo: bool,
    connected_at: Timestamp,
}

impl From<&store::Connection> for Connection {
    fn from(connection: &store::Connection) -> Self {
        let facts = &connection.facts;
        Self {
            id: connection.id.0,
            organisation_id: connection.org.0,
            tenant_id: connection.tenant_id,
            name: connection.tenant_name.clone(),
            state: connection.state.as_str(),
            reason: connection.reason.clone(),
            base_currency: facts.base_currency.clone(),
            country_code: facts.country_code.clone(),
            timezone: facts.timezone.clone(),
            period_lock_date: facts.period_lock_date,
            end_of_year_lock_date: facts.end_of_year_lock_date,
            is_demo: facts.is_demo,
            connected_at: connection.connected_at,
        }
    }
}

/// How everything stands that the key reaches.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// True if Xero is the emulator.
    pub(crate) is_emulated: bool,
    /// `sqlite` or `postgres`.
    #[schema(example = "sqlite")]
    pub(crate) database: &'static str,
    pub(crate) connections: Vec<ConnectionStatus>,
}

/// How a connection stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionStatus {
    connection: Connection,
    tokens: Option<Tokens>,
    last_run: Option<Run>,
    runs: RunFigures,
    /// Records in the books.
    books: Vec<KindCount>,
    /// Open failures.
    failures: Vec<KindCount>,
    /// Do both sides agree? Null before they were first compared.
    integrity: Option<Integrity>,
}

/// What the verifications of a connection say about it now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integrity {
    /// True if nothing differs without a known reason.
    ok: bool,
    /// When the two sides were last compared, in whole or in part.
    checked_at: Timestamp,
    /// When they were last compared as a whole.
    whole_at: Option<Timestamp>,
    /// Records that differ.
    different: i64,
    /// Records that differ for a reason that is known.
    explained: i64,
    /// The verification that found the most since the last whole one, that one included.
    verification_id: i64,
}

impl From<sync::Integrity> for Integrity {
    fn from(found: sync::Integrity) -> Self {
        Self {
            ok: found.different == 0,
            checked_at: found.checked_at,
            whole_at: found.whole_at,
            different: found.different,
            explained: found.explained,
            verification_id: found.verification,
        }
    }
}

/// How many of a kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindCount {
    #[schema(example = "invoice")]
    kind: &'static str,
    count: i64,
}

/// How a connection's tokens stand. Holds no secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tokens {
    /// False when Xero refused them: connect again.
    is_active: bool,
    /// When the access token ends; it is renewed five minutes before.
    access_expires_at: Option<Timestamp>,
    /// When the permission ends if it is not used until then.
    refresh_expires_at: Option<Timestamp>,
    /// Whole days until then.
    days_left: Option<i64>,
    scopes: Vec<String>,
    /// Scopes that this version wants and that were not granted.
    missing_scopes: Vec<String>,
}

impl ConnectionStatus {
    pub(crate) fn new(status: sync::ConnectionStatus, last_run: Option<Run>, now: Timestamp) -> Self {
        let count = |(kind, count): (model::Kind, i64)| KindCount { kind: kind.as_str(), count };
        Self {
            connection: Connection::from(&status.connection),
            tokens: status.tokens.map(|tokens| Tokens::new(tokens, now)),
            last_run,
            runs: RunFigures::new(&status.statistics),
            books: status.books.into_iter().map(count).collect(),
            failures: status.failures.into_iter().map(count).collect(),
            integrity: status.integrity.map(Integrity::from),
        }
    }
}

impl Tokens {
    fn new(tokens: sync::TokenStatus, now: Timestamp) -> Self {
        let days = |until: Timestamp| (until.as_second() - now.as_second()).max(0) / (24 * 60 * 60);
        Self {
            is_active: tokens.is_active,
            access_expires_at: tokens.access_expires_at,
            refresh_expires_at: tokens.refresh_expires_at,
            days_left: tokens.refresh_expires_at.map(days),
            scopes: tokens.scopes,
            missing_scopes: tokens.missing_scopes,
        }
    }
}

/// What comparing the money of both sides gave.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agreement {
    connection_id: i64,
    /// Documents compared, as Xero lists them.
    documents: i64,
    /// The sum of all differences, signs aside, over all currencies.
    #[schema(value_type = String, example = "0.00")]
    difference: DecimalText,
    /// True if no group differs.
    agrees: bool,
    /// The groups that differ.
    differences: Vec<Difference>,
}

/// One group of documents on which the two sides differ.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Difference {
    /// Kind, type, status and currency of the group.
    #[schema(example = "invoices ACCREC PAID NZD")]
    group: String,
    app: SideTotals,
    xero: SideTotals,
}

/// One side of a difference.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SideTotals {
    count: i64,
    total: DecimalText,
    /// What is due, or remaining.
    open: DecimalText,
}

impl Agreement {
    pub(crate) fn new(connection_id: i64, agreement: sync::Agreement) -> Self {
        let difference = |found: sync::Difference| Difference {
            group: found.group,
            app: SideTotals { count: found.counts.0, total: found.totals.0.into(), open: found.open.0.into() },
            xero: SideTotals { count: found.counts.1, total: found.totals.1.into(), open: found.open.1.into() },
        };
        Self {
            connection_id,
            documents: agreement.documents,
            difference: agreement.difference.into(),
            agrees: agreement.differences.is_empty(),
            differences: agreement.differences.into_iter().map(difference).collect(),
        }
    }
}
