//! Placeholder of the adapter.

use super::{Account, Answer, End, Fetch, Item, Known, Provider, Spec};
use crate::domain::{Failure, Refused};

/// The adapter.
pub struct Den;

impl Provider for Den {
    fn spec(&self) -> &'static Spec {
        todo!()
    }
    fn plan(&self, _: &Account, _: &Known) -> Vec<Fetch> {
        todo!()
    }
    fn item(&self, _: &Fetch, _: &[u8]) -> Result<Item, Refused> {
        todo!()
    }
    fn end(&self, _: &Fetch, _: &Answer<'_>) -> Result<End, Failure> {
        todo!()
    }
}
