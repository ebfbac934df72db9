//! The books written as an application writes them, so that the change is captured; and read without locks.

use jiff::Timestamp;
use model::{ConnectionId, OrgId};

use super::{BookRow, Books, Refs, own_columns, select};
use crate::dialect::capture::captured_kind;
use crate::value::Value;
use crate::{Error, Tx};

impl Tx {
    /// Inserts a record as an application does, and returns its local id.
    ///
    /// # Errors
    /// [`Error::Constraint`] if a referred record is not there, or the schema refuses a value.
    pub async fn app_insert<R: Books>(
        &mut self,
        org: OrgId,
        record: &R,
        refs: &Refs,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let ids = self.allocate_ids(R::NAME, 1).await?;
        let mut columns = vec!["id", "org_id", "created_at", "updated_at"];
        columns.extend(own_columns::<R>());
        let id = ids[0];
        let mut cells = vec![Value::Int(id), Value::Int(org.0), Value::Instant(now), Value::Instant(now)];
        record.bind(refs, &mut cells)?;
        self.insert_rows(R::NAME, &columns, &cells).await?;
        self.insert_children(&[record], &ids, 0, refs).await?;
        self.changed_by_app::<R>(id, now).await?;
        Ok(id)
    }

    /// Replaces a record, children included, as an application does; false if there is none with this id.
    ///
    /// # Errors
    /// [`Error::Constraint`] if a referred record is not there, or the schema refuses a value.
    pub async fn app_update<R: Books>(
        &mut self,
        id: i64,
        record: &R,
        refs: &Refs,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found = format!("SELECT id FROM {} WHERE id = $1 FOR UPDATE", R::NAME);
        if self.query_opt(&found, &[Value::Int(id)]).await?.is_none() {
            return Ok(false);
        }
        let mut columns = vec!["id", "updated_at"];
        columns.extend(own_columns::<R>());
        let mut cells = vec![Value::Int(id), Value::Instant(now)];
        record.bind(refs, &mut cells)?;
        self.update_rows(R::NAME, &columns, 1, &cells).await?;
        for child in R::children() {
            let sql = format!("DELETE FROM {} WHERE {} = $1", child.table, child.parent);
            self.execute(&sql, &[Value::Int(id)]).await?;
        }
        self.insert_children(&[record], &[id], 0, refs).await?;
        self.changed_by_app::<R>(id, now).await?;
        Ok(true)
    }

    /// Deletes a record and its children as an application does; false if there is none with this id.
    ///
    /// # Errors
    /// [`Error::Constraint`] if other records refer to it.
    pub async fn app_delete<R: Books>(&mut self, id: i64, now: Timestamp) -> Result<bool, Error> {
        let sql = format!("DELETE FROM {} WHERE id = $1", R::NAME);
        let found = self.execute(&sql, &[Value::Int(id)]).await? > 0;
        if found {
            self.changed_by_app::<R>(id, now).await?;
        }
        Ok(found)
    }

    /// Triggers know the time from the database; a change that came through this program has the program's.
    async fn changed_by_app<R: Books>(&mut self, id: i64, now: Timestamp) -> Result<(), Error> {
        let Some(kind) = captured_kind(R::NAME) else { return Ok(()) };
        let sql = format!("UPDATE {} SET updated_at = $2, sync_rev = sync_rev + 1 WHERE id = $1", R::NAME);
        self.execute(&sql, &[Value::Int(id), Value::Instant(now)]).await?;
        let sql = "UPDATE captures SET changed_at = $3 WHERE kind = $1 AND local_id = $2";
        self.execute(sql, &[Value::Text(kind.as_str()), Value::Int(id), Value::Instant(now)]).await.map(drop)
    }

    /// One record of an organisation by local id.
    ///
    /// # Errors
    /// [`Error::BadRow`] for a row damaged by hand.
    pub async fn book_row<R: Books>(
        &mut self,
        connection: ConnectionId,
        org: OrgId,
        id: i64,
    ) -> Result<Option<BookRow<R>>, Error> {
        let sql = format!("{} AND t.org_id = $2 AND t.id = $3", select::<R>());
        let rows = self.query(&sql, &[Value::Int(connection.0), Value::Int(org.0), Value::Int(id)]).await?;
        Ok(self.with_children(connection, rows).await?.pop())
    }

    /// Reads records by local id, in order of id, without keeping anybody from changing them.
    ///
    /// # Errors
    /// [`Error::BadRow`] for a row damaged by hand.
    pub async fn read_books<R: Books>(
        &mut self,
        connection: ConnectionId,
        ids: &[i64],
    ) -> Result<Vec<BookRow<R>>, Error> {
        let sql = format!("{} AND t.id = ANY($2) ORDER BY t.id", select::<R>());
        let rows = self.query(&sql, &[Value::Int(connection.0), Value::Ints(ids)]).await?;
        self.with_children(connection, rows).await
    }

    /// Local ids of an organisation's records, ascending, after one of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn book_ids<R: Books>(&mut self, org: OrgId, after: i64, limit: i64) -> Result<Vec<i64>, Error> {
        let sql = format!("SELECT id FROM {} WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3", R::NAME);
        let rows = self.query(&sql, &[Value::Int(org.0), Value::Int(after), Value::Int(limit)]).await?;
        rows.into_iter().map(|mut row| row.take()).collect()
    }
}
