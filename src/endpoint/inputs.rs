//! Several places read one after the other, as one source of records.

use super::bytes::total_size;
use super::follow::Followed;
use super::input::OpenInput;
use super::place::{Place, find};
use super::prefetch::Prefetcher;
use super::reading::ReadOptions;
use crate::record::{Block, Failures, Intake, Source};
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
    if how.is_followed || places.iter().any(|found| matches!(found.place, Place::Network(_))) {
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
    Ok(Box::new(Inputs { rest, current: None, before: Intake::default(), failures, how: how.clone() }))
}

/// Whether a place is there, and is no directory.
fn look(place: &Place, how: &ReadOptions) -> Result<()> {
    let path = match place {
        Place::Standard | Place::Network(_) => return Ok(()),
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
struct Inputs {
    rest: Prefetcher,
    current: Option<OpenInput>,
    /// What was read from the places before the current one.
    before: Intake,
    failures: Failures,
    how: ReadOptions,
}

impl Inputs {
    fn close(&mut self) {
        if let Some(input) = self.current.take() {
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

impl Source for Inputs {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        loop {
            if self.how.is_over() && self.current.is_none() && self.rest.stop() {
                self.how.cut();
            }
            if let Some(input) = &mut self.current {
                match input.read_block(block, &self.how) {
                    Ok(true) => return Ok(true),
                    Ok(false) => self.close(),
                    Err(error) => {
                        self.close();
                        self.fail(error)?;
                    }
                }
            } else if let Some((found, bytes)) = self.rest.next() {
                match bytes.and_then(|(bytes, start)| OpenInput::new(&found, bytes, start, &self.how)) {
                    Ok(input) => self.current = Some(input),
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
}
