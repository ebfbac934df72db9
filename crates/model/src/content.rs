//! Canonical bytes of a record and their hash: how "nothing changed" is known without comparing fields.

use std::fmt;

use aws_lc_rs::digest;

use crate::Record;

/// The first 16 bytes of SHA-256 over a record's canonical JSON.
///
/// Half a digest is plenty to tell versions of one record apart (an accidental match is one in 2^128), and an index or
/// a million links stay small.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let whole = digest::digest(&digest::SHA256, bytes);
        let mut half = [0; 16];
        half.copy_from_slice(&whole.as_ref()[..16]);
        Self(half)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The record as canonical JSON: fields in declared order, blanks left out, amounts as plain decimal text.
///
/// # Panics
/// Never for records of this crate: none has a map with keys that are not text.
pub fn canonical<R: Record>(record: &R) -> Vec<u8> {
    serde_json::to_vec(record).expect("records serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Customer;

    #[test]
    fn blank_and_absent_are_one_content() {
        let plain = Customer { name: "A".into(), ..Customer::default() };
        let again: Customer = serde_json::from_slice(br#"{"name":"A","email":null,"phones":[]}"#).unwrap();
        assert_eq!(canonical(&plain), canonical(&again));
        assert_ne!(
            ContentHash::of(&canonical(&plain)),
            ContentHash::of(&canonical(&Customer { name: "B".into(), ..Customer::default() }))
        );
    }
}
