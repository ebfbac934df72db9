//! A canary in every secret, and a look at everything that is printed.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use xero::oauth::{AuthorizeRequest, ClientCredentials, OAuthClient, PkceVerifier};
use xero::{AccessToken, Contact, Endpoints, FixedToken, Lane, ListQuery, Secret, SystemEntropy};

use crate::support::*;

const CANARY: &str = "canary-7f3a";

/// Everything that a subscriber would write, at the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn secrets_print_nothing_of_themselves() {
    let secret = Secret::from(CANARY);
    let token = AccessToken::new(CANARY.to_owned());
    let verifier = PkceVerifier::from_secret(secret.clone());
    let credentials = ClientCredentials { client_id: "app".to_owned(), client_secret: Some(secret.clone()) };
    let set: xero::oauth::TokenSet = serde_json::from_str(&format!(
        r#"{{"access_token":"{CANARY}","refresh_token":"{CANARY}","id_token":"{CANARY}","expires_in":1800}}"#
    ))
    .unwrap();
    let oauth = OAuthClient::new(Endpoints::xero(), credentials.clone(), Script::new([]));
    let fixed = FixedToken::new(token.clone());
    let printed = format!("{secret:?} {token:?} {verifier:?} {credentials:?} {set:?} {oauth:?} {fixed:?}");
    assert!(!printed.contains(CANARY), "{printed}");
    assert_eq!(set.refresh_token.unwrap().expose(), CANARY);
    let claims = format!("{:?}", token.claims());
    assert!(!claims.contains(CANARY), "{claims}");
    let state = xero::oauth::random_token(&SystemEntropy);
    let request = AuthorizeRequest {
        client_id: "app",
        redirect_uri: "http://localhost/cb",
        scopes: &[],
        state: &state,
        verifier: &verifier,
        nonce: None,
        single_organisation: false,
    };
    assert!(!format!("{request:?} {}", request.url(&Endpoints::xero())).contains(CANARY));
}

/// Answers that repeat the request's credentials, as error pages of proxies may.
fn nasty_answers() -> Vec<Answer> {
    let echo = |status, kind| {
        answer(
            status,
            &[("content-type", kind)],
            format!("<p>GET Authorization: Bearer {CANARY} refresh_token={CANARY}</p>"),
        )
    };
    let mut answers: Vec<Answer> =
        [400, 404, 405, 500, 302, 401, 403, 429, 503].iter().map(|status| echo(*status, "text/html")).collect();
    answers.push(json(401, format!(r#"{{"Detail":"token {CANARY} is bad"}}"#)));
    answers.push(json(400, format!(r#"{{"error":"x{CANARY}","Message":"bad {CANARY}"}}"#)));
    answers.push(json(200, format!(r#"{{"access_token":["{CANARY}"],"refresh_token":"{CANARY}"}}"#)));
    answers.push(json(200, format!(r#"{{"access_token":"{CANARY}","refresh_token":5,"expires_in":"{CANARY}"}}"#)));
    answers
}

#[tokio::test]
async fn neither_errors_nor_logs_hold_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut printed = String::new();
    for given in nasty_answers() {
        let is_success = given.as_ref().is_ok_and(|response| response.status.is_success());
        let clock = FakeClock::start();
        let governor = Arc::new(xero::Unlimited);
        let script = Script::new(std::iter::repeat_n(given.clone(), 3));
        let client = client_over(script.clone(), clock, governor);
        let tokens = Arc::new(FixedToken::new(AccessToken::new(CANARY.to_owned())));
        let books = client.tenant(tenant(), tokens, Lane::Background);
        let error = books.fetch_page::<Contact>(&ListQuery::default(), 1).await.unwrap_err();
        write!(printed, "{error} {error:?} {books:?} {client:?} ").unwrap();
        for request in script.requests.lock().unwrap().iter() {
            write!(printed, "{request:?} {:?} ", request.headers).unwrap();
        }
        let response = given.clone().unwrap();
        write!(printed, "{response:?} ").unwrap();

        let credentials = ClientCredentials { client_id: "app".to_owned(), client_secret: Some(CANARY.into()) };
        let script = Script::new([given]);
        let oauth = OAuthClient::new(Endpoints::xero(), credentials, script.clone());
        let error = oauth.refresh(&CANARY.into()).await.unwrap_err();
        // An OAuth error code is quoted by design; this server put its own text there.
        let text = format!("{error} {error:?} ").replace(&format!("x{CANARY}"), "");
        printed.push_str(&text);
        write!(printed, "{:?} ", script.requests.lock().unwrap()[0]).unwrap();
        assert!(!printed.contains(CANARY), "success {is_success}: {printed}");
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("xero call") && logged.contains("xero sign-in call"), "the log was looked at");
    assert!(!logged.contains(CANARY), "{logged}");
}
