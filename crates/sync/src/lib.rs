//! The engine: the only crate that sees both the local books and Xero.
//!
//! One file per arrow of the flow. `connect` makes and ends connections, `tokens` keeps them alive, `pull` reads Xero
//! page by page, `map` turns what Xero sends into records of the local books, `matching` finds out which of them the App has
//! already, `capture` plans what the App changed, `send`, `ack` and `lookup` tell Xero so that it arrives once. All of them
//! come together in `meet`, the one place where both sides are merged: load, merge and commit in one transaction. Time, randomness and the wire come in from outside
//! ([`xero::Clock`], [`xero::Entropy`], [`xero::Transport`]), so that the whole engine runs in a simulation as it runs
//! in production.

mod ack;
mod agree;
mod amounts;
mod brake;
mod capture;
mod conflicts;
mod connect;
mod edit;
mod engine;
mod entity;
mod errand;
mod error;
mod explain;
mod failures;
mod keys;
mod linking;
mod lookup;
mod map;
mod matching;
mod meet;
mod outgoing;
mod over_http;
mod plan;
mod policy;
mod pull;
mod push;
mod reconcile;
mod refusal;
mod run;
mod send;
mod settle;
mod status;
mod sweep;
mod timeline;
mod tokens;
mod vault;
mod verify;

/// A future whose code is made here, where the kinds are known: the code of an `async fn` is made, all that it calls
/// included, by every crate that waits for it.
pub(crate) type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

pub use agree::{Agreement, Difference};
pub use brake::Braked;
pub use conflicts::{
    BulkOutcome, BulkRefusal, Choice, ConflictQuery, ConflictView, Effect, FieldChoice, Preview, Resolved,
};
pub use connect::ConsentStart;
pub use edit::{Edit, Editable, record_version};
pub use engine::{Engine, EngineParts, EngineSettings, PushSettings};
pub use entity::{EntityOutcome, EntityRef};
pub use error::Error;
pub use explain::{Explanation, FieldState, Happening, Reason, SyncState};
pub use failures::{FailureCause, FailureQuery, FailureView};
pub use keys::{KeyScope, MadeKey};
pub use map::MINIMUM_SCOPES;
pub use over_http::{OverHttp, OverHttpError};
pub use plan::{Applied, Plan, PlanAction, PlanItem, PlanSide};
pub use policy::{PolicyRule, PolicySetting};
pub use push::PushOutcome;
pub use refusal::{advice_of, fix_of};
pub use run::{Progress, RunOutcome};
pub use status::{ConnectionStatus, TokenStatus};
pub use vault::{BadKey, Vault};
pub use verify::{
    Integrity, KindTally, MoneyGroup, Reason as VerifyReason, RecordDifference, SideSum, Verification, VerifyScope,
    VerifySettings, VerifyState,
};
pub use xero::{Clock, Secret};
