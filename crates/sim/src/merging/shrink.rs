//! A failing case made small: parts are dropped as long as it still fails in the same way.

use super::case::{Case, Epoch};

/// Tries that a shrinking may take.
const TRIES: usize = 2_000;

/// Drops records, epochs, edits and flags; `fails` says how a case fails.
pub(super) fn shrink(case: Case, what: &str, fails: &dyn Fn(&Case) -> Option<String>) -> Case {
    let law = |what: &str| what.split(':').next().unwrap_or_default().to_owned();
    let wanted = law(what);
    let (mut best, mut tries) = (case, 0);
    'again: loop {
        for smaller in smaller(&best) {
            tries += 1;
            if tries > TRIES {
                return best;
            }
            if fails(&smaller).is_some_and(|what| law(&what) == wanted) {
                best = smaller;
                continue 'again;
            }
        }
        return best;
    }
}

/// Every case that lacks one thing, the largest things first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut without = |change: &dyn Fn(&mut Case) -> bool| {
        let mut smaller = case.clone();
        if change(&mut smaller) {
            cases.push(smaller);
        }
    };
    if case.plans.len() > 1 {
        (0..case.plans.len()).for_each(|at| without(&|case| drop_at(&mut case.plans, at)));
    }
    for (at, plan) in case.plans.iter().enumerate() {
        if plan.epochs.len() > 1 {
            (0..plan.epochs.len()).for_each(|epoch| without(&|case| drop_at(&mut case.plans[at].epochs, epoch)));
        }
        without(&|case| std::mem::take(&mut case.plans[at].is_first));
        for (number, epoch) in plan.epochs.iter().enumerate() {
            for flag in 0..8 {
                without(&|case| drop_flag(&mut case.plans[at].epochs[number], flag));
            }
            for (list, length) in [epoch.app.len(), epoch.xero.len(), epoch.under_way.len()].into_iter().enumerate() {
                for edit in 0..length {
                    without(&|case| {
                        let epoch = &mut case.plans[at].epochs[number];
                        drop_at([&mut epoch.app, &mut epoch.xero, &mut epoch.under_way][list], edit)
                    });
                    without(&|case| {
                        let epoch = &mut case.plans[at].epochs[number];
                        let edit = &mut [&mut epoch.app, &mut epoch.xero, &mut epoch.under_way][list][edit];
                        std::mem::take(&mut edit.how) != 0
                    });
                }
            }
        }
        (0..plan.base.len()).for_each(|edit| without(&|case| drop_at(&mut case.plans[at].base, edit)));
    }
    cases
}

fn drop_at<T>(list: &mut Vec<T>, at: usize) -> bool {
    list.remove(at);
    true
}

fn drop_flag(epoch: &mut Epoch, flag: usize) -> bool {
    match flag {
        0 => std::mem::take(&mut epoch.is_deleted),
        1 => std::mem::take(&mut epoch.is_voided),
        2 => std::mem::take(&mut epoch.is_lost),
        3 => std::mem::take(&mut epoch.is_app_first),
        4 => epoch.answer.take().is_some(),
        5 => std::mem::take(&mut epoch.is_app_later),
        // One rule for everything instead of many.
        _ => {
            epoch.rules.is_some_and(|rules| rules % 8 > 3) && {
                epoch.rules = Some(if flag == 6 { 3 } else { 1 });
                true
            }
        }
    }
}
