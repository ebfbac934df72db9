//! Rules that several kinds share, and the words in which they refuse. Verbatim messages are the ones seen on the wire;
//! the few that are not documented anywhere are marked as such.

use jiff::civil::Date;
use url::Url;

use super::Writer;
use crate::books::{CurrencyCode, Rate};
use crate::dates::message_date;

pub(super) const ARCHIVED_CONTACT: &str = "The specified contact details matched an archived contact. Archived contacts \
    cannot currently be edited via the API.";
pub(super) const CONTACT_UNIDENTIFIED: &str = "The Contact must contain at least 1 of the following elements to identify \
    the contact: Name, ContactID, ContactNumber";
pub(super) const CONTACT_NUMBER_TAKEN: &str =
    "Another contact has this contact number. Please enter a different contact number.";
pub(super) const EMAIL_INVALID: &str = "Email address must be valid";
pub(super) const NO_CONTACT: &str = "A Contact must be specified for this type of transaction";
pub(super) const NO_LINES: &str = "One or more line items must be specified";
pub(super) const FROZEN: &str = "This document cannot be edited as it has a payment or credit note allocated to it.";
pub(super) const PAID_LINE_WITHOUT_ID: &str =
    "To update fields on a paid invoice line item, you must supply a LineItemID";
pub(super) const ACCOUNT_INVALID: &str = "Account must be valid.";
pub(super) const TAX_RATE_INVALID: &str = "Tax rate must be valid.";
pub(super) const DOCUMENT_UNKNOWN: &str = "The document with the supplied id was not found for this endpoint.";
pub(super) const ONLY_AUTHORISED: &str = "Payments can only be made against Authorised documents";
pub(super) const EXCEEDS_OUTSTANDING: &str = "Payment amount exceeds the amount outstanding on this document";
pub(super) const SENT_TO_CONTACT: &str = "Only AUTHORISED invoices may have SentToContact updated.";

pub(super) const PLAN_LIMIT: &str = "You have reached the limit of invoices you can approve";

/// The refusal of a name that an active contact has.
pub(super) fn contact_name_taken(name: &str) -> String {
    format!(
        "The contact name {name} is already assigned to another contact. The contact name must be unique across all \
         active contacts."
    )
}

/// The refusal of an account code that does not exist, or that this kind of document cannot use.
pub(super) fn account_code_invalid(code: &str) -> String {
    format!("Account code '{code}' is not a valid code for this document.")
}

/// The refusal of an account that is no longer in use.
pub(super) fn account_archived(code: &str) -> String {
    format!(
        "Account code '{code}' has been archived, or has been deleted. Each line item must reference a valid account."
    )
}

/// The refusal of a tax type that the account's class does not take.
pub(super) fn tax_type_mismatch(tax_type: &str, code: &str) -> String {
    format!("The TaxType code '{tax_type}' cannot be used with account code '{code}'.")
}

/// The refusal of an over-long text, in the form that is known for account codes.
pub(super) fn too_long(what: &str, max: usize) -> String {
    format!("{what} is too long. Maximum of {max} characters allowed")
}

/// Adds the refusal of a text that is longer than `max` characters.
pub(super) fn check_length(messages: &mut Vec<String>, what: &str, text: Option<&str>, max: usize) {
    if text.is_some_and(|text| text.chars().count() > max) {
        messages.push(too_long(what, max));
    }
}

/// A date that is locked, refused with the lock that is further-reaching.
pub(super) fn check_lock_dates(writer: &Writer<'_>, date: Date) -> Option<String> {
    let organisation = &writer.books.organisation;
    let locked = |lock: Option<Date>| lock.filter(|lock| date <= *lock);
    if let Some(lock) = locked(organisation.end_of_year_lock_date) {
        let set = message_date(lock);
        return Some(format!("The document date cannot be before the end of year lock date, currently set at {set}"));
    }
    locked(organisation.period_lock_date).map(|lock| {
        let set = message_date(lock);
        format!("The document date cannot be before the period lock date, currently set at {set}")
    })
}

/// The refusal of a currency that the organisation does not use.
pub(super) fn check_currency(writer: &Writer<'_>, code: CurrencyCode) -> Option<String> {
    let known = code == writer.books.organisation.base_currency || writer.books.has_currency(code);
    (!known).then(|| format!("Organisation is not subscribed to currency {code}"))
}

/// A link must be a URL, and must not lead to Xero itself. The words are not documented.
pub(super) fn check_url(messages: &mut Vec<String>, url: Option<&str>) {
    let Some(text) = url else { return };
    let valid = Url::parse(text).is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    if !valid || text.to_ascii_lowercase().contains("xero") {
        messages.push("Url must be a valid absolute URL".into());
    }
}

/// The rate of the day, for a document that brings none: units of `currency` per unit of the base currency. The figures
/// are fixed, so that the same books come out on every day.
pub(super) fn day_rate(writer: &Writer<'_>, currency: CurrencyCode) -> Rate {
    const PER_USD_E6: [(&str, i64); 16] = [
        ("AUD", 1_520_000),
        ("BHD", 377_000),
        ("CAD", 1_370_000),
        ("CHF", 880_000),
        ("CNY", 7_180_000),
        ("EUR", 920_000),
        ("GBP", 790_000),
        ("HKD", 7_800_000),
        ("JPY", 149_500_000),
        ("KWD", 307_000),
        ("NZD", 1_640_000),
        ("SEK", 10_450_000),
        ("SGD", 1_340_000),
        ("THB", 35_600_000),
        ("USD", 1_000_000),
        ("ZAR", 18_600_000),
    ];
    let base = writer.books.organisation.base_currency;
    let per_usd = |code: CurrencyCode| {
        PER_USD_E6.iter().find(|(name, _)| *name == code.as_str()).map_or(1_000_000, |(_, rate)| *rate)
    };
    if currency == base {
        return Rate::ONE;
    }
    // Six decimals, as day rates have, in units of 10^-10.
    let e6 = i128::from(per_usd(currency)) * 1_000_000 / i128::from(per_usd(base));
    i64::try_from(e6 * 10_000).map_or(Rate::ONE, Rate)
}
