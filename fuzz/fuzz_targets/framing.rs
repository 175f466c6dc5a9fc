//! Any bytes as a message, cut anywhere: consumed counts stay in range and the cuts change nothing.
#![no_main]

use gor_tools::http::{BodyLength, Framer, FramingFault, RequestContext, Step};

/// Bytes skipped, of head and of body, how it ended, and what the framer says of the message.
type Told = (usize, usize, usize, Result<Step, FramingFault>, BodyLength, bool, bool);

fn frame(mut framer: Framer, bytes: &[u8], cuts: &[u8]) -> Told {
    let (mut skipped, mut head, mut body, mut given) = (0, 0, 0, 0);
    let mut cuts = cuts.iter().cycle();
    loop {
        let from = skipped + head + body;
        let step = framer.advance(&bytes[from..given]);
        match step {
            Ok(Step::Skip(length)) => skipped += length,
            Ok(Step::Head(length)) => head += length,
            Ok(Step::Body(length)) => body += length,
            Ok(Step::More) if given < bytes.len() => {
                let cut = cuts.next().map_or(bytes.len(), |&cut| usize::from(cut) + 1);
                given = (given + cut).min(bytes.len());
            }
            end => {
                return (
                    skipped,
                    head,
                    body,
                    end,
                    framer.length(),
                    framer.is_suspicious(),
                    framer.keeps_alive(),
                );
            }
        }
        assert!(skipped + head + body <= given);
    }
}

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<u8>, &[u8])| {
    let (side, cuts, bytes) = input;
    let framer = match side % 4 {
        0 => Framer::request(),
        1 => Framer::response(RequestContext::default()),
        2 => Framer::response(RequestContext::of(b"HEAD")),
        _ => Framer::response(RequestContext::of(b"CONNECT")),
    };
    let whole = frame(framer.clone(), bytes, &[]);
    assert_eq!(frame(framer.clone(), bytes, &cuts), whole);
    assert_eq!(frame(framer.clone(), bytes, &[0]), whole);
    if let Ok(Some(length)) = framer.measure(bytes) {
        assert!(length <= bytes.len());
    }
});
