//! The options of `gor-replay` that say how requests are sent.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::cli::values;
use crate::replay::{QUEUE, SessionMode};

/// How requests are sent.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sending")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct SendingOptions {
    /// Most connections to each target [default: 1024, with --no-wait 64]
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    pub connections: Option<NonZeroUsize>,
    /// Open N connections to each target before they are needed, and keep them open
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, hide_short_help = true)]
    pub min_connections: usize,
    /// Close connections that were not used for DURATION
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1m",
        value_parser = values::duration,
        hide_short_help = true
    )]
    pub idle_timeout: Duration,
    /// Give up the oldest of more than N requests that wait for a connection
    #[arg(long, value_name = "N", default_value_t = QUEUE, hide_short_help = true)]
    pub queue: usize,
    /// Give up requests this long after they are due
    ///
    /// It is the longest time from when a request is due to the end of its response.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::duration)]
    pub timeout: Duration,
    /// Be awake 200us before each request is due, on a core of its own for each target
    #[arg(long, hide_short_help = true)]
    pub precise: bool,
    /// With --sessions, send a request as long after the response before it as it was recorded
    ///
    /// Without --think, requests follow the recorded times, and one waits if the response before it is late. With it,
    /// the pause between a response and the next request is the recorded one, at the speed asked for: users that wait for
    /// answers. A session is at most 2s ahead of its recording.
    #[arg(long, requires = "sessions", hide_short_help = true)]
    pub think: bool,
    /// With --sessions, send the cookies that a target has set in place of the recorded ones
    ///
    /// Each recorded connection has its own. Their Domain is not looked at.
    #[arg(long, requires = "sessions", hide_short_help = true)]
    pub cookies: bool,
    /// Follow up to N redirections, as far as they stay with the target
    ///
    /// The method becomes GET where clients make it so (303, and POST with 301 and 302). Other headers stay. What points to
    /// another server is not followed, and counted: nothing is sent to servers that are no targets. The time until the last
    /// response counts as one latency.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, hide_short_help = true)]
    pub redirects: u32,
    /// Keep the recorded Host header
    #[arg(long, hide_short_help = true)]
    pub original_host: bool,
    /// Send requests that are marked as incomplete or doubtful too, if their bytes are one whole request
    #[arg(long, hide_short_help = true)]
    pub send_incomplete: bool,
    /// Keep SIZE of each response for the output; what is longer is cut and marked
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "5MB",
        value_parser = values::size,
        requires = "output",
        hide_short_help = true
    )]
    pub response_buffer: u64,
}

impl SendingOptions {
    /// What becomes of the recorded connections.
    pub fn session_mode(&self, keeps_sessions: bool) -> SessionMode {
        match (keeps_sessions, self.think) {
            (false, _) => SessionMode::Off,
            (true, false) => SessionMode::Schedule,
            (true, true) => SessionMode::Think,
        }
    }
}
