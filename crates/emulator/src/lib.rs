//! A faithful emulator of Xero's Accounting API.
//!
//! It knows nothing of the rest of the workspace: it is built from Xero's published description alone, so that a wrong
//! belief of the client cannot hide behind shared types.
//!
//! ```
//! use emulator::{Config, Emulator, http::Request};
//!
//! let emulator = Emulator::new(Config::default());
//! let answer = emulator.handle(&Request::new("GET", "/api.xro/2.0/Invoices"));
//! assert_eq!(answer.status, 401);
//! ```
//!
//! [`Emulator::handle`] is one call in process: no socket, no runtime, and with a frozen [`Clock`] the same seed and the
//! same calls give the same bytes (the signature of id tokens aside). [`Emulator::router`] is the same thing over HTTP.

mod api;
pub mod books;
mod clock;
pub mod config;
mod control;
mod dates;
mod emulator;
mod faults;
mod filter;
mod generate;
pub mod http;
mod ids;
mod ledger;
mod limits;
pub mod money;
mod oauth;
mod person;
mod read;
mod render;
mod reports;
mod router;
mod write;

pub use clock::Clock;
pub use config::Config;
pub use emulator::{Call, Emulator, Flight, Outcome};
pub use faults::{Fault, FaultAction, FaultRule, FaultState, Garble, LimitName, Offline, When};
pub use generate::Size;
pub use ledger::{Counters, WriteCount};
pub use limits::Violations;
pub use oauth::Connection;
pub use person::Person;
