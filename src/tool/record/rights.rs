//! Which files `gor-record` makes when it has no rights any more, and whether it may.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::fchown;
use std::path::Path;

use anyhow::Context as _;

use crate::endpoint::{Later, LaterReason};
use crate::privileges::{Privileges, User};
use crate::{Error, Result};

/// Refuses outputs that could not go on later. Gives a line for each that could not when its file is moved away.
pub(super) fn check(privileges: &Privileges, later: &[Later]) -> Result<Vec<String>> {
    let mut unmovable = Vec::new();
    for Later { folder, output, reason } in later {
        let Err(error) = privileges.may_write_in(folder)? else { continue };
        let place = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let place = place.display();
        if *reason == LaterReason::Moved {
            // Only where rights are given up: else it is told when the file is created.
            if let Some(user) = privileges.user() {
                unmovable.push(format!(
                    "{output}: {user} may not write in {place}, so the file cannot be reopened at SIGHUP; {}",
                    remedy(user, &place)
                ));
            }
            continue;
        }
        if error.kind() != ErrorKind::PermissionDenied {
            return Err(Error::from(error).at(place.to_string()));
        }
        let what = match reason {
            LaterReason::Chunk => "its chunks are",
            LaterReason::Spool => "chunks of objects are",
            LaterReason::Index => "its index is",
            LaterReason::Name | LaterReason::Moved => "its files are",
        };
        let fault = match privileges.user() {
            Some(user) => {
                format!("{what} made in {place}, where {user} may not write; {}", remedy(user, &place))
            }
            None => format!("{what} made in {place}, where this user may not write"),
        };
        return Err(Error::Invalid(fault).at(output.as_str()));
    }
    Ok(unmovable)
}

/// What to do about it.
fn remedy(user: &User, place: &impl std::fmt::Display) -> String {
    format!("use --user root, or 'sudo chown {} {place}'", user.for_chown())
}

/// Opens a file whose text is written at the end. What is in it stays until then.
pub(super) fn open_report(path: &Path, owner: Option<(u32, u32)>) -> anyhow::Result<File> {
    let open = || match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            if let Some((user, group)) = owner {
                // Where files have no owners, it stays as it is, and is open anyway.
                let _ = fchown(&file, Some(user), Some(group));
            }
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(path),
        Err(error) => Err(error),
    };
    open().with_context(|| path.display().to_string())
}
