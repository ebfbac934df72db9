//! The canonical scenarios: each is played once plain, and then once for every place at which its process may die.
//!
//! A scenario prepares an organisation that is in order, lets people edit while a process works, and ends with the process
//! having had ten minutes to itself. The places at which the process may be killed are the port calls up to the end of the
//! edits' work (the plain run counts them). A killed run is the same run with one death, or two: the process is started
//! again, either within its lease or so late that nothing may be sent again without a look. Whatever came of it is driven
//! to rest and judged by the oracle, by Xero's own counters and by what the scenario says about its records.
//!
//! Of the thirty of the list (reliability.md A7) four are none yet, because the product has not what they are about: 19 and
//! 20 (webhooks), 29 (another key of the vault) and 30 (a restored backup).

mod campaign;
mod command;
mod contacts;
mod conversation;
mod documents;
mod drill;
mod limits;
mod merges;
mod money;
mod pulls;
mod scene;
mod tokens;

use async_trait::async_trait;
use store::BrakeState;

pub use campaign::{Campaign, Tally};
pub use command::CrashPoints;
pub use drill::{Base, Kill, Outcome, Restart, play};
pub use scene::{End, Scene};

use crate::knobs::Knobs;
use crate::stage::Plan;
use crate::world::Setup;

/// A scenario.
#[async_trait(?Send)]
pub trait Scenario: Sync {
    /// Its place in the list. Two may share one.
    fn number(&self) -> u8;

    /// What happens, in a few words.
    fn name(&self) -> &'static str;

    /// Whether money may be lost in it: of these every place is tried with every change of the program.
    fn is_money(&self) -> bool {
        false
    }

    /// Whether it is also played with two deaths.
    fn has_pairs(&self) -> bool {
        false
    }

    /// Other settings than the usual ones.
    fn adjust(&self, _knobs: &mut Knobs, _plan: &mut Plan, _setup: &mut Setup) {}

    /// How long its process has to itself afterwards, in milliseconds.
    fn after_ms(&self) -> i64 {
        600_000
    }

    /// Whether the oracle can compare both sides: not where there are two organisations.
    fn has_one_organisation(&self) -> bool {
        true
    }

    /// Whatever must be there before. Nothing is counted, and nobody dies.
    #[doc(hidden)]
    async fn prepare(&self, _scene: &mut Scene) -> anyhow::Result<()> {
        Ok(())
    }

    /// What people do while the process works.
    #[doc(hidden)]
    async fn act(&self, scene: &mut Scene) -> anyhow::Result<()>;

    /// What a person answers who is asked, in every round on the way to rest: everything may go on.
    #[doc(hidden)]
    async fn answer(&self, scene: &mut Scene) -> anyhow::Result<()> {
        let (id, engine, time) = (scene.world.id, scene.world.operator.clone(), scene.world.stage.time.clone());
        for brake in time.drive(engine.brakes(id)).await?.iter().filter(|brake| brake.state == BrakeState::Open) {
            time.drive(engine.decide_brake(id, brake.id, true, "operator")).await?;
        }
        Ok(())
    }

    /// What must have come of it.
    #[doc(hidden)]
    async fn expect(&self, scene: &Scene, end: &End) -> anyhow::Result<()>;
}

/// All of them, in the order of the list.
pub fn all() -> Vec<&'static dyn Scenario> {
    vec![
        &pulls::FirstSync,
        &pulls::ThreePages,
        &pulls::PageDrift,
        &pulls::BoundarySecond,
        &contacts::NewContact,
        &documents::InvoiceAfterContact,
        &documents::NewBill,
        &documents::OneLine,
        &money::Payment,
        &money::PaymentWithLostReply,
        &money::BankTransaction,
        &documents::BatchOfInvoices,
        &contacts::BatchOfUpdates,
        &merges::DisjointFields,
        &merges::SameFieldAsk,
        &merges::SameFieldXeroWins,
        &documents::EditAgainstVoid,
        &documents::VoidFromApp,
        &contacts::ArchiveWithOpenInvoices,
        &tokens::Refresh,
        &tokens::ExpiryInBatch,
        &tokens::RefreshReplyLost,
        &conversation::ReconnectSame,
        &conversation::ReconnectOther,
        &limits::DayQuota,
        &limits::BrakeTrips,
        &limits::PolicyChange,
    ]
}
