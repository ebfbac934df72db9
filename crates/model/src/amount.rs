//! Exact money: [`Amount`] with four decimals, [`Rate`] with up to ten.
//!
//! Xero's money has two decimals, unit prices and quantities four, exchange rates up to ten (Xero's documentation of
//! invoices, `unitdp`). No binary float touches any of them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a number cannot be an [`Amount`] or a [`Rate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Digits would be lost.
    #[error("{0} has more than {1} decimals")]
    TooPrecise(Decimal, u32),
    /// Beyond what the books can hold.
    #[error("{0} is outside the range of the books (922,337,203,685,477.5807 either way)")]
    OutOfRange(Decimal),
    /// Not a decimal number at all.
    #[error("{0:?} is not a decimal number")]
    NotANumber(String),
}

/// An exact amount in units of the currency, with four decimals, held as ten-thousandths.
///
/// Four decimals hold every currency's minor unit (three at most, ISO 4217) and Xero's four-decimal unit prices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    const DECIMALS: u32 = 4;

    /// From ten-thousandths of a unit.
    pub const fn from_e4(ten_thousandths: i64) -> Self {
        Self(ten_thousandths)
    }

    /// As ten-thousandths of a unit.
    pub const fn e4(self) -> i64 {
        self.0
    }

    /// As a decimal with four decimals.
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, Self::DECIMALS)
    }

    /// The sum, or `None` beyond the range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// True for exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<Decimal> for Amount {
    type Error = AmountError;

    fn try_from(value: Decimal) -> Result<Self, AmountError> {
        let plain = value.normalize();
        if plain.scale() > Self::DECIMALS {
            return Err(AmountError::TooPrecise(value, Self::DECIMALS));
        }
        let factor = 10_i128.pow(Self::DECIMALS - plain.scale());
        let scaled = plain.mantissa().checked_mul(factor).ok_or(AmountError::OutOfRange(value))?;
        i64::try_from(scaled).map(Self).map_err(|_| AmountError::OutOfRange(value))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Decimal::from_str_exact(text.trim()).map_err(|_| AmountError::NotANumber(text.to_owned()))?.try_into()
    }
}

impl Amount {
    /// At least two decimals, as money is read: `12.50`, and `0.1234` where there are more. Written from the right into
    /// a buffer of the caller's, because amounts are most of a document's canonical form.
    fn text(self, buffer: &mut [u8; 24]) -> &str {
        let (mut whole, mut part) = (self.0.unsigned_abs() / 10_000, self.0.unsigned_abs() % 10_000);
        let mut decimals = 4;
        while decimals > 2 && part.is_multiple_of(10) {
            part /= 10;
            decimals -= 1;
        }
        let mut start = buffer.len();
        let mut put = |character: u8| {
            start -= 1;
            buffer[start] = character;
        };
        let digit = |rest: u64| b'0' + u8::try_from(rest % 10).unwrap_or_default();
        for _ in 0..decimals {
            put(digit(part));
            part /= 10;
        }
        put(b'.');
        put(digit(whole));
        while whole >= 10 {
            whole /= 10;
            put(digit(whole));
        }
        if self.0 < 0 {
            put(b'-');
        }
        std::str::from_utf8(&buffer[start..]).unwrap_or_default()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut [0; 24]))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; 24]))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An exchange rate or another ratio, with at most ten decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate(Decimal);

impl Rate {
    const DECIMALS: u32 = 10;

    /// The exact value, without trailing zeros.
    pub const fn decimal(self) -> Decimal {
        self.0
    }
}

impl TryFrom<Decimal> for Rate {
    type Error = AmountError;

    fn try_from(value: Decimal) -> Result<Self, AmountError> {
        let plain = value.normalize();
        if plain.scale() > Self::DECIMALS {
            return Err(AmountError::TooPrecise(value, Self::DECIMALS));
        }
        // The column holds 18 digits before the point.
        if plain.abs() >= Decimal::new(1_000_000_000_000_000_000, 0) {
            return Err(AmountError::OutOfRange(value));
        }
        Ok(Self(plain))
    }
}

impl FromStr for Rate {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Decimal::from_str_exact(text.trim()).map_err(|_| AmountError::NotANumber(text.to_owned()))?.try_into()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_writes_exactly() {
        for (text, e4, shown) in [
            ("24.15", 241_500, "24.15"),
            ("24.1500", 241_500, "24.15"),
            ("0.1234", 1_234, "0.1234"),
            ("-0.005", -50, "-0.005"),
            ("9999999999.99", 99_999_999_999_900, "9999999999.99"),
            ("-0", 0, "0.00"),
            ("7", 70_000, "7.00"),
            ("-10.5", -105_000, "-10.50"),
            ("0.01", 100, "0.01"),
            ("1.230", 12_300, "1.23"),
            ("1000000", 10_000_000_000, "1000000.00"),
            ("922337203685477.5807", i64::MAX, "922337203685477.5807"),
            ("-922337203685477.5808", i64::MIN, "-922337203685477.5808"),
        ] {
            assert_eq!(amount(text).e4(), e4, "{text}");
            assert_eq!(amount(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_could_not_hold() {
        assert!(matches!("0.00001".parse::<Amount>(), Err(AmountError::TooPrecise(..))));
        assert!(matches!("922337203685477.5808".parse::<Amount>(), Err(AmountError::OutOfRange(_))));
        assert!(matches!("1e3".parse::<Amount>(), Err(AmountError::NotANumber(_))));
        assert!(matches!("0.12345678901".parse::<Rate>(), Err(AmountError::TooPrecise(..))));
        assert_eq!("0.1234567890".parse::<Rate>().unwrap().to_string(), "0.123456789");
    }

    #[test]
    fn equal_values_have_one_text() {
        assert_eq!(serde_json::to_string(&amount("1.50")).unwrap(), serde_json::to_string(&amount("1.5000")).unwrap());
        assert_eq!(serde_json::from_str::<Amount>("\"1.5\"").unwrap(), amount("1.50"));
    }

    #[test]
    fn display_pads_to_a_width() {
        assert_eq!(format!("{:>8}", amount("1.5")), "    1.50");
    }
}
