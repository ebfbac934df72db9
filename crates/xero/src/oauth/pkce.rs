//! The start of a consent: state, PKCE and the URL that the browser opens.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use crate::clock::Entropy;
use crate::endpoints::Endpoints;
use crate::secret::Secret;

/// A PKCE verifier: 43 characters with 256 bits of randomness (RFC 7636 allows 43 to 128).
#[derive(Debug, Clone)]
pub struct PkceVerifier(Secret);

impl PkceVerifier {
    /// Makes a new one.
    pub fn generate(entropy: &dyn Entropy) -> PkceVerifier {
        PkceVerifier(Secret::new(random_token(entropy)))
    }

    /// Takes up one that was stored between the start of the consent and its callback.
    pub fn from_secret(verifier: Secret) -> PkceVerifier {
        PkceVerifier(verifier)
    }

    /// The verifier, to be stored until the callback.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// The S256 challenge that goes into the URL.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.expose().as_bytes()))
    }
}

/// 256 random bits as 43 URL-safe characters: for states and nonces.
pub fn random_token(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a consent asks for.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest<'a> {
    /// The app's client id.
    pub client_id: &'a str,
    /// Registered with the app; https, or `http://localhost`.
    pub redirect_uri: &'a str,
    /// The scopes.
    pub scopes: &'a [&'a str],
    /// One-time, bound to the browser's session.
    pub state: &'a str,
    /// The verifier whose challenge is sent.
    pub verifier: &'a PkceVerifier,
    /// Comes back in the `id_token`.
    pub nonce: Option<&'a str>,
    /// Makes the user choose exactly one organisation.
    pub single_organisation: bool,
}

impl AuthorizeRequest<'_> {
    /// The URL to open in the user's browser.
    pub fn url(&self, endpoints: &Endpoints) -> Url {
        let mut url = endpoints.authorize();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", self.client_id)
                .append_pair("redirect_uri", self.redirect_uri)
                .append_pair("scope", &self.scopes.join(" "))
                .append_pair("state", self.state)
                .append_pair("code_challenge", &self.verifier.challenge())
                .append_pair("code_challenge_method", "S256");
            if let Some(nonce) = self.nonce {
                query.append_pair("nonce", nonce);
            }
            if self.single_organisation {
                query.append_pair("acr_values", "bulk_connect:false");
            }
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
        }
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = PkceVerifier::from_secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifiers_have_the_allowed_length_and_alphabet() {
        let verifier = PkceVerifier::generate(&crate::SystemEntropy);
        let text = verifier.secret().expose();
        assert_eq!(text.len(), 43);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(text, PkceVerifier::generate(&crate::SystemEntropy).secret().expose());
        assert!(!format!("{verifier:?}").contains(text));
    }

    #[test]
    fn the_url_has_every_part() {
        let verifier = PkceVerifier::generate(&Counting);
        let request = AuthorizeRequest {
            client_id: "app",
            redirect_uri: "http://localhost:8020/callback?x=1",
            scopes: &["openid", "offline_access"],
            state: "st+ate",
            verifier: &verifier,
            nonce: Some("n"),
            single_organisation: true,
        };
        let url = request.url(&Endpoints::xero());
        assert_eq!(url.host_str(), Some("login.xero.com"));
        assert_eq!(url.path(), "/identity/connect/authorize");
        let pairs: Vec<(String, String)> = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        let challenge = verifier.challenge();
        let expected = [
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", "http://localhost:8020/callback?x=1"),
            ("scope", "openid offline_access"),
            ("state", "st+ate"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("nonce", "n"),
            ("acr_values", "bulk_connect:false"),
        ];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(!url.as_str().contains(verifier.secret().expose()), "the verifier itself never goes into the URL");
    }
}
