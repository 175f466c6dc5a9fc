//! Laws and cases of redaction.
