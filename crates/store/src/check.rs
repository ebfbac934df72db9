//! Looking after what the database itself does for us: the triggers that capture changes of the books.

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::OrgId;

use crate::value::Value;
use crate::{Error, Store, Tx};

impl Tx {
    /// Capture triggers that are not there or are switched off, as `table: trigger`. While one is missing, changes by
    /// plain SQL wait for the sweep of a full sync.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn missing_capture_triggers(&mut self) -> Result<Vec<String>, Error> {
        let wanted = self.capture_triggers().await?;
        let mut missing: BTreeSet<(String, String)> = named(&wanted).collect();
        let sql = self.installed_triggers();
        for mut row in self.query(sql, &[]).await? {
            let table: String = row.take()?;
            let trigger: String = row.take()?;
            missing.remove(&(table, trigger));
        }
        Ok(missing.into_iter().map(|(table, trigger)| format!("{table}: {trigger}")).collect())
    }

    /// How many captured records wait, for another record or for a person.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_waiting(&mut self, org: OrgId, now: Timestamp) -> Result<i64, Error> {
        let sql = "SELECT COUNT(*) FROM captures WHERE org_id = $1 AND not_before > $2";
        self.query_one(sql, &[Value::Int(org.0), Value::Instant(now)]).await?.take()
    }
}

impl Store {
    /// Installs the capture triggers afresh, whatever is there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn install_capture_triggers(&self) -> Result<(), Error> {
        let mut tx = self.begin_durable().await?;
        let text = tx.capture_triggers().await?;
        tx.batch(&text).await?;
        tx.commit().await
    }
}

/// The tables and names of the triggers that a text makes.
fn named(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split("CREATE TRIGGER ").skip(1).filter_map(|made| {
        let name = made.split_whitespace().next()?;
        let table = made.split_once(" ON ")?.1.split_whitespace().next()?;
        Some((table.to_owned(), name.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::capture::{postgres_triggers, sqlite_triggers};

    #[test]
    fn every_trigger_is_found_in_the_text_that_makes_it() {
        // Eight tables, three events; PostgreSQL stamps four of the tables by a trigger of its own.
        let of = |text: &str| named(text).collect::<BTreeSet<_>>();
        assert_eq!(of(&sqlite_triggers()).len(), 24);
        assert_eq!(of(&postgres_triggers("public")).len(), 28);
        assert!(of(&postgres_triggers("public")).contains(&("invoice_lines".into(), "tieout_delete".into())));
        assert!(of(&sqlite_triggers()).contains(&("payments".into(), "tieout_payments_update".into())));
    }
}
