//! The inventory: one SQLite file, and the only SQL of the program.
//!
//! One thread owns the only connection that writes; readers have connections of their own that cannot. A walk is applied
//! (`apply.rs`) in one transaction that adds and updates, and never concludes that something is absent; a poll is settled
//! (`settle.rs`) in one closing transaction, which concludes by the pure rules of [`conclude()`]. The tables are private, the
//! views in `views/` are interface.

mod account;
mod acknowledge;
mod apply;
mod apply_key;
mod asked;
mod backup;
mod conclude;
mod count;
mod deadlines;
mod ended_waivers;
mod error;
mod evidence;
mod explain;
mod export;
mod group_members;
mod guard;
mod help;
mod holds;
mod inquiry;
mod integrity;
mod last_seen;
mod list_accounts;
mod list_changes;
mod list_keys;
mod list_owned;
mod list_scopes;
mod migrate;
mod open;
mod own_credential;
mod people_again;
#[cfg(test)]
mod plans;
mod poll;
mod position;
mod pseudonymise;
mod read;
mod reconcile;
mod retention;
mod retire;
mod rewind;
mod settle;
mod sheets;
mod sql;
mod sums;
mod twins;
mod unapplied;
mod urgent_keys;
mod waiting;
mod watch;
mod whose;
mod witnessed;
mod writer;

pub use account::{ConfiguredAccount, Confirmed, OrganizationRow};
pub use acknowledge::{Acknowledged, Acknowledgement};
pub use asked::{Filter, KeysAsked, Order};
pub use backup::{BackedUp, Existing};
pub use conclude::{Conclusion, Evidence, Missing, Newest, Witness, conclude};
pub use count::{AccountCounts, Counts, Group, LastPoll};
pub use deadlines::Judge;
pub use ended_waivers::EndedWaiver;
pub use error::{StoreError, Stored};
pub use explain::{Explained, ListedBy, Showing};
pub use export::{PUBLIC_VIEWS, Piece};
pub use group_members::InGroups;
pub use guard::{Cause, GuardLimits, Loss};
pub use help::meaning;
pub use inquiry::HeldList;
pub use integrity::{Looked, Rows, Wrong};
pub use list_accounts::AccountRow;
pub use list_changes::{ChangeRow, ChangesAsked};
pub use list_keys::{KeyRow, OwnerRow};
pub use list_owned::OwnedKeys;
pub use list_scopes::{ScopePlace, ScopeRow};
pub use open::Inventory;
pub use own_credential::{OwnCredential, OwnKey};
pub use people_again::MembersStill;
pub use poll::{Poll, SeenOrganization};
pub use position::{Place, Position};
pub use pseudonymise::{Forgettable, Pseudonymised};
pub use read::Reader;
pub use retention::{Forgotten, Keep};
pub use rewind::{NotYetRead, rewind};
pub use settle::{PollEnd, Settled};
pub use sheets::{EvidenceOf, Period, Sheet};
pub use sql::at_now;
pub use waiting::{Offered, OpenHold, Waiting};
pub use watch::Watch;
pub use whose::Whose;
