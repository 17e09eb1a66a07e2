//! What `fuzz/` feeds with octets: a function for each part of the core that reads what strangers send. It panics where
//! something is not as it always has to be; the tests replay what is kept in `fuzz/seeds`.
//!
//! Built for tests and for fuzzing only; no part of the API.

use std::path::{Component, Path};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::VirtualDirectory;
use crate::map_path::resolve;

/// A URL path of an application with two virtual directories: mapped below one of three roots, by plain names only, and to
/// the same place when what was decoded is written again.
///
/// # Panics
///
/// When it is not.
pub fn path_mapping(data: &[u8]) {
    let Ok(url) = std::str::from_utf8(data) else { return };
    let directories = [("/app/images", "/pictures"), ("/app/images/old", "/archive")];
    let directories = directories.map(|(url, root)| VirtualDirectory::new(url, root).expect("it is sound"));
    let mapped = resolve(url, "/app", Path::new("/www"), &directories);
    let Ok((decoded, physical)) = mapped else { return };
    let mut components = physical.components();
    assert_eq!(components.next(), Some(Component::RootDir), "{physical:?}");
    let root = components.next().map(|root| root.as_os_str().to_owned());
    assert!(
        root.is_some_and(|root| root == "www" || root == "pictures" || root == "archive"),
        "{physical:?}"
    );
    for component in components {
        let Component::Normal(name) = component else { unreachable!("{physical:?} has more than names") };
        let name = name.to_str().expect("it was text");
        let odd = |char: char| char.is_control() || "\\/:*?<>|\"".contains(char);
        assert!(!name.is_empty() && !name.ends_with(['.', ' ']) && !name.contains(odd), "{physical:?}");
    }
    // As in IIS, the case of a configured path is nobody's.
    assert!(decoded.to_ascii_lowercase().starts_with("/app") && !decoded.contains("//"), "{decoded:?}");
    let segments =
        decoded.split('/').map(|name| percent_encode(name.as_bytes(), NON_ALPHANUMERIC).to_string());
    let again = resolve(&segments.collect::<Vec<_>>().join("/"), "/app", Path::new("/www"), &directories);
    // It may have become too long.
    if let Ok(again) = again {
        assert_eq!(again, (decoded, physical));
    } else {
        assert!(3 * decoded.len() > crate::limits::MAX_URL, "{decoded:?}: {again:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_urls_stay_below_a_root() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/path_mapping");
        let seeds = std::fs::read_dir(seeds).expect("the seeds are part of the repository");
        let mut count = 0;
        for seed in seeds {
            path_mapping(&std::fs::read(seed.expect("a file").path()).expect("a file"));
            count += 1;
        }
        assert!(count >= 5, "{count} seeds");
    }
}
