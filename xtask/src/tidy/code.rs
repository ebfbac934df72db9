//! Rules over Rust files.

use super::{Violation, violation};
use crate::{
    repository::{Repository, TextFile},
    rust_source::RustSource,
};

const LONGEST_FILE_LINES: usize = 700;
const LONG_FILE_LINES: usize = 500;

/// Whoever looks for a query looks in one crate, and every query there runs on both databases in its tests.
pub(super) fn sql_lives_in_store(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    // The benchmark's bare program writes the same rows without the store: that is what it is measured against. The people
    // of a simulation write to the tables as an application does.
    for (file, source) in
        production_code(repository, &["crates/store/", "crates/testkit/", "crates/bench/", "crates/sim/", "xtask/"])
    {
        for (line, string) in source.strings {
            if is_sql(&string) {
                violations.push(violation(format!("{}:{line}", file.path), "SQL belongs to crates/store"));
            }
        }
    }
    violations
}

/// Settings have one reader, so that `tieout config` can show all of them and a test can set them without a process.
pub(super) fn the_environment_is_read_by_the_binary(repository: &Repository) -> Vec<Violation> {
    let readers =
        ["crates/tieout/", "crates/testkit/", "crates/emulator/src/bin/", "crates/emulator/src/main.rs", "xtask/"];
    forbid(
        repository,
        &readers,
        &["env::var", "env::args", "env::set_var", "env::current_dir", "env::home_dir"],
        "only the binary reads the environment; take the value as an argument",
    )
}

/// What both sides agreed on is written where they meet, and nowhere else; or two writers of it would part them.
pub(super) fn bases_are_written_where_both_sides_meet(repository: &Repository) -> Vec<Violation> {
    let places = [
        "crates/store/",
        // Merges, for everybody.
        "crates/sync/src/meet.rs",
        // New from Xero: nothing to merge with.
        "crates/sync/src/reconcile.rs",
        // A person's decision.
        "crates/sync/src/settle.rs",
    ];
    forbid(
        repository,
        &places,
        &[".insert_links(", ".update_links("],
        "links and bases are written by `sync::meet`; hand it a `Meeting`",
    )
}

/// A run that can be repeated exactly needs time and chance to be given to it.
pub(super) fn clock_and_chance_come_in_from_the_binary(repository: &Repository) -> Vec<Violation> {
    let sources = [
        "crates/tieout/",
        "crates/testkit/",
        "xtask/",
        // It measures.
        "crates/bench/src/figures.rs",
        // The implementations of the seams.
        "crates/xero/src/clock.rs",
        "crates/emulator/src/clock.rs",
        // The key of id tokens is new in each process, so that no private key lies in the repository.
        "crates/emulator/src/oauth/jwt.rs",
    ];
    forbid(
        repository,
        &sources,
        &[
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "Instant::now",
            "Uuid::new_v4",
            "Uuid::now_v7",
            "from_entropy",
            "from_os_rng",
            "rand::fill(",
            "rand::random",
            "rand::rng(",
            "thread_rng",
            "OsRng",
            "SystemRandom",
        ],
        "the clock and randomness come in through their seams",
    )
}

/// The first thing a reader wants to know of a file.
pub(super) fn modules_say_what_they_are_for(repository: &Repository) -> Vec<Violation> {
    let modules = repository.rust_files().filter(|file| !file.is_test());
    modules
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| violation(&*file.path, "must open with `//!` and what the room is for"))
        .collect()
}

/// A file that does not fit into a head is several files.
pub(super) fn files_stay_readable(repository: &Repository) -> Vec<Violation> {
    let long = longer_than(repository, LONGEST_FILE_LINES);
    long.map(|(file, lines)| {
        violation(&*file.path, format!("{lines} lines; split it by idea before {LONGEST_FILE_LINES}"))
    })
    .collect()
}

/// Not yet too long.
pub(super) fn long_files(repository: &Repository) -> Vec<Violation> {
    let long = longer_than(repository, LONG_FILE_LINES).filter(|(_, lines)| *lines <= LONGEST_FILE_LINES);
    long.map(|(file, lines)| violation(&*file.path, format!("{lines} lines"))).collect()
}

/// What is not finished is not committed; what is planned is an issue. Clippy knows the macros, not the comments.
pub(super) fn nothing_is_left_undone(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in repository.rust_files().filter(|file| file.path != "xtask/src/tidy/code.rs") {
        for (index, line) in file.text.lines().enumerate() {
            let words = line.split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '!'));
            for word in words.filter(|word| matches!(*word, "TODO" | "FIXME" | "XXX" | "todo!" | "unimplemented!")) {
                violations
                    .push(violation(format!("{}:{}", file.path, index + 1), format!("{word}: finish it or file it")));
            }
        }
    }
    violations
}

/// Rust files outside of tests, examples and the places named, taken apart.
fn production_code<'a>(
    repository: &'a Repository,
    exempt: &'a [&str],
) -> impl Iterator<Item = (&'a TextFile, RustSource)> + 'a {
    let is_example = |file: &TextFile| file.path.contains("/examples/");
    let exempt = move |file: &&TextFile| {
        file.is_test() || is_example(file) || exempt.iter().any(|place| file.path.starts_with(place))
    };
    let files = repository.rust_files().filter(move |file| !exempt(file));
    files.map(|file| (file, RustSource::parse(&file.text)))
}

fn forbid(repository: &Repository, exempt: &[&str], forbidden: &[&str], message: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in production_code(repository, exempt) {
        for (number, line) in source.lines() {
            for found in forbidden.iter().filter(|found| line.contains(**found)) {
                violations.push(violation(format!("{}:{number}", file.path), format!("`{found}`: {message}")));
            }
        }
    }
    violations
}

/// Statements as they are written: keywords in capitals anywhere, or in small letters at the start.
fn is_sql(string: &str) -> bool {
    const STATEMENTS: [[&str; 2]; 6] = [
        ["SELECT ", " FROM "],
        ["INSERT INTO ", ""],
        ["UPDATE ", " SET "],
        ["DELETE FROM ", ""],
        ["CREATE TABLE ", ""],
        ["ALTER TABLE ", ""],
    ];
    let text = string.split_whitespace().collect::<Vec<_>>().join(" ");
    STATEMENTS.iter().any(|[first, second]| {
        let (first_small, second_small) = (first.to_lowercase(), second.to_lowercase());
        let capitals = text.find(first).is_some_and(|position| text[position..].contains(second));
        capitals || (text.starts_with(&first_small) && text.contains(&second_small))
    })
}

fn longer_than(repository: &Repository, most: usize) -> impl Iterator<Item = (&TextFile, usize)> {
    let counted = repository.rust_files().map(|file| (file, file.text.lines().count()));
    counted.filter(move |(_, lines)| *lines > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::with_file;

    #[test]
    fn sql_is_recognised_and_sentences_are_not() {
        for sql in [
            "SELECT id FROM t",
            "WITH x AS (SELECT 1\n  FROM t) SELECT x",
            "select id\nfrom t",
            "INSERT INTO t VALUES (1)",
            "UPDATE t\nSET a = 1",
            "DELETE FROM t",
        ] {
            assert!(is_sql(sql), "{sql}");
        }
        for sentence in
            ["select an organisation from the list", "please select one from these", "update the set", "FROM x"]
        {
            let expected = sentence.starts_with("select");
            assert_eq!(is_sql(sentence), expected, "{sentence}");
        }
    }

    #[test]
    fn sql_outside_of_store_is_found() {
        let text = "//! x\nfn f() { g(\"SELECT a FROM b\") }";
        let violations = sql_lives_in_store(&with_file("crates/web/src/a.rs", text));
        assert_eq!(violations, [violation("crates/web/src/a.rs:2", "SQL belongs to crates/store")]);
        for place in ["crates/store/src/a.rs", "crates/web/tests/a.rs", "crates/web/src/a/tests.rs"] {
            assert_eq!(sql_lives_in_store(&with_file(place, text)), []);
        }
        let comment = "// SELECT a FROM b\n#[cfg(test)] mod tests { const A: &str = \"SELECT a FROM b\"; }";
        assert_eq!(sql_lives_in_store(&with_file("crates/web/src/a.rs", comment)), []);
    }

    #[test]
    fn only_the_binary_reads_the_environment() {
        let text = "fn f() { std::env::var(\"A\") }";
        assert_eq!(the_environment_is_read_by_the_binary(&with_file("crates/sync/src/a.rs", text)).len(), 1);
        assert_eq!(the_environment_is_read_by_the_binary(&with_file("crates/tieout/src/a.rs", text)), []);
        let built_in = "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");";
        assert_eq!(the_environment_is_read_by_the_binary(&with_file("crates/sync/src/a.rs", built_in)), []);
    }

    #[test]
    fn a_second_writer_of_bases_is_found() {
        let text = "fn f() { tx.update_links(a, b, &c); }";
        let found = |path| bases_are_written_where_both_sides_meet(&with_file(path, text)).len();
        assert_eq!(found("crates/sync/src/pull.rs"), 1);
        assert_eq!(found("crates/sync/src/meet.rs"), 0);
    }

    #[test]
    fn clock_and_chance_have_seams() {
        for call in ["Timestamp::now()", "std::time::Instant::now()", "Uuid::new_v4()", "rand::rng()"] {
            let text = format!("fn f() {{ {call}; }}");
            assert_eq!(
                clock_and_chance_come_in_from_the_binary(&with_file("crates/sync/src/a.rs", &text)).len(),
                1,
                "{call}"
            );
            assert_eq!(clock_and_chance_come_in_from_the_binary(&with_file("crates/xero/src/clock.rs", &text)), []);
        }
    }

    #[test]
    fn a_module_without_a_purpose_is_found() {
        assert_eq!(modules_say_what_they_are_for(&with_file("crates/a/src/b.rs", "//! Reads.\n")), []);
        assert_eq!(modules_say_what_they_are_for(&with_file("crates/a/src/b.rs", "use x;\n")).len(), 1);
        assert_eq!(modules_say_what_they_are_for(&with_file("crates/a/src/tests.rs", "use x;\n")), []);
    }

    #[test]
    fn long_files_are_noticed_and_longer_ones_refused() {
        let lines = |count| with_file("crates/a/src/b.rs", &"x\n".repeat(count));
        assert!(long_files(&lines(500)).is_empty() && files_stay_readable(&lines(500)).is_empty());
        assert!(long_files(&lines(501)).len() == 1 && files_stay_readable(&lines(700)).is_empty());
        assert!(long_files(&lines(701)).is_empty() && files_stay_readable(&lines(701)).len() == 1);
    }

    #[test]
    fn unfinished_work_is_found() {
        for text in ["// TODO: later", "fn f() { todo!() }", "/* FIXME */", "unimplemented!(\"x\")"] {
            assert_eq!(nothing_is_left_undone(&with_file("crates/a/src/b.rs", text)).len(), 1, "{text}");
        }
        assert_eq!(nothing_is_left_undone(&with_file("crates/a/src/b.rs", "let todo = TODOS;")), []);
    }
}
