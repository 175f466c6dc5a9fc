//! VXLAN as an endpoint of it receives it: by a UDP socket, which needs no rights.
//!
//! The socket hands out what is in the datagrams. The headers before that are put there anew, from where a datagram came
//! and went to, so that these packets are decoded, and kept, as any others.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrIn6,
    SockaddrStorage, bind, recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use super::super::{LinkType, Packet};
use super::ring::{self, NOTHING};
use crate::error::{Error, Result};

/// The port that IANA gave it.
pub const VXLAN_PORT: u16 = 4789;

/// Bytes of the largest datagram.
const MAX_DATAGRAM: usize = u16::MAX as usize;

const IPV4_HEADER: usize = Ipv4Header::MIN_LEN;
const IPV6_HEADER: usize = Ipv6Header::LEN;
const UDP_HEADER: usize = UdpHeader::LEN;

/// Hops left, of 64 that systems begin with.
const HOPS: u8 = 64;

/// Datagrams that are handed out in one go.
const BATCH: usize = 256;

/// A port at which VXLAN is received.
pub(super) struct Endpoint {
    socket: UdpSocket,
    port: u16,
    /// Room for headers, and after it for a datagram.
    buffer: Box<[u8]>,
    control: Vec<u8>,
    /// Datagrams that there was no room for: those told of, and, once nothing more is let in, all.
    told: u32,
    closed_at: Option<u32>,
}

/// What a datagram came with.
struct Received {
    length: usize,
    source: SocketAddr,
    destination: IpAddr,
    time: i64,
}

impl Endpoint {
    /// Begins to receive at a port of all addresses. With it, what is not as it was asked for.
    pub(super) fn open(port: u16, buffer_size: u64) -> Result<(Self, Option<String>)> {
        let place = || format!("UDP port {port}");
        let socket = match bound(port, buffer_size) {
            Ok(socket) => socket,
            Err(Errno::EADDRINUSE) => {
                return Err(Error::Invalid(format!(
                    "UDP port {port} is in use, by another program or by a VXLAN interface of the kernel \
                     (which --engine af_packet looks through): --vxlan-port names another one"
                )));
            }
            Err(error) => return Err(Error::from(io::Error::from(error)).at(place())),
        };
        let socket = UdpSocket::from(socket);
        // The kernel counts twice as much, for what it needs itself.
        let got = nix::sys::socket::getsockopt(&socket, sockopt::RcvBuf).map_err(io::Error::from)? as u64 / 2;
        let warning = (got < wanted(buffer_size) as u64).then(|| {
            format!(
                "{}: the kernel gives a buffer of {:.0}kB only; root, CAP_NET_ADMIN or a larger \
                 net.core.rmem_max get more",
                place(),
                got as f64 / 1e3
            )
        });
        let buffer = vec![0; IPV6_HEADER + UDP_HEADER + MAX_DATAGRAM].into();
        let control = cmsg_space!(TimeSpec, libc::in6_pktinfo, libc::in_pktinfo);
        Ok((Endpoint { socket, port, buffer, control, told: 0, closed_at: None }, warning))
    }

    /// From now on nothing comes in; what is in the buffer can still be read.
    pub(super) fn close(&mut self) -> io::Result<()> {
        // What the filter refuses would count as dropped.
        self.closed_at = Some(ring::socket_drops(&self.socket)?);
        ring::attach(&self.socket, &NOTHING)
    }

    /// Hands out datagrams that are there. False: there is none yet.
    pub(super) fn read(&mut self, each: &mut impl FnMut(u32, &Packet<'_>)) -> Result<bool> {
        for number in 0..BATCH {
            let received =
                self.receive().map_err(|error| Error::from(error).at(format!("UDP port {}", self.port)))?;
            let Some(received) = received else { return Ok(number > 0) };
            let at = IPV6_HEADER + UDP_HEADER;
            let (headers, rest) = self.buffer.split_at_mut(at);
            let length = write_headers(headers, &received, self.port);
            debug_assert!(received.length <= rest.len());
            let Some(bytes) = self.buffer.get(at - length..at + received.length) else { continue };
            let wire_length = bytes.len() as u32;
            each(0, &Packet { link: LinkType::RAW, time: received.time, wire_length, bytes });
        }
        Ok(true)
    }

    fn receive(&mut self) -> io::Result<Option<Received>> {
        let room = &mut self.buffer[IPV6_HEADER + UDP_HEADER..];
        let mut parts = [IoSliceMut::new(room)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = loop {
            match recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut self.control),
                flags,
            ) {
                Ok(message) => break message,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            parts = [IoSliceMut::new(&mut self.buffer[IPV6_HEADER + UDP_HEADER..])];
        };
        let mut received = Received {
            length: message.bytes,
            source: message.address.as_ref().map_or(SocketAddr::from(([0; 4], 0)), address),
            destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            time: 0,
        };
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => {
                    received.time = time.tv_sec() * 1_000_000_000 + time.tv_nsec();
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    received.destination = Ipv6Addr::from(info.ipi6_addr.s6_addr).to_canonical();
                }
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    received.destination = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into();
                }
                _ => {}
            }
        }
        if received.time == 0 {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            received.time = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        }
        Ok(Some(received))
    }

    /// Datagrams that there was no room for since the last call.
    pub(super) fn dropped(&mut self) -> io::Result<u64> {
        let now = self.closed_at.map_or_else(|| ring::socket_drops(&self.socket), Ok)?;
        let news = now.wrapping_sub(self.told);
        self.told = now;
        Ok(news.into())
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket of both families, or, where the kernel has no IPv6, of IPv4.
fn bound(port: u16, buffer_size: u64) -> nix::Result<OwnedFd> {
    let open = |family| {
        let socket =
            socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        let size = wanted(buffer_size);
        // Beyond the limit that there is for others, if we may.
        setsockopt(&socket, sockopt::RcvBufForce, &size)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &size))?;
        Ok(socket)
    };
    match open(AddressFamily::Inet6) {
        Ok(socket) => {
            setsockopt(&socket, sockopt::Ipv6V6Only, &false)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
            bind(socket.as_raw_fd(), &SockaddrIn6::from(any))?;
            Ok(socket)
        }
        Err(Errno::EAFNOSUPPORT) => {
            let socket = open(AddressFamily::Inet)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
            bind(socket.as_raw_fd(), &SockaddrIn::from(any))?;
            Ok(socket)
        }
        Err(error) => Err(error),
    }
}

/// What the kernel is asked for; it has no room for more than this twice.
fn wanted(buffer_size: u64) -> usize {
    buffer_size.min(i32::MAX as u64 / 2) as usize
}

fn address(found: &SockaddrStorage) -> SocketAddr {
    let v6 = found.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip().to_canonical(), v6.port())));
    let v4 = || found.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v6.or_else(v4).unwrap_or(SocketAddr::from(([0; 4], 0)))
}

/// Writes headers of IP and UDP to the end of `room`, and gives their length. UDP has no checksum, as VXLAN's
/// senders may leave it out (RFC 7348 §5, RFC 6935).
fn write_headers(room: &mut [u8], received: &Received, port: u16) -> usize {
    let length = (UDP_HEADER + received.length) as u16;
    let udp = UdpHeader { source_port: received.source.port(), destination_port: port, length, checksum: 0 };
    let (room, end) = room.split_at_mut(room.len() - UDP_HEADER);
    end.copy_from_slice(&udp.to_bytes());
    let room_length = room.len();
    match (received.source.ip(), received.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = Ipv4Header {
                total_len: length + IPV4_HEADER as u16,
                time_to_live: HOPS,
                protocol: IpNumber::UDP,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::default()
            };
            header.header_checksum = header.calc_header_checksum();
            room[room_length - IPV4_HEADER..].copy_from_slice(&header.to_bytes());
            IPV4_HEADER + UDP_HEADER
        }
        (source, destination) => {
            let octets = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let header = Ipv6Header {
                payload_length: length,
                next_header: IpNumber::UDP,
                hop_limit: HOPS,
                source: octets(source),
                destination: octets(destination),
                ..Ipv6Header::default()
            };
            room[room_length - IPV6_HEADER..].copy_from_slice(&header.to_bytes());
            IPV6_HEADER + UDP_HEADER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Decoded, Decoder, ip};
    use super::*;

    fn received(from: &str, to: &str, length: usize) -> Received {
        Received {
            length,
            source: from.parse().expect("an address"),
            destination: to.parse().expect("an address"),
            time: 0,
        }
    }

    /// As etherparse reads them, which checks lengths and checksum.
    #[test]
    fn the_headers_are_those_of_a_datagram_from_there_to_here() {
        for (from, to) in [("10.0.0.1:7000", "10.0.0.2"), ("[fd00::1]:7000", "fd00::2")] {
            let mut packet = vec![0xff; IPV6_HEADER + UDP_HEADER];
            let length = write_headers(&mut packet, &received(from, to, 5), 4789);
            packet.extend(b"hello");
            let packet = &packet[IPV6_HEADER + UDP_HEADER - length..];
            let read = etherparse::SlicedPacket::from_ip(packet).expect("IP");
            let Some(etherparse::TransportSlice::Udp(udp)) = read.transport else { panic!("no UDP") };
            assert_eq!(
                (udp.source_port(), udp.destination_port(), udp.payload()),
                (7000, 4789, &b"hello"[..])
            );
            match read.net {
                Some(etherparse::NetSlice::Ipv4(ip)) => {
                    let header = ip.header().to_header();
                    assert_eq!(header.header_checksum, header.calc_header_checksum());
                    assert_eq!(format!("{}:7000", ip.header().source_addr()), from);
                    assert_eq!(ip.header().destination_addr().to_string(), to);
                }
                Some(etherparse::NetSlice::Ipv6(ip)) => {
                    assert_eq!(format!("[{}]:7000", ip.header().source_addr()), from);
                    assert_eq!(ip.header().destination_addr().to_string(), to);
                }
                _ => panic!("no IP"),
            }
            let (bytes, wire_length) = (packet, packet.len() as u32);
            let packet = Packet { link: LinkType::RAW, time: 0, wire_length, bytes };
            // Five bytes are no VXLAN.
            assert_eq!(Decoder::default().decode(&packet), Decoded::NotTcp(ip::UDP));
        }
    }
}
