//! How files come to be written: created, overwritten by force, or added to.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::Plan;
use super::coding::{Coding, GZIP_PIECE, SMALL_PIECE, ZSTD_PIECE};
use super::file::{Opened, Output, Pieces};
use super::naming;
use super::sink::FileSink;
use crate::endpoint::bytes::open_bytes;
use crate::endpoint::format::Compression;
use crate::endpoint::index::{Builder, Index, sidecar};
use crate::endpoint::place::{Place, expand};
use crate::endpoint::reading::ReadOptions;
use crate::record::SEPARATOR;
use crate::{Error, Result};

/// How to treat a file that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Existing {
    /// As the user said: refuse it, overwrite it, or add to it.
    AsTold,
    /// It was written by this run: go on with it.
    GoOn,
    /// Never touch it.
    Refuse,
}

/// Opens a file for writing, by its path.
pub(super) fn file(plan: &Plan, path: &str, existing: Existing) -> Result<FileSink> {
    let (format, compression) = naming::of_name(path);
    let failed = |error: io::Error| Error::from(error).at(path);
    let (file, is_new) = open(plan, path, existing)?;
    let found = file.metadata().map_err(failed)?;
    let mut opened = Opened {
        is_regular: found.is_file(),
        path: found.is_file().then(|| path.into()),
        place: path.to_owned(),
        at: found.len(),
        pieces: pieces(plan, compression),
        index: None,
        is_new,
        file,
    };
    let mut end = &[][..];
    if opened.is_regular {
        // A file that was just created is no input, whatever a pattern finds now.
        if !is_new {
            refuse_input(&opened.file, path, plan)?;
        }
        if existing == Existing::AsTold && !plan.appends && !is_new {
            opened.file.set_len(0).map_err(failed)?;
            opened.at = 0;
        }
        if plan.has_index && format == naming::Format::Gor {
            opened.index = Some(index(path, opened.at)?);
        }
        if opened.at > 0 && existing == Existing::AsTold && opened.index.is_none() {
            end = missing_end(path).map_err(|error| error.at(path))?;
        }
    } else {
        opened.at = 0;
    }
    let mut output = Output::new(opened);
    output.write(end)?;
    sink(plan, output, format, path)
}

/// Standard output, or where the shell has led it.
pub(super) fn standard(plan: &Plan) -> Result<FileSink> {
    let place = "standard output";
    let failed = |error: io::Error| Error::from(error).at(place);
    let mut file = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
    refuse_input(&file, place, plan)?;
    let is_regular = file.metadata().map_err(failed)?.is_file();
    let at = if is_regular { file.stream_position().map_err(failed)? } else { 0 };
    let (place, path) = (place.to_owned(), None);
    let opened = Opened { file, place, path, is_regular, is_new: false, at, pieces: None, index: None };
    sink(plan, Output::new(opened), naming::Format::Gor, "standard output")
}

fn sink(plan: &Plan, output: Output, format: naming::Format, place: &str) -> Result<FileSink> {
    let is_regular = output.is_regular();
    let output = Arc::new(Mutex::new(output));
    if is_regular {
        plan.ticker.watch(&output).map_err(|error| Error::from(error).at(place))?;
    }
    let waits = is_regular && !plan.ticker.is_immediate();
    Ok(FileSink::new(output, format, plan.tell, waits.then(|| Arc::clone(&plan.ticker))))
}

fn pieces(plan: &Plan, compression: Compression) -> Option<Pieces> {
    let (default, size) = match compression {
        Compression::None => return None,
        Compression::Gzip => (6, GZIP_PIECE),
        Compression::Zstd => (3, ZSTD_PIECE),
    };
    let coding = Coding { compression, level: plan.compress_level.unwrap_or(default) };
    let size = if plan.has_many { SMALL_PIECE } else { size };
    Some(Pieces { coding, pool: Arc::clone(&plan.pool), size })
}

/// The file, and whether it was created.
fn open(plan: &Plan, path: &str, existing: Existing) -> Result<(File, bool)> {
    let failed = |error: io::Error| Error::from(error).at(path);
    let mut created = File::create_new(path);
    if plan.has_many
        && let (Err(error), Some(folder)) = (&created, Path::new(path).parent())
        && error.kind() == ErrorKind::NotFound
    {
        std::fs::create_dir_all(folder).map_err(failed)?;
        created = File::create_new(path);
    }
    match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => return result.map(|file| (file, true)).map_err(failed),
    }
    let is_file = std::fs::metadata(path).map_err(failed)?.is_file();
    let may_touch = match existing {
        Existing::AsTold => plan.is_forced || plan.appends,
        Existing::GoOn => true,
        Existing::Refuse => false,
    };
    if is_file && !may_touch {
        return Err(Error::Usage(format!(
            "{path}: the file exists; --force overwrites it, --append adds to it"
        )));
    }
    let goes_on = existing == Existing::GoOn || plan.appends;
    let mut options = OpenOptions::new();
    let options = if is_file && goes_on { options.append(true) } else { options.write(true) };
    options.open(path).map(|file| (file, false)).map_err(failed)
}

/// The beginning of a file's index, or the index to go on with.
fn index(path: &str, length: u64) -> Result<Builder> {
    let sidecar = sidecar(Path::new(path));
    if length > 0 {
        let known = Index::load(Path::new(path)).map(Builder::resume);
        return known.ok_or_else(|| {
            let reason = "no index matches the file, so that none can go on with it; leave out --index";
            Error::Usage(format!("{path}: {reason}"))
        });
    }
    let is_other = File::open(&sidecar).is_ok_and(|mut file| {
        let mut first = [0; 10];
        file.read_exact(&mut first).map_or(true, |()| &first != b"gor-index ")
    });
    if is_other {
        let sidecar = sidecar.display();
        return Err(Error::Usage(format!("{sidecar}: the index would be written here, but this is none")));
    }
    Ok(Builder::new())
}

/// What is to be written so that a file's last record ends before the next
/// begins: nothing where it is whole.
///
/// A compressed file is read to its end for this: behind damaged data nothing
/// could be read back.
fn missing_end(path: &str) -> Result<&'static [u8]> {
    let mut end = Vec::new();
    let mut keep = |bytes: &[u8]| {
        end.extend_from_slice(bytes);
        end.drain(..end.len().saturating_sub(SEPARATOR.len()));
    };
    let (_, compression) = naming::of_name(path);
    if compression == Compression::None {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SEPARATOR.len() as u64)))?;
        let mut last = Vec::new();
        file.read_to_end(&mut last)?;
        keep(&last);
    } else {
        let mut bytes = open_bytes(&Place::File(path.into()), &ReadOptions::default())?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => keep(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let error = Error::from(error);
                    return Err(Error::Invalid(format!(
                        "{error}; what is appended could not be read back: write to another file"
                    )));
                }
            }
        }
    }
    if end.is_empty() {
        return Ok(&[]);
    }
    // A lone line feed is the payload's own.
    let there = (2..=SEPARATOR.len()).rev().find(|&length| end.ends_with(&SEPARATOR[..length])).unwrap_or(0);
    Ok(&SEPARATOR[there..])
}

/// Refuses an output that is one of the inputs: it would be read as it grows.
fn refuse_input(output: &File, place: &str, plan: &Plan) -> Result<()> {
    let output = output.metadata().map_err(|error| Error::from(error).at(place))?;
    if !output.is_file() || plan.inputs.is_empty() {
        return Ok(());
    }
    for input in expand(&plan.inputs)? {
        let found = match &input {
            Place::Standard => {
                io::stdin().as_fd().try_clone_to_owned().and_then(|input| File::from(input).metadata())
            }
            Place::File(path) => std::fs::metadata(path),
        };
        // An input that is not there is the reader's to tell.
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (output.dev(), output.ino())) {
            return Err(Error::Usage(format!("{place}: it is also an input ({input})")));
        }
    }
    Ok(())
}
