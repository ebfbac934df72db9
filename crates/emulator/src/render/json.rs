//! JSON written straight into a byte buffer, key by key: no tree is ever built for an answer.

use jiff::civil::Date;
use uuid::Uuid;

use crate::books::{Amount, Millis, Rate};
use crate::{dates, money};

/// An open JSON object: every method writes one key with its value. Close it with [`Object::close`].
#[derive(Debug)]
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    /// Writes `{`.
    pub(crate) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Writes `}`.
    pub(crate) fn close(self) {
        self.out.push(b'}');
    }

    /// Writes the key and hands out the buffer for the value.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        push_text(self.key(key), value);
    }

    /// A text, left out when there is none.
    pub(crate) fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A text, empty when there is none.
    pub(crate) fn text_or_empty(&mut self, key: &str, value: Option<&str>) {
        self.text(key, value.unwrap_or_default());
    }

    /// An id in lower case with hyphens.
    pub(crate) fn id(&mut self, key: &str, value: Uuid) {
        push_id(self.key(key), value);
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A whole number.
    pub(crate) fn whole(&mut self, key: &str, value: i64) {
        let out = self.key(key);
        out.extend_from_slice(value.to_string().as_bytes());
    }

    /// An amount with at least one decimal.
    pub(crate) fn amount(&mut self, key: &str, value: Amount) {
        money::push_amount(self.key(key), value);
    }

    /// A rate with up to ten decimals.
    pub(crate) fn rate(&mut self, key: &str, value: Rate) {
        money::push_number(self.key(key), value.0, 10);
    }

    /// An instant with milliseconds.
    pub(crate) fn instant(&mut self, key: &str, value: Millis) {
        dates::push_ms(self.key(key), value);
    }

    /// A calendar date as its UTC midnight.
    pub(crate) fn date(&mut self, key: &str, value: Date) {
        dates::push_date(self.key(key), value);
    }

    /// `DateString` and `Date` for the key `Date`, in this order.
    pub(crate) fn date_pair(&mut self, key: &str, string_key: &str, value: Date) {
        dates::push_date_string(self.key(string_key), value);
        self.date(key, value);
    }

    /// `UpdatedDateUTCString`.
    pub(crate) fn utc_string(&mut self, key: &str, value: Millis) {
        dates::push_utc_string(self.key(key), value);
    }

    /// An instant to the second, without a zone.
    pub(crate) fn naive_string(&mut self, key: &str, value: Millis) {
        let mut text = Vec::new();
        dates::push_utc_string(&mut text, value);
        text.retain(|byte| !matches!(byte, b'Z' | b'"'));
        self.text(key, std::str::from_utf8(&text).unwrap_or_default());
    }

    /// An empty array.
    pub(crate) fn nothing(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"[]");
    }

    /// Several empty arrays.
    pub(crate) fn no(&mut self, keys: &[&str]) {
        for key in keys {
            self.nothing(key);
        }
    }

    /// A nested object.
    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        push_object(self.key(key), write);
    }

    /// An array of values that `write` appends one by one.
    pub(crate) fn array<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) {
        push_array(self.key(key), items, write);
    }
}

/// Appends an object.
pub(crate) fn push_object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    let mut object = Object::open(out);
    write(&mut object);
    object.close();
}

/// Appends an array of values that `write` appends one by one.
pub(crate) fn push_array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends a quoted id.
pub(crate) fn push_id(out: &mut Vec<u8>, id: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    out.push(b'"');
    out.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
    out.push(b'"');
}

/// Appends a quoted and escaped text.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (index, byte) in bytes.iter().copied().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..index]);
        plain_from = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut out = Vec::new();
        push_text(&mut out, "a \"quoted\" \\ back/slash\n\u{1} é 🦜");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a \\\"quoted\\\" \\\\ back/slash\\n\\u0001 é 🦜\"");
    }

    #[test]
    fn keys_are_separated_by_commas() {
        let mut out = Vec::new();
        push_object(&mut out, |object| {
            object.amount("A", Amount::from_cents(2415));
            object.nothing("B");
            object.object("C", |inner| inner.flag("D", true));
            object.array("E", [1, 2], |out, n| out.extend_from_slice(n.to_string().as_bytes()));
        });
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"A":24.15,"B":[],"C":{"D":true},"E":[1,2]}"#);
    }
}
