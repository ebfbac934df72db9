//! Text to tokens.

use super::QueryError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Identifier(String),
    Text(String),
    Char,
    Number(String),
    /// An operator or a piece of punctuation, in its canonical spelling.
    Symbol(&'static str),
}

/// Two-character symbols come first, so that `>=` is not read as `>`. `=` is `==` and `<>` is `!=`.
const SYMBOLS: [(&str, &str); 16] = [
    ("==", "=="),
    ("!=", "!="),
    ("<>", "!="),
    (">=", ">="),
    ("<=", "<="),
    ("&&", "&&"),
    ("||", "||"),
    ("=", "=="),
    (">", ">"),
    ("<", "<"),
    ("!", "!"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    (".", "."),
    ("-", "-"),
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, tail) = match first {
            '"' => string(rest)?,
            '\'' => (character(rest)?, after_quote(rest)),
            c if c.is_ascii_digit() => number(rest),
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Identifier(rest[..end].to_owned()), &rest[end..])
            }
            c => {
                let symbol = SYMBOLS.iter().find(|(spelling, _)| rest.starts_with(spelling));
                let (spelling, canonical) =
                    symbol.copied().ok_or_else(|| QueryError::new(format!("Syntax error '{c}'")))?;
                (Token::Symbol(canonical), &rest[spelling.len()..])
            }
        };
        found.push(token);
        rest = tail.trim_start();
    }
    Ok(found)
}

/// A string in double quotes. A quote inside is doubled or follows a backslash.
fn string(text: &str) -> Result<(Token, &str), QueryError> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (c, next) {
            ('\\', Some(escaped @ ('"' | '\\'))) => {
                value.push(escaped);
                chars.next();
            }
            ('"', Some('"')) => {
                value.push('"');
                chars.next();
            }
            ('"', _) => return Ok((Token::Text(value), &text[at + 1..])),
            _ => value.push(c),
        }
    }
    Err(QueryError::new("Unterminated string literal"))
}

fn character(text: &str) -> Result<Token, QueryError> {
    let inner = &text[1..];
    let end = inner.find('\'').ok_or_else(|| QueryError::new("Unterminated string literal"))?;
    if inner[..end].chars().count() == 1 {
        Ok(Token::Char)
    } else {
        Err(QueryError::new("Character literal must contain exactly one character"))
    }
}

fn after_quote(text: &str) -> &str {
    let inner = &text[1..];
    inner.find('\'').map_or("", |end| &inner[end + 1..])
}

/// Digits, an optional fraction and an optional .NET suffix (`M`, `d`, `f`).
fn number(text: &str) -> (Token, &str) {
    let bytes = text.as_bytes();
    let digits_from = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits_from(0);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end += 1 + digits_from(end + 1);
    }
    let literal = text[..end].to_owned();
    let followed_by_word = bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
    if bytes.get(end).is_some_and(|b| b"mMdDfF".contains(b)) && !followed_by_word {
        end += 1;
    }
    (Token::Number(literal), &text[end..])
}
