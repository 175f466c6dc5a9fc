//! A line about how far a run has come, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Meter;
use super::advance::describe;

/// How often the line is drawn anew, a second.
const DRAWS: u8 = 5;

/// A line at the bottom of the terminal. Where standard error is none, nothing is ever drawn.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A line that has nothing to say yet; one that never has if `is_quiet`.
    pub fn new(is_quiet: bool) -> Self {
        if is_quiet {
            return Progress(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWS));
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// Shows this text from now on.
    pub fn say(&self, text: String) {
        self.0.set_message(text);
        self.0.tick();
    }

    /// Shows how far reading has come.
    pub fn say_advance(&self, meter: &Meter) {
        self.say(describe(meter, self.elapsed()));
    }

    /// Takes the line out of the way while something is printed.
    pub fn aside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// How long this has been going on.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
