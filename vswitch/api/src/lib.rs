//! The words of the control socket: requests, replies, schema version.
