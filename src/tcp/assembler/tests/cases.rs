//! Streams by cases: segments in, what comes out of them, and what is counted.

use super::{ACK, FIN, PATIENT, RST, SYN, TestDirection};
use crate::tcp::assembler::{Flags, Segment, Seq};

/// Flags, sequence number, payload, missing bytes, time.
type Row = (Flags, u32, &'static str, u32, i64);

/// Pushes rows, flushes, and tells what came before and after the flush.
fn run(first: u32, rows: &[Row]) -> (String, TestDirection) {
    let mut line = TestDirection::new(PATIENT);
    for &(flags, seq, payload, missing, time) in rows {
        let seq = Seq(first) + seq;
        line.push(&Segment { seq, ack: Some(Seq(9)), flags, payload: payload.as_bytes(), missing, time });
    }
    let before = line.text();
    line.flush();
    let after = line.text();
    let text = if before == after { before } else { format!("{before} then {}", &after[before.len()..]) };
    (text, line)
}

/// Name, what comes out, what goes in.
const CASES: &[(&str, &str, &[Row])] = &[
    (
        "in order",
        "abcdef|",
        &[(SYN, 0, "", 0, 0), (ACK, 1, "abc", 0, 1), (ACK, 4, "def", 0, 2), (FIN, 7, "", 0, 3)],
    ),
    ("reordered", "abcdef", &[(SYN, 0, "", 0, 0), (ACK, 4, "def", 0, 1), (ACK, 1, "abc", 0, 2)]),
    (
        "retransmitted",
        "abcdef",
        &[(SYN, 0, "", 0, 0), (ACK, 1, "abc", 0, 1), (ACK, 1, "abc", 0, 2), (ACK, 4, "def", 0, 3)],
    ),
    (
        "retransmitted in part",
        "abcdef",
        &[(SYN, 0, "", 0, 0), (ACK, 1, "abcd", 0, 1), (ACK, 3, "cdef", 0, 2)],
    ),
    (
        "the first copy wins, delivered",
        "abcdef",
        &[(SYN, 0, "", 0, 0), (ACK, 1, "abcd", 0, 1), (ACK, 3, "XXef", 0, 2)],
    ),
    (
        "the first copy wins, buffered",
        "abcdef",
        &[(SYN, 0, "", 0, 0), (ACK, 3, "cd", 0, 1), (ACK, 1, "abXXef", 0, 2)],
    ),
    (
        "overlaps on both sides",
        "abcdefg",
        &[
            (SYN, 0, "", 0, 0),
            (ACK, 2, "bc", 0, 1),
            (ACK, 6, "fg", 0, 1),
            (ACK, 3, "XdeX", 0, 2),
            (ACK, 1, "a", 0, 3),
        ],
    ),
    ("SYN with data", "abc", &[(SYN, 0, "a", 0, 0), (ACK, 2, "bc", 0, 1)]),
    ("SYN with data again without", "abc", &[(SYN, 0, "ab", 0, 0), (SYN, 0, "", 0, 1), (ACK, 3, "c", 0, 2)]),
    (
        "SYN again",
        "abc",
        &[
            (SYN, 0, "", 0, 0),
            (SYN, 0, "", 0, 1),
            (ACK, 1, "ab", 0, 2),
            (SYN, 0, "", 0, 3),
            (ACK, 3, "c", 0, 4),
        ],
    ),
    ("data before SYN", "abcdef", &[(ACK, 1, "abc", 0, 0), (SYN, 0, "", 0, 1), (ACK, 4, "def", 0, 2)]),
    ("later data before SYN", "def", &[(ACK, 4, "def", 0, 0), (SYN, 0, "", 0, 1), (ACK, 1, "abc", 0, 2)]),
    ("acknowledgement before SYN", "abc", &[(ACK, 1, "", 0, 0), (SYN, 0, "", 0, 1), (ACK, 1, "abc", 0, 2)]),
    ("missing SYN", "defghi", &[(ACK, 4, "def", 0, 0), (ACK, 7, "ghi", 0, 1)]),
    ("missing SYN, reordered after data", "def", &[(ACK, 4, "def", 0, 0), (ACK, 1, "abc", 0, 1)]),
    (
        "missing SYN, reordered after an acknowledgement",
        "abcdef",
        &[(ACK, 7, "", 0, 0), (ACK, 1, "abc", 0, 1), (ACK, 4, "def", 0, 2)],
    ),
    (
        "keep-alives",
        "abcd",
        &[
            (SYN, 0, "", 0, 0),
            (ACK, 1, "abc", 0, 1),
            (ACK, 3, "", 0, 2),
            (ACK, 3, "\0", 0, 3),
            (ACK, 4, "d", 0, 4),
        ],
    ),
    ("joined on a bare keep-alive", "abc", &[(ACK, 0, "", 0, 0), (ACK, 1, "abc", 0, 1)]),
    (
        "joined on a keep-alive with a byte",
        "abc",
        &[(ACK, 0, "\0", 0, 0), (ACK, 0, "\0", 0, 1), (ACK, 1, "abc", 0, 2)],
    ),
    ("zero window probe", "abcd", &[(SYN, 0, "abc", 0, 0), (ACK, 4, "d", 0, 1), (ACK, 4, "d", 0, 2)]),
    ("urgent", "abc", &[(SYN, 0, "", 0, 0), (ACK.with(Flags::URG), 1, "ab", 0, 1), (ACK, 3, "c", 0, 2)]),
    ("FIN with data", "abc|", &[(SYN, 0, "", 0, 0), (FIN, 1, "abc", 0, 1), (FIN, 1, "abc", 0, 2)]),
    ("FIN out of order", "abcdef|", &[(SYN, 0, "", 0, 0), (FIN, 4, "def", 0, 1), (ACK, 1, "abc", 0, 2)]),
    ("FIN alone out of order", "abc|", &[(SYN, 0, "", 0, 0), (FIN, 4, "", 0, 1), (ACK, 1, "abc", 0, 2)]),
    ("FIN before bytes seen", "abc", &[(SYN, 0, "", 0, 0), (ACK, 1, "abc", 0, 1), (FIN, 2, "", 0, 2)]),
    ("FIN first", "|", &[(FIN, 4, "", 0, 1)]),
    (
        "data behind FIN",
        "abc|",
        &[
            (SYN, 0, "", 0, 0),
            (FIN, 1, "abc", 0, 1),
            (ACK, 4, "x", 0, 2),
            (ACK, 5, "def", 0, 2),
            (ACK, 8, "g", 0, 3),
        ],
    ),
    (
        "data behind a FIN that waits",
        "abc|",
        &[(SYN, 0, "", 0, 0), (FIN, 2, "bc", 0, 1), (ACK, 4, "x", 0, 2), (ACK, 1, "a", 0, 2)],
    ),
    (
        "RST that the sender itself does not obey, twice",
        "abc!d!",
        &[
            (SYN, 0, "", 0, 0),
            (ACK, 1, "abc", 0, 1),
            (RST, 4, "", 0, 2),
            (ACK, 4, "d", 0, 3),
            (RST, 4, "", 0, 4),
        ],
    ),
    ("RST after FIN", "abc|!", &[(SYN, 0, "", 0, 0), (FIN, 1, "abc", 0, 1), (RST, 5, "", 0, 2)]),
    ("RST with a text", "abc!", &[(SYN, 0, "abc", 0, 0), (RST, 4, "go away", 0, 2)]),
    ("RST first", "!", &[(RST, 4, "", 0, 2)]),
    ("RST ahead of data", "abc!", &[(SYN, 0, "", 0, 0), (RST, 4, "", 0, 2), (ACK, 1, "abc", 0, 3)]),
    ("RST ahead of lost data", "a then !", &[(SYN, 0, "a", 0, 0), (RST, 5, "", 0, 2)]),
    (
        "RST passed by data",
        "abcd",
        &[(SYN, 0, "", 0, 0), (RST, 3, "", 0, 2), (ACK, 1, "abc", 0, 3), (ACK, 4, "d", 0, 3)],
    ),
    ("RST far away", "abc", &[(SYN, 0, "", 0, 0), (RST, 1 << 30, "", 0, 2), (ACK, 1, "abc", 0, 3)]),
    (
        "port reuse",
        "abc|/xyz",
        &[(SYN, 0, "", 0, 0), (FIN, 1, "abc", 0, 1), (SYN, 5000, "", 0, 2), (ACK, 5001, "xyz", 0, 3)],
    ),
    (
        "port reuse with a hole",
        "a.c/xyz",
        &[(SYN, 0, "a", 0, 0), (ACK, 3, "c", 0, 1), (SYN, 5000, "xyz", 0, 2)],
    ),
    ("port reuse after RST", "!/xyz", &[(RST, 77, "", 0, 0), (SYN, 0, "", 0, 1), (ACK, 1, "xyz", 0, 2)]),
    (
        "port reuse without SYN after the end",
        "abc|/def",
        &[
            (SYN, 0, "", 0, 0),
            (FIN, 1, "abc", 0, 1),
            (ACK, 100_000, "abc", 0, 2),
            (ACK, 100_003, "def", 0, 3),
        ],
    ),
    (
        "port reuse without SYN, backwards",
        "abc/def",
        &[(SYN, 0, "abc", 0, 0), (ACK, 0xc000_0000, "abc", 0, 2), (ACK, 0xc000_0003, "def", 0, 3)],
    ),
    ("gap", "ab..ef", &[(SYN, 0, "ab", 0, 0), (ACK, 5, "e", 0, 1), (ACK, 6, "f", 0, 1001)]),
    (
        "gap not yet given up",
        "abcdef",
        &[(SYN, 0, "ab", 0, 0), (ACK, 5, "e", 0, 1), (ACK, 6, "f", 0, 1000), (ACK, 3, "cd", 0, 1000)],
    ),
    (
        "gap filled at the last moment",
        "abcdef",
        &[(SYN, 0, "ab", 0, 0), (ACK, 5, "ef", 0, 1), (ACK, 3, "cd", 0, 5000)],
    ),
    (
        "gap filled too late",
        "ab..efg",
        &[
            (SYN, 0, "ab", 0, 0),
            (ACK, 5, "e", 0, 1),
            (ACK, 6, "f", 0, 1001),
            (ACK, 3, "cd", 0, 1002),
            (ACK, 7, "g", 0, 1003),
        ],
    ),
    ("gap at the end", "ab then ..ef", &[(SYN, 0, "ab", 0, 0), (ACK, 5, "ef", 0, 1)]),
    ("gap before FIN", "ab then ..|", &[(SYN, 0, "ab", 0, 0), (FIN, 5, "", 0, 1)]),
    ("snapped", "ab~~ef", &[(SYN, 0, "", 0, 0), (ACK, 1, "ab", 2, 1), (ACK, 5, "ef", 0, 2)]),
    ("snapped to nothing", "~~ef", &[(SYN, 0, "", 0, 0), (ACK, 1, "", 2, 1), (ACK, 3, "ef", 0, 2)]),
    (
        "snapped out of order",
        "abc~ef",
        &[(SYN, 0, "", 0, 0), (ACK, 3, "c", 1, 1), (ACK, 5, "ef", 0, 2), (ACK, 1, "ab", 0, 3)],
    ),
    ("snapped with FIN", "a~~|", &[(SYN, 0, "", 0, 0), (FIN, 1, "a", 2, 1)]),
    ("snapped over what is there", "a~cd", &[(SYN, 0, "", 0, 0), (ACK, 3, "cd", 0, 1), (ACK, 1, "a", 3, 1)]),
    (
        "far away once",
        "abcd",
        &[(SYN, 0, "", 0, 0), (ACK, 1, "ab", 0, 1), (ACK, 0x4fff_0000, "junk", 0, 2), (ACK, 3, "cd", 0, 3)],
    ),
    (
        "far away twice, apart",
        "abcd",
        &[
            (SYN, 0, "ab", 0, 0),
            (ACK, 0x4fff_0000, "junk", 0, 2),
            (ACK, 3, "c", 0, 3),
            (ACK, 0x4fff_0004, "junk", 0, 4),
            (ACK, 4, "d", 0, 5),
        ],
    ),
    (
        "far away twice the same",
        "abcd",
        &[
            (SYN, 0, "ab", 0, 0),
            (ACK, 0x4fff_0000, "junk", 0, 2),
            (ACK, 0x4fff_0000, "junk", 0, 3),
            (ACK, 3, "cd", 0, 4),
        ],
    ),
    (
        "far before the start",
        "abcd",
        &[(SYN, 0, "ab", 0, 0), (ACK, 0xf000_0000, "junk", 0, 2), (ACK, 3, "cd", 0, 4)],
    ),
];

#[test]
fn streams_come_out_as_they_were_sent() {
    for first in [0, 1000, u32::MAX, u32::MAX - 2, u32::MAX - 6, 1 << 31] {
        for (name, expected, rows) in CASES {
            assert_eq!(run(first, rows).0, *expected, "{name}, from {first}");
        }
    }
}

#[test]
fn every_byte_that_is_not_delivered_has_its_reason() {
    let count = |rows: &[Row]| run(u32::MAX, rows).1.counters;
    let overlap = count(&[(SYN, 0, "", 0, 0), (ACK, 3, "cd", 0, 1), (ACK, 1, "abXdef", 0, 2)]);
    assert_eq!((overlap.duplicate_bytes, overlap.differing_bytes, overlap.reordered_segments), (2, 1, 1));
    let late = count(&[
        (SYN, 0, "ab", 0, 0),
        (ACK, 5, "e", 0, 1),
        (ACK, 6, "f", 0, 1001),
        (ACK, 2, "bcde", 0, 1002),
    ]);
    assert_eq!((late.late_bytes, late.retransmitted_bytes, late.gaps, late.gap_bytes), (2, 2, 1, 2));
    let start = count(&[(ACK, 4, "def", 0, 0), (ACK, 2, "bcdefg", 0, 1)]);
    assert_eq!((start.before_start_bytes, start.retransmitted_bytes, start.delivered_bytes), (2, 3, 4));
    let end =
        count(&[(SYN, 0, "", 0, 0), (FIN, 1, "abc", 0, 1), (ACK, 3, "cxy", 0, 2), (RST, 5, "bye", 0, 3)]);
    assert_eq!((end.after_end_bytes, end.retransmitted_bytes, end.reset_bytes), (2, 1, 3));
    let stray = count(&[(SYN, 0, "a", 0, 0), (ACK, 1 << 30, "junk", 0, 1), (RST, 1 << 30, "", 0, 2)]);
    assert_eq!((stray.out_of_window_bytes, stray.out_of_window_segments), (4, 2));
    let probe = count(&[(SYN, 0, "ab", 0, 0), (ACK, 2, "\0", 0, 1), (ACK, 2, "", 0, 1)]);
    assert_eq!((probe.keep_alive_segments, probe.keep_alive_bytes), (2, 1));
    let again = count(&[(SYN, 0, "", 0, 0), (SYN, 0, "", 0, 1), (SYN, 7, "", 0, 2)]);
    assert_eq!((again.repeated_syns, again.restarts), (1, 1));
}
