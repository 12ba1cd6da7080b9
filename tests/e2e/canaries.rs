//! Secrets that must not be found where they do not belong, in any spelling.

use keymuster::sim::{GRANTED_TOKEN_ENDS, GRANTED_TOKEN_STARTS, INVITE_TOKEN, LEAKED_SECRET, UNASKED_SECRET};

use crate::receiver;
use crate::support::{Sim, Site};

fn base64(bytes: &[u8], letters: &[u8; 64]) -> String {
    let mut out = String::new();
    for three in bytes.chunks_exact(3) {
        let number = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        out.extend([18, 12, 6, 0].map(|shift| char::from(letters[(number >> shift & 63) as usize])));
    }
    out
}

/// Every spelling of a secret that somebody could write down without meaning to.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut safe = *letters;
    safe[62..].copy_from_slice(b"-_");
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let percent: String = bytes.iter().map(|b| format!("%{b:02X}")).collect();
    let escaped: String =
        bytes.iter().map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect();
    let mut all = vec![secret.to_owned(), hex.to_uppercase(), hex, percent, escaped];
    // Wherever it stands in what was encoded, one of three ways shows its middle.
    all.extend((0..3).flat_map(|skip| [letters, &safe].map(|letters| base64(&bytes[skip..], letters))));
    // A part of it is a secret too.
    all.extend((secret.len() > 20).then(|| secret[8..secret.len() - 4].to_owned()));
    all.push(secret.chars().rev().collect());
    // UTF-16: without the outermost zero either order is the same.
    let wide = bytes.iter().flat_map(|b| [*b, 0]).take(2 * bytes.len() - 1).collect();
    all.into_iter().map(String::into_bytes).chain([wide]).collect()
}

/// The first two bytes as a number.
fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

pub struct Canaries {
    /// Each secret in each spelling.
    spelt: Vec<(String, Vec<u8>)>,
    /// Which begin with those two bytes: most of what is searched is passed over at a glance.
    begun: Vec<Vec<usize>>,
}

impl Canaries {
    pub fn of(sim: &Sim) -> Self {
        let secrets = [
            sim.openai_credential(),
            sim.den_session(),
            sim.den_session_elsewhere(),
            sim.den_api_key(),
            sim.braintrust_credential(),
            // The middle of a token is when it ends and whose it is, which is no secret.
            GRANTED_TOKEN_STARTS,
            GRANTED_TOKEN_ENDS,
            INVITE_TOKEN,
            LEAKED_SECRET,
            UNASKED_SECRET,
            receiver::SECRET,
        ];
        let of =
            |secret: &&str| spellings(secret).into_iter().map(|spelling| ((*secret).to_owned(), spelling)).collect::<Vec<_>>();
        let spelt: Vec<(String, Vec<u8>)> = secrets.iter().flat_map(of).collect();
        let mut begun = vec![Vec::new(); 1 << 16];
        for (nth, (_, spelling)) in spelt.iter().enumerate() {
            begun[start(spelling)].push(nth);
        }
        Self { spelt, begun }
    }

    pub fn first_in(&self, bytes: &[u8]) -> Option<&str> {
        let found = |at: usize| {
            let mut begun = self.begun[start(&bytes[at..])].iter().map(|nth| &self.spelt[*nth]);
            begun.find(|(_, spelling)| bytes[at..].starts_with(spelling))
        };
        let mut places = 0..bytes.len().saturating_sub(1);
        places.find_map(found).map(|(secret, _)| secret.as_str())
    }

    #[track_caller]
    pub fn sing_not_in(&self, what: &str, bytes: &[u8]) {
        if let Some(secret) = self.first_in(bytes) {
            panic!("{what} holds {secret}, in some spelling");
        }
    }

    /// All that the program wrote into its folder; the credentials that we put there are left out.
    #[track_caller]
    pub fn sing_not_in_files(&self, site: &Site) -> Vec<String> {
        let mut read = Vec::new();
        let mut folders = vec![site.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file()
                    && !["openai-key", "den-session", "braintrust-key", "webhook-secret"].contains(&name.as_str())
                {
                    // What is gone by now, as a scratch file of SQLite may be, holds nothing.
                    let Ok(bytes) = std::fs::read(&path) else { continue };
                    self.sing_not_in(&name, &bytes);
                    read.push(name);
                }
            }
        }
        read
    }
}

#[test]
fn the_search_finds_every_spelling() {
    let sim = Sim::small();
    let canaries = Canaries::of(&sim);
    for secret in [LEAKED_SECRET, UNASKED_SECRET, sim.den_session(), sim.braintrust_credential(), GRANTED_TOKEN_STARTS] {
        let utf16 = [u16::to_le_bytes, u16::to_be_bytes].map(|order| secret.encode_utf16().flat_map(order).collect::<Vec<u8>>());
        for spelling in spellings(secret).into_iter().chain(utf16) {
            let text = [b"x = ", spelling.as_slice(), b" and more"].concat();
            assert_eq!(canaries.first_in(&text), Some(secret));
        }
    }
    assert_eq!(canaries.first_in(b"[secret-like text removed]"), None);
}
