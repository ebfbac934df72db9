//! What every kind of record has in common, and the macro that declares one together with its field table.

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
        self.name.trim_start_matches("r#")
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
pub trait Record: Serialize + DeserializeOwned + Clone + PartialEq + Default + Send + Sync + 'static {
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

macro_rules! never_blank {
    ($($type:ty),+) => { $(impl Blank for $type { fn is_blank(&self) -> bool { false } })+ };
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
                $($crate::record::Field {
                    name: stringify!($field),
                    owner: record!(@owner $owner),
                    group: record!(@group $($group)?),
                },)+
            ];
        }
    };
}
pub(crate) use record;
