//! The simulation passes with the real merge, reaches everything, and catches wrong merges.

use model::{Side, path};
use serde_json::{Map, Value};

use super::*;

/// Cases within which a planted error must show.
const WITHIN: u64 = 20_000;

/// Without optimisation a tenth is run; the long run is `tieout-sim merge`.
const CASES: u64 = if cfg!(debug_assertions) { 5_000 } else { 50_000 };

#[test]
fn the_merge_is_what_the_oracle_says_and_everything_is_reached() {
    let outcome = run(0, CASES);
    let told = |failure: &Failure| format!("{}\n{}", failure.what, failure.shrunk);
    assert!(outcome.failures.is_empty(), "{}", told(&outcome.failures[0]));
    assert_eq!(outcome.rounds.iter().sum::<u64>(), CASES);
    let missing: Vec<_> = outcome.reached.iter().filter(|(_, count)| **count == 0).collect();
    assert_eq!(missing, []);
    assert!(outcome.conflicts > CASES / 10);
}

/// Seeds that failed once.
const REGRESSIONS: [u64; 13] = [
    0x14da3, 0x23e58, 0x33abb, 0x4c028, 0x4cde0, 0x5fe67, 0x61471, 0x8c010, 0x95b16, 0xabd80, 0xcf769, 0xf0798, 0xf1d20,
];

#[test]
fn what_failed_once_does_not_fail_again() {
    for seed in REGRESSIONS {
        let played = play_and_shuffle(&Case::draw(seed), &Real, &mut Reached::default());
        assert!(played.is_ok(), "{seed:#x}: {}", played.unwrap_err());
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..50 {
        assert_eq!(replay(seed), replay(seed));
    }
}

type Answer<R> = Result<Decision<R>, serde_json::Error>;
type Rule<'a> = &'a dyn Fn(&str) -> Policy;

fn json<R: Record>(record: &R) -> Map<String, Value> {
    serde_json::to_value(record).unwrap().as_object().unwrap().clone()
}

fn back<R: Record>(members: Map<String, Value>) -> R {
    serde_json::from_value(Value::Object(members)).unwrap()
}

fn both<R: Record>() -> Vec<&'static str> {
    R::FIELDS.iter().filter(|field| field.owner == model::Owner::Both).map(|field| field.json_name()).collect()
}

/// The one record everywhere.
fn all<R: Record>(of: &R, local: &R, remote: &R) -> Decision<R> {
    let (has, wants) = (json(remote), json(of));
    let names: Vec<&model::Field> =
        R::FIELDS.iter().filter(|f| has.get(f.json_name()) != wants.get(f.json_name())).collect();
    let mut push: Vec<String> = names.iter().map(|f| f.group.unwrap_or(f.json_name()).to_owned()).collect();
    push.dedup();
    Decision {
        write_local: (of != local).then(|| of.clone()),
        outgoing: (!push.is_empty()).then(|| of.clone()),
        push,
        base: if of == remote { of.clone() } else { remote.clone() },
        acked: of.clone(),
        conflicts: Vec::new(),
    }
}

/// Declares a wrong merge by what it makes of the real one's arguments.
macro_rules! wrong {
    ($name:ident, |$base:ident, $local:ident, $remote:ident, $policy:ident| $body:expr) => {
        struct $name;

        impl Merging for $name {
            fn merge<R: Record>(&self, $base: &R, $local: &R, $remote: &R, $policy: Rule<'_>) -> Answer<R> {
                $body
            }
        }
    };
}

wrong!(TakesLocal, |_base, local, remote, _policy| Ok(all(local, local, remote)));
wrong!(TakesRemote, |_base, local, remote, _policy| Ok(all(remote, local, remote)));
wrong!(DropsConflicts, |base, local, remote, policy| {
    model::merge(base, local, remote, policy).map(|decision| Decision { conflicts: Vec::new(), ..decision })
});
wrong!(AdvancesOpen, |base, local, remote, policy| {
    let mut decision = model::merge(base, local, remote, policy)?;
    for record in [&mut decision.base, &mut decision.acked] {
        let mut value = serde_json::to_value(&*record)?;
        for conflict in decision.conflicts.iter().filter(|conflict| conflict.winner.is_none()) {
            path::put(&mut value, &conflict.field, &conflict.xero);
        }
        *record = serde_json::from_value(value)?;
    }
    Ok(decision)
});
wrong!(KeepsBase, |base, local, remote, policy| {
    model::merge(base, local, remote, policy).map(|decision| Decision { base: base.clone(), ..decision })
});
wrong!(TakesRequestForReply, |base, local, remote, policy| {
    model::merge(base, local, remote, policy).map(|decision| Decision { base: local.clone(), ..decision })
});
wrong!(NoCanonicalForm, |base, local, remote, policy| {
    // Another spelling is another value.
    let (mut was, has, mine) = (json(base), json(remote), json(local));
    let mut spelled = Vec::new();
    for name in both::<R>() {
        let texts = [&was, &has].map(|of| of.get(name).and_then(Value::as_str).map(str::to_owned));
        let is_late = mine.get(name).and_then(Value::as_str) == Some("OVERDUE");
        if let [Some(was), Some(has)] = texts
            && ((was != has && was.trim() == has.trim()) || (is_late && has == "SENT"))
        {
            spelled.push((name, is_late));
        }
        let (mine, has) = (mine.get(name).and_then(Value::as_str), has.get(name).and_then(Value::as_str));
        if let (Some(mine), Some(has)) = (mine, has)
            && mine != has
            && mine.trim() == has.trim()
        {
            spelled.push((name, false));
        }
    }
    for (name, is_late) in spelled {
        let odd = match name {
            "status" | "type" => {
                if is_late {
                    "DRAFT"
                } else {
                    continue;
                }
            }
            "date" | "due_date" | "customer" | "account" => continue,
            _ => "odd",
        };
        was.insert(name.to_owned(), Value::from(odd));
    }
    let decision = model::merge(&back::<R>(was.clone()), local, remote, policy)?;
    if decision.conflicts.is_empty() && was != json(base) {
        let field = "name".to_owned();
        let values = [&was, &mine, &has].map(|of| of.get("name").cloned().unwrap_or(Value::Null));
        let [base, app, xero] = values;
        let winner = Some(Side::Xero);
        let conflicts = vec![FieldConflict { field, base, app, xero, winner, policy: Policy::XeroWins }];
        return Ok(Decision { conflicts, ..decision });
    }
    Ok(decision)
});
wrong!(LinesByPlace, |base, local, remote, policy| {
    // The third line is the third line.
    let numbered = |of: &R| {
        let mut of = json(of);
        for (at, line) in of.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
            let id = uuid::Uuid::from_u128(9_000 + u128::try_from(at).unwrap()).to_string();
            line.as_object_mut().unwrap().insert("xero_line_id".to_owned(), Value::from(id));
        }
        back::<R>(of)
    };
    let ids: Vec<Value> = remote_ids(&json(remote));
    let named = |of: &R| {
        let mut of = json(of);
        for line in of.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten() {
            let line = line.as_object_mut().unwrap();
            let id = line.remove("xero_line_id").and_then(|id| id.as_str()?.parse::<uuid::Uuid>().ok());
            let at = id.and_then(|id| usize::try_from(id.as_u128().checked_sub(9_000)?).ok());
            if let Some(id) = at.and_then(|at| ids.get(at)) {
                line.insert("xero_line_id".to_owned(), id.clone());
            }
        }
        back::<R>(of)
    };
    let decision = model::merge(&numbered(base), &numbered(local), &numbered(remote), policy)?;
    let after = named(decision.write_local.as_ref().unwrap_or(&numbered(local)));
    Ok(Decision {
        write_local: (after != *local).then_some(after),
        outgoing: decision.outgoing.as_ref().map(named),
        base: named(&decision.base),
        acked: named(&decision.acked),
        ..decision
    })
});

fn remote_ids(record: &Map<String, Value>) -> Vec<Value> {
    let lines = record.get("lines").and_then(Value::as_array).into_iter().flatten();
    lines.map(|line| line.get("xero_line_id").cloned().unwrap_or(Value::Null)).collect()
}

wrong!(SplitsGroups, |base, local, remote, policy| {
    // Of currency and rate each goes its own way.
    let (was, mine, theirs) = (json(base), json(local), json(remote));
    let decision = model::merge(base, local, remote, policy)?;
    let (a, b) = ("currency", "currency_rate");
    let is_by = |of: &Map<String, Value>, name: &str| of.get(name) != was.get(name);
    let are_apart = is_by(&mine, a) && is_by(&theirs, b) && !is_by(&mine, b) && !is_by(&theirs, a);
    if !are_apart || !decision.conflicts.iter().any(|conflict| conflict.field == "money") {
        return Ok(decision);
    }
    let mut after = json(decision.write_local.as_ref().unwrap_or(local));
    let mut sent = json(decision.outgoing.as_ref().unwrap_or(remote));
    for of in [&mut after, &mut sent] {
        for (name, from) in [(a, &mine), (b, &theirs)] {
            match from.get(name) {
                Some(value) => drop(of.insert(name.to_owned(), value.clone())),
                None => drop(of.remove(name)),
            }
        }
    }
    let mut push = decision.push.clone();
    push.push("money".to_owned());
    let conflicts = decision.conflicts.into_iter().filter(|conflict| conflict.field != "money").collect();
    let (after, sent): (R, R) = (back(after), back(sent));
    Ok(Decision { write_local: Some(after), acked: sent.clone(), outgoing: Some(sent), push, conflicts, ..decision })
});
wrong!(TimestampOnly, |base, local, remote, policy| {
    let _ = base;
    match policy("name") {
        Policy::LastWrite(Side::App) | Policy::AppWins => Ok(all(local, local, remote)),
        _ => Ok(all(remote, local, remote)),
    }
});
wrong!(WholeRecords, |base, local, remote, policy| {
    // Edits of two fields are a conflict of the record.
    let decision = model::merge(base, local, remote, policy)?;
    let is_both = decision.write_local.is_some() && decision.outgoing.is_some() && decision.conflicts.is_empty();
    if !is_both {
        return Ok(decision);
    }
    let [was, mine, theirs] = [base, local, remote].map(|of| Value::Object(json(of)));
    let conflict = FieldConflict {
        field: "name".to_owned(),
        base: was,
        app: mine,
        xero: theirs,
        winner: Some(Side::App),
        policy: Policy::AppWins,
    };
    Ok(Decision { conflicts: vec![conflict], ..decision })
});
wrong!(EqualEditsConflict, |base, local, remote, policy| {
    let mut decision = model::merge(base, local, remote, policy)?;
    let (was, mine, theirs) = (json(base), json(local), json(remote));
    for name in
        both::<R>().into_iter().filter(|name| mine.get(*name) == theirs.get(*name) && was.get(*name) != mine.get(*name))
    {
        let [base, app, xero] = [&was, &mine, &theirs].map(|of| of.get(name).cloned().unwrap_or(Value::Null));
        let (field, winner, policy) = (name.to_owned(), Some(Side::Xero), Policy::XeroWins);
        decision.conflicts.push(FieldConflict { field, base, app, xero, winner, policy });
    }
    Ok(decision)
});
wrong!(ForgetsIds, |base, local, remote, policy| {
    let mut decision = model::merge(base, local, remote, policy)?;
    if let Some(outgoing) = &decision.outgoing {
        let mut sent = json(outgoing);
        for line in sent.get_mut("lines").and_then(Value::as_array_mut).into_iter().flatten() {
            line.as_object_mut().unwrap().remove("xero_line_id");
        }
        decision.outgoing = Some(back(sent));
    }
    Ok(decision)
});
wrong!(XeroAlwaysWins, |base, local, remote, _policy| model::merge(base, local, remote, &|_| Policy::XeroWins));
wrong!(PushesEverything, |base, local, remote, policy| {
    let mut decision = model::merge(base, local, remote, policy)?;
    if decision.outgoing.is_some() {
        decision.push = R::FIELDS.iter().map(|field| field.group.unwrap_or(field.json_name()).to_owned()).collect();
    }
    Ok(decision)
});

struct IgnoresPresence;

impl Merging for IgnoresPresence {
    fn merge<R: Record>(&self, base: &R, local: &R, remote: &R, policy: Rule<'_>) -> Answer<R> {
        model::merge(base, local, remote, policy)
    }

    fn merge_removed<R: Record>(&self, _base: &R, remote: &R, _policy: Rule<'_>) -> (Removal, Option<FieldConflict>) {
        (if remote.is_live() { Removal::Push } else { Removal::Agreed }, None)
    }
}

/// The number of cases until the wrong merge shows.
fn caught<M: Merging>(wrong: &M) -> Option<u64> {
    (0..WITHIN)
        .find(|seed| play_and_shuffle(&Case::draw(*seed), wrong, &mut Reached::default()).is_err())
        .map(|at| at + 1)
}

#[test]
fn wrong_merges_are_caught() {
    let found = [
        ("takes the app's side always", caught(&TakesLocal)),
        ("takes xero's side always", caught(&TakesRemote)),
        ("drops conflicts", caught(&DropsConflicts)),
        ("advances the base on an unanswered conflict", caught(&AdvancesOpen)),
        ("never advances the base", caught(&KeepsBase)),
        ("takes the base from the request, not from the reply", caught(&TakesRequestForReply)),
        ("compares without canonical form", caught(&NoCanonicalForm)),
        ("merges lines by their place", caught(&LinesByPlace)),
        ("splits a group", caught(&SplitsGroups)),
        ("ignores presence", caught(&IgnoresPresence)),
        ("goes by the time alone", caught(&TimestampOnly)),
        ("makes disjoint edits a conflict", caught(&WholeRecords)),
        ("makes equal edits a conflict", caught(&EqualEditsConflict)),
        ("omits the ids of lines", caught(&ForgetsIds)),
        ("ignores the rules", caught(&XeroAlwaysWins)),
        ("pushes every field", caught(&PushesEverything)),
    ];
    for (what, cases) in found {
        println!("{what}: {cases:?}");
    }
    let survivors: Vec<_> = found.iter().filter(|(_, cases)| cases.is_none()).collect();
    assert!(survivors.is_empty(), "{survivors:?}");
}

#[test]
fn a_failing_case_is_made_small() {
    let outcome = run_with(&AdvancesOpen, 0, 2_000);
    let failure = outcome.failures.first().expect("the planted error shows");
    let whole = Case::draw(failure.seed);
    let fails = |case: &Case| play_and_shuffle(case, &AdvancesOpen, &mut Reached::default()).err();
    let small = shrink::shrink(whole.clone(), &failure.what, &fails);
    let edits = |case: &Case| -> usize {
        let epochs = case.plans.iter().flat_map(|plan| &plan.epochs);
        epochs.map(|epoch| epoch.app.len() + epoch.xero.len() + epoch.under_way.len()).sum()
    };
    assert!(edits(&small) <= 4 && edits(&small) <= edits(&whole), "{}", failure.shrunk);
    assert!(failure.shrunk.contains("the oracle"), "{}", failure.shrunk);
}
