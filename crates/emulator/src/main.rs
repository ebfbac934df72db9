//! `xero-emulator`: a Xero to develop against, on this machine.

use std::process::ExitCode;

use clap::Parser;
use emulator::config::{App, AutoConsent, Limits, OrganisationPlan, Tier};
use emulator::{Config, Emulator, Size};
use tokio::net::TcpListener;

const EXAMPLES: &str = "\
Examples:
  xero-emulator                                   one organisation with 250 invoices on http://localhost:8910
  xero-emulator --auto-consent                    log in without anybody clicking
  xero-emulator --size 100000 --lines 3 --payments 100000 --contacts 20000 --no-limits
  xero-emulator --organisations 3 --tier starter  three organisations with 1,000 calls a day each
  xero-emulator --addr 127.0.0.1:0                any free port

Look inside:  curl http://localhost:8910/_emulator/state";

/// A faithful emulator of Xero: login, tokens, limits and the Accounting API, with books made from a seed.
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES)]
struct Arguments {
    /// Host and port to listen on
    #[arg(long, default_value = "127.0.0.1:8910")]
    addr: String,
    /// Everything follows from it: same seed, same books
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Invoices and bills per organisation; the rest comes in proportion
    #[arg(long, default_value_t = 250)]
    size: u32,
    /// Lines per document (varies from 1 to 5 when left out)
    #[arg(long)]
    lines: Option<u32>,
    /// Contacts per organisation instead of the proportion
    #[arg(long)]
    contacts: Option<u32>,
    /// Payments per organisation instead of the proportion
    #[arg(long)]
    payments: Option<u32>,
    /// How many organisations the login has
    #[arg(long, default_value_t = 1)]
    organisations: u32,
    /// starter (1,000 calls a day) or core (5,000)
    #[arg(long, default_value = "core", value_parser = parse_tier)]
    tier: Tier,
    /// Refuse no call for its number
    #[arg(long)]
    no_limits: bool,
    /// Wait so many milliseconds in every call
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Consent to every organisation without showing the page
    #[arg(long)]
    auto_consent: bool,
    /// Client id of the registered application
    #[arg(long, default_value_t = App::default().client_id)]
    client_id: String,
    /// Client secret; an empty one makes it a public client that must use PKCE
    #[arg(long, default_value_t = App::default().client_secret.unwrap_or_default())]
    client_secret: String,
    /// The address that clients use, when it is not the one listened on
    #[arg(long)]
    base_url: Option<String>,
}

fn parse_tier(word: &str) -> Result<Tier, String> {
    Tier::parse(word).ok_or_else(|| "the tier is starter or core".into())
}

impl Arguments {
    fn config(self, base_url: String) -> Config {
        let mut size = Size::of_invoices(self.size);
        size.lines = self.lines;
        size.contacts = self.contacts.unwrap_or(size.contacts);
        size.payments = self.payments.unwrap_or(size.payments);
        let organisations = (0..self.organisations).map(|place| OrganisationPlan {
            name: if place == 0 { "Demo Company (NZ)".into() } else { format!("Example Company {}", place + 1) },
            size,
            tier: self.tier,
        });
        Config {
            seed: self.seed,
            organisations: organisations.collect(),
            app: App {
                client_id: self.client_id,
                client_secret: Some(self.client_secret).filter(|secret| !secret.is_empty()),
                ..App::default()
            },
            base_url,
            auto_consent: self.auto_consent.then_some(AutoConsent::AllowAll),
            limits: Limits { is_enforced: !self.no_limits, ..Limits::default() },
            latency_ms: self.latency_ms,
            ..Config::default()
        }
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the binary tells where it listens")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let arguments = Arguments::parse();
    let listener = match TcpListener::bind(&arguments.addr).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on {}: {error}; choose another address with --addr", arguments.addr);
            return ExitCode::FAILURE;
        }
    };
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let base_url = arguments.base_url.clone().unwrap_or_else(|| format!("http://localhost:{port}"));
    let emulator = Emulator::new(arguments.config(base_url.trim_end_matches('/').to_owned()));
    let config = emulator.config();
    println!("listening on {}", config.base_url);
    println!("  authorize      {}/identity/connect/authorize", config.base_url);
    println!("  token          {}/connect/token", config.base_url);
    println!("  API            {}/api.xro/2.0", config.base_url);
    println!("  look inside    {}/_emulator/state", config.base_url);
    println!("  client id      {}", config.app.client_id);
    println!("  client secret  {}", config.app.client_secret.as_deref().unwrap_or("none (PKCE)"));
    tokio::select! {
        result = emulator.serve(listener) => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("serving failed: {error}");
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}
