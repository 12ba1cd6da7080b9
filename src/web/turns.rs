//! Whose password is looked at next. There is one look at a time, because each takes a tenth of a second of CPU or more; and
//! who asks much keeps nobody out who asks little.
//!
//! Each user of ours has places of its own, and from each address one of them. All other names share some, and each of those
//! names has one from each address as well, so that a guesser cannot tell the ones from the others before he has filled what
//! they share. Users and strangers have their
//! turns alternately. An address whose turn is longest ago comes first, and pushes out of a full room the one that was heard last.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Places of one user, each for another address.
const OF_A_USER: usize = 8;
/// Places of all names that are no user's.
const OF_STRANGERS: usize = 16;
/// Addresses whose last turn is remembered.
const REMEMBERED: usize = 1024;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    name: String,
    is_user: bool,
    network: IpAddr,
}

impl Asker {
    /// Somebody at that address who gives that name. A machine has as many IPv6 addresses of its network as it likes.
    pub fn new(name: &str, is_user: bool, peer: IpAddr) -> Self {
        let network = match peer.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address @ IpAddr::V4(_) => address,
        };
        Self { name: name.to_owned(), is_user, network }
    }

    fn shares_places_with(&self, other: &Self) -> bool {
        self.is_user == other.is_user && (!self.is_user || self.name == other.name)
    }

    const fn places(&self) -> usize {
        if self.is_user { OF_A_USER } else { OF_STRANGERS }
    }
}

/// Who waits, and whose turn it was.
#[derive(Default)]
pub(super) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    is_taken: bool,
    /// In the order in which they came.
    waiting: Vec<(Asker, oneshot::Sender<Turn>)>,
    /// The number of each address's last turn.
    last: BTreeMap<IpAddr, u64>,
    turns: u64,
    /// The last turn was a user's.
    was_users: bool,
}

/// A turn, until it is dropped: then it is the next one's.
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// Waits for a turn; `None` where there is no place to wait.
    pub async fn wait(self: &Arc<Self>, asker: Asker) -> Option<Turn> {
        let turn = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.is_taken {
                state.take(asker.network);
                return Some(Turn(Arc::clone(self)));
            }
            state.place(asker)?
        };
        turn.await.ok()
    }

    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }
}

impl State {
    fn place(&mut self, asker: Asker) -> Option<oneshot::Receiver<Turn>> {
        if self.waiting.iter().any(|(other, _)| *other == asker) {
            return None;
        }
        let beside = self.waiting.iter().enumerate().filter(|(_, (other, _))| other.shares_places_with(&asker));
        let beside: Vec<(u64, usize)> = beside.map(|(at, (other, _))| (self.last_turn(other), at)).collect();
        if beside.len() >= asker.places() {
            let (heard, at) = beside.into_iter().max()?;
            if heard <= self.last_turn(&asker) {
                return None;
            }
            self.waiting.remove(at);
        }
        let (turn, receiver) = oneshot::channel();
        self.waiting.push((asker, turn));
        Some(receiver)
    }

    /// 0 where it had none yet.
    fn last_turn(&self, asker: &Asker) -> u64 {
        self.last.get(&asker.network).copied().unwrap_or(0)
    }

    fn take(&mut self, network: IpAddr) {
        self.is_taken = true;
        self.turns += 1;
        if self.last.len() >= REMEMBERED
            && let Some(oldest) = self.last.iter().min_by_key(|(_, turn)| **turn).map(|(network, _)| *network)
        {
            self.last.remove(&oldest);
        }
        self.last.insert(network, self.turns);
    }

    /// Users and strangers in turn, because strangers may come from ever new addresses. Of these whose turn is longest ago; of
    /// those, who came first.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        self.is_taken = false;
        let waiting = self.waiting.iter().enumerate();
        let precedence = |asker: &Asker| (asker.is_user != self.was_users, Reverse(self.last_turn(asker)));
        let (_, Reverse(at)) = waiting.map(|(at, (asker, _))| (precedence(asker), Reverse(at))).max()?;
        let (asker, turn) = self.waiting.remove(at);
        self.was_users = asker.is_user;
        self.take(asker.network);
        Some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).next();
        if let Some(next) = next {
            // Where nobody waits for it any more, it is dropped, and goes on.
            let _ = next.send(Self(Arc::clone(&self.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    const US: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn other(number: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, number])
    }

    /// Whether it found a place; it keeps its turn for a moment, and writes down whose it was.
    async fn comes(turns: &Arc<Turns>, served: &Arc<Mutex<Vec<IpAddr>>>, asker: Asker) -> (bool, JoinHandle<()>) {
        let before = turns.waiting();
        let (turns, served) = (Arc::clone(turns), Arc::clone(served));
        let (waits, at) = (Arc::clone(&turns), asker.network);
        let waiting = tokio::spawn(async move {
            if let Some(_turn) = turns.wait(asker).await {
                served.lock().unwrap().push(at);
                tokio::task::yield_now().await;
            }
        });
        tokio::task::yield_now().await;
        (waits.waiting() > before || !waiting.is_finished(), waiting)
    }

    #[tokio::test]
    async fn nobody_is_kept_out_by_other_names_or_other_addresses() {
        let (turns, served) = (Arc::new(Turns::default()), Arc::default());
        let first = turns.wait(Asker::new("scraper", true, other(0))).await.unwrap();
        let mut waiting = Vec::new();
        for number in 0..100 {
            let (has_place, handle) = comes(&turns, &served, Asker::new(&format!("{number}"), false, US)).await;
            assert_eq!(has_place, number < OF_STRANGERS, "stranger {number}");
            waiting.push(handle);
        }
        assert!(comes(&turns, &served, Asker::new("other", true, US)).await.0);
        for number in 0..OF_A_USER {
            let asker = Asker::new("scraper", true, other(u8::try_from(number).unwrap()));
            assert!(comes(&turns, &served, asker.clone()).await.0);
            assert!(!comes(&turns, &served, asker).await.0, "twice from one address");
        }
        // The room is full, and of one who had a turn already.
        let before = turns.waiting();
        let (has_place, last) = comes(&turns, &served, Asker::new("scraper", true, US)).await;
        assert!(has_place && turns.waiting() == before);
        assert!(!comes(&turns, &served, Asker::new("scraper", true, other(200))).await.0, "all here are as new");
        drop(first);
        last.await.unwrap();
        for handle in waiting {
            handle.await.unwrap();
        }
        assert!(!served.lock().unwrap().contains(&other(0)), "pushed out");
        assert_eq!(turns.waiting(), 0);
    }

    #[tokio::test]
    async fn the_address_whose_turn_is_longest_ago_comes_first() {
        let (turns, served) = (Arc::new(Turns::default()), Arc::default());
        let mut waiting = Vec::new();
        let first = turns.wait(Asker::new("a", true, other(1))).await.unwrap();
        for (name, peer) in [("a", other(1)), ("b", other(1)), ("a", other(2)), ("b", US)] {
            waiting.push(comes(&turns, &served, Asker::new(name, true, peer)).await.1);
        }
        drop(first);
        for handle in waiting {
            handle.await.unwrap();
        }
        assert_eq!(*served.lock().unwrap(), [other(2), US, other(1), other(1)]);
    }

    #[tokio::test]
    async fn strangers_from_ever_new_addresses_do_not_come_before_a_user() {
        let (turns, served) = (Arc::new(Turns::default()), Arc::default());
        let first = turns.wait(Asker::new("a", true, US)).await.unwrap();
        let mut waiting = Vec::new();
        for number in 0..10 {
            waiting.push(comes(&turns, &served, Asker::new("guess", false, other(number))).await.1);
        }
        waiting.push(comes(&turns, &served, Asker::new("a", true, US)).await.1);
        drop(first);
        for handle in waiting {
            handle.await.unwrap();
        }
        let place = served.lock().unwrap().iter().position(|network| *network == US);
        assert!(place.is_some_and(|place| place <= 1), "{served:?}");
    }

    #[tokio::test]
    async fn who_does_not_wait_for_his_turn_any_more_holds_up_nobody() {
        let (turns, served) = (Arc::new(Turns::default()), Arc::default());
        let first = turns.wait(Asker::new("a", true, other(1))).await.unwrap();
        comes(&turns, &served, Asker::new("a", true, other(2))).await.1.abort();
        let (_, second) = comes(&turns, &served, Asker::new("a", true, US)).await;
        drop(first);
        second.await.unwrap();
        assert_eq!(*served.lock().unwrap(), [US]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_an_ipv4_address_is_itself() {
        let network = |text: &str| Asker::new("a", true, text.parse().unwrap()).network.to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn as_many_addresses_are_remembered_as_were_promised() {
        let mut state = State::default();
        for number in 0..5_000_u32 {
            state.take(IpAddr::from(number.to_be_bytes()));
        }
        assert_eq!((state.last.len(), state.last.values().min()), (REMEMBERED, Some(&(5_001 - REMEMBERED as u64))));
    }
}
