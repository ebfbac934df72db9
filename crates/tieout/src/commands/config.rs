//! `tieout config`: what is in force and why, whether it is sound, and how to begin.

use std::path::{Path, PathBuf};

use serde_json::json;
use xero::SystemEntropy;

use crate::args::{Config, Global};
use crate::compose;
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::{self, DEFAULT_FILE, Given, Origin, Resolved, SETTINGS, Setting, Settings, Sources};

const COLUMNS: &[Column] = &[
    Column::text("setting", "SETTING"),
    Column::text("value", "VALUE"),
    Column::text("origin", "FROM"),
    Column::text("place", "WHERE"),
    Column::hidden("variable"),
    Column::hidden("help"),
];

pub(super) fn run(command: &Config, global: &Global, output: &Output) -> Result<Exit, Failure> {
    match command {
        Config::Show => show(&resolve(global)?, output),
        Config::Check => check(&resolve(global)?, output),
        Config::NewKey { file } => new_key(file.as_deref(), output),
        Config::Init => init(global.config.as_deref(), output),
    }
}

fn resolve(global: &Global) -> Result<Resolved, Failure> {
    Sources::read(global.config.as_deref(), global.flags())?.resolve().map_err(|all| settings::failure(&all))
}

fn show(resolved: &Resolved, output: &Output) -> Result<Exit, Failure> {
    let mut rows = Rows::new(COLUMNS, "");
    for setting in SETTINGS {
        let given = &resolved.values[setting.key];
        let place = (given.origin != Origin::Default).then(|| given.origin.to_string());
        let shown = shown(setting, given);
        rows.push(vec![
            setting.key.into(),
            Cell::from(
                Some(shown).filter(|text| !text.is_empty()).map(|text| Cell::new(text.as_str(), shortened(&text))),
            ),
            given.origin.word().into(),
            place.into(),
            setting.variable().into(),
            setting.help.into(),
        ]);
    }
    output.rows(&rows);
    remarks(resolved, output);
    Ok(Exit::Done)
}

/// A value as it may be shown: no secret, no password.
fn shown(setting: &Setting, given: &Given) -> String {
    match setting.key {
        _ if given.text.is_empty() => String::new(),
        _ if setting.is_secret => "(set, not shown)".into(),
        "database_url" => without_password(&given.text),
        _ => given.text.clone(),
    }
}

/// A terminal's line is not for lists of scopes; `-o json` shows them whole.
fn shortened(text: &str) -> String {
    const MOST: usize = 70;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn without_password(text: &str) -> String {
    match url::Url::parse(text) {
        // SQLite's are paths and hold none.
        Ok(url) if url.scheme() != "sqlite" => {
            let mut shown = url;
            shown.set_query(None);
            let _ = shown.set_password(None);
            shown.to_string()
        }
        _ if text.starts_with("sqlite:") => text.to_owned(),
        _ => "(unreadable url)".into(),
    }
}

fn remarks(resolved: &Resolved, output: &Output) {
    for name in &resolved.unknown_variables {
        output.note(&format!("warning: {name} is no setting and does nothing"));
    }
}

fn check(resolved: &Resolved, output: &Output) -> Result<Exit, Failure> {
    let settings = Settings::check(resolved).map_err(|all| settings::failure(&all))?;
    remarks(resolved, output);
    compose::parts(&settings)?;
    let file = resolved.file.as_ref().map(|path| path.display().to_string());
    let emulated = !settings.endpoints.is_xero();
    let read = file.as_deref().unwrap_or("no settings file");
    let value = json!({"ok": true, "file": file, "emulated": emulated});
    output.object(&value, &format!("the settings are sound ({read})\nnext:  tieout doctor"));
    Ok(Exit::Done)
}

fn new_key(file: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let key = settings::write_new_key(&SystemEntropy, file)?;
    match file {
        Some(path) => {
            let place = path.display().to_string();
            let human = format!(
                "a new key lies in {place}; keep a copy elsewhere: without it every organisation must be connected again"
            );
            output.object(&json!({"file": place}), &human);
            output.note(&format!(
                "next:  encryption_key_file = \"{place}\" in {DEFAULT_FILE}, or TIEOUT_ENCRYPTION_KEY_FILE={place}"
            ));
        }
        None => output.object(&json!({"key": key.expose()}), key.expose()),
    }
    Ok(Exit::Done)
}

fn init(config: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let path = config.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_owned);
    let shown = path.display().to_string();
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, settings::default_file().as_bytes()));
    match written {
        Ok(()) => {
            output
                .object(&json!({"file": shown}), &format!("wrote {shown}: every setting, explained and switched off"));
            output.note("next:  tieout config new-key --file tieout.key");
            Ok(Exit::Done)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::new(Exit::Failed, format!("{shown} is there already, and was left as it is"))
                .next("tieout config show"))
        }
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write {shown}: {error}"))
            .next("tieout config init --config other.toml")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://me:canary@db.example/books?sslmode=require"),
            "postgres://me@db.example/books"
        );
        assert_eq!(without_password("sqlite:///var/lib/t.db"), "sqlite:///var/lib/t.db");
        assert_eq!(without_password("canary"), "(unreadable url)");
    }
}
