//! `gor-replay` as a reader of a group of Kafka: what cannot be replayed so.

use super::Args;
use crate::endpoint::Place;
use crate::replay::TargetProtocol;
use crate::{Error, Result};

/// Whether the input is a topic that is read in a group. Refuses what cannot be done then.
pub(super) fn check(args: &Args, places: &[Place]) -> Result<bool> {
    let is_group = |place: &&Place| matches!(place, Place::Kafka(address) if address.group.is_some());
    let Some(place) = places.iter().find(is_group) else { return Ok(false) };
    let has_streams = args.targets.iter().any(|target| target.protocol() == TargetProtocol::Tcp);
    let refused = [
        (places.len() > 1, "a topic read in a group must be the only input"),
        (args.rounds.is_some(), "--loop reads its input again, and a group reads each record once"),
        (
            args.middleware.middleware.is_some(),
            "what --middleware keeps, changes or adds does not tell which record was replayed",
        ),
        (
            !args.writing.output.is_empty(),
            "after a crash, -o could lack responses to requests that are committed",
        ),
        (
            args.elasticsearch.is_some(),
            "after a crash, --elasticsearch could lack requests that are committed",
        ),
        (has_streams, "a tcp:// target needs each connection from its beginning"),
    ];
    match refused.iter().find(|(is_given, _)| *is_given) {
        Some((_, why)) => Err(Error::Usage(format!("{place}: {why}; leave group out"))),
        None => Ok(true),
    }
}
