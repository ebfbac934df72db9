//! The state of the create protocol: what is durable, what each worker holds in memory, what Xero holds, what is on its way.

/// How the intent stands (`store::IntentState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Nothing was sent.
    Planned,
    /// A request may be on its way.
    Sending,
    /// No answer; a look-up decides.
    Unknown,
    /// Linked.
    Done,
    /// Listed for a person.
    Refused,
}

/// What a worker holds in memory after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Got {
    /// A result.
    Made,
    /// A 2xx that cannot be read.
    Unreadable,
    /// A 500.
    Failed,
    /// A 400, or an element in error.
    Refused,
    /// A 429.
    Limited,
    /// Certainly not sent: refused connection, or its deadline had passed.
    NotSent,
    /// Nothing.
    Lost,
    /// A look-up's list, without the object or with it.
    Looked(bool),
}

/// Where a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pc {
    /// Nowhere: it holds nothing in memory.
    Idle,
    /// In a push round, before its next thing to do.
    Round,
    /// It has read the clock for a new request (`freeze_creates`).
    Stamped,
    /// The request is durable and about to leave (`transmit`).
    Ready,
    /// A call is over.
    Got(Got),
}

/// A worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Where it is.
    pub pc: Pc,
    /// Since the stamp, or since the deadline began.
    pub age: u8,
    /// The key of its request: of the present attempt (0), the one before it (1), or an older one (2).
    pub key: u8,
}

/// A copy of a request that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Copied {
    /// Its key, as [`Worker::key`].
    pub key: u8,
    /// Since it left.
    pub age: u8,
}

/// What Xero keeps under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The reply: [`Got::Made`], [`Got::Failed`] or [`Got::Refused`].
    pub reply: Got,
    /// Since the first call.
    pub age: u8,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The intent's row.
    pub intent: Intent,
    /// Whether there was an attempt before this one; each has a key of its own.
    pub is_anew: bool,
    /// Whether the request's row says that it is on its way.
    pub is_sending: bool,
    /// Whether it was sent more than once (`sends.attempts > 1`).
    pub is_resent: bool,
    /// Since `first_sent_at`.
    pub first: u8,
    /// Since `last_sent_at`.
    pub last: u8,
    /// Since `absent_at`.
    pub absent: Option<u8>,
    /// Who has the newest fence of the lease.
    pub holder: Option<u8>,
    /// Since the lease was renewed.
    pub lease: u8,
    /// The workers.
    pub workers: [Worker; 2],
    /// On their way, unwatched; the smaller first.
    pub copies: [Option<Copied>; 2],
    /// By key, as [`Worker::key`].
    pub kept: [Option<Kept>; 3],
    /// Objects in Xero.
    pub objects: u8,
    /// Since the object was made.
    pub object_age: u8,
    /// What may still go wrong.
    pub faults: u8,
}

/// A worker that holds nothing.
pub(super) const IDLE: Worker = Worker { pc: Pc::Idle, age: 0, key: 0 };
impl State {
    pub(super) fn planned(faults: u8) -> Self {
        Self {
            intent: Intent::Planned,
            is_anew: false,
            is_sending: false,
            is_resent: false,
            first: 0,
            last: 0,
            absent: None,
            holder: None,
            lease: 0,
            workers: [IDLE; 2],
            copies: [None; 2],
            kept: [None; 3],
            objects: 0,
            object_age: 0,
            faults,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.intent, Intent::Planned | Intent::Sending | Intent::Unknown)
    }

    /// Forgets what nothing can depend on any more, so that states that differ in nothing else are one.
    pub(super) fn forget(&mut self) {
        let is_at_work = self.workers.iter().any(|worker| worker.pc != Pc::Idle);
        if self.intent != Intent::Unknown {
            self.absent = None;
        }
        if self.intent == Intent::Planned || !(self.is_open() || is_at_work) {
            (self.first, self.last, self.is_resent) = (0, 0, false);
        }
        if !self.is_open() {
            self.object_age = 0;
        }
        if self.holder.is_none() {
            self.lease = 0;
        } else if !is_at_work {
            // Whose dead process held it makes no difference.
            self.holder = Some(0);
        }
        if !self.is_open() && !is_at_work {
            (self.holder, self.lease) = (None, 0);
        }
        for worker in &mut self.workers {
            if !matches!(worker.pc, Pc::Stamped | Pc::Ready) {
                worker.age = 0;
            }
            if !matches!(worker.pc, Pc::Ready) {
                worker.key = 0;
            }
        }
        self.copies.sort_unstable_by_key(|copy| copy.map_or((1, 0, 0), |copy| (0, copy.key, copy.age)));
        for key in 0..3 {
            let is_in_use = ((self.is_open() || is_at_work) && key == 0)
                || self.copies.iter().flatten().any(|copy| copy.key == key)
                || self.workers.iter().any(|worker| worker.pc == Pc::Ready && worker.key == key);
            if !is_in_use {
                self.kept[usize::from(key)] = None;
            }
        }
    }

    /// A request with this key arrives: made, unless the key is known.
    pub(super) fn arrive(&mut self, key: u8) -> Got {
        if let Some(kept) = self.kept[usize::from(key)] {
            return kept.reply;
        }
        self.make();
        self.kept[usize::from(key)] = Some(Kept { reply: Got::Made, age: 0 });
        Got::Made
    }

    /// The present key becomes the one before.
    pub(super) fn take_new_key(&mut self) {
        self.is_anew = true;
        for copy in self.copies.iter_mut().flatten() {
            copy.key = (copy.key + 1).min(2);
        }
        for worker in &mut self.workers {
            worker.key = (worker.key + 1).min(2);
        }
        self.kept = [None, self.kept[0], self.kept[1]];
    }

    /// Without what a worker holds in memory that has lost the lease and is not about to send: it writes nothing.
    pub(super) fn let_go(&mut self) {
        for (at, worker) in self.workers.iter_mut().enumerate() {
            if self.holder != Some(at as u8) && worker.pc != Pc::Ready {
                *worker = IDLE;
            }
        }
    }

    pub(super) fn make(&mut self) {
        self.objects += 1;
        self.object_age = 0;
    }
}
