//! Inputs that fail do not hide the others: they are told, counted, and make the end an error.

use crate::{Error, Result};

/// What becomes of inputs that cannot be read, or not whole.
#[derive(Debug)]
pub struct Failures {
    total: usize,
    failed: usize,
    is_strict: bool,
    tell: fn(&Error),
}

impl Failures {
    /// For so many inputs. Those that fail are told with `tell`; with
    /// `is_strict` one that fails because of a record ends all.
    pub fn new(total: usize, is_strict: bool, tell: fn(&Error)) -> Self {
        Failures { total, failed: 0, is_strict, tell }
    }

    /// For a part of these inputs. It ends with [`Failures::add`].
    pub(super) fn part(&self) -> Failures {
        Failures { failed: 0, ..*self }
    }

    /// Counts what failed in a part.
    pub(super) fn add(&mut self, part: &Failures) {
        self.failed += part.failed;
    }

    /// Takes note of an input that failed. An error that comes back is the
    /// end: that of the only input there is, or of a record, if strict.
    pub(super) fn take(&mut self, error: Error) -> Result<()> {
        if self.total == 1 || (self.is_strict && breaks_rule(&error)) {
            return Err(error);
        }
        self.failed += 1;
        (self.tell)(&error);
        Ok(())
    }

    /// What all came to, once everything else was read.
    pub(super) fn end(&mut self) -> Result<()> {
        match std::mem::take(&mut self.failed) {
            0 => Ok(()),
            failed => {
                let text = format!("{failed} of {} inputs could not be read whole", self.total);
                Err(Error::Invalid(text))
            }
        }
    }
}

/// Whether a record is to blame, not its file.
fn breaks_rule(error: &Error) -> bool {
    match error {
        Error::Malformed { .. } | Error::RecordTooLarge { .. } => true,
        Error::At { error, .. } => breaks_rule(error),
        _ => false,
    }
}
