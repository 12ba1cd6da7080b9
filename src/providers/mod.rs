//! What keymuster knows of each remote: what to ask, and how to read the answer.
//!
//! An adapter is pure. It says what to ask next and reads what came; it never sends, waits, retries, counts or sees a
//! secret, and it cannot claim that a list is complete: the engine computes that. Everything that names providers walks
//! [`PROVIDERS`]. A new provider is one file, its samples in a folder beside it, and one line in that slice.

mod braintrust;
mod den;
mod openai;
mod spec;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::domain::closed_enum;
use crate::domain::{
    ClosedReason, Failure, KeyFacts, Organization, Person, Project, Refused, RemoteId, Scope, ScopeId, TagKey, Text, Time,
    WalkEnd,
};

pub use spec::{Account, Auth, CredentialRule, Fact, OptionSpec, Pace, Paging, Revocation, Sample, SamplePage, SignIn, Spec};

/// The question which keys are the caller's own. The engine knows it: unanswered, it is no "none".
pub const OWN_KEYS: &str = "own_keys";
/// The question that names members whom the list of people may lack. The engine knows it: unanswered, it is no "none".
pub const GROUPS: &str = "groups";

/// Every provider that keymuster can read.
pub static PROVIDERS: &[&dyn Provider] = &[&openai::OpenAi, &braintrust::Braintrust, &den::Den];

/// The provider of that id.
pub fn by_id(id: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|p| p.spec().id == id)
}

/// One kind of remote.
pub trait Provider: Sync {
    /// What is fixed about it.
    fn spec(&self) -> &'static Spec;

    /// Everything worth asking, given all that this poll has learnt: a pure function of both arguments.
    ///
    /// Called at the start and whenever nothing is in flight. What was asked before may be named again, the engine asks each
    /// target once a poll; a plan that names nothing new ends the asking.
    fn plan(&self, account: &Account, known: &Known) -> Vec<Fetch>;

    /// Reads one element of the list that `fetch.list` names, as its bytes came.
    ///
    /// # Errors
    /// The element breaks the documented shape. It costs the walk its completeness, and no other element is lost.
    fn item(&self, fetch: &Fetch, item: &[u8]) -> Result<Item, Refused>;

    /// Reads the rest of an answer of any status that is no redirect and that trying again did not mend.
    ///
    /// # Errors
    /// The walk is incomplete, and why.
    fn end(&self, fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure>;

    /// Corrects what only a whole list can tell, after the last page of a walk, however it ended; `keys` are all of its
    /// keys and `asked_at` is when it began. An adapter whose null means *never* only on some evidence reads it as [`Moment::Never`]
    /// in [`item`](Self::item) and takes that back here. Neither adds nor drops a key, nor changes an id.
    ///
    /// [`Moment::Never`]: crate::domain::Moment::Never
    fn whole_answer(&self, _keys: &mut [Box<KeyFacts>], _asked_at: Time) {}

    /// Elements of this list are read one by one, and nothing that [`plan`](Self::plan) or the rest of the poll goes by stands in them, such
    /// as who is a service account: one that comes again byte by byte is unchanged and need not be read.
    fn reads_apart(&self, _fetch: &Fetch) -> bool {
        false
    }

    /// The request that asks whom the provider takes us for when it is asked as that member is: its answer is learnt as
    /// [`Learnt::caller`]. `None` where that cannot be asked.
    fn identity(&self, _account: &Account, _known: &Known, _member: &RemoteId) -> Option<Fetch> {
        None
    }

    /// The request that asks once more which organisation the credential sees, after lists whose keys name none
    /// ([`Proof::Organization`]): its answer is learnt as [`Learnt::organization`].
    fn organization(&self, _known: &Known) -> Option<Fetch> {
        None
    }

    /// Of the keys of a scope's complete walk, those that may be the very key that the account signs in with, for all that
    /// their records tell. `None` where this list would not hold it. The engine, which alone sees the credential, takes the
    /// one whose mask fits it, and none where several do.
    fn may_be_own<'k>(
        &self,
        _account: &Account,
        _known: &Known,
        _scope: &ScopeId,
        _keys: &'k [Box<KeyFacts>],
    ) -> Option<Vec<&'k KeyFacts>> {
        None
    }

    /// The request that asks for one key by its id, as whom and in the way in which its list is read, where the provider has
    /// such a call. A 404 by itself proves nothing: see
    /// [`Absent`](crate::walk::Absent).
    fn by_id(&self, _account: &Account, _known: &Known, _key: &KeyRef) -> Option<Fetch> {
        None
    }
}

/// One request, and what its answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What the answer tells.
    pub target: Target,
    /// How it is asked.
    pub method: Method,
    /// The template of the path: names the pace that applies and the label of the request counters.
    pub endpoint: &'static str,
    /// Below the account's base URL, beginning with `/`; ids in it are [`RemoteId`]s, which need no encoding.
    pub path: String,
    /// Query parameters in order, not yet encoded.
    pub query: Vec<(&'static str, String)>,
    /// Headers beside the credential's: the chosen organisation or member. Values are marked sensitive.
    pub headers: Vec<(&'static str, RemoteId)>,
    /// The field of the answer whose array is the list; `None` where the answer holds none.
    pub list: Option<&'static str>,
    /// Whom the answer must be about; the engine checks every element against it.
    pub subject: Subject,
    /// The walk needs a credential of its own, and this is how to get it. The engine runs the exchange, keeps the token for the
    /// walk and shows it to nobody.
    pub grant: Option<Box<Grant>>,
    /// The way of listing that the request belongs to, where the provider has several.
    pub way: Option<Way>,
}

impl Fetch {
    /// The scope that it is a page of; `None` where it is a question.
    pub const fn scope(&self) -> Option<&Scope> {
        match &self.target {
            Target::Scope(scope) => Some(scope),
            Target::Question(_) => None,
        }
    }

    /// A GET of a path, in our own name; the rest is what its author sets.
    pub fn get(target: Target, endpoint: &'static str, path: impl Into<String>) -> Self {
        Self {
            target,
            method: Method::Get,
            endpoint,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            list: None,
            subject: Subject::default(),
            grant: None,
            way: None,
        }
    }
}

/// How something is asked. keymuster only reads: these are its only requests that are no GET.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// POST without a body, of a question who the caller is.
    WhoAmI,
    /// POST with `{"user_id": …}`, of an exchange for a token that reads as that user.
    Exchange {
        /// The user.
        user: RemoteId,
    },
}

/// How to get a token that reads as somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The exchange: its method is [`Method::Exchange`].
    pub exchange: Fetch,
    /// JSON pointers to where the token may stand in the answer, tried in order; the first that leads to a text is it.
    pub token: Vec<String>,
}

closed_enum! {
    /// A way to list the keys of an organisation.
    Way {
        /// One list of the whole organisation.
        Organization = "organization",
        /// Each member's own list, asked in the member's name by a header.
        Header = "header",
        /// Each member's own list, asked with a token that was exchanged for the member.
        Token = "token",
    }
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A page of a scope's list.
    Scope(Scope),
    /// A question that is no scope, such as who the caller is. What it lists, if anything, are the caller's own keys; those
    /// bound to another organisation than the subject's are among them.
    Question(&'static str),
}

/// Whom an answer must be about, where the provider's records tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The organisation that was asked for.
    pub organization: Option<RemoteId>,
    /// The member that was asked for.
    pub member: Option<RemoteId>,
    /// What has to be shown before the answer is believed.
    pub proof: Proof,
}

/// What has to be shown before an answer is believed, beside what its own records tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// Nothing.
    #[default]
    None,
    /// That the provider answered for the member and not for the caller: a header that got lost gives the caller's keys with 200.
    Impersonation,
    /// That the list holds the caller's own keys, of which there must be one: who may not see it gets an empty list with 200.
    OwnKeys,
    /// That the credential still sees the organisation after the list was read: its keys do not say whose they are.
    Organization,
}

/// One element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A key.
    Key(Box<KeyFacts>),
    /// A member or service account.
    Person(Box<Person>),
    /// A project.
    Project(Box<Project>),
    /// A well-formed element that is none of these, such as a member who was invited and has not joined.
    Skipped,
}

impl Item {
    /// Tags the placeholders of secrets in all that people wrote.
    pub fn tag(&mut self, key: &TagKey) {
        let of =
            |texts: &mut [&mut Option<Text>]| texts.iter_mut().filter_map(|text| text.as_mut()).for_each(|text| text.tag(key));
        match self {
            Self::Key(facts) => {
                of(&mut [&mut facts.name]);
                if let Some(owner) = &mut facts.owner {
                    of(&mut [&mut owner.name, &mut owner.email]);
                }
            }
            Self::Person(person) => of(&mut [&mut person.name, &mut person.email]),
            Self::Project(project) => of(&mut [&mut project.name]),
            Self::Skipped => {}
        }
    }
}

/// The rest of an answer: its status, and the body without the elements of the list.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// HTTP status; never a redirect, never one that trying again may mend.
    pub status: u16,
    /// The body without the list's elements: `{"data":[],"has_more":true}`. For a status that is not 2xx the first bytes of
    /// the body, 4 KiB at most, so that an adapter can branch on words that it knows; nothing of them may be told on.
    pub rest: &'a [u8],
    /// How many elements the list had; `None` where the answer holds no such list.
    pub elements: Option<u64>,
    /// The id of the list's last element that passed the gate.
    pub last_id: Option<&'a RemoteId>,
    /// What this poll has learnt so far.
    pub known: &'a Known,
}

/// What the rest of an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Where the list goes on. An author must say that a list ends.
    pub next: Next,
    /// What the answer told beside its elements.
    pub learnt: Learnt,
}

impl End {
    /// The list ends here, and nothing else was learnt.
    pub fn done() -> Self {
        Self { next: Next::Done, learnt: Learnt::default() }
    }

    /// The list is refused for good.
    pub fn closed(reason: ClosedReason) -> Self {
        Self { next: Next::Closed(reason), learnt: Learnt::default() }
    }
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The provider's own signal says that this was the last page.
    Done,
    /// The next page.
    Page(Box<Fetch>),
    /// The list cannot be read at all, and why.
    Closed(ClosedReason),
}

/// What an answer told beside its elements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learnt {
    /// The organisation that the answer is about.
    pub organization: Option<Organization>,
    /// Every organisation that the credential sees.
    pub organizations: Option<Vec<Organization>>,
    /// Whose credential it is.
    pub caller: Option<RemoteId>,
    /// Members that the organisation's groups name, who may be missing from the list of people.
    pub members: BTreeSet<RemoteId>,
    /// When the credential expires, where it is no key whose record tells.
    pub credential_expires: Option<Time>,
}

impl Learnt {
    /// Tags the placeholders of secrets in all that people wrote.
    pub fn tag(&mut self, key: &TagKey) {
        let organizations = self.organizations.iter_mut().flatten();
        let names = self.organization.iter_mut().chain(organizations).filter_map(|organization| organization.name.as_mut());
        names.for_each(|name| name.tag(key));
    }

    /// Adds what a later page told: the later word counts, members add up.
    pub fn add(&mut self, later: Self) {
        let Self { organization, organizations, caller, members, credential_expires } = later;
        self.organization = organization.or(self.organization.take());
        self.organizations = organizations.or(self.organizations.take());
        self.caller = caller.or(self.caller.take());
        self.members.extend(members);
        self.credential_expires = credential_expires.or(self.credential_expires);
    }
}

/// What one poll has learnt so far.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Whose credential it is.
    pub caller: Option<RemoteId>,
    /// The organisation that the credential was shown to see.
    pub organization: Option<Organization>,
    /// Every organisation that the credential sees, where that was asked.
    pub organizations: Option<Vec<Organization>>,
    /// The projects read so far, by id; a project listed twice is archived only if both say so.
    pub projects: BTreeMap<RemoteId, Project>,
    /// The people read so far, by id.
    pub people: BTreeMap<RemoteId, Person>,
    /// Members that groups name; one who is not among `people` is a gap in that list.
    pub group_members: BTreeSet<RemoteId>,
    /// Service accounts that own a key read so far. Some lists of people hold them too; nobody impersonates one.
    pub service_accounts: BTreeSet<RemoteId>,
    /// How each scope ended that was walked in this poll.
    pub ended: HashMap<ScopeId, WalkEnd>,
    /// Questions that were answered.
    pub answered: HashSet<&'static str>,
    /// Questions that were not, and why.
    pub unanswered: HashMap<&'static str, Failure>,
    /// The keys that a question listed: the caller's own.
    pub own_keys: Option<OwnKeys>,
    /// The way of listing that this poll goes; `None` where the provider has only one.
    pub way: Option<Way>,
    /// When the credential expires, where an answer said so.
    pub credential_expires: Option<Time>,
}

impl Known {
    /// Adds what an answer told; never that of [`Provider::identity`], which is about somebody else.
    pub fn learn(&mut self, learnt: Learnt) {
        let Learnt { organization, organizations, caller, members, credential_expires } = learnt;
        self.organization = organization.or(self.organization.take());
        self.organizations = organizations.or(self.organizations.take());
        self.caller = caller.or(self.caller.take());
        self.group_members.extend(members);
        self.credential_expires = credential_expires.or(self.credential_expires);
    }

    /// The walk of that scope ended in this poll, completely.
    pub fn is_complete(&self, scope: &ScopeId) -> bool {
        self.ended.get(scope).is_some_and(|end| *end == WalkEnd::Complete)
    }
}

/// The ids of the caller's own keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnKeys {
    /// Bound to the organisation that is read.
    pub bound: BTreeSet<RemoteId>,
    /// Bound to none, or to another.
    pub others: BTreeSet<RemoteId>,
}

impl OwnKeys {
    /// The key is the caller's.
    pub fn contains(&self, id: &RemoteId) -> bool {
        self.bound.contains(id) || self.others.contains(id)
    }

    /// The caller has none.
    pub fn is_empty(&self) -> bool {
        self.bound.is_empty() && self.others.is_empty()
    }
}

/// Which key to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRef {
    /// The key's id.
    pub id: RemoteId,
    /// The scope that listed it.
    pub scope: ScopeId,
}

#[cfg(test)]
mod tests;
