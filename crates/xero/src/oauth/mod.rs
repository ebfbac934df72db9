//! OAuth 2.0 as Xero does it: the consent URL with PKCE, the token endpoint, revocation.
//!
//! Nothing here stores or schedules: who keeps tokens decides when to refresh, under which lock, and saves the new pair before
//! using it (a refresh token is replaced by every refresh).

mod claims;
mod error;
mod exchange;
mod pkce;
mod tokens;

pub use claims::{Claims, ClaimsError};
pub use error::OAuthError;
pub use exchange::{ClientCredentials, OAuthClient};
pub use pkce::{AuthorizeRequest, PkceVerifier, random_token};
pub use tokens::{AccessToken, TokenSet};

/// What Tieout asks consent for by default: the least that its kinds and reports need, in granular scopes.
pub const DEFAULT_SCOPES: &[&str] = &[
    "openid",
    "profile",
    "email",
    "offline_access",
    "accounting.contacts",
    "accounting.invoices",
    "accounting.payments",
    "accounting.banktransactions",
    "accounting.settings.read",
    "accounting.reports.profitandloss.read",
    "accounting.reports.banksummary.read",
];
