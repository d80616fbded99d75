//! A network in one thread: switches, hosts, faults, a virtual clock and one seed.
