//! One file per command: read what is asked, call the engine or the store, say what came of it.

mod agree;
mod attention;
mod brakes;
mod config;
mod conflicts;
mod connect;
mod demo;
mod desk;
mod doctor;
mod emulator;
mod failures;
mod keys;
mod plan;
mod policy;
mod push;
mod records;
mod runs;
mod serve;
mod simulate;
mod status;
mod sync;
mod verify;

use clap::CommandFactory;
use serde_json::json;

use crate::args::{Args, Command};
use crate::compose;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Does what the command line says.
pub(crate) async fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    let log_without_settings = || compose::log_without_settings(global.log_level.as_deref());
    let with_settings = |auto, flags| {
        let settings = compose::settings(&global, flags)?;
        compose::log(settings.log_level.as_deref(), auto, settings.log_format);
        Ok::<_, Failure>(settings)
    };
    let settings = || with_settings("warn", Vec::new());
    // What was said beforehand: yes to every question, and that a live organisation is meant.
    let asked = (global.yes, global.live);
    match command {
        Command::Demo(what) => {
            log_without_settings()?;
            demo::run(&what, global.database_url.as_deref(), output).await
        }
        Command::Emulator(what) => {
            log_without_settings()?;
            emulator::run(&what, output).await
        }
        Command::Sim(what) => simulate::run(what).await,
        Command::Doctor { fix } => {
            log_without_settings()?;
            doctor::run(&global, fix, output).await
        }
        Command::Serve(what) => {
            let bind = what.bind.map(|bind| ("bind", "--bind", bind.to_string()));
            serve::run(&with_settings("info", bind.into_iter().collect())?, output).await
        }
        Command::Sync(what) => sync::run(&what, asked, &settings()?, output).await,
        Command::Push(which) => push::run(&which, global.live, &settings()?, output).await,
        Command::Status(what) => status::run(&what, &settings()?, output).await,
        Command::Runs(what) => runs::run(&what, &settings()?, output).await,
        Command::Records(what) => records::run(&what, &settings()?, output).await,
        Command::Failures(what) => failures::run(&what, &settings()?, output).await,
        Command::Conflicts(what) => conflicts::run(&what, asked, &settings()?, output).await,
        Command::Candidates(what) => brakes::candidates(&what, global.live, &settings()?, output).await,
        Command::Brakes(what) => brakes::run(&what, asked, &settings()?, output).await,
        Command::Verify(what) => verify::run(&what, &settings()?, output).await,
        Command::Agree(which) => agree::run(&which, &settings()?, output).await,
        Command::Connect(what) => connect::run(&what, &settings()?, output).await,
        Command::Disconnect(which) => connect::disconnect(&which, global.yes, &settings()?, output).await,
        Command::RefreshToken(which) => connect::refresh_token(&which, &settings()?, output).await,
        Command::Keys(what) => keys::run(&what, &settings()?, output).await,
        Command::Config(what) => config::run(&what, &global, output),
        Command::Completion { shell } => Ok(completion(shell, output)),
        Command::Version => Ok(version(output)),
    }
}

fn completion(shell: clap_complete::Shell, output: &Output) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "tieout", &mut script);
    output.raw(&script);
    Exit::Done
}

fn version(output: &Output) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    let value = json!({"version": version, "schemaVersion": store::SCHEMA_VERSION});
    output.object(&value, &format!("tieout {version}  (database schema {})", store::SCHEMA_VERSION));
    Exit::Done
}
