//! A process without file descriptors. Alone in its file: other tests would have none either.

#![cfg(unix)]

mod support;

use std::fs::File;
use std::time::Duration;

use support::{Site, get};

#[test]
fn without_descriptors_it_is_503_and_afterwards_it_is_there() {
    let site = Site::new();
    site.write("a.txt", "a");
    site.write("dir/b.txt", "b");
    let host = site.host(|files| files.directory_listing(true).valid_for(Duration::from_secs(3600)));
    assert_eq!(get(&host, "/dir/", &[]).status(), 200);
    let all: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!all.is_empty());
    let (file, listing) = (get(&host, "/a.txt", &[]), get(&host, "/dir/", &[]));
    drop(all);
    assert_eq!(file.status(), 503, "a file that may be there");
    assert_eq!(listing.status(), 503, "a directory that is known to be there");
    assert_eq!(get(&host, "/a.txt", &[]).text(), "a");
    assert_eq!(get(&host, "/dir/", &[]).status(), 200);
}
