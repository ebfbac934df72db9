//! Syncs that requests have started: they go on when the request is over, and stop cleanly when the program ends.

use std::sync::{Arc, Mutex, PoisonError};

use model::ConnectionId;
use store::Mode;
use sync::{Engine, Progress, RunOutcome};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::problem::{Problem, code};

/// The syncs of this process that requests have started.
pub(crate) struct Syncs {
    stop: watch::Sender<bool>,
    under_way: Mutex<JoinSet<()>>,
    most: usize,
}

/// A sync that has begun.
pub(crate) struct Started {
    /// Its run.
    pub(crate) run: i64,
    /// Brings what came of it.
    pub(crate) done: oneshot::Receiver<Result<RunOutcome, sync::Error>>,
}

impl Syncs {
    pub(crate) fn new(most: usize) -> Self {
        Self { stop: watch::Sender::new(false), under_way: Mutex::default(), most }
    }

    /// Starts a sync and returns as soon as it has a run, or has failed before it had one.
    pub(crate) async fn start(
        &self,
        engine: Engine,
        connection: ConnectionId,
        mode: Mode,
        by: String,
    ) -> Result<Started, Problem> {
        let (run_sender, run) = oneshot::channel();
        let (done_sender, mut done) = oneshot::channel();
        let mut stop = self.stop.subscribe();
        let work = async move {
            let run_sender = Arc::new(Mutex::new(Some(run_sender)));
            let tell = move |progress: Progress| {
                if let Some(sender) = run_sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    // Nobody waits for it when the client has gone.
                    let _ = sender.send(progress.run);
                }
            };
            // Dropping the sync's future stops it between two transactions; the next run goes on from there.
            let outcome = tokio::select! {
                outcome = engine.sync(connection, mode, &by, &tell) => outcome,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Err(error) = &outcome {
                tracing::warn!(code = error.code(), %connection, "a sync ended with an error");
            }
            let _ = done_sender.send(outcome);
        };
        self.spawn(work)?;

        // A run that fails after its first word has told its id before; one that never began has only an error.
        match run.await {
            Ok(run) => Ok(Started { run, done }),
            Err(_) => match (&mut done).await {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(outcome)) => {
                    let (sender, done) = oneshot::channel();
                    let run = outcome.run;
                    let _ = sender.send(Ok(outcome));
                    Ok(Started { run, done })
                }
                Err(_) => Err(stopping()),
            },
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Problem> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at with the set locked, so that nothing starts behind the back of a shutdown.
        if *self.stop.borrow() {
            return Err(stopping());
        }
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= self.most {
            return Err(Problem::new(code::BUSY, "too many syncs are under way in this process: wait for one to end"));
        }
        under_way.spawn(work);
        Ok(())
    }

    pub(crate) async fn shutdown(&self) {
        let mut all = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            self.stop.send_replace(true);
            std::mem::take(&mut *under_way)
        };
        while all.join_next().await.is_some() {}
    }
}

/// The answer to whoever waited for a sync that the program's end has stopped.
pub(crate) fn stopping() -> Problem {
    Problem::new(code::STOPPING, "the sync was stopped and goes on with the next one: ask again in a moment")
}
