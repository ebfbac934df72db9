//! Records as the oracle sees them: plain JSON, in a form that is cheap to copy, because a merge makes many states of one
//! record and changes little of each.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number; amounts are texts.
    Number(i64),
    /// A text.
    String(Rc<str>),
    /// A list.
    Array(Rc<Vec<Value>>),
    /// A record, a line, a slot.
    Object(Rc<Members>),
}

/// The members of a record, or of a line, by name. There are few, so that looking through them is quick.
#[derive(Debug, Clone, Default)]
pub struct Members(Vec<(Cow<'static, str>, Value)>);

impl Value {
    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(name)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The same, to change it.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Self::Array(items) = self { Some(Rc::make_mut(items)) } else { None }
    }

    /// The members, if it has any.
    pub fn as_object(&self) -> Option<&Members> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// The same, to change them.
    pub fn as_object_mut(&mut self) -> Option<&mut Members> {
        if let Self::Object(members) = self { Some(Rc::make_mut(members)) } else { None }
    }

    /// Null and nothing else.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether two are copies of one and the same object that nobody has changed since.
    pub fn is_very(&self, other: &Value) -> bool {
        matches!((self, other), (Self::Object(a), Self::Object(b)) if Rc::ptr_eq(a, b))
    }

    /// As JSON for everybody.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(is) => (*is).into(),
            Self::Number(number) => (*number).into(),
            Self::String(text) => (**text).into(),
            Self::Array(items) => items.iter().map(Self::json).collect(),
            Self::Object(members) => members.iter().map(|(name, value)| (name.to_owned(), value.json())).collect(),
        }
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(is) => Self::Bool(*is),
            // No record holds a fraction as a number; as a text it is at least another one.
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::from(number.to_string()), Self::Number)
            }
            serde_json::Value::String(text) => Self::from(text.as_str()),
            serde_json::Value::Array(items) => items.iter().map(Self::from).collect(),
            serde_json::Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), Self::from(value))).collect::<Members>().into()
            }
        }
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::Array(Rc::new(items.into_iter().collect()))
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::Array(Rc::new(items))
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::Object(Rc::new(members))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}

impl Members {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// None, with space for so many.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// True without any.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| is_name(known, name)).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(known, _)| is_name(known, name)).map(|(_, value)| value)
    }

    /// Whether there is one of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a member of which nothing is there yet.
    pub fn push(&mut self, name: &'static str, value: Value) {
        self.0.push((Cow::Borrowed(name), value));
    }

    /// Puts a value in the place of what is there.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(known) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

/// Most names differ in their length or first letter already.
fn is_name(known: &str, name: &str) -> bool {
    known.len() == name.len() && known.as_bytes().first() == name.as_bytes().first() && known == name
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl<N: Into<Cow<'static, str>>> FromIterator<(N, Value)> for Members {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(members: I) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}
