//! Finds the token in the answer of an exchange.

use secrecy::SecretString;
use secrecy::zeroize::Zeroize;
use serde_json::Value;

/// No provider has longer ones.
const LONGEST: usize = 4 << 10;

/// The text at the first of the pointers that leads to one. A bare JSON string, or a line of plain text, is the token itself.
/// What was parsed on the way is wiped, but for what the JSON library sets aside where a text holds escapes or the JSON breaks.
pub(super) fn find(body: &[u8], pointers: &[String]) -> Option<SecretString> {
    let Ok(mut answer) = serde_json::from_slice::<Value>(body) else { return token(std::str::from_utf8(body).ok()?.trim()) };
    let text = answer.as_str().or_else(|| pointers.iter().find_map(|pointer| answer.pointer(pointer)?.as_str()));
    let found = text.and_then(token);
    wipe(&mut answer);
    found
}

fn token(text: &str) -> Option<SecretString> {
    is_token(text).then(|| SecretString::from(text))
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(elements) => elements.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// One word of visible ASCII that is no piece of a page or of broken JSON.
fn is_token(text: &str) -> bool {
    (8..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) && !text.starts_with(['<', '{', '['])
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_are_found_and_nothing_else() {
        let pointers = ["/token".to_owned(), "/data/key".to_owned()];
        let found = |body: &str| find(body.as_bytes(), &pointers).map(|token| token.expose_secret().to_owned());
        for body in [r#"{"token":"abcdefgh"}"#, r#"{"token":7,"data":{"key":"abcdefgh"}}"#, r#""abcdefgh""#, "abcdefgh\n"] {
            assert_eq!(found(body).as_deref(), Some("abcdefgh"), "{body}");
        }
        for body in ["", "{}", r#"{"token":""}"#, r#"{"token":"two words"}"#, "<html>abcdefgh</html>", r#"{"token":"cut"#, "null"]
        {
            assert_eq!(found(body), None, "{body}");
        }
    }
}
