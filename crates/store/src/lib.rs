//! All SQL: the local books and the engine's own tables, on SQLite and PostgreSQL.
//!
//! One text per query, written in PostgreSQL's words; `dialect` names what differs, `db` is the one place that asks
//! which database this is. Work happens in a [`Tx`]: load, merge and commit are one transaction, and a dropped one has
//! not happened. This crate does not know that Xero exists beyond ids and columns that carry its name.

mod books;
mod brakes;
mod candidates;
mod captures;
mod check;
mod conflicts;
mod connections;
mod db;
mod dialect;
mod error;
mod events;
mod failures;
mod grants;
mod intents;
mod keys;
mod leases;
mod links;
mod migrate;
mod plans;
mod policies;
mod postgres;
mod pull;
mod reading;
mod replies;
mod runs;
mod sqlite;
mod sweep;
mod table;
mod value;
mod verify;

pub use books::{BookRow, Books, Refs};
pub use brakes::{Brake, BrakeState, BrakeWhat};
pub use candidates::{Candidate, CandidateState};
pub use captures::Captured;
pub use conflicts::{Conflict, ConflictFilter, ConflictState, NewConflict, Resolution};
pub use connections::{Connection, ConnectionState, NewConnection, Organisation, TenantFacts};
pub use db::{Claim, Now, Point, Probe, Store, Tx};
pub use error::Error;
pub use events::{Event, NewEvent};
pub use failures::{Direction, Failure, FailureFilter, FailureGroup, NewFailure};
pub use grants::{Consent, Grant, GrantState, Refreshed};
pub use intents::{Intent, IntentEnd, IntentState, NewIntent, NewSend, Op, Send, SendPart, SendState};
pub use keys::{ApiKey, NewApiKey};
pub use leases::Lease;
pub use links::{FullLink, Link, LinkChange};
pub use migrate::SCHEMA_VERSION;
pub use plans::{PlanState, StoredPlan};
pub use policies::PolicyRow;
pub use pull::Cursor;
pub use reading::{BookPage, Listed, MoneyTotal, ReadQuery};
pub use replies::Reply;
pub use runs::{KindCounts, Mode, Run, RunDirection, RunState, RunStatistics};
pub use verify::{
    FailureAbout, Integrity, StoredDifference, StoredVerification, VerifyCounts, VerifyScope, VerifyState,
};
