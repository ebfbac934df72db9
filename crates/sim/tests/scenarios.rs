//! The ten scenarios in which money may be lost, their process killed at one place in ten on SQLite, in thirty on
//! PostgreSQL. `tieout sim crash-points` does it at every place; the checks of the repository do that, optimised.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where, and says what it has done"
)]

use std::time::Instant;

use sim::postgres::Server;
use sim::scenarios::{Base, Campaign, Restart, Scenario, Tally, all, play};

/// Fewer places than this are no run of a sync.
const FEWEST: u64 = 100;

/// On SQLite, one place in so many.
const EVERY_ON_SQLITE: u64 = 10;

/// On PostgreSQL, one place in so many; another one in every scenario's turn of restarts.
const EVERY: u64 = 30;

fn money() -> Vec<&'static dyn Scenario> {
    all().into_iter().filter(|scenario| scenario.is_money()).collect()
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Every rule holds, and what was meant to happen did: nobody is counted who was not killed.
fn judge(tallies: &[Tally], every: u64) {
    for tally in tallies {
        println!("{:?}", (tally.number, tally.name, tally.points, tally.runs, tally.deaths));
        for (kill, found) in &tally.failed {
            println!("BROKEN {} {} {kill:?}: {found:#?}", tally.number, tally.name);
        }
    }
    for tally in tallies {
        let name = tally.name;
        assert!(tally.holds(), "{name}: {} runs broke a rule", tally.failed.len());
        assert!(tally.points >= FEWEST, "{name}: only {} places", tally.points);
        let places = tally.points.div_ceil(every);
        assert_eq!((tally.runs, tally.deaths), (1 + places, places), "{name}: a run, and a death, for every place");
    }
}

/// Places of the scenarios with one number; one number a test, so that they run beside each other.
fn dies_everywhere(number: u8) {
    let started = Instant::now();
    let scenarios: Vec<_> = money().into_iter().filter(|scenario| scenario.number() == number).collect();
    assert!(!scenarios.is_empty(), "{number} is no money scenario");
    let restarts = Restart::ALL.to_vec();
    let campaign = Campaign {
        scenarios,
        base: Base::Sqlite,
        every: EVERY_ON_SQLITE,
        restarts,
        is_in_turn: true,
        seconds: 0,
        jobs: 1,
    };
    let tallies = campaign.play();
    println!("took {:?}", started.elapsed());
    judge(&tallies, EVERY_ON_SQLITE);
}

macro_rules! a_death_at_any_place_costs_nothing {
    ($($name:ident = $number:literal,)*) => {
        $(#[test]
        fn $name() {
            dies_everywhere($number);
        })*

        /// None of them is left out.
        #[test]
        fn the_money_scenarios_are_ten() {
            let numbers: std::collections::BTreeSet<u8> = money().iter().map(|scenario| scenario.number()).collect();
            assert_eq!(numbers, std::collections::BTreeSet::from([$($number),*]));
            assert_eq!(numbers.len(), 10);
        }
    };
}

a_death_at_any_place_costs_nothing! {
    a_contact_is_created = 5,
    an_invoice_is_created_after_its_contact = 6,
    a_bill_is_created = 7,
    a_line_is_updated = 8,
    a_payment_is_made = 9,
    a_payment_loses_its_reply = 10,
    a_bank_transaction_is_made = 11,
    a_batch_has_errors = 12,
    an_edit_meets_a_void = 16,
    an_invoice_is_voided = 17,
}

#[test]
fn nor_does_it_on_postgresql() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let admin = testkit::Server::running().unwrap().admin_url();
    let server = runtime.block_on(Server::prepare(&admin)).unwrap();
    let started = Instant::now();
    let (base, restarts) = (Base::Postgres(&server), Restart::ALL.to_vec());
    let campaign =
        Campaign { scenarios: money(), base, every: EVERY, restarts, is_in_turn: true, seconds: 0, jobs: jobs() };
    let tallies = campaign.play();
    runtime.block_on(server.end()).unwrap();
    println!("took {:?}", started.elapsed());
    judge(&tallies, EVERY);
}

/// A play is the same play every time: otherwise a place would have no number.
#[test]
fn a_scenario_played_twice_is_the_same_play() {
    for scenario in all().into_iter().filter(|scenario| scenario.has_pairs()) {
        let (one, two) = (play(scenario, Base::Sqlite, None, false), play(scenario, Base::Sqlite, None, false));
        assert_eq!(one.trace_hash, two.trace_hash, "{}", scenario.name());
        assert_eq!(one.points, two.points, "{}", scenario.name());
        assert!(one.points_in_all > one.points, "{}: the process stopped working", scenario.name());
    }
}
