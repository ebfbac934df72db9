//! Organisations, their connections, and single facts about the database.

use jiff::Timestamp;
use jiff::civil::Date;
use model::{ConnectionId, OrgId};
use uuid::Uuid;

use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// How a connection stands.
    ConnectionState {
        /// Calls can be made.
        Connected = "CONNECTED",
        /// Xero refused the saved permission; a person must connect again.
        NeedsReconnect = "NEEDS_RECONNECT",
        /// Disconnected by a person, here or in Xero.
        Disconnected = "DISCONNECTED",
        /// Paused by a person.
        Paused = "PAUSED",
    }
}

/// An organisation: a tenant of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
}

/// A connection to make, or to make again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConnection {
    /// The consent that it hangs on.
    pub grant: i64,
    /// Xero's tenant.
    pub tenant_id: Uuid,
    /// Xero's id of the connection, needed to disconnect.
    pub xero_connection_id: Uuid,
    /// Name of the tenant.
    pub tenant_name: String,
}

/// One organisation's link to one Xero tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub org: OrgId,
    /// The consent that it hangs on; `None` once disconnected.
    pub grant: Option<i64>,
    /// Xero's tenant.
    pub tenant_id: Uuid,
    /// Xero's id of the connection.
    pub xero_connection_id: Uuid,
    /// Name of the tenant.
    pub tenant_name: String,
    /// How it stands.
    pub state: ConnectionState,
    /// Why it stands so.
    pub reason: Option<String>,
    /// What Xero says about the organisation.
    pub facts: TenantFacts,
    /// When it was last connected.
    pub connected_at: Timestamp,
}

/// What Xero says about a tenant's organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantFacts {
    /// ISO 4217 code.
    pub base_currency: Option<String>,
    /// ISO 3166 code.
    pub country_code: Option<String>,
    /// Xero's name of the time zone, for example `NEWZEALANDSTANDARDTIME`.
    pub timezone: Option<String>,
    /// Documents dated up to then are locked for all but advisers.
    pub period_lock_date: Option<Date>,
    /// Documents dated up to then are locked for everybody.
    pub end_of_year_lock_date: Option<Date>,
    /// A demo company.
    pub is_demo: bool,
}

const COLUMNS: &str = "id, org_id, grant_id, tenant_id, xero_connection_id, tenant_name, state, reason, base_currency, \
                       country_code, timezone, period_lock_date, end_of_year_lock_date, is_demo, connected_at";

fn connection(row: &mut Row) -> Result<Connection, Error> {
    Ok(Connection {
        id: ConnectionId(row.take()?),
        org: OrgId(row.take()?),
        grant: row.take()?,
        tenant_id: row.take()?,
        xero_connection_id: row.take()?,
        tenant_name: row.take()?,
        state: row.take()?,
        reason: row.take()?,
        facts: TenantFacts {
            base_currency: row.take()?,
            country_code: row.take()?,
            timezone: row.take()?,
            period_lock_date: row.take()?,
            end_of_year_lock_date: row.take()?,
            is_demo: row.take()?,
        },
        connected_at: row.take()?,
    })
}

impl Tx {
    /// All organisations, by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn organisations(&mut self) -> Result<Vec<Organisation>, Error> {
        let rows = self.query("SELECT id, name FROM organisations ORDER BY id", &[]).await?;
        rows.into_iter().map(|mut row| Ok(Organisation { id: OrgId(row.take()?), name: row.take()? })).collect()
    }

    /// All connections, by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn connections(&mut self) -> Result<Vec<Connection>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM connections ORDER BY id");
        self.query(&sql, &[]).await?.iter_mut().map(connection).collect()
    }

    /// A connection by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn connection(&mut self, id: ConnectionId) -> Result<Option<Connection>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = $1");
        self.query_opt(&sql, &[Value::Int(id.0)]).await?.map(|mut row| connection(&mut row)).transpose()
    }

    /// Connects a tenant: the same tenant again keeps its organisation, its books and its links; a new one gets an
    /// organisation of its own, with the tenant's name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn connect_tenant(&mut self, new: &NewConnection, now: Timestamp) -> Result<Connection, Error> {
        let found = format!("SELECT {COLUMNS} FROM connections WHERE tenant_id = $1");
        let known = self.query_opt(&found, &[Value::Uuid(new.tenant_id)]).await?;
        let params = [
            Value::Int(new.grant),
            Value::Uuid(new.tenant_id),
            Value::Uuid(new.xero_connection_id),
            Value::Text(&new.tenant_name),
            Value::Instant(now),
        ];
        if known.is_some() {
            let sql = "UPDATE connections SET grant_id = $1, xero_connection_id = $3, tenant_name = $4, \
                       state = 'CONNECTED', reason = NULL, connected_at = $5, updated_at = $5 WHERE tenant_id = $2";
            self.execute(sql, &params).await?;
        } else {
            let sql = "INSERT INTO organisations (name, created_at) VALUES ($1, $2) RETURNING id";
            let org: i64 = self.query_one(sql, &[Value::Text(&new.tenant_name), Value::Instant(now)]).await?.take()?;
            let sql = "INSERT INTO connections (grant_id, tenant_id, xero_connection_id, tenant_name, state, \
                       connected_at, updated_at, org_id) VALUES ($1, $2, $3, $4, 'CONNECTED', $5, $5, $6)";
            let mut with_org = params.to_vec();
            with_org.push(Value::Int(org));
            self.execute(sql, &with_org).await?;
        }
        connection(&mut self.query_one(&found, &[Value::Uuid(new.tenant_id)]).await?)
    }

    /// Says how a connection stands and why.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_connection_state(
        &mut self,
        id: ConnectionId,
        state: ConnectionState,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE connections SET state = $2, reason = $3, updated_at = $4 WHERE id = $1";
        let params = [Value::Int(id.0), state.bind(), reason.map_or(Value::Null, Value::Text), Value::Instant(now)];
        self.execute(sql, &params).await.map(drop)
    }

    /// Lets go of a connection's consent, when it is disconnected.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn detach_grant(&mut self, id: ConnectionId) -> Result<(), Error> {
        self.execute("UPDATE connections SET grant_id = NULL WHERE id = $1", &[Value::Int(id.0)]).await.map(drop)
    }

    /// Keeps what Xero says about a tenant's organisation.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_tenant_facts(
        &mut self,
        id: ConnectionId,
        name: &str,
        facts: &TenantFacts,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE connections SET tenant_name = $2, base_currency = $3, country_code = $4, timezone = $5, \
                   period_lock_date = $6, end_of_year_lock_date = $7, is_demo = $8, updated_at = $9 WHERE id = $1";
        let params = [
            Value::Int(id.0),
            Value::Text(name),
            facts.base_currency.bind(),
            facts.country_code.bind(),
            facts.timezone.bind(),
            facts.period_lock_date.bind(),
            facts.end_of_year_lock_date.bind(),
            Value::Bool(facts.is_demo),
            Value::Instant(now),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    /// A single fact about the database, for example which Xero it belongs to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fact(&mut self, name: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT value FROM facts WHERE name = $1";
        self.query_opt(sql, &[Value::Text(name)]).await?.map(|mut row| row.take()).transpose()
    }

    /// Sets a single fact about the database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_fact(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let sql = "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2";
        self.execute(sql, &[Value::Text(name), Value::Text(value)]).await.map(drop)
    }
}
