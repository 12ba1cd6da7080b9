//! What people and scrapers get of an inventory that real polls against simulated providers filled.

#![cfg(test)]

mod accounts;
mod api;
mod as_of;
mod changes;
mod charts;
mod house;
mod injections;
mod log;
mod metrics;
mod owners;
mod pages;
mod policy;
mod strangers;
mod views;
mod web;
