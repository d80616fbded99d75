//! Raw bindings to the installed DPDK and the C shim for its static inlines.
//!
//! Nothing here has logic: `build.rs` runs bindgen over `src/dpdk.h` (a short allowlist) and compiles `src/shim.c`, and
//! `src/plugins.c`, which keeps the EAL from loading every driver there is. The `dpdk` room is the only user. Field offsets of `rte_mbuf` come from C as `MILLRACE_AT_*`, so they stay right where a
//! later DPDK wraps fields in anonymous unions.
//!
//! Some mbuf invariants that DPDK's headers state and the callers rely on: an mbuf in a pool has `refcnt == 1`,
//! `nb_segs == 1` and `next == NULL`; `millrace_free_plain` may only be given such mbufs.

#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    unnecessary_transmutes,
    reason = "generated from C headers"
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
