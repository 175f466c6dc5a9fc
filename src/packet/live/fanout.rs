//! Which of several sockets a packet goes to, so that a connection is always seen by the same one.
//!
//! The kernel's own hash looks at the addresses too. This one looks at the ports alone, at both in the same way: both
//! directions of a connection go to one socket, and so do the two connections that a NAT makes of one, whose ids must
//! be kept apart. What is not plain TCP over IP (tunnels, which may hold any connection) goes to the first socket.

use libc::sock_filter;

use super::super::{ip, link};

/// Spreads ports that differ in few bits, as those of one client do, over all sockets (Knuth's multiplicative hash).
const SPREAD: u32 = 0x9e37_79b1;

const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_HALF_AT_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const SET_X: u32 = libc::BPF_LDX | libc::BPF_IMM;
const A_TO_X: u32 = libc::BPF_MISC | libc::BPF_TAX;
const KEEP: u32 = libc::BPF_ST;
const KEPT_TO_X: u32 = libc::BPF_LDX | libc::BPF_MEM;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const ADD_X: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X;
const MULTIPLY: u32 = libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K;
const SHIFT_LEFT: u32 = libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K;
const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const RETURN_A: u32 = libc::BPF_RET | libc::BPF_A;

// Where the program's parts begin.
const IPV6: u8 = 11;
const PORTS: u8 = 15;
const FIRST: u8 = 23;

/// The program; the kernel takes what it returns modulo the number of sockets.
pub(super) fn by_ports() -> Vec<sock_filter> {
    let network = |offset: i32| (libc::SKF_NET_OFF + offset) as u32;
    let mut code = Vec::new();
    let mut step = |instruction: u32, k: u32| {
        code.push(sock_filter { code: instruction as u16, jt: 0, jf: 0, k });
    };
    step(LOAD_WORD, (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL) as u32);
    step(IF_EQUAL, link::IPV4.into());
    step(LOAD_BYTE, network(9));
    step(IF_EQUAL, ip::TCP.into());
    step(LOAD_HALF, network(6));
    step(IF_ANY_BIT, 0x3fff);
    step(LOAD_BYTE, network(0));
    step(AND, 0x0f);
    step(SHIFT_LEFT, 2);
    step(A_TO_X, 0);
    step(JUMP, u32::from(PORTS - IPV6));
    step(IF_EQUAL, link::IPV6.into());
    step(LOAD_BYTE, network(6));
    step(IF_EQUAL, ip::TCP.into());
    step(SET_X, 40);
    step(LOAD_HALF_AT_X, network(0));
    step(KEEP, 0);
    step(LOAD_HALF_AT_X, network(2));
    step(KEPT_TO_X, 0);
    step(ADD_X, 0);
    step(MULTIPLY, SPREAD);
    step(SHIFT_RIGHT, 16);
    step(RETURN_A, 0);
    step(RETURN, 0);
    // What is not what is asked for goes elsewhere; a fragment is asked for.
    for (at, target) in [(1, IPV6), (3, FIRST), (11, FIRST), (13, FIRST)] {
        code[at].jf = target - at as u8 - 1;
    }
    code[5].jt = FIRST - 5 - 1;
    code
}
