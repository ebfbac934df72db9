//! The REST API from outside: its router, called in process, on both databases, over an engine whose Xero is the
//! emulator behind a loopback listener.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod books;
mod conflicts;
mod connect;
mod describe;
mod plans;
mod problems;
mod repeats;
mod runs;
mod verify;
mod world;
mod writes;
