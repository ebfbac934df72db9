//! The planted bugs as data, and whether they still fit the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A planted bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bug {
    /// What `TIEOUT_ZOO` wakes it by.
    pub(super) name: String,
    /// What is broken, in a sentence.
    pub(super) what: String,
    /// Rules that are expected to go red.
    pub(super) breaks: Vec<String>,
    pub(super) changes: Vec<Change>,
}

/// A text that is replaced. The other text does the same unless the bug is awake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Path from the root.
    pub(super) file: String,
    /// Stands there exactly once.
    pub(super) find: String,
    pub(super) replace: String,
}

/// Reads all files of a folder, in order.
pub(super) fn load(folder: &Path) -> Result<Vec<Bug>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    let mut bugs = Vec::new();
    for path in paths {
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        bugs.extend(parse(&text).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(bugs)
}

fn parse(text: &str) -> Result<Vec<Bug>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("no TOML: {error}"))?;
    let bugs = table.get("bug").and_then(toml::Value::as_array).ok_or("it has no [[bug]]")?;
    bugs.iter().map(bug).collect()
}

fn bug(value: &toml::Value) -> Result<Bug, String> {
    let name = text(value, "name")?;
    let within = |error: String| format!("{name}: {error}");
    let list = |member: &str| value.get(member).and_then(toml::Value::as_array).ok_or(format!("{member} is no list"));
    let breaks = list("breaks").map_err(within)?.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect();
    let change = |value: &toml::Value| {
        Ok(Change { file: text(value, "file")?, find: text(value, "find")?, replace: text(value, "replace")? })
    };
    let changes = list("change").map_err(within)?.iter().map(change).collect::<Result<_, String>>().map_err(within)?;
    // Where it comes from is for readers.
    text(value, "item").map_err(within)?;
    Ok(Bug { what: text(value, "what").map_err(within)?, breaks, changes, name })
}

fn text(value: &toml::Value, member: &str) -> Result<String, String> {
    let text = value.get(member).and_then(toml::Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| format!("{member} is missing"))
}

/// What does not fit: names that come twice, texts that are not there exactly once or overlap, bugs without a switch.
pub(super) fn misfits(bugs: &[Bug], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for bug in bugs {
        if !names.insert(&bug.name) {
            found.push(format!("{}: two bugs have this name", bug.name));
        }
        if bug.breaks.is_empty() || bug.changes.is_empty() {
            found.push(format!("{}: it breaks nothing, or changes nothing", bug.name));
        }
        let switch = format!("zoo::planted(\"{}\")", bug.name);
        let is_bare = |change: &&Change| !change.replace.contains(&switch);
        found.extend(
            bug.changes
                .iter()
                .filter(is_bare)
                .map(|change| format!("{}: the change of {} has no {switch}", bug.name, change.file)),
        );
    }
    for (file, changes) in by_file(bugs) {
        let Some(source) = read(file) else {
            found.push(format!("{file}: this file is not there"));
            continue;
        };
        if let Err(misfit) = places(&source, &changes) {
            found.extend(misfit.into_iter().map(|misfit| format!("{file}: {misfit}")));
        }
    }
    found
}

/// All changes of a file, with the names of their bugs.
type Changes<'a> = Vec<(&'a str, &'a Change)>;

/// The changes of all bugs, file by file.
pub(super) fn by_file(bugs: &[Bug]) -> BTreeMap<&str, Changes<'_>> {
    let mut files: BTreeMap<&str, Changes<'_>> = BTreeMap::new();
    for bug in bugs {
        for change in &bug.changes {
            files.entry(&change.file).or_default().push((&bug.name, change));
        }
    }
    files
}

/// Where the texts stand, from the front.
fn places<'a>(source: &str, changes: &Changes<'a>) -> Result<Vec<(usize, &'a Change)>, Vec<String>> {
    let (mut found, mut misfits): (Vec<(usize, &str, &Change)>, Vec<String>) = (Vec::new(), Vec::new());
    for (name, change) in changes {
        let places: Vec<usize> = source.match_indices(&change.find).map(|(at, _)| at).collect();
        match places.as_slice() {
            [at] => found.push((*at, name, change)),
            others => misfits.push(format!("{name}: its text is there {} times, not once", others.len())),
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    for pair in found.windows(2) {
        if pair[0].0 + pair[0].2.find.len() > pair[1].0 {
            misfits.push(format!("{} and {} change the same text", pair[0].1, pair[1].1));
        }
    }
    let placed = found.into_iter().map(|(at, _, change)| (at, change)).collect();
    if misfits.is_empty() { Ok(placed) } else { Err(misfits) }
}

/// A file's text with all bugs in it.
pub(super) fn infest(source: &str, changes: &Changes<'_>) -> Result<String, String> {
    let mut text = String::with_capacity(source.len() * 2);
    let mut from = 0;
    for (at, change) in places(source, changes).map_err(|misfits| misfits.join("\n"))? {
        text.push_str(&source[from..at]);
        text.push_str(&change.replace);
        from = at + change.find.len();
    }
    text.push_str(&source[from..]);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bug(name: &str, find: &str) -> Bug {
        let replace = format!("if zoo::planted(\"{name}\") {{ 0 }} else {{ {find} }}");
        let change = Change { file: "a.rs".into(), find: find.into(), replace };
        Bug { name: name.into(), what: "it is broken".into(), breaks: vec!["I-L1".into()], changes: vec![change] }
    }

    fn told(bugs: &[Bug], source: &str) -> Vec<String> {
        misfits(bugs, |_| Some(source.to_owned()))
    }

    #[test]
    fn a_bug_that_no_longer_fits_is_told() {
        assert_eq!(told(&[bug("one", "1 + 1")], "let a = 1 + 1;"), Vec::<String>::new());
        assert_eq!(told(&[bug("one", "2")], "let a = 1;"), ["a.rs: one: its text is there 0 times, not once"]);
        assert_eq!(told(&[bug("one", "1")], "1 + 1"), ["a.rs: one: its text is there 2 times, not once"]);
        let both = [bug("one", "a + b"), bug("two", "b + c")];
        assert_eq!(told(&both, "a + b + c"), ["a.rs: one and two change the same text"]);
        assert_eq!(told(&[bug("one", "1"), bug("one", "2")], "1 2"), ["one: two bugs have this name"]);
        let mut bare = bug("one", "1");
        bare.changes[0].replace = "0".into();
        assert_eq!(told(&[bare], "1"), ["one: the change of a.rs has no zoo::planted(\"one\")"]);
        assert_eq!(misfits(&[bug("one", "1")], |_| None), ["a.rs: this file is not there"]);
    }

    #[test]
    fn bugs_are_put_in_where_they_belong() {
        let bugs = [bug("two", "b"), bug("one", "a")];
        let text = infest("x a y b z", &by_file(&bugs)["a.rs"]).unwrap();
        let one = "x if zoo::planted(\"one\") { 0 } else { a } y ";
        assert_eq!(text, format!("{one}if zoo::planted(\"two\") {{ 0 }} else {{ b }} z"));
    }

    #[test]
    fn a_bug_is_read() {
        let text = "[[bug]]\nname = \"n\"\nwhat = \"w\"\nitem = \"i\"\nbreaks = [\"I-L1\"]\n\
                    [[bug.change]]\nfile = \"f\"\nfind = '''a'''\nreplace = '''b'''\n";
        let read = parse(text).unwrap();
        assert_eq!((read[0].name.as_str(), read[0].changes[0].replace.as_str()), ("n", "b"));
        assert_eq!(parse(&text.replace("find", "fond")).unwrap_err(), "n: find is missing");
        assert!(parse("").is_err() && parse("[[bug]]\n").is_err());
    }
}
