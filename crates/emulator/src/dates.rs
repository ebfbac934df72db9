//! Every date form of Xero's wire: read from requests, written into answers.
//!
//! A calendar date travels as the UTC midnight of that date; an instant is a count of milliseconds. Both are written as
//! `"\/Date(ms+0000)\/"` with the slashes escaped. Writers append to a byte buffer, quotes included, because lists of
//! hundreds of thousands of rows are made from them.

use jiff::civil::Date;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MS_PER_DAY: i64 = 86_400_000;
/// 0001-01-01, the first day that a .NET date holds; Xero prints it for dates that were never set.
const MIN_DAY: i64 = -719_162;
/// 9999-12-31, the last day that a .NET date holds.
const MAX_DAY: i64 = 2_932_896;

/// Days since 1970-01-01 (proleptic Gregorian).
pub(crate) fn days_of(date: Date) -> i64 {
    days_from_civil(i64::from(date.year()), i64::from(date.month()), i64::from(date.day()))
}

/// Counts days by months that begin in March, so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let doe = shifted.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let shifted_month = (5 * doy + 2) / 153;
    let day = doy - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Milliseconds since 1970 of the UTC midnight that stands for a calendar date.
pub(crate) fn date_ms(date: Date) -> i64 {
    days_of(date) * MS_PER_DAY
}

/// The UTC calendar date of an instant in milliseconds, held within the years 1 to 9999.
pub(crate) fn date_of_ms(ms: i64) -> Date {
    let (year, month, day) = civil_from_days(ms.div_euclid(MS_PER_DAY).clamp(MIN_DAY, MAX_DAY));
    let narrow = |n: i64| i8::try_from(n).unwrap_or(1);
    // The clamp keeps all three within a calendar date; the fallback is never taken.
    Date::new(i16::try_from(year).unwrap_or(1), narrow(month), narrow(day)).unwrap_or(Date::MIN)
}

/// Reads a date of a request: `2026-03-01`, `2026-03-01T00:00:00` (with fraction and zone tolerated, the written date
/// counts) or `/Date(ms)/` with any offset, of which the UTC date counts. `None` is Xero's ErrorNumber 14.
pub(crate) fn parse_request_date(text: &str) -> Option<Date> {
    let text = text.trim();
    if let Some(ms) = parse_ms_form(text) {
        return Some(date_of_ms(ms));
    }
    let (date, rest) = split_iso_date(text)?;
    if rest.is_empty() { Some(date) } else { parse_time_of_day(rest.strip_prefix(['T', 't', ' '])?).map(|_| date) }
}

/// Reads an instant: `If-Modified-Since` in the forms that clients send (ISO with or without zone, RFC 1123, a bare date,
/// `/Date(ms)/`). Without a zone it is UTC. The answer is in milliseconds, cut to the second as Xero does.
pub(crate) fn parse_if_modified_since(text: &str) -> Option<i64> {
    let text = text.trim().trim_matches('"');
    let ms = parse_ms_form(text).or_else(|| parse_rfc1123(text)).or_else(|| parse_iso_instant(text))?;
    Some(ms.div_euclid(1000) * 1000)
}

/// Reads an ISO date or date-time as milliseconds since 1970 UTC, as `DateTime.Parse("…")` in filters does.
pub(crate) fn parse_iso_instant(text: &str) -> Option<i64> {
    let (date, rest) = split_iso_date(text.trim())?;
    let midnight = date_ms(date);
    if rest.is_empty() {
        return Some(midnight);
    }
    let (of_day, offset) = parse_time_of_day(rest.strip_prefix(['T', 't', ' '])?)?;
    Some(midnight + of_day - offset)
}

/// `/Date(ms)/` and `/Date(ms±hhmm)/`; the offset tells how a clock showed the instant and does not move it.
fn parse_ms_form(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let (sign, digits) = match inner.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, inner),
    };
    let (number, offset) = match digits.find(['+', '-']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(number) || offset.is_some_and(|part| part.len() != 4 || !all_digits(part)) {
        return None;
    }
    let ms = sign * number.parse::<i64>().ok()?;
    let in_range = (MIN_DAY * MS_PER_DAY..(MAX_DAY + 1) * MS_PER_DAY).contains(&ms);
    in_range.then_some(ms)
}

fn split_iso_date(text: &str) -> Option<(Date, &str)> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || !text.is_char_boundary(10) {
        return None;
    }
    let year = digits(&bytes[..4])?;
    let (month, day) = (digits(&bytes[5..7])?, digits(&bytes[8..10])?);
    let narrow = |n: i64| i8::try_from(n).ok();
    let date = Date::new(i16::try_from(year).ok().filter(|y| *y >= 1)?, narrow(month)?, narrow(day)?).ok()?;
    Some((date, &text[10..]))
}

fn digits(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// `hh:mm[:ss[.fraction]][Z|±hh[:]mm]` as milliseconds of the day and the zone's offset in milliseconds.
fn parse_time_of_day(text: &str) -> Option<(i64, i64)> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (&text[..at], parse_offset(&text[at..])?),
        None => (text, 0),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(|part| if part.len() == 2 { digits(part.as_bytes()) } else { None });
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = match parts.next() {
        Some(part) => part?,
        None => 0,
    };
    let valid_fraction = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 || !valid_fraction {
        return None;
    }
    let millis = fraction.bytes().chain([b'0'; 3]).take(3).fold(0, |sum, b| sum * 10 + i64::from(b - b'0'));
    Some((((hours * 60 + minutes) * 60 + seconds) * 1000 + millis, offset))
}

fn parse_offset(text: &str) -> Option<i64> {
    let rest = match text.as_bytes().first()? {
        b'Z' | b'z' => return (text.len() == 1).then_some(0),
        _ => &text[1..],
    };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let bytes = rest.as_bytes();
    let (hours, minutes) = match bytes.len() {
        2 => (digits(bytes)?, 0),
        4 => (digits(&bytes[..2])?, digits(&bytes[2..])?),
        5 if bytes[2] == b':' => (digits(&bytes[..2])?, digits(&bytes[3..])?),
        _ => return None,
    };
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_rfc1123(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, clock, zone] = parts.as_slice() else { return None };
    if !["GMT", "UTC", "Z", "+0000"].contains(zone) || year.len() != 4 {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let (date, _) = split_iso_date(&format!("{year}-{month:02}-{day:0>2}"))?;
    Some(date_ms(date) + parse_time_of_day(clock)?.0)
}

fn push_int(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

fn push_padded(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
    }
}

/// Appends `"\/Date(ms+0000)\/"`, the form of instants such as `UpdatedDateUTC`.
pub(crate) fn push_ms(out: &mut Vec<u8>, ms: i64) {
    out.extend_from_slice(b"\"\\/Date(");
    push_int(out, ms);
    out.extend_from_slice(b"+0000)\\/\"");
}

/// Appends `"\/Date(ms)\/"`, the form of the envelope's `DateTimeUTC`.
pub(crate) fn push_ms_bare(out: &mut Vec<u8>, ms: i64) {
    out.extend_from_slice(b"\"\\/Date(");
    push_int(out, ms);
    out.extend_from_slice(b")\\/\"");
}

/// Appends a calendar date as `"\/Date(ms+0000)\/"` of its UTC midnight.
pub(crate) fn push_date(out: &mut Vec<u8>, date: Date) {
    push_ms(out, date_ms(date));
}

/// Appends `"2026-09-14T00:00:00"`, the form of `DateString`.
pub(crate) fn push_date_string(out: &mut Vec<u8>, date: Date) {
    out.push(b'"');
    push_civil(out, (i64::from(date.year()), i64::from(date.month()), i64::from(date.day())));
    out.extend_from_slice(b"T00:00:00\"");
}

/// Appends `"2026-09-14T09:29:59Z"`, the form of `UpdatedDateUTCString`: cut to the second.
pub(crate) fn push_utc_string(out: &mut Vec<u8>, ms: i64) {
    out.push(b'"');
    push_civil(out, civil_from_days(ms.div_euclid(MS_PER_DAY)));
    let second = ms.rem_euclid(MS_PER_DAY) / 1000;
    for (mark, part) in [(b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        push_padded(out, part, 2);
    }
    out.extend_from_slice(b"Z\"");
}

fn push_civil(out: &mut Vec<u8>, (year, month, day): (i64, i64, i64)) {
    push_padded(out, year, 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
}

/// A date as validation messages print it: `31-Mar-2026`.
pub(crate) fn message_date(date: Date) -> String {
    let month = MONTHS.get(usize::from(date.month().unsigned_abs()).wrapping_sub(1)).copied().unwrap_or(MONTHS[0]);
    format!("{:02}-{month}-{:04}", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn request_dates_in_every_form() {
        let first_of_march = Some(date(2026, 3, 1));
        for text in [
            "2026-03-01",
            " 2026-03-01 ",
            "2026-03-01T00:00:00",
            "2026-03-01T23:59:59.9999999",
            "2026-03-01T00:00:00Z",
            "2026-03-01T00:00:00+13:00",
            "/Date(1772323200000)/",
            "/Date(1772323200000+0000)/",
            "/Date(1772323200000+1300)/",
            "/Date(1772409599999)/",
        ] {
            assert_eq!(parse_request_date(text), first_of_march, "{text}");
        }
        assert_eq!(parse_request_date("/Date(-62135596800000+0000)/"), Some(date(1, 1, 1)));
        assert_eq!(parse_request_date("/Date(-1)/"), Some(date(1969, 12, 31)));
        assert_eq!(parse_request_date("1907-08-30"), Some(date(1907, 8, 30)));
        assert_eq!(parse_request_date("2024-02-29"), Some(date(2024, 2, 29)));
        for text in [
            "",
            "20100510",
            "2026-02-30",
            "2023-02-29",
            "2026-3-1",
            "01/03/2026",
            "2026-03-01T25:00:00",
            "0000-01-01",
            "2026-03-01T",
            "/Date()/",
            "/Date(1+00)/",
            "/Date(99999999999999999)/",
            "/Date(1",
            "2026-03-0é",
            "next week",
        ] {
            assert_eq!(parse_request_date(text), None, "{text}");
        }
    }

    #[test]
    fn if_modified_since_in_every_form() {
        let nine = Some(1_789_378_199_000);
        for text in [
            "2026-09-14T09:29:59",
            "2026-09-14 09:29:59",
            "2026-09-14T09:29:59Z",
            "2026-09-14T09:29:59.100Z",
            "2026-09-14T21:29:59+12:00",
            "2026-09-14T21:29:59+1200",
            "2026-09-14T04:29:59-05:00",
            "Mon, 14 Sep 2026 09:29:59 GMT",
            "/Date(1789378199100+0000)/",
            "\"2026-09-14T09:29:59\"",
        ] {
            assert_eq!(parse_if_modified_since(text), nine, "{text}");
        }
        assert_eq!(parse_if_modified_since("2026-09-14"), Some(1_789_344_000_000));
        for text in ["", "yesterday", "2026-13-01", "Mon, 14 Foo 2026 09:29:59 GMT", "2026-09-14T09:29:59+99:00"] {
            assert_eq!(parse_if_modified_since(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_observed() {
        let written = |push: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            push(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(&|out| push_ms(out, 1_789_378_199_100)), r#""\/Date(1789378199100+0000)\/""#);
        assert_eq!(written(&|out| push_ms_bare(out, 1_789_269_376_195)), r#""\/Date(1789269376195)\/""#);
        assert_eq!(written(&|out| push_date(out, date(1, 1, 1))), r#""\/Date(-62135596800000+0000)\/""#);
        assert_eq!(written(&|out| push_date_string(out, date(2026, 9, 4))), r#""2026-09-04T00:00:00""#);
        assert_eq!(written(&|out| push_utc_string(out, 1_789_378_199_999)), r#""2026-09-14T09:29:59Z""#);
        assert_eq!(written(&|out| push_utc_string(out, -1)), r#""1969-12-31T23:59:59Z""#);
        assert_eq!(message_date(date(2026, 3, 31)), "31-Mar-2026");
    }

    #[test]
    fn days_agree_with_the_calendar_library() {
        let epoch = date(1970, 1, 1);
        let mut day = MIN_DAY;
        while day <= MAX_DAY {
            let civil = date_of_ms(day * MS_PER_DAY);
            assert_eq!(i64::from(epoch.until(civil).unwrap().get_days()), day);
            assert_eq!(days_of(civil), day);
            day += 97;
        }
    }
}
