//! Single keys that a list no longer holds, asked for by their ids.
//!
//! That a provider answers 404 says little by itself: a route that does not exist, or a lost header, answers so for every key.
//! It is a proof only between two answers that show a key which the list still holds, asked for in the same way.

use super::Page;
use crate::domain::{Failure, Reason, RemoteId};

/// What the provider answered for one id. Sealed: only an answer makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ById(Told);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    There,
    Absent,
    Nothing,
}

impl ById {
    /// Reads an answer: 200 that is about the key, 404, or anything else.
    pub fn of(answer: &Result<Page, Failure>) -> Self {
        Self(match answer {
            Ok(_) => Told::There,
            Err(failure) if failure.reason == Reason::NotFound => Told::Absent,
            Err(_) => Told::Nothing,
        })
    }

    /// As if the provider had shown a key.
    #[cfg(test)]
    pub(crate) const fn there() -> Self {
        Self(Told::There)
    }

    /// The provider showed the key.
    pub const fn is_there(self) -> bool {
        matches!(self.0, Told::There)
    }

    /// The provider has no such key, as it says.
    pub const fn is_absent(self) -> bool {
        matches!(self.0, Told::Absent)
    }
}

/// The proof that the provider has no key of these ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Absent(Vec<RemoteId>);

impl Absent {
    /// What the answers prove that were given between `before` and `after`, both to the question for a key that the list holds.
    pub fn between(before: ById, answers: Vec<(RemoteId, ById)>, after: ById) -> Self {
        let shown = before.is_there() && after.is_there();
        Self(answers.into_iter().filter(|(_, answer)| shown && answer.is_absent()).map(|(id, _)| id).collect())
    }

    /// The ids.
    pub fn ids(&self) -> &[RemoteId] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_404_is_a_proof_only_between_two_keys_that_are_shown() {
        let by = |told| ById(told);
        let id = || RemoteId::new("key_1").unwrap();
        let proven = |before, told, after| Absent::between(by(before), vec![(id(), by(told))], by(after)).ids().len();
        assert_eq!(proven(Told::There, Told::Absent, Told::There), 1);
        for (before, after) in
            [(Told::Absent, Told::There), (Told::There, Told::Absent), (Told::Nothing, Told::There), (Told::There, Told::Nothing)]
        {
            assert_eq!(proven(before, Told::Absent, after), 0, "{before:?} {after:?}");
        }
        assert_eq!(proven(Told::There, Told::There, Told::There), 0);
        assert_eq!(proven(Told::There, Told::Nothing, Told::There), 0);
    }

    #[test]
    fn only_404_says_absent() {
        for reason in Reason::ALL {
            let answer = ById::of(&Err(Failure::new(*reason, "")));
            assert_eq!(answer, ById(if *reason == Reason::NotFound { Told::Absent } else { Told::Nothing }), "{reason}");
        }
    }
}
