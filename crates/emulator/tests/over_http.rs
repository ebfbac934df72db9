//! The emulator as an HTTP service.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::io::Read;

use axum::body::Body;
use axum::http::Request;
use common::*;
use emulator::config::Limits;
use emulator::{Config, Fault, FaultAction};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

fn request(client: &Client, target: &str) -> axum::http::request::Builder {
    Request::get(format!("/api.xro/2.0/{target}"))
        .header("Authorization", format!("Bearer {}", client.access))
        .header("Xero-Tenant-Id", client.tenant.to_string())
        .header("Accept", "application/json")
}

#[tokio::test]
async fn answers_are_compressed_when_asked() {
    let client = Client::connect(config());
    let send =
        |builder: axum::http::request::Builder| client.emulator.router().oneshot(builder.body(Body::empty()).unwrap());
    let plain = send(request(&client, "Invoices?page=1")).await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    let plain = plain.into_body().collect().await.unwrap().to_bytes();
    let packed = send(request(&client, "Invoices?page=1").header("Accept-Encoding", "gzip, br")).await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["x-minlimit-remaining"], "60");
    let packed = packed.into_body().collect().await.unwrap().to_bytes();
    assert!(packed.len() * 2 < plain.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let after_id = |text: &str| text.split_once("\"Status\"").unwrap().1.to_owned();
    assert_eq!(after_id(&text), after_id(std::str::from_utf8(&plain).unwrap()));
}

#[tokio::test]
async fn item_4_slow_calls_in_flight_are_counted() {
    let client = Client::connect(Config { latency_ms: 100, limits: Limits::default(), ..config() });
    let calls: Vec<_> = (0..7)
        .map(|_| {
            let request = request(&client, "Currencies").body(Body::empty()).unwrap();
            tokio::spawn(client.emulator.router().oneshot(request))
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap().unwrap().status().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let next = request(&client, "Currencies").body(Body::empty()).unwrap();
    assert_eq!(client.emulator.router().oneshot(next).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_socket_gets_answers_and_a_lost_answer_breaks_off() {
    let client = Client::connect(config());
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let emulator = client.emulator.clone();
    let server = tokio::spawn(async move { emulator.serve(listener).await });
    let talk = |target: &'static str| {
        let head = format!(
            "GET /api.xro/2.0/{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\n\
             Authorization: Bearer {}\r\nxero-tenant-id: {}\r\n\r\n",
            client.access, client.tenant
        );
        async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        }
    };
    let good = talk("Organisation").await;
    assert!(good.starts_with("HTTP/1.1 200 OK") && good.ends_with("]}"), "{good}");
    let action = FaultAction::LoseAnswer;
    client.emulator.add_fault(Fault { method: "GET".into(), path_contains: "Currencies".into(), nth: 1, action });
    let lost = talk("Currencies").await;
    assert!(!lost.contains("NZD") && !lost.ends_with("0\r\n\r\n"), "the answer must not end properly: {lost}");
    assert!(!lost.to_lowercase().contains("content-length: 0"), "an empty answer is an answer too: {lost}");
    server.abort();
}
