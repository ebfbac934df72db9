//! A client for Xero's Accounting API: OAuth, limits, paging, typed models.
//!
//! The crate is useful on its own: it knows no database and no sync engine. What it needs from outside comes in through four
//! seams, each a trait with one ready implementation:
//!
//! | seam | ready made | why it is a seam |
//! |---|---|---|
//! | [`Transport`] | [`HttpTransport`] | tests script the answers, byte for byte |
//! | [`Clock`], [`Entropy`] | [`SystemClock`], [`SystemEntropy`] | waiting and randomness are repeatable in tests |
//! | [`Governor`] | [`InProcessGovernor`] | Xero's limits are shared by all processes of an app; a store may keep them |
//! | [`TokenSource`] | [`FixedToken`] | who keeps and rotates tokens decides what is durable |
//!
//! A [`Client`] plus a tenant, a token source and a [`Lane`] gives [`Books`], the handle for one organisation's books:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(token: xero::AccessToken, tenant: xero::TenantId) -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(xero::SystemClock);
//! let governor = Arc::new(xero::InProcessGovernor::new(xero::LimitSettings::default(), clock.clone()));
//! let transport = Arc::new(xero::HttpTransport::new(xero::HttpSettings::default())?);
//! let client = xero::Client::new(xero::ClientSettings::new(xero::Endpoints::xero()), transport, clock, governor);
//! let books = client.tenant(tenant, Arc::new(xero::FixedToken::new(token)), xero::Lane::Background);
//! let mut pages = books.pages::<xero::Invoice>(xero::ListQuery::default());
//! while let Some(page) = pages.next().await? {
//!     for item in page.items {
//!         match item {
//!             Ok(invoice) => drop(invoice),
//!             Err(undecodable) => drop(undecodable), // one bad element never loses its page
//!         }
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Money is [`rust_decimal::Decimal`] read from the digits on the wire, calendar dates are [`jiff::civil::Date`], instants are
//! [`jiff::Timestamp`]. Secrets are [`Secret`]: they cannot be printed or serialised.

mod books;
mod client;
mod clock;
mod endpoints;
mod entities;
mod error;
mod filter;
mod governor;
mod http_transport;
mod limits;
pub mod oauth;
mod page;
mod query;
pub mod scalars;
mod secret;
mod transport;
mod wire;
mod write;

pub use books::{Books, BooksUsage, encode_elements, encode_one};
pub use client::{Client, ClientSettings, FixedToken, RetrySettings, TokenError, TokenSource};
pub use clock::{Clock, Deadline, Entropy, SystemClock, SystemEntropy};
pub use endpoints::{Endpoints, EndpointsError, TenantId};
pub use entities::*;
pub use error::{Error, Rejected, RejectedElement};
pub use filter::{Field, Filter, InvalidFilter, Literal};
pub use governor::{InProcessGovernor, LimitSettings, TenantBudget};
pub use http_transport::{HttpSettings, HttpTransport};
pub use limits::{Governor, Lane, Limited, Permit, Seen, Unlimited, Window};
pub use oauth::{AccessToken, Claims};
pub use page::{Item, Page, Pages, Pagination, RawPage, Undecodable};
pub use query::{Direction, ListQuery, MAX_IDS, Order};
pub use secret::Secret;
pub use transport::{Request, Response, Transport, TransportError};
pub use write::{ElementResult, MAX_KEY_CHARS, WriteOptions, Written};
