//! A copy of the sources with all bugs in it, asleep, and the simulation built from it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bugs::{Bug, by_file, infest};

/// The crate that wakes a bug. It exists in the copy only.
const CRATE: &str = r#"//! Which planted bug is awake: the one that the environment names.

use std::sync::OnceLock;

/// Whether this bug is awake.
pub fn planted(name: &str) -> bool {
    static AWAKE: OnceLock<String> = OnceLock::new();
    AWAKE.get_or_init(|| std::env::var("TIEOUT_ZOO").unwrap_or_default()) == name
}
"#;

const MANIFEST: &str = "[package]\nname = \"tieout-zoo\"\nversion.workspace = true\nedition.workspace = true\n\
                        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
                        [lib]\nname = \"zoo\"\n";

/// Writes the copy. What is the same already is not written again, so that little is built again.
pub(super) fn write(root: &Path, tree: &Path, bugs: &[Bug]) -> Result<(), String> {
    let infested = by_file(bugs);
    let crates: BTreeSet<&str> = infested.keys().filter_map(|file| file.split("/src/").next()).collect();
    let mut kept = BTreeSet::new();
    for path in sources(root)? {
        let from = root.join(&path);
        // What is listed and was deleted is not there to copy.
        let Ok(mut bytes) = std::fs::read(&from) else { continue };
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let text = match (path.as_str(), infested.get(path.as_str())) {
                (_, Some(changes)) => Some(infest(text, changes)?),
                ("Cargo.toml", _) => Some(with_line(text, "[workspace.dependencies]", WORKSPACE_LINE)?),
                (path, _) if path.strip_suffix("/Cargo.toml").is_some_and(|of| crates.contains(of)) => {
                    Some(with_line(text, "[dependencies]", "zoo.workspace = true")?)
                }
                _ => None,
            };
            if let Some(text) = text {
                bytes = text.into_bytes();
            }
        }
        put(&tree.join(&path), &bytes)?;
        kept.insert(tree.join(&path));
    }
    for (path, text) in [("crates/zoo/Cargo.toml", MANIFEST), ("crates/zoo/src/lib.rs", CRATE)] {
        put(&tree.join(path), text.as_bytes())?;
        kept.insert(tree.join(path));
    }
    remove_others(tree, &kept).map_err(|error| format!("cannot tidy {}: {error}", tree.display()))
}

const WORKSPACE_LINE: &str = "zoo = { path = \"crates/zoo\", package = \"tieout-zoo\" }";

/// Everything that is in the repository or would be added to it.
fn sources(root: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let text = String::from_utf8_lossy(&listed.stdout);
    Ok(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// The text with a line after the one that begins a section.
fn with_line(text: &str, section: &str, line: &str) -> Result<String, String> {
    let head = format!("{section}\n");
    match text.split_once(&head) {
        Some((before, after)) => Ok(format!("{before}{head}{line}\n{after}")),
        None => Err(format!("a Cargo.toml has no {section}")),
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, bytes)
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Removes what an earlier copy had and this one has not.
fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) && entry.file_name() != "Cargo.lock" {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Builds the simulation of the copy. Nothing is fetched: the copy needs nothing that the repository does not.
pub(super) fn build(tree: &Path, built: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--profile", "sim", "--package", "tieout-sim", "--bin", "tieout-sim", "--offline"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", built)
        .env_remove("RUSTFLAGS")
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the sources with the bugs in them do not build".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_put_under_its_section() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\nb = \"1\"\n";
        let with = with_line(text, "[dependencies]", "zoo = \"1\"").unwrap();
        assert_eq!(with, "[package]\nname = \"a\"\n\n[dependencies]\nzoo = \"1\"\nb = \"1\"\n");
        assert!(with_line(text, "[features]", "x").is_err());
    }
}
