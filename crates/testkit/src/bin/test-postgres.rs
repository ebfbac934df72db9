//! Starts and stops the PostgreSQL server of the tests by hand; tests start it by themselves.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let result = match command.as_deref() {
        Some("start") => testkit::Server::running().map(|server| println!("{}", server.admin_url())),
        Some("stop") => testkit::Server::stop(),
        _ => Err("usage: test-postgres start|stop".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
