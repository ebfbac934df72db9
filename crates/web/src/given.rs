//! What a request gives of a record, field by field: absent, null or a value, with the name of the field in every problem.
//!
//! Updates are merge patches (RFC 7396): absent means unchanged, null means cleared. Lists are given whole.

use std::collections::BTreeSet;

use jiff::civil::Date;
use model::{
    AddressType, Amount, CustomerStatus, DocumentStatus, LineAmountTypes, PaymentMethod, PaymentStatus, PhoneType, Rate,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::problem::Problem;

/// Longest text of any field, in characters.
const LONGEST_TEXT: usize = 4_000;
/// Longest list of any field.
const LONGEST_LIST: usize = 1_000;

/// What a request says about a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Given<T> {
    /// Nothing.
    #[default]
    Absent,
    /// That it is to be empty.
    Null,
    /// What it is to be.
    Value(T),
}

/// How much of a record a request gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: what is absent is empty.
    Whole,
    /// What changes: what is absent stays.
    Part,
}

impl<T> Given<T> {
    /// Sets a field that may be empty.
    pub(crate) fn set<U: From<T>>(self, field: &mut Option<U>, extent: Extent) {
        match self {
            Self::Absent if extent == Extent::Part => {}
            Self::Absent | Self::Null => *field = None,
            Self::Value(value) => *field = Some(value.into()),
        }
    }

    /// Sets a field that is never empty; it stays as it is where the request says nothing.
    pub(crate) fn fix(self, field: &mut T, name: &str) -> Result<(), Problem> {
        match self {
            Self::Absent => Ok(()),
            Self::Null => Err(Problem::invalid(format!("{name}: cannot be empty"))),
            Self::Value(value) => {
                *field = value;
                Ok(())
            }
        }
    }

    /// The value, if there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<T> Given<Vec<T>> {
    /// Sets a list; an empty one and none are the same.
    pub(crate) fn list<U>(self, field: &mut Vec<U>, extent: Extent, each: impl FnMut(T) -> U) {
        match self {
            Self::Absent if extent == Extent::Part => {}
            Self::Absent | Self::Null => field.clear(),
            Self::Value(items) => *field = items.into_iter().map(each).collect(),
        }
    }
}

/// The members of a JSON object, taken one by one; what is left over is refused.
pub(crate) struct Fields {
    members: Map<String, Value>,
    /// Where the object stands, for problems: empty, or such as `lines[2].`.
    place: String,
    known: BTreeSet<String>,
}

/// What can be read from the value of a field.
pub(crate) trait Readable: Sized {
    /// Reads it; `place` is the field's name.
    fn read(value: Value, place: &str) -> Result<Self, Problem>;
}

/// An object that a request gives.
pub(crate) trait Body: Sized {
    /// Takes its fields.
    fn take(fields: &mut Fields) -> Result<Self, Problem>;

    /// Reads the whole of it.
    fn whole(value: Value, place: &str) -> Result<Self, Problem> {
        let Value::Object(members) = value else {
            let what = if place.is_empty() { "the body" } else { place };
            return Err(Problem::invalid(format!("{what}: must be an object")));
        };
        let place = if place.is_empty() { String::new() } else { format!("{place}.") };
        let mut fields = Fields { members, place, known: BTreeSet::new() };
        let body = Self::take(&mut fields)?;
        fields.end()?;
        Ok(body)
    }
}

impl Fields {
    /// Takes a field, named as in Rust.
    pub(crate) fn take<T: Readable>(&mut self, name: &str) -> Result<Given<T>, Problem> {
        let name = camel(name);
        let value = self.members.remove(&name);
        let place = format!("{}{name}", self.place);
        self.known.insert(name);
        match value {
            None => Ok(Given::Absent),
            // An empty text says as much as none.
            Some(Value::Null) => Ok(Given::Null),
            Some(Value::String(text)) if text.is_empty() => Ok(Given::Null),
            Some(value) => T::read(value, &place).map(Given::Value),
        }
    }

    fn end(self) -> Result<(), Problem> {
        let Some(unknown) = self.members.keys().next() else { return Ok(()) };
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(60).collect();
        Err(Problem::invalid(format!(
            "{}{unknown}: there is no such field to write; there are {}",
            self.place,
            known.join(", ")
        )))
    }
}

/// `due_date` as `dueDate`, `r#type` as `type`.
fn camel(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut raise = false;
    for character in name.trim_start_matches("r#").chars() {
        if character == '_' {
            raise = true;
        } else if raise {
            text.push(character.to_ascii_uppercase());
            raise = false;
        } else {
            text.push(character);
        }
    }
    text
}

fn wrong<T>(place: &str, wanted: &str) -> Result<T, Problem> {
    Err(Problem::invalid(format!("{place}: must be {wanted}")))
}

impl Readable for String {
    fn read(value: Value, place: &str) -> Result<Self, Problem> {
        let Value::String(text) = value else { return wrong(place, "a text") };
        if text.contains('\0') {
            return wrong(place, "a text without the character U+0000");
        }
        if text.chars().count() > LONGEST_TEXT {
            return wrong(place, &format!("at most {LONGEST_TEXT} characters"));
        }
        Ok(text)
    }
}

/// Amounts come as they are given: as text, because JSON numbers lose digits in many programs.
macro_rules! decimals {
    ($($type:ty),+) => { $(
        impl Readable for $type {
            fn read(value: Value, place: &str) -> Result<Self, Problem> {
                let Value::String(text) = value else { return wrong(place, "a decimal number as text, such as \"24.15\"") };
                text.parse().map_err(|error| Problem::invalid(format!("{place}: {error}")))
            }
        }
    )+ };
}
decimals!(Amount, Rate);

impl Readable for Date {
    fn read(value: Value, place: &str) -> Result<Self, Problem> {
        const WANTED: &str = "a date such as \"2026-03-31\"";
        let Value::String(text) = value else { return wrong(place, WANTED) };
        let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match text.parse::<Self>() {
            Ok(date) if is_plain && date.year() >= 1900 => Ok(date),
            _ => wrong(place, WANTED),
        }
    }
}

impl Readable for i64 {
    fn read(value: Value, place: &str) -> Result<Self, Problem> {
        value.as_i64().map_or_else(|| wrong(place, "a whole number"), Ok)
    }
}

impl Readable for Uuid {
    fn read(value: Value, place: &str) -> Result<Self, Problem> {
        let id = value.as_str().and_then(|text| text.parse().ok());
        id.map_or_else(|| wrong(place, "an id of Xero's, such as \"6f2fa2e5-9a1c-4e2b-8a57-6a6a6e2b7c31\""), Ok)
    }
}

macro_rules! words {
    ($($type:ty: $wanted:literal;)+) => { $(
        impl Readable for $type {
            fn read(value: Value, place: &str) -> Result<Self, Problem> {
                value.as_str().and_then(Self::parse).map_or_else(|| wrong(place, $wanted), Ok)
            }
        }
    )+ };
}
words! {
    CustomerStatus: "ACTIVE or ARCHIVED";
    DocumentStatus: "DRAFT, SENT, OVERDUE or CANCELLED";
    PaymentStatus: "COMPLETED or CANCELLED";
    PaymentMethod: "BANK_TRANSFER, CREDIT, OVERPAYMENT, PREPAYMENT or OTHER";
    LineAmountTypes: "EXCLUSIVE, INCLUSIVE or NO_TAX";
    PhoneType: "DEFAULT, DDI, MOBILE or FAX";
    AddressType: "POBOX or STREET";
}

impl<T: Readable> Readable for Vec<T> {
    fn read(value: Value, place: &str) -> Result<Self, Problem> {
        let Value::Array(items) = value else { return wrong(place, "a list") };
        if items.len() > LONGEST_LIST {
            return wrong(place, &format!("a list of at most {LONGEST_LIST}"));
        }
        items.into_iter().enumerate().map(|(at, item)| T::read(item, &format!("{place}[{at}]"))).collect()
    }
}

/// Declares an object that a request may give. Each field names the type that it is read as and the one by which it is
/// described.
macro_rules! body {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty as $shown:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, utoipa::ToSchema)]
        #[schema(rename_all = "camelCase")]
        pub(crate) struct $name {
            $($(#[$fmeta])* #[schema(value_type = Option<$shown>, required = false)]
            pub(crate) $field: $crate::given::Given<$type>,)+
        }

        impl $crate::given::Body for $name {
            fn take(fields: &mut $crate::given::Fields) -> Result<Self, $crate::problem::Problem> {
                Ok(Self { $($field: fields.take(stringify!($field))?,)+ })
            }
        }

        impl $crate::given::Readable for $name {
            fn read(value: serde_json::Value, place: &str) -> Result<Self, $crate::problem::Problem> {
                <Self as $crate::given::Body>::whole(value, place)
            }
        }
    };
}
pub(crate) use body;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Pair {
        name: Given<String>,
        due_date: Given<Date>,
        amounts: Given<Vec<Amount>>,
    }

    impl Body for Pair {
        fn take(fields: &mut Fields) -> Result<Self, Problem> {
            Ok(Self {
                name: fields.take("name")?,
                due_date: fields.take("due_date")?,
                amounts: fields.take("amounts")?,
            })
        }
    }

    fn detail(value: Value) -> String {
        match Pair::whole(value, "") {
            Ok(_) => "fine".into(),
            Err(problem) => problem.detail().to_owned(),
        }
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let pair = Pair::whole(json!({"name": null, "dueDate": "2026-03-31"}), "").unwrap();
        assert_eq!((pair.name, pair.amounts), (Given::Null, Given::Absent));
        assert_eq!(pair.due_date, Given::Value("2026-03-31".parse().unwrap()));
        let mut field = Some("old".to_owned());
        Given::<String>::Absent.set(&mut field, Extent::Part);
        assert_eq!(field.as_deref(), Some("old"));
        Given::<String>::Absent.set(&mut field, Extent::Whole);
        assert_eq!(field, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            detail(json!({"nmae": "x"})),
            "nmae: there is no such field to write; there are amounts, dueDate, name"
        );
        assert_eq!(detail(json!({"name": 5})), "name: must be a text");
        assert_eq!(detail(json!({"name": "a\u{0}b"})), "name: must be a text without the character U+0000");
        assert_eq!(detail(json!({"name": "x".repeat(4001)})), "name: must be at most 4000 characters");
        assert_eq!(
            detail(json!({"amounts": ["1.00", 2.5]})),
            "amounts[1]: must be a decimal number as text, such as \"24.15\""
        );
        assert_eq!(detail(json!({"amounts": ["1.00001"]})), "amounts[0]: 1.00001 has more than 4 decimals");
        for date in ["2026-02-30", "31.03.2026", "2026-03-31T10:00:00Z", "0001-01-01", "20260331"] {
            assert_eq!(detail(json!({"dueDate": date})), "dueDate: must be a date such as \"2026-03-31\"", "{date}");
        }
        assert_eq!(detail(json!([])), "the body: must be an object");
    }
}
