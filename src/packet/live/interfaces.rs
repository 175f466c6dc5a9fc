//! The network interfaces of this machine, and their addresses.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// Interfaces by name, and the addresses that they have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interfaces {
    /// Their names, in order.
    pub names: BTreeSet<String>,
    /// Of those, the ones that are up, loopback left out.
    pub up: BTreeSet<String>,
    /// Addresses of all of them.
    pub addresses: BTreeSet<IpAddr>,
}

impl Interfaces {
    /// Those that there are now.
    pub fn read() -> io::Result<Self> {
        let mut first = ptr::null_mut();
        // SAFETY: the list is written to `first`, and freed below.
        if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut interfaces = Interfaces::default();
        let mut at = first;
        // SAFETY: each entry is valid until the list is freed; the last one's `ifa_next` is null.
        while let Some(entry) = unsafe { at.as_ref() } {
            // SAFETY: a name is a string that ends in 0 and is in the list.
            let name = unsafe { CStr::from_ptr(entry.ifa_name) };
            let name = name.to_string_lossy().into_owned();
            if entry.ifa_flags & (libc::IFF_UP | libc::IFF_LOOPBACK) as u32 == libc::IFF_UP as u32 {
                interfaces.up.insert(name.clone());
            }
            interfaces.names.insert(name);
            // SAFETY: an address is null or a socket address that is in the list.
            interfaces.addresses.extend(unsafe { address(entry.ifa_addr) });
            at = entry.ifa_next;
        }
        // SAFETY: it is what `getifaddrs` returned, and is not used any more.
        unsafe { libc::freeifaddrs(first) };
        Ok(interfaces)
    }
}

/// The IP address in a socket address.
///
/// # Safety
///
/// It is null, or points to a socket address as long as its family says.
unsafe fn address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: null or valid, says the caller.
    match i32::from(unsafe { address.as_ref() }?.sa_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one of these; it may not be aligned.
            let address: libc::sockaddr_in = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the same.
            let address: libc::sockaddr_in6 =
                unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The index of an interface; none is called so.
pub fn index_of(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: a string that ends in 0 and lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// What the interface of an index is called; None if there is none.
pub fn name_of(index: u32) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the kernel's names, with the 0 at their end, have at most that length.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_that_is_listed_has_an_index_by_which_it_is_found() {
        let interfaces = Interfaces::read().expect("interfaces can be listed");
        assert!(!interfaces.names.is_empty());
        for name in &interfaces.names {
            let index = index_of(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(name_of(index).as_ref(), Some(name));
        }
        assert_eq!(index_of("no such interface"), None);
        assert_eq!(index_of("a\0b"), None);
        assert_eq!(name_of(0), None);
    }
}
