//! Asking before something that cannot be undone. Nobody is asked where nobody can answer.

use std::io::stdin;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Returns if `--yes` was given or the person says yes.
pub(crate) fn yes(output: &Output, is_given: bool, question: &str) -> Result<(), Failure> {
    if is_given {
        return Ok(());
    }
    if !output.is_interactive() {
        let message = format!("{question} Nobody can answer here; add --yes to say yes");
        return Err(Failure::new(Exit::Usage, message).next("the same command with --yes"));
    }
    output.ask(&format!("{question} [y/N]"));
    let mut answer = String::new();
    let said = stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    if said { Ok(()) } else { Err(Failure::new(Exit::Failed, "nothing was done").next("tieout status")) }
}
