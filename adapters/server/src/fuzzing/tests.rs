//! The seeds, those of faults that were found among them, and the cases of the corpus, in every run of the tests.

use std::panic::catch_unwind;
use std::path::Path;

/// Feeds a target with what bears its name: what was kept, and what the corpus makes.
fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let kept = std::fs::read_dir(&directory).expect("the seeds are part of the repository").map(|seed| {
        let path = seed.expect("a file").path();
        (path.display().to_string(), std::fs::read(&path).expect("a file"))
    });
    let cases = bivalve_http_corpus::seeds().into_iter().filter(|seed| seed.target == target);
    let cases = cases.map(|seed| (seed.id.into_owned(), seed.octets));
    let mut count = 0;
    let mut wrong = Vec::new();
    for (name, octets) in kept.chain(cases) {
        count += 1;
        if catch_unwind(|| run(&octets)).is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{target}: {wrong:?}");
    assert!(count >= 5, "{count} seeds of {target}");
}

#[test]
fn seeds_of_connections_are_served_however_they_are_cut() {
    replay("connection", super::connection);
}

#[test]
fn seeds_of_chunked_bodies_are_read_however_they_are_cut() {
    replay("chunked", super::chunked);
}

#[test]
fn seeds_of_heads_say_the_same_when_written_again() {
    replay("head", super::head);
}

#[test]
fn seeds_of_targets_are_read_in_one_way() {
    replay("target", super::target);
}

#[test]
fn seeds_of_lengths_are_read_in_one_way() {
    replay("lengths", super::lengths);
}

#[test]
fn seeds_of_proxy_headers_are_read_however_they_are_cut() {
    replay("proxy_protocol", super::proxy_protocol);
}

#[test]
fn seeds_of_http2_heads_get_no_further_than_those_of_http1() {
    replay("http2_rules", super::http2_rules);
}
