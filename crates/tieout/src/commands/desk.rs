//! What commands share that a person decides something with: an engine, the connections that are meant, and telling
//! Xero afterwards.

use store::{Connection, Tx};
use sync::{Engine, Error, PushOutcome};

use crate::args::Which;
use crate::compose::{self, EMULATED, Hold, Running};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::settings::Settings;

/// An engine and the connections that are meant.
pub(super) struct Desk {
    running: Running,
    pub(super) connections: Vec<Connection>,
}

impl Desk {
    pub(super) async fn open(which: &Which, hold: Hold, settings: &Settings, output: &Output) -> Result<Self, Failure> {
        let store = compose::open(settings).await?;
        let parts = compose::parts(settings)?;
        // Whom it is about is known before the database is taken, so that a wrong name is told even beside a server.
        let connections = compose::connections(&store, which).await?;
        let running = compose::start(parts, hold, store).await?;
        if output.is_for_people() && running.engine.is_emulated() {
            output.note(EMULATED);
        }
        Ok(Self { running, connections })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.running.engine
    }

    /// The one connection that is meant.
    pub(super) fn one(&self) -> Result<&Connection, Failure> {
        match self.connections.as_slice() {
            [one] => Ok(one),
            _ => Err(Failure::new(
                Exit::Usage,
                "several organisations are connected: say which with --org or --connection",
            )
            .next("tieout status")),
        }
    }

    /// The connection that has something with an id of its own, for example a conflict.
    pub(super) async fn owner_of<F>(&self, what: &str, has: F) -> Result<&Connection, Failure>
    where
        F: AsyncFn(&mut Tx, &Connection) -> Result<bool, store::Error>,
    {
        let mut tx = self.engine().store().read().await?;
        for connection in &self.connections {
            if has(&mut tx, connection).await? {
                return Ok(connection);
            }
        }
        Err(Error::NotFound(format!("there is no {what}")).into())
    }

    /// Tells Xero what was decided, or says who will. What was decided is kept either way.
    pub(super) async fn send(&self, connection: &Connection, output: &Output) -> Result<Option<PushOutcome>, Failure> {
        let elsewhere = || {
            output.note("kept; the tieout that is running sends it to Xero");
            Ok(None)
        };
        if !self.running.is_alone {
            return elsewhere();
        }
        match self.engine().push(connection.id, "cli").await {
            Ok(pushed) => Ok(Some(pushed)),
            Err(Error::Busy) => elsewhere(),
            Err(error) => {
                let failure = Failure::from(error);
                let message = format!("kept, but not sent to Xero yet: {}", failure.message);
                Err(Failure { message, ..failure })
            }
        }
    }
}
