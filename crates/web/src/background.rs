//! What goes on without a request: syncs and verifications that requests have started, the pusher that tells Xero what
//! the App changed, and the verifier that compares both sides by the clock.
//! They stop cleanly when the program ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use model::{ConnectionId, Kind};
use store::Mode;
use sync::{Engine, Progress, RunOutcome, Verification};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::problem::{Problem, code};

/// How long the pusher may finish what it has begun once the program was asked to stop. What is cut off then is looked up
/// in Xero before anything is sent again.
const LAST_ROUND: Duration = Duration::from_secs(10);
/// How often answers that need not be kept any longer are thrown away.
const TIDY: SignedDuration = SignedDuration::from_hours(1);

/// The work of this process that goes on without a request.
pub(crate) struct Syncs {
    stop: watch::Sender<bool>,
    under_way: Mutex<JoinSet<()>>,
    pusher: Mutex<Option<JoinHandle<()>>>,
    verifier: Mutex<Option<JoinHandle<()>>>,
    most: usize,
}

/// A verification that has begun.
pub(crate) struct Verifying {
    /// Its id.
    pub(crate) id: i64,
    /// Brings what it found.
    pub(crate) done: oneshot::Receiver<Result<Verification, sync::Error>>,
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
        Self {
            stop: watch::Sender::new(false),
            under_way: Mutex::default(),
            pusher: Mutex::default(),
            verifier: Mutex::default(),
            most,
        }
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

    /// Starts a verification and returns as soon as it has an id, or has failed before it had one. It goes on if whoever
    /// asked goes away.
    pub(crate) async fn verify(
        &self,
        engine: Engine,
        connection: ConnectionId,
        kind: Option<Kind>,
        mends: bool,
        by: String,
    ) -> Result<Verifying, Problem> {
        let (id_sender, id) = oneshot::channel();
        let (done_sender, mut done) = oneshot::channel();
        let mut stop = self.stop.subscribe();
        let work = async move {
            let id_sender = Mutex::new(Some(id_sender));
            let tell = move |id: i64| {
                if let Some(sender) = id_sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    // Nobody waits for it when the client has gone.
                    let _ = sender.send(id);
                }
            };
            let work = async {
                match mends {
                    true => engine.mend(connection, kind, &by, &tell).await,
                    false => engine.verify(connection, kind, &by, &tell).await,
                }
            };
            let found = tokio::select! {
                found = work => found,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Err(error) = &found {
                tracing::warn!(code = error.code(), %connection, "a verification ended with an error");
            }
            let _ = done_sender.send(found);
        };
        self.spawn(work)?;
        match id.await {
            Ok(id) => Ok(Verifying { id, done }),
            Err(_) => match (&mut done).await {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(_)) | Err(_) => Err(stopping()),
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
        let keepers = [&self.pusher, &self.verifier];
        let keepers = keepers.map(|keeper| keeper.lock().unwrap_or_else(PoisonError::into_inner).take());
        while all.join_next().await.is_some() {}
        for keeper in keepers.into_iter().flatten() {
            // One that panicked has said so already.
            let _ = keeper.await;
        }
    }

    /// Tells Xero what the App changed, as soon as anything is captured: one look at the database each time, and nothing
    /// more while there is nothing. Started twice, it runs once.
    pub(crate) fn keep_pushing(&self, engine: Engine, every: Duration) {
        let mut pusher = self.pusher.lock().unwrap_or_else(PoisonError::into_inner);
        if pusher.is_some() || *self.stop.borrow() {
            return;
        }
        let stop = self.stop.subscribe();
        *pusher = Some(tokio::spawn(push_until(engine, every, stop)));
    }

    /// Compares both sides whenever a sample or a daily sweep is due. Started twice, it runs once.
    pub(crate) fn keep_verifying(&self, engine: Engine, every: Duration) {
        let mut verifier = self.verifier.lock().unwrap_or_else(PoisonError::into_inner);
        if verifier.is_some() || *self.stop.borrow() {
            return;
        }
        let stop = self.stop.subscribe();
        *verifier = Some(tokio::spawn(verify_until(engine, every, stop)));
    }
}

async fn verify_until(engine: Engine, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut told: Option<String> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // Only read: what is cut off is begun anew when it is due again.
        let done = tokio::select! {
            done = engine.verify_due() => done,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let trouble = done.err().map(|error| format!("{}: {error}", error.code()));
        if let Some(trouble) = trouble.as_ref().filter(|_| trouble != told) {
            tracing::warn!(trouble, "the two sides cannot be compared just now");
        }
        told = trouble;
    }
}

async fn push_until(engine: Engine, every: Duration, mut stop: watch::Receiver<bool>) {
    let mut told: Option<String> = None;
    let mut tidied = engine.now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let round = engine.push_due("capture");
        tokio::pin!(round);
        let ended = tokio::select! {
            done = &mut round => Some(done),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let done = match ended {
            Some(done) => done,
            None => match tokio::time::timeout(LAST_ROUND, round).await {
                Ok(done) => done,
                Err(_) => return,
            },
        };
        // The same trouble four times a second is told once.
        let trouble = done.err().map(|error| format!("{}: {error}", error.code()));
        if trouble != told {
            match &trouble {
                Some(trouble) => tracing::warn!(trouble, "changes of the app cannot be pushed just now"),
                None => tracing::info!("changes of the app are pushed again"),
            }
            told = trouble;
        }
        if engine.now().duration_since(tidied) >= TIDY {
            tidied = engine.now();
            if let Err(error) = tidy(&engine).await {
                tracing::warn!(%error, "old answers could not be thrown away");
            }
        }
    }
}

async fn tidy(engine: &Engine) -> Result<(), store::Error> {
    let mut tx = engine.store().begin().await?;
    tx.drop_old_replies(engine.now()).await?;
    tx.commit().await
}

/// The answer to whoever waited for a sync that the program's end has stopped.
pub(crate) fn stopping() -> Problem {
    Problem::new(code::STOPPING, "the sync was stopped and goes on with the next one: ask again in a moment")
}
