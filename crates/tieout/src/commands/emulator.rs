//! `tieout emulator`: an emulated Xero alone, the same as the `xero-emulator` program.

use ::emulator::config::{AutoConsent, Limits, OrganisationPlan, Tier};
use ::emulator::{Config, Emulator, Size};
use serde_json::json;
use tokio::net::TcpListener;

use crate::args::{Emulator as Arguments, TierName};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::shutdown;

pub(super) async fn run(args: &Arguments, output: &Output) -> Result<Exit, Failure> {
    let listener = TcpListener::bind(&args.addr).await.map_err(|error| {
        let message = format!("cannot listen on {}: {error}", args.addr);
        Failure::new(Exit::Failed, message).next("tieout emulator --addr localhost:0")
    })?;
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let host = args.addr.rsplit_once(':').map_or("localhost", |(host, _)| host);
    let emulator = Emulator::new(config(args, format!("http://{host}:{port}")));
    let config = emulator.config();
    let base = &config.base_url;
    let secret = config.app.client_secret.as_deref().unwrap_or_default();
    let value = json!({"emulated": true, "url": base, "clientId": config.app.client_id, "clientSecret": secret});
    let lines = [
        format!("an emulated Xero listens on {base}; nothing leaves this computer"),
        format!("  client id      {}", config.app.client_id),
        format!("  client secret  {secret}"),
        format!("  look inside    curl {base}/_emulator/state"),
        format!("Next: TIEOUT_XERO_EMULATOR_URL={base} tieout connect   (Ctrl+C stops)"),
    ];
    output.object(&value, &lines.join("\n"));
    tokio::select! {
        ended = emulator.serve(listener) => match ended {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(Failure::new(Exit::Failed, format!("the emulator stopped: {error}"))),
        },
        () = shutdown::asked() => Ok(Exit::Done),
    }
}

fn config(args: &Arguments, base_url: String) -> Config {
    let mut size = Size::of_invoices(args.size);
    size.lines = args.lines;
    size.contacts = args.contacts.unwrap_or(size.contacts);
    size.payments = args.payments.unwrap_or(size.payments);
    let tier = match args.tier {
        TierName::Starter => Tier::Starter,
        TierName::Core => Tier::Core,
    };
    let organisations = (0..args.organisations).map(|place| OrganisationPlan {
        name: if place == 0 { "Demo Company (NZ)".into() } else { format!("Example Company {}", place + 1) },
        size,
        tier,
    });
    Config {
        seed: args.seed,
        organisations: organisations.collect(),
        base_url,
        auto_consent: args.auto_consent.then_some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: !args.no_limits, ..Limits::default() },
        latency_ms: args.latency_ms,
        ..Config::default()
    }
}
