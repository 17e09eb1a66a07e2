//! Who gets in: so many connections in all, and so many of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections by address.
#[derive(Debug)]
pub(super) struct Addresses {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Addresses {
    /// So many of each.
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// Counts one more of an address, unless it has its share.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network(address)).or_default();
        let admitted = *count < self.most;
        if admitted {
            *count += 1;
        }
        admitted
    }

    pub(super) fn leave(&self, address: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

/// A client's network: of IPv6, a client has 2^64 addresses, and counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

/// What the connections of one worker have a place in.
pub(super) struct House {
    pub(super) addresses: Arc<Addresses>,
    /// How many connections the worker has.
    pub(super) load: AtomicUsize,
    /// For as many connections as all workers may have.
    pub(super) room: Arc<Semaphore>,
}

/// One connection's place, given back when it is dropped.
pub(super) struct Admission {
    address: Option<IpAddr>,
    house: Arc<House>,
}

impl House {
    /// A place for a connection for which there is room. It counts for its address already.
    pub(super) fn admit(self: &Arc<Self>, address: Option<IpAddr>, room: SemaphorePermit<'_>) -> Admission {
        // Given back by the admission, which keeps no more of it than it has to.
        room.forget();
        self.load.fetch_add(1, Ordering::Relaxed);
        Admission { address, house: Arc::clone(self) }
    }
}

impl Admission {
    /// The connection is of this address, as is known now; it counts for it from here on. `false`: it has its share.
    pub(super) fn belongs_to(&mut self, address: IpAddr) -> bool {
        if self.address.map(network) == Some(network(address)) {
            return true;
        }
        let admitted = self.house.addresses.admit(address);
        if admitted && let Some(before) = self.address.replace(address) {
            self.house.addresses.leave(before);
        }
        admitted
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.house.load.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            self.house.addresses.leave(address);
        }
        self.house.room.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let addresses = Addresses::new(2);
        let [a, b, other] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse().expect("an address"));
        assert!(addresses.admit(a) && addresses.admit(b));
        assert!(!addresses.admit(a), "one network");
        assert!(addresses.admit(other));
        addresses.leave(b);
        assert!(addresses.admit(a));
        [a, a, other].into_iter().for_each(|address| addresses.leave(address));
        assert!(addresses.open.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn mapped_addresses_are_those_of_ipv4() {
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(network(mapped), "192.0.2.1".parse::<IpAddr>().expect("an address"));
    }

    #[tokio::test]
    async fn a_place_is_given_back_with_its_connection() {
        let room = Arc::new(Semaphore::new(2));
        let addresses = Arc::new(Addresses::new(1));
        let house = Arc::new(House { addresses, load: AtomicUsize::new(0), room: Arc::clone(&room) });
        let address: IpAddr = "192.0.2.1".parse().expect("an address");
        assert!(house.addresses.admit(address));
        let place = house.admit(Some(address), room.acquire().await.expect("it is open"));
        assert_eq!((room.available_permits(), house.load.load(Ordering::Relaxed)), (1, 1));
        drop(place);
        assert_eq!((room.available_permits(), house.load.load(Ordering::Relaxed)), (2, 0));
        assert!(house.addresses.admit(address));
    }
}
