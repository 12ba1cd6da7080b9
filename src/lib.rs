//! keymuster calls the roll of every API key that an organisation has issued.

pub mod clock;
pub mod domain;
pub mod providers;
pub mod remote;
