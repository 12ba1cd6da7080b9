//! Where a page goes on, as text that nobody has to understand. It carries the place behind the last item and a sum over that and
//! the question, so that one which was changed, or belongs to another filter or order, is told from ours. The sum keeps no secret:
//! a forged place shows only what its maker may read anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest as sum_of};

use crate::views::Place;

/// Bytes of the sum that are kept.
const SUM: usize = 12;

/// The text for a place in the answer to a question.
pub(super) fn give(question: &str, places: &[Place]) -> String {
    let places = serde_json::to_vec(places).unwrap_or_default();
    let mut bytes = sum(question, &places);
    bytes.extend(places);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place; `None` where the text was not given for this question.
pub(super) fn take(question: &str, text: &str) -> Option<Vec<Place>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (told, places) = bytes.split_at_checked(SUM)?;
    (told == sum(question, places)).then(|| serde_json::from_slice(places).ok()).flatten()
}

fn sum(question: &str, places: &[u8]) -> Vec<u8> {
    let said = [format!("keymuster cursor 1 {} ", question.len()).as_bytes(), question.as_bytes(), places].concat();
    sum_of(&SHA256, &said).as_ref().iter().take(SUM).copied().collect()
}

/// Some letters that differ where the bytes do.
pub(super) fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sum_of(&SHA256, bytes).as_ref().iter().take(SUM).copied().collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![Just(Place::Null), any::<i64>().prop_map(Place::Number), any::<String>().prop_map(Place::Text)]
    }

    proptest! {
        #[test]
        fn what_was_given_is_taken_and_nothing_else(
            places in proptest::collection::vec(place(), 0..8),
            (question, other) in (".{0,20}", ".{0,20}"),
            (at, letter) in (any::<proptest::sample::Index>(), "[A-Za-z0-9_-]"),
        ) {
            let text = give(&question, &places);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            prop_assert_eq!(take(&question, &text), Some(places));
            prop_assert!(other == question || take(&other, &text).is_none());
            let mut tampered = text.clone();
            let at = at.index(text.len());
            tampered.replace_range(at..=at, &letter);
            prop_assert!(tampered == text || take(&question, &tampered).is_none(), "{}", tampered);
            prop_assert!(take(&question, &text[..at]).is_none());
            let longer = text + &letter;
            prop_assert!(take(&question, &longer).is_none());
        }
    }
}
