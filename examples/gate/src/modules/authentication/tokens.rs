//! Bearer tokens, known by their hashes.

use bivalve::User;
use subtle::ConstantTimeEq;

use super::{TokenConfig, TokenHash};

/// The tokens and their users.
pub(super) struct Tokens {
    known: Vec<(TokenHash, User)>,
}

impl Tokens {
    pub(super) fn new(tokens: &[TokenConfig]) -> Self {
        let known = tokens.iter().map(|token| (token.sha256, User::new(&*token.name, "Bearer"))).collect();
        Self { known }
    }

    /// The user of a token. Looks at every hash, each in constant time.
    ///
    /// What is compared are hashes, so even a comparison that leaked its progress would tell only how a value
    /// begins of which nobody can make the original. Constant time makes that argument unnecessary.
    pub(super) fn verify(&self, token: &str) -> Option<User> {
        let presented = TokenHash::of(token);
        self.known.iter().fold(None, |found, (hash, user)| {
            if bool::from(hash.0.ct_eq(&presented.0)) { Some(user.clone()) } else { found }
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        // printf abc | sha256sum
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        let hash = TokenHash::try_from(sha256.to_uppercase()).expect("64 digits");
        assert_eq!(hash.to_string(), sha256);
        let tokens = Tokens::new(&[TokenConfig { name: "ci".into(), sha256: hash }]);
        let user = tokens.verify("abc").expect("the token");
        assert_eq!((user.name(), user.authentication_type()), ("ci", "Bearer"));
        assert!(tokens.verify("abcd").is_none());
        assert!(tokens.verify("").is_none());
    }

    #[test]
    fn a_malformed_hash_is_refused() {
        for text in ["", "zz", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert!(TokenHash::try_from(text.to_string()).is_err(), "{text}");
        }
    }
}
