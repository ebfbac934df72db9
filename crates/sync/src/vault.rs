//! The vault: secrets as they lie in the database.
//!
//! AES-256-GCM with a random nonce. The associated data binds a ciphertext to its row, column and generation, so that
//! one copied elsewhere does not open. Format: `v1.<key id>.<nonce>.<ciphertext>`, the last two in URL-safe base64.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use model::ContentHash;
use xero::Secret;
use zeroize::Zeroizing;

use crate::Error;

const VERSION: &str = "v1";

/// Why a text is no encryption key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the encryption key must be 32 random bytes, written as 64 hex digits or in base64: `tieout config new-key` makes one"
)]
pub struct BadKey;

/// Seals and opens secrets with one key.
pub struct Vault {
    key: RandomizedNonceKey,
    tags: hmac::Key,
    key_id: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Where a secret lies: what its ciphertext is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'a str,
    pub(crate) row: i64,
    pub(crate) column: &'a str,
    pub(crate) generation: i64,
}

impl Place<'_> {
    fn aad(&self) -> Vec<u8> {
        format!("tieout|{}|{}|{}|{}", self.table, self.row, self.column, self.generation).into_bytes()
    }
}

impl Vault {
    /// With a key of 32 bytes, written as 64 hex digits or in base64.
    ///
    /// # Errors
    /// [`BadKey`] for anything else.
    pub fn new(key: &Secret) -> Result<Self, BadKey> {
        let bytes = Zeroizing::new(decode_key(key.expose().trim()).ok_or(BadKey)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| BadKey)?;
        // A key of its own for tags: one key never serves two algorithms.
        let from_ours = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let tags = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&from_ours, b"tieout tags").as_ref());
        // The id only tells keys apart; four bytes of a hash say nothing about the key.
        let hash = ContentHash::of(&[b"tieout key id|", bytes.as_slice()].concat());
        let key_id = hash.0[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { key, tags, key_id })
    }

    /// Tells keys apart; says nothing about the key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Authenticates a text for one purpose.
    pub(crate) fn tag(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.tags);
        context.update(purpose.as_bytes());
        context.update(b"|");
        context.update(text.as_bytes());
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    pub(crate) fn seal(&self, place: Place<'_>, secret: &Secret) -> Result<String, Error> {
        let mut bytes = Zeroizing::new(secret.expose().as_bytes().to_vec());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place.aad()), &mut *bytes)
            .map_err(|_| Error::Internal("encryption failed".into()))?;
        let (nonce, text) = (URL_SAFE_NO_PAD.encode(nonce.as_ref()), URL_SAFE_NO_PAD.encode(&*bytes));
        Ok(format!("{VERSION}.{}.{nonce}.{text}", self.key_id))
    }

    pub(crate) fn open(&self, place: Place<'_>, sealed: &str) -> Result<Secret, Error> {
        let parts: Vec<&str> = sealed.split('.').collect();
        let [VERSION, key_id, nonce, text] = parts[..] else { return Err(Error::WrongKey) };
        if key_id != self.key_id {
            return Err(Error::WrongKey);
        }
        let nonce: [u8; NONCE_LEN] =
            URL_SAFE_NO_PAD.decode(nonce).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(Error::WrongKey)?;
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::WrongKey)?);
        let plain = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(place.aad()), &mut bytes)
            .map_err(|_| Error::WrongKey)?;
        std::str::from_utf8(plain).map(|text| Secret::new(text.to_owned())).map_err(|_| Error::WrongKey)
    }
}

fn decode_key(text: &str) -> Option<Vec<u8>> {
    let hex = || -> Option<Vec<u8>> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
    };
    let bytes =
        if text.len() == 64 { hex() } else { STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok() };
    bytes.filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { table: "grants", row: 7, column: "access_token", generation: 3 };

    fn vault(fill: &str) -> Vault {
        Vault::new(&Secret::new(fill.repeat(32))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_in_its_place_and_with_its_key() {
        let vault = vault("0a");
        let sealed = vault.seal(PLACE, &Secret::new("token".into())).unwrap();
        assert_eq!(vault.open(PLACE, &sealed).unwrap().expose(), "token");
        for other in [
            Place { row: 8, ..PLACE },
            Place { column: "refresh_token", ..PLACE },
            Place { generation: 4, ..PLACE },
            Place { table: "consents", ..PLACE },
        ] {
            assert!(matches!(vault.open(other, &sealed), Err(Error::WrongKey)));
        }
        assert!(matches!(self::vault("0b").open(PLACE, &sealed), Err(Error::WrongKey)));
        assert!(matches!(vault.open(PLACE, "v1.x"), Err(Error::WrongKey)));
    }

    #[test]
    fn nothing_of_the_secret_or_the_key_shows() {
        let vault = vault("0a");
        let sealed = vault.seal(PLACE, &Secret::new("canary-token".into())).unwrap();
        assert!(!sealed.contains("canary"));
        assert_ne!(sealed, vault.seal(PLACE, &Secret::new("canary-token".into())).unwrap());
        assert!(!format!("{vault:?}").contains("0a0a"));
    }

    #[test]
    fn keys_are_32_bytes() {
        for bad in ["", "short", &"zz".repeat(32), &"0a".repeat(31)] {
            assert_eq!(Vault::new(&Secret::new(bad.into())).unwrap_err(), BadKey, "{bad}");
        }
        assert!(Vault::new(&Secret::new(STANDARD.encode([7; 32]))).is_ok());
    }
}
