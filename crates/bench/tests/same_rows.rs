//! Both programs work, and write the same: a comparison of two that do different things says nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use bench::{counting, emulated, engine, floor};
use testkit::Database;

async fn assert_same_rows(databases: [Database; 2]) {
    let [for_tieout, for_floor] = databases;
    let (base, serving) = emulated::bind(emulated::size(40, 200, 3, 150)).await.unwrap();
    let emulator = tokio::spawn(serving);

    let [full, incremental] = engine::run(&for_tieout.url(), &base).await.unwrap();
    let bare = floor::run(&for_floor.url(), &base).await.unwrap();
    emulator.abort();

    assert_eq!((full.calls, incremental.calls, bare.calls), (9, 9, 9));
    assert!(full.peak_kb > 0 && full.wall_us > 0, "{full:?}");
    let counts = counting::counts(&for_tieout.url()).await.unwrap();
    assert_eq!(counts, counting::counts(&for_floor.url()).await.unwrap());
    for (table, least) in
        [("customers", 40), ("invoices", 200), ("invoice_lines", 600), ("payments", 150), ("links", 390)]
    {
        let count = counts.iter().find(|(name, _)| *name == table).map(|(_, count)| *count);
        assert!(count >= Some(least), "{table}: {count:?}");
    }
    let (tieout, bare) =
        (counting::contents(&for_tieout.url()).await.unwrap(), counting::contents(&for_floor.url()).await.unwrap());
    for ((table, expected), (_, found)) in tieout.iter().zip(&bare) {
        assert_eq!(expected, found, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_both_programs_write_the_same_rows() {
    assert_same_rows([Database::sqlite(None).await, Database::sqlite(None).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_both_programs_write_the_same_rows() {
    assert_same_rows([Database::postgres(None).await, Database::postgres(None).await]).await;
}
