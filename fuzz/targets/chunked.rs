#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bivalve_server::fuzzing::chunked(data));
