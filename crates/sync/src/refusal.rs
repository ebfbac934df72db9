//! What Xero's refusals mean: its words turned into a stable code, a sentence with what to do, and who can do it.
//!
//! The words are compared without regard to case, by parts that hold for every name, number and date that Xero puts
//! between them. What is not in the table is `TO-REJECTED`, with Xero's words kept.

use model::Kind;
use model::accounting::{self, Advice, Refusal};

/// Characters of Xero's own words that a refusal quotes.
const MAX_QUOTE: usize = 400;

/// One of Xero's messages.
struct Known {
    /// Lower case parts that the message has, in this order.
    parts: &'static [&'static str],
    /// The code that it stands for.
    code: &'static str,
    /// What is the matter and what to do.
    fix: &'static str,
}

const fn known(code: &'static str, parts: &'static [&'static str], fix: &'static str) -> Known {
    Known { parts, code, fix }
}

/// Xero's messages, the telling ones first: of several messages about one record the first in this table counts, because
/// the others mostly follow from it (a paid document also has nothing outstanding).
static KNOWN: &[Known] = &[
    known(
        "TO-ARCHIVED",
        &["matched an archived contact"],
        "the contact is archived in Xero: restore it there, or use another one",
    ),
    known(
        "TO-LOCKED-PERIOD",
        &["cannot be before the", "lock date"],
        "the date lies in a locked period: use a later date, or ask who may move the lock date in Xero",
    ),
    known(
        "TO-PLAN-LIMIT",
        &["reached the limit of"],
        "the organisation's Xero plan does not allow more of these: wait for the next month, or change the plan",
    ),
    known(
        "TO-NOT-PAYABLE",
        &["payments can only be made against authorised documents"],
        "the document cannot be paid: it is not approved, or paid or cancelled already; look at it in Xero",
    ),
    known(
        "TO-OVERPAID",
        &["payment amount exceeds the amount outstanding"],
        "the payment is more than is still due: lower it",
    ),
    known(
        "TO-RECONCILED",
        &["reconciled"],
        "it is matched with a line of a bank statement: undo the match in Xero first",
    ),
    known(
        "TO-RECONCILED",
        &["part of a batch payment"],
        "the payment is part of a batch: take the whole batch back in Xero",
    ),
    known(
        "TO-HAS-PAYMENTS",
        &["the status", "cannot be applied to the", "payments or credit notes allocated"],
        "payments or credits are booked on the document: take them off first",
    ),
    known(
        "TO-FROZEN",
        &["cannot be edited as it has a payment or credit note allocated"],
        "payments or credits are booked on the document: take the change back, or cancel the payments first",
    ),
    known(
        "TO-FROZEN",
        &["to update fields on a paid invoice line item"],
        "lines of a paid document cannot be added or replaced: take the change of the lines back",
    ),
    known(
        "TO-STATUS",
        &["not of valid status for"],
        "the record's status in Xero does not allow this: look at it in Xero, then change the status here",
    ),
    known(
        "TO-STATUS",
        &["status change is invalid"],
        "the record's status in Xero does not allow this: look at it in Xero, then change the status here",
    ),
    known(
        "TO-NAME-TAKEN",
        &["contact name", "is already assigned to another contact"],
        "another active contact has this name: link the two if they are the same, or rename one of them",
    ),
    known(
        "TO-NUMBER-TAKEN",
        &["another contact has this contact number"],
        "another contact has this contact number: link the two if they are the same, or change the number",
    ),
    known(
        "TO-NUMBER-TAKEN",
        &["# must be unique"],
        "another document has this number: link the two if they are the same, or change the number",
    ),
    known(
        "TO-NUMBER-TAKEN",
        &["number must be unique"],
        "another document has this number: link the two if they are the same, or change the number",
    ),
    known("TO-NUMBER-TAKEN", &["with code", "already exists"], "the code is in use: change it"),
    known("TO-NUMBER-TAKEN", &["please enter a unique"], "the name or code is in use: change it"),
    known(
        "TO-CURRENCY",
        &["not subscribed to currency"],
        "the organisation does not use this currency: add it in Xero, or use another one",
    ),
    known(
        "TO-CURRENCY",
        &["the currency must be the currency of the bank account"],
        "the bank account has another currency: use that, or another account",
    ),
    known(
        "TO-CURRENCY",
        &["the currency rate must be greater than zero"],
        "the exchange rate is not above zero: correct it, or leave it out",
    ),
    known("TO-CURRENCY", &["currency code must be specified"], "the currency is missing: set it"),
    known(
        "TO-TAX",
        &["taxtype code", "cannot be used with account code"],
        "the tax type does not go with the account: change one of them",
    ),
    known(
        "TO-TAX",
        &["tax rate must be valid"],
        "the tax type is unknown or not in use: choose one that is active in Xero",
    ),
    known(
        "TO-TAX",
        &["the tax total", "does not match"],
        "the tax amount is not what the tax type gives: correct it, or clear it and Xero computes it",
    ),
    known("TO-TAX", &["the tax total must not exceed"], "the tax amount is too large: correct it"),
    known(
        "TO-ACCOUNT",
        &["account code", "has been archived"],
        "the account is archived or deleted in Xero: use another one, or restore it there",
    ),
    known(
        "TO-ACCOUNT",
        &["account code", "is not a valid code for this document"],
        "the account is unknown or may not be used here (system and bank accounts may not): use another one",
    ),
    known(
        "TO-ACCOUNT",
        &["account must be valid"],
        "an account is missing, unknown or not in use: set one that is active in Xero",
    ),
    known(
        "TO-LINE-TOTAL",
        &["the line total", "does not match the expected line total"],
        "a line amount is not quantity times unit amount less discount: correct it, or clear it",
    ),
    known("TO-NO-LINES", &["one or more line items must be specified"], "the document has no lines: add at least one"),
    known(
        "TO-EMAIL",
        &["email address must be valid"],
        "Xero does not take the e-mail address: write it like name@example.com, without spaces and accents",
    ),
    known(
        "TO-IMMUTABLE",
        &["the type of an existing document cannot be changed"],
        "the type of a document cannot change: cancel it and make a new one",
    ),
    known("TO-BAD-FIELD", &["a contact must be specified"], "the document has no customer: set one"),
    known("TO-BAD-FIELD", &["the contact must contain at least 1"], "the customer has no name: set one"),
    known(
        "TO-BAD-FIELD",
        &["the contact with the specified contactid could not be found"],
        "Xero does not know the customer: look whether it is linked to the right contact",
    ),
    known("TO-BAD-FIELD", &["the type of the", "must be specified"], "the type is missing: set it"),
    known("TO-BAD-FIELD", &["is too long. maximum of"], "a text is longer than Xero takes: shorten it"),
    known(
        "TO-BAD-FIELD",
        &["contact name must not contain"],
        "the name has characters that Xero does not take: remove < and >",
    ),
    known(
        "TO-BAD-FIELD",
        &["contact name must not have"],
        "the name has spaces at its ends or several in a row: remove them",
    ),
    known("TO-BAD-FIELD", &["contact persons"], "the contact has more people than Xero takes: remove some in Xero"),
    known(
        "TO-BAD-FIELD",
        &["must consist of printable ascii"],
        "the number has characters that Xero does not take: use plain letters, digits and signs",
    ),
    known(
        "TO-BAD-FIELD",
        &["discounts are only supported"],
        "Xero takes discounts on sales invoices only: lower the unit amount instead",
    ),
    known(
        "TO-BAD-FIELD",
        &["discount must be between"],
        "the discount is below zero or more than the line: correct it",
    ),
    known("TO-BAD-FIELD", &["the line total must not exceed"], "a line is too large for Xero: split it"),
    known(
        "TO-BAD-FIELD",
        &["the document total must not"],
        "the document's total is below zero or too large for Xero: correct the lines",
    ),
    known(
        "TO-BAD-FIELD",
        &["the quantity of a line item must be greater than zero"],
        "a quantity is not above zero: correct it, or make the unit amount negative",
    ),
    known(
        "TO-BAD-FIELD",
        &["the unit amount of a line item must not be zero"],
        "a unit amount is zero: set it, or remove the line",
    ),
    known(
        "TO-BAD-FIELD",
        &["the total of the bank transaction must be greater than zero"],
        "the lines do not come to more than zero: correct them, or turn SPEND and RECEIVE round",
    ),
    known("TO-BAD-FIELD", &["payment amount must be greater than zero"], "the amount is not above zero: correct it"),
    known(
        "TO-BAD-FIELD",
        &["a payment must have exactly one of"],
        "the payment needs exactly one document: set one and clear the others",
    ),
    known("TO-BAD-FIELD", &["transfers can only be made"], "transfers cannot be made here: make it in Xero"),
    known("TO-BAD-FIELD", &["overpayment can only have one line"], "an overpayment has one line: remove the others"),
    known("TO-BAD-FIELD", &["item code", "is not valid"], "Xero does not know the item: use another code, or clear it"),
    known(
        "TO-BAD-FIELD",
        &["tracking category", "is not valid"],
        "Xero does not know the tracking option, or it is archived: use another one",
    ),
    known(
        "TO-BAD-FIELD",
        &["at most", "tracking categories"],
        "a line has too many tracking categories: keep at most two different ones",
    ),
    known(
        "TO-BAD-FIELD",
        &["the branding theme could not be found"],
        "Xero does not know the branding theme: choose another one in Xero",
    ),
    known("TO-BAD-FIELD", &["url must be"], "the link of the document is not one that Xero takes: correct it in Xero"),
    known("TO-BAD-FIELD", &["field is required"], "a required field is missing: set it"),
    known(
        "TO-BAD-FIELD",
        &["error converting value"],
        "Xero cannot read one of the values: the words say which; correct it",
    ),
    known("TO-BAD-FIELD", &["is not a valid allxsd value"], "Xero cannot read one of the dates: correct it"),
    known(
        "TO-WAITING",
        &["currently offline for maintenance"],
        "Xero is being maintained: it is tried again by itself",
    ),
    known("TO-WAITING", &["temporarily unavailable"], "Xero is not to be had just now: it is tried again by itself"),
    known(
        "TO-WAITING",
        &["organisation is offline"],
        "the organisation is offline at Xero: it is tried again by itself",
    ),
    known(
        "TO-REJECTED",
        &["idempotency key"],
        "the key of this write was used for another one: look into Xero whether the record is as it should be, then try again",
    ),
];

/// Of a record that Xero does not know (any more); what that means depends on what was written.
const UNKNOWN_DOCUMENT: &str = "the document with the supplied id was not found";

/// What Xero's messages about one record mean. `kind` is the kind that was written.
pub(crate) fn classify(kind: Kind, messages: &[String]) -> Refusal {
    let lower: Vec<String> = messages.iter().map(|message| message.to_lowercase()).collect();
    let found = KNOWN.iter().find_map(|row| {
        let at = lower.iter().position(|message| has_parts(message, row.parts))?;
        Some((row.code, row.fix, at))
    });
    let unknown_document = || {
        let at = lower.iter().position(|message| message.contains(UNKNOWN_DOCUMENT))?;
        Some(match kind {
            Kind::Payment => (
                "TO-NOT-PAYABLE",
                "Xero does not know the document that is to be paid: look whether it is linked to the right one",
                at,
            ),
            _ => ("TO-REJECTED", "Xero does not know the record any more: run a full sync, then look at it again", at),
        })
    };
    match found.or_else(unknown_document) {
        Some((code, fix, at)) => refusal(code, fix, &messages[at]),
        None if messages.iter().all(|message| message.trim().is_empty()) => Refusal::new(
            "TO-REJECTED",
            "Xero refused the record without saying why: try the same change in Xero to see what it minds",
        ),
        None => refusal(
            "TO-REJECTED",
            "Xero refused the record: mend what it says, or ask who knows the organisation",
            &messages.join("; "),
        ),
    }
}

fn has_parts(message: &str, parts: &[&str]) -> bool {
    let mut rest = message;
    parts.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn refusal(code: &'static str, fix: &str, words: &str) -> Refusal {
    let quote: String = words.chars().take(MAX_QUOTE).collect();
    Refusal::new(code, format!("{fix} (Xero says: {})", quote.trim()))
}

/// Who can help with a code, whatever it came from. Unknown codes need a person.
pub fn advice_of(code: &str) -> Advice {
    if let Some(advice) = accounting::advice_of(code) {
        return advice;
    }
    MORE.iter().find(|(known, ..)| *known == code).map_or(Advice::AskPerson, |(_, advice, _)| *advice)
}

/// What to do about a code, in one sentence.
pub fn fix_of(code: &str) -> &'static str {
    let change = FIXES.iter().find(|(known, _)| *known == code).map(|(_, fix)| *fix);
    change
        .or_else(|| MORE.iter().find(|(known, ..)| *known == code).map(|(_, _, fix)| *fix))
        .unwrap_or("look the code up in docs/errors.md")
}

/// What to do about a change that does not reach the other side.
static FIXES: &[(&str, &str)] = &[
    (
        "TO-STATUS",
        "set a status that Xero can follow: a draft is approved or cancelled, an approved document is only cancelled, a cancelled one stays so",
    ),
    ("TO-PAID-BY-STATUS", "set the status back to SENT and record a payment"),
    ("TO-HAS-PAYMENTS", "cancel the payments and take the credits off, then cancel the document"),
    ("TO-FROZEN", "take the change back, or cancel the payments first"),
    ("TO-PAYMENT-IMMUTABLE", "cancel the payment and make a new one"),
    ("TO-OVERPAID", "lower the payment to what is still due"),
    ("TO-NOT-PAYABLE", "look at the document in Xero: approve it, or cancel the payment if it is settled or gone"),
    ("TO-IMMUTABLE", "cancel the record and make a new one"),
    ("TO-ARCHIVED", "restore the contact in Xero, or archive it here too"),
    ("TO-LOCKED-PERIOD", "use a date after the lock date, or ask who may move it in Xero"),
    ("TO-ACCOUNT", "set an account that is active in Xero and allowed here"),
    ("TO-CURRENCY", "use a currency of the organisation, or add it in Xero"),
    ("TO-TAX", "choose a tax type that is active and goes with the account, or clear the tax amount"),
    ("TO-NAME-TAKEN", "link the two contacts if they are the same, or rename one of them"),
    ("TO-NUMBER-TAKEN", "link the two records if they are the same, or change the number"),
    ("TO-EMAIL", "correct the e-mail address"),
    ("TO-LINE-TOTAL", "correct quantity, unit amount or line amount, or clear the line amount"),
    ("TO-NO-LINES", "add a line; to be approved a document needs one with an account code"),
    ("TO-RECONCILED", "undo the match with the bank statement, or the batch, in Xero"),
    ("TO-PLAN-LIMIT", "wait for the next month, or change the organisation's plan in Xero"),
    ("TO-BAD-FIELD", "correct the field that the message names"),
    ("TO-REJECTED", "read Xero's own words in the message, mend what they say, and retry"),
    ("TO-WAITING", "nothing: it goes on by itself when what it waits for has arrived"),
    ("TO-MATCH", "say whether the two records are the same"),
    ("TO-MOVED", "make a new plan: the record has changed since"),
    ("TO-BRAKE", "look at what would be removed or changed, then approve or reject it"),
    ("TO-DUPLICATE", "say which of the records in Xero is the right one, and remove the others there"),
];

/// Codes that are not about a change on its way to Xero.
static MORE: &[(&str, Advice, &str)] = &[
    ("TO-NOT-CONNECTED", Advice::AskPerson, "connect the organisation, or resume it"),
    ("TO-RECONNECT", Advice::AskPerson, "connect the organisation again; all data is kept"),
    ("TO-DISCONNECTED", Advice::AskPerson, "connect the organisation again; all data is kept"),
    ("TO-SCOPE", Advice::AskPerson, "connect again and agree to the missing scope"),
    ("TO-ROLE", Advice::AskPerson, "let a user with a higher role in Xero connect the organisation"),
    ("TO-CONSENT", Advice::AskPerson, "begin the sign-in again"),
    ("TO-APP", Advice::AskPerson, "compare the configuration with the app's page at Xero"),
    ("TO-QUOTA", Advice::Retry, "nothing: the next run goes on by itself"),
    ("TO-QUOTA-DAY", Advice::Retry, "nothing: it goes on when Xero's 24 hours are over"),
    ("TO-XERO-DOWN", Advice::Retry, "nothing: the next run goes on by itself"),
    ("TO-BAD-ANSWER", Advice::Retry, "wait for the next run; report it if that ends the same way"),
    ("TO-BUSY", Advice::Retry, "wait for the sync that is under way"),
    ("TO-EMPTY-LIST", Advice::AskPerson, "look into Xero whether the list is really empty, then sync again"),
    ("TO-SHORT-LIST", Advice::Retry, "sync again"),
    ("TO-WRONG-XERO", Advice::AskPerson, "use another database"),
    ("TO-SUPERSEDED", Advice::Retry, "nothing: a full run reads everything that was left"),
    ("TO-KEY", Advice::AskPerson, "set the encryption key that the secrets were stored with"),
    ("TO-DISK-FULL", Advice::AskPerson, "free room on the database's disk"),
    ("TO-LOCKED-DATABASE", Advice::AskPerson, "stop the other process that has the database"),
    ("TO-NEWER-DATABASE", Advice::AskPerson, "use a version at least as new as the database's"),
    ("TO-DATABASE-DOWN", Advice::Retry, "nothing: it is tried again when the database answers"),
    ("TO-DATABASE", Advice::AskPerson, "look into the log; report it if it repeats"),
    ("TO-INTERNAL", Advice::AskPerson, "report it, with what the log says"),
    ("TO-BAD-RECORD", Advice::FixData, "put the record right in Xero; the next run brings it"),
    ("TO-LOCAL-MISSING", Advice::AskPerson, "restore the row, or delete the link and run a full sync"),
    ("TO-BAD-BASE", Advice::AskPerson, "restore the link from a backup, or delete it and run a full sync"),
    ("TO-UNAUTHENTICATED", Advice::AskPerson, "send an API key"),
    ("TO-FORBIDDEN", Advice::AskPerson, "use a key that allows this"),
    ("TO-NOT-FOUND", Advice::FixData, "check the id, and whose key it is"),
    ("TO-METHOD", Advice::FixData, "use a method that the path has"),
    ("TO-INVALID", Advice::FixData, "correct what the message names"),
    ("TO-CURSOR", Advice::FixData, "begin without a cursor"),
    ("TO-WHICH-CONNECTION", Advice::FixData, "say which connection with connectionId"),
    ("TO-TOO-LARGE", Advice::FixData, "send less at a time"),
    ("TO-MEDIA-TYPE", Advice::FixData, "send Content-Type: application/json"),
    ("TO-TIMEOUT", Advice::Retry, "look at the history: what was begun goes on"),
    ("TO-STOPPING", Advice::Retry, "try again when the program has started"),
];

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
