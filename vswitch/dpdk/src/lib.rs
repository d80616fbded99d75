//! DPDK made safe: the EAL, mbuf pools and Ethernet devices.
