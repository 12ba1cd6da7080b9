//! The guard over the real inventory: what is too much at once is held, everything else settles, and a hold ends by a sighting
//! or by a person's word and by nothing else.

#![cfg(test)]

mod accounts;
mod agreement;
mod asking;
mod closed;
mod facts;
mod keys;
mod last_use;
mod lists;
mod order;
mod organizations;
mod site;
mod upkeep;
mod words;
