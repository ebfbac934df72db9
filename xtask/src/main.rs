//! Chores of the repository: `cargo run -p xtask -- tidy` checks its rules, `… -- zoo` hunts planted bugs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod repository;
mod rust_source;
mod tidy;
mod zoo;

use std::process::ExitCode;

use repository::Repository;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => run_tidy(),
        Some("zoo") => zoo::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy|zoo");
            ExitCode::from(2)
        }
    }
}

fn run_tidy() -> ExitCode {
    let repository = match Repository::load() {
        Ok(repository) => repository,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    for warning in tidy::warnings(&repository) {
        println!("warning: {warning}");
    }
    let violations = tidy::violations(&repository);
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        println!("tidy: {} rules hold", tidy::RULES.len());
        ExitCode::SUCCESS
    } else {
        eprintln!("tidy: {} violations", violations.len());
        ExitCode::FAILURE
    }
}
