//! The long runs, for developers.

use clap::Parser;

fn main() -> std::process::ExitCode {
    let command = sim::cli::Command::parse();
    match sim::cli::run(&command.what, &mut std::io::stdout().lock()) {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(error) => {
            use std::io::Write;
            // Nobody is left to be told if this cannot be written either.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
