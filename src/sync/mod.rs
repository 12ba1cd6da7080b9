//! Orchestration: one poll of one account, when accounts are due, and an orderly stop.
//!
//! It knows what comes when; what is asked and what it means is the adapters', how it is sent is `remote`'s, what follows
//! from it is `walk`'s and the inventory's. It writes no SQL.

mod batch;
mod course;
mod doubt;
mod due;
mod inquiry;
mod key_by_id;
mod line;
mod own_key;
mod people_again;
mod poll;
mod proofs;
mod report;
mod round;
mod rounds;
mod second_look;
mod supervisor;
mod turns;
mod twins;
mod waivers;
mod wall;
mod ways;

pub use line::Line;
pub use poll::poll;
pub use report::{Progress, Report, ScopeReport};
pub use supervisor::{AccountStatus, Command, Plan, Polls, Scheduled, Supervisor};
pub use waivers::tell_ends;
