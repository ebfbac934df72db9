//! `tieout`: the command line. It puts the parts together, and nothing else reads the environment or prints.

mod args;
mod commands;
mod compose;
mod confirm;
mod failure;
mod output;
mod progress;
mod settings;
mod shutdown;
mod words;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let output = output::Output::new(args.global.format());
    let ended = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(args, &output)),
        Err(error) => Err(failure::Failure::new(failure::Exit::Failed, format!("cannot start: {error}"))),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}
