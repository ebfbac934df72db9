//! A row for every message that Xero is known to give about a record of the two-way kinds, and what each code promises.

use super::*;

/// Kind, Xero's words, the code.
const ROWS: &[(Kind, &str, &str)] = &[
    // Seen at Xero, word for word.
    (
        Kind::Customer,
        "The contact name Round & Sons is already assigned to another contact. The contact name must be unique across all active contacts.",
        "TO-NAME-TAKEN",
    ),
    (
        Kind::Customer,
        "Another contact has this contact number. Please enter a different contact number.",
        "TO-NUMBER-TAKEN",
    ),
    (
        Kind::Customer,
        "The Contact must contain at least 1 of the following elements to identify the contact: Name, ContactID, ContactNumber",
        "TO-BAD-FIELD",
    ),
    (Kind::Invoice, "A Contact must be specified for this type of transaction", "TO-BAD-FIELD"),
    (Kind::Invoice, "One or more line items must be specified", "TO-NO-LINES"),
    (Kind::Invoice, "Invoice not of valid status for creation", "TO-STATUS"),
    (Kind::Invoice, "Invoice not of valid status for modification", "TO-STATUS"),
    (Kind::Invoice, "Invoice # must be unique.", "TO-NUMBER-TAKEN"),
    (Kind::Invoice, "This document cannot be edited as it has a payment or credit note allocated to it.", "TO-FROZEN"),
    (
        Kind::Invoice,
        "The status VOIDED cannot be applied to the invoice because it has payments or credit notes allocated to it.",
        "TO-HAS-PAYMENTS",
    ),
    (
        Kind::Invoice,
        "The status VOIDED/SUBMITTED/AUTHORISED/DRAFT cannot be applied to the invoice because it has payments or credit notes allocated to it.",
        "TO-HAS-PAYMENTS",
    ),
    (Kind::Invoice, "To update fields on a paid invoice line item, you must supply a LineItemID", "TO-FROZEN"),
    (Kind::Invoice, "Account code '999' is not a valid code for this document.", "TO-ACCOUNT"),
    (
        Kind::Invoice,
        "Account code '200' has been archived, or has been deleted. Each line item must reference a valid account.",
        "TO-ACCOUNT",
    ),
    (Kind::Invoice, "Account must be valid.", "TO-ACCOUNT"),
    (Kind::Invoice, "Tax rate must be valid.", "TO-TAX"),
    (Kind::Invoice, "The TaxType code 'INPUT2' cannot be used with account code '200'.", "TO-TAX"),
    (Kind::Invoice, "Item code 'CHAIR' is not valid", "TO-BAD-FIELD"),
    (Kind::Invoice, "The line total 1.00 does not match the expected line total 100.00", "TO-LINE-TOTAL"),
    (Kind::Customer, "Email address must be valid", "TO-EMAIL"),
    (Kind::Payment, "Payments can only be made against Authorised documents", "TO-NOT-PAYABLE"),
    (Kind::Payment, "Payment amount exceeds the amount outstanding on this document", "TO-OVERPAID"),
    (Kind::Payment, "The document with the supplied id was not found for this endpoint.", "TO-NOT-PAYABLE"),
    (Kind::Invoice, "The document with the supplied id was not found for this endpoint.", "TO-REJECTED"),
    (
        Kind::Invoice,
        "The document date cannot be before the period lock date, currently set at 31 March 2026",
        "TO-LOCKED-PERIOD",
    ),
    (
        Kind::Invoice,
        "The document date cannot be before the end of year lock date, currently set at 31 March 2026",
        "TO-LOCKED-PERIOD",
    ),
    (Kind::Invoice, "Organisation is not subscribed to currency THB", "TO-CURRENCY"),
    (Kind::Invoice, "Users Organisation is not subscribed to currency NZD", "TO-CURRENCY"),
    (Kind::Invoice, "Price List Item with Code 'abc' already exists", "TO-NUMBER-TAKEN"),
    (Kind::Invoice, "Please enter a unique Name.", "TO-NUMBER-TAKEN"),
    (Kind::Invoice, "Please enter a unique Code.", "TO-NUMBER-TAKEN"),
    (Kind::Invoice, "Order number must be unique", "TO-NUMBER-TAKEN"),
    (Kind::Customer, "You’ve reached the limit of 100 contact groups.", "TO-PLAN-LIMIT"),
    (Kind::Invoice, "You have reached the limit of invoices you can approve", "TO-PLAN-LIMIT"),
    (
        Kind::Customer,
        "The specified contact details matched an archived contact. Archived contacts cannot currently be edited via the API.",
        "TO-ARCHIVED",
    ),
    (Kind::Invoice, "Idempotency Key: 1f is used with a different request.", "TO-REJECTED"),
    (Kind::Invoice, "PurchaseOrder status change is invalid", "TO-STATUS"),
    (Kind::Invoice, "Account Code is too long. Maximum of 10 characters allowed", "TO-BAD-FIELD"),
    (
        Kind::Invoice,
        "Error converting value \"NO_TAX\" to type 'Xero.API.Library..LineAmountType'. Path 'Invoices[0].LineAmountTypes'.",
        "TO-BAD-FIELD",
    ),
    (Kind::Invoice, "The Xero API is currently offline for maintenance", "TO-WAITING"),
    (Kind::Invoice, "The Xero API is temporarily unavailable", "TO-WAITING"),
    (Kind::Invoice, "The Organisation is offline", "TO-WAITING"),
    // Not documented; the emulator's words.
    (Kind::Payment, "A payment that has been reconciled cannot be deleted", "TO-RECONCILED"),
    (Kind::Payment, "A payment that is part of a batch payment cannot be deleted individually", "TO-RECONCILED"),
    (Kind::Payment, "Payment not of valid status for modification", "TO-STATUS"),
    (Kind::Payment, "Payment not of valid status for creation", "TO-STATUS"),
    (Kind::Payment, "Payment amount must be greater than zero", "TO-BAD-FIELD"),
    (Kind::Payment, "The currency rate must be greater than zero", "TO-CURRENCY"),
    (
        Kind::Payment,
        "A payment must have exactly one of Invoice, CreditNote, Prepayment and Overpayment",
        "TO-BAD-FIELD",
    ),
    (Kind::Payment, "Reference is too long. Maximum of 255 characters allowed", "TO-BAD-FIELD"),
    (Kind::BankTransaction, "Bank transaction not of valid status for creation", "TO-STATUS"),
    (Kind::BankTransaction, "The Type of the bank transaction must be specified", "TO-BAD-FIELD"),
    (Kind::BankTransaction, "Transfers can only be made through the BankTransfers endpoint", "TO-BAD-FIELD"),
    (
        Kind::BankTransaction,
        "This bank transaction cannot be edited as it has been reconciled with a bank statement line.",
        "TO-RECONCILED",
    ),
    (Kind::BankTransaction, "The currency must be the currency of the bank account", "TO-CURRENCY"),
    (Kind::BankTransaction, "An overpayment can only have one line item", "TO-BAD-FIELD"),
    (Kind::BankTransaction, "The total of the bank transaction must be greater than zero", "TO-BAD-FIELD"),
    (Kind::BankTransaction, "The quantity of a line item must be greater than zero", "TO-BAD-FIELD"),
    (Kind::BankTransaction, "The unit amount of a line item must not be zero", "TO-BAD-FIELD"),
    (Kind::BankTransaction, "The tax total 1.00 does not match the expected tax total 1.50", "TO-TAX"),
    (Kind::Invoice, "The tax total must not exceed 9999999999.99", "TO-TAX"),
    (Kind::Customer, "Contact Name must not contain the characters < and >", "TO-BAD-FIELD"),
    (Kind::Customer, "Contact Name must not have leading, trailing or repeated spaces", "TO-BAD-FIELD"),
    (Kind::Customer, "A contact can have at most 5 contact persons", "TO-BAD-FIELD"),
    (Kind::Invoice, "The contact with the specified ContactID could not be found", "TO-BAD-FIELD"),
    (Kind::Invoice, "Currency code must be specified", "TO-CURRENCY"),
    (Kind::Invoice, "The Type of an existing document cannot be changed", "TO-IMMUTABLE"),
    (Kind::Invoice, "The Type of the document must be specified", "TO-BAD-FIELD"),
    (Kind::Invoice, "The branding theme could not be found", "TO-BAD-FIELD"),
    (Kind::Invoice, "InvoiceNumber must consist of printable ASCII characters", "TO-BAD-FIELD"),
    (Kind::Invoice, "The document total must not be negative", "TO-BAD-FIELD"),
    (Kind::Invoice, "The document total must not exceed 9999999999.99", "TO-BAD-FIELD"),
    (Kind::Invoice, "Discounts are only supported on ACCREC invoices and quotes", "TO-BAD-FIELD"),
    (Kind::Invoice, "Discount must be between 0 and 100 percent of the line", "TO-BAD-FIELD"),
    (Kind::Invoice, "The line total must not exceed 9999999999.99", "TO-BAD-FIELD"),
    (Kind::Invoice, "Quantity is too long. Maximum of 13 digits allowed", "TO-BAD-FIELD"),
    (Kind::Invoice, "Tracking category 'Region' with option 'Moon' is not valid", "TO-BAD-FIELD"),
    (Kind::Invoice, "A line item can have at most 2 tracking categories", "TO-BAD-FIELD"),
    (Kind::Invoice, "Url must be a valid absolute URL", "TO-BAD-FIELD"),
    (Kind::Invoice, "The Date field is required.", "TO-BAD-FIELD"),
    (Kind::Invoice, "The string 'soon' is not a valid AllXsd value.", "TO-BAD-FIELD"),
    (Kind::Invoice, "Idempotency Key: must not be longer than 128 characters.", "TO-REJECTED"),
    // Words that nobody has seen yet.
    (Kind::Invoice, "The moon is in the wrong house", "TO-REJECTED"),
];

#[test]
fn every_known_message_has_its_code() {
    for (kind, words, code) in ROWS {
        let refusal = classify(*kind, &[(*words).to_owned()]);
        assert_eq!(refusal.code, *code, "{words}");
        assert!(refusal.message.contains(words), "the words are kept: {}", refusal.message);
        assert_eq!(refusal.advice, advice_of(code), "{words}");
        let shouted = classify(*kind, &[words.to_uppercase()]);
        assert_eq!(shouted.code, *code, "case does not count: {words}");
    }
}

#[test]
fn every_row_of_the_table_is_met_by_a_message() {
    for row in KNOWN {
        let met = ROWS.iter().any(|(_, words, code)| *code == row.code && has_parts(&words.to_lowercase(), row.parts));
        assert!(met, "no message tests {:?}", row.parts);
    }
}

#[test]
fn of_several_messages_the_telling_one_counts() {
    let outstanding = "Payment amount exceeds the amount outstanding on this document".to_owned();
    let authorised = "Payments can only be made against Authorised documents".to_owned();
    for pair in [[outstanding.clone(), authorised.clone()], [authorised, outstanding]] {
        assert_eq!(classify(Kind::Payment, &pair).code, "TO-NOT-PAYABLE");
    }
    let both = ["Something new".to_owned(), "Email address must be valid".to_owned()];
    assert_eq!(classify(Kind::Customer, &both).code, "TO-EMAIL");
    let unknown = ["Something new".to_owned(), "Something else".to_owned()];
    assert!(classify(Kind::Customer, &unknown).message.contains("Something new; Something else"));
}

#[test]
fn a_refusal_without_words_still_says_something() {
    for messages in [vec![], vec![String::new()], vec!["  ".to_owned()]] {
        let refusal = classify(Kind::Invoice, &messages);
        assert_eq!(refusal.code, "TO-REJECTED");
        assert!(refusal.message.contains("without saying why"));
    }
    let long = classify(Kind::Invoice, &["é".repeat(10_000)]);
    assert!(long.message.chars().count() < 600);
}

#[test]
fn every_code_has_a_fix_and_an_advice() {
    let codes: Vec<&str> =
        accounting::CODES.iter().map(|(code, _)| *code).chain(MORE.iter().map(|(code, ..)| *code)).collect();
    for (at, code) in codes.iter().enumerate() {
        assert!(!codes[..at].contains(code), "{code} is there twice");
        assert_ne!(fix_of(code), fix_of("TO-NO-SUCH-CODE"), "{code} has no fix");
    }
    for (code, _) in FIXES {
        assert!(accounting::advice_of(code).is_some(), "{code} has no advice");
    }
    for row in KNOWN {
        assert!(accounting::advice_of(row.code).is_some(), "{} is no code of a change", row.code);
    }
    assert_eq!(advice_of("TO-QUOTA"), Advice::Retry);
    assert_eq!(advice_of("TO-OVERPAID"), Advice::FixData);
    assert_eq!(advice_of("TO-NO-SUCH-CODE"), Advice::AskPerson);
}
