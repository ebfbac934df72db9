//! Settings as the program uses them: checked, typed, complete.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use emulator::config::App;
use sync::VerifySettings;
use tracing_subscriber::EnvFilter;
use url::Url;
use xero::{Endpoints, LimitSettings, Secret};

use super::scopes;
use super::{Given, Problem, Resolved};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) database_url: String,
    pub(crate) bind: SocketAddr,
    pub(crate) encryption_key: Option<Secret>,
    pub(crate) encryption_key_file: Option<PathBuf>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) redirect_uri: Url,
    pub(crate) scopes: Vec<String>,
    pub(crate) endpoints: Endpoints,
    pub(crate) limits: LimitSettings,
    pub(crate) page_size: u16,
    pub(crate) overlap_s: i64,
    pub(crate) first_window_h: i64,
    pub(crate) verify: VerifySettings,
    /// `None` is left to the command.
    pub(crate) log_level: Option<String>,
    pub(crate) log_format: LogFormat,
}

/// Collects what is wrong, so that all of it is told at once.
struct Reader<'a> {
    resolved: &'a Resolved,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn given(&self, key: &str) -> &'a Given {
        // Resolving gives every setting of the list a value.
        &self.resolved.values[key]
    }

    fn text(&self, key: &str) -> Option<String> {
        Some(self.given(key).text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn wrong(&mut self, key: &str, message: impl std::fmt::Display) {
        let origin = &self.given(key).origin;
        self.problems.push(Problem(format!("{key} (from {origin}): {message}")));
    }

    fn read<T>(&mut self, key: &str, fallback: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        match parse(self.given(key).text.trim()) {
            Ok(value) => value,
            Err(message) => {
                self.wrong(key, message);
                fallback
            }
        }
    }

    fn number<T: FromStr + PartialOrd + Copy + std::fmt::Display>(&mut self, key: &str, least: T, most: T) -> T {
        self.read(key, least, |text| {
            let number = text.parse::<T>().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("{text:?} must be a whole number from {least} to {most}"))
        })
    }
}

impl Settings {
    /// Checks everything that can be checked without leaving the machine; all problems are told at once.
    pub(crate) fn check(resolved: &Resolved) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { resolved, problems: Vec::new() };
        let endpoints = endpoints(&mut reader);
        let default_app = (!endpoints.is_xero()).then(App::default);
        let own_id = reader.text("xero.client_id");
        // An emulator knows one app, and its credentials are no secret; a client id of one's own brings its own secret.
        let app_secret = default_app.as_ref().filter(|_| own_id.is_none()).and_then(|app| app.client_secret.clone());
        let client_id = own_id.or(default_app.map(|app| app.client_id));
        if client_id.as_deref().is_some_and(|id| id.contains(char::is_whitespace)) {
            reader.wrong("xero.client_id", "a client id has no spaces");
        }
        let settings = Self {
            database_url: reader.read("database_url", String::new(), database_url),
            bind: reader.read("bind", SocketAddr::from(([127, 0, 0, 1], 8787)), |text| {
                text.parse().map_err(|_| format!("{text:?} must be an address and a port, such as 127.0.0.1:8787"))
            }),
            encryption_key: reader.text("encryption_key").map(Secret::new),
            encryption_key_file: reader.text("encryption_key_file").map(PathBuf::from),
            client_id,
            client_secret: reader.text("xero.client_secret").or(app_secret).map(Secret::new),
            redirect_uri: redirect_uri(&mut reader),
            scopes: reader.read("xero.scopes", Vec::new(), scopes::parse),
            endpoints,
            limits: limits(&mut reader),
            page_size: reader.number("sync.page_size", 1, 1000),
            overlap_s: reader.number("sync.overlap_seconds", 0, 86_400),
            first_window_h: reader.number("sync.first_window_hours", 1, 24 * 3_650),
            verify: verify(&mut reader),
            log_level: reader.read("log.level", None, log_level),
            log_format: reader.read("log.format", LogFormat::Text, |text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err(format!("{text:?} must be text or json")),
            }),
        };
        if reader.problems.is_empty() { Ok(settings) } else { Err(reader.problems) }
    }

    /// The file of a SQLite database.
    pub(crate) fn sqlite_file(&self) -> Option<PathBuf> {
        sqlite_file(&self.database_url)
    }
}

/// The file that a database URL names, if it names one.
pub(crate) fn sqlite_file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest))).filter(|path| !path.as_os_str().is_empty())
}

/// A database URL; the message does not repeat it, for it may hold a password.
fn database_url(text: &str) -> Result<String, String> {
    let is_sqlite = sqlite_file(text).is_some();
    let is_postgres =
        (text.starts_with("postgres://") || text.starts_with("postgresql://")) && Url::parse(text).is_ok();
    if is_sqlite || is_postgres {
        return Ok(text.to_owned());
    }
    Err("this is no database url: use sqlite:///path/to/file.db or postgres://user@host/database".into())
}

fn parse_url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("{text:?} is no URL ({error})"))
}

fn endpoints(reader: &mut Reader<'_>) -> Endpoints {
    if reader.text("xero.emulator_url").is_some() {
        return reader.read("xero.emulator_url", Endpoints::xero(), |text| {
            let endpoints = Endpoints::at(parse_url(text)?);
            if endpoints.api.host_str().is_some_and(|host| host.ends_with("xero.com")) {
                return Err("that is Xero itself: leave xero.emulator_url out".into());
            }
            endpoints.validate().map_err(|error| error.to_string())?;
            Ok(endpoints)
        });
    }
    let xero = Endpoints::xero();
    let found = Endpoints {
        api: reader.read("xero.api_url", xero.api.clone(), parse_url),
        identity: reader.read("xero.identity_url", xero.identity.clone(), parse_url),
        login: reader.read("xero.login_url", xero.login.clone(), parse_url),
    };
    for (key, url) in
        [("xero.api_url", &found.api), ("xero.identity_url", &found.identity), ("xero.login_url", &found.login)]
    {
        if let Err(error) = Endpoints::at(url.clone()).validate() {
            reader.wrong(key, error);
        }
    }
    found
}

fn redirect_uri(reader: &mut Reader<'_>) -> Url {
    let fallback = Url::parse("http://localhost:8787/").expect("a constant URL parses");
    reader.read("xero.redirect_uri", fallback, |text| {
        let url = parse_url(text)?;
        let is_allowed = match url.scheme() {
            "https" => true,
            // Xero takes plain http by that name only, not by the address.
            "http" => url.host_str() == Some("localhost"),
            _ => false,
        };
        match is_allowed {
            true => Ok(url),
            false => Err(format!("{text:?} must be https, or http://localhost (Xero takes no other plain http)")),
        }
    })
}

fn limits(reader: &mut Reader<'_>) -> LimitSettings {
    // An emulator may be told to keep no limits; Xero cannot.
    let (most_a_minute, most_a_day) = match reader.text("xero.emulator_url") {
        Some(_) => (1_000_000, 1_000_000),
        None => (60, 5_000),
    };
    let limits = LimitSettings {
        per_minute: reader.number("limits.per_minute", 1, most_a_minute),
        per_minute_reserve: reader.number("limits.per_minute_reserve", 0, 59),
        per_day: reader.number("limits.per_day", 1, most_a_day),
        per_day_reserve: reader.number("limits.per_day_reserve", 0, 4_999),
        in_flight: reader.number("limits.in_flight", 1, 5),
        in_flight_reserve: reader.number("limits.in_flight_reserve", 0, 4),
        ..LimitSettings::default()
    };
    for (key, reserve, all) in [
        ("limits.per_minute_reserve", limits.per_minute_reserve, limits.per_minute),
        ("limits.per_day_reserve", limits.per_day_reserve, limits.per_day),
        ("limits.in_flight_reserve", limits.in_flight_reserve, limits.in_flight),
    ] {
        if reserve >= all {
            reader.wrong(key, format!("a reserve of {reserve} leaves nothing of {all} for syncs"));
        }
    }
    limits
}

/// What is compared by the clock. A sample may take a thousandth part of the day's calls: fewer on smaller tiers.
fn verify(reader: &mut Reader<'_>) -> VerifySettings {
    let per_day: i64 = reader.given("limits.per_day").text.trim().parse().unwrap_or(1_000);
    let minutes: i64 = reader.number("verify.sample_minutes", 0, 7 * 24 * 60);
    VerifySettings {
        sweep_at_s: reader.read("verify.sweep_at", None, time_of_day),
        sample_every_s: (minutes > 0).then_some(minutes * 60),
        sample_calls: (per_day / 1_000).max(1),
    }
}

/// Seconds after midnight; `None` for off.
fn time_of_day(text: &str) -> Result<Option<i64>, String> {
    if text == "off" {
        return Ok(None);
    }
    let wrong = || format!("{text:?} must be a time of day such as 03:00, or off");
    let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5).ok_or_else(wrong)?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str, most: i64| text.parse().ok().filter(|number: &i64| is_plain(text) && *number <= most);
    match (number(hour, 23), number(minute, 59)) {
        (Some(hour), Some(minute)) => Ok(Some(hour * 3_600 + minute * 60)),
        _ => Err(wrong()),
    }
}

/// Reads a level of logging; `None` leaves it to the command.
pub(crate) fn log_level(text: &str) -> Result<Option<String>, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    match text {
        "auto" => Ok(None),
        _ if LEVELS.contains(&text) => Ok(Some(text.to_owned())),
        // A lone word that is no level would be taken for the name of a module, and show nothing at all.
        _ if text.contains('=') && EnvFilter::try_new(text).is_ok() => Ok(Some(text.to_owned())),
        _ => {
            Err(format!("{text:?} must be auto, error, warn, info, debug, trace, off, or a filter such as sync=debug"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;

    fn check(file: &str) -> Result<Settings, Vec<String>> {
        let sources = Sources { file: Some(("t.toml".into(), file.into())), ..Sources::default() };
        Settings::check(&sources.resolve().unwrap())
            .map_err(|problems| problems.into_iter().map(|problem| problem.0).collect())
    }

    #[test]
    fn defaults_are_good() {
        let settings = check("").unwrap();
        assert!(settings.endpoints.is_xero());
        assert_eq!(settings.client_id, None);
        assert_eq!(settings.sqlite_file(), Some("tieout.db".into()));
        assert_eq!(settings.limits, LimitSettings::default());
    }

    #[test]
    fn an_emulator_brings_its_own_credentials() {
        let settings = check("[xero]\nemulator_url = \"http://localhost:8910\"").unwrap();
        assert!(!settings.endpoints.is_xero());
        assert_eq!(settings.client_id, Some(App::default().client_id));
        assert!(settings.client_secret.is_some());
        let own = check("[xero]\nemulator_url = \"http://localhost:8910\"\nclient_id = \"own\"").unwrap();
        assert!(own.client_secret.is_none());
        let free = check("[xero]\nemulator_url = \"http://localhost:8910\"\n[limits]\nper_minute = 100000").unwrap();
        assert_eq!(free.limits.per_minute, 100_000, "an emulator may have no limits");
    }

    #[test]
    fn all_problems_are_told_at_once_with_their_places() {
        let file = "bind = \"8787\"\ndatabase_url = \"mysql://root:canary@x\"\n[xero]\nredirect_uri = \"http://127.0.0.1:1/\"\n\
                    scopes = [\"accounting.transactions\"]\napi_url = \"http://example.com\"\n\
                    [limits]\nper_minute = 61\nin_flight = 1\n[sync]\npage_size = 0\n[log]\nlevel = \"loud\"\nformat = \"xml\"";
        let problems = check(file).unwrap_err();
        for expected in [
            "bind (from t.toml:1)",
            "database_url (from t.toml:2)",
            "xero.redirect_uri (from t.toml:4)",
            "xero.scopes (from t.toml:5)",
            "must be https",
            "limits.per_minute (from t.toml:8)",
            "limits.in_flight_reserve (from default): a reserve of 1 leaves nothing of 1",
            "sync.page_size (from t.toml:11)",
            "log.level (from t.toml:13)",
            "log.format (from t.toml:14)",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected} in {problems:#?}");
        }
        assert!(!problems.iter().any(|problem| problem.contains("canary")), "{problems:#?}");
    }

    #[test]
    fn what_is_verified_by_the_clock_can_be_moved_and_switched_off() {
        assert_eq!(check("").unwrap().verify, VerifySettings { sample_calls: 4, ..VerifySettings::default() });
        let own =
            check("[verify]\nsweep_at = \"23:59\"\nsample_minutes = 30\n[limits]\nper_day = 1000").unwrap().verify;
        assert_eq!((own.sweep_at_s, own.sample_every_s, own.sample_calls), (Some(86_340), Some(1_800), 1));
        let off = check("[verify]\nsweep_at = \"off\"\nsample_minutes = 0").unwrap().verify;
        assert_eq!((off.sweep_at_s, off.sample_every_s), (None, None));
        for wrong in ["3:00", "24:00", "03:60", "+3:00", "noon"] {
            assert!(check(&format!("[verify]\nsweep_at = \"{wrong}\"")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn xero_itself_is_no_emulator() {
        assert!(
            check("[xero]\nemulator_url = \"https://api.xero.com\"").unwrap_err()[0].contains("that is Xero itself")
        );
    }
}
