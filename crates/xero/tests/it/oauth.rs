//! The token endpoint: what each grant sends, and every refusal.

use std::sync::Arc;
use std::time::Duration;

use xero::oauth::{ClientCredentials, DEFAULT_SCOPES, OAuthClient, OAuthError, PkceVerifier};
use xero::{AccessToken, Endpoints, Error, Secret, TransportError};

use crate::support::*;

fn client(script: Arc<Script>, secret: Option<&str>) -> OAuthClient {
    let credentials = ClientCredentials { client_id: "app-1".to_owned(), client_secret: secret.map(Secret::from) };
    OAuthClient::new(Endpoints::xero(), credentials, script)
}

const TOKENS: &str = r#"{"id_token":"eyJ.id","access_token":"eyJ.access","expires_in":1800,"token_type":"Bearer","refresh_token":"R-2","scope":"openid accounting.invoices offline_access"}"#;

#[tokio::test]
async fn a_code_is_exchanged_with_the_verifier_and_basic_credentials() {
    let script = Script::new([json(200, TOKENS)]);
    let verifier = PkceVerifier::from_secret("v".repeat(43).into());
    let client = client(script.clone(), Some("s3cret"));
    let set = client.exchange_code(&"c+/de".into(), "http://localhost:8020/cb", &verifier).await.unwrap();
    assert_eq!(script.line(0), "POST /connect/token");
    assert_eq!(script.requests.lock().unwrap()[0].url.host_str(), Some("identity.xero.com"));
    assert_eq!(script.header(0, "authorization").as_deref(), Some("Basic YXBwLTE6czNjcmV0"));
    assert_eq!(script.header(0, "content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    let body = format!(
        "grant_type=authorization_code&code=c%2B%2Fde&redirect_uri=http%3A%2F%2Flocalhost%3A8020%2Fcb&code_verifier={}",
        "v".repeat(43)
    );
    assert_eq!(script.body(0), body);
    assert_eq!(set.access_token.secret().expose(), "eyJ.access");
    assert_eq!(set.refresh_token.as_ref().unwrap().expose(), "R-2");
    assert_eq!(set.id_token.as_ref().unwrap().expose(), "eyJ.id");
    assert_eq!(set.lifetime(), Duration::from_secs(1800));
    assert_eq!(set.scopes().collect::<Vec<_>>(), ["openid", "accounting.invoices", "offline_access"]);
}

#[tokio::test]
async fn the_other_grants() {
    let machine = r#"{"access_token":"eyJ.m","expires_in":1800,"token_type":"Bearer"}"#;
    let script = Script::new([
        json(200, TOKENS),
        json(200, machine),
        answer(200, &[], ""),
        json(400, r#"{"error":"invalid_grant"}"#),
    ]);
    let public = client(script.clone(), None);
    public.refresh(&"R-1".into()).await.unwrap();
    assert_eq!(script.body(0), "grant_type=refresh_token&refresh_token=R-1&client_id=app-1");
    assert_eq!(script.header(0, "authorization"), None);

    let confidential = client(script.clone(), Some("s"));
    let set = confidential.client_credentials(&["accounting.contacts", "accounting.invoices"]).await.unwrap();
    assert_eq!(script.body(1), "grant_type=client_credentials&scope=accounting.contacts+accounting.invoices");
    assert!(set.refresh_token.is_none() && set.scopes().next().is_none());

    confidential.revoke(&"R-2".into()).await.unwrap();
    assert_eq!(script.line(2), "POST /connect/revocation");
    assert_eq!(script.body(2), "token=R-2");
    confidential.revoke(&"R-0".into()).await.unwrap(); // dead already
}

#[tokio::test]
async fn every_refusal_is_told_apart() {
    let table: Vec<(Answer, OAuthError, bool, bool)> = vec![
        (json(400, r#"{"error":"invalid_grant"}"#), OAuthError::InvalidGrant, true, false),
        (json(400, r#"{"error":"invalid_client"}"#), OAuthError::InvalidClient, true, false),
        (json(401, r#"{"error":"invalid_client"}"#), OAuthError::InvalidClient, true, false),
        (json(400, r#"{"error":"unauthorized_client"}"#), OAuthError::UnauthorizedClient, true, false),
        (json(400, r#"{"error":"invalid_scope"}"#), OAuthError::InvalidScope, true, false),
        (
            json(400, r#"{"error":"unsupported_grant_type","error_description":"x"}"#),
            OAuthError::Refused { code: "unsupported_grant_type".to_owned() },
            true,
            false,
        ),
        (html(503, "offline"), OAuthError::Transient { status: 503, retry_after: None }, false, true),
        (
            answer(429, &[("retry-after", "4")], ""),
            OAuthError::Transient { status: 429, retry_after: Some(Duration::from_secs(4)) },
            false,
            true,
        ),
        (Err(TransportError::NotSent("refused".to_owned())), OAuthError::NotSent("refused".to_owned()), false, false),
        (Err(TransportError::Unanswered("reset".to_owned())), OAuthError::Unanswered("reset".to_owned()), false, true),
        (
            html(404, "<html>no refresh_token=canary</html>"),
            OAuthError::Protocol { status: 404, detail: "36 bytes of text/html; charset=utf-8".to_owned() },
            true,
            false,
        ),
        (
            json(200, r#"{"access_token":"#),
            OAuthError::Protocol { status: 200, detail: "not a token answer, at line 1 column 16".to_owned() },
            true,
            true,
        ),
        (
            json(200, r#"{"access_token":"","expires_in":1}"#),
            OAuthError::Protocol { status: 200, detail: "a token in the answer is empty".to_owned() },
            true,
            true,
        ),
    ];
    for (given, expected, permanent, rotated) in table {
        let script = Script::new([given]);
        let error = client(script.clone(), Some("s")).refresh(&"R-1".into()).await.unwrap_err();
        assert_eq!(error, expected);
        assert_eq!((error.is_permanent(), error.may_have_rotated()), (permanent, rotated), "{error}");
        assert_eq!(script.sent(), 1, "the keeper of the tokens decides about another try");
    }
    let redirect = Script::new([answer(302, &[("location", "https://evil.test")], "")]);
    let error = client(redirect.clone(), Some("s")).refresh(&"R-1".into()).await.unwrap_err();
    assert!(matches!(error, OAuthError::Protocol { status: 302, .. }));
    assert_eq!(redirect.sent(), 1);
}

#[tokio::test]
async fn connections_are_a_bare_list_with_finer_clocks() {
    let body = r#"[{"id":"11111111-0000-4000-8000-000000000001","authEventId":"22222222-0000-4000-8000-000000000002",
        "tenantId":"aaaaaaaa-0000-4000-8000-00000000000a","tenantType":"ORGANISATION","tenantName":"Example Ltd",
        "createdDateUtc":"2026-03-01T09:12:44.1234560","updatedDateUtc":"2026-03-01T09:12:44.1260000"},
        {"id":"11111111-0000-4000-8000-000000000003","tenantId":"bbbbbbbb-0000-4000-8000-00000000000b"}]"#;
    let bench = bench([json(200, body), answer(204, &[], ""), html(404, "unknown"), expired(), expired()]);
    let token = AccessToken::new("eyJ.x".to_owned());
    let connections = bench.client.connections(&token).await.unwrap();
    assert_eq!(connections.len(), 2);
    assert_eq!(connections[0].tenant_id, tenant());
    assert_eq!(connections[0].created_date_utc, "2026-03-01T09:12:44.123456Z".parse().ok());
    assert_eq!(bench.script.line(0), "GET /connections");
    assert_eq!(bench.script.header(0, "xero-tenant-id"), None);
    let again: Vec<xero::Connection> = serde_json::from_str(&serde_json::to_string(&connections).unwrap()).unwrap();
    assert_eq!(again, connections);

    bench.client.disconnect(&token, connections[0].id).await.unwrap();
    assert_eq!(bench.script.line(1), "DELETE /connections/11111111-0000-4000-8000-000000000001");
    bench.client.disconnect(&token, connections[0].id).await.unwrap(); // gone already
    assert!(matches!(bench.client.disconnect(&token, connections[0].id).await, Err(Error::Expired { .. })));
    assert!(matches!(bench.client.connections(&token).await, Err(Error::Expired { .. })));
}

#[test]
fn default_scopes_are_granular() {
    for broad in ["accounting.transactions", "accounting.reports.read", "accounting.settings"] {
        assert!(!DEFAULT_SCOPES.contains(&broad), "{broad}");
    }
    assert!(DEFAULT_SCOPES.contains(&"offline_access"));
}
