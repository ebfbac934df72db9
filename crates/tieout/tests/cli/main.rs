//! The built program as people and scripts use it: command lines in, text, JSON and exit codes out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod connection;
mod demo;
mod harness;
mod people;
mod settings;
mod two_way;
mod verify;
