//! Links: the pairing of a local row with a Xero record, and the base that both sides last agreed on.

use std::collections::HashMap;

use jiff::Timestamp;
use model::{ConnectionId, ContentHash, Kind, OrgId};
use uuid::Uuid;

use crate::books::{Refs, table_of};
use crate::value::{Row, Value};
use crate::{Error, Tx};

/// A link without its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The local row.
    pub local_id: i64,
    /// Hash of the last state seen in Xero.
    pub remote_hash: ContentHash,
    /// When Xero says that state was written.
    pub remote_updated_at: Option<Timestamp>,
}

/// A link with its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullLink {
    /// The record in Xero.
    pub xero_id: Uuid,
    /// The local row.
    pub local_id: i64,
    /// Hash of the last state seen in Xero.
    pub remote_hash: ContentHash,
    /// When Xero says that state was written.
    pub remote_updated_at: Option<Timestamp>,
    /// Canonical JSON of the state that both sides agreed on.
    pub base: Vec<u8>,
}

/// A link to write: new, or changed.
#[derive(Debug, Clone)]
pub struct LinkChange<'a> {
    /// The record in Xero.
    pub xero_id: Uuid,
    /// The local row.
    pub local_id: i64,
    /// Hash of the state now seen in Xero.
    pub remote_hash: ContentHash,
    /// When Xero says that state was written.
    pub remote_updated_at: Option<Timestamp>,
    /// Canonical JSON of the state that both sides agree on.
    pub base: &'a [u8],
}

const COLUMNS: [&str; 7] = ["connection_id", "kind", "xero_id", "local_id", "remote_hash", "remote_updated_at", "base"];

const FULL: &str = "xero_id, local_id, remote_hash, remote_updated_at, base";

fn hash(row: &mut Row) -> Result<ContentHash, Error> {
    let bytes: Vec<u8> = row.take()?;
    bytes.try_into().map(ContentHash).map_err(|_| Error::BadRow("a link's hash is not 16 bytes".into()))
}

fn full_link(row: &mut Row) -> Result<FullLink, Error> {
    Ok(FullLink {
        xero_id: row.take()?,
        local_id: row.take()?,
        remote_hash: hash(row)?,
        remote_updated_at: row.take()?,
        base: row.take()?,
    })
}

impl Tx {
    /// The links of these Xero records, as far as there are any.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn links(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        xero_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Link>, Error> {
        let columns = "xero_id, local_id, remote_hash, remote_updated_at";
        let mut found = HashMap::with_capacity(xero_ids.len());
        for mut row in self.look_up_links(columns, "", connection, kind, xero_ids).await? {
            let xero_id = row.take()?;
            let local_id = row.take()?;
            let link = Link { local_id, remote_hash: hash(&mut row)?, remote_updated_at: row.take()? };
            found.insert(xero_id, link);
        }
        Ok(found)
    }

    /// Adds the local ids of these Xero records to `refs`, as far as they are linked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn resolve(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        xero_ids: &[Uuid],
        refs: &mut Refs,
    ) -> Result<(), Error> {
        if xero_ids.is_empty() {
            return Ok(());
        }
        // A link whose row somebody deleted leads nowhere.
        let leads_to_a_row = format!(" AND EXISTS (SELECT 1 FROM {} t WHERE t.id = links.local_id)", table_of(kind));
        for mut row in self.look_up_links("xero_id, local_id", &leads_to_a_row, connection, kind, xero_ids).await? {
            refs.insert(kind, row.take()?, row.take()?);
        }
        Ok(())
    }

    /// The bases of these Xero records.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn bases(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        xero_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<u8>>, Error> {
        let rows = self.look_up_links("xero_id, base", "", connection, kind, xero_ids).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// The links of these Xero records with their bases.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn full_links(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        xero_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, FullLink>, Error> {
        let mut rows = self.look_up_links(FULL, "", connection, kind, xero_ids).await?;
        rows.iter_mut().map(|row| full_link(row).map(|link| (link.xero_id, link))).collect()
    }

    /// The links of these local rows with their bases.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn links_of_locals(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        local_ids: &[i64],
    ) -> Result<HashMap<i64, FullLink>, Error> {
        let condition = "connection_id = $1 AND kind = $2";
        let sql = self.look_up("links", FULL, condition, ("local_id", "BIGINT"), 3);
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Ints(local_ids)];
        let mut rows = self.query(&sql, &params).await?;
        rows.iter_mut().map(|row| full_link(row).map(|link| (link.local_id, link))).collect()
    }

    /// Links of a kind in order of local id, after one of them: the local row and the record in Xero.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn link_locals_after(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Uuid)>, Error> {
        let sql = "SELECT local_id, xero_id FROM links WHERE connection_id = $1 AND local_id > $3 AND kind = $2 \
                   ORDER BY local_id LIMIT $4";
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Int(after), Value::Int(limit)];
        let rows = self.query(sql, &params).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Pairs a Xero record that is linked with another local row; false if it is not linked.
    ///
    /// # Errors
    /// [`Error::Constraint`] if that row is linked already.
    pub async fn relink(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        xero_id: Uuid,
        local_id: i64,
    ) -> Result<bool, Error> {
        let sql = "UPDATE links SET local_id = $4 WHERE connection_id = $1 AND kind = $2 AND xero_id = $3";
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Uuid(xero_id), Value::Int(local_id)];
        Ok(self.execute(sql, &params).await? > 0)
    }

    /// Local ids without a link that somebody may have meant as the partner of a record that is new in Xero: changed and
    /// not looked at yet, on their way to Xero, or refused there. By id, after `after`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unlinked_locals(
        &mut self,
        connection: ConnectionId,
        org: OrgId,
        kind: Kind,
        after: i64,
        limit: i64,
    ) -> Result<Vec<i64>, Error> {
        let sql = "SELECT w.local_id FROM (\
                   SELECT local_id FROM captures WHERE org_id = $2 AND kind = $3 \
                   UNION SELECT local_id FROM intents WHERE connection_id = $1 AND kind = $3 AND op = 'CREATE' \
                   AND state IN ('PLANNED', 'SENDING', 'UNKNOWN') \
                   UNION SELECT local_id FROM failures WHERE connection_id = $1 AND kind = $3 AND direction = 'PUSH' \
                   AND local_id IS NOT NULL AND resolved_at IS NULL AND ignored_at IS NULL) AS w \
                   WHERE NOT EXISTS (SELECT 1 FROM links l \
                   WHERE l.connection_id = $1 AND l.local_id = w.local_id AND l.kind = $3) \
                   AND w.local_id > $4 ORDER BY w.local_id LIMIT $5";
        let params = [
            Value::Int(connection.0),
            Value::Int(org.0),
            Value::Text(kind.as_str()),
            Value::Int(after),
            Value::Int(limit),
        ];
        self.query(sql, &params).await?.into_iter().map(|mut row| row.take()).collect()
    }

    async fn look_up_links(
        &mut self,
        columns: &str,
        condition: &str,
        connection: ConnectionId,
        kind: Kind,
        xero_ids: &[Uuid],
    ) -> Result<Vec<Row>, Error> {
        let condition = format!("connection_id = $1 AND kind = $2{condition}");
        let sql = self.look_up("links", columns, &condition, ("xero_id", "UUID"), 3);
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), Value::Uuids(xero_ids)];
        self.query(&sql, &params).await
    }

    /// Writes links that did not exist.
    ///
    /// # Errors
    /// [`Error::Constraint`] if one of the two sides is linked already.
    pub async fn insert_links(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        links: &[LinkChange<'_>],
    ) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(COLUMNS.len() * links.len());
        links.iter().for_each(|link| cells.extend(link.cells(connection, kind)));
        self.insert_rows("links", &COLUMNS, &cells).await
    }

    /// Writes links that exist: hash, time and base.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn update_links(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        links: &[LinkChange<'_>],
    ) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(COLUMNS.len() * links.len());
        links.iter().for_each(|link| cells.extend(link.cells(connection, kind)));
        self.update_rows("links", &COLUMNS, 3, &cells).await
    }

    /// Takes note of a newer time stamp where the content is the same.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn touch_links(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        touched: &[(Uuid, Option<Timestamp>)],
    ) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(4 * touched.len());
        for (xero_id, updated) in touched {
            cells.extend([
                Value::Int(connection.0),
                Value::Text(kind.as_str()),
                Value::Uuid(*xero_id),
                updated.map_or(Value::Null, Value::Instant),
            ]);
        }
        self.update_rows("links", &["connection_id", "kind", "xero_id", "remote_updated_at"], 3, &cells).await
    }

    /// How many records of one kind are linked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_links_of(&mut self, connection: ConnectionId, kind: Kind) -> Result<i64, Error> {
        let sql = "SELECT COUNT(*) FROM links WHERE connection_id = $1 AND kind = $2";
        self.query_one(sql, &[Value::Int(connection.0), Value::Text(kind.as_str())]).await?.take()
    }

    /// How many records of each kind are linked; kinds without any are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_links(&mut self, connection: ConnectionId) -> Result<Vec<(Kind, i64)>, Error> {
        let sql = "SELECT kind, COUNT(*) FROM links WHERE connection_id = $1 GROUP BY kind ORDER BY kind";
        let rows = self.query(sql, &[Value::Int(connection.0)]).await?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }
}

impl<'a> LinkChange<'a> {
    fn cells(&self, connection: ConnectionId, kind: Kind) -> [Value<'_>; 7] {
        [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            Value::Uuid(self.xero_id),
            Value::Int(self.local_id),
            Value::Bytes(&self.remote_hash.0),
            self.remote_updated_at.map_or(Value::Null, Value::Instant),
            Value::Bytes(self.base),
        ]
    }
}
