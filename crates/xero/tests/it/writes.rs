//! Writes: what is sent, and what became of each element.

use bytes::Bytes;
use http::Method;
use rust_decimal::Decimal;
use uuid::Uuid;
use xero::{
    Account, AccountWrite, Contact, ContactRef, ContactWrite, DocumentStatus, ElementResult, Error, Invoice,
    InvoiceRef, InvoiceType, InvoiceWrite, LineItemWrite, Payment, PaymentWrite, TransportError, WriteOptions,
    encode_elements, encode_one,
};

use crate::support::*;

fn invoice() -> InvoiceWrite {
    InvoiceWrite {
        kind: Some(InvoiceType::AccRec),
        contact: Some(ContactRef { contact_id: Some(Uuid::from_u128(7)), ..ContactRef::default() }),
        date: Some(jiff::civil::date(2026, 3, 2)),
        status: Some(DocumentStatus::Authorised),
        reference: Some(String::new()),
        line_items: Some(vec![LineItemWrite {
            description: Some("Work \"at\" night".to_owned()),
            quantity: Some(Decimal::new(25000, 4)),
            unit_amount: Some(Decimal::new(100_001, 4)),
            tracking: Some(Vec::new()),
            ..LineItemWrite::default()
        }]),
        ..InvoiceWrite::default()
    }
}

const INVOICE_JSON: &str = r#"{"Invoices":[{"Type":"ACCREC","Reference":"","Contact":{"ContactID":"00000000-0000-0000-0000-000000000007"},"Date":"2026-03-02","Status":"AUTHORISED","LineItems":[{"Description":"Work \"at\" night","Quantity":2.5000,"UnitAmount":10.0001,"Tracking":[]}]}]}"#;

#[test]
fn what_is_not_sent_is_left_out_and_numbers_keep_their_digits() {
    assert_eq!(encode_elements::<Invoice>(&[invoice()]).unwrap(), INVOICE_JSON);
    let header_only = InvoiceWrite {
        invoice_id: Some(Uuid::from_u128(1)),
        url: Some("https://x.test".to_owned()),
        ..InvoiceWrite::default()
    };
    assert_eq!(
        encode_elements::<Invoice>(&[header_only]).unwrap(),
        r#"{"Invoices":[{"InvoiceID":"00000000-0000-0000-0000-000000000001","Url":"https://x.test"}]}"#
    );
}

#[tokio::test]
async fn each_element_has_its_own_result() {
    let body = r#"{"Id":"x","Status":"OK","DateTimeUTC":"/Date(1772443799100)/","Invoices":[
        {"InvoiceID":"11111111-0000-4000-8000-000000000001","Type":"ACCREC","HasErrors":false,"StatusAttributeString":"OK"},
        {"InvoiceID":"11111111-0000-4000-8000-000000000002","HasErrors":false,"StatusAttributeString":"WARNING","Warnings":[{"Message":"Only AUTHORISED invoices may have SentToContact updated."}]},
        {"InvoiceID":"11111111-0000-4000-8000-000000000003","HasErrors":true,"StatusAttributeString":"ERROR","ValidationErrors":[{"Message":"Invoice not of valid status for modification"}]},
        {"InvoiceID":"00000000-0000-0000-0000-000000000000","HasErrors":true,"StatusAttributeString":"ERROR","LineItems":[{"ValidationErrors":[{"Message":"Account must be valid."}]}]},
        {"InvoiceID":"11111111-0000-4000-8000-000000000005","Total":"?","StatusAttributeString":"OK"}]}"#;
    let bench = bench([answer(200, &[JSON, ("Xero-Correlation-Id", "c-9")], body)]);
    let elements = vec![invoice(); 5];
    let written = bench.books.post::<Invoice>(&elements, &WriteOptions::with_key("run-1/batch-1")).await.unwrap();
    assert_eq!(bench.script.line(0), "POST /api.xro/2.0/Invoices?summarizeErrors=false&unitdp=4");
    assert_eq!(bench.script.header(0, "idempotency-key").as_deref(), Some("run-1/batch-1"));
    assert_eq!(bench.script.header(0, "content-type").as_deref(), Some("application/json"));
    assert_eq!(written.correlation_id.as_deref(), Some("c-9"));
    assert_eq!((written.calls, written.elements.len()), (1, 5));
    assert!(
        matches!(&written.elements[0], ElementResult::Saved { entity, warnings } if warnings.is_empty() && entity.kind == Some(InvoiceType::AccRec))
    );
    assert!(
        matches!(&written.elements[1], ElementResult::Saved { warnings, .. } if warnings[0].starts_with("Only AUTHORISED"))
    );
    let refused = ElementResult::Refused {
        id: Uuid::try_parse("11111111-0000-4000-8000-000000000003").ok(),
        messages: vec!["Invoice not of valid status for modification".to_owned()],
    };
    assert_eq!(written.elements[2], refused);
    assert_eq!(
        written.elements[3],
        ElementResult::Refused { id: None, messages: vec!["Account must be valid.".to_owned()] }
    );
    assert!(matches!(&written.elements[4], ElementResult::Unreadable(bad) if bad.id.is_some()));
}

#[tokio::test]
async fn without_the_status_attribute_the_flags_decide() {
    let body = r#"{"Payments":[
        {"PaymentID":"11111111-0000-4000-8000-000000000001","HasValidationErrors":false},
        {"HasValidationErrors":true,"ValidationErrors":[{"Message":"Payment amount exceeds the amount outstanding on this document"}]}]}"#;
    let bench = bench([json(200, body)]);
    let pay = PaymentWrite {
        invoice: Some(InvoiceRef { invoice_id: Some(Uuid::from_u128(1)), ..InvoiceRef::default() }),
        amount: Some(Decimal::new(2415, 2)),
        ..PaymentWrite::default()
    };
    let written = bench.books.put::<Payment>(&[pay.clone(), pay], &WriteOptions::default()).await.unwrap();
    assert!(matches!(written.elements[0], ElementResult::Saved { .. }));
    assert!(matches!(&written.elements[1], ElementResult::Refused { messages, .. } if messages.len() == 1));
    assert_eq!(bench.script.line(0), "PUT /api.xro/2.0/Payments?summarizeErrors=false");
    assert_eq!(bench.script.header(0, "idempotency-key"), None);
}

#[tokio::test]
async fn a_payment_is_deleted_by_its_status() {
    let id = "11111111-0000-4000-8000-000000000001";
    let bench = bench([json(200, format!(r#"{{"Payments":[{{"PaymentID":"{id}","Status":"DELETED"}}]}}"#))]);
    let written = bench
        .books
        .post_one::<Payment>(id.parse().unwrap(), &PaymentWrite::deletion(), &WriteOptions::with_key("k"))
        .await
        .unwrap();
    assert_eq!(bench.script.line(0), format!("POST /api.xro/2.0/Payments/{id}?summarizeErrors=false"));
    assert_eq!(bench.script.body(0), r#"{"Status":"DELETED"}"#);
    assert!(
        matches!(&written.elements[0], ElementResult::Saved { entity, .. } if entity.status == Some(xero::PaymentStatus::Deleted))
    );
}

#[tokio::test]
async fn a_write_is_never_sent_again_by_itself() {
    let failures = [
        html(500, ""),
        html(503, "The Xero API is temporarily unavailable"),
        Err(TransportError::Unanswered("timed out".to_owned())),
        Err(TransportError::NotSent("refused".to_owned())),
        limited("minute", Some("1")),
        json(200, r#"{"Contacts":[{"Con"#),
    ];
    for failure in failures {
        let bench = bench([failure]);
        bench.books.post::<Contact>(&[ContactWrite::default()], &WriteOptions::with_key("k")).await.unwrap_err();
        assert_eq!((bench.script.sent(), bench.clock.take_slept().len()), (1, 0));
    }
}

#[tokio::test]
async fn after_a_renewed_token_the_same_bytes_go_with_the_same_key() {
    let bench = bench([expired(), json(200, r#"{"Invoices":[{"InvoiceID":"11111111-0000-4000-8000-000000000001"}]}"#)]);
    let body = encode_elements::<Invoice>(&[invoice()]).unwrap();
    let options = WriteOptions::with_key("k-1");
    let written = bench.books.write_encoded::<Invoice>(Method::PUT, body, &options).await.unwrap();
    assert_eq!(written.calls, 2);
    for attempt in [0, 1] {
        assert_eq!(bench.script.body(attempt), INVOICE_JSON);
        assert_eq!(bench.script.header(attempt, "idempotency-key").as_deref(), Some("k-1"));
    }
    assert_eq!(bench.script.header(1, "authorization").as_deref(), Some("Bearer token-1"));
}

#[tokio::test]
async fn writes_that_cannot_work_are_not_sent() {
    let bench = bench([]);
    let one = [ContactWrite::default()];
    let refused = |result: Result<xero::Written<Contact>, Error>| matches!(result, Err(Error::Invalid(_)));
    assert!(refused(bench.books.post::<Contact>(&[], &WriteOptions::default()).await));
    assert!(refused(bench.books.post::<Contact>(&one, &WriteOptions::with_key("k".repeat(129))).await));
    assert!(refused(bench.books.post::<Contact>(&one, &WriteOptions::with_key("")).await));
    assert!(refused(bench.books.post::<Contact>(&one, &WriteOptions::with_key("line\nbreak")).await));
    assert!(refused(
        bench.books.write_encoded::<Contact>(Method::DELETE, Bytes::new(), &WriteOptions::default()).await
    ));
    let huge = ContactWrite { name: Some("x".repeat(9_500_001)), ..ContactWrite::default() };
    assert!(refused(bench.books.put::<Contact>(&[huge], &WriteOptions::default()).await));
    for body in ["", "{}", r#"{"Contacts":[]}"#, r#"{"Invoices":[{}]}"#] {
        let body = Bytes::from(body);
        assert!(refused(bench.books.write_encoded::<Contact>(Method::PUT, body, &WriteOptions::default()).await));
    }
    let to_one = encode_one::<Contact>(&one[0]).unwrap();
    let target = Some(Uuid::from_u128(1));
    assert!(refused(
        bench.books.write_encoded_to::<Contact>(Method::PUT, target, to_one, &WriteOptions::default()).await
    ));
    let two = [AccountWrite::default(), AccountWrite::default()];
    let accounts = bench.books.put::<Account>(&two, &WriteOptions::default()).await;
    assert!(matches!(accounts, Err(Error::Invalid(_))), "xero would ignore the second");
    assert_eq!(bench.script.sent(), 0);
}
