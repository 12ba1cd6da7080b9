//! The gate: text from a remote becomes clean here, or does not come in.
//!
//! Behind it nothing holds control or bidi characters, nothing looks like a secret, nothing is longer than people read.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::secret_like;
use super::tag::{Digest, TAG, TagKey};

/// An id that a remote gave: 1 to 128 characters of `A-Z a-z 0-9 _ . : -`, and nothing that begins as secrets do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteId(Arc<str>);

impl RemoteId {
    /// The id, or `None` where it is none.
    pub fn new(raw: &str) -> Option<Self> {
        let fits = (1..=128).contains(&raw.len());
        let clean = raw.bytes().all(|b| OF_ID[usize::from(b)]);
        // "." and ".." would be path segments with a meaning of their own.
        let plain = raw != "." && raw != "..";
        (fits && clean && plain && !secret_like::begins_as_one(raw)).then(|| Self(raw.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The bytes that an id may have.
const OF_ID: [bool; 256] = {
    let mut of_id = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        of_id[byte] = b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
        byte += 1;
    }
    of_id
};

/// Text that people wrote at a provider: cleaned once, here, cut at 256 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    clean: Arc<str>,
    /// The secrets that are not tagged yet, with the places of their tags; `None` where there were no secrets.
    secrets: Option<Box<Secrets>>,
}

/// Boxed as a whole, which takes one word less of each text: nearly none has any.
type Secrets = Vec<(usize, Digest)>;

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As it was before tags had keys: what is stored is compared by it.
        (&self.clean, self.was_secret_like()).hash(state);
    }
}

/// How many characters are kept.
const LONGEST: usize = 256;
/// The longest escape of one: `\u{10ffff}`.
const ESCAPE: usize = 10;

impl Text {
    /// The most characters that a clean text has, with all of them escaped and the sign that it was cut.
    pub const LONGEST: usize = LONGEST * ESCAPE + 1;

    /// Cleans. Forbidden characters become `\u{…}`, what looks like a secret is replaced, the rest is kept.
    pub fn clean(raw: &str) -> Self {
        let replaced = secret_like::replaced(raw);
        if replaced.is_none() && raw.len() <= LONGEST && raw.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\') {
            // Nothing to escape: nearly all names.
            return Self { clean: raw.into(), secrets: None };
        }
        let shown = replaced.as_ref().map_or(raw, |replaced| &replaced.text);
        let mut awaited = replaced.iter().flat_map(|replaced| &replaced.removed).peekable();
        let mut secrets = Vec::new();
        let mut clean = String::with_capacity(shown.len());
        for (kept, (at, c)) in shown.char_indices().enumerate() {
            if kept == LONGEST {
                clean.push('…');
                break;
            }
            if let Some((_, secret)) = awaited.next_if(|(tag, _)| *tag == at)
                && kept + TAG <= LONGEST
            {
                secrets.push((clean.len(), *secret));
            }
            if is_forbidden(c) {
                clean.push_str(&c.escape_unicode().to_string());
            } else {
                clean.push(c);
            }
        }
        Self { clean: clean.into(), secrets: replaced.is_some().then(|| Box::new(secrets)) }
    }

    /// Tags the placeholders of removed secrets, so that they can be told apart.
    pub fn tag(&mut self, key: &TagKey) {
        let Some(secrets) = self.secrets.as_mut().filter(|secrets| !secrets.is_empty()) else { return };
        let mut clean = self.clean.to_string();
        for (at, secret) in std::mem::take(secrets.as_mut()) {
            clean.replace_range(at..at + TAG, &key.tag(&secret));
        }
        self.clean = clean.into();
    }

    /// The clean text.
    pub fn as_str(&self) -> &str {
        &self.clean
    }

    /// Something in it looked like a secret and was replaced.
    pub const fn was_secret_like(&self) -> bool {
        self.secrets.is_some()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.clean)
    }
}

/// A provider's masked form of a secret, kept only if it really is masked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hint(Box<str>);

impl Hint {
    /// What providers begin their secrets with; longest first.
    const PREFIXES: &[&str] = &["sk-svcacct-", "sk-admin-", "sk-proj-", "sk-admin", "sk-proj", "bt-st-", "den_", "sk-"];
    /// What stands for the characters that are not shown.
    const GAP: [char; 4] = ['*', '…', '•', '.'];

    /// The hint, or `None` where it shows more than the prefix and twelve characters, or could not be a mask.
    pub fn new(raw: &str) -> Option<Self> {
        let prefix = raw.len() - Self::bare(raw).len();
        let (mut length, mut visible, mut masked, mut dots) = (0, 0, false, 0);
        for (at, c) in raw.char_indices() {
            if c == ' ' || is_forbidden(c) {
                return None;
            }
            length += 1;
            dots = if c == '.' { dots + 1 } else { 0 };
            masked |= matches!(c, '*' | '…' | '•') || dots == 3;
            visible += usize::from(at >= prefix && !Self::GAP.contains(&c));
        }
        let short = length <= if masked { LONGEST } else { 20 };
        (length > 0 && short && visible <= 12).then(|| Self(raw.into()))
    }

    /// The hint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the secret begins and ends with, as far as the mask shows it; a mask without a gap shows its beginning alone.
    /// `None` where there are several gaps.
    pub fn ends(&self) -> Option<(&str, &str)> {
        let Some(gap) = self.0.find(Self::GAP) else { return Some((&self.0, "")) };
        let (start, rest) = self.0.split_at(gap);
        let end = rest.trim_start_matches(Self::GAP);
        (!end.contains(Self::GAP)).then_some((start, end))
    }

    /// How many characters of the secret it shows beside the prefix of its sort.
    pub fn visible(&self) -> usize {
        Self::bare(&self.0).chars().filter(|c| !Self::GAP.contains(c)).count()
    }

    fn bare(raw: &str) -> &str {
        Self::PREFIXES.iter().find_map(|p| raw.strip_prefix(p)).unwrap_or(raw)
    }
}

/// What text from a remote never holds; a backslash, because it begins what stands for the others.
fn is_forbidden(c: char) -> bool {
    c == '\\' || changes_what_is_around_it(c)
}

/// Characters that change how the text around them is read: controls, bidi, invisible, private use, tags.
pub fn changes_what_is_around_it(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_plain() {
        for good in ["key_abc", "proj-1", "9a3c:4", "apk_01m7zwzc1fet5a8cvnfjckxdb0"] {
            assert!(RemoteId::new(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", "..", "sk-proj-abcdefghijklmnop1234", &"x".repeat(129)] {
            assert!(RemoteId::new(bad).is_none(), "{bad}");
        }
    }

    /// What never survives, from Unicode's own tables and not from the code above: the general categories Cc, Zl, Zp and Co,
    /// the property Default_Ignorable_Code_Point (bidi controls, joiners, variation selectors, fillers, tags, soft hyphen),
    /// interlinear annotations, and the backslash, because it begins what stands for the others.
    const NEVER: &[(u32, u32)] = &[
        (0x00, 0x1f),
        (0x5c, 0x5c),
        (0x7f, 0x9f),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x206f),
        (0x3164, 0x3164),
        (0xe000, 0xf8ff),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
        (0xfff0, 0xfffb),
        (0x1bca0, 0x1bca3),
        (0x1d173, 0x1d17a),
        (0xe0000, 0xe0fff),
        (0xf0000, 0xffffd),
        (0x100000, 0x10fffd),
    ];

    /// Every character of the first plane and of those around the ranges above; of two planes of private use some.
    #[test]
    fn exactly_the_characters_of_the_table_are_escaped() {
        let some = (0xf0000..=0xffffd).chain(0x100000..=0x10fffd).step_by(251);
        for code in (0..=0xffff).chain(0x1b000..0x1e000).chain(0x1f000..0x20000).chain(0xdff00..0xe1100).chain(some) {
            let Some(c) = char::from_u32(code) else { continue };
            let text = Text::clean(&format!("name {c} name of a key"));
            let never = NEVER.iter().any(|(first, last)| (*first..=*last).contains(&code));
            let expected = if never { format!("name \\u{{{code:x}}} name of a key") } else { format!("name {c} name of a key") };
            assert_eq!(text.as_str(), expected, "U+{code:04X}");
        }
        // A family is three people and what joins them.
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(Text::clean(family).as_str(), "\u{1f468}\\u{200d}\u{1f469}\\u{200d}\u{1f467}");
    }

    #[test]
    fn escapes_cannot_be_forged() {
        assert_eq!(Text::clean("\\u{1b}").as_str(), "\\u{5c}u{1b}");
        assert_eq!(Text::clean("\\").as_str(), "\\u{5c}");
        assert_eq!(Text::clean("\u{1b}[31m").as_str(), "\\u{1b}[31m");
    }

    #[test]
    fn text_is_cut() {
        for character in ["é", "e"] {
            let cut = |count: usize| Text::clean(&character.repeat(count)).as_str().chars().count();
            assert_eq!((cut(LONGEST), cut(LONGEST + 1), cut(10_000)), (LONGEST, LONGEST + 1, LONGEST + 1), "{character}");
        }
        assert_eq!(Text::clean(&"\u{e0041}".repeat(10_000)).as_str().chars().count(), Text::LONGEST - LONGEST);
    }

    #[test]
    fn hints_are_masks() {
        for good in ["sk-abc...def", "sk-admin...def", "sk-proj-****************************************wxyz", "den_Px", "sk-..."]
        {
            assert!(Hint::new(good).is_some(), "{good}");
        }
        for bad in ["", "sk-proj-abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop...q", "sk-\u{1b}..."] {
            assert!(Hint::new(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        /// Whole secrets of every format, and whatever else may come in the field of a mask.
        #[test]
        fn hints_never_show_more_than_twelve_characters(
            secret in "(sk-admin-|sk-proj-|sk-svcacct-|sk-|bt-st-|den_|)[A-Za-z0-9_-]{13,120}",
            other in "(sk-admin-|sk-|bt-st-|den_|)[A-Za-z0-9*.…•_-]{0,40}",
            any in ".{0,40}",
        ) {
            prop_assert!(Hint::new(&secret).is_none(), "{}", secret);
            for raw in [other, any] {
                let Some(hint) = Hint::new(&raw) else { continue };
                let masked = raw.contains(['*', '…', '•']) || raw.contains("...");
                prop_assert!(hint.visible() <= 12 && (masked || raw.chars().count() <= 20), "{}", raw);
            }
        }
    }

    #[test]
    fn masks_tell_both_ends() {
        for (mask, ends, visible) in [
            ("sk-admin...def", Some(("sk-admin", "def")), 3),
            ("sk-proj-****************wxyz", Some(("sk-proj-", "wxyz")), 4),
            ("sk-…abcd", Some(("sk-", "abcd")), 4),
            ("den_Px", Some(("den_Px", "")), 2),
            ("sk-...", Some(("sk-", "")), 0),
            ("***", Some(("", "")), 0),
            ("sk-ab..cd..ef", None, 6),
        ] {
            let hint = Hint::new(mask).unwrap();
            assert_eq!((hint.ends(), hint.visible()), (ends, visible), "{mask}");
        }
    }
}
