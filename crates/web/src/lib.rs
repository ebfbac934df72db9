//! HTTP in: the REST API, the callback of Xero's consent, and the API's description; and the pusher, which tells Xero what
//! the App changed while the API is served.
//!
//! Reads through `store`, acts through `sync`; there is no SQL here and no call to Xero. `routes` is the one list of
//! everything that is served. A handler says who may call it by the type of its first argument (`access`), and a
//! handler without such an argument does not compile into the list.

mod access;
mod background;
mod books;
mod brakes;
mod callback;
mod candidates;
mod conflicts;
mod connections;
mod cursor;
mod describe;
mod docs;
mod dto;
mod entities;
mod failures;
mod given;
mod health;
mod input;
mod keys;
mod layers;
mod mappings;
mod plans;
mod problem;
mod pushes;
mod repeat;
mod routes;
mod runs;
mod standing;
mod state;
mod syncs;
mod verify;
mod writes;

use std::time::Duration;

use axum::Router;
use sync::Engine;

use crate::state::App;

pub use access::RouteAccess;
pub use routes::RouteInfo;

/// The path at which Xero's consent comes back; the engine's redirect address must end in it.
pub const CALLBACK_PATH: &str = "/api/v1/integrations/xero/callback";

/// Settings of the HTTP side.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Where browsers reach this program, without a slash at the end. Its host must be the one of the engine's redirect
    /// address, or the browser does not bring its cookie back. With `https`, cookies are marked secure.
    pub public_url: String,
    /// Largest accepted body of a request, in bytes. The API takes small JSON objects only.
    pub max_body_bytes: usize,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long a request may take that waits for Xero: `?wait=true` and the comparison of both sides.
    pub long_timeout: Duration,
    /// Most syncs under way in this process at a time, over all connections.
    pub max_syncs: usize,
    /// How often the pusher looks whether the App has changed anything.
    pub push_every: Duration,
    /// How often the verifier looks whether a sample or a daily sweep is due.
    pub verify_every: Duration,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:8787".into(),
            max_body_bytes: 64 * 1024,
            timeout: Duration::from_secs(30),
            long_timeout: Duration::from_secs(60 * 60),
            max_syncs: 32,
            push_every: Duration::from_millis(250),
            verify_every: Duration::from_secs(60),
        }
    }
}

/// The HTTP side of a running program.
#[derive(Clone)]
pub struct Web {
    app: App,
}

impl Web {
    /// Puts it together; nothing is served yet.
    pub fn new(engine: Engine, settings: WebSettings) -> Self {
        Self { app: App::new(engine, settings) }
    }

    /// Everything that is served, as a service. Clones share their state.
    pub fn router(&self) -> Router {
        layers::around(routes::all().into_router(), self.app.clone())
    }

    /// Begins to tell Xero what the App changes, by REST or by plain SQL, as soon as it is captured; until
    /// [`Web::shutdown`]. Must be called inside the runtime.
    pub fn keep_pushing(&self) {
        self.app.syncs().keep_pushing(self.app.engine().clone(), self.app.settings().push_every);
    }

    /// Begins to compare both sides as they become due (a sample every hour, everything once a day, by the engine's
    /// settings); until [`Web::shutdown`]. Must be called inside the runtime.
    pub fn keep_verifying(&self) {
        self.app.syncs().keep_verifying(self.app.engine().clone(), self.app.settings().verify_every);
    }

    /// Stops the pusher, the verifier and the syncs that requests have started, between two of their transactions, and waits until they have
    /// stopped. New ones are refused from now on. Call it when the program ends, before or beside the server's own
    /// graceful end: requests that wait for a sync are answered by it.
    pub async fn shutdown(&self) {
        self.app.syncs().shutdown().await;
    }
}

/// Everything that is served, as a service. Use [`Web`] where syncs must be stopped in an orderly way.
pub fn router(engine: Engine, settings: WebSettings) -> Router {
    Web::new(engine, settings).router()
}

/// Every route with who may call it, sorted by path.
pub fn route_list() -> Vec<RouteInfo> {
    routes::all().into_list()
}
