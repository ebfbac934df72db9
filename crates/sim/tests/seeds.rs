//! Seeds that once broke a rule: each is played again for ever. What each found is in docs/proof.md.

use sim::run::{Choice, run};

/// The seed, and what it showed.
const KEPT: [(u64, &str); 4] = [
    (0x9, "records asked for by their ids, more than the settings' page has"),
    (0xa, "an invoice with credits, written by a push"),
    (0x424, "contacts merged in Xero while the run that learns of it is cut off"),
    (0x9c3, "a rotated token that a busy database would not take"),
];

#[test]
fn seeds_that_broke_a_rule_hold() {
    let broken: Vec<String> = std::thread::scope(|scope| {
        let play = |(seed, about): (u64, &'static str)| {
            move || {
                let report = run(seed, &Choice::default());
                report.violations.iter().map(|found| format!("0x{seed:x} ({about}): {found}")).collect::<Vec<_>>()
            }
        };
        let played: Vec<_> = KEPT.into_iter().map(|kept| scope.spawn(play(kept))).collect();
        played.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|_| vec!["it panicked".into()])).collect()
    });
    assert!(broken.is_empty(), "{broken:#?}");
}
