//! Reading: envelope, paging, filters, shapes, time stamps (items 5 to 11).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::BTreeSet;

use common::*;
use emulator::Config;
use serde_json::{Value, json};

fn id_of(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_else(|| panic!("{key} in {row}")).to_owned()
}

fn keys(row: &Value) -> Vec<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The keys of an object in the order in which they are written; `serde_json` would sort them.
fn written_keys(text: &str) -> Vec<String> {
    let (mut keys, mut depth, mut at) = (Vec::new(), 0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let start = at + 1;
                at = start;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if depth == 1 && bytes.get(at + 1) == Some(&b':') {
                    keys.push(text[start..at].to_owned());
                }
            }
            _ => {}
        }
        at += 1;
    }
    keys
}

/// The text of the first element of a collection.
fn first_element(text: &str, collection: &str) -> String {
    let start = text.find(&format!("\"{collection}\":[")).unwrap() + collection.len() + 4;
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for (offset, byte) in text[start..].bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => depth += 1,
            b'}' if !in_text => {
                depth -= 1;
                if depth == 0 {
                    return text[start..=start + offset].to_owned();
                }
            }
            _ => {}
        }
    }
    panic!("no element");
}

fn where_(expression: &str) -> String {
    format!("where={}", encode(expression))
}

#[test]
fn item_5_the_envelope_is_written_as_observed() {
    let client = Client::connect(config());
    let paged = client.get("Invoices?page=1&pageSize=2");
    let body = paged.text_body();
    assert_eq!(
        written_keys(body),
        ["Id", "Status", "ProviderName", "DateTimeUTC", "pagination", "Invoices"].map(String::from)
    );
    assert!(body.contains(r#""DateTimeUTC":"\/Date(1789378230894)\/""#), "{body}");
    assert!(body.contains(r#""pagination":{"page":1,"pageSize":2,"pageCount":30,"itemCount":60}"#), "{body}");
    assert!(body.contains(r#"+0000)\/""#));
    assert!(!body.contains("null"), "values without a value are left out");
    assert_eq!(paged.header("Content-Type"), Some("application/json; charset=utf-8"));
    let unpaged = client.get("Invoices");
    assert!(!written_keys(unpaged.text_body()).contains(&"pagination".to_owned()));
    let other = client.get("Organisation");
    assert_eq!(written_keys(other.text_body()).last().map(String::as_str), Some("Organisations"));
    assert_ne!(json(&paged)["Id"], json(&unpaged)["Id"]);
}

#[test]
fn item_5_numbers_have_a_decimal_and_dates_come_in_pairs() {
    let client = Client::connect(config());
    let text = client.get("Invoices?page=1&pageSize=100").text_body().to_owned();
    assert!(text.contains(r#""CurrencyRate":1.0,"#));
    for (from, _) in text.match_indices("\"Total\":") {
        let number: String = text[from + 8..].chars().take_while(|c| !matches!(c, ',' | '}')).collect();
        assert!(number.contains('.') && number.parse::<rust_decimal::Decimal>().is_ok(), "{number}");
    }
    for row in client.rows("Invoices?page=1&pageSize=100") {
        let day = row["DateString"].as_str().unwrap().strip_suffix("T00:00:00").unwrap().to_owned();
        let ms: i64 = row["Date"].as_str().unwrap()[6..].split('+').next().unwrap().parse().unwrap();
        let date = jiff::Timestamp::from_millisecond(ms).unwrap().strftime("%Y-%m-%d").to_string();
        assert_eq!(day, date);
        assert_eq!(row["UpdatedDateUTCString"].as_str().unwrap().len(), 20);
    }
}

#[test]
fn item_6_only_json_is_spoken_and_404_is_html() {
    let client = Client::connect(config());
    for accept in [None, Some("*/*"), Some("application/xml"), Some("text/html")] {
        let mut request = client.request("GET", "Organisation");
        request.headers.retain(|(name, _)| name != "Accept");
        request.headers.extend(accept.map(|value| ("Accept".to_owned(), value.to_owned())));
        let response = client.emulator.handle(&request);
        assert_eq!(response.status, 406, "{accept:?}");
        assert!(response.header("Content-Type").unwrap().starts_with("text/plain"));
    }
    for target in
        ["Invoices/none", "Contacts/00000000-0000-0000-0000-000000000000", "Nonsense", "Payments/x", "TaxRates/X"]
    {
        let response = client.get(target);
        assert_eq!(response.status, 404, "{target}");
        assert_eq!(response.header("Content-Type"), Some("text/html; charset=utf-8"));
        assert!(response.text_body().contains("The resource you're looking for cannot be found"));
    }
    assert_eq!(client.send("POST", "Organisation", "{}").status, 501);
}

#[test]
fn item_7_the_default_order_is_by_update_then_id() {
    let client = Client::connect(config());
    for (target, id) in [
        ("Invoices?page=1&pageSize=1000", "InvoiceID"),
        ("Payments?page=1&pageSize=1000", "PaymentID"),
        ("Contacts?page=1&pageSize=1000", "ContactID"),
        ("BankTransactions?page=1&pageSize=1000", "BankTransactionID"),
        ("CreditNotes?page=1&pageSize=1000", "CreditNoteID"),
    ] {
        let rows = client.rows(target);
        let order: Vec<_> = rows.iter().map(|row| (updated(row), id_of(row, id))).collect();
        assert!(order.len() > 1 && order.is_sorted(), "{target}: {order:?}");
    }
}

fn updated(row: &Value) -> i64 {
    row["UpdatedDateUTC"].as_str().unwrap()[6..].split('+').next().unwrap().parse().unwrap()
}

#[test]
fn item_7_pages_are_clamped_and_empty_past_the_end() {
    let client = Client::connect(config());
    let page = |query: &str| json(&client.get(&format!("Invoices?{query}")))["pagination"].clone();
    assert_eq!(page("page=1")["pageSize"], 100);
    assert_eq!(page("page=1&pageSize=5000")["pageSize"], 1000);
    assert_eq!(page("page=1&pageSize=0")["pageSize"], 1);
    assert_eq!(page("page=1&pageSize=-3")["pageSize"], 1);
    assert_eq!(page("page=0"), page("page=1"));
    assert_eq!(page("pageSize=5"), page("page=1&pageSize=5"), "pageSize alone pages");
    assert_eq!(page("PAGE=2&PAGESIZE=7")["page"], 2, "parameter names may be in any case");
    assert_eq!(client.rows("Invoices?page=2&pageSize=50").len(), 10);
    assert_eq!(client.rows("Invoices?page=3&pageSize=50").len(), 0);
    assert_eq!(client.rows("Invoices?page=18446744073709551615&pageSize=1000").len(), 0);
    let nothing = where_("Reference == \"no such reference\"");
    assert_eq!(page(&format!("page=1&{nothing}")), json!({"page": 1, "pageSize": 100, "pageCount": 1, "itemCount": 0}));
    let accounts = client.get("Accounts?page=1&pageSize=2");
    assert!(json(&accounts).get("pagination").is_none(), "accounts are never paged");
}

#[test]
fn item_7_a_touched_row_makes_positional_pages_skip_one() {
    let client = Client::connect(config());
    let page = |number: u32| client.rows(&format!("Invoices?page={number}&pageSize=20"));
    let all: BTreeSet<String> =
        client.rows("Invoices?page=1&pageSize=1000").iter().map(|row| id_of(row, "InvoiceID")).collect();
    let first = page(1);
    client.control(&format!("invoices/{}/touch", id_of(&first[3], "InvoiceID")), "");
    let mut seen: Vec<String> = first.iter().map(|row| id_of(row, "InvoiceID")).collect();
    for number in 2..=3 {
        seen.extend(page(number).iter().map(|row| id_of(row, "InvoiceID")));
    }
    let found: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(seen.len(), 60);
    assert_eq!(found.len(), 59, "the touched row is seen twice");
    assert_eq!(all.difference(&found).count(), 1, "and one row is never seen");

    let by_id = |number: u32| client.rows(&format!("Invoices?page={number}&pageSize=20&order=InvoiceID"));
    let mut seen: Vec<String> = by_id(1).iter().map(|row| id_of(row, "InvoiceID")).collect();
    client.control(&format!("invoices/{}/touch", seen[3]), "");
    for number in 2..=3 {
        seen.extend(by_id(number).iter().map(|row| id_of(row, "InvoiceID")));
    }
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all, "an order by id does not drift");
}

#[test]
fn item_7_order_by_any_field_with_the_id_last() {
    let client = Client::connect(config());
    let totals = |query: &str| -> Vec<(rust_decimal::Decimal, String)> {
        let rows = client.rows(&format!("Invoices?page=1&pageSize=1000&{query}"));
        rows.iter().map(|row| (row["Total"].to_string().parse().unwrap(), id_of(row, "InvoiceID"))).collect()
    };
    assert!(totals("order=Total").is_sorted());
    assert!(totals("order=Total%20DESC").iter().rev().map(|(total, _)| total).is_sorted());
    let ids: Vec<String> = totals("order=InvoiceID%20DESC").into_iter().map(|(_, id)| id).collect();
    assert!(ids.iter().rev().is_sorted());
    assert_eq!(client.get("Invoices?order=Nonsense").status, 400);
}

#[test]
fn item_8_lists_pages_and_single_rows_differ() {
    let client = Client::connect(config());
    let list = client.rows("Invoices");
    assert!(list.iter().all(|row| row["LineItems"] == json!([])));
    let page = client.rows("Invoices?page=1&pageSize=1000");
    assert!(page.iter().all(|row| !row["LineItems"].as_array().unwrap().is_empty()));
    for row in [&list[0], &page[0]] {
        assert_eq!(
            keys(&row["Contact"]),
            ["Addresses", "ContactGroups", "ContactID", "ContactPersons", "HasValidationErrors", "Name", "Phones"]
        );
    }
    let tracked = page
        .iter()
        .flat_map(|row| row["LineItems"].as_array().unwrap())
        .find(|line| line.get("ValidationErrors").is_none() && !line["Tracking"].as_array().unwrap().is_empty());
    assert_eq!(
        keys(&tracked.expect("a tracked line")["Tracking"][0]),
        ["Name", "Option", "Options", "TrackingCategoryID"]
    );

    let owner = page
        .iter()
        .find(|row| row["LineItems"].as_array().unwrap().contains(tracked.unwrap()))
        .map(|row| id_of(row, "InvoiceID"))
        .unwrap();
    let single = &client.rows(&format!("Invoices/{owner}?unitdp=4"))[0];
    assert_eq!(single["Contact"]["ContactStatus"], "ACTIVE");
    assert_eq!(single["Contact"]["Phones"].as_array().unwrap().len(), 4);
    let lines = single["LineItems"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["ValidationErrors"] == json!([])));
    let line = lines.iter().find(|line| !line["Tracking"].as_array().unwrap().is_empty()).unwrap();
    assert_eq!(keys(&line["Tracking"][0]), ["Name", "Option", "TrackingCategoryID", "TrackingOptionID"]);
    assert_eq!(single["Attachments"], json!([]));

    let by_number = client.rows("Invoices/inv-0001");
    assert_eq!(by_number[0]["InvoiceNumber"], "INV-0001");
}

#[test]
fn item_8_the_keys_of_a_paged_invoice_come_in_the_observed_order() {
    let client = Client::connect(config());
    let query = where_("Type==\"ACCREC\" AND Status==\"PAID\" AND AmountPaid>0");
    let text = client.get(&format!("Invoices?page=1&pageSize=1&{query}")).text_body().to_owned();
    let row = first_element(&text, "Invoices");
    let optional = ["TotalDiscount", "ExpectedPaymentDate", "RepeatingInvoiceID", "Url"];
    let found: Vec<String> = written_keys(&row).into_iter().filter(|key| !optional.contains(&key.as_str())).collect();
    let wanted = "Type InvoiceID InvoiceNumber Reference Payments CreditNotes Prepayments Overpayments AmountDue \
        AmountPaid AmountCredited SentToContact CurrencyRate IsDiscounted HasAttachments HasErrors \
        InvoicePaymentServices InvoiceAddresses UpdatedDateUTCString Contact DateString Date DueDateString DueDate \
        BrandingThemeID Status LineAmountTypes LineItems SubTotal TotalTax Total UpdatedDateUTC CurrencyCode \
        FullyPaidOnDate";
    assert_eq!(found, wanted.split_whitespace().collect::<Vec<_>>());
    let payment = first_element(&row, "Payments");
    assert_eq!(
        written_keys(&payment),
        ["PaymentID", "Date", "Amount", "Reference", "CurrencyRate", "HasAccount", "HasValidationErrors"]
            .map(String::from)
    );
    let line = first_element(&row, "LineItems");
    let wanted =
        "Description UnitAmount TaxType TaxAmount LineAmount AccountCode Tracking Quantity LineItemID AccountID";
    let found: Vec<String> = written_keys(&line).into_iter().filter(|key| key != "DiscountRate").collect();
    assert_eq!(found, wanted.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn item_8_bills_have_no_reference_theme_or_sent_flag() {
    let client = Client::connect(config());
    let bills = client.rows(&format!("Invoices?page=1&{}", where_("Type==\"ACCPAY\"")));
    assert!(!bills.is_empty());
    for bill in bills {
        assert_eq!(bill["Reference"], "");
        assert!(bill.get("SentToContact").is_none() && bill.get("BrandingThemeID").is_none());
    }
}

#[test]
fn item_8_summaries_drop_lines_and_details_and_are_paged() {
    let client = Client::connect(config());
    let invoices = client.get("Invoices?summaryOnly=true");
    assert!(json(&invoices).get("pagination").is_some());
    for key in ["Payments", "HasAttachments", "LineItems"] {
        assert!(rows(&invoices)[0].get(key).is_none(), "{key}");
    }
    let contacts = client.get("Contacts?summaryOnly=true");
    for key in ["Addresses", "Balances", "ContactGroups", "ContactPersons", "IsCustomer", "IsSupplier"] {
        assert!(rows(&contacts)[0].get(key).is_none(), "{key}");
    }
    let refused = client.get(&format!("Contacts?summaryOnly=true&{}", where_("IsCustomer==true")));
    assert_eq!((refused.status, &json(&refused)["ErrorNumber"]), (400, &json!(16)));
}

#[test]
fn item_8_contacts_show_balances_in_pages_only() {
    let client = Client::connect(config());
    assert!(client.rows("Contacts").iter().all(|row| row.get("Balances").is_none()));
    let page = client.rows("Contacts?page=1");
    let row = page.iter().find(|row| row.get("Balances").is_some()).expect("somebody owes something");
    let query = format!("Invoices?page=1&pageSize=1000&ContactIDs={}", id_of(row, "ContactID"));
    let owed = |kind: &str| -> rust_decimal::Decimal {
        let rows = client.rows(&query);
        let open = rows.iter().filter(|row| row["Type"] == kind && row["Status"] == "AUTHORISED");
        open.map(|row| row["AmountDue"].to_string().parse::<rust_decimal::Decimal>().unwrap()).sum()
    };
    for (key, kind) in [("AccountsReceivable", "ACCREC"), ("AccountsPayable", "ACCPAY")] {
        let shown: rust_decimal::Decimal = row["Balances"][key]["Outstanding"].to_string().parse().unwrap();
        assert_eq!(shown, owed(kind), "{key}");
    }
}

#[test]
fn item_8_archived_and_merged_contacts_appear_on_request() {
    let config = Config { organisations: vec![plan("Demo Company (NZ)", 200)], ..config() };
    let client = Client::connect(config);
    let active = client.rows("Contacts?page=1&pageSize=1000");
    assert!(active.iter().all(|row| row["ContactStatus"] == "ACTIVE"));
    let all = client.rows("Contacts?page=1&pageSize=1000&includeArchived=true");
    assert_eq!(all.len(), 40);
    let merged = all.iter().find(|row| row.get("MergedToContactID").is_some()).expect("a merged contact");
    assert_eq!(merged["ContactStatus"], "ARCHIVED");
    assert!(active.iter().any(|row| row["ContactID"] == merged["MergedToContactID"]));
    let single = client.rows(&format!("Contacts/{}", id_of(merged, "ContactID")));
    assert_eq!(single[0]["MergedToContactID"], merged["MergedToContactID"], "archived contacts answer by id");
    let number = all.iter().find_map(|row| row["ContactNumber"].as_str()).unwrap();
    assert_eq!(client.rows(&format!("Contacts/{number}"))[0]["ContactNumber"], number);
}

#[test]
fn item_8_payments_are_slim_in_lists_and_full_alone() {
    let client = Client::connect(config());
    let list = client.rows("Payments?page=1");
    assert!(list[0]["Invoice"].get("Total").is_none() && list[0]["Account"].get("Name").is_none());
    let single = &client.rows(&format!("Payments/{}", id_of(&list[0], "PaymentID")))[0];
    assert!(single["Invoice"]["Total"].is_number() && single["Account"]["Name"].is_string());
    assert_eq!(single["Invoice"]["InvoiceID"], list[0]["Invoice"]["InvoiceID"]);
}

#[test]
fn item_8_unit_amounts_have_two_decimals_unless_asked() {
    let client = Client::connect(config());
    let decimals = |query: &str| -> usize {
        let rows = client.rows(&format!("Invoices?page=1&pageSize=1000{query}"));
        let lines = rows.iter().flat_map(|row| row["LineItems"].as_array().unwrap().clone());
        lines.map(|line| line["UnitAmount"].to_string().split_once('.').unwrap().1.len()).max().unwrap()
    };
    assert_eq!(decimals(""), 2);
    assert_eq!(decimals("&unitdp=4"), 4);
}

#[test]
fn item_9_if_modified_since_is_exact_to_the_second() {
    let client = Client::connect(config());
    let rows = client.rows("Invoices?page=1&pageSize=1000");
    let touched = id_of(&rows[0], "InvoiceID");
    client.control(&format!("invoices/{touched}/touch"), "");
    // The clock stands at 09:30:30.894.
    let count = |since: &str| common::rows(&client.get_since("Invoices?page=1", since)).len();
    for since in [
        "2026-09-14T09:30:30",
        "2026-09-14T09:30:30.999",
        "2026-09-14T09:30:30Z",
        "2026-09-14T21:30:30+12:00",
        "Mon, 14 Sep 2026 09:30:30 GMT",
    ] {
        assert_eq!(count(since), 1, "{since}");
    }
    assert_eq!(count("2026-09-14T09:30:31"), 0);
    assert_eq!(count("2001-01-01T00:00:00"), 60);
    assert_eq!(client.get_since("Invoices", "not a date").status, 400);
    assert_eq!(common::rows(&client.get_since("Invoices?order=InvoiceID", "2026-09-14T09:30:30")).len(), 1);
    let filtered = format!("Invoices?{}", where_(&format!("InvoiceID==guid(\"{touched}\")")));
    assert_eq!(common::rows(&client.get_since(&filtered, "2026-09-14T09:30:30")).len(), 1);
}

#[test]
fn item_9_the_second_can_be_exclusive_and_nothing_can_be_304() {
    let mut config = config();
    config.settings.ims_inclusive = false;
    config.settings.ims_304 = true;
    let client = Client::connect(config);
    let first = id_of(&client.rows("Invoices?page=1&pageSize=1")[0], "InvoiceID");
    client.control(&format!("invoices/{first}/touch"), "");
    let response = client.get_since("Invoices?page=1", "2026-09-14T09:30:30");
    assert_eq!((response.status, response.body.len()), (304, 0));
    assert_eq!(common::rows(&client.get_since("Invoices?page=1", "2026-09-14T09:30:29")).len(), 1);
}

#[test]
fn item_9_lists_without_time_stamps_ignore_the_header() {
    let client = Client::connect(config());
    for target in ["TaxRates", "Currencies", "TrackingCategories", "Organisation", "BrandingThemes"] {
        let all = client.rows(target).len();
        assert_eq!(common::rows(&client.get_since(target, "2030-01-01T00:00:00")).len(), all, "{target}");
    }
    assert_eq!(common::rows(&client.get_since("Accounts", "2030-01-01T00:00:00")).len(), 0);
}

#[test]
fn item_10_what_bumps_the_time_stamp_and_what_does_not() {
    let client = Client::connect(config());
    let open = &client.rows(&format!(
        "Invoices?page=1&{}",
        where_("Type==\"ACCREC\" AND Status==\"AUTHORISED\" AND AmountPaid==0 AND AmountDue>0")
    ))[0];
    let id = id_of(open, "InvoiceID");
    let now = || client.rows(&format!("Invoices/{id}"))[0].clone();
    let before = now();

    client.emulator.clock().advance(60_000);
    client.control(&format!("invoices/{id}"), r#"{"due_date":"2027-01-01","quietly":true}"#);
    assert_eq!(updated(&now()), updated(&before), "a quiet change leaves the time stamp");
    assert_eq!(now()["DueDateString"], "2027-01-01T00:00:00");

    let paid = client.control(&format!("invoices/{id}/pay"), r#"{"amount":"1.00"}"#);
    assert_eq!(updated(&now()), NOW + 60_000, "paying bumps the invoice");
    assert_eq!(now()["AmountPaid"].to_string(), "1.0");

    client.emulator.clock().advance(60_000);
    let payment = paid["payment_id"].as_str().unwrap().to_owned();
    client.control(&format!("payments/{payment}/delete"), "");
    assert_eq!(updated(&now()), NOW + 120_000, "so does taking a payment back");
    let deleted = &client.rows(&format!("Payments/{payment}"))[0];
    assert_eq!((deleted["Status"].as_str(), updated(deleted)), (Some("DELETED"), NOW + 120_000));

    let new = client.control("contacts", r#"{"name":"Fresh Contact"}"#);
    let contact = new["contact_id"].as_str().unwrap().to_owned();
    let stamp = || updated(&client.rows(&format!("Contacts/{contact}"))[0]);
    let first = stamp();
    client.emulator.clock().advance(60_000);
    let body = format!(r#"{{"contact_id":"{contact}","lines":[{{"description":"Work","unit_amount":"5.00"}}]}}"#);
    client.control("invoices", &body);
    assert_eq!(stamp(), first, "becoming a customer leaves the contact's time stamp");
    assert_eq!(client.rows(&format!("Contacts/{contact}"))[0]["IsCustomer"], true);
}

#[test]
fn item_11_filters_select_what_they_say() {
    let client = Client::connect(config());
    let all = client.rows("Invoices?page=1&pageSize=1000");
    let count = |expression: &str| client.rows(&format!("Invoices?page=1&pageSize=1000&{}", where_(expression))).len();
    let expect = |keep: &dyn Fn(&Value) -> bool| all.iter().filter(|row| keep(row)).count();
    assert_eq!(count("Status==\"paid\""), expect(&|row| row["Status"] == "PAID"));
    assert_eq!(
        count("Type==\"ACCREC\" && Status!=\"DRAFT\""),
        expect(&|row| row["Type"] == "ACCREC" && row["Status"] != "DRAFT")
    );
    let id = id_of(&all[4], "InvoiceID");
    assert_eq!(count(&format!("InvoiceID==Guid(\"{}\")", id.to_uppercase())), 1);
    let day = &all[30]["DateString"].as_str().unwrap()[..10];
    let (year, month, date) = (&day[..4], &day[5..7], &day[8..]);
    let from = format!("Date>=DateTime({year},{month},{date})");
    assert_eq!(count(&from), expect(&|row| &row["DateString"].as_str().unwrap()[..10] >= day));
    let contact = all[0]["Contact"].clone();
    let same = expect(&|row| row["Contact"] == contact);
    assert_eq!(count(&format!("Contact.ContactID==guid(\"{}\")", contact["ContactID"].as_str().unwrap())), same);
    assert_eq!(
        count("Reference!=null AND Reference.StartsWith(\"po \")"),
        expect(&|row| { row["Reference"].as_str().unwrap_or_default().starts_with("PO ") })
    );
    let numbered = "Invoices?InvoiceNumbers=INV-0001,inv-0002&page=1";
    assert_eq!(client.rows(numbered).len(), 2);
    let ids = format!("Invoices?IDs={},{}", id_of(&all[1], "InvoiceID"), id_of(&all[9], "InvoiceID"));
    assert_eq!(client.rows(&ids).len(), 2);
    let statuses = client.get("Invoices?Statuses=DRAFT,VOIDED");
    assert!(json(&statuses).get("pagination").is_some(), "Statuses forces paging");
    assert_eq!(rows(&statuses).len(), expect(&|row| row["Status"] == "DRAFT" || row["Status"] == "VOIDED"));
    assert_eq!(client.rows("Invoices?searchTerm=inv-0003&page=1").len(), 1);
    assert_eq!(client.rows("Invoices?createdByMyApp=true&page=1").len(), 0);
}

#[test]
fn item_11_payments_of_one_invoice() {
    let client = Client::connect(config());
    let payments = client.rows("Payments?page=1&pageSize=1000");
    let invoice = payments[0]["Invoice"]["InvoiceID"].as_str().unwrap();
    let query = where_(&format!("Invoice.InvoiceId==guid(\"{invoice}\")"));
    let found = client.rows(&format!("Payments?page=1&{query}"));
    let wanted = payments.iter().filter(|row| row["Invoice"]["InvoiceID"] == *invoice).count();
    assert_eq!(found.len(), wanted);
}

#[test]
fn item_11_bad_filters_are_query_parse_exceptions() {
    let client = Client::connect(config());
    for expression in ["Status=='PAID'", "Nonsense==1", "Status==", "()", "Reference.Contains(\"x\")", "Total==\"x\""] {
        let response = client.get(&format!("Invoices?page=1&{}", where_(expression)));
        assert_eq!(response.status, 400, "{expression}");
        let body = json(&response);
        assert_eq!((&body["ErrorNumber"], &body["Type"]), (&json!(16), &json!("QueryParseException")), "{expression}");
        assert!(!body["Message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn item_11_contacts_by_name_in_any_case_and_search() {
    let client = Client::connect(config());
    let found = client.rows(&format!("Contacts?{}", where_("Name==\"PARROT 🦜 party hire\"")));
    assert_eq!(found.len(), 1);
    let quoted = client.rows("Contacts?searchTerm=%22quoted%22");
    assert_eq!(quoted[0]["Name"], "\"Quoted\" & Sons");
}

#[test]
fn big_organisations_refuse_what_is_not_optimised() {
    let mut config = config();
    config.settings.unoptimised_rows = 50;
    let client = Client::connect(config);
    let status = |query: &str| client.get(&format!("Invoices?{query}")).status;
    assert_eq!(status("page=1"), 200);
    assert_eq!(status(""), 400, "more rows than the limit in one answer");
    assert_eq!(status("page=1&order=Total"), 400);
    assert_eq!(status("page=1&order=Date"), 200);
    assert_eq!(status(&format!("page=1&{}", where_("Status==\"PAID\""))), 200);
    assert_eq!(status(&format!("page=1&{}", where_("Total>5"))), 400);
    assert_eq!(status(&format!("page=1&{}", where_("Reference!=null AND Reference.Contains(\"x\")"))), 400);
}

#[test]
fn long_addresses_are_refused() {
    let client = Client::connect(config());
    assert_eq!(client.get(&format!("Invoices?IDs={}", "a".repeat(17_000))).status, 414);
}

#[test]
fn settings_lists_carry_the_chart_and_the_rates() {
    let client = Client::connect(config());
    let accounts = client.rows("Accounts");
    assert!(accounts.iter().any(|row| row["SystemAccount"] == "DEBTORS"));
    let banks = client.rows(&format!("Accounts?{}", where_("Type==\"BANK\"")));
    assert_eq!(banks.len(), 3);
    assert!(banks.iter().all(|row| row["CurrencyCode"] == "NZD" && row["BankAccountNumber"].is_string()));
    let rates = client.rows("TaxRates");
    let rate = |kind: &str| rates.iter().find(|row| row["TaxType"] == kind).unwrap().clone();
    assert_eq!(rate("OUTPUT2")["EffectiveRate"].to_string(), "15.0");
    assert_eq!(rate("INPUT")["Status"], "DELETED", "deleted rates are listed");
    assert_eq!(client.rows("TaxRates/OUTPUT2").len(), 1);
    assert_eq!(client.rows("Currencies").len(), 7);
    let organisation = &client.rows("Organisation")[0];
    assert_eq!(organisation["Timezone"], "NEWZEALANDSTANDARDTIME");
    assert_eq!(organisation["PaymentTerms"], json!({}));
    client.control("lock-dates", r#"{"period":"2026-03-31"}"#);
    assert_eq!(client.rows("Organisation")[0]["PeriodLockDate"], "/Date(1774915200000+0000)/");
}
