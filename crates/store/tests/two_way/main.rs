//! The other direction on both databases: whoever changes the books is seen, the engine is not; and the lists that
//! outgoing writes, conflicts and failures stand on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod capturing;
mod lists;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use model::{
    BankTransaction, ContentHash, Customer, Invoice, Kind, Line, OrgId, Payment, Phone, PhoneType, Ref, canonical,
};
use store::{
    BrakeState, BrakeWhat, CandidateState, Captured, ConflictFilter, ConflictState, Connection, Direction, Error,
    IntentEnd, IntentState, KindCounts, LinkChange, Mode, NewConflict, NewConnection, NewFailure, NewIntent, NewSend,
    Op, Refreshed, Refs, Reply, Resolution, RunDirection, RunState, SendPart, Store, Tx,
};
use uuid::Uuid;

pub(crate) fn now() -> Timestamp {
    "2026-11-21T10:00:00.123Z".parse().unwrap()
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// Later than any trigger's clock.
pub(crate) fn far() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) struct Books {
    store: Store,
    to: Connection,
    url: String,
}

pub(crate) async fn books(url: &str) -> Books {
    let store = Store::open(url, Arc::new(now)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let grant = tx.next_grant_id().await.unwrap();
    let tokens = Refreshed {
        generation: 1,
        scopes: Some("a b".into()),
        access_token: "sealed".into(),
        access_expires_at: now(),
        refresh_token: Some("sealed too".into()),
        previous_refresh_token: None,
        previous_until: None,
    };
    tx.save_grant(grant, "user", &tokens, now()).await.unwrap();
    let new = NewConnection {
        grant,
        tenant_id: Uuid::from_u128(1),
        xero_connection_id: Uuid::from_u128(2),
        tenant_name: "Demo".into(),
    };
    let to = tx.connect_tenant(&new, now()).await.unwrap();
    tx.commit().await.unwrap();
    Books { store, to, url: url.to_owned() }
}

impl Books {
    /// Everything that is captured now, by kind and local id.
    pub(crate) async fn captured(&self) -> Vec<(Kind, i64, i64)> {
        let mut tx = self.store.read().await.unwrap();
        let mut all = Vec::new();
        for kind in [Kind::Customer, Kind::Invoice, Kind::Payment, Kind::BankTransaction] {
            let found = tx.captured(self.to.org, kind, far(), 0, 1_000_000).await.unwrap();
            all.extend(found.into_iter().map(|captured| (kind, captured.local_id, captured.seq)));
        }
        all
    }

    /// What was captured, without how often, and an empty list afterwards.
    pub(crate) async fn drain(&self) -> Vec<(Kind, i64)> {
        let all = self.captured().await;
        let mut tx = self.store.begin().await.unwrap();
        for (kind, local, seq) in &all {
            tx.drop_captures(*kind, &[(*local, *seq)]).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert!(self.captured().await.is_empty());
        all.into_iter().map(|(kind, local, _)| (kind, local)).collect()
    }

    /// Statements by somebody else, as any program runs them.
    pub(crate) async fn sql(&self, sql: &str) {
        try_sql(&self.url, sql).await.unwrap();
    }

    pub(crate) async fn updated_at(&self, id: i64) -> Timestamp {
        let mut tx = self.store.read().await.unwrap();
        tx.book_row::<Invoice>(self.to.id, self.to.org, id).await.unwrap().unwrap().updated_at
    }

    /// A customer and an invoice with two lines, both written by the engine.
    pub(crate) async fn engine_rows(&self) -> (i64, i64) {
        let mut tx = self.store.begin().await.unwrap();
        let customer = tx.insert_books(self.to.org, &[&customer()], &Refs::default(), now()).await.unwrap()[0];
        let invoice = tx.insert_books(self.to.org, &[&invoice(customer)], &Refs::default(), now()).await.unwrap()[0];
        tx.commit().await.unwrap();
        (customer, invoice)
    }
}

pub(crate) fn customer() -> Customer {
    let phone = |kind| Phone { kind, number: Some("1".into()), ..Phone::default() };
    Customer {
        name: "A".into(),
        phones: vec![phone(PhoneType::Default), phone(PhoneType::Mobile)],
        ..Customer::default()
    }
}

pub(crate) fn invoice(customer: i64) -> Invoice {
    Invoice {
        r#type: "ACCREC".into(),
        customer: Some(Ref::Local(customer)),
        lines: vec![Line::default(), Line::default()],
        ..Invoice::default()
    }
}

/// Without any of the store's own functions, as the `sqlite3` or `psql` program would.
pub(crate) async fn try_sql(url: &str, sql: &str) -> Result<(), String> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        let connection = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(|error| error.to_string())?;
        // The programs' default, not this library's.
        let sql = if sql.contains("PRAGMA") { sql.to_owned() } else { format!("PRAGMA foreign_keys = OFF; {sql}") };
        return connection.execute_batch(&sql).map_err(|error| error.to_string());
    }
    let sql: Vec<&str> = sql.split("; ").filter(|part| !part.starts_with("PRAGMA")).collect();
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let outcome = client.batch_execute(&sql.join("; ")).await;
    drop(client);
    let _ = driver.await;
    outcome.map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), |refused| refused.to_string()))
}
