//! Filter programs one after the other, so that a packet must pass all of them.

use libc::sock_filter;

const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

// Bits of an instruction's code: its class, and for loads where from.
const CLASS: u32 = 0x07;
const MODE: u32 = 0xe0;

/// What passes the first program goes through the second. None: the first accepts a length
/// that it computes, which libpcap's compiler does not do.
pub(super) fn both(first: &[sock_filter], second: &[sock_filter]) -> Option<Vec<sock_filter>> {
    let mut code = accept_after(first, 0)?;
    code.extend_from_slice(second);
    Some(code)
}

/// The first program is for frames that begin with an Ethernet header, the second for all others and was
/// compiled for packets that begin with IP. What passes goes through the third.
pub(super) fn by_hardware(
    ethernet: &[sock_filter],
    network: &[sock_filter],
    last: &[sock_filter],
) -> Option<Vec<sock_filter>> {
    let hardware = (libc::SKF_AD_OFF + libc::SKF_AD_HATYPE) as u32;
    let mut code = vec![
        instruction(LOAD_WORD, hardware, 0, 0),
        instruction(IF_EQUAL, libc::ARPHRD_ETHER.into(), 2, 0),
        instruction(IF_EQUAL, libc::ARPHRD_LOOPBACK.into(), 1, 0),
        instruction(JUMP, ethernet.len() as u32, 0, 0),
    ];
    code.extend(accept_after(ethernet, network.len())?);
    code.extend(accept_after(&at_network_layer(network), 0)?);
    code.extend_from_slice(last);
    Some(code)
}

/// A program that goes on `distance` instructions after its end, where it accepted.
fn accept_after(program: &[sock_filter], distance: usize) -> Option<Vec<sock_filter>> {
    let length = program.len();
    let go_on = |(at, step): (usize, &sock_filter)| {
        let code = u32::from(step.code);
        if code & CLASS != libc::BPF_RET || (code == RETURN && step.k == 0) {
            return Some(*step);
        }
        (code == RETURN).then(|| instruction(JUMP, (length - at - 1 + distance) as u32, 0, 0))
    };
    program.iter().enumerate().map(go_on).collect()
}

/// A program that loads bytes from where the kernel says that the network layer begins, not from the
/// begin of the frame.
fn at_network_layer(program: &[sock_filter]) -> Vec<sock_filter> {
    let moved = |step: &sock_filter| {
        let code = u32::from(step.code);
        let is_load = [libc::BPF_LD, libc::BPF_LDX].contains(&(code & CLASS))
            && [libc::BPF_ABS, libc::BPF_IND, libc::BPF_MSH].contains(&(code & MODE));
        // Offsets from there on are of what the kernel knows besides the bytes.
        let is_of_frame = is_load && step.k < libc::SKF_LL_OFF as u32;
        let k = if is_of_frame { step.k.wrapping_add(libc::SKF_NET_OFF as u32) } else { step.k };
        sock_filter { k, ..*step }
    };
    program.iter().map(moved).collect()
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept_if_equal(k: u32) -> [sock_filter; 4] {
        [
            instruction(LOAD_WORD, 12, 0, 0),
            instruction(IF_EQUAL, k, 0, 1),
            instruction(RETURN, 0x40000, 0, 0),
            instruction(RETURN, 0, 0, 0),
        ]
    }

    /// Where a jump at this place leads to.
    fn target(code: &[sock_filter], at: usize) -> usize {
        assert_eq!(u32::from(code[at].code), JUMP, "{at}");
        at + 1 + code[at].k as usize
    }

    #[test]
    fn what_the_first_accepts_goes_to_the_second_and_what_it_refuses_does_not() {
        let second = [instruction(RETURN, u32::MAX, 0, 0)];
        let code = both(&accept_if_equal(7), &second).expect("it returns constants");
        assert_eq!(code.len(), 5);
        assert_eq!(target(&code, 2), 4);
        assert_eq!((u32::from(code[3].code), code[3].k), (RETURN, 0));
        assert_eq!((u32::from(code[4].code), code[4].k), (RETURN, u32::MAX));
    }

    #[test]
    fn the_hardware_decides_which_one_comes_first() {
        let last = [instruction(RETURN, 1, 0, 0)];
        let code = by_hardware(&accept_if_equal(7), &accept_if_equal(8), &last).expect("constants");
        // Ethernet and loopback go to 4, all else to 8.
        assert_eq!((1 + 1 + usize::from(code[1].jt), 2 + 1 + usize::from(code[2].jt)), (4, 4));
        assert_eq!(target(&code, 3), 8);
        assert_eq!((code[4].k, code[8].k), (12, (libc::SKF_NET_OFF + 12) as u32));
        assert_eq!((target(&code, 6), target(&code, 10)), (12, 12));
        assert_eq!((code.len(), u32::from(code[12].code), code[12].k), (13, RETURN, 1));
    }

    #[test]
    fn a_length_that_is_computed_cannot_be_followed() {
        let computed = instruction(libc::BPF_RET | 0x10, 0, 0, 0);
        assert!(both(&[computed], &[]).is_none());
    }
}
