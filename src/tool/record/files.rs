//! How `gor-record -r` runs: capture files in, records out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Args, tell};
use crate::capture;
use crate::cli::{self, Exit};
use crate::endpoint::{self, PacketFile, ReadOptions};
use crate::packet::live::Expression;
use crate::record::{Block, Sink as _, Source as _};

/// Reads the capture files to their end.
pub(super) fn run(args: &Args, stop: &Arc<AtomicBool>) -> anyhow::Result<Exit> {
    let expression = args.bpf.as_deref().map(Expression::new).transpose()?;
    let reading = ReadOptions { is_stopping: Arc::clone(stop), ..ReadOptions::default() };
    let places = endpoint::expand(&args.read)?;
    let write = args.write_options();
    let mut sink = endpoint::create(&args.output.output, &write)?;
    let mut packets = args.write.as_deref().map(|path| PacketFile::create(path, &write)).transpose()?;
    reading.meter.set_total(endpoint::total_size(&places));
    let meter = Arc::clone(&reading.meter);
    let drawn = cli::progress(&meter, &args.output.output, args.verbosity.quiet);
    let taps = places.into_iter().map(move |place| -> capture::CaptureInput {
        let reading = reading.clone();
        (place.to_string(), Box::new(move || endpoint::open_bytes(&place, &reading)))
    });
    let mut source = capture::CaptureSource::new(taps, args.capture_options());
    if let Some(expression) = expression {
        source.select(expression);
    }
    if packets.is_some() {
        source.keep_packets();
    }

    let mut exit = Exit::Done;
    let mut block = Block::new();
    let mut has_any = false;
    loop {
        if stop.load(Ordering::Relaxed) {
            source.stop();
        }
        match source.read_block(&mut block) {
            Ok(true) => meter.add_records(block.len() as u64),
            Ok(false) => break,
            // The input was ended in the middle of a packet, as it was told to.
            Err(_) if stop.load(Ordering::Relaxed) => continue,
            Err(error) => {
                cli::note(error);
                exit = Exit::Lost;
                continue;
            }
        }
        has_any = true;
        if let (Some(file), Some(kept)) = (&mut packets, source.kept()) {
            let written = kept.iter().try_for_each(|packet| file.write(&packet)).and_then(|()| file.flush());
            kept.clear();
            if let Err(error) = written {
                // The records so far are not to blame.
                sink.write_block(&block)?;
                sink.finish()?;
                return Err(error.into());
            }
        }
        if !block.is_empty() {
            sink.write_block(&block)?;
            sink.flush()?;
        }
    }
    // An input that cannot even be opened leaves no empty output behind.
    if exit == Exit::Done || has_any {
        sink.finish()?;
        if let Some(packets) = &mut packets {
            packets.finish()?;
        }
    }
    drop((sink, packets));
    drop(drawn);
    let ledger = source.ledger();
    tell(args, &ledger, None)?;
    if exit == Exit::Done && ledger.packets.read == 0 && !args.verbosity.quiet {
        cli::note("no packets to read");
    }
    Ok(exit)
}
