//! Where the pages of the web are: paths, for whoever links them.

/// The path of the list of keys; the page of each lies below it.
pub const KEYS: &str = "/keys";

/// The path of a key's page.
pub fn of_key(account: &str, key_id: &str) -> String {
    format!("{KEYS}/{}/{}", segment(account), segment(key_id))
}

/// One segment of a path: what has a meaning in addresses is escaped.
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_one_segment_of_an_address() {
        assert_eq!(of_key("acme", "key_1.a:b-c"), "/keys/acme/key_1.a:b-c");
        assert_eq!(of_key("a/../b", "x?y#z \"é"), "/keys/a%2F..%2Fb/x%3Fy%23z%20%22%C3%A9");
    }
}
