//! Vocabulary and the heart of Tieout, pure: the local books, exact money, and the three-way merge.
//!
//! Nothing here can fail for outside reasons: no I/O, no async, no clock, no environment. What Xero calls things is
//! mapped in `sync`; this crate speaks the App's words (an invoice is `SENT`, not `AUTHORISED`).

pub mod accounting;
mod amount;
mod books;
mod content;
mod ids;
mod merge;
mod record;
mod status;

pub use amount::{Amount, AmountError, Rate};
pub use books::{
    Account, Address, AddressType, Allocation, BankTransaction, Credit, Customer, Invoice, Line, Payment, Phone,
    PhoneType, TaxRate, Tracking,
};
pub use content::{ContentHash, canonical};
pub use ids::{ConnectionId, Kind, OrgId, Ref, UnknownKind};
pub use merge::{Decision, FieldConflict, Policy, Removal, Side, merge, merge_removed, path};
pub use record::{Field, Keyed, List, Member, Owner, Parts, Record, SameText, Unit};
pub use status::{CustomerStatus, DocumentStatus, LineAmountTypes, PaymentMethod, PaymentStatus};
