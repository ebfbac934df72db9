//! The state of the refresh protocol: the row, the processes, what Xero knows of the tokens, what is on its way.

use super::refresh::Refresh;

/// The grace, in ticks; Xero's is 60.
pub(super) const GRACE: u8 = 12;

/// A refresh token, named by what it is to Xero now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Token {
    /// It will never work again.
    Dead,
    /// The last one that was used; works within the grace.
    Used,
    /// A successor of it, not used yet.
    Next(u8),
}

/// Where a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pc {
    /// Dead, to be started again.
    Down,
    /// Not refreshing.
    Idle,
    /// It has the lease (T0), and reads the row again.
    Locked,
    /// The intent is durable (T1); the request is about to leave.
    Ready,
    /// The request has left (T2).
    Flying,
    /// No answer, or none that says what became of it.
    Unanswered,
    /// The last try certainly never left.
    GivenUp,
    /// `invalid_grant`.
    Refused,
    /// A new pair, to be saved (T3).
    Saving,
    /// A new pair, in use before it is saved: only of a wrong variant.
    Using,
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Where it is.
    pub pc: Pc,
    /// Whether it is frozen.
    pub is_frozen: bool,
    /// Whether it was, since it took the lease.
    pub was_frozen: bool,
    /// Since it died, was frozen, or its request left.
    pub age: u8,
    /// Whether the generation that it read is still the row's.
    pub is_newest: bool,
    /// The token that it refreshes with.
    pub token: Token,
    /// The previous token, as it read it.
    pub before: Option<Token>,
    /// The one that it got.
    pub fresh: Token,
    /// Whether the intent was there when it read the row.
    pub was_begun: bool,
    /// Whether one of its tries may have rotated the token.
    pub may_have_rotated: bool,
    /// Whether it tries the previous token.
    pub is_previous: bool,
    /// Tries left.
    pub tries: u8,
    /// Whether its last refresh failed in this tick.
    pub is_tired: bool,
}

/// A process that refreshes nothing.
pub(super) const IDLE: Worker = Worker {
    pc: Pc::Idle,
    is_frozen: false,
    was_frozen: false,
    age: 0,
    is_newest: false,
    token: Token::Dead,
    before: None,
    fresh: Token::Dead,
    was_begun: false,
    may_have_rotated: false,
    is_previous: false,
    tries: 0,
    is_tired: false,
};

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// `refresh_token`.
    pub current: Token,
    /// `previous_refresh_token`.
    pub previous: Option<Token>,
    /// Whether `refresh_intent_at` is set.
    pub is_begun: bool,
    /// Whether the state is `NEEDS_RECONNECT`.
    pub has_ended: bool,
    /// Whether the access token is good for a while.
    pub is_fresh: bool,
    /// Who has the newest fence of the lease.
    pub holder: Option<u8>,
    /// Since it was granted or proved.
    pub lease: u8,
    /// The processes.
    pub workers: [Worker; 2],
    /// Xero: since the token that is [`Token::Used`] was first used.
    pub used: u8,
    /// Xero: the last successor given out.
    pub last_given: Token,
    /// A request on its way that nobody waits for, and since when.
    pub late: Option<(Token, u8)>,
    /// Losses left.
    pub losses: u8,
    /// Deaths left.
    pub crashes: u8,
    /// Freezes left.
    pub freezes: u8,
    /// Ends of the access token left.
    pub expiries: u8,
    /// What a step broke.
    pub broken: Option<&'static str>,
}

impl State {
    pub(super) fn new(machine: &Refresh) -> Self {
        Self {
            current: Token::Next(0),
            previous: None,
            is_begun: false,
            has_ended: false,
            is_fresh: true,
            holder: None,
            lease: 0,
            workers: [IDLE; 2],
            used: GRACE,
            last_given: Token::Next(0),
            late: None,
            losses: machine.losses,
            crashes: machine.crashes,
            freezes: machine.freezes,
            expiries: machine.expiries + 1,
            broken: None,
        }
    }

    /// Renames every token that anybody has.
    pub(super) fn rename(&mut self, by: impl Fn(Token) -> Token) {
        self.current = by(self.current);
        self.previous = self.previous.map(&by);
        self.last_given = by(self.last_given);
        self.late = self.late.map(|(token, age)| (by(token), age));
        for worker in &mut self.workers {
            worker.token = by(worker.token);
            worker.before = worker.before.map(&by);
            worker.fresh = by(worker.fresh);
        }
    }

    /// A name that nobody's token has.
    pub(super) fn free_name(&self) -> Token {
        let is_taken = |token: Token| {
            let is_workers =
                |worker: &Worker| worker.token == token || worker.before == Some(token) || worker.fresh == token;
            self.current == token
                || self.previous == Some(token)
                || self.late.is_some_and(|(late, _)| late == token)
                || self.workers.iter().any(is_workers)
        };
        (0..8).map(Token::Next).find(|token| !is_taken(*token)).unwrap_or(Token::Dead)
    }

    /// Gives the lease back, if it is still this worker's, and forgets everything.
    pub(super) fn leave(&mut self, at: usize) {
        if self.holder == Some(at as u8) {
            (self.holder, self.lease) = (None, 0);
        }
        self.workers[at] = IDLE;
    }

    pub(super) fn holds(&self, at: usize) -> bool {
        self.holder == Some(at as u8)
    }
}
