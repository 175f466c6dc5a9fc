//! Any segments and acknowledgements give what the slow twin of the assembler gives.
#![no_main]

use gor_tools::tcp::{Assembler, Counters, Event, Flags, Limits, PIECE_OVERHEAD, Segment, Seq};
use twin::{AssemblerTwin, Placed, itemise};

#[path = "../../src/tcp/assembler/tests/twin.rs"]
mod twin;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [first, patience, reordering, pieces, rest @ ..] = data else { return };
    let first = u32::from(*first).wrapping_sub(128);
    let (patience, reordering) = (i64::from(*patience), i64::from(*reordering));
    let pieces = 1 + usize::from(*pieces % 16);
    let limits = Limits { patience, reordering, bytes: 900, pieces };
    let (mut assembler, mut counters) = (Assembler::new(), Counters::default());
    let (mut twin, mut items) = (AssemblerTwin::new(first), Vec::new());
    let mut deliver = |event: Event<'_>| itemise(event, &mut items);
    let syn = Segment {
        seq: Seq(first.wrapping_sub(1)),
        ack: Some(Seq(0)),
        flags: Flags::SYN,
        payload: b"",
        missing: 0,
        time: 0,
    };
    assembler.push(&syn, &limits, &mut counters, &mut deliver);
    let mut time = 0;
    for row in rest.chunks_exact(6) {
        let [at, length, missing, salt, step, received] = *row else { return };
        time += i64::from(step.cast_signed());
        let is_fin = missing > 250;
        let missing = if missing < 200 { 0 } else { u32::from(missing % 16) };
        let payload = (0..length % 32).map(|i| if salt < 50 { salt } else { at.wrapping_add(i) }).collect();
        let received = (received < 128).then(|| i64::from(received) - 10);
        if let Some(end) = received {
            assembler.acknowledged(Seq(first.wrapping_add(end as u32)), Flags::default(), time);
        }
        let placed =
            Placed { at: i64::from(at) - 10, payload, missing, is_fin, ack: u32::from(salt), time, received };
        let seq = Seq(first.wrapping_add(placed.at as u32));
        let flags = if is_fin { Flags::FIN } else { Flags::default() };
        let segment =
            Segment { seq, ack: Some(Seq(placed.ack)), flags, payload: &placed.payload, missing, time };
        assembler.push(&segment, &limits, &mut counters, &mut deliver);
        assert_eq!(counters.payload_bytes, counters.accounted_bytes() + assembler.held_bytes() as u64);
        assert!(assembler.buffered() <= limits.bytes);
        twin.push(&placed, &limits);
    }
    assembler.flush(&mut counters, &mut deliver);
    twin.flush();
    assert_eq!(items, twin.items);
});
