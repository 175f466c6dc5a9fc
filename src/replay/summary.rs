//! The closing summary, for people.

use std::fmt;

use super::cookies::MAX_COOKIE;
use super::documents::DocumentTally;
use super::failure::{CountWithFirst, ReasonCounts};
use super::hold::Hold;
use super::middleware::MiddlewareTally;
use super::other_servers::MAX_OTHER_SERVERS;
use super::outcome::Outcome;
use super::tally::ReplayTally;
use super::target::Target;
use crate::observe::{self, Durations, Size, Span};

/// Status codes shown one by one; the rest are added up.
const MOST_STATUSES: usize = 12;

/// Shows an outcome over several lines.
#[derive(Debug)]
pub struct ReplaySummary<'a>(pub &'a Outcome);

impl fmt::Display for ReplaySummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplaySummary(outcome) = self;
        write!(
            f,
            "read        {}, {}",
            observe::Count(outcome.requests, "request"),
            observe::Count(outcome.responses, "response")
        )?;
        if outcome.rounds > 1 {
            write!(f, ", in {} rounds", outcome.rounds)?;
        }
        if outcome.not_selected.number > 0 {
            write!(f, "; {} not selected", outcome.not_selected.number)?;
        }
        writeln!(f, "{}", if outcome.is_interrupted { "; interrupted" } else { "" })?;
        if let Some(middleware) = &outcome.middleware {
            write_middleware(f, middleware)?;
        }
        for (target, tally) in &outcome.targets {
            write_target(f, target, tally, outcome)?;
        }
        if outcome.echoes_dropped > 0 {
            writeln!(
                f,
                "output      {} records of the input dropped, as it was too slow",
                outcome.echoes_dropped
            )?;
        }
        if let Some(documents) = &outcome.documents {
            write_documents(f, documents)?;
        }
        if outcome.unwritten > 0 {
            writeln!(f, "output      not finished; {} records were not written", outcome.unwritten)?;
        }
        Ok(())
    }
}

fn write_target(
    f: &mut fmt::Formatter<'_>,
    target: &Target,
    tally: &ReplayTally,
    outcome: &Outcome,
) -> fmt::Result {
    let is_closed_loop = outcome.is_closed_loop;
    writeln!(f, "target      {target}")?;
    write!(f, "sent        {}", tally.sent)?;
    if tally.sent_again > 0 {
        write!(f, " ({} again, as their connection had been closed)", tally.sent_again)?;
    }
    writeln!(f)?;
    write_counts(f, "not sent", &tally.not_sent)?;
    writeln!(f, "answered    {}", tally.answered)?;
    write_counts(f, "failed", &tally.failed)?;
    write_statuses(f, &tally.statuses)?;
    let (sent, received) = (Size(tally.bytes_sent), Size(tally.bytes_received));
    writeln!(
        f,
        "bytes       {sent} sent, {received} received, over {}",
        observe::Count(tally.connections, "connection")
    )?;
    write_redirects(f, tally)?;
    write_cookies(f, tally)?;
    for line in tally.unasked() {
        writeln!(f, "unasked     {line}")?;
    }
    write_duration(f, tally)?;
    write_limits(f, tally, is_closed_loop)?;
    if tally.answers_dropped > 0 {
        let dropped = tally.answers_dropped;
        let (name, what) = match outcome.middleware {
            Some(_) => ("middleware", "not shown to it"),
            None => ("output", "dropped"),
        };
        writeln!(f, "{name:<12}{dropped} responses {what}, as it was too slow (--slow-output)")?;
    }
    if tally.answers_cut > 0 {
        writeln!(f, "output      {} responses were too long and are marked as cut", tally.answers_cut)?;
    }
    if tally.sent == 0 {
        return Ok(());
    }
    writeln!(f, "{:<20}{:>9} {:>9} {:>9} {:>9} {:>9}", "", "p50", "p90", "p99", "p99.9", "max")?;
    if is_closed_loop {
        write_durations(f, "latency", &tally.latency_from_send)?;
        if outcome.comes_when_due {
            return Ok(());
        }
        writeln!(
            f,
            "Without waiting, the next request is sent when a response comes: latency is from the sending,"
        )?;
        return writeln!(f, "and a slow target hides what its users would have waited.");
    }
    write_durations(f, "latency from due", &tally.latency_from_due)?;
    write_durations(f, "latency from send", &tally.latency_from_send)?;
    write_durations(f, "lateness", &tally.lateness)
}

/// Servers that redirects led to, as many as a line shows.
const SERVERS_SHOWN: usize = 5;

/// Where redirects led, and which were not followed.
fn write_redirects(f: &mut fmt::Formatter<'_>, tally: &ReplayTally) -> fmt::Result {
    if tally.redirected > 0 {
        writeln!(f, "redirected  {}{}", observe::Count(tally.redirected, "time"), other_servers(tally))?;
    }
    let not_followed = [
        (&tally.redirected_elsewhere, "not to an http or https URL".to_owned()),
        (&tally.redirected_beyond, format!("to more than {MAX_OTHER_SERVERS} other servers")),
    ];
    for (CountWithFirst { number, first }, where_to) in not_followed {
        if *number > 0 {
            let redirects = observe::Count(*number, "redirect");
            writeln!(f, "redirected  {redirects} not followed, {where_to}; the first: {first}")?;
        }
    }
    Ok(())
}

/// Cookies that were not kept.
fn write_cookies(f: &mut fmt::Formatter<'_>, tally: &ReplayTally) -> fmt::Result {
    let CountWithFirst { number, first } = &tally.cookies_too_long;
    if *number > 0 {
        writeln!(
            f,
            "cookies     {number} not kept, of more than {MAX_COOKIE} bytes; the first in the response to {first}"
        )?;
    }
    if tally.cookies_dropped > 0 {
        let dropped = tally.cookies_dropped;
        writeln!(f, "cookies     {dropped} dropped to bound memory, those set or used longest ago")?;
    }
    Ok(())
}

/// The servers besides the target that redirects led to, the most frequent ones by name.
fn other_servers(tally: &ReplayTally) -> String {
    let total: u64 = tally.redirected_to.values().sum();
    if total == 0 {
        return String::new();
    }
    let mut servers: Vec<_> = tally.redirected_to.iter().collect();
    servers.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let shown = servers.iter().take(SERVERS_SHOWN).map(|(server, number)| format!("{server} ({number})"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = servers.len().saturating_sub(SERVERS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(", {total} to other servers: {shown}{more}")
}

/// What became of the documents.
fn write_documents(f: &mut fmt::Formatter<'_>, tally: &DocumentTally) -> fmt::Result {
    writeln!(f, "documents   {} written of {}", tally.written, tally.documents)?;
    if tally.refused > 0 {
        writeln!(f, "documents   {} refused; the first: {}", tally.refused, tally.first_refusal)?;
    }
    if tally.dropped > 0 {
        writeln!(f, "documents   {} dropped, as the server was too slow", tally.dropped)?;
    }
    if tally.unsent > 0 {
        write!(f, "documents   {} not taken by the server before the timeout", tally.unsent)?;
        match tally.last_failure.as_str() {
            "" => writeln!(f)?,
            failure => writeln!(f, "; the last failure: {failure}")?,
        }
    }
    Ok(())
}

/// What went through the middleware, and what is missing.
fn write_middleware(f: &mut fmt::Formatter<'_>, tally: &MiddlewareTally) -> fmt::Result {
    let MiddlewareTally { requests, returned, late, own, own_unsent, replayed, recorded, .. } = tally;
    write!(f, "middleware  {requests} requests for it, {returned} sent back")?;
    if *late > 0 {
        write!(f, ", {late} too late")?;
    }
    if *own > 0 {
        write!(f, ", {own} of its own")?;
    }
    writeln!(f, "; {replayed} responses, {recorded} recorded ones")?;
    if !tally.delay.is_empty() {
        let at = |percent| Span(tally.delay.percentile(percent));
        let longest = Span(tally.delay.max());
        writeln!(f, "middleware  requests took {} (p50), {} (p99), at most {longest}", at(50.0), at(99.0))?;
    }
    let losses = [
        (*own_unsent, "requests of its own came too late to be sent"),
        (tally.recorded_dropped, "recorded responses not shown to it, as it was too slow"),
        (tally.answers_kept(), "responses not sent back, and missing in the output"),
        (tally.answers_dropped, "responses dropped, as the output was too slow (--slow-output)"),
    ];
    for (number, loss) in losses.into_iter().filter(|(number, _)| *number > 0) {
        writeln!(f, "middleware  {number} {loss}")?;
    }
    if tally.is_left {
        writeln!(f, "middleware  not waited for; what it was given and sent back is not known")?;
    }
    Ok(())
}

/// Nothing where nothing ended: no time was measured then.
fn write_duration(f: &mut fmt::Formatter<'_>, tally: &ReplayTally) -> fmt::Result {
    let seconds = tally.duration() as f64 / 1e9;
    if seconds == 0.0 {
        return Ok(());
    }
    write!(f, "duration    {}", Span(tally.duration()))?;
    if tally.answered > 0 {
        write!(f, ", {:.1} responses/s", tally.answered as f64 / seconds)?;
    }
    writeln!(f)
}

/// The limits that were reached, and what that did.
fn write_limits(f: &mut fmt::Formatter<'_>, tally: &ReplayTally, is_closed_loop: bool) -> fmt::Result {
    for hold in Hold::ALL {
        let held = tally.held_by(hold);
        // Without waiting, all connections are kept busy: that is meant.
        if !held.is_reached || is_closed_loop && hold == Hold::Connections {
            continue;
        }
        match hold {
            Hold::Connections => match tally.connections_allowed {
                all if tally.threads > 1 => {
                    write!(f, "limit       all {} connections of a thread were busy", all / tally.threads)
                }
                1 => write!(f, "limit       the only connection was busy"),
                all => write!(f, "limit       all {all} connections were busy"),
            },
            Hold::Descriptors => match tally.descriptors {
                Some(limit) => {
                    write!(f, "limit       {limit} descriptors (ulimit -n) allow no more connections")
                }
                None => write!(f, "limit       the system has no descriptors for more connections"),
            },
            Hold::Output => write!(f, "limit       the output was too slow"),
        }?;
        match held.requests {
            0 => writeln!(f)?,
            requests => {
                writeln!(
                    f,
                    "; {} waited, up to {}",
                    observe::Count(requests, "request"),
                    Span(held.longest)
                )?;
            }
        }
    }
    Ok(())
}

/// A total and, below it, what it consists of. Nothing where the total is 0.
pub(super) fn write_counts(f: &mut fmt::Formatter<'_>, name: &str, counts: &ReasonCounts) -> fmt::Result {
    if counts.total() == 0 {
        return Ok(());
    }
    writeln!(f, "{name:<12}{}", counts.total())?;
    for (reason, count) in counts.iter() {
        writeln!(f, "  {:<10}{reason}", count.number)?;
        if !count.first.is_empty() {
            writeln!(f, "  {:<10}  first: {}", "", count.first)?;
        }
    }
    Ok(())
}

fn write_statuses(f: &mut fmt::Formatter<'_>, statuses: &[u64]) -> fmt::Result {
    let mut seen: Vec<(usize, u64)> =
        statuses.iter().copied().enumerate().filter(|(_, number)| *number > 0).collect();
    if seen.is_empty() {
        return Ok(());
    }
    seen.sort_by_key(|(status, number)| (std::cmp::Reverse(*number), *status));
    let rest: u64 = seen.iter().skip(MOST_STATUSES).map(|(_, number)| number).sum();
    seen.truncate(MOST_STATUSES);
    seen.sort_unstable();
    let mut shown: Vec<String> = seen.iter().map(|(status, number)| format!("{status}: {number}")).collect();
    if rest > 0 {
        shown.push(format!("others: {rest}"));
    }
    writeln!(f, "statuses    {}", shown.join(", "))
}

fn write_durations(f: &mut fmt::Formatter<'_>, name: &str, durations: &Durations) -> fmt::Result {
    if durations.is_empty() {
        return Ok(());
    }
    write!(f, "{name:<20}")?;
    for percent in [50.0, 90.0, 99.0, 99.9] {
        write!(f, "{:>9} ", Span(durations.percentile(percent)))?;
    }
    writeln!(f, "{:>9}", Span(durations.max()))
}
