//! What redbot, a critic of others, says of how a file is answered: validators, ranges, negotiation, caching.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::Command;

use bivalve_core::Pipeline;
use bivalve_static_files::{Coding, StaticFiles};
use support::{DRIVERS, start};

#[test]
#[ignore = "needs a Python with redbot: cargo xtask test conformance"]
fn redbot_praises_how_a_file_is_answered_and_finds_no_fault() {
    let python = std::env::var_os("BIVALVE_PYTHON").expect("cargo xtask test conformance sets it");
    let redbot = Path::new(&python).with_file_name("redbot");
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("page.html");
    std::fs::write(&page, "<!doctype html><title>a</title>\n".repeat(300)).expect("a directory of the test");
    let zipped = Command::new("gzip").arg("--keep").arg(&page).status().expect("gzip is there");
    assert!(zipped.success());
    let files = StaticFiles::builder(directory.path())
        .cache_control("max-age=60")
        .precompressed(Coding::ALL)
        .build()
        .expect("the folder is there");
    let pipeline = Pipeline::builder().mount(files).build().expect("it builds");
    for driver in DRIVERS {
        let server = start(driver, &pipeline);
        let url = format!("http://{}/page.html", server.addresses()[0]);
        let output = Command::new(&redbot).args(["-o", "har", &url]).output().expect("it was installed");
        let said = String::from_utf8_lossy(&output.stdout);
        // Each note has an id, a level and a summary, in this order.
        let notes: Vec<&str> = said.split("\"note_id\": \"").skip(1).collect();
        for praise in ["INM_304", "IMS_304", "RANGE_CORRECT", "CONNEG_GZIP_GOOD", "CL_CORRECT"] {
            let note = notes.iter().find(|note| note.starts_with(&format!("{praise}\"")));
            assert!(note.is_some_and(|note| level(note) == "GOOD"), "{driver}: {praise}: {said}");
        }
        let faults: Vec<_> = notes.iter().filter(|note| !["GOOD", "INFO"].contains(&level(note))).collect();
        assert!(faults.is_empty(), "{driver}: {faults:#?}");
    }
}

fn level(note: &str) -> &str {
    note.split_once("\"level\": \"").and_then(|(_, level)| level.split('"').next()).unwrap_or_default()
}
