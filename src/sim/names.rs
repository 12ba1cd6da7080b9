//! What things are called in the made-up world.

/// The organisation that is watched.
pub(super) const ORGANIZATION: &str = "Harbour & Vale";
/// Another organisation, which the Den session's owner belongs to as well.
pub(super) const NEIGHBOUR: &str = "Kite and Lantern";
/// The domain of everybody's mail.
pub(super) const DOMAIN: &str = "harbourvale.example";

pub(super) const FIRST: &[&str] = &[
    "Ana", "Bilal", "Chiara", "Daniel", "Elif", "Farah", "Grace", "Henrik", "Ines", "Jonas", "Keiko", "Liam", "Maya", "Noor",
    "Olga", "Pedro", "Qiu", "Rosa", "Samir", "Tove", "Uma", "Viktor", "Wanjiru", "Ximena", "Yusuf", "Zofia", "Amara", "Bruno",
    "Celeste", "Dmitri", "Esther", "Felix", "Gita", "Hugo", "Ivana", "Jamal", "Katya", "Luis", "Mei", "Nils",
];

pub(super) const LAST: &[&str] = &[
    "Almeida",
    "Berg",
    "Castillo",
    "Dahl",
    "Eriksen",
    "Fontaine",
    "Garcia",
    "Hoffmann",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Quinn",
    "Rossi",
    "Schmidt",
    "Tanaka",
    "Usman",
    "Vance",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhao",
    "Adeyemi",
    "Brandt",
    "Chen",
    "Duarte",
    "Ekström",
    "Flores",
    "Greene",
    "Haddad",
    "Ivanov",
    "Joshi",
    "Kaur",
    "Lopez",
    "Mensah",
    "Novak",
];

pub(super) const PROJECTS: &[&str] = &[
    "Default project",
    "prod-checkout",
    "prod-search",
    "support-assistant",
    "data-platform",
    "staging",
    "hackathon-2024",
    "legacy-chatbot",
    "prod-billing",
    "mobile",
    "growth-experiments",
    "evals",
];

const SERVICES: &[&str] = &[
    "checkout-api",
    "search-indexer",
    "support-bot",
    "invoice-reader",
    "nightly-embeddings",
    "catalog-enricher",
    "fraud-review",
    "mail-triage",
    "release-notes",
    "translation",
    "voice-notes",
    "routing",
    "forecast",
    "contract-summaries",
    "web-crawler",
    "feature-store",
    "ticket-router",
    "moderation",
    "image-alt-text",
    "onboarding-guide",
];

const USES: &[&str] =
    &["prod", "staging", "dev", "ci", "batch", "(rotated)", "eu", "us", "notebook", "load test", "backup", "temp"];

/// Names of keys, in a fixed order.
pub(super) fn keys() -> impl Iterator<Item = String> {
    SERVICES.iter().flat_map(|service| USES.iter().map(move |usage| format!("{service} {usage}")))
}

/// Names of service accounts.
pub(super) fn service(number: usize) -> String {
    let name = SERVICES[number % SERVICES.len()];
    match number / SERVICES.len() {
        0 => name.to_owned(),
        round => format!("{name}-{}", round + 1),
    }
}

/// A name that breaks pages which forget to escape.
pub(super) const HOSTILE: &str = "Søren's \"<b>bold</b>\" & <script>alert(1)</script> key";
/// A name beyond ASCII.
pub(super) const ACCENTED: &str = "clé d'équipe données 🔑";
/// A name longer than any column.
pub(super) const LONG: &str = "temporary key for the quarterly migration of the document search index from the old cluster to the new one, \
    owned by the data platform team, to be removed as soon as the migration is over and everybody has confirmed that nothing uses it any more, which should not take longer than until the end of next quarter";
