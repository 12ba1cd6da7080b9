//! Why something was not read. These words are metric labels and columns: a contract.

use super::closed_enum::closed_enum;

closed_enum! {
    /// Why a walk is incomplete. The enum is the policy: whether to try again, and whom to tell, are matches on it.
    Reason {
        /// No connection: name not resolved, refused, reset, ended in the middle of an answer.
        Network = "network",
        /// No trusted connection.
        Tls = "tls",
        /// A deadline of the connection, of the answer or of the whole walk passed.
        Timeout = "timeout",
        /// 429, and no patience left.
        RateLimited = "rate_limited",
        /// The provider failed: 5xx.
        Server = "server",
        /// Our credential was refused: 401.
        Auth = "auth",
        /// Our credential may not do this: 403.
        Forbidden = "forbidden",
        /// The list does not exist: 404. A renamed list is not an empty one.
        NotFound = "not_found",
        /// A list that was readable is refused for the first time; at the second time it closes.
        RefusedOnce = "refused_once",
        /// Any other status that is not success.
        UnexpectedStatus = "unexpected_status",
        /// A redirect, which is never followed.
        RedirectRefused = "redirect_refused",
        /// More bytes than allowed, on the wire or unpacked.
        TooLarge = "too_large",
        /// More elements than allowed in one answer or one walk.
        TooManyItems = "too_many_items",
        /// More pages than allowed.
        TooManyPages = "too_many_pages",
        /// Success, but not JSON: a login page, mostly.
        NotJson = "not_json",
        /// JSON that breaks the documented shape: cut off, a field missing, a field of another type.
        Malformed = "malformed",
        /// The list was read, but an element of it was refused.
        ItemRefused = "item_refused",
        /// The provider sent us back to a page that we had.
        RepeatedPage = "repeated_page",
        /// The answer contradicts itself, such as an empty page that promises more.
        Contradiction = "contradiction",
        /// The same id twice in one walk with different facts.
        InconsistentDuplicate = "inconsistent_duplicate",
        /// The provider's clock and ours differ by over an hour.
        ClockSkew = "clock_skew",
        /// An element belongs to somebody else than we asked for.
        AttributionMismatch = "attribution_mismatch",
        /// Nothing shows for whom the provider answered.
        AttributionUnproven = "attribution_unproven",
        /// Every member but ourselves was refused.
        ImpersonationNotPermitted = "impersonation_not_permitted",
        /// The credential now sees another organisation.
        OrganizationChanged = "organization_changed",
        /// Nothing shows which organisation the provider answered for.
        OrganizationUnconfirmed = "organization_unconfirmed",
        /// The credential sees several organisations, and the config names none.
        OrganizationAmbiguous = "organization_ambiguous",
        /// The daemon was told to stop.
        Stopped = "stopped",
        /// The inventory could not be written.
        Store = "store",
        /// A bug of ours, caught.
        Internal = "internal",
    }
}

impl Reason {
    /// Nobody has to act: the next attempt may do.
    pub const fn may_pass(self) -> bool {
        match self {
            Self::Network | Self::Timeout | Self::RateLimited | Self::Server | Self::Stopped | Self::Store => true,
            Self::Tls
            | Self::Auth
            | Self::Forbidden
            | Self::NotFound
            | Self::RedirectRefused
            | Self::ClockSkew
            | Self::RefusedOnce
            | Self::ImpersonationNotPermitted
            | Self::OrganizationChanged
            | Self::OrganizationUnconfirmed
            | Self::OrganizationAmbiguous
            | Self::AttributionUnproven
            | Self::UnexpectedStatus
            | Self::TooLarge
            | Self::TooManyItems
            | Self::TooManyPages
            | Self::NotJson
            | Self::Malformed
            | Self::ItemRefused
            | Self::RepeatedPage
            | Self::Contradiction
            | Self::InconsistentDuplicate
            | Self::AttributionMismatch
            | Self::Internal => false,
        }
    }
}

closed_enum! {
    /// Why a scope cannot be listed at all. Nothing else is closed; all other refusals are incomplete walks.
    ClosedReason {
        /// The project list calls the project archived, and its keys are refused.
        ProjectArchived = "project_archived",
        /// This organisation has no list of admin keys.
        NoAdminList = "no_admin_list",
        /// The credential lacks the permission to list people.
        PeopleNotPermitted = "people_not_permitted",
        /// The member may not be impersonated: also in an organisation that is not ours.
        MemberForbidden = "member_forbidden",
        /// The member is not known there.
        MemberNotFound = "member_not_found",
    }
}

closed_enum! {
    /// Why one element of a list was refused.
    ItemReason {
        /// No JSON of the documented shape: a required field missing, a field of another type, the same field twice.
        Malformed = "malformed",
        /// The id is empty, too long, or holds characters that no id has.
        BadId = "bad_id",
        /// A time outside 2015 to 2099, or not a time; a key made or used at a time that has not come.
        BadTime = "bad_time",
    }
}

/// A failure with what a person needs to act on it. The detail is our own text: no body, no URL, no secret of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The word of the closed list.
    pub reason: Reason,
    /// One fragment in lower case that says what was seen, such as `has_more is missing`.
    pub detail: String,
}

impl Failure {
    /// A failure with its fragment.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// An element that was refused, with the field that it failed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The word of the closed list.
    pub reason: ItemReason,
    /// What was wrong, in our own words: a field's name, a parser's position; nothing of the value.
    pub detail: String,
}

impl Refused {
    /// A refusal with its fragment.
    pub fn new(reason: ItemReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
