//! Lists as streams of pages: what is asked, when it ends, and that one bad element costs one element.

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;
use xero::{Account, Contact, Error, Field, Invoice, ListQuery, Order, Payment, TaxRate};

use crate::support::*;

fn id(n: u32) -> String {
    format!("11111111-0000-4000-8000-{n:012}")
}

fn contacts(page: u32, page_count: u32, ids: &[u32]) -> Answer {
    let items: Vec<String> = ids.iter().map(|n| format!(r#"{{"ContactID":"{}","Name":"C{n}"}}"#, id(*n))).collect();
    json(
        200,
        format!(
            r#"{{"Id":"x","Status":"OK","ProviderName":"p","DateTimeUTC":"\/Date(1772443799100)\/","pagination":{{"page":{page},"pageSize":2,"pageCount":{page_count},"itemCount":5}},"Contacts":[{}]}}"#,
            items.join(",")
        ),
    )
}

#[tokio::test]
async fn pages_until_the_last_and_no_call_more() {
    let bench = bench([contacts(1, 3, &[1, 2]), contacts(2, 3, &[3, 4]), contacts(3, 3, &[5])]);
    let query = ListQuery { page_size: Some(2), order: Some(Order::by_id::<Contact>()), ..ListQuery::default() };
    let mut pages = bench.books.pages::<Contact>(query);
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert_eq!(page.page_count, Some(3));
        assert_eq!(page.item_count, Some(5));
        assert_eq!(page.calls, 1);
        assert_eq!(page.date_time_utc, Timestamp::from_millisecond(1_772_443_799_100).ok());
        assert_eq!(page.server_date, "2026-03-02T09:29:59Z".parse().ok());
        assert_eq!(page.is_last, page.number == 3);
        seen.extend(page.items.into_iter().map(|item| item.unwrap().contact_id.to_string()));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5].map(id));
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(bench.script.sent(), 3);
    assert_eq!(bench.script.line(1), "GET /api.xro/2.0/Contacts?page=2&pageSize=2&order=ContactID");
    assert_eq!(bench.script.header(0, "accept").as_deref(), Some("application/json"));
    assert_eq!(bench.script.header(0, "xero-tenant-id").as_deref(), Some(TENANT));
    assert_eq!(bench.script.header(0, "authorization").as_deref(), Some("Bearer token-0"));
    assert_eq!(bench.script.header(0, "if-modified-since"), None);
    assert_eq!(bench.books.usage().calls, 3);
    assert!(bench.books.usage().wire_bytes > 500);
}

#[tokio::test]
async fn an_empty_list_is_one_empty_page() {
    let nothing = r#"{"DateTimeUTC":"/Date(1772443799100)/","pagination":{"page":1,"pageSize":1000,"pageCount":0,"itemCount":0},"Invoices":[]}"#;
    let bench = bench([json(200, nothing), answer(304, &[], "")]);
    let since = ListQuery::modified_since("2026-03-02T09:29:59.987Z".parse().unwrap());
    let mut pages = bench.books.pages::<Invoice>(since.clone());
    let page = pages.next().await.unwrap().unwrap();
    assert!(page.items.is_empty() && page.is_last);
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(bench.script.header(0, "if-modified-since").as_deref(), Some("2026-03-02T09:29:59"));

    let unchanged = bench.books.fetch_page::<Invoice>(&since, 1).await.unwrap();
    assert!(unchanged.items.is_empty() && unchanged.is_last, "304 is an empty page");
}

#[tokio::test]
async fn without_pagination_a_short_page_is_the_last() {
    let page = |n: u32| format!(r#"{{"Payments":[{{"PaymentID":"{}"}},{{"PaymentID":"{}"}}]}}"#, id(n), id(n + 1));
    let short = format!(r#"{{"Payments":[{{"PaymentID":"{}"}}]}}"#, id(9));
    let bench = bench([json(200, page(1)), json(200, short)]);
    let mut pages = bench.books.pages::<Payment>(ListQuery { page_size: Some(2), ..ListQuery::default() });
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 2);
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 1);
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(bench.script.left(), 0);
}

#[tokio::test]
async fn a_page_count_that_grows_while_reading_is_followed() {
    let bench = bench([contacts(1, 1, &[1, 2]), contacts(1, 2, &[1, 2]), contacts(2, 2, &[3])]);
    let mut pages = bench.books.pages::<Contact>(ListQuery::default());
    assert!(pages.next().await.unwrap().unwrap().is_last);
    let mut again = bench.books.pages_from::<Contact>(ListQuery::default(), 1);
    assert!(!again.next().await.unwrap().unwrap().is_last);
    assert!(again.next().await.unwrap().unwrap().is_last);
}

#[tokio::test]
async fn unpaged_kinds_are_one_call_without_paging() {
    let accounts = format!(r#"{{"Accounts":[{{"AccountID":"{}","Code":"200"}}]}}"#, id(1));
    let rates = r#"{"TaxRates":[{"TaxType":"OUTPUT2","EffectiveRate":15.0},{"TaxType":"INPUT2"}]}"#;
    let bench = bench([json(200, accounts), json(200, rates)]);
    let page = bench.books.accounts().await.unwrap();
    assert_eq!(page.items[0].as_ref().unwrap().code.as_deref(), Some("200"));
    assert!(page.is_last);
    let mut pages = bench.books.pages::<TaxRate>(ListQuery::default());
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 2);
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(bench.script.line(0), "GET /api.xro/2.0/Accounts");
    assert_eq!(bench.script.line(1), "GET /api.xro/2.0/TaxRates");
}

#[tokio::test]
async fn one_bad_element_costs_one_element() {
    let body = format!(
        r#"{{"Invoices":[
            {{"InvoiceID":"{0}","Total":1.00}},
            {{"InvoiceID":"{1}","Total":1e500}},
            {{"InvoiceID":"{2}","Date":"/Date(99999999999999999999)/"}},
            {{"Total":1.00}},
            "not an object",
            null,
            {{"InvoiceID":"{3}","LineItems":[{{"Quantity":"many"}}]}},
            {{"InvoiceID":"{4}","Status":"BRANDNEW","Type":"ACCREC","Unmapped":{{"deep":[[[{{}}]]]}}}}
        ]}}"#,
        id(1),
        id(2),
        id(3),
        id(4),
        id(5)
    );
    let bench = bench([json(200, body)]);
    let page = bench.books.fetch_page::<Invoice>(&ListQuery::default(), 1).await.unwrap();
    let good: Vec<bool> = page.items.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false, false, false, false, false, true]);
    let bad = page.items[1].as_ref().unwrap_err();
    assert_eq!(bad.id, Uuid::try_parse(&id(2)).ok());
    assert!(bad.raw.contains("1e500"));
    assert!(bad.message.contains("1e500"), "{}", bad.message);
    assert_eq!(page.items[3].as_ref().unwrap_err().id, None);
    let line = page.items[6].as_ref().unwrap_err();
    assert_eq!(line.id, Uuid::try_parse(&id(4)).ok());
    assert!(!format!("{line:?}").contains("LineItems"), "the record itself is not printed");
}

#[tokio::test]
async fn an_undecodable_element_is_kept_in_bounds() {
    let body = format!(r#"{{"Contacts":[{{"ContactID":"{}","Name":["{}"]}}]}}"#, id(1), "é".repeat(100_000));
    let bench = bench([json(200, body)]);
    let page = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap();
    let bad = page.items[0].as_ref().unwrap_err();
    assert_eq!(bad.id, Uuid::try_parse(&id(1)).ok());
    assert!(bad.raw.len() <= 4096 && bad.raw.len() > 4000);
}

#[tokio::test]
async fn raw_pages_give_the_bytes_and_the_same_records() {
    let bench = bench([contacts(1, 1, &[1, 2])]);
    let page = bench.books.fetch_raw_page::<Contact>(&ListQuery::default(), 1).await.unwrap();
    let texts: Vec<&str> = page.texts().collect();
    assert_eq!(texts[1], format!(r#"{{"ContactID":"{}","Name":"C2"}}"#, id(2)));
    assert_eq!(
        page.decode().items.into_iter().map(Result::unwrap).map(|c| c.name.unwrap()).collect::<Vec<_>>(),
        ["C1", "C2"]
    );
    assert_eq!((page.len(), page.is_empty(), page.is_last), (2, false, true));
}

#[tokio::test]
async fn records_with_emoji_and_1000_lines_arrive_whole() {
    let line = r#"{"Description":"\ud83d\ude80 ¼","UnitAmount":0.1234,"Quantity":1.0001}"#;
    let lines = vec![line; 1000].join(",");
    let body = format!(r#"{{"Invoices":[{{"InvoiceID":"{}","LineItems":[{lines}]}}]}}"#, id(1));
    let bench = bench([json(200, body)]);
    let invoice: Invoice = bench.books.get(id(1).parse().unwrap()).await.unwrap();
    assert_eq!(invoice.line_items.len(), 1000);
    let last = invoice.line_items.last().unwrap();
    assert_eq!(last.description.as_deref(), Some("🚀 ¼"));
    assert_eq!(last.unit_amount.unwrap().to_string(), "0.1234");
    assert_eq!(bench.script.line(0), format!("GET /api.xro/2.0/Invoices/{}?unitdp=4", id(1)));
}

#[tokio::test]
async fn reads_are_tried_again_and_the_cost_is_counted() {
    let bench = bench([
        html(503, "The Xero API is temporarily unavailable"),
        Err(xero::TransportError::Unanswered("reset".to_owned())),
        contacts(1, 1, &[1]),
    ]);
    let page = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap();
    assert_eq!(page.calls, 3);
    assert_eq!(bench.clock.take_slept(), [1, 2]);
    assert_eq!(bench.books.usage().calls, 3);
}

#[tokio::test]
async fn a_failed_page_is_asked_for_again() {
    let three_times = || html(500, "");
    let bench = bench([contacts(1, 2, &[1, 2]), three_times(), three_times(), three_times(), contacts(2, 2, &[3])]);
    let mut pages = bench.books.pages::<Contact>(ListQuery::default());
    pages.next().await.unwrap();
    assert!(matches!(pages.next().await, Err(Error::Transient { status: 500, .. })));
    assert_eq!(pages.next().await.unwrap().unwrap().number, 2);
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(bench.books.usage().calls, 5, "failed calls count too");
}

#[tokio::test]
async fn bodies_that_are_cut_off_are_asked_for_again() {
    let whole = r#"{"Contacts":[]}"#;
    for cut in ["", r#"{"Contacts":[{"ContactID":"1111"#, r#"{"Contacts""#] {
        let bench = bench([json(200, cut), json(200, whole)]);
        assert_eq!(bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap().calls, 2, "{cut:?}");
    }
    let bench = bench([json(200, "{"), json(200, "{"), json(200, "{")]);
    let error = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert_eq!(error.to_string(), "xero did not answer: the answer was cut off after 1 bytes");
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_the_call_replayed() {
    let bench = bench([expired(), contacts(1, 1, &[1])]);
    bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap();
    assert_eq!(*bench.tokens.refusals.lock().unwrap(), ["token-0"]);
    assert_eq!(bench.script.header(1, "authorization").as_deref(), Some("Bearer token-1"));
    assert_eq!(bench.script.line(0), bench.script.line(1));
}

#[tokio::test]
async fn a_renewed_token_that_is_refused_too_ends_the_call() {
    // The first renewal may have brought a token that another process had got, and that ended meanwhile.
    let bench = bench([expired(), expired(), expired()]);
    let error = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert!(matches!(error, Error::Expired { .. }));
    assert_eq!(bench.tokens.refusals.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn queries_that_cannot_be_sent_safely_cost_nothing() {
    let bench = bench([]);
    let unsafe_text = ListQuery { filter: Some(Field::new("Name").eq("a\" OR 1==1")), ..ListQuery::default() };
    assert!(matches!(bench.books.fetch_page::<Contact>(&unsafe_text, 1).await, Err(Error::Invalid(_))));
    assert!(matches!(bench.books.get_by::<Contact>("..").await, Err(Error::Invalid(_))));
    assert_eq!(bench.books.usage(), xero::BooksUsage::default());
    let since = ListQuery::modified_since(Timestamp::UNIX_EPOCH);
    assert!(matches!(bench.books.fetch_page::<TaxRate>(&since, 1).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_record_is_found_by_its_number_whatever_the_number_holds() {
    let body = format!(r#"{{"Invoices":[{{"InvoiceID":"{}"}}]}}"#, id(1));
    let bench = bench([json(200, body), json(200, r#"{"Invoices":[]}"#)]);
    bench.books.get_by::<Invoice>("INV/0101 #ü").await.unwrap();
    assert_eq!(bench.script.line(0), "GET /api.xro/2.0/Invoices/INV%2F0101%20%23%C3%BC?unitdp=4");
    assert!(matches!(bench.books.get_by::<Invoice>("none").await, Err(Error::Gone)));
}

#[tokio::test]
async fn meters_are_per_run() {
    let account = format!(r#"{{"Accounts":[{{"AccountID":"{}"}}]}}"#, id(1));
    let bench = bench([json(200, account.clone()), json(200, account.clone()), json(200, account)]);
    let run = bench.books.metered(xero::Lane::Interactive);
    run.accounts().await.unwrap();
    run.clone().fetch_page::<Account>(&ListQuery::default(), 1).await.unwrap();
    bench.books.accounts().await.unwrap();
    assert_eq!((run.usage().calls, bench.books.usage().calls), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens to a body on its way, the answer is a page or an error.
    #[test]
    fn damaged_pages_never_panic(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let contacts = contacts(1, 1, &[1, 2, 3]).unwrap();
        let mut body = contacts.body.to_vec();
        let length = body.len();
        body[at % length] = byte;
        body.truncate(length - cut % length);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bench = bench((0..3).map(|_| json(200, body.clone())));
        match runtime.block_on(bench.books.fetch_page::<Contact>(&ListQuery::default(), 1)) {
            Ok(page) => prop_assert!(page.items.len() <= 3),
            Err(error) => prop_assert!(error.to_string().len() < 400),
        }
    }
}
