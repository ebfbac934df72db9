//! The merge: truth tables of each kind of unit, the life of a line, and properties over random edits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod books;
mod flight;
mod paths;
mod properties;
mod tables;
