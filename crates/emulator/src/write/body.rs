//! Request bodies: JSON read exactly (numbers stay text) and asked field by field, as .NET's deserialiser would.
//!
//! Property names match in any case, `null` is the same as absent, numbers and texts convert into each other. What does
//! not convert refuses the whole request with ErrorNumber 14 and the path of the value.

use jiff::civil::Date;
use uuid::Uuid;

use crate::books::{Amount, Rate};
use crate::{dates, money};

/// Deepest nesting of a body. Xero's objects nest five deep.
const MAX_DEPTH: usize = 32;

/// A body that cannot be read: the message of a `PostDataInvalidException` (ErrorNumber 14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadBody(pub(super) String);

/// A JSON value whose numbers keep their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Parses a body.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, BadBody> {
    let text = std::str::from_utf8(bytes).map_err(|_| BadBody("JSON for post data was invalid".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(BadBody("Content is empty".into()));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let value = parser.value()?;
    parser.blanks();
    if parser.at < text.len() { Err(parser.unexpected()) } else { Ok(value) }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> BadBody {
        let what = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        BadBody(match what {
            Some(c) => format!("Unexpected character encountered while parsing value: {c}. Position {}.", self.at),
            None => "Unexpected end when reading JSON.".into(),
        })
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<Json, BadBody> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.unexpected()),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, BadBody>) -> Result<Json, BadBody> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(BadBody(format!("The reader's MaxDepth of {MAX_DEPTH} has been exceeded.")));
        }
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, BadBody> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.unexpected())
        }
    }

    fn number(&mut self) -> Result<Json, BadBody> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = &rest[..end];
        if !is_number(number) {
            return Err(self.unexpected());
        }
        self.at += end;
        Ok(Json::Number(number.to_owned()))
    }

    fn object(&mut self) -> Result<Json, BadBody> {
        let mut members = Vec::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return Err(self.unexpected());
            }
            members.push((name, self.value()?));
            self.blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn array(&mut self) -> Result<Json, BadBody> {
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn string(&mut self) -> Result<String, BadBody> {
        if !self.take(b'"') {
            return Err(self.unexpected());
        }
        let mut value = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find(['"', '\\']).ok_or_else(|| BadBody("Unterminated string.".into()))?;
            value.push_str(&rest[..end]);
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                return Ok(value);
            }
            self.escape(&mut value)?;
        }
    }

    fn escape(&mut self, value: &mut String) -> Result<(), BadBody> {
        let kind = self.peek().ok_or_else(|| self.unexpected())?;
        let plain = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                value.push(self.unicode()?);
                return Ok(());
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        value.push(plain);
        Ok(())
    }

    /// Four hex digits, or two groups of them when they are a surrogate pair. A lone surrogate becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, BadBody> {
        let first = self.hex4()?;
        if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
            let mark = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = mark;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, BadBody> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).ok_or_else(|| self.unexpected())?;
        self.at += 4;
        Ok(value)
    }
}

/// JSON's grammar of numbers, except that leading zeros are let through.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

/// The members of an object, and where it is in the body.
#[derive(Debug, Clone)]
pub(super) struct Fields<'j> {
    members: &'j [(String, Json)],
    path: String,
}

impl<'j> Fields<'j> {
    /// The object at `path`.
    pub(super) fn of(value: &'j Json, path: String) -> Result<Self, BadBody> {
        match value {
            Json::Object(members) => Ok(Self { members, path }),
            other => Err(cannot_convert(other, "object", &path)),
        }
    }

    /// A member, `null` counting as absent; of two with the same name the last.
    fn get(&self, name: &str) -> Option<&'j Json> {
        let found = self.members.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value).filter(|value| **value != Json::Null)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn bad<T>(&self, value: &Json, type_name: &str, name: &str) -> Result<T, BadBody> {
        Err(cannot_convert(value, type_name, &self.path_of(name)))
    }

    /// Whether the member is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text; numbers and booleans are taken as their text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, BadBody> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) | Some(Json::Number(text)) => Ok(Some(text.clone())),
            Some(Json::Bool(value)) => Ok(Some(if *value { "True" } else { "False" }.to_owned())),
            Some(other) => self.bad(other, "System.String", name),
        }
    }

    /// A number with `dp` decimals (at most 4), further ones rounded.
    pub(super) fn amount(&self, name: &str, dp: u32) -> Result<Option<Amount>, BadBody> {
        self.number(name, |text| money::parse_amount(text, dp))
    }

    /// An exchange rate.
    pub(super) fn rate(&self, name: &str) -> Result<Option<Rate>, BadBody> {
        self.number(name, |text| money::parse_scaled(text, 10).map(Rate))
    }

    fn number<T>(&self, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, BadBody> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let parsed = match value {
            Json::Number(text) => read(text),
            Json::Text(text) if text.trim().is_empty() => return Ok(None),
            Json::Text(text) => read(text.trim()),
            _ => None,
        };
        match parsed {
            Some(number) => Ok(Some(number)),
            None => self.bad(value, "System.Nullable`1[System.Decimal]", name),
        }
    }

    /// A boolean, or a text that spells one.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, BadBody> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(Json::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Json::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(Json::Text(text)) if text.is_empty() => Ok(None),
            Some(other) => self.bad(other, "System.Nullable`1[System.Boolean]", name),
        }
    }

    /// A calendar date.
    pub(super) fn date(&self, name: &str) -> Result<Option<Date>, BadBody> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) if text.is_empty() => Ok(None),
            Some(Json::Text(text)) => match dates::parse_request_date(text) {
                Some(date) => Ok(Some(date)),
                None => Err(BadBody(format!("The string '{text}' is not a valid AllXsd value."))),
            },
            Some(other) => self.bad(other, "System.Nullable`1[System.DateTime]", name),
        }
    }

    /// An id. The zero GUID, which answers to failed creates carry, counts as absent.
    pub(super) fn id(&self, name: &str) -> Result<Option<Uuid>, BadBody> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) if text.is_empty() => Ok(None),
            Some(Json::Text(text)) => match Uuid::try_parse(text.trim()) {
                Ok(id) => Ok(Some(id).filter(|id| !id.is_nil())),
                Err(_) => self.bad(&Json::Text(text.clone()), "System.Guid", name),
            },
            Some(other) => self.bad(other, "System.Guid", name),
        }
    }

    /// A word of an enumeration, read by `parse`; `type_name` is what the refusal calls it.
    pub(super) fn word<T>(
        &self,
        name: &str,
        type_name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, BadBody> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) if text.is_empty() => Ok(None),
            Some(value @ Json::Text(text)) => match parse(text) {
                Some(word) => Ok(Some(word)),
                None => self.bad(value, &format!("Xero.API.Library..{type_name}"), name),
            },
            Some(other) => self.bad(other, &format!("Xero.API.Library..{type_name}"), name),
        }
    }

    /// A nested object.
    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'j>>, BadBody> {
        self.get(name).map(|value| Fields::of(value, self.path_of(name))).transpose()
    }

    /// A nested array of objects. A single object counts as an array of one.
    pub(super) fn objects(&self, name: &str) -> Result<Option<Vec<Fields<'j>>>, BadBody> {
        let Some(value) = self.get(name) else { return Ok(None) };
        objects_at(value, &self.path_of(name)).map(Some)
    }
}

fn objects_at<'j>(value: &'j Json, path: &str) -> Result<Vec<Fields<'j>>, BadBody> {
    match value {
        Json::Array(items) => {
            let numbered = items.iter().enumerate().filter(|(_, item)| **item != Json::Null);
            numbered.map(|(index, item)| Fields::of(item, format!("{path}[{index}]"))).collect()
        }
        single => Fields::of(single, path.to_owned()).map(|fields| vec![fields]),
    }
}

/// The elements of a body: an envelope `{"Invoices": […]}` (key in any case), a bare array, or a single object.
pub(super) fn elements<'j>(body: &'j Json, collection: &str) -> Result<Vec<Fields<'j>>, BadBody> {
    match body {
        Json::Array(_) => objects_at(body, ""),
        Json::Object(_) => {
            let whole = Fields::of(body, String::new())?;
            match whole.objects(collection)? {
                Some(elements) => Ok(elements),
                None => Ok(vec![whole]),
            }
        }
        other => Err(cannot_convert(other, "object", collection)),
    }
}

fn cannot_convert(value: &Json, type_name: &str, path: &str) -> BadBody {
    // Long texts are cut, so that an answer never grows with a hostile body.
    let shown: String = match value {
        Json::Null => "null".into(),
        Json::Bool(value) => if *value { "True" } else { "False" }.into(),
        Json::Number(text) => text.chars().take(100).collect(),
        Json::Text(text) => format!("\"{}\"", text.chars().take(100).collect::<String>()),
        Json::Array(_) => "[".into(),
        Json::Object(_) => "{".into(),
    };
    BadBody(format!("Error converting value {shown} to type '{type_name}'. Path '{path}'."))
}
