//! Packets in a block of the ring (`TPACKET_V3`, the kernel's `packet_mmap` documentation).
//!
//! Nothing here trusts an offset: what points outside the block ends it.

use std::mem::offset_of;

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};

use super::super::captured::Packet;
use super::super::link;
use super::super::link_type::LinkType;

/// Bytes of a VLAN tag.
pub(super) const TAG: usize = 4;
/// Bytes of an Ethernet header before the place of a tag.
const BEFORE_TAG: usize = 12;

/// Where a frame's address (`sockaddr_ll`) begins.
const ADDRESS: usize = size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);

/// Where in a block its header is.
const HEADER: usize = offset_of!(tpacket_block_desc, hdr);
/// Where in a block the kernel says whose it is.
pub(super) const STATUS: usize = HEADER + offset_of!(tpacket_hdr_v1, block_status);

// Hardware types (`if_arp.h`) with a link layer that is looked into.
const IEEE80211: u16 = 801;
const IEEE80211_PRISM: u16 = 802;
const IEEE80211_RADIOTAP: u16 = 803;

/// Hands out the packets of a block, each with the index of its interface. `None`: the block is
/// not what it should be, and those after that place are left out.
pub(super) fn packets(block: &mut [u8], mut each: impl FnMut(u32, &Packet<'_>)) -> Option<()> {
    let number = u32_at(block, HEADER + offset_of!(tpacket_hdr_v1, num_pkts))?;
    let mut at = u32_at(block, HEADER + offset_of!(tpacket_hdr_v1, offset_to_first_pkt))? as usize;
    for _ in 0..number {
        let frame = block.get_mut(at..)?;
        let next = u32_at(frame, offset_of!(tpacket3_hdr, tp_next_offset))? as usize;
        packet(frame, &mut each)?;
        // The last one leads nowhere.
        if next == 0 {
            break;
        }
        at += next;
    }
    Some(())
}

/// Hands out the packet of a frame, rather than return it: it is not copied.
#[inline]
fn packet(frame: &mut [u8], each: &mut impl FnMut(u32, &Packet<'_>)) -> Option<()> {
    let field = |offset| u32_at(frame, offset);
    let seconds = field(offset_of!(tpacket3_hdr, tp_sec))?;
    let nanoseconds = field(offset_of!(tpacket3_hdr, tp_nsec))?;
    let captured = field(offset_of!(tpacket3_hdr, tp_snaplen))? as usize;
    let wire_length = field(offset_of!(tpacket3_hdr, tp_len))?;
    let status = field(offset_of!(tpacket3_hdr, tp_status))?;
    let mac = usize::from(u16_at(frame, offset_of!(tpacket3_hdr, tp_mac))?);
    let network = usize::from(u16_at(frame, offset_of!(tpacket3_hdr, tp_net))?);
    let interface = field(ADDRESS + offset_of!(sockaddr_ll, sll_ifindex))?;
    let hardware = u16_at(frame, ADDRESS + offset_of!(sockaddr_ll, sll_hatype))?;
    let protocol = u16::from_be(u16_at(frame, ADDRESS + offset_of!(sockaddr_ll, sll_protocol))?);

    let end = mac.checked_add(captured)?;
    let (link, start) = match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => (LinkType::ETHERNET, mac),
        IEEE80211 => (LinkType::IEEE802_11, mac),
        IEEE80211_PRISM => (LinkType::IEEE802_11_PRISM, mac),
        IEEE80211_RADIOTAP => (LinkType::IEEE802_11_RADIOTAP, mac),
        // Whatever is before it, the kernel says where the IP header begins: tun, PPP, tunnels.
        _ if [link::IPV4, link::IPV6].contains(&protocol) && (mac..=end).contains(&network) => {
            (LinkType::RAW, network)
        }
        _ => (LinkType::UNLISTED, mac),
    };
    let start = match link {
        LinkType::ETHERNET if status & libc::TP_STATUS_VLAN_VALID != 0 && captured >= BEFORE_TAG => {
            put_tag_back(frame, mac, status)?
        }
        _ => start,
    };
    let bytes = frame.get(start..end)?;
    let wire_length = (i64::from(wire_length) + mac as i64 - start as i64).max(bytes.len() as i64);
    let time = i64::from(seconds) * 1_000_000_000 + i64::from(nanoseconds);
    each(interface, &Packet { link, time, wire_length: wire_length as u32, bytes });
    Some(())
}

/// The kernel took the outer VLAN tag off. Moves the hardware addresses to make room for it, into
/// the space that the ring reserves before each packet. Returns where the packet begins now.
fn put_tag_back(frame: &mut [u8], mac: usize, status: u32) -> Option<usize> {
    let variant = offset_of!(tpacket3_hdr, hv1);
    let tag = u32_at(frame, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci))? as u16;
    let kind = match status & libc::TP_STATUS_VLAN_TPID_VALID {
        0 => link::VLAN,
        _ => u16_at(frame, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid))?,
    };
    let start = mac.checked_sub(TAG).filter(|start| *start >= ADDRESS + size_of::<sockaddr_ll>())?;
    let header = frame.get_mut(start..mac + BEFORE_TAG)?;
    header.copy_within(TAG.., 0);
    let [kind_1, kind_2] = kind.to_be_bytes();
    let [tag_1, tag_2] = tag.to_be_bytes();
    header.last_chunk_mut::<TAG>()?.copy_from_slice(&[kind_1, kind_2, tag_1, tag_2]);
    Some(start)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|field| u32::from_ne_bytes(*field))
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|field| u16::from_ne_bytes(*field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: usize = 86;
    const FRAME: &[u8] = b"aaaaaabbbbbb\x08\x00an IP packet";

    fn put(bytes: &mut [u8], offset: usize, field: &[u8]) {
        bytes[offset..offset + field.len()].copy_from_slice(field);
    }

    /// One frame as the kernel writes it.
    fn frame(hardware: u16, protocol: u16, status: u32, tag: u16, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_next_offset), &256u32.to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_sec), &7u32.to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_nsec), &9u32.to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_snaplen), &(FRAME.len() as u32).to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_len), &1000u32.to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_status), &status.to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_mac), &(MAC as u16).to_ne_bytes());
        put(&mut bytes, offset_of!(tpacket3_hdr, tp_net), &(MAC as u16 + 14).to_ne_bytes());
        let variant = offset_of!(tpacket3_hdr, hv1);
        put(
            &mut bytes,
            variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci),
            &u32::from(tag).to_ne_bytes(),
        );
        put(&mut bytes, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid), &kind.to_ne_bytes());
        put(&mut bytes, ADDRESS + offset_of!(sockaddr_ll, sll_ifindex), &3u32.to_ne_bytes());
        put(&mut bytes, ADDRESS + offset_of!(sockaddr_ll, sll_hatype), &hardware.to_ne_bytes());
        put(&mut bytes, ADDRESS + offset_of!(sockaddr_ll, sll_protocol), &protocol.to_be_bytes());
        put(&mut bytes, MAC, FRAME);
        bytes
    }

    fn block(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        let number = frames.len() as u32;
        put(&mut bytes, HEADER + offset_of!(tpacket_hdr_v1, num_pkts), &number.to_ne_bytes());
        put(&mut bytes, HEADER + offset_of!(tpacket_hdr_v1, offset_to_first_pkt), &48u32.to_ne_bytes());
        bytes.extend(frames.concat());
        bytes
    }

    #[test]
    fn packets_are_of_the_link_type_of_their_interface() {
        let cases = [
            (1, link::IPV4, LinkType::ETHERNET, FRAME, 1000),
            (772, link::IPV4, LinkType::ETHERNET, FRAME, 1000),
            (0xfffe, link::IPV4, LinkType::RAW, &FRAME[14..], 986),
            (512, link::IPV6, LinkType::RAW, &FRAME[14..], 986),
            (803, link::IPV4, LinkType::IEEE802_11_RADIOTAP, FRAME, 1000),
            (512, 0x0806, LinkType::UNLISTED, FRAME, 1000),
        ];
        let frames: Vec<_> = cases.iter().map(|case| frame(case.0, case.1, 0, 0, 0)).collect();
        let mut expected = cases.iter();
        let all = packets(&mut block(&frames), |interface, packet| {
            let (.., link, bytes, wire_length) = *expected.next().expect("no more than there are");
            assert_eq!(interface, 3);
            assert_eq!(*packet, Packet { link, time: 7_000_000_009, wire_length, bytes });
        });
        assert_eq!((all, expected.next()), (Some(()), None));
    }

    #[test]
    fn a_tag_that_the_kernel_took_off_is_put_back() {
        let (valid, with_kind) = (libc::TP_STATUS_VLAN_VALID, libc::TP_STATUS_VLAN_TPID_VALID);
        for (status, tagged) in
            [(valid, &b"\x81\x00\x20\x05"[..]), (valid | with_kind, b"\x88\xa8\x20\x05"), (0, b"")]
        {
            let mut block = block(&[frame(1, link::IPV4, status, 0x2005, link::QINQ)]);
            let mut seen = Vec::new();
            packets(&mut block, |_, packet| {
                assert_eq!(packet.wire_length as usize, 1000 + tagged.len());
                seen = packet.bytes.to_vec();
            });
            assert_eq!(seen, [&FRAME[..12], tagged, &FRAME[12..]].concat(), "{status:#x}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_block_nothing_outside_it_is_read(
            changes in prop::collection::vec((0usize..560, any::<u8>()), 0..20),
            length in 0usize..560,
        ) {
            let frames = [frame(1, link::IPV4, libc::TP_STATUS_VLAN_VALID, 5, 0), frame(512, 0x86dd, 0, 0, 0)];
            let mut block = block(&frames);
            for (at, byte) in changes {
                block[at] = byte;
            }
            block.truncate(length);
            packets(&mut block, |_, packet| assert!(packet.wire_length as usize >= packet.bytes.len()));
        }
    }
}
