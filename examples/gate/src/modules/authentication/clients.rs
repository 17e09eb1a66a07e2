//! Turns for clients, so that one cannot take them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// Clients that verify passwords or wait for it, by address. A network of IPv6 (/64) is one client: whoever has one
/// address of it has them all.
#[derive(Debug)]
pub(super) struct Clients {
    known: Mutex<HashMap<Option<IpAddr>, Client>>,
    running: usize,
    seats: usize,
}

#[derive(Debug)]
struct Client {
    seated: usize,
    turns: Arc<Semaphore>,
}

/// One request's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Arc<Clients>,
    key: Option<IpAddr>,
    pub(super) turns: Arc<Semaphore>,
}

impl Clients {
    /// For each client: how many may have their turn, and how many may wait for it.
    pub(super) fn new(running: usize, waiting: usize) -> Self {
        let running = running.clamp(1, Semaphore::MAX_PERMITS);
        Self { known: Mutex::default(), running, seats: running.saturating_add(waiting) }
    }

    /// A place for one more request of this client, unless it has too many.
    pub(super) fn seat(self: &Arc<Self>, addr: Option<IpAddr>) -> Option<Seat> {
        let key = addr.map(client_of);
        let mut known = self.lock();
        let client = known
            .entry(key)
            .or_insert_with(|| Client { seated: 0, turns: Arc::new(Semaphore::new(self.running)) });
        if client.seated >= self.seats {
            return None;
        }
        client.seated += 1;
        let turns = Arc::clone(&client.turns);
        drop(known);
        Some(Seat { clients: Arc::clone(self), key, turns })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Client>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut known = self.clients.lock();
        if let Some(client) = known.get_mut(&self.key) {
            client.seated -= 1;
            if client.seated == 0 {
                known.remove(&self.key);
            }
        }
    }
}

fn client_of(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(addr) => IpAddr::V6(Ipv6Addr::from_bits(addr.to_bits() & (u128::MAX << 64))),
        addr => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_seats_and_none_is_remembered() {
        let clients = Arc::new(Clients::new(1, 1));
        let seat = |addr: &str| clients.seat(Some(addr.parse().expect("an address")));
        let taken = (seat("127.0.0.1"), seat("::ffff:127.0.0.1"));
        assert!(taken.0.is_some() && taken.1.is_some() && seat("127.0.0.1").is_none());
        assert!(seat("127.0.0.2").is_some());
        let taken6 = (seat("2001:db8::1"), seat("2001:db8::2:0:0:1"));
        assert!(taken6.1.is_some() && seat("2001:db8::3").is_none() && seat("2001:db8:0:1::1").is_some());
        drop((taken, taken6));
        assert!(clients.lock().is_empty());
    }
}
