//! Everything that may happen in the refresh protocol.

use super::Step;
use super::refresh::{Grace, NO_OVERWRITE, NO_STORM, NOT_DELETED, ONE_REFRESHER, Refresh, Variant};
use super::refresh_state::{GRACE, IDLE, Pc, State, Token, Worker};

/// `LEASE_S`: 60 s.
const LEASE: u8 = 2;
/// How long a process is down, or frozen, at most.
const AWAY: u8 = 3;
/// How long a request that nobody waits for may still be on its way.
const LATE: u8 = 3;
const WORKERS: [&str; 2] = ["A", "B"];

/// Collects what may happen next.
struct Next<'a> {
    from: &'a State,
    by: &'static str,
    steps: &'a mut Vec<Step<State>>,
}

impl Next<'_> {
    fn add(&mut self, what: &'static str, change: impl FnOnce(&mut State)) {
        let mut to = *self.from;
        change(&mut to);
        self.steps.push(Step { by: self.by, what, to });
    }

    fn loss(&mut self, what: &'static str, change: impl FnOnce(&mut State)) {
        if self.from.losses > 0 {
            self.add(what, |to| {
                to.losses -= 1;
                change(to);
            });
        }
    }
}

impl Refresh {
    /// Whether Xero would take the token now.
    pub(super) fn works(&self, state: &State, token: Token) -> bool {
        match token {
            Token::Dead => false,
            Token::Used => self.grace != Grace::Strict && state.used < GRACE,
            Token::Next(_) => true,
        }
    }

    /// Xero is asked to refresh with a token: the successor, or none for `invalid_grant`.
    fn ask(&self, to: &mut State, token: Token) -> Option<Token> {
        if !self.works(to, token) {
            return None;
        }
        if let Token::Next(_) = token {
            // The first use ends its parent and its siblings.
            to.rename(|other| if other == token { Token::Used } else { Token::Dead });
            to.used = 0;
        } else {
            match self.grace {
                Grace::Same if to.last_given != Token::Dead => return Some(to.last_given),
                Grace::Newest => to.rename(|other| if other == Token::Used { Token::Used } else { Token::Dead }),
                _ => {}
            }
        }
        to.last_given = to.free_name();
        Some(to.last_given)
    }

    fn lease_ticks(&self) -> u8 {
        if self.variant == Variant::ShortLock { 1 } else { LEASE }
    }

    fn may_take_lease(&self, state: &State) -> bool {
        state.holder.is_none() || state.lease >= self.lease_ticks()
    }

    fn has_to_refresh(&self, state: &State) -> bool {
        (!state.has_ended || self.variant == Variant::AsksAgain) && (!state.is_fresh || state.is_begun)
    }

    /// What a process may do next.
    pub(super) fn work(&self, state: &State, at: usize, steps: &mut Vec<Step<State>>) {
        let worker = &state.workers[at];
        let mut next = Next { from: state, by: WORKERS[at], steps };
        if worker.is_frozen {
            return next.add("thaws", |to| {
                to.workers[at].is_frozen = false;
                to.workers[at].was_frozen = true;
                to.workers[at].age = 0;
            });
        }
        if state.crashes > 0 && worker.pc != Pc::Down {
            next.add("dies", |to| {
                to.crashes -= 1;
                to.workers[at] = Worker { pc: Pc::Down, ..IDLE };
            });
        }
        if state.freezes > 0 && !matches!(worker.pc, Pc::Down | Pc::Idle | Pc::Flying) {
            next.add("is frozen", |to| {
                to.freezes -= 1;
                to.workers[at].is_frozen = true;
                to.workers[at].age = 0;
            });
        }
        match worker.pc {
            Pc::Down => next.add("is started again", |to| to.workers[at] = IDLE),
            Pc::Idle => {
                if self.has_to_refresh(state) && self.may_take_lease(state) {
                    next.add("takes the lease of the refresh", |to| {
                        (to.holder, to.lease) = (Some(at as u8), 0);
                        to.workers[at] = Worker { pc: Pc::Locked, ..IDLE };
                    });
                }
            }
            Pc::Locked => self.begin(state, at, &mut next),
            Pc::Ready if self.is_fenced && worker.was_frozen => {
                next.add("its deadline has passed: asks nothing", |to| to.leave(at));
            }
            Pc::Ready => next.add("asks xero (T2)", |to| {
                to.workers[at].pc = Pc::Flying;
                to.workers[at].age = 0;
                let is_other = |other: &Worker| other.pc == Pc::Flying && !other.was_frozen;
                if !to.workers[at].was_frozen {
                    if to.has_ended {
                        to.broken = Some(NO_STORM);
                    } else if to.workers.iter().filter(|other| is_other(other)).count() > 1 {
                        to.broken = Some(ONE_REFRESHER);
                    }
                }
            }),
            Pc::Flying => self.fly(state, at, &mut next),
            Pc::Unanswered => self.try_again(state, at, &mut next),
            Pc::GivenUp => self.abandon(state, at, &mut next),
            Pc::Refused => self.refused(state, at, &mut next),
            Pc::Saving if self.variant == Variant::SavedAfterUse => {
                next.add("uses the new pair", |to| to.workers[at].pc = Pc::Using);
            }
            Pc::Saving | Pc::Using => self.save(state, at, &mut next),
        }
    }

    /// `refresh`: the row is read again under the lease, and the intent made durable (T1).
    fn begin(&self, state: &State, at: usize, next: &mut Next<'_>) {
        if !self.has_to_refresh(state) {
            return next.add("the last holder has just finished", |to| to.leave(at));
        }
        if !state.holds(at) {
            return next.add("LeaseLost", |to| to.leave(at));
        }
        next.add("begin_refresh: the intent is durable (T1)", |to| {
            let was_begun = to.is_begun;
            to.is_begun = self.variant != Variant::NoIntent;
            to.lease = 0;
            let worker = &mut to.workers[at];
            worker.pc = Pc::Ready;
            worker.is_newest = true;
            worker.token = state.current;
            worker.before = state.previous;
            worker.was_begun = was_begun;
            worker.tries = 1;
        });
    }

    /// The request, and what comes of it.
    fn fly(&self, state: &State, at: usize, next: &mut Next<'_>) {
        let token = state.workers[at].token;
        let answer = |to: &mut State| {
            let given = self.ask(to, token);
            let worker = &mut to.workers[at];
            worker.age = 0;
            match given {
                Some(fresh) => (worker.pc, worker.fresh) = (Pc::Saving, fresh),
                None => worker.pc = Pc::Refused,
            }
        };
        next.add("xero answers", answer);
        let unanswered = |to: &mut State| {
            to.workers[at].pc = Pc::Unanswered;
            to.workers[at].may_have_rotated = true;
            to.workers[at].age = 0;
        };
        next.loss("xero answers, the answer is lost", |to| {
            self.ask(to, token);
            unanswered(to);
        });
        next.loss("it is not sent", |to| {
            to.workers[at].pc = Pc::Unanswered;
            to.workers[at].age = 0;
        });
        if self.may_be_late && state.late.is_none() {
            next.loss("no answer, the request is still on its way", |to| {
                to.late = Some((token, 0));
                unanswered(to);
            });
        }
        if state.crashes > 0 {
            next.add("dies, and xero answers", |to| {
                to.crashes -= 1;
                self.ask(to, token);
                to.workers[at] = Worker { pc: Pc::Down, ..IDLE };
            });
        }
    }

    /// `send`: the same token again while nobody knows, with the lease proved before each try.
    fn try_again(&self, state: &State, at: usize, next: &mut Next<'_>) {
        let worker = &state.workers[at];
        if worker.tries == 0 {
            if worker.is_previous || worker.was_begun || worker.may_have_rotated {
                return next.add("gives up for now; the intent stays", |to| {
                    to.leave(at);
                    to.workers[at].is_tired = true;
                });
            }
            return next.add("knows that nothing was sent", |to| to.workers[at].pc = Pc::GivenUp);
        }
        if state.holds(at) {
            next.add("proves the lease and tries again", |to| {
                to.lease = 0;
                to.workers[at].pc = Pc::Ready;
                to.workers[at].tries -= 1;
            });
        } else {
            next.add("LeaseLost", |to| to.leave(at));
        }
    }

    /// `abandon_refresh`.
    fn abandon(&self, state: &State, at: usize, next: &mut Next<'_>) {
        if !state.holds(at) && self.variant != Variant::AbandonedWithoutFence {
            return next.add("LeaseLost", |to| to.leave(at));
        }
        next.add("abandon_refresh: the intent is taken back", |to| {
            if to.workers[at].is_newest {
                to.is_begun = false;
            }
            to.leave(at);
            to.workers[at].is_tired = true;
        });
    }

    /// `refused`: `invalid_grant`.
    fn refused(&self, state: &State, at: usize, next: &mut Next<'_>) {
        let worker = &state.workers[at];
        if self.variant == Variant::InvalidDeletes {
            return next.add("deletes the tokens", |to| to.broken = Some(NOT_DELETED));
        }
        if !worker.is_newest && state.is_fresh && !state.is_begun {
            return next.add("somebody has saved newer tokens: uses those", |to| to.leave(at));
        }
        let has_previous = !worker.is_previous && worker.before.is_some();
        let is_proved = !(has_previous && self.variant == Variant::PreviousUnproved);
        if is_proved && !state.holds(at) {
            return next.add("LeaseLost", |to| to.leave(at));
        }
        if has_previous {
            return next.add("will try the token before", |to| {
                if is_proved {
                    to.lease = 0;
                }
                let worker = &mut to.workers[at];
                worker.token = worker.before.unwrap_or(Token::Dead);
                worker.before = None;
                (worker.is_previous, worker.tries, worker.pc) = (true, 1, Pc::Ready);
            });
        }
        next.add("mark_needs_reconnect", |to| {
            if to.workers[at].is_newest {
                (to.has_ended, to.is_begun) = (true, false);
            }
            to.leave(at);
        });
    }

    /// `save`, with or without the lease: as long as no newer generation is there, these are the newest tokens (T3).
    fn save(&self, state: &State, at: usize, next: &mut Next<'_>) {
        let worker = state.workers[at];
        let is_checked = self.variant != Variant::NoGeneration;
        if self.is_fenced && !state.holds(at) && worker.is_newest {
            return next.add("LeaseLost: the holder asks again with the same token", |to| to.leave(at));
        }
        if worker.is_newest || !is_checked {
            return next.add("finish_refresh: the new pair is durable (T3)", |to| {
                if !worker.is_newest {
                    to.broken = Some(NO_OVERWRITE);
                }
                (to.current, to.previous) = (worker.fresh, Some(worker.token));
                (to.is_begun, to.is_fresh, to.has_ended) = (false, true, false);
                for other in &mut to.workers {
                    other.is_newest = false;
                }
                to.leave(at);
            });
        }
        next.add("a newer generation is there: drops its pair", |to| to.leave(at));
    }

    /// Xero's late requests, the end of the access token, and time.
    pub(super) fn world(&self, state: &State, steps: &mut Vec<Step<State>>) {
        let mut next = Next { from: state, by: "xero", steps };
        if let Some((token, _)) = state.late {
            next.add("a late request arrives", |to| {
                to.late = None;
                self.ask(to, token);
            });
            next.add("a late request is lost", |to| to.late = None);
        }
        next.by = "time";
        if state.is_fresh && state.expiries > 0 {
            next.add("the access token ends", |to| {
                to.is_fresh = false;
                to.expiries -= 1;
            });
        }
        let may_wait = |worker: &Worker| match worker.pc {
            _ if worker.is_frozen => worker.age < AWAY,
            Pc::Down => worker.age < AWAY,
            Pc::Flying => worker.age < 1,
            Pc::Using => true,
            // What was begun is finished first of all (`finish_open_refreshes`, `keep_tokens`); the rest may wait.
            Pc::Idle => worker.is_tired || !state.is_begun || state.has_ended || !self.may_take_lease(state),
            _ => false,
        };
        if !state.workers.iter().all(may_wait) {
            return;
        }
        next.add("passes", |to| {
            to.used = (to.used + 1).min(GRACE);
            to.lease = if to.holder.is_some() { (to.lease + 1).min(LEASE) } else { 0 };
            to.late = to.late.map(|(token, age)| (token, age + 1)).filter(|(_, age)| *age <= LATE);
            for worker in &mut to.workers {
                worker.is_tired = false;
                if worker.is_frozen || matches!(worker.pc, Pc::Down | Pc::Flying) {
                    worker.age += 1;
                }
            }
        });
    }
}
