//! The control socket: how a person on the machine talks to the running daemon.
//!
//! A unix socket beside the inventory, for the daemon's own user, its group and root; pages and metrics cannot cause anything,
//! this can. One request and one answer a connection, each a line of JSON. It carries words and decides nothing: what is asked
//! is done by whoever serves it.

mod client;
mod peer;
mod server;
mod short;
mod words;

pub use client::{AskError, ask};
pub use peer::Peer;
pub use server::{Control, Serve};
pub use words::{Account, Answer, Failed, Fault, PolledAccount, PolledScope, Request, Waits};
