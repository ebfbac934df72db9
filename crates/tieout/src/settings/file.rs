//! Reading the settings file: TOML, where every key must be one that exists.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Problem;
use super::list::{SETTINGS, Setting};

/// What a file sets: the setting, its value as text, and the line.
type Entry = (&'static Setting, String, usize);

/// Reads a settings file.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Entry>, Vec<Problem>> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        vec![Problem(format!("{}:{line}: this is no TOML: {}", path.display(), error.message()))]
    })?;
    let mut reading = Reading { path, text, entries: Vec::new(), problems: Vec::new() };
    reading.table("", table.get_ref());
    if reading.problems.is_empty() { Ok(reading.entries) } else { Err(reading.problems) }
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let line = line_at(self.text, name.span().start);
            let key = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if prefix.is_empty() && is_table(&key) => self.table(&format!("{key}."), inner),
                value => self.value(&key, value, line),
            }
        }
    }

    fn value(&mut self, key: &str, value: &DeValue<'_>, line: usize) {
        let place = format!("{}:{line}", self.path.display());
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let near = nearest(key).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            self.problems.push(Problem(format!("{place}: unknown setting {key}{near}")));
            return;
        };
        if !setting.in_file {
            let message = format!(
                "{place}: {key} must not stand in this file: use encryption_key_file, or {}",
                setting.variable()
            );
            self.problems.push(Problem(message));
            return;
        }
        match text_of(value) {
            Some(text) => self.entries.push((setting, text, line)),
            None => {
                self.problems.push(Problem(format!("{place}: {key} must be a text, a whole number or a list of texts")))
            }
        }
    }
}

fn is_table(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(table, _)| table == name))
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(" "))
        }
        _ => None,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The setting that differs least, if it differs little.
fn nearest(key: &str) -> Option<&'static str> {
    let near = SETTINGS.iter().map(|setting| (distance(key, setting.key), setting.key)).min()?;
    (near.0 <= 3).then_some(near.1)
}

/// How many letters must be changed, added or removed (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let cost = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(Path::new("t.toml"), text).unwrap_err().into_iter().map(|problem| problem.0).collect()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert!(
            problems("a = 1\nb = \n")[0].starts_with("t.toml:2: this is no TOML"),
            "{:?}",
            problems("a = 1\nb = \n")
        );
        assert_eq!(problems("\nbindd = \"x\""), ["t.toml:2: unknown setting bindd; did you mean bind?"]);
        assert_eq!(problems("[wrong]\nx = 1"), ["t.toml:1: unknown setting wrong"]);
        assert!(problems("bind = true")[0].contains("bind must be a text"));
        assert!(problems("encryption_key = \"00\"")[0].contains("TIEOUT_ENCRYPTION_KEY"));
        assert!(!problems("encryption_key = \"canary\"")[0].contains("canary"));
        assert!(problems("[xero]\nscopes = [1]")[0].contains("xero.scopes must be"));
    }

    #[test]
    fn values_are_read_as_text() {
        let entries = read(Path::new("t"), "[xero]\nscopes = [\"a\", \"b\"]\n[limits]\nper_day = 4_000\n").unwrap();
        let read: Vec<(&str, &str, usize)> =
            entries.iter().map(|(setting, text, line)| (setting.key, text.as_str(), *line)).collect();
        assert_eq!(read.len(), 2);
        assert!(read.contains(&("xero.scopes", "a b", 2)));
        assert!(read.contains(&("limits.per_day", "4000", 4)), "{read:?}");
    }
}
