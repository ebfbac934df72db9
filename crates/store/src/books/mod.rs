//! The local books: which table each kind lies in, and reading and writing its records page by page.

mod app;
mod tables;

use std::collections::HashMap;

use jiff::Timestamp;
use model::{Account, BankTransaction, ConnectionId, Credit, Customer, Invoice, Kind, OrgId, Payment, Ref, TaxRate};
use uuid::Uuid;

use crate::dialect::capture::is_captured_child;
use crate::table::{RefColumn, Table};
use crate::value::{Row, Value};
use crate::{Error, Tx};

/// A record type whose table this crate knows.
pub trait Books: model::Record + Sealed {}
impl<R: model::Record + Sealed> Books for R {}

/// Keeps tables and columns inside this crate.
#[expect(private_bounds, reason = "the description of a table is this crate's own")]
pub trait Sealed: Table {}
impl Sealed for Account {}
impl Sealed for TaxRate {}
impl Sealed for Customer {}
impl Sealed for Invoice {}
impl Sealed for Credit {}
impl Sealed for Payment {}
impl Sealed for BankTransaction {}

/// Local ids of the records that a batch refers to.
#[derive(Debug, Default)]
pub struct Refs(HashMap<(Kind, Uuid), i64>);

impl Refs {
    /// Remembers a record's local id.
    pub fn insert(&mut self, kind: Kind, xero_id: Uuid, local_id: i64) {
        self.0.insert((kind, xero_id), local_id);
    }

    /// True if the record is known.
    pub fn contains(&self, kind: Kind, xero_id: Uuid) -> bool {
        self.0.contains_key(&(kind, xero_id))
    }

    pub(crate) fn local(&self, kind: Kind, target: Option<Ref>) -> Result<Value<'static>, Error> {
        match target {
            None => Ok(Value::Null),
            Some(Ref::Local(id)) => Ok(Value::Int(id)),
            Some(Ref::Xero(id)) => self
                .0
                .get(&(kind, id))
                .map(|local| Value::Int(*local))
                .ok_or_else(|| Error::Constraint(format!("the {kind} {id} is not in the books yet"))),
        }
    }
}

/// A row of the books.
#[derive(Debug, Clone, PartialEq)]
pub struct BookRow<R> {
    /// Local id.
    pub id: i64,
    /// When the row was last changed, by anybody.
    pub updated_at: Timestamp,
    /// The record.
    pub record: R,
}

impl Tx {
    /// Inserts new records and returns their local ids, in order.
    ///
    /// # Errors
    /// [`Error::Constraint`] if a referred record is not in `refs`.
    pub async fn insert_books<R: Books>(
        &mut self,
        org: OrgId,
        records: &[&R],
        refs: &Refs,
        now: Timestamp,
    ) -> Result<Vec<i64>, Error> {
        let ids = self.allocate_ids(R::NAME, records.len()).await?;
        let mut columns = vec!["id", "org_id", "sync_rev", "created_at", "updated_at"];
        columns.extend(own_columns::<R>());
        let mut cells = Vec::with_capacity(columns.len() * records.len());
        for (record, id) in records.iter().zip(&ids) {
            let own = [Value::Int(*id), Value::Int(org.0), Value::Int(1), Value::Instant(now), Value::Instant(now)];
            cells.extend(own);
            record.bind(refs, &mut cells)?;
        }
        self.insert_rows(R::NAME, &columns, &cells).await?;
        self.insert_children(records, &ids, 1, refs).await?;
        Ok(ids)
    }

    /// Replaces records by local id, children included.
    ///
    /// # Errors
    /// [`Error::Constraint`] if a referred record is not in `refs`.
    pub async fn update_books<R: Books>(
        &mut self,
        records: &[(i64, &R)],
        refs: &Refs,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut columns = vec!["id", "updated_at"];
        columns.extend(own_columns::<R>());
        let mut cells = Vec::with_capacity(columns.len() * records.len());
        for (id, record) in records {
            cells.extend([Value::Int(*id), Value::Instant(now)]);
            record.bind(refs, &mut cells)?;
        }
        // In the same statement: triggers know the engine's writes by it.
        self.update_rows_and(R::NAME, &columns, 1, &cells, ", sync_rev = sync_rev + 1").await?;
        let ids: Vec<i64> = records.iter().map(|(id, _)| *id).collect();
        for child in R::children() {
            if is_captured_child(child.table) {
                let ours = format!("UPDATE {} SET sync_rev = -1 WHERE {} = ANY($1)", child.table, child.parent);
                if self.execute(&ours, &[Value::Ints(&ids)]).await? == 0 {
                    continue;
                }
            }
            let sql = format!("DELETE FROM {} WHERE {} = ANY($1)", child.table, child.parent);
            self.execute(&sql, &[Value::Ints(&ids)]).await?;
        }
        let records: Vec<&R> = records.iter().map(|(_, record)| *record).collect();
        self.insert_children(&records, &ids, 1, refs).await
    }

    pub(crate) async fn insert_children<R: Books>(
        &mut self,
        records: &[&R],
        ids: &[i64],
        sync_rev: i64,
        refs: &Refs,
    ) -> Result<(), Error> {
        for child in R::children() {
            let mut columns = vec![child.parent, "position", "sync_rev"];
            columns.extend(child.columns);
            columns.extend(child.refs.iter().map(|column| column.name));
            let mut cells = Vec::new();
            for (record, id) in records.iter().zip(ids) {
                for at in 0..(child.count)(record) {
                    let position = i64::try_from(at + 1).unwrap_or(i64::MAX);
                    cells.extend([Value::Int(*id), Value::Int(position), Value::Int(sync_rev)]);
                    (child.bind)(record, at, refs, &mut cells)?;
                }
            }
            self.insert_rows(child.table, &columns, &cells).await?;
        }
        Ok(())
    }

    /// Reads records by local id and keeps others from changing them until this transaction ends; in order of id.
    ///
    /// # Errors
    /// [`Error::BadRow`] for a row damaged by hand.
    pub async fn lock_books<R: Books>(
        &mut self,
        connection: ConnectionId,
        ids: &[i64],
    ) -> Result<Vec<BookRow<R>>, Error> {
        // PostgreSQL locks no rows on the empty side of an outer join, so lock first, then read.
        // Always in the same order, or two who lock the same rows could wait for each other for ever.
        let lock = format!("SELECT id FROM {} WHERE id = ANY($1) ORDER BY id FOR UPDATE", R::NAME);
        self.query(&lock, &[Value::Ints(ids)]).await?;
        for child in R::children() {
            let (table, parent) = (child.table, child.parent);
            let lock =
                format!("SELECT position FROM {table} WHERE {parent} = ANY($1) ORDER BY {parent}, position FOR UPDATE");
            self.query(&lock, &[Value::Ints(ids)]).await?;
        }
        let sql = format!("{} AND t.id = ANY($2) ORDER BY t.id", select::<R>());
        let rows = self.query(&sql, &[Value::Int(connection.0), Value::Ints(ids)]).await?;
        self.with_children(connection, rows).await
    }

    pub(crate) async fn with_children<R: Books>(
        &mut self,
        connection: ConnectionId,
        rows: Vec<Row>,
    ) -> Result<Vec<BookRow<R>>, Error> {
        let mut found = Vec::with_capacity(rows.len());
        for mut row in rows {
            found.push(BookRow { id: row.take()?, updated_at: row.take()?, record: R::read(&mut row)? });
        }
        let ids: Vec<i64> = found.iter().map(|row| row.id).collect();
        let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        for child in R::children() {
            let (columns, joins) = columns_with_refs(child.columns, child.refs);
            let sql = format!(
                "SELECT t.{parent}{columns} FROM {table} t{joins} WHERE t.{parent} = ANY($2) AND CAST($1 AS BIGINT) IS NOT NULL ORDER BY t.{parent}, t.position",
                parent = child.parent,
                table = child.table,
            );
            for mut row in self.query(&sql, &[Value::Int(connection.0), Value::Ints(&ids)]).await? {
                let parent: i64 = row.take()?;
                if let Some(at) = places.get(&parent) {
                    (child.push)(&mut found[*at].record, &mut row)?;
                }
            }
        }
        Ok(found)
    }
}

/// The table that a kind's records lie in.
pub(crate) const fn table_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Account => Account::NAME,
        Kind::TaxRate => TaxRate::NAME,
        Kind::Customer => Customer::NAME,
        Kind::Invoice => Invoice::NAME,
        Kind::CreditNote | Kind::Prepayment | Kind::Overpayment => Credit::NAME,
        Kind::Payment => Payment::NAME,
        Kind::BankTransaction => BankTransaction::NAME,
    }
}

/// The head of a query over a kind's table, `t`: id, time of change, then the record; conditions follow with AND.
///
/// `$1` is the connection. A kind without references does not use it, and PostgreSQL wants every parameter's type known,
/// hence the condition that is always true.
pub(crate) fn select<R: Books>() -> String {
    let (columns, joins) = columns_with_refs(R::COLUMNS, R::REFS);
    format!("SELECT t.id, t.updated_at{columns} FROM {} t{joins} WHERE CAST($1 AS BIGINT) IS NOT NULL", R::NAME)
}

fn own_columns<R: Books>() -> impl Iterator<Item = &'static str> {
    R::COLUMNS.iter().copied().chain(R::REFS.iter().map(|column| column.name))
}

/// Columns of `t` for a SELECT, each reference followed by the Xero id that its link holds.
fn columns_with_refs(columns: &[&str], refs: &[RefColumn]) -> (String, String) {
    let mut list: String = columns.iter().map(|name| format!(", t.{name}")).collect();
    let mut joins = String::new();
    for (at, RefColumn { name, kind }) in refs.iter().enumerate() {
        list.push_str(&format!(", t.{name}, r{at}.xero_id"));
        joins.push_str(&format!(
            " LEFT JOIN links r{at} ON r{at}.connection_id = $1 AND r{at}.kind = '{kind}' AND r{at}.local_id = t.{name}"
        ));
    }
    (list, joins)
}
