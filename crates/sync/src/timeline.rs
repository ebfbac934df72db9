//! What happened to one record, in one line each: edits, writes, conflicts, decisions and failures, newest first.

use store::{ConflictState, Event, IntentState, Resolution};

use crate::explain::{Happening, Known, doing};

/// The lines of a record, at most so many.
pub(crate) fn of(known: &Known, events: &[Event], limit: usize) -> Vec<Happening> {
    let mut lines: Vec<Happening> = events.iter().filter_map(event).collect();
    intents(known, &mut lines);
    conflicts(known, &mut lines);
    failures(known, &mut lines);
    // Of things of one moment the later sorted in comes from the end of the lists: events last.
    lines.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.what.cmp(&b.what)).then_with(|| a.text.cmp(&b.text)));
    lines.truncate(limit);
    lines
}

fn event(event: &Event) -> Option<Happening> {
    let details: serde_json::Value =
        event.details.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let text = match event.what.as_str() {
        "record.created" => "it was brought over from Xero".to_owned(),
        "record.updated" => "the App's row was brought up to date".to_owned(),
        "record.linked" => format!("it was linked with {} in Xero", details["xeroId"].as_str().unwrap_or("a record")),
        "failure.retried" => format!("it was tried again after {}", details["code"].as_str().unwrap_or("a failure")),
        "failure.restored" => "the failure was listed again".to_owned(),
        // Conflicts and failures tell these themselves, with more.
        "record.conflict" | "conflict.resolved" | "conflict.ignored" | "conflict.undone" | "failure.ignored" => {
            return None;
        }
        // Writes tell these.
        "failure.linked" | "record.sent" => return None,
        other => other.replace(['.', '_'], " "),
    };
    let by = details["by"].as_str().map(str::to_owned);
    Some(Happening { at: event.at, what: event.what.clone(), by, text, run: event.run })
}

fn intents(known: &Known, lines: &mut Vec<Happening>) {
    for intent in &known.intents {
        let what = doing(intent.op);
        let fields: Vec<String> = serde_json::from_str(&intent.fields).unwrap_or_default();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        let line = |at, word: &str, text: String| Happening {
            at,
            what: word.to_owned(),
            by: Some(intent.triggered_by.clone()),
            text,
            run: intent.run,
        };
        lines.push(line(intent.created_at, "write.planned", format!("{what} was planned{fields}")));
        let why = intent.message.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let (word, text) = match intent.state {
            IntentState::Planned => continue,
            IntentState::Sending => ("write.sent", format!("{what}{fields}: sent")),
            IntentState::Unknown => {
                ("write.unanswered", format!("{what}{fields}: sent, no answer: looking before retry"))
            }
            IntentState::Done => ("write.done", format!("{what}{fields}: done{why}")),
            IntentState::Refused => ("write.refused", format!("{what}{fields}: refused{why}")),
            IntentState::Dropped => ("write.dropped", format!("{what}{fields}: not sent{why}")),
        };
        lines.push(line(intent.updated_at, word, text));
    }
}

fn conflicts(known: &Known, lines: &mut Vec<Happening>) {
    for conflict in &known.conflicts {
        let (id, field) = (conflict.id, &conflict.field);
        let mut line = |at, what: &str, by: &Option<String>, text: String| {
            lines.push(Happening { at, what: what.to_owned(), by: by.clone(), text, run: conflict.run });
        };
        line(conflict.created_at, "conflict.found", &None, format!("conflict {id}: both sides changed {field}"));
        if let Some(at) = conflict.decided_at {
            let (what, how) = match (conflict.state, conflict.resolution) {
                (ConflictState::Ignored, _) if conflict.decided_by.as_deref() == Some("engine") => {
                    ("conflict.withdrawn", "both sides agree again")
                }
                (ConflictState::Ignored, _) => ("conflict.ignored", "set aside"),
                (_, Some(Resolution::KeepApp)) => ("conflict.resolved", "the App's value was kept"),
                (_, Some(Resolution::KeepXero)) => ("conflict.resolved", "Xero's value was kept"),
                _ => ("conflict.resolved", "both got another value"),
            };
            line(at, what, &conflict.decided_by, format!("conflict {id} about {field}: {how}"));
        }
        if let Some(at) = conflict.undone_at {
            let (what, how) = match conflict.state {
                ConflictState::Ignored => ("conflict.ended", "a value changed, it is no longer set aside"),
                _ => ("conflict.undone", "the decision was taken back"),
            };
            line(at, what, &conflict.undone_by, format!("conflict {id} about {field}: {how}"));
        }
    }
}

fn failures(known: &Known, lines: &mut Vec<Happening>) {
    for failure in &known.failures {
        let mut line = |at, what: &str, by: Option<String>, text: String| {
            lines.push(Happening { at, what: what.to_owned(), by, text, run: failure.run });
        };
        let (code, message) = (&failure.code, &failure.message);
        let times = failure.attempts;
        line(failure.last_seen_at, "failure", None, format!("{code}, attempt {times}: {message}"));
        if let Some(at) = failure.ignored_at {
            let reason = failure.ignored_reason.as_deref().unwrap_or_default();
            line(at, "failure.ignored", failure.ignored_by.clone(), format!("{code} was set aside: {reason}"));
        }
        if let Some(at) = failure.resolved_at {
            line(at, "failure.over", None, format!("{code} is over"));
        }
    }
}
