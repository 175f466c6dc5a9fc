//! What the kernel is to let through, as a program of classic BPF.
//!
//! It refuses only what the decoder could not make a segment at one of the ports of. Headers are
//! found from the network layer, where the kernel says it begins, so one program serves all
//! link types, and a VLAN tag that the kernel took off is not in the way.

use std::ops::RangeInclusive;

use libc::sock_filter;

use super::super::{ip, link, tunnel};
use super::Tap;

/// The longest program that the kernel takes.
const MAX_INSTRUCTIONS: usize = 4096;

/// Bytes of a UDP header.
const UDP_HEADER: i32 = 8;

/// What `ethertype` says of 802.2 frames in the kernel.
const ETH_P_802_2: u16 = 4;

/// Bits of a datagram's first byte that QUIC sets in packets with a long header, as those are with which a
/// connection begins (RFC 9000 §17.2).
const LONG_HEADER: u32 = 0xc0;

const ACCEPT: u32 = u32::MAX;
const REFUSE: u32 = 0;

const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_WORD_AT_X: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_IND;
const LOAD_BYTE_AT_X: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
const LOAD_KEPT: u32 = libc::BPF_LD | libc::BPF_MEM;
const SET_X: u32 = libc::BPF_LDX | libc::BPF_IMM;
const A_TO_X: u32 = libc::BPF_MISC | libc::BPF_TAX;
const KEEP: u32 = libc::BPF_ST;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const SHIFT_LEFT: u32 = libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K;
const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ABOVE: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// What follows an IP header and may lead to TCP further inside.
const IN_BOTH: [u8; 4] = [ip::GRE, ip::IPV4, ip::IPV6, ip::AUTHENTICATION];
const IN_IPV6: [u8; 4] = [ip::HOP_BY_HOP, ip::ROUTING, ip::DESTINATION, ip::FRAGMENT];

/// Ether types with IP further inside.
const WRAPPERS: [u16; 8] = [
    link::VLAN,
    link::QINQ,
    link::QINQ_OLD,
    link::SERVICE_TAG,
    link::PPPOE_SESSION,
    link::MPLS,
    link::MPLS_MULTICAST,
    ETH_P_802_2,
];

/// A program that lets through TCP at the ports of a tap, on either side, the beginnings of QUIC connections there,
/// and whatever may hold such TCP deeper inside: fragments, tunnels, tags that are still in the frame. Without ports, or with more than a program
/// has room for, all packets go through. Of the two sightings of a packet on a loopback interface, only the one
/// that comes in does.
pub fn filter(tap: &Tap) -> Vec<sock_filter> {
    let program = FilterProgram::of(tap);
    if program.code.len() <= MAX_INSTRUCTIONS {
        return program.code;
    }
    FilterProgram::of(&Tap { ports: Vec::new(), ..tap.clone() }).code
}

#[derive(Default)]
struct FilterProgram {
    code: Vec<sock_filter>,
}

impl FilterProgram {
    fn of(tap: &Tap) -> Self {
        let ports = &tap.ports;
        let mut program = FilterProgram::default();
        program.refuse_loopback_twin();
        program.choose_interfaces(&tap.only, &tap.ignored);
        if ports.is_empty() {
            program.add(RETURN, ACCEPT);
            return program;
        }
        // The kernel refuses a program that reads what was not kept, and looks for that line by line, over returns too.
        program.add(KEEP, 0);
        program.add(LOAD_WORD, ancillary(libc::SKF_AD_PROTOCOL));
        for kind in WRAPPERS {
            program.accept_if(u32::from(kind));
        }
        let mut to_tcp = Vec::new();
        let mut to_udp = Vec::new();
        program.section(u32::from(link::IPV4), |program| {
            program.add(LOAD_HALF, network(6));
            program.branch(IF_ANY_BIT, 0x3fff, 0, 1);
            program.add(RETURN, ACCEPT);
            program.add(LOAD_BYTE, network(0));
            program.add(AND, 0x0f);
            program.add(SHIFT_LEFT, 2);
            program.add(A_TO_X, 0);
            program.add(LOAD_BYTE, network(9));
            program.transport(&[], &mut to_tcp, &mut to_udp);
        });
        program.section(u32::from(link::IPV6), |program| {
            program.add(SET_X, 40);
            program.add(LOAD_BYTE, network(6));
            program.transport(&IN_IPV6, &mut to_tcp, &mut to_udp);
        });
        program.add(RETURN, REFUSE);
        let tunnels: Vec<_> = tunnel::PORTS.iter().chain(&tap.tunnels).map(|port| *port..=*port).collect();
        for jump in to_udp {
            program.lands_here(jump);
        }
        program.ports(&tunnels);
        program.add(LOAD_BYTE_AT_X, network(UDP_HEADER));
        program.add(AND, LONG_HEADER);
        program.section(LONG_HEADER, |program| {
            to_tcp.push(program.code.len());
            program.add(JUMP, 0);
        });
        program.add(RETURN, REFUSE);
        for jump in to_tcp {
            program.lands_here(jump);
        }
        program.ports(ports);
        program.add(RETURN, REFUSE);
        program
    }

    /// What is sent over a loopback interface is seen going out and coming in.
    fn refuse_loopback_twin(&mut self) {
        self.add(LOAD_WORD, ancillary(libc::SKF_AD_PKTTYPE));
        self.branch(IF_EQUAL, u32::from(libc::PACKET_OUTGOING), 0, 3);
        self.add(LOAD_WORD, ancillary(libc::SKF_AD_HATYPE));
        self.branch(IF_EQUAL, u32::from(libc::ARPHRD_LOOPBACK), 0, 1);
        self.add(RETURN, REFUSE);
    }

    fn choose_interfaces(&mut self, only: &[u32], ignored: &[u32]) {
        if only.is_empty() && ignored.is_empty() {
            return;
        }
        self.add(LOAD_WORD, ancillary(libc::SKF_AD_IFINDEX));
        for index in ignored {
            self.branch(IF_EQUAL, *index, 0, 1);
            self.add(RETURN, REFUSE);
        }
        if only.is_empty() {
            return;
        }
        let mut found = Vec::new();
        for index in only {
            self.branch(IF_EQUAL, *index, 0, 1);
            found.push(self.code.len());
            self.add(JUMP, 0);
        }
        self.add(RETURN, REFUSE);
        for jump in found {
            self.lands_here(jump);
        }
    }

    /// The protocol is loaded, and X is the length of the IP header.
    fn transport(&mut self, others: &[u8], to_tcp: &mut Vec<usize>, to_udp: &mut Vec<usize>) {
        for (protocol, jumps) in [(ip::TCP, to_tcp), (ip::UDP, to_udp)] {
            self.section(u32::from(protocol), |program| {
                program.add(LOAD_WORD_AT_X, network(0));
                program.add(KEEP, 0);
                jumps.push(program.code.len());
                program.add(JUMP, 0);
            });
        }
        for protocol in IN_BOTH.iter().chain(others) {
            self.accept_if(u32::from(*protocol));
        }
        self.add(RETURN, REFUSE);
    }

    /// Accepts what has one of these ports, both of which are kept as one word.
    fn ports(&mut self, ports: &[RangeInclusive<u16>]) {
        for (code, k) in [(SHIFT_RIGHT, 16), (AND, 0xffff)] {
            self.add(LOAD_KEPT, 0);
            self.add(code, k);
            for range in ports {
                let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
                if first == last {
                    self.accept_if(first);
                    continue;
                }
                self.branch(IF_AT_LEAST, first, 0, 2);
                self.branch(IF_ABOVE, last, 1, 0);
                self.add(RETURN, ACCEPT);
            }
        }
    }

    /// Instructions for when A is this value. They do not run on into what follows. A conditional jump
    /// reaches only 255 instructions far, an unconditional one anywhere.
    fn section(&mut self, value: u32, body: impl FnOnce(&mut Self)) {
        self.branch(IF_EQUAL, value, 1, 0);
        let jump = self.code.len();
        self.add(JUMP, 0);
        body(self);
        self.lands_here(jump);
    }

    fn accept_if(&mut self, value: u32) {
        self.branch(IF_EQUAL, value, 0, 1);
        self.add(RETURN, ACCEPT);
    }

    fn add(&mut self, code: u32, k: u32) {
        self.code.push(sock_filter { code: code as u16, jt: 0, jf: 0, k });
    }

    fn branch(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.code.push(sock_filter { code: code as u16, jt, jf, k });
    }

    fn lands_here(&mut self, jump: usize) {
        let here = self.code.len();
        if let Some(jump_at) = self.code.get_mut(jump) {
            jump_at.k = (here - jump - 1) as u32;
        }
    }
}

/// What the kernel knows of a packet besides its bytes.
fn ancillary(field: i32) -> u32 {
    (libc::SKF_AD_OFF + field) as u32
}

/// A byte of the network layer.
fn network(offset: i32) -> u32 {
    (libc::SKF_NET_OFF + offset) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as the kernel shows it to the program.
    #[derive(Clone)]
    struct KernelPacket {
        kind: u8,
        interface: u32,
        hardware: u16,
        protocol: u16,
        network: Vec<u8>,
    }

    impl KernelPacket {
        fn load(&self, k: u32, width: usize) -> Option<u32> {
            let k = k as i32;
            if k >= libc::SKF_AD_OFF {
                return match k - libc::SKF_AD_OFF {
                    libc::SKF_AD_PROTOCOL => Some(u32::from(self.protocol)),
                    libc::SKF_AD_PKTTYPE => Some(u32::from(self.kind)),
                    libc::SKF_AD_IFINDEX => Some(self.interface),
                    libc::SKF_AD_HATYPE => Some(u32::from(self.hardware)),
                    other => panic!("ancillary field {other}"),
                };
            }
            let from = usize::try_from(k - libc::SKF_NET_OFF).expect("an offset of the network layer");
            let bytes = self.network.get(from..from + width)?;
            Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
        }
    }

    /// Runs a program as the kernel does: a load beyond the packet refuses it.
    fn run(program: &[sock_filter], packet: &KernelPacket) -> bool {
        let (mut at, mut a, mut x, mut kept) = (0, 0u32, 0u32, 0u32);
        loop {
            let step = program[at];
            at += 1;
            let loaded = match u32::from(step.code) {
                LOAD_WORD => packet.load(step.k, 4),
                LOAD_HALF => packet.load(step.k, 2),
                LOAD_BYTE => packet.load(step.k, 1),
                LOAD_WORD_AT_X => packet.load(step.k.wrapping_add(x), 4),
                LOAD_BYTE_AT_X => packet.load(step.k.wrapping_add(x), 1),
                LOAD_KEPT => Some(kept),
                AND => Some(a & step.k),
                SHIFT_LEFT => Some(a << step.k),
                SHIFT_RIGHT => Some(a >> step.k),
                code => {
                    match code {
                        SET_X => x = step.k,
                        A_TO_X => x = a,
                        KEEP => kept = a,
                        JUMP => at += step.k as usize,
                        IF_EQUAL => at += usize::from(if a == step.k { step.jt } else { step.jf }),
                        IF_AT_LEAST => at += usize::from(if a >= step.k { step.jt } else { step.jf }),
                        IF_ABOVE => at += usize::from(if a > step.k { step.jt } else { step.jf }),
                        IF_ANY_BIT => at += usize::from(if a & step.k != 0 { step.jt } else { step.jf }),
                        RETURN => return step.k != 0,
                        code => panic!("instruction {code:#x}"),
                    }
                    Some(a)
                }
            };
            match loaded {
                Some(value) => a = value,
                None => return false,
            }
        }
    }

    fn filter_at(ports: &[RangeInclusive<u16>]) -> Vec<sock_filter> {
        filter(&Tap { ports: ports.to_vec(), ..Tap::default() })
    }

    fn seen(protocol: u16, network: Vec<u8>) -> KernelPacket {
        KernelPacket {
            kind: libc::PACKET_HOST,
            interface: 2,
            hardware: libc::ARPHRD_ETHER,
            protocol,
            network,
        }
    }

    /// IPv4 with so many words of options, then the two ports.
    fn ipv4(options: u8, fragment: u16, protocol: u8, ports: [u16; 2]) -> KernelPacket {
        let mut bytes = vec![0; 20 + 4 * usize::from(options)];
        bytes[0] = 0x45 + options;
        bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
        bytes[9] = protocol;
        bytes.extend(ports.map(u16::to_be_bytes).concat());
        seen(0x0800, bytes)
    }

    fn ipv6(protocol: u8, ports: [u16; 2]) -> KernelPacket {
        let mut bytes = vec![0; 40];
        bytes[0] = 0x60;
        bytes[6] = protocol;
        bytes.extend(ports.map(u16::to_be_bytes).concat());
        seen(0x86dd, bytes)
    }

    /// The same with a payload of UDP that begins with this byte.
    fn quic(first: u8, mut datagram: KernelPacket) -> KernelPacket {
        datagram.network.extend([0, 0, 0, 0, first]);
        datagram
    }

    #[test]
    fn what_may_be_at_a_port_goes_through_and_nothing_else() {
        let program = filter_at(&[80..=80, 8080..=8080]);
        let mut cut = ipv4(0, 0, 6, [80, 80]);
        cut.network.truncate(22);
        let cases = [
            (true, "to a port", ipv4(0, 0, 6, [40000, 80])),
            (true, "from a port", ipv4(0, 0, 6, [8080, 40000])),
            (false, "other ports", ipv4(0, 0, 6, [40000, 81])),
            (true, "do not fragment", ipv4(0, 0x4000, 6, [40000, 80])),
            (false, "do not fragment, other ports", ipv4(0, 0x4000, 6, [40000, 81])),
            (true, "options", ipv4(10, 0, 6, [40000, 80])),
            (false, "options, other ports", ipv4(10, 0, 6, [40000, 81])),
            (true, "first fragment", ipv4(0, 0x2000, 6, [40000, 81])),
            (true, "later fragment", ipv4(0, 0x00b9, 17, [1, 2])),
            (false, "udp at the port", ipv4(0, 0, 17, [40000, 80])),
            (true, "quic", quic(0xc3, ipv4(0, 0, 17, [40000, 80]))),
            (true, "quic, the answer", quic(0xc3, ipv4(3, 0, 17, [8080, 40000]))),
            (true, "quic over ipv6", quic(0xd0, ipv6(17, [40000, 80]))),
            (false, "quic, later", quic(0x43, ipv4(0, 0, 17, [40000, 80]))),
            (false, "quic, other ports", quic(0xc3, ipv4(0, 0, 17, [40000, 81]))),
            (true, "vxlan", ipv4(0, 0, 17, [40000, 4789])),
            (true, "vxlan-gpe", ipv4(0, 0, 17, [40000, 4790])),
            (true, "geneve", ipv6(17, [40000, 6081])),
            (true, "gtp-u, the answer", ipv4(0, 0, 17, [2152, 40000])),
            (true, "gre", ipv4(0, 0, 47, [0, 0])),
            (true, "ip in ip", ipv4(0, 0, 4, [0, 0])),
            (true, "6in4", ipv4(0, 0, 41, [0, 0])),
            (false, "icmp", ipv4(0, 0, 1, [0, 80])),
            (false, "esp", ipv4(0, 0, 50, [80, 80])),
            (true, "ipv6", ipv6(6, [40000, 80])),
            (false, "ipv6, other ports", ipv6(6, [40000, 443])),
            (true, "ipv6 fragment", ipv6(44, [0, 0])),
            (true, "ipv6 hop by hop", ipv6(0, [0, 0])),
            (false, "ipv4 protocol 0", ipv4(0, 0, 0, [80, 80])),
            (false, "icmpv6", ipv6(58, [80, 80])),
            (false, "arp", seen(0x0806, vec![0; 28])),
            (true, "a tag in the frame", seen(0x8100, vec![0; 40])),
            (true, "mpls", seen(0x8847, vec![0; 40])),
            (false, "cut within the ports", cut),
        ];
        for (goes_through, name, packet) in cases {
            assert_eq!(run(&program, &packet), goes_through, "{name}");
        }
    }

    #[test]
    fn a_packet_on_loopback_goes_through_once() {
        for program in [filter_at(&[]), filter_at(&[80..=80])] {
            let mut packet = ipv4(0, 0, 6, [40000, 80]);
            packet.hardware = libc::ARPHRD_LOOPBACK;
            assert!(run(&program, &packet));
            packet.kind = libc::PACKET_OUTGOING;
            assert!(!run(&program, &packet));
            packet.hardware = libc::ARPHRD_ETHER;
            assert!(run(&program, &packet));
        }
    }

    #[test]
    fn without_ports_everything_goes_through() {
        assert!(run(&filter_at(&[]), &seen(0x0806, vec![0; 28])));
    }

    #[test]
    fn as_many_ports_as_there_is_room_for_are_told_apart() {
        let every_other = |last: u16| (1000..=last).step_by(2).map(|port| port..=port).collect::<Vec<_>>();
        let program = filter_at(&every_other(2798));
        assert!(program.len() > MAX_INSTRUCTIONS / 2 && program.len() <= MAX_INSTRUCTIONS);
        for port in [999, 1000, 1001, 1510, 1511, 1512, 2798, 2799, 2800] {
            let is_one = (1000..2800).contains(&port) && port % 2 == 0;
            for ends in [[port, 1], [1, port]] {
                assert_eq!(run(&program, &ipv4(0, 0, 6, ends)), is_one, "{port}");
                assert_eq!(run(&program, &ipv6(6, ends)), is_one, "{port}");
            }
        }
        assert!(run(&filter_at(&every_other(5000)), &ipv4(0, 0, 6, [40000, 50000])));
    }

    #[test]
    fn a_range_is_compared_with_not_listed() {
        let program = filter_at(&[80..=80, 8000..=8010, 60000..=65535]);
        assert!(program.len() < filter_at(&[80..=80]).len() + 20, "{}", program.len());
        for (port, goes_through) in [
            (79, false),
            (80, true),
            (81, false),
            (7999, false),
            (8000, true),
            (8005, true),
            (8010, true),
            (8011, false),
            (59999, false),
            (60000, true),
            (65535, true),
        ] {
            for ends in [[port, 1], [1, port]] {
                assert_eq!(run(&program, &ipv4(0, 0, 6, ends)), goes_through, "{port}");
                assert_eq!(run(&program, &ipv6(6, ends)), goes_through, "{port}");
            }
        }
    }

    #[test]
    fn of_several_interfaces_that_are_named_the_packets_go_through() {
        for ports in [&[80..=80][..], &[]] {
            let program = filter(&Tap { ports: ports.to_vec(), only: vec![2, 5, 7], ..Tap::default() });
            for (interface, goes_through) in
                [(1, false), (2, true), (3, false), (5, true), (7, true), (8, false)]
            {
                let packet = KernelPacket { interface, ..ipv4(0, 0, 6, [80, 1]) };
                assert_eq!(run(&program, &packet), goes_through, "{interface}");
            }
        }
    }

    #[test]
    fn more_tunnels_go_through_and_ignored_interfaces_do_not() {
        for ports in [&[80..=80][..], &[]] {
            let program = filter(&Tap {
                ports: ports.to_vec(),
                tunnels: vec![4788],
                ignored: vec![3, 9],
                ..Tap::default()
            });
            for packet in [ipv4(0, 0, 17, [40000, 4788]), ipv4(0, 0, 6, [80, 1])] {
                for (interface, goes_through) in [(1, true), (3, false), (9, false)] {
                    assert_eq!(run(&program, &KernelPacket { interface, ..packet.clone() }), goes_through);
                }
            }
        }
        assert!(!run(&filter_at(&[80..=80]), &ipv4(0, 0, 17, [40000, 4788])));
    }
}
