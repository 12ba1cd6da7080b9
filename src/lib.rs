//! keymuster calls the roll of every API key that an organisation has issued.
//!
//! A daemon polls the admin APIs of AI providers, normalises what they answer into one SQLite inventory, and exports
//! Prometheus metrics for stale and expired keys. This page is the map of the house; [`domain`] is its vocabulary.
//!
//! # What comes when
//!
//! An account is due ([`sync::Supervisor`]). Its adapter ([`providers`]) says what to ask; [`remote`] sends it, with limits,
//! deadlines and pace, and cuts the answer into elements, each of which passes the gate of [`domain`]. [`walk`] puts pages
//! together and computes whether the list was read whole. The [`inventory`] applies walks, and at the end of the poll settles
//! what they prove, by [`policy`] turned into deadlines. The pages, the metrics and the commands only read. [`webhook`] tells somebody
//! what is new.
//!
//! # Directions
//!
//! `domain` ← `policy`, `providers` ← `walk` ← `remote`, `inventory` ← `sync` ← `views` ← `metrics`, `web`, `webhook` ← `cli`.
//! Adapters know no input or output, `sync` writes no SQL, only `inventory` holds SQL, only `remote` talks to the outside, only `clock` reads
//! the time. `sim` stands beside all that: the simulated providers know nothing of how they are read. `tests/architecture.rs`
//! holds these lines.
//!
//! # What is never broken
//!
//! - **Silence is not absence.** A walk that did not read its list whole adds and updates, and proves nothing about what it did
//!   not see. The proof of completeness, [`walk::Complete`], can be built only in that module, from the provider's own end
//!   signal. `inventory/conclude.rs` is the whole of what may be concluded from it.
//! - **Adapters read; the engine does.** An adapter cannot claim completeness, send, retry, or see a secret.
//! - **Order comes from a sequence in the database**, never from the wall clock.
//! - **Three values for a time**: *at*, *never*, *not reported*; see [`domain::Moment`].
//! - **Deadlines, not states.** A condition is stored as the instant from which it holds, so that everything that reads the
//!   file agrees at every instant, also while the daemon is down.
//! - **Attribution is proven.** What was asked in somebody's name counts only where the answer shows for whom it was given;
//!   `sync/proofs.rs` keeps back what leaves something open, `sync/second_look.rs` asks about it once more, `sync/doubt.rs`
//!   says what follows.
//! - **A secret is never stored, logged or rendered**, and keymuster only reads: all that it sends to providers are GETs, and two
//!   POSTs that [`providers::Method`] names. What [`remote::Webhook`] posts goes to the one address that the config names.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod inventory;
pub mod metrics;
pub mod policy;
pub mod providers;
pub mod remote;
pub mod sim;
pub mod sync;
pub mod views;
pub mod walk;
pub mod web;
pub mod webhook;
