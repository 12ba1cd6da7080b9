//! Text, ids and masks of providers, at the gate.

use keymuster::domain::{Hint, RemoteId, Text};

pub fn text(bytes: &[u8]) {
    let raw = String::from_utf8_lossy(bytes);
    let text = Text::clean(&raw);
    let clean = text.as_str();
    assert!(!clean.contains(super::is_dangerous), "{clean:?} of {raw:?}");
    assert!(clean.chars().count() <= Text::LONGEST, "{} characters", clean.chars().count());
    if let Some(id) = RemoteId::new(&raw) {
        assert!((1..=128).contains(&id.as_str().len()));
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)), "{id}");
    }
    if let Some(hint) = Hint::new(&raw) {
        assert!(!hint.as_str().contains(super::is_dangerous), "{:?}", hint.as_str());
        assert!(hint.as_str().len() <= raw.len(), "a mask shows no more than it was given");
    }
}
