//! Leases and fences (reliability.md A6.6; `store::leases`, `push::keep_lease`, `send::not_after`): several workers, one of
//! which may write.
//!
//! A worker takes the lease, proves it in the transaction that makes a request durable, sends within the deadline that
//! began then, and proves it again in the transaction that records the answer. It may be frozen anywhere, for any time;
//! its clock may be wrong by more than a lease. A tick is ten seconds.

use super::{Expected, Machine, Report, Size, Step};

/// No worker writes to Xero while another one may.
pub const ONE_WRITER: &str = "a write leaves only while its worker holds the lease";
/// I-J1.
pub const ONE_RECORDER: &str = "an effect is recorded only by whoever holds the newest fence";

/// `lease_s`: 60 s.
const LEASE: i8 = 6;
/// `send_within_s`: 20 s.
const SEND_WITHIN: i8 = 2;
/// How far the second worker's clock is ahead.
const AHEAD: i8 = 7;
const WORKERS: [&str; 4] = ["A", "B", "C", "D"];

/// The rule that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// None.
    Right,
    /// The lease's end is written and read by the workers' clocks.
    WorkersClock,
    /// A renewal does not ask for the fence.
    RenewedWithoutFence,
    /// The fence does not stand in the statement that records an effect.
    RecordedWithoutFence,
    /// The lease is given back whoever holds it.
    ReleasedWithoutFence,
    /// The lease is proved once, then everything is sent.
    ProvedOnce,
    /// What was proved may be sent for longer than a lease holds.
    LongDeadline,
    /// A call may last for ever, and the lease is renewed meanwhile.
    NoTimeout,
}

/// The machine.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// Its rules.
    pub variant: Variant,
    /// How many workers.
    pub workers: u8,
    /// How many effects there are to record.
    pub effects: u8,
    /// How often a worker may die, or a call hang.
    pub faults: u8,
}

/// Where a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pc {
    /// Without a lease.
    Idle,
    /// With a lease, as far as it knows.
    Working,
    /// The lease was proved so long ago, and a request is about to leave.
    Proved(i8),
    /// The request is on its way.
    Sent,
    /// No answer comes.
    Hangs,
    /// There is an answer to record.
    Answered,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    workers: [Pc; 4],
    /// Whose fence is the newest.
    holder: Option<u8>,
    /// Until the lease's end, by the database's clock.
    left: i8,
    effects: u8,
    faults: u8,
    broken: Option<&'static str>,
}

impl Machine for Leases {
    type State = State;

    fn initial(&self) -> Vec<State> {
        let (effects, faults) = (self.effects, self.faults);
        vec![State { workers: [Pc::Idle; 4], holder: None, left: 0, effects, faults, broken: None }]
    }

    fn next(&self, state: &State, steps: &mut Vec<Step<State>>) {
        for at in 0..usize::from(self.workers) {
            self.work(state, at, steps);
        }
        self.pass_time(state, steps);
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        state.broken
    }

    fn is_rest(&self, state: &State) -> bool {
        state.effects == 0 && state.workers == [Pc::Idle; 4]
    }

    fn landmarks(&self) -> &'static [&'static str] {
        &[
            "two workers at work",
            "every worker at work",
            "two answers to record",
            "an expired lease that is still proved",
        ]
    }

    fn passes(&self, state: &State) -> u64 {
        let count = |is_so: fn(&Pc) -> bool| state.workers.iter().filter(|pc| is_so(pc)).count();
        let working = count(|pc| *pc != Pc::Idle);
        let bits = [
            working > 1,
            working == usize::from(self.workers),
            count(|pc| *pc == Pc::Answered) > 1,
            state.left == 0 && state.holder.is_some_and(|holder| state.workers[usize::from(holder)] == Pc::Working),
        ];
        bits.iter().enumerate().fold(0, |sum, (bit, is_so)| sum | u64::from(*is_so) << bit)
    }
}

impl Leases {
    fn work(&self, state: &State, at: usize, steps: &mut Vec<Step<State>>) {
        let mut add = |what, change: &dyn Fn(&mut State)| {
            let mut to = *state;
            change(&mut to);
            steps.push(Step { by: WORKERS[at], what, to });
        };
        let pc = state.workers[at];
        let holds = state.holder == Some(at as u8);
        let set = |to: &mut State, pc| to.workers[at] = pc;
        if pc != Pc::Idle && state.faults > 0 {
            add("dies", &|to| {
                to.faults -= 1;
                set(to, Pc::Idle);
            });
        }
        if !matches!(pc, Pc::Idle | Pc::Working) && state.faults > 0 {
            // `ReleaseOnDrop`: whoever asked for the run went away.
            add("is dropped, and gives the lease back", &|to| {
                to.faults -= 1;
                self.release(to, at);
            });
        }
        match pc {
            Pc::Idle => {
                if state.effects > 0 && self.has_ended(state, at) {
                    add("acquire_lease: a new fence", &|to| {
                        to.holder = Some(at as u8);
                        self.renew(to, at);
                        set(to, Pc::Working);
                    });
                }
            }
            Pc::Working if state.effects == 0 => add("release_lease", &|to| self.release(to, at)),
            Pc::Working if holds || self.variant == Variant::RenewedWithoutFence => {
                add("hold_lease: a request is durable (P1)", &|to| {
                    self.renew(to, at);
                    set(to, Pc::Proved(0));
                });
            }
            Pc::Proved(age) if age > self.send_within() => add("TooLate: sends nothing", &|to| set(to, Pc::Working)),
            Pc::Proved(_) => {
                let send = |to: &mut State, pc| {
                    if !holds {
                        to.broken = Some(ONE_WRITER);
                    }
                    set(to, pc);
                };
                add("sends (P2)", &|to| send(to, Pc::Sent));
                if state.faults > 0 {
                    add("sends (P2), and no answer comes", &|to| {
                        to.faults -= 1;
                        send(to, Pc::Hangs);
                    });
                }
            }
            Pc::Sent => add("gets its answer", &|to| set(to, Pc::Answered)),
            Pc::Hangs if self.variant == Variant::NoTimeout => {}
            Pc::Hangs => add("gives up waiting after 30 s", &|to| set(to, Pc::Working)),
            Pc::Answered if holds || self.variant == Variant::RecordedWithoutFence => {
                add("hold_lease: the effect is recorded (P3)", &|to| {
                    if !holds {
                        to.broken = Some(ONE_RECORDER);
                    }
                    self.renew(to, at);
                    to.effects = to.effects.saturating_sub(1);
                    set(to, Pc::Working);
                });
                if self.variant == Variant::ProvedOnce {
                    add("goes on to its next request", &|to| set(to, Pc::Proved(0)));
                }
            }
            Pc::Working | Pc::Answered => add("LeaseLost: writes nothing", &|to| set(to, Pc::Idle)),
        }
    }

    fn release(&self, to: &mut State, at: usize) {
        if to.holder == Some(at as u8) || self.variant == Variant::ReleasedWithoutFence {
            (to.holder, to.left) = (None, 0);
        }
        to.workers[at] = Pc::Idle;
    }

    /// Whether this worker takes the lease for ended.
    fn has_ended(&self, state: &State, at: usize) -> bool {
        state.holder.is_none() || state.left <= self.ahead(at)
    }

    /// How far a worker's clock counts as ahead of the database's.
    fn ahead(&self, at: usize) -> i8 {
        if self.variant == Variant::WorkersClock && at == 1 { AHEAD } else { 0 }
    }

    fn renew(&self, to: &mut State, at: usize) {
        to.left = LEASE + self.ahead(at);
    }

    fn send_within(&self) -> i8 {
        if self.variant == Variant::LongDeadline { LEASE + 2 } else { SEND_WITHIN }
    }

    /// A tick: whoever holds the lease and is awake may have renewed it (`keep_lease`); whoever is frozen has not.
    fn pass_time(&self, state: &State, steps: &mut Vec<Step<State>>) {
        let mut to = *state;
        to.left = (to.left - 1).max(0);
        for pc in &mut to.workers {
            if let Pc::Proved(age) = pc {
                *age = (*age + 1).min(self.send_within() + 1);
            }
        }
        let holder = state.holder.filter(|holder| state.workers[usize::from(*holder)] != Pc::Idle);
        if let Some(holder) = holder {
            let mut renewed = to;
            self.renew(&mut renewed, usize::from(holder));
            steps.push(Step { by: "time", what: "passes, keep_lease renews", to: renewed });
        }
        let is_hung = holder.is_some_and(|holder| state.workers[usize::from(holder)] == Pc::Hangs);
        // A worker that waits for an answer is awake.
        if to != *state && !is_hung {
            steps.push(Step { by: "time", what: "passes, nobody renews", to });
        }
    }
}

/// The machine as it is, and its wrong variants.
pub fn reports(size: Size) -> Vec<Report> {
    let of = |rules, expected, machine: Leases| Report::of("lease", rules, expected, &machine);
    let right = Leases { variant: Variant::Right, workers: 3, effects: 3, faults: 2 };
    let mut reports = vec![of("right; 3 workers, 2 faults", Expected::Holds { states: 30_000 }, right)];
    if size == Size::Full {
        let four = Leases { workers: 4, faults: 3, ..right };
        reports.push(of("right; 4 workers, 3 faults", Expected::Holds { states: 270_000 }, four));
    }
    let (writer, recorder) = (Expected::Breaks(ONE_WRITER), Expected::Breaks(ONE_RECORDER));
    let wrong = [
        ("the lease by the workers' clocks", writer, Variant::WorkersClock),
        ("renewed without the fence", writer, Variant::RenewedWithoutFence),
        ("recorded without the fence", recorder, Variant::RecordedWithoutFence),
        ("given back without the fence", writer, Variant::ReleasedWithoutFence),
        ("proved once for several writes", writer, Variant::ProvedOnce),
        ("a deadline longer than the lease", writer, Variant::LongDeadline),
        ("calls that may last for ever", Expected::Breaks(super::explore::STUCK), Variant::NoTimeout),
    ];
    reports.extend(wrong.map(|(rules, expected, variant)| of(rules, expected, Leases { variant, ..right })));
    reports
}
