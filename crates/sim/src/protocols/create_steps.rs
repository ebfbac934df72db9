//! Everything that may happen in the create protocol.

use super::Step;
use super::create::{Create, Variant};
use super::create_state::{Copied, Got, IDLE, Intent, Kept, Pc, State, Worker};

const WORKERS: [&str; 2] = ["A", "B"];

/// Collects what may happen next.
struct Next<'a> {
    from: &'a State,
    is_terse: bool,
    by: &'static str,
    steps: &'a mut Vec<Step<State>>,
}

impl Next<'_> {
    fn add(&mut self, what: &'static str, change: impl FnOnce(&mut State)) {
        let mut to = *self.from;
        change(&mut to);
        if self.is_terse {
            to.let_go();
        }
        to.forget();
        self.steps.push(Step { by: self.by, what, to });
    }

    /// Something that goes wrong, as long as something may.
    fn fault(&mut self, what: &'static str, change: impl FnOnce(&mut State)) {
        if self.from.faults > 0 {
            self.add(what, |to| {
                to.faults -= 1;
                change(to);
            });
        }
    }
}

impl Create {
    /// What a worker may do next.
    pub(super) fn work(&self, state: &State, at: usize, steps: &mut Vec<Step<State>>) {
        let mut next = Next { from: state, is_terse: self.is_terse, by: WORKERS[at], steps };
        let pc = state.workers[at].pc;
        if pc != Pc::Idle {
            next.fault("dies", |to| to.workers[at] = IDLE);
        }
        match pc {
            Pc::Idle => {
                // Two idle workers are alike: then it is the first who goes on.
                let is_next = at == 0 || (self.workers == 2 && state.workers[0].pc != Pc::Idle);
                if is_next && state.is_open() && (state.holder.is_none() || state.lease >= self.times.lease) {
                    next.add("takes the lease", |to| {
                        (to.holder, to.lease) = (Some(at as u8), 0);
                        to.workers[at].pc = Pc::Round;
                    });
                }
            }
            Pc::Ready => self.transmit(state, at, &mut next),
            Pc::Round if state.intent == Intent::Unknown && !state.is_sending => self.look(state, at, &mut next),
            // Everything else records an effect, or is about to: with the fence in its transaction.
            Pc::Round | Pc::Stamped | Pc::Got(_) => {
                if state.holder == Some(at as u8) || self.variant == Variant::NoFence {
                    self.commit(state, at, &mut next);
                } else {
                    next.add("LeaseLost: writes nothing", |to| to.workers[at] = IDLE);
                }
            }
        }
    }

    /// One transaction of whoever has the lease.
    fn commit(&self, state: &State, at: usize, next: &mut Next<'_>) {
        match state.workers[at].pc {
            Pc::Round => self.recover_or_plan(state, at, next),
            Pc::Stamped if state.intent != Intent::Planned => next.add("begin_send: not planned any more", |to| {
                to.workers[at].pc = Pc::Round;
            }),
            Pc::Stamped => next.add("begin_send: bytes, key and time are durable", |to| {
                let worker = &mut to.workers[at];
                (to.first, to.last) = (worker.age, worker.age);
                worker.pc = Pc::Ready;
                worker.key = 0;
                if self.variant == Variant::DeadlineAfterStamp {
                    worker.age = 0;
                }
                (to.intent, to.is_sending, to.is_resent) = (Intent::Sending, true, false);
                if self.variant == Variant::LinkedBeforeReply {
                    to.intent = Intent::Done;
                }
            }),
            Pc::Got(Got::Looked(is_there)) => self.looked(state, at, is_there, next),
            Pc::Got(got) => self.answered(state, at, got, next),
            Pc::Idle | Pc::Ready => {}
        }
    }

    /// `send::recover`, then what is planned.
    fn recover_or_plan(&self, state: &State, at: usize, next: &mut Next<'_>) {
        match state.intent {
            Intent::Sending if self.may_send_again(state) => self.note_again(at, next),
            Intent::Sending => Self::lose(at, next),
            Intent::Planned => next.add("reads the clock for a new request", |to| {
                to.workers[at] = Worker { pc: Pc::Stamped, age: 0, key: 0 };
            }),
            Intent::Unknown | Intent::Done | Intent::Refused => {
                next.add("has nothing to do: gives the lease back", |to| {
                    to.workers[at] = IDLE;
                    if to.holder == Some(at as u8) {
                        to.holder = None;
                    }
                })
            }
        }
    }

    /// `send::may_send_again`.
    fn may_send_again(&self, state: &State) -> bool {
        state.first < self.times.resend_within + self.times.skew
    }

    /// `send::note_again`: the same bytes under the same key, noted before they leave.
    fn note_again(&self, at: usize, next: &mut Next<'_>) {
        let is_new_key = self.variant == Variant::KeyPerRetry;
        next.add("note_again: will send the same bytes again", |to| {
            (to.is_resent, to.last) = (true, 0);
            if is_new_key {
                to.take_new_key();
            }
            to.workers[at] = Worker { pc: Pc::Ready, age: 0, key: 0 };
        });
    }

    /// `send::lose`: no answer, and sending again is not safe.
    fn lose(at: usize, next: &mut Next<'_>) {
        next.add("lose: it is looked for before anything else is done", |to| {
            to.is_sending = false;
            if to.intent == Intent::Sending {
                to.intent = Intent::Unknown;
            }
            to.workers[at].pc = Pc::Round;
        });
    }

    /// `send::deliver`, after the call, and `ack::acknowledge`.
    fn answered(&self, state: &State, at: usize, got: Got, next: &mut Next<'_>) {
        let is_success = got == Got::Made || (got == Got::Refused && self.variant == Variant::ErrorIsSuccess);
        if is_success {
            return next.add("acknowledge: linked", |to| {
                (to.intent, to.is_sending) = (Intent::Done, false);
                to.workers[at].pc = Pc::Round;
            });
        }
        let is_certain = matches!(got, Got::Refused | Got::Limited | Got::NotSent);
        if is_certain && (!state.is_resent || self.variant == Variant::UnsentAfterResend) {
            return if got == Got::Refused {
                next.add("refuse: listed for a person", |to| {
                    (to.intent, to.is_sending) = (Intent::Refused, false);
                    to.workers[at].pc = Pc::Round;
                });
            } else {
                next.add("unsend: known not applied, planned again", |to| {
                    if to.intent == Intent::Sending {
                        to.intent = Intent::Planned;
                    }
                    to.is_sending = false;
                    to.workers[at].pc = Pc::Round;
                });
            };
        }
        let is_answered = matches!(got, Got::Unreadable | Got::Failed);
        match (got, self.variant) {
            (Got::Failed, Variant::SameKeyAfter500) => self.note_again(at, next),
            (Got::Failed, Variant::NewKeyAfter500) => Self::replan(at, next),
            _ if is_answered || !self.may_send_again(state) => Self::lose(at, next),
            _ => self.note_again(at, next),
        }
    }

    /// The query of `lookup::look_for`; its result is judged in a transaction of its own, later.
    fn look(&self, state: &State, at: usize, next: &mut Next<'_>) {
        if state.absent.is_some_and(|age| age < self.times.look_gap) {
            return next.add("the next look is not due: gives the lease back", |to| {
                to.workers[at] = IDLE;
                if to.holder == Some(at as u8) {
                    to.holder = None;
                }
            });
        }
        let mut found = |what, is_there| next.add(what, |to| to.workers[at].pc = Pc::Got(Got::Looked(is_there)));
        if state.objects > 0 {
            found("looks: it is there", true);
        }
        if state.objects == 0 || state.object_age < self.times.lag {
            found("looks: it is not there", false);
        }
        if self.variant == Variant::FailedLookIsEmpty {
            next.fault("looks: the look-up fails", |to| to.workers[at].pc = Pc::Got(Got::Looked(false)));
        }
    }

    /// `lookup::adopt_found` and `lookup::found_nothing`.
    fn looked(&self, state: &State, at: usize, is_there: bool, next: &mut Next<'_>) {
        if state.intent != Intent::Unknown && self.variant != Variant::NoFence {
            return next.add("it has ended meanwhile", |to| to.workers[at].pc = Pc::Round);
        }
        if !state.is_open() {
            return next.add("it has ended meanwhile", |to| to.workers[at].pc = Pc::Round);
        }
        if is_there {
            return next.add("adopt_found: linked", |to| {
                to.intent = Intent::Done;
                to.workers[at].pc = Pc::Round;
            });
        }
        let since = if self.variant == Variant::LookFromFirst { state.first } else { state.last };
        let may_land = since.saturating_add(self.times.skew) <= self.times.landed_after();
        if may_land && self.variant != Variant::LookTooEarly {
            return next.add("found_nothing: it may still land", |to| {
                to.absent = None;
                to.workers[at].pc = Pc::Round;
            });
        }
        match state.absent {
            _ if self.variant == Variant::OneLook => Self::replan(at, next),
            Some(age) if age >= self.times.look_gap => Self::replan(at, next),
            Some(_) => next.add("found_nothing: again too soon", |to| to.workers[at].pc = Pc::Round),
            None => next.add("found_nothing: for the first time", |to| {
                to.absent = Some(0);
                to.workers[at].pc = Pc::Round;
            }),
        }
    }

    /// Planned again, as a new attempt with a new key.
    fn replan(at: usize, next: &mut Next<'_>) {
        next.add("replan: a new attempt, with a new key", |to| {
            (to.intent, to.is_sending) = (Intent::Planned, false);
            to.take_new_key();
            to.workers[at].pc = Pc::Round;
        });
    }

    /// The call itself, as far as its worker sees it.
    fn transmit(&self, state: &State, at: usize, next: &mut Next<'_>) {
        let Worker { age, key, .. } = state.workers[at];
        if age > self.times.send_within && self.variant != Variant::NoDeadline {
            return next.add("its deadline has passed: TooLate", |to| to.workers[at].pc = Pc::Got(Got::NotSent));
        }
        let slot = usize::from(key);
        let then = |to: &mut State, got| to.workers[at].pc = Pc::Got(got);
        next.add("sends; xero answers", |to| {
            let reply = to.arrive(key);
            then(to, reply);
        });
        next.fault("sends; xero gets it, the answer is lost", |to| {
            to.arrive(key);
            then(to, Got::Lost);
        });
        next.fault("sends; 429", |to| then(to, Got::Limited));
        next.fault("cannot connect", |to| then(to, Got::NotSent));
        if state.copies[1].is_none() {
            next.fault("sends; no answer, it is still on its way", |to| {
                to.copies[1] = Some(Copied { key, age: 0 });
                then(to, Got::Lost);
            });
        }
        if state.kept[slot].is_some() {
            return;
        }
        next.fault("sends; xero makes it, the 2xx cannot be read", |to| {
            to.arrive(key);
            then(to, Got::Unreadable);
        });
        let mut fails = |what, is_made: bool, reply| {
            next.fault(what, |to| {
                if is_made {
                    to.make();
                }
                to.kept[slot] = Some(Kept { reply, age: 0 });
                then(to, reply);
            });
        };
        fails("sends; 500 after it was made", true, Got::Failed);
        fails("sends; 500 before it was made", false, Got::Failed);
        fails("sends; refused", false, Got::Refused);
    }

    /// What happens at Xero unwatched, and the pull that reads Xero's lists.
    pub(super) fn xero(&self, state: &State, steps: &mut Vec<Step<State>>) {
        let mut next = Next { from: state, is_terse: self.is_terse, by: "xero", steps };
        for (at, copy) in state.copies.iter().enumerate() {
            let Some(copy) = copy else { continue };
            next.add("a late copy lands", |to| {
                to.copies[at] = None;
                to.arrive(copy.key);
            });
            next.add("a late copy is lost", |to| to.copies[at] = None);
        }
        let may_be_there = state.intent != Intent::Planned || state.is_anew;
        if state.objects == 1 && state.is_open() && may_be_there {
            next.by = "pull";
            next.add("adopts the object by its mark", |to| to.intent = Intent::Done);
        }
    }

    /// A tick. Whoever holds the lease and is awake has renewed it meanwhile; whoever is frozen has not.
    pub(super) fn pass_time(&self, state: &State, steps: &mut Vec<Step<State>>) {
        let times = &self.times;
        let mut to = *state;
        let cap = (times.resend_within + times.skew).max(times.landed_after() + 1);
        let older = |age: &mut u8, most: u8| *age = (*age + 1).min(most);
        older(&mut to.first, cap);
        older(&mut to.last, cap);
        older(&mut to.lease, times.lease);
        older(&mut to.object_age, times.lag);
        if let Some(age) = &mut to.absent {
            older(age, times.look_gap);
        }
        for worker in &mut to.workers {
            let most = if worker.pc == Pc::Stamped { cap } else { times.send_within + 1 };
            older(&mut worker.age, most);
        }
        for copy in &mut to.copies {
            *copy = copy.map(|copy| Copied { age: copy.age + 1, ..copy });
            *copy = copy.filter(|copy| copy.age <= times.really_lands_within);
        }
        for kept in &mut to.kept {
            *kept = kept.map(|kept| Kept { age: kept.age + 1, ..kept }).filter(|kept| kept.age < times.key_memory);
        }
        to.forget();
        let is_awake = state.holder.is_some_and(|holder| state.workers[usize::from(holder)].pc != Pc::Idle);
        if is_awake {
            steps.push(Step { by: "time", what: "passes, keep_lease renews", to: State { lease: 0, ..to } });
        }
        if to != *state {
            steps.push(Step { by: "time", what: "passes, nobody renews", to });
        }
    }
}
