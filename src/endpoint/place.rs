//! What a place's name on the command line means.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Something that can be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Standard input.
    Standard,
    /// A file, or whatever else has a path.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Standard => f.write_str("standard input"),
            Place::File(path) => path.display().fmt(f),
        }
    }
}

/// Beginnings that name a service instead of a file.
const SERVICES: [&str; 6] = ["s3://", "kafka://", "tcp://", "tls://", "ws://", "wss://"];

/// The places that `names` mean, in their order; none at all means standard
/// input.
///
/// Shell patterns (`*`, `?`, `[…]`) become the files that match, sorted. A
/// name that exists as it stands is that file, whatever it looks like. A
/// pattern that matches nothing is an error.
pub fn expand(names: &[String]) -> Result<Vec<Place>> {
    if names.is_empty() {
        return Ok(vec![Place::Standard]);
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        refuse_services(name)?;
        if name == "-" {
            places.push(Place::Standard);
        } else if name.contains(['*', '?', '[']) && !Path::new(name).exists() {
            expand_pattern(name, &mut places)?;
        } else {
            places.push(Place::File(name.into()));
        }
    }
    if places.iter().filter(|place| **place == Place::Standard).count() > 1 {
        return Err(Error::Usage("standard input can be read only once, but is named twice".into()));
    }
    Ok(places)
}

/// Services are not files, and must not be looked for as such.
pub(super) fn refuse_services(name: &str) -> Result<()> {
    match SERVICES.iter().find(|scheme| name.starts_with(**scheme)) {
        Some(scheme) => {
            Err(Error::Usage(format!("{name}: places that begin with {scheme} are not supported")))
        }
        None => Ok(()),
    }
}

fn expand_pattern(pattern: &str, places: &mut Vec<Place>) -> Result<()> {
    let invalid =
        |error: glob::PatternError| Error::Usage(format!("{pattern}: not a file pattern: {}", error.msg));
    let before = places.len();
    for path in glob::glob(pattern).map_err(invalid)? {
        let path = path.map_err(|error| {
            let place = error.path().display().to_string();
            Error::from(std::io::Error::from(error)).at(place)
        })?;
        places.push(Place::File(path));
    }
    if places.len() == before {
        return Err(Error::Invalid("no file matches this pattern".into()).at(pattern));
    }
    Ok(())
}
