//! What looks like a secret, and what stands in its place.

use super::tag::{Digest, TAG};

/// A text with a placeholder for each part that looked like a secret.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    pub text: String,
    /// What was removed, from where it begins as real keys do, with the place of its tag in the text.
    pub removed: Vec<(usize, Digest)>,
}

/// Replaces what looks like a secret; `None` where nothing does.
pub(super) fn replaced(raw: &str) -> Option<Replaced> {
    if raw.len() < SHORTEST {
        return None;
    }
    let mut out = Replaced::default();
    if raw.contains("-----BEGIN") {
        out.remove(raw);
        return Some(out);
    }
    if !raw.split(|c| !in_run(c)).any(|run| begin_of_one(run).is_some() || is_random(run)) {
        return None;
    }
    let mut rest = raw;
    while let Some(start) = rest.find(in_run) {
        let (before, from_run) = rest.split_at(start);
        let end = from_run.find(|c| !in_run(c)).unwrap_or(from_run.len());
        let (run, after) = from_run.split_at(end);
        out.text.push_str(before);
        match begin_of_one(run) {
            Some(begin) if !is_random(&run[..begin]) => {
                let (name, secret) = run.split_at(begin);
                // A sentence may end behind it.
                let end = secret.trim_end_matches(['.', '/', '=', '+']).len();
                out.text.push_str(name);
                out.remove(&secret[..end]);
                out.text.push_str(&secret[end..]);
            }
            None if !is_random(run) => out.text.push_str(run),
            Some(_) | None => out.remove(run),
        }
        rest = after;
    }
    out.text.push_str(rest);
    Some(out)
}

/// A secret is one run of these. A backslash ends it: it does not occur in secrets.
const fn in_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '=')
}

impl Replaced {
    fn remove(&mut self, secret: &str) {
        self.text.push_str(BEFORE_TAG);
        self.removed.push((self.text.len(), Digest::of(secret)));
        self.text.push_str(UNTAGGED);
        self.text.push(']');
    }
}

/// Two names are one where only the tags of removed secrets differ: they were made with another key, or with none.
pub fn is_same_but_for_tags(one: Option<&str>, other: Option<&str>) -> bool {
    let bare = |text: &str| -> Vec<String> {
        let mut parts = text.split(BEFORE_TAG);
        let first = parts.next().map(str::to_owned);
        first.into_iter().chain(parts.map(|part| part.get(TAG..).unwrap_or_default().to_owned())).collect()
    };
    one == other || (one.zip(other)).is_some_and(|(one, other)| one.contains(BEFORE_TAG) && bare(one) == bare(other))
}

const BEFORE_TAG: &str = "[secret-like text removed #";
/// Stands where the tag will.
const UNTAGGED: &str = "untagged";
const _: () = assert!(UNTAGGED.len() == TAG);

/// Begins as real keys and JSON web tokens do, and is as long as they are: as a whole, or behind any character that is no letter
/// or digit, because people paste `NAME=secret` and paths.
pub(super) fn begins_as_one(run: &str) -> bool {
    begin_of_one(run).is_some()
}

fn begin_of_one(run: &str) -> Option<usize> {
    if run.len() < SHORTEST {
        return None;
    }
    let behind = run.bytes().enumerate().filter(|(_, b)| !b.is_ascii_alphanumeric()).map(|(at, _)| at + 1);
    let (at, body) = std::iter::once(0).chain(behind).find_map(|at| Some((at, typed(&run[at..])?)))?;
    // Words that people join are shorter than what is random goes on without a break, or have small letters alone. What follows
    // the first beginning holds all that follows a later one.
    let random = |piece: &str| piece.len() >= 12 && piece.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    pieces(body).any(random).then_some(at)
}

/// What secrets of known sorts begin with, and how long they are at least.
const TYPED: &[(&str, usize)] = &[
    ("sk-", 20),
    ("bt-st-", 20),
    ("den_", 24),
    ("eyJ", 40),
    ("AIza", 35),
    ("gsk_", 30),
    ("hf_", 30),
    ("nvapi-", 30),
    ("pplx-", 30),
    ("r8_", 30),
    ("xai-", 30),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("ghu_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("dckr_pat_", 30),
    ("sk_live_", 24),
    ("xoxb-", 30),
    ("xoxp-", 30),
    ("AKIA", 20),
];

/// The least of those lengths: nothing shorter is looked at, and nearly all names are shorter.
const SHORTEST: usize = {
    let (mut shortest, mut at) = (usize::MAX, 0);
    while at < TYPED.len() {
        if TYPED[at].1 < shortest {
            shortest = TYPED[at].1;
        }
        at += 1;
    }
    shortest
};

/// The bytes that one of them begins with.
const BEGINS: [bool; 256] = {
    let (mut begins, mut at) = ([false; 256], 0);
    while at < TYPED.len() {
        begins[TYPED[at].0.as_bytes()[0] as usize] = true;
        at += 1;
    }
    begins
};

/// What follows the beginning, where it is that of a known sort and as long as those are.
fn typed(run: &str) -> Option<&str> {
    let may_be = run.len() >= SHORTEST && BEGINS[usize::from(run.as_bytes()[0])];
    let mut known = TYPED.iter().filter(|(_, least)| may_be && run.len() >= *least);
    known.find_map(|(prefix, _)| run.strip_prefix(prefix))
}

/// 40 characters or more that go from letters to digits, or mix small letters and capitals, as often as only random text does.
fn is_random(run: &str) -> bool {
    const LEAST: usize = 40;
    /// The longest piece of a UUID.
    const OF_ID: usize = 12;
    let mixes_cases = |text: &str, least| {
        [u8::is_ascii_lowercase, u8::is_ascii_uppercase].iter().all(|of| text.bytes().filter(of).count() >= least)
    };
    let counts = |piece: &&str| piece.len() > OF_ID || mixes_cases(piece, 1);
    let sum = |of: fn(&str) -> usize| pieces(run).filter(counts).map(of).sum::<usize>();
    run.len() >= LEAST
        && ((mixes_cases(run, 6) && (sum(digits_begin_or_end) >= 4 || sum(capitals_out_of_place) * 10 >= run.len() * 3))
            || pieces(run).any(|piece| piece.len() >= LEAST && digits_begin_or_end(piece) * 8 >= piece.len()))
}

/// How often letters go over into digits or the other way round. Names have a number or two.
fn digits_begin_or_end(piece: &str) -> usize {
    pairs(piece).filter(|(one, next)| one.is_ascii_digit() != next.is_ascii_digit()).count()
}

/// How often a capital follows a letter. Words that are joined by capitals are longer than what chance makes of them.
fn capitals_out_of_place(piece: &str) -> usize {
    pairs(piece).filter(|(one, next)| one.is_ascii_alphabetic() && next.is_ascii_uppercase()).count()
}

fn pairs(piece: &str) -> impl Iterator<Item = (u8, u8)> {
    piece.bytes().zip(piece.bytes().skip(1))
}

/// Letters and digits without a break.
fn pieces(run: &str) -> impl Iterator<Item = &str> {
    run.split(|c: char| !c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
