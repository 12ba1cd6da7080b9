//! Who asks Braintrust, as whom, and what they may see: credentials, the impersonation header, tokens got in exchange.

use std::sync::RwLockReadGuard;

use axum::http::StatusCode;

use super::quirks::Quirk;
use super::{Question, bad, error, forbidden, not_found, unauthorized};
use crate::sim::ids::Sort;
use crate::sim::random::mix;
use crate::sim::serve::Refusal;
use crate::sim::world::{Owner, Role, World, count};

/// How long a token that was got in exchange opens anything.
const TOKEN_SECONDS: i64 = 60;
const TOKEN_PREFIX: &str = "bt-imp-";
/// How each token starts that is got in exchange, until the year 2033.
pub const GRANTED_TOKEN_STARTS: &str = "bt-imp-1";
/// And how it ends. It is worth nothing without the rest.
pub const GRANTED_TOKEN_ENDS: &str = "granted-token-canary-b81f6a03d92c47e5";

/// A person of one of the two organisations, or a service account of the one that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Person { neighbour: bool, number: u32 },
    Account(u32),
}

/// The one who is a member of both organisations.
const OWNER: Who = Who::Person { neighbour: false, number: 0 };

/// Whose rights a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) who: Who,
    /// The credential opens the watched organisation alone.
    bound: bool,
}

/// The question and the worlds that it is about.
pub(super) struct Asked<'a> {
    pub(super) question: &'a Question,
    main: RwLockReadGuard<'a, World>,
    neighbour: RwLockReadGuard<'a, World>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(question: &'a Question) -> Self {
        Self { question, main: question.shared.read_main(), neighbour: question.shared.read_neighbour() }
    }

    pub(super) fn world(&self, neighbour: bool) -> &World {
        if neighbour { &self.neighbour } else { &self.main }
    }

    pub(super) fn worlds(&self) -> [(bool, &World); 2] {
        [(false, &*self.main), (true, &*self.neighbour)]
    }

    fn bearer(&self) -> &str {
        let (scheme, token) = self.question.header("authorization").unwrap_or_default().split_once(' ').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") { token } else { "" }
    }

    /// Whose credential it is.
    fn holder(&self) -> Result<Caller, Refusal> {
        let (given, credentials) = (self.bearer(), &self.question.shared.credentials);
        let own = self.main.braintrust.own;
        let (number, bound) = match given {
            _ if given == credentials.braintrust => (own.unbound, false),
            _ if given == credentials.braintrust_bound => (own.bound, true),
            _ if given == credentials.braintrust_member => (own.member, true),
            _ if given == credentials.braintrust_service_token => (own.token, true),
            _ => return Err(unauthorized().into()),
        };
        // A revoked key opens nothing, and a leaver's does not either.
        let key = self.main.key(number).filter(|key| key.exists && self.main.is_listed(key)).ok_or_else(unauthorized)?;
        let who = match key.owner {
            Owner::Person(number) => Who::Person { neighbour: false, number },
            Owner::Service(number) => Who::Account(number),
        };
        Ok(Caller { who, bound })
    }

    /// Whose rights count: those of whom the header names, where there is one and it is heeded.
    pub(super) fn caller(&self) -> Result<Caller, Refusal> {
        let caller = self.holder()?;
        let quirks = &self.question.quirks;
        let ignored = quirks.has(&Quirk::HeaderDropped) || quirks.has(&Quirk::HeaderDroppedEmpty);
        match self.target().filter(|_| !ignored) {
            Some(target) => Ok(Caller { who: self.impersonated(caller, target)?, ..caller }),
            None => Ok(caller),
        }
    }

    /// Whom the header names.
    pub(super) fn target(&self) -> Option<&str> {
        self.question.header("x-bt-impersonate-user")
    }

    /// The holder of a token that was got in exchange, else the usual caller. Only a list of keys accepts such a token.
    pub(super) fn caller_or_granted(&self) -> Result<Caller, Refusal> {
        let Some(token) = self.bearer().strip_prefix(TOKEN_PREFIX) else { return self.caller() };
        let (expires, uuid) =
            token.split_once('-').and_then(|(t, rest)| Some((t.parse().ok()?, rest.get(..36)?))).unwrap_or((0, ""));
        let who = self.find(uuid).filter(|who| self.token(*who, expires).as_deref() == Some(self.bearer()));
        let fresh = expires > self.question.shared.clock.now().unix();
        who.filter(|_| fresh).map(|who| Caller { who, bound: false }).ok_or_else(|| unauthorized().into())
    }

    /// Exchanges the caller's credential for a member's token and the seconds that it lives.
    pub(super) fn exchange(&self, user: &str) -> Result<(String, i64), Refusal> {
        let holder = self.holder()?;
        let meant = self.impersonated(holder, user)?;
        let who = if self.question.quirks.has(&Quirk::TokenOfCaller) { holder.who } else { meant };
        let expires = self.question.shared.clock.now().unix() + TOKEN_SECONDS;
        let token = self.token(who, expires).ok_or_else(not_found)?;
        Ok((token, TOKEN_SECONDS))
    }

    /// It carries all that it says, so that nothing has to be remembered.
    fn token(&self, who: Who, expires: i64) -> Option<String> {
        let id = self.id(who)?;
        let start = mix(self.main.salt.code(Sort::Secret, 0) ^ expires.unsigned_abs());
        let code = id.bytes().fold(start, |state, byte| mix(state ^ u64::from(byte)));
        Some(format!("{TOKEN_PREFIX}{expires}-{id}-{code:016x}-{GRANTED_TOKEN_ENDS}"))
    }

    pub(super) fn id(&self, who: Who) -> Option<String> {
        match who {
            Who::Person { neighbour, number } => self.world(neighbour).person(number).map(|p| p.user_uuid.clone()),
            Who::Account(number) => self.main.owner_uuid(Owner::Service(number)),
        }
    }

    fn find(&self, id_or_email: &str) -> Option<Who> {
        let person = self
            .worlds()
            .into_iter()
            .find_map(|(neighbour, world)| world.member_number(id_or_email).map(|number| Who::Person { neighbour, number }));
        person.or_else(|| self.main.braintrust.accounts.iter().position(|a| a.id == id_or_email).map(|n| Who::Account(count(n))))
    }

    /// Whom the caller may act as: oneself, and everybody all of whose organisations one was granted the owner's role of.
    fn impersonated(&self, caller: Caller, target: &str) -> Result<Who, Refusal> {
        if self.question.quirks.has(&Quirk::ImpersonationRefused) {
            return Err(forbidden().into());
        }
        // Which status an unknown member gets is not documented.
        let who = self.find(target).ok_or_else(|| error(StatusCode::NOT_FOUND, "User not found"))?;
        if who == caller.who {
            return Ok(who);
        }
        let granted = caller.who == OWNER || caller.who == Who::Account(0);
        let owns_all = match who {
            // Nor is whether a service account can be acted as.
            Who::Account(_) => return Err(bad("Service accounts cannot be impersonated")),
            Who::Person { neighbour: true, .. } => caller.who == OWNER,
            Who::Person { neighbour: false, number } => who != OWNER && !self.main.braintrust.is_elsewhere_too(number),
        };
        if granted && owns_all { Ok(who) } else { Err(forbidden().into()) }
    }

    /// The organisations that the caller sees, narrowed to the one that was named; true is the neighbour.
    pub(super) fn scope(&self, caller: Caller) -> Vec<bool> {
        let all: &[bool] = match caller.who {
            OWNER if !caller.bound => &[false, true],
            Who::Person { neighbour, .. } if neighbour => &[true],
            Who::Person { .. } | Who::Account(_) => &[false],
        };
        let named = self.question.parameter("org_name").or_else(|| self.question.header("x-bt-org-name"));
        let fits = |neighbour: &bool| named.is_none_or(|name| self.world(*neighbour).name == name);
        let scope: Vec<bool> = all.iter().copied().filter(fits).collect();
        match (self.question.ask.wrong_organization, scope.as_slice()) {
            (false, _) | (true, []) => scope,
            (true, [true]) => vec![false],
            (true, _) => vec![true],
        }
    }

    /// The organisation whose keys are all to be listed, where there is one that the caller owns.
    pub(super) fn listed_organization(&self, caller: Caller) -> Result<Option<bool>, Refusal> {
        let wanted = self.question.parameter("org_id");
        let seen: Vec<bool> = self.scope(caller).into_iter().filter(|n| self.owns(caller.who, *n)).collect();
        match wanted {
            None if caller.bound => Ok(seen.first().copied()),
            None => Err(bad("org_id is required for keys that belong to no organization")),
            Some(id) if self.question.ask.wrong_organization => Ok(seen.first().copied().filter(|_| id.len() == 36)),
            Some(id) => Ok(seen.into_iter().find(|n| self.world(*n).braintrust.organization_id == id)),
        }
    }

    /// Owner there, be it by group.
    pub(super) fn owns(&self, who: Who, neighbour: bool) -> bool {
        let role = |number| self.world(neighbour).person(number).map(|p| p.role);
        match who {
            OWNER => true,
            Who::Person { neighbour: home, number } => home == neighbour && role(number).is_some_and(|r| r != Role::Member),
            Who::Account(number) => number == 0 && !neighbour,
        }
    }

    /// The number that somebody has in that organisation.
    pub(super) fn number_in(&self, who: Who, neighbour: bool) -> Option<u32> {
        match who {
            OWNER => Some(0),
            Who::Person { neighbour: home, number } => (home == neighbour).then_some(number),
            Who::Account(_) => None,
        }
    }

    /// What only owners may see, of the organisations that they own.
    pub(super) fn for_owners(&self) -> Result<Vec<bool>, Refusal> {
        let caller = self.caller()?;
        let owned: Vec<bool> = self.scope(caller).into_iter().filter(|n| self.owns(caller.who, *n)).collect();
        if owned.is_empty() && !self.scope(caller).is_empty() { Err(forbidden().into()) } else { Ok(owned) }
    }
}
