//! The law of sending a create again: the same bytes under the same key while no copy can outlive the key, and after that
//! only when two looks, a minute apart and after everything could have landed, have found nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{API, collection, elements, id_of, is_refused, is_write};
use crate::checks::Violation;
use crate::snapshot::Call;

/// W: how long after the first send the same bytes may go out again, in milliseconds; a second is for the way.
const RESEND_MS: i64 = 90_000 + 1_000;
/// D: the longest that a request given up may still be on its way.
const LANDS_MS: i64 = 240_000;
/// Between two looks that count; a second is for the way.
const LOOKS_APART_MS: i64 = 60_000 - 1_000;

/// One element of a request that makes a record.
#[derive(Debug, Clone, Copy)]
struct Attempt<'a> {
    call: &'a Call,
    /// What Xero said of this element.
    answer: Option<&'a Value>,
}

impl Attempt<'_> {
    /// Xero has certainly not done it, and the process knows.
    fn is_void(&self) -> bool {
        let is_refusal = matches!(self.call.status, 400..=499) && self.call.status != 408;
        is_refusal || self.call.status == 200 && self.answer.is_some_and(is_refused)
    }

    fn made(&self) -> Option<Uuid> {
        self.answer.filter(|answer| !is_refused(answer)).and_then(id_of)
    }
}

/// Attempts to make one record of the App.
type Attempts<'a> = BTreeMap<(&'a str, String), Vec<Attempt<'a>>>;

fn attempts<'a>(calls: &[&'a Call]) -> Attempts<'a> {
    let mut found: Attempts<'a> = BTreeMap::new();
    for call in calls.iter().copied().filter(|call| is_write(call)) {
        let answers = elements(&call.answer);
        for (at, element) in elements(&call.body).into_iter().enumerate() {
            let of = collection(&call.path);
            // With an id it is a change of a record that is there.
            let own = match of {
                "Contacts" => "ContactID",
                "Invoices" => "InvoiceID",
                "Payments" => "PaymentID",
                "BankTransactions" => "BankTransactionID",
                _ => continue,
            };
            if call.method != "PUT" || !element[own].is_null() {
                continue;
            }
            let attempt = Attempt { call, answer: answers.get(at).copied() };
            found.entry((of, record_of(of, element))).or_default().push(attempt);
        }
    }
    found
}

/// What tells one record of the App from another in what is sent.
fn record_of(collection: &str, element: &Value) -> String {
    let text = |member: &str| element[member].as_str().filter(|text| !text.is_empty());
    let contact = || element["Contact"]["ContactID"].as_str().unwrap_or_default();
    let named = match collection {
        "Contacts" => text("ContactNumber").or(text("Name")).map(str::to_owned),
        "Invoices" if element["Type"] == "ACCPAY" => {
            text("InvoiceNumber").map(|number| format!("{number} of {}", contact()))
        }
        "Invoices" => text("InvoiceNumber").or(text("Reference")).map(str::to_owned),
        "Payments" => {
            let invoice = element["Invoice"]["InvoiceID"].as_str().unwrap_or_default();
            text("Reference").map(|reference| format!("{reference} for {invoice} {}", element["Amount"]))
        }
        _ => text("Reference").map(|reference| format!("{reference} of {}", contact())),
    };
    named.unwrap_or_else(|| element.to_string())
}

/// A create is sent again only by the law (I-S3).
pub(super) fn resends(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    for ((of, record), attempts) in attempts(calls) {
        for (at, new) in attempts.iter().enumerate() {
            let open: Vec<&Attempt<'_>> = attempts[..at].iter().filter(|old| !old.is_void()).collect();
            let Some(last) = open.last() else { continue };
            let about = format!("call {} sends {of} {record:?} again", new.call.number);
            if last.call.key == new.call.key {
                let first = open.iter().filter(|old| old.call.key == new.call.key).map(|old| old.call.at_ms).min();
                let after = new.call.at_ms - first.unwrap_or(new.call.at_ms);
                if after > RESEND_MS {
                    found.push(Violation::new("I-S3", format!("{about} under its key after {after} ms")));
                }
                // Who died, or could not write it down, does not know.
                let is_known = |old: &Call| (old.process, old.life) == (new.call.process, new.call.life);
                let refused = |old: &&&Attempt<'_>| old.call.key == new.call.key && old.call.status == 500;
                if open.iter().filter(refused).any(|old| is_known(old.call)) {
                    found.push(Violation::new("I-S3", format!("{about} under a key that was answered with 500")));
                }
            } else if !was_looked_for(calls, of, &open, new.call) {
                let since = new.call.at_ms - last.call.at_ms;
                found.push(Violation::new(
                    "I-S3",
                    format!("{about} under another key after {since} ms without two looks"),
                ));
            }
        }
    }
    found
}

/// Whether Xero was asked twice, far enough apart, after everything that was sent could have landed.
fn was_looked_for(calls: &[&Call], of: &str, open: &[&Attempt<'_>], new: &Call) -> bool {
    let landed = open.iter().map(|old| old.call.at_ms).max().unwrap_or(0) + LANDS_MS;
    let is_look = |call: &&&Call| {
        call.method == "GET"
            && call.status == 200
            && call.path.starts_with(API)
            && collection(&call.path) == of
            && call.at_ms >= landed
            && (call.at_ms, call.number) < (new.at_ms, new.number)
    };
    let times: Vec<i64> = calls.iter().filter(is_look).map(|call| call.at_ms).collect();
    match (times.iter().min(), times.iter().max()) {
        (Some(first), Some(last)) => last - first >= LOOKS_APART_MS,
        _ => false,
    }
}

/// One record of the App is made in Xero at most once, where no request was on its way for longer than D (I-S1).
pub(super) fn twice(calls: &[&Call]) -> Vec<Violation> {
    let mut found = Vec::new();
    for ((of, record), attempts) in attempts(calls) {
        let is_late =
            |one: &&Attempt<'_>| one.call.applied_at_ms.is_some_and(|applied| applied - one.call.at_ms > LANDS_MS);
        if attempts.iter().any(|one| is_late(&one)) {
            continue;
        }
        let made: BTreeSet<Uuid> = attempts.iter().filter_map(Attempt::made).collect();
        if made.len() > 1 {
            found.push(Violation::new("I-S1", format!("{of} {record:?} was made {} times: {made:?}", made.len())));
        }
    }
    found
}
