//! Connecting in a browser: states that work once, in the session that began them, and an answer that shows nothing.

use emulator::config::AutoConsent;
use http::Request;
use http::header::{LOCATION, REFERRER_POLICY, SET_COOKIE};
use serde_json::{Value, json};
use sync::KeyScope;

use crate::world::{Answer, Plan, World};

const CONNECT: &str = "/api/v1/integrations/xero/connect";

#[track_caller]
fn is_redirect(answer: &Answer, target: &str) {
    assert_eq!((answer.status.as_u16(), answer.header(LOCATION)), (302, target));
    assert_eq!(answer.body.len(), 0, "a callback shows nothing");
    assert_eq!(answer.header(REFERRER_POLICY), "no-referrer");
}

#[testkit::on_both_databases]
async fn a_sign_in_connects_every_organisation_of_the_consent(db_url: String) {
    let world = World::empty(&db_url, Plan { organisations: 2, ..Plan::default() }).await;
    let begun = world.post(CONNECT, json!({"returnTo": "/admin/connections"})).await;
    let cookie = begun.header(SET_COOKIE).to_owned();
    for part in
        ["tieout_consent=", "HttpOnly", "SameSite=Lax", "Path=/api/v1/integrations/xero/callback", "Max-Age=600"]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    let location = world.consent(begun.ok()["authorizeUrl"].as_str().unwrap());
    let back = world.back(&location, cookie.split(';').next()).await;
    is_redirect(&back, "/admin/connections");
    assert!(back.header(SET_COOKIE).contains("Max-Age=0"), "the cookie has done its work");
    let connections = world.connections().await;
    assert_eq!(connections.len(), 2);
    assert!(connections.iter().all(|connection| connection["state"] == "CONNECTED"));
    assert_ne!(connections[0]["organisationId"], connections[1]["organisationId"]);
}

#[testkit::on_both_databases]
async fn a_callback_of_another_session_is_refused(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let (location, cookie) = world.begin().await;
    let (_, other) = world.begin().await;
    for wrong in [None, Some("tieout_consent=guess"), Some(other.as_str())] {
        world.back(&location, wrong).await.is_problem(400, "TO-CONSENT");
    }
    assert_eq!(world.connections().await, Vec::<Value>::new());
    // The one that began it is not harmed by the attempts.
    is_redirect(&world.back(&location, Some(&cookie)).await, "/connected");
    assert_eq!(world.connections().await.len(), 1);
}

#[testkit::on_both_databases]
async fn a_state_works_once(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let (location, cookie) = world.begin().await;
    is_redirect(&world.back(&location, Some(&cookie)).await, "/connected");
    world.back(&location, Some(&cookie)).await.is_problem(400, "TO-CONSENT");
    assert_eq!(world.connections().await.len(), 1);
}

#[testkit::on_both_databases]
async fn a_state_works_for_ten_minutes(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let (location, cookie) = world.begin().await;
    world.clock.advance(11);
    world.back(&location, Some(&cookie)).await.is_problem(400, "TO-CONSENT");
    assert_eq!(world.connections().await, Vec::<Value>::new());
}

#[testkit::on_both_databases]
async fn a_callback_without_its_parts_is_refused(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let (location, cookie) = world.begin().await;
    let path = location.split('?').next().unwrap();
    let state = location.split(['?', '&']).find(|pair| pair.starts_with("state=")).unwrap();
    for query in ["", "?state=", "?code=x", "?state=unknown&code=x", &format!("?{state}")] {
        world.back(&format!("{path}{query}"), Some(&cookie)).await.is_problem(400, "TO-CONSENT");
    }
    assert_eq!(world.connections().await, Vec::<Value>::new());
}

#[testkit::on_both_databases]
async fn a_refusal_at_xero_ends_the_sign_in(db_url: String) {
    let world = World::empty(&db_url, Plan { consent: AutoConsent::Deny, ..Plan::default() }).await;
    let (location, cookie) = world.begin().await;
    assert!(location.contains("error=access_denied"), "{location}");
    is_redirect(&world.back(&location, Some(&cookie)).await, "/connected?problem=TO-CONSENT");
    // Used up: nobody finishes it with a code of their own.
    let state = location.split(['?', '&']).find(|pair| pair.starts_with("state=")).unwrap();
    let again = format!("/api/v1/integrations/xero/callback?{state}&code=other");
    world.back(&again, Some(&cookie)).await.is_problem(400, "TO-CONSENT");
    let page = world.back("/connected?problem=TO-CONSENT", None).await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("the sign-in was not completed"), "{text}");
    let forged = world.back("/connected?problem=%3Cscript%3E", None).await;
    assert!(!String::from_utf8(forged.body).unwrap().contains("script"));
}

#[testkit::on_both_databases]
async fn a_code_that_xero_refuses_connects_nothing(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let (location, cookie) = world.begin().await;
    let (before, _) = location.split_once("code=").unwrap();
    let rest = location.split_once("code=").unwrap().1.split_once('&').map_or("", |(_, rest)| rest);
    let forged = format!("{before}code=forged&{rest}");
    is_redirect(&world.back(&forged, Some(&cookie)).await, "/connected?problem=TO-CONSENT");
    assert_eq!(world.connections().await, Vec::<Value>::new());
}

#[testkit::on_both_databases]
async fn a_browser_is_sent_to_xero_by_a_ticket(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    let begun = world.post(CONNECT, json!({"returnTo": "/admin"})).await.ok();
    let link = begun["browserUrl"].as_str().unwrap().strip_prefix("http://localhost:8787").unwrap().to_owned();

    let go = world.back(&link, None).await;
    assert_eq!((go.status.as_u16(), go.body.len()), (302, 0));
    let location = world.consent(go.header(LOCATION));
    let cookie = go.header(SET_COOKIE).split(';').next().unwrap();
    is_redirect(&world.back(&location, Some(cookie)).await, "/admin");
    assert_eq!(world.connections().await.len(), 1);

    // A link on another page does not begin a sign-in; nor does a ticket that was changed, or is too old.
    let elsewhere = Request::builder().uri(&link).header("sec-fetch-site", "cross-site");
    world.send(elsewhere.body(axum::body::Body::empty()).unwrap()).await.is_problem(401, "TO-UNAUTHENTICATED");
    world.back(&format!("{link}x"), None).await.is_problem(401, "TO-UNAUTHENTICATED");
    world.back(&format!("{CONNECT}?ticket=a.b"), None).await.is_problem(401, "TO-UNAUTHENTICATED");
    world.clock.advance(11);
    world.back(&link, None).await.is_problem(401, "TO-UNAUTHENTICATED");
}

#[testkit::on_both_databases]
async fn a_sign_in_ends_on_a_page_of_ours_only(db_url: String) {
    let world = World::empty(&db_url, Plan::default()).await;
    for path in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\r\nX: y"] {
        world.post(CONNECT, json!({"returnTo": path})).await.is_problem(400, "TO-INVALID");
    }
    world.post(CONNECT, json!({"redirect": "/x"})).await.is_problem(400, "TO-INVALID");
}

#[testkit::on_both_databases]
async fn tokens_are_renewed_and_a_connection_ends_here_and_there(db_url: String) {
    let world = World::connected(&db_url, Plan::default()).await;
    let id = world.connections().await[0]["id"].as_i64().unwrap();
    let status = world.get(&format!("/api/v1/integrations/xero/connections/{id}/status")).await.ok();
    assert_eq!(status["tokens"]["isActive"], true);
    assert_eq!(status["tokens"]["missingScopes"], json!([]));
    assert!([59, 60].contains(&status["tokens"]["daysLeft"].as_i64().unwrap()), "{status}");
    let before = status["tokens"]["accessExpiresAt"].as_str().unwrap().to_owned();

    world.clock.advance(1);
    for target in [format!("connections/{id}/refresh-token"), "refresh-token".to_owned()] {
        let renewed = world.post(&format!("/api/v1/integrations/xero/{target}"), Value::Null).await.ok();
        assert_ne!(renewed["tokens"]["accessExpiresAt"], before.as_str());
    }
    let exchanges = world.emulator.log().iter().filter(|call| call.target.starts_with("/connect/token")).count();
    assert_eq!(exchanges, 3, "a code and two refreshes");

    let all = world.get("/api/v1/integrations/xero/status").await.ok();
    assert_eq!((&all["isEmulated"], &all["connections"][0]["connection"]["id"]), (&json!(true), &json!(id)));

    // Ending a connection is never a slip: the body must name it.
    world.post("/api/v1/integrations/xero/disconnect", json!({})).await.is_problem(400, "TO-INVALID");
    let reader = world.key(None, KeyScope::Read).await;
    let target = format!("/api/v1/integrations/xero/connections/{id}/disconnect");
    world.call(&reader, "POST", &target, Value::Null).await.is_problem(403, "TO-FORBIDDEN");
    let ended = world.post(&target, Value::Null).await.ok();
    assert_eq!((&ended["toldXero"], &ended["connection"]["state"]), (&json!(true), &json!("DISCONNECTED")));
    assert!(
        world.emulator.log().iter().any(|call| call.method == "DELETE" && call.target.starts_with("/connections/"))
    );
    let sync = world.post("/api/v1/integrations/xero/sync/full", Value::Null).await;
    sync.is_problem(409, "TO-NOT-CONNECTED");
    world.post("/api/v1/integrations/xero/refresh-token", Value::Null).await.is_problem(409, "TO-NOT-CONNECTED");
}

#[testkit::on_both_databases]
async fn behind_https_the_cookie_and_the_browser_know_it(db_url: String) {
    let settings = web::WebSettings { public_url: "https://books.example".into(), ..web::WebSettings::default() };
    let world = World::empty(&db_url, Plan::default()).await.with(settings);
    let begun = world.post(CONNECT, Value::Null).await;
    assert!(begun.header(SET_COOKIE).ends_with("; Secure"), "{}", begun.header(SET_COOKIE));
    assert!(begun.ok()["browserUrl"].as_str().unwrap().starts_with("https://books.example/api/v1/"));
    assert!(begun.header("strict-transport-security").contains("max-age="));
}
