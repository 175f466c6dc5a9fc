//! Places that records come from and go to: standard streams, files, captures.
