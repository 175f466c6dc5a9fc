//! The command line of `gor-replay` in the library's words.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use super::{Args, watching};
use crate::endpoint::{self, Place, ReadOptions};
use crate::replay::{DocumentIndex, Settings, Split, Supply, WhenSlow};
use crate::tls::TlsOptions;
use crate::{Error, Result};

/// Where documents go.
fn index(url: &str) -> Result<DocumentIndex> {
    url.parse().map_err(|why| Error::Usage(format!("--elasticsearch: {why}")))
}

/// The command line in the library's words.
pub(super) fn settings(args: &Args, places: &[Place], reading: &ReadOptions) -> Result<Settings> {
    let pace = args.time.pace();
    let (selection, start_at) = args.time.resolve()?;
    let sending = &args.sending;
    Ok(Settings {
        pace,
        rounds: args.rounds.map_or(1, NonZeroU64::get),
        round_field: args.loop_header.clone(),
        read_depth: args.read_depth,
        selection,
        start_at,
        threads: sending.threads,
        connections: sending.connections.map(NonZeroUsize::get),
        min_connections: sending.min_connections,
        idle_timeout: sending.idle_timeout,
        queue: sending.queue,
        is_precise: sending.precise,
        redirects: sending.redirects,
        sends_marked: sending.send_incomplete,
        keeps_cookies: sending.cookies,
        response_buffer: usize::try_from(sending.response_buffer).unwrap_or(usize::MAX),
        sessions: sending.session_mode(args.writing.sessions),
        split: match (args.writing.split, args.writing.sessions) {
            (false, _) => Split::Copy,
            (true, false) => Split::Requests,
            (true, true) => Split::Sessions,
        },
        timeout: sending.timeout,
        keeps_host: sending.original_host,
        is_for_origin: false,
        comes_when_due: false,
        tls: TlsOptions { server_name: args.sni.clone(), ..args.writing.tls.options() },
        echo: args.echo,
        when_slow: args.slow_output.map_or(
            // Without a schedule there is nothing to be late for.
            if pace.is_no_wait() { WhenSlow::Wait } else { WhenSlow::Drop },
            WhenSlow::from,
        ),
        supply: Supply {
            meter: Arc::clone(&reading.meter),
            is_there: !args.reading.follow && endpoint::total_size(places, reading).is_some(),
        },
        is_watched: watching::is_asked(args),
        measures: args.measuring.measures(),
        documents: args.elasticsearch.as_deref().map(index).transpose()?,
        checkpoint: None,
        commits: false,
        middleware: args.middleware.settings(args.reading.max_record),
    })
}
