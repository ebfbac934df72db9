//! The `order` parameter: `Field [ASC|DESC]`, several joined by commas.

use std::cmp::Ordering;

use super::{Fields, QueryError, Schema, eval};

/// A parsed `order`. The caller adds the ascending id that always comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    keys: Vec<(&'static str, bool)>,
}

impl Order {
    /// Compares two rows.
    pub(crate) fn compare(&self, left: &dyn Fields, right: &dyn Fields) -> Ordering {
        let of_key = |(path, descending): &(&'static str, bool)| {
            let ordering = eval::order(&left.field(path), &right.field(path));
            if *descending { ordering.reverse() } else { ordering }
        };
        self.keys.iter().map(of_key).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The keys: canonical paths, and whether each descends.
    pub(crate) fn keys(&self) -> &[(&'static str, bool)] {
        &self.keys
    }

    /// Whether Xero serves this order from an index.
    pub(crate) fn is_optimised(&self, schema: &Schema) -> bool {
        self.keys.iter().all(|(path, _)| schema.order.contains(path))
    }
}

/// Most keys that an order may have.
const MAX_KEYS: usize = 8;

/// Parses an `order` parameter against a schema.
pub(crate) fn parse_order(text: &str, schema: &Schema) -> Result<Order, QueryError> {
    let mut keys = Vec::new();
    for part in text.split(',') {
        let mut words = part.split_whitespace();
        let name = words.next().ok_or_else(|| QueryError::new("Expression expected"))?;
        let Some((path, _)) = schema.find(name) else {
            let last = name.rsplit('.').next().unwrap_or(name);
            return Err(QueryError::new(format!("No property or field '{last}' exists in type '{}'", schema.name)));
        };
        let descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
            None | Some("asc" | "ascending") => false,
            Some("desc" | "descending") => true,
            Some(_) => return Err(QueryError::new("Syntax error")),
        };
        if words.next().is_some() || keys.len() >= MAX_KEYS {
            return Err(QueryError::new("Syntax error"));
        }
        keys.push((path, descending));
    }
    Ok(Order { keys })
}
