//! Streams of ids that follow from a seed: same seed and same calls give the same ids.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// The stream for one purpose.
pub(crate) fn stream(seed: u64, purpose: &str) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derive(seed, purpose))
}

/// A seed for one purpose, derived from another.
pub(crate) fn derive(seed: u64, purpose: &str) -> u64 {
    // `DefaultHasher::new` has fixed keys, unlike the hash maps' `RandomState`.
    let mut hasher = DefaultHasher::new();
    (seed, purpose).hash(&mut hasher);
    hasher.finish()
}

/// The next version 4 GUID of a stream.
pub(crate) fn next(rng: &mut ChaCha8Rng) -> Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// SHA-256 in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
