//! Looks over whole kinds: links whose row is gone, contacts that were merged.

use std::collections::{HashMap, HashSet};

use model::{Amount, ConnectionId, Kind, OrgId};
use uuid::Uuid;

use crate::books::table_of;
use crate::links::FullLink;
use crate::value::Value;
use crate::{Error, Tx};

impl Tx {
    /// Links whose local row is gone and that no capture or open intent stands for, by local id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn links_without_row(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Result<Vec<FullLink>, Error> {
        let sql = format!(
            "SELECT l.local_id FROM links l WHERE l.connection_id = $1 AND l.kind = $2 AND l.local_id > $3 \
             AND NOT EXISTS (SELECT 1 FROM {} t WHERE t.id = l.local_id) \
             AND NOT EXISTS (SELECT 1 FROM captures c WHERE c.kind = $2 AND c.local_id = l.local_id) \
             AND NOT EXISTS (SELECT 1 FROM intents i WHERE i.connection_id = $1 AND i.kind = $2 \
                 AND i.local_id = l.local_id AND i.state IN ('PLANNED', 'SENDING', 'UNKNOWN')) \
             ORDER BY l.local_id LIMIT $4",
            table_of(kind)
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Int(after), Value::Int(limit)];
        let ids: Vec<i64> =
            self.query(&sql, &params).await?.into_iter().map(|mut row| row.take()).collect::<Result<_, Error>>()?;
        let mut links: Vec<FullLink> = self.links_of_locals(connection, kind, &ids).await?.into_values().collect();
        links.sort_by_key(|link| link.local_id);
        Ok(links)
    }

    /// Which of these contacts were merged into others in Xero, and into which.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn merged_customers(
        &mut self,
        connection: ConnectionId,
        xero_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Uuid>, Error> {
        if xero_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = "SELECT l.xero_id, t.merged_into FROM links l JOIN customers t ON t.id = l.local_id \
                   WHERE l.connection_id = $1 AND l.kind = 'customer' AND l.xero_id = ANY($2) \
                   AND t.merged_into IS NOT NULL";
        let rows = self.query(sql, &[Value::Int(connection.0), Value::Uuids(xero_ids)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Which of these local rows may have been made more than once in Xero already, and nobody has said which is theirs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn doubled(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<HashSet<i64>, Error> {
        let sql = "SELECT local_id FROM conflicts WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
                   AND what = 'SUSPECTED_DUPLICATE' AND state <> 'RESOLVED' \
                   UNION SELECT local_id FROM failures WHERE connection_id = $1 AND kind = $2 AND local_id = ANY($3) \
                   AND direction = 'PUSH' AND code = 'TO-DUPLICATE' AND resolved_at IS NULL";
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        self.query(sql, &params).await?.into_iter().map(|mut row| row.take()).collect()
    }

    /// The tax rates of an organisation: code and percentage.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tax_percentages(&mut self, org: OrgId) -> Result<Vec<(String, Option<Amount>)>, Error> {
        let sql = "SELECT tax_type, effective_rate FROM tax_rates WHERE org_id = $1";
        let rows = self.query(sql, &[Value::Int(org.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Local customers whose contact was merged into another in Xero.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn all_merged_customers(&mut self, org: OrgId) -> Result<Vec<i64>, Error> {
        let sql = "SELECT id FROM customers WHERE org_id = $1 AND merged_into IS NOT NULL ORDER BY id";
        self.query(sql, &[Value::Int(org.0)]).await?.into_iter().map(|mut row| row.take()).collect()
    }

    /// Linked documents of a kind that name one of these local customers and are not cancelled, by their Xero ids.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn documents_of(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        customers: &[i64],
    ) -> Result<Vec<Uuid>, Error> {
        let sql = format!(
            "SELECT l.xero_id FROM {} d JOIN links l ON l.connection_id = $1 AND l.local_id = d.id AND l.kind = $2 \
             WHERE d.customer_id = ANY($3) AND d.status <> 'CANCELLED' ORDER BY l.xero_id",
            table_of(kind)
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(customers)];
        self.query(&sql, &params).await?.into_iter().map(|mut row| row.take()).collect()
    }
}
