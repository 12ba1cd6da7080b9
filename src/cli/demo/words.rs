//! The sentences of the demo, for people who have never heard of any of this.

use std::path::Path;

use crate::domain::{ChangeKind, ClosedReason, Reason, ScopeState, Time};
use crate::inventory::{Cause, OpenHold};
use crate::views::told;
use crate::views::{ChangeRow, ScopeRow};

/// The longest name that is shown whole.
const NAME: usize = 40;

/// The hour of the day, UTC.
pub(super) fn clock(at: Time) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Which list it is.
pub(super) fn list(list: &ScopeRow) -> String {
    told::scope(list)
}

/// A key's name and id, and what it was called before where it was renamed.
pub(super) fn key(change: &ChangeRow) -> String {
    let Some(name) = &change.name else { return change.key_id.clone() };
    let before = change.before.as_deref().filter(|_| change.change == ChangeKind::Renamed);
    let was = before.map_or_else(String::new, |before| format!(", was {}", short(before)));
    format!("{} ({}){was}", short(name), change.key_id)
}

/// A key's name; its id where it has none.
pub(super) fn name(change: &ChangeRow) -> String {
    change.name.as_deref().map_or_else(|| change.key_id.clone(), short)
}

fn short(name: &str) -> String {
    if name.chars().count() > NAME { name.chars().take(NAME).chain(['…']).collect() } else { name.to_owned() }
}

/// What happened, in a word.
pub(super) const fn change(change: ChangeKind) -> &'static str {
    match change {
        ChangeKind::Appeared => "new",
        ChangeKind::BecameMissing => "missing",
        ChangeKind::BecameGone => "gone",
        ChangeKind::Returned => "back",
        ChangeKind::BecameUnknown => "unknown",
        ChangeKind::BecameUnmanaged => "unmanaged",
        ChangeKind::Renamed => "renamed",
        ChangeKind::Moved => "moved",
        ChangeKind::OwnerChanged => "new owner",
        ChangeKind::OwnerAccessChanged => "owner access",
        ChangeKind::ExpiryChanged => "new expiry",
        ChangeKind::Disabled => "disabled",
        ChangeKind::Enabled => "enabled",
        ChangeKind::LastUseWentBack => "used earlier",
        ChangeKind::Recreated => "made anew",
    }
}

/// What that word means, where it may not be plain.
pub(super) fn change_means(change: &ChangeRow) -> Option<&'static str> {
    match (change.change, change.after.as_deref()) {
        (ChangeKind::BecameMissing, _) => {
            Some("Missing: every list that held it was read to its end without it. That may still be a mistake of the provider.")
        }
        (ChangeKind::BecameGone, _) => {
            Some("Gone: read to the end once more, 15 seconds later at least, and still not there. That is proof.")
        }
        (ChangeKind::BecameUnknown, Some("owner_left")) => Some(
            "Unknown: its owner left, and this provider lists only what current members have. The key may well be alive, so \
             nobody calls it gone.",
        ),
        (ChangeKind::BecameUnknown, _) => Some("Unknown: what listed it can no longer be read, so nobody can tell."),
        (ChangeKind::OwnerAccessChanged, _) => Some("The provider says that the owner has lost access, or has it again."),
        _ => None,
    }
}

/// Why lists are not read, and what that means for their keys.
pub(super) fn unread(state: ScopeState, reason: &str, detail: Option<&str>) -> String {
    if state == ScopeState::Closed {
        let why = match reason.parse() {
            Ok(ClosedReason::ProjectArchived) => "The project is archived, and the provider no longer lists its keys.",
            Ok(ClosedReason::NoAdminList) => "This organisation has no list of admin keys.",
            Ok(ClosedReason::PeopleNotPermitted) => "The credential may not list people.",
            Ok(ClosedReason::MemberForbidden) => {
                "Refused with 403: this member is also in an organisation that is not ours, so nobody may list keys in the \
                 member's name."
            }
            Ok(ClosedReason::MemberNotFound) => "The provider does not know this member.",
            Err(_) => reason,
        };
        return format!("{why} That is shown as a gap: nothing is concluded about keys that nobody can see.");
    }
    let why = match reason.parse() {
        Ok(reason) => reason_means(reason),
        Err(_) => "It was not read",
    };
    let seen = detail.map_or_else(String::new, |detail| format!(" Seen: {detail}."));
    format!(
        "{why} ({reason}).{seen} What was refused is not stored, no key is filed under the wrong owner, and none is called missing."
    )
}

/// What went wrong, without a full stop.
const fn reason_means(reason: Reason) -> &'static str {
    match reason {
        Reason::Network => "The connection failed or broke off",
        Reason::Tls => "The connection could not be trusted",
        Reason::Timeout => "The answer did not come in time",
        Reason::RateLimited => "The provider asks for patience",
        Reason::Server => "The provider failed",
        Reason::Auth => "The provider does not accept our credential",
        Reason::Forbidden => "Our credential may not see this",
        Reason::NotFound => "The provider says that there is no such list, which does not mean that it is empty",
        Reason::RefusedOnce => "A list that could be read before is refused for the first time",
        Reason::UnexpectedStatus => "The answer has a status that says neither yes nor no",
        Reason::RedirectRefused => "The provider sends us elsewhere, and a credential is never taken elsewhere",
        Reason::TooLarge | Reason::TooManyItems | Reason::TooManyPages => "The answer is larger than any honest one",
        Reason::NotJson => "The answer is a web page, not a list",
        Reason::Malformed => "The answer breaks off or is not of the documented shape",
        Reason::ItemRefused => "An element of the list cannot be understood, so the list was not read whole",
        Reason::RepeatedPage => "The provider sent the same page twice, so the list never ends",
        Reason::Contradiction => "The answer contradicts itself",
        Reason::InconsistentDuplicate => "One key stands twice on the list, with different facts",
        Reason::ClockSkew => "The provider's clock and ours differ by over an hour",
        Reason::AttributionMismatch => {
            "We asked for one person's keys and were given another's, as happens when a proxy drops a header"
        }
        Reason::AttributionUnproven => "Nothing shows whose keys these are, as happens when a proxy drops a header",
        Reason::ImpersonationNotPermitted => "The provider lets us act for no member at all",
        Reason::OrganizationChanged => "The credential suddenly sees another organisation",
        Reason::OrganizationUnconfirmed => "Nothing shows which organisation the answer is about",
        Reason::OrganizationAmbiguous => "The credential sees several organisations, and none was named",
        Reason::Stopped => "It was told to stop",
        Reason::Store => "The inventory could not be written",
        Reason::Internal => "A bug of keymuster, caught",
    }
}

/// What waits for a person.
pub(super) fn held(hold: &OpenHold) -> String {
    match (hold.list.as_deref(), hold.cause) {
        (Some(list @ ("people" | "projects")), _) => format!("{} of the list of {list} disappeared at once", hold.held),
        (_, Cause::ListShrank) => format!("{} keys, most of a list, disappeared at once", hold.held),
        (_, Cause::ListEmptied) => format!("all {} keys of a list disappeared at once", hold.held),
        (_, Cause::AccountShrank) => format!("{} keys, a large part of the account, disappeared in a short time", hold.held),
    }
}

/// Why, and what a person can do.
pub(super) fn held_means(account: &str) -> String {
    format!(
        "They may have been revoked, or {account} may have made a mistake: a broken filter or a lost permission looks just the \
         same. So keymuster believes nobody. These keys stay present until they are seen again, or until a person says that \
         it is right. Here that is you; in another terminal:"
    )
}

/// What comes now.
pub(super) const NO_LONGER_HELD: &str = "What was seen again stays present. What a person let go takes the way of all other \
    keys: missing when it is next not listed, and gone when that is proven. Who said so, when and why is in the view holds.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_path_as_one_word() {
        assert_eq!(quoted(Path::new("/tmp/keymuster-demo-x1/keymuster.toml")), "/tmp/keymuster-demo-x1/keymuster.toml");
        assert_eq!(quoted(Path::new("/tmp/it's here")), r"'/tmp/it'\''s here'");
    }

    #[test]
    fn every_reason_has_a_sentence_that_says_what_became_of_the_keys() {
        for reason in Reason::ALL {
            let text = unread(ScopeState::Incomplete, reason.as_str(), Some("something"));
            assert!(
                text.contains(&format!("({reason}). Seen: something. ")) && text.ends_with("none is called missing."),
                "{text}"
            );
        }
        for reason in ClosedReason::ALL {
            assert!(!unread(ScopeState::Closed, reason.as_str(), None).starts_with(reason.as_str()), "{reason}");
        }
    }
}
