//! Login, tokens and connections (items 1, 2 and 3 of the behaviours to reproduce).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::*;
use emulator::config::{App, AutoConsent};
use emulator::http::Request;
use emulator::{Config, Emulator};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn advance(client: &Client, by: i64) {
    client.emulator.clock().advance(by);
}

#[test]
fn item_1_a_code_becomes_a_token_pair() {
    let emulator = Emulator::new(config());
    let tokens = json(&exchange(&emulator, &code(&emulator, ALL_SCOPES)));
    assert_eq!(tokens["expires_in"], 1800);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], ALL_SCOPES.split_whitespace().collect::<Vec<_>>().join(" "));
    assert!(tokens["refresh_token"].as_str().unwrap().len() >= 40);
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], App::default().client_id);
}

#[test]
fn item_1_refresh_tokens_rotate_and_the_previous_one_works_for_thirty_minutes() {
    let client = Client::connect(config());
    let second = json(&refresh(&client.emulator, &client.refresh));
    assert_ne!(second["refresh_token"], json!(client.refresh));
    advance(&client, 29 * MINUTE);
    let sibling = json(&refresh(&client.emulator, &client.refresh));
    assert!(sibling["access_token"].is_string(), "{sibling}");
    assert_ne!(sibling["refresh_token"], second["refresh_token"]);
    advance(&client, MINUTE);
    let late = refresh(&client.emulator, &client.refresh);
    assert_eq!((late.status, late.text_body()), (400, r#"{"error":"invalid_grant"}"#));
}

#[test]
fn item_1_using_a_successor_ends_its_sibling_and_its_predecessor() {
    let client = Client::connect(config());
    let second = json(&refresh(&client.emulator, &client.refresh));
    let sibling = json(&refresh(&client.emulator, &client.refresh));
    let third = refresh(&client.emulator, second["refresh_token"].as_str().unwrap());
    assert_eq!(third.status, 200);
    for dead in [sibling["refresh_token"].as_str().unwrap(), &client.refresh] {
        assert_eq!(refresh(&client.emulator, dead).text_body(), r#"{"error":"invalid_grant"}"#);
    }
}

#[test]
fn item_1_the_grace_can_give_the_same_successor_again() {
    let mut config = config();
    config.settings.grace_gives_sibling = false;
    let client = Client::connect(config);
    let second = json(&refresh(&client.emulator, &client.refresh));
    let again = json(&refresh(&client.emulator, &client.refresh));
    assert_eq!(second["refresh_token"], again["refresh_token"]);
}

#[test]
fn item_1_an_unused_refresh_token_dies_after_sixty_days() {
    let client = Client::connect(config());
    advance(&client, 60 * DAY - 1);
    let second = json(&refresh(&client.emulator, &client.refresh));
    advance(&client, 60 * DAY);
    let late = refresh(&client.emulator, second["refresh_token"].as_str().unwrap());
    assert_eq!((late.status, late.text_body()), (400, r#"{"error":"invalid_grant"}"#));
}

#[test]
fn item_1_a_code_works_once_and_for_five_minutes() {
    let emulator = Emulator::new(config());
    let first = code(&emulator, ALL_SCOPES);
    assert_eq!(exchange(&emulator, &first).status, 200);
    assert_eq!(exchange(&emulator, &first).text_body(), r#"{"error":"invalid_grant"}"#);
    let second = code(&emulator, ALL_SCOPES);
    emulator.clock().advance(5 * MINUTE);
    assert_eq!(exchange(&emulator, &second).text_body(), r#"{"error":"invalid_grant"}"#);
}

#[test]
fn item_1_verifier_and_redirect_must_match() {
    let emulator = Emulator::new(config());
    let wrong = "x".repeat(43);
    for (redirect, verifier) in
        [(REDIRECT, Some(wrong.as_str())), (REDIRECT, None), ("http://localhost/", Some(VERIFIER))]
    {
        let code = code(&emulator, ALL_SCOPES);
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", redirect)];
        pairs.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        assert_eq!(token(&emulator, &pairs).text_body(), r#"{"error":"invalid_grant"}"#);
    }
}

#[test]
fn item_1_a_public_client_needs_pkce_and_sends_no_secret() {
    let mut config = config();
    config.app.client_secret = None;
    let emulator = Emulator::new(config);
    let without = emulator.handle(&Request::new("GET", &authorize_target(ALL_SCOPES, "")));
    assert_eq!(without.status, 400);
    let plain = format!("&code_challenge={CHALLENGE}&code_challenge_method=plain");
    assert_eq!(emulator.handle(&Request::new("GET", &authorize_target(ALL_SCOPES, &plain))).status, 400);

    let code = code(&emulator, ALL_SCOPES);
    let id = App::default().client_id;
    let call = |pairs: &[(&str, &str)]| emulator.handle(&Request::new("POST", "/connect/token").with_body(form(pairs)));
    let tokens = call(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", &id),
    ]);
    assert_eq!(tokens.status, 200, "{}", tokens.text_body());
    let next = json(&tokens)["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(call(&[("grant_type", "refresh_token"), ("refresh_token", &next), ("client_id", &id)]).status, 200);
}

#[test]
fn item_1_a_chain_that_began_with_a_secret_needs_it_again() {
    let client = Client::connect(config());
    let id = App::default().client_id;
    let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &client.refresh), ("client_id", &id)]);
    let response = client.emulator.handle(&Request::new("POST", "/connect/token").with_body(body));
    assert_eq!(json(&response), json!({"error": "invalid_client"}));
    assert_eq!(refresh(&client.emulator, &client.refresh).status, 200, "the refused attempt spent nothing");
}

#[test]
fn item_1_wrong_clients_are_refused() {
    let emulator = Emulator::new(config());
    let id = App::default().client_id;
    for (pairs, error) in [
        (vec![("client_id", id.as_str()), ("client_secret", "wrong")], "invalid_client"),
        (vec![("client_id", "nobody"), ("client_secret", "emulator-secret")], "invalid_client"),
        (vec![("client_secret", "emulator-secret")], "unauthorized_client"),
        (vec![("client_id", id.as_str()), ("client_secret", "emulator-secret")], "unsupported_grant_type"),
    ] {
        let mut body = vec![("grant_type", "password")];
        body.extend(pairs);
        let response = emulator.handle(&Request::new("POST", "/connect/token").with_body(form(&body)));
        assert_eq!((response.status, json(&response)), (400, json!({"error": error})));
    }
}

#[test]
fn item_1_refresh_tokens_only_with_offline_access_and_id_tokens_only_with_openid() {
    let emulator = Emulator::new(config());
    let tokens = json(&exchange(&emulator, &code(&emulator, "accounting.contacts.read")));
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none(), "{tokens}");
}

#[test]
fn item_1_revocation_drops_the_chain_and_every_connection() {
    let client = Client::connect(config());
    let revoke = |token: &str| {
        let request = Request::new("POST", "/connect/revocation").with_header("Authorization", &basic());
        client.emulator.handle(&request.with_body(form(&[("token", token)])))
    };
    assert_eq!(revoke("unknown").status, 200);
    assert_eq!(client.get("Organisation").status, 200);
    let response = revoke(&client.refresh);
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert_eq!(refresh(&client.emulator, &client.refresh).status, 400);
    assert_eq!(client.get("Organisation").status, 403);
}

fn organisations(count: usize) -> Config {
    let names = ["First Ltd", "Second & Co", "Third \"Quoted\""];
    Config { organisations: names[..count].iter().map(|name| plan(name, 5)).collect(), ..config() }
}

fn connections(client: &Client, query: &str) -> Vec<Value> {
    let request = Request::new("GET", &format!("/connections{query}"))
        .with_header("Authorization", &format!("Bearer {}", client.access));
    json(&client.emulator.handle(&request)).as_array().unwrap().clone()
}

#[test]
fn item_2_one_token_reaches_every_connected_organisation() {
    let client = Client::connect(organisations(3));
    let rows = connections(&client, "");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["tenantName"], "Second & Co");
    assert_eq!(rows[1]["tenantType"], "ORGANISATION");
    assert_eq!(rows[1]["createdDateUtc"], "2026-09-14T09:30:30.8940000");
    let event = claims(&client.access)["authentication_event_id"].clone();
    assert!(rows.iter().all(|row| row["authEventId"] == event));
    assert_eq!(claims(&client.access)["scope"].as_array().unwrap().len(), 12);
    assert!(claims(&client.access)["xero_userid"].is_string());
    assert_eq!(connections(&client, &format!("?authEventId={}", event.as_str().unwrap())).len(), 3);
    assert_eq!(connections(&client, "?authEventId=00000000-0000-0000-0000-000000000000").len(), 0);
    for tenant in client.emulator.tenants() {
        let mut other = Client { tenant, emulator: client.emulator.clone(), ..Client::connect(organisations(1)) };
        other.access.clone_from(&client.access);
        assert_eq!(other.rows("Organisation")[0]["OrganisationID"], json!(tenant));
    }
}

#[test]
fn item_2_a_connection_is_deleted_by_its_own_id() {
    let client = Client::connect(organisations(2));
    let rows = connections(&client, "");
    let delete = |id: &Value| {
        let request = Request::new("DELETE", &format!("/connections/{}", id.as_str().unwrap()));
        client.emulator.handle(&request.with_header("Authorization", &format!("Bearer {}", client.access))).status
    };
    assert_eq!(delete(&rows[0]["tenantId"]), 404, "the tenant id is not the connection id");
    assert_eq!(delete(&rows[0]["id"]), 204);
    assert_eq!(delete(&rows[0]["id"]), 404);
    assert_eq!(connections(&client, "").len(), 1);
    assert_eq!(client.get("Organisation").status, 403);
    assert_eq!(refresh(&client.emulator, &client.refresh).status, 200, "a lost tenant does not break refresh");
}

#[test]
fn item_2_reconnecting_renews_the_connection() {
    let client = Client::connect(organisations(1));
    client.emulator.disconnect_tenant(client.tenant);
    advance(&client, 5 * MINUTE);
    code(&client.emulator, ALL_SCOPES);
    let rows = connections(&client, "");
    assert_eq!(rows[0]["createdDateUtc"], "2026-09-14T09:30:30.8940000");
    assert_eq!(rows[0]["updatedDateUtc"], "2026-09-14T09:35:30.8940000");
}

#[test]
fn item_2_the_consent_page_offers_organisations_and_decisions() {
    let emulator = Emulator::new(Config { auto_consent: None, ..organisations(3) });
    let extra = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let target = authorize_target(ALL_SCOPES, &extra);
    let page = emulator.handle(&Request::new("GET", &target));
    assert_eq!(page.status, 200);
    assert!(page.text_body().contains("Third &quot;Quoted&quot;"), "{}", page.text_body());
    let answer = |more: &[(&str, &str)]| {
        let mut pairs: Vec<(String, String)> = Request::new("GET", &target).query_pairs();
        pairs.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let request = Request::new("POST", "/identity/connect/authorize").with_body(form(&pairs));
        emulator.handle(&request).header("Location").unwrap().to_owned()
    };
    assert_eq!(answer(&[("decision", "deny")]), format!("{REDIRECT}?error=access_denied&state=s+1"));
    let second = emulator.tenants()[1].to_string();
    let location = answer(&[("decision", "allow"), ("tenant", &second)]);
    assert!(location.starts_with(&format!("{REDIRECT}?code=")) && location.ends_with("state=s+1"), "{location}");
    let live: Vec<_> = emulator.connections().iter().map(|row| row.tenant.to_string()).collect();
    assert_eq!(live, [second]);
}

#[test]
fn item_2_bulk_connect_can_be_switched_off_by_the_application() {
    let emulator = Emulator::new(organisations(3));
    let extra = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256&acr_values=bulk_connect%3Afalse");
    emulator.handle(&Request::new("GET", &authorize_target(ALL_SCOPES, &extra)));
    assert_eq!(emulator.connections().len(), 1);
}

#[test]
fn item_2_denial_redirects_with_access_denied() {
    let emulator = Emulator::new(Config { auto_consent: Some(AutoConsent::Deny), ..config() });
    let response = emulator.handle(&Request::new("GET", &authorize_target(ALL_SCOPES, "")));
    assert_eq!(response.header("Location"), Some("http://localhost:3000/callback?error=access_denied&state=s+1"));
}

#[test]
fn item_2_bad_requests_to_authorise_are_shown_and_not_redirected() {
    let emulator = Emulator::new(config());
    for (target, words) in [
        (authorize_target("openid accounting.transactions", ""), "Invalid scope for client"),
        (authorize_target("openid accounting.nonsense", ""), "Invalid scope for client"),
        (authorize_target(ALL_SCOPES, "").replace("0123456789", "9"), "unauthorized_client"),
        (authorize_target(ALL_SCOPES, "").replace("localhost", "127.0.0.1"), "Invalid redirect_uri"),
        (authorize_target(ALL_SCOPES, "").replace("response_type=code", "response_type=token"), "response_type"),
    ] {
        let response = emulator.handle(&Request::new("GET", &target));
        assert_eq!(response.status, 400, "{target}");
        assert!(response.text_body().contains(words), "{target}: {}", response.text_body());
    }
}

#[test]
fn item_2_custom_connections_need_no_user_and_no_tenant_header() {
    let mut config = config();
    config.app.custom_connection = Some(0);
    config.app.scopes = vec!["accounting.contacts.read".into(), "accounting.settings.read".into()];
    let emulator = Emulator::new(config);
    let ask = |scope: &str| token(&emulator, &[("grant_type", "client_credentials"), ("scope", scope)]);
    assert_eq!(json(&ask("accounting.invoices")), json!({"error": "invalid_scope"}));
    let tokens = json(&ask("accounting.contacts.read"));
    assert!(tokens.get("refresh_token").is_none());
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let get = |target: &str| {
        let request = Request::new("GET", target).with_header("Authorization", &bearer);
        emulator.handle(&request.with_header("Accept", "application/json").with_header("xero-tenant-id", "")).status
    };
    assert_eq!(get("/api.xro/2.0/Contacts"), 200);
    assert_eq!(get("/api.xro/2.0/Organisation"), 401);
    assert_eq!(get("/connections"), 200);
}

#[test]
fn item_3_expired_tokens_say_when_they_expired() {
    let client = Client::connect(config());
    advance(&client, 30 * MINUTE);
    let response = client.get("Organisation");
    assert_eq!(response.status, 401);
    let problem = json(&response);
    assert_eq!(problem["Detail"], "TokenExpired: token expired at 09/14/2026 10:00:30");
    let keys: Vec<_> = response.text_body().matches("\":").count().to_string().chars().collect();
    assert_eq!(keys, ['6']);
    assert!(
        response.text_body().starts_with(
            r#"{"Type":null,"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at"#
        )
    );
    assert!(response.text_body().ends_with(r#","Extensions":{}}"#));
    assert!(response.header("X-MinLimit-Remaining").is_none());
}

#[test]
fn item_3_garbage_tokens_are_unsuccessful_authentication() {
    let mut client = Client::connect(config());
    let mut forged = client.access.clone();
    forged.replace_range(forged.len() - 5.., "AAAAA");
    for token in ["", "garbage", "a.b.c", &forged] {
        client.access = token.to_owned();
        let response = client.get("Organisation");
        assert_eq!(
            (response.status, &json(&response)["Detail"]),
            (401, &json!("AuthenticationUnsuccessful")),
            "{token}"
        );
    }
    let bare = client.emulator.handle(&Request::new("GET", "/api.xro/2.0/Organisation"));
    assert_eq!(bare.status, 401);
}

#[test]
fn item_3_a_missing_scope_is_401_and_a_wrong_tenant_403() {
    let client = Client::with_scopes(config(), "accounting.contacts.read accounting.payments.read");
    for target in ["Invoices", "Organisation", "Items", "Reports/BankSummary", "Contacts/x/Attachments"] {
        let response = client.get(target);
        assert_eq!(
            (response.status, &json(&response)["Detail"]),
            (401, &json!("AuthorizationUnsuccessful")),
            "{target}"
        );
    }
    assert_eq!(client.get("Contacts").status, 200);
    assert_eq!(client.get("Overpayments").status, 200);
    assert_eq!(client.send("PUT", "Contacts", r#"{"Name":"A"}"#).status, 401, "read scopes do not write");

    for tenant in [Some("8b7c3b1e-1111-4222-8333-444455556666"), Some("nonsense"), Some(""), None] {
        let mut request = client.request("GET", "Contacts");
        request.headers.retain(|(name, _)| name != "xero-tenant-id");
        request.headers.extend(tenant.map(|id| ("Xero-Tenant-Id".to_owned(), id.to_owned())));
        let response = client.emulator.handle(&request);
        assert_eq!(response.status, 403, "{tenant:?}");
        let body = response.text_body();
        let start =
            r#"{"Type":null,"Title":"Forbidden","Status":403,"Detail":"AuthenticationUnsuccessful","Instance":""#;
        assert!(body.starts_with(start), "{body}");
    }
}

#[test]
fn item_3_reports_need_a_role() {
    let client = Client::connect(Config { has_reports_role: false, ..config() });
    assert_eq!(client.get("Reports/ProfitAndLoss").status, 403);
}

#[test]
fn the_discovery_document_points_to_this_origin_and_id_tokens_verify() {
    let client = Client::connect(config());
    let discovery = json(&client.emulator.handle(&Request::new("GET", "/.well-known/openid-configuration")));
    assert_eq!(discovery["issuer"], "http://localhost:8910");
    assert_eq!(discovery["token_endpoint"], "http://localhost:8910/connect/token");
    let keys = json(&client.emulator.handle(&Request::new("GET", "/.well-known/openid-configuration/jwks")));
    let decode = |key: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][key].as_str().unwrap()).unwrap();
    let public = aws_lc_rs::signature::RsaPublicKeyComponents { n: decode("n"), e: decode("e") };
    let tokens = json(&exchange(&client.emulator, &code(&client.emulator, ALL_SCOPES)));
    let (text, signature) = tokens["id_token"].as_str().unwrap().rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public.verify(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature).unwrap();
}
