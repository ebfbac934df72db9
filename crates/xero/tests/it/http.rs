//! The HTTP transport against a server that writes bytes by hand: compression, damage, size, redirects, silence.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;
use xero::{HttpSettings, HttpTransport, Request, Response, Transport, TransportError};

/// Answers one connection with these bytes and gives back what was asked.
async fn serve(answer: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.unwrap();
        stream.write_all(&answer).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(asked[..length].to_vec()).unwrap().to_ascii_lowercase()
    });
    (address, task)
}

fn message(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn get(address: SocketAddr) -> Request {
    let mut headers = HeaderMap::new();
    let mut bearer = HeaderValue::from_static("Bearer canary-7f3a");
    bearer.set_sensitive(true);
    headers.insert("authorization", bearer);
    let url = Url::parse(&format!("http://{address}/api.xro/2.0/Contacts?where=canary-7f3a")).unwrap();
    Request { method: Method::GET, url, headers, body: Bytes::new() }
}

async fn send_with(settings: HttpSettings, answer: Vec<u8>) -> (Result<Response, TransportError>, String) {
    let (address, task) = serve(answer).await;
    let transport = HttpTransport::new(settings).unwrap();
    let result = transport.send(get(address)).await;
    (result, task.await.unwrap())
}

async fn send(answer: Vec<u8>) -> Result<Response, TransportError> {
    send_with(HttpSettings::default(), answer).await.0
}

fn unanswered(result: Result<Response, TransportError>) -> String {
    match result.unwrap_err() {
        TransportError::Unanswered(detail) => {
            assert!(!detail.contains("canary"), "{detail}");
            detail
        }
        TransportError::NotSent(detail) => panic!("bytes had left: {detail}"),
    }
}

#[tokio::test]
async fn compressed_bodies_are_decoded_and_the_wire_is_counted() {
    let plain = br#"{"Contacts":[]}"#.repeat(500);
    let packed = gzip(&plain);
    let (result, asked) = send_with(
        HttpSettings::default(),
        message("200 OK\r\ncontent-encoding: gzip\r\nx-daylimit-remaining: 7", &packed),
    )
    .await;
    let response = result.unwrap();
    assert_eq!(response.body, plain);
    assert_eq!(response.wire_bytes, packed.len() as u64);
    assert!(
        response.headers.get("content-encoding").is_none() && response.headers.get("x-daylimit-remaining").is_some()
    );
    assert!(asked.contains("accept-encoding: gzip") && asked.contains("authorization: bearer canary"), "{asked}");

    let off = HttpSettings { gzip: false, ..HttpSettings::default() };
    let (result, asked) = send_with(off, message("200 OK", b"{}")).await;
    assert_eq!((result.unwrap().wire_bytes, asked.contains("accept-encoding")), (2, false));
}

#[tokio::test]
async fn answers_without_bodies() {
    let limited =
        send(message("429 Too Many Requests\r\nretry-after: 26\r\nx-rate-limit-problem: minute", b"")).await.unwrap();
    assert_eq!((limited.status.as_u16(), limited.body.len(), limited.wire_bytes), (429, 0, 0));
    let odd = send(message("429 Too Many Requests\r\ncontent-encoding: gzip", b"")).await.unwrap();
    assert_eq!(odd.body.len(), 0);
}

#[tokio::test]
async fn damaged_and_cut_bodies_are_unanswered() {
    let packed = gzip(&b"{\"Contacts\":[]}".repeat(500));
    let cut = message("200 OK\r\ncontent-encoding: gzip", &packed[..packed.len() / 2]);
    assert!(unanswered(send(cut).await).contains("damaged"));
    let damaged = message("200 OK\r\ncontent-encoding: gzip", b"not gzip at all");
    assert!(unanswered(send(damaged).await).contains("damaged"));
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Contacts\":".to_vec();
    unanswered(send(short).await);
    let unknown = message("200 OK\r\ncontent-encoding: br", b"x");
    assert!(unanswered(send(unknown).await).contains("not asked for"));
    unanswered(send(b"garbage\r\n\r\n".to_vec()).await);
    unanswered(send(Vec::new()).await);
}

#[tokio::test]
async fn bodies_are_bounded_before_and_after_decoding() {
    let settings = HttpSettings { max_body_bytes: 10_000, ..HttpSettings::default() };
    let large = send_with(settings.clone(), message("200 OK", &[b' '; 10_001])).await.0;
    assert!(unanswered(large).contains("larger than the limit of 10000 bytes"));
    let bomb = message("200 OK\r\ncontent-encoding: gzip", &gzip(&vec![b' '; 5_000_000]));
    let (result, _) = send_with(settings.clone(), bomb).await;
    assert!(unanswered(result).contains("larger than the limit"));
    let fits = send_with(settings, message("200 OK\r\ncontent-encoding: gzip", &gzip(&[b' '; 10_000]))).await.0;
    assert_eq!(fits.unwrap().body.len(), 10_000);
}

#[tokio::test]
async fn redirects_are_given_back_and_not_followed() {
    let (evil, elsewhere) = serve(message("200 OK", b"stolen")).await;
    let moved = send(message(&format!("302 Found\r\nlocation: http://{evil}/"), b"")).await.unwrap();
    assert_eq!(moved.status.as_u16(), 302);
    assert!(!elsewhere.is_finished(), "nobody was sent there");
    elsewhere.abort();
}

#[tokio::test]
async fn silence_ends_in_time_and_bytes_had_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = HttpSettings { timeout: Duration::from_millis(200), ..HttpSettings::default() };
    let transport = HttpTransport::new(settings).unwrap();
    unanswered(transport.send(get(listener.local_addr().unwrap())).await);
}

#[tokio::test]
async fn nobody_listening_means_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = HttpTransport::new(HttpSettings::default()).unwrap().send(get(address)).await.unwrap_err();
    let TransportError::NotSent(detail) = error else { panic!("nothing can have left: {error}") };
    assert!(!detail.contains("canary"), "{detail}");
    let mut unknown = get(address);
    unknown.url = Url::parse("http://no-such-host.invalid/").unwrap();
    let error = HttpTransport::new(HttpSettings::default()).unwrap().send(unknown).await.unwrap_err();
    assert!(matches!(error, TransportError::NotSent(_)), "{error}");
}
