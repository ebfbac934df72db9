//! The list of all settings. The settings file that `config init` writes, `config show` and the checks follow from it.

use std::fmt::Write;

use sync::EngineSettings;
use xero::LimitSettings;

/// A setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Its name in the file: `table.key`, or a key alone.
    pub(crate) key: &'static str,
    /// What it is for, in a sentence or two.
    pub(crate) help: &'static str,
    /// An example, as TOML, where the default is none.
    pub(crate) example: &'static str,
    /// Never shown.
    pub(crate) is_secret: bool,
    /// Whether the file may hold it.
    pub(crate) in_file: bool,
}

const fn setting(key: &'static str, help: &'static str) -> Setting {
    Setting { key, help, example: "", is_secret: false, in_file: true }
}

const fn with_example(key: &'static str, example: &'static str, help: &'static str) -> Setting {
    Setting { key, help, example, is_secret: false, in_file: true }
}

/// Every setting, in the order of the file.
pub(crate) const SETTINGS: &[Setting] = &[
    setting("database_url", "Where the books are kept: sqlite:///path/to/file.db or postgres://user@host/database."),
    setting("bind", "Address and port that `tieout serve` listens on. Anything but 127.0.0.1 lets other machines in."),
    Setting {
        key: "encryption_key",
        help: "The key that tokens are encrypted with: 32 bytes as 64 hex digits or in base64.",
        example: "",
        is_secret: true,
        in_file: false,
    },
    with_example(
        "encryption_key_file",
        "\"tieout.key\"",
        "A file that holds the key that tokens are encrypted with, readable by its owner only (mode 0600). \
         `tieout config new-key --file tieout.key` makes one. Or set TIEOUT_ENCRYPTION_KEY.",
    ),
    with_example(
        "xero.client_id",
        "\"0123456789ABCDEF0123456789ABCDEF\"",
        "The app's client id, from developer.xero.com > My Apps > Configuration.",
    ),
    Setting {
        key: "xero.client_secret",
        help: "The app's client secret; leave it out for an app of the PKCE type.",
        example: "\"the secret\"",
        is_secret: true,
        in_file: true,
    },
    setting(
        "xero.redirect_uri",
        "Where Xero sends the browser back to; must be registered with the app, to the letter.",
    ),
    setting("xero.scopes", "What consent is asked for: granular scopes."),
    with_example(
        "xero.emulator_url",
        "\"http://localhost:8910\"",
        "Use an emulated Xero at this address instead of Xero; `tieout emulator` serves one.",
    ),
    setting("xero.api_url", "Xero's API."),
    setting("xero.identity_url", "Xero's token endpoint."),
    setting("xero.login_url", "Xero's consent page."),
    setting("limits.per_minute", "Calls per organisation and minute; Xero's own limit is 60."),
    setting("limits.per_minute_reserve", "Of those, calls that only a person's actions may use."),
    setting(
        "limits.per_day",
        "Calls per organisation and day; Xero's own limit is 5,000, or 1,000 on the Starter tier.",
    ),
    setting("limits.per_day_reserve", "Of those, calls that only a person's actions may use."),
    setting("limits.in_flight", "Calls per organisation at the same time; Xero's own limit is 5."),
    setting("limits.in_flight_reserve", "Of those, calls that only a person's actions may use."),
    setting("sync.page_size", "Records per page, 1 to 1000. Calls are what is scarce, so the most is best."),
    setting("sync.overlap_seconds", "How far an incremental sync reaches back before the one before it."),
    setting("sync.first_window_hours", "How far back an incremental sync reads when there was none before."),
    setting(
        "verify.sweep_at",
        "When everything is compared with Xero once a day, and mended where no sync sees it: hh:mm in UTC, or off.",
    ),
    setting("verify.sample_minutes", "Minutes between two samples that are compared with Xero; 0 switches them off."),
    setting(
        "log.level",
        "error, warn, info, debug, trace, or a filter such as sync=debug; auto is info while serving, else warn.",
    ),
    setting("log.format", "text or json; logs go to standard error."),
];

impl Setting {
    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("TIEOUT_{}", self.key.to_ascii_uppercase().replace('.', "_"))
    }

    /// Its built-in value, as text; empty if it has none.
    pub(crate) fn default(&self) -> String {
        let limits = LimitSettings::default();
        let engine = EngineSettings::default();
        match self.key {
            "database_url" => "sqlite://tieout.db".into(),
            "bind" => "127.0.0.1:8787".into(),
            "xero.redirect_uri" => engine.redirect_uri,
            "xero.scopes" => engine.scopes.join(" "),
            "xero.api_url" => "https://api.xero.com".into(),
            "xero.identity_url" => "https://identity.xero.com".into(),
            "xero.login_url" => "https://login.xero.com".into(),
            "limits.per_minute" => limits.per_minute.to_string(),
            "limits.per_minute_reserve" => limits.per_minute_reserve.to_string(),
            "limits.per_day" => limits.per_day.to_string(),
            "limits.per_day_reserve" => limits.per_day_reserve.to_string(),
            "limits.in_flight" => limits.in_flight.to_string(),
            "limits.in_flight_reserve" => limits.in_flight_reserve.to_string(),
            "sync.page_size" => engine.page_size.to_string(),
            "sync.overlap_seconds" => engine.overlap_s.to_string(),
            "sync.first_window_hours" => engine.first_window_h.to_string(),
            "verify.sweep_at" => "03:00".into(),
            "verify.sample_minutes" => "60".into(),
            "log.level" => "auto".into(),
            "log.format" => "text".into(),
            _ => String::new(),
        }
    }

    /// Its default or example as TOML.
    fn toml(&self) -> String {
        let default = self.default();
        match self.key {
            _ if default.is_empty() => self.example.to_owned(),
            "xero.scopes" => {
                let scopes: Vec<String> = default.split(' ').map(|scope| format!("\"{scope}\"")).collect();
                format!("[{}]", scopes.join(", "))
            }
            _ if default.bytes().all(|byte| byte.is_ascii_digit()) => default,
            _ => format!("\"{default}\""),
        }
    }
}

/// The settings file that `config init` writes: every setting with what it is for, switched off.
pub(crate) fn default_file() -> String {
    let mut text = String::from(
        "# Settings of Tieout. Every line that is switched off shows the default, or an example where there is none.\n\
         # A TIEOUT_... variable wins over this file (xero.client_id is TIEOUT_XERO_CLIENT_ID), a flag over both.\n\
         # `tieout config check` checks this file, `tieout config show` tells what is in force and why.\n",
    );
    let mut table = "";
    for setting in SETTINGS.iter().filter(|setting| setting.in_file) {
        let (own_table, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if own_table != table {
            table = own_table;
            let _ = write!(text, "\n[{table}]\n");
        }
        let _ = write!(text, "\n# {}\n#{key} = {}\n", setting.help, setting.toml());
    }
    text
}
