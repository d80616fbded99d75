//! What the operator wants: configuration, transactions, the socket server, the host stack.
