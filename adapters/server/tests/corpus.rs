//! The corpus: each case, on every driver, however its octets are cut.

mod support;

use std::time::Duration;

use bivalve_http_corpus::{all, ask};
use support::says::pipeline;
use support::{DRIVERS, start};

#[test]
fn every_case_is_answered_as_expected_however_it_is_cut() {
    let cases = all();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        for case in &cases {
            // One octet at a time is slow where there are many, and shows no more than a few at a time.
            let few = if case.octets.len() < 500 { 1 } else { 997 };
            for pieces in [case.octets.len(), few, 7] {
                match ask(server.addresses()[0], case, pieces, PATIENCE) {
                    Ok(heard) if heard.fits(case) => {}
                    Ok(heard) => wrong.push(format!(
                        "{driver} {} in {pieces}: {:?} {:?}, expected {:?} {:?}: {:?}",
                        case.id, heard.answers, heard.then, case.answers, case.then, heard.text
                    )),
                    Err(error) => wrong.push(format!("{driver} {} in {pieces}: {error}", case.id)),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn ids_are_unique() {
    let mut ids: Vec<_> = all().into_iter().map(|case| case.id).collect();
    ids.sort_unstable();
    let before = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), before);
}

/// For an answer; some cases are thousands of small pieces, which take their time under Wine.
const PATIENCE: Duration = Duration::from_secs(if cfg!(windows) { 60 } else { 10 });
