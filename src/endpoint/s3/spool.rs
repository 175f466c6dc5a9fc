//! A directory of chunks that are not delivered yet: files, and beside each a note of where it is to go.
//!
//! ```text
//! lock                                   held by the run that uses the directory
//! 01764171600000000000-0001.gor.zst      a chunk
//! 01764171600000000000-0001.gor.zst.idx  its index, if it has one
//! 01764171600000000000-0001.gor.zst.to   its note: one object of JSON
//! ```
//!
//! A note is there before its chunk and goes after it, so that no chunk is without one, whenever a run is killed. Notes,
//! and chunks that are whole, are synced to the disk: after a power failure what is being written may be lost, and no more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::endpoint::index::sidecar;
use crate::{Error, Result};

/// The end of a note's name.
const NOTE: &str = "to";

/// Where a chunk is to go, and what is in it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(in super::super) struct ChunkNote {
    /// The server; none is Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) endpoint: Option<String>,
    pub(in super::super) bucket: String,
    /// The key that was asked for. Where it is taken, the object's gets a number.
    pub(in super::super) key: String,
    /// Whether the key gets a number in any case.
    pub(in super::super) is_numbered: bool,
    /// The key that was last tried. The server may have the object already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) tried: Option<String>,
    /// The upload in parts that was begun for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) upload: Option<String>,
    /// What tells its object from all others.
    pub(in super::super) id: String,
    /// Whether it has an index, or is to have one.
    pub(in super::super) has_index: bool,
    /// Whether nothing more is written to it. Only then the rest is known.
    pub(in super::super) is_whole: bool,
    #[serde(flatten)]
    pub(in super::super) content: ChunkContent,
}

/// What is in a chunk.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(in super::super) struct ChunkContent {
    pub(in super::super) records: u64,
    /// The earliest and the latest timestamp; none where there is no record.
    pub(in super::super) earliest: Option<i64>,
    pub(in super::super) latest: Option<i64>,
}

impl ChunkContent {
    /// Adds a record.
    pub(in super::super) fn add(&mut self, time: i64) {
        self.records += 1;
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
    }
}

/// A file in the spool.
#[derive(Clone, Debug)]
pub(in super::super) struct SpooledChunk {
    pub(in super::super) path: PathBuf,
    pub(in super::super) note: ChunkNote,
}

impl SpooledChunk {
    /// The file's name, for the output that writes it.
    pub(in super::super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn index(&self) -> PathBuf {
        sidecar(&self.path)
    }

    fn note_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(NOTE);
        name.into()
    }

    /// Writes the note anew.
    pub(in super::super) fn save(&self) -> io::Result<()> {
        let path = self.note_path();
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self.note)?)?;
        file.sync_data()?;
        fs::rename(new, path)
    }

    /// Has the disk hold all of it. What is delivered meanwhile need not be there any more.
    pub(super) fn sync(&self) -> io::Result<()> {
        for path in [&self.path, &self.index()] {
            match File::open(path).and_then(|file| file.sync_data()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// Takes it away: it was delivered, or nothing is in it.
    pub(in super::super) fn remove(&self) -> io::Result<()> {
        for path in [&self.path, &self.index(), &self.note_path()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    pub(in super::super) fn size(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        size(&self.path) + size(&self.index())
    }
}

/// The directory, as long as this run uses it.
#[derive(Debug)]
pub(in super::super) struct Spool {
    folder: PathBuf,
    /// Locked (flock(2)).
    _lock: File,
    made: u64,
}

impl Spool {
    /// Makes the directory if it is not there; it belongs to `owner` then.
    pub(in super::super) fn make(folder: &Path, owner: Option<(u32, u32)>) -> Result<()> {
        let failed = |error: io::Error| Error::from(error).at(format!("--spool {}", folder.display()));
        if folder.exists() {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(failed)?;
        match owner {
            Some((user, group)) => std::os::unix::fs::chown(folder, Some(user), Some(group)).map_err(failed),
            None => Ok(()),
        }
    }

    /// Takes the directory for this run alone, and makes it if it is not there. What is made belongs to `owner`.
    pub(in super::super) fn open(folder: &Path, owner: Option<(u32, u32)>) -> Result<Self> {
        let failed = |error: io::Error| Error::from(error).at(format!("--spool {}", folder.display()));
        Self::make(folder, owner)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        if let Some((user, group)) = owner {
            // Where files have no owners, it stays as it is, and is open anyway.
            let _ = std::os::unix::fs::fchown(&lock, Some(user), Some(group));
        }
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::Invalid(format!(
                    "--spool {}: another run uses this directory; give each its own",
                    folder.display()
                )));
            }
            Err(error) => return Err(failed(error.into())),
        }
        Ok(Spool { folder: folder.to_owned(), _lock: lock, made: 0 })
    }

    pub(in super::super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a chunk: writes its note, and names its file, which ends with `suffix`.
    pub(in super::super) fn begin(
        &mut self,
        note: ChunkNote,
        now: i128,
        suffix: &str,
    ) -> Result<SpooledChunk> {
        let path = loop {
            self.made += 1;
            let path = self.folder.join(format!("{now:020}-{:04}{suffix}", self.made));
            if !path.exists() {
                break path;
            }
        };
        let chunk = SpooledChunk { path, note };
        chunk.save().map_err(|error| Error::from(error).at(chunk.name()))?;
        Ok(chunk)
    }

    /// The chunks that earlier runs have left, in the order in which they were begun.
    pub(in super::super) fn left(&self) -> Result<Vec<SpooledChunk>> {
        let failed = |error: io::Error| Error::from(error).at(self.folder.display().to_string());
        let mut chunks = Vec::new();
        for entry in self.folder.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|end| end != NOTE) {
                continue;
            }
            let told = |error: String| Error::Invalid(error).at(path.display().to_string());
            let text = fs::read(&path).map_err(|error| told(error.to_string()))?;
            let note: ChunkNote = serde_json::from_slice(&text)
                .map_err(|error| told(format!("this is not the note of a chunk: {error}")))?;
            let chunk = SpooledChunk { path: path.with_extension(""), note };
            // Killed between making or removing the file and its note; or before any record came.
            if fs::metadata(&chunk.path).map_or(0, |found| found.len()) == 0 {
                chunk.remove().map_err(failed)?;
                continue;
            }
            chunks.push(chunk);
        }
        chunks.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(chunks)
    }
}

/// The directory that is used unless one is named.
pub(in super::super) fn default_folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative path in it is to be ignored (XDG Base Directory Specification).
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.map(|state| state.join("gor-tools/spool")).ok_or_else(|| {
        Error::Usage(
            "chunks of objects wait in a directory, and HOME is not set: name one with --spool".into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(key: &str) -> ChunkNote {
        ChunkNote { bucket: "b".into(), key: key.into(), id: "1".into(), ..ChunkNote::default() }
    }

    #[test]
    fn what_a_killed_run_leaves_is_found_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), None).expect("it is ours");
        let mut made = Vec::new();
        for (now, key) in [(20, "second"), (10, "first"), (20, "third")] {
            let mut chunk = spool.begin(note(key), now, ".gor").expect("a chunk");
            fs::write(&chunk.path, "x").expect("a file");
            chunk.note.content.add(7);
            chunk.save().expect("a note");
            made.push(chunk);
        }
        // One without a byte, one without a file, and what is none.
        fs::write(spool.begin(note("empty"), 30, ".gor").expect("a chunk").path, "").expect("a file");
        spool.begin(note("nothing"), 30, ".gor").expect("a chunk");
        fs::write(folder.path().join("other.gor"), "x").expect("a file");
        assert!(Spool::open(folder.path(), None).unwrap_err().to_string().contains("another run"));
        drop(spool);
        let spool = Spool::open(folder.path(), None).expect("it is free again");
        let left = spool.left().expect("it is read");
        assert_eq!(
            left.iter().map(|chunk| chunk.note.key.as_str()).collect::<Vec<_>>(),
            ["first", "second", "third"]
        );
        assert!(left.iter().all(|chunk| chunk.note.content.records == 1 && chunk.size() == 1));
        for chunk in left {
            chunk.sync().expect("its file is there");
            chunk.remove().expect("it is ours");
            chunk.sync().expect("it was delivered meanwhile");
        }
        let mut names: Vec<_> = folder
            .path()
            .read_dir()
            .expect("a folder")
            .map(|entry| entry.expect("a file").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["lock", "other.gor"]);
    }
}
