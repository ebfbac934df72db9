//! The few claims that are read from an access token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// What an access token says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Shared with the connections made in the same consent. Absent for custom connections.
    pub authentication_event_id: Option<Uuid>,
    /// The user who consented. Absent for custom connections.
    pub xero_user_id: Option<Uuid>,
    /// The end of the token's life.
    pub expires_at: Option<Timestamp>,
    /// The start of the token's life, by Xero's clock.
    pub not_before: Option<Timestamp>,
    /// The granted scopes.
    pub scopes: Vec<String>,
}

/// A token without readable claims. Says nothing about the token's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Not three parts with dots between.
    #[error("the access token is not a jwt")]
    NotAJwt,
    /// The middle part is not base64url of JSON.
    #[error("the access token's claims cannot be read")]
    Unreadable,
}

#[derive(Deserialize)]
struct Body {
    authentication_event_id: Option<String>,
    xero_userid: Option<String>,
    exp: Option<i64>,
    nbf: Option<i64>,
    scope: Option<Scope>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    List(Vec<String>),
    Text(String),
}

impl Claims {
    pub(crate) fn read(token: &str) -> Result<Claims, ClaimsError> {
        let mut parts = token.split('.');
        let (Some(_), Some(body), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(ClaimsError::NotAJwt);
        };
        let body = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).map_err(|_| ClaimsError::Unreadable)?;
        let body: Body = serde_json::from_slice(&body).map_err(|_| ClaimsError::Unreadable)?;
        let id = |text: Option<String>| text.and_then(|text| Uuid::try_parse(&text).ok());
        let instant = |seconds: Option<i64>| seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        Ok(Claims {
            authentication_event_id: id(body.authentication_event_id),
            xero_user_id: id(body.xero_userid),
            expires_at: instant(body.exp),
            not_before: instant(body.nbf),
            scopes: match body.scope {
                Some(Scope::List(list)) => list,
                Some(Scope::Text(text)) => text.split_ascii_whitespace().map(str::to_owned).collect(),
                None => Vec::new(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(body: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.signature", URL_SAFE_NO_PAD.encode(body))
    }

    #[test]
    fn claims_are_read() {
        let token = jwt(
            r#"{"authentication_event_id":"11111111-0000-4000-8000-000000000001","xero_userid":"22222222-0000-4000-8000-000000000002","exp":1789380000,"nbf":1789378200,"scope":["openid","accounting.invoices"],"jti":"x"}"#,
        );
        let claims = Claims::read(&token).unwrap();
        assert_eq!(claims.authentication_event_id, Uuid::try_parse("11111111-0000-4000-8000-000000000001").ok());
        assert_eq!(claims.xero_user_id, Uuid::try_parse("22222222-0000-4000-8000-000000000002").ok());
        assert_eq!(claims.expires_at, Timestamp::from_second(1_789_380_000).ok());
        assert_eq!(claims.scopes, ["openid", "accounting.invoices"]);
        assert_eq!(Claims::read(&jwt(r#"{"scope":"a b"}"#)).unwrap().scopes, ["a", "b"]);
        assert_eq!(Claims::read(&jwt(r#"{"exp":99999999999999999}"#)).unwrap().expires_at, None);
    }

    #[test]
    fn other_tokens_are_refused_without_quoting_them() {
        for (token, expected) in [
            ("", ClaimsError::NotAJwt),
            ("canary", ClaimsError::NotAJwt),
            ("a.b", ClaimsError::NotAJwt),
            ("a.b.c.d", ClaimsError::NotAJwt),
            ("a.!!.c", ClaimsError::Unreadable),
            ("a.Y2FuYXJ5.c", ClaimsError::Unreadable),
        ] {
            let error = Claims::read(token).unwrap_err();
            assert_eq!(error, expected, "{token}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
