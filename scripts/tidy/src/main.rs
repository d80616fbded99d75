//! The house rules as a test.
fn main() {}
