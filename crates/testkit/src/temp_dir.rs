//! A directory that lives as long as its test.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A new, empty directory in the system's temporary directory. It is removed on drop, unless the test is failing: then
/// it stays and its path is printed.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes the directory. Panics when the system's temporary directory cannot be written.
    #[expect(clippy::new_without_default, reason = "making a directory is not a default value")]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tieout-test-{}", unique_suffix()));
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        Self { path }
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(&format!("left for you to look at: {}", self.path.display()));
        } else {
            // Best effort: an open file on some systems keeps its directory, and the system clears it one day.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A name part that no other test of this or another process has: process, time and count.
pub(crate) fn unique_suffix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_micros());
    format!("{}_{micros:x}_{count}", process::id())
}

/// Tells the person who reads a failing test's output something.
#[expect(clippy::print_stderr, reason = "a test's output is where its reader looks")]
pub(crate) fn report(message: &str) {
    eprintln!("{message}");
}
