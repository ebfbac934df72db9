//! Text comparison without case and accents, as the service's database collates it.

use std::cmp::Ordering;

/// The letters U+00C0 to U+017F without case and accents; `.` marks those that stay as they are.
const PLAIN: &str = concat!(
    "aaaaaa.ceeeeiiii", // U+00C0
    ".nooooo.ouuuuy..", // U+00D0
    "aaaaaa.ceeeeiiii", // U+00E0
    ".nooooo.ouuuuy.y", // U+00F0
    "aaaaaaccccccccdd", // U+0100
    "ddeeeeeeeeeegggg", // U+0110
    "gggghhhhiiiiiiii", // U+0120
    "ii..jjkk.lllllll", // U+0130
    "lllnnnnnnn..oooo", // U+0140
    "oo..rrrrrrssssss", // U+0150
    "ssttttttuuuuuuuu", // U+0160
    "uuuuwwyyyzzzzzz.", // U+0170
);

/// One character without case and accent.
fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let at = (c as usize).wrapping_sub(0xC0);
    match PLAIN.as_bytes().get(at) {
        Some(b'.') | None => c.to_lowercase().next().unwrap_or(c),
        Some(plain) => char::from(*plain),
    }
}

/// Combining accents (U+0300 to U+036F) are dropped, so that both spellings of `é` are one.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).map(fold_char)
}

/// A text without case and accents: equal results mean texts that Xero holds equal.
pub(crate) fn fold(text: &str) -> String {
    folded(text).collect()
}

/// Compares without case and accents.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    folded(left).cmp(folded(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_covers_its_range() {
        assert_eq!(PLAIN.len(), 0x180 - 0xC0);
        for (index, plain) in PLAIN.chars().enumerate() {
            let letter = char::from_u32(0xC0 + index as u32).unwrap();
            let other = letter.to_lowercase().next().unwrap();
            assert_eq!(fold_char(letter), fold_char(other), "{letter} {plain}");
        }
    }

    #[test]
    fn case_and_accents_do_not_count() {
        assert_eq!(fold("Café ÅNGSTRÖM Ltd"), "cafe angstrom ltd");
        assert_eq!(fold("Cafe\u{301}"), "cafe");
        assert_eq!(fold("ΑΒΓ"), "αβγ");
        assert_eq!(compare("Zoë", "zoe"), Ordering::Equal);
        assert_eq!(compare("abc", "abd"), Ordering::Less);
    }
}
