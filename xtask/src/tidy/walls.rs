//! Which crate may know which: the walls of ARCHITECTURE.md.

use super::{Violation, violation};
use crate::repository::{Kind, Repository};

/// Each of our packages, with those of ours that it may depend on. Whoever is not named here may depend on nobody, so a
/// new crate begins with a line in this table.
const MAY_KNOW: &[(&str, &[&str])] = &[
    // Useful on its own; does not know what a conflict is.
    ("tieout-xero", &[]),
    // Shared types would agree with each other and be wrong together.
    ("tieout-emulator", &[]),
    // Cannot fail for outside reasons.
    ("tieout-model", &[]),
    // Does not know that Xero exists.
    ("tieout-store", &["tieout-model"]),
    // The only one that sees both sides.
    ("tieout-sync", &["tieout-model", "tieout-store", "tieout-xero"]),
    // Cannot call Xero.
    ("tieout-web", &["tieout-model", "tieout-store", "tieout-sync"]),
    // Puts everything together.
    (
        "tieout",
        &["tieout-emulator", "tieout-model", "tieout-sim", "tieout-store", "tieout-sync", "tieout-web", "tieout-xero"],
    ),
    // Shares no code with what it judges.
    ("tieout-oracle", &[]),
    // Plays everything together: it stands where the binary stands.
    ("tieout-sim", &["tieout-emulator", "tieout-model", "tieout-oracle", "tieout-store", "tieout-sync", "tieout-xero"]),
    // Measures; nobody may depend on it.
    (
        "tieout-bench",
        &["tieout-emulator", "tieout-model", "tieout-store", "tieout-sync", "tieout-testkit", "tieout-xero"],
    ),
    ("tieout-testkit", &["tieout-testkit-macros"]),
    ("tieout-testkit-macros", &[]),
    ("xtask", &[]),
];

/// What tests may use beyond that.
const TESTS_MAY_KNOW: [&str; 3] = ["tieout-testkit", "tieout-emulator", "tieout-oracle"];

/// The vocabulary and the rules of the books need these and nothing that waits, reads or asks.
const MODEL_MAY_USE: [&str; 7] = ["aws-lc-rs", "jiff", "rust_decimal", "serde", "serde_json", "thiserror", "uuid"];

/// Crates that only some of ours may use, so that SQL and HTTP stay where they are looked for.
const DRIVERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["tieout-store", "tieout-bench", "tieout-sim"]),
    ("tokio-postgres", &["tieout-store", "tieout-testkit", "tieout-bench", "tieout-sim"]),
    ("tokio-postgres-rustls", &["tieout-store"]),
    ("deadpool-postgres", &["tieout-store"]),
    ("reqwest", &["tieout-xero", "tieout"]),
    ("axum", &["tieout-emulator", "tieout-web", "tieout"]),
];

/// Cargo keeps a wall only as long as nobody adds the dependency; this says that nobody may.
pub(super) fn our_crates_keep_apart(repository: &Repository) -> Vec<Violation> {
    let own = repository.own_packages();
    let mut violations = Vec::new();
    for (name, package) in &own {
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(package, _)| package == name) else {
            violations.push(violation(*name, "is not in the table of walls (xtask/src/tidy/walls.rs)"));
            continue;
        };
        for dependency in &package.dependencies {
            let dependency_name = dependency.name.as_str();
            let is_ours = dependency_name == "xtask" || dependency_name.starts_with("tieout");
            // The emulator stays ignorant in its tests, too.
            let in_tests = dependency.kind == Kind::Development
                && TESTS_MAY_KNOW.contains(&dependency_name)
                && *name != "tieout-emulator";
            if is_ours && !in_tests && !may_know.contains(&dependency_name) {
                violations.push(violation(*name, format!("must not know {dependency_name}")));
            }
        }
    }
    violations
}

/// What decides what happens to money must not depend on a network, a disk, a clock or a scheduler.
pub(super) fn model_is_pure(repository: &Repository) -> Vec<Violation> {
    let own = repository.own_packages();
    let Some(model) = own.get("tieout-model") else { return Vec::new() };
    let outside = model.dependencies.iter().filter(|dependency| dependency.kind != Kind::Development);
    outside
        .filter(|dependency| !MODEL_MAY_USE.contains(&dependency.name.as_str()))
        .map(|dependency| violation("tieout-model", format!("is pure and cannot use {}", dependency.name)))
        .collect()
}

/// A driver in the wrong crate is SQL or HTTP in the wrong crate.
pub(super) fn drivers_stay_in_their_crates(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, package) in repository.own_packages() {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != Kind::Development) {
            let users = DRIVERS.iter().find(|(driver, _)| *driver == dependency.name).map(|(_, users)| users);
            if users.is_some_and(|users| !users.contains(&name)) {
                violations.push(violation(name, format!("must leave {} to others", dependency.name)));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{drivers_stay_in_their_crates, model_is_pure, our_crates_keep_apart};
    use crate::{repository::Kind, tidy::tests::with_dependency};

    #[test]
    fn walls_between_our_crates() {
        for (package, kind, dependency, holds) in [
            ("tieout-store", Kind::Normal, "tieout-model", true),
            ("tieout-store", Kind::Normal, "tieout-xero", false),
            ("tieout-store", Kind::Development, "tieout-xero", false),
            ("tieout-store", Kind::Development, "tieout-testkit", true),
            ("tieout-web", Kind::Normal, "tieout-xero", false),
            ("tieout-web", Kind::Normal, "tieout-emulator", false),
            ("tieout-web", Kind::Development, "tieout-emulator", true),
            ("tieout-emulator", Kind::Normal, "tieout-model", false),
            ("tieout-emulator", Kind::Development, "tieout-xero", false),
            ("tieout-xero", Kind::Build, "tieout-model", false),
            ("tieout-sync", Kind::Development, "tieout-bench", false),
            ("tieout-new", Kind::Normal, "serde", false),
        ] {
            let violations = our_crates_keep_apart(&with_dependency(package, kind, dependency));
            assert_eq!(violations.is_empty(), holds, "{package} {kind:?} {dependency}");
        }
    }

    #[test]
    fn model_cannot_wait_or_read() {
        assert_eq!(model_is_pure(&with_dependency("tieout-model", Kind::Normal, "serde")), []);
        assert_eq!(model_is_pure(&with_dependency("tieout-model", Kind::Development, "proptest")), []);
        for dependency in ["tokio", "reqwest", "rusqlite", "tracing"] {
            assert_eq!(model_is_pure(&with_dependency("tieout-model", Kind::Normal, dependency)).len(), 1);
        }
    }

    #[test]
    fn drivers_have_homes() {
        assert_eq!(drivers_stay_in_their_crates(&with_dependency("tieout-store", Kind::Normal, "rusqlite")), []);
        assert_eq!(drivers_stay_in_their_crates(&with_dependency("tieout-sync", Kind::Normal, "rusqlite")).len(), 1);
        assert_eq!(drivers_stay_in_their_crates(&with_dependency("tieout-web", Kind::Normal, "reqwest")).len(), 1);
    }
}
