//! Values on their way into a statement, and rows on their way out, the same for both databases.

use jiff::Timestamp;
use jiff::civil::Date;
use model::{Amount, Rate};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::Error;

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    /// SQL's NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Text made for this statement.
    Owned(String),
    /// An exact amount.
    Amount(Amount),
    /// An exact rate.
    Rate(Rate),
    /// A calendar date.
    Date(Date),
    /// An instant, kept to the millisecond.
    Instant(Timestamp),
    /// A UUID.
    Uuid(Uuid),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list for `= ANY($n)`.
    Ints(&'a [i64]),
    /// A list for `= ANY($n)`.
    Uuids(&'a [Uuid]),
    /// A list for `= ANY($n)`.
    Texts(&'a [&'a str]),
}

/// What can stand in a column: how it goes in and how it comes out.
pub(crate) trait Column: Sized {
    /// As a parameter.
    fn bind(&self) -> Value<'_>;
    /// From a cell; `None` where the cell holds something else.
    fn read(cell: Cell) -> Option<Self>;
}

/// One cell of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// SQL's NULL.
    Null,
    /// A boolean (PostgreSQL only; SQLite has 0 and 1).
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// A decimal (PostgreSQL only).
    Decimal(Decimal),
    /// A calendar date (PostgreSQL only; SQLite has text).
    Date(Date),
    /// An instant (PostgreSQL only; SQLite has text).
    Instant(Timestamp),
    /// A UUID (PostgreSQL only; SQLite has bytes).
    Uuid(Uuid),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Text(_) => "text",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Instant(_) => "an instant",
            Self::Uuid(_) => "a uuid",
            Self::Bytes(_) => "bytes",
        }
    }
}

impl Column for String {
    fn bind(&self) -> Value<'_> {
        Value::Text(self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Column for i64 {
    fn bind(&self) -> Value<'_> {
        Value::Int(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Int(number) => Some(number),
            // PostgreSQL's SUM over BIGINT is NUMERIC.
            Cell::Decimal(number) => i64::try_from(number).ok(),
            _ => None,
        }
    }
}

impl Column for bool {
    fn bind(&self) -> Value<'_> {
        Value::Bool(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Bool(flag) => Some(flag),
            Cell::Int(0) => Some(false),
            Cell::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl Column for Amount {
    fn bind(&self) -> Value<'_> {
        Value::Amount(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Decimal(number) => Self::try_from(number).ok(),
            Cell::Int(ten_thousandths) => Some(Self::from_e4(ten_thousandths)),
            _ => None,
        }
    }
}

impl Column for Rate {
    fn bind(&self) -> Value<'_> {
        Value::Rate(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Decimal(number) => Self::try_from(number).ok(),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Column for Date {
    fn bind(&self) -> Value<'_> {
        Value::Date(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Date(date) => Some(date),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Column for Timestamp {
    fn bind(&self) -> Value<'_> {
        Value::Instant(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Instant(instant) => Some(instant),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Column for Uuid {
    fn bind(&self) -> Value<'_> {
        Value::Uuid(*self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Uuid(id) => Some(id),
            Cell::Bytes(bytes) => Self::from_slice(&bytes).ok(),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn bind(&self) -> Value<'_> {
        Value::Bytes(self)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn bind(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Column::bind)
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            other => T::read(other).map(Some),
        }
    }
}

/// Columns whose text is an enum's name.
macro_rules! named_columns {
    ($($type:ty),+ $(,)?) => { $(impl Column for $type {
        fn bind(&self) -> Value<'_> { Value::Text(self.as_str()) }
        fn read(cell: Cell) -> Option<Self> {
            match cell { Cell::Text(text) => Self::parse(&text), _ => None }
        }
    })+ };
}
named_columns!(
    model::CustomerStatus,
    model::DocumentStatus,
    model::PaymentStatus,
    model::PaymentMethod,
    model::LineAmountTypes,
    model::PhoneType,
    model::AddressType,
);

impl Column for model::Kind {
    fn bind(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Column for Vec<model::Tracking> {
    fn bind(&self) -> Value<'_> {
        if self.is_empty() {
            return Value::Null;
        }
        Value::Owned(serde_json::to_string(self).expect("names serialise"))
    }
    fn read(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(Vec::new()),
            Cell::Text(text) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }
}

/// One row of a result, read from left to right.
#[derive(Debug)]
pub(crate) struct Row {
    cells: std::vec::IntoIter<Cell>,
    width: usize,
}

impl Row {
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self { width: cells.len(), cells: cells.into_iter() }
    }

    /// The next cell as this type.
    ///
    /// # Errors
    /// [`Error::BadRow`] where the cell holds something else, as only a change by hand can make it.
    pub(crate) fn take<T: Column>(&mut self) -> Result<T, Error> {
        let at = self.width - self.cells.len();
        let cell = self.cells.next().ok_or_else(|| Error::BadRow(format!("there is no column {at}")))?;
        let held = cell.type_name();
        T::read(cell).ok_or_else(|| {
            Error::BadRow(format!("column {at} holds {held} where {} belongs", std::any::type_name::<T>()))
        })
    }
}
