//! Sending recorded requests when they are due, and telling how it went.
