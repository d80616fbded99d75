//! How threads talk: rings, mail, single-writer counters, shared-memory regions.
