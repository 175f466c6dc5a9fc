//! Tables of beginnings, and the law that what is certain stays so.

use proptest::prelude::*;

use super::*;

/// Beginnings and what they are. Each is the least that tells.
const BEGINNINGS: &[(&[u8], Recognised)] = &[
    (b"GET /", Recognised::Request),
    (b"\r\n\r\nPOST /", Recognised::Request),
    (b"OPTIONS * HTTP/1.1\r\n", Recognised::Request),
    (b"CONNECT a:443 HTTP/1.1\r\n", Recognised::Request),
    (b"GET http://a/ HTTP/1.0\n", Recognised::Request),
    (b"PROPFIND /x HTTP/1.1\r\n", Recognised::Request),
    (b"X!custom /x HTTP/1.1\r\n", Recognised::Request),
    (b"PURGE /x HTTP/1.1\r\n", Recognised::Request),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Recognised::Http2),
    (b"\0\0\x12\x04\0\0\0\0\0", Recognised::Http2),
    (b"HTTP/1.1 200", Recognised::Response),
    (b"\x16\x03\x01\x02\0", Recognised::Tls),
    (b"\x17\x03\x03\x00\x20", Recognised::Tls),
    (b"SSH-", Recognised::Other("SSH")),
    (b"220 ", Recognised::Other("SMTP or FTP")),
    (b"EHLO ", Recognised::Other("SMTP")),
    (b"* OK ", Recognised::Other("IMAP")),
    (b"*12\r\n$", Recognised::Other("Redis")),
    (b"+PONG\r\n", Recognised::Other("Redis")),
    (b"\x4a\0\0\0\x0a8", Recognised::Other("MySQL")),
    (b"\0\0\0\x54\0\x03\0\0", Recognised::Other("PostgreSQL")),
    (b"\0\0\0\x08\x04\xd2\x16\x2f", Recognised::Other("PostgreSQL")),
    (b"AMQP\0", Recognised::Other("AMQP")),
    (b"\x10\x1a\0\x04MQTT", Recognised::Other("MQTT")),
    (b"\x10\x80\x01\0\x06MQIsdp", Recognised::Other("MQTT")),
    (b"OPTIONS rtsp://a/b RTSP/1.0\r\n", Recognised::Other("RTSP")),
    (b"INVITE sip:a@b SIP/2.0\r\n", Recognised::Other("SIP")),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 9 80\r\n", Recognised::Proxy(33)),
    (b"PROXY UNKNOWN\r\n", Recognised::Proxy(15)),
    (b"PROXY UNKNOWN HTTP/1.0\n", Recognised::Request),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Recognised::Proxy(28)),
    (b"\x03\0\0\x13\x0e\xe0", Recognised::Other("RDP")),
    (b"\0\0\0\x45\xffSMB", Recognised::Other("SMB")),
    (b"\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0", Recognised::Other("MongoDB")),
];

#[test]
fn each_beginning_is_recognised_and_no_sooner() {
    for (bytes, expected) in BEGINNINGS {
        let text = bytes.escape_ascii();
        assert_eq!(recognise(bytes), *expected, "{text}");
        for end in 0..bytes.len() {
            assert_eq!(recognise(&bytes[..end]), Recognised::NeedMore, "{end} bytes of {text}");
        }
    }
}

#[test]
fn what_is_not_sure_is_unknown() {
    let long = [b"GARBAGE ".repeat(MAX_START_LINE / 8), b"x".to_vec()].concat();
    for bytes in [
        &b"hello world\r\n"[..],
        b"GET key\r\n",
        b"USER name\r\n",
        b"HTTP/1.1 abc",
        b"HTTP/2 200 OK",
        b"GET\r\n",
        b"\x16\x04\x01\x02\0",
        b"\x16\x03\x01\xff\xff",
        b"\0\0\x11\x04\0\0\0\0\0",
        b"PRI * HTTP/2.1\r\n",
        b"\xff\xfe\xfd\xfc",
        &long,
    ] {
        assert_eq!(recognise(bytes), Recognised::Unknown, "{}", bytes[..bytes.len().min(40)].escape_ascii());
    }
}

proptest! {
    #[test]
    fn what_is_certain_stays_so(
        at in 0..BEGINNINGS.len(), noise in prop::collection::vec((0_usize..20, any::<u8>()), 0..3),
        rest in prop::collection::vec(prop::sample::select(b"\r\n\0 A/1:\xff".to_vec()), 0..40),
        version in prop::sample::select(vec!["", " HTTP/1.0\n", " HTTP/1.1\r\n"]),
    ) {
        let mut bytes = BEGINNINGS[at].0.to_vec();
        for (place, byte) in noise {
            if let Some(found) = bytes.get_mut(place) { *found = byte; }
        }
        bytes.extend(version.as_bytes());
        bytes.extend(rest);
        let mut certain = Recognised::NeedMore;
        for end in 0..=bytes.len() {
            let now = recognise(&bytes[..end]);
            prop_assert!(certain == Recognised::NeedMore || certain == now, "{certain:?} became {now:?}");
            certain = now;
        }
    }
}
