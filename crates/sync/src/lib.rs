//! The engine: the only crate that sees both the local books and Xero.
//!
//! One file per arrow of the flow. `connect` makes and ends connections, `tokens` keeps them alive, `pull` reads Xero
//! page by page, `map` turns what Xero sends into records of the local books, and `reconcile` is the one place where the
//! two sides meet: load, merge and commit in one transaction. Time, randomness and the wire come in from outside
//! ([`xero::Clock`], [`xero::Entropy`], [`xero::Transport`]), so that the whole engine runs in a simulation as it runs
//! in production.

mod agree;
mod connect;
mod engine;
mod error;
mod keys;
mod map;
mod over_http;
mod pull;
mod reconcile;
mod run;
mod status;
mod tokens;
mod vault;

pub use agree::{Agreement, Difference};
pub use connect::ConsentStart;
pub use engine::{Engine, EngineParts, EngineSettings};
pub use error::Error;
pub use keys::{KeyScope, MadeKey};
pub use map::MINIMUM_SCOPES;
pub use over_http::{OverHttp, OverHttpError};
pub use run::{Progress, RunOutcome};
pub use status::{ConnectionStatus, TokenStatus};
pub use vault::{BadKey, Vault};
pub use xero::{Clock, Secret};
