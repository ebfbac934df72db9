//! `tieout demo`: an emulated Xero with a seeded organisation, connected, synced, edited on both sides, compared and
//! served, by itself.

mod edits;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::emulator::config::{App, AutoConsent, Limits, OrganisationPlan};
use ::emulator::{Config, Emulator, Size};
use jiff::Timestamp;
use model::{ConnectionId, Kind};
use serde_json::json;
use store::Mode;
use sync::{Agreement, Engine, EngineSettings, KeyScope, RunOutcome};
use tokio::net::TcpListener;
use url::Url;
use xero::oauth::ClientCredentials;
use xero::{Endpoints, Governor, InProcessGovernor, LimitSettings, Secret, Unlimited};

use self::edits::Edits;
use super::{serve, sync as syncing};
use crate::args::Demo;
use crate::compose::{self, EMULATED, Hold, Parts};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::progress::SyncBar;
use crate::{shutdown, words};

/// The demo's organisation (ux.md C8).
const SIZE: Size = Size {
    contacts: 120,
    invoices: 340,
    lines: None,
    payments: 210,
    credit_notes: 0,
    prepayments: 0,
    overpayments: 0,
    bank_transactions: 500,
};
const ORGANISATION: &str = "Demo Company (NZ)";

/// What was done, and how long it took.
struct Report {
    organisation: String,
    seeded_ms: i64,
    first: RunOutcome,
    first_ms: i64,
    edits: Edits,
    equal: i64,
    /// Writes on either side while everything was read once more.
    echoes: i64,
    agreement: Agreement,
    currency: String,
    elapsed_ms: i64,
    calls: u64,
}

pub(super) async fn run(args: &Demo, database_url: Option<&str>, output: &Output) -> Result<Exit, Failure> {
    let started = Timestamp::now();
    // A port that is taken is told before anything is made.
    let listener = match args.once {
        true => None,
        false => Some(serve::listen(([127, 0, 0, 1], args.port).into(), "tieout demo --port 0").await?),
    };
    let port = listener.as_ref().and_then(|listener| listener.local_addr().ok()).map_or(args.port, |own| own.port());
    let folder = TemporaryFolder::unless(database_url.is_some())?;
    let url = database_url.map_or_else(|| folder.database_url(), str::to_owned);
    let work = async {
        let (emulator, address) = emulate(args).await?;
        let seeded_ms = words::milliseconds(started, Timestamp::now());
        let store = compose::open_or_make(&url).await?;
        let running = compose::start(parts(args, &emulator, &address, port)?, Hold::Exclusive, store).await?;
        let report = bring_over(&running.engine, &emulator, started, seeded_ms, output).await?;
        Ok((emulator, address, running, report))
    };
    let (emulator, address, running, report) = shutdown::unless_asked(work, "tieout demo").await?;
    let exit = if report.agreement.difference.is_zero() { Exit::Done } else { Exit::Difference };
    let Some(listener) = listener else {
        say(&report, &emulator, output, &[]);
        return Ok(exit);
    };
    let key = running.engine.make_key("demo", None, KeyScope::Admin, None).await?.key;
    let mut lines = what_to_try(port, &key, &address, running.engine.store().shown_url(), &report.edits);
    let end = if database_url.is_some() { "stops; the database stays" } else { "stops, and forgets all of this" };
    lines.push(format!("or connect your own Xero: tieout config init   (Ctrl+C {end})"));
    say(&report, &emulator, output, &lines);
    if exit == Exit::Difference {
        return Ok(exit);
    }
    serve::serve(running.engine.clone(), listener, &format!("http://localhost:{port}")).await?;
    Ok(exit)
}

/// Serves the emulator on a free port of this machine.
async fn emulate(args: &Demo) -> Result<(Emulator, Url), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot serve the emulator: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = format!("http://{}", listener.local_addr().map_err(failed)?);
    let config = Config {
        seed: args.seed,
        organisations: vec![OrganisationPlan { name: ORGANISATION.into(), size: SIZE, ..OrganisationPlan::default() }],
        base_url: address.clone(),
        auto_consent: Some(AutoConsent::AllowAll),
        limits: Limits { is_enforced: args.real_limits, ..Limits::default() },
        ..Config::default()
    };
    let emulator = tokio::task::spawn_blocking(move || Emulator::new(config))
        .await
        .map_err(|error| Failure::new(Exit::Failed, format!("the emulator could not be made: {error}")))?;
    let serving = emulator.clone();
    tokio::spawn(async move {
        if let Err(error) = serving.serve(listener).await {
            tracing::error!(%error, "the emulator stopped");
        }
    });
    let address = Url::parse(&address).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok((emulator, address))
}

fn parts(args: &Demo, emulator: &Emulator, address: &Url, port: u16) -> Result<Parts, Failure> {
    let App { client_id, client_secret, .. } = emulator.config().app.clone();
    let governor: Arc<dyn Governor> = match args.real_limits {
        true => Arc::new(InProcessGovernor::new(LimitSettings::default(), compose::clock())),
        false => Arc::new(Unlimited),
    };
    Ok(Parts {
        endpoints: Endpoints::at(address.clone()),
        credentials: ClientCredentials { client_id, client_secret: client_secret.map(Secret::new) },
        governor,
        vault: compose::vault_in_memory()?,
        engine: EngineSettings {
            redirect_uri: format!("http://localhost:{port}{}", web::CALLBACK_PATH),
            ..EngineSettings::default()
        },
    })
}

/// Connects, syncs everything, edits both sides, and proves that both are equal.
async fn bring_over(
    engine: &Engine,
    emulator: &Emulator,
    started: Timestamp,
    seeded_ms: i64,
    output: &Output,
) -> Result<Report, Failure> {
    let id = consent(engine).await?;
    let edited = edits::choose(emulator, engine.connection(id).await?.tenant_id)?;
    let first_at = Timestamp::now();
    let bar = SyncBar::new(output);
    let first = engine.sync(id, Mode::Full, "demo", &|progress| bar.tell(progress)).await?;
    bar.finish();
    let first_ms = words::milliseconds(first_at, Timestamp::now());
    let edits = edits::make(engine, id, emulator, edited).await?;
    // Everything is read once more: a record counts as equal when what Xero says now is, by its hash, what is kept.
    let proof = engine.sync(id, Mode::Full, "demo", &|_| {}).await?;
    let total = proof.total();
    let agreement = engine.agreement(id).await?;
    let connection = engine.connection(id).await?;
    Ok(Report {
        organisation: connection.tenant_name,
        seeded_ms,
        first_ms,
        equal: records(&proof, |counts| counts.unchanged),
        echoes: total.created + total.updated + total.sent_created + total.sent_updated + total.sent_removed,
        first,
        edits,
        agreement,
        currency: connection.facts.base_currency.unwrap_or_default(),
        elapsed_ms: words::milliseconds(started, Timestamp::now()),
        calls: emulator.call_count(),
    })
}

/// Goes through the consent as a browser would. The emulator allows it by itself.
async fn consent(engine: &Engine) -> Result<ConnectionId, Failure> {
    let failed = |message: String| Failure::new(Exit::Failed, message);
    let begun = engine.begin_connect(None).await?;
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(format!("no HTTP client: {error}")))?;
    let answer = browser.get(&begun.url).send().await.map_err(|error| failed(error.without_url().to_string()))?;
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    let back = location.and_then(|location| Url::parse(location).ok());
    let back = back.ok_or_else(|| failed(format!("the consent page answered {}", answer.status())))?;
    let find = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let (Some(state), Some(code)) = (find("state"), find("code")) else {
        return Err(::sync::Error::ConsentRefused(find("error").unwrap_or_else(|| "no code".into())).into());
    };
    let (connected, _) = engine.finish_connect(&state, &begun.session, &Secret::new(code)).await?;
    connected.first().map(|one| one.id).ok_or_else(|| ::sync::Error::NoTenant.into())
}

/// Sums over the kinds that the organisation is seeded with; accounts and tax rates come with every organisation.
fn records(run: &RunOutcome, of: impl Fn(&store::KindCounts) -> i64) -> i64 {
    let is_record = |kind: Kind| !matches!(kind, Kind::Account | Kind::TaxRate);
    run.kinds.iter().filter(|(kind, _)| is_record(*kind)).map(|(_, counts)| of(counts)).sum()
}

fn say(report: &Report, emulator: &Emulator, output: &Output, next: &[String]) {
    let synced = records(&report.first, |counts| counts.seen);
    let counts = emulator.tenants().first().and_then(|tenant| {
        emulator.with_books(*tenant, |books, _| {
            [books.contacts.len(), books.invoices.len(), books.payments.len(), books.bank_transactions.len()]
        })
    });
    let [contacts, invoices, payments, bank] = counts.unwrap_or_default();
    let edits = &report.edits;
    let value = json!({
        "emulated": true,
        "elapsedMs": report.elapsed_ms,
        "organisation": report.organisation,
        "seeded": {"contacts": contacts, "invoices": invoices, "payments": payments, "bankTransactions": bank},
        "records": synced,
        "settingsRecords": report.first.total().seen - synced,
        "recordsEqual": report.equal,
        "failed": report.first.total().failed,
        "calls": report.first.calls,
        "syncMs": report.first_ms,
        "edits": {
            "record": edits.name,
            "toXero": {"field": "email", "by": "sql", "arrivedMs": edits.to_xero.ms, "calls": edits.to_xero.calls},
            "toApp": {"field": "phones[MOBILE]", "by": "xero", "arrivedMs": edits.to_app.ms, "calls": edits.to_app.calls},
        },
        "echoWrites": report.echoes,
        "callsInAll": report.calls,
        "documentsCompared": report.agreement.documents,
        "difference": report.agreement.difference.to_string(),
        "currency": report.currency,
    });
    let mut lines = vec![
        format!("tieout {}  {EMULATED}", env!("CARGO_PKG_VERSION")),
        format!(
            "  seeded   {}: {contacts} contacts, {invoices} invoices, {payments} payments, {bank} bank transactions   {}",
            report.organisation,
            words::seconds(report.seeded_ms)
        ),
        format!(
            "  synced   {} records in {} calls   {}",
            words::count(synced),
            report.first.calls,
            words::seconds(report.first_ms)
        ),
        format!(
            "  to Xero  {}: the e-mail, changed by SQL, is in Xero   {}",
            edits.name,
            words::quick(edits.to_xero.ms)
        ),
        format!(
            "  to App   {}: the mobile number, changed in Xero, is in the table   {}",
            edits.name,
            words::quick(edits.to_app.ms)
        ),
        format!(
            "  proof    {} equal, difference {} {}, {} echo writes",
            words::count(report.equal),
            report.agreement.difference,
            report.currency,
            report.echoes
        ),
    ];
    lines.extend_from_slice(next);
    lines.extend(syncing::differences(&report.agreement));
    output.object(&value, &lines.join("\n"));
}

fn what_to_try(port: u16, key: &Secret, emulator: &Url, database: &str, edits: &Edits) -> Vec<String> {
    let api = format!("http://localhost:{port}/api/v1");
    let key = key.expose();
    let emulator = emulator.as_str().trim_end_matches('/');
    vec![
        format!("  database {database}"),
        format!("  API      {api}   key: {key}   (only shown now)"),
        format!("  emulator {emulator}   look inside: curl {emulator}/_emulator/state"),
        "Next: try, in another terminal,".into(),
        format!("  curl -H 'Authorization: Bearer {key}' {api}/integrations/xero/status"),
        format!("  curl -H 'Authorization: Bearer {key}' '{api}/invoices?limit=3'"),
        format!("  curl -H 'Authorization: Bearer {key}' -X POST '{api}/integrations/xero/sync/incremental?wait=true'"),
        format!("  curl {api}/openapi.json"),
        sql_to_try(database, edits.row),
        format!("  curl '{emulator}/_emulator/tenants/0/xero/Contacts/{}'   (there it is)", edits.xero_id),
    ]
}

/// An edit by somebody else's program: a line for the shell, nothing that this program runs.
fn sql_to_try(database: &str, row: i64) -> String {
    let program = match database.strip_prefix("sqlite://") {
        Some(file) => format!("sqlite3 {file}"),
        None => format!("psql {database} -c"),
    };
    format!("  {program} \"update customers set email = 'me@example.com' where id = {row}\"")
}

/// A folder that goes when the demo ends.
struct TemporaryFolder(Option<PathBuf>);

impl TemporaryFolder {
    fn unless(is_not_needed: bool) -> Result<Self, Failure> {
        if is_not_needed {
            return Ok(Self(None));
        }
        let unique = format!("tieout-demo-{}-{:x}", std::process::id(), Timestamp::now().as_microsecond());
        let path = std::env::temp_dir().join(unique);
        make_private(&path).map_err(|error| {
            Failure::new(Exit::NoDatabase, format!("cannot make {}: {error}", path.display()))
                .next("tieout demo --database-url sqlite:///path/to/demo.db")
        })?;
        Ok(Self(Some(path)))
    }

    fn database_url(&self) -> String {
        let folder = self.0.as_deref().unwrap_or(Path::new("."));
        format!("sqlite://{}", folder.join("demo.db").display())
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Best effort: what stays behind is swept with the system's temporary folder.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}
