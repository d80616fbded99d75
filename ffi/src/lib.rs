//! Raw bindings to the installed DPDK and the C shim for its static inlines.
