//! The settings of authentication.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// `[authentication]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticationConfig {
    /// The password file: one `name:$argon2id$…` in each line. Default: none.
    pub users: Option<PathBuf>,
    /// The bearer tokens. Default: none.
    pub tokens: Vec<TokenConfig>,
    /// Paths that are open to all, compared with the path as the client sent it, byte for byte: `/healthz` opens
    /// neither `/healthz/` nor `/%68ealthz`. Default: `/healthz`.
    pub open_paths: Vec<String>,
    /// The realm that browsers show. Default: `gate`.
    pub realm: Realm,
    /// How many passwords are verified at the same time. Each takes a core for some 20 ms and 19 MiB. At the limit
    /// requests wait. Default: half of the cores, written as 0.
    pub concurrent_verifications: usize,
    /// How many of them may be of one client address (of IPv6: one /64). Its further requests wait for these, so that
    /// it cannot keep others from logging in. Default: 4.
    pub verifications_per_address: usize,
    /// How many requests of one client address may wait; more get 503. Default: 64.
    pub waiting_verifications: usize,
    /// For how many seconds a request may wait for its verification to begin; then it gets 503. Default: 5.
    pub verification_wait_secs: u64,
    /// For how many seconds right credentials are remembered; 0: not at all. Default: 300.
    pub cache_secs: u64,
    /// How many right credentials are remembered; the oldest goes first. Default: 1024.
    pub cache_entries: usize,
}

impl Default for AuthenticationConfig {
    fn default() -> Self {
        Self {
            users: None,
            tokens: Vec::new(),
            open_paths: vec!["/healthz".into()],
            realm: Realm("gate".into()),
            concurrent_verifications: 0,
            verifications_per_address: 4,
            waiting_verifications: 64,
            verification_wait_secs: 5,
            cache_secs: 300,
            cache_entries: 1024,
        }
    }
}

/// `[[authentication.tokens]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// The user that the token stands for.
    pub name: String,
    /// The SHA-256 of the token, in hexadecimal; `gate token NAME` makes both.
    pub sha256: TokenHash,
}

/// The SHA-256 of a bearer token.
///
/// No salt and no stretching, unlike for passwords: a token is 256 random bits, which nobody can guess or look up.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TokenHash(pub(super) [u8; 32]);

impl TokenHash {
    /// Of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl TryFrom<String> for TokenHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str =
            "expected the SHA-256 of a token: 64 hexadecimal digits (`gate token NAME` makes one)";
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| WRONG)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| WRONG)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A realm: goes into `WWW-Authenticate` between quotes, so it holds printable ASCII without quotes and backslashes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Realm(String);

impl Realm {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Realm {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\') {
            Ok(Self(text))
        } else {
            Err("a realm is printable ASCII without quotes and backslashes")
        }
    }
}
