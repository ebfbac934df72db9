//! A person says that a local row and a record of Xero are the same: fetched, linked, and merged from an empty base.
//!
//! As with what `matching` finds, what only one side knows is kept and what they say differently goes by the rules. A
//! create that was planned is dropped; one that was sent and never answered must first have had its time to land.

use model::{ConnectionId, Kind, Record};
use store::{IntentEnd, IntentState, NewEvent, Tx};
use uuid::Uuid;

use crate::conflicts::at;
use crate::map::{Pulled, for_kind};
use crate::meet::references;
use crate::outgoing::Pushed;
use crate::reconcile::{Batch, Incoming};
use crate::run::Running;
use crate::{Engine, Error};

impl Engine {
    /// Links a local row with an existing record of Xero; true if Xero has to be told something then.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of the two is not there; [`Error::Invalid`] if one is linked already or they cannot be
    /// the same; [`Error::Busy`] while a sync of the connection is under way.
    pub(crate) async fn link_pair<P: Pushed>(
        &self,
        id: ConnectionId,
        local_id: i64,
        xero_id: Uuid,
        by: &str,
    ) -> Result<bool, Error> {
        let (running, guard) = self.begin_errand(id, by).await?;
        let linked = running.link_pair::<P>(local_id, xero_id).await;
        running.end_errand(guard, linked).await
    }
}

impl Running<'_> {
    async fn link_pair<P: Pushed>(&self, local_id: i64, xero_id: Uuid) -> Result<bool, Error> {
        let incoming = self.fetch_one::<P>(xero_id).await?;
        self.bring_references::<P>(&incoming).await?;
        let now = self.now();
        let mut tx = self.engine.store().begin_durable().await?;
        tx.hold_lease(&self.lease).await?;
        let row = tx.lock_books::<P::Record>(self.connection.id, &[local_id]).await?.pop();
        let Some(row) = row else {
            return Err(Error::NotFound(format!("there is no {} {local_id} in the app", P::KIND)));
        };
        self.refuse_linked::<P>(&mut tx, local_id, xero_id).await?;
        self.end_create::<P>(&mut tx, local_id, xero_id).await?;
        let (app, xero) = (kind_of(&row.record), kind_of(&incoming.record));
        if app != xero {
            let of = |kind: Option<String>| kind.unwrap_or_else(|| "none".into());
            return Err(Error::Invalid(format!(
                "the app's is of the type {}, xero's {}: they are two",
                of(app),
                of(xero)
            )));
        }
        let meeting = incoming.meeting(local_id, P::Record::default(), Some(row), true);
        let met = self.table.meet::<P>(&mut tx, vec![meeting], now).await?;
        tx.close_push_failures(self.connection.id, P::KIND, &[local_id], now).await?;
        tx.close_failure(self.connection.id, P::KIND, &xero_id.to_string(), now).await?;
        self.wake_after::<P>(&mut tx, &met, now).await?;
        let details = serde_json::json!({ "xeroId": xero_id, "by": &*self.by }).to_string();
        let event = NewEvent { details: Some(details), ..self.table.event("record.linked", P::KIND, local_id) };
        tx.add_events(self.connection.org, &[event], now).await?;
        tx.commit().await?;
        Ok(met.iter().any(|met| met.has_to_be_sent()))
    }

    async fn fetch_one<P: Pulled>(&self, xero_id: Uuid) -> Result<Incoming<P::Record>, Error> {
        let wire = match self.books.get::<P::Wire>(xero_id).await {
            Ok(wire) => wire,
            Err(xero::Error::Gone) => {
                return Err(Error::NotFound(format!("xero has no {} with the id {xero_id}", P::KIND)));
            }
            Err(error) => return Err(error.into()),
        };
        let mut batch = Batch::<P>::of(vec![Ok(wire)]);
        match (batch.incoming.pop(), batch.failures.pop()) {
            (Some(incoming), _) => Ok(incoming),
            (None, failure) => {
                let why = failure.map(|failure| failure.message).unwrap_or_default();
                Err(Error::Invalid(format!("what xero has cannot be brought over: {why}")))
            }
        }
    }

    async fn bring_references<P: Pulled>(&self, incoming: &Incoming<P::Record>) -> Result<(), Error> {
        let wanted = references(std::iter::once(&incoming.record));
        let mut tx = self.engine.store().read().await?;
        let (_, missing) = self.table.resolve_all(&mut tx, &wanted).await?;
        drop(tx);
        for kind in Kind::ALL {
            let ids: Vec<Uuid> = missing.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
            if !ids.is_empty() {
                for_kind!(kind, Q => self.fetch_missing::<Q>(&ids, 1).await?);
            }
        }
        let mut tx = self.engine.store().read().await?;
        match self.table.resolve_all(&mut tx, &wanted).await?.1.first() {
            Some((kind, id)) => {
                Err(Error::Invalid(format!("it refers to the {kind} {id}, which could not be brought over from xero")))
            }
            None => Ok(()),
        }
    }

    async fn refuse_linked<P: Pushed>(&self, tx: &mut Tx, local_id: i64, xero_id: Uuid) -> Result<(), Error> {
        let (connection, kind) = (self.connection.id, P::KIND);
        if let Some(link) = tx.links(connection, kind, &[xero_id]).await?.get(&xero_id) {
            let other = link.local_id;
            let why = if other == local_id {
                "the two are linked already".to_owned()
            } else {
                format!("xero's record is linked with the {kind} {other} of the app: remove one of the two")
            };
            return Err(Error::Invalid(why));
        }
        if let Some(link) = tx.links_of_locals(connection, kind, &[local_id]).await?.get(&local_id) {
            return Err(Error::Invalid(format!("the app's record is linked with {} in xero already", link.xero_id)));
        }
        Ok(())
    }

    /// The record is not created in Xero any more.
    async fn end_create<P: Pushed>(&self, tx: &mut Tx, local_id: i64, xero_id: Uuid) -> Result<(), Error> {
        let now = self.now();
        let open = tx.open_intents_of(self.connection.id, P::KIND, &[local_id]).await?.remove(&local_id);
        let Some(intent) = open else { return Ok(()) };
        let (state, found) = match intent.state {
            IntentState::Planned => (IntentState::Dropped, None),
            IntentState::Unknown => (IntentState::Done, Some(xero_id)),
            // Its answer, or a look for it, comes within the next moments.
            _ => return Err(Error::Busy),
        };
        if state == IntentState::Done {
            let sent = tx.last_send_of(intent.id).await?.map_or(intent.updated_at, |send| send.last_sent_at);
            let lands_until = self.engine.landed_after(sent)?;
            if now <= lands_until {
                return Err(Error::Invalid(format!(
                    "it was sent and not answered, and may still arrive in xero until {}: it is looked for by itself; link it after that",
                    at(lands_until)
                )));
            }
        }
        let message = Some("a person said which record in Xero it is".into());
        let end = IntentEnd { id: intent.id, state, xero_id: found, code: None, message };
        Ok(tx.end_intents(&[end], now).await?)
    }
}

/// What sort of its kind a record is (a sales invoice, a bill); two sorts are never the same record.
fn kind_of<R: Record>(record: &R) -> Option<String> {
    serde_json::to_value(record).ok()?.get("type")?.as_str().map(str::to_owned)
}
