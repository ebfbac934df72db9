//! Rules over every text file, whatever its language.

use super::{Violation, violation};
use crate::repository::Repository;

/// Names the words that the rest must not.
const THIS_FILE: &str = "xtask/src/tidy/text.rs";

/// A path of one machine works on no other.
pub(super) fn no_machine_is_named(repository: &Repository) -> Vec<Violation> {
    const MACHINE_PATHS: [&str; 5] = ["/home/", "/root/", "/Users/", "/work/", "C:\\Users"];
    let mut violations = Vec::new();
    for (place, line) in lines(repository) {
        // A path that starts here; `https://example.com/home/` is none.
        let starts_path = |position: usize| {
            let before = line[..position].chars().next_back();
            !before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '/' | '_' | '-' | '}'))
        };
        for path in MACHINE_PATHS {
            if line.match_indices(path).any(|(position, _)| starts_path(position)) {
                violations.push(violation(&*place, format!("`{path}` is a path of one machine")));
            }
        }
    }
    violations
}

/// The repository speaks of the project, not of the tools or the registry mirrors of those who write it.
pub(super) fn words_belong_to_the_project(repository: &Repository) -> Vec<Violation> {
    const FOREIGN_WORDS: [&str; 9] =
        ["subagent", "assistant", "chatgpt", "claude", "anthropic", "openai", "copilot", "artifactory", "llm"];
    let mut violations = Vec::new();
    for (place, line) in lines(repository) {
        let words = line.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase);
        for word in words.filter(|word| FOREIGN_WORDS.contains(&word.trim_end_matches('s'))) {
            violations.push(violation(&*place, format!("`{word}` does not belong to the project")));
        }
    }
    violations
}

/// Every line of every text file, with its place.
fn lines(repository: &Repository) -> impl Iterator<Item = (String, &str)> {
    let files = repository.files.iter().filter(|file| file.path != THIS_FILE);
    files.flat_map(|file| {
        file.text.lines().enumerate().map(|(index, line)| (format!("{}:{}", file.path, index + 1), line))
    })
}

#[cfg(test)]
mod tests {
    use super::{no_machine_is_named, words_belong_to_the_project};
    use crate::tidy::tests::with_file;

    #[test]
    fn machine_paths_are_found() {
        for text in ["see /home/jo/x", "PATH=/root/.cargo", "\"/work/main\""] {
            assert_eq!(no_machine_is_named(&with_file("docs/a.md", text)).len(), 1, "{text}");
        }
        for text in ["https://example.com/home/x", "crates/work/x", "${DIR}/work/x"] {
            assert_eq!(no_machine_is_named(&with_file("docs/a.md", text)), [], "{text}");
        }
    }

    #[test]
    fn foreign_words_are_found() {
        for text in ["written by an Assistant", "\"resolved\": \"https://host/artifactory/x\"", "LLMs"] {
            assert_eq!(words_belong_to_the_project(&with_file("package-lock.json", text)).len(), 1, "{text}");
        }
        assert_eq!(words_belong_to_the_project(&with_file("a.md", "LLVM, assistance, a session")), []);
    }
}
