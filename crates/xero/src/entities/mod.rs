//! Typed models, one file per kind. A kind is one [`Entity`] implementation; adding one touches nothing outside its file and
//! the two lists here.
//!
//! Models map what a program needs and ignore the rest on reading, so nothing unmapped is ever written back. Fields are absent
//! (`None`, empty list) when Xero omits them; only ids are required. What is written has models of its own (`…Write`), in which
//! "not sent" and "sent empty" differ, because Xero leaves alone what is not sent.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

mod account;
mod bank_transaction;
mod connection;
mod contact;
mod credit_note;
mod invoice;
mod organisation;
mod overpayment;
mod payment;
mod prepayment;
mod report;
mod shared;
mod tax_rate;

pub use account::*;
pub use bank_transaction::*;
pub use connection::*;
pub use contact::*;
pub use credit_note::*;
pub use invoice::*;
pub use organisation::*;
pub use overpayment::*;
pub use payment::*;
pub use prepayment::*;
pub use report::*;
pub use shared::*;
pub use tax_rate::*;

/// A kind of record in Xero's Accounting API.
pub trait Entity: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// The path below `/api.xro/2.0`.
    const PATH: &'static str;
    /// The envelope's key.
    const COLLECTION: &'static str;
    /// The JSON key of the id.
    const ID: &'static str;
    /// The field to order by for pages that do not drift.
    const ID_ORDER: &'static str = Self::ID;
    /// Whether lists understand `If-Modified-Since`.
    const HAS_IMS: bool;
    /// Whether lists come in pages.
    const PAGED: bool;
    /// Whether records have lines: then `unitdp=4` is always sent, or Xero rounds unit amounts to 2 decimals.
    const HAS_LINES: bool = false;
    /// The optional list parameters that the kind understands.
    const PARAMS: &'static [Param] = &[];

    /// The id. For tax rates, which have none, see [`TaxRate`].
    fn id(&self) -> Uuid;

    /// `UpdatedDateUTC`, where the kind has it.
    fn updated(&self) -> Option<Timestamp>;
}

/// A kind that can be written.
pub trait Writable: Entity {
    /// What is sent for one record.
    type Write: Serialize + Send + Sync;
    /// Xero takes the first element of a call and silently ignores the others.
    const ONE_PER_CALL: bool = false;
}

/// A kind of credit that can be applied to invoices.
pub trait Allocatable: Entity {}

/// Optional parameters of lists; each kind understands some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// `IDs`.
    Ids,
    /// `InvoiceNumbers`.
    InvoiceNumbers,
    /// `ContactIDs`.
    ContactIds,
    /// `Statuses`.
    Statuses,
    /// `includeArchived`.
    IncludeArchived,
    /// `summaryOnly`.
    SummaryOnly,
    /// `createdByMyApp`.
    CreatedByMyApp,
    /// `searchTerm`.
    SearchTerm,
}

impl Param {
    /// The parameter's name in the URL.
    pub fn name(self) -> &'static str {
        match self {
            Param::Ids => "IDs",
            Param::InvoiceNumbers => "InvoiceNumbers",
            Param::ContactIds => "ContactIDs",
            Param::Statuses => "Statuses",
            Param::IncludeArchived => "includeArchived",
            Param::SummaryOnly => "summaryOnly",
            Param::CreatedByMyApp => "createdByMyApp",
            Param::SearchTerm => "searchTerm",
        }
    }
}
