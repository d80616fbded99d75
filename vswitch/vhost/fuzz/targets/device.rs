//! A whole device.
#![no_main]

#[allow(dead_code, reason = "one of several lives")]
#[path = "../../tests/hostile/lives/mod.rs"]
mod lives;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    lives::device::live(octets);
});
