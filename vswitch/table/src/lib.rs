//! Keyed state of fixed size in a shared-memory region.
