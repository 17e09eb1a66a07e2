//! Remembers right credentials for a while, so that a browser does not pay for Argon2 with each request.
//!
//! # Why this is safe
//!
//! - No password is kept. An entry is found under HMAC-SHA-256 of name and password, with a random key that was made
//!   when the process started and never leaves it. What a copy of the map alone is worth: nothing. Who can read the
//!   key as well reads this process's memory, and finds passwords there anyway: they arrive in requests.
//! - Only right credentials are remembered. Each wrong guess costs the full Argon2, so guessing stays as slow.
//! - The lookup may take a different time for different keys, but nobody outside can choose or predict a key.
//! - It is bounded: so many entries, the oldest leaving first, and each for so long. The password file is read once,
//!   at the start, so nothing here can outlive a password that was taken away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bivalve::User;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Right credentials, remembered.
pub(super) struct Cache {
    key: [u8; 32],
    entries: Mutex<HashMap<Tag, Entry>>,
    capacity: usize,
    lifetime: Duration,
}

/// Stands for a name and a password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag([u8; 32]);

struct Entry {
    user: User,
    since: Instant,
}

impl Cache {
    /// Empty. `capacity` or `lifetime` 0: nothing is remembered.
    ///
    /// # Errors
    ///
    /// When the system has no random bytes.
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, entries: Mutex::default(), capacity, lifetime })
    }

    pub(super) fn tag(&self, name: &str, password: &str) -> Tag {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        // The length keeps "ab" and "c" apart from "a" and "bc".
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(password.as_bytes());
        Tag(mac.finalize().into_bytes().into())
    }

    pub(super) fn find(&self, tag: Tag, now: Instant) -> Option<User> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&tag).filter(|entry| self.is_fresh(entry, now)).map(|entry| entry.user.clone())
    }

    pub(super) fn remember(&self, tag: Tag, user: User, now: Instant) {
        if self.capacity == 0 || self.lifetime.is_zero() {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.capacity && !entries.contains_key(&tag) {
            entries.retain(|_, entry| self.is_fresh(entry, now));
        }
        while entries.len() >= self.capacity && !entries.contains_key(&tag) {
            // A scan of a small map, after an Argon2 that took ten thousand times as long.
            let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(tag, _)| *tag)
            else {
                break;
            };
            entries.remove(&oldest);
        }
        entries.insert(tag, Entry { user, since: now });
    }

    fn is_fresh(&self, entry: &Entry, now: Instant) -> bool {
        now.saturating_duration_since(entry.since) < self.lifetime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn user(name: &str) -> User {
        User::new(name, "Basic")
    }

    #[test]
    fn only_the_same_name_and_password_are_found() {
        let cache = Cache::new(8, MINUTE).expect("random bytes");
        let now = Instant::now();
        cache.remember(cache.tag("ab", "c"), user("ab"), now);
        assert_eq!(cache.find(cache.tag("ab", "c"), now), Some(user("ab")));
        for (name, password) in [("a", "bc"), ("ab", "C"), ("ab", ""), ("abc", ""), ("", "abc")] {
            assert_eq!(cache.find(cache.tag(name, password), now), None, "{name}:{password}");
        }
    }

    #[test]
    fn two_processes_have_different_keys() {
        let (one, other) = (Cache::new(8, MINUTE), Cache::new(8, MINUTE));
        assert!(one.expect("random bytes").tag("a", "b") != other.expect("random bytes").tag("a", "b"));
    }

    #[test]
    fn an_entry_ends_with_its_lifetime() {
        let cache = Cache::new(8, MINUTE).expect("random bytes");
        let (tag, now) = (cache.tag("a", "b"), Instant::now());
        cache.remember(tag, user("a"), now);
        assert!(cache.find(tag, now + MINUTE - Duration::from_millis(1)).is_some());
        assert!(cache.find(tag, now + MINUTE).is_none());
    }

    #[test]
    fn at_the_capacity_the_oldest_leaves() {
        let cache = Cache::new(2, MINUTE).expect("random bytes");
        let now = Instant::now();
        for (second, name) in ["a", "b", "c"].into_iter().enumerate() {
            cache.remember(cache.tag(name, "x"), user(name), now + Duration::from_secs(second as u64));
        }
        let later = now + Duration::from_secs(3);
        let found = ["a", "b", "c"].map(|name| cache.find(cache.tag(name, "x"), later).is_some());
        assert_eq!(found, [false, true, true]);
    }

    #[test]
    fn nothing_is_remembered_when_it_is_off() {
        for (capacity, lifetime) in [(0, MINUTE), (8, Duration::ZERO)] {
            let cache = Cache::new(capacity, lifetime).expect("random bytes");
            let (tag, now) = (cache.tag("a", "b"), Instant::now());
            cache.remember(tag, user("a"), now);
            assert!(cache.find(tag, now).is_none());
        }
    }
}
