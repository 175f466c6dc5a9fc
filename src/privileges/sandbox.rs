//! Landlock (`landlock(7)`): the kernel refuses what this program does not do.

use std::fmt;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The version of Landlock whose restrictions are asked for; an older kernel gives what it has.
const ABI_ASKED: ABI = ABI::V6;

/// What Landlock does for this process.
#[derive(Debug)]
pub struct Sandbox {
    /// Whether files can be made anywhere.
    has_folders: bool,
    /// The ports that connections are made to; none: any.
    ports: Option<Vec<u16>>,
    status: std::result::Result<RestrictionStatus, String>,
}

impl Sandbox {
    /// Has the kernel refuse from now on to open anything in the file system but in these directories and below
    /// them, and to read these files, to execute anything, and to listen at TCP ports or connect to others than these,
    /// if they are known. What is open stays open.
    pub(super) fn enter(folders: &[&Path], files: &[&Path], ports: Option<&[u16]>) -> Self {
        Sandbox {
            has_folders: !folders.is_empty(),
            ports: ports.map(<[u16]>::to_vec),
            status: restrict(folders, files, ports).map_err(|error| error.to_string()),
        }
    }
}

fn restrict(
    folders: &[&Path],
    files: &[&Path],
    ports: Option<&[u16]>,
) -> Result<RestrictionStatus, RulesetError> {
    let refused = if ports.is_some() { AccessNet::from_all(ABI_ASKED) } else { AccessNet::BindTcp.into() };
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI_ASKED))?
        .handle_access(refused)?
        .scope(Scope::from_all(ABI_ASKED))?
        .create()?;
    for folder in folders {
        // In one that cannot be opened nothing can be made either.
        if let Ok(folder) = PathFd::new(folder) {
            ruleset = ruleset.add_rule(PathBeneath::new(folder, writing()))?;
        }
    }
    for file in files {
        // One that is not there is not read either.
        if let Ok(file) = PathFd::new(file) {
            ruleset = ruleset.add_rule(PathBeneath::new(file, AccessFs::ReadFile))?;
        }
    }
    for port in ports.unwrap_or_default() {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()
}

/// What making files, adding to them and replacing them takes.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match &self.status {
            Ok(status) => status,
            Err(error) => return write!(f, "without Landlock: {error}"),
        };
        let version = match status.landlock {
            LandlockStatus::NotEnabled => {
                return f.write_str("without Landlock, which is switched off in this kernel");
            }
            LandlockStatus::NotImplemented => {
                return f.write_str("without Landlock, which this kernel does not have");
            }
            LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        };
        if status.ruleset == RulesetStatus::NotEnforced {
            return f.write_str("without Landlock, which could not be used");
        }
        let files = if self.has_folders { "no files but where output goes" } else { "no files" };
        write!(f, "Landlock: {files}, no programs")?;
        // TCP came with the fourth version.
        if version >= ABI::V4 as i32 {
            match self.ports.as_deref() {
                None => f.write_str(", TCP connections only from here")?,
                Some([]) => f.write_str(", no TCP connections")?,
                Some([port]) => write!(f, ", no TCP connections but to port {port}")?,
                Some(ports) => {
                    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                    write!(f, ", no TCP connections but to ports {}", ports.join(", "))?;
                }
            }
        }
        if status.ruleset == RulesetStatus::PartiallyEnforced {
            write!(f, " (in part: this kernel has version {version} of it)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::*;

    /// It is of the thread that enters it, so the other tests are not in it.
    #[test]
    fn only_what_is_needed_can_be_done_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = tempfile::tempdir().expect("a folder");
        let open = other.path().join("open");
        let mut file = std::fs::File::create(&open).expect("it is ours");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        let at = |name: &str| folder.path().join(name);
        let tried = || {
            let sandbox = Sandbox::enter(&[folder.path(), Path::new("no such folder")], &[], Some(&[]));
            let said = sandbox.to_string();
            let Some(version) = said.starts_with("Landlock: ").then(|| version(&sandbox)) else {
                assert!(said.starts_with("without Landlock, "), "{said}");
                return crate::privileges::skip::skip_for_kernel(said);
            };
            assert!(said.starts_with("Landlock: no files but where output goes, no programs"), "{said}");
            std::fs::create_dir(at("below")).expect("directories for output");
            std::fs::write(at("below/x"), "1").expect("output");
            std::fs::write(at("below/x"), "2").expect("it can be begun anew");
            std::fs::rename(at("below/x"), at("below/y")).expect("it can be moved");
            assert_eq!(std::fs::read_to_string(at("below/y")).expect("read"), "2");
            assert_eq!(std::fs::read_dir(at("below")).expect("listed").count(), 1);
            std::fs::remove_file(at("below/y")).expect("and taken away");
            std::io::Write::write_all(&mut file, b"1").expect("what is open stays open");
            let refused = |done: std::io::Result<()>| done.expect_err("it is refused").kind();
            assert_eq!(refused(std::fs::read(&open).map(drop)), ErrorKind::PermissionDenied);
            assert_eq!(refused(std::fs::write(other.path().join("new"), "")), ErrorKind::PermissionDenied);
            assert_eq!(refused(Command::new("/bin/true").status().map(drop)), ErrorKind::PermissionDenied);
            if version >= ABI::V4 as i32 {
                assert!(said.contains("no TCP connections"), "{said}");
                assert_eq!(refused(TcpStream::connect(address).map(drop)), ErrorKind::PermissionDenied);
                assert_eq!(refused(TcpListener::bind("127.0.0.1:0").map(drop)), ErrorKind::PermissionDenied);
            }
        };
        std::thread::scope(|scope| scope.spawn(tried).join()).expect("it holds");
        let connecting = || {
            for ports in [Some(&[address.port()][..]), None] {
                let sandbox = Sandbox::enter(&[], &[], ports);
                TcpStream::connect(address).unwrap_or_else(|error| panic!("{sandbox}: {error}"));
                if sandbox.status.is_ok() && version(&sandbox) >= ABI::V4 as i32 {
                    let other = TcpListener::bind("127.0.0.1:0").map(drop);
                    assert_eq!(other.expect_err("it is refused").kind(), ErrorKind::PermissionDenied);
                }
            }
        };
        std::thread::scope(|scope| scope.spawn(connecting).join()).expect("it holds");
        TcpStream::connect(address).expect("this thread is not in it");
    }

    fn version(sandbox: &Sandbox) -> i32 {
        match sandbox.status.as_ref().map(|status| status.landlock) {
            Ok(LandlockStatus::Available { effective_abi, .. }) => effective_abi as i32,
            other => panic!("{other:?}"),
        }
    }
}
