//! Ports for ordinary network namespaces: TAP devices.
