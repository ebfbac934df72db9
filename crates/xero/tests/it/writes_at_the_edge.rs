//! Writes that must not be taken for more, or less, than they were: too late, answered in part, or answered with something
//! that is no answer. And allocations, which have paths of their own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use rust_decimal::Decimal;
use uuid::Uuid;
use xero::{
    AllocationWrite, Clock, Contact, ContactWrite, CreditNote, Deadline, ElementResult, Error, Governor, InvoiceRef,
    Lane, Limited, Overpayment, Payment, PaymentWrite, Permit, Prepayment, Seen, TenantId, WriteOptions,
    encode_elements, encode_one,
};

use crate::support::*;

/// Lets every call wait.
struct Slow(Arc<FakeClock>, Duration);

#[async_trait]
impl Governor for Slow {
    async fn admit(&self, _tenant: Option<&TenantId>, _lane: Lane) -> Result<Permit, Limited> {
        self.0.sleep(self.1).await;
        Ok(Permit::free())
    }

    fn observe(&self, _tenant: Option<&TenantId>, _seen: &Seen) -> Option<Limited> {
        None
    }
}

const SAVED: &str = r#"{"Contacts":[{"ContactID":"11111111-0000-4000-8000-000000000001"}]}"#;

/// Writes through a governor that lets it wait `wait` seconds, with `time` seconds of time.
async fn written(wait: u64, time: u64, answers: Vec<Answer>) -> (Result<(), Error>, usize) {
    let clock = FakeClock::start();
    let script = Script::new(answers);
    let slow = Arc::new(Slow(clock.clone(), Duration::from_secs(wait)));
    let books = client_over(script.clone(), clock.clone(), slow).tenant(
        tenant(),
        Arc::new(Rotating::default()),
        Lane::Background,
    );
    let deadline = Deadline::after(clock.as_ref(), Duration::from_secs(time));
    let options = WriteOptions::with_key("k").not_after(deadline);
    let result = books.put::<Contact>(&[ContactWrite::default()], &options).await;
    (result.map(drop), script.sent())
}

#[tokio::test]
async fn a_write_does_not_leave_after_its_time() {
    for (wait, is_sent) in [(0, true), (59, true), (60, true), (61, false), (3600, false)] {
        let (result, sent) = written(wait, 60, vec![json(200, SAVED)]).await;
        assert_eq!(sent, usize::from(is_sent), "after {wait} s");
        match result {
            Ok(()) => assert!(is_sent),
            Err(error) => {
                assert!(matches!(error, Error::TooLate), "{error}");
                assert!(!error.may_have_applied() && !error.is_permanent() && !error.was_internal_error());
            }
        }
    }
}

#[tokio::test]
async fn a_renewed_token_gives_no_more_time() {
    let (result, sent) = written(40, 60, vec![expired(), json(200, SAVED)]).await;
    assert!(matches!(result, Err(Error::TooLate)));
    assert_eq!(sent, 1, "the one that was refused for its token");
    let (result, sent) = written(30, 60, vec![expired(), json(200, SAVED)]).await;
    assert!(result.is_ok());
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn an_answer_that_does_not_tell_of_every_element_is_no_success() {
    let one = r#"{"ContactID":"11111111-0000-4000-8000-000000000001","StatusAttributeString":"OK"}"#;
    let answers = [
        json(200, r#"{"Contacts":[]}"#),
        json(200, r#"{"Contacts":null}"#),
        json(200, format!(r#"{{"Contacts":[{one}]}}"#)),
        json(200, format!(r#"{{"Contacts":[{one},{one},{one}]}}"#)),
        json(200, r#"{"Status":"OK"}"#),
        json(200, ""),
        answer(204, &[], ""),
        html(200, "<html>Signed out</html>"),
        answer(302, &[("location", "https://x.test")], ""),
        json(200, r#"{"Contacts":[{"Con"#),
    ];
    for scripted in answers {
        let shown = format!("{scripted:?}");
        let bench = bench([scripted]);
        let two = [ContactWrite::default(), ContactWrite::default()];
        let error = bench.books.put::<Contact>(&two, &WriteOptions::with_key("k")).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{shown}: {error}");
        assert!(error.may_have_applied(), "{shown}: {error}");
        assert_eq!(bench.script.sent(), 1);
    }
}

#[tokio::test]
async fn a_refusal_of_some_does_not_speak_for_the_others() {
    let refusal = |elements: &str| {
        json(400, format!(r#"{{"ErrorNumber":10,"Type":"ValidationException","Message":"x","Elements":[{elements}]}}"#))
    };
    let element = r#"{"ValidationErrors":[{"Message":"no"}]}"#;
    for (elements, in_doubt) in [("", false), (element, true), (&format!("{element},{element}"), false)] {
        let bench = bench([refusal(elements)]);
        let two = [ContactWrite::default(), ContactWrite::default()];
        let error = bench.books.post::<Contact>(&two, &WriteOptions::default()).await.unwrap_err();
        assert_eq!(error.may_have_applied(), in_doubt, "{error}");
        assert_eq!(matches!(error, Error::Rejected(_)), !in_doubt);
    }
    let bench = bench([refusal(element)]);
    let error = bench.books.post::<Contact>(&[ContactWrite::default()], &WriteOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)), "one of one is all of them");
}

#[tokio::test]
async fn what_a_failure_means_for_a_write() {
    // Status, may have been applied, Xero kept the answer as an internal error.
    let table = [
        (400, false, false),
        (404, false, false),
        (408, true, false),
        (412, false, false),
        (413, false, false),
        (429, false, false),
        (500, true, true),
        (501, false, false),
        (502, true, false),
        (503, true, false),
        (504, true, false),
    ];
    for (status, may_have_applied, internal) in table {
        let bench = bench([html(status, "oh")]);
        let error = bench.books.put::<Contact>(&[ContactWrite::default()], &WriteOptions::default()).await.unwrap_err();
        assert_eq!(error.may_have_applied(), may_have_applied, "{status}");
        assert_eq!(error.was_internal_error(), internal, "{status}");
    }
}

#[tokio::test]
async fn frozen_bytes_go_to_one_record_as_they_are() {
    let id: Uuid = "11111111-0000-4000-8000-000000000001".parse().unwrap();
    let answered = || json(200, format!(r#"{{"Payments":[{{"PaymentID":"{id}","Status":"DELETED"}}]}}"#));
    let bench = bench([answered(), json(200, r#"{"Payments":[]}"#)]);
    let body = encode_one::<Payment>(&PaymentWrite::deletion()).unwrap();
    let write = || {
        let options = WriteOptions::with_key("k");
        let (books, body) = (bench.books.clone(), body.clone());
        async move { books.write_encoded_to::<Payment>(Method::POST, Some(id), body, &options).await }
    };
    let written = write().await.unwrap();
    assert!(matches!(written.elements[..], [ElementResult::Saved { .. }]));
    assert_eq!(bench.script.line(0), format!("POST /api.xro/2.0/Payments/{id}?summarizeErrors=false"));
    assert_eq!(bench.script.body(0), r#"{"Status":"DELETED"}"#);
    assert!(write().await.unwrap_err().may_have_applied());
    let batch = encode_elements::<Payment>(&[PaymentWrite::deletion()]).unwrap();
    assert_eq!(batch, r#"{"Payments":[{"Status":"DELETED"}]}"#);
}

#[tokio::test]
async fn credits_are_allocated_and_taken_off_again() {
    let credit = Uuid::from_u128(1);
    let part = AllocationWrite {
        invoice: Some(InvoiceRef { invoice_id: Some(Uuid::from_u128(2)), ..InvoiceRef::default() }),
        amount: Some(Decimal::new(2000, 2)),
        date: Some(jiff::civil::date(2026, 3, 1)),
    };
    let allocation = Uuid::from_u128(3);
    let bench = bench([
        json(
            200,
            format!(
                r#"{{"Allocations":[{{"AllocationID":"{allocation}","Amount":20.0,"StatusAttributeString":"OK"}},
                {{"Amount":20.0,"StatusAttributeString":"ERROR","ValidationErrors":[{{"Message":"too much"}}]}}]}}"#
            ),
        ),
        json(200, r#"{"Allocations":[]}"#),
        json(200, format!(r#"{{"AllocationID":"{allocation}","IsDeleted":true}}"#)),
        json(200, format!(r#"{{"Allocations":[{{"AllocationID":"{allocation}","IsDeleted":true}}]}}"#)),
        html(404, "The resource you're looking for cannot be found"),
        json(200, format!(r#"{{"AllocationID":"{allocation}"}}"#)),
        json(200, r#"{"Allocations":[{"HasErrors":true,"ValidationErrors":[{"Message":"locked"}]}]}"#),
    ]);
    let (books, options) = (&bench.books, WriteOptions::with_key("k"));
    let written = books.allocate::<CreditNote>(credit, &[part.clone(), part.clone()], &options).await.unwrap();
    assert!(
        matches!(&written.elements[0], ElementResult::Saved { entity, .. } if entity.allocation_id == Some(allocation))
    );
    assert!(matches!(&written.elements[1], ElementResult::Refused { messages, .. } if messages == &["too much"]));
    assert_eq!(
        bench.script.line(0),
        format!("PUT /api.xro/2.0/CreditNotes/{credit}/Allocations?summarizeErrors=false")
    );
    assert!(bench.script.body(0).starts_with(
        r#"{"Allocations":[{"Invoice":{"InvoiceID":"00000000-0000-0000-0000-000000000002"},"Amount":20.00,"Date":"2026-03-01"},"#
    ));
    assert_eq!(bench.script.header(0, "idempotency-key").as_deref(), Some("k"));
    assert!(
        books
            .allocate::<Prepayment>(credit, std::slice::from_ref(&part), &options)
            .await
            .unwrap_err()
            .may_have_applied()
    );
    assert!(matches!(books.allocate::<Prepayment>(credit, &[], &options).await, Err(Error::Invalid(_))));

    books.remove_allocation::<Overpayment>(credit, allocation, &options).await.unwrap();
    assert_eq!(bench.script.line(2), format!("DELETE /api.xro/2.0/Overpayments/{credit}/Allocations/{allocation}"));
    books.remove_allocation::<Prepayment>(credit, allocation, &options).await.unwrap();
    let mut errors = Vec::new();
    for _ in 0..3 {
        errors.push(books.remove_allocation::<CreditNote>(credit, allocation, &options).await.unwrap_err());
    }
    assert!(matches!(errors[0], Error::Gone));
    assert!(errors[1].may_have_applied(), "it does not say that it is deleted");
    assert!(matches!(&errors[2], Error::Rejected(rejected) if rejected.messages() == ["locked"]));
    assert_eq!(bench.script.left(), 0);
}
