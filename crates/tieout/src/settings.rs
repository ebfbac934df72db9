//! Settings: defaults, then the settings file, then `TIEOUT_…` variables, then flags; each remembers where it came from.
//!
//! Everything is read as text, checked once, here, and told by name and place when it is wrong: a program that starts
//! with settings that nobody meant is worse than one that does not start.

mod file;
mod key;
mod list;
mod scopes;
mod typed;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use key::{encryption_key, write_new_key};
pub(crate) use list::{SETTINGS, Setting, default_file};
pub(crate) use typed::{LogFormat, Settings, log_level};

use crate::failure::{Exit, Failure};

/// The settings file that is read if it is there and no other is named.
pub(crate) const DEFAULT_FILE: &str = "tieout.toml";

/// Where a value came from; a later one of these wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// The settings file, at a line.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// In one word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(..) => "file",
            Self::Environment(_) => "env",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(pub(crate) String);

/// Where settings come from, read once.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The settings file and its text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Flags, by setting.
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

/// Every setting's value, and what was seen on the way.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// By key.
    pub(crate) values: BTreeMap<&'static str, Given>,
    /// `TIEOUT_…` variables that no setting has.
    pub(crate) unknown_variables: Vec<String>,
    /// The settings file that was read.
    pub(crate) file: Option<PathBuf>,
}

impl Sources {
    /// Reads the file and the environment.
    ///
    /// A named file must be there; the default one may be missing.
    pub(crate) fn read(
        config: Option<&Path>,
        flags: Vec<(&'static str, &'static str, String)>,
    ) -> Result<Self, Failure> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = config.map(Path::to_owned).or_else(|| environment.get("TIEOUT_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
            Err(error) => {
                let message = format!("cannot read the settings file {}: {error}", path.display());
                return Err(Failure::new(Exit::Config, message).next("tieout config init"));
            }
        };
        Ok(Self { file, environment, flags })
    }

    /// Puts the sources on top of each other.
    pub(crate) fn resolve(self) -> Result<Resolved, Vec<Problem>> {
        let mut values: BTreeMap<&'static str, Given> = SETTINGS
            .iter()
            .map(|setting| (setting.key, Given { text: setting.default(), origin: Origin::Default }))
            .collect();
        let path = self.file.as_ref().map(|(path, _)| path.clone());
        if let Some((path, text)) = &self.file {
            for (setting, text, line) in file::read(path, text)? {
                values.insert(setting.key, Given { text, origin: Origin::File(path.clone(), line) });
            }
        }
        let mut unknown_variables = Vec::new();
        for (name, text) in self.environment.into_iter().filter(|(name, _)| name.starts_with("TIEOUT_")) {
            match SETTINGS.iter().find(|setting| setting.variable() == name) {
                Some(setting) => {
                    values.insert(setting.key, Given { text, origin: Origin::Environment(name) });
                }
                None if name == "TIEOUT_CONFIG" || name.starts_with("TIEOUT_TEST_") => {}
                None => unknown_variables.push(name),
            }
        }
        for (key, flag, text) in self.flags {
            values.insert(key, Given { text, origin: Origin::Flag(flag) });
        }
        Ok(Resolved { values, unknown_variables, file: path })
    }
}

/// All problems as one failure.
pub(crate) fn failure(problems: &[Problem]) -> Failure {
    let lines: Vec<&str> = problems.iter().map(|problem| problem.0.as_str()).collect();
    Failure::new(Exit::Config, lines.join("\nerror: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Sources {
        Sources {
            file: Some(("t.toml".into(), file.into())),
            environment: environment.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
            flags: flags.iter().map(|(key, text)| (*key, "--flag", (*text).to_owned())).collect(),
        }
    }

    fn given(sources: Sources, key: &str) -> (String, String) {
        let resolved = sources.resolve().unwrap();
        let given = &resolved.values[key];
        (given.text.clone(), given.origin.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let file = "\n[sync]\npage_size = 300\n";
        let env = [("TIEOUT_SYNC_PAGE_SIZE", "200")];
        let pair = |text: &str, origin: &str| (text.to_owned(), origin.to_owned());
        assert_eq!(given(sources("", &[], &[]), "sync.page_size"), pair("1000", "default"));
        assert_eq!(given(sources(file, &[], &[]), "sync.page_size"), pair("300", "t.toml:3"));
        assert_eq!(given(sources(file, &env, &[]), "sync.page_size"), pair("200", "TIEOUT_SYNC_PAGE_SIZE"));
        let flags = [("sync.page_size", "100")];
        assert_eq!(given(sources(file, &env, &flags), "sync.page_size"), pair("100", "--flag"));
    }

    #[test]
    fn unknown_variables_are_told_and_those_of_tests_are_not() {
        let env = [("TIEOUT_DATABSE_URL", "x"), ("TIEOUT_TEST_POSTGRES_URL", "x"), ("PATH", "x")];
        assert_eq!(sources("", &env, &[]).resolve().unwrap().unknown_variables, ["TIEOUT_DATABSE_URL"]);
    }

    #[test]
    fn unknown_keys_of_the_file_are_errors_with_their_line() {
        let problems = sources("bind = \"127.0.0.1:1\"\n\n[xero]\nclientid = \"a\"\n", &[], &[]).resolve().unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].0.starts_with("t.toml:4: unknown setting xero.clientid"), "{}", problems[0].0);
        assert!(problems[0].0.contains("xero.client_id"), "{}", problems[0].0);
    }

    #[test]
    fn the_file_that_init_writes_changes_nothing() {
        let written = default_file();
        assert!(
            sources(&written, &[], &[]).resolve().unwrap().values.values().all(|given| given.origin == Origin::Default)
        );
        // The same file with every example switched on is read without complaint.
        let is_example = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        let switched: Vec<&str> =
            written.lines().map(|line| if is_example(line) { &line[1..] } else { line }).collect();
        let resolved = sources(&switched.join("\n"), &[], &[]).resolve().unwrap();
        for setting in SETTINGS.iter().filter(|setting| setting.in_file) {
            assert_ne!(resolved.values[setting.key].origin, Origin::Default, "{}", setting.key);
        }
    }
}
