//! From `main` to the exit status, with one line for what went wrong.

use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;

use super::{Profiles, Reporting};
use crate::Error;

/// How a tool ends. The numbers are a contract with scripts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exit {
    /// Everything was done; a closed output pipe is that too.
    Done = 0,
    /// Something failed or was lost.
    Lost = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A threshold that the user gave was not met.
    Threshold = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

static NAME: OnceLock<String> = OnceLock::new();

/// Runs a tool and tells how it ended: an error becomes one line on standard
/// error with the tool's name in front.
pub fn run(name: &str, how: &Reporting, tool: impl FnOnce() -> anyhow::Result<Exit>) -> ExitCode {
    run_serving_later(name, how, |profiles| {
        profiles.serve()?;
        tool()
    })
}

/// The same for a tool that may start no thread at its beginning, and serves its profiles itself.
pub fn run_serving_later(
    name: &str,
    how: &Reporting,
    tool: impl FnOnce(&Profiles) -> anyhow::Result<Exit>,
) -> ExitCode {
    NAME.get_or_init(|| name.to_owned());
    let started = super::signals::survive_file_size_limit().map_err(anyhow::Error::from);
    let profiles = started.and_then(|()| Profiles::start(&how.profiles, how.quiet));
    let exit = profiles.map_or_else(failed, |profiles| {
        let done = tool(&profiles);
        let written = profiles.finish(&done);
        let exit = done.unwrap_or_else(failed);
        written.map_or_else(|error| exit.max(failed(error)), |()| exit)
    });
    exit.into()
}

/// Says what went wrong, and how the tool is to end.
#[allow(clippy::needless_pass_by_value, reason = "it is what a result is mapped with")]
fn failed(error: anyhow::Error) -> Exit {
    let exit = exit_for(&error);
    if exit != Exit::Done {
        note(format_args!("{error:#}"));
    }
    exit
}

/// Prints a report to a person, on standard error. Where that is closed or full
/// there is nobody left to tell.
pub fn report(text: impl std::fmt::Display) {
    super::progress::aside(|| {
        let _ = write!(std::io::stderr(), "{text}");
    });
}

/// Says one line to a person, on standard error, with the tool's name in front.
pub fn note(line: impl std::fmt::Display) {
    let name = NAME.get().map_or("gor-tools", String::as_str);
    // Where even this cannot be said, the exit status must do.
    super::progress::aside(|| {
        let _ = writeln!(std::io::stderr(), "{name}: {line}");
    });
}

pub(super) fn exit_for(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<Error>() {
            if error.is_broken_pipe() {
                return Exit::Done;
            }
            if error.is_usage() {
                return Exit::Usage;
            }
        }
        if let Some(error) = cause.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            return Exit::Done;
        }
    }
    Exit::Lost
}
