//! The password file, and the comparison with it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use bivalve::User;
use subtle::ConstantTimeEq;

/// Users and the Argon2 hashes of their passwords.
///
/// In a file: one `name:$argon2id$…` (a PHC string) in each line; empty lines and lines that start with `#` count for
/// nothing. `gate user NAME` makes such a line.
///
/// ```
/// use gate::modules::authentication::Passwords;
///
/// let line = Passwords::line("ada", "correct horse")?;
/// let passwords = Passwords::parse(&line)?;
/// assert!(passwords.verify("ada", "correct horse").is_some());
/// assert!(passwords.verify("ada", "correct mule").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Passwords {
    users: HashMap<String, Entry>,
    /// The hash against which the password of an unknown user is compared, so that it takes as long.
    nobody: Secret,
}

struct Entry {
    user: User,
    secret: Secret,
}

/// A hash, ready for a comparison.
struct Secret {
    argon2: Argon2<'static>,
    salt: Salt,
    hash: Output,
}

/// The memory in which Argon2 works, to be used again: it is as large as the dearest hash asks for.
pub(super) type Memory = Vec<Block>;

impl Passwords {
    /// Reads a password file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a line is malformed.
    pub fn read(path: &Path) -> Result<Self, PasswordFileError> {
        let found = std::fs::read_to_string(path).map_err(|error| PasswordFileError::of(error.to_string()));
        found.and_then(|text| Self::parse(&text)).map_err(|error| error.in_file(path))
    }

    /// Takes the text of a password file apart.
    ///
    /// # Errors
    ///
    /// The first line that is malformed.
    pub fn parse(text: &str) -> Result<Self, PasswordFileError> {
        let mut users = HashMap::new();
        let mut params: Option<Params> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, entry, cost) = entry(line).map_err(|wrong| PasswordFileError::at(number, wrong))?;
            if users.insert(name.to_owned(), entry).is_some() {
                return Err(PasswordFileError::at(number, format!("the user {name} is there already")));
            }
            if params.as_ref().is_none_or(|dearest| work(dearest) < work(&cost)) {
                params = Some(cost);
            }
        }
        // The dearest: a file whose users all cost the same tells nobody by time which names it has.
        let nobody = Argon2::from(params.unwrap_or_default())
            .hash_password(b"nobody has this password, and nobody it lets in")
            .map_err(|error| PasswordFileError::of(format!("no hash can be made here: {error}")))?;
        let nobody = Secret::new(&nobody).map_err(PasswordFileError::of)?;
        Ok(Self { users, nobody })
    }

    /// A line for a password file, with a fresh salt and Argon2's recommended cost.
    ///
    /// # Errors
    ///
    /// When the name cannot be one of HTTP's Basic scheme, or the system has no random bytes.
    pub fn line(name: &str, password: &str) -> Result<String, PasswordFileError> {
        check_name(name).map_err(PasswordFileError::of)?;
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| PasswordFileError::of(format!("no hash can be made: {error}")))?;
        Ok(format!("{name}:{hash}"))
    }

    /// The user, if the password is right. Takes tens of milliseconds, and for an unknown user as long.
    #[must_use]
    pub fn verify(&self, name: &str, password: &str) -> Option<User> {
        self.verify_in(&mut Memory::new(), name, password)
    }

    pub(super) fn verify_in(&self, memory: &mut Memory, name: &str, password: &str) -> Option<User> {
        let entry = self.users.get(name);
        let secret = entry.map_or(&self.nobody, |entry| &entry.secret);
        let right = secret.fits(memory, password);
        entry.filter(|_| right).map(|entry| entry.user.clone())
    }

    /// Whether there is no user at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({} users)", self.users.len())
    }
}

impl Secret {
    fn new(hash: &PasswordHash) -> Result<Self, String> {
        if hash.algorithm.as_str() != "argon2id" {
            return Err(format!("it is {}, and only argon2id is taken", hash.algorithm));
        }
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err("it has no salt or no hash".into());
        };
        let params = Params::try_from(hash).map_err(|error| error.to_string())?;
        if params.m_cost() > MAX_MEMORY_KIB {
            let cost = params.m_cost();
            return Err(format!("it takes {cost} KiB at each login, and at most {MAX_MEMORY_KIB} are taken"));
        }
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from);
        let version = version.map_err(|error| error.to_string())?;
        Ok(Self { argon2: Argon2::new(Algorithm::Argon2id, version, params), salt, hash: output })
    }

    fn fits(&self, memory: &mut Memory, password: &str) -> bool {
        let blocks = self.argon2.params().block_count();
        if memory.len() < blocks {
            memory.resize(blocks, Block::new());
        }
        let mut computed = [0; Output::MAX_LENGTH];
        let computed = &mut computed[..self.hash.len()];
        let done = self.argon2.hash_password_into_with_memory(
            password.as_bytes(),
            &self.salt,
            computed,
            &mut memory[..blocks],
        );
        done.is_ok() && bool::from(computed.ct_eq(self.hash.as_bytes()))
    }
}

fn entry(line: &str) -> Result<(&str, Entry, Params), String> {
    let (name, hash) = line.split_once(':').ok_or("expected name:$argon2id$…, found no colon")?;
    check_name(name)?;
    let secret =
        PasswordHash::new(hash).map_err(|error| error.to_string()).and_then(|hash| Secret::new(&hash));
    let secret = secret.map_err(|wrong| format!("the hash of {name}: {wrong}"))?;
    let params = secret.argon2.params().clone();
    Ok((name, Entry { user: User::new(name, "Basic"), secret }, params))
}

/// Blocks that are filled.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// Whether somebody can have this name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
        return Err("a name has at least one character, no colon and no control characters".into());
    }
    if name.starts_with('#') || name.trim() != name {
        return Err("a name begins with no #, which makes a comment, and has no space around it".into());
    }
    Ok(())
}

/// Memory of one verification: a mistyped cost must not take the machine at the first login.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;

/// Why a password file cannot be used.
#[derive(Debug)]
pub struct PasswordFileError {
    file: Option<PathBuf>,
    line: Option<usize>,
    text: String,
}

impl PasswordFileError {
    fn of(text: impl Into<String>) -> Self {
        Self { file: None, line: None, text: text.into() }
    }

    fn at(line: usize, text: impl Into<String>) -> Self {
        Self { file: None, line: Some(line), text: text.into() }
    }

    fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl fmt::Display for PasswordFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "password file {}: ", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for PasswordFileError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cheapest hash there is: "secret", 8 KiB, one pass.
    fn cheap(password: &str) -> String {
        let params = Params::new(8, 1, 1, None).expect("the lowest cost");
        Argon2::from(params).hash_password(password.as_bytes()).expect("a hash").to_string()
    }

    fn wrong(text: &str) -> String {
        Passwords::parse(text).expect_err("malformed").to_string()
    }

    #[test]
    fn users_are_read_and_verified() {
        let text = format!("# people\n\nann:{}\r\n  bob lee:{}\n", cheap("secret"), cheap("pässword"));
        let passwords = Passwords::parse(&text).expect("well formed");
        let ann = passwords.verify("ann", "secret").expect("the right password");
        assert_eq!((ann.name(), ann.authentication_type()), ("ann", "Basic"));
        assert!(passwords.verify("bob lee", "pässword").is_some());
        for (user, password) in [("ann", "Secret"), ("ann", ""), ("Ann", "secret"), ("", ""), ("bob", "")] {
            assert!(passwords.verify(user, password).is_none(), "{user}:{password}");
        }
    }

    #[test]
    fn a_password_of_an_unknown_user_never_fits() {
        let passwords = Passwords::parse("").expect("empty");
        assert!(passwords.is_empty());
        assert!(passwords.verify("x", "nobody has this password, and nobody it lets in").is_none());
    }

    #[test]
    fn an_unknown_user_costs_what_the_dearest_user_costs() {
        let dear = Argon2::from(Params::new(64, 2, 1, None).expect("a low cost"));
        let dear = dear.hash_password(b"dear").expect("a hash");
        let text = format!("ann:{0}\nbob:{dear}\neve:{0}\n", cheap("secret"));
        let passwords = Passwords::parse(&text).expect("well formed");
        assert_eq!(passwords.nobody.argon2.params(), passwords.users["bob"].secret.argon2.params());
    }

    #[test]
    fn a_name_that_the_file_would_not_give_back_makes_no_line() {
        for name in ["", "#ann", " ann", "ann ", "a:b", "a\nb"] {
            assert!(Passwords::line(name, "x").is_err(), "{name:?}");
        }
        assert!(Passwords::line("a#b c", "x").is_ok());
    }

    #[test]
    fn memory_that_was_used_before_changes_nothing() {
        let larger = Argon2::from(Params::new(64, 2, 2, None).expect("a low cost"));
        let larger = larger.hash_password(b"larger").expect("a hash");
        let text = format!("ann:{}\nbob:{larger}\n", cheap("secret"));
        let passwords = Passwords::parse(&text).expect("well formed");
        let mut memory = Memory::new();
        for _ in 0..2 {
            assert!(passwords.verify_in(&mut memory, "ann", "secret").is_some());
            assert!(passwords.verify_in(&mut memory, "bob", "larger").is_some());
            assert!(passwords.verify_in(&mut memory, "ann", "larger").is_none());
        }
        assert_eq!(memory.len(), 64);
    }

    #[test]
    fn mistakes_name_their_line() {
        let good = cheap("x");
        assert_eq!(wrong("\nann"), "line 2: expected name:$argon2id$…, found no colon");
        assert!(wrong("ann:secret").starts_with("line 1: the hash of ann: "));
        assert_eq!(
            wrong(&format!("ann:{}", good.replace("argon2id", "argon2i"))),
            "line 1: the hash of ann: it is argon2i, and only argon2id is taken"
        );
        assert_eq!(wrong(&format!("ann:{good}\nann:{good}")), "line 2: the user ann is there already");
        assert!(wrong(&format!(":{good}")).starts_with("line 1: a name has "));
        let greedy = good.replace("m=8", "m=4194304");
        assert!(
            wrong(&format!("ann:{greedy}")).contains("4194304 KiB"),
            "{}",
            wrong(&format!("ann:{greedy}"))
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Passwords::read(Path::new("no/such/users")).expect_err("missing").to_string();
        assert!(error.starts_with("password file no/such/users: "), "{error}");
    }

    #[test]
    fn no_secret_is_shown() {
        let hash = cheap("secret");
        let passwords = Passwords::parse(&format!("ann:{hash}")).expect("well formed");
        assert_eq!(format!("{passwords:?}"), "Passwords(1 users)");
    }
}
