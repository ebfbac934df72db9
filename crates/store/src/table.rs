//! Tables of the books described once each: columns, references to other records, child rows.

use model::Kind;
use uuid::Uuid;

use crate::Error;
use crate::books::Refs;
use crate::value::{Row, Value};

/// A column that holds the local id of another record.
pub(crate) struct RefColumn {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// Rows that belong to a record and are written and read with it, in order.
pub(crate) trait ChildTable: Sized {
    /// Columns after the parent's id and the position.
    const COLUMNS: &'static [&'static str];
    /// Of those, references come last.
    const REFS: &'static [RefColumn];

    fn bind<'a>(&'a self, refs: &Refs, cells: &mut Vec<Value<'a>>) -> Result<(), Error>;
    fn read(row: &mut Row) -> Result<Self, Error>;
}

/// A child table of a kind: where it is and how it hangs on the record.
pub(crate) struct Child<R> {
    pub(crate) table: &'static str,
    pub(crate) parent: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) refs: &'static [RefColumn],
    pub(crate) count: fn(&R) -> usize,
    pub(crate) bind: BindChild<R>,
    pub(crate) push: fn(&mut R, &mut Row) -> Result<(), Error>,
}

/// Binds the nth child row of a record.
pub(crate) type BindChild<R> = for<'a> fn(&'a R, usize, &Refs, &mut Vec<Value<'a>>) -> Result<(), Error>;

/// The table of a kind of record.
pub(crate) trait Table: model::Record {
    const NAME: &'static str;
    /// Columns of the record itself, without id, organisation and the engine's own.
    const COLUMNS: &'static [&'static str];
    /// Columns after those that refer to other records.
    const REFS: &'static [RefColumn];

    fn bind<'a>(&'a self, refs: &Refs, cells: &mut Vec<Value<'a>>) -> Result<(), Error>;
    fn read(row: &mut Row) -> Result<Self, Error>;
    fn children() -> Vec<Child<Self>> {
        Vec::new()
    }
}

/// A reference as its two columns: local id and, where linked, Xero id.
pub(crate) fn read_ref(row: &mut Row) -> Result<Option<model::Ref>, Error> {
    let local: Option<i64> = row.take()?;
    let xero: Option<Uuid> = row.take()?;
    Ok(xero.map(model::Ref::Xero).or(local.map(model::Ref::Local)))
}

/// Declares how a struct of the books lies in its table. Order of columns, references and children is the order in
/// which they are written and read.
macro_rules! table {
    (child $type:ty { $($column:literal: $field:ident,)* } refs { $($rcolumn:literal: $rfield:ident $kind:ident,)* }) => {
        impl $crate::table::ChildTable for $type {
            const COLUMNS: &'static [&'static str] = &[$($column),*];
            const REFS: &'static [$crate::table::RefColumn] =
                &[$($crate::table::RefColumn { name: $rcolumn, kind: model::Kind::$kind }),*];
            table!(@bind [$($field)*] [$($rfield $kind)*]);
            table!(@read [$($field)*] [$($rfield)*] []);
        }
    };
    ($type:ty, $name:literal { $($column:literal: $field:ident,)* } refs { $($rcolumn:literal: $rfield:ident $kind:ident,)* }
        children { $($child:ident: $ctype:ty, $ctable:literal $cparent:literal,)* }) => {
        impl $crate::table::Table for $type {
            const NAME: &'static str = $name;
            const COLUMNS: &'static [&'static str] = &[$($column),*];
            const REFS: &'static [$crate::table::RefColumn] =
                &[$($crate::table::RefColumn { name: $rcolumn, kind: model::Kind::$kind }),*];
            table!(@bind [$($field)*] [$($rfield $kind)*]);
            table!(@read [$($field)*] [$($rfield)*] [$($child)*]);
            fn children() -> Vec<$crate::table::Child<Self>> {
                vec![$($crate::table::Child {
                    table: $ctable,
                    parent: $cparent,
                    columns: <$ctype as $crate::table::ChildTable>::COLUMNS,
                    refs: <$ctype as $crate::table::ChildTable>::REFS,
                    count: |record| record.$child.len(),
                    bind: |record, at, refs, cells| {
                        $crate::table::ChildTable::bind(&record.$child[at], refs, cells)
                    },
                    push: |record, row| {
                        record.$child.push(<$ctype as $crate::table::ChildTable>::read(row)?);
                        Ok(())
                    },
                }),*]
            }
        }
    };
    (@bind [$($field:ident)*] [$($rfield:ident $kind:ident)*]) => {
        #[allow(unused_variables, reason = "tables without references")]
        fn bind<'a>(
            &'a self,
            refs: &$crate::books::Refs,
            cells: &mut Vec<$crate::value::Value<'a>>,
        ) -> Result<(), $crate::Error> {
            $(cells.push($crate::value::Column::bind(&self.$field));)*
            $(cells.push(refs.local(model::Kind::$kind, self.$rfield)?);)*
            Ok(())
        }
    };
    (@read [$($field:ident)*] [$($rfield:ident)*] [$($child:ident)*]) => {
        fn read(row: &mut $crate::value::Row) -> Result<Self, $crate::Error> {
            Ok(Self {
                $($field: row.take()?,)*
                $($rfield: $crate::table::read_ref(row)?,)*
                $($child: Vec::new(),)*
            })
        }
    };
}
pub(crate) use table;
