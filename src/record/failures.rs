//! Inputs that fail do not hide the others: they are told, counted, and make the end an error.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// What becomes of inputs that cannot be read, or not whole.
#[derive(Clone)]
pub struct Failures {
    total: usize,
    /// Whether others may come, so that no failure is the end.
    may_grow: bool,
    failed: usize,
    is_strict: bool,
    tell: Arc<dyn Fn(&Error) + Send + Sync>,
}

impl Failures {
    /// For so many inputs. Those that fail are told with `tell`; with
    /// `is_strict` one that fails because of a record ends all.
    pub fn new(total: usize, is_strict: bool, tell: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        Failures { total, may_grow: false, failed: 0, is_strict, tell: Arc::new(tell) }
    }

    /// For a part of these inputs. It ends with [`Failures::add`].
    #[must_use]
    pub fn part(&self) -> Failures {
        Failures { failed: 0, ..self.clone() }
    }

    /// Counts what failed in a part.
    pub fn add(&mut self, part: &Failures) {
        self.failed += part.failed;
    }

    /// Other inputs may come: no failure is the end.
    pub fn may_grow(&mut self) {
        self.may_grow = true;
    }

    /// So many more inputs have come.
    pub fn add_inputs(&mut self, number: usize) {
        self.total += number;
    }

    /// Takes note of an input that failed. An error that comes back is the
    /// end: that of the only input there is, or of a record, if strict.
    pub fn take(&mut self, error: Error) -> Result<()> {
        if self.total == 1 && !self.may_grow || (self.is_strict && error.is_about_a_record()) {
            self.failed = 0;
            return Err(error);
        }
        self.failed += 1;
        (self.tell)(&error);
        Ok(())
    }

    /// What all came to, once everything else was read. Told once.
    pub fn end(&mut self) -> Result<()> {
        match std::mem::take(&mut self.failed) {
            0 => Ok(()),
            failed => {
                let text = format!("{failed} of {} inputs could not be read whole", self.total);
                Err(Error::Invalid(text))
            }
        }
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} inputs", self.failed, self.total)
    }
}
