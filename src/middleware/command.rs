//! The command line of a middleware, split as a shell would, but run without one.

use std::str::FromStr;

use crate::BadRule;

/// A program and its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    text: String,
    words: Vec<String>,
}

impl Command {
    /// Splits at each blank, without a meaning for quotes and backslashes, as GoReplay does.
    pub fn split_at_blanks(text: &str) -> Self {
        Command { text: text.to_owned(), words: text.split(' ').map(ToOwned::to_owned).collect() }
    }

    /// What is run, as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn process(&self) -> std::process::Command {
        let mut process = std::process::Command::new(&self.words[0]);
        process.args(&self.words[1..]);
        process
    }
}

impl FromStr for Command {
    type Err = BadRule;

    /// Splits at white space, but for what quotes and backslashes hold
    /// together. Variables, globs, pipes are for `sh -c '…'`.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let words = shlex::split(text)
            .ok_or_else(|| BadRule::new(text, text.len(), "a quote is open, or a backslash ends the text"))?;
        if words.is_empty() {
            return Err(BadRule::new(
                text,
                text.len(),
                "expected a program, with its arguments if it has any, as './middleware.py --fast'",
            ));
        }
        Ok(Command { text: text.to_owned(), words })
    }
}
