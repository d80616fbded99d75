//! Build script: binds the installed DPDK.
fn main() {}
