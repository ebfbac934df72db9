//! The local books: one struct for each kind of record, in canonical form.

mod bank_transaction;
mod credit;
mod customer;
mod invoice;
mod payment;
mod settings;

pub use bank_transaction::BankTransaction;
pub use credit::{Allocation, Credit};
pub use customer::{Address, AddressType, Customer, Phone, PhoneType};
pub use invoice::{Invoice, Line, Tracking};
pub use payment::Payment;
pub use settings::{Account, TaxRate};
