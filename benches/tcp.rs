//! Segments per second through the assembler, and look-ups in a table of 100,000 connections.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::tcp::{Assembler, ConnectionKey, Counters, Event, Flags, Limits, Segment, Seq, Table};

const SEGMENTS: u32 = 10_000;
const LENGTH: u32 = 1448;
const CONNECTIONS: u32 = 100_000;

/// Pushes the segments in the order given; each is full.
fn assemble(order: &[u32]) {
    let payload = [7; LENGTH as usize];
    let (mut assembler, mut counters, limits) = (Assembler::new(), Counters::default(), Limits::default());
    for &number in order {
        let seq = Seq(u32::MAX - LENGTH) + number * LENGTH;
        let (ack, flags) = (Some(Seq(1)), Flags(0x10));
        let segment = Segment { seq, ack, flags, payload: &payload, missing: 0, time: i64::from(number) };
        assembler.push(&segment, &limits, &mut counters, &mut |event| {
            if let Event::Data(chunk) = event {
                black_box(chunk.bytes);
            }
        });
    }
    assert_eq!(counters.delivered_bytes, order.len() as u64 * u64::from(LENGTH));
}

fn assembler(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("assembler");
    group.throughput(Throughput::Elements(u64::from(SEGMENTS)));
    let in_order: Vec<u32> = (0..SEGMENTS).collect();
    let mut swapped = in_order.clone();
    swapped[1..].chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    let mut bursts = in_order.clone();
    bursts[1..].chunks_mut(32).for_each(<[u32]>::reverse);
    for (name, order) in
        [("in_order", in_order), ("pairs_swapped", swapped), ("bursts_of_32_reversed", bursts)]
    {
        group.bench_function(name, |bencher| bencher.iter(|| assemble(black_box(&order))));
    }
    group.finish();
}

fn key(number: u32) -> ConnectionKey {
    let client = ((0x0a00_0000 + number / 7).to_be_bytes(), 1024 + (number % 7) as u16);
    ConnectionKey::of(client.into(), ([10, 9, 9, 9], 80).into()).0
}

fn filled() -> Table<[u64; 16]> {
    let mut table = Table::new(CONNECTIONS as usize, usize::MAX);
    for number in 0..CONNECTIONS {
        table.insert(key(number), [0; 16], i64::from(number));
    }
    table
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table_of_100k");
    group.throughput(Throughput::Elements(u64::from(CONNECTIONS)));
    let mut table = filled();
    group.bench_function("touch_all_over", |bencher| {
        bencher.iter(|| {
            let mut number = 1;
            for now in 0..CONNECTIONS {
                number = (number * 20_021 + 7) % CONNECTIONS;
                black_box(table.touch(&key(number), i64::from(now)));
            }
        });
    });
    group.bench_function("touch_ten_in_turn", |bencher| {
        bencher.iter(|| {
            for now in 0..CONNECTIONS {
                black_box(table.touch(&key(now % 10), i64::from(now)));
            }
        });
    });
    group.bench_function("fill", |bencher| bencher.iter(filled));
    group.finish();
}

criterion_group!(benches, assembler, table);
criterion_main!(benches);
