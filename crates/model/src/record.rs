//! What every kind of record has in common, and the macro that declares one together with its field table.

use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// A record of the local books in canonical form: what is hashed, kept as base, and merged.
pub trait Record: Serialize + DeserializeOwned + Clone + PartialEq + Default + Send + Sync + 'static {
    /// The field table.
    const FIELDS: &'static [Field];

    /// The records that this one refers to and that must be there before it.
    fn references(&self) -> Vec<(Kind, crate::Ref)> {
        Vec::new()
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
