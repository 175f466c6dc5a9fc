//! What the options of `gor-replay` cannot mean together.

use super::Args;
use crate::endpoint::Place;
use crate::pace::Share;
use crate::replay::{Target, TargetProtocol};
use crate::{Error, Result};

/// What cannot be meant.
pub(super) fn check(args: &Args, places: &[Place]) -> Result<()> {
    let wrong = |why: &str| Err(Error::Usage(why.into()));
    let loops = args.rounds.is_some_and(|rounds| rounds.get() > 1);
    if loops && places.iter().any(|place| matches!(place, Place::Standard | Place::Network(_))) {
        return wrong("--loop needs an input that can be read again; name files with -i");
    }
    if loops && args.reading.follow {
        return wrong("--loop reads its input to the end, and with --follow it has none");
    }
    if args.dry_run && args.reading.exit_after.is_some() {
        return wrong("--exit-after ends a replay; a dry run ends with its input");
    }
    if args.writing.split && args.targets.len() < 2 && args.writing.output.len() < 2 {
        return wrong("--split shares between several targets or outputs; give two or more");
    }
    let sending = &args.sending;
    if let Some(most) = sending.connections
        && sending.min_connections > most.get()
    {
        let fewer =
            format!("--min-connections {} is more than --connections {most}", sending.min_connections);
        return Err(Error::Usage(fewer));
    }
    let has_tls = args.targets.iter().any(|target| target.protocol() == TargetProtocol::Https)
        || args.elasticsearch.as_deref().is_some_and(|url| url.starts_with("https:"))
        || args
            .writing
            .output
            .iter()
            .any(|output| output.starts_with("tls://") || output.starts_with("wss://"));
    let option = args.writing.tls.first_given().or(args.sni.as_ref().map(|_| "--sni"));
    // A redirect may lead to https; those two apply there.
    let is_for_redirects =
        |option: &&str| sending.redirects > 0 && ["--ca-cert", "--skip-verify"].contains(option);
    if let Some(option) = option.filter(|option| !has_tls && !is_for_redirects(option)) {
        return Err(Error::Usage(format!("{option} applies to https targets, and none is given")));
    }
    if !args.writing.ws_header.is_empty() && args.writing.output.is_empty() {
        return wrong("--ws-header applies to ws:// and wss:// outputs; name one with -o");
    }
    let is_limited = |target: &Target| matches!(target.share(), Share::PerSecond(_));
    if args.time.no_wait && args.targets.iter().any(is_limited) {
        return wrong(
            "with --no-wait nothing is due at a time, so TARGET|N leaves nothing out; use --rate instead",
        );
    }
    Ok(())
}
