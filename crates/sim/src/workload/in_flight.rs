//! Very small edits that are made while a request of the engine is on its way: between its look and its write, during its
//! write, between the pages of a list.
//!
//! They are made in one go, without waiting for anything, so that a wire can call them in the middle of a request.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use oracle::Who;
use serde_json::json;
use uuid::Uuid;

use super::{Step, Workload};

impl Workload {
    /// One small edit of what was edited last, on a side that the dice choose. Only SQLite's App can be edited in the
    /// middle of something else; with PostgreSQL it is always Xero.
    pub fn in_flight_edit(&mut self, dice: u64) -> Option<&'static str> {
        // The low bits choose the side, all of them what is done there.
        if dice.is_multiple_of(3) && self.app.is_sqlite() { self.edit_app_now(dice) } else { self.edit_xero_now(dice) }
    }

    /// One small edit in Xero.
    pub fn edit_xero_now(&mut self, dice: u64) -> Option<&'static str> {
        self.start_in_flight(dice);
        let deed = if self.dice.one_in(8) { self.edit_xero() } else { self.small_xero() };
        self.is_in_flight = false;
        self.end(deed)
    }

    /// One small edit in the App, if its database takes it at once. Of a server's database nothing is edited.
    pub fn edit_app_now(&mut self, dice: u64) -> Option<&'static str> {
        if !self.app.is_sqlite() {
            return None;
        }
        self.start_in_flight(dice);
        let deed = at_once(self.small_app()).flatten();
        self.is_in_flight = false;
        self.end(deed)
    }

    /// The same as [`Workload::step`], made in the middle of something else; only with SQLite.
    pub fn step_now(&mut self, step: &Step) -> Option<&'static str> {
        if !self.app.is_sqlite() {
            return None;
        }
        at_once(self.step(step)).flatten()
    }

    fn start_in_flight(&mut self, dice: u64) {
        let number = Step::FIRST_IN_FLIGHT + self.in_flight % 9_999;
        self.in_flight += 1;
        self.start(number, dice);
        self.is_in_flight = true;
        // The dice of the side are spent.
        self.dice.number();
    }

    fn small_xero(&mut self) -> Option<&'static str> {
        let (kind, id) = self.touched_in_xero()?;
        let field = match kind {
            "customer" => {
                self.dice.of(&[("first_name", "FirstName"), ("last_name", "LastName"), ("email", "EmailAddress")])
            }
            "invoice" => self.dice.of(&[("reference", "Reference"), ("number", "InvoiceNumber")]),
            _ => return None,
        };
        let shape = if field.0 == "email" { "#@now.test" } else { "Now #" };
        self.set_field(kind, id, field, shape, json!({})).ok()?;
        Some("xero: while a request is on its way")
    }

    fn touched_in_xero(&mut self) -> Option<(&'static str, Uuid)> {
        match self.touched? {
            (kind, Who::Xero(id)) => Some((kind, id)),
            (kind, Who::Local(local)) => {
                let hex = self.app.hex("xero_id");
                let sql = format!("SELECT {hex} AS c FROM links WHERE kind = '{kind}' AND local_id = {local}");
                let found = if self.app.is_sqlite() { at_once(self.app.text(&sql)).flatten() } else { None };
                found.and_then(|id| Uuid::parse_str(&id).ok()).map(|id| (kind, id))
            }
        }
    }

    async fn small_app(&mut self) -> Option<&'static str> {
        let (kind, local) = match self.touched? {
            (kind, Who::Local(local)) => (kind, local),
            (kind, Who::Xero(id)) => {
                let id = id.simple();
                let sql = format!("SELECT local_id AS c FROM links WHERE kind = '{kind}' AND xero_id = x'{id}'");
                (kind, self.app.number(&sql).await?)
            }
        };
        let (column, shape) = match kind {
            "customer" => self.dice.of(&[("first_name", "Now #"), ("last_name", "Now #"), ("email", "#@now.test")]),
            "invoice" => self.dice.of(&[("reference", "Now #"), ("number", "NOW/#")]),
            _ => ("reference", "Now #"),
        };
        if kind == "payment" || !self.app.begin().await {
            return None;
        }
        let is_there = self.app.number(&format!("SELECT id AS c FROM {} WHERE id = {local}", super::table(kind))).await;
        let is_done = is_there.is_some() && self.set_text(kind, local, column, shape).await.is_some();
        if is_done && self.app.commit().await {
            return Some("app: while a request is on its way");
        }
        if !is_done {
            self.app.roll_back().await;
        }
        None
    }
}

/// What a future that never waits comes to; `None` if it would wait.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
