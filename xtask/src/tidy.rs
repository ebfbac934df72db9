//! The rules of the repository that the compiler cannot keep. One rule is one function that says why it exists and is
//! tested on a repository that breaks it.

mod code;
mod migrations;
mod supply;
mod text;
mod walls;

use std::fmt;

use crate::repository::Repository;

/// Where a rule is broken, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// A path, with a line where there is one, or a package.
    place: String,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

fn violation(place: impl Into<String>, message: impl Into<String>) -> Violation {
    Violation { place: place.into(), message: message.into() }
}

type Rule = fn(&Repository) -> Vec<Violation>;

/// Every rule.
pub(crate) const RULES: &[Rule] = &[
    walls::our_crates_keep_apart,
    walls::model_is_pure,
    walls::drivers_stay_in_their_crates,
    supply::licences_are_allowed,
    supply::sources_are_allowed,
    supply::banned_crates_stay_out,
    supply::the_tree_stays_small,
    supply::every_dependency_has_a_reason,
    supply::manifests_follow_the_workspace,
    code::sql_lives_in_store,
    code::bases_are_written_where_both_sides_meet,
    code::the_environment_is_read_by_the_binary,
    code::clock_and_chance_come_in_from_the_binary,
    code::modules_say_what_they_are_for,
    code::files_stay_readable,
    code::nothing_is_left_undone,
    text::no_machine_is_named,
    text::words_belong_to_the_project,
    migrations::migrations_are_one_numbered_text,
    migrations::migrations_are_embedded,
];

/// All violations of all rules.
pub(crate) fn violations(repository: &Repository) -> Vec<Violation> {
    RULES.iter().flat_map(|rule| rule(repository)).collect()
}

/// What is worth a look and fails nothing.
pub(crate) fn warnings(repository: &Repository) -> Vec<Violation> {
    let mut warnings = code::long_files(repository);
    warnings.extend(supply::dependencies_that_nobody_takes(repository));
    warnings
}

#[cfg(test)]
mod tests {
    use super::violations;
    use crate::repository::{Dependency, Kind, Package, Repository, TextFile};

    #[test]
    fn this_repository_is_tidy() {
        let repository = Repository::load().unwrap();
        assert!(repository.files.len() > 10 && repository.packages.len() > 10, "the repository was not read");
        let violations: Vec<String> = violations(&repository).iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
    }

    /// A repository with one file.
    pub(super) fn with_file(path: &str, text: &str) -> Repository {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        Repository { files: vec![file], packages: Vec::new() }
    }

    /// A repository with one package of our own.
    pub(super) fn with_dependency(package: &str, kind: Kind, dependency: &str) -> Repository {
        let dependencies = vec![Dependency { name: dependency.to_owned(), kind }];
        let package = Package { name: package.to_owned(), dependencies, ..Package::default() };
        Repository { files: Vec::new(), packages: vec![package] }
    }
}
