//! Who counts as one owner, whatever the providers and accounts: as a value, as a word of its own, and as SQL over the view `keys`.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value;

use super::list_keys::OwnerRow;
use crate::domain::OwnerKind;

/// An owner across accounts: one kind and one e-mail address, letter case aside (ASCII); without an address, the provider's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Every key whose provider does not report an owner.
    NotReported,
    /// Of that kind, with that address in lower case.
    Email(OwnerKind, String),
    /// Without an address: of that account, with that id.
    Id(String, String),
}

const NOT_REPORTED: &str = "not_reported";
const ID: &str = "id";
/// Blanks alone are no address.
const ADDRESS: &str = "nullif(trim(lower(owner_email)), '')";

impl Whose {
    /// Whose a key of that account is.
    pub fn of(account: &str, owner: Option<&OwnerRow>) -> Self {
        let Some(owner) = owner else { return Self::NotReported };
        let address = owner.email.as_deref().map(|email| email.trim_matches(' ').to_ascii_lowercase());
        match address.filter(|address| !address.is_empty()) {
            Some(address) => Self::Email(owner.kind, address),
            None => Self::Id(account.to_owned(), owner.id.clone()),
        }
    }

    /// The same as a condition on keys, with the values that it names.
    pub(super) fn term(&self) -> (String, Vec<(&'static str, Value)>) {
        match self {
            Self::NotReported => ("owner_kind IS NULL".to_owned(), Vec::new()),
            Self::Email(kind, address) => (
                format!("owner_kind = :whose_kind AND {ADDRESS} = :whose"),
                vec![(":whose_kind", kind.as_str().to_owned().into()), (":whose", address.clone().into())],
            ),
            Self::Id(account, id) => (
                format!("account = :whose_account AND owner_id = :whose AND owner_kind IS NOT NULL AND {ADDRESS} IS NULL"),
                vec![(":whose_account", account.clone().into()), (":whose", id.clone().into())],
            ),
        }
    }
}

/// `not_reported`, `user:ana@example.com` or `id:acme/user_1`: no account's name has a slash.
impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReported => f.write_str(NOT_REPORTED),
            Self::Email(kind, address) => write!(f, "{kind}:{address}"),
            Self::Id(account, id) => write!(f, "{ID}:{account}/{id}"),
        }
    }
}

impl FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == NOT_REPORTED {
            return Ok(Self::NotReported);
        }
        let parts = text.split_once(':').filter(|(_, rest)| !rest.is_empty());
        let read = parts.and_then(|(word, rest)| match word {
            ID => rest.split_once('/').map(|(account, id)| Self::Id(account.to_owned(), id.to_owned())),
            kind => Some(Self::Email(kind.parse().ok()?, rest.to_ascii_lowercase())),
        });
        let kinds: Vec<&str> = OwnerKind::ALL.iter().map(|kind| kind.as_str()).collect();
        read.ok_or_else(|| {
            format!("{NOT_REPORTED}, id:ACCOUNT/ID, or an e-mail address behind one of {}: and a colon", kinds.join(", "))
        })
    }
}
