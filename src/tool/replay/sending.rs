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
    /// Send to each target from N threads, which share its connections
    ///
    /// One thread sends more than 100,000 requests a second; N is at most 256.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::threads, hide_short_help = true)]
    pub threads: NonZeroUsize,
    /// Most connections to each target [default: 1024, with --no-wait 64]
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    pub connections: Option<NonZeroUsize>,
    /// Open N connections to each target in advance, and keep them open
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::number::<usize>, hide_default_value = true, hide_short_help = true)]
    pub min_connections: usize,
    /// Close connections after DURATION without use
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1m",
        value_parser = values::duration,
        hide_short_help = true
    )]
    pub idle_timeout: Duration,
    /// Give up the oldest request when more than N wait for a connection
    #[arg(long, value_name = "N", default_value_t = QUEUE, value_parser = values::number::<usize>, hide_short_help = true)]
    pub queue: usize,
    /// Give up requests this long after they are due
    ///
    /// It is the longest time from when a request is due to the end of its response.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::positive_duration)]
    pub timeout: Duration,
    /// Wake up 200us early and spin until each request is due; keeps one core per target busy
    #[arg(long, hide_short_help = true)]
    pub precise: bool,
    /// With --sessions, send a request as long after the response before it as it was recorded
    ///
    /// Without --think, requests follow the recorded times, and one waits if the response before it is late. With it,
    /// the pause between a response and the next request is the recorded one, at the speed asked for: users that wait for
    /// answers. A session is at most 2s ahead of its recording.
    #[arg(
        long,
        requires = "sessions",
        conflicts_with_all = ["no_wait", "rate", "rate_ramp"],
        hide_short_help = true
    )]
    pub think: bool,
    /// With --sessions, send cookies set by the target in place of recorded ones
    ///
    /// Each recorded connection has its own cookies. Domain attributes are ignored. Cookies of more than 4096 bytes are not kept,
    /// as in browsers, nor more than 180 or 64 KiB for a connection. Beyond 65,536 connections or 16 MiB in a thread, those used
    /// longest ago may lose theirs. The summary counts both.
    #[arg(long, requires = "sessions", hide_short_help = true)]
    pub cookies: bool,
    /// Follow up to N redirects, also to servers that are not targets
    ///
    /// The method becomes GET as in browsers (303, and POST with 301 or 302). Headers stay on the same host; another host gets
    /// its own Host and no Authorization, Cookie or Proxy-Authorization, nor does the same host without TLS after TLS. --ca-cert
    /// and --skip-verify apply to other servers too, --sni and --client-cert do not. Names are looked up while the replay goes
    /// on. Each thread follows to at most 64 other servers; redirects beyond are counted, and the exit status is 1. The summary
    /// lists the servers. Latency is measured to the end of the last response.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::number::<u32>, hide_default_value = true, hide_short_help = true)]
    pub redirects: u32,
    /// Keep the recorded Host header
    #[arg(long, hide_short_help = true)]
    pub original_host: bool,
    /// Also send requests marked incomplete or doubtful, if their bytes are one whole request
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
