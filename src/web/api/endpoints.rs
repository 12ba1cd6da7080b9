//! Every path of the API: what it takes and what it gives. Requests are read by this, and the document is made of it.

use super::asked::Parameter::{self, After, Cursor, Filter, Limit, Since};
use super::schema::{Column, Shape};
use crate::domain::{Basis, ChangeKind, KeyKind, OwnerKind, Presence, PresenceReason, ScopeKind, ScopeState};
use crate::web::query::Name;

/// A path.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub path: &'static str,
    /// Its name in the document.
    pub id: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub parameters: &'static [Parameter],
    pub item: Item,
    /// It gives one item, and takes account and id in its path.
    pub single: bool,
}

/// What items are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Its name in the document.
    pub name: &'static str,
    /// The public view whose columns it has.
    pub view: &'static str,
    pub columns: &'static [Column],
}

pub(super) const ALL: [&Endpoint; 6] = [&KEYS, &KEY, &CHANGES, &ACCOUNTS, &SCOPES, &OWNERS];

pub(super) static KEYS: Endpoint = Endpoint {
    path: "/api/v1/keys",
    id: "listKeys",
    summary: "Keys, as the page Keys lists them",
    description: "Without `presence`, keys that are gone are left out. A page begins behind the last key of the one before by what \
                  that key was ordered by then. In the order `account` a key that is there all the time comes exactly once; in \
                  another order one that is moved by a change between two pages may come twice or not at all.",
    parameters: &[
        Filter(Name::Text),
        Filter(Name::Provider),
        Filter(Name::Account),
        Filter(Name::Kind),
        Filter(Name::Owner),
        Filter(Name::Team),
        Filter(Name::Condition),
        Filter(Name::Presence),
        Filter(Name::Flagged),
        Filter(Name::Waived),
        Filter(Name::Held),
        Filter(Name::Created),
        Filter(Name::LastUsed),
        Filter(Name::Expires),
        Filter(Name::Sort),
        Limit,
        Cursor,
    ],
    item: KEY_ITEM,
    single: false,
};

pub(super) static KEY: Endpoint = Endpoint {
    path: "/api/v1/keys/{account}/{key_id}",
    id: "getKey",
    summary: "One key",
    description: "Of an organisation that the account saw before only where the present one has no key of that id.",
    parameters: &[],
    item: KEY_ITEM,
    single: true,
};

pub(super) static CHANGES: Endpoint = Endpoint {
    path: "/api/v1/changes",
    id: "listChanges",
    summary: "What was seen to change, the newest first",
    description: "Lines are only added, so that each comes exactly once on the pages of a list. Whoever follows keeps the greatest \
                  `change_id` seen and asks for what is `after` it.",
    parameters: &[Filter(Name::Account), Since, After, Limit, Cursor],
    item: Item { name: "Change", view: "changes", columns: CHANGE_COLUMNS },
    single: false,
};

pub(super) static ACCOUNTS: Endpoint = Endpoint {
    path: "/api/v1/accounts",
    id: "listAccounts",
    summary: "Accounts, all on one page",
    description: "Those that the config names no longer too.",
    parameters: &[],
    item: Item { name: "Account", view: "accounts", columns: ACCOUNT_COLUMNS },
    single: false,
};

pub(super) static SCOPES: Endpoint = Endpoint {
    path: "/api/v1/scopes",
    id: "listScopes",
    summary: "Lists that are read, and how that went",
    description: "By account, kind and id: a list that is there all the time comes exactly once.",
    parameters: &[Filter(Name::Account), Limit, Cursor],
    item: Item { name: "Scope", view: "scopes", columns: SCOPE_COLUMNS },
    single: false,
};

pub(super) static OWNERS: Endpoint = Endpoint {
    path: "/api/v1/owners",
    id: "listOwners",
    summary: "Whose keys they are, across providers and accounts",
    description: "The keys are chosen as by `/api/v1/keys`. Owners come by their e-mail address, else by account and id, so that one \
                  who is there all the time comes exactly once; keys without a reported owner are the last item.",
    parameters: &[
        Filter(Name::Text),
        Filter(Name::Provider),
        Filter(Name::Account),
        Filter(Name::Kind),
        Filter(Name::Owner),
        Filter(Name::Team),
        Filter(Name::Condition),
        Filter(Name::Presence),
        Filter(Name::Flagged),
        Filter(Name::Waived),
        Filter(Name::Held),
        Filter(Name::Created),
        Filter(Name::LastUsed),
        Filter(Name::Expires),
        Limit,
        Cursor,
    ],
    item: Item { name: "Owner", view: "owners", columns: OWNER_COLUMNS },
    single: false,
};

const fn must(name: &'static str, shape: Shape) -> Column {
    Column { name, shape, open: false }
}

const fn may(name: &'static str, shape: Shape) -> Column {
    Column { name, shape, open: true }
}

const KEY_KINDS: Shape = Shape::Word(|| KeyKind::ALL.iter().map(|word| word.as_str()).collect());
const OWNER_KINDS: Shape = Shape::Word(|| OwnerKind::ALL.iter().map(|word| word.as_str()).collect());
const STATES: Shape = Shape::Word(|| vec!["at", "never", "not_reported"]);

const KEY_ITEM: Item = Item { name: "Key", view: "keys", columns: KEY_COLUMNS };

const KEY_COLUMNS: &[Column] = &[
    must("provider", Shape::Text),
    must("account", Shape::Text),
    must("scope_id", Shape::Text),
    may("scope_name", Shape::Text),
    must("key_id", Shape::Text),
    must("kind", KEY_KINDS),
    may("name", Shape::Text),
    may("hint", Shape::Text),
    may("owner_kind", OWNER_KINDS),
    may("owner_id", Shape::Text),
    may("owner_name", Shape::Text),
    may("owner_email", Shape::Text),
    may("created_at", Shape::Time),
    may("last_used_at", Shape::Time),
    must("last_used_state", STATES),
    may("expires_at", Shape::Time),
    must("expires_state", STATES),
    must("enabled", Shape::Yes),
    must("presence", Shape::Word(|| Presence::ALL.iter().map(|word| word.as_str()).collect())),
    must("presence_reason", Shape::Word(|| PresenceReason::ALL.iter().map(|word| word.as_str()).collect())),
    may("held_since", Shape::Time),
    must("conditions", Shape::Text),
    may("stale_basis", Shape::Word(|| Basis::ALL.iter().map(|word| word.as_str()).collect())),
    must("waived", Shape::Text),
    must("self", Shape::Yes),
    must("first_seen_at", Shape::Time),
    may("last_seen_at", Shape::Time),
    may("team", Shape::Text),
    must("labels", Shape::Text),
];

const CHANGE_COLUMNS: &[Column] = &[
    must("change_id", Shape::Count),
    must("at", Shape::Time),
    must("provider", Shape::Text),
    must("account", Shape::Text),
    must("key_id", Shape::Text),
    may("name", Shape::Text),
    must("kind", KEY_KINDS),
    must("change", Shape::Word(|| ChangeKind::ALL.iter().map(|word| word.as_str()).collect())),
    may("before", Shape::Text),
    may("after", Shape::Text),
];

const ACCOUNT_COLUMNS: &[Column] = &[
    must("provider", Shape::Text),
    must("account", Shape::Text),
    may("organization_id", Shape::Text),
    may("organization_name", Shape::Text),
    must("configured", Shape::Yes),
    may("last_poll_at", Shape::Time),
    may("up", Shape::Yes),
    may("reason", Shape::Text),
    may("last_complete_poll_at", Shape::Time),
    must("keys", Shape::Count),
    may("credential_expires_at", Shape::Time),
];

const SCOPE_COLUMNS: &[Column] = &[
    must("provider", Shape::Text),
    must("account", Shape::Text),
    must("kind", Shape::Word(|| ScopeKind::ALL.iter().map(|word| word.as_str()).collect())),
    must("scope_id", Shape::Text),
    may("scope_name", Shape::Text),
    must("state", Shape::Word(|| ScopeState::ALL.iter().map(|word| word.as_str()).collect())),
    may("reason", Shape::Text),
    may("detail", Shape::Text),
    may("last_walk_at", Shape::Time),
    may("last_complete_at", Shape::Time),
    must("keys", Shape::Count),
];

const OWNER_COLUMNS: &[Column] = &[
    may("owner_kind", OWNER_KINDS),
    may("owner_name", Shape::Text),
    may("owner_email", Shape::Text),
    must("owner_ids", Shape::Text),
    must("accounts", Shape::Text),
    must("keys", Shape::Count),
    must("flagged", Shape::Count),
    must("stale", Shape::Count),
    must("never_used", Shape::Count),
    must("expiring", Shape::Count),
    must("expired", Shape::Count),
    must("no_expiry", Shape::Count),
    must("overdue", Shape::Count),
    must("disabled", Shape::Count),
    must("orphaned", Shape::Count),
    must("waived", Shape::Count),
];
