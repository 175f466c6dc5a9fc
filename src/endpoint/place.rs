//! What a place's name on the command line means.

use std::fmt;
use std::fs;
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

/// Ends of names of files that stand beside recordings: indexes, and what is
/// still being written or copied.
const BESIDE: [&str; 5] = [".idx", ".tmp", ".part", ".swp", "~"];

/// A place, and whether it was only found in a directory that was named.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) is_below: bool,
}

/// The places that `names` mean, in their order; none at all means standard
/// input.
///
/// Shell patterns (`*`, `?`, `[…]`) become the files that match, sorted. A
/// name that exists as it stands is that file, whatever it looks like. A
/// pattern that matches nothing is an error.
///
/// A directory becomes the files below it at any depth, in the order of their
/// paths. As `grep -r` does, links in it are not followed, so that nothing is
/// read twice; hidden files and directories, indexes and temporary files
/// (`.idx`, `.tmp`, `.part`, `.swp`, `~`) are left out. One without any file
/// is an error.
pub fn expand(names: &[String]) -> Result<Vec<Place>> {
    Ok(find(names)?.into_iter().map(|found| found.place).collect())
}

/// The same, with how each place was found.
pub(super) fn find(names: &[String]) -> Result<Vec<Found>> {
    if names.is_empty() {
        return Ok(vec![Found { place: Place::Standard, is_below: false }]);
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        refuse_services(name)?;
        if name == "-" {
            places.push(Found { place: Place::Standard, is_below: false });
        } else if name.contains(['*', '?', '[']) && !Path::new(name).exists() {
            expand_pattern(name, &mut places)?;
        } else {
            add(name.into(), &mut places)?;
        }
    }
    if places.iter().filter(|found| found.place == Place::Standard).count() > 1 {
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

fn expand_pattern(pattern: &str, places: &mut Vec<Found>) -> Result<()> {
    let invalid =
        |error: glob::PatternError| Error::Usage(format!("{pattern}: not a file pattern: {}", error.msg));
    let before = places.len();
    for path in glob::glob(pattern).map_err(invalid)? {
        let path = path.map_err(|error| {
            let place = error.path().display().to_string();
            Error::from(std::io::Error::from(error)).at(place)
        })?;
        // `x.gor*` means the recordings, not the index beside each.
        if !is_beside(&path) || is_beside(Path::new(pattern)) {
            add(path, places)?;
        }
    }
    if places.len() == before {
        return Err(Error::Invalid("no file matches this pattern".into()).at(pattern));
    }
    Ok(())
}

/// Adds a file, or what is below a directory.
fn add(path: PathBuf, places: &mut Vec<Found>) -> Result<()> {
    if !path.is_dir() {
        places.push(Found { place: Place::File(path), is_below: false });
        return Ok(());
    }
    let before = places.len();
    add_below(&path, places);
    if places.len() == before {
        return Err(Error::Invalid("no file in this directory".into()).at(path.display().to_string()));
    }
    Ok(())
}

/// Adds the files below a directory. One that cannot be listed is added
/// itself, so that it is told in its turn and hides no other.
fn add_below(directory: &Path, places: &mut Vec<Found>) {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(mut entries) = entries else {
        places.push(Found { place: Place::File(directory.to_owned()), is_below: true });
        return;
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => add_below(&path, places),
            Ok(kind) if kind.is_file() && !is_beside(&path) => {
                places.push(Found { place: Place::File(path), is_below: true });
            }
            _ => {}
        }
    }
}

fn is_beside(path: &Path) -> bool {
    BESIDE.iter().any(|end| path.as_os_str().as_encoded_bytes().ends_with(end.as_bytes()))
}
