//! How files come to be written: created, overwritten by force, or added to.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::coding::{CompressionOptions, GZIP_PIECE, SMALL_PIECE, ZSTD_PIECE};
use super::collisions::{self, OutputIdentity};
use super::file::{OpenedOutput, OutputFile, PieceOptions};
use super::{OutputPlan, naming, repair};
use crate::endpoint::format::Compression;
use crate::endpoint::index::{Builder, Index, sidecar};
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

/// The file, and what its name says that it holds.
pub(super) fn file(
    plan: &Arc<OutputPlan>,
    path: &str,
    existing: Existing,
) -> Result<(OutputFile, naming::OutputFormat)> {
    let (format, compression) = naming::of_name(path, plan.format);
    let failed = |error: io::Error| Error::from(error).at(path);
    let (file, is_new) = open(plan, path, existing, format == naming::OutputFormat::Gor)?;
    let found = file.metadata().map_err(failed)?;
    let mut opened = OpenedOutput {
        is_regular: found.is_file(),
        path: found.is_file().then(|| path.into()),
        place: path.to_owned(),
        at: found.len(),
        pieces: pieces(plan, compression),
        index: None,
        is_new,
        file,
    };
    let mut end = Vec::new();
    if opened.is_regular {
        lock(&opened.file).map_err(|error| error.at(path))?;
        if existing == Existing::AsTold && !plan.appends && !is_new {
            opened.file.set_len(0).map_err(failed)?;
            opened.at = 0;
        }
        if plan.has_index && format == naming::OutputFormat::Gor {
            opened.index = index(path, opened.at)?;
        }
        if opened.at > 0 && existing == Existing::AsTold && format == naming::OutputFormat::Gor {
            end = go_on(&mut opened, compression, path, plan).map_err(|error| error.at(path))?;
        }
        let goes_on = existing == Existing::GoOn && format.can_go_on();
        if opened.at > 0 && format != naming::OutputFormat::Gor && !goes_on {
            return Err(Error::Invalid("a file of this format cannot be added to".into()).at(path));
        }
    } else {
        format.refuse_terminal(&opened.file, path)?;
        opened.at = 0;
    }
    let mut output = OutputFile::new(opened);
    if !end.is_empty() {
        output.write(&end)?;
        output.sync()?;
    }
    Ok((output, format))
}

/// Standard output, or where the shell has led it.
pub(super) fn standard(format: naming::OutputFormat) -> Result<OutputFile> {
    let place = "standard output";
    let failed = |error: io::Error| Error::from(error).at(place);
    let mut file = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
    format.refuse_terminal(&file, place)?;
    let found = file.metadata().map_err(failed)?;
    let is_regular = found.is_file();
    // What is opened to be added to, as the shell does for `>>`, is written to at its end wherever it stands.
    let appends = rustix::fs::fcntl_getfl(&file).is_ok_and(|flags| flags.contains(OFlags::APPEND));
    let at = match (is_regular, appends) {
        (true, true) => found.len(),
        (true, false) => file.stream_position().map_err(failed)?,
        (false, _) => 0,
    };
    let (place, path) = (place.to_owned(), None);
    let opened = OpenedOutput { file, place, path, is_regular, is_new: false, at, pieces: None, index: None };
    Ok(OutputFile::new(opened))
}

fn pieces(plan: &OutputPlan, compression: Compression) -> Option<PieceOptions> {
    let (default, size) = match compression {
        Compression::None => return None,
        Compression::Gzip => (6, GZIP_PIECE),
        Compression::Zstd => (3, ZSTD_PIECE),
    };
    let coding = CompressionOptions { compression, level: plan.compress_level.unwrap_or(default) };
    let size = if plan.has_many { SMALL_PIECE } else { size };
    Some(PieceOptions { coding, pool: Arc::clone(&plan.pool), size })
}

/// The file, and whether it was created. What cannot be added to is not offered for it.
fn open(plan: &OutputPlan, path: &str, existing: Existing, can_append: bool) -> Result<(File, bool)> {
    let failed = |error: io::Error| Error::from(error).at(path);
    // Added to and never written into: a file that another program truncates meanwhile gets no hole.
    let create = || OpenOptions::new().append(true).create_new(true).open(path);
    let mut created = create();
    if plan.has_many
        && let (Err(error), Some(folder)) = (&created, Path::new(path).parent())
        && error.kind() == ErrorKind::NotFound
    {
        std::fs::create_dir_all(folder).map_err(failed)?;
        created = create();
    }
    match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Ok(file) => {
            if let Some((user, group)) = plan.owner {
                // Where files have no owners, as on FAT, it stays as it is, and is open anyway.
                let _ = std::os::unix::fs::fchown(&file, Some(user), Some(group));
            }
            return Ok((file, true));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = Path::new(path).parent().unwrap_or(Path::new("")).display();
            return Err(Error::Invalid(format!("there is no directory {folder}; make it first")).at(path));
        }
        Err(error) => return Err(failed(error)),
    }
    let is_file = std::fs::metadata(path).map_err(failed)?.is_file();
    let may_touch = match existing {
        Existing::AsTold => plan.is_forced || plan.appends,
        Existing::GoOn => true,
        Existing::Refuse => false,
    };
    if is_file && !may_touch {
        let append = if can_append { ", --append adds to it" } else { "" };
        return Err(Error::Usage(format!("{path}: the file exists; --force overwrites it{append}")));
    }
    if is_file {
        collisions::refuse(&[(path.to_owned(), OutputIdentity::of_path(Path::new(path)))], &plan.inputs)?;
    }
    let mut options = OpenOptions::new();
    let options = if is_file { options.append(true) } else { options.write(true) };
    options.open(path).map(|file| (file, false)).map_err(failed)
}

/// The beginning of a file's index, or the index to go on with: none where the file must be read for it.
fn index(path: &str, length: u64) -> Result<Option<Builder>> {
    if length > 0 {
        return Ok(Index::load(Path::new(path)).map(Builder::resume));
    }
    let sidecar = sidecar(Path::new(path));
    let is_other = File::open(&sidecar).is_ok_and(|mut file| {
        let mut first = [0; 10];
        file.read_exact(&mut first).map_or(true, |()| &first != b"gor-index ")
    });
    if is_other {
        let sidecar = sidecar.display();
        return Err(Error::Usage(format!("{sidecar}: the index would be written here, but this is none")));
    }
    Ok(Some(Builder::new()))
}

/// Lets nobody else write to a file that is open (flock(2)). Where locks are not supported, nobody is told.
fn lock(file: &File) -> Result<()> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Error::Invalid(
            "another program is writing to it; wait for its end, or write to another file".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Makes a file that another run has left end with a whole record, so that it can go on. Gives what is still to be
/// written for that.
fn go_on(
    opened: &mut OpenedOutput,
    compression: Compression,
    path: &str,
    plan: &OutputPlan,
) -> Result<Vec<u8>> {
    let mut builder = Builder::new();
    let wants_index = plan.has_index && opened.index.is_none();
    let mut reading = File::open(path)?;
    let repair = repair::look(&mut reading, compression, wants_index.then_some(&mut builder))?;
    if wants_index {
        opened.index = Some(builder);
    }
    if repair.at == opened.at {
        return Ok(repair.text);
    }
    let coding = opened.pieces.as_ref().map(|pieces| pieces.coding);
    let bytes =
        coding.map_or_else(|| Ok(repair.text.clone()), |coding| repair::compress(&repair.text, coding))?;
    opened.file.set_len(repair.at)?;
    (&opened.file).write_all(&bytes)?;
    if let Some(index) = &mut opened.index
        && !repair.text.is_empty()
    {
        repair::note(&repair.text, repair.at, index);
    }
    opened.at = repair.at + bytes.len() as u64;
    if let Some(tell) = plan.tell {
        tell(&format_args!("{path}: its end was left unfinished; it goes on after what was whole"));
    }
    Ok(Vec::new())
}
