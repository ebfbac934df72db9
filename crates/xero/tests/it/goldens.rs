//! The shapes that the live service was seen to send (xero-facts, Appendix B), re-typed with made-up values.

use jiff::civil::date;
use rust_decimal::Decimal;
use uuid::Uuid;
use xero::{
    Account, AccountClass, AccountType, AddressType, BankTransaction, BankTransactionType, Contact, ContactStatus,
    CreditNote, DocumentStatus, Entity, Invoice, InvoiceType, LineAmountTypes, ListQuery, Organisation, Overpayment,
    Payment, PaymentStatus, PaymentType, PhoneType, Prepayment, ProfitAndLossQuery, Report, RowType, Timeframe,
};

use crate::support::*;

/// An element as it is decoded from a page.
fn read<T: Entity>(text: &str) -> T {
    xero::RawPage::<T>::decode_text(text).unwrap()
}

fn money(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

const WRITTEN_INVOICE: &str = r#"{"Type":"ACCREC","InvoiceID":"5f0e0000-0000-4000-8000-000000000001","InvoiceNumber":"S-0007","Reference":"order 12",
 "Prepayments":[],"Overpayments":[],"AmountDue":115.58,"AmountPaid":0.0,"SentToContact":false,"CurrencyRate":0.6134567891,
 "IsDiscounted":false,"HasErrors":false,"InvoicePaymentServices":[],"UpdatedDateUTCString":"2026-04-07T21:15:02Z",
 "Contact":{"ContactID":"c0de0000-0000-4000-8000-000000000002","ContactStatus":"ACTIVE","Name":"Harbour Café Ltd","EmailAddress":"desk@harbour.test","BankAccountDetails":"",
   "Addresses":[{"AddressType":"STREET","City":"","Region":"","PostalCode":"","Country":""},{"AddressType":"POBOX"}],
   "Phones":[{"PhoneType":"DEFAULT","PhoneNumber":"","PhoneAreaCode":"","PhoneCountryCode":""},{"PhoneType":"DDI"}],
   "UpdatedDateUTC":"\/Date(1775596501227+0000)\/","ContactGroups":[],"IsSupplier":false,"IsCustomer":true,
   "SalesTrackingCategories":[],"PurchasesTrackingCategories":[],"ContactPersons":[],"HasValidationErrors":false},
 "DateString":"2026-04-08T00:00:00","Date":"\/Date(1775606400000+0000)\/","DueDateString":"2026-05-20T00:00:00","DueDate":"\/Date(1779235200000+0000)\/",
 "BrandingThemeID":"b0000000-0000-4000-8000-000000000003","Status":"AUTHORISED","LineAmountTypes":"Exclusive",
 "LineItems":[{"Description":"Night shift","UnitAmount":33.5025,"TaxType":"OUTPUT2","TaxAmount":15.08,"LineAmount":100.51,"AccountCode":"210",
   "Tracking":[{"Name":"Region","Option":"North","TrackingCategoryID":"7ac00000-0000-4000-8000-000000000004","Options":[]}],
   "Quantity":3.0000,"LineItemID":"11e00000-0000-4000-8000-000000000005","AccountID":"acc00000-0000-4000-8000-000000000006","ValidationErrors":[]}],
 "SubTotal":100.51,"TotalTax":15.08,"Total":115.59,"UpdatedDateUTC":"\/Date(1775596502345+0000)\/","CurrencyCode":"USD","StatusAttributeString":"OK"}"#;

#[test]
fn an_invoice_as_a_write_answers_it() {
    let invoice: Invoice = read(WRITTEN_INVOICE);
    assert_eq!(invoice.id(), Uuid::try_parse("5f0e0000-0000-4000-8000-000000000001").unwrap());
    assert_eq!(invoice.kind, Some(InvoiceType::AccRec));
    assert_eq!(invoice.status, Some(DocumentStatus::Authorised));
    assert_eq!(invoice.line_amount_types, Some(LineAmountTypes::Exclusive));
    assert_eq!((invoice.date, invoice.due_date), (Some(date(2026, 4, 8)), Some(date(2026, 5, 20))));
    assert_eq!(invoice.amount_due, money("115.58"));
    assert_eq!(invoice.currency_rate.unwrap().to_string(), "0.6134567891");
    assert_eq!(invoice.updated(), "2026-04-07T21:15:02.345Z".parse().ok(), "the instant with milliseconds wins");
    assert_eq!(invoice.contact.as_ref().unwrap().name.as_deref(), Some("Harbour Café Ltd"));
    let line = &invoice.line_items[0];
    assert_eq!(line.unit_amount.unwrap().to_string(), "33.5025");
    assert_eq!(line.quantity.unwrap().to_string(), "3.0000");
    assert_eq!(line.tracking[0].option.as_deref(), Some("North"));
    assert_eq!(line.tracking[0].tracking_option_id, None, "lists leave it out");
    assert!(invoice.payments.is_empty());
}

#[test]
fn an_invoice_as_a_paged_list_gives_it() {
    let invoice: Invoice = read(
        r#"{"Type":"ACCPAY","InvoiceID":"5f0e0000-0000-4000-8000-000000000011","InvoiceNumber":"","Reference":"",
        "Payments":[{"PaymentID":"9a000000-0000-4000-8000-000000000012","Date":"\/Date(1775606400000+0000)\/","Amount":40.00,"Reference":"wire","CurrencyRate":1.0,"HasAccount":false,"HasValidationErrors":false}],
        "CreditNotes":[{"CreditNoteID":"c4000000-0000-4000-8000-000000000013","CreditNoteNumber":"CN-1","ID":"c4000000-0000-4000-8000-000000000013","AppliedAmount":9.5,"Date":"\/Date(1775606400000+0000)\/","Total":20.00,"LineItems":[]}],
        "Prepayments":[{"PrepaymentID":"94000000-0000-4000-8000-000000000014","AppliedAmount":1.0}],"Overpayments":[],
        "AmountDue":0.0,"AmountPaid":40.0,"AmountCredited":10.5,"CurrencyRate":1.0,"IsDiscounted":false,"HasAttachments":false,"HasErrors":false,
        "InvoiceAddresses":[],"InvoicePaymentServices":[],"RepeatingInvoiceID":"4e000000-0000-4000-8000-000000000015",
        "Contact":{"ContactID":"c0de0000-0000-4000-8000-000000000002","Name":"S","Addresses":[],"Phones":[],"ContactGroups":[],"ContactPersons":[],"HasValidationErrors":false},
        "DateString":"1969-12-31T00:00:00","Date":"\/Date(-86400000+0000)\/","Status":"PAID","LineAmountTypes":"NoTax","LineItems":[{"Description":"only words"}],
        "SubTotal":50.5,"TotalTax":0.0,"Total":50.5,"UpdatedDateUTC":"\/Date(1289999999000+0000)\/","CurrencyCode":"JPY","FullyPaidOnDate":"\/Date(1775606400000+0000)\/"}"#,
    );
    assert_eq!((invoice.date, invoice.due_date), (Some(date(1969, 12, 31)), None));
    assert_eq!(invoice.payments[0].amount, money("40.00"));
    assert_eq!(invoice.credit_notes[0].applied_amount, money("9.5"));
    assert_eq!(invoice.prepayments[0].applied_amount, money("1.0"));
    assert_eq!(invoice.fully_paid_on_date, Some(date(2026, 4, 8)));
    assert_eq!(invoice.line_items[0].description.as_deref(), Some("only words"));
    assert_eq!(invoice.invoice_number.as_deref(), Some(""), "empty is not absent");
    assert!(invoice.repeating_invoice_id.is_some());
}

#[test]
fn a_voided_invoice_with_unset_dates() {
    let invoice: Invoice = read(
        r#"{"InvoiceID":"5f0e0000-0000-4000-8000-000000000021","Status":"VOIDED","Date":"\/Date(-62135596800000+0000)\/","DueDate":"\/Date(0+0000)\/","AmountDue":0.00}"#,
    );
    assert!(xero::scalars::is_unset(invoice.date.unwrap()));
    assert_eq!(invoice.due_date, Some(date(1970, 1, 1)));
}

#[test]
fn a_contact_that_was_merged_away() {
    let contact: Contact = read(
        r#"{"ContactID":"c0de0000-0000-4000-8000-000000000031","MergedToContactID":"c0de0000-0000-4000-8000-000000000032","ContactNumber":"ours-7","ContactStatus":"ARCHIVED",
        "Name":"\u201cQuoted\u201d \"Pipes\" \ud83d\udea2","EmailAddress":"a@b.test","BankAccountDetails":"","TaxNumber":"12-345",
        "Addresses":[{"AddressType":"POBOX","AddressLine1":"PO Box 9","AddressLine2":"","City":"Nelson","Region":"","PostalCode":"7010","Country":"NZ","AttentionTo":"Desk"},{"AddressType":"STREET"}],
        "Phones":[{"PhoneType":"MOBILE","PhoneNumber":"555 010","PhoneAreaCode":"21","PhoneCountryCode":"64"},{"PhoneType":"DDI"},{"PhoneType":"SATELLITE"}],
        "UpdatedDateUTC":"\/Date(1775596501227+0000)\/","ContactGroups":[{"ContactGroupID":"96000000-0000-4000-8000-000000000033","Name":"VIP","Status":"ACTIVE","HasValidationErrors":false}],
        "IsSupplier":true,"IsCustomer":false,"DefaultCurrency":"NZD","PaymentTerms":{"Bills":{"Day":20,"Type":"OFFOLLOWINGMONTH"}},
        "ContactPersons":[{"FirstName":"Desk","IncludeInEmails":true}],"Balances":{"AccountsPayable":{"Outstanding":-12.34,"Overdue":0.00}},
        "HasAttachments":false,"HasValidationErrors":false}"#,
    );
    assert_eq!(contact.merged_to_contact_id, Uuid::try_parse("c0de0000-0000-4000-8000-000000000032").ok());
    assert_eq!(contact.contact_status, Some(ContactStatus::Archived));
    assert_eq!(contact.name.as_deref(), Some("“Quoted” \"Pipes\" 🚢"));
    assert_eq!(contact.addresses[0].address_type, Some(AddressType::PoBox));
    assert_eq!(contact.addresses[0].address_line_1.as_deref(), Some("PO Box 9"));
    assert_eq!(contact.addresses[1].city, None);
    assert_eq!(contact.phones[0].phone_type, Some(PhoneType::Mobile));
    assert_eq!(contact.phones[2].phone_type, Some(PhoneType::Unknown("SATELLITE".into())));
    assert_eq!(contact.payment_terms.as_ref().unwrap().bills.as_ref().unwrap().day, Some(20));
    let payable = contact.balances.unwrap().accounts_payable.unwrap();
    assert_eq!(payable.outstanding, money("-12.34"));
}

#[test]
fn payments_in_lists_and_alone() {
    let payment: Payment = read(
        r#"{"PaymentID":"9a000000-0000-4000-8000-000000000041","BatchPaymentID":"ba000000-0000-4000-8000-000000000042","BatchPayment":{"TotalAmount":"50.00","IsReconciled":"false"},
        "Date":"\/Date(1775606400000+0000)\/","BankAmount":46.0,"Amount":75.123,"Reference":"","CurrencyRate":0.6123,"PaymentType":"ACCRECPAYMENT","Status":"AUTHORISED",
        "UpdatedDateUTC":"\/Date(1775596501690+0000)\/","UpdatedDateUTCString":"2026-04-07T21:15:01Z","HasAccount":true,"IsReconciled":true,
        "Account":{"AccountID":"acc00000-0000-4000-8000-000000000043","Code":"090"},
        "Invoice":{"Type":"ACCREC","InvoiceID":"5f0e0000-0000-4000-8000-000000000044","InvoiceNumber":"S-9","Payments":[],"Contact":{"ContactID":"c0de0000-0000-4000-8000-000000000045","Name":"X"},"LineItems":[],"CurrencyCode":"KWD"},
        "HasValidationErrors":false}"#,
    );
    assert_eq!(payment.payment_type, Some(PaymentType::AccRecPayment));
    assert_eq!(payment.amount, money("75.123"), "three-decimal currencies are exact");
    assert!(payment.batch_payment_id.is_some());
    let invoice = payment.invoice.as_ref().unwrap();
    assert_eq!(invoice.currency_code.as_deref(), Some("KWD"));
    assert_eq!(payment.account.as_ref().unwrap().code.as_deref(), Some("090"));

    let refund: Payment = read(
        r#"{"PaymentID":"9a000000-0000-4000-8000-000000000046","Status":"DELETED","PaymentType":"ARCREDITPAYMENT","CreditNote":{"CreditNoteID":"c4000000-0000-4000-8000-000000000047","CreditNoteNumber":"CN-2"}}"#,
    );
    assert_eq!(refund.status, Some(PaymentStatus::Deleted));
    assert_eq!(refund.credit_note.unwrap().credit_note_number.as_deref(), Some("CN-2"));
}

#[test]
fn credits_and_their_allocations() {
    let note: CreditNote = read(
        r#"{"CreditNoteID":"c4000000-0000-4000-8000-000000000051","ID":"c4000000-0000-4000-8000-000000000051","CreditNoteNumber":"CN-3","Type":"ACCRECCREDIT","RemainingCredit":0.5,
        "Allocations":[{"AllocationID":"a1000000-0000-4000-8000-000000000052","Amount":9.5,"Date":"\/Date(1775606400000+0000)\/","Invoice":{"InvoiceID":"5f0e0000-0000-4000-8000-000000000053","InvoiceNumber":"S-9","Payments":[],"LineItems":[]}}],
        "Payments":[],"Status":"AUTHORISED","Total":10.0,"UpdatedDateUTC":"\/Date(1775596501690+0000)\/"}"#,
    );
    assert_eq!(note.allocations[0].amount, money("9.5"));
    assert_eq!(note.allocations[0].invoice.as_ref().unwrap().invoice_number.as_deref(), Some("S-9"));

    let prepayment: Prepayment = read(
        r#"{"PrepaymentID":"94000000-0000-4000-8000-000000000054","ID":"94000000-0000-4000-8000-000000000054","Type":"RECEIVE-PREPAYMENT","Reference":"S-9","InvoiceNumber":"S-9","RemainingCredit":3450.0,"Status":"AUTHORISED"}"#,
    );
    assert_eq!(prepayment.kind.unwrap().as_str(), "RECEIVE-PREPAYMENT");
    let overpayment: Overpayment = read(
        r#"{"OverpaymentID":"04000000-0000-4000-8000-000000000055","Type":"SPEND-OVERPAYMENT","RemainingCredit":0,"Status":"PAID","UpdatedDateUTCString":"2026-04-07T21:15:01Z"}"#,
    );
    assert_eq!(overpayment.updated(), "2026-04-07T21:15:01Z".parse().ok(), "the text alone will do");
}

#[test]
fn bank_transactions_and_accounts() {
    let spend: BankTransaction = read(
        r#"{"BankTransactionID":"b1000000-0000-4000-8000-000000000061","BankAccount":{"AccountID":"acc00000-0000-4000-8000-000000000062","Code":"090","Name":"Cheque"},"Type":"SPEND","IsReconciled":true,
        "HasAttachments":false,"Contact":{"ContactID":"c0de0000-0000-4000-8000-000000000063","Name":"Power"},"DateString":"2026-04-08T00:00:00","Date":"\/Date(1775606400000+0000)\/","Status":"AUTHORISED",
        "LineAmountTypes":"Inclusive","LineItems":[{"UnitAmount":-5.0000,"Quantity":1.0000}],"SubTotal":10,"TotalTax":0,"Total":10,"UpdatedDateUTC":"\/Date(1775596501690+0000)\/","CurrencyCode":"NZD"}"#,
    );
    assert_eq!(spend.kind, Some(BankTransactionType::Spend));
    assert_eq!(spend.line_items[0].unit_amount, money("-5.0000"));
    let account: Account = read(
        r#"{"AccountID":"acc00000-0000-4000-8000-000000000064","Code":"610","Name":"Receivable","Status":"ACTIVE","Type":"CURRENT","TaxType":"NONE","Class":"ASSET","SystemAccount":"DEBTORS",
        "EnablePaymentsToAccount":false,"ShowInExpenseClaims":false,"BankAccountType":"","ReportingCode":"ASS","HasAttachments":false,"UpdatedDateUTC":"\/Date(1289999999000+0000)\/","AddToWatchlist":true}"#,
    );
    assert_eq!((account.kind, account.class), (Some(AccountType::Current), Some(AccountClass::Asset)));
    assert_eq!(account.system_account.as_deref(), Some("DEBTORS"));
    let newer: Account =
        read(r#"{"AccountID":"acc00000-0000-4000-8000-000000000065","Type":"CRYPTO","Class":"OTHER"}"#);
    assert_eq!(newer.kind, Some(AccountType::Unknown("CRYPTO".into())));
}

#[tokio::test]
async fn the_organisation() {
    let body = r#"{"Id":"x","Status":"OK","Organisations":[{"OrganisationID":"0a000000-0000-4000-8000-000000000071","Name":"Demo","BaseCurrency":"NZD","CountryCode":"NZ","IsDemoCompany":true,
        "FinancialYearEndDay":31,"FinancialYearEndMonth":3,"PeriodLockDate":"\/Date(1774915200000+0000)\/","CreatedDateUTC":"\/Date(1775596501690)\/","Timezone":"NEWZEALANDSTANDARDTIME","ShortCode":"!Qj35V",
        "Class":"QUANTUM","PaymentTerms":{},"ExternalLinks":[]}]}"#;
    let bench = bench([json(200, body)]);
    let organisation: Organisation = bench.books.organisation().await.unwrap();
    assert_eq!(bench.script.line(0), "GET /api.xro/2.0/Organisation");
    assert_eq!(organisation.period_lock_date, Some(date(2026, 3, 31)));
    assert_eq!(organisation.created_date_utc, "2026-04-07T21:15:01.690Z".parse().ok());
    assert_eq!(organisation.financial_year_end_month, Some(3));
    assert_eq!(organisation.class.as_deref(), Some("QUANTUM"));
}

#[tokio::test]
async fn reports_keep_their_rows_and_amounts() {
    let body = r#"{"Id":"x","Reports":[{"ReportID":"ProfitAndLoss","ReportName":"Profit and Loss","ReportType":"ProfitAndLoss","ReportTitles":["Profit & Loss","Demo"],"ReportDate":"8 April 2026","UpdatedDateUTC":"\/Date(1775596501690)\/","Fields":[],
        "Rows":[{"RowType":"Header","Cells":[{"Value":""},{"Value":"8 Apr 26"}]},
        {"RowType":"Section","Title":" Income","Rows":[
          {"RowType":"Row","Cells":[{"Value":"Sales","Attributes":[{"Value":"acc00000-0000-4000-8000-000000000081","Id":"account"}]},{"Value":"-1200.05","Attributes":[{"Value":"acc00000-0000-4000-8000-000000000081","Id":"account"}]},{}]},
          {"RowType":"SummaryRow","Cells":[{"Value":"Total Income"},{"Value":"n/a"}]}]},
        {"RowType":"Footnote","Cells":[{"Value":"x","Attributes":[{"Value":"acc","Id":"accountID"}]}]}]}]}"#;
    let bench = bench([json(200, body), json(200, r#"{"Reports":[{"ReportType":"BankSummary"}]}"#)]);
    let query = ProfitAndLossQuery {
        from: date(2026, 4, 1),
        to: date(2026, 4, 7),
        periods: Some((3, Timeframe::Month)),
        standard_layout: true,
        payments_only: false,
    };
    let report: Report = bench.books.report_profit_and_loss(&query).await.unwrap();
    assert_eq!(
        bench.script.line(0),
        "GET /api.xro/2.0/Reports/ProfitAndLoss?fromDate=2026-04-01&toDate=2026-04-07&periods=3&timeframe=MONTH&standardLayout=true"
    );
    let section = &report.rows[1];
    assert_eq!((section.row_type.clone(), section.title.as_deref()), (Some(RowType::Section), Some(" Income")));
    let cells = &section.rows[0].cells;
    assert_eq!(cells[0].account(), Some("acc00000-0000-4000-8000-000000000081"));
    assert_eq!(cells[1].amount().unwrap(), money("-1200.05"));
    assert_eq!(cells[2].amount().unwrap(), None);
    assert!(section.rows[1].cells[1].amount().is_err(), "a text is an error, not a zero");
    assert_eq!(report.rows[2].row_type, Some(RowType::Unknown("Footnote".into())));
    assert_eq!(report.rows[2].cells[0].account(), Some("acc"));

    bench
        .books
        .report_bank_summary(&xero::BankSummaryQuery { from: date(2026, 4, 1), to: date(2026, 4, 7) })
        .await
        .unwrap();
    assert_eq!(bench.script.line(1), "GET /api.xro/2.0/Reports/BankSummary?fromDate=2026-04-01&toDate=2026-04-07");
    let backwards = ProfitAndLossQuery { from: date(2026, 4, 7), to: date(2026, 4, 1), ..query.clone() };
    assert!(matches!(bench.books.report_profit_and_loss(&backwards).await, Err(xero::Error::Invalid(_))));
    let many = ProfitAndLossQuery { periods: Some((12, Timeframe::Year)), ..query };
    assert!(matches!(bench.books.report_profit_and_loss(&many).await, Err(xero::Error::Invalid(_))));
}

#[tokio::test]
async fn the_envelope_may_come_in_any_order_and_with_more_in_it() {
    let body = r#"{"Warnings":[{"a":1}],"Invoices":[{"InvoiceID":"5f0e0000-0000-4000-8000-000000000091"}],"pagination":{"page":1,"pageSize":1000,"pageCount":1,"itemCount":1,"next":null},"SummarizeErrors":true,"DateTimeUTC":"soon"}"#;
    let nulls = r#"{"Invoices":null,"pagination":null,"DateTimeUTC":null}"#;
    let bench = bench([json(200, body), json(200, nulls)]);
    let page = bench.books.fetch_page::<Invoice>(&ListQuery::default(), 1).await.unwrap();
    assert_eq!((page.items.len(), page.page_count, page.date_time_utc), (1, Some(1), None));
    let empty = bench.books.fetch_page::<Invoice>(&ListQuery::default(), 1).await.unwrap();
    assert!(empty.items.is_empty() && empty.is_last);
}
