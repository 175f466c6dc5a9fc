//! Outputs that are inputs, or each other: refused before anything is opened for writing.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::endpoint::place::{Place, expand};
use crate::endpoint::reading::ReadOptions;
use crate::endpoint::s3::SCHEME;
use crate::{Error, Result};

/// Where a file is, whatever it is called: device and inode, or, as long as there is none, its path without links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum OutputIdentity {
    Inode(u64, u64),
    Path(PathBuf),
}

impl OutputIdentity {
    /// Of a regular file; what else there is may be read and written at once.
    pub(super) fn of(found: &Metadata) -> Option<Self> {
        found.is_file().then(|| OutputIdentity::Inode(found.dev(), found.ino()))
    }

    /// Of what has this path, or would have it.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        match std::fs::metadata(path) {
            Ok(found) => OutputIdentity::of(&found),
            Err(_) => resolve(path).map(OutputIdentity::Path),
        }
    }
}

/// The path that a file would have which is not there yet, without links.
fn resolve(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    // As many links as Linux follows (path_resolution(7)).
    for _ in 0..40 {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.canonicalize().ok()?,
            _ => std::env::current_dir().ok()?,
        };
        match std::fs::read_link(&path) {
            Ok(link) => path = folder.join(link),
            Err(_) => return Some(folder.join(path.file_name()?)),
        }
    }
    None
}

fn of_standard(stream: impl AsFd) -> Option<OutputIdentity> {
    let file = stream.as_fd().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata()).ok().as_ref().and_then(OutputIdentity::of)
}

/// Of standard output, where it is a file.
pub(super) fn of_standard_output() -> Option<OutputIdentity> {
    of_standard(io::stdout())
}

/// Refuses outputs, by name and identity, that are inputs or each other.
pub(super) fn refuse(outputs: &[(String, Option<OutputIdentity>)], inputs: &[String]) -> Result<()> {
    for (index, (name, identity)) in outputs.iter().enumerate() {
        let Some(identity) = identity else { continue };
        if let Some((other, _)) = outputs[..index].iter().find(|(_, other)| other.as_ref() == Some(identity))
        {
            return Err(Error::Usage(format!("{name}: it is also another output ({other})")));
        }
    }
    if outputs.iter().all(|(_, identity)| identity.is_none()) {
        return Ok(());
    }
    // An input that cannot be found is the reader's to tell.
    // Objects are no files.
    let files: Vec<_> = inputs.iter().filter(|name| !name.starts_with(SCHEME)).cloned().collect();
    if files.is_empty() && !inputs.is_empty() {
        return Ok(());
    }
    for input in expand(&files, &ReadOptions::default()).unwrap_or_default() {
        let found = match &input {
            Place::Standard => of_standard(io::stdin()),
            Place::File(path) => OutputIdentity::of_path(path),
            Place::Object(_) | Place::Network(_) | Place::Kafka(_) => None,
        };
        let Some(found) = found else { continue };
        if let Some((name, _)) = outputs.iter().find(|(_, output)| output.as_ref() == Some(&found)) {
            return Err(Error::Usage(format!(
                "{name}: it is also an input ({input}); write to another file"
            )));
        }
    }
    Ok(())
}
