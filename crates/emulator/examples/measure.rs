//! Measures generation time, memory and page speed of a big organisation.
//!
//! `cargo run --release -p tieout-emulator --example measure -- 1000000`

use std::time::{Duration, Instant};

use emulator::config::{App, AutoConsent, Limits, OrganisationPlan};
use emulator::http::{Request, Response};
use emulator::{Config, Emulator, Size};

/// A figure of `/proc/self/status`, in megabytes (0 where there is no such file).
fn memory_mb(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0_u64) / 1024
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn bearer(emulator: &Emulator) -> String {
    let app = App::default();
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let scope = "accounting.contacts+accounting.invoices+accounting.payments+accounting.banktransactions";
    let target = format!(
        "/identity/connect/authorize?response_type=code&client_id={}&redirect_uri=https%3A%2F%2Fexample.test%2F\
         &scope={scope}&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        app.client_id
    );
    let location = emulator.handle(&Request::new("GET", &target)).header("Location").unwrap_or_default().to_owned();
    let code = location.split("code=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default().to_owned();
    let body = format!(
        "grant_type=authorization_code&client_id={}&client_secret={}&code={code}&code_verifier={verifier}\
         &redirect_uri=https%3A%2F%2Fexample.test%2F",
        app.client_id,
        app.client_secret.unwrap_or_default()
    );
    let answer = emulator.handle(&Request::new("POST", "/connect/token").with_body(body));
    let tokens: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    format!("Bearer {}", tokens["access_token"].as_str().unwrap_or_default())
}

#[expect(clippy::print_stdout, reason = "an example reports to the person who runs it")]
fn main() {
    let invoices: u32 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let size = Size { lines: Some(3), payments: invoices, ..Size::of_invoices(invoices) };
    let config = Config {
        organisations: vec![OrganisationPlan { size, ..OrganisationPlan::default() }],
        limits: Limits { is_enforced: false, ..Limits::default() },
        auto_consent: Some(AutoConsent::AllowAll),
        ..Config::default()
    };
    let (emulator, generation) = timed(|| Emulator::new(config));
    println!("generated {invoices} invoices of 3 lines and as many payments in {generation:.2?}");
    println!("memory now {} MB, at most {} MB", memory_mb("VmRSS"), memory_mb("VmHWM"));

    let token = bearer(&emulator);
    let tenant = emulator.tenants()[0].to_string();
    let get = |target: &str| -> Response {
        let request = Request::new("GET", &format!("/api.xro/2.0/{target}"))
            .with_header("Authorization", &token)
            .with_header("xero-tenant-id", &tenant)
            .with_header("Accept", "application/json");
        emulator.handle(&request)
    };
    for target in [
        "Invoices?page=1&pageSize=1000&unitdp=4",
        "Invoices?page=90&pageSize=1000&unitdp=4",
        "Invoices?page=50&pageSize=1000&order=InvoiceID",
        "Invoices?Statuses=PAID&page=1&pageSize=1000",
        "Invoices?Statuses=PAID&page=2&pageSize=1000",
        "Payments?page=5&pageSize=1000",
        "Contacts?page=5&pageSize=1000&includeArchived=true",
        "BankTransactions?page=5&pageSize=1000",
    ] {
        let (response, took) = timed(|| get(target));
        println!("{} {:>7} kB {took:>10.2?}  {target}", response.status, response.body.len() / 1024);
    }
    println!("memory at most {} MB", memory_mb("VmHWM"));
}
