//! The create protocol (reliability.md A6.1; `sync::send`, `sync::lookup`, `sync::ack`, `sync::matching`): one record of
//! the App becomes exactly one object in Xero, whatever is lost on the way.
//!
//! Two workers share one intent under a lease. Each of their steps is one transaction or one call of the code; between any
//! two of them any time may pass (a frozen process), the lease may be taken over, the process may die. Xero may apply a
//! request and answer, apply it and lose the answer, apply it up to four minutes later, never get it, fail with a 500
//! before or after it committed (kept under the key), refuse it, limit it, answer what cannot be read; and its lists lag
//! up to a minute. A pull may find the object by its mark at any time and adopt it.
//!
//! *Sent* means the moment at which the deadline was checked: how long a process is frozen between that check and the
//! socket, and how long the request is on its way, count together against the four minutes.

use super::create_state::{Intent, Pc, State};
use super::{Expected, Machine, Report, Size, Step};

/// At most one object for a record (I-S1).
pub const ONE_OBJECT: &str = "a record never becomes two objects in xero";
/// A mapping vouches for an object.
pub const LINKED_TO_SOMETHING: &str = "a linked record has its object in xero";
/// What a person is told is true.
pub const REFUSED_IS_ABSENT: &str = "a record listed as refused is not in xero";

/// Times, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A request may be sent again while it is younger: `resend_within_s`, 90 s.
    pub resend_within: u8,
    /// How long after it was made durable a request may leave: `send_within_s`, 20 s.
    pub send_within: u8,
    /// How long after it left a request may still be applied, in the engine's belief: `lands_within_s`, 240 s.
    pub lands_within: u8,
    /// The same in truth.
    pub really_lands_within: u8,
    /// Between two look-ups that find nothing: `look_gap_s`, 60 s.
    pub look_gap: u8,
    /// How long Xero's lists lag at most, 60 s.
    pub lag: u8,
    /// How long Xero remembers a key, 360 s.
    pub key_memory: u8,
    /// How long a lease holds without renewal, 60 s.
    pub lease: u8,
    /// How far the clock of whoever sends again is behind that of whoever sent, and that of whoever looks ahead of it.
    pub skew: u8,
}

impl Times {
    /// Ticks of 30 seconds.
    pub const COARSE: Self = Self {
        resend_within: 3,
        send_within: 1,
        lands_within: 8,
        really_lands_within: 8,
        look_gap: 2,
        lag: 2,
        key_memory: 12,
        lease: 2,
        skew: 0,
    };
    /// Ticks of 20 seconds.
    pub const FINE: Self = Self {
        resend_within: 5,
        send_within: 1,
        lands_within: 12,
        really_lands_within: 12,
        look_gap: 3,
        lag: 3,
        key_memory: 18,
        lease: 3,
        skew: 0,
    };

    /// Ticks of 5 seconds, and clocks that are 10 seconds apart.
    pub const FINEST: Self = Self {
        resend_within: 18,
        send_within: 4,
        lands_within: 48,
        really_lands_within: 48,
        look_gap: 12,
        lag: 12,
        key_memory: 72,
        lease: 12,
        skew: 2,
    };

    /// After this age of the last sending nothing can land any more: `Engine::landed_after`.
    pub(super) fn landed_after(&self) -> u8 {
        self.lands_within + self.send_within
    }
}

/// The rule that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// None.
    Right,
    /// The look-up counts from the first sending.
    LookFromFirst,
    /// A look-up that finds nothing counts while a request may still land.
    LookTooEarly,
    /// One look-up that finds nothing is enough.
    OneLook,
    /// A look-up that failed counts as one that found nothing.
    FailedLookIsEmpty,
    /// Sent again under a new key, without a look-up.
    KeyPerRetry,
    /// A 500 is retried with the same key until something else comes.
    SameKeyAfter500,
    /// A 500 is retried at once with a new key.
    NewKeyAfter500,
    /// Transactions do not prove the lease.
    NoFence,
    /// A worker that was frozen sends what it was about to send.
    NoDeadline,
    /// The deadline counts from later than the time that is written down as the sending.
    DeadlineAfterStamp,
    /// The record is linked when the request is made durable.
    LinkedBeforeReply,
    /// An element in error in a 200 is taken for a success.
    ErrorIsSuccess,
    /// 429 and the like, after an earlier copy, are taken for "not applied".
    UnsentAfterResend,
}

/// The machine.
#[derive(Debug, Clone, Copy)]
pub struct Create {
    /// Times.
    pub times: Times,
    /// Its rules.
    pub variant: Variant,
    /// How many things may go wrong: crashes, and answers other than success.
    pub faults: u8,
    /// One worker or two.
    pub workers: u8,
    /// Leaves out what a worker that has lost its lease goes through before it notices that it may write nothing.
    pub is_terse: bool,
}

impl Machine for Create {
    type State = State;

    fn initial(&self) -> Vec<State> {
        vec![State::planned(self.faults)]
    }

    fn next(&self, state: &State, steps: &mut Vec<Step<State>>) {
        for worker in 0..usize::from(self.workers) {
            self.work(state, worker, steps);
        }
        self.xero(state, steps);
        self.pass_time(state, steps);
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        if state.objects > 1 {
            Some(ONE_OBJECT)
        } else if state.intent == Intent::Done && state.objects == 0 {
            Some(LINKED_TO_SOMETHING)
        } else if state.intent == Intent::Refused && state.objects > 0 {
            Some(REFUSED_IS_ABSENT)
        } else {
            None
        }
    }

    fn is_rest(&self, state: &State) -> bool {
        let is_ended = matches!(state.intent, Intent::Done | Intent::Refused);
        let is_idle = state.workers.iter().all(|worker| worker.pc == Pc::Idle);
        is_ended && is_idle && state.copies == [None; 2]
    }

    fn landmarks(&self) -> &'static [&'static str] {
        &[
            "linked, and everybody idle",
            "sent anew under a new key",
            "a lease taken over from a worker at work",
            "a frozen worker still holds a request of an earlier attempt",
            "two copies on their way at once",
            "refused by xero and listed",
            "made, but looked for after its key was forgotten",
        ]
    }

    fn passes(&self, state: &State) -> u64 {
        let is_at_work = |at: usize| state.workers[at].pc != Pc::Idle;
        let is_earlier = |at: usize| state.workers[at].pc == Pc::Ready && state.workers[at].key > 0;
        let is_alone = self.workers < 2;
        let bits = [
            state.intent == Intent::Done && !is_at_work(0) && !is_at_work(1),
            state.is_anew && state.intent == Intent::Sending,
            is_alone || (is_at_work(0) && is_at_work(1)),
            is_alone || is_earlier(0) || is_earlier(1),
            self.faults < 2 || state.copies.iter().all(Option::is_some),
            state.intent == Intent::Refused,
            state.objects == 1 && state.intent == Intent::Unknown && state.kept == [None; 3],
        ];
        bits.iter().enumerate().fold(0, |sum, (bit, is_so)| sum | u64::from(*is_so) << bit)
    }
}

/// The machine as it is, its wrong variants, and the world outside the bounds.
pub fn reports(size: Size) -> Vec<Report> {
    let is_full = size == Size::Full;
    let of = |rules, expected, machine: Create| Report::of("create", rules, expected, &machine);
    let holds = |rules, states, machine| of(rules, Expected::Holds { states }, machine);
    let times = Times::COARSE;
    let right = Create { times, variant: Variant::Right, workers: 2, faults: 1, is_terse: true };
    let mut reports = Vec::new();
    if is_full {
        let two = Create { faults: 2, is_terse: false, ..right };
        reports.push(holds("right; 30 s, 2 workers, 2 faults, every step said", 4_000_000, two));
        reports.push(holds("right; 30 s, 2 workers, 3 faults", 2_000_000, Create { faults: 3, ..right }));
        reports.push(holds("right; 20 s, 2 workers, 1 fault", 990_000, Create { times: Times::FINE, ..right }));
    } else {
        reports.push(holds("right; 30 s, 2 workers, 1 fault", 250_000, right));
    }
    // Small machines show most of it; the full run looks for it among two workers.
    let small = |faults, machine| Create { workers: if is_full { 2 } else { 1 }, faults, ..machine };
    let two = Expected::Breaks(ONE_OBJECT);
    let wrong = [
        ("look-up counted from the first sending", two, 2, Variant::LookFromFirst),
        ("look-up counted while a request may land", two, 1, Variant::LookTooEarly),
        ("one empty look-up is trusted", two, 1, Variant::OneLook),
        ("a failed look-up counts as empty", two, 2, Variant::FailedLookIsEmpty),
        ("a new key for each retry", two, 1, Variant::KeyPerRetry),
        ("500 retried with the same key until answered", two, 1, Variant::SameKeyAfter500),
        ("500 retried at once with a new key", two, 1, Variant::NewKeyAfter500),
        ("deadline not checked by a thawed worker", two, 1, Variant::NoDeadline),
        ("deadline counted from later than the noted time", two, 1, Variant::DeadlineAfterStamp),
        ("429 after a lost copy taken for not applied", two, 1, Variant::UnsentAfterResend),
        ("linked before the reply", Expected::Breaks(LINKED_TO_SOMETHING), 1, Variant::LinkedBeforeReply),
        ("an element in error taken for success", Expected::Breaks(LINKED_TO_SOMETHING), 1, Variant::ErrorIsSuccess),
    ];
    for (rules, expected, faults, variant) in wrong {
        reports.push(of(rules, expected, small(faults, Create { variant, ..right })));
    }
    let no_fence = Create { variant: Variant::NoFence, is_terse: false, ..right };
    reports.push(of("fence not checked", two, no_fence));
    let timed = |faults, times| small(faults, Create { times, ..right });
    reports.push(of("sent again up to 4 min 50 s", two, timed(2, Times { resend_within: 10, ..times })));
    reports.push(of("sent again up to 7 min", two, timed(1, Times { resend_within: 14, ..times })));
    if is_full {
        reports.extend(skewed());
    }
    let outside = Expected::BreaksOutside(ONE_OBJECT);
    let late = Times { really_lands_within: 16, ..times };
    reports.push(of("right, but frozen 4 min before the socket and 4 min on the way", outside, timed(1, late)));
    reports.push(of("right, but clocks are 10 min apart", outside, timed(1, Times { skew: 20, ..times })));
    reports.push(of("right, but lists lag 4 min", outside, timed(1, Times { lag: 8, ..times })));
    reports.push(of("right, but keys are kept 4 min", outside, timed(1, Times { key_memory: 8, ..times })));
    reports
}

/// Machines whose clocks are ten seconds apart, in ticks of five.
fn skewed() -> [Report; 2] {
    let of = |rules, expected, times| {
        let machine = Create { times, variant: Variant::Right, workers: 1, faults: 1, is_terse: true };
        Report::of("create", rules, expected, &machine)
    };
    let spare = Times { lands_within: Times::FINEST.lands_within + 2, ..Times::FINEST };
    [
        of("clocks 10 s apart, 10 s to spare; 5 s, 1 worker, 1 fault", Expected::Holds { states: 5_000_000 }, spare),
        of("clocks 10 s apart, look-up without spare for it", Expected::Breaks(ONE_OBJECT), Times::FINEST),
    ]
}
