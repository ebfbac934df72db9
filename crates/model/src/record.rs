//! What every kind of record has in common, and the macro that declares one together with its field table.

use std::any::Any;
use std::iter;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Kind;

/// Who may change a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Both sides; merged.
    Both,
    /// Xero computes or decides it; it is copied to the App and never pushed.
    Xero,
}

/// One row of a kind's field table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, which is also the column's.
    pub name: &'static str,
    /// Who may change it.
    pub owner: Owner,
    /// Fields of one group only make sense together and merge as one.
    pub group: Option<&'static str>,
}

impl Field {
    /// The name in JSON: a name that is a Rust keyword without its `r#`.
    pub fn json_name(&self) -> &'static str {
        self.name.strip_prefix("r#").unwrap_or(self.name)
    }
}

/// A list field whose items have a key and merge item by item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed {
    /// The list's field.
    pub field: &'static str,
    /// The member of an item that says which item it is.
    pub key: &'static str,
    /// The field table of an item, whose fields and groups merge one by one and whose order and absent keys mean
    /// something (lines); empty if an item merges as one and is a slot that its key names (phones, addresses).
    pub parts: &'static [Field],
}

/// A record of the local books in canonical form: what is hashed, kept as base, and merged.
pub trait Record: Parts + Serialize + DeserializeOwned + PartialEq + Send + Sync {
    /// The field table.
    const FIELDS: &'static [Field];

    /// The list fields that merge item by item.
    const KEYED: &'static [Keyed] = &[];

    /// False for kinds that are only read from Xero: every field counts as Xero's. Agrees with [`Kind::is_two_way`].
    const TWO_WAY: bool = true;

    /// The records that this one refers to and that must be there before it.
    fn references(&self) -> Vec<(Kind, crate::Ref)> {
        Vec::new()
    }

    /// Whether the record counts: false once it is archived, voided or deleted. What is not live is as good as gone.
    fn is_live(&self) -> bool {
        true
    }

    /// Whether two values of a field say the same, the first being the App's (or the base's), the second Xero's. The
    /// App keeps its own value then. Blank values are equal anyway, and are handed over as null.
    fn same(_field: &str, app: &Value, xero: &Value) -> bool {
        app == xero
    }
}

/// How two texts compare: byte by byte, or as Xero stores them, which trims.
pub type SameText = fn(&str, &str) -> bool;

/// A struct that is merged member by member; the macro that declares a record writes this.
pub trait Parts: Clone + Default + 'static {
    /// Its members in declared order.
    const MEMBERS: &'static [Member<Self>];

    /// What of it merges as one, in declared order.
    fn units() -> &'static [Unit<Self>];
}

/// A field, or the fields of one group, that merge as one.
#[derive(Debug)]
pub struct Unit<T: 'static> {
    /// The name of the group or field, as in paths.
    pub name: &'static str,
    /// Who may change it.
    pub owner: Owner,
    /// True for fields of a group.
    pub is_group: bool,
    /// Its fields.
    pub members: Vec<&'static Member<T>>,
    /// The field that is a list whose items merge one by one, and what it is a list of.
    pub keyed: Option<(&'static Member<T>, List)>,
}

/// The units of a table.
pub(crate) fn units<T>(members: &'static [Member<T>]) -> Vec<Unit<T>> {
    let is_first = |at: usize| {
        let group = members[at].field.group;
        group.is_none() || members[..at].iter().all(|member| member.field.group != group)
    };
    let unit = |at: usize| {
        let (first, group) = (&members[at], members[at].field.group);
        let others = members[at + 1..].iter().filter(|member| group.is_some() && member.field.group == group);
        let members: Vec<&Member<T>> = iter::once(first).chain(others).collect();
        let keyed = members.iter().find_map(|member| Some((*member, member.list?)));
        let name = group.unwrap_or(first.field.json_name());
        Unit { name, owner: first.field.owner, is_group: group.is_some(), members, keyed }
    };
    (0..members.len()).filter(|at| is_first(*at)).map(unit).collect()
}

/// One member of a struct, and what a merge does with it.
#[derive(Debug)]
pub struct Member<T> {
    /// Its row in the field table.
    pub field: Field,
    /// What it is a list of, if of something that merges item by item.
    pub list: Option<List>,
    /// True if it says nothing: absent, a text of nothing but spaces, an empty list, false. Zero says something.
    pub is_blank: fn(&T) -> bool,
    /// Whether two say the same, blanks being one.
    pub agrees: fn(&T, &T, SameText) -> bool,
    /// Puts the value of the second in the place of the first's.
    pub copy: fn(&mut T, &T),
    /// As JSON.
    pub value: fn(&T) -> Result<Value, serde_json::Error>,
    /// For lists of a known type.
    pub any: fn(&T) -> &dyn Any,
    /// The same, to change it.
    pub any_mut: fn(&mut T) -> &mut dyn Any,
}

/// Lists that merge item by item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Of [`Line`](crate::Line)s.
    Lines,
    /// Of [`Phone`](crate::Phone)s.
    Phones,
    /// Of [`Address`](crate::Address)es.
    Addresses,
}

/// The value of a member.
pub(crate) trait Part {
    const LIST: Option<List> = None;
    fn says_nothing(&self) -> bool;
    fn agrees(&self, other: &Self, same_text: SameText) -> bool;
}

impl Part for String {
    fn says_nothing(&self) -> bool {
        self.trim().is_empty()
    }

    fn agrees(&self, other: &Self, same_text: SameText) -> bool {
        same_text(self, other)
    }
}

impl Part for Option<String> {
    fn says_nothing(&self) -> bool {
        self.as_ref().is_none_or(String::says_nothing)
    }

    fn agrees(&self, other: &Self, same_text: SameText) -> bool {
        match (self, other) {
            (None, None) => true,
            (one, other) => same_text(one.as_deref().unwrap_or_default(), other.as_deref().unwrap_or_default()),
        }
    }
}

impl Part for bool {
    fn says_nothing(&self) -> bool {
        !self
    }

    fn agrees(&self, other: &Self, _same_text: SameText) -> bool {
        self == other
    }
}

impl<T: Parts + Listed> Part for Vec<T> {
    const LIST: Option<List> = T::LIST;

    fn says_nothing(&self) -> bool {
        self.is_empty()
    }

    fn agrees(&self, other: &Self, same_text: SameText) -> bool {
        let agree = |(a, b)| T::MEMBERS.iter().all(|member| (member.agrees)(a, b, same_text));
        self.len() == other.len() && self.iter().zip(other).all(agree)
    }
}

/// What stands in lists; by default such a list merges as one.
pub(crate) trait Listed {
    const LIST: Option<List> = None;
}

/// A value that canonical JSON leaves out, so that a base stays small and "absent" and "empty" are one thing.
pub(crate) trait Blank {
    fn is_blank(&self) -> bool;
}

impl<T> Blank for Option<T> {
    fn is_blank(&self) -> bool {
        self.is_none()
    }
}

impl<T> Blank for Vec<T> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl Blank for String {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl Blank for bool {
    fn is_blank(&self) -> bool {
        !self
    }
}

/// Values that are there or not, and say something if they are there.
macro_rules! plain_parts {
    ($($type:ty),+) => { $(
        impl Part for $type {
            fn says_nothing(&self) -> bool {
                false
            }

            fn agrees(&self, other: &Self, _same_text: SameText) -> bool {
                self == other
            }
        }

        impl Part for Option<$type> {
            fn says_nothing(&self) -> bool {
                self.is_none()
            }

            fn agrees(&self, other: &Self, _same_text: SameText) -> bool {
                self == other
            }
        }
    )+ };
}
plain_parts!(crate::Rate, crate::Ref, jiff::civil::Date, uuid::Uuid);

macro_rules! never_blank {
    ($($type:ty),+) => {
        $(impl Blank for $type { fn is_blank(&self) -> bool { false } })+
        plain_parts!($($type),+);
    };
}
never_blank!(
    crate::Amount,
    crate::CustomerStatus,
    crate::DocumentStatus,
    crate::PaymentStatus,
    crate::PaymentMethod,
    crate::LineAmountTypes,
    crate::PhoneType,
    crate::AddressType,
    crate::Kind
);

/// Declares a struct of the books. With `fields NAME`, also its field table: each field says who owns it, and may name
/// the group it merges with.
macro_rules! record {
    (@owner both) => { $crate::record::Owner::Both };
    (@owner xero) => { $crate::record::Owner::Xero };
    (@field $owner:ident $field:ident $($group:literal)?) => {
        $crate::record::Field {
            name: stringify!($field),
            owner: record!(@owner $owner),
            group: record!(@group $($group)?),
        }
    };
    (@group) => { None };
    (@group $group:literal) => { Some($group) };
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $owner:ident $field:ident $([$group:literal])?: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$fmeta])* #[serde(skip_serializing_if = "crate::record::Blank::is_blank")] pub $field: $type,)+
        }

        impl $name {
            #[allow(dead_code, reason = "a part of a record has no field table of its own: it merges with the record")]
            pub(crate) const TABLE: &'static [$crate::record::Field] = &[
                $(record!(@field $owner $field $($group)?),)+
            ];
        }

        impl $crate::record::Parts for $name {
            const MEMBERS: &'static [$crate::record::Member<Self>] = &[
                $($crate::record::Member {
                    field: record!(@field $owner $field $($group)?),
                    list: <$type as $crate::record::Part>::LIST,
                    is_blank: |of| $crate::record::Part::says_nothing(&of.$field),
                    agrees: |a, b, same_text| $crate::record::Part::agrees(&a.$field, &b.$field, same_text),
                    copy: |to, from| to.$field.clone_from(&from.$field),
                    value: |of| serde_json::to_value(&of.$field),
                    any: |of| &of.$field,
                    any_mut: |of| &mut of.$field,
                },)+
            ];

            fn units() -> &'static [$crate::record::Unit<Self>] {
                static UNITS: std::sync::OnceLock<Vec<$crate::record::Unit<$name>>> = std::sync::OnceLock::new();
                UNITS.get_or_init(|| $crate::record::units(Self::MEMBERS))
            }
        }
    };
}
pub(crate) use record;
