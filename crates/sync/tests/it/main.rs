//! The engine beside an emulator in one process, on both databases.
//!
//! One program for all of them: the engine is generic over the kinds, and building it anew for each file takes longer
//! than running it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

mod bad_input;
mod crash_create;
mod crash_tokens;
mod crash_update;
mod people;
mod plans;
mod pull;
mod regressions;
mod rounding;
mod tokens;
mod two_way;
mod verify;
