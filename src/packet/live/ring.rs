//! A packet socket with a ring of blocks that the kernel fills (`packet(7)`, `TPACKET_V3`).
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::sock_filter;

use super::block::{STATUS, TAG};
use super::fanout;

/// Bytes of a block. A packet must fit into one, the largest that network cards put together included.
pub(super) const BLOCK: usize = 1 << 20;

/// Only has to divide the block: in this version of the ring packets are as long as they are.
const FRAME: usize = 2048;

/// A filter that lets nothing through.
pub(super) const NOTHING: [sock_filter; 1] =
    [sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];

/// A socket, its ring, and which block is next.
pub(super) struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    blocks: usize,
    next: usize,
}

// SAFETY: the mapping belongs to the ring alone and has nothing of the thread that made it; every access is through
// `self`, so no two threads are in it at once.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a socket that sees the packets of one interface; with index 0, of all. Nothing that the filter refuses
    /// is in the ring, as the socket sees no packet before it has the filter.
    pub(super) fn open(
        interface: u32,
        filter: &[sock_filter],
        blocks: usize,
        timeout: Duration,
    ) -> io::Result<Self> {
        let socket = socket()?;
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        set(&socket, libc::PACKET_RESERVE, &(TAG as c_int))?;
        attach(&socket, filter)?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: (BLOCK / FRAME * blocks) as u32,
            tp_retire_blk_tov: timeout.as_millis().clamp(1, u128::from(u32::MAX)) as u32,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                BLOCK * blocks,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or_else(|| io::Error::other("a mapping at address 0"))?;
        let ring = Ring { socket, memory, blocks, next: 0 };
        ring.bind(interface)?;
        Ok(ring)
    }

    /// Shares the packets with other sockets of the same interface: each goes to one of the group, by its ports. Fragments
    /// of IPv4 are put together before. None: makes a group. Gives its number.
    ///
    /// Until it is in the group a socket sees all packets, so it is opened with a filter that refuses them ([`NOTHING`]).
    pub(super) fn share(&self, group: Option<u16>) -> io::Result<u16> {
        let mut how = libc::PACKET_FANOUT_CBPF | libc::PACKET_FANOUT_FLAG_DEFRAG;
        if group.is_none() {
            how |= libc::PACKET_FANOUT_FLAG_UNIQUEID;
        }
        let value = how << 16 | u32::from(group.unwrap_or(0));
        set(&self.socket, libc::PACKET_FANOUT, &value.cast_signed())?;
        if let Some(group) = group {
            return Ok(group);
        }
        let program = fanout::by_ports();
        let length = u16::try_from(program.len()).map_err(io::Error::other)?;
        // The kernel only reads it.
        let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
        set(&self.socket, libc::PACKET_FANOUT_DATA, &program)?;
        let value: c_int = get(&self.socket, libc::SOL_PACKET, libc::PACKET_FANOUT)?;
        Ok(value as u16)
    }

    /// From now on packets that the filter lets through come into the ring.
    pub(super) fn admit(&self, filter: &[sock_filter]) -> io::Result<()> {
        attach(&self.socket, filter)
    }

    fn bind(&self, interface: u32) -> io::Result<()> {
        // SAFETY: a plain struct of integers, for which zeros are valid.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = interface as c_int;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is of that length, and lives through the call.
        let done = unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length) };
        check(done)
    }

    /// From now on no packet comes into the ring; those that are there can still be read.
    pub(super) fn close(&self) -> io::Result<()> {
        attach(&self.socket, &NOTHING)
    }

    /// Hands out the next block, if the kernel has filled one, and gives it back after that.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        // SAFETY: `next` is below `blocks`, so this is in the mapping, which lives as long as `self`.
        let block = unsafe { self.memory.add(self.next * BLOCK) };
        // SAFETY: the status is in the block's first bytes and aligned to 4, as blocks are to pages. The kernel and
        // this process both change it, as a whole word, and no slice over it exists now.
        let status = unsafe { AtomicU32::from_ptr(block.add(STATUS).cast().as_ptr()) };
        // The kernel writes a block before it writes its status.
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block is within the mapping, its memory is initialised (the kernel zeroes it), and as its status
        // says user, the kernel does not touch it until the status is changed below. `self` is borrowed mutably,
        // so there is one such slice at a time, and it cannot outlive the call.
        let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_ptr(), BLOCK) };
        let answer = read(bytes);
        // SAFETY: as above; the slice is no longer used.
        let status = unsafe { AtomicU32::from_ptr(block.add(STATUS).cast().as_ptr()) };
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.blocks;
        Some(answer)
    }

    /// Packets that the kernel had no room for since the last call.
    pub(super) fn dropped(&self) -> io::Result<u64> {
        let counts: libc::tpacket_stats_v3 = get(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(u64::from(counts.tp_drops))
    }

    /// What went wrong with the socket, as with an interface that was taken away.
    pub(super) fn fault(&self) -> io::Result<Option<io::Error>> {
        let code: c_int = get(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR)?;
        Ok((code != 0).then(|| io::Error::from_raw_os_error(code)))
    }
}

/// Has interfaces take in packets for other machines too, for as long as it lives.
pub(super) struct Promiscuity(OwnedFd);

impl Promiscuity {
    /// For none yet.
    pub(super) fn new() -> io::Result<Self> {
        socket().map(Promiscuity)
    }

    /// For this one too.
    pub(super) fn add(&self, interface: u32) -> io::Result<()> {
        let membership = libc::packet_mreq {
            mr_ifindex: interface as c_int,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&self.0, libc::PACKET_ADD_MEMBERSHIP, &membership)
    }
}

/// A packet socket that sees no packet yet, as it has no protocol.
fn socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this was mapped in `open` with this length, and no slice of it outlives `self`.
        let done = unsafe { libc::munmap(self.memory.as_ptr().cast(), BLOCK * self.blocks) };
        debug_assert_eq!(done, 0);
    }
}

pub(super) fn attach(socket: &impl AsFd, filter: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    // The kernel only reads it.
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    set_at(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn set<T>(socket: &OwnedFd, name: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, name, value)
}

fn set_at<T>(socket: &impl AsFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value is of that length and lives through the call; what a filter points to does too.
    let done = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, ptr::from_ref(value).cast(), length)
    };
    check(done)
}

/// Packets that a socket of any kind had no room for, or refused, since it was opened (modulo 2^32).
pub(super) fn socket_drops(socket: &impl AsFd) -> io::Result<u32> {
    let counts: MemoryInfo = get(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    let [.., dropped] = counts;
    Ok(dropped)
}

/// Numbers about a socket's memory (`SO_MEMINFO`), of which the last (`SK_MEMINFO_DROPS`) is of what was dropped.
type MemoryInfo = [u32; 9];

/// `T` is a struct of integers, for which all bits are valid.
fn get<T: Copy + Integers>(socket: &impl AsFd, level: c_int, name: c_int) -> io::Result<T> {
    // SAFETY: zeros are valid integers.
    let mut value: T = unsafe { std::mem::zeroed() };
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which the value has.
    let done = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    };
    check(done).map(|()| value)
}

trait Integers {}
impl Integers for c_int {}
impl Integers for MemoryInfo {}
impl Integers for libc::tpacket_stats_v3 {}

fn check(done: c_int) -> io::Result<()> {
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::Tap;
    use super::super::filter::filter;
    use super::*;

    #[test]
    fn the_kernel_takes_the_program_that_shares_packets() {
        let socket = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        attach(&socket, &fanout::by_ports()).expect("it is a valid program");
    }

    /// Any socket takes a filter, with no right of its own, and the kernel checks it there as everywhere.
    #[test]
    fn the_kernel_takes_the_filters() {
        for number in [0u16, 1, 2, 255, 300, 900, 2000] {
            let socket = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").expect("a socket"));
            let ports: Vec<_> = (1..=number).map(|port| port * 3..=port * 3 + port % 2).collect();
            let tap =
                Tap { ports, tunnels: vec![4788], only: vec![2, 3], ignored: vec![1, 7], ..Tap::default() };
            attach(&socket, &filter(&tap)).unwrap_or_else(|error| panic!("{number} ports: {error}"));
        }
    }
}
