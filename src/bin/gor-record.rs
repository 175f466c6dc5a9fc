//! `gor-record`: packets in, gor text out.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser;
use gor_tools::capture::{self, Ledger};
use gor_tools::cli::record::{Args, dummy, live};
use gor_tools::cli::{self, Exit, signals};
use gor_tools::endpoint::{self, PacketFile, ReadOptions};
use gor_tools::packet::live::Expression;
use gor_tools::record::{Block, Sink as _, Source as _};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    cli::run("gor-record", || record(&args))
}

fn record(args: &Args) -> anyhow::Result<Exit> {
    args.check()?;
    let stop = signals::stop()?;
    if let Some(rate) = args.dummy {
        let (ledger, exit) = dummy::run(args, rate, &stop)?;
        tell(args, &ledger, None)?;
        return Ok(exit);
    }
    if args.is_live() {
        let ended = live::run(args, &stop)?;
        tell(args, &ended.ledger, ended.stats_json)?;
        return Ok(ended.exit);
    }
    record_files(args, &stop)
}

fn record_files(args: &Args, stop: &Arc<AtomicBool>) -> anyhow::Result<Exit> {
    let expression = args.bpf.as_deref().map(Expression::new).transpose()?;
    let reading = ReadOptions { is_stopping: Arc::clone(stop), ..ReadOptions::default() };
    let places = endpoint::expand(&args.read)?;
    let write = args.write_options();
    let mut sink = endpoint::create(&args.output.output, &write)?;
    let mut packets = args.write.as_deref().map(|path| PacketFile::create(path, &write)).transpose()?;
    reading.meter.set_total(endpoint::total_size(&places));
    let meter = Arc::clone(&reading.meter);
    let drawn = cli::progress(&meter, &args.output.output, args.verbosity.quiet);
    let taps = places.into_iter().map(move |place| -> capture::Tap {
        let reading = reading.clone();
        (place.to_string(), Box::new(move || endpoint::open_bytes(&place, &reading)))
    });
    let mut source = capture::Source::new(taps, args.capture_options());
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

/// Tells what became of everything, as far as that was asked for or is a loss; as JSON in a file that may be open
/// already.
fn tell(args: &Args, ledger: &Ledger, open: Option<File>) -> anyhow::Result<()> {
    if args.stats || args.verbosity.verbose > 0 {
        cli::report(ledger);
    }
    if let Some(path) = &args.stats_json {
        let write = || -> anyhow::Result<()> {
            let mut file = BufWriter::new(open.map_or_else(|| File::create(path), Ok)?);
            if file.get_ref().metadata()?.is_file() {
                file.get_ref().set_len(0)?;
            }
            serde_json::to_writer_pretty(&mut file, ledger)?;
            file.write_all(b"\n")?;
            file.flush()?;
            Ok(())
        };
        write().with_context(|| path.display().to_string())?;
    }
    if let Some(losses) = ledger.losses(args.verbosity.quiet) {
        cli::note(losses);
    }
    Ok(())
}
