//! The `where` and `order` parameters: a small expression language in the manner of .NET's Dynamic LINQ.
//!
//! An expression is parsed and type-checked against the [`Schema`] of an endpoint, so that a bad one is refused even when
//! there is no row to try it on, and is then asked about rows through [`Fields`]. Text compares without case and accents.
//! A method on a null value is an error, as it is at Xero, unless a guard (`Reference != null AND …`) comes first.

mod eval;
mod lexer;
mod order;
mod parser;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

pub(crate) use order::{Order, parse_order};
pub(crate) use text::fold;

/// Decimals of [`Value::Number`].
const NUMBER_DP: u32 = 10;

/// A value of a row's field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// The field has no value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number in units of 10^-10; see [`Value::amount`] and [`Value::rate`].
    Number(i128),
    /// A text, enumerations included.
    Text(Cow<'a, str>),
    /// An id.
    Guid(u128),
    /// A date or an instant, in milliseconds since 1970 UTC.
    Instant(i64),
}

impl<'a> Value<'a> {
    /// An amount of money, a quantity or a percentage.
    pub(crate) fn amount(value: crate::books::Amount) -> Self {
        Self::Number(i128::from(value.0) * 1_000_000)
    }

    /// An exchange rate.
    pub(crate) fn rate(value: crate::books::Rate) -> Self {
        Self::Number(i128::from(value.0))
    }

    /// A text.
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// The type of a field, which decides what it may be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Number`].
    Number,
    /// [`Value::Text`].
    Text,
    /// [`Value::Guid`].
    Guid,
    /// [`Value::Instant`].
    Instant,
    /// The literal `null`.
    Null,
    /// A character literal; only errors come of it.
    Char,
}

impl Kind {
    /// The .NET name that error messages print.
    fn net_name(self) -> &'static str {
        match self {
            Self::Bool => "Boolean",
            Self::Number => "Decimal",
            Self::Text => "String",
            Self::Guid => "Guid",
            Self::Instant => "DateTime",
            Self::Null => "Object",
            Self::Char => "Char",
        }
    }
}

/// What an endpoint's rows can be asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// The .NET type name that error messages print, e.g. `Invoice`.
    pub(crate) name: &'static str,
    /// Field paths as in JSON (`Contact.ContactID`) and their types. Requests may spell them in any case.
    pub(crate) fields: &'static [(&'static str, Kind)],
    /// Fields whose equality Xero serves from an index.
    pub(crate) equality: &'static [&'static str],
    /// Fields whose ranges Xero serves from an index.
    pub(crate) range: &'static [&'static str],
    /// Fields whose equalities may be joined by OR and stay indexed.
    pub(crate) or_equality: &'static [&'static str],
    /// Fields that may be ordered by from an index.
    pub(crate) order: &'static [&'static str],
}

impl Schema {
    /// The canonical path and type of a field, whatever the case of `path`.
    fn find(&self, path: &str) -> Option<(&'static str, Kind)> {
        self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(path)).copied()
    }
}

/// A row that can be filtered and ordered.
pub(crate) trait Fields {
    /// The value of a field of the endpoint's schema, by its canonical path.
    fn field(&self, path: &str) -> Value<'_>;
}

/// A refused expression: the message of a `QueryParseException` (ErrorNumber 16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryError(pub(crate) String);

impl QueryError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A parsed and type-checked `where` expression.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    root: Expr,
}

impl Filter {
    /// Parses an expression against a schema.
    pub(crate) fn parse(text: &str, schema: &Schema) -> Result<Self, QueryError> {
        parser::parse(text, schema).map(|root| Self { root })
    }

    /// Whether a row satisfies the expression; an error when a method met a null.
    pub(crate) fn matches(&self, row: &dyn Fields) -> Result<bool, QueryError> {
        eval::truth(&self.root, row)
    }

    /// Whether every comparison is one that Xero serves from an index. Lists over many rows are refused otherwise.
    pub(crate) fn is_optimised(&self, schema: &Schema) -> bool {
        optimised(&self.root, schema, false)
    }

    /// Whether the expression mentions a field.
    pub(crate) fn uses(&self, path: &str) -> bool {
        mentions(&self.root, path)
    }

    /// The value that `path` must equal for any row to match: an equality that all the rest is joined to by AND.
    pub(crate) fn required_equality(&self, path: &str) -> Option<&Value<'static>> {
        match &self.root {
            Expr::And(parts) => parts.iter().find_map(|part| equality_of(part, path)),
            single => equality_of(single, path),
        }
    }
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A method of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Contains,
    StartsWith,
    EndsWith,
    ToLower,
    ToUpper,
}

#[derive(Debug, Clone)]
enum Expr {
    Literal(Value<'static>, Kind),
    Field(&'static str, Kind),
    Call { target: Box<Expr>, method: Method, argument: Option<Box<Expr>> },
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare { operator: Operator, left: Box<Expr>, right: Box<Expr> },
}

impl Expr {
    fn kind(&self) -> Kind {
        match self {
            Self::Literal(_, kind) | Self::Field(_, kind) => *kind,
            Self::Call { method: Method::ToLower | Method::ToUpper, .. } => Kind::Text,
            Self::Call { .. } | Self::Not(_) | Self::And(_) | Self::Or(_) | Self::Compare { .. } => Kind::Bool,
        }
    }
}

fn equality_of<'e>(expr: &'e Expr, path: &str) -> Option<&'e Value<'static>> {
    let Expr::Compare { operator: Operator::Equal, left, right } = expr else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Field(name, _), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Field(name, _)) => {
            (*name == path).then_some(value)
        }
        _ => None,
    }
}

fn optimised(expr: &Expr, schema: &Schema, under_or: bool) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| optimised(part, schema, under_or)),
        Expr::Or(parts) => parts.iter().all(|part| optimised(part, schema, true)),
        Expr::Compare { operator, left, right } => {
            let (Expr::Field(name, _), Expr::Literal(value, _)) = (left.as_ref(), right.as_ref()) else { return false };
            let indexed = match operator {
                Operator::Equal if under_or => schema.or_equality,
                Operator::Equal => schema.equality,
                Operator::NotEqual => return false,
                _ if under_or => return false,
                _ => schema.range,
            };
            indexed.contains(name) && *value != Value::Null
        }
        _ => false,
    }
}

fn mentions(expr: &Expr, path: &str) -> bool {
    match expr {
        Expr::Literal(..) => false,
        Expr::Field(name, _) => *name == path,
        Expr::Call { target, argument, .. } => {
            mentions(target, path) || argument.as_deref().is_some_and(|part| mentions(part, path))
        }
        Expr::Not(inner) => mentions(inner, path),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| mentions(part, path)),
        Expr::Compare { left, right, .. } => mentions(left, path) || mentions(right, path),
    }
}
