//! What a process may do, and giving it up once all that needs it is open.
//!
//! Most of it is of a thread and not of the process, and a thread inherits it from the one that starts it: so
//! [`Privileges::give_up`] comes before any thread is started.

mod capabilities;
mod sandbox;
#[cfg(test)]
#[path = "../../tests/integration/support/skip.rs"]
mod skip;
mod user;

use std::fmt;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::thread::CapabilitySet;

pub use sandbox::Sandbox;
pub use user::User;

use crate::{Error, Result};
use user::UserIdentity;

/// What becomes of this process's rights.
#[derive(Debug)]
pub struct Privileges {
    /// Who it is to be from then on. None: who it is.
    user: Option<User>,
    is_root: bool,
    /// Why root stays root though nobody asked for it.
    obstacle: Option<String>,
    /// What is still needed.
    keeps: CapabilitySet,
}

/// What was given up.
#[derive(Debug)]
pub struct GivenUp {
    user: String,
    has_kept: CapabilitySet,
    sandbox: Sandbox,
}

impl Privileges {
    /// Chooses the user: the one that is named, as `NAME`, `NAME:GROUP` or with numbers; else who called sudo, or
    /// `nobody`, in place of root. Nothing is given up yet, but it is known that it can be.
    pub fn choose(named: Option<&str>) -> Result<Self> {
        let mut privileges = Privileges {
            user: None,
            is_root: nix::unistd::geteuid().is_root(),
            obstacle: None,
            keeps: CapabilitySet::empty(),
        };
        match named {
            Some(name) => {
                let user = User::named(name)?;
                if !privileges.is_root && user.is_current() {
                    return Ok(privileges);
                }
                if !privileges.is_root {
                    return Err(Error::Usage(format!("--user {name}: only root can become another user")));
                }
                if !user.is_root() {
                    let failed =
                        |error| Error::Invalid(format!("--user {name}: cannot become this user: {error}"));
                    user.rehearse(|| ()).map_err(failed)?;
                    privileges.user = Some(user);
                }
            }
            None if privileges.is_root => {
                let user = User::in_place_of_root()?;
                match user.rehearse(|| ()) {
                    Ok(()) => privileges.user = Some(user),
                    Err(error) => {
                        let why = match error.raw_os_error() {
                            Some(libc::EINVAL) => "it has no number in this user namespace".to_owned(),
                            Some(libc::EPERM) => "this root may not change its user".to_owned(),
                            _ => error.to_string(),
                        };
                        privileges.obstacle = Some(format!("cannot become {user} ({why}), and stays root"));
                    }
                }
            }
            None => {}
        }
        if privileges.stays_root() {
            // A file of another user is written to by this right alone.
            privileges.keeps |= CapabilitySet::DAC_OVERRIDE;
        }
        Ok(privileges)
    }

    /// Keeps the right to change network interfaces.
    pub fn keep_network_administration(&mut self) {
        self.keeps |= CapabilitySet::NET_ADMIN;
    }

    /// Why root stays root though nobody asked for it.
    pub fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// Who it is to be, when that is another one than now.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Whether files can be made in a directory once the rights are given up.
    pub fn may_write_in(&self, folder: &Path) -> Result<io::Result<()>> {
        // This asks for the real user, which is the new one in a rehearsal.
        let ask = || access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from);
        match &self.user {
            Some(user) => Ok(user.rehearse(ask)?),
            None => Ok(ask()),
        }
    }

    fn stays_root(&self) -> bool {
        self.is_root && self.user.is_none()
    }

    /// Gives up what is not needed any more, for good: no thread may have been started. Files can be made in
    /// `folders` and below them, `files` can be read, and nothing else in the file system is opened; TCP connections
    /// are made to `ports` alone, or to any if that is none.
    pub fn give_up(self, folders: &[&Path], files: &[&Path], ports: Option<&[u16]>) -> Result<GivenUp> {
        let failed = |what: &str, error: io::Error| Error::Invalid(format!("cannot give up {what}: {error}"));
        rustix::thread::set_no_new_privs(true).map_err(|error| failed("new rights", error.into()))?;
        let has_kept = capabilities::keep(self.keeps, || match &self.user {
            Some(user) => user.become_for_good(),
            None => Ok(()),
        });
        let has_kept = has_kept.map_err(|error| failed("root's rights", error))?;
        let user =
            self.user.as_ref().map_or_else(|| UserIdentity::current().to_string(), ToString::to_string);
        Ok(GivenUp { user, has_kept, sandbox: Sandbox::enter(folders, files, ports) })
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "now running as {}, ", self.user)?;
        let kept: Vec<_> = self.has_kept.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
        match kept.as_slice() {
            [] => write!(f, "without capabilities")?,
            kept => write!(f, "with no capability but {}", kept.join(", "))?,
        }
        write!(f, "; {}", self.sandbox)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::thread::capabilities;

    use super::*;

    const OWN_PROCESS: &str = "GOR_TEST_OWN_PROCESS";

    /// A user is the whole process's: the test below gives this one a process of its own.
    #[test]
    #[ignore = "this process becomes another user"]
    fn a_process_becomes_another_user_with_one_capability() {
        assert!(std::env::var_os(OWN_PROCESS).is_some(), "the test below runs this");
        let mut privileges = Privileges::choose(Some("4321:88")).expect("root may");
        privileges.keep_network_administration();
        let folder = tempfile::tempdir().expect("a folder");
        let refused = privileges.may_write_in(folder.path()).expect("it can be tried");
        assert_eq!(refused.expect_err("root's directory").kind(), io::ErrorKind::PermissionDenied);
        assert!(nix::unistd::geteuid().is_root(), "that was only tried");
        std::os::unix::fs::chown(folder.path(), Some(4321), Some(88)).expect("root may");
        privileges.may_write_in(folder.path()).expect("it can be tried").expect("its own directory");
        let given_up = privileges.give_up(&[folder.path()], &[], Some(&[])).expect("root may");
        let said = "now running as user 4321, with no capability but CAP_NET_ADMIN; ";
        assert!(given_up.to_string().starts_with(said), "{given_up}");
        let now = capabilities(None).expect("they can be read");
        assert_eq!((now.effective, now.permitted), (CapabilitySet::NET_ADMIN, CapabilitySet::NET_ADMIN));
        assert_eq!(nix::unistd::getgroups().expect("they can be read"), [nix::unistd::Gid::from_raw(88)]);
        nix::unistd::setresuid(0.into(), 0.into(), 0.into()).expect_err("there is no way back");
        std::fs::write(folder.path().join("x"), "1").expect("its own directory");
    }

    #[test]
    fn a_process_can_become_another_user_and_keep_a_capability() {
        if !nix::unistd::geteuid().is_root() {
            return skip::skip("root");
        }
        let test = "privileges::tests::a_process_becomes_another_user_with_one_capability";
        let tests = std::env::current_exe().expect("it has a path");
        let args = ["--exact", test, "--ignored"];
        let ran = Command::new(tests).args(args).env(OWN_PROCESS, "1").output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    }
}
