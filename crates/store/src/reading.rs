//! Reading the books for people and programs: filtered lists with cursors, single records, counts and money.

use jiff::Timestamp;
use model::{Amount, ConnectionId, Kind, OrgId};
use uuid::Uuid;

use crate::books::{BookRow, Books, select, table_of};
use crate::value::Value;
use crate::{Error, Tx};

/// Which records to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadQuery {
    /// Only records after this id: the cursor.
    pub after: i64,
    /// At most so many records.
    pub limit: i64,
    /// Only records changed at or after this instant.
    pub changed_since: Option<Timestamp>,
    /// Only records whose text column has this value.
    pub texts: Vec<(&'static str, String)>,
    /// Only records that refer to this local id.
    pub refs: Vec<(&'static str, i64)>,
    /// For kinds that share a table: only records of this kind.
    pub kind: Option<Kind>,
}

/// A record as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<R> {
    /// The row.
    pub row: BookRow<R>,
    /// Its kind; tells those apart that share a table.
    pub kind: Kind,
    /// Its id in Xero, if it is linked.
    pub xero_id: Option<Uuid>,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq)]
pub struct BookPage<R> {
    /// The records, in order of id.
    pub items: Vec<Listed<R>>,
    /// The cursor of the next page, if there are more.
    pub next: Option<i64>,
}

/// Money of one kind, type, status and currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoneyTotal {
    /// Kind of the records.
    pub kind: Kind,
    /// Their type in Xero, for example `ACCREC`; empty for payments.
    pub r#type: String,
    /// Their status in Xero.
    pub status: String,
    /// Their currency; empty for payments.
    pub currency: String,
    /// How many.
    pub count: i64,
    /// Sum of their totals or amounts.
    pub total: Amount,
    /// Sum of what is due, or of the remaining credit.
    pub open: Amount,
}

/// Most records of one page.
const LIMIT: i64 = 500;

impl Tx {
    /// Lists records of an organisation, in order of id.
    ///
    /// # Errors
    /// [`Error::Constraint`] for a column that the kind does not have.
    pub async fn list_books<R: Books>(
        &mut self,
        org: OrgId,
        connection: ConnectionId,
        kind: Kind,
        query: &ReadQuery,
    ) -> Result<BookPage<R>, Error> {
        let limit = query.limit.clamp(1, LIMIT);
        let mut params = vec![Value::Int(connection.0), Value::Int(org.0), Value::Int(query.after)];
        let mut wheres = String::new();
        let mut add = |params: &mut Vec<Value<'_>>, column: &str, operator: &str| {
            wheres.push_str(&format!(" AND t.{column} {operator} ${}", params.len()));
        };
        for (column, text) in &query.texts {
            known::<R>(column)?;
            params.push(Value::Owned(text.clone()));
            add(&mut params, column, "=");
        }
        for (column, id) in &query.refs {
            known::<R>(column)?;
            params.push(Value::Int(*id));
            add(&mut params, column, "=");
        }
        if let Some(since) = query.changed_since {
            params.push(Value::Instant(since));
            add(&mut params, "updated_at", ">=");
        }
        if query.kind.is_some() {
            wheres.push_str(&format!(" AND {}", is_linked_as("t.id", kind)));
        }
        params.push(Value::Int(limit + 1));
        let sql =
            format!("{} AND t.org_id = $2 AND t.id > $3{wheres} ORDER BY t.id LIMIT ${}", select::<R>(), params.len());
        let mut rows = self.query(&sql, &params).await?;
        let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) > limit;
        if more {
            rows.pop();
        }
        let found = self.with_children::<R>(connection, rows).await?;
        let items = self.with_xero_ids(connection, kind, found).await?;
        let next = if more { items.last().map(|item| item.row.id) } else { None };
        Ok(BookPage { items, next })
    }

    /// One record of an organisation.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn book<R: Books>(
        &mut self,
        org: OrgId,
        connection: ConnectionId,
        kind: Kind,
        id: i64,
    ) -> Result<Option<Listed<R>>, Error> {
        let sql = format!("{} AND t.org_id = $2 AND t.id = $3", select::<R>());
        let rows = self.query(&sql, &[Value::Int(connection.0), Value::Int(org.0), Value::Int(id)]).await?;
        let found = self.with_children::<R>(connection, rows).await?;
        Ok(self.with_xero_ids(connection, kind, found).await?.pop())
    }

    async fn with_xero_ids<R>(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        rows: Vec<BookRow<R>>,
    ) -> Result<Vec<Listed<R>>, Error> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let sql = "SELECT local_id, kind, xero_id FROM links \
                   WHERE connection_id = $1 AND kind IN ($2, $3, $4) AND local_id = ANY($5)";
        let [one, two, three] = kinds_of_table(kind).map(|kind| Value::Text(kind.as_str()));
        let params = [Value::Int(connection.0), one, two, three, Value::Ints(&ids)];
        let mut linked = std::collections::HashMap::with_capacity(ids.len());
        for mut row in self.query(sql, &params).await? {
            let local: i64 = row.take()?;
            linked.insert(local, (row.take::<Kind>()?, row.take::<Uuid>()?));
        }
        let listed = rows.into_iter().map(|row| match linked.get(&row.id) {
            Some((kind, xero_id)) => Listed { row, kind: *kind, xero_id: Some(*xero_id) },
            None => Listed { row, kind, xero_id: None },
        });
        Ok(listed.collect())
    }

    /// The organisation that a record belongs to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn book_owner<R: Books>(&mut self, id: i64) -> Result<Option<OrgId>, Error> {
        let sql = format!("SELECT org_id FROM {} WHERE id = $1", R::NAME);
        self.query_opt(&sql, &[Value::Int(id)]).await?.map(|mut row| Ok(OrgId(row.take()?))).transpose()
    }

    /// How many records of each kind an organisation has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_books(&mut self, org: OrgId, connection: ConnectionId) -> Result<Vec<(Kind, i64)>, Error> {
        let mut counts = Vec::new();
        for kind in Kind::ALL {
            let table = table_of(kind);
            let shared = table == "credits";
            let only = if shared { format!(" AND {}", is_linked_as("t.id", kind)) } else { String::new() };
            let sql =
                format!("SELECT COUNT(*) FROM {table} t WHERE t.org_id = $2 AND CAST($1 AS BIGINT) IS NOT NULL{only}");
            counts.push((kind, self.query_one(&sql, &[Value::Int(connection.0), Value::Int(org.0)]).await?.take()?));
        }
        Ok(counts)
    }

    /// Money of an organisation by kind, type, status and currency, sorted.
    ///
    /// # Errors
    /// [`Error::BadRow`] if a sum leaves the range of an amount.
    pub async fn money_totals(&mut self, org: OrgId, connection: ConnectionId) -> Result<Vec<MoneyTotal>, Error> {
        const BY_KIND: [(Kind, &str, &str, &str, &str, &str); 6] = [
            (Kind::Invoice, "invoices", "type", "currency", "total", "amount_due"),
            (Kind::CreditNote, "credits", "type", "currency", "total", "remaining_credit"),
            (Kind::Prepayment, "credits", "type", "currency", "total", "remaining_credit"),
            (Kind::Overpayment, "credits", "type", "currency", "total", "remaining_credit"),
            (Kind::Payment, "payments", "''", "''", "amount", "amount"),
            (Kind::BankTransaction, "bank_transactions", "type", "currency", "total", "total"),
        ];
        let mut totals = Vec::new();
        for (kind, table, of_type, currency, total, open) in BY_KIND {
            let only = if table == "credits" { format!(" AND {}", is_linked_as("id", kind)) } else { String::new() };
            let sql = format!(
                "SELECT {of_type}, xero_status, COALESCE({currency}, ''), COUNT(*), SUM({total}), SUM({open}) \
                 FROM {table} WHERE org_id = $2 AND CAST($1 AS BIGINT) IS NOT NULL{only} GROUP BY 1, 2, 3"
            );
            for mut row in self.query(&sql, &[Value::Int(connection.0), Value::Int(org.0)]).await? {
                totals.push(MoneyTotal {
                    kind,
                    r#type: row.take()?,
                    status: row.take()?,
                    currency: row.take()?,
                    count: row.take()?,
                    total: row.take()?,
                    open: row.take()?,
                });
            }
        }
        totals.sort();
        Ok(totals)
    }
}

/// The kinds that lie in the table of this one; where there is only one, it stands for all three.
const fn kinds_of_table(kind: Kind) -> [Kind; 3] {
    match kind {
        Kind::CreditNote | Kind::Prepayment | Kind::Overpayment => {
            [Kind::CreditNote, Kind::Prepayment, Kind::Overpayment]
        }
        one => [one, one, one],
    }
}

/// Kinds that share a table are told apart by their links. `$1` is the connection.
fn is_linked_as(id: &str, kind: Kind) -> String {
    format!("EXISTS (SELECT 1 FROM links l WHERE l.connection_id = $1 AND l.kind = '{kind}' AND l.local_id = {id})")
}

fn known<R: Books>(column: &str) -> Result<(), Error> {
    let found = R::COLUMNS.contains(&column) || R::REFS.iter().any(|reference| reference.name == column);
    if found { Ok(()) } else { Err(Error::Constraint(format!("there is no column {column}"))) }
}
