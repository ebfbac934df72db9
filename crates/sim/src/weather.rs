//! The faults of Xero and of the way there, as rules of the emulator, and what its own books say at the end.

use std::collections::BTreeMap;

use emulator::FaultRule;
use oracle::{Checks, Violation};

use crate::coverage::Seen;
use crate::dice::Dice;
use crate::knobs::{Fault, Knobs};
use crate::ports::is_look_up;
use crate::stage::Stage;
use crate::workload::{AppDeed, Options, XeroDeed};
use crate::world::World;

/// What of a tenant's fault is a person's affair to mend.
pub(crate) async fn is_disconnected(world: &World) -> anyhow::Result<bool> {
    let connection = world.stage.time.drive(world.operator.connection(world.id)).await?;
    let is_disconnected = connection.state != store::ConnectionState::Connected;
    if is_disconnected {
        world.stage.saw(Seen::NeedsReconnect);
    }
    Ok(is_disconnected)
}

/// Leaves out of a workload what belongs to faults that the seed has not.
pub(crate) fn limit(options: &mut Options, knobs: &Knobs) {
    let has = |fault| knobs.has(fault);
    let of = |fault: Fault| -> &'static [XeroDeed] {
        match fault {
            Fault::F12 => &[XeroDeed::Lock, XeroDeed::Account, XeroDeed::Currency],
            Fault::F17 => &[XeroDeed::Quiet],
            Fault::F18 => &[XeroDeed::Odd, XeroDeed::Long, XeroDeed::Foreign],
            Fault::F21 => &[XeroDeed::Archive, XeroDeed::Merge, XeroDeed::Reconcile],
            _ => &[],
        }
    };
    for fault in Fault::ALL.into_iter().filter(|fault| !has(*fault)) {
        for deed in of(fault) {
            options.set_xero(*deed, 0);
        }
    }
    if !has(Fault::F18) {
        for deed in [AppDeed::Odd, AppDeed::Long, AppDeed::Foreign] {
            options.set_app(deed, 0);
        }
    }
    if !has(Fault::F20) {
        options.both_per_mille = 0;
    }
    // A statement over many rows meets a brake only where there are many.
    if knobs.invoices >= 40 {
        options.set_app(AppDeed::Sweep, 120);
    }
}

/// Puts up the rules of the seed's faults.
pub(crate) fn begin(stage: &Stage) {
    for fault in &stage.knobs.faults {
        let mut dice = Dice::new(stage.seed, &format!("rules of {fault:?}"));
        for rule in rules(*fault, stage.knobs.network_per_mille, &mut dice) {
            match rule.parse::<FaultRule>() {
                Ok(rule) => {
                    stage.note(0, || format!("weather: {fault:?} {rule}"));
                    stage.emulator.add_fault(rule);
                }
                Err(error) => stage.panicked(0, &format!("no rule: {rule}: {error}")),
            }
        }
    }
}

/// The rules of a fault.
fn rules(fault: Fault, per_mille: u64, dice: &mut Dice) -> Vec<String> {
    let p = |share: u64| format!("p={}.{:03}", share.min(1_000) / 1_000, share.min(1_000) % 1_000);
    let often = p(per_mille);
    let seldom = p((per_mille / 10).max(2));
    match fault {
        Fault::F6 => {
            ["PUT", "POST", "DELETE"].map(|method| format!("{often} {method} /api.xro/ commit-then-lose")).to_vec()
        }
        Fault::F7 => {
            let ms = dice.between(25_000, 235_000);
            vec![format!("{often} PUT /api.xro/ late={ms}ms"), format!("{often} POST /api.xro/ late={ms}ms")]
        }
        Fault::F8 => {
            let how = dice.of(&["truncate", "bad-json", "html", "wrong-type", "empty-body", "bad-gzip"]);
            vec![format!("{often} /api.xro/ {how}")]
        }
        Fault::F9 => {
            let limit = dice.of(&["minute,7", "minute", "concurrent", "appminute,12", "appminute"]);
            let day = dice.of(&["day,600", "day,7200", "day"]);
            vec![format!("{often} /api.xro/ limit={limit}"), format!("p=0.002 times=1 /api.xro/ limit={day}")]
        }
        Fault::F10 => {
            let status = dice.of(&[500, 502, 503, 504, 408]);
            let offline = dice.of(&["maintenance", "unavailable", "organisation"]);
            vec![
                format!("{often} /api.xro/ refuse={status}"),
                format!("{often} PUT /api.xro/ commit-then-status=500"),
                format!("{seldom} POST /api.xro/ commit-then-status=500"),
                format!("{seldom} /api.xro/ offline={offline}"),
            ]
        }
        Fault::F11 => vec![format!("p=0.200 PUT /api.xro/ refuse-elements={}", dice.between(1, 3))],
        Fault::F13 => vec![
            format!("{seldom} /api.xro/ expire-tokens"),
            "p=0.002 times=1 /api.xro/ disconnect".into(),
            "p=0.002 times=1 /api.xro/ revoke-tokens".into(),
        ],
        Fault::F14 => vec![format!("{seldom} GET /api.xro/ empty-list")],
        Fault::F16 => vec![format!("p=0.200 GET &order= stale={}ms", dice.between(1_000, 60_000))],
        Fault::F17 => vec![],
        Fault::F23 => vec![
            "p=0.300 POST /connect/token commit-then-lose".into(),
            "p=0.200 POST /connect/token slow=12000ms".into(),
            "p=0.100 POST /connect/token refuse=503".into(),
        ],
        _ => vec![],
    }
}

/// Takes them down, and counts which struck.
pub(crate) fn end(stage: &Stage) {
    for state in stage.emulator.faults().iter().filter(|state| state.fired > 0) {
        let word = state.rule.action.to_string();
        let seen = match word.split('=').next().unwrap_or_default() {
            "commit-then-lose" if word_is_token(&state.rule) => Seen::TokenRotated,
            "commit-then-lose" => Seen::LostAfterCommit,
            "late" => Seen::LateDelivery,
            "truncate" | "bad-json" | "html" | "wrong-type" | "empty-body" | "bad-gzip" => Seen::Damaged,
            "limit" if word.contains("day") => Seen::DayLimitMet,
            "limit" => Seen::LimitMet,
            "refuse" | "commit-then-status" | "offline" => Seen::ServerError,
            "refuse-elements" => Seen::ElementRefused,
            "empty-list" => Seen::EmptyList,
            "stale" => Seen::StaleList,
            _ => continue,
        };
        stage.saw(seen);
    }
    stage.emulator.clear_faults();
}

fn word_is_token(rule: &FaultRule) -> bool {
    rule.path_contains.contains("token")
}

/// What the emulator counted that must be nothing.
pub(crate) fn judge_emulator(stage: &Stage, checks: &Checks) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut must_be_none = |invariant: &'static str, count: u64, what: &str| {
        if count > 0 && checks.has(invariant) {
            found.push(Violation { invariant, what: format!("{count} {what}") });
        }
    };
    let tenant = stage.emulator.tenants()[0];
    if let Some(counters) = stage.emulator.counters(tenant) {
        must_be_none("I-S4", counters.keys_misused, "calls refused because their key was another request's");
        must_be_none("I-S3", counters.writes_without_key, "writes without a key");
        must_be_none("I-L8", counters.contacts_by_documents, "contacts changed by documents that name them");
    }
    found
}

/// What the records of the engine tell of what happened.
pub(crate) fn count(stage: &Stage, snapshot: &oracle::Snapshot) {
    let of = |what: Seen, count: usize| (0..count).for_each(|_| stage.saw(what));
    let calls = stage.calls();
    let is_payment = |call: &&oracle::Call| call.path.ends_with("/Payments") && call.method == "PUT";
    of(Seen::LostAfterCommitOfPayment, calls.iter().filter(is_payment).filter(|call| call.status == 0).count());
    let log = stage.emulator.log();
    of(Seen::KeyReplayed, log.iter().filter(|call| call.is_replay).count());
    of(Seen::LookUp, calls.iter().filter(|call| is_look_up(&call.query)).count());
    of(Seen::GraceRetry, tokens_given_twice(&calls));
    let conflicts = &snapshot.conflicts;
    of(Seen::Conflict, conflicts.iter().filter(|one| one.what == "FIELD").count());
    of(Seen::PossibleOverwrite, conflicts.iter().filter(|one| one.what == "POSSIBLE_OVERWRITE").count());
    of(Seen::Refused, snapshot.failures.iter().filter(|one| one.direction == "PUSH").count());
    let is_adopted = |one: &&oracle::Intent| {
        one.state == "DONE"
            && one.message.as_deref().is_some_and(|message| message.contains("found in Xero by its mark"))
    };
    of(Seen::Adopted, snapshot.intents.iter().filter(is_adopted).count());
}

/// How often a refresh token that had been exchanged was exchanged once more.
fn tokens_given_twice(calls: &[oracle::Call]) -> usize {
    let mut given = BTreeMap::<&str, usize>::new();
    for call in calls.iter().filter(|call| call.path.ends_with("/connect/token")) {
        let form = call.body.as_str().unwrap_or_default();
        let token = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token="));
        if let Some(token) = token.filter(|_| call.answer["access_token"].is_string()) {
            *given.entry(token).or_default() += 1;
        }
    }
    given.values().filter(|count| **count > 1).count()
}
