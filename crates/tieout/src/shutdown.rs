//! Ctrl+C and SIGTERM: work is dropped between two transactions, and what it held is given back.

use std::time::Duration;

use crate::failure::Failure;

/// What fails or is dropped gives its lease back on a task of its own, by one small statement; waiting longer would only
/// annoy.
const GIVING_BACK: Duration = Duration::from_millis(400);

/// Returns when the process is asked to stop.
pub(crate) async fn asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    }
    #[cfg(not(unix))]
    drop(tokio::signal::ctrl_c().await);
}

/// Does some work until it is done or the process is asked to stop.
pub(crate) async fn unless_asked<T>(work: impl Future<Output = Result<T, Failure>>, next: &str) -> Result<T, Failure> {
    let stopped = {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => match done {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            },
            () = asked() => Failure::interrupted(next),
        }
    };
    // The work is dropped by now.
    tokio::time::sleep(GIVING_BACK).await;
    Err(stopped)
}
