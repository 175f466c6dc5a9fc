//! Several places read one after the other, as one source of records.

use super::bytes::total_size;
use super::follow::Followed;
use super::input::OpenInput;
use super::place::{Place, find};
use super::prefetch::Prefetcher;
use super::reading::ReadOptions;
use crate::record::{Block, Checkpoint, Failures, Intake, Source};
use crate::{Error, Result};

/// Opens places for reading, one after the other as one source.
///
/// No name means standard input; see [`expand`](super::expand) for the others. Compression
/// and format are told by the first bytes. A few files are opened, and
/// decompressed, ahead of their turn on other threads; their number has no
/// bound.
///
/// A place that cannot be read, or whose data is cut or damaged, does not hide
/// the others: with a single place its error is the result, with several it
/// goes to [`ReadOptions::tell`], and after the last place comes an error that
/// counts them. Files that are missing are told here, before anything is read.
/// A file that was only found in a directory may hold no record; it is told.
///
/// Files that are followed have no turns: see [`ReadOptions::is_followed`]. Nor have any where one of the places is one
/// that senders connect to, which does not end.
pub fn open(names: &[String], how: &ReadOptions) -> Result<Box<dyn Source + Send>> {
    let places = find(names, how)?;
    let is_live = places.iter().any(|found| matches!(found.place, Place::Network(_)));
    if how.log_format.is_some()
        && places.iter().all(|found| matches!(found.place, Place::Network(_) | Place::Kafka(_)))
    {
        return Err(Error::Usage(
            "--log-format applies to files and standard input, and none is given".into(),
        ));
    }
    places.iter().try_for_each(|found| refuse_untold(&found.place, is_live, how))?;
    if how.is_followed || is_live {
        return Ok(Box::new(Followed::start(places, how)?));
    }
    let total = places.len();
    let mut failures = how.failures(total);
    let mut readable = Vec::with_capacity(total);
    for found in places {
        match look(&found.place, how) {
            Ok(()) => readable.push(found),
            Err(error) => failures.take(error)?,
        }
    }
    how.meter.set_total(total_size(readable.iter().map(|found| &found.place), how));
    let rest = Prefetcher::new(readable, how);
    Ok(Box::new(PlaceQueue {
        rest,
        current: None,
        is_alone: total == 1,
        before: Intake::default(),
        checkpoint: None,
        failures,
        how: how.clone(),
        defers_searches: false,
    }))
}

/// Refuses a topic of Kafka that cannot be read so.
fn refuse_untold(place: &Place, is_live: bool, how: &ReadOptions) -> Result<()> {
    let Place::Kafka(address) = place else { return Ok(()) };
    if how.is_followed {
        let text = format!("{address}: --follow applies to files; a topic is read on without it");
        return Err(Error::Usage(text));
    }
    if is_live {
        let text = format!("{address}: a topic cannot be read together with places that senders connect to");
        return Err(Error::Usage(text));
    }
    if address.group.is_some() && !how.tells_handled {
        let text = "what is read here is not known to be handled, so that no offset of a group could be committed; \
                    leave group out";
        return Err(Error::Usage(format!("{address}: {text}")));
    }
    Ok(())
}

/// Whether a place is there, and is no directory.
fn look(place: &Place, how: &ReadOptions) -> Result<()> {
    let path = match place {
        Place::Standard | Place::Network(_) | Place::Kafka(_) => return Ok(()),
        Place::File(path) => path,
        Place::Object(object) => {
            return how.services.s3.size(object).map(|_| ()).map_err(|error| error.at(place.to_string()));
        }
    };
    match std::fs::metadata(path) {
        // Only one that cannot be listed is left of those that were named.
        Ok(found) if found.is_dir() => std::fs::read_dir(path).map(|_| ()),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| Error::from(error).at(place.to_string()))
}

/// The places, those that wait and the one that is read.
struct PlaceQueue {
    rest: Prefetcher,
    current: Option<OpenInput>,
    /// Whether there is no other place.
    is_alone: bool,
    /// What was read from the places before the current one.
    before: Intake,
    /// Of the place that was read last.
    checkpoint: Option<Box<dyn Checkpoint>>,
    failures: Failures,
    how: ReadOptions,
    /// Whether whoever works on the blocks searches them.
    defers_searches: bool,
}

impl PlaceQueue {
    fn close(&mut self) {
        if let Some(mut input) = self.current.take() {
            self.checkpoint = input.checkpoint();
            self.before = self.before.join(&input.intake());
        }
    }

    /// After an error that ends everything nothing more is read.
    fn fail(&mut self, error: Error) -> Result<()> {
        self.failures.take(error).inspect_err(|_| {
            self.rest.stop();
        })
    }
}

impl Source for PlaceQueue {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            if self.how.is_over() && self.current.is_none() && self.rest.stop() {
                self.how.cut();
            }
            if let Some(input) = &mut self.current {
                match input.read_block(block, &self.how) {
                    Ok(true) => return Ok(true),
                    // It may still get a share of what others have read, and is read again then.
                    Ok(false) if self.is_alone && input.awaits_handling() => {
                        block.clear();
                        return Ok(false);
                    }
                    Ok(false) => self.close(),
                    Err(error) => {
                        self.close();
                        self.fail(error)?;
                    }
                }
            } else if let Some((found, opened)) = self.rest.next() {
                match opened.and_then(|opened| OpenInput::new(&found, opened, &self.how)) {
                    Ok(mut input) => {
                        if self.defers_searches {
                            input.defer_searches();
                        }
                        self.current = Some(input);
                    }
                    Err(error) => self.fail(error)?,
                }
            } else {
                block.clear();
                return self.failures.end().map(|()| false);
            }
        }
    }

    fn intake(&self) -> Intake {
        let now = self.current.as_ref().map(OpenInput::intake).unwrap_or_default();
        self.before.join(&now)
    }

    fn checkpoint(&mut self) -> Option<Box<dyn Checkpoint>> {
        let last = self.checkpoint.take();
        last.or_else(|| self.current.as_mut()?.checkpoint())
    }

    fn keep_alive(&mut self) {
        if let Some(input) = &mut self.current {
            input.keep_alive();
        }
    }

    fn defer_searches(&mut self) {
        self.defers_searches = true;
    }

    fn awaits_handling(&self) -> bool {
        self.current.as_ref().is_some_and(OpenInput::awaits_handling)
    }
}
