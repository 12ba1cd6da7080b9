//! What is taken for a secret, and what people call their keys.

use std::collections::BTreeSet;

use crate::domain::{TagKey, Text};

#[test]
fn secrets_are_replaced() {
    let openai = format!("sk-admin-{}T3BlbkFJ{}", "aB3".repeat(20), "xY9".repeat(20));
    for secret in [openai.as_str(), "sk-proj-abcdefghijklmnop1234", "bt-st-AbCdEfGhIjKlMnOpQrSt", "-----BEGIN PRIVATE KEY-----"] {
        let text = Text::clean(&format!("pasted {secret} here"));
        assert!(text.was_secret_like() && !text.as_str().contains(secret), "{text}");
    }
    // As people paste them.
    for secret in [
        format!("sk-{}", "aB3xY9".repeat(5)),
        format!("sk-svcacct-{}", "aB3xY9_-aB3xY9xY9aB3".repeat(3)),
        format!("bt-st-{}", "aBcdEf".repeat(5)),
        format!("den_{}", "abcDef".repeat(10)),
        format!("eyJ{0}.eyJ{0}.{0}", "aB3".repeat(13)),
        format!("ghp_{}", "aB3".repeat(12)),
        format!("github_pat_{}", "aB3".repeat(12)),
        format!("xoxb-{}", "aB3".repeat(12)),
        format!("AIza{}", "aB3_x".repeat(3) + "Cd4".repeat(7).as_str()),
        format!("gsk_{}", "aB3x".repeat(13)),
        format!("hf_{}", "aBcD".repeat(8)),
        format!("glpat-{}", "aB3x".repeat(5)),
        format!("AKIA{}", "ABCD2345".repeat(2)),
    ] {
        for before in ["", "DEN_API_KEY=", "token:x=", "a/", "v1.", "a_", "a-", "export KEY=", "(", "\"", "ü"] {
            let text = Text::clean(&format!("{before}{secret} b"));
            assert!(text.was_secret_like() && !text.as_str().contains(&secret[6..]), "{before}: {text}");
        }
    }
}

#[test]
fn the_shortest_secrets_are_replaced_where_they_are_the_whole_name() {
    for secret in ["AKIAABCD2345ABCD2345", "sk-aB3xY9aB3xY9aB3x9", "bt-st-aB3xY9aB3xY9aB", "glpat-aB3xY9aB3xY9aB"] {
        assert_eq!(secret.len(), 20, "{secret}");
        let text = Text::clean(secret);
        assert!(text.was_secret_like() && !text.as_str().contains(secret), "{text}");
    }
}

#[test]
fn the_placeholder_tells_secrets_apart() {
    let tagged = |raw: &str, key: &str| {
        let mut text = Text::clean(raw);
        text.tag(&TagKey::new(key));
        assert!(text.was_secret_like());
        text.as_str().to_owned()
    };
    let shown = |raw: &str| tagged(raw, "0123456789abcdef0123456789abcdef");
    // `printf %s sk-proj-abcdefghijklmnop1234 | openssl dgst -sha256 -binary |
    //  openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`
    assert_eq!(shown("a sk-proj-abcdefghijklmnop1234!"), "a [secret-like text removed #d8aca6e9]!");
    assert_ne!(shown("sk-proj-abcdefghijklmnop1234"), tagged("sk-proj-abcdefghijklmnop1234", "another one, of another company."));
    assert_ne!(shown("sk-proj-abcdefghijklmnop1234"), shown("sk-proj-abcdefghijklmnop1235"));
    // Wherever it stands.
    assert_eq!(shown("OPENAI_KEY=sk-proj-abcdefghijklmnop1234."), "OPENAI_KEY=[secret-like text removed #d8aca6e9].");
    let escaped_before = shown("\\ and \u{202e} and sk-proj-abcdefghijklmnop1234 and den_Abcdefgh1jklmnopqrstuvwxyz");
    assert!(escaped_before.contains("removed #d8aca6e9] and [") && !escaped_before.contains("untagged"), "{escaped_before}");
    let once = shown("x=sk-proj-abcdefghijklmnop1234");
    assert_eq!(Text::clean(&once).as_str(), once);
    // Cut in the middle of a tag, it is none.
    for length in 215..260 {
        let cut = shown(&format!("{} sk-proj-abcdefghijklmnop1234", "é".repeat(length)));
        assert_eq!(cut.chars().count(), 256.min(length + 37) + usize::from(length + 37 > 256), "{cut}");
        assert_eq!(cut.contains("#d8aca6e9"), length <= 256 - 28 - 8, "{length}: {cut}");
    }
    let before = "aB3xY9".repeat(8);
    let both = shown(&format!("{before}/sk-proj-abcdefghijklmnop1234"));
    assert!(both.starts_with('[') && !both.contains(&before), "{both}");
}

#[test]
fn another_tag_is_no_other_name() {
    let same = |one: &str, other: &str| super::is_same_but_for_tags(Some(one), Some(other));
    assert!(same("a [secret-like text removed #5e865263] b", "a [secret-like text removed #d8aca6e9] b"));
    assert!(!same("a [secret-like text removed #5e865263] b", "a [secret-like text removed #d8aca6e9] c"));
    assert!(!same("a [secret-like text removed #5e865263]", "b [secret-like text removed #5e865263]"));
    assert!(!same("[secret-like text removed #5e", "x"));
    assert!(
        same("a", "a")
            && !same("a", "b")
            && !super::is_same_but_for_tags(None, Some("a"))
            && super::is_same_but_for_tags(None, None)
    );
}

#[test]
fn a_long_text_is_looked_through_once() {
    // 65,536 beginnings, none of which is of a secret: a look at all that follows each would take minutes.
    let hostile = "sk-".repeat(65_536);
    assert!(!Text::clean(&hostile).was_secret_like());
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn letters(&mut self, of: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(of[self.below(of.len())])).collect()
    }
}

const HEX: &[u8] = b"0123456789abcdef";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn what_is_random_and_long_is_replaced() {
    let mut dice = Dice(1);
    let base64 = [&BASE64URL[..62], b"+/"].concat();
    let mut missed = Vec::new();
    for _ in 0..2_000 {
        let length = 40 + dice.below(60);
        for letters in [HEX, &b"0123456789ABCDEF"[..], BASE64URL, &base64, &BASE64URL[..62], &BASE64URL[26..62]] {
            let secret = dice.letters(letters, length);
            let clean = Text::clean(&format!("key {secret}, new"));
            assert_eq!(clean.was_secret_like(), !clean.as_str().contains(&secret));
            if !clean.was_secret_like() {
                missed.push(secret);
            }
        }
    }
    assert!(missed.len() <= 12, "{} of 12,000: {missed:#?}", missed.len());
}

/// What people call keys, projects and themselves.
fn benign(dice: &mut Dice) -> String {
    const FIRST: &[&str] =
        &["Ana", "Jonas", "Marie-Claire", "Xiuying", "Oluwaseun", "Siobhán", "Bartholomäus", "Nguyễn", "Priya", "Li"];
    const LAST: &[&str] =
        &["Müller", "O'Connor", "Papadopoulos", "van den Heuvel", "Xu", "Ramachandran", "García-Márquez", "Smith"];
    const TEAM: &[&str] =
        &["search", "platform", "data-science", "observability", "moderation", "customer-success", "ml", "billing"];
    const USE: &[&str] =
        &["ingestion", "embeddings", "chatbot", "evaluation", "playground", "ci", "batch-transcription", "summarizer"];
    const WHERE: &[&str] = &["prod", "staging", "dev", "eu-west-1", "us-east-2a", "production", "berlin", "den_haag", "on-prem"];
    const KIND: &[&str] = &["key", "api-key", "service-account", "token", "backup key", "old key, do not use", "SDK"];
    const OTHER: &[&str] =
        &["检索服务的密钥", "ключ отдела данных", "データ基盤チーム", "🚀 launch", "مفتاح", "(temporary!)", "v2.13.0-rc.1"];
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
    };
    let (first, last, team, purpose, place, kind, other) =
        (dice.one(FIRST), dice.one(LAST), dice.one(TEAM), dice.one(USE), dice.one(WHERE), dice.one(KIND), dice.one(OTHER));
    let (year, month, day, number) = (2019 + dice.below(8), 1 + dice.below(12), 1 + dice.below(28), dice.below(100_000));
    let joined = |between: &str| [team, purpose, place, kind].join(between);
    let camel = || joined("-").split(['-', '_', ' ', ',']).map(capital).collect::<String>();
    let hex = |dice: &mut Dice, length: usize| dice.letters(HEX, length);
    match dice.below(24) {
        0 => format!("{first} {last}"),
        1 => format!("{}.{}+keys@subsidiary-{number}.example.com", first.to_lowercase(), last.to_lowercase().replace(' ', ".")),
        2 => format!("{first}'s {purpose} {kind} ({year}-{month:02}-{day:02})"),
        3 => joined("-"),
        4 => format!("{}-{year}-{month:02}", joined("_")),
        5 => joined("_").to_uppercase().replace('-', "_"),
        6 => format!("{}{year}", camel()),
        7 => camel(),
        8 => format!("{team}/{purpose}/{place}/{kind}"),
        9 => format!("{}-{}-4{}-a{}-{}", hex(dice, 8), hex(dice, 4), hex(dice, 3), hex(dice, 3), hex(dice, 12)),
        10 => format!("{team}-{}-{}-4{}-b{}-{}", hex(dice, 8), hex(dice, 4), hex(dice, 3), hex(dice, 3), hex(dice, 12)),
        11 => format!("{purpose}-{}-{}", hex(dice, 10), dice.letters(b"bcdfghjklmnpqrstvwxz2456789", 5)),
        12 => format!("deploy {} of {team}", hex(dice, 7)),
        13 => format!("https://git.example.com/{team}/{purpose}/pull/{number}"),
        14 => format!("{team}-{purpose}@{place}-{number}.iam.gserviceaccount.com").replace('_', "-"),
        15 => format!("SEC-{number}: {purpose} for {team} ({place})"),
        16 => format!("{other} {purpose} {number}"),
        17 => format!("{year}{month:02}{day:02}T{number:06}Z {team} {place}"),
        18 => format!("sk-{team}-{purpose}-{place}-{year}"),
        19 => format!("apikey_01{}-{team}", dice.letters(b"0123456789abcdefghjkmnpqrstvwxyz", 24)),
        20 => format!("arn:aws:iam::{number:012}:role/{}", camel()),
        21 => format!("{purpose} ({} {})", dice.below(1 << 30), hex(dice, 12)),
        22 => format!("com.example.{}.{}Service{number}", team.replace('-', "."), capital(purpose)),
        _ => format!("{kind} no. {number} of {first} {last}, {place}"),
    }
}

#[test]
fn names_are_left_alone() {
    for plain in [
        "risk-management-Service1-prod-eu-west",
        "KEYMUSTER_AUDIT=the-one-of-Berlin-2026",
        "ci pipeline of the data team (Berlin)",
        "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
        "first.last+keys@subsidiary.example.com",
        "sk-something-quite-long-but-a-name",
        "nightly-evaluation-of-the-support-assistant-in-production-eu-central-1",
    ] {
        assert_eq!(Text::clean(plain).as_str(), plain);
    }
    let mut dice = Dice(2);
    let mut corpus = BTreeSet::new();
    while corpus.len() < 10_000 {
        corpus.insert(benign(&mut dice));
    }
    let touched: Vec<&String> = corpus.iter().filter(|name| Text::clean(name).was_secret_like()).collect();
    assert!(touched.len() <= 10, "{} of 10,000: {touched:#?}", touched.len());
}
