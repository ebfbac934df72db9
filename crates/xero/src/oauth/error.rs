//! What the token endpoint refuses, sorted by what the caller does next.

use std::time::Duration;

use serde::Deserialize;

use crate::limits::parse_retry_after;
use crate::transport::{Response, TransportError};

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The code or refresh token is dead: used, expired, rotated out or revoked. Re-read the stored token once (another process
    /// may have rotated it), then ask for a new consent. Never delete anything because of it.
    #[error("xero does not accept the code or refresh token any more, connect the organisation again")]
    InvalidGrant,
    /// Wrong client id or secret.
    #[error("xero does not accept the client id and secret, check the app's credentials")]
    InvalidClient,
    /// The app may not do this, or not with these scopes.
    #[error("xero does not allow this to the app, check the app's type and scopes")]
    UnauthorizedClient,
    /// A scope is not assigned to the app.
    #[error("xero does not give the app one of the scopes, check the list of scopes")]
    InvalidScope,
    /// Another word of the OAuth standard.
    #[error("xero refused the request for tokens: {code}")]
    Refused {
        /// The `error` field.
        code: String,
    },
    /// 5xx or 429: try again. A refresh **may have rotated** the token; the old one stays good for 30 minutes.
    #[error("xero's sign-in failed with status {status}, try again")]
    Transient {
        /// The status code.
        status: u16,
        /// `Retry-After`, if there was one.
        retry_after: Option<Duration>,
    },
    /// The request left and no answer came. A refresh **may have rotated** the token.
    #[error("xero's sign-in did not answer: {0}")]
    Unanswered(String),
    /// The request never left.
    #[error("xero's sign-in could not be reached: {0}")]
    NotSent(String),
    /// An answer that the token endpoint does not give.
    #[error("the answer of xero's sign-in (status {status}) cannot be understood: {detail}")]
    Protocol {
        /// The status code.
        status: u16,
        /// What is wrong. Never an excerpt: a good answer holds tokens, and an error page may repeat the request.
        detail: String,
    },
}

impl OAuthError {
    /// Whether the same request will fail again until somebody changes something.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, OAuthError::Transient { .. } | OAuthError::Unanswered(_) | OAuthError::NotSent(_))
    }

    /// Whether a refresh that ended so may have rotated the token all the same: replay the old one within its 30 minutes.
    pub fn may_have_rotated(&self) -> bool {
        match self {
            OAuthError::Transient { .. } | OAuthError::Unanswered(_) => true,
            OAuthError::Protocol { status, .. } => *status < 400,
            _ => false,
        }
    }

    /// Reads a refusal.
    pub(crate) fn of(response: &Response) -> OAuthError {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }
        let status = response.status.as_u16();
        if status == 408 || status == 429 || status >= 500 {
            return OAuthError::Transient {
                status,
                retry_after: response.header("retry-after").and_then(parse_retry_after),
            };
        }
        match serde_json::from_slice::<Refusal>(&response.body) {
            Ok(refusal) => match refusal.error.as_str() {
                "invalid_grant" => OAuthError::InvalidGrant,
                "invalid_client" => OAuthError::InvalidClient,
                "unauthorized_client" => OAuthError::UnauthorizedClient,
                "invalid_scope" => OAuthError::InvalidScope,
                other => OAuthError::Refused { code: crate::scalars::bounded(other, 64).to_owned() },
            },
            Err(_) if response.status.is_redirection() => OAuthError::Protocol {
                status,
                detail: "a redirect, which is never followed: check the base URL".to_owned(),
            },
            Err(_) => {
                let kind = crate::scalars::bounded(response.header("content-type").unwrap_or("no content type"), 64);
                OAuthError::Protocol { status, detail: format!("{} bytes of {kind}", response.body.len()) }
            }
        }
    }
}

impl From<TransportError> for OAuthError {
    fn from(error: TransportError) -> OAuthError {
        match error {
            TransportError::NotSent(detail) => OAuthError::NotSent(detail),
            TransportError::Unanswered(detail) => OAuthError::Unanswered(detail),
        }
    }
}
