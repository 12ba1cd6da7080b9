//! keymuster calls the roll of every API key that an organisation has issued.

pub mod clock;
pub mod config;
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
