//! The assembler against its slow twin, in any order, and with junk.

use proptest::prelude::*;

use super::twin::{AssemblerTwin, Placed, StreamByte};
use super::{ACK, FIN, PATIENT, SYN, TestDirection};
use crate::tcp::assembler::{Event, Flags, Limits, Segment, Seq};

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
    let mut line = TestDirection::new(limits);
    let mut twin = AssemblerTwin::new(first);
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
        let mut line = TestDirection::new(PATIENT);
        line.send(SYN, first, b"", 0);
        for (at, length) in pieces {
            let end = stream.len().min(at + length);
            let flags = if end == stream.len() { FIN } else { ACK };
            let seq = first.wrapping_add(1 + at as u32);
            line.send(flags, seq, &stream[at..end], 0);
        }
        let bytes: Vec<u8> = line.items.iter().filter_map(|item| match item {
            StreamByte::Byte { byte, .. } => Some(*byte),
            _ => None,
        }).collect();
        prop_assert_eq!(bytes, stream);
        prop_assert_eq!(line.items.last(), Some(&StreamByte::Fin(0)));
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
        let mut line = TestDirection::new(limits);
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
