//! A typed builder for Xero's `where` language (xero-facts §3.7).
//!
//! What is known to break is impossible to write: strings are double-quoted, methods on nullable fields carry their null guard,
//! groups are bracketed. How Xero reads an escaped quote is not documented, and a wrong guess would let a value rewrite the
//! expression, so texts that hold `"` or `\` are refused: look such records up by id instead.

use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

/// A value that cannot stand safely in a `where` expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// The text has a quote, a backslash or a control character.
    #[error(
        "a where expression cannot hold a quote, backslash or control character: filter on another field, such as the id"
    )]
    UnsafeText,
    /// The field is not a dotted name.
    #[error("'{0}' is not a field name: use letters and dots, such as Contact.ContactID")]
    FieldName(String),
}

/// A field of the listed kind by its JSON name; dotted for a child: `Contact.ContactID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(String);

/// A value on the right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A text; compared without regard to case by Xero.
    Text(String),
    /// `guid("…")`.
    Guid(Uuid),
    /// `DateTime(y,m,d)`.
    Date(Date),
    /// A number.
    Number(Decimal),
    /// `true` or `false`.
    Bool(bool),
}

/// A `where` expression, or the first reason why it cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Result<String, InvalidFilter>);

impl Field {
    /// Names a field.
    pub fn new(name: &str) -> Field {
        Field(name.to_owned())
    }

    /// `field==value`.
    pub fn eq(&self, value: impl Into<Literal>) -> Filter {
        self.compare("==", value)
    }

    /// `field!=value`.
    pub fn ne(&self, value: impl Into<Literal>) -> Filter {
        self.compare("!=", value)
    }

    /// `field>value`.
    pub fn gt(&self, value: impl Into<Literal>) -> Filter {
        self.compare(">", value)
    }

    /// `field>=value`.
    pub fn ge(&self, value: impl Into<Literal>) -> Filter {
        self.compare(">=", value)
    }

    /// `field<value`.
    pub fn lt(&self, value: impl Into<Literal>) -> Filter {
        self.compare("<", value)
    }

    /// `field<=value`.
    pub fn le(&self, value: impl Into<Literal>) -> Filter {
        self.compare("<=", value)
    }

    /// `field==null`.
    pub fn is_null(&self) -> Filter {
        self.build(|name| Ok(format!("{name}==null")))
    }

    /// `field!=null`.
    pub fn is_not_null(&self) -> Filter {
        self.build(|name| Ok(format!("{name}!=null")))
    }

    /// `field!=null AND field.Contains("text")`.
    pub fn contains(&self, text: &str) -> Filter {
        self.method("Contains", text)
    }

    /// `field!=null AND field.StartsWith("text")`.
    pub fn starts_with(&self, text: &str) -> Filter {
        self.method("StartsWith", text)
    }

    /// `field!=null AND field.EndsWith("text")`.
    pub fn ends_with(&self, text: &str) -> Filter {
        self.method("EndsWith", text)
    }

    fn compare(&self, operator: &str, value: impl Into<Literal>) -> Filter {
        let value = value.into();
        self.build(|name| Ok(format!("{name}{operator}{}", value.render()?)))
    }

    /// Calling a method on a null field is a 400 at Xero, hence the guard.
    fn method(&self, method: &str, text: &str) -> Filter {
        self.build(|name| Ok(format!("({name}!=null AND {name}.{method}({}))", quoted(text)?)))
    }

    fn build(&self, expression: impl FnOnce(&str) -> Result<String, InvalidFilter>) -> Filter {
        let part_is_sound = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if self.0.split('.').all(part_is_sound) {
            Filter(expression(&self.0))
        } else {
            Filter(Err(InvalidFilter::FieldName(self.0.clone())))
        }
    }
}

impl Filter {
    /// Both hold.
    pub fn and(self, other: Filter) -> Filter {
        self.join("AND", other)
    }

    /// At least one holds. Xero optimises this for ids only.
    pub fn or(self, other: Filter) -> Filter {
        self.join("OR", other)
    }

    /// The field is any of the values; `None` if there are no values, because Xero refuses an empty group.
    pub fn any_of<V: Into<Literal>>(field: &Field, values: impl IntoIterator<Item = V>) -> Option<Filter> {
        let mut all: Vec<Filter> = values.into_iter().map(|value| field.eq(value)).collect();
        if all.len() < 2 {
            return all.pop();
        }
        // One group, not one in the other: fifty brackets deep is more than a server need bear.
        let each: Result<Vec<String>, InvalidFilter> = all.into_iter().map(|filter| filter.0).collect();
        Some(Filter(each.map(|each| format!("({})", each.join(" OR ")))))
    }

    /// The expression, not yet percent-encoded.
    pub fn expression(&self) -> Result<&str, InvalidFilter> {
        self.0.as_deref().map_err(Clone::clone)
    }

    fn join(self, word: &str, other: Filter) -> Filter {
        Filter(match (self.0, other.0) {
            (Ok(left), Ok(right)) => Ok(format!("({left} {word} {right})")),
            (Err(error), _) | (_, Err(error)) => Err(error),
        })
    }
}

impl Literal {
    fn render(&self) -> Result<String, InvalidFilter> {
        Ok(match self {
            Literal::Text(text) => quoted(text)?,
            Literal::Guid(id) => format!("guid(\"{id}\")"),
            Literal::Date(date) => format!("DateTime({},{:02},{:02})", date.year(), date.month(), date.day()),
            Literal::Number(number) => number.to_string(),
            Literal::Bool(value) => value.to_string(),
        })
    }
}

fn quoted(text: &str) -> Result<String, InvalidFilter> {
    if text.chars().any(|c| c == '"' || c == '\\' || c.is_control()) {
        return Err(InvalidFilter::UnsafeText);
    }
    Ok(format!("\"{text}\""))
}

impl From<&str> for Literal {
    fn from(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Literal {
        Literal::Text(text)
    }
}

impl From<Uuid> for Literal {
    fn from(id: Uuid) -> Literal {
        Literal::Guid(id)
    }
}

impl From<Date> for Literal {
    fn from(date: Date) -> Literal {
        Literal::Date(date)
    }
}

impl From<Decimal> for Literal {
    fn from(number: Decimal) -> Literal {
        Literal::Number(number)
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Literal {
        Literal::Bool(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn field(name: &str) -> Field {
        Field::new(name)
    }

    #[test]
    fn expressions() {
        let id = Uuid::from_u128(1);
        let table = [
            (field("Status").eq("AUTHORISED"), r#"Status=="AUTHORISED""#),
            (field("Contact.ContactID").eq(id), r#"Contact.ContactID==guid("00000000-0000-0000-0000-000000000001")"#),
            (field("Date").ge(date(2026, 3, 2)), "Date>=DateTime(2026,03,02)"),
            (field("AmountDue").gt(Decimal::new(1050, 2)), "AmountDue>10.50"),
            (field("AmountDue").lt(Decimal::new(-5, 1)), "AmountDue<-0.5"),
            (field("IsReconciled").ne(true), "IsReconciled!=true"),
            (field("Reference").is_null(), "Reference==null"),
            (field("Reference").is_not_null(), "Reference!=null"),
            (field("Reference").contains("job 7"), r#"(Reference!=null AND Reference.Contains("job 7"))"#),
            (field("Name").starts_with("O'Neil & Söhne"), r#"(Name!=null AND Name.StartsWith("O'Neil & Söhne"))"#),
            (field("Name").ends_with("Ltd"), r#"(Name!=null AND Name.EndsWith("Ltd"))"#),
            (
                field("Type").eq("ACCREC").and(field("Status").eq("DRAFT").or(field("Date").le(date(2026, 12, 31)))),
                r#"(Type=="ACCREC" AND (Status=="DRAFT" OR Date<=DateTime(2026,12,31)))"#,
            ),
        ];
        for (filter, expected) in table {
            assert_eq!(filter.expression(), Ok(expected));
        }
    }

    #[test]
    fn any_of_nothing_is_no_filter() {
        assert_eq!(Filter::any_of(&field("Name"), Vec::<String>::new()), None);
        let two = Filter::any_of(&field("Name"), ["a", "b"]).unwrap();
        assert_eq!(two.expression(), Ok(r#"(Name=="a" OR Name=="b")"#));
        let three = Filter::any_of(&field("Name"), ["a", "b", "c"]).unwrap().and(field("Type").eq("x"));
        assert_eq!(three.expression(), Ok(r#"((Name=="a" OR Name=="b" OR Name=="c") AND Type=="x")"#));
        assert_eq!(Filter::any_of(&field("Name"), ["a"]).unwrap().expression(), Ok(r#"Name=="a""#));
        assert!(Filter::any_of(&field("Name"), ["a", "\"", "c"]).unwrap().expression().is_err());
    }

    #[test]
    fn values_cannot_rewrite_the_expression() {
        for text in ["x\" OR 1==1 OR \"", "back\\slash", "line\nbreak", "nul\0"] {
            assert_eq!(field("Name").eq(text).expression(), Err(InvalidFilter::UnsafeText), "{text}");
            assert_eq!(field("Name").contains(text).expression(), Err(InvalidFilter::UnsafeText), "{text}");
            let joined = field("Type").eq("ACCREC").and(field("Name").eq(text));
            assert_eq!(joined.expression(), Err(InvalidFilter::UnsafeText));
        }
        for name in ["", "Name==1 OR Name", "Contact..Name", "1Name", ".", "Näme"] {
            assert_eq!(field(name).is_null().expression(), Err(InvalidFilter::FieldName(name.to_owned())), "{name}");
        }
    }
}
