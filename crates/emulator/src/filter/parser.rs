//! Tokens to a type-checked expression. Recursion is bounded, so that no request can exhaust the stack.

use std::borrow::Cow;

use uuid::Uuid;

use super::lexer::{Token, tokens};
use super::{Expr, Kind, Method, NUMBER_DP, Operator, QueryError, Schema, Value};
use crate::dates;

/// Longest accepted expression in bytes; URLs are bounded at 16 kB.
const MAX_LENGTH: usize = 16 * 1024;
/// Deepest nesting of groups, negations and method calls.
const MAX_DEPTH: usize = 48;

pub(super) fn parse(text: &str, schema: &Schema) -> Result<Expr, QueryError> {
    if text.len() > MAX_LENGTH {
        return Err(QueryError::new("The query is too long"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, schema };
    let root = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(QueryError::new("Syntax error"));
    }
    must_be_boolean(&root)?;
    Ok(root)
}

struct Parser<'s> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    schema: &'s Schema,
}

fn must_be_boolean(expr: &Expr) -> Result<(), QueryError> {
    if expr.kind() == Kind::Bool { Ok(()) } else { Err(QueryError::new("Expression of type 'Boolean' expected")) }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Identifier(name)) if name.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(QueryError::new("The query is too complex")) } else { Ok(()) }
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        let first = self.and()?;
        let mut parts = vec![first];
        while self.take_symbol("||") || self.take_word("OR") {
            parts.push(self.and()?);
        }
        joined(parts, "OR", Expr::Or)
    }

    fn and(&mut self) -> Result<Expr, QueryError> {
        let first = self.comparison()?;
        let mut parts = vec![first];
        while self.take_symbol("&&") || self.take_word("AND") {
            parts.push(self.comparison()?);
        }
        joined(parts, "AND", Expr::And)
    }

    fn comparison(&mut self) -> Result<Expr, QueryError> {
        let mut left = self.unary()?;
        while let Some(operator) = self.take_operator() {
            let right = self.unary()?;
            self.deeper()?;
            left = compare(operator, left, right)?;
            self.depth -= 1;
        }
        Ok(left)
    }

    fn take_operator(&mut self) -> Option<Operator> {
        let Some(Token::Symbol(symbol)) = self.peek() else { return None };
        let operator = match *symbol {
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    fn unary(&mut self) -> Result<Expr, QueryError> {
        if self.take_symbol("!") || self.take_word("not") {
            self.deeper()?;
            let inner = self.unary()?;
            self.depth -= 1;
            if inner.kind() != Kind::Bool {
                let kind = inner.kind().net_name();
                return Err(QueryError::new(format!("Operator '!' incompatible with operand type '{kind}'")));
            }
            return Ok(Expr::Not(Box::new(inner)));
        }
        let before = self.depth;
        let mut expr = self.primary()?;
        while self.take_symbol(".") {
            self.deeper()?;
            expr = self.method(expr)?;
        }
        self.depth = before;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        let token = self.peek().cloned().ok_or_else(|| QueryError::new("Expression expected"))?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Expr::Literal(Value::Text(Cow::Owned(text)), Kind::Text)),
            Token::Char => Ok(Expr::Literal(Value::Null, Kind::Char)),
            Token::Number(digits) => number(&digits, false),
            Token::Symbol("-") => match self.peek().cloned() {
                Some(Token::Number(digits)) => {
                    self.at += 1;
                    number(&digits, true)
                }
                _ => Err(QueryError::new("Expression expected")),
            },
            Token::Symbol("(") => {
                self.deeper()?;
                let inner = self.or()?;
                self.depth -= 1;
                if self.take_symbol(")") { Ok(inner) } else { Err(QueryError::new("')' or operator expected")) }
            }
            Token::Symbol(_) => Err(QueryError::new("Expression expected")),
            Token::Identifier(name) => self.identifier(&name),
        }
    }

    fn identifier(&mut self, name: &str) -> Result<Expr, QueryError> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "true" | "false" => return Ok(Expr::Literal(Value::Bool(lower == "true"), Kind::Bool)),
            "null" => return Ok(Expr::Literal(Value::Null, Kind::Null)),
            "guid" => {
                // Both `guid("…")` and `Guid.Parse("…")` are read.
                if self.take_symbol(".") && !self.take_word("Parse") {
                    return Err(QueryError::new("No applicable method exists in type 'Guid'"));
                }
                return guid(&self.text_argument("Guid")?);
            }
            "datetime" => return self.date_time(),
            _ => {}
        }
        let mut path = name.to_owned();
        // Names join to a path until one is followed by `(`: that one is a method.
        while let (Some(Token::Symbol(".")), Some(Token::Identifier(next))) =
            (self.peek(), self.tokens.get(self.at + 1))
        {
            if self.tokens.get(self.at + 2) == Some(&Token::Symbol("(")) {
                break;
            }
            path.push('.');
            path.push_str(next);
            self.at += 2;
        }
        if self.tokens.get(self.at) == Some(&Token::Symbol("(")) {
            let schema = self.schema.name;
            return Err(QueryError::new(format!("No applicable method '{path}' exists in type '{schema}'")));
        }
        match self.schema.find(&path) {
            Some((canonical, kind)) => Ok(Expr::Field(canonical, kind)),
            None => {
                let schema = self.schema.name;
                let last = path.rsplit('.').next().unwrap_or(&path);
                Err(QueryError::new(format!("No property or field '{last}' exists in type '{schema}'")))
            }
        }
    }

    fn method(&mut self, target: Expr) -> Result<Expr, QueryError> {
        let Some(Token::Identifier(name)) = self.peek().cloned() else {
            return Err(QueryError::new("Identifier expected"));
        };
        self.at += 1;
        let known = [
            ("Contains", Method::Contains),
            ("StartsWith", Method::StartsWith),
            ("EndsWith", Method::EndsWith),
            ("ToLower", Method::ToLower),
            ("ToUpper", Method::ToUpper),
        ];
        let found = known.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(&name));
        let type_name = target.kind().net_name();
        let Some((_, method)) = found.filter(|_| target.kind() == Kind::Text) else {
            let what = if self.peek() == Some(&Token::Symbol("(")) { "applicable method" } else { "property or field" };
            return Err(QueryError::new(format!("No {what} '{name}' exists in type '{type_name}'")));
        };
        if !self.take_symbol("(") {
            return Err(QueryError::new("'(' expected"));
        }
        let argument = if self.take_symbol(")") {
            None
        } else {
            let argument = self.or()?;
            if !self.take_symbol(")") {
                return Err(QueryError::new("')' or ',' expected"));
            }
            Some(argument)
        };
        let takes_argument = !matches!(method, Method::ToLower | Method::ToUpper);
        if argument.as_ref().map(Expr::kind) != takes_argument.then_some(Kind::Text) {
            return Err(QueryError::new(format!("No applicable method '{name}' exists in type '{type_name}'")));
        }
        Ok(Expr::Call { target: Box::new(target), method: *method, argument: argument.map(Box::new) })
    }

    fn text_argument(&mut self, of: &str) -> Result<String, QueryError> {
        if !self.take_symbol("(") {
            return Err(QueryError::new("'(' expected"));
        }
        let Some(Token::Text(text)) = self.peek().cloned() else {
            return Err(QueryError::new(match self.peek() {
                Some(Token::Symbol(")")) | None => "Expression expected".to_owned(),
                _ => format!("No applicable method exists in type '{of}'"),
            }));
        };
        self.at += 1;
        if self.take_symbol(")") { Ok(text) } else { Err(QueryError::new("')' or ',' expected")) }
    }

    /// `DateTime(y,m,d[,h,m,s])` and `DateTime.Parse("…")`.
    fn date_time(&mut self) -> Result<Expr, QueryError> {
        if self.take_symbol(".") {
            if !self.take_word("Parse") {
                return Err(QueryError::new("No applicable method exists in type 'DateTime'"));
            }
            let text = self.text_argument("DateTime")?;
            let ms = dates::parse_iso_instant(&text);
            return ms
                .map(|ms| Expr::Literal(Value::Instant(ms), Kind::Instant))
                .ok_or_else(|| QueryError::new("String was not recognized as a valid DateTime."));
        }
        if !self.take_symbol("(") {
            return Err(QueryError::new("'(' expected"));
        }
        let mut parts: Vec<u32> = Vec::new();
        loop {
            let Some(Token::Number(digits)) = self.peek() else { return Err(QueryError::new("Expression expected")) };
            parts.push(digits.parse().map_err(|_| QueryError::new(format!("Invalid integer literal '{digits}'")))?);
            self.at += 1;
            if self.take_symbol(")") {
                break;
            }
            if !self.take_symbol(",") {
                return Err(QueryError::new("')' or ',' expected"));
            }
        }
        let text = match parts.as_slice() {
            [y, m, d] => format!("{y:04}-{m:02}-{d:02}"),
            [y, m, d, h, min, s] => format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}"),
            _ => return Err(QueryError::new("No matching constructor in type 'DateTime'")),
        };
        dates::parse_iso_instant(&text)
            .map(|ms| Expr::Literal(Value::Instant(ms), Kind::Instant))
            .ok_or_else(|| QueryError::new("Year, Month, and Day parameters describe an un-representable DateTime."))
    }
}

fn joined(mut parts: Vec<Expr>, name: &str, join: fn(Vec<Expr>) -> Expr) -> Result<Expr, QueryError> {
    if parts.len() == 1 {
        return parts.pop().ok_or_else(|| QueryError::new("Expression expected"));
    }
    let not_boolean = parts.iter().position(|part| part.kind() != Kind::Bool);
    if let Some(at) = not_boolean {
        // The message names the operands of the first operator that does not fit.
        let left = parts[at.saturating_sub(1)].kind().net_name();
        let right = parts[at.max(1)].kind().net_name();
        return Err(QueryError::new(format!(
            "Operator '{name}' incompatible with operand types '{left}' and '{right}'"
        )));
    }
    Ok(join(parts))
}

fn compare(operator: Operator, left: Expr, right: Expr) -> Result<Expr, QueryError> {
    let (lk, rk) = (left.kind(), right.kind());
    let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
    let comparable = match (lk, rk) {
        (Kind::Char, _) | (_, Kind::Char) => false,
        (Kind::Null, _) | (_, Kind::Null) => !ordered,
        (Kind::Bool | Kind::Guid, _) if ordered => false,
        _ => lk == rk,
    };
    if comparable {
        return Ok(Expr::Compare { operator, left: Box::new(left), right: Box::new(right) });
    }
    let (symbol, l, r) = (operator.symbol(), lk.net_name(), rk.net_name());
    Err(QueryError::new(format!("Operator '{symbol}' incompatible with operand types '{l}' and '{r}'")))
}

/// Numbers are exact to ten decimals; one beyond 29 digits is refused like .NET does.
fn number(digits: &str, negative: bool) -> Result<Expr, QueryError> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let kept: String = fraction.chars().chain("0000000000".chars()).take(NUMBER_DP as usize).collect();
    let value = if whole.len() > 18 { None } else { format!("{whole}{kept}").parse::<i128>().ok() };
    value
        .map(|value| Expr::Literal(Value::Number(if negative { -value } else { value }), Kind::Number))
        .ok_or_else(|| QueryError::new(format!("Invalid real literal '{digits}'")))
}

fn guid(text: &str) -> Result<Expr, QueryError> {
    Uuid::try_parse(text.trim()).map(|id| Expr::Literal(Value::Guid(id.as_u128()), Kind::Guid)).map_err(|_| {
        QueryError::new("Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx).")
    })
}
