//! The token refresh (reliability.md A6.3; `sync::tokens`, `store::grants`): a refresh token that works once is never lost,
//! though its successor may be lost on the way.
//!
//! Two processes share one row. The steps are `renew` and `refresh` (T0), `begin_refresh` (T1), the request (T2),
//! `finish_refresh` (T3) and `refused` (`invalid_grant`). Processes that are awake act before time passes; they may die
//! and be started again, or be frozen for longer than a lease, both for less than the grace. A tick is the 30 seconds that
//! a request may take; the grace is shortened from 60 ticks to 12, and so is everything that must fit into it.
//!
//! What Xero does with a token that was used before is known only in part (xero-facts 1.2), so each answer is modelled.

use super::refresh_state::{Pc, State, Token};
use super::{Expected, Machine, Report, Size, Step};

/// I-T1.
pub const NOT_LOST: &str = "a refresh token that works is never lost within the grace";
/// I-T2.
pub const ONE_REFRESHER: &str = "two refreshes are on their way only if a process was frozen";
/// I-T2.
pub const NO_OVERWRITE: &str = "a late loser never overwrites a newer generation";
/// I-T3.
pub const NOT_DELETED: &str = "invalid_grant deletes nothing";
/// I-T3.
pub const NO_STORM: &str = "nothing is asked of xero once a person has to connect again";

/// What Xero does with a token whose successor it has given out already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Within the grace, another successor; all of them work until one is used. What the emulator does.
    Sibling,
    /// Within the grace, the same successor again.
    Same,
    /// Within the grace, another successor, and only the newest works: the worst that the documentation leaves open.
    Newest,
    /// Nothing: a token works once.
    Strict,
}

/// The rule that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// None.
    Right,
    /// The lock ends by itself before the request has to.
    ShortLock,
    /// The new pair is used first and saved later.
    SavedAfterUse,
    /// Nothing durable says that a refresh was begun.
    NoIntent,
    /// The new pair is saved whatever generation is there.
    NoGeneration,
    /// `invalid_grant` deletes the tokens.
    InvalidDeletes,
    /// A refresh that did not happen is forgotten without proof of the lease.
    AbandonedWithoutFence,
    /// A process asks again though the consent has ended.
    AsksAgain,
    /// The token before is tried without the lease being proved again.
    PreviousUnproved,
}

/// The machine.
#[derive(Debug, Clone, Copy)]
pub struct Refresh {
    /// What Xero does.
    pub grace: Grace,
    /// Its rules.
    pub variant: Variant,
    /// How many answers may be lost, requests not sent, or late.
    pub losses: u8,
    /// How often a process may die.
    pub crashes: u8,
    /// How often a process may be frozen.
    pub freezes: u8,
    /// How often the access token ends.
    pub expiries: u8,
    /// Whether a process that was frozen asks nothing (a deadline, as a write has it), and saves nothing without the lease.
    /// The engine does both: it relies on successors that all work until one of them is used.
    pub is_fenced: bool,
    /// Whether a request that nobody waits for any more may still arrive.
    pub may_be_late: bool,
}

impl Machine for Refresh {
    type State = State;

    fn initial(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn next(&self, state: &State, steps: &mut Vec<Step<State>>) {
        for worker in 0..2 {
            self.work(state, worker, steps);
        }
        self.world(state, steps);
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        if state.broken.is_some() {
            return state.broken;
        }
        // A strict provider's token is lost with its answer, whatever is done.
        let may_be_lost = self.grace == Grace::Strict && (self.losses > 0 || self.crashes > 0);
        let is_alive = |token: Token| self.works(state, token);
        let is_stored = is_alive(state.current) || state.previous.is_some_and(is_alive);
        let is_held = state.workers.iter().any(|worker| {
            matches!(worker.pc, Pc::Ready | Pc::Flying | Pc::Unanswered) && is_alive(worker.token)
                || matches!(worker.pc, Pc::Saving | Pc::Using) && is_alive(worker.fresh)
        });
        if !may_be_lost && !is_stored && !is_held {
            return Some(NOT_LOST);
        }
        // Asking a person although a stored token works gives it up as well.
        (state.has_ended && is_stored).then_some(NOT_LOST)
    }

    fn is_rest(&self, state: &State) -> bool {
        let is_idle = state.workers.iter().all(|worker| worker.pc == Pc::Idle && !worker.is_frozen);
        is_idle && state.late.is_none() && (state.has_ended || (state.is_fresh && !state.is_begun))
    }

    fn landmarks(&self) -> &'static [&'static str] {
        &[
            "both processes hold a refresh",
            "a request within the grace, after its answer was lost",
            "a pair that came too late to be saved",
            "the token before is tried",
            "a process started again finds a refresh that was begun",
            "an intent given up because nothing was sent",
        ]
    }

    fn passes(&self, state: &State) -> u64 {
        let any = |pc: Pc| state.workers.iter().any(|worker| worker.pc == pc);
        let is_lenient = matches!(self.grace, Grace::Sibling | Grace::Newest);
        let never_refused = self.grace != Grace::Strict;
        let bits = [
            state.workers.iter().all(|worker| matches!(worker.pc, Pc::Ready | Pc::Flying | Pc::Saving)),
            !is_lenient || state.workers.iter().any(|worker| worker.pc == Pc::Ready && worker.token == Token::Used),
            self.grace == Grace::Strict
                || state.workers.iter().any(|worker| worker.pc == Pc::Saving && !worker.is_newest),
            never_refused || state.workers.iter().any(|worker| worker.pc == Pc::Ready && worker.is_previous),
            self.crashes == 0 || (any(Pc::Down) && state.is_begun),
            self.losses < 2 || any(Pc::GivenUp),
        ];
        bits.iter().enumerate().fold(0, |sum, (bit, is_so)| sum | u64::from(*is_so) << bit)
    }
}

/// The machine under each of Xero's ways, and its wrong variants.
pub fn reports(size: Size) -> Vec<Report> {
    let of = |rules, expected, machine: Refresh| Report::of("refresh", rules, expected, &machine);
    let holds = |rules, states, machine| of(rules, Expected::Holds { states }, machine);
    // What goes wrong once shows every wrong rule; the full run lets more go wrong.
    let once = Refresh {
        grace: Grace::Sibling,
        variant: Variant::Right,
        losses: 1,
        crashes: 1,
        freezes: 1,
        expiries: 1,
        is_fenced: false,
        may_be_late: true,
    };
    let is_full = size == Size::Full;
    let right = if is_full { Refresh { losses: 2, crashes: 2, ..once } } else { once };
    let same = Refresh { grace: Grace::Same, ..right };
    let strict = Refresh { grace: Grace::Strict, ..right };
    let newest = Refresh { grace: Grace::Newest, is_fenced: true, may_be_late: false, ..right };
    let lost = Expected::Breaks(NOT_LOST);
    let crash = |variant| Refresh { variant, losses: 0, freezes: 0, may_be_late: false, ..once };
    let freeze = Refresh { losses: 0, crashes: 0, may_be_late: false, ..once };
    let frozen = |variant| Refresh { variant, ..freeze };
    let refused = |variant| Refresh { variant, grace: Grace::Strict, may_be_late: false, ..once };
    vec![
        holds("right; a replay gives another pair", 180_000, right),
        holds("right; a replay gives the same pair", 130_000, same),
        holds("right; a token works once", 160_000, strict),
        holds("right; a token works once, no answer lost", 2_000, Refresh { grace: Grace::Strict, ..freeze }),
        holds("fenced at T2 and T3; a replay ends the pair before", 50_000, newest),
        of("not fenced at T2 and T3, and a replay ends the pair before", lost, Refresh { is_fenced: false, ..newest }),
        of("a lock that ends before the request", Expected::Breaks(ONE_REFRESHER), crash(Variant::ShortLock)),
        of("saved after use", lost, crash(Variant::SavedAfterUse)),
        of("no durable intent", lost, crash(Variant::NoIntent)),
        of("generation not checked", Expected::Breaks(NO_OVERWRITE), frozen(Variant::NoGeneration)),
        of("invalid_grant deletes", Expected::Breaks(NOT_DELETED), refused(Variant::InvalidDeletes)),
        of("asks again after the consent ended", Expected::Breaks(NO_STORM), refused(Variant::AsksAgain)),
        of(
            "the token before tried without proving the lease",
            Expected::Breaks(ONE_REFRESHER),
            refused(Variant::PreviousUnproved),
        ),
        of(
            "an intent given up without the fence",
            lost,
            Refresh { variant: Variant::AbandonedWithoutFence, losses: 2, crashes: 1, may_be_late: false, ..once },
        ),
    ]
}
