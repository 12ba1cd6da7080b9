//! Ids that look like the remotes': computed from a number and the world's salt, so that none has to be stored.

use std::fmt::Write;

use super::random::{mix, unmix};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 62 to the 11th is the first power that holds 64 bits.
const DIGITS: usize = 11;

/// What an id names; part of what it is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Key = 1,
    Project = 2,
    User = 3,
    Service = 4,
    DenUser = 5,
    DenMember = 6,
    DenOrganization = 7,
    DenOther = 8,
    Secret = 9,
    BraintrustUser = 10,
    BraintrustAccount = 11,
    BraintrustOrganization = 12,
    BraintrustOther = 13,
}

/// Tells the ids of one world from those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt(u32);

impl Salt {
    pub(super) const fn new(seed: u64) -> Self {
        Self((mix(seed) >> 32) as u32)
    }

    /// A number that only this world, sort and index have.
    pub(super) const fn code(self, sort: Sort, index: u32) -> u64 {
        mix((((self.0 ^ ((sort as u32) << 24)) as u64) << 32) | index as u64)
    }

    /// Appends `length` characters of `A-Za-z0-9`, of which the first eleven can be read back.
    pub(super) fn push_base62(self, out: &mut String, sort: Sort, index: u32, length: usize) {
        push_digits(out, self.code(sort, index), length);
    }

    /// The index that [`Salt::push_base62`] was given, where the text is its work.
    pub(super) fn read_base62(self, text: &str, sort: Sort) -> Option<u32> {
        let digits = text.as_bytes().get(..DIGITS)?;
        let mut code = 0u64;
        for digit in digits.iter().rev() {
            let value = BASE62.iter().position(|b| b == digit)?;
            code = code.checked_mul(62)?.checked_add(u64::try_from(value).ok()?)?;
        }
        let index = u32::try_from(unmix(code) & u64::from(u32::MAX)).ok()?;
        let mut again = String::with_capacity(text.len());
        self.push_base62(&mut again, sort, index, text.len());
        (again == text).then_some(index)
    }

    /// Appends the 26 characters of a TypeID: a version 7 UUID of that instant.
    pub(super) fn push_type_id(self, out: &mut String, sort: Sort, index: u32, unix_ms: u64) {
        let code = self.code(sort, index);
        let uuid = (u128::from(unix_ms & 0xffff_ffff_ffff) << 80)
            | (7 << 76)
            | (u128::from(mix(code) & 0xfff) << 64)
            | (2 << 62)
            | u128::from(code >> 2);
        for place in (0..26).rev() {
            let digit = usize::try_from((uuid >> (5 * place)) & 31).unwrap_or(0);
            out.push(char::from(CROCKFORD[digit]));
        }
    }
}

impl Salt {
    /// Appends a UUID of version 4 that holds the whole code.
    pub(super) fn push_uuid(self, out: &mut String, sort: Sort, index: u32) {
        let code = self.code(sort, index);
        let high = (mix(code) & !0xf003) | 0x4000 | (code >> 62);
        let low = (2 << 62) | (code & (u64::MAX >> 2));
        let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
        let (fourth, fifth) = (low >> 48, low & 0xffff_ffff_ffff);
        // Writing to a string cannot fail.
        let _ = write!(out, "{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{fifth:012x}");
    }

    pub(super) fn uuid(self, sort: Sort, index: u32) -> String {
        let mut out = String::with_capacity(36);
        self.push_uuid(&mut out, sort, index);
        out
    }

    /// The index that [`Salt::push_uuid`] was given, where the text is its work.
    pub(super) fn read_uuid(self, text: &str, sort: Sort) -> Option<u32> {
        let uuid = is_uuid(text).then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok()).flatten()?;
        let (high, low) = (u64::try_from(uuid >> 64).ok()?, u64::try_from(uuid & u128::from(u64::MAX)).ok()?);
        let code = (high << 62) | (low & (u64::MAX >> 2));
        let index = u32::try_from(unmix(code) & u64::from(u32::MAX)).ok()?;
        (self.uuid(sort, index) == text).then_some(index)
    }
}

/// Hexadecimal digits and hyphens where a UUID has them.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, b)| match place {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn push_digits(out: &mut String, code: u64, length: usize) {
    let mut rest = code;
    for written in 0..length {
        if written % DIGITS == 0 && written > 0 {
            rest = mix(code.wrapping_add(written as u64));
        }
        out.push(char::from(BASE62[usize::try_from(rest % 62).unwrap_or(0)]));
        rest /= 62;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_read_back_and_differ() {
        let (salt, other) = (Salt::new(1), Salt::new(2));
        let mut seen = HashSet::new();
        for index in 0..5000 {
            let mut id = String::new();
            salt.push_base62(&mut id, Sort::Key, index, 16);
            assert_eq!(id.len(), 16);
            assert_eq!(salt.read_base62(&id, Sort::Key), Some(index));
            assert_eq!(salt.read_base62(&id, Sort::User), None);
            assert_eq!(other.read_base62(&id, Sort::Key), None);
            assert!(seen.insert(id));
        }
        assert_eq!(salt.read_base62("short", Sort::Key), None);
        assert_eq!(salt.read_base62("zzzzzzzzzzzzzzzz", Sort::Key), None);
    }

    #[test]
    fn uuids_are_read_back_and_differ() {
        let (salt, other) = (Salt::new(1), Salt::new(2));
        let mut seen = HashSet::new();
        for index in 0..5000 {
            let id = salt.uuid(Sort::Key, index);
            assert!(is_uuid(&id) && id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
            assert_eq!(salt.read_uuid(&id, Sort::Key), Some(index));
            assert_eq!((salt.read_uuid(&id, Sort::BraintrustUser), other.read_uuid(&id, Sort::Key)), (None, None));
            assert!(seen.insert(id));
        }
        assert!(!is_uuid("0000000-00000-0000-0000-000000000000") && !is_uuid(""));
    }

    #[test]
    fn type_ids_have_the_documented_shape() {
        let mut id = String::new();
        Salt::new(3).push_type_id(&mut id, Sort::Key, 9, 1_763_757_163_567);
        assert_eq!(id.len(), 26);
        assert!(id.starts_with("01") && id.bytes().all(|b| CROCKFORD.contains(&b)), "{id}");
    }
}
