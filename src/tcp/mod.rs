//! One TCP direction put back in order, and the table of connections.
