//! Tokens as JSON Web Tokens: access tokens that only the emulator reads, id tokens that clients verify.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ACCESS_MS, Identity};
use crate::books::Millis;
use crate::ids;

/// An id token lasts five minutes.
const ID_TOKEN_SECONDS: i64 = 300;

/// What an access token says.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Granted scopes.
    pub(crate) scopes: Vec<String>,
    /// Whether it is of a custom connection, which may leave out the tenant header.
    pub(crate) is_custom: bool,
}

/// Why an access token is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AccessError {
    /// Missing, malformed or not ours.
    Unusable,
    /// Expired at that second since 1970.
    Expired(i64),
}

/// Who a token is for.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    pub(super) client_id: &'a str,
    pub(super) issuer: &'a str,
    pub(super) scopes: &'a [String],
    /// `None` for a custom connection, which no user consented to.
    pub(super) auth_event: Option<Uuid>,
}

impl Identity {
    /// An access token signed with the emulator's own key.
    pub(super) fn access_token(&mut self, subject: &Subject<'_>, now: Millis) -> String {
        let seconds = now.div_euclid(1000);
        let jti = ids::next(&mut self.rng).simple().to_string().to_uppercase();
        let mut claims = json!({
            "nbf": seconds,
            "exp": (now + ACCESS_MS).div_euclid(1000),
            "iss": subject.issuer,
            "aud": format!("{}/resources", subject.issuer),
            "client_id": subject.client_id,
            "jti": jti,
            "iat": seconds,
            "emulator_round": self.round,
            "scope": subject.scopes,
        });
        if let Some(auth_event) = subject.auth_event {
            claims["sub"] = json!(self.user.simple().to_string());
            claims["auth_time"] = json!(seconds);
            claims["xero_userid"] = json!(self.user);
            claims["global_session_id"] = json!(self.session.simple().to_string());
            claims["authentication_event_id"] = json!(auth_event);
        }
        let text = joined(&json!({"alg": "HS256", "typ": "JWT"}), &claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// Reads an access token back.
    pub(crate) fn read_access_token(&self, token: &str, now: Millis) -> Result<Access, AccessError> {
        let (text, tag) = token.rsplit_once('.').ok_or(AccessError::Unusable)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| AccessError::Unusable)?;
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), text.as_bytes(), &tag)
            .map_err(|_| AccessError::Unusable)?;
        let claims = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value =
            claims.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or(AccessError::Unusable)?;
        let expires = claims["exp"].as_i64().unwrap_or_default();
        let round = claims["emulator_round"].as_u64().unwrap_or_default();
        if expires * 1000 <= now {
            return Err(AccessError::Expired(expires));
        }
        if round < self.round {
            return Err(AccessError::Expired(now.div_euclid(1000)));
        }
        let scopes = claims["scope"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Ok(Access { scopes: scopes.collect(), is_custom: claims.get("xero_userid").is_none() })
    }

    /// An id token, verifiable with the key of the jwks document.
    pub(super) fn id_token(&self, subject: &Subject<'_>, nonce: Option<&str>, access: &str, now: Millis) -> String {
        let seconds = now.div_euclid(1000);
        let half = &digest::digest(&digest::SHA256, access.as_bytes()).as_ref()[..16].to_vec();
        let mut claims = json!({
            "nbf": seconds,
            "exp": seconds + ID_TOKEN_SECONDS,
            "iss": subject.issuer,
            "aud": subject.client_id,
            "iat": seconds,
            "at_hash": URL_SAFE_NO_PAD.encode(half),
            "sid": self.session.simple().to_string(),
            "sub": self.user.simple().to_string(),
            "auth_time": seconds,
            "xero_userid": self.user,
            "global_session_id": self.session.simple().to_string(),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if subject.scopes.iter().any(|scope| scope == "profile") {
            claims["preferred_username"] = json!("emulator@example.test");
            claims["given_name"] = json!("Emulator");
            claims["family_name"] = json!("User");
            claims["name"] = json!("Emulator User");
        }
        if subject.scopes.iter().any(|scope| scope == "email") {
            claims["email"] = json!("emulator@example.test");
        }
        let text = joined(&json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}), &claims);
        let key = signing_key();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("the key fits the signature scheme");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

const KEY_ID: &str = "emulator";

/// The key of id tokens, made once per process: the one thing that does not follow from the seed, so that no private key
/// has to lie in a repository.
fn signing_key() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("the machine has randomness"))
}

/// The public key of id tokens as a JSON Web Key Set.
pub(super) fn key_set() -> Value {
    // A PKCS #1 public key: a sequence of the modulus and the exponent.
    let (_, sequence, _) = der_value(signing_key().public_key().as_ref());
    let (_, modulus, rest) = der_value(sequence);
    let (_, exponent, _) = der_value(rest);
    // DER writes a leading zero before a high first bit; a key set does not.
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes.strip_prefix(&[0]).unwrap_or(bytes));
    json!({"keys": [{
        "kty": "RSA", "use": "sig", "kid": KEY_ID, "alg": "RS256", "n": number(modulus), "e": number(exponent),
    }]})
}

/// The first DER value: its tag, its content and what follows it. Anything malformed is empty.
fn der_value(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    const EMPTY: &[u8] = &[];
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else { return (0, EMPTY, EMPTY) };
    let length_bytes = if *first < 0x80 { 0 } else { usize::from(first & 0x7f) };
    let header = 2 + length_bytes;
    let length = match length_bytes {
        0 => usize::from(*first),
        _ => bytes.iter().take(header).skip(2).fold(0, |sum, byte| sum * 256 + usize::from(*byte)),
    };
    let content = bytes.get(header..header + length).unwrap_or(EMPTY);
    (*tag, content, bytes.get(header + length..).unwrap_or(EMPTY))
}

fn joined(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// `MM/dd/yyyy HH:mm:ss` in UTC, as the expiry message prints it.
pub(crate) fn message_time(seconds: i64) -> String {
    let instant = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.strftime("%m/%d/%Y %H:%M:%S").to_string()
}
