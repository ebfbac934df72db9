//! `tieout sim`: the engine of this very program, played against an emulated Xero under edits, faults and crashes.

use sim::cli::What;

use crate::failure::{Exit, Failure};

/// A simulation has time and tasks of its own, and is not played on the program's.
pub(super) async fn run(what: What) -> Result<Exit, Failure> {
    let played = tokio::task::spawn_blocking(move || sim::cli::run(&what, &mut std::io::stdout()));
    match played.await {
        Ok(Ok(true)) => Ok(Exit::Done),
        Ok(Ok(false)) => Ok(Exit::Failed),
        Ok(Err(error)) => Err(Failure::new(Exit::Failed, format!("{error:#}"))),
        Err(panic) => Err(Failure::new(Exit::Failed, format!("the simulation ended early: {panic}"))),
    }
}
