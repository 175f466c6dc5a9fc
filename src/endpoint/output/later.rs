//! Directories in which files are made after the beginning, when rights that were there may be gone.

use std::path::{Path, PathBuf};

use super::{OutputTarget, WriteOptions, this_instance};
use crate::Result;
use crate::endpoint::kafka::KafkaAddress;
use crate::endpoint::s3::SCHEME;

/// What says where names of hosts are looked up (resolver(5), nsswitch.conf(5), gai.conf(5)).
const RESOLVER: [&str; 5] =
    ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// A directory in which files are made later.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Later {
    /// Where. Directories below it may be made too.
    pub folder: PathBuf,
    /// The output.
    pub output: String,
    /// What for.
    pub reason: LaterReason,
}

/// What a file is made for after the beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LaterReason {
    /// The output is in chunks.
    Chunk,
    /// It is an object, whose chunks wait there.
    Spool,
    /// Its name is made from the time or the records.
    Name,
    /// The index is written when the file is complete.
    Index,
    /// It is begun anew once it is moved away, if ever.
    Moved,
}

/// The directories in which files of these outputs are made after [`create`](super::create).
pub fn later(names: &[String], how: &WriteOptions<'_>) -> Result<Vec<Later>> {
    let instance = how.instance.map_or_else(this_instance, ToOwned::to_owned);
    let targets = names
        .iter()
        .map(|name| OutputTarget::parse(name, &instance, how.format))
        .collect::<Result<Vec<_>>>()?;
    // Where one is made from a template, directories are made for all of them.
    let makes_folders = targets.iter().any(|target| matches!(target, OutputTarget::Many(..)));
    let mut found = Vec::new();
    // Of a file of packets the name has no fields.
    if let Some(path) = how.packets.filter(|path| may_be_moved(path)) {
        let (folder, output) = (folder(path).to_owned(), path.to_owned());
        found.push(Later { folder, output, reason: LaterReason::Moved });
    }
    for (name, target) in names.iter().zip(targets) {
        let (folder, reason) = match target {
            OutputTarget::Null
            | OutputTarget::Standard
            | OutputTarget::Network(_)
            | OutputTarget::Kafka(_) => continue,
            #[cfg(feature = "s3")]
            OutputTarget::Object(_) => (super::objects::folder(&how.objects)?, LaterReason::Spool),
            #[cfg(not(feature = "s3"))]
            OutputTarget::Object(_) => continue,
            OutputTarget::Many(template, _) => (folder(template.beginning()).to_owned(), LaterReason::Name),
            OutputTarget::File(path, _) if how.chunk_size.is_some() || how.chunk_records.is_some() => {
                (folder(&path).to_owned(), LaterReason::Chunk)
            }
            OutputTarget::File(path, _) if !may_be_moved(&path) => continue,
            OutputTarget::File(path, _) if how.has_index => (folder(&path).to_owned(), LaterReason::Index),
            OutputTarget::File(path, _) => (folder(&path).to_owned(), LaterReason::Moved),
        };
        let folder = if makes_folders { existing(&folder) } else { folder };
        found.push(Later { folder, output: name.clone(), reason });
    }
    Ok(found)
}

/// The TCP ports that are connected to after [`create`](super::create). None: any, as brokers of Kafka tell theirs later.
pub fn ports(names: &[String], how: &WriteOptions<'_>) -> Result<Option<Vec<u16>>> {
    let mut ports = Vec::new();
    for name in names {
        match OutputTarget::parse(name, "", how.format)? {
            OutputTarget::Network(address) => ports.push(address.port()),
            #[cfg(feature = "s3")]
            OutputTarget::Object(_) => ports.extend(how.services.s3.prepare()?.ports()),
            OutputTarget::Kafka(_) => return Ok(None),
            _ => {}
        }
    }
    let _ = how;
    Ok(Some(ports))
}

/// The files that are read after [`create`](super::create), where hosts are looked up by name.
pub fn settings(names: &[String]) -> Vec<&'static Path> {
    let looks_up = names.iter().any(|name| name.starts_with(SCHEME) || KafkaAddress::output(name).is_some());
    if looks_up { RESOLVER.iter().map(Path::new).collect() } else { Vec::new() }
}

/// Makes the directory in which objects wait for their upload, for the user that this process is to become.
pub fn make_spool(names: &[String], how: &WriteOptions<'_>) -> Result<()> {
    #[cfg(feature = "s3")]
    if names.iter().any(|name| name.starts_with(SCHEME)) {
        super::objects::make_folder(&how.objects, how.owner)?;
    }
    let _ = (names, how);
    Ok(())
}

/// Pipes and devices stay where they are.
fn may_be_moved(path: &str) -> bool {
    std::fs::metadata(path).map_or(true, |found| found.is_file())
}

/// The directory of a file, or of one whose name only begins so.
fn folder(path: &str) -> &Path {
    match path.rsplit_once('/') {
        None => Path::new("."),
        Some(("", _)) => Path::new("/"),
        Some((folder, _)) => Path::new(folder),
    }
}

/// The directory, or the nearest one above it that there is.
fn existing(folder: &Path) -> PathBuf {
    let mut above = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    above.find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_later_in_these_directories() {
        let top = tempfile::tempdir().expect("a folder");
        let top = top.path().to_str().expect("text");
        let plain = WriteOptions::default();
        let indexed = WriteOptions { has_index: true, ..WriteOptions::default() };
        let chunks = WriteOptions { chunk_records: Some(1), ..WriteOptions::default() };
        let here = |name: &str| format!("{top}{name}");
        let cases = [
            ("x.gor".to_owned(), &plain, Some((".".to_owned(), LaterReason::Moved))),
            ("/x.gor".to_owned(), &plain, Some(("/".to_owned(), LaterReason::Moved))),
            (here("/x.gor"), &indexed, Some((here(""), LaterReason::Index))),
            (here("/no/x.gor"), &chunks, Some((here("/no"), LaterReason::Chunk))),
            (here("/no/way/x-%Y.gor"), &plain, Some((here(""), LaterReason::Name))),
            (here("/%Y/x.gor"), &chunks, Some((here(""), LaterReason::Name))),
            ("%Y.gor".to_owned(), &plain, Some((".".to_owned(), LaterReason::Name))),
            ("no such/%Y.gor".to_owned(), &plain, Some((".".to_owned(), LaterReason::Name))),
            ("/dev/null".to_owned(), &plain, None),
            ("null:".to_owned(), &plain, None),
            ("-".to_owned(), &plain, None),
        ];
        for (name, how, expected) in cases {
            let expected = expected.map(|(folder, reason)| Later {
                folder: folder.into(),
                output: name.clone(),
                reason,
            });
            assert_eq!(later(&[name], how).expect("a name"), Vec::from_iter(expected));
        }
        let packets = WriteOptions { packets: Some("a%Y/x.pcap"), ..WriteOptions::default() };
        let expected =
            Later { folder: "a%Y".into(), output: "a%Y/x.pcap".into(), reason: LaterReason::Moved };
        assert_eq!(later(&[], &packets).expect("a name"), [expected]);
        assert!(later(&["%q".to_owned()], &plain).is_err());
    }
}
