#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bivalve_core::fuzzing::path_mapping(data));
