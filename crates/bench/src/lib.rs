//! Measures a first sync: Tieout against a bare program that fetches the same pages, parses them and bulk-writes the
//! same rows. What Tieout costs beyond that is the price of the engine: hashes compared, leases held, cursors moved,
//! runs recorded, and records checked before they are written.
//!
//! `engine` is Tieout, `floor` is the bare program, `emulated` is the Xero that both read, `figures` is what is measured,
//! and `counting` shows that both ended with the same rows. The command is in `main`.

pub mod counting;
pub mod emulated;
pub mod engine;
pub mod figures;
pub mod floor;
