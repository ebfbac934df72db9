//! Every shape of failure of xero-facts §1.3, §2.1 and §5.4, and what the caller is told to do next.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use xero::{
    AccessToken, Clock, Contact, Error, Invoice, Lane, ListQuery, Payment, PaymentWrite, TokenError, TokenSource,
    TransportError, Window, WriteOptions,
};

use crate::support::*;

/// The error of a write: sent once, so that every shape is seen as it is.
async fn error_of(answer: Answer) -> Error {
    let bench = bench([answer]);
    let error = bench.books.put::<Payment>(&[PaymentWrite::default()], &WriteOptions::default()).await.unwrap_err();
    assert_eq!(bench.script.sent(), 1, "a write is sent once");
    error
}

fn problem(status: u16, detail: &str) -> Answer {
    json(
        status,
        format!(
            r#"{{"Type":null,"Title":"T","Status":{status},"Detail":"{detail}","Instance":"x","Extensions":{{}}}}"#
        ),
    )
}

#[tokio::test]
async fn the_three_authentication_failures_are_three_errors() {
    let missing = error_of(problem(401, "AuthorizationUnsuccessful")).await;
    assert!(matches!(missing, Error::MissingScope { .. }));
    // Whether the consent is refused with the token, only a refresh can tell.
    let garbage = || problem(401, "AuthenticationUnsuccessful");
    let refused = bench([garbage(), garbage(), garbage()]);
    let garbage = refused.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert_eq!(refused.tokens.refusals.lock().unwrap().len(), 2);
    assert!(matches!(&garbage, Error::Expired { detail } if detail == "AuthenticationUnsuccessful"));
    let disconnected = error_of(problem(403, "AuthenticationUnsuccessful")).await;
    assert!(matches!(disconnected, Error::Disconnected { .. }));
    assert!(matches!(error_of(answer(403, &[], "")).await, Error::Disconnected { .. }));
    let role = error_of(problem(403, "The user's role does not allow this")).await;
    assert!(matches!(role, Error::Forbidden { .. }));
    for error in [missing, garbage, disconnected, role] {
        assert!(error.is_permanent() && error.needs_person() && !error.may_have_applied(), "{error}");
        assert_eq!(error.retry_after(jiff::Timestamp::UNIX_EPOCH), None);
    }
}

#[tokio::test]
async fn a_403_never_renews_the_token() {
    let bench = bench([problem(403, "AuthenticationUnsuccessful")]);
    let error = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }));
    assert!(bench.tokens.refusals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_403_on_a_report_says_nothing_about_the_connection() {
    let bench = bench([problem(403, "AuthenticationUnsuccessful")]);
    let (from, to) = (jiff::civil::date(2026, 3, 2), jiff::civil::date(2026, 3, 8));
    let error = bench.books.report_bank_summary(&xero::BankSummaryQuery { from, to }).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }));
}

#[tokio::test]
async fn a_validation_failure_keeps_every_message() {
    let body = r#"{"ErrorNumber":10,"Type":"ValidationException","Message":"A validation exception occurred","Elements":[
        {"ContactID":"00000000-0000-0000-0000-000000000000","Name":"Example Ltd","Phones":[{"PhoneType":"DEFAULT","ValidationErrors":[]}],
         "HasValidationErrors":true,"ValidationErrors":[{"Message":"The contact name Example Ltd is already assigned to another contact."}]},
        {"InvoiceID":"11111111-0000-4000-8000-000000000001","LineItems":[{"ValidationErrors":[{"Message":"Account must be valid."}]}],
         "ValidationErrors":[{"Description":"Tax rate must be valid."},{"Message":"Account must be valid."},{}]}]}"#;
    let Error::Rejected(rejected) = error_of(answer(400, &[JSON, ("Xero-Correlation-Id", "c-1")], body)).await else {
        panic!("a rejection")
    };
    assert_eq!(rejected.error_number, Some(10));
    assert_eq!(rejected.kind.as_deref(), Some("ValidationException"));
    assert_eq!(rejected.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(rejected.elements[0].id, None, "the zero GUID is no id");
    assert_eq!(rejected.elements[1].id, Uuid::try_parse("11111111-0000-4000-8000-000000000001").ok());
    assert_eq!(rejected.elements[1].messages, ["Account must be valid.", "Tax rate must be valid."]);
    let text = rejected.to_string();
    assert!(text.starts_with("xero refused the request: The contact name Example Ltd is already"), "{text}");
    assert!(!rejected.is_key_reused());
}

#[tokio::test]
async fn refusals_without_elements() {
    let deserialiser = r#"{"ErrorNumber":14,"Type":"PostDataInvalidException","Message":"Error converting value \"NO_TAX\" to type 'X'."}"#;
    let Error::Rejected(rejected) = error_of(json(400, deserialiser)).await else { panic!("a rejection") };
    assert_eq!((rejected.error_number, rejected.messages().len()), (Some(14), 1));

    let query = r#"{"ErrorNumber":16,"Type":"QueryParseException","Message":"Expression expected"}"#;
    assert_eq!(error_of(json(400, query)).await.to_string(), "xero refused the request: Expression expected");

    let reused = r#"{"Message":"Idempotency Key: k-1 is used with a different request."}"#;
    let Error::Rejected(rejected) = error_of(json(400, reused)).await else { panic!("a rejection") };
    assert!(rejected.is_key_reused());
    let error = Error::Rejected(rejected);
    assert!(error.is_permanent() && !error.may_have_applied());

    let page = error_of(html(400, "<html><body>Bad Request</body></html>")).await;
    assert!(matches!(&page, Error::Protocol { status: 400, detail } if detail.contains("Bad Request")));
    assert!(!page.may_have_applied());
}

#[tokio::test]
async fn not_found_is_html_and_means_gone() {
    let error = error_of(html(404, "The resource you're looking for cannot be found")).await;
    assert!(matches!(error, Error::Gone));
    assert!(error.is_permanent());
}

#[tokio::test]
async fn server_failures_may_have_applied() {
    for (status, body) in [
        (500, ""),
        (500, r#"{"ErrorNumber":500,"Type":"UnknownErrorException","Message":"An error occurred in Xero."}"#),
        (502, "<html>bad gateway</html>"),
        (503, "The Xero API is currently offline for maintenance"),
        (504, ""),
        (408, ""),
    ] {
        let error = error_of(html(status, body)).await;
        assert!(matches!(error, Error::Transient { status: s, .. } if s == status), "{error}");
        assert!(error.may_have_applied() && !error.is_permanent(), "{error}");
        assert_eq!(error.retry_after(jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_secs(1)));
    }
    let offline = error_of(html(503, "The Organisation is offline")).await;
    assert_eq!(offline.retry_after(jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_secs(300)));
    let dated = error_of(answer(503, &[("Retry-After", "17")], "")).await;
    assert_eq!(dated.retry_after(jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn a_read_does_not_wait_out_a_long_retry_after() {
    let bench = bench([html(503, "The Organisation is offline")]);
    let error = bench.books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
    assert!(matches!(error, Error::Transient { status: 503, .. }));
    assert!(bench.clock.take_slept().is_empty());
}

#[tokio::test]
async fn answers_that_are_not_xeros() {
    let redirect = error_of(answer(302, &[("location", "https://evil.test/")], "")).await;
    assert!(matches!(&redirect, Error::Protocol { status: 302, detail } if detail.contains("redirect")), "{redirect}");
    for status in [405, 412, 415, 418, 501] {
        let error = error_of(html(status, "no")).await;
        assert!(matches!(error, Error::Protocol { status: s, .. } if s == status) && error.is_permanent());
        assert!(!error.may_have_applied());
    }
    let login = error_of(html(200, "<!DOCTYPE html><title>Sign in</title>")).await;
    assert!(
        matches!(&login, Error::Protocol { status: 200, detail } if detail.contains("text/html") && detail.contains("Sign in"))
    );
    assert!(login.may_have_applied(), "a 200 that cannot be read was probably applied");
    let empty = error_of(answer(200, &[], "")).await;
    assert_eq!(empty.to_string(), "xero's answer (status 200) cannot be understood: empty body (no content type)");
    let xml = error_of(answer(200, &[("content-type", "text/xml")], "<Response/>")).await;
    assert!(matches!(xml, Error::Protocol { .. }));
    let other = error_of(json(200, r#"{"Invoices":[]}"#)).await;
    assert!(other.to_string().contains("Payments"), "{other}");
    for absurd in [
        "[]",
        "null",
        "5",
        r#""text""#,
        r#"{"Payments":{}}"#,
        r#"{"Payments":[]} {}"#,
        "\u{feff}{}",
        "{\"Payments\":[\"\u{0}\"]}",
    ] {
        assert!(matches!(error_of(json(200, absurd)).await, Error::Protocol { .. }), "{absurd}");
    }
    let not_text = error_of(json(200, &[b'{', 0xff, 0xfe, b'}'][..])).await;
    assert!(matches!(not_text, Error::Protocol { .. }));
}

#[tokio::test]
async fn business_data_of_a_good_answer_is_not_quoted() {
    let bench = bench([json(200, r#"{"Invoices":[{"InvoiceID":5,"Contact":{"Name":"Private Person"}}]}"#)]);
    let error = bench.books.get::<Invoice>(Uuid::nil()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("Private"), "{error}");
}

#[tokio::test]
async fn excerpts_are_short_and_printable() {
    let long: &'static str =
        Box::leak(format!("<p>\u{1b}[31m{} {}</p>", "x ".repeat(500), "y".repeat(300)).into_boxed_str());
    let text = error_of(html(418, long)).await.to_string();
    assert!(text.len() < 320, "{}", text.len());
    assert!(text.chars().all(|c| !c.is_control()));
}

#[tokio::test]
async fn transport_failures_say_whether_bytes_left() {
    let not_sent = error_of(Err(TransportError::NotSent("connection refused".to_owned()))).await;
    assert!(matches!(not_sent, Error::NotSent { .. }) && !not_sent.may_have_applied());
    let unanswered = error_of(Err(TransportError::Unanswered("timed out".to_owned()))).await;
    assert!(matches!(unanswered, Error::Unanswered { .. }) && unanswered.may_have_applied());
    assert!(!not_sent.is_permanent() && !unanswered.is_permanent());
}

#[tokio::test]
async fn limits_are_named_and_dated() {
    let table = [
        ("minute", Some("26"), Window::Minute, 26),
        ("day", Some("41000"), Window::Day, 41_000),
        ("concurrent", None, Window::Concurrent, 1),
        ("appminute", Some("9"), Window::AppMinute, 9),
        ("App-Minute", Some("9"), Window::AppMinute, 9),
        ("MINUTE", None, Window::Minute, 1),
        ("fortnight", Some("3"), Window::Unknown, 3),
        ("minute", Some("0"), Window::Minute, 1),
        ("minute", Some("soon"), Window::Minute, 1),
        ("minute", Some("99999999999"), Window::Minute, 1),
        ("day", None, Window::Day, 3600),
    ];
    for (problem, retry_after, window, seconds) in table {
        let bench = bench([limited(problem, retry_after)]);
        let error = bench.books.put::<Payment>(&[PaymentWrite::default()], &WriteOptions::default()).await.unwrap_err();
        let Error::Limited(limited) = &error else { panic!("{error}") };
        assert_eq!(limited.window, window, "{problem}");
        assert_eq!(
            error.retry_after(bench.clock.now()),
            Some(Duration::from_secs(seconds)),
            "{problem} {retry_after:?}"
        );
        assert!(!error.is_permanent() && !error.may_have_applied(), "limits are checked before anything is applied");
    }
}

/// A source that has no token.
struct Without(TokenError);

#[async_trait::async_trait]
impl TokenSource for Without {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Err(self.0.clone())
    }

    async fn refused(&self, _token: &AccessToken) -> Result<AccessToken, TokenError> {
        self.token().await
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let retry_after = Duration::from_secs(7);
    let table = [
        (TokenError::NeedsReconnect { reason: "the user left".to_owned() }, true, None),
        (
            TokenError::Unavailable { reason: "another process refreshes".to_owned(), retry_after },
            false,
            Some(retry_after),
        ),
    ];
    for (given, permanent, wait) in table {
        let bench = bench([]);
        let books = bench.client.tenant(tenant(), Arc::new(Without(given.clone())), Lane::Interactive);
        let error = books.organisation().await.unwrap_err();
        assert!(matches!(&error, Error::Token(token) if *token == given));
        assert_eq!((error.is_permanent(), error.needs_person()), (permanent, permanent));
        assert_eq!(error.retry_after(bench.clock.now()), wait);
        assert!(!error.may_have_applied());
        assert_eq!((bench.script.sent(), books.usage().calls), (0, 0));
    }
}
