//! Data that is odd and legal (fault F18): what somebody types who wants to break things, and what imports bring.

use super::dice::Dice;

/// Texts with quotes, tags, other scripts, marks of direction, and what other languages would take for code.
const HOSTILE: [&str; 14] = [
    "O'Brien; DROP TABLE invoices; --",
    "\"quoted\" and \\back\\slash",
    "Zoë Čapek 東京 Ω",
    "👩‍👩‍👧 family & co 🇳🇿",
    "e\u{301} is not é",
    "مرحبا \u{202e}abc",
    "100% _like_ %s {0} ${x}",
    "&lt;tag&gt; &amp;",
    "null",
    "NaN",
    "=1+1",
    "\u{feff}mark",
    "Ǆ ﬁ ẞ İ",
    "'';\"\"/**/",
];

/// A text of at most `most` characters with the token in it.
pub(super) fn text(dice: &mut Dice, token: &str, most: usize) -> String {
    let filler = dice.of(&HOSTILE);
    let text = match dice.below(4) {
        0 => {
            let letters: Vec<char> = "āßç中🙂x ".chars().collect();
            let long: String =
                (0..most.saturating_sub(token.len() + 2)).map(|at| letters[at % letters.len()]).collect();
            format!("{token} {}z", long.trim())
        }
        1 => format!("{token} {filler}"),
        2 => format!("{} {token}", filler.trim()),
        _ => format!("{token}/{}", filler.replace(' ', "_")),
    };
    text.chars().take(most).collect()
}

/// The same without what a name in Xero must not have: angle brackets and spaces at an end or two in a row.
pub(super) fn name(dice: &mut Dice, token: &str) -> String {
    let text = text(dice, token, 250).replace(['<', '>', ';'], "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Quantity and price in ten-thousandths: negative, with four decimals, zero, large.
pub(super) fn figures(dice: &mut Dice) -> (i64, i64) {
    let four = i64::try_from(dice.below(10_000_000)).unwrap_or(1) + 1;
    match dice.below(6) {
        0 => (10_000, -four),
        1 => (three_decimals(dice), four),
        2 => (0, four),
        3 => (10_000, 0),
        4 => (1, 9_999_999_999),
        _ => (-30_000, four),
    }
}

fn three_decimals(dice: &mut Dice) -> i64 {
    i64::try_from(dice.below(99_999)).unwrap_or(1) + 1
}
