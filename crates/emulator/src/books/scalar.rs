//! Small values of the books: money, rates, instants, currency codes. All exact, none a float.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

/// Shared text. Equal texts of generated books share one allocation.
pub type Text = Arc<str>;

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// Money, a quantity or a percentage: an exact number of ten-thousandths (4 decimals), in 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(pub i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Ten-thousandths per unit.
    pub const UNIT: i64 = 10_000;

    /// A whole number of cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents * 100)
    }

    /// The amount as a decimal with 4 decimals.
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, 4)
    }

    /// The decimal, half up at the fourth decimal; `None` when it does not fit (over 9 × 10¹⁴).
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        let mut scaled = value.round_dp_with_strategy(4, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        scaled.rescale(4);
        i64::try_from(scaled.mantissa()).ok().map(Self)
    }

    /// Whether it is exactly nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, |total, part| total + part)
    }
}

/// An exchange rate: an exact number of 10⁻¹⁰ (units of the document's currency per unit of the base currency).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub i64);

impl Rate {
    /// The rate of the base currency.
    pub const ONE: Self = Self(10_000_000_000);

    /// The rate as a decimal with 10 decimals.
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, 10)
    }

    /// The decimal, half up at the tenth decimal; `None` when it does not fit (over 9 × 10⁸).
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        let mut scaled = value.round_dp_with_strategy(10, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        scaled.rescale(10);
        i64::try_from(scaled.mantissa()).ok().map(Self)
    }
}

/// An ISO 4217 code such as `NZD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyCode([u8; 3]);

impl CurrencyCode {
    /// New Zealand dollar.
    pub const NZD: Self = Self(*b"NZD");

    /// Three ASCII letters in any case; `None` otherwise.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Self(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    /// The code in capitals.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency code is ASCII")
    }
}

impl fmt::Debug for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An enum whose values are words of the API: `as_str` writes the word, `parse` reads it (any case).
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$inner])* $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of a word, whatever its case.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}
pub(crate) use words;
