//! What may enter the dependency tree. Licences, bans and sources are read from deny.toml, so that cargo-deny and this
//! cannot disagree; this one needs nothing installed.

use std::collections::BTreeSet;

use super::{Violation, violation};
use crate::repository::Repository;

const POLICY: &str = "deny.toml";
const WORKSPACE: &str = "Cargo.toml";
const REASONS: &str = "docs/dependencies.md";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Every crate is code that somebody must trust and every build must compile. Raise it with a reason in the commit.
const MOST_CRATES: usize = 350;

/// A licence that the MIT licence cannot be shipped with would surface when it is too late to replace the crate.
pub(super) fn licences_are_allowed(repository: &Repository) -> Vec<Violation> {
    let allowed = match strings(repository, POLICY, &["licenses", "allow"]) {
        Ok(allowed) => allowed,
        Err(violation) => return vec![violation],
    };
    let foreign = repository.packages.iter().filter(|package| package.source.is_some());
    foreign
        .filter(|package| !package.licence.as_deref().is_some_and(|licence| is_allowed(licence, &allowed)))
        .map(|package| {
            let licence = package.licence.as_deref().unwrap_or("no licence");
            violation(format!("{} {}", package.name, package.version), format!("{licence} is not allowed by {POLICY}"))
        })
        .collect()
}

/// Code comes from crates.io, where it cannot change after it was published.
pub(super) fn sources_are_allowed(repository: &Repository) -> Vec<Violation> {
    let foreign = repository.packages.iter().filter_map(|package| Some((package, package.source.as_deref()?)));
    foreign
        .filter(|(_, source)| *source != CRATES_IO)
        .map(|(package, source)| violation(&*package.name, format!("comes from {source}, not from crates.io")))
        .collect()
}

/// Second stacks for one job (TLS, dates, SQL) and what was replaced on purpose.
pub(super) fn banned_crates_stay_out(repository: &Repository) -> Vec<Violation> {
    let policy = match repository.toml(POLICY) {
        Ok(policy) => policy,
        Err(message) => return vec![violation(POLICY, message)],
    };
    let bans = policy.get("bans").and_then(|bans| bans.get("deny")).and_then(|deny| deny.as_array());
    let mut violations = Vec::new();
    for ban in bans.into_iter().flatten() {
        let text = |field: &str| ban.get(field).and_then(|value| value.as_str()).unwrap_or_default();
        if repository.packages.iter().any(|package| package.name == text("crate")) {
            violations.push(violation(text("crate"), format!("is banned: {}", text("reason"))));
        }
    }
    violations
}

/// A budget, so that a heavy dependency is noticed the day it comes in.
pub(super) fn the_tree_stays_small(repository: &Repository) -> Vec<Violation> {
    let count = repository.packages.iter().filter(|package| package.source.is_some()).count();
    if count <= MOST_CRATES {
        return Vec::new();
    }
    vec![violation("Cargo.lock", format!("{count} crates on all platforms, more than {MOST_CRATES}"))]
}

/// Whoever reads the list of dependencies finds there why each is needed, and nothing that is gone.
pub(super) fn every_dependency_has_a_reason(repository: &Repository) -> Vec<Violation> {
    let taken = match workspace_dependencies(repository) {
        Ok(taken) => taken,
        Err(violation) => return vec![violation],
    };
    let Some(reasons) = repository.file(REASONS) else { return vec![violation(REASONS, "is missing")] };
    // A table row begins with the names that it gives the reason for: | `serde`, `serde_json` | … |
    let rows = reasons.text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let explained: BTreeSet<String> = rows
        .flat_map(|names| names.split(','))
        .map(|name| name.trim_matches(|letter: char| letter == '`' || letter.is_whitespace()).to_owned())
        .collect();
    let unexplained =
        taken.difference(&explained).map(|name| violation(REASONS, format!("gives no reason for {name}")));
    let stale = explained.difference(&taken).map(|name| violation(REASONS, format!("speaks of {name}, which is gone")));
    unexplained.chain(stale).collect()
}

/// One version, one set of features and one set of lints for all crates.
pub(super) fn manifests_follow_the_workspace(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in repository.files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let manifest = match repository.toml(&file.path) {
            Ok(manifest) => manifest,
            Err(message) => return vec![violation(&*file.path, message)],
        };
        let from_workspace =
            |table: &toml::Table| table.get("workspace").and_then(|value| value.as_bool()) == Some(true);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, dependency) in manifest.get(section).and_then(|section| section.as_table()).into_iter().flatten()
            {
                if !dependency.as_table().is_some_and(from_workspace) {
                    violations.push(violation(&*file.path, format!("{name} must be `{name}.workspace = true`")));
                }
            }
        }
        if !manifest.get("lints").and_then(|lints| lints.as_table()).is_some_and(from_workspace) {
            violations.push(violation(&*file.path, "needs `[lints] workspace = true`"));
        }
    }
    violations
}

/// Listed for the workspace, used by none of its crates.
pub(super) fn dependencies_that_nobody_takes(repository: &Repository) -> Vec<Violation> {
    let own = repository.own_packages();
    let taken: BTreeSet<&str> =
        own.values().flat_map(|package| &package.dependencies).map(|dependency| dependency.name.as_str()).collect();
    let listed = workspace_dependencies(repository).unwrap_or_default();
    let unused = listed.into_iter().filter(|name| !taken.contains(name.as_str()));
    unused.map(|name| violation(WORKSPACE, format!("no crate uses {name}"))).collect()
}

/// The names of foreign dependencies in the workspace's manifest.
fn workspace_dependencies(repository: &Repository) -> Result<BTreeSet<String>, Violation> {
    let manifest = repository.toml(WORKSPACE).map_err(|message| violation(WORKSPACE, message))?;
    let dependencies = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let dependencies = dependencies.and_then(|dependencies| dependencies.as_table()).into_iter().flatten();
    let foreign = dependencies.filter(|(_, dependency)| dependency.get("path").is_none());
    Ok(foreign.map(|(name, _)| name.clone()).collect())
}

fn strings(repository: &Repository, path: &str, keys: &[&str; 2]) -> Result<Vec<String>, Violation> {
    let file = repository.toml(path).map_err(|message| violation(path, message))?;
    let list = file.get(keys[0]).and_then(|section| section.get(keys[1])).and_then(|list| list.as_array());
    let list = list.ok_or_else(|| violation(path, format!("has no list {}.{}", keys[0], keys[1])))?;
    Ok(list.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect())
}

/// Evaluates an SPDX expression: alternatives of which one must be allowed, each made of parts that all must be. The old
/// form with `/` means alternatives. `AND` binds more tightly than `OR`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut position = 0;
    let verdict = alternatives(&words, &mut position, allowed);
    verdict && position == words.len()
}

fn alternatives(words: &[&str], position: &mut usize, allowed: &[String]) -> bool {
    let mut verdict = parts(words, position, allowed);
    while words.get(*position) == Some(&"OR") {
        *position += 1;
        verdict |= parts(words, position, allowed);
    }
    verdict
}

fn parts(words: &[&str], position: &mut usize, allowed: &[String]) -> bool {
    let mut verdict = licence(words, position, allowed);
    while words.get(*position) == Some(&"AND") {
        *position += 1;
        verdict &= licence(words, position, allowed);
    }
    verdict
}

fn licence(words: &[&str], position: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*position) else { return false };
    *position += 1;
    if *word == "(" {
        let verdict = alternatives(words, position, allowed);
        let closed = words.get(*position) == Some(&")");
        *position += 1;
        return verdict && closed;
    }
    let mut name = (*word).to_owned();
    if words.get(*position) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*position + 1).copied().unwrap_or_default());
        *position += 2;
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        repository::{Kind, Package, TextFile},
        tidy::tests::{with_dependency, with_file},
    };

    fn with_package(package: Package) -> Repository {
        let mut repository = with_file(
            POLICY,
            r#"
                licenses = { allow = ["MIT"] }
                bans = { deny = [{ crate = "openssl", reason = "one TLS stack" }] }
            "#,
        );
        repository.packages.push(package);
        repository
    }

    fn foreign(name: &str, licence: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            licence: licence.map(str::to_owned),
            source: Some(CRATES_IO.to_owned()),
            ..Package::default()
        }
    }

    #[test]
    fn licence_expressions() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("MIT OR GPL-3.0 AND LGPL-3.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("(MIT", false),
            ("MIT)", false),
            ("MIT AND", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }

    #[test]
    fn a_licence_must_be_allowed() {
        assert_eq!(licences_are_allowed(&with_package(foreign("a", Some("MIT")))), []);
        assert_eq!(licences_are_allowed(&with_package(foreign("a", Some("GPL-3.0")))).len(), 1);
        assert_eq!(licences_are_allowed(&with_package(foreign("a", None))).len(), 1);
        assert_eq!(licences_are_allowed(&Repository::default()).len(), 1, "a missing policy allows nothing");
    }

    #[test]
    fn a_source_must_be_crates_io() {
        assert_eq!(sources_are_allowed(&with_package(foreign("a", None))), []);
        let from_git = Package { source: Some("git+https://example.com/a".to_owned()), ..Package::default() };
        assert_eq!(sources_are_allowed(&with_package(from_git)).len(), 1);
    }

    #[test]
    fn a_banned_crate_is_named_with_the_reason() {
        assert_eq!(banned_crates_stay_out(&with_package(foreign("a", None))), []);
        let violations = banned_crates_stay_out(&with_package(foreign("openssl", None)));
        assert_eq!(violations[0].to_string(), "openssl: is banned: one TLS stack");
    }

    #[test]
    fn the_budget_counts_foreign_crates() {
        let mut repository = Repository::default();
        repository.packages.extend((0..MOST_CRATES).map(|_| foreign("a", None)));
        repository.packages.push(Package::default());
        assert_eq!(the_tree_stays_small(&repository), []);
        repository.packages.push(foreign("one too many", None));
        assert_eq!(the_tree_stays_small(&repository).len(), 1);
    }

    #[test]
    fn reasons_are_complete_and_current() {
        let manifest = "[workspace.dependencies]\nserde = \"1\"\nurl = \"2\"\nours = { path = \"ours\" }";
        let mut repository = with_file(WORKSPACE, manifest);
        let text = "| what | why |\n|---|---|\n| `serde`, `url` | reads |\n".to_owned();
        repository.files.push(TextFile { path: REASONS.to_owned(), text });
        assert_eq!(every_dependency_has_a_reason(&repository), []);
        repository.files[1].text = "| `serde`, `gone` | reads |\n".to_owned();
        let violations: Vec<String> =
            every_dependency_has_a_reason(&repository).iter().map(ToString::to_string).collect();
        assert_eq!(
            violations,
            ["docs/dependencies.md: gives no reason for url", "docs/dependencies.md: speaks of gone, which is gone"]
        );
    }

    #[test]
    fn manifests_take_versions_and_lints_from_the_workspace() {
        let good = "[dependencies]\nserde.workspace = true\n[lints]\nworkspace = true";
        assert_eq!(manifests_follow_the_workspace(&with_file("crates/a/Cargo.toml", good)), []);
        let bad = "[dev-dependencies]\nserde = \"1\"";
        assert_eq!(manifests_follow_the_workspace(&with_file("crates/a/Cargo.toml", bad)).len(), 2);
    }

    #[test]
    fn an_unused_dependency_is_noticed() {
        let mut repository = with_dependency("tieout", Kind::Normal, "serde");
        let manifest = "[workspace.dependencies]\nserde = \"1\"\nurl = \"2\"";
        repository.files = with_file(WORKSPACE, manifest).files;
        assert_eq!(dependencies_that_nobody_takes(&repository), [violation(WORKSPACE, "no crate uses url")]);
    }
}
