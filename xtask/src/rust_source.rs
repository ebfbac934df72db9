//! Reads Rust just far enough to tell code, string literals, comments and tests apart, so that a rule about code does not
//! trip over a sentence.

/// A Rust file taken apart.
pub(crate) struct RustSource {
    /// The text with comments, literals and test items replaced by spaces; lines stay where they were.
    pub(crate) code: String,
    /// String literals outside of test items: the line where they start, counted from one, and their text.
    pub(crate) strings: Vec<(usize, String)>,
}

impl RustSource {
    pub(crate) fn parse(text: &str) -> Self {
        let mut reader = Reader { text: text.chars().collect(), position: 0, code: Vec::new(), strings: Vec::new() };
        reader.read();
        let tests = test_items(&reader.code);
        let in_tests = |position: &usize| tests.iter().any(|(start, end)| (start..=end).contains(&position));
        let strings = reader.strings.iter().filter(|(position, _)| !in_tests(position));
        let line = |position: usize| 1 + reader.text[..position].iter().filter(|letter| **letter == '\n').count();
        let strings = strings.map(|(position, string)| (line(*position), string.clone())).collect();
        for (start, end) in &tests {
            blank(&mut reader.code[*start..=*end]);
        }
        Self { code: reader.code.into_iter().collect(), strings }
    }

    /// The lines of code with their numbers, counted from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

struct Reader {
    text: Vec<char>,
    position: usize,
    /// As long as `text`, up to `position`.
    code: Vec<char>,
    /// Position and text.
    strings: Vec<(usize, String)>,
}

impl Reader {
    fn read(&mut self) {
        while self.position < self.text.len() {
            let rest = &self.text[self.position..];
            let follows_word = self.code.last().is_some_and(|letter| letter.is_alphanumeric() || *letter == '_');
            match rest {
                ['/', '/', ..] => {
                    let length = rest.iter().position(|letter| *letter == '\n').unwrap_or(rest.len());
                    self.skip(length);
                }
                ['/', '*', ..] => self.skip(block_comment_length(rest)),
                ['"', ..] => self.string(1, 0),
                ['r' | 'b' | 'c', ..] if !follows_word => match literal_prefix(rest) {
                    Some((prefix, hashes)) => self.string(prefix, hashes),
                    None => self.keep(),
                },
                ['\'', '\\', ..] => {
                    let end = rest.iter().skip(3).position(|letter| *letter == '\'').map_or(rest.len(), |end| end + 4);
                    self.skip(end);
                }
                ['\'', _, '\'', ..] => self.skip(3),
                _ => self.keep(),
            }
        }
    }

    fn keep(&mut self) {
        self.code.push(self.text[self.position]);
        self.position += 1;
    }

    fn skip(&mut self, length: usize) {
        let mut skipped = self.text[self.position..self.position + length].to_vec();
        blank(&mut skipped);
        self.code.extend(skipped);
        self.position += length;
    }

    /// A string literal whose opening quote ends `prefix` characters from here; raw strings end with their hashes.
    fn string(&mut self, prefix: usize, hashes: usize) {
        let start = self.position;
        let raw = self.text[start..start + prefix].contains(&'r');
        let mut end = start + prefix;
        while end < self.text.len() {
            let closes = self.text[end] == '"'
                && self.text[end + 1..].iter().take(hashes).filter(|letter| **letter == '#').count() == hashes;
            if closes {
                break;
            }
            end += if self.text[end] == '\\' && !raw { 2 } else { 1 };
        }
        let end = end.min(self.text.len());
        self.strings.push((start, self.text[start + prefix..end].iter().collect()));
        self.skip((end + 1 + hashes).min(self.text.len()) - start);
    }
}

/// For `r"`, `b"`, `br#"` and their like: the length up to and with the quote, and the number of hashes.
fn literal_prefix(rest: &[char]) -> Option<(usize, usize)> {
    let letters = rest.iter().take_while(|letter| matches!(letter, 'r' | 'b' | 'c')).count();
    let hashes = rest[letters..].iter().take_while(|letter| **letter == '#').count();
    (letters <= 2 && rest.get(letters + hashes) == Some(&'"')).then_some((letters + hashes + 1, hashes))
}

/// Block comments nest.
fn block_comment_length(rest: &[char]) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while position < rest.len() {
        match rest[position..] {
            ['/', '*', ..] => (depth, position) = (depth + 1, position + 2),
            ['*', '/', ..] => (depth, position) = (depth - 1, position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            break;
        }
    }
    position.min(rest.len())
}

/// First and last position of each item under `#[cfg(test)]`.
fn test_items(code: &[char]) -> Vec<(usize, usize)> {
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut items = Vec::new();
    let mut position = 0;
    while let Some(found) = code[position..].windows(marker.len()).position(|window| window == marker) {
        let start = position + found;
        let mut depth = 0_usize;
        let mut end = start + marker.len();
        while end < code.len() {
            match code[end] {
                '{' => depth += 1,
                '}' if depth <= 1 => break,
                '}' => depth -= 1,
                ';' if depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        let end = end.min(code.len() - 1);
        items.push((start, end));
        position = end + 1;
    }
    items
}

fn blank(text: &mut [char]) {
    for letter in text {
        if *letter != '\n' {
            *letter = ' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RustSource;

    #[test]
    fn code_strings_and_comments_are_told_apart() {
        let source = RustSource::parse(
            "let a = \"one \\\" two\"; // three\n/* four /* five */ six */ let b = r#\"sev\"en\"#;\nlet c = '\"'; let d: &'a str = b\"x\";",
        );
        assert_eq!(source.strings, [(1, "one \\\" two".to_owned()), (2, "sev\"en".to_owned()), (3, "x".to_owned())]);
        let code: Vec<String> = source.code.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(code, ["leta=;", "letb=;", "letc=;letd:&'astr=;"]);
    }

    #[test]
    fn a_word_that_ends_like_a_prefix_is_not_a_literal() {
        let source = RustSource::parse("for\"x\"; r#type; '\\u{1F600}'; '\\\\'; end");
        assert_eq!(source.strings, [(1, "x".to_owned())]);
        assert!(source.code.contains("r#type") && source.code.ends_with("end"));
    }

    #[test]
    fn tests_are_left_out() {
        let source = RustSource::parse(
            "fn a() { \"kept\" }\n#[cfg(test)]\nmod tests { fn b() { if x { \"gone\" } } }\nfn c() {}\n#[cfg(test)]\nuse x;\nfn d() {}",
        );
        assert_eq!(source.strings.len(), 1);
        assert!(source.code.contains("fn a") && source.code.contains("fn c") && source.code.contains("fn d"));
        assert!(!source.code.contains("fn b") && !source.code.contains("use x"));
    }

    #[test]
    fn an_unfinished_file_is_read_to_its_end() {
        for text in ["\"open", "r#\"open", "/* open", "'", "#[cfg(test)]", "#[cfg(test)] mod a {", "\"\\"] {
            let source = RustSource::parse(text);
            assert_eq!(source.code.chars().count(), text.chars().count(), "{text}");
        }
    }
}
