//! Verifies passwords without stopping the server: on the blocking pool, few at a time.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bivalve::User;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

use super::cache::Cache;
use super::clients::Clients;
use super::passwords::Memory;
use super::{AuthenticationConfig, Passwords};

/// Passwords, the cache before them, and the bounds around them.
pub(super) struct Verifier {
    passwords: Arc<Passwords>,
    cache: Cache,
    /// One for each that runs. Without it each thread of the blocking pool keeps what it once allocated, and a flood of
    /// logins passes through all of them.
    memories: Arc<Mutex<Vec<Memory>>>,
    /// Who may run.
    pub(super) running: Arc<Semaphore>,
    clients: Arc<Clients>,
    wait: Duration,
}

/// What became of a name and a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too many wait already; nothing was verified.
    Busy,
    Right(User),
    Wrong,
}

impl Verifier {
    pub(super) fn new(
        passwords: Arc<Passwords>,
        config: &AuthenticationConfig,
    ) -> Result<Self, getrandom::Error> {
        let running = match config.concurrent_verifications {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
            running => running,
        };
        let running = running.min(Semaphore::MAX_PERMITS);
        let clients = Clients::new(config.verifications_per_address, config.waiting_verifications);
        Ok(Self {
            passwords,
            cache: Cache::new(config.cache_entries, Duration::from_secs(config.cache_secs))?,
            memories: Arc::default(),
            running: Arc::new(Semaphore::new(running)),
            clients: Arc::new(clients),
            wait: Duration::from_secs(config.verification_wait_secs),
        })
    }

    /// Whether the password is right.
    ///
    /// # Cancel safety
    ///
    /// A verification that has started goes on when its request is gone, and counts as running until its end:
    /// clients that hang up cannot start more than the bound.
    pub(super) async fn verify(
        &self,
        client: Option<IpAddr>,
        name: &str,
        password: &str,
    ) -> Result<Verdict, JoinError> {
        let tag = self.cache.tag(name, password);
        if let Some(user) = self.cache.find(tag, Instant::now()) {
            return Ok(Verdict::Right(user));
        }
        let Some(seat) = self.clients.seat(client) else { return Ok(Verdict::Busy) };
        // First the client's turn, then the server's: in the queue before the server each client has a few places.
        let turn = async {
            let of_client = Arc::clone(&seat.turns).acquire_owned().await;
            (of_client, Arc::clone(&self.running).acquire_owned().await)
        };
        let Ok(permits) = timeout(self.wait, turn).await else { return Ok(Verdict::Busy) };
        // A browser asks for a page and all its parts at once: the first has done the work for the others.
        if let Some(user) = self.cache.find(tag, Instant::now()) {
            return Ok(Verdict::Right(user));
        }
        let (passwords, memories) = (Arc::clone(&self.passwords), Arc::clone(&self.memories));
        let (name, password) = (name.to_owned(), password.to_owned());
        let found = spawn_blocking(move || {
            let mut memory = lock(&memories).pop().unwrap_or_default();
            let found = passwords.verify_in(&mut memory, &name, &password);
            lock(&memories).push(memory);
            drop((permits, seat));
            found
        })
        .await?;
        Ok(match found {
            Some(user) => {
                self.cache.remember(tag, user.clone(), Instant::now());
                Verdict::Right(user)
            }
            None => Verdict::Wrong,
        })
    }

    pub(super) fn knows_nobody(&self) -> bool {
        self.passwords.is_empty()
    }
}

fn lock(memories: &Mutex<Vec<Memory>>) -> MutexGuard<'_, Vec<Memory>> {
    memories.lock().unwrap_or_else(PoisonError::into_inner)
}
