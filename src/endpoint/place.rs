//! What a place's name on the command line means.

use std::cmp::Ordering;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;

use super::index::Index;
use super::kafka::KafkaAddress;
use super::network::NetworkAddress;
use super::reading::ReadOptions;
use super::s3::{self, Object};
use crate::{Error, Result};

/// Something that can be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Standard input.
    Standard,
    /// A file, or whatever else has a path.
    File(PathBuf),
    /// An object of S3.
    Object(Arc<Object>),
    /// Where senders connect to.
    Network(NetworkAddress),
    /// A topic of Kafka.
    Kafka(Box<KafkaAddress>),
}

impl Place {
    /// Whether all of it is there before it is read: a file or an object, and nothing that is waited for.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Place::Standard => rustix::fs::fstat(std::io::stdin())
                .is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_file()),
            Place::File(path) => path.metadata().is_ok_and(|found| found.is_file()),
            Place::Object(_) => true,
            Place::Network(_) | Place::Kafka(_) => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Standard => f.write_str("standard input"),
            Place::File(path) => path.display().fmt(f),
            Place::Object(object) => object.fmt(f),
            Place::Network(address) => address.fmt(f),
            Place::Kafka(address) => address.fmt(f),
        }
    }
}

/// Ends of names of files that stand beside recordings: indexes, and what is
/// still being written or copied.
const BESIDE: [&str; 5] = [".idx", ".tmp", ".part", ".swp", "~"];

/// Schemes of places that are no network addresses.
const SCHEMES: [&str; 2] = ["s3", "kafka"];

/// A place, and whether it was only found in a directory that was named.
#[derive(Clone)]
pub(super) struct ExpandedPlace {
    pub(super) place: Place,
    pub(super) is_below: bool,
}

/// The places that `names` mean, in their order; none at all means standard
/// input.
///
/// A topic of Kafka is named `kafka://…`. Shell patterns (`*`, `?`, `[…]`) become the files that match, in order. A
/// name that exists as it stands is that file, whatever it looks like. A
/// pattern that matches nothing is an error.
///
/// The files of a pattern or a directory come in the order of their earliest
/// records where each has an index beside it, and of their paths otherwise.
/// Numbers in paths are compared by value: `x_2` comes before `x_10`.
///
/// A directory becomes the files below it at any depth. As `grep -r` does, links in it are not followed, so that nothing is
/// read twice; hidden files and directories, indexes and temporary files
/// (`.idx`, `.tmp`, `.part`, `.swp`, `~`) are left out. One without any file
/// is an error.
///
/// A name of S3 (`s3://bucket/key`) is an object; one that ends in `/` is all below it, and one with signs of a pattern
/// all that match, in the order of the bytes of their keys. Fields of time (`%Y %m %d %H`) stand for the hours of
/// [`ReadOptions::hours`]. Whatever stands for nothing is an error here, too.
pub fn expand(names: &[String], how: &ReadOptions) -> Result<Vec<Place>> {
    Ok(find(names, how)?.into_iter().map(|found| found.place).collect())
}

/// The same, with how each place was found.
pub(super) fn find(names: &[String], how: &ReadOptions) -> Result<Vec<ExpandedPlace>> {
    if names.is_empty() {
        return Ok(vec![ExpandedPlace { place: Place::Standard, is_below: false }]);
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        if name.starts_with(s3::SCHEME) {
            let objects = how.services.s3.expand(name, how.hours)?;
            places.extend(
                objects
                    .into_iter()
                    .map(|(object, is_below)| ExpandedPlace { place: Place::Object(object), is_below }),
            );
            continue;
        }
        if !Path::new(name).exists() {
            refuse_scheme(name)?;
        }
        if let Some(address) = KafkaAddress::input(name) {
            places.push(ExpandedPlace { place: Place::Kafka(Box::new(address?)), is_below: false });
        } else if name == "-" {
            places.push(ExpandedPlace { place: Place::Standard, is_below: false });
        } else if NetworkAddress::is_meant(name) {
            let address = name.parse().map_err(Error::Usage)?;
            places.push(ExpandedPlace { place: Place::Network(address), is_below: false });
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

/// Refuses a name with a scheme that no place has, as `udp://host:1`: nobody means a file by it.
pub(super) fn refuse_scheme(name: &str) -> Result<()> {
    let Some((scheme, _)) = name.split_once("://") else { return Ok(()) };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || NetworkAddress::is_meant(name) || SCHEMES.contains(&scheme) {
        return Ok(());
    }
    // What follows may hold a password.
    Err(Error::Usage(format!(
        "there are no {scheme}:// places; expected a file, s3://, kafka://, tcp://, tls://, ws:// or wss://"
    )))
}

fn expand_pattern(pattern: &str, places: &mut Vec<ExpandedPlace>) -> Result<()> {
    let invalid =
        |error: glob::PatternError| Error::Usage(format!("{pattern}: not a file pattern: {}", error.msg));
    let mut paths = Vec::new();
    for path in glob::glob(pattern).map_err(invalid)? {
        let path = path.map_err(|error| {
            let place = error.path().display().to_string();
            Error::from(std::io::Error::from(error)).at(place)
        })?;
        // `x.gor*` means the recordings, not the index beside each.
        if !is_beside(&path) || is_beside(Path::new(pattern)) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::Invalid("no file matches this pattern".into()).at(pattern));
    }
    paths.sort_by(|one, other| by_path(one, other));
    let before = places.len();
    paths.into_iter().try_for_each(|path| add(path, places))?;
    sort_by_time(&mut places[before..]);
    Ok(())
}

/// Adds a file, or what is below a directory.
fn add(path: PathBuf, places: &mut Vec<ExpandedPlace>) -> Result<()> {
    if !path.is_dir() {
        places.push(ExpandedPlace { place: Place::File(path), is_below: false });
        return Ok(());
    }
    let before = places.len();
    add_below(&path, places);
    if places.len() == before {
        return Err(Error::Invalid("no file in this directory".into()).at(path.display().to_string()));
    }
    sort_by_time(&mut places[before..]);
    Ok(())
}

/// Adds the files below a directory. One that cannot be listed is added
/// itself, so that it is told in its turn and hides no other.
fn add_below(directory: &Path, places: &mut Vec<ExpandedPlace>) {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(mut entries) = entries else {
        places.push(ExpandedPlace { place: Place::File(directory.to_owned()), is_below: true });
        return;
    };
    entries.sort_by(|one, other| {
        by_number(one.file_name().as_encoded_bytes(), other.file_name().as_encoded_bytes())
    });
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => add_below(&path, places),
            Ok(kind) if kind.is_file() && !is_beside(&path) => {
                places.push(ExpandedPlace { place: Place::File(path), is_below: true });
            }
            _ => {}
        }
    }
}

/// Puts a set of files in the order of their earliest records, where all of
/// them have an index that says when that was. Others stay as they are.
fn sort_by_time(places: &mut [ExpandedPlace]) {
    if places.len() < 2 {
        return;
    }
    let earliest = |found: &ExpandedPlace| match &found.place {
        Place::File(path) => Index::load(path)?.earliest(),
        Place::Standard | Place::Object(_) | Place::Network(_) | Place::Kafka(_) => None,
    };
    let Some(times) = places.iter().map(earliest).collect::<Option<Vec<_>>>() else { return };
    let mut sorted: Vec<_> = times.into_iter().zip(places.iter().cloned()).collect();
    sorted.sort_by_key(|(time, _)| *time);
    for (place, (_, found)) in places.iter_mut().zip(sorted) {
        *place = found;
    }
}

/// The order of paths: that of their parts, one after the other.
fn by_path(one: &Path, other: &Path) -> Ordering {
    let parts = |path: &'_ Path| -> Vec<Vec<u8>> {
        path.iter().map(|part| part.as_encoded_bytes().to_vec()).collect()
    };
    let (one, other) = (parts(one), parts(other));
    let differing = one.iter().zip(&other).map(|(one, other)| by_number(one, other)).find(|o| o.is_ne());
    differing.unwrap_or(one.len().cmp(&other.len()))
}

/// The order of names: byte by byte, but numbers by their value.
fn by_number(one: &[u8], other: &[u8]) -> Ordering {
    let (mut left, mut right) = (one, other);
    while let (Some(&a), Some(&b)) = (left.first(), right.first()) {
        let order = if a.is_ascii_digit() && b.is_ascii_digit() {
            let (a, b) = (cut_number(&mut left), cut_number(&mut right));
            a.len().cmp(&b.len()).then(a.cmp(b))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            a.cmp(&b)
        };
        if order.is_ne() {
            return order;
        }
    }
    // `x_01` and `x_1` are different names of one number.
    left.len().cmp(&right.len()).then(one.cmp(other))
}

/// Cuts off the number that a text begins with: its digits without leading zeros.
fn cut_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().take_while(|&&digit| digit == b'0').count();
    &number[zeros..]
}

pub(super) fn is_beside(path: &Path) -> bool {
    BESIDE.iter().any(|end| path.as_os_str().as_encoded_bytes().ends_with(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_ordered_as_people_order_them() {
        let ordered = [
            "a/x_9.gor",
            "a_1/x.gor",
            "x.gor",
            "x_0.gor",
            "x_01.gor",
            "x_1.gor",
            "x_2.gor",
            "x_2_1.gor",
            "x_10.gor",
            "x_18446744073709551616.gor",
            "x_99999999999999999999999.gor",
            "x_a.gor",
        ];
        let mut sorted: Vec<_> = ordered.iter().rev().map(Path::new).collect();
        sorted.sort_by(|one, other| by_path(one, other));
        assert_eq!(sorted, ordered.map(Path::new));
    }

    proptest! {
        #[test]
        fn the_order_of_names_is_one(mut names in prop::collection::vec("[a0-2_]{0,6}", 3)) {
            let order = |one: &String, other: &String| by_number(one.as_bytes(), other.as_bytes());
            names.sort_by(order);
            for (at, one) in names.iter().enumerate() {
                for (other_at, other) in names.iter().enumerate() {
                    let expected = if one == other { Ordering::Equal } else { at.cmp(&other_at) };
                    prop_assert_eq!(order(one, other), expected);
                }
            }
        }
    }
}
