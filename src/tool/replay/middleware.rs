//! The options of `gor-replay` for a program that requests and responses go through.

use std::time::Duration;

use crate::cli::values;
use crate::middleware::{Command, MiddlewareOptions};
use crate::replay::MiddlewareSettings;

/// A program that requests and responses go through.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sending")]
pub struct MiddlewareArgs {
    /// Send requests and responses through COMMAND
    ///
    /// COMMAND is started once. The protocol is GoReplay's: COMMAND reads each record as a line of hex from its standard input: requests (kind 1),
    /// recorded responses (2), and responses of the targets (3). It writes the requests to send, and the responses to keep
    /// with -o, to its standard output. It gets a request when it is due, so that it can put into it what it has learned
    /// from a response to an earlier one; with --no-wait when a connection is free; with --think when the response to the
    /// request before it on its connection (of several targets, the last response) and the recorded pause are over. The time that it takes counts as
    /// lateness. It must flush each line. Requests of its own, with new ids, are sent at once. Quotes and backslashes
    /// work as in a shell, but no shell is run. It is an error if COMMAND fails, writes something that is not a record, or
    /// does not return a request within the --timeout, or a response with -o; see --middleware-may-drop.
    #[arg(
        long,
        value_name = "COMMAND",
        value_hint = clap::ValueHint::CommandString
    )]
    pub middleware: Option<Command>,
    /// Allow the program to drop records
    ///
    /// For programs that filter, as many of GoReplay's do by not returning a record. Without this option such a request
    /// is reported as not sent, such a response as lost, and the exit status is 1.
    #[arg(long, requires = "middleware", hide_short_help = true)]
    pub middleware_may_drop: bool,
    /// Kill the program if it neither reads nor writes for DURATION
    ///
    /// So it is if it writes more than 64 MiB meanwhile without reading, and at once after as much without a record.
    /// This is an error, and ends the replay. It counts only while there is input for it, or after its input ended, which
    /// is 0.5s after everything was sent and answered. A program that does not exit at the end of its input, as GoReplay's
    /// client for Node, is terminated without an error: 0.5s after its last output if every record was returned, after
    /// DURATION otherwise.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = values::duration,
        requires = "middleware",
        hide_short_help = true
    )]
    pub middleware_timeout: Duration,
}

impl MiddlewareArgs {
    /// The same in the library's words. `max_record` bounds what the program may write.
    pub fn settings(&self, max_record: u64) -> Option<MiddlewareSettings> {
        let command = self.middleware.clone()?;
        let options = MiddlewareOptions {
            patience: self.middleware_timeout,
            max_record,
            may_drop: self.middleware_may_drop,
        };
        Some(MiddlewareSettings { command, options })
    }
}
