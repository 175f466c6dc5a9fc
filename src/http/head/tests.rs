//! Tables of heads, ordinary and odd.

use proptest::prelude::*;

use super::*;

#[test]
fn a_request_line_is_read_from_both_ends() {
    for (line, expected) in [
        ("GET / HTTP/1.1\r\n", Some(("GET", "/", "HTTP/1.1"))),
        ("\r\n\nGET / HTTP/1.1\nrest", Some(("GET", "/", "HTTP/1.1"))),
        ("M-SEARCH * HTTP/1.1\r\n", Some(("M-SEARCH", "*", "HTTP/1.1"))),
        ("CONNECT a:443 HTTP/1.1\r\n", Some(("CONNECT", "a:443", "HTTP/1.1"))),
        ("GET /a b HTTP/1.1 \r\n", Some(("GET", "/a b", "HTTP/1.1"))),
        ("GET  /a  HTTP/1.1\r\n", Some(("GET", "/a", "HTTP/1.1"))),
        ("GET /a\r\n", Some(("GET", "/a", ""))),
        ("GET HTTP/1.1\r\n", None),
        ("GET / HTTP/1.1", None),
        ("GET\r\n", None),
        ("\r\n", None),
        ("", None),
    ] {
        let words = request_line(line.as_bytes()).map(|words| (words.method, words.target, words.version));
        let expected =
            expected.map(|(a, b, c): (&str, &str, &str)| (a.as_bytes(), b.as_bytes(), c.as_bytes()));
        assert_eq!(words, expected, "{line:?}");
    }
}

#[test]
fn a_status_line_needs_three_digits_and_no_reason() {
    for (line, expected) in [
        ("HTTP/1.1 200 OK\r\n", Some(("HTTP/1.1", 200, "OK"))),
        ("HTTP/1.0 404 Not  Found \n", Some(("HTTP/1.0", 404, "Not  Found "))),
        ("HTTP/1.1 200\r\n", Some(("HTTP/1.1", 200, ""))),
        ("HTTP/1.1  200 \r\n", Some(("HTTP/1.1", 200, ""))),
        ("HTTP/1.1 20\r\n", None),
        ("HTTP/1.1 2000\r\n", None),
        ("HTTP/1.1 2x0 OK\r\n", None),
        ("GET / HTTP/1.1\r\n", None),
        ("HTTP/1.1\r\n", None),
        ("HTTP/1.1 200 OK", None),
    ] {
        let words = status_line(line.as_bytes()).map(|words| (words.version, words.status, words.reason));
        let expected = expected.map(|(a, status, b): (&str, u16, &str)| (a.as_bytes(), status, b.as_bytes()));
        assert_eq!(words, expected, "{line:?}");
    }
}

const ODD: &[u8] = b"\r\nGET / HTTP/1.1\r\nhOsT:\t a.example \r\nX:\xff\xfe\nno colon\r\nSpaced : 1\r\nFold: a\r\n  b\r\n\tc\r\n: nameless\r\nx: 2\r\n\r\nbody: not a field\r\n\r\n";

#[test]
fn fields_keep_case_order_and_odd_bytes() {
    let head = Head::of(ODD).expect("a whole head");
    assert!(ODD[head.len()..].starts_with(b"body"));
    assert_eq!(head.start_line(), b"GET / HTTP/1.1");
    let fields: Vec<_> = head.fields().map(|field| (field.name, field.value)).collect();
    let expected: &[(&[u8], &[u8])] = &[
        (b"hOsT", b"a.example"),
        (b"X", b"\xff\xfe"),
        (b"no colon", b""),
        (b"Spaced", b"1"),
        (b"Fold", b"a\r\n  b\r\n\tc"),
        (b"", b"nameless"),
        (b"x", b"2"),
    ];
    assert_eq!(fields, expected);
    assert_eq!(head.values(b"HOST").collect::<Vec<_>>(), [b"a.example"]);
    assert_eq!(head.values(b"x").collect::<Vec<_>>(), [&b"\xff\xfe"[..], b"2"]);
    assert_eq!(head.values(b"body").count(), 0);
}

#[test]
fn ranges_lead_back_to_the_message() {
    let head = Head::of(ODD).expect("a whole head");
    let mut lines = Vec::new();
    for field in head.fields() {
        assert_eq!(&ODD[field.value_range.clone()], field.value);
        lines.extend_from_slice(&ODD[field.line]);
    }
    assert_eq!([b"\r\nGET / HTTP/1.1\r\n", &lines[..], b"\r\n"].concat(), head.bytes());
}

#[test]
fn a_field_can_be_left_out() {
    let message = b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nA: b\r\nexpect:\r\n x\r\n\r\nbody";
    let head = Head::of(message).expect("a whole head");
    assert_eq!(head.without(b"Expect").collect::<Vec<_>>().concat(), b"PUT / HTTP/1.1\r\nA: b\r\n\r\n");
    assert_eq!(head.without(b"B").collect::<Vec<_>>(), [head.bytes()]);
}

#[test]
fn a_head_without_its_empty_line_is_no_head() {
    for bytes in [
        "",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\r",
        "\r\n\r\n",
    ] {
        assert!(Head::of(bytes.as_bytes()).is_none(), "{bytes:?}");
    }
    for bytes in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n\n", "x\nA: b\n\r\n"] {
        assert_eq!(Head::of(bytes.as_bytes()).map(|head| head.len()), Some(bytes.len()), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn every_line_of_any_head_is_in_a_field(words in prop::collection::vec(prop::sample::select(vec!["a", ":", " ", "\t", "\r\n", "\n", "\r", "\u{ff}"]), 0..40)) {
        let bytes = format!("{}\r\n\r\n", words.concat()).into_bytes();
        if let Some(head) = Head::of(&bytes) {
            let mut at = head.bytes().len();
            for field in head.fields() {
                prop_assert_eq!(&bytes[field.value_range], field.value);
                at = at.min(field.line.start);
                prop_assert!(field.line.end > field.line.start);
            }
            let lines: usize = head.fields().map(|field| field.line.len()).sum();
            let rest = head.bytes().len() - at - lines;
            prop_assert!(rest <= 2, "what is in no field is the empty line");
            let name = b"a";
            let left: usize = head.without(name).map(<[u8]>::len).sum();
            let gone: usize = head.fields_named(name).map(|field| field.line.len()).sum();
            prop_assert_eq!(left + gone, head.len());
        }
    }
}
