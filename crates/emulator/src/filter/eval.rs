//! Expressions on rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::text::{compare as compare_text, fold};
use super::{Expr, Fields, Method, Operator, QueryError, Value};

/// What .NET says of a method on a null.
const NULL_REFERENCE: &str = "Object reference not set to an instance of an object.";

/// The truth of a boolean expression. AND and OR stop at the first part that decides, so guards protect what follows.
pub(super) fn truth(expr: &Expr, row: &dyn Fields) -> Result<bool, QueryError> {
    match expr {
        Expr::And(parts) => {
            for part in parts {
                if !truth(part, row)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Expr::Or(parts) => {
            for part in parts {
                if truth(part, row)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Expr::Not(inner) => truth(inner, row).map(|value| !value),
        Expr::Compare { operator, left, right } => Ok(holds(*operator, &value_of(left, row)?, &value_of(right, row)?)),
        Expr::Literal(..) | Expr::Field(..) | Expr::Call { .. } => Ok(value_of(expr, row)? == Value::Bool(true)),
    }
}

fn value_of<'r>(expr: &'r Expr, row: &'r dyn Fields) -> Result<Value<'r>, QueryError> {
    match expr {
        Expr::Literal(value, _) => Ok(borrowed(value)),
        Expr::Field(path, _) => Ok(row.field(path)),
        Expr::Call { target, method, argument } => {
            let Value::Text(text) = value_of(target, row)? else { return Err(QueryError::new(NULL_REFERENCE)) };
            let argument = match argument {
                Some(expr) => match value_of(expr, row)? {
                    Value::Text(text) => fold(&text),
                    _ => return Err(QueryError::new("Value cannot be null.")),
                },
                None => String::new(),
            };
            Ok(match method {
                Method::ToLower => Value::Text(Cow::Owned(text.to_lowercase())),
                Method::ToUpper => Value::Text(Cow::Owned(text.to_uppercase())),
                Method::Contains => Value::Bool(fold(&text).contains(&argument)),
                Method::StartsWith => Value::Bool(fold(&text).starts_with(&argument)),
                Method::EndsWith => Value::Bool(fold(&text).ends_with(&argument)),
            })
        }
        Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Compare { .. } => truth(expr, row).map(Value::Bool),
    }
}

fn borrowed<'r>(value: &'r Value<'static>) -> Value<'r> {
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        other => other.clone(),
    }
}

/// Null equals only null, and is neither less nor greater than anything.
fn holds(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left == &Value::Null, right == &Value::Null) {
        (false, false) => {}
        (l, r) => {
            return match operator {
                Operator::Equal => l == r,
                Operator::NotEqual => l != r,
                _ => false,
            };
        }
    }
    let ordering = order(left, right);
    match operator {
        Operator::Equal => ordering == Ordering::Equal,
        Operator::NotEqual => ordering != Ordering::Equal,
        Operator::Less => ordering == Ordering::Less,
        Operator::LessOrEqual => ordering != Ordering::Greater,
        Operator::Greater => ordering == Ordering::Greater,
        Operator::GreaterOrEqual => ordering != Ordering::Less,
    }
}

/// The order of two values of one type; null comes before everything. The type check has excluded mixtures.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    match (left, right) {
        (Value::Text(l), Value::Text(r)) => compare_text(l, r),
        (Value::Number(l), Value::Number(r)) => l.cmp(r),
        (Value::Instant(l), Value::Instant(r)) => l.cmp(r),
        (Value::Guid(l), Value::Guid(r)) => l.cmp(r),
        (Value::Bool(l), Value::Bool(r)) => l.cmp(r),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}
