//! What tells removed secrets apart, for whoever has no key to it: nothing.

use std::fmt;

use ring::{digest, hmac};

/// The key of an inventory's tags: the same secret has the same tag in it, and another in every other inventory.
#[derive(Clone)]
pub struct TagKey(hmac::Key);

impl TagKey {
    /// A key of random digits.
    pub fn new(digits: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, digits.as_bytes()))
    }

    /// The first 8 hexadecimal digits of the digest's HMAC: far too little to find a secret by, which is random and has at least
    /// 20 characters.
    pub(super) fn tag(&self, of: &Digest) -> String {
        let tag = hmac::sign(&self.0, &of.0);
        tag.as_ref().iter().take(TAG / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey(…)")
    }
}

/// Characters of a tag.
pub(super) const TAG: usize = 8;

/// What stands for a removed secret until it is tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digest([u8; digest::SHA256_OUTPUT_LEN]);

impl Digest {
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }
}
