//! What every handler gets: the engine, the settings, and the syncs that are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::Tx;
use sync::Engine;

use crate::WebSettings;
use crate::background::Syncs;
use crate::problem::Problem;
use crate::repeat::InProgress;

/// Shared state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    settings: WebSettings,
    syncs: Syncs,
    in_progress: InProgress,
    started_ms: i64,
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(engine: Engine, settings: WebSettings) -> Self {
        let started_ms = engine.now().as_millisecond();
        let syncs = Syncs::new(settings.max_syncs);
        Self {
            inner: Arc::new(Inner {
                engine,
                settings,
                syncs,
                in_progress: InProgress::default(),
                started_ms,
                requests: AtomicU64::new(0),
            }),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn settings(&self) -> &WebSettings {
        &self.inner.settings
    }

    pub(crate) fn syncs(&self) -> &Syncs {
        &self.inner.syncs
    }

    /// The keys of requests that are being answered.
    pub(crate) fn in_progress(&self) -> &InProgress {
        &self.inner.in_progress
    }

    /// Begins reading one consistent state. End it with `commit`: a dropped one costs a PostgreSQL connection.
    pub(crate) async fn read(&self) -> Result<Tx, Problem> {
        Ok(self.engine().store().read().await?)
    }

    /// Names a request in answers and logs: unique over restarts, says nothing else.
    pub(crate) fn next_request_id(&self) -> String {
        let number = self.inner.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{number}", self.inner.started_ms)
    }

    /// Does work to its end even if the client goes away or the request runs out of time: half a sign-in or half a
    /// disconnection would leave tokens without an owner.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        tokio::spawn(work).await.map_err(|error| {
            tracing::error!(%error, "work behind a request ended badly");
            Problem::internal()
        })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.settings().public_url.starts_with("https://")
    }
}
