//! Build script of the daemon: stamps versions.
fn main() {}
