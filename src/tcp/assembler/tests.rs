//! The assembler against its slow twin, and by cases.

use super::{Assembler, Counters, Event, Flags, Limits, PIECE_OVERHEAD, Segment, Seq, WINDOW};
use proptest::prelude::*;
use twin::{Item, Placed, Twin, itemise};

mod twin;

const SYN: Flags = Flags::SYN;
const FIN: Flags = Flags::FIN;
const RST: Flags = Flags::RST;
const ACK: Flags = Flags(0x10);
const PATIENT: Limits = Limits { patience: 1000, reordering: 500, bytes: 1 << 20, pieces: 1 << 10 };

/// One direction with all that goes with it.
struct Line {
    assembler: Assembler,
    limits: Limits,
    counters: Counters,
    items: Vec<Item>,
}

impl Line {
    fn new(limits: Limits) -> Self {
        Self { assembler: Assembler::new(), limits, counters: Counters::default(), items: Vec::new() }
    }

    fn push(&mut self, segment: &Segment<'_>) {
        let Self { assembler, limits, counters, items } = self;
        assembler.push(segment, limits, counters, &mut |event| itemise(event, items));
        self.reconcile();
    }

    fn send(&mut self, flags: Flags, seq: u32, payload: &[u8], time: i64) {
        self.push(&Segment { seq: Seq(seq), ack: Some(Seq(9)), flags, payload, missing: 0, time });
    }

    fn flush(&mut self) {
        let Self { assembler, counters, items, .. } = self;
        assembler.flush(counters, &mut |event| itemise(event, items));
        assert_eq!((self.assembler.held_bytes(), self.assembler.buffered()), (0, 0));
        self.reconcile();
    }

    /// Every payload byte is counted in exactly one way.
    fn reconcile(&self) {
        let held = self.assembler.held_bytes() as u64;
        assert_eq!(
            self.counters.payload_bytes,
            self.counters.accounted_bytes() + held,
            "{:?}",
            self.counters
        );
        assert!(self.assembler.buffered() <= self.limits.bytes);
    }

    /// The stream as text: bytes as they are, a dot for each lost one, `~` for a snapped one, `|` for FIN, `!` for
    /// RST, `/` for a restart.
    fn text(&self) -> String {
        let show = |item: &Item| match item {
            Item::Byte { byte, .. } => char::from(*byte),
            Item::Lost { is_snapped: false, .. } => '.',
            Item::Lost { is_snapped: true, .. } => '~',
            Item::Fin(_) => '|',
            Item::Reset(_) => '!',
            Item::Restart => '/',
        };
        self.items.iter().map(show).collect()
    }
}

/// Flags, sequence number, payload, missing bytes, time.
type Row = (Flags, u32, &'static str, u32, i64);

/// Pushes rows, flushes, and tells what came before and after the flush.
fn run(first: u32, rows: &[Row]) -> (String, Line) {
    let mut line = Line::new(PATIENT);
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

#[test]
fn the_stream_is_followed_over_a_long_hole() {
    let mut line = Line::new(PATIENT);
    let mut gaps = Vec::new();
    for (seq, payload) in [(1, b"ab"), (WINDOW as u32 * 3, b"cd"), (WINDOW as u32 * 3 + 2, b"ef")] {
        let segment = Segment { seq: Seq(seq), ack: Some(Seq(0)), flags: ACK, payload, missing: 0, time: 0 };
        line.assembler.push(&segment, &PATIENT, &mut line.counters, &mut |event| match event {
            Event::Gap { bytes, offset, .. } => gaps.push((offset, bytes)),
            event => itemise(event, &mut line.items),
        });
    }
    assert_eq!(gaps, [(2, WINDOW * 3 - 1)]);
    assert_eq!(line.text(), "abef");
    line.reconcile();
}

#[test]
fn in_order_payload_is_the_very_slice() {
    let mut assembler = Assembler::new();
    let mut counters = Counters::default();
    let bytes = *b"abcdef";
    for (at, payload) in [(0, &bytes[..3]), (3, &bytes[3..])] {
        let segment = Segment { seq: Seq(at), ack: Some(Seq(0)), flags: ACK, payload, missing: 0, time: 0 };
        assembler.push(&segment, &PATIENT, &mut counters, &mut |event| {
            let Event::Data(chunk) = event else { panic!("{event:?}") };
            assert!(std::ptr::eq(chunk.bytes, payload));
        });
    }
    assert!(assembler.is_joined() && assembler.buffered() == 0);
    assert!(size_of::<Assembler>() <= 40);
}

#[test]
fn a_gap_is_due_when_its_piece_has_waited() {
    let mut line = Line::new(PATIENT);
    line.send(SYN, 0, b"", 5);
    assert_eq!(line.assembler.deadline(&PATIENT), None);
    line.send(ACK, 3, b"c", 10);
    assert_eq!(line.assembler.deadline(&PATIENT), Some(1010));
    for (now, expected) in [(1009, ""), (1010, "..c")] {
        let Line { assembler, limits, counters, items } = &mut line;
        assembler.give_up_gaps(now, limits, counters, &mut |event| itemise(event, items));
        assert_eq!(line.text(), expected);
    }
    assert_eq!(line.assembler.deadline(&PATIENT), None);
}

#[test]
fn a_hole_that_is_being_filled_is_waited_for() {
    let mut line = Line::new(PATIENT);
    line.send(SYN, 0, b"", 0);
    line.send(ACK, 6, b"f", 10);
    for (seq, byte, time) in [(1, b"a", 900), (3, b"c", 1800), (2, b"b", 2700), (4, b"d", 3600)] {
        line.send(ACK, seq, byte, time);
        assert_eq!(line.assembler.deadline(&PATIENT), Some(time + 1000), "{time}");
    }
    line.send(ACK, 9, b"i", 4500);
    assert_eq!(line.text(), "abcd");
    line.send(ACK, 5, b"e", 4599);
    assert_eq!(line.text(), "abcdef");
}

#[test]
fn bytes_that_the_other_side_has_received_are_waited_for_no_longer_than_reordering_takes() {
    let patient = Limits { patience: i64::MAX, ..PATIENT };
    let mut line = Line::new(patient);
    line.send(SYN, 0, b"", 0);
    line.send(ACK, 6, b"f", 10);
    assert_eq!(line.assembler.deadline(&patient), Some(i64::MAX));
    line.assembler.acknowledged(Seq(4), ACK, 20);
    line.assembler.acknowledged(Seq(7), ACK, 300);
    assert_eq!(line.assembler.deadline(&patient), Some(520));
    let Line { assembler, limits, counters, items } = &mut line;
    assembler.give_up_gaps(520, limits, counters, &mut |event| itemise(event, items));
    assert_eq!((line.text().as_str(), line.assembler.deadline(&patient)), ("...", Some(800)));
    line.send(ACK, 4, b"de", 799);
    assert_eq!((line.text().as_str(), line.assembler.deadline(&patient)), ("...def", None));
}

#[test]
fn a_stream_begins_where_the_other_side_says() {
    let mut line = Line::new(PATIENT);
    line.assembler.acknowledged(Seq(4), ACK, 0);
    line.send(ACK, 6, b"f", 1);
    line.send(ACK, 4, b"de", 2);
    assert_eq!(line.text(), "def");
    let mut line = Line::new(PATIENT);
    line.assembler.acknowledged(Seq(6), ACK, 0);
    line.send(ACK, 4, b"de", 2);
    assert_eq!(line.text(), "de");
}

#[test]
fn too_much_behind_a_hole_gives_it_up() {
    let small = Limits { pieces: 2, ..PATIENT };
    let tight = Limits { bytes: 2 * PIECE_OVERHEAD + 4, ..PATIENT };
    for limits in [small, tight] {
        let mut line = Line::new(limits);
        line.send(SYN, 0, b"", 0);
        line.send(ACK, 2, b"bb", 0);
        line.send(ACK, 6, b"ff", 0);
        assert_eq!(line.text(), "");
        line.send(ACK, 9, b"i", 0);
        assert_eq!(line.text(), ".bb");
        assert_eq!(line.counters.overflow_gaps, 1);
    }
}

#[test]
fn a_million_tiny_segments_in_reverse_order_stay_cheap() {
    const COUNT: u32 = 1_000_000;
    for pieces in [100, 1 << 14, COUNT as usize] {
        let mut assembler = Assembler::new();
        let mut counters = Counters::default();
        let limits = Limits { patience: i64::MAX, reordering: i64::MAX, bytes: usize::MAX, pieces };
        let mut delivered = 0;
        let mut deliver = |event: Event<'_>| {
            if let Event::Data(chunk) = event {
                delivered += chunk.bytes.len();
            }
        };
        let syn = Segment { seq: Seq(0), ack: Some(Seq(0)), flags: SYN, payload: b"", missing: 0, time: 0 };
        assembler.push(&syn, &limits, &mut counters, &mut deliver);
        for seq in (1..=COUNT).rev() {
            let segment = Segment { seq: Seq(seq), flags: ACK, payload: b"x", ..syn };
            assembler.push(&segment, &limits, &mut counters, &mut deliver);
        }
        assert_eq!(counters.accounted_bytes(), u64::from(COUNT));
        assert!(delivered > pieces || delivered == COUNT as usize);
        assert_eq!(assembler.buffered(), 0);
    }
}

fn placed() -> impl Strategy<Value = Placed> {
    let fin = prop::bool::weighted(0.05);
    let missing = prop_oneof![6 => Just(0u32), 1 => 0..6u32];
    let received = prop::option::weighted(0.3, -20..60i64);
    (-20..40i64, 0..24usize, any::<u8>(), missing, fin, 0..40i64, received).prop_map(
        |(at, length, salt, missing, is_fin, time, received)| {
            // Mostly the same bytes for the same offset, so that overlaps both agree and differ.
            let byte = |i: i64| if salt < 40 { salt } else { 100 + (at + i).rem_euclid(100) as u8 };
            let payload = (0..length as i64).map(byte).collect();
            Placed { at, payload, missing, is_fin, ack: u32::from(salt), time, received }
        },
    )
}

/// Pushes the same segments into both; `at` is relative to a place that drifts along the stream.
fn compare(
    first: u32,
    has_syn: bool,
    drift: i64,
    limits: Limits,
    segments: &[Placed],
) -> Result<(), TestCaseError> {
    let mut line = Line::new(limits);
    let mut twin = Twin::new(first);
    if has_syn {
        line.send(SYN, first.wrapping_sub(1), b"", 0);
    } else {
        // A stream joined at its first byte.
        line.send(ACK, first, b"GET", 0);
        let payload = b"GET".to_vec();
        let start = Placed { at: 0, payload, missing: 0, is_fin: false, ack: 9, time: 0, received: None };
        twin.push(&start, &limits);
    }
    for (step, placed) in (0i64..).zip(segments) {
        let received = placed.received.map(|end| end + step * drift);
        let time = placed.time + step * 4;
        let placed = Placed { at: placed.at + step * drift, time, received, ..placed.clone() };
        if let Some(end) = received {
            line.assembler.acknowledged(Seq(first.wrapping_add(end as u32)), ACK, time);
        }
        line.push(&Segment {
            seq: Seq(first.wrapping_add(placed.at as u32)),
            ack: Some(Seq(placed.ack)),
            flags: if placed.is_fin { FIN } else { ACK },
            payload: &placed.payload,
            missing: placed.missing,
            time: placed.time,
        });
        twin.push(&placed, &limits);
        prop_assert_eq!(&line.items, &twin.items, "after segment {} {:?}", step, placed);
        prop_assert_eq!(line.assembler.held_bytes(), twin.held());
    }
    line.flush();
    twin.flush();
    prop_assert_eq!(&line.items, &twin.items, "after the flush");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_segments_give_what_the_twin_gives(
        first in prop_oneof![any::<u32>(), (u32::MAX - 200)..=u32::MAX],
        has_syn: bool,
        drift in 0..12i64,
        patience in prop_oneof![0..60i64, Just(1_000_000)],
        reordering in prop_oneof![0..60i64, Just(500)],
        pieces in prop_oneof![1..6usize, Just(1000)],
        bytes in prop_oneof![100..800usize, Just(1 << 20)],
        segments in prop::collection::vec(placed(), 1..60),
    ) {
        compare(first, has_syn, drift, Limits { patience, reordering, bytes, pieces }, &segments)?;
    }

    #[test]
    fn whatever_the_order_the_stream_is_what_was_sent(
        first in prop_oneof![any::<u32>(), (u32::MAX - 400)..=u32::MAX],
        stream in prop::collection::vec(any::<u8>(), 1..600),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 1..80usize), 0..60),
        order in any::<u64>(),
    ) {
        // Random pieces with duplicates and overlaps, and one pass over everything so that nothing is missing.
        let mut pieces: Vec<(usize, usize)> = cuts
            .iter()
            .map(|(index, length)| (index.index(stream.len()), *length))
            .chain((0..stream.len()).step_by(50).map(|at| (at, 50)))
            .collect();
        let mut state = order | 1;
        pieces.sort_by_cached_key(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        });
        let mut line = Line::new(PATIENT);
        line.send(SYN, first, b"", 0);
        for (at, length) in pieces {
            let end = stream.len().min(at + length);
            let flags = if end == stream.len() { FIN } else { ACK };
            let seq = first.wrapping_add(1 + at as u32);
            line.send(flags, seq, &stream[at..end], 0);
        }
        let bytes: Vec<u8> = line.items.iter().filter_map(|item| match item {
            Item::Byte { byte, .. } => Some(*byte),
            _ => None,
        }).collect();
        prop_assert_eq!(bytes, stream);
        prop_assert_eq!(line.items.last(), Some(&Item::Fin(0)));
        prop_assert_eq!(line.counters.gaps, 0);
    }

    #[test]
    fn junk_neither_panics_nor_grows_nor_loses_count(
        segments in prop::collection::vec(
            (any::<u32>(), 0..64u8, prop::collection::vec(any::<u8>(), 0..9), prop_oneof![Just(0), any::<u32>()], any::<i64>()),
            0..80,
        ),
    ) {
        let limits = Limits { patience: 1 << 60, reordering: 1 << 60, bytes: 500, pieces: 4 };
        let mut line = Line::new(limits);
        let mut delivered = 0;
        for (seq, flags, payload, missing, time) in segments {
            // Few places, so that some follow on each other.
            let seq = Seq((seq & 0x8000_000f).wrapping_sub(5));
            let segment = Segment { seq, ack: Some(Seq(0)), flags: Flags(flags), payload: &payload, missing: missing % 50, time };
            line.assembler.push(&segment, &limits, &mut line.counters, &mut |event| if let Event::Data(chunk) = event {
                delivered += chunk.bytes.len() as u64;
            });
            line.reconcile();
        }
        prop_assert_eq!(delivered, line.counters.delivered_bytes);
        line.assembler.flush(&mut line.counters, &mut |_| {});
        prop_assert_eq!(line.counters.payload_bytes, line.counters.accounted_bytes());
    }
}
