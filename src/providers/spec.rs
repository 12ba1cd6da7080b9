//! What is fixed about a provider, as data: help texts, config checks, pace and samples are made from it.

use std::collections::BTreeMap;

use crate::domain::{Condition, KeyKind, OwnerKind, ScopeKind};

use super::{Fetch, Way};

/// What is fixed about a provider.
#[derive(Debug)]
pub struct Spec {
    /// Its word in config, columns and labels.
    pub id: &'static str,
    /// Its name as its vendor writes it.
    pub name: &'static str,
    /// What a person has to create at the provider, in one sentence.
    pub credential: &'static str,
    /// The ways to sign in; the first is the default, the others are chosen by the option `sign_in`.
    pub sign_ins: &'static [SignIn],
    /// Variables of the environment in which its vendor's programs look for such a credential. It is not taken from there, and
    /// whoever set one is told.
    pub variables: &'static [&'static str],
    /// Where its API is, unless the config says otherwise. No trailing slash.
    pub base_url: &'static str,
    /// The options of an account at this provider, beside `sign_in`.
    pub options: &'static [OptionSpec],
    /// The kinds of key that it has.
    pub kinds: &'static [KeyKind],
    /// The kinds of scope that it is walked by.
    pub scopes: &'static [ScopeKind],
    /// The ways to list its keys, in the order in which `listing = "auto"` tries them; empty where there is only one.
    pub ways: &'static [Way],
    /// What its key records tell.
    pub facts: &'static [Fact],
    /// How its lists of keys are cut.
    pub paging: Paging,
    /// How fast it may be asked, for each endpoint template.
    pub pace: Pace,
    /// Where a person revokes its keys; the first that fits a key is the one. There is one for every kind.
    pub revocations: &'static [Revocation],
    /// Answers as documented, each kind of list at least once.
    pub samples: &'static [Sample],
}

impl Spec {
    /// Whether the provider tells enough for a condition to be claimed. A condition that is not supported is not "none".
    pub fn supports(&self, condition: Condition) -> bool {
        let tells = |fact| self.facts.contains(&fact);
        match condition {
            Condition::Stale => tells(Fact::LastUse) || tells(Fact::Created),
            Condition::NeverUsed => tells(Fact::LastUse),
            Condition::Expiring | Condition::Expired | Condition::NoExpiry => tells(Fact::Expiry),
            Condition::Overdue => tells(Fact::Created),
            Condition::Disabled => tells(Fact::Enabled),
            Condition::Orphaned => tells(Fact::OwnerAccess) || (tells(Fact::Owner) && self.scopes.contains(&ScopeKind::People)),
        }
    }

    /// Where a person revokes a key of that kind and owner.
    pub fn revocation(&self, kind: KeyKind, owner: Option<OwnerKind>) -> Option<&'static Revocation> {
        self.revocations.iter().find(|r| r.kinds.contains(&kind) && (r.owner.is_none() || r.owner == owner))
    }

    /// The way to sign in that the account chose.
    pub fn sign_in(&self, account: &Account) -> &'static SignIn {
        let chosen = account.option("sign_in");
        self.sign_ins.iter().find(|s| Some(s.word) == chosen).unwrap_or(&self.sign_ins[0])
    }
}

/// A fact that key records tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// When a key was made.
    Created,
    /// When it was last used.
    LastUse,
    /// When it expires.
    Expiry,
    /// Whether it is enabled.
    Enabled,
    /// Whose it is.
    Owner,
    /// Whether the owner still has access.
    OwnerAccess,
}

/// Where a person revokes a key. keymuster never does.
#[derive(Debug)]
pub struct Revocation {
    /// Of these kinds.
    pub kinds: &'static [KeyKind],
    /// Of such an owner alone; `None` for any.
    pub owner: Option<OwnerKind>,
    /// The page of the vendor's own console; of a server that somebody runs themselves it is another.
    pub console: &'static str,
    /// The path of the documented call, sent with DELETE, below the account's base URL. `{key_id}` and `{scope_id}` stand for the
    /// key's own. `None` where no call does it.
    pub delete: Option<&'static str>,
    /// A header that the call needs, and what goes into it.
    pub header: Option<(&'static str, &'static str)>,
    /// Who may, and what else a person must know; a full sentence.
    pub about: &'static str,
}

impl Revocation {
    /// The path of the call for that key. `None` where there is none, or the key lacks what the path names.
    pub fn path(&self, key_id: &str, scope_id: &str) -> Option<String> {
        let path = self.delete?;
        let complete = !scope_id.is_empty() || !path.contains("{scope_id}");
        complete.then(|| path.replace("{key_id}", key_id).replace("{scope_id}", scope_id))
    }
}

/// Whether lists of keys come in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// They do, so the samples must hold a list of two pages.
    Pages,
    /// One answer holds everything.
    OneAnswer,
}

/// A token bucket: how fast one endpoint template may be asked before the provider has said anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Requests a minute, sustained. The account's `pace` overrides it.
    pub per_minute: u32,
    /// Requests that may go out at once after silence.
    pub burst: u32,
}

/// One way to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// The word of the option `sign_in`.
    pub word: &'static str,
    /// What it is, for help texts.
    pub about: &'static str,
    /// Where the credential goes.
    pub auth: Auth,
    /// What a credential of this kind cannot look like, checked before it is ever sent.
    pub rules: &'static [CredentialRule],
    /// How many characters of the credential, beside the prefix of its sort, a mask must show for it to be taken for the
    /// credential's; [`Provider::may_be_own`](super::Provider::may_be_own) says among which keys. `None` where the credential is
    /// no key.
    pub mask_shows: Option<usize>,
}

/// Where a credential goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of its own.
    Header(&'static str),
}

/// A shape that a credential must not have.
#[derive(Debug)]
pub struct CredentialRule {
    /// A credential that begins so is of another kind.
    pub refused_prefix: &'static str,
    /// Why it is refused and what to use instead; a full sentence.
    pub because: &'static str,
}

/// An option of an account at one provider.
#[derive(Debug)]
pub struct OptionSpec {
    /// Its name below `options`.
    pub name: &'static str,
    /// What it means, for help and for the example config.
    pub about: &'static str,
    /// The default, where there is one.
    pub default: Option<&'static str>,
    /// What is wrong with a value; `Ok` where nothing is. The text completes "must be …".
    pub check: fn(&str) -> Result<(), &'static str>,
}

/// What an adapter may know of a configured account: no secret.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The account's name in the config.
    pub name: String,
    /// Its checked options, defaults filled in.
    pub options: BTreeMap<String, String>,
}

impl Account {
    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

/// Answers as the provider documents them, for the tests that every adapter must pass.
#[derive(Debug)]
pub struct Sample {
    /// Names the sample in test output: the endpoint and what is special.
    pub name: &'static str,
    /// The first request of the list.
    pub fetch: fn() -> Fetch,
    /// The answers in the order of the pages.
    pub pages: &'static [SamplePage],
    /// Elements that the list holds, over all pages.
    pub items: usize,
}

/// One recorded answer.
#[derive(Debug)]
pub struct SamplePage {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::Provider;

    #[test]
    fn a_condition_is_claimed_where_the_facts_are_told_that_it_rests_on() {
        let claimed = |facts, scopes| {
            let spec = Spec { facts, scopes, ..*crate::providers::openai::OpenAi.spec() };
            Condition::ALL.iter().copied().filter(|condition| spec.supports(*condition)).collect::<Vec<_>>()
        };
        let (none, people): (&[ScopeKind], &[ScopeKind]) = (&[], &[ScopeKind::People]);
        assert_eq!(claimed(&[], people), []);
        assert_eq!(claimed(&[Fact::LastUse], none), [Condition::Stale, Condition::NeverUsed]);
        assert_eq!(claimed(&[Fact::Created], none), [Condition::Stale, Condition::Overdue]);
        assert_eq!(claimed(&[Fact::Expiry], none), [Condition::Expiring, Condition::Expired, Condition::NoExpiry]);
        assert_eq!(claimed(&[Fact::Enabled], none), [Condition::Disabled]);
        assert_eq!(claimed(&[Fact::Owner], none), []);
        assert_eq!(claimed(&[Fact::Owner], people), [Condition::Orphaned]);
        assert_eq!(claimed(&[Fact::OwnerAccess], none), [Condition::Orphaned]);
    }
}
