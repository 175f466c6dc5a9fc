//! An array of JSON that is written value by value.

use std::io;

use serde::Serialize;

/// What comes between the brackets: each value on a line of its own.
#[derive(Debug, Default)]
pub(super) struct JsonArray {
    has_values: bool,
}

impl JsonArray {
    /// Writes the next value.
    pub(super) fn push(&mut self, value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
        let is_first = !std::mem::replace(&mut self.has_values, true);
        out.extend_from_slice(if is_first { b"\n" } else { b",\n" });
        Ok(serde_json::to_writer(out, value)?)
    }
}
