//! Records as the oracle sees them.
//!
//! This goes by what a record says of itself to serde, as its JSON does, but names are not copied and nothing is written
//! out and read back: every round of every case does it several times.

use std::fmt::Display;

use oracle::merge::{Members, Value};
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeSeq, SerializeStruct, Serializer};

type Error = serde_json::Error;

/// A record in the oracle's form; null for none.
pub(super) fn plain<T: Serialize>(record: &T) -> Result<Value, String> {
    record.serialize(Plain).map_err(|error| format!("a record is no json: {error}"))
}

struct Plain;
struct Items(Vec<Value>);
struct Fields(Members);

/// What no record of the books has.
fn none_such<T>(what: &str) -> Result<T, Error> {
    Err(Error::custom(format!("records have no {what}")))
}

impl Serializer for Plain {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeStruct = Fields;
    type SerializeTuple = Impossible<Value, Error>;
    type SerializeTupleStruct = Impossible<Value, Error>;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeMap = Impossible<Value, Error>;
    type SerializeStructVariant = Impossible<Value, Error>;

    fn serialize_bool(self, is: bool) -> Result<Value, Error> {
        Ok(Value::Bool(is))
    }

    fn serialize_i8(self, number: i8) -> Result<Value, Error> {
        Ok(Value::Number(number.into()))
    }

    fn serialize_i16(self, number: i16) -> Result<Value, Error> {
        Ok(Value::Number(number.into()))
    }

    fn serialize_i32(self, number: i32) -> Result<Value, Error> {
        Ok(Value::Number(number.into()))
    }

    fn serialize_i64(self, number: i64) -> Result<Value, Error> {
        Ok(Value::Number(number))
    }

    fn serialize_u8(self, number: u8) -> Result<Value, Error> {
        Ok(Value::Number(number.into()))
    }

    fn serialize_u16(self, number: u16) -> Result<Value, Error> {
        Ok(Value::Number(number.into()))
    }

    fn serialize_u32(self, number: u32) -> Result<Value, Error> {
        Ok(Value::Number(number.into()))
    }

    fn serialize_u64(self, number: u64) -> Result<Value, Error> {
        i64::try_from(number).map(Value::Number).map_err(Error::custom)
    }

    fn serialize_f32(self, _number: f32) -> Result<Value, Error> {
        none_such("binary fractions")
    }

    fn serialize_f64(self, _number: f64) -> Result<Value, Error> {
        none_such("binary fractions")
    }

    fn serialize_char(self, letter: char) -> Result<Value, Error> {
        Ok(Value::from(letter.to_string()))
    }

    fn serialize_str(self, text: &str) -> Result<Value, Error> {
        Ok(Value::from(text))
    }

    fn collect_str<T: ?Sized + Display>(self, text: &T) -> Result<Value, Error> {
        Ok(Value::from(text.to_string()))
    }

    fn serialize_bytes(self, _bytes: &[u8]) -> Result<Value, Error> {
        none_such("bytes")
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _of: &'static str, _at: u32, name: &'static str) -> Result<Value, Error> {
        Ok(Value::from(name))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _name: &'static str, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _of: &'static str,
        _at: u32,
        _name: &'static str,
        _value: &T,
    ) -> Result<Value, Error> {
        none_such("variants with values")
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Error> {
        Ok(Items(Vec::with_capacity(length.unwrap_or(0))))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, Error> {
        none_such("tuples")
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Self::SerializeTupleStruct, Error> {
        none_such("tuples")
    }

    fn serialize_tuple_variant(
        self,
        _of: &'static str,
        _at: u32,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        none_such("variants with values")
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap, Error> {
        none_such("maps")
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Fields, Error> {
        // A line gets its key besides.
        Ok(Fields(Members::with_capacity(length + 1)))
    }

    fn serialize_struct_variant(
        self,
        _of: &'static str,
        _at: u32,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        none_such("variants with values")
    }
}

impl SerializeSeq for Items {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, item: &T) -> Result<(), Error> {
        self.0.push(item.serialize(Plain)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.0.into())
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.0.push(name, value.serialize(Plain)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.0.into())
    }
}
