//! How values cross the wire: one lenient reader and one exact writer per scalar, and the macros that declare models.
//!
//! Xero omits what has no value, sometimes sends `null` or `""` for it, and answers an absent child with an empty array. All of
//! these read as absent. What has a value and cannot be read is an error: guessing would put a wrong figure into books.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::scalars;

/// A value that may be absent on the wire: `Option` of a scalar, or a list of them.
pub(crate) trait Wire: Sized + Default {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    fn is_absent(&self) -> bool;
}

/// One value on the wire.
pub(crate) trait Scalar: Sized {
    /// Reads a value; `null` (and, where a text has no meaning when empty, `""`) is `None`.
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error>;
    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

pub(crate) fn read<'de, T: Wire, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

pub(crate) fn write<T: Wire, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

impl<T: Scalar> Wire for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read_some(deserializer)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.write_some(serializer),
            None => serializer.serialize_none(),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Scalar> Wire for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::read_some(deserializer)?.unwrap_or_default())
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write_some(serializer)
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A list as a scalar, so that `Option<Vec<T>>` can tell "not sent" from "sent empty" in write models.
impl<T: Scalar> Scalar for Vec<T> {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Scalar> Visitor<'de> for Items<T> {
            type Value = Option<Vec<T>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Element<T>>()? {
                    items.extend(item.0);
                }
                Ok(Some(items))
            }
        }
        deserializer.deserialize_any(Items(PhantomData))
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.len()))?;
        for item in self {
            seq.serialize_element(&ElementRef(item))?;
        }
        seq.end()
    }
}

struct Element<T>(Option<T>);
struct ElementRef<'a, T>(&'a T);

impl<'de, T: Scalar> Deserialize<'de> for Element<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read_some(deserializer).map(Element)
    }
}

impl<T: Scalar> Serialize for ElementRef<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write_some(serializer)
    }
}

/// Reads a text and hands it to `parse`; `null` and `""` are absent.
struct Text<F, T> {
    expecting: &'static str,
    parse: F,
    result: PhantomData<T>,
}

impl<'de, T, E2, F> Visitor<'de> for Text<F, T>
where
    F: FnOnce(&str) -> Result<T, E2>,
    E2: fmt::Display,
{
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() { Ok(None) } else { (self.parse)(text).map(Some).map_err(E::custom) }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Reads a text scalar with `parse`.
pub(crate) fn read_text<'de, D, T, E, F>(
    deserializer: D,
    expecting: &'static str,
    parse: F,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    F: FnOnce(&str) -> Result<T, E>,
    E: fmt::Display,
{
    deserializer.deserialize_any(Text { expecting, parse, result: PhantomData })
}

impl Scalar for Uuid {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        read_text(deserializer, "a GUID", Uuid::try_parse)
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Scalar for Date {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        read_text(deserializer, "a date", scalars::parse_date)
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Scalar for Timestamp {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        read_text(deserializer, "a date and time", scalars::parse_instant)
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&scalars::format_instant(*self))
    }
}

/// Exact: the digits on the wire are the digits of the value. Only works on JSON text, not on an already parsed tree, because
/// a tree holds numbers as binary floats.
impl Scalar for Decimal {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = match raw.as_bytes().first() {
            Some(b'"') => &raw[1..raw.len() - 1],
            Some(b'n') => return Ok(None),
            _ => raw,
        };
        if text.is_empty() { Ok(None) } else { scalars::parse_decimal(text).map(Some).map_err(de::Error::custom) }
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl Scalar for String {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        struct AnyText;
        impl Visitor<'_> for AnyText {
            type Value = Option<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Some(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Some(text))
            }

            // A code such as 200 is a text that some documents write as a number.
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Some(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Some(number.to_string()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
        }
        deserializer.deserialize_any(AnyText)
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Scalar for bool {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        struct Truth;
        impl Visitor<'_> for Truth {
            type Value = Option<bool>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Some(value))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "" => Ok(None),
                    _ if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
                    _ if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(scalars::bounded(text, 64)), &self)),
                }
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
        }
        deserializer.deserialize_any(Truth)
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }
}

impl Scalar for i64 {
    fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let Some(number) = Decimal::read_some(deserializer)? else { return Ok(None) };
        let whole = number.fract().is_zero().then(|| i64::try_from(number).ok()).flatten();
        whole.map(Some).ok_or_else(|| de::Error::custom(format!("{number} is not a whole number of 64 bits")))
    }

    fn write_some<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*self)
    }
}

/// Declares a model: a struct whose fields are all [`Wire`] values, absent ones left out when written. Fields marked `required`
/// must be present (ids). Unknown fields on the wire are ignored.
macro_rules! model {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(required { $( $(#[$rmeta:meta])* pub $rfield:ident: $rty:ty, )* })?
            $( $(#[$fmeta:meta])* pub $field:ident: $ty:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($( $(#[$rmeta])* pub $rfield: $rty, )*)?
            $(
                $(#[$fmeta])*
                #[serde(
                    default,
                    deserialize_with = "crate::wire::read",
                    serialize_with = "crate::wire::write",
                    skip_serializing_if = "crate::wire::Wire::is_absent"
                )]
                pub $field: $ty,
            )*
        }

        impl crate::wire::Scalar for $name {
            fn read_some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
                <Option<$name> as serde::Deserialize>::deserialize(deserializer)
            }

            fn write_some<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(self, serializer)
            }
        }
    };
}
pub(crate) use model;

/// Declares an open enum: the values that Xero documents, and `Unknown` for the ones that it adds at any time.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$vmeta])* #[doc = concat!("`", $text, "`.")] $variant, )*
            /// A value that this crate does not know; kept as it came.
            Unknown(Box<str>),
        }

        impl $name {
            /// Every value that is known by name.
            pub const KNOWN: &'static [$name] = &[$( $name::$variant, )*];

            /// The value as Xero writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $( $name::$variant => $text, )*
                    $name::Unknown(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                match text {
                    $( $text => $name::$variant, )*
                    _ => $name::Unknown(text.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok($name::from(text.as_ref()))
            }
        }

        impl crate::wire::Scalar for $name {
            fn read_some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
                crate::wire::read_text(deserializer, "a text", |text| Ok::<_, std::convert::Infallible>($name::from(text)))
            }

            fn write_some<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use open_enum;

#[cfg(test)]
#[allow(unreachable_pub)] // the macros declare public items
mod tests {
    use super::*;

    open_enum! {
        /// A colour.
        pub enum Colour {
            Red = "RED",
            DarkBlue = "DARK-BLUE",
        }
    }

    model! {
        /// One field of each sort.
        pub struct Sample {
            required {
                #[serde(rename = "SampleID")]
                pub id: Uuid,
            }
            pub amount: Option<Decimal>,
            pub day: Option<Date>,
            #[serde(rename = "UpdatedDateUTC")]
            pub updated_date_utc: Option<Timestamp>,
            pub name: Option<String>,
            pub flag: Option<bool>,
            pub count: Option<i64>,
            pub colour: Option<Colour>,
            pub parts: Vec<Sample>,
            pub sent: Option<Vec<Sample>>,
        }
    }

    const ID: &str = r#""SampleID":"11111111-0000-4000-8000-000000000001""#;

    fn sample(fields: &str) -> Result<Sample, serde_json::Error> {
        serde_json::from_str(&format!("{{{ID}{fields}}}"))
    }

    #[test]
    fn absent_null_and_empty_are_absent() {
        let nothing = sample("").unwrap();
        let nulls = r#","Amount":null,"Day":null,"UpdatedDateUTC":null,"Name":null,"Flag":null,"Count":null,"Colour":null,"Parts":null,"Sent":null"#;
        assert_eq!(sample(nulls).unwrap(), nothing);
        let empties = r#","Amount":"","Day":"","UpdatedDateUTC":"","Flag":"","Count":"","Colour":"","Parts":[],"NotMapped":{"a":[1]}"#;
        assert_eq!(sample(empties).unwrap(), nothing);
        assert_eq!(serde_json::to_string(&nothing).unwrap(), format!("{{{ID}}}"));
        assert!(serde_json::from_str::<Sample>("{}").is_err(), "an id is required");
    }

    #[test]
    fn values_survive_a_round_trip_digit_by_digit() {
        let text = format!(
            r#"{{{ID},"Amount":0.7777777777,"Day":"2026-03-02","UpdatedDateUTC":"/Date(1772443799100+0000)/","Name":"","Flag":false,"Count":7,"Colour":"DARK-BLUE","Parts":[{{{ID}}}],"Sent":[]}}"#
        );
        let value: Sample = serde_json::from_str(&text).unwrap();
        assert_eq!(value.colour, Some(Colour::DarkBlue));
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    #[test]
    fn other_spellings_of_the_same_value() {
        let value = sample(r#","Amount":"1e1","Day":"\/Date(1772409600000+0000)\/","Name":200,"Flag":"TRUE","Count":3.0,"Colour":"PUCE""#).unwrap();
        assert_eq!(value.amount, Some(Decimal::TEN));
        assert_eq!(value.day, Some(jiff::civil::date(2026, 3, 2)));
        assert_eq!(value.name.as_deref(), Some("200"));
        assert_eq!(value.flag, Some(true));
        assert_eq!(value.count, Some(3));
        assert_eq!(value.colour, Some(Colour::Unknown("PUCE".into())));
        assert_eq!(Colour::KNOWN.iter().map(Colour::as_str).collect::<Vec<_>>(), ["RED", "DARK-BLUE"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for bad in [
            r#","Amount":"1,0""#,
            r#","Amount":[]"#,
            r#","Amount":true"#,
            r#","Amount":1e400"#,
            r#","Day":5"#,
            r#","Day":"soon""#,
            r#","UpdatedDateUTC":"/Date(99999999999999999)/""#,
            r#","Flag":"maybe""#,
            r#","Count":1.5"#,
            r#","Count":99999999999999999999"#,
            r#","Colour":{}"#,
            r#","Parts":{}"#,
            r#","Parts":[{}]"#,
            r#","Name":[]"#,
        ] {
            assert!(sample(bad).is_err(), "{bad}");
        }
    }
}
