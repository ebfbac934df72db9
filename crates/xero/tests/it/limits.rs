//! The in-process governor on a fake clock: no window is ever exceeded, what Xero says is obeyed, people go first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use proptest::prelude::*;
use xero::{
    Clock, Contact, Error, Governor, InProcessGovernor, Lane, LimitSettings, ListQuery, Request, Seen, TenantId,
    Transport, Unlimited, Window,
};

use crate::support::*;

fn governor(settings: LimitSettings) -> (Arc<FakeClock>, InProcessGovernor) {
    let clock = FakeClock::start();
    (clock.clone(), InProcessGovernor::new(settings, clock))
}

fn seen(status: u16) -> Seen {
    Seen { status, ..Seen::default() }
}

fn refused(window: Window, retry_after: Option<u64>) -> Seen {
    Seen { status: 429, problem: Some(window), retry_after: retry_after.map(Duration::from_secs), ..Seen::default() }
}

/// The most calls within any `span` seconds.
fn busiest(times: &[Timestamp], span: u64) -> usize {
    let within = |from: &Timestamp| {
        times.iter().filter(|t| **t >= *from && t.duration_since(*from).as_secs() < span as i64).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test]
async fn no_minute_has_more_than_the_soft_cap() {
    let (clock, governor) = governor(LimitSettings::default());
    let tenant = tenant();
    let mut times = Vec::new();
    for n in 0..400 {
        drop(governor.admit(Some(&tenant), Lane::Interactive).await.unwrap());
        times.push(clock.now());
        if n % 7 == 0 {
            clock.advance(1);
        }
    }
    assert_eq!(busiest(&times, 60), 55);
    let minutes = times.last().unwrap().duration_since(times[0]).as_secs();
    assert!((420..=460).contains(&minutes), "the cap is used up, not undercut: {minutes} s");
}

#[tokio::test]
async fn background_leaves_a_reserve_of_the_minute() {
    let (clock, governor) = governor(LimitSettings::default());
    let tenant = tenant();
    for _ in 0..50 {
        drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
    }
    assert!(clock.take_slept().is_empty());
    for _ in 0..5 {
        drop(governor.admit(Some(&tenant), Lane::Interactive).await.unwrap());
    }
    assert!(clock.take_slept().is_empty(), "a person does not wait for the backfill's minute");
    drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
    assert_eq!(clock.take_slept(), [61]);
}

#[tokio::test]
async fn the_day_parks_background_before_people_and_resumes_by_itself() {
    let settings = LimitSettings { per_minute: 100_000, per_day: 100, per_day_reserve: 10, ..LimitSettings::default() };
    let (clock, governor) = governor(settings);
    let tenant = tenant();
    for _ in 0..90 {
        drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
    }
    let parked = governor.admit(Some(&tenant), Lane::Background).await.unwrap_err();
    assert_eq!(parked.window, Window::Day);
    let wait = parked.resume_at.duration_since(clock.now()).as_secs();
    assert!((86_400..=86_460).contains(&wait), "{wait}");
    assert!(
        parked.to_string().starts_with("xero's day limit is used up, work resumes by itself at 2026-03-03T09:3"),
        "{parked}"
    );
    for _ in 0..10 {
        drop(governor.admit(Some(&tenant), Lane::Interactive).await.unwrap());
    }
    assert!(governor.admit(Some(&tenant), Lane::Interactive).await.is_err());
    assert_eq!(governor.budget(&tenant).day_used, 100);
    clock.advance(86_460);
    drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
    assert_eq!(governor.budget(&tenant).day_used, 1);
}

#[tokio::test]
async fn xeros_own_count_of_the_day_stops_background() {
    let (clock, governor) = governor(LimitSettings::default());
    let tenant = tenant();
    governor.observe(Some(&tenant), &Seen { day_remaining: Some(480), ..seen(200) });
    let parked = governor.admit(Some(&tenant), Lane::Background).await.unwrap_err();
    assert_eq!(parked.window, Window::Day);
    drop(governor.admit(Some(&tenant), Lane::Interactive).await.unwrap());
    clock.advance(3600);
    drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
    assert!(governor.admit(Some(&tenant), Lane::Background).await.is_err(), "one call looks again, not all");
    governor.observe(Some(&tenant), &Seen { day_remaining: Some(4999), ..seen(200) });
    drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
}

#[tokio::test]
async fn retry_after_is_obeyed_to_the_second_by_every_lane() {
    let (clock, governor) = governor(LimitSettings::default());
    let (tenant, other) = (tenant(), TenantId(uuid::Uuid::from_u128(1)));
    let limited = governor.observe(Some(&tenant), &refused(Window::Minute, Some(26))).unwrap();
    assert_eq!(limited.resume_at.duration_since(clock.now()).as_secs(), 26);
    drop(governor.admit(Some(&other), Lane::Background).await.unwrap());
    assert!(clock.take_slept().is_empty(), "another tenant has a window of its own");
    drop(governor.admit(Some(&tenant), Lane::Interactive).await.unwrap());
    assert_eq!(clock.take_slept(), [26]);
}

#[tokio::test]
async fn a_shorter_retry_after_does_not_shorten_a_longer_one() {
    let (clock, governor) = governor(LimitSettings::default());
    let tenant = tenant();
    governor.observe(Some(&tenant), &refused(Window::Day, Some(41_000)));
    governor.observe(Some(&tenant), &seen(200));
    let limited = governor.observe(Some(&tenant), &refused(Window::Concurrent, None)).unwrap();
    assert_eq!(limited.window, Window::Day);
    let parked = governor.admit(Some(&tenant), Lane::Interactive).await.unwrap_err();
    assert_eq!(parked.resume_at.duration_since(clock.now()).as_secs(), 41_000);
    assert_eq!(governor.budget(&tenant).parked, Some(parked));
}

#[tokio::test]
async fn the_app_limit_parks_every_tenant() {
    let (clock, governor) = governor(LimitSettings::default());
    governor.observe(Some(&tenant()), &refused(Window::AppMinute, Some(7)));
    drop(governor.admit(Some(&TenantId(uuid::Uuid::from_u128(1))), Lane::Interactive).await.unwrap());
    assert_eq!(clock.take_slept(), [7]);
}

#[tokio::test]
async fn the_app_minute_counts_all_tenants_and_calls_without_one() {
    let (clock, governor) = governor(LimitSettings { app_per_minute: 3, ..LimitSettings::default() });
    for tenant in [None, Some(TenantId(uuid::Uuid::from_u128(1))), Some(tenant())] {
        drop(governor.admit(tenant.as_ref(), Lane::Interactive).await.unwrap());
    }
    assert!(clock.take_slept().is_empty());
    drop(governor.admit(None, Lane::Interactive).await.unwrap());
    assert_eq!(clock.take_slept(), [61]);
}

#[tokio::test]
async fn a_429_without_a_date_backs_off_then_parks() {
    let (_, governor) = governor(LimitSettings::default());
    let tenant = tenant();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let clock_was = governor.budget(&tenant).parked.map(|p| p.resume_at);
        let limited = governor.observe(Some(&tenant), &refused(Window::Minute, None)).unwrap();
        waits.push(limited.resume_at);
        assert!(clock_was.is_none_or(|was| was <= limited.resume_at));
    }
    let start: Timestamp = "2026-03-02T09:30:00Z".parse().unwrap();
    let seconds: Vec<i64> = waits.iter().map(|at| at.duration_since(start).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 60, 60]);
}

#[tokio::test]
async fn a_read_waits_out_a_minute_and_gives_up_on_a_day() {
    let bench1 = bench([limited("minute", Some("26")), json(200, r#"{"Contacts":[]}"#)]);
    let page = bench1.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap();
    assert_eq!((page.calls, bench1.clock.take_slept()), (2, vec![26]));

    let bench2 = bench([limited("day", Some("41000"))]);
    let error = bench2.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert!(matches!(&error, Error::Limited(limited) if limited.window == Window::Day), "{error}");
    assert!(bench2.clock.take_slept().is_empty());
    let again = bench2.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert!(matches!(again, Error::Limited(_)));
    assert_eq!(bench2.script.sent(), 1, "a parked tenant costs no call");
    bench2.clock.advance(41_000);
    assert_eq!(bench2.governor.budget(&tenant()).parked, None);
}

#[tokio::test]
async fn three_undated_429s_end_in_a_dated_error() {
    let bench = bench([limited("concurrent", None), limited("concurrent", None), limited("concurrent", None)]);
    let error = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert_eq!(bench.clock.take_slept(), [1, 2]);
    assert_eq!(error.retry_after(bench.clock.now()), Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn unlimited_counts_nothing() {
    for _ in 0..10_000 {
        drop(Unlimited.admit(Some(&tenant()), Lane::Background).await.unwrap());
    }
    assert_eq!(Unlimited.observe(None, &refused(Window::Day, None)), None);
}

/// Counts the calls in flight and answers after several turns of the scheduler.
#[derive(Default)]
struct Slow {
    in_flight: AtomicU32,
    most: AtomicU32,
}

#[async_trait]
impl Transport for Slow {
    async fn send(&self, _request: Request) -> Answer {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        json(200, r#"{"Contacts":[]}"#)
    }
}

async fn most_in_flight(lane: Lane) -> u32 {
    let clock = FakeClock::start();
    let transport = Arc::new(Slow::default());
    let settings = LimitSettings { per_minute: 100_000, ..LimitSettings::default() };
    let governor = Arc::new(InProcessGovernor::new(settings, clock.clone()));
    let books =
        client_over(transport.clone(), clock, governor.clone()).tenant(tenant(), Arc::new(Rotating::default()), lane);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let books = books.clone();
        calls.spawn(async move { books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(governor.budget(&tenant()).in_flight, 0);
    transport.most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn five_calls_in_flight_at_most_and_four_in_the_background() {
    assert_eq!(most_in_flight(Lane::Interactive).await, 5);
    assert_eq!(most_in_flight(Lane::Background).await, 4);
}

#[tokio::test]
async fn a_person_passes_the_backfill_in_the_queue() {
    let (_, governor) = governor(LimitSettings { in_flight: 1, in_flight_reserve: 0, ..LimitSettings::default() });
    let governor = Arc::new(governor);
    let held = governor.admit(Some(&tenant()), Lane::Background).await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for lane in [Lane::Background, Lane::Background, Lane::Interactive] {
        let (governor, order) = (governor.clone(), order.clone());
        tasks.spawn(async move {
            let permit = governor.admit(Some(&tenant()), lane).await.unwrap();
            order.lock().unwrap().push(lane);
            drop(permit);
        });
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    tasks.join_all().await;
    assert_eq!(*order.lock().unwrap(), [Lane::Interactive, Lane::Background, Lane::Background]);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let (_, governor) = governor(LimitSettings { in_flight: 1, in_flight_reserve: 0, ..LimitSettings::default() });
    let tenant = tenant();
    let held = governor.admit(Some(&tenant), Lane::Background).await.unwrap();
    let waiter = governor.admit(Some(&tenant), Lane::Interactive);
    let gave_up = tokio::time::timeout(Duration::from_millis(20), waiter).await;
    assert!(gave_up.is_err());
    drop(held);
    drop(governor.admit(Some(&tenant), Lane::Background).await.unwrap());
    assert_eq!(governor.budget(&tenant).in_flight, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the pauses, no sliding window is exceeded in any lane mix.
    #[test]
    fn windows_hold_for_any_pace(pauses in prop::collection::vec((0_u64..40, any::<bool>()), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let times = runtime.block_on(async {
            let settings = LimitSettings { per_minute: 10, per_minute_reserve: 2, app_per_minute: 15, ..LimitSettings::default() };
            let (clock, governor) = governor(settings);
            let mut times = Vec::new();
            for (pause, interactive) in pauses {
                let lane = if interactive { Lane::Interactive } else { Lane::Background };
                drop(governor.admit(Some(&tenant()), lane).await.unwrap());
                times.push(clock.now());
                clock.advance(pause / 10);
            }
            times
        });
        prop_assert!(busiest(&times, 60) <= 10);
    }
}
