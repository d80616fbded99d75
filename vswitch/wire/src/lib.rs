//! What bytes mean: headers, addresses, checksums, flow keys.
