//! How figures and times are said to people.

use jiff::{SignedDuration, Timestamp};

use crate::output::Cell;

/// How long ago, in the largest unit that says enough.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    match seconds {
        i64::MIN..=-1 => format!("in {}", span(-seconds)),
        0 => "just now".into(),
        _ => format!("{} ago", span(seconds)),
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An instant: the time stamp for programs, the distance for people.
pub(crate) fn when(then: Option<Timestamp>, now: Timestamp) -> Cell {
    Cell::from(then.map(|then| Cell::new(then.to_string(), ago(then, now))))
}

/// A duration in seconds with one decimal.
pub(crate) fn seconds(milliseconds: i64) -> String {
    let tenths = (milliseconds.max(0) + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// The same for what is quick: milliseconds below a second.
pub(crate) fn quick(milliseconds: i64) -> String {
    if (0..1_000).contains(&milliseconds) { format!("{milliseconds} ms") } else { seconds(milliseconds) }
}

/// Milliseconds between two instants.
pub(crate) fn milliseconds(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

/// A count with thousands separated: `1,170`.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// A count with its thing, in the singular where it is one: `1 record`, `7 records`.
pub(crate) fn counted(number: i64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number of bytes: `812 kB`.
pub(crate) fn bytes(number: i64) -> String {
    match number {
        i64::MIN..10_000 => format!("{number} B"),
        10_000..10_000_000 => format!("{} kB", number / 1_000),
        _ => format!("{} MB", number / 1_000_000),
    }
}

/// A span as people write it: `90s`, `15m`, `12h`, `30d`.
pub(crate) fn parse_span(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?} is no span of time: write 90s, 15m, 12h or 30d");
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?);
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let total = number.checked_mul(seconds).filter(|total| (1..=3_650 * 86_400).contains(total)).ok_or_else(wrong)?;
    Ok(SignedDuration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_said_as_people_say_them() {
        assert_eq!(count(1_170), "1,170");
        assert_eq!(count(-1_234_567), "-1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(seconds(1_949), "1.9 s");
        assert_eq!(seconds(1_950), "2.0 s");
        assert_eq!((quick(28), quick(1_949)), ("28 ms".into(), "1.9 s".into()));
        assert_eq!(bytes(812_345), "812 kB");
        let then = Timestamp::from_second(1_000).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(ago(then, at(1_012)), "12 s ago");
        assert_eq!(ago(then, at(1_000 + 3 * 3_600)), "3 h ago");
        assert_eq!(ago(then, at(900)), "in 100 s");
    }

    #[test]
    fn spans_are_read_strictly() {
        assert_eq!(parse_span("15m").unwrap().as_secs(), 900);
        for wrong in ["", "15", "m", "-5m", "1w", "0s", "99999999999d"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}
