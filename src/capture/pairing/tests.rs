//! Laws of pairing.
