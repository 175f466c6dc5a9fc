//! The assembler's bounds and waits; its streams in `cases.rs`, and against a slow twin in `laws.rs`.

use super::{Assembler, Counters, Event, Flags, Limits, PIECE_OVERHEAD, Segment, Seq, WINDOW};
use twin::{StreamByte, itemise};

mod cases;
mod laws;
mod twin;

const SYN: Flags = Flags::SYN;
const FIN: Flags = Flags::FIN;
const RST: Flags = Flags::RST;
const ACK: Flags = Flags(0x10);
const PATIENT: Limits = Limits { patience: 1000, reordering: 500, bytes: 1 << 20, pieces: 1 << 10 };

/// One direction with all that goes with it.
struct TestDirection {
    assembler: Assembler,
    limits: Limits,
    counters: Counters,
    items: Vec<StreamByte>,
}

impl TestDirection {
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
        let show = |item: &StreamByte| match item {
            StreamByte::Byte { byte, .. } => char::from(*byte),
            StreamByte::Lost { is_snapped: false, .. } => '.',
            StreamByte::Lost { is_snapped: true, .. } => '~',
            StreamByte::Fin(_) => '|',
            StreamByte::Reset(_) => '!',
            StreamByte::Restart => '/',
        };
        self.items.iter().map(show).collect()
    }
}

#[test]
fn the_stream_is_followed_over_a_long_hole() {
    let mut line = TestDirection::new(PATIENT);
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
fn bare_segments_that_change_nothing_are_passed_and_no_others() {
    let segments: [(Flags, u32, &[u8], bool); 10] = [
        (SYN, 0, b"", false),
        (ACK, 1, b"", true),
        (ACK, 1, b"ab", false),
        (ACK, 3, b"", true),
        (ACK, 2, b"", false), // A keep-alive probe, which is counted.
        (ACK, 5, b"ef", false),
        (ACK, 3, b"", false), // A hole may have become due.
        (ACK, 3, b"cd", false),
        (ACK, 7, b"", true),
        (FIN, 7, b"", false),
    ];
    let (mut line, mut pushed) = (TestDirection::new(PATIENT), TestDirection::new(PATIENT));
    for (flags, seq, payload, is_passed) in segments {
        let segment = Segment { seq: Seq(seq), ack: Some(Seq(9)), flags, payload, missing: 0, time: 0 };
        assert_eq!(line.assembler.pass_bare(&segment, &mut line.counters), is_passed, "{flags:?} {seq}");
        if !is_passed {
            line.push(&segment);
        }
        pushed.push(&segment);
        assert_eq!(line.counters, pushed.counters, "{flags:?} {seq}");
    }
    assert_eq!((line.text(), pushed.text()), ("abcdef|".into(), "abcdef|".into()));
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
    let mut line = TestDirection::new(PATIENT);
    line.send(SYN, 0, b"", 5);
    assert_eq!(line.assembler.deadline(&PATIENT), None);
    line.send(ACK, 3, b"c", 10);
    assert_eq!(line.assembler.deadline(&PATIENT), Some(1010));
    for (now, expected) in [(1009, ""), (1010, "..c")] {
        let TestDirection { assembler, limits, counters, items } = &mut line;
        assembler.give_up_gaps(now, limits, counters, &mut |event| itemise(event, items));
        assert_eq!(line.text(), expected);
    }
    assert_eq!(line.assembler.deadline(&PATIENT), None);
}

#[test]
fn a_hole_that_is_being_filled_is_waited_for() {
    let mut line = TestDirection::new(PATIENT);
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
    let mut line = TestDirection::new(patient);
    line.send(SYN, 0, b"", 0);
    line.send(ACK, 6, b"f", 10);
    assert_eq!(line.assembler.deadline(&patient), Some(i64::MAX));
    line.assembler.acknowledged(Seq(4), ACK, 20);
    line.assembler.acknowledged(Seq(7), ACK, 300);
    assert_eq!(line.assembler.deadline(&patient), Some(520));
    let TestDirection { assembler, limits, counters, items } = &mut line;
    assembler.give_up_gaps(520, limits, counters, &mut |event| itemise(event, items));
    assert_eq!((line.text().as_str(), line.assembler.deadline(&patient)), ("...", Some(800)));
    line.send(ACK, 4, b"de", 799);
    assert_eq!((line.text().as_str(), line.assembler.deadline(&patient)), ("...def", None));
}

#[test]
fn a_stream_begins_where_the_other_side_says() {
    let mut line = TestDirection::new(PATIENT);
    line.assembler.acknowledged(Seq(4), ACK, 0);
    line.send(ACK, 6, b"f", 1);
    line.send(ACK, 4, b"de", 2);
    assert_eq!(line.text(), "def");
    let mut line = TestDirection::new(PATIENT);
    line.assembler.acknowledged(Seq(6), ACK, 0);
    line.send(ACK, 4, b"de", 2);
    assert_eq!(line.text(), "de");
}

#[test]
fn too_much_behind_a_hole_gives_it_up() {
    let small = Limits { pieces: 2, ..PATIENT };
    let tight = Limits { bytes: 2 * PIECE_OVERHEAD + 4, ..PATIENT };
    for limits in [small, tight] {
        let mut line = TestDirection::new(limits);
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
