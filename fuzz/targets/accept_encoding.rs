#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bivalve_static_files::fuzzing::fuzz_accept_encoding(data));
