//! Users by name or number, and becoming one.

use std::ffi::CString;
use std::fmt;
use std::io;

use nix::unistd::{
    Gid, Group, Uid, getegid, geteuid, getgid, getgrouplist, getgroups, getuid, setgroups, setresgid,
    setresuid,
};

use crate::{Error, Result};

/// What the kernel takes for a user, and a group, that have no number; `nobody` on most systems.
const OVERFLOW: u32 = 65534;

/// A user that this process can become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    identity: UserIdentity,
    group: Gid,
    /// All groups, the one above included.
    groups: Vec<Gid>,
}

/// Who somebody is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct UserIdentity {
    number: Uid,
    /// None: no name is known.
    name: Option<String>,
}

impl UserIdentity {
    pub(super) fn current() -> Self {
        let number = geteuid();
        // Without a name the number must do.
        let name = nix::unistd::User::from_uid(number).ok().flatten().map(|user| user.name);
        UserIdentity { number, name }
    }
}

impl fmt::Display for UserIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "user {}", self.number),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

impl User {
    /// `NAME`, `NAME:GROUP`, or numbers in place of either.
    pub(super) fn named(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::Usage(format!("--user {text}: {what}"));
        let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
        let number = name.parse().ok().map(Uid::from_raw);
        let known = match number {
            Some(number) => nix::unistd::User::from_uid(number),
            None => nix::unistd::User::from_name(name),
        };
        let known = known.map_err(|error| wrong(format!("users cannot be looked up: {error}")))?;
        let group = match group {
            None => None,
            Some(group) => Some(match group.parse() {
                Ok(number) => Gid::from_raw(number),
                Err(_) => {
                    Group::from_name(group)
                        .map_err(|error| wrong(format!("groups cannot be looked up: {error}")))?
                        .ok_or_else(|| wrong(format!("there is no group {group}")))?
                        .gid
                }
            }),
        };
        match (known, number, group) {
            (Some(known), _, group) => Self::known(known, group),
            (None, Some(number), Some(group)) => Ok(Self::numbered(number, group)),
            (None, Some(_), None) => {
                Err(wrong(format!("this user is not known; name a group too, as in {name}:{name}")))
            }
            (None, None, _) => Err(wrong("there is no such user".to_owned())),
        }
    }

    /// Who called sudo, or `nobody`.
    pub(super) fn in_place_of_root() -> Result<Self> {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        if let (Some(user), Some(group)) = (number("SUDO_UID"), number("SUDO_GID"))
            && user != 0
        {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            return match nix::unistd::User::from_uid(user) {
                Ok(Some(known)) => Self::known(known, Some(group)),
                _ => Ok(Self::numbered(user, group)),
            };
        }
        match nix::unistd::User::from_name("nobody") {
            Ok(Some(nobody)) => Self::known(nobody, None),
            // As in a container with nothing in it.
            _ => Ok(Self::numbered(Uid::from_raw(OVERFLOW), Gid::from_raw(OVERFLOW))),
        }
    }

    fn known(user: nix::unistd::User, group: Option<Gid>) -> Result<Self> {
        let group = group.unwrap_or(user.gid);
        let name = CString::new(user.name.as_str())
            .map_err(|_| Error::Invalid(format!("user {} has a zero byte in its name", user.uid)))?;
        let groups = getgrouplist(&name, group)
            .map_err(|error| Error::Invalid(format!("the groups of {} are not known: {error}", user.name)))?;
        let identity = UserIdentity { number: user.uid, name: Some(user.name) };
        Ok(User { identity, group, groups })
    }

    fn numbered(number: Uid, group: Gid) -> Self {
        User { identity: UserIdentity { number, name: None }, group, groups: vec![group] }
    }

    pub(super) fn is_root(&self) -> bool {
        self.identity.number.is_root()
    }

    pub(super) fn is_current(&self) -> bool {
        self.identity.number == geteuid()
    }

    /// The numbers of the user and of the group that its new files belong to.
    pub fn owner(&self) -> (u32, u32) {
        (self.identity.number.as_raw(), self.group.as_raw())
    }

    /// What somebody writes to name it to another program.
    pub fn for_chown(&self) -> String {
        self.identity.name.clone().unwrap_or_else(|| self.identity.number.to_string())
    }

    /// Does something as this user, all threads included, and goes back to who it was.
    pub(super) fn rehearse<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        let (user, group, groups) = ((getuid(), geteuid()), (getgid(), getegid()), getgroups()?);
        let go_back = || -> nix::Result<()> {
            setresuid(user.0, user.1, user.1)?;
            setresgid(group.0, group.1, group.1)?;
            setgroups(&groups)
        };
        // The saved user is the way back.
        let outcome = setgroups(&self.groups)
            .and_then(|()| setresgid(self.group, self.group, group.1))
            .and_then(|()| setresuid(self.identity.number, self.identity.number, user.1));
        let result = outcome.map(|()| act());
        match (result, go_back()) {
            (Ok(done), Ok(())) => Ok(done),
            // Where groups cannot be set, they have not been.
            (Err(error), _) | (Ok(_), Err(error)) => Err(error.into()),
        }
    }

    /// Becomes this user, on all threads, and cannot go back.
    pub(super) fn become_for_good(&self) -> io::Result<()> {
        setgroups(&self.groups)?;
        setresgid(self.group, self.group, self.group)?;
        setresuid(self.identity.number, self.identity.number, self.identity.number)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_or_numbers() {
        let root = User::named("root").expect("there is one everywhere");
        assert!(root.is_root() && root.to_string() == "root");
        assert_eq!(User::named("0").expect("the same"), root);
        let nobody = User::named("4123456789:77").expect("numbers need no name");
        assert_eq!(nobody.owner(), (4_123_456_789, 77));
        assert_eq!((nobody.to_string(), nobody.for_chown()), ("user 4123456789".into(), "4123456789".into()));
        assert_eq!(User::named("root:77").expect("a group of its own").group, Gid::from_raw(77));
        let wrong = [
            ("4123456789", "name a group too, as in 4123456789:4123456789"),
            ("no such user", "there is no such user"),
            ("", "there is no such user"),
            ("root:no such group", "there is no group no such group"),
            ("-1", "there is no such user"),
        ];
        for (text, said) in wrong {
            let error = User::named(text).expect_err(text);
            assert!(error.is_usage() && error.to_string().contains(said), "{error}");
        }
    }
}
