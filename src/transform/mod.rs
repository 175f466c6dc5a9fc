//! What decides on a record: filters and sampling.
