//! Progress of long work, on standard error: a bar on a terminal, a line per kind elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::Kind;
use sync::Progress;

use crate::output::Output;
use crate::words;

/// Shows how a sync stands.
pub(crate) struct SyncBar {
    bar: ProgressBar,
    output: Output,
    is_terminal: bool,
    last: Mutex<Option<(Kind, i64)>>,
}

impl SyncBar {
    pub(crate) fn new(output: &Output) -> Self {
        let is_terminal = stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("  {msg:<18} [{bar:30}] {human_pos}/{human_len}  {elapsed}") {
            bar.set_style(style.progress_chars("=> "));
        }
        if is_terminal {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, output: *output, is_terminal, last: Mutex::new(None) }
    }

    /// To be told after every page.
    pub(crate) fn tell(&self, progress: Progress) {
        let seen = progress.counts.seen;
        self.bar.set_message(progress.kind.plural());
        self.bar.set_length(u64::try_from(progress.counts.expected.unwrap_or(seen).max(seen)).unwrap_or_default());
        self.bar.set_position(u64::try_from(seen).unwrap_or_default());
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = last.replace((progress.kind, seen));
        if let Some((kind, seen)) = before.filter(|(kind, _)| *kind != progress.kind) {
            self.say(kind, seen);
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        let last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some((kind, seen)) = last {
            self.say(kind, seen);
        }
        self.bar.finish_and_clear();
    }

    fn say(&self, kind: Kind, seen: i64) {
        if !self.is_terminal && self.output.is_for_people() {
            self.output.note(&format!("  {:<18} {}", kind.plural(), words::count(seen)));
        }
    }
}

impl Drop for SyncBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
