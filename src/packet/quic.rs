//! QUIC, of which only the first packets of a connection are known: the rest is encrypted, its headers too.

/// The least a datagram with a client's Initial packet is long (RFC 9000 §14.1).
const LEAST_DATAGRAM: usize = 1200;

/// The longest connection id of these versions (RFC 9000 §17.2).
const MAX_CONNECTION_ID: u8 = 20;

/// Whether a datagram begins with an Initial packet, with which a connection begins (RFC 9000 §17.2.2, RFC 9369 §3.2,
/// and the drafts before them).
pub(super) fn is_initial(datagram: &[u8], wire_length: usize) -> bool {
    let &[first, v0, v1, v2, v3, id_length, ..] = datagram else { return false };
    let initial = match u32::from_be_bytes([v0, v1, v2, v3]) {
        1 | 0xff00_0000..=0xff00_00ff => 0b1100,
        0x6b33_43cf => 0b1101,
        _ => return false,
    };
    first >> 4 == initial && id_length <= MAX_CONNECTION_ID && wire_length >= LEAST_DATAGRAM
}

#[cfg(test)]
mod tests {
    use super::is_initial;

    #[test]
    fn a_connection_begins_with_an_initial_packet_of_a_known_version() {
        let cases: [(&[u8], usize, bool); 9] = [
            (&[0xc3, 0, 0, 0, 1, 8], 1200, true),
            (&[0xc0, 0xff, 0, 0, 29, 20], 1252, true),
            (&[0xd0, 0x6b, 0x33, 0x43, 0xcf, 8], 1200, true),
            // Too short, a handshake packet, a short header, version negotiation, a long id, too few bytes.
            (&[0xc3, 0, 0, 0, 1, 8], 1199, false),
            (&[0xe3, 0, 0, 0, 1, 8], 1200, false),
            (&[0x43, 0, 0, 0, 1, 8], 1200, false),
            (&[0xc3, 0, 0, 0, 0, 8], 1200, false),
            (&[0xc3, 0, 0, 0, 1, 21], 1200, false),
            (&[0xc3, 0, 0, 0, 1], 1200, false),
        ];
        for (bytes, length, expected) in cases {
            assert_eq!(is_initial(bytes, length), expected, "{bytes:x?} {length}");
        }
    }
}
