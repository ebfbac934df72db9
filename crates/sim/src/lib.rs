//! The proof: the real engine against the emulator under random edits, faults and crashes, replayable from one seed.
//!
//! A seed decides everything. [`run::run`] plays it: a storm of edits on both sides ([`workload`]), of faults ([`weather`])
//! and of deaths at any port call ([`ports`]), then calm, then judgement by the crate `oracle`, which shares no code with
//! the engine. All of it happens on one thread in virtual time ([`time`]), so the same seed is the same run.
#![expect(
    clippy::await_holding_lock,
    reason = "a simulation is one thread, and nobody else takes the workload's lock while it waits"
)]

pub mod cli;
pub mod coverage;
pub mod dice;
pub mod knobs;
pub mod merging;
pub mod ports;
pub mod postgres;
pub mod protocols;
pub mod run;
pub mod scenarios;
pub mod stage;
pub mod time;
pub mod trace;
mod weather;
pub mod workload;
pub mod world;
