//! Benchmarks, load and the side-by-side with other switches.
fn main() {}
