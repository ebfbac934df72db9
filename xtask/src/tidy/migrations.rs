//! Rules over the migrations.

use super::{Violation, violation};
use crate::repository::Repository;

const FOLDER: &str = "crates/store/migrations/";
const EMBEDDED_BY: &str = "crates/store/src/migrate.rs";

/// One text serves both databases: a migration written twice is a schema that drifts apart. Numbers have no gaps, so that
/// a lost file or two branches with the same number are seen before a database is.
pub(super) fn migrations_are_one_numbered_text(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, name) in names(repository).enumerate() {
        let number = format!("{:04}_", index + 1);
        if name.contains('/') {
            violations.push(violation(format!("{FOLDER}{name}"), "is for one database; write one text for both"));
        } else if !name.starts_with(&number) || !name.ends_with(".sql") {
            violations.push(violation(format!("{FOLDER}{name}"), format!("should be named {number}….sql")));
        }
    }
    violations
}

/// A migration that is not embedded never runs.
pub(super) fn migrations_are_embedded(repository: &Repository) -> Vec<Violation> {
    let code = repository.file(EMBEDDED_BY).map(|file| file.text.as_str()).unwrap_or_default();
    names(repository)
        .filter(|name| !code.contains(&format!("include_str!(\"../migrations/{name}\")")))
        .map(|name| violation(EMBEDDED_BY, format!("does not embed {name}")))
        .collect()
}

fn names(repository: &Repository) -> impl Iterator<Item = &str> {
    repository.files.iter().filter_map(|file| file.path.strip_prefix(FOLDER))
}

#[cfg(test)]
mod tests {
    use super::{EMBEDDED_BY, FOLDER, migrations_are_embedded, migrations_are_one_numbered_text};
    use crate::repository::{Repository, TextFile};

    fn with_migrations(names: &[&str]) -> Repository {
        let file = |name: &&str| TextFile { path: format!("{FOLDER}{name}"), text: String::new() };
        Repository { files: names.iter().map(file).collect(), packages: Vec::new() }
    }

    #[test]
    fn numbers_without_gaps_and_one_text() {
        assert_eq!(migrations_are_one_numbered_text(&with_migrations(&["0001_books.sql", "0002_engine.sql"])), []);
        for names in [&["0002_books.sql"][..], &["0001_a.sql", "0001_b.sql"], &["0001_a.txt"], &["sqlite/0001_a.sql"]] {
            assert_eq!(migrations_are_one_numbered_text(&with_migrations(names)).len(), 1, "{names:?}");
        }
    }

    #[test]
    fn a_forgotten_migration_is_found() {
        let mut repository = with_migrations(&["0001_books.sql", "0002_engine.sql"]);
        let text = "[include_str!(\"../migrations/0001_books.sql\")]".to_owned();
        repository.files.push(TextFile { path: EMBEDDED_BY.to_owned(), text });
        let violations: Vec<String> = migrations_are_embedded(&repository).iter().map(ToString::to_string).collect();
        assert_eq!(violations, [format!("{EMBEDDED_BY}: does not embed 0002_engine.sql")]);
    }
}
